/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * sste.h - the continuous projection of S-STE, masks, scales, and products.
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
 *   2. N of M               the same for any pattern, and the gamma family
 *   3. Tensors              projection; float16 and bfloat16, rows or columns
 *   4. Masks                hard, transposable, non-zero; flip rates
 *   5. Sums                 scales, relative error, predicted descent
 *   6. The compressed form  two values and a nibble per group
 *   7. Products             the three of a linear layer, and the compressed one
 *
 * Letters. W: N x K dense weight (N out-features, K in-features); X: T x K
 * activations of T tokens; Z = X W^T: T x N; dZ, dX, dW: gradients of the loss.
 * N:M sparse: at most N of every M consecutive entries are not zero. Groups run
 * along the contraction index, for W along its rows, aligned at 0 mod 4.
 * Matrices are row-major with a leading dimension (ld, the distance between
 * rows in elements). S-STE alone needs sections 1, 3, 6 and 7 and the beta of
 * 5: on first reading skip section 2, and take _nm and _as for "of any
 * pattern" and "of any element", 2:4 and float among them.
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
#define SSTE_VERSION_MINOR 8
#define SSTE_VERSION_PATCH 0
#define SSTE_VERSION "0.8.0"

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

/* What a loop calls must become a part of it before the loop can go by vectors,
 * and in a large unit gcc stops inlining what is not tiny. */
#if defined(__GNUC__)
#define SSTE_PRIV_INLINE static inline __attribute__((always_inline))
#else
#define SSTE_PRIV_INLINE static inline
#endif

/* Arrays that go through vectors: one that straddles cache lines takes up to
 * three times as long to store. */
#if defined(__GNUC__)
#define SSTE_PRIV_ALIGNED __attribute__((aligned(64)))
#else
#define SSTE_PRIV_ALIGNED
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
 * untouched, unless the function's comment says what they then hold. Where
 * several apply, any of them may be returned. */
typedef enum sste_status {
  SSTE_OK = 0,
  SSTE_ERR_NULL,      /* a pointer that is needed is null */
  SSTE_ERR_SHAPE,     /* a group is not full, or a stride too short */
  SSTE_ERR_SIZE,      /* sizes or an index overflow, or scratch is too small */
  SSTE_ERR_OVERLAP,   /* an output's bytes, first to last, meet those of another
                         matrix; two column slices of one count as meeting */
  SSTE_ERR_VALUE,     /* a scalar argument is outside its range */
  SSTE_ERR_ZERO,      /* the projection is zero everywhere: no scale exists */
  SSTE_ERR_NONFINITE, /* a result that must be finite is not */
  SSTE_ERR_PATTERN,   /* a group has too many non-zeros, or a bad nibble */
  SSTE_ERR_DEVICE     /* the GPU did not take a launch */
} sste_status;

/* Which way the groups of a row-major matrix run. A run is a line of groups,
 * one after another along the contraction index. */
typedef enum sste_axis {
  SSTE_ALONG_ROWS = 0,  /* M consecutive columns of one row; run = the row */
  SSTE_DOWN_COLUMNS = 1 /* M consecutive rows of one column; run = the column */
} sste_axis;

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
    case SSTE_ERR_PATTERN: return "a group is not N:M sparse, or a nibble bad";
    case SSTE_ERR_DEVICE: return "the GPU did not take a launch";
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

/* Two sound matrices of one shape that share no byte. */
static inline sste_status sste_priv_two(const void *p, size_t ldp,
                                        size_t p_size, const void *q,
                                        size_t ldq, size_t q_size, size_t rows,
                                        size_t cols) {
  sste_status s = sste_priv_matrix(p, rows, cols, ldp, p_size);
  if (s == SSTE_OK) s = sste_priv_matrix(q, rows, cols, ldq, q_size);
  if (s != SSTE_OK) return s;
  return sste_priv_overlap(p, rows, cols, ldp, p_size, q, rows, cols, ldq,
                           q_size)
             ? SSTE_ERR_OVERLAP
             : SSTE_OK;
}

/* The check of an elementwise function: both matrices sound, and either the
 * same memory with the same stride (in place) or no byte in common. */
static inline sste_status sste_priv_unary(const void *out, size_t ldo,
                                          size_t out_size, const void *in,
                                          size_t ldi, size_t in_size,
                                          size_t rows, size_t cols) {
  if (out == in && ldo == ldi && out_size == in_size)
    return sste_priv_matrix(out, rows, cols, ldo, out_size);
  return sste_priv_two(out, ldo, out_size, in, ldi, in_size, rows, cols);
}

/* An N:M pattern: N of every M are kept. */
SSTE_HD static inline int sste_priv_is_nm(int n, int m) {
  return 0 < n && n < m && m <= 32;
}

/* The groups of m of a row-major matrix: element i of group g of run r is at
 * r * pitch + g * step + i * stride; a run has `groups`, `length` elements. */
typedef struct sste_priv_runs {
  size_t runs, length, groups, pitch, step, stride;
} sste_priv_runs;

static inline sste_priv_runs sste_priv_runs_of(size_t rows, size_t cols,
                                               size_t ld, sste_axis axis,
                                               size_t m) {
  const int down = axis == SSTE_DOWN_COLUMNS;
  sste_priv_runs v;
  v.runs = down ? cols : rows;
  v.length = down ? rows : cols;
  v.pitch = down ? 1 : ld;
  v.stride = down ? ld : 1;
  v.groups = v.length / m;
  v.step = m * v.stride;
  return v;
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
SSTE_HD SSTE_PRIV_INLINE float sste_priv_stored(float x) {
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

/* Which of two equal magnitudes a mask keeps. S(a) never depends on it. */
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

/* ---- 2. N of M ----------------------------------------------------------- */

/* The same three functions for groups of any M <= 32 of which N are kept, and
 * for the family of thresholds between one order statistic and the next,
 *
 *     t = t_0 + gamma (t_1 - t_0),     0 <= gamma <= 1,
 *
 * t_0 being the (M-N)-th smallest magnitude and t_1 the one above it. gamma = 0
 * is S-STE's threshold and leaves N non-zeros at most, gamma = 1, but for
 * rounding, N-1. For 2:4 and gamma = 0 every bit is that of section 1.      */

/* What a matrix holds. 1- and 2-byte elements are bit patterns.             */
typedef enum sste_type {
  SSTE_FLOAT32 = 0, /* float */
  SSTE_FLOAT16,     /* uint16_t: IEEE half precision */
  SSTE_BFLOAT16,    /* uint16_t: the upper half of a float */
  SSTE_FP8, /* uint8_t: 0x00 and 0x80 are the zeros (E4M3FN, E5M2, ...) */
  SSTE_INT8 /* int8_t or FNUZ codes: only 0x00 is a zero */
} sste_type;

/* An N:M pattern in a matrix. Make one with sste_nm_of and set what differs. */
typedef struct sste_nm {
  int n, m;       /* n of every m are kept, 0 < n < m <= 32 */
  sste_axis axis; /* which way the groups run */
  sste_type type; /* what the elements are */
} sste_nm;

/* sste_nm_of - n:m along the rows of a matrix of floats.
 *   e.g.      sste_nm_of(2, 4) is what sste_tensor_project works on         */
SSTE_API SSTE_HD sste_nm sste_nm_of(int n, int m) {
  sste_nm nm;
  nm.n = n;
  nm.m = m;
  nm.axis = SSTE_ALONG_ROWS;
  nm.type = SSTE_FLOAT32;
  return nm;
}

/* Whether gamma is in [0, 1]. */
SSTE_HD static inline int sste_priv_is_gamma(float gamma) {
  return sste_priv_bits(gamma) <= 0x3F800000u || gamma == 0.0f;
}

/* The k-th smallest of m magnitudes, k = 0 the smallest: the one that k others
 * go before, equal ones in the order of their indices. */
SSTE_HD static inline float sste_priv_order(const float *a, int m, int k) {
  int i, j;
  for (i = 0; i < m; ++i) {
    const uint32_t mi = sste_priv_magnitude(a[i]);
    int below = 0;
    for (j = 0; j < m; ++j) {
      const uint32_t mj = sste_priv_magnitude(a[j]);
      below += mj < mi || (mj == mi && j < i);
    }
    if (below == k) return sste_priv_float(mi);
  }
  return sste_priv_float(SSTE_PRIV_NAN);
}

/* sste_group_threshold_nm - t = t_0 + gamma (t_1 - t_0) of a group of m.
 *   a         m values
 *   n, m      0 < n < m <= 32
 *   gamma     in [0, 1]
 *   ties      equal magnitudes count one each
 *   specials  NaN is the largest magnitude. With gamma = 0, t is t_0 whatever
 *             t_1 is; else an infinite or NaN t_1 makes t infinite or NaN. NaN
 *             for n, m or gamma out of range
 *   e.g.      (4, -3, 2, -1), 2:4: gamma 0 -> 2, gamma 0.5 -> 2.5, 1 -> 3
 *   BITWISE: t_1 - t_0 in float; its product with gamma exact; the sum rounded
 *   to double, then to float. Never fails.
 *   Source: S-STE sweeps such a gamma and takes 0; that it interpolates so is
 *   this library's reading.                                                 */
SSTE_API SSTE_HD float sste_group_threshold_nm(const float *a, int n, int m,
                                               float gamma) {
  float t0, t1;
  if (!sste_priv_is_nm(n, m) || !sste_priv_is_gamma(gamma))
    return sste_priv_float(SSTE_PRIV_NAN);
  t0 = sste_priv_order(a, m, m - n - 1);
  if (gamma == 0.0f) return t0;
  t1 = sste_priv_order(a, m, m - n);
  if (sste_priv_magnitude(t1) >= SSTE_PRIV_INF) return t1;
  return (float)((double)t0 + (double)gamma * (double)(t1 - t0));
}

/* sste_group_mask_nm - the hard magnitude mask: which n of m are largest.
 *   a         m values
 *   n, m      0 < n < m <= 32
 *   tie       which index wins among equal magnitudes
 *   specials  NaN is the largest magnitude; always exactly n bits are set, or
 *             none for n or m out of range
 *   returns   m bits, bit i set where a_i is kept
 *   e.g.      (4, -3, 2, -1), 1:4 -> 0x1;  3:4 -> 0x7
 *   BITWISE. Never fails. Source: N:M magnitude pruning.                    */
SSTE_API SSTE_HD uint32_t sste_group_mask_nm(const float *a, int n, int m,
                                             sste_tie tie) {
  uint32_t mask = 0;
  int i, j;
  if (!sste_priv_is_nm(n, m)) return 0;
  for (i = 0; i < m; ++i) {
    const uint32_t mi = sste_priv_magnitude(a[i]);
    int above = 0; /* how many go before a_i */
    for (j = 0; j < m; ++j) {
      const uint32_t mj = sste_priv_magnitude(a[j]);
      above += mj > mi || (mj == mi && (tie == SSTE_TIE_LOWER ? j < i : j > i));
    }
    if (above < n) mask |= (uint32_t)1 << i;
  }
  return mask;
}

/* sste_group_project_nm - S(a)_i = sign(a_i) * max(|a_i| - t, 0), n of m kept.
 *   out       receives m values; may be a itself
 *   a         m values
 *   n, m      0 < n < m <= 32
 *   gamma     in [0, 1]; see sste_group_threshold_nm
 *   ties      none in the values, as in sste_group_project
 *   specials  pruned is +0. If the group holds a NaN, or t is infinite, the n
 *             positions of its mask (lower index wins) are 0x7FC00000 and the
 *             others +0
 *   returns   1 if the group came out as NaN, 0 if not; -1, with out untouched,
 *             for n, m or gamma out of range
 *   e.g.      (4, -3, 2, -1): 1:4 -> (1, 0, 0, 0);  3:4 -> (3, -2, 1, 0);
 *             2:4 and gamma 0.5 -> (1.5, -0.5, 0, 0)
 *   ROUNDED-ONCE from t on, and BITWISE. Overwrites out. Never fails otherwise.
 *   Source: as sste_group_threshold_nm.                                     */
SSTE_API SSTE_HD int sste_group_project_nm(float *out, const float *a, int n,
                                           int m, float gamma) {
  const float t = sste_group_threshold_nm(a, n, m, gamma);
  const uint32_t mt = sste_priv_magnitude(t);
  uint32_t mask = 0;
  int i, is_nan = mt >= SSTE_PRIV_INF;
  if (!sste_priv_is_nm(n, m) || !sste_priv_is_gamma(gamma)) return -1;
  for (i = 0; i < m; ++i) is_nan |= sste_priv_magnitude(a[i]) == SSTE_PRIV_NAN;
  if (is_nan) mask = sste_group_mask_nm(a, n, m, SSTE_TIE_LOWER);
  for (i = 0; i < m; ++i) {
    if (is_nan)
      out[i] = sste_priv_float(mask >> i & 1 ? SSTE_PRIV_NAN : 0u);
    else if (sste_priv_magnitude(a[i]) <= mt)
      out[i] = 0.0f;
    else
      out[i] = a[i] > 0.0f ? a[i] - t : a[i] + t;
  }
  return is_nan;
}

/* ---- 3. Tensors ---------------------------------------------------------- */

SSTE_HD static inline size_t sste_priv_type_bytes(sste_type type) {
  return type == SSTE_FLOAT32 ? 4 : type <= SSTE_BFLOAT16 ? 2 : 1;
}

/* float16 to float, exact: a subnormal is its integer times 2^-24. */
SSTE_HD static inline float sste_priv_from_float16(uint32_t h) {
  const uint32_t sign = (h & 0x8000u) << 16, m = h & 0x7FFFu;
  if (m < 0x0400u)
    return sste_priv_float(sste_priv_bits((float)m / 16777216.0f) | sign);
  if (m >= 0x7C00u) return sste_priv_float(sign | 0x7F800000u | m << 13);
  return sste_priv_float(sign | ((m << 13) + 0x38000000u)); /* bias 127 - 15 */
}

/* The integer x / 2^n rounded to nearest, ties to even. */
SSTE_HD static inline uint32_t sste_priv_round_shift(uint32_t x, int n) {
  const uint32_t odd = x >> n & 1u;
  return (x + (((uint32_t)1 << (n - 1)) - 1u) + odd) >> n;
}

/* float to float16, rounded once; a carry out of the fraction reaches the
 * exponent and, past 65504, infinity. NaN is 0x7E00, a zero +0. */
SSTE_HD static inline uint32_t sste_priv_to_float16(float x) {
  const uint32_t m = sste_priv_magnitude(x);
  const uint32_t sign = sste_priv_bits(x) >> 16 & 0x8000u;
  uint32_t h;
  if (m == SSTE_PRIV_NAN) return 0x7E00u;
  if (m >= 0x477FF000u) /* 65520 and beyond */
    h = 0x7C00u;
  else if (m >= 0x38800000u) /* 2^-14, the smallest normal */
    h = sste_priv_round_shift(m - 0x38000000u, 13);
  else if (m >= 0x33000000u) /* 2^-25: subnormal, in units of 2^-24 */
    h = sste_priv_round_shift((m & 0x7FFFFFu) | 0x800000u,
                              126 - (int)(m >> 23));
  else
    h = 0;
  return h == 0 ? 0 : h | sign;
}

/* float to bfloat16, rounded once. NaN is 0x7FC0, a zero +0. */
SSTE_HD static inline uint32_t sste_priv_to_bfloat16(float x) {
  const uint32_t m = sste_priv_magnitude(x);
  const uint32_t sign = sste_priv_bits(x) >> 16 & 0x8000u;
  const uint32_t h = sste_priv_round_shift(m, 16);
  if (m == SSTE_PRIV_NAN) return 0x7FC0u;
  return h == 0 ? 0 : h | sign;
}

/* Whether an element's bits are a zero: -0 is one where the type has it. */
SSTE_HD static inline int sste_priv_is_zero(uint32_t bits, sste_type type) {
  const uint32_t sign = type == SSTE_FLOAT32 ? 0x80000000u
                        : type == SSTE_FP8   ? 0x80u
                        : type == SSTE_INT8  ? 0u
                                             : 0x8000u;
  return (bits & ~sign) == 0;
}

/* The bits of element i, whatever its type. By bytes: with a typed store for
 * each width, gcc 12 loses those of sste_tensor_project_nm (-O2, no OpenMP). */
SSTE_HD static inline uint32_t sste_priv_element(const void *p, sste_type type,
                                                 size_t i) {
  const uint8_t *at = (const uint8_t *)p + i * sste_priv_type_bytes(type);
  uint32_t word;
  uint16_t half;
  if (type == SSTE_FLOAT32) {
    memcpy(&word, at, sizeof word);
    return word;
  }
  if (type <= SSTE_BFLOAT16) {
    memcpy(&half, at, sizeof half);
    return half;
  }
  return *at;
}

SSTE_HD static inline void sste_priv_set_element(void *p, sste_type type,
                                                 size_t i, uint32_t bits) {
  uint8_t *at = (uint8_t *)p + i * sste_priv_type_bytes(type);
  const uint16_t half = (uint16_t)bits;
  if (type == SSTE_FLOAT32)
    memcpy(at, &bits, sizeof bits);
  else if (type <= SSTE_BFLOAT16)
    memcpy(at, &half, sizeof half);
  else
    *at = (uint8_t)bits;
}

/* Element i of floats, float16 or bfloat16 as a float, and a float stored. */
SSTE_HD static inline float sste_priv_load(const void *p, sste_type type,
                                           size_t i) {
  const uint32_t bits = sste_priv_element(p, type, i);
  if (type == SSTE_FLOAT16) return sste_priv_from_float16(bits);
  return sste_priv_float(type == SSTE_BFLOAT16 ? bits << 16 : bits);
}

SSTE_HD static inline void sste_priv_save(void *p, sste_type type, size_t i,
                                          float x) {
  uint32_t bits = sste_priv_bits(sste_priv_stored(x));
  if (type == SSTE_FLOAT16) bits = sste_priv_to_float16(x);
  if (type == SSTE_BFLOAT16) bits = sste_priv_to_bfloat16(x);
  sste_priv_set_element(p, type, i, bits);
}

/* The arguments that N:M functions share: the pattern itself, elements that are
 * floats unless `bytes` allows 1-byte ones, and full groups. */
static inline sste_status sste_priv_nm_check(sste_nm nm, size_t rows,
                                             size_t cols, int bytes) {
  if (!sste_priv_is_nm(nm.n, nm.m) ||
      (nm.axis != SSTE_ALONG_ROWS && nm.axis != SSTE_DOWN_COLUMNS) ||
      (int)nm.type < 0 || nm.type > (bytes ? SSTE_INT8 : SSTE_BFLOAT16))
    return SSTE_ERR_VALUE;
  if (rows == 0 || cols == 0) return SSTE_OK;
  return (nm.axis == SSTE_DOWN_COLUMNS ? rows : cols) % (size_t)nm.m == 0
             ? SSTE_OK
             : SSTE_ERR_SHAPE;
}

/* The bulk functions below cut each row into strips, which the threads share,
 * and each strip into spans, whose intermediate results stay in the first-level
 * cache: loops over a span that do one simple thing each are what compilers
 * turn into vector instructions. */
#define SSTE_PRIV_SPAN 128
#define SSTE_PRIV_STRIP 4096

typedef struct sste_priv_strip {
  size_t row, col, n; /* n elements of a row from column col on */
} sste_priv_strip;

static inline size_t sste_priv_strips(size_t rows, size_t cols) {
  return rows * ((cols + SSTE_PRIV_STRIP - 1) / SSTE_PRIV_STRIP);
}

static inline sste_priv_strip sste_priv_strip_at(size_t i, size_t cols) {
  const size_t per_row = (cols + SSTE_PRIV_STRIP - 1) / SSTE_PRIV_STRIP;
  sste_priv_strip s;
  s.row = i / per_row;
  s.col = i % per_row * SSTE_PRIV_STRIP;
  s.n = cols - s.col < SSTE_PRIV_STRIP ? cols - s.col : SSTE_PRIV_STRIP;
  return s;
}

/* The next span where `left` elements are left. */
static inline size_t sste_priv_span_of(size_t left) {
  return left < SSTE_PRIV_SPAN ? left : SSTE_PRIV_SPAN;
}

SSTE_HD static inline float sste_priv_abs(float x) {
  return sste_priv_float(sste_priv_bits(x) & 0x7FFFFFFFu);
}

/* Bit 31 is set where x is infinite or NaN: one more than their exponent, 255,
 * carries into it. */
SSTE_HD static inline uint32_t sste_priv_carry(float x) {
  return (sste_priv_bits(x) & 0x7FFFFFFFu) + 0x800000u;
}

/* The threshold of two pairs of magnitudes, the lower of each pair first. */
SSTE_HD SSTE_PRIV_INLINE float sste_priv_second(float low0, float high0,
                                                float low1, float high1) {
  const float of_minima = low0 > low1 ? low0 : low1;
  const float of_maxima = high0 < high1 ? high0 : high1;
  return of_minima < of_maxima ? of_minima : of_maxima;
}

/* The thresholds of the groups of a span, each stored four times, so that what
 * follows goes element by element; 0 if a value is infinite or NaN: then the
 * thresholds mean nothing. Fast because no loop branches and because two values
 * at a time take fewer shuffles than four. */
static inline int sste_priv_thresholds(float t[SSTE_PRIV_SPAN],
                                       const float *a) {
  SSTE_PRIV_ALIGNED float low[SSTE_PRIV_SPAN / 2], high[SSTE_PRIV_SPAN / 2];
  uint32_t special = 0;
  int i;
  SSTE_OMP(simd reduction(| : special))
  for (i = 0; i < SSTE_PRIV_SPAN / 2; ++i) {
    const float x = sste_priv_abs(a[2 * i]), y = sste_priv_abs(a[2 * i + 1]);
    special |= sste_priv_carry(x) | sste_priv_carry(y);
    low[i] = x < y ? x : y;
    high[i] = x > y ? x : y;
  }
  SSTE_OMP(simd)
  for (i = 0; i < SSTE_PRIV_SPAN / 4; ++i) {
    const float second = sste_priv_second(low[2 * i], high[2 * i],
                                          low[2 * i + 1], high[2 * i + 1]);
    t[4 * i] = second;
    t[4 * i + 1] = second;
    t[4 * i + 2] = second;
    t[4 * i + 3] = second;
  }
  return special < 0x80000000u;
}

/* S(a)_i for a finite a_i: a_i less what of it lies within [-t, t]. A pruned
 * entry is a_i - a_i = +0. */
SSTE_HD SSTE_PRIV_INLINE float sste_priv_shrink(float a, float t) {
  const float above = a > -t ? a : -t;
  return a - (t < above ? t : above);
}

/* beta * S of one group; 1 if it came out as NaN. */
static inline size_t sste_priv_project_group(float *out, const float *a,
                                             float beta) {
  const int is_nan = sste_group_project(out, a);
  int i;
  for (i = 0; i < 4; ++i) out[i] = sste_priv_stored(beta * out[i]);
  return (size_t)is_nan;
}

/* The same of a span; how many groups came out as NaN. */
static inline size_t sste_priv_project_span(float *out, const float *a,
                                            float beta) {
  SSTE_PRIV_ALIGNED float t[SSTE_PRIV_SPAN];
  size_t count = 0;
  int i;
  if (!sste_priv_thresholds(t, a)) {
    for (i = 0; i < SSTE_PRIV_SPAN; i += 4)
      count += sste_priv_project_group(out + i, a + i, beta);
    return count;
  }
  SSTE_OMP(simd)
  for (i = 0; i < SSTE_PRIV_SPAN; ++i)
    out[i] = beta * sste_priv_shrink(a[i], t[i]);
  if (beta < 1.0f) { /* a negative product may have become -0 */
    SSTE_OMP(simd)
    for (i = 0; i < SSTE_PRIV_SPAN; ++i)
      out[i] = out[i] != 0.0f ? out[i] : 0.0f;
  }
  return 0;
}

/* The same of n / 4 groups; a last span that is short is filled with zeros. */
static inline size_t sste_priv_project_strip(float *out, const float *a,
                                             size_t n, float beta) {
  SSTE_PRIV_ALIGNED float part[SSTE_PRIV_SPAN] = {0.0f};
  size_t c, count = 0;
  for (c = 0; c + SSTE_PRIV_SPAN <= n; c += SSTE_PRIV_SPAN)
    count += sste_priv_project_span(out + c, a + c, beta);
  if (c == n) return count;
  memcpy(part, a + c, (n - c) * sizeof *a);
  count += sste_priv_project_span(part, part, beta);
  memcpy(out + c, part, (n - c) * sizeof *a);
  return count;
}

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
  ptrdiff_t i;
  const sste_status s =
      sste_priv_unary(out, ldo, sizeof *out, w, ldw, sizeof *w, rows, cols);
  if (s != SSTE_OK) return s;
  if (rows != 0 && cols % 4 != 0) return SSTE_ERR_SHAPE;
  if (sste_priv_bits(beta) - 1u >= SSTE_PRIV_INF - 1u) return SSTE_ERR_VALUE;
  if (ldo == cols && ldw == cols) { /* no gaps: one long row */
    cols *= rows;
    rows = 1;
  }
  SSTE_OMP(parallel for schedule(static) reduction(+ : count))
  for (i = 0; i < (ptrdiff_t)sste_priv_strips(rows, cols); ++i) {
    const sste_priv_strip at = sste_priv_strip_at((size_t)i, cols);
    count += sste_priv_project_strip(out + at.row * ldo + at.col,
                                     w + at.row * ldw + at.col, at.n, beta);
  }
  if (nan_groups != NULL) *nan_groups = count;
  return SSTE_OK;
}

/* sste_tensor_project_nm - W~ = scale * S(W) for any N:M, threshold, element
 * type and axis.
 *   out       receives a matrix like w, rows ldo apart; may be w itself, with
 *             ldo = ldw
 *   w         rows x cols elements of nm.type (float, float16 or bfloat16),
 *             rows ldw apart; the axis of the groups a multiple of nm.m
 *   nm        the pattern, its axis and the element type
 *   gamma     in [0, 1], 0 for S-STE; see sste_group_threshold_nm
 *   scale     finite and positive: sste_tensor_beta_nm's, or 1 for S(W) alone
 *   nan_groups receives how many groups came out as NaN; may be null
 *   specials  per group as sste_group_project_nm; NaN is 0x7E00 in float16 and
 *             0x7FC0 in bfloat16; what overflows is an infinity, what
 *             underflows to zero +0
 *   e.g.      float16 4400 C200 4000 BC00 (4, -3, 2, -1), 2:4, scale 2 ->
 *             4400 C000 0000 0000 (4, -2, 0, 0)
 *   BITWISE: S and scale * S in float, each rounded; float16 and bfloat16 are
 *   widened exactly and the result rounded once more, to nearest even.
 *   Overwrites out. Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (nm, gamma,
 *   scale).                                                                 */
SSTE_API sste_status sste_tensor_project_nm(void *out, size_t ldo,
                                            const void *w, size_t ldw,
                                            size_t rows, size_t cols,
                                            sste_nm nm, float gamma,
                                            float scale, size_t *nan_groups) {
  const int down = nm.axis == SSTE_DOWN_COLUMNS;
  const size_t size = sste_priv_type_bytes(nm.type);
  sste_priv_runs from, to;
  size_t count = 0;
  ptrdiff_t b;
  sste_status s = sste_priv_nm_check(nm, rows, cols, 0);
  if (s == SSTE_ERR_VALUE || !sste_priv_is_gamma(gamma) ||
      sste_priv_bits(scale) - 1u >= SSTE_PRIV_INF - 1u)
    return SSTE_ERR_VALUE;
  if (s == SSTE_OK)
    s = sste_priv_unary(out, ldo, size, w, ldw, size, rows, cols);
  if (s != SSTE_OK) return s;
  if (rows == 0 || cols == 0) rows = cols = 0;
  from = sste_priv_runs_of(rows, cols, ldw, nm.axis, (size_t)nm.m);
  to = sste_priv_runs_of(rows, cols, ldo, nm.axis, (size_t)nm.m);
  SSTE_OMP(parallel for schedule(static) reduction(+ : count))
  for (b = 0; b < (ptrdiff_t)(down ? from.groups : from.runs); ++b) {
    size_t k;
    for (k = 0; k < (down ? from.runs : from.groups); ++k) {
      const size_t r = down ? k : (size_t)b, g = down ? (size_t)b : k;
      const size_t at = r * from.pitch + g * from.step;
      const size_t put = r * to.pitch + g * to.step;
      float a[32];
      size_t i;
      for (i = 0; i < (size_t)nm.m; ++i)
        a[i] = sste_priv_load(w, nm.type, at + i * from.stride);
      count += (size_t)sste_group_project_nm(a, a, nm.n, nm.m, gamma);
      for (i = 0; i < (size_t)nm.m; ++i)
        sste_priv_save(out, nm.type, put + i * to.stride, scale * a[i]);
    }
  }
  if (nan_groups != NULL) *nan_groups = count;
  return SSTE_OK;
}

/* ---- 4. Masks ------------------------------------------------------------ */

/* Bit by bit: at least two of three. */
SSTE_HD static inline uint32_t sste_priv_majority(uint32_t a, uint32_t b,
                                                  uint32_t c) {
  return (a & b) | (c & (a | b));
}

/* The hard mask of n / 4 groups, as sste_group_mask has it. Fast because it
 * does not branch: of two integers below 2^31 the sign of the difference says
 * which goes before (where the higher index wins, of the difference less one),
 * and an entry is kept that goes before two of the three others. */
static inline void sste_priv_mask_strip(uint8_t *mask, const float *a,
                                        ptrdiff_t n, sste_tie tie) {
  const uint32_t less = tie == SSTE_TIE_HIGHER, one = 1;
  uint8_t low_byte;
  int at0, step;
  ptrdiff_t i;
  memcpy(&low_byte, &one, 1);
  at0 = low_byte == 1 ? 0 : 24; /* where a word keeps its first byte */
  step = low_byte == 1 ? 8 : -8;
  SSTE_OMP(simd)
  for (i = 0; i < n / 4; ++i) {
    const uint32_t m0 = sste_priv_magnitude(a[4 * i]);
    const uint32_t m1 = sste_priv_magnitude(a[4 * i + 1]);
    const uint32_t m2 = sste_priv_magnitude(a[4 * i + 2]);
    const uint32_t m3 = sste_priv_magnitude(a[4 * i + 3]);
    /* The sign of ij: j goes before i. */
    const uint32_t s01 = m0 - m1 - less, s02 = m0 - m2 - less;
    const uint32_t s03 = m0 - m3 - less, s12 = m1 - m2 - less;
    const uint32_t s13 = m1 - m3 - less, s23 = m2 - m3 - less;
    const uint32_t k0 = sste_priv_majority(~s01, ~s02, ~s03) >> 31;
    const uint32_t k1 = sste_priv_majority(s01, ~s12, ~s13) >> 31;
    const uint32_t k2 = sste_priv_majority(s02, s12, ~s23) >> 31;
    const uint32_t k3 = sste_priv_majority(s03, s13, s23) >> 31;
    const uint32_t word = k0 << at0 | k1 << (at0 + step) |
                          k2 << (at0 + 2 * step) | k3 << (at0 + 3 * step);
    memcpy(mask + 4 * i, &word, sizeof word);
  }
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
  ptrdiff_t i;
  const sste_status s =
      sste_priv_two(mask, ldm, sizeof *mask, w, ldw, sizeof *w, rows, cols);
  if (tie != SSTE_TIE_LOWER && tie != SSTE_TIE_HIGHER) return SSTE_ERR_VALUE;
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (cols % 4 != 0) return SSTE_ERR_SHAPE;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)sste_priv_strips(rows, cols); ++i) {
    const sste_priv_strip at = sste_priv_strip_at((size_t)i, cols);
    sste_priv_mask_strip(mask + at.row * ldm + at.col,
                         w + at.row * ldw + at.col, (ptrdiff_t)at.n, tie);
  }
  return SSTE_OK;
}

/* sste_tensor_mask_nm - the hard magnitude mask for any N:M, type and axis.
 *   mask      receives rows x cols bytes 0 and 1, rows ldm apart; exactly nm.n
 *             ones per group; may not overlap w
 *   w, nm     as for sste_tensor_project_nm
 *   tie       which index wins among equal magnitudes
 *   specials  as sste_group_mask_nm
 *   e.g.      (4, -3, 2, -1): 1:4 -> (1, 0, 0, 0);  3:4 -> (1, 1, 1, 0)
 *   BITWISE. Overwrites mask. Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (nm,
 *   tie).                                                                   */
SSTE_API sste_status sste_tensor_mask_nm(uint8_t *mask, size_t ldm,
                                         const void *w, size_t ldw, size_t rows,
                                         size_t cols, sste_nm nm,
                                         sste_tie tie) {
  const int down = nm.axis == SSTE_DOWN_COLUMNS;
  sste_priv_runs from, to;
  ptrdiff_t b;
  sste_status s = sste_priv_nm_check(nm, rows, cols, 0);
  if (s == SSTE_ERR_VALUE || (tie != SSTE_TIE_LOWER && tie != SSTE_TIE_HIGHER))
    return SSTE_ERR_VALUE;
  if (s == SSTE_OK)
    s = sste_priv_two(mask, ldm, sizeof *mask, w, ldw,
                      sste_priv_type_bytes(nm.type), rows, cols);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  from = sste_priv_runs_of(rows, cols, ldw, nm.axis, (size_t)nm.m);
  to = sste_priv_runs_of(rows, cols, ldm, nm.axis, (size_t)nm.m);
  SSTE_OMP(parallel for schedule(static))
  for (b = 0; b < (ptrdiff_t)(down ? from.groups : from.runs); ++b) {
    size_t k;
    for (k = 0; k < (down ? from.runs : from.groups); ++k) {
      const size_t r = down ? k : (size_t)b, g = down ? (size_t)b : k;
      const size_t at = r * from.pitch + g * from.step;
      uint32_t bits;
      float a[32];
      size_t i;
      for (i = 0; i < (size_t)nm.m; ++i)
        a[i] = sste_priv_load(w, nm.type, at + i * from.stride);
      bits = sste_group_mask_nm(a, nm.n, nm.m, tie);
      for (i = 0; i < (size_t)nm.m; ++i)
        mask[r * to.pitch + g * to.step + i * to.stride] =
            (uint8_t)(bits >> i & 1);
    }
  }
  return SSTE_OK;
}

/* A transposable mask keeps two of four along the rows AND down the columns, so
 * that W~ and its transpose are both 2:4 and the input gradient's product is
 * sparse as well. It is chosen tile by tile, 4 x 4 entries, element (i, j)
 * being bit 4i + j of a 16-bit pattern. Two per row and column leave 90:
 *
 *     1 1 . .    the first in descending lexicographic order (element (0,0) the
 *     1 1 . .    leading digit) and, with all digits inverted, the last
 *     . . 1 1
 *     . . 1 1                                                               */
typedef enum sste_tile_rule {
  SSTE_TILE_OPTIMAL = 0,  /* the pattern of the largest sum of magnitudes */
  SSTE_TILE_GREEDY,       /* PyTorch's largest_abs_values_greedy */
  SSTE_TILE_GREEDY_SIGNED /* PyTorch's default: ranks values, not |values| */
} sste_tile_rule;

/* Two columns of four in descending lexicographic order: 0,1 0,2 0,3 1,2 1,3
 * 2,3, as a mask with column j at bit j. */
SSTE_HD static inline int sste_priv_pair(int p) {
  return p < 3 ? 1 | 2 << p : p < 5 ? 2 | 4 << (p - 3) : 12;
}

/* |a| as a float that sums: NaN counts as an infinity. */
SSTE_HD SSTE_PRIV_INLINE float sste_priv_score(float a) {
  const int32_t inf = (int32_t)SSTE_PRIV_INF;
  const int32_t m = (int32_t)(sste_priv_bits(a) & 0x7FFFFFFFu);
  return sste_priv_float((uint32_t)(m < inf ? m : inf));
}

/* sste_tile_mask_optimal - the one of the 90 patterns that keeps most of a tile
 * of 4 x 4: argmax of <|tile|, pattern>.
 *   tile      4 x 4 floats, rows ld apart
 *   ties      the first of the 90 in descending lexicographic order
 *   specials  a NaN counts as an infinity; equal sums, infinite ones too, tie
 *   returns   16 bits, element (i, j) at bit 4i + j; always eight are set
 *   e.g.      all entries equal -> 0xCC33 (rows 1100 1100 0011 0011)
 *   BITWISE: the two kept of a row added in float, then (row 0 + row 1) +
 *   (row 2 + row 3). Never fails.
 *   Source: Hu et al., "Accelerating Transformer Pre-training with 2:4
 *   Sparsity", ICML 2024: the transposable mask search.                     */
SSTE_API SSTE_HD int sste_tile_mask_optimal(const float *tile, size_t ld) {
  /* Two columns as a number of four digits in base 3: those of two rows add up
   * to how often each column is kept, those of a pattern to 2222 = 80. */
  const int digits[6] = {4, 10, 28, 12, 30, 36};
  float pair[4][6], lower[81] = {0.0f}, best = -1.0f;
  int i, p, q, upper = 0;
  for (i = 0; i < 4; ++i)
    for (p = 0; p < 6; ++p) {
      const float *row = tile + (size_t)i * ld;
      const int first = p < 3 ? 0 : p < 5 ? 1 : 2;
      const int second = p < 3 ? p + 1 : p < 5 ? p - 1 : 3;
      pair[i][p] = sste_priv_score(row[first]) + sste_priv_score(row[second]);
    }
  /* Of the lower halves with the same column counts only the best matters:
   * rounding is monotonic, so that none of them gives a larger sum. */
  for (p = 0; p < 6; ++p)
    for (q = 0; q < 6; ++q) {
      float *most = &lower[digits[p] + digits[q]];
      const float score = pair[2][p] + pair[3][q];
      *most = score > *most ? score : *most;
    }
  for (p = 0; p < 6; ++p)
    for (q = 0; q < 6; ++q) {
      const float score =
          (pair[0][p] + pair[1][q]) + lower[80 - digits[p] - digits[q]];
      upper = score > best ? 6 * p + q : upper;
      best = score > best ? score : best;
    }
  /* But a lesser one may round to the same sum and come first. */
  p = upper / 6;
  q = upper % 6;
  i = 0;
  while (i < 35 &&
         (digits[p] + digits[q] + digits[i / 6] + digits[i % 6] != 80 ||
          (pair[0][p] + pair[1][q]) + (pair[2][i / 6] + pair[3][i % 6]) < best))
    ++i;
  return sste_priv_pair(p) | sste_priv_pair(q) << 4 |
         sste_priv_pair(i / 6) << 8 | sste_priv_pair(i % 6) << 12;
}

/* The same for the tiles of four rows, as many side by side as a vector has
 * lanes and without a branch, so that ties cost nothing. A pattern is a word
 * whose byte j is column j and bit i of a byte row i: word >> i & 0x01010101
 * are the four bytes of row i in the mask.
 *   Two upper rows that share a column leave one pair of columns for each lower
 * row. The low half of every byte holds them in the order that comes first, the
 * high half in the other. Upper rows that share none leave six lower halves to
 * choose from, and their word has none yet. */
typedef struct sste_priv_tile_words {
  uint32_t column[4];   /* byte j is 1, the others 0 */
  uint32_t upper[6][6]; /* by the pairs of rows 0 and 1 */
  uint32_t lower[6];    /* of the six, by the pair of row 2 */
} sste_priv_tile_words;

static inline sste_priv_tile_words sste_priv_tile_words_of(void) {
  sste_priv_tile_words w;
  uint32_t pair[6] = {0};
  int j, p, q;
  for (j = 0; j < 4; ++j) {
    uint8_t bytes[4] = {0};
    bytes[j] = 1;
    memcpy(&w.column[j], bytes, sizeof bytes);
    for (p = 0; p < 6; ++p)
      if (sste_priv_pair(p) >> j & 1) pair[p] |= w.column[j];
  }
  for (p = 0; p < 6; ++p) {
    w.lower[p] = pair[p] << 2 | pair[5 - p] << 3;
    for (q = 0; q < 6; ++q) {
      const uint32_t x = pair[5 - (p < q ? q : p)]; /* the complements, the */
      const uint32_t y = pair[5 - (p < q ? p : q)]; /* earlier one first */
      const uint32_t either = (x << 2 | y << 3) | (y << 2 | x << 3) << 4;
      w.upper[p][q] = (pair[p] | pair[q] << 1) * 17 | (p + q == 5 ? 0 : either);
    }
  }
  return w;
}

/* The scores of one row of a tile, and of its six pairs. */
typedef struct sste_priv_tile_row {
  float score[4], pair[6];
} sste_priv_tile_row;

SSTE_PRIV_INLINE sste_priv_tile_row sste_priv_tile_row_of(const float *row) {
  sste_priv_tile_row r;
  r.score[0] = sste_priv_score(row[0]);
  r.score[1] = sste_priv_score(row[1]);
  r.score[2] = sste_priv_score(row[2]);
  r.score[3] = sste_priv_score(row[3]);
  r.pair[0] = r.score[0] + r.score[1];
  r.pair[1] = r.score[0] + r.score[2];
  r.pair[2] = r.score[0] + r.score[3];
  r.pair[3] = r.score[1] + r.score[2];
  r.pair[4] = r.score[1] + r.score[3];
  r.pair[5] = r.score[2] + r.score[3];
  return r;
}

/* What bits i of a word keep of a row: two scores, which add up to the same in
 * any order with zeros in between, or nothing. */
SSTE_PRIV_INLINE float sste_priv_tile_kept(sste_priv_tile_row r, uint32_t word,
                                           const uint32_t column[4], int i) {
  const float a = word & column[0] << i ? r.score[0] : 0.0f;
  const float b = word & column[1] << i ? r.score[1] : 0.0f;
  const float c = word & column[2] << i ? r.score[2] : 0.0f;
  const float d = word & column[3] << i ? r.score[3] : 0.0f;
  return (a + b) + (c + d);
}

static inline float sste_priv_tile_larger(float a, float b) {
  return a > b ? a : b;
}

/* The most that two rows keep by the pairs x and y in either order. */
SSTE_PRIV_INLINE float sste_priv_tile_most(sste_priv_tile_row c,
                                           sste_priv_tile_row d, int x, int y) {
  return sste_priv_tile_larger(c.pair[x] + d.pair[y], c.pair[y] + d.pair[x]);
}

/* The best pattern so far, what it keeps and what its upper half keeps. */
typedef struct sste_priv_tile_best {
  float score, upper;
  uint32_t word;
} sste_priv_tile_best;

SSTE_PRIV_INLINE sste_priv_tile_best sste_priv_tile_try(
    sste_priv_tile_best best, float upper, float lower, uint32_t word) {
  const float score = upper + lower;
  best.upper = score > best.score ? upper : best.upper;
  best.word = score > best.score ? word : best.word;
  best.score = sste_priv_tile_larger(best.score, score);
  return best;
}

/* All pairs of row 1 after one of row 0 that keeps a; m0 ... m5 are the most
 * that the lower rows keep below each. */
SSTE_PRIV_INLINE sste_priv_tile_best
sste_priv_tile_try_six(sste_priv_tile_best best, float a, sste_priv_tile_row b,
                       const uint32_t word[6], float m0, float m1, float m2,
                       float m3, float m4, float m5) {
  best = sste_priv_tile_try(best, a + b.pair[0], m0, word[0]);
  best = sste_priv_tile_try(best, a + b.pair[1], m1, word[1]);
  best = sste_priv_tile_try(best, a + b.pair[2], m2, word[2]);
  best = sste_priv_tile_try(best, a + b.pair[3], m3, word[3]);
  best = sste_priv_tile_try(best, a + b.pair[4], m4, word[4]);
  return sste_priv_tile_try(best, a + b.pair[5], m5, word[5]);
}

/* The word of a tile of rows a, b, c, d; its low halves are the pattern. */
SSTE_PRIV_INLINE uint32_t sste_priv_tile_search(sste_priv_tile_row a,
                                                sste_priv_tile_row b,
                                                sste_priv_tile_row c,
                                                sste_priv_tile_row d,
                                                sste_priv_tile_words w) {
  /* m_pq is the most below upper rows p and q, or q and p: they leave the pairs
   * 5 - p and 5 - q. */
  const float m00 = c.pair[5] + d.pair[5], m11 = c.pair[4] + d.pair[4];
  const float m22 = c.pair[3] + d.pair[3], m33 = c.pair[2] + d.pair[2];
  const float m44 = c.pair[1] + d.pair[1], m55 = c.pair[0] + d.pair[0];
  const float m01 = sste_priv_tile_most(c, d, 5, 4);
  const float m02 = sste_priv_tile_most(c, d, 5, 3);
  const float m03 = sste_priv_tile_most(c, d, 5, 2);
  const float m04 = sste_priv_tile_most(c, d, 5, 1);
  const float m12 = sste_priv_tile_most(c, d, 4, 3);
  const float m13 = sste_priv_tile_most(c, d, 4, 2);
  const float m15 = sste_priv_tile_most(c, d, 4, 0);
  const float m24 = sste_priv_tile_most(c, d, 3, 1);
  const float m25 = sste_priv_tile_most(c, d, 3, 0);
  const float m34 = sste_priv_tile_most(c, d, 2, 1);
  const float m35 = sste_priv_tile_most(c, d, 2, 0);
  const float m45 = sste_priv_tile_most(c, d, 1, 0);
  const float any = sste_priv_tile_larger(
      sste_priv_tile_most(c, d, 0, 5),
      sste_priv_tile_larger(sste_priv_tile_most(c, d, 1, 4),
                            sste_priv_tile_most(c, d, 2, 3)));
  sste_priv_tile_best best = {-1.0f, 0.0f, 0}, late = {-1.0f, 0.0f, 0};
  float first;
  uint32_t word, lower;
  /* In order, so that the first of equals stays; in two halves, so that one
   * need not wait for the other. */
  best = sste_priv_tile_try_six(best, a.pair[0], b, w.upper[0], m00, m01, m02,
                                m03, m04, any);
  late = sste_priv_tile_try_six(late, a.pair[3], b, w.upper[3], m03, m13, any,
                                m33, m34, m35);
  best = sste_priv_tile_try_six(best, a.pair[1], b, w.upper[1], m01, m11, m12,
                                m13, any, m15);
  late = sste_priv_tile_try_six(late, a.pair[4], b, w.upper[4], m04, any, m24,
                                m34, m44, m45);
  best = sste_priv_tile_try_six(best, a.pair[2], b, w.upper[2], m02, m12, m22,
                                any, m24, m25);
  late = sste_priv_tile_try_six(late, a.pair[5], b, w.upper[5], any, m15, m25,
                                m35, m45, m55);
  best.upper = late.score > best.score ? late.upper : best.upper;
  best.word = late.score > best.score ? late.word : best.word;
  best.score = sste_priv_tile_larger(best.score, late.score);
  /* The upper half is found. Below it goes what comes first of all that give
   * the same sum: rounding may hide that it keeps less. */
  lower = w.lower[5];
  lower =
      best.upper + (c.pair[4] + d.pair[1]) < best.score ? lower : w.lower[4];
  lower =
      best.upper + (c.pair[3] + d.pair[2]) < best.score ? lower : w.lower[3];
  lower =
      best.upper + (c.pair[2] + d.pair[3]) < best.score ? lower : w.lower[2];
  lower =
      best.upper + (c.pair[1] + d.pair[4]) < best.score ? lower : w.lower[1];
  lower =
      best.upper + (c.pair[0] + d.pair[5]) < best.score ? lower : w.lower[0];
  /* By a mask, as gcc would make a branch of ?: and not vectorise. */
  lower &= 0u - (uint32_t)((best.word & 0x04040404u) == 0); /* row 2 is open */
  first = sste_priv_tile_kept(c, best.word, w.column, 2) +
          sste_priv_tile_kept(d, best.word, w.column, 3);
  word = best.upper + first < best.score ? best.word >> 4 : best.word;
  return word | lower;
}

/* The masks of n tiles side by side. */
static inline void sste_priv_tiles_mask(uint8_t *mask, size_t ldm,
                                        const float *w, size_t ldw, ptrdiff_t n,
                                        sste_priv_tile_words words) {
  const float *a = w, *b = w + ldw, *c = b + ldw, *d = c + ldw;
  uint8_t *ma = mask, *mb = ma + ldm, *mc = mb + ldm, *md = mc + ldm;
  ptrdiff_t t;
  SSTE_OMP(simd)
  for (t = 0; t < n; ++t) {
    const uint32_t word = sste_priv_tile_search(
        sste_priv_tile_row_of(a + 4 * t), sste_priv_tile_row_of(b + 4 * t),
        sste_priv_tile_row_of(c + 4 * t), sste_priv_tile_row_of(d + 4 * t),
        words);
    const uint32_t ra = word & 0x01010101u, rb = word >> 1 & 0x01010101u;
    const uint32_t rc = word >> 2 & 0x01010101u, rd = word >> 3 & 0x01010101u;
    memcpy(ma + 4 * t, &ra, sizeof ra);
    memcpy(mb + 4 * t, &rb, sizeof rb);
    memcpy(mc + 4 * t, &rc, sizeof rc);
    memcpy(md + 4 * t, &rd, sizeof rd);
  }
}

/* sste_tile_mask_greedy - the rule of PyTorch's semi-structured training: take
 * the entries from the largest down, each where its row and its column still
 * have fewer than two.
 *   tile      4 x 4 floats, rows ld apart
 *   by_value  0 ranks magnitudes, 1 the signed values
 *   ties      the lower index, row-major, goes first (PyTorch: as its sorting
 *             network leaves them)
 *   specials  NaN goes first; -0 and +0 are equal
 *   returns   16 bits, element (i, j) at bit 4i + j; seven or eight are set,
 *             never more than two in a row or column. Seven may keep more
 *             than the best eight
 *   e.g.      all entries equal -> 0xCC33
 *   BITWISE. Never fails.
 *   Source: PyTorch, _sparse_semi_structured_tile.                          */
SSTE_API SSTE_HD int sste_tile_mask_greedy(const float *tile, size_t ld,
                                           int by_value) {
  int64_t key[16]; /* sorts like the entries; the lower index is the larger */
  int e, mask = 0, open = 0xFFFF;
  for (e = 0; e < 16; ++e) {
    const float x = tile[(size_t)(e >> 2) * ld + (size_t)(e & 3)];
    const int64_t m = sste_priv_magnitude(x);
    key[e] = (by_value && x < 0.0f ? -m : m) * 16 - e;
  }
  while (open != 0) {
    int64_t largest = INT64_MIN;
    int top = 0, row, column;
    for (e = 0; e < 16; ++e) {
      const int goes_first = (open >> e & 1) && key[e] > largest;
      top = goes_first ? e : top;
      largest = goes_first ? key[e] : largest;
    }
    row = 0xF << (top & 12);
    column = 0x1111 << (top & 3);
    open &= ~(1 << top);
    if (mask & row) open &= ~row; /* top is the second of its row */
    if (mask & column) open &= ~column;
    mask |= 1 << top;
  }
  return mask;
}

/* The same for the tiles of four rows: in each of eight rounds all tiles take
 * their largest open entry, side by side and without a branch. An entry is a
 * place, its row in the low 16 bits of a word, its column in the high ones, so
 * that both together are its bit. */
enum { SSTE_PRIV_TILES = 128 };

typedef struct sste_priv_greedy {
  int32_t key[16][SSTE_PRIV_TILES], largest[SSTE_PRIV_TILES];
  uint32_t open[SSTE_PRIV_TILES], mask[SSTE_PRIV_TILES], top[SSTE_PRIV_TILES];
} sste_priv_greedy;

typedef struct sste_priv_greedy_top {
  int32_t key;
  uint32_t place;
} sste_priv_greedy_top;

static inline void sste_priv_greedy_keys(int32_t *key, const float *x,
                                         ptrdiff_t n, int by_value) {
  ptrdiff_t t;
  SSTE_OMP(simd)
  for (t = 0; t < n; ++t) {
    const int32_t m = (int32_t)sste_priv_magnitude(x[4 * t]);
    const int32_t negative = -(by_value & (x[4 * t] < 0.0f));
    key[t] = (m ^ negative) - negative;
  }
}

/* Entry e, if it is open and larger than the largest so far. */
static inline sste_priv_greedy_top sste_priv_greedy_take(
    sste_priv_greedy_top top, int32_t key, uint32_t open, int e) {
  const uint32_t row = (uint32_t)0xF << (e & 12);
  const uint32_t column = (uint32_t)0x11110000 << (e & 3);
  const uint32_t cross = row | column;
  const uint32_t more =
      (0u - (open >> e & 1)) & (0u - (uint32_t)(key > top.key));
  top.key = (int32_t)(((uint32_t)top.key & ~more) | ((uint32_t)key & more));
  top.place = (top.place & ~more) | (cross & more);
  return top;
}

/* Every tile takes one more, or nothing if none is open; a row or column with
 * its second closes. */
static inline void sste_priv_greedy_round(sste_priv_greedy *s, ptrdiff_t n) {
  ptrdiff_t t;
  int i;
  for (t = 0; t < n; ++t) s->largest[t] = INT32_MIN, s->top[t] = 0;
  for (i = 0; i < 16; i += 4) {
    SSTE_OMP(simd)
    for (t = 0; t < n; ++t) {
      const uint32_t open = s->open[t];
      sste_priv_greedy_top top;
      top.key = s->largest[t];
      top.place = s->top[t];
      top = sste_priv_greedy_take(top, s->key[i][t], open, i);
      top = sste_priv_greedy_take(top, s->key[i + 1][t], open, i + 1);
      top = sste_priv_greedy_take(top, s->key[i + 2][t], open, i + 2);
      top = sste_priv_greedy_take(top, s->key[i + 3][t], open, i + 3);
      s->largest[t] = top.key;
      s->top[t] = top.place;
    }
  }
  SSTE_OMP(simd)
  for (t = 0; t < n; ++t) {
    const uint32_t row = s->top[t] & 0xFFFFu, column = s->top[t] >> 16;
    const uint32_t row_full = 0u - (uint32_t)((s->mask[t] & row) != 0);
    const uint32_t column_full = 0u - (uint32_t)((s->mask[t] & column) != 0);
    s->mask[t] |= row & column;
    s->open[t] &= ~((row & column) | (row & row_full) | (column & column_full));
  }
}

/* n <= SSTE_PRIV_TILES tiles. */
static inline void sste_priv_greedy_mask(uint8_t *mask, size_t ldm,
                                         const float *w, size_t ldw,
                                         ptrdiff_t n, int by_value,
                                         const uint32_t column[4]) {
  const uint32_t c0 = column[0], c1 = column[1];
  const uint32_t c2 = column[2], c3 = column[3];
  sste_priv_greedy s;
  ptrdiff_t t;
  int e;
  for (t = 0; t < n; ++t) s.open[t] = 0xFFFFu, s.mask[t] = 0;
  for (e = 0; e < 16; ++e)
    sste_priv_greedy_keys(s.key[e], w + (size_t)(e >> 2) * ldw + (e & 3), n,
                          by_value);
  for (e = 0; e < 8; ++e) sste_priv_greedy_round(&s, n);
  for (e = 0; e < 4; ++e) {
    uint8_t *to = mask + (size_t)e * ldm;
    SSTE_OMP(simd)
    for (t = 0; t < n; ++t) {
      const uint32_t m = s.mask[t] >> 4 * e;
      const uint32_t bytes =
          ((0u - (m & 1)) & c0) | ((0u - (m >> 1 & 1)) & c1) |
          ((0u - (m >> 2 & 1)) & c2) | ((0u - (m >> 3 & 1)) & c3);
      memcpy(to + 4 * t, &bytes, sizeof bytes);
    }
  }
}

/* sste_tensor_mask_transposable - a mask that is 2:4 along rows and columns.
 *   mask      receives rows x cols bytes 0 and 1, rows ldm apart; may not
 *             overlap w
 *   w         rows x cols floats, rows ldw apart; both multiples of 4
 *   rule      optimal, greedy, or greedy by signed value; see above
 *   ties, specials  per tile, as above. The greedy rules keep at most two per
 *             row and column, and may leave seven in a tile
 *   e.g.      one tile of equal entries -> 1100 1100 0011 0011
 *   BITWISE. Overwrites mask.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (rule).                       */
SSTE_API sste_status sste_tensor_mask_transposable(uint8_t *mask, size_t ldm,
                                                   const float *w, size_t ldw,
                                                   size_t rows, size_t cols,
                                                   sste_tile_rule rule) {
  sste_priv_tile_words words;
  ptrdiff_t band;
  const sste_status s =
      sste_priv_two(mask, ldm, sizeof *mask, w, ldw, sizeof *w, rows, cols);
  if ((int)rule < 0 || rule > SSTE_TILE_GREEDY_SIGNED) return SSTE_ERR_VALUE;
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (rows % 4 != 0 || cols % 4 != 0) return SSTE_ERR_SHAPE;
  words = sste_priv_tile_words_of();
  SSTE_OMP(parallel for schedule(static))
  for (band = 0; band < (ptrdiff_t)(rows / 4); ++band) {
    const float *from = w + (size_t)band * 4 * ldw;
    uint8_t *to = mask + (size_t)band * 4 * ldm;
    size_t c;
    if (rule == SSTE_TILE_OPTIMAL) {
      sste_priv_tiles_mask(to, ldm, from, ldw, (ptrdiff_t)(cols / 4), words);
      continue;
    }
    for (c = 0; c < cols; c += 4 * SSTE_PRIV_TILES) {
      const size_t left = (cols - c) / 4, most = SSTE_PRIV_TILES;
      sste_priv_greedy_mask(to + c, ldm, from + c, ldw,
                            (ptrdiff_t)(left < most ? left : most),
                            rule == SSTE_TILE_GREEDY_SIGNED, words.column);
    }
  }
  return SSTE_OK;
}

/* sste_tensor_mask_nonzero - the mask of what is there: 1 where a value is not
 * zero.
 *   mask      receives rows x cols bytes 0 and 1, rows ldm apart; may not
 *             overlap w
 *   w         rows x cols elements of `type`, rows ldw apart
 *   specials  NaN and infinity are non-zeros; -0 is a zero, see sste_type
 *   e.g.      (2, -0, 0, -1) -> (1, 0, 0, 1)
 *   BITWISE. Overwrites mask. Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (type).
 */
SSTE_API sste_status sste_tensor_mask_nonzero(uint8_t *mask, size_t ldm,
                                              const void *w, size_t ldw,
                                              size_t rows, size_t cols,
                                              sste_type type) {
  ptrdiff_t r;
  sste_status s;
  if ((int)type < 0 || type > SSTE_INT8) return SSTE_ERR_VALUE;
  s = sste_priv_two(mask, ldm, sizeof *mask, w, ldw, sste_priv_type_bytes(type),
                    rows, cols);
  if (s != SSTE_OK || cols == 0) return s;
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    uint8_t *to = mask + (size_t)r * ldm;
    size_t c;
    if (type == SSTE_FLOAT32) {
      const float *from = (const float *)w + (size_t)r * ldw;
      SSTE_OMP(simd)
      for (c = 0; c < cols; ++c)
        to[c] = (sste_priv_bits(from[c]) & 0x7FFFFFFFu) != 0;
      continue;
    }
    for (c = 0; c < cols; ++c)
      to[c] = !sste_priv_is_zero(
          sste_priv_element(w, type, (size_t)r * ldw + c), type);
  }
  return SSTE_OK;
}

/* sste_tensor_apply_mask - W~ = M o W: a mask that stays while weights move.
 *   out       receives rows x cols floats, rows ldo apart; may be w itself,
 *             with ldo = ldw
 *   w         rows x cols floats, rows ldw apart
 *   mask      rows x cols bytes, rows ldm apart; any byte but 0 keeps. May not
 *             overlap out
 *   specials  a pruned entry is +0 even where it is NaN or infinite; a kept -0
 *             is +0, a kept NaN 0x7FC00000
 *   e.g.      (4, -3, 2, -1) under (1, 0, 0, 1) -> (4, 0, 0, -1)
 *   BITWISE, exact. Overwrites out. Errors: NULL, SHAPE, SIZE, OVERLAP.     */
SSTE_API sste_status sste_tensor_apply_mask(float *out, size_t ldo,
                                            const float *w, size_t ldw,
                                            const uint8_t *mask, size_t ldm,
                                            size_t rows, size_t cols) {
  ptrdiff_t r;
  sste_status s =
      sste_priv_unary(out, ldo, sizeof *out, w, ldw, sizeof *w, rows, cols);
  if (s == SSTE_OK)
    s = sste_priv_two(out, ldo, sizeof *out, mask, ldm, sizeof *mask, rows,
                      cols);
  if (s != SSTE_OK || cols == 0) return s;
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    const float *from = w + (size_t)r * ldw;
    const uint8_t *keep = mask + (size_t)r * ldm;
    float *to = out + (size_t)r * ldo;
    size_t c;
    SSTE_OMP(simd)
    for (c = 0; c < cols; ++c) {
      const float kept = sste_priv_stored(from[c]);
      to[c] = keep[c] != 0 ? kept : 0.0f;
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
    SSTE_OMP(simd reduction(+ : count))
    for (c = 0; c < cols; ++c) count += (now[c] != 0) != (then[c] != 0);
  }
  if (flips != NULL) *flips = count;
  if (rate != NULL)
    *rate = rows == 0 ? 0.0 : (double)count / ((double)rows * (double)cols);
  return SSTE_OK;
}

/* Flips over several layers: start one at {0, 0} for each step. */
typedef struct sste_flips {
  uint64_t flips;   /* mask entries that changed: SR-STE's SAD */
  uint64_t entries; /* mask entries in all: the denominator D */
} sste_flips;

/* sste_flips_add - add one layer's flips and entries to a step's total.
 *   total     the running total
 *   mask, previous  as for sste_mask_flip_rate; previous may be null where
 *             there is no earlier mask: that counts as no flips
 *   e.g.      (1, 1, 0, 0) after (1, 0, 1, 0) adds 2 flips and 4 entries
 *   BITWISE. Accumulates. Errors: NULL, SHAPE, SIZE.                        */
SSTE_API sste_status sste_flips_add(sste_flips *total, const uint8_t *mask,
                                    size_t ldm, const uint8_t *previous,
                                    size_t ldp, size_t rows, size_t cols) {
  size_t flips = 0;
  sste_status s;
  if (total == NULL) return SSTE_ERR_NULL;
  s = sste_mask_flip_rate(NULL, &flips, mask, ldm,
                          previous == NULL ? mask : previous,
                          previous == NULL ? ldm : ldp, rows, cols);
  if (s != SSTE_OK) return s;
  total->flips += flips;
  total->entries += (uint64_t)rows * cols;
  return SSTE_OK;
}

/* sste_flips_rate - the flip rate r_k = flips / D of all layers together: not
 * the mean of the layers' rates.
 *   e.g.      2 flips of 4 in one layer, 0 of 12 in the other: 2 / 16 = 0.125
 *   BITWISE. 0 where there are no entries, or no total. Never fails.
 *   Source: S-STE, section 3.                                               */
SSTE_API double sste_flips_rate(const sste_flips *total) {
  return total == NULL || total->entries == 0
             ? 0.0
             : (double)total->flips / (double)total->entries;
}

/* ---- 5. Sums ------------------------------------------------------------- */

/* All sums over a matrix in this section have one shape. The elements e = 0, 1,
 * ..., in the order of their runs (for groups along the rows: row-major), form
 * blocks of 4096; in a block, lane j of 32 adds the terms with e mod 32 = j in
 * order, and lanes fold in halves (16, 8, 4, 2, 1); blocks fold in adjacent
 * pairs, an odd one carried up. Terms are floats or products of two of them,
 * exact in double, so that fusing changes nothing. Two sums are taken at once.
 */
#define SSTE_PRIV_BLOCK 4096
typedef struct sste_priv_sums {
  double a, b;
} sste_priv_sums;

/* What is summed of a group of m elements: */
typedef enum sste_priv_term {
  SSTE_PRIV_MIN_MSE,  /* a: w * S(w),       b: S(w)^2 */
  SSTE_PRIV_EQUAL_L1, /* a: |w|,            b: |S(w)| */
  SSTE_PRIV_ERROR,    /* a: fl(w - v)^2,    b: w^2 */
  SSTE_PRIV_NORM,     /* a: w^2 */
  SSTE_PRIV_CHANGE,   /* a: |fl(w - v)| */
  SSTE_PRIV_DESCENT   /* a: g * fl(w - v) */
} sste_priv_term;

typedef struct sste_priv_summed {
  sste_priv_term term;
  sste_nm nm;
  float gamma;
  const void *w, *v;
  const float *g;
  sste_priv_runs w_at, v_at, g_at;
} sste_priv_summed;

static inline double sste_priv_absolute(float x) {
  return (double)sste_priv_float(sste_priv_magnitude(x));
}

/* A group of m elements of a matrix as floats. */
static inline void sste_priv_gather(float *x, const void *p, sste_nm nm,
                                    sste_priv_runs v, size_t run,
                                    size_t group) {
  const size_t at = run * v.pitch + group * v.step;
  int i;
  if (nm.type == SSTE_FLOAT32)
    for (i = 0; i < nm.m; ++i)
      x[i] = ((const float *)p)[at + (size_t)i * v.stride];
  else
    for (i = 0; i < nm.m; ++i)
      x[i] = sste_priv_load(p, nm.type, at + (size_t)i * v.stride);
}

/* The m terms of one group. */
static inline void sste_priv_terms(const sste_priv_summed *x, size_t run,
                                   size_t group, double a[32], double b[32]) {
  const int m = x->nm.m;
  float w[32], v[32], g[32];
  int i;
  sste_priv_gather(w, x->w, x->nm, x->w_at, run, group);
  if (x->v != NULL) {
    sste_priv_gather(v, x->v, x->nm, x->v_at, run, group);
    for (i = 0; i < m; ++i) v[i] = w[i] - v[i];
  } else {
    sste_group_project_nm(v, w, x->nm.n, m, x->gamma);
  }
  switch (x->term) {
    case SSTE_PRIV_MIN_MSE:
      for (i = 0; i < m; ++i) a[i] = (double)w[i] * (double)v[i];
      for (i = 0; i < m; ++i) b[i] = (double)v[i] * (double)v[i];
      break;
    case SSTE_PRIV_EQUAL_L1:
      for (i = 0; i < m; ++i) a[i] = sste_priv_absolute(w[i]);
      for (i = 0; i < m; ++i) b[i] = sste_priv_absolute(v[i]);
      break;
    case SSTE_PRIV_ERROR:
      for (i = 0; i < m; ++i) a[i] = (double)v[i] * (double)v[i];
      for (i = 0; i < m; ++i) b[i] = (double)w[i] * (double)w[i];
      break;
    case SSTE_PRIV_NORM:
      for (i = 0; i < m; ++i) a[i] = (double)w[i] * (double)w[i];
      break;
    case SSTE_PRIV_CHANGE:
      for (i = 0; i < m; ++i) a[i] = sste_priv_absolute(v[i]);
      break;
    default:
      sste_priv_gather(g, x->g, x->nm, x->g_at, run, group);
      for (i = 0; i < m; ++i) a[i] = (double)g[i] * (double)v[i];
  }
}

/* Lanes fold in halves. */
static inline sste_priv_sums sste_priv_fold(double a[32], double b[32]) {
  sste_priv_sums sum;
  int j, half;
  for (half = 16; half > 0; half /= 2)
    for (j = 0; j < half; ++j) {
      a[j] += a[j + half];
      b[j] += b[j + half];
    }
  sum.a = a[0];
  sum.b = b[0];
  return sum;
}

/* 128 elements from e on of a matrix of floats, row by row: the matrix itself
 * where they lie side by side, else a copy. From `end` on they are zeros, which
 * change no sum. */
static inline const float *sste_priv_span_at(float copy[SSTE_PRIV_SPAN],
                                             const void *p, sste_priv_runs v,
                                             size_t e, size_t end) {
  const float *row = (const float *)p + e / v.length * v.pitch;
  const size_t n = sste_priv_span_of(end - e);
  const int is_one_row = v.pitch == v.length;
  size_t col = e % v.length, i, piece;
  if (n == SSTE_PRIV_SPAN && (is_one_row || col + n <= v.length))
    return row + col;
  memset(copy, 0, SSTE_PRIV_SPAN * sizeof *copy);
  for (i = 0; i < n; i += piece) {
    piece = v.length - col < n - i ? v.length - col : n - i;
    memcpy(copy + i, row + col, piece * sizeof *copy);
    row += v.pitch;
    col = 0;
  }
  return copy;
}

/* sum_j += u_j v_j + u_(j+32) v_(j+32) + ..., from left to right: a span. */
static inline void sste_priv_add_products(double sum[32], const float *u,
                                          const float *v) {
  int j;
  SSTE_OMP(simd)
  for (j = 0; j < 32; ++j) {
    double lane = sum[j];
    lane += (double)u[j] * (double)v[j];
    lane += (double)u[j + 32] * (double)v[j + 32];
    lane += (double)u[j + 64] * (double)v[j + 64];
    lane += (double)u[j + 96] * (double)v[j + 96];
    sum[j] = lane;
  }
}

/* The same for w S(w) and S(w)^2 at once, given the thresholds. */
static inline void sste_priv_add_beta(double a[32], double b[32],
                                      const float *w, const float *t) {
  int j;
  SSTE_OMP(simd)
  for (j = 0; j < 32; ++j) {
    const double w0 = (double)w[j], w1 = (double)w[j + 32];
    const double w2 = (double)w[j + 64], w3 = (double)w[j + 96];
    const double s0 = (double)sste_priv_shrink(w[j], t[j]);
    const double s1 = (double)sste_priv_shrink(w[j + 32], t[j + 32]);
    const double s2 = (double)sste_priv_shrink(w[j + 64], t[j + 64]);
    const double s3 = (double)sste_priv_shrink(w[j + 96], t[j + 96]);
    a[j] = a[j] + w0 * s0 + w1 * s1 + w2 * s2 + w3 * s3;
    b[j] = b[j] + s0 * s0 + s1 * s1 + s2 * s2 + s3 * s3;
  }
}

/* Whether the block of sste_priv_sum_block may go span by span: along rows of
 * floats, for S-STE's beta and for every sum that goes element by element. */
static inline int sste_priv_has_spans(const sste_priv_summed *x) {
  const int is_24 = x->nm.n == 2 && x->nm.m == 4 && x->gamma == 0.0f;
  return x->nm.type == SSTE_FLOAT32 && x->w_at.stride == 1 &&
         (x->v != NULL || (x->term == SSTE_PRIV_MIN_MSE && is_24));
}

/* The sums of such a block. Fast because the 32 lanes advance together. Beta
 * needs no care for infinities and NaNs: no sum is finite then, either way. */
static inline sste_priv_sums sste_priv_span_block(const sste_priv_summed *x,
                                                  size_t first, size_t end) {
  SSTE_PRIV_ALIGNED float w_copy[SSTE_PRIV_SPAN], v_copy[SSTE_PRIV_SPAN];
  SSTE_PRIV_ALIGNED float d[SSTE_PRIV_SPAN];
  double a[32] = {0.0}, b[32] = {0.0};
  size_t e;
  for (e = first; e < end; e += SSTE_PRIV_SPAN) {
    const float *w = sste_priv_span_at(w_copy, x->w, x->w_at, e, end);
    const float *v =
        x->v == NULL ? w : sste_priv_span_at(v_copy, x->v, x->v_at, e, end);
    int i;
    if (x->term == SSTE_PRIV_MIN_MSE) {
      (void)sste_priv_thresholds(d, w);
      sste_priv_add_beta(a, b, w, d);
      continue;
    }
    SSTE_OMP(simd)
    for (i = 0; i < SSTE_PRIV_SPAN; ++i) d[i] = w[i] - v[i];
    if (x->term == SSTE_PRIV_NORM) {
      sste_priv_add_products(a, w, w);
    } else if (x->term == SSTE_PRIV_ERROR) {
      sste_priv_add_products(a, d, d);
      sste_priv_add_products(b, w, w);
    } else if (x->term == SSTE_PRIV_DESCENT) {
      sste_priv_add_products(
          a, sste_priv_span_at(w_copy, x->g, x->g_at, e, end), d);
    } else { /* the term is |d| = d sign(d) */
      SSTE_PRIV_ALIGNED float sign[SSTE_PRIV_SPAN];
      SSTE_OMP(simd)
      for (i = 0; i < SSTE_PRIV_SPAN; ++i) sign[i] = d[i] < 0.0f ? -1.0f : 1.0f;
      sste_priv_add_products(a, d, sign);
    }
  }
  return sste_priv_fold(a, b);
}

static inline sste_priv_sums sste_priv_sum_block(const sste_priv_summed *x,
                                                 size_t first, size_t end) {
  const size_t m = (size_t)x->nm.m;
  double a[32] = {0.0}, b[32] = {0.0}, ta[32], tb[32] = {0.0};
  size_t e = first - first % m; /* a group may straddle two blocks */
  size_t run = e / x->w_at.length, group = e % x->w_at.length / m, i;
  if (sste_priv_has_spans(x)) return sste_priv_span_block(x, first, end);
  for (; e < end; e += m) {
    const size_t from = e < first ? first - e : 0;
    const size_t to = end - e < m ? end - e : m;
    sste_priv_terms(x, run, group, ta, tb);
    for (i = from; i < to; ++i) {
      a[(e + i) % 32] += ta[i];
      b[(e + i) % 32] += tb[i];
    }
    if (++group == x->w_at.groups) {
      group = 0;
      ++run;
    }
  }
  return sste_priv_fold(a, b);
}

/* The sum of n >= 1 blocks from element `first` on. Folding adjacent pairs
 * until one is left is splitting at the largest power of two below n. */
static inline sste_priv_sums sste_priv_sum_tree(const sste_priv_summed *x,
                                                size_t first, size_t end,
                                                size_t n) {
  sste_priv_sums left, right;
  size_t split = 1;
  if (n == 1)
    return sste_priv_sum_block(
        x, first,
        end - first < SSTE_PRIV_BLOCK ? end : first + SSTE_PRIV_BLOCK);
  while (split * 2 < n) split *= 2;
  left = sste_priv_sum_tree(x, first, end, split);
  right =
      sste_priv_sum_tree(x, first + split * SSTE_PRIV_BLOCK, end, n - split);
  left.a += right.a;
  left.b += right.b;
  return left;
}

/* Threads sum chunks of 2^n blocks, which are subtrees of that same tree; its
 * top, at most 64 parts, is folded in pairs by one thread. */
static inline sste_priv_sums sste_priv_sum(const sste_priv_summed *x,
                                           size_t rows, size_t cols) {
  const size_t end = rows * cols;
  const size_t blocks = (end - 1) / SSTE_PRIV_BLOCK + 1;
  sste_priv_sums part[64];
  size_t chunk = 1, parts;
  ptrdiff_t p;
  while (blocks > 64 * chunk) chunk *= 2;
  parts = (blocks - 1) / chunk + 1;
  SSTE_OMP(parallel for schedule(static))
  for (p = 0; p < (ptrdiff_t)parts; ++p) {
    const size_t at = (size_t)p * chunk;
    const size_t n = blocks - at < chunk ? blocks - at : chunk;
    part[p] = sste_priv_sum_tree(x, at * SSTE_PRIV_BLOCK, end, n);
  }
  for (; parts > 1; parts = (parts + 1) / 2) {
    for (p = 0; p < (ptrdiff_t)(parts / 2); ++p) {
      part[p].a = part[2 * p].a + part[2 * p + 1].a;
      part[p].b = part[2 * p].b + part[2 * p + 1].b;
    }
    if (parts % 2 != 0) part[parts / 2] = part[parts - 1];
  }
  return part[0];
}

static inline sste_priv_summed sste_priv_summed_of(sste_priv_term term,
                                                   const void *w, size_t ldw,
                                                   size_t rows, size_t cols,
                                                   sste_nm nm) {
  sste_priv_summed x;
  x.term = term;
  x.nm = nm;
  x.gamma = 0.0f;
  x.w = w;
  x.v = NULL;
  x.g = NULL;
  x.w_at = sste_priv_runs_of(rows, cols, ldw, nm.axis, (size_t)nm.m);
  x.v_at = x.g_at = x.w_at;
  return x;
}

/* Element by element along the rows: groups of one. */
static inline sste_nm sste_priv_elements(sste_type type) {
  sste_nm nm = sste_nm_of(1, 1);
  nm.type = type;
  return nm;
}

/* One sum over floats, element by element along the rows. */
static inline sste_status sste_priv_sum_floats(double *out, sste_priv_term term,
                                               const float *g, size_t ldg,
                                               const float *w, size_t ldw,
                                               const float *v, size_t ldv,
                                               size_t rows, size_t cols) {
  const sste_nm elements = sste_priv_elements(SSTE_FLOAT32);
  sste_priv_summed x;
  sste_status s = sste_priv_matrix(w, rows, cols, ldw, sizeof *w);
  if (s == SSTE_OK) s = sste_priv_matrix(v, rows, cols, ldv, sizeof *v);
  if (s == SSTE_OK && term == SSTE_PRIV_DESCENT)
    s = sste_priv_matrix(g, rows, cols, ldg, sizeof *g);
  if (s != SSTE_OK) return s;
  if (out == NULL) return SSTE_ERR_NULL;
  x = sste_priv_summed_of(term, w, ldw, rows, cols, elements);
  x.v = v;
  x.g = g;
  x.v_at = sste_priv_runs_of(rows, cols, ldv, SSTE_ALONG_ROWS, 1);
  x.g_at = sste_priv_runs_of(rows, cols, ldg, SSTE_ALONG_ROWS, 1);
  *out = rows == 0 || cols == 0 ? 0.0 : sste_priv_sum(&x, rows, cols).a;
  return SSTE_OK;
}

/* The scales that S-STE's ablation compares. */
typedef enum sste_beta_rule {
  SSTE_BETA_MIN_MSE = 0, /* <W,S> / <S,S>: the paper's beta */
  SSTE_BETA_EQUAL_L1,    /* ||W||_1 / ||S||_1 */
  SSTE_BETA_ONE          /* 1 */
} sste_beta_rule;

/* sste_tensor_beta_nm - the scale of a tensor, for any projection.
 *     min-MSE: argmin ||W - beta S(W)||^2 = <W,S> / <S,S>
 *     equal L1: ||beta S(W)||_1 = ||W||_1
 *   beta      receives the scale, 1 or more
 *   w         rows x cols elements of nm.type, rows ldw apart; the axis of the
 *             groups a multiple of nm.m
 *   nm, gamma the projection, as for sste_tensor_project_nm
 *   rule      which scale
 *   e.g.      (4, -3, 2, -1), 2:4, gamma 0: 11/5 by MSE, 10/3 by L1, 1
 *   BITWISE: sums in the order above, one division in double, one rounding to
 *   float. Overwrites beta.
 *   Errors: NULL, SHAPE, SIZE, VALUE (nm, gamma, rule); ZERO if the projection
 *   is 0 everywhere (an empty tensor, or all thresholds at the largest
 *   magnitude), NONFINITE if W holds a NaN or an infinity or the scale
 *   overflows, neither of them for SSTE_BETA_ONE.
 *   Source: S-STE, its scales and their ablation. The paper computes it once,
 *   before training; recomputing it every step makes masks flip.            */
SSTE_API sste_status sste_tensor_beta_nm(float *beta, const void *w, size_t ldw,
                                         size_t rows, size_t cols, sste_nm nm,
                                         float gamma, sste_beta_rule rule) {
  sste_priv_summed x;
  sste_priv_sums sum;
  float result = 1.0f;
  sste_status s = sste_priv_nm_check(nm, rows, cols, 0);
  if (s == SSTE_ERR_VALUE || !sste_priv_is_gamma(gamma) || (int)rule < 0 ||
      rule > SSTE_BETA_ONE)
    return SSTE_ERR_VALUE;
  if (s == SSTE_OK)
    s = sste_priv_matrix(w, rows, cols, ldw, sste_priv_type_bytes(nm.type));
  if (s != SSTE_OK) return s;
  if (beta == NULL) return SSTE_ERR_NULL;
  if (rule != SSTE_BETA_ONE) {
    if (rows == 0 || cols == 0) return SSTE_ERR_ZERO;
    x = sste_priv_summed_of(
        rule == SSTE_BETA_MIN_MSE ? SSTE_PRIV_MIN_MSE : SSTE_PRIV_EQUAL_L1, w,
        ldw, rows, cols, nm);
    x.gamma = gamma;
    sum = sste_priv_sum(&x, rows, cols);
    if (sum.b == 0.0) return SSTE_ERR_ZERO;
    result = (float)(sum.a / sum.b);
    if (sste_priv_magnitude(result) >= SSTE_PRIV_INF) return SSTE_ERR_NONFINITE;
  }
  *beta = result;
  return SSTE_OK;
}

/* sste_tensor_beta - S-STE's scale, beta = <W,S(W)> / <S(W),S(W)>, for 2:4
 * along the rows of floats: sste_tensor_beta_nm with min-MSE.
 *   beta      receives the scale, between 1 and 2^24
 *   w         rows x cols floats, rows ldw apart; cols a multiple of 4
 *   e.g.      (4, -3, 2, -1) -> 2.2;  a large Gaussian tensor -> about 1.4837
 *   BITWISE. Overwrites beta. Errors: NULL, SHAPE, SIZE, ZERO, NONFINITE.
 *   Source: S-STE, the min-MSE scale. Compute it once, before training.     */
SSTE_API sste_status sste_tensor_beta(float *beta, const float *w, size_t ldw,
                                      size_t rows, size_t cols) {
  return sste_tensor_beta_nm(beta, w, ldw, rows, cols, sste_nm_of(2, 4), 0.0f,
                             SSTE_BETA_MIN_MSE);
}

/* sste_tensor_relative_mse - how far an approximation is from a matrix,
 *     ||W - V||^2 / ||W||^2
 *   mse       receives the ratio
 *   w, v      rows x cols elements of `type` (float, float16, bfloat16), rows
 *             ldw and ldv apart; V may be a projection, a round trip through
 *             FP8, anything of the same shape
 *   e.g.      (4, -3, 2, -1) and (4, -2, 0, 0): 6 / 30 = 0.2. A Gaussian tensor
 *             and beta S(W): 0.2581; S(W) without the scale: 0.3370
 *   BITWISE: each difference rounded to float, its square exact; row-major, in
 *   the order above; one division in double. Overwrites mse.
 *   Errors: NULL, SHAPE, SIZE, VALUE (type); ZERO if W is empty or 0
 *   everywhere; NONFINITE if the result is not finite.                      */
SSTE_API sste_status sste_tensor_relative_mse(double *mse, const void *w,
                                              size_t ldw, const void *v,
                                              size_t ldv, size_t rows,
                                              size_t cols, sste_type type) {
  sste_priv_summed x;
  sste_priv_sums sum;
  sste_status s;
  double result;
  size_t size;
  if ((int)type < 0 || type > SSTE_BFLOAT16) return SSTE_ERR_VALUE;
  size = sste_priv_type_bytes(type);
  s = sste_priv_matrix(w, rows, cols, ldw, size);
  if (s == SSTE_OK) s = sste_priv_matrix(v, rows, cols, ldv, size);
  if (s != SSTE_OK) return s;
  if (mse == NULL) return SSTE_ERR_NULL;
  if (rows == 0 || cols == 0) return SSTE_ERR_ZERO;
  x = sste_priv_summed_of(SSTE_PRIV_ERROR, w, ldw, rows, cols,
                          sste_priv_elements(type));
  x.v = v;
  x.v_at = sste_priv_runs_of(rows, cols, ldv, SSTE_ALONG_ROWS, 1);
  sum = sste_priv_sum(&x, rows, cols);
  if (sum.b == 0.0) return SSTE_ERR_ZERO;
  result = sum.a / sum.b;
  if (!(result <= DBL_MAX)) return SSTE_ERR_NONFINITE;
  *mse = result;
  return SSTE_OK;
}

/* sste_tensor_norm2 - ||W||^2, the sum of squares.
 *   norm2     receives the sum; 0 for an empty matrix
 *   w         rows x cols floats, rows ldw apart
 *   e.g.      (4, -3, 2, -1) -> 30
 *   BITWISE: squares exact; row-major, in the order above. Infinity and
 *   NaN as IEEE has them; a NaN's bits are not promised. Overwrites norm2.
 *   Errors: NULL, SHAPE, SIZE.                                              */
SSTE_API sste_status sste_tensor_norm2(double *norm2, const float *w,
                                       size_t ldw, size_t rows, size_t cols) {
  return sste_priv_sum_floats(norm2, SSTE_PRIV_NORM, NULL, 0, w, ldw, w, ldw,
                              rows, cols);
}

/* sste_tensor_change - ||W - V||_1, how far a matrix moved.
 *   change    receives the sum of |fl(w - v)|; 0 for an empty matrix
 *   w, v      rows x cols floats, rows ldw and ldv apart; a difference beyond
 *             FLT_MAX is an infinity
 *   e.g.      (3, 4) and (2, 6): 1 + 2 = 3
 *   BITWISE, as sste_tensor_norm2. Overwrites change.
 *   Errors: NULL, SHAPE, SIZE.
 *   Source: STEP watches it on Adam's second moments.                       */
SSTE_API sste_status sste_tensor_change(double *change, const float *w,
                                        size_t ldw, const float *v, size_t ldv,
                                        size_t rows, size_t cols) {
  return sste_priv_sum_floats(change, SSTE_PRIV_CHANGE, NULL, 0, w, ldw, v, ldv,
                              rows, cols);
}

/* sste_tensor_descent - the amount of descent that a gradient predicts for a
 * step, <G, W - V> to first order.
 *   descent   receives the sum; positive where the loss should fall; 0 for an
 *             empty matrix
 *   g         rows x cols floats, rows ldg apart: dL/dW~ at the old weights
 *   w, v      rows x cols floats, rows ldw and ldv apart: before and after the
 *             step, either the dense weights (the straight-through prediction)
 *             or their projections W~ (which isolates the pruning map)
 *   e.g.      g = (1, 2), w = (3, 4), v = (2, 5): 1 - 2 = -1
 *   BITWISE: each difference rounded to float, its product exact; row-major, in
 *   the order above, as sste_tensor_norm2. Overwrites descent.
 *   Errors: NULL, SHAPE, SIZE. Source: S-STE, section 3.                    */
SSTE_API sste_status sste_tensor_descent(double *descent, const float *g,
                                         size_t ldg, const float *w, size_t ldw,
                                         const float *v, size_t ldv,
                                         size_t rows, size_t cols) {
  return sste_priv_sum_floats(descent, SSTE_PRIV_DESCENT, g, ldg, w, ldw, v,
                              ldv, rows, cols);
}

/* ---- 6. The compressed form ---------------------------------------------- */

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
 *   values    receives the two kept values, in ascending position; may be a
 *   a         the group. Of more than two non-zeros the smaller are lost here;
 *             the tensor function refuses such a group
 *   ties      kept = the magnitude mask, lower index wins
 *   specials  a kept zero of either sign is stored as +0; NaN is the largest,
 *             stored as 0x7FC00000
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
 * SSTE_ERR_PATTERN.
 *   e.g.      0x4 -> SSTE_OK;  0x5 (position 1 twice) -> SSTE_ERR_PATTERN
 *   BITWISE. Never fails otherwise.                                         */
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

/* Whether n / 4 groups of floats are all 2:4. Fast because it counts without a
 * branch, and looks for no place. */
static inline int sste_priv_is_24(const float *a, ptrdiff_t n) {
  uint32_t too_many = 0;
  ptrdiff_t i;
  SSTE_OMP(simd reduction(| : too_many))
  for (i = 0; i < n / 4; ++i) {
    const int nonzeros = (a[4 * i] != 0.0f) + (a[4 * i + 1] != 0.0f) +
                         (a[4 * i + 2] != 0.0f) + (a[4 * i + 3] != 0.0f);
    too_many |= 2u - (uint32_t)nonzeros;
  }
  return too_many < 0x80000000u;
}

/* sste_tensor_check_nm - whether a matrix is N:M along an axis, and where not.
 *   w         rows x cols elements of nm.type, rows ldw apart; the axis of the
 *             groups a multiple of nm.m
 *   nm        pattern, axis, type (1-byte types too; see sste_type for zeros)
 *   run, group receive the place of the first group, run by run, with more than
 *             nm.n non-zeros, on SSTE_ERR_PATTERN only; may be null
 *   specials  NaN and infinity are non-zeros
 *   e.g.      (1, 0, 2, 0), 1:4 -> SSTE_ERR_PATTERN, run 0, group 0
 *   BITWISE. Errors: NULL, SHAPE, SIZE, VALUE (nm), PATTERN.                */
SSTE_API sste_status sste_tensor_check_nm(const void *w, size_t ldw,
                                          size_t rows, size_t cols, sste_nm nm,
                                          size_t *run, size_t *group) {
  sste_priv_runs at;
  size_t r, g, i;
  sste_status s = sste_priv_nm_check(nm, rows, cols, 1);
  if (s == SSTE_OK)
    s = sste_priv_matrix(w, rows, cols, ldw, sste_priv_type_bytes(nm.type));
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  at = sste_priv_runs_of(rows, cols, ldw, nm.axis, (size_t)nm.m);
  for (r = 0; r < at.runs; ++r) {
    if (nm.n == 2 && nm.m == 4 && nm.type == SSTE_FLOAT32 && at.stride == 1 &&
        sste_priv_is_24((const float *)w + r * ldw, (ptrdiff_t)cols))
      continue;
    for (g = 0; g < at.groups; ++g) {
      int nonzeros = 0;
      for (i = 0; i < (size_t)nm.m; ++i)
        nonzeros += !sste_priv_is_zero(
            sste_priv_element(w, nm.type,
                              r * at.pitch + g * at.step + i * at.stride),
            nm.type);
      if (nonzeros > nm.n) {
        if (run != NULL) *run = r;
        if (group != NULL) *group = g;
        return SSTE_ERR_PATTERN;
      }
    }
  }
  return SSTE_OK;
}

/* sste_tensor_check - whether a matrix of floats is 2:4 along its rows, and
 * where not.
 *   w         rows x cols floats, rows ldw apart; cols a multiple of 4
 *   row, group receive the place of the first group, in row-major order, with
 *             more than two non-zeros, on SSTE_ERR_PATTERN only; may be null
 *   specials  NaN and infinity are non-zeros, -0 is a zero
 *   e.g.      (1, 0, 2, 0, 3, 4, 5, 0) -> SSTE_ERR_PATTERN, row 0, group 1
 *   BITWISE. Errors: NULL, SHAPE, SIZE, PATTERN.                            */
SSTE_API sste_status sste_tensor_check(const float *w, size_t ldw, size_t rows,
                                       size_t cols, size_t *row,
                                       size_t *group) {
  return sste_tensor_check_nm(w, ldw, rows, cols, sste_nm_of(2, 4), row, group);
}

/* The nibble of group g of a metadata row. */
static inline int sste_priv_nibble(const uint8_t *meta_row, size_t g) {
  return meta_row[g / 2] >> (g % 2 * 4) & 0xF;
}

/* The bytes of one metadata row; an odd last group leaves half a byte. */
static inline size_t sste_priv_meta_cols(size_t cols) { return (cols + 7) / 8; }

/* Whether both nibbles of n bytes are legal. Fast because it takes the two at
 * once: second - first - 1 borrows the bit above it where it is negative. */
static inline int sste_priv_are_nibbles(const uint8_t *meta, size_t n) {
  unsigned legal = 0x88u;
  size_t i;
  SSTE_OMP(simd reduction(& : legal))
  for (i = 0; i < n; ++i) {
    const unsigned first = meta[i] & 0x33u, second = meta[i] >> 2 & 0x33u;
    legal &= (second | 0x88u) - first - 0x11u;
  }
  return legal == 0x88u;
}

/* A compressed matrix: both arrays, its shape, and every nibble. rows and cols
 * are those of the matrix seen as runs: a run is a row of values and meta. */
static inline sste_status sste_priv_compressed(const void *values, size_t ldv,
                                               const uint8_t *meta, size_t ldm,
                                               size_t rows, size_t cols,
                                               size_t size) {
  size_t r;
  sste_status s = sste_priv_matrix(values, rows, cols / 2, ldv, size);
  if (s == SSTE_OK)
    s = sste_priv_matrix(meta, rows, sste_priv_meta_cols(cols), ldm,
                         sizeof *meta);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (cols % 4 != 0) return SSTE_ERR_SHAPE;
  for (r = 0; r < rows; ++r) {
    const size_t last = cols / 4 - 1; /* may have but half of its byte */
    if (!sste_priv_are_nibbles(meta + r * ldm, cols / 8) ||
        sste_nibble_check(sste_priv_nibble(meta + r * ldm, last)) != SSTE_OK)
      return SSTE_ERR_PATTERN;
  }
  return SSTE_OK;
}

/* How an element is stored in the compressed form and out of it: a zero as +0,
 * a NaN of a float type as the one; a code as it is. */
SSTE_HD static inline uint32_t sste_priv_stored_bits(uint32_t bits,
                                                     sste_type type) {
  if (sste_priv_is_zero(bits, type)) return 0;
  if (type == SSTE_FLOAT32 && (bits & 0x7FFFFFFFu) > SSTE_PRIV_INF)
    return SSTE_PRIV_NAN;
  if (type == SSTE_FLOAT16 && (bits & 0x7FFFu) > 0x7C00u) return 0x7E00u;
  if (type == SSTE_BFLOAT16 && (bits & 0x7FFFu) > 0x7F80u) return 0x7FC0u;
  return bits;
}

/* The two positions to keep of four stored elements, at most two of them not 0,
 * as a nibble: the non-zeros, and zeros from the lowest index on to fill up. */
SSTE_HD static inline int sste_priv_keep(const uint32_t a[4]) {
  int i, spare = 2, n = 0, nibble = 0;
  for (i = 0; i < 4; ++i) spare -= a[i] != 0;
  for (i = 0; i < 4; ++i) {
    if (a[i] == 0 && spare-- <= 0) continue;
    nibble |= i << (2 * n++);
  }
  return nibble;
}

/* All bits set if a condition holds, else none. */
SSTE_HD static inline uint32_t sste_priv_if(int condition) {
  return (uint32_t)0 - (uint32_t)condition;
}

typedef struct sste_priv_kept {
  uint32_t first, second, nibble;
} sste_priv_kept;

/* sste_priv_keep by masks, for floats, at most two of which are not zero: entry
 * 2 or 3 is kept just where it is not zero, entry 0 unless two others are. */
SSTE_HD SSTE_PRIV_INLINE sste_priv_kept sste_priv_keep_two(uint32_t x0,
                                                           uint32_t x1,
                                                           uint32_t x2,
                                                           uint32_t x3) {
  const uint32_t is1 = sste_priv_if((x1 & 0x7FFFFFFFu) != 0);
  const uint32_t is2 = sste_priv_if((x2 & 0x7FFFFFFFu) != 0);
  const uint32_t is3 = sste_priv_if((x3 & 0x7FFFFFFFu) != 0);
  const uint32_t not0 = sste_priv_majority(is1, is2, is3);
  const uint32_t x12 = (is1 & x1) | (~is1 & x2), x21 = (is2 & x2) | (~is2 & x1);
  sste_priv_kept p;
  p.first = (not0 & x12) | (~not0 & x0);
  p.second = (is3 & x3) | (~is3 & x21);
  p.nibble = (not0 & (2u + is1)) | (is3 & 12u) | (4u + (is2 & 4u));
  return p;
}

/* n / 4 nibbles, at most a span's, two to a byte; the other half of a last byte
 * is 0. */
static inline void sste_priv_pack(uint8_t *meta, uint32_t *nibble,
                                  ptrdiff_t n) {
  ptrdiff_t i;
  nibble[n / 4] = 0;
  SSTE_OMP(simd)
  for (i = 0; i < (n + 7) / 8; ++i)
    meta[i] = (uint8_t)(nibble[2 * i] | nibble[2 * i + 1] << 4);
}

/* Compresses n / 4 groups of floats, at most a span, each of them 2:4. Fast
 * because nothing branches. */
static inline void sste_priv_compress_span(float *values, uint8_t *meta,
                                           const float *a, ptrdiff_t n) {
  SSTE_PRIV_ALIGNED uint32_t nibble[SSTE_PRIV_SPAN / 4 + 1];
  ptrdiff_t i;
  SSTE_OMP(simd)
  for (i = 0; i < n / 4; ++i) {
    const sste_priv_kept p = sste_priv_keep_two(
        sste_priv_bits(a[4 * i]), sste_priv_bits(a[4 * i + 1]),
        sste_priv_bits(a[4 * i + 2]), sste_priv_bits(a[4 * i + 3]));
    values[2 * i] = sste_priv_stored(sste_priv_float(p.first));
    values[2 * i + 1] = sste_priv_stored(sste_priv_float(p.second));
    nibble[i] = p.nibble;
  }
  sste_priv_pack(meta, nibble, n);
}

/* Projects and compresses n / 4 groups, at most a span, by a beta of 1 or more,
 * so that no product underflows; 0, and nothing of use, if a value is infinite
 * or NaN. Fast because the four entries of a group stay in registers. */
static inline int sste_priv_project_compress_span(float *values, uint8_t *meta,
                                                  const float *a, ptrdiff_t n,
                                                  float beta) {
  SSTE_PRIV_ALIGNED uint32_t nibble[SSTE_PRIV_SPAN / 4 + 1];
  uint32_t special = 0;
  ptrdiff_t i;
  SSTE_OMP(simd reduction(| : special))
  for (i = 0; i < n / 4; ++i) {
    const float a0 = a[4 * i], a1 = a[4 * i + 1];
    const float a2 = a[4 * i + 2], a3 = a[4 * i + 3];
    const float x = sste_priv_abs(a0), y = sste_priv_abs(a1);
    const float z = sste_priv_abs(a2), u = sste_priv_abs(a3);
    const float t = sste_priv_second(x < y ? x : y, x > y ? x : y,
                                     z < u ? z : u, z > u ? z : u);
    const sste_priv_kept p =
        sste_priv_keep_two(sste_priv_bits(beta * sste_priv_shrink(a0, t)),
                           sste_priv_bits(beta * sste_priv_shrink(a1, t)),
                           sste_priv_bits(beta * sste_priv_shrink(a2, t)),
                           sste_priv_bits(beta * sste_priv_shrink(a3, t)));
    special |= sste_priv_carry(a0) | sste_priv_carry(a1) | sste_priv_carry(a2) |
               sste_priv_carry(a3);
    values[2 * i] = sste_priv_float(p.first);
    values[2 * i + 1] = sste_priv_float(p.second);
    nibble[i] = p.nibble;
  }
  sste_priv_pack(meta, nibble, n);
  return special < 0x80000000u;
}

/* sste_tensor_compress_as - a 2:4 matrix of any element type, with groups along
 * rows or down columns, as values and metadata. A run of groups (a row, or a
 * column) becomes a row of both, so that down columns it is the compressed form
 * of the transpose.
 *   values    receives runs x length/2 elements, rows ldv apart: rows x cols/2,
 *             or cols x rows/2 down columns
 *   meta      receives runs x ceil(length/8) bytes, rows ldm apart
 *   w         rows x cols elements of `type`, rows ldw apart, 2:4 along `axis`,
 *             which is a multiple of 4 long. No two of the three may overlap
 *   type, axis what the elements are, which way the groups run
 *   ties, specials  as sste_group_compress, zeros as sste_type has them; a
 *             float16 NaN is stored as 0x7E00, a bfloat16 NaN as 0x7FC0, a
 *             1-byte code as it is; an unused half byte is 0
 *   e.g.      E4M3FN codes 00 3A 00 80 -> 00 3A, 0x4
 *   BITWISE. Overwrites values and meta.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (type, axis), PATTERN
 *   (sste_tensor_check_nm says where).                                      */
SSTE_API sste_status sste_tensor_compress_as(void *values, size_t ldv,
                                             uint8_t *meta, size_t ldm,
                                             const void *w, size_t ldw,
                                             size_t rows, size_t cols,
                                             sste_type type, sste_axis axis) {
  sste_nm nm = sste_nm_of(2, 4);
  sste_priv_runs at;
  size_t size, mcols;
  ptrdiff_t r;
  sste_status s;
  nm.type = type;
  nm.axis = axis;
  s = sste_tensor_check_nm(w, ldw, rows, cols, nm, NULL, NULL);
  if (s != SSTE_OK) return s;
  size = sste_priv_type_bytes(type);
  at = sste_priv_runs_of(rows, cols, ldw, axis, 4);
  mcols = sste_priv_meta_cols(at.length);
  s = sste_priv_matrix(values, at.runs, at.length / 2, ldv, size);
  if (s == SSTE_OK) s = sste_priv_matrix(meta, at.runs, mcols, ldm, 1);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (sste_priv_overlap(values, at.runs, at.length / 2, ldv, size, w, rows,
                        cols, ldw, size) ||
      sste_priv_overlap(meta, at.runs, mcols, ldm, 1, w, rows, cols, ldw,
                        size) ||
      sste_priv_overlap(meta, at.runs, mcols, ldm, 1, values, at.runs,
                        at.length / 2, ldv, size))
    return SSTE_ERR_OVERLAP;
  if (type == SSTE_FLOAT32 && axis == SSTE_ALONG_ROWS) {
    SSTE_OMP(parallel for schedule(static))
    for (r = 0; r < (ptrdiff_t)rows; ++r) {
      const float *from = (const float *)w + (size_t)r * ldw;
      float *to = (float *)values + (size_t)r * ldv;
      size_t c;
      for (c = 0; c < cols; c += SSTE_PRIV_SPAN)
        sste_priv_compress_span(to + c / 2, meta + (size_t)r * ldm + c / 8,
                                from + c,
                                (ptrdiff_t)sste_priv_span_of(cols - c));
    }
    return SSTE_OK;
  }
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)at.runs; ++r) {
    uint8_t *nibbles = meta + (size_t)r * ldm;
    size_t g;
    for (g = 0; g < at.groups; ++g) {
      const size_t put = (size_t)r * ldv + 2 * g;
      uint32_t a[4];
      int nibble;
      size_t i;
      for (i = 0; i < 4; ++i)
        a[i] = sste_priv_stored_bits(
            sste_priv_element(
                w, type, (size_t)r * at.pitch + g * at.step + i * at.stride),
            type);
      nibble = sste_priv_keep(a);
      sste_priv_set_element(values, type, put, a[nibble & 3]);
      sste_priv_set_element(values, type, put + 1, a[nibble >> 2]);
      if (g % 2 == 0)
        nibbles[g / 2] = (uint8_t)nibble;
      else
        nibbles[g / 2] = (uint8_t)(nibbles[g / 2] | nibble << 4);
    }
  }
  return SSTE_OK;
}

/* sste_tensor_compress - sste_tensor_compress_as for floats along the rows.
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
  return sste_tensor_compress_as(values, ldv, meta, ldm, w, ldw, rows, cols,
                                 SSTE_FLOAT32, SSTE_ALONG_ROWS);
}

/* sste_tensor_project_compress - the projection in its compressed form, without
 * the dense matrix between: sste_tensor_project, then sste_tensor_compress.
 *   values    receives rows x cols/2 floats, rows ldv apart
 *   meta      receives rows x ceil(cols/8) bytes, rows ldm apart
 *   w         rows x cols floats, rows ldw apart; cols a multiple of 4. No two
 *             of the three may overlap
 *   beta      finite and positive: sste_tensor_beta's, or 1 for S(W) alone
 *   nan_groups receives how many groups came out as NaN; may be null
 *   ties, specials  as those two functions; an unused half byte is 0
 *   e.g.      beta 2: (4, -3, 2, -1) -> (4, -2), 0x4
 *   BITWISE: the bits of the two in turn. Overwrites values and meta.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (beta). Source: S-STE, W~.    */
SSTE_API sste_status sste_tensor_project_compress(
    float *values, size_t ldv, uint8_t *meta, size_t ldm, const float *w,
    size_t ldw, size_t rows, size_t cols, float beta, size_t *nan_groups) {
  const size_t mcols = sste_priv_meta_cols(cols);
  size_t count = 0;
  ptrdiff_t i;
  sste_status s = sste_priv_matrix(w, rows, cols, ldw, sizeof *w);
  if (s == SSTE_OK && rows != 0 && cols % 4 != 0) s = SSTE_ERR_SHAPE;
  if (s == SSTE_OK)
    s = sste_priv_matrix(values, rows, cols / 2, ldv, sizeof *values);
  if (s == SSTE_OK) s = sste_priv_matrix(meta, rows, mcols, ldm, sizeof *meta);
  if (s != SSTE_OK) return s;
  if (sste_priv_overlap(values, rows, cols / 2, ldv, sizeof *values, w, rows,
                        cols, ldw, sizeof *w) ||
      sste_priv_overlap(meta, rows, mcols, ldm, sizeof *meta, w, rows, cols,
                        ldw, sizeof *w) ||
      sste_priv_overlap(meta, rows, mcols, ldm, sizeof *meta, values, rows,
                        cols / 2, ldv, sizeof *values))
    return SSTE_ERR_OVERLAP;
  if (sste_priv_bits(beta) - 1u >= SSTE_PRIV_INF - 1u) return SSTE_ERR_VALUE;
  SSTE_OMP(parallel for schedule(static) reduction(+ : count))
  for (i = 0; i < (ptrdiff_t)sste_priv_strips(rows, cols); ++i) {
    const sste_priv_strip at = sste_priv_strip_at((size_t)i, cols);
    const float *from = w + at.row * ldw + at.col;
    float *to = values + at.row * ldv + at.col / 2;
    uint8_t *nibbles = meta + at.row * ldm + at.col / 8;
    size_t c;
    for (c = 0; c < at.n; c += SSTE_PRIV_SPAN) {
      const size_t n = sste_priv_span_of(at.n - c);
      SSTE_PRIV_ALIGNED float s24[SSTE_PRIV_SPAN];
      if (beta >= 1.0f &&
          sste_priv_project_compress_span(to + c / 2, nibbles + c / 8, from + c,
                                          (ptrdiff_t)n, beta))
        continue;
      count += sste_priv_project_strip(s24, from + c, n, beta);
      sste_priv_compress_span(to + c / 2, nibbles + c / 8, s24, (ptrdiff_t)n);
    }
  }
  if (nan_groups != NULL) *nan_groups = count;
  return SSTE_OK;
}

/* n / 4 groups of floats, at most a span, from legal nibbles. Fast because each
 * entry asks whether it is one of the two kept, instead of being stored to. */
static inline void sste_priv_decompress_span(float *out, const float *values,
                                             const uint8_t *meta, ptrdiff_t n) {
  SSTE_PRIV_ALIGNED uint32_t nibble[SSTE_PRIV_SPAN / 4 + 1];
  ptrdiff_t i;
  SSTE_OMP(simd)
  for (i = 0; i < (n + 7) / 8; ++i) {
    nibble[2 * i] = meta[i] & 0xFu;
    nibble[2 * i + 1] = (uint32_t)meta[i] >> 4;
  }
  SSTE_OMP(simd)
  for (i = 0; i < n / 4; ++i) {
    const uint32_t first = sste_priv_bits(sste_priv_stored(values[2 * i]));
    const uint32_t second = sste_priv_bits(sste_priv_stored(values[2 * i + 1]));
    const uint32_t i0 = nibble[i] & 3u, i1 = nibble[i] >> 2;
    out[4 * i] = sste_priv_float(first & sste_priv_if(i0 == 0));
    out[4 * i + 1] = sste_priv_float((first & sste_priv_if(i0 == 1)) |
                                     (second & sste_priv_if(i1 == 1)));
    out[4 * i + 2] = sste_priv_float((first & sste_priv_if(i0 == 2)) |
                                     (second & sste_priv_if(i1 == 2)));
    out[4 * i + 3] = sste_priv_float(second & sste_priv_if(i1 == 3));
  }
}

/* sste_tensor_decompress_as - the dense matrix of a compressed one.
 *   out       receives rows x cols elements of `type`, rows ldo apart
 *   values, meta  as sste_tensor_compress_as made them for rows x cols, type
 *             and axis; no overlap with out
 *   specials  as there: zeros come out as +0, NaNs as the one of their type
 *   e.g.      E4M3FN codes 00 3A, 0x4 -> 00 3A 00 00
 *   BITWISE. Overwrites out.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (type, axis), PATTERN (an illegal
 *   nibble).                                                                */
SSTE_API sste_status sste_tensor_decompress_as(void *out, size_t ldo,
                                               const void *values, size_t ldv,
                                               const uint8_t *meta, size_t ldm,
                                               size_t rows, size_t cols,
                                               sste_type type, sste_axis axis) {
  sste_nm nm = sste_nm_of(2, 4);
  sste_priv_runs at;
  size_t size;
  ptrdiff_t r;
  sste_status s;
  nm.type = type;
  nm.axis = axis;
  s = sste_priv_nm_check(nm, rows, cols, 1);
  if (s == SSTE_ERR_VALUE) return s;
  size = sste_priv_type_bytes(type);
  at = sste_priv_runs_of(rows, cols, ldo, axis, 4);
  s = sste_priv_matrix(out, rows, cols, ldo, size);
  if (s == SSTE_OK)
    s = sste_priv_compressed(values, ldv, meta, ldm, at.runs, at.length, size);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (sste_priv_overlap(out, rows, cols, ldo, size, values, at.runs,
                        at.length / 2, ldv, size) ||
      sste_priv_overlap(out, rows, cols, ldo, size, meta, at.runs,
                        sste_priv_meta_cols(at.length), ldm, 1))
    return SSTE_ERR_OVERLAP;
  if (type == SSTE_FLOAT32 && axis == SSTE_ALONG_ROWS) {
    SSTE_OMP(parallel for schedule(static))
    for (r = 0; r < (ptrdiff_t)rows; ++r) {
      const float *from = (const float *)values + (size_t)r * ldv;
      float *to = (float *)out + (size_t)r * ldo;
      size_t c;
      for (c = 0; c < cols; c += SSTE_PRIV_SPAN)
        sste_priv_decompress_span(to + c, from + c / 2,
                                  meta + (size_t)r * ldm + c / 8,
                                  (ptrdiff_t)sste_priv_span_of(cols - c));
    }
    return SSTE_OK;
  }
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)at.runs; ++r) {
    size_t g;
    for (g = 0; g < at.groups; ++g) {
      const size_t put = (size_t)r * at.pitch + g * at.step;
      const int nibble = sste_priv_nibble(meta + (size_t)r * ldm, g);
      size_t i;
      for (i = 0; i < 4; ++i)
        sste_priv_set_element(out, type, put + i * at.stride, 0);
      for (i = 0; i < 2; ++i)
        sste_priv_set_element(
            out, type, put + (size_t)(nibble >> (2 * i) & 3) * at.stride,
            sste_priv_stored_bits(
                sste_priv_element(values, type, (size_t)r * ldv + 2 * g + i),
                type));
    }
  }
  return SSTE_OK;
}

/* sste_tensor_decompress - sste_tensor_decompress_as for floats along the rows.
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
  return sste_tensor_decompress_as(out, ldo, values, ldv, meta, ldm, rows, cols,
                                   SSTE_FLOAT32, SSTE_ALONG_ROWS);
}

/* ---- 7. Products --------------------------------------------------------- */

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
  sste_status s =
      sste_priv_compressed(values, ldv, meta, ldm, N, K, sizeof *values);
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
