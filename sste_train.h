/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * sste_train.h - the S-STE linear layer, its forerunners, and diagnostics.
 *
 * A linear layer Z = X W^T + b costs three products per step, and S-STE makes
 * each of them cheaper without touching the dense weights that the optimiser
 * keeps. With W~ = beta S(W) (sste.h), Q a round trip through FP8 (sste_fp8.h)
 * and MVUE an unbiased 2:4 sample (sste_mvue.h):
 *
 *     product      formula                  sparse     groups along  FP8
 *     forward      Z  = Q(X) Q(W~)^T        W~, 2:4    K             E4M3FN
 *     input grad   dX = Q(dZ) Q(W~)         none *     -             E5M2
 *     weight grad  dW = Q(MVUE(dZ))^T Q(X)  dZ, 2:4    T (tokens)    E5M2
 *     bias grad    db = column sums of dZ, neither sampled nor in FP8
 *
 *     * W~ along N, where its mask is transposable
 *
 * The gradient goes straight through: dW is taken with respect to W~ and given
 * to W unchanged, unmasked and not multiplied by beta, so that pruned weights
 * keep learning.
 *
 * The methods that S-STE is compared with train other sparse weights, M o W
 * with a mask of the largest magnitudes, and pull pruned weights to zero. They
 * are the same layer with other options, and a few small functions around the
 * optimiser.
 *
 *   1. Self-check           do flags or process state break the promises?
 *   2. The layer            options, its scale, its scratch, W~ in FP8
 *   3. Forward
 *   4. Backward             and stochastic rounding to FP8
 *   5. Methods              STE, SR-STE, masked decay, T-SR-STE, STEP, S-STE
 *   6. Diagnostics          amount of descent, frozen masks, a layer's report
 *
 * Letters as in sste.h: X: T x K, W: N x K, Z: T x N. K must be a multiple of
 * 4; T as well where backward samples dZ, N where the mask is transposable. The
 * caller owns all memory; one scratch buffer serves forward and backward and
 * carries nothing from one to the other.
 *
 * The products are those of sste.h, which sum in double, or, by an option, the
 * fast ones of sste_gemm.h.
 *
 * Uses sste.h, sste_fp8.h, sste_mvue.h and sste_gemm.h. Nothing is allocated,
 * printed or kept.                                                          */
#ifndef SSTE_TRAIN_H
#define SSTE_TRAIN_H

#include "sste.h"
#include "sste_fp8.h"
#include "sste_gemm.h"
#include "sste_mvue.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. Self-check ------------------------------------------------------- */

/* What sste_self_check can find. Fused multiply-add is no fault: it changes no
 * BITWISE result, only last bits of ORDERED sums.                           */
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

/* What W~ is.                                                               */
typedef enum sste_weights {
  SSTE_WEIGHTS_SOFT = 0, /* beta S(W): S-STE */
  SSTE_WEIGHTS_MASKED,   /* M o W with the layer's mask: the forerunners */
  SSTE_WEIGHTS_DENSE     /* W: the baseline, dense fine-tuning */
} sste_weights;

/* How the weight grad samples dZ.                                           */
typedef enum sste_mvue_use {
  SSTE_MVUE_OFF = 0,    /* not: all of dZ, a dense product */
  SSTE_MVUE_OPTIMAL,    /* 2:4 of the least variance, one draw per group */
  SSTE_MVUE_APPROXIMATE /* 2:4 by the paper's two draws, of more variance */
} sste_mvue_use;

/* One layer: its shape, its frozen scale, and how its products are computed.
 * sste_linear_init fills it; change the options afterwards as you like.     */
typedef struct sste_linear {
  size_t in_features;   /* K, a multiple of 4 */
  size_t out_features;  /* N */
  sste_weights weights; /* what W~ is */
  float beta;           /* part of the model: save it with the weights */
  float gamma;          /* SOFT: in [0, 1], how far S's threshold lies from the
                           second smallest of four magnitudes to the third */
  const uint8_t *mask;  /* MASKED: N x K bytes, 2:4 along the rows; the caller
                           keeps it, and sste_method_refresh writes it */
  size_t ldm;           /* its rows are ldm apart */
  int transposable;     /* MASKED, 1: it is 2:4 down the columns as well (N a
                           multiple of 4), and dX's product uses that */
  int fp8;              /* 1: both operands of every product through FP8 */
  sste_mvue_use mvue;   /* whether and how the weight grad samples dZ */
  int stochastic; /* 1: MVUE(dZ) is rounded to FP8 at random, so that E[dW]
                           = dZ^T Q(X); 0: to nearest, as the paper does */
  uint32_t rounding_tensor; /* the tensor number of those random bits: one that
                               no MVUE stream uses */
  int scale_gradient; /* SOFT, 1: dW is multiplied by beta, the chain rule */
  int fast;           /* 1: products sum in float (sste_gemm.h), ORDERED: sparse
                         ones forward, for dW with MVUE, and for dX with a
                         transposable mask, else dense; 0: in double (sste.h),
                         BITWISE */
  sste_fp8_format forward_format;     /* of X and W~ */
  sste_fp8_format input_grad_format;  /* of dZ and W~ */
  sste_fp8_format weight_grad_format; /* of MVUE(dZ) and X */
} sste_linear;

/* sste_linear_init - an S-STE layer with the scale of its initial weights, FP8
 * and MVUE on, E4M3FN forward and E5M2 backward, the gradient straight through.
 * For another method, sste_method_refresh changes it before each step. The
 * scale is that of gamma = 0; sste_method_refresh computes that of another.
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
  layer->weights = SSTE_WEIGHTS_SOFT;
  layer->beta = beta;
  layer->gamma = 0.0f;
  layer->mask = NULL;
  layer->ldm = K;
  layer->transposable = 0;
  layer->fp8 = 1;
  layer->mvue = SSTE_MVUE_OPTIMAL;
  layer->stochastic = 0;
  layer->rounding_tensor = 0x80000000u;
  layer->scale_gradient = 0;
  layer->fast = 0;
  layer->forward_format = sste_fp8_e4m3fn();
  layer->input_grad_format = sste_fp8_e5m2();
  layer->weight_grad_format = sste_fp8_e5m2();
  return SSTE_OK;
}

/* The scratch buffer, contiguous: the floats of W~, or the kept values of
 * MVUE(dZ)^T; of X, or the kept values of the transpose of W~; of dZ, or the
 * kept values of W~; if the layer is fast, the panels of a product and its
 * packed matrix; the codes of one of the three; the metadata of the kept. */
typedef struct sste_priv_scratch {
  float *w, *x, *z;
  void *panels, *packed;
  size_t panels_bytes, packed_bytes;
  uint8_t *code, *meta;
} sste_priv_scratch;

static inline size_t sste_priv_larger(size_t a, size_t b) {
  return a > b ? a : b;
}
static inline size_t sste_priv_largest(size_t a, size_t b, size_t c) {
  return sste_priv_larger(sste_priv_larger(a, b), c);
}

/* The tokens whose sampled gradients are compressed. */
static inline size_t sste_priv_kept_tokens(const sste_linear *layer, size_t T) {
  return layer->fast ? T : 0;
}

/* What the largest of a fast layer's products needs: forward, input grad (by
 * W~ and by its transpose) and weight grad. */
static inline size_t sste_priv_panels_of(const sste_linear *layer, size_t T) {
  const size_t N = layer->out_features, K = layer->in_features;
  if (!layer->fast) return 0;
  return sste_priv_larger(sste_priv_largest(sste_priv_panels_bytes(N, K, T),
                                            sste_priv_panels_bytes(K, N, T),
                                            sste_priv_panels_bytes(N, T, K)),
                          sste_priv_larger(sste_priv_panels_bytes(T, K, N),
                                           sste_priv_panels_bytes(T, N, K)));
}
static inline size_t sste_priv_packed_of(const sste_linear *layer, size_t T) {
  const size_t N = layer->out_features, K = layer->in_features;
  if (!layer->fast) return 0;
  return sste_priv_largest(sste_packed_bytes(N, K, SSTE_FLOAT32),
                           sste_packed_bytes(K, N, SSTE_FLOAT32),
                           sste_packed_bytes(N, T, SSTE_FLOAT32));
}

static inline sste_priv_scratch sste_priv_scratch_at(const sste_linear *layer,
                                                     size_t T, void *memory) {
  const size_t N = layer->out_features, K = layer->in_features;
  sste_priv_scratch s;
  s.w = (float *)memory;
  s.x = s.w + sste_priv_larger(N * K, N * sste_priv_kept_tokens(layer, T) / 2);
  s.z = s.x + sste_priv_larger(T * K, N * K / 2);
  s.panels = s.z + sste_priv_larger(T * N, N * K / 2);
  s.panels_bytes = sste_priv_panels_of(layer, T);
  s.packed = (uint8_t *)s.panels + s.panels_bytes;
  s.packed_bytes = sste_priv_packed_of(layer, T);
  s.code = (uint8_t *)s.packed + s.packed_bytes;
  s.meta = s.code + sste_priv_largest(N * K, T * K, T * N);
  return s;
}

/* sste_linear_scratch_bytes - the scratch that forward and backward need.
 *   layer     an initialised layer
 *   T         tokens of a micro-batch; fewer tokens never need more
 *   returns   bytes; SIZE_MAX if the sizes overflow
 *   e.g.      N = 8, K = 4, T = 4, not fast: 4 * (32 + 16 + 32) + 32 + 8 = 360
 *   The same for any number of threads. Never fails.                        */
SSTE_API size_t sste_linear_scratch_bytes(const sste_linear *layer, size_t T) {
  const size_t N = layer->out_features, K = layer->in_features;
  const size_t kept = sste_priv_kept_tokens(layer, T);
  /* Fewer than 16 bytes go to each entry of the largest matrix, whose sizes are
   * two of the three. */
  const size_t limit = (size_t)PTRDIFF_MAX / 16;
  size_t panels, packed;
  if ((K != 0 && (N > limit / K || T > limit / K)) || (N != 0 && T > limit / N))
    return SIZE_MAX;
  panels = sste_priv_panels_of(layer, T);
  packed = sste_priv_packed_of(layer, T);
  if (panels > (size_t)PTRDIFF_MAX / 2 || packed > (size_t)PTRDIFF_MAX / 4)
    return SIZE_MAX;
  return sizeof(float) * (sste_priv_larger(N * K, N * kept / 2) +
                          sste_priv_larger(T * K, N * K / 2) +
                          sste_priv_larger(T * N, N * K / 2)) +
         panels + packed + sste_priv_largest(N * K, T * K, T * N) +
         sste_priv_largest(N * sste_priv_meta_cols(K),
                           K * sste_priv_meta_cols(N),
                           N * sste_priv_meta_cols(kept));
}

/* A format that holds weights and gradients: sound, and with a sign. */
static inline int sste_priv_is_signed(sste_fp8_format f) {
  return f.sign_bits == 1 && sste_fp8_format_check(f) == SSTE_OK;
}

/* A mask that M o W can be compressed by: at most two of four along the rows,
 * and down the columns if it is transposable. */
static inline sste_status sste_priv_mask_check(const sste_linear *layer) {
  const size_t N = layer->out_features, K = layer->in_features;
  sste_nm nm = sste_nm_of(2, 4);
  sste_status s;
  nm.type = SSTE_INT8;
  s = sste_tensor_check_nm(layer->mask, layer->ldm, N, K, nm, NULL, NULL);
  if (s != SSTE_OK || !layer->transposable) return s;
  nm.axis = SSTE_DOWN_COLUMNS;
  return sste_tensor_check_nm(layer->mask, layer->ldm, N, K, nm, NULL, NULL);
}

/* The layer's own fields, and whether the scratch will do. */
static inline sste_status sste_priv_linear_check(const sste_linear *layer,
                                                 size_t T, const void *scratch,
                                                 size_t scratch_bytes) {
  if (layer == NULL || scratch == NULL) return SSTE_ERR_NULL;
  if (layer->in_features % 4 != 0) return SSTE_ERR_SHAPE;
  if (sste_priv_bits(layer->beta) - 1u >= SSTE_PRIV_INF - 1u ||
      !sste_priv_is_gamma(layer->gamma) || (int)layer->weights < 0 ||
      layer->weights > SSTE_WEIGHTS_DENSE || (int)layer->mvue < 0 ||
      layer->mvue > SSTE_MVUE_APPROXIMATE ||
      !sste_priv_is_signed(layer->forward_format) ||
      !sste_priv_is_signed(layer->input_grad_format) ||
      !sste_priv_is_signed(layer->weight_grad_format) ||
      (uintptr_t)scratch % sizeof(float) != 0)
    return SSTE_ERR_VALUE;
  if (scratch_bytes < sste_linear_scratch_bytes(layer, T)) return SSTE_ERR_SIZE;
  return layer->weights == SSTE_WEIGHTS_MASKED ? sste_priv_mask_check(layer)
                                               : SSTE_OK;
}

/* A matrix that a call may be given, or null. */
static inline sste_priv_extent sste_priv_optional(const float *p, size_t rows,
                                                  size_t cols, size_t ld) {
  return sste_priv_floats(p, p == NULL ? 0 : rows, cols, ld);
}
/* The mask of a layer that has one. */
static inline sste_priv_extent sste_priv_mask_of(const sste_linear *layer) {
  const int masked = layer->weights == SSTE_WEIGHTS_MASKED;
  sste_priv_extent e = sste_priv_floats(NULL, masked ? layer->out_features : 0,
                                        layer->in_features, layer->ldm);
  e.p = layer->mask;
  e.size = 1;
  return e;
}

/* The arguments that the functions of W~ = beta S(W) below share; S is that of
 * gamma = 0. */
static inline sste_status sste_priv_project_check(const float *w, size_t ldw,
                                                  size_t rows, size_t cols,
                                                  float beta) {
  const sste_status s = sste_priv_matrix(w, rows, cols, ldw, sizeof *w);
  if (s != SSTE_OK) return s;
  if (rows != 0 && cols % 4 != 0) return SSTE_ERR_SHAPE;
  return sste_priv_bits(beta) - 1u >= SSTE_PRIV_INF - 1u ? SSTE_ERR_VALUE
                                                         : SSTE_OK;
}

/* Floats of W~ that are made at a time, and used while they are in the cache:
 * so few that a processor starts to load the next while it works on these. */
#define SSTE_PRIV_MADE ((size_t)(2 * SSTE_PRIV_SPAN))

/* lane[j] = the larger of it and the magnitudes of W~ in n floats of a row. */
static inline void sste_priv_project_lanes(int32_t *lane, const float *w,
                                           size_t n, float beta) {
  SSTE_PRIV_ALIGNED float made[SSTE_PRIV_MADE];
  size_t c;
  for (c = 0; c < n; c += SSTE_PRIV_MADE) {
    const size_t m = n - c < SSTE_PRIV_MADE ? n - c : SSTE_PRIV_MADE;
    sste_priv_project_strip(made, w + c, m, beta);
    sste_priv_fp8_lanes_amax(lane, made, m, 0);
  }
}

/* The codes of n floats of a row, and how many groups came out as NaN. */
static inline size_t sste_priv_project_codes(uint8_t *code, const float *w,
                                             size_t n, float beta, float scale,
                                             sste_fp8_recipe how,
                                             sste_priv_fp8_fast k) {
  SSTE_PRIV_ALIGNED float made[SSTE_PRIV_MADE];
  size_t count = 0, c;
  for (c = 0; c < n; c += SSTE_PRIV_MADE) {
    const size_t m = n - c < SSTE_PRIV_MADE ? n - c : SSTE_PRIV_MADE;
    count += sste_priv_project_strip(made, w + c, m, beta);
    sste_priv_fp8_row_encode_pieces(code + c, made, (ptrdiff_t)m, scale, how,
                                    k);
  }
  return count;
}

/* sste_tensor_project_amax - the largest magnitude of W~ = beta S(W), which is
 * never stored: w is read and nothing written.
 *   amax      receives max |W~|; 0 for an empty matrix
 *   w         rows x cols floats, rows ldw apart; cols a multiple of 4
 *   beta      finite and positive, as for sste_tensor_project
 *   specials  a NaN anywhere in W~ gives 0x7FC00000
 *   e.g.      beta 2: (4, -3, 2, -1) -> 4
 *   BITWISE: the bits of sste_tensor_project followed by sste_fp8_tensor_amax.
 *   Overwrites. Errors: NULL, SHAPE, SIZE, VALUE (beta).
 *   Source: S-STE, the scale of W~ in FP8.                                  */
SSTE_API sste_status sste_tensor_project_amax(float *amax, const float *w,
                                              size_t ldw, size_t rows,
                                              size_t cols, float beta) {
  int32_t top = 0;
  ptrdiff_t i;
  const sste_status s = sste_priv_project_check(w, ldw, rows, cols, beta);
  if (s != SSTE_OK) return s;
  if (amax == NULL) return SSTE_ERR_NULL;
  SSTE_OMP(parallel for schedule(static) reduction(max : top))
  for (i = 0; i < (ptrdiff_t)sste_priv_strips(rows, cols); ++i) {
    const sste_priv_strip at = sste_priv_strip_at((size_t)i, cols);
    SSTE_PRIV_ALIGNED int32_t lane[64] = {0};
    int32_t m;
    sste_priv_project_lanes(lane, w + at.row * ldw + at.col, at.n, beta);
    m = sste_priv_fp8_lanes_top(lane);
    top = m > top ? m : top;
  }
  *amax = sste_priv_float((uint32_t)top);
  return SSTE_OK;
}

/* sste_tensor_project_encode - the codes of W~ = beta S(W), in one pass:
 *     code = encode(W~ * scale), or as the recipe says
 *   code      receives rows x cols codes, rows ldc apart; may not overlap w
 *   w         rows x cols floats, rows ldw apart; cols a multiple of 4
 *   beta      finite and positive: sste_tensor_beta's, or 1 for S(W) alone
 *   scale     one, or with how.per_row one for each row, as for
 *             sste_fp8_tensor_encode: sste_fp8_scale of
 *             sste_tensor_project_amax, of W or of each row (which a recipe
 *             with drop_nan cannot use, as that amax is NaN where W~ is)
 *   how       sste_fp8_recipe_current(format) or another recipe
 *   nan_groups receives how many groups came out as NaN; may be null
 *   specials  of W~ as sste_tensor_project, of its codes as how.rule says
 *   e.g.      E4M3FN, beta 2, scale 112: (4, -3, 2, -1) -> W~ = (4, -2, 0, 0)
 *             -> {0x7E, 0xF6, 0x00, 0x00}
 *   BITWISE: the codes of sste_tensor_project followed by
 *   sste_fp8_tensor_encode. Overwrites code.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (beta, scale or recipe).
 *   Source: S-STE, W~ and its FP8 simulation.                               */
SSTE_API sste_status sste_tensor_project_encode(uint8_t *code, size_t ldc,
                                                const float *w, size_t ldw,
                                                size_t rows, size_t cols,
                                                float beta, const float *scale,
                                                sste_fp8_recipe how,
                                                size_t *nan_groups) {
  sste_priv_fp8_fast k;
  size_t count = 0;
  ptrdiff_t i;
  sste_status s = sste_priv_project_check(w, ldw, rows, cols, beta);
  if (s == SSTE_OK)
    s = sste_priv_fp8_tensor_check(code, ldc, sizeof *code, w, ldw, sizeof *w,
                                   rows, cols, scale, how);
  if (s != SSTE_OK) return s;
  k = sste_priv_fp8_constants(how.format, how.rule);
  SSTE_OMP(parallel for schedule(static) reduction(+ : count))
  for (i = 0; i < (ptrdiff_t)sste_priv_strips(rows, cols); ++i) {
    const sste_priv_strip at = sste_priv_strip_at((size_t)i, cols);
    count += sste_priv_project_codes(code + at.row * ldc + at.col,
                                     w + at.row * ldw + at.col, at.n, beta,
                                     scale[how.per_row ? at.row : 0], how, k);
  }
  if (nan_groups != NULL) *nan_groups = count;
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

/* W~, contiguous: what every product of the layer multiplies by. For gamma = 0
 * both projections give the same bits, and the first is fast. */
static inline sste_status sste_priv_weights(const sste_linear *layer,
                                            float *out, const float *w,
                                            size_t ldw, size_t *nan_groups) {
  const size_t N = layer->out_features, K = layer->in_features;
  size_t n;
  if (layer->weights == SSTE_WEIGHTS_SOFT && layer->gamma == 0.0f)
    return sste_tensor_project(out, K, w, ldw, N, K, layer->beta, nan_groups);
  if (layer->weights == SSTE_WEIGHTS_SOFT)
    return sste_tensor_project_nm(out, K, w, ldw, N, K, sste_nm_of(2, 4),
                                  layer->gamma, layer->beta, nan_groups);
  if (layer->weights == SSTE_WEIGHTS_MASKED)
    return sste_tensor_apply_mask(out, K, w, ldw, layer->mask, layer->ldm, N,
                                  K);
  for (n = 0; n < N && K != 0; ++n)
    memcpy(out + n * K, w + n * ldw, K * sizeof *out);
  return SSTE_OK;
}

/* out^T = A B with A (M x K) compressed; out (J x M) and x = B^T (J x K) lie
 * row by row: Z^T = W X^T, and with W^T and dZ^T, dX^T. */
static inline sste_status sste_priv_compressed_product(
    const sste_linear *layer, float *out, size_t ldo, const float *x,
    size_t ldx, const float *values, const uint8_t *meta, size_t J, size_t M,
    size_t K, sste_priv_scratch at) {
  const size_t ldm = sste_priv_meta_cols(K);
  sste_packed packed;
  sste_status s;
  if (!layer->fast)
    return sste_product_forward_compressed(out, ldo, x, ldx, values, K / 2,
                                           meta, ldm, J, M, K);
  s = sste_packed_init(&packed, at.packed, at.packed_bytes, values, K / 2, meta,
                       ldm, M, K, SSTE_FLOAT32, NULL);
  if (s != SSTE_OK) return s;
  return sste_packed_product(out, ldo, 1, &packed, x, ldx, 1, J, at.panels,
                             at.panels_bytes);
}

/* y = fl(y / (scale_a * scale_b)), by way of double, then fl(y + bias). The
 * product of the scales is exact in double and cannot overflow there.
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

/* sste_linear_forward - Z = X W~^T + b, for W~ = beta S(W) and M o W through
 * the compressed form; with FP8, both operands are rounded first:
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
 *   specials  A NaN in X makes NaN of its row of Z where it meets a place that
 *             the compressed form names, those that hold +0 among them, or with
 *             dense weights everywhere; a NaN in W, unless a mask prunes it, of
 *             its column. With FP8, infinities saturate, and an operand that
 *             holds a NaN or an infinity, or is all zero, has no amax: its
 *             scale is 1 (sste_fp8_scale), and its other entries saturate or
 *             vanish as they happen to lie
 *   e.g.      w = (4, -3, 2, -1), FP8 off, x = (1, 1, 1, 1): W~ = (4.4, -2.2,
 *             0, 0), Z = 2.2
 *   ORDERED and BITWISE, as sste_product_forward, or if the layer is fast
 *   ORDERED as those of sste_gemm.h; then, with FP8, one division in double,
 *   rounded to float, and one addition of the bias in float. Beside the error
 *   bound stated there, Z carries the errors of the FP8 roundings.
 *   Overwrites z.
 *   Errors: NULL, SHAPE, SIZE (also: too little scratch), OVERLAP, VALUE (a
 *   field of the layer, or scratch not aligned), PATTERN (a mask that is not
 *   2:4).
 *   Source: S-STE, the forward product and its FP8 simulation.              */
SSTE_API sste_status sste_linear_forward(const sste_linear *layer, float *z,
                                         size_t ldz, const float *x, size_t ldx,
                                         const float *w, size_t ldw,
                                         const float *bias, size_t T,
                                         void *scratch, size_t scratch_bytes) {
  sste_status s = sste_priv_linear_check(layer, T, scratch, scratch_bytes);
  size_t N, K;
  sste_priv_extent given[6];
  sste_priv_scratch at;
  float scale_x = 1.0f, scale_w = 1.0f;
  if (s != SSTE_OK) return s;
  N = layer->out_features;
  K = layer->in_features;
  given[0] = sste_priv_bytes(scratch, scratch_bytes);
  given[1] = sste_priv_floats(z, T, N, ldz);
  given[2] = sste_priv_floats(x, T, K, ldx);
  given[3] = sste_priv_floats(w, N, K, ldw);
  given[4] = sste_priv_optional(bias, 1, N, N);
  given[5] = sste_priv_mask_of(layer);
  s = sste_priv_apart(given, 2, 6);
  if (s != SSTE_OK) return s;

  at = sste_priv_scratch_at(layer, T, scratch);
  s = sste_priv_weights(layer, at.w, w, ldw, NULL);
  if (s == SSTE_OK && layer->fp8) {
    s = sste_priv_quantise(at.w, &scale_w, at.code, at.w, K, N, K,
                           layer->forward_format);
    if (s == SSTE_OK)
      s = sste_priv_quantise(at.x, &scale_x, at.code, x, ldx, T, K,
                             layer->forward_format);
    x = at.x;
    ldx = K;
  }
  if (s == SSTE_OK && layer->weights == SSTE_WEIGHTS_DENSE) {
    s = layer->fast ? sste_dense_product(z, ldz, x, ldx, 0, at.w, K, 1, T, N, K,
                                         at.panels, at.panels_bytes)
                    : sste_product_forward(z, ldz, x, ldx, at.w, K, T, N, K);
  } else if (s == SSTE_OK) {
    s = sste_tensor_compress(at.z, K / 2, at.meta, sste_priv_meta_cols(K), at.w,
                             K, N, K);
    if (s == SSTE_OK)
      s = sste_priv_compressed_product(layer, z, ldz, x, ldx, at.z, at.meta, T,
                                       N, K, at);
  }
  if (s == SSTE_OK && (layer->fp8 || bias != NULL))
    sste_priv_unscale(z, ldz, T, N, scale_x, scale_w, bias);
  return s;
}

/* ---- 4. Backward --------------------------------------------------------- */

/* db_n = sum_t dz_tn, t ascending in double, rounded once. By strips of
 * columns: down a single one, every float would cost a cache line. */
static inline void sste_priv_bias_grad(float *db, const float *dz, size_t lddz,
                                       size_t T, size_t N) {
  const size_t strip = 256;
  ptrdiff_t b;
  SSTE_OMP(parallel for schedule(static))
  for (b = 0; b < (ptrdiff_t)((N + strip - 1) / strip); ++b) {
    const size_t first = (size_t)b * strip;
    const ptrdiff_t n = (ptrdiff_t)(N - first < strip ? N - first : strip);
    double sum[256] = {0.0};
    ptrdiff_t j;
    size_t t;
    for (t = 0; t < T; ++t) {
      const float *row = dz + t * lddz + first;
      SSTE_OMP(simd)
      for (j = 0; j < n; ++j) sum[j] += (double)row[j];
    }
    for (j = 0; j < n; ++j)
      db[first + (size_t)j] = sste_priv_canonical((float)sum[j]);
  }
}

/* dX = dZ W~ with W~ 2:4 down its columns: the forward product of W~^T. */
static inline sste_status sste_priv_transposed_product(const sste_linear *layer,
                                                       float *dx, size_t lddx,
                                                       const float *dz,
                                                       size_t lddz, size_t T,
                                                       sste_priv_scratch at) {
  const size_t N = layer->out_features, K = layer->in_features;
  const sste_status s =
      sste_tensor_compress_as(at.x, N / 2, at.meta, sste_priv_meta_cols(N),
                              at.w, K, N, K, SSTE_FLOAT32, SSTE_DOWN_COLUMNS);
  if (s != SSTE_OK) return s;
  return sste_priv_compressed_product(layer, dx, lddx, dz, lddz, at.x, at.meta,
                                      T, K, N, at);
}

/* dX = Q(dZ) Q(W~). Dense unless the mask is transposable: W~ is 2:4 along K,
 * and this sums over N. */
static inline sste_status sste_priv_input_grad(const sste_linear *layer,
                                               float *dx, size_t lddx,
                                               const float *dz, size_t lddz,
                                               const float *w, size_t ldw,
                                               size_t T, sste_priv_scratch at) {
  const size_t N = layer->out_features, K = layer->in_features;
  const sste_fp8_format f = layer->input_grad_format;
  float scale_z = 1.0f, scale_w = 1.0f;
  sste_status s = sste_priv_weights(layer, at.w, w, ldw, NULL);
  if (s == SSTE_OK && layer->fp8) {
    s = sste_priv_quantise(at.w, &scale_w, at.code, at.w, K, N, K, f);
    if (s == SSTE_OK)
      s = sste_priv_quantise(at.z, &scale_z, at.code, dz, lddz, T, N, f);
    dz = at.z;
    lddz = N;
  }
  if (s != SSTE_OK) return s;
  if (layer->weights == SSTE_WEIGHTS_MASKED && layer->transposable)
    s = sste_priv_transposed_product(layer, dx, lddx, dz, lddz, T, at);
  else if (layer->fast)
    s = sste_dense_product(dx, lddx, dz, lddz, 0, at.w, K, 0, T, K, N,
                           at.panels, at.panels_bytes);
  else
    s = sste_product_input_grad(dx, lddx, dz, lddz, at.w, K, T, N, K);
  if (s == SSTE_OK && layer->fp8)
    sste_priv_unscale(dx, lddx, T, K, scale_z, scale_w, NULL);
  return s;
}

/* sste_fp8_encode_float, saturating and stochastic, without a branch: |x| is
 * multiplied so that its spacing in the format becomes 1, which is exact. What
 * is then behind the point, to 32 bits, and the random word: their carry is
 * what rounds up. */
SSTE_PRIV_INLINE uint8_t sste_priv_stochastic_encode(sste_priv_fp8_fast k,
                                                     float x, uint32_t random) {
  const int32_t inf = (int32_t)SSTE_PRIV_INF;
  const int32_t sign = (int32_t)(sste_priv_bits(x) >> 24 & 0x80u);
  const int32_t magnitude = (int32_t)(sste_priv_bits(x) & 0x7FFFFFFFu);
  const int32_t is_nan = -(magnitude > inf);
  const int32_t cut = magnitude < k.ceiling ? magnitude : k.ceiling;
  const int32_t e = (cut & inf) > k.smallest ? cut & inf : k.smallest;
  const uint32_t unit = ((277u - (uint32_t)k.shift) << 23) - (uint32_t)e;
  const float value = sste_priv_float((uint32_t)cut) * sste_priv_float(unit);
  const int32_t units = (int32_t)value;
  const float fraction = (value - (float)units) * 65536.0f;
  const int32_t upper = (int32_t)fraction;
  const int32_t lower = (int32_t)((fraction - (float)upper) * 65536.0f);
  const uint32_t passed = (uint32_t)upper << 16 | (uint32_t)lower;
  const uint32_t carry =
      ((passed & random) | ((passed | random) & ~(passed + random))) >> 31;
  const int32_t code = units + ((e - k.smallest) >> k.shift) + (int32_t)carry;
  const int32_t fixed = code ^ (is_nan & k.nan_fix);
  /* -fixed has bit 7 set unless the code is 0 */
  return (uint8_t)(fixed | (sign & ~is_nan & (k.zero_keeps | -fixed)));
}

/* A tile of a matrix, at which the stream is: n of each of `rows` rows, one
 * along rows, up to four down columns. Fast as nothing branches and random bits
 * are made for many runs or groups at a time. */
static inline void sste_priv_stochastic_tile(uint8_t *code, size_t ldc,
                                             const float *x, size_t ldx,
                                             size_t rows, ptrdiff_t n,
                                             float scale, sste_priv_fp8_fast k,
                                             int down,
                                             const sste_mvue_stream *stream) {
  const uint32_t group = (uint32_t)stream->group, run = (uint32_t)stream->run;
  const ptrdiff_t quads = (n + 3) / 4;
  sste_priv_mvue_tile t;
  size_t r;
  ptrdiff_t j;
  if (down) { /* pieces of rows, which no processor foresees */
    for (r = 0; r < rows; ++r)
      for (j = 0; j < n; j += 16) SSTE_PRIV_MVUE_SOON(x + r * ldx + j);
    sste_priv_mvue_tile_words(&t, stream, group, 0, run, 1, n);
  } else {
    sste_priv_mvue_tile_words(&t, stream, group, 1, run, 0, quads);
    sste_priv_mvue_tile_in_order(&t, quads);
  }
  for (r = 0; r < rows; ++r) {
    const uint32_t *word = down ? t.word[r] : t.in_order;
    uint8_t *to = code + r * ldc;
    const float *from = x + r * ldx;
    SSTE_OMP(simd)
    for (j = 0; j < n; ++j)
      to[j] = sste_priv_stochastic_encode(k, from[j] * scale, word[j]);
  }
}

/* sste_fp8_tensor_encode_stochastic - codes whose mean is the scaled value:
 * rounded up or down at random, in proportion to where between its neighbours
 * it lies. What an unbiased sample goes through to stay unbiased in FP8.
 *   code      receives rows x cols bytes, rows ldc apart; may not overlap x
 *   x         rows x cols floats, rows ldx apart
 *   f         a format with a sign
 *   scale     finite and positive: fl(x * scale) is what is rounded
 *   axis      which way the stream's runs go
 *   stream    seed, tensor (its own: no MVUE stream's), step, and where in the
 *             whole tensor x begins, stream->group counting groups of four
 *             elements along a run. Element i of group g takes word i of Philox
 *             at counter (g, run, step, tensor)
 *   specials  beyond the largest finite number and at infinity: that number, so
 *             that the mean is lost; NaN is the format's
 *   e.g.      E4M3FN, 1.2 lies 0.6 of the way from 0x39 (1.125) to 0x3A (1.25):
 *             0x3A for six words in ten
 *   BITWISE; the mean of the decoded codes is STATISTICAL: fl(x * scale) to
 *   within 2^-32 of the gap. Overwrites code.
 *   Errors: NULL, SHAPE, SIZE (also: a run or a group past 2^32), OVERLAP,
 *   VALUE (f, scale, axis).                                                 */
SSTE_API sste_status sste_fp8_tensor_encode_stochastic(
    uint8_t *code, size_t ldc, const float *x, size_t ldx, size_t rows,
    size_t cols, sste_fp8_format f, float scale, sste_axis axis,
    const sste_mvue_stream *stream) {
  const int down = axis == SSTE_DOWN_COLUMNS;
  const size_t tile = SSTE_PRIV_MVUE_TILE, high = down ? 4 : 1;
  const sste_priv_runs at = sste_priv_runs_of(rows, cols, ldx, axis, 1);
  sste_priv_fp8_fast k;
  size_t last_run, last_group, across;
  ptrdiff_t i;
  const sste_status s =
      sste_priv_two(code, ldc, sizeof *code, x, ldx, sizeof *x, rows, cols);
  if ((!down && axis != SSTE_ALONG_ROWS) || !sste_priv_is_signed(f) ||
      sste_priv_bits(scale) - 1u >= SSTE_PRIV_INF - 1u)
    return SSTE_ERR_VALUE;
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (stream == NULL) return SSTE_ERR_NULL;
  last_run = stream->run + (at.runs - 1);
  last_group = stream->group + (at.length - 1) / 4;
  if (sste_priv_mvue_is_past(stream->run, last_run) ||
      sste_priv_mvue_is_past(stream->group, last_group))
    return SSTE_ERR_SIZE;
  k = sste_priv_fp8_constants(f, sste_fp8_saturating());
  across = (cols - 1) / tile + 1;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)(((rows - 1) / high + 1) * across); ++i) {
    const size_t r = (size_t)i / across * high, c = (size_t)i % across * tile;
    sste_mvue_stream here = *stream;
    here.run += down ? c : r;
    here.group += (down ? r : c) / 4;
    sste_priv_stochastic_tile(code + r * ldc + c, ldc, x + r * ldx + c, ldx,
                              rows - r < high ? rows - r : high,
                              (ptrdiff_t)(cols - c < tile ? cols - c : tile),
                              scale, k, down, &here);
  }
  return SSTE_OK;
}

/* MVUE(dZ) through FP8 at random, as sste_priv_quantise does to nearest. The
 * stream may be null where there is nothing to draw. */
static inline sste_status sste_priv_quantise_stochastic(
    float *q, float *scale, uint8_t *code, size_t rows, size_t cols,
    sste_fp8_format f, const sste_mvue_stream *stream, uint32_t tensor) {
  const sste_fp8_recipe how = sste_fp8_recipe_current(f);
  const float one = 1.0f;
  sste_mvue_stream own = {0, 0, 0, 0, 0};
  sste_status s = sste_fp8_tensor_scale(scale, q, cols, rows, cols, how);
  if (stream != NULL) own = *stream;
  own.tensor = tensor;
  if (s == SSTE_OK)
    s = sste_fp8_tensor_encode_stochastic(code, cols, q, cols, rows, cols, f,
                                          *scale, SSTE_DOWN_COLUMNS, &own);
  if (s != SSTE_OK) return s;
  return sste_fp8_tensor_decode(q, cols, code, cols, rows, cols, &one, how);
}

/* dW = dZ^T X with dZ (contiguous) 2:4 down its columns: half the products. */
static inline sste_status sste_priv_sampled_product(
    const sste_linear *layer, float *dw, size_t lddw, const float *dz,
    const float *x, size_t ldx, size_t T, sste_priv_scratch at) {
  const size_t N = layer->out_features, K = layer->in_features;
  const size_t ldm = sste_priv_meta_cols(T);
  sste_packed packed;
  sste_status s = sste_tensor_compress_as(at.w, T / 2, at.meta, ldm, dz, N, T,
                                          N, SSTE_FLOAT32, SSTE_DOWN_COLUMNS);
  if (s == SSTE_OK)
    s = sste_packed_init(&packed, at.packed, at.packed_bytes, at.w, T / 2,
                         at.meta, ldm, N, T, SSTE_FLOAT32, NULL);
  if (s != SSTE_OK) return s;
  return sste_packed_product(dw, lddw, 0, &packed, x, ldx, 0, K, at.panels,
                             at.panels_bytes);
}

/* MVUE(dZ), contiguous, groups of four tokens. */
static inline sste_status sste_priv_sample(const sste_linear *layer, float *out,
                                           const float *dz, size_t lddz,
                                           size_t T,
                                           const sste_mvue_stream *stream) {
  const size_t N = layer->out_features;
  return layer->mvue == SSTE_MVUE_APPROXIMATE
             ? sste_mvue24_tensor_draw_approx(out, N, dz, lddz, T, N,
                                              SSTE_DOWN_COLUMNS, stream)
             : sste_mvue24_tensor_draw(out, N, dz, lddz, T, N,
                                       SSTE_DOWN_COLUMNS, stream);
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
    s = sste_priv_sample(layer, at.z, dz, lddz, T, stream);
    dz = at.z;
    lddz = N;
  }
  if (s == SSTE_OK && layer->fp8) {
    s = layer->mvue && layer->stochastic
            ? sste_priv_quantise_stochastic(at.z, &scale_z, at.code, T, N, f,
                                            stream, layer->rounding_tensor)
            : sste_priv_quantise(at.z, &scale_z, at.code, dz, lddz, T, N, f);
    if (s == SSTE_OK)
      s = sste_priv_quantise(at.x, &scale_x, at.code, x, ldx, T, K, f);
    dz = at.z;
    lddz = N;
    x = at.x;
    ldx = K;
  }
  if (s != SSTE_OK) return s;
  if (!layer->fast)
    s = sste_product_weight_grad(dw, lddw, dz, lddz, x, ldx, T, N, K);
  else if (layer->mvue)
    s = sste_priv_sampled_product(layer, dw, lddw, dz, x, ldx, T, at);
  else
    s = sste_dense_product(dw, lddw, dz, lddz, 1, x, ldx, 0, N, K, T, at.panels,
                           at.panels_bytes);
  if (s == SSTE_OK && layer->fp8)
    sste_priv_unscale(dw, lddw, N, K, scale_z, scale_x, NULL);
  if (s != SSTE_OK || !layer->scale_gradient ||
      layer->weights != SSTE_WEIGHTS_SOFT)
    return s;
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
 *             a batch that starts at token t, set stream->group to t / 4. The
 *             approximate sample counts alike, but takes two words per group
 *             (sste_mvue24_tensor_draw_approx): half as many groups are to be
 *             had, and as its words are those of the optimal sample, only with
 *             another seed or tensor are the two independent
 *   scratch   as for forward
 *   specials  as forward and the functions it is made of
 *   e.g.      FP8 and MVUE off, x = (1, 2, 3, 4), dz = 1: dW = (1, 2, 3, 4),
 *             also where W~ is zero
 *   ORDERED and BITWISE, as the products, or if the layer is fast ORDERED;
 *   then, with FP8, one division in double, rounded to float, and with
 *   scale_gradient one product in float. Fast products with a sampled dZ
 *   multiply only what the sample names.
 *   E[dW] over the draws is STATISTICAL: dZ^T X without FP8, dZ^T Q(X) with FP8
 *   and stochastic rounding, and biased with FP8 to nearest. Overwrites dx, dw
 *   and db.
 *   Errors: NULL, SHAPE, SIZE (also: too little scratch, or a stream past its
 *   counter), OVERLAP, VALUE (a field of the layer, or scratch not aligned),
 *   PATTERN (a mask that is not 2:4).
 *   DEVIATION: the official code samples dZ by two draws per group, as
 *   SSTE_MVUE_APPROXIMATE does; the default is the optimum.
 *   Source: S-STE, the backward products and straight-through estimator.    */
SSTE_API sste_status sste_linear_backward(
    const sste_linear *layer, float *dx, size_t lddx, float *dw, size_t lddw,
    float *db, const float *dz, size_t lddz, const float *x, size_t ldx,
    const float *w, size_t ldw, size_t T, const sste_mvue_stream *stream,
    void *scratch, size_t scratch_bytes) {
  sste_status s = sste_priv_linear_check(layer, T, scratch, scratch_bytes);
  size_t N, K;
  sste_priv_extent given[8];
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
  given[7] = sste_priv_mask_of(layer);
  s = sste_priv_apart(given, 4, 8);
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

/* ---- 5. Methods ---------------------------------------------------------- */

/* A training loop, for any method:
 *
 *     every step   sste_method_refresh      mask, beta, dense or sparse
 *                  forward, backward
 *                  sste_method_decay_weight SR-STE's decay
 *                  sste_method_decay_grad   masked decay
 *                  the optimiser            on the dense weights
 *
 *     method         W~         decay lambda     mask            after training
 *     STE            m(W) o W   none             every step      sparse
 *     SR-STE         m(W) o W   on the weights   every step      sparse
 *     masked decay   m(W) o W   on the gradient  every step      sparse
 *     T-SR-STE       M o W      on the gradient  every 40 steps, dense
 *                                                transposable
 *     STEP           W, then    none             every step      sparse
 *                    m(W) o W
 *     S-STE          beta S(W)  none             none            sparse
 *
 * m(W) is the hard magnitude mask, lower index wins. All pass the gradient
 * straight through. How products are computed is the layer's matter, whatever
 * the method: sste_linear_init turns FP8 and MVUE on, as S-STE has it. Dense
 * training, STE, SR-STE and STEP had neither in their papers: set layer.fp8 and
 * layer.mvue to 0. T-SR-STE and its masked decay had MVUE and no FP8.       */

/* Where the decay of pruned weights acts.                                   */
typedef enum sste_decay {
  SSTE_DECAY_NONE = 0,
  SSTE_DECAY_WEIGHT,  /* W <- W - rate lambda (1 - M) o W, beside the gradient
                         step, like decoupled weight decay */
  SSTE_DECAY_GRADIENT /* G <- G + lambda (1 - M) o W: Adam's division by sqrt(v)
                         then applies to the decay as well */
} sste_decay;

/* A method as data. Take one of the functions below, then change it at will. */
typedef struct sste_method {
  sste_weights weights; /* W~ of the sparse steps */
  int transposable;     /* the mask is 2:4 along rows and columns */
  size_t mask_every;    /* steps from one mask to the next, 1 or more */
  sste_decay decay;     /* where pruned weights decay */
  float lambda;         /* by how much; finite, +0 or more */
  sste_beta_rule beta;  /* which scale S-STE uses */
  float gamma;          /* which threshold: sste_linear's, 0 in the paper */
  int beta_every_step;  /* 1: recompute it each step, which makes masks flip */
  size_t sparse_from;   /* the first step with sparse weights */
  size_t dense_from;    /* the first step of dense fine-tuning, or SIZE_MAX */
  int freeze_second_moment; /* 1: from sparse_from on, Adam's v and its bias
                               correction stand still; the optimiser is the
                               caller's */
} sste_method;

/* sste_method_dense - the baseline: W~ = W at every step.                   */
SSTE_API sste_method sste_method_dense(void) {
  sste_method method;
  method.weights = SSTE_WEIGHTS_DENSE;
  method.transposable = 0;
  method.mask_every = 1;
  method.decay = SSTE_DECAY_NONE;
  method.lambda = 0.0f;
  method.beta = SSTE_BETA_MIN_MSE;
  method.gamma = 0.0f;
  method.beta_every_step = 0;
  method.sparse_from = 0;
  method.dense_from = SIZE_MAX;
  method.freeze_second_moment = 0;
  return method;
}

/* sste_method_ste - the hard threshold with a straight-through gradient:
 * W~ = m(W) o W.                                                            */
SSTE_API sste_method sste_method_ste(void) {
  sste_method method = sste_method_dense();
  method.weights = SSTE_WEIGHTS_MASKED;
  return method;
}

/* sste_method_sr_ste - STE, and pruned weights decay themselves.
 *   lambda    2e-4 in the paper; it acts as rate lambda per step
 *   DEVIATION: the authors' code adds lambda (1 - M) o W in backward, to the
 *   gradient. With plain gradient descent that is the same; with momentum or
 *   Adam it is sste_method_masked_decay, and this is SR-STE as Hu et al. read
 *   it.
 *   Source: Zhou et al., "Learning N:M Fine-grained Structured Sparse Neural
 *   Networks From Scratch", ICLR 2021.                                      */
SSTE_API sste_method sste_method_sr_ste(float lambda) {
  sste_method method = sste_method_ste();
  method.decay = SSTE_DECAY_WEIGHT;
  method.lambda = lambda;
  return method;
}

/* sste_method_masked_decay - STE, and the decay goes into the gradient, before
 * the optimiser.
 *   lambda    6e-5 or 2e-4 for GPT-2, by size; sste_decay_choose
 *   Source: Hu et al., ICML 2024 ("Accelerating Transformer Pre-training with
 *   2:4 Sparsity").                                                         */
SSTE_API sste_method sste_method_masked_decay(float lambda) {
  sste_method method = sste_method_sr_ste(lambda);
  method.decay = SSTE_DECAY_GRADIENT;
  return method;
}

/* sste_method_t_sr_ste - transposable masks, so that the forward and the input
 * grad products are both sparse; a new mask every 40 steps; masked decay on the
 * gradient; the last sixth of training dense.
 *   lambda    as sste_method_masked_decay
 *   steps     of the whole training: dense from step floor(5 steps / 6) on
 *   Source: Hu et al., ICML 2024, with its dense fine-tuning; dense_from =
 *   SIZE_MAX leaves that out.                                               */
SSTE_API sste_method sste_method_t_sr_ste(float lambda, size_t steps) {
  sste_method method = sste_method_masked_decay(lambda);
  method.transposable = 1;
  method.mask_every = 40;
  method.dense_from = steps / 6 * 5 + steps % 6 * 5 / 6;
  return method;
}

/* sste_method_step - dense at first, to learn Adam's second moments; then
 * masks, with those moments frozen as a preconditioner.
 *   sparse_from  the step of the switch; SIZE_MAX until sste_step_switch says
 *   Source: Lu et al., "STEP: Learning N:M Structured Sparsity Masks from
 *   Scratch with Precondition", ICML 2023.                                  */
SSTE_API sste_method sste_method_step(size_t sparse_from) {
  sste_method method = sste_method_ste();
  method.sparse_from = sparse_from;
  method.freeze_second_moment = 1;
  return method;
}

/* sste_method_s_ste - W~ = beta S(W), beta from before the first step.
 *   Source: Hu, Zhu, Chen, NeurIPS 2024. Adds no hyper-parameter.           */
SSTE_API sste_method sste_method_s_ste(void) {
  sste_method method = sste_method_dense();
  method.weights = SSTE_WEIGHTS_SOFT;
  return method;
}

/* sste_method_is_sparse - whether step k has sparse weights.
 *   e.g.      T-SR-STE over 300 steps: 1 for step 249, 0 for step 250        */
SSTE_API int sste_method_is_sparse(const sste_method *method, size_t k) {
  return method->weights != SSTE_WEIGHTS_DENSE && k >= method->sparse_from &&
         k < method->dense_from;
}

static inline int sste_priv_is_method(const sste_method *method) {
  return (int)method->weights >= 0 && method->weights <= SSTE_WEIGHTS_DENSE &&
         (int)method->decay >= 0 && method->decay <= SSTE_DECAY_GRADIENT &&
         (int)method->beta >= 0 && method->beta <= SSTE_BETA_ONE &&
         sste_priv_is_gamma(method->gamma) && method->mask_every > 0 &&
         sste_priv_bits(method->lambda) < SSTE_PRIV_INF;
}

/* sste_method_refresh - make a layer what the method wants at step k: dense or
 * sparse; a new mask where one is due; for soft weights gamma, and the beta of
 * that gamma at the first sparse step, or each.
 *   method, layer  the layer keeps its products' options (fp8, mvue, formats)
 *   mask      N x K bytes, rows ldm apart, kept by the caller from one step to
 *             the next: receives the new mask when (k - sparse_from) is a
 *             multiple of mask_every. To count flips, keep a copy. Not read or
 *             written, and may be null, unless masks are in use at step k
 *   w         N x K floats, rows ldw apart: the dense weights
 *   k         the step, counted from 0. To resume at a later one, save beta,
 *             the mask and sparse_from with the weights
 *   e.g.      STE, w = (4, -3, 2, -1): mask (1, 1, 0, 0), layer->weights is
 *             SSTE_WEIGHTS_MASKED; S-STE with gamma 0.5: beta 3, W~ = (4.5,
 *             -1.5, 0, 0)
 *   BITWISE. Overwrites mask and fields of layer; neither on an error.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (a field of the method); ZERO and
 *   NONFINITE where beta is computed.                                       */
SSTE_API sste_status sste_method_refresh(const sste_method *method,
                                         sste_linear *layer, uint8_t *mask,
                                         size_t ldm, const float *w, size_t ldw,
                                         size_t k) {
  size_t N, K;
  sste_status s = SSTE_OK;
  if (method == NULL || layer == NULL) return SSTE_ERR_NULL;
  if (!sste_priv_is_method(method)) return SSTE_ERR_VALUE;
  N = layer->out_features;
  K = layer->in_features;
  if (!sste_method_is_sparse(method, k)) {
    layer->weights = SSTE_WEIGHTS_DENSE;
    return SSTE_OK;
  }
  if (method->weights == SSTE_WEIGHTS_SOFT) {
    if (method->beta_every_step || k == method->sparse_from)
      s = sste_tensor_beta_nm(&layer->beta, w, ldw, N, K, sste_nm_of(2, 4),
                              method->gamma, method->beta);
    if (s == SSTE_OK) layer->gamma = method->gamma;
  } else {
    if (mask == NULL && N != 0 && K != 0) return SSTE_ERR_NULL;
    if ((k - method->sparse_from) % method->mask_every == 0)
      s = method->transposable
              ? sste_tensor_mask_transposable(mask, ldm, w, ldw, N, K,
                                              SSTE_TILE_OPTIMAL)
              : sste_tensor_mask(mask, ldm, w, ldw, N, K, SSTE_TIE_LOWER);
    if (s == SSTE_OK) {
      layer->mask = mask;
      layer->ldm = ldm;
      layer->transposable = method->transposable;
    }
  }
  if (s == SSTE_OK) layer->weights = method->weights;
  return s;
}

/* sste_tensor_masked_decay - Y <- Y + factor (1 - M) o W: pruned weights pull.
 *   y         rows x cols floats, rows ldy apart: a gradient, or W itself, with
 *             ldy = ldw
 *   w         rows x cols floats, rows ldw apart: the dense weights
 *   mask      rows x cols bytes, rows ldm apart; where it is not 0, y stays as
 *             it is. Does not overlap y
 *   factor    finite; lambda for a gradient, -rate lambda for weights
 *   e.g.      y = (1, 1), w = (4, 4), mask (1, 0), factor 0.5 -> (1, 3)
 *   BITWISE: the product exact, the sum in double, then rounded to float; NaN
 *   is 0x7FC00000. Accumulates into y.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (factor).                     */
SSTE_API sste_status sste_tensor_masked_decay(float *y, size_t ldy,
                                              const float *w, size_t ldw,
                                              const uint8_t *mask, size_t ldm,
                                              size_t rows, size_t cols,
                                              float factor) {
  ptrdiff_t r;
  sste_status s =
      sste_priv_unary(y, ldy, sizeof *y, w, ldw, sizeof *w, rows, cols);
  if (s == SSTE_OK)
    s = sste_priv_two(y, ldy, sizeof *y, mask, ldm, sizeof *mask, rows, cols);
  if (sste_priv_magnitude(factor) >= SSTE_PRIV_INF) return SSTE_ERR_VALUE;
  if (s != SSTE_OK || cols == 0) return s;
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    float *to = y + (size_t)r * ldy;
    const float *from = w + (size_t)r * ldw;
    size_t c;
    for (c = 0; c < cols; ++c)
      if (mask[(size_t)r * ldm + c] == 0)
        to[c] = sste_priv_canonical(
            (float)((double)to[c] + (double)factor * (double)from[c]));
  }
  return SSTE_OK;
}

/* sste_method_decay_grad - masked decay: G <- G + lambda (1 - M) o W, where the
 * method has it and the layer has a mask in use. Before the optimiser, after
 * unscaling and clipping.
 *   method, layer  as sste_method_refresh left them
 *   g         N x K floats, rows ldg apart: the gradient of the weights
 *   w         N x K floats, rows ldw apart: the dense weights
 *   BITWISE, as sste_tensor_masked_decay. Accumulates into g, or leaves it.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (a field of the method).
 *   Source: Hu et al., ICML 2024.                                           */
SSTE_API sste_status sste_method_decay_grad(const sste_method *method,
                                            const sste_linear *layer, float *g,
                                            size_t ldg, const float *w,
                                            size_t ldw) {
  if (method == NULL || layer == NULL) return SSTE_ERR_NULL;
  if (!sste_priv_is_method(method)) return SSTE_ERR_VALUE;
  if (method->decay != SSTE_DECAY_GRADIENT ||
      layer->weights != SSTE_WEIGHTS_MASKED)
    return SSTE_OK;
  return sste_tensor_masked_decay(g, ldg, w, ldw, layer->mask, layer->ldm,
                                  layer->out_features, layer->in_features,
                                  method->lambda);
}

/* sste_method_decay_weight - SR-STE: W <- W - rate lambda (1 - M) o W, where
 * the method has it and the layer has a mask in use. Before the optimiser, so
 * that the old weights decay: with plain gradient descent the step is then
 * W - rate (G + lambda (1 - M) o W), as in the paper.
 *   method, layer  as sste_method_refresh left them
 *   w         N x K floats, rows ldw apart: the dense weights
 *   rate      the learning rate of this step; finite
 *   BITWISE, as sste_tensor_masked_decay with factor -fl(rate lambda).
 *   Accumulates into w, or leaves it.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (a field of the method, or rate
 *   lambda is not finite).
 *   Source: SR-STE, as Hu et al. read it.                                   */
SSTE_API sste_status sste_method_decay_weight(const sste_method *method,
                                              const sste_linear *layer,
                                              float *w, size_t ldw,
                                              float rate) {
  if (method == NULL || layer == NULL) return SSTE_ERR_NULL;
  if (!sste_priv_is_method(method)) return SSTE_ERR_VALUE;
  if (method->decay != SSTE_DECAY_WEIGHT ||
      layer->weights != SSTE_WEIGHTS_MASKED)
    return SSTE_OK;
  return sste_tensor_masked_decay(w, ldw, w, ldw, layer->mask, layer->ldm,
                                  layer->out_features, layer->in_features,
                                  -(rate * method->lambda));
}

/* sste_decay_choose - the factor lambda by a short trial in warm-up: train
 * dense and with each candidate for as many steps, measure the flip rates at
 * the same step, and take the first candidate for which
 *     low <= mu <= high,   mu = r_candidate / r_dense.
 *   index     receives which; untouched on an error
 *   rate      count flip rates, one for each candidate, lambda ascending, so
 *             that the least decay that calms the mask wins
 *   dense     the flip rate of the dense run, its mask virtual; above 0
 *   low, high the healthy range; 0.60 and 0.95 as far as is known
 *   e.g.      rates (2.0, 0.9, 0.5) of dense: index 1
 *   BITWISE. Overwrites index. Errors: NULL, VALUE (dense or low is not above
 *   0; low is above high; or no candidate lies between).
 *   Source: Hu et al., ICML 2024; the two bounds are not checked against it. */
SSTE_API sste_status sste_decay_choose(size_t *index, const double *rate,
                                       size_t count, double dense, double low,
                                       double high) {
  size_t i;
  if (index == NULL || (rate == NULL && count != 0)) return SSTE_ERR_NULL;
  if (!(dense > 0.0) || !(low > 0.0) || !(low <= high)) return SSTE_ERR_VALUE;
  for (i = 0; i < count; ++i)
    if (rate[i] / dense >= low && rate[i] / dense <= high) {
      *index = i;
      return SSTE_OK;
    }
  return SSTE_ERR_VALUE;
}

/* When STEP goes over from dense to sparse: when Adam's second moments v have
 * settled. The caller fills in all but `seen`, which starts at 0.           */
typedef struct sste_step_watch {
  double *history;         /* `window` doubles of the caller's */
  size_t window;           /* 1 / (1 - beta_2) steps, 1 or more */
  size_t earliest, latest; /* 10 % and 50 % of all steps are advised */
  double eps;              /* Adam's epsilon */
  size_t seen;             /* steps so far */
} sste_step_watch;

/* sste_step_switch - whether the next step is the first sparse one, asked after
 * each step's update of v: after `earliest` steps and a full window, the mean
 * of |v_t - v_{t-1}| over window and coordinates is below eps; after `latest`
 * steps in any case.
 *   watch     history and seen are brought up to date
 *   change    this step's mean |v_t - v_{t-1}|, v as Adam keeps it, not
 *             corrected: sste_tensor_change of all layers over the number of
 *             coordinates
 *   returns   1 to switch: sparse_from = k + 1 if asked after step k; else 0
 *   e.g.      window 2, earliest 2, eps 0.1: changes 1, 0.05, 0.05 -> 0, 0, 1
 *   BITWISE: the window is summed from the oldest on. Accumulates into watch.
 *   Never fails; without a window only `latest` decides.
 *   Source: STEP's AutoSwitch, the arithmetic mean.                         */
SSTE_API int sste_step_switch(sste_step_watch *watch, double change) {
  double sum = 0.0;
  size_t i;
  if (watch->window > 0) watch->history[watch->seen % watch->window] = change;
  ++watch->seen;
  if (watch->seen >= watch->latest) return 1;
  if (watch->window == 0 || watch->seen < watch->window ||
      watch->seen < watch->earliest)
    return 0;
  for (i = 0; i < watch->window; ++i)
    sum += watch->history[(watch->seen + i) % watch->window];
  return sum / (double)watch->window < watch->eps;
}

/* ---- 6. Diagnostics ------------------------------------------------------ */

/* What section 3 of S-STE measures on one fixed batch, with L the loss, w_k the
 * dense weights at step k, S the pruning map in use, m_k the mask at step k and
 * g_k the gradient with respect to W~ at S(w_k):
 *
 *     actual descent     A_k = L(S(w_k)) - L(S(w_{k+1}))
 *     predicted descent  P_k = <g_k, w_k - w_{k+1}>
 *     frozen descent     F_k = L(S(w_k)) - L(m_k o w_{k+1})
 *
 * A is the paper's amount of descent; A and F are, but for the sign, its dF1
 * and dF2. P is sste_tensor_descent; F takes a layer whose mask stays.
 *
 * A step goes in a wrong direction where the loss falls with the mask frozen,
 * F > 0, and yet rises as the mask moves, A < 0. Where the map is continuous A
 * follows P. The masks' flip rate is sste_flips_rate.                       */
typedef struct sste_descent {
  size_t steps;          /* how many were added */
  size_t opposite;       /* A and F have opposite signs */
  size_t wrong;          /* of these, F > 0 > A */
  size_t rising;         /* A < 0 */
  double mean_a, mean_p; /* means of A and P */
  double aa, pp, ap;     /* sums of squares and products about the means */
} sste_descent;

/* sste_descent_add - add one step's losses.
 *   d         running totals; start with all zeros
 *   before    L(S(w_k));  after: L(S(w_{k+1}));  frozen: L(m_k o w_{k+1}), or
 *             the same as after where there is no mask to freeze
 *   predicted P_k
 *   e.g.      before 3, after 3.5, frozen 2.5: A = -0.5, F = 0.5, a wrong step
 *   ORDERED: in double, by Welford's updates. Accumulates. Never fails; once a
 *   loss or prediction is not finite, only the counts keep their meaning.   */
SSTE_API void sste_descent_add(sste_descent *d, double before, double after,
                               double frozen, double predicted) {
  const double a = before - after, f = before - frozen, p = predicted;
  const double from_a = a - d->mean_a, from_p = p - d->mean_p;
  ++d->steps;
  d->opposite += (a < 0.0 && f > 0.0) || (a > 0.0 && f < 0.0);
  d->wrong += a < 0.0 && f > 0.0;
  d->rising += a < 0.0;
  d->mean_a += from_a / (double)d->steps;
  d->mean_p += from_p / (double)d->steps;
  d->aa += from_a * (a - d->mean_a);
  d->pp += from_p * (p - d->mean_p);
  d->ap += from_p * (a - d->mean_a);
}

/* sste_descent_slope - of the least-squares line of A over P: 1 where the loss
 * falls by what the gradient predicts.
 *   returns   cov(A, P) / var(P); 0 where P does not vary
 *   e.g.      (A, P) = (1, 1) and (3, 2) -> 2
 *   BITWISE, in double. Never fails.                                        */
SSTE_API double sste_descent_slope(const sste_descent *d) {
  return d->pp == 0.0 ? 0.0 : d->ap / d->pp;
}

/* sste_descent_r2 - the squared correlation of A and P: the share of A's
 * variance that P explains.
 *   returns   between 0 and 1; 0 where either does not vary
 *   e.g.      (A, P) = (1, 1) and (3, 2) -> 1
 *   BITWISE, in double. Never fails.                                        */
SSTE_API double sste_descent_r2(const sste_descent *d) {
  double r2;
  if (d->aa == 0.0 || d->pp == 0.0) return 0.0;
  r2 = d->ap / d->aa * (d->ap / d->pp);
  return r2 > 1.0 ? 1.0 : r2;
}

/* What a format does to a tensor's non-zeros.                               */
typedef struct sste_fp8_losses {
  size_t nonzeros;    /* -0 is a zero; NaN and infinity are not counted */
  size_t saturated;   /* of these, beyond the largest number after rounding */
  size_t underflowed; /* of these, rounded to zero */
} sste_fp8_losses;

/* sste_fp8_tensor_losses - how many values a format cannot hold.
 *   losses    receives the counts
 *   x         rows x cols floats, rows ldx apart
 *   f         a format with a sign, at most 8 bits
 *   scale     finite and positive; fl(x * scale) is rounded, to nearest even
 *   e.g.      (500, 1e-9, 0, 1) in E4M3FN, scale 1: 3 non-zeros, 1 and 1
 *   BITWISE. Overwrites losses. Errors: NULL, SHAPE, SIZE, VALUE (f, scale). */
SSTE_API sste_status sste_fp8_tensor_losses(sste_fp8_losses *losses,
                                            const float *x, size_t ldx,
                                            size_t rows, size_t cols,
                                            sste_fp8_format f, float scale) {
  size_t nonzeros = 0, over = 0, under = 0;
  sste_fp8_rule rule = sste_fp8_saturating();
  ptrdiff_t r;
  const sste_status s = sste_priv_matrix(x, rows, cols, ldx, sizeof *x);
  if (!sste_priv_is_signed(f) ||
      sste_priv_bits(scale) - 1u >= SSTE_PRIV_INF - 1u)
    return SSTE_ERR_VALUE;
  if (s != SSTE_OK) return s;
  if (losses == NULL) return SSTE_ERR_NULL;
  if (cols == 0) rows = 0;
  rule.overflow = SSTE_OVERFLOW_NONE; /* so that it shows */
  SSTE_OMP(parallel for schedule(static) reduction(+ : nonzeros, over, under))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    size_t c;
    for (c = 0; c < cols; ++c) {
      const float value = x[(size_t)r * ldx + c];
      const uint32_t m = sste_priv_magnitude(value);
      uint32_t held;
      if (m == 0 || m >= SSTE_PRIV_INF) continue;
      held = sste_priv_magnitude(
          sste_fp8_decode(f, sste_fp8_encode_float(f, rule, value * scale, 0)));
      ++nonzeros;
      over += held >= SSTE_PRIV_INF;
      under += held == 0;
    }
  }
  losses->nonzeros = nonzeros;
  losses->saturated = over;
  losses->underflowed = under;
  return SSTE_OK;
}

/* A layer's weights at a glance: counts are of entries of W~.               */
typedef struct sste_report {
  size_t entries, zeros;
  size_t nan_groups;     /* of four, for soft weights */
  float beta;            /* 1 unless the weights are soft */
  double norm2, norm2_w; /* ||W~||^2 and ||W||^2 */
  double relative_mse;   /* ||W - W~||^2 / ||W||^2; 0 where W is zero, NaN where
                            it is not finite */
  float scale[3];        /* of forward, input grad and weight grad format */
  sste_fp8_losses scaled[3], unscaled[3]; /* by that scale, and by 1 */
} sste_report;

/* sste_linear_report - measure a layer's weights.
 *   report    receives the measures
 *   layer, w, scratch  as for sste_linear_forward with T = 0
 *   e.g.      w = (4, -3, 2, -1), S-STE: W~ = (4.4, -2.2, 0, 0), 2 zeros, beta
 *             2.2, norms 24.2 and 30, relative MSE 5.8 / 30 = 0.1933
 *   specials  a NaN or an infinity in W shows in the measures; groups that come
 *             out as NaN are counted
 *   BITWISE, but for the bits of a NaN. Overwrites report.
 *   Errors: those of sste_linear_forward.                                   */
SSTE_API sste_status sste_linear_report(sste_report *report,
                                        const sste_linear *layer,
                                        const float *w, size_t ldw,
                                        void *scratch, size_t scratch_bytes) {
  sste_status s = sste_priv_linear_check(layer, 0, scratch, scratch_bytes);
  sste_fp8_format format[3];
  sste_priv_extent given[3];
  sste_priv_scratch at;
  sste_report x;
  size_t N, K, e;
  int i;
  if (s != SSTE_OK) return s;
  if (report == NULL) return SSTE_ERR_NULL;
  N = layer->out_features;
  K = layer->in_features;
  given[0] = sste_priv_bytes(scratch, scratch_bytes);
  given[1] = sste_priv_floats(w, N, K, ldw);
  given[2] = sste_priv_mask_of(layer);
  s = sste_priv_apart(given, 1, 3);
  if (s != SSTE_OK) return s;
  at = sste_priv_scratch_at(layer, 0, scratch);
  x.nan_groups = 0;
  s = sste_priv_weights(layer, at.w, w, ldw, &x.nan_groups);
  x.entries = N * K;
  x.zeros = 0;
  for (e = 0; e < x.entries; ++e) x.zeros += sste_priv_magnitude(at.w[e]) == 0;
  x.beta = layer->weights == SSTE_WEIGHTS_SOFT ? layer->beta : 1.0f;
  if (s == SSTE_OK) s = sste_tensor_norm2(&x.norm2, at.w, K, N, K);
  if (s == SSTE_OK) s = sste_tensor_norm2(&x.norm2_w, w, ldw, N, K);
  x.relative_mse = 0.0;
  if (s == SSTE_OK && x.norm2_w != 0.0 &&
      sste_tensor_relative_mse(&x.relative_mse, w, ldw, at.w, K, N, K,
                               SSTE_FLOAT32) != SSTE_OK)
    x.relative_mse = (double)sste_priv_float(SSTE_PRIV_NAN);
  format[0] = layer->forward_format;
  format[1] = layer->input_grad_format;
  format[2] = layer->weight_grad_format;
  for (i = 0; i < 3; ++i) {
    if (s == SSTE_OK)
      s = sste_fp8_tensor_scale(&x.scale[i], at.w, K, N, K,
                                sste_fp8_recipe_current(format[i]));
    if (s == SSTE_OK)
      s = sste_fp8_tensor_losses(&x.scaled[i], at.w, K, N, K, format[i],
                                 x.scale[i]);
    if (s == SSTE_OK)
      s = sste_fp8_tensor_losses(&x.unscaled[i], at.w, K, N, K, format[i],
                                 1.0f);
  }
  if (s == SSTE_OK) *report = x;
  return s;
}

#ifdef __cplusplus
}
#endif

#endif /* SSTE_TRAIN_H */
