/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_train.c - the self-check, and the S-STE layer against the same chain put
 * together from the slow references.
 */
#include <fenv.h>

#include "slow_fp8.h"
#include "slow_mvue.h"
#include "slow_nm.h"
#include "sste_train.h"
#include "test.h"
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

/* ---- The self-check ------------------------------------------------------ */

static void self_check_is_silent(void **state) {
  (void)state;
  assert_int_equal(sste_self_check(), 0);
}

static void self_check_sees_rounding(void **state) {
  const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  size_t i;
  (void)state;
  for (i = 0; i < sizeof modes / sizeof modes[0]; ++i) {
    int found;
    if (fesetround(modes[i]) != 0) fail_msg("no such rounding mode");
    found = sste_self_check();
    fesetround(FE_TONEAREST);
    assert_true(found & SSTE_BROKEN_ROUNDING);
  }
}

static void self_check_sees_flushing(void **state) {
  (void)state;
#if defined(__SSE__)
  {
    const unsigned before = _mm_getcsr(), flush = 0x8000u, zeros = 0x0040u;
    int flushed, zeroed;
    _mm_setcsr(before | flush);
    flushed = sste_self_check();
    _mm_setcsr(before | zeros);
    zeroed = sste_self_check();
    _mm_setcsr(before);
    assert_true(flushed & SSTE_BROKEN_SUBNORMALS);
    assert_true(zeroed & SSTE_BROKEN_SUBNORMALS);
  }
#else
  skip();
#endif
}

static void every_status_has_its_text(void **state) {
  int i, j;
  (void)state;
  for (i = 0; i <= SSTE_ERR_PATTERN + 1; ++i)
    for (j = 0; j < i; ++j)
      assert_string_not_equal(sste_status_text((sste_status)i),
                              sste_status_text((sste_status)j));
}

/* ---- A layer and its slow twin ------------------------------------------- */

enum { PAD = 3 };

/* One call's matrices, their rows PAD floats longer than they need to be. */
typedef struct fixture {
  size_t T, N, K;
  float *w, *x, *dz, *bias, *z, *dx, *dw, *db;
  size_t ldw, ldx, ldz; /* of W and dW, X and dX, Z and dZ */
  sste_linear layer;
  sste_mvue_stream stream;
  void *scratch;
  size_t bytes;
} fixture;

static float *filled(size_t rows, size_t ld, double scale, uint64_t *rng) {
  float *p = (float *)malloc(rows * ld * sizeof *p);
  size_t i;
  for (i = 0; i < rows * ld; ++i) p[i] = (float)(scale * test_normal(rng));
  return p;
}
static float *poisoned(size_t rows, size_t ld) {
  float *p = (float *)malloc(rows * ld * sizeof *p);
  test_poison(p, rows * ld * sizeof *p);
  return p;
}

static fixture fixture_new(size_t T, size_t N, size_t K, uint64_t salt) {
  uint64_t rng = test_seed() + salt;
  fixture f;
  f.T = T;
  f.N = N;
  f.K = K;
  f.ldw = f.ldx = K + PAD;
  f.ldz = N + PAD;
  f.w = filled(N, f.ldw, 0.02, &rng);
  f.x = filled(T, f.ldx, 1.0, &rng);
  f.dz = filled(T, f.ldz, 1e-4, &rng);
  f.bias = filled(1, N, 0.1, &rng);
  f.z = poisoned(T, f.ldz);
  f.dx = poisoned(T, f.ldx);
  f.dw = poisoned(N, f.ldw);
  f.db = poisoned(1, N);
  assert_int_equal(sste_linear_init(&f.layer, f.w, f.ldw, N, K), SSTE_OK);
  f.stream.seed = 0x0123456789ABCDEFu + salt;
  f.stream.tensor = 5;
  f.stream.step = 77;
  f.stream.run = 1000;
  f.stream.group = 9;
  f.bytes = sste_linear_scratch_bytes(&f.layer, T);
  f.scratch = malloc(f.bytes);
  test_poison(f.scratch, f.bytes);
  return f;
}

static void fixture_free(fixture *f) {
  free(f->w), free(f->x), free(f->dz), free(f->bias);
  free(f->z), free(f->dx), free(f->dw), free(f->db);
  free(f->scratch);
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

static slow_fp8 slow_of(sste_fp8_format f) {
  return slow_fp8_format(f.exponent_bits, f.mantissa_bits, f.bias,
                         f.specials == SSTE_FP8_IEEE);
}

/* decode(encode(x * max / amax)) of a contiguous copy; returns the scale. */
static double slow_quantise(float *m, size_t count, sste_fp8_format format) {
  const slow_fp8 f = slow_of(format);
  float amax = 0.0f, scale = 1.0f;
  size_t i;
  for (i = 0; i < count; ++i) {
    if (isnan(m[i])) amax = m[i];
    if (!isnan(amax) && fabsf(m[i]) > amax) amax = fabsf(m[i]);
  }
  if (isfinite(amax) && amax > 0.0f) {
    scale = (float)f.value[f.largest] / amax;
    if (isinf(scale)) scale = 0x1.fffffep127f;
  }
  for (i = 0; i < count; ++i)
    m[i] = slow_fp8_decode(&f, slow_fp8_encode(&f, m[i] * scale));
  return (double)scale;
}

static float *contiguous(const float *m, size_t rows, size_t cols, size_t ld) {
  float *p = (float *)malloc(rows * cols * sizeof *p);
  size_t i;
  for (i = 0; i < rows * cols; ++i) p[i] = m[i / cols * ld + i % cols];
  return p;
}

/* W~ = beta S(W), contiguous, for the layer's gamma. */
static float *slow_sparse_weight(const fixture *f) {
  float *w = contiguous(f->w, f->N, f->K, f->ldw);
  size_t i;
  for (i = 0; i < f->N * f->K; i += 4) {
    float s[4];
    slow_project_nm(s, w + i, 2, 4, f->layer.gamma);
    memcpy(w + i, s, sizeof s);
  }
  for (i = 0; i < f->N * f->K; ++i) w[i] = slow_scaled(f->layer.beta, w[i]);
  return w;
}

static void unscale(float *m, size_t count, double scale) {
  size_t i;
  for (i = 0; i < count; ++i) m[i] = (float)((double)m[i] / scale);
}

/* Z = X W~^T by way of the compressed form: what is pruned meets no NaN. */
static void slow_sparse_product(float *z, const float *x, const float *w,
                                const fixture *f) {
  const size_t N = f->N, K = f->K, bytes = (K + 7) / 8;
  float *values = (float *)malloc(N * K / 2 * sizeof *values);
  uint8_t *meta = (uint8_t *)calloc(N, bytes);
  size_t n, g;
  for (n = 0; n < N; ++n)
    for (g = 0; g < K / 4; ++g) {
      const int nibble =
          slow_compress(values + n * K / 2 + 2 * g, w + n * K + 4 * g);
      meta[n * bytes + g / 2] |= (uint8_t)(g % 2 == 0 ? nibble : 16 * nibble);
    }
  slow_forward_compressed(z, N, x, K, values, K / 2, meta, bytes, f->T, N, K);
  free(values), free(meta);
}

static void slow_layer_forward(float *z, const fixture *f, const float *bias) {
  float *w = slow_sparse_weight(f);
  float *x = contiguous(f->x, f->T, f->K, f->ldx);
  double scale = 1.0;
  size_t i;
  if (f->layer.fp8) {
    scale = slow_quantise(w, f->N * f->K, f->layer.forward_format);
    scale *= slow_quantise(x, f->T * f->K, f->layer.forward_format);
  }
  slow_sparse_product(z, x, w, f);
  unscale(z, f->T * f->N, scale);
  for (i = 0; i < f->T * f->N; ++i) {
    if (bias != NULL) z[i] += bias[i % f->N];
    z[i] = slow_canonical(z[i]);
  }
  free(w), free(x);
}

/* One group of four tokens, by one word or by two. */
static void slow_draw(float a[4], const fixture *f, size_t n, size_t g) {
  const sste_mvue_stream *s = &f->stream;
  uint32_t word[2];
  if (f->layer.mvue == SSTE_MVUE_OPTIMAL) {
    sste_mvue24_group_draw(a, a, sste_mvue_word(s, n, g));
  } else {
    slow_approx_words(word, s->seed, s->tensor, s->step, s->run + n,
                      s->group + g);
    sste_mvue24_group_draw_approx(a, a, word[0], word[1]);
  }
}

/* Four tokens of every column at a time. */
static void slow_sample(float *dz, const fixture *f) {
  size_t n, g, i;
  for (n = 0; n < f->N; ++n)
    for (g = 0; g < f->T / 4; ++g) {
      float a[4];
      for (i = 0; i < 4; ++i) a[i] = dz[(4 * g + i) * f->N + n];
      slow_draw(a, f, n, g);
      for (i = 0; i < 4; ++i) dz[(4 * g + i) * f->N + n] = a[i];
    }
}

static void slow_layer_backward(float *dx, float *dw, float *db,
                                const fixture *f) {
  const size_t T = f->T, N = f->N, K = f->K;
  float *w = slow_sparse_weight(f), *x = contiguous(f->x, T, K, f->ldx);
  float *dense = contiguous(f->dz, T, N, f->ldz);
  float *sampled = contiguous(f->dz, T, N, f->ldz);
  double scale_x = 1.0, scale_w = 1.0;
  size_t n, t, i;
  for (n = 0; n < N; ++n) {
    double sum = 0.0;
    for (t = 0; t < T; ++t) sum += (double)dense[t * N + n];
    db[n] = slow_canonical((float)sum);
  }
  if (f->layer.mvue) slow_sample(sampled, f);
  if (f->layer.fp8) {
    scale_x = slow_quantise(dense, T * N, f->layer.input_grad_format);
    scale_x *= slow_quantise(w, N * K, f->layer.input_grad_format);
    scale_w = slow_quantise(sampled, T * N, f->layer.weight_grad_format);
    scale_w *= slow_quantise(x, T * K, f->layer.weight_grad_format);
  }
  slow_input_grad(dx, K, dense, N, w, K, T, N, K);
  unscale(dx, T * K, scale_x);
  slow_weight_grad(dw, K, sampled, N, x, K, T, N, K);
  unscale(dw, N * K, scale_w);
  for (i = 0; i < N * K && f->layer.scale_gradient; ++i)
    dw[i] = f->layer.beta * dw[i];
  free(w), free(x), free(dense), free(sampled);
}

/* got, with its padding still poisoned, against a contiguous expectation. */
static void assert_same_matrix(const float *got, size_t ld, const float *want,
                               size_t rows, size_t cols) {
  float poison;
  size_t r, c;
  test_poison(&poison, sizeof poison);
  for (r = 0; r < rows; ++r) {
    for (c = 0; c < cols; ++c)
      assert_same_float(got[r * ld + c], want[r * cols + c]);
    for (; c < ld; ++c) assert_same_float(got[r * ld + c], poison);
  }
}

static void check_forward(const fixture *f, const float *bias) {
  float *want = (float *)malloc(f->T * f->N * sizeof *want);
  test_poison(f->z, f->T * f->ldz * sizeof *f->z);
  slow_layer_forward(want, f, bias);
  assert_int_equal(run_forward(f, bias), SSTE_OK);
  assert_same_matrix(f->z, f->ldz, want, f->T, f->N);
  free(want);
}

static void check_backward(const fixture *f) {
  float *dx = (float *)malloc(f->T * f->K * sizeof *dx);
  float *dw = (float *)malloc(f->N * f->K * sizeof *dw);
  float *db = (float *)malloc(f->N * sizeof *db);
  test_poison(f->dx, f->T * f->ldx * sizeof *f->dx);
  test_poison(f->dw, f->N * f->ldw * sizeof *f->dw);
  slow_layer_backward(dx, dw, db, f);
  assert_int_equal(run_backward(f), SSTE_OK);
  assert_same_matrix(f->dx, f->ldx, dx, f->T, f->K);
  assert_same_matrix(f->dw, f->ldw, dw, f->N, f->K);
  assert_same_matrix(f->db, f->N, db, 1, f->N);
  free(dx), free(dw), free(db);
}

static const size_t shapes[][3] = {{4, 1, 4},    {4, 3, 4},     {8, 5, 12},
                                   {64, 64, 64}, {68, 65, 132}, {100, 130, 36}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };
static const float gammas[3] = {0.0f, 0.3f, 1.0f};

static void forward_is_the_slow_chain(void **state) {
  size_t i;
  (void)state;
  for (i = 0; i < 6 * SHAPES; ++i) {
    const size_t *s = shapes[i / 6];
    fixture f = fixture_new(s[0] - 1, s[1], s[2], i); /* any T will do */
    f.layer.fp8 = (int)(i % 2);
    f.layer.gamma = gammas[i % 3];
    check_forward(&f, NULL);
    check_forward(&f, f.bias);
    fixture_free(&f);
  }
}

static void backward_is_the_slow_chain(void **state) {
  size_t i;
  (void)state;
  for (i = 0; i < 12 * SHAPES; ++i) {
    const size_t *s = shapes[i / 12];
    fixture f = fixture_new(s[0], s[1], s[2], i);
    f.layer.fp8 = (int)(i % 2);
    f.layer.mvue = (sste_mvue_use)(i / 2 % 3);
    f.layer.scale_gradient = (int)(i / 6 % 2);
    f.layer.gamma = gammas[i % 3];
    check_backward(&f);
    fixture_free(&f);
  }
}

/* Each product has a format of its own, and both E3M4s are among them. */
static void formats_are_chosen_per_product(void **state) {
  const sste_fp8_format formats[4] = {sste_fp8_e4m3fn(), sste_fp8_e5m2(),
                                      sste_fp8_e3m4(), sste_fp8_e3m4fn()};
  int i;
  (void)state;
  for (i = 0; i < 64; ++i) {
    fixture f = fixture_new(8, 6, 8, (uint64_t)i);
    f.layer.forward_format = formats[i & 3];
    f.layer.input_grad_format = formats[i >> 2 & 3];
    f.layer.weight_grad_format = formats[i >> 4];
    check_forward(&f, f.bias);
    check_backward(&f);
    fixture_free(&f);
  }
}

static void init_gives_the_paper_s_defaults(void **state) {
  fixture f = fixture_new(4, 6, 8, 0);
  const sste_fp8_format e4m3 = sste_fp8_e4m3fn(), e5m2 = sste_fp8_e5m2();
  (void)state;
  assert_same_float(f.layer.beta, slow_beta(f.w, f.ldw, f.N, f.K));
  assert_same_float(f.layer.gamma, 0.0f);
  assert_int_equal(f.layer.fp8, 1);
  assert_int_equal(f.layer.mvue, SSTE_MVUE_OPTIMAL);
  assert_int_equal(f.layer.scale_gradient, 0);
  assert_int_equal(f.layer.in_features, 8);
  assert_int_equal(f.layer.out_features, 6);
  assert_memory_equal(&f.layer.forward_format, &e4m3, sizeof e4m3);
  assert_memory_equal(&f.layer.input_grad_format, &e5m2, sizeof e5m2);
  assert_memory_equal(&f.layer.weight_grad_format, &e5m2, sizeof e5m2);
  fixture_free(&f);
}

/* beta is frozen: the layer goes on with it when the weights have moved. */
static void beta_stays_when_weights_move(void **state) {
  fixture f = fixture_new(4, 6, 8, 1);
  const float frozen = f.layer.beta;
  size_t i;
  (void)state;
  for (i = 0; i < f.N * f.ldw; ++i) f.w[i] += (float)(i % 7) * 0.01f;
  check_forward(&f, NULL);
  assert_same_float(f.layer.beta, frozen);
  assert_true(slow_beta(f.w, f.ldw, f.N, f.K) != frozen);
  fixture_free(&f);
}

/* Straight through: every dense weight gets its gradient, pruned or not, and
 * dW does not depend on W at all. */
static void gradient_goes_straight_through(void **state) {
  fixture f = fixture_new(4, 1, 4, 2);
  const float x[4] = {1.0f, 2.0f, 3.0f, 4.0f},
              w[4] = {4.0f, -3.0f, 2.0f, -1.0f};
  int k;
  (void)state;
  f.layer.fp8 = f.layer.mvue = 0;
  f.T = 1;
  memcpy(f.x, x, sizeof x);
  memcpy(f.w, w, sizeof w);
  f.dz[0] = 1.0f;
  assert_int_equal(run_backward(&f), SSTE_OK);
  for (k = 0; k < 4; ++k) assert_same_float(f.dw[k], x[k]);
  fixture_free(&f);
}

/* What is not asked for is not computed, and what is does not change. */
static void null_outputs_are_left_out(void **state) {
  int i;
  (void)state;
  for (i = 0; i < 8; ++i) {
    fixture f = fixture_new(8, 6, 8, 3), g = fixture_new(8, 6, 8, 3);
    assert_int_equal(run_backward(&f), SSTE_OK);
    assert_int_equal(
        sste_linear_backward(&g.layer, i & 1 ? NULL : g.dx, g.ldx,
                             i & 2 ? NULL : g.dw, g.ldw, i & 4 ? NULL : g.db,
                             g.dz, g.ldz, g.x, g.ldx, g.w, g.ldw, g.T,
                             i & 2 ? NULL : &g.stream, g.scratch, g.bytes),
        SSTE_OK);
    if (!(i & 1)) assert_memory_equal(f.dx, g.dx, f.T * f.ldx * 4);
    if (!(i & 2)) assert_memory_equal(f.dw, g.dw, f.N * f.ldw * 4);
    if (!(i & 4)) assert_memory_equal(f.db, g.db, f.N * 4);
    fixture_free(&f), fixture_free(&g);
  }
}

/* The mean of dW over many draws is the dense dW. A smoke test: the draw's mean
 * is proven by enumeration where it belongs. */
static void sampled_gradient_is_unbiased(void **state) {
  enum { DRAWS = 20000 };
  fixture f = fixture_new(4, 1, 4, 4);
  double mean[4] = {0.0}, square[4] = {0.0};
  float dense[4];
  int i, k;
  (void)state;
  f.layer.fp8 = 0;
  for (i = 0; i < 4; ++i) f.dz[(size_t)i * f.ldz] = (float)(i + 1);
  f.layer.mvue = 0;
  assert_int_equal(run_backward(&f), SSTE_OK);
  memcpy(dense, f.dw, sizeof dense);
  f.layer.mvue = 1;
  for (i = 0; i < DRAWS; ++i) {
    f.stream.step = (uint32_t)i;
    assert_int_equal(run_backward(&f), SSTE_OK);
    for (k = 0; k < 4; ++k) {
      mean[k] += (double)f.dw[k] / DRAWS;
      square[k] += (double)f.dw[k] * (double)f.dw[k] / DRAWS;
    }
  }
  for (k = 0; k < 4; ++k) {
    const double error = sqrt((square[k] - mean[k] * mean[k]) / DRAWS);
    assert_true(error > 0.0);
    assert_near(mean[k], (double)dense[k], 6.0 * error);
  }
  fixture_free(&f);
}

/* How often the approximation leaves elements i and j: drawn in one order or
 * the other. */
static double pair_probability(const float a[4], int i, int j) {
  double b[4], sum = 0.0;
  int k;
  for (k = 0; k < 4; ++k) sum += b[k] = fabs((double)a[k]);
  return b[i] / sum * b[j] / (sum - b[i]) + b[j] / sum * b[i] / (sum - b[j]);
}

/* X is the identity, so each row of dW is a sample of the same four tokens: its
 * pairs come as often as two draws say, and by that its mean is dZ. The optimal
 * sample has other pairs, and never the two smallest. */
static void approximate_samples_are_two_draws(void **state) {
  enum { DRAWS = 20000 };
  static const float groups[3][4] = {
      {1, 2, -3, 4}, {0.5f, -8, 1, -1}, {3, 0, -1, -2}};
  fixture f = fixture_new(4, DRAWS, 4, 7);
  size_t g, n, t;
  int i, j;
  (void)state;
  f.layer.fp8 = 0;
  f.layer.mvue = SSTE_MVUE_APPROXIMATE;
  for (g = 0; g < 3; ++g) {
    const float *a = groups[g];
    double p[4] = {0.0, 0.0, 0.0, 0.0};
    size_t count[4][4] = {{0}};
    for (t = 0; t < 4; ++t) {
      for (n = 0; n < 4; ++n) f.x[t * f.ldx + n] = n == t ? 1.0f : 0.0f;
      for (n = 0; n < DRAWS; ++n) f.dz[t * f.ldz + n] = a[t];
    }
    f.stream.step = (uint32_t)g;
    assert_int_equal(run_backward(&f), SSTE_OK);
    for (i = 0; i < 4; ++i)
      for (j = 0; j < 4; ++j)
        if (i != j) p[i] += pair_probability(a, i, j);
    for (n = 0; n < DRAWS; ++n) {
      const float *row = f.dw + n * f.ldw;
      int alive = 0;
      for (i = 0; i < 4; ++i) {
        const double survivor = (double)a[i] / p[i];
        if (row[i] == 0.0f) continue;
        assert_near((double)row[i], survivor, 0x1p-23 * fabs(survivor));
        ++alive;
        for (j = 0; j < i; ++j) count[i][j] += row[j] != 0.0f;
      }
      assert_int_equal(alive, 2);
    }
    for (i = 0; i < 4; ++i)
      for (j = 0; j < i; ++j) {
        const double q = pair_probability(a, i, j);
        assert_near((double)count[i][j] / DRAWS, q,
                    5.0 * sqrt(q * (1.0 - q) / DRAWS));
      }
  }
  fixture_free(&f);
}

/* amax = 0 must not turn the whole output into NaN. */
static void zero_tensors_stay_zero(void **state) {
  fixture f = fixture_new(8, 6, 8, 5);
  size_t i;
  (void)state;
  memset(f.x, 0, f.T * f.ldx * sizeof *f.x);
  memset(f.dz, 0, f.T * f.ldz * sizeof *f.dz);
  check_forward(&f, f.bias);
  check_backward(&f);
  for (i = 0; i < f.N; ++i) assert_same_float(f.z[i], f.bias[i]);
  for (i = 0; i < f.K; ++i) assert_same_float(f.dw[i], 0.0f);
  fixture_free(&f);
}

/* Where the product of both scales is beyond the floats, the result is not. */
static void tiny_and_huge_scales_survive(void **state) {
  const double sizes[] = {1e-30, 1e-38, 1e-44, 1e30, 3e38};
  size_t s, i;
  (void)state;
  for (s = 0; s < sizeof sizes / sizeof sizes[0]; ++s) {
    fixture f = fixture_new(8, 6, 8, 6 + s);
    float largest = 0.0f;
    for (i = 0; i < f.T * f.ldz; ++i)
      f.dz[i] = (float)(sizes[s] * tanh(1e4 * (double)f.dz[i]));
    for (i = 0; i < f.T * f.ldx; ++i) f.x[i] = tanhf(f.x[i]) * 1e-10f;
    check_forward(&f, NULL);
    check_backward(&f);
    for (i = 0; i < f.K; ++i) largest = fmaxf(largest, fabsf(f.dw[i]));
    assert_true(sizes[s] < 1e-30 || (largest > 0.0f && isfinite(largest)));
    fixture_free(&f);
  }
}

/* One NaN poisons what it meets, and no more. */
static void nan_poisons_its_own_row(void **state) {
  int fp8;
  (void)state;
  for (fp8 = 0; fp8 < 2; ++fp8) {
    fixture f = fixture_new(8, 6, 8, 20);
    size_t n;
    f.layer.fp8 = fp8;
    f.x[3 * f.ldx + 2] = test_float(0xFF812345u);
    f.dz[5 * f.ldz + 1] = test_float(0x7F812345u);
    f.bias[4] = test_float(0xFFC12345u);
    check_forward(&f, f.bias);
    check_backward(&f);
    for (n = 0; n < 4; ++n) assert_true(fabsf(f.z[2 * f.ldz + n]) < 1e3f);
    assert_same_float(f.db[1], test_float(0x7FC00000u));
    fixture_free(&f);
  }
}

/* With gamma above 0 an infinite third magnitude makes the threshold infinite,
 * and the group NaN; with 0, or -0, it does not matter. */
static void infinite_weights_depend_on_gamma(void **state) {
  const float some[4] = {0.0f, -0.0f, 0x1p-149f, 1.0f};
  sste_report report;
  size_t i;
  (void)state;
  for (i = 0; i < 8; ++i) {
    fixture f = fixture_new(8, 6, 8, 21);
    f.layer.gamma = some[i % 4];
    f.layer.fp8 = (int)(i / 4);
    f.w[f.ldw] = f.w[f.ldw + 2] = -INFINITY;
    check_forward(&f, NULL);
    check_backward(&f);
    if (i < 4) assert_true((isnan(f.dx[0]) != 0) == (i > 1));
    assert_int_equal(
        sste_linear_report(&report, &f.layer, f.w, f.ldw, f.scratch, f.bytes),
        SSTE_OK);
    assert_int_equal(report.nan_groups, i % 4 > 1);
    fixture_free(&f);
  }
}

/* A later slice of the batch draws what the whole batch would have drawn: here
 * all but the first `skipped` tokens, whose gradient is zero. */
static void check_slice(sste_mvue_use mvue, size_t skipped) {
  const size_t T = 16 - skipped;
  fixture whole = fixture_new(16, 6, 8, 30), part = fixture_new(T, 6, 8, 30);
  size_t n, k;
  whole.layer.fp8 = 0;
  whole.layer.mvue = mvue;
  part.layer = whole.layer;
  memset(whole.dz, 0, skipped * whole.ldz * sizeof *whole.dz);
  part.dz = (free(part.dz),
             contiguous(whole.dz + skipped * whole.ldz, T, 6 + PAD, whole.ldz));
  part.x = (free(part.x),
            contiguous(whole.x + skipped * whole.ldx, T, 8 + PAD, whole.ldx));
  part.stream = whole.stream;
  part.stream.group += skipped / 4;
  assert_int_equal(run_backward(&whole), SSTE_OK);
  assert_int_equal(run_backward(&part), SSTE_OK);
  for (n = 0; n < 6; ++n)
    for (k = 0; k < 8; ++k)
      assert_same_float(part.dw[n * part.ldw + k], whole.dw[n * whole.ldw + k]);
  fixture_free(&whole), fixture_free(&part);
}

static void micro_batches_draw_as_the_whole(void **state) {
  size_t skipped;
  (void)state;
  for (skipped = 4; skipped < 16; skipped += 4) {
    check_slice(SSTE_MVUE_OPTIMAL, skipped);
    check_slice(SSTE_MVUE_APPROXIMATE, skipped);
  }
}

static void threads_do_not_change_a_bit(void **state) {
  const int counts[] = {1, 2, 5};
  size_t i;
  (void)state;
  for (i = 0; i < 3; ++i) {
    fixture f = fixture_new(132, 100, 136, 40);
    test_threads(counts[i]);
    check_forward(&f, f.bias);
    check_backward(&f);
    fixture_free(&f);
  }
  test_threads(2);
}

/* ---- Scratch ------------------------------------------------------------- */

/* Scratch that is exactly as long as promised is never overrun. */
static void scratch_is_as_long_as_promised(void **state) {
  size_t i, j;
  (void)state;
  for (i = 0; i < SHAPES; ++i) {
    fixture f = fixture_new(shapes[i][0], shapes[i][1], shapes[i][2], 50);
    uint8_t *guarded = (uint8_t *)malloc(f.bytes + 64);
    free(f.scratch);
    f.scratch = guarded;
    test_poison(guarded, f.bytes + 64);
    check_forward(&f, NULL);
    check_backward(&f);
    for (j = 0; j < 64; ++j) assert_int_equal(guarded[f.bytes + j], 0xCA);
    fixture_free(&f);
  }
}

static void scratch_has_the_size_it_says(void **state) {
  sste_linear layer;
  (void)state;
  memset(&layer, 0, sizeof layer);
  layer.out_features = 8;
  layer.in_features = 4;
  assert_int_equal(sste_linear_scratch_bytes(&layer, 4), 360);
  assert_true(sste_linear_scratch_bytes(&layer, SIZE_MAX / 8) == SIZE_MAX);
  layer.out_features = SIZE_MAX / 2;
  assert_true(sste_linear_scratch_bytes(&layer, 4) == SIZE_MAX);
  assert_true(sste_linear_scratch_bytes(&layer, 0) == SIZE_MAX);
  layer.in_features = 0;
  assert_true(sste_linear_scratch_bytes(&layer, 4) == SIZE_MAX);
  layer.in_features = 4;
  layer.out_features = 0;
  assert_true(sste_linear_scratch_bytes(&layer, SIZE_MAX / 8) == SIZE_MAX);
}

/* ---- Refusals ------------------------------------------------------------ */

/* Each case breaks one thing; the outputs must stay poisoned. */
typedef void (*breakage)(fixture *f);

static void no_scratch(fixture *f) { free(f->scratch), f->scratch = NULL; }
static void short_scratch(fixture *f) { --f->bytes; }
static void no_input(fixture *f) { free(f->x), f->x = NULL; }
static void no_weight(fixture *f) { free(f->w), f->w = NULL; }
static void odd_features(fixture *f) { f->layer.in_features = 6; }
static void short_rows_x(fixture *f) { f->ldx = f->K - 1; }
static void short_rows_w(fixture *f) { f->ldw = f->K - 1; }
static void short_rows_z(fixture *f) { f->ldz = f->N - 1; }
static void beta_zero(fixture *f) { f->layer.beta = 0.0f; }
static void beta_negative(fixture *f) { f->layer.beta = -1.0f; }
static void beta_nan(fixture *f) { f->layer.beta = NAN; }
static void beta_infinite(fixture *f) { f->layer.beta = INFINITY; }
static void gamma_negative(fixture *f) { f->layer.gamma = -0x1p-149f; }
static void gamma_above_one(fixture *f) { f->layer.gamma = 0x1.000002p0f; }
static void gamma_nan(fixture *f) { f->layer.gamma = NAN; }
static void gamma_infinite(fixture *f) { f->layer.gamma = INFINITY; }
static void mvue_negative(fixture *f) { f->layer.mvue = (sste_mvue_use)-1; }
static void mvue_unknown(fixture *f) { f->layer.mvue = (sste_mvue_use)3; }
static void bad_forward(fixture *f) { f->layer.forward_format.bias = 1000; }
static void unsigned_format(fixture *f) {
  f->layer.input_grad_format = sste_fp8_ue4m3();
}
static void powers_of_two(fixture *f) {
  f->layer.weight_grad_format = sste_fp8_e8m0();
}
static void bad_input_grad(fixture *f) {
  f->layer.input_grad_format.mantissa_bits = 4;
}
static void bad_weight_grad(fixture *f) {
  f->layer.weight_grad_format.specials = 7;
}
static void endless(fixture *f) { f->T = SIZE_MAX / 64; }

static const struct refusal {
  breakage how;
  sste_status status;
} refusals[] = {
    {no_scratch, SSTE_ERR_NULL},       {short_scratch, SSTE_ERR_SIZE},
    {no_input, SSTE_ERR_NULL},         {no_weight, SSTE_ERR_NULL},
    {odd_features, SSTE_ERR_SHAPE},    {short_rows_x, SSTE_ERR_SHAPE},
    {short_rows_w, SSTE_ERR_SHAPE},    {short_rows_z, SSTE_ERR_SHAPE},
    {beta_zero, SSTE_ERR_VALUE},       {beta_negative, SSTE_ERR_VALUE},
    {beta_nan, SSTE_ERR_VALUE},        {beta_infinite, SSTE_ERR_VALUE},
    {gamma_negative, SSTE_ERR_VALUE},  {gamma_above_one, SSTE_ERR_VALUE},
    {gamma_nan, SSTE_ERR_VALUE},       {gamma_infinite, SSTE_ERR_VALUE},
    {mvue_negative, SSTE_ERR_VALUE},   {mvue_unknown, SSTE_ERR_VALUE},
    {bad_forward, SSTE_ERR_VALUE},     {bad_input_grad, SSTE_ERR_VALUE},
    {unsigned_format, SSTE_ERR_VALUE}, {powers_of_two, SSTE_ERR_VALUE},
    {bad_weight_grad, SSTE_ERR_VALUE}, {endless, SSTE_ERR_SIZE}};

static void assert_poisoned(const float *p, size_t count) {
  size_t i;
  float poison;
  test_poison(&poison, sizeof poison);
  for (i = 0; i < count; ++i) assert_same_float(p[i], poison);
}
static void assert_untouched(const fixture *f) {
  assert_poisoned(f->z, 8 * (6 + PAD));
  assert_poisoned(f->dx, 8 * (8 + PAD));
  assert_poisoned(f->dw, 6 * (8 + PAD));
  assert_poisoned(f->db, 6);
}

static void bad_arguments_are_refused(void **state) {
  size_t i;
  (void)state;
  for (i = 0; i < sizeof refusals / sizeof refusals[0]; ++i) {
    fixture f = fixture_new(8, 6, 8, 60);
    refusals[i].how(&f);
    if (run_forward(&f, f.bias) != refusals[i].status)
      fail_msg("forward, refusal %d", (int)i);
    if (run_backward(&f) != refusals[i].status)
      fail_msg("backward, refusal %d", (int)i);
    assert_untouched(&f);
    fixture_free(&f);
  }
}

static void missing_pieces_are_refused(void **state) {
  fixture f = fixture_new(8, 6, 8, 61);
  float *const dz = f.dz, *const z = f.z;
  (void)state;
  f.dz = NULL;
  assert_int_equal(run_backward(&f), SSTE_ERR_NULL);
  f.dz = dz;
  f.z = NULL;
  assert_int_equal(run_forward(&f, NULL), SSTE_ERR_NULL);
  f.z = z;
  assert_int_equal(sste_linear_forward(NULL, f.z, f.ldz, f.x, f.ldx, f.w, f.ldw,
                                       NULL, f.T, f.scratch, f.bytes),
                   SSTE_ERR_NULL);
  assert_int_equal(sste_linear_backward(&f.layer, f.dx, f.ldx, f.dw, f.ldw,
                                        f.db, f.dz, f.ldz, f.x, f.ldx, f.w,
                                        f.ldw, f.T, NULL, f.scratch, f.bytes),
                   SSTE_ERR_NULL);
  assert_untouched(&f);
  fixture_free(&f);
}

/* Six tokens are no whole groups: refused, but only where MVUE needs them. */
static void token_groups_must_be_full(void **state) {
  fixture f = fixture_new(8, 6, 8, 62);
  (void)state;
  f.T = 6;
  assert_int_equal(run_backward(&f), SSTE_ERR_SHAPE);
  f.layer.mvue = SSTE_MVUE_APPROXIMATE;
  assert_int_equal(run_backward(&f), SSTE_ERR_SHAPE);
  assert_untouched(&f);
  f.layer.mvue = SSTE_MVUE_OFF;
  assert_int_equal(run_backward(&f), SSTE_OK);
  fixture_free(&f);
}

/* Two words for each group end the counter at half as many: the last group
 * there is, and one more. */
static void approximate_groups_end_at_half(void **state) {
  fixture f = fixture_new(8, 6, 8, 66);
  (void)state;
#if SIZE_MAX > 0xFFFFFFFFu
  f.stream.group = 0x1FFFFFFFFu;
  f.layer.mvue = SSTE_MVUE_APPROXIMATE;
  assert_int_equal(run_backward(&f), SSTE_ERR_SIZE);
  assert_untouched(&f);
  f.layer.mvue = SSTE_MVUE_OPTIMAL;
  assert_int_equal(run_backward(&f), SSTE_OK);
  f.stream.group = 0x1FFFFFFFEu;
  f.layer.mvue = SSTE_MVUE_APPROXIMATE;
  assert_int_equal(run_backward(&f), SSTE_OK);
#endif
  fixture_free(&f);
}

static void misaligned_scratch_is_refused(void **state) {
  fixture f = fixture_new(8, 6, 8, 63);
  void *const scratch = f.scratch;
  f.scratch = (uint8_t *)scratch + 1;
  (void)state;
  assert_int_equal(run_forward(&f, NULL), SSTE_ERR_VALUE);
  assert_int_equal(run_backward(&f), SSTE_ERR_VALUE);
  assert_untouched(&f);
  f.scratch = scratch;
  fixture_free(&f);
}

/* Every output against everything else it might share memory with. */
static void overlaps_are_refused(void **state) {
  fixture f = fixture_new(8, 6, 8, 64);
  float *const outputs[] = {f.dx, f.dw, f.db};
  float *const others[] = {
      f.dz, f.x, f.w, f.dx, f.dw, f.db, (float *)f.scratch};
  size_t i, j;
  (void)state;
  for (i = 0; i < 3; ++i)
    for (j = 0; j < 7; ++j) {
      float *out[3];
      memcpy(out, outputs, sizeof out);
      if (others[j] == out[i]) continue;
      out[i] = others[j];
      assert_int_equal(
          sste_linear_backward(&f.layer, out[0], f.ldx, out[1], f.ldw, out[2],
                               f.dz, f.ldz, f.x, f.ldx, f.w, f.ldw, f.T,
                               &f.stream, f.scratch, f.bytes),
          SSTE_ERR_OVERLAP);
    }
  for (j = 0; j < 7; ++j) {
    if (j >= 3 && j < 6) continue; /* forward knows nothing of those */
    assert_int_equal(
        sste_linear_forward(&f.layer, others[j], f.ldz, j == 0 ? f.dz : f.x,
                            f.ldx, f.w, f.ldw, NULL, f.T, f.scratch, f.bytes),
        SSTE_ERR_OVERLAP);
  }
  assert_int_equal(run_forward(&f, f.z), SSTE_ERR_OVERLAP);
  assert_int_equal(run_forward(&f, (float *)f.scratch), SSTE_ERR_OVERLAP);
  assert_untouched(&f);
  fixture_free(&f);
}

static void init_refuses_what_has_no_scale(void **state) {
  const float flat[4] = {1.0f, -1.0f, 1.0f, 1.0f};
  const float bad[4] = {1.0f, NAN, 2.0f, 3.0f}, good[4] = {4, -3, 2, -1};
  sste_linear layer, before;
  (void)state;
  test_poison(&layer, sizeof layer);
  memcpy(&before, &layer, sizeof layer);
  assert_int_equal(sste_linear_init(&layer, flat, 4, 1, 4), SSTE_ERR_ZERO);
  assert_int_equal(sste_linear_init(&layer, bad, 4, 1, 4), SSTE_ERR_NONFINITE);
  assert_int_equal(sste_linear_init(&layer, good, 3, 1, 4), SSTE_ERR_SHAPE);
  assert_int_equal(sste_linear_init(&layer, NULL, 4, 1, 4), SSTE_ERR_NULL);
  assert_int_equal(sste_linear_init(NULL, good, 4, 1, 4), SSTE_ERR_NULL);
  assert_memory_equal(&layer, &before, sizeof layer);
}

/* No tokens: nothing to do for Z and dX, and sums over nothing are zero. */
static void no_tokens_is_no_error(void **state) {
  fixture f = fixture_new(8, 6, 8, 65);
  size_t i;
  (void)state;
  f.T = 0;
  assert_int_equal(run_forward(&f, f.bias), SSTE_OK);
  assert_poisoned(f.z, 8 * f.ldz);
  assert_int_equal(run_backward(&f), SSTE_OK);
  assert_poisoned(f.dx, 8 * f.ldx);
  for (i = 0; i < f.N; ++i) {
    assert_same_float(f.db[i], 0.0f);
    assert_same_float(f.dw[i * f.ldw], 0.0f);
  }
  fixture_free(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(self_check_is_silent),
      cmocka_unit_test(self_check_sees_rounding),
      cmocka_unit_test(self_check_sees_flushing),
      cmocka_unit_test(every_status_has_its_text),
      cmocka_unit_test(init_gives_the_paper_s_defaults),
      cmocka_unit_test(forward_is_the_slow_chain),
      cmocka_unit_test(backward_is_the_slow_chain),
      cmocka_unit_test(formats_are_chosen_per_product),
      cmocka_unit_test(beta_stays_when_weights_move),
      cmocka_unit_test(gradient_goes_straight_through),
      cmocka_unit_test(null_outputs_are_left_out),
      cmocka_unit_test(sampled_gradient_is_unbiased),
      cmocka_unit_test(approximate_samples_are_two_draws),
      cmocka_unit_test(zero_tensors_stay_zero),
      cmocka_unit_test(tiny_and_huge_scales_survive),
      cmocka_unit_test(nan_poisons_its_own_row),
      cmocka_unit_test(infinite_weights_depend_on_gamma),
      cmocka_unit_test(micro_batches_draw_as_the_whole),
      cmocka_unit_test(threads_do_not_change_a_bit),
      cmocka_unit_test(scratch_is_as_long_as_promised),
      cmocka_unit_test(scratch_has_the_size_it_says),
      cmocka_unit_test(bad_arguments_are_refused),
      cmocka_unit_test(missing_pieces_are_refused),
      cmocka_unit_test(token_groups_must_be_full),
      cmocka_unit_test(approximate_groups_end_at_half),
      cmocka_unit_test(misaligned_scratch_is_refused),
      cmocka_unit_test(overlaps_are_refused),
      cmocka_unit_test(init_refuses_what_has_no_scale),
      cmocka_unit_test(no_tokens_is_no_error),
  };
  return cmocka_run_group_tests_name("sste_train.h", tests, NULL, NULL);
}
