/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_project_fp8.c - fast paths on the way to FP8 against definitions of one
 * group or one element: W~ to codes in one pass, its amax, fake-quant, pieces
 * of rows with and without NaNs, amax in lanes, the gradient of the bias.
 *
 *   1. Matrices
 *   2. W~ to codes, and its amax
 *   3. Encoding and fake-quant
 *   4. amax
 *   5. The gradient of the bias
 *   6. What is refused
 */
#include "sste_train.h"
#include "test.h"

/* ---- 1. Matrices --------------------------------------------------------- */

enum { ROWS = 3, COLS = 1300, SPARE = 8 };

static float w[ROWS][COLS], projected[ROWS][COLS], y[ROWS][COLS];
static uint8_t code[ROWS][COLS], want[ROWS][COLS];

/* Lengths around a group, 64 lanes, a tile of 256 and several tiles. */
static const size_t lengths[] = {4,   8,   60,  64,  68,  128,  252,
                                 256, 260, 508, 512, 516, 1020, 1292};
enum { LENGTHS = (int)(sizeof lengths / sizeof lengths[0]) };

static const uint32_t specials[] = {
    0x7FC00000u, 0xFFC12345u, 0x7F800001u, 0xFF800001u, 0x7F800000u,
    0xFF800000u, 0x7F7FFFFFu, 0xFF7FFFFFu, 0x80000000u, 0x00000000u,
    0x00000001u, 0x80000001u, 0x00800000u, 0x807FFFFFu};
enum { SPECIALS = (int)(sizeof specials / sizeof specials[0]) };

static void fill_normal(uint64_t seed) {
  uint64_t state = test_seed() + seed;
  float *x = &w[0][0];
  size_t i;
  for (i = 0; i < ROWS * COLS; ++i) x[i] = (float)test_normal(&state);
}

/* Few values: ties everywhere, zeros of both signs, midpoints of formats. */
static void fill_ties(uint64_t seed) {
  static const float few[] = {0.0f, -0.0f, 1.0f, -1.0f, 1.0625f, -2.0f, 3.5f};
  uint64_t state = test_seed() + seed;
  float *x = &w[0][0];
  size_t i;
  for (i = 0; i < ROWS * COLS; ++i) x[i] = few[test_random(&state) % 7];
}

/* Any bits: infinities, NaNs and subnormals where every < 0, else a special at
 * one place in `every`. */
static void fill_bits(uint64_t seed, int every) {
  uint64_t state = test_seed() + seed;
  float *x = &w[0][0];
  size_t i;
  fill_normal(seed);
  for (i = 0; i < ROWS * COLS; ++i) {
    const uint64_t word = test_random(&state);
    if (every < 0)
      x[i] = test_float((uint32_t)word);
    else if (word % (uint64_t)every == 0)
      x[i] = test_float(specials[(word >> 40) % SPECIALS]);
  }
}

static sste_fp8_format format_number(int i) {
  switch (i) {
    case 0: return sste_fp8_e4m3fn();
    case 1: return sste_fp8_e5m2();
    case 2: return sste_fp8_e3m4();
    case 3: return sste_fp8_e4m3fnuz();
    case 4: return sste_fp8_e5m2fnuz();
    case 5: return sste_fp8_e3m4fn();
    case 6: return sste_fp8_ue4m3();
    default: return sste_fp8_e8m0();
  }
}
enum { FORMATS = 8 };

/* The rules that the fast loops follow, and one that they do not; every way to
 * apply and to undo a scale. */
static sste_fp8_recipe recipe_number(sste_fp8_format f, int i) {
  sste_fp8_recipe how = sste_fp8_recipe_current(f);
  how.apply = i % 3;
  how.undo = i / 3 % 3;
  switch (i / 9) {
    case 1: how.rule.overflow = SSTE_OVERFLOW_NONE; break;
    case 2:
      how.rule.overflow = SSTE_OVERFLOW_NONE;
      how.rule.nan = SSTE_NAN_QUIET;
      how.rule.nan_sign = 1;
      break;
    case 3: how.rule.rounding = SSTE_ROUND_TOWARD_ZERO; break;
    default: break;
  }
  return how;
}
enum { RECIPES = 36 };

/* ---- 2. W~ to codes, and its amax ---------------------------------------- */

/* One group at a time, as sste_tensor_project is defined. */
static size_t slow_project(size_t cols, float beta) {
  size_t count = 0, r, c, i;
  for (r = 0; r < ROWS; ++r)
    for (c = 0; c < cols; c += 4) {
      count += (size_t)sste_group_project(&projected[r][c], &w[r][c]);
      for (i = c; i < c + 4; ++i) {
        const float p = beta * projected[r][i];
        projected[r][i] = isnan(p)    ? test_float(0x7FC00000u)
                          : p == 0.0f ? 0.0f
                                      : p;
      }
    }
  return count;
}

static float slow_apply(float x, float scale, int way) {
  volatile float reciprocal = 1.0f / scale;
  if (way == SSTE_APPLY_DIVIDE) return x / scale;
  return x * (way == SSTE_APPLY_RECIPROCAL ? reciprocal : scale);
}

static uint8_t slow_encode(float x, float scale, sste_fp8_recipe how) {
  const float by = slow_apply(x, scale, how.apply);
  return sste_fp8_encode_float(how.format, how.rule, isnan(x) ? x : by, 0);
}

static void check_project(size_t cols, float beta, const float *scale,
                          sste_fp8_recipe how) {
  size_t groups = 77, expected, r, c;
  float amax = -1.0f, of_projected = -2.0f;
  memset(want, 0xCA, sizeof want);
  memset(code, 0xCA, sizeof code);
  expected = slow_project(cols, beta);
  for (r = 0; r < ROWS; ++r)
    for (c = 0; c < cols; ++c)
      want[r][c] =
          slow_encode(projected[r][c], scale[how.per_row ? r : 0], how);
  assert_int_equal(
      sste_tensor_project_encode(&code[0][0], COLS, &w[0][0], COLS, ROWS, cols,
                                 beta, scale, how, &groups),
      SSTE_OK);
  assert_memory_equal(code, want, sizeof code);
  assert_int_equal(groups, expected);
  assert_int_equal(
      sste_fp8_tensor_amax(&of_projected, &projected[0][0], COLS, ROWS, cols),
      SSTE_OK);
  assert_int_equal(
      sste_tensor_project_amax(&amax, &w[0][0], COLS, ROWS, cols, beta),
      SSTE_OK);
  assert_same_float(amax, of_projected);
}

/* Formats and recipes in turn: every pair is met over the lengths and fills. */
static void check_project_all(float beta) {
  static const float scales[ROWS] = {70.0f, 0.37f, 1024.0f};
  static int turn;
  int n, i;
  for (n = 0; n < LENGTHS; ++n)
    for (i = 0; i < FORMATS; ++i) {
      sste_fp8_recipe how =
          recipe_number(format_number(i), (turn = (turn + 5) % RECIPES));
      how.per_row = n % 2;
      check_project(lengths[n], beta, scales, how);
    }
}

static void project_encode_is_two_functions_in_one(void **state) {
  int fill;
  (void)state;
  for (fill = 0; fill < (test_level() == 2 ? 40 : 4); ++fill) {
    fill_normal((uint64_t)fill);
    check_project_all(1.0f);
    check_project_all(1.7f);
    fill_ties((uint64_t)fill);
    check_project_all(0.3f);
    fill_bits((uint64_t)fill, -1);
    check_project_all(1.1f);
    fill_bits((uint64_t)fill, 5);
    check_project_all(3e38f);
    fill_bits((uint64_t)fill, 300);
    check_project_all(1e-38f);
  }
}

static void a_special_anywhere_is_met(void **state) {
  const float scale = 100.0f;
  const size_t cols = 520;
  size_t at;
  int i;
  (void)state;
  for (i = 0; i < SPECIALS; ++i)
    for (at = 0; at < cols; at += at < 8 || at > 508 ? 1 : 3) {
      const float kept = w[1][at];
      if (at == 0) fill_normal(9);
      w[1][at] = test_float(specials[i]);
      check_project(cols, 2.0f, &scale,
                    recipe_number(format_number(i % 6), i % RECIPES));
      if (at != 0) w[1][at] = kept;
    }
}

static void project_encode_example(void **state) {
  const float a[4] = {4.0f, -3.0f, 2.0f, -1.0f}, scale = 112.0f;
  const uint8_t expected[4] = {0x7E, 0xF6, 0x00, 0x00};
  uint8_t got[4];
  float amax;
  (void)state;
  assert_int_equal(sste_tensor_project_amax(&amax, a, 4, 1, 4, 2.0f), SSTE_OK);
  assert_same_float(amax, 4.0f);
  assert_int_equal(sste_tensor_project_encode(
                       got, 4, a, 4, 1, 4, 2.0f, &scale,
                       sste_fp8_recipe_current(sste_fp8_e4m3fn()), NULL),
                   SSTE_OK);
  assert_memory_equal(got, expected, 4);
}

static void project_amax_of_zeros_is_zero(void **state) {
  float amax = -1.0f;
  (void)state;
  memset(w, 0, sizeof w);
  assert_int_equal(
      sste_tensor_project_amax(&amax, &w[0][0], COLS, ROWS, COLS, 2.0f),
      SSTE_OK);
  assert_same_float(amax, 0.0f);
}

/* The largest S(W) anywhere in a row, whichever thread has the row. */
static void project_amax_finds_every_place(void **state) {
  size_t r, c;
  (void)state;
  memset(w, 0, sizeof w);
  for (r = 0; r < ROWS; ++r)
    for (c = 0; c < COLS; c += r + 1) {
      float amax = -1.0f;
      w[r][c] = -3.0f;
      test_threads((int)(c % 3) + 1);
      assert_int_equal(
          sste_tensor_project_amax(&amax, &w[0][0], COLS, ROWS, COLS, 2.0f),
          SSTE_OK);
      w[r][c] = 0.0f;
      assert_same_float(amax, 6.0f);
    }
  test_threads(1);
}

static void threads_change_nothing(void **state) {
  const float scale = 3.0f;
  int n;
  (void)state;
  for (n = 1; n <= 5; ++n) {
    test_threads(n);
    fill_bits((uint64_t)n, 50);
    check_project(COLS - COLS % 4, 1.3f, &scale,
                  sste_fp8_recipe_current(sste_fp8_e5m2()));
  }
  test_threads(1);
}

/* The matrix as one row, which the threads share. */
static void a_long_row_is_one_row(void **state) {
  enum { N = ROWS * COLS };
  const float scale = 50.0f;
  const sste_fp8_recipe how = sste_fp8_recipe_current(sste_fp8_e4m3fn());
  static float in[3 * N], out[3 * N];
  static uint8_t got[3 * N], expected[3 * N];
  float amax = -1.0f, of_projected = -2.0f;
  size_t groups = 0, of_project = 0;
  int n;
  (void)state;
  for (n = 1; n <= 3; ++n) {
    int part;
    for (part = 0; part < 3; ++part) {
      fill_bits((uint64_t)(3 * n + part), part == n - 1 ? 500 : 1000000);
      memcpy(in + part * N, w, sizeof w);
    }
    if (n > 1) in[n == 2 ? 3 * N - 1 : N] = -77.0f;
    test_threads(n);
    sste_tensor_project(out, 3 * N, in, 3 * N, 1, 3 * N, 1.5f, &of_project);
    sste_fp8_tensor_encode(expected, 3 * N, out, 3 * N, 1, 3 * N, &scale, how);
    sste_fp8_tensor_amax(&of_projected, out, 3 * N, 1, 3 * N);
    assert_int_equal(sste_tensor_project_encode(got, 3 * N, in, 3 * N, 1, 3 * N,
                                                1.5f, &scale, how, &groups),
                     SSTE_OK);
    assert_memory_equal(got, expected, sizeof got);
    assert_int_equal(groups, of_project);
    assert_int_equal(sste_tensor_project_amax(&amax, in, 3 * N, 1, 3 * N, 1.5f),
                     SSTE_OK);
    assert_same_float(amax, of_projected);
  }
  for (n = 0; n < 3 * N; n += 97) { /* the largest anywhere */
    memset(in, 0, sizeof in);
    in[n] = 2.0f;
    assert_int_equal(sste_tensor_project_amax(&amax, in, 3 * N, 1, 3 * N, 1.5f),
                     SSTE_OK);
    assert_same_float(amax, 3.0f);
  }
  test_threads(1);
}

/* ---- 3. Encoding and fake-quant ------------------------------------------ */

static float slow_round(float x, float scale, sste_fp8_recipe how) {
  const float v = slow_apply(
      sste_fp8_decode(how.format, slow_encode(x, scale, how)), scale, how.undo);
  return isnan(v) ? test_float(0x7FC00000u) : v;
}

static void check_round(const float *x, size_t n, float scale,
                        sste_fp8_recipe how) {
  float *out = &y[0][0];
  uint8_t *codes = &code[0][0];
  size_t i;
  memcpy(out, x, n * sizeof *x); /* in place */
  assert_int_equal(sste_fp8_tensor_round(out, n, out, n, 1, n, &scale, how),
                   SSTE_OK);
  assert_int_equal(sste_fp8_tensor_encode(codes, n, x, n, 1, n, &scale, how),
                   SSTE_OK);
  for (i = 0; i < n; ++i) {
    assert_int_equal(codes[i], slow_encode(x[i], scale, how));
    assert_same_float(out[i], slow_round(x[i], scale, how));
  }
}

/* Every upper half of a float, with lower halves around the midpoints: all
 * rounding decisions, the overflow, infinities and NaNs. */
static void every_decision_is_the_definitions(void **state) {
  static const uint32_t low[] = {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
  const size_t n = 64 * 6;
  const int step = test_level() == 2 ? 1 : 7;
  float x[64 * 6];
  uint32_t high;
  size_t i;
  int f, k;
  (void)state;
  for (f = 0; f < 6; ++f)
    for (k = f % step; k < 27; k += step)
      for (high = 0; high < 65536; high += 64) {
        for (i = 0; i < n; ++i)
          x[i] = test_float((high + (uint32_t)(i / 6)) << 16 | low[i % 6]);
        check_round(x, n, 1.0f, recipe_number(format_number(f), k));
      }
}

/* x / scale is a midpoint of E4M3FN, but x * fl(1 / scale) often is not. */
static void quotients_are_not_products(void **state) {
  uint64_t random = test_seed();
  int i, k;
  (void)state;
  for (i = 0; i < 300; ++i) {
    const float scale = (float)(0.5 + test_uniform(&random));
    float x[3];
    x[0] = 1.0625f * scale;
    x[1] = -1.1875f * scale;
    x[2] = 17.0f * scale;
    for (k = 0; k < 9; ++k)
      check_round(x, 3, scale, recipe_number(sste_fp8_e4m3fn(), k));
  }
}

static void rows_of_any_length_and_kind(void **state) {
  int f, k;
  (void)state;
  fill_bits(3, 40);
  for (f = 0; f < FORMATS; ++f)
    for (k = 0; k < RECIPES; ++k) {
      const size_t n = 1 + (size_t)(f * RECIPES + k) * 37 % 1200;
      check_round(&w[f % ROWS][f], n, 0.7f, recipe_number(format_number(f), k));
      check_round(&w[k % ROWS][f], n, 3e38f,
                  recipe_number(format_number(f), 0));
    }
}

static void one_nan_anywhere_keeps_its_code(void **state) {
  const size_t n = 600;
  float *x = w[0];
  size_t at;
  (void)state;
  fill_ties(4);
  for (at = 0; at < n; ++at) {
    const float kept = x[at];
    x[at] = test_float(specials[at % 4]);
    check_round(x, n, 2.0f,
                recipe_number(format_number((int)at % 6),
                              (int)at % 3 * 9 + (int)at % 2));
    x[at] = kept;
  }
}

/* ---- 4. amax ------------------------------------------------------------- */

static float slow_amax(const float *x, size_t n, int drop_nan) {
  float top = 0.0f;
  size_t i;
  for (i = 0; i < n; ++i) {
    if (isnan(x[i]) && !drop_nan) return test_float(0x7FC00000u);
    if (!isnan(x[i]) && fabsf(x[i]) > top) top = fabsf(x[i]);
  }
  return top;
}

static void amax_of_every_length(void **state) {
  const sste_fp8_recipe drops = sste_fp8_recipe_te(sste_fp8_e4m3fn());
  size_t n;
  (void)state;
  for (n = 1; n <= 400; ++n) {
    float amax = -1.0f, scale = -1.0f;
    fill_normal(n);
    w[0][n * 7 % n] = test_float(specials[n % 8]);
    w[0][n - 1] = -9.0f;
    w[0][n] = 1e9f; /* outside */
    assert_int_equal(sste_fp8_tensor_amax(&amax, w[0], n, 1, n), SSTE_OK);
    assert_same_float(amax, slow_amax(w[0], n, 0));
    assert_int_equal(sste_fp8_tensor_scale(&scale, w[0], n, 1, n, drops),
                     SSTE_OK);
    assert_same_float(scale, sste_fp8_scale(drops, slow_amax(w[0], n, 1)));
  }
}

/* ---- 5. The gradient of the bias ----------------------------------------- */

static void bias_grad_goes_down_columns(void **state) {
  enum { T = 7, N = 600, K = 4 };
  static float dz[T][N + SPARE], x[T][K], weights[N][K], db[N + SPARE];
  static char scratch[1 << 18];
  sste_linear layer;
  uint64_t random = test_seed();
  size_t count, t, n;
  (void)state;
  memset(&layer, 0, sizeof layer);
  for (n = 0; n < N; ++n) weights[n][0] = 1.0f;
  assert_int_equal(sste_linear_init(&layer, &weights[0][0], K, N, K), SSTE_OK);
  for (count = 1; count <= N; count += 37) {
    layer.out_features = count;
    for (t = 0; t < T; ++t)
      for (n = 0; n < N + SPARE; ++n)
        dz[t][n] = (float)ldexp(test_normal(&random),
                                (int)(test_random(&random) % 60));
    dz[count % T][count / 2] = test_float(0xFFC12345u);
    for (t = 0; t < T; ++t) dz[t][0] = 0.0f; /* 0 downwards, 1 upwards */
    dz[0][0] = 1.0f;
    dz[1][0] = 0x1p60f;
    dz[2][0] = -0x1p60f;
    test_poison(db, sizeof db);
    assert_int_equal(
        sste_linear_backward(&layer, NULL, 0, NULL, 0, db, &dz[0][0], N + SPARE,
                             &x[0][0], K, &weights[0][0], K, T, NULL, scratch,
                             sizeof scratch),
        SSTE_OK);
    for (n = 0; n < count; ++n) {
      double sum = 0.0;
      for (t = 0; t < T; ++t) sum += (double)dz[t][n];
      assert_same_float(db[n],
                        isnan(sum) ? test_float(0x7FC00000u) : (float)sum);
    }
    assert_int_equal(test_bits(db[count]), 0xCACACACAu);
  }
}

/* ---- 6. What is refused -------------------------------------------------- */

static sste_status encode_call(uint8_t *to, size_t ldc, const float *from,
                               size_t ldw, size_t rows, size_t cols, float beta,
                               float scale) {
  return sste_tensor_project_encode(
      to, ldc, from, ldw, rows, cols, beta, &scale,
      sste_fp8_recipe_current(sste_fp8_e4m3fn()), NULL);
}

static void bad_arguments_are_refused(void **state) {
  const float bad[] = {0.0f, -1.0f, INFINITY, NAN};
  const size_t huge = SIZE_MAX / 8;
  float scale = 1.0f, amax = -5.0f, *a = &w[0][0];
  size_t groups = 9;
  uint8_t *c = &code[0][0];
  sste_fp8_recipe how = sste_fp8_recipe_current(sste_fp8_e4m3fn());
  int i;
  (void)state;
  test_poison(code, sizeof code);
  for (i = 0; i < 4; ++i) {
    assert_int_equal(encode_call(c, 8, a, 8, 2, 8, bad[i], 1), SSTE_ERR_VALUE);
    assert_int_equal(encode_call(c, 8, a, 8, 2, 8, 1, bad[i]), SSTE_ERR_VALUE);
    assert_int_equal(sste_tensor_project_amax(&amax, a, 8, 2, 8, bad[i]),
                     SSTE_ERR_VALUE);
  }
  assert_int_equal(encode_call(c, 8, a, 8, 2, 6, 1, 1), SSTE_ERR_SHAPE);
  assert_int_equal(encode_call(c, 7, a, 8, 2, 8, 1, 1), SSTE_ERR_SHAPE);
  assert_int_equal(encode_call(c, 8, a, 7, 2, 8, 1, 1), SSTE_ERR_SHAPE);
  assert_int_equal(encode_call(c, 8, a, huge, 9, 8, 1, 1), SSTE_ERR_SIZE);
  assert_int_equal(encode_call(c, huge * 4, a, 8, 9, 8, 1, 1), SSTE_ERR_SIZE);
  assert_int_equal(encode_call(NULL, 8, a, 8, 2, 8, 1, 1), SSTE_ERR_NULL);
  assert_int_equal(encode_call(c, 8, NULL, 8, 2, 8, 1, 1), SSTE_ERR_NULL);
  assert_int_equal(encode_call((uint8_t *)a, 8, a, 8, 2, 8, 1, 1),
                   SSTE_ERR_OVERLAP);
  assert_int_equal(
      sste_tensor_project_encode(c, 8, a, 8, 2, 8, 1, NULL, how, &groups),
      SSTE_ERR_NULL);
  how.rule.rounding = SSTE_ROUND_STOCHASTIC;
  assert_int_equal(
      sste_tensor_project_encode(c, 8, a, 8, 2, 8, 1, &scale, how, &groups),
      SSTE_ERR_VALUE);
  assert_int_equal(groups, 9);
  assert_int_equal(code[0][0], 0xCA);
  assert_int_equal(sste_tensor_project_amax(&amax, a, 8, 2, 6, 1),
                   SSTE_ERR_SHAPE);
  assert_int_equal(sste_tensor_project_amax(&amax, a, 7, 2, 8, 1),
                   SSTE_ERR_SHAPE);
  assert_int_equal(sste_tensor_project_amax(&amax, a, huge, 9, 8, 1),
                   SSTE_ERR_SIZE);
  assert_int_equal(sste_tensor_project_amax(&amax, NULL, 8, 2, 8, 1),
                   SSTE_ERR_NULL);
  assert_same_float(amax, -5.0f);
  assert_int_equal(sste_tensor_project_amax(NULL, a, 8, 2, 8, 1),
                   SSTE_ERR_NULL);
}

static void nothing_to_do_succeeds(void **state) {
  float amax = -5.0f;
  size_t groups = 9;
  (void)state;
  assert_int_equal(sste_tensor_project_encode(
                       NULL, 0, NULL, 0, 4, 0, 1, NULL,
                       sste_fp8_recipe_current(sste_fp8_e4m3fn()), &groups),
                   SSTE_OK);
  assert_int_equal(groups, 0);
  assert_int_equal(sste_tensor_project_amax(&amax, NULL, 0, 0, 8, 1), SSTE_OK);
  assert_same_float(amax, 0.0f);
  amax = -5.0f;
  assert_int_equal(sste_tensor_project_amax(&amax, NULL, 0, 8, 0, 1), SSTE_OK);
  assert_same_float(amax, 0.0f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(project_encode_is_two_functions_in_one),
      cmocka_unit_test(a_special_anywhere_is_met),
      cmocka_unit_test(project_encode_example),
      cmocka_unit_test(project_amax_of_zeros_is_zero),
      cmocka_unit_test(project_amax_finds_every_place),
      cmocka_unit_test(threads_change_nothing),
      cmocka_unit_test(a_long_row_is_one_row),
      cmocka_unit_test(every_decision_is_the_definitions),
      cmocka_unit_test(quotients_are_not_products),
      cmocka_unit_test(rows_of_any_length_and_kind),
      cmocka_unit_test(one_nan_anywhere_keeps_its_code),
      cmocka_unit_test(amax_of_every_length),
      cmocka_unit_test(bias_grad_goes_down_columns),
      cmocka_unit_test(bad_arguments_are_refused),
      cmocka_unit_test(nothing_to_do_succeeds),
  };
  return cmocka_run_group_tests_name("project_fp8", tests, NULL, NULL);
}
