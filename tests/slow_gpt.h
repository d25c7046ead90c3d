/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * slow_gpt.h - the loss of the trainer's transformer once more, in double, with
 * a loop for every sum of its formulas and nothing else.
 *
 * Nothing of the headers or of the trainer is used. There is no backward pass:
 * gradients are differences of losses, so a mistake cannot be made twice.
 *
 * The parameters are one array in the trainer's order, but the FFN's hold W~,
 * what their products multiply by. To move an entry of W~ is what a gradient
 * that goes straight through means.
 *
 *   1. The FFN's weights    dense, by magnitude, in tiles, by a soft threshold
 *   2. 8-bit floats         round to nearest, one scale for a tensor
 *   3. The layers
 *   4. The loss, and its slopes
 */
#ifndef SSTE_SLOW_GPT_H
#define SSTE_SLOW_GPT_H

#include "test.h"

/* ---- 1. The FFN's weights ------------------------------------------------ */

typedef enum slow_gpt_pruning {
  SLOW_GPT_DENSE,
  SLOW_GPT_HARD, /* the two largest of four */
  SLOW_GPT_TILE, /* the best 4 x 4 tiles with two per row and column */
  SLOW_GPT_SOFT  /* beta S(W) */
} slow_gpt_pruning;

typedef enum slow_gpt_beta {
  SLOW_GPT_MIN_MSE,
  SLOW_GPT_EQUAL_L1,
  SLOW_GPT_ONE
} slow_gpt_beta;

/* How W~ is made of W. */
typedef struct slow_gpt_map {
  slow_gpt_pruning pruning;
  slow_gpt_beta beta; /* of a soft threshold, as gamma */
  double gamma;
} slow_gpt_map;

/* Entries of the group that go before entry i: larger, or as large and left of
 * it. */
static inline int slow_gpt_rank(const double a[4], int i) {
  int j, before = 0;
  for (j = 0; j < 4; ++j)
    before += fabs(a[j]) > fabs(a[i]) || (fabs(a[j]) == fabs(a[i]) && j < i);
  return before;
}

static inline void slow_gpt_prune_hard(double a[4]) {
  int i, keep[4];
  for (i = 0; i < 4; ++i) keep[i] = slow_gpt_rank(a, i) < 2;
  for (i = 0; i < 4; ++i)
    if (!keep[i]) a[i] = 0.0;
}

/* t = t2 + gamma (t3 - t2), of the second and third smallest magnitude. */
static inline void slow_gpt_prune_soft(double a[4], double gamma) {
  double sorted[4], t;
  int i;
  for (i = 0; i < 4; ++i) sorted[3 - slow_gpt_rank(a, i)] = fabs(a[i]);
  t = sorted[1] + gamma * (sorted[2] - sorted[1]);
  for (i = 0; i < 4; ++i)
    a[i] = fabs(a[i]) > t ? copysign(fabs(a[i]) - t, a[i]) : 0.0;
}

/* Which two of four a row of a tile keeps, the left ones first. */
static const int slow_gpt_pairs[6][4] = {{1, 1, 0, 0}, {1, 0, 1, 0},
                                         {1, 0, 0, 1}, {0, 1, 1, 0},
                                         {0, 1, 0, 1}, {0, 0, 1, 1}};

/* What pattern n keeps of row r: its number in base 6, row 0 first. */
static inline const int *slow_gpt_row_of(int n, int r) {
  static const int power[4] = {216, 36, 6, 1};
  return slow_gpt_pairs[n / power[r] % 6];
}

/* What pattern n keeps of the tile at a, its rows ld apart, or -1 if a column
 * has not two. The sums are of floats, in the order that is promised, so that
 * ties and near ties fall the same way. */
static inline double slow_gpt_score(const double *a, size_t ld, int n) {
  float row[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  int kept[4] = {0, 0, 0, 0}, r, c;
  for (r = 0; r < 4; ++r)
    for (c = 0; c < 4; ++c)
      if (slow_gpt_row_of(n, r)[c]) {
        row[r] += (float)fabs(a[(size_t)r * ld + (size_t)c]);
        ++kept[c];
      }
  for (c = 0; c < 4; ++c)
    if (kept[c] != 2) return -1.0;
  return (double)((row[0] + row[1]) + (row[2] + row[3]));
}

/* By the best of the 90 patterns; the first of equals wins. */
static inline void slow_gpt_prune_tile(double *a, size_t ld) {
  double most = -1.0;
  int n, best = 0, r, c;
  for (n = 0; n < 6 * 6 * 6 * 6; ++n) {
    const double score = slow_gpt_score(a, ld, n);
    if (score > most) {
      most = score;
      best = n;
    }
  }
  for (r = 0; r < 4; ++r)
    for (c = 0; c < 4; ++c)
      if (!slow_gpt_row_of(best, r)[c]) a[(size_t)r * ld + (size_t)c] = 0.0;
}

/* The scale of S = S(W). */
static inline double slow_gpt_scale(slow_gpt_beta rule, const double *w,
                                    const double *s, size_t count) {
  double ws = 0.0, ss = 0.0, w1 = 0.0, s1 = 0.0;
  size_t i;
  for (i = 0; i < count; ++i) {
    ws += w[i] * s[i];
    ss += s[i] * s[i];
    w1 += fabs(w[i]);
    s1 += fabs(s[i]);
  }
  if (rule == SLOW_GPT_MIN_MSE) return ws / ss;
  if (rule == SLOW_GPT_EQUAL_L1) return w1 / s1;
  return 1.0;
}

static inline void slow_gpt_prune_and_scale(double *w, size_t count,
                                            slow_gpt_beta rule, double gamma) {
  double *dense = (double *)malloc(count * sizeof *dense), beta;
  size_t i;
  memcpy(dense, w, count * sizeof *dense);
  for (i = 0; i < count; i += 4) slow_gpt_prune_soft(w + i, gamma);
  beta = slow_gpt_scale(rule, dense, w, count);
  for (i = 0; i < count; ++i) w[i] *= beta;
  free(dense);
}

/* W becomes W~, in place. */
static inline void slow_gpt_apply(slow_gpt_map map, double *w, size_t rows,
                                  size_t cols) {
  size_t i, j;
  switch (map.pruning) {
    case SLOW_GPT_DENSE: break;
    case SLOW_GPT_HARD:
      for (i = 0; i < rows * cols; i += 4) slow_gpt_prune_hard(w + i);
      break;
    case SLOW_GPT_TILE:
      for (i = 0; i < rows; i += 4)
        for (j = 0; j < cols; j += 4)
          slow_gpt_prune_tile(w + i * cols + j, cols);
      break;
    case SLOW_GPT_SOFT:
      slow_gpt_prune_and_scale(w, rows * cols, map.beta, map.gamma);
      break;
  }
}

/* ---- 2. 8-bit floats ----------------------------------------------------- */

/* 2^(e - bias) (1 + m / 2^mantissa), below the first binade without the 1, up
 * to the largest. */
typedef struct slow_gpt_format {
  int mantissa, bias;
  double largest;
} slow_gpt_format;

static const slow_gpt_format slow_gpt_e4m3fn = {3, 7, 448.0},
                             slow_gpt_e5m2 = {2, 15, 57344.0},
                             slow_gpt_e3m4 = {4, 3, 15.5},
                             slow_gpt_e3m4fn = {4, 3, 30.0};

/* The distance of two neighbours at x. */
static inline double slow_gpt_unit(slow_gpt_format f, double x) {
  int e = 0;
  frexp(x, &e); /* |x| in [2^(e-1), 2^e) */
  if (x == 0.0 || e - 1 < 1 - f.bias) e = 2 - f.bias; /* subnormals */
  return ldexp(1.0, e - 1 - f.mantissa);
}

/* x to nearest, ties to even, saturating. In units of the spacing numbers are
 * integers, and their parity is that of the code. */
static inline double slow_gpt_round(slow_gpt_format f, double x) {
  const double unit = slow_gpt_unit(f, x), y = rint(x / unit) * unit;
  return fabs(y) > f.largest ? copysign(f.largest, x) : y;
}

/* How far x is from where its rounding jumps, relative to the largest number;
 * 1 where there is no jump, or so small a one that no loss shows it. */
static inline double slow_gpt_distance(slow_gpt_format f, double x) {
  const double unit = slow_gpt_unit(f, x), y = fabs(x) / unit;
  if (x == 0.0 || fabs(x) > f.largest || unit < 2e-5 * f.largest) return 1.0;
  return fabs(y - floor(y) - 0.5) * unit / f.largest;
}

/* A tensor through the format and back, scaled so that its largest magnitude
 * becomes the format's. Returns the smallest of its distances. */
static inline double slow_gpt_quantise(double *q, const double *x, size_t count,
                                       slow_gpt_format f) {
  double amax = 0.0, scale, nearest = 1.0;
  size_t i;
  for (i = 0; i < count; ++i) amax = fmax(amax, fabs(x[i]));
  scale = amax == 0.0 ? 1.0 : f.largest / amax;
  for (i = 0; i < count; ++i) {
    q[i] = slow_gpt_round(f, x[i] * scale) / scale;
    nearest = fmin(nearest, slow_gpt_distance(f, x[i] * scale));
  }
  return nearest;
}

/* ---- 3. The layers ------------------------------------------------------- */

/* y_to = sum over i of x_ti w_oi */
static inline void slow_gpt_linear(double *y, const double *x, const double *w,
                                   size_t n, size_t in, size_t out) {
  size_t t, o, i;
  for (t = 0; t < n; ++t)
    for (o = 0; o < out; ++o) {
      double sum = 0.0;
      for (i = 0; i < in; ++i) sum += x[t * in + i] * w[o * in + i];
      y[t * out + o] = sum;
    }
}

static inline void slow_gpt_norm(double *y, const double *x, const double *gain,
                                 size_t n, size_t C) {
  size_t t, c;
  for (t = 0; t < n; ++t) {
    double mean = 0.0, variance = 0.0;
    for (c = 0; c < C; ++c) mean += x[t * C + c] / (double)C;
    for (c = 0; c < C; ++c)
      variance += (x[t * C + c] - mean) * (x[t * C + c] - mean) / (double)C;
    for (c = 0; c < C; ++c)
      y[t * C + c] = gain[c] * (x[t * C + c] - mean) / sqrt(variance + 1e-5);
  }
}

static inline double slow_gpt_gelu(double x) {
  const double pi = 3.14159265358979323846;
  return 0.5 * x * (1.0 + tanh(sqrt(2.0 / pi) * (x + 0.044715 * x * x * x)));
}

/* One head at one token: its d of C outputs, of the context whose first row of
 * qkv is given. */
static inline void slow_gpt_attend(double *out, const double *qkv, size_t t,
                                   size_t first, size_t d, size_t C) {
  double *weight = (double *)malloc((t + 1) * sizeof *weight), sum = 0.0;
  size_t s, c;
  for (s = 0; s <= t; ++s) {
    double score = 0.0;
    for (c = first; c < first + d; ++c)
      score += qkv[t * 3 * C + c] * qkv[s * 3 * C + C + c];
    sum += weight[s] = exp(score / sqrt((double)d));
  }
  for (c = first; c < first + d; ++c) {
    out[t * C + c] = 0.0;
    for (s = 0; s <= t; ++s)
      out[t * C + c] += weight[s] / sum * qkv[s * 3 * C + 2 * C + c];
  }
  free(weight);
}

static inline void slow_gpt_attention(double *out, const double *qkv, size_t B,
                                      size_t T, size_t C, size_t heads) {
  const size_t d = C / heads;
  size_t b, t, h;
  for (b = 0; b < B; ++b)
    for (t = 0; t < T; ++t)
      for (h = 0; h < heads; ++h)
        slow_gpt_attend(out + b * T * C, qkv + b * T * 3 * C, t, h * d, d, C);
}

/* Mean of -log softmax(logits)[next], in nats. */
static inline double slow_gpt_cross_entropy(const double *logits,
                                            const unsigned char *next,
                                            size_t n) {
  double loss = 0.0;
  size_t t, v;
  for (t = 0; t < n; ++t) {
    double sum = 0.0;
    for (v = 0; v < 256; ++v) sum += exp(logits[t * 256 + v]);
    loss += log(sum) - logits[t * 256 + next[t]];
  }
  return loss / (double)n;
}

/* ---- 4. The loss, and its slopes ----------------------------------------- */

typedef struct slow_gpt {
  size_t layers, heads, width, context;
  double *w;                     /* all parameters, the FFN's as W~ */
  const slow_gpt_format *format; /* of the FFN's operands, or null: no FP8 */
  double nearest; /* of a loss with FP8: the least slow_gpt_distance */
} slow_gpt;

typedef enum slow_gpt_part {
  SLOW_GPT_NORM,  /* C */
  SLOW_GPT_NORM1, /* C, per block with the next */
  SLOW_GPT_NORM2,
  SLOW_GPT_BYTES,  /* 256 x C */
  SLOW_GPT_PLACES, /* T x C */
  SLOW_GPT_QKV,    /* 3C x C, per block with the next three */
  SLOW_GPT_PROJ,   /* C x C */
  SLOW_GPT_UP,     /* 4C x C */
  SLOW_GPT_DOWN,   /* C x 4C */
  SLOW_GPT_END
} slow_gpt_part;

/* Where a part of block l begins. */
static inline size_t slow_gpt_at(const slow_gpt *m, slow_gpt_part part,
                                 size_t l) {
  const size_t C = m->width, bytes = C + 2 * C * m->layers;
  const size_t places = bytes + 256 * C, blocks = places + m->context * C;
  switch (part) {
    case SLOW_GPT_NORM: return 0;
    case SLOW_GPT_NORM1: return C + 2 * C * l;
    case SLOW_GPT_NORM2: return C + 2 * C * l + C;
    case SLOW_GPT_BYTES: return bytes;
    case SLOW_GPT_PLACES: return places;
    case SLOW_GPT_QKV: return blocks + 12 * C * C * l;
    case SLOW_GPT_PROJ: return blocks + 12 * C * C * l + 3 * C * C;
    case SLOW_GPT_UP: return blocks + 12 * C * C * l + 4 * C * C;
    case SLOW_GPT_DOWN: return blocks + 12 * C * C * l + 8 * C * C;
    case SLOW_GPT_END: break;
  }
  return blocks + 12 * C * C * m->layers;
}

/* The model whose parameters are these floats, pruned by the map. */
static inline slow_gpt slow_gpt_new(size_t layers, size_t heads, size_t width,
                                    size_t context, const float *w,
                                    slow_gpt_map map,
                                    const slow_gpt_format *format) {
  slow_gpt m = {layers, heads, width, context, NULL, format, 1.0};
  const size_t count = slow_gpt_at(&m, SLOW_GPT_END, 0), C = width;
  size_t i, l;
  m.w = (double *)malloc(count * sizeof *m.w);
  for (i = 0; i < count; ++i) m.w[i] = (double)w[i];
  for (l = 0; l < layers; ++l) {
    slow_gpt_apply(map, m.w + slow_gpt_at(&m, SLOW_GPT_UP, l), 4 * C, C);
    slow_gpt_apply(map, m.w + slow_gpt_at(&m, SLOW_GPT_DOWN, l), C, 4 * C);
  }
  return m;
}

/* A linear of the FFN, whose operands may go through 8 bits. */
static inline void slow_gpt_ffn_linear(slow_gpt *m, double *y, const double *x,
                                       const double *w, size_t n, size_t in,
                                       size_t out) {
  double *qx, *qw;
  if (m->format == NULL) {
    slow_gpt_linear(y, x, w, n, in, out);
    return;
  }
  qx = (double *)malloc(n * in * sizeof *qx);
  qw = (double *)malloc(out * in * sizeof *qw);
  m->nearest = fmin(m->nearest, slow_gpt_quantise(qx, x, n * in, *m->format));
  m->nearest = fmin(m->nearest, slow_gpt_quantise(qw, w, out * in, *m->format));
  slow_gpt_linear(y, qx, qw, n, in, out);
  free(qx);
  free(qw);
}

/* x <- x + attention, x <- x + FFN; y has n x C doubles to work in, and wide
 * n x 4C. */
static inline void slow_gpt_block(slow_gpt *m, size_t l, double *x, double *y,
                                  double *wide, size_t B) {
  const size_t C = m->width, T = m->context, n = B * T;
  double *add = (double *)malloc(n * C * sizeof *add);
  size_t i;
  slow_gpt_norm(y, x, m->w + slow_gpt_at(m, SLOW_GPT_NORM1, l), n, C);
  slow_gpt_linear(wide, y, m->w + slow_gpt_at(m, SLOW_GPT_QKV, l), n, C, 3 * C);
  slow_gpt_attention(y, wide, B, T, C, m->heads);
  slow_gpt_linear(add, y, m->w + slow_gpt_at(m, SLOW_GPT_PROJ, l), n, C, C);
  for (i = 0; i < n * C; ++i) x[i] += add[i];
  slow_gpt_norm(y, x, m->w + slow_gpt_at(m, SLOW_GPT_NORM2, l), n, C);
  slow_gpt_ffn_linear(m, wide, y, m->w + slow_gpt_at(m, SLOW_GPT_UP, l), n, C,
                      4 * C);
  for (i = 0; i < n * 4 * C; ++i) wide[i] = slow_gpt_gelu(wide[i]);
  slow_gpt_ffn_linear(m, add, wide, m->w + slow_gpt_at(m, SLOW_GPT_DOWN, l), n,
                      4 * C, C);
  for (i = 0; i < n * C; ++i) x[i] += add[i];
  free(add);
}

/* The mean loss of a micro-batch of B contexts, in nats per byte. */
static inline double slow_gpt_loss(slow_gpt *m, const unsigned char *in,
                                   const unsigned char *next, size_t B) {
  const size_t C = m->width, T = m->context, n = B * T;
  const double *bytes = m->w + slow_gpt_at(m, SLOW_GPT_BYTES, 0);
  const double *places = m->w + slow_gpt_at(m, SLOW_GPT_PLACES, 0);
  double *x = (double *)malloc(n * (6 * C + 256) * sizeof *x);
  double *y = x + n * C, *wide = y + n * C, *logits = wide + n * 4 * C, loss;
  size_t t, c, l;
  m->nearest = 1.0;
  for (t = 0; t < n; ++t)
    for (c = 0; c < C; ++c)
      x[t * C + c] = bytes[in[t] * C + c] + places[t % T * C + c];
  for (l = 0; l < m->layers; ++l) slow_gpt_block(m, l, x, y, wide, B);
  slow_gpt_norm(y, x, m->w + slow_gpt_at(m, SLOW_GPT_NORM, 0), n, C);
  slow_gpt_linear(logits, y, bytes, n, C, 256);
  loss = slow_gpt_cross_entropy(logits, next, n);
  free(x);
  return loss;
}

/* dL/dw_i by central differences. At this step their own error, which falls
 * with its square, and the rounding of the losses are about 1e-10. */
static inline double slow_gpt_slope(slow_gpt *m, size_t i,
                                    const unsigned char *in,
                                    const unsigned char *next, size_t B) {
  const double step = 2e-5, before = m->w[i];
  double up, down;
  m->w[i] = before + step;
  up = slow_gpt_loss(m, in, next, B);
  m->w[i] = before - step;
  down = slow_gpt_loss(m, in, next, B);
  m->w[i] = before;
  return (up - down) / (2.0 * step);
}

#endif /* SSTE_SLOW_GPT_H */
