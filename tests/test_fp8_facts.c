/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_fp8_facts.c - facts about 8-bit floats that hold whoever computes them,
 * and what other libraries got wrong. Equal counts show that both sides are
 * right; a peer's faulty rule, written down here as its behaviour, shows that
 * sste_fp8.h can tell it apart. Level 2 counts float by float.
 *
 *   1. Counting the floats on which two encoders differ
 *   2. Double rounding
 *   3. Rounding to odd first is the cure
 *   4. Normal numbers in 8 bits: exact moments
 *   5. Known bugs: AMD HIP
 *   6. Known bugs: microxcaling, FBGEMM, ggml
 *   7. Known bugs: E8M0
 *   8. Known bugs: decoders
 */
#include <float.h>

#include "sste_fp8.h"
#include "test.h"

#define INF_BITS 0x7F800000u

/* ---- 1. Counting --------------------------------------------------------- */

/* From the bits of a float that is not negative to a code. */
typedef unsigned (*encoder)(uint32_t);

typedef struct tally {
  int64_t count;
  uint32_t first; /* if count > 0 */
} tally;

/* Both encoders rise with x, so where they give one code at both ends of a
 * range, they do between. Halves of a range are counted in order.           */
static void count_between(tally *t, encoder p, encoder q, uint32_t low,
                          uint32_t high) {
  const uint32_t middle = low + (high - low) / 2;
  const unsigned here = p(low), there = q(low);
  if (here == p(high) && there == q(high)) {
    if (here == there) return;
    if (t->count == 0) t->first = low;
    t->count += (int64_t)high - low + 1;
    return;
  }
  count_between(t, p, q, low, middle);
  count_between(t, p, q, middle + 1, high);
}

/* Assuming nothing; or only every so many floats. */
static tally count_one_by_one(encoder p, encoder q, uint32_t low, uint32_t high,
                              int step) {
  int64_t count = 0, first = high;
  int64_t i;
  tally t;
#ifdef _OPENMP
#pragma omp parallel for reduction(+ : count) reduction(min : first)
#endif
  for (i = low; i <= (int64_t)high; i += step)
    if (p((uint32_t)i) != q((uint32_t)i)) {
      ++count;
      if (i < first) first = i;
    }
  t.count = count;
  t.first = (uint32_t)first;
  return t;
}

/* Of the floats with bits from low to high, both included. */
static tally count_different(encoder p, encoder q, uint32_t low,
                             uint32_t high) {
  tally t = {0, 0};
  count_between(&t, p, q, low, high);
  return t;
}

/* The same; at level 2 without assuming that they rise. */
static tally count_surely(encoder p, encoder q, uint32_t low, uint32_t high) {
  const tally t = count_different(p, q, low, high);
  if (test_level() == 2) {
    const tally all = count_one_by_one(p, q, low, high, 1);
    assert_true(all.count == t.count);
    if (t.count > 0) assert_int_equal(all.first, t.first);
  }
  return t;
}

static int64_t differences(encoder p, encoder q, float low, float high) {
  return count_different(p, q, test_bits(low), test_bits(high)).count;
}

static sste_fp8_rule with_overflow(int overflow) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.overflow = overflow;
  return rule;
}

static unsigned convert(sste_fp8_format f, sste_fp8_rule rule, uint32_t bits) {
  return (unsigned)sste_fp8_convert(f, rule, sste_fp8_float32(), bits, 0);
}

/* ---- 2. Double rounding -------------------------------------------------- */

/* An encoder by way of another format or of none, where overflow is infinity or
 * NaN and where it saturates.                                               */
#define BY_WAY_OF(format, step, way)                            \
  static unsigned format##_##step(uint32_t bits) {              \
    sste_fp8_rule rule = with_overflow(SSTE_OVERFLOW_NONE);     \
    rule.via = way;                                             \
    return convert(sste_fp8_##format(), rule, bits);            \
  }                                                             \
  static unsigned format##_##step##_saturating(uint32_t bits) { \
    sste_fp8_rule rule = with_overflow(SSTE_OVERFLOW_SATURATE); \
    rule.via = way;                                             \
    return convert(sste_fp8_##format(), rule, bits);            \
  }
#define EVERY_WAY(format)                      \
  BY_WAY_OF(format, direct, SSTE_VIA_NOTHING)  \
  BY_WAY_OF(format, by_half, SSTE_VIA_FLOAT16) \
  BY_WAY_OF(format, by_bfloat16, SSTE_VIA_BFLOAT16)
EVERY_WAY(e4m3fn)
EVERY_WAY(e5m2)
EVERY_WAY(e3m4)

enum { TO_E4M3FN, TO_E5M2, TO_E3M4, TARGETS };
typedef struct target {
  int M, B, largest; /* of the format; the code of its largest number */
  encoder direct, saturating;
  encoder by[2], saturating_by[2]; /* half, bfloat16 */
  /* What an exhaustive run of another program found: how many floats come out
   * wrong, the first, and the first that is at least 1.5.                   */
  int64_t wrong[2];
  float first, first_from_1_5;
} target;

static const target targets[TARGETS] = {
    {3,
     7,
     0x7E,
     e4m3fn_direct,
     e4m3fn_direct_saturating,
     {e4m3fn_by_half, e4m3fn_by_bfloat16},
     {e4m3fn_by_half_saturating, e4m3fn_by_bfloat16_saturating},
     {520192, 4161536},
     0.000976562616f,
     1.56250012f},
    {2,
     15,
     0x7B,
     e5m2_direct,
     e5m2_direct_saturating,
     {e5m2_by_half, e5m2_by_bfloat16},
     {e5m2_by_half_saturating, e5m2_by_bfloat16_saturating},
     {557056, 4063232},
     7.62939544e-06f,
     1.62500012f},
    {4,
     3,
     0x6F,
     e3m4_direct,
     e3m4_direct_saturating,
     {e3m4_by_half, e3m4_by_bfloat16},
     {e3m4_by_half_saturating, e3m4_by_bfloat16_saturating},
     {458752, 3670016},
     0.00781250093f,
     1.53125012f},
};

/* The number of a magnitude code, beyond the largest as if nothing ended. */
static double value_of(int M, int B, int code) {
  const int ones = 1 << M, e = code / ones, m = code % ones;
  return e == 0 ? ldexp(m, 1 - B - M) : ldexp(ones + m, e - B - M);
}

static double midpoint_above(int M, int B, int code) {
  return (value_of(M, B, code) + value_of(M, B, code + 1)) / 2;
}

/* floor(log2(x)) */
static int exponent_of(double x) {
  int e;
  frexp(x, &e);
  return e - 1;
}

/* Every float where codes change, and elsewhere every 16th. */
static void confirm(encoder p, encoder q, tally want) {
  const uint32_t low = test_bits(0x1p-27f), high = test_bits(0x1p18f);
  const tally inside = count_one_by_one(p, q, low, high, 1);
  assert_true(inside.count == want.count);
  assert_int_equal(inside.first, want.first);
  assert_true(count_one_by_one(p, q, 0, low, 16).count == 0);
  assert_true(count_one_by_one(p, q, high, INF_BITS, 16).count == 0);
}

static void half_and_bfloat16_double_round(void **state) {
  int t, by;
  (void)state;
  for (t = 0; t < TARGETS; ++t)
    for (by = 0; by < 2; ++by) {
      const target *g = &targets[t];
      const tally all = count_different(g->direct, g->by[by], 0, INF_BITS);
      const tally rest =
          count_different(g->direct, g->by[by], test_bits(1.5f), INF_BITS);
      if (test_level() == 2) confirm(g->direct, g->by[by], all);
      assert_true(all.count == g->wrong[by]);
      assert_same_float(test_float(all.first), g->first);
      assert_same_float(test_float(rest.first), g->first_from_1_5);
    }
}

/* Those at the largest midpoint change between a number and overflow. */
static void saturating_hides_the_last_midpoint(void **state) {
  static const int64_t hidden[2] = {4096, 32768};
  int t, by;
  (void)state;
  for (t = 0; t < TARGETS; ++t)
    for (by = 0; by < 2; ++by) {
      const target *g = &targets[t];
      const tally n =
          count_different(g->saturating, g->saturating_by[by], 0, INF_BITS);
      assert_true(n.count == g->wrong[by] - hidden[by]);
    }
}

/* Where the counts come from. The wide format rounds half a unit of its own on
 * either side of an 8-bit midpoint to the midpoint, whose last bits are 0; from
 * there the tie goes one way, which is wrong for the floats on the far side:
 * for those above if the lower code is even, else for those below.          */
static int64_t predicted(const target *g, int wide_M, int wide_smallest) {
  int64_t count = 0;
  int code;
  for (code = 0; code <= g->largest; ++code) {
    const double midpoint = midpoint_above(g->M, g->B, code);
    const int e = exponent_of(midpoint);
    const int wide_e = e > wide_smallest ? e : wide_smallest;
    count += (int64_t)ldexp(1.0, (wide_e - wide_M - 1) - (e - 23));
  }
  return count;
}

static void double_rounding_happens_at_midpoints(void **state) {
  int t;
  (void)state;
  for (t = 0; t < TARGETS; ++t) {
    assert_true(predicted(&targets[t], 10, -14) == targets[t].wrong[0]);
    assert_true(predicted(&targets[t], 7, -126) == targets[t].wrong[1]);
  }
}

/* What is too large for half is infinite in the second step, where a rule may
 * have saturated finite numbers only.                                       */
static void the_first_step_overflows_by_itself(void **state) {
  sste_fp8_rule rule = with_overflow(SSTE_OVERFLOW_SATURATE_FINITE);
  const uint32_t x = test_bits(70000.0f);
  (void)state;
  assert_int_equal(convert(sste_fp8_e5m2(), rule, x), 0x7B);
  rule.via = SSTE_VIA_FLOAT16;
  assert_int_equal(convert(sste_fp8_e5m2(), rule, x), 0x7C);
  rule.via = SSTE_VIA_BFLOAT16;
  assert_int_equal(convert(sste_fp8_e5m2(), rule, x), 0x7B);
  assert_int_equal(convert(sste_fp8_e5m2(), rule, INF_BITS), 0x7C);
}

/* ---- From double by way of float ----------------------------------------- */

static unsigned encode_double(const target *g, uint64_t bits, int via) {
  static const int E[TARGETS] = {4, 5, 3};
  sste_fp8_rule rule = with_overflow(SSTE_OVERFLOW_NONE);
  sste_fp8_format f = sste_fp8_e5m2();
  f.exponent_bits = E[g - targets];
  f.mantissa_bits = g->M;
  f.bias = g->B;
  if (g == &targets[TO_E4M3FN]) f.specials = SSTE_FP8_FN;
  rule.via = via;
  return (unsigned)sste_fp8_convert(f, rule, sste_fp8_float64(), bits, 0);
}

static uint64_t double_bits(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* The first double whose code is above `code`, by its bits. */
static uint64_t first_above(const target *g, int code, int via) {
  uint64_t low = double_bits(value_of(g->M, g->B, code));
  uint64_t high = double_bits(value_of(g->M, g->B, code + 1));
  while (high - low > 1) {
    const uint64_t middle = low + (high - low) / 2;
    if (encode_double(g, middle, via) > (unsigned)code)
      high = middle;
    else
      low = middle;
  }
  return high;
}

/* Half a unit of float is 2^28 doubles: so many are wrong at each midpoint, all
 * on one side. Of a smaller neighbourhood it is the half.                   */
static void double_by_way_of_float_moves_every_midpoint(void **state) {
  const uint64_t half = (uint64_t)1 << 28;
  int t, code;
  (void)state;
  for (t = 0; t < TARGETS; ++t)
    for (code = 0; code <= targets[t].largest; ++code) {
      const target *g = &targets[t];
      const uint64_t m = double_bits(midpoint_above(g->M, g->B, code));
      const int up = code % 2;
      assert_true(first_above(g, code, SSTE_VIA_NOTHING) == (up ? m : m + 1));
      assert_true(first_above(g, code, SSTE_VIA_FLOAT32) ==
                  (up ? m - half : m + half + 1));
    }
}

/* Of the 2 n doubles next to a midpoint, how many come out wrong. */
static int64_t wrong_near(const target *g, int code, int via, int64_t n) {
  const uint64_t m = double_bits(midpoint_above(g->M, g->B, code));
  int64_t i, wrong = 0;
#ifdef _OPENMP
#pragma omp parallel for reduction(+ : wrong)
#endif
  for (i = 1; i <= n; ++i) {
    const unsigned below = encode_double(g, m - (uint64_t)i, via);
    const unsigned above = encode_double(g, m + (uint64_t)i, via);
    wrong += (below != (unsigned)code) + (above != (unsigned)code + 1);
  }
  return wrong;
}

static void of_the_doubles_at_a_midpoint_half_are_wrong(void **state) {
  const int64_t n = (int64_t)1 << (test_level() == 2 ? 18 : 6);
  int t, code;
  (void)state;
  for (t = 0; t < TARGETS; ++t)
    for (code = 0; code <= targets[t].largest; ++code) {
      const target *g = &targets[t];
      assert_true(wrong_near(g, code, SSTE_VIA_FLOAT32, n) == n);
      assert_true(wrong_near(g, code, SSTE_VIA_NOTHING, n) == 0);
    }
}

/* ---- 3. The cure --------------------------------------------------------- */

static unsigned by_odd(sste_fp8_format to, sste_fp8_format wide,
                       uint32_t bits) {
  sste_fp8_rule odd = with_overflow(SSTE_OVERFLOW_NONE);
  odd.rounding = SSTE_ROUND_ODD;
  return (unsigned)sste_fp8_convert(
      to, with_overflow(SSTE_OVERFLOW_NONE), wide,
      sste_fp8_convert(wide, odd, sste_fp8_float32(), bits, 0), 0);
}

#define BY_ODD(format, wide)                                     \
  static unsigned format##_by_odd_##wide(uint32_t bits) {        \
    return by_odd(sste_fp8_##format(), sste_fp8_##wide(), bits); \
  }
BY_ODD(e4m3fn, float16)
BY_ODD(e4m3fn, bfloat16)
BY_ODD(e5m2, float16)
BY_ODD(e5m2, bfloat16)
BY_ODD(e3m4, float16)
BY_ODD(e3m4, bfloat16)

static void rounding_to_odd_first_does_no_harm(void **state) {
  static const encoder by[TARGETS][2] = {
      {e4m3fn_by_odd_float16, e4m3fn_by_odd_bfloat16},
      {e5m2_by_odd_float16, e5m2_by_odd_bfloat16},
      {e3m4_by_odd_float16, e3m4_by_odd_bfloat16}};
  int t, wide;
  (void)state;
  for (t = 0; t < TARGETS; ++t)
    for (wide = 0; wide < 2; ++wide) {
      const tally n =
          count_different(targets[t].direct, by[t][wide], 0, INF_BITS);
      assert_true(n.count == 0);
    }
}

/* ---- 4. Moments ---------------------------------------------------------- */

/* Of x ~ N(0, 1) and its code: the numbers that go to one code are an interval,
 * found in the encoder by bisection, and what happens on an interval from a to
 * b has a closed form. With Phi and phi the distribution and the density,
 *
 *   P = Phi(b) - Phi(a)
 *   integral of (x - v)^2 phi = (1 + v^2) P - (b phi(b) - a phi(a))
 *                               + 2 v (phi(b) - phi(a))
 *
 * A midpoint is a float, the last of the even code next to it.              */
static long double density(long double x) {
  return expl(-x * x / 2) * 0.398942280401432677939946059934L;
}

/* P(a < x < b) for 0 <= a < b: near 0 by erf, else by erfc, so that small
 * numbers are subtracted from small ones.                                   */
static long double probability(long double a, long double b) {
  const long double root = 0.707106781186547524400844362105L;
  if (b < 1) return (erfl(b * root) - erfl(a * root)) / 2;
  return (erfcl(a * root) - (isinf(b) ? 0 : erfcl(b * root))) / 2;
}

static long double square_error(long double a, long double b, long double v) {
  const long double at_b = isinf(b) ? 0 : density(b);
  const long double b_at_b = isinf(b) ? 0 : b * at_b;
  return (1 + v * v) * probability(a, b) - (b_at_b - a * density(a)) +
         2 * v * (at_b - density(a));
}

/* The bits of the first float above `low`, itself of code `code`, whose code is
 * higher.                                                                   */
static uint32_t first_float_above(sste_fp8_format f, unsigned code,
                                  uint32_t low) {
  uint32_t high = INF_BITS;
  while (high - low > 1) {
    const uint32_t middle = low + (high - low) / 2;
    if (convert(f, sste_fp8_saturating(), middle) > code)
      high = middle;
    else
      low = middle;
  }
  return high;
}

typedef struct moments {
  double square_error, to_zero, subnormal;
} moments;

/* Positive numbers count twice: encoders are odd. */
static moments moments_of(sste_fp8_format f, int M, int B, unsigned largest) {
  const long double infinity = (long double)INFINITY;
  long double sum = 0, low = 0;
  uint32_t first = 0;
  unsigned code;
  moments m;
  m.to_zero = 0;
  for (code = 0; code <= largest; ++code) {
    long double high = infinity;
    if (code < largest) {
      first = first_float_above(f, code, first);
      high = (long double)test_float(code % 2 == 0 ? first - 1 : first);
    }
    if (code == 0) m.to_zero = (double)(2 * probability(0, high));
    sum += 2 * square_error(low, high, (long double)value_of(M, B, (int)code));
    low = high;
  }
  m.square_error = (double)sum;
  m.subnormal = (double)(2 * probability(0, ldexpl(1, 1 - B)));
  return m;
}

static void check_moments(sste_fp8_format f, int M, int B, unsigned largest,
                          moments want, moments last_digit, double decibels) {
  const moments got = moments_of(f, M, B, largest);
  assert_near(got.square_error, want.square_error,
              last_digit.square_error * 0.5);
  assert_near(got.to_zero, want.to_zero, last_digit.to_zero * 0.5);
  assert_near(got.subnormal, want.subnormal, last_digit.subnormal * 0.5);
  assert_near(-10 * log10(got.square_error), decibels, 0.5e-4);
}

static moments row(double square_error, double to_zero, double subnormal) {
  moments m;
  m.square_error = square_error;
  m.to_zero = to_zero;
  m.subnormal = subnormal;
  return m;
}

/* To the last digit that was printed, by a program that found the intervals
 * from the formats' definition.                                             */
static void moments_of_normal_numbers(void **state) {
  (void)state;
  check_moments(sste_fp8_e4m3fn(), 3, 7, 0x7E,
                row(7.045105e-4, 7.792e-4, 1.247e-2), row(1e-10, 1e-7, 1e-5),
                31.5211);
  check_moments(sste_fp8_e4m3fnuz(), 3, 8, 0x7F,
                row(7.045076e-4, 3.896e-4, 6.233e-3), row(1e-10, 1e-7, 1e-6),
                31.5211);
  check_moments(sste_fp8_e5m2(), 2, 15, 0x7B,
                row(2.790596e-3, 6.087e-6, 4.870e-5), row(1e-9, 1e-9, 1e-8),
                25.5430);
  check_moments(sste_fp8_e5m2fnuz(), 2, 16, 0x7F,
                row(2.790596e-3, 3.044e-6, 2.435e-5), row(1e-9, 1e-9, 1e-8),
                25.5430);
}

/* Thousands of narrow intervals: their sum needs more than a double. */
static void moments_in_16_bits(void **state) {
  (void)state;
#if LDBL_MANT_DIG >= 64
  check_moments(sste_fp8_float16(), 10, 15, 0x7BFF,
                row(4.314255e-8, 2.378e-8, 4.870e-5), row(1e-14, 1e-11, 1e-8),
                73.6509);
  check_moments(sste_fp8_bfloat16(), 7, 127, 0x7F7F, row(2.761088e-6, 0, 0),
                row(1e-12, 1e-37, 1e-37), 55.5892);
#else
  skip();
#endif
}

/* ---- 5. AMD HIP, on the host --------------------------------------------- */

/* The magnitude code of x >= 0, rounded by rint or round; no end, no NaN. */
static unsigned magnitude_code(int M, int B, double x,
                               double (*to_whole)(double)) {
  const int smallest = 1 - B;
  const int e = x < ldexp(1.0, smallest) ? smallest : exponent_of(x);
  return (unsigned)to_whole(ldexp(x, M - e)) + ((unsigned)(e - smallest) << M);
}

/* As it was: numbers below the smallest normal number are shifted to the right
 * by the difference of exponents, and processors shift 64-bit words by that
 * much modulo 64. It also looks for overflow before it rounds.              */
static unsigned hip(int M, int B, unsigned largest, unsigned overflow,
                    unsigned infinity, uint32_t bits) {
  const double x = (double)test_float(bits);
  int e;
  if (bits == INF_BITS) return infinity;
  if (x > value_of(M, B, (int)largest)) return overflow;
  if (bits == 0) return 0;
  e = bits < 0x00800000u ? -126 : exponent_of(x);
  return magnitude_code(M, B, 1 - B - e < 64 ? x : ldexp(x, 64), rint);
}

static unsigned hip_e4m3(uint32_t bits) {
  return hip(3, 7, 0x7E, 0x7E, 0x7F, bits);
}
static unsigned hip_e4m3_nosat(uint32_t bits) {
  return hip(3, 7, 0x7E, 0x7F, 0x7F, bits);
}
static unsigned hip_e5m2(uint32_t bits) {
  return hip(2, 15, 0x7B, 0x7B, 0x7C, bits);
}
static unsigned hip_e5m2_nosat(uint32_t bits) {
  return hip(2, 15, 0x7B, 0x7C, 0x7C, bits);
}
static unsigned hip_e4m3fnuz(uint32_t bits) {
  return hip(3, 8, 0x7F, 0x7F, 0x80, bits);
}
static unsigned e4m3fnuz_saturating(uint32_t bits) {
  return convert(sste_fp8_e4m3fnuz(), sste_fp8_saturating(), bits);
}

/* The shifts wrap at 64 where x is below 2^(1-B-63). Seen as 2^64 times as
 * large, all of it is a number down to half the smallest, that is M + 1
 * exponents; the half itself ties to 0. Such shifts are undefined in C, and
 * where gcc vectorises them, fewer floats come out wrong, or none.          */
static void check_shift(encoder faulty, encoder right, int M, int B) {
  const float wraps = (float)ldexp(1.0, 1 - B - 63);
  const int64_t in_exponent = (int64_t)1 << 23;
  const uint32_t below = test_bits(wraps) - 1;
  const tally n = count_surely(faulty, right, 0, below);
  assert_true(n.count == (M + 2) * in_exponent - 1);
  assert_same_float(test_float(n.first - 1),
                    (float)ldexp(1.0, 1 - B - M - 1 - 64));
  assert_true(differences(faulty, right, wraps, FLT_MAX) == 0);
}

static void hip_shifts_by_64_and_more(void **state) {
  (void)state;
  assert_int_equal(hip_e4m3(test_bits(0x1p-70f)), 0x08);
  assert_int_equal(e4m3fn_direct(test_bits(0x1p-70f)), 0x00);
  check_shift(hip_e4m3, e4m3fn_direct_saturating, 3, 7);
  check_shift(hip_e5m2, e5m2_direct_saturating, 2, 15);
  check_shift(hip_e4m3fnuz, e4m3fnuz_saturating, 3, 8);
}

/* Up to 464, inclusive, E4M3 rounds to 448; E5M2 to 57344 below 61440. */
static void hip_overflows_before_rounding(void **state) {
  (void)state;
  assert_int_equal(hip_e4m3_nosat(test_bits(464.0f)), 0x7F);
  assert_int_equal(e4m3fn_direct(test_bits(464.0f)), 0x7E);
  assert_true(differences(hip_e4m3_nosat, e4m3fn_direct, 1.0f, FLT_MAX) ==
              1048576 / 2);
  assert_true(differences(hip_e4m3_nosat, e4m3fn_direct, 448.0f, 464.0f) ==
              1048576 / 2);
  assert_true(differences(hip_e5m2_nosat, e5m2_direct, 1.0f, FLT_MAX) ==
              2097150 / 2);
  assert_true(differences(hip_e5m2_nosat, e5m2_direct, 57344.0f, 61440.0f) ==
              2097150 / 2);
}

/* Saturation is for infinity, too, unless a rule says finite only. */
static void hip_does_not_saturate_infinity(void **state) {
  const sste_fp8_rule finite = with_overflow(SSTE_OVERFLOW_SATURATE_FINITE);
  (void)state;
  assert_int_equal(hip_e4m3(INF_BITS), 0x7F);
  assert_int_equal(hip_e5m2(INF_BITS), 0x7C);
  assert_int_equal(e4m3fn_direct_saturating(INF_BITS), 0x7E);
  assert_int_equal(e5m2_direct_saturating(INF_BITS), 0x7B);
  assert_int_equal(convert(sste_fp8_e4m3fn(), finite, INF_BITS), 0x7F);
  assert_int_equal(convert(sste_fp8_e5m2(), finite, INF_BITS), 0x7C);
  assert_int_equal(convert(sste_fp8_e5m2(), finite, INF_BITS - 1), 0x7B);
}

/* Until 2024, saturating: infinities and NaNs took one road, to the largest. */
static unsigned hip_e4m3fnuz_until_2024(uint32_t bits) {
  const unsigned sign = bits >> 31 << 7;
  if ((bits & INF_BITS) == INF_BITS) return sign | 0x7F;
  return sign | hip_e4m3fnuz(bits & 0x7FFFFFFFu);
}

static void hip_made_240_of_nans(void **state) {
  const uint32_t step = test_level() == 2 ? 1 : 4093;
  uint32_t nan;
  (void)state;
  for (nan = INF_BITS + 1; nan < 0x80000000u; nan += step) {
    const uint32_t negative = nan | 0x80000000u;
    assert_int_equal(hip_e4m3fnuz_until_2024(nan), 0x7F);
    assert_int_equal(hip_e4m3fnuz_until_2024(negative), 0xFF);
    assert_int_equal(e4m3fnuz_saturating(nan), 0x80);
    assert_int_equal(e4m3fnuz_saturating(negative), 0x80);
  }
  assert_int_equal(e4m3fnuz_saturating(INF_BITS), 0x7F);
}

/* ---- The largest of a block ---------------------------------------------- */

/* The distribution function of the largest magnitude of 128 normal numbers. */
static double largest_of_128(double x) { return pow(erf(x / sqrt(2.0)), 128); }

/* By how many units amax * fl(448 / amax) is more than 448, or less. */
static int units_above_448(float amax) {
  const sste_fp8_recipe how = sste_fp8_recipe_current(sste_fp8_e4m3fn());
  const float scaled = amax * sste_fp8_scale(how, amax);
  return (int)((int64_t)test_bits(scaled) - (int64_t)test_bits(448.0f));
}

static void check_scaled(float amax) {
  const float scaled = amax * (448.0f / amax);
  const int units = units_above_448(amax);
  assert_true(units >= -1 && units <= 1);
  assert_int_equal(e4m3fn_direct(test_bits(scaled)), 0x7E);
  assert_int_equal(hip_e4m3_nosat(test_bits(scaled)), units > 0 ? 0x7F : 0x7E);
}

/* The share of blocks whose amax, of `kept` bits, is scaled to more than 448:
 * the floats from 1 to 8, each (or each of `step` of them) with the probability
 * of the numbers that round to it.                                          */
static double share_above_448(int kept, uint32_t step) {
  const uint32_t unit = (uint32_t)1 << (23 - kept);
  double share = 0.0, all = 0.0;
  uint32_t bits;
  for (bits = test_bits(1.0f); bits < test_bits(8.0f); bits += unit * step) {
    const float amax = test_float(bits);
    const double half = (double)test_float(bits + unit) - (double)amax;
    const double weight = largest_of_128((double)amax + half / 2) -
                          largest_of_128((double)amax - half / 2);
    check_scaled(amax);
    all += weight;
    if (units_above_448(amax) > 0) share += weight;
  }
  return share / all;
}

/* So a kernel that looks for overflow before it rounds makes a NaN of the
 * largest element of every eighth block of floats or sixth of bfloat16s. A
 * simulation of 3,000,000 blocks gave 0.1263 and 0.1765, each +- 0.0002.    */
static void a_scaled_amax_can_be_more_than_448(void **state) {
  const int every = test_level() == 2;
  (void)state;
  assert_near(share_above_448(23, every ? 1 : 61), 0.1263,
              every ? 0.0006 : 0.002);
  assert_near(share_above_448(7, 1), 0.1765, 0.0006);
}

/* ---- 6. microxcaling, FBGEMM, ggml --------------------------------------- */

static double to_nearest_away(double x) { return round(x); }

static unsigned at_most(unsigned code, unsigned largest) {
  return code < largest ? code : largest;
}

/* Its default "nearest", into the elements of a block: infinity stays. */
enum { INFINITY_KEPT = 0x100 };
static unsigned microxcaling_e4m3(uint32_t bits) {
  const double x = (double)test_float(bits);
  if (bits == INF_BITS) return INFINITY_KEPT;
  return at_most(magnitude_code(3, 7, x, to_nearest_away), 0x7E);
}
static unsigned microxcaling_e5m2(uint32_t bits) {
  const double x = (double)test_float(bits);
  if (bits == INF_BITS) return INFINITY_KEPT;
  return at_most(magnitude_code(2, 15, x, to_nearest_away), 0x7B);
}
static unsigned e4m3fn_away(uint32_t bits) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.rounding = SSTE_ROUND_NEAREST_AWAY;
  return convert(sste_fp8_e4m3fn(), rule, bits);
}
static unsigned e5m2_away(uint32_t bits) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.rounding = SSTE_ROUND_NEAREST_AWAY;
  return convert(sste_fp8_e5m2(), rule, bits);
}

/* Different at the midpoints above even codes: of 0 to 124, of 0 to 122. */
static void microxcaling_rounds_ties_away(void **state) {
  (void)state;
  assert_int_equal(microxcaling_e4m3(test_bits(1.0625f)), 0x39);
  assert_int_equal(e4m3fn_direct(test_bits(1.0625f)), 0x38);
  assert_true(differences(microxcaling_e4m3, e4m3fn_direct_saturating, 0.0f,
                          FLT_MAX) == 63);
  assert_true(differences(microxcaling_e5m2, e5m2_direct_saturating, 0.0f,
                          FLT_MAX) == 62);
  assert_true(differences(microxcaling_e4m3, e4m3fn_away, 0.0f, FLT_MAX) == 0);
  assert_true(differences(microxcaling_e5m2, e5m2_away, 0.0f, FLT_MAX) == 0);
}

static void microxcaling_keeps_infinity(void **state) {
  const tally n = count_different(microxcaling_e4m3, e4m3fn_away, 0, INF_BITS);
  (void)state;
  assert_true(n.count == 1);
  assert_int_equal(n.first, INF_BITS);
  assert_int_equal(e4m3fn_away(INF_BITS), 0x7E);
}

/* Block scales as floor(log2(x)) with the logarithm rounded to float, which
 * microxcaling and ggml take. By how many floats under 2^k that is wrong:
 * log2(2^k (1 - n 2^-24)) rounds to k while it is within half the spacing of
 * floats just below k, or for negative k above |k|.                         */
static int float_logarithm(float x) {
  return (int)floorf((float)log2((double)x));
}
static int by_e8m0(float x) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.rounding = SSTE_ROUND_TOWARD_ZERO;
  return sste_fp8_encode_float(sste_fp8_e8m0(), rule, x, 0) - 127;
}

static int wrong_under(int k) {
  double half;
  if (k == 0) return 0; /* floats near 0 are as fine as one likes */
  half = ldexp(1.0, exponent_of(abs(k)) - 24);
  if (k > 0 && k == 1 << exponent_of(k)) half /= 2;
  return (int)floor(-expm1(-half * log(2.0)) * 0x1p24);
}

static void the_logarithm_is_wrong_under_powers_of_two(void **state) {
  int k, n, all = 0;
  (void)state;
  for (k = -125; k <= 128; ++k) {
    const uint32_t bits = (uint32_t)(k + 127) << 23; /* infinity for 128 */
    for (n = 1; n <= wrong_under(k) + 3; ++n) {
      const float x = test_float(bits - (uint32_t)n);
      assert_int_equal(by_e8m0(x), k - 1);
      assert_int_equal(float_logarithm(x), n <= wrong_under(k) ? k : k - 1);
    }
    all += wrong_under(k);
  }
  assert_int_equal(all, 7404);
}

/* HFP8: E4M3 with a bias of 15, so 2^8 times the number in E4M3, clamped by
 * minimum and maximum, which pass over a NaN.                               */
static unsigned fbgemm_hfp8(uint32_t bits) {
  const double x = fmin((double)test_float(bits), 0.9375);
  return magnitude_code(3, 15, x, rint);
}
static unsigned hfp8(uint32_t bits) {
  return convert(sste_fp8_e4m3(), sste_fp8_saturating(),
                 test_bits(test_float(bits) * 256.0f));
}

static void fbgemm_makes_the_largest_code_of_nan(void **state) {
  (void)state;
  assert_true(count_different(fbgemm_hfp8, hfp8, 0, INF_BITS).count == 0);
  assert_int_equal(fbgemm_hfp8(0x7FC00000u), 0x77);
  assert_int_equal(hfp8(0x7FC00000u), 0x7F);
  assert_int_equal(convert(sste_fp8_e4m3(), sste_fp8_saturating(), 0x7FC00000u),
                   0x7F);
}

/* UE4M3 of ggml's processor code. Subnormals: the whole part of 512 x + 1/2, a
 * float sum, but never the code after 7. Normal numbers: ties away, and what
 * reaches 256, by rounding or by itself, is the largest code.               */
static unsigned ggml_ue4m3(uint32_t bits) {
  const float x = test_float(bits);
  unsigned code;
  if (!(x > 0.0f)) return 0;
  if (x < 0x1p-6f) return at_most((unsigned)(x * 512.0f + 0.5f), 7);
  if (x >= 256.0f) return 0x7E;
  code = magnitude_code(3, 7, (double)x, to_nearest_away);
  return code < 0x78 ? code : 0x7E;
}
static unsigned ue4m3(uint32_t bits) {
  return convert(sste_fp8_ue4m3(), sste_fp8_saturating(), bits);
}

static void ggml_has_no_code_between_240_and_448(void **state) {
  (void)state;
  assert_int_equal(ggml_ue4m3(test_bits(256.0f)), 0x7E);
  assert_int_equal(ue4m3(test_bits(256.0f)), 0x78);
  assert_true(count_surely(ggml_ue4m3, ue4m3, 0, INF_BITS).count == 7340093);
  assert_true(differences(ggml_ue4m3, ue4m3, 248.0f, 432.0f) ==
              184 * ((int64_t)1 << 15) + ((int64_t)1 << 18));
  assert_true(differences(ggml_ue4m3, ue4m3, 432.0f, FLT_MAX) == 0);
}

/* From 7.5 units of 2^-9 the nearest code is the smallest normal number's. */
static void ggml_has_a_hole_below_the_normal_numbers(void **state) {
  const float hole = 7.5f * 0x1p-9f, normal = 0x1p-6f;
  (void)state;
  assert_int_equal(ggml_ue4m3(test_bits(hole)), 0x07);
  assert_int_equal(ue4m3(test_bits(hole)), 0x08);
  assert_true(differences(ggml_ue4m3, ue4m3, hole, normal) == 1048576);
}

/* Away at 4 ties of subnormals and 56 of normal numbers; and the float below
 * 2^-10 is rounded twice, as its sum with 1/2 is 1.                         */
static void ggml_rounds_ties_away(void **state) {
  const float below = test_float(test_bits(0x1p-10f) - 1);
  const float hole = test_float(test_bits(7.5f * 0x1p-9f) - 1);
  (void)state;
  assert_int_equal(ggml_ue4m3(test_bits(below)), 1);
  assert_int_equal(ue4m3(test_bits(below)), 0);
  assert_true(differences(ggml_ue4m3, ue4m3, 0.0f, hole) == 4 + 1);
  assert_true(differences(ggml_ue4m3, ue4m3, 0x1p-6f,
                          test_float(test_bits(248.0f) - 1)) == 56);
}

static void ggml_makes_zero_of_nan(void **state) {
  (void)state;
  assert_int_equal(ggml_ue4m3(0x7FC00000u), 0x00);
  assert_int_equal(ue4m3(0x7FC00000u), 0x7F);
}

/* ---- 7. E8M0 ------------------------------------------------------------- */

/* ml_dtypes and PyTorch, for floats above 0: the exponent field, plus one if
 * the mantissa is at least a half. For a subnormal float the field does not say
 * 2^-127, and it is plus one if the mantissa is more than a half.           */
static unsigned e8m0_by_fields(uint32_t bits) {
  const unsigned e = bits >> 23, m = bits & 0x7FFFFFu, half = 0x400000u;
  return e + (e > 0 ? m >= half : m > half);
}

static unsigned e8m0(int rounding, int overflow, uint32_t bits) {
  sste_fp8_rule rule = with_overflow(overflow);
  rule.rounding = rounding;
  return convert(sste_fp8_e8m0(), rule, bits);
}
static unsigned e8m0_nearest(uint32_t bits) {
  return e8m0(SSTE_ROUND_NEAREST_EVEN, SSTE_OVERFLOW_SATURATE, bits);
}
static unsigned e8m0_like_ml_dtypes(uint32_t bits) {
  return convert(sste_fp8_e8m0(),
                 sste_fp8_rule_like(SSTE_LIKE_ML_DTYPES_0_6, sste_fp8_e8m0(),
                                    sste_fp8_float32()),
                 bits);
}
static unsigned e8m0_like_torch(uint32_t bits) {
  return convert(sste_fp8_e8m0(),
                 sste_fp8_rule_like(SSTE_LIKE_TORCH_2_13, sste_fp8_e8m0(),
                                    sste_fp8_float32()),
                 bits);
}

/* 2^-127 (1 + 2^-22) is nearer to 2^-127, code 00, than to 2^-126. */
static void e8m0_by_fields_rounds_subnormals_up(void **state) {
  const uint32_t x = 0x400001u, half = 0x600000u;
  (void)state;
  assert_int_equal(e8m0_by_fields(x), 0x01);
  assert_int_equal(e8m0_nearest(x), 0x00);
  assert_int_equal(e8m0(SSTE_ROUND_TOWARD_ZERO, SSTE_OVERFLOW_SATURATE, x),
                   0x00);
  assert_int_equal(e8m0(SSTE_ROUND_UP, SSTE_OVERFLOW_SATURATE, x), 0x01);
  assert_true(
      count_different(e8m0_by_fields, e8m0_nearest, 1, 0x7FFFFF).count ==
      2097152);
  assert_true(count_different(e8m0_by_fields, e8m0_nearest, x, half).count ==
              2097152);
}

/* With 126 ties among the normal floats, to even codes or up, and the numbers
 * from 1.5 * 2^127 on, of which nearest saturates.                          */
static void e8m0_by_fields_is_not_nearest_even(void **state) {
  const uint32_t top = test_bits(1.5f * 0x1p127f);
  (void)state;
  assert_true(
      count_surely(e8m0_by_fields, e8m0_nearest, 1, INF_BITS - 1).count ==
      6291582);
  assert_true(
      count_different(e8m0_by_fields, e8m0_nearest, 0x800000, top - 1).count ==
      126);
  assert_true(
      count_different(e8m0_by_fields, e8m0_nearest, top, INF_BITS - 1).count ==
      4194303 + 1);
}

static void e8m0_by_fields_has_presets(void **state) {
  (void)state;
  assert_true(
      count_different(e8m0_by_fields, e8m0_like_ml_dtypes, 1, INF_BITS - 1)
          .count == 0);
  assert_true(
      count_different(e8m0_by_fields, e8m0_like_torch, 1, INF_BITS - 1).count ==
      0);
}

/* ---- 8. Decoders --------------------------------------------------------- */

/* A decoder that knows no exceptions. */
static float decode_blindly(int M, int B, unsigned code) {
  const float x = (float)value_of(M, B, (int)(code & 0x7F));
  return code < 0x80 ? x : -x;
}

static void nan_codes_are_not_480(void **state) {
  unsigned code;
  (void)state;
  for (code = 0; code < 256; ++code) {
    const float blind = decode_blindly(3, 7, code);
    const float got = sste_fp8_decode(sste_fp8_e4m3fn(), code);
    if (code % 128 == 127) {
      assert_same_float(blind, code == 127 ? 480.0f : -480.0f);
      assert_same_float(got, test_float(0x7FC00000u));
    } else {
      assert_same_float(got, blind);
    }
  }
}

static void the_nan_of_fnuz_is_not_minus_0(void **state) {
  unsigned code;
  (void)state;
  for (code = 0; code < 256; ++code) {
    const float blind = decode_blindly(3, 8, code);
    const float got = sste_fp8_decode(sste_fp8_e4m3fnuz(), code);
    if (code == 0x80) {
      assert_same_float(blind, -0.0f);
      assert_same_float(got, test_float(0x7FC00000u));
    } else {
      assert_same_float(got, blind);
    }
  }
}

/* -------------------------------------------------------------------------- */

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(half_and_bfloat16_double_round),
      cmocka_unit_test(saturating_hides_the_last_midpoint),
      cmocka_unit_test(double_rounding_happens_at_midpoints),
      cmocka_unit_test(the_first_step_overflows_by_itself),
      cmocka_unit_test(double_by_way_of_float_moves_every_midpoint),
      cmocka_unit_test(of_the_doubles_at_a_midpoint_half_are_wrong),
      cmocka_unit_test(rounding_to_odd_first_does_no_harm),
      cmocka_unit_test(moments_of_normal_numbers),
      cmocka_unit_test(moments_in_16_bits),
      cmocka_unit_test(hip_shifts_by_64_and_more),
      cmocka_unit_test(hip_overflows_before_rounding),
      cmocka_unit_test(hip_does_not_saturate_infinity),
      cmocka_unit_test(hip_made_240_of_nans),
      cmocka_unit_test(a_scaled_amax_can_be_more_than_448),
      cmocka_unit_test(microxcaling_rounds_ties_away),
      cmocka_unit_test(microxcaling_keeps_infinity),
      cmocka_unit_test(the_logarithm_is_wrong_under_powers_of_two),
      cmocka_unit_test(fbgemm_makes_the_largest_code_of_nan),
      cmocka_unit_test(ggml_has_no_code_between_240_and_448),
      cmocka_unit_test(ggml_has_a_hole_below_the_normal_numbers),
      cmocka_unit_test(ggml_rounds_ties_away),
      cmocka_unit_test(ggml_makes_zero_of_nan),
      cmocka_unit_test(e8m0_by_fields_rounds_subnormals_up),
      cmocka_unit_test(e8m0_by_fields_is_not_nearest_even),
      cmocka_unit_test(e8m0_by_fields_has_presets),
      cmocka_unit_test(nan_codes_are_not_480),
      cmocka_unit_test(the_nan_of_fnuz_is_not_minus_0),
  };
  return cmocka_run_group_tests_name("fp8_facts", tests, NULL, NULL);
}
