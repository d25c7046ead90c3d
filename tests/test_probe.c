/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_probe.c - what probe.h measures of a step, against its definitions:
 * pruning once more in double, and the losses and the gradient of a dense model
 * that has S(w) for weights.
 */
#include "trainer.h"

static const char shape[] =
    "--layers 2 --heads 2 --width 8 --context 8 --micro 2 --batch 6 "
    "--probe-every 1";

/* ---- S once more --------------------------------------------------------- */

/* Indices by descending magnitude; of equal ones the lower goes first. */
static void slow_order(int order[4], const float a[4]) {
  int i, j;
  for (i = 0; i < 4; ++i) {
    int before = 0;
    for (j = 0; j < 4; ++j)
      before += fabs((double)a[j]) > fabs((double)a[i]) ||
                (fabs((double)a[j]) == fabs((double)a[i]) && j < i);
    order[before] = i;
  }
}

static double sign_of(float a) { return a < 0.0f ? -1.0 : 1.0; }

/* beta S(now), but with the order and the signs of `old`. */
static void slow_soft(float out[4], const float now[4], const float old[4],
                      double gamma, double beta) {
  int order[4], i;
  double second, third;
  slow_order(order, old);
  second = sign_of(old[order[1]]) * (double)now[order[1]];
  third = sign_of(old[order[2]]) * (double)now[order[2]];
  for (i = 0; i < 4; ++i) out[i] = 0.0f;
  for (i = 0; i < 2; ++i) {
    const int e = order[i];
    const double t = (1.0 - gamma) * third + gamma * second;
    out[e] = (float)(beta * ((double)now[e] - sign_of(old[e]) * t));
  }
}

/* All of a model that S is made of: it outlives a step. */
typedef struct moment {
  float *w; /* every weight */
  uint8_t *mask;
  sste_weights kind;
  double beta[2 * GPT_MOST_LAYERS];
} moment;

static moment moment_of(gpt *m) {
  const size_t D = gpt_ffn_entries(&m->config);
  moment now;
  size_t i;
  now.w = (float *)malloc(m->w.count * sizeof *now.w);
  memcpy(now.w, m->w.all, m->w.count * sizeof *now.w);
  now.mask = (uint8_t *)calloc(D, 1);
  if (m->masks != NULL) memcpy(now.mask, m->masks, D);
  now.kind = m->up[0].weights;
  for (i = 0; i < gpt_ffn_count(&m->config); ++i)
    now.beta[i] = (double)gpt_ffn_at(m, i).layer->beta;
  return now;
}

static void moment_free(moment *x) {
  free(x->w);
  free(x->mask);
}

/* S of `now` with the pattern of `old`, as the weights of a dense model. */
static void slow_map(gpt *m, const moment *now, const moment *old,
                     double gamma) {
  const gpt_config *c = &m->config;
  const size_t size = gpt_ffn_size(c);
  gpt_params from, before;
  size_t i, e;
  gpt_params_at(&from, now->w, c);
  gpt_params_at(&before, old->w, c);
  memcpy(m->w.all, now->w, m->w.count * sizeof(float));
  for (i = 0; i < gpt_ffn_count(c); ++i) {
    float *out = gpt_ffn_of(&m->w, i);
    const float *w = gpt_ffn_of(&from, i), *was = gpt_ffn_of(&before, i);
    if (old->kind == SSTE_WEIGHTS_SOFT)
      for (e = 0; e < size; e += 4)
        slow_soft(out + e, w + e, was + e, gamma, now->beta[i]);
    if (old->kind == SSTE_WEIGHTS_MASKED)
      for (e = 0; e < size; ++e)
        if (!old->mask[i * size + e]) out[e] = 0.0f;
  }
}

/* <g, a - b>, and the sum of the magnitudes of its terms. */
static double slow_dot(double *size, const float *g, const float *a,
                       const float *b, size_t count) {
  double sum = 0.0;
  size_t i;
  *size = 0.0;
  for (i = 0; i < count; ++i) {
    const double term =
        (double)g[i] * (double)a[i] - (double)g[i] * (double)b[i];
    sum += term;
    *size += fabs(term);
  }
  return sum;
}

static double loss_of(trainer *x, const probe *p) {
  return gpt_forward(&x->r.model, p->in, p->next, x->r.model.config.contexts);
}

/* What a probe is to find, with a dense model to compute in. */
static probe_result slow_probe(double size[2], trainer *dense, const probe *p,
                               const moment *old, const moment *now,
                               double gamma) {
  gpt *m = &dense->r.model;
  const size_t count = m->w.count, bytes = count * sizeof(float);
  float *map = (float *)malloc(bytes), *g = (float *)malloc(bytes);
  gpt_params slope;
  probe_result want;
  gpt_params_at(&slope, g, &m->config);
  slow_map(m, old, old, gamma);
  memcpy(map, m->w.all, bytes);
  want.before = loss_of(dense, p);
  gpt_backward(m, &slope, p->in, m->config.contexts, 0, 0);
  want.predicted = slow_dot(&size[0], g, old->w, now->w, count);
  slow_map(m, now, now, gamma);
  want.predicted_map = slow_dot(&size[1], g, map, m->w.all, count);
  want.after = loss_of(dense, p);
  slow_map(m, now, old, gamma);
  want.frozen = loss_of(dense, p);
  free(map), free(g);
  return want;
}

/* ---- Every step of a run ------------------------------------------------- */

/* Relative: three times what float sums leave. A product with g is as wrong as
 * g, of each of its terms. */
#define LOSS_ERROR 2e-7
#define DOT_ERROR 1e-6

static void check_result(const probe_result *got, const probe_result *want,
                         const double size[2]) {
  assert_near(got->before, want->before, LOSS_ERROR * want->before);
  assert_near(got->after, want->after, LOSS_ERROR * want->after);
  assert_near(got->frozen, want->frozen, LOSS_ERROR * want->frozen);
  assert_near(got->predicted, want->predicted, DOT_ERROR * size[0]);
  assert_near(got->predicted_map, want->predicted_map, DOT_ERROR * size[1]);
}

static const char *const methods[] = {"--method dense",
                                      "--method ste",
                                      "--method sr-ste --decay 2",
                                      "--method t-sr-ste --decay 1",
                                      "--method step",
                                      "--method s-ste",
                                      "--method s-ste --beta every-step",
                                      "--method s-ste --gamma 0.5",
                                      "--method s-ste --gamma 1"};
enum { METHODS = sizeof methods / sizeof *methods };

static trainer *trainer_by(const char *method, const char *how) {
  char line[256];
  snprintf(line, sizeof line, "%s --steps 12 --lr 0.05 %s", method, how);
  return trainer_new(shape, line);
}

/* STEP becomes sparse on the way, and T-SR-STE dense. */
static void probes_measure_what_they_say(void **state) {
  trainer *dense = trainer_new(shape, "--method dense");
  size_t i;
  (void)state;
  for (i = 0; i < METHODS; ++i) {
    trainer *x = trainer_by(methods[i], "");
    gpt *m = &x->r.model;
    long step;
    m->config.method.mask_every = 2; /* T-SR-STE's would not move in time */
    for (step = 0; step < 12; ++step) {
      moment old = moment_of(m), now;
      probe_result want;
      double size[2];
      train_step(&x->r);
      now = moment_of(m);
      want = slow_probe(size, dense, &x->r.probe, &old, &now,
                        (double)m->config.method.gamma);
      check_result(&x->r.rows[step].probe, &want, size);
      moment_free(&old), moment_free(&now);
    }
    trainer_free(x);
  }
  trainer_free(dense);
}

/* Only the steps that are asked for. */
static void probes_are_as_frequent_as_asked(void **state) {
  trainer *x = trainer_by("--method ste", "--probe-every 5");
  long step;
  (void)state;
  for (step = 1; step <= 12; ++step) {
    const probe_result *got = &x->r.rows[step - 1].probe;
    train_step(&x->r);
    assert_int_equal(!isnan(got->before), step % 5 == 0);
    assert_int_equal(!isnan(got->predicted_map), step % 5 == 0);
  }
  trainer_free(x);
}

/* ---- What a probe leaves as it was --------------------------------------- */

/* All that training goes on from. */
static void check_untouched(const trainer *x, const trainer *copy,
                            const moment *was) {
  const gpt *m = &x->r.model, *before = &copy->r.model;
  assert_memory_equal(&m->config, &before->config, sizeof m->config);
  assert_memory_equal(m->up, before->up, sizeof m->up);
  assert_memory_equal(m->down, before->down, sizeof m->down);
  assert_memory_equal(m->w.all, was->w, m->w.count * sizeof(float));
  if (m->masks != NULL)
    assert_memory_equal(m->masks, was->mask, gpt_ffn_entries(&m->config));
}

static void probes_leave_the_model_as_it_was(void **state) {
  size_t i;
  (void)state;
  for (i = 0; i < METHODS; ++i) {
    trainer *x = trainer_by(methods[i], "--rounding stochastic"), *copy;
    moment was = moment_of(&x->r.model);
    probe_result result;
    copy = (trainer *)malloc(sizeof *copy);
    *copy = *x;
    probe_before(&x->r.probe, &result, &x->r.model);
    check_untouched(x, copy, &was);
    probe_after(&x->r.probe, &result, &x->r.model);
    check_untouched(x, copy, &was);
    moment_free(&was);
    free(copy);
    trainer_free(x);
  }
}

static void training_does_not_feel_probes(void **state) {
  size_t i;
  (void)state;
  for (i = 0; i < METHODS; ++i) {
    trainer *x = trainer_by(methods[i], "--rounding stochastic");
    trainer *y =
        trainer_by(methods[i], "--rounding stochastic --probe-every 0");
    const size_t bytes = x->r.model.w.count * sizeof(float);
    long step;
    for (step = 0; step < 12; ++step) {
      const measures *with = &x->r.rows[step], *without = &y->r.rows[step];
      train_step(&x->r);
      train_step(&y->r);
      assert_memory_equal(with, without, offsetof(measures, probe));
    }
    assert_memory_equal(x->r.model.w.all, y->r.model.w.all, bytes);
    assert_memory_equal(x->r.moment1, y->r.moment1, bytes);
    assert_memory_equal(x->r.moment2, y->r.moment2, bytes);
    trainer_free(x), trainer_free(y);
  }
}

/* ---- Steps of the test's own --------------------------------------------- */

/* One probe around a step of the FFN's weights, all others standing still. */
static probe_result probe_of(trainer *x, void (*move)(gpt *, double),
                             double size) {
  gpt *m = &x->r.model;
  probe_result result;
  probe_before(&x->r.probe, &result, m);
  move(m, size);
  must(gpt_refresh(m, 1), "refresh");
  probe_after(&x->r.probe, &result, m);
  return result;
}

/* In a direction of its own for each weight. */
static uint64_t direction = 0;
static void move_all(gpt *m, double size) {
  uint64_t rng = test_seed() + 1 + direction;
  size_t i;
  for (i = 0; i < m->w.count; ++i)
    m->w.all[i] += (float)(size * test_normal(&rng));
}

/* FP8, MVUE and stochastic rounding are not seen: no bit depends on them. */
static void probes_see_neither_fp8_nor_mvue(void **state) {
  static const char *const how[] = {
      "--fp8 off", "--mvue off", "--fp8 on --mvue approximate",
      "--rounding stochastic",
      "--forward-format e3m4 --backward-format e4m3fn"};
  size_t i, j;
  (void)state;
  for (i = 0; i < METHODS; ++i) {
    trainer *x = trainer_by(methods[i], "--fp8 off --mvue off");
    const probe_result want = probe_of(x, move_all, 0.1);
    trainer_free(x);
    for (j = 0; j < sizeof how / sizeof *how; ++j) {
      trainer *y = trainer_by(methods[i], how[j]);
      const probe_result got = probe_of(y, move_all, 0.1);
      assert_memory_equal(&got, &want, sizeof want);
      trainer_free(y);
    }
  }
}

/* Within each group of four, so little that neither order nor sign changes. */
static void move_within_the_pattern(gpt *m, double size) {
  const size_t groups = gpt_ffn_size(&m->config) / 4;
  uint64_t rng = test_seed() + 2;
  size_t i, g;
  int e;
  for (i = 0; i < gpt_ffn_count(&m->config); ++i)
    for (g = 0; g < groups; ++g) {
      float *w = gpt_ffn_of(&m->w, i) + 4 * g;
      double gap = 1.0;
      int order[4];
      slow_order(order, w);
      for (e = 0; e < 4; ++e) {
        const double next = e < 3 ? fabs((double)w[order[e + 1]]) : 0.0;
        gap = fmin(gap, fabs((double)w[order[e]]) - next);
      }
      for (e = 0; e < 4; ++e)
        w[e] += (float)(size * gap * (test_uniform(&rng) - 0.5));
    }
}

/* Without a flip a frozen pattern is no other one: to the last bit. But with
 * gamma 1, where rounding alone is left of the second. */
static void a_pattern_that_stays_is_frozen(void **state) {
  size_t i;
  (void)state;
  for (i = 0; i < METHODS; ++i) {
    const int rounds = strstr(methods[i], "--gamma 1") != NULL;
    trainer *x = trainer_by(methods[i], "");
    const probe_result got = probe_of(x, move_within_the_pattern, 0.9);
    assert_true(fabs(got.before - got.after) > 1e-5);
    assert_near(got.frozen, got.after, rounds ? LOSS_ERROR * got.after : 0.0);
    trainer_free(x);
  }
}

/* In every group of the first linear the third becomes as large as the second,
 * and larger by `size`. */
static void move_to_flips(gpt *m, double size) {
  float *w = gpt_ffn_of(&m->w, 0);
  size_t g;
  for (g = 0; g < gpt_ffn_size(&m->config); g += 4) {
    int order[4];
    float *third;
    slow_order(order, w + g);
    third = w + g + order[2];
    *third = (float)(sign_of(*third) *
                     (fabs((double)w[g + (size_t)order[1]]) + size));
  }
}

/* A hard map jumps where a mask flips, and a frozen one does not; a soft map
 * has an edge there, no jump. */
static void flips_are_jumps_of_hard_maps_alone(void **state) {
  static const struct {
    const char *method;
    int jumps;
  } want[] = {{"--method ste", 1},
              {"--method masked-decay", 1},
              {"--method s-ste", 0},
              {"--method s-ste --gamma 0.5", 0},
              {"--method dense", 0}};
  const double hair = 1e-6;
  size_t i;
  (void)state;
  for (i = 0; i < sizeof want / sizeof *want; ++i) {
    trainer *x = trainer_by(want[i].method, "");
    probe_result got;
    double actual, frozen;
    move_to_flips(&x->r.model, -hair);
    must(gpt_refresh(&x->r.model, 0), "refresh");
    got = probe_of(x, move_to_flips, hair);
    actual = fabs(got.before - got.after);
    frozen = fabs(got.before - got.frozen);
    assert_true(frozen < 1e-4);
    assert_true(want[i].jumps ? actual > 1e-3 : actual < 1e-4);
    trainer_free(x);
  }
}

/* Over a few directions, the norms of A - P and of A - P' for a step. */
static void rest_of(double *rest, double *rest_map, const char *method,
                    double size) {
  uint64_t turn;
  *rest = *rest_map = 0.0;
  for (turn = 0; turn < 8; ++turn) {
    trainer *x = trainer_by(method, "");
    probe_result got;
    direction = turn;
    got = probe_of(x, move_all, size);
    *rest = hypot(*rest, got.before - got.after - got.predicted);
    *rest_map = hypot(*rest_map, got.before - got.after - got.predicted_map);
    trainer_free(x);
  }
}

/* Where S does not jump, A - P' is of second order in the step: half a step
 * leaves a quarter. So is A - P, if W~ moves as w does; else half is left. */
static void predictions_are_first_order_terms(void **state) {
  static const struct {
    const char *method;
    double left;
  } want[] = {{"--method dense", 0.25},
              {"--method step", 0.25},
              {"--method t-sr-ste", 0.5}, /* its masks stay for 40 steps */
              {"--method s-ste", 0.5},
              {"--method s-ste --beta every-step", 0.5},
              {"--method s-ste --gamma 0.5", 0.5}};
  size_t i;
  (void)state;
  for (i = 0; i < sizeof want / sizeof *want; ++i) {
    double whole, half, whole_map, half_map;
    rest_of(&whole, &whole_map, want[i].method, 0.001);
    rest_of(&half, &half_map, want[i].method, 0.0005);
    assert_near(half / whole, want[i].left, 0.1);
    assert_near(half_map / whole_map, 0.25, 0.1);
  }
}

/* ---- One group of the soft map ------------------------------------------- */

static void check_branch(const float now[4], float gamma, float beta, float a,
                         float b, float c, float d) {
  const float old[4] = {1.0f, -4.0f, 2.0f, -3.0f};
  const float want[4] = {a, b, c, d};
  float got[4];
  int i;
  test_poison(got, sizeof got);
  probe_soft_branch(got, now, old, gamma, beta);
  for (i = 0; i < 4; ++i) assert_same_float(got[i], want[i]);
}

/* Where (1, -4, 2, -3) had its order: -4 and -3 are kept, less 2. */
static void the_soft_map_continues_its_linear_piece(void **state) {
  const float same[4] = {1.0f, -4.0f, 2.0f, -3.0f};
  const float order[4] = {1.0f, -4.0f, 3.5f, -3.0f};  /* 2 overtakes -3, */
  const float least[4] = {9.0f, -4.0f, 2.0f, -3.0f};  /* and 1 all of them */
  const float sign[4] = {1.0f, 1.0f, 2.0f, -3.0f};    /* -4 changes sign, */
  const float third[4] = {1.0f, -4.0f, -0.5f, -3.0f}; /* and 2 */
  (void)state;
  check_branch(same, 0.0f, 1.0f, 0.0f, -2.0f, 0.0f, -1.0f);
  check_branch(same, 0.0f, 1.5f, 0.0f, -3.0f, 0.0f, -1.5f);
  check_branch(same, 0.5f, 1.0f, 0.0f, -1.5f, 0.0f, -0.5f); /* t = 2.5 */
  check_branch(same, 1.0f, 1.0f, 0.0f, -1.0f, 0.0f, -0.0f); /* t = 3 */
  check_branch(order, 0.0f, 1.0f, 0.0f, -0.5f, 0.0f, 0.5f);
  check_branch(order, 0.5f, 2.0f, 0.0f, -1.5f, 0.0f, 0.5f); /* t = 3.25 */
  check_branch(least, 0.0f, 1.0f, 0.0f, -2.0f, 0.0f, -1.0f);
  check_branch(sign, 0.0f, 1.0f, 0.0f, 3.0f, 0.0f, -1.0f);   /* -(-1 - 2) */
  check_branch(third, 0.0f, 1.0f, 0.0f, -4.5f, 0.0f, -3.5f); /* t = -0.5 */
}

/* Of equal magnitudes the lower index is the larger, as in a mask. */
static void ties_go_to_the_lower_index(void **state) {
  const float old[4] = {2.0f, -2.0f, 2.0f, 2.0f};
  const float now[4] = {2.0f, -3.0f, 1.0f, 5.0f};
  float got[4];
  (void)state;
  probe_soft_branch(got, now, old, 0.0f, 1.0f);
  assert_true(got[0] == 1.0f && got[1] == -2.0f);
  assert_true(got[2] == 0.0f && got[3] == 0.0f);
}

/* On its own piece the branch is the map, for any gamma, to the bit. */
static void on_its_own_piece_the_branch_is_the_map(void **state) {
  uint64_t rng = test_seed() + 3;
  int turn, i;
  (void)state;
  for (turn = 0; turn < 10000; ++turn) {
    const float gamma = (float)test_uniform(&rng);
    const float beta = (float)(0.5 + test_uniform(&rng));
    float a[4], want[4], got[4];
    for (i = 0; i < 4; ++i) a[i] = (float)test_normal(&rng);
    sste_group_project_nm(want, a, 2, 4, gamma);
    probe_soft_branch(got, a, a, gamma, beta);
    for (i = 0; i < 4; ++i) assert_true(got[i] == beta * want[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(probes_measure_what_they_say),
      cmocka_unit_test(probes_are_as_frequent_as_asked),
      cmocka_unit_test(probes_leave_the_model_as_it_was),
      cmocka_unit_test(training_does_not_feel_probes),
      cmocka_unit_test(probes_see_neither_fp8_nor_mvue),
      cmocka_unit_test(a_pattern_that_stays_is_frozen),
      cmocka_unit_test(flips_are_jumps_of_hard_maps_alone),
      cmocka_unit_test(predictions_are_first_order_terms),
      cmocka_unit_test(the_soft_map_continues_its_linear_piece),
      cmocka_unit_test(ties_go_to_the_lower_index),
      cmocka_unit_test(on_its_own_piece_the_branch_is_the_map),
  };
  return cmocka_run_group_tests_name("probe.h", tests, NULL, NULL);
}
