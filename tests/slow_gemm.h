/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * slow_gemm.h - sste_gemm.h once more: every output by itself, as a list of
 * terms. A dense row has one term for each k, a 2:4 row one for each entry that
 * a nibble names. Nothing is packed, turned or cut into tiles.
 *
 * Three sums of one list: as the header states the order, bit for bit; of small
 * integers, exactly; and in double, with the sum of the magnitudes that an
 * error bound is made of. Nothing of sste_gemm.h is used.
 */
#ifndef SSTE_SLOW_GEMM_H
#define SSTE_SLOW_GEMM_H

#include "slow_sste.h"

/* A as its terms: n in each row, their k ascending. */
typedef struct slow_terms {
  size_t rows, n;
  size_t *k;
  float *a;
} slow_terms;

static inline slow_terms slow_terms_new(size_t rows, size_t n) {
  slow_terms t;
  t.rows = rows;
  t.n = n;
  t.k = (size_t *)malloc((rows * n + 1) * sizeof *t.k);
  t.a = (float *)malloc((rows * n + 1) * sizeof *t.a);
  return t;
}

static inline void slow_terms_free(slow_terms t) {
  free(t.k);
  free(t.a);
}

/* The two terms of group g of row i. */
static inline void slow_terms_group(slow_terms t, size_t i, size_t g,
                                    int nibble, float first, float second) {
  const struct slow_pair *pair = &slow_pairs[slow_pair_of(nibble)];
  const size_t at = i * t.n + 2 * g;
  t.k[at] = 4 * g + (size_t)pair->first;
  t.k[at + 1] = 4 * g + (size_t)pair->second;
  t.a[at] = first;
  t.a[at + 1] = second;
}

/* One step of the stated order. The product is rounded first where the target
 * has no fused instruction: volatile, so that nobody fuses it after all. */
static inline float slow_step(float a, float b, float sum) {
#if defined(__FMA__) || defined(__FP_FAST_FMAF) || defined(FP_FAST_FMAF)
  return fmaf(a, b, sum);
#else
  volatile float product = a * b;
  return product + sum;
#endif
}

/* Y = A B, all by rows: B has J columns. */
typedef void slow_sum(float *y, slow_terms a, const float *b, size_t J);

static inline void slow_ordered(float *y, slow_terms a, const float *b,
                                size_t J) {
  size_t i, j, t;
  for (i = 0; i < a.rows; ++i)
    for (j = 0; j < J; ++j) {
      float sum = 0.0f;
      for (t = i * a.n; t < (i + 1) * a.n; ++t)
        sum = slow_step(a.a[t], b[a.k[t] * J + j], sum);
      y[i * J + j] = slow_canonical(sum);
    }
}

static inline void slow_integers(float *y, slow_terms a, const float *b,
                                 size_t J) {
  size_t i, j, t;
  for (i = 0; i < a.rows; ++i)
    for (j = 0; j < J; ++j) {
      long sum = 0;
      for (t = i * a.n; t < (i + 1) * a.n; ++t)
        sum += (long)a.a[t] * (long)b[a.k[t] * J + j];
      y[i * J + j] = (float)sum;
    }
}

/* y_ij and sum |a_ik b_kj|; each product is exact in double. */
static inline double slow_exact(double *magnitude, slow_terms a, const float *b,
                                size_t J, size_t i, size_t j) {
  double sum = 0.0;
  size_t t;
  *magnitude = 0.0;
  for (t = i * a.n; t < (i + 1) * a.n; ++t) {
    const double product = (double)a.a[t] * (double)b[a.k[t] * J + j];
    sum += product;
    *magnitude += fabs(product);
  }
  return sum;
}

/* The bound of n terms, relative to the sum of their magnitudes. */
static inline double slow_bound(size_t n) {
  const double nu = (double)n * 0x1p-24;
  return nu / (1.0 - nu);
}

/* ---- 16-bit floats ------------------------------------------------------- */

/* A pattern of one sign, E and 15 - E bits, by its digits. */
static inline float slow_half(int code, int E) {
  const int M = 15 - E, bias = (1 << (E - 1)) - 1, ones = (1 << E) - 1;
  const int e = code >> M & ones, m = code % (1 << M);
  const double sign = code >> 15 != 0 ? -1.0 : 1.0;
  if (e == ones) return m != 0 ? slow_nan() : (float)(sign * HUGE_VAL);
  if (e == 0) return (float)(sign * ldexp(m, 1 - bias - M));
  return (float)(sign * ldexp((1 << M) + m, e - bias - M));
}

#endif /* SSTE_SLOW_GEMM_H */
