/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_fp8.c - formats and single numbers: sections 1 to 5 of sste_fp8.h
 * against their definition, the slow reference, the published tables and
 * ml_dtypes' answers. Level 2 goes through every float.
 *
 *   1. What is tested, and on which numbers
 *   2. The references agree with each other
 *   3. Formats and decode
 *   4. Encode and round: the nearest, saturating
 *   5. Every rounding, overflow and NaN, from every source
 *   6. Two roundings, and rounding to odd
 *   7. Stochastic rounding
 *   8. Whose behaviour
 *   9. The fast path
 *  10. Every float
 *  11. The floating point environment
 *  12. Golden vectors
 */
#include <fenv.h>
#include <limits.h>

#include "slow_fp8.h"
#include "sste_fp8.h"
#include "test.h"
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

/* Where the golden vectors are, unless the environment has the same name. */
#ifndef SSTE_TEST_FP8_VECTORS
#define SSTE_TEST_FP8_VECTORS "tests/vectors/fp8_ml_dtypes.txt"
#endif

#define NAN_BITS 0x7FC00000u
#define INF_BITS 0x7F800000u

/* ---- 1. What is tested, and on which numbers ----------------------------- */

/* The formats, typed in from the published tables, each with its slow twin.
 * The signed ones come first.                                               */
enum {
  E4M3FN,
  E5M2,
  E4M3,
  E3M4,
  E3M4FN,
  E4M3FNUZ,
  E5M2FNUZ,
  E4M3B11FNUZ,
  UE4M3,
  E8M0,
  FORMATS,
  SIGNED = UE4M3
};
static const struct {
  const char *name;
  int sign_bits, E, M, B, specials;
} published[FORMATS] = {{"e4m3fn", 1, 4, 3, 7, SSTE_FP8_FN},
                        {"e5m2", 1, 5, 2, 15, SSTE_FP8_IEEE},
                        {"e4m3", 1, 4, 3, 7, SSTE_FP8_IEEE},
                        {"e3m4", 1, 3, 4, 3, SSTE_FP8_IEEE},
                        {"e3m4fn", 1, 3, 4, 3, SSTE_FP8_FN},
                        {"e4m3fnuz", 1, 4, 3, 8, SSTE_FP8_FNUZ},
                        {"e5m2fnuz", 1, 5, 2, 16, SSTE_FP8_FNUZ},
                        {"e4m3b11fnuz", 1, 4, 3, 11, SSTE_FP8_FNUZ},
                        {"ue4m3", 0, 4, 3, 7, SSTE_FP8_FN},
                        {"e8m0", 0, 8, 0, 127, SSTE_FP8_POW2}};

typedef struct twin {
  const char *name;
  sste_fp8_format f;
  slow_fp8 slow;
} twin;

static twin formats[FORMATS];
static twin half, brain; /* float16 and bfloat16 */

static sste_fp8_format descriptor(int sign_bits, int E, int M, int B,
                                  int specials) {
  sste_fp8_format f;
  f.sign_bits = sign_bits;
  f.exponent_bits = E;
  f.mantissa_bits = M;
  f.bias = B;
  f.specials = specials;
  return f;
}

static twin make_twin(const char *name, sste_fp8_format f, slow_fp8 slow) {
  twin t;
  t.name = name;
  t.f = f;
  t.slow = slow;
  return t;
}

static int make_formats(void **state) {
  const sste_fp8_format f[FORMATS] = {
      sste_fp8_e4m3fn(),   sste_fp8_e5m2(),        sste_fp8_e4m3(),
      sste_fp8_e3m4(),     sste_fp8_e3m4fn(),      sste_fp8_e4m3fnuz(),
      sste_fp8_e5m2fnuz(), sste_fp8_e4m3b11fnuz(), sste_fp8_ue4m3(),
      sste_fp8_e8m0()};
  int i;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    formats[i] = make_twin(
        published[i].name, f[i],
        slow_fp8_new(published[i].sign_bits, published[i].E, published[i].M,
                     published[i].B, published[i].specials));
  half = make_twin("float16", sste_fp8_float16(),
                   slow_fp8_new(1, 5, 10, 15, SSTE_FP8_IEEE));
  brain = make_twin("bfloat16", sste_fp8_bfloat16(),
                    slow_fp8_new(1, 8, 7, 127, SSTE_FP8_IEEE));
  return 0;
}

static sste_fp8_rule make_rule(int rounding, int overflow) {
  sste_fp8_rule rule;
  rule.rounding = rounding;
  rule.random_bits = 32;
  rule.overflow = overflow;
  rule.nan = SSTE_NAN_ONES;
  rule.nan_sign = 0;
  rule.drop_sign = 0;
  rule.via = SSTE_VIA_NOTHING;
  return rule;
}

/* The reference with the first of two roundings: C's own cast to float, or the
 * slow search among the numbers of 16 bits. A NaN becomes quiet on its way.  */
static slow_number by_way_of(int via, slow_number x) {
  const slow_fp8 *wide = via == SSTE_VIA_FLOAT16 ? &half.slow : &brain.slow;
  sste_fp8_rule first = make_rule(SSTE_ROUND_NEAREST_EVEN, SSTE_OVERFLOW_NONE);
  if (via == SSTE_VIA_NOTHING) return x;
  if (via != SSTE_VIA_FLOAT32) {
    first.nan = SSTE_NAN_PAYLOAD;
    first.nan_sign = 1;
    return slow_number_of_code(wide, slow_fp8_convert(wide, first, x, 0));
  }
  if (!x.nan) x.size = (double)(float)x.size;
  if (x.nan && x.payload < 0.5) x.payload += 0.5;
  return x;
}

static int wanted(const slow_fp8 *s, sste_fp8_rule rule, slow_number x,
                  uint32_t random) {
  return slow_fp8_convert(s, rule, by_way_of(rule.via, x), random);
}

/* For encoding, the low half of a float matters only in being zero, small, a
 * half or large: these six lows under every high half meet every decision.   */
enum { STRIDED = 6 * 65536 };
static uint32_t strided_bits(int i) {
  static const uint32_t low[6] = {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
  return (uint32_t)(i / 6) << 16 | low[i % 6];
}
static float strided(int i) { return test_float(strided_bits(i)); }

/* The doubles where a code can go wrong: every number of the format and every
 * point midway to the next, one past the largest included; these moved each way
 * by half of the spacing of bfloat16, of float16 and of float, and by half as
 * much; and all of that one double up and down.                              */
enum { SHIFTS = 13, POINTS_PER_CODE = 2 * SHIFTS * 3 };
static int point_count(const slow_fp8 *s) {
  return (s->largest + 2) * POINTS_PER_CODE;
}
static double point(const slow_fp8 *s, int i) {
  static const int finer[6] = {8, 9, 11, 12, 24, 25};
  const int nudge = i % 3, shift = i / 3 % SHIFTS, code = i / POINTS_PER_CODE;
  const double below = slow_fp8_value(s, code);
  double x = below;
  int top;
  if (i / (3 * SHIFTS) % 2) x = (below + slow_fp8_value(s, code + 1)) / 2;
  (void)frexp(x, &top);
  if (shift > 0)
    x += ldexp(shift % 2 ? 1 : -1, top - 1 - finer[(shift - 1) / 2]);
  if (nudge == 1) x = nextafter(x, -INFINITY);
  if (nudge == 2) x = nextafter(x, INFINITY);
  return x;
}

/* A double by number: the points and their negatives, then these, then one of
 * every exponent there is, then the NaNs with one bit of payload.            */
static const double odd_doubles[] = {
    0.0,       -0.0,       0x1p-1074, -0x1p-1074, 0x1p-1022,
    0x1p-150,  0x1.8p-150, 0x1p-127,  0x1p-128,   0x1p127,
    0x1.8p127, -0x1p127,   0x1p128,   -0x1p128,   0x1.8p128,
    0x1p129,   0x1p1000,   DBL_MAX,   -DBL_MAX,   INFINITY,
    -INFINITY, 65504.0,    65520.0,   65519.999,  0x1.ffffffp127};
enum {
  ODD_DOUBLES = sizeof odd_doubles / sizeof *odd_doubles,
  EXPONENTS = 2 * (1024 + 1074)
};
static int double_count(const slow_fp8 *s) {
  return 2 * point_count(s) + ODD_DOUBLES + EXPONENTS + 104;
}
static double chosen_double(const slow_fp8 *s, int i) {
  const int points = point_count(s);
  uint64_t bits;
  double x;
  if (i < 2 * points) return i % 2 ? -point(s, i / 2) : point(s, i / 2);
  i -= 2 * points;
  if (i < ODD_DOUBLES) return odd_doubles[i];
  i -= ODD_DOUBLES;
  if (i < EXPONENTS) return ldexp(i % 2 ? -1.75 : 1.75, i / 2 - 1074);
  i -= EXPONENTS;
  bits = (uint64_t)0x7FF << 52 | (uint64_t)1 << i / 2 | (uint64_t)(i % 2) << 63;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* What is asked: whether the header by rule `ours` does what the reference does
 * by `rule`, for one kind of number, each known by its index.                */
typedef struct question {
  const twin *t;
  sste_fp8_rule rule, ours;
  const char *what;
} question;
typedef int (*is_wrong)(const question *q, int i);

static question ask(const twin *t, sste_fp8_rule rule, const char *what) {
  question q;
  q.t = t;
  q.rule = q.ours = rule;
  q.what = what;
  return q;
}

static void expect_none(is_wrong wrong, question q, int count, int step) {
  int first = count, i;
  SSTE_OMP(parallel for if (count / step > 20000) reduction(min : first))
  for (i = 0; i < count; i += step)
    if (i < first && wrong(&q, i)) first = i;
  if (first < count)
    fail_msg(
        "%s: %s wrong: input %d (rounding %d, overflow %d, NaN %d%d, "
        "drop_sign %d, via %d)",
        q.t->name, q.what, first, q.rule.rounding, q.rule.overflow, q.rule.nan,
        q.rule.nan_sign, q.rule.drop_sign, q.rule.via);
}

/* Any number will do as long as it is the same on both sides. */
static uint32_t scramble(int i) { return (uint32_t)i * 2654435761u; }

static int float_is_wrong(const question *q, int i) {
  const uint32_t bits = strided_bits(i);
  return sste_fp8_encode_float(q->t->f, q->ours, test_float(bits),
                               scramble(i)) !=
         wanted(&q->t->slow, q->rule, slow_number_of_float(bits), scramble(i));
}
static int float16_is_wrong(const question *q, int i) {
  return sste_fp8_encode_float16(q->t->f, q->ours, (uint16_t)i, scramble(i)) !=
         wanted(&q->t->slow, q->rule, slow_number_of_code(&half.slow, i),
                scramble(i));
}
static int bfloat16_is_wrong(const question *q, int i) {
  return sste_fp8_encode_bfloat16(q->t->f, q->ours, (uint16_t)i, scramble(i)) !=
         wanted(&q->t->slow, q->rule, slow_number_of_code(&brain.slow, i),
                scramble(i));
}
static int double_is_wrong(const question *q, int i) {
  const double x = chosen_double(&q->t->slow, i);
  return sste_fp8_encode_double(q->t->f, q->ours, x, scramble(i)) !=
         wanted(&q->t->slow, q->rule, slow_number_of_double(x), scramble(i));
}

static void wrong_code(const twin *t, float x, int got, int want) {
  test_print_float(t->name, x);
  fail_msg("%s: got code %02X, expected %02X", t->name, (unsigned)got,
           (unsigned)want);
}
enum { ROW = 4096 };

/* Ways to make codes of a row of floats: the definition, the tensor function,
 * and, in section 9, the named instances in a loop of one's own.            */
typedef void (*encoder)(const question *q, uint8_t *code, const float *x,
                        int n);

static void by_definition(const question *q, uint8_t *code, const float *x,
                          int n) {
  int i;
  for (i = 0; i < n; ++i)
    code[i] = sste_fp8_encode_float(q->t->f, q->ours, x[i], 0);
}

static void by_tensor(const question *q, uint8_t *code, const float *x, int n) {
  sste_fp8_recipe how = sste_fp8_recipe_current(q->t->f);
  const float one = 1.0f;
  how.rule = q->ours;
  if (sste_fp8_tensor_encode(code, (size_t)n, x, (size_t)n, 1, (size_t)n, &one,
                             how) != SSTE_OK)
    memset(code, 0xCA, (size_t)n);
}

/* Floats that need not ascend, in rows, each against the slow reference. The
 * rows are short: one thread is faster than waking others.                   */
static int max_threads(void) {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}
typedef float (*floats)(const slow_fp8 *s, int i);
static float strided_float(const slow_fp8 *s, int i) {
  (void)s;
  return strided(i);
}
static float odd_float(const slow_fp8 *s, int i) {
  (void)s;
  return (float)odd_doubles[i];
}
static float chosen_float(const slow_fp8 *s, int i) {
  return (float)chosen_double(s, i);
}
static void expect_rows(encoder encode, question q, floats number, int count,
                        int step) {
  const int threads = max_threads();
  int start, i, n;
  test_threads(1);
  for (start = 0; start < count; start += ROW * step) {
    float x[ROW];
    uint8_t code[ROW];
    for (n = 0, i = start; n < ROW && i < count; i += step)
      x[n++] = number(&q.t->slow, i);
    encode(&q, code, x, n);
    for (i = 0; i < n; ++i) {
      const int want =
          wanted(&q.t->slow, q.rule, slow_number_of_float(test_bits(x[i])), 0);
      if (code[i] != want) wrong_code(q.t, x[i], code[i], want);
    }
  }
  test_threads(threads);
}

static void expect_code(const twin *t, float x, int want) {
  const int got = sste_fp8_encode(t->f, x);
  if (got != want) wrong_code(t, x, got, want);
}
static void expect_ruled(const twin *t, sste_fp8_rule rule, float x, int want) {
  const int got = sste_fp8_encode_float(t->f, rule, x, 0);
  if (got != want) wrong_code(t, x, got, want);
}

/* ---- 2. The references agree with each other ----------------------------- */

/* A rule as a staircase: where, in the order of their bits, floats change their
 * code. Among numbers of one sign no code comes back once it is left, so that
 * halving finds every step: a second, fast reference, made from the slow one.
 * Zeros, infinities and NaNs are steps of their own.                         */
typedef struct stairs {
  const slow_fp8 *s;
  sste_fp8_rule rule;
  int count;
  uint32_t from[640];
  int code[640];
} stairs;

static int slow_code(const stairs *p, uint32_t bits) {
  return wanted(p->s, p->rule, slow_number_of_float(bits), 0);
}

static void add_stairs(stairs *p, uint32_t a, uint32_t b) {
  const int code = slow_code(p, a);
  if (code != slow_code(p, b)) {
    add_stairs(p, a, a + (b - a) / 2);
    add_stairs(p, a + (b - a) / 2 + 1, b);
  } else if (p->count == 0 || p->code[p->count - 1] != code) {
    assert_true(p->count < 640);
    p->from[p->count] = a;
    p->code[p->count++] = code;
  }
}

/* A NaN's payload is not in order, so the rule must not look at it. */
static stairs make_stairs(const slow_fp8 *s, sste_fp8_rule rule) {
  stairs p;
  uint32_t sign;
  assert_true(rule.nan != SSTE_NAN_PAYLOAD);
  p.s = s;
  p.rule = rule;
  p.count = 0;
  for (sign = 0; sign <= 1; ++sign) {
    const uint32_t zero = sign << 31;
    add_stairs(&p, zero, zero);
    add_stairs(&p, zero + 1, zero + INF_BITS - 1);
    add_stairs(&p, zero + INF_BITS, zero + INF_BITS);
    add_stairs(&p, zero + INF_BITS + 1, zero + 0x7FFFFFFFu);
  }
  return p;
}

/* The step that a float is on. */
static int step_of(const stairs *p, uint32_t bits) {
  int low = 0, beyond = p->count;
  while (beyond - low > 1) {
    const int middle = (low + beyond) / 2;
    if (p->from[middle] <= bits)
      low = middle;
    else
      beyond = middle;
  }
  return low;
}

static void the_staircase_is_the_slow_reference(void **state) {
  int i, k, rounding;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (rounding = 0; rounding <= SSTE_ROUND_E8M0_FIELDS; ++rounding) {
      stairs p;
      if (rounding == SSTE_ROUND_STOCHASTIC) continue;
      p = make_stairs(&formats[i].slow,
                      make_rule(rounding, SSTE_OVERFLOW_NONE));
      for (k = rounding; k < STRIDED; k += 7)
        assert_int_equal(p.code[step_of(&p, strided_bits(k))],
                         slow_code(&p, strided_bits(k)));
    }
}

/* The third reference is a formula: to nearest, a code begins at the midpoint
 * below it, or one float later where the tie goes down.                      */
static void codes_begin_at_midpoints(void **state) {
  int i, code;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    const slow_fp8 *s = &formats[i].slow;
    for (code = 1; code <= s->largest; ++code) {
      const double middle = (s->value[code - 1] + s->value[code]) / 2;
      const uint32_t from = test_bits((float)middle) + (uint32_t)(code % 2);
      assert_true(s->value[code - 1] < s->value[code]);
      assert_true((double)(float)middle == middle);
      assert_int_equal(slow_fp8_encode(s, test_float(from)), code);
      assert_int_equal(slow_fp8_encode(s, test_float(from - 1)), code - 1);
    }
  }
}

/* ---- 3. Formats and decode ----------------------------------------------- */

static void formats_are_the_published_ones(void **state) {
  int i;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    const sste_fp8_format f = formats[i].f;
    assert_int_equal(f.sign_bits, published[i].sign_bits);
    assert_int_equal(f.exponent_bits, published[i].E);
    assert_int_equal(f.mantissa_bits, published[i].M);
    assert_int_equal(f.bias, published[i].B);
    assert_int_equal(f.specials, published[i].specials);
  }
}

/* The words at the head of the file, and the examples of decode and max. */
static void decode_examples(void **state) {
  (void)state;
  assert_same_float(sste_fp8_decode(sste_fp8_e4m3fn(), 0x39), 1.125f);
  assert_same_float(sste_fp8_decode(sste_fp8_e4m3(), 0x39), 1.125f);
  assert_same_float(sste_fp8_decode(sste_fp8_e5m2(), 0x3D), 1.25f);
  assert_same_float(sste_fp8_decode(sste_fp8_e3m4(), 0x31), 1.0625f);
  assert_same_float(sste_fp8_decode(sste_fp8_e8m0(), 0x80), 2.0f);
  assert_same_float(sste_fp8_decode(sste_fp8_e8m0(), 0x00), 0x1p-127f);
  assert_same_float(sste_fp8_max(sste_fp8_e4m3fn()), 448.0f);
  assert_same_float(sste_fp8_max(sste_fp8_e5m2()), 57344.0f);
  assert_same_float(sste_fp8_max(sste_fp8_e3m4()), 15.5f);
}

/* Bits above the width are ignored: the sign of ue4m3, a third digit. */
static void decode_follows_the_definition(void **state) {
  int i, code;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (code = 0; code < 256; ++code) {
      const uint32_t junk = (uint32_t)code | 0xABC00u;
      const float want = slow_fp8_decode(&formats[i].slow, code);
      assert_same_float(sste_fp8_decode(formats[i].f, (uint32_t)code), want);
      assert_same_float(sste_fp8_decode(formats[i].f, junk), want);
    }
}

/* What a code is, by the table of section 1: 0 a number, 1 infinity, 2 NaN. */
static int kind_of(float x) { return isnan(x) ? 2 : isinf(x) ? 1 : 0; }

static void check_row(int i, float smallest, float largest, int largest_code,
                      int infinity, int first_nan, int last_nan) {
  const sste_fp8_format f = formats[i].f;
  const int first = i == E8M0 ? 0 : 1, codes = i == E8M0 ? 256 : 128;
  int code;
  assert_same_float(sste_fp8_decode(f, (uint32_t)first), smallest);
  assert_same_float(sste_fp8_decode(f, (uint32_t)largest_code), largest);
  assert_same_float(sste_fp8_max(f), largest);
  for (code = 0; code < codes; ++code) {
    const float x = sste_fp8_decode(f, (uint32_t)code);
    const float minus = sste_fp8_decode(f, (uint32_t)code + 128);
    int want = code >= first_nan && code <= last_nan ? 2 : 0;
    if (code == infinity) want = 1;
    assert_int_equal(kind_of(x), want);
    if (want == 2) assert_int_equal(test_bits(x), NAN_BITS);
    if (i >= SIGNED) continue;
    if (first_nan == 128 && code == 0) want = 2; /* FNUZ: in the place of -0 */
    assert_int_equal(kind_of(minus), want);
    if (want != 2)
      assert_int_equal(test_bits(minus), test_bits(x) | 0x80000000u);
    if (want == 0 && code > first) assert_true(x > smallest && x <= largest);
  }
}

static void the_table_of_formats_is_true(void **state) {
  const int none = -1;
  (void)state;
  check_row(E4M3FN, 0x1p-9f, 448, 0x7E, none, 0x7F, 0x7F);
  check_row(E5M2, 0x1p-16f, 57344, 0x7B, 0x7C, 0x7D, 0x7F);
  check_row(E4M3, 0x1p-9f, 240, 0x77, 0x78, 0x79, 0x7F);
  check_row(E3M4, 0x1p-6f, 15.5f, 0x6F, 0x70, 0x71, 0x7F);
  check_row(E3M4FN, 0x1p-6f, 30, 0x7E, none, 0x7F, 0x7F);
  check_row(E4M3FNUZ, 0x1p-10f, 240, 0x7F, none, 128, 128);
  check_row(E5M2FNUZ, 0x1p-17f, 57344, 0x7F, none, 128, 128);
  check_row(E4M3B11FNUZ, 0x1p-13f, 30, 0x7F, none, 128, 128);
  check_row(UE4M3, 0x1p-9f, 448, 0x7E, none, 0x7F, 0x7F);
  check_row(E8M0, 0x1p-127f, 0x1p127f, 0xFE, none, 0xFF, 0xFF);
}

/* float16 by its definition, bfloat16 as the high half of a float, and float
 * itself: decode takes them all.                                             */
static void wide_formats_decode(void **state) {
  int i;
  (void)state;
  for (i = 0; i < 65536; ++i) {
    const uint32_t bits = (uint32_t)i << 16;
    const int nan = (bits & 0x7FFFFFFFu) > INF_BITS;
    assert_same_float(sste_fp8_decode(sste_fp8_float16(), (uint32_t)i),
                      slow_fp8_decode(&half.slow, i));
    assert_same_float(sste_fp8_decode(sste_fp8_bfloat16(), (uint32_t)i),
                      test_float(nan ? NAN_BITS : bits));
  }
  for (i = 0; i < STRIDED; ++i) {
    const uint32_t bits = strided_bits(i);
    const int nan = (bits & 0x7FFFFFFFu) > INF_BITS;
    const float x = sste_fp8_decode(sste_fp8_float32(), bits);
    assert_int_equal(test_bits(x), nan ? NAN_BITS : bits);
  }
  assert_same_float(sste_fp8_max(sste_fp8_float16()), 65504.0f);
  assert_same_float(sste_fp8_max(sste_fp8_bfloat16()), 0x1.FEp127f);
  assert_same_float(sste_fp8_max(sste_fp8_float32()), FLT_MAX);
}

/* ---- 4. Encode and round: the nearest, saturating ------------------------ */

/* Every number returns to its code; where overflow has a code, so does every
 * infinity.                                                                  */
static void encode_undoes_decode(void **state) {
  int i, code;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    const twin *t = &formats[i];
    for (code = 0; code < (i == UE4M3 ? 128 : 256); ++code) {
      const float x = sste_fp8_decode(t->f, (uint32_t)code);
      if (isnan(x)) continue;
      expect_ruled(t, make_rule(SSTE_ROUND_NEAREST_EVEN, SSTE_OVERFLOW_NONE), x,
                   code);
      if (isfinite(x)) expect_code(t, x, code);
    }
  }
}

static int nearest_is_wrong(const question *q, int i) {
  return sste_fp8_encode(q->t->f, strided(i)) !=
         slow_fp8_encode(&q->t->slow, strided(i));
}
static void encode_finds_the_nearest(void **state) {
  int i;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    expect_none(nearest_is_wrong,
                ask(&formats[i], sste_fp8_saturating(), "nearest"), STRIDED, 1);
}

/* The documented examples, and both sides of the overflow limits. */
static void encode_examples(void **state) {
  const twin *e4m3fn = &formats[E4M3FN];
  (void)state;
  expect_code(e4m3fn, 1.1875f, 0x3A);
  expect_ruled(e4m3fn,
               make_rule(SSTE_ROUND_TOWARD_ZERO, SSTE_OVERFLOW_SATURATE),
               1.1875f, 0x39);
  expect_code(e4m3fn, -500.0f, 0xFE);
  expect_code(e4m3fn, 432.0f, 0x7E);
  expect_code(e4m3fn, 464.0f, 0x7E);
  expect_code(e4m3fn, nextafterf(464.0f, 1e9f), 0x7E);
  expect_code(e4m3fn, 448.0f, 0x7E); /* {2, -1, 0.3} * 224 */
  expect_code(e4m3fn, -224.0f, 0xF6);
  expect_code(e4m3fn, 0.3f * 224.0f, 0x68);
  assert_same_float(sste_fp8_decode(e4m3fn->f, 0x68), 64.0f);
  assert_same_float(sste_fp8_decode(e4m3fn->f, 0x69), 72.0f);
  assert_near(64.0f / 224.0f, 0.2857, 1e-4);
  expect_code(&formats[E5M2], nextafterf(61440.0f, 0.0f), 0x7B);
  expect_code(&formats[E5M2], 61440.0f, 0x7B);
  expect_code(&formats[E3M4], -15.75f, 0xEF);
  expect_code(&formats[E3M4FN], nextafterf(30.5f, 31.0f), 0x7E);
}

/* Beyond the largest, and what is no number, by hand for each format. */
static void encode_specials(void **state) {
  static const struct {
    int zero, minus_zero, tiny, infinity, minus_infinity, nan;
  } row[FORMATS] = {
      {0, 0x80, 0x80, 0x7E, 0xFE, 0x7F}, {0, 0x80, 0x80, 0x7B, 0xFB, 0x7F},
      {0, 0x80, 0x80, 0x77, 0xF7, 0x7F}, {0, 0x80, 0x80, 0x6F, 0xEF, 0x7F},
      {0, 0x80, 0x80, 0x7E, 0xFE, 0x7F}, {0, 0, 0, 0x7F, 0xFF, 0x80},
      {0, 0, 0, 0x7F, 0xFF, 0x80},       {0, 0, 0, 0x7F, 0xFF, 0x80},
      {0, 0, 0, 0x7E, 0, 0x7F},          {0, 0, 0, 0xFE, 0, 0xFF}};
  int i;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    const twin *t = &formats[i];
    expect_code(t, 0.0f, row[i].zero);
    expect_code(t, -0.0f, row[i].minus_zero);
    expect_code(t, 0x1p-149f, row[i].zero);
    expect_code(t, -0x1p-149f, row[i].tiny);
    expect_code(t, -0x1p-80f, row[i].tiny);
    expect_code(t, INFINITY, row[i].infinity);
    expect_code(t, -INFINITY, row[i].minus_infinity);
    expect_code(t, FLT_MAX, row[i].infinity);
    expect_code(t, -FLT_MAX, row[i].minus_infinity);
    expect_code(t, test_float(0x7F800001u), row[i].nan);
    expect_code(t, test_float(0xFF800001u), row[i].nan);
    expect_code(t, test_float(0x7FC00000u), row[i].nan);
    expect_code(t, test_float(0xFFFFFFFFu), row[i].nan);
  }
}

/* The strided floats ascend from 0 to infinity in their first half. */
static void encode_is_monotone_and_odd(void **state) {
  int i, k;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    const twin *t = &formats[i];
    int last = 0;
    for (k = 0; strided_bits(k) <= INF_BITS; ++k) {
      const int code = sste_fp8_encode(t->f, strided(k));
      const int no_minus = t->slow.specials == SSTE_FP8_FNUZ && code == 0;
      assert_in_range(code, last, t->slow.largest);
      if (i >= SIGNED)
        expect_code(t, -strided(k), 0);
      else
        expect_code(t, -strided(k), no_minus ? 0 : code + 0x80);
      last = code;
    }
    assert_int_equal(last, t->slow.largest);
  }
}

/* round is decode after encode, within the error that the header states. */
static int round_is_wrong(const question *q, int i) {
  const slow_fp8 *s = &q->t->slow;
  const float x = strided(i), y = sste_fp8_round(q->t->f, x);
  const double a = fabs((double)x), error = fabs((double)y - (double)x);
  const int subnormals = s->specials != SSTE_FP8_POW2;
  const double normal = ldexp(1, subnormals - s->B);
  const double bound =
      a >= normal ? ldexp(a, -s->M - 1) : ldexp(1, -s->B - s->M);
  if (test_bits(y) != test_bits(slow_fp8_decode(s, slow_fp8_encode(s, x))))
    return 1;
  if (a > s->value[s->largest] || (!s->sign_bits && x < 0)) return 0;
  return error > bound;
}
static void round_is_decode_of_encode(void **state) {
  const sste_fp8_format f = sste_fp8_e4m3fn();
  int i;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    expect_none(round_is_wrong,
                ask(&formats[i], sste_fp8_saturating(), "round"), STRIDED, 1);
  assert_same_float(sste_fp8_round(f, 1.2f), 1.25f);
  assert_same_float(sste_fp8_round(f, 1000.0f), 448.0f);
  assert_same_float(sste_fp8_round(f, 0.0009f), 0.0f);
  assert_same_float(sste_fp8_round(f, -0.0009f), -0.0f);
}

/* A format is data: others than the named ones work too, up to the ends of the
 * range of biases, by the generic path and by the one for rows.              */
static void check_floats_of(const twin *t, int overflow) {
  const sste_fp8_rule rule = make_rule(SSTE_ROUND_NEAREST_EVEN, overflow);
  const question q = ask(t, rule, t->name);
  const int count = double_count(&t->slow), step = 7;
  expect_rows(by_definition, q, chosen_float, count, step);
  expect_rows(by_tensor, q, chosen_float, count, step);
}

static void check_codes_of(const twin *t) {
  const sste_fp8_recipe how = sste_fp8_recipe_current(t->f);
  const float one = 1.0f;
  uint8_t code[256];
  float x[256];
  int i;
  for (i = 0; i < 256; ++i) code[i] = (uint8_t)i;
  test_poison(x, sizeof x);
  assert_int_equal(sste_fp8_tensor_decode(x, 256, code, 256, 1, 256, &one, how),
                   SSTE_OK);
  for (i = 0; i < 256; ++i) {
    const float want = slow_fp8_decode(&t->slow, i);
    assert_same_float(sste_fp8_decode(t->f, code[i]), want);
    assert_same_float(x[i], want);
  }
}

static void check_any_format(int sign_bits, int E, int B, int specials) {
  const twin t = make_twin("any", descriptor(sign_bits, E, 7 - E, B, specials),
                           slow_fp8_new(sign_bits, E, 7 - E, B, specials));
  assert_int_equal(sste_fp8_format_check(t.f), SSTE_OK);
  check_codes_of(&t);
  check_floats_of(&t, SSTE_OVERFLOW_NONE);
  check_floats_of(&t, SSTE_OVERFLOW_SATURATE);
}

/* Biases: the lowest and the highest that tensors take; level 2 takes more. */
static int is_taken(int E, int B) {
  return sste_fp8_format_check(descriptor(1, E, 7 - E, B, SSTE_FP8_FN)) ==
         SSTE_OK;
}
static int is_tried(int E, int B) {
  if (!is_taken(E, B)) return 0;
  return !is_taken(E, B - 1) || !is_taken(E, B + 1) ||
         (test_level() == 2 && B % 8 == 0);
}
static void any_format_works(void **state) {
  int E, B, specials, tried = 0;
  (void)state;
  for (E = 2; E <= 6; ++E)
    for (B = -150; B <= 100; ++B) {
      if (!is_tried(E, B)) continue;
      for (specials = SSTE_FP8_IEEE; specials <= SSTE_FP8_FNUZ; ++specials) {
        check_any_format(1, E, B, specials);
        if (specials != SSTE_FP8_FNUZ) check_any_format(0, E, B, specials);
      }
      ++tried;
    }
  assert_true(tried >= 2 * 5);
}

/* ---- 5. Every rounding, overflow and NaN, from every source -------------- */

enum { ROUNDINGS = SSTE_ROUND_E8M0_FIELDS + 1, OVERFLOWS = 3 };

/* The choices by number; drop_sign is for formats without a sign, so that the
 * others must not mind it.                                                   */
enum { CHOICES = ROUNDINGS * OVERFLOWS * 2 };
static sste_fp8_rule choice(int i) {
  sste_fp8_rule rule = make_rule(i % ROUNDINGS, i / ROUNDINGS % OVERFLOWS);
  rule.random_bits = 1 + i % 32;
  rule.drop_sign = i / ROUNDINGS / OVERFLOWS;
  return rule;
}

static void choices_hold_for_floats(void **state) {
  const int step = test_level() == 2 ? 1 : 43;
  int i, k;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (k = 0; k < CHOICES; ++k)
      expect_none(float_is_wrong, ask(&formats[i], choice(k), "from float"),
                  STRIDED, step);
}

/* One rounding from double: the points a double away from a midpoint tell. */
static void choices_hold_for_doubles(void **state) {
  const int step = test_level() == 2 ? 1 : 11;
  int i, k;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (k = 0; k < CHOICES; ++k)
      expect_none(double_is_wrong, ask(&formats[i], choice(k), "from double"),
                  double_count(&formats[i].slow),
                  k / ROUNDINGS == 2 ? 1 : step);
}

static void choices_hold_for_float16_and_bfloat16(void **state) {
  const int step = test_level() == 2 ? 1 : 13;
  int i, k;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (k = 0; k < CHOICES; ++k) {
      expect_none(float16_is_wrong, ask(&formats[i], choice(k), "from float16"),
                  65536, step);
      expect_none(bfloat16_is_wrong,
                  ask(&formats[i], choice(k), "from bfloat16"), 65536, step);
    }
}

/* The formats of 16 bits as targets. */
static int wide_is_wrong(const question *q, int i) {
  const uint32_t bits = strided_bits(i);
  const uint64_t code =
      sste_fp8_convert(q->t->f, q->rule, sste_fp8_float32(), bits, scramble(i));
  return code != (uint64_t)wanted(&q->t->slow, q->rule,
                                  slow_number_of_float(bits), scramble(i));
}
static void choices_hold_for_targets_of_16_bits(void **state) {
  const int step = test_level() == 2 ? 1 : 13;
  int k;
  (void)state;
  for (k = 0; k < CHOICES / 2; ++k) {
    expect_none(wide_is_wrong, ask(&half, choice(k), "from float"), STRIDED,
                step);
    expect_none(wide_is_wrong, ask(&brain, choice(k), "from float"), STRIDED,
                step);
  }
}

/* NaNs have choices of their own: each with each format, every payload bit. */
static sste_fp8_rule nan_choice(int i) {
  sste_fp8_rule rule = make_rule(SSTE_ROUND_NEAREST_EVEN, SSTE_OVERFLOW_NONE);
  rule.nan = i % 3;
  rule.nan_sign = i / 3 % 2;
  rule.via = i / 6;
  return rule;
}
/* The infinities among them are no NaNs, but do no harm. */
static int nan_float16_is_wrong(const question *q, int i) {
  return float16_is_wrong(q, i < 1024 ? 0x7C00 + i : 0xF800 + i);
}
static int nan_bfloat16_is_wrong(const question *q, int i) {
  return bfloat16_is_wrong(q, i < 128 ? 0x7F80 + i : 0xFF00 + i);
}
static int nan_float_is_wrong(const question *q, int i) {
  return float_is_wrong(q, i + 6 * (i < 6 * 128 ? 0x7F80 : 0xFF00));
}
static void nans_become_what_the_rule_says(void **state) {
  int i, k, bit;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (k = 0; k < 24; ++k) {
      question q = ask(&formats[i], nan_choice(k), "NaN");
      const int all = double_count(&q.t->slow);
      for (bit = 0; bit < 104; ++bit)
        if (double_is_wrong(&q, all - 104 + bit)) fail_msg("%s", q.t->name);
      expect_none(nan_float16_is_wrong, q, 2048, 1);
      expect_none(nan_bfloat16_is_wrong, q, 256, 1);
      expect_none(nan_float_is_wrong, q, 2 * 6 * 128, 1);
    }
}

/* The same by hand, in E5M2 (x11111 01 to 11) and E3M4 (x111 0001 to 1111). */
static void nans_by_hand(void **state) {
  const twin *e5m2 = &formats[E5M2], *e3m4 = &formats[E3M4];
  const float minus = test_float(0xFFC00000u);  /* quiet, no payload */
  const float loaded = test_float(0xFFB00000u); /* mantissa 0110... */
  sste_fp8_rule rule = make_rule(SSTE_ROUND_NEAREST_EVEN, SSTE_OVERFLOW_NONE);
  (void)state;
  expect_ruled(e5m2, rule, minus, 0x7F);
  rule.nan = SSTE_NAN_QUIET;
  expect_ruled(e5m2, rule, minus, 0x7E);
  expect_ruled(e3m4, rule, loaded, 0x78);
  rule.nan_sign = 1;
  expect_ruled(e5m2, rule, minus, 0xFE);
  rule.nan = SSTE_NAN_PAYLOAD;
  expect_ruled(e5m2, rule, minus, 0xFE);
  expect_ruled(e5m2, rule, loaded, 0xFF);
  expect_ruled(e3m4, rule, loaded, 0xFE);
  expect_ruled(&formats[E4M3FN], rule, loaded, 0xFF);
  expect_ruled(&formats[E4M3FNUZ], rule, loaded, 0x80);
  expect_ruled(&formats[UE4M3], rule, loaded, 0x7F);
  expect_ruled(&formats[E8M0], rule, loaded, 0xFF);
}

/* From every format of 8 bits to every other and those of 16, NaNs too. */
static void check_pair(const twin *to, const twin *from, sste_fp8_rule rule) {
  int code;
  for (code = 0; code < 256; ++code) {
    const slow_number x = slow_number_of_code(&from->slow, code);
    const uint64_t junk = (uint64_t)code | 0xFEDC0000u;
    const uint64_t want = (uint64_t)wanted(&to->slow, rule, x, 0);
    assert_int_equal(sste_fp8_convert(to->f, rule, from->f, (uint64_t)code, 0),
                     want);
    assert_int_equal(sste_fp8_convert(to->f, rule, from->f, junk, 0), want);
  }
}
static void every_format_becomes_every_other(void **state) {
  int to, from, k;
  (void)state;
  for (from = 0; from < FORMATS; ++from)
    for (k = 0; k < 24; ++k) {
      sste_fp8_rule rule = nan_choice(k);
      rule.overflow = k % OVERFLOWS;
      for (to = 0; to < FORMATS; ++to)
        check_pair(&formats[to], &formats[from], rule);
      check_pair(&half, &formats[from], rule);
      check_pair(&brain, &formats[from], rule);
    }
}

/* Overflow by hand, between 448 and the 480 that E4M3FN lacks, and far out. */
static void overflow_is_judged_after_rounding(void **state) {
  static const struct {
    int rounding;
    float x;
    int none, finite; /* SSTE_OVERFLOW_NONE, _SATURATE_FINITE */
  } row[] = {{SSTE_ROUND_NEAREST_EVEN, 464, 0x7E, 0x7E},
             {SSTE_ROUND_NEAREST_EVEN, 464.00003f, 0x7F, 0x7E},
             {SSTE_ROUND_NEAREST_AWAY, 463.99997f, 0x7E, 0x7E},
             {SSTE_ROUND_NEAREST_AWAY, 464, 0x7F, 0x7E},
             {SSTE_ROUND_TOWARD_ZERO, 1e30f, 0x7E, 0x7E},
             {SSTE_ROUND_TOWARD_ZERO, INFINITY, 0x7F, 0x7F},
             {SSTE_ROUND_UP, 448, 0x7E, 0x7E},
             {SSTE_ROUND_UP, 448.00003f, 0x7F, 0x7E},
             {SSTE_ROUND_UP, -1e30f, 0xFE, 0xFE},
             {SSTE_ROUND_UP, -INFINITY, 0xFF, 0xFF},
             {SSTE_ROUND_ODD, 1e30f, 0x7E, 0x7E},
             {SSTE_ROUND_NEAREST_EVEN, -1e30f, 0xFF, 0xFE}};
  const twin *t = &formats[E4M3FN];
  size_t i;
  (void)state;
  for (i = 0; i < sizeof row / sizeof *row; ++i) {
    const int r = row[i].rounding;
    const float x = row[i].x;
    expect_ruled(t, make_rule(r, SSTE_OVERFLOW_NONE), x, row[i].none);
    expect_ruled(t, make_rule(r, SSTE_OVERFLOW_SATURATE_FINITE), x,
                 row[i].finite);
    expect_ruled(t, make_rule(r, SSTE_OVERFLOW_SATURATE), x,
                 x < 0 ? 0xFE : 0x7E);
  }
}

/* Formats without a sign by hand: {ue4m3, e8m0} of a few numbers. */
static void without_a_sign(void **state) {
  static const struct {
    float x;
    int saturate[2], none[2], dropped[2];
  } row[] = {{1, {0x38, 0x7F}, {0x38, 0x7F}, {0x38, 0x7F}},
             {-1, {0, 0}, {0x7F, 0xFF}, {0x38, 0x7F}},
             {0, {0, 0}, {0, 0xFF}, {0, 0}},
             {-0.0f, {0, 0}, {0, 0xFF}, {0, 0}},
             {0x1p-149f, {0, 0}, {0, 0}, {0, 0}},
             {-0x1p-149f, {0, 0}, {0, 0xFF}, {0, 0}},
             {-0x1p-10f, {0, 0}, {0, 0xFF}, {0, 0x75}},
             {-0x1.8p-10f, {0, 0}, {0x7F, 0xFF}, {1, 0x76}},
             {-INFINITY, {0, 0}, {0x7F, 0xFF}, {0x7F, 0xFF}},
             {INFINITY, {0x7E, 0xFE}, {0x7F, 0xFF}, {0x7F, 0xFF}}};
  sste_fp8_rule dropping =
      make_rule(SSTE_ROUND_NEAREST_EVEN, SSTE_OVERFLOW_NONE);
  size_t i;
  int k;
  (void)state;
  dropping.drop_sign = 1;
  for (i = 0; i < sizeof row / sizeof *row; ++i)
    for (k = 0; k < 2; ++k) {
      const twin *t = &formats[k ? E8M0 : UE4M3];
      expect_code(t, row[i].x, row[i].saturate[k]);
      expect_ruled(t, make_rule(SSTE_ROUND_NEAREST_EVEN, SSTE_OVERFLOW_NONE),
                   row[i].x, row[i].none[k]);
      expect_ruled(t, dropping, row[i].x, row[i].dropped[k]);
    }
}

/* Between float and double the processor is the reference, in its own modes. */
static double random_double(uint64_t *seed) {
  const uint64_t r = test_random(seed), low = r >> 11 & 3;
  const uint64_t fields = (863 + r % 310) << 52 | (r >> 13 & 0xFFFFFE0000000u);
  const uint64_t bits = fields | (low < 3 ? low << 28 : r >> 35) |
                        (r >> 12 & 1) << 63; /* midpoints are common */
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static float cast_in_mode(double x, int mode) {
  volatile double from = x;
  volatile float to;
  assert_int_equal(fesetround(mode), 0);
  to = (float)from;
  assert_int_equal(fesetround(FE_TONEAREST), 0);
  return to;
}

static void floats_round_as_the_processor_does(void **state) {
  static const int rounding[3] = {SSTE_ROUND_NEAREST_EVEN,
                                  SSTE_ROUND_TOWARD_ZERO, SSTE_ROUND_UP};
  static const int mode[3] = {FE_TONEAREST, FE_TOWARDZERO, FE_UPWARD};
  const sste_fp8_format f32 = sste_fp8_float32(), f64 = sste_fp8_float64();
  uint64_t seed = test_seed();
  int i, k;
  (void)state;
  for (i = 0; i < 100000; ++i) {
    const double x = i < ODD_DOUBLES ? odd_doubles[i] : random_double(&seed);
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    for (k = 0; k < 3; ++k)
      assert_int_equal(
          sste_fp8_convert(f32, make_rule(rounding[k], SSTE_OVERFLOW_NONE), f64,
                           bits, 0),
          test_bits(cast_in_mode(x, mode[k])));
  }
}

static void doubles_hold_every_float(void **state) {
  const sste_fp8_format f32 = sste_fp8_float32(), f64 = sste_fp8_float64();
  const sste_fp8_rule rule =
      make_rule(SSTE_ROUND_NEAREST_EVEN, SSTE_OVERFLOW_NONE);
  int i;
  (void)state;
  for (i = 0; i < STRIDED; ++i) {
    const double x = (double)strided(i);
    uint64_t bits;
    if (isnan(x)) continue;
    memcpy(&bits, &x, sizeof bits);
    assert_int_equal(sste_fp8_convert(f64, rule, f32, strided_bits(i), 0),
                     bits);
    assert_int_equal(sste_fp8_convert(f64, rule, f64, bits, 0), bits);
  }
}

/* ---- 6. Two roundings, and rounding to odd ------------------------------- */

static void two_roundings_follow_each_other(void **state) {
  const int step = test_level() == 2 ? 1 : 23;
  int i, k, via;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (via = SSTE_VIA_FLOAT16; via <= SSTE_VIA_FLOAT32; ++via)
      for (k = 0; k < ROUNDINGS * OVERFLOWS; ++k) {
        sste_fp8_rule rule = choice(k);
        rule.via = via;
        expect_none(double_is_wrong, ask(&formats[i], rule, "two roundings"),
                    double_count(&formats[i].slow),
                    k == 2 * ROUNDINGS ? 1 : step);
        expect_none(float_is_wrong, ask(&formats[i], rule, "two roundings"),
                    STRIDED, 17 * step);
      }
}

/* 22 and 24 are codes 0x5B and 0x5C of E4M3FN; just below the midpoint 23, a
 * wide format in between sees the midpoint itself. And 1.0625 is midway from
 * 1 (0x38) to 1.125.                                                         */
static void two_roundings_are_told_apart(void **state) {
  const sste_fp8_format f = sste_fp8_e4m3fn();
  sste_fp8_rule rule = sste_fp8_saturating();
  int via;
  (void)state;
  assert_int_equal(sste_fp8_encode_double(f, rule, 23 - 0x1p-48, 0), 0x5B);
  assert_int_equal(sste_fp8_encode_double(f, rule, 1.0625 + 0x1p-40, 0), 0x39);
  for (via = SSTE_VIA_FLOAT16; via <= SSTE_VIA_FLOAT32; ++via) {
    rule.via = via;
    assert_int_equal(sste_fp8_encode_double(f, rule, 23 - 0x1p-48, 0), 0x5C);
    assert_int_equal(sste_fp8_encode_double(f, rule, 1.0625 + 0x1p-40, 0),
                     0x38);
  }
}

/* The first of those floats from 1.5 on, and the first of all. */
static void two_roundings_first_differ_where_measured(void **state) {
  static const struct {
    int format;
    float tiny, small;
  } row[] = {{E4M3FN, 0.000976562616f, 1.56250012f},
             {E5M2, 7.62939544e-06f, 1.62500012f},
             {E3M4, 0.00781250093f, 1.53125012f}};
  const sste_fp8_rule once =
      make_rule(SSTE_ROUND_NEAREST_EVEN, SSTE_OVERFLOW_NONE);
  sste_fp8_rule twice = once;
  size_t i;
  int k;
  (void)state;
  twice.via = SSTE_VIA_FLOAT16;
  for (i = 0; i < 3; ++i)
    for (k = 0; k < 2; ++k) {
      const twin *t = &formats[row[i].format];
      const float x = k ? row[i].small : row[i].tiny;
      const float y = test_float(test_bits(x) - 1);
      assert_int_not_equal(sste_fp8_encode_float(t->f, once, x, 0),
                           sste_fp8_encode_float(t->f, twice, x, 0));
      assert_int_equal(sste_fp8_encode_float(t->f, once, y, 0),
                       sste_fp8_encode_float(t->f, twice, y, 0));
    }
}

/* To odd first, then by any rule: as if there had been one rounding. `wide` has
 * the range of the format and more than a bit to spare.                      */
static int odd_is_wrong(const question *q, const twin *wide, double x) {
  const sste_fp8_rule odd = make_rule(SSTE_ROUND_ODD, SSTE_OVERFLOW_NONE);
  uint64_t bits, between;
  memcpy(&bits, &x, sizeof bits);
  between = sste_fp8_convert(wide->f, odd, sste_fp8_float64(), bits, 0);
  return sste_fp8_convert(q->t->f, q->rule, wide->f, between, 0) !=
         (uint64_t)wanted(&q->t->slow, q->rule, slow_number_of_double(x), 0);
}
static int odd_float16_is_wrong(const question *q, int i) {
  return odd_is_wrong(q, &half, chosen_double(&q->t->slow, i));
}
static int odd_bfloat16_is_wrong(const question *q, int i) {
  return odd_is_wrong(q, &brain, chosen_double(&q->t->slow, i));
}
static int odd_float_is_wrong(const question *q, int i) {
  return odd_is_wrong(q, &brain, (double)strided(i));
}

static void rounding_to_odd_first_does_no_harm(void **state) {
  const int step = test_level() == 2 ? 1 : 11;
  int i, k;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    const int points = double_count(&formats[i].slow);
    for (k = 0; k < ROUNDINGS * OVERFLOWS; ++k) {
      const question q = ask(&formats[i], choice(k), "odd first");
      if (q.rule.rounding == SSTE_ROUND_STOCHASTIC) continue;
      expect_none(odd_bfloat16_is_wrong, q, points, step);
      expect_none(odd_float_is_wrong, q, STRIDED, 7 * step);
      if (i != E8M0) expect_none(odd_float16_is_wrong, q, points, step);
    }
  }
}

/* ---- 7. Stochastic rounding ---------------------------------------------- */

static sste_fp8_rule stochastic(int bits, int overflow) {
  sste_fp8_rule rule = make_rule(SSTE_ROUND_STOCHASTIC, overflow);
  rule.random_bits = bits;
  return rule;
}

/* A code with its sign; 0 and the NaN of FNUZ have none. */
static int signed_code(const slow_fp8 *s, int code, int negative) {
  if (s->specials == SSTE_FP8_FNUZ && (code == 0 || code == 128)) return code;
  return code + (negative ? 128 : 0);
}

/* Of x between two codes: both, and of how many of 2^n random numbers x goes
 * up: floor(f 2^n), where f is the fraction of the gap that it has passed.   */
typedef struct lottery {
  int down, up;
  uint64_t winners;
} lottery;
static lottery lottery_of(const slow_fp8 *s, int n, double x) {
  const double a = fabs(x);
  const int code = slow_fp8_below(s, a), negative = signbit(x) != 0;
  const double gap = slow_fp8_value(s, code + 1) - slow_fp8_value(s, code);
  lottery l;
  l.down = signed_code(s, code, negative);
  l.up = signed_code(s, code + 1, negative);
  l.winners = (uint64_t)ldexp((a - slow_fp8_value(s, code)) / gap, n);
  return l;
}

/* Every random number of n bits, with junk above them. */
static int count_ups(const twin *t, int n, double x) {
  const lottery l = lottery_of(&t->slow, n, x);
  const sste_fp8_rule rule = stochastic(n, SSTE_OVERFLOW_NONE);
  const uint32_t all = (uint32_t)1 << n, junk = 0xB5A0F1E3u;
  uint32_t r, ups = 0;
  for (r = 0; r < all; ++r) {
    const uint32_t random = r | (junk & ~(all - 1));
    const int code = sste_fp8_encode_double(t->f, rule, x, random);
    if (code != l.up && code != l.down) return -1;
    ups += code == l.up;
  }
  return (int)ups;
}

static void stochastic_goes_up_as_often_as_it_should(void **state) {
  uint64_t seed = test_seed();
  int i, k, n;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    const twin *t = &formats[i];
    for (n = 1; n <= 14; ++n)
      for (k = 0; k < (n < 9 ? 40 : n < 12 ? 6 : 1); ++k) {
        const int codes = t->slow.largest + 1;
        const int code = (int)(test_random(&seed) % (uint64_t)codes);
        const double at = t->slow.value[code], up = t->slow.value[code + 1];
        const double x = at + (up - at) * test_uniform(&seed);
        const double y = i < SIGNED && k % 2 ? -x : x;
        const int want = (int)lottery_of(&t->slow, n, y).winners;
        assert_int_equal(count_ups(t, n, y), want);
      }
  }
}

/* Numbers of bits that the rule does not have count as 32. */
static void stochastic_bits_out_of_range_are_32(void **state) {
  static const int others[] = {-1, 0, 33, 64, INT_MAX, INT_MIN};
  const uint32_t limit = 0x80000000u; /* of 32 bits: up from there on */
  const sste_fp8_format f = sste_fp8_e4m3fn();
  sste_fp8_rule rule = sste_fp8_saturating();
  size_t i;
  (void)state;
  rule.rounding = SSTE_ROUND_STOCHASTIC;
  for (i = 0; i < sizeof others / sizeof *others; ++i) {
    rule.random_bits = others[i];
    assert_int_equal(sste_fp8_encode_double(f, rule, 1.0625, limit), 0x39);
    assert_int_equal(sste_fp8_encode_double(f, rule, 1.0625, limit - 1), 0x38);
  }
}

/* The random number decides by comparison alone (the rule adds and looks for a
 * carry), so its two values next to the limit settle all, for any n.         */
static int stochastic_is_wrong(const question *q, int i) {
  const twin *t = q->t;
  const int n = q->rule.random_bits;
  const double x = chosen_double(&t->slow, i);
  const uint64_t all = (uint64_t)1 << n;
  lottery l;
  if (isnan(x) || (!t->slow.sign_bits && signbit(x))) return 0;
  if (fabs(x) < t->slow.value[0]) return 0;
  if (fabs(x) >= t->slow.value[t->slow.largest + 1]) return 0;
  l = lottery_of(&t->slow, n, x);
  if (sste_fp8_encode_double(t->f, q->rule, x,
                             (uint32_t)(all - l.winners - 1)) != l.down)
    return 1;
  return l.winners > 0 &&
         sste_fp8_encode_double(t->f, q->rule, x,
                                (uint32_t)(all - l.winners)) != l.up;
}
static void stochastic_turns_at_its_limit(void **state) {
  int i, n;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (n = 1; n <= 32; n += test_level() == 2 || n > 30 ? 1 : 5)
      expect_none(
          stochastic_is_wrong,
          ask(&formats[i], stochastic(n, SSTE_OVERFLOW_NONE), "stochastic"),
          double_count(&formats[i].slow), test_level() == 2 || n == 32 ? 1 : 3);
}

/* Beyond the largest: E4M3FN's 448 and the 480 it lacks, and far out. */
static void stochastic_overflow(void **state) {
  const sste_fp8_format f = sste_fp8_e4m3fn();
  const sste_fp8_rule none = stochastic(4, SSTE_OVERFLOW_NONE);
  const sste_fp8_rule saturate = stochastic(4, SSTE_OVERFLOW_SATURATE);
  uint32_t r, ups = 0;
  (void)state;
  for (r = 0; r < 16; ++r) {
    ups += sste_fp8_encode_double(f, none, 454.0, r) == 0x7F;
    assert_int_equal(sste_fp8_encode_double(f, saturate, 454.0, r), 0x7E);
    assert_int_equal(sste_fp8_encode_double(f, saturate, -1e9, r), 0xFE);
    assert_int_equal(sste_fp8_encode_double(f, none, 448.0, r), 0x7E);
    assert_int_equal(sste_fp8_encode_double(f, none, -480.0, r), 0xFF);
    assert_int_equal(sste_fp8_encode_double(f, none, 1e300, r), 0x7F);
    assert_int_equal(sste_fp8_encode_double(f, none, INFINITY, r), 0x7F);
  }
  assert_int_equal(ups, 3); /* 6/32 of 16 */
}

/* The mean over all random numbers, of numbers that 7 bits reach beyond their
 * code: 7 random bits give x itself, fewer a little less.                    */
static double mean_of(sste_fp8_format f, int n, uint16_t x) {
  const sste_fp8_rule rule = stochastic(n, SSTE_OVERFLOW_SATURATE);
  double sum = 0;
  uint32_t r;
  for (r = 0; r < 1u << n; ++r)
    sum += (double)sste_fp8_decode(f, sste_fp8_encode_float16(f, rule, x, r));
  return ldexp(sum, -n);
}
static void stochastic_is_unbiased_with_enough_bits(void **state) {
  const sste_fp8_format f = sste_fp8_e4m3fn();
  double lost_most = 0;
  int i, n;
  (void)state;
  for (i = 0; i < 128; ++i) {
    const uint16_t x = (uint16_t)(0x3C00 + i); /* from 1 to 1.125 */
    const double value = 1 + i / 1024.0;
    for (n = 7; n <= 9; ++n) assert_true(mean_of(f, n, x) == value);
    for (n = 1; n < 7; ++n) {
      const double lost = value - mean_of(f, n, x);
      assert_true(lost >= 0 && lost < ldexp(0.125, -n));
      if (n == 3 && lost > lost_most) lost_most = lost;
    }
  }
  assert_true(lost_most == 15 / 1024.0); /* the four bits that 3 do not see */
}

/* ---- 8. Whose behaviour -------------------------------------------------- */

/* What each library was seen to do, in a table typed by hand: the rounding of
 * E8M0 and whether that takes |x|; where numbers beyond the largest go, and
 * where they go in formats of the kind FN; the NaN, and whether its sign stays;
 * and what happens to doubles: rounded to float first, or NaNs kept.         */
enum {
  EVEN = SSTE_ROUND_NEAREST_EVEN,
  UP = SSTE_ROUND_UP,
  FIELDS = SSTE_ROUND_E8M0_FIELDS,
  SAT = SSTE_OVERFLOW_SATURATE,
  NONE = SSTE_OVERFLOW_NONE,
  ONES = SSTE_NAN_ONES,
  QUIET = SSTE_NAN_QUIET
};
enum { DIRECT, BY_FLOAT, KEEPS_NAN };
enum { LIBRARIES = SSTE_LIKE_ONNX_25 + 1 };
static const struct {
  const char *name;
  int e8m0, drop_sign, overflow, overflow_fn, nan, nan_sign, doubles;
} library[LIBRARIES] = {
    {"like OCP", EVEN, 1, SAT, SAT, ONES, 0, DIRECT},
    {"like OCP, nonsaturating", EVEN, 1, NONE, NONE, ONES, 0, DIRECT},
    {"like CUDA, SATFINITE", UP, 1, SAT, SAT, ONES, 0, KEEPS_NAN},
    {"like CUDA, NOSAT", UP, 1, NONE, NONE, ONES, 0, KEEPS_NAN},
    {"like ml_dtypes", FIELDS, 0, NONE, NONE, QUIET, 1, BY_FLOAT},
    {"like PyTorch 2.12", FIELDS, 1, NONE, NONE, ONES, 1, BY_FLOAT},
    {"like PyTorch 2.13", FIELDS, 1, NONE, SAT, ONES, 1, BY_FLOAT},
    {"like ONNX, saturating", UP, 1, SAT, SAT, QUIET, 1, BY_FLOAT},
    {"like ONNX", UP, 1, NONE, NONE, QUIET, 1, BY_FLOAT}};

/* The rule to expect. Widening to float changes nothing, so the reference goes
 * by float only where it comes from double.                                  */
static sste_fp8_rule expected_rule(int who, const twin *t, int from_double) {
  const int e8m0 = t->slow.specials == SSTE_FP8_POW2;
  const int fn = t->slow.specials == SSTE_FP8_FN;
  sste_fp8_rule rule =
      make_rule(e8m0 ? library[who].e8m0 : EVEN,
                fn ? library[who].overflow_fn : library[who].overflow);
  rule.nan = library[who].nan;
  rule.nan_sign = library[who].nan_sign;
  rule.drop_sign = e8m0 && library[who].drop_sign;
  if (from_double && library[who].doubles == BY_FLOAT)
    rule.via = SSTE_VIA_FLOAT32;
  if (from_double && library[who].doubles == KEEPS_NAN) {
    rule.nan = SSTE_NAN_PAYLOAD;
    rule.nan_sign = 1;
  }
  return rule;
}

static question ask_like(int who, const twin *t, sste_fp8_format from) {
  question q = ask(t, expected_rule(who, t, from.mantissa_bits == 52),
                   library[who].name);
  q.ours = sste_fp8_rule_like(who, t->f, from);
  return q;
}

/* A row of n floats, their bits ascending: how many get a wrong code. */
static uint32_t wrong_in_row(const stairs *p, encoder encode, const question *q,
                             const float *x, int n) {
  uint8_t code[ROW];
  uint32_t wrong = 0;
  int step = step_of(p, test_bits(x[0])), i;
  encode(q, code, x, n);
  for (i = 0; i < n; ++i) {
    const uint32_t bits = test_bits(x[i]);
    while (step + 1 < p->count && bits >= p->from[step + 1]) ++step;
    wrong += code[i] != p->code[step];
  }
  return wrong;
}

/* The strided floats, which ascend, in rows of 3072. */
static void expect_strided(encoder encode, question q, int step) {
  enum { N = 3072 };
  const stairs p = make_stairs(&q.t->slow, q.rule);
  uint32_t wrong = 0;
  int row;
  SSTE_OMP(parallel for schedule(static) reduction(+ : wrong))
  for (row = 0; row < STRIDED / N; ++row) {
    float x[ROW];
    int i, n = 0;
    for (i = 0; i < N; i += step) x[n++] = strided(row * N + i);
    wrong += wrong_in_row(&p, encode, &q, x, n);
  }
  if (wrong) fail_msg("%s, %s: %u codes wrong", q.t->name, q.what, wrong);
}

static void libraries_convert_every_kind_of_number(void **state) {
  int who, i;
  (void)state;
  for (who = 0; who < LIBRARIES; ++who)
    for (i = 0; i < FORMATS; ++i) {
      const twin *t = &formats[i];
      expect_strided(by_definition, ask_like(who, t, sste_fp8_float32()), 1);
      expect_none(float16_is_wrong, ask_like(who, t, sste_fp8_float16()), 65536,
                  1);
      expect_none(bfloat16_is_wrong, ask_like(who, t, sste_fp8_bfloat16()),
                  65536, 1);
      expect_none(double_is_wrong, ask_like(who, t, sste_fp8_float64()),
                  double_count(&t->slow), 1);
    }
}

static int coded_like(int who, const twin *t, float x) {
  const sste_fp8_rule rule = sste_fp8_rule_like(who, t->f, sste_fp8_float32());
  return sste_fp8_encode_float(t->f, rule, x, 0);
}

/* The table of sste_fp8_rule_like; any other number gives the first. */
static void the_table_of_libraries_is_true(void **state) {
  static const int row[LIBRARIES][6] = {{0x7E, 0x7E, 0x7F, 0x7B, 0x7B, 0x7F},
                                        {0x7F, 0x7F, 0x7F, 0x7C, 0x7C, 0x7F},
                                        {0x7E, 0x7E, 0x7F, 0x7B, 0x7B, 0x7F},
                                        {0x7F, 0x7F, 0x7F, 0x7C, 0x7C, 0x7F},
                                        {0x7F, 0x7F, 0xFF, 0x7C, 0x7C, 0xFE},
                                        {0x7F, 0x7F, 0xFF, 0x7C, 0x7C, 0xFF},
                                        {0x7E, 0x7E, 0xFF, 0x7C, 0x7C, 0xFF},
                                        {0x7E, 0x7E, 0xFF, 0x7B, 0x7B, 0xFE},
                                        {0x7F, 0x7F, 0xFF, 0x7C, 0x7C, 0xFE}};
  const twin *e4m3fn = &formats[E4M3FN], *e5m2 = &formats[E5M2];
  const float minus_nan = test_float(0xFFC00000u);
  int who, other;
  (void)state;
  for (other = -1; other < LIBRARIES + 2; ++other) {
    who = other >= 0 && other < LIBRARIES ? other : 0;
    assert_int_equal(coded_like(other, e4m3fn, 500.0f), row[who][0]);
    assert_int_equal(coded_like(other, e4m3fn, INFINITY), row[who][1]);
    assert_int_equal(coded_like(other, e4m3fn, minus_nan), row[who][2]);
    assert_int_equal(coded_like(other, e5m2, 1e6f), row[who][3]);
    assert_int_equal(coded_like(other, e5m2, INFINITY), row[who][4]);
    assert_int_equal(coded_like(other, e5m2, minus_nan), row[who][5]);
  }
}

/* E8M0 as each library was seen to make it; ONNX by its operator's text. */
static void libraries_make_e8m0_by_hand(void **state) {
  enum { COUNT = 5 };
  static const int who[COUNT] = {SSTE_LIKE_CUDA_SATFINITE, SSTE_LIKE_CUDA_NOSAT,
                                 SSTE_LIKE_ML_DTYPES_0_6, SSTE_LIKE_TORCH_2_13,
                                 SSTE_LIKE_ONNX_25_SATURATE};
  static const struct {
    float x;
    int code[COUNT];
  } row[] = {{0, {0, 0, 0xFF, 0, 0}},
             {-0.0f, {0, 0, 0xFF, 0, 0}},
             {0x1p-149f, {0, 0, 0, 0, 0}},
             {0x1p-127f, {0, 0, 0, 0, 0}},
             {0x1.0001p-127f, {1, 1, 1, 1, 1}},
             {0x1.8p-127f, {1, 1, 1, 1, 1}},
             {1.25f, {0x80, 0x80, 0x7F, 0x7F, 0x80}},
             {1.5f, {0x80, 0x80, 0x80, 0x80, 0x80}},
             {3, {0x81, 0x81, 0x81, 0x81, 0x81}},
             {-1, {0x7F, 0x7F, 0xFF, 0x7F, 0x7F}},
             {-1.5f, {0x80, 0x80, 0xFF, 0x80, 0x80}},
             {0x1.4p127f, {0xFE, 0xFF, 0xFE, 0xFE, 0xFE}},
             {0x1.8p127f, {0xFE, 0xFF, 0xFF, 0xFF, 0xFE}},
             {INFINITY, {0xFE, 0xFF, 0xFF, 0xFF, 0xFE}},
             {-INFINITY, {0xFE, 0xFF, 0xFF, 0xFF, 0xFE}}};
  const twin *t = &formats[E8M0];
  size_t i;
  int k;
  (void)state;
  for (i = 0; i < sizeof row / sizeof *row; ++i)
    for (k = 0; k < COUNT; ++k)
      if (coded_like(who[k], t, row[i].x) != row[i].code[k])
        wrong_code(t, row[i].x, coded_like(who[k], t, row[i].x),
                   row[i].code[k]);
}

static int double_like(int who, const twin *t, uint64_t bits) {
  const sste_fp8_format f64 = sste_fp8_float64();
  return (int)sste_fp8_convert(t->f, sste_fp8_rule_like(who, t->f, f64), f64,
                               bits, 0);
}

/* CUDA keeps the sign of a double's NaN and, in E5M2, its bit 50; just below
 * 23 it rounds once where the others round to 23 first.                      */
static void libraries_differ_on_doubles(void **state) {
  const twin *e4m3fn = &formats[E4M3FN], *e5m2 = &formats[E5M2];
  const double below_23 = 22.99999999999999645;
  uint64_t bits, sign;
  int bit;
  (void)state;
  memcpy(&bits, &below_23, sizeof bits);
  assert_int_equal(double_like(SSTE_LIKE_OCP, e4m3fn, bits), 0x5B);
  assert_int_equal(double_like(SSTE_LIKE_CUDA_NOSAT, e4m3fn, bits), 0x5B);
  assert_int_equal(double_like(SSTE_LIKE_ML_DTYPES_0_6, e4m3fn, bits), 0x5C);
  assert_int_equal(double_like(SSTE_LIKE_TORCH_2_12, e4m3fn, bits), 0x5C);
  assert_int_equal(double_like(SSTE_LIKE_TORCH_2_13, e4m3fn, bits), 0x5C);
  assert_int_equal(double_like(SSTE_LIKE_ONNX_25, e4m3fn, bits), 0x5C);
  for (sign = 0; sign <= 1; ++sign)
    for (bit = 0; bit < 52; ++bit) {
      const uint64_t nan =
          sign << 63 | (uint64_t)0x7FF << 52 | (uint64_t)1 << bit;
      const int s = sign ? 0x80 : 0;
      assert_int_equal(double_like(SSTE_LIKE_CUDA_SATFINITE, e4m3fn, nan),
                       s | 0x7F);
      assert_int_equal(double_like(SSTE_LIKE_CUDA_NOSAT, e5m2, nan),
                       s | 0x7E | (bit == 50));
      assert_int_equal(double_like(SSTE_LIKE_ML_DTYPES_0_6, e5m2, nan),
                       s | 0x7E);
    }
}

/* ---- 9. The fast path ---------------------------------------------------- */

#define NAMED(format)                                                       \
  static void by_##format(const question *q, uint8_t *code, const float *x, \
                          int n) {                                          \
    int i;                                                                  \
    (void)q;                                                                \
    SSTE_OMP(simd)                                                          \
    for (i = 0; i < n; ++i) code[i] = sste_fp8_##format##_encode(x[i]);     \
  }                                                                         \
  static void format##_values(float *x, const uint8_t *code, int n) {       \
    int i;                                                                  \
    SSTE_OMP(simd)                                                          \
    for (i = 0; i < n; ++i) x[i] = sste_fp8_##format##_decode(code[i]);     \
  }
NAMED(e4m3fn)
NAMED(e5m2)
NAMED(e4m3)
NAMED(e3m4)
NAMED(e3m4fn)
NAMED(e4m3fnuz)
NAMED(e5m2fnuz)
NAMED(e4m3b11fnuz)

static const encoder named[SIGNED] = {by_e4m3fn,   by_e5m2,       by_e4m3,
                                      by_e3m4,     by_e3m4fn,     by_e4m3fnuz,
                                      by_e5m2fnuz, by_e4m3b11fnuz};
static void (*const values[SIGNED])(float *, const uint8_t *, int) = {
    e4m3fn_values, e5m2_values,     e4m3_values,     e3m4_values,
    e3m4fn_values, e4m3fnuz_values, e5m2fnuz_values, e4m3b11fnuz_values};

static void named_instances_encode(void **state) {
  int i;
  (void)state;
  for (i = 0; i < SIGNED; ++i)
    expect_strided(named[i], ask(&formats[i], sste_fp8_saturating(), "named"),
                   1);
  assert_int_equal(sste_fp8_e4m3fn_encode(1.1875f), 0x3A);
}

static void named_instances_decode(void **state) {
  uint8_t code[256];
  float x[256];
  int i, k;
  (void)state;
  for (k = 0; k < 256; ++k) code[k] = (uint8_t)k;
  for (i = 0; i < SIGNED; ++i) {
    test_poison(x, sizeof x);
    values[i](x, code, 256);
    for (k = 0; k < 256; ++k)
      assert_same_float(x[k], slow_fp8_decode(&formats[i].slow, k));
  }
}

static void rows_are_encoded_as_the_libraries_do(void **state) {
  int who, i;
  (void)state;
  for (who = 0; who < LIBRARIES; ++who)
    for (i = 0; i < FORMATS; ++i)
      expect_strided(by_tensor, ask_like(who, &formats[i], sste_fp8_float32()),
                     1);
}

/* Rules that the fast path must leave to the definition, and some that it need
 * not: every overflow with every NaN, payloads too, and every way.           */
static void rows_are_encoded_by_any_rule(void **state) {
  const int step = test_level() == 2 ? 61 : 389;
  int i, k, rounding;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (rounding = 0; rounding < ROUNDINGS; ++rounding)
      for (k = 0; k < 24 * OVERFLOWS; ++k) {
        sste_fp8_rule rule = nan_choice(k % 24);
        rule.rounding = rounding;
        rule.overflow = k / 24;
        if (rounding == SSTE_ROUND_STOCHASTIC) continue;
        expect_rows(by_tensor, ask(&formats[i], rule, "any rule"),
                    strided_float, STRIDED, step);
        expect_rows(by_tensor, ask(&formats[i], rule, "any rule"), odd_float,
                    ODD_DOUBLES, 1);
      }
}

/* ---- 10. Every float ----------------------------------------------------- */

/* Every float with one high half: how many codes are wrong. */
static uint32_t wrong_in_block(const stairs *p, encoder encode,
                               const question *q, uint32_t high) {
  uint32_t low, wrong = 0;
  for (low = 0; low < 65536; low += ROW) {
    float x[ROW];
    uint32_t i;
    for (i = 0; i < ROW; ++i) x[i] = test_float((high << 16 | low) + i);
    wrong += wrong_in_row(p, encode, q, x, ROW);
  }
  return wrong;
}

/* All 2^32 floats, or at level 1 one block in 4093, another part of them for
 * every question.                                                            */
static void expect_every_float(encoder encode, question q) {
  static int turn = 0;
  const int step = test_level() == 2 ? 1 : 4093;
  const int start = step == 1 ? 0 : turn++ * 127 % step;
  const stairs p = make_stairs(&q.t->slow, q.rule);
  uint32_t wrong = 0;
  int high;
  SSTE_OMP(parallel for schedule(dynamic, 4) reduction(+ : wrong))
  for (high = start; high < 65536; high += step)
    wrong += wrong_in_block(&p, encode, &q, (uint32_t)high) != 0;
  if (wrong) fail_msg("%s, %s: %u blocks wrong", q.t->name, q.what, wrong);
}

/* Libraries whose rule for a format is the same need but one run. Going by
 * float does not count, for it changes no float (the next test); nor, for the
 * definition, do NaNs.                                                       */
static int alike(sste_fp8_rule a, sste_fp8_rule b, int nans) {
  return a.rounding == b.rounding && a.overflow == b.overflow &&
         a.drop_sign == b.drop_sign &&
         (!nans || (a.nan == b.nan && a.nan_sign == b.nan_sign));
}
static int is_first_alike(int who, const twin *t, int nans) {
  const sste_fp8_format f32 = sste_fp8_float32();
  int first = 0;
  while (!alike(sste_fp8_rule_like(first, t->f, f32),
                sste_fp8_rule_like(who, t->f, f32), nans))
    ++first;
  return first == who;
}

static void the_definition_on_every_float(void **state) {
  int who, i;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (who = 0; who < LIBRARIES; ++who)
      if (is_first_alike(who, &formats[i], 0))
        expect_every_float(by_definition,
                           ask_like(who, &formats[i], sste_fp8_float32()));
}

/* Going by float, from float: every number as it was, NaNs made quiet. */
static void by_way_of_float_no_float_changes(void **state) {
  const sste_fp8_format f32 = sste_fp8_float32();
  const int step = test_level() == 2 ? 1 : 1021;
  sste_fp8_rule rule = make_rule(SSTE_ROUND_NEAREST_EVEN, SSTE_OVERFLOW_NONE);
  uint32_t wrong = 0;
  int high;
  (void)state;
  rule.nan = SSTE_NAN_PAYLOAD;
  rule.nan_sign = 1;
  SSTE_OMP(parallel for schedule(dynamic, 4) reduction(+ : wrong))
  for (high = 0; high < 65536; high += step) {
    const uint32_t block = (uint32_t)high << 16;
    uint32_t i;
    for (i = 0; i < 65536; ++i) {
      const uint32_t bits = block | i;
      const int nan = (bits & 0x7FFFFFFFu) > INF_BITS;
      wrong += sste_fp8_convert(f32, rule, f32, bits, 0) !=
               (nan ? bits | 0x400000u : bits);
    }
  }
  assert_int_equal(wrong, 0);
}

static void named_instances_on_every_float(void **state) {
  int i;
  (void)state;
  for (i = 0; i < SIGNED; ++i)
    expect_every_float(named[i],
                       ask(&formats[i], sste_fp8_saturating(), "named"));
}

/* Where rows take the fast path; others repeat the definition. */
static void rows_on_every_float(void **state) {
  int who, i;
  (void)state;
  for (i = 0; i < SIGNED; ++i)
    for (who = 0; who < LIBRARIES; ++who)
      if (is_first_alike(who, &formats[i], 1))
        expect_every_float(by_tensor,
                           ask_like(who, &formats[i], sste_fp8_float32()));
}

/* ---- 11. The floating point environment ---------------------------------- */

/* The doubles are made beforehand: making them takes arithmetic. */
enum { STORED = 4096 };
static uint64_t stored[FORMATS][STORED];
static void store_doubles(void) {
  int i, k;
  for (i = 0; i < FORMATS; ++i) {
    const int count = double_count(&formats[i].slow);
    for (k = 0; k < STORED; ++k) {
      const double x =
          chosen_double(&formats[i].slow, (int)((int64_t)k * count / STORED));
      memcpy(&stored[i][k], &x, sizeof x);
    }
  }
}

static uint64_t mix(uint64_t sum, uint64_t bits) {
  return (sum ^ bits) * 0x100000001B3u;
}

/* All codes and values that integers make, in one number. No floating point
 * here; `again` keeps the compiler from taking one call's result for all.    */
static volatile int again = 0;
static uint64_t by_integers(void) {
  const sste_fp8_format f32 = sste_fp8_float32(), f64 = sste_fp8_float64();
  uint64_t sum = (uint64_t)again;
  int i, who, k;
  for (i = 0; i < FORMATS; ++i) {
    const sste_fp8_format f = formats[i].f;
    for (k = 0; k < 256; ++k)
      sum = mix(sum, test_bits(sste_fp8_decode(f, (uint32_t)k)));
    for (k = 0; k < STRIDED; k += 5)
      sum = mix(sum, sste_fp8_encode(f, strided(k)));
    for (who = 0; who < LIBRARIES; ++who) {
      const sste_fp8_rule one = sste_fp8_rule_like(who, f, f32);
      const sste_fp8_rule two = sste_fp8_rule_like(who, f, f64);
      for (k = 0; k < STRIDED; k += 65)
        sum = mix(sum, sste_fp8_convert(f, one, f32, strided_bits(k), 0));
      for (k = 0; k < STORED; ++k)
        sum = mix(sum, sste_fp8_convert(f, two, f64, stored[i][k], 0));
    }
  }
  return sum;
}

static uint64_t by_named(void) {
  uint64_t sum = (uint64_t)again;
  int i, k;
  for (i = 0; i < SIGNED; ++i) {
    for (k = 0; k < STRIDED; ++k) {
      const float x = strided(k);
      uint8_t code;
      named[i](NULL, &code, &x, 1);
      sum = mix(sum, code);
    }
    for (k = 0; k < 256; ++k) {
      const uint8_t code = (uint8_t)k;
      float x;
      values[i](&x, &code, 1);
      sum = mix(sum, test_bits(x));
    }
  }
  return sum;
}

/* Nothing is asserted before the environment is as it was. */
static void rounding_modes_change_nothing(void **state) {
  static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO,
                              FE_TONEAREST};
  uint64_t before;
  size_t i;
  (void)state;
  store_doubles();
  before = by_integers();
  for (i = 0; i < sizeof modes / sizeof *modes; ++i) {
    uint64_t then;
    assert_int_equal(fesetround(modes[i]), 0);
    then = by_integers();
    fesetround(FE_TONEAREST);
    assert_true(then == before);
  }
}

static void flush_to_zero_changes_nothing(void **state) {
  (void)state;
#if defined(__SSE__)
  {
    const unsigned mode = _mm_getcsr();
    uint64_t integers, fast, integers_then, fast_then;
    store_doubles();
    integers = by_integers();
    fast = by_named();
    _mm_setcsr(mode | 0x8040u); /* results and operands flushed */
    integers_then = by_integers();
    fast_then = by_named();
    _mm_setcsr(mode);
    assert_true(integers_then == integers);
    assert_true(fast_then == fast);
  }
#else
  print_message("skipped: no way to flush to zero is known here\n");
  skip();
#endif
}

/* ---- 12. Golden vectors -------------------------------------------------- */

/* Where ml_dtypes does not saturate, its raw answer is an infinity or a NaN of
 * a number: sste's is the largest code. Every NaN is one NaN.                */
static int saturated(const twin *t, float x, int raw) {
  if (isnan(x)) return 0x7F;
  if (raw % 128 <= t->slow.largest) return raw;
  return (signbit(x) ? 128 : 0) + t->slow.largest;
}

static void check_decode_line(const twin *t, unsigned code, unsigned bits) {
  const float raw = test_float((uint32_t)bits);
  assert_same_float(sste_fp8_decode(t->f, (uint8_t)code),
                    isnan(raw) ? test_float(NAN_BITS) : raw);
}

static void check_encode_line(const twin *t, unsigned bits, unsigned code) {
  const float x = test_float((uint32_t)bits);
  expect_code(t, x, saturated(t, x, (int)code));
}

static const twin *format_named(const char *name) {
  int i;
  for (i = 0; i < FORMATS; ++i)
    if (strcmp(formats[i].name, name) == 0) return &formats[i];
  fail_msg("unknown format %s", name);
  return NULL;
}

/* Reads every line; returns how many codes and floats it checked, and in
 * *promised how many the last line says there are.                           */
static int check_vectors(FILE *file, int *promised) {
  const twin *t = NULL;
  char line[128], name[32];
  unsigned a, b;
  int checked = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    if (line[0] == '#') continue;
    if (sscanf(line, "format %31s", name) == 1) {
      t = format_named(name);
    } else if (t != NULL && sscanf(line, "d %x %x", &a, &b) == 2) {
      check_decode_line(t, a, b);
      ++checked;
    } else if (t != NULL && sscanf(line, "e %x %x", &a, &b) == 2) {
      check_encode_line(t, a, b);
      ++checked;
    } else if (sscanf(line, "end %d", promised) != 1) {
      fail_msg("not understood: %s", line);
    }
  }
  return checked;
}

static void ml_dtypes_agrees(void **state) {
  const char *path = getenv("SSTE_TEST_FP8_VECTORS");
  int promised = -1, checked;
  FILE *file;
  (void)state;
  if (path == NULL) path = SSTE_TEST_FP8_VECTORS;
  file = fopen(path, "r");
  if (file == NULL) fail_msg("cannot open %s", path);
  checked = check_vectors(file, &promised);
  fclose(file);
  assert_int_equal(checked, promised);
  assert_true(checked >= 3 * 1000);
}

/* -------------------------------------------------------------------------- */

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_staircase_is_the_slow_reference),
      cmocka_unit_test(codes_begin_at_midpoints),
      cmocka_unit_test(formats_are_the_published_ones),
      cmocka_unit_test(decode_examples),
      cmocka_unit_test(decode_follows_the_definition),
      cmocka_unit_test(the_table_of_formats_is_true),
      cmocka_unit_test(wide_formats_decode),
      cmocka_unit_test(encode_undoes_decode),
      cmocka_unit_test(encode_finds_the_nearest),
      cmocka_unit_test(encode_examples),
      cmocka_unit_test(encode_specials),
      cmocka_unit_test(encode_is_monotone_and_odd),
      cmocka_unit_test(round_is_decode_of_encode),
      cmocka_unit_test(any_format_works),
      cmocka_unit_test(choices_hold_for_floats),
      cmocka_unit_test(choices_hold_for_doubles),
      cmocka_unit_test(choices_hold_for_float16_and_bfloat16),
      cmocka_unit_test(choices_hold_for_targets_of_16_bits),
      cmocka_unit_test(nans_become_what_the_rule_says),
      cmocka_unit_test(nans_by_hand),
      cmocka_unit_test(every_format_becomes_every_other),
      cmocka_unit_test(overflow_is_judged_after_rounding),
      cmocka_unit_test(without_a_sign),
      cmocka_unit_test(floats_round_as_the_processor_does),
      cmocka_unit_test(doubles_hold_every_float),
      cmocka_unit_test(two_roundings_follow_each_other),
      cmocka_unit_test(two_roundings_are_told_apart),
      cmocka_unit_test(two_roundings_first_differ_where_measured),
      cmocka_unit_test(rounding_to_odd_first_does_no_harm),
      cmocka_unit_test(stochastic_goes_up_as_often_as_it_should),
      cmocka_unit_test(stochastic_turns_at_its_limit),
      cmocka_unit_test(stochastic_bits_out_of_range_are_32),
      cmocka_unit_test(stochastic_overflow),
      cmocka_unit_test(stochastic_is_unbiased_with_enough_bits),
      cmocka_unit_test(libraries_convert_every_kind_of_number),
      cmocka_unit_test(the_table_of_libraries_is_true),
      cmocka_unit_test(libraries_make_e8m0_by_hand),
      cmocka_unit_test(libraries_differ_on_doubles),
      cmocka_unit_test(named_instances_encode),
      cmocka_unit_test(named_instances_decode),
      cmocka_unit_test(rows_are_encoded_as_the_libraries_do),
      cmocka_unit_test(rows_are_encoded_by_any_rule),
      cmocka_unit_test(the_definition_on_every_float),
      cmocka_unit_test(by_way_of_float_no_float_changes),
      cmocka_unit_test(named_instances_on_every_float),
      cmocka_unit_test(rows_on_every_float),
      cmocka_unit_test(rounding_modes_change_nothing),
      cmocka_unit_test(flush_to_zero_changes_nothing),
      cmocka_unit_test(ml_dtypes_agrees),
  };
  return cmocka_run_group_tests_name("fp8", tests, make_formats, NULL);
}
