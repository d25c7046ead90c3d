/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * cuda/self_check.cuh - sste_self_check on the GPU, by one thread: canaries
 * that -use_fast_math, -ftz=true or -prec-div=false break.
 */
#ifndef SSTE_CUDA_SELF_CHECK_CUH
#define SSTE_CUDA_SELF_CHECK_CUH

#include "warp.cuh"

/* A compiler would compute with constants itself, by IEEE 754 whatever its
 * flags. So each number below is made of an argument, which is 1. */
typedef struct sste_priv_cuda_self_check_args {
  int *failed;
  float one;
} sste_priv_cuda_self_check_args;

/* 2^n, by its bits. */
SSTE_HD static inline float sste_priv_cuda_power(float one, int n) {
  return sste_priv_float(sste_priv_bits(one) + (uint32_t)n * 0x00800000u);
}

SSTE_HD static inline int sste_priv_cuda_check_rounding(float one) {
  const float quarter_ulp = sste_priv_cuda_power(one, -25);
  const float nearer = one + quarter_ulp; /* not 1 when rounding upwards */
  const float further = one + 3.0f * quarter_ulp; /* 1 when down, or to zero */
  return nearer != 1.0f || further == 1.0f;
}

SSTE_HD static inline int sste_priv_cuda_check_subnormals(float one) {
  const float smallest = sste_priv_cuda_power(one, -126);
  const float half = sste_priv_cuda_power(one, -1);
  const float kept = sste_priv_float(sste_priv_bits(smallest) / 2);
  const float subnormal = smallest * half; /* 0 where results are flushed */
  const float doubled = kept + kept;       /* 0 where operands are flushed */
  return sste_priv_bits(subnormal) != 0x00400000u ||
         sste_priv_bits(doubled) != 0x00800000u;
}

SSTE_HD static inline int sste_priv_cuda_check_sums(float one) {
  const float large = sste_priv_cuda_power(one, 24); /* adding 1 rounds back */
  return (large + one) - large != 0.0f;
}

/* 1/41 lies so far from every float that 41 * 32767 times any of them is not
 * 32767: a division that multiplies shows, however good its reciprocal. */
SSTE_HD static inline int sste_priv_cuda_check_division(float one) {
  const float divisor = 41.0f * one;
  return (32767.0f * divisor) / divisor != 32767.0f;
}

SSTE_HD static inline int sste_priv_cuda_check_answers(float one) {
  float a[4] = {4.0f, -3.0f, 2.0f, -1.0f}, b[4] = {1.0f, 2.0f, 3.0f, 4.0f};
  float x[4] = {1.1875f, -1e30f, -1e-30f, 0.001f};
  const uint8_t expected[4] = {0x3A, 0xFE, 0x80, 0x01};
  int i, wrong = 0;
  for (i = 0; i < 4; ++i) a[i] *= one, b[i] *= one, x[i] *= one;
  wrong |= sste_group_project(a, a) != 0;
  wrong |= a[0] != 2.0f || a[1] != -1.0f || a[2] != 0.0f || a[3] != 0.0f;
  sste_mvue24_group_draw(b, b, 0x80000000u);
  wrong |= b[0] != 0.0f || b[1] != 5.0f || b[2] != 0.0f || b[3] != 5.0f;
  for (i = 0; i < 4; ++i) wrong |= sste_fp8_e4m3fn_encode(x[i]) != expected[i];
  return wrong;
}

SSTE_HD static inline void sste_priv_cuda_self_check_item(
    const sste_priv_cuda_self_check_args *p, size_t unused) {
  const float one = p->one;
  (void)unused;
  *p->failed =
      (sste_priv_cuda_check_rounding(one) ? SSTE_BROKEN_ROUNDING : 0) |
      (sste_priv_cuda_check_subnormals(one) ? SSTE_BROKEN_SUBNORMALS : 0) |
      (sste_priv_cuda_check_sums(one) ? SSTE_BROKEN_SUMS : 0) |
      (sste_priv_cuda_check_division(one) ? SSTE_BROKEN_DIVISION : 0) |
      (sste_priv_cuda_check_answers(one) ? SSTE_BROKEN_ANSWERS : 0);
}

SSTE_ITEMS(sste_priv_cuda_self_check)

/* The launcher; its promises are in sste_cuda.h. */
SSTE_CUDA_API sste_status sste_cuda_self_check(int *failed,
                                               sste_cuda_stream stream) {
  volatile float one = 1.0f; /* on the CPU the launcher is seen, too */
  sste_priv_cuda_self_check_args p;
  if (failed == NULL) return SSTE_ERR_NULL;
  p.failed = failed;
  p.one = one;
  return sste_priv_cuda_self_check_launch(&p, 1, stream);
}

#endif /* SSTE_CUDA_SELF_CHECK_CUH */
