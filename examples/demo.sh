#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# demo.sh STEPS [FILE] - trains the same transformer dense and by S-STE, and
# sets the two side by side. Run by `make demo`.
set -eu
steps=$1
out=build/demo
rm -rf "$out"
mkdir -p "$out"

for method in dense s-ste; do
  build/examples/pretrain ${2:+"$2"} --method "$method" --steps "$steps" \
    --csv "$out/$method.csv" --checkpoint "$out/$method.ckpt" \
    >"$out/$method.txt"
done

# result: method M  valid V bits/byte  zeros Z %  flips F  seconds S  ...
echo
echo "After $steps steps, on bytes that neither has seen:"
echo
cat "$out/dense.txt" "$out/s-ste.txt" | awk '
  BEGIN {
    printf "%-8s%18s%12s%14s%18s%9s\n", "method", "valid bits/byte",
      "gap", "FFN zeros", "last flip rate", "time"
  }
  /^result:/ {
    if (!dense) dense = $5
    gap = lines ? sprintf("%+.2f%%", 100 * ($5 / dense - 1)) : "-"
    printf "%-8s%18.4f%12s%11.2f%%%18s%7d s\n", $3, $5, gap, $8, $11, $13
    lines++
  }
  END { exit lines != 2 }'
echo
echo "Every step of both runs: $out/dense.csv, $out/s-ste.csv"
if command -v gnuplot >/dev/null; then
  gnuplot <<END && echo "As a picture: $out/demo.svg"
set datafile separator ','
set terminal svg size 800,400 background 'white'
set output '$out/demo.svg'
set grid
set xlabel 'step'
set ylabel 'validation bits per byte'
plot '$out/dense.csv' using 1:5 with linespoints title 'dense', \\
     '$out/s-ste.csv' using 1:5 with linespoints title 'S-STE'
END
fi
