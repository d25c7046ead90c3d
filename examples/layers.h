/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * layers.h - the dense layers of a transformer, forward and backward.
 *
 *   1. Rows     exp, log, sums     5. Attention
 *   2. Linear   matrix products    6. Cross-entropy
 *   3. Norm                        7. Embedding
 *   4. GELU, addition
 *
 * A matrix of activations has one row per token. dx is the gradient of the loss
 * by x and has its shape. Outputs are overwritten unless a comment says "adds".
 *
 * Letters: B contexts of T tokens each, n = B T tokens, C channels, d = C/heads
 * of them to a head.
 *
 * ORDERED, all of it: threads share out outputs, never terms of a sum, and the
 * comments say in what order sums are taken. exp and log are this file's own:
 * they go by vectors and do not depend on the machine's libm. A NaN goes
 * through to the loss: that is how divergence is noticed.                   */
#ifndef LAYERS_H
#define LAYERS_H

#include <math.h>
#include <string.h>

#include "program.h"
#include "sste_gemm.h"

/* ---- 1. Rows ------------------------------------------------------------- */

/* What a loop calls must become a part of it before the loop can go by vectors,
 * and in a large program gcc stops inlining what is not tiny. */
#if defined(__GNUC__)
#define INTO_LOOPS static inline __attribute__((always_inline))
#else
#define INTO_LOOPS static inline
#endif

/* The bits of a float, and back. */
INTO_LOOPS uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
INTO_LOOPS float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
/* yes ? a : b with yes 0 or 1, without a branch, which gcc would make of it. */
INTO_LOOPS float choose(int yes, float a, float b) {
  const uint32_t mask = 0u - (uint32_t)yes;
  return float_of((bits_of(a) & mask) | (bits_of(b) & ~mask));
}

static inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* e^x = 2^k e^r with k the whole number nearest to x / ln 2. r is what is left
 * of x: ln 2 goes off in two parts, the first short enough for k times it to be
 * exact. e^r is a polynomial, the best of its degree for |r| < 0.347. The sum
 * of 1.5 * 2^23 + 127 and a small number has no room for a fraction: it rounds,
 * and its lowest bits are k + 127, which is the exponent of 2^k.
 *   Relative error below 1e-7 where e^x is normal, 2^-126 or more; below that
 *   2^-150 comes on top. Below 2^-126.5 the result is 0, from 2^127.5 on
 *   infinity. A NaN stays one.                                              */
INTO_LOOPS float exponential(float x) {
  const float low = -88.03f, high = 88.73f, rounder = 12583039.0f;
  const float bounded = choose(x < low, low, choose(x > high, high, x));
  const float sum = bounded * 1.44269504f + rounder, k = sum - rounder;
  const float r = bounded - k * 0.693359375f + k * 2.12194440e-4f;
  float e = 0.00138145406f;
  e = e * r + 0.00836874545f;
  e = e * r + 0.041668389f;
  e = e * r + 0.166665211f;
  e = e * r + 0.49999994f;
  e = e * r * r + r + 1.0f;
  return e * float_of(bits_of(sum) << 23);
}

/* log x for a normal x > 0: x = 2^k m with m between 0.7 and 1.42, and log m =
 * 2 artanh z = 2 (z + z^3/3 + z^5/5 + ...) with z = (m - 1) / (m + 1).
 *   Error below 4e-16, absolute or relative, whichever is more.             */
static inline double logarithm(double x) {
  int k = 0, i;
  double m = frexp(x, &k), sum = 0.0, z;
  if (m < 0.7071) m *= 2.0, --k;
  z = (m - 1.0) / (m + 1.0);
  for (i = 19; i > 0; i -= 2) sum = sum * z * z + 1.0 / i;
  return 0.69314718055994531 * k + 2.0 * z * sum;
}

/* A row is summed in 32 doubles: lane l adds the elements l, l + 32, ... in
 * order, and lanes fold in halves (16, 8, 4, 2, 1). That is a "row sum". */
enum { LANES = 32 };

static inline double fold(double lane[LANES]) {
  size_t half, l;
  for (half = LANES / 2; half > 0; half /= 2)
    for (l = 0; l < half; ++l) lane[l] += lane[l + half];
  return lane[0];
}
static inline double row_sum(const float *x, size_t n) {
  double lane[LANES] = {0.0};
  size_t i, l;
  for (i = 0; i + LANES <= n; i += LANES) {
    SSTE_OMP(simd)
    for (l = 0; l < LANES; ++l) lane[l] += (double)x[i + l];
  }
  for (l = 0; i + l < n; ++l) lane[l] += (double)x[i + l];
  return fold(lane);
}
static inline double row_dot(const float *x, const float *y, size_t n) {
  double lane[LANES] = {0.0};
  size_t i, l;
  for (i = 0; i + LANES <= n; i += LANES) {
    SSTE_OMP(simd)
    for (l = 0; l < LANES; ++l) lane[l] += (double)x[i + l] * (double)y[i + l];
  }
  for (l = 0; i + l < n; ++l) lane[l] += (double)x[i + l] * (double)y[i + l];
  return fold(lane);
}

/* The largest element, by the same lanes. It may pass over a NaN. */
static inline float row_max(const float *x, size_t n) {
  float lane[LANES], most = -INFINITY;
  size_t i, l;
  for (l = 0; l < LANES; ++l) lane[l] = most;
  for (i = 0; i + LANES <= n; i += LANES) {
    SSTE_OMP(simd)
    for (l = 0; l < LANES; ++l)
      lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
  }
  for (l = 0; i + l < n; ++l) lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
  for (l = 0; l < LANES; ++l) most = lane[l] > most ? lane[l] : most;
  return most;
}

/* x <- e^(scale (x - most)), of which the row sum is returned: a softmax but
 * for the division. With the largest element as `most`, nothing overflows. */
static inline double row_powers(float *x, size_t n, float most, float scale) {
  ptrdiff_t i;
  SSTE_OMP(simd)
  for (i = 0; i < (ptrdiff_t)n; ++i) x[i] = exponential((x[i] - most) * scale);
  return row_sum(x, n);
}

static inline void row_scale(float *x, size_t n, float factor) {
  ptrdiff_t i;
  SSTE_OMP(simd)
  for (i = 0; i < (ptrdiff_t)n; ++i) x[i] *= factor;
}

/* ---- 2. Linear ----------------------------------------------------------- */

/* A matrix in a product, as it lies in memory or turned: its transpose. */
typedef struct operand {
  const float *p; /* in row-major order, */
  size_t ld;      /* with this leading dimension: floats from row to row */
  int transposed;
} operand;

static inline operand lying(const float *p, size_t ld) {
  const operand a = {p, ld, 0};
  return a;
}
static inline operand turned(const float *p, size_t ld) {
  const operand a = {p, ld, 1};
  return a;
}

/* The workspace of products. */
typedef struct room {
  void *p;
  size_t bytes;
} room;

/* Y = A B, Y: M x J with rows ldy apart, of L terms each: in float, ascending,
 * as sste_dense_product has it. */
static inline void product(float *y, size_t ldy, operand a, operand b, size_t M,
                           size_t J, size_t L, room r) {
  must(sste_dense_product(y, ldy, a.p, a.ld, a.transposed, b.p, b.ld,
                          b.transposed, M, J, L, r.p, r.bytes),
       "a dense product");
}

/* Z = X W^T with X: n x in, W: out x in. */
static inline void linear_forward(float *z, const float *x, const float *w,
                                  size_t n, size_t in, size_t out, room r) {
  product(z, out, lying(x, in), turned(w, in), n, out, in, r);
}
/* dX = dZ W, dW = dZ^T X */
static inline void linear_backward(float *dx, float *dw, const float *dz,
                                   const float *x, const float *w, size_t n,
                                   size_t in, size_t out, room r) {
  product(dx, in, lying(dz, out), lying(w, in), n, in, out, r);
  product(dw, in, turned(dz, out), lying(x, in), out, in, n, r);
}
/* The room for both, if it is more than `bytes`. */
static inline size_t linear_room(size_t bytes, size_t n, size_t in,
                                 size_t out) {
  const size_t need[3] = {sste_dense_product_bytes(n, out, in),
                          sste_dense_product_bytes(n, in, out),
                          sste_dense_product_bytes(out, in, n)};
  int i;
  for (i = 0; i < 3; ++i) bytes = need[i] > bytes ? need[i] : bytes;
  return bytes;
}

/* ---- 3. Norm ------------------------------------------------------------- */

/* y = gain h, h = (x - mean) / deviation, per token; the variance is the mean
 * square of x - mean, plus 1e-5. stat keeps the mean and 1 / deviation: n x 2.
 * Means are row sums. */
static inline void norm_forward(float *y, float *stat, const float *x,
                                const float *gain, size_t n, size_t C) {
  ptrdiff_t t;
  SSTE_OMP(parallel for schedule(static))
  for (t = 0; t < (ptrdiff_t)n; ++t) {
    const float *in = x + (size_t)t * C;
    float *out = y + (size_t)t * C;
    const float mean = (float)(row_sum(in, C) / (double)C);
    float inverse;
    size_t c;
    SSTE_OMP(simd)
    for (c = 0; c < C; ++c) out[c] = in[c] - mean;
    inverse = (float)(1.0 / sqrt(row_dot(out, out, C) / (double)C + 1e-5));
    SSTE_OMP(simd)
    for (c = 0; c < C; ++c) out[c] *= inverse * gain[c];
    stat[2 * t] = mean;
    stat[2 * t + 1] = inverse;
  }
}

/* One token: dx += (e - mean(e) - h mean(e h)) / deviation, with e = gain dy.
 * What is taken off is what y cannot feel: a shift of x, and a stretch. */
static inline void norm_backward_row(float *dx, const float *dy, const float *x,
                                     const float *gain, float mean,
                                     float inverse, size_t C) {
  double sum[LANES] = {0.0}, dot[LANES] = {0.0}; /* as row sums */
  float shift, stretch;
  size_t c, l;
  for (c = 0; c < C; c += LANES) {
    const size_t width = smaller(LANES, C - c);
    SSTE_OMP(simd)
    for (l = 0; l < width; ++l) {
      const double e = (double)(gain[c + l] * dy[c + l]);
      sum[l] += e;
      dot[l] += e * (double)((x[c + l] - mean) * inverse);
    }
  }
  shift = (float)(fold(sum) / (double)C);
  stretch = (float)(fold(dot) / (double)C);
  SSTE_OMP(simd)
  for (c = 0; c < C; ++c)
    dx[c] +=
        (gain[c] * dy[c] - shift - (x[c] - mean) * inverse * stretch) * inverse;
}

/* dgain = sum over the tokens of dy h, in order and in double, for the channels
 * from c on, 32 at the most: a strip of both matrices. */
static inline void norm_backward_gain(float *dgain, const float *dy,
                                      const float *x, const float *stat,
                                      size_t n, size_t C, size_t c) {
  const size_t width = smaller(LANES, C - c);
  double sum[LANES] = {0.0};
  size_t t, l;
  for (t = 0; t < n; ++t) {
    const float *in = x + t * C + c, *out = dy + t * C + c;
    const float mean = stat[2 * t], inverse = stat[2 * t + 1];
    SSTE_OMP(simd)
    for (l = 0; l < width; ++l)
      sum[l] += (double)out[l] * (double)((in[l] - mean) * inverse);
  }
  for (l = 0; l < width; ++l) dgain[c + l] = (float)sum[l];
}

/* Adds to dx; overwrites dgain. */
static inline void norm_backward(float *dx, float *dgain, const float *dy,
                                 const float *x, const float *stat,
                                 const float *gain, size_t n, size_t C) {
  ptrdiff_t t, c;
  SSTE_OMP(parallel for schedule(static))
  for (t = 0; t < (ptrdiff_t)n; ++t) {
    const size_t at = (size_t)t * C;
    norm_backward_row(dx + at, dy + at, x + at, gain, stat[2 * t],
                      stat[2 * t + 1], C);
  }
  SSTE_OMP(parallel for schedule(static))
  for (c = 0; c < (ptrdiff_t)C; c += LANES)
    norm_backward_gain(dgain, dy, x, stat, n, C, (size_t)c);
}

/* ---- 4. GELU, addition --------------------------------------------------- */

/* gelu(x) = x/2 (1 + tanh u) = x s, s = 1 / (1 + e^-2u) and
 * 2u = 1.59577 (x + 0.044715 x^3) */
INTO_LOOPS float gelu_gate(float x) {
  return 1.0f / (1.0f + exponential(-1.5957691f * (x + 0.044715f * x * x * x)));
}
static inline void gelu_forward(float *y, const float *x, size_t count) {
  ptrdiff_t i;
  SSTE_OMP(parallel for simd schedule(static))
  for (i = 0; i < (ptrdiff_t)count; ++i) y[i] = x[i] * gelu_gate(x[i]);
}
/* d <- d (s + x s (1 - s) 2u'): the gradient by y becomes that by x. */
static inline void gelu_backward(float *d, const float *x, size_t count) {
  ptrdiff_t i;
  SSTE_OMP(parallel for simd schedule(static))
  for (i = 0; i < (ptrdiff_t)count; ++i) {
    const float s = gelu_gate(x[i]);
    const float slope = 1.5957691f * (1.0f + 0.134145f * x[i] * x[i]);
    d[i] *= s + x[i] * s * (1.0f - s) * slope;
  }
}

/* y = a + b */
static inline void add(float *y, const float *a, const float *b, size_t count) {
  ptrdiff_t i;
  SSTE_OMP(parallel for simd schedule(static))
  for (i = 0; i < (ptrdiff_t)count; ++i) y[i] = a[i] + b[i];
}

/* ---- 5. Attention -------------------------------------------------------- */

/* O = P V, where row t of P is the softmax of (Q K^T)_ts / sqrt(d) over s <= t,
 * and 0 beyond: a token sees itself and what came before it.
 *
 * qkv has 3C columns: the queries of all heads, then the keys, then the values;
 * out has C, in the same order of heads. p keeps T x T of P for each head of
 * each context. Tokens go in bands of 64, so that of what lies above a matrix's
 * diagonal only the bands' own corners are computed. What p has above them is
 * never written nor read. */
enum { BAND = 64 };

/* P over keys 0 ... end - 1 from their scores, for the query t < end. */
static inline void attention_softmax(float *p, size_t t, size_t end,
                                     float scale) {
  size_t s;
  for (s = t + 1; s < end; ++s) p[s] = -INFINITY;
  row_scale(p, end, (float)(1.0 / row_powers(p, end, row_max(p, end), scale)));
}

/* One head of one context: every pointer is to its first element. */
static inline void head_forward(float *out, float *p, const float *q, size_t T,
                                size_t C, size_t d, room r) {
  const float scale = 1.0f / sqrtf((float)d), *k = q + C, *v = k + C;
  const size_t ld = 3 * C;
  size_t first, t;
  for (first = 0; first < T; first += BAND) {
    const size_t end = smaller(first + BAND, T), rows = end - first;
    float *w = p + first * T;
    product(w, T, lying(q + first * ld, ld), turned(k, ld), rows, end, d, r);
    for (t = first; t < end; ++t) attention_softmax(p + t * T, t, end, scale);
    product(out + first * C, C, lying(w, T), lying(v, ld), rows, d, end, r);
  }
}

/* dP = dO V^T, dS = P o (dP - P.dP) / sqrt(d), with P.dP the dot product of two
 * rows (a row sum), dQ = dS K, dK = dS^T Q, dV = P^T dO. ds: T x T. */
static inline void head_backward(float *dq, float *ds, const float *dout,
                                 const float *p, const float *q, size_t T,
                                 size_t C, size_t d, room r) {
  const float scale = 1.0f / sqrtf((float)d), *k = q + C, *v = k + C;
  const size_t ld = 3 * C;
  float *dk = dq + C, *dv = dk + C;
  size_t first, t, s;
  for (first = 0; first < T; first += BAND) { /* of queries */
    const size_t end = smaller(first + BAND, T), rows = end - first;
    const float *up = dout + first * C;
    product(ds + first * T, T, lying(up, C), turned(v, ld), rows, end, d, r);
    for (t = first; t < end; ++t) {
      const float *w = p + t * T;
      float *row = ds + t * T;
      const float mean = (float)row_dot(w, row, end);
      SSTE_OMP(simd)
      for (s = 0; s < end; ++s) row[s] = w[s] * (row[s] - mean) * scale;
    }
    product(dq + first * ld, ld, lying(ds + first * T, T), lying(k, ld), rows,
            d, end, r);
  }
  for (first = 0; first < T; first += BAND) { /* of keys: later queries see */
    const size_t rows = smaller(BAND, T - first), at = first * T + first;
    product(dk + first * ld, ld, turned(ds + at, T), lying(q + first * ld, ld),
            rows, d, T - first, r);
    product(dv + first * ld, ld, turned(p + at, T), lying(dout + first * C, C),
            rows, d, T - first, r);
  }
}

/* What each head works in: dS, and behind it the room of its products. */
static inline size_t head_bytes(size_t T, size_t d) {
  const size_t rows = smaller(BAND, T);
  const size_t wide = sste_dense_product_bytes(rows, T, d);
  const size_t deep = sste_dense_product_bytes(rows, d, T);
  return T * T * sizeof(float) + (wide > deep ? wide : deep);
}
static inline float *head_room(room *mine, room r, size_t i, size_t T,
                               size_t d) {
  float *ds = (float *)((char *)r.p + i * head_bytes(T, d));
  mine->p = ds + T * T;
  mine->bytes = head_bytes(T, d) - T * T * sizeof *ds;
  return ds;
}
/* The room for all of them, if it is more than `bytes`. */
static inline size_t attention_room(size_t bytes, size_t B, size_t T, size_t C,
                                    size_t heads) {
  const size_t need = B * heads * head_bytes(T, C / heads);
  return need > bytes ? need : bytes;
}

static inline void attention_forward(float *out, float *p, const float *qkv,
                                     size_t B, size_t T, size_t C, size_t heads,
                                     room r) {
  const size_t d = C / heads;
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)(B * heads); ++i) {
    const size_t context = (size_t)i / heads * T, h = (size_t)i % heads * d;
    room mine;
    head_room(&mine, r, (size_t)i, T, d);
    head_forward(out + context * C + h, p + (size_t)i * T * T,
                 qkv + context * 3 * C + h, T, C, d, mine);
  }
}

static inline void attention_backward(float *dqkv, const float *dout,
                                      const float *p, const float *qkv,
                                      size_t B, size_t T, size_t C,
                                      size_t heads, room r) {
  const size_t d = C / heads;
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)(B * heads); ++i) {
    const size_t context = (size_t)i / heads * T, h = (size_t)i % heads * d;
    room mine;
    float *ds = head_room(&mine, r, (size_t)i, T, d);
    head_backward(dqkv + context * 3 * C + h, ds, dout + context * C + h,
                  p + (size_t)i * T * T, qkv + context * 3 * C + h, T, C, d,
                  mine);
  }
}

/* ---- 6. Cross-entropy ---------------------------------------------------- */

enum { BYTES = 256 };

/* The mean over n tokens of log(sum of e^x) - x_next, in nats, with x a row of
 * 256 logits. The logits become the gradient of that mean, (softmax - one-hot)
 * / n. loss_of receives the loss of each token, which are added up in order. */
static inline double cross_entropy(float *logits, const unsigned char *next,
                                   size_t n, double *loss_of) {
  double sum = 0.0;
  ptrdiff_t t;
  SSTE_OMP(parallel for schedule(static))
  for (t = 0; t < (ptrdiff_t)n; ++t) {
    float *x = logits + t * BYTES;
    const float right = x[next[t]], most = row_max(x, BYTES);
    const double total = row_powers(x, BYTES, most, 1.0f);
    loss_of[t] = logarithm(total) + ((double)most - (double)right);
    row_scale(x, BYTES, (float)(1.0 / (total * (double)n)));
    x[next[t]] -= 1.0f / (float)n;
  }
  for (t = 0; t < (ptrdiff_t)n; ++t) sum += loss_of[t];
  return sum / (double)n;
}

/* ---- 7. Embedding -------------------------------------------------------- */

/* A token's row is that of its byte plus that of its place in the context. */
static inline void embed_forward(float *x, const float *bytes,
                                 const float *places, const unsigned char *in,
                                 size_t B, size_t T, size_t C) {
  ptrdiff_t t;
  SSTE_OMP(parallel for schedule(static))
  for (t = 0; t < (ptrdiff_t)(B * T); ++t) {
    const float *byte = bytes + in[t] * C, *place = places + (size_t)t % T * C;
    float *row = x + (size_t)t * C;
    size_t c;
    SSTE_OMP(simd)
    for (c = 0; c < C; ++c) row[c] = byte[c] + place[c];
  }
}

/* Overwrites dplaces; adds to dbytes, since bytes are also the head. Threads
 * share strips of channels, so that every sum is over the tokens in order. */
static inline void embed_backward(float *dbytes, float *dplaces,
                                  const float *dx, const unsigned char *in,
                                  size_t B, size_t T, size_t C) {
  ptrdiff_t c;
  memset(dplaces, 0, T * C * sizeof *dplaces);
  SSTE_OMP(parallel for schedule(static))
  for (c = 0; c < (ptrdiff_t)C; c += LANES) {
    const size_t width = smaller(LANES, C - (size_t)c);
    size_t t, l;
    for (t = 0; t < B * T; ++t) {
      const float *from = dx + t * C + c;
      float *byte = dbytes + in[t] * C + c, *place = dplaces + t % T * C + c;
      SSTE_OMP(simd)
      for (l = 0; l < width; ++l) {
        byte[l] += from[l];
        place[l] += from[l];
      }
    }
  }
}

#endif /* LAYERS_H */
