/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_pretrain.c - the trainer's gradients against finite differences of its
 * own loss, and which random bits its draws take.
 */
#define _XOPEN_SOURCE 700 /* as pretrain.c, before the first header */
#include "test.h"

#define main pretrain_main
#include "../examples/pretrain.c"
#undef main

static unsigned char in_bytes[64], next_bytes[64];

/* A small model away from its tame first weights, so that every path counts. */
static model *small_model(options *o, int sparse) {
  const options small = {.method = sparse ? S_STE : DENSE,
                         .beta = NOT_GIVEN,
                         .decay = NOT_GIVEN,
                         .steps = 10,
                         .seed = 1,
                         .layers = 2,
                         .heads = 2,
                         .width = 8,
                         .context = 8,
                         .batch = 4,
                         .lr = 1e-3,
                         .mvue = sparse};
  uint64_t rng = test_seed();
  model *m;
  size_t i;
  *o = small;
  m = model_new(o);
  for (i = 0; i < m->w.count; ++i)
    m->w.all[i] = i < m->w.gains ? (float)(1.0 + 0.3 * test_normal(&rng))
                                 : (float)(0.3 * test_normal(&rng));
  for (i = 0; i < 32; ++i) {
    in_bytes[i] = (unsigned char)(test_random(&rng) % 7 * 40);
    next_bytes[i] = (unsigned char)(test_random(&rng) % 7 * 40);
  }
  return m;
}

/* The slope of the loss when w moves by +1 or -1 at random in every entry. */
static void check_slope(model *m, float *w, const float *g, size_t count,
                        const char *name, uint64_t *rng) {
  const float step = 2e-3f;
  float *before = floats(count), *sign = floats(count);
  double slope = 0.0, norm = 0.0, up, down;
  size_t i;
  memcpy(before, w, count * sizeof *w);
  for (i = 0; i < count; ++i) {
    sign[i] = test_random(rng) & 1 ? 1.0f : -1.0f;
    slope += (double)(sign[i] * g[i]);
    norm += (double)g[i] * (double)g[i];
  }
  for (i = 0; i < count; ++i) w[i] = before[i] + step * sign[i];
  up = forward(m, in_bytes, next_bytes, 4);
  for (i = 0; i < count; ++i) w[i] = before[i] - step * sign[i];
  down = forward(m, in_bytes, next_bytes, 4);
  memcpy(w, before, count * sizeof *w);
  norm = sqrt(norm);
  if (!(norm > 0.0 &&
        fabs((up - down) / (2.0 * (double)step) - slope) < 0.02 * norm))
    fail_msg("%s: slope %g, difference %g, gradient %g", name, slope,
             (up - down) / (2.0 * (double)step), norm);
  free(before), free(sign);
}

static void gradients_are_slopes(void **state) {
  options o;
  model *m = small_model(&o, 0);
  uint64_t rng = test_seed() + 1;
  size_t l;
  int turn;
  (void)state;
  forward(m, in_bytes, next_bytes, 4);
  backward(m, in_bytes, 4, 1);
  for (turn = 0; turn < 8; ++turn) {
#define CHECK(what, count) \
  check_slope(m, m->w.what, m->g.what, count, #what, &rng)
    CHECK(norm, 8);
    CHECK(bytes, 256 * 8);
    CHECK(places, 8 * 8);
    for (l = 0; l < 2; ++l) {
      CHECK(block[l].norm1, 8);
      CHECK(block[l].qkv, 24 * 8);
      CHECK(block[l].proj, 8 * 8);
      CHECK(block[l].norm2, 8);
      CHECK(block[l].up, 32 * 8);
      CHECK(block[l].down, 8 * 32);
    }
#undef CHECK
  }
}

static double gelu(double x) {
  return x / 2 * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

static void gelu_is_the_tanh_form(void **state) {
  int i;
  (void)state;
  for (i = -400; i <= 400; ++i) {
    const float x = (float)i / 100.0f;
    const double at = (double)x;
    float y, slope = 1.0f;
    gelu_forward(&y, &x, 1);
    gelu_backward(&slope, &x, 1);
    assert_near((double)y, gelu(at), 1e-6);
    assert_near((double)slope, (gelu(at + 1e-5) - gelu(at - 1e-5)) / 2e-5,
                2e-6);
  }
}

/* A step draws its own bits, and the same step the same ones again. */
static void every_step_draws_anew(void **state) {
  const size_t steps[3] = {1, 1, 2};
  float up[3][4 * 8 * 8];
  options o;
  model *m = small_model(&o, 1);
  int i;
  (void)state;
  forward(m, in_bytes, next_bytes, 4);
  for (i = 0; i < 3; ++i) {
    backward(m, in_bytes, 4, steps[i]);
    memcpy(up[i], m->g.block[1].up, sizeof up[i]);
  }
  assert_memory_equal(up[0], up[1], sizeof up[0]);
  assert_memory_not_equal(up[0], up[2], sizeof up[0]);
}

/* No two tensors share their bits: equal inputs give different gradients. */
static void every_tensor_draws_its_own(void **state) {
  options o;
  model *m = small_model(&o, 1);
  float dz[32 * 8], x[32 * 32], dx[32 * 32], first[8 * 32], second[8 * 32];
  uint64_t rng = test_seed() + 2;
  size_t i;
  (void)state;
  for (i = 0; i < 32 * 8; ++i) dz[i] = (float)test_normal(&rng);
  for (i = 0; i < 32 * 32; ++i) x[i] = (float)test_normal(&rng);
  ffn_backward(m, &m->down_layer[0], dx, first, dz, x, m->w.block[0].down, 32,
               1, 1);
  ffn_backward(m, &m->down_layer[0], dx, second, dz, x, m->w.block[0].down, 32,
               1, 1);
  assert_memory_equal(first, second, sizeof first);
  ffn_backward(m, &m->down_layer[0], dx, second, dz, x, m->w.block[0].down, 32,
               1, 3);
  assert_memory_not_equal(first, second, sizeof first);
}

/* The same model, but by another method, its gradients at hand. */
static model *model_by(options *o, int method, double decay) {
  model *m = small_model(o, 1), *other;
  o->method = method;
  o->decay = decay;
  other = model_new(o);
  memcpy(other->w.all, m->w.all, m->w.count * sizeof(float));
  must(refresh(other, 0), "refresh");
  forward(other, in_bytes, next_bytes, 4);
  backward(other, in_bytes, 4, 1);
  return other;
}

/* Pruned weights and nothing else are pulled, by their own size. */
static void decay_pulls_pruned_weights(void **state) {
  const int methods[2] = {SR_STE, MASKED_DECAY};
  int which;
  (void)state;
  for (which = 0; which < 2; ++which) {
    options o;
    model *m = model_by(&o, methods[which], 0.25);
    const size_t count = ffn_entries(&o) / ffn_count(&o);
    const double rate = learning_rate(&o, 3);
    float *all = which == 0 ? m->w.all : m->g.all;
    float *before = floats(m->w.count), *weights = floats(m->w.count);
    size_t i, e, pulled = 0;
    memcpy(before, all, m->w.count * sizeof *all);
    memcpy(weights, m->w.all, m->w.count * sizeof *all);
    decay_pruned(m, 3);
    for (i = 0; i < ffn_count(&o); ++i) {
      const ffn_linear f = ffn_at(m, i);
      float *now = which == 0 ? f.w : f.g;
      for (e = 0; e < count; ++e) {
        const size_t at = (size_t)(now - all) + e;
        const double pull = 0.25 * (double)weights[at];
        double want = (double)before[at];
        if (!f.mask[e]) want += which == 0 ? -rate * pull : pull;
        assert_near((double)now[e], want, 1e-6);
        pulled += now[e] != before[at];
        before[at] = now[e];
      }
    }
    assert_true(pulled > ffn_entries(&o) / 4);
    assert_memory_equal(before, all, m->w.count * sizeof *all);
  }
}

/* STEP's second moments move while the weights are dense, and then stand. */
static void second_moments_stand_still_after_the_switch(void **state) {
  options o;
  model *m = model_by(&o, STEP, NOT_GIVEN);
  const size_t bytes = m->w.count * sizeof(float);
  float *w = floats(m->w.count), *v = floats(m->w.count);
  (void)state;
  assert_int_equal(m->up_layer[0].weights, SSTE_WEIGHTS_DENSE);
  memcpy(v, m->moment2.all, bytes);
  adamw(m, 0);
  assert_memory_not_equal(v, m->moment2.all, bytes);
  memcpy(v, m->moment2.all, bytes);
  memcpy(w, m->w.all, bytes);
  m->method.sparse_from = 1;
  must(refresh(m, 1), "refresh");
  assert_int_equal(m->up_layer[0].weights, SSTE_WEIGHTS_MASKED);
  adamw(m, 1);
  assert_memory_equal(v, m->moment2.all, bytes);
  assert_memory_not_equal(w, m->w.all, bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_are_slopes),
      cmocka_unit_test(gelu_is_the_tanh_form),
      cmocka_unit_test(every_step_draws_anew),
      cmocka_unit_test(every_tensor_draws_its_own),
      cmocka_unit_test(decay_pulls_pruned_weights),
      cmocka_unit_test(second_moments_stand_still_after_the_switch),
  };
  return cmocka_run_group_tests_name("pretrain.c", tests, NULL, NULL);
}
