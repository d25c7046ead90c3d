/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * layers.h - the dense layers of a transformer, forward and backward: linear,
 * norm, GELU, causal attention, cross-entropy, embeddings.
 *
 * Letters: C width, T context, B batch; a matrix of activations has one row per
 * token, so B*T rows. Forward functions overwrite; what adds says so.
 *
 * The same bits for any number of threads: threads share out outputs, never
 * terms of a sum.                                                           */
#ifndef SSTE_LAYERS_H
#define SSTE_LAYERS_H

#include <math.h>
#include <string.h>

#include "program.h"
#include "sste_gemm.h"

enum { BYTES = 256 };

/* Memory that a product works in. */
typedef struct room {
  void *p;
  size_t bytes;
} room;

/* A dense linear Z = X W^T and its gradients dX = dZ W, dW = dZ^T X, with X:
 * n x in, W: out x in. ORDERED float sums. */
static inline void linear_forward(float *z, const float *x, const float *w,
                                  size_t n, size_t in, size_t out, room r) {
  must(sste_dense_product(z, out, x, in, 0, w, in, 1, n, out, in, r.p, r.bytes),
       "a forward product");
}
static inline void linear_backward(float *dx, float *dw, const float *dz,
                                   const float *x, const float *w, size_t n,
                                   size_t in, size_t out, room r) {
  must(sste_dense_product(dx, in, dz, out, 0, w, in, 0, n, in, out, r.p,
                          r.bytes),
       "an input gradient");
  must(sste_dense_product(dw, in, dz, out, 1, x, in, 0, out, in, n, r.p,
                          r.bytes),
       "a weight gradient");
}
/* The room that they need, if it is more than `bytes`. */
static inline size_t linear_room(size_t bytes, size_t n, size_t in,
                                 size_t out) {
  const size_t need[3] = {sste_dense_product_bytes(n, out, in),
                          sste_dense_product_bytes(n, in, out),
                          sste_dense_product_bytes(out, in, n)};
  int i;
  for (i = 0; i < 3; ++i) bytes = need[i] > bytes ? need[i] : bytes;
  return bytes;
}

/* y = (x - mean) / deviation * gain, per token; stat keeps both for later. */
static inline void norm_forward(float *y, float *stat, const float *x,
                                const float *gain, size_t n, size_t C) {
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)n; ++i) {
    const float *in = x + (size_t)i * C;
    double mean = 0.0, square = 0.0;
    size_t c;
    for (c = 0; c < C; ++c) mean += (double)in[c];
    mean /= (double)C;
    for (c = 0; c < C; ++c)
      square += ((double)in[c] - mean) * ((double)in[c] - mean);
    stat[2 * i] = (float)mean;
    stat[2 * i + 1] = (float)(1.0 / sqrt(square / (double)C + 1e-5));
    for (c = 0; c < C; ++c)
      y[(size_t)i * C + c] = (in[c] - stat[2 * i]) * stat[2 * i + 1] * gain[c];
  }
}

/* Adds to dx; overwrites dgain. */
static inline void norm_backward(float *dx, float *dgain, const float *dy,
                                 const float *x, const float *stat,
                                 const float *gain, size_t n, size_t C) {
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)n; ++i) {
    const float *in = x + (size_t)i * C, *out = dy + (size_t)i * C;
    const float mean = stat[2 * i], inverse = stat[2 * i + 1];
    double sum = 0.0, dot = 0.0;
    float a, b;
    size_t c;
    for (c = 0; c < C; ++c) {
      const double d = (double)(out[c] * gain[c]);
      sum += d;
      dot += d * (double)((in[c] - mean) * inverse);
    }
    a = (float)(sum / (double)C);
    b = (float)(dot / (double)C);
    for (c = 0; c < C; ++c)
      dx[(size_t)i * C + c] +=
          (out[c] * gain[c] - a - (in[c] - mean) * inverse * b) * inverse;
  }
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)C; ++i) {
    double sum = 0.0;
    size_t t;
    for (t = 0; t < n; ++t)
      sum += (double)(dy[t * C + (size_t)i] *
                      ((x[t * C + (size_t)i] - stat[2 * t]) * stat[2 * t + 1]));
    dgain[i] = (float)sum;
  }
}

/* gelu(x) = x/2 (1 + tanh u) = x sigmoid(2u), u = .79788 (x + .044715 x^3) */
static inline float gelu_gate(float x) {
  const float u = 0.79788456f * (x + 0.044715f * x * x * x);
  return 1.0f / (1.0f + expf(-2.0f * u));
}
static inline void gelu_forward(float *y, const float *x, size_t count) {
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)count; ++i) y[i] = x[i] * gelu_gate(x[i]);
}
static inline void gelu_backward(float *d, const float *x, size_t count) {
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)count; ++i) {
    const float g = gelu_gate(x[i]);
    const float du = 0.79788456f * (1.0f + 0.134145f * x[i] * x[i]);
    d[i] *= g + x[i] * g * (1.0f - g) * 2.0f * du;
  }
}

static inline float dot(const float *a, const float *b, size_t n) {
  float sum = 0.0f;
  ptrdiff_t i;
  SSTE_OMP(simd reduction(+ : sum))
  for (i = 0; i < (ptrdiff_t)n; ++i) sum += a[i] * b[i];
  return sum;
}
/* y += s x */
static inline void add_scaled(float *y, float s, const float *x, size_t n) {
  ptrdiff_t i;
  SSTE_OMP(simd)
  for (i = 0; i < (ptrdiff_t)n; ++i) y[i] += s * x[i];
}

/* Causal attention. A token's row of qkv is its query, key and value, C floats
 * each, of which head h has the d = C / heads from h * d on. p keeps the
 * weights of every pair, T x T per batch and head. */
static inline void attention_forward(float *out, float *p, const float *qkv,
                                     size_t B, size_t T, size_t C,
                                     size_t heads) {
  const size_t d = C / heads;
  const float scale = 1.0f / sqrtf((float)d);
  ptrdiff_t bh;
  SSTE_OMP(parallel for schedule(static))
  for (bh = 0; bh < (ptrdiff_t)(B * heads); ++bh) {
    const size_t first = (size_t)bh / heads * T, h = (size_t)bh % heads * d;
    size_t t, s;
    for (t = 0; t < T; ++t) {
      const float *q = qkv + (first + t) * 3 * C + h;
      float *w = p + ((size_t)bh * T + t) * T, *o = out + (first + t) * C + h;
      float most = -INFINITY, sum = 0.0f;
      for (s = 0; s <= t; ++s) {
        w[s] = scale * dot(q, qkv + (first + s) * 3 * C + C + h, d);
        most = w[s] > most ? w[s] : most;
      }
      for (s = 0; s <= t; ++s) sum += w[s] = expf(w[s] - most);
      memset(o, 0, d * sizeof *o);
      for (s = 0; s <= t; ++s) {
        w[s] /= sum;
        add_scaled(o, w[s], qkv + (first + s) * 3 * C + 2 * C + h, d);
      }
    }
  }
}

static inline void attention_backward(float *dqkv, const float *dout,
                                      const float *p, const float *qkv,
                                      size_t B, size_t T, size_t C,
                                      size_t heads) {
  const size_t d = C / heads;
  const float scale = 1.0f / sqrtf((float)d);
  ptrdiff_t bh;
  memset(dqkv, 0, B * T * 3 * C * sizeof *dqkv);
  SSTE_OMP(parallel for schedule(static))
  for (bh = 0; bh < (ptrdiff_t)(B * heads); ++bh) {
    const size_t first = (size_t)bh / heads * T, h = (size_t)bh % heads * d;
    size_t t, s;
    for (t = 0; t < T; ++t) {
      const size_t q = (first + t) * 3 * C + h;
      const float *w = p + ((size_t)bh * T + t) * T;
      const float *up = dout + (first + t) * C + h;
      float mean = 0.0f; /* sum of w dw: the softmax takes it off every dw */
      for (s = 0; s <= t; ++s)
        mean += w[s] * dot(up, qkv + (first + s) * 3 * C + 2 * C + h, d);
      for (s = 0; s <= t; ++s) {
        const size_t k = (first + s) * 3 * C + C + h, v = k + C;
        const float dw = w[s] * (dot(up, qkv + v, d) - mean) * scale;
        add_scaled(dqkv + q, dw, qkv + k, d);
        add_scaled(dqkv + k, dw, qkv + q, d);
        add_scaled(dqkv + v, w[s], up, d);
      }
    }
  }
}

/* Mean cross-entropy in nats; logits become the gradient of that mean. */
static inline double cross_entropy(float *logits, const unsigned char *next,
                                   size_t n, double *loss_of) {
  double sum = 0.0;
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)n; ++i) {
    float *row = logits + i * BYTES;
    float most = row[0];
    double total = 0.0;
    int v;
    for (v = 1; v < BYTES; ++v) most = row[v] > most ? row[v] : most;
    for (v = 0; v < BYTES; ++v) total += (double)expf(row[v] - most);
    loss_of[i] = log(total) - (double)(row[next[i]] - most);
    for (v = 0; v < BYTES; ++v)
      row[v] = (float)((double)expf(row[v] - most) / total / (double)n);
    row[next[i]] -= 1.0f / (float)n;
  }
  for (i = 0; i < (ptrdiff_t)n; ++i) sum += loss_of[i];
  return sum / (double)n;
}

/* y = a + b */
static inline void add(float *y, const float *a, const float *b, size_t count) {
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)count; ++i) y[i] = a[i] + b[i];
}

/* x = its byte's row + its place's row, per token. */
static inline void embed_forward(float *x, const float *bytes,
                                 const float *places, const unsigned char *in,
                                 size_t B, size_t T, size_t C) {
  ptrdiff_t t;
  SSTE_OMP(parallel for schedule(static))
  for (t = 0; t < (ptrdiff_t)(B * T); ++t) {
    const float *byte = bytes + in[t] * C, *place = places + (size_t)t % T * C;
    size_t c;
    for (c = 0; c < C; ++c) x[(size_t)t * C + c] = byte[c] + place[c];
  }
}

/* Overwrites dplaces, and adds to dbytes, since bytes are also the head.
 * Threads share channels, so every sum is over tokens in order. */
static inline void embed_backward(float *dbytes, float *dplaces,
                                  const float *dx, const unsigned char *in,
                                  size_t B, size_t T, size_t C) {
  ptrdiff_t c;
  memset(dplaces, 0, T * C * sizeof *dplaces);
  SSTE_OMP(parallel for schedule(static))
  for (c = 0; c < (ptrdiff_t)C; ++c) {
    size_t t;
    for (t = 0; t < B * T; ++t) {
      dbytes[in[t] * C + (size_t)c] += dx[t * C + (size_t)c];
      dplaces[t % T * C + (size_t)c] += dx[t * C + (size_t)c];
    }
  }
}

#endif /* SSTE_LAYERS_H */
