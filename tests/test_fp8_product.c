/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_fp8_product.c - the exact products of sste_fp8.h against a slow sum that
 * is exact for a plainer reason: it has a digit for every bit of a double.
 *
 *   1. The slow sum, and rounding by looking for the code
 *   2. Formats, written out again
 *   3. Values
 *   4. Infinities and NaNs
 *   5. Matrices: strides, threads
 *   6. What a float GEMM may differ by
 *   7. What is refused
 */
#include <fenv.h>

#include "sste_fp8.h"
#include "test.h"

#define NAN_BITS 0x7FC00000u

/* ---- 1. The slow sum ----------------------------------------------------- */

/* A sum in base 2^32, digit 0 counting in 2^-1152: room below for half of the
 * smallest double and above for more than the largest. Digits take their sign
 * and their carries along until someone asks for the sign of the whole.     */
enum { DIGITS = 72, ORIGIN = 1152 };
typedef struct exact {
  int64_t digit[DIGITS];
} exact;

static const exact exact_zero;

/* sum += sign * m * 2^e */
static void exact_add(exact *sum, int sign, uint64_t m, int e) {
  const int at = (e + ORIGIN) / 32, shift = (e + ORIGIN) % 32;
  const uint64_t lower = (m & 0xFFFFFFFFu) << shift, upper = (m >> 32) << shift;
  assert_true(e >= -ORIGIN && at + 2 < DIGITS);
  sum->digit[at] += sign * (int64_t)(lower & 0xFFFFFFFFu);
  sum->digit[at + 1] += sign * (int64_t)(lower >> 32);
  sum->digit[at + 1] += sign * (int64_t)(upper & 0xFFFFFFFFu);
  sum->digit[at + 2] += sign * (int64_t)(upper >> 32);
}

/* sum += times * x */
static void exact_add_exact(exact *sum, int64_t times, const exact *x) {
  int i;
  for (i = 0; i < DIGITS; ++i) sum->digit[i] += times * x->digit[i];
}

static int exact_sign(const exact *sum) {
  int64_t carry = 0;
  int i, something = 0;
  for (i = 0; i < DIGITS; ++i) {
    const int64_t here = sum->digit[i] + carry;
    const int64_t kept = (int64_t)((uint64_t)here & 0xFFFFFFFFu);
    carry = (here - kept) / ((int64_t)1 << 32);
    if (kept != 0) something = 1;
  }
  return carry < 0 ? -1 : something;
}

/* Ripple the carries, so that the digits may be multiplied. */
static exact exact_magnitude(const exact *x) {
  exact y = exact_zero;
  int64_t carry = 0;
  int i;
  exact_add_exact(&y, exact_sign(x) < 0 ? -1 : 1, x);
  for (i = 0; i < DIGITS; ++i) {
    const int64_t here = y.digit[i] + carry;
    y.digit[i] = (int64_t)((uint64_t)here & 0xFFFFFFFFu);
    carry = (here - y.digit[i]) / ((int64_t)1 << 32);
  }
  return y;
}

/* ---- 2. Formats, written out again --------------------------------------- */

/* The last column says what the codes are that are no numbers. */
enum { WITH_INFINITY, ONE_NAN, NAN_IS_MINUS_0, POWERS };
typedef struct grid {
  const char *name;
  sste_fp8_format f;
  int has_sign, E, M, B, kind;
} grid;

enum { FACTORS = 9, GRIDS = 14, E4M3FN = 0, E5M2 = 1, E5M2FNUZ = 6 };
enum { E8M0 = 9, FLOAT16, BFLOAT16, FLOAT32, FLOAT64 };
static grid grids[GRIDS];

static void make_grid(int i, const char *name, sste_fp8_format f, int has_sign,
                      int E, int M, int B, int kind) {
  grids[i].name = name;
  grids[i].f = f;
  grids[i].has_sign = has_sign;
  grids[i].E = E;
  grids[i].M = M;
  grids[i].B = B;
  grids[i].kind = kind;
}

static int make_grids(void **state) {
  (void)state;
  make_grid(E4M3FN, "e4m3fn", sste_fp8_e4m3fn(), 1, 4, 3, 7, ONE_NAN);
  make_grid(E5M2, "e5m2", sste_fp8_e5m2(), 1, 5, 2, 15, WITH_INFINITY);
  make_grid(2, "e4m3", sste_fp8_e4m3(), 1, 4, 3, 7, WITH_INFINITY);
  make_grid(3, "e3m4", sste_fp8_e3m4(), 1, 3, 4, 3, WITH_INFINITY);
  make_grid(4, "e3m4fn", sste_fp8_e3m4fn(), 1, 3, 4, 3, ONE_NAN);
  make_grid(5, "e4m3fnuz", sste_fp8_e4m3fnuz(), 1, 4, 3, 8, NAN_IS_MINUS_0);
  make_grid(E5M2FNUZ, "e5m2fnuz", sste_fp8_e5m2fnuz(), 1, 5, 2, 16,
            NAN_IS_MINUS_0);
  make_grid(7, "e4m3b11fnuz", sste_fp8_e4m3b11fnuz(), 1, 4, 3, 11,
            NAN_IS_MINUS_0);
  make_grid(8, "ue4m3", sste_fp8_ue4m3(), 0, 4, 3, 7, ONE_NAN);
  make_grid(E8M0, "e8m0", sste_fp8_e8m0(), 0, 8, 0, 127, POWERS);
  make_grid(FLOAT16, "float16", sste_fp8_float16(), 1, 5, 10, 15,
            WITH_INFINITY);
  make_grid(BFLOAT16, "bfloat16", sste_fp8_bfloat16(), 1, 8, 7, 127,
            WITH_INFINITY);
  make_grid(FLOAT32, "float32", sste_fp8_float32(), 1, 8, 23, 127,
            WITH_INFINITY);
  make_grid(FLOAT64, "float64", sste_fp8_float64(), 1, 11, 52, 1023,
            WITH_INFINITY);
  return 0;
}

static uint64_t power(int n) { return (uint64_t)1 << n; }

static uint64_t largest_code(const grid *g) {
  if (g->kind == WITH_INFINITY) return (power(g->E) - 1) * power(g->M) - 1;
  return power(g->E + g->M) - (g->kind == NAN_IS_MINUS_0 ? 1 : 2);
}

/* The number of a magnitude code, m * 2^e; beyond the largest as if there were
 * no end and nothing special.                                               */
static void parts(const grid *g, uint64_t code, uint64_t *m, int *e) {
  const uint64_t field = code / power(g->M), rest = code % power(g->M);
  const int subnormal = field == 0 && g->kind != POWERS;
  *m = subnormal ? rest : power(g->M) + rest;
  *e = (subnormal ? 1 : (int)field) - g->B - g->M;
}

static double value_of(const grid *g, unsigned byte) {
  const uint64_t code = byte % 128;
  const int minus = g->has_sign && byte / 128 == 1;
  uint64_t m;
  int e;
  if (g->kind == NAN_IS_MINUS_0 && byte == 128) return (double)NAN;
  if (code > largest_code(g)) {
    if (g->kind != WITH_INFINITY || code > largest_code(g) + 1)
      return (double)NAN;
    return minus ? -(double)INFINITY : (double)INFINITY;
  }
  parts(g, code, &m, &e);
  return ldexp(minus ? -(double)m : (double)m, e);
}

/* A random code that stands for a number. */
static uint8_t random_code(const grid *g, uint64_t *seed) {
  unsigned byte;
  do {
    byte = (unsigned)(test_random(seed) % 256);
  } while (!isfinite(value_of(g, byte)));
  return (uint8_t)byte;
}

static uint8_t code_of(const grid *g, double x) {
  unsigned byte;
  for (byte = 0; byte < 256; ++byte)
    if (value_of(g, byte) == x && (x != 0.0 || byte == 0)) return (uint8_t)byte;
  fail_msg("%s has no %g", g->name, x);
  return 0;
}

/* The sign of: magnitude - the number of a code; or, for the midpoint between
 * it and the next, twice the magnitude - both numbers.                      */
static int above(const exact *magnitude, const grid *g, uint64_t code,
                 int midpoint) {
  exact d = exact_zero;
  uint64_t m;
  int e;
  exact_add_exact(&d, midpoint ? 2 : 1, magnitude);
  parts(g, code, &m, &e);
  exact_add(&d, -1, m, e);
  if (midpoint) {
    parts(g, code + 1, &m, &e);
    exact_add(&d, -1, m, e);
  }
  return exact_sign(&d);
}

/* The last code whose number is not above the magnitude; at most one more than
 * the largest, at least 0.                                                  */
static uint64_t code_below(const exact *magnitude, const grid *g) {
  uint64_t low = 0, high = largest_code(g) + 1;
  while (low < high) {
    const uint64_t middle = high - (high - low) / 2;
    if (above(magnitude, g, middle, 0) >= 0)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

static int rounds_up(const exact *magnitude, const grid *g, uint64_t code,
                     int rounding, int minus) {
  const int side = above(magnitude, g, code, 1);
  if (above(magnitude, g, code, 0) <= 0) return 0;
  switch (rounding) {
    case SSTE_ROUND_NEAREST_EVEN: return side > 0 || (side == 0 && code % 2);
    case SSTE_ROUND_NEAREST_AWAY: return side >= 0;
    case SSTE_ROUND_UP: return !minus;
    case SSTE_ROUND_ODD: return code % 2 == 0;
    default: return 0;
  }
}

/* A finite sum as a code of g. */
static uint64_t round_slowly(const exact *sum, const grid *g,
                             sste_fp8_rule rule) {
  const uint64_t sign_bit = power(g->E + g->M), largest = largest_code(g);
  const int sign = exact_sign(sum);
  const int minus = sign < 0 && !(rule.drop_sign && !g->has_sign);
  const exact magnitude = exact_magnitude(sum);
  const int nearest = rule.rounding == SSTE_ROUND_NEAREST_EVEN ||
                      rule.rounding == SSTE_ROUND_NEAREST_AWAY;
  const int away = nearest || (rule.rounding == SSTE_ROUND_UP && !minus);
  uint64_t code = code_below(&magnitude, g);
  if (code <= largest)
    code += (uint64_t)rounds_up(&magnitude, g, code, rule.rounding, minus);
  if (code > largest && !(away && rule.overflow == SSTE_OVERFLOW_NONE))
    code = largest;
  if (!g->has_sign) {
    const int below = g->kind == POWERS ? sign <= 0 : minus && code > 0;
    if (rule.drop_sign || !below) return code;
    return rule.overflow == SSTE_OVERFLOW_NONE ? sign_bit - 1 : 0;
  }
  if (g->kind == NAN_IS_MINUS_0 && code == 0) return 0;
  return minus ? code | sign_bit : code;
}

/* Infinities and NaNs: what IEEE 754 makes of the same sum in double. */
static uint64_t special_code(double special, const grid *g,
                             sste_fp8_rule rule) {
  const uint64_t sign_bit = power(g->E + g->M), largest = largest_code(g);
  const int minus = special < 0.0;
  uint64_t code;
  if (isnan(special)) {
    if (g->kind == NAN_IS_MINUS_0) return sign_bit;
    if (g->kind != WITH_INFINITY || rule.nan == SSTE_NAN_ONES)
      return sign_bit - 1;
    return largest + 1 + power(g->M - 1);
  }
  code = rule.overflow == SSTE_OVERFLOW_SATURATE ? largest : largest + 1;
  if (!minus || (!g->has_sign && rule.drop_sign)) return code;
  if (g->has_sign) return code | sign_bit;
  return rule.overflow == SSTE_OVERFLOW_NONE ? sign_bit - 1 : 0;
}

typedef struct slow_sum {
  double ieee; /* not finite if the sum is not */
  exact sum;
  exact magnitudes; /* of |a_k b_k| */
} slow_sum;

static void slow_dot(slow_sum *s, const grid *ga, const uint8_t *a,
                     const grid *gb, const uint8_t *b, size_t n) {
  size_t k;
  s->ieee = 0.0;
  s->sum = s->magnitudes = exact_zero;
  for (k = 0; k < n; ++k) {
    const double x = value_of(ga, a[k]), y = value_of(gb, b[k]);
    uint64_t mx, my;
    int ex, ey;
    if (!isfinite(x) || !isfinite(y)) {
      s->ieee += x * y;
      continue;
    }
    parts(ga, a[k] % 128, &mx, &ex);
    parts(gb, b[k] % 128, &my, &ey);
    exact_add(&s->sum, (x < 0.0) != (y < 0.0) ? -1 : 1, mx * my, ex + ey);
    exact_add(&s->magnitudes, 1, mx * my, ex + ey);
  }
}

static uint64_t slow_code(const slow_sum *s, const grid *to,
                          sste_fp8_rule rule) {
  return isfinite(s->ieee) ? round_slowly(&s->sum, to, rule)
                           : special_code(s->ieee, to, rule);
}

static sste_fp8_rule make_rule(int rounding, int overflow, int nan) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.rounding = rounding;
  rule.overflow = overflow;
  rule.nan = nan;
  return rule;
}

/* As C and every GEMM round to float. */
static sste_fp8_rule float_rule(void) {
  return make_rule(SSTE_ROUND_NEAREST_EVEN, SSTE_OVERFLOW_NONE, SSTE_NAN_QUIET);
}

static uint64_t dot(const grid *to, sste_fp8_rule rule, const grid *ga,
                    const uint8_t *a, const grid *gb, const uint8_t *b,
                    size_t n) {
  uint64_t bits = 0xCACACACACACACACAu;
  assert_int_equal(sste_fp8_dot(&bits, to->f, rule, ga->f, a, gb->f, b, n),
                   SSTE_OK);
  return bits;
}

static void check_against(const slow_sum *s, const grid *to, sste_fp8_rule rule,
                          const grid *ga, const uint8_t *a, const grid *gb,
                          const uint8_t *b, size_t n) {
  const uint64_t got = dot(to, rule, ga, a, gb, b, n);
  const uint64_t want = slow_code(s, to, rule);
  if (got != want)
    fail_msg(
        "%s . %s of %d terms to %s (rounding %d, overflow %d): "
        "got %llX expected %llX",
        ga->name, gb->name, (int)n, to->name, rule.rounding, rule.overflow,
        (unsigned long long)got, (unsigned long long)want);
}

static void check_dot(const grid *to, sste_fp8_rule rule, const grid *ga,
                      const uint8_t *a, const grid *gb, const uint8_t *b,
                      size_t n) {
  slow_sum s;
  slow_dot(&s, ga, a, gb, b, n);
  check_against(&s, to, rule, ga, a, gb, b, n);
}

static void check_to_float_and_double(const grid *ga, const uint8_t *a,
                                      const grid *gb, const uint8_t *b,
                                      size_t n) {
  slow_sum s;
  slow_dot(&s, ga, a, gb, b, n);
  check_against(&s, &grids[FLOAT32], float_rule(), ga, a, gb, b, n);
  check_against(&s, &grids[FLOAT64], float_rule(), ga, a, gb, b, n);
}

static uint64_t seed;
enum { MOST = 100000 };
static uint8_t row_a[MOST], row_b[MOST];

static void random_row(uint8_t *row, const grid *g, size_t n) {
  size_t k;
  for (k = 0; k < n; ++k) row[k] = random_code(g, &seed);
}

/* The slow sum against double, where double is exact: a product of two E4M3FN
 * numbers is a whole multiple below 2^36 of 2^-18, so 1000 stay below 2^53. */
static void reference_agrees_with_double(void **state) {
  const grid *g = &grids[E4M3FN];
  int trial;
  (void)state;
  for (trial = 0; trial < 300; ++trial) {
    const size_t n = (size_t)(test_random(&seed) % 1000);
    double sum = 0.0;
    uint64_t bits;
    slow_sum s;
    size_t k;
    random_row(row_a, g, n);
    random_row(row_b, g, n);
    for (k = 0; k < n; ++k)
      sum += value_of(g, row_a[k]) * value_of(g, row_b[k]);
    slow_dot(&s, g, row_a, g, row_b, n);
    memcpy(&bits, &sum, sizeof bits);
    assert_true(slow_code(&s, &grids[FLOAT64], float_rule()) == bits);
    assert_int_equal(slow_code(&s, &grids[FLOAT32], float_rule()),
                     test_bits((float)sum));
  }
}

/* ---- 3. Values ----------------------------------------------------------- */

static void worked_example(void **state) {
  const grid *g = &grids[E5M2];
  const uint8_t a[3] = {0x7B, 0x01, 0xFB}; /* 57344, 2^-16, -57344 */
  const uint8_t b[3] = {0x7B, 0x01, 0x7B};
  float z;
  (void)state;
  assert_int_equal(dot(&grids[FLOAT32], float_rule(), g, a, g, b, 3),
                   test_bits(0x1p-32f));
  assert_int_equal(sste_fp8_product(&z, 1, g->f, a, 3, g->f, b, 3, 1, 1, 3),
                   SSTE_OK);
  assert_same_float(z, 0x1p-32f);
}

/* A product of two codes is exact in double and, rounded by C, a float. */
static void every_product_of_two_codes(void **state) {
  static uint8_t all[256];
  static float z[256][256];
  int p, i, j;
  (void)state;
  for (i = 0; i < 256; ++i) all[i] = (uint8_t)i;
  for (p = 0; p < FACTORS * FACTORS; ++p) {
    const grid *ga = &grids[p / FACTORS], *gb = &grids[p % FACTORS];
    test_poison(z, sizeof z);
    assert_int_equal(
        sste_fp8_product(z[0], 256, ga->f, all, 1, gb->f, all, 1, 256, 256, 1),
        SSTE_OK);
    for (i = 0; i < 256; ++i)
      for (j = 0; j < 256; ++j) {
        const double w =
            value_of(ga, (unsigned)i) * value_of(gb, (unsigned)j) + 0.0;
        assert_same_float(z[i][j], isnan(w) ? test_float(NAN_BITS) : (float)w);
      }
  }
}

/* Around the blocks in which sums are kept, too. */
static void every_pair_of_formats_at_every_length(void **state) {
  static const size_t length[] = {0, 1, 2, 3, 17, 255, 256, 257, 600};
  size_t i;
  int p;
  (void)state;
  for (p = 0; p < FACTORS * FACTORS; ++p)
    for (i = 0; i < sizeof length / sizeof *length; ++i) {
      const grid *ga = &grids[p / FACTORS], *gb = &grids[p % FACTORS];
      random_row(row_a, ga, length[i]);
      random_row(row_b, gb, length[i]);
      check_to_float_and_double(ga, row_a, gb, row_b, length[i]);
    }
}

/* To odd where the largest code is odd: else it is open what 480 would be. */
static int has_answer(const grid *to, int rounding) {
  return rounding != SSTE_ROUND_STOCHASTIC &&
         (rounding != SSTE_ROUND_ODD || largest_code(to) % 2 == 1);
}

static void check_result_format(const grid *to, sste_fp8_rule rule) {
  int trial;
  for (trial = 0; trial < 40; ++trial) {
    const grid *ga = &grids[test_random(&seed) % FACTORS];
    const grid *gb = &grids[test_random(&seed) % FACTORS];
    const size_t n = 1 + (size_t)(test_random(&seed) % 4);
    random_row(row_a, ga, n);
    random_row(row_b, gb, n);
    check_dot(to, rule, ga, row_a, gb, row_b, n);
  }
}

static void every_result_format_and_rounding(void **state) {
  int to, rounding, overflow, drop;
  (void)state;
  for (to = 0; to < GRIDS; ++to)
    for (rounding = 0; rounding <= SSTE_ROUND_ODD; ++rounding)
      for (overflow = 0; overflow <= SSTE_OVERFLOW_NONE; ++overflow)
        for (drop = 0; drop < 2; ++drop) {
          sste_fp8_rule rule = make_rule(rounding, overflow, SSTE_NAN_ONES);
          rule.drop_sign = drop;
          if (has_answer(&grids[to], rounding))
            check_result_format(&grids[to], rule);
        }
}

/* A row of E5M2 whose sum is what one likes: 2^e is a product of two codes for
 * -32 <= e <= 30, and above, several.                                       */
static size_t build(size_t n, int sign, int e) {
  const grid *g = &grids[E5M2];
  for (; e > 30; --e) n = build(n, sign, e - 1);
  assert_true(n < MOST && e >= -32);
  row_a[n] = code_of(g, sign * ldexp(1.0, e / 2));
  row_b[n] = code_of(g, ldexp(1.0, e - e / 2));
  return n + 1;
}

/* sign * (2^top + odd ulps + half an ulp + tiny * 2^-32) */
static void check_tie(const grid *to, int top, int sign, int odd, int tiny) {
  const grid *g = &grids[E5M2];
  const int ulp = top - to->M;
  size_t n = build(0, sign, top);
  slow_sum s;
  int rounding;
  if (odd) n = build(n, sign, ulp);
  n = build(n, sign, ulp - 1);
  if (tiny != 0) n = build(n, sign * tiny, -32);
  slow_dot(&s, g, row_a, g, row_b, n);
  for (rounding = 0; rounding <= SSTE_ROUND_ODD; ++rounding)
    if (has_answer(to, rounding))
      check_against(&s, to,
                    make_rule(rounding, SSTE_OVERFLOW_NONE, SSTE_NAN_ONES), g,
                    row_a, g, row_b, n);
}

static void check_ties(const grid *to, int first, int last) {
  int top, sign, odd, tiny;
  for (top = first; top <= last; ++top)
    for (sign = -1; sign <= 1; sign += 2)
      for (odd = 0; odd < 2; ++odd)
        for (tiny = -1; tiny <= 1; ++tiny) check_tie(to, top, sign, odd, tiny);
}

/* One unit in the last place of a sum of up to 76 bits decides. */
static void the_last_bit_breaks_a_tie(void **state) {
  (void)state;
  check_ties(&grids[FLOAT32], -7, 40);
  check_ties(&grids[FLOAT64], 22, 43);
  check_ties(&grids[BFLOAT16], -23, 40);
  check_ties(&grids[FLOAT16], -14, 14);
  check_ties(&grids[E5M2], -14, 14);
}

/* All of the largest, or the largest times numbers with many units below 2^16,
 * with one sign, alternating signs, random signs.                           */
static void fill_large(const grid *ga, const grid *gb, int pattern, size_t n) {
  const uint8_t a = (uint8_t)largest_code(ga);
  const uint8_t b = (uint8_t)(largest_code(gb) >> (pattern / 3));
  size_t k;
  for (k = 0; k < n; ++k) {
    const uint64_t bit = pattern % 3 == 0   ? 0
                         : pattern % 3 == 1 ? k % 2
                                            : test_random(&seed) % 2;
    row_a[k] = (uint8_t)(a | (ga->has_sign && bit ? 0x80 : 0));
    row_b[k] = b;
  }
  row_b[n / 2] = 1;
}

static void long_rows_of_large_numbers(void **state) {
  static const size_t length[] = {255, 256, 257, 1000, 8193, MOST};
  static const int pairs[][2] = {
      {E5M2FNUZ, E5M2FNUZ}, {E5M2, E5M2FNUZ}, {E4M3FN, E5M2}, {E4M3FN, E4M3FN}};
  size_t i, p;
  int pattern;
  (void)state;
  for (p = 0; p < sizeof pairs / sizeof *pairs; ++p)
    for (i = 0; i < sizeof length / sizeof *length; ++i)
      for (pattern = 0; pattern < 6; ++pattern) {
        const grid *ga = &grids[pairs[p][0]], *gb = &grids[pairs[p][1]];
        fill_large(ga, gb, pattern, length[i]);
        check_to_float_and_double(ga, row_a, gb, row_b, length[i]);
        check_to_float_and_double(gb, row_b, ga, row_a, length[i]);
      }
}

static void check_zero(const grid *ga, const grid *gb, size_t n) {
  int to, rounding;
  for (to = 0; to < GRIDS; ++to)
    for (rounding = 0; rounding <= SSTE_ROUND_E8M0_FIELDS; ++rounding) {
      const sste_fp8_rule rule =
          make_rule(rounding, SSTE_OVERFLOW_SATURATE, SSTE_NAN_ONES);
      if (rounding != SSTE_ROUND_STOCHASTIC)
        assert_true(dot(&grids[to], rule, ga, row_a, gb, row_b, n) == 0);
    }
}

/* Also of minus zeros alone, where IEEE 754 adds to -0. */
static void an_exact_zero_is_plus_zero(void **state) {
  const grid *g = &grids[E5M2];
  size_t k;
  (void)state;
  check_zero(g, g, 0);
  for (k = 0; k < 600; ++k) {
    row_a[k] = k % 2 ? 0xFB : 0x7B;
    row_b[k] = 0x7B;
  }
  check_zero(g, g, 600);
  check_zero(g, &grids[E5M2FNUZ], 600);
  memset(row_a, 0x80, 300);
  memset(row_b, 0x3C, 300);
  check_zero(g, g, 1);
  check_zero(g, g, 300);
  memset(row_b, 0x80, 300);
  check_zero(g, g, 300);
}

static void swap(uint8_t *row, size_t i, size_t j) {
  const uint8_t kept = row[i];
  row[i] = row[j];
  row[j] = kept;
}

static void shuffle(size_t n) {
  size_t k;
  for (k = n; k > 1; --k) {
    const size_t other = (size_t)(test_random(&seed) % k);
    swap(row_a, k - 1, other);
    swap(row_b, k - 1, other);
  }
}

static void order_does_not_matter(void **state) {
  const grid *ga = &grids[E4M3FN], *gb = &grids[E5M2FNUZ];
  const size_t n = 1000;
  uint64_t first;
  int trial;
  (void)state;
  random_row(row_a, ga, n);
  random_row(row_b, gb, n);
  first = dot(&grids[FLOAT64], float_rule(), ga, row_a, gb, row_b, n);
  for (trial = 0; trial < 100; ++trial) {
    shuffle(n);
    assert_true(dot(&grids[FLOAT64], float_rule(), ga, row_a, gb, row_b, n) ==
                first);
  }
}

static grid unnamed_grid(int bias) {
  static const int kinds[3] = {SSTE_FP8_IEEE, SSTE_FP8_FN, SSTE_FP8_FNUZ};
  const int E = 2 + (int)(test_random(&seed) % 4);
  const int lowest = (1 << E) - 104, highest = (1 << E) - 4;
  const int between = (int)(test_random(&seed) % (uint64_t)(highest - lowest));
  grid g;
  g.name = "unnamed";
  g.kind = (int)(test_random(&seed) % 3);
  g.has_sign = g.kind == NAN_IS_MINUS_0 || test_random(&seed) % 2 == 0;
  g.E = E;
  g.M = 7 - E;
  g.B = bias < 0 ? lowest : bias > 0 ? highest : lowest + between;
  g.f.sign_bits = g.has_sign;
  g.f.exponent_bits = g.E;
  g.f.mantissa_bits = g.M;
  g.f.bias = g.B;
  g.f.specials = kinds[g.kind];
  return g;
}

/* Formats that no one has named, as far as their numbers are normal floats;
 * sums of the largest of them are infinite as floats.                       */
static void formats_of_your_own(void **state) {
  int trial;
  (void)state;
  for (trial = 0; trial < 600; ++trial) {
    const grid ga = unnamed_grid(trial % 3 - 1);
    const grid gb = unnamed_grid(trial / 3 % 3 - 1);
    random_row(row_a, &ga, 20);
    random_row(row_b, &gb, 20);
    check_to_float_and_double(&ga, row_a, &gb, row_b, 20);
  }
}

/* Only the calling thread's mode is changed: sste_fp8_dot stays on it. */
static void rounding_modes_change_nothing(void **state) {
  static const int modes[3] = {FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
  const grid *g = &grids[E5M2];
  uint64_t usual, other[3];
  int i;
  (void)state;
  random_row(row_a, g, 300);
  random_row(row_b, g, 300);
  usual = dot(&grids[FLOAT32], float_rule(), g, row_a, g, row_b, 300);
  for (i = 0; i < 3; ++i) {
    fesetround(modes[i]);
    other[i] = dot(&grids[FLOAT32], float_rule(), g, row_a, g, row_b, 300);
    fesetround(FE_TONEAREST);
  }
  for (i = 0; i < 3; ++i) assert_true(other[i] == usual);
}

/* ---- 4. Infinities and NaNs ---------------------------------------------- */

/* Infinities, the NaN of all ones or of -0, both zeros, and four numbers. */
static int notable_codes(const grid *g, uint8_t *codes) {
  const uint8_t one = code_of(g, 1.0);
  int n = 0;
  unsigned byte;
  for (byte = 0; byte < 256; ++byte)
    if (isinf(value_of(g, byte)) || byte % 128 == 127 || byte % 128 == 0)
      codes[n++] = (uint8_t)byte;
  codes[n++] = one;
  codes[n++] = (uint8_t)(one | 0x80);
  codes[n++] = (uint8_t)largest_code(g);
  codes[n++] = (uint8_t)(largest_code(g) | 0x80);
  return n;
}

enum { NOTABLE = 10, NOTABLE_ROWS = NOTABLE * NOTABLE };

static int notable_rows(const grid *g, uint8_t *rows) {
  uint8_t codes[NOTABLE];
  const int n = notable_codes(g, codes);
  int i;
  assert_true(n <= NOTABLE);
  for (i = 0; i < n * n; ++i) {
    rows[2 * i] = codes[i / n];
    rows[2 * i + 1] = codes[i % n];
  }
  return n * n;
}

/* Sums of two products of all of these, as the processor adds doubles. */
static void specials_add_as_in_ieee_754(void **state) {
  static uint8_t a[2 * NOTABLE_ROWS], b[2 * NOTABLE_ROWS];
  static float z[NOTABLE_ROWS * NOTABLE_ROWS];
  int p, i, j;
  (void)state;
  for (p = 0; p < FACTORS * FACTORS; ++p) {
    const grid *ga = &grids[p / FACTORS], *gb = &grids[p % FACTORS];
    const int rows = notable_rows(ga, a), cols = notable_rows(gb, b);
    assert_int_equal(sste_fp8_product(z, (size_t)cols, ga->f, a, 2, gb->f, b, 2,
                                      (size_t)rows, (size_t)cols, 2),
                     SSTE_OK);
    for (i = 0; i < rows; ++i)
      for (j = 0; j < cols; ++j) {
        const double w =
            value_of(ga, a[2 * i]) * value_of(gb, b[2 * j]) +
            value_of(ga, a[2 * i + 1]) * value_of(gb, b[2 * j + 1]) + 0.0;
        if (test_bits(z[i * cols + j]) !=
            (isnan(w) ? NAN_BITS : test_bits((float)w)))
          fail_msg("%s {%02X, %02X} . %s {%02X, %02X}: got %g expected %g",
                   ga->name, a[2 * i], a[2 * i + 1], gb->name, b[2 * j],
                   b[2 * j + 1], (double)z[i * cols + j], w);
      }
  }
}

static void check_special(const grid *ga, const grid *gb, size_t n) {
  int to, overflow, nan;
  slow_sum s;
  slow_dot(&s, ga, row_a, gb, row_b, n);
  assert_true(!isfinite(s.ieee));
  for (to = 0; to < GRIDS; ++to)
    for (overflow = 0; overflow <= SSTE_OVERFLOW_NONE; ++overflow)
      for (nan = 0; nan <= SSTE_NAN_PAYLOAD; ++nan) {
        sste_fp8_rule rule = make_rule(SSTE_ROUND_NEAREST_EVEN, overflow, nan);
        rule.nan_sign = 1; /* a sum that is NaN has none */
        if (grids[to].has_sign || overflow != SSTE_OVERFLOW_SATURATE_FINITE)
          check_against(&s, &grids[to], rule, ga, row_a, gb, row_b, n);
      }
}

/* One of them among numbers that are not 0: infinity, -infinity, a NaN on
 * either side, infinity * -0.                                               */
static void plant_special(int which, size_t place) {
  static const uint8_t a[5] = {0x7C, 0xFC, 0x7E, 0x3C, 0x7C};
  static const uint8_t b[5] = {0x38, 0x38, 0x38, 0xFF, 0x80};
  row_a[place] = a[which];
  row_b[place] = b[which];
}

/* In the first block of the sum, at its seam, in the last place. */
static void specials_are_found_anywhere(void **state) {
  static const size_t places[] = {0, 1, 255, 256, 511, 512, 599};
  const grid *ga = &grids[E5M2], *gb = &grids[E4M3FN];
  size_t i;
  int which;
  (void)state;
  for (i = 0; i < sizeof places / sizeof *places; ++i)
    for (which = 0; which < 5; ++which) {
      random_row(row_a, ga, 600);
      random_row(row_b, gb, 600);
      plant_special(which, places[i]);
      check_special(ga, gb, 600);
    }
}

static void infinities_of_both_signs_are_nan(void **state) {
  static const size_t places[] = {0, 1, 255, 256, 599};
  const grid *g = &grids[E5M2];
  const size_t n = 600, count = sizeof places / sizeof *places;
  size_t i, j;
  (void)state;
  for (i = 0; i < count; ++i)
    for (j = 0; j < count; ++j) {
      if (i == j) continue;
      memset(row_a, 0x3C, n);
      memset(row_b, 0x3C, n);
      row_a[places[i]] = 0x7C;
      row_b[places[j]] = 0xFC;
      check_special(g, g, n);
      assert_int_equal(
          dot(&grids[FLOAT32], float_rule(), g, row_a, g, row_b, n), NAN_BITS);
    }
}

/* ---- 5. Matrices --------------------------------------------------------- */

enum { ROWS = 7, COLS = 5, DEPTH = 300 };
typedef struct matrices {
  uint8_t a[ROWS * (DEPTH + 3)], b[COLS * (DEPTH + 4)];
  float z[ROWS * (COLS + 2)];
} matrices;

static void fill_matrices(matrices *m, const grid *ga, const grid *gb) {
  size_t i;
  random_row(m->a, ga, sizeof m->a);
  random_row(m->b, gb, sizeof m->b);
  for (i = 0; i < 3; ++i) /* padding that would be noticed */
    m->a[DEPTH + i] = ga->kind == NAN_IS_MINUS_0 ? 0x80 : 0x7F;
  test_poison(m->z, sizeof m->z);
}

static sste_status run_matrices(matrices *m, const grid *ga, const grid *gb) {
  return sste_fp8_product(m->z, COLS + 2, ga->f, m->a, DEPTH + 3, gb->f, m->b,
                          DEPTH + 4, ROWS, COLS, DEPTH);
}

static void matrices_are_dots_of_rows(void **state) {
  static const int pairs[3][2] = {{E4M3FN, E4M3FN}, {E4M3FN, E5M2}, {6, 3}};
  static matrices m;
  int p, i, j;
  (void)state;
  for (p = 0; p < 3; ++p) {
    const grid *ga = &grids[pairs[p][0]], *gb = &grids[pairs[p][1]];
    fill_matrices(&m, ga, gb);
    assert_int_equal(run_matrices(&m, ga, gb), SSTE_OK);
    for (i = 0; i < ROWS; ++i)
      for (j = 0; j < COLS; ++j) {
        slow_sum s;
        slow_dot(&s, ga, m.a + i * (DEPTH + 3), gb, m.b + j * (DEPTH + 4),
                 DEPTH);
        assert_int_equal(test_bits(m.z[i * (COLS + 2) + j]),
                         slow_code(&s, &grids[FLOAT32], float_rule()));
      }
  }
}

static void the_padding_of_z_is_left_alone(void **state) {
  static matrices m;
  float poison;
  int i;
  (void)state;
  test_poison(&poison, sizeof poison);
  fill_matrices(&m, &grids[E4M3FN], &grids[E5M2]);
  assert_int_equal(run_matrices(&m, &grids[E4M3FN], &grids[E5M2]), SSTE_OK);
  for (i = 0; i < ROWS; ++i) {
    assert_same_float(m.z[i * (COLS + 2) + COLS], poison);
    assert_same_float(m.z[i * (COLS + 2) + COLS + 1], poison);
  }
}

static void threads_change_nothing(void **state) {
  static const int threads[3] = {1, 2, 5};
  static matrices m;
  static float first[ROWS * (COLS + 2)];
  int i;
  (void)state;
  fill_matrices(&m, &grids[E5M2], &grids[E4M3FN]);
  for (i = 0; i < 3; ++i) {
    test_threads(threads[i]);
    test_poison(m.z, sizeof m.z);
    assert_int_equal(run_matrices(&m, &grids[E5M2], &grids[E4M3FN]), SSTE_OK);
    if (i == 0) memcpy(first, m.z, sizeof first);
    assert_memory_equal(m.z, first, sizeof first);
  }
  test_threads(2);
}

/* Both factors may be one matrix: A A^T is symmetric. */
static void a_matrix_times_itself(void **state) {
  const grid *g = &grids[E4M3FN];
  float z[4][4];
  int i, j;
  (void)state;
  random_row(row_a, g, 4 * 50);
  assert_int_equal(
      sste_fp8_product(z[0], 4, g->f, row_a, 50, g->f, row_a, 50, 4, 4, 50),
      SSTE_OK);
  for (i = 0; i < 4; ++i)
    for (j = 0; j < i; ++j) assert_same_float(z[i][j], z[j][i]);
}

static void depth_0_gives_zeros(void **state) {
  const grid *g = &grids[E5M2];
  float z[6];
  int i, with_rows;
  (void)state;
  for (with_rows = 0; with_rows < 2; ++with_rows) {
    const uint8_t *none = with_rows ? row_a : NULL;
    test_poison(z, sizeof z);
    assert_int_equal(
        sste_fp8_product(z, 3, g->f, none, 4, g->f, none, 4, 2, 3, 0), SSTE_OK);
    for (i = 0; i < 6; ++i) assert_same_float(z[i], 0.0f);
  }
}

/* Without columns there is no need of a, without rows of b. */
static void empty_products_touch_nothing(void **state) {
  const sste_fp8_format f = sste_fp8_e5m2();
  (void)state;
  assert_int_equal(sste_fp8_product(NULL, 0, f, NULL, 0, f, row_b, 9, 0, 3, 9),
                   SSTE_OK);
  assert_int_equal(sste_fp8_product(NULL, 0, f, NULL, 0, f, NULL, 0, 0, 3, 9),
                   SSTE_OK);
  assert_int_equal(sste_fp8_product(NULL, 0, f, row_a, 9, f, NULL, 0, 3, 0, 9),
                   SSTE_OK);
  assert_int_equal(sste_fp8_product(NULL, 0, f, NULL, 0, f, NULL, 0, 3, 0, 9),
                   SSTE_OK);
  assert_int_equal(sste_fp8_product(NULL, 0, f, NULL, 0, f, NULL, 0, 0, 0, 0),
                   SSTE_OK);
}

/* ---- 6. What a float GEMM may differ by ---------------------------------- */

/* With u = 2^-24, |fl(s + p) - (s + p)| <= u |s + p|, and n such additions of
 * exact products in any order end within n u sum |ab| of the exact sum, without
 * terms in u^2 (Jeannerod and Rump, "Improved error bounds for inner products
 * in floating-point arithmetic", 2013). Compared with an oracle that is itself
 * rounded, it is one rounding more: (n + 1) u sum |ab|.                      */

static float product_of(const grid *g, size_t k) {
  return (float)(value_of(g, row_a[k]) * value_of(g, row_b[k]));
}

static float add_in_order(const grid *g, size_t n) {
  float sum = product_of(g, 0);
  size_t k;
  for (k = 1; k < n; ++k) sum += product_of(g, k);
  return sum;
}

static float add_by_fma(const grid *g, size_t n) {
  float sum = 0.0f;
  size_t k;
  for (k = 0; k < n; ++k)
    sum = fmaf((float)value_of(g, row_a[k]), (float)value_of(g, row_b[k]), sum);
  return sum;
}

static float add_in_a_random_tree(const grid *g, size_t n) {
  static float node[MOST];
  size_t k;
  for (k = 0; k < n; ++k) node[k] = product_of(g, k);
  for (; n > 1; --n) {
    const size_t i = (size_t)(test_random(&seed) % n);
    const float taken = node[i];
    node[i] = node[n - 1];
    node[test_random(&seed) % (n - 1)] += taken;
  }
  return node[0];
}

static void exact_add_float(exact *sum, int sign, float x) {
  int e;
  const double m = ldexp(frexp(fabs((double)x), &e), 24);
  exact_add(sum, x < 0.0f ? -sign : sign, (uint64_t)m, e - 24);
}

static float add_truncating(const grid *g, size_t n) {
  const sste_fp8_rule rule =
      make_rule(SSTE_ROUND_TOWARD_ZERO, SSTE_OVERFLOW_NONE, SSTE_NAN_QUIET);
  float sum = product_of(g, 0);
  size_t k;
  for (k = 1; k < n; ++k) {
    exact next = exact_zero;
    exact_add_float(&next, 1, sum);
    exact_add_float(&next, 1, product_of(g, k));
    sum = test_float((uint32_t)round_slowly(&next, &grids[FLOAT32], rule));
  }
  return sum;
}

/* |x - y| <= n * 2^-24 * size, exactly */
static int within(float x, const exact *y, size_t n, const exact *size) {
  const exact normal = exact_magnitude(size);
  exact d = exact_zero, room = exact_zero;
  exact_add_exact(&d, -1, y);
  exact_add_float(&d, 1, x);
  d = exact_magnitude(&d);
  exact_add_exact(&room, (int64_t)n, &normal);
  exact_add_exact(&room, -((int64_t)1 << 24), &d);
  return exact_sign(&room) >= 0;
}

static exact exact_of_float(float x) {
  exact y = exact_zero;
  exact_add_float(&y, 1, x);
  return y;
}

/* A float sum of n + 1 products that rounds n times, each rounding losing up to
 * `loss` * 2^-24.                                                           */
static void check_gemm(const grid *g, float sum, size_t n, size_t loss) {
  const float z = test_float(
      (uint32_t)dot(&grids[FLOAT32], float_rule(), g, row_a, g, row_b, n + 1));
  const exact oracle = exact_of_float(z);
  slow_sum s;
  slow_dot(&s, g, row_a, g, row_b, n + 1);
  assert_true(within(sum, &s.sum, loss * n, &s.magnitudes));
  assert_true(within(sum, &oracle, loss * n + 1, &s.magnitudes));
}

static void a_float_gemm_lies_within_the_bound(void **state) {
  int trial;
  (void)state;
  for (trial = 0; trial < 60; ++trial) {
    const grid *g = &grids[trial % 2 ? E4M3FN : E5M2];
    const size_t n = 1 + (size_t)(test_random(&seed) % 3000);
    random_row(row_a, g, n + 1);
    random_row(row_b, g, n + 1);
    check_gemm(g, add_in_order(g, n + 1), n, 1);
    check_gemm(g, add_in_a_random_tree(g, n + 1), n, 1);
    assert_same_float(add_by_fma(g, n + 1), add_in_order(g, n + 1));
    if (n < 300) check_gemm(g, add_truncating(g, n + 1), n, 2);
  }
}

/* 1 and then n numbers that it swallows, of (1 + fraction) * 2^-24 */
static size_t build_swallowed(size_t n, double fraction) {
  const grid *g = &grids[E5M2];
  memset(row_a, code_of(g, 0x1p-12), n + 1);
  memset(row_b, code_of(g, 0x1p-12 * (1.0 + fraction)), n + 1);
  row_a[0] = row_b[0] = code_of(g, 1.0);
  return n;
}

/* With one rounding less the bound would be wrong. */
static void the_bound_is_reached(void **state) {
  const grid *g = &grids[E5M2];
  size_t n = build_swallowed(100, 0.0);
  slow_sum s;
  (void)state;
  slow_dot(&s, g, row_a, g, row_b, n + 1);
  assert_same_float(add_in_order(g, n + 1), 1.0f);
  assert_true(within(1.0f, &s.sum, n, &s.magnitudes));
  assert_false(within(1.0f, &s.sum, n - 1, &s.magnitudes));
}

static void truncation_loses_up_to_twice_as_much(void **state) {
  const grid *g = &grids[E5M2];
  size_t n = build_swallowed(100, 0.75);
  slow_sum s;
  (void)state;
  slow_dot(&s, g, row_a, g, row_b, n + 1);
  assert_same_float(add_truncating(g, n + 1), 1.0f);
  assert_false(within(1.0f, &s.sum, n + 1, &s.magnitudes));
  assert_true(within(1.0f, &s.sum, 2 * n, &s.magnitudes));
}

/* 64 + 3 * 2^-18 in E4M3FN: three additions leave 64, and the oracle, at a tie,
 * gives 64 + 2^-16. That is more than 3 * 2^-24 * sum, but not than 4.      */
static void the_rounding_of_the_oracle_counts_too(void **state) {
  const grid *g = &grids[E4M3FN];
  const uint8_t eight = code_of(g, 8.0), tiny = code_of(g, 0x1p-9);
  exact oracle;
  slow_sum s;
  float z;
  (void)state;
  memset(row_a, tiny, 4);
  row_a[0] = eight;
  assert_int_equal(
      sste_fp8_product(&z, 1, g->f, row_a, 4, g->f, row_a, 4, 1, 1, 4),
      SSTE_OK);
  memcpy(row_b, row_a, 4);
  assert_same_float(add_in_order(g, 4), 64.0f);
  assert_same_float(z, 64.0f + 0x1p-16f);
  oracle = exact_of_float(z);
  slow_dot(&s, g, row_a, g, row_b, 4);
  assert_false(within(64.0f, &oracle, 3, &s.magnitudes));
  assert_true(within(64.0f, &oracle, 4, &s.magnitudes));
}

/* ---- 7. What is refused -------------------------------------------------- */

static void refuse_dot(sste_status want, sste_fp8_rule rule, sste_fp8_format fa,
                       const uint8_t *a, sste_fp8_format fb, const uint8_t *b,
                       size_t n) {
  uint64_t bits = 0xCACACACACACACACAu;
  assert_int_equal(
      sste_fp8_dot(&bits, sste_fp8_float32(), rule, fa, a, fb, b, n), want);
  assert_true(bits == 0xCACACACACACACACAu);
}

/* Not 8 bits, no such kind, too wide for the sums, powers of two. */
static int bad_formats(sste_fp8_format *bad) {
  int i;
  for (i = 0; i < 6; ++i) bad[i] = sste_fp8_e4m3fn();
  bad[0].mantissa_bits = 4;
  bad[1].specials = 4;
  bad[2].sign_bits = 2;
  bad[3].exponent_bits = 6; /* sound for tensors, but not for products */
  bad[3].mantissa_bits = 1;
  bad[3].bias = 31;
  assert_int_equal(sste_fp8_format_check(bad[3]), SSTE_OK);
  bad[4] = sste_fp8_e8m0();
  bad[5] = sste_fp8_float16();
  return 6;
}

static void dot_refuses(void **state) {
  const sste_fp8_format f = sste_fp8_e4m3fn();
  sste_fp8_rule rule = float_rule();
  sste_fp8_format bad[6];
  int i;
  (void)state;
  assert_int_equal(
      sste_fp8_dot(NULL, sste_fp8_float32(), rule, f, row_a, f, row_b, 1),
      SSTE_ERR_NULL);
  refuse_dot(SSTE_ERR_NULL, rule, f, NULL, f, row_b, 1);
  refuse_dot(SSTE_ERR_NULL, rule, f, row_a, f, NULL, 1);
  for (i = bad_formats(bad); i-- > 0;) {
    refuse_dot(SSTE_ERR_VALUE, rule, bad[i], row_a, f, row_b, 1);
    refuse_dot(SSTE_ERR_VALUE, rule, f, row_a, bad[i], row_b, 1);
    refuse_dot(SSTE_ERR_VALUE, rule, f, row_a, bad[i], row_b, 0);
  }
  rule.rounding = SSTE_ROUND_STOCHASTIC;
  refuse_dot(SSTE_ERR_VALUE, rule, f, row_a, f, row_b, 1);
  rule.rounding = SSTE_ROUND_E8M0_FIELDS + 1;
  refuse_dot(SSTE_ERR_VALUE, rule, f, row_a, f, row_b, 1);
  rule = float_rule();
  rule.via = SSTE_VIA_FLOAT32;
  refuse_dot(SSTE_ERR_VALUE, rule, f, row_a, f, row_b, 1);
}

static void a_dot_of_nothing_needs_no_rows(void **state) {
  const grid *g = &grids[E5M2];
  (void)state;
  assert_true(dot(&grids[FLOAT32], float_rule(), g, NULL, g, NULL, 0) == 0);
}

/* A call that works, for the tests to break in one place. */
typedef struct call {
  float *z;
  const uint8_t *a, *b;
  sste_fp8_format fa, fb;
  size_t ldz, lda, ldb, rows, cols, depth;
} call;

static float call_z[64];
static uint8_t call_a[64], call_b[64];

static call good_call(void) {
  call c;
  c.z = call_z;
  c.a = call_a;
  c.b = call_b;
  c.fa = c.fb = sste_fp8_e4m3fn();
  c.ldz = c.cols = 3;
  c.lda = c.ldb = c.depth = 4;
  c.rows = 2;
  return c;
}

static sste_status run_call(call c) {
  return sste_fp8_product(c.z, c.ldz, c.fa, c.a, c.lda, c.fb, c.b, c.ldb,
                          c.rows, c.cols, c.depth);
}

static void refuse(call c, sste_status want) {
  static unsigned char before[sizeof call_z];
  test_poison(call_z, sizeof call_z);
  test_poison(before, sizeof before);
  assert_int_equal(run_call(c), want);
  assert_memory_equal(call_z, before, sizeof before);
}

static void null_is_refused(void **state) {
  call c = good_call();
  (void)state;
  assert_int_equal(run_call(c), SSTE_OK);
  c.z = NULL;
  assert_int_equal(run_call(c), SSTE_ERR_NULL);
  c = good_call();
  c.a = NULL;
  refuse(c, SSTE_ERR_NULL);
  c = good_call();
  c.b = NULL;
  refuse(c, SSTE_ERR_NULL);
}

static void short_strides_are_refused(void **state) {
  call c = good_call();
  (void)state;
  c.ldz = 2;
  refuse(c, SSTE_ERR_SHAPE);
  c = good_call();
  c.lda = 3;
  refuse(c, SSTE_ERR_SHAPE);
  c = good_call();
  c.ldb = 3;
  refuse(c, SSTE_ERR_SHAPE);
}

static void sizes_that_overflow_are_refused(void **state) {
  call c = good_call();
  (void)state;
  c.ldz = (size_t)PTRDIFF_MAX / 4;
  refuse(c, SSTE_ERR_SIZE);
  c = good_call();
  c.lda = (size_t)PTRDIFF_MAX;
  refuse(c, SSTE_ERR_SIZE);
  c = good_call();
  c.ldb = (size_t)PTRDIFF_MAX / 2;
  refuse(c, SSTE_ERR_SIZE);
}

static void bad_formats_are_refused(void **state) {
  sste_fp8_format bad[6];
  int i;
  (void)state;
  for (i = bad_formats(bad); i-- > 0;) {
    call c = good_call();
    c.fa = bad[i];
    refuse(c, SSTE_ERR_VALUE);
    c.rows = 0; /* even of nothing */
    refuse(c, SSTE_ERR_VALUE);
    c = good_call();
    c.fb = bad[i];
    refuse(c, SSTE_ERR_VALUE);
  }
}

/* z is 2 x 3 floats, 24 bytes; a 2 x 4 and b 3 x 4 codes. */
static void overlap_is_refused(void **state) {
  const uint8_t *z = (const uint8_t *)call_z;
  call c = good_call();
  (void)state;
  c.z = call_z + 4;
  c.a = z + 16 + 23;
  refuse(c, SSTE_ERR_OVERLAP);
  c.a = z + 16 - 7;
  refuse(c, SSTE_ERR_OVERLAP);
  c.a = call_a;
  c.b = z + 16 + 23;
  refuse(c, SSTE_ERR_OVERLAP);
  c.b = z + 16 - 11;
  refuse(c, SSTE_ERR_OVERLAP);
}

static void neighbours_are_allowed(void **state) {
  const uint8_t *z = (const uint8_t *)call_z;
  call c = good_call();
  (void)state;
  memset(call_z, 0, sizeof call_z);
  c.z = call_z + 4;
  c.a = z + 16 + 24;
  c.b = z + 16 - 12;
  assert_int_equal(run_call(c), SSTE_OK);
  c.a = z + 16 - 8;
  c.b = z + 16 + 24;
  assert_int_equal(run_call(c), SSTE_OK);
  c.a = c.b = z + 16; /* of depth 0 they have no byte */
  c.depth = 0;
  assert_int_equal(run_call(c), SSTE_OK);
}

/* -------------------------------------------------------------------------- */

static int setup(void **state) {
  seed = test_seed();
  return make_grids(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reference_agrees_with_double),
      cmocka_unit_test(worked_example),
      cmocka_unit_test(every_product_of_two_codes),
      cmocka_unit_test(every_pair_of_formats_at_every_length),
      cmocka_unit_test(every_result_format_and_rounding),
      cmocka_unit_test(the_last_bit_breaks_a_tie),
      cmocka_unit_test(long_rows_of_large_numbers),
      cmocka_unit_test(an_exact_zero_is_plus_zero),
      cmocka_unit_test(order_does_not_matter),
      cmocka_unit_test(formats_of_your_own),
      cmocka_unit_test(rounding_modes_change_nothing),
      cmocka_unit_test(specials_add_as_in_ieee_754),
      cmocka_unit_test(specials_are_found_anywhere),
      cmocka_unit_test(infinities_of_both_signs_are_nan),
      cmocka_unit_test(matrices_are_dots_of_rows),
      cmocka_unit_test(the_padding_of_z_is_left_alone),
      cmocka_unit_test(threads_change_nothing),
      cmocka_unit_test(a_matrix_times_itself),
      cmocka_unit_test(depth_0_gives_zeros),
      cmocka_unit_test(empty_products_touch_nothing),
      cmocka_unit_test(a_float_gemm_lies_within_the_bound),
      cmocka_unit_test(the_bound_is_reached),
      cmocka_unit_test(truncation_loses_up_to_twice_as_much),
      cmocka_unit_test(the_rounding_of_the_oracle_counts_too),
      cmocka_unit_test(dot_refuses),
      cmocka_unit_test(a_dot_of_nothing_needs_no_rows),
      cmocka_unit_test(null_is_refused),
      cmocka_unit_test(short_strides_are_refused),
      cmocka_unit_test(sizes_that_overflow_are_refused),
      cmocka_unit_test(bad_formats_are_refused),
      cmocka_unit_test(overlap_is_refused),
      cmocka_unit_test(neighbours_are_allowed),
  };
  return cmocka_run_group_tests_name("fp8_product", tests, setup, NULL);
}
