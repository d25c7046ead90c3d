#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# vectorised.sh - whether gcc and clang vectorise every `omp simd` loop of the
# headers, by their own reports, plain, for AVX2, and for this machine. Exits 1
# if a loop is not, or if a header has fewer of them than `least` says. What is
# missing here, a compiler or AVX2, is skipped and counted as skipped.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
checks=0 known=0 scalar_loops=0 skipped=0

fail() { echo "vectorised: $*" >&2; exit 1; }
skip() { skipped=$((skipped + 1)); echo "vectorised: skipped: $*"; }

# A header and how many loops it has at the least. Raise it with the loops: it
# keeps the script from passing on nothing. Headers not named may have some.
least="sste.h 24
sste_fp8.h 9
sste_mvue.h 6
sste_gemm.h 4"

# Loops that a compiler leaves scalar, and why: function compiler flags # why.
# A * stands for any compiler or flags.
scalar=""

# Per loop: header, function, the pragma's line and the end of the first
# statement that does something. Somewhere between is the line that a report
# names.
awk '/^[A-Za-z].*sste_[a-z0-9_]*\(/ {
       match($0, /sste_[a-z0-9_]*\(/)
       function_name = substr($0, RSTART, RLENGTH - 1)
     }
     /SSTE_OMP\((.* )?simd/ { start = FNR }
     start && /[=(].*;$/ { print FILENAME, function_name, start, FNR; start = 0 }' \
  sste*.h >"$tmp/loops"
echo "$least" | while read -r header count; do
  found=$(grep -c "^$header " "$tmp/loops" || true)
  [ "$found" -ge "$count" ] ||
    fail "$header has $found loops, and should have $count or more"
done
cut -d' ' -f1 "$tmp/loops" | uniq | sed 's/.*/#include "&"/' >"$tmp/loops.c"

# $1: a function, $2: a compiler, $3: its flags; whether it is listed as scalar
is_known() {
  echo "$scalar" | awk -v name="$1" -v compiler="$2" -v flags="$3" '
    { sub(/ *#.*/, ""); listed = $3; for (i = 4; i <= NF; ++i)
        listed = listed " " $i }
    $1 == name && ($2 == "*" || $2 == compiler) &&
      (listed == "*" || listed == flags) { yes = 1 }
    END { exit !yes }'
}

# $1: a compiler; $2: how it reports; $3: the words; $4: flags
reports() {
  "$1" -std=c99 -fopenmp $4 -I. -DSSTE_API= $2 -c -o "$tmp/loops.o" \
    "$tmp/loops.c" 2>"$tmp/report" || fail "$1 $4: $(cat "$tmp/report")"
  # header and line, once each
  sed -n "s/^\(.*\/\)\{0,1\}\(sste[a-z0-9_]*\.h\):\([0-9]*\):[0-9]*: $3.*/\2 \3/p" \
    "$tmp/report" | sort -u >"$tmp/lines"
  while read -r header name first last; do
    if awk -v header="$header" -v first="$first" -v last="$last" \
      '$1 == header && $2 >= first && $2 <= last { found = 1 }
       END { exit !found }' "$tmp/lines"; then
      checks=$((checks + 1))
    elif is_known "$name" "$1" "$4"; then
      known=$((known + 1))
    else
      scalar_loops=$((scalar_loops + 1))
      echo "vectorised: $1 $4: $name: the loop at $header:$first is scalar" >&2
    fi
  done <"$tmp/loops"
}

for flags in -O2 "-O2 -march=x86-64-v3" "-O3 -march=native"; do
  case $flags in
    *x86-64*) [ "$(uname -m)" = x86_64 ] || { skip "$flags"; continue; } ;;
  esac
  if command -v gcc >/dev/null; then
    reports gcc -fopt-info-vec 'optimized: loop vectorized' "$flags"
  else
    skip "gcc $flags; on Debian: apt-get install -y gcc"
  fi
  if command -v clang >/dev/null; then
    reports clang -Rpass=loop-vectorize 'remark: vectorized loop' "$flags"
  else
    skip "clang $flags; on Debian: apt-get install -y clang libomp-dev"
  fi
done

echo "vectorised: $(wc -l <"$tmp/loops") loops, $checks checks passed," \
  "$known known to be scalar, $skipped skipped"
[ "$scalar_loops" -eq 0 ] || fail "$scalar_loops loops should not be scalar"
[ "$checks" -gt 0 ] || fail "no compiler to ask"
