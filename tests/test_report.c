/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_report.c - the diagnostics: descent and its signs, what FP8 formats
 * lose, a layer's report; and the two maps of the paper's section 3 side by
 * side, one that jumps and one that does not.
 */
#include "slow_fp8.h"
#include "slow_sste.h"
#include "sste_train.h"
#include "test.h"

/* ---- Amount of descent --------------------------------------------------- */

static sste_descent no_descent(void) {
  sste_descent d = {0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0};
  return d;
}

/* The same in two passes: means first, then products about them. */
typedef struct two_pass {
  long double mean_a, mean_p, aa, pp, ap;
} two_pass;

static two_pass in_two_passes(const double *a, const double *p, int n) {
  two_pass t = {0.0L, 0.0L, 0.0L, 0.0L, 0.0L};
  int i;
  for (i = 0; i < n; ++i) {
    t.mean_a += a[i];
    t.mean_p += p[i];
  }
  t.mean_a /= n;
  t.mean_p /= n;
  for (i = 0; i < n; ++i) {
    t.aa += (a[i] - t.mean_a) * (a[i] - t.mean_a);
    t.pp += (p[i] - t.mean_p) * (p[i] - t.mean_p);
    t.ap += (a[i] - t.mean_a) * (p[i] - t.mean_p);
  }
  return t;
}

#define assert_share(got, want, share) \
  assert_near(got, want, (share)*fabs(want))

/* Steps whose A lies about a line over P, up to noise; far from 0 where the
 * offset is large, which sums of plain squares would not survive.           */
static void check_against_two_passes(double offset, double slope, double noise,
                                     double share) {
  enum { STEPS = 1000 };
  uint64_t rng = test_seed();
  double a[STEPS], p[STEPS];
  sste_descent d = no_descent();
  two_pass t;
  int i;
  for (i = 0; i < STEPS; ++i) {
    const double after = test_normal(&rng);
    double before;
    p[i] = test_normal(&rng) - offset;
    before = after + offset + slope * p[i] + noise * test_normal(&rng);
    a[i] = before - after;
    sste_descent_add(&d, before, after, after, p[i]);
  }
  t = in_two_passes(a, p, STEPS);
  assert_int_equal(d.steps, STEPS);
  assert_share(d.mean_a, (double)t.mean_a, 1e-13);
  assert_share(d.mean_p, (double)t.mean_p, 1e-13);
  assert_share(d.aa, (double)t.aa, share);
  assert_share(d.pp, (double)t.pp, share);
  assert_share(d.ap, (double)t.ap, share);
  assert_share(sste_descent_slope(&d), (double)(t.ap / t.pp), 2 * share);
  assert_share(sste_descent_r2(&d), (double)(t.ap / t.pp * t.ap / t.aa),
               4 * share);
}

static void descent_agrees_with_two_passes(void **state) {
  (void)state;
  check_against_two_passes(0.5, 0.75, 0.5, 1e-12);
  check_against_two_passes(0.0, -2.0, 0.1, 1e-12);
  check_against_two_passes(1e7, 1.5, 2.0, 1e-6);
}

static void descent_counts_signs(void **state) {
  /* A and F; then whether they are opposite, wrong, rising. */
  static const int rows[9][5] = {
      {-1, -1, 0, 0, 1}, {-1, 0, 0, 0, 1}, {-1, 1, 1, 1, 1},
      {0, -1, 0, 0, 0},  {0, 0, 0, 0, 0},  {0, 1, 0, 0, 0},
      {1, -1, 1, 0, 0},  {1, 0, 0, 0, 0},  {1, 1, 0, 0, 0}};
  int i;
  (void)state;
  for (i = 0; i < 9; ++i) {
    sste_descent d = no_descent();
    sste_descent_add(&d, 3.0, 3.0 - 0.5 * rows[i][0], 3.0 - 0.5 * rows[i][1],
                     1.0);
    assert_int_equal(d.steps, 1);
    assert_int_equal(d.opposite, rows[i][2]);
    assert_int_equal(d.wrong, rows[i][3]);
    assert_int_equal(d.rising, rows[i][4]);
    assert_near(d.mean_a, 0.5 * rows[i][0], 0.0);
  }
}

/* The header's example first: before 3, after 3.5, frozen 2.5. */
static void descent_of_three_steps_by_hand(void **state) {
  sste_descent d = no_descent();
  (void)state;
  sste_descent_add(&d, 3.0, 3.5, 2.5, 1.0); /* A = -0.5 */
  assert_int_equal(d.wrong, 1);
  assert_near(sste_descent_slope(&d), 0.0, 0.0); /* one point, no line */
  assert_near(sste_descent_r2(&d), 0.0, 0.0);
  sste_descent_add(&d, 3.5, 2.0, 2.0, 2.0);   /* A = 1.5 */
  sste_descent_add(&d, 2.0, -0.5, -0.5, 3.0); /* A = 2.5 */
  /* A - mean = -5/3, 1/3, 4/3; P - mean = -1, 0, 1 */
  assert_near(d.mean_a, 7.0 / 6.0, 1e-15);
  assert_near(d.mean_p, 2.0, 0.0);
  assert_near(d.aa, 14.0 / 3.0, 1e-14);
  assert_near(d.pp, 2.0, 1e-15);
  assert_near(d.ap, 3.0, 1e-15);
  assert_near(sste_descent_slope(&d), 1.5, 1e-15);
  assert_near(sste_descent_r2(&d), 27.0 / 28.0, 1e-15);
  assert_int_equal(d.opposite, 1);
  assert_int_equal(d.rising, 1);
  d = no_descent(); /* (A, P) = (1, 1) and (3, 2) */
  sste_descent_add(&d, 1.0, 0.0, 0.0, 1.0);
  sste_descent_add(&d, 3.0, 0.0, 0.0, 2.0);
  assert_near(sste_descent_slope(&d), 2.0, 0.0);
  assert_near(sste_descent_r2(&d), 1.0, 0.0);
}

static void a_line_needs_a_spread(void **state) {
  sste_descent flat_p = no_descent(), flat_a = no_descent();
  (void)state;
  sste_descent_add(&flat_p, 1.0, 0.0, 0.0, 4.0);
  sste_descent_add(&flat_p, 3.0, 0.0, 0.0, 4.0);
  assert_near(sste_descent_slope(&flat_p), 0.0, 0.0);
  assert_near(sste_descent_r2(&flat_p), 0.0, 0.0);
  sste_descent_add(&flat_a, 2.0, 0.0, 0.0, 4.0);
  sste_descent_add(&flat_a, 2.0, 0.0, 0.0, 6.0);
  assert_near(sste_descent_slope(&flat_a), 0.0, 0.0);
  assert_near(sste_descent_r2(&flat_a), 0.0, 0.0);
}

/* Points on a line: whatever rounding does, r2 is a share, and near 1. */
static void r2_is_a_share(void **state) {
  uint64_t rng = test_seed();
  int turn, i;
  (void)state;
  for (turn = 0; turn < 1000; ++turn) {
    const double unit = ldexp(1.0, turn % 600 - 300);
    sste_descent d = no_descent();
    for (i = 0; i < 5; ++i) {
      const double p = unit * test_uniform(&rng);
      sste_descent_add(&d, 1.5 * p, 0.0, 0.0, p);
    }
    assert_true(sste_descent_r2(&d) <= 1.0);
    assert_near(sste_descent_r2(&d), 1.0, 1e-13);
    assert_near(sste_descent_slope(&d), 1.5, 1e-13);
  }
}

/* A loss that is no number has no sign, and is not averaged away. */
static void a_nan_shows(void **state) {
  const double nan = (double)test_float(0x7FC00000u);
  int i;
  (void)state;
  for (i = 0; i < 3; ++i) { /* before, after, predicted */
    sste_descent d = no_descent();
    sste_descent_add(&d, 2.0, 1.0, 1.5, 0.5);
    sste_descent_add(&d, i == 0 ? nan : 1.0, i == 1 ? nan : 1.0, 3.0,
                     i == 2 ? nan : 0.25);
    sste_descent_add(&d, 1.0, 2.0, 0.5, 0.75);
    assert_true(isnan(i == 2 ? d.mean_p : d.mean_a));
    assert_true(isnan(sste_descent_slope(&d)));
    assert_true(isnan(sste_descent_r2(&d)));
    assert_int_equal(d.steps, 3);
    assert_int_equal(d.wrong, 1); /* the last */
    assert_int_equal(d.opposite, 1);
    assert_int_equal(d.rising, 1);
  }
}

/* ---- What a format loses ------------------------------------------------- */

static slow_fp8 slow_of(sste_fp8_format f) {
  return slow_fp8_new(f.sign_bits, f.exponent_bits, f.mantissa_bits, f.bias,
                      f.specials);
}

/* From the list of a format's numbers: what is at most half the smallest one
 * becomes 0; what is nearer to the number that would follow the largest, or
 * midway and the largest is odd, is beyond it.                              */
static sste_fp8_losses slow_losses(sste_fp8_format format, float scale,
                                   const float *x, size_t ldx, size_t rows,
                                   size_t cols) {
  const slow_fp8 f = slow_of(format);
  const double last = f.value[f.largest], next = f.value[f.largest + 1];
  sste_fp8_losses n = {0, 0, 0};
  size_t i;
  for (i = 0; i < rows * cols; ++i) {
    const float value = x[i / cols * ldx + i % cols];
    const double size = fabs((double)(value * scale));
    if (value == 0.0f || !isfinite(value)) continue;
    ++n.nonzeros;
    n.underflowed += size <= f.value[1] / 2.0;
    n.saturated += size > (last + next) / 2.0 ||
                   (f.largest % 2 == 1 && size == (last + next) / 2.0);
  }
  return n;
}

static void assert_same_losses(const sste_fp8_losses *got,
                               const sste_fp8_losses *want) {
  assert_int_equal(got->nonzeros, want->nonzeros);
  assert_int_equal(got->saturated, want->saturated);
  assert_int_equal(got->underflowed, want->underflowed);
}

enum { SIGNED = 8 };
static sste_fp8_format signed_format(int i) {
  const sste_fp8_format all[SIGNED] = {
      sste_fp8_e4m3fn(),   sste_fp8_e5m2(),       sste_fp8_e4m3(),
      sste_fp8_e3m4(),     sste_fp8_e3m4fn(),     sste_fp8_e4m3fnuz(),
      sste_fp8_e5m2fnuz(), sste_fp8_e4m3b11fnuz()};
  return all[i];
}

/* Floats at and beside both edges of a format, specials, and floats of any
 * exponent; 13 columns of 17.                                               */
enum { ROWS = 40, COLS = 13, LD = 17 };
static void fill_for(float *x, sste_fp8_format format, uint64_t *rng) {
  const slow_fp8 f = slow_of(format);
  const double middle = (f.value[f.largest] + f.value[f.largest + 1]) / 2.0;
  const float edge[4] = {(float)middle, (float)(f.value[1] / 2.0),
                         (float)f.value[f.largest], (float)f.value[1]};
  static const uint32_t special[6] = {0u,          0x80000000u, 0x7F800000u,
                                      0xFF800000u, 0x7FC00000u, 1u};
  int i;
  for (i = 0; i < ROWS * LD; ++i) {
    const uint32_t word = (uint32_t)test_random(rng);
    const uint32_t beside = test_bits(edge[word % 4]) + word / 4 % 3 - 1;
    if (i % 3 == 0)
      x[i] = test_float(beside | (word & 0x80000000u));
    else
      x[i] = test_float(i % 7 == 0 ? special[word % 6] : word);
  }
}

static void losses_agree_with_the_list_of_numbers(void **state) {
  static const float scales[4] = {1.0f, 0x1p-40f, 0x1p30f, 3.7f};
  uint64_t rng = test_seed();
  float x[ROWS * LD];
  int f, i, threads;
  (void)state;
  for (f = 0; f < SIGNED; ++f)
    for (i = 0; i < 4; ++i) {
      const sste_fp8_format format = signed_format(f);
      sste_fp8_losses got, want;
      fill_for(x, format, &rng);
      want = slow_losses(format, scales[i], x, LD, ROWS, COLS);
      for (threads = 1; threads <= 5; threads += 2) {
        test_threads(threads);
        test_poison(&got, sizeof got);
        assert_int_equal(
            sste_fp8_tensor_losses(&got, x, LD, ROWS, COLS, format, scales[i]),
            SSTE_OK);
        assert_same_losses(&got, &want);
      }
    }
  test_threads(1);
}

static void losses_of_the_example(void **state) {
  const float x[4] = {500.0f, 1e-9f, 0.0f, 1.0f};
  sste_fp8_losses got;
  (void)state;
  assert_int_equal(
      sste_fp8_tensor_losses(&got, x, 4, 1, 4, sste_fp8_e4m3fn(), 1.0f),
      SSTE_OK);
  assert_int_equal(got.nonzeros, 3);
  assert_int_equal(got.saturated, 1);
  assert_int_equal(got.underflowed, 1);
}

static void nothing_loses_nothing(void **state) {
  size_t i;
  (void)state;
  for (i = 0; i < 3; ++i) {
    sste_fp8_losses got;
    test_poison(&got, sizeof got);
    assert_int_equal(sste_fp8_tensor_losses(&got, NULL, 0, i == 0 ? 0 : 5,
                                            i == 1   ? 0
                                            : i == 0 ? 5
                                                     : 0,
                                            sste_fp8_e5m2(), 1.0f),
                     SSTE_OK);
    assert_int_equal(got.nonzeros + got.saturated + got.underflowed, 0);
  }
}

static void losses_refuse_what_they_cannot_count(void **state) {
  static const uint32_t bad_scale[6] = {0u,          0x80000000u, 0xBF800000u,
                                        0x7F800000u, 0x7FC00000u, 0xFFC00000u};
  const float x[4] = {1.0f, 2.0f, 3.0f, 4.0f};
  const sste_fp8_format f = sste_fp8_e4m3fn();
  sste_fp8_losses got, before;
  int i;
  (void)state;
  test_poison(&before, sizeof before);
  got = before;
#define REFUSES(status, ...) \
  assert_int_equal(sste_fp8_tensor_losses(__VA_ARGS__), status)
  REFUSES(SSTE_ERR_NULL, &got, NULL, 4, 1, 4, f, 1.0f);
  REFUSES(SSTE_ERR_NULL, NULL, x, 4, 1, 4, f, 1.0f);
  REFUSES(SSTE_ERR_SHAPE, &got, x, 3, 1, 4, f, 1.0f);
  REFUSES(SSTE_ERR_SIZE, &got, x, SIZE_MAX / 2, 4, 4, f, 1.0f);
  REFUSES(SSTE_ERR_VALUE, &got, x, 4, 1, 4, sste_fp8_ue4m3(), 1.0f);
  REFUSES(SSTE_ERR_VALUE, &got, x, 4, 1, 4, sste_fp8_e8m0(), 1.0f);
  REFUSES(SSTE_ERR_VALUE, &got, x, 4, 1, 4, sste_fp8_float16(), 1.0f);
  for (i = 0; i < 6; ++i)
    REFUSES(SSTE_ERR_VALUE, &got, x, 4, 1, 4, f, test_float(bad_scale[i]));
#undef REFUSES
  assert_memory_equal(&got, &before, sizeof got);
}

/* ---- A layer's report ---------------------------------------------------- */

/* A layer, its weights with rows of LDW, and what it needs to be measured. */
enum { N = 12, K = 20, LDW = 23, LDM = 21 };
typedef struct measured {
  sste_linear layer;
  float w[N * LDW];
  uint8_t mask[N * LDM];
  float scratch[4 * N * K];
} measured;

static void fill_layer(measured *m, sste_weights weights, uint64_t *rng) {
  int i;
  for (i = 0; i < N * LDW; ++i)
    m->w[i] = (float)(test_normal(rng) * exp2(4.0 * test_normal(rng)));
  for (i = 0; i < N * K; i += 4) /* whole groups of zeros, some -0 */
    if (test_random(rng) % 8 == 0)
      m->w[i / K * LDW + i % K] = m->w[i / K * LDW + i % K + 1] =
          m->w[i / K * LDW + i % K + 2] = m->w[i / K * LDW + i % K + 3] = -0.0f;
  assert_int_equal(sste_linear_init(&m->layer, m->w, LDW, N, K), SSTE_OK);
  memset(m->mask, 0, sizeof m->mask);
  for (i = 0; i < N * K; i += 4) {
    const int kept = slow_mask(&m->w[i / K * LDW + i % K], 0);
    int j;
    for (j = 0; j < 4; ++j)
      m->mask[i / K * LDM + i % K + j] = (uint8_t)(kept >> j & 1);
  }
  m->layer.weights = weights;
  m->layer.mask = m->mask;
  m->layer.ldm = LDM;
  m->layer.forward_format = sste_fp8_e3m4();
  m->layer.input_grad_format = sste_fp8_e5m2();
  m->layer.weight_grad_format = sste_fp8_e4m3fn();
}

static sste_status report_of(sste_report *report, measured *m) {
  return sste_linear_report(report, &m->layer, m->w, LDW, m->scratch,
                            sizeof m->scratch);
}

/* W~ and what the report says of it, from the definitions. */
static sste_report slow_report(const measured *m) {
  const sste_fp8_format formats[3] = {m->layer.forward_format,
                                      m->layer.input_grad_format,
                                      m->layer.weight_grad_format};
  const int soft = m->layer.weights == SSTE_WEIGHTS_SOFT;
  float v[N * K], w[N * K], error[N * K], amax = 0.0f;
  sste_report r;
  int i;
  memset(&r, 0, sizeof r);
  for (i = 0; i < N * K; ++i) w[i] = v[i] = m->w[i / K * LDW + i % K];
  for (i = 0; soft && i < N * K; i += 4) slow_project(v + i, w + i);
  for (i = 0; i < N * K; ++i) {
    if (soft) v[i] = slow_scaled(m->layer.beta, v[i]);
    if (m->layer.weights == SSTE_WEIGHTS_MASKED &&
        m->mask[i / K * LDM + i % K] == 0)
      v[i] = 0.0f;
    r.zeros += v[i] == 0.0f;
    error[i] = w[i] - v[i];
    if (fabsf(v[i]) > amax) amax = fabsf(v[i]);
  }
  r.entries = N * K;
  r.beta = soft ? m->layer.beta : 1.0f;
  r.norm2 = slow_dot(v, v, N * K);
  r.norm2_w = slow_dot(w, w, N * K);
  r.relative_mse = slow_dot(error, error, N * K) / r.norm2_w;
  for (i = 0; i < 3; ++i) {
    const slow_fp8 f = slow_of(formats[i]);
    r.scale[i] = (float)f.value[f.largest] / amax;
    r.scaled[i] = slow_losses(formats[i], r.scale[i], v, K, N, K);
    r.unscaled[i] = slow_losses(formats[i], 1.0f, v, K, N, K);
  }
  return r;
}

static void assert_same_report(const sste_report *got,
                               const sste_report *want) {
  int i;
  assert_int_equal(got->entries, want->entries);
  assert_int_equal(got->zeros, want->zeros);
  assert_int_equal(got->nan_groups, 0);
  assert_same_float(got->beta, want->beta);
  assert_near(got->norm2, want->norm2, 0.0);
  assert_near(got->norm2_w, want->norm2_w, 0.0);
  assert_near(got->relative_mse, want->relative_mse, 0.0);
  for (i = 0; i < 3; ++i) {
    assert_same_float(got->scale[i], want->scale[i]);
    assert_same_losses(&got->scaled[i], &want->scaled[i]);
    assert_same_losses(&got->unscaled[i], &want->unscaled[i]);
  }
}

static void reports_are_as_defined(void **state) {
  uint64_t rng = test_seed();
  int weights, turn;
  (void)state;
  for (weights = SSTE_WEIGHTS_SOFT; weights <= SSTE_WEIGHTS_DENSE; ++weights)
    for (turn = 0; turn < 20; ++turn) {
      measured m;
      sste_report got, want;
      fill_layer(&m, (sste_weights)weights, &rng);
      want = slow_report(&m);
      test_threads(1 + turn % 3);
      test_poison(&got, sizeof got);
      assert_int_equal(report_of(&got, &m), SSTE_OK);
      assert_same_report(&got, &want);
    }
  test_threads(1);
}

static void report_of_the_example(void **state) {
  const float w[4] = {4.0f, -3.0f, 2.0f, -1.0f};
  const double beta = (double)2.2f, v0 = 2.0 * beta, v1 = (double)4.4f - 2.2;
  float scratch[16];
  sste_linear layer;
  sste_report r;
  (void)state;
  test_poison(&layer, sizeof layer);
  assert_int_equal(sste_linear_init(&layer, w, 4, 1, 4), SSTE_OK);
  assert_int_equal(
      sste_linear_report(&r, &layer, w, 4, scratch, sizeof scratch), SSTE_OK);
  assert_int_equal(r.entries, 4);
  assert_int_equal(r.zeros, 2);
  assert_same_float(r.beta, 2.2f);
  assert_near(r.norm2, v0 * v0 + v1 * v1, 1e-5);
  assert_near(r.norm2, 24.2, 1e-5);
  assert_near(r.norm2_w, 30.0, 0.0);
  assert_near(r.relative_mse, 5.8 / 30.0, 1e-7);
  assert_same_float(r.scale[0], 448.0f / (2.0f * 2.2f));
  assert_same_float(r.scale[1], 57344.0f / (2.0f * 2.2f));
  assert_int_equal(r.unscaled[0].nonzeros, 2);
}

static void zero_weights_have_a_report(void **state) {
  uint64_t rng = test_seed();
  measured m;
  sste_report r;
  (void)state;
  fill_layer(&m, SSTE_WEIGHTS_SOFT, &rng);
  memset(m.w, 0, sizeof m.w);
  assert_int_equal(report_of(&r, &m), SSTE_OK);
  assert_int_equal(r.zeros, N * K);
  assert_near(r.norm2 + r.norm2_w + r.relative_mse, 0.0, 0.0);
  assert_same_float(r.scale[2], 1.0f); /* no amax to go by */
  assert_int_equal(r.scaled[2].nonzeros, 0);
  m.layer.out_features = 0;
  assert_int_equal(report_of(&r, &m), SSTE_OK);
  assert_int_equal(r.entries, 0);
  assert_int_equal(r.zeros, 0);
}

/* A NaN in one group, three infinities in another: both project to NaNs. One
 * infinity stays what it is. The rest of the layer is measured all the same. */
static void what_is_not_finite_shows(void **state) {
  const float infinity = test_float(0x7F800000u);
  uint64_t rng = test_seed();
  measured m;
  sste_report r;
  (void)state;
  fill_layer(&m, SSTE_WEIGHTS_SOFT, &rng);
  m.w[1] = test_float(0x7FC00000u);
  m.w[LDW] = m.w[LDW + 1] = m.w[LDW + 3] = infinity;
  m.w[2 * LDW] = -infinity;
  assert_int_equal(report_of(&r, &m), SSTE_OK);
  assert_int_equal(r.nan_groups, 2);
  assert_int_equal(r.entries, N * K);
  assert_true(isnan(r.norm2) && isnan(r.norm2_w) && isnan(r.relative_mse));
  assert_same_float(r.scale[0], 1.0f); /* no amax to go by */
  assert_int_equal(r.scaled[0].nonzeros, r.entries - r.zeros - 5);
  m.layer.weights = SSTE_WEIGHTS_MASKED; /* prune all of them */
  memset(m.mask, 0, 3 * LDM);
  assert_int_equal(report_of(&r, &m), SSTE_OK);
  assert_int_equal(r.nan_groups, 0);
  assert_true(isfinite(r.norm2) && isnan(r.norm2_w) && isnan(r.relative_mse));
  assert_int_equal(r.scaled[0].nonzeros, r.entries - r.zeros);
}

static void reports_refuse_and_leave_all_as_it_was(void **state) {
  uint64_t rng = test_seed();
  sste_report r, before;
  measured m;
  (void)state;
  fill_layer(&m, SSTE_WEIGHTS_MASKED, &rng);
  test_poison(&before, sizeof before);
  r = before;
  assert_int_equal(report_of(NULL, &m), SSTE_ERR_NULL);
  assert_int_equal(sste_linear_report(&r, NULL, m.w, LDW, m.scratch, 9999),
                   SSTE_ERR_NULL);
  assert_int_equal(
      sste_linear_report(&r, &m.layer, NULL, LDW, m.scratch, sizeof m.scratch),
      SSTE_ERR_NULL);
  assert_int_equal(sste_linear_report(&r, &m.layer, m.w, LDW, NULL, 9999),
                   SSTE_ERR_NULL);
  assert_int_equal(
      sste_linear_report(&r, &m.layer, m.w, LDW, m.scratch,
                         sste_linear_scratch_bytes(&m.layer, 0) - 1),
      SSTE_ERR_SIZE);
  assert_int_equal(
      sste_linear_report(&r, &m.layer, m.w, K - 1, m.scratch, sizeof m.scratch),
      SSTE_ERR_SHAPE);
  m.mask[2] = m.mask[1] = m.mask[0] = 1; /* three of four */
  assert_int_equal(report_of(&r, &m), SSTE_ERR_PATTERN);
  fill_layer(&m, SSTE_WEIGHTS_SOFT, &rng);
  memset(m.scratch, 0, sizeof m.scratch);
  assert_int_equal(sste_linear_report(&r, &m.layer, m.scratch + 3 * N * K, K,
                                      m.scratch, sizeof m.scratch),
                   SSTE_ERR_OVERLAP);
  m.layer.weights = SSTE_WEIGHTS_MASKED;
  m.layer.mask = (uint8_t *)(m.scratch + 3 * N * K);
  assert_int_equal(report_of(&r, &m), SSTE_ERR_OVERLAP);
  m.layer.beta = 0.0f;
  assert_int_equal(report_of(&r, &m), SSTE_ERR_VALUE);
  assert_memory_equal(&r, &before, sizeof r);
}

/* ---- A map that jumps, and one that does not ----------------------------- */

/* One group of four, and a loss that wants W~ near a target. While entry 1
 * shrinks past entry 2 the mask goes from {0, 1} to {0, 2}.                 */
static const float target[4] = {3.0f, 0.5f, 0.0f, 0.0f};

static double loss_at(const float *v) {
  double sum = 0.0;
  int i;
  for (i = 0; i < 4; ++i)
    sum += 0.5 * ((double)v[i] - (double)target[i]) *
           ((double)v[i] - (double)target[i]);
  return sum;
}

/* W~ of w under the mask of `masked`: m o w, or m o S(w). With w itself for
 * `masked` these are the hard map and the soft one.                         */
static void prune(float *v, const float *w, const float *masked, int soft) {
  uint8_t mask[4];
  assert_int_equal(sste_tensor_mask(mask, 4, masked, 4, 1, 4, SSTE_TIE_LOWER),
                   SSTE_OK);
  if (soft) assert_int_equal(sste_group_project(v, w), 0);
  assert_int_equal(sste_tensor_apply_mask(v, 4, soft ? v : w, 4, mask, 4, 1, 4),
                   SSTE_OK);
}

/* The largest change of the loss between neighbours on a line of n steps. */
static double largest_change(int soft, int n) {
  double before = 0.0, largest = 0.0;
  int i;
  for (i = 0; i <= n; ++i) {
    const float s = (float)i / (float)n - 0.5f;
    const float w[4] = {3.7f, 0.8f - s, 0.8f + s, 0.1f};
    float v[4];
    double now;
    prune(v, w, w, soft);
    now = loss_at(v);
    if (i > 0 && fabs(now - before) > largest) largest = fabs(now - before);
    before = now;
  }
  return largest;
}

static void only_the_hard_map_jumps(void **state) {
  (void)state;
  /* At the flip 0.8 leaves a place that wants 0.5 for one that wants 0. */
  assert_near(largest_change(0, 1 << 16), 0.4, 1e-3);
  assert_true(largest_change(1, 1 << 8) < 0.02);
  assert_true(largest_change(1, 1 << 16) < 0.02 / 128);
}

/* Straight-through descent from w, with the paper's measures on the way. */
static sste_descent descend(int soft, int steps, float rate) {
  float w[4] = {3.7f, 0.7f, 0.8f, 0.0f};
  sste_descent d = no_descent();
  int k, i;
  for (k = 0; k < steps; ++k) {
    float now[4], next[4], frozen[4], gradient[4], moved[4];
    double predicted = 0.0;
    prune(now, w, w, soft);
    for (i = 0; i < 4; ++i) {
      gradient[i] = now[i] - target[i];
      moved[i] = w[i] - rate * gradient[i];
    }
    prune(next, moved, moved, soft);
    prune(frozen, moved, w, soft);
    assert_int_equal(
        sste_tensor_descent(&predicted, gradient, 4, w, 4, moved, 4, 1, 4),
        SSTE_OK);
    sste_descent_add(&d, loss_at(now), loss_at(next), loss_at(frozen),
                     predicted);
    memcpy(w, moved, sizeof w);
  }
  return d;
}

/* Whenever entry 1 comes within reach of its target the hard mask lets go of
 * it, the loss leaps up, and straight-through descent starts over.           */
static void only_the_hard_map_goes_wrong(void **state) {
  const sste_descent hard = descend(0, 100, 0.1f);
  const sste_descent soft = descend(1, 100, 0.1f);
  (void)state;
  assert_true(hard.wrong >= 3);
  assert_int_equal(hard.rising, hard.wrong);
  assert_int_equal(soft.wrong, 0);
  assert_int_equal(soft.rising, 0);
  assert_int_equal(soft.steps, 100);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(descent_agrees_with_two_passes),
      cmocka_unit_test(descent_counts_signs),
      cmocka_unit_test(descent_of_three_steps_by_hand),
      cmocka_unit_test(a_line_needs_a_spread),
      cmocka_unit_test(r2_is_a_share),
      cmocka_unit_test(a_nan_shows),
      cmocka_unit_test(losses_agree_with_the_list_of_numbers),
      cmocka_unit_test(losses_of_the_example),
      cmocka_unit_test(nothing_loses_nothing),
      cmocka_unit_test(losses_refuse_what_they_cannot_count),
      cmocka_unit_test(reports_are_as_defined),
      cmocka_unit_test(report_of_the_example),
      cmocka_unit_test(zero_weights_have_a_report),
      cmocka_unit_test(what_is_not_finite_shows),
      cmocka_unit_test(reports_refuse_and_leave_all_as_it_was),
      cmocka_unit_test(only_the_hard_map_jumps),
      cmocka_unit_test(only_the_hard_map_goes_wrong),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
