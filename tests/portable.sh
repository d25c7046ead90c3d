#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# portable.sh - builds portable.c in every way at hand and compares what the
# builds print: no level of optimisation, compiler, instruction set or byte
# order may change a bit of any header. Exits 1 if one does.
# What cannot be built and run here is skipped, counted, and named with its
# Debian packages.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
builds=0 skipped=0 differ=0
strict="-std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -I."
printf 'int main(void) { return 0; }\n' >"$tmp/nothing.c"

# $1: packages; $2: what runs the program, or ""; then the compiler and flags
build() {
  packages=$1 runner=$2
  shift 2
  if ! { "$@" -o "$tmp/nothing" "$tmp/nothing.c" && $runner "$tmp/nothing"; } \
    >/dev/null 2>&1; then
    skipped=$((skipped + 1))
    echo "  skipped  $* (on Debian: apt-get install -y $packages)"
    return
  fi
  "$@" $strict -o "$tmp/portable" tests/portable.c -lm ||
    { echo "portable: $*: does not compile" >&2; exit 1; }
  builds=$((builds + 1))
  verdict=same
  $runner "$tmp/portable" >"$tmp/now" 2>"$tmp/modes" || verdict=MODES
  [ -s "$tmp/first" ] || grep -v '^modes' "$tmp/now" >"$tmp/first"
  # A build that printed nothing, or too little, differs, too.
  grep -v '^modes' "$tmp/now" | diff "$tmp/first" - >"$tmp/diff" ||
    verdict=BUILD
  echo "  $verdict  $(sed -n 's/^modes *//p' "$tmp/now") modes  $*"
  [ $verdict = same ] && return
  differ=$((differ + 1))
  cat "$tmp/modes" "$tmp/diff"
}

for compiler in gcc clang; do
  serial="-DSSTE_USE_OPENMP=0"
  packages="$compiler libc6-dev libomp-dev"
  build "$packages" "" $compiler -O0 $serial
  build "$packages" "" $compiler -O1 $serial
  build "$packages" "" $compiler -O2 $serial
  build "$packages" "" $compiler -O2 -fopenmp
  build "$packages" "" $compiler -O2 -ffp-contract=fast -fopenmp
  build "$packages" "" $compiler -O3 -march=native -fopenmp
  build "$packages" "" $compiler -O3 -march=native -ffp-contract=fast -fopenmp
  [ "$(uname -m)" = x86_64 ] || continue
  for level in -O0 -O2; do # i386
    build "gcc-12-multilib libc6-dev-i386" "" \
      $compiler -m32 -msse2 -mfpmath=sse $level $serial
  done
done
# A big-endian machine, whose floats are doubles by default in strict C; and
# another that fuses.
build "gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user" qemu-s390x \
  s390x-linux-gnu-gcc -static -fexcess-precision=fast -O2 -DSSTE_USE_OPENMP=0
build "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user" qemu-aarch64 \
  aarch64-linux-gnu-gcc -static -O2 -ffp-contract=fast -DSSTE_USE_OPENMP=0

[ $builds -gt 1 ] || { echo "portable: nothing to compare" >&2; exit 1; }
echo "portable: $builds builds, $differ differ, $skipped skipped"
[ $differ -eq 0 ]
