/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * sste.h - the continuous 2:4 projection of S-STE, its scale, and products.
 *
 * A 2:4 sparse weight has at most two non-zeros in every four consecutive
 * entries, which sparse tensor cores multiply at twice the dense rate. Keeping
 * the two largest of each four jumps when the second and third largest swap
 * places, and training on a map with jumps does not descend. S-STE (Hu, Zhu,
 * Chen, NeurIPS 2024) subtracts the second SMALLEST magnitude t first, so that
 * an entry reaches zero before it is dropped, and the map is continuous:
 *
 *     S(a)_i = sign(a_i) * max(|a_i| - t, 0),   t = second smallest of |a_i|
 *     W~     = beta * S(W),                     beta = <W,S(W)> / <S(W),S(W)>
 *
 * beta minimises ||W - beta S(W)||^2. It is one number per tensor, computed
 * once before training and frozen.
 *
 * By hand, for (4, -3, 2, -1): the magnitudes sorted are 1, 2, 3, 4, so t = 2
 * and S = (2, -1, 0, 0). If this were the whole tensor, <W,S> = 8 + 3 = 11 and
 * <S,S> = 5, beta = 2.2, W~ = (4.4, -2.2, 0, 0).
 *
 *   1. One group of four    threshold, projection, mask
 *   2. Tensors              projection, mask, flip rate
 *   3. The scale beta
 *   4. The compressed form  two values and a nibble per group
 *   5. Products             the three of a linear layer, and the compressed one
 *
 * Letters. W: N x K dense weight (N out-features, K in-features); X: T x K
 * activations of T tokens; Z = X W^T: T x N; dZ, dX, dW: gradients of the loss.
 * Groups run along the contraction index, for W along its rows, aligned at 0
 * mod 4. Matrices are row-major with a leading dimension (ld, the distance
 * between rows in elements).
 *
 * Numerics. Each function states its class:
 *   BITWISE        the same bits on every compiler, optimisation level, thread
 *                  count, CPU and GPU; compare with memcmp
 *   ROUNDED-ONCE   the exact real result, rounded once
 *   ORDERED        the same bits for any thread count; the summation order and
 *                  the error bound are given, for kernels that sum otherwise.
 *                  The products here accumulate in double and are BITWISE, too
 * They assume round to nearest and gradual underflow (sste_self_check in
 * sste_train.h looks for both). A NaN that leaves is 0x7FC00000; a pruned entry
 * is +0, and a -0 that comes in is a zero like any other.
 *
 * Stands alone: copy this one file. Nothing is allocated, printed or kept.   */
#ifndef SSTE_H
#define SSTE_H

/* ---- Prelude: the same text in sste.h, sste_fp8.h and sste_mvue.h ------- */
/* Macros, status codes, bit casts, argument checks; skip on first reading.  */
#ifndef SSTE_PRELUDE
#define SSTE_PRELUDE

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SSTE_VERSION_MAJOR 0
#define SSTE_VERSION_MINOR 3
#define SSTE_VERSION_PATCH 0
#define SSTE_VERSION "0.3.0"

/* SSTE_API: linkage of every public function. Define it empty in one .c file
 * to export the functions from a shared object; callers bring prototypes. */
#ifndef SSTE_API
#define SSTE_API static inline
#endif

/* SSTE_HD: scalar and group functions also compile for the GPU. */
#if defined(__CUDACC__) || defined(__HIPCC__)
#define SSTE_HD __host__ __device__
#else
#define SSTE_HD
#endif

/* SSTE_USE_OPENMP: 0 keeps every loop on the calling thread. The results are
 * the same bits either way. */
#ifndef SSTE_USE_OPENMP
#ifdef _OPENMP
#define SSTE_USE_OPENMP 1
#else
#define SSTE_USE_OPENMP 0
#endif
#endif
#define SSTE_PRIV_PRAGMA(text) _Pragma(#text)
#if SSTE_USE_OPENMP
#define SSTE_OMP(directive) SSTE_PRIV_PRAGMA(omp directive)
#else
#define SSTE_OMP(directive)
#endif

/* SSTE_ALLOW_FAST_MATH: 1 compiles under -ffast-math all the same; no promise
 * about any bit holds then. */
#ifndef SSTE_ALLOW_FAST_MATH
#define SSTE_ALLOW_FAST_MATH 0
#endif
#if !SSTE_ALLOW_FAST_MATH
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || \
    defined(__RECIPROCAL_MATH__)
#error "sste: -ffast-math breaks the numerics contract (SSTE_ALLOW_FAST_MATH)"
#elif defined(__FINITE_MATH_ONLY__)
#if __FINITE_MATH_ONLY__ > 0
#error "sste: -ffinite-math-only breaks the NaN rules (SSTE_ALLOW_FAST_MATH)"
#endif
#endif
#endif
/* 16 keeps float and double as they are, it widens only half precision. On
 * s390x, gcc's strict C needs -fexcess-precision=fast. */
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error "sste: float must be evaluated as float (on x86: -msse2 -mfpmath=sse)"
#endif

/* What every array function returns. On any status but SSTE_OK the outputs are
 * untouched, unless the function's comment says what they then hold. */
typedef enum sste_status {
  SSTE_OK = 0,
  SSTE_ERR_NULL,      /* a pointer that is needed is null */
  SSTE_ERR_SHAPE,     /* a group is not full, or a stride too short */
  SSTE_ERR_SIZE,      /* sizes or an index overflow, or scratch is too small */
  SSTE_ERR_OVERLAP,   /* an output's extent, first byte to last, meets another's
                         without being the same matrix; so do column slices */
  SSTE_ERR_VALUE,     /* a scalar argument is outside its range */
  SSTE_ERR_ZERO,      /* the projection is zero everywhere: no scale exists */
  SSTE_ERR_NONFINITE, /* a result that must be finite is not */
  SSTE_ERR_PATTERN    /* a group has more than two non-zeros, or a bad nibble */
} sste_status;

/* sste_status_text - one line in English for a status, for error messages. */
SSTE_API const char *sste_status_text(sste_status status) {
  switch (status) {
    case SSTE_OK: return "ok";
    case SSTE_ERR_NULL: return "a needed pointer is null";
    case SSTE_ERR_SHAPE: return "a group is not full or a stride is too short";
    case SSTE_ERR_SIZE: return "sizes overflow, or scratch is too small";
    case SSTE_ERR_OVERLAP: return "an output overlaps another matrix";
    case SSTE_ERR_VALUE: return "a scalar argument is out of range";
    case SSTE_ERR_ZERO: return "the projection is zero everywhere";
    case SSTE_ERR_NONFINITE: return "a result that must be finite is not";
    case SSTE_ERR_PATTERN: return "a group of four is not 2:4";
    default: return "unknown status";
  }
}

/* Bit patterns. memcpy is the one cast that C, C++ and CUDA all define. */
SSTE_HD static inline uint32_t sste_priv_bits(float x) {
  uint32_t b;
  memcpy(&b, &x, sizeof b);
  return b;
}
SSTE_HD static inline float sste_priv_float(uint32_t b) {
  float x;
  memcpy(&x, &b, sizeof x);
  return x;
}
#define SSTE_PRIV_INF 0x7F800000u
#define SSTE_PRIV_NAN 0x7FC00000u /* the one NaN that leaves this library */

/* |x| as an integer that sorts like the real number; all NaNs are one value,
 * the largest. Comparing bits keeps NaN tests safe from compiler flags. */
SSTE_HD static inline uint32_t sste_priv_magnitude(float x) {
  const uint32_t m = sste_priv_bits(x) & 0x7FFFFFFFu;
  return m > SSTE_PRIV_INF ? SSTE_PRIV_NAN : m;
}
SSTE_HD static inline float sste_priv_canonical(float x) {
  const int is_nan = (sste_priv_bits(x) & 0x7FFFFFFFu) > SSTE_PRIV_INF;
  return is_nan ? sste_priv_float(SSTE_PRIV_NAN) : x;
}

/* A row-major matrix of `rows` x `cols` elements of `size` bytes, its rows `ld`
 * elements apart. An empty matrix is always right, whatever its pointer. */
static inline sste_status sste_priv_matrix(const void *p, size_t rows,
                                           size_t cols, size_t ld,
                                           size_t size) {
  if (rows == 0 || cols == 0) return SSTE_OK;
  if (p == NULL) return SSTE_ERR_NULL;
  if (ld < cols) return SSTE_ERR_SHAPE;
  if (ld > (size_t)PTRDIFF_MAX / size / rows) return SSTE_ERR_SIZE;
  return SSTE_OK;
}

/* Whether two matrices' extents, first byte to last, share a byte. Views that
 * interleave (two column slices of one matrix) count as sharing. */
static inline int sste_priv_overlap(const void *p, size_t p_rows, size_t p_cols,
                                    size_t p_ld, size_t p_size, const void *q,
                                    size_t q_rows, size_t q_cols, size_t q_ld,
                                    size_t q_size) {
  const uintptr_t p0 = (uintptr_t)p, q0 = (uintptr_t)q;
  if (p_rows == 0 || p_cols == 0 || q_rows == 0 || q_cols == 0) return 0;
  return p0 < q0 + ((q_rows - 1) * q_ld + q_cols) * q_size &&
         q0 < p0 + ((p_rows - 1) * p_ld + p_cols) * p_size;
}

/* The check of an elementwise function: both matrices sound, and either the
 * same memory with the same stride (in place) or no byte in common. */
static inline sste_status sste_priv_unary(const void *out, size_t ldo,
                                          size_t out_size, const void *in,
                                          size_t ldi, size_t in_size,
                                          size_t rows, size_t cols) {
  sste_status s = sste_priv_matrix(out, rows, cols, ldo, out_size);
  if (s == SSTE_OK) s = sste_priv_matrix(in, rows, cols, ldi, in_size);
  if (s != SSTE_OK) return s;
  if (out == in && ldo == ldi && out_size == in_size) return SSTE_OK;
  return sste_priv_overlap(out, rows, cols, ldo, out_size, in, rows, cols, ldi,
                           in_size)
             ? SSTE_ERR_OVERLAP
             : SSTE_OK;
}

#endif /* SSTE_PRELUDE */
/* ---- End of the prelude ------------------------------------------------- */

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. One group of four ------------------------------------------------ */

SSTE_HD static inline uint32_t sste_priv_min(uint32_t a, uint32_t b) {
  return a < b ? a : b;
}
SSTE_HD static inline uint32_t sste_priv_max(uint32_t a, uint32_t b) {
  return a > b ? a : b;
}

/* How a value is stored: a zero of either sign as +0, every NaN as the one. */
SSTE_HD static inline float sste_priv_stored(float x) {
  return sste_priv_magnitude(x) == 0 ? 0.0f : sste_priv_canonical(x);
}

/* sste_group_threshold - t(a), the second smallest of four magnitudes.
 *   a         the group
 *   ties      equal magnitudes count one each: (3, 2, 2, 2) has t = 2
 *   specials  NaN is the largest magnitude, so t is NaN only if three are
 *   e.g.      (4, -3, 2, -1) -> 2
 *   BITWISE, exact. Never fails. Source: S-STE, the soft threshold.         */
SSTE_API SSTE_HD float sste_group_threshold(const float a[4]) {
  const uint32_t m0 = sste_priv_magnitude(a[0]), m1 = sste_priv_magnitude(a[1]);
  const uint32_t m2 = sste_priv_magnitude(a[2]), m3 = sste_priv_magnitude(a[3]);
  /* Second smallest: either the larger of the two pair minima, or the smaller
   * of the two pair maxima, whichever is less. */
  const uint32_t of_minima =
      sste_priv_max(sste_priv_min(m0, m1), sste_priv_min(m2, m3));
  const uint32_t of_maxima =
      sste_priv_min(sste_priv_max(m0, m1), sste_priv_max(m2, m3));
  return sste_priv_float(sste_priv_min(of_minima, of_maxima));
}

/* Which of two equal magnitudes a mask keeps. Values never depend on it. */
typedef enum sste_tie {
  SSTE_TIE_LOWER = 0, /* the lower index: this library's rule */
  SSTE_TIE_HIGHER = 1 /* the higher index: the official S-STE kernels' */
} sste_tie;

/* sste_group_mask - the hard magnitude mask: which two of four are largest.
 *   a         the group
 *   tie       which index wins among equal magnitudes
 *   specials  NaN is the largest magnitude; always exactly two bits are set
 *   returns   four bits, bit i set where a_i is kept
 *   e.g.      (4, -3, 2, -1) -> 0x3;  (1, 1, 1, 1) -> 0x3 or, by the higher
 *             index, 0xC
 *   BITWISE. Never fails. Source: 2:4 magnitude pruning.                    */
SSTE_API SSTE_HD int sste_group_mask(const float a[4], sste_tie tie) {
  int i, j, mask = 0;
  for (i = 0; i < 4; ++i) {
    const uint32_t mi = sste_priv_magnitude(a[i]);
    int above = 0; /* how many go before a_i */
    for (j = 0; j < 4; ++j) {
      const uint32_t mj = sste_priv_magnitude(a[j]);
      above += mj > mi || (mj == mi && (tie == SSTE_TIE_LOWER ? j < i : j > i));
    }
    if (above < 2) mask |= 1 << i;
  }
  return mask;
}

/* sste_group_project - S(a)_i = sign(a_i) * max(|a_i| - t, 0).
 *   out       receives the projection; may be a itself
 *   a         the group
 *   ties      none in the values: where the second and third smallest are equal
 *             all equal entries give 0, so one or no non-zero may be left
 *   specials  pruned is +0. If the group holds a NaN, or three infinities
 *             (inf - inf), the two positions of its mask (lower index wins) are
 *             0x7FC00000 and the others +0: still 2:4, and still poison
 *   returns   1 if the group came out as NaN, else 0
 *   e.g.      (4, -3, 2, -1) -> (2, -1, 0, 0);  (3, 2, 2, 0) -> (1, 0, 0, 0)
 *   ROUNDED-ONCE and BITWISE: one float subtraction per kept entry.
 *   Overwrites out. Never fails. Idempotent, odd, |S(a)_i| <= |a_i|, and but
 *   for the rounding ||S(a) - S(b)||_inf <= 2 ||a - b||_inf.
 *   Source: S-STE, the soft threshold and its continuity theorem.           */
SSTE_API SSTE_HD int sste_group_project(float out[4], const float a[4]) {
  const float t = sste_group_threshold(a);
  const uint32_t mt = sste_priv_magnitude(t);
  float s[4];
  int i, is_nan = mt >= SSTE_PRIV_INF;

  for (i = 0; i < 4; ++i) {
    const uint32_t m = sste_priv_magnitude(a[i]);
    is_nan |= m == SSTE_PRIV_NAN;
    s[i] = m <= mt ? 0.0f : a[i] > 0.0f ? a[i] - t : a[i] + t;
  }
  if (is_nan) {
    const int mask = sste_group_mask(a, SSTE_TIE_LOWER);
    for (i = 0; i < 4; ++i)
      s[i] = sste_priv_float(mask >> i & 1 ? SSTE_PRIV_NAN : 0u);
  }
  for (i = 0; i < 4; ++i) out[i] = s[i];
  return is_nan;
}

/* ---- 2. Tensors ---------------------------------------------------------- */

/* sste_tensor_project - W~ = beta * S(W), group by group along the rows.
 *   out       receives rows x cols floats, rows ldo apart; may be w itself,
 *             with ldo = ldw
 *   w         rows x cols floats, rows ldw apart; cols a multiple of 4
 *   beta      finite and positive: sste_tensor_beta's, or 1 for S(W) alone
 *   nan_groups receives how many groups came out as NaN; may be null
 *   specials  per group as sste_group_project; a product beyond FLT_MAX is an
 *             infinity, one that underflows to zero is +0
 *   e.g.      beta 2: (4, -3, 2, -1) -> (4, -2, 0, 0)
 *   BITWISE: fl(beta * S), S rounded first. Overwrites out.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (beta). Source: S-STE, W~.    */
SSTE_API sste_status sste_tensor_project(float *out, size_t ldo, const float *w,
                                         size_t ldw, size_t rows, size_t cols,
                                         float beta, size_t *nan_groups) {
  size_t count = 0;
  ptrdiff_t r;
  const sste_status s =
      sste_priv_unary(out, ldo, sizeof *out, w, ldw, sizeof *w, rows, cols);
  if (s != SSTE_OK) return s;
  if (rows != 0 && cols % 4 != 0) return SSTE_ERR_SHAPE;
  if (sste_priv_bits(beta) - 1u >= SSTE_PRIV_INF - 1u) return SSTE_ERR_VALUE;
  if (cols == 0) rows = 0;
  SSTE_OMP(parallel for schedule(static) reduction(+ : count))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    const float *from = w + (size_t)r * ldw;
    float *to = out + (size_t)r * ldo;
    size_t c;
    for (c = 0; c < cols; c += 4) {
      int i;
      count += (size_t)sste_group_project(to + c, from + c);
      for (i = 0; i < 4; ++i)
        to[c + (size_t)i] = sste_priv_stored(beta * to[c + (size_t)i]);
    }
  }
  if (nan_groups != NULL) *nan_groups = count;
  return SSTE_OK;
}

/* sste_tensor_mask - the hard magnitude mask of a matrix, as bytes 0 and 1.
 *   mask      receives rows x cols bytes, rows ldm apart; exactly two ones per
 *             group; may not overlap w
 *   w         rows x cols floats, rows ldw apart; cols a multiple of 4
 *   tie       which index wins among equal magnitudes
 *   specials  as sste_group_mask. This is not S(W) != 0: the two differ where
 *             magnitudes tie, and flip rates are defined on this one
 *   e.g.      (4, -3, 2, -1) -> (1, 1, 0, 0)
 *   BITWISE. Overwrites mask. Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (tie).
 */
SSTE_API sste_status sste_tensor_mask(uint8_t *mask, size_t ldm, const float *w,
                                      size_t ldw, size_t rows, size_t cols,
                                      sste_tie tie) {
  ptrdiff_t r;
  const sste_status s =
      sste_priv_unary(mask, ldm, sizeof *mask, w, ldw, sizeof *w, rows, cols);
  if (tie != SSTE_TIE_LOWER && tie != SSTE_TIE_HIGHER) return SSTE_ERR_VALUE;
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (cols % 4 != 0) return SSTE_ERR_SHAPE;
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    const float *from = w + (size_t)r * ldw;
    uint8_t *to = mask + (size_t)r * ldm;
    size_t c;
    for (c = 0; c < cols; c += 4) {
      const int bits = sste_group_mask(from + c, tie);
      int i;
      for (i = 0; i < 4; ++i) to[c + (size_t)i] = (uint8_t)(bits >> i & 1);
    }
  }
  return SSTE_OK;
}

/* sste_mask_flip_rate - how much of a mask changed since the last one:
 *     r_k = ||m(w_k) XOR m(w_{k-1})||_1 / D
 *   rate      receives flips / D with D = rows * cols; 0 for an empty mask; may
 *             be null
 *   flips     receives the count; may be null. Over several layers add up the
 *             counts and divide by all their entries: the mean of the layers'
 *             rates is something else
 *   mask      rows x cols bytes, rows ldm apart; any byte but 0 counts as 1
 *   previous  the same of the earlier mask, rows ldp apart, same tie rule
 *   e.g.      (1, 1, 0, 0) after (1, 0, 1, 0): 2 flips, rate 0.5
 *   BITWISE. Overwrites. Errors: NULL, SHAPE, SIZE. Source: S-STE, sec. 3.  */
SSTE_API sste_status sste_mask_flip_rate(double *rate, size_t *flips,
                                         const uint8_t *mask, size_t ldm,
                                         const uint8_t *previous, size_t ldp,
                                         size_t rows, size_t cols) {
  size_t count = 0;
  ptrdiff_t r;
  sste_status s = sste_priv_matrix(mask, rows, cols, ldm, sizeof *mask);
  if (s == SSTE_OK)
    s = sste_priv_matrix(previous, rows, cols, ldp, sizeof *previous);
  if (s != SSTE_OK) return s;
  if (cols == 0) rows = 0;
  SSTE_OMP(parallel for schedule(static) reduction(+ : count))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    const uint8_t *now = mask + (size_t)r * ldm;
    const uint8_t *then = previous + (size_t)r * ldp;
    size_t c;
    for (c = 0; c < cols; ++c) count += (now[c] != 0) != (then[c] != 0);
  }
  if (flips != NULL) *flips = count;
  if (rate != NULL)
    *rate = rows == 0 ? 0.0 : (double)count / ((double)rows * (double)cols);
  return SSTE_OK;
}

/* ---- 3. The scale beta --------------------------------------------------- */

/* Both dot products are summed in the shape that sste_tensor_beta states. */
#define SSTE_PRIV_BLOCK 4096
typedef struct sste_priv_dots {
  double ws, ss; /* <W,S> and <S,S> */
} sste_priv_dots;

static inline sste_priv_dots sste_priv_dots_block(const float *w, size_t ldw,
                                                  size_t cols, size_t first,
                                                  size_t count) {
  double ws[32] = {0.0}, ss[32] = {0.0};
  size_t row = first / cols, col = first % cols, e;
  sste_priv_dots d;
  int j, half;

  for (e = 0; e < count; e += 4) {
    const float *a = w + row * ldw + col;
    float s[4];
    sste_group_project(s, a);
    for (j = 0; j < 4; ++j) { /* exact products: fused or not, the same bits */
      ws[(e & 31) + (size_t)j] += (double)a[j] * (double)s[j];
      ss[(e & 31) + (size_t)j] += (double)s[j] * (double)s[j];
    }
    col += 4;
    if (col == cols) {
      col = 0;
      ++row;
    }
  }
  for (half = 16; half > 0; half /= 2)
    for (j = 0; j < half; ++j) {
      ws[j] += ws[j + half];
      ss[j] += ss[j + half];
    }
  d.ws = ws[0];
  d.ss = ss[0];
  return d;
}

/* The sum of n >= 1 blocks from element `first` on. Folding adjacent pairs
 * until one is left is splitting at the largest power of two below n. */
static inline sste_priv_dots sste_priv_dots_tree(const float *w, size_t ldw,
                                                 size_t cols, size_t first,
                                                 size_t end, size_t n) {
  sste_priv_dots left, right;
  size_t split = 1;
  if (n == 1) {
    const size_t count =
        end - first < SSTE_PRIV_BLOCK ? end - first : SSTE_PRIV_BLOCK;
    return sste_priv_dots_block(w, ldw, cols, first, count);
  }
  while (split * 2 < n) split *= 2;
  left = sste_priv_dots_tree(w, ldw, cols, first, end, split);
  right = sste_priv_dots_tree(w, ldw, cols, first + split * SSTE_PRIV_BLOCK,
                              end, n - split);
  left.ws += right.ws;
  left.ss += right.ss;
  return left;
}

/* Threads sum chunks of 2^n blocks, which are subtrees of that same tree; its
 * top, at most 64 parts, is folded in pairs by one thread. */
static inline sste_priv_dots sste_priv_dots_all(const float *w, size_t ldw,
                                                size_t rows, size_t cols) {
  const size_t end = rows * cols;
  const size_t blocks = (end - 1) / SSTE_PRIV_BLOCK + 1;
  sste_priv_dots part[64];
  size_t chunk = 1, parts;
  ptrdiff_t p;
  while (blocks > 64 * chunk) chunk *= 2;
  parts = (blocks - 1) / chunk + 1;
  SSTE_OMP(parallel for schedule(static))
  for (p = 0; p < (ptrdiff_t)parts; ++p) {
    const size_t at = (size_t)p * chunk;
    const size_t n = blocks - at < chunk ? blocks - at : chunk;
    part[p] = sste_priv_dots_tree(w, ldw, cols, at * SSTE_PRIV_BLOCK, end, n);
  }
  for (; parts > 1; parts = (parts + 1) / 2) {
    for (p = 0; p < (ptrdiff_t)(parts / 2); ++p) {
      part[p].ws = part[2 * p].ws + part[2 * p + 1].ws;
      part[p].ss = part[2 * p].ss + part[2 * p + 1].ss;
    }
    if (parts % 2 != 0) part[parts / 2] = part[parts - 1];
  }
  return part[0];
}

/* sste_tensor_beta - the scale of a tensor, beta = <W,S(W)> / <S(W),S(W)>.
 *   beta      receives the scale, between 1 and 2^24
 *   w         rows x cols floats, rows ldw apart; cols a multiple of 4
 *   e.g.      (4, -3, 2, -1) -> 2.2;  a large Gaussian tensor -> about 1.4837
 *   BITWISE: the elements e = row * cols + col form blocks of 4096; in a block,
 *   lane j of 32 adds the products with e mod 32 = j in order, and lanes fold
 *   in halves (16, 8, 4, 2, 1); blocks fold in adjacent pairs, an odd one
 *   carried up. All in double; then one division, and one rounding to float.
 *   Overwrites beta.
 *   Errors: NULL, SHAPE, SIZE; ZERO if the projection is 0 everywhere (an empty
 *   tensor, or one whose groups all have their three largest magnitudes equal);
 *   NONFINITE if W holds a NaN or an infinity.
 *   Source: S-STE, the min-MSE scale. Compute it once, before training.     */
SSTE_API sste_status sste_tensor_beta(float *beta, const float *w, size_t ldw,
                                      size_t rows, size_t cols) {
  sste_priv_dots d;
  float b;
  const sste_status s = sste_priv_matrix(w, rows, cols, ldw, sizeof *w);
  if (s != SSTE_OK) return s;
  if (beta == NULL) return SSTE_ERR_NULL;
  if (rows == 0 || cols == 0) return SSTE_ERR_ZERO;
  if (cols % 4 != 0) return SSTE_ERR_SHAPE;
  d = sste_priv_dots_all(w, ldw, rows, cols);
  if (d.ss == 0.0) return SSTE_ERR_ZERO;
  b = (float)(d.ws / d.ss);
  if (sste_priv_magnitude(b) >= SSTE_PRIV_INF) return SSTE_ERR_NONFINITE;
  *beta = b;
  return SSTE_OK;
}

/* ---- 4. The compressed form ---------------------------------------------- */

/* A group of a 2:4 matrix is stored as its two kept values and a nibble, the
 * tensor core's metadata:
 *
 *     bits  3 2 | 1 0      positions of the second and the first kept value,
 *           i_1 | i_0      i_0 < i_1
 *
 *     kept    0,1  0,2  0,3  1,2  1,3  2,3
 *     nibble  0x4  0x8  0xC  0x9  0xD  0xE      all others are illegal
 *
 * Group g of a row has values 2g and 2g+1 and its nibble in byte g/2, the even
 * group in the low half. A group with fewer than two non-zeros still names two
 * positions, and an empty place stores +0.                                  */

/* sste_group_compress - two values and a nibble from a group of four.
 *   values    receives the two kept values, in ascending position
 *   a         the group. Of more than two non-zeros the smaller are lost here;
 *             the tensor function refuses such a group
 *   ties      kept = the magnitude mask, lower index wins
 *   specials  a kept zero of either sign is stored as +0; NaN is the largest
 *   returns   the nibble
 *   e.g.      (0, 5, 0, 0) -> (0, 5), 0x4;  (0, 0, 7, -2) -> (7, -2), 0xE
 *   BITWISE. Overwrites values. Never fails.                                */
SSTE_API SSTE_HD int sste_group_compress(float values[2], const float a[4]) {
  const int mask = sste_group_mask(a, SSTE_TIE_LOWER);
  int i, n = 0, nibble = 0;
  for (i = 0; i < 4; ++i)
    if (mask >> i & 1) {
      nibble |= i << (2 * n);
      values[n++] = sste_priv_stored(a[i]);
    }
  return nibble;
}

/* sste_nibble_check - SSTE_OK for one of the six legal nibbles, else
 * SSTE_ERR_PATTERN.                                                         */
SSTE_API SSTE_HD sste_status sste_nibble_check(int nibble) {
  const int first = nibble & 3, second = nibble >> 2;
  return first < second && second < 4 && nibble >= 0 ? SSTE_OK
                                                     : SSTE_ERR_PATTERN;
}

/* sste_group_decompress - the group of four again: zeros but for two values.
 *   out       receives the group; untouched on an error
 *   values    the two kept values; may not overlap out
 *   nibble    their positions
 *   specials  a -0 comes out as +0, a NaN as 0x7FC00000
 *   e.g.      (7, -2), 0xE -> (0, 0, 7, -2)
 *   BITWISE. Overwrites out. Errors: PATTERN for an illegal nibble.         */
SSTE_API SSTE_HD sste_status sste_group_decompress(float out[4],
                                                   const float values[2],
                                                   int nibble) {
  if (sste_nibble_check(nibble) != SSTE_OK) return SSTE_ERR_PATTERN;
  out[0] = out[1] = out[2] = out[3] = 0.0f;
  out[nibble & 3] = sste_priv_stored(values[0]);
  out[nibble >> 2] = sste_priv_stored(values[1]);
  return SSTE_OK;
}

/* sste_tensor_check - whether a matrix is 2:4 along its rows, and where not.
 *   w         rows x cols floats, rows ldw apart; cols a multiple of 4
 *   row, group receive the place of the first group, in row-major order, with
 *             more than two non-zeros, on SSTE_ERR_PATTERN only; may be null
 *   specials  NaN and infinity are non-zeros, -0 is a zero
 *   e.g.      (1, 0, 2, 0, 3, 4, 5, 0) -> SSTE_ERR_PATTERN, row 0, group 1
 *   BITWISE. Errors: NULL, SHAPE, SIZE, PATTERN.                            */
SSTE_API sste_status sste_tensor_check(const float *w, size_t ldw, size_t rows,
                                       size_t cols, size_t *row,
                                       size_t *group) {
  size_t r, c;
  const sste_status s = sste_priv_matrix(w, rows, cols, ldw, sizeof *w);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (cols % 4 != 0) return SSTE_ERR_SHAPE;
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; c += 4) {
      int i, nonzeros = 0;
      for (i = 0; i < 4; ++i)
        nonzeros += sste_priv_magnitude(w[r * ldw + c + (size_t)i]) != 0;
      if (nonzeros > 2) {
        if (row != NULL) *row = r;
        if (group != NULL) *group = c / 4;
        return SSTE_ERR_PATTERN;
      }
    }
  return SSTE_OK;
}

/* The nibble of group g of a metadata row. */
static inline int sste_priv_nibble(const uint8_t *meta_row, size_t g) {
  return meta_row[g / 2] >> (g % 2 * 4) & 0xF;
}

/* The bytes of one metadata row; an odd last group leaves half a byte. */
static inline size_t sste_priv_meta_cols(size_t cols) { return (cols + 7) / 8; }

/* A compressed matrix: both arrays, its shape, and every nibble. */
static inline sste_status sste_priv_compressed(const float *values, size_t ldv,
                                               const uint8_t *meta, size_t ldm,
                                               size_t rows, size_t cols) {
  size_t r, g;
  sste_status s = sste_priv_matrix(values, rows, cols / 2, ldv, sizeof *values);
  if (s == SSTE_OK)
    s = sste_priv_matrix(meta, rows, sste_priv_meta_cols(cols), ldm,
                         sizeof *meta);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (cols % 4 != 0) return SSTE_ERR_SHAPE;
  for (r = 0; r < rows; ++r)
    for (g = 0; g < cols / 4; ++g)
      if (sste_nibble_check(sste_priv_nibble(meta + r * ldm, g)) != SSTE_OK)
        return SSTE_ERR_PATTERN;
  return SSTE_OK;
}

/* sste_tensor_compress - a 2:4 matrix as values and metadata.
 *   values    receives rows x cols/2 floats, rows ldv apart
 *   meta      receives rows x ceil(cols/8) bytes, rows ldm apart
 *   w         rows x cols floats, rows ldw apart, 2:4 along the rows; cols a
 *             multiple of 4. No two of the three may overlap
 *   ties, specials  per group as sste_group_compress; an unused half byte is 0
 *   e.g.      (0, 5, 0, 0, 0, 0, 7, -2) -> (0, 5, 7, -2), 0xE4
 *   BITWISE. Overwrites values and meta.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, PATTERN (sste_tensor_check says where).
 */
SSTE_API sste_status sste_tensor_compress(float *values, size_t ldv,
                                          uint8_t *meta, size_t ldm,
                                          const float *w, size_t ldw,
                                          size_t rows, size_t cols) {
  const size_t mcols = sste_priv_meta_cols(cols);
  ptrdiff_t r;
  sste_status s = sste_tensor_check(w, ldw, rows, cols, NULL, NULL);
  if (s == SSTE_OK)
    s = sste_priv_matrix(values, rows, cols / 2, ldv, sizeof *values);
  if (s == SSTE_OK) s = sste_priv_matrix(meta, rows, mcols, ldm, sizeof *meta);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (sste_priv_overlap(values, rows, cols / 2, ldv, sizeof *values, w, rows,
                        cols, ldw, sizeof *w) ||
      sste_priv_overlap(meta, rows, mcols, ldm, 1, w, rows, cols, ldw,
                        sizeof *w) ||
      sste_priv_overlap(meta, rows, mcols, ldm, 1, values, rows, cols / 2, ldv,
                        sizeof *values))
    return SSTE_ERR_OVERLAP;
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    uint8_t *nibbles = meta + (size_t)r * ldm;
    size_t g;
    for (g = 0; g < cols / 4; ++g) {
      const int nibble = sste_group_compress(values + (size_t)r * ldv + 2 * g,
                                             w + (size_t)r * ldw + 4 * g);
      if (g % 2 == 0)
        nibbles[g / 2] = (uint8_t)nibble;
      else
        nibbles[g / 2] = (uint8_t)(nibbles[g / 2] | nibble << 4);
    }
  }
  return SSTE_OK;
}

/* sste_tensor_decompress - the dense matrix of a compressed one.
 *   out       receives rows x cols floats, rows ldo apart
 *   values    rows x cols/2 floats, rows ldv apart; no overlap with out
 *   meta      rows x ceil(cols/8) bytes, rows ldm apart; no overlap with out
 *   e.g.      (0, 5, 7, -2), 0xE4 -> (0, 5, 0, 0, 0, 0, 7, -2)
 *   BITWISE. Overwrites out.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, PATTERN (an illegal nibble).        */
SSTE_API sste_status sste_tensor_decompress(float *out, size_t ldo,
                                            const float *values, size_t ldv,
                                            const uint8_t *meta, size_t ldm,
                                            size_t rows, size_t cols) {
  ptrdiff_t r;
  sste_status s = sste_priv_matrix(out, rows, cols, ldo, sizeof *out);
  if (s == SSTE_OK)
    s = sste_priv_compressed(values, ldv, meta, ldm, rows, cols);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (sste_priv_overlap(out, rows, cols, ldo, sizeof *out, values, rows,
                        cols / 2, ldv, sizeof *values) ||
      sste_priv_overlap(out, rows, cols, ldo, sizeof *out, meta, rows,
                        sste_priv_meta_cols(cols), ldm, 1))
    return SSTE_ERR_OVERLAP;
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    size_t g;
    for (g = 0; g < cols / 4; ++g)
      sste_group_decompress(out + (size_t)r * ldo + 4 * g,
                            values + (size_t)r * ldv + 2 * g,
                            sste_priv_nibble(meta + (size_t)r * ldm, g));
  }
  return SSTE_OK;
}

/* ---- 5. Products --------------------------------------------------------- */

/* Every output is one sum over the contraction index in ascending order, in one
 * double that starts at +0, rounded to float at the end. A product of two
 * floats is exact in double, so fused multiply-add changes nothing, and tiling
 * changes only which outputs are worked on together. Hence, for K terms,
 *
 *     |out - exact| <= K 2^-53 sum |x w| + 2^-24 |out|   (barring underflow) */
enum { SSTE_PRIV_TILE = 64, SSTE_PRIV_DEPTH = 32, SSTE_PRIV_TERMS = 8 };

/* acc[j] += a[0] row[0][j] + ... + a[7] row[7][j], added one after another. */
static inline void sste_priv_accumulate(
    double *acc, const double a[SSTE_PRIV_TERMS],
    const double *const row[SSTE_PRIV_TERMS]) {
  const double a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3];
  const double a4 = a[4], a5 = a[5], a6 = a[6], a7 = a[7];
  const double *r0 = row[0], *r1 = row[1], *r2 = row[2], *r3 = row[3];
  const double *r4 = row[4], *r5 = row[5], *r6 = row[6], *r7 = row[7];
  int j;
  SSTE_OMP(simd)
  for (j = 0; j < SSTE_PRIV_TILE; ++j) {
    double s = acc[j];
    s += a0 * r0[j];
    s += a1 * r1[j];
    s += a2 * r2[j];
    s += a3 * r3[j];
    s += a4 * r4[j];
    s += a5 * r5[j];
    s += a6 * r6[j];
    s += a7 * r7[j];
    acc[j] = s;
  }
}

/* A matrix read through strides: element (i, j) is p[i * down + j * across]. */
typedef struct sste_priv_operand {
  const float *p;
  size_t down, across;
} sste_priv_operand;

static inline sste_priv_operand sste_priv_strided(const float *p, size_t down,
                                                  size_t across) {
  sste_priv_operand m;
  m.p = p;
  m.down = down;
  m.across = across;
  return m;
}

/* A panel of m, `depth` rows from k0 on and `width` columns from j0 on, as
 * doubles, the rest of the tile +0. */
static inline void sste_priv_panel(
    double panel[SSTE_PRIV_DEPTH][SSTE_PRIV_TILE], sste_priv_operand m,
    size_t k0, size_t depth, size_t j0, size_t width) {
  size_t k, j;
  memset(panel, 0, sizeof(double) * SSTE_PRIV_DEPTH * SSTE_PRIV_TILE);
  for (j = 0; j < width; ++j)
    for (k = 0; k < depth; ++k)
      panel[k][j] = (double)m.p[(k0 + k) * m.down + (j0 + j) * m.across];
}

static inline size_t sste_priv_at_most(size_t n, size_t limit) {
  return n < limit ? n : limit;
}

/* One tile of out = A B: A is rows x depth, B is depth x cols. */
static inline void sste_priv_product_tile(float *out, size_t ldo,
                                          sste_priv_operand a,
                                          sste_priv_operand b, size_t i0,
                                          size_t rows, size_t j0, size_t cols,
                                          size_t depth) {
  double acc[SSTE_PRIV_TILE][SSTE_PRIV_TILE] = {{0.0}};
  double panel[SSTE_PRIV_DEPTH][SSTE_PRIV_TILE];
  size_t i, j, k, k0;
  for (k0 = 0; k0 < depth; k0 += SSTE_PRIV_DEPTH) {
    const size_t n = sste_priv_at_most(depth - k0, SSTE_PRIV_DEPTH);
    sste_priv_panel(panel, b, k0, n, j0, cols);
    for (i = 0; i < rows; ++i) {
      double x[SSTE_PRIV_DEPTH] = {0.0};
      for (k = 0; k < n; ++k)
        x[k] = (double)a.p[(i0 + i) * a.down + (k0 + k) * a.across];
      for (k = 0; k < n; k += SSTE_PRIV_TERMS) {
        const double *row[SSTE_PRIV_TERMS];
        for (j = 0; j < SSTE_PRIV_TERMS; ++j) row[j] = panel[k + j];
        sste_priv_accumulate(acc[i], x + k, row);
      }
    }
  }
  for (i = 0; i < rows; ++i)
    for (j = 0; j < cols; ++j)
      out[(i0 + i) * ldo + j0 + j] = sste_priv_canonical((float)acc[i][j]);
}

static inline void sste_priv_product(float *out, size_t ldo,
                                     sste_priv_operand a, sste_priv_operand b,
                                     size_t rows, size_t cols, size_t depth) {
  const size_t across = (cols + SSTE_PRIV_TILE - 1) / SSTE_PRIV_TILE;
  const size_t down = (rows + SSTE_PRIV_TILE - 1) / SSTE_PRIV_TILE;
  ptrdiff_t tile;
  SSTE_OMP(parallel for schedule(static))
  for (tile = 0; tile < (ptrdiff_t)(down * across); ++tile) {
    const size_t i0 = (size_t)tile / across * SSTE_PRIV_TILE;
    const size_t j0 = (size_t)tile % across * SSTE_PRIV_TILE;
    sste_priv_product_tile(out, ldo, a, b, i0,
                           sste_priv_at_most(rows - i0, SSTE_PRIV_TILE), j0,
                           sste_priv_at_most(cols - j0, SSTE_PRIV_TILE), depth);
  }
}

/* The check of a product: three sound matrices, the output apart from both. */
static inline sste_status sste_priv_product_check(
    const float *out, size_t out_rows, size_t out_cols, size_t ldo,
    const float *a, size_t a_rows, size_t a_cols, size_t lda, const float *b,
    size_t b_rows, size_t b_cols, size_t ldb) {
  sste_status s = sste_priv_matrix(out, out_rows, out_cols, ldo, sizeof *out);
  if (s == SSTE_OK) s = sste_priv_matrix(a, a_rows, a_cols, lda, sizeof *a);
  if (s == SSTE_OK) s = sste_priv_matrix(b, b_rows, b_cols, ldb, sizeof *b);
  if (s != SSTE_OK) return s;
  if (sste_priv_overlap(out, out_rows, out_cols, ldo, sizeof *out, a, a_rows,
                        a_cols, lda, sizeof *a) ||
      sste_priv_overlap(out, out_rows, out_cols, ldo, sizeof *out, b, b_rows,
                        b_cols, ldb, sizeof *b))
    return SSTE_ERR_OVERLAP;
  return SSTE_OK;
}

/* sste_product_forward - Z = X W^T, z_tn = sum_k x_tk w_nk.
 *   z         receives T x N floats, rows ldz apart; overlaps no input
 *   x         T x K floats, rows ldx apart
 *   w         N x K floats, rows ldw apart
 *   T, N, K   any sizes; K = 0 gives zeros
 *   specials  as IEEE arithmetic has it, a zero times an infinity included; a
 *             NaN leaves as 0x7FC00000
 *   e.g.      X = (1, 2), W = (3, 4): Z = 11
 *   ORDERED: k ascending in one double per output, rounded once to float; and
 *   BITWISE, as products of floats are exact in double. Error bound above.
 *   Overwrites z. Errors: NULL, SHAPE, SIZE, OVERLAP.                       */
SSTE_API sste_status sste_product_forward(float *z, size_t ldz, const float *x,
                                          size_t ldx, const float *w,
                                          size_t ldw, size_t T, size_t N,
                                          size_t K) {
  const sste_status s =
      sste_priv_product_check(z, T, N, ldz, x, T, K, ldx, w, N, K, ldw);
  if (s != SSTE_OK) return s;
  sste_priv_product(z, ldz, sste_priv_strided(x, ldx, 1),
                    sste_priv_strided(w, 1, ldw), T, N, K);
  return SSTE_OK;
}

/* sste_product_input_grad - dX = dZ W, dx_tk = sum_n dz_tn w_nk.
 *   dx        receives T x K floats, rows lddx apart; overlaps no input
 *   dz        T x N floats, rows lddz apart
 *   w         N x K floats, rows ldw apart
 *   e.g.      dZ = (1, 2), W = ((3), (4)): dX = 11
 *   ORDERED: n ascending; all else as sste_product_forward.
 *   Overwrites dx. Errors: NULL, SHAPE, SIZE, OVERLAP.                      */
SSTE_API sste_status sste_product_input_grad(float *dx, size_t lddx,
                                             const float *dz, size_t lddz,
                                             const float *w, size_t ldw,
                                             size_t T, size_t N, size_t K) {
  const sste_status s =
      sste_priv_product_check(dx, T, K, lddx, dz, T, N, lddz, w, N, K, ldw);
  if (s != SSTE_OK) return s;
  sste_priv_product(dx, lddx, sste_priv_strided(dz, lddz, 1),
                    sste_priv_strided(w, ldw, 1), T, K, N);
  return SSTE_OK;
}

/* sste_product_weight_grad - dW = dZ^T X, dw_nk = sum_t dz_tn x_tk.
 *   dw        receives N x K floats, rows lddw apart; overlaps no input
 *   dz        T x N floats, rows lddz apart
 *   x         T x K floats, rows ldx apart
 *   e.g.      dZ = ((1), (2)), X = ((3), (4)): dW = 11
 *   ORDERED: t ascending; all else as sste_product_forward.
 *   Overwrites dw. Errors: NULL, SHAPE, SIZE, OVERLAP.                      */
SSTE_API sste_status sste_product_weight_grad(float *dw, size_t lddw,
                                              const float *dz, size_t lddz,
                                              const float *x, size_t ldx,
                                              size_t T, size_t N, size_t K) {
  const sste_status s =
      sste_priv_product_check(dw, N, K, lddw, dz, T, N, lddz, x, T, K, ldx);
  if (s != SSTE_OK) return s;
  sste_priv_product(dw, lddw, sste_priv_strided(dz, 1, lddz),
                    sste_priv_strided(x, ldx, 1), N, K, T);
  return SSTE_OK;
}

/* One tile of Z = X W^T with W compressed: features down, tokens across, so
 * that a kept weight multiplies 64 tokens at once. Eight terms are the kept
 * values of four groups; groups past K meet rows of zeros in the panel. */
static inline void sste_priv_compressed_tile(
    float *z, size_t ldz, const float *x, size_t ldx, const float *values,
    size_t ldv, const uint8_t *meta, size_t ldm, size_t t0, size_t tokens,
    size_t n0, size_t features, size_t K) {
  double acc[SSTE_PRIV_TILE][SSTE_PRIV_TILE] = {{0.0}};
  double panel[SSTE_PRIV_DEPTH][SSTE_PRIV_TILE];
  size_t n, t, k, k0;
  for (k0 = 0; k0 < K; k0 += SSTE_PRIV_DEPTH) {
    const size_t depth = sste_priv_at_most(K - k0, SSTE_PRIV_DEPTH);
    sste_priv_panel(panel, sste_priv_strided(x, 1, ldx), k0, depth, t0, tokens);
    for (n = 0; n < features; ++n) {
      const float *v = values + (n0 + n) * ldv;
      const uint8_t *nibbles = meta + (n0 + n) * ldm;
      for (k = 0; k < depth; k += 2 * SSTE_PRIV_TERMS) {
        double a[SSTE_PRIV_TERMS] = {0.0};
        const double *row[SSTE_PRIV_TERMS];
        size_t i;
        for (i = 0; i < SSTE_PRIV_TERMS; i += 2) {
          const size_t g = (k0 + k) / 4 + i / 2, at = k + 2 * i;
          const int nibble = at < depth ? sste_priv_nibble(nibbles, g) : 0x4;
          row[i] = panel[at + (size_t)(nibble & 3)];
          row[i + 1] = panel[at + (size_t)(nibble >> 2)];
          if (at < depth) {
            a[i] = (double)v[2 * g];
            a[i + 1] = (double)v[2 * g + 1];
          }
        }
        sste_priv_accumulate(acc[n], a, row);
      }
    }
  }
  for (t = 0; t < tokens; ++t)
    for (n = 0; n < features; ++n)
      z[(t0 + t) * ldz + n0 + n] = sste_priv_canonical((float)acc[n][t]);
}

/* sste_product_forward_compressed - Z = X W^T from the compressed form of W:
 * half the multiplications, as the sparse tensor core does it.
 *   z         receives T x N floats, rows ldz apart; overlaps no input
 *   x         T x K floats, rows ldx apart
 *   values    N x K/2 floats, rows ldv apart; K a multiple of 4
 *   meta      N x ceil(K/8) bytes, rows ldm apart
 *   specials  as sste_product_forward, but an entry that no nibble names is not
 *             multiplied: an infinity or a NaN in X leaves no trace there.
 *             The +0 of an empty place is named, and multiplied
 *   e.g.      X = (1, 2, 3, 4), W = (0, 5, 0, 0) as (0, 5), 0x4: Z = 10
 *   ORDERED and BITWISE: kept terms in ascending k; for finite X the bits of
 *   sste_product_forward on the decompressed W. Overwrites z.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, PATTERN (an illegal nibble).        */
SSTE_API sste_status sste_product_forward_compressed(
    float *z, size_t ldz, const float *x, size_t ldx, const float *values,
    size_t ldv, const uint8_t *meta, size_t ldm, size_t T, size_t N, size_t K) {
  const size_t across = (N + SSTE_PRIV_TILE - 1) / SSTE_PRIV_TILE;
  const size_t down = (T + SSTE_PRIV_TILE - 1) / SSTE_PRIV_TILE;
  ptrdiff_t tile;
  sste_status s = sste_priv_compressed(values, ldv, meta, ldm, N, K);
  if (s != SSTE_OK) return s;
  s = sste_priv_product_check(z, T, N, ldz, x, T, K, ldx, values, N, K / 2,
                              ldv);
  if (s != SSTE_OK) return s;
  if (sste_priv_overlap(z, T, N, ldz, sizeof *z, meta, N,
                        sste_priv_meta_cols(K), ldm, 1))
    return SSTE_ERR_OVERLAP;
  SSTE_OMP(parallel for schedule(static))
  for (tile = 0; tile < (ptrdiff_t)(down * across); ++tile) {
    const size_t t0 = (size_t)tile / across * SSTE_PRIV_TILE;
    const size_t n0 = (size_t)tile % across * SSTE_PRIV_TILE;
    sste_priv_compressed_tile(z, ldz, x, ldx, values, ldv, meta, ldm, t0,
                              sste_priv_at_most(T - t0, SSTE_PRIV_TILE), n0,
                              sste_priv_at_most(N - n0, SSTE_PRIV_TILE), K);
  }
  return SSTE_OK;
}

#ifdef __cplusplus
}
#endif

#endif /* SSTE_H */
