/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_check.c - sste_check.h. What judges kernels is itself judged by lists of
 * all values, by counting on a grid, and by planting differences.
 *
 *   1. The number line
 *   2. Boundaries
 *   3. Tensors
 *   4. The interval
 *   5. Bounds
 *   6. Numbers
 *   7. Groups and metadata
 *   8. Products
 *   9. Merging
 *  10. Text
 *  11. What is refused
 */
#include "slow_check.h"
#include "slow_mvue.h"
#include "sste_check.h"
#include "test.h"

#define LENGTH(array) ((int)(sizeof(array) / sizeof *(array)))
#define NONE UINT64_MAX /* a code that a format does not have */

/* ---- The formats, with codes typed in from their definitions ------------- */

typedef struct kind {
  const char *name;
  sste_fp8_format f;
  size_t size; /* bytes of an element */
  uint64_t minus_zero, one, largest, overflow, infinity;
  uint64_t nan, twin; /* twin: another code for the same NaN */
} kind;

enum { E4M3FN, E5M2, E4M3, E3M4, E3M4FN, E4M3FNUZ, E5M2FNUZ, E4M3B11FNUZ };
enum { UE4M3 = 8, E8M0, BYTES, FLOAT16 = BYTES, BFLOAT16, SHORTS };
enum { FLOAT32 = SHORTS, FLOAT64, KINDS };
static kind kinds[KINDS] = {
    {"e4m3fn", {0}, 1, 0x80, 0x38, 0x7E, 0x7F, NONE, 0x7F, 0xFF},
    {"e5m2", {0}, 1, 0x80, 0x3C, 0x7B, 0x7C, 0x7C, 0x7E, 0x7D},
    {"e4m3", {0}, 1, 0x80, 0x38, 0x77, 0x78, 0x78, 0x7C, 0x79},
    {"e3m4", {0}, 1, 0x80, 0x30, 0x6F, 0x70, 0x70, 0x78, 0xF8},
    {"e3m4fn", {0}, 1, 0x80, 0x30, 0x7E, 0x7F, NONE, 0x7F, 0xFF},
    {"e4m3fnuz", {0}, 1, NONE, 0x40, 0x7F, 0x80, NONE, 0x80, NONE},
    {"e5m2fnuz", {0}, 1, NONE, 0x40, 0x7F, 0x80, NONE, 0x80, NONE},
    {"e4m3b11fnuz", {0}, 1, NONE, 0x58, 0x7F, 0x80, NONE, 0x80, NONE},
    {"ue4m3", {0}, 1, NONE, 0x38, 0x7E, 0x7F, NONE, 0x7F, 0xFF},
    {"e8m0", {0}, 1, NONE, 0x7F, 0xFE, 0xFF, NONE, 0xFF, NONE},
    {"fp16", {0}, 2, 0x8000, 0x3C00, 0x7BFF, 0x7C00, 0x7C00, 0x7E00, 0x7C01},
    {"bf16", {0}, 2, 0x8000, 0x3F80, 0x7F7F, 0x7F80, 0x7F80, 0x7FC0, 0xFFC0},
    {"fp32",
     {0},
     4,
     0x80000000,
     0x3F800000,
     0x7F7FFFFF,
     0x7F800000,
     0x7F800000,
     0x7FC00000,
     0xFF800001},
    {"fp64",
     {0},
     8,
     0x8000000000000000,
     0x3FF0000000000000,
     0x7FEFFFFFFFFFFFFF,
     0x7FF0000000000000,
     0x7FF0000000000000,
     0x7FF8000000000000,
     0xFFF0000000000001}};
static slow_fp8 slows[SHORTS]; /* the same, written out value by value */
static slow_line lines[BYTES]; /* and sorted */

static uint64_t seed;

static int make_formats(void **state) {
  sste_fp8_format (*const name[KINDS])(void) = {
      sste_fp8_e4m3fn,   sste_fp8_e5m2,        sste_fp8_e4m3,
      sste_fp8_e3m4,     sste_fp8_e3m4fn,      sste_fp8_e4m3fnuz,
      sste_fp8_e5m2fnuz, sste_fp8_e4m3b11fnuz, sste_fp8_ue4m3,
      sste_fp8_e8m0,     sste_fp8_float16,     sste_fp8_bfloat16,
      sste_fp8_float32,  sste_fp8_float64};
  int i;
  (void)state;
  for (i = 0; i < KINDS; ++i) kinds[i].f = name[i]();
  for (i = 0; i < SHORTS; ++i) {
    const sste_fp8_format f = kinds[i].f;
    slows[i] = slow_fp8_new(f.sign_bits, f.exponent_bits, f.mantissa_bits,
                            f.bias, f.specials);
  }
  for (i = 0; i < BYTES; ++i) slow_line_make(&lines[i], &slows[i]);
  return 0;
}

static int fresh_seed(void **state) {
  (void)state;
  seed = test_seed();
  test_threads(1);
  return 0;
}

static uint64_t below(uint64_t n) { return test_random(&seed) % n; }

static int width(const kind *k) {
  return k->f.sign_bits + k->f.exponent_bits + k->f.mantissa_bits;
}
static uint64_t sign_of(const kind *k) {
  return k->f.sign_bits ? (uint64_t)1 << (width(k) - 1) : 0;
}

static double double_of(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
static uint64_t bits_of(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* The value of a code by the definition, of 32 and 64 bits by the machine. */
static double value_of(int i, uint64_t code) {
  slow_number n;
  if (i == FLOAT64) return double_of(code);
  if (i == FLOAT32) return (double)test_float((uint32_t)code);
  n = slow_number_of_code(&slows[i], (int)code);
  if (n.nan) return NAN;
  return n.negative ? -n.size : n.size;
}

static uint64_t random_code(const kind *k) {
  return test_random(&seed) >> (64 - width(k));
}

/* ---- 1. The number line -------------------------------------------------- */

static void ranks_count_values(const kind *k, const slow_line *line) {
  int code, rank;
  for (code = 0; code < line->codes; ++code) {
    const int want = line->rank[code];
    const int64_t got = sste_check_rank(k->f, (uint64_t)code);
    assert_int_equal(got, want == SLOW_NOWHERE ? SSTE_RANK_NAN : want);
  }
  for (rank = line->first; rank <= line->last; ++rank)
    assert_int_equal(sste_check_code(k->f, rank),
                     line->at[rank + line->middle]);
}

static void a_rank_counts_the_values_from_zero(void **state) {
  static slow_line wide;
  int i;
  (void)state;
  for (i = 0; i < SHORTS; ++i) {
    if (i >= BYTES) slow_line_make(&wide, &slows[i]);
    ranks_count_values(&kinds[i], i < BYTES ? &lines[i] : &wide);
  }
}

static void ulps_of_every_pair_are_the_values_between(void **state) {
  int i, a, b;
  (void)state;
  for (i = 0; i < BYTES; ++i)
    for (a = 0; a < lines[i].codes; ++a)
      for (b = 0; b < lines[i].codes; ++b) {
        const int p = lines[i].rank[a], q = lines[i].rank[b];
        const int nan = (p == SLOW_NOWHERE) + (q == SLOW_NOWHERE);
        const uint64_t want = nan == 1 ? SSTE_ULPS_NAN : (uint64_t)abs(p - q);
        if (sste_check_ulps(kinds[i].f, (uint64_t)a, (uint64_t)b) != want)
          fail_msg("%s %02X %02X", kinds[i].name, a, b);
      }
}

static void next_walks_the_line_and_stops_at_its_ends(void **state) {
  int i, code, steps;
  (void)state;
  for (i = 0; i < BYTES; ++i)
    for (code = 0; code < lines[i].codes; ++code)
      for (steps = -300; steps <= 300; ++steps) {
        const slow_line *line = &lines[i];
        int to = line->rank[code] + steps;
        if (to < line->first) to = line->first;
        if (to > line->last) to = line->last;
        assert_int_equal(sste_check_next(kinds[i].f, (uint64_t)code, steps),
                         line->rank[code] == SLOW_NOWHERE
                             ? code
                             : line->at[to + line->middle]);
      }
}

/* Values spread over the whole line, its ends and both zeros among them. */
static uint64_t wide_code(const kind *k, int i) {
  const uint64_t edge[] = {0, 1, k->one, k->largest, k->infinity};
  const uint64_t code =
      i < 5 ? edge[i] : test_random(&seed) % (k->infinity + 1);
  return i % 2 == 0 ? code : code | sign_of(k);
}

static void wide_ranks_count_the_values_from_zero(void **state) {
  int k, i;
  (void)state;
  for (k = FLOAT32; k <= FLOAT64; ++k)
    for (i = 0; i < 100000; ++i) {
      const sste_fp8_format f = kinds[k].f;
      const uint64_t code = wide_code(&kinds[k], i);
      const double x = value_of(k, code);
      const int64_t count = slow_count(f.mantissa_bits, f.bias, x);
      const int64_t want = x < 0 ? -count : count;
      assert_int_equal(sste_check_rank(f, code), want);
      assert_int_equal(sste_check_code(f, want), want == 0 ? 0 : code);
    }
}

static void one_step_is_nextafter(void **state) {
  int i;
  (void)state;
  for (i = 0; i < 100000; ++i) {
    const uint64_t code = wide_code(&kinds[FLOAT32], i);
    const float x = test_float((uint32_t)code);
    const float up = nextafterf(x, INFINITY);
    const uint64_t got = sste_check_next(kinds[FLOAT32].f, code, 1);
    assert_true(test_float((uint32_t)got) == up);
    assert_int_equal(sste_check_ulps(kinds[FLOAT32].f, code, test_bits(up)),
                     isinf(x) && x > 0 ? 0 : 1);
  }
}

static void ranks_beyond_the_ends_are_the_ends(void **state) {
  static const int64_t steps[] = {INT64_MAX, INT64_MAX - 1, INT64_MIN,
                                  INT64_MIN + 1};
  int i, s;
  (void)state;
  for (i = 0; i < KINDS; ++i) {
    const kind *k = &kinds[i];
    const uint64_t top = k->infinity == NONE ? k->largest : k->infinity;
    const uint64_t bottom = k->f.sign_bits ? top | sign_of(k) : 0;
    assert_int_equal(sste_check_code(k->f, INT64_MAX), top);
    assert_int_equal(sste_check_code(k->f, -INT64_MAX), bottom);
    for (s = 0; s < LENGTH(steps); ++s) {
      const uint64_t end = s < 2 ? top : bottom;
      assert_int_equal(sste_check_next(k->f, 0, steps[s]), end);
      assert_int_equal(sste_check_next(k->f, end, steps[s]), end);
      assert_int_equal(sste_check_next(k->f, k->nan, steps[s]), k->nan);
    }
  }
}

/* Double's line has almost 2^64 points. */
static void the_longest_steps_still_count(void **state) {
  const sste_fp8_format f = kinds[FLOAT64].f;
  (void)state;
  assert_int_equal(sste_check_next(f, bits_of(1), INT64_MIN), bits_of(-4));
  assert_int_equal(sste_check_next(f, bits_of(INFINITY), INT64_MIN),
                   bits_of(-0x1p-1022));
  assert_int_equal(sste_check_next(f, bits_of(-INFINITY), INT64_MAX),
                   bits_of(0x1p-1022) - 1);
  assert_int_equal(sste_check_ulps(f, bits_of(-INFINITY), bits_of(INFINITY)),
                   0xFFE0000000000000);
}

static void nan_is_nowhere(void **state) {
  int i;
  (void)state;
  for (i = 0; i < KINDS; ++i) {
    const kind *k = &kinds[i];
    const uint64_t nan = sste_check_code(k->f, SSTE_RANK_NAN);
    assert_int_equal(sste_check_rank(k->f, k->nan), SSTE_RANK_NAN);
    assert_int_equal(sste_check_ulps(k->f, k->nan, k->one), SSTE_ULPS_NAN);
    assert_int_equal(sste_check_ulps(k->f, 0, k->nan), SSTE_ULPS_NAN);
    if (k->twin != NONE)
      assert_int_equal(sste_check_ulps(k->f, k->twin, k->nan), 0);
    if (k->f.specials == SSTE_FP8_FNUZ)
      assert_int_equal(nan, 0x80);
    else /* all ones but the sign */
      assert_int_equal(nan, UINT64_MAX >> (64 - width(k) + k->f.sign_bits));
  }
}

static void bits_above_the_width_are_ignored(void **state) {
  int i, n;
  (void)state;
  for (i = 0; i < FLOAT64; ++i)
    for (n = 0; n < 100; ++n) {
      const sste_fp8_format f = kinds[i].f;
      const uint64_t a = random_code(&kinds[i]), b = random_code(&kinds[i]);
      const uint64_t above = test_random(&seed) << width(&kinds[i]);
      assert_int_equal(sste_check_rank(f, a | above), sste_check_rank(f, a));
      assert_int_equal(sste_check_ulps(f, a | above, b),
                       sste_check_ulps(f, a, b));
    }
}

/* ---- 2. Boundaries ------------------------------------------------------- */

/* The inputs of one pair of formats, sorted. */
static uint64_t input[20000];
static int inputs;

static int code_order(const void *p, const void *q) {
  const uint64_t a = *(const uint64_t *)p, b = *(const uint64_t *)q;
  return (a > b) - (a < b);
}

static void make_inputs(int to, int from) {
  const uint64_t n = sste_check_boundary_count(kinds[to].f, kinds[from].f);
  assert_true(n <= (uint64_t)LENGTH(input));
  for (inputs = 0; inputs < (int)n; ++inputs)
    input[inputs] =
        sste_check_boundary(kinds[to].f, kinds[from].f, (uint64_t)inputs);
  qsort(input, n, sizeof *input, code_order);
}

static int is_input(uint64_t code) {
  return bsearch(&code, input, (size_t)inputs, sizeof code, code_order) != NULL;
}

static void assert_input(int to, int from, uint64_t code) {
  if (!is_input(code) || !is_input(code | sign_of(&kinds[from])))
    fail_msg("%s to %s lacks %llX", kinds[from].name, kinds[to].name,
             (unsigned long long)code);
}

/* The code of `from` at or next below a >= 0; whether it is a itself. */
static int find_below(int from, double a, uint64_t *code) {
  if (from == FLOAT64) {
    *code = bits_of(a);
  } else if (from == FLOAT32) {
    *code = test_bits((float)a);
  } else {
    *code = (uint64_t)slow_fp8_below(&slows[from], a);
    if (*code > kinds[from].largest) *code = kinds[from].largest;
  }
  return value_of(from, *code) <= a && value_of(from, *code) >= a;
}

/* a and both its neighbours, or the two codes around it. */
static void assert_around(int to, int from, double a) {
  uint64_t code;
  const int exact = find_below(from, a, &code);
  assert_input(to, from, code);
  assert_input(to, from, code + 1);
  if (exact) assert_input(to, from, code > 0 ? code - 1 : 1);
}

/* From where on nearest leaves 0 (E8M0: its lowest number), and overflows. */
static const double leaves_zero[BYTES] = {0x1p-10, 0x1p-17,   0x1p-10, 0x1p-7,
                                          0x1p-7,  0x1p-11,   0x1p-18, 0x1p-14,
                                          0x1p-10, 0x1.8p-127};
static const double overflows_at[BYTES] = {464, 61440, 248, 15.75, 30.5,
                                           248, 61440, 31,  464,   0x1.8p127};

static void every_number_and_midpoint_is_an_input(int to, int from) {
  const slow_fp8 *s = &slows[to];
  int code;
  for (code = 0; code <= s->largest; ++code) {
    assert_around(to, from, s->value[code]);
    assert_around(to, from, (s->value[code] + s->value[code + 1]) / 2);
  }
  assert_around(to, from, overflows_at[to]);
  assert_around(to, from, leaves_zero[to]);
}

/* Zeros, infinities, NaNs and both ends of every binade among them. */
static void every_corner_is_an_input(int to, int from) {
  const int M = kinds[from].f.mantissa_bits;
  const uint64_t hidden = (uint64_t)1 << M;
  uint64_t e;
  for (e = 0; e < (uint64_t)1 << kinds[from].f.exponent_bits; ++e) {
    assert_input(to, from, e * hidden);
    assert_input(to, from, e * hidden + (hidden > 1));
    assert_input(to, from, e * hidden + (hidden > 1 ? hidden / 2 : 0));
    assert_input(to, from, e * hidden + hidden - 1);
  }
}

static void boundaries_hold_what_they_promise(void **state) {
  int to, from;
  (void)state;
  for (to = 0; to < BYTES; ++to)
    for (from = FLOAT16; from < KINDS; ++from) {
      make_inputs(to, from);
      every_number_and_midpoint_is_an_input(to, from);
      every_corner_is_an_input(to, from);
      assert_true(input[inputs - 1] >> (width(&kinds[from]) - 1) == 1);
    }
}

static void boundaries_have_the_stated_count(void **state) {
  static const uint64_t corners[] = {8 * 32, 8 * 256, 8 * 256, 8 * 2048};
  int to, from;
  (void)state;
  for (to = 0; to < BYTES; ++to)
    for (from = FLOAT16; from < KINDS; ++from)
      assert_int_equal(sste_check_boundary_count(kinds[to].f, kinds[from].f),
                       12 * (kinds[to].largest + 1) + corners[from - FLOAT16]);
  assert_int_equal(sste_check_boundary_count(kinds[E4M3FN].f, kinds[FLOAT32].f),
                   3572);
  assert_int_equal(sste_check_boundary(kinds[E4M3FN].f, kinds[FLOAT32].f, 8),
                   0x3A800000);
}

static void boundaries_come_with_both_signs(void **state) {
  int to, from;
  uint64_t i;
  (void)state;
  for (to = 0; to < BYTES; ++to)
    for (from = FLOAT16; from < KINDS; ++from) {
      const sste_fp8_format f = kinds[to].f, g = kinds[from].f;
      for (i = 0; i < sste_check_boundary_count(f, g); i += 2)
        assert_int_equal(sste_check_boundary(f, g, i) ^ sign_of(&kinds[from]),
                         sste_check_boundary(f, g, i + 1));
    }
}

/* Any format will do on either side, with or without sign or zero. */
static void boundaries_between_narrow_formats(void **state) {
  int to, from;
  (void)state;
  for (to = 0; to < BYTES; ++to)
    for (from = 0; from < BYTES; ++from) {
      make_inputs(to, from);
      every_corner_is_an_input(to, from);
      assert_true(input[inputs - 1] <= 0xFF);
    }
}

/* An encoder is a staircase over the codes of `from`. That every step of the
 * right one lies between two inputs means that none of its steps can be moved
 * by even one code without notice.                                          */
static void no_step_of_an_encoder_can_move(int to, int from, int rounding,
                                           int overflow) {
  sste_fp8_rule rule = sste_fp8_saturating();
  int code, sign;
  rule.rounding = rounding;
  rule.overflow = overflow;
  for (sign = 0; sign <= 1; ++sign) {
    int before = -1;
    for (code = 0; code <= (int)kinds[from].infinity; ++code) {
      const int at = code + sign * (int)sign_of(&kinds[from]);
      const int now = slow_fp8_convert(
          &slows[to], rule, slow_number_of_code(&slows[from], at), 0);
      if (now != before && code > 0) {
        assert_input(to, from, (uint64_t)at);
        assert_input(to, from, (uint64_t)at - 1);
      }
      before = now;
    }
  }
}

static void every_step_lies_between_two_inputs(void **state) {
  static const int rounding[] = {
      SSTE_ROUND_NEAREST_EVEN, SSTE_ROUND_NEAREST_AWAY, SSTE_ROUND_TOWARD_ZERO,
      SSTE_ROUND_UP, SSTE_ROUND_ODD};
  const int roundings = test_level() == 2 ? LENGTH(rounding) : 1;
  int to, from, r;
  (void)state;
  for (to = 0; to < BYTES; ++to)
    for (from = FLOAT16; from <= BFLOAT16; ++from) {
      make_inputs(to, from);
      for (r = 0; r < roundings; ++r)
        no_step_of_an_encoder_can_move(to, from, rounding[r],
                                       SSTE_OVERFLOW_NONE);
    }
}

/* Encoders as people get them wrong. */
enum {
  TIES_AWAY,
  TIES_TO_ODD,
  TRUNCATES,
  ROUNDS_UP,
  VIA_FLOAT16,
  VIA_BFLOAT16,
  VIA_FLOAT32,
  SATURATES,
  INFINITY_SATURATES,
  LIMIT_OVERFLOWS,
  LARGEST_IS_LESS,
  FLUSHES_RESULTS,
  FLUSHES_INPUTS,
  WRONG_ENCODERS
};

static uint64_t encode(int to, int from, uint64_t code, int rounding, int via) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.overflow = SSTE_OVERFLOW_NONE;
  rule.rounding = rounding;
  rule.via = via;
  return sste_fp8_convert(kinds[to].f, rule, kinds[from].f, code, 0);
}
static uint64_t encode_right(int to, int from, uint64_t code) {
  return encode(to, from, code, SSTE_ROUND_NEAREST_EVEN, SSTE_VIA_NOTHING);
}

/* Whether a code lies midway between two numbers. */
static int is_midpoint(int to, int from, uint64_t code, uint64_t cut,
                       uint64_t away) {
  const double twice = 2 * value_of(from, code);
  const double sum = value_of(to, cut) + value_of(to, away);
  return cut != away && twice >= sum && twice <= sum;
}

static uint64_t encode_wrong(int to, int from, uint64_t code, int how) {
  const kind *k = &kinds[to];
  const uint64_t right = encode_right(to, from, code);
  const uint64_t away =
      encode(to, from, code, SSTE_ROUND_NEAREST_AWAY, SSTE_VIA_NOTHING);
  const uint64_t cut =
      encode(to, from, code, SSTE_ROUND_TOWARD_ZERO, SSTE_VIA_NOTHING);
  const uint64_t sign = sign_of(k), size = right & ~sign;
  const uint64_t hidden = (uint64_t)1 << k->f.mantissa_bits;
  const uint64_t inner = (uint64_t)1 << kinds[from].f.mantissa_bits;
  const int flush = (code & ~sign_of(&kinds[from])) < inner;
  switch (how) {
    case TIES_AWAY: return away;
    case TIES_TO_ODD:
      if (!is_midpoint(to, from, code, cut, away)) return right;
      return right == away ? cut : away;
    case TRUNCATES: return cut;
    case ROUNDS_UP:
      return encode(to, from, code, SSTE_ROUND_UP, SSTE_VIA_NOTHING);
    case VIA_FLOAT16:
    case VIA_BFLOAT16:
    case VIA_FLOAT32:
      return encode(to, from, code, SSTE_ROUND_NEAREST_EVEN,
                    how - VIA_FLOAT16 + SSTE_VIA_FLOAT16);
    case SATURATES: return (cut & ~sign) == k->largest ? cut : right;
    case LIMIT_OVERFLOWS: return size == k->largest ? away : right;
    case FLUSHES_RESULTS:
      return size < hidden && k->f.mantissa_bits > 0 ? right & sign : right;
    case FLUSHES_INPUTS:
      return encode_right(to, from, flush ? code / inner * inner : code);
    case INFINITY_SATURATES:
      return isinf(value_of(from, code)) ? k->largest : right;
    default: return size == k->largest ? right - 1 : right;
  }
}

static int inputs_catch(int to, int from, int how) {
  int i;
  for (i = 0; i < inputs; ++i)
    if (encode_wrong(to, from, input[i], how) !=
        encode_right(to, from, input[i]))
      return 1;
  return 0;
}

/* Code i of `from`; of many bits, one that is, or is beside, a number of 16. */
static uint64_t any_code(int from, int i) {
  const int short_kind = i % 2 == 0 ? FLOAT16 : BFLOAT16;
  double x;
  if (from < SHORTS) return (uint64_t)i;
  x = value_of(short_kind, (uint64_t)i / 6);
  return (from == FLOAT32 ? test_bits((float)x) : bits_of(x)) +
         (uint64_t)(i / 2 % 3) - 1;
}

/* What the inputs let pass must be right everywhere: exhaustively from 16 bits,
 * by a sample from more.                                                    */
static void assert_never_wrong(int to, int from, int how) {
  const int all = from < SHORTS ? 65536 : 6 * 65536;
  const int stride = test_level() == 2 ? 1 : 13;
  int i;
  for (i = 0; i < all; i += stride) {
    const uint64_t code =
        any_code(from, i) & UINT64_MAX >> (64 - width(&kinds[from]));
    if (encode_wrong(to, from, code, how) != encode_right(to, from, code))
      fail_msg("wrong encoder %d, %s to %s: %llX is not caught", how,
               kinds[from].name, kinds[to].name, (unsigned long long)code);
  }
}

static void wrong_encoders_are_caught(void **state) {
  int caught[WRONG_ENCODERS] = {0};
  int to, from, how;
  (void)state;
  for (to = 0; to < BYTES; ++to)
    for (from = FLOAT16; from < KINDS; ++from) {
      make_inputs(to, from);
      for (how = 0; how < WRONG_ENCODERS; ++how)
        if (inputs_catch(to, from, how))
          ++caught[how];
        else
          assert_never_wrong(to, from, how);
    }
  for (how = 0; how < WRONG_ENCODERS; ++how) assert_true(caught[how] > 0);
}

/* A draw of MVUE decides between two uniforms of 23 bits where the survivors
 * change. Both are among the words, unless products of tau are subnormal. */
static int is_mvue_uniform(const float a[4], uint32_t uniform) {
  int i;
  for (i = 0; i < SSTE_CHECK_MVUE_WORDS; ++i)
    if (sste_check_mvue_word(a, i) >> 9 == uniform) return 1;
  return 0;
}

static int count_decisions(const float a[4]) {
  const slow_map m = slow_mvue24_map(a);
  int s, decisions = 0;
  for (s = 1; s < m.segments; ++s) {
    if (m.mask[s] == m.mask[s - 1]) continue;
    ++decisions;
    if (!is_mvue_uniform(a, m.start[s] - 1) || !is_mvue_uniform(a, m.start[s]))
      fail_msg("%a %a %a %a: %06X", (double)a[0], (double)a[1], (double)a[2],
               (double)a[3], (unsigned)m.start[s]);
  }
  return decisions;
}

static void every_decision_of_an_mvue_draw_has_words(void **state) {
  const int groups = test_level() == 2 ? 100000 : 1000;
  int d, n, decisions = 0;
  (void)state;
  for (d = 0; d < SSTE_DRAWS; ++d)
    for (n = 0; n < groups; ++n) {
      float a[4];
      sste_check_group_draw(a, d, seed, 0, (uint64_t)n);
      if (d == SSTE_DRAW_SUBNORMAL || d == SSTE_DRAW_NANS ||
          d == SSTE_DRAW_SPECIALS)
        continue;
      decisions += count_decisions(a);
    }
  assert_true(decisions > 10 * groups);
}

/* The distance of two points on a circle of length 1. */
static double apart(double x, double y) {
  const double d = x - y - floor(x - y);
  return fmin(d, 1 - d);
}

/* They lie where the ends are, 2^-24 apart; sums are taken in float. */
static void mvue_words_are_the_ends_of_cells(void **state) {
  int n, i, j;
  (void)state;
  for (n = 0; n < 10000; ++n) {
    double b[4], others = 0, tau, end = 0;
    float a[4];
    sste_check_group_draw(a, (int)below(SSTE_DRAW_SUBNORMAL), seed, 0,
                          (uint64_t)n);
    for (j = 0; j < 4; ++j) b[j] = fabs((double)a[j]);
    for (j = 0; j < 4; ++j) others += j == slow_top(a) ? 0 : b[j];
    tau = fmin((others + b[slow_top(a)]) / 2, others);
    for (i = 0; i < SSTE_CHECK_MVUE_WORDS && tau > 0; ++i) {
      const double word = (double)sste_check_mvue_word(a, i) * 0x1p-32;
      if (i % 9 == 0) end += fmin(b[i / 9], tau);
      assert_near(apart(word, end / tau + (i % 9 - 4) * 0x1p-24), 0, 0x1p-21);
    }
  }
}

static void mvue_words_lie_beside_the_ends(void **state) {
  static const float ones[] = {1, 1, 1, 1}, none[] = {0, 0, 0, -0.0f};
  static const float bad[] = {1, NAN, 1, 1};
  static const float huge[] = {1, INFINITY, -INFINITY, 1};
  static const float vast[] = {3e38f, 3e38f, 3e38f, INFINITY};
  int i;
  (void)state;
  for (i = 0; i < SSTE_CHECK_MVUE_WORDS; ++i) {
    const uint32_t around_0 = (uint32_t)(i % 9) * 0x100 - 0x400;
    const uint32_t half = i / 9 % 2 == 0 ? 0x80000000u : 0;
    /* The ends are 1/2, 1, 3/2 and 2. */
    assert_int_equal(sste_check_mvue_word(ones, i), half + around_0);
    assert_int_equal(sste_check_mvue_word(none, i), around_0);
    assert_int_equal(sste_check_mvue_word(bad, i), around_0);
    assert_int_equal(sste_check_mvue_word(huge, i), around_0);
    if (i >= 27) assert_int_equal(sste_check_mvue_word(vast, i), around_0);
  }
}

/* ---- 3. Tensors ---------------------------------------------------------- */

enum { ROWS = 2048, COLS = 128, ENTRIES = ROWS * COLS };
static float sample[ENTRIES];

static void draw(int draw_kind, size_t rows, size_t cols) {
  assert_int_equal(
      sste_check_tensor_draw(sample, cols, rows, cols, draw_kind, seed),
      SSTE_OK);
}

/* A mean, known up to 6 of its standard errors. */
typedef struct mean {
  double n, sum, squares;
} mean;

static void count(mean *m, double x) {
  m->n += 1;
  m->sum += x;
  m->squares += x * x;
}

static void assert_mean(mean m, double want) {
  const double got = m.sum / m.n;
  const double variance = m.squares / m.n - got * got;
  assert_near(got, want, 6 * sqrt(variance / m.n) + 1e-12);
}

static int exponent_field(float x) { return (int)(test_bits(x) >> 23 & 0xFF); }
static int is_negative(float x) { return (int)(test_bits(x) >> 31); }
static int is_zero(float x) { return (test_bits(x) << 1) == 0; }

/* Signs are as often of one kind as of the other, those of zeros too. */
static void assert_both_signs(int zeros_only) {
  mean sign = {0, 0, 0};
  int i;
  for (i = 0; i < ENTRIES; ++i)
    if (!zeros_only || is_zero(sample[i])) count(&sign, is_negative(sample[i]));
  assert_mean(sign, 0.5);
}

/* The places where a group is not zero, as bits. */
static int places(const float *group) {
  int i, mask = 0;
  for (i = 0; i < 4; ++i) mask |= !is_zero(group[i]) << i;
  return mask;
}

/* Sums of four uniform numbers have the fourth moment 3 - 6/5 / 4. */
static void assert_normal(const float *x, int n) {
  mean first = {0, 0, 0}, second = first, fourth = first, beside = first;
  int i;
  for (i = 0; i < n; ++i) {
    const double a = (double)x[i];
    assert_true(fabs(a) <= 3.5);
    count(&first, a);
    count(&second, a * a);
    count(&fourth, a * a * a * a);
    if (i > 0) count(&beside, a * (double)x[i - 1]);
  }
  assert_mean(first, 0);
  assert_mean(second, 1);
  assert_mean(fourth, 2.7);
  assert_mean(beside, 0);
}

static void normal_is_bell_shaped(void **state) {
  (void)state;
  draw(SSTE_DRAW_NORMAL, ROWS, COLS);
  assert_normal(sample, ENTRIES);
}

/* Whether a column's weights are 16 times larger: then most of them, instead of
 * an eighth at most, lie beyond the 3.5 * 0.02 where ordinary ones end.     */
static int is_outlier(int rows, int cols, int c) {
  mean beyond = {0, 0, 0};
  int r;
  for (r = 0; r < rows; ++r)
    count(&beyond, fabs((double)sample[r * cols + c]) > 3.5 * 0.02);
  assert_true(beyond.sum < 0.4 * rows || beyond.sum > 0.5 * rows);
  return beyond.sum > 0.45 * rows;
}

static void weights_have_outlier_columns(void **state) {
  enum { TALL = 64, WIDE = ENTRIES / TALL };
  mean outliers = {0, 0, 0}, second = outliers;
  int r, c;
  (void)state;
  draw(SSTE_DRAW_WEIGHTS, TALL, WIDE);
  for (c = 0; c < WIDE; ++c) {
    const int outlier = is_outlier(TALL, WIDE, c);
    count(&outliers, outlier);
    for (r = 0; outlier && r < TALL; ++r) {
      const double x = (double)sample[r * WIDE + c] / (16 * 0.02);
      count(&second, x * x);
    }
  }
  assert_mean(outliers, 1 / 64.0);
  assert_mean(second, 11.5); /* as below */
}

/* One entry in eight is 2, 4, 8 or 16 times larger: the mean square is
 * 7/8 + (4 + 16 + 64 + 256) / 32, the mean fourth power 2.7 times
 * 7/8 + (16 + 256 + 4096 + 65536) / 32.                                     */
static void weights_have_heavy_tails(void **state) {
  mean second = {0, 0, 0}, fourth = second, tail = second;
  int r, c;
  (void)state;
  draw(SSTE_DRAW_WEIGHTS, ROWS, COLS);
  for (c = 0; c < COLS; ++c) {
    if (is_outlier(ROWS, COLS, c)) continue;
    for (r = 0; r < ROWS; ++r) {
      const double x = fabs((double)sample[r * COLS + c]) / 0.02;
      assert_true(x <= 16 * 3.5);
      count(&second, x * x);
      count(&fourth, x * x * x * x);
      count(&tail, x > 3.5);
    }
  }
  assert_mean(second, 11.5);
  assert_mean(fourth, 2.7 * 2185.375);
  assert_true(tail.sum > 0.05 * tail.n && tail.sum < 0.125 * tail.n);
}

static void bfloat16_is_normal_rounded(void **state) {
  static float wide[ENTRIES];
  int i;
  (void)state;
  draw(SSTE_DRAW_NORMAL, ROWS, COLS);
  memcpy(wide, sample, sizeof wide);
  draw(SSTE_DRAW_BFLOAT16, ROWS, COLS);
  for (i = 0; i < ENTRIES; ++i) {
    const uint32_t b = test_bits(wide[i]);
    const uint32_t half = 0x7FFF + (b >> 16 & 1); /* a tie goes to even */
    assert_int_equal(test_bits(sample[i]), (b + half) >> 16 << 16);
  }
}

/* How often a number occurs in the sample, and how often its neighbours do. */
static int float_order(const void *p, const void *q) {
  const float a = *(const float *)p, b = *(const float *)q;
  return (a > b) - (a < b);
}
static int is_drawn(float x) {
  return bsearch(&x, sample, ENTRIES, sizeof x, float_order) != NULL;
}

static void assert_drawn(double a) {
  int sign;
  for (sign = -1; sign <= 1; sign += 2) {
    const float x = (float)(sign * a);
    assert_true(is_drawn(x) && is_drawn(nextafterf(x, 0)) &&
                is_drawn(nextafterf(x, (float)sign * INFINITY)));
  }
}

static void midpoints_of_both_formats_are_drawn(void **state) {
  int i, code;
  (void)state;
  draw(SSTE_DRAW_MIDPOINTS, ROWS, COLS);
  qsort(sample, ENTRIES, sizeof *sample, float_order);
  for (i = E4M3FN; i <= E5M2; ++i)
    for (code = 0; code <= slows[i].largest; ++code) {
      const double *v = slows[i].value;
      if (code > 0) assert_drawn(v[code]);
      assert_drawn((v[code] + v[code + 1]) / 2);
    }
}

static void midpoints_are_off_by_one_ulp_at_most(void **state) {
  mean off = {0, 0, 0}, up = off, pairs = off, even = off;
  int i;
  (void)state;
  draw(SSTE_DRAW_MIDPOINTS, ROWS, COLS);
  for (i = 0; i < ENTRIES; ++i) {
    const uint32_t rest = test_bits(sample[i]) & 0x7FFFF; /* of 5 bits */
    assert_true(rest == 0 || rest == 1 || rest == 0x7FFFF);
    if (is_zero(sample[i])) continue;
    count(&off, rest != 0);
    if (rest != 0) count(&up, rest == 1);
  }
  for (i = 0; i < ENTRIES; i += 4) {
    const int mask = places(sample + i);
    assert_true(mask == 15 || mask == 5 || mask == 10);
    count(&pairs, mask != 15);
    if (mask != 15) count(&even, mask == 5);
  }
  assert_mean(off, 0.5);
  assert_mean(up, 0.5);
  assert_mean(pairs, 0.5);
  assert_mean(even, 0.5);
  assert_both_signs(0);
  assert_both_signs(1);
}

static void ties_are_small_integers_of_both_signs(void **state) {
  mean value[4] = {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}};
  int i, v;
  (void)state;
  draw(SSTE_DRAW_TIES, ROWS, COLS);
  for (i = 0; i < ENTRIES; ++i) {
    const float a = fabsf(sample[i]);
    assert_true(a <= 3 && a == floorf(a));
    for (v = 0; v < 4; ++v) count(&value[v], a == (float)v);
  }
  for (v = 0; v < 4; ++v) assert_mean(value[v], 0.25);
  assert_both_signs(0);
  assert_both_signs(1);
}

/* want[mask] of 16 groups have their non-zeros where the mask says. */
static void assert_patterns(int draw_kind, const int want[16]) {
  mean pattern[16];
  int i, mask;
  memset(pattern, 0, sizeof pattern);
  draw(draw_kind, ROWS, COLS);
  for (i = 0; i < ENTRIES; i += 4)
    for (mask = 0; mask < 16; ++mask)
      count(&pattern[mask], places(sample + i) == mask);
  for (mask = 0; mask < 16; ++mask)
    assert_mean(pattern[mask], want[mask] / 16.0);
  assert_both_signs(0);
  assert_both_signs(1);
}

static void zeros_come_in_every_pattern(void **state) {
  static const int each[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  (void)state;
  assert_patterns(SSTE_DRAW_ZEROS, each);
}

/* Of three or four non-zeros the first ones are dropped. */
static void sparse_comes_in_every_pattern_of_two(void **state) {
  static const int kept[16] = {1, 1, 1, 1, 1, 1, 2, 0, 1, 1, 2, 0, 4, 0, 0, 0};
  (void)state;
  assert_patterns(SSTE_DRAW_SPARSE, kept);
}

/* In binary exponents: three entries lie in [-17, -14], and one in [-13, 27],
 * each as often, at each place as often.                                    */
static void one_entry_dominates(void **state) {
  mean place[4];
  int lead[41] = {0}, i, j;
  (void)state;
  memset(place, 0, sizeof place);
  draw(SSTE_DRAW_DOMINANT, ROWS, COLS);
  for (i = 0; i < ENTRIES; i += 4) {
    int above = -1;
    for (j = 0; j < 4; ++j) {
      const int e = ilogbf(sample[i + j]);
      assert_true(e >= -17 && e <= 27);
      if (e <= -14) continue;
      assert_int_equal(above, -1); /* no other so far */
      above = j;
      ++lead[e + 13];
    }
    assert_true(above >= 0);
    for (j = 0; j < 4; ++j) count(&place[j], j == above);
  }
  for (j = 0; j < 4; ++j) assert_mean(place[j], 0.25);
  for (i = 0; i < 41; ++i) assert_true(lead[i] > 1000);
  assert_both_signs(0);
}

/* All exponent fields from `low` to `high` are as frequent. */
static void assert_fields(int draw_kind, int low, int high) {
  mean field[255];
  int i, e;
  memset(field, 0, sizeof field);
  draw(draw_kind, ROWS, COLS);
  for (i = 0; i < ENTRIES; ++i) {
    const int got = exponent_field(sample[i]);
    assert_true(low <= got && got <= high);
    for (e = low; e <= high; ++e) count(&field[e], e == got);
  }
  for (e = low; e <= high; ++e) assert_mean(field[e], 1.0 / (high - low + 1));
  assert_both_signs(0);
}

static void exponents_are_as_stated(void **state) {
  (void)state;
  assert_fields(SSTE_DRAW_RANGE, 1, 254);
  assert_fields(SSTE_DRAW_HUGE, 252, 254);
}

/* A mantissa of 23 bits is uniform: its mean is half of 2^23. */
static void mantissas_are_whole(void **state) {
  static const int uniform[] = {SSTE_DRAW_HUGE, SSTE_DRAW_RANGE,
                                SSTE_DRAW_DOMINANT};
  int k, i;
  (void)state;
  for (k = 0; k < LENGTH(uniform); ++k) {
    mean mantissa = {0, 0, 0}, last = {0, 0, 0};
    draw(uniform[k], ROWS, COLS);
    for (i = 0; i < ENTRIES; ++i) {
      count(&mantissa, test_bits(sample[i]) & 0x7FFFFF);
      count(&last, test_bits(sample[i]) & 1);
    }
    assert_mean(mantissa, 0x1p22 - 0.5);
    assert_mean(last, 0.5);
  }
}

/* 24 random bits are shifted down by 0 to 23: the highest that is left is bit t
 * in (1 - 2^(t - 24)) / 24 of all, and none is left as often as bit 0 is the
 * highest.                                                                  */
static void subnormals_are_of_every_length(void **state) {
  mean top[25];
  int i, t;
  (void)state;
  memset(top, 0, sizeof top);
  draw(SSTE_DRAW_SUBNORMAL, ROWS, COLS);
  for (i = 0; i < ENTRIES; ++i) {
    const int got_top = is_zero(sample[i]) ? 24 : ilogbf(sample[i]) + 149;
    assert_true(0 <= got_top && got_top <= 24);
    for (t = 0; t <= 24; ++t) count(&top[t], t == got_top);
  }
  for (t = 0; t < 24; ++t) assert_mean(top[t], (1 - ldexp(1, t - 24)) / 24);
  assert_both_signs(0);
  assert_both_signs(1);
}

static void flat_groups_have_one_magnitude(void **state) {
  mean alike = {0, 0, 0};
  int i, j;
  (void)state;
  draw(SSTE_DRAW_FLAT, ROWS, COLS);
  for (i = 0; i < ENTRIES; i += 4) {
    const float a = fabsf(sample[i]);
    assert_int_equal(is_zero(a), i / COLS % 4 == 3);
    if (!is_zero(a)) assert_true(a >= 0x1p-7f && a < 0x1p9f);
    for (j = 1; j < 4; ++j) assert_same_float(fabsf(sample[i + j]), a);
    if (i > 0 && !is_zero(a)) count(&alike, a == fabsf(sample[i - 4]));
  }
  assert_true(alike.sum < 5);
  assert_both_signs(0);
  assert_both_signs(1);
}

static void nans_are_few_and_of_every_kind(void **state) {
  mean nan = {0, 0, 0}, quiet = nan, sign = nan;
  int i, rest = 0;
  (void)state;
  draw(SSTE_DRAW_NANS, ROWS, COLS);
  for (i = 0; i < ENTRIES; ++i) {
    const int is_nan = isnan(sample[i]) != 0;
    count(&nan, is_nan);
    if (is_nan) {
      count(&quiet, test_bits(sample[i]) >> 22 & 1);
      count(&sign, is_negative(sample[i]));
    } else {
      sample[rest++] = sample[i];
    }
  }
  assert_mean(nan, 1 / 256.0);
  assert_mean(quiet, 0.5);
  assert_mean(sign, 0.5);
  assert_normal(sample, rest);
}

static void specials_of_every_kind_are_drawn(void **state) {
  mean nan = {0, 0, 0}, inf = nan, zero = nan, most = nan, quiet = nan;
  int i, rest = 0;
  (void)state;
  draw(SSTE_DRAW_SPECIALS, ROWS, COLS);
  assert_both_signs(0);
  assert_both_signs(1);
  for (i = 0; i < ENTRIES; ++i) {
    const float a = fabsf(sample[i]);
    const int is_nan = isnan(a) != 0;
    count(&nan, is_nan);
    if (is_nan) count(&quiet, test_bits(a) >> 22 & 1);
    count(&inf, !is_nan && a > FLT_MAX);
    count(&zero, is_zero(a));
    count(&most, test_bits(a) == 0x7F7FFFFF);
    if (!is_nan && !is_zero(a) && a < FLT_MAX) sample[rest++] = sample[i];
  }
  assert_mean(nan, 0.125);
  assert_mean(inf, 0.125);
  assert_mean(zero, 0.125);
  assert_mean(most, 0.125);
  assert_mean(quiet, 0.5);
  assert_normal(sample, rest);
}

static void integers_are_exact_in_any_order(void **state) {
  mean value[7];
  int i, v;
  (void)state;
  memset(value, 0, sizeof value);
  draw(SSTE_DRAW_INTEGERS, ROWS, COLS);
  for (i = 0; i < ENTRIES; ++i) {
    assert_true(fabsf(sample[i]) <= 3 && sample[i] == floorf(sample[i]));
    assert_true(test_bits(sample[i]) != 0x80000000);
    for (v = 0; v < 7; ++v) count(&value[v], sample[i] == (float)(v - 3));
  }
  for (v = 0; v < 7; ++v) assert_mean(value[v], 1 / 7.0);
  assert_true(910 * 9 < 8192 && 911 * 9 > 8192);
  assert_true(1864135 * 9 < 1 << 24 && 1864136 * 9 > 1 << 24);
}

/* The generator once more: splitmix64 within splitmix64, see slow_draw_word. */
static void words_are_those_of_splitmix64(void **state) {
  int n, i;
  (void)state;
  for (n = 0; n < 2000; ++n) {
    const uint64_t row = below(50), group = below(50), s = test_random(&seed);
    float x[4];
    for (i = 0; i < 4; ++i) {
      const uint64_t w = slow_draw_word(s, row, group, (uint64_t)i);
      const double sum = (double)(w >> 48) + (double)(w >> 32 & 65535) +
                         (double)(w >> 16 & 65535) + (double)(w & 65535);
      const float sign = w >> 63 ? -1.0f : 1.0f;
      sste_check_group_draw(x, SSTE_DRAW_NORMAL, s, row, group);
      assert_near(x[i], (sum - 131070) / 37837, 3e-7);
      sste_check_group_draw(x, SSTE_DRAW_TIES, s, row, group);
      assert_same_float(x[i], copysignf((float)(w % 4), sign));
      sste_check_group_draw(x, SSTE_DRAW_INTEGERS, s, row, group);
      assert_same_float(x[i], (float)((w >> 24) % 7) - 3);
      sste_check_group_draw(x, SSTE_DRAW_ZEROS, s, row, group);
      assert_int_equal(places(x), slow_draw_word(s, row, group, 4) % 16);
    }
  }
}

/* FNV-1a of the bits of 64 x 67 floats, lowest byte first. */
static uint64_t checksum(int draw_kind) {
  uint64_t hash = 0xCBF29CE484222325;
  int i, shift;
  assert_int_equal(sste_check_tensor_draw(sample, 67, 64, 67, draw_kind, 1),
                   SSTE_OK);
  for (i = 0; i < 64 * 67; ++i)
    for (shift = 0; shift < 32; shift += 8)
      hash = (hash ^ (test_bits(sample[i]) >> shift & 0xFF)) * 0x100000001B3;
  return hash;
}

/* Somebody may have stored what was drawn. Where a draw is meant to change, the
 * new numbers are those that this test prints.                              */
static void draws_are_what_they_were(void **state) {
  static const uint64_t pinned[SSTE_DRAWS] = {
      0xC5FF866010434D5F, 0x467156378EBCECB5, 0xD34B0B760C3F64A6,
      0x6486F9664FC9232C, 0x761E857ED10B56E5, 0x950957566473F9C1,
      0xDFD64BBA1428C29C, 0x04DDF6F8EEBE64D6, 0x1F675CB84E52780A,
      0xD9131D594CEF5547, 0xD051685D595BEFB2, 0xE50B4E9D2151EAAD,
      0x70831BE61285DE30, 0x8BCA4D0D88F02412, 0x4E47706FCEF902A5};
  int k, changed = 0;
  (void)state;
  for (k = 0; k < SSTE_DRAWS; ++k)
    if (checksum(k) != pinned[k]) {
      fprintf(stderr, "%s: 0x%016llX\n", sste_check_draw_name(k),
              (unsigned long long)checksum(k));
      ++changed;
    }
  assert_int_equal(changed, 0);
}

static void the_example_of_a_draw(void **state) {
  float x[4];
  (void)state;
  sste_check_tensor_draw(x, 4, 1, 4, SSTE_DRAW_INTEGERS, 1);
  assert_true(x[0] == 0 && x[1] == -3 && x[2] == -3 && x[3] == 1);
}

/* Any number of columns, rows further apart than they are long. */
static void a_tensor_is_its_groups(void **state) {
  static float padded[9 * 40];
  int k, cols, r, c;
  (void)state;
  for (k = 0; k < SSTE_DRAWS; ++k)
    for (cols = 0; cols <= 33; cols += 3) {
      test_poison(padded, sizeof padded);
      assert_int_equal(
          sste_check_tensor_draw(padded, 40, 9, (size_t)cols, k, seed),
          SSTE_OK);
      for (r = 0; r < 9; ++r)
        for (c = 0; c < 40; ++c) {
          float x[4];
          sste_check_group_draw(x, k, seed, (uint64_t)r, (uint64_t)c / 4);
          assert_int_equal(test_bits(padded[40 * r + c]),
                           c < cols ? test_bits(x[c % 4]) : 0xCACACACA);
        }
    }
}

static void threads_draw_the_same(void **state) {
  static float other[ENTRIES];
  static const int threads[] = {1, 2, 5};
  int k, t;
  (void)state;
  for (k = 0; k < SSTE_DRAWS; ++k)
    for (t = 0; t < LENGTH(threads); ++t) {
      test_threads(threads[t]);
      draw(k, ROWS / 16, COLS + 1);
      if (t == 0) memcpy(other, sample, sizeof other);
      assert_memory_equal(sample, other, sizeof other);
    }
}

static void seeds_rows_and_groups_draw_differently(void **state) {
  float base[4], x[4];
  int k;
  (void)state;
  for (k = 0; k < SSTE_DRAWS; ++k) {
    int same_seed = 0, same_row = 0, same_group = 0, n;
    for (n = 0; n < 200; ++n) {
      const uint64_t s = test_random(&seed), group = below(9);
      const uint64_t row = 4 * below(9) + below(2); /* no blank ones in FLAT */
      sste_check_group_draw(base, k, s, row, group);
      sste_check_group_draw(x, k, s + 1, row, group);
      same_seed += memcmp(x, base, sizeof x) == 0;
      sste_check_group_draw(x, k, s, row + 1, group);
      same_row += memcmp(x, base, sizeof x) == 0;
      sste_check_group_draw(x, k, s, row, group + 1);
      same_group += memcmp(x, base, sizeof x) == 0;
    }
    /* four integers of eight are alike once in 4096 times */
    assert_true(same_seed < 5 && same_row < 5 && same_group < 5);
  }
}

static void draws_have_names(void **state) {
  int a, b;
  (void)state;
  for (a = 0; a < SSTE_DRAWS; ++a)
    for (b = 0; b < a; ++b)
      assert_string_not_equal(sste_check_draw_name(a), sste_check_draw_name(b));
  assert_null(sste_check_draw_name(-1));
  assert_null(sste_check_draw_name(SSTE_DRAWS));
  assert_string_equal(sste_check_draw_name(SSTE_DRAW_NORMAL), "normal");
}

static void bad_draws_are_refused(void **state) {
  float x[8];
  int i;
  (void)state;
  test_poison(x, sizeof x);
  assert_int_equal(sste_check_tensor_draw(NULL, 4, 2, 4, 0, 1), SSTE_ERR_NULL);
  assert_int_equal(sste_check_tensor_draw(x, 3, 2, 4, 0, 1), SSTE_ERR_SHAPE);
  assert_int_equal(sste_check_tensor_draw(x, SIZE_MAX / 4, 2, 4, 0, 1),
                   SSTE_ERR_SIZE);
  assert_int_equal(sste_check_tensor_draw(x, 4, 2, 4, -1, 1), SSTE_ERR_VALUE);
  assert_int_equal(sste_check_tensor_draw(x, 4, 2, 4, SSTE_DRAWS, 1),
                   SSTE_ERR_VALUE);
  assert_int_equal(sste_check_tensor_draw(NULL, 0, 0, 4, 0, 1), SSTE_OK);
  assert_int_equal(sste_check_tensor_draw(NULL, 0, 4, 0, 0, 1), SSTE_OK);
  for (i = 0; i < 8; ++i) assert_int_equal(test_bits(x[i]), 0xCACACACA);
}
/* ---- 4. The interval ----------------------------------------------------- */

/* What a kernel that rounds by way of another format sees of x. */
static slow_number passed_on(slow_number x, int via) {
  const int i = via == SSTE_VIA_FLOAT16 ? FLOAT16 : BFLOAT16;
  sste_fp8_rule nearest = sste_fp8_saturating();
  if (via == SSTE_VIA_NOTHING) return x;
  nearest.overflow = SSTE_OVERFLOW_NONE;
  return slow_number_of_code(&slows[i],
                             slow_fp8_convert(&slows[i], nearest, x, 0));
}

/* Marks the codes that a real number may be rounded to. Of stochastic rounding
 * the extreme draws will do.                                                */
static void reach(int reached[256], int i, sste_fp8_rule rule, double x) {
  const slow_number n = passed_on(slow_number_of_double(x), rule.via);
  reached[slow_fp8_convert(&slows[i], rule, n, 0)] = 1;
  reached[slow_fp8_convert(&slows[i], rule, n, 0xFFFFFFFF)] = 1;
}

static int is_nan_code(int i, int code) {
  return lines[i].rank[code] == SLOW_NOWHERE;
}

/* Every code of the format against the marks; all NaNs are alike. */
static void assert_reached(const int reached[256], int i, sste_fp8_rule rule,
                           double x, double error) {
  int code, nan = 0;
  for (code = 0; code < lines[i].codes; ++code)
    nan |= is_nan_code(i, code) && reached[code];
  for (code = 0; code < lines[i].codes; ++code) {
    const int want = is_nan_code(i, code) ? nan : reached[code];
    if (sste_check_within(kinds[i].f, rule, (uint64_t)code, x, error) != want)
      fail_msg(
          "%s %02X, %a +- %a, rounding %d, overflow %d, drop %d, via %d: "
          "expected %d",
          kinds[i].name, (unsigned)code, x, error, rule.rounding, rule.overflow,
          rule.drop_sign, rule.via, want);
  }
}

/* An interval around a number or midpoint on a grid. All decisions lie on even
 * grid points, so that the grid points of an interval, its ends among them,
 * reach all codes that its reals do. `via_bits` is the precision of the format
 * on the way, whose own midpoints must be on the grid, too.                 */
typedef struct interval {
  int64_t middle, reach; /* in grid steps */
  int unit;              /* the step is 2^unit */
} interval;

static interval random_interval(int i, int via_bits) {
  const slow_fp8 *s = &slows[i];
  const double *v = s->value;
  const int span = via_bits > 0 || i == E8M0 ? 1 : 1 + (int)below(3);
  const int code = (int)below(below(4) == 0 ? 4 : (uint64_t)s->largest + 1);
  const int low = code > 2 * span ? code - 2 * span - 1 : 0;
  const double gap = v[code] - (code > 0 ? v[code - 1] : 0);
  const double point = below(2) == 0 ? v[code] : (v[code] + v[code + 1]) / 2;
  const double least = v[low] > 0 ? v[low] : v[1] / 2;
  interval n;
  n.unit = via_bits > 0 ? ilogb(least) - via_bits - 1
                        : ilogb(v[low + 1] - v[low]) - 3;
  n.middle = (int64_t)ldexp(point, -n.unit) + (int64_t)below(9) - 4;
  n.reach = (int64_t)below((uint64_t)(span * ldexp(gap, -n.unit)) + 1);
  if (below(4) == 0) n.reach = (int64_t)below(3);
  if (low == 0 && below(4) == 0) n.reach = llabs(n.middle); /* as far as 0 */
  if (below(2) == 0) n.middle = -n.middle;
  return n;
}

static sste_fp8_rule random_rule(int i) {
  static const int random_bits[] = {1, 2, 32};
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.rounding = (int)below(i == E8M0 ? 7 : 6);
  rule.overflow = (int)below(3);
  rule.random_bits = random_bits[below(3)];
  rule.drop_sign = (int)below(2);
  return rule;
}

static void check_interval(int i, sste_fp8_rule rule, interval n) {
  int reached[256] = {0};
  int64_t g;
  for (g = n.middle - n.reach; g <= n.middle + n.reach; ++g)
    reach(reached, i, rule, ldexp((double)g, n.unit));
  assert_reached(reached, i, rule, ldexp((double)n.middle, n.unit),
                 ldexp((double)n.reach, n.unit));
}

/* Whatever the rule, what a converter gives is right without any error. */
static void what_a_converter_gives_is_within(void **state) {
  const int trials = test_level() == 2 ? 1000000 : 20000;
  int n;
  (void)state;
  for (n = 0; n < trials; ++n) {
    const kind *k = &kinds[below(FLOAT64)];
    sste_fp8_rule rule = sste_fp8_saturating();
    uint64_t code;
    double x;
    rule.rounding = (int)below(6);
    rule.overflow = (int)below(3);
    rule.via = (int)below(4);
    rule.drop_sign = (int)below(2);
    x = ldexp((double)(int64_t)test_random(&seed), (int)below(300) - 213);
    if (below(4) == 0)
      x = ldexp((double)((int)below(64) - 32), (int)below(280) - 140);
    code = sste_fp8_convert(k->f, rule, kinds[FLOAT64].f, bits_of(x),
                            (uint32_t)test_random(&seed));
    if (!sste_check_within(k->f, rule, code, x, 0))
      fail_msg("%s %llX, %a, rounding %d, overflow %d, drop %d, via %d",
               k->name, (unsigned long long)code, x, rule.rounding,
               rule.overflow, rule.drop_sign, rule.via);
  }
}

/* 65504 is 2^16 in E8M0, though 2^16 is not a float16. */
static void a_code_may_lie_beyond_the_step_in_between(void **state) {
  sste_fp8_rule rule = sste_fp8_saturating();
  (void)state;
  rule.via = SSTE_VIA_FLOAT16;
  assert_true(sste_check_within(kinds[E8M0].f, rule, 0x8F, 65504, 0));
  assert_true(sste_check_within(kinds[BFLOAT16].f, rule, 0x4780, 65504, 0));
  rule.rounding = SSTE_ROUND_STOCHASTIC; /* 1.0625 lies between two codes */
  assert_true(sste_check_within(kinds[E4M3FN].f, rule, 0x38, 1.0625, 0));
  assert_true(sste_check_within(kinds[E4M3FN].f, rule, 0x39, 1.0625, 0));
  assert_false(sste_check_within(kinds[E4M3FN].f, rule, 0x3A, 1.0625, 0));
  rule.rounding = SSTE_ROUND_NEAREST_EVEN;
  assert_false(sste_check_within(kinds[FLOAT32].f, rule, 0x3F800001, 1, 1e-3));
  assert_true(sste_check_within(kinds[FLOAT32].f, rule, 0x3F802000, 1, 1e-3));
}

static void no_finite_number_is_rounded_to_an_infinity_it_cannot_reach(
    void **state) {
  const sste_fp8_format f = kinds[E5M2].f;
  sste_fp8_rule rule = sste_fp8_saturating();
  (void)state;
  rule.overflow = SSTE_OVERFLOW_SATURATE_FINITE;
  assert_false(sste_check_within(f, rule, 0x7C, 1, INFINITY));
  assert_false(sste_check_within(f, rule, 0x7C, DBL_MAX, DBL_MAX));
  assert_true(sste_check_within(f, rule, 0x7B, 1, INFINITY));
  assert_true(sste_check_within(f, rule, 0x7C, INFINITY, INFINITY));
  assert_false(sste_check_within(f, rule, 0xFC, -1, INFINITY));
  rule.overflow = SSTE_OVERFLOW_NONE;
  assert_true(sste_check_within(f, rule, 0xFC, 1, INFINITY));
  rule.rounding = SSTE_ROUND_TOWARD_ZERO;
  assert_false(sste_check_within(f, rule, 0x7C, 1, INFINITY));
}

static void within_is_what_the_interval_reaches(void **state) {
  const int trials = test_level() == 2 ? 100000 : 2000;
  int i, n;
  (void)state;
  for (i = 0; i < BYTES; ++i)
    for (n = 0; n < trials; ++n)
      check_interval(i, random_rule(i), random_interval(i, 0));
}

static void within_follows_a_rule_of_two_steps(void **state) {
  const int trials = test_level() == 2 ? 2000 : 100;
  int i, n;
  (void)state;
  for (i = 0; i < BYTES; ++i)
    for (n = 0; n < trials; ++n) {
      sste_fp8_rule rule = sste_fp8_saturating();
      rule.overflow = (int)below(3);
      rule.via = SSTE_VIA_FLOAT16 + n % 2;
      check_interval(i, rule,
                     random_interval(i, rule.via == SSTE_VIA_FLOAT16 ? 11 : 8));
    }
}

/* By way of float, the nearest double below a midpoint is the midpoint. */
static void within_by_way_of_float(void **state) {
  const sste_fp8_format f = kinds[E4M3FN].f;
  const double x = nextafter(1.1875, 0); /* 1.125 (39) and 1.25 (3A) */
  sste_fp8_rule rule = sste_fp8_saturating();
  (void)state;
  assert_true(sste_check_within(f, rule, 0x39, x, 0));
  assert_false(sste_check_within(f, rule, 0x3A, x, 0));
  rule.via = SSTE_VIA_FLOAT32;
  assert_false(sste_check_within(f, rule, 0x39, x, 0));
  assert_true(sste_check_within(f, rule, 0x3A, x, 0));
}

/* From x, `away` from the midpoint of two codes, an error of `away` just
 * reaches it. One ulp of the error decides, although x + error is no double. */
static void just_reaching(int i, uint64_t code, double away, int from_below) {
  const sste_fp8_format f = kinds[i].f;
  const sste_fp8_rule rule = sste_fp8_saturating();
  const double middle = (value_of(i, code) + value_of(i, code + 1)) / 2;
  const double x = from_below ? middle - away : middle + away;
  const uint64_t here = from_below ? code : code + 1;
  const uint64_t other = from_below ? code + 1 : code;
  assert_true(sste_check_within(f, rule, here, x, 0));
  assert_false(sste_check_within(f, rule, other, x, away / 2));
  assert_false(sste_check_within(f, rule, other, x, nextafter(away, 0)));
  assert_int_equal(sste_check_within(f, rule, other, x, away), other % 2 == 0);
  assert_true(sste_check_within(f, rule, other, x, nextafter(away, INFINITY)));
  assert_true(sste_check_within(f, rule, here, x, nextafter(away, INFINITY)));
}

static void one_ulp_of_the_error_decides(void **state) {
  int i, n, from_below;
  (void)state;
  for (i = 0; i < FLOAT64; ++i)
    for (n = 0; n < 300; ++n) {
      const uint64_t code = below(kinds[i].largest);
      const double m = (value_of(i, code) + value_of(i, code + 1)) / 2;
      const double ulp = m - nextafter(m, 0);
      const double steps = ldexp((double)(1 + below(1000)), (int)below(10));
      for (from_below = 0; from_below <= 1; ++from_below)
        just_reaching(i, code, (from_below ? 1 : 2) * ulp * steps, from_below);
    }
}

/* The other way round: x is tiny and the error nearly a midpoint. */
static void a_tiny_value_decides(void **state) {
  const sste_fp8_format f = kinds[E4M3FN].f;
  const sste_fp8_rule rule = sste_fp8_saturating();
  const double error = nextafter(1.0625, 0), rest = 1.0625 - error;
  (void)state;
  assert_false(sste_check_within(f, rule, 0x39, nextafter(rest, 0), error));
  assert_false(sste_check_within(f, rule, 0x39, rest, error)); /* 38 is even */
  assert_true(sste_check_within(f, rule, 0x39, nextafter(rest, 1), error));
  assert_false(sste_check_within(f, rule, 0xB9, -rest, error));
  assert_true(sste_check_within(f, rule, 0xB9, -nextafter(rest, 1), error));
}

static void infinities_and_nans_have_no_error(void **state) {
  static const double special[] = {NAN, INFINITY, -INFINITY};
  static const double errors[] = {0, 1, 1e300, INFINITY, NAN, -1};
  int i, n, s, e;
  (void)state;
  for (i = 0; i < BYTES; ++i)
    for (n = 0; n < 50; ++n)
      for (s = 0; s < LENGTH(special); ++s)
        for (e = 0; e < LENGTH(errors); ++e) {
          const sste_fp8_rule rule = random_rule(i);
          int reached[256] = {0};
          reach(reached, i, rule, special[s]);
          assert_reached(reached, i, rule, special[s], errors[e]);
        }
}

static void errors_that_are_none_count_as_zero(void **state) {
  int i, n;
  (void)state;
  for (i = 0; i < BYTES; ++i)
    for (n = 0; n < 200; ++n) {
      const sste_fp8_rule rule = random_rule(i);
      const double x = value_of(i, below((uint64_t)lines[i].codes));
      int reached[256] = {0};
      reach(reached, i, rule, x);
      assert_reached(reached, i, rule, x, 0);
      assert_reached(reached, i, rule, x, -0.0);
      assert_reached(reached, i, rule, x, -1);
      assert_reached(reached, i, rule, x, NAN);
    }
}

static void a_zero_has_the_signs_around_it(void **state) {
  static const struct {
    double x, error;
    int plus, minus;
  } t[] = {{0, 0, 1, 0},
           {-0.0, 0, 0, 1},
           {0, 0x1p-20, 1, 1},
           {0x1p-20, 0, 1, 0},
           {-0x1p-20, 0, 0, 1},
           {0x1p-20, 0x1p-20, 1, 0},
           {-0x1p-20, 0x1p-20, 1, 1},
           {0x1p-20, 0x1p-19, 1, 1},
           {1, 0.5, 0, 0},
           {-1, 0.5, 0, 0},
           {-1, 0.9999, 0, 1},
           {1, 0.9999, 1, 0}};
  const sste_fp8_rule rule = sste_fp8_saturating();
  int n;
  (void)state;
  for (n = 0; n < LENGTH(t); ++n) {
    const double x = t[n].x, e = t[n].error;
    assert_int_equal(sste_check_within(kinds[E4M3FN].f, rule, 0, x, e),
                     t[n].plus);
    assert_int_equal(sste_check_within(kinds[E4M3FN].f, rule, 0x80, x, e),
                     t[n].minus);
    assert_int_equal(sste_check_within(kinds[E4M3FNUZ].f, rule, 0, x, e),
                     t[n].plus || t[n].minus);
  }
}

static void the_example_of_within(void **state) {
  const sste_fp8_format f = kinds[E4M3FN].f;
  const sste_fp8_rule rule = sste_fp8_saturating();
  (void)state;
  assert_true(sste_check_within(f, rule, 0x38, 1.062, 0));
  assert_true(sste_check_within(f, rule, 0x39, 1.062, 0.001));
  assert_false(sste_check_within(f, rule, 0x39, 1.062, 0.0001));
}

/* ---- 5. Bounds ----------------------------------------------------------- */

static void bounds_are_the_stated_formulas(void **state) {
  const double u = 0x1p-24, v = 0x1p-13;
  int n;
  (void)state;
  assert_true(sste_check_bound(SSTE_SUM_TENSOR_CORE, 1024) == 0.875 * 0x1p-13);
  for (n = 0; n <= 3600; n += 75) {
    const size_t terms = (size_t)n;
    const double block = n < 128 ? v * (n + 2 * ((n + 15) / 16)) : v * 144;
    const double sums = n / 128.0 * u;
    assert_true(sste_check_bound(SSTE_SUM_EXACT, terms) == 0);
    assert_near(sste_check_bound(SSTE_SUM_FLOAT, terms), 1 / (1 - n * u) - 1,
                1e-15);
    assert_true(sste_check_bound(SSTE_SUM_TENSOR_CORE, terms) ==
                (n + 3 * ((n + 3) / 4)) * u);
    assert_true(sste_check_bound(SSTE_SUM_FP8_HOPPER, terms) ==
                (n + 2 * ((n + 15) / 16)) * v);
    assert_near(sste_check_bound(SSTE_SUM_FP8_PROMOTED, terms),
                block + 1.02 * (1 / (1 - sums) - 1), 1e-15);
  }
}

static void bounds_end_at_infinity(void **state) {
  (void)state;
  assert_true(sste_check_bound(SSTE_SUM_FLOAT, (1 << 23) - 1) < 1);
  assert_true(isinf(sste_check_bound(SSTE_SUM_FLOAT, 1 << 23)));
  assert_true(sste_check_bound(SSTE_SUM_FP8_HOPPER, 1 << 20) < 1000);
  assert_true(sste_check_bound(SSTE_SUM_FP8_PROMOTED, 1 << 23) < 0.1);
  assert_true(isinf(sste_check_bound(-1, 1)));
  assert_true(isinf(sste_check_bound(SSTE_SUM_FP8_PROMOTED + 1, 1)));
  assert_true(sste_check_bound(SSTE_SUM_FLOAT, 0) == 0);
}

/* Sums of products. Whatever the order, no error may pass the bound. */
enum { TERMS = 1024 };
typedef struct dot {
  double a[TERMS], b[TERMS];
  double exact, size; /* their product, and that of their magnitudes */
} dot;

enum { NORMAL_DATA, POSITIVE_DATA, SPREAD_DATA, ABSORBED_DATA, DATA };

/* x cut to some bits, not 0. */
static double of_bits(double x, int bits) {
  const double cut = slow_cut(x, ilogb(x) - bits + 1);
  return cut == 0 ? 1 : cut;
}

static dot random_dot(int data, int bits) {
  dot d;
  int k;
  d.exact = d.size = 0;
  for (k = 0; k < TERMS; ++k) {
    double a = test_normal(&seed), b = test_normal(&seed);
    if (data == POSITIVE_DATA) a = fabs(a), b = fabs(b);
    if (data == SPREAD_DATA) a = ldexp(a, (int)below(24) - 12);
    if (data == ABSORBED_DATA) { /* 1, and what is too small beside it */
      a = k == 0 ? 1 : ldexp(1.9, -(int)below(30));
      b = k == 0 ? 1 : 0x1p-8;
    }
    d.a[k] = of_bits(a, bits);
    d.b[k] = of_bits(b, bits);
    d.exact += d.a[k] * d.b[k]; /* to 2^-43 or better */
    d.size += fabs(d.a[k] * d.b[k]);
  }
  return d;
}

/* The share of a bound that is used up, which must not pass 1. */
static double share(const dot *d, double got, double bound) {
  const double used = fabs(got - d->exact) / (bound * d->size);
  if (used > 1) fail_msg("the error is %g of the bound", used);
  return used;
}

static float sum_ascending(const dot *d) {
  float sum = 0;
  int k;
  for (k = 0; k < TERMS; ++k) sum += (float)d->a[k] * (float)d->b[k];
  return sum;
}
static float sum_fused_descending(const dot *d) {
  float sum = 0;
  int k;
  for (k = TERMS - 1; k >= 0; --k)
    sum = fmaf((float)d->a[k], (float)d->b[k], sum);
  return sum;
}
static float sum_of_halves(const dot *d, int first, int n) {
  if (n == 1) return (float)d->a[first] * (float)d->b[first];
  return sum_of_halves(d, first, n / 2) +
         sum_of_halves(d, first + n / 2, n - n / 2);
}

static void float_sums_keep_their_bound(void **state) {
  const double bound = sste_check_bound(SSTE_SUM_FLOAT, TERMS);
  double most = 0;
  int data, n;
  (void)state;
  for (data = 0; data < DATA; ++data)
    for (n = 0; n < 100; ++n) {
      const dot d = random_dot(data, 24);
      most = fmax(most, share(&d, (double)sum_ascending(&d), bound));
      most = fmax(most, share(&d, (double)sum_fused_descending(&d), bound));
      most = fmax(most, share(&d, (double)sum_of_halves(&d, 0, TERMS), bound));
    }
  assert_true(most > 1 / 50.0);
}

/* Steps of `core` on operands of some bits stay within a bound, and use more
 * than a fiftieth of it where all terms are positive.                       */
static void core_keeps_bound(slow_core core, int bits, int how, int block) {
  const double bound = sste_check_bound(how, TERMS);
  double most = 0;
  int data, n;
  for (data = 0; data < DATA; ++data)
    for (n = 0; n < 50; ++n) {
      const dot d = random_dot(data, bits);
      const double got = slow_core_dot(core, d.a, d.b, TERMS, block);
      const double used = share(&d, got, bound);
      if (data == POSITIVE_DATA) most = fmax(most, used);
    }
  if (!(most > 1 / 50.0)) fail_msg("the bound is %g times too wide", 1 / most);
}

static void tensor_cores_keep_their_bounds(void **state) {
  static const slow_core half[] = {{8, 24, 23}, {16, 25, 23}};
  static const slow_core tf32[] = {{4, 24, 23}, {8, 25, 23}};
  static const slow_core fp8[] = {{16, 13, 13}, {32, 13, 13}};
  int i;
  (void)state;
  for (i = 0; i < 2; ++i) {
    core_keeps_bound(half[i], 11, SSTE_SUM_TENSOR_CORE, TERMS);
    core_keeps_bound(half[i], 8, SSTE_SUM_TENSOR_CORE, TERMS);
    core_keeps_bound(tf32[i], 11, SSTE_SUM_TENSOR_CORE, TERMS);
    core_keeps_bound(fp8[i], 4, SSTE_SUM_FP8_HOPPER, TERMS);
    core_keeps_bound(fp8[i], 3, SSTE_SUM_FP8_HOPPER, TERMS);
    core_keeps_bound(fp8[i], 4, SSTE_SUM_FP8_PROMOTED, 128);
  }
}

/* Integers up to 3 are exact in the narrowest accumulator. */
static void integers_are_exact_in_a_tensor_core(void **state) {
  const slow_core core = {32, 13, 13};
  int n, k;
  (void)state;
  for (n = 0; n < 200; ++n) {
    double a[896], b[896], exact = 0;
    for (k = 0; k < 896; ++k) {
      a[k] = (double)below(3) + 1;
      b[k] = n == 0 ? 3 : (double)below(3) + 1;
      if (n == 0) a[k] = 3;
      if (n > 0 && below(2) == 0) b[k] = -b[k];
      exact += a[k] * b[k];
    }
    assert_true(slow_core_dot(core, a, b, 896, 896) == exact);
  }
}
/* ---- 6. Numbers ---------------------------------------------------------- */

/* Reports are compared whole, so an expected one is written out whole. */
static sste_check_report blank(int what, sste_fp8_format f, uint64_t rows,
                               uint64_t cols, uint64_t total) {
  sste_check_report r;
  memset(&r, 0, sizeof r);
  r.what = what;
  r.format = f;
  r.rows = rows;
  r.cols = cols;
  r.total = r.count[SSTE_DIFF_NONE] = total;
  return r;
}

typedef struct plant {
  int diff;
  uint64_t got, want;
  uint64_t ulps; /* 0 where there is no distance */
} plant;

/* One of the elements that were equal is not, and none is after it. */
static void add_plant(sste_check_report *r, plant p, uint64_t row, uint64_t col,
                      double x) {
  int bucket = 0;
  --r->count[SSTE_DIFF_NONE];
  ++r->count[p.diff];
  if (p.ulps > 0) {
    while (p.ulps >> bucket > 1) ++bucket;
    ++r->ulps[bucket];
    if (p.ulps > r->worst_ulps) {
      r->worst_ulps = p.ulps;
      r->worst_row = row;
      r->worst_col = col;
    }
  }
  if (p.diff > SSTE_DIFF_WITHIN && r->shown < 8) {
    sste_check_mismatch *m = &r->first[r->shown++];
    m->row = row;
    m->col = col;
    m->got = p.got;
    m->want = p.want;
    m->x = x;
    m->diff = p.diff;
  }
}

static void print_report(const char *label, const sste_check_report *r) {
  char text[8192];
  sste_check_text(text, sizeof text, r);
  fprintf(stderr, "%s:\n%s", label, text);
}

#define assert_report(got, want)                             \
  do {                                                       \
    const sste_check_report same_want = (want);              \
    if (memcmp(&(got), &same_want, sizeof same_want) != 0) { \
      print_report("got", &(got));                           \
      print_report("expected", &same_want);                  \
      fail_msg("%s:%d: %s", __FILE__, __LINE__, #got);       \
    }                                                        \
  } while (0)

/* Two arrays of codes, equal but for their gaps. */
enum { HEIGHT = 13, BREADTH = 24, LDG = 27, LDW = 25 };
static uint8_t got[HEIGHT * LDG * 8], want[HEIGHT * LDW * 8];

static void put(uint8_t *array, size_t size, size_t i, uint64_t code) {
  const uint8_t c1 = (uint8_t)code;
  const uint16_t c2 = (uint16_t)code;
  const uint32_t c4 = (uint32_t)code;
  const void *from = size == 1   ? (const void *)&c1
                     : size == 2 ? (const void *)&c2
                     : size == 4 ? (const void *)&c4
                                 : (const void *)&code;
  memcpy(array + i * size, from, size);
}

static void put_both(const kind *k, size_t row, size_t col, uint64_t a,
                     uint64_t b) {
  put(got, k->size, row * LDG + col, a);
  put(want, k->size, row * LDW + col, b);
}

static uint64_t take(const uint8_t *array, size_t size, size_t i) {
  uint16_t c2;
  uint32_t c4;
  uint64_t c8;
  if (size == 1) return array[i];
  memcpy(&c2, array + i * size, sizeof c2);
  if (size == 2) return c2;
  memcpy(&c4, array + i * size, sizeof c4);
  if (size == 4) return c4;
  memcpy(&c8, array + i * size, sizeof c8);
  return c8;
}

static int holds_nan(const kind *k, uint64_t code) {
  const uint64_t magnitude = code & ~sign_of(k);
  if (k->infinity != NONE) return magnitude > k->infinity;
  if (sign_of(k) != 0 && k->minus_zero == NONE) return code == sign_of(k);
  return magnitude == k->nan || code == k->twin;
}

static void count_nans(const kind *k, sste_check_report *r) {
  size_t row, col;
  for (row = 0; row < HEIGHT; ++row)
    for (col = 0; col < BREADTH; ++col) {
      r->got_nans += holds_nan(k, take(got, k->size, row * LDG + col)) != 0;
      r->want_nans += holds_nan(k, take(want, k->size, row * LDW + col)) != 0;
    }
}

static void fill_alike(const kind *k) {
  size_t r, c;
  memset(got, 0xAA, sizeof got);
  memset(want, 0x55, sizeof want);
  for (r = 0; r < HEIGHT; ++r)
    for (c = 0; c < BREADTH; ++c) {
      const uint64_t code = random_code(k);
      put_both(k, r, c, code, code);
    }
}

/* A pair of each class and of several distances. */
static int make_plants(const kind *k, plant p[13]) {
  const uint64_t one = k->one, sign = sign_of(k);
  int n = 0;
#define PLANT(diff, got, want, ulps)               \
  do {                                             \
    const plant planted = {diff, got, want, ulps}; \
    p[n++] = planted;                              \
  } while (0)
  if (k->minus_zero != NONE) PLANT(SSTE_DIFF_ZERO_SIGN, k->minus_zero, 0, 0);
  if (k->twin != NONE) PLANT(SSTE_DIFF_ENCODING, k->twin, k->nan, 0);
  PLANT(SSTE_DIFF_SATURATION, k->largest, k->overflow,
        k->infinity == NONE ? 0 : 1);
  PLANT(SSTE_DIFF_NAN, k->nan, one, 0);
  PLANT(SSTE_DIFF_NAN, 1, k->nan, 0);
  PLANT(SSTE_DIFF_ONE_STEP, one + 1, one, 1);
  PLANT(SSTE_DIFF_ONE_STEP, 1, 0, 1);
  PLANT(SSTE_DIFF_FURTHER, one + 2, one, 2);
  PLANT(SSTE_DIFF_FURTHER, one, one - 7, 7);
  PLANT(SSTE_DIFF_FURTHER, 0, k->largest, k->largest);
  if (sign != 0) PLANT(SSTE_DIFF_SIGN, one | sign, one, 2 * one);
  if (sign != 0) PLANT(SSTE_DIFF_FURTHER, one | sign, one - 1, 2 * one - 1);
  if (k->infinity != NONE)
    PLANT(SSTE_DIFF_INFINITY, k->infinity, one, k->infinity - one);
#undef PLANT
  return n;
}

static plant swapped(plant p) {
  const uint64_t other = p.got;
  p.got = p.want;
  p.want = other;
  return p;
}

static sste_check_report compare(int i) {
  sste_check_report report;
  test_poison(&report, sizeof report);
  assert_int_equal(sste_check_numbers(&report, kinds[i].f, got, LDG, want, LDW,
                                      HEIGHT, BREADTH),
                   SSTE_OK);
  return report;
}

static void a_planted_number_is_of_its_class_alone(void **state) {
  int i, n, turn;
  (void)state;
  for (i = 0; i < KINDS; ++i) {
    plant plants[13];
    const int all = make_plants(&kinds[i], plants);
    for (n = 0; n < all; ++n)
      for (turn = 0; turn <= 1; ++turn) {
        const plant p = turn ? swapped(plants[n]) : plants[n];
        const size_t row = below(HEIGHT), col = below(BREADTH);
        sste_check_report report,
            expected = blank(SSTE_CHECK_NUMBERS, kinds[i].f, HEIGHT, BREADTH,
                             HEIGHT * BREADTH);
        fill_alike(&kinds[i]);
        put_both(&kinds[i], row, col, p.got, p.want);
        add_plant(&expected, p, row, col, 0);
        count_nans(&kinds[i], &expected);
        test_poison(&report, sizeof report);
        assert_int_equal(sste_check_numbers(&report, kinds[i].f, got, LDG, want,
                                            LDW, HEIGHT, BREADTH),
                         SSTE_OK);
        assert_report(report, expected);
        assert_int_equal(sste_check_failures(&report), 1);
      }
  }
}

/* Many at once: the first eight are shown, the first of the worst is named. */
static void many_planted_numbers_add_up(void **state) {
  int i, round;
  (void)state;
  for (i = 0; i < KINDS; ++i)
    for (round = 0; round < 30; ++round) {
      plant plants[13];
      const uint64_t all = (uint64_t)make_plants(&kinds[i], plants);
      sste_check_report report,
          expected = blank(SSTE_CHECK_NUMBERS, kinds[i].f, HEIGHT, BREADTH,
                           HEIGHT * BREADTH);
      size_t at;
      fill_alike(&kinds[i]);
      for (at = below(40); at < HEIGHT * BREADTH; at += 1 + below(40)) {
        const plant p = plants[below(all)];
        put_both(&kinds[i], at / BREADTH, at % BREADTH, p.got, p.want);
        add_plant(&expected, p, at / BREADTH, at % BREADTH, 0);
      }
      report = compare(i);
      count_nans(&kinds[i], &expected);
      assert_report(report, expected);
      assert_int_equal(sste_check_failures(&report),
                       report.total - report.count[SSTE_DIFF_NONE]);
    }
}

/* What a number that is too large becomes without saturation. */
static int overflow_of(int i, int negative) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.overflow = SSTE_OVERFLOW_NONE;
  return slow_fp8_convert(&slows[i], rule,
                          slow_number_of_double(negative ? -1e300 : 1e300), 0);
}

static int saturates(int i, int a, int b) {
  const double x = value_of(i, (uint64_t)a),
               max = slows[i].value[slows[i].largest];
  return fabs(x) >= max && fabs(x) <= max && b == overflow_of(i, x < 0);
}

/* The class by the values. */
static int class_of(int i, int a, int b) {
  const double x = value_of(i, (uint64_t)a), y = value_of(i, (uint64_t)b);
  if (a == b) return SSTE_DIFF_NONE;
  if (isnan(x) && isnan(y)) return SSTE_DIFF_ENCODING;
  if (x >= y && x <= y) return SSTE_DIFF_ZERO_SIGN;
  if (saturates(i, a, b) || saturates(i, b, a)) return SSTE_DIFF_SATURATION;
  if (isnan(x) || isnan(y)) return SSTE_DIFF_NAN;
  if (x >= -y && x <= -y) return SSTE_DIFF_SIGN;
  if (isinf(x) || isinf(y)) return SSTE_DIFF_INFINITY;
  return abs(lines[i].rank[a] - lines[i].rank[b]) == 1 ? SSTE_DIFF_ONE_STEP
                                                       : SSTE_DIFF_FURTHER;
}

static void every_pair_of_codes_is_of_the_class_of_its_values(void **state) {
  int i, a, b;
  (void)state;
  for (i = 0; i < BYTES; ++i)
    for (a = 0; a < lines[i].codes; ++a)
      for (b = 0; b < lines[i].codes; ++b) {
        const uint8_t x = (uint8_t)a, y = (uint8_t)b;
        sste_check_report r;
        sste_check_numbers(&r, kinds[i].f, &x, 1, &y, 1, 1, 1);
        if (r.count[class_of(i, a, b)] != 1)
          fail_msg("%s %02X %02X", kinds[i].name, a, b);
      }
}

/* Of UE4M3 the top bit of a byte is no part. */
static void bits_outside_the_format_are_an_encoding(void **state) {
  const uint8_t x[] = {0x38, 0x80, 0xFF, 0xB9}, y[] = {0xB8, 0x00, 0x7F, 0x38};
  sste_check_report r;
  (void)state;
  sste_check_numbers(&r, sste_fp8_ue4m3(), x, 4, y, 4, 1, 4);
  assert_int_equal(r.count[SSTE_DIFF_ENCODING], 3);
  assert_int_equal(r.count[SSTE_DIFF_ONE_STEP], 1);
}

static void the_example_of_numbers(void **state) {
  const uint8_t x[] = {0x38, 0x7E, 0x00}, y[] = {0x39, 0x7F, 0x80};
  sste_check_report r;
  (void)state;
  sste_check_numbers(&r, sste_fp8_e4m3fn(), x, 3, y, 3, 1, 3);
  assert_int_equal(r.count[SSTE_DIFF_ONE_STEP], 1);
  assert_int_equal(r.count[SSTE_DIFF_SATURATION], 1);
  assert_int_equal(r.count[SSTE_DIFF_ZERO_SIGN], 1);
}

/* True values and errors beside the arrays. */
enum { LDX = 26, LDE = 29 };
static float truth[HEIGHT * LDX], slack[HEIGHT * LDE];

static void fill_truth(int i) {
  int r, c;
  fill_alike(&kinds[i]);
  test_poison(truth, sizeof truth);
  test_poison(slack, sizeof slack);
  for (r = 0; r < HEIGHT; ++r)
    for (c = 0; c < BREADTH; ++c) {
      const uint64_t code = random_code(&kinds[i]);
      put_both(&kinds[i], (size_t)r, (size_t)c, code, code);
      truth[r * LDX + c] = (float)value_of(i, code);
      slack[r * LDE + c] = 1;
    }
}

static sste_check_report compare_near(int i) {
  sste_check_report report;
  assert_int_equal(sste_check_numbers_near(
                       &report, kinds[i].f, sste_fp8_saturating(), got, LDG,
                       want, LDW, truth, LDX, slack, LDE, HEIGHT, BREADTH),
                   SSTE_OK);
  return report;
}

/* The next number, at a distance of a gap, from a true value of 1: the midpoint
 * is half a gap away. An error of 0.6 gaps reaches it, one of 0.4 does not. */
static void plant_beside_one(int i, float gaps, int diff) {
  const uint64_t one = kinds[i].one;
  const double gap = value_of(i, one + 1) - value_of(i, one);
  const size_t row = below(HEIGHT), col = below(BREADTH);
  sste_check_report report, expected = blank(SSTE_CHECK_NUMBERS, kinds[i].f,
                                             HEIGHT, BREADTH, HEIGHT * BREADTH);
  plant p;
  p.diff = diff;
  p.got = one + 1;
  p.want = one;
  p.ulps = 1;
  fill_truth(i);
  put_both(&kinds[i], row, col, p.got, p.want);
  truth[row * LDX + col] = 1;
  slack[row * LDE + col] = gaps * (float)gap;
  add_plant(&expected, p, row, col, 1);
  count_nans(&kinds[i], &expected);
  expected.has_truth = 1;
  expected.worst_share = gap / 2 / (double)(gaps * (float)gap);
  report = compare_near(i);
  assert_report(report, expected);
  assert_int_equal(sste_check_failures(&report), diff == SSTE_DIFF_ONE_STEP);
}

static void an_error_excuses_what_it_reaches(void **state) {
  int i, n;
  (void)state;
  for (i = 0; i < FLOAT64; ++i)
    for (n = 0; n < 20; ++n) {
      plant_beside_one(i, 0.6f, SSTE_DIFF_WITHIN);
      plant_beside_one(i, 0.4f, SSTE_DIFF_ONE_STEP);
    }
}

/* Whatever the truth: equal bits are the same, and what the truth itself
 * reaches is within.                                                        */
static void a_wrong_expectation_is_excused(void **state) {
  const uint8_t x[] = {0x3A, 0x3A, 0x00}, y[] = {0x3A, 0x38, 0x80};
  const float t[] = {1, 1.25f, 0.0f}, e[] = {0.01f, 0, 0};
  sste_check_report r;
  (void)state;
  sste_check_numbers_near(&r, sste_fp8_e4m3fn(), sste_fp8_saturating(), x, 3, y,
                          3, t, 3, e, 3, 1, 3);
  assert_int_equal(r.count[SSTE_DIFF_NONE], 1);
  assert_int_equal(r.count[SSTE_DIFF_WITHIN], 2);
  assert_near(r.worst_share, 18.75, 1e-5);
}

/* Beyond the largest number a saturating kernel has made no error. Neither do
 * other roundings count, nor an error below 0.                              */
static void the_share_is_of_the_error_before_rounding(void **state) {
  const uint8_t largest = 0x7E, one = 0x38;
  const float large = 500, x = 1.1875f, error = 0.125f, negative = -1;
  const float exact = 1;
  sste_fp8_rule rule = sste_fp8_saturating();
  sste_check_report r;
  (void)state;
  sste_check_numbers_near(&r, kinds[E4M3FN].f, rule, &largest, 1, &largest, 1,
                          &large, 1, &error, 1, 1, 1);
  assert_true(r.worst_share <= 0);
  sste_check_numbers_near(&r, kinds[E4M3FN].f, rule, &one, 1, &one, 1, &x, 1,
                          &error, 1, 1, 1);
  assert_near(r.worst_share, 1, 1e-12); /* from 1.0625 on */
  sste_check_numbers_near(&r, kinds[E4M3FN].f, rule, &one, 1, &one, 1, &exact,
                          1, &negative, 1, 1, 1);
  assert_true(r.worst_share <= 0);
  rule.via = SSTE_VIA_FLOAT16;
  sste_check_numbers_near(&r, kinds[E4M3FN].f, rule, &one, 1, &one, 1, &x, 1,
                          &error, 1, 1, 1);
  assert_true(r.worst_share <= 0);
  rule.via = SSTE_VIA_NOTHING;
  rule.rounding = SSTE_ROUND_TOWARD_ZERO;
  sste_check_numbers_near(&r, kinds[E4M3FN].f, rule, &one, 1, &one, 1, &x, 1,
                          &error, 1, 1, 1);
  assert_true(r.worst_share <= 0);
}

/* The largest number in place of a NaN that came in is no saturation. */
static void a_nan_that_came_in_has_not_overflowed(void **state) {
  const float t[] = {NAN, INFINITY, 1e9f}, e[] = {0, 0, 0};
  int i;
  (void)state;
  for (i = 0; i < E8M0; ++i) {
    const kind *k = &kinds[i];
    sste_fp8_rule rule = sste_fp8_saturating();
    sste_check_report r;
    size_t n;
    if (k->overflow != k->nan) continue;
    rule.overflow = SSTE_OVERFLOW_NONE;
    for (n = 0; n < 3; ++n) put_both(k, 0, n, k->largest, k->nan);
    sste_check_numbers_near(&r, k->f, rule, got, LDG, want, LDW, t, 3, e, 3, 1,
                            3);
    assert_int_equal(r.count[SSTE_DIFF_NAN], 1);
    assert_int_equal(r.count[SSTE_DIFF_SATURATION], 2);
  }
}
/* ---- 7. Groups and metadata ---------------------------------------------- */

/* The non-zeros of a group: how many, and their magnitudes in the source,
 * the larger first.                                                         */
typedef struct chosen {
  int n, mask;
  double high, low;
  double high_kept, low_kept;
} chosen;

static chosen choose(const double value[4], const float *source) {
  chosen c = {0, 0, -1, -1, -1, -1};
  int i;
  for (i = 0; i < 4; ++i) {
    const double m = source == NULL     ? 0
                     : isnan(source[i]) ? INFINITY
                                        : fabs((double)source[i]);
    const double kept = fabs(value[i]);
    if (value[i] >= 0 && value[i] <= 0) continue;
    c.low_kept = fmax(c.low_kept, fmin(c.high_kept, kept));
    c.high_kept = fmax(c.high_kept, kept);
    ++c.n;
    c.mask |= 1 << i;
    c.low = fmax(c.low, fmin(c.high, m));
    c.high = fmax(c.high, m);
  }
  return c;
}

static int same_pair(double a, double b, double c, double d) {
  return a >= c && a <= c && b >= d && b <= d;
}

static int class_of_group(const double a[4], const double b[4],
                          const float *source) {
  const chosen p = choose(a, source), q = choose(b, source);
  int i, diff = SSTE_DIFF_NONE;
  if (p.n > 2) return SSTE_DIFF_PATTERN;
  if (p.mask != q.mask)
    return source != NULL && p.n == q.n &&
                   same_pair(p.high, p.low, q.high, q.low) &&
                   same_pair(p.high_kept, p.low_kept, q.high_kept, q.low_kept)
               ? SSTE_DIFF_TIE
               : SSTE_DIFF_POSITION;
  for (i = 0; i < 4; ++i) {
    if (bits_of(a[i]) == bits_of(b[i])) continue;
    if (p.mask >> i & 1) return SSTE_DIFF_VALUE;
    diff = SSTE_DIFF_ZERO_SIGN;
  }
  return diff;
}

/* All groups of 0, -0, 1 and -2, by sources of few magnitudes, some of which
 * are as far apart in bits as others.                                       */
static void every_pair_of_groups_is_of_its_class(void **state) {
  static const uint8_t code[] = {0x00, 0x80, 0x38, 0xC0};
  static const double value[] = {0, -0.0, 1, -2};
  static const float from[] = {0, 1, -1, 1.25f, -1.5f, NAN};
  int n, i;
  (void)state;
  for (n = 0; n < 65536; ++n) {
    uint8_t a[4], b[4];
    double x[4], y[4];
    float source[4];
    const float *given = below(4) > 0 ? source : NULL;
    sste_check_report r;
    for (i = 0; i < 4; ++i) {
      const int p = n >> 2 * i & 3, q = n >> (8 + 2 * i) & 3;
      a[i] = code[p];
      b[i] = code[q];
      x[i] = value[p];
      y[i] = value[q];
      source[i] = from[below(6)];
    }
    sste_check_sparse(&r, kinds[E4M3FN].f, a, 4, b, 4, given, 4, 1, 4);
    assert_int_equal(r.total, 1);
    if (r.count[class_of_group(x, y, given)] != 1)
      fail_msg("%02X %02X %02X %02X, %02X %02X %02X %02X", a[0], a[1], a[2],
               a[3], b[0], b[1], b[2], b[3]);
  }
}

/* Groups of at most two codes that are no zeros, and sources without a tie. */
static void fill_sparse(const kind *k) {
  size_t r, c;
  fill_alike(k);
  for (r = 0; r < HEIGHT; ++r)
    for (c = 0; c < BREADTH; ++c) {
      truth[r * LDX + c] = (float)(1 << c % 4);
      if (c % 4 > 1) put_both(k, r, c, 0, 0);
    }
}

typedef struct group_plant {
  int diff;
  size_t at; /* the first entry that differs */
  uint64_t got[4];
  float source[4];
  uint64_t ulps;
} group_plant;

static void plant_group(int i, group_plant g) {
  const kind *k = &kinds[i];
  const uint64_t oracle[4] = {k->one, k->one + 1, 0, 0};
  const size_t row = below(HEIGHT), col = 4 * below(BREADTH / 4);
  sste_check_report report, expected = blank(SSTE_CHECK_GROUPS, k->f, HEIGHT,
                                             BREADTH, HEIGHT * BREADTH / 4);
  plant p;
  size_t j;
  p.diff = g.diff;
  p.got = g.got[g.at];
  p.want = oracle[g.at];
  p.ulps = g.ulps;
  fill_sparse(k);
  for (j = 0; j < 4; ++j) {
    put_both(k, row, col + j, g.got[j], oracle[j]);
    truth[row * LDX + col + j] = g.source[j];
  }
  add_plant(&expected, p, row, col + g.at, 0);
  assert_int_equal(sste_check_sparse(&report, k->f, got, LDG, want, LDW, truth,
                                     LDX, HEIGHT, BREADTH),
                   SSTE_OK);
  assert_report(report, expected);
}

static void a_planted_group_is_of_its_class_alone(void **state) {
  int i, n;
  (void)state;
  for (i = 0; i < KINDS; ++i) {
    const uint64_t one = kinds[i].one, zero = kinds[i].minus_zero;
    const group_plant plants[] = {
        {SSTE_DIFF_PATTERN, 2, {one, one + 1, one, 0}, {2, 1, 1, 0}, 0},
        {SSTE_DIFF_TIE, 1, {one, 0, one + 1, 0}, {2, 1, -1, 0}, 0},
        {SSTE_DIFF_POSITION, 1, {one, 0, one + 1, 0}, {2, 1, 0.5f, 0}, 0},
        {SSTE_DIFF_POSITION, 0, {0, one + 1, 0, 0}, {1, 1, 1, 1}, 0},
        {SSTE_DIFF_VALUE, 0, {one + 3, one + 1, 0, 0}, {2, 1, 0, 0}, 3},
        {SSTE_DIFF_ZERO_SIGN, 3, {one, one + 1, 0, zero}, {2, 1, 0, 0}, 0}};
    const int all = zero == NONE ? 5 : 6;
    if (i == E8M0) continue; /* has no zero */
    for (n = 0; n < 5 * all; ++n) plant_group(i, plants[n % all]);
  }
}

static void a_tie_keeps_the_same_magnitudes(void **state) {
  const float a[] = {-7, 1e30f, 0, 0}, b[] = {0, 0, 1, 1}, c[] = {1, -1, 0, 0};
  const float ones[] = {1, 1, 1, 1};
  const uint8_t d[] = {0x38, 0x3A, 0, 0}, e[] = {0, 0, 0x39, 0x39}; /* 1.125 */
  sste_check_report r;
  (void)state;
  sste_check_sparse(&r, kinds[E4M3FN].f, d, 4, e, 4, ones, 4, 1, 4);
  assert_int_equal(r.count[SSTE_DIFF_POSITION], 1);
  sste_check_sparse(&r, kinds[FLOAT32].f, a, 4, b, 4, ones, 4, 1, 4);
  assert_int_equal(r.count[SSTE_DIFF_POSITION], 1);
  sste_check_sparse(&r, kinds[FLOAT32].f, c, 4, b, 4, ones, 4, 1, 4);
  assert_int_equal(r.count[SSTE_DIFF_TIE], 1);
}

static void a_group_that_is_not_sparse_counts_though_it_was_expected(
    void **state) {
  const float a[] = {1, 2, 3, 0};
  sste_check_report r;
  (void)state;
  sste_check_sparse(&r, kinds[FLOAT32].f, a, 4, a, 4, NULL, 0, 1, 4);
  assert_int_equal(r.count[SSTE_DIFF_PATTERN], 1);
  assert_int_equal(r.first[0].col, 0);
}

static void without_signs_a_pruned_bit_is_an_encoding(void **state) {
  const uint8_t a[] = {0x38, 0x80, 0, 0}, b[] = {0x38, 0, 0, 0};
  sste_check_report r;
  (void)state;
  sste_check_sparse(&r, kinds[UE4M3].f, a, 4, b, 4, NULL, 0, 1, 4);
  assert_int_equal(r.count[SSTE_DIFF_ENCODING], 1);
}

static void without_a_source_a_tie_is_a_position(void **state) {
  const uint8_t a[] = {0x38, 0x38, 0, 0}, b[] = {0, 0, 0x38, 0x38};
  const float ones[] = {1, 1, 1, 1};
  sste_check_report r;
  (void)state;
  sste_check_sparse(&r, kinds[E4M3FN].f, a, 4, b, 4, ones, 4, 1, 4);
  assert_int_equal(r.count[SSTE_DIFF_TIE], 1);
  sste_check_sparse(&r, kinds[E4M3FN].f, a, 4, b, 4, NULL, 0, 1, 4);
  assert_int_equal(r.count[SSTE_DIFF_POSITION], 1);
}

/* The six pairs of places: the first in the low bits, the second above. */
static int is_legal(int nibble) {
  static const int legal[] = {0x4, 0x8, 0x9, 0xC, 0xD, 0xE};
  int i;
  for (i = 0; i < 6; ++i)
    if (legal[i] == nibble) return 1;
  return 0;
}

static int class_of_nibble(int a, int b, int other_a, int other_b, int unused) {
  if (a == b) return SSTE_DIFF_NONE;
  if (a == other_b && b == other_a) return SSTE_DIFF_SWAPPED;
  if (unused) return SSTE_DIFF_PADDING;
  return is_legal(a) ? SSTE_DIFF_POSITION : SSTE_DIFF_NIBBLE;
}

static void every_pair_of_bytes_is_of_its_class(void **state) {
  int a, b, cols, diff;
  (void)state;
  for (cols = 4; cols <= 8; cols += 4)
    for (a = 0; a < 256; ++a)
      for (b = 0; b < 256; ++b) {
        const uint8_t x = (uint8_t)a, y = (uint8_t)b;
        const int low = class_of_nibble(a & 15, b & 15, a >> 4, b >> 4, 0);
        const int high =
            class_of_nibble(a >> 4, b >> 4, a & 15, b & 15, cols == 4);
        sste_check_report r;
        assert_int_equal(sste_check_metadata(&r, &x, 1, &y, 1, 1, (size_t)cols),
                         SSTE_OK);
        for (diff = 0; diff < SSTE_DIFFS; ++diff)
          assert_int_equal(r.count[diff], (low == diff) + (high == diff));
      }
}

/* 5 groups in 3 bytes, the last half byte unused. */
static void plant_byte(size_t byte, uint8_t x, uint8_t y, int low, int high) {
  const size_t row = below(HEIGHT);
  sste_check_report report,
      expected =
          blank(SSTE_CHECK_NIBBLES, sste_fp8_e8m0(), HEIGHT, 20, HEIGHT * 6);
  plant p = {0, 0, 0, 0};
  size_t r;
  memset(got, 0xAA, sizeof got);
  memset(want, 0x55, sizeof want);
  for (r = 0; r < HEIGHT; ++r) {
    memcpy(got + r * LDG, "\x4E\x98\x0D", 3);
    memcpy(want + r * LDW, "\x4E\x98\x0D", 3);
  }
  got[row * LDG + byte] = x;
  want[row * LDW + byte] = y;
  p.diff = low;
  p.got = x & 15;
  p.want = y & 15;
  if (low != SSTE_DIFF_NONE) add_plant(&expected, p, row, 2 * byte, 0);
  p.diff = high;
  p.got = x >> 4;
  p.want = y >> 4;
  if (high != SSTE_DIFF_NONE) add_plant(&expected, p, row, 2 * byte + 1, 0);
  assert_int_equal(
      sste_check_metadata(&report, got, LDG, want, LDW, HEIGHT, 20), SSTE_OK);
  assert_report(report, expected);
}

static void a_planted_nibble_is_of_its_class_alone(void **state) {
  size_t byte;
  (void)state;
  for (byte = 0; byte < 2; ++byte) {
    plant_byte(byte, 0x43, 0x4E, SSTE_DIFF_NIBBLE, SSTE_DIFF_NONE);
    plant_byte(byte, 0xAE, 0x4E, SSTE_DIFF_NONE, SSTE_DIFF_NIBBLE);
    plant_byte(byte, 0xE4, 0x4E, SSTE_DIFF_SWAPPED, SSTE_DIFF_SWAPPED);
    plant_byte(byte, 0x4D, 0x4E, SSTE_DIFF_POSITION, SSTE_DIFF_NONE);
    plant_byte(byte, 0xEC, 0x4E, SSTE_DIFF_POSITION, SSTE_DIFF_POSITION);
  }
  plant_byte(2, 0x4D, 0x0D, SSTE_DIFF_NONE, SSTE_DIFF_PADDING);
  plant_byte(2, 0xD0, 0x0D, SSTE_DIFF_SWAPPED, SSTE_DIFF_SWAPPED);
  plant_byte(2, 0x0C, 0x0D, SSTE_DIFF_POSITION, SSTE_DIFF_NONE);
}

/* ---- 8. Products --------------------------------------------------------- */

/* The three of a layer, of a shape that is no power of two and whose rows and
 * columns both pass 256 once.                                               */
enum { FORWARD, INPUT_GRAD, WEIGHT_GRAD, PRODUCTS };
enum { T = 5, N = 270, K = 33, GAP = 3 };

typedef struct shape {
  size_t rows, cols, depth;     /* of the result, and of a sum */
  size_t left_ld, right_ld, ld; /* rows lie GAP further apart than they are */
} shape;
static const shape shapes[PRODUCTS] = {{T, N, K, K + GAP, K + GAP, N + GAP},
                                       {T, K, N, N + GAP, K + GAP, K + GAP},
                                       {N, K, T, N + GAP, K + GAP, K + GAP}};
static float left[T * (N + GAP)], right[N * (K + GAP)];
static uint8_t result[N * (K + GAP) * 4];

static double left_at(int p, size_t i, size_t k) {
  const size_t ld = shapes[p].left_ld;
  return (double)(p == WEIGHT_GRAD ? left[k * ld + i] : left[i * ld + k]);
}
static double right_at(int p, size_t k, size_t j) {
  const size_t ld = shapes[p].right_ld;
  return (double)(p == FORWARD ? right[j * ld + k] : right[k * ld + j]);
}

/* One element: the sum, k ascending, and the sum of magnitudes. */
static double sum_at(int p, size_t i, size_t j, double *size) {
  double sum = 0;
  size_t k;
  *size = 0;
  for (k = 0; k < shapes[p].depth; ++k) {
    const double x = left_at(p, i, k) * right_at(p, k, j);
    sum += x;
    *size += fabs(x);
  }
  return sum;
}

/* Fills both inputs; no NaN of the gaps may come into a sum. */
static void draw_inputs(int p, int draw_kind) {
  const size_t left_cols = shapes[p].left_ld - GAP;
  size_t i;
  for (i = 0; i < LENGTH(left); ++i) left[i] = NAN;
  for (i = 0; i < LENGTH(right); ++i) right[i] = NAN;
  sste_check_tensor_draw(left, shapes[p].left_ld, T, left_cols, draw_kind,
                         test_random(&seed));
  sste_check_tensor_draw(right, shapes[p].right_ld, p == WEIGHT_GRAD ? T : N, K,
                         draw_kind, test_random(&seed));
}

static uint64_t rounded(int i, double x) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.overflow = SSTE_OVERFLOW_NONE;
  rule.nan = SSTE_NAN_QUIET;
  if (i == FLOAT32) return isnan(x) ? 0x7FC00000 : test_bits((float)x);
  return (uint64_t)slow_fp8_convert(&slows[i], rule, slow_number_of_double(x),
                                    0);
}

static void put_result(int p, int i, size_t row, size_t col, uint64_t code) {
  put(result, kinds[i].size, row * shapes[p].ld + col, code);
}

/* How a kernel adds up: as the oracle, or in float, backwards and fused. */
enum { LIKE_THE_ORACLE, BACKWARDS };
static void run_kernel(int p, int i, int how) {
  size_t r, c, k;
  double size;
  memset(result, 0x77, sizeof result);
  for (r = 0; r < shapes[p].rows; ++r)
    for (c = 0; c < shapes[p].cols; ++c) {
      float sum = 0;
      if (how == LIKE_THE_ORACLE) {
        put_result(p, i, r, c, rounded(i, sum_at(p, r, c, &size)));
        continue;
      }
      for (k = shapes[p].depth; k-- > 0;)
        sum = fmaf((float)left_at(p, r, k), (float)right_at(p, k, c), sum);
      put_result(p, i, r, c, rounded(i, (double)sum));
    }
}

static sste_check_report check_product(int p, int i, double bound) {
  const shape s = shapes[p];
  const sste_fp8_format f = kinds[i].f;
  sste_check_report r;
  sste_status status;
  if (p == FORWARD)
    status = sste_check_product_forward(&r, f, SSTE_OVERFLOW_NONE, result, s.ld,
                                        left, s.left_ld, right, s.right_ld, T,
                                        N, K, bound);
  else if (p == INPUT_GRAD)
    status = sste_check_product_input_grad(&r, f, SSTE_OVERFLOW_NONE, result,
                                           s.ld, left, s.left_ld, right,
                                           s.right_ld, T, N, K, bound);
  else
    status = sste_check_product_weight_grad(&r, f, SSTE_OVERFLOW_NONE, result,
                                            s.ld, left, s.left_ld, right,
                                            s.right_ld, T, N, K, bound);
  assert_int_equal(status, SSTE_OK);
  assert_int_equal(r.total, s.rows * s.cols);
  assert_int_equal(r.rows, s.rows);
  return r;
}

static const int outputs[] = {FLOAT32, FLOAT16, BFLOAT16, E4M3FN, E5M2};

static void the_expected_product_is_rounded_once(void **state) {
  static const int draws[] = {SSTE_DRAW_NORMAL, SSTE_DRAW_SPECIALS,
                              SSTE_DRAW_RANGE};
  int p, o, d;
  (void)state;
  for (p = 0; p < PRODUCTS; ++p)
    for (o = 0; o < LENGTH(outputs); ++o)
      for (d = 0; d < LENGTH(draws); ++d) {
        sste_check_report r;
        draw_inputs(p, draws[d]);
        run_kernel(p, outputs[o], LIKE_THE_ORACLE);
        r = check_product(p, outputs[o], 0);
        assert_int_equal(r.count[SSTE_DIFF_NONE], r.total);
        assert_true(r.worst_share <= 0);
      }
}

static void the_expected_product_is_that_of_the_library(void **state) {
  static float z[N * (K + GAP)];
  int d, p;
  (void)state;
  for (d = 0; d < SSTE_DRAWS; ++d)
    for (p = 0; p < PRODUCTS; ++p) {
      const shape s = shapes[p];
      sste_check_report r;
      draw_inputs(p, d);
      if (p == FORWARD)
        sste_product_forward(z, s.ld, left, s.left_ld, right, s.right_ld, T, N,
                             K);
      else if (p == INPUT_GRAD)
        sste_product_input_grad(z, s.ld, left, s.left_ld, right, s.right_ld, T,
                                N, K);
      else
        sste_product_weight_grad(z, s.ld, left, s.left_ld, right, s.right_ld, T,
                                 N, K);
      memcpy(result, z, sizeof z);
      r = check_product(p, FLOAT32, 0);
      assert_int_equal(r.count[SSTE_DIFF_NONE], r.total);
    }
}

static void another_order_is_within_the_bound(void **state) {
  int p, o;
  (void)state;
  for (p = 0; p < PRODUCTS; ++p)
    for (o = 0; o < LENGTH(outputs); ++o) {
      sste_check_report r;
      draw_inputs(p, SSTE_DRAW_NORMAL);
      run_kernel(p, outputs[o], BACKWARDS);
      r = check_product(p, outputs[o],
                        sste_check_bound(SSTE_SUM_FLOAT, shapes[p].depth));
      assert_int_equal(sste_check_failures(&r), 0);
      if (outputs[o] != FLOAT32) continue;
      assert_true(r.count[SSTE_DIFF_WITHIN] > 0);
      assert_true(r.worst_share > 0 && r.worst_share <= 1.1);
    }
}

/* One element off by `factor` bounds; the bound is far above float's ulp. */
static sste_check_report plant_error(int p, double factor, size_t row,
                                     size_t col) {
  const double bound = 0x1p-10;
  double size, sum;
  draw_inputs(p, SSTE_DRAW_NORMAL);
  run_kernel(p, FLOAT32, LIKE_THE_ORACLE);
  sum = sum_at(p, row, col, &size);
  put_result(p, FLOAT32, row, col,
             rounded(FLOAT32, sum + factor * bound * size));
  return check_product(p, FLOAT32, bound);
}

static void an_error_of_two_bounds_is_caught(void **state) {
  int p, n;
  (void)state;
  for (p = 0; p < PRODUCTS; ++p)
    for (n = 0; n < 10; ++n) {
      const double side = n % 2 == 0 ? 1 : -1;
      const size_t row = below(shapes[p].rows), col = below(shapes[p].cols);
      double size, sum;
      sste_check_report r = plant_error(p, 0.99 * side, row, col);
      assert_int_equal(r.count[SSTE_DIFF_WITHIN], 1);
      assert_int_equal(sste_check_failures(&r), 0);
      assert_near(r.worst_share, 0.99, 0.001);
      r = plant_error(p, 2 * side, row, col);
      sum = sum_at(p, row, col, &size);
      assert_int_equal(r.count[SSTE_DIFF_NONE], r.total - 1);
      assert_int_equal(sste_check_failures(&r), 1);
      assert_near(r.worst_share, 2, 0.001);
      assert_true(r.first[0].row == row && r.first[0].col == col);
      assert_int_equal(r.first[0].want, rounded(FLOAT32, sum));
      assert_true(r.first[0].x >= sum && r.first[0].x <= sum);
    }
}

/* Of integers every order is exact, so the bound is 0: one step is too far. */
static void integers_leave_no_room(void **state) {
  int p, o;
  (void)state;
  for (p = 0; p < PRODUCTS; ++p)
    for (o = 0; o < LENGTH(outputs); ++o) {
      const int i = outputs[o];
      size_t row, col;
      double size, sum;
      sste_check_report r;
      draw_inputs(p, SSTE_DRAW_INTEGERS);
      run_kernel(p, i, BACKWARDS);
      r = check_product(p, i, 0);
      assert_int_equal(r.count[SSTE_DIFF_NONE], r.total);
      do {
        row = below(shapes[p].rows);
        col = below(shapes[p].cols);
        sum = sum_at(p, row, col, &size);
      } while (fabs(sum) > 100); /* far from overflow in E4M3 */
      put_result(p, i, row, col, rounded(i, sum) + 1);
      r = check_product(p, i, 0);
      assert_int_equal(r.count[SSTE_DIFF_NONE], r.total - 1);
      assert_int_equal(r.count[SSTE_DIFF_ONE_STEP], 1);
    }
}

/* 2 x 2 products of rows of two, checked in E4M3FN. */
static sste_check_report check_small(int overflow, const uint8_t z[4],
                                     const float x[4], const float w[4],
                                     double bound) {
  sste_check_report r;
  assert_int_equal(sste_check_product_forward(&r, kinds[E4M3FN].f, overflow, z,
                                              2, x, 2, w, 2, 2, 2, 2, bound),
                   SSTE_OK);
  return r;
}

/* X W^T = ((448, 1120), (-1000, -2500)), of which E4M3 holds the first. */
static void a_kernel_that_saturates_is_named(void **state) {
  const float x[] = {448, 0, -1000, 0}, w[] = {1, 0, 2.5f, 0};
  const uint8_t overflows[] = {0x7E, 0x7F, 0xFF, 0xFF};
  const uint8_t saturates_too[] = {0x7E, 0x7E, 0xFE, 0xFE};
  const int none = SSTE_OVERFLOW_NONE, all = SSTE_OVERFLOW_SATURATE;
  sste_check_report r = check_small(none, overflows, x, w, 0x1p-20);
  (void)state;
  assert_int_equal(r.count[SSTE_DIFF_NONE], 4);
  r = check_small(none, saturates_too, x, w, 0x1p-20);
  assert_int_equal(r.count[SSTE_DIFF_NONE], 1);
  assert_int_equal(r.count[SSTE_DIFF_SATURATION], 3);
  r = check_small(all, saturates_too, x, w, 0x1p-20);
  assert_int_equal(r.count[SSTE_DIFF_NONE], 4);
  r = check_small(all, overflows, x, w, 0x1p-20);
  assert_int_equal(r.count[SSTE_DIFF_SATURATION], 3);
}

/* X W^T = ((NaN, NaN), (2, NaN)) */
static void nan_in_a_product_stays_nan(void **state) {
  const float x[] = {INFINITY, 1, 1, 1}, w[] = {0, 2, NAN, 0};
  const uint8_t z[] = {0x7F, 0x7E, 0x7F, 0xFF};
  const sste_check_report r = check_small(SSTE_OVERFLOW_NONE, z, x, w, 0x1p-20);
  (void)state;
  assert_int_equal(r.count[SSTE_DIFF_NONE], 1);
  assert_int_equal(r.count[SSTE_DIFF_NAN], 2);    /* 448 for it, it for 2 */
  assert_int_equal(r.count[SSTE_DIFF_WITHIN], 1); /* NaNs are all right */
}

static void no_terms_give_zeros(void **state) {
  const float zeros[] = {0, 0, -0.0f};
  sste_check_report r;
  double bound;
  (void)state;
  for (bound = 0; bound <= 1; ++bound) {
    assert_int_equal(
        sste_check_product_forward(&r, kinds[FLOAT32].f, SSTE_OVERFLOW_NONE,
                                   zeros, 3, NULL, 0, NULL, 0, 1, 3, 0, bound),
        SSTE_OK);
    assert_int_equal(r.count[SSTE_DIFF_NONE], 2);
    assert_int_equal(r.count[SSTE_DIFF_ZERO_SIGN], 1);
  }
  assert_int_equal(
      sste_check_product_forward(&r, kinds[FLOAT32].f, SSTE_OVERFLOW_NONE, NULL,
                                 0, NULL, 0, NULL, 0, 0, 0, 5, 0),
      SSTE_OK);
  assert_int_equal(r.total, 0);
}

/* Eight products of 0.75 * 2^-150 underflow in float one by one, though their
 * sum is 3 * 2^-149. The sum itself is a float, so with bound 0 it counts.  */
static void underflow_is_allowed_for(void **state) {
  float x[8], w[8];
  const float nothing[] = {0};
  sste_check_report r;
  int k;
  (void)state;
  for (k = 0; k < 8; ++k) {
    x[k] = 0x1.8p-76f;
    w[k] = 0x1p-75f;
  }
  sste_check_product_forward(&r, kinds[FLOAT32].f, SSTE_OVERFLOW_NONE, nothing,
                             1, x, 8, w, 8, 1, 1, 8,
                             sste_check_bound(SSTE_SUM_FLOAT, 8));
  assert_int_equal(r.count[SSTE_DIFF_WITHIN], 1);
  sste_check_product_forward(&r, kinds[FLOAT32].f, SSTE_OVERFLOW_NONE, nothing,
                             1, x, 8, w, 8, 1, 1, 8, 0);
  assert_int_equal(r.count[SSTE_DIFF_FURTHER], 1);
  assert_int_equal(r.worst_ulps, 3);
}

static void threads_judge_the_same(void **state) {
  static const int threads[] = {1, 2, 5};
  sste_check_report first, r;
  int p, t;
  (void)state;
  for (p = 0; p < PRODUCTS; ++p) {
    draw_inputs(p, SSTE_DRAW_NORMAL);
    run_kernel(p, BFLOAT16, BACKWARDS);
    memset(result, 0x11, 200); /* of all kinds of wrong */
    for (t = 0; t < LENGTH(threads); ++t) {
      test_threads(threads[t]);
      r = check_product(p, BFLOAT16, 0x1p-20);
      if (t == 0) first = r;
      assert_report(r, first);
    }
  }
}

static void the_example_of_a_product(void **state) {
  const float x[] = {1, 2}, w[] = {3, 4}, z[] = {11.000001f};
  sste_check_report r;
  (void)state;
  assert_same_float(z[0], nextafterf(11, 12));
  sste_check_product_forward(&r, kinds[FLOAT32].f, SSTE_OVERFLOW_NONE, z, 1, x,
                             2, w, 2, 1, 1, 2, 0x1p-23);
  assert_int_equal(r.count[SSTE_DIFF_WITHIN], 1);
  sste_check_product_forward(&r, kinds[FLOAT32].f, SSTE_OVERFLOW_NONE, z, 1, x,
                             2, w, 2, 1, 1, 2, 0x1p-25);
  assert_int_equal(r.count[SSTE_DIFF_ONE_STEP], 1);
}

/* ---- 9. Merging ---------------------------------------------------------- */

/* Comparisons of rows from..to of what lies in the arrays. */
enum { BITS, NEAR, SPARSE, METADATA, COMPARISONS };
static sste_check_report compare_rows(int how, int i, size_t from, size_t to) {
  const kind *k = &kinds[i];
  const uint8_t *a = got + from * LDG * k->size;
  const uint8_t *b = want + from * LDW * k->size;
  const float *x = truth + from * LDX;
  const size_t rows = to - from;
  sste_check_report r;
  sste_status s;
  if (how == BITS)
    s = sste_check_numbers(&r, k->f, a, LDG, b, LDW, rows, BREADTH);
  else if (how == NEAR)
    s = sste_check_numbers_near(&r, k->f, sste_fp8_saturating(), a, LDG, b, LDW,
                                x, LDX, slack + from * LDE, LDE, rows, BREADTH);
  else if (how == SPARSE)
    s = sste_check_sparse(&r, k->f, a, LDG, b, LDW, x, LDX, rows, BREADTH);
  else
    s = sste_check_metadata(&r, got + from * LDG, LDG, want + from * LDW, LDW,
                            rows, 8 * BREADTH);
  assert_int_equal(s, SSTE_OK);
  return r;
}

/* `wrong` elements that have nothing to do with what is expected. */
static void fill_wrong(int i, int wrong) {
  int n;
  fill_truth(i);
  for (n = 0; n < wrong; ++n)
    put(got, kinds[i].size, below(HEIGHT) * LDG + below(BREADTH),
        random_code(&kinds[i]));
}

static void pieces_merge_into_the_whole(void **state) {
  int how, n;
  (void)state;
  for (n = 0; n < 300; ++n)
    for (how = 0; how < COMPARISONS; ++how) {
      const int i = (int)below(how == BITS ? KINDS : E8M0);
      const size_t first = below(HEIGHT + 1);
      const size_t second = first + below(HEIGHT + 1 - first);
      sste_check_report whole, merged, middle, last;
      fill_wrong(i, (int)below(30));
      whole = compare_rows(how, i, 0, HEIGHT);
      merged = compare_rows(how, i, 0, first);
      middle = compare_rows(how, i, first, second);
      last = compare_rows(how, i, second, HEIGHT);
      assert_int_equal(sste_check_merge(&merged, &middle), SSTE_OK);
      assert_int_equal(sste_check_merge(&merged, &last), SSTE_OK);
      assert_report(merged, whole);
    }
}

static void counts_add_up_to_the_total(void **state) {
  int how, n, d;
  (void)state;
  for (n = 0; n < 100; ++n)
    for (how = 0; how < COMPARISONS; ++how) {
      const int i = (int)below(how == BITS ? KINDS : E8M0);
      sste_check_report r;
      uint64_t sum = 0, failures = 0;
      fill_wrong(i, (int)below(300));
      r = compare_rows(how, i, 0, HEIGHT);
      for (d = 0; d < SSTE_DIFFS; ++d) sum += r.count[d];
      for (d = SSTE_DIFF_WITHIN + 1; d < SSTE_DIFFS; ++d)
        failures += r.count[d];
      assert_int_equal(sum, r.total);
      assert_int_equal(sste_check_failures(&r), failures);
      assert_int_equal(r.shown, failures < 8 ? failures : 8);
      assert_int_equal(r.total, how == SPARSE     ? HEIGHT * BREADTH / 4
                                : how == METADATA ? 2 * HEIGHT * BREADTH
                                                  : HEIGHT * BREADTH);
    }
}

static void a_report_merges_with_itself_and_with_nothing(void **state) {
  const uint8_t a[] = {1, 2, 3}, b[] = {1, 4, 3};
  sste_check_report r, none, once;
  (void)state;
  sste_check_numbers(&once, kinds[E4M3FN].f, a, 3, b, 3, 1, 3);
  r = once;
  assert_int_equal(sste_check_merge(&r, &r), SSTE_OK);
  assert_int_equal(r.total, 6);
  assert_int_equal(r.shown, 2);
  assert_int_equal(r.first[1].row, 1);
  memset(&none, 0, sizeof none);
  assert_int_equal(sste_check_merge(&none, &once), SSTE_OK);
  assert_memory_equal(&none, &once, sizeof once);
}

/* Neither before nor after it is a comparison that failed forgotten. */
static void a_failed_comparison_spoils_the_whole(void **state) {
  const uint8_t a[] = {1, 2, 3};
  sste_check_report good, bad, r;
  (void)state;
  sste_check_numbers(&good, kinds[E4M3FN].f, a, 3, a, 3, 1, 3);
  sste_check_numbers(&bad, kinds[E4M3FN].f, a, 2, a, 3, 1, 3);
  assert_int_equal(sste_check_failures(&good), 0);
  r = good;
  assert_int_equal(sste_check_merge(&r, &bad), SSTE_ERR_SHAPE);
  assert_int_equal(sste_check_failures(&r), 1);
  assert_int_equal(sste_check_merge(&r, &good), SSTE_ERR_SHAPE);
  assert_int_equal(sste_check_failures(&r), 1);
  assert_int_equal(sste_check_failures(NULL), 1);
}

static void text_of_what_is_no_report(void **state) {
  char text[64];
  sste_check_report zero;
  (void)state;
  memset(&zero, 0, sizeof zero);
  sste_check_text(text, sizeof text, &zero);
  assert_string_equal(text, "0 numbers: 0 same, 0 differ\n");
  sste_check_text(text, sizeof text, NULL);
  assert_string_equal(text, "not compared: no report\n");
  assert_int_equal(sste_check_text(NULL, 5, &zero), 28);
}

static void one_error_may_serve_all(void **state) {
  const uint8_t a[] = {0x39, 0x39, 0x39, 0x39}, b[] = {0x38, 0x38, 0x38, 0x38};
  const float x[] = {1.062f, 1.0f, 1.0f, 1.062f}, error[] = {0.001f, 9, 9, 9};
  sste_check_report r;
  (void)state;
  assert_int_equal(
      sste_check_numbers_near(&r, kinds[E4M3FN].f, sste_fp8_saturating(), a, 2,
                              b, 2, x, 2, error, 0, 2, 2),
      SSTE_OK);
  assert_int_equal(r.count[SSTE_DIFF_WITHIN], 2);
  assert_int_equal(r.count[SSTE_DIFF_ONE_STEP], 2);
  assert_int_equal(
      sste_check_numbers_near(&r, kinds[E4M3FN].f, sste_fp8_saturating(), a, 2,
                              b, 2, x, 2, NULL, 0, 2, 2),
      SSTE_ERR_NULL);
}

static void unlike_reports_do_not_merge(void **state) {
  sste_check_report r, before, other;
  int how;
  (void)state;
  fill_wrong(E4M3FN, 20);
  r = compare_rows(BITS, E4M3FN, 0, HEIGHT);
  before = r;
  assert_int_equal(sste_check_merge(NULL, &r), SSTE_ERR_NULL);
  assert_int_equal(sste_check_merge(&r, NULL), SSTE_ERR_NULL);
  for (how = NEAR; how < COMPARISONS; ++how) {
    other = compare_rows(how, E4M3FN, 0, HEIGHT);
    assert_int_equal(sste_check_merge(&r, &other), SSTE_ERR_VALUE);
  }
  other = compare_rows(BITS, E4M3, 0, HEIGHT);
  assert_int_equal(sste_check_merge(&r, &other), SSTE_ERR_VALUE);
  other = compare_rows(BITS, E4M3FNUZ, 0, HEIGHT);
  assert_int_equal(sste_check_merge(&r, &other), SSTE_ERR_VALUE);
  sste_check_numbers(&other, kinds[E4M3FN].f, got, LDG, want, LDW, HEIGHT,
                     BREADTH - 1);
  assert_int_equal(sste_check_merge(&r, &other), SSTE_ERR_VALUE);
  assert_report(r, before);
}

/* ---- 10. Text ------------------------------------------------------------ */

/* The length of the last n lines, which must be the same. */
static size_t width_of_last_lines(const char *text, int n) {
  const char *end = text + strlen(text);
  size_t common = 0;
  int i;
  for (i = 0; i < n; ++i) {
    const char *start = end - 1;
    size_t length;
    assert_true(*start == '\n');
    while (start > text && start[-1] != '\n') --start;
    length = (size_t)(end - start);
    if (i > 0 && length != common) fail_msg("not of one width:\n%s", text);
    common = length;
    end = start;
  }
  return common;
}

static void mismatches_are_lines_of_one_width(void **state) {
  int how, n;
  (void)state;
  for (n = 0; n < 200; ++n)
    for (how = 0; how < COMPARISONS; ++how) {
      const int i = how == BITS     ? n % KINDS
                    : how == SPARSE ? n % E8M0
                                    : n % FLOAT64;
      char text[8192];
      sste_check_report r;
      fill_wrong(i, 40);
      r = compare_rows(how, i, 0, HEIGHT);
      assert_true(sste_check_text(text, sizeof text, &r) < sizeof text);
      width_of_last_lines(text, (int)r.shown);
    }
}

static void text_is_cut_where_its_room_ends(void **state) {
  char whole[8192], text[8192 + 8];
  sste_check_report r;
  size_t n, size, i;
  (void)state;
  fill_wrong(FLOAT32, 40);
  r = compare_rows(NEAR, FLOAT32, 0, HEIGHT);
  n = sste_check_text(whole, sizeof whole, &r);
  assert_int_equal(n, strlen(whole));
  assert_int_equal(sste_check_text(NULL, 0, &r), n);
  for (size = 1; size <= n + 8; ++size) {
    const size_t kept = size <= n ? size - 1 : n;
    test_poison(text, sizeof text);
    assert_int_equal(sste_check_text(text, size, &r), n);
    assert_memory_equal(text, whole, kept);
    assert_int_equal(text[kept], 0);
    for (i = kept + 1; i < size + 8; ++i) assert_int_equal(text[i] & 255, 0xCA);
  }
}

/* As long as it gets: everything counts, at the far end of 64-bit numbers. */
static void the_stated_room_is_enough(void **state) {
  static const int formats[] = {FLOAT64, FLOAT32, E4M3B11FNUZ};
  sste_check_report r;
  int i, n;
  (void)state;
  for (i = 0; i < LENGTH(formats); ++i) {
    memset(&r, 0xFF, sizeof r);
    r.status = SSTE_OK;
    r.what = SSTE_CHECK_NUMBERS;
    r.format = kinds[formats[i]].f;
    r.has_truth = 1;
    r.worst_share = 1.23456e-300;
    r.shown = SSTE_CHECK_SHOWN;
    for (n = 0; n < SSTE_CHECK_SHOWN; ++n) {
      r.first[n].got = bits_of(-1.23456789e-300);
      r.first[n].want = bits_of(1.23456789e-300);
      r.first[n].x = -1.23456789e-300;
      r.first[n].diff = SSTE_DIFF_SATURATION;
    }
    assert_true(sste_check_text(NULL, 0, &r) < 8192);
  }
}

/* The text, with runs of spaces counted as one, against what is expected. */
static void assert_text(const sste_check_report *r, const char *expected) {
  char text[8192];
  const char *from = text;
  char *to = text;
  sste_check_text(text, sizeof text, r);
  for (; *from != 0; ++from) {
    const int at_start = to == text || to[-1] == '\n';
    if (*from == ' ' && (at_start || to[-1] == ' ')) continue;
    if (*from == '\n' && !at_start && to[-1] == ' ') --to;
    *to++ = *from;
  }
  *to = 0;
  assert_string_equal(text, expected);
}

static void text_of_numbers(void **state) {
  const uint8_t x[] = {0x38, 0x7E, 0x00, 0x10}, y[] = {0x39, 0x7F, 0x80, 0x10};
  sste_check_report r;
  (void)state;
  sste_check_numbers(&r, kinds[E4M3FN].f, x, 2, y, 2, 2, 2);
  assert_text(&r,
              "4 numbers in E4M3FN: 1 same, 3 differ\n"
              "zero sign 1\n"
              "saturation 1\n"
              "one step 1\n"
              "NaNs 0, expected 1\n"
              "ulps 1: 1\n"
              "worst 1 ulp at row 0, column 0\n"
              "row column what got expected ulps\n"
              "0 0 one step 38 1 39 1.125 1\n"
              "0 1 saturation 7E 448 7F nan -\n"
              "1 0 zero sign 00 0 80 -0 0\n");
}

static void text_of_numbers_with_a_truth(void **state) {
  const float x[] = {1, 4}, y[] = {1, 2}, t[] = {1, 3}, e[] = {0.5f, 0.25f};
  sste_check_report r;
  (void)state;
  sste_check_numbers_near(&r, kinds[FLOAT32].f, sste_fp8_saturating(), x, 2, y,
                          2, t, 2, e, 2, 1, 2);
  assert_text(&r,
              "2 numbers in float32: 1 same, 0 within, 1 differ\n"
              "further 1\n"
              "ulps 8388608-16777215: 1\n"
              "worst 8388608 ulps at row 0, column 1\n"
              "largest share of the allowed error: 4\n"
              "row column what got expected true value ulps\n"
              "0 1 further 40800000 4 40000000 2 3 8388608\n");
}

static void text_of_groups(void **state) {
  const uint8_t x[] = {0x3C, 0x38, 0, 0}, y[] = {0, 0x38, 0, 0x3C};
  const uint8_t z[] = {0, 0x38, 0x3C, 0};
  const float ones[] = {1, 1, 1, 1};
  sste_check_report r;
  (void)state;
  sste_check_sparse(&r, kinds[E5M2].f, x, 4, y, 4, NULL, 0, 1, 4);
  assert_text(&r,
              "1 groups of four in E5M2: 0 same, 1 differ\n"
              "position 1\n"
              "row column what got expected ulps\n"
              "0 0 position 3C 1 00 0 -\n");
  sste_check_sparse(&r, kinds[E5M2].f, x, 4, z, 4, ones, 4, 1, 4);
  assert_text(&r,
              "1 groups of four in E5M2: 0 same, 1 differ\n"
              "tie 1\n"
              "row column what got expected ulps\n"
              "0 0 tie 3C 1 00 0 -\n");
}

static void text_of_nibbles(void **state) {
  const uint8_t x = 0x4E, y = 0xE4;
  sste_check_report r;
  (void)state;
  sste_check_metadata(&r, &x, 1, &y, 1, 1, 8);
  assert_text(&r,
              "2 nibbles: 0 same, 2 differ\n"
              "swapped 2\n"
              "row group what got expected\n"
              "0 0 swapped E (2,3) 4 (0,1)\n"
              "0 1 swapped 4 (0,1) E (2,3)\n");
}

static void text_of_nothing(void **state) {
  sste_check_report r;
  (void)state;
  sste_check_numbers(&r, kinds[E4M3FNUZ].f, NULL, 0, NULL, 0, 0, 0);
  assert_text(&r, "0 numbers in E4M3FNUZ: 0 same, 0 differ\n");
}

static void differences_have_names(void **state) {
  int a, b;
  (void)state;
  for (a = 0; a < SSTE_DIFFS; ++a) {
    assert_true(strlen(sste_check_diff_name(a)) <= 10); /* fits its column */
    for (b = 0; b < a; ++b)
      assert_string_not_equal(sste_check_diff_name(a), sste_check_diff_name(b));
  }
  assert_null(sste_check_diff_name(-1));
  assert_null(sste_check_diff_name(SSTE_DIFFS));
}

/* ---- 11. What is refused ------------------------------------------------- */

/* A refused comparison leaves a report that nobody takes for success. */
static sste_check_report refused;
static void assert_refused(sste_status status, sste_status expected) {
  sste_check_report empty;
  char text[256];
  memset(&empty, 0, sizeof empty);
  empty.status = (int32_t)expected;
  assert_int_equal(status, expected);
  assert_memory_equal(&refused, &empty, sizeof empty);
  assert_int_equal(sste_check_failures(&refused), 1);
  sste_check_text(text, sizeof text, &refused);
  assert_non_null(strstr(text, sste_status_text(expected)));
  test_poison(&refused, sizeof refused);
}

#define HUGE_LD (SIZE_MAX / 8)

static void numbers_refuse_bad_arguments(void **state) {
  const sste_fp8_format f = kinds[FLOAT16].f;
  sste_fp8_format odd = f;
  (void)state;
  test_poison(&refused, sizeof refused);
#define REFUSED(expected, f, got, ldg, want, ldw)                            \
  assert_refused(sste_check_numbers(&refused, f, got, ldg, want, ldw, 9, 4), \
                 expected)
  odd.bias = 14; /* no longer float16 */
  assert_int_equal(sste_check_numbers(NULL, f, got, 4, want, 4, 9, 4),
                   SSTE_ERR_NULL);
  REFUSED(SSTE_ERR_VALUE, odd, got, 4, want, 4);
  REFUSED(SSTE_ERR_NULL, f, NULL, 4, want, 4);
  REFUSED(SSTE_ERR_NULL, f, got, 4, NULL, 4);
  REFUSED(SSTE_ERR_SHAPE, f, got, 3, want, 4);
  REFUSED(SSTE_ERR_SHAPE, f, got, 4, want, 3);
  REFUSED(SSTE_ERR_SIZE, f, got, HUGE_LD, want, 4);
  REFUSED(SSTE_ERR_SIZE, f, got, 4, want, HUGE_LD);
#undef REFUSED
}

static void numbers_near_refuse_bad_arguments(void **state) {
  const sste_fp8_format f = kinds[BFLOAT16].f;
  (void)state;
  test_poison(&refused, sizeof refused);
#define CHECK(report, f, got, ldg, want, ldw, x, ldx, error, lde)           \
  sste_check_numbers_near(report, f, sste_fp8_saturating(), got, ldg, want, \
                          ldw, x, ldx, error, lde, 9, 4)
#define REFUSED(expected, f, got, ldg, want, ldw, x, ldx, error, lde)         \
  assert_refused(CHECK(&refused, f, got, ldg, want, ldw, x, ldx, error, lde), \
                 expected)
  assert_int_equal(CHECK(NULL, f, got, 4, want, 4, truth, 4, slack, 4),
                   SSTE_ERR_NULL);
  REFUSED(SSTE_ERR_VALUE, kinds[FLOAT64].f, got, 4, want, 4, truth, 4, slack,
          4);
  REFUSED(SSTE_ERR_NULL, f, NULL, 4, want, 4, truth, 4, slack, 4);
  REFUSED(SSTE_ERR_NULL, f, got, 4, NULL, 4, truth, 4, slack, 4);
  REFUSED(SSTE_ERR_NULL, f, got, 4, want, 4, NULL, 4, slack, 4);
  REFUSED(SSTE_ERR_NULL, f, got, 4, want, 4, truth, 4, NULL, 4);
  REFUSED(SSTE_ERR_SHAPE, f, got, 3, want, 4, truth, 4, slack, 4);
  REFUSED(SSTE_ERR_SHAPE, f, got, 4, want, 3, truth, 4, slack, 4);
  REFUSED(SSTE_ERR_SHAPE, f, got, 4, want, 4, truth, 3, slack, 4);
  REFUSED(SSTE_ERR_SHAPE, f, got, 4, want, 4, truth, 4, slack, 3);
  REFUSED(SSTE_ERR_SIZE, f, got, 4, want, 4, truth, HUGE_LD, slack, 4);
  REFUSED(SSTE_ERR_SIZE, f, got, 4, want, 4, truth, 4, slack, HUGE_LD);
#undef REFUSED
#undef CHECK
}

static void sparse_refuses_bad_arguments(void **state) {
  const sste_fp8_format f = kinds[E5M2].f;
  (void)state;
  test_poison(&refused, sizeof refused);
#define REFUSED(expected, f, got, ldg, want, ldw, source, lds, cols)         \
  assert_refused(sste_check_sparse(&refused, f, got, ldg, want, ldw, source, \
                                   lds, 9, cols),                            \
                 expected)
  assert_int_equal(sste_check_sparse(NULL, f, got, 8, want, 8, truth, 8, 9, 8),
                   SSTE_ERR_NULL);
  REFUSED(SSTE_ERR_VALUE, kinds[E8M0].f, got, 8, want, 8, truth, 8, 8);
  REFUSED(SSTE_ERR_NULL, f, NULL, 8, want, 8, truth, 8, 8);
  REFUSED(SSTE_ERR_NULL, f, got, 8, NULL, 8, truth, 8, 8);
  REFUSED(SSTE_ERR_SHAPE, f, got, 7, want, 8, truth, 8, 8);
  REFUSED(SSTE_ERR_SHAPE, f, got, 8, want, 7, truth, 8, 8);
  REFUSED(SSTE_ERR_SHAPE, f, got, 8, want, 8, truth, 7, 8);
  REFUSED(SSTE_ERR_SHAPE, f, got, 8, want, 8, truth, 8, 6);
  REFUSED(SSTE_ERR_SIZE, f, got, 8, want, 8, truth, HUGE_LD, 8);
#undef REFUSED
}

static void metadata_refuses_bad_arguments(void **state) {
  (void)state;
  test_poison(&refused, sizeof refused);
#define REFUSED(expected, got, ldg, want, ldw, cols)                          \
  assert_refused(sste_check_metadata(&refused, got, ldg, want, ldw, 9, cols), \
                 expected)
  assert_int_equal(sste_check_metadata(NULL, got, 2, want, 2, 9, 16),
                   SSTE_ERR_NULL);
  REFUSED(SSTE_ERR_NULL, NULL, 2, want, 2, 16);
  REFUSED(SSTE_ERR_NULL, got, 2, NULL, 2, 16);
  REFUSED(SSTE_ERR_SHAPE, got, 1, want, 2, 16);
  REFUSED(SSTE_ERR_SHAPE, got, 2, want, 1, 12);
  REFUSED(SSTE_ERR_SHAPE, got, 2, want, 2, 10);
  REFUSED(SSTE_ERR_SIZE, got, SIZE_MAX / 9, want, 2, 16);
  REFUSED(SSTE_ERR_SIZE, got, 2, want, 2, SIZE_MAX - 3); /* rounds up to 0 */
#undef REFUSED
}

/* The three products share their checks but not their shapes: each has a
 * stride that is just long enough, and one that is too short by one.        */
static void products_refuse_bad_arguments(void **state) {
  const sste_fp8_format f = kinds[FLOAT32].f;
  int p;
  (void)state;
  test_poison(&refused, sizeof refused);
  for (p = 0; p < PRODUCTS; ++p) {
    const size_t z = shapes[p].ld - GAP, a = shapes[p].left_ld - GAP;
    const size_t b = shapes[p].right_ld - GAP;
    sste_status (*const check)(
        sste_check_report *, sste_fp8_format, int, const void *, size_t,
        const float *, size_t, const float *, size_t, size_t, size_t, size_t,
        double) = p == FORWARD      ? sste_check_product_forward
                  : p == INPUT_GRAD ? sste_check_product_input_grad
                                    : sste_check_product_weight_grad;
#define CHECK(r, f, out, ldz, in, lda, by, ldb, bound) \
  check(r, f, SSTE_OVERFLOW_NONE, out, ldz, in, lda, by, ldb, T, N, K, bound)
#define REFUSED(expected, f, out, ldz, in, lda, by, ldb, bound)         \
  assert_refused(CHECK(&refused, f, out, ldz, in, lda, by, ldb, bound), \
                 expected)
    sste_check_report r;
    draw_inputs(p, SSTE_DRAW_NORMAL);
    assert_int_equal(CHECK(&r, f, result, z, left, a, right, b, 0), SSTE_OK);
    assert_int_equal(CHECK(NULL, f, result, z, left, a, right, b, 0),
                     SSTE_ERR_NULL);
    REFUSED(SSTE_ERR_VALUE, kinds[FLOAT64].f, result, z, left, a, right, b, 0);
    REFUSED(SSTE_ERR_VALUE, f, result, z, left, a, right, b, -1e-9);
    assert_refused(check(&refused, f, SSTE_OVERFLOW_NONE + 1, result, z, left,
                         a, right, b, T, N, K, 0),
                   SSTE_ERR_VALUE);
    REFUSED(SSTE_ERR_VALUE, f, result, z, left, a, right, b, NAN);
    REFUSED(SSTE_ERR_VALUE, f, result, z, left, a, right, b, INFINITY);
    REFUSED(SSTE_ERR_NULL, f, NULL, z, left, a, right, b, 0);
    REFUSED(SSTE_ERR_NULL, f, result, z, NULL, a, right, b, 0);
    REFUSED(SSTE_ERR_NULL, f, result, z, left, a, NULL, b, 0);
    REFUSED(SSTE_ERR_SHAPE, f, result, z - 1, left, a, right, b, 0);
    REFUSED(SSTE_ERR_SHAPE, f, result, z, left, a - 1, right, b, 0);
    REFUSED(SSTE_ERR_SHAPE, f, result, z, left, a, right, b - 1, 0);
    REFUSED(SSTE_ERR_SIZE, f, result, HUGE_LD, left, a, right, b, 0);
    REFUSED(SSTE_ERR_SIZE, f, result, z, left, HUGE_LD, right, b, 0);
    REFUSED(SSTE_ERR_SIZE, f, result, z, left, a, right, HUGE_LD, 0);
#undef REFUSED
#undef CHECK
  }
}

static void nothing_to_compare_succeeds(void **state) {
  const sste_fp8_format f = kinds[E4M3FN].f;
  sste_check_report r;
  (void)state;
  assert_int_equal(sste_check_numbers(&r, f, NULL, 0, NULL, 0, 7, 0), SSTE_OK);
  assert_report(r, blank(SSTE_CHECK_NUMBERS, f, 7, 0, 0));
  assert_int_equal(sste_check_sparse(&r, f, NULL, 0, NULL, 0, NULL, 0, 0, 6),
                   SSTE_OK);
  assert_report(r, blank(SSTE_CHECK_GROUPS, f, 0, 6, 0));
  assert_int_equal(sste_check_metadata(&r, NULL, 0, NULL, 0, 5, 0), SSTE_OK);
  assert_report(r, blank(SSTE_CHECK_NIBBLES, sste_fp8_e8m0(), 5, 0, 0));
}
/* -------------------------------------------------------------------------- */

#define TEST(name) cmocka_unit_test_setup(name, fresh_seed)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_rank_counts_the_values_from_zero),
      TEST(ulps_of_every_pair_are_the_values_between),
      TEST(next_walks_the_line_and_stops_at_its_ends),
      TEST(wide_ranks_count_the_values_from_zero),
      TEST(one_step_is_nextafter),
      TEST(ranks_beyond_the_ends_are_the_ends),
      TEST(the_longest_steps_still_count),
      TEST(nan_is_nowhere),
      TEST(bits_above_the_width_are_ignored),
      TEST(boundaries_hold_what_they_promise),
      TEST(boundaries_have_the_stated_count),
      TEST(boundaries_come_with_both_signs),
      TEST(boundaries_between_narrow_formats),
      TEST(every_step_lies_between_two_inputs),
      TEST(wrong_encoders_are_caught),
      TEST(every_decision_of_an_mvue_draw_has_words),
      TEST(mvue_words_are_the_ends_of_cells),
      TEST(mvue_words_lie_beside_the_ends),
      TEST(normal_is_bell_shaped),
      TEST(weights_have_outlier_columns),
      TEST(weights_have_heavy_tails),
      TEST(bfloat16_is_normal_rounded),
      TEST(midpoints_of_both_formats_are_drawn),
      TEST(midpoints_are_off_by_one_ulp_at_most),
      TEST(ties_are_small_integers_of_both_signs),
      TEST(zeros_come_in_every_pattern),
      TEST(sparse_comes_in_every_pattern_of_two),
      TEST(one_entry_dominates),
      TEST(exponents_are_as_stated),
      TEST(mantissas_are_whole),
      TEST(subnormals_are_of_every_length),
      TEST(flat_groups_have_one_magnitude),
      TEST(nans_are_few_and_of_every_kind),
      TEST(specials_of_every_kind_are_drawn),
      TEST(integers_are_exact_in_any_order),
      TEST(words_are_those_of_splitmix64),
      TEST(draws_are_what_they_were),
      TEST(the_example_of_a_draw),
      TEST(a_tensor_is_its_groups),
      TEST(threads_draw_the_same),
      TEST(seeds_rows_and_groups_draw_differently),
      TEST(draws_have_names),
      TEST(bad_draws_are_refused),
      TEST(what_a_converter_gives_is_within),
      TEST(a_code_may_lie_beyond_the_step_in_between),
      TEST(no_finite_number_is_rounded_to_an_infinity_it_cannot_reach),
      TEST(within_is_what_the_interval_reaches),
      TEST(within_follows_a_rule_of_two_steps),
      TEST(within_by_way_of_float),
      TEST(one_ulp_of_the_error_decides),
      TEST(a_tiny_value_decides),
      TEST(infinities_and_nans_have_no_error),
      TEST(errors_that_are_none_count_as_zero),
      TEST(a_zero_has_the_signs_around_it),
      TEST(the_example_of_within),
      TEST(bounds_are_the_stated_formulas),
      TEST(bounds_end_at_infinity),
      TEST(float_sums_keep_their_bound),
      TEST(tensor_cores_keep_their_bounds),
      TEST(integers_are_exact_in_a_tensor_core),
      TEST(a_planted_number_is_of_its_class_alone),
      TEST(many_planted_numbers_add_up),
      TEST(every_pair_of_codes_is_of_the_class_of_its_values),
      TEST(bits_outside_the_format_are_an_encoding),
      TEST(the_example_of_numbers),
      TEST(an_error_excuses_what_it_reaches),
      TEST(a_wrong_expectation_is_excused),
      TEST(the_share_is_of_the_error_before_rounding),
      TEST(a_nan_that_came_in_has_not_overflowed),
      TEST(every_pair_of_groups_is_of_its_class),
      TEST(a_planted_group_is_of_its_class_alone),
      TEST(a_tie_keeps_the_same_magnitudes),
      TEST(a_group_that_is_not_sparse_counts_though_it_was_expected),
      TEST(without_signs_a_pruned_bit_is_an_encoding),
      TEST(without_a_source_a_tie_is_a_position),
      TEST(every_pair_of_bytes_is_of_its_class),
      TEST(a_planted_nibble_is_of_its_class_alone),
      TEST(the_expected_product_is_rounded_once),
      TEST(the_expected_product_is_that_of_the_library),
      TEST(another_order_is_within_the_bound),
      TEST(an_error_of_two_bounds_is_caught),
      TEST(integers_leave_no_room),
      TEST(a_kernel_that_saturates_is_named),
      TEST(nan_in_a_product_stays_nan),
      TEST(no_terms_give_zeros),
      TEST(underflow_is_allowed_for),
      TEST(threads_judge_the_same),
      TEST(the_example_of_a_product),
      TEST(pieces_merge_into_the_whole),
      TEST(counts_add_up_to_the_total),
      TEST(a_report_merges_with_itself_and_with_nothing),
      TEST(a_failed_comparison_spoils_the_whole),
      TEST(text_of_what_is_no_report),
      TEST(one_error_may_serve_all),
      TEST(unlike_reports_do_not_merge),
      TEST(mismatches_are_lines_of_one_width),
      TEST(text_is_cut_where_its_room_ends),
      TEST(the_stated_room_is_enough),
      TEST(text_of_numbers),
      TEST(text_of_numbers_with_a_truth),
      TEST(text_of_groups),
      TEST(text_of_nibbles),
      TEST(text_of_nothing),
      TEST(differences_have_names),
      TEST(numbers_refuse_bad_arguments),
      TEST(numbers_near_refuse_bad_arguments),
      TEST(sparse_refuses_bad_arguments),
      TEST(metadata_refuses_bad_arguments),
      TEST(products_refuse_bad_arguments),
      TEST(nothing_to_compare_succeeds),
  };
  return cmocka_run_group_tests_name("check", tests, make_formats, NULL);
}
