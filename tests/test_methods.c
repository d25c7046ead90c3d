/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_methods.c - the forerunners of S-STE: the layer with hard masks and with
 * dense weights, rounding at random, and the methods around the optimiser.
 *
 *   1. Forward and backward of every form against plain loops
 *   2. Gradients against finite differences, and straight through
 *   3. FP8 at random, alone and after MVUE
 *   4. Methods: presets, masks, decays, the two choices in warm-up
 *   5. What is refused
 *   6. Two layers trained by each method
 */
#include "slow_fp8.h"
#include "slow_mvue.h"
#include "slow_nm.h"
#include "sste_train.h"
#include "test.h"

static float *copy_of(const float *m, size_t rows, size_t cols, size_t ld) {
  float *p = (float *)calloc(rows * cols, sizeof *p);
  size_t i;
  for (i = 0; i < rows * cols; ++i) p[i] = m[i / cols * ld + i % cols];
  return p;
}

static int is_poisoned(const void *p, size_t bytes) {
  size_t i;
  for (i = 0; i < bytes; ++i)
    if (((const uint8_t *)p)[i] != 0xCA) return 0;
  return 1;
}

/* got, its rows ld apart and what lies between them still poisoned. */
static void assert_matrix(const float *got, size_t ld, const float *want,
                          size_t rows, size_t cols) {
  size_t r, c;
  for (r = 0; r < rows; ++r) {
    for (c = 0; c < cols; ++c)
      assert_same_float(got[r * ld + c], want[r * cols + c]);
    assert_true(is_poisoned(got + r * ld + cols, (ld - cols) * sizeof *got));
  }
}

/* ---- 1. Forward and backward of every form ------------------------------- */

typedef enum form { SOFT, MASKED, TRANSPOSABLE, DENSE, FORMS } form;
enum { PAD = 3, GUARD = 64 };

/* One call's matrices, their rows PAD longer than they need to be, and scratch
 * of just the bytes that are asked for, with a guard behind it. */
typedef struct fixture {
  size_t T, N, K, ldw, ldx, ldz;
  float *w, *x, *dz, *bias, *z, *dx, *dw, *db;
  uint8_t *mask, *scratch;
  size_t bytes;
  sste_linear layer;
  sste_mvue_stream stream;
} fixture;

typedef double (*source)(uint64_t *rng);

static double an_integer(uint64_t *rng) {
  return (double)(test_random(rng) % 17) - 8.0;
}

static float *filled(size_t rows, size_t ld, source draw, uint64_t *rng) {
  float *p = (float *)malloc(rows * ld * sizeof *p);
  size_t i;
  for (i = 0; i < rows * ld; ++i) p[i] = (float)draw(rng);
  return p;
}

static float *poisoned(size_t rows, size_t ld) {
  float *p = (float *)malloc(rows * ld * sizeof *p);
  test_poison(p, rows * ld * sizeof *p);
  return p;
}

/* Two ones among four zeros, anywhere. A byte that keeps need not be 1. */
static void a_row_of_two(uint8_t row[4], uint64_t *rng) {
  const uint64_t r = test_random(rng);
  memset(row, 0, 4);
  row[r % 4] = 0x80;
  row[(r + 1 + (r >> 8) % 3) % 4] = 1;
}

/* A tile with two in each row, or in each row and each column. */
static void a_tile(uint8_t *mask, size_t ld, int both, uint64_t *rng) {
  size_t r, c;
  int even;
  do {
    even = 1;
    for (r = 0; r < 4; ++r) a_row_of_two(mask + r * ld, rng);
    for (c = 0; c < 4 && both; ++c) {
      int kept = 0;
      for (r = 0; r < 4; ++r) kept += mask[r * ld + c] != 0;
      even &= kept == 2;
    }
  } while (!even);
}

/* Whole tiles, although N may end within one. */
static uint8_t *a_mask(size_t N, size_t K, size_t ld, int both, uint64_t *rng) {
  const size_t rows = (N + 3) / 4 * 4;
  uint8_t *mask = (uint8_t *)malloc(rows * ld);
  size_t n, k;
  test_poison(mask, rows * ld);
  for (n = 0; n < N; n += 4)
    for (k = 0; k < K; k += 4) a_tile(mask + n * ld + k, ld, both, rng);
  return mask;
}

static fixture fixture_new(form kind, size_t T, size_t N, size_t K,
                           source draw) {
  uint64_t rng = test_seed() + 131 * T + 17 * N + K;
  fixture f;
  f.T = T, f.N = N, f.K = K;
  f.ldw = f.ldx = K + PAD;
  f.ldz = N + PAD;
  f.w = filled(N, f.ldw, draw, &rng);
  f.x = filled(T, f.ldx, draw, &rng);
  f.dz = filled(T, f.ldz, draw, &rng);
  f.bias = filled(1, N, draw, &rng);
  f.z = poisoned(T, f.ldz);
  f.dx = poisoned(T, f.ldx);
  f.dw = poisoned(N, f.ldw);
  f.db = poisoned(1, N);
  f.mask = a_mask(N, K, f.ldw, kind == TRANSPOSABLE, &rng);
  assert_int_equal(sste_linear_init(&f.layer, f.w, f.ldw, N, K), SSTE_OK);
  f.layer.beta = 2.0f;
  f.layer.fp8 = f.layer.mvue = 0;
  f.layer.weights = kind == SOFT    ? SSTE_WEIGHTS_SOFT
                    : kind == DENSE ? SSTE_WEIGHTS_DENSE
                                    : SSTE_WEIGHTS_MASKED;
  f.layer.mask = f.mask;
  f.layer.ldm = f.ldw;
  f.layer.transposable = kind == TRANSPOSABLE;
  f.stream.seed = 0xFEDCBA9876543210u;
  f.stream.tensor = 5;
  f.stream.step = 77;
  f.stream.run = 1000;
  f.stream.group = 9;
  f.bytes = sste_linear_scratch_bytes(&f.layer, T);
  f.scratch = (uint8_t *)malloc(f.bytes + GUARD);
  test_poison(f.scratch, f.bytes + GUARD);
  return f;
}

static void fixture_free(fixture *f) {
  free(f->w), free(f->x), free(f->dz), free(f->bias), free(f->mask);
  free(f->z), free(f->dx), free(f->dw), free(f->db), free(f->scratch);
}

static sste_status run_forward(const fixture *f, const float *bias) {
  return sste_linear_forward(&f->layer, f->z, f->ldz, f->x, f->ldx, f->w,
                             f->ldw, bias, f->T, f->scratch, f->bytes);
}
static sste_status run_backward(const fixture *f) {
  return sste_linear_backward(&f->layer, f->dx, f->ldx, f->dw, f->ldw, f->db,
                              f->dz, f->ldz, f->x, f->ldx, f->w, f->ldw, f->T,
                              &f->stream, f->scratch, f->bytes);
}

static int outputs_are_untouched(const fixture *f) {
  return is_poisoned(f->z, f->T * f->ldz * sizeof *f->z) &&
         is_poisoned(f->dx, f->T * f->ldx * sizeof *f->dx) &&
         is_poisoned(f->dw, f->N * f->ldw * sizeof *f->dw) &&
         is_poisoned(f->db, f->N * sizeof *f->db);
}

static void assert_guarded(const fixture *f) {
  assert_true(is_poisoned(f->scratch + f->bytes, GUARD));
}

/* W~ by hand, contiguous. */
static float *hand_weights(const fixture *f) {
  float *w = copy_of(f->w, f->N, f->K, f->ldw);
  size_t i, j;
  for (i = 0; i < f->N * f->K; i += 4) {
    const uint8_t *mask = f->mask + i / f->K * f->ldw + i % f->K;
    float a[4], s[4];
    memcpy(a, w + i, sizeof a);
    slow_project_nm(s, a, 2, 4, f->layer.gamma);
    for (j = 0; j < 4; ++j) {
      if (f->layer.weights == SSTE_WEIGHTS_SOFT)
        w[i + j] = slow_scaled(f->layer.beta, s[j]);
      if (f->layer.weights == SSTE_WEIGHTS_MASKED && mask[j] == 0)
        w[i + j] = 0.0f;
    }
  }
  return w;
}

static slow_fp8 slow_of(sste_fp8_format f) {
  return slow_fp8_format(f.exponent_bits, f.mantissa_bits, f.bias,
                         f.specials == SSTE_FP8_IEEE);
}

/* The code of x by the slow path, rounded with a random word. */
static int slow_random_code(const slow_fp8 *f, float x, uint32_t word) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.rounding = SSTE_ROUND_STOCHASTIC;
  return slow_fp8_convert(f, rule, slow_number_of_float(test_bits(x)), word);
}

/* The documented word: number i & 3 of Philox at (group, run, step, tensor). */
static uint32_t slow_word(const sste_mvue_stream *s, size_t run, size_t i) {
  const uint32_t key[2] = {(uint32_t)s->seed, (uint32_t)(s->seed >> 32)};
  uint32_t x[4];
  x[0] = (uint32_t)(s->group + i / 4);
  x[1] = (uint32_t)(s->run + run);
  x[2] = s->step;
  x[3] = s->tensor;
  slow_philox(x, key);
  return x[i % 4];
}

/* Rounds a contiguous matrix to FP8 in place, at random down the columns where
 * there is a stream, and returns the scale. */
static double slow_quantise(float *m, size_t rows, size_t cols,
                            sste_fp8_format format,
                            const sste_mvue_stream *random) {
  const slow_fp8 f = slow_of(format);
  float amax = 0.0f, scale = 1.0f;
  size_t i;
  for (i = 0; i < rows * cols; ++i) amax = fmaxf(amax, fabsf(m[i]));
  if (amax > 0.0f) scale = (float)f.value[f.largest] / amax;
  for (i = 0; i < rows * cols; ++i) {
    const float x = m[i] * scale;
    int code = slow_fp8_encode(&f, x);
    if (random != NULL)
      code = slow_random_code(&f, x, slow_word(random, i % cols, i / cols));
    m[i] = slow_fp8_decode(&f, code);
  }
  return (double)scale;
}

/* Four tokens of a column at a time, by one word or by two. */
static void slow_sample(float *dz, const fixture *f) {
  const sste_mvue_stream *s = &f->stream;
  size_t n, t, i;
  uint32_t word[2];
  for (n = 0; n < f->N; ++n)
    for (t = 0; t < f->T; t += 4) {
      float a[4];
      for (i = 0; i < 4; ++i) a[i] = dz[(t + i) * f->N + n];
      slow_approx_words(word, s->seed, s->tensor, s->step, s->run + n,
                        s->group + t / 4);
      if (f->layer.mvue == SSTE_MVUE_APPROXIMATE)
        sste_mvue24_group_draw_approx(a, a, word[0], word[1]);
      else
        sste_mvue24_group_draw(a, a, sste_mvue_word(s, n, t / 4));
      for (i = 0; i < 4; ++i) dz[(t + i) * f->N + n] = a[i];
    }
}

/* A matrix as a product sees it: element (i, j) is at i * row + j * col. */
typedef struct operand {
  const float *p;
  size_t row, col;
} operand;

static operand operand_of(const float *p, size_t row, size_t col) {
  operand o;
  o.p = p, o.row = row, o.col = col;
  return o;
}

/* A B / scale in three plain loops, for A: rows x inner and B: inner x cols. */
static float *product(operand a, operand b, size_t rows, size_t inner,
                      size_t cols, double scale) {
  float *out = (float *)malloc(rows * cols * sizeof *out);
  size_t r, c, i;
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; ++c) {
      double sum = 0.0;
      for (i = 0; i < inner; ++i)
        sum += (double)a.p[r * a.row + i * a.col] *
               (double)b.p[i * b.row + c * b.col];
      out[r * cols + c] = (float)((double)(float)sum / scale);
    }
  return out;
}

static float *slow_layer_forward(const fixture *f, const float *bias) {
  const size_t T = f->T, N = f->N, K = f->K;
  const sste_fp8_format format = f->layer.forward_format;
  float *w = hand_weights(f), *x = copy_of(f->x, T, K, f->ldx), *z;
  double scale = 1.0;
  size_t i;
  if (f->layer.fp8) scale = slow_quantise(x, T, K, format, NULL);
  if (f->layer.fp8) scale *= slow_quantise(w, N, K, format, NULL);
  z = product(operand_of(x, K, 1), operand_of(w, 1, K), T, K, N, scale);
  for (i = 0; i < T * N && bias != NULL; ++i) z[i] += bias[i % N];
  free(w), free(x);
  return z;
}

static float *slow_layer_input_grad(const fixture *f) {
  const size_t T = f->T, N = f->N, K = f->K;
  const sste_fp8_format format = f->layer.input_grad_format;
  float *w = hand_weights(f), *dz = copy_of(f->dz, T, N, f->ldz), *dx;
  double scale = 1.0;
  if (f->layer.fp8) scale = slow_quantise(dz, T, N, format, NULL);
  if (f->layer.fp8) scale *= slow_quantise(w, N, K, format, NULL);
  dx = product(operand_of(dz, N, 1), operand_of(w, K, 1), T, N, K, scale);
  free(w), free(dz);
  return dx;
}

static float *slow_layer_weight_grad(const fixture *f) {
  const size_t T = f->T, N = f->N, K = f->K;
  const sste_fp8_format format = f->layer.weight_grad_format;
  const int random = f->layer.mvue && f->layer.stochastic;
  float *x = copy_of(f->x, T, K, f->ldx), *dz = copy_of(f->dz, T, N, f->ldz);
  float *dw;
  sste_mvue_stream stream = f->stream;
  double scale = 1.0;
  size_t i;
  stream.tensor = f->layer.rounding_tensor;
  if (f->layer.mvue) slow_sample(dz, f);
  if (f->layer.fp8)
    scale = slow_quantise(dz, T, N, format, random ? &stream : NULL);
  if (f->layer.fp8) scale *= slow_quantise(x, T, K, format, NULL);
  dw = product(operand_of(dz, 1, N), operand_of(x, K, 1), N, T, K, scale);
  for (i = 0; i < N * K; ++i)
    if (f->layer.scale_gradient && f->layer.weights == SSTE_WEIGHTS_SOFT)
      dw[i] *= f->layer.beta;
  free(x), free(dz);
  return dw;
}

static void check_forward(const fixture *f, const float *bias) {
  float *z = slow_layer_forward(f, bias);
  test_poison(f->z, f->T * f->ldz * sizeof *f->z);
  assert_int_equal(run_forward(f, bias), SSTE_OK);
  assert_matrix(f->z, f->ldz, z, f->T, f->N);
  assert_guarded(f);
  free(z);
}

static void check_backward(const fixture *f) {
  float *dx = slow_layer_input_grad(f), *dw = slow_layer_weight_grad(f);
  size_t t, n;
  test_poison(f->dx, f->T * f->ldx * sizeof *f->dx);
  test_poison(f->dw, f->N * f->ldw * sizeof *f->dw);
  assert_int_equal(run_backward(f), SSTE_OK);
  assert_matrix(f->dx, f->ldx, dx, f->T, f->K);
  assert_matrix(f->dw, f->ldw, dw, f->N, f->K);
  for (n = 0; n < f->N; ++n) {
    double sum = 0.0;
    for (t = 0; t < f->T; ++t) sum += (double)f->dz[t * f->ldz + n];
    assert_same_float(f->db[n], (float)sum);
  }
  assert_guarded(f);
  free(dx), free(dw);
}

/* Tall, wide and flat: each part of the scratch is the largest somewhere, and
 * the metadata of W~ or of its transpose the longer. */
static const size_t shapes[][3] = {{4, 4, 4},   {4, 8, 12},  {4, 12, 8},
                                   {4, 20, 36}, {40, 4, 4},  {40, 4, 32},
                                   {40, 36, 4}, {68, 68, 72}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* With integers every sum is exact: neither order nor rounding matters. */
static void integers_come_out_exactly(void **state) {
  size_t i;
  (void)state;
  for (i = 0; i < SHAPES * FORMS; ++i) {
    const size_t *s = shapes[i / FORMS];
    fixture f = fixture_new((form)(i % FORMS), s[0], s[1], s[2], an_integer);
    test_threads(1 + (int)i % 3);
    check_forward(&f, NULL);
    check_forward(&f, f.bias);
    check_backward(&f);
    f.layer.scale_gradient = 1; /* by beta, which soft weights alone hold */
    check_backward(&f);
    fixture_free(&f);
  }
}

/* Every form with every choice of sampling and rounding; without FP8 or without
 * sampling, `stochastic` changes nothing. */
static void fp8_and_sampling_follow_the_slow_path(void **state) {
  size_t i, options;
  (void)state;
  for (i = 0; i < SHAPES * FORMS; ++i)
    for (options = 0; options < 12; ++options) {
      const size_t *s = shapes[i / FORMS];
      fixture f = fixture_new((form)(i % FORMS), s[0], s[1], s[2], test_normal);
      f.layer.fp8 = (int)(options % 2);
      f.layer.mvue = (sste_mvue_use)(options / 2 % 3);
      f.layer.stochastic = (int)(options / 6);
      f.layer.gamma = (float)options / 16.0f; /* soft weights alone heed it */
      f.layer.rounding_tensor += (uint32_t)options;
      test_threads(1 + (int)options % 3);
      check_forward(&f, f.bias);
      check_backward(&f);
      fixture_free(&f);
    }
}

/* Only transposable masks want full groups of out-features. */
static void ragged_shapes_suit_all_but_transposable_masks(void **state) {
  int kind;
  (void)state;
  for (kind = SOFT; kind < FORMS; ++kind) {
    fixture f = fixture_new((form)kind, 7, 6, 8, an_integer);
    if (kind == TRANSPOSABLE) {
      assert_int_equal(run_forward(&f, NULL), SSTE_ERR_SHAPE);
      assert_int_equal(run_backward(&f), SSTE_ERR_SHAPE);
      assert_true(outputs_are_untouched(&f));
    } else {
      check_forward(&f, f.bias);
      check_backward(&f);
    }
    fixture_free(&f);
  }
}

/* The sum over the kept half is the sum over all, to the bit. */
static void transposable_product_has_the_dense_bits(void **state) {
  size_t i, e;
  (void)state;
  for (i = 0; i < 2 * SHAPES; ++i) {
    const size_t *s = shapes[i / 2];
    fixture f = fixture_new(TRANSPOSABLE, s[0], s[1], s[2], test_normal);
    float *sparse;
    for (e = 0; e < f.N * f.ldw; ++e)
      f.w[e] = ldexpf(f.w[e], (int)(e % 60) - 30);
    f.layer.fp8 = (int)(i % 2);
    assert_int_equal(run_backward(&f), SSTE_OK);
    sparse = copy_of(f.dx, f.T, f.ldx, f.ldx);
    f.layer.transposable = 0;
    assert_int_equal(run_backward(&f), SSTE_OK);
    assert_memory_equal(sparse, f.dx, f.T * f.ldx * sizeof *sparse);
    free(sparse);
    fixture_free(&f);
  }
}

/* What tells the two products apart: an infinity times a pruned weight is NaN
 * in the dense one, and does not happen in the sparse one. */
static void transposable_product_skips_what_is_pruned(void **state) {
  int transposable;
  (void)state;
  for (transposable = 0; transposable < 2; ++transposable) {
    fixture f = fixture_new(TRANSPOSABLE, 4, 4, 4, an_integer);
    size_t k, nans = 0;
    for (k = 0; k < f.N * f.ldw; ++k) f.w[k] = 1.0f;
    f.dz[0] = INFINITY;
    f.layer.transposable = transposable;
    assert_int_equal(run_backward(&f), SSTE_OK);
    for (k = 0; k < 4; ++k) nans += isnan(f.dx[k]) != 0;
    assert_int_equal(nans, transposable ? 0 : 2);
    fixture_free(&f);
  }
}

static void only_masked_layers_look_at_the_mask(void **state) {
  const form kinds[2] = {SOFT, DENSE};
  int i;
  (void)state;
  for (i = 0; i < 2; ++i) {
    fixture f = fixture_new(kinds[i], 4, 8, 8, an_integer);
    f.layer.mask = NULL;
    f.layer.ldm = 0;
    f.layer.transposable = 1;
    check_forward(&f, NULL);
    check_backward(&f);
    fixture_free(&f);
  }
}

static void a_pruned_nan_meets_nothing(void **state) {
  fixture f = fixture_new(MASKED, 4, 4, 8, an_integer);
  size_t e;
  (void)state;
  for (e = 0; e < f.N * f.ldw; ++e)
    if (f.mask[e] == 0) f.w[e] = NAN;
  check_forward(&f, f.bias);
  check_backward(&f);
  fixture_free(&f);
}

/* A layer of one out-feature. */
static sste_linear row_layer(const float *w, size_t K) {
  sste_linear layer;
  memset(&layer, 0, sizeof layer);
  assert_int_equal(sste_linear_init(&layer, w, K, 1, K), SSTE_OK);
  return layer;
}

static void one_group_gives_the_header_s_numbers(void **state) {
  const float w[4] = {4, -3, 2, -1}, x[4] = {1, 1, 1, 1};
  const float sums[3] = {2.2f, 1.0f, 2.0f}; /* soft, masked, dense */
  const uint8_t mask[4] = {1, 1, 0, 0};
  float z, scratch[32];
  sste_linear layer;
  int i;
  (void)state;
  layer = row_layer(w, 4);
  assert_same_float(layer.beta, 2.2f);
  assert_int_equal(layer.weights, SSTE_WEIGHTS_SOFT);
  assert_true(layer.mask == NULL && layer.transposable == 0);
  assert_true(layer.stochastic == 0 && layer.rounding_tensor == 0x80000000u);
  layer.fp8 = 0;
  layer.mask = mask;
  for (i = 0; i < 3; ++i) {
    layer.weights = (sste_weights)i;
    assert_int_equal(sste_linear_forward(&layer, &z, 1, x, 4, w, 4, NULL, 1,
                                         scratch, sizeof scratch),
                     SSTE_OK);
    assert_same_float(z, sums[i]);
  }
}

/* ---- 2. Gradients -------------------------------------------------------- */

/* L = 1/2 sum c (Z - y)^2 for Z = X W~^T + b, in double. It is quadratic in
 * each number, so a central difference is the derivative but for roundings. */
typedef struct smooth_loss {
  size_t T, N, K;
  double *x, *w, *b, *c, *y;
} smooth_loss;

static double *widened(const float *m, size_t rows, size_t cols, size_t ld) {
  double *p = (double *)malloc(rows * cols * sizeof *p);
  size_t i;
  for (i = 0; i < rows * cols; ++i) p[i] = (double)m[i / cols * ld + i % cols];
  return p;
}

static double loss_value(const smooth_loss *l) {
  double sum = 0.0;
  size_t t, n, k;
  for (t = 0; t < l->T; ++t)
    for (n = 0; n < l->N; ++n) {
      double miss = l->b[n] - l->y[t * l->N + n];
      for (k = 0; k < l->K; ++k)
        miss += l->x[t * l->K + k] * l->w[n * l->K + k];
      sum += 0.5 * l->c[t * l->N + n] * miss * miss;
    }
  return sum;
}

static double loss_slope(const smooth_loss *l, double *at) {
  const double middle = *at, h = 0x1p-10;
  double up, down;
  *at = middle + h;
  up = loss_value(l);
  *at = middle - h;
  down = loss_value(l);
  *at = middle;
  return (up - down) / (2.0 * h);
}

static smooth_loss loss_new(const fixture *f, uint64_t *rng) {
  smooth_loss l;
  float *w = hand_weights(f);
  size_t i;
  l.T = f->T, l.N = f->N, l.K = f->K;
  l.x = widened(f->x, l.T, l.K, f->ldx);
  l.w = widened(w, l.N, l.K, l.K);
  l.b = widened(f->bias, 1, l.N, l.N);
  l.c = (double *)malloc(l.T * l.N * sizeof *l.c);
  l.y = (double *)malloc(l.T * l.N * sizeof *l.y);
  for (i = 0; i < l.T * l.N; ++i) {
    l.c[i] = 0.5 + test_uniform(rng);
    l.y[i] = test_normal(rng);
  }
  free(w);
  return l;
}

static void loss_free(smooth_loss *l) {
  free(l->x), free(l->w), free(l->b), free(l->c), free(l->y);
}

/* Forward by the layer, dZ by hand, backward by the layer. */
static void run_step(const fixture *f, const smooth_loss *l) {
  size_t i;
  assert_int_equal(run_forward(f, f->bias), SSTE_OK);
  for (i = 0; i < f->T * f->N; ++i) {
    const size_t at = i / f->N * f->ldz + i % f->N;
    f->dz[at] = (float)(l->c[i] * ((double)f->z[at] - l->y[i]));
  }
  assert_int_equal(run_backward(f), SSTE_OK);
}

/* Z, dZ and the gradient are rounded to float, and a gradient sums 12 products
 * of some 10: 12 * 10 * 2^-23 = 1.4e-5. */
static const double slack = 2e-5;

static void gradients_are_finite_differences(void **state) {
  uint64_t rng = test_seed();
  int kind;
  (void)state;
  for (kind = SOFT; kind < FORMS; ++kind) {
    fixture f = fixture_new((form)kind, 12, 8, 8, test_normal);
    smooth_loss l = loss_new(&f, &rng);
    size_t i;
    run_step(&f, &l);
    for (i = 0; i < f.T * f.K; ++i)
      assert_near((double)f.dx[i / f.K * f.ldx + i % f.K],
                  loss_slope(&l, &l.x[i]), slack);
    for (i = 0; i < f.N * f.K; ++i) /* by W~, also where it is pruned */
      assert_near((double)f.dw[i / f.K * f.ldw + i % f.K],
                  loss_slope(&l, &l.w[i]), slack);
    for (i = 0; i < f.N; ++i)
      assert_near((double)f.db[i], loss_slope(&l, &l.b[i]), slack);
    loss_free(&l);
    fixture_free(&f);
  }
}

/* beta S of one group in double: what lies above the second smallest. */
static void project_in_double(double out[4], const double a[4], double beta) {
  int i, j;
  for (i = 0; i < 4; ++i) {
    double below = 0.0;
    int smaller = 0;
    for (j = 0; j < 4; ++j) {
      int rank = 0, k;
      for (k = 0; k < 4; ++k) rank += fabs(a[k]) < fabs(a[j]);
      if (rank == 1) below = fabs(a[j]);
      smaller += fabs(a[j]) < fabs(a[i]);
    }
    out[i] = smaller < 2 ? 0.0 : beta * copysign(fabs(a[i]) - below, a[i]);
  }
}

/* The loss as a function of the dense weights, where no order in a group
 * changes: a survivor moves its own W~ by beta, so that its straight-through
 * gradient times beta is the true one. */
static void times_beta_is_the_slope_of_survivors(void **state) {
  uint64_t rng = test_seed() + 1;
  fixture f = fixture_new(SOFT, 12, 8, 8, test_normal);
  smooth_loss l = loss_new(&f, &rng);
  const double h = 0x1p-20, beta = 2.0;
  size_t i, j, survivors = 0;
  (void)state;
  f.layer.scale_gradient = 1;
  run_step(&f, &l);
  for (i = 0; i < f.N * f.K; ++i) {
    double *const w = l.w + i / 4 * 4, before[4], dense[4], up, down;
    if (l.w[i] == 0.0) continue;
    memcpy(before, w, sizeof before);
    for (j = 0; j < 4; ++j)
      dense[j] = (double)f.w[i / f.K * f.ldw + i % f.K / 4 * 4 + j];
    dense[i % 4] += h;
    project_in_double(w, dense, beta);
    up = loss_value(&l);
    dense[i % 4] -= 2.0 * h;
    project_in_double(w, dense, beta);
    down = loss_value(&l);
    memcpy(w, before, sizeof before);
    assert_near((double)f.dw[i / f.K * f.ldw + i % f.K],
                (up - down) / (2.0 * h), beta * slack);
    ++survivors;
  }
  assert_int_equal(survivors, f.N * f.K / 2);
  loss_free(&l);
  fixture_free(&f);
}

/* Straight through: from dZ and X alone, whatever the weights and the mask, and
 * no entry is left out. */
static void dw_knows_neither_weights_nor_mask(void **state) {
  fixture dense = fixture_new(DENSE, 12, 8, 8, test_normal);
  int kind;
  size_t i;
  (void)state;
  assert_int_equal(run_backward(&dense), SSTE_OK);
  for (i = 0; i < dense.N * dense.K; ++i)
    assert_true(dense.dw[i / dense.K * dense.ldw + i % dense.K] != 0.0f);
  dense.layer.fp8 = dense.layer.mvue = dense.layer.stochastic = 1;
  assert_int_equal(run_backward(&dense), SSTE_OK);
  for (kind = SOFT; kind < DENSE; ++kind) {
    fixture f = fixture_new((form)kind, 12, 8, 8, test_normal);
    f.layer.fp8 = f.layer.mvue = f.layer.stochastic = 1;
    for (i = 0; i < f.N * f.ldw; ++i) f.w[i] *= -3.0f;
    assert_int_equal(run_backward(&f), SSTE_OK);
    assert_memory_equal(f.dw, dense.dw, f.N * f.ldw * sizeof *f.dw);
    fixture_free(&f);
  }
  fixture_free(&dense);
}

/* ---- 3. FP8 at random ---------------------------------------------------- */

static const sste_mvue_stream here = {0x0123456789ABCDEFu, 9, 4, 300, 70};

static sste_status encode(uint8_t *code, size_t ldc, const float *x, size_t ldx,
                          size_t rows, size_t cols, sste_fp8_format f,
                          float scale, sste_axis axis) {
  return sste_fp8_tensor_encode_stochastic(code, ldc, x, ldx, rows, cols, f,
                                           scale, axis, &here);
}

/* The word of element (r, c). */
static uint32_t word_at(size_t r, size_t c, sste_axis axis) {
  return axis == SSTE_ALONG_ROWS ? slow_word(&here, r, c)
                                 : slow_word(&here, c, r);
}

/* Whether a code has the sign of y and one of the two numbers around it; beyond
 * the largest that is the largest. */
static int is_neighbour(const slow_fp8 *f, int code, float y) {
  const int number = code % 128;
  const double a = fmin(fabs((double)y), f->value[f->largest]);
  return code / 128 == (signbit(y) != 0) && number <= f->largest &&
         (f->value[number] == a ||
          (f->value[number] < a && a < f->value[number + 1]) ||
          (number > 0 && f->value[number - 1] < a && a < f->value[number]));
}

/* Values of all binades of a format and beyond, both axes, runs that do not
 * fill their last group: every code is a neighbour, and of the two the one that
 * the documented word picks. */
static void words_pick_one_of_two_neighbours(void **state) {
  const sste_fp8_format formats[] = {sste_fp8_e4m3fn(), sste_fp8_e5m2(),
                                     sste_fp8_e3m4(), sste_fp8_e3m4fn()};
  const float scales[] = {1.0f, 0.3f, 0x1p20f, 1e-10f};
  enum { ROWS = 38, COLS = 27, LDX = COLS + PAD, LDC = COLS + 1 };
  float x[ROWS * LDX];
  uint8_t code[ROWS * LDC];
  uint64_t rng = test_seed();
  size_t pass, r, c;
  (void)state;
  for (pass = 0; pass < 32; ++pass) {
    const slow_fp8 f = slow_of(formats[pass % 4]);
    const sste_axis axis = (sste_axis)(pass / 4 % 2);
    const float scale = scales[pass / 8];
    for (r = 0; r < ROWS * LDX; ++r)
      x[r] = (float)ldexp(test_normal(&rng), (int)(r % 37) - 20) / scale;
    x[0] = -0.0f, x[1] = INFINITY, x[2] = -INFINITY, x[3] = NAN;
    test_poison(code, sizeof code);
    test_threads(1 + (int)pass % 3);
    assert_int_equal(
        encode(code, LDC, x, LDX, ROWS, COLS, formats[pass % 4], scale, axis),
        SSTE_OK);
    for (r = 0; r < ROWS; ++r) {
      for (c = 0; c < COLS; ++c) {
        const float y = x[r * LDX + c] * scale;
        const int got = code[r * LDC + c];
        assert_true(isnan(y) ? got == 0x7F : is_neighbour(&f, got, y));
        assert_int_equal(got, slow_random_code(&f, y, word_at(r, c, axis)));
      }
      assert_true(is_poisoned(code + r * LDC + COLS, LDC - COLS));
    }
  }
}

/* A word w turns its element at 1 - w / 2^32 of the gap: the last float before
 * that point goes down, the next one up. So of all words floor(f 2^32) go up,
 * and the mean is right to 2^-32 of the gap. Below the smallest number floats
 * are so fine that a word is told from the next. */
static void words_turn_where_the_mean_needs_it(void **state) {
  enum { SIDE = 128, COUNT = SIDE * SIDE };
  const sste_fp8_format e4m3 = sste_fp8_e4m3fn();
  const slow_fp8 f = slow_of(e4m3);
  float *down = (float *)malloc(COUNT * sizeof *down);
  float *up = (float *)malloc(COUNT * sizeof *up);
  uint8_t *below = (uint8_t *)malloc(COUNT), *above = (uint8_t *)malloc(COUNT);
  int *from = (int *)malloc(COUNT * sizeof *from);
  uint64_t rng = test_seed();
  size_t i, told_apart = 0;
  (void)state;
  for (i = 0; i < COUNT; ++i) {
    const int any = (int)(test_random(&rng) % (uint64_t)f.largest);
    const int code = from[i] = i % 2 == 0 ? 0 : any;
    const uint32_t word = word_at(i / SIDE, i % SIDE, SSTE_DOWN_COLUMNS);
    const double gap = f.value[code + 1] - f.value[code];
    const double turn = f.value[code] + gap * (1.0 - (double)word * 0x1p-32);
    const float x = (float)turn;
    up[i] = (double)x < turn ? nextafterf(x, INFINITY) : x;
    down[i] = (double)x < turn ? x : nextafterf(x, 0.0f);
    told_apart += (double)up[i] - (double)down[i] <= gap * 0x1p-32;
    if (any % 3 == 0) up[i] = -up[i], down[i] = -down[i];
  }
  assert_int_equal(encode(below, SIDE, down, SIDE, SIDE, SIDE, e4m3, 1.0f,
                          SSTE_DOWN_COLUMNS),
                   SSTE_OK);
  assert_int_equal(
      encode(above, SIDE, up, SIDE, SIDE, SIDE, e4m3, 1.0f, SSTE_DOWN_COLUMNS),
      SSTE_OK);
  for (i = 0; i < COUNT; ++i) {
    assert_int_equal(below[i] % 128, from[i]);
    assert_int_equal(above[i] % 128, from[i] + 1);
  }
  assert_true(told_apart > 10);
  free(down), free(up), free(below), free(above), free(from);
}

/* 1.2 lies 0.6 of the way from 0x39 to 0x3A. */
static void six_words_in_ten_go_up(void **state) {
  enum { SIDE = 256, COUNT = SIDE * SIDE };
  float *x = (float *)malloc(COUNT * sizeof *x);
  uint8_t *code = (uint8_t *)malloc(COUNT);
  size_t i, up = 0;
  (void)state;
  for (i = 0; i < COUNT; ++i) x[i] = 1.2f;
  assert_int_equal(encode(code, SIDE, x, SIDE, SIDE, SIDE, sste_fp8_e4m3fn(),
                          1.0f, SSTE_ALONG_ROWS),
                   SSTE_OK);
  for (i = 0; i < COUNT; ++i) {
    assert_true(code[i] == 0x39 || code[i] == 0x3A);
    up += code[i] == 0x3A;
  }
  assert_near((double)up / COUNT, 0.6, 5.0 * sqrt(0.6 * 0.4 / COUNT));
  free(x), free(code);
}

static void slices_round_as_the_whole_does(void **state) {
  enum { ROWS = 24, COLS = 32 };
  const sste_fp8_format e5m2 = sste_fp8_e5m2();
  const size_t first[2][2] = {{5, 12}, {8, 7}}; /* row and column, by axis */
  float x[ROWS * COLS];
  uint8_t whole[ROWS * COLS], part[ROWS * COLS];
  uint64_t rng = test_seed();
  int axis;
  size_t i;
  (void)state;
  for (i = 0; i < ROWS * COLS; ++i) x[i] = (float)test_normal(&rng);
  for (axis = 0; axis < 2; ++axis) {
    const size_t r0 = first[axis][0], c0 = first[axis][1];
    sste_mvue_stream there = here;
    there.run += axis == SSTE_ALONG_ROWS ? r0 : c0;
    there.group += (axis == SSTE_ALONG_ROWS ? c0 : r0) / 4;
    assert_int_equal(
        encode(whole, COLS, x, COLS, ROWS, COLS, e5m2, 1.0f, (sste_axis)axis),
        SSTE_OK);
    assert_int_equal(sste_fp8_tensor_encode_stochastic(
                         part, COLS, x + r0 * COLS + c0, COLS, ROWS - r0,
                         COLS - c0, e5m2, 1.0f, (sste_axis)axis, &there),
                     SSTE_OK);
    for (i = r0; i < ROWS; ++i)
      assert_memory_equal(part + (i - r0) * COLS, whole + i * COLS + c0,
                          COLS - c0);
  }
}

/* Groups whose survivors, 1.1, or 1.65 and 4.95, lie well off the middle
 * between two numbers of E5M2. */
static const float groups[2][4] = {{0.22f, -0.44f, 0.66f, 0.88f},
                                   {-0.55f, 0.55f, 4.95f, 0.55f}};

/* The exact variance of each element after sampling and rounding at random at a
 * scale of 1: it survives as v = max(|a|, tau) with probability |a| / v, and
 * then goes to the number below v or above. */
static void sampled_variance(double variance[4], const float a[4],
                             const slow_fp8 *f) {
  double sum = 0.0, largest = 0.0, tau;
  int i;
  for (i = 0; i < 4; ++i) {
    sum += fabs((double)a[i]);
    largest = fmax(largest, fabs((double)a[i]));
  }
  tau = fmin(sum / 2.0, sum - largest);
  for (i = 0; i < 4; ++i) {
    const double size = fabs((double)a[i]), v = fmax(size, tau);
    const int below = slow_fp8_below(f, v);
    const double spread = (v - f->value[below]) * (f->value[below + 1] - v);
    variance[i] = size / v * (v * v + spread) - size * size;
  }
}

/* E[Q(MVUE(dZ))] = dZ. The same samples rounded to nearest miss it. */
static void rounding_at_random_keeps_samples_unbiased(void **state) {
  enum { SEEDS = 16, COLS = 4096, DRAWS = SEEDS * COLS };
  const slow_fp8 f = slow_of(sste_fp8_e5m2());
  float *x = (float *)malloc(4 * COLS * sizeof *x);
  uint8_t *code = (uint8_t *)malloc(4 * COLS);
  size_t g, seed, i;
  (void)state;
  for (g = 0; g < 2; ++g) {
    double mean[4] = {0.0}, nearest[4] = {0.0}, variance[4];
    for (seed = 0; seed < SEEDS; ++seed) {
      sste_mvue_stream draw = here, rounding = here;
      draw.seed = rounding.seed = test_seed() + seed;
      rounding.tensor = draw.tensor + 1;
      for (i = 0; i < 4 * COLS; ++i) x[i] = groups[g][i / COLS];
      assert_int_equal(sste_mvue24_tensor_draw(x, COLS, x, COLS, 4, COLS,
                                               SSTE_DOWN_COLUMNS, &draw),
                       SSTE_OK);
      assert_int_equal(sste_fp8_tensor_encode_stochastic(
                           code, COLS, x, COLS, 4, COLS, sste_fp8_e5m2(), 1.0f,
                           SSTE_DOWN_COLUMNS, &rounding),
                       SSTE_OK);
      for (i = 0; i < 4 * COLS; ++i) {
        const int biased = slow_fp8_encode(&f, x[i]);
        mean[i / COLS] += (double)slow_fp8_decode(&f, code[i]) / DRAWS;
        nearest[i / COLS] += (double)slow_fp8_decode(&f, biased) / DRAWS;
      }
    }
    sampled_variance(variance, groups[g], &f);
    for (i = 0; i < 4; ++i) {
      const double error = sqrt(variance[i] / DRAWS);
      assert_near(mean[i], (double)groups[g][i], 5.0 * error);
      assert_true(fabs(nearest[i] - (double)groups[g][i]) > 5.0 * error);
    }
  }
  free(x), free(code);
}

/* The same through the layer: E[dW] = dZ^T Q(X) with stochastic = 1, and not
 * with 0. X is diagonal, so each dW is one element of the sample times one of
 * Q(X). The sevens fix both amax, and with them the scales, at 57344 / 7 =
 * 2^13. X is rounded to nearest: its 1.1 counts as 1. */
static void rounding_at_random_keeps_dw_unbiased(void **state) {
  enum { DRAWS_PER_STEP = 1024, CALLS = 64, DRAWS = CALLS * DRAWS_PER_STEP };
  const slow_fp8 e5m2 = slow_of(sste_fp8_e5m2());
  const float diagonal[4] = {7.0f, 1.1f, 1.0f, -2.0f};
  const double rounded[4] = {7.0, 1.0, 1.0, -2.0};
  int stochastic;
  (void)state;
  for (stochastic = 0; stochastic < 2; ++stochastic) {
    fixture f = fixture_new(DENSE, 4, DRAWS_PER_STEP + 1, 4, test_normal);
    double mean[4] = {0.0}, variance[4];
    size_t t, n;
    for (t = 0; t < 4; ++t) {
      for (n = 0; n < DRAWS_PER_STEP; ++n) f.dz[t * f.ldz + n] = groups[0][t];
      f.dz[t * f.ldz + n] = t == 3 ? 7.0f : 0.0f;
      for (n = 0; n < 4; ++n) f.x[t * f.ldx + n] = n == t ? diagonal[t] : 0.0f;
    }
    f.layer.fp8 = f.layer.mvue = 1;
    f.layer.stochastic = stochastic;
    for (f.stream.step = 0; f.stream.step < CALLS; ++f.stream.step) {
      assert_int_equal(run_backward(&f), SSTE_OK);
      for (n = 0; n < DRAWS_PER_STEP; ++n)
        for (t = 0; t < 4; ++t) mean[t] += (double)f.dw[n * f.ldw + t] / DRAWS;
    }
    sampled_variance(variance, groups[0], &e5m2);
    for (t = 0; t < 4; ++t) {
      const double error = fabs(rounded[t]) * sqrt(variance[t] / DRAWS);
      const double miss = mean[t] - rounded[t] * (double)groups[0][t];
      assert_true((fabs(miss) <= 5.0 * error) == stochastic);
    }
    fixture_free(&f);
  }
}

/* ---- 4. Methods ---------------------------------------------------------- */

enum { STEPS = 300, SWITCH = 30, METHODS = 7 };
static const float lambda = 0.25f;

static sste_method method_of(int which) {
  switch (which) {
    case 0: return sste_method_dense();
    case 1: return sste_method_ste();
    case 2: return sste_method_sr_ste(lambda);
    case 3: return sste_method_masked_decay(lambda);
    case 4: return sste_method_t_sr_ste(lambda, STEPS);
    case 5: return sste_method_step(SWITCH);
    default: return sste_method_s_ste();
  }
}

/* What each is, in that order: weights, transposable, mask_every, decay,
 * lambda, beta, gamma, beta_every_step, sparse_from, dense_from, freezing. */
static const sste_method presets[METHODS] = {
    {SSTE_WEIGHTS_DENSE, 0, 1, SSTE_DECAY_NONE, 0.0f, SSTE_BETA_MIN_MSE, 0.0f,
     0, 0, SIZE_MAX, 0},
    {SSTE_WEIGHTS_MASKED, 0, 1, SSTE_DECAY_NONE, 0.0f, SSTE_BETA_MIN_MSE, 0.0f,
     0, 0, SIZE_MAX, 0},
    {SSTE_WEIGHTS_MASKED, 0, 1, SSTE_DECAY_WEIGHT, 0.25f, SSTE_BETA_MIN_MSE,
     0.0f, 0, 0, SIZE_MAX, 0},
    {SSTE_WEIGHTS_MASKED, 0, 1, SSTE_DECAY_GRADIENT, 0.25f, SSTE_BETA_MIN_MSE,
     0.0f, 0, 0, SIZE_MAX, 0},
    {SSTE_WEIGHTS_MASKED, 1, 40, SSTE_DECAY_GRADIENT, 0.25f, SSTE_BETA_MIN_MSE,
     0.0f, 0, 0, 250, 0},
    {SSTE_WEIGHTS_MASKED, 0, 1, SSTE_DECAY_NONE, 0.0f, SSTE_BETA_MIN_MSE, 0.0f,
     0, SWITCH, SIZE_MAX, 1},
    {SSTE_WEIGHTS_SOFT, 0, 1, SSTE_DECAY_NONE, 0.0f, SSTE_BETA_MIN_MSE, 0.0f, 0,
     0, SIZE_MAX, 0}};

static void presets_are_what_their_papers_say(void **state) {
  int i;
  (void)state;
  for (i = 0; i < METHODS; ++i) {
    const sste_method got = method_of(i), want = presets[i];
    assert_int_equal(got.weights, want.weights);
    assert_int_equal(got.transposable, want.transposable);
    assert_true(got.mask_every == want.mask_every);
    assert_int_equal(got.decay, want.decay);
    assert_same_float(got.lambda, want.lambda);
    assert_int_equal(got.beta, want.beta);
    assert_same_float(got.gamma, want.gamma);
    assert_int_equal(got.beta_every_step, want.beta_every_step);
    assert_true(got.sparse_from == want.sparse_from);
    assert_true(got.dense_from == want.dense_from);
    assert_int_equal(got.freeze_second_moment, want.freeze_second_moment);
  }
}

/* floor(5 steps / 6), also where 5 steps is beyond size_t. */
static void the_last_sixth_is_dense(void **state) {
  const size_t sixth = SIZE_MAX / 6;
  size_t steps;
  (void)state;
  for (steps = 0; steps < 100; ++steps)
    assert_true(sste_method_t_sr_ste(lambda, steps).dense_from ==
                5 * steps / 6);
  for (steps = 0; steps < 6; ++steps)
    assert_true(
        sste_method_t_sr_ste(lambda, 6 * (sixth - 1) + steps).dense_from ==
        5 * (sixth - 1) + 5 * steps / 6);
}

static void methods_switch_at_their_steps(void **state) {
  const size_t steps[] = {0, 29, 30, 249, 250, 299};
  const int sparse[METHODS][6] = {{0, 0, 0, 0, 0, 0}, {1, 1, 1, 1, 1, 1},
                                  {1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1},
                                  {1, 1, 1, 1, 0, 0}, {0, 0, 1, 1, 1, 1},
                                  {1, 1, 1, 1, 1, 1}};
  int i, j;
  (void)state;
  for (i = 0; i < METHODS; ++i)
    for (j = 0; j < 6; ++j) {
      const sste_method method = method_of(i);
      assert_int_equal(sste_method_is_sparse(&method, steps[j]), sparse[i][j]);
    }
}

/* Two of four, for one row of a tile. */
static const int row_pairs[6] = {3, 5, 9, 6, 10, 12};

/* The pattern of most weight among all of four such rows that leave two in each
 * column. For integers, so that sums are exact, and equal ones unlikely. */
static int slow_tile(const float *w, size_t ld) {
  double best = -1.0;
  int choice, best_mask = 0;
  for (choice = 0; choice < 6 * 6 * 6 * 6; ++choice) {
    const int rows[4] = {row_pairs[choice % 6], row_pairs[choice / 6 % 6],
                         row_pairs[choice / 36 % 6], row_pairs[choice / 216]};
    int kept[4] = {0, 0, 0, 0}, mask = 0, r, c;
    double score = 0.0;
    for (r = 0; r < 4; ++r)
      for (c = 0; c < 4; ++c)
        if (rows[r] >> c & 1) {
          score += fabs((double)w[(size_t)r * ld + (size_t)c]);
          mask |= 1 << (4 * r + c);
          ++kept[c];
        }
    if (kept[0] != 2 || kept[1] != 2 || kept[2] != 2 || score <= best) continue;
    best = score;
    best_mask = mask;
  }
  return best_mask;
}

/* The mask that a method should give, contiguous. */
static void hand_mask(uint8_t *mask, const fixture *f, int transposable) {
  size_t n, k, i;
  for (n = 0; n < f->N; ++n)
    for (k = 0; k < f->K; k += 4) {
      const float *row = f->w + n * f->ldw + k;
      const float *tile = f->w + n / 4 * 4 * f->ldw + k;
      const int bits = transposable ? slow_tile(tile, f->ldw) >> 4 * (n % 4)
                                    : slow_mask(row, 0);
      for (i = 0; i < 4; ++i) mask[n * f->K + k + i] = (uint8_t)(bits >> i & 1);
    }
}

static double a_large_integer(uint64_t *rng) {
  return (double)(test_random(rng) % 2000001) - 1e6;
}

/* One call of a method at step k on a poisoned mask: all of it is new where
 * one is due, and nothing of it where none is. */
static void check_refresh(const sste_method *method, fixture *f, size_t k,
                          int sparse, int due) {
  uint8_t want[64];
  size_t n;
  const int masked = method->weights == SSTE_WEIGHTS_MASKED;
  test_poison(f->mask, f->N * f->ldw);
  f->layer.mask = NULL;
  f->layer.ldm = 0;
  f->layer.transposable = !method->transposable;
  assert_int_equal(
      sste_method_refresh(method, &f->layer, f->mask, f->ldw, f->w, f->ldw, k),
      SSTE_OK);
  assert_int_equal(f->layer.weights,
                   sparse ? method->weights : SSTE_WEIGHTS_DENSE);
  if (sparse && masked) {
    assert_ptr_equal(f->layer.mask, f->mask);
    assert_true(f->layer.ldm == f->ldw);
    assert_int_equal(f->layer.transposable, method->transposable);
  }
  if (!due) {
    assert_true(is_poisoned(f->mask, f->N * f->ldw));
    return;
  }
  hand_mask(want, f, method->transposable);
  for (n = 0; n < f->N; ++n) {
    assert_memory_equal(f->mask + n * f->ldw, want + n * f->K, f->K);
    assert_true(is_poisoned(f->mask + n * f->ldw + f->K, PAD));
  }
}

static void masks_are_refreshed_when_due_and_only_then(void **state) {
  uint64_t rng = test_seed();
  int i;
  (void)state;
  for (i = 0; i < METHODS; ++i) {
    fixture f = fixture_new(MASKED, 4, 8, 8, a_large_integer);
    sste_method method = method_of(i);
    size_t k;
    for (k = 0; k < STEPS; ++k) {
      const int sparse = i == 0   ? 0
                         : i == 4 ? k < 250
                         : i == 5 ? k >= SWITCH
                                  : 1;
      const int masked = i >= 1 && i <= 5;
      f.w[test_random(&rng) % (f.N * f.ldw)] = (float)a_large_integer(&rng);
      check_refresh(&method, &f, k, sparse,
                    sparse && masked && (i != 4 || k % 40 == 0));
    }
    fixture_free(&f);
  }
}

/* Counted from sparse_from, not from 0; and what is changed by hand holds. */
static void mask_steps_count_from_the_switch(void **state) {
  fixture f = fixture_new(MASKED, 4, 8, 8, a_large_integer);
  sste_method method = sste_method_ste();
  size_t k;
  (void)state;
  method.sparse_from = 3;
  method.mask_every = 5;
  method.dense_from = 14;
  for (k = 0; k < 20; ++k)
    check_refresh(&method, &f, k, k >= 3 && k < 14,
                  k == 3 || k == 8 || k == 13);
  fixture_free(&f);
}

static void refresh_gives_the_header_s_mask(void **state) {
  const float w[8] = {4, -3, 2, -1, 2, -2, 2, 2}; /* the lower index wins */
  const uint8_t want[8] = {1, 1, 0, 0, 1, 1, 0, 0};
  const sste_method method = sste_method_ste();
  uint8_t mask[8];
  sste_linear layer;
  (void)state;
  layer = row_layer(w, 8);
  assert_int_equal(sste_method_refresh(&method, &layer, mask, 8, w, 8, 0),
                   SSTE_OK);
  assert_memory_equal(mask, want, 8);
  assert_int_equal(layer.weights, SSTE_WEIGHTS_MASKED);
}

/* min-MSE 11/5, equal L1 10/3, and 1: at the first sparse step, or at each. */
static void beta_comes_once_or_every_step(void **state) {
  const float w[4] = {4, -3, 2, -1}, betas[3] = {2.2f, 10.0f / 3.0f, 1.0f};
  int rule, every;
  size_t k;
  (void)state;
  for (rule = 0; rule < 3; ++rule)
    for (every = 0; every < 2; ++every) {
      sste_method method = sste_method_s_ste();
      sste_linear layer;
      method.beta = (sste_beta_rule)rule;
      method.beta_every_step = every;
      method.sparse_from = 2;
      layer = row_layer(w, 4);
      for (k = 0; k < 5; ++k) {
        const int due = k == 2 || (k > 2 && every);
        layer.beta = 7.0f;
        assert_int_equal(sste_method_refresh(&method, &layer, NULL, 0, w, 4, k),
                         SSTE_OK);
        assert_same_float(layer.beta, due ? betas[rule] : 7.0f);
        assert_int_equal(layer.weights,
                         k < 2 ? SSTE_WEIGHTS_DENSE : SSTE_WEIGHTS_SOFT);
      }
    }
}

/* The scale that goes with a gamma: S group by group, then the sums. */
static float hand_beta(const fixture *f, float gamma, sste_beta_rule rule) {
  const size_t count = f->N * f->K;
  float *w = copy_of(f->w, f->N, f->K, f->ldw);
  float *s = (float *)malloc(count * sizeof *s);
  float *ones = (float *)malloc(count * sizeof *ones), beta = 1.0f;
  size_t i;
  for (i = 0; i < count; i += 4) slow_project_nm(s + i, w + i, 2, 4, gamma);
  if (rule == SSTE_BETA_MIN_MSE)
    beta = (float)(slow_dot(w, s, count) / slow_dot(s, s, count));
  for (i = 0; i < count; ++i) {
    w[i] = fabsf(w[i]);
    s[i] = fabsf(s[i]);
    ones[i] = 1.0f;
  }
  if (rule == SSTE_BETA_EQUAL_L1)
    beta = (float)(slow_dot(w, ones, count) / slow_dot(s, ones, count));
  free(w), free(s), free(ones);
  return beta;
}

/* At every sparse step of soft weights the layer's gamma is the method's; beta
 * follows it where it is due. Both are left alone at other steps. */
static void gamma_comes_each_step_and_beta_with_it(void **state) {
  const float gammas[3] = {0.25f, 0.0f, 1.0f};
  int which;
  size_t k;
  (void)state;
  for (which = 0; which < 18; ++which) {
    fixture f = fixture_new(SOFT, 4, 8, 8, test_normal);
    sste_method method = sste_method_s_ste();
    method.gamma = gammas[which % 3];
    method.beta = (sste_beta_rule)(which / 3 % 3);
    method.beta_every_step = which / 9;
    method.sparse_from = 2;
    for (k = 0; k < 4; ++k) {
      const int due = k == 2 || (k == 3 && method.beta_every_step);
      f.layer.beta = 7.0f;
      f.layer.gamma = 0.5f;
      assert_int_equal(
          sste_method_refresh(&method, &f.layer, NULL, 0, f.w, f.ldw, k),
          SSTE_OK);
      assert_same_float(f.layer.gamma, k < 2 ? 0.5f : method.gamma);
      assert_same_float(f.layer.beta,
                        due ? hand_beta(&f, method.gamma, method.beta) : 7.0f);
    }
    check_forward(&f, NULL);
    fixture_free(&f);
  }
}

/* Masks have no use for it. */
static void masked_methods_leave_gamma(void **state) {
  fixture f = fixture_new(MASKED, 4, 8, 8, an_integer);
  sste_method method = sste_method_ste();
  (void)state;
  f.layer.gamma = 0.5f;
  method.gamma = 0.25f;
  assert_int_equal(
      sste_method_refresh(&method, &f.layer, f.mask, f.ldw, f.w, f.ldw, 0),
      SSTE_OK);
  assert_same_float(f.layer.gamma, 0.5f);
  fixture_free(&f);
}

/* The header's numbers: S = (1.5, -0.5, 0, 0), W~ = (4.5, -1.5, 0, 0). */
static void refresh_gives_the_header_s_gamma(void **state) {
  const float w[4] = {4, -3, 2, -1}, x[4] = {1, 0, 1, 1};
  sste_method method = sste_method_s_ste();
  sste_linear layer = row_layer(w, 4);
  float z, scratch[32];
  (void)state;
  method.gamma = 0.5f;
  layer.fp8 = 0;
  assert_int_equal(sste_method_refresh(&method, &layer, NULL, 0, w, 4, 0),
                   SSTE_OK);
  assert_same_float(layer.beta, 3.0f);
  assert_int_equal(sste_linear_forward(&layer, &z, 1, x, 4, w, 4, NULL, 1,
                                       scratch, sizeof scratch),
                   SSTE_OK);
  assert_same_float(z, 4.5f);
}

/* ---- Decay --------------------------------------------------------------- */

static void decay_pulls_where_the_mask_is_zero(void **state) {
  enum { ROWS = 5, COLS = 9, LDY = 12, LDW = 11, LDM = 10 };
  float y[ROWS * LDY], before[ROWS * LDY], w[ROWS * LDW];
  uint8_t mask[ROWS * LDM];
  uint64_t rng = test_seed();
  size_t i;
  (void)state;
  for (i = 0; i < ROWS * LDY; ++i) y[i] = (float)test_normal(&rng);
  for (i = 0; i < ROWS * LDW; ++i) w[i] = (float)test_normal(&rng);
  for (i = 0; i < ROWS * LDM; ++i) mask[i] = i % 3 == 0 ? 0x80 : i % 3 == 1;
  memset(mask, 0, 2);
  y[0] = NAN, w[1] = INFINITY, w[2] = INFINITY, w[3] = -NAN;
  mask[2] = 0, y[2] = INFINITY, mask[3] = 0;
  memcpy(before, y, sizeof y);
  test_threads(3);
  assert_int_equal(
      sste_tensor_masked_decay(y, LDY, w, LDW, mask, LDM, ROWS, COLS, -0.3f),
      SSTE_OK);
  for (i = 0; i < ROWS * LDY; ++i) {
    const size_t r = i / LDY, c = i % LDY;
    const double pull = c < COLS ? (double)-0.3f * (double)w[r * LDW + c] : 0.0;
    const int stays = c >= COLS || mask[r * LDM + c] != 0;
    const float want = slow_canonical((float)((double)before[i] + pull));
    assert_same_float(y[i], stays ? before[i] : want);
  }
}

static void decay_gives_the_header_s_numbers(void **state) {
  const uint8_t mask[2] = {1, 0};
  float y[2] = {1, 1}, w[2] = {4, 4};
  (void)state;
  assert_int_equal(sste_tensor_masked_decay(y, 2, w, 2, mask, 2, 1, 2, 0.5f),
                   SSTE_OK);
  assert_true(y[0] == 1.0f && y[1] == 3.0f);
  assert_int_equal(sste_tensor_masked_decay(w, 2, w, 2, mask, 2, 1, 2, -0.5f),
                   SSTE_OK); /* in place: W itself */
  assert_true(w[0] == 4.0f && w[1] == 2.0f);
}

/* Each preset at steps around its switches: SR-STE decays weights, the two
 * masked decays gradients, and only what is pruned, and only while sparse. */
static void decays_act_where_method_and_layer_say(void **state) {
  const size_t steps[] = {0, 29, 30, 249, 250, 299};
  int i, j;
  (void)state;
  for (i = 0; i < METHODS; ++i)
    for (j = 0; j < 6; ++j) {
      fixture f = fixture_new(MASKED, 4, 8, 8, a_large_integer);
      const sste_method method = method_of(i);
      const int on_w = i == 2, on_g = i == 3 || (i == 4 && steps[j] < 250);
      const size_t count = f.N * f.ldw;
      float *g = copy_of(f.w, 1, count, count), *w;
      size_t e;
      for (e = 0; e < count; ++e) g[e] = (float)e;
      /* masks that are not due are the caller's from before */
      assert_int_equal(
          sste_method_refresh(&method, &f.layer, f.mask, f.ldw, f.w, f.ldw, 0),
          SSTE_OK);
      assert_int_equal(sste_method_refresh(&method, &f.layer, f.mask, f.ldw,
                                           f.w, f.ldw, steps[j]),
                       SSTE_OK);
      w = copy_of(f.w, 1, count, count);
      assert_int_equal(
          sste_method_decay_grad(&method, &f.layer, g, f.ldw, f.w, f.ldw),
          SSTE_OK);
      assert_int_equal(
          sste_method_decay_weight(&method, &f.layer, f.w, f.ldw, 0.5f),
          SSTE_OK);
      for (e = 0; e < count; ++e) {
        const int pruned = e % f.ldw < f.K && f.mask[e] == 0;
        const float weight = w[e] - 0.125f * w[e]; /* rate lambda = 1/8 */
        const float grad = (float)e + 0.25f * w[e];
        assert_same_float(f.w[e], on_w && pruned ? weight : w[e]);
        assert_same_float(g[e], on_g && pruned ? grad : (float)e);
      }
      free(g), free(w);
      fixture_free(&f);
    }
}

/* A decay without a mask in use, or of the other kind, looks at nothing. */
static void idle_decays_read_nothing(void **state) {
  const sste_method weight = sste_method_sr_ste(lambda);
  const sste_method grad = sste_method_masked_decay(lambda);
  sste_linear layer;
  const float w[4] = {4, -3, 2, -1};
  (void)state;
  layer = row_layer(w, 4);
  assert_int_equal(sste_method_decay_grad(&grad, &layer, NULL, 0, NULL, 0),
                   SSTE_OK);
  assert_int_equal(sste_method_decay_weight(&weight, &layer, NULL, 0, 1.0f),
                   SSTE_OK);
  layer.weights = SSTE_WEIGHTS_MASKED;
  assert_int_equal(sste_method_decay_grad(&weight, &layer, NULL, 0, NULL, 0),
                   SSTE_OK);
  assert_int_equal(sste_method_decay_weight(&grad, &layer, NULL, 0, 1.0f),
                   SSTE_OK);
}

/* ---- Two optimisers ------------------------------------------------------ */

typedef struct adam {
  float *m, *v;
  int steps, v_steps; /* v stands still when it is frozen */
} adam;

static adam adam_new(size_t count) {
  adam a;
  a.m = (float *)calloc(count, sizeof *a.m);
  a.v = (float *)calloc(count, sizeof *a.v);
  a.steps = a.v_steps = 0;
  return a;
}

static void adam_step(adam *a, float *w, const float *g, size_t count,
                      float rate, int freeze) {
  const float beta1 = 0.9f, beta2 = 0.98f, eps = 1e-8f;
  float c1, c2;
  size_t i;
  c1 = 1.0f - powf(beta1, (float)++a->steps);
  if (!freeze) ++a->v_steps;
  c2 = 1.0f - powf(beta2, (float)a->v_steps);
  for (i = 0; i < count; ++i) {
    a->m[i] += (1.0f - beta1) * (g[i] - a->m[i]);
    if (!freeze) a->v[i] += (1.0f - beta2) * (g[i] * g[i] - a->v[i]);
    w[i] -= rate * (a->m[i] / c1) / (sqrtf(a->v[i] / c2) + eps);
  }
}

static void sgd_step(float *w, const float *g, size_t count, float rate) {
  size_t i;
  for (i = 0; i < count; ++i) w[i] -= rate * g[i];
}

static void adam_free(adam *a) { free(a->m), free(a->v); }

/* One step of plain SGD: pruned weights go to W - rate (G + lambda W), whether
 * the decay is in the gradient or was taken off the old weights. Taken off the
 * new ones it is another method, by rate^2 lambda G. */
static void under_sgd_both_decays_are_one_update(void **state) {
  const sste_method sr = sste_method_sr_ste(lambda);
  const sste_method masked = sste_method_masked_decay(lambda);
  const float rate = 0.125f;
  fixture f = fixture_new(MASKED, 4, 8, 8, test_normal);
  const size_t count = f.N * f.ldw;
  float *g = copy_of(f.w, 1, count, count), *in_grad, *before, *after;
  size_t e, pruned = 0;
  (void)state;
  for (e = 0; e < count; ++e) g[e] = 1.0f + (float)(e % 5);
  in_grad = copy_of(f.w, 1, count, count);
  before = copy_of(f.w, 1, count, count);
  after = copy_of(f.w, 1, count, count);

  sste_method_decay_weight(&sr, &f.layer, before, f.ldw, rate);
  sgd_step(before, g, count, rate);
  sgd_step(after, g, count, rate);
  sste_method_decay_weight(&sr, &f.layer, after, f.ldw, rate);
  sste_method_decay_grad(&masked, &f.layer, g, f.ldw, f.w, f.ldw);
  sgd_step(in_grad, g, count, rate);

  for (e = 0; e < count; ++e) {
    const int is_pruned = e % f.ldw < f.K && f.mask[e] == 0;
    const double grad = 1.0 + (double)(e % 5), d = rate, l = lambda;
    const double w = (double)f.w[e];
    const double want = w - d * (grad + (is_pruned ? l * w : 0.0));
    const double second = is_pruned ? d * d * l * grad : 0.0;
    const double ulps = 4.0 * 0x1p-24 * (fabs(w) + grad);
    assert_near((double)in_grad[e], want, ulps);
    assert_near((double)before[e], want, ulps);
    assert_near((double)after[e], want + second, ulps);
    pruned += (size_t)is_pruned;
  }
  assert_int_equal(pruned, f.N * f.K / 2);
  free(g), free(in_grad), free(before), free(after);
  fixture_free(&f);
}

/* Where the loss does not pull, Adam's first step turns a decay in the gradient
 * into a whole step of `rate`, however small lambda w is. Decay of the weight
 * stays in proportion: rate lambda w. */
static void under_adam_they_differ(void **state) {
  const sste_method sr = sste_method_sr_ste(lambda);
  const sste_method masked = sste_method_masked_decay(lambda);
  const float start[4] = {4, -3, 2, -1}, rate = 0.01f;
  const uint8_t mask[4] = {1, 1, 0, 0};
  float in_grad[4], on_weight[4], g[4] = {0, 0, 0, 0};
  adam a = adam_new(4), b = adam_new(4);
  sste_linear layer;
  int i;
  (void)state;
  memcpy(in_grad, start, sizeof start);
  memcpy(on_weight, start, sizeof start);
  layer = row_layer(start, 4);
  layer.weights = SSTE_WEIGHTS_MASKED;
  layer.mask = mask;
  sste_method_decay_weight(&sr, &layer, on_weight, 4, rate);
  adam_step(&a, on_weight, g, 4, rate, 0);
  sste_method_decay_grad(&masked, &layer, g, 4, in_grad, 4);
  adam_step(&b, in_grad, g, 4, rate, 0);
  for (i = 0; i < 4; ++i) {
    const double w = (double)start[i], step = i < 2 ? 0.0 : 1.0;
    assert_near((double)in_grad[i], w - 0.01 * copysign(step, w), 1e-6);
    assert_near((double)on_weight[i], w - 0.01 * 0.25 * step * w, 1e-6);
  }
  adam_free(&a), adam_free(&b);
}

/* ---- Choices in warm-up -------------------------------------------------- */

static void the_least_decay_that_calms_wins(void **state) {
  const double rates[] = {2.0, 0.9, 0.5}, edges[] = {0.96, 0.95, 0.6, 0.59};
  const double odd[] = {NAN, INFINITY, -0.7, 1.4};
  size_t index = 99;
  (void)state;
  assert_int_equal(sste_decay_choose(&index, rates, 3, 1.0, 0.6, 0.95),
                   SSTE_OK);
  assert_int_equal(index, 1);
  assert_int_equal(sste_decay_choose(&index, edges, 4, 1.0, 0.6, 0.95),
                   SSTE_OK); /* both ends belong to the range */
  assert_int_equal(index, 1);
  assert_int_equal(sste_decay_choose(&index, edges, 4, 1.0, 0.6, 0.94),
                   SSTE_OK);
  assert_int_equal(index, 2);
  assert_int_equal(sste_decay_choose(&index, odd, 4, 2.0, 0.6, 0.95), SSTE_OK);
  assert_int_equal(index, 3); /* a ratio, not a rate */
}

static void no_choice_leaves_the_index(void **state) {
  const double rate = 0.8;
  const struct {
    double dense, low, high;
  } bad[] = {{0.0, 0.6, 0.95}, {-1.0, 0.6, 0.95}, {NAN, 0.6, 0.95},
             {1.0, 0.0, 0.95}, {1.0, NAN, 0.95},  {1.0, 0.9, 0.7},
             {1.0, 0.6, NAN},  {1.0, 0.85, 0.95}, {1.0, 0.6, 0.75}};
  size_t index = 99, i;
  (void)state;
  for (i = 0; i < sizeof bad / sizeof bad[0]; ++i)
    assert_int_equal(sste_decay_choose(&index, &rate, 1, bad[i].dense,
                                       bad[i].low, bad[i].high),
                     SSTE_ERR_VALUE);
  assert_int_equal(sste_decay_choose(&index, NULL, 0, 1.0, 0.6, 0.95),
                   SSTE_ERR_VALUE);
  assert_int_equal(sste_decay_choose(&index, NULL, 1, 1.0, 0.6, 0.95),
                   SSTE_ERR_NULL);
  assert_int_equal(sste_decay_choose(NULL, &rate, 1, 1.0, 0.6, 0.95),
                   SSTE_ERR_NULL);
  assert_int_equal(index, 99);
}

static sste_step_watch watch_of(double *history, size_t window, size_t earliest,
                                size_t latest, double eps) {
  sste_step_watch watch;
  watch.history = history;
  watch.window = window;
  watch.earliest = earliest;
  watch.latest = latest;
  watch.eps = eps;
  watch.seen = 0;
  return watch;
}

/* From the list of all changes so far. The changes are multiples of 2^-10, so
 * that sums are exact. */
static void step_switches_when_the_window_is_calm(void **state) {
  enum { COUNT = 60, WIDEST = 20 };
  const size_t windows[] = {1, 2, 7, WIDEST}, earliests[] = {0, 5, 30};
  const size_t latests[] = {1, 10, 50, SIZE_MAX};
  uint64_t rng = test_seed();
  size_t run, n, i, calm = 0;
  (void)state;
  for (run = 0; run < 48; ++run) {
    const size_t window = windows[run % 4], earliest = earliests[run / 4 % 3];
    const size_t latest = latests[run / 12];
    double history[WIDEST], all[COUNT];
    sste_step_watch watch = watch_of(history, window, earliest, latest, 0.25);
    test_poison(history, sizeof history);
    for (n = 1; n <= COUNT; ++n) {
      double sum = 0.0;
      int want;
      all[n - 1] = (double)(test_random(&rng) % (1024 - 15 * n)) * 0x1p-10;
      for (i = 0; i < window && i < n; ++i) sum += all[n - 1 - i];
      want = n >= window && n >= earliest && sum < 0.25 * (double)window;
      calm += (size_t)want;
      want |= n >= latest;
      assert_int_equal(sste_step_switch(&watch, all[n - 1]), want);
      assert_true(watch.seen == n);
    }
    assert_true(window == WIDEST ||
                is_poisoned(history + window, (WIDEST - window) * 8));
  }
  assert_true(calm > 50);
}

static void step_switches_as_the_header_says(void **state) {
  double history[2];
  sste_step_watch watch = watch_of(history, 2, 2, SIZE_MAX, 0.1);
  (void)state;
  assert_int_equal(sste_step_switch(&watch, 1.0), 0);
  assert_int_equal(sste_step_switch(&watch, 0.05), 0);
  assert_int_equal(sste_step_switch(&watch, 0.05), 1);
  watch = watch_of(NULL, 0, 0, 2, INFINITY); /* without a window */
  assert_int_equal(sste_step_switch(&watch, 0.0), 0);
  assert_int_equal(sste_step_switch(&watch, 0.0), 1);
}

/* 1 + 1 + 2^53 is 2^53 + 2 from the oldest on, in any other order 2^53. A first
 * change that has left the window turns its slots out of step with its age. */
static void the_window_is_summed_from_the_oldest(void **state) {
  const double changes[] = {5.0, 1.0, 1.0, 0x1p53};
  const double mean = (0x1p53 + 2.0) / 3.0;
  double history[3];
  sste_step_watch watch = watch_of(history, 3, 4, SIZE_MAX, mean);
  int i;
  (void)state;
  for (i = 0; i < 4; ++i)
    assert_int_equal(sste_step_switch(&watch, changes[i]), 0);
  watch = watch_of(history, 3, 4, SIZE_MAX, nextafter(mean, INFINITY));
  for (i = 0; i < 4; ++i)
    assert_int_equal(sste_step_switch(&watch, changes[i]), i == 3);
}

/* ---- 5. What is refused -------------------------------------------------- */

typedef void (*breakage)(fixture *f);

static void three_of_four(fixture *f) { memset(f->mask + f->ldw, 0x80, 3); }
static void columns_of_four(fixture *f) { /* rows all alike */
  size_t n;
  for (n = 1; n < f->N; ++n) memcpy(f->mask + n * f->ldw, f->mask, f->K);
}
static void no_mask(fixture *f) { f->layer.mask = NULL; }
static void short_mask_rows(fixture *f) { f->layer.ldm = f->K - 1; }
static void endless_mask(fixture *f) { f->layer.ldm = SIZE_MAX / 4; }
static void mask_in_scratch(fixture *f) {
  memset(f->scratch, 0, f->N * f->ldw); /* a sound mask: nothing is kept */
  f->layer.mask = f->scratch;
}
static void unknown_weights(fixture *f) { f->layer.weights = (sste_weights)3; }
static void negative_weights(fixture *f) {
  f->layer.weights = (sste_weights)-1;
}
static void short_scratch(fixture *f) { --f->bytes; }

static const struct refusal {
  breakage how;
  sste_status status;
} refusals[] = {
    {three_of_four, SSTE_ERR_PATTERN}, {columns_of_four, SSTE_ERR_PATTERN},
    {no_mask, SSTE_ERR_NULL},          {short_mask_rows, SSTE_ERR_SHAPE},
    {endless_mask, SSTE_ERR_SIZE},     {mask_in_scratch, SSTE_ERR_OVERLAP},
    {unknown_weights, SSTE_ERR_VALUE}, {negative_weights, SSTE_ERR_VALUE},
    {short_scratch, SSTE_ERR_SIZE}};

static void broken_layers_are_refused(void **state) {
  size_t i;
  (void)state;
  for (i = 0; i < sizeof refusals / sizeof refusals[0]; ++i) {
    fixture f = fixture_new(TRANSPOSABLE, 4, 8, 8, an_integer);
    refusals[i].how(&f);
    if (run_forward(&f, NULL) != refusals[i].status ||
        run_backward(&f) != refusals[i].status)
      fail_msg("refusal %d", (int)i);
    assert_true(outputs_are_untouched(&f));
    fixture_free(&f);
  }
}

/* Two of four along the rows is enough where no product runs down columns. */
static void columns_matter_to_transposable_masks_alone(void **state) {
  fixture f = fixture_new(TRANSPOSABLE, 4, 8, 8, an_integer);
  (void)state;
  columns_of_four(&f);
  f.layer.transposable = 0;
  check_forward(&f, NULL);
  check_backward(&f);
  fixture_free(&f);
}

/* A mask from the last byte of an output on, and one just behind it. */
static void outputs_may_not_cover_the_mask(void **state) {
  int i;
  (void)state;
  for (i = 0; i < 4; ++i) {
    fixture f = fixture_new(MASKED, 4, 8, 8, an_integer);
    float **const output = i == 0   ? &f.z
                           : i == 1 ? &f.dx
                           : i == 2 ? &f.dw
                                    : &f.db;
    const size_t ends[4] = {3 * f.ldz + f.N, 3 * f.ldx + f.K, 7 * f.ldw + f.K,
                            f.N};
    float *const own = *output;
    float arena[256] = {0.0f};
    uint8_t *const behind = (uint8_t *)(arena + ends[i]);
    size_t e;
    *output = arena;
    f.layer.mask = behind - 1;
    assert_int_equal(i == 0 ? run_forward(&f, NULL) : run_backward(&f),
                     SSTE_ERR_OVERLAP);
    for (e = 0; e < 256; ++e) assert_same_float(arena[e], 0.0f);
    f.layer.mask = behind;
    assert_int_equal(i == 0 ? run_forward(&f, NULL) : run_backward(&f),
                     SSTE_OK);
    *output = own;
    fixture_free(&f);
  }
}

/* Rounding counts groups of tokens to 2^32, sampling to 2^34: the last group
 * there is, and one more. */
static void rounding_ends_where_its_counter_ends(void **state) {
#if SIZE_MAX > 0xFFFFFFFFu
  int stochastic;
  (void)state;
  for (stochastic = 0; stochastic < 2; ++stochastic) {
    fixture f = fixture_new(DENSE, 8, 4, 4, test_normal);
    f.layer.fp8 = f.layer.mvue = 1;
    f.layer.stochastic = stochastic;
    f.stream.group = 0xFFFFFFFFu;
    assert_int_equal(run_backward(&f), stochastic ? SSTE_ERR_SIZE : SSTE_OK);
    assert_true(outputs_are_untouched(&f) == stochastic);
    f.stream.group = 0xFFFFFFFEu;
    assert_int_equal(run_backward(&f), SSTE_OK);
    fixture_free(&f);
  }
#else
  (void)state;
  skip();
#endif
}

/* Without tokens there is nothing to draw: dW is a sum over nothing. */
static void no_tokens_need_no_stream(void **state) {
  fixture f = fixture_new(MASKED, 0, 4, 8, test_normal);
  size_t n, k;
  (void)state;
  f.layer.fp8 = f.layer.mvue = f.layer.stochastic = 1;
  assert_int_equal(sste_linear_backward(&f.layer, NULL, f.ldx, f.dw, f.ldw,
                                        NULL, f.dz, f.ldz, f.x, f.ldx, f.w,
                                        f.ldw, 0, NULL, f.scratch, f.bytes),
                   SSTE_OK);
  for (n = 0; n < f.N; ++n)
    for (k = 0; k < f.K; ++k) assert_same_float(f.dw[n * f.ldw + k], 0.0f);
  fixture_free(&f);
}

static void encoding_refuses_what_it_cannot_do(void **state) {
  const float x[16] = {1, 2, 3, 4};
  const float bad_scales[] = {0.0f, -0.0f, -1.0f, INFINITY, NAN};
  const sste_fp8_format e4m3 = sste_fp8_e4m3fn();
  sste_mvue_stream far = here;
  uint8_t code[16];
  size_t i;
  (void)state;
  test_poison(code, sizeof code);
#define REFUSED(status, ...) \
  assert_int_equal(sste_fp8_tensor_encode_stochastic(__VA_ARGS__), status)
  for (i = 0; i < 5; ++i)
    REFUSED(SSTE_ERR_VALUE, code, 4, x, 4, 4, 4, e4m3, bad_scales[i],
            SSTE_ALONG_ROWS, &here);
  REFUSED(SSTE_ERR_VALUE, code, 4, x, 4, 4, 4, sste_fp8_ue4m3(), 1.0f,
          SSTE_ALONG_ROWS, &here);
  REFUSED(SSTE_ERR_VALUE, code, 4, x, 4, 4, 4, sste_fp8_e8m0(), 1.0f,
          SSTE_ALONG_ROWS, &here);
  REFUSED(SSTE_ERR_VALUE, code, 4, x, 4, 4, 4, sste_fp8_float16(), 1.0f,
          SSTE_ALONG_ROWS, &here);
  REFUSED(SSTE_ERR_VALUE, code, 4, x, 4, 4, 4, e4m3, 1.0f, (sste_axis)2, &here);
  REFUSED(SSTE_ERR_NULL, NULL, 4, x, 4, 4, 4, e4m3, 1.0f, SSTE_ALONG_ROWS,
          &here);
  REFUSED(SSTE_ERR_NULL, code, 4, NULL, 4, 4, 4, e4m3, 1.0f, SSTE_ALONG_ROWS,
          &here);
  REFUSED(SSTE_ERR_NULL, code, 4, x, 4, 4, 4, e4m3, 1.0f, SSTE_ALONG_ROWS,
          NULL);
  REFUSED(SSTE_ERR_SHAPE, code, 3, x, 4, 4, 4, e4m3, 1.0f, SSTE_ALONG_ROWS,
          &here);
  REFUSED(SSTE_ERR_SHAPE, code, 4, x, 3, 4, 4, e4m3, 1.0f, SSTE_ALONG_ROWS,
          &here);
  REFUSED(SSTE_ERR_SIZE, code, 4, x, SIZE_MAX / 8, 4, 4, e4m3, 1.0f,
          SSTE_ALONG_ROWS, &here);
  REFUSED(SSTE_ERR_OVERLAP, (uint8_t *)(uintptr_t)(x + 15) + 3, 4, x, 4, 4, 4,
          e4m3, 1.0f, SSTE_ALONG_ROWS, &here);
  far.run = 0xFFFFFFFDu; /* the last four runs begin one earlier */
  REFUSED(SSTE_ERR_SIZE, code, 4, x, 4, 4, 4, e4m3, 1.0f, SSTE_ALONG_ROWS,
          &far);
  far.run = SIZE_MAX;
  REFUSED(SSTE_ERR_SIZE, code, 4, x, 4, 4, 4, e4m3, 1.0f, SSTE_ALONG_ROWS,
          &far);
  far = here;
  far.group = 0xFFFFFFFFu; /* the last group there is */
  REFUSED(SSTE_ERR_SIZE, code, 5, x, 5, 2, 5, e4m3, 1.0f, SSTE_ALONG_ROWS,
          &far);
  far.group = SIZE_MAX;
  REFUSED(SSTE_ERR_SIZE, code, 5, x, 5, 2, 5, e4m3, 1.0f, SSTE_ALONG_ROWS,
          &far);
  REFUSED(SSTE_OK, NULL, 0, NULL, 0, 0, 4, e4m3, 1.0f, SSTE_ALONG_ROWS, NULL);
  REFUSED(SSTE_OK, NULL, 0, NULL, 0, 4, 0, e4m3, 1.0f, SSTE_ALONG_ROWS, NULL);
  assert_true(is_poisoned(code, sizeof code));
  far.run = 0xFFFFFFFCu;
  far.group = 0xFFFFFFFFu;
  REFUSED(SSTE_OK, code, 4, x, 4, 4, 4, e4m3, 1.0f, SSTE_ALONG_ROWS, &far);
#undef REFUSED
}

/* Every call must fail, and leave the layer and the mask as they were. */
static void refused(sste_status status, const sste_method *method,
                    const fixture *given, uint8_t *mask, size_t ldm,
                    const float *w, size_t ldw) {
  fixture f = *given;
  const sste_linear before = f.layer;
  assert_int_equal(sste_method_refresh(method, &f.layer, mask, ldm, w, ldw, 0),
                   status);
  assert_memory_equal(&f.layer, &before, sizeof before);
  assert_true(is_poisoned(f.mask, f.N * f.ldw));
}

static void refresh_refuses_what_it_cannot_do(void **state) {
  fixture f = fixture_new(SOFT, 4, 6, 8, a_large_integer);
  const float flat[4] = {1, 1, -1, 1}, infinite[4] = {1, 2, 3, INFINITY};
  const float lambdas[3] = {-0.25f, INFINITY, NAN};
  const float gammas[4] = {-0x1p-149f, 0x1.000002p0f, INFINITY, NAN};
  const sste_method ste = sste_method_ste(), soft = sste_method_s_ste();
  const sste_method tiles = sste_method_t_sr_ste(lambda, STEPS);
  sste_method bad = ste;
  int i;
  (void)state;
  test_poison(f.mask, f.N * f.ldw);
  refused(SSTE_ERR_NULL, NULL, &f, f.mask, f.ldw, f.w, f.ldw);
  refused(SSTE_ERR_NULL, &ste, &f, NULL, f.ldw, f.w, f.ldw);
  refused(SSTE_ERR_NULL, &ste, &f, f.mask, f.ldw, NULL, f.ldw);
  refused(SSTE_ERR_NULL, &soft, &f, f.mask, f.ldw, NULL, f.ldw);
  refused(SSTE_ERR_SHAPE, &ste, &f, f.mask, 7, f.w, f.ldw);
  refused(SSTE_ERR_SHAPE, &ste, &f, f.mask, f.ldw, f.w, 7);
  refused(SSTE_ERR_SHAPE, &soft, &f, NULL, 0, f.w, 7);
  refused(SSTE_ERR_SHAPE, &tiles, &f, f.mask, f.ldw, f.w, f.ldw); /* N = 6 */
  refused(SSTE_ERR_SIZE, &ste, &f, f.mask, SIZE_MAX / 4, f.w, f.ldw);
  refused(SSTE_ERR_OVERLAP, &ste, &f, (uint8_t *)f.w, f.ldw, f.w, f.ldw);
  bad.mask_every = 0;
  refused(SSTE_ERR_VALUE, &bad, &f, f.mask, f.ldw, f.w, f.ldw);
  bad = ste;
  bad.weights = (sste_weights)3;
  refused(SSTE_ERR_VALUE, &bad, &f, f.mask, f.ldw, f.w, f.ldw);
  bad.weights = (sste_weights)-1;
  refused(SSTE_ERR_VALUE, &bad, &f, f.mask, f.ldw, f.w, f.ldw);
  for (i = 0; i < 3; ++i) {
    bad = sste_method_sr_ste(lambdas[i]);
    refused(SSTE_ERR_VALUE, &bad, &f, f.mask, f.ldw, f.w, f.ldw);
  }
  for (i = -1; i < 4; i += 4) { /* also where the method has no use for it */
    bad = ste;
    bad.beta = (sste_beta_rule)i;
    refused(SSTE_ERR_VALUE, &bad, &f, f.mask, f.ldw, f.w, f.ldw);
    bad = ste;
    bad.decay = (sste_decay)i;
    refused(SSTE_ERR_VALUE, &bad, &f, f.mask, f.ldw, f.w, f.ldw);
  }
  for (i = 0; i < 4; ++i) { /* here as well */
    bad = i % 2 ? soft : ste;
    bad.gamma = gammas[i];
    refused(SSTE_ERR_VALUE, &bad, &f, f.mask, f.ldw, f.w, f.ldw);
  }
  f.layer.out_features = 1;
  f.layer.in_features = 4;
  bad = soft;
  bad.gamma = 0.5f;
  refused(SSTE_ERR_ZERO, &bad, &f, NULL, 0, flat, 4);
  refused(SSTE_ERR_ZERO, &soft, &f, NULL, 0, flat, 4);
  refused(SSTE_ERR_NONFINITE, &soft, &f, NULL, 0, infinite, 4);
  f.layer.in_features = 6;
  refused(SSTE_ERR_SHAPE, &ste, &f, f.mask, 6, f.w, f.ldw);
  assert_int_equal(/* between two masks the old one is needed */
                   sste_method_refresh(&tiles, &f.layer, NULL, f.ldw, f.w,
                                       f.ldw, 1),
                   SSTE_ERR_NULL);
  assert_int_equal(
      sste_method_refresh(&ste, NULL, f.mask, f.ldw, f.w, f.ldw, 0),
      SSTE_ERR_NULL);
  fixture_free(&f);
}

/* A dense step needs nothing but the method and the layer. */
static void dense_steps_read_neither_mask_nor_weights(void **state) {
  const sste_method step = sste_method_step(SWITCH);
  fixture f = fixture_new(SOFT, 4, 8, 8, an_integer);
  (void)state;
  assert_int_equal(
      sste_method_refresh(&step, &f.layer, NULL, 0, NULL, 0, SWITCH - 1),
      SSTE_OK);
  assert_int_equal(f.layer.weights, SSTE_WEIGHTS_DENSE);
  fixture_free(&f);
}

static void decay_refuses_what_it_cannot_do(void **state) {
  const sste_method sr = sste_method_sr_ste(lambda);
  const float bad[] = {INFINITY, -INFINITY, NAN};
  fixture f = fixture_new(MASKED, 4, 8, 8, an_integer);
  float *y = poisoned(8, 8), *w = copy_of(f.w, 8, f.ldw, f.ldw);
  size_t i;
  sste_method wild = sste_method_masked_decay(NAN);
  (void)state;
#define REFUSED(status, ...) \
  assert_int_equal(sste_tensor_masked_decay(__VA_ARGS__), status)
  for (i = 0; i < 3; ++i)
    REFUSED(SSTE_ERR_VALUE, y, 8, f.w, 8, f.mask, 8, 8, 8, bad[i]);
  REFUSED(SSTE_ERR_NULL, NULL, 8, f.w, 8, f.mask, 8, 8, 8, 1.0f);
  REFUSED(SSTE_ERR_NULL, y, 8, NULL, 8, f.mask, 8, 8, 8, 1.0f);
  REFUSED(SSTE_ERR_NULL, y, 8, f.w, 8, NULL, 8, 8, 8, 1.0f);
  REFUSED(SSTE_ERR_SHAPE, y, 7, f.w, 8, f.mask, 8, 8, 8, 1.0f);
  REFUSED(SSTE_ERR_SHAPE, y, 8, f.w, 7, f.mask, 8, 8, 8, 1.0f);
  REFUSED(SSTE_ERR_SHAPE, y, 8, f.w, 8, f.mask, 7, 8, 8, 1.0f);
  REFUSED(SSTE_ERR_SIZE, y, SIZE_MAX / 8, f.w, 8, f.mask, 8, 8, 8, 1.0f);
  REFUSED(SSTE_ERR_SIZE, y, 8, f.w, SIZE_MAX / 8, f.mask, 8, 8, 8, 1.0f);
  REFUSED(SSTE_ERR_SIZE, y, 8, f.w, 8, f.mask, SIZE_MAX / 8, 8, 8, 1.0f);
  REFUSED(SSTE_ERR_OVERLAP, y, 8, y + 1, 8, f.mask, 8, 7, 8, 1.0f);
  REFUSED(SSTE_ERR_OVERLAP, y, 8, y, 9, f.mask, 8, 7, 8, 1.0f);
  REFUSED(SSTE_ERR_OVERLAP, y, 8, f.w, 8, (uint8_t *)(y + 63) + 3, 8, 8, 8,
          1.0f);
  REFUSED(SSTE_OK, NULL, 0, NULL, 0, NULL, 0, 0, 8, 1.0f);
  REFUSED(SSTE_OK, NULL, 0, NULL, 0, NULL, 0, 8, 0, 1.0f);
#undef REFUSED
  assert_int_equal(sste_method_decay_grad(&wild, &f.layer, y, 8, f.w, f.ldw),
                   SSTE_ERR_VALUE);
  wild.lambda = -1.0f;
  assert_int_equal(sste_method_decay_grad(&wild, &f.layer, y, 8, f.w, f.ldw),
                   SSTE_ERR_VALUE);
  wild = sr;
  wild.decay = (sste_decay)3;
  assert_int_equal(sste_method_decay_grad(&wild, &f.layer, y, 8, f.w, f.ldw),
                   SSTE_ERR_VALUE);
  assert_int_equal(sste_method_decay_weight(&wild, &f.layer, f.w, f.ldw, 1.0f),
                   SSTE_ERR_VALUE);
  assert_int_equal(sste_method_decay_grad(NULL, &f.layer, y, 8, f.w, f.ldw),
                   SSTE_ERR_NULL);
  assert_int_equal(sste_method_decay_grad(&wild, NULL, y, 8, f.w, f.ldw),
                   SSTE_ERR_NULL);
  assert_int_equal(sste_method_decay_weight(NULL, &f.layer, f.w, f.ldw, 1.0f),
                   SSTE_ERR_NULL);
  assert_int_equal(sste_method_decay_weight(&sr, NULL, f.w, f.ldw, 1.0f),
                   SSTE_ERR_NULL);
  assert_int_equal(
      sste_method_decay_weight(&sr, &f.layer, f.w, f.ldw, INFINITY),
      SSTE_ERR_VALUE);
  assert_int_equal(sste_method_decay_weight(&sr, &f.layer, f.w, 7, 1.0f),
                   SSTE_ERR_SHAPE);
  assert_true(is_poisoned(y, 64 * sizeof *y));
  assert_memory_equal(w, f.w, 8 * f.ldw * sizeof *w);
  free(y), free(w);
  fixture_free(&f);
}

/* ---- 6. Two layers trained by each method -------------------------------- */

/* y = W2 tanh(W1 x), taught by a dense network of the same shape. */
enum { IN = 16, HIDDEN = 32, OUT = 8, TOKENS = 32, WEIGHTS = HIDDEN * IN };

typedef struct toy_layer {
  size_t N, K;
  float w[WEIGHTS], g[WEIGHTS];
  uint8_t mask[WEIGHTS];
  adam optimiser;
  sste_linear layer;
  uint32_t tensor;
} toy_layer;

static float scratch_of_all[4096];

static void toy_layer_new(toy_layer *l, size_t N, size_t K, uint32_t tensor,
                          uint64_t *rng) {
  size_t i;
  l->N = N, l->K = K, l->tensor = tensor;
  for (i = 0; i < N * K; ++i)
    l->w[i] = (float)(test_normal(rng) / sqrt((double)K));
  l->optimiser = adam_new(N * K);
  assert_int_equal(sste_linear_init(&l->layer, l->w, K, N, K), SSTE_OK);
  l->layer.stochastic = 1;
}

static void toy_forward(toy_layer *l, float *z, const float *x, size_t T) {
  assert_int_equal(
      sste_linear_forward(&l->layer, z, l->N, x, l->K, l->w, l->K, NULL, T,
                          scratch_of_all, sizeof scratch_of_all),
      SSTE_OK);
}

static void toy_backward(toy_layer *l, float *dx, const float *dz,
                         const float *x, size_t step) {
  const sste_mvue_stream stream = {1, l->tensor, (uint32_t)step, 0, 0};
  assert_int_equal(
      sste_linear_backward(&l->layer, dx, l->K, l->g, l->K, NULL, dz, l->N, x,
                           l->K, l->w, l->K, TOKENS, &stream, scratch_of_all,
                           sizeof scratch_of_all),
      SSTE_OK);
}

static void toy_update(toy_layer *l, const sste_method *method, size_t step) {
  const float rate = 0.01f;
  const int freeze =
      method->freeze_second_moment && sste_method_is_sparse(method, step);
  sste_method_decay_weight(method, &l->layer, l->w, l->K, rate);
  sste_method_decay_grad(method, &l->layer, l->g, l->K, l->w, l->K);
  adam_step(&l->optimiser, l->w, l->g, l->N * l->K, rate, freeze);
}

/* Two of four along the rows, and down the columns as far as asked. */
static void assert_24(const float *w, size_t N, size_t K, int columns) {
  size_t n, k, i;
  for (n = 0; n < N; n += columns ? 4 : 1)
    for (k = 0; k < K; k += columns ? 1 : 4) {
      int nonzeros = 0;
      for (i = 0; i < 4; ++i)
        nonzeros += w[columns ? (n + i) * K + k : n * K + k + i] != 0.0f;
      assert_true(nonzeros <= 2);
    }
}

/* What the layer multiplies by, as it shows itself: Z = I W~^T. */
static void assert_sparse(toy_layer *l, int transposable) {
  float identity[HIDDEN * HIDDEN] = {0}, z[HIDDEN * HIDDEN], w[WEIGHTS];
  const int fp8 = l->layer.fp8;
  size_t i, nonzeros = 0;
  for (i = 0; i < l->K; ++i) identity[i * l->K + i] = 1.0f;
  l->layer.fp8 = 0;
  toy_forward(l, z, identity, l->K);
  l->layer.fp8 = fp8;
  for (i = 0; i < l->N * l->K; ++i) {
    w[i] = z[i % l->K * l->N + i / l->K];
    nonzeros += w[i] != 0.0f;
  }
  assert_24(w, l->N, l->K, 0);
  if (transposable) assert_24(w, l->N, l->K, 1);
  assert_true(nonzeros > l->N * l->K / 3);
}

typedef struct toy {
  toy_layer first, second;
  float x[TOKENS * IN], y[TOKENS * OUT];
} toy;

static void toy_new(toy *net) {
  float h[TOKENS * HIDDEN];
  uint64_t rng = test_seed();
  size_t i;
  for (i = 0; i < TOKENS * IN; ++i) net->x[i] = (float)test_normal(&rng);
  toy_layer_new(&net->first, HIDDEN, IN, 1, &rng);
  toy_layer_new(&net->second, OUT, HIDDEN, 2, &rng);
  net->first.layer.weights = net->second.layer.weights = SSTE_WEIGHTS_DENSE;
  toy_forward(&net->first, h, net->x, TOKENS);
  for (i = 0; i < TOKENS * HIDDEN; ++i) h[i] = tanhf(h[i]);
  toy_forward(&net->second, net->y, h, TOKENS);
  adam_free(&net->first.optimiser), adam_free(&net->second.optimiser);
  toy_layer_new(&net->first, HIDDEN, IN, 1, &rng); /* the pupil */
  toy_layer_new(&net->second, OUT, HIDDEN, 2, &rng);
}

static void toy_refresh(toy_layer *l, const sste_method *method, size_t step) {
  assert_int_equal(
      sste_method_refresh(method, &l->layer, l->mask, l->K, l->w, l->K, step),
      SSTE_OK);
}

/* One step; the mean squared error before it. */
static double toy_step(toy *net, const sste_method *method, size_t step) {
  float h[TOKENS * HIDDEN], dh[TOKENS * HIDDEN], z[TOKENS * OUT];
  double loss = 0.0;
  size_t i;
  toy_refresh(&net->first, method, step);
  toy_refresh(&net->second, method, step);
  toy_forward(&net->first, h, net->x, TOKENS);
  for (i = 0; i < TOKENS * HIDDEN; ++i) h[i] = tanhf(h[i]);
  toy_forward(&net->second, z, h, TOKENS);
  for (i = 0; i < TOKENS * OUT; ++i) {
    z[i] -= net->y[i];
    loss += (double)(z[i] * z[i]) / (TOKENS * OUT);
  }
  toy_backward(&net->second, dh, z, h, step);
  for (i = 0; i < TOKENS * HIDDEN; ++i) dh[i] *= 1.0f - h[i] * h[i];
  toy_backward(&net->first, NULL, dh, net->x, step);
  toy_update(&net->first, method, step);
  toy_update(&net->second, method, step);
  return loss;
}

static sste_method toy_method(int which) {
  switch (which) {
    case 2: return sste_method_sr_ste(2e-3f);
    case 3: return sste_method_masked_decay(2e-3f);
    case 4: return sste_method_t_sr_ste(2e-3f, 200);
    case 5: return sste_method_step(SIZE_MAX);
    default: return method_of(which);
  }
}

/* With FP8, sampling and rounding at random, each method halves the loss at
 * least, and leaves the weights that it promises. STEP finds its own switch. */
static void every_method_learns(void **state) {
  int which;
  (void)state;
  test_threads(1);
  for (which = 0; which < METHODS; ++which) {
    static toy net;
    sste_method method = toy_method(which);
    double history[10], first = 0.0, last = 0.0;
    sste_step_watch watch = watch_of(history, 10, 20, 100, 1e-4);
    size_t k;
    toy_new(&net);
    for (k = 0; k < 200; ++k) {
      float before[WEIGHTS];
      double change = 0.0;
      memcpy(before, net.first.optimiser.v, sizeof before);
      last = toy_step(&net, &method, k);
      if (k == 0) first = last;
      assert_int_equal(sste_tensor_change(&change, net.first.optimiser.v, IN,
                                          before, IN, HIDDEN, IN),
                       SSTE_OK);
      if (method.sparse_from == SIZE_MAX &&
          sste_step_switch(&watch, change / WEIGHTS))
        method.sparse_from = k + 1; /* v is frozen from the next step on */
      assert_true(which != 5 || k <= method.sparse_from || change == 0.0);
      if (which == 4 && k == 165) {
        assert_sparse(&net.first, 1);
        assert_sparse(&net.second, 1);
      }
    }
    assert_true(last < 0.5 * first);
    assert_true(which != 5 || method.sparse_from <= 101);
    if (which == 0 || which == 4) {
      assert_int_equal(net.first.layer.weights, SSTE_WEIGHTS_DENSE);
    } else {
      assert_sparse(&net.first, 0);
      assert_sparse(&net.second, 0);
    }
    adam_free(&net.first.optimiser), adam_free(&net.second.optimiser);
  }
  test_threads(2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(integers_come_out_exactly),
      cmocka_unit_test(fp8_and_sampling_follow_the_slow_path),
      cmocka_unit_test(ragged_shapes_suit_all_but_transposable_masks),
      cmocka_unit_test(transposable_product_has_the_dense_bits),
      cmocka_unit_test(transposable_product_skips_what_is_pruned),
      cmocka_unit_test(only_masked_layers_look_at_the_mask),
      cmocka_unit_test(a_pruned_nan_meets_nothing),
      cmocka_unit_test(one_group_gives_the_header_s_numbers),
      cmocka_unit_test(gradients_are_finite_differences),
      cmocka_unit_test(times_beta_is_the_slope_of_survivors),
      cmocka_unit_test(dw_knows_neither_weights_nor_mask),
      cmocka_unit_test(words_pick_one_of_two_neighbours),
      cmocka_unit_test(words_turn_where_the_mean_needs_it),
      cmocka_unit_test(six_words_in_ten_go_up),
      cmocka_unit_test(slices_round_as_the_whole_does),
      cmocka_unit_test(rounding_at_random_keeps_samples_unbiased),
      cmocka_unit_test(rounding_at_random_keeps_dw_unbiased),
      cmocka_unit_test(presets_are_what_their_papers_say),
      cmocka_unit_test(the_last_sixth_is_dense),
      cmocka_unit_test(methods_switch_at_their_steps),
      cmocka_unit_test(masks_are_refreshed_when_due_and_only_then),
      cmocka_unit_test(mask_steps_count_from_the_switch),
      cmocka_unit_test(refresh_gives_the_header_s_mask),
      cmocka_unit_test(beta_comes_once_or_every_step),
      cmocka_unit_test(gamma_comes_each_step_and_beta_with_it),
      cmocka_unit_test(masked_methods_leave_gamma),
      cmocka_unit_test(refresh_gives_the_header_s_gamma),
      cmocka_unit_test(decay_pulls_where_the_mask_is_zero),
      cmocka_unit_test(decay_gives_the_header_s_numbers),
      cmocka_unit_test(decays_act_where_method_and_layer_say),
      cmocka_unit_test(idle_decays_read_nothing),
      cmocka_unit_test(under_sgd_both_decays_are_one_update),
      cmocka_unit_test(under_adam_they_differ),
      cmocka_unit_test(the_least_decay_that_calms_wins),
      cmocka_unit_test(no_choice_leaves_the_index),
      cmocka_unit_test(step_switches_when_the_window_is_calm),
      cmocka_unit_test(step_switches_as_the_header_says),
      cmocka_unit_test(the_window_is_summed_from_the_oldest),
      cmocka_unit_test(broken_layers_are_refused),
      cmocka_unit_test(columns_matter_to_transposable_masks_alone),
      cmocka_unit_test(outputs_may_not_cover_the_mask),
      cmocka_unit_test(rounding_ends_where_its_counter_ends),
      cmocka_unit_test(no_tokens_need_no_stream),
      cmocka_unit_test(encoding_refuses_what_it_cannot_do),
      cmocka_unit_test(refresh_refuses_what_it_cannot_do),
      cmocka_unit_test(dense_steps_read_neither_mask_nor_weights),
      cmocka_unit_test(decay_refuses_what_it_cannot_do),
      cmocka_unit_test(every_method_learns),
  };
  return cmocka_run_group_tests_name("the methods", tests, NULL, NULL);
}
