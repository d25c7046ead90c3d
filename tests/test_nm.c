/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_nm.c - the general half of sste.h: any N of M, any element type, groups
 * along rows or down columns, against a slow reference and by definition.
 *
 *   1. One group of M     2. The gamma family   3. Sixteen bits
 *   4. Tensors and masks  5. Sums               6. The compressed form
 *   7. Threads            8. Refusals and empty matrices
 */
#include "slow_nm.h"
#include "sste.h"
#include "sste_fp8.h"
#include "test.h"

/* ---- 1. One group of M --------------------------------------------------- */

/* Whether anything that is said about one group differs from the reference. */
static int group_differs(const float *a, int n, int m, float gamma) {
  const size_t bytes = (size_t)m * sizeof *a;
  float got[32], want[32], in_place[32];
  const int nan = slow_project_nm(want, a, n, m, gamma);
  int bad = sste_group_project_nm(got, a, n, m, gamma) != nan;
  memcpy(in_place, a, bytes);
  bad |= sste_group_project_nm(in_place, in_place, n, m, gamma) != nan;
  bad |= memcmp(got, want, bytes) != 0 || memcmp(in_place, want, bytes) != 0;
  bad |= test_bits(sste_group_threshold_nm(a, n, m, gamma)) !=
         test_bits(slow_threshold_nm(a, n, m, gamma));
  bad |=
      sste_group_mask_nm(a, n, m, SSTE_TIE_LOWER) != slow_mask_nm(a, n, m, 0);
  bad |=
      sste_group_mask_nm(a, n, m, SSTE_TIE_HIGHER) != slow_mask_nm(a, n, m, 1);
  return bad;
}

static void assert_group(const float *a, int n, int m, float gamma) {
  int i;
  if (!group_differs(a, n, m, gamma)) return;
  for (i = 0; i < m; ++i) test_print_float("group", a[i]);
  fail_msg("%d:%d, gamma %a differs from the slow reference", n, m,
           (double)gamma);
}

static void test_group_by_hand(void **unused) {
  static const float a[4] = {4, -3, 2, -1};
  static const struct {
    int n;
    float gamma, t, s[4];
  } golden[] = {{1, 0, 3, {1, 0, 0, 0}},
                {2, 0, 2, {2, -1, 0, 0}},
                {3, 0, 1, {3, -2, 1, 0}},
                {2, -0.0f, 2, {2, -1, 0, 0}},
                {2, 0.5f, 2.5f, {1.5f, -0.5f, 0, 0}},
                {2, 1, 3, {1, 0, 0, 0}}};
  size_t i, j;
  (void)unused;
  for (i = 0; i < sizeof golden / sizeof golden[0]; ++i) {
    const int n = golden[i].n;
    const float gamma = golden[i].gamma;
    float s[4];
    assert_same_float(sste_group_threshold_nm(a, n, 4, gamma), golden[i].t);
    assert_int_equal(sste_group_project_nm(s, a, n, 4, gamma), 0);
    for (j = 0; j < 4; ++j) assert_same_float(s[j], golden[i].s[j]);
    assert_group(a, n, 4, gamma);
  }
  assert_int_equal(sste_group_mask_nm(a, 1, 4, SSTE_TIE_LOWER), 0x1);
  assert_int_equal(sste_group_mask_nm(a, 3, 4, SSTE_TIE_LOWER), 0x7);
}

/* Every N:M with M <= 8 and every group of the integers -2..2: ties and signs
 * in every order. Of the 5^7 and 5^8 longest groups level 1 takes a sample. */
static void test_group_all_small(void **unused) {
  static const float gammas[3] = {0.0f, 0.375f, 1.0f};
  int n, m, i, count = 5;
  (void)unused;
  for (m = 2; m <= 8; ++m) {
    const int step = m < 7 || test_level() == 2 ? 1 : 37;
    int group;
    count *= 5;
    for (group = 0; group < count; group += step) {
      float a[8];
      int digits = group;
      for (i = 0; i < m; ++i, digits /= 5) a[i] = (float)(digits % 5 - 2);
      for (n = 1; n < m; ++n)
        for (i = 0; i < 3; ++i) assert_group(a, n, m, gammas[i]);
    }
  }
}

/* One number of a format, of four kinds: any bits; the edges of the encoding,
 * NaNs quiet and signalling among them; within `span` binades of `top`, so that
 * subtractions round; the same with short mantissas, so that they tie. */
static uint32_t random_code(slow_format f, uint64_t kind, int top, int span,
                            uint64_t *state) {
  const uint64_t r = test_random(state);
  const uint32_t unit = (uint32_t)1 << f.mantissa, inf = slow_infinity(f);
  const uint32_t edges[8] = {0,           1,       unit - 1, unit,
                             slow_one(f), inf - 1, inf,      inf + 1};
  const uint32_t sign = r >> 63 ? slow_sign(f) : 0;
  const int e = top - (int)(r % (uint64_t)span);
  uint32_t fraction = (uint32_t)(r >> 16) & (unit - 1);
  if (kind == 0) return (uint32_t)r & (2 * slow_sign(f) - 1);
  if (kind == 1) return edges[r >> 32 & 7] | sign;
  if (kind == 3) fraction &= unit / 2 | 1;
  return (e < 0 ? 0 : (uint32_t)e * unit) | fraction | sign;
}

/* m numbers of one kind, the larger M the more often with equal magnitudes. */
static void random_codes(uint32_t *codes, int m, slow_format f,
                         uint64_t *state) {
  const uint64_t kind = test_random(state) >> 32;
  const int exponents = (1 << f.exponent) - 1;
  const int top = (int)((kind >> 8) % (uint64_t)exponents);
  const int span = kind & 4 ? 3 : exponents < 30 ? exponents : 30;
  int i;
  for (i = 0; i < m; ++i) codes[i] = random_code(f, kind % 4, top, span, state);
  for (i = 0; i < (int)(kind >> 40) % (m / 2 + 1); ++i)
    codes[test_random(state) % (uint64_t)m] =
        codes[test_random(state) % (uint64_t)m] ^ slow_sign(f);
}

static void random_group(float *a, int m, uint64_t *state) {
  uint32_t codes[32];
  int i;
  random_codes(codes, m, slow_float32, state);
  for (i = 0; i < m; ++i) a[i] = test_float(codes[i]);
}

/* 0 and 1 as often as what lies between. */
static float random_gamma(uint64_t *state) {
  const uint64_t r = test_random(state);
  if (r % 3 == 0) return r & 64 ? 1.0f : 0.0f;
  return (float)ldexp((double)(r >> 40), -24 - (int)(r >> 8 & 3));
}

static void test_group_random(void **unused) {
  const int rounds = test_level() == 2 ? 20000 : 150;
  uint64_t state = test_seed();
  int round, n, m;
  (void)unused;
  for (round = 0; round < rounds; ++round)
    for (m = 2; m <= 32; ++m) {
      float a[32];
      random_group(a, m, &state);
      n = 1 + (int)(test_random(&state) % (uint64_t)(m - 1));
      assert_group(a, n, m, random_gamma(&state));
      assert_group(a, 1, m, 0.0f);
      assert_group(a, m - 1, m, 0.0f);
    }
}

/* Section 1 of the header is what 2:4 and gamma 0 give, bit for bit. */
static void test_group_two_of_four(void **unused) {
  const int groups = test_level() == 2 ? 10000000 : 200000;
  uint64_t state = test_seed() + 1;
  int i;
  (void)unused;
  for (i = 0; i < groups; ++i) {
    float a[4], s[4], s_nm[4];
    random_group(a, 4, &state);
    assert_same_float(sste_group_threshold_nm(a, 2, 4, 0.0f),
                      sste_group_threshold(a));
    assert_int_equal(sste_group_project_nm(s_nm, a, 2, 4, 0.0f),
                     sste_group_project(s, a));
    assert_memory_equal(s_nm, s, sizeof s);
    assert_int_equal(sste_group_mask_nm(a, 2, 4, SSTE_TIE_LOWER),
                     sste_group_mask(a, SSTE_TIE_LOWER));
    assert_int_equal(sste_group_mask_nm(a, 2, 4, SSTE_TIE_HIGHER),
                     sste_group_mask(a, SSTE_TIE_HIGHER));
  }
}

/* A NaN poisons the n positions of the mask, wherever it stands. */
static void test_group_nan(void **unused) {
  int p, i;
  (void)unused;
  for (p = 0; p < 7; ++p) {
    float a[7] = {1, 2, 3, 3, 3, 2, 1}, s[7];
    const uint32_t kept = (uint32_t)1 << p | (p == 2   ? 0x18u
                                              : p == 3 ? 0x14u
                                                       : 0x0Cu);
    a[p] = test_float(0xFF812345u);
    assert_int_equal(sste_group_project_nm(s, a, 3, 7, 0.25f), 1);
    for (i = 0; i < 7; ++i)
      assert_int_equal(test_bits(s[i]), kept >> i & 1 ? 0x7FC00000 : 0);
  }
}

static void test_group_out_of_range(void **unused) {
  static const int wrong[][2] = {{0, 4}, {4, 4},  {5, 4},   {-1, 4},
                                 {0, 0}, {2, -4}, {16, 33}, {1, 1}};
  static const uint32_t gammas[] = {0x80000001, 0x3F800001, 0xBF800000,
                                    0x7FC00000, 0x7F800000, 0xFFC00000};
  float a[33] = {4, 3, 2, 1}, out[33];
  size_t i, j;
  (void)unused;
  test_poison(out, sizeof out);
  for (i = 0; i < sizeof wrong / sizeof wrong[0]; ++i) {
    const int n = wrong[i][0], m = wrong[i][1];
    assert_int_equal(test_bits(sste_group_threshold_nm(a, n, m, 0.0f)),
                     0x7FC00000);
    assert_int_equal(sste_group_mask_nm(a, n, m, SSTE_TIE_LOWER), 0);
    assert_int_equal(sste_group_project_nm(out, a, n, m, 0.0f), -1);
  }
  for (i = 0; i < sizeof gammas / sizeof gammas[0]; ++i) {
    const float gamma = test_float(gammas[i]);
    assert_int_equal(test_bits(sste_group_threshold_nm(a, 2, 4, gamma)),
                     0x7FC00000);
    assert_int_equal(sste_group_project_nm(out, a, 2, 4, gamma), -1);
  }
  for (j = 0; j < 33; ++j) assert_int_equal(test_bits(out[j]), 0xCACACACA);
}

static void test_pattern_by_default(void **unused) {
  const sste_nm nm = sste_nm_of(3, 7);
  (void)unused;
  assert_int_equal(nm.n, 3);
  assert_int_equal(nm.m, 7);
  assert_int_equal(nm.axis, SSTE_ALONG_ROWS);
  assert_int_equal(nm.type, SSTE_FLOAT32);
}

/* ---- 2. The gamma family ------------------------------------------------- */

/* An integer rounded to so many significant bits, ties to even. */
static uint64_t round_integer(uint64_t x, int bits) {
  int drop = 0;
  uint64_t rest, half;
  while (x >> drop >> bits != 0) ++drop;
  if (drop == 0) return x;
  half = (uint64_t)1 << (drop - 1);
  rest = x & (2 * half - 1);
  x >>= drop;
  if (rest > half || (rest == half && x % 2 != 0)) ++x;
  return x << drop;
}

/* t 2^24 for integers t_0 <= t_1 and gamma = part / 2^24: the gap rounded to 24
 * bits, the product exact, the sum rounded to 53 bits and then to 24. */
static uint64_t integer_threshold(uint64_t t0, uint64_t t1, uint64_t part) {
  const uint64_t gap = round_integer(t1 - t0, 24);
  return round_integer(round_integer((t0 << 24) + part * gap, 53), 24);
}

static void test_gamma_in_integers(void **unused) {
  const int tries = test_level() == 2 ? 20000000 : 300000;
  uint64_t state = test_seed() + 2;
  int i;
  (void)unused;
  for (i = 0; i < tries; ++i) {
    const uint64_t r = test_random(&state), q = test_random(&state);
    const uint64_t x = (r & 0xFFFFFF) << (r >> 24 & 15) % 15;
    const uint64_t y = (r >> 40) << (r >> 28 & 15) % 15;
    const uint64_t part = q % 16 == 0 ? 0x1000000 : q >> 40;
    const uint64_t t0 = x < y ? x : y, t1 = x < y ? y : x;
    const float a[3] = {-(float)t1, (float)t0, 0.0f};
    const float gamma = (float)ldexp((double)part, -24);
    assert_same_float(
        sste_group_threshold_nm(a, 1, 3, gamma),
        (float)ldexp((double)integer_threshold(t0, t1, part), -24));
  }
}

/* (2^36 + 1) = 38737 * 1774001, so that the threshold is 1 + 2^-24 + 2^-60: in
 * double 1 + 2^-24, which is midway between two floats and goes to the even. */
static void test_gamma_sum_in_double(void **unused) {
  const float a[2] = {1.0f, 1.0f + 38737 * 0x1p-23f};
  (void)unused;
  assert_same_float(sste_group_threshold_nm(a, 1, 2, 1774001 * 0x1p-37f), 1.0f);
}

/* t_1 - t_0 = 1 + 2^-24 lies midway between two floats and becomes 1, so that
 * even gamma = 1 gives a threshold below t_1. */
static void test_gamma_gap_in_float(void **unused) {
  const float a[2] = {0x1.000002p0f, 0x1p-24f};
  float s[2];
  (void)unused;
  assert_same_float(sste_group_threshold_nm(a, 1, 2, 1.0f), 1.0f);
  assert_int_equal(sste_group_project_nm(s, a, 1, 2, 1.0f), 0);
  assert_same_float(s[0], 0x1p-23f);
  assert_same_float(s[1], 0.0f);
}

/* Subnormals and the largest floats: the gap neither underflows nor overflows.
 */
static void test_gamma_at_the_ends(void **unused) {
  const float low[2] = {0x3p-149f, -0x1p-149f};
  const float high[2] = {-0x1.fffffep127f, 0x1p-149f};
  (void)unused;
  assert_same_float(sste_group_threshold_nm(low, 1, 2, 0.5f), 0x2p-149f);
  assert_same_float(sste_group_threshold_nm(low, 1, 2, 0.25f), 0x2p-149f);
  assert_same_float(sste_group_threshold_nm(low, 1, 2, 0x1p-24f), 0x1p-149f);
  assert_same_float(sste_group_threshold_nm(high, 1, 2, 0.5f), 0x1.fffffep126f);
  assert_same_float(sste_group_threshold_nm(high, 1, 2, 1.0f), 0x1.fffffep127f);
}

/* An infinite or NaN t_1 matters as soon as gamma is positive. */
static void test_gamma_infinite(void **unused) {
  const float inf = test_float(0x7F800000u);
  const float a[4] = {-inf, 1, inf, 2}, b[4] = {slow_nan(), 1, -inf, 2};
  float s[4];
  (void)unused;
  assert_same_float(sste_group_threshold_nm(a, 2, 4, 0.0f), 2.0f);
  assert_int_equal(sste_group_project_nm(s, a, 2, 4, 0.0f), 0);
  assert_same_float(s[0], -inf);
  assert_same_float(s[2], inf);
  assert_same_float(s[1], 0.0f);
  assert_same_float(s[3], 0.0f);
  assert_same_float(sste_group_threshold_nm(a, 2, 4, 0x1p-149f), inf);
  assert_int_equal(sste_group_project_nm(s, a, 2, 4, 0x1p-149f), 1);
  assert_same_float(s[0], slow_nan());
  assert_same_float(s[2], slow_nan());
  assert_same_float(s[1], 0.0f);
  assert_same_float(sste_group_threshold_nm(a, 1, 4, 0.5f), inf);
  assert_same_float(sste_group_threshold_nm(b, 1, 4, 0.0f), inf);
  assert_same_float(sste_group_threshold_nm(b, 1, 4, 0.5f), slow_nan());
}

/* ---- Matrices of any type, their groups running either way --------------- */

/* Rows ld elements apart, and not one element behind the last row's end, so
 * that a sanitizer sees every read or write outside. Element k of run r is that
 * of row r, column k, or the other way round. */
typedef struct matrix {
  void *p;
  sste_type type;
  sste_axis axis;
  size_t runs, length;
  size_t rows, cols, ld, bytes;
} matrix;

static size_t size_of(sste_type type) {
  static const size_t sizes[5] = {4, 2, 2, 1, 1};
  return sizes[type];
}

static void *poisoned(size_t bytes) {
  void *p = malloc(bytes != 0 ? bytes : 1);
  assert_non_null(p);
  test_poison(p, bytes);
  return p;
}

static matrix matrix_new(sste_type type, sste_axis axis, size_t runs,
                         size_t length, size_t pad) {
  matrix w;
  w.type = type;
  w.axis = axis;
  w.runs = runs;
  w.length = length;
  w.rows = axis == SSTE_ALONG_ROWS ? runs : length;
  w.cols = axis == SSTE_ALONG_ROWS ? length : runs;
  w.ld = w.cols + pad;
  w.bytes = ((w.rows - 1) * w.ld + w.cols) * size_of(type);
  w.p = poisoned(w.bytes);
  return w;
}

/* The same type, axis, shape and stride. */
static matrix matrix_like(matrix w) {
  return matrix_new(w.type, w.axis, w.runs, w.length, w.ld - w.cols);
}

static matrix matrix_copy(matrix from) {
  matrix w = matrix_like(from);
  memcpy(w.p, from.p, w.bytes);
  return w;
}

static size_t at(matrix w, size_t run, size_t k) {
  return w.axis == SSTE_ALONG_ROWS ? run * w.ld + k : k * w.ld + run;
}

static uint32_t get(matrix w, size_t run, size_t k) {
  const size_t i = at(w, run, k);
  if (w.type == SSTE_FLOAT32) return test_bits(((const float *)w.p)[i]);
  if (size_of(w.type) == 2) return ((const uint16_t *)w.p)[i];
  return ((const uint8_t *)w.p)[i];
}

static void set(matrix w, size_t run, size_t k, uint32_t bits) {
  const size_t i = at(w, run, k);
  if (w.type == SSTE_FLOAT32)
    ((float *)w.p)[i] = test_float(bits);
  else if (size_of(w.type) == 2)
    ((uint16_t *)w.p)[i] = (uint16_t)bits;
  else
    ((uint8_t *)w.p)[i] = (uint8_t)bits;
}

static slow_format format_of(sste_type type) {
  return type == SSTE_FLOAT32   ? slow_float32
         : type == SSTE_FLOAT16 ? slow_float16
                                : slow_bfloat16;
}

static float value(matrix w, size_t run, size_t k) {
  const uint32_t bits = get(w, run, k);
  if (w.type == SSTE_FLOAT32) return test_float(bits);
  return slow_widen(format_of(w.type), bits);
}

static sste_nm pattern(int n, int m, matrix w) {
  sste_nm nm = sste_nm_of(n, m);
  nm.axis = w.axis;
  nm.type = w.type;
  return nm;
}

/* The transpose, its rows without padding: the same runs along the other axis.
 */
static matrix transposed(matrix w) {
  matrix t = matrix_new(
      w.type, w.axis == SSTE_ALONG_ROWS ? SSTE_DOWN_COLUMNS : SSTE_ALONG_ROWS,
      w.runs, w.length, 0);
  size_t r, k;
  for (r = 0; r < w.runs; ++r)
    for (k = 0; k < w.length; ++k) set(t, r, k, get(w, r, k));
  return t;
}

/* Groups of float types as in random_codes. */
static void matrix_random(matrix w, int m, uint64_t *state) {
  size_t r, k;
  for (r = 0; r < w.runs; ++r)
    for (k = 0; k < w.length; k += (size_t)m) {
      uint32_t codes[32];
      int i;
      random_codes(codes, m, format_of(w.type), state);
      for (i = 0; i < m; ++i) set(w, r, k + (size_t)i, codes[i]);
    }
}

static void matrix_normal(matrix w, uint64_t *state) {
  size_t r, k;
  for (r = 0; r < w.runs; ++r)
    for (k = 0; k < w.length; ++k) {
      const float x = (float)test_normal(state);
      set(w, r, k,
          w.type == SSTE_FLOAT32 ? test_bits(x)
                                 : slow_narrow(format_of(w.type), x));
    }
}

/* The same bytes, and so the same poison in the padding. */
static void assert_same_matrix(matrix got, matrix want) {
  assert_memory_equal(got.p, want.p, want.bytes);
}

/* ---- 3. Sixteen bits ----------------------------------------------------- */

static const sste_type halves[2] = {SSTE_FLOAT16, SSTE_BFLOAT16};

/* ||(1,0) - (1,h)||^2 / ||(1,0)||^2 = h^2, of which no bit is lost. */
static void test_codes_are_read_exactly(void **unused) {
  size_t i;
  uint32_t code;
  (void)unused;
  for (i = 0; i < 2; ++i)
    for (code = 0; code < 65536; ++code) {
      const slow_format f = format_of(halves[i]);
      const uint16_t one = (uint16_t)slow_one(f);
      const uint16_t w[2] = {one, 0}, v[2] = {one, (uint16_t)code};
      const double h = (double)slow_widen(f, code);
      double square = -1;
      const sste_status s =
          sste_tensor_relative_mse(&square, w, 2, v, 2, 1, 2, halves[i]);
      if (fabs(h) <= FLT_MAX) {
        assert_int_equal(s, SSTE_OK);
        assert_true(square == h * h);
      } else {
        assert_int_equal(s, SSTE_ERR_NONFINITE);
        assert_true(square == -1);
      }
    }
}

/* Alone in its group a number is its own projection. -0 becomes +0, a NaN the
 * one NaN, in both positions' worth of a 1:2 mask. */
static void test_codes_project_to_themselves(void **unused) {
  size_t i, r;
  (void)unused;
  for (i = 0; i < 2; ++i) {
    const slow_format f = format_of(halves[i]);
    matrix w = matrix_new(halves[i], SSTE_ALONG_ROWS, 65536, 2, 0);
    size_t nans = 0;
    for (r = 0; r < 65536; ++r) {
      set(w, r, 0, (uint32_t)r);
      set(w, r, 1, 0);
    }
    assert_int_equal(
        sste_tensor_project_nm(w.p, 2, w.p, 2, 65536, 2, pattern(1, 2, w), 0.0f,
                               1.0f, &nans),
        SSTE_OK);
    for (r = 0; r < 65536; ++r) {
      const uint32_t m = (uint32_t)r & 0x7FFF;
      const uint32_t want = m > slow_infinity(f) ? slow_nan_code(f)
                            : m == 0             ? 0
                                                 : (uint32_t)r;
      assert_int_equal(get(w, r, 0), want);
      assert_int_equal(get(w, r, 1), 0);
    }
    assert_int_equal(nans, 2 * (0x7FFF - slow_infinity(f)));
    free(w.p);
  }
}

/* sste_fp8.h's opinion of a positive float. */
static uint32_t converted(sste_type type, float x) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.overflow = SSTE_OVERFLOW_NONE;
  return (uint32_t)sste_fp8_convert(
      type == SSTE_FLOAT16 ? sste_fp8_float16() : sste_fp8_bfloat16(), rule,
      sste_fp8_float32(), test_bits(x), 0);
}

/* A group (1, 0) or (-1, 0) times a scale is any float we please. */
static void assert_rounds(sste_type type, float x) {
  const slow_format f = format_of(type);
  const uint16_t one = (uint16_t)slow_one(f);
  const uint16_t w[4] = {one, 0, (uint16_t)(one | 0x8000u), 0};
  const uint32_t want = slow_narrow(f, x);
  uint16_t out[4];
  sste_nm nm = sste_nm_of(1, 2);
  nm.type = type;
  assert_int_equal(
      sste_tensor_project_nm(out, 4, w, 4, 1, 4, nm, 0.0f, x, NULL), SSTE_OK);
  if (out[0] != want) test_print_float("rounded", x);
  assert_int_equal(out[0], want);
  assert_int_equal(out[2], want == 0 ? 0 : want | 0x8000u);
  assert_int_equal(converted(type, x), want);
}

/* Every number, every midpoint of two, and their neighbours among the floats.
 * The largest number's next is the power of two where infinity begins. */
static void test_rounding_boundaries(void **unused) {
  size_t i;
  uint32_t code;
  (void)unused;
  for (i = 0; i < 2; ++i) {
    const slow_format f = format_of(halves[i]);
    for (code = 0; code < slow_infinity(f); ++code) {
      const double low = slow_magnitude(f, code),
                   high = slow_magnitude(f, code + 1);
      const float middle = (float)((low + high) / 2);
      assert_true((double)middle == (low + high) / 2);
      assert_rounds(halves[i], nextafterf(middle, 0.0f));
      assert_rounds(halves[i], middle);
      if (middle < FLT_MAX)
        assert_rounds(halves[i], nextafterf(middle, FLT_MAX));
      if (code == 0) continue;
      assert_rounds(halves[i], nextafterf((float)low, 0.0f));
      assert_rounds(halves[i], (float)low);
      assert_rounds(halves[i], nextafterf((float)low, FLT_MAX));
    }
  }
}

static void test_rounding_everywhere(void **unused) {
  const uint32_t step = test_level() == 2 ? 257 : 65537;
  uint32_t bits;
  (void)unused;
  for (bits = 1; bits < 0x7F800000u; bits += step) {
    assert_rounds(SSTE_FLOAT16, test_float(bits));
    assert_rounds(SSTE_BFLOAT16, test_float(bits));
  }
  assert_rounds(SSTE_FLOAT16, FLT_MAX);
  assert_rounds(SSTE_BFLOAT16, FLT_MAX);
}

/* scale * S is rounded to float first: here it lies above the midpoint of two
 * halves, by too little for a float to show, and goes to the even one. */
static void test_product_rounds_to_float_first(void **unused) {
  const uint16_t w[2] = {0x3C01, 0}; /* 1 + 2^-10 */
  const double a = 1 + 0x1p-10, middle = 1 + 0x1p-11;
  float scale = (float)(middle / a);
  uint16_t out[2];
  sste_nm nm = sste_nm_of(1, 2);
  (void)unused;
  nm.type = SSTE_FLOAT16;
  while ((double)scale * a <= middle) scale = nextafterf(scale, 2.0f);
  assert_int_equal(
      sste_tensor_project_nm(out, 2, w, 2, 1, 2, nm, 0.0f, scale, NULL),
      SSTE_OK);
  assert_int_equal(out[0], 0x3C00);
}

/* ---- 4. Tensors and masks ------------------------------------------------ */

/* What sste_tensor_project_nm must give; returns how many groups are NaN. */
static size_t slow_tensor(matrix out, matrix w, int n, int m, float gamma,
                          float scale) {
  size_t r, k, count = 0;
  int i;
  for (r = 0; r < w.runs; ++r)
    for (k = 0; k < w.length; k += (size_t)m) {
      float a[32], x[32];
      for (i = 0; i < m; ++i) a[i] = value(w, r, k + (size_t)i);
      count += (size_t)slow_project_nm(x, a, n, m, gamma);
      for (i = 0; i < m; ++i)
        set(out, r, k + (size_t)i,
            slow_narrow(format_of(w.type), slow_scaled(scale, x[i])));
    }
  return count;
}

static void project_matrix(matrix out, matrix w, int n, int m, float gamma,
                           float scale, size_t *nans) {
  assert_int_equal(
      sste_tensor_project_nm(out.p, out.ld, w.p, w.ld, w.rows, w.cols,
                             pattern(n, m, w), gamma, scale, nans),
      SSTE_OK);
}

static void project_case(matrix w, int n, int m, float gamma, float scale) {
  const size_t pad = 2 * (w.ld - w.cols);
  matrix want = matrix_new(w.type, w.axis, w.runs, w.length, pad);
  matrix got = matrix_like(want), in_place = matrix_copy(w);
  matrix turned = transposed(w), back;
  size_t nans = 77, r, k;
  const size_t count = slow_tensor(want, w, n, m, gamma, scale);
  project_matrix(got, w, n, m, gamma, scale, &nans);
  assert_same_matrix(got, want);
  assert_int_equal(nans, count);
  project_matrix(in_place, in_place, n, m, gamma, scale, NULL);
  project_matrix(turned, turned, n, m, gamma, scale, &nans);
  assert_int_equal(nans, count);
  back = transposed(turned);
  for (r = 0; r < w.runs; ++r)
    for (k = 0; k < w.length; ++k) {
      assert_int_equal(get(in_place, r, k), get(want, r, k));
      assert_int_equal(get(back, r, k), get(want, r, k));
    }
  slow_tensor(w, w, n, m, gamma, scale);
  assert_same_matrix(in_place, w); /* the padding of w as it was */
  free(want.p);
  free(got.p);
  free(in_place.p);
  free(turned.p);
  free(back.p);
}

static void slow_mask_matrix(matrix mask, matrix w, int n, int m, int higher) {
  size_t r, k;
  int i;
  for (r = 0; r < w.runs; ++r)
    for (k = 0; k < w.length; k += (size_t)m) {
      float a[32];
      uint32_t bits;
      for (i = 0; i < m; ++i) a[i] = value(w, r, k + (size_t)i);
      bits = slow_mask_nm(a, n, m, higher);
      for (i = 0; i < m; ++i) set(mask, r, k + (size_t)i, bits >> i & 1);
    }
}

static void mask_case(matrix w, int n, int m) {
  matrix turned = transposed(w);
  int higher;
  for (higher = 0; higher < 2; ++higher) {
    const sste_tie tie = higher ? SSTE_TIE_HIGHER : SSTE_TIE_LOWER;
    matrix want = matrix_new(SSTE_INT8, w.axis, w.runs, w.length, w.ld % 3);
    matrix got = matrix_like(want), other = transposed(want), back;
    slow_mask_matrix(want, w, n, m, higher);
    assert_int_equal(sste_tensor_mask_nm(got.p, got.ld, w.p, w.ld, w.rows,
                                         w.cols, pattern(n, m, w), tie),
                     SSTE_OK);
    assert_same_matrix(got, want);
    assert_int_equal(
        sste_tensor_mask_nm(other.p, other.ld, turned.p, turned.ld, turned.rows,
                            turned.cols, pattern(n, m, turned), tie),
        SSTE_OK);
    back = transposed(want);
    assert_same_matrix(other, back);
    free(want.p);
    free(got.p);
    free(other.p);
    free(back.p);
  }
  free(turned.p);
}

static const int patterns[][2] = {{1, 2},  {2, 4},   {3, 4},  {1, 3},
                                  {4, 8},  {3, 7},   {8, 16}, {2, 31},
                                  {1, 32}, {16, 32}, {31, 32}};
enum { PATTERNS = sizeof patterns / sizeof patterns[0] };

/* Scales that overflow, that underflow, and that round. */
static const float scales[4] = {1.0f, 1.4837185f, 0x1.fffffep127f, 0x1p-149f};

/* f of every pattern, type and axis: one run and several, one group and
 * several, with padding and without. */
static void each_matrix(void (*f)(matrix, int, int, int), uint64_t *state) {
  static const size_t shapes[4][3] = {
      {1, 1, 0}, {1, 5, 0}, {5, 1, 2}, {6, 3, 3}};
  int p, type, axis, s, turn = 0;
  for (p = 0; p < PATTERNS; ++p)
    for (type = 0; type < 3; ++type)
      for (axis = 0; axis < 2; ++axis)
        for (s = 0; s < 4; ++s) {
          const int m = patterns[p][1];
          matrix w = matrix_new((sste_type)type, (sste_axis)axis, shapes[s][0],
                                shapes[s][1] * (size_t)m, shapes[s][2]);
          matrix_random(w, m, state);
          f(w, patterns[p][0], m, turn++);
          free(w.p);
        }
}

static void project_each(matrix w, int n, int m, int turn) {
  static const float gammas[3] = {0.0f, 0.3f, 1.0f};
  int i;
  matrix copy = matrix_copy(w);
  for (i = 0; i < 4; ++i) {
    memcpy(copy.p, w.p, w.bytes);
    project_case(copy, n, m, gammas[(turn + i) % 3], scales[i]);
  }
  free(copy.p);
}

static void mask_each(matrix w, int n, int m, int turn) {
  (void)turn;
  mask_case(w, n, m);
}

static void test_tensor_project(void **unused) {
  uint64_t state = test_seed() + 3;
  (void)unused;
  each_matrix(project_each, &state);
}

static void test_tensor_mask(void **unused) {
  uint64_t state = test_seed() + 4;
  (void)unused;
  each_matrix(mask_each, &state);
}

static void test_tensor_by_hand(void **unused) {
  const uint16_t w[4] = {0x4400, 0xC200, 0x4000, 0xBC00};
  const uint16_t want[4] = {0x4400, 0xC000, 0, 0};
  uint16_t out[4];
  sste_nm nm = sste_nm_of(2, 4);
  (void)unused;
  nm.type = SSTE_FLOAT16;
  assert_int_equal(
      sste_tensor_project_nm(out, 4, w, 4, 1, 4, nm, 0.0f, 2.0f, NULL),
      SSTE_OK);
  assert_memory_equal(out, want, sizeof want);
}

/* A NaN of any payload, and an overflow, in each of the three types. */
static void test_tensor_specials(void **unused) {
  static const uint32_t nan_out[3] = {0x7FC00000, 0x7E00, 0x7FC0};
  int type;
  (void)unused;
  for (type = 0; type < 3; ++type) {
    matrix w = matrix_new((sste_type)type, SSTE_DOWN_COLUMNS, 2, 2, 0);
    const slow_format f = format_of(w.type);
    size_t nans = 0;
    set(w, 0, 0, slow_sign(f) | slow_infinity(f) | 1);
    set(w, 0, 1, slow_one(f));
    set(w, 1, 0, slow_sign(f));
    set(w, 1, 1, slow_sign(f) | (slow_infinity(f) - 1));
    project_matrix(w, w, 1, 2, 0.0f, 2.0f, &nans);
    assert_int_equal(nans, 1);
    assert_int_equal(get(w, 0, 0), nan_out[type]);
    assert_int_equal(get(w, 0, 1), 0);
    assert_int_equal(get(w, 1, 0), 0);
    assert_int_equal(get(w, 1, 1), slow_sign(f) | slow_infinity(f));
    free(w.p);
  }
}

/* The 2:4 tensor functions are what the general ones give. */
static void test_tensor_two_of_four(void **unused) {
  uint64_t state = test_seed() + 5;
  matrix w = matrix_new(SSTE_FLOAT32, SSTE_ALONG_ROWS, 37, 100, 3);
  matrix got = matrix_like(w), want = matrix_like(w);
  matrix mask = matrix_new(SSTE_INT8, SSTE_ALONG_ROWS, 37, 100, 1);
  matrix mask_nm = matrix_like(mask);
  size_t nans = 1, nans_nm = 2;
  int tie;
  (void)unused;
  matrix_random(w, 4, &state);
  assert_int_equal(sste_tensor_project(want.p, want.ld, w.p, w.ld, 37, 100,
                                       scales[1], &nans),
                   SSTE_OK);
  project_matrix(got, w, 2, 4, 0.0f, scales[1], &nans_nm);
  assert_same_matrix(got, want);
  assert_int_equal(nans_nm, nans);
  for (tie = 0; tie < 2; ++tie) {
    assert_int_equal(
        sste_tensor_mask(mask.p, mask.ld, w.p, w.ld, 37, 100, (sste_tie)tie),
        SSTE_OK);
    assert_int_equal(sste_tensor_mask_nm(mask_nm.p, mask_nm.ld, w.p, w.ld, 37,
                                         100, sste_nm_of(2, 4), (sste_tie)tie),
                     SSTE_OK);
    assert_same_matrix(mask_nm, mask);
  }
  free(w.p);
  free(got.p);
  free(want.p);
  free(mask.p);
  free(mask_nm.p);
}

/* ---- 5. Sums ------------------------------------------------------------- */

/* The runs one after another as one long row of floats. */
static float *flatten(matrix w) {
  float *flat = (float *)poisoned(w.runs * w.length * sizeof *flat);
  size_t r, k;
  for (r = 0; r < w.runs; ++r)
    for (k = 0; k < w.length; ++k) flat[r * w.length + k] = value(w, r, k);
  return flat;
}

/* The sum of u o v, laid out in arrays; u or v may be null: all ones. */
static double slow_sum(const float *u, const float *v, size_t n) {
  float *ones = (float *)poisoned(n * sizeof *ones);
  double sum;
  size_t e;
  for (e = 0; e < n; ++e) ones[e] = 1.0f;
  sum = slow_dot(u, v != NULL ? v : ones, n);
  free(ones);
  return sum;
}

static void differences(float *d, const float *w, const float *v, size_t n) {
  size_t e;
  for (e = 0; e < n; ++e) d[e] = (float)((double)w[e] - (double)v[e]);
}

static void magnitudes(float *d, size_t n) {
  size_t e;
  for (e = 0; e < n; ++e) d[e] = (float)fabs((double)d[e]);
}

static void assert_same_double(double got, double want) {
  if (got != want) fail_msg("got %a, expected %a", got, want);
}

/* The four sums that come as doubles, so that every rounding on the way shows.
 */
static void sums_case(matrix g, matrix w, matrix v) {
  const size_t n = w.runs * w.length;
  float *fg = flatten(g), *fw = flatten(w), *fv = flatten(v);
  double norm2 = -1, change = -1, descent = -1, mse = -1;
  differences(fv, fw, fv, n);
  assert_int_equal(sste_tensor_norm2(&norm2, w.p, w.ld, w.rows, w.cols),
                   SSTE_OK);
  assert_same_double(norm2, slow_sum(fw, fw, n));
  assert_int_equal(sste_tensor_descent(&descent, g.p, g.ld, w.p, w.ld, v.p,
                                       v.ld, w.rows, w.cols),
                   SSTE_OK);
  assert_same_double(descent, slow_sum(fg, fv, n));
  assert_int_equal(sste_tensor_relative_mse(&mse, w.p, w.ld, v.p, v.ld, w.rows,
                                            w.cols, SSTE_FLOAT32),
                   SSTE_OK);
  assert_same_double(mse, slow_sum(fv, fv, n) / norm2);
  assert_int_equal(
      sste_tensor_change(&change, w.p, w.ld, v.p, v.ld, w.rows, w.cols),
      SSTE_OK);
  magnitudes(fv, n);
  assert_same_double(change, slow_sum(fv, NULL, n));
  free(fg);
  free(fw);
  free(fv);
}

/* The last rows of many weigh most, so that the unfinished end of the tree is
 * not lost in the roundings of the rest. */
static void matrix_heavy_end(matrix w, uint64_t *state) {
  size_t r, k;
  matrix_normal(w, state);
  for (r = w.rows - w.rows / 32; r < w.rows; ++r)
    for (k = 0; k < w.cols; ++k) ((float *)w.p)[at(w, r, k)] *= 4096;
}

static void sums_shape(size_t rows, size_t cols, size_t pad, uint64_t *state) {
  matrix g = matrix_new(SSTE_FLOAT32, SSTE_ALONG_ROWS, rows, cols, pad);
  matrix w = matrix_new(SSTE_FLOAT32, SSTE_ALONG_ROWS, rows, cols, 2 * pad);
  matrix v = matrix_new(SSTE_FLOAT32, SSTE_ALONG_ROWS, rows, cols, 3 * pad);
  matrix_normal(g, state);
  matrix_heavy_end(w, state);
  matrix_heavy_end(v, state);
  sums_case(g, w, v);
  free(g.p);
  free(w.p);
  free(v.p);
}

/* One block and less, blocks that end within a row, a tree with an odd end, and
 * 65 and 131 blocks, where the last of the chunks that are summed first has one
 * block of two and three of four. */
static void test_sums_in_order(void **unused) {
  static const size_t shapes[][3] = {
      {1, 1, 0},     {1, 31, 0},    {3, 11, 1},    {1, 33, 0},   {1, 4095, 0},
      {4096, 1, 1},  {1, 4097, 0},  {7, 1171, 2},  {3, 4096, 0}, {5, 4099, 1},
      {11, 4096, 0}, {65, 4096, 0}, {131, 4095, 1}};
  uint64_t state = test_seed() + 6;
  size_t i;
  (void)unused;
  for (i = 0; i < sizeof shapes / sizeof shapes[0]; ++i)
    sums_shape(shapes[i][0], shapes[i][1], shapes[i][2], &state);
}

static void test_sums_by_hand(void **unused) {
  static const float w[4] = {4, -3, 2, -1}, projected[4] = {4, -2, 0, 0};
  static const float g[2] = {1, 2}, from[2] = {3, 4};
  static const float down[2] = {2, 5}, moved[2] = {2, 6};
  double x = 0;
  (void)unused;
  assert_int_equal(
      sste_tensor_relative_mse(&x, w, 4, projected, 4, 1, 4, SSTE_FLOAT32),
      SSTE_OK);
  assert_same_double(x, 0.2);
  assert_int_equal(sste_tensor_norm2(&x, w, 4, 1, 4), SSTE_OK);
  assert_same_double(x, 30);
  assert_int_equal(sste_tensor_change(&x, from, 2, moved, 2, 1, 2), SSTE_OK);
  assert_same_double(x, 3);
  assert_int_equal(sste_tensor_descent(&x, g, 2, from, 2, down, 2, 1, 2),
                   SSTE_OK);
  assert_same_double(x, -1);
}

/* Differences are rounded to float: 1 - 2^-25 is midway, and becomes 1. */
static void test_differences_round(void **unused) {
  const float one = 1, tiny = 0x1p-25f;
  double x = 0;
  (void)unused;
  assert_int_equal(
      sste_tensor_relative_mse(&x, &one, 1, &tiny, 1, 1, 1, SSTE_FLOAT32),
      SSTE_OK);
  assert_same_double(x, 1);
  assert_int_equal(sste_tensor_change(&x, &one, 1, &tiny, 1, 1, 1), SSTE_OK);
  assert_same_double(x, 1);
  assert_int_equal(sste_tensor_descent(&x, &one, 1, &one, 1, &tiny, 1, 1, 1),
                   SSTE_OK);
  assert_same_double(x, 1);
}

/* Norms and predictions pass on what IEEE arithmetic makes of specials; a
 * ratio that is not finite is an error, and none without a norm. */
static void test_sums_specials(void **unused) {
  const float inf = test_float(0x7F800000u), nan = slow_nan();
  const float w[2] = {-inf, 1}, v[2] = {1, 1}, u[2] = {nan, 1};
  const float zeros[2] = {0, -0.0f};
  double x = -7;
  (void)unused;
  assert_int_equal(
      sste_tensor_relative_mse(&x, zeros, 2, v, 2, 1, 2, SSTE_FLOAT32),
      SSTE_ERR_ZERO);
  assert_int_equal(sste_tensor_relative_mse(&x, w, 2, v, 2, 1, 2, SSTE_FLOAT32),
                   SSTE_ERR_NONFINITE);
  assert_int_equal(sste_tensor_relative_mse(&x, v, 2, w, 2, 1, 2, SSTE_FLOAT32),
                   SSTE_ERR_NONFINITE);
  assert_int_equal(sste_tensor_relative_mse(&x, v, 2, u, 2, 1, 2, SSTE_FLOAT32),
                   SSTE_ERR_NONFINITE);
  assert_same_double(x, -7);
  assert_int_equal(sste_tensor_norm2(&x, w, 2, 1, 2), SSTE_OK);
  assert_same_double(x, HUGE_VAL);
  assert_int_equal(sste_tensor_norm2(&x, u, 2, 1, 2), SSTE_OK);
  assert_true(x != x);
  assert_int_equal(sste_tensor_change(&x, w, 2, v, 2, 1, 2), SSTE_OK);
  assert_same_double(x, HUGE_VAL);
  assert_int_equal(sste_tensor_change(&x, w, 2, w, 2, 1, 2), SSTE_OK);
  assert_true(x != x);
  assert_int_equal(sste_tensor_descent(&x, v, 2, w, 2, v, 2, 1, 2), SSTE_OK);
  assert_same_double(x, -HUGE_VAL);
}

/* Both relative errors of a 16-bit matrix: its elements are widened first. */
static void test_relative_mse_types(void **unused) {
  uint64_t state = test_seed() + 7;
  int type;
  (void)unused;
  for (type = 0; type < 3; ++type) {
    matrix w = matrix_new((sste_type)type, SSTE_ALONG_ROWS, 3, 2741, 1);
    matrix v = matrix_new((sste_type)type, SSTE_ALONG_ROWS, 3, 2741, 4);
    const size_t n = w.runs * w.length;
    float *fw, *fv;
    double mse = -1;
    matrix_normal(w, &state);
    matrix_normal(v, &state);
    fw = flatten(w);
    fv = flatten(v);
    differences(fv, fw, fv, n);
    assert_int_equal(sste_tensor_relative_mse(&mse, w.p, w.ld, v.p, v.ld,
                                              w.rows, w.cols, w.type),
                     SSTE_OK);
    assert_same_double(mse, slow_sum(fv, fv, n) / slow_sum(fw, fw, n));
    free(w.p);
    free(v.p);
    free(fw);
    free(fv);
  }
}

/* beta by its definition, sums over the runs in order. */
static float slow_beta_nm(matrix w, int n, int m, float gamma,
                          sste_beta_rule rule) {
  const size_t count = w.runs * w.length;
  float *fw = flatten(w), *s = flatten(w);
  double top, bottom;
  size_t e;
  for (e = 0; e < count; e += (size_t)m)
    slow_project_nm(s + e, fw + e, n, m, gamma);
  if (rule == SSTE_BETA_EQUAL_L1) {
    magnitudes(fw, count);
    magnitudes(s, count);
    top = slow_sum(fw, NULL, count);
    bottom = slow_sum(s, NULL, count);
  } else {
    top = slow_sum(fw, s, count);
    bottom = slow_sum(s, s, count);
  }
  free(fw);
  free(s);
  return rule == SSTE_BETA_ONE ? 1.0f : (float)(top / bottom);
}

static float beta_of(matrix w, int n, int m, float gamma, sste_beta_rule rule) {
  float beta = -1;
  assert_int_equal(sste_tensor_beta_nm(&beta, w.p, w.ld, w.rows, w.cols,
                                       pattern(n, m, w), gamma, rule),
                   SSTE_OK);
  return beta;
}

static void assert_beta(matrix w, int n, int m, float gamma) {
  matrix turned = transposed(w);
  int rule;
  for (rule = 0; rule < 3; ++rule) {
    const sste_beta_rule which = (sste_beta_rule)rule;
    const float want = slow_beta_nm(w, n, m, gamma, which);
    assert_same_float(beta_of(w, n, m, gamma, which), want);
    assert_same_float(beta_of(turned, n, m, gamma, which), want);
  }
  free(turned.p);
}

/* Sizes around one and two blocks of 4096 elements, and blocks that end inside
 * a group of 3, 7 or 31. */
static void beta_shapes(int n, int m, sste_type type, sste_axis axis,
                        uint64_t *state) {
  static const size_t around[4] = {1, 4095, 4097, 8200};
  size_t i;
  for (i = 0; i < 4; ++i) {
    const size_t runs = 1 + 2 * (i % 2);
    const size_t groups = around[i] / runs / (size_t)m + 1;
    matrix w = matrix_new(type, axis, runs, groups * (size_t)m, i);
    matrix_normal(w, state);
    assert_beta(w, n, m, i % 2 == 0 ? 0.0f : 0.5f);
    free(w.p);
  }
}

static void test_beta_shapes(void **unused) {
  static const int uneven[5][2] = {{2, 4}, {1, 3}, {3, 7}, {15, 31}, {4, 32}};
  uint64_t state = test_seed() + 8;
  int i, type, axis;
  (void)unused;
  for (i = 0; i < 5; ++i)
    for (type = 0; type < 3; ++type)
      for (axis = 0; axis < 2; ++axis)
        beta_shapes(uneven[i][0], uneven[i][1], (sste_type)type,
                    (sste_axis)axis, &state);
}

/* A group of 1:M that projects to zero: its two largest are equal. */
static void set_level(matrix w, size_t group, int m, float x, float rest) {
  const size_t first = group * (size_t)m;
  int i;
  for (i = 0; i < m; ++i) {
    const size_t e = first + (size_t)i;
    set(w, e / w.length, e % w.length, test_bits(i < 2 ? x : i < 3 ? rest : 0));
  }
}

/* ||W||_1 = 2^25 + 2 but for a few numbers below 2^-30, ||S||_1 = 1. The
 * quotient is midway between two floats, so the last rounding of the sum
 * decides, and with it the order of all that went before. */
static void matrix_on_edge(matrix w, int m, uint64_t *state) {
  const size_t groups = w.runs * w.length / (size_t)m;
  const size_t first = (size_t)(test_random(state) % (groups - 1));
  size_t g;
  int i;
  for (g = 0; g < groups; ++g) set_level(w, g, m, 0, 0);
  for (i = 0; i < 6; ++i)
    set_level(w, (size_t)(test_random(state) % groups), m,
              (float)ldexp(test_uniform(state), -30), 0);
  set_level(w, first, m, 0x1p24f, 1);
  set_level(w, first + 1, m, 0, 0);
  set(w, (first + 1) * (size_t)m / w.length, (first + 1) * (size_t)m % w.length,
      test_bits(1));
}

static void test_beta_order(void **unused) {
  static const int ms[3] = {3, 7, 31};
  const int tries = test_level() == 2 ? 2000 : 60;
  uint64_t state = test_seed() + 9;
  int i, k, up = 0;
  (void)unused;
  for (i = 0; i < 3; ++i)
    for (k = 0; k < tries; ++k) {
      matrix w = matrix_new(SSTE_FLOAT32, (sste_axis)(k % 2), 5,
                            (size_t)(ms[i] * (3000 / ms[i])), 0);
      float beta;
      matrix_on_edge(w, ms[i], &state);
      beta = beta_of(w, 1, ms[i], 0.0f, SSTE_BETA_EQUAL_L1);
      assert_same_float(beta,
                        slow_beta_nm(w, 1, ms[i], 0.0f, SSTE_BETA_EQUAL_L1));
      assert_true(beta == 0x1p25f || beta == 0x1p25f + 4);
      up += beta > 0x1p25f;
      free(w.p);
    }
  assert_in_range(up, tries / 3, tries * 8 / 3); /* else it shows nothing */
}

static void test_beta_by_hand(void **unused) {
  static const float w[4] = {4, -3, 2, -1};
  static const float want[3] = {2.2f, (float)(10.0 / 3), 1};
  float beta = 0;
  int rule;
  (void)unused;
  for (rule = 0; rule < 3; ++rule) {
    assert_int_equal(sste_tensor_beta_nm(&beta, w, 4, 1, 4, sste_nm_of(2, 4),
                                         0.0f, (sste_beta_rule)rule),
                     SSTE_OK);
    assert_same_float(beta, want[rule]);
  }
}

/* The scale of no projection, of one with specials, and one beyond a float. */
static void test_beta_refused(void **unused) {
  static const float equal[8] = {2, -2, 2, 1, 0, -0.0f, 0, 0};
  static const uint32_t bad[3] = {0x7F800000, 0xFF800000, 0xFFC00001};
  float beta = -7, one = -7;
  int rule, i;
  (void)unused;
  for (rule = 0; rule < 2; ++rule) {
    const sste_beta_rule r = (sste_beta_rule)rule;
    const sste_nm nm = sste_nm_of(2, 4);
    assert_int_equal(sste_tensor_beta_nm(&beta, equal, 8, 1, 8, nm, 0.0f, r),
                     SSTE_ERR_ZERO);
    assert_int_equal(sste_tensor_beta_nm(&beta, NULL, 0, 0, 4, nm, 0.0f, r),
                     SSTE_ERR_ZERO);
    assert_int_equal(sste_tensor_beta_nm(&beta, NULL, 0, 4, 0, nm, 0.0f, r),
                     SSTE_ERR_ZERO);
    for (i = 0; i < 3; ++i) {
      float w[8] = {1, 2, 3, 4, 4, 3, 2, 1};
      w[5] = test_float(bad[i]);
      assert_int_equal(sste_tensor_beta_nm(&beta, w, 8, 1, 8, nm, 0.0f, r),
                       SSTE_ERR_NONFINITE);
      assert_int_equal(
          sste_tensor_beta_nm(&one, w, 8, 1, 8, nm, 0.0f, SSTE_BETA_ONE),
          SSTE_OK);
    }
  }
  assert_same_float(one, 1);
  assert_same_float(beta, -7);
  assert_int_equal(sste_tensor_beta_nm(&beta, equal, 8, 1, 8, sste_nm_of(2, 4),
                                       0.0f, SSTE_BETA_ONE),
                   SSTE_OK);
  assert_same_float(beta, 1);
}

/* ||W||_1 / ||S||_1 = 2^127 (2 - 2^-23) 2 / 2^-149: more than a float holds. */
static void test_beta_overflows(void **unused) {
  static const float w[4] = {FLT_MAX, FLT_MAX, 0x1p-149f, 0};
  float beta = -7;
  (void)unused;
  assert_int_equal(sste_tensor_beta_nm(&beta, w, 4, 1, 4, sste_nm_of(1, 2),
                                       0.0f, SSTE_BETA_EQUAL_L1),
                   SSTE_ERR_NONFINITE);
  assert_same_float(beta, -7);
  assert_int_equal(sste_tensor_beta_nm(&beta, w, 4, 1, 4, sste_nm_of(1, 2),
                                       0.0f, SSTE_BETA_MIN_MSE),
                   SSTE_OK);
  assert_same_float(beta, 1);
}

static double mse_of(matrix w, int n, int m, float gamma, float scale) {
  matrix s = matrix_like(w);
  double mse = -1;
  project_matrix(s, w, n, m, gamma, scale, NULL);
  assert_int_equal(sste_tensor_relative_mse(&mse, w.p, w.ld, s.p, s.ld, w.rows,
                                            w.cols, w.type),
                   SSTE_OK);
  free(s.p);
  return mse;
}

static double l1_of(matrix w) {
  matrix zero = matrix_like(w);
  double l1 = -1;
  memset(zero.p, 0, zero.bytes);
  assert_int_equal(
      sste_tensor_change(&l1, w.p, w.ld, zero.p, zero.ld, w.rows, w.cols),
      SSTE_OK);
  free(zero.p);
  return l1;
}

/* What the scales are for: no other has a smaller error, and the norm is kept
 * (but for the roundings of a float each). */
static void test_scales_do_what_they_say(void **unused) {
  uint64_t state = test_seed() + 10;
  int p;
  (void)unused;
  for (p = 0; p < PATTERNS; ++p) {
    const int n = patterns[p][0], m = patterns[p][1];
    const float gamma = p % 2 == 0 || n == 1 ? 0.0f : 0.75f;
    matrix w = matrix_new(SSTE_FLOAT32, SSTE_ALONG_ROWS, 4, 64 * (size_t)m, 0);
    matrix s = matrix_like(w);
    float beta;
    double best;
    matrix_normal(w, &state);
    beta = beta_of(w, n, m, gamma, SSTE_BETA_MIN_MSE);
    best = mse_of(w, n, m, gamma, beta);
    assert_true(best < mse_of(w, n, m, gamma, beta * 1.001f));
    assert_true(best < mse_of(w, n, m, gamma, beta * 0.999f));
    beta = beta_of(w, n, m, gamma, SSTE_BETA_EQUAL_L1);
    project_matrix(s, w, n, m, gamma, beta, NULL);
    assert_near(l1_of(s) / l1_of(w), 1.0, 0x1p-22);
    free(w.p);
    free(s.p);
  }
}

/* A ratio of sums over the groups of 2:4, p / q, whose limit is known: by which
 * scale it is, or ||w - scale s||^2 / ||w||^2. Its error is that of the mean of
 * p - limit q, which is 0 on average, over the mean of q. Six standard errors
 * of it: a chance of 2e-9 that a right ratio lies outside. */
typedef enum ratio { MIN_MSE, EQUAL_L1, MSE } ratio;

static double six_errors(matrix w, ratio which, double limit, double scale) {
  const float *all = (const float *)w.p;
  double squares = 0, total = 0;
  size_t e;
  int i;
  for (e = 0; e < w.rows * w.cols; e += 4) {
    double p = 0, q = 0;
    float s[4];
    slow_project(s, all + e);
    for (i = 0; i < 4; ++i) {
      const double x = (double)all[e + (size_t)i], y = (double)s[i];
      p += which == MIN_MSE    ? x * y
           : which == EQUAL_L1 ? fabs(x)
                               : (x - scale * y) * (x - scale * y);
      q += which == MIN_MSE ? y * y : which == EQUAL_L1 ? fabs(y) : x * x;
    }
    squares += (p - limit * q) * (p - limit * q);
    total += q;
  }
  return 6 * sqrt(squares) / total;
}

static void assert_limits(matrix w, double min_mse, double equal_l1,
                          double error, double error_unscaled) {
  const float beta = beta_of(w, 2, 4, 0.0f, SSTE_BETA_MIN_MSE);
  assert_near((double)beta, min_mse, six_errors(w, MIN_MSE, min_mse, 0));
  assert_near((double)beta_of(w, 2, 4, 0.0f, SSTE_BETA_EQUAL_L1), equal_l1,
              six_errors(w, EQUAL_L1, equal_l1, 0));
  assert_near(mse_of(w, 2, 4, 0.0f, beta), error,
              six_errors(w, MSE, error, min_mse));
  assert_near(mse_of(w, 2, 4, 0.0f, 1.0f), error_unscaled,
              six_errors(w, MSE, error_unscaled, 1));
}

/* What scales and errors of large tensors tend to, Gaussian and uniform. */
static void test_scales_of_distributions(void **unused) {
  uint64_t state = test_seed() + 11;
  matrix w = matrix_new(SSTE_FLOAT32, SSTE_ALONG_ROWS, 256, 4096, 0);
  size_t e;
  (void)unused;
  matrix_normal(w, &state);
  assert_limits(w, 1.483718540, 2.514286809, 0.258141, 0.336991);
  for (e = 0; e < 256 * 4096; ++e)
    ((float *)w.p)[e] = (float)(2 * test_uniform(&state) - 1);
  assert_limits(w, 7.0 / 4, 10.0 / 3, 0.3875, 0.5);
  free(w.p);
}

/* ---- 6. The compressed form ---------------------------------------------- */

static const sste_type types[5] = {SSTE_FLOAT32, SSTE_FLOAT16, SSTE_BFLOAT16,
                                   SSTE_FP8, SSTE_INT8};

/* The zeros of a type, by its definition. */
static int is_zero(sste_type type, uint32_t bits) {
  if (type <= SSTE_BFLOAT16) return slow_widen(format_of(type), bits) == 0.0f;
  return bits == 0 || (type == SSTE_FP8 && bits == 0x80);
}

/* What is kept of an element: a zero as +0, a NaN as the one, a code as is. */
static uint32_t stored(sste_type type, uint32_t bits) {
  if (is_zero(type, bits)) return 0;
  if (type <= SSTE_BFLOAT16) {
    const float x = slow_widen(format_of(type), bits);
    if (x != x) return slow_nan_code(format_of(type));
  }
  return bits;
}

/* An element that is not zero; NaNs, infinities, subnormals among them. */
static uint32_t random_nonzero(sste_type type, uint64_t *state) {
  const uint32_t all = 0xFFFFFFFFu >> (32 - 8 * size_of(type));
  for (;;) {
    const uint64_t r = test_random(state);
    uint32_t bits = (uint32_t)r & all;
    if (type <= SSTE_BFLOAT16)
      bits = random_code(
          format_of(type), r >> 32 & 3,
          (int)slow_one(format_of(type)) >> format_of(type).mantissa, 3, state);
    if (!is_zero(type, bits)) return bits;
  }
}

/* At most n non-zeros per group of m, zeros of both signs around them. */
static void matrix_sparse(matrix w, int n, int m, uint64_t *state) {
  const uint32_t minus =
      (w.type == SSTE_INT8) ? 0 : (uint32_t)1 << (8 * size_of(w.type) - 1);
  size_t r, k;
  int i;
  for (r = 0; r < w.runs; ++r)
    for (k = 0; k < w.length; k += (size_t)m) {
      for (i = 0; i < m; ++i)
        set(w, r, k + (size_t)i, test_random(state) & 64 ? minus : 0);
      for (i = 0; i < n; ++i)
        if (test_random(state) % 4 != 0)
          set(w, r, k + (size_t)(test_random(state) % (uint64_t)m),
              random_nonzero(w.type, state));
    }
}

static sste_status check_matrix(matrix w, int n, int m, size_t *run,
                                size_t *group) {
  return sste_tensor_check_nm(w.p, w.ld, w.rows, w.cols, pattern(n, m, w), run,
                              group);
}

/* Makes a group have n + 1 non-zeros, its last n + 1. */
static void overfill(matrix w, size_t run, size_t group, int n, int m,
                     uint64_t *state) {
  int i;
  for (i = m - n - 1; i < m; ++i)
    set(w, run, group * (size_t)m + (size_t)i, random_nonzero(w.type, state));
}

/* The examples of sste_tensor_mask_nm and sste_tensor_check_nm. */
static void test_patterns_by_hand(void **unused) {
  static const float w[4] = {4, -3, 2, -1}, two[4] = {1, 0, 2, 0};
  static const uint8_t one_of[4] = {1, 0, 0, 0}, three_of[4] = {1, 1, 1, 0};
  uint8_t mask[4];
  size_t run = 7, group = 7;
  (void)unused;
  assert_int_equal(sste_tensor_mask_nm(mask, 4, w, 4, 1, 4, sste_nm_of(1, 4),
                                       SSTE_TIE_LOWER),
                   SSTE_OK);
  assert_memory_equal(mask, one_of, 4);
  assert_int_equal(sste_tensor_mask_nm(mask, 4, w, 4, 1, 4, sste_nm_of(3, 4),
                                       SSTE_TIE_LOWER),
                   SSTE_OK);
  assert_memory_equal(mask, three_of, 4);
  assert_int_equal(
      sste_tensor_check_nm(two, 4, 1, 4, sste_nm_of(1, 4), &run, &group),
      SSTE_ERR_PATTERN);
  assert_int_equal(run, 0);
  assert_int_equal(group, 0);
}

/* The first group that is too full is named, run by run, whichever it is. */
static void test_check_finds_the_first(void **unused) {
  uint64_t state = test_seed() + 12;
  int p, t, axis;
  (void)unused;
  for (p = 0; p < PATTERNS; ++p)
    for (t = 0; t < 5; ++t)
      for (axis = 0; axis < 2; ++axis) {
        const int n = patterns[p][0], m = patterns[p][1];
        matrix w =
            matrix_new(types[t], (sste_axis)axis, 5, 3 * (size_t)m, (size_t)p);
        size_t run = 77, group = 77;
        matrix_sparse(w, n, m, &state);
        assert_int_equal(check_matrix(w, n, m, &run, &group), SSTE_OK);
        assert_true(run == 77 && group == 77);
        overfill(w, 4, 0, n, m, &state);
        overfill(w, 4, 2, n, m, &state);
        assert_int_equal(check_matrix(w, n, m, &run, &group), SSTE_ERR_PATTERN);
        assert_true(run == 4 && group == 0);
        overfill(w, 1, 2, n, m, &state);
        assert_int_equal(check_matrix(w, n, m, &run, &group), SSTE_ERR_PATTERN);
        assert_true(run == 1 && group == 2);
        assert_int_equal(check_matrix(w, n, m, NULL, NULL), SSTE_ERR_PATTERN);
        free(w.p);
      }
}

/* Which codes are zeros: each of a type's beside a one, in a 1:2 group. */
static void test_check_zeros(void **unused) {
  int t;
  (void)unused;
  for (t = 1; t < 5; ++t) {
    const uint32_t codes = size_of(types[t]) == 2 ? 65536 : 256;
    matrix w = matrix_new(types[t], SSTE_ALONG_ROWS, 1, 2, 0);
    uint32_t code;
    set(w, 0, 0, 1);
    for (code = 0; code < codes; ++code) {
      set(w, 0, 1, code);
      assert_int_equal(check_matrix(w, 1, 2, NULL, NULL),
                       is_zero(types[t], code) ? SSTE_OK : SSTE_ERR_PATTERN);
    }
    free(w.p);
  }
}

/* A compressed matrix: its values, a row per run, and its nibbles. */
typedef struct packed {
  matrix values, meta;
} packed;

static packed packed_new(sste_type type, size_t runs, size_t length,
                         size_t pad) {
  packed c;
  c.values = matrix_new(type, SSTE_ALONG_ROWS, runs, length / 2, pad);
  c.meta =
      matrix_new(SSTE_INT8, SSTE_ALONG_ROWS, runs, (length + 7) / 8, 2 * pad);
  return c;
}

static void packed_free(packed c) {
  free(c.values.p);
  free(c.meta.p);
}

static void set_nibble(packed c, size_t run, size_t group, int nibble) {
  const uint32_t byte = group % 2 == 0 ? 0 : get(c.meta, run, group / 2) % 16;
  set(c.meta, run, group / 2,
      group % 2 == 0 ? (uint32_t)nibble : byte + 16 * (uint32_t)nibble);
}

/* The reference for floats finds the places; the bits go there as stored. */
static void slow_pack(packed out, matrix w) {
  size_t r, k;
  for (r = 0; r < w.runs; ++r)
    for (k = 0; k < w.length; k += 4) {
      float there[4], ignored[2];
      const struct slow_pair *pair;
      size_t i;
      for (i = 0; i < 4; ++i)
        there[i] = is_zero(w.type, get(w, r, k + i)) ? 0.0f : 1.0f;
      pair = &slow_pairs[slow_pair_of(slow_compress(ignored, there))];
      set(out.values, r, k / 2,
          stored(w.type, get(w, r, k + (size_t)pair->first)));
      set(out.values, r, k / 2 + 1,
          stored(w.type, get(w, r, k + (size_t)pair->second)));
      set_nibble(out, r, k / 4, pair->nibble);
    }
}

static sste_status pack(packed c, matrix w) {
  return sste_tensor_compress_as(c.values.p, c.values.ld, (uint8_t *)c.meta.p,
                                 c.meta.ld, w.p, w.ld, w.rows, w.cols, w.type,
                                 w.axis);
}

static sste_status unpack(matrix w, packed c) {
  return sste_tensor_decompress_as(w.p, w.ld, c.values.p, c.values.ld,
                                   (const uint8_t *)c.meta.p, c.meta.ld, w.rows,
                                   w.cols, w.type, w.axis);
}

static void assert_same_packed(packed got, packed want) {
  assert_same_matrix(got.values, want.values);
  assert_same_matrix(got.meta, want.meta);
}

/* There, as the reference has it; from the transpose, the same; and back. */
static void round_trip(sste_type type, sste_axis axis, size_t runs,
                       size_t length, size_t pad, uint64_t *state) {
  matrix w = matrix_new(type, axis, runs, length, pad), turned;
  matrix back = matrix_new(type, axis, runs, length, 2 * pad);
  matrix want_back = matrix_like(back);
  packed got = packed_new(type, runs, length, pad);
  packed want = packed_new(type, runs, length, pad);
  size_t r, k;
  matrix_sparse(w, 2, 4, state);
  slow_pack(want, w);
  assert_int_equal(pack(got, w), SSTE_OK);
  assert_same_packed(got, want);
  assert_int_equal(unpack(back, got), SSTE_OK);
  for (r = 0; r < runs; ++r)
    for (k = 0; k < length; ++k)
      set(want_back, r, k, stored(type, get(w, r, k)));
  assert_same_matrix(back, want_back);
  turned = transposed(w);
  test_poison(got.values.p, got.values.bytes);
  test_poison(got.meta.p, got.meta.bytes);
  assert_int_equal(pack(got, turned), SSTE_OK);
  assert_same_packed(got, want);
  packed_free(got);
  packed_free(want);
  free(w.p);
  free(turned.p);
  free(back.p);
  free(want_back.p);
}

static void test_compress_round_trip(void **unused) {
  static const size_t lengths[6] = {4, 8, 12, 16, 100, 260};
  uint64_t state = test_seed() + 13;
  int t, axis;
  size_t i;
  (void)unused;
  for (t = 0; t < 5; ++t)
    for (axis = 0; axis < 2; ++axis)
      for (i = 0; i < 6; ++i) {
        round_trip(types[t], (sste_axis)axis, 1, lengths[i], 0, &state);
        round_trip(types[t], (sste_axis)axis, 13, lengths[i], 3, &state);
      }
}

/* Of floats, the compressed form is that of each group. */
static void test_compress_is_that_of_groups(void **unused) {
  uint64_t state = test_seed() + 14;
  matrix w = matrix_new(SSTE_FLOAT32, SSTE_ALONG_ROWS, 50, 68, 1);
  packed got = packed_new(SSTE_FLOAT32, 50, 68, 0);
  packed want = packed_new(SSTE_FLOAT32, 50, 68, 0);
  size_t r, g, i;
  (void)unused;
  matrix_sparse(w, 2, 4, &state);
  for (r = 0; r < 50; ++r)
    for (g = 0; g < 17; ++g) {
      float a[4];
      for (i = 0; i < 4; ++i) a[i] = test_float(get(w, r, 4 * g + i));
      set_nibble(want, r, g,
                 sste_group_compress(
                     (float *)want.values.p + at(want.values, r, 2 * g), a));
    }
  assert_int_equal(pack(got, w), SSTE_OK);
  assert_same_packed(got, want);
  packed_free(got);
  packed_free(want);
  free(w.p);
}

static void test_compress_by_hand(void **unused) {
  static const uint8_t w[4] = {0x00, 0x3A, 0x00, 0x80};
  static const uint8_t dense[4] = {0x00, 0x3A, 0x00, 0x00};
  uint8_t values[2] = {0xCA, 0xCA}, meta = 0xCA, out[4];
  (void)unused;
  assert_int_equal(sste_tensor_compress_as(values, 2, &meta, 1, w, 4, 1, 4,
                                           SSTE_FP8, SSTE_ALONG_ROWS),
                   SSTE_OK);
  assert_int_equal(values[0], 0x00);
  assert_int_equal(values[1], 0x3A);
  assert_int_equal(meta, 0x4);
  assert_int_equal(sste_tensor_decompress_as(out, 4, values, 2, &meta, 1, 1, 4,
                                             SSTE_FP8, SSTE_ALONG_ROWS),
                   SSTE_OK);
  assert_memory_equal(out, dense, 4);
  /* Where 0x80 is -128 or a NaN, it is a non-zero and stays. */
  assert_int_equal(sste_tensor_compress_as(values, 2, &meta, 1, w, 1, 4, 1,
                                           SSTE_INT8, SSTE_DOWN_COLUMNS),
                   SSTE_OK);
  assert_int_equal(values[0], 0x3A);
  assert_int_equal(values[1], 0x80);
  assert_int_equal(meta, 0xD);
}

/* A group of three or four non-zeros is refused, before anything is written. */
static void test_compress_refuses_dense(void **unused) {
  uint64_t state = test_seed() + 15;
  int t, axis;
  (void)unused;
  for (t = 0; t < 5; ++t)
    for (axis = 0; axis < 2; ++axis) {
      matrix w = matrix_new(types[t], (sste_axis)axis, 3, 12, 1);
      packed got = packed_new(types[t], 3, 12, 0);
      packed untouched = packed_new(types[t], 3, 12, 0);
      matrix_sparse(w, 2, 4, &state);
      overfill(w, 2, 2, 2, 4, &state);
      assert_int_equal(pack(got, w), SSTE_ERR_PATTERN);
      assert_same_packed(got, untouched);
      packed_free(got);
      packed_free(untouched);
      free(w.p);
    }
}

/* Any values and legal nibbles: a zero comes out as +0, a NaN as the one, and
 * the unused half of a last byte is nobody's business. */
static void test_decompress_canonical(void **unused) {
  uint64_t state = test_seed() + 16;
  int t, axis;
  (void)unused;
  for (t = 0; t < 5; ++t)
    for (axis = 0; axis < 2; ++axis) {
      packed c = packed_new(types[t], 40, 12, 1);
      matrix got = matrix_new(types[t], (sste_axis)axis, 40, 12, 2);
      matrix want = matrix_like(got);
      size_t r, g, i;
      matrix_sparse(c.values, 1, 2, &state);
      for (r = 0; r < 40; ++r)
        for (g = 0; g < 3; ++g) {
          const struct slow_pair *pair = &slow_pairs[test_random(&state) % 6];
          set_nibble(c, r, g, pair->nibble + (g == 2 ? 0xB0 : 0));
          for (i = 0; i < 4; ++i) set(want, r, 4 * g + i, 0);
          set(want, r, 4 * g + (size_t)pair->first,
              stored(types[t], get(c.values, r, 2 * g)));
          set(want, r, 4 * g + (size_t)pair->second,
              stored(types[t], get(c.values, r, 2 * g + 1)));
        }
      assert_int_equal(unpack(got, c), SSTE_OK);
      assert_same_matrix(got, want);
      packed_free(c);
      free(got.p);
      free(want.p);
    }
}

/* Six nibbles are legal, wherever they stand; for the rest nothing is written.
 */
static void test_decompress_refuses_nibbles(void **unused) {
  int t, axis, nibble;
  size_t where;
  (void)unused;
  for (t = 0; t < 5; ++t)
    for (axis = 0; axis < 2; ++axis)
      for (nibble = 0; nibble < 16; ++nibble)
        for (where = 0; where < 6; ++where) {
          packed c = packed_new(types[t], 2, 12, 0);
          matrix got = matrix_new(types[t], (sste_axis)axis, 2, 12, 0);
          matrix untouched = matrix_like(got);
          size_t i;
          for (i = 0; i < 6; ++i)
            set_nibble(c, i / 3, i % 3, i == where ? nibble : 0x9);
          if (slow_pair_of(nibble) >= 0) {
            assert_int_equal(unpack(got, c), SSTE_OK);
          } else {
            assert_int_equal(unpack(got, c), SSTE_ERR_PATTERN);
            assert_same_matrix(got, untouched);
          }
          packed_free(c);
          free(got.p);
          free(untouched.p);
        }
}

/* ---- 7. Threads ---------------------------------------------------------- */

/* Every case compares with a reference that knows no threads. Down to one at
 * the end, for all other tests. */
static void test_threads_same_bits(void **unused) {
  static const int threads[4] = {1, 2, 3, 64};
  int i, axis, type;
  (void)unused;
  for (i = 3; i >= 0; --i) {
    uint64_t state = test_seed() + 17;
    test_threads(threads[i]);
    sums_shape(131, 4095, 1, &state);
    for (axis = 0; axis < 2; ++axis)
      for (type = 0; type < 3; ++type) {
        matrix w = matrix_new((sste_type)type, (sste_axis)axis, 37, 70 * 7, 1);
        matrix_normal(w, &state);
        assert_beta(w, 3, 7, 0.5f);
        matrix_random(w, 7, &state);
        mask_case(w, 3, 7);
        project_case(w, 3, 7, 0.5f, 1.5f);
        free(w.p);
        round_trip((sste_type)type, (sste_axis)axis, 37, 140, 1, &state);
      }
  }
}

/* ---- 8. Refusals and empty matrices -------------------------------------- */

/* Every argument of the calls below lies in this arena, which a refused call
 * must leave as it is: outputs are poison, inputs are sound. */
enum { ARENA = 1024 };
static float arena[ARENA], before[ARENA];

/* 0..255: inputs, 2:4 along rows and columns of 8; 256..511: outputs; then
 * nibbles, and room for masks and more nibbles. */
static float *const in = arena, *const other = arena + 128;
static float *const out = arena + 256;
#define BYTES ((uint8_t *)(arena + 512))
#define BYTES_OUT ((uint8_t *)(arena + 768))

static void arena_reset(void) {
  size_t i;
  test_poison(arena, sizeof arena);
  for (i = 0; i < 256; ++i)
    arena[i] = (i % 4 < 2) == (i / 8 % 4 < 2) ? (float)(i + 1) : 0.0f;
  memset(BYTES, 0x44, 512);
}

#define assert_refused(call, want)                    \
  do {                                                \
    arena_reset();                                    \
    memcpy(before, arena, sizeof arena);              \
    assert_int_equal(call, want);                     \
    assert_memory_equal(arena, before, sizeof arena); \
  } while (0)
#define assert_accepted(call)        \
  do {                               \
    arena_reset();                   \
    assert_int_equal(call, SSTE_OK); \
  } while (0)

/* The longest stride of two rows that a size can hold, and one too long. */
#define LD_MOST(size) ((size_t)PTRDIFF_MAX / (size) / 2)
#define LD_HUGE(size) (LD_MOST(size) + 1)

static sste_nm nm_with(int n, int m, int axis, int type) {
  sste_nm nm = sste_nm_of(n, m);
  nm.axis = (sste_axis)axis;
  nm.type = (sste_type)type;
  return nm;
}

/* Patterns that are refused; the last two, 1-byte types, not in section 6. */
enum { WRONG_NM = 12, WRONG_ANYWHERE = WRONG_NM - 2 };
static sste_nm wrong_nm(int i) {
  static const int wrong[WRONG_NM][4] = {
      {0, 4, 0, 0},  {4, 4, 0, 0},  {-1, 4, 0, 0}, {5, 4, 0, 0},
      {2, 33, 0, 0}, {2, 0, 0, 0},  {2, 4, 2, 0},  {2, 4, -1, 0},
      {2, 4, 0, 5},  {2, 4, 0, -1}, {2, 4, 0, 3},  {2, 4, 0, 4}};
  return nm_with(wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3]);
}

static const uint32_t wrong_gammas[5] = {0x80000001, 0x3F800001, 0xBF800000,
                                         0x7FC00000, 0x7F800000};
static const uint32_t wrong_scales[6] = {0x00000000, 0x80000000, 0xBF800000,
                                         0x7F800000, 0x7FC00000, 0xFF800000};

static void test_project_refused(void **unused) {
  const sste_nm nm = sste_nm_of(2, 4), down = nm_with(3, 8, 1, 0);
  const sste_nm half = nm_with(2, 4, 0, SSTE_FLOAT16);
  int i;
  (void)unused;
#define PROJECT(o, ldo, w, ldw, r, c, nm) \
  sste_tensor_project_nm(o, ldo, w, ldw, r, c, nm, 0.5f, 2.0f, NULL)
  assert_accepted(PROJECT(out, 8, in, 8, 2, 8, nm));
  assert_refused(PROJECT(NULL, 8, in, 8, 2, 8, nm), SSTE_ERR_NULL);
  assert_refused(PROJECT(out, 8, NULL, 8, 2, 8, nm), SSTE_ERR_NULL);
  assert_refused(PROJECT(out, 7, in, 8, 2, 8, nm), SSTE_ERR_SHAPE);
  assert_refused(PROJECT(out, 8, in, 7, 2, 8, nm), SSTE_ERR_SHAPE);
  assert_refused(PROJECT(out, 8, in, 8, 4, 6, nm), SSTE_ERR_SHAPE);
  assert_accepted(PROJECT(out, 8, in, 8, 8, 6, down));
  assert_refused(PROJECT(out, 8, in, 8, 4, 8, down), SSTE_ERR_SHAPE);
  assert_refused(PROJECT(out, LD_HUGE(4), in, 8, 2, 8, nm), SSTE_ERR_SIZE);
  assert_refused(PROJECT(out, 8, in, LD_HUGE(4), 2, 8, nm), SSTE_ERR_SIZE);
  assert_refused(PROJECT(out, 8, in, 8, SIZE_MAX / 32 + 1, 8, nm),
                 SSTE_ERR_SIZE);
  assert_refused(PROJECT(in + 4, 8, in, 8, 2, 8, nm), SSTE_ERR_OVERLAP);
  assert_refused(PROJECT(in, 9, in, 8, 2, 8, nm), SSTE_ERR_OVERLAP);
  assert_refused(PROJECT(in, LD_MOST(4), in, 8, 2, 8, nm), SSTE_ERR_OVERLAP);
  /* One element shared, then none, of floats and of halves. */
  assert_refused(PROJECT(in + 18, 8, in, 11, 2, 8, nm), SSTE_ERR_OVERLAP);
  assert_accepted(PROJECT(in + 19, 8, in, 11, 2, 8, nm));
  assert_refused(PROJECT((uint16_t *)in + 18, 8, in, 11, 2, 8, half),
                 SSTE_ERR_OVERLAP);
  assert_accepted(PROJECT((uint16_t *)in + 19, 8, in, 11, 2, 8, half));
  for (i = 0; i < WRONG_NM; ++i) {
    assert_refused(PROJECT(out, 8, in, 8, 2, 8, wrong_nm(i)), SSTE_ERR_VALUE);
    assert_refused(PROJECT(NULL, 0, NULL, 0, 0, 0, wrong_nm(i)),
                   SSTE_ERR_VALUE);
  }
#undef PROJECT
  for (i = 0; i < 5; ++i)
    assert_refused(
        sste_tensor_project_nm(out, 8, in, 8, 2, 8, nm,
                               test_float(wrong_gammas[i]), 1.0f, NULL),
        SSTE_ERR_VALUE);
  for (i = 0; i < 6; ++i)
    assert_refused(sste_tensor_project_nm(out, 8, in, 8, 2, 8, nm, 0.0f,
                                          test_float(wrong_scales[i]), NULL),
                   SSTE_ERR_VALUE);
}

static void test_mask_refused(void **unused) {
  const sste_nm nm = sste_nm_of(2, 4), down = nm_with(3, 8, 1, 0);
  uint8_t *const shared = (uint8_t *)in;
  int i;
  (void)unused;
#define MASK(m, ldm, w, ldw, r, c, nm) \
  sste_tensor_mask_nm(m, ldm, w, ldw, r, c, nm, SSTE_TIE_LOWER)
  assert_accepted(MASK(BYTES, 8, in, 8, 2, 8, nm));
  assert_refused(MASK(NULL, 8, in, 8, 2, 8, nm), SSTE_ERR_NULL);
  assert_refused(MASK(BYTES, 8, NULL, 8, 2, 8, nm), SSTE_ERR_NULL);
  assert_refused(MASK(BYTES, 7, in, 8, 2, 8, nm), SSTE_ERR_SHAPE);
  assert_refused(MASK(BYTES, 8, in, 7, 2, 8, nm), SSTE_ERR_SHAPE);
  assert_refused(MASK(BYTES, 8, in, 8, 4, 6, nm), SSTE_ERR_SHAPE);
  assert_refused(MASK(BYTES, 8, in, 8, 4, 8, down), SSTE_ERR_SHAPE);
  assert_refused(MASK(BYTES, LD_HUGE(1), in, 8, 2, 8, nm), SSTE_ERR_SIZE);
  assert_refused(MASK(BYTES, 8, in, LD_HUGE(4), 2, 8, nm), SSTE_ERR_SIZE);
  assert_refused(MASK(shared, 8, in, 8, 2, 8, nm), SSTE_ERR_OVERLAP);
  assert_refused(MASK(shared + 63, 8, in, 8, 2, 8, nm), SSTE_ERR_OVERLAP);
  assert_accepted(MASK(shared + 64, 8, in, 8, 2, 8, nm));
  assert_refused(MASK(shared + 17, 8, in + 8, 8, 2, 8, nm), SSTE_ERR_OVERLAP);
  assert_accepted(MASK(shared + 16, 8, in + 8, 8, 2, 8, nm));
  assert_accepted(
      MASK(shared + 32, 8, in, 8, 2, 8, nm_with(2, 4, 0, SSTE_BFLOAT16)));
  for (i = 0; i < WRONG_NM; ++i)
    assert_refused(MASK(BYTES, 8, in, 8, 2, 8, wrong_nm(i)), SSTE_ERR_VALUE);
#undef MASK
  for (i = -1; i < 3; i += 3)
    assert_refused(sste_tensor_mask_nm(BYTES, 8, in, 8, 2, 8, nm, (sste_tie)i),
                   SSTE_ERR_VALUE);
}

static void test_beta_arguments_refused(void **unused) {
  const sste_nm nm = sste_nm_of(2, 4), down = nm_with(3, 8, 1, 0);
  const sste_beta_rule rule = SSTE_BETA_EQUAL_L1;
  int i;
  (void)unused;
#define BETA(b, w, ldw, r, c, nm) \
  sste_tensor_beta_nm(b, w, ldw, r, c, nm, 0.5f, rule)
  assert_accepted(BETA(out, in, 8, 2, 8, nm));
  assert_refused(BETA(NULL, in, 8, 2, 8, nm), SSTE_ERR_NULL);
  assert_refused(BETA(out, NULL, 8, 2, 8, nm), SSTE_ERR_NULL);
  assert_refused(BETA(out, in, 7, 2, 8, nm), SSTE_ERR_SHAPE);
  assert_refused(BETA(out, in, 8, 4, 6, nm), SSTE_ERR_SHAPE);
  assert_refused(BETA(out, in, 8, 4, 8, down), SSTE_ERR_SHAPE);
  assert_refused(BETA(out, in, LD_HUGE(4), 2, 8, nm), SSTE_ERR_SIZE);
  for (i = 0; i < WRONG_NM; ++i)
    assert_refused(BETA(out, in, 8, 2, 8, wrong_nm(i)), SSTE_ERR_VALUE);
#undef BETA
  for (i = 0; i < 5; ++i)
    assert_refused(sste_tensor_beta_nm(out, in, 8, 2, 8, nm,
                                       test_float(wrong_gammas[i]), rule),
                   SSTE_ERR_VALUE);
  for (i = -1; i < 4; i += 4)
    assert_refused(
        sste_tensor_beta_nm(out, in, 8, 2, 8, nm, 0.0f, (sste_beta_rule)i),
        SSTE_ERR_VALUE);
  assert_accepted(
      sste_tensor_beta_nm(out, NULL, 0, 0, 6, nm, 0.0f, SSTE_BETA_ONE));
  assert_same_float(out[0], 1.0f);
}

static void test_sums_refused(void **unused) {
  const size_t huge = LD_HUGE(4);
  double x = -7;
  double *const sum = &x;
  int i;
  (void)unused;
#define MSE(o, w, ldw, v, ldv) \
  sste_tensor_relative_mse(o, w, ldw, v, ldv, 2, 8, SSTE_FLOAT32)
#define NORM2(o, w, ldw) sste_tensor_norm2(o, w, ldw, 2, 8)
#define CHANGE(o, w, ldw, v, ldv) sste_tensor_change(o, w, ldw, v, ldv, 2, 8)
#define DESCENT(o, g, ldg, w, ldw, v, ldv) \
  sste_tensor_descent(o, g, ldg, w, ldw, v, ldv, 2, 8)
  assert_refused(MSE(NULL, in, 8, in, 8), SSTE_ERR_NULL);
  assert_refused(MSE(sum, NULL, 8, in, 8), SSTE_ERR_NULL);
  assert_refused(MSE(sum, in, 8, NULL, 8), SSTE_ERR_NULL);
  assert_refused(MSE(sum, in, 7, in, 8), SSTE_ERR_SHAPE);
  assert_refused(MSE(sum, in, 8, in, 7), SSTE_ERR_SHAPE);
  assert_refused(MSE(sum, in, huge, in, 8), SSTE_ERR_SIZE);
  assert_refused(MSE(sum, in, 8, in, huge), SSTE_ERR_SIZE);
  assert_refused(NORM2(NULL, in, 8), SSTE_ERR_NULL);
  assert_refused(NORM2(sum, NULL, 8), SSTE_ERR_NULL);
  assert_refused(NORM2(sum, in, 7), SSTE_ERR_SHAPE);
  assert_refused(NORM2(sum, in, huge), SSTE_ERR_SIZE);
  assert_refused(CHANGE(NULL, in, 8, in, 8), SSTE_ERR_NULL);
  assert_refused(CHANGE(sum, NULL, 8, in, 8), SSTE_ERR_NULL);
  assert_refused(CHANGE(sum, in, 8, NULL, 8), SSTE_ERR_NULL);
  assert_refused(CHANGE(sum, in, 8, in, 7), SSTE_ERR_SHAPE);
  assert_refused(CHANGE(sum, in, 8, in, huge), SSTE_ERR_SIZE);
  assert_refused(DESCENT(NULL, in, 8, in, 8, in, 8), SSTE_ERR_NULL);
  assert_refused(DESCENT(sum, NULL, 8, in, 8, in, 8), SSTE_ERR_NULL);
  assert_refused(DESCENT(sum, in, 8, NULL, 8, in, 8), SSTE_ERR_NULL);
  assert_refused(DESCENT(sum, in, 8, in, 8, NULL, 8), SSTE_ERR_NULL);
  assert_refused(DESCENT(sum, in, 7, in, 8, in, 8), SSTE_ERR_SHAPE);
  assert_refused(DESCENT(sum, in, huge, in, 8, in, 8), SSTE_ERR_SIZE);
#undef MSE
#undef NORM2
#undef CHANGE
#undef DESCENT
  for (i = -1; i < 8; i += 4) /* -1, FP8 and 7 */
    assert_refused(
        sste_tensor_relative_mse(sum, in, 8, in, 8, 2, 8, (sste_type)i),
        SSTE_ERR_VALUE);
  assert_same_double(x, -7);
}

static void test_check_refused(void **unused) {
  const sste_nm nm = sste_nm_of(2, 4), down = nm_with(3, 8, 1, 0);
  size_t run = 77, group = 77;
  int i;
  (void)unused;
#define CHECK(w, ldw, r, c, nm) \
  sste_tensor_check_nm(w, ldw, r, c, nm, &run, &group)
  assert_accepted(CHECK(in, 8, 2, 8, nm));
  assert_refused(CHECK(NULL, 8, 2, 8, nm), SSTE_ERR_NULL);
  assert_refused(CHECK(in, 7, 2, 8, nm), SSTE_ERR_SHAPE);
  assert_refused(CHECK(in, 8, 4, 6, nm), SSTE_ERR_SHAPE);
  assert_refused(CHECK(in, 8, 4, 8, down), SSTE_ERR_SHAPE);
  assert_refused(CHECK(in, LD_HUGE(4), 2, 8, nm), SSTE_ERR_SIZE);
  assert_refused(CHECK(in, LD_HUGE(2), 2, 8, nm_with(2, 4, 0, SSTE_FLOAT16)),
                 SSTE_ERR_SIZE);
  for (i = 0; i < WRONG_ANYWHERE; ++i)
    assert_refused(CHECK(in, 8, 2, 8, wrong_nm(i)), SSTE_ERR_VALUE);
#undef CHECK
  assert_true(run == 77 && group == 77);
}

static void test_compress_refused(void **unused) {
  float *const nibbles = (float *)(void *)BYTES_OUT;
  (void)unused;
#define COMPRESS(v, ldv, m, ldm, w, ldw, r, c, axis) \
  sste_tensor_compress_as(v, ldv, m, ldm, w, ldw, r, c, SSTE_FLOAT32, axis)
#define ROWS SSTE_ALONG_ROWS
#define COLS SSTE_DOWN_COLUMNS
  assert_accepted(COMPRESS(out, 4, BYTES_OUT, 1, in, 8, 2, 8, ROWS));
  assert_refused(COMPRESS(NULL, 4, BYTES_OUT, 1, in, 8, 2, 8, ROWS),
                 SSTE_ERR_NULL);
  assert_refused(COMPRESS(out, 4, NULL, 1, in, 8, 2, 8, ROWS), SSTE_ERR_NULL);
  assert_refused(COMPRESS(out, 4, BYTES_OUT, 1, NULL, 8, 2, 8, ROWS),
                 SSTE_ERR_NULL);
  assert_refused(COMPRESS(out, 3, BYTES_OUT, 1, in, 8, 2, 8, ROWS),
                 SSTE_ERR_SHAPE);
  assert_refused(COMPRESS(out, 6, BYTES_OUT, 1, in, 12, 2, 12, ROWS),
                 SSTE_ERR_SHAPE);
  assert_refused(COMPRESS(out, 4, BYTES_OUT, 1, in, 7, 2, 8, ROWS),
                 SSTE_ERR_SHAPE);
  assert_refused(COMPRESS(out, 4, BYTES_OUT, 1, in, 8, 4, 6, ROWS),
                 SSTE_ERR_SHAPE);
  /* Down columns it is the rows that come in fours. */
  assert_accepted(COMPRESS(out, 4, BYTES_OUT, 1, in, 8, 8, 6, COLS));
  assert_refused(COMPRESS(out, 3, BYTES_OUT, 1, in, 8, 8, 6, COLS),
                 SSTE_ERR_SHAPE);
  assert_refused(COMPRESS(out, 4, BYTES_OUT, 1, in, 8, 6, 8, COLS),
                 SSTE_ERR_SHAPE);
  assert_refused(COMPRESS(out, LD_HUGE(4), BYTES_OUT, 1, in, 8, 2, 8, ROWS),
                 SSTE_ERR_SIZE);
  assert_refused(COMPRESS(out, 4, BYTES_OUT, LD_HUGE(1), in, 8, 2, 8, ROWS),
                 SSTE_ERR_SIZE);
  assert_refused(COMPRESS(out, 4, BYTES_OUT, 1, in, LD_HUGE(4), 2, 8, ROWS),
                 SSTE_ERR_SIZE);
  /* The last element, or byte, of two of the three is shared; then none. */
  assert_refused(COMPRESS(in + 15, 4, BYTES_OUT, 1, in, 8, 2, 8, ROWS),
                 SSTE_ERR_OVERLAP);
  assert_accepted(COMPRESS(in + 16, 4, BYTES_OUT, 1, in, 8, 2, 8, ROWS));
  assert_refused(
      COMPRESS(out, 4, (uint8_t *)(in + 16) - 1, 1, in, 8, 2, 8, ROWS),
      SSTE_ERR_OVERLAP);
  assert_accepted(COMPRESS(out, 4, (uint8_t *)(in + 16), 1, in, 8, 2, 8, ROWS));
  assert_refused(COMPRESS(nibbles - 7, 4, BYTES_OUT, 1, in, 8, 2, 8, ROWS),
                 SSTE_ERR_OVERLAP);
  assert_accepted(COMPRESS(nibbles - 8, 4, BYTES_OUT, 1, in, 8, 2, 8, ROWS));
  assert_refused(COMPRESS(in + 61, 4, BYTES_OUT, 1, in, 8, 8, 6, COLS),
                 SSTE_ERR_OVERLAP);
  assert_accepted(COMPRESS(in + 62, 4, BYTES_OUT, 1, in, 8, 8, 6, COLS));
#undef COMPRESS
}

static void test_decompress_refused(void **unused) {
  (void)unused;
#define DECOMPRESS(o, ldo, v, ldv, m, ldm, r, c, axis) \
  sste_tensor_decompress_as(o, ldo, v, ldv, m, ldm, r, c, SSTE_FLOAT32, axis)
  assert_accepted(DECOMPRESS(out, 8, in, 4, BYTES, 1, 2, 8, ROWS));
  assert_refused(DECOMPRESS(NULL, 8, in, 4, BYTES, 1, 2, 8, ROWS),
                 SSTE_ERR_NULL);
  assert_refused(DECOMPRESS(out, 8, NULL, 4, BYTES, 1, 2, 8, ROWS),
                 SSTE_ERR_NULL);
  assert_refused(DECOMPRESS(out, 8, in, 4, NULL, 1, 2, 8, ROWS), SSTE_ERR_NULL);
  assert_refused(DECOMPRESS(out, 7, in, 4, BYTES, 1, 2, 8, ROWS),
                 SSTE_ERR_SHAPE);
  assert_refused(DECOMPRESS(out, 8, in, 3, BYTES, 1, 2, 8, ROWS),
                 SSTE_ERR_SHAPE);
  assert_refused(DECOMPRESS(out, 12, in, 6, BYTES, 1, 2, 12, ROWS),
                 SSTE_ERR_SHAPE);
  assert_refused(DECOMPRESS(out, 8, in, 4, BYTES, 1, 4, 6, ROWS),
                 SSTE_ERR_SHAPE);
  assert_refused(DECOMPRESS(out, 8, in, 4, BYTES, 1, 4, 1, ROWS),
                 SSTE_ERR_SHAPE);
  assert_accepted(DECOMPRESS(out, 8, in, 4, BYTES, 1, 8, 6, COLS));
  assert_refused(DECOMPRESS(out, 8, in, 4, BYTES, 1, 6, 8, COLS),
                 SSTE_ERR_SHAPE);
  assert_refused(DECOMPRESS(out, LD_HUGE(4), in, 4, BYTES, 1, 2, 8, ROWS),
                 SSTE_ERR_SIZE);
  assert_refused(DECOMPRESS(out, 8, in, LD_HUGE(4), BYTES, 1, 2, 8, ROWS),
                 SSTE_ERR_SIZE);
  assert_refused(DECOMPRESS(out, 8, in, 4, BYTES, LD_HUGE(1), 2, 8, ROWS),
                 SSTE_ERR_SIZE);
  assert_refused(DECOMPRESS(in + 7, 8, in, 4, BYTES, 1, 2, 8, ROWS),
                 SSTE_ERR_OVERLAP);
  assert_accepted(DECOMPRESS(in + 8, 8, in, 4, BYTES, 1, 2, 8, ROWS));
  assert_refused(DECOMPRESS(arena + 497, 8, in, 4, BYTES, 1, 2, 8, ROWS),
                 SSTE_ERR_OVERLAP);
  assert_accepted(DECOMPRESS(arena + 496, 8, in, 4, BYTES, 1, 2, 8, ROWS));
  assert_refused(DECOMPRESS(in + 23, 8, in, 4, BYTES, 1, 8, 6, COLS),
                 SSTE_ERR_OVERLAP);
  assert_accepted(DECOMPRESS(in + 24, 8, in, 4, BYTES, 1, 8, 6, COLS));
#undef DECOMPRESS
}

static void test_compressed_types_refused(void **unused) {
  static const int wrong[4][2] = {{-1, 0}, {5, 0}, {0, -1}, {0, 2}};
  int i;
  (void)unused;
  for (i = 0; i < 4; ++i) {
    const sste_type type = (sste_type)wrong[i][0];
    const sste_axis axis = (sste_axis)wrong[i][1];
    assert_refused(
        sste_tensor_compress_as(out, 4, BYTES_OUT, 1, in, 8, 2, 8, type, axis),
        SSTE_ERR_VALUE);
    assert_refused(
        sste_tensor_decompress_as(out, 8, other, 4, BYTES, 1, 2, 8, type, axis),
        SSTE_ERR_VALUE);
  }
}

/* No rows or no columns: all well, whatever the pointers, and nothing is read
 * or written. The other side may be as large as it likes. */
static void empty_case(size_t rows, size_t cols, int axis) {
  const sste_nm nm = nm_with(3, 7, axis, SSTE_FLOAT16);
  const sste_axis a = (sste_axis)axis;
  size_t nans = 77, run = 77, group = 77;
  double sums[3] = {77, 77, 77}, mse = 77;
  assert_refused(sste_tensor_project_nm(NULL, 0, NULL, 0, rows, cols, nm, 0.0f,
                                        1.0f, &nans),
                 SSTE_OK);
  assert_refused(
      sste_tensor_mask_nm(NULL, 0, NULL, 0, rows, cols, nm, SSTE_TIE_LOWER),
      SSTE_OK);
  assert_refused(sste_tensor_check_nm(NULL, 0, rows, cols, nm, &run, &group),
                 SSTE_OK);
  assert_refused(sste_tensor_compress_as(NULL, 0, NULL, 0, NULL, 0, rows, cols,
                                         SSTE_FP8, a),
                 SSTE_OK);
  assert_refused(sste_tensor_compress_as(out, 4, BYTES_OUT, 4, in, 8, rows,
                                         cols, SSTE_FP8, a),
                 SSTE_OK);
  assert_refused(sste_tensor_decompress_as(NULL, 0, NULL, 0, NULL, 0, rows,
                                           cols, SSTE_FP8, a),
                 SSTE_OK);
  assert_refused(sste_tensor_norm2(&sums[0], NULL, 0, rows, cols), SSTE_OK);
  assert_refused(sste_tensor_change(&sums[1], NULL, 0, NULL, 0, rows, cols),
                 SSTE_OK);
  assert_refused(
      sste_tensor_descent(&sums[2], NULL, 0, NULL, 0, NULL, 0, rows, cols),
      SSTE_OK);
  assert_refused(sste_tensor_relative_mse(&mse, NULL, 0, NULL, 0, rows, cols,
                                          SSTE_BFLOAT16),
                 SSTE_ERR_ZERO);
  assert_true(nans == 0 && run == 77 && group == 77 && mse == 77);
  assert_true(sums[0] == 0 && sums[1] == 0 && sums[2] == 0);
}

static void test_empty(void **unused) {
  int axis;
  (void)unused;
  for (axis = 0; axis < 2; ++axis) {
    empty_case(0, 0, axis);
    empty_case(0, 6, axis); /* no group is there to be incomplete */
    empty_case(6, 0, axis);
    empty_case(0, SIZE_MAX, axis);
    empty_case(PTRDIFF_MAX, 0, axis); /* a loop over these would never end */
    empty_case(SIZE_MAX, 0, axis);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_group_by_hand),
      cmocka_unit_test(test_group_all_small),
      cmocka_unit_test(test_group_random),
      cmocka_unit_test(test_group_two_of_four),
      cmocka_unit_test(test_group_nan),
      cmocka_unit_test(test_group_out_of_range),
      cmocka_unit_test(test_pattern_by_default),
      cmocka_unit_test(test_gamma_in_integers),
      cmocka_unit_test(test_gamma_sum_in_double),
      cmocka_unit_test(test_gamma_gap_in_float),
      cmocka_unit_test(test_gamma_at_the_ends),
      cmocka_unit_test(test_gamma_infinite),
      cmocka_unit_test(test_codes_are_read_exactly),
      cmocka_unit_test(test_codes_project_to_themselves),
      cmocka_unit_test(test_rounding_boundaries),
      cmocka_unit_test(test_rounding_everywhere),
      cmocka_unit_test(test_product_rounds_to_float_first),
      cmocka_unit_test(test_tensor_project),
      cmocka_unit_test(test_tensor_mask),
      cmocka_unit_test(test_tensor_by_hand),
      cmocka_unit_test(test_tensor_specials),
      cmocka_unit_test(test_tensor_two_of_four),
      cmocka_unit_test(test_sums_in_order),
      cmocka_unit_test(test_sums_by_hand),
      cmocka_unit_test(test_differences_round),
      cmocka_unit_test(test_sums_specials),
      cmocka_unit_test(test_relative_mse_types),
      cmocka_unit_test(test_beta_shapes),
      cmocka_unit_test(test_beta_order),
      cmocka_unit_test(test_beta_by_hand),
      cmocka_unit_test(test_beta_refused),
      cmocka_unit_test(test_beta_overflows),
      cmocka_unit_test(test_scales_do_what_they_say),
      cmocka_unit_test(test_scales_of_distributions),
      cmocka_unit_test(test_patterns_by_hand),
      cmocka_unit_test(test_check_finds_the_first),
      cmocka_unit_test(test_check_zeros),
      cmocka_unit_test(test_compress_round_trip),
      cmocka_unit_test(test_compress_is_that_of_groups),
      cmocka_unit_test(test_compress_by_hand),
      cmocka_unit_test(test_compress_refuses_dense),
      cmocka_unit_test(test_decompress_canonical),
      cmocka_unit_test(test_decompress_refuses_nibbles),
      cmocka_unit_test(test_threads_same_bits),
      cmocka_unit_test(test_project_refused),
      cmocka_unit_test(test_mask_refused),
      cmocka_unit_test(test_beta_arguments_refused),
      cmocka_unit_test(test_sums_refused),
      cmocka_unit_test(test_check_refused),
      cmocka_unit_test(test_compress_refused),
      cmocka_unit_test(test_decompress_refused),
      cmocka_unit_test(test_compressed_types_refused),
      cmocka_unit_test(test_empty),
  };
  /* Waking other threads for many small tensors would take longer than all the
   * rest. */
  test_threads(1);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
