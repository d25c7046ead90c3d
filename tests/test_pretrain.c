/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_pretrain.c - the trainer but for its model: options, the text, which
 * random bits a draw takes, the gradient of a batch, the optimiser against one
 * in double, measures and generated text.
 */
#define _XOPEN_SOURCE 700 /* as pretrain.c, before the first header */
#include <fenv.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "trainer.h"

/* Three micro-batches of 16 tokens. */
static const char shape[] =
    "--layers 2 --heads 2 --width 16 --context 8 --micro 2 --batch 6 --seed 7";
static const char tiny[] = "--layers 1 --heads 1 --width 4 --context 4";

static float *floats(size_t count) {
  float *p = (float *)malloc(count * sizeof *p);
  test_poison(p, count * sizeof *p);
  return p;
}

static float *copy_of(const float *from, size_t count) {
  return (float *)memcpy(floats(count), from, count * sizeof *from);
}

static void normals(float *x, size_t count, double deviation, uint64_t seed) {
  size_t i;
  for (i = 0; i < count; ++i) x[i] = (float)(deviation * test_normal(&seed));
}

/* ---- 1. Options ---------------------------------------------------------- */

/* At least two contexts, as few as groups of four tokens allow. */
static void the_default_micro_batch_is_small(void **state) {
  static const struct {
    const char *line;
    long micro;
  } want[] = {{"", 2},
              {"--batch 1", 1},
              {"--batch 2", 2},
              {"--batch 7", 7},
              {"--batch 9", 3},
              {"--batch 8 --context 6", 2},
              {"--batch 12 --context 1", 4},
              {"--batch 12 --context 3", 4},
              {"--batch 12 --context 2", 2},
              {"--batch 15 --context 4", 3},
              {"--batch 8 --micro 1", 1},
              {"--batch 8 --micro 8", 8}};
  size_t i;
  (void)state;
  for (i = 0; i < sizeof want / sizeof *want; ++i)
    assert_int_equal(options_of(want[i].line).micro, want[i].micro);
}

static void check_format(sste_fp8_format got, sste_fp8_format want) {
  assert_memory_equal(&got, &want, sizeof want);
}

static void options_reach_every_linear_of_the_ffn(void **state) {
  trainer *x =
      trainer_new(tiny,
                  "--forward-format e3m4 --backward-format e3m4fn --fp8 on "
                  "--mvue approximate --rounding stochastic --layers 3");
  size_t i;
  (void)state;
  for (i = 0; i < 6; ++i) {
    const sste_linear *layer = gpt_ffn_at(&x->r.model, i).layer;
    check_format(layer->forward_format, sste_fp8_e3m4());
    check_format(layer->input_grad_format, sste_fp8_e3m4fn());
    check_format(layer->weight_grad_format, sste_fp8_e3m4fn());
    assert_int_equal(layer->fp8, 1);
    assert_int_equal(layer->mvue, SSTE_MVUE_APPROXIMATE);
    assert_int_equal(layer->stochastic, 1);
    assert_int_equal(layer->in_features, i % 2 == 0 ? 4 : 16);
    assert_int_equal(layer->out_features, i % 2 == 0 ? 16 : 4);
  }
  trainer_free(x);
}

/* ---- 2. The text --------------------------------------------------------- */

static void a_tenth_of_the_text_is_held_out(void **state) {
  char name[] = "pretrain-text-XXXXXX";
  const int fd = mkstemp(name);
  FILE *f = fdopen(fd, "wb");
  options o;
  text t;
  size_t i;
  (void)state;
  for (i = 0; i < 1019; ++i) fputc((int)(i % 251), f);
  fclose(f);
  o = options_of(tiny);
  o.text = name;
  t = text_open(&o);
  remove(name);
  assert_int_equal(t.train, 918);
  assert_int_equal(t.valid, 101);
  for (i = 0; i < 1019; ++i) assert_int_equal(t.bytes[i], i % 251);
  free(t.bytes);
}

/* Contexts with what follows each byte, from any place of the training part,
 * and no byte of the part held out. */
static void contexts_are_drawn_from_the_training_part(void **state) {
  const options o = options_of("--context 8");
  unsigned char bytes[30], in[8], next[8];
  const text t = {bytes, 20, 10, 0};
  size_t step, i, found[12] = {0};
  (void)state;
  for (i = 0; i < 30; ++i) bytes[i] = (unsigned char)i;
  for (step = 0; step < 400; ++step) {
    draw_contexts(&o, &t, GPT_BATCHES, step, 1, in, next);
    for (i = 0; i < 8; ++i) {
      assert_int_equal(in[i], in[0] + i);
      assert_int_equal(next[i], in[i] + 1);
    }
    assert_true(next[7] < 20);
    ++found[in[0]];
  }
  for (i = 0; i < 12; ++i) assert_in_range(found[i], 10, 70);
}

/* ---- 3. Draws ------------------------------------------------------------ */

/* The words of all uses differ, from those of MVUE and of rounding as well. */
static void every_use_has_words_of_its_own(void **state) {
  enum { STEPS = 4, WORDS = 16, USES = 4 + 4 + 4 };
  static uint32_t word[USES * STEPS * WORDS];
  size_t use, step, i, j, count = 0;
  (void)state;
  for (use = 0; use < USES; ++use)
    for (step = 0; step < STEPS; ++step)
      for (i = 0; i < WORDS; ++i) {
        sste_mvue_stream stream = {7, 0, 0, 0, 0};
        stream.tensor = (uint32_t)(use % 4 + (use < 8 ? 0 : GPT_ROUNDING));
        stream.step = (uint32_t)step;
        word[count++] = use < 4 ? gpt_word(7, (uint32_t)use, step, i)
                                : sste_mvue_word(&stream, 0, i);
      }
  for (i = 0; i < count; ++i)
    for (j = 0; j < i; ++j) assert_true(word[i] != word[j]);
}

/* What the weight grad makes of a whole batch's dZ (T x N): a sample of it by
 * one stream, and that in FP8. */
static void sample_of_batch(float *out, const float *dz, size_t T, size_t N,
                            const options *o, size_t tensor, size_t step) {
  sste_mvue_stream stream = {0, 0, 0, 0, 0};
  const sste_fp8_recipe how = sste_fp8_recipe_current(sste_fp8_e5m2());
  uint8_t *code = (uint8_t *)malloc(T * N);
  const float one = 1.0f;
  float scale;
  size_t i;
  stream.seed = (uint64_t)o->seed;
  stream.tensor = (uint32_t)tensor;
  stream.step = (uint32_t)step;
  if (o->mvue == SSTE_MVUE_APPROXIMATE)
    must(sste_mvue24_tensor_draw_approx(out, N, dz, N, T, N, SSTE_DOWN_COLUMNS,
                                        &stream),
         "draw");
  else
    must(sste_mvue24_tensor_draw(out, N, dz, N, T, N, SSTE_DOWN_COLUMNS,
                                 &stream),
         "draw");
  if (o->fp8) {
    must(sste_fp8_tensor_scale(&scale, out, N, T, N, how), "scale");
    stream.tensor = (uint32_t)(GPT_ROUNDING + tensor);
    if (o->rounding == 1)
      must(sste_fp8_tensor_encode_stochastic(code, N, out, N, T, N, how.format,
                                             scale, SSTE_DOWN_COLUMNS, &stream),
           "encode");
    else
      must(sste_fp8_tensor_encode(code, N, out, N, T, N, &scale, how),
           "encode");
    must(sste_fp8_tensor_decode(out, N, code, N, T, N, &one, how), "decode");
    for (i = 0; i < T * N; ++i)
      out[i] = (float)((double)out[i] / (double)scale);
  }
  free(code);
}

/* With X = 1, dW is the sampled dZ itself: that of each micro-batch is the
 * batch's at its tokens. One large gradient in each makes their scales one. */
static void check_draws(const char *how, size_t i, size_t step) {
  trainer *x = trainer_new(shape, how);
  gpt *m = &x->r.model;
  const sste_linear *layer = gpt_ffn_at(m, i).layer;
  const size_t N = layer->out_features, K = layer->in_features, n = 16, M = 3;
  float *dz = floats(M * n * N), *want = floats(M * n * N);
  float *in = floats(n * K), *dx = floats(n * K), *dw = floats(N * K);
  size_t j, t, c;
  normals(dz, M * n * N, 1.0, test_seed() + i);
  for (j = 0; j < M; ++j)
    for (t = 0; t < 4; ++t) dz[(j * n + t) * N] = t == 2 ? 100.0f : 0.0f;
  for (t = 0; t < n; ++t)
    for (c = 0; c < K; ++c) in[t * K + c] = t == c ? 1.0f : 0.0f;
  sample_of_batch(want, dz, M * n, N, &x->o, i, step);
  for (j = 0; j < M; ++j) {
    gpt_ffn_backward(m, i, dx, dw, dz + j * n * N, in, n, step, j * n);
    for (c = 0; c < N; ++c)
      for (t = 0; t < n; ++t)
        assert_true(dw[c * K + t] == want[(j * n + t) * N + c]);
  }
  free(dz), free(want), free(in), free(dx), free(dw);
  trainer_free(x);
}

static void draws_belong_to_seed_tensor_step_and_token(void **state) {
  static const char *const how[] = {
      "--fp8 off", "--fp8 off --mvue approximate", "--rounding stochastic",
      "--mvue approximate --rounding stochastic", ""};
  size_t i, tensor;
  (void)state;
  for (i = 0; i < sizeof how / sizeof *how; ++i)
    for (tensor = 0; tensor < 4; ++tensor) {
      check_draws(how[i], tensor, 1);
      check_draws(how[i], tensor, 2);
    }
}

/* A step and a place in the batch draw the same bits again, others others. */
static void backward_draws_by_step_and_place(void **state) {
  static const struct {
    size_t step, first;
    int same;
  } turn[] = {{1, 0, 1}, {1, 0, 1}, {2, 0, 0}, {1, 2, 0}, {1, 1, 0}};
  trainer *x = trainer_new(shape, "");
  gpt *m = &x->r.model;
  float *g[5];
  size_t i, l;
  (void)state;
  batch_gradient(&x->r, 1);
  for (i = 0; i < 5; ++i) {
    gpt_params at;
    g[i] = floats(m->w.count);
    gpt_params_at(&at, g[i], &m->config);
    gpt_forward(m, x->r.in, x->r.next, 2);
    gpt_backward(m, &at, x->r.in, 2, turn[i].step, turn[i].first);
  }
  for (i = 0; i < 5; ++i)
    for (l = 0; l < 4; ++l) {
      const size_t at = (size_t)(gpt_ffn_of(&m->w, l) - m->w.all);
      const size_t bytes = gpt_ffn_size(&m->config) * sizeof(float);
      assert_int_equal(memcmp(g[i] + at, g[0] + at, bytes) == 0, turn[i].same);
    }
  for (i = 0; i < 5; ++i) free(g[i]);
  trainer_free(x);
}

/* However a batch is cut, MVUE samples its tokens alike, and but for the last
 * bits of sums the gradient is the same. (In FP8 each part has a scale.) */
static void a_batch_draws_alike_however_it_is_cut(void **state) {
  static const char *const how[] = {"--mvue optimal", "--mvue approximate"};
  size_t i, e;
  int micro;
  (void)state;
  for (i = 0; i < 2; ++i) {
    float *whole = NULL;
    for (micro = 4; micro >= 1; micro /= 2) {
      char line[128];
      trainer *x;
      size_t count;
      sprintf(line, "--fp8 off --batch 4 --micro %d %s", micro, how[i]);
      x = trainer_new(shape, line);
      count = x->r.model.w.count;
      batch_gradient(&x->r, 3);
      for (e = 0; e < count; ++e) x->r.g.all[e] *= (float)micro / 4.0f;
      if (whole == NULL) whole = copy_of(x->r.g.all, count);
      for (e = 0; e < count; ++e)
        assert_near((double)x->r.g.all[e], (double)whole[e], 1e-5);
      trainer_free(x);
    }
    free(whole);
  }
}

/* ---- 4. A batch's gradient ----------------------------------------------- */

/* Adjacent pairs fold, an odd one is carried up. */
static void slow_tree(float **node, size_t nodes, size_t count) {
  size_t i, e;
  for (; nodes > 1; nodes = (nodes + 1) / 2) {
    for (i = 0; i + 1 < nodes; i += 2)
      for (e = 0; e < count; ++e) node[i][e] += node[i + 1][e];
    for (i = 2; i < nodes; i += 2)
      memcpy(node[i / 2], node[i], count * sizeof **node);
  }
}

/* Of a step's own contexts, M micro-batches of two with four tokens each. */
static void check_tree(size_t M, const char *how) {
  unsigned char in[8 * 8], next[8 * 8];
  char line[128];
  trainer *x;
  gpt *m;
  float *leaf[8];
  double loss, sum = 0.0;
  size_t i;
  sprintf(line, "--batch %zu --micro 2 %s", 2 * M, how);
  x = trainer_new(tiny, line);
  m = &x->r.model;
  loss = batch_gradient(&x->r, 5);
  draw_contexts(&x->o, &x->t, GPT_BATCHES, 5, 2 * M, in, next);
  for (i = 0; i < M; ++i) {
    gpt_params at;
    leaf[i] = floats(m->w.count);
    gpt_params_at(&at, leaf[i], &m->config);
    sum += gpt_forward(m, in + 8 * i, next + 8 * i, 2);
    gpt_backward(m, &at, in + 8 * i, 2, 5, 2 * i);
  }
  slow_tree(leaf, M, m->w.count);
  assert_true(loss == sum / (double)M);
  assert_memory_equal(x->r.g.all, leaf[0], m->w.count * sizeof(float));
  assert_true(x->r.g.norm == x->r.g.all); /* its parts are where it is */
  for (i = 0; i < M; ++i) free(leaf[i]);
  trainer_free(x);
}

static void micro_batches_are_summed_in_a_fixed_tree(void **state) {
  size_t M;
  (void)state;
  for (M = 1; M <= 8; ++M) {
    check_tree(M, "");
    check_tree(M, "--method dense");
  }
}

/* ---- 5. Optimiser -------------------------------------------------------- */

static void the_learning_rate_warms_up_and_falls_as_a_cosine(void **state) {
  const double quarter = sqrt(0.5), pi = 3.141592653589793;
  options o = options_of("--lr 2 --steps 40"); /* 4 of them to warm up */
  const struct {
    long step;
    double rate;
  } want[] = {{0, 0.2},   {1, 0.4},
              {2, 0.6},   {3, 0.8},
              {4, 1.0},   {13, 0.1 + 0.45 * (1.0 + quarter)},
              {22, 0.55}, {31, 0.1 + 0.45 * (1.0 - quarter)},
              {40, 0.1},  {39, 0.1 + 0.45 * (1.0 - cos(pi / 36.0))}};
  size_t i;
  (void)state;
  for (i = 0; i < sizeof want / sizeof *want; ++i)
    assert_near(learning_rate(&o, want[i].step), 2.0 * want[i].rate, 1e-12);
  o.steps = 5; /* half a step */
  assert_near(learning_rate(&o, 0), 2.0 / 1.5, 1e-12);
  o.steps = 1;
  assert_near(learning_rate(&o, 0), 2.0 / 1.1, 1e-12);
}

static double norm_of(const float *x, size_t count) {
  double square = 0.0;
  size_t i;
  for (i = 0; i < count; ++i) square += (double)x[i] * (double)x[i];
  return sqrt(square);
}

/* A sum of M gradients becomes their mean, and no longer than 1. */
static void gradients_are_clipped_to_norm_one(void **state) {
  enum { COUNT = 1000 };
  size_t M, i;
  (void)state;
  for (M = 1; M <= 7; M += 3) {
    double size;
    for (size = 0.01; size < 200.0; size *= 3.0) {
      float sum[COUNT], mean[COUNT];
      gpt_params g = {0};
      double norm;
      g.count = COUNT;
      normals(sum, COUNT, 1.0, test_seed() + M);
      norm = norm_of(sum, COUNT);
      for (i = 0; i < COUNT; ++i) {
        sum[i] = (float)((double)sum[i] / norm * size * (double)M);
        mean[i] = (float)((double)sum[i] / (double)M / fmax(size, 1.0));
      }
      g.all = sum;
      clip(&g, M);
      for (i = 0; i < COUNT; ++i)
        assert_near((double)sum[i], (double)mean[i],
                    3e-7 * fabs((double)mean[i]));
      assert_near(norm_of(sum, COUNT), fmin(size, 1.0), 1e-6);
    }
  }
}

/* AdamW once more, in double. */
typedef struct slow_adamw {
  double *w, *m1, *m2;
} slow_adamw;

static slow_adamw slow_adamw_new(const float *w, size_t count) {
  slow_adamw s;
  size_t i;
  s.w = (double *)calloc(3 * count, sizeof *s.w);
  s.m1 = s.w + count;
  s.m2 = s.m1 + count;
  for (i = 0; i < count; ++i) s.w[i] = (double)w[i];
  return s;
}

/* Whether a weight is pruned: of the FFN, and masked out. */
static int is_pruned(gpt *m, size_t e) {
  const size_t size = gpt_ffn_size(&m->config);
  size_t i;
  for (i = 0; i < gpt_ffn_count(&m->config); ++i) {
    const gpt_ffn f = gpt_ffn_at(m, i);
    const size_t at = (size_t)(f.w - m->w.all);
    if (f.layer->weights == SSTE_WEIGHTS_MASKED && e >= at && e < at + size)
      return !f.mask[e - at];
  }
  return 0;
}

/* What a method does beside AdamW. */
typedef struct variant {
  const char *how;
  double pull, push; /* of pruned weights: SR-STE's decay, masked decay */
  long still;        /* the step from which second moments stand still */
} variant;

static void slow_adamw_step(slow_adamw *s, run *r, const float *g,
                            const variant *v, long step) {
  const size_t count = r->model.w.count, M = micro_batches(r->o);
  const double rate = learning_rate(r->o, step), k = (double)step + 1.0;
  const double clipping = fmax(1.0, norm_of(g, count) / (double)M);
  size_t i;
  for (i = 0; i < count; ++i) {
    const int pruned = is_pruned(&r->model, i), still = step >= v->still;
    double slope = (double)g[i] / (double)M / clipping, v_hat;
    if (pruned) s->w[i] -= rate * v->pull * s->w[i];
    if (pruned) slope += v->push * s->w[i];
    s->m1[i] = 0.9 * s->m1[i] + 0.1 * slope;
    if (!still) s->m2[i] = 0.95 * s->m2[i] + 0.05 * slope * slope;
    v_hat = s->m2[i] / (1.0 - pow(0.95, still ? (double)v->still : k));
    s->w[i] -= rate * (s->m1[i] / (1.0 - pow(0.9, k)) / (sqrt(v_hat) + 1e-8) +
                       (i < r->model.w.gains ? 0.0 : 0.1 * s->w[i]));
  }
}

/* Gradients so small that Adam's epsilon counts, so large that they are
 * clipped, and between. */
static void check_optimiser(const variant *v) {
  const double size[8] = {1e-6, 1.0, 1.0, 0.01, 0.01, 1.0, 0.1, 0.01};
  char line[128];
  trainer *x;
  run *r;
  slow_adamw s;
  size_t count, i;
  long step;
  sprintf(line, "%s --lr 0.05 --steps 10", v->how);
  x = trainer_new(shape, line);
  r = &x->r;
  count = r->model.w.count;
  s = slow_adamw_new(r->model.w.all, count);
  r->model.config.method.sparse_from = v->still < 10 ? (size_t)v->still : 0;
  for (step = 0; step < 8; ++step) {
    float *g;
    gpt_params_at(&r->g, r->nodes, &r->model.config);
    normals(r->g.all, count, size[step], test_seed() + (uint64_t)step);
    g = copy_of(r->g.all, count);
    slow_adamw_step(&s, r, g, v, step);
    optimise(r, step);
    for (i = 0; i < count; ++i) {
      assert_near((double)r->moment1[i], s.m1[i], 1e-7);
      assert_near(sqrt((double)r->moment2[i]), sqrt(s.m2[i]), 1e-7);
      assert_near((double)r->model.w.all[i], s.w[i], 1e-6);
    }
    must(gpt_refresh(&r->model, (size_t)step + 1), "refresh");
    free(g);
  }
  free(s.w);
  trainer_free(x);
}

static void the_optimiser_is_adamw(void **state) {
  static const variant variants[] = {
      {"--method dense", 0.0, 0.0, 99},
      {"--method s-ste", 0.0, 0.0, 99},
      {"--method ste", 0.0, 0.0, 99},
      {"--method sr-ste --decay 5", 5.0, 0.0, 99},
      {"--method masked-decay --decay 0.3", 0.0, 0.3, 99},
      {"--method t-sr-ste --decay 0.3", 0.0, 0.3, 99}, /* dense from 8 on */
      {"--method step", 0.0, 0.0, 3}};
  size_t i;
  (void)state;
  for (i = 0; i < sizeof variants / sizeof *variants; ++i)
    check_optimiser(&variants[i]);
}

/* ---- 6. STEP's switch ---------------------------------------------------- */

/* STEP looks at the mean change of the second moments: of all of them. */
static void step_watches_the_mean_change_of_second_moments(void **state) {
  trainer *x = trainer_new(tiny, "--method step --steps 100");
  run *r = &x->r;
  const size_t count = r->model.w.count;
  double sum = 0.0;
  size_t i;
  (void)state;
  normals(r->moment2, count, 1.0, test_seed());
  normals(r->moment2_before, count, 1.0, test_seed() + 1);
  for (i = 0; i < count; ++i)
    sum += fabs((double)r->moment2[i] - (double)r->moment2_before[i]);
  watch_moments(r, 0);
  assert_near(r->watch.history[0], sum / (double)count, 1e-8);
  watch_moments(r, 1); /* they have not moved since */
  assert_true(r->watch.history[1] == 0.0);
  trainer_free(x);
}

/* The first sparse step, or 0, where second moments move in the first `moving`
 * steps. */
static size_t switch_step(long steps, long moving) {
  char line[128];
  trainer *x;
  run *r;
  size_t from;
  long step;
  sprintf(line, "--method step --steps %ld", steps);
  x = trainer_new(tiny, line);
  r = &x->r;
  for (step = 0; step < steps; ++step) {
    if (step < moving) r->moment2[0] += 1.0f;
    watch_moments(r, step);
  }
  from = r->model.config.method.sparse_from;
  trainer_free(x);
  return from == SIZE_MAX ? 0 : from;
}

static void step_switches_when_second_moments_have_settled(void **state) {
  (void)state;
  assert_int_equal(switch_step(100, 0), 20);   /* a window is full */
  assert_int_equal(switch_step(100, 15), 35);  /* of steps that were calm */
  assert_int_equal(switch_step(300, 0), 30);   /* a tenth at the earliest */
  assert_int_equal(switch_step(100, 100), 50); /* a half at the latest */
  assert_int_equal(switch_step(10, 10), 5);
  assert_int_equal(switch_step(1, 1), 0); /* nothing is left to be sparse */
}

/* And a run takes the switch: its latest, after half of the steps. */
static void a_run_of_step_becomes_sparse(void **state) {
  trainer *x = trainer_new(shape, "--method step --steps 12");
  long step;
  (void)state;
  for (step = 1; step <= 12; ++step) {
    train_step(&x->r);
    assert_int_equal(x->r.model.up[0].weights,
                     step < 6 ? SSTE_WEIGHTS_DENSE : SSTE_WEIGHTS_MASKED);
  }
  trainer_free(x);
}

/* ---- 7. A step ----------------------------------------------------------- */

/* A step is a gradient of its own batch, an update, masks and measures. */
static void check_step(const char *how) {
  char line[128];
  trainer *x, *y;
  long step;
  sprintf(line, "%s --steps 12 --lr 0.05", how);
  x = trainer_new(shape, line), y = trainer_new(shape, line);
  for (step = 1; step <= 12; ++step) {
    const measures *got = &x->r.rows[step - 1];
    const double loss = batch_gradient(&y->r, (size_t)step);
    train_step(&x->r);
    optimise(&y->r, step - 1);
    must(gpt_refresh(&y->r.model, (size_t)step), "refresh");
    assert_int_equal(x->r.step, step);
    assert_near(got->train, loss / log(2.0), 1e-15);
    assert_true(got->flips == flip_rate(&y->r));
    assert_true(got->beta == mean_beta(&y->r.model));
    assert_true(isnan(got->valid) && isnan(got->probe.before));
    assert_memory_equal(x->r.model.w.all, y->r.model.w.all,
                        x->r.model.w.count * sizeof(float));
    assert_int_equal(x->r.model.up[0].weights, y->r.model.up[0].weights);
  }
  trainer_free(x), trainer_free(y);
}

static void a_step_is_made_of_its_parts(void **state) {
  (void)state;
  check_step("--method dense");
  check_step("--method s-ste --beta every-step");
  check_step("--method t-sr-ste --decay 1");
  check_step("--method step");
}

/* ---- 8. Measures --------------------------------------------------------- */

static void flips_are_counted_over_all_ffn_masks(void **state) {
  trainer *x = trainer_new(shape, "--method dense"); /* a virtual mask */
  run *r = &x->r;
  const size_t D = gpt_ffn_entries(&r->model.config);
  float *up = r->model.w.block[0].up, *down = r->model.w.block[1].down;
  (void)state;
  memcpy(up, (float[]){4.0f, 3.0f, 2.0f, 1.0f}, 4 * sizeof *up);
  memcpy(down, (float[]){1.0f, 1.0f, 1.0f, 1.0f}, 4 * sizeof *down);
  flip_rate(r);
  assert_true(flip_rate(r) == 0.0);
  up[2] = -5.0f;
  assert_near(flip_rate(r), 2.0 / (double)D, 1e-18);
  assert_true(flip_rate(r) == 0.0); /* since the last call */
  down[2] = down[3] = 2.0f;
  assert_near(flip_rate(r), 4.0 / (double)D, 1e-18);
  trainer_free(x);
}

/* The flips of `done` of 29 steps, 2^k at the k-th: two are the last tenth. */
static double mean_of_flips(long done) {
  trainer *x = trainer_new(tiny, "--steps 29");
  run *r = &x->r;
  double mean;
  for (r->step = 0; r->step < done; ++r->step) {
    r->rows[r->step] = nothing_measured();
    r->rows[r->step].flips = ldexp(1.0, (int)r->step);
    if (r->step % 3 == 0) r->rows[r->step].valid = 1.0;
  }
  mean = mean_flips(r);
  trainer_free(x);
  return mean;
}

static void mean_flips_are_those_of_the_last_tenth(void **state) {
  (void)state;
  assert_near(mean_of_flips(1), 1.0, 1e-15);
  assert_near(mean_of_flips(2), 1.5, 1e-15);
  assert_near(mean_of_flips(3), 3.0, 1e-15);
  assert_near(mean_of_flips(28), 0x1.8p26, 1e-15);
  assert_near(mean_of_flips(29), 0x1.8p27, 1e-15);
}

static void scales_and_zeros_are_those_of_the_ffn(void **state) {
  trainer *soft = trainer_new(shape, ""), *hard, *dense;
  gpt *m = &soft->r.model;
  double sum = 0.0;
  size_t i;
  (void)state;
  for (i = 0; i < 4; ++i) {
    gpt_ffn_at(m, i).layer->beta = (float)(i + 1);
    sum += (double)(i + 1);
  }
  assert_near(mean_beta(m), sum / 4.0, 1e-15);
  for (i = 0; i < 4; ++i) m->w.block[0].up[i] = 1.0f; /* S leaves nothing */
  assert_near(ffn_zeros(m), 0.5 + 2.0 / (double)gpt_ffn_entries(&m->config),
              1e-15);
  hard = trainer_new(shape, "--method ste");
  assert_true(mean_beta(&hard->r.model) == 1.0);
  assert_true(ffn_zeros(&hard->r.model) == 0.5);
  dense = trainer_new(shape, "--method dense");
  assert_true(mean_beta(&dense->r.model) == 1.0);
  dense->r.model.w.block[0].up[0] = 0.0f; /* which dense products see */
  assert_true(ffn_zeros(&dense->r.model) == 0.0);
  trainer_free(soft), trainer_free(hard), trainer_free(dense);
}

/* The mean of groups of contexts that lie evenly in the part held out: of 24
 * there, as the last byte is only a target. */
static double slow_validate(run *r, size_t limit, size_t group) {
  const size_t T = 4, all = 24, count = all < limit ? all : limit;
  double sum = 0.0;
  size_t i, j;
  for (i = 0; i < count; i += group) {
    unsigned char in[16], next[16];
    for (j = 0; j < group && i + j < count; ++j) {
      const size_t at = 900 + (i + j) * all / count * T;
      memcpy(in + j * T, r->t->bytes + at, T);
      memcpy(next + j * T, r->t->bytes + at + 1, T);
    }
    sum += gpt_forward(&r->model, in, next, j) * (double)j;
  }
  return sum / (double)count / log(2.0);
}

static void validation_is_the_mean_of_what_is_held_out(void **state) {
  static const char *const how[] = {"--method dense", "--method ste --fp8 off",
                                    "--fp8 off", ""};
  const size_t limits[] = {1, 2, 5, 7, 23, 24, 64, (size_t)-1};
  size_t i, j;
  long micro;
  (void)state;
  for (micro = 1; micro <= 4; ++micro)
    for (i = 0; i < 4; ++i) {
      char line[128];
      trainer *x;
      sprintf(line, "%s --context 4 --micro %ld --batch 12", how[i], micro);
      x = trainer_new(shape, line);
      for (j = 0; j < sizeof limits / sizeof *limits; ++j) {
        const double got = validate(&x->r, limits[j]);
        /* In FP8 a micro-batch has one scale. */
        const size_t group = x->o.fp8 ? (size_t)micro : 1;
        assert_near(got, slow_validate(&x->r, limits[j], group), 1e-12);
      }
      trainer_free(x);
    }
}

/* ---- 9. Text ------------------------------------------------------------- */

/* Each byte has the part of [0, 1) that its softmax says: equal logits, 256 or
 * fewer, have edges that are exact. */
static void a_byte_is_drawn_by_the_softmax(void **state) {
  float x[BYTES];
  uint64_t rng = test_seed();
  int v, every;
  (void)state;
  for (every = 1; every <= BYTES; every *= 2) {
    const int equal = BYTES / every;
    for (v = 0; v < BYTES; ++v)
      x[v] = v % every == every - 1 ? -3.5f : -INFINITY;
    for (v = 0; v < equal; ++v) {
      const int byte = v * every + every - 1;
      const double from = (double)v / equal, to = (double)(v + 1) / equal;
      assert_int_equal(gpt_choose(x, 0.8, from), byte);
      assert_int_equal(gpt_choose(x, 0.8, to * (1.0 - 0x1p-53)), byte);
    }
  }
  for (every = 0; every < 20; ++every) {
    const double temperature = 0.2 + 2.0 * test_uniform(&rng);
    double sum = 0.0, below = 0.0;
    normals(x, BYTES, 3.0, test_random(&rng));
    for (v = 0; v < BYTES; ++v) sum += exp((double)x[v] / temperature);
    for (v = 0; v < BYTES; ++v) {
      const double from = below / sum;
      below += exp((double)x[v] / temperature);
      if (below / sum - from < 1e-9) continue;
      assert_int_equal(gpt_choose(x, temperature, from + 1e-12), v);
      assert_int_equal(gpt_choose(x, temperature, below / sum - 1e-12), v);
    }
  }
  x[0] = 1e30f; /* nothing overflows */
  assert_int_equal(gpt_choose(x, 0.8, 0.999), 0);
}

/* Byte by byte: the logits behind the last T bytes, and this byte's draw. What
 * is behind the window's last byte is not seen. */
static void text_continues_byte_by_byte(void **state) {
  enum { T = 8, GIVEN = 3, LENGTH = 24 };
  trainer *x = trainer_new(shape, "--fp8 off");
  gpt *m = &x->r.model;
  unsigned char made[LENGTH] = "abc", window[T], seen[T];
  size_t i, differ = 0;
  (void)state;
  gpt_continue(m, made, GIVEN, LENGTH, 0.8, window);
  assert_memory_equal(made, "abc", GIVEN);
  for (i = GIVEN; i < LENGTH; ++i) {
    const size_t from = i > T ? i - T : 0;
    const double u = gpt_word(7, GPT_SAMPLES, 0, i) / 4294967296.0;
    memset(seen, 77, T);
    memcpy(seen, made + from, i - from);
    gpt_logits(m, seen, 1);
    assert_int_equal(made[i],
                     gpt_choose(m->logits + (i - from - 1) * BYTES, 0.8, u));
    differ += made[i] != made[i - 1];
  }
  assert_true(differ > LENGTH / 2);
  trainer_free(x);
}

/* ---- 10. Threads --------------------------------------------------------- */

/* All threads but the first, which is the test's own. */
static void round_elsewhere(int mode) {
#ifdef _OPENMP
  omp_set_num_threads(2);
  SSTE_OMP(parallel)
  if (omp_get_thread_num() > 0) fesetround(mode);
#else
  (void)mode;
#endif
}

/* Whether they have kept it: some OpenMP gives them the first one's. */
static int rounds_upward(void) {
  int upward = 0;
  SSTE_OMP(parallel reduction(| : upward))
  upward |= fegetround() == FE_UPWARD;
  return upward;
}

static void every_thread_is_checked(void **state) {
  (void)state;
  assert_int_equal(self_check(), 0);
  round_elsewhere(FE_UPWARD);
  assert_int_equal(sste_self_check(), 0);
  assert_int_equal(self_check() & SSTE_BROKEN_ROUNDING,
                   rounds_upward() ? SSTE_BROKEN_ROUNDING : 0);
  round_elsewhere(FE_TONEAREST);
  assert_int_equal(self_check(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_default_micro_batch_is_small),
      cmocka_unit_test(options_reach_every_linear_of_the_ffn),
      cmocka_unit_test(a_tenth_of_the_text_is_held_out),
      cmocka_unit_test(contexts_are_drawn_from_the_training_part),
      cmocka_unit_test(every_use_has_words_of_its_own),
      cmocka_unit_test(draws_belong_to_seed_tensor_step_and_token),
      cmocka_unit_test(backward_draws_by_step_and_place),
      cmocka_unit_test(a_batch_draws_alike_however_it_is_cut),
      cmocka_unit_test(micro_batches_are_summed_in_a_fixed_tree),
      cmocka_unit_test(the_learning_rate_warms_up_and_falls_as_a_cosine),
      cmocka_unit_test(gradients_are_clipped_to_norm_one),
      cmocka_unit_test(the_optimiser_is_adamw),
      cmocka_unit_test(step_watches_the_mean_change_of_second_moments),
      cmocka_unit_test(step_switches_when_second_moments_have_settled),
      cmocka_unit_test(a_run_of_step_becomes_sparse),
      cmocka_unit_test(a_step_is_made_of_its_parts),
      cmocka_unit_test(flips_are_counted_over_all_ffn_masks),
      cmocka_unit_test(mean_flips_are_those_of_the_last_tenth),
      cmocka_unit_test(scales_and_zeros_are_those_of_the_ffn),
      cmocka_unit_test(validation_is_the_mean_of_what_is_held_out),
      cmocka_unit_test(a_byte_is_drawn_by_the_softmax),
      cmocka_unit_test(text_continues_byte_by_byte),
      cmocka_unit_test(every_thread_is_checked),
  };
  return cmocka_run_group_tests_name("pretrain.c", tests, NULL, NULL);
}
