/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * slow_nm.h - groups of N:M and the formats of 16 bits once more, by other
 * means and with no thought of speed.
 *
 * Groups are sorted instead of counted, thresholds are sums of doubles by fma,
 * numbers are built by ldexp, and a float is rounded by looking for its two
 * neighbours. Nothing of sste.h is used.
 */
#ifndef SSTE_SLOW_NM_H
#define SSTE_SLOW_NM_H

#include "slow_sste.h"

/* ---- One group of M ------------------------------------------------------ */

/* All m entries, the largest first: an insertion sort. */
static inline void slow_sort_nm(slow_entry e[32], const float *a, int m,
                                int higher_wins) {
  int i, j;
  for (i = 0; i < m; ++i) {
    slow_entry x;
    x.is_nan = a[i] != a[i];
    x.magnitude = x.is_nan ? 0.0 : fabs((double)a[i]);
    x.index = i;
    for (j = i; j > 0 && slow_before(x, e[j - 1], higher_wins); --j)
      e[j] = e[j - 1];
    e[j] = x;
  }
}

/* t_0 is the first entry that is not kept, t_1 the last one that is. Their
 * difference is rounded to float, the sum that gamma makes of them to double
 * and then to float. */
static inline float slow_interpolate(const slow_entry *e, int n, float gamma) {
  const slow_entry t0 = e[n], t1 = e[n - 1];
  const slow_entry top = gamma > 0.0f ? t1 : t0;
  const float gap = (float)(t1.magnitude - t0.magnitude);
  if (top.is_nan) return slow_nan();
  if (gamma > 0.0f && t1.magnitude < HUGE_VAL)
    return (float)fma((double)gamma, (double)gap, t0.magnitude);
  return (float)top.magnitude;
}

static inline float slow_threshold_nm(const float *a, int n, int m,
                                      float gamma) {
  slow_entry e[32];
  slow_sort_nm(e, a, m, 0);
  return slow_interpolate(e, n, gamma);
}

static inline uint32_t slow_mask_nm(const float *a, int n, int m,
                                    int higher_wins) {
  slow_entry e[32];
  uint32_t mask = 0;
  int i;
  slow_sort_nm(e, a, m, higher_wins);
  for (i = 0; i < n; ++i) mask |= (uint32_t)1 << e[i].index;
  return mask;
}

static inline int slow_project_nm(float *out, const float *a, int n, int m,
                                  float gamma) {
  slow_entry e[32];
  float t;
  int i, poisoned;
  slow_sort_nm(e, a, m, 0);
  t = slow_interpolate(e, n, gamma);
  poisoned = e[0].is_nan || t != t || (double)t == HUGE_VAL;
  for (i = 0; i < m; ++i) out[i] = 0.0f;
  for (i = 0; i < n; ++i) {
    const double left = e[i].magnitude - (double)t;
    if (poisoned)
      out[e[i].index] = slow_nan();
    else if (left > 0.0)
      out[e[i].index] = (float)copysign(left, a[e[i].index]);
  }
  return poisoned;
}

/* ---- Formats ------------------------------------------------------------- */

/* An IEEE format: its widths. */
typedef struct slow_format {
  int exponent, mantissa;
} slow_format;

static const slow_format slow_float32 = {8, 23}, slow_float16 = {5, 10},
                         slow_bfloat16 = {8, 7};

static inline uint32_t slow_sign(slow_format f) {
  return (uint32_t)1 << (f.exponent + f.mantissa);
}
static inline uint32_t slow_infinity(slow_format f) {
  return slow_sign(f) - ((uint32_t)1 << f.mantissa);
}
static inline uint32_t slow_one(slow_format f) {
  return (slow_infinity(f) >> 1) & slow_infinity(f);
}
/* The quiet NaN without sign or payload. */
static inline uint32_t slow_nan_code(slow_format f) {
  return slow_infinity(f) | (uint32_t)1 << (f.mantissa - 1);
}

/* What a code without a sign stands for, with no thought of infinity: its code
 * is the next power of two. */
static inline double slow_magnitude(slow_format f, uint32_t code) {
  const int bias = (1 << (f.exponent - 1)) - 1, e = (int)(code >> f.mantissa);
  const double fraction = (double)(code & (((uint32_t)1 << f.mantissa) - 1));
  const double whole = e == 0 ? 0.0 : ldexp(1.0, f.mantissa);
  return ldexp(whole + fraction, (e == 0 ? 1 : e) - bias - f.mantissa);
}

/* What a code stands for. */
static inline float slow_widen(slow_format f, uint32_t code) {
  const uint32_t sign = slow_sign(f), m = code & (sign - 1);
  const double x = m == slow_infinity(f) ? HUGE_VAL : slow_magnitude(f, m);
  if (m > slow_infinity(f)) return slow_nan();
  return (float)(code & sign ? -x : x);
}

/* The code of the number nearest to x, the even one of two; a zero is +0. What
 * rounds to the power of two after the largest number is an infinity. */
static inline uint32_t slow_narrow(slow_format f, float x) {
  const double m = fabs((double)x);
  uint32_t low = 0, high = slow_infinity(f);
  double below, above;
  if (x != x) return slow_nan_code(f);
  if (m >= slow_magnitude(f, high)) low = high;
  while (high - low > 1) {
    const uint32_t middle = (low + high) / 2;
    if (slow_magnitude(f, middle) <= m)
      low = middle;
    else
      high = middle;
  }
  below = m - slow_magnitude(f, low);
  above = slow_magnitude(f, high) - m;
  if (above < below || (above == below && low % 2 != 0)) low = high;
  return low != 0 && x < 0.0f ? low | slow_sign(f) : low;
}

#endif /* SSTE_SLOW_NM_H */
