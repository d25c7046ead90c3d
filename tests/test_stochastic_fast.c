/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_stochastic_fast.c - a matrix rounded to FP8 at random by tiles has the
 * codes of its elements rounded one by one, whatever the format, the data, the
 * shape, the origin and the threads.
 */
#include "sste_train.h"
#include "test.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* ---- Formats ------------------------------------------------------------- */

enum { FORMATS = 12 };

/* The named ones with a sign, and the widest and the narrowest fields at the
 * ends of what biases may be. */
static void fill_formats(sste_fp8_format f[FORMATS]) {
  int i;
  f[0] = sste_fp8_e4m3fn();
  f[1] = sste_fp8_e5m2();
  f[2] = sste_fp8_e4m3();
  f[3] = sste_fp8_e3m4();
  f[4] = sste_fp8_e3m4fn();
  f[5] = sste_fp8_e4m3fnuz();
  f[6] = sste_fp8_e5m2fnuz();
  f[7] = sste_fp8_e4m3b11fnuz();
  for (i = 8; i < FORMATS; ++i) {
    const int exponent = i < 10 ? 2 : 6;
    f[i] = f[i % 2];
    f[i].exponent_bits = exponent;
    f[i].mantissa_bits = 7 - exponent;
    f[i].bias = (1 << exponent) - (i % 2 != 0 ? 104 : 4);
  }
  for (i = 0; i < FORMATS; ++i)
    assert_int_equal(sste_fp8_format_check(f[i]), SSTE_OK);
}

static sste_fp8_rule at_random(void) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.rounding = SSTE_ROUND_STOCHASTIC;
  return rule;
}

/* ---- One element --------------------------------------------------------- */

/* A float of any kind: any bits; in reach of a format, from far below its
 * smallest number to beyond its largest; a number of it, or next to one. */
static float random_float(sste_fp8_format f, uint64_t *state) {
  const uint64_t dice = test_random(state);
  const uint32_t bits = (uint32_t)(dice >> 32);
  const int lowest = 127 - f.bias - 40;
  const int range = 40 + (1 << f.exponent_bits) + 3;
  const int field = lowest + (int)(dice >> 8 & 0xFFFF) % range;
  const uint32_t code = bits & 0xFF, around = (uint32_t)(dice >> 24 & 3);
  if (dice % 4 == 0) return test_float(bits);
  if (dice % 4 == 1)
    return test_float(test_bits(sste_fp8_decode(f, (uint8_t)code)) + around -
                      1);
  return test_float((bits & 0x807FFFFFu) | (uint32_t)(field < 0 ? 0 : field)
                                               << 23);
}

/* A word at which x turns, or next to it: it is found by bisection, as codes
 * grow with the word. */
static uint32_t turning_word(sste_fp8_format f, float x, uint64_t *state) {
  const uint8_t low = sste_fp8_encode_float(f, at_random(), x, 0);
  uint32_t word = 0, bit;
  for (bit = 1u << 31; bit != 0; bit >>= 1)
    if (sste_fp8_encode_float(f, at_random(), x, word | bit) == low)
      word |= bit;
  return word + (uint32_t)(test_random(state) % 3) - 1;
}

static void assert_code(sste_fp8_format f, float x, uint32_t word) {
  const sste_priv_fp8_fast k =
      sste_priv_fp8_constants(f, sste_fp8_saturating());
  const uint8_t want = sste_fp8_encode_float(f, at_random(), x, word);
  const uint8_t got = sste_priv_stochastic_encode(k, x, word);
  if (got != want)
    fail_msg("E%dM%d bias %d, %a, word %08x: 0x%02x, not 0x%02x",
             f.exponent_bits, f.mantissa_bits, f.bias, (double)x, word, got,
             want);
}

static void every_format_and_float(void **state) {
  const size_t rounds = test_level() == 2 ? 3000000 : 60000;
  sste_fp8_format f[FORMATS];
  uint64_t seed = test_seed();
  size_t i, round;
  (void)state;
  fill_formats(f);
  for (i = 0; i < FORMATS; ++i)
    for (round = 0; round < rounds; ++round) {
      const float x = random_float(f[i], &seed);
      assert_code(f[i], x, (uint32_t)test_random(&seed));
      if (round % 8 == 0) assert_code(f[i], x, turning_word(f[i], x, &seed));
    }
}

static void specials(void **state) {
  static const uint32_t bits[] = {0x00000000u, 0x00000001u, 0x007FFFFFu,
                                  0x00800000u, 0x7F7FFFFFu, 0x7F800000u,
                                  0x7F800001u, 0x7FC00000u, 0x7FFFFFFFu};
  static const uint32_t words[] = {0, 1, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu};
  sste_fp8_format f[FORMATS];
  size_t i, b, w;
  (void)state;
  fill_formats(f);
  for (i = 0; i < FORMATS; ++i)
    for (b = 0; b < LENGTH(bits); ++b)
      for (w = 0; w < LENGTH(words); ++w) {
        assert_code(f[i], test_float(bits[b]), words[w]);
        assert_code(f[i], test_float(bits[b] | 1u << 31), words[w]);
      }
}

/* ---- A matrix ------------------------------------------------------------ */

/* Element i of a run takes word i mod 4 of the call i / 4 after the first: as
 * group i of an MVUE draw whose groups begin at four times that. */
static void assert_matrix(size_t rows, size_t cols, size_t gap, sste_axis axis,
                          size_t run, size_t group, uint64_t *state) {
  const sste_fp8_format f = sste_fp8_e5m2();
  const int down = axis == SSTE_DOWN_COLUMNS;
  const size_t ldx = cols + gap, ldc = cols + 2 * gap, count = rows * ldc;
  const float scale = 0.7f;
  float *x = (float *)malloc(rows * ldx * sizeof *x);
  uint8_t *want = (uint8_t *)malloc(count), *got = (uint8_t *)malloc(count);
  sste_mvue_stream s = {0, 7, 9, 0, 0}, by_word;
  size_t r, c;
  assert_true(x != NULL && want != NULL && got != NULL);
  s.seed = test_random(state);
  s.run = run;
  s.group = group;
  by_word = s;
  by_word.group = 4 * group;
  for (r = 0; r < rows * ldx; ++r) x[r] = random_float(f, state);
  test_poison(want, count);
  test_poison(got, count);
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; ++c)
      want[r * ldc + c] = sste_fp8_encode_float(
          f, at_random(), x[r * ldx + c] * scale,
          sste_mvue_word(&by_word, down ? c : r, down ? r : c));
  assert_int_equal(sste_fp8_tensor_encode_stochastic(got, ldc, x, ldx, rows,
                                                     cols, f, scale, axis, &s),
                   SSTE_OK);
  assert_memory_equal(got, want, count);
  free(x);
  free(want);
  free(got);
}

/* Around the length of a vector, of a Philox call, of a tile. */
static void every_shape(void **state) {
  static const size_t lengths[] = {1,  2,  3,   4,   5,   6,   15,  16,
                                   17, 31, 255, 256, 257, 258, 513, 700};
  static const size_t few[] = {1, 3, 4, 6};
  uint64_t seed = test_seed();
  size_t i, j;
  int axis;
  (void)state;
  for (i = 0; i < LENGTH(lengths); ++i)
    for (j = 0; j < LENGTH(few); ++j)
      for (axis = 0; axis < 2; ++axis) {
        assert_matrix(few[j], lengths[i], j, (sste_axis)axis, 5, 6 + i, &seed);
        assert_matrix(lengths[i], few[j], i % 3, (sste_axis)axis, 5, 6, &seed);
      }
}

/* The last runs and groups that a counter can name. */
static void far_origins(void **state) {
  static const size_t last = 0xFFFFFFFFu;
  uint64_t seed = test_seed();
  (void)state;
  if (sizeof(size_t) < 8) skip();
  assert_matrix(20, 301, 1, SSTE_ALONG_ROWS, last - 19, last - 75, &seed);
  assert_matrix(21, 301, 1, SSTE_DOWN_COLUMNS, last - 300, last - 5, &seed);
}

static void threads_do_not_matter(void **state) {
  uint64_t seed = test_seed();
  int threads;
  (void)state;
  for (threads = 1; threads <= 5; ++threads) {
    test_threads(threads);
    assert_matrix(33, 600, 1, SSTE_ALONG_ROWS, 1, 2, &seed);
    assert_matrix(33, 600, 1, SSTE_DOWN_COLUMNS, 1, 2, &seed);
  }
  test_threads(2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_format_and_float),
      cmocka_unit_test(specials),
      cmocka_unit_test(every_shape),
      cmocka_unit_test(far_origins),
      cmocka_unit_test(threads_do_not_matter),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
