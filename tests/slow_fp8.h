/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * slow_fp8.h - 8-bit floats the long way round: every value of a format is
 * written out in double, and the code of x is found by measuring the distance
 * to each of them. It shares neither code nor method with sste_fp8.h.
 */
#ifndef SSTE_SLOW_FP8_H
#define SSTE_SLOW_FP8_H

#include "test.h"

enum { SLOW_FP8_NAN = 0x7F };

/* A format and the values of its 128 codes without a sign bit. */
typedef struct slow_fp8 {
  int E, M, B;
  int has_inf;       /* the top exponent is infinity and NaNs; else 0x7F NaN */
  int largest;       /* the code of the largest finite value */
  double value[128]; /* NaN and infinity where the code is one */
} slow_fp8;

/* The value of a code, from its digits e and m: an integer times a power. */
static inline double slow_fp8_value(const slow_fp8 *s, int code) {
  const int ones = 1 << s->M;
  const int e = code / ones, m = code % ones;
  const int top = code >= 128 - ones;
  if (s->has_inf && top) return m == 0 ? (double)INFINITY : (double)NAN;
  if (!s->has_inf && code == 127) return (double)NAN;
  if (e == 0) return ldexp(m, 1 - s->B - s->M);
  return ldexp(ones + m, e - s->B - s->M);
}

static inline slow_fp8 slow_fp8_format(int E, int M, int B, int has_inf) {
  slow_fp8 s;
  int code;
  s.E = E;
  s.M = M;
  s.B = B;
  s.has_inf = has_inf;
  s.largest = 0;
  for (code = 0; code < 128; ++code) {
    s.value[code] = slow_fp8_value(&s, code);
    if (isfinite(s.value[code]) && s.value[code] > s.value[s.largest])
      s.largest = code;
  }
  return s;
}

static inline float slow_fp8_decode(const slow_fp8 *s, int code) {
  const double v = s->value[code % 128];
  if (isnan(v)) return test_float(0x7FC00000u);
  return (float)(code >= 128 ? -v : v);
}

/* The nearest code, the even one of two that are equally near.
 *
 * Double is wide enough for this. Between two neighbours that are not 0 both
 * distances are exact, since x is within a factor of two of either. Next to 0
 * the distance to 0 is x itself, and the other one is exact unless it is the
 * longer by far. Rounding keeps order, so nothing further away seems nearer.
 * From the largest value upwards there is nothing to measure: it saturates.  */
static inline uint8_t slow_fp8_encode(const slow_fp8 *s, float x) {
  const int sign = signbit(x) ? 128 : 0;
  const double a = fabs((double)x);
  int code, best = 0;
  if (isnan(x)) return SLOW_FP8_NAN;
  if (a >= s->value[s->largest]) return (uint8_t)(sign + s->largest);
  for (code = 1; code <= s->largest; ++code) {
    const double d = fabs(a - s->value[code]), b = fabs(a - s->value[best]);
    if (d < b || (!(d > b) && code % 2 == 0)) best = code;
  }
  return (uint8_t)(sign + best);
}

/* The second method, fast enough for every float: the bits of the smallest
 * positive float whose code is `code`, for 1 <= code <= largest. It is the
 * midpoint below the code, or one float more where the tie goes down.       */
static inline uint32_t slow_fp8_threshold(const slow_fp8 *s, int code) {
  const double middle = (s->value[code - 1] + s->value[code]) / 2;
  return test_bits((float)middle) + (uint32_t)(code % 2);
}

#endif /* SSTE_SLOW_FP8_H */
