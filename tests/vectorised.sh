#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# vectorised.sh - whether gcc and clang vectorise each `omp simd` loop of
# sste_fp8.h at -O2 -fopenmp, by their own reports. Exits 1 if a loop is not,
# or if the two loops each of row_encode and row_decode are no longer found. A
# compiler that is missing is skipped and counted as skipped.
set -eu
header=sste_fp8.h
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
checks=0 skipped=0

fail() { echo "vectorised: $*" >&2; exit 1; }

# Per loop: its function, its pragma's line and that of its first statement's
# end: somewhere between the two is the line that a report names.
awk '/^(SSTE_API |SSTE_HD )*static inline/ {
       match($0, /sste_priv_[a-z0-9_]*\(/)
       function_name = substr($0, RSTART, RLENGTH - 1)
     }
     /SSTE_OMP\(simd/ { start = NR }
     start && /;$/ { print function_name, start, NR; start = 0 }' \
  "$header" >"$tmp/loops"
[ "$(grep -cE '^sste_priv_fp8_row_(encode|decode) ' "$tmp/loops")" -eq 4 ] ||
  fail "row_encode and row_decode should have four loops: $(cat "$tmp/loops")"

# $1: a compiler; $2: how it reports; $3: the words; then flags
reports() {
  compiler=$1 report=$2 words=$3
  shift 3
  command -v "$compiler" >/dev/null || {
    skipped=$((skipped + 1))
    echo "vectorised: skipped; on Debian: apt-get install -y $compiler"
    return
  }
  printf '#include "%s"\n' "$header" >"$tmp/loops.c"
  "$compiler" -std=c99 -O2 -fopenmp "$@" -I. -DSSTE_API= $report \
    -c -o "$tmp/loops.o" "$tmp/loops.c" 2>"$tmp/report" ||
    fail "$compiler $*: $(cat "$tmp/report")"
  sed -n "s/.*$header:\([0-9]*\):[0-9]*: $words.*/\1/p" "$tmp/report" |
    sort -nu >"$tmp/lines"
  while read -r name first last; do
    awk -v first="$first" -v last="$last" \
      '$1 >= first && $1 <= last { found = 1 } END { exit !found }' \
      "$tmp/lines" ||
      fail "$compiler $*: $name: the loop at $header:$first is scalar"
    checks=$((checks + 1))
  done <"$tmp/loops"
}

gcc_words='optimized: loop vectorized'
clang_words='remark: vectorized loop'
clang_report='-Rpass=loop-vectorize -Werror=pass-failed'
for flags in "" -march=x86-64-v3; do
  [ -z "$flags" ] || [ "$(uname -m)" = x86_64 ] || continue
  reports gcc -fopt-info-vec "$gcc_words" $flags
  reports clang "$clang_report" "$clang_words" $flags
done

echo "vectorised: $checks checks passed, $skipped skipped"
[ "$checks" -gt 0 ] || fail "no compiler to ask"
