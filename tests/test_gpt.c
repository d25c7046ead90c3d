/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_gpt.c - the trainer's model against slow_gpt.h: the loss of the first
 * step by every method, every gradient as a slope of that loss, and the mean of
 * sampled gradients. Runs are set up by the trainer's own options.
 */
#define _XOPEN_SOURCE 700 /* as pretrain.c, before the first header */
#include "slow_gpt.h"
#include "trainer.h"

/* ---- Runs ---------------------------------------------------------------- */

/* How the FFN is trained, and what its W~ is at the first step. */
typedef struct variant {
  const char *options;
  slow_gpt_map map;
} variant;

static const variant variants[] = {
    {"--method dense", {SLOW_GPT_DENSE, SLOW_GPT_ONE, 0.0}},
    {"--method step", {SLOW_GPT_DENSE, SLOW_GPT_ONE, 0.0}},
    {"--method ste", {SLOW_GPT_HARD, SLOW_GPT_ONE, 0.0}},
    {"--method sr-ste", {SLOW_GPT_HARD, SLOW_GPT_ONE, 0.0}},
    {"--method masked-decay", {SLOW_GPT_HARD, SLOW_GPT_ONE, 0.0}},
    {"--method t-sr-ste", {SLOW_GPT_TILE, SLOW_GPT_ONE, 0.0}},
    {"--method s-ste", {SLOW_GPT_SOFT, SLOW_GPT_MIN_MSE, 0.0}},
    {"--beta equal-l1", {SLOW_GPT_SOFT, SLOW_GPT_EQUAL_L1, 0.0}},
    {"--beta one", {SLOW_GPT_SOFT, SLOW_GPT_ONE, 0.0}},
    {"--beta every-step", {SLOW_GPT_SOFT, SLOW_GPT_MIN_MSE, 0.0}},
    {"--gamma 0.75", {SLOW_GPT_SOFT, SLOW_GPT_MIN_MSE, 0.75}}};
enum { VARIANTS = sizeof variants / sizeof variants[0] };
static const variant *const dense = &variants[0], *const hard = &variants[2],
                            *const tile = &variants[5],
                            *const soft = &variants[6];

/* How its forward products are rounded. */
typedef struct precision {
  const char *options;
  const slow_gpt_format *format;
} precision;

static const precision precisions[] = {
    {"--fp8 off", NULL},
    {"--forward-format e4m3fn", &slow_gpt_e4m3fn},
    {"--forward-format e5m2", &slow_gpt_e5m2},
    {"--forward-format e3m4", &slow_gpt_e3m4},
    {"--forward-format e3m4fn", &slow_gpt_e3m4fn}};
enum { PRECISIONS = sizeof precisions / sizeof precisions[0] };

static const char small[] =
    "--layers 2 --heads 2 --width 8 --context 6 --micro 2 --batch 6";
static const char wide[] =
    "--layers 1 --heads 3 --width 12 --context 12 --micro 2 --batch 2";
/* Where products are made of many tiles. */
static const char large[] =
    "--layers 3 --heads 3 --width 60 --context 36 --micro 3 --batch 6";

/* A run before its first step; there is one at a time. */
static run *run_of(const char *shape, start from, const char *method,
                   const char *products, uint64_t seed) {
  static trainer *x = NULL;
  char line[256];
  snprintf(line, sizeof line, "--seed %lu %s %s",
           (unsigned long)(seed % 1000000000u), method, products);
  if (x != NULL) trainer_free(x);
  x = trainer_from(from, seed, shape, line);
  return &x->r;
}

static slow_gpt slow_of(const run *r, slow_gpt_map map,
                        const slow_gpt_format *format) {
  const gpt_config *c = &r->model.config;
  return slow_gpt_new(c->layers, c->heads, c->width, c->context, r->model.w.all,
                      map, map.pruning == SLOW_GPT_DENSE ? NULL : format);
}

/* ---- The reference ------------------------------------------------------- */

/* Near the smallest number, where numbers lie that far apart and ties go to
 * even multiples, and near the largest, which is what all beyond it becomes. */
static void check_format(slow_gpt_format f, double least, double largest) {
  const double last = slow_gpt_unit(f, largest);
  assert_true(slow_gpt_round(f, least) == least);
  assert_true(slow_gpt_round(f, 0.5 * least) == 0.0);
  assert_true(slow_gpt_round(f, -1.5 * least) == -2.0 * least);
  assert_true(slow_gpt_round(f, 2.5 * least) == 2.0 * least);
  assert_true(slow_gpt_round(f, largest) == largest);
  assert_true(slow_gpt_round(f, largest - 0.4 * last) == largest);
  assert_true(slow_gpt_round(f, largest - 0.6 * last) == largest - last);
  assert_true(slow_gpt_round(f, -(largest + last)) == -largest);
  assert_true(slow_gpt_round(f, 1e9) == largest);
}

static void the_reference_has_the_formats(void **state) {
  (void)state;
  check_format(slow_gpt_e4m3fn, ldexp(1.0, -9), 448.0);
  check_format(slow_gpt_e5m2, ldexp(1.0, -16), 57344.0);
  check_format(slow_gpt_e3m4, ldexp(1.0, -6), 15.5);
  check_format(slow_gpt_e3m4fn, ldexp(1.0, -6), 30.0);
}

/* ---- Losses -------------------------------------------------------------- */

/* Float sums leave 4e-8 of a loss in small models and 8e-8 in large ones. */
#define LOSS_ERROR 3e-7
/* In FP8 they also move a number across the point where its rounding jumps, if
 * it lies within their error, about 1e-7 of the largest number. So only models
 * count of which no number lies within this. */
#define CLEAR_OF_JUMPS 1e-6

/* The mean loss of the first M micro-batches of B contexts. */
static double slow_batch_loss(slow_gpt *slow, const run *r, size_t M,
                              size_t B) {
  const size_t n = B * slow->context;
  double loss = 0.0, nearest = 1.0;
  size_t i;
  for (i = 0; i < M; ++i) {
    loss += slow_gpt_loss(slow, r->in + i * n, r->next + i * n, B) / (double)M;
    nearest = fmin(nearest, slow->nearest);
  }
  slow->nearest = nearest;
  return loss;
}

/* The loss of the first step, and of a micro-batch that is not full, as in
 * validation. Returns 0 for a model that is not clear of jumps. */
static int check_loss(const char *shape, start from, const variant *v,
                      const precision *p, uint64_t seed) {
  run *r = run_of(shape, from, v->options, p->options, seed);
  const size_t M = micro_batches(r->o), B = (size_t)r->o->micro;
  slow_gpt slow = slow_of(r, v->map, p->format);
  double got[2], want[2], nearest;
  int i;
  got[0] = batch_gradient(r, 1);
  want[0] = slow_batch_loss(&slow, r, M, B);
  nearest = slow.nearest;
  got[1] = gpt_forward(&r->model, r->in, r->next, B - 1);
  want[1] = slow_batch_loss(&slow, r, 1, B - 1);
  nearest = fmin(nearest, slow.nearest);
  free(slow.w);
  if (nearest < CLEAR_OF_JUMPS) return 0;
  for (i = 0; i < 2; ++i)
    if (!(fabs(got[i] - want[i]) <= LOSS_ERROR * want[i]))
      fail_msg("%s %s %s, start %d, seed %lu: loss %.12g, not %.12g", shape,
               v->options, p->options, (int)from, (unsigned long)seed, got[i],
               want[i]);
  return 1;
}

/* Of every method in every format, one model that is clear of jumps: of a few
 * dozen there is one. */
static void check_losses(const char *shape, start from, uint64_t seed) {
  const uint64_t most = 500;
  int i, j;
  for (i = 0; i < VARIANTS; ++i)
    for (j = 0; j < PRECISIONS; ++j) {
      uint64_t turn = 0;
      while (turn < most && !check_loss(shape, from, &variants[i],
                                        &precisions[j], seed + turn))
        ++turn;
      assert_true(turn < most);
    }
}

static void losses_are_the_formulas(void **state) {
  const uint64_t turns = test_level() == 2 ? 4 : 1;
  uint64_t turn;
  (void)state;
  for (turn = 0; turn < turns; ++turn) {
    const uint64_t seed = test_seed() + 1000 * turn;
    check_losses(small, INITIAL, seed);
    check_losses(small, WILD, seed);
    check_losses(small, COARSE, seed);
    check_losses(wide, INITIAL, seed);
    check_losses(wide, WILD, seed);
  }
}

static void losses_of_large_models_are_too(void **state) {
  int i;
  (void)state;
  for (i = 0; i < VARIANTS; ++i) {
    check_loss(large, INITIAL, &variants[i], &precisions[0], test_seed());
    check_loss(large, WILD, &variants[i], &precisions[0], test_seed());
  }
}

/* All this shows something only if each map and each format has a loss of its
 * own, in one model or another. */
static void every_map_and_format_shows_in_the_loss(void **state) {
  const int maps[] = {0, 2, 5, 6, 7, 8, 10}; /* the variants that differ */
  enum { MODELS = 4, LOSSES = 7 * PRECISIONS };
  double loss[MODELS][LOSSES];
  int m, i, j;
  (void)state;
  for (m = 0; m < MODELS; ++m) {
    const uint64_t seed = test_seed() + (uint64_t)m;
    run *r = run_of(small, WILD, dense->options, "", seed);
    batch_gradient(r, 1);
    for (i = 0; i < LOSSES; ++i) {
      slow_gpt slow = slow_of(r, variants[maps[i / PRECISIONS]].map,
                              precisions[i % PRECISIONS].format);
      loss[m][i] = slow_batch_loss(&slow, r, 3, 2);
      free(slow.w);
    }
  }
  for (i = PRECISIONS; i < LOSSES; ++i) /* dense has no FP8: its last will do */
    for (j = PRECISIONS - 1; j < i; ++j) {
      double apart = 0.0;
      for (m = 0; m < MODELS; ++m)
        apart = fmax(apart, fabs(loss[m][i] / loss[m][j] - 1.0));
      assert_true(apart > 100.0 * LOSS_ERROR);
    }
}

/* ---- Gradients ----------------------------------------------------------- */

/* Of the largest gradient of its tensor: 4e-6 is what float sums leave in most
 * models, 3e-5 in the worst of 40. */
#define SLOPE_ERROR 1e-4

/* What a run's gradient is compared with. */
typedef struct slopes {
  slow_gpt *slow;
  const unsigned char *in, *next; /* B contexts */
  size_t B;
  double parts; /* the gradient is the sum of so many means */
} slopes;

/* Every stride-th entry of a tensor. */
static void check_slopes(slopes s, const float *g, slow_gpt_part part, size_t l,
                         size_t count, size_t stride) {
  const size_t from = slow_gpt_at(s.slow, part, l);
  double largest = 0.0;
  size_t i;
  for (i = from; i < from + count; ++i)
    largest = fmax(largest, fabs((double)g[i]) / s.parts);
  for (i = from; i < from + count; i += stride) {
    const double got = (double)g[i] / s.parts;
    const double want = slow_gpt_slope(s.slow, i, s.in, s.next, s.B);
    if (!(fabs(got - want) <= SLOPE_ERROR * largest))
      fail_msg(
          "part %d of block %zu, entry %zu: gradient %.9g, slope %.9g, "
          "largest %.3g",
          (int)part, l, i - from, got, want, largest);
  }
}

/* Of matrices every stride-th. */
static void check_all_slopes(slopes s, const float *g, size_t stride) {
  const size_t C = s.slow->width, T = s.slow->context;
  size_t l;
  check_slopes(s, g, SLOW_GPT_NORM, 0, C, 1);
  check_slopes(s, g, SLOW_GPT_BYTES, 0, 256 * C, stride);
  check_slopes(s, g, SLOW_GPT_PLACES, 0, T * C, stride);
  for (l = 0; l < s.slow->layers; ++l) {
    check_slopes(s, g, SLOW_GPT_NORM1, l, C, 1);
    check_slopes(s, g, SLOW_GPT_NORM2, l, C, 1);
    check_slopes(s, g, SLOW_GPT_QKV, l, 3 * C * C, stride);
    check_slopes(s, g, SLOW_GPT_PROJ, l, C * C, stride);
    check_slopes(s, g, SLOW_GPT_UP, l, 4 * C * C, stride);
    check_slopes(s, g, SLOW_GPT_DOWN, l, 4 * C * C, stride);
  }
}

/* Without FP8 and sampling a batch's loss is that of its contexts at once, and
 * the trainer's gradient the sum over its micro-batches. */
static void check_gradient(const char *shape, start from, const variant *v,
                           size_t stride) {
  run *r = run_of(shape, from, v->options, "--fp8 off --mvue off", test_seed());
  slow_gpt slow = slow_of(r, v->map, NULL);
  slopes s;
  batch_gradient(r, 1);
  s.slow = &slow;
  s.in = r->in;
  s.next = r->next;
  s.B = (size_t)r->o->batch;
  s.parts = (double)micro_batches(r->o);
  check_all_slopes(s, r->g.all, stride);
  free(slow.w);
}

static void gradients_are_slopes(void **state) {
  const variant *const some[] = {dense, hard, tile, soft};
  int i;
  (void)state;
  for (i = 0; i < 4; ++i) {
    check_gradient(wide, WILD, some[i], 11);
    check_gradient(small, WILD, some[i], 5);
  }
  if (test_level() != 2) return;
  for (i = 0; i < VARIANTS; ++i)
    check_gradient(small, INITIAL, &variants[i], 7);
  for (i = 0; i < 4; ++i) {
    check_gradient(small, WILD, some[i], 1);
    check_gradient(large, WILD, some[i], 997);
  }
}

/* What the optimiser sees is the mean over micro-batches, of norm 1 at most. */
static void the_clipped_gradient_is_the_mean(void **state) {
  const double norms[] = {0.5, 0.999, 1.001, 7.0};
  int turn;
  (void)state;
  for (turn = 0; turn < 4; ++turn) {
    float sum[3] = {2.0f, -6.0f, 9.0f}; /* of norm 11 */
    const double factor = 3.0 * norms[turn] / 11.0;
    gpt_params g = {0};
    int i;
    g.all = sum;
    g.count = 3;
    for (i = 0; i < 3; ++i) sum[i] = (float)((double)sum[i] * factor);
    clip(&g, 3);
    for (i = 0; i < 3; ++i) {
      const double unit = (i == 0 ? 2.0 : i == 1 ? -6.0 : 9.0) / 11.0;
      assert_near((double)sum[i], unit * fmin(norms[turn], 1.0), 1e-6);
    }
  }
}

/* ---- Sampled gradients --------------------------------------------------- */

/* Parameters to hold a gradient, poisoned. */
static gpt_params gradient_of(const run *r) {
  const size_t bytes = r->model.w.count * sizeof(float);
  gpt_params g;
  gpt_params_at(&g, (float *)malloc(bytes), &r->model.config);
  test_poison(g.all, bytes);
  return g;
}

/* Other draws leave all but the FFN's weights alone: dX is never sampled. */
static void only_the_ffn_differs(const gpt_config *c, const gpt_params *a,
                                 const gpt_params *b) {
  const size_t C = c->width, rest = (size_t)(a->block[0].qkv - a->all);
  size_t l;
  assert_memory_equal(a->all, b->all, rest * sizeof(float));
  for (l = 0; l < c->layers; ++l) {
    const gpt_block *x = &a->block[l], *y = &b->block[l];
    assert_memory_equal(x->qkv, y->qkv, 3 * C * C * sizeof(float));
    assert_memory_equal(x->proj, y->proj, C * C * sizeof(float));
    assert_memory_not_equal(x->up, y->up, 4 * C * C * sizeof(float));
    assert_memory_not_equal(x->down, y->down, 4 * C * C * sizeof(float));
  }
}

/* Sums over the draws of one entry. */
typedef struct moments {
  double sum, square;
} moments;

/* Whether the mean of `draws` gradients of one tensor is `want` to within its
 * standard error: all entries together, and along `want`, where a wrong factor
 * would lie. */
static void check_mean(const moments *of, const float *want, size_t count,
                       size_t draws, const char *name) {
  double off = 0.0, noise = 0.0, along = 0.0, norm = 0.0;
  size_t i;
  for (i = 0; i < count; ++i) {
    const double mean = of[i].sum / (double)draws, w = (double)want[i];
    off += (mean - w) * (mean - w);
    noise += (of[i].square / (double)draws - mean * mean) / (double)draws;
    along += (mean - w) * w;
    norm += w * w;
  }
  if (!(off <= 6.0 * noise) || !(fabs(along) <= 2.0 * sqrt(noise * norm)))
    fail_msg("%s: off by %.3g, %.3g along the gradient, standard error %.3g",
             name, sqrt(off / norm), along / norm, sqrt(noise / norm));
}

/* The run's first micro-batch, forward. */
static gpt *run_forward(run *r) {
  batch_gradient(r, 1);
  gpt_forward(&r->model, r->in, r->next, (size_t)r->o->micro);
  return &r->model;
}

static void check_samples(const variant *v, const char *mvue, size_t draws) {
  run *r = run_of(small, WILD, v->options, "--fp8 off --mvue off", test_seed());
  const size_t B = (size_t)r->o->micro;
  gpt_params g = gradient_of(r), full = gradient_of(r);
  moments *of = (moments *)calloc(full.count, sizeof *of);
  gpt *m = run_forward(r);
  size_t step, i;
  gpt_backward(m, &full, r->in, B, 1, 0);
  r = run_of(small, WILD, v->options, mvue, test_seed());
  m = run_forward(r);
  for (step = 1; step <= draws; ++step) {
    gpt_backward(m, &g, r->in, B, step, 0);
    only_the_ffn_differs(&m->config, &g, &full);
    for (i = 0; i < g.count; ++i) {
      of[i].sum += (double)g.all[i];
      of[i].square += (double)g.all[i] * (double)g.all[i];
    }
  }
  for (i = 0; i < gpt_ffn_count(&m->config); ++i) {
    const float *want = gpt_ffn_of(&full, i);
    check_mean(of + (want - full.all), want, gpt_ffn_size(&m->config), draws,
               i % 2 == 0 ? "up" : "down");
  }
  free(g.all), free(full.all), free(of);
}

static void samples_have_the_gradient_as_mean(void **state) {
  const variant *const some[] = {hard, tile, soft};
  const size_t draws = test_level() == 2 ? 4000 : 400;
  int i;
  (void)state;
  for (i = 0; i < 3; ++i) {
    check_samples(some[i], "--fp8 off --mvue optimal", draws);
    check_samples(some[i], "--fp8 off --mvue approximate", draws);
  }
}

/* The gradient of the first step by some options, the mean of micro-batches. */
static gpt_params first_gradient(const char *shape, const char *products) {
  run *r = run_of(shape, WILD, soft->options, products, test_seed());
  gpt_params g = gradient_of(r);
  size_t i;
  batch_gradient(r, 1);
  for (i = 0; i < g.count; ++i)
    g.all[i] = r->g.all[i] / (float)micro_batches(r->o);
  return g;
}

/* Each of these options samples, or rounds samples, in its own way. */
static void check_that_samples_differ(const char *const *products, int count) {
  const gpt_config c = config_of(run_of(small, WILD, "", "", 1)->o);
  gpt_params g[3];
  int i, j;
  for (i = 0; i < count; ++i) g[i] = first_gradient(small, products[i]);
  for (i = 0; i < count; ++i)
    for (j = 0; j < i; ++j) only_the_ffn_differs(&c, &g[i], &g[j]);
  for (i = 0; i < count; ++i) free(g[i].all);
}

static void every_kind_of_sample_differs(void **state) {
  const char *const kinds[] = {"--fp8 off --mvue off",
                               "--fp8 off --mvue optimal",
                               "--fp8 off --mvue approximate"};
  const char *const roundings[] = {"--rounding nearest",
                                   "--rounding stochastic"};
  (void)state;
  check_that_samples_differ(kinds, 3);
  check_that_samples_differ(roundings, 2);
}

/* The last FFN's second weights show the format of dW, what comes to the
 * attention before it that of dX, and the last norm neither. */
static void every_backward_format_shows(void **state) {
  const char *const formats[] = {"--mvue off --fp8 off",
                                 "--mvue off --backward-format e5m2",
                                 "--mvue off --backward-format e4m3fn",
                                 "--mvue off --backward-format e3m4",
                                 "--mvue off --backward-format e3m4fn"};
  const size_t C = 8;
  gpt_params g[PRECISIONS];
  int i, j;
  (void)state;
  for (i = 0; i < PRECISIONS; ++i) g[i] = first_gradient(small, formats[i]);
  for (i = 0; i < PRECISIONS; ++i)
    for (j = 0; j < i; ++j) {
      const gpt_block *a = &g[i].block[1], *b = &g[j].block[1];
      assert_memory_not_equal(a->down, b->down, 4 * C * C * sizeof(float));
      assert_memory_not_equal(a->proj, b->proj, C * C * sizeof(float));
      if (j == 0) continue; /* forward differs as well */
      assert_memory_equal(g[i].norm, g[j].norm, C * sizeof(float));
    }
  for (i = 0; i < PRECISIONS; ++i) free(g[i].all);
}

/* A draw belongs to the token's place in the batch, so that micro-batches draw
 * what a single one as large as the batch would: without FP8 its gradient is
 * their mean. dZ differs by the factor 2, which is exact. */
static void draws_do_not_depend_on_the_micro_batches(void **state) {
  static const char one[] =
      "--layers 2 --heads 2 --width 8 --context 6 --micro 4 --batch 4";
  static const char two[] =
      "--layers 2 --heads 2 --width 8 --context 6 --micro 2 --batch 4";
  static const char products[] = "--fp8 off --mvue optimal";
  gpt_params a = first_gradient(one, products);
  gpt_params b = first_gradient(two, products);
  size_t i;
  (void)state;
  for (i = 0; i < a.count; ++i)
    assert_near((double)a.all[i], (double)b.all[i], 1e-6);
  free(a.all), free(b.all);
}

/* And contexts of other places draw other bits. */
static void places_of_a_batch_draw_their_own(void **state) {
  run *r = run_of(small, WILD, soft->options, "--fp8 off", test_seed());
  gpt_params a = gradient_of(r), b = gradient_of(r);
  gpt *m = run_forward(r);
  (void)state;
  gpt_backward(m, &a, r->in, 2, 1, 0);
  gpt_backward(m, &b, r->in, 2, 1, 2);
  only_the_ffn_differs(&m->config, &a, &b);
  free(a.all), free(b.all);
}

/* No two linears share random bits: equal gradients are sampled differently. */
static void every_linear_draws_its_own(void **state) {
  run *r = run_of(small, WILD, soft->options, "--fp8 off", test_seed());
  gpt *m = &r->model;
  const size_t n = 12, C = 8, count = gpt_ffn_count(&m->config);
  float dz[12 * 8], x[12 * 32], dx[12 * 32], a[8 * 32], b[8 * 32];
  uint64_t rng = test_seed();
  size_t i, j;
  (void)state;
  for (i = 0; i < n * C; ++i) dz[i] = (float)test_normal(&rng);
  for (i = 0; i < n * 4 * C; ++i) x[i] = (float)test_normal(&rng);
  gpt_ffn_backward(m, 1, dx, a, dz, x, n, 1, 0);
  gpt_ffn_backward(m, 1, dx, b, dz, x, n, 1, 0);
  assert_memory_equal(a, b, sizeof a);
  gpt_ffn_backward(m, 3, dx, b, dz, x, n, 1, 0);
  assert_memory_not_equal(a, b, sizeof a);
  for (i = 0; i < count; ++i) {
    const uint32_t tensor = gpt_ffn_at(m, i).layer->rounding_tensor;
    assert_true(tensor >= count && tensor < 0x80000000u);
    for (j = 0; j < i; ++j)
      assert_int_not_equal(tensor, gpt_ffn_at(m, j).layer->rounding_tensor);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_reference_has_the_formats),
      cmocka_unit_test(losses_are_the_formulas),
      cmocka_unit_test(losses_of_large_models_are_too),
      cmocka_unit_test(every_map_and_format_shows_in_the_loss),
      cmocka_unit_test(gradients_are_slopes),
      cmocka_unit_test(the_clipped_gradient_is_the_mean),
      cmocka_unit_test(samples_have_the_gradient_as_mean),
      cmocka_unit_test(every_kind_of_sample_differs),
      cmocka_unit_test(every_backward_format_shows),
      cmocka_unit_test(draws_do_not_depend_on_the_micro_batches),
      cmocka_unit_test(places_of_a_batch_draw_their_own),
      cmocka_unit_test(every_linear_draws_its_own),
  };
  return cmocka_run_group_tests_name("gpt.h", tests, NULL, NULL);
}
