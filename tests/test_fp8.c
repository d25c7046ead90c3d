/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_fp8.c - sste_fp8.h against the definition of its formats, a slow
 * reference and ml_dtypes' answers. Level 2 goes through every float.
 *
 *   1. The two references agree with each other
 *   2. Decode
 *   3. Encode and round
 *   4. The floating point environment
 *   5. Scale and amax
 *   6. Tensors: values, strides, threads
 *   7. Tensors: what is refused
 *   8. Golden vectors
 */
#include <fenv.h>

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

/* ---- The formats under test, each with its slow twin -------------------- */

typedef struct twin {
  const char *name;
  sste_fp8_format f;
  slow_fp8 slow;
} twin;

enum { FORMATS = 4 };
static twin formats[FORMATS];

static twin make_twin(const char *name, sste_fp8_format f, slow_fp8 slow) {
  twin t;
  t.name = name;
  t.f = f;
  t.slow = slow;
  return t;
}

static int make_formats(void **state) {
  (void)state;
  formats[0] =
      make_twin("e4m3fn", sste_fp8_e4m3fn(), slow_fp8_format(4, 3, 7, 0));
  formats[1] = make_twin("e5m2", sste_fp8_e5m2(), slow_fp8_format(5, 2, 15, 1));
  formats[2] = make_twin("e3m4", sste_fp8_e3m4(), slow_fp8_format(3, 4, 3, 1));
  formats[3] =
      make_twin("e3m4fn", sste_fp8_e3m4fn(), slow_fp8_format(3, 4, 3, 0));
  return 0;
}

static sste_fp8_format descriptor(int E, int M, int B, int specials) {
  sste_fp8_format f;
  f.exponent_bits = E;
  f.mantissa_bits = M;
  f.bias = B;
  f.specials = specials;
  return f;
}

/* For encoding, the low half of a float matters only in being zero, small, a
 * half or large: these six lows under every high half meet every decision.   */
enum { STRIDED = 6 * 65536 };
static float strided(int i) {
  static const uint32_t low[6] = {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
  return test_float((uint32_t)(i / 6) << 16 | low[i % 6]);
}

static void wrong_code(const twin *t, float x, int got, int want) {
  test_print_float(t->name, x);
  fail_msg("%s: got code %02X, expected %02X", t->name, (unsigned)got,
           (unsigned)want);
}

static void expect_code(const twin *t, float x, int want) {
  const int got = sste_fp8_encode(t->f, x);
  if (got != want) wrong_code(t, x, got, want);
}

/* ---- 1. The two references agree with each other ------------------------ */

/* The thresholds assume that codes sort like values and that midpoints are
 * floats; and they put every code where the search for the nearest does.     */
static void check_references(const slow_fp8 *s) {
  int code;
  for (code = 1; code <= s->largest; ++code) {
    const double middle = (s->value[code - 1] + s->value[code]) / 2;
    const uint32_t from = slow_fp8_threshold(s, code);
    assert_true(s->value[code - 1] < s->value[code]);
    assert_true((double)(float)middle == middle);
    assert_int_equal(slow_fp8_encode(s, test_float(from)), code);
    assert_int_equal(slow_fp8_encode(s, test_float(from - 1)), code - 1);
  }
}

static void references_agree(void **state) {
  int i;
  (void)state;
  for (i = 0; i < FORMATS; ++i) check_references(&formats[i].slow);
}

/* ---- 2. Decode ----------------------------------------------------------- */

static void decode_follows_the_definition(void **state) {
  int i, code;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    const twin *t = &formats[i];
    for (code = 0; code < 256; ++code)
      assert_same_float(sste_fp8_decode(t->f, (uint8_t)code),
                        slow_fp8_decode(&t->slow, code));
  }
}

/* The published table of the formats, typed in by hand. */
static void decode_follows_the_table(void **state) {
  static const struct {
    int format, code;
    float value;
  } table[] = {
      {0, 0x01, 0x1p-9f},   {0, 0x07, 7 * 0x1p-9f}, {0, 0x08, 0x1p-6f},
      {0, 0x38, 1.0f},      {0, 0x39, 1.125f},      {0, 0x7E, 448.0f},
      {0, 0xFE, -448.0f},   {1, 0x01, 0x1p-16f},    {1, 0x03, 3 * 0x1p-16f},
      {1, 0x04, 0x1p-14f},  {1, 0x3C, 1.0f},        {1, 0x7B, 57344.0f},
      {1, 0x7C, INFINITY},  {1, 0xFC, -INFINITY},   {2, 0x01, 0x1p-6f},
      {2, 0x0F, 0.234375f}, {2, 0x10, 0.25f},       {2, 0x30, 1.0f},
      {2, 0x6F, 15.5f},     {2, 0x70, INFINITY},    {2, 0xF0, -INFINITY},
      {3, 0x01, 0x1p-6f},   {3, 0x0F, 0.234375f},   {3, 0x10, 0.25f},
      {3, 0x30, 1.0f},      {3, 0x7E, 30.0f},       {3, 0x80, -0.0f},
      {0, 0x00, 0.0f},      {0, 0x80, -0.0f},       {1, 0x80, -0.0f},
      {2, 0x80, -0.0f},     {3, 0xB0, -1.0f}};
  size_t i;
  (void)state;
  for (i = 0; i < sizeof table / sizeof *table; ++i)
    assert_same_float(
        sste_fp8_decode(formats[table[i].format].f, (uint8_t)table[i].code),
        table[i].value);
}

/* How many codes are numbers, and that every NaN is the one NaN. */
static void decode_counts(void **state) {
  static const int finite[FORMATS] = {254, 248, 224, 254};
  static const int nans[FORMATS] = {2, 6, 30, 2};
  int i, code;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    int finite_seen = 0, nans_seen = 0;
    for (code = 0; code < 256; ++code) {
      const float x = sste_fp8_decode(formats[i].f, (uint8_t)code);
      finite_seen += isfinite(x) != 0;
      nans_seen += test_bits(x) == NAN_BITS;
    }
    assert_int_equal(finite_seen, finite[i]);
    assert_int_equal(nans_seen, nans[i]);
  }
}

static void largest_values(void **state) {
  (void)state;
  assert_same_float(sste_fp8_max(sste_fp8_e4m3fn()), 448.0f);
  assert_same_float(sste_fp8_max(sste_fp8_e5m2()), 57344.0f);
  assert_same_float(sste_fp8_max(sste_fp8_e3m4()), 15.5f);
  assert_same_float(sste_fp8_max(sste_fp8_e3m4fn()), 30.0f);
}

/* ---- 3. Encode and round ------------------------------------------------- */

/* A number returns to its code, an infinity saturates, a NaN is 0x7F. */
static int code_after_round_trip(const slow_fp8 *s, int code) {
  const double v = s->value[code % 128];
  if (isnan(v)) return SLOW_FP8_NAN;
  return isinf(v) ? code / 128 * 128 + s->largest : code;
}

static void encode_undoes_decode(void **state) {
  int i, code;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    const twin *t = &formats[i];
    for (code = 0; code < 256; ++code)
      expect_code(t, sste_fp8_decode(t->f, (uint8_t)code),
                  code_after_round_trip(&t->slow, code));
  }
}

static void encode_finds_the_nearest(void **state) {
  int i, k;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (k = 0; k < STRIDED; ++k)
      expect_code(&formats[i], strided(k),
                  slow_fp8_encode(&formats[i].slow, strided(k)));
}

/* The documented examples, and both sides of the overflow limits. */
static void encode_examples(void **state) {
  const twin *e4m3fn = &formats[0], *e5m2 = &formats[1], *e3m4 = &formats[2],
             *e3m4fn = &formats[3];
  (void)state;
  expect_code(e4m3fn, 1.1875f, 0x3A);
  expect_code(e4m3fn, 432.0f, 0x7E);
  expect_code(e4m3fn, 464.0f, 0x7E);
  expect_code(e4m3fn, nextafterf(464.0f, 1e9f), 0x7E);
  expect_code(e4m3fn, -1e9f, 0xFE);
  expect_code(e5m2, nextafterf(61440.0f, 0.0f), 0x7B);
  expect_code(e5m2, 61440.0f, 0x7B);
  expect_code(e3m4, nextafterf(15.75f, 0.0f), 0x6F);
  expect_code(e3m4, -15.75f, 0xEF);
  expect_code(e3m4fn, 30.5f, 0x7E);
  expect_code(e3m4fn, nextafterf(30.5f, 31.0f), 0x7E);
}

static void encode_specials(void **state) {
  int i;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    const twin *t = &formats[i];
    expect_code(t, 0.0f, 0x00);
    expect_code(t, -0.0f, 0x80);
    expect_code(t, -0x1p-149f, 0x80);
    expect_code(t, -0x1p-80f, 0x80);
    expect_code(t, INFINITY, t->slow.largest);
    expect_code(t, -INFINITY, t->slow.largest + 0x80);
    expect_code(t, test_float(0x7F800001u), 0x7F);
    expect_code(t, test_float(0xFF800001u), 0x7F);
    expect_code(t, test_float(0x7FC00000u), 0x7F);
    expect_code(t, test_float(0xFFFFFFFFu), 0x7F);
  }
}

/* The strided floats ascend from 0 to infinity in their first half. */
static void encode_is_monotone_and_odd(void **state) {
  int i, k;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    int last = 0;
    for (k = 0; test_bits(strided(k)) <= INF_BITS; ++k) {
      const int code = sste_fp8_encode(formats[i].f, strided(k));
      assert_in_range(code, last, formats[i].slow.largest);
      expect_code(&formats[i], -strided(k), code + 0x80);
      last = code;
    }
    assert_int_equal(last, formats[i].slow.largest);
  }
}

/* round is decode after encode, within the error that the header states. */
static void check_round(const twin *t, float x) {
  const float y = sste_fp8_round(t->f, x);
  const double a = fabs((double)x), error = fabs((double)y - (double)x);
  const double normal = ldexp(1, 1 - t->slow.B);
  const double bound =
      a >= normal ? ldexp(a, -t->slow.M - 1) : ldexp(1, -t->slow.B - t->slow.M);
  assert_same_float(y, slow_fp8_decode(&t->slow, slow_fp8_encode(&t->slow, x)));
  assert_same_float(y, sste_fp8_decode(t->f, sste_fp8_encode(t->f, x)));
  if (a <= t->slow.value[t->slow.largest]) assert_true(error <= bound);
}

static void round_is_decode_of_encode(void **state) {
  int i, k;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (k = 0; k < STRIDED; ++k) check_round(&formats[i], strided(k));
}

static void round_examples(void **state) {
  const sste_fp8_format f = sste_fp8_e4m3fn();
  (void)state;
  assert_same_float(sste_fp8_round(f, 1.2f), 1.25f);
  assert_same_float(sste_fp8_round(f, 1000.0f), 448.0f);
  assert_same_float(sste_fp8_round(f, 0.0009f), 0.0f);
  assert_same_float(sste_fp8_round(f, -0.0009f), -0.0f);
}

/* A format is data: others than the named four work too, up to the ends of the
 * range of biases. Around its thresholds is where a code can go wrong.       */
static void check_any_format(int E, int B, int has_inf) {
  const twin t = make_twin(
      "any", descriptor(E, 7 - E, B, has_inf ? SSTE_FP8_IEEE : SSTE_FP8_FN),
      slow_fp8_format(E, 7 - E, B, has_inf));
  int code;
  for (code = 0; code < 256; ++code)
    assert_same_float(sste_fp8_decode(t.f, (uint8_t)code),
                      slow_fp8_decode(&t.slow, code));
  for (code = 1; code <= t.slow.largest; ++code) {
    const uint32_t from = slow_fp8_threshold(&t.slow, code);
    expect_code(&t, test_float(from), code);
    expect_code(&t, test_float(from - 1), code - 1);
  }
  expect_code(&t, 0x1p-149f, 0);
  expect_code(&t, test_float(0x007FFFFFu), 0);
  expect_code(&t, -FLT_MAX, t.slow.largest + 128);
}

static void any_format_works(void **state) {
  int E;
  (void)state;
  for (E = 2; E <= 6; ++E) {
    const int lowest = (1 << E) - 127, middle = (1 << (E - 1)) - 1;
    int has_inf;
    for (has_inf = 0; has_inf <= 1; ++has_inf) {
      check_any_format(E, lowest, has_inf);
      check_any_format(E, 0, has_inf);
      check_any_format(E, middle, has_inf);
      check_any_format(E, 100, has_inf);
    }
  }
}

/* Every float with one high half, against the thresholds. The floats ascend,
 * so the expected code only ever steps up. Returns how many codes are wrong. */
static uint32_t wrong_in_block(const twin *t, uint32_t high) {
  const uint32_t sign = high >> 15;
  uint32_t low, wrong = 0;
  int code = 0;
  for (low = 0; low <= 0xFFFF; ++low) {
    const uint32_t bits = high << 16 | low, magnitude = bits & 0x7FFFFFFFu;
    int want;
    while (code < t->slow.largest &&
           magnitude >= slow_fp8_threshold(&t->slow, code + 1))
      ++code;
    want = magnitude > INF_BITS ? SLOW_FP8_NAN : code + (int)(sign << 7);
    wrong += sste_fp8_encode(t->f, test_float(bits)) != want;
  }
  return wrong;
}

/* Level 2, all 2^32 floats; level 1 takes one block in 251. */
static void encode_every_float(void **state) {
  const int step = test_level() == 2 ? 1 : 251;
  int i, high;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    uint32_t wrong = 0;
    SSTE_OMP(parallel for schedule(dynamic, 16) reduction(+ : wrong))
    for (high = 0; high < 65536; high += step)
      wrong += wrong_in_block(&formats[i], (uint32_t)high) != 0;
    if (wrong) fail_msg("%s: %u blocks wrong", formats[i].name, wrong);
  }
}

/* ---- 4. The floating point environment ----------------------------------- */

static uint8_t plain_codes[FORMATS][STRIDED];
static float plain_values[FORMATS][256];

static uint8_t code_of(int i, int k) {
  return sste_fp8_encode(formats[i].f, strided(k));
}

static void record_plain(void) {
  int i, k;
  for (i = 0; i < FORMATS; ++i) {
    for (k = 0; k < STRIDED; ++k) plain_codes[i][k] = code_of(i, k);
    for (k = 0; k < 256; ++k)
      plain_values[i][k] = sste_fp8_decode(formats[i].f, (uint8_t)k);
  }
}

/* Compares bits only, so that the checks themselves do not depend on what is
 * being switched, and returns rather than fails: the caller restores first.  */
static int changed_bits(void) {
  int i, k, changed = 0;
  for (i = 0; i < FORMATS; ++i) {
    for (k = 0; k < STRIDED; ++k) changed += code_of(i, k) != plain_codes[i][k];
    for (k = 0; k < 256; ++k)
      changed += test_bits(sste_fp8_decode(formats[i].f, (uint8_t)k)) !=
                 test_bits(plain_values[i][k]);
  }
  return changed;
}

static void rounding_modes_change_nothing(void **state) {
  static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO,
                              FE_TONEAREST};
  size_t i;
  (void)state;
  record_plain();
  for (i = 0; i < sizeof modes / sizeof *modes; ++i) {
    int changed;
    assert_int_equal(fesetround(modes[i]), 0);
    changed = changed_bits();
    fesetround(FE_TONEAREST);
    assert_int_equal(changed, 0);
  }
}

static void flush_to_zero_changes_nothing(void **state) {
  (void)state;
#if defined(__SSE__)
  {
    const unsigned before = _mm_getcsr();
    int changed;
    record_plain();
    _mm_setcsr(before | 0x8040u); /* results and operands flushed */
    changed = changed_bits();
    _mm_setcsr(before);
    assert_int_equal(changed, 0);
  }
#else
  print_message("skipped: no way to flush to zero is known here\n");
  skip();
#endif
}

/* ---- 5. Scale and amax --------------------------------------------------- */

static void scale_is_the_rounded_quotient(void **state) {
  uint64_t seed = test_seed();
  int i, k;
  (void)state;
  assert_same_float(sste_fp8_scale(sste_fp8_e4m3fn(), 2.0f), 224.0f);
  assert_same_float(sste_fp8_scale(sste_fp8_e4m3fn(), -2.0f), 224.0f);
  for (i = 0; i < FORMATS; ++i)
    for (k = 0; k < 1000; ++k) {
      /* Far enough from both ends that no quotient overflows. */
      const float amax = (float)ldexp(1 + test_uniform(&seed), k % 200 - 100);
      const double largest = formats[i].slow.value[formats[i].slow.largest];
      const float want = (float)largest / amax;
      assert_same_float(sste_fp8_scale(formats[i].f, amax), want);
      assert_same_float(sste_fp8_scale(formats[i].f, -amax), want);
    }
}

static void scale_guards(void **state) {
  int i;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    const sste_fp8_format f = formats[i].f;
    assert_same_float(sste_fp8_scale(f, 0.0f), 1.0f);
    assert_same_float(sste_fp8_scale(f, -0.0f), 1.0f);
    assert_same_float(sste_fp8_scale(f, INFINITY), 1.0f);
    assert_same_float(sste_fp8_scale(f, -INFINITY), 1.0f);
    assert_same_float(sste_fp8_scale(f, test_float(0x7F800001u)), 1.0f);
    assert_same_float(sste_fp8_scale(f, test_float(0xFFC00000u)), 1.0f);
    assert_same_float(sste_fp8_scale(f, 0x1p-149f), FLT_MAX);
    assert_same_float(sste_fp8_scale(f, -0x1p-126f), FLT_MAX);
    assert_true(sste_fp8_scale(f, FLT_MAX) > 0);
  }
}

/* At 448 / 2^128 = 1.75 * 2^-120 a scale of 2^128 would be needed, which is no
 * float. The next amax still has its quotient.                               */
static void scale_at_the_edge_of_overflow(void **state) {
  const float edge = 0x1.cp-120f;
  (void)state;
  assert_same_float(sste_fp8_scale(sste_fp8_e4m3fn(), edge), FLT_MAX);
  assert_same_float(sste_fp8_scale(sste_fp8_e4m3fn(), nextafterf(edge, 1.0f)),
                    (float)(448.0 / (double)nextafterf(edge, 1.0f)));
}

static float amax_of(const float *x, size_t ldx, size_t rows, size_t cols) {
  float amax;
  test_poison(&amax, sizeof amax);
  assert_int_equal(sste_fp8_tensor_amax(&amax, x, ldx, rows, cols), SSTE_OK);
  return amax;
}

static void amax_of_small_matrices(void **state) {
  const float plain[] = {1.0f, -3.0f, 2.0f}, zeros[] = {-0.0f, -0.0f};
  const float inf[] = {1.0f, -INFINITY, 3.0f};
  const float tiny[] = {0x1p-149f, -0x1p-148f};
  (void)state;
  assert_same_float(amax_of(plain, 3, 1, 3), 3.0f);
  assert_same_float(amax_of(plain, 1, 3, 1), 3.0f);
  assert_same_float(amax_of(zeros, 2, 1, 2), 0.0f);
  assert_same_float(amax_of(inf, 3, 1, 3), INFINITY);
  assert_same_float(amax_of(tiny, 2, 1, 2), 0x1p-148f);
}

/* A NaN outweighs even infinity, wherever it is and whatever its bits. */
static void amax_passes_nan_on(void **state) {
  static const uint32_t nans[] = {0x7FC00000u, 0xFFC00001u, 0x7F800001u,
                                  0xFFFFFFFFu};
  float x[6];
  size_t i, at;
  (void)state;
  for (i = 0; i < 4; ++i)
    for (at = 0; at < 6; ++at) {
      size_t c;
      for (c = 0; c < 6; ++c) x[c] = INFINITY;
      x[at] = test_float(nans[i]);
      assert_same_float(amax_of(x, 3, 2, 3), test_float(NAN_BITS));
    }
}

/* What lies between the rows does not count, nor does what follows them. */
static void amax_skips_the_padding(void **state) {
  const float x[] = {1, -2, 9, 4, -5, 9, 3, 0, 9};
  (void)state;
  assert_same_float(amax_of(x, 3, 3, 2), 5.0f);
  assert_same_float(amax_of(x, 3, 1, 2), 2.0f);
}

static void amax_of_nothing(void **state) {
  const float x[] = {7.0f};
  (void)state;
  assert_same_float(amax_of(NULL, 0, 0, 5), 0.0f);
  assert_same_float(amax_of(NULL, 0, 5, 0), 0.0f);
  assert_same_float(amax_of(x, 1, 0, 1), 0.0f);
  assert_same_float(amax_of(x, 1, 1, 0), 0.0f);
  assert_same_float(amax_of(NULL, 0, SIZE_MAX, 0), 0.0f);
  assert_same_float(amax_of(NULL, 0, PTRDIFF_MAX, 0), 0.0f);
}

/* The largest sits in each row in turn, so a lost row is a lost maximum. */
static void amax_ignores_the_thread_count(void **state) {
  enum { ROWS = 64, COLS = 500 };
  static float x[ROWS * COLS];
  static const int threads[] = {1, 2, 5};
  uint64_t seed = test_seed();
  size_t i, r;
  (void)state;
  for (i = 0; i < ROWS * COLS; ++i) x[i] = (float)test_normal(&seed);
  for (r = 0; r < ROWS; ++r) {
    float *top = &x[r * COLS + r % 7], kept = *top;
    *top = -99.0f - (float)r;
    for (i = 0; i < 3; ++i) {
      test_threads(threads[i]);
      assert_same_float(amax_of(x, COLS, ROWS, COLS), 99.0f + (float)r);
    }
    *top = kept;
  }
}

static void amax_errors(void **state) {
  const float x[4] = {1, 2, 3, 4};
  const size_t most = (size_t)PTRDIFF_MAX / sizeof(float);
  float amax = 5.0f;
  (void)state;
  assert_int_equal(sste_fp8_tensor_amax(&amax, NULL, 2, 2, 2), SSTE_ERR_NULL);
  assert_int_equal(sste_fp8_tensor_amax(NULL, x, 2, 2, 2), SSTE_ERR_NULL);
  assert_int_equal(sste_fp8_tensor_amax(NULL, x, 2, 0, 2), SSTE_ERR_NULL);
  assert_int_equal(sste_fp8_tensor_amax(&amax, x, 1, 2, 2), SSTE_ERR_SHAPE);
  assert_int_equal(sste_fp8_tensor_amax(&amax, x, most + 1, 1, 1),
                   SSTE_ERR_SIZE);
  assert_int_equal(sste_fp8_tensor_amax(&amax, x, most / 2 + 1, 2, 1),
                   SSTE_ERR_SIZE);
  assert_int_equal(sste_fp8_tensor_amax(&amax, x, 1, most + 1, 1),
                   SSTE_ERR_SIZE);
  assert_same_float(amax, 5.0f);
  assert_int_equal(sste_fp8_tensor_amax(&amax, x, most, 1, 1), SSTE_OK);
  assert_same_float(amax, 1.0f);
}

/* ---- 6. Tensors: values, strides, threads -------------------------------- */

/* One call of each tensor function, with room around every matrix. */
enum { ROWS = 23, COLS = 37, LD_X = 41, LD_CODE = 43, LD_Y = 39 };
enum { X_SIZE = ROWS * LD_X, CODE_SIZE = ROWS * LD_CODE, Y_SIZE = ROWS * LD_Y };

typedef struct tensors {
  float x[X_SIZE], back[X_SIZE], y[Y_SIZE];
  uint8_t code[CODE_SIZE];
} tensors;

/* Normal numbers with every kind of special among them. */
static void fill(float *x, int n) {
  static const uint32_t special[] = {
      0x00000000u, 0x80000000u, 0x7F800000u, 0xFF800000u, 0x7FC00000u,
      0xFFC12345u, 0x7F800001u, 0x00000001u, 0x80400000u, 0x7F7FFFFFu};
  uint64_t seed = test_seed();
  int i;
  for (i = 0; i < n; ++i)
    x[i] = i % 5 == 0 ? test_float(special[i / 5 % 10])
                      : (float)test_normal(&seed);
}

static void run_tensors(tensors *m, const twin *t, float scale) {
  const sste_fp8_format f = t->f;
  test_poison(m, sizeof *m);
  fill(m->x, X_SIZE);
  assert_int_equal(sste_fp8_tensor_encode(m->code, LD_CODE, m->x, LD_X, ROWS,
                                          COLS, scale, f),
                   SSTE_OK);
  assert_int_equal(sste_fp8_tensor_decode(m->back, LD_X, m->code, LD_CODE, ROWS,
                                          COLS, scale, f),
                   SSTE_OK);
  assert_int_equal(
      sste_fp8_tensor_round(m->y, LD_Y, m->x, LD_X, ROWS, COLS, scale, f),
      SSTE_OK);
}

/* One rounded quotient; the one NaN. */
static float slow_quotient(const slow_fp8 *s, int code, float scale) {
  const float q = slow_fp8_decode(s, code) / scale;
  return isnan(q) ? test_float(NAN_BITS) : q;
}

static void check_element(const tensors *m, const twin *t, float scale, int r,
                          int c) {
  const float x = m->x[r * LD_X + c];
  const int code = slow_fp8_encode(&t->slow, x * scale);
  const float back = slow_quotient(&t->slow, code, scale);
  assert_int_equal(m->code[r * LD_CODE + c], code);
  assert_same_float(m->back[r * LD_X + c], back);
  assert_same_float(m->y[r * LD_Y + c], back);
}

static void tensors_follow_the_scalars(void **state) {
  /* 2^-126 and 2^127 make products and quotients overflow and underflow. */
  static const float scales[] = {1, 224, 0.37f, 0x1p-126f, 0x1p127f, 0x1p-140f};
  static tensors t;
  int i, k, r, c;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (k = 0; k < 6; ++k) {
      run_tensors(&t, &formats[i], scales[k]);
      for (r = 0; r < ROWS; ++r)
        for (c = 0; c < COLS; ++c)
          check_element(&t, &formats[i], scales[k], r, c);
    }
}

/* The product is rounded to float before it is encoded. Here that makes a tie
 * of a product which lies just below 1.1875, and the tie goes up to 0x3A.    */
static void tensor_encode_rounds_the_product(void **state) {
  const float x = 1.1875f / 7, scale = 7;
  uint8_t code;
  float y;
  (void)state;
  assert_true((double)x * (double)scale < 1.1875);
  assert_true(x * scale == 1.1875f);
  sste_fp8_tensor_encode(&code, 1, &x, 1, 1, 1, scale, sste_fp8_e4m3fn());
  assert_int_equal(code, 0x3A);
  sste_fp8_tensor_round(&y, 1, &x, 1, 1, 1, scale, sste_fp8_e4m3fn());
  assert_same_float(y, 1.25f / 7);
}

/* All codes, NaNs and infinities of both signs among them. */
static void tensor_decode_takes_every_code(void **state) {
  uint8_t code[256];
  float x[256];
  int i, c;
  (void)state;
  for (c = 0; c < 256; ++c) code[c] = (uint8_t)c;
  for (i = 0; i < FORMATS; ++i) {
    assert_int_equal(
        sste_fp8_tensor_decode(x, 16, code, 16, 16, 16, 3, formats[i].f),
        SSTE_OK);
    for (c = 0; c < 256; ++c)
      assert_same_float(x[c], slow_quotient(&formats[i].slow, c, 3));
  }
}

/* The header's worked examples. */
static void tensor_examples(void **state) {
  const float x[3] = {2.0f, -1.0f, 0.001f}, z[3] = {2.0f, -1.0f, 0.3f};
  const uint8_t want[3] = {0x7E, 0xF6, 0x26}, by_hand[3] = {0x7E, 0xF6, 0x68};
  const sste_fp8_format f = sste_fp8_e4m3fn();
  uint8_t code[3];
  float y[3];
  (void)state;
  sste_fp8_tensor_encode(code, 3, x, 3, 1, 3, 224, f);
  assert_memory_equal(code, want, 3);
  sste_fp8_tensor_decode(y, 3, code, 3, 1, 3, 224, f);
  assert_same_float(y[0], 2.0f);
  assert_same_float(y[1], -1.0f);
  assert_near((double)y[2], 0.0009765625, 1e-9);
  sste_fp8_tensor_encode(code, 3, z, 3, 1, 3, 224, f);
  assert_memory_equal(code, by_hand, 3);
  sste_fp8_tensor_round(y, 3, z, 3, 1, 3, 224, f);
  assert_same_float(y[2], 64.0f / 224.0f);
}

static void assert_poison(const void *p, size_t bytes) {
  const unsigned char *b = (const unsigned char *)p;
  size_t i;
  for (i = 0; i < bytes; ++i) assert_int_equal(b[i], 0xCA);
}

static void tensors_leave_the_padding_alone(void **state) {
  static tensors t;
  size_t r;
  (void)state;
  run_tensors(&t, &formats[0], 1.0f);
  for (r = 0; r < ROWS; ++r) {
    assert_poison(t.code + r * LD_CODE + COLS, LD_CODE - COLS);
    assert_poison(t.back + r * LD_X + COLS, (LD_X - COLS) * sizeof(float));
    assert_poison(t.y + r * LD_Y + COLS, (LD_Y - COLS) * sizeof(float));
  }
}

static void threads_change_nothing(void **state) {
  static tensors one, many;
  int i;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    test_threads(1);
    run_tensors(&one, &formats[i], 224.0f);
    test_threads(2);
    run_tensors(&many, &formats[i], 224.0f);
    assert_memory_equal(&one, &many, sizeof one);
    test_threads(5);
    run_tensors(&many, &formats[i], 224.0f);
    assert_memory_equal(&one, &many, sizeof one);
  }
}

static void round_works_in_place(void **state) {
  static tensors t;
  static float x[X_SIZE];
  int r, c;
  (void)state;
  run_tensors(&t, &formats[0], 224.0f);
  fill(x, X_SIZE);
  assert_int_equal(
      sste_fp8_tensor_round(x, LD_X, x, LD_X, ROWS, COLS, 224.0f, formats[0].f),
      SSTE_OK);
  for (r = 0; r < ROWS; ++r)
    for (c = 0; c < LD_X; ++c)
      assert_same_float(x[r * LD_X + c],
                        c < COLS ? t.y[r * LD_Y + c] : t.x[r * LD_X + c]);
}

/* ---- 7. Tensors: what is refused ----------------------------------------- */

/* Space for two matrices of 4 x 8 floats, as floats or as codes. A refused call
 * leaves all of it poisoned.                                                 */
enum { R = 4, C = 8, N = R * C };
static float arena[2 * N];

static uint8_t *byte_at(size_t offset) { return (uint8_t *)arena + offset; }

#define assert_untouched(status, call)  \
  do {                                  \
    test_poison(arena, sizeof arena);   \
    assert_int_equal((call), (status)); \
    assert_poison(arena, sizeof arena); \
  } while (0)

static sste_status encode(uint8_t *code, size_t ldc, const float *x,
                          size_t ldx) {
  return sste_fp8_tensor_encode(code, ldc, x, ldx, R, C, 1, formats[0].f);
}
static sste_status decode(float *x, size_t ldx, const uint8_t *code,
                          size_t ldc) {
  return sste_fp8_tensor_decode(x, ldx, code, ldc, R, C, 1, formats[0].f);
}
static sste_status rounded(float *y, size_t ldy, const float *x, size_t ldx) {
  return sste_fp8_tensor_round(y, ldy, x, ldx, R, C, 1, formats[0].f);
}

static void null_is_refused(void **state) {
  uint8_t *code = byte_at(N * sizeof(float));
  float *y = arena + N;
  (void)state;
  assert_untouched(SSTE_ERR_NULL, encode(NULL, C, arena, C));
  assert_untouched(SSTE_ERR_NULL, encode(code, C, NULL, C));
  assert_untouched(SSTE_ERR_NULL, decode(NULL, C, code, C));
  assert_untouched(SSTE_ERR_NULL, decode(arena, C, NULL, C));
  assert_untouched(SSTE_ERR_NULL, rounded(NULL, C, arena, C));
  assert_untouched(SSTE_ERR_NULL, rounded(y, C, NULL, C));
}

static void short_strides_are_refused(void **state) {
  uint8_t *code = byte_at(N * sizeof(float));
  float *y = arena + N;
  (void)state;
  assert_untouched(SSTE_ERR_SHAPE, encode(code, C - 1, arena, C));
  assert_untouched(SSTE_ERR_SHAPE, encode(code, C, arena, C - 1));
  assert_untouched(SSTE_ERR_SHAPE, decode(arena, C - 1, code, C));
  assert_untouched(SSTE_ERR_SHAPE, decode(arena, C, code, C - 1));
  assert_untouched(SSTE_ERR_SHAPE, rounded(y, C - 1, arena, C));
  assert_untouched(SSTE_ERR_SHAPE, rounded(y, C, arena, C - 1));
}

static void sizes_that_overflow_are_refused(void **state) {
  const size_t bytes = (size_t)PTRDIFF_MAX / R + 1;
  const size_t floats = (size_t)PTRDIFF_MAX / sizeof(float) / R + 1;
  uint8_t *code = byte_at(N * sizeof(float));
  float *y = arena + N;
  (void)state;
  assert_untouched(SSTE_ERR_SIZE, encode(code, bytes, arena, C));
  assert_untouched(SSTE_ERR_SIZE, encode(code, C, arena, floats));
  assert_untouched(SSTE_ERR_SIZE, decode(arena, floats, code, C));
  assert_untouched(SSTE_ERR_SIZE, decode(arena, C, code, bytes));
  assert_untouched(SSTE_ERR_SIZE, rounded(y, floats, arena, C));
  assert_untouched(SSTE_ERR_SIZE, rounded(y, C, arena, floats));
  assert_untouched(SSTE_ERR_SIZE, rounded(y, SIZE_MAX, arena, SIZE_MAX));
}

/* Codes are refused even at the address of x: their sizes differ. */
static void overlap_of_codes_is_refused(void **state) {
  const size_t last_x = N * sizeof(float) - 1;
  (void)state;
  assert_untouched(SSTE_ERR_OVERLAP, encode(byte_at(0), C, arena, C));
  assert_untouched(SSTE_ERR_OVERLAP, encode(byte_at(last_x), C, arena, C));
  assert_untouched(SSTE_ERR_OVERLAP, encode(byte_at(1), C, arena + N / 4, C));
  assert_untouched(SSTE_ERR_OVERLAP, decode(arena, C, byte_at(0), C));
  assert_untouched(SSTE_ERR_OVERLAP, decode(arena, C, byte_at(last_x), C));
  assert_untouched(SSTE_ERR_OVERLAP, decode(arena + N / 4, C, byte_at(1), C));
}

/* In place needs the same address and the same stride. Column slices of one
 * matrix count as overlapping although they share no element.                */
static void overlap_of_floats_is_refused(void **state) {
  (void)state;
  assert_untouched(SSTE_ERR_OVERLAP, rounded(arena + 1, C, arena, C));
  assert_untouched(SSTE_ERR_OVERLAP, rounded(arena, C, arena + 1, C));
  assert_untouched(SSTE_ERR_OVERLAP, rounded(arena + N - 1, C, arena, C));
  assert_untouched(SSTE_ERR_OVERLAP, rounded(arena, C, arena + N - 1, C));
  assert_untouched(SSTE_ERR_OVERLAP, rounded(arena, C + 1, arena, C));
  assert_untouched(SSTE_ERR_OVERLAP, rounded(arena, 2 * C, arena + C, 2 * C));
}

/* Matrices may touch. The one in front ends with its last element: the padding
 * that would follow that is not part of it.                                  */
static void neighbours_are_allowed(void **state) {
  enum { LD = C + 2, END = (R - 2) * LD + C }; /* R - 1 rows */
  (void)state;
  test_poison(arena, sizeof arena);
  assert_int_equal(rounded(arena + N, C, arena, C), SSTE_OK);
  assert_int_equal(rounded(arena, C, arena + N, C), SSTE_OK);
  assert_int_equal(rounded(arena + N - C, C, arena, C), SSTE_ERR_OVERLAP);
  assert_int_equal(sste_fp8_tensor_round(arena + END, C, arena, LD, R - 1, C, 1,
                                         formats[0].f),
                   SSTE_OK);
  assert_int_equal(sste_fp8_tensor_round(arena, LD, arena + END, C, R - 1, C, 1,
                                         formats[0].f),
                   SSTE_OK);
  assert_int_equal(encode(byte_at(N * sizeof(float)), C, arena, C), SSTE_OK);
  assert_int_equal(decode(arena, C, byte_at(N * sizeof(float)), C), SSTE_OK);
  assert_int_equal(encode(byte_at(0), C, arena + N / 4, C), SSTE_OK);
  assert_int_equal(decode(arena + N / 4, C, byte_at(0), C), SSTE_OK);
}

/* All three functions answer VALUE to this scale and format. */
static void assert_bad_value(float scale, sste_fp8_format f) {
  uint8_t *code = byte_at(N * sizeof(float));
  assert_untouched(SSTE_ERR_VALUE,
                   sste_fp8_tensor_encode(code, C, arena, C, R, C, scale, f));
  assert_untouched(SSTE_ERR_VALUE,
                   sste_fp8_tensor_decode(arena, C, code, C, R, C, scale, f));
  assert_untouched(SSTE_ERR_VALUE, sste_fp8_tensor_round(arena + N, C, arena, C,
                                                         R, C, scale, f));
}

static void bad_scales_are_refused(void **state) {
  static const uint32_t bad[] = {0x00000000u, 0x80000000u, 0x80000001u,
                                 0xBF800000u, 0x7F800000u, 0xFF800000u,
                                 0x7F800001u, 0x7FC00000u, 0xFFFFFFFFu};
  size_t i;
  (void)state;
  for (i = 0; i < sizeof bad / sizeof *bad; ++i)
    assert_bad_value(test_float(bad[i]), formats[0].f);
}

static void bad_formats_are_refused(void **state) {
  static const int bad[][4] = {
      {0, 7, 0, 0},         {1, 6, 0, 0},         {7, 0, 64, 0},
      {8, -1, 100, 0},      {4, 4, 7, 1},         {3, 3, 3, 1},
      {6, 2, 3, 1},         {-1, 8, 0, 0},        {40, -33, 7, 1},
      {2, INT32_MAX, 7, 1}, {INT32_MAX, 1, 7, 1}, {4, 3, 7, 2},
      {4, 3, 7, -1},        {4, 3, -112, 1},      {4, 3, 13, 1},
      {2, 5, -124, 0},      {6, 1, -64, 0},       {6, 1, 61, 0},
      {2, 5, 1, 0}};
  size_t i;
  (void)state;
  for (i = 0; i < sizeof bad / sizeof *bad; ++i)
    assert_bad_value(1.0f,
                     descriptor(bad[i][0], bad[i][1], bad[i][2], bad[i][3]));
}

/* The last scale and descriptor on the right side of each limit. */
static void limits_are_allowed(void **state) {
  static const int good[][4] = {{4, 3, -111, 1}, {4, 3, 12, 1},
                                {2, 5, -123, 0}, {6, 1, 60, 0},
                                {6, 1, -63, 1},  {2, 5, 0, 0}};
  float x = 1.0f, y;
  size_t i;
  (void)state;
  for (i = 0; i < sizeof good / sizeof *good; ++i) {
    const sste_fp8_format f =
        descriptor(good[i][0], good[i][1], good[i][2], good[i][3]);
    assert_int_equal(sste_fp8_tensor_round(&y, 1, &x, 1, 1, 1, 1, f), SSTE_OK);
    assert_same_float(y, sste_fp8_round(f, x));
    assert_true(sste_fp8_scale(f, FLT_MAX) >= FLT_MIN); /* never 0 */
    assert_true(sste_fp8_scale(f, 0x1p-149f) <= FLT_MAX);
  }
  for (i = 0; i < 2; ++i)
    assert_int_equal(
        sste_fp8_tensor_round(&y, 1, &x, 1, 1, 1, i ? FLT_MAX : 0x1p-149f,
                              formats[0].f),
        SSTE_OK);
  assert_int_equal(
      sste_fp8_tensor_round(&y, (size_t)PTRDIFF_MAX / 4, &x,
                            (size_t)PTRDIFF_MAX / 4, 1, 1, 1, formats[0].f),
      SSTE_OK);
}

/* No rows or no columns: nothing to read, so nothing may be asked of pointers
 * and strides. However many rows are empty, it takes no time.                */
static void nothing_to_do_succeeds(void **state) {
  const size_t sizes[][2] = {
      {0, 0}, {0, 3}, {3, 0}, {SIZE_MAX, 0}, {PTRDIFF_MAX, 0}};
  const sste_fp8_format f = formats[0].f;
  size_t i;
  (void)state;
  for (i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
    const size_t r = sizes[i][0], c = sizes[i][1];
    assert_int_equal(sste_fp8_tensor_encode(NULL, 0, NULL, 0, r, c, 1, f),
                     SSTE_OK);
    assert_int_equal(sste_fp8_tensor_decode(NULL, 0, NULL, 0, r, c, 1, f),
                     SSTE_OK);
    assert_int_equal(sste_fp8_tensor_round(NULL, 0, NULL, 0, r, c, 1, f),
                     SSTE_OK);
    assert_untouched(SSTE_OK,
                     sste_fp8_tensor_round(arena, 3, arena + 1, 3, r, c, 1, f));
  }
}

/* ---- 8. Golden vectors --------------------------------------------------- */

/* Where ml_dtypes does not saturate, its raw answer is an infinity or a NaN of
 * a number: sste's is the largest code. Every NaN is one NaN.                */
static int saturated(const twin *t, float x, int raw) {
  if (isnan(x)) return SLOW_FP8_NAN;
  if (isfinite(t->slow.value[raw % 128])) return raw;
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
      cmocka_unit_test(references_agree),
      cmocka_unit_test(decode_follows_the_definition),
      cmocka_unit_test(decode_follows_the_table),
      cmocka_unit_test(decode_counts),
      cmocka_unit_test(largest_values),
      cmocka_unit_test(encode_undoes_decode),
      cmocka_unit_test(encode_finds_the_nearest),
      cmocka_unit_test(encode_examples),
      cmocka_unit_test(encode_specials),
      cmocka_unit_test(encode_is_monotone_and_odd),
      cmocka_unit_test(round_is_decode_of_encode),
      cmocka_unit_test(round_examples),
      cmocka_unit_test(any_format_works),
      cmocka_unit_test(encode_every_float),
      cmocka_unit_test(rounding_modes_change_nothing),
      cmocka_unit_test(flush_to_zero_changes_nothing),
      cmocka_unit_test(scale_is_the_rounded_quotient),
      cmocka_unit_test(scale_guards),
      cmocka_unit_test(scale_at_the_edge_of_overflow),
      cmocka_unit_test(amax_of_small_matrices),
      cmocka_unit_test(amax_passes_nan_on),
      cmocka_unit_test(amax_skips_the_padding),
      cmocka_unit_test(amax_of_nothing),
      cmocka_unit_test(amax_ignores_the_thread_count),
      cmocka_unit_test(amax_errors),
      cmocka_unit_test(tensors_follow_the_scalars),
      cmocka_unit_test(tensor_encode_rounds_the_product),
      cmocka_unit_test(tensor_decode_takes_every_code),
      cmocka_unit_test(tensor_examples),
      cmocka_unit_test(tensors_leave_the_padding_alone),
      cmocka_unit_test(threads_change_nothing),
      cmocka_unit_test(round_works_in_place),
      cmocka_unit_test(null_is_refused),
      cmocka_unit_test(short_strides_are_refused),
      cmocka_unit_test(sizes_that_overflow_are_refused),
      cmocka_unit_test(overlap_of_codes_is_refused),
      cmocka_unit_test(overlap_of_floats_is_refused),
      cmocka_unit_test(neighbours_are_allowed),
      cmocka_unit_test(bad_scales_are_refused),
      cmocka_unit_test(bad_formats_are_refused),
      cmocka_unit_test(limits_are_allowed),
      cmocka_unit_test(nothing_to_do_succeeds),
      cmocka_unit_test(ml_dtypes_agrees),
  };
  return cmocka_run_group_tests_name("fp8", tests, make_formats, NULL);
}
