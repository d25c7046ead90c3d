/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * sste_train.h - the S-STE linear layer, and a self-check of your build.
 *
 * A linear layer Z = X W^T + b costs three products per step, and S-STE makes
 * each of them cheaper without touching the dense weights that the optimiser
 * keeps. With W~ = beta S(W) (sste.h), Q a round trip through FP8 (sste_fp8.h)
 * and MVUE an unbiased 2:4 sample (sste_mvue.h):
 *
 *     product      formula                  sparse     groups along  FP8
 *     forward      Z  = Q(X) Q(W~)^T        W~, 2:4    K             E4M3FN
 *     input grad   dX = Q(dZ) Q(W~)         none       -             E5M2
 *     weight grad  dW = Q(MVUE(dZ))^T Q(X)  dZ, 2:4    T (tokens)    E5M2
 *     bias grad    db = column sums of dZ, neither sampled nor in FP8
 *
 * The gradient goes straight through: dW is taken with respect to W~ and given
 * to W unchanged, unmasked and not multiplied by beta, so that pruned weights
 * keep learning.
 *
 *   1. Self-check           do flags or process state break the promises?
 *   2. The layer            options, its scale, its scratch
 *   3. Forward
 *   4. Backward
 *
 * Letters as in sste.h: X: T x K, W: N x K, Z: T x N. A layer needs K to be a
 * multiple of 4, and T as well while it samples gradients. The caller owns all
 * memory; one scratch buffer serves forward and backward and carries nothing
 * from one to the other.
 *
 * Uses sste.h, sste_fp8.h and sste_mvue.h. Nothing is allocated, printed or
 * kept.                                                                     */
#ifndef SSTE_TRAIN_H
#define SSTE_TRAIN_H

#include "sste.h"
#include "sste_fp8.h"
#include "sste_mvue.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. Self-check ------------------------------------------------------- */

/* What sste_self_check can find. Fused multiply-add is no fault: the headers
 * give the same bits with and without it.                                   */
enum {
  SSTE_BROKEN_ROUNDING = 1,   /* not round to nearest, ties to even */
  SSTE_BROKEN_SUBNORMALS = 2, /* flush-to-zero or denormals-are-zero is on */
  SSTE_BROKEN_SUMS = 4,       /* sums are reordered or kept in wider floats */
  SSTE_BROKEN_DIVISION = 8,   /* x / y is computed as x * (1 / y) */
  SSTE_BROKEN_ANSWERS = 16    /* a function gives a wrong known answer */
};

static inline int sste_priv_check_rounding(void) {
  volatile float one = 1.0f, quarter_ulp = 1.0f / 33554432.0f; /* 2^-25 */
  const float nearer = one + quarter_ulp; /* not 1 when rounding upwards */
  const float further = one + 3.0f * quarter_ulp; /* 1 when down, or to zero */
  return nearer != 1.0f || further == 1.0f;
}

static inline int sste_priv_check_subnormals(void) {
  volatile float smallest = FLT_MIN, half = 0.5f;
  const float subnormal = smallest * half; /* 0 where results are flushed */
  volatile float kept = sste_priv_float(0x00400000u);
  const float doubled = kept + kept; /* 0 where operands are flushed */
  return sste_priv_bits(subnormal) != 0x00400000u ||
         sste_priv_bits(doubled) != 0x00800000u;
}

static inline int sste_priv_check_sums(void) {
  volatile float large = 16777216.0f; /* 2^24: adding 1 rounds back */
  const float x = large;
  const float sum = (x + 1.0f) - x;
  return sum != 0.0f;
}

static inline int sste_priv_check_division(void) {
  /* Many quotients by one divisor tempt a compiler to share 1 / y, in a loop or
   * in a row; 41 times the float nearest to 1/41 is not 1. */
  volatile float divisor = 41.0f;
  const float y = divisor, a = y, b = 2.0f * y, c = 4.0f * y, d = 8.0f * y;
  const float q0 = a / y, q1 = b / y, q2 = c / y, q3 = d / y;
  volatile int wrong = q0 != 1.0f || q1 != 2.0f || q2 != 4.0f || q3 != 8.0f;
  int i;
  for (i = 1; i < 100; ++i)
    if ((float)(41 * i) / y != (float)i) wrong = 1;
  return wrong;
}

static inline int sste_priv_check_answers(void) {
  const float a[4] = {4.0f, -3.0f, 2.0f, -1.0f};
  const float b[4] = {1.0f, 2.0f, 3.0f, 4.0f};
  const uint8_t expected[4] = {0x3A, 0xFE, 0x80, 0x01};
  const float x[4] = {1.1875f, -1e30f, -1e-30f, 0.001f};
  float s[4], beta = 0.0f;
  int i, wrong = 0;
  wrong |= sste_tensor_beta(&beta, a, 4, 1, 4) != SSTE_OK || beta != 2.2f;
  wrong |= sste_group_project(s, a) != 0;
  wrong |= s[0] != 2.0f || s[1] != -1.0f || s[2] != 0.0f || s[3] != 0.0f;
  sste_mvue24_group_draw(s, b, 0x80000000u);
  wrong |= s[0] != 0.0f || s[1] != 5.0f || s[2] != 0.0f || s[3] != 5.0f;
  for (i = 0; i < 4; ++i)
    wrong |= sste_fp8_encode(sste_fp8_e4m3fn(), x[i]) != expected[i];
  return wrong;
}

/* sste_self_check - whether the flags this file was compiled with, or the
 * state of the process at this moment, break what the headers promise. Loading
 * a library that was linked with -ffast-math is enough to change that state.
 *   returns   0 if all is well, else a sum of SSTE_BROKEN_ values
 *   e.g.      after _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON):
 *             SSTE_BROKEN_SUBNORMALS
 *   It looks at the calling thread, with the flags of your file. Threads have
 *   rounding modes of their own: with OpenMP call it in a parallel region, too.
 *   Flags of nvcc that change device code alone cannot be seen from the host.
 *   Never fails.                                                            */
SSTE_API int sste_self_check(void) {
  return (sste_priv_check_rounding() ? SSTE_BROKEN_ROUNDING : 0) |
         (sste_priv_check_subnormals() ? SSTE_BROKEN_SUBNORMALS : 0) |
         (sste_priv_check_sums() ? SSTE_BROKEN_SUMS : 0) |
         (sste_priv_check_division() ? SSTE_BROKEN_DIVISION : 0) |
         (sste_priv_check_answers() ? SSTE_BROKEN_ANSWERS : 0);
}

/* ---- 2. The layer -------------------------------------------------------- */

/* One layer: its shape, its frozen scale, and how its products are computed.
 * sste_linear_init fills it; change the options afterwards as you like.     */
typedef struct sste_linear {
  size_t in_features;  /* K, a multiple of 4 */
  size_t out_features; /* N */
  float beta;          /* part of the model: save it with the weights */
  int fp8;             /* 1: both operands of every product through FP8 */
  int mvue;            /* 1: dZ through 2:4 MVUE in the weight grad */
  int scale_gradient;  /* 1: dW is multiplied by beta, the exact chain rule */
  sste_fp8_format forward_format;     /* of X and W~ */
  sste_fp8_format input_grad_format;  /* of dZ and W~ */
  sste_fp8_format weight_grad_format; /* of MVUE(dZ) and X */
} sste_linear;

/* sste_linear_init - a layer with the scale of its initial weights, FP8 and
 * MVUE on, E4M3FN forward and E5M2 backward, the gradient straight through.
 *   layer     receives the layer; untouched on an error
 *   w         N x K floats, rows ldw apart: the weights before the first step
 *   e.g.      w = (4, -3, 2, -1), N = 1, K = 4: beta = 2.2
 *   BITWISE, as sste_tensor_beta. Overwrites layer.
 *   Errors: NULL, and those of sste_tensor_beta (ZERO, NONFINITE among them).
 *   Source: S-STE freezes beta at the first iteration. The official code trains
 *   in these formats; the paper also names E3M4: sste_fp8_e3m4, _e3m4fn.    */
SSTE_API sste_status sste_linear_init(sste_linear *layer, const float *w,
                                      size_t ldw, size_t N, size_t K) {
  float beta;
  const sste_status s = sste_tensor_beta(&beta, w, ldw, N, K);
  if (s != SSTE_OK) return s;
  if (layer == NULL) return SSTE_ERR_NULL;
  layer->in_features = K;
  layer->out_features = N;
  layer->beta = beta;
  layer->fp8 = 1;
  layer->mvue = 1;
  layer->scale_gradient = 0;
  layer->forward_format = sste_fp8_e4m3fn();
  layer->input_grad_format = sste_fp8_e5m2();
  layer->weight_grad_format = sste_fp8_e5m2();
  return SSTE_OK;
}

/* The scratch buffer: W~, X, and dZ or the kept values of W~, all contiguous
 * floats; the codes of one of them; the metadata of W~. */
typedef struct sste_priv_scratch {
  float *w, *x, *z;
  uint8_t *code, *meta;
} sste_priv_scratch;

static inline size_t sste_priv_larger(size_t a, size_t b) {
  return a > b ? a : b;
}

static inline sste_priv_scratch sste_priv_scratch_at(const sste_linear *layer,
                                                     size_t T, void *memory) {
  const size_t N = layer->out_features, K = layer->in_features;
  sste_priv_scratch s;
  s.w = (float *)memory;
  s.x = s.w + N * K;
  s.z = s.x + T * K;
  s.code = (uint8_t *)(s.z + sste_priv_larger(T * N, N * K / 2));
  s.meta = s.code + sste_priv_larger(sste_priv_larger(N * K, T * K), T * N);
  return s;
}

/* sste_linear_scratch_bytes - the scratch that forward and backward need.
 *   layer     an initialised layer
 *   T         tokens of a micro-batch; fewer tokens never need more
 *   returns   bytes; SIZE_MAX if the sizes overflow
 *   e.g.      N = 8, K = 4, T = 4: 4 * (32 + 16 + 32) + 32 + 8 = 360
 *   The same for any number of threads. Never fails.                        */
SSTE_API size_t sste_linear_scratch_bytes(const sste_linear *layer, size_t T) {
  const size_t N = layer->out_features, K = layer->in_features;
  /* Fewer than 16 bytes go to each entry of the largest matrix, whose sizes are
   * two of the three. */
  const size_t limit = (size_t)PTRDIFF_MAX / 16;
  if ((K != 0 && (N > limit / K || T > limit / K)) || (N != 0 && T > limit / N))
    return SIZE_MAX;
  return sizeof(float) * (N * K + T * K + sste_priv_larger(T * N, N * K / 2)) +
         sste_priv_larger(sste_priv_larger(N * K, T * K), T * N) +
         N * sste_priv_meta_cols(K);
}

/* A format that holds weights and gradients: sound, and with a sign. */
static inline int sste_priv_is_signed(sste_fp8_format f) {
  return f.sign_bits == 1 && sste_fp8_format_check(f) == SSTE_OK;
}

/* The layer's own fields, and whether the scratch will do. */
static inline sste_status sste_priv_linear_check(const sste_linear *layer,
                                                 size_t T, const void *scratch,
                                                 size_t scratch_bytes) {
  if (layer == NULL || scratch == NULL) return SSTE_ERR_NULL;
  if (layer->in_features % 4 != 0) return SSTE_ERR_SHAPE;
  if (sste_priv_bits(layer->beta) - 1u >= SSTE_PRIV_INF - 1u ||
      !sste_priv_is_signed(layer->forward_format) ||
      !sste_priv_is_signed(layer->input_grad_format) ||
      !sste_priv_is_signed(layer->weight_grad_format) ||
      (uintptr_t)scratch % sizeof(float) != 0)
    return SSTE_ERR_VALUE;
  return scratch_bytes < sste_linear_scratch_bytes(layer, T) ? SSTE_ERR_SIZE
                                                             : SSTE_OK;
}

/* A matrix that a call was given; `optional` ones may be null. */
typedef struct sste_priv_extent {
  const void *p;
  size_t rows, cols, ld, size;
} sste_priv_extent;

static inline sste_priv_extent sste_priv_floats(const float *p, size_t rows,
                                                size_t cols, size_t ld) {
  sste_priv_extent e;
  e.p = p;
  e.rows = rows;
  e.cols = cols;
  e.ld = ld;
  e.size = sizeof *p;
  return e;
}
static inline sste_priv_extent sste_priv_optional(const float *p, size_t rows,
                                                  size_t cols, size_t ld) {
  return sste_priv_floats(p, p == NULL ? 0 : rows, cols, ld);
}
static inline sste_priv_extent sste_priv_bytes(const void *p, size_t bytes) {
  sste_priv_extent e = sste_priv_floats(NULL, 1, bytes, bytes);
  e.p = p;
  e.size = 1;
  return e;
}

/* All n matrices are sound, and the first `written` of them overlap none. */
static inline sste_status sste_priv_apart(const sste_priv_extent *e,
                                          int written, int n) {
  int i, j;
  for (i = 0; i < n; ++i) {
    const sste_status s =
        sste_priv_matrix(e[i].p, e[i].rows, e[i].cols, e[i].ld, e[i].size);
    if (s != SSTE_OK) return s;
  }
  for (i = 0; i < written; ++i)
    for (j = i + 1; j < n; ++j)
      if (sste_priv_overlap(e[i].p, e[i].rows, e[i].cols, e[i].ld, e[i].size,
                            e[j].p, e[j].rows, e[j].cols, e[j].ld, e[j].size))
        return SSTE_ERR_OVERLAP;
  return SSTE_OK;
}

/* One operand of an FP8 product: q = decode(encode(x * scale)), contiguous, not
 * yet divided by the scale. q may be x where x is contiguous too. */
static inline sste_status sste_priv_quantise(float *q, float *scale,
                                             uint8_t *code, const float *x,
                                             size_t ldx, size_t rows,
                                             size_t cols, sste_fp8_format f) {
  const sste_fp8_recipe how = sste_fp8_recipe_current(f);
  const float one = 1.0f;
  sste_status s = sste_fp8_tensor_scale(scale, x, ldx, rows, cols, how);
  if (s == SSTE_OK)
    s = sste_fp8_tensor_encode(code, cols, x, ldx, rows, cols, scale, how);
  if (s != SSTE_OK) return s;
  return sste_fp8_tensor_decode(q, cols, code, cols, rows, cols, &one, how);
}

/* y = fl(y / (scale_a * scale_b)), then fl(y + bias). The product of the scales
 * is exact in double and cannot overflow there.
 * DEVIATION: the official code forms it in float, where it can overflow. */
static inline void sste_priv_unscale(float *y, size_t ldy, size_t rows,
                                     size_t cols, float scale_a, float scale_b,
                                     const float *bias) {
  const double scale = (double)scale_a * (double)scale_b;
  ptrdiff_t r;
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    float *row = y + (size_t)r * ldy;
    size_t c;
    for (c = 0; c < cols; ++c) {
      float v = (float)((double)row[c] / scale);
      if (bias != NULL) v += bias[c];
      row[c] = sste_priv_canonical(v);
    }
  }
}

/* ---- 3. Forward ---------------------------------------------------------- */

/* sste_linear_forward - Z = X W~^T + b with W~ = beta S(W), through the
 * compressed form; with FP8, both operands are rounded first:
 *     s_x = max / amax|X|,  s_w = max / amax|W~|
 *     Z = fl( fl(sum_k q(X s_x) q(W~ s_w)) / (s_x s_w) ) + b
 *   layer     the layer
 *   z         receives T x N floats, rows ldz apart; overlaps nothing else
 *   x         T x K floats, rows ldx apart
 *   w         N x K floats, rows ldw apart: the dense weights as they are now
 *   bias      N floats, or null for none
 *   T         tokens; the amax of X is over these T rows
 *   scratch   at least sste_linear_scratch_bytes(layer, T) bytes, aligned for
 *             float; overlaps nothing else
 *   specials  A NaN in X makes the NaNs of its row of Z, wherever a kept weight
 *             meets it; a NaN in W those of its column. With FP8, infinities
 *             saturate, and an operand that holds a NaN or an infinity, or is
 *             all zero, has no amax: its scale is 1 (sste_fp8_scale), and its
 *             other entries saturate or vanish as they happen to lie
 *   e.g.      w = (4, -3, 2, -1), FP8 off, x = (1, 1, 1, 1): W~ = (4.4, -2.2,
 *             0, 0), Z = 2.2
 *   ORDERED and BITWISE, as sste_product_forward, then one division and one
 *   addition, each rounded once. Beside the error bound stated there, Z carries
 *   the errors of the FP8 roundings. Overwrites z.
 *   Errors: NULL, SHAPE, SIZE (also: too little scratch), OVERLAP, VALUE (a
 *   field of the layer, or scratch not aligned).
 *   Source: S-STE, the forward product and its FP8 simulation.              */
SSTE_API sste_status sste_linear_forward(const sste_linear *layer, float *z,
                                         size_t ldz, const float *x, size_t ldx,
                                         const float *w, size_t ldw,
                                         const float *bias, size_t T,
                                         void *scratch, size_t scratch_bytes) {
  sste_status s = sste_priv_linear_check(layer, T, scratch, scratch_bytes);
  size_t N, K, meta_cols;
  sste_priv_extent given[5];
  sste_priv_scratch at;
  float scale_x = 1.0f, scale_w = 1.0f;
  if (s != SSTE_OK) return s;
  N = layer->out_features;
  K = layer->in_features;
  meta_cols = sste_priv_meta_cols(K);
  given[0] = sste_priv_bytes(scratch, scratch_bytes);
  given[1] = sste_priv_floats(z, T, N, ldz);
  given[2] = sste_priv_floats(x, T, K, ldx);
  given[3] = sste_priv_floats(w, N, K, ldw);
  given[4] = sste_priv_optional(bias, 1, N, N);
  s = sste_priv_apart(given, 2, 5);
  if (s != SSTE_OK) return s;

  at = sste_priv_scratch_at(layer, T, scratch);
  s = sste_tensor_project(at.w, K, w, ldw, N, K, layer->beta, NULL);
  if (s == SSTE_OK && layer->fp8) {
    s = sste_priv_quantise(at.w, &scale_w, at.code, at.w, K, N, K,
                           layer->forward_format);
    if (s == SSTE_OK)
      s = sste_priv_quantise(at.x, &scale_x, at.code, x, ldx, T, K,
                             layer->forward_format);
    x = at.x;
    ldx = K;
  }
  if (s == SSTE_OK)
    s = sste_tensor_compress(at.z, K / 2, at.meta, meta_cols, at.w, K, N, K);
  if (s == SSTE_OK)
    s = sste_product_forward_compressed(z, ldz, x, ldx, at.z, K / 2, at.meta,
                                        meta_cols, T, N, K);
  if (s == SSTE_OK && (layer->fp8 || bias != NULL))
    sste_priv_unscale(z, ldz, T, N, scale_x, scale_w, bias);
  return s;
}

/* ---- 4. Backward --------------------------------------------------------- */

/* db_n = sum_t dz_tn, t ascending in double, rounded once. */
static inline void sste_priv_bias_grad(float *db, const float *dz, size_t lddz,
                                       size_t T, size_t N) {
  ptrdiff_t n;
  SSTE_OMP(parallel for schedule(static))
  for (n = 0; n < (ptrdiff_t)N; ++n) {
    double sum = 0.0;
    size_t t;
    for (t = 0; t < T; ++t) sum += (double)dz[t * lddz + (size_t)n];
    db[n] = sste_priv_canonical((float)sum);
  }
}

/* dX = Q(dZ) Q(W~): dense, because W~ is 2:4 along K and this sums over N. */
static inline sste_status sste_priv_input_grad(const sste_linear *layer,
                                               float *dx, size_t lddx,
                                               const float *dz, size_t lddz,
                                               const float *w, size_t ldw,
                                               size_t T, sste_priv_scratch at) {
  const size_t N = layer->out_features, K = layer->in_features;
  const sste_fp8_format f = layer->input_grad_format;
  float scale_z = 1.0f, scale_w = 1.0f;
  sste_status s = sste_tensor_project(at.w, K, w, ldw, N, K, layer->beta, NULL);
  if (s == SSTE_OK && layer->fp8) {
    s = sste_priv_quantise(at.w, &scale_w, at.code, at.w, K, N, K, f);
    if (s == SSTE_OK)
      s = sste_priv_quantise(at.z, &scale_z, at.code, dz, lddz, T, N, f);
    dz = at.z;
    lddz = N;
  }
  if (s == SSTE_OK)
    s = sste_product_input_grad(dx, lddx, dz, lddz, at.w, K, T, N, K);
  if (s == SSTE_OK && layer->fp8)
    sste_priv_unscale(dx, lddx, T, K, scale_z, scale_w, NULL);
  return s;
}

/* dW = Q(MVUE(dZ))^T Q(X): sampling first, so that FP8 rounds the survivors. */
static inline sste_status sste_priv_weight_grad(
    const sste_linear *layer, float *dw, size_t lddw, const float *dz,
    size_t lddz, const float *x, size_t ldx, size_t T,
    const sste_mvue_stream *stream, sste_priv_scratch at) {
  const size_t N = layer->out_features, K = layer->in_features;
  const sste_fp8_format f = layer->weight_grad_format;
  float scale_z = 1.0f, scale_x = 1.0f;
  sste_status s = SSTE_OK;
  ptrdiff_t n;
  if (layer->mvue) {
    s = sste_mvue24_tensor_draw(at.z, N, dz, lddz, T, N, SSTE_DOWN_COLUMNS,
                                stream);
    dz = at.z;
    lddz = N;
  }
  if (s == SSTE_OK && layer->fp8) {
    s = sste_priv_quantise(at.z, &scale_z, at.code, dz, lddz, T, N, f);
    if (s == SSTE_OK)
      s = sste_priv_quantise(at.x, &scale_x, at.code, x, ldx, T, K, f);
    dz = at.z;
    lddz = N;
    x = at.x;
    ldx = K;
  }
  if (s == SSTE_OK)
    s = sste_product_weight_grad(dw, lddw, dz, lddz, x, ldx, T, N, K);
  if (s == SSTE_OK && layer->fp8)
    sste_priv_unscale(dw, lddw, N, K, scale_z, scale_x, NULL);
  if (s != SSTE_OK || !layer->scale_gradient) return s;
  SSTE_OMP(parallel for schedule(static))
  for (n = 0; n < (ptrdiff_t)N; ++n) {
    float *row = dw + (size_t)n * lddw;
    size_t k;
    for (k = 0; k < K; ++k) row[k] *= layer->beta;
  }
  return SSTE_OK;
}

/* sste_linear_backward - the three gradients of a layer from dZ:
 *     dX = Q(dZ) Q(W~),   dW = Q(MVUE(dZ))^T Q(X),   db = column sums of dZ
 * each FP8 product divided by both its scales as in the forward product.
 *   layer     the layer
 *   dx        receives T x K floats, rows lddx apart; null to leave it out
 *   dw        receives N x K floats, rows lddw apart; null to leave it out
 *   db        receives N floats; null to leave it out. No output overlaps
 *             anything else
 *   dz        T x N floats, rows lddz apart: the gradient of the loss by Z
 *   x, w      what forward was given; needed whichever gradients are asked for
 *   T         tokens; a multiple of 4 if dw is wanted and MVUE is on. The amax
 *             of dZ, MVUE(dZ) and X are over these T rows
 *   stream    the random bits of MVUE; not read (may be null) without it. Run n
 *             is out-feature n, group g is tokens 4g to 4g + 3: for the part of
 *             a batch that starts at token t, set stream->group to t / 4
 *   scratch   as for forward
 *   specials  as forward and the functions it is made of
 *   e.g.      FP8 and MVUE off, x = (1, 2, 3, 4), dz = 1: dW = (1, 2, 3, 4),
 *             also where W~ is zero
 *   ORDERED and BITWISE, as the products, then one division, rounded once.
 *   E[dW] over the draws is STATISTICAL, and is the dense dW only without FP8,
 *   which rounds to nearest after the draw. Overwrites dx, dw and db.
 *   Errors: NULL, SHAPE, SIZE (also: too little scratch, or a stream past its
 *   counter), OVERLAP, VALUE (a field of the layer, or scratch not aligned).
 *   Source: S-STE, the backward products and straight-through estimator.    */
SSTE_API sste_status sste_linear_backward(
    const sste_linear *layer, float *dx, size_t lddx, float *dw, size_t lddw,
    float *db, const float *dz, size_t lddz, const float *x, size_t ldx,
    const float *w, size_t ldw, size_t T, const sste_mvue_stream *stream,
    void *scratch, size_t scratch_bytes) {
  sste_status s = sste_priv_linear_check(layer, T, scratch, scratch_bytes);
  size_t N, K;
  sste_priv_extent given[7];
  sste_priv_scratch at;
  if (s != SSTE_OK) return s;
  N = layer->out_features;
  K = layer->in_features;
  given[0] = sste_priv_bytes(scratch, scratch_bytes);
  given[1] = sste_priv_optional(dx, T, K, lddx);
  given[2] = sste_priv_optional(dw, N, K, lddw);
  given[3] = sste_priv_optional(db, 1, N, N);
  given[4] = sste_priv_floats(dz, T, N, lddz);
  given[5] = sste_priv_floats(x, T, K, ldx);
  given[6] = sste_priv_floats(w, N, K, ldw);
  s = sste_priv_apart(given, 4, 7);
  if (s != SSTE_OK) return s;
  at = sste_priv_scratch_at(layer, T, scratch);
  if (dw != NULL) { /* first, as only the draw can still refuse */
    s = sste_priv_weight_grad(layer, dw, lddw, dz, lddz, x, ldx, T, stream, at);
    if (s != SSTE_OK) return s;
  }
  if (db != NULL) sste_priv_bias_grad(db, dz, lddz, T, N);
  if (dx == NULL) return SSTE_OK;
  return sste_priv_input_grad(layer, dx, lddx, dz, lddz, w, ldw, T, at);
}

#ifdef __cplusplus
}
#endif

#endif /* SSTE_TRAIN_H */
