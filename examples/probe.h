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
 * dense weights stay dense, hard ones keep the same two of each four, and of
 * soft ones, beside that, the threshold is made of the same two, with the same
 * signs. Where S has no edges, F and A are the same to first order; where a
 * hard mask flips, S jumps, and S_k does not. The scale is not a part of the
 * pattern: where it is made anew each step, S_k has the new one.
 *
 * probe_before is called before the optimiser's step and probe_after behind it.
 * They fill a probe_result, in which A = before - after and F = before -
 * frozen; sste_descent_add (sste_train.h) can sum such results up.          */
#ifndef PROBE_H
#define PROBE_H

#include "gpt.h"

typedef struct probe {
  unsigned char *in, *next; /* the batch: one micro-batch */
  float *w, *g;             /* w_k, and g_k */
  float *map;               /* S(w_k) of the FFN */
  float *next_map;          /* S(w_{k+1}), then S_k(w_{k+1}) of the FFN */
  sste_weights kind;        /* what S(w_k) is, */
  uint8_t *mask;            /* and where it is hard its pattern */
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
  p->next_map = arena_floats(a, D);
  p->mask = (uint8_t *)arena_take(a, D, 1);
}

/* ---- Maps ---------------------------------------------------------------- */

/* S of one linear of the FFN, which is its W~: N K floats in a row. */
static inline void probe_map(float *out, gpt_ffn f) {
  const size_t N = f.layer->out_features, K = f.layer->in_features;
  switch (f.layer->weights) {
    case SSTE_WEIGHTS_SOFT:
      must(sste_tensor_project_nm(out, K, f.w, K, N, K, sste_nm_of(2, 4),
                                  f.layer->gamma, f.layer->beta, NULL),
           "W~");
      break;
    case SSTE_WEIGHTS_MASKED:
      must(sste_tensor_apply_mask(out, K, f.w, K, f.mask, K, N, K), "W~");
      break;
    case SSTE_WEIGHTS_DENSE: memcpy(out, f.w, N * K * sizeof *out); break;
  }
}

/* Four indices by descending magnitude; of equal ones the lower goes first. */
static inline void probe_order(int order[4], const float a[4]) {
  int i, j;
  for (i = 0; i < 4; ++i) {
    for (j = i; j > 0 && fabsf(a[i]) > fabsf(a[order[j - 1]]); --j)
      order[j] = order[j - 1];
    order[j] = i;
  }
}

/* beta S of four weights, continued from where they had the order and the signs
 * of `old`. There S is linear: with sizes for magnitudes, which are negative
 * where a sign has changed since, it keeps the two that were the largest, less
 * a threshold made of those that were the third and the second. */
static inline void probe_soft_branch(float out[4], const float now[4],
                                     const float old[4], float gamma,
                                     float beta) {
  float sign[4], size[4], t;
  int order[4], i;
  probe_order(order, old);
  for (i = 0; i < 4; ++i) {
    sign[i] = old[i] < 0.0f ? -1.0f : 1.0f;
    size[i] = sign[i] * now[i];
  }
  t = size[order[2]];
  t = (float)((double)t + (double)gamma * (double)(size[order[1]] - t));
  for (i = 0; i < 4; ++i) out[i] = 0.0f;
  for (i = 0; i < 2; ++i)
    out[order[i]] = beta * (sign[order[i]] * (size[order[i]] - t));
}

/* S_k of one linear of the FFN, of whose weights at step k `old` is. */
static inline void probe_branch(float *out, gpt_ffn f, const float *old,
                                sste_weights kind, const uint8_t *mask) {
  const size_t N = f.layer->out_features, K = f.layer->in_features;
  size_t i;
  switch (kind) {
    case SSTE_WEIGHTS_SOFT:
      for (i = 0; i < N * K; i += 4)
        probe_soft_branch(out + i, f.w + i, old + i, f.layer->gamma,
                          f.layer->beta);
      break;
    case SSTE_WEIGHTS_MASKED:
      must(sste_tensor_apply_mask(out, K, f.w, K, mask, K, N, K), "W~");
      break;
    case SSTE_WEIGHTS_DENSE: memcpy(out, f.w, N * K * sizeof *out); break;
  }
}

/* ---- Losses -------------------------------------------------------------- */

/* What W~ is: the same for every linear of the FFN. */
static inline sste_weights probe_kind(gpt *m) {
  return gpt_ffn_at(m, 0).layer->weights;
}
static inline void probe_set_kind(gpt *m, sste_weights kind) {
  size_t i;
  for (i = 0; i < gpt_ffn_count(&m->config); ++i)
    gpt_ffn_at(m, i).layer->weights = kind;
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
static inline double probe_loss_with(gpt *m, const probe *p, float *map) {
  const sste_weights kind = probe_kind(m);
  double loss;
  probe_swap(m, map);
  probe_set_kind(m, SSTE_WEIGHTS_DENSE);
  loss = gpt_forward(m, p->in, p->next, m->config.contexts);
  probe_set_kind(m, kind);
  probe_swap(m, map);
  return loss;
}

/* ---- The two calls ------------------------------------------------------- */

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
  p->kind = probe_kind(m);
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

/* At w_{k+1}. P' is P with the maps of the FFN's weights in their place. */
static inline void probe_after(probe *p, probe_result *result, gpt *m) {
  const gpt_config *c = &m->config;
  const size_t size = gpt_ffn_size(c);
  gpt_params old, g;
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
    const float *map = p->map + i * size;
    float *next_map = p->next_map + i * size;
    probe_map(next_map, f);
    result->predicted_map += probe_dot(slope, map, next_map, size) -
                             probe_dot(slope, from, f.w, size);
    probe_branch(next_map, f, from, p->kind, p->mask + i * size);
  }
  result->frozen = probe_loss_with(m, p, p->next_map);
}

#endif /* PROBE_H */
