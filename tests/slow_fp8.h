/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * slow_fp8.h - small floats the long way round. Every number of a format is
 * written out in double; the code of x is found by searching that list for the
 * two numbers around x and comparing x with them and with the point midway. It
 * takes from sste_fp8.h the names of the choices, but neither code nor method.
 *
 * Double is wide enough for all of it. The numbers have 11 bits at most, so
 * they, the points midway and the gaps between them are exact; so are x minus
 * the number below it (x is less than twice that number, or the number is 0)
 * and the quotient by the gap, a power of two.
 */
#ifndef SSTE_SLOW_FP8_H
#define SSTE_SLOW_FP8_H

#include "sste_fp8.h"
#include "test.h"

/* ---- Formats ------------------------------------------------------------- */

/* A format of 8 or 16 bits. value[] goes on beyond the largest as if the format
 * had no end; what those codes really are is up to slow_fp8_kind.            */
typedef struct slow_fp8 {
  int sign_bits, E, M, B, specials;
  int largest;       /* the code of the largest finite number */
  double value[257]; /* of the first codes: all there are in 8 bits */
} slow_fp8;

/* The number of a code without a sign, from its digits e and m. */
static inline double slow_fp8_number(const slow_fp8 *s, int code) {
  const int ones = 1 << s->M;
  const int e = code / ones, m = code % ones;
  if (e == 0 && s->specials != SSTE_FP8_POW2) return ldexp(m, 1 - s->B - s->M);
  return ldexp(ones + m, e - s->B - s->M);
}

static inline double slow_fp8_value(const slow_fp8 *s, int code) {
  return code <= 256 ? s->value[code] : slow_fp8_number(s, code);
}

/* How many codes there are of one sign. */
static inline int slow_fp8_codes(const slow_fp8 *s) {
  return 1 << (s->E + s->M);
}

static inline slow_fp8 slow_fp8_new(int sign_bits, int E, int M, int B,
                                    int specials) {
  slow_fp8 s;
  int code;
  s.sign_bits = sign_bits;
  s.E = E;
  s.M = M;
  s.B = B;
  s.specials = specials;
  s.largest = slow_fp8_codes(&s) - 1;                 /* all ones, less */
  if (specials == SSTE_FP8_IEEE) s.largest -= 1 << M; /* a whole exponent */
  if (specials == SSTE_FP8_FN || specials == SSTE_FP8_POW2) s.largest -= 1;
  for (code = 0; code <= 256; ++code) s.value[code] = slow_fp8_number(&s, code);
  return s;
}

/* A signed format with infinities, or with the one NaN 0x7F. */
static inline slow_fp8 slow_fp8_format(int E, int M, int B, int has_inf) {
  return slow_fp8_new(1, E, M, B, has_inf ? SSTE_FP8_IEEE : SSTE_FP8_FN);
}

/* ---- Numbers ------------------------------------------------------------- */

typedef struct slow_number {
  int nan, negative;
  double size;    /* |x|, which may be infinite; of a NaN nothing */
  double payload; /* of a NaN: its mantissa as a fraction, 0 <= payload < 1 */
} slow_number;

static inline slow_number slow_number_of_double(double x) {
  slow_number n;
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  n.nan = isnan(x);
  n.negative = (int)(bits >> 63);
  n.size = n.nan ? 0 : fabs(x);
  n.payload = n.nan ? (double)(bits << 12 >> 12) * 0x1p-52 : 0;
  return n;
}

/* C widens floats exactly; only the NaNs need their bits. */
static inline slow_number slow_number_of_float(uint32_t bits) {
  const int nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  slow_number n = slow_number_of_double(nan ? 0.0 : (double)test_float(bits));
  n.negative = (int)(bits >> 31);
  n.nan = nan;
  n.payload = nan ? (double)(bits & 0x7FFFFFu) * 0x1p-23 : 0;
  return n;
}

static inline slow_number slow_number_of_code(const slow_fp8 *s, int code) {
  const int codes = slow_fp8_codes(s), magnitude = code % codes;
  slow_number n;
  n.negative = s->sign_bits && code / codes % 2 == 1;
  n.size = magnitude <= s->largest ? slow_fp8_value(s, magnitude) : INFINITY;
  n.nan = magnitude > s->largest;
  if (s->specials == SSTE_FP8_IEEE && magnitude == s->largest + 1) n.nan = 0;
  if (s->specials == SSTE_FP8_FNUZ && code == codes) n.nan = 1;
  n.payload = (double)(magnitude % (1 << s->M)) / (1 << s->M);
  return n;
}

static inline float slow_fp8_decode(const slow_fp8 *s, int code) {
  const slow_number n = slow_number_of_code(s, code);
  if (n.nan) return test_float(0x7FC00000u);
  return (float)(n.negative ? -n.size : n.size);
}

/* ---- Encode -------------------------------------------------------------- */

/* The code of the number at or next below a; one past the largest stands for
 * all that is further up, and 0 also for what is less than any number.       */
static inline int slow_fp8_below(const slow_fp8 *s, double a) {
  int low = 0, beyond = s->largest + 2;
  while (beyond - low > 1) {
    const int middle = (low + beyond) / 2;
    if (slow_fp8_value(s, middle) <= a)
      low = middle;
    else
      beyond = middle;
  }
  return low;
}

/* Whether a, between the numbers of `code` and the next, goes to the next. */
static inline int slow_fp8_goes_up(const slow_fp8 *s, sste_fp8_rule rule,
                                   int code, slow_number x, uint32_t random) {
  const double a = x.size, below = slow_fp8_value(s, code);
  const double above = slow_fp8_value(s, code + 1);
  const double middle = (below + above) / 2;
  double all;
  if (a <= below) return 0;
  switch (rule.rounding) {
    case SSTE_ROUND_NEAREST_EVEN:
      return a > middle || (a == middle && code % 2 == 1);
    case SSTE_ROUND_NEAREST_AWAY: return a >= middle;
    case SSTE_ROUND_UP: return !x.negative;
    case SSTE_ROUND_ODD: return code % 2 == 0;
    case SSTE_ROUND_E8M0_FIELDS: return a >= middle || code == 0;
    case SSTE_ROUND_STOCHASTIC:
      all = ldexp(1, rule.random_bits);
      return floor((a - below) / (above - below) * all) + fmod(random, all) >=
             all;
    default: return 0;
  }
}

/* The code of |x|, one past the largest for overflow. */
static inline int slow_fp8_magnitude(const slow_fp8 *s, sste_fp8_rule rule,
                                     slow_number x, uint32_t random) {
  const int inward = rule.rounding == SSTE_ROUND_TOWARD_ZERO ||
                     rule.rounding == SSTE_ROUND_ODD ||
                     (rule.rounding == SSTE_ROUND_UP && x.negative);
  int code;
  if (isinf(x.size))
    return rule.overflow == SSTE_OVERFLOW_SATURATE ? s->largest
                                                   : s->largest + 1;
  code = slow_fp8_below(s, x.size);
  if (code <= s->largest) code += slow_fp8_goes_up(s, rule, code, x, random);
  if (code <= s->largest) return code;
  return rule.overflow == SSTE_OVERFLOW_NONE && !inward ? code : s->largest;
}

static inline int slow_fp8_nan(const slow_fp8 *s, sste_fp8_rule rule,
                               slow_number x) {
  const int codes = slow_fp8_codes(s), ones = 1 << s->M, quiet = ones / 2;
  const int sign = s->sign_bits && rule.nan_sign && x.negative ? codes : 0;
  const int top = codes - ones; /* the top exponent, m = 0 */
  if (s->specials == SSTE_FP8_FNUZ) return codes;
  if (s->specials != SSTE_FP8_IEEE || rule.nan == SSTE_NAN_ONES)
    return sign + codes - 1;
  if (rule.nan == SSTE_NAN_QUIET) return sign + top + quiet;
  return sign + top + ((int)floor(x.payload * ones) | quiet);
}

/* In a format without a sign: a number below all of the format's. */
static inline int slow_fp8_is_below_all(const slow_fp8 *s, slow_number x,
                                        int code) {
  if (s->specials == SSTE_FP8_POW2) return x.negative || x.size == 0;
  return x.negative && code != 0; /* what rounds to 0 is 0 */
}

/* The code of x by a rule, in one rounding. */
static inline int slow_fp8_convert(const slow_fp8 *s, sste_fp8_rule rule,
                                   slow_number x, uint32_t random) {
  const int codes = slow_fp8_codes(s);
  int code;
  if (x.nan) return slow_fp8_nan(s, rule, x);
  if (s->sign_bits == 0 && rule.drop_sign) x.negative = 0;
  code = slow_fp8_magnitude(s, rule, x, random);
  if (s->sign_bits == 1) {
    if (s->specials != SSTE_FP8_FNUZ) return code + (x.negative ? codes : 0);
    if (code == codes || code == 0) return code; /* the NaN, and the one 0 */
    return code + (x.negative ? codes : 0);
  }
  if (!rule.drop_sign && slow_fp8_is_below_all(s, x, code))
    return rule.overflow == SSTE_OVERFLOW_NONE ? codes - 1 : 0;
  return code;
}

/* The code nearest to x, saturating, with one NaN. */
static inline uint8_t slow_fp8_encode(const slow_fp8 *s, float x) {
  static const sste_fp8_rule nearest = {
      SSTE_ROUND_NEAREST_EVEN, 32, SSTE_OVERFLOW_SATURATE, SSTE_NAN_ONES, 0, 0,
      SSTE_VIA_NOTHING};
  return (uint8_t)slow_fp8_convert(s, nearest,
                                   slow_number_of_float(test_bits(x)), 0);
}

#endif /* SSTE_SLOW_FP8_H */
