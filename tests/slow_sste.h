/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * slow_sste.h - sste.h once more, by other means and with no thought of speed.
 *
 * Groups are sorted instead of compared pairwise, magnitudes are doubles
 * instead of bit patterns, sums are laid out in arrays as the definition lists
 * them, products are three plain loops. Nothing of sste.h is used.
 */
#ifndef SSTE_SLOW_SSTE_H
#define SSTE_SLOW_SSTE_H

#include "test.h"

/* ---- One group ----------------------------------------------------------- */

typedef struct slow_entry {
  double magnitude; /* unused for a NaN */
  int is_nan, index;
} slow_entry;

static inline float slow_nan(void) { return test_float(0x7FC00000u); }

static inline float slow_canonical(float x) { return x != x ? slow_nan() : x; }

/* Whether p goes before q: NaN first, then the larger, then by the tie rule. */
static inline int slow_before(slow_entry p, slow_entry q, int higher_wins) {
  if (p.is_nan != q.is_nan) return p.is_nan;
  if (!p.is_nan && p.magnitude > q.magnitude) return 1;
  if (!p.is_nan && p.magnitude < q.magnitude) return 0;
  return higher_wins ? p.index > q.index : p.index < q.index;
}

/* The four entries, the largest first: an insertion sort. */
static inline void slow_sort(slow_entry e[4], const float a[4],
                             int higher_wins) {
  int i, j;
  for (i = 0; i < 4; ++i) {
    slow_entry x;
    x.is_nan = a[i] != a[i];
    x.magnitude = x.is_nan ? 0.0 : fabs((double)a[i]);
    x.index = i;
    for (j = i; j > 0 && slow_before(x, e[j - 1], higher_wins); --j)
      e[j] = e[j - 1];
    e[j] = x;
  }
}

static inline float slow_threshold(const float a[4]) {
  slow_entry e[4];
  slow_sort(e, a, 0);
  return e[2].is_nan ? slow_nan() : (float)e[2].magnitude;
}

static inline int slow_mask(const float a[4], int higher_wins) {
  slow_entry e[4];
  slow_sort(e, a, higher_wins);
  return 1 << e[0].index | 1 << e[1].index;
}

/* A difference of floats rounded to double and then to float is the difference
 * rounded once: 53 bits are more than twice 24 and two. */
static inline int slow_project(float out[4], const float a[4]) {
  slow_entry e[4];
  int i, poisoned;
  slow_sort(e, a, 0);
  poisoned = e[0].is_nan || e[2].magnitude == HUGE_VAL;
  for (i = 0; i < 4; ++i) out[i] = 0.0f;
  for (i = 0; i < 2; ++i) {
    const float x = a[e[i].index];
    if (poisoned)
      out[e[i].index] = slow_nan();
    else if (e[i].magnitude > e[2].magnitude)
      out[e[i].index] = (float)copysign(e[i].magnitude - e[2].magnitude, x);
  }
  return poisoned;
}

/* beta * s, rounded once, with the rules for zeros and NaNs. */
static inline float slow_scaled(float beta, float s) {
  const float y = (float)((double)beta * (double)s);
  return y == 0.0f ? 0.0f : slow_canonical(y);
}

/* ---- beta ---------------------------------------------------------------- */

enum { SLOW_BLOCK = 4096, SLOW_LANES = 32 };

/* sum of u[i] * v[i] over one block: lanes first, then halves onto halves. */
static inline double slow_block(const float *u, const float *v, size_t n) {
  double lane[SLOW_LANES];
  size_t j, e, width;
  for (j = 0; j < SLOW_LANES; ++j) {
    lane[j] = 0.0;
    for (e = j; e < n; e += SLOW_LANES) lane[j] += (double)u[e] * (double)v[e];
  }
  for (width = SLOW_LANES; width > 1; width /= 2)
    for (j = 0; j < width / 2; ++j) lane[j] = lane[j] + lane[width / 2 + j];
  return lane[0];
}

/* The list of block sums, folded level by level; an odd last one moves up. */
static inline double slow_fold(double *list, size_t n) {
  while (n > 1) {
    size_t i, m = 0;
    for (i = 0; i + 1 < n; i += 2) list[m++] = list[i] + list[i + 1];
    if (n % 2 != 0) list[m++] = list[n - 1];
    n = m;
  }
  return list[0];
}

static inline double slow_dot(const float *u, const float *v, size_t n) {
  const size_t blocks = (n + SLOW_BLOCK - 1) / SLOW_BLOCK;
  double *list = (double *)malloc(blocks * sizeof *list);
  double sum;
  size_t b;
  for (b = 0; b < blocks; ++b) {
    const size_t left = n - b * SLOW_BLOCK;
    list[b] = slow_block(u + b * SLOW_BLOCK, v + b * SLOW_BLOCK,
                         left < SLOW_BLOCK ? left : SLOW_BLOCK);
  }
  sum = slow_fold(list, blocks);
  free(list);
  return sum;
}

/* <W,S(W)> and <S(W),S(W)>, the matrix first copied into one long row. */
static inline void slow_dots(double *ws, double *ss, const float *w, size_t ldw,
                             size_t rows, size_t cols) {
  const size_t n = rows * cols;
  float *flat = (float *)malloc(n * sizeof *flat);
  float *s = (float *)malloc(n * sizeof *s);
  size_t e;
  for (e = 0; e < n; ++e) flat[e] = w[e / cols * ldw + e % cols];
  for (e = 0; e < n; e += 4) slow_project(s + e, flat + e);
  *ws = slow_dot(flat, s, n);
  *ss = slow_dot(s, s, n);
  free(flat);
  free(s);
}

static inline float slow_beta(const float *w, size_t ldw, size_t rows,
                              size_t cols) {
  double ws, ss;
  slow_dots(&ws, &ss, w, ldw, rows, cols);
  return (float)(ws / ss);
}

/* ---- The compressed form ------------------------------------------------- */

static const struct slow_pair {
  int first, second, nibble;
} slow_pairs[6] = {{0, 1, 0x4}, {0, 2, 0x8}, {0, 3, 0xC},
                   {1, 2, 0x9}, {1, 3, 0xD}, {2, 3, 0xE}};

/* The row of the table with this nibble, or -1. */
static inline int slow_pair_of(int nibble) {
  int i;
  for (i = 0; i < 6; ++i)
    if (slow_pairs[i].nibble == nibble) return i;
  return -1;
}

/* A scan for the non-zeros of a 2:4 group; empty places go to the first zeros.
 */
static inline int slow_compress(float values[2], const float a[4]) {
  int taken[4] = {0, 0, 0, 0}, n = 0, i;
  for (i = 0; i < 4; ++i)
    if (a[i] != 0.0f) taken[i] = 1;
  for (i = 0; i < 4; ++i) n += taken[i];
  for (i = 0; i < 4 && n < 2; ++i)
    if (!taken[i]) {
      taken[i] = 1;
      ++n;
    }
  for (i = 0; i < 6; ++i)
    if (taken[slow_pairs[i].first] && taken[slow_pairs[i].second]) break;
  values[0] = slow_canonical(a[slow_pairs[i].first] + 0.0f);
  values[1] = slow_canonical(a[slow_pairs[i].second] + 0.0f);
  return slow_pairs[i].nibble;
}

/* The nibble of group g: bytes from left to right, the low half first. */
static inline int slow_nibble(const uint8_t *row, size_t g) {
  return g % 2 == 0 ? row[g / 2] % 16 : row[g / 2] / 16;
}

/* ---- Products ------------------------------------------------------------ */

static inline void slow_forward(float *z, size_t ldz, const float *x,
                                size_t ldx, const float *w, size_t ldw,
                                size_t T, size_t N, size_t K) {
  size_t t, n, k;
  for (t = 0; t < T; ++t)
    for (n = 0; n < N; ++n) {
      double sum = 0.0;
      for (k = 0; k < K; ++k)
        sum += (double)x[t * ldx + k] * (double)w[n * ldw + k];
      z[t * ldz + n] = slow_canonical((float)sum);
    }
}

static inline void slow_input_grad(float *dx, size_t lddx, const float *dz,
                                   size_t lddz, const float *w, size_t ldw,
                                   size_t T, size_t N, size_t K) {
  size_t t, n, k;
  for (t = 0; t < T; ++t)
    for (k = 0; k < K; ++k) {
      double sum = 0.0;
      for (n = 0; n < N; ++n)
        sum += (double)dz[t * lddz + n] * (double)w[n * ldw + k];
      dx[t * lddx + k] = slow_canonical((float)sum);
    }
}

static inline void slow_weight_grad(float *dw, size_t lddw, const float *dz,
                                    size_t lddz, const float *x, size_t ldx,
                                    size_t T, size_t N, size_t K) {
  size_t t, n, k;
  for (n = 0; n < N; ++n)
    for (k = 0; k < K; ++k) {
      double sum = 0.0;
      for (t = 0; t < T; ++t)
        sum += (double)dz[t * lddz + n] * (double)x[t * ldx + k];
      dw[n * lddw + k] = slow_canonical((float)sum);
    }
}

/* Only the two places that a nibble names are ever multiplied. */
static inline void slow_forward_compressed(float *z, size_t ldz, const float *x,
                                           size_t ldx, const float *values,
                                           size_t ldv, const uint8_t *meta,
                                           size_t ldm, size_t T, size_t N,
                                           size_t K) {
  size_t t, n, g;
  for (t = 0; t < T; ++t)
    for (n = 0; n < N; ++n) {
      double sum = 0.0;
      for (g = 0; g < K / 4; ++g) {
        const int i = slow_pair_of(slow_nibble(meta + n * ldm, g));
        const float *v = values + n * ldv + 2 * g, *p = x + t * ldx + 4 * g;
        sum += (double)v[0] * (double)p[slow_pairs[i].first];
        sum += (double)v[1] * (double)p[slow_pairs[i].second];
      }
      z[t * ldz + n] = slow_canonical((float)sum);
    }
}

#endif /* SSTE_SLOW_SSTE_H */
