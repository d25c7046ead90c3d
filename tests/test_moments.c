/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_moments.c - what the projection, the hard mask, their scales and the
 * unbiased samples do to random weights and gradients, on average. The averages
 * come from one-dimensional integrals and closed forms, and the library is held
 * against them on a million draws, within five standard errors.
 */
#include "sste.h"
#include "sste_mvue.h"
#include "test.h"

#define PI 3.14159265358979323846

/* ---- Laws ---------------------------------------------------------------- */

/* A symmetric distribution of w seen from t >= 0: the density of |w| there, and
 * the part of each moment that lies beyond, q_k = E[|w|^k; |w| > t].        */
typedef struct tail {
  double f, q0, q1, q2;
} tail;

static tail gauss_tail(double t) {
  tail x;
  x.f = sqrt(2.0 / PI) * exp(-0.5 * t * t);
  x.q0 = erfc(t / sqrt(2.0));
  x.q1 = x.f;
  x.q2 = t * x.f + x.q0;
  return x;
}
static tail uniform_tail(double t) { /* on (-1, 1) */
  tail x;
  x.f = 1.0;
  x.q0 = 1.0 - t;
  x.q1 = (1.0 - t * t) / 2.0;
  x.q2 = (1.0 - t * t * t) / 3.0;
  return x;
}
static tail laplace_tail(double t) { /* |w| exponential with mean 1 */
  tail x;
  x.f = exp(-t);
  x.q0 = x.f;
  x.q1 = (t + 1.0) * x.f;
  x.q2 = (t * t + 2.0 * t + 2.0) * x.f;
  return x;
}

static double uniform_draw(uint64_t *rng) {
  return 2.0 * test_uniform(rng) - 1.0;
}
static double laplace_draw(uint64_t *rng) {
  const double x = -log(1.0 - test_uniform(rng));
  return test_random(rng) >> 63 ? x : -x;
}

typedef struct law {
  tail (*at)(double t);
  double end; /* beyond it there is nothing, or nothing that matters */
  double (*draw)(uint64_t *rng);
} law;
static const law gauss = {gauss_tail, 12.0, test_normal};
static const law uniform = {uniform_tail, 1.0, uniform_draw};
static const law laplace = {laplace_tail, 40.0, laplace_draw};

/* ---- Averages by quadrature ---------------------------------------------- */

enum { PANELS = 4096 }; /* from 0 to a law's end */

/* The weights of Boole's rule, whose error goes with the sixth power of the
 * step. */
static double boole(int i) {
  static const double weight[4] = {14.0, 32.0, 12.0, 32.0};
  return (i == 0 || i == PANELS ? 7.0 : weight[i % 4]) * 2.0 / 45.0;
}

/* Averages per entry of groups of m; S keeps n softly, H hard. */
typedef struct moments {
  double ws, ss, hh; /* E[w S], E[S^2], E[H^2] */
  double s, h;       /* E|S|, E|H| */
  double w, ww;      /* E|w|, E[w^2] */
} moments;

/* An entry is kept with threshold t where one of the other m-1 has magnitude t,
 * n-1 of the m-2 left lie above it, the rest below, and the entry above.    */
static moments integrate(const law *of, int n, int m) {
  const double step = of->end / PANELS;
  const tail all = of->at(0.0);
  moments sum = {0};
  double ways = m - 1;
  int i;
  for (i = 1; i < n; ++i) ways *= (double)(m - 1 - i) / i;
  for (i = 0; i <= PANELS; ++i) {
    const double t = i * step;
    const tail x = of->at(t);
    const double d = boole(i) * step * ways * x.f * pow(x.q0, n - 1) *
                     pow(1.0 - x.q0, m - n - 1);
    sum.ws += d * (x.q2 - t * x.q1);
    sum.ss += d * (x.q2 - 2.0 * t * x.q1 + t * t * x.q0);
    sum.hh += d * x.q2;
    sum.s += d * (x.q1 - t * x.q0);
    sum.h += d * x.q1;
  }
  sum.w = all.q1;
  sum.ww = all.q2;
  return sum;
}

static double min_mse_beta(const moments *x) { return x->ws / x->ss; }

/* The relative error that is left at that scale. */
static double least_error(const moments *x) {
  return 1.0 - x->ws * x->ws / (x->ss * x->ww);
}

/* Normal weights, as printed: 12 digits of the squares, 9 of the rest. */
static const struct pattern {
  const char *name;
  int n, m;
  double ss, unit_soft, beta, error, hh, unit_hard;
} patterns[] = {
    {"1:2", 1, 2, 0.363380227632, 1.658896740, 1.375969197, 0.312015402,
     0.818309886184, 1.105455083},
    {"1:4", 1, 4, 0.132447403052, 2.747756705, 1.887541728, 0.528114568,
     0.617552596948, 1.272515332},
    {"2:4", 2, 4, 0.336991138468, 1.722625055, 1.483718540, 0.258140730,
     0.867552596948, 1.073623708},
    {"3:4", 3, 4, 0.620702141377, 1.269282751, 1.208309026, 0.093768230,
     0.969824464656, 1.015438048},
    {"2:8", 2, 8, 0.120892940486, 2.876070513, 2.067945399, 0.483013650,
     0.664636237643, 1.226614211},
    {"4:8", 4, 8, 0.319754919511, 1.768444288, 1.563697599, 0.218151200,
     0.896693281949, 1.056034343},
    {"8:16", 8, 16, 0.309795687522, 1.796645178, 1.613966947, 0.193016526,
     0.912366618378, 1.046924363},
};
enum { PATTERNS = (int)(sizeof patterns / sizeof patterns[0]) };

static void integrals_give_the_printed_table(void **state) {
  int i;
  (void)state;
  for (i = 0; i < PATTERNS; ++i) {
    const struct pattern *p = &patterns[i];
    const moments x = integrate(&gauss, p->n, p->m);
    assert_near(x.ws, (double)p->n / p->m, 1e-13); /* Stein's lemma */
    assert_near(x.ss, p->ss, 6e-13);
    assert_near(x.hh, p->hh, 6e-13);
    assert_near(min_mse_beta(&x), p->beta, 6e-10);
    assert_near(least_error(&x), p->error, 6e-10);
    assert_near(1.0 / sqrt(x.ss), p->unit_soft, 6e-10);
    assert_near(1.0 / sqrt(x.hh), p->unit_hard, 6e-10);
  }
}

static void integrals_give_the_closed_forms(void **state) {
  const moments of_2 = integrate(&gauss, 1, 2), of_4 = integrate(&gauss, 1, 4);
  const moments gaussian = integrate(&gauss, 2, 4);
  const moments even = integrate(&uniform, 2, 4);
  const moments heavy = integrate(&laplace, 2, 4);
  (void)state;
  assert_near(of_2.ss, 1.0 - 2.0 / PI, 1e-13);
  assert_near(of_2.hh, 0.5 + 1.0 / PI, 1e-13);
  assert_near(of_4.ss, 0.5 - 2.0 / (PI * sqrt(3.0)), 1e-13);
  assert_near(of_4.hh, 0.25 + 2.0 / (PI * sqrt(3.0)), 1e-13);
  assert_near(gaussian.ss, 1.0 + (6.0 - 14.0 / sqrt(3.0)) / PI, 1e-13);
  assert_near(gaussian.hh, 0.5 + 2.0 / (PI * sqrt(3.0)), 1e-13);
  assert_near(min_mse_beta(&even), 7.0 / 4.0, 1e-12);
  assert_near(even.w / even.s, 10.0 / 3.0, 1e-12);
  assert_near(least_error(&even), 0.3875, 1e-12);
  assert_near(min_mse_beta(&heavy), 31.0 / 24.0, 1e-10);
  assert_near(least_error(&heavy), 191.0 / 1152.0, 1e-10);
  assert_near(gaussian.w / gaussian.s, 2.514286809, 6e-10);
}

static void integrals_give_what_hard_masks_keep(void **state) {
  const moments of_4 = integrate(&gauss, 2, 4), of_8 = integrate(&gauss, 4, 8);
  const moments one = integrate(&gauss, 1, 4), even = integrate(&uniform, 2, 4);
  (void)state;
  assert_near(even.h / even.w, 0.70, 1e-12);
  assert_near(of_4.h / of_4.w, 0.744497129, 6e-10);
  assert_near(of_8.h / of_8.w, 0.768285213, 6e-10);
  assert_near(one.h / one.w, 0.458941072, 6e-10);
}

/* ---- Averages by simulation ---------------------------------------------- */

/* A tensor of draws. Its rows are independent, so that the spread of their sums
 * gives the standard error of any mean.                                     */
enum { ROWS = 256 };
typedef struct sample {
  size_t cols;
  float *w, *s; /* S: whatever is made of W */
  uint8_t *mask;
} sample;

static sample draw_sample(const law *from) {
  uint64_t rng = test_seed();
  sample x;
  size_t i;
  x.cols = test_level() == 2 ? 65536 : 4096;
  x.w = (float *)malloc(ROWS * x.cols * sizeof *x.w);
  x.s = (float *)malloc(ROWS * x.cols * sizeof *x.s);
  x.mask = (uint8_t *)malloc(ROWS * x.cols);
  for (i = 0; i < ROWS * x.cols; ++i) x.w[i] = (float)from->draw(&rng);
  return x;
}
static void free_sample(sample *x) { free(x->w), free(x->s), free(x->mask); }

/* Sums over each row. */
typedef struct sums {
  double of[ROWS];
} sums;

static sums each(double value) {
  sums x;
  int r;
  for (r = 0; r < ROWS; ++r) x.of[r] = value;
  return x;
}
static double total(const sums *x) {
  double sum = 0.0;
  int r;
  for (r = 0; r < ROWS; ++r) sum += x->of[r];
  return sum;
}
static sums dot(const sample *x, const float *u, const float *v) {
  sums d = each(0.0);
  size_t i;
  for (i = 0; i < ROWS * x->cols; ++i)
    d.of[i / x->cols] += (double)u[i] * (double)v[i];
  return d;
}
static sums norm_1(const sample *x, const float *u) {
  sums d = each(0.0);
  size_t i;
  for (i = 0; i < ROWS * x->cols; ++i) d.of[i / x->cols] += fabs((double)u[i]);
  return d;
}
static sums distance(const sample *x, double beta) { /* ||w - beta s||^2 */
  sums d = each(0.0);
  size_t i;
  for (i = 0; i < ROWS * x->cols; ++i) {
    const double e = (double)x->w[i] - beta * (double)x->s[i];
    d.of[i / x->cols] += e * e;
  }
  return d;
}

/* The standard error of total(a) / total(b), whose limit is `ratio`. */
static double standard_error(const sums *a, const sums *b, double ratio) {
  double squares = 0.0;
  int r;
  for (r = 0; r < ROWS; ++r) {
    const double rest = a->of[r] - ratio * b->of[r];
    squares += rest * rest;
  }
  return sqrt(squares) / total(b);
}

/* `what` is a / b in the limit; `digits` is half a unit of its last one. */
static void check_printed(const char *pattern, const char *what, double got,
                          const sums *a, const sums *b, double limit,
                          double digits) {
  const double error = standard_error(a, b, limit);
  if (!(fabs(got - limit) <= 5.0 * error + digits))
    fail_msg("%s: %s is %.9g, not %.9g +- 5 * %.2g", pattern, what, got, limit,
             error);
}
static void check_ratio(const char *pattern, const char *what, const sums *a,
                        const sums *b, double limit) {
  check_printed(pattern, what, total(a) / total(b), a, b, limit, 0.0);
}

/* S of the sample, times a scale. */
static void project(sample *x, sste_nm nm, float scale) {
  assert_int_equal(sste_tensor_project_nm(x->s, x->cols, x->w, x->cols, ROWS,
                                          x->cols, nm, 0.0f, scale, NULL),
                   SSTE_OK);
}
static float scale_of(const sample *x, sste_nm nm, sste_beta_rule rule) {
  float beta = 0.0f;
  assert_int_equal(
      sste_tensor_beta_nm(&beta, x->w, x->cols, ROWS, x->cols, nm, 0.0f, rule),
      SSTE_OK);
  return beta;
}

/* The soft projection, both its scales, and the error that the first leaves. */
static void check_soft(sample *x, const char *name, int n, int m,
                       const moments *limit) {
  const sste_nm nm = sste_nm_of(n, m);
  const double beta = min_mse_beta(limit), left = least_error(limit);
  const sums entries = each((double)x->cols), ww = dot(x, x->w, x->w);
  const sums w1 = norm_1(x, x->w);
  sums ws, ss, s1, error;
  float found;
  double mse = -1.0;
  project(x, nm, 1.0f);
  ws = dot(x, x->w, x->s);
  ss = dot(x, x->s, x->s);
  s1 = norm_1(x, x->s);
  error = distance(x, beta);
  check_ratio(name, "E[wS]", &ws, &entries, limit->ws);
  check_ratio(name, "E[S^2]", &ss, &entries, limit->ss);
  check_ratio(name, "E|S|", &s1, &entries, limit->s);
  found = scale_of(x, nm, SSTE_BETA_EQUAL_L1);
  check_printed(name, "equal L1", (double)found, &w1, &s1, limit->w / limit->s,
                0.0);
  found = scale_of(x, nm, SSTE_BETA_MIN_MSE);
  check_printed(name, "beta", (double)found, &ws, &ss, beta, 0.0);
  project(x, nm, found);
  assert_int_equal(sste_tensor_relative_mse(&mse, x->w, x->cols, x->s, x->cols,
                                            ROWS, x->cols, SSTE_FLOAT32),
                   SSTE_OK);
  check_printed(name, "relative MSE", mse, &error, &ww, left, 0.0);
}

static void check_hard(sample *x, const char *name, int n, int m,
                       const moments *limit) {
  const sums entries = each((double)x->cols), w1 = norm_1(x, x->w);
  sums hh, h1;
  assert_int_equal(
      sste_tensor_mask_nm(x->mask, x->cols, x->w, x->cols, ROWS, x->cols,
                          sste_nm_of(n, m), SSTE_TIE_LOWER),
      SSTE_OK);
  assert_int_equal(sste_tensor_apply_mask(x->s, x->cols, x->w, x->cols, x->mask,
                                          x->cols, ROWS, x->cols),
                   SSTE_OK);
  hh = dot(x, x->s, x->s);
  h1 = norm_1(x, x->s);
  check_ratio(name, "E[H^2]", &hh, &entries, limit->hh);
  check_ratio(name, "kept L1", &h1, &w1, limit->h / limit->w);
}

static void normal_weights_have_the_moments_of_each_pattern(void **state) {
  sample x = draw_sample(&gauss);
  int i;
  (void)state;
  for (i = 0; i < PATTERNS; ++i) {
    const struct pattern *p = &patterns[i];
    const moments limit = integrate(&gauss, p->n, p->m);
    check_soft(&x, p->name, p->n, p->m, &limit);
    check_hard(&x, p->name, p->n, p->m, &limit);
  }
  free_sample(&x);
}

static void other_weights_have_their_own_scales(void **state) {
  static const law *const laws[2] = {&uniform, &laplace};
  static const char *const names[2] = {"2:4, uniform", "2:4, Laplace"};
  int i;
  (void)state;
  for (i = 0; i < 2; ++i) {
    const moments limit = integrate(laws[i], 2, 4);
    sample x = draw_sample(laws[i]);
    check_soft(&x, names[i], 2, 4, &limit);
    check_hard(&x, names[i], 2, 4, &limit);
    free_sample(&x);
  }
}

/* For users who test with G groups of normals: one standard deviation is this
 * over the square root of G. The spread of 256 rows shows it to 4.4 percent. */
static void standard_errors_are_as_stated(void **state) {
  const moments limit = integrate(&gauss, 2, 4);
  sample x = draw_sample(&gauss);
  const double groups = ROWS * (double)x.cols / 4.0, to_4_sigma = 0.18;
  const sums entries = each((double)x.cols);
  sums ws, ss;
  (void)state;
  project(&x, sste_nm_of(2, 4), 1.0f);
  ws = dot(&x, x.w, x.s);
  ss = dot(&x, x.s, x.s);
  assert_near(standard_error(&ws, &entries, limit.ws) * sqrt(groups) / 0.4574,
              1.0, to_4_sigma);
  assert_near(standard_error(&ss, &entries, limit.ss) * sqrt(groups) / 0.3797,
              1.0, to_4_sigma);
  assert_near(
      standard_error(&ws, &ss, min_mse_beta(&limit)) * sqrt(groups) / 0.4839,
      1.0, to_4_sigma);
  check_hard(&x, "2:4", 2, 4, &limit);
  ss = dot(&x, x.s, x.s);
  assert_near(standard_error(&ss, &entries, limit.hh) * sqrt(groups) / 0.6250,
              1.0, to_4_sigma);
  free_sample(&x);
}

/* ---- Unbiased samples ---------------------------------------------------- */

/* With r the sum of three magnitudes, the average over r of P(|a| > r) and of
 * E[(|a| - r)^2; |a| > r]: known for r = 0, then averaged over one magnitude
 * after another.                                                            */
typedef struct excess {
  double p, square;
} excess;

static excess beyond_three(const law *of) {
  static double p[PANELS + 1], square[PANELS + 1], f[PANELS + 1];
  const double step = of->end / PANELS;
  excess x;
  int r, i, turn;
  for (r = 0; r <= PANELS; ++r) {
    const double t = r * step;
    const tail at = of->at(t);
    p[r] = at.q0;
    square[r] = at.q2 - 2.0 * t * at.q1 + t * t * at.q0;
    f[r] = boole(r) * step * at.f;
  }
  for (turn = 0; turn < 3; ++turn)
    for (r = 0; r <= PANELS; ++r) {
      double sum_p = 0.0, sum_square = 0.0;
      for (i = 0; r + i <= PANELS; ++i) {
        sum_p += f[i] * p[r + i];
        sum_square += f[i] * square[r + i];
      }
      p[r] = sum_p;
      square[r] = sum_square;
      if (turn == 2) break; /* r = 0 is all that is asked for */
    }
  x.p = p[0];
  x.square = square[0];
  return x;
}

/* E[B^2] per entry of the optimal 2:4 sample. A group's is (sum |a|)^2 / 2, and
 * where one magnitude exceeds the three others by d, d^2 / 2 more.          */
static double second_moment(const law *of) {
  const tail all = of->at(0.0);
  const double sum_squared = 4.0 * all.q2 + 12.0 * all.q1 * all.q1;
  return (sum_squared + 4.0 * beyond_three(of).square) / 2.0 / 4.0;
}

static void integrals_give_the_second_moment(void **state) {
  const excess normal = beyond_three(&gauss);
  (void)state;
  assert_near(4.0 * normal.square, 0.151508274996, 6e-13);
  assert_near(4.0 * normal.p, 1.0 / 3.0, 1e-12); /* one dominates the others */
  assert_near(second_moment(&gauss), 1.473868192926, 6e-13);
  assert_near(1.0 / sqrt(second_moment(&gauss)), 0.823703054966, 6e-13);
  assert_near(second_moment(&laplace) / 2.0, 1.0 + 5.0 / 16.0, 1e-12);
}

/* What is known of a group before anything is drawn, per row. */
static sums second_moments(const sample *x, int n, int m) {
  sums d = each(0.0);
  size_t i;
  for (i = 0; i < ROWS * x->cols; i += (size_t)m)
    d.of[i / x->cols] += sste_mvue_group_second_moment(x->w + i, n, m);
  return d;
}
static sums variances(const sample *x) {
  sums d = each(0.0);
  size_t i;
  for (i = 0; i < ROWS * x->cols; i += 4)
    d.of[i / x->cols] += sste_mvue_group_variance(x->w + i, 2, 4);
  return d;
}
static sums variances_approx(const sample *x) {
  sums d = each(0.0);
  size_t i;
  for (i = 0; i < ROWS * x->cols; i += 4)
    d.of[i / x->cols] += sste_mvue24_group_variance_approx(x->w + i);
  return d;
}
static sums dominated_groups(const sample *x) {
  sums d = each(0.0);
  size_t i, j;
  for (i = 0; i < ROWS * x->cols; i += 4) {
    double p[4];
    sste_mvue24_group_prob(p, x->w + i);
    for (j = 0; j < 4; ++j) d.of[i / x->cols] += p[j] == 1.0;
  }
  return d;
}

static void optimal_samples_have_the_least_second_moment(void **state) {
  sample x = draw_sample(&gauss);
  const sums entries = each((double)x.cols);
  const sums groups = each((double)x.cols / 4.0);
  sums of_4 = second_moments(&x, 2, 4), sure = dominated_groups(&x);
  int m;
  (void)state;
  check_ratio("2:4", "E[B^2]", &of_4, &entries, 1.473868192926);
  check_ratio("2:4", "dominated", &sure, &groups, 1.0 / 3.0);
  for (m = 2; m <= 32; m *= 2) { /* E[(sum |a|)^2] / m; 1:2 has 1.636619772 */
    const sums of_m = second_moments(&x, 1, m);
    check_ratio("1:M", "E[B^2]", &of_m, &entries, 1.0 + (m - 1) * 2.0 / PI);
  }
  free_sample(&x);
  x = draw_sample(&laplace);
  of_4 = second_moments(&x, 2, 4);
  check_ratio("2:4, Laplace", "E[B^2]", &of_4, &entries,
              second_moment(&laplace));
  free_sample(&x);
}

static void the_approximation_costs_six_and_eleven_percent(void **state) {
  static const struct {
    const char *name;
    const law *from;
    double optimal, approx, ratio;
  } cases[2] = {{"normal", &gauss, 0.473868192926, 0.50268, 1.0608},
                {"Laplace", &laplace, 5.0 / 16.0, 0.3463, 1.1082}};
  int i;
  (void)state;
  for (i = 0; i < 2; ++i) {
    sample x = draw_sample(cases[i].from);
    const sums v = variances(&x), more = variances_approx(&x);
    const double ww = cases[i].from->at(0.0).q2;
    const sums power = each((double)x.cols * ww);
    check_ratio(cases[i].name, "variance", &v, &power, cases[i].optimal);
    check_printed(cases[i].name, "approximation", total(&more) / total(&power),
                  &more, &power, cases[i].approx, i == 0 ? 5e-6 : 5e-5);
    check_printed(cases[i].name, "ratio", total(&more) / total(&v), &more, &v,
                  cases[i].ratio, 5e-5);
    free_sample(&x);
  }
}

/* And the draws themselves: <B, a> = ||a||^2 and E[B^2], by all three rules. */
static void draws_have_the_mean_and_the_second_moment(void **state) {
  static const struct {
    const char *name;
    sste_status (*draw)(float *, size_t, const float *, size_t, size_t, size_t,
                        sste_axis, const sste_mvue_stream *);
    double second_moment;
  } rules[3] = {{"2:4", sste_mvue24_tensor_draw, 1.473868192926},
                {"1:2", sste_mvue12_tensor_draw, 1.636619772368},
                {"2:4, approximate", sste_mvue24_tensor_draw_approx, 1.50268}};
  const sste_mvue_stream stream = {2024, 3, 7, 0, 0};
  sample x = draw_sample(&gauss);
  const sums entries = each((double)x.cols), ww = dot(&x, x.w, x.w);
  int i;
  (void)state;
  for (i = 0; i < 3; ++i) {
    sums mean, square;
    assert_int_equal(rules[i].draw(x.s, x.cols, x.w, x.cols, ROWS, x.cols,
                                   SSTE_ALONG_ROWS, &stream),
                     SSTE_OK);
    mean = dot(&x, x.s, x.w);
    square = dot(&x, x.s, x.s);
    check_ratio(rules[i].name, "<B,a> / <a,a>", &mean, &ww, 1.0);
    check_printed(rules[i].name, "E[B^2]", total(&square) / total(&entries),
                  &square, &entries, rules[i].second_moment, 5e-6);
  }
  free_sample(&x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(integrals_give_the_printed_table),
      cmocka_unit_test(integrals_give_the_closed_forms),
      cmocka_unit_test(integrals_give_what_hard_masks_keep),
      cmocka_unit_test(normal_weights_have_the_moments_of_each_pattern),
      cmocka_unit_test(other_weights_have_their_own_scales),
      cmocka_unit_test(standard_errors_are_as_stated),
      cmocka_unit_test(integrals_give_the_second_moment),
      cmocka_unit_test(optimal_samples_have_the_least_second_moment),
      cmocka_unit_test(the_approximation_costs_six_and_eleven_percent),
      cmocka_unit_test(draws_have_the_mean_and_the_second_moment),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
