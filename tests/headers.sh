#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# headers.sh - what must hold of the header files themselves: each compiles
# alone without a warning in every language, three of them from an empty folder,
# two translation units link, the repeated prelude is one text, an unused header
# leaves no symbol behind, flags that break the promises are refused, and no
# number is written down in two places that disagree. Exits 1 on the first that
# does not hold.
set -eu
top=$PWD
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
headers="sste.h sste_fp8.h sste_mvue.h sste_gemm.h sste_train.h sste_mma.h
  sste_check.h sste_cuda.h"
alone="sste.h sste_fp8.h sste_mvue.h"
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
checks=0
skipped=0

fail() { echo "headers: $*" >&2; exit 1; }
passed() { checks=$((checks + 1)); }
has() { command -v "$1" >/dev/null; }

# First what takes no time: every file's licence, and 80 columns of source.
wide=0
for file in $headers cuda/* tests/*.[ch] tests/*.cu tests/*.sh tests/*.py \
  tests/*/*.py tests/*/*.cu bench/* examples/*.* examples/*/* python/*.* \
  Makefile .ci/run; do
  head -3 "$file" | grep -q 'SPDX-License-Identifier: MIT' ||
    fail "$file: no SPDX line"
  case $file in
    *.h | *.c | *.cu | *.cuh) ! grep -HnE '.{81}' "$file" || wide=1 ;;
  esac
done
[ $wide -eq 0 ] || fail "over 80 columns"
passed

# An unused include, and a use of it that calls something.
write_units() { # folder header
  printf '#include "%s"\n' "$2" >"$1/empty.c"
  printf '#include "%s"\nint main(void) { return (int)SSTE_OK; }\n' "$2" \
    >"$1/main.c"
  cp "$1/empty.c" "$1/empty.cc"
  cp "$1/main.c" "$1/main.cc"
  cp "$1/main.c" "$1/main.cu"
}

for header in $headers; do
  here=$tmp/$header.d
  mkdir "$here"
  case " $alone " in
    *" $header "*) cp "$header" "$here" ;; # that one file, nothing else
    *) cp -r $headers cuda "$here" ;;
  esac
  write_units "$here" "$header"
  for compiler in gcc clang; do
    for std in c99 c11; do
      for omp in "" -fopenmp; do
        (cd "$here" && $compiler -std=$std $warnings $omp -O1 -c main.c \
          -o main.o) || fail "$header: $compiler -std=$std $omp"
        passed
      done
    done
  done
  for compiler in g++ clang++; do
    has $compiler || { skipped=$((skipped + 4)); continue; }
    for std in c++11 c++20; do
      for omp in "" -fopenmp; do
        (cd "$here" && $compiler -std=$std $warnings $omp -O1 -c main.cc \
          -o main.o) || fail "$header: $compiler -std=$std $omp"
        passed
      done
    done
  done
  (cd "$here" && gcc -std=c99 -O0 -c empty.c -o empty.o)
  [ -z "$(nm "$here/empty.o")" ] || fail "$header: an unused include has symbols"
  passed
  for refused in -ffast-math -ffinite-math-only -freciprocal-math \
    -funsafe-math-optimizations; do
    (cd "$here" && gcc -std=c99 $refused -fsyntax-only main.c 2>/dev/null) &&
      fail "$header: $refused is not refused"
    (cd "$here" && gcc -std=c99 $refused -DSSTE_ALLOW_FAST_MATH=1 \
      -fsyntax-only main.c) || fail "$header: SSTE_ALLOW_FAST_MATH"
    passed
  done
  if has nvcc; then
    (cd "$here" && nvcc -Werror all-warnings -arch=sm_80 \
      -Xcompiler -Wall,-Wextra,-Werror \
      -c main.cu -o main.o) || fail "$header: nvcc"
    passed
  else
    skipped=$((skipped + 1))
  fi
done

# A kernel that calls the scalar functions: the same text on the device.
if has nvcc; then
  nvcc -Werror all-warnings -I. -c tests/compile/device.cu -o "$tmp/device.o" ||
    fail "device.cu"
  passed
else
  skipped=$((skipped + 1))
fi

# All headers in both of two units, linked into one program.
for part in a b; do
  { for header in $headers; do echo "#include \"$header\""; done
    echo "int unit_$part(void);"
    echo "int unit_$part(void) { return sste_self_check(); }"; } \
    >"$tmp/unit_$part.c"
done
printf 'int unit_a(void);\nint unit_b(void);\nint main(void) { return unit_a() + unit_b(); }\n' \
  >"$tmp/link.c"
gcc -std=c99 $warnings -I"$top" "$tmp"/unit_a.c "$tmp"/unit_b.c "$tmp/link.c" \
  -o "$tmp/link" || fail "two units do not link"
"$tmp/link" || fail "two units: self-check"
passed

# Functions with external linkage, for a shared object: SSTE_API empty in one.
printf '#define SSTE_API\n#include "sste_train.h"\n' >"$tmp/shared.c"
gcc -std=c99 -O2 -fopenmp -shared -fPIC -I"$top" "$tmp/shared.c" \
  -o "$tmp/shared.so" || fail "SSTE_API empty"
nm -D "$tmp/shared.so" | grep -q ' T sste_linear_backward$' ||
  fail "SSTE_API empty exports nothing"
nm -D "$tmp/shared.so" | grep -q ' T sste_priv' && fail "private names exported"
passed

# The self-check sees what flags do when they are allowed.
printf '#include "sste_train.h"\nint main(void) { return sste_self_check(); }\n' \
  >"$tmp/check.c"
for compiler in gcc clang; do
  $compiler -std=c99 -O2 -ffast-math -DSSTE_ALLOW_FAST_MATH=1 -I. "$tmp/check.c" \
    -o "$tmp/check" -lm
  "$tmp/check" && fail "the self-check misses -ffast-math ($compiler)"
  for flags in "-O0" "-O2" "-O3 -march=native -ffp-contract=fast"; do
    $compiler -std=c99 $flags -I. "$tmp/check.c" -o "$tmp/check" -lm
    "$tmp/check" || fail "the self-check complains of $compiler $flags"
  done
  passed
done

# One prelude, one version, and a README that counts right.
prelude() { sed -n '/^\/\* ---- Prelude/,/^\/\* ---- End of the prelude/p' "$1"; }
prelude sste.h >"$tmp/prelude"
[ "$(wc -l <"$tmp/prelude")" -gt 50 ] || fail "the prelude's marks are gone"
for header in $alone; do
  prelude $header | cmp -s - "$tmp/prelude" || fail "$header: another prelude"
  passed
done
version() { sed -n "s/^#define SSTE_VERSION_$1 //p" sste.h; }
number=$(version MAJOR).$(version MINOR).$(version PATCH)
grep -q "^#define SSTE_VERSION \"$number\"" sste.h || fail "SSTE_VERSION"
grep -q "^## \[$number\]" CHANGELOG.md || fail "CHANGELOG.md lacks $number"
passed
for header in $headers; do
  lines=$(wc -l <$header)
  grep -q "^| \`$header\` | *$lines |" README.md ||
    fail "README.md: $header has $lines lines"
  passed
done
block() { awk -v n="$1" '/^```c$/ { ++c; next } /^```$/ { if (c == n) exit; next }
  c == n' README.md; }
block 1 >"$tmp/readme.c"
gcc -std=c99 -O2 -fopenmp -I. "$tmp/readme.c" -o "$tmp/readme" ||
  fail "README.md: the example does not compile"
"$tmp/readme" >"$tmp/readme.out" || fail "README.md: the example fails"
sed -n '/^```text$/,/^```$/{/^```/!p}' README.md |
  cmp -s - "$tmp/readme.out" || fail "README.md: the example prints otherwise"
passed
{ echo '#include "sste_fp8.h"'; echo 'static int quantise(void) {'; block 3
  echo 'return code[0] != 0x7E || code[1] != 0xF6 || code[2] != 0x68 ||'
  echo 'code[3] != 0 || scale != 224 || y[0] != 2 || y[1] != -1 || y[3] != 0; }'
  echo 'enum { M = 1, N = 1, K = 2 };'
  echo 'static int multiply(const uint8_t *a, const uint8_t *b) {'; block 5
  echo 'return z[0] != 3; }'
  echo 'int main(void) { const uint8_t a[2] = {0x38, 0x38}, b[2] = {0x3C, 0x40};'
  block 4
  echo 'return code != 0x7E || quantise() || multiply(a, b); }'
} >"$tmp/readme.c"
gcc -std=c99 -O2 -I. "$tmp/readme.c" -o "$tmp/readme" && "$tmp/readme" ||
  fail "README.md: the FP8 examples"
passed
{ echo '#include "sste_check.h"'; echo 'enum { N = 8, K = 32 };'
  echo 'static float w[N * K], want[N * K], got[N * K];'
  echo 'static void my_kernel(float *to, const float *from, int n, int k) {'
  echo 'sste_tensor_project(to, K, from, K, (size_t)n, (size_t)k, 1, NULL); }'
  echo 'int main(void) {'; block 2
  echo 'return text[0] == 0 || sste_check_failures(&report) != 0; }'
} >"$tmp/readme.c"
gcc -std=c99 -O2 -I. "$tmp/readme.c" -o "$tmp/readme" &&
  "$tmp/readme" || fail "README.md: the kernel test"
passed
{ echo '#include "sste_mma.h"'
  echo 'static uint16_t values[16 * 16], columns[8 * 32]; static uint8_t meta[64];'
  echo 'int main(void) { memset(meta, 0x44, sizeof meta);'
  echo 'values[9 * 16 + 3] = columns[3 * 32 + 5] = 0x4000;'; block 6
  echo 'return at.lane != 5 || at.reg != 1 || at.bit != 16 ||'
  echo 'a[32 + 5] != 0x40000000u || d[2 * 32 + 5] != 0 ||'
  echo 'd[3 * 32 + 5] != 0x40800000u; }'
} >"$tmp/readme.c"
gcc -std=c99 -O2 -I. "$tmp/readme.c" -o "$tmp/readme" &&
  "$tmp/readme" || fail "README.md: the tensor core"
passed
{ echo '#include "sste_train.h"'; echo 'enum { T = 4, N = 8, K = 8 };'
  echo 'static float w[N * K], values[N * K / 2], x[T * K], z[T * N], want[T * N];'
  echo 'static uint8_t meta[N]; static float memory[1024], scratch[8192];'
  echo 'int main(void) { const size_t bytes = sizeof scratch; size_t i;'
  echo 'const float beta = 1; sste_linear layer; for (i = 0; i < N * K; ++i)'
  echo 'w[i] = (float)(i * 37 % 11); for (i = 0; i < T * K; ++i)'
  echo 'x[i] = (float)(i % 7);'; block 7
  echo 'sste_product_forward_compressed(want, N, x, K, values, K / 2, meta,'
  echo 'K / 8, T, N, K);'
  echo 'return memcmp(z, want, sizeof z) != 0 || layer.fast != 1; }'
} >"$tmp/readme.c"
gcc -std=c99 -O2 -I. "$tmp/readme.c" -o "$tmp/readme" &&
  "$tmp/readme" || fail "README.md: the fast products"
passed
{ echo '#include "sste_train.h"'; echo 'enum { T = 4, N = 4, K = 8, steps = 3 };'
  echo 'static float w[N * K], dw[N * K], x[T * K], z[T * N], dz[T * N];'
  echo 'static uint8_t mask[N * K]; static float scratch[4096];'
  echo 'static void my_loss(float *to, const float *from) {'
  echo 'memcpy(to, from, sizeof dz); }'
  echo 'static void my_optimiser(float *to, const float *g, float rate) {'
  echo 'int i; for (i = 0; i < N * K; ++i) to[i] -= rate * g[i]; }'
  echo 'int main(void) { const size_t bytes = sizeof scratch; size_t k, i;'
  echo 'sste_mvue_stream stream = {1, 2, 3, 0, 0}; sste_linear layer;'
  echo 'float rate = 0.01f; for (i = 0; i < N * K; ++i)'
  echo 'x[i] = w[i] = (float)(i * 37 % 11) - 5;'
  echo 'if (sste_linear_init(&layer, w, K, N, K) != SSTE_OK) return 1;'; block 8
  echo 'for (i = 0; i < N * K; ++i) rate += (float)mask[i];'
  echo 'return layer.mask != mask || rate != 0.01f + N * K / 2; }'
} >"$tmp/readme.c"
gcc -std=c99 -O2 -I. "$tmp/readme.c" -o "$tmp/readme" &&
  "$tmp/readme" || fail "README.md: the training loop"
passed

echo "headers: $checks checks passed, $skipped skipped (no such compiler)"
