/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * Lesson 5: who is right? Two FP8 converters that disagree, and the questions
 * that settle it: whose rule, how many roundings, which scale, and what the sum
 * should have been.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sste_fp8.h"

static void must(int holds, const char *what) {
  if (holds) return;
  printf("FAILED: %s\n", what);
  exit(1);
}

/* 1. Both may be right: overflow, infinity and NaN are conventions. */
static void whose_rule(void) {
  static const struct {
    int who;
    const char *name;
  } peers[] = {{SSTE_LIKE_CUDA_SATFINITE, "CUDA, SATFINITE"},
               {SSTE_LIKE_CUDA_NOSAT, "CUDA, NOSAT"},
               {SSTE_LIKE_ML_DTYPES_0_6, "ml_dtypes 0.6"},
               {SSTE_LIKE_TORCH_2_12, "PyTorch 2.12"},
               {SSTE_LIKE_TORCH_2_13, "PyTorch 2.13"},
               {SSTE_LIKE_ONNX_25_SATURATE, "ONNX, saturate"}};
  const float x[6] = {1.2f, 464, -500, INFINITY, -NAN, 1.1875f};
  const sste_fp8_format f = sste_fp8_e4m3fn();
  size_t p;
  int i;
  printf("Whose rule? All of these are right, by their own.\n");
  printf("to E4M3FN            1.2   464  -500   inf  -NaN  1.1875\n");
  for (p = 0; p < sizeof peers / sizeof *peers; ++p) {
    const sste_fp8_rule rule =
        sste_fp8_rule_like(peers[p].who, f, sste_fp8_float32());
    printf("  %-16s", peers[p].name);
    for (i = 0; i < 6; ++i)
      printf("    %02X", (unsigned)sste_fp8_encode_float(f, rule, x[i], 0));
    printf("\n");
    must(sste_fp8_encode_float(f, rule, 464, 0) == 0x7E,
         "rounding comes first: 464 is a tie, and goes to 448");
  }
}

/* 2. One is wrong: it went by way of float16, and rounded twice. */
static void how_many_roundings(void) {
  const sste_fp8_format f = sste_fp8_e4m3fn();
  sste_fp8_rule rule = sste_fp8_saturating();
  const double x = 1.5625 + 1.0 / 8388608; /* a little over a midpoint */
  const int once = sste_fp8_encode_double(f, rule, x, 0);
  int twice;
  rule.via = SSTE_VIA_FLOAT16;
  twice = sste_fp8_encode_double(f, rule, x, 0);
  printf("\nHow many roundings? One, or it is wrong.\n");
  printf("  %.9f lies above the middle of 1.5 and 1.625\n", x);
  printf("  one rounding %02X, by way of float16 %02X\n", (unsigned)once,
         (unsigned)twice);
  must(once == 0x3D && twice == 0x3C, "a second rounding makes a tie of it");
}

/* 3. Both are right, by different scales: 448 / amax or amax / 448. Numbers
 * that lie on midpoints, as data does that has been quantised before, fall to
 * either side of them by the last bit of the scale.                         */
static void which_scale(void) {
  enum { N = 127 };
  float x[N], scale;
  uint8_t multiplied[N], divided[N];
  const sste_fp8_format f = sste_fp8_e4m3fn();
  const sste_fp8_recipe how[2] = {sste_fp8_recipe_current(f),
                                  sste_fp8_recipe_divide(f)};
  int i, differ = 0;
  x[0] = 0.3f; /* amax */
  for (i = 1; i < N; ++i)
    x[i] = (sste_fp8_e4m3fn_decode((uint8_t)(i - 1)) +
            sste_fp8_e4m3fn_decode((uint8_t)i)) /
           2 * (0.3f / 448);
  for (i = 0; i < 2; ++i) {
    must(sste_fp8_tensor_scale(&scale, x, N, 1, N, how[i]) == SSTE_OK &&
             sste_fp8_tensor_encode(i == 0 ? multiplied : divided, N, x, N, 1,
                                    N, &scale, how[i]) == SSTE_OK,
         "a scale and the codes");
    printf(i == 0 ? "\nWhich scale? Either: but say which.\n  x * %.9g"
                  : " and x / %.9g",
           (double)scale);
  }
  for (i = 0; i < N; ++i) differ += multiplied[i] != divided[i];
  printf(" differ in %d of %d codes\n", differ, (int)N);
  must(differ > 0, "rounded scales part at midpoints");
}

/* 4. What the sum should have been: exact, then rounded once. */
static void which_sum(void) {
  const uint8_t a[4] = {0x7B, 0x01, 0x01, 0xFB}; /* 57344, 2^-16, 2^-16, ... */
  const uint8_t b[4] = {0x7B, 0x01, 0x01, 0x7B};
  const sste_fp8_format f = sste_fp8_e5m2();
  float sum = 0, exact;
  uint64_t bits;
  uint32_t low;
  int k;
  for (k = 0; k < 4; ++k)
    sum = fmaf(sste_fp8_decode(f, a[k]), sste_fp8_decode(f, b[k]), sum);
  must(sste_fp8_dot(&bits, sste_fp8_float32(), sste_fp8_saturating(), f, a, f,
                    b, 4) == SSTE_OK,
       "the exact dot product");
  low = (uint32_t)bits;
  memcpy(&exact, &low, sizeof exact);
  printf("\nWhat is the sum? Only one is exact; a bound holds the others.\n");
  printf("  four E5M2 products: in float %g, exactly %g\n", (double)sum,
         (double)exact);
  must(exact == ldexpf(1, -31) && sum != exact, "float loses the small terms");
}

int main(void) {
  whose_rule();
  how_many_roundings();
  which_scale();
  which_sum();
  return 0;
}
