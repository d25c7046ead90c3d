/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_fp8_tensor.c - scales and tensors of sste_fp8.h, element by element
 * against float operations written out and formats written down value by value.
 * Rules beyond nearest even are taken from sste_fp8_encode_float, which
 * another suite tests.
 *
 *   1. Formats, slowly
 *   2. Recipes
 *   3. The scale of an amax
 *   4. The amax and the scale of a matrix
 *   5. Which formats arrays can be of
 *   6. Tensors: values
 *   7. Tensors: strides, blocks, threads
 *   8. What is refused
 *   9. The three formulas are three
 */
#include <limits.h>

#include "sste_fp8.h"
#include "test.h"

#define NAN_BITS 0x7FC00000u
#define INF_BITS 0x7F800000u

/* ---- 1. Formats, slowly -------------------------------------------------- */

/* A format and the values of its codes without a sign, in ascending order, as
 * far as the largest. It is made from the definition, by ldexp.             */
typedef struct slow {
  const char *name;
  sste_fp8_format f;
  int largest;
  double value[256];
} slow;

static double slow_value(sste_fp8_format f, int code) {
  const int ones = 1 << f.mantissa_bits;
  const int e = code / ones, m = code % ones;
  if (e == 0 && f.specials != SSTE_FP8_POW2)
    return ldexp(m, 1 - f.bias - f.mantissa_bits);
  return ldexp(ones + m, e - f.bias - f.mantissa_bits);
}

/* All ones, or one less where that is a NaN; below the top exponent where that
 * is given to infinity and NaNs.                                            */
static int slow_largest(sste_fp8_format f) {
  const int codes = 1 << (f.exponent_bits + f.mantissa_bits);
  if (f.specials == SSTE_FP8_IEEE) return codes - (1 << f.mantissa_bits) - 1;
  return f.specials == SSTE_FP8_FNUZ ? codes - 1 : codes - 2;
}

static slow slow_format(const char *name, sste_fp8_format f) {
  slow s;
  int code;
  memset(&s, 0, sizeof s);
  s.name = name;
  s.f = f;
  s.largest = slow_largest(f);
  for (code = 0; code <= s.largest; ++code) s.value[code] = slow_value(f, code);
  return s;
}

static double slow_max(const slow *s) { return s->value[s->largest]; }
static int has_no_sign(const slow *s) { return s->f.sign_bits == 0; }
static int is_fnuz(const slow *s) { return s->f.specials == SSTE_FP8_FNUZ; }

/* Nearest even, saturating, one NaN; by the distance to every value. Double is
 * wide enough: the two distances that are compared last are exact.          */
static uint8_t slow_encode(const slow *s, float x) {
  const double a = fabs((double)x);
  const int sign = signbit(x) && !has_no_sign(s) ? 128 : 0;
  int code, best = 0;
  if (isnan(x))
    return s->f.specials == SSTE_FP8_POW2 ? 255 : is_fnuz(s) ? 128 : 127;
  if (signbit(x) && has_no_sign(s)) return 0;
  if (a >= slow_max(s)) return (uint8_t)(sign + s->largest);
  for (code = 1; code <= s->largest; ++code) {
    const double d = fabs(a - s->value[code]), b = fabs(a - s->value[best]);
    if (d < b || (!(d > b) && code % 2 == 0)) best = code;
  }
  return (uint8_t)(is_fnuz(s) && best == 0 ? 0 : sign + best);
}

static float slow_decode(const slow *s, int code) {
  const int width = s->f.specials == SSTE_FP8_POW2 ? 256 : 128;
  const int magnitude = code % width;
  const int negative = code >= width && !has_no_sign(s);
  if (is_fnuz(s) && code == 128) return test_float(NAN_BITS);
  if (s->f.specials == SSTE_FP8_IEEE && magnitude == s->largest + 1)
    return negative ? -INFINITY : INFINITY;
  if (magnitude > s->largest) return test_float(NAN_BITS);
  return (float)(negative ? -s->value[magnitude] : s->value[magnitude]);
}

enum { FORMATS = 10, E4M3FN = 0, E5M2 = 1, E3M4 = 3, FNUZ = 5, E8M0 = 9 };
static slow formats[FORMATS];

/* Tests of many small calls run on one thread, unless they count threads;
 * those of many blocks on all.                                              */
static int all_threads = 1;

static int make_formats(void **state) {
  (void)state;
  formats[0] = slow_format("e4m3fn", sste_fp8_e4m3fn());
  formats[1] = slow_format("e5m2", sste_fp8_e5m2());
  formats[2] = slow_format("e4m3", sste_fp8_e4m3());
  formats[3] = slow_format("e3m4", sste_fp8_e3m4());
  formats[4] = slow_format("e3m4fn", sste_fp8_e3m4fn());
  formats[5] = slow_format("e4m3fnuz", sste_fp8_e4m3fnuz());
  formats[6] = slow_format("e5m2fnuz", sste_fp8_e5m2fnuz());
  formats[7] = slow_format("e4m3b11fnuz", sste_fp8_e4m3b11fnuz());
  formats[8] = slow_format("ue4m3", sste_fp8_ue4m3());
  formats[9] = slow_format("e8m0", sste_fp8_e8m0());
#ifdef _OPENMP
  all_threads = omp_get_max_threads();
#endif
  test_threads(1);
  return 0;
}

/* The published ends of each format, typed in by hand. */
static void formats_end_where_published(void **state) {
  static const struct {
    double smallest, largest;
    int code;
  } end[FORMATS] = {{0x1p-9, 448, 0x7E},    {0x1p-16, 57344, 0x7B},
                    {0x1p-9, 240, 0x77},    {0x1p-6, 15.5, 0x6F},
                    {0x1p-6, 30, 0x7E},     {0x1p-10, 240, 0x7F},
                    {0x1p-17, 57344, 0x7F}, {0x1p-13, 30, 0x7F},
                    {0x1p-9, 448, 0x7E},    {0x1p-126, 0x1p127, 0xFE}};
  int i;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    assert_int_equal(formats[i].largest, end[i].code);
    assert_true(slow_max(&formats[i]) == end[i].largest);
    assert_true(formats[i].value[1] == end[i].smallest);
  }
}

/* What a scale does to a number, written out. */
static float slow_apply(float x, float scale, int apply) {
  float inverse;
  if (apply == SSTE_APPLY_MULTIPLY) return x * scale;
  if (apply == SSTE_APPLY_DIVIDE) return x / scale;
  inverse = 1.0f / scale;
  return x * inverse;
}

/* The other way, from a code; NaNs become the one NaN. */
static float slow_undo(const slow *s, int code, float scale, int undo) {
  const float y = slow_apply(slow_decode(s, code), scale, undo);
  return isnan(y) ? test_float(NAN_BITS) : y;
}

/* For encoding, the low half of a float matters only in being zero, small, a
 * half or large: these six lows under every high half meet every decision.   */
enum { STRIDED = 6 * 65536 };
static float strided(int i) {
  static const uint32_t low[6] = {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
  return test_float((uint32_t)(i / 6) << 16 | low[i % 6]);
}

/* ---- 2. Recipes ---------------------------------------------------------- */

static sste_fp8_recipe current(const slow *s) {
  return sste_fp8_recipe_current(s->f);
}

/* A recipe by its three arithmetic choices. */
static sste_fp8_recipe formula(const slow *s, int scale, int apply, int undo) {
  sste_fp8_recipe how = current(s);
  how.scale = scale;
  how.apply = apply;
  how.undo = undo;
  return how;
}

static void current_recipe_is_max_over_amax(void **state) {
  const sste_fp8_format f = sste_fp8_e5m2();
  const sste_fp8_rule rule = sste_fp8_saturating();
  const sste_fp8_recipe how = sste_fp8_recipe_current(f);
  (void)state;
  assert_memory_equal(&how.format, &f, sizeof f);
  assert_memory_equal(&how.rule, &rule, sizeof rule);
  assert_int_equal(how.per_row, 0);
  assert_int_equal(how.scale, SSTE_SCALE_MAX_OVER_AMAX);
  assert_int_equal(how.apply, SSTE_APPLY_MULTIPLY);
  assert_int_equal(how.undo, SSTE_APPLY_DIVIDE);
  assert_int_equal(how.drop_nan, 0);
  assert_same_float(how.epsilon, 0.0f);
  assert_int_equal(how.power_of_two, 0);
}

static void te_recipe_drops_nan_and_decodes_by_reciprocal(void **state) {
  const sste_fp8_recipe how = sste_fp8_recipe_te(sste_fp8_e5m2());
  sste_fp8_recipe want = sste_fp8_recipe_current(sste_fp8_e5m2());
  (void)state;
  want.drop_nan = 1;
  want.undo = SSTE_APPLY_RECIPROCAL;
  assert_memory_equal(&how, &want, sizeof want);
}

static void divide_recipe_is_amax_over_max(void **state) {
  const sste_fp8_recipe how = sste_fp8_recipe_divide(sste_fp8_e5m2());
  sste_fp8_recipe want = sste_fp8_recipe_current(sste_fp8_e5m2());
  (void)state;
  want.scale = SSTE_SCALE_AMAX_OVER_MAX;
  want.apply = SSTE_APPLY_DIVIDE;
  want.undo = SSTE_APPLY_MULTIPLY;
  assert_memory_equal(&how, &want, sizeof want);
}

/* ---- 3. The scale of an amax --------------------------------------------- */

/* The three quotients, by way of double: 53 bits are more than twice 24 and
 * two, so rounding a double quotient or product to float rounds it once.    */
static float slow_quotient(const slow *s, int scale, float amax) {
  const double a = (double)amax, max = slow_max(s);
  if (scale == SSTE_SCALE_MAX_OVER_AMAX) return (float)(max / a);
  if (scale == SSTE_SCALE_AMAX_OVER_MAX) return (float)(a / max);
  return (float)(a * (double)(float)(1 / max));
}

static float scale_of(const slow *s, int scale, float amax) {
  sste_fp8_recipe how = current(s);
  how.scale = scale;
  return sste_fp8_scale(how, amax);
}

static void scale_is_the_rounded_quotient(void **state) {
  uint64_t seed = test_seed();
  int i, q, k;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (q = 0; q < 3; ++q)
      for (k = 0; k < 1000; ++k) {
        /* Normal quotients, also by the 2^127 of E8M0. */
        const int e = i == E8M0 ? k % 100 + 10 : k % 200 - 100;
        const float amax = (float)ldexp(1 + test_uniform(&seed), e);
        const float want = slow_quotient(&formats[i], q, amax);
        if (want < FLT_MIN) continue;
        assert_same_float(scale_of(&formats[i], q, amax), want);
        assert_same_float(scale_of(&formats[i], q, -amax), want);
      }
}

/* 448/2 is exact; 3/448 and 3 * fl(1/448) are not the same float; and 448/1 is
 * not the reciprocal of 1/448 rounded.                                      */
static void quotients_are_told_apart(void **state) {
  const slow *s = &formats[E4M3FN];
  (void)state;
  assert_same_float(scale_of(s, SSTE_SCALE_MAX_OVER_AMAX, 2), 224.0f);
  assert_same_float(scale_of(s, SSTE_SCALE_AMAX_OVER_MAX, 3), 0x1.b6db6ep-8f);
  assert_same_float(scale_of(s, SSTE_SCALE_AMAX_RECIPROCAL, 3), 0x1.b6db70p-8f);
  assert_same_float(scale_of(s, SSTE_SCALE_MAX_OVER_AMAX, 1), 448.0f);
  assert_same_float(1 / scale_of(s, SSTE_SCALE_AMAX_OVER_MAX, 1),
                    448.0f - 0x1p-15f);
}

/* 0, infinity and NaN give 1 under every quotient; the result is always a
 * normal number.                                                            */
static void scale_guards(void **state) {
  static const uint32_t ones[] = {0,           0x80000000u, INF_BITS,
                                  0xFF800000u, 0x7F800001u, 0xFFC00000u,
                                  NAN_BITS,    0xFFFFFFFFu};
  int i, q;
  size_t k;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (q = 0; q < 3; ++q) {
      for (k = 0; k < sizeof ones / sizeof *ones; ++k)
        assert_same_float(scale_of(&formats[i], q, test_float(ones[k])), 1.0f);
      for (k = 0; k < STRIDED; k += 7) {
        const float scale = scale_of(&formats[i], q, strided((int)k));
        assert_true(scale >= FLT_MIN && scale <= FLT_MAX);
      }
    }
}

static void tiny_amax_hits_the_limits(void **state) {
  const float least = test_float(1);
  int i;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    const slow *s = &formats[i];
    assert_same_float(scale_of(s, SSTE_SCALE_MAX_OVER_AMAX, least), FLT_MAX);
    assert_same_float(scale_of(s, SSTE_SCALE_MAX_OVER_AMAX, -FLT_MIN), FLT_MAX);
    assert_same_float(scale_of(s, SSTE_SCALE_AMAX_OVER_MAX, least), FLT_MIN);
    assert_same_float(scale_of(s, SSTE_SCALE_AMAX_OVER_MAX, FLT_MIN), FLT_MIN);
    assert_same_float(scale_of(s, SSTE_SCALE_AMAX_RECIPROCAL, least), FLT_MIN);
    assert_same_float(scale_of(s, SSTE_SCALE_AMAX_RECIPROCAL, FLT_MIN),
                      FLT_MIN);
  }
}

static void huge_amax_has_its_quotient(void **state) {
  int i;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    const slow *s = &formats[i];
    const float max = (float)slow_max(s);
    assert_same_float(scale_of(s, SSTE_SCALE_MAX_OVER_AMAX, FLT_MAX),
                      max / FLT_MAX);
    assert_same_float(scale_of(s, SSTE_SCALE_AMAX_OVER_MAX, FLT_MAX),
                      FLT_MAX / max);
  }
}

/* At 448 / 2^128 = 1.75 * 2^-120 a scale of 2^128 would be needed, which is no
 * float; at 448 * 2^-126 the other quotient is FLT_MIN. The next amax after
 * each still has its quotient.                                              */
static void scale_at_the_edges(void **state) {
  const slow *s = &formats[E4M3FN];
  const float high = 0x1.cp-120f, low = 0x1.cp-118f;
  const float high_next = nextafterf(high, 1), low_next = nextafterf(low, 1);
  (void)state;
  assert_same_float(scale_of(s, SSTE_SCALE_MAX_OVER_AMAX, high), FLT_MAX);
  assert_same_float(scale_of(s, SSTE_SCALE_MAX_OVER_AMAX, high_next),
                    (float)(448 / (double)high_next));
  assert_same_float(scale_of(s, SSTE_SCALE_AMAX_OVER_MAX, low), FLT_MIN);
  assert_same_float(scale_of(s, SSTE_SCALE_AMAX_OVER_MAX, nextafterf(low, 0)),
                    FLT_MIN);
  assert_same_float(scale_of(s, SSTE_SCALE_AMAX_OVER_MAX, low_next),
                    (float)((double)low_next / 448));
}

static float te_scale(const slow *s, float amax, float epsilon, int pow2) {
  sste_fp8_recipe how = sste_fp8_recipe_te(s->f);
  how.epsilon = epsilon;
  how.power_of_two = pow2;
  return sste_fp8_scale(how, amax);
}

static void epsilon_is_the_least_amax(void **state) {
  const slow *s = &formats[E4M3FN];
  const float next = nextafterf(0.5f, 1);
  (void)state;
  assert_same_float(te_scale(s, 0.25f, 0.5f, 0), 896.0f);
  assert_same_float(te_scale(s, -0.25f, 0.5f, 0), 896.0f);
  assert_same_float(te_scale(s, 0.5f, 0.5f, 0), 896.0f);
  assert_same_float(te_scale(s, next, 0.5f, 0), 448.0f / next);
  assert_same_float(te_scale(s, 2.0f, 0.5f, 0), 224.0f);
}

/* Epsilon comes first, so it hides an amax of 0; NaN and infinity pass it. */
static void epsilon_comes_before_the_guards(void **state) {
  const slow *s = &formats[E4M3FN];
  (void)state;
  assert_same_float(te_scale(s, 0.0f, 0.5f, 0), 896.0f);
  assert_same_float(te_scale(s, -0.0f, 0.5f, 0), 896.0f);
  assert_same_float(te_scale(s, test_float(NAN_BITS), 0.5f, 0), 1.0f);
  assert_same_float(te_scale(s, test_float(0xFFC00000u), 0.5f, 0), 1.0f);
  assert_same_float(te_scale(s, INFINITY, 0.5f, 0), 1.0f);
  assert_same_float(te_scale(s, 0.0f, test_float(1), 0), FLT_MAX);
  assert_same_float(te_scale(s, 0.0f, FLT_MAX, 0), 448.0f / FLT_MAX);
}

static void power_of_two_rounds_down(void **state) {
  const slow *s = &formats[E4M3FN];
  (void)state;
  assert_same_float(te_scale(s, 2, 0, 1), 128.0f);    /* 224 */
  assert_same_float(te_scale(s, 3, 0, 1), 128.0f);    /* 149.3 */
  assert_same_float(te_scale(s, 3.5f, 0, 1), 128.0f); /* 128 itself */
  assert_same_float(te_scale(s, nextafterf(3.5f, 4), 0, 1), 64.0f);
  assert_same_float(te_scale(s, 0, 0, 1), 1.0f);
  assert_same_float(te_scale(s, test_float(1), 0, 1), 0x1p127f); /* FLT_MAX */
  assert_same_float(te_scale(s, FLT_MAX, 0, 1), 0x1p-120f);
}

/* Transformer Engine's compute_scale_from_amax as its steps were read; the
 * mantissa is cleared here by halving the number down.                      */
static float te_reference(float max, float amax, float epsilon, int pow2) {
  float scale;
  int e;
  if (amax < epsilon) amax = epsilon;
  if (isinf(amax) || isnan(amax) || !(amax > 0 || amax < 0)) return 1;
  scale = max / amax;
  if (isinf(scale)) scale = FLT_MAX;
  if (!pow2) return scale;
  frexp((double)scale, &e);
  return (float)ldexp(1, e - 1);
}

static void te_scale_is_transformer_engines(void **state) {
  static const float epsilons[] = {0, 0x1p-149f, 0x1p-20f, 1, FLT_MAX};
  int f, e, k, pow2;
  (void)state;
  for (f = 0; f < 2; ++f)
    for (e = 0; e < 5; ++e)
      for (pow2 = 0; pow2 < 2; ++pow2)
        for (k = 0; k < STRIDED / 2; ++k)
          assert_same_float(
              te_scale(&formats[f], strided(k), epsilons[e], pow2),
              te_reference((float)slow_max(&formats[f]), strided(k),
                           epsilons[e], pow2));
}

/* Clearing the mantissa applies to whatever the scale is. */
static void power_of_two_follows_every_quotient(void **state) {
  uint64_t seed = test_seed();
  int q, k, e;
  (void)state;
  for (q = 0; q < 3; ++q)
    for (k = 0; k < 1000; ++k) {
      sste_fp8_recipe how = formula(&formats[E5M2], q, 0, 0);
      const float amax = (float)ldexp(1 + test_uniform(&seed), k % 200 - 90);
      how.power_of_two = 1;
      frexp((double)slow_quotient(&formats[E5M2], q, amax), &e);
      assert_same_float(sste_fp8_scale(how, amax), (float)ldexp(1, e - 1));
    }
}

/* ---- 4. The amax and the scale of a matrix ------------------------------- */

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

static const uint32_t nans[] = {NAN_BITS, 0xFFC00001u, 0x7F800001u,
                                0xFFFFFFFFu};

/* A NaN outweighs even infinity, wherever it is and whatever its bits. */
static void amax_passes_nan_on(void **state) {
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

/* The largest sits in each place of rows of every length in turn, so that no
 * part of a vector or tail is passed over.                                  */
static void amax_finds_every_place(void **state) {
  enum { MOST = 70 };
  float x[MOST + 1];
  size_t n, at, c;
  (void)state;
  for (n = 1; n <= MOST; ++n)
    for (at = 0; at < n; ++at) {
      for (c = 0; c <= MOST; ++c) x[c] = c < n ? -1.0f : 9.0f;
      x[at] = -2.0f;
      assert_same_float(amax_of(x, n, 1, n), 2.0f);
    }
}

/* In each row in turn, so a lost row is a lost maximum. */
static void amax_ignores_the_thread_count(void **state) {
  enum { AMAX_ROWS = 64, AMAX_COLS = 500 };
  static float x[AMAX_ROWS * AMAX_COLS];
  static const int threads[] = {1, 2, 5};
  uint64_t seed = test_seed();
  size_t i, r;
  (void)state;
  for (i = 0; i < AMAX_ROWS * AMAX_COLS; ++i) x[i] = (float)test_normal(&seed);
  for (r = 0; r < AMAX_ROWS; ++r) {
    float *top = &x[r * AMAX_COLS + r % 7], kept = *top;
    *top = -99.0f - (float)r;
    for (i = 0; i < 3; ++i) {
      test_threads(threads[i]);
      assert_same_float(amax_of(x, AMAX_COLS, AMAX_ROWS, AMAX_COLS),
                        99.0f + (float)r);
    }
    *top = kept;
  }
  test_threads(1);
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

static void assert_poison(const void *p, size_t bytes) {
  const unsigned char *b = (const unsigned char *)p;
  size_t i;
  for (i = 0; i < bytes; ++i) assert_int_equal(b[i], 0xCA);
}

static void tensor_scale_example(void **state) {
  const float x[4] = {1, -2, 4, 0};
  sste_fp8_recipe how = current(&formats[E4M3FN]);
  float scale[3];
  (void)state;
  test_poison(scale, sizeof scale);
  assert_int_equal(sste_fp8_tensor_scale(scale, x, 2, 2, 2, how), SSTE_OK);
  assert_same_float(scale[0], 112.0f);
  assert_poison(scale + 1, 2 * sizeof(float));
  how.per_row = 1;
  assert_int_equal(sste_fp8_tensor_scale(scale, x, 2, 2, 2, how), SSTE_OK);
  assert_same_float(scale[0], 224.0f);
  assert_same_float(scale[1], 112.0f);
  assert_poison(scale + 2, sizeof(float));
}

/* Rows that want 1 do not disturb their neighbours; the padding holds what
 * would.                                                                    */
static void each_row_has_its_own_scale(void **state) {
  const float nan = test_float(0xFFC12345u), inf = INFINITY;
  const float x[7 * 3] = {1, -7,    nan, 0,    -0.0f, inf,       nan,
                          3, inf,   4,   -inf, nan,   0x1p-149f, 0,
                          9, -3.5f, 2,   inf,  2,     -7,        9};
  const float keep[7] = {64, 1, 1, 1, FLT_MAX, 128, 64};
  const float drop[7] = {64, 1, 448.0f / 3, 1, FLT_MAX, 128, 64};
  static const int threads[] = {1, 2, 5};
  sste_fp8_recipe how = current(&formats[E4M3FN]);
  float scale[8];
  int i, r;
  (void)state;
  how.per_row = 1;
  for (i = 0; i < 6; ++i) {
    test_threads(threads[i % 3]);
    test_poison(scale, sizeof scale);
    how.drop_nan = i / 3;
    assert_int_equal(sste_fp8_tensor_scale(scale, x, 3, 7, 2, how), SSTE_OK);
    for (r = 0; r < 7; ++r)
      assert_same_float(scale[r], how.drop_nan ? drop[r] : keep[r]);
    assert_poison(scale + 7, sizeof(float));
  }
  test_threads(1);
}

static float tensor_scale_of(const float *x, size_t n, sste_fp8_recipe how) {
  float scale;
  test_poison(&scale, sizeof scale);
  assert_int_equal(sste_fp8_tensor_scale(&scale, x, n, 1, n, how), SSTE_OK);
  return scale;
}

/* Every NaN, in every place; infinity stays. All NaN is as good as nothing. */
static void drop_nan_passes_over_nans(void **state) {
  sste_fp8_recipe keep = current(&formats[E4M3FN]), drop = keep;
  float x[5];
  size_t i, at, c;
  (void)state;
  drop.drop_nan = 1;
  for (i = 0; i < 4; ++i)
    for (at = 0; at < 5; ++at) {
      for (c = 0; c < 5; ++c) x[c] = -2.0f;
      x[at] = test_float(nans[i]);
      assert_same_float(tensor_scale_of(x, 5, keep), 1.0f);
      assert_same_float(tensor_scale_of(x, 5, drop), 224.0f);
      x[(at + 1) % 5] = INFINITY;
      assert_same_float(tensor_scale_of(x, 5, drop), 1.0f);
    }
  for (c = 0; c < 5; ++c) x[c] = test_float(nans[c % 4]);
  assert_same_float(tensor_scale_of(x, 5, drop), 1.0f);
  drop.epsilon = 4.0f;
  assert_same_float(tensor_scale_of(x, 5, drop), 112.0f);
}

static void tensor_scale_follows_the_recipe(void **state) {
  const float x[3] = {1, -3, 2};
  sste_fp8_recipe how;
  int i, q;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (q = 0; q < 3; ++q) {
      how = formula(&formats[i], q, 0, 0);
      assert_same_float(tensor_scale_of(x, 3, how),
                        scale_of(&formats[i], q, 3));
    }
  how = current(&formats[E4M3FN]);
  how.power_of_two = 1;
  assert_same_float(tensor_scale_of(x, 3, how), 128.0f);
  how.epsilon = 7.0f;
  assert_same_float(tensor_scale_of(x, 3, how), 64.0f);
}

/* An empty matrix has amax 0. However many rows are empty, one scale takes no
 * time; a scale for each row is written for each row.                       */
static void scale_of_nothing(void **state) {
  const size_t sizes[][2] = {
      {0, 0}, {0, 3}, {3, 0}, {SIZE_MAX, 0}, {PTRDIFF_MAX, 0}};
  sste_fp8_recipe how = current(&formats[E4M3FN]);
  float scale[3], x[1] = {7};
  size_t i;
  (void)state;
  for (i = 0; i < 5; ++i) {
    test_poison(scale, sizeof scale);
    assert_int_equal(
        sste_fp8_tensor_scale(scale, NULL, 0, sizes[i][0], sizes[i][1], how),
        SSTE_OK);
    assert_same_float(scale[0], 1.0f);
    assert_poison(scale + 1, 2 * sizeof(float));
  }
  how.per_row = 1;
  assert_int_equal(sste_fp8_tensor_scale(NULL, NULL, 0, 0, 3, how), SSTE_OK);
  test_poison(scale, sizeof scale);
  assert_int_equal(sste_fp8_tensor_scale(scale, NULL, 5, 2, 0, how), SSTE_OK);
  assert_same_float(scale[0], 1.0f);
  assert_same_float(scale[1], 1.0f);
  assert_poison(scale + 2, sizeof(float));
  assert_int_equal(sste_fp8_tensor_scale(x, x, 1, 1, 0, how), SSTE_OK);
  assert_same_float(x[0], 1.0f);
  assert_int_equal(sste_fp8_tensor_scale(x, NULL, 0, SIZE_MAX, 0, how),
                   SSTE_ERR_SIZE);
}

static void scale_errors(void **state) {
  const size_t most = (size_t)PTRDIFF_MAX / sizeof(float);
  sste_fp8_recipe one = current(&formats[E4M3FN]), rows = one;
  float x[6] = {1, 2, 3, 4, 5, 6}, scale[2];
  const float *const kept = x;
  (void)state;
  rows.per_row = 1;
  test_poison(scale, sizeof scale);
  assert_int_equal(sste_fp8_tensor_scale(NULL, x, 2, 2, 2, one), SSTE_ERR_NULL);
  assert_int_equal(sste_fp8_tensor_scale(NULL, x, 2, 2, 2, rows),
                   SSTE_ERR_NULL);
  assert_int_equal(sste_fp8_tensor_scale(NULL, x, 2, 0, 2, one), SSTE_ERR_NULL);
  assert_int_equal(sste_fp8_tensor_scale(scale, NULL, 2, 2, 2, one),
                   SSTE_ERR_NULL);
  assert_int_equal(sste_fp8_tensor_scale(scale, x, 1, 2, 2, one),
                   SSTE_ERR_SHAPE);
  assert_int_equal(sste_fp8_tensor_scale(scale, x, most / 2 + 1, 2, 2, one),
                   SSTE_ERR_SIZE);
  assert_poison(scale, sizeof scale);
  /* The matrix is x[1] to x[4]; per row two scales are written, else one. */
  assert_int_equal(sste_fp8_tensor_scale(x, x + 1, 2, 2, 2, rows),
                   SSTE_ERR_OVERLAP);
  assert_int_equal(sste_fp8_tensor_scale(x + 4, x + 1, 2, 2, 2, rows),
                   SSTE_ERR_OVERLAP);
  assert_int_equal(sste_fp8_tensor_scale(x + 1, x + 1, 2, 2, 2, one),
                   SSTE_ERR_OVERLAP);
  assert_int_equal(sste_fp8_tensor_scale(x + 4, x + 1, 2, 2, 2, one),
                   SSTE_ERR_OVERLAP);
  assert_true(kept[0] == 1 && kept[1] == 2 && kept[4] == 5 && kept[5] == 6);
  assert_int_equal(sste_fp8_tensor_scale(x, x + 1, 2, 2, 2, one), SSTE_OK);
  assert_int_equal(sste_fp8_tensor_scale(x + 5, x + 1, 2, 2, 2, one), SSTE_OK);
  assert_same_float(x[0], 448.0f / 5);
  assert_same_float(x[5], 448.0f / 5);
}

/* ---- 5. Which formats arrays can be of ----------------------------------- */

static sste_fp8_format descriptor(int sign, int E, int M, int B, int specials) {
  sste_fp8_format f;
  f.sign_bits = sign;
  f.exponent_bits = E;
  f.mantissa_bits = M;
  f.bias = B;
  f.specials = specials;
  return f;
}

static void named_formats_are_sound(void **state) {
  int i;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    assert_int_equal(sste_fp8_format_check(formats[i].f), SSTE_OK);
    assert_int_equal(sste_fp8_recipe_check(current(&formats[i])), SSTE_OK);
    assert_int_equal(sste_fp8_recipe_check(sste_fp8_recipe_te(formats[i].f)),
                     SSTE_OK);
  }
}

static void wide_formats_are_refused(void **state) {
  (void)state;
  assert_int_equal(sste_fp8_format_check(sste_fp8_float16()), SSTE_ERR_VALUE);
  assert_int_equal(sste_fp8_format_check(sste_fp8_bfloat16()), SSTE_ERR_VALUE);
  assert_int_equal(sste_fp8_format_check(sste_fp8_float32()), SSTE_ERR_VALUE);
  assert_int_equal(sste_fp8_format_check(sste_fp8_float64()), SSTE_ERR_VALUE);
}

/* One field wrong at a time, or one step beyond a limit. */
static void bad_formats_are_refused(void **state) {
  static const int bad[][5] = {{1, 0, 7, 0, SSTE_FP8_IEEE},
                               {1, 1, 6, 0, SSTE_FP8_IEEE},
                               {1, 7, 0, 64, SSTE_FP8_FN},
                               {1, 8, -1, 100, SSTE_FP8_FN},
                               {1, 4, 4, 7, SSTE_FP8_FN},
                               {1, 3, 3, 3, SSTE_FP8_FN},
                               {1, 6, 2, 3, SSTE_FP8_FN},
                               {1, -1, 8, 0, SSTE_FP8_FN},
                               {1, 40, -33, 7, SSTE_FP8_FN},
                               {1, 2, INT_MAX, 7, SSTE_FP8_FN},
                               {1, INT_MAX, 1, 7, SSTE_FP8_FN},
                               {1, 4, 3, 7, 4},
                               {1, 4, 3, 7, -1},
                               {2, 4, 3, 7, SSTE_FP8_FN},
                               {-1, 4, 3, 7, SSTE_FP8_FN},
                               {INT_MAX, 4, 3, 7, SSTE_FP8_FN},
                               {0, 4, 3, 8, SSTE_FP8_FNUZ},
                               {1, 4, 3, -89, SSTE_FP8_FN},
                               {1, 4, 3, 13, SSTE_FP8_FN},
                               {1, 4, 3, INT_MAX, SSTE_FP8_FN},
                               {1, 4, 3, INT_MIN, SSTE_FP8_FN},
                               {1, 2, 5, -101, SSTE_FP8_IEEE},
                               {1, 6, 1, -41, SSTE_FP8_IEEE},
                               {1, 6, 1, 61, SSTE_FP8_IEEE},
                               {1, 2, 5, 1, SSTE_FP8_IEEE},
                               {1, 8, 0, 127, SSTE_FP8_POW2},
                               {0, 7, 0, 127, SSTE_FP8_POW2},
                               {0, 8, 1, 127, SSTE_FP8_POW2},
                               {0, 8, 0, 126, SSTE_FP8_POW2},
                               {0, 8, 0, 127, SSTE_FP8_FN}};
  size_t i;
  (void)state;
  for (i = 0; i < sizeof bad / sizeof *bad; ++i) {
    const int *b = bad[i];
    const sste_fp8_format f = descriptor(b[0], b[1], b[2], b[3], b[4]);
    assert_int_equal(sste_fp8_format_check(f), SSTE_ERR_VALUE);
    assert_int_equal(sste_fp8_recipe_check(sste_fp8_recipe_current(f)),
                     SSTE_ERR_VALUE);
  }
}

/* The last descriptors on the right side of each limit. */
static void limits_are_allowed(void **state) {
  static const int good[][5] = {
      {1, 4, 3, 12, SSTE_FP8_FN},     {1, 6, 1, 60, SSTE_FP8_IEEE},
      {1, 2, 5, 0, SSTE_FP8_IEEE},    {0, 4, 3, 7, SSTE_FP8_IEEE},
      {0, 2, 5, 0, SSTE_FP8_FN},      {1, 4, 3, -88, SSTE_FP8_FN},
      {1, 2, 5, -100, SSTE_FP8_FNUZ}, {1, 6, 1, -40, SSTE_FP8_FN}};
  size_t i;
  (void)state;
  for (i = 0; i < sizeof good / sizeof *good; ++i) {
    const int *g = good[i];
    assert_int_equal(
        sste_fp8_format_check(descriptor(g[0], g[1], g[2], g[3], g[4])),
        SSTE_OK);
  }
}

/* A recipe for whole tensors of scale 1, one code or float at a time. */
static int tensor_code(sste_fp8_recipe how, float x) {
  const float one = 1;
  uint8_t code = 0xCA;
  if (sste_fp8_tensor_encode(&code, 1, &x, 1, 1, 1, &one, how) != SSTE_OK)
    fail_msg("encode is refused");
  return code;
}
static float tensor_value(sste_fp8_recipe how, int code) {
  const uint8_t c = (uint8_t)code;
  const float one = 1;
  float x = -1;
  if (sste_fp8_tensor_decode(&x, 1, &c, 1, 1, 1, &one, how) != SSTE_OK)
    fail_msg("decode is refused");
  return x;
}

static void expect_codes(const slow *s, float x, int want) {
  const int got = tensor_code(current(s), x);
  const int negative = has_no_sign(s) || (is_fnuz(s) && want == 0) ? 0 : 128;
  const int got_minus = tensor_code(current(s), -x);
  if (got == want && got_minus == (has_no_sign(s) ? 0 : want + negative))
    return;
  test_print_float(s->name, x);
  fail_msg("S%dE%dM%dB%d specials %d: codes %02X and %02X, expected %02X",
           s->f.sign_bits, s->f.exponent_bits, s->f.mantissa_bits, s->f.bias,
           s->f.specials, (unsigned)got, (unsigned)got_minus, (unsigned)want);
}

/* Each value is its own code, midpoints go to the even one, and the floats
 * beside a midpoint to either side.                                         */
static void check_format(const slow *s) {
  int code;
  assert_true(slow_max(s) >= 4 && slow_max(s) <= (double)FLT_MAX);
  assert_true(s->value[1] >= (double)FLT_MIN);
  for (code = 0; code < s->largest; ++code) {
    const double middle = (s->value[code] + s->value[code + 1]) / 2;
    const float m = (float)middle;
    assert_true((double)m == middle);
    expect_codes(s, (float)s->value[code], code);
    expect_codes(s, m, code + code % 2);
    expect_codes(s, nextafterf(m, 0), code);
    expect_codes(s, nextafterf(m, FLT_MAX), code + 1);
  }
  expect_codes(s, (float)slow_max(s), s->largest);
  expect_codes(s, FLT_MAX, s->largest);
  expect_codes(s, INFINITY, s->largest);
  for (code = 0; code < 256; ++code)
    assert_same_float(tensor_value(current(s), code), slow_decode(s, code));
}

/* Overflow, not saturating: beyond the midpoint to the value that would come
 * next; at it, if that code would be even.                                  */
static void check_overflow(const slow *s) {
  const int next = is_fnuz(s) ? 128 : s->largest + 1;
  const float m = (float)((slow_max(s) + slow_value(s->f, s->largest + 1)) / 2);
  sste_fp8_recipe how = current(s);
  how.rule.overflow = SSTE_OVERFLOW_NONE;
  assert_int_equal(tensor_code(how, nextafterf(m, 0)), s->largest);
  assert_int_equal(tensor_code(how, m), s->largest % 2 ? next : s->largest);
  assert_int_equal(tensor_code(how, nextafterf(m, FLT_MAX)), next);
  assert_int_equal(tensor_code(how, INFINITY), next);
}

/* Every format that is not refused, named or not. */
static void any_sound_format_works(void **state) {
  int specials, sign, E, B, sound = 0;
  (void)state;
  for (specials = SSTE_FP8_IEEE; specials <= SSTE_FP8_POW2; ++specials)
    for (sign = 0; sign < 2; ++sign)
      for (E = 0; E < 10; ++E)
        for (B = -140; B <= 140; ++B) {
          const int M = (specials == SSTE_FP8_POW2 ? 8 : 7) - E;
          const sste_fp8_format f = descriptor(sign, E, M, B, specials);
          slow s;
          if (sste_fp8_format_check(f) != SSTE_OK) continue;
          ++sound;
          if (specials == SSTE_FP8_POW2) continue; /* among those by name */
          s = slow_format("format", f);
          check_format(&s);
          check_overflow(&s);
        }
  assert_true(sound > 1000);
}

/* ---- 6. Tensors: values -------------------------------------------------- */

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
      0xFFC12345u, 0x7F800001u, 0xFFA00000u, 0x00000001u, 0x80400000u,
      0x7F7FFFFFu, 0xFF7FFFFFu, 0x80000001u};
  uint64_t seed = test_seed();
  int i;
  for (i = 0; i < n; ++i)
    x[i] = i % 5 == 0 ? test_float(special[i / 5 % 13])
                      : (float)test_normal(&seed);
}

static void run_tensors(tensors *m, const float *scale, sste_fp8_recipe how) {
  test_poison(m, sizeof *m);
  fill(m->x, X_SIZE);
  assert_int_equal(sste_fp8_tensor_encode(m->code, LD_CODE, m->x, LD_X, ROWS,
                                          COLS, scale, how),
                   SSTE_OK);
  assert_int_equal(sste_fp8_tensor_decode(m->back, LD_X, m->code, LD_CODE, ROWS,
                                          COLS, scale, how),
                   SSTE_OK);
  assert_int_equal(
      sste_fp8_tensor_round(m->y, LD_Y, m->x, LD_X, ROWS, COLS, scale, how),
      SSTE_OK);
}

static void wrong_code(const char *name, sste_fp8_recipe how, float x,
                       float scale, int got, int want) {
  test_print_float(name, x);
  test_print_float("scale", scale);
  fail_msg(
      "%s: got code %02X, expected %02X; apply %d, rounding %d, overflow "
      "%d, nan %d, sign %d, drop %d, via %d",
      name, (unsigned)got, (unsigned)want, how.apply, how.rule.rounding,
      how.rule.overflow, how.rule.nan, how.rule.nan_sign, how.rule.drop_sign,
      how.rule.via);
}

/* What the code must be, given what x times the scale must be. */
static void check_element(const tensors *m, const slow *s, float scale,
                          sste_fp8_recipe how, int r, int c) {
  const float x = m->x[r * LD_X + c];
  const int want = slow_encode(s, slow_apply(x, scale, how.apply));
  const int got = m->code[r * LD_CODE + c];
  const float back = slow_undo(s, want, scale, how.undo);
  if (got != want) wrong_code(s->name, how, x, scale, got, want);
  assert_same_float(m->back[r * LD_X + c], back);
  assert_same_float(m->y[r * LD_Y + c], back);
}

static void check_tensors(const slow *s, const float *scale,
                          sste_fp8_recipe how) {
  static tensors t;
  int r, c;
  run_tensors(&t, scale, how);
  for (r = 0; r < ROWS; ++r)
    for (c = 0; c < COLS; ++c)
      check_element(&t, s, scale[how.per_row ? r : 0], how, r, c);
}

/* All formats, three ways to apply and to undo a scale. 2^-126 and 2^127 make
 * products and quotients overflow and underflow; 2^-127 is a subnormal that
 * still has a reciprocal, 2^-140 one that has none.                         */
static void tensors_follow_the_definition(void **state) {
  static const float scales[] = {1,         224,       0.37f,    0x1p-126f,
                                 0x1p-127f, 0x1p-140f, 0x1p127f, FLT_MAX};
  int i, k, apply, undo;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (k = 0; k < 8; ++k)
      for (apply = 0; apply < 3; ++apply)
        for (undo = 0; undo < 3; ++undo) {
          const int reciprocal =
              apply == SSTE_APPLY_RECIPROCAL || undo == SSTE_APPLY_RECIPROCAL;
          if (scales[k] < 0x1p-127f && reciprocal) continue;
          check_tensors(&formats[i], &scales[k],
                        formula(&formats[i], 0, apply, undo));
        }
}

/* Without per_row only the first scale is looked at. */
static void rows_have_their_own_scales(void **state) {
  float scale[ROWS];
  uint64_t seed = test_seed();
  int i, r, way;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (way = 0; way < 3; ++way) {
      sste_fp8_recipe how = formula(&formats[i], 0, way, (way + 1) % 3);
      for (r = 0; r < ROWS; ++r)
        scale[r] = (float)ldexp(1 + test_uniform(&seed), r - 9);
      how.per_row = 1;
      check_tensors(&formats[i], scale, how);
      for (r = 1; r < ROWS; ++r) scale[r] = -1;
      how.per_row = 0;
      check_tensors(&formats[i], scale, how);
    }
}

/* The scale that a tensor gives itself puts its largest on the largest code. */
static void tensor_scale_fits_the_tensor(void **state) {
  static const float x[2 * 4] = {1, -3, 2, 0, 0.1f, 0.7f, -0.5f, 0.3f};
  int i, apply;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (apply = 0; apply < 3; ++apply) {
      const slow *s = &formats[i];
      sste_fp8_recipe how = formula(s, apply > 0, apply, 0);
      const int minus = has_no_sign(s) ? 0 : 128 + s->largest;
      uint8_t code[8];
      float scale[2];
      how.per_row = 1;
      if (i == E8M0 && apply > 0) continue; /* amax / max is below FLT_MIN */
      assert_int_equal(sste_fp8_tensor_scale(scale, x, 4, 2, 4, how), SSTE_OK);
      assert_int_equal(sste_fp8_tensor_encode(code, 4, x, 4, 2, 4, scale, how),
                       SSTE_OK);
      assert_int_equal(code[1], minus);
      assert_int_equal(code[5], s->largest);
    }
}

/* Inputs for rules: around the ends of every format and between, and what is
 * no number.                                                                */
enum { ODDS = 96 };
static void fill_odds(float *x) {
  static const uint32_t special[] = {
      0x00000000u, 0x80000000u, 0x7F800000u, 0xFF800000u, 0x7FC00000u,
      0xFFC00000u, 0x7F800001u, 0xFFA00000u, 0x7FE12345u, 0xFFFFFFFFu,
      0x00000001u, 0x80000001u, 0x00400000u, 0x00400001u, 0x7F7FFFFFu,
      0xFF7FFFFFu, 0x7F000000u, 0x7F400000u, 0x3F900000u, 0x3F980000u,
      0x3F980001u, 0xBF97FFFFu, 0x43E80000u, 0x43E80001u, 0xC3E80000u,
      0x43DFFFFFu, 0x47700000u, 0xC76FFFFFu, 0x43780000u, 0x41F80000u};
  uint64_t seed = test_seed();
  int i;
  for (i = 0; i < ODDS; ++i) {
    const double sign = test_random(&seed) % 2 ? -1.0 : 1.0;
    x[i] = i < 30 ? test_float(special[i])
                  : (float)ldexp(sign * (1 + test_uniform(&seed)), i % 34 - 18);
  }
}

/* The scaled float by the scalar encoder, which takes a NaN as it came: what
 * arithmetic does to NaNs is the processor's choice.                        */
static void check_rule(const slow *s, sste_fp8_recipe how, float scale) {
  float x[ODDS];
  uint8_t code[ODDS];
  float rounds[ODDS];
  int i;
  fill_odds(x);
  assert_int_equal(
      sste_fp8_tensor_encode(code, ODDS, x, ODDS, 1, ODDS, &scale, how),
      SSTE_OK);
  assert_int_equal(
      sste_fp8_tensor_round(rounds, ODDS, x, ODDS, 1, ODDS, &scale, how),
      SSTE_OK);
  for (i = 0; i < ODDS; ++i) {
    const float y = isnan(x[i]) ? x[i] : slow_apply(x[i], scale, how.apply);
    const int want = sste_fp8_encode_float(s->f, how.rule, y, 0);
    if (code[i] != want) wrong_code(s->name, how, x[i], scale, code[i], want);
    assert_same_float(rounds[i], slow_undo(s, want, scale, how.undo));
  }
}

static void check_rule_every_way(const slow *s, sste_fp8_rule rule) {
  sste_fp8_recipe how = current(s);
  how.rule = rule;
  for (how.apply = 0; how.apply < 3; ++how.apply) {
    check_rule(s, how, 1.0f);
    check_rule(s, how, 0.37f);
  }
}

static void presets_work_through_tensors(void **state) {
  int i, who;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (who = SSTE_LIKE_OCP; who <= SSTE_LIKE_ONNX_25; ++who)
      check_rule_every_way(&formats[i], sste_fp8_rule_like(who, formats[i].f,
                                                           sste_fp8_float32()));
}

/* The n-th of all rules but the stochastic ones. */
enum { RULES = 6 * 3 * 3 * 2 * 2 * 4 };
static sste_fp8_rule rule_number(int n) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.rounding = n % 6;
  if (rule.rounding >= SSTE_ROUND_STOCHASTIC) ++rule.rounding;
  n /= 6;
  rule.overflow = n % 3;
  n /= 3;
  rule.nan = n % 3;
  n /= 3;
  rule.nan_sign = n % 2;
  n /= 2;
  rule.drop_sign = n % 2;
  n /= 2;
  rule.via = n;
  return rule;
}

static void every_rule_works_through_tensors(void **state) {
  int i, n;
  (void)state;
  for (i = 0; i < FORMATS; ++i)
    for (n = 0; n < RULES; ++n)
      check_rule_every_way(&formats[i], rule_number(n));
}

/* What happens to NaNs, in codes: the scale has no say in it. E5M2 keeps two
 * bits of the mantissa, E3M4 four, of which the first is always set.        */
static void nan_keeps_what_the_rule_keeps(void **state) {
  static const struct {
    int format, nan, nan_sign;
    uint32_t bits;
    int code;
  } table[] = {{E4M3FN, SSTE_NAN_ONES, 0, 0xFFC00000u, 0x7F},
               {E4M3FN, SSTE_NAN_ONES, 1, 0xFFC00000u, 0xFF},
               {E4M3FN, SSTE_NAN_ONES, 1, 0x7FC00000u, 0x7F},
               {E4M3FN, SSTE_NAN_PAYLOAD, 1, 0xFF800001u, 0xFF},
               {E5M2, SSTE_NAN_ONES, 0, 0xFFC00000u, 0x7F},
               {E5M2, SSTE_NAN_QUIET, 0, 0xFFC00000u, 0x7E},
               {E5M2, SSTE_NAN_QUIET, 1, 0xFFE00000u, 0xFE},
               {E5M2, SSTE_NAN_PAYLOAD, 1, 0xFFC00000u, 0xFE},
               {E5M2, SSTE_NAN_PAYLOAD, 1, 0xFFE00000u, 0xFF},
               {E5M2, SSTE_NAN_PAYLOAD, 0, 0xFFA00000u, 0x7F},
               {E3M4, SSTE_NAN_PAYLOAD, 1, 0xFFD00000u, 0xFA},
               {E3M4, SSTE_NAN_QUIET, 1, 0xFFD00000u, 0xF8},
               {FNUZ, SSTE_NAN_ONES, 1, 0x7FC00000u, 0x80},
               {FNUZ, SSTE_NAN_QUIET, 0, 0xFFC00000u, 0x80},
               {8, SSTE_NAN_ONES, 1, 0xFFC00000u, 0x7F},
               {E8M0, SSTE_NAN_ONES, 1, 0xFFC00000u, 0xFF}};
  size_t i;
  (void)state;
  for (i = 0; i < sizeof table / sizeof *table; ++i) {
    sste_fp8_recipe how = current(&formats[table[i].format]);
    how.rule.nan = table[i].nan;
    how.rule.nan_sign = table[i].nan_sign;
    for (how.apply = 0; how.apply < 3; ++how.apply) {
      const float x = test_float(table[i].bits), scale = 3;
      uint8_t code = 0;
      assert_int_equal(
          sste_fp8_tensor_encode(&code, 1, &x, 1, 1, 1, &scale, how), SSTE_OK);
      assert_int_equal(code, table[i].code);
    }
  }
}

/* There and back: zeros keep their sign where there is one, infinity is the
 * largest value or stays, and every NaN is 0x7FC00000.                      */
static void specials_there_and_back(void **state) {
  const float x[6] = {-0.0f,      INFINITY, -INFINITY, test_float(0xFFC00001u),
                      -0x1p-149f, 500};
  const float fn[6] = {-0.0f, 224, -224, test_float(NAN_BITS), -0.0f, 224};
  const float none[6] = {-0.0f, INFINITY, -INFINITY, test_float(NAN_BITS),
                         -0.0f, 512};
  const float fnuz[6] = {0, 120, -120, test_float(NAN_BITS), 0, 120};
  const float nan = test_float(NAN_BITS), scale = 2;
  sste_fp8_recipe how = current(&formats[E4M3FN]);
  float y[6];
  int i;
  (void)state;
  sste_fp8_tensor_round(y, 6, x, 6, 1, 6, &scale, how);
  for (i = 0; i < 6; ++i) assert_same_float(y[i], fn[i]);
  how.rule.overflow = SSTE_OVERFLOW_NONE;
  sste_fp8_tensor_round(y, 6, x, 6, 1, 6, &scale, how);
  assert_same_float(y[1], nan);
  assert_same_float(y[5], nan);
  how.format = sste_fp8_e5m2();
  sste_fp8_tensor_round(y, 6, x, 6, 1, 6, &scale, how);
  for (i = 0; i < 6; ++i) assert_same_float(y[i], none[i]);
  how = current(&formats[FNUZ]);
  sste_fp8_tensor_round(y, 6, x, 6, 1, 6, &scale, how);
  for (i = 0; i < 6; ++i) assert_same_float(y[i], fnuz[i]);
}

/* The product is rounded to float before it is encoded. Here that makes a tie
 * of a product which lies just below 1.1875, and the tie goes up to 0x3A.    */
static void encode_rounds_the_product_first(void **state) {
  const float x = 1.1875f / 7, scale = 7;
  sste_fp8_recipe how = current(&formats[E4M3FN]);
  uint8_t code;
  float y;
  (void)state;
  assert_true((double)x * (double)scale < 1.1875);
  assert_true(x * scale == 1.1875f);
  sste_fp8_tensor_encode(&code, 1, &x, 1, 1, 1, &scale, how);
  assert_int_equal(code, 0x3A);
  sste_fp8_tensor_round(&y, 1, &x, 1, 1, 1, &scale, how);
  assert_same_float(y, 1.25f / 7);
}

/* All codes, NaNs and infinities of both signs among them, undone each way. */
static void decode_takes_every_code(void **state) {
  static const float scales[] = {3, 0x1p-100f, 0x1p100f};
  uint8_t code[256];
  float x[256];
  int i, c, k, undo;
  (void)state;
  for (c = 0; c < 256; ++c) code[c] = (uint8_t)c;
  for (i = 0; i < FORMATS; ++i)
    for (undo = 0; undo < 3; ++undo)
      for (k = 0; k < 3; ++k) {
        assert_int_equal(
            sste_fp8_tensor_decode(x, 16, code, 16, 16, 16, &scales[k],
                                   formula(&formats[i], 0, 0, undo)),
            SSTE_OK);
        for (c = 0; c < 256; ++c)
          assert_same_float(x[c], slow_undo(&formats[i], c, scales[k], undo));
      }
}

/* The worked examples of the header. */
static void tensor_examples(void **state) {
  const float x[3] = {2.0f, -1.0f, 0.001f}, z[3] = {2.0f, -1.0f, 0.3f};
  const uint8_t want[3] = {0x7E, 0xF6, 0x26}, by_hand[3] = {0x7E, 0xF6, 0x68};
  const sste_fp8_recipe how = current(&formats[E4M3FN]);
  const float scale = 224;
  uint8_t code[3];
  float y[3];
  (void)state;
  sste_fp8_tensor_encode(code, 3, x, 3, 1, 3, &scale, how);
  assert_memory_equal(code, want, 3);
  sste_fp8_tensor_decode(y, 3, code, 3, 1, 3, &scale, how);
  assert_same_float(y[0], 2.0f);
  assert_same_float(y[1], -1.0f);
  assert_same_float(y[2], 0.21875f / 224.0f);
  assert_near((double)y[2], 0.0009765625, 1e-9);
  sste_fp8_tensor_encode(code, 3, z, 3, 1, 3, &scale, how);
  assert_memory_equal(code, by_hand, 3);
  sste_fp8_tensor_round(y, 3, z, 3, 1, 3, &scale, how);
  assert_same_float(y[2], 64.0f / 224.0f);
}

/* ---- 7. Tensors: strides, blocks, threads -------------------------------- */

static void tensors_leave_the_padding_alone(void **state) {
  static tensors t;
  static float x[X_SIZE];
  const float one = 1;
  int i, r;
  (void)state;
  fill(x, X_SIZE);
  for (i = 0; i < FORMATS; ++i) {
    run_tensors(&t, &one, current(&formats[i]));
    assert_memory_equal(t.x, x, sizeof x);
    for (r = 0; r < ROWS; ++r) {
      assert_poison(t.code + r * LD_CODE + COLS, LD_CODE - COLS);
      assert_poison(t.back + r * LD_X + COLS, (LD_X - COLS) * sizeof(float));
      assert_poison(t.y + r * LD_Y + COLS, (LD_Y - COLS) * sizeof(float));
    }
  }
}

static void threads_change_nothing(void **state) {
  static const int threads[] = {2, 5};
  static tensors one, many;
  float scale[ROWS];
  int i, k, r;
  (void)state;
  for (r = 0; r < ROWS; ++r) scale[r] = (float)(r + 1);
  for (i = 0; i < FORMATS; ++i)
    for (k = 0; k < 2; ++k) {
      sste_fp8_recipe how = current(&formats[i]);
      how.per_row = k;
      test_threads(1);
      run_tensors(&one, scale, how);
      test_threads(threads[k]);
      run_tensors(&many, scale, how);
      assert_memory_equal(&one, &many, sizeof one);
      test_threads(threads[1 - k]);
      run_tensors(&many, scale, how);
      assert_memory_equal(&one, &many, sizeof one);
    }
  test_threads(1);
}

static void round_works_in_place(void **state) {
  static tensors t;
  static float x[X_SIZE];
  const float scale = 224;
  int i, r, c;
  (void)state;
  for (i = 0; i < FORMATS; ++i) {
    const sste_fp8_recipe how = current(&formats[i]);
    run_tensors(&t, &scale, how);
    fill(x, X_SIZE);
    assert_int_equal(
        sste_fp8_tensor_round(x, LD_X, x, LD_X, ROWS, COLS, &scale, how),
        SSTE_OK);
    for (r = 0; r < ROWS; ++r)
      for (c = 0; c < LD_X; ++c)
        assert_same_float(x[r * LD_X + c],
                          c < COLS ? t.y[r * LD_Y + c] : t.x[r * LD_X + c]);
  }
}

/* One row of n: each element by the definition, round as encode then decode,
 * elsewhere and in place, and nothing beyond the n-th.                      */
static void check_length(const slow *s, sste_fp8_recipe how, size_t n) {
  enum { ROOM = 1100 };
  static float x[ROOM], back[ROOM], y[ROOM], place[ROOM];
  static uint8_t code[ROOM];
  const float scale = 37;
  size_t i;
  fill(x, ROOM);
  test_poison(code, sizeof code);
  test_poison(back, sizeof back);
  test_poison(y, sizeof y);
  memcpy(place, x, sizeof x);
  sste_fp8_tensor_encode(code, n, x, n, 1, n, &scale, how);
  sste_fp8_tensor_decode(back, n, code, n, 1, n, &scale, how);
  sste_fp8_tensor_round(y, n, x, n, 1, n, &scale, how);
  sste_fp8_tensor_round(place, n, place, n, 1, n, &scale, how);
  for (i = 0; i < n; ++i) {
    const int want = slow_encode(s, slow_apply(x[i], scale, how.apply));
    assert_int_equal(code[i], want);
    assert_same_float(y[i], slow_undo(s, want, scale, how.undo));
  }
  assert_memory_equal(y, back, n * sizeof *y);
  assert_memory_equal(y, place, n * sizeof *y);
  assert_memory_equal(place + n, x + n, (ROOM - n) * sizeof *x);
  assert_poison(code + n, ROOM - n);
  assert_poison(back + n, (ROOM - n) * sizeof *back);
  assert_poison(y + n, (ROOM - n) * sizeof *y);
}

/* Vector tails, and the ends of the blocks of 512 that round works in. */
static void every_length_works(void **state) {
  static const size_t blocks[] = {511, 512, 513, 1023, 1024, 1025};
  static const int kinds[] = {E4M3FN, E5M2, FNUZ, 8, E8M0};
  size_t n;
  int i, way;
  (void)state;
  for (i = 0; i < 5; ++i)
    for (way = 0; way < 3; ++way) {
      const slow *s = &formats[kinds[i]];
      const sste_fp8_recipe how = formula(s, 0, way, (way + 1) % 3);
      for (n = 1; n <= 70; ++n) check_length(s, how, n);
      for (n = 0; n < 6; ++n) check_length(s, how, blocks[n]);
    }
}

/* ---- 8. What is refused -------------------------------------------------- */

/* Space for two matrices of 4 x 8 floats, as floats or as codes. A refused call
 * leaves all of it poisoned.                                                 */
enum { R = 4, C = 8, N = R * C };
static float arena[2 * N];
static const float unit[R] = {1, 1, 1, 1};

static uint8_t *byte_at(size_t offset) { return (uint8_t *)arena + offset; }

#define assert_untouched(status, call)  \
  do {                                  \
    test_poison(arena, sizeof arena);   \
    assert_int_equal((call), (status)); \
    assert_poison(arena, sizeof arena); \
  } while (0)

static sste_status encode(uint8_t *code, size_t ldc, const float *x,
                          size_t ldx) {
  return sste_fp8_tensor_encode(code, ldc, x, ldx, R, C, unit,
                                current(&formats[E4M3FN]));
}
static sste_status decode(float *x, size_t ldx, const uint8_t *code,
                          size_t ldc) {
  return sste_fp8_tensor_decode(x, ldx, code, ldc, R, C, unit,
                                current(&formats[E4M3FN]));
}
static sste_status rounded(float *y, size_t ldy, const float *x, size_t ldx) {
  return sste_fp8_tensor_round(y, ldy, x, ldx, R, C, unit,
                               current(&formats[E4M3FN]));
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

/* A single row may be as far from the next, which there is not, as can be. */
static void the_last_size_is_allowed(void **state) {
  const size_t most = (size_t)PTRDIFF_MAX / sizeof(float);
  const float x = 1;
  float y = 0;
  (void)state;
  assert_int_equal(sste_fp8_tensor_round(&y, most, &x, most, 1, 1, unit,
                                         current(&formats[E4M3FN])),
                   SSTE_OK);
  assert_same_float(y, 1.0f);
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
  const sste_fp8_recipe how = current(&formats[E4M3FN]);
  (void)state;
  test_poison(arena, sizeof arena);
  assert_int_equal(rounded(arena + N, C, arena, C), SSTE_OK);
  assert_int_equal(rounded(arena, C, arena + N, C), SSTE_OK);
  assert_int_equal(rounded(arena + N - C, C, arena, C), SSTE_ERR_OVERLAP);
  assert_int_equal(
      sste_fp8_tensor_round(arena + END, C, arena, LD, R - 1, C, unit, how),
      SSTE_OK);
  assert_int_equal(
      sste_fp8_tensor_round(arena, LD, arena + END, C, R - 1, C, unit, how),
      SSTE_OK);
  assert_int_equal(encode(byte_at(N * sizeof(float)), C, arena, C), SSTE_OK);
  assert_int_equal(decode(arena, C, byte_at(N * sizeof(float)), C), SSTE_OK);
  assert_int_equal(encode(byte_at(0), C, arena + N / 4, C), SSTE_OK);
  assert_int_equal(decode(arena + N / 4, C, byte_at(0), C), SSTE_OK);
}

/* All three functions give this answer to these scales and recipe. */
static void assert_all_refuse(sste_status status, const float *scale,
                              sste_fp8_recipe how) {
  uint8_t *code = byte_at(N * sizeof(float));
  float *y = arena + N;
  assert_untouched(status,
                   sste_fp8_tensor_encode(code, C, arena, C, R, C, scale, how));
  assert_untouched(status,
                   sste_fp8_tensor_decode(arena, C, code, C, R, C, scale, how));
  assert_untouched(status,
                   sste_fp8_tensor_round(y, C, arena, C, R, C, scale, how));
  assert_untouched(status,
                   sste_fp8_tensor_round(arena, C, arena, C, R, C, scale, how));
}

static void assert_all_accept(const float *scale, sste_fp8_recipe how) {
  uint8_t *code = byte_at(N * sizeof(float));
  memset(arena, 0, sizeof arena);
  assert_int_equal(sste_fp8_tensor_encode(code, C, arena, C, R, C, scale, how),
                   SSTE_OK);
  assert_int_equal(sste_fp8_tensor_decode(arena, C, code, C, R, C, scale, how),
                   SSTE_OK);
  assert_int_equal(sste_fp8_tensor_round(arena, C, arena, C, R, C, scale, how),
                   SSTE_OK);
}

static void null_scales_are_refused(void **state) {
  sste_fp8_recipe how = current(&formats[E4M3FN]);
  (void)state;
  assert_all_refuse(SSTE_ERR_NULL, NULL, how);
  how.per_row = 1;
  assert_all_refuse(SSTE_ERR_NULL, NULL, how);
}

/* Wherever among the rows it stands; where there is one scale, only the first
 * counts.                                                                   */
static void bad_scales_are_refused(void **state) {
  static const uint32_t bad[] = {0x00000000u, 0x80000000u, 0x80000001u,
                                 0xBF800000u, 0x7F800000u, 0xFF800000u,
                                 0x7F800001u, 0x7FC00000u, 0xFFFFFFFFu};
  sste_fp8_recipe one = current(&formats[E4M3FN]), rows = one;
  size_t i, r;
  (void)state;
  rows.per_row = 1;
  for (i = 0; i < sizeof bad / sizeof *bad; ++i)
    for (r = 0; r < R; ++r) {
      float scale[R] = {1, 2, 3, 4};
      scale[r] = test_float(bad[i]);
      assert_all_refuse(SSTE_ERR_VALUE, scale, rows);
      if (r == 0)
        assert_all_refuse(SSTE_ERR_VALUE, scale, one);
      else
        assert_all_accept(scale, one);
    }
}

static void extreme_scales_are_allowed(void **state) {
  const float scale[R] = {FLT_MAX, 0x1p-149f, FLT_MIN, 0x1p-128f};
  sste_fp8_recipe how = current(&formats[E4M3FN]);
  (void)state;
  assert_all_accept(scale + 1, how);
  how.per_row = 1;
  for (how.apply = 0; how.apply < 2; ++how.apply)
    for (how.undo = 0; how.undo < 2; ++how.undo) assert_all_accept(scale, how);
}

/* 1 / 2^-128 is no float; the next larger scale has a reciprocal. */
static void scales_without_a_reciprocal_are_refused(void **state) {
  const float last = test_float(0x00200000u), first = test_float(0x00200001u);
  sste_fp8_recipe how = current(&formats[E4M3FN]);
  (void)state;
  assert_true(isinf(1 / last) && !isinf(1 / first));
  for (how.per_row = 0; how.per_row < 2; ++how.per_row)
    for (how.apply = 0; how.apply < 3; ++how.apply)
      for (how.undo = 0; how.undo < 3; ++how.undo) {
        const float good[R] = {first, 1, FLT_MAX, first};
        const float bad[R] = {how.per_row ? first : last, 1, 1, last};
        assert_all_accept(good, how);
        if (how.apply == SSTE_APPLY_RECIPROCAL ||
            how.undo == SSTE_APPLY_RECIPROCAL)
          assert_all_refuse(SSTE_ERR_VALUE, bad, how);
        else
          assert_all_accept(bad, how);
      }
}

/* Scales may share memory with what is read, never with what is written. The
 * arena is of ones, except where they are refused: there it is poison.      */
static void overlap_of_scales_is_refused(void **state) {
  const sste_fp8_recipe one = current(&formats[E4M3FN]);
  sste_fp8_recipe rows = one;
  float *y = arena + R, *last = y + N - 1;
  uint8_t *code = (uint8_t *)y;
  const float *behind = y + N / 4;
  (void)state;
  rows.per_row = 1;
  assert_untouched(SSTE_ERR_OVERLAP,
                   sste_fp8_tensor_round(y, C, y, C, R, C, y, one));
  assert_untouched(SSTE_ERR_OVERLAP,
                   sste_fp8_tensor_round(y, C, y, C, R, C, last, one));
  assert_untouched(SSTE_ERR_OVERLAP,
                   sste_fp8_tensor_round(y, C, y, C, R, C, y - R + 1, rows));
  assert_untouched(SSTE_ERR_OVERLAP,
                   sste_fp8_tensor_round(y, C, y, C, R, C, last, rows));
  assert_untouched(SSTE_ERR_OVERLAP,
                   sste_fp8_tensor_decode(y, C, byte_at(0), 1, R, 1, y, one));
  assert_untouched(
      SSTE_ERR_OVERLAP,
      sste_fp8_tensor_encode(code, C, arena + N, C, R, C, behind - 1, one));
  assert_untouched(
      SSTE_ERR_OVERLAP,
      sste_fp8_tensor_encode(code, C, arena + N, C, R, C, arena + 1, rows));
}

static void scales_beside_the_output_are_allowed(void **state) {
  sste_fp8_recipe how = current(&formats[E4M3FN]);
  float *y = arena + R;
  int i;
  (void)state;
  for (i = 0; i < 2 * N; ++i) arena[i] = 1;
  for (how.per_row = 0; how.per_row < 2; ++how.per_row) {
    const size_t count = how.per_row ? R : 1;
    assert_int_equal(sste_fp8_tensor_round(y, C, y, C, R, C, y - count, how),
                     SSTE_OK);
    assert_int_equal(sste_fp8_tensor_round(y, C, y, C, R, C, y + N, how),
                     SSTE_OK);
    assert_int_equal(sste_fp8_tensor_encode((uint8_t *)arena, C, arena + N, C,
                                            R, C, arena + N, how),
                     SSTE_OK);
    for (i = 0; i < R; ++i) arena[i] = 1;
  }
}

/* Every choice, and how many there are. */
typedef struct field {
  size_t offset;
  int count;
} field;
#define FIELD(name, count) \
  { offsetof(sste_fp8_recipe, name), (count) }
static const field fields[] = {
    FIELD(rule.rounding, 7), FIELD(rule.overflow, 3),  FIELD(rule.nan, 3),
    FIELD(rule.nan_sign, 2), FIELD(rule.drop_sign, 2), FIELD(rule.via, 4),
    FIELD(per_row, 2),       FIELD(scale, 3),          FIELD(apply, 3),
    FIELD(undo, 3),          FIELD(drop_nan, 2),       FIELD(power_of_two, 2)};
enum { FIELDS = sizeof fields / sizeof *fields };

static sste_fp8_recipe with_field(const field *at, int value) {
  sste_fp8_recipe how = current(&formats[E4M3FN]);
  memcpy((char *)&how + at->offset, &value, sizeof value);
  return how;
}

/* By the check and by all functions; nothing is written. */
static void assert_bad_recipe(sste_fp8_recipe how) {
  assert_int_equal(sste_fp8_recipe_check(how), SSTE_ERR_VALUE);
  assert_all_refuse(SSTE_ERR_VALUE, unit, how);
  assert_untouched(SSTE_ERR_VALUE,
                   sste_fp8_tensor_scale(arena + N, arena, C, R, C, how));
}

static void choices_out_of_range_are_refused(void **state) {
  int i, k;
  (void)state;
  for (i = 0; i < FIELDS; ++i) {
    const int bad[] = {-1, fields[i].count, INT_MIN, INT_MAX};
    for (k = 0; k < 4; ++k) assert_bad_recipe(with_field(&fields[i], bad[k]));
  }
}

/* The random bits that stochastic rounding needs are nowhere to come from. */
static void every_choice_but_stochastic_is_allowed(void **state) {
  int i, value;
  (void)state;
  for (i = 0; i < FIELDS; ++i)
    for (value = 0; value < fields[i].count; ++value) {
      const sste_fp8_recipe how = with_field(&fields[i], value);
      if (i == 0 && value == SSTE_ROUND_STOCHASTIC) {
        assert_bad_recipe(how);
      } else {
        assert_int_equal(sste_fp8_recipe_check(how), SSTE_OK);
        assert_all_accept(unit, how);
      }
    }
}

static void bad_epsilons_are_refused(void **state) {
  static const uint32_t bad[] = {0x80000001u, 0xBF800000u, 0x7F800000u,
                                 0xFF800000u, 0x7F800001u, 0x7FC00000u,
                                 0xFFC00000u};
  static const float good[] = {0, -0.0f, 0x1p-149f, 1, FLT_MAX};
  sste_fp8_recipe how = current(&formats[E4M3FN]);
  size_t i;
  (void)state;
  for (i = 0; i < sizeof bad / sizeof *bad; ++i) {
    how.epsilon = test_float(bad[i]);
    assert_bad_recipe(how);
  }
  for (i = 0; i < 5; ++i) {
    how.epsilon = good[i];
    assert_int_equal(sste_fp8_recipe_check(how), SSTE_OK);
  }
}

static void tensors_refuse_bad_formats(void **state) {
  (void)state;
  assert_bad_recipe(sste_fp8_recipe_current(sste_fp8_float16()));
  assert_bad_recipe(
      sste_fp8_recipe_current(descriptor(1, 4, 3, 13, SSTE_FP8_FN)));
}

/* No rows or no columns: nothing to read, so nothing may be asked of pointers,
 * strides and scales. However many rows are empty, it takes no time.        */
static void nothing_to_do_succeeds(void **state) {
  const size_t sizes[][2] = {
      {0, 0}, {0, 3}, {3, 0}, {SIZE_MAX, 0}, {PTRDIFF_MAX, 0}};
  sste_fp8_recipe how = current(&formats[E4M3FN]);
  size_t i;
  (void)state;
  for (how.per_row = 0; how.per_row < 2; ++how.per_row)
    for (i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
      const size_t r = sizes[i][0], c = sizes[i][1];
      assert_int_equal(
          sste_fp8_tensor_encode(NULL, 0, NULL, 0, r, c, NULL, how), SSTE_OK);
      assert_int_equal(
          sste_fp8_tensor_decode(NULL, 0, NULL, 0, r, c, NULL, how), SSTE_OK);
      assert_int_equal(sste_fp8_tensor_round(NULL, 0, NULL, 0, r, c, NULL, how),
                       SSTE_OK);
      assert_untouched(SSTE_OK, sste_fp8_tensor_round(arena, 3, arena + 1, 3, r,
                                                      c, arena, how));
    }
}

/* ---- 9. The three formulas are three ------------------------------------- */

/* x * (max/a), x / (a/max) and x * (1 / (a/max)) are one real number and up to
 * three floats. The codes differ where a midpoint lies between them: hardly
 * ever if x has 24 random bits, but x of few bits meet midpoints exactly.   */
enum { BLOCK = 128, FORMULAS = 3 };

static sste_fp8_recipe formula_number(const slow *s, int i) {
  static const int apply[FORMULAS] = {SSTE_APPLY_MULTIPLY, SSTE_APPLY_DIVIDE,
                                      SSTE_APPLY_RECIPROCAL};
  const int scale =
      i == 0 ? SSTE_SCALE_MAX_OVER_AMAX : SSTE_SCALE_AMAX_OVER_MAX;
  return formula(s, scale, apply[i], SSTE_APPLY_DIVIDE);
}

static void encode_by(const slow *s, int i, const float *x, uint8_t *code) {
  const sste_fp8_recipe how = formula_number(s, i);
  float scale;
  if (sste_fp8_tensor_scale(&scale, x, BLOCK, 1, BLOCK, how) != SSTE_OK ||
      sste_fp8_tensor_encode(code, BLOCK, x, BLOCK, 1, BLOCK, &scale, how) !=
          SSTE_OK)
    abort();
}

/* To nearest even; finite numbers only. */
static float to_bfloat16(float x) {
  const uint32_t b = test_bits(x);
  return test_float((b + 0x7FFFu + (b >> 16 & 1u)) & 0xFFFF0000u);
}

/* Normal samples as floats, as bfloat16s, and as decoded E4M3 codes of a tensor
 * whose amax was another, between 4 and 8.                                  */
enum { AS_FLOAT, AS_BFLOAT16, AS_FP8 };
static void draw_block(float *x, int source, uint64_t block) {
  uint64_t seed = test_seed() + block;
  float amax;
  int i;
  seed = test_random(&seed);
  amax = (float)ldexp(1 + test_uniform(&seed), 2);
  for (i = 0; i < BLOCK; ++i) {
    x[i] = (float)test_normal(&seed);
    if (source == AS_BFLOAT16) x[i] = to_bfloat16(x[i]);
    if (source == AS_FP8)
      x[i] =
          sste_fp8_e4m3fn_decode(sste_fp8_e4m3fn_encode(x[i] * (448 / amax))) /
          (448 / amax);
  }
}

/* How many codes differ between formulas 0 and 1, 0 and 2, 1 and 2. */
typedef struct tally {
  long differ[3];
} tally;

static tally count_block(const slow *s, int source, uint64_t block) {
  uint8_t code[FORMULAS][BLOCK];
  float x[BLOCK];
  tally t = {{0, 0, 0}};
  int i;
  draw_block(x, source, block);
  for (i = 0; i < FORMULAS; ++i) encode_by(s, i, x, code[i]);
  for (i = 0; i < BLOCK; ++i) {
    t.differ[0] += code[0][i] != code[1][i];
    t.differ[1] += code[0][i] != code[2][i];
    t.differ[2] += code[1][i] != code[2][i];
  }
  return t;
}

static tally count_blocks(const slow *s, int source, long blocks) {
  long d0 = 0, d1 = 0, d2 = 0, b;
  tally t;
  test_threads(all_threads);
  SSTE_OMP(parallel for schedule(static) reduction(+ : d0, d1, d2))
  for (b = 0; b < blocks; ++b) {
    const tally one = count_block(s, source, (uint64_t)b);
    d0 += one.differ[0];
    d1 += one.differ[1];
    d2 += one.differ[2];
  }
  test_threads(1);
  t.differ[0] = d0;
  t.differ[1] = d1;
  t.differ[2] = d2;
  return t;
}

/* Three quarters of amax are 336 = 0.75 * 448, midway between the codes 7A and
 * 7B of E4M3FN, of which 7A is even. Each pair of formulas disagrees about one
 * of these, as one of the two lands a float above.                          */
static void formulas_disagree_about_midpoints(void **state) {
  static const struct {
    float amax;
    uint8_t code[FORMULAS];
  } table[] = {{52, {0x7B, 0x7A, 0x7B}},
               {76, {0x7A, 0x7A, 0x7B}},
               {356, {0x7B, 0x7A, 0x7A}},
               {4, {0x7A, 0x7A, 0x7A}}};
  const slow *s = &formats[E4M3FN];
  size_t k;
  int i;
  (void)state;
  for (k = 0; k < 4; ++k)
    for (i = 0; i < FORMULAS; ++i) {
      const sste_fp8_recipe how = formula_number(s, i);
      const float amax = table[k].amax, x = 0.75f * amax;
      const float scale = slow_quotient(s, how.scale, amax);
      float block[BLOCK] = {0};
      uint8_t code[BLOCK];
      block[0] = -amax;
      block[1] = x;
      encode_by(s, i, block, code);
      assert_int_equal(code[0], 0xFE);
      assert_int_equal(code[1], table[k].code[i]);
      assert_int_equal(code[1],
                       slow_encode(s, slow_apply(x, scale, how.apply)));
    }
}

/* x * max / amax itself, which double knows well enough, lies in the interval
 * of the code or outside by no more than the roundings on the way: half an ulp
 * each, of which multiplying and dividing have two and the reciprocal three. */
static void check_code(const slow *s, int i, float x, float amax, int code) {
  const double exact = fabs((double)x) * slow_max(s) / (double)amax;
  const double slack = (i == 2 ? 3.01 : 2.01) * 0x1p-24 * exact;
  const int k = code % 128;
  const double low = k > 0 ? (s->value[k - 1] + s->value[k]) / 2 : 0;
  const double high =
      k < s->largest ? (s->value[k] + s->value[k + 1]) / 2 : slow_max(s);
  if (exact >= low - slack && exact <= high + slack) return;
  test_print_float("x", x);
  test_print_float("amax", amax);
  fail_msg("formula %d: code %02X for %.17g", i, (unsigned)code, exact);
}

static void formulas_stay_within_their_roundings(void **state) {
  uint64_t b;
  int f, i, k, source;
  (void)state;
  for (f = 0; f < 5; ++f)
    for (source = AS_FLOAT; source <= AS_FP8; ++source)
      for (b = 0; b < 20; ++b) {
        float x[BLOCK], amax = 0;
        uint8_t code[BLOCK];
        draw_block(x, source, b);
        for (k = 0; k < BLOCK; ++k) amax = fmaxf(amax, fabsf(x[k]));
        for (i = 0; i < FORMULAS; ++i) {
          encode_by(&formats[f], i, x, code);
          for (k = 0; k < BLOCK; ++k)
            check_code(&formats[f], i, x[k], amax, code[k]);
        }
      }
}

static long many_blocks(void) { return test_level() == 2 ? 200000 : 25600; }

/* The published shares of bfloat16 are of 25.6 million samples and printed to
 * 0.1e-4, so half of that is theirs to round. Equal numbers of a block meet the
 * same midpoint together: counted by blocks the variance is 2.5 times that of
 * as many coins. Five standard errors of the difference, theirs included.   */
static void bfloat16_differs_as_published(void **state) {
  static const double published[FORMULAS] = {3.2e-4, 1.8e-4, 5.0e-4};
  const double n = (double)many_blocks() * BLOCK, theirs = 25.6e6;
  const tally t = count_blocks(&formats[E4M3FN], AS_BFLOAT16, many_blocks());
  int i;
  (void)state;
  for (i = 0; i < FORMULAS; ++i) {
    const double p = published[i];
    const double error = sqrt(2.5 * p * (1 - p) * (1 / n + 1 / theirs));
    assert_near((double)t.differ[i] / n, p, 5 * error + 0.05e-4);
  }
}

/* A few in ten million: 1e-6 is the order of magnitude to stay below. */
static void floats_hardly_differ(void **state) {
  const double n = (double)many_blocks() * BLOCK;
  const tally t = count_blocks(&formats[E4M3FN], AS_FLOAT, many_blocks());
  int i;
  (void)state;
  for (i = 0; i < FORMULAS; ++i)
    assert_true((double)t.differ[i] < 1e-6 * n + 5);
}

/* Codes that are quantised again with another scale: quotients of two 4-bit
 * significands are midpoints more often than bfloat16s are.                 */
static void requantised_codes_differ_more(void **state) {
  const tally b = count_blocks(&formats[E4M3FN], AS_BFLOAT16, many_blocks());
  const tally t = count_blocks(&formats[E4M3FN], AS_FP8, many_blocks());
  int i;
  (void)state;
  for (i = 0; i < FORMULAS; ++i) assert_true(t.differ[i] > 5 * b.differ[i]);
}

/* -------------------------------------------------------------------------- */

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(formats_end_where_published),
      cmocka_unit_test(current_recipe_is_max_over_amax),
      cmocka_unit_test(divide_recipe_is_amax_over_max),
      cmocka_unit_test(te_recipe_drops_nan_and_decodes_by_reciprocal),
      cmocka_unit_test(scale_is_the_rounded_quotient),
      cmocka_unit_test(quotients_are_told_apart),
      cmocka_unit_test(scale_guards),
      cmocka_unit_test(tiny_amax_hits_the_limits),
      cmocka_unit_test(huge_amax_has_its_quotient),
      cmocka_unit_test(scale_at_the_edges),
      cmocka_unit_test(epsilon_is_the_least_amax),
      cmocka_unit_test(epsilon_comes_before_the_guards),
      cmocka_unit_test(power_of_two_rounds_down),
      cmocka_unit_test(te_scale_is_transformer_engines),
      cmocka_unit_test(power_of_two_follows_every_quotient),
      cmocka_unit_test(amax_of_small_matrices),
      cmocka_unit_test(amax_passes_nan_on),
      cmocka_unit_test(amax_skips_the_padding),
      cmocka_unit_test(amax_of_nothing),
      cmocka_unit_test(amax_finds_every_place),
      cmocka_unit_test(amax_ignores_the_thread_count),
      cmocka_unit_test(amax_errors),
      cmocka_unit_test(tensor_scale_example),
      cmocka_unit_test(each_row_has_its_own_scale),
      cmocka_unit_test(drop_nan_passes_over_nans),
      cmocka_unit_test(tensor_scale_follows_the_recipe),
      cmocka_unit_test(scale_of_nothing),
      cmocka_unit_test(scale_errors),
      cmocka_unit_test(named_formats_are_sound),
      cmocka_unit_test(wide_formats_are_refused),
      cmocka_unit_test(bad_formats_are_refused),
      cmocka_unit_test(limits_are_allowed),
      cmocka_unit_test(any_sound_format_works),
      cmocka_unit_test(tensors_follow_the_definition),
      cmocka_unit_test(rows_have_their_own_scales),
      cmocka_unit_test(tensor_scale_fits_the_tensor),
      cmocka_unit_test(presets_work_through_tensors),
      cmocka_unit_test(every_rule_works_through_tensors),
      cmocka_unit_test(nan_keeps_what_the_rule_keeps),
      cmocka_unit_test(specials_there_and_back),
      cmocka_unit_test(encode_rounds_the_product_first),
      cmocka_unit_test(decode_takes_every_code),
      cmocka_unit_test(tensor_examples),
      cmocka_unit_test(tensors_leave_the_padding_alone),
      cmocka_unit_test(threads_change_nothing),
      cmocka_unit_test(round_works_in_place),
      cmocka_unit_test(every_length_works),
      cmocka_unit_test(null_is_refused),
      cmocka_unit_test(short_strides_are_refused),
      cmocka_unit_test(sizes_that_overflow_are_refused),
      cmocka_unit_test(the_last_size_is_allowed),
      cmocka_unit_test(overlap_of_codes_is_refused),
      cmocka_unit_test(overlap_of_floats_is_refused),
      cmocka_unit_test(neighbours_are_allowed),
      cmocka_unit_test(null_scales_are_refused),
      cmocka_unit_test(bad_scales_are_refused),
      cmocka_unit_test(extreme_scales_are_allowed),
      cmocka_unit_test(scales_without_a_reciprocal_are_refused),
      cmocka_unit_test(overlap_of_scales_is_refused),
      cmocka_unit_test(scales_beside_the_output_are_allowed),
      cmocka_unit_test(choices_out_of_range_are_refused),
      cmocka_unit_test(every_choice_but_stochastic_is_allowed),
      cmocka_unit_test(bad_epsilons_are_refused),
      cmocka_unit_test(tensors_refuse_bad_formats),
      cmocka_unit_test(nothing_to_do_succeeds),
      cmocka_unit_test(formulas_disagree_about_midpoints),
      cmocka_unit_test(formulas_stay_within_their_roundings),
      cmocka_unit_test(bfloat16_differs_as_published),
      cmocka_unit_test(floats_hardly_differ),
      cmocka_unit_test(requantised_codes_differ_more),
  };
  return cmocka_run_group_tests_name("fp8_tensor", tests, make_formats, NULL);
}
