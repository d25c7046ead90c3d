/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * sste_check.h - for testing kernels: inputs that find bugs, and comparisons
 * that say what kind of wrong a result is.
 *
 * A test of a kernel has two halves. The inputs must lie where kernels go
 * wrong: on the midpoint between two codes and one step beside it, on ties
 * between magnitudes, on -0. Random numbers almost never do. And the verdict
 * must be more than "2 % differ": a code one step away because the kernel sums
 * in another order is no bug, and one step away because it truncates is. What
 * tells them apart is the true value. With an error of at most e that the
 * kernel may make before it rounds,
 *
 *     a code is right  <=>  some real in [x - e, x + e] rounds to it.
 *
 * By hand, in E4M3FN, whose codes near 1 are 0x38 (1), 0x39 (1.125): x = 1.062
 * is nearer to 1, so 0x38 is expected. A kernel that has x to within 0.001 may
 * have seen 1.063 and answer 0x39: within the error. With e = 0.0001 the same
 * answer is wrong, by one step. Any error excuses a wrong rule for ties, as an
 * exact midpoint lies in every interval: those are for tests without an error,
 * bit against bit.
 *
 * A test of a kernel that projects W onto 2:4, where f = sste_fp8_float32():
 *
 *     sste_check_tensor_draw(w, K, N, K, SSTE_DRAW_TIES, 1);
 *     sste_tensor_project(want, K, w, K, N, K, 1, NULL);
 *     my_kernel(got, w, N, K);
 *     sste_check_sparse(&report, f, got, K, want, K, w, K, N, K);
 *     sste_check_text(text, sizeof text, &report);
 *     if (sste_check_failures(&report) > 0) puts(text);
 *
 *   1. The number line   rank of a code and back, next code, distance in ulps
 *   2. Boundaries        every decision of an encoder, and random words for
 *                        those of a draw
 *   3. Tensors           ties, dominant entries, zeros, subnormals, integers
 *   4. The interval      what an error in front of a rounding excuses
 *   5. Reports           numbers, 2:4 matrices, metadata, products
 *   6. Text
 *
 * Everything takes formats as data (sste_fp8_format), so that one function
 * compares FP8, float16, bfloat16, float and double: an array's elements are
 * the 1, 2, 4 or 8 bytes that hold a code. Matrices are row-major with a
 * leading dimension in elements. The inputs and the verdicts are BITWISE: the
 * same on every compiler, thread count and machine.
 *
 * Uses sste.h, sste_fp8.h and sste_mma.h. Nothing is allocated, printed or
 * kept.                                                                     */
#ifndef SSTE_CHECK_H
#define SSTE_CHECK_H

#include <stdarg.h>
#include <stdio.h>

#include "sste.h"
#include "sste_fp8.h"
#include "sste_mma.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. The number line -------------------------------------------------- */

/* Counted from 0, the numbers of a format are ... -2, -1, 0, 1, 2, ...: codes
 * of one sign sort like their values, so that a rank is the code but for its
 * sign bit, negated if that is set. Infinity follows the largest number. -0 and
 * +0 are one point. NaNs are nowhere.                                       */
#define SSTE_RANK_NAN INT64_MIN
#define SSTE_ULPS_NAN UINT64_MAX /* between a NaN and a number */

/* sste_check_rank - the place of a code on the number line.
 *   f         any format of sste_fp8.h, sec. 1
 *   code      bits above the format's width are ignored
 *   specials  0 for both zeros, SSTE_RANK_NAN for NaN. In a format without a
 *             sign ranks start at 0, which in E8M0 is 2^-127
 *   e.g.      E4M3FN 0x01 (2^-9) -> 1, 0x81 -> -1, 0x7E (448) -> 126
 *   BITWISE. Never fails.                                                   */
SSTE_API SSTE_HD int64_t sste_check_rank(sste_fp8_format f, uint64_t code) {
  const sste_priv_fp8_number x = sste_priv_fp8_unpack(f, code);
  const int64_t magnitude = (int64_t)(code & sste_priv_fp8_ones(f));
  if (x.kind == SSTE_PRIV_FP8_NAN) return SSTE_RANK_NAN;
  return x.negative ? -magnitude : magnitude;
}

/* sste_check_code - the code at a rank.
 *   rank      beyond either end: the last code there (infinity, or the largest
 *             finite number where there is none); SSTE_RANK_NAN: the NaN of all
 *             ones, or the only one
 *   e.g.      E4M3FN -1 -> 0x81; 1000 -> 0x7E
 *   BITWISE. Never fails.                                                   */
SSTE_API SSTE_HD uint64_t sste_check_code(sste_fp8_format f, int64_t rank) {
  const uint64_t last =
      sste_priv_fp8_largest(f) + (f.specials == SSTE_FP8_IEEE);
  const sste_fp8_rule rule = sste_fp8_saturating();
  const sste_priv_fp8_number zero = sste_priv_fp8_unpack(f, 0);
  uint64_t magnitude;
  if (rank == SSTE_RANK_NAN) return sste_priv_fp8_nan(f, &rule, &zero);
  if (rank < 0 && !f.sign_bits) return 0;
  magnitude = (uint64_t)(rank < 0 ? -rank : rank);
  if (magnitude > last) magnitude = last;
  return rank < 0 ? magnitude | (sste_priv_fp8_ones(f) + 1) : magnitude;
}

/* sste_check_next - the code `steps` further up the number line, or down.
 *   specials  stops at either end; a NaN stays what it is; -0 counts as +0
 *   e.g.      E4M3FN 0x38 (1): 1 -> 0x39 (1.125), -1 -> 0x37 (0.9375)
 *   BITWISE. Never fails.                                                   */
SSTE_API SSTE_HD uint64_t sste_check_next(sste_fp8_format f, uint64_t code,
                                          int64_t steps) {
  const int64_t rank = sste_check_rank(f, code), end = INT64_MAX;
  if (rank == SSTE_RANK_NAN) return code;
  if (steps > 0 && rank > end - steps) return sste_check_code(f, end);
  if (steps < 0 && rank < -end - steps) return sste_check_code(f, -end);
  return sste_check_code(f, rank + steps);
}

/* sste_check_ulps - how many steps lie between two codes.
 *   specials  0 between the zeros and between NaNs; SSTE_ULPS_NAN between a NaN
 *             and a number; infinity is one step beyond the largest
 *   e.g.      E4M3FN 0x38 and 0x3A -> 2; 0x01 and 0x81 -> 2
 *   BITWISE. Never fails.                                                   */
SSTE_API SSTE_HD uint64_t sste_check_ulps(sste_fp8_format f, uint64_t a,
                                          uint64_t b) {
  const int64_t ra = sste_check_rank(f, a), rb = sste_check_rank(f, b);
  if (ra == SSTE_RANK_NAN || rb == SSTE_RANK_NAN)
    return ra == rb ? 0 : SSTE_ULPS_NAN;
  return ra > rb ? (uint64_t)ra - (uint64_t)rb : (uint64_t)rb - (uint64_t)ra;
}

/* ---- 2. Boundaries ------------------------------------------------------- */

/* A converter that rounds once and by a fixed rule decides at the numbers of
 * `to` and at the midpoints between them, and nowhere else. So these inputs
 * show every decision:
 *
 *     to        |-----------:-----------|       numbers, and their midpoint
 *     from     -|+         -|+         -|+      and the neighbours of each
 *
 * for every magnitude of `to` and the gap above it, the one above the largest
 * included, as if the format went on: there overflow is decided. Then, of
 * `from`, every exponent field with the mantissas 0, 1, 100..0 and 11..1: the
 * zeros, the ends of the subnormals and of every binade, the largest number,
 * the infinities, NaNs quiet, signalling and with payload. All with both signs.
 * A kernel that rounds twice falls for the neighbours of a midpoint.        */

/* The number of a magnitude code, or half a unit more: the midpoint. Read by
 * the formula of sste_fp8.h alone, so that the format has no end. */
SSTE_HD static inline sste_priv_fp8_number sste_priv_check_halfway(
    sste_fp8_format f, uint64_t magnitude, int half) {
  const int M = f.mantissa_bits, e = (int)(magnitude >> M);
  const int subnormal = e == 0 && f.specials != SSTE_FP8_POW2;
  sste_priv_fp8_number x;
  x.kind = SSTE_PRIV_FP8_FINITE;
  x.negative = 0;
  x.exponent = (subnormal ? 1 : e) - f.bias - M;
  x.significand = magnitude - ((uint64_t)e << M);
  if (!subnormal) x.significand += (uint64_t)1 << M;
  if (half) {
    x.significand = 2 * x.significand + 1;
    x.exponent -= 1;
  }
  return x;
}

/* Exponent field i / 4 with one of four mantissas. */
SSTE_HD static inline uint64_t sste_priv_check_corner(sste_fp8_format f,
                                                      uint64_t i) {
  const uint64_t ones = ((uint64_t)1 << f.mantissa_bits) - 1;
  uint64_t mantissa = 0;
  if (i % 4 == 1) mantissa = ones & 1;
  if (i % 4 == 2) mantissa = ones - (ones >> 1);
  if (i % 4 == 3) mantissa = ones;
  return (i / 4) << f.mantissa_bits | mantissa;
}

/* sste_check_boundary_count - how many boundary inputs there are.
 *   to        any format of sste_fp8.h, sec. 1, but float64
 *   from      any format of sste_fp8.h, sec. 1
 *   e.g.      float32 to E4M3FN: 127 * 2 * 3 * 2 + 256 * 4 * 2 = 3572
 *   BITWISE. Never fails.                                                   */
SSTE_API SSTE_HD uint64_t sste_check_boundary_count(sste_fp8_format to,
                                                    sste_fp8_format from) {
  return 12 * (sste_priv_fp8_largest(to) + 1) +
         ((uint64_t)8 << from.exponent_bits);
}

/* sste_check_boundary - boundary input i, a code of `from`.
 *   i         below sste_check_boundary_count(to, from)
 *   ties      a number or midpoint that `from` does not hold is rounded to it,
 *             to nearest even; inputs may repeat
 *   e.g.      float32 to E4M3FN, i = 8, the midpoint of 0 and 2^-9:
 *             0x3A800000 (2^-10)
 *   BITWISE. Never fails. Source: SoftFloat's TestFloat, for the fields.    */
SSTE_API SSTE_HD uint64_t sste_check_boundary(sste_fp8_format to,
                                              sste_fp8_format from,
                                              uint64_t i) {
  const uint64_t near_numbers = 12 * (sste_priv_fp8_largest(to) + 1);
  const uint64_t sign =
      i % 2 != 0 && from.sign_bits ? sste_priv_fp8_ones(from) + 1 : 0;
  const int64_t beside = (int64_t)(i / 2 % 3) - 1;
  sste_fp8_rule rule = sste_fp8_saturating();
  sste_priv_fp8_number x;
  if (i >= near_numbers)
    return sign | sste_priv_check_corner(from, (i - near_numbers) / 2);
  x = sste_priv_check_halfway(to, i / 12, i / 6 % 2 != 0);
  rule.overflow = SSTE_OVERFLOW_NONE;
  return sign ^ sste_check_next(from, sste_priv_fp8_pack(from, &rule, &x, 0),
                                beside); /* below 0 the sign is turned */
}

/* sste_check_mvue_word - random words at which an MVUE draw of a group decides.
 *     sste_mvue24_group_draw (sste_mvue.h) keeps the cells, of width
 *     min(|a_j|, tau), in which u tau and (1 + u) tau lie. It decides where one
 *     of these points is the end of a cell, which random words hardly ever hit
 *   a         the group
 *   i         0 to SSTE_CHECK_MVUE_WORDS - 1: at the end of cell i / 9, or
 *             i % 9 - 4 times 2^-24 further on. u is the upper 23 bits
 *   specials  where there are no cells (NaN, two infinities, zeros), or one
 *             ends at infinity: around 0. A draw whose tau is subnormal decides
 *             earlier, as u tau is rounded
 *   e.g.      (1, 1, 1, 1), whose first cell ends at u = 1/2: 0x7FFFFC00,
 *             0x7FFFFD00, ..., 0x80000000, ..., 0x80000400
 *   BITWISE: tau and the ends in float, added as the draw adds them.
 *   Never fails.                                                            */
enum { SSTE_CHECK_MVUE_WORDS = 36 };
SSTE_API SSTE_HD uint32_t sste_check_mvue_word(const float a[4], int i) {
  float b[4], rest[4], tau, others, end = 0.0f, unit = 1.0f;
  double u = 0.0;
  int j, top = 0;
  for (j = 0; j < 4; ++j)
    if (sste_priv_magnitude(a[j]) > sste_priv_magnitude(a[top])) top = j;
  if (sste_priv_magnitude(a[top]) >= 0x7E000000u) unit = 0.25f; /* 2^125 */
  for (j = 0; j < 4; ++j) {
    b[j] = sste_priv_float(sste_priv_magnitude(a[j])) * unit;
    rest[j] = j == top ? 0.0f : b[j];
  }
  tau = 0.5f * ((b[0] + b[1]) + (b[2] + b[3]));
  others = (rest[0] + rest[1]) + (rest[2] + rest[3]);
  if (others < tau) tau = others;
  for (j = 0; j <= i / 9 && j < 4; ++j) end += b[j] < tau ? b[j] : tau;
  if (tau > 0.0f && end <= FLT_MAX) u = (double)end / (double)tau;
  while (u >= 1.0) u -= 1.0;
  return (uint32_t)(u * 4294967296.0) + (uint32_t)(i % 9 - 4) * 256u;
}

/* ---- 3. Tensors ---------------------------------------------------------- */

/* What a tensor is made of. Each is for a kind of bug:
 *   SSTE_DRAW_NORMAL     bell-shaped, variance 1, within +-3.5
 *   SSTE_DRAW_WEIGHTS    as trained weights look: bell-shaped of size 0.02, one
 *                        in eight 2 to 16 times larger, and one column in 64
 *                        all 16 times larger
 *   SSTE_DRAW_BFLOAT16   NORMAL rounded to bfloat16: 8 bits make midpoints of
 *                        codes common, which is where x * (1 / s) and x / s
 *                        part
 *   SSTE_DRAW_MIDPOINTS  five significant bits from 2^-18 to 2^16, among them
 *                        the numbers and midpoints of E4M3 and E5M2, half of
 *                        them one ulp off. In every second group two entries
 *                        are 0, so that a projection leaves the other two
 *   SSTE_DRAW_TIES       0, 1, 2, 3 with signs: magnitudes tie, and zeros are
 *                        -0 as often as +0
 *   SSTE_DRAW_FLAT       one magnitude per group, every fourth row zero: each
 *                        projection is 0, and no scale exists
 *   SSTE_DRAW_ZEROS      each of the 16 patterns of zeros in a group, -0 too
 *   SSTE_DRAW_SPARSE     the same, with at most two non-zeros: 2:4
 *   SSTE_DRAW_DOMINANT   one entry of a group 1 to 2^45 times the others
 *   SSTE_DRAW_SUBNORMAL  subnormal floats of any length, from 0 and 2^-149 on,
 *                        and the first normal ones
 *   SSTE_DRAW_HUGE       within a factor of 8 of FLT_MAX: sums overflow
 *   SSTE_DRAW_RANGE      every exponent of a normal float alike
 *   SSTE_DRAW_NANS       NORMAL with one NaN in 256: does it get through?
 *   SSTE_DRAW_SPECIALS   half NORMAL, the rest NaN, infinity, zero, +-FLT_MAX
 *   SSTE_DRAW_INTEGERS   -3 to 3: up to K = 910 every sum of K products stays
 *                        below 2^13, up to 1864135 below 2^24, so any order
 *                        and any accumulator give the exact product          */
enum {
  SSTE_DRAW_NORMAL,
  SSTE_DRAW_WEIGHTS,
  SSTE_DRAW_BFLOAT16,
  SSTE_DRAW_MIDPOINTS,
  SSTE_DRAW_TIES,
  SSTE_DRAW_FLAT,
  SSTE_DRAW_ZEROS,
  SSTE_DRAW_SPARSE,
  SSTE_DRAW_DOMINANT,
  SSTE_DRAW_SUBNORMAL,
  SSTE_DRAW_HUGE,
  SSTE_DRAW_RANGE,
  SSTE_DRAW_NANS,
  SSTE_DRAW_SPECIALS,
  SSTE_DRAW_INTEGERS,
  SSTE_DRAWS /* how many there are */
};

/* sste_check_draw_name - "normal", "weights", ...; null for other numbers.  */
SSTE_API const char *sste_check_draw_name(int kind) {
  switch (kind) {
    case SSTE_DRAW_NORMAL: return "normal";
    case SSTE_DRAW_WEIGHTS: return "weights";
    case SSTE_DRAW_BFLOAT16: return "bfloat16";
    case SSTE_DRAW_MIDPOINTS: return "midpoints";
    case SSTE_DRAW_TIES: return "ties";
    case SSTE_DRAW_FLAT: return "flat";
    case SSTE_DRAW_ZEROS: return "zeros";
    case SSTE_DRAW_SPARSE: return "sparse";
    case SSTE_DRAW_DOMINANT: return "dominant";
    case SSTE_DRAW_SUBNORMAL: return "subnormal";
    case SSTE_DRAW_HUGE: return "huge";
    case SSTE_DRAW_RANGE: return "range";
    case SSTE_DRAW_NANS: return "nans";
    case SSTE_DRAW_SPECIALS: return "specials";
    case SSTE_DRAW_INTEGERS: return "integers";
    default: return NULL;
  }
}

/* 64 bits mixed until each depends on all: the end of splitmix64. */
SSTE_HD static inline uint64_t sste_priv_check_mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}
/* The word of place k under a key. */
SSTE_HD static inline uint64_t sste_priv_check_word(uint64_t key, uint64_t k) {
  return sste_priv_check_mix(key + (k + 1) * 0x9E3779B97F4A7C15u);
}

/* A random sign and mantissa at a float's exponent field, 0 to 254. */
SSTE_HD static inline float sste_priv_check_at(uint64_t word, uint64_t field) {
  return sste_priv_float((uint32_t)(word >> 32 & 0x80000000u) |
                         (uint32_t)field << 23 | (uint32_t)(word & 0x7FFFFFu));
}
SSTE_HD static inline float sste_priv_check_signed(uint64_t word, float x) {
  return sste_priv_float((uint32_t)(word >> 32 & 0x80000000u) |
                         sste_priv_bits(x));
}

/* The sum of four uniform 16-bit numbers, centred; its deviation is 37837. */
SSTE_HD static inline float sste_priv_check_normal(uint64_t word) {
  const int32_t sum = (int32_t)((word & 0xFFFF) + (word >> 16 & 0xFFFF) +
                                (word >> 32 & 0xFFFF) + (word >> 48));
  return (float)(sum - 131070) * (1.0f / 37837.0f);
}

/* Five significant bits at exponents -18 to 15, or one ulp beside. */
SSTE_HD static inline float sste_priv_check_midpoint(uint64_t word) {
  const uint32_t field = 109 + (uint32_t)(word >> 8 & 0xFFFF) % 34;
  const uint32_t bits = field << 23 | (uint32_t)(word & 15) << 19;
  const int off = (int)(word >> 24 & 3);
  return sste_priv_check_signed(word, sste_priv_float(off == 0   ? bits - 1
                                                      : off == 1 ? bits + 1
                                                                 : bits));
}

/* Entries are drawn as bits, as a float that is returned may lose a NaN's: x87
 * registers make it quiet. Here quiet or signalling, of either sign, with any
 * payload. */
SSTE_HD static inline uint32_t sste_priv_check_nan(uint64_t word) {
  const uint32_t payload = (uint32_t)(word >> 8 & 0x7FFFFFu);
  return (uint32_t)(word >> 32 & 0x80000000u) | SSTE_PRIV_INF |
         (payload == 0 ? 1 : payload);
}

SSTE_HD static inline uint32_t sste_priv_check_special(uint64_t word) {
  const uint32_t sign = (uint32_t)(word >> 32 & 0x80000000u);
  switch (word & 7) {
    case 0: return sste_priv_check_nan(word);
    case 1: return sign | SSTE_PRIV_INF;
    case 2: return sign;
    case 3: return sign | (SSTE_PRIV_INF - 1); /* FLT_MAX */
    default:
      return sste_priv_bits(sste_priv_check_normal(sste_priv_check_mix(word)));
  }
}

/* How many bits of a mask of four are set. */
SSTE_HD static inline int sste_priv_check_popcount(int mask) {
  return (mask & 1) + (mask >> 1 & 1) + (mask >> 2 & 1) + (mask >> 3 & 1);
}

/* A random mask of at most `limit` bits, of four. */
SSTE_HD static inline int sste_priv_check_nonzeros(uint64_t word, int limit) {
  int mask = (int)(word & 15);
  while (sste_priv_check_popcount(mask) > limit) mask &= mask - 1;
  return mask;
}

SSTE_HD static inline float sste_priv_check_weight(uint64_t word,
                                                   unsigned chance,
                                                   int outlier_column) {
  float x = sste_priv_check_normal(word) * 0.02f;
  if (chance % 8 == 0) x *= (float)(2u << chance / 64); /* 2, 4, 8, 16 */
  return outlier_column ? 16.0f * x : x;
}

SSTE_HD static inline float sste_priv_check_bfloat16(float x) {
  const sste_fp8_format f = sste_fp8_bfloat16();
  return sste_fp8_decode(
      f, (uint32_t)sste_fp8_convert(f, sste_fp8_saturating(),
                                    sste_fp8_float32(), sste_priv_bits(x), 0));
}

/* Entry i of a group, if it is a number. `group` is a word shared by the four;
 * `blank` says that its row is zero (FLAT), `outlier` that its column is one
 * (WEIGHTS). */
SSTE_HD static inline float sste_priv_check_drawn(int kind, uint64_t word,
                                                  uint64_t group, int i,
                                                  int blank, int outlier) {
  const uint64_t spread = word >> 24; /* above the mantissa, for an exponent */
  const float zero = sste_priv_check_signed(word, 0.0f);
  const int limit = kind == SSTE_DRAW_SPARSE ? 2 : 4;
  const int dominant = i == (int)(group & 3);
  switch (kind) {
    case SSTE_DRAW_NORMAL:
    case SSTE_DRAW_NANS: return sste_priv_check_normal(word);
    case SSTE_DRAW_WEIGHTS:
      return sste_priv_check_weight(word, (unsigned)(group >> 8 * i & 0xFF),
                                    outlier);
    case SSTE_DRAW_BFLOAT16:
      return sste_priv_check_bfloat16(sste_priv_check_normal(word));
    case SSTE_DRAW_MIDPOINTS: /* in every second group, every second one */
      if ((group & 1) != 0 && (i & 1) == (int)(group >> 1 & 1)) return zero;
      return sste_priv_check_midpoint(word);
    case SSTE_DRAW_TIES: return sste_priv_check_signed(word, (float)(word & 3));
    case SSTE_DRAW_FLAT:
      if (blank) return zero;
      return sste_priv_check_signed(
          word, sste_priv_check_at(group >> 1, 120 + (group >> 24) % 16));
    case SSTE_DRAW_ZEROS:
    case SSTE_DRAW_SPARSE:
      if ((sste_priv_check_nonzeros(group, limit) >> i & 1) == 0) return zero;
      return sste_priv_check_at(word, 120 + spread % 16);
    case SSTE_DRAW_DOMINANT:
      return sste_priv_check_at(
          word, dominant ? 114 + (group >> 8) % 41 : 110 + spread % 4);
    case SSTE_DRAW_SUBNORMAL:
      return sste_priv_check_signed(
          word, sste_priv_float((uint32_t)(word & 0xFFFFFFu) >> spread % 24));
    case SSTE_DRAW_HUGE: return sste_priv_check_at(word, 252 + spread % 3);
    case SSTE_DRAW_RANGE: return sste_priv_check_at(word, 1 + spread % 254);
    default: return (float)((int)(spread % 7) - 3);
  }
}

/* sste_check_group_draw - four consecutive entries of a random row.
 *   out       receives columns 4*group to 4*group + 3
 *   kind      SSTE_DRAW_NORMAL, ...; any other number draws INTEGERS
 *   seed      any; another seed, another tensor
 *   row, group  where in the tensor: what is drawn depends on nothing else, so
 *             a tile or a slice draws what the whole would
 *   BITWISE. Overwrites out. Never fails.                                   */
SSTE_API SSTE_HD void sste_check_group_draw(float out[4], int kind,
                                            uint64_t seed, uint64_t row,
                                            uint64_t group) {
  const uint64_t key = sste_priv_check_word(seed, 0);
  const uint64_t here =
      sste_priv_check_word(sste_priv_check_word(key, row), group);
  int i;
  for (i = 0; i < 4; ++i) {
    const uint64_t column = 4 * group + (uint64_t)i;
    const uint64_t word = sste_priv_check_word(here, (uint64_t)i);
    uint32_t bits;
    if (kind == SSTE_DRAW_SPECIALS)
      bits = sste_priv_check_special(word);
    else if (kind == SSTE_DRAW_NANS && (word >> 32) % 256 == 0)
      bits = sste_priv_check_nan(word);
    else
      bits = sste_priv_bits(sste_priv_check_drawn(
          kind, word, sste_priv_check_word(here, 4), i, row % 4 == 3,
          sste_priv_check_word(~key, column) % 64 == 0));
    memcpy(&out[i], &bits, sizeof bits);
  }
}

/* sste_check_tensor_draw - a random matrix of one kind.
 *   out       receives rows x cols floats, rows ldo apart; any cols, of the
 *             last group what fits
 *   kind      SSTE_DRAW_NORMAL, ...
 *   seed      any
 *   e.g.      INTEGERS, seed 1, 1 x 4 -> {0, -3, -3, 1}
 *   BITWISE. Overwrites out. Errors: NULL, SHAPE, SIZE, VALUE (kind).       */
SSTE_API sste_status sste_check_tensor_draw(float *out, size_t ldo, size_t rows,
                                            size_t cols, int kind,
                                            uint64_t seed) {
  ptrdiff_t r;
  const sste_status s = sste_priv_matrix(out, rows, cols, ldo, sizeof *out);
  if (s != SSTE_OK) return s;
  if (sste_check_draw_name(kind) == NULL) return SSTE_ERR_VALUE;
  if (cols == 0) rows = 0;
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    size_t c, i;
    for (c = 0; c < cols; c += 4) {
      float x[4];
      sste_check_group_draw(x, kind, seed, (uint64_t)r, c / 4);
      for (i = 0; i < 4 && c + i < cols; ++i)
        memcpy(&out[(size_t)r * ldo + c + i], &x[i], sizeof x[i]);
    }
  }
  return SSTE_OK;
}

/* ---- 4. The interval ----------------------------------------------------- */

/* x + e, exactly as far as rounding to at most 51 bits is concerned: a double,
 * and where it is not the sum itself, a quarter of an ulp towards that.     */
SSTE_HD static inline sste_priv_fp8_number sste_priv_check_sum(double x,
                                                               double e) {
  double sum = e == 0.0 ? x : x + e;
  const double back = sum - x, lost = (x - (sum - back)) + (e - back);
  sste_priv_fp8_number n;
  uint64_t bits;
  if (x >= -DBL_MAX && x <= DBL_MAX) { /* then infinity is not reached */
    if (sum > DBL_MAX) sum = DBL_MAX;
    if (sum < -DBL_MAX) sum = -DBL_MAX;
  }
  memcpy(&bits, &sum, sizeof bits);
  n = sste_priv_fp8_unpack(sste_fp8_float64(), bits);
  if (n.kind == SSTE_PRIV_FP8_FINITE && (lost > 0.0 || lost < 0.0)) {
    n.significand *= 4;
    n.exponent -= 2;
    if ((lost < 0.0) == n.negative)
      n.significand += 1;
    else
      n.significand -= 1;
  }
  return n;
}

/* The rank that x rounds to in one step. A NaN is beyond the end: negative
 * overflow, what is below a format without a sign, and 0 below E8M0 lie at the
 * lower. `up` is which of the two codes around x a stochastic rounding shall
 * give. */
SSTE_HD static inline int64_t sste_priv_check_round(
    sste_fp8_format f, const sste_fp8_rule *rule, const sste_priv_fp8_number *x,
    int up) {
  const uint32_t random = up != x->negative ? 0xFFFFFFFFu : 0;
  const int64_t rank =
      sste_check_rank(f, sste_priv_fp8_pack(f, rule, x, random));
  const int below = x->negative || x->significand == 0;
  if (rank != SSTE_RANK_NAN) return rank;
  return below ? -INT64_MAX : INT64_MAX;
}

/* Whether one step from the reals between low and high gives a rank, or NaN. */
SSTE_HD static inline int sste_priv_check_reaches(
    sste_fp8_format f, const sste_fp8_rule *rule,
    const sste_priv_fp8_number *low, const sste_priv_fp8_number *high,
    int64_t rank) {
  const int64_t first = sste_priv_check_round(f, rule, low, 0);
  const int64_t last = sste_priv_check_round(f, rule, high, 1);
  if (rank == SSTE_RANK_NAN) return first == -INT64_MAX || last == INT64_MAX;
  return first <= rank && rank <= last;
}

/* The same of two steps: from all numbers of the format in between that are
 * reached. The first of them from which `rank` or more can be reached is found
 * by halving; if that one does not give it, none does. */
SSTE_HD static inline int sste_priv_check_reaches_via(
    sste_fp8_format f, const sste_fp8_rule *rule,
    const sste_priv_fp8_number *low, const sste_priv_fp8_number *high,
    int64_t rank) {
  const sste_fp8_format via = sste_priv_fp8_via(rule->via);
  const sste_fp8_rule step = sste_priv_fp8_first_step();
  int64_t first = sste_priv_check_round(via, &step, low, 0);
  int64_t last = sste_priv_check_round(via, &step, high, 1);
  sste_priv_fp8_number a, b;
  while (rank != SSTE_RANK_NAN && first < last) {
    const int64_t middle = first + (last - first) / 2;
    a = sste_priv_fp8_unpack(via, sste_check_code(via, middle));
    if (sste_priv_check_round(f, rule, &a, 1) < rank)
      first = middle + 1;
    else
      last = middle;
  }
  a = sste_priv_fp8_unpack(via, sste_check_code(via, first));
  b = sste_priv_fp8_unpack(via, sste_check_code(via, last));
  return sste_priv_check_reaches(f, rule, &a, &b, rank);
}

/* Whether a code is +0 or -0 in a format that has both. */
SSTE_HD static inline int sste_priv_check_is_zero(sste_fp8_format f,
                                                  uint64_t code) {
  return f.sign_bits && f.specials != SSTE_FP8_FNUZ &&
         sste_check_rank(f, code) == 0;
}

/* The negative real that is nearest to 0, for every format there is. */
SSTE_HD static inline sste_priv_fp8_number sste_priv_check_below_zero(void) {
  sste_priv_fp8_number x = sste_priv_check_sum(-1.0, 0.0);
  x.significand = 1;
  x.exponent = -1200;
  return x;
}

/* sste_check_within - whether some real in [x - error, x + error] rounds to a
 * code: whether a kernel that is right but for an error of that size before its
 * last rounding can give it.
 *   f         any format of sste_fp8.h, sec. 1, but float64
 *   rule      how it is rounded; for SSTE_ROUND_STOCHASTIC, by whatever draw
 *   code      what the kernel gave
 *   x         the true value
 *   error     the largest absolute error; below 0 or NaN counts as 0; infinite
 *             it admits all that finite numbers round to
 *   ties      a midpoint inside the interval admits both codes; one that is its
 *             end admits that code to which the rule rounds it
 *   specials  where x is NaN, every NaN is right; an infinite x has no error.
 *             A zero code needs a real in the interval that rounds to zero and
 *             has its sign. The real 0 has that of +0, but where x is -0 and
 *             there is no error
 *   e.g.      E4M3FN, x = 1.062: 0x39 is within 0.001, not within 0.0001
 *   returns   1 or 0
 *   BITWISE (round to nearest is assumed). Never fails.                     */
SSTE_API SSTE_HD int sste_check_within(sste_fp8_format f, sste_fp8_rule rule,
                                       uint64_t code, double x, double error) {
  const int absolute = !f.sign_bits && rule.drop_sign;
  const int64_t rank = sste_check_rank(f, code);
  const sste_priv_fp8_number given = sste_priv_check_sum(x, 0.0);
  sste_priv_fp8_number low, high;
  if (given.kind == SSTE_PRIV_FP8_NAN) return rank == SSTE_RANK_NAN;
  if (given.kind == SSTE_PRIV_FP8_INFINITE || !(error > 0.0)) error = 0.0;
  if (absolute && given.negative) x = -x;
  low = sste_priv_check_sum(x, -error);
  high = sste_priv_check_sum(x, error);
  if (absolute && low.negative) low = sste_priv_check_sum(0.0, 0.0);
  if (sste_priv_check_is_zero(f, code)) {
    const int negative = sste_priv_fp8_unpack(f, code).negative;
    if (negative ? !low.negative : high.negative) return 0;
    if (negative && !high.negative) high = sste_priv_check_below_zero();
  }
  return rule.via == SSTE_VIA_NOTHING
             ? sste_priv_check_reaches(f, &rule, &low, &high, rank)
             : sste_priv_check_reaches_via(f, &rule, &low, &high, rank);
}

/* How a product may have been summed, for sste_check_bound:
 *   SSTE_SUM_EXACT         rounded once at the end
 *   SSTE_SUM_FLOAT         in float, to nearest, products rounded or fused, in
 *                          any order
 *   SSTE_SUM_TENSOR_CORE   in a tensor core with float accumulators, dense or
 *                          sparse, float16 to TF32 from Ampere on: every term
 *                          truncated to 24 bits or more
 *   SSTE_SUM_FP8_HOPPER    in the FP8 tensor core of Hopper or Ada: 13 bits
 *   SSTE_SUM_FP8_PROMOTED  the same, added up in float every 128 terms       */
enum {
  SSTE_SUM_EXACT,
  SSTE_SUM_FLOAT,
  SSTE_SUM_TENSOR_CORE,
  SSTE_SUM_FP8_HOPPER,
  SSTE_SUM_FP8_PROMOTED
};

/* n roundings of relative size u, one upon the other: n u / (1 - n u). */
SSTE_HD static inline double sste_priv_check_growth(double x) {
  return x < 0.5 ? x / (1.0 - x) : (double)sste_priv_float(SSTE_PRIV_INF);
}

/* sste_check_bound - how far a sum of products may be from the exact one,
 * before its last rounding, relative to the sum of the products' magnitudes:
 *     |sum - exact| <= bound * sum_k |a_k b_k|,
 * as long as no partial sum overflows.
 *   how       SSTE_SUM_EXACT, ...; any other gives infinity
 *   terms     products per sum that the hardware adds, zeros included: K for a
 *             dense product, K/2 where 2:4 weights are compressed
 *   e.g.      TENSOR_CORE, 1024 -> 0.875 * 2^-13
 *   With n terms and u = 2^-24, FLOAT is n u / (1 - n u), infinity from 2^23
 *   terms on. The tensor cores' are those of sste_mma_bound, which says why
 *   they hold and when, for the path that loses most: TENSOR_CORE is TF32 on
 *   Ampere, four products a step, (n + 3 ceil(n/4)) u; FP8_HOPPER that on Ada,
 *   16 a step, (n + 2 ceil(n/16)) 2^-13. If you know the instruction, take its
 *   own.
 *   Promoted every 128 terms it is that of min(n, 128), and then n / 128 float
 *   sums, of at most 1.02 of the magnitude.
 *   The FP8 bounds are wide: on NORMAL numbers, from about 1000 terms on, a
 *   kernel that returns 0 passes HOPPER's, and much of PROMOTED's. Let INTEGERS
 *   with EXACT decide first, and numbers of one sign.
 *   BITWISE. Never fails. Source: sste_mma.h, sec. 5 and 7; that the steps of a
 *   2:4 instruction are no shorter than a dense one's is an assumption.     */
SSTE_API SSTE_HD double sste_check_bound(int how, size_t terms) {
  const double n = (double)terms, u = 1.0 / 16777216.0;
  const sste_mma_op tf32 = sste_mma_dense(SSTE_MMA_TF32, 4);
  const sste_mma_op fp8 = sste_mma_dense(SSTE_MMA_E4M3, 16);
  switch (how) {
    case SSTE_SUM_EXACT: return 0.0;
    case SSTE_SUM_FLOAT: return sste_priv_check_growth(n * u);
    case SSTE_SUM_TENSOR_CORE:
      return sste_mma_bound(tf32, sste_mma_ampere(tf32.a), terms);
    case SSTE_SUM_FP8_HOPPER:
      return sste_mma_bound(fp8, sste_mma_ada(fp8.a), terms);
    case SSTE_SUM_FP8_PROMOTED:
      return sste_mma_bound(fp8, sste_mma_ada(fp8.a),
                            terms < 128 ? terms : 128) +
             1.02 * sste_priv_check_growth(n / 128.0 * u);
    default: return (double)sste_priv_float(SSTE_PRIV_INF);
  }
}

/* ---- 5. Reports ---------------------------------------------------------- */

/* What a difference is. Each element, group or nibble is of one kind: of those
 * that are listed for it, in this order, the first that fits. NONE goes before
 * all but PATTERN.
 * Numbers:
 *   SSTE_DIFF_NONE        the same bits
 *   SSTE_DIFF_WITHIN      another code that the stated error admits, as at a
 *                         boundary; where ties go is not judged then
 *   SSTE_DIFF_ZERO_SIGN   +0 and -0
 *   SSTE_DIFF_ENCODING    the same otherwise: two NaNs, or bits outside the
 *                         format
 *   SSTE_DIFF_SATURATION  the largest finite number and what overflow gives
 *                         without saturation, of the same sign: infinity, or
 *                         NaN where there is none; but not if a NaN is known
 *                         to have come in
 *   SSTE_DIFF_NAN         NaN and a number
 *   SSTE_DIFF_SIGN        a number and its negative
 *   SSTE_DIFF_INFINITY    infinity and another number
 *   SSTE_DIFF_ONE_STEP    neighbours
 *   SSTE_DIFF_FURTHER     anything else
 * Groups of a 2:4 matrix:
 *   SSTE_DIFF_PATTERN     the kernel's has more than two non-zeros, whatever
 *                         was expected
 *   SSTE_DIFF_TIE         other positions, but magnitudes are equal in pairs:
 *                         of the source there, and of what is kept
 *   SSTE_DIFF_POSITION    other positions, or fewer
 *   SSTE_DIFF_VALUE       right positions, another value
 *   SSTE_DIFF_ZERO_SIGN   right, but for a pruned -0 (ENCODING where the format
 *                         has no sign)
 * Nibbles of metadata:
 *   SSTE_DIFF_SWAPPED     the two halves of a byte exchanged
 *   SSTE_DIFF_PADDING     an unused half byte, which is 0 in sste.h
 *   SSTE_DIFF_NIBBLE      none of the six that are legal
 *   SSTE_DIFF_POSITION    other positions                                    */
enum {
  SSTE_DIFF_NONE,
  SSTE_DIFF_WITHIN,
  SSTE_DIFF_ZERO_SIGN,
  SSTE_DIFF_ENCODING,
  SSTE_DIFF_SATURATION,
  SSTE_DIFF_NAN,
  SSTE_DIFF_SIGN,
  SSTE_DIFF_INFINITY,
  SSTE_DIFF_ONE_STEP,
  SSTE_DIFF_FURTHER,
  SSTE_DIFF_PATTERN,
  SSTE_DIFF_TIE,
  SSTE_DIFF_POSITION,
  SSTE_DIFF_VALUE,
  SSTE_DIFF_NIBBLE,
  SSTE_DIFF_SWAPPED,
  SSTE_DIFF_PADDING,
  SSTE_DIFFS /* how many there are */
};

/* sste_check_diff_name - "same", "within", ...; null for other numbers.     */
SSTE_API const char *sste_check_diff_name(int diff) {
  switch (diff) {
    case SSTE_DIFF_NONE: return "same";
    case SSTE_DIFF_WITHIN: return "within";
    case SSTE_DIFF_ZERO_SIGN: return "zero sign";
    case SSTE_DIFF_ENCODING: return "encoding";
    case SSTE_DIFF_SATURATION: return "saturation";
    case SSTE_DIFF_NAN: return "NaN";
    case SSTE_DIFF_SIGN: return "sign";
    case SSTE_DIFF_INFINITY: return "infinity";
    case SSTE_DIFF_ONE_STEP: return "one step";
    case SSTE_DIFF_FURTHER: return "further";
    case SSTE_DIFF_PATTERN: return "not 2:4";
    case SSTE_DIFF_TIE: return "tie";
    case SSTE_DIFF_POSITION: return "position";
    case SSTE_DIFF_VALUE: return "value";
    case SSTE_DIFF_NIBBLE: return "nibble";
    case SSTE_DIFF_SWAPPED: return "swapped";
    case SSTE_DIFF_PADDING: return "padding";
    default: return NULL;
  }
}

/* What was compared: elements, groups of four, or nibbles. */
enum { SSTE_CHECK_NUMBERS, SSTE_CHECK_GROUPS, SSTE_CHECK_NIBBLES };

enum { SSTE_CHECK_BUCKETS = 64, SSTE_CHECK_SHOWN = 8 };

typedef struct sste_check_mismatch {
  uint64_t row, col; /* of the element; for nibbles, col is the group */
  uint64_t got, want;
  double x;     /* the true value, if the report knows it */
  int32_t diff; /* SSTE_DIFF_... */
  int32_t reserved;
} sste_check_mismatch;

/* The result of a comparison. */
typedef struct sste_check_report {
  int32_t status; /* SSTE_OK; else nothing was compared, and the rest is 0 */
  int32_t what;   /* SSTE_CHECK_NUMBERS, ... */
  sste_fp8_format format;     /* of the elements; of nibbles, none */
  int32_t has_truth;          /* 1 if the true values are known, else 0 */
  uint64_t rows, cols;        /* what was compared; cols of the dense matrix */
  uint64_t total;             /* elements, groups or nibbles */
  uint64_t count[SSTE_DIFFS]; /* of each kind; they add up to total */
  uint64_t got_nans, want_nans; /* how many elements are NaN; of numbers */
  /* Distances of numbers that differ: 1 ulp, 2 to 3, 4 to 7, 8 to 15, ...; in
   * groups, where the positions are right. */
  uint64_t ulps[SSTE_CHECK_BUCKETS];
  uint64_t worst_ulps, worst_row, worst_col; /* the first of the largest */
  double worst_share; /* the largest share of its error that an element has
                         used: above 1 it is not WITHIN. 0 without x; not
                         counted at overflow, nor of roundings that are not to
                         nearest and in one step */
  uint64_t shown;     /* how many of the first differences follow */
  sste_check_mismatch first[SSTE_CHECK_SHOWN];
} sste_check_report;

/* sste_check_failures - how many differences are not excused: all but those of
 * NONE and of WITHIN; 1 if the comparison failed, so that a misuse is not taken
 * for success. If you accept another kind, subtract its count.              */
SSTE_API uint64_t sste_check_failures(const sste_check_report *report) {
  if (report == NULL || report->status != SSTE_OK) return 1;
  return report->total - report->count[SSTE_DIFF_NONE] -
         report->count[SSTE_DIFF_WITHIN];
}

static inline int sste_priv_check_equal(sste_fp8_format f, sste_fp8_format g) {
  return f.sign_bits == g.sign_bits && f.exponent_bits == g.exponent_bits &&
         f.mantissa_bits == g.mantissa_bits && f.bias == g.bias &&
         f.specials == g.specials;
}

/* How many bytes an element takes, 0 if no array can be of this format. */
static inline size_t sste_priv_check_size(sste_fp8_format f) {
  if (sste_fp8_format_check(f) == SSTE_OK) return 1;
  if (sste_priv_check_equal(f, sste_fp8_float16())) return 2;
  if (sste_priv_check_equal(f, sste_fp8_bfloat16())) return 2;
  if (sste_priv_check_equal(f, sste_fp8_float32())) return 4;
  return sste_priv_check_equal(f, sste_fp8_float64()) ? 8 : 0;
}

/* Element i of an array of 1, 2, 4 or 8 bytes each. */
static inline uint64_t sste_priv_check_load(const void *p, size_t i,
                                            size_t size) {
  const uint16_t one = 1;
  uint64_t word = 0;
  uint8_t little_endian;
  memcpy(&little_endian, &one, 1);
  memcpy((uint8_t *)&word + (little_endian ? 0 : sizeof word - size),
         (const uint8_t *)p + i * size, size);
  return word;
}

/* A code's value, which is a double in every format. */
static inline double sste_priv_check_value(sste_fp8_format f, uint64_t code) {
  double x;
  if (f.mantissa_bits <= 23) return (double)sste_fp8_decode(f, (uint32_t)code);
  memcpy(&x, &code, sizeof x);
  return x;
}

/* An empty report, of what is about to be compared or could not be. */
static inline sste_status sste_priv_check_begin(sste_check_report *report,
                                                int what, sste_fp8_format f,
                                                size_t rows, size_t cols,
                                                sste_status status) {
  memset(report, 0, sizeof *report);
  report->status = (int32_t)status;
  if (status != SSTE_OK) return status;
  report->what = what;
  report->format = f;
  report->rows = rows;
  report->cols = cols;
  return SSTE_OK;
}

static inline void sste_priv_check_note(sste_check_report *report, size_t row,
                                        size_t col, uint64_t got, uint64_t want,
                                        double x, int diff) {
  ++report->total;
  ++report->count[diff];
  if (diff > SSTE_DIFF_WITHIN && report->shown < SSTE_CHECK_SHOWN) {
    sste_check_mismatch *m = &report->first[report->shown++];
    m->row = row;
    m->col = col;
    m->got = got;
    m->want = want;
    m->x = x >= 0.0 || x <= 0.0 ? x : (double)sste_priv_float(SSTE_PRIV_NAN);
    m->diff = diff;
  }
}

/* Whether a code is NaN, by comparisons alone: every element is asked. */
static inline int sste_priv_check_is_nan(sste_fp8_format f, uint64_t code) {
  const uint64_t ones = sste_priv_fp8_ones(f);
  return f.specials == SSTE_FP8_FNUZ
             ? code == ones + 1
             : (code & ones) >
                   sste_priv_fp8_largest(f) + (f.specials == SSTE_FP8_IEEE);
}

/* The distance of two numbers that differ. */
static inline void sste_priv_check_distance(sste_check_report *report,
                                            size_t row, size_t col,
                                            uint64_t got, uint64_t want) {
  const uint64_t ulps = sste_check_ulps(report->format, got, want);
  if (ulps == 0 || ulps == SSTE_ULPS_NAN) return;
  ++report->ulps[sste_priv_fp8_log2(ulps)];
  if (ulps > report->worst_ulps) {
    report->worst_ulps = ulps;
    report->worst_row = row;
    report->worst_col = col;
  }
}

/* Whether `a` is the largest finite number and b what it would be if overflow
 * did not saturate. */
static inline int sste_priv_check_saturates(sste_fp8_format f, uint64_t a,
                                            uint64_t b) {
  const uint64_t ones = sste_priv_fp8_ones(f);
  return (a & ones) == sste_priv_fp8_largest(f) &&
         (b == a + 1 || (f.specials == SSTE_FP8_FNUZ && b == ones + 1));
}

static inline int sste_priv_check_diff(sste_fp8_format f, uint64_t got,
                                       uint64_t want) {
  const int64_t infinity = (int64_t)sste_priv_fp8_largest(f) + 1;
  int64_t a, b;
  if (got == want) return SSTE_DIFF_NONE;
  a = sste_check_rank(f, got);
  b = sste_check_rank(f, want);
  if (a == b)
    return a == 0 && f.sign_bits ? SSTE_DIFF_ZERO_SIGN : SSTE_DIFF_ENCODING;
  if (sste_priv_check_saturates(f, got, want) ||
      sste_priv_check_saturates(f, want, got))
    return SSTE_DIFF_SATURATION;
  if (a == SSTE_RANK_NAN || b == SSTE_RANK_NAN) return SSTE_DIFF_NAN;
  if (a == -b) return SSTE_DIFF_SIGN;
  if (a == infinity || a == -infinity || b == infinity || b == -infinity)
    return SSTE_DIFF_INFINITY;
  return sste_check_ulps(f, got, want) == 1 ? SSTE_DIFF_ONE_STEP
                                            : SSTE_DIFF_FURTHER;
}

/* How much of the error a kernel has used that gave `got`: how far x is from
 * the nearest real that rounds to it, which is half a step further on, over the
 * error. Beyond the largest number everything rounds to that.               */
static inline double sste_priv_check_share(sste_fp8_format f,
                                           sste_fp8_rule rule, uint64_t got,
                                           double x, double error) {
  const int nearest = rule.rounding == SSTE_ROUND_NEAREST_EVEN ||
                      rule.rounding == SSTE_ROUND_NEAREST_AWAY;
  const double value = sste_priv_check_value(f, got), off = x - value;
  const uint64_t beside = sste_check_next(f, got, off < 0.0 ? -1 : 1);
  const double half = 0.5 * (sste_priv_check_value(f, beside) - value);
  if (!nearest || rule.via != SSTE_VIA_NOTHING || !(error > 0.0)) return 0.0;
  if (half < 0.0) return (half - off) / error;
  return half > 0.0 ? (off - half) / error : 0.0;
}

/* One pair of numbers. */
static inline void sste_priv_check_count(sste_check_report *report, size_t row,
                                         size_t col, uint64_t got,
                                         uint64_t want, double x, int diff) {
  const sste_fp8_format f = report->format;
  sste_priv_check_note(report, row, col, got, want, x, diff);
  report->got_nans += sste_priv_check_is_nan(f, got) ? 1 : 0;
  report->want_nans += sste_priv_check_is_nan(f, want) ? 1 : 0;
  if (got != want) sste_priv_check_distance(report, row, col, got, want);
}

/* One of which the true value is known. */
static inline void sste_priv_check_near(sste_check_report *report,
                                        sste_fp8_rule rule, size_t row,
                                        size_t col, uint64_t got, uint64_t want,
                                        double x, double error) {
  const sste_fp8_format f = report->format;
  const double share = sste_priv_check_share(f, rule, got, x, error);
  int diff = sste_priv_check_diff(f, got, want);
  if (diff != SSTE_DIFF_NONE && sste_check_within(f, rule, got, x, error))
    diff = SSTE_DIFF_WITHIN;
  else if (diff == SSTE_DIFF_SATURATION && !(x <= 0.0 || x > 0.0))
    diff = SSTE_DIFF_NAN; /* a NaN came in: nothing has overflowed */
  if (share > report->worst_share && share <= DBL_MAX)
    report->worst_share = share;
  sste_priv_check_count(report, row, col, got, want, x, diff);
}

/* sste_check_numbers - two matrices of numbers, bit by bit.
 *   report    receives the result
 *   f         the elements' format: any of sste_fp8.h, sec. 1
 *   got       rows x cols elements of the kernel, rows ldg apart; an element
 *             takes 1, 2, 4 or 8 bytes, as f is wide
 *   want      the oracle's, rows ldw apart
 *   e.g.      E4M3FN {38 7E 00}, expected {39 7F 80}: one step, saturation,
 *             zero sign
 *   BITWISE. Overwrites report. Errors: NULL, SHAPE, SIZE, VALUE (f).       */
SSTE_API sste_status sste_check_numbers(sste_check_report *report,
                                        sste_fp8_format f, const void *got,
                                        size_t ldg, const void *want,
                                        size_t ldw, size_t rows, size_t cols) {
  const size_t size = sste_priv_check_size(f);
  size_t r, c;
  sste_status s = size == 0 ? SSTE_ERR_VALUE : SSTE_OK;
  if (report == NULL) return SSTE_ERR_NULL;
  if (s == SSTE_OK) s = sste_priv_matrix(got, rows, cols, ldg, size);
  if (s == SSTE_OK) s = sste_priv_matrix(want, rows, cols, ldw, size);
  s = sste_priv_check_begin(report, SSTE_CHECK_NUMBERS, f, rows, cols, s);
  for (r = 0; s == SSTE_OK && cols > 0 && r < rows; ++r)
    for (c = 0; c < cols; ++c) {
      const uint64_t x = sste_priv_check_load(got, r * ldg + c, size);
      const uint64_t y = sste_priv_check_load(want, r * ldw + c, size);
      sste_priv_check_count(report, r, c, x, y, 0.0,
                            sste_priv_check_diff(f, x, y));
    }
  return s;
}

/* sste_check_numbers_near - the same, for a kernel that may be off by a stated
 * error before it rounds: by sste_check_within a difference is WITHIN or not.
 *   rule      how the kernel rounds: sste_fp8_saturating() or another
 *   x         rows x cols floats, rows ldx apart: the true values, before they
 *             are rounded to f
 *   error     rows x cols floats, rows lde apart: how far off the kernel may
 *             be; or, with lde = 0, one float for all. If x was itself rounded
 *             to float, add that rounding's error
 *   e.g.      E4M3FN 39, expected 38, x = 1.062, error 0.001: WITHIN
 *   BITWISE. Overwrites report.
 *   Errors: NULL, SHAPE, SIZE, VALUE (f, float64 included).                 */
SSTE_API sste_status sste_check_numbers_near(
    sste_check_report *report, sste_fp8_format f, sste_fp8_rule rule,
    const void *got, size_t ldg, const void *want, size_t ldw, const float *x,
    size_t ldx, const float *error, size_t lde, size_t rows, size_t cols) {
  const size_t size = sste_priv_check_size(f);
  const size_t each = lde == 0 ? 0 : 1; /* 0: one error for all */
  size_t r, c;
  sste_status s = size == 0 || size == 8 ? SSTE_ERR_VALUE : SSTE_OK;
  if (report == NULL) return SSTE_ERR_NULL;
  if (s == SSTE_OK) s = sste_priv_matrix(got, rows, cols, ldg, size);
  if (s == SSTE_OK) s = sste_priv_matrix(want, rows, cols, ldw, size);
  if (s == SSTE_OK) s = sste_priv_matrix(x, rows, cols, ldx, sizeof *x);
  if (s == SSTE_OK && cols > 0)
    s = sste_priv_matrix(error, each ? rows : 1, each ? cols : 1,
                         each ? lde : 1, sizeof *error);
  s = sste_priv_check_begin(report, SSTE_CHECK_NUMBERS, f, rows, cols, s);
  report->has_truth = s == SSTE_OK;
  for (r = 0; s == SSTE_OK && cols > 0 && r < rows; ++r)
    for (c = 0; c < cols; ++c)
      sste_priv_check_near(
          report, rule, r, c, sste_priv_check_load(got, r * ldg + c, size),
          sste_priv_check_load(want, r * ldw + c, size), (double)x[r * ldx + c],
          (double)error[r * lde + c * each]);
  return s;
}

/* Which of four elements are not zero, as a mask; NaNs are not. */
static inline int sste_priv_check_pattern(sste_fp8_format f,
                                          const uint64_t code[4]) {
  int i, mask = 0;
  for (i = 0; i < 4; ++i)
    if (sste_check_rank(f, code[i]) != 0) mask |= 1 << i;
  return mask;
}

/* Two choices of at most two of four that tie are made of equal magnitudes, in
 * the source as well as in what is kept. `total` and `top` say which two. */
typedef struct sste_priv_check_pair {
  uint64_t total, top;
} sste_priv_check_pair;

static inline void sste_priv_check_join(sste_priv_check_pair *pair,
                                        uint64_t magnitude) {
  pair->total += magnitude;
  if (magnitude > pair->top) pair->top = magnitude;
}

static inline int sste_priv_check_tie(sste_fp8_format f, const float *source,
                                      const uint64_t got[4], int got_mask,
                                      const uint64_t want[4], int want_mask) {
  const uint64_t ones = sste_priv_fp8_ones(f);
  sste_priv_check_pair a = {0, 0}, b = {0, 0}, c = {0, 0}, d = {0, 0};
  int i;
  for (i = 0; i < 4; ++i) {
    if (got_mask >> i & 1) {
      sste_priv_check_join(&a, sste_priv_magnitude(source[i]));
      sste_priv_check_join(&c, got[i] & ones);
    }
    if (want_mask >> i & 1) {
      sste_priv_check_join(&b, sste_priv_magnitude(source[i]));
      sste_priv_check_join(&d, want[i] & ones);
    }
  }
  return sste_priv_check_popcount(got_mask) ==
             sste_priv_check_popcount(want_mask) &&
         a.total == b.total && a.top == b.top && c.total == d.total &&
         c.top == d.top;
}

static inline int sste_priv_check_group(sste_fp8_format f,
                                        const uint64_t got[4],
                                        const uint64_t want[4],
                                        const float *source) {
  const int a = sste_priv_check_pattern(f, got);
  const int b = sste_priv_check_pattern(f, want);
  int i, diff = SSTE_DIFF_NONE;
  if (sste_priv_check_popcount(a) > 2) return SSTE_DIFF_PATTERN;
  if (a != b)
    return source != NULL && sste_priv_check_tie(f, source, got, a, want, b)
               ? SSTE_DIFF_TIE
               : SSTE_DIFF_POSITION;
  for (i = 0; i < 4; ++i)
    if (got[i] != want[i]) {
      if (a >> i & 1) return SSTE_DIFF_VALUE;
      diff = f.sign_bits ? SSTE_DIFF_ZERO_SIGN : SSTE_DIFF_ENCODING;
    }
  return diff;
}

/* sste_check_sparse - two 2:4 matrices, group by group.
 *   report    receives the result; it counts groups
 *   f         the elements' format; for masks of bytes 0 and 1, any of 8 bits
 *             with a zero
 *   got       rows x cols elements, rows ldg apart; cols a multiple of 4
 *   want      the oracle's, rows ldw apart
 *   source    rows x cols floats, rows lds apart: the dense matrix that both
 *             were made from, to tell a tie from a wrong choice; may be null,
 *             then a tie is a POSITION
 *   specials  NaN is a non-zero
 *   e.g.      (1, 1, 0, 0), expected (0, 0, 1, 1), source (1, 1, 1, 1): a tie
 *   BITWISE. Overwrites report.
 *   Errors: NULL, SHAPE, SIZE, VALUE (f).                                   */
SSTE_API sste_status sste_check_sparse(sste_check_report *report,
                                       sste_fp8_format f, const void *got,
                                       size_t ldg, const void *want, size_t ldw,
                                       const float *source, size_t lds,
                                       size_t rows, size_t cols) {
  const size_t size = sste_priv_check_size(f);
  size_t r, c, i;
  sste_status s = SSTE_OK;
  if (report == NULL) return SSTE_ERR_NULL;
  if (size == 0 || f.specials == SSTE_FP8_POW2) s = SSTE_ERR_VALUE;
  if (s == SSTE_OK) s = sste_priv_matrix(got, rows, cols, ldg, size);
  if (s == SSTE_OK) s = sste_priv_matrix(want, rows, cols, ldw, size);
  if (s == SSTE_OK && source != NULL)
    s = sste_priv_matrix(source, rows, cols, lds, sizeof *source);
  if (s == SSTE_OK && rows != 0 && cols % 4 != 0) s = SSTE_ERR_SHAPE;
  s = sste_priv_check_begin(report, SSTE_CHECK_GROUPS, f, rows, cols, s);
  for (r = 0; s == SSTE_OK && cols > 0 && r < rows; ++r)
    for (c = 0; c < cols; c += 4) {
      uint64_t a[4], b[4];
      size_t at = 0;
      int diff;
      for (i = 0; i < 4; ++i) {
        a[i] = sste_priv_check_load(got, r * ldg + c + i, size);
        b[i] = sste_priv_check_load(want, r * ldw + c + i, size);
      }
      diff =
          sste_priv_check_group(f, a, b, source ? source + r * lds + c : NULL);
      while (at < 4 && a[at] == b[at]) ++at;
      at %= 4; /* the first that differs; both may break the pattern alike */
      sste_priv_check_note(report, r, c + at, a[at], b[at], 0.0, diff);
      if (diff == SSTE_DIFF_VALUE)
        for (i = 0; i < 4; ++i)
          sste_priv_check_distance(report, r, c + i, a[i], b[i]);
    }
  return s;
}

/* sste_check_metadata - two matrices of nibbles as sste_tensor_compress writes
 * them (sste.h, sec. 4).
 *   report    receives the result; it counts nibbles, an unused half byte
 *             included; of a mismatch, col is the group
 *   got       rows x ceil(cols/8) bytes, rows ldg apart
 *   want      the oracle's, rows ldw apart
 *   cols      of the dense matrix, a multiple of 4
 *   e.g.      0x4E, expected 0xE4: two nibbles SWAPPED
 *   BITWISE. Overwrites report. Errors: NULL, SHAPE, SIZE.                  */
SSTE_API sste_status sste_check_metadata(sste_check_report *report,
                                         const uint8_t *got, size_t ldg,
                                         const uint8_t *want, size_t ldw,
                                         size_t rows, size_t cols) {
  const size_t bytes = sste_priv_meta_cols(cols), groups = cols / 4;
  size_t r, g;
  sste_status s = cols > SIZE_MAX - 7 ? SSTE_ERR_SIZE : SSTE_OK;
  if (report == NULL) return SSTE_ERR_NULL;
  if (s == SSTE_OK) s = sste_priv_matrix(got, rows, bytes, ldg, 1);
  if (s == SSTE_OK) s = sste_priv_matrix(want, rows, bytes, ldw, 1);
  if (s == SSTE_OK && rows != 0 && cols % 4 != 0) s = SSTE_ERR_SHAPE;
  s = sste_priv_check_begin(report, SSTE_CHECK_NIBBLES, sste_fp8_e8m0(), rows,
                            cols, s);
  for (r = 0; s == SSTE_OK && cols > 0 && r < rows; ++r)
    for (g = 0; g < 2 * bytes; ++g) {
      const uint8_t *a = got + r * ldg, *b = want + r * ldw;
      const int x = sste_priv_nibble(a, g), y = sste_priv_nibble(b, g);
      int diff = SSTE_DIFF_POSITION;
      if (x == y)
        diff = SSTE_DIFF_NONE;
      else if (x == sste_priv_nibble(b, g ^ 1) &&
               y == sste_priv_nibble(a, g ^ 1))
        diff = SSTE_DIFF_SWAPPED;
      else if (g >= groups)
        diff = SSTE_DIFF_PADDING;
      else if (sste_nibble_check(x) != SSTE_OK)
        diff = SSTE_DIFF_NIBBLE;
      sste_priv_check_note(report, r, g, (uint64_t)x, (uint64_t)y, 0.0, diff);
    }
  return s;
}

/* Elements of one row of a product in double, each with k ascending, and what
 * their errors are relative to: sum_k |a_ik b_kj|. */
enum { SSTE_PRIV_CHECK_BLOCK = 64, SSTE_PRIV_CHECK_BLOCKS = 16 };
typedef struct sste_priv_check_row {
  double sum[SSTE_PRIV_CHECK_BLOCK], size[SSTE_PRIV_CHECK_BLOCK];
} sste_priv_check_row;

static inline void sste_priv_check_accumulate(double *sum, double *size,
                                              double a, double b) {
  const double p = a * b;
  *sum += p;
  *size += p > -p ? p : -p; /* one instruction, and no branch */
}

/* Along the rows of B where they are contiguous, else down its columns: the
 * same bits, but for the cache. */
static inline void sste_priv_check_dots(sste_priv_check_row *d,
                                        sste_priv_operand a,
                                        sste_priv_operand b, size_t i,
                                        size_t j0, size_t n, size_t depth) {
  size_t j, k;
  memset(d, 0, sizeof *d);
  if (b.across == 1)
    for (k = 0; k < depth; ++k) {
      const double x = (double)a.p[i * a.down + k * a.across];
      const float *row = b.p + k * b.down + j0;
      for (j = 0; j < n; ++j)
        sste_priv_check_accumulate(&d->sum[j], &d->size[j], x, (double)row[j]);
    }
  else
    for (j = 0; j < n; ++j)
      for (k = 0; k < depth; ++k)
        sste_priv_check_accumulate(
            &d->sum[j], &d->size[j], (double)a.p[i * a.down + k * a.across],
            (double)b.p[k * b.down + (j0 + j) * b.across]);
}

static inline void sste_priv_check_product(sste_check_report *report,
                                           sste_fp8_rule rule, const void *z,
                                           size_t ldz, sste_priv_operand a,
                                           sste_priv_operand b, size_t depth,
                                           double bound) {
  enum { BLOCK = SSTE_PRIV_CHECK_BLOCK, BLOCKS = SSTE_PRIV_CHECK_BLOCKS };
  const size_t rows = (size_t)report->rows, cols = (size_t)report->cols;
  const size_t size = sste_priv_check_size(report->format);
  const double tiny = (double)FLT_MIN / 8388608.0; /* 2^-149 */
  size_t r, c, i;
  for (r = 0; cols > 0 && r < rows; ++r)
    for (c = 0; c < cols; c += BLOCK * BLOCKS) {
      const size_t n = sste_priv_at_most(cols - c, BLOCK * BLOCKS);
      sste_priv_check_row sums[BLOCKS];
      ptrdiff_t j;
      SSTE_OMP(parallel for schedule(static))
      for (j = 0; j < (ptrdiff_t)((n - 1) / BLOCK + 1); ++j)
        sste_priv_check_dots(&sums[j], a, b, r, c + (size_t)j * BLOCK,
                             sste_priv_at_most(n - (size_t)j * BLOCK, BLOCK),
                             depth);
      for (i = 0; i < n; ++i) {
        const double x = sums[i / BLOCK].sum[i % BLOCK];
        const double all = sums[i / BLOCK].size[i % BLOCK];
        const double error =
            bound > 0.0 ? bound * all + (double)depth * tiny : 0.0;
        uint64_t bits, want;
        memcpy(&bits, &x, sizeof bits);
        want =
            sste_fp8_convert(report->format, rule, sste_fp8_float64(), bits, 0);
        sste_priv_check_near(report, rule, r, c + i,
                             sste_priv_check_load(z, r * ldz + c + i, size),
                             want, x, error);
      }
    }
}

/* Checks a product's arguments and begins its report. */
static inline sste_status sste_priv_check_product_begin(
    sste_check_report *report, sste_fp8_format f, int overflow, const void *z,
    size_t ldz, size_t z_rows, size_t z_cols, const float *a, size_t a_rows,
    size_t a_cols, size_t lda, const float *b, size_t b_rows, size_t b_cols,
    size_t ldb, double bound) {
  const size_t size = sste_priv_check_size(f);
  sste_status s = SSTE_OK;
  if (report == NULL) return SSTE_ERR_NULL;
  if (size == 0 || size == 8 || (unsigned)overflow > SSTE_OVERFLOW_NONE ||
      !(bound >= 0.0 && bound <= DBL_MAX))
    s = SSTE_ERR_VALUE;
  if (s == SSTE_OK) s = sste_priv_matrix(z, z_rows, z_cols, ldz, size);
  if (s == SSTE_OK) s = sste_priv_matrix(a, a_rows, a_cols, lda, sizeof *a);
  if (s == SSTE_OK) s = sste_priv_matrix(b, b_rows, b_cols, ldb, sizeof *b);
  s = sste_priv_check_begin(report, SSTE_CHECK_NUMBERS, f, z_rows, z_cols, s);
  report->has_truth = s == SSTE_OK;
  return s;
}

static inline sste_fp8_rule sste_priv_check_rule(int overflow) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.overflow = overflow;
  rule.nan = SSTE_NAN_QUIET;
  return rule;
}

/* sste_check_product_forward - a kernel's Z = X W^T against the product itself
 * and a bound on the kernel's error:
 *     Z = round(S), where |S - X W^T| <= bound * |X| |W|^T
 *   report    receives the result; WITHIN is everything that the bound admits
 *   f         the format of Z: float32, float16, bfloat16 or one of 8 bits
 *   overflow  what the kernel does beyond the largest number of f:
 *             SSTE_OVERFLOW_NONE (usual for float formats), _SATURATE, ...
 *   z         T x N elements of f, rows ldz apart: the kernel's
 *   x         T x K floats, rows ldx apart
 *   w         N x K floats, rows ldw apart: dense, or 2:4 with its zeros
 *   bound     from 0, finite: sste_check_bound(how, terms), or your own. Where
 *             that is infinite (FLOAT from 2^23 terms on) nothing is promised,
 *             and nothing can be compared
 *   specials  expected is the product summed in double, k ascending, rounded
 *             once to f, to nearest even: in float32, without saturation, the
 *             bits of sste_product_forward. If bound is 0 the sum is taken to
 *             be exact, as it is for integers. If not, the error grows by a
 *             float's smallest subnormal per term, for underflow
 *   e.g.      x = 1, 2, w = 3, 4, z = 11.000001 (one ulp off), bound 2^-23:
 *             WITHIN, as 2^-23 (3 + 8) is more than an ulp of 11
 *   BITWISE. Overwrites report.
 *   Errors: NULL, SHAPE, SIZE, VALUE (f, overflow, bound).                  */
SSTE_API sste_status sste_check_product_forward(
    sste_check_report *report, sste_fp8_format f, int overflow, const void *z,
    size_t ldz, const float *x, size_t ldx, const float *w, size_t ldw,
    size_t T, size_t N, size_t K, double bound) {
  const sste_status s = sste_priv_check_product_begin(
      report, f, overflow, z, ldz, T, N, x, T, K, ldx, w, N, K, ldw, bound);
  if (s != SSTE_OK) return s;
  sste_priv_check_product(report, sste_priv_check_rule(overflow), z, ldz,
                          sste_priv_strided(x, ldx, 1),
                          sste_priv_strided(w, 1, ldw), K, bound);
  return SSTE_OK;
}

/* sste_check_product_input_grad - the same of dX = dZ W: dx is T x K, dz T x N,
 * w N x K, and a sum has N terms. */
SSTE_API sste_status sste_check_product_input_grad(
    sste_check_report *report, sste_fp8_format f, int overflow, const void *dx,
    size_t lddx, const float *dz, size_t lddz, const float *w, size_t ldw,
    size_t T, size_t N, size_t K, double bound) {
  const sste_status s = sste_priv_check_product_begin(
      report, f, overflow, dx, lddx, T, K, dz, T, N, lddz, w, N, K, ldw, bound);
  if (s != SSTE_OK) return s;
  sste_priv_check_product(report, sste_priv_check_rule(overflow), dx, lddx,
                          sste_priv_strided(dz, lddz, 1),
                          sste_priv_strided(w, ldw, 1), N, bound);
  return SSTE_OK;
}

/* sste_check_product_weight_grad - the same of dW = dZ^T X: dw is N x K, dz
 * T x N, x T x K, and a sum has T terms. */
SSTE_API sste_status sste_check_product_weight_grad(
    sste_check_report *report, sste_fp8_format f, int overflow, const void *dw,
    size_t lddw, const float *dz, size_t lddz, const float *x, size_t ldx,
    size_t T, size_t N, size_t K, double bound) {
  const sste_status s = sste_priv_check_product_begin(
      report, f, overflow, dw, lddw, N, K, dz, T, N, lddz, x, T, K, ldx, bound);
  if (s != SSTE_OK) return s;
  sste_priv_check_product(report, sste_priv_check_rule(overflow), dw, lddw,
                          sste_priv_strided(dz, 1, lddz),
                          sste_priv_strided(x, ldx, 1), T, bound);
  return SSTE_OK;
}

/* sste_check_merge - the report of a matrix from those of its upper rows and of
 * the rows below, for matrices that come in pieces.
 *   report    of the rows so far; receives the whole. One of no rows, or all 0,
 *             becomes `below`
 *   below     of the rows that follow
 *   BITWISE: what one comparison of all rows gives. Accumulates into report.
 *   Errors: NULL, VALUE (of another kind, format or width); the status of a
 *   comparison that failed, which report then has.                          */
SSTE_API sste_status sste_check_merge(sste_check_report *report,
                                      const sste_check_report *below) {
  sste_check_report b;
  uint64_t i;
  if (report == NULL || below == NULL) return SSTE_ERR_NULL;
  b = *below; /* may be report itself */
  if (report->status != SSTE_OK) return (sste_status)report->status;
  if (b.status != SSTE_OK || report->rows == 0) {
    *report = b;
    return (sste_status)b.status;
  }
  if (report->what != b.what || report->has_truth != b.has_truth ||
      report->cols != b.cols ||
      !sste_priv_check_equal(report->format, b.format))
    return SSTE_ERR_VALUE;
  for (i = 0; i < SSTE_DIFFS; ++i) report->count[i] += b.count[i];
  for (i = 0; i < SSTE_CHECK_BUCKETS; ++i) report->ulps[i] += b.ulps[i];
  if (b.worst_ulps > report->worst_ulps) {
    report->worst_ulps = b.worst_ulps;
    report->worst_row = report->rows + b.worst_row;
    report->worst_col = b.worst_col;
  }
  if (b.worst_share > report->worst_share) report->worst_share = b.worst_share;
  for (i = 0; i < b.shown && report->shown < SSTE_CHECK_SHOWN; ++i) {
    report->first[report->shown] = b.first[i];
    report->first[report->shown++].row += report->rows;
  }
  report->got_nans += b.got_nans;
  report->want_nans += b.want_nans;
  report->total += b.total;
  report->rows += b.rows;
  return SSTE_OK;
}

/* ---- 6. Text ------------------------------------------------------------- */

/* A buffer that fills up; `length` counts on when it is full. */
typedef struct sste_priv_check_page {
  char *text;
  size_t size, length;
} sste_priv_check_page;

static inline void sste_priv_check_print(sste_priv_check_page *page,
                                         const char *format, ...) {
  const int full = page->length >= page->size;
  va_list values;
  int n;
  va_start(values, format);
  n = vsnprintf(full ? NULL : page->text + page->length,
                full ? 0 : page->size - page->length, format, values);
  va_end(values);
  if (n > 0) page->length += (size_t)n;
}

/* Widths of a column of values and of distances: as wide as the format's widest
 * can be. */
static inline int sste_priv_check_width(sste_fp8_format f) {
  return f.mantissa_bits > 23 ? 24 : 15;
}
static inline int sste_priv_check_steps_width(sste_fp8_format f) {
  return f.mantissa_bits > 23 ? 20 : f.mantissa_bits > 10 ? 10 : 5;
}

/* One line per mismatch: where, what, bits and values, and the distance. */
static inline void sste_priv_check_line(sste_priv_check_page *page,
                                        const sste_check_report *report,
                                        const sste_check_mismatch *m) {
  const sste_fp8_format f = report->format;
  const int digits = 2 * (int)sste_priv_check_size(f);
  const int width = sste_priv_check_width(f),
            steps = sste_priv_check_steps_width(f);
  const int precise = f.mantissa_bits > 23 ? 17 : 9;
  const uint64_t ulps = sste_check_ulps(f, m->got, m->want);
  const int misplaced = m->diff == SSTE_DIFF_PATTERN ||
                        m->diff == SSTE_DIFF_TIE ||
                        m->diff == SSTE_DIFF_POSITION;
  const unsigned long long row = m->row, col = m->col;
  const unsigned long long got = m->got, want = m->want;
  sste_priv_check_print(page, "%10llu %10llu  %-10s", row, col,
                        sste_check_diff_name(m->diff));
  if (report->what == SSTE_CHECK_NIBBLES) {
    sste_priv_check_print(page, "  %llX (%llu,%llu)  %llX (%llu,%llu)\n", got,
                          got & 3, got >> 2, want, want & 3, want >> 2);
    return;
  }
  sste_priv_check_print(page, "  %0*llX %*.*g  %0*llX %*.*g", digits, got,
                        width, precise, sste_priv_check_value(f, got), digits,
                        want, width, precise, sste_priv_check_value(f, want));
  if (report->has_truth) sste_priv_check_print(page, "  %16.9g", m->x);
  if (ulps == SSTE_ULPS_NAN || misplaced)
    sste_priv_check_print(page, "  %*s\n", steps, "-");
  else
    sste_priv_check_print(page, "  %*llu\n", steps, (unsigned long long)ulps);
}

static inline void sste_priv_check_heading(sste_priv_check_page *page,
                                           const sste_check_report *report) {
  const sste_fp8_format f = report->format;
  const int bits = 2 * (int)sste_priv_check_size(f) + 1;
  const int value = sste_priv_check_width(f);
  const int nibbles = report->what == SSTE_CHECK_NIBBLES;
  sste_priv_check_print(page, "%10s %10s  %-10s", "row",
                        nibbles ? "group" : "column", "what");
  if (nibbles)
    sste_priv_check_print(page, "  %-7s  %s\n", "got", "expected");
  else
    sste_priv_check_print(page, "  %-*s  %-*s%s  %*s\n", bits + value, "got",
                          bits + value, "expected",
                          report->has_truth ? "        true value" : "",
                          sste_priv_check_steps_width(f), "ulps");
}

/* float32, ... or E4M3FN, E5M2, ...; E4M3B11FNUZ where the bias is not the
 * family's usual one. */
static inline void sste_priv_check_format(sste_priv_check_page *page,
                                          sste_fp8_format f) {
  const int fnuz = f.specials == SSTE_FP8_FNUZ, M = f.mantissa_bits;
  const size_t size = sste_priv_check_size(f);
  if (size == 0) return; /* of a report that was never filled */
  if (size > 1) {
    sste_priv_check_print(page, " in %s",
                          M == 52   ? "float64"
                          : M == 23 ? "float32"
                          : M == 10 ? "float16"
                                    : "bfloat16");
    return;
  }
  sste_priv_check_print(page, " in %sE%dM%d", f.sign_bits || M == 0 ? "" : "U",
                        f.exponent_bits, M);
  if (f.bias != (1 << (f.exponent_bits - 1)) - !fnuz)
    sste_priv_check_print(page, "B%d", f.bias);
  sste_priv_check_print(page, "%s",
                        f.specials == SSTE_FP8_FN ? "FN"
                        : fnuz                    ? "FNUZ"
                                                  : "");
}

/* Six to a line. */
static inline void sste_priv_check_histogram(sste_priv_check_page *page,
                                             const sste_check_report *report) {
  int i, n = 0;
  if (report->worst_ulps == 0) return;
  for (i = 0; i < SSTE_CHECK_BUCKETS; ++i) {
    const unsigned long long low = 1ull << i, high = low + (low - 1);
    if (report->ulps[i] == 0) continue;
    sste_priv_check_print(page, n == 0 ? "ulps" : n % 6 == 0 ? "\n    " : "");
    sste_priv_check_print(page, low == high ? "  %llu" : "  %llu-%llu", low,
                          high);
    sste_priv_check_print(page, ": %llu", (unsigned long long)report->ulps[i]);
    ++n;
  }
  sste_priv_check_print(page, "\nworst  %llu %s at row %llu, column %llu\n",
                        (unsigned long long)report->worst_ulps,
                        report->worst_ulps == 1 ? "ulp" : "ulps",
                        (unsigned long long)report->worst_row,
                        (unsigned long long)report->worst_col);
}

/* sste_check_text - a report in words, for a terminal or a log.
 *   text      receives it, cut where `size` ends, and always a final 0; may be
 *             null
 *   size      of text in bytes; 2048 hold most, 8192 every report
 *   report    of any comparison, a failed one as well
 *   returns   the length that the whole text has, without the 0
 *   e.g.      4096 numbers in E4M3FN: 4094 same, 2 differ
 *                     one step 2
 *             ulps  1: 2
 *             worst  1 ulp at row 0, column 3
 *                    row     column  what        got ...
 *                      0          3  one step    38               1  39 ...
 *   The first mismatches are one line each, of fixed width.                 */
SSTE_API size_t sste_check_text(char *text, size_t size,
                                const sste_check_report *report) {
  static const char *const things[] = {"numbers", "groups of four", "nibbles"};
  sste_priv_check_page page;
  uint64_t i;
  page.text = text;
  page.size = text == NULL ? 0 : size;
  page.length = 0;
  if (report == NULL || report->status != SSTE_OK) {
    sste_priv_check_print(&page, "not compared: %s\n",
                          report == NULL
                              ? "no report"
                              : sste_status_text((sste_status)report->status));
    return page.length;
  }
  sste_priv_check_print(&page, "%llu %s", (unsigned long long)report->total,
                        things[report->what]);
  if (report->what != SSTE_CHECK_NIBBLES)
    sste_priv_check_format(&page, report->format);
  sste_priv_check_print(&page, ": %llu same",
                        (unsigned long long)report->count[SSTE_DIFF_NONE]);
  if (report->has_truth)
    sste_priv_check_print(&page, ", %llu within",
                          (unsigned long long)report->count[SSTE_DIFF_WITHIN]);
  sste_priv_check_print(&page, ", %llu differ\n",
                        (unsigned long long)sste_check_failures(report));
  for (i = SSTE_DIFF_WITHIN + 1; i < SSTE_DIFFS; ++i)
    if (report->count[i] != 0)
      sste_priv_check_print(&page, "%16s %llu\n", sste_check_diff_name((int)i),
                            (unsigned long long)report->count[i]);
  if (report->got_nans > 0 || report->want_nans > 0)
    sste_priv_check_print(&page, "NaNs  %llu, expected %llu\n",
                          (unsigned long long)report->got_nans,
                          (unsigned long long)report->want_nans);
  sste_priv_check_histogram(&page, report);
  if (report->worst_share > 0.0)
    sste_priv_check_print(&page, "largest share of the allowed error: %.3g\n",
                          report->worst_share);
  if (report->shown > 0) sste_priv_check_heading(&page, report);
  for (i = 0; i < report->shown; ++i)
    sste_priv_check_line(&page, report, &report->first[i]);
  return page.length;
}

#ifdef __cplusplus
}
#endif

#endif /* SSTE_CHECK_H */
