/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * probe.h - how far a step makes the loss fall, and how far it should: the
 * measurements of S-STE's section 3, on one fixed batch and without FP8 and
 * MVUE, so that nothing but pruning stands between the two.
 *
 *     actual descent      A  = L(S(w_k)) - L(S(w_{k+1}))
 *     predicted descent   P  = <g_k, w_k - w_{k+1}>
 *     through the map     P' = <g_k, S(w_k) - S(w_{k+1})>
 *     frozen descent      F  = L(S(w_k)) - L(S_k(w_{k+1}))
 *
 * S is what the method makes of all weights w, which is w itself but for the
 * FFN's; g_k is the gradient at S(w_k). S_k is S with the pattern of step k:
 * the same two of each four are kept, and for soft weights the same one is the
 * threshold, with the same signs. Where S has no edges, F and A are the same to
 * first order; where a hard mask flips, S jumps, and S_k does not.
 *
 * probe_before is called before the optimiser's step and probe_after behind it;
 * sste_descent_add (sste_train.h) sums up what they return.                 */
#ifndef PROBE_H
#define PROBE_H

#include "gpt.h"

typedef struct probe {
  unsigned char *in, *next; /* the batch: one micro-batch */
  float *w, *g;             /* w_k, and g_k */
  float *map;               /* S(w_k) of the FFN */
  float *frozen;            /* S_k(w_{k+1}) of the FFN */
  uint8_t *mask;            /* the pattern of step k, where S is hard */
} probe;

/* What one probe measures, in nats. */
typedef struct probe_result {
  double before, after, frozen; /* L(S(w_k)), L(S(w_{k+1})), L(S_k(w_{k+1})) */
  double predicted, predicted_map; /* P, P' */
} probe_result;

static inline void probe_layout(probe *p, const gpt_config *c, arena *a) {
  const size_t n = c->contexts * c->context, D = gpt_ffn_entries(c);
  p->in = (unsigned char *)arena_take(a, n, 1);
  p->next = (unsigned char *)arena_take(a, n, 1);
  p->w = arena_floats(a, gpt_count(c));
  p->g = arena_floats(a, gpt_count(c));
  p->map = arena_floats(a, D);
  p->frozen = arena_floats(a, D);
  p->mask = (uint8_t *)arena_take(a, D, 1);
}

/* W~ of one linear of the FFN, N K floats in a row. */
static inline void probe_map(float *out, gpt_ffn f) {
  const size_t N = f.layer->out_features, K = f.layer->in_features;
  size_t i;
  switch (f.layer->weights) {
    case SSTE_WEIGHTS_SOFT:
      must(sste_tensor_project_nm(out, K, f.w, K, N, K, sste_nm_of(2, 4),
                                  f.layer->gamma, f.layer->beta, NULL),
           "W~");
      break;
    case SSTE_WEIGHTS_MASKED:
      for (i = 0; i < N * K; ++i) out[i] = f.mask[i] ? f.w[i] : 0.0f;
      break;
    case SSTE_WEIGHTS_DENSE: memcpy(out, f.w, N * K * sizeof *out); break;
  }
}

/* sign(old) now: the magnitude, as long as no sign changes. */
static inline float probe_along(float old, float now) {
  return old < 0.0f ? -now : now;
}

/* S of four weights with the pattern of four old ones: t is made of what were
 * the third and the second largest. */
static inline void probe_soft_branch(float out[4], const float now[4],
                                     const float old[4], float gamma,
                                     float beta) {
  int rank[4] = {0, 0, 0, 0}, at[4], i, j;
  float t, above;
  for (i = 0; i < 4; ++i)
    for (j = 0; j < 4; ++j)
      rank[i] += fabsf(old[j]) > fabsf(old[i]) ||
                 (fabsf(old[j]) == fabsf(old[i]) && j < i);
  for (i = 0; i < 4; ++i) at[rank[i]] = i;
  t = probe_along(old[at[2]], now[at[2]]);
  above = probe_along(old[at[1]], now[at[1]]);
  t += gamma * (above - t);
  for (i = 0; i < 4; ++i) {
    const float size = probe_along(old[i], now[i]) - t;
    out[i] = rank[i] < 2 ? beta * probe_along(old[i], size) : 0.0f;
  }
}

/* S_k of one linear of the FFN: `old` are its weights at step k. */
static inline void probe_branch(float *out, gpt_ffn f, const float *old,
                                const uint8_t *mask) {
  const size_t count = f.layer->out_features * f.layer->in_features;
  size_t i;
  if (f.layer->weights == SSTE_WEIGHTS_SOFT)
    for (i = 0; i < count; i += 4)
      probe_soft_branch(out + i, f.w + i, old + i, f.layer->gamma,
                        f.layer->beta);
  else
    for (i = 0; i < count; ++i)
      out[i] = f.layer->weights == SSTE_WEIGHTS_DENSE || mask[i] ? f.w[i] : 0;
}

/* Every FFN without FP8 and MVUE, or as it is configured. */
static inline void probe_exact(gpt *m, int exact) {
  const gpt_config *c = &m->config;
  size_t i;
  for (i = 0; i < gpt_ffn_count(c); ++i) {
    sste_linear *layer = gpt_ffn_at(m, i).layer;
    layer->fp8 = exact ? 0 : c->fp8;
    layer->mvue = exact ? SSTE_MVUE_OFF : c->mvue;
  }
}

/* The FFN's weights and what is in `map` change places. */
static inline void probe_swap(gpt *m, float *map) {
  const size_t size = gpt_ffn_size(&m->config);
  size_t i, e;
  for (i = 0; i < gpt_ffn_count(&m->config); ++i, map += size) {
    float *w = gpt_ffn_at(m, i).w;
    for (e = 0; e < size; ++e) {
      const float kept = w[e];
      w[e] = map[e];
      map[e] = kept;
    }
  }
}

/* The loss with the FFN's W~ given; the model stays as it is. */
static inline double probe_loss_of(gpt *m, const probe *p, float *map) {
  const size_t count = gpt_ffn_count(&m->config);
  sste_weights weights[2 * GPT_MOST_LAYERS];
  double loss;
  size_t i;
  probe_swap(m, map);
  for (i = 0; i < count; ++i) {
    weights[i] = gpt_ffn_at(m, i).layer->weights;
    gpt_ffn_at(m, i).layer->weights = SSTE_WEIGHTS_DENSE;
  }
  loss = gpt_forward(m, p->in, p->next, m->config.contexts);
  for (i = 0; i < count; ++i) gpt_ffn_at(m, i).layer->weights = weights[i];
  probe_swap(m, map);
  return loss;
}

/* At w_k: its loss, and what probe_after needs of it. */
static inline void probe_before(probe *p, probe_result *result, gpt *m) {
  const gpt_config *c = &m->config;
  const size_t size = gpt_ffn_size(c);
  gpt_params g;
  size_t i;
  gpt_params_at(&g, p->g, c);
  probe_exact(m, 1);
  result->before = gpt_forward(m, p->in, p->next, c->contexts);
  gpt_backward(m, &g, p->in, c->contexts, 0, 0);
  probe_exact(m, 0);
  memcpy(p->w, m->w.all, m->w.count * sizeof *p->w);
  for (i = 0; i < gpt_ffn_count(c); ++i)
    probe_map(p->map + i * size, gpt_ffn_at(m, i));
  if (m->masks != NULL) memcpy(p->mask, m->masks, gpt_ffn_entries(c));
}

/* <g, a - b> in double. */
static inline double probe_dot(const float *g, const float *a, const float *b,
                               size_t count) {
  double sum = 0.0;
  size_t i;
  for (i = 0; i < count; ++i)
    sum += (double)g[i] * ((double)a[i] - (double)b[i]);
  return sum;
}

/* At w_{k+1}. */
static inline void probe_after(probe *p, probe_result *result, gpt *m) {
  const gpt_config *c = &m->config;
  const size_t size = gpt_ffn_size(c);
  gpt_params old, g;
  float *map = p->frozen; /* first for S(w_{k+1}) */
  size_t i;
  gpt_params_at(&old, p->w, c);
  gpt_params_at(&g, p->g, c);
  probe_exact(m, 1);
  result->after = gpt_forward(m, p->in, p->next, c->contexts);
  probe_exact(m, 0);
  result->predicted = probe_dot(p->g, p->w, m->w.all, m->w.count);
  result->predicted_map = result->predicted;
  for (i = 0; i < gpt_ffn_count(c); ++i) {
    const gpt_ffn f = gpt_ffn_at(m, i);
    const float *from = gpt_ffn_of(&old, i), *slope = gpt_ffn_of(&g, i);
    probe_map(map, f);
    result->predicted_map += probe_dot(slope, p->map + i * size, map, size) -
                             probe_dot(slope, from, f.w, size);
    probe_branch(p->frozen + i * size, f, from, p->mask + i * size);
    map = p->frozen + (i + 1) * size;
  }
  result->frozen = probe_loss_of(m, p, p->frozen);
}

#endif /* PROBE_H */
