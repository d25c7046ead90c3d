/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * gpt.h - a byte-level GPT whose FFN is dense or 2:4 sparse: how the headers
 * are used in a real model.
 *
 * GPT-2 in small: bytes and places embedded, blocks of causal attention and an
 * FFN of four times the width (pre-norm, no biases, tanh-GELU), a last norm,
 * and the byte embedding again as the head. As the S-STE paper trains, the two
 * linears of each FFN go through sste_train.h while they are sparse, and
 * everything else is dense float (layers.h):
 *
 *     gpt_refresh    sste_method_refresh    masks, beta, dense or sparse
 *     gpt_forward    sste_linear_forward    Z = Q(X) Q(W~)^T
 *     gpt_backward   sste_linear_backward   dX = Q(dZ) Q(W~)
 *                                           dW = Q(MVUE(dZ))^T Q(X)
 *
 * Forward and backward take one micro-batch: a few contexts, over whose tokens
 * the scales of FP8 and the groups of MVUE run. A step's batch is made of one
 * or more, and whoever trains adds their gradients.
 *
 * The same seed gives the same bits for any number of threads: threads share
 * out outputs, never terms of a sum, and every random number is a function of
 * (seed, use, step, position).
 *
 *   1. Configuration       4. The FFN         6. Backward
 *   2. Parameters          5. Forward         7. Text
 *   3. The model
 *
 * Letters: C width, T context, B contexts, n = B T tokens; a matrix of
 * activations has one row per token. Forward functions overwrite; what adds
 * says so.                                                                  */
#ifndef GPT_H
#define GPT_H

#include "layers.h"
#include "program.h"

/* ---- 1. Configuration ---------------------------------------------------- */

enum { GPT_MOST_LAYERS = 256 };

typedef struct gpt_config {
  size_t layers, heads, width, context;
  size_t contexts;    /* of a micro-batch, at most */
  uint64_t seed;      /* of the first weights and of every draw */
  sste_method method; /* how the FFN is trained, */
  int fp8;            /* and how its products are computed: see sste_linear */
  sste_mvue_use mvue;
  int stochastic;
  sste_fp8_format forward_format, backward_format;
} gpt_config;

/* The uses of random words. MVUE draws number their tensors from 0 up and those
 * of stochastic rounding from 2^30 up; these from 2^31 up. */
enum { GPT_WEIGHTS, GPT_BATCHES, GPT_PROBES, GPT_SAMPLES };
enum { GPT_ROUNDING = 1 << 30 };

static inline uint32_t gpt_word(uint64_t seed, uint32_t use, size_t step,
                                size_t i) {
  sste_mvue_stream stream = {0, 0, 0, 0, 0};
  stream.seed = seed;
  stream.tensor = 0x80000000u + use;
  stream.step = (uint32_t)step;
  return sste_mvue_word(&stream, 0, i);
}

/* ---- 2. Parameters ------------------------------------------------------- */

typedef struct gpt_block {
  float *norm1, *norm2; /* C: gains of the LayerNorms before the two parts */
  float *qkv;           /* 3C x C: the query, key and value projections */
  float *proj;          /* C x C: attention's output projection */
  float *up, *down;     /* 4C x C, C x 4C: the FFN */
} gpt_block;

/* Weights, gradients and Adam's moments all have this shape. The gains of the
 * norms come first: they are what weight decay leaves alone. */
typedef struct gpt_params {
  float *all;
  size_t count, gains;
  float *norm;   /* C: of the last LayerNorm, as all norms without a bias */
  float *bytes;  /* 256 x C: the token embedding, tied to the head */
  float *places; /* T x C: the position embedding */
  gpt_block block[GPT_MOST_LAYERS];
} gpt_params;

static inline size_t gpt_count(const gpt_config *c) {
  const size_t C = c->width;
  return (2 * c->layers + 1) * C + (BYTES + c->context) * C +
         c->layers * 12 * C * C;
}

/* The next `count` of some floats; none, where memory is only counted. */
static inline float *gpt_take(float **at, size_t count) {
  float *p = *at;
  if (p != NULL) *at += count;
  return p;
}

/* gpt_count(c) floats as parameters. */
static inline void gpt_params_at(gpt_params *p, float *all,
                                 const gpt_config *c) {
  const size_t C = c->width, L = c->layers;
  size_t l;
  p->all = all;
  p->count = gpt_count(c);
  p->gains = (2 * L + 1) * C;
  p->norm = gpt_take(&all, C);
  for (l = 0; l < L; ++l) {
    p->block[l].norm1 = gpt_take(&all, C);
    p->block[l].norm2 = gpt_take(&all, C);
  }
  p->bytes = gpt_take(&all, BYTES * C);
  p->places = gpt_take(&all, c->context * C);
  for (l = 0; l < L; ++l) {
    p->block[l].qkv = gpt_take(&all, 3 * C * C);
    p->block[l].proj = gpt_take(&all, C * C);
    p->block[l].up = gpt_take(&all, 4 * C * C);
    p->block[l].down = gpt_take(&all, 4 * C * C);
  }
}

static inline void gpt_fill(float *w, size_t count, double deviation,
                            uint64_t seed, size_t *drawn) {
  size_t i;
  for (i = 0; i < count; ++i, *drawn += 2) {
    const double u = (gpt_word(seed, GPT_WEIGHTS, 0, *drawn) + 1.0) / 0x1p32;
    const double v = gpt_word(seed, GPT_WEIGHTS, 0, *drawn + 1) / 0x1p32;
    w[i] =
        (float)(deviation * sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
  }
}

/* GPT-2's: N(0, 0.02^2), less on what is added to the residual stream. */
static inline void gpt_init_weights(gpt_params *w, const gpt_config *c) {
  const size_t C = c->width;
  const double residual = 0.02 / sqrt(2.0 * (double)c->layers);
  size_t i, drawn = 0;
  for (i = 0; i < w->gains; ++i) w->all[i] = 1.0f;
  gpt_fill(w->bytes, BYTES * C, 0.02, c->seed, &drawn);
  gpt_fill(w->places, c->context * C, 0.02, c->seed, &drawn);
  for (i = 0; i < c->layers; ++i) {
    gpt_block *b = &w->block[i];
    gpt_fill(b->qkv, 3 * C * C, 0.02, c->seed, &drawn);
    gpt_fill(b->proj, C * C, residual, c->seed, &drawn);
    gpt_fill(b->up, 4 * C * C, 0.02, c->seed, &drawn);
    gpt_fill(b->down, 4 * C * C, residual, c->seed, &drawn);
  }
}

/* ---- 3. The model -------------------------------------------------------- */

/* What a block's backward needs of its forward. */
typedef struct gpt_state {
  float *x1;     /* n x C: the residual stream before attention */
  float *stat1;  /* n x 2: each token's mean and 1 / deviation, for its norm */
  float *norm1;  /* n x C: LayerNorm of x1 */
  float *qkv;    /* n x 3C: queries, keys, values */
  float *p;      /* B x heads x T x T: attention probabilities */
  float *mixed;  /* n x C: attention's output before its projection */
  float *x2;     /* n x C: the residual stream before the FFN */
  float *stat2;  /* n x 2: as stat1, for x2 */
  float *norm2;  /* n x C: LayerNorm of x2 */
  float *hidden; /* n x 4C: pre-activations of the FFN */
  float *gelu;   /* n x 4C: and activations */
} gpt_state;

/* Where the time goes. */
enum {
  GPT_NORM, /* norms, residual additions, embeddings */
  GPT_LINEAR,
  GPT_ATTENTION,
  GPT_FFN,
  GPT_GELU,
  GPT_HEAD,
  GPT_PARTS
};
static const char *const gpt_part_names[] = {
    "norms", "attention's linears", "attention", "FFN", "GELU", "head"};

typedef struct gpt {
  gpt_config config;
  gpt_params w;
  sste_linear up[GPT_MOST_LAYERS], down[GPT_MOST_LAYERS]; /* the FFN's */
  uint8_t *masks; /* of the FFN, where the method has any; see gpt_ffn_at */
  gpt_state state[GPT_MOST_LAYERS];
  float *x;        /* n x C: the residual stream behind the last block, */
  float *stat;     /* n x 2: its means and 1 / deviations, */
  float *norm;     /* n x C: and its LayerNorm */
  float *logits;   /* n x 256, then the loss's gradient by them */
  float *add;      /* n x C: a residual branch's output */
  float *d;        /* n x C: the gradient by the residual stream */
  float *dn;       /* n x C: that by a norm's output, or by mixed */
  float *dwide;    /* n x 4C: that by gelu and hidden, or by qkv */
  double *loss_of; /* n: each token's cross-entropy */
  room room;
  double seconds[GPT_PARTS], lap;
} gpt;

/* The time since the last call belongs to `part`. */
static inline void gpt_lap(gpt *m, int part) {
  const double now = seconds();
  m->seconds[part] += now - m->lap;
  m->lap = now;
}

static inline size_t gpt_larger(size_t a, size_t b) { return a > b ? a : b; }

/* Room for every product of the model, one at a time. */
static inline size_t gpt_room(const gpt_config *c) {
  const size_t C = c->width, n = c->contexts * c->context;
  sste_linear up = {0}, down = {0};
  size_t bytes = linear_room(0, n, C, 4 * C);
  up.fast = down.fast = 1;
  up.in_features = down.out_features = C;
  up.out_features = down.in_features = 4 * C;
  bytes = linear_room(bytes, n, 4 * C, C);
  bytes = linear_room(bytes, n, C, BYTES);
  bytes = attention_room(bytes, c->contexts, c->context, C, c->heads);
  if (c->method.weights == SSTE_WEIGHTS_DENSE) return bytes;
  bytes = gpt_larger(bytes, sste_linear_scratch_bytes(&up, n));
  return gpt_larger(bytes, sste_linear_scratch_bytes(&down, n));
}

/* All memory of the model but its weights; see arena_take. */
static inline void gpt_layout(gpt *m, const gpt_config *c, arena *a) {
  const size_t C = c->width, T = c->context, n = c->contexts * T;
  size_t l;
  m->config = *c;
  gpt_params_at(&m->w, arena_floats(a, gpt_count(c)), c);
  m->masks = NULL;
  if (c->method.weights == SSTE_WEIGHTS_MASKED)
    m->masks = (uint8_t *)arena_take(a, c->layers * 8 * C * C, 1);
  for (l = 0; l < c->layers; ++l) {
    gpt_state *s = &m->state[l];
    s->x1 = arena_floats(a, n * C), s->stat1 = arena_floats(a, n * 2);
    s->norm1 = arena_floats(a, n * C), s->qkv = arena_floats(a, n * 3 * C);
    s->p = arena_floats(a, c->contexts * c->heads * T * T);
    s->mixed = arena_floats(a, n * C);
    s->x2 = arena_floats(a, n * C), s->stat2 = arena_floats(a, n * 2);
    s->norm2 = arena_floats(a, n * C), s->hidden = arena_floats(a, n * 4 * C);
    s->gelu = arena_floats(a, n * 4 * C);
  }
  m->x = arena_floats(a, n * C), m->stat = arena_floats(a, n * 2);
  m->norm = arena_floats(a, n * C), m->logits = arena_floats(a, n * BYTES);
  m->add = arena_floats(a, n * C), m->d = arena_floats(a, n * C);
  m->dn = arena_floats(a, n * C), m->dwide = arena_floats(a, n * 4 * C);
  m->loss_of = (double *)arena_take(a, n, sizeof *m->loss_of);
  m->room.bytes = gpt_room(c);
  m->room.p = arena_take(a, m->room.bytes, 1);
}

/* ---- 4. The FFN ---------------------------------------------------------- */

/* One linear of the FFN with all that belongs to it. They are numbered from the
 * first block to the last, up before down, for the draws as well. */
typedef struct gpt_ffn {
  sste_linear *layer;
  float *w;      /* N x K */
  uint8_t *mask; /* as w; null where the method has none */
} gpt_ffn;

static inline size_t gpt_ffn_count(const gpt_config *c) {
  return 2 * c->layers;
}
/* Entries of one, */
static inline size_t gpt_ffn_size(const gpt_config *c) {
  return 4 * c->width * c->width;
}
/* and of all. */
static inline size_t gpt_ffn_entries(const gpt_config *c) {
  return gpt_ffn_count(c) * gpt_ffn_size(c);
}

/* Number i among any parameters: the weights, or their gradient. */
static inline float *gpt_ffn_of(const gpt_params *p, size_t i) {
  return i % 2 == 0 ? p->block[i / 2].up : p->block[i / 2].down;
}

static inline gpt_ffn gpt_ffn_at(gpt *m, size_t i) {
  gpt_ffn f;
  f.layer = i % 2 == 0 ? &m->up[i / 2] : &m->down[i / 2];
  f.w = gpt_ffn_of(&m->w, i);
  f.mask = m->masks == NULL ? NULL : m->masks + i * gpt_ffn_size(&m->config);
  return f;
}

/* Every linear of the FFN as S-STE has it, with the scale of its weights as
 * they are now, and then as the configuration has it. */
static inline void gpt_init_ffn(gpt *m) {
  const gpt_config *c = &m->config;
  size_t i;
  for (i = 0; i < gpt_ffn_count(c); ++i) {
    const gpt_ffn f = gpt_ffn_at(m, i);
    const size_t K = i % 2 == 0 ? c->width : 4 * c->width;
    const size_t N = gpt_ffn_size(c) / K;
    must(sste_linear_init(f.layer, f.w, K, N, K), "the scale of an FFN weight");
    f.layer->fp8 = c->fp8;
    f.layer->mvue = c->mvue;
    f.layer->stochastic = c->stochastic;
    f.layer->rounding_tensor = (uint32_t)(GPT_ROUNDING + i);
    f.layer->forward_format = c->forward_format;
    f.layer->input_grad_format = c->backward_format;
    f.layer->weight_grad_format = c->backward_format;
    f.layer->fast = 1;
  }
}

/* Makes every linear of the FFN what the method wants at step k, counted from
 * 0. An error means that weights have come to nothing, or to NaN. */
static inline sste_status gpt_refresh(gpt *m, size_t k) {
  size_t i;
  for (i = 0; i < gpt_ffn_count(&m->config); ++i) {
    const gpt_ffn f = gpt_ffn_at(m, i);
    const size_t K = f.layer->in_features;
    const sste_status s =
        sste_method_refresh(&m->config.method, f.layer, f.mask, K, f.w, K, k);
    if (s != SSTE_OK) return s;
  }
  return SSTE_OK;
}

/* Number i forward: dense, or sparse as it is at this step. */
static inline void gpt_ffn_forward(gpt *m, size_t i, float *z, const float *x,
                                   size_t n) {
  const gpt_ffn f = gpt_ffn_at(m, i);
  const size_t K = f.layer->in_features, N = f.layer->out_features;
  if (f.layer->weights == SSTE_WEIGHTS_DENSE)
    linear_forward(z, x, f.w, n, K, N, m->room);
  else
    must(sste_linear_forward(f.layer, z, N, x, K, f.w, K, NULL, n, m->room.p,
                             m->room.bytes),
         "FFN forward");
}

/* And backward. The draws belong to (seed, i, step, token): `first` is the
 * micro-batch's first token in the batch, a multiple of 4. */
static inline void gpt_ffn_backward(gpt *m, size_t i, float *dx, float *dw,
                                    const float *dz, const float *x, size_t n,
                                    size_t step, size_t first) {
  const gpt_ffn f = gpt_ffn_at(m, i);
  const size_t K = f.layer->in_features, N = f.layer->out_features;
  sste_mvue_stream stream = {0, 0, 0, 0, 0};
  stream.seed = m->config.seed;
  stream.tensor = (uint32_t)i;
  stream.step = (uint32_t)step;
  stream.group = first / 4;
  if (f.layer->weights == SSTE_WEIGHTS_DENSE)
    linear_backward(dx, dw, dz, x, f.w, n, K, N, m->room);
  else
    must(sste_linear_backward(f.layer, dx, K, dw, K, NULL, dz, N, x, K, f.w, K,
                              n, &stream, m->room.p, m->room.bytes),
         "FFN backward");
}

/* ---- 5. Forward ---------------------------------------------------------- */

/* The logits of every next byte: n x 256. */
static inline void gpt_logits(gpt *m, const unsigned char *in, size_t B) {
  const gpt_config *c = &m->config;
  const size_t C = c->width, T = c->context, n = B * T;
  size_t l;
  m->lap = seconds();
  embed_forward(m->state[0].x1, m->w.bytes, m->w.places, in, B, T, C);
  for (l = 0; l < c->layers; ++l) {
    const gpt_block *w = &m->w.block[l];
    gpt_state *s = &m->state[l];
    norm_forward(s->norm1, s->stat1, s->x1, w->norm1, n, C);
    gpt_lap(m, GPT_NORM);
    linear_forward(s->qkv, s->norm1, w->qkv, n, C, 3 * C, m->room);
    gpt_lap(m, GPT_LINEAR);
    attention_forward(s->mixed, s->p, s->qkv, B, T, C, c->heads, m->room);
    gpt_lap(m, GPT_ATTENTION);
    linear_forward(m->add, s->mixed, w->proj, n, C, C, m->room);
    gpt_lap(m, GPT_LINEAR);
    add(s->x2, s->x1, m->add, n * C);
    norm_forward(s->norm2, s->stat2, s->x2, w->norm2, n, C);
    gpt_lap(m, GPT_NORM);
    gpt_ffn_forward(m, 2 * l, s->hidden, s->norm2, n);
    gpt_lap(m, GPT_FFN);
    gelu_forward(s->gelu, s->hidden, n * 4 * C);
    gpt_lap(m, GPT_GELU);
    gpt_ffn_forward(m, 2 * l + 1, m->add, s->gelu, n);
    gpt_lap(m, GPT_FFN);
    add(l + 1 < c->layers ? m->state[l + 1].x1 : m->x, s->x2, m->add, n * C);
  }
  norm_forward(m->norm, m->stat, m->x, m->w.norm, n, C);
  gpt_lap(m, GPT_NORM);
  linear_forward(m->logits, m->norm, m->w.bytes, n, C, BYTES, m->room);
  gpt_lap(m, GPT_HEAD);
}

/* The mean loss of B contexts in nats per byte. m->logits becomes its gradient
 * by the logits. */
static inline double gpt_forward(gpt *m, const unsigned char *in,
                                 const unsigned char *next, size_t B) {
  double loss;
  gpt_logits(m, in, B);
  loss = cross_entropy(m->logits, next, B * m->config.context, m->loss_of);
  gpt_lap(m, GPT_HEAD);
  return loss;
}

/* ---- 6. Backward --------------------------------------------------------- */

/* g receives the gradient of gpt_forward's loss by every weight; that is of the
 * same contexts, of which the first is number `first` of the step's batch. m->d
 * carries the gradient of the residual stream from block to block. */
static inline void gpt_backward(gpt *m, gpt_params *g, const unsigned char *in,
                                size_t B, size_t step, size_t first) {
  const gpt_config *c = &m->config;
  const size_t C = c->width, T = c->context, n = B * T;
  size_t l;
  m->lap = seconds();
  linear_backward(m->dn, g->bytes, m->logits, m->norm, m->w.bytes, n, C, BYTES,
                  m->room);
  gpt_lap(m, GPT_HEAD);
  memset(m->d, 0, n * C * sizeof(float));
  norm_backward(m->d, g->norm, m->dn, m->x, m->stat, m->w.norm, n, C);
  for (l = c->layers; l-- > 0;) {
    const gpt_block *w = &m->w.block[l];
    const gpt_state *s = &m->state[l];
    gpt_block *dw = &g->block[l];
    gpt_lap(m, GPT_NORM);
    gpt_ffn_backward(m, 2 * l + 1, m->dwide, dw->down, m->d, s->gelu, n, step,
                     first * T);
    gpt_lap(m, GPT_FFN);
    gelu_backward(m->dwide, s->hidden, n * 4 * C);
    gpt_lap(m, GPT_GELU);
    gpt_ffn_backward(m, 2 * l, m->dn, dw->up, m->dwide, s->norm2, n, step,
                     first * T);
    gpt_lap(m, GPT_FFN);
    norm_backward(m->d, dw->norm2, m->dn, s->x2, s->stat2, w->norm2, n, C);
    gpt_lap(m, GPT_NORM);
    linear_backward(m->dn, dw->proj, m->d, s->mixed, w->proj, n, C, C, m->room);
    gpt_lap(m, GPT_LINEAR);
    attention_backward(m->dwide, m->dn, s->p, s->qkv, B, T, C, c->heads,
                       m->room);
    gpt_lap(m, GPT_ATTENTION);
    linear_backward(m->dn, dw->qkv, m->dwide, s->norm1, w->qkv, n, C, 3 * C,
                    m->room);
    gpt_lap(m, GPT_LINEAR);
    norm_backward(m->d, dw->norm1, m->dn, s->x1, s->stat1, w->norm1, n, C);
  }
  embed_backward(g->bytes, g->places, m->d, in, B, T, C);
  gpt_lap(m, GPT_NORM);
}

/* ---- 7. Text ------------------------------------------------------------- */

/* A byte drawn from the softmax of logits / temperature by u in [0, 1). */
static inline unsigned char gpt_choose(const float *logits, double temperature,
                                       double u) {
  double p[BYTES], sum = 0.0, most = (double)logits[0];
  int v;
  for (v = 1; v < BYTES; ++v)
    most = (double)logits[v] > most ? (double)logits[v] : most;
  for (v = 0; v < BYTES; ++v)
    sum += p[v] = exp(((double)logits[v] - most) / temperature);
  u *= sum;
  for (v = 0; v < BYTES - 1; ++v) {
    if (u < p[v]) break;
    u -= p[v];
  }
  return (unsigned char)v;
}

/* Continues text, of which `given` bytes (1 or more) are there, to `length`:
 * each byte by a forward pass over the last T. */
static inline void gpt_continue(gpt *m, unsigned char *text, size_t given,
                                size_t length, double temperature,
                                unsigned char *window) {
  const size_t T = m->config.context;
  size_t i;
  for (i = given; i < length; ++i) {
    const size_t from = i > T ? i - T : 0, seen = i - from;
    const double u = gpt_word(m->config.seed, GPT_SAMPLES, 0, i) / 0x1p32;
    memset(window, 0, T);
    memcpy(window, text + from, seen);
    gpt_logits(m, window, 1);
    text[i] = gpt_choose(m->logits + (seen - 1) * BYTES, temperature, u);
  }
}

#endif /* GPT_H */
