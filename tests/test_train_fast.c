/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_train_fast.c - a layer with layer.fast = 1 against the same without:
 * to the bit where every sum is exact, within the stated bound elsewhere.
 */
#include "sste_train.h"
#include "test.h"

enum { PAD = 3 };

/* The matrices of one layer, their rows PAD floats longer than they need. */
typedef struct fixture {
  size_t T, N, K, ldw, ldx, ldz;
  float *w, *x, *dz, *z, *dx, *dw;
  uint8_t *mask;
  sste_linear layer;
  sste_mvue_stream stream;
} fixture;

static float *floats(size_t rows, size_t ld) {
  float *p = (float *)malloc(rows * ld * sizeof *p);
  test_poison(p, rows * ld * sizeof *p);
  return p;
}

/* Integers from -8 to 8, all sums of which are exact, or normal numbers. */
static float *filled(size_t rows, size_t ld, int integers, uint64_t *rng) {
  float *p = floats(rows, ld);
  size_t i;
  for (i = 0; i < rows * ld; ++i)
    p[i] = integers ? (float)((int)(test_random(rng) % 17) - 8)
                    : (float)test_normal(rng);
  return p;
}

static fixture fixture_new(size_t T, size_t N, size_t K, int integers,
                           uint64_t salt) {
  uint64_t rng = test_seed() + salt;
  fixture f;
  memset(&f, 0, sizeof f);
  f.T = T;
  f.N = N;
  f.K = K;
  f.ldw = f.ldx = K + PAD;
  f.ldz = N + PAD;
  f.w = filled(N, f.ldw, integers, &rng);
  f.x = filled(T, f.ldx, integers, &rng);
  f.dz = filled(T, f.ldz, integers, &rng);
  f.z = floats(T, f.ldz);
  f.dx = floats(T, f.ldx);
  f.dw = floats(N, f.ldw);
  f.mask = (uint8_t *)calloc(N * K, 1);
  assert_int_equal(sste_linear_init(&f.layer, f.w, f.ldw, N, K), SSTE_OK);
  f.layer.mask = f.mask;
  f.layer.ldm = K;
  f.stream.seed = 0x0123456789ABCDEFu + salt;
  return f;
}

static void fixture_free(fixture *f) {
  free(f->w), free(f->x), free(f->dz), free(f->mask);
  free(f->z), free(f->dx), free(f->dw);
}

/* What W~ is, times FP8, the three kinds of sampling and stochastic rounding;
 * gamma and the formats change with all of these. */
enum { SOFT, MASKED, TRANSPOSABLE, DENSE, SAMPLED = 8, KINDS = 48 };
static void choose(fixture *f, int kind) {
  sste_linear *layer = &f->layer;
  const sste_weights weights[4] = {SSTE_WEIGHTS_SOFT, SSTE_WEIGHTS_MASKED,
                                   SSTE_WEIGHTS_MASKED, SSTE_WEIGHTS_DENSE};
  const sste_fp8_format formats[4] = {sste_fp8_e4m3fn(), sste_fp8_e3m4(),
                                      sste_fp8_e3m4fn(), sste_fp8_e5m2()};
  layer->weights = weights[kind & 3];
  layer->transposable = (kind & 3) == TRANSPOSABLE;
  layer->fp8 = kind >> 2 & 1;
  layer->mvue = (sste_mvue_use)(kind / SAMPLED % 3);
  layer->stochastic = kind / 24;
  layer->gamma = (float)(kind % 3) / 2.0f;
  layer->forward_format = formats[kind % 5 % 4];
  if (layer->transposable)
    sste_tensor_mask_transposable(f->mask, f->K, f->w, f->ldw, f->N, f->K,
                                  SSTE_TILE_OPTIMAL);
  else
    sste_tensor_mask(f->mask, f->K, f->w, f->ldw, f->N, f->K, SSTE_TIE_LOWER);
}

/* Forward and backward in scratch that is exactly as long as promised. */
static void run(fixture *f, int fast) {
  size_t bytes, j;
  uint8_t *scratch;
  f->layer.fast = fast;
  bytes = sste_linear_scratch_bytes(&f->layer, f->T);
  scratch = (uint8_t *)malloc(bytes + 64);
  test_poison(scratch, bytes + 64);
  assert_int_equal(
      sste_linear_forward(&f->layer, f->z, f->ldz, f->x, f->ldx, f->w, f->ldw,
                          NULL, f->T, scratch, bytes),
      SSTE_OK);
  assert_int_equal(
      sste_linear_backward(&f->layer, f->dx, f->ldx, f->dw, f->ldw, NULL, f->dz,
                           f->ldz, f->x, f->ldx, f->w, f->ldw, f->T, &f->stream,
                           scratch, bytes),
      SSTE_OK);
  for (j = 0; j < 64; ++j) assert_int_equal(scratch[bytes + j], 0xCA);
  free(scratch);
}

static float *copy_of(const float *p, size_t count) {
  float *q = (float *)malloc(count * sizeof *q);
  memcpy(q, p, count * sizeof *q);
  return q;
}

typedef struct results {
  float *z, *dx, *dw;
} results;
static results results_of(fixture *f, int fast) {
  results r;
  run(f, fast);
  r.z = copy_of(f->z, f->T * f->ldz);
  r.dx = copy_of(f->dx, f->T * f->ldx);
  r.dw = copy_of(f->dw, f->N * f->ldw);
  return r;
}
static void results_free(results *r) { free(r->z), free(r->dx), free(r->dw); }

static int are_same(const fixture *f, const results *a, const results *b) {
  return memcmp(a->z, b->z, f->T * f->ldz * sizeof(float)) == 0 &&
         memcmp(a->dx, b->dx, f->T * f->ldx * sizeof(float)) == 0 &&
         memcmp(a->dw, b->dw, f->N * f->ldw * sizeof(float)) == 0;
}

static const size_t shapes[][3] = {{4, 4, 4},     {8, 8, 12},   {36, 64, 32},
                                   {68, 60, 132}, {260, 36, 4}, {4, 300, 260},
                                   {64, 36, 132}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* beta 1 keeps the projection a multiple of 1/2, as the optimal survivors are.
 * The padding of all outputs is compared, too. */
static void exact_sums_are_the_same_bits(void **state) {
  int kind;
  size_t i;
  (void)state;
  for (i = 0; i < SHAPES; ++i)
    for (kind = 0; kind < KINDS; ++kind) {
      const size_t *s = shapes[i];
      fixture f = fixture_new(s[0], s[1], s[2], 1, i);
      results slow, fast;
      choose(&f, kind);
      f.layer.beta = 1.0f;
      f.layer.fp8 = 0;
      if (f.layer.mvue == SSTE_MVUE_APPROXIMATE) /* survivors are fractions */
        f.layer.mvue = SSTE_MVUE_OFF;
      slow = results_of(&f, 0);
      fast = results_of(&f, 1);
      assert_true(are_same(&f, &slow, &fast));
      results_free(&slow), results_free(&fast), fixture_free(&f);
    }
}

static void take_magnitudes(float *p, size_t count) {
  size_t i;
  for (i = 0; i < count; ++i) p[i] = p[i] < 0.0f ? -p[i] : p[i];
}

/* |a - b| <= n 2^-24 sum |terms|, and another rounding of each result. */
static void assert_within(const float *a, const float *b, const float *sum,
                          size_t rows, size_t cols, size_t ld, size_t n) {
  size_t r, c;
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; ++c) {
      const size_t i = r * ld + c;
      const double far = (double)a[i] - (double)b[i];
      const double most = (double)(n + 4) * 0x1p-24 * (double)sum[i];
      assert_true((far < 0.0 ? -far : far) <= most);
    }
}

/* Every rounding and draw depends on magnitudes alone, so that the layer of all
 * magnitudes sums the magnitudes of the terms. But stochastic rounding scales
 * before it draws, by the same scale. */
static void all_else_is_within_the_bound(void **state) {
  int kind;
  size_t i;
  (void)state;
  for (i = 1; i < SHAPES; ++i)
    for (kind = 0; kind < KINDS; ++kind) {
      const size_t *s = shapes[i];
      fixture f = fixture_new(s[0], s[1], s[2], 0, i);
      results slow, fast, sums;
      choose(&f, kind);
      slow = results_of(&f, 0);
      fast = results_of(&f, 1);
      take_magnitudes(f.w, f.N * f.ldw);
      take_magnitudes(f.x, f.T * f.ldx);
      take_magnitudes(f.dz, f.T * f.ldz);
      sums = results_of(&f, 0);
      assert_within(fast.z, slow.z, sums.z, f.T, f.N, f.ldz, f.K);
      assert_within(fast.dx, slow.dx, sums.dx, f.T, f.K, f.ldx, f.N);
      assert_within(fast.dw, slow.dw, sums.dw, f.N, f.K, f.ldw, f.T);
      results_free(&slow), results_free(&fast), results_free(&sums);
      fixture_free(&f);
    }
}

static void threads_do_not_change_a_bit(void **state) {
  int kind, threads;
  (void)state;
  for (kind = 0; kind < KINDS; kind += 5) {
    fixture f = fixture_new(264, 300, 136, 0, 7);
    results one, more;
    choose(&f, kind);
    test_threads(1);
    one = results_of(&f, 1);
    for (threads = 2; threads < 6; ++threads) {
      test_threads(threads);
      more = results_of(&f, 1);
      assert_true(are_same(&f, &one, &more));
      results_free(&more);
    }
    results_free(&one), fixture_free(&f);
  }
  test_threads(2);
}

/* dz = (1, 2, 0, 0) is its own sample, and names tokens 0 and 1 alone. */
static void a_sampled_gradient_multiplies_what_it_names(void **state) {
  int use;
  (void)state;
  for (use = SSTE_MVUE_OPTIMAL; use <= SSTE_MVUE_APPROXIMATE; ++use) {
    fixture f = fixture_new(4, 1, 4, 0, 8);
    size_t t, k;
    choose(&f, SOFT + SAMPLED * use); /* without FP8 */
    for (t = 0; t < 4; ++t) f.dz[t * f.ldz] = t < 2 ? (float)(t + 1) : 0.0f;
    for (k = 0; k < 4; ++k) f.x[2 * f.ldx + k] = sste_priv_float(SSTE_PRIV_INF);
    run(&f, 0);
    for (k = 0; k < 4; ++k)
      assert_same_float(f.dw[k], sste_priv_float(SSTE_PRIV_NAN));
    run(&f, 1);
    for (k = 0; k < 4; ++k)
      assert_true(sste_priv_magnitude(f.dw[k]) < SSTE_PRIV_INF);
    fixture_free(&f);
  }
}

static void scratch_grows_and_may_overflow(void **state) {
  fixture f = fixture_new(4, 4, 4, 0, 9);
  volatile size_t huge = SIZE_MAX / 64;
  size_t slow;
  (void)state;
  assert_int_equal(f.layer.fast, 0);
  slow = sste_linear_scratch_bytes(&f.layer, 4);
  f.layer.fast = 1;
  assert_true(sste_linear_scratch_bytes(&f.layer, 4) > slow);
  assert_true(sste_linear_scratch_bytes(&f.layer, 8) >=
              sste_linear_scratch_bytes(&f.layer, 4));
  f.layer.in_features = 1;
  f.layer.out_features = 1;
  assert_true(sste_linear_scratch_bytes(&f.layer, huge) == SIZE_MAX);
  fixture_free(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(exact_sums_are_the_same_bits),
      cmocka_unit_test(all_else_is_within_the_bound),
      cmocka_unit_test(threads_do_not_change_a_bit),
      cmocka_unit_test(a_sampled_gradient_multiplies_what_it_names),
      cmocka_unit_test(scratch_grows_and_may_overflow),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
