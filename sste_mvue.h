/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * sste_mvue.h - minimum-variance unbiased N:M sampling.
 *
 * Sparse training wants the output gradient 2:4 sparse as well, and pruning it
 * by magnitude would bias every step. So each group of four is replaced by a
 * random one B with at most two non-zeros whose mean is the group:
 *
 *     E[B] = a,     B_i = a_i / p_i with probability p_i, else 0,
 *     total variance = sum a_i^2 / p_i - sum a_i^2,   sum p_i <= 2,  p_i <= 1
 *
 * The variance is least for p_i = min(1, c |a_i|): in proportion to magnitude,
 * capped at certainty. For 2:4 the cap has a closed form. With S = sum |a_i|,
 *
 *     tau = min(S/2, S - max |a_i|),    w_i = min(|a_i|, tau),    p_i = w_i/tau
 *
 * and every survivor is sign(a_i) * max(|a_i|, tau). A group with at most two
 * non-zeros stays as it is; for any other one uniform u draws both survivors:
 * lay the weights w_i end to end on a line of length 2 tau and keep the two
 * cells that u*tau and (1+u)*tau fall into. No cell is longer than tau, so the
 * two differ; each cell is hit with probability w_i/tau.
 *
 * By hand, for {1, 2, 3, 4}: S = 10, tau = min(5, 6) = 5, p = {.2, .4, .6, .8};
 * u = 0.5 marks 2.5 and 7.5 on cells ending at 1, 3, 6, 10: keep the second and
 * the fourth, B = {0, 5, 0, 5}.
 *
 *   1. Random bits          Philox4x32-10, one word per group, by position
 *   2. Probabilities of a group of four
 *   3. The draw of a group of four
 *   4. 1:2, groups of two
 *   5. N of M               probabilities, of pairs too, variance, the draw
 *   6. The paper's approximation for 2:4
 *   7. Tensors              groups along rows or down columns, any slice
 *
 * Numerics. Probabilities and draws are BITWISE: a draw is a function of the
 * group and of one 32-bit word, and the word depends on (seed, tensor, step,
 * position) alone, never on tiling, threads, ranks or device. What is
 * STATISTICAL is the mean: over the 2^23 equally likely u it equals a to within
 * 2^-21 max(|a_i|, tau), which a test shows by enumerating them all.
 *
 * ORDERED sums are in double in the order given, and differ in their last bits
 * where a compiler fuses multiply and add.
 *
 * A group with a NaN or two infinities is lost: its N largest magnitudes (NaN
 * is the largest, the lower index wins ties) count as its non-zeros, and each
 * becomes NaN, 0x7FC00000.
 *
 * Stands alone: copy this one file. Matrices are row-major with a leading
 * dimension (ld, the distance between rows in elements). Nothing is allocated,
 * printed or kept.
 * Source: Chmiel et al., "Minimum Variance Unbiased N:M Sparsity for the Neural
 * Gradients", ICLR 2023, for the problem; S-STE, NeurIPS 2024, for its use. The
 * closed form and the draw are derived here.                                */
#ifndef SSTE_MVUE_H
#define SSTE_MVUE_H

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

/* ---- 1. Random bits ------------------------------------------------------ */

/* Four 32-bit words: a counter going in, random bits coming out. */
typedef struct sste_philox_words {
  uint32_t word[4];
} sste_philox_words;

/* sste_philox_draw - Philox4x32-10: ten rounds that turn a counter and a key
 * into four independent uniform words.
 *   counter   any 128 bits, word[0] the least significant
 *   key0..1   any 64 bits
 *   e.g.      counter 0, key 0 -> 6627e8d5 e169c58d bc57ac4c 9b00dbd8
 *   BITWISE.
 *   Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3",
 *   SC 2011: the round, its two multipliers and its two key increments.     */
SSTE_API SSTE_HD sste_philox_words sste_philox_draw(sste_philox_words counter,
                                                    uint32_t key0,
                                                    uint32_t key1) {
  uint32_t *x = counter.word;
  int round;
  for (round = 0; round < 10; ++round) {
    const uint64_t product0 = (uint64_t)0xD2511F53u * x[0];
    const uint64_t product1 = (uint64_t)0xCD9E8D57u * x[2];
    x[0] = (uint32_t)(product1 >> 32) ^ x[1] ^ key0;
    x[1] = (uint32_t)product1;
    x[2] = (uint32_t)(product0 >> 32) ^ x[3] ^ key1;
    x[3] = (uint32_t)product0;
    key0 += 0x9E3779B9u; /* golden ratio */
    key1 += 0xBB67AE85u; /* sqrt(3) - 1 */
  }
  return counter;
}

/* Which random bits a tensor uses. Give every tensor of a model its own number,
 * and every micro-batch of a step its own seed or its own place in the run.
 * A tensor's groups lie in runs: run r is row r (groups along rows) or column r
 * (groups down columns), and g counts the groups along the run. run and group
 * say where in the whole tensor the array at hand begins, so that a slice draws
 * what the whole would; both are 0 for the whole tensor.                    */
typedef struct sste_mvue_stream {
  uint64_t seed;
  uint32_t tensor, step;
  size_t run, group;
} sste_mvue_stream;

/* The four words that groups 4*quad .. 4*quad + 3 of a run share. */
SSTE_HD static inline sste_philox_words sste_priv_mvue_words(
    const sste_mvue_stream *stream, size_t run, size_t quad) {
  sste_philox_words counter;
  counter.word[0] = (uint32_t)quad;
  counter.word[1] = (uint32_t)run;
  counter.word[2] = stream->step;
  counter.word[3] = stream->tensor;
  return sste_philox_draw(counter, (uint32_t)stream->seed,
                          (uint32_t)(stream->seed >> 32));
}

/* sste_mvue_word - the random word of group g of run r (both counted from the
 * stream's origin): word g & 3 of Philox at
 *     counter = (g >> 2, run, step, tensor),   key = (seed low, seed high)
 *   e.g.      seed 0, tensor 0, step 0, run 0: groups 0..3 get the four words
 *             of the example above
 *   range     stream->run + r < 2^32 and stream->group + g < 2^34; beyond that
 *             the counter wraps (the tensor functions refuse)
 *   BITWISE.                                                                */
SSTE_API SSTE_HD uint32_t sste_mvue_word(const sste_mvue_stream *stream,
                                         size_t r, size_t g) {
  const size_t run = stream->run + r, group = stream->group + g;
  return sste_priv_mvue_words(stream, run, group >> 2).word[group & 3];
}

/* ---- 2. Probabilities of a group of four --------------------------------- */

/* What the probabilities and the draw share: magnitudes, tau, and whether an
 * estimate exists at all.                                                   */
typedef struct sste_priv_mvue_group {
  float b[4];   /* |a_i| * unit */
  float tau;    /* min(S/2, S - max), in the same unit */
  float unit;   /* 1; 1/4 where sums or survivors would overflow */
  float most;   /* the largest |a_i| * unit */
  int top;      /* where it is, the lower index of equal ones */
  int nonzeros; /* how many; -0 is a zero */
  int lost;     /* a NaN, or two infinities: no estimate exists */
} sste_priv_mvue_group;

SSTE_HD static inline sste_priv_mvue_group sste_priv_mvue_measure_in(
    const float a[4], float unit) {
  sste_priv_mvue_group g;
  uint32_t largest = 0;
  float half, rest[4];
  int i, infinities = 0;

  g.unit = unit;
  g.top = 0;
  g.nonzeros = 0;
  for (i = 0; i < 4; ++i) {
    const uint32_t m = sste_priv_magnitude(a[i]);
    g.b[i] = sste_priv_float(m) * unit;
    g.nonzeros += m != 0;
    infinities += m == SSTE_PRIV_INF;
    if (m > largest) {
      largest = m;
      g.top = i;
    }
  }
  g.lost = infinities > 1 || largest == SSTE_PRIV_NAN;
  g.most = sste_priv_float(largest) * unit;
  /* S - max is summed from the others: a difference would cancel, and a zero in
   * place of a small tau would turn a dominant element into NaN. */
  for (i = 0; i < 4; ++i) rest[i] = i == g.top ? 0.0f : g.b[i];
  half = 0.5f * ((g.b[0] + g.b[1]) + (g.b[2] + g.b[3]));
  g.tau = (rest[0] + rest[1]) + (rest[2] + rest[3]);
  if (half < g.tau) g.tau = half;
  return g;
}

SSTE_HD static inline sste_priv_mvue_group sste_priv_mvue_measure(
    const float a[4]) {
  const sste_priv_mvue_group g = sste_priv_mvue_measure_in(a, 1.0f);
  const int large = sste_priv_magnitude(g.tau) >= 0x7E000000u; /* 2^125 */
  return large ? sste_priv_mvue_measure_in(a, 0.25f) : g;
}

/* Whether element i is among the `kept` largest of the M = `size` magnitudes,
 * the lower index winning ties: where a group that is lost carries its NaNs, so
 * that it stays N:M and still poisons every product.                        */
SSTE_HD static inline int sste_priv_mvue_is_top(const float *a, int size,
                                                int kept, int i) {
  const uint32_t mi = sste_priv_magnitude(a[i]);
  int j, above = 0;
  for (j = 0; j < size; ++j) {
    const uint32_t mj = sste_priv_magnitude(a[j]);
    above += mj > mi || (mj == mi && j < i);
  }
  return above < kept;
}

/* sste_mvue24_group_prob - the probability that each of four survives:
 *     p_i = min(|a_i|, tau) / tau,    tau = min(S/2, S - max |a_i|)
 *   p         receives four values in [0, 1]; they add up to min(2, non-zeros),
 *             to within 2^-21 unless tau is subnormal
 *   a         the group
 *   specials  up to two non-zeros: 1 for each, 0 for the zeros; one infinity: 1
 *             for it, and the others share 1; a NaN or two infinities: 1 for
 *             the two largest magnitudes (NaN is the largest, lower index wins
 *             ties), which the draw turns into NaN. A p may round to 1 for an
 *             element that a draw can lose; only the largest, where it reaches
 *             tau, is certain
 *   e.g.      {1, 2, 3, 4} -> {.2, .4, .6, .8};  {1, 1, 1, 9} -> {1/3, 1/3,
 *             1/3, 1};  {2, 0, 0, 0} -> {1, 0, 0, 0}
 *   BITWISE: S and S - max are float sums (0 + 1) + (2 + 3), in the second the
 *   largest (lowest index) is replaced by 0; the quotient is taken in double.
 *   Overwrites p. Never fails.                                              */
SSTE_API SSTE_HD void sste_mvue24_group_prob(double p[4], const float a[4]) {
  const sste_priv_mvue_group g = sste_priv_mvue_measure(a);
  int i;
  for (i = 0; i < 4; ++i) {
    if (g.lost)
      p[i] = sste_priv_mvue_is_top(a, 4, 2, i);
    else if (g.nonzeros <= 2 || g.b[i] >= g.tau)
      p[i] = sste_priv_magnitude(a[i]) != 0;
    else
      p[i] = (double)g.b[i] / (double)g.tau;
  }
}

/* ---- 3. The draw of a group of four -------------------------------------- */

/* The uniform of a word: its upper 23 bits, so that u and 1 + u are exact and
 * all 2^23 draws of a group can be enumerated. */
SSTE_HD static inline float sste_priv_mvue_uniform(uint32_t word) {
  return (float)(word >> 9) * (1.0f / 8388608.0f);
}

/* sign(a) * magnitude */
SSTE_HD static inline float sste_priv_mvue_survivor(float a, float magnitude) {
  return sste_priv_float((sste_priv_bits(a) & 0x80000000u) |
                         sste_priv_bits(magnitude));
}

/* The two of more than two non-zeros that u keeps, as bits of a mask. The loop
 * walks along the cells; `end` is where cell i ends, `point` what it looks for.
 * A place is held free for the certain element until it comes. */
SSTE_HD static inline int sste_priv_mvue24_pick(const sste_priv_mvue_group *g,
                                                float u) {
  const int certain = g->most >= g->tau ? g->top : -1; /* p = 1 */
  float point = u * g->tau, end = 0.0f;
  int i, found = 0, mask = 0, held = certain >= 0;
  for (i = 0; i < 4 && found < 2; ++i) {
    if (g->b[i] == 0.0f) continue;
    end += g->b[i] < g->tau ? g->b[i] : g->tau;
    if (i == certain || (point < end && found + held < 2)) {
      mask |= 1 << i;
      ++found;
      held = held && i != certain;
      point = (1.0f + u) * g->tau;
    }
  }
  for (i = 3; i >= 0 && found < 2; --i)
    if (g->b[i] != 0.0f && (mask >> i & 1) == 0) {
      mask |= 1 << i;
      ++found;
    }
  return mask;
}

/* sste_mvue24_group_draw - one 2:4 sample B of a group with E[B] = a.
 *     u = (word >> 9) * 2^-23;   cells of width min(|a_i|, tau) end to end;
 *     keep the first cell that ends beyond fl(u * tau), then the next one that
 *     ends beyond fl((1+u) * tau);   B_i = sign(a_i) * max(|a_i|, tau)
 *   out       receives the sample; may be a itself
 *   a         the group
 *   word      32 uniform bits; the lowest 9 are not used
 *   ties      cells are half-open: a point on a boundary belongs to the next.
 *             Rounding never decides who is certain: the largest magnitude, if
 *             it reaches tau, is kept wherever the points fall, and should the
 *             second point lie beyond the last cell, the last unused non-zero
 *             is taken
 *   specials  min(2, non-zeros) survivors, everything else is +0; up to two
 *             non-zeros come back as they are; one infinity is kept; a NaN or
 *             two infinities: the two largest magnitudes become 0x7FC00000; a
 *             survivor beyond FLT_MAX is an infinity
 *   e.g.      {1, 2, 3, 4}, word 0x80000000 (u = 0.5) -> {0, 5, 0, 5}
 *   BITWISE; the mean over all words is STATISTICAL: a to within
 *   2^-21 max(|a_i|, tau), and 2^-147 more where tau is subnormal.
 *   Overwrites out. Never fails.                                            */
SSTE_API SSTE_HD void sste_mvue24_group_draw(float out[4], const float a[4],
                                             uint32_t word) {
  const sste_priv_mvue_group g = sste_priv_mvue_measure(a);
  const int mask = sste_priv_mvue24_pick(&g, sste_priv_mvue_uniform(word));
  float sample[4];
  int i;
  for (i = 0; i < 4; ++i) {
    const float larger = g.b[i] > g.tau ? g.b[i] : g.tau;
    float value = 0.0f;
    if (g.lost)
      value = sste_priv_float(sste_priv_mvue_is_top(a, 4, 2, i) ? SSTE_PRIV_NAN
                                                                : 0u);
    else if (g.nonzeros <= 2)
      value = sste_priv_magnitude(a[i]) == 0 ? 0.0f : a[i];
    else if (mask >> i & 1)
      value = sste_priv_mvue_survivor(a[i], larger / g.unit);
    sample[i] = value;
  }
  for (i = 0; i < 4; ++i) out[i] = sample[i]; /* out may be a */
}

/* ---- 4. 1:2, groups of two ----------------------------------------------- */

/* sste_mvue12_group_prob - the probability that each of two survives:
 *     p_i = |a_i| / (|a_0| + |a_1|)
 *   p         receives two values in [0, 1] that add up to min(1, non-zeros)
 *   a         the group
 *   specials  one infinity: 1 for it; a NaN or two infinities: 1 for the larger
 *             magnitude (NaN is the largest, index 0 wins ties)
 *   e.g.      {1, -3} -> {.25, .75}
 *   BITWISE: sum and quotient in double. Overwrites p. Never fails.         */
SSTE_API SSTE_HD void sste_mvue12_group_prob(double p[2], const float a[2]) {
  const uint32_t m0 = sste_priv_magnitude(a[0]);
  const uint32_t m1 = sste_priv_magnitude(a[1]);
  const double b0 = (double)sste_priv_float(m0);
  const double b1 = (double)sste_priv_float(m1);
  if (m0 == 0 || m1 == 0 || m0 >= SSTE_PRIV_INF || m1 >= SSTE_PRIV_INF) {
    p[0] = m0 != 0 && m0 >= m1;
    p[1] = m1 > m0;
  } else {
    p[0] = b0 / (b0 + b1);
    p[1] = b1 / (b0 + b1);
  }
}

/* sste_mvue12_group_draw - one 1:2 sample B of a group of two with E[B] = a.
 *     S = fl(|a_0| + |a_1|);   keep 0 if fl(u * S) < |a_0|, else 1;
 *     the survivor is sign(a_i) * S
 *   out       receives the sample; may be a itself
 *   a         the group
 *   word      32 uniform bits; the lowest 9 are not used
 *   specials  always min(1, non-zeros) survivors, the other is +0; a lone
 *             non-zero comes back as it is; one infinity is kept; a NaN or two
 *             infinities: the larger magnitude (index 0 wins ties) becomes
 *             0x7FC00000; a survivor beyond FLT_MAX is an infinity
 *   e.g.      {1, -3}, word 0x80000000 (u = 0.5): 2 >= 1 -> {0, -4}
 *   BITWISE; the mean over all words is STATISTICAL: a to within 2^-22 S, and
 *   2^-149 more where S is subnormal. Total variance 2 |a_0| |a_1|.
 *   Overwrites out. Never fails.                                            */
SSTE_API SSTE_HD void sste_mvue12_group_draw(float out[2], const float a[2],
                                             uint32_t word) {
  const uint32_t m0 = sste_priv_magnitude(a[0]);
  const uint32_t m1 = sste_priv_magnitude(a[1]);
  const float unit = m0 < 0x7E000000u && m1 < 0x7E000000u ? 1.0f : 0.25f;
  const float b0 = sste_priv_float(m0) * unit;
  const float b1 = sste_priv_float(m1) * unit;
  const float sum = b0 + b1;
  int kept = sste_priv_mvue_uniform(word) * sum < b0 ? 0 : 1;
  float value;

  if (m0 == 0 || m1 == 0 || m0 >= SSTE_PRIV_INF || m1 >= SSTE_PRIV_INF)
    kept = m1 > m0; /* one zero, or specials: nothing is left to chance */
  value = sste_priv_mvue_survivor(a[kept], sum / unit);
  if (m0 == 0 && m1 == 0) value = 0.0f;
  if (m0 == SSTE_PRIV_NAN || m1 == SSTE_PRIV_NAN ||
      (m0 == SSTE_PRIV_INF && m1 == SSTE_PRIV_INF))
    value = sste_priv_float(SSTE_PRIV_NAN);
  out[kept] = value;
  out[1 - kept] = 0.0f;
}

/* ---- 5. N of M ----------------------------------------------------------- */

/* For N of any M <= 32 the optimum has the same form. Up to N - 1 elements can
 * be certain; leaving the k largest out and sharing N - k places among the rest
 * gives one candidate for tau, and the smallest is the right one:
 *
 *     tau = min over k < N of R_k / (N - k),   R_k = sum of all but k largest
 *     w_i = min(|a_i|, tau),   p_i = w_i / tau,   survivors max(|a_i|, tau)
 *
 * One uniform still draws all survivors (systematic sampling): the cells w_i
 * lie end to end on a line of length N tau, and those that u*tau, (1+u)*tau,
 * ..., (N-1+u)*tau fall into are kept. Any design with these p_i has the least
 * total variance; it decides only which elements survive together.
 *
 * 2:4 and 1:2, which hardware multiplies, are worked out in float, so that the
 * draws of both and the probabilities of 2:4 are to the bit those of the
 * sections above; all other patterns in double.                             */
typedef struct sste_priv_mvue_nm {
  double b[32];     /* |a_i| * unit */
  double tau, unit; /* unit: 1; 1/4 where floats would overflow */
  uint32_t certain; /* bit i: a_i is in every sample */
  int nonzeros;     /* how many; -0 is a zero */
  int lost;         /* a NaN, or two infinities: no estimate exists */
} sste_priv_mvue_nm;

SSTE_HD static inline int sste_priv_mvue_is_single(int n, int m) {
  return m == 2 * n && n <= 2;
}

/* x in working precision. Float arithmetic done in double and rounded is float
 * arithmetic, as a double has more than twice the digits. */
SSTE_HD static inline double sste_priv_mvue_working(double x, int single) {
  return single ? (double)(float)x : x;
}

/* The sum of the b_i not in the set `without`, adjacent pairs first. */
SSTE_HD static inline double sste_priv_mvue_rest(const double *b,
                                                 uint32_t without, int m,
                                                 int single) {
  double part[32] = {0.0};
  int i, n;
  for (i = 0; i < m; ++i) part[i] = without >> i & 1 ? 0.0 : b[i];
  for (n = m; n > 1; n = (n + 1) / 2) {
    for (i = 0; i < n / 2; ++i)
      part[i] = sste_priv_mvue_working(part[2 * i] + part[2 * i + 1], single);
    if (n % 2 != 0) part[n / 2] = part[n - 1];
  }
  return part[0];
}

SSTE_HD static inline sste_priv_mvue_nm sste_priv_mvue_nm_in(const float *a,
                                                             int n, int m,
                                                             double unit) {
  const int single = sste_priv_mvue_is_single(n, m);
  sste_priv_mvue_nm g;
  uint32_t top = 0; /* the k largest */
  int i, k, infinities = 0, nans = 0;
  g.unit = unit;
  g.certain = 0;
  g.nonzeros = 0;
  for (i = 0; i < m; ++i) {
    const uint32_t magnitude = sste_priv_magnitude(a[i]);
    g.b[i] = sste_priv_mvue_working((double)sste_priv_float(magnitude) * unit,
                                    single);
    g.nonzeros += magnitude != 0;
    infinities += magnitude == SSTE_PRIV_INF;
    nans += magnitude == SSTE_PRIV_NAN;
  }
  g.lost = nans > 0 || infinities > 1;
  g.tau = sste_priv_mvue_rest(g.b, 0, m, single) / (double)n;
  g.tau = sste_priv_mvue_working(g.tau, single);
  for (k = 1; k < n; ++k) {
    int largest = -1;
    double tau;
    for (i = 0; i < m; ++i)
      if ((top >> i & 1) == 0 && (largest < 0 || g.b[i] > g.b[largest]))
        largest = i;
    top |= (uint32_t)1 << largest;
    tau = sste_priv_mvue_rest(g.b, top, m, single) / (double)(n - k);
    tau = sste_priv_mvue_working(tau, single);
    if (tau < g.tau) g.tau = tau;
  }
  for (i = 0; i < m; ++i)
    if ((top >> i & 1) != 0 && g.b[i] >= g.tau) g.certain |= (uint32_t)1 << i;
  return g;
}

SSTE_HD static inline sste_priv_mvue_nm sste_priv_mvue_nm_of(const float *a,
                                                             int n, int m) {
  const sste_priv_mvue_nm g = sste_priv_mvue_nm_in(a, n, m, 1.0);
  const int large =
      g.tau >= 42535295865117307932921825928971026432.0; /* 2^125 */
  return sste_priv_mvue_is_single(n, m) && large
             ? sste_priv_mvue_nm_in(a, n, m, 0.25)
             : g;
}

/* Whether chance has nothing to decide, and if so whether a_i stays: the group
 * is lost, has at most n non-zeros, or its one place is an infinity's.      */
SSTE_HD static inline int sste_priv_mvue_is_fixed(const sste_priv_mvue_nm *g,
                                                  int n) {
  return g->lost || g->nonzeros <= n || g->tau > DBL_MAX;
}
SSTE_HD static inline int sste_priv_mvue_is_kept(const sste_priv_mvue_nm *g,
                                                 const float *a, int n, int m,
                                                 int i) {
  if (g->lost) return sste_priv_mvue_is_top(a, m, n, i);
  return g->nonzeros <= n ? g->b[i] > 0.0 : g->b[i] > DBL_MAX;
}

/* sste_mvue_group_prob - the probability that each of m survives:
 *     p_i = min(|a_i|, tau) / tau
 *   p         receives m values in [0, 1]; they add up to min(n, non-zeros), to
 *             within 2^-45 (2:4 and 1:2: 2^-21, unless tau is subnormal)
 *   a         m values
 *   n, m      0 < n < m <= 32; else p is untouched
 *   specials  up to n non-zeros: 1 for each, 0 for the zeros; one infinity: 1
 *             for it, the others share n - 1; a NaN or two infinities: 1 for
 *             the n largest magnitudes, which the draw turns into NaN
 *   e.g.      {1, 2, 3, 4}, 1:4 -> {.1, .2, .3, .4};  2:4 -> {.2, .4, .6, .8};
 *             3:4: tau = 3 -> {1/3, 2/3, 1, 1}
 *   BITWISE: the sums R_k in adjacent pairs, the k largest (lower index first)
 *   replaced by 0, in working precision; the last quotient in double.
 *   Overwrites p. Never fails.                                              */
SSTE_API SSTE_HD void sste_mvue_group_prob(double *p, const float *a, int n,
                                           int m) {
  sste_priv_mvue_nm g;
  int i;
  if (!sste_priv_is_nm(n, m)) return;
  g = sste_priv_mvue_nm_of(a, n, m);
  for (i = 0; i < m; ++i) {
    if (sste_priv_mvue_is_fixed(&g, n))
      p[i] = sste_priv_mvue_is_kept(&g, a, n, m, i);
    else
      p[i] = g.b[i] >= g.tau ? 1.0 : g.b[i] / g.tau;
  }
}

/* The length that two arcs have in common on a circle of length 1: one of
 * length p from 0 on, the other of length q from d on, 0 <= d < 1. */
SSTE_HD static inline double sste_priv_mvue_common(double p, double q,
                                                   double d) {
  const double ahead = p - d < q ? p - d : q;
  const double round = q - (1.0 - d) < p ? q - (1.0 - d) : p;
  return (ahead > 0.0 ? ahead : 0.0) + (round > 0.0 ? round : 0.0);
}

/* sste_mvue_group_pair_prob - the probability that two elements survive
 * together, for the draw below. Modulo tau each cell is an arc of a circle, u a
 * point on it, and the two survive where their arcs overlap.
 *   pair      receives m x m values, symmetric; the diagonal is the p_i of
 *             sste_mvue_group_prob, and row i adds up to n p_i if there are
 *             more than n non-zeros
 *   a, n, m   as for sste_mvue_group_prob; pair is untouched for a bad n or m
 *   specials  where chance decides nothing, or one of the two is certain: the
 *             smaller of p_i and p_j
 *   e.g.      {1, 2, 3, 4}, 2:4: the cells are [0,.2) [.2,.6) [.6,1.2) [1.2,2);
 *             0 and 1 never survive together, 0 and 2: 0.2, 2 and 3: 0.4
 *   BITWISE, in double; to within 2^-44 of the exact overlap (2:4 and 1:2:
 *   2^-20, unless tau is subnormal). The covariance of the values of two
 *   elements is pair_ij v_i v_j - a_i a_j, v being what survivors become.
 *   Overwrites pair. Never fails.                                           */
SSTE_API SSTE_HD void sste_mvue_group_pair_prob(double *pair, const float *a,
                                                int n, int m) {
  double p[32] = {0.0}, start[32] = {0.0}, end = 0.0;
  sste_priv_mvue_nm g;
  int i, j, fixed;
  if (!sste_priv_is_nm(n, m)) return;
  g = sste_priv_mvue_nm_of(a, n, m);
  fixed = sste_priv_mvue_is_fixed(&g, n);
  sste_mvue_group_prob(p, a, n, m);
  for (i = 0; i < m; ++i) {
    start[i] = end;
    end += p[i];
    if (end >= 1.0) end -= 1.0;
  }
  for (i = 0; i < m; ++i)
    for (j = i; j < m; ++j) {
      const double ahead = start[j] - start[i];
      const double d = ahead < 0.0 ? ahead + 1.0 : ahead;
      if (i == j || fixed || p[i] == 1.0 || p[j] == 1.0)
        pair[i * m + j] = i == j ? p[i] : p[i] < p[j] ? p[i] : p[j];
      else
        pair[i * m + j] = sste_priv_mvue_common(p[i], p[j], d);
      pair[j * m + i] = pair[i * m + j];
    }
}

/* sste_mvue_group_second_moment - E ||B||^2 = sum |a_i| max(|a_i|, tau).
 *   a, n, m   as for sste_mvue_group_prob; a bad n or m gives NaN
 *   specials  a lost group gives NaN, one infinity infinity
 *   e.g.      {1, 2, 3, 4}, 2:4: 5 (1 + 2 + 3 + 4) = 50
 *   ORDERED: in double, i ascending, to within 2^-45 of itself (2:4 and
 *   1:2: 2^-20, unless tau is subnormal). Never fails.                      */
SSTE_API SSTE_HD double sste_mvue_group_second_moment(const float *a, int n,
                                                      int m) {
  const double nan = (double)sste_priv_float(SSTE_PRIV_NAN);
  sste_priv_mvue_nm g;
  double sum = 0.0;
  int i;
  if (!sste_priv_is_nm(n, m)) return nan;
  g = sste_priv_mvue_nm_of(a, n, m);
  if (g.lost) return nan;
  for (i = 0; i < m; ++i) {
    const double b = (double)sste_priv_float(sste_priv_magnitude(a[i]));
    const double tau = g.nonzeros <= n ? 0.0 : g.tau / g.unit;
    if (b > 0.0) sum += b * (b > tau ? b : tau);
  }
  return sum;
}

/* sste_mvue_group_variance - the total variance of a sample,
 *     E ||B - a||^2 = sum a_i^2 / p_i - sum a_i^2
 *                   = sum |a_i| (max(|a_i|, tau) - |a_i|),
 * the least that any unbiased estimate with n non-zeros can have.
 *   a, n, m   as for sste_mvue_group_prob; a bad n or m gives NaN
 *   specials  a lost group gives NaN. One infinity is certain and adds nothing,
 *             but with n = 1 it takes the one place: infinity, if there is more
 *   e.g.      {1, 2, 3, 4}: 2:4 -> 20;  1:4 -> 70
 *   ORDERED: in double, i ascending, to within 2^-45 of the second moment
 *   (2:4 and 1:2: 2^-20, unless tau is subnormal). Never fails.             */
SSTE_API SSTE_HD double sste_mvue_group_variance(const float *a, int n, int m) {
  const double nan = (double)sste_priv_float(SSTE_PRIV_NAN);
  sste_priv_mvue_nm g;
  double sum = 0.0;
  int i;
  if (!sste_priv_is_nm(n, m)) return nan;
  g = sste_priv_mvue_nm_of(a, n, m);
  if (g.lost) return nan;
  for (i = 0; i < m; ++i) {
    const double b = (double)sste_priv_float(sste_priv_magnitude(a[i]));
    const double tau = g.tau / g.unit;
    if (g.nonzeros > n && b > 0.0 && b < tau) sum += b * (tau - b);
  }
  return sum;
}

/* The n of more than n non-zeros that u keeps, as bits of a mask. Places are
 * held free for the certain ones that are still to come. */
SSTE_HD static inline uint32_t sste_priv_mvue_pick(const sste_priv_mvue_nm *g,
                                                   int n, int m, double u) {
  const int single = sste_priv_mvue_is_single(n, m);
  double end = 0.0;
  uint32_t mask = 0;
  int i, found = 0, held = 0;
  for (i = 0; i < m; ++i) held += (int)(g->certain >> i & 1);
  for (i = 0; i < m && found < n; ++i) {
    const double point = ((double)found + u) * g->tau;
    const int certain = (int)(g->certain >> i & 1);
    if (g->b[i] == 0.0) continue;
    end = sste_priv_mvue_working(end + (g->b[i] < g->tau ? g->b[i] : g->tau),
                                 single);
    if (certain ||
        (found + held < n && sste_priv_mvue_working(point, single) < end)) {
      mask |= (uint32_t)1 << i;
      ++found;
      held -= certain;
    }
  }
  for (i = m - 1; i >= 0 && found < n; --i)
    if (g->b[i] != 0.0 && (mask >> i & 1) == 0) {
      mask |= (uint32_t)1 << i;
      ++found;
    }
  return mask;
}

/* sste_mvue_group_draw - one N:M sample B of a group with E[B] = a.
 *     u = (word >> 9) * 2^-23;  cells of width min(|a_i|, tau) end to end;
 *     keep those that u*tau, (1+u)*tau, ... fall into;
 *     B_i = sign(a_i) * max(|a_i|, tau)
 *   out       receives m values; may be a itself
 *   a         m values
 *   n, m      0 < n < m <= 32; else out is untouched
 *   word      32 uniform bits; the lowest 9 are not used
 *   ties      cells are half-open. Of the n - 1 largest (lower index first),
 *             those that reach tau are kept wherever the points fall; should
 *             points lie beyond the last cell, the last unused non-zeros are
 *             taken
 *   specials  min(n, non-zeros) survivors, everything else is +0; up to n
 *             non-zeros come back as they are; one infinity is kept; a NaN or
 *             two infinities: the n largest magnitudes become 0x7FC00000; a
 *             survivor beyond FLT_MAX is an infinity
 *   e.g.      {1, 2, 3, 4}, word 0x80000000 (u = 0.5): 2:4 -> {0, 5, 0, 5};
 *             1:4: tau = 10, 5 lies in the third cell -> {0, 0, 10, 0}
 *   BITWISE; the mean over all words is STATISTICAL: a to within 2^-21
 *   max(|a_i|, tau), and 2^-147 more where tau is subnormal.
 *   Overwrites out. Never fails.                                            */
SSTE_API SSTE_HD void sste_mvue_group_draw(float *out, const float *a, int n,
                                           int m, uint32_t word) {
  sste_priv_mvue_nm g;
  uint32_t mask = 0;
  int i, fixed;
  if (!sste_priv_is_nm(n, m)) return;
  g = sste_priv_mvue_nm_of(a, n, m);
  fixed = sste_priv_mvue_is_fixed(&g, n);
  for (i = 0; fixed && i < m; ++i)
    mask |= (uint32_t)sste_priv_mvue_is_kept(&g, a, n, m, i) << i;
  if (!fixed)
    mask = sste_priv_mvue_pick(&g, n, m, (double)sste_priv_mvue_uniform(word));
  for (i = 0; i < m; ++i) {
    const double larger = g.b[i] > g.tau ? g.b[i] : g.tau;
    if ((mask >> i & 1) == 0)
      out[i] = 0.0f;
    else if (g.lost)
      out[i] = sste_priv_float(SSTE_PRIV_NAN);
    else
      out[i] = fixed ? a[i]
                     : sste_priv_mvue_survivor(a[i], (float)(larger / g.unit));
  }
}

/* ---- 6. The paper's approximation for 2:4 -------------------------------- */

/* The sampling that the paper and the official kernels use: draw i with
 * probability t_i = |a_i| / S, then another j with |a_j| / (S - |a_i|). It
 * needs two uniforms and many divisions, and its variance is up to twice the
 * optimum's (6 percent more for Gaussian gradients, 11 for Laplacian): it is
 * here to be compared with. With rest_j = S - |a_j|, an element is drawn with
 *
 *     pi_i = t_i + sum over j != i of t_j |a_i| / rest_j,   B_i = a_i / pi_i.
 */
typedef struct sste_priv_mvue_two {
  double b[4], rest[4], sum;
  int infinite; /* the index of the one infinity, or -1 */
  int nonzeros, lost;
} sste_priv_mvue_two;

SSTE_HD static inline sste_priv_mvue_two sste_priv_mvue_two_of(
    const float a[4]) {
  sste_priv_mvue_two g;
  int i;
  g.infinite = -1;
  g.nonzeros = 0;
  g.lost = 0;
  for (i = 0; i < 4; ++i) {
    const uint32_t magnitude = sste_priv_magnitude(a[i]);
    g.b[i] = (double)sste_priv_float(magnitude);
    g.nonzeros += magnitude != 0;
    if (magnitude == SSTE_PRIV_NAN ||
        (magnitude == SSTE_PRIV_INF && g.infinite >= 0))
      g.lost = 1;
    if (magnitude == SSTE_PRIV_INF) g.infinite = i;
  }
  g.sum = (g.b[0] + g.b[1]) + (g.b[2] + g.b[3]);
  g.rest[0] = g.b[1] + (g.b[2] + g.b[3]);
  g.rest[1] = g.b[0] + (g.b[2] + g.b[3]);
  g.rest[2] = (g.b[0] + g.b[1]) + g.b[3];
  g.rest[3] = (g.b[0] + g.b[1]) + g.b[2];
  return g;
}

/* t_j; with an infinity, its limit. */
SSTE_HD static inline double sste_priv_mvue_two_first(
    const sste_priv_mvue_two *g, int j) {
  return g->infinite < 0 ? g->b[j] / g->sum : j == g->infinite;
}

/* Of a group with more than two non-zeros that is not lost: pi_i, and 1 - pi_i
 * without the cancellation. Dividing last leaves nothing to fuse. */
SSTE_HD static inline double sste_priv_mvue_two_prob(
    const sste_priv_mvue_two *g, int i) {
  double pi = 0.0;
  int j;
  for (j = 0; j < 4; ++j) {
    const double t = sste_priv_mvue_two_first(g, j);
    if (t > 0.0) pi += j == i ? t : t * g->b[i] / g->rest[j];
  }
  return pi < 1.0 ? pi : 1.0;
}
SSTE_HD static inline double sste_priv_mvue_two_miss(
    const sste_priv_mvue_two *g, int i) {
  double miss = 0.0;
  int j, k;
  for (j = 0; j < 4; ++j) {
    const double t = sste_priv_mvue_two_first(g, j);
    double others = 0.0; /* the two that are neither i nor j */
    for (k = 0; k < 4; ++k)
      if (k != i && k != j) others += g->b[k];
    if (t > 0.0 && j != i) miss += t * others / g->rest[j];
  }
  return miss;
}

/* sste_mvue24_group_prob_approx - pi_i of the approximation.
 *   p         receives four values in [0, 1] that add up to min(2, non-zeros)
 *   a         the group
 *   specials  up to two non-zeros: 1 for each; one infinity: 1 for it, the
 *             others share 1; a NaN or two infinities: 1 for the two largest
 *   e.g.      {1, 1, 1, 1} -> {.5, .5, .5, .5};  {1, 2, 3, 4} -> {.235, .441,
 *             .608, .716}, where the optimum has {.2, .4, .6, .8}
 *   BITWISE, in double; j ascending. Overwrites p. Never fails.
 *   Source: Chmiel et al., the approximation of their 2:4 optimum; the official
 *   S-STE kernels.                                                          */
SSTE_API SSTE_HD void sste_mvue24_group_prob_approx(double p[4],
                                                    const float a[4]) {
  const sste_priv_mvue_two g = sste_priv_mvue_two_of(a);
  int i;
  for (i = 0; i < 4; ++i) {
    if (g.lost)
      p[i] = sste_priv_mvue_is_top(a, 4, 2, i);
    else
      p[i] = g.nonzeros <= 2 ? g.b[i] > 0.0 : sste_priv_mvue_two_prob(&g, i);
  }
}

/* sste_mvue24_group_variance_approx - its total variance, at most twice that of
 * sste_mvue_group_variance:  sum a_i^2 (1 - pi_i) / pi_i.
 *   a         the group
 *   specials  a lost group gives NaN; one infinity adds nothing
 *   e.g.      {1, 1, 1, 1} -> 4, as the optimum;  {1, 2, 3, 4} -> 20.47, where
 *             the optimum has 20
 *   ORDERED: in double, i ascending, to within 2^-45 of itself. Never fails. */
SSTE_API SSTE_HD double sste_mvue24_group_variance_approx(const float a[4]) {
  const sste_priv_mvue_two g = sste_priv_mvue_two_of(a);
  double sum = 0.0;
  int i;
  if (g.lost) return (double)sste_priv_float(SSTE_PRIV_NAN);
  for (i = 0; i < 4; ++i)
    if (g.nonzeros > 2 && g.b[i] > 0.0 && i != g.infinite)
      sum += g.b[i] * g.b[i] * sste_priv_mvue_two_miss(&g, i) /
             sste_priv_mvue_two_prob(&g, i);
  return sum;
}

/* The first element whose cell ends beyond u * length, `skip` having none; the
 * last one with a cell if rounding leaves the point beyond them all. */
SSTE_HD static inline int sste_priv_mvue_two_pick(const double b[4], int skip,
                                                  double length, double u) {
  const double point = u * length;
  double end = 0.0;
  int i, last = -1;
  for (i = 0; i < 4; ++i) {
    if (i == skip || b[i] == 0.0) continue;
    end += b[i];
    last = i;
    if (point < end) break;
  }
  return last;
}

/* sste_mvue24_group_draw_approx - one sample of the approximation:
 *     i: the cell of |a| that u0 * S falls into;  j: among the other three, the
 *     cell that u1 * (S - |a_i|) falls into;  B = a_i / pi_i and a_j / pi_j
 *   out       receives the sample; may be a itself
 *   a         the group
 *   word0, word1  32 uniform bits each; the lowest 9 are not used
 *   specials  always min(2, non-zeros) survivors, everything else is +0; up to
 *             two non-zeros come back as they are; one infinity is kept; a NaN
 *             or two infinities: the two largest become 0x7FC00000; a survivor
 *             beyond FLT_MAX is an infinity
 *   e.g.      {1, 1, 1, 1}, words 0 and 0 -> {2, 2, 0, 0}
 *   BITWISE: sums and quotients in double, survivors rounded to float; the mean
 *   over all words is STATISTICAL: a to within 2^-21 S, and 2^-148 more where S
 *   is subnormal. Overwrites out. Never fails.                              */
SSTE_API SSTE_HD void sste_mvue24_group_draw_approx(float out[4],
                                                    const float a[4],
                                                    uint32_t word0,
                                                    uint32_t word1) {
  const sste_priv_mvue_two g = sste_priv_mvue_two_of(a);
  double p[4];
  float sample[4];
  int i, first = -1, second = -1;
  sste_mvue24_group_prob_approx(p, a);
  if (!g.lost && g.nonzeros > 2) {
    first = g.infinite;
    if (first < 0)
      first = sste_priv_mvue_two_pick(g.b, -1, g.sum,
                                      (double)sste_priv_mvue_uniform(word0));
    second = sste_priv_mvue_two_pick(g.b, first, g.rest[first],
                                     (double)sste_priv_mvue_uniform(word1));
  }
  for (i = 0; i < 4; ++i) {
    sample[i] = 0.0f;
    if (first < 0 ? p[i] == 1.0 : i == first || i == second)
      sample[i] = g.lost ? sste_priv_float(SSTE_PRIV_NAN)
                         : (float)((double)a[i] / p[i]);
  }
  for (i = 0; i < 4; ++i) out[i] = sample[i]; /* out may be a */
}

/* ---- 7. Tensors ---------------------------------------------------------- */

/* A matrix's groups, and how each is drawn. */
typedef struct sste_priv_mvue_view {
  float *out;
  const float *a;
  sste_priv_runs out_at, at;
  int n, m;
  int words; /* one per group; two for the approximation */
} sste_priv_mvue_view;

static inline void sste_priv_mvue_one(const sste_priv_mvue_view *v, float *x,
                                      const uint32_t *words) {
  if (v->words == 2)
    sste_mvue24_group_draw_approx(x, x, words[0], words[1]);
  else if (v->n == 2 && v->m == 4)
    sste_mvue24_group_draw(x, x, words[0]);
  else if (v->n == 1 && v->m == 2)
    sste_mvue12_group_draw(x, x, words[0]);
  else
    sste_mvue_group_draw(x, x, v->n, v->m, words[0]);
}

/* Draw the groups of run r that share Philox call `call` of the whole tensor,
 * four of them, or two that take two words each, as far as they lie here. */
static inline void sste_priv_mvue_call(const sste_priv_mvue_view *v,
                                       const sste_mvue_stream *stream, size_t r,
                                       size_t call) {
  const sste_philox_words words =
      sste_priv_mvue_words(stream, stream->run + r, call);
  const size_t shared = v->words == 2 ? 2 : 4, m = (size_t)v->m;
  size_t k, i;
  for (k = 0; k < shared; ++k) {
    const size_t g = shared * call + k - stream->group;
    const size_t at = r * v->at.pitch + g * v->at.step;
    const size_t put = r * v->out_at.pitch + g * v->out_at.step;
    float x[32];
    if (g >= v->at.groups) continue; /* as is a g below 0, which wraps round */
    for (i = 0; i < m; ++i) x[i] = v->a[at + i * v->at.stride];
    sste_priv_mvue_one(v, x, words.word + k * (size_t)v->words);
    for (i = 0; i < m; ++i) v->out[put + i * v->out_at.stride] = x[i];
  }
}

/* The same for 2:4 and 1:2, fast: tiles of groups go through loops that have no
 * branch, so that compilers vectorise them; a group that such a loop cannot
 * decide, which is rare, is drawn again by the function above for one group. */
enum {
  SSTE_PRIV_MVUE_TILE = 256, /* groups; with all else, half an L1 cache */
  SSTE_PRIV_MVUE_SPAN = 128  /* columns; random bits for 16 rows of these */
};

/* A 32-bit word, in 64 bits where vectors of 64-bit products are to be had: no
 * half of a product has to move then. Upper halves are ignored. */
#if defined(__clang__) || defined(__AVX512DQ__)
typedef uint64_t sste_priv_mvue_lane;
#else
typedef uint32_t sste_priv_mvue_lane;
#endif

typedef struct sste_priv_mvue_lanes {
  sste_priv_mvue_lane x0, x1, x2, x3;
} sste_priv_mvue_lanes;

/* Round n of sste_philox_draw. */
SSTE_PRIV_INLINE sste_priv_mvue_lanes sste_priv_mvue_round(
    sste_priv_mvue_lanes c, uint32_t key0, uint32_t key1, uint32_t n) {
  const uint64_t product0 = (uint64_t)0xD2511F53u * (uint32_t)c.x0;
  const uint64_t product1 = (uint64_t)0xCD9E8D57u * (uint32_t)c.x2;
  sste_priv_mvue_lanes d;
  d.x0 =
      (sste_priv_mvue_lane)(product1 >> 32) ^ c.x1 ^ (key0 + n * 0x9E3779B9u);
  d.x1 = (sste_priv_mvue_lane)product1;
  d.x2 =
      (sste_priv_mvue_lane)(product0 >> 32) ^ c.x3 ^ (key1 + n * 0xBB67AE85u);
  d.x3 = (sste_priv_mvue_lane)product0;
  return d;
}

/* A hint that what p points to will be read soon. */
#if defined(__GNUC__)
#define SSTE_PRIV_MVUE_SOON(p) __builtin_prefetch(p)
#else
#define SSTE_PRIV_MVUE_SOON(p) ((void)(p))
#endif

/* Scratch for a tile. */
typedef struct sste_priv_mvue_tile {
  float x[4][SSTE_PRIV_MVUE_TILE]; /* groups that would be written over, or that
                                      do not fill vectors */
  float y[4][SSTE_PRIV_MVUE_TILE]; /* the sample of the latter */
  int32_t again[SSTE_PRIV_MVUE_TILE]; /* negative: not decided by the loop */
  uint32_t word[4][SSTE_PRIV_MVUE_TILE];
  uint32_t in_order[SSTE_PRIV_MVUE_TILE + 8]; /* word[0][0], word[1][0], ... */
} SSTE_PRIV_ALIGNED sste_priv_mvue_tile;

/* n rounded up to whole vectors: what is left over runs one at a time. */
static inline ptrdiff_t sste_priv_mvue_whole(ptrdiff_t n) {
  return (n + 15) / 16 * 16;
}

/* Rounds n and n + 1 of two. */
typedef struct sste_priv_mvue_twin {
  sste_priv_mvue_lanes c, d;
} sste_priv_mvue_twin;

SSTE_PRIV_INLINE sste_priv_mvue_twin sste_priv_mvue_rounds(
    sste_priv_mvue_twin x, uint32_t key0, uint32_t key1, uint32_t n) {
  x.c = sste_priv_mvue_round(x.c, key0, key1, n);
  x.d = sste_priv_mvue_round(x.d, key0, key1, n);
  x.c = sste_priv_mvue_round(x.c, key0, key1, n + 1);
  x.d = sste_priv_mvue_round(x.d, key0, key1, n + 1);
  return x;
}

/* word[k][j] = word k of Philox at (quad + quads j, run + runs j, step, tensor)
 * for j < n, and a few more. Two at a time, as one alone would wait for its
 * products most of the time. */
static inline void sste_priv_mvue_tile_words(sste_priv_mvue_tile *t,
                                             const sste_mvue_stream *stream,
                                             uint32_t quad, uint32_t quads,
                                             uint32_t run, uint32_t runs,
                                             ptrdiff_t n) {
  const uint32_t key0 = (uint32_t)stream->seed;
  const uint32_t key1 = (uint32_t)(stream->seed >> 32);
  const uint32_t step = stream->step, tensor = stream->tensor;
  const ptrdiff_t pairs = (n + 1) / 2; /* whole vectors, or hardly more */
  const ptrdiff_t half = pairs % 16 > 2 ? sste_priv_mvue_whole(pairs) : pairs;
  ptrdiff_t j;
  SSTE_OMP(simd)
  for (j = 0; j < half; ++j) {
    sste_priv_mvue_twin x;
    x.c.x0 = quad + quads * (uint32_t)j;
    x.c.x1 = run + runs * (uint32_t)j;
    x.c.x2 = x.d.x2 = step;
    x.c.x3 = x.d.x3 = tensor;
    x.d.x0 = quad + quads * (uint32_t)(j + half);
    x.d.x1 = run + runs * (uint32_t)(j + half);
    x = sste_priv_mvue_rounds(x, key0, key1, 0);
    x = sste_priv_mvue_rounds(x, key0, key1, 2);
    x = sste_priv_mvue_rounds(x, key0, key1, 4);
    x = sste_priv_mvue_rounds(x, key0, key1, 6);
    x = sste_priv_mvue_rounds(x, key0, key1, 8);
    t->word[0][j] = (uint32_t)x.c.x0;
    t->word[1][j] = (uint32_t)x.c.x1;
    t->word[2][j] = (uint32_t)x.c.x2;
    t->word[3][j] = (uint32_t)x.c.x3;
    t->word[0][half + j] = (uint32_t)x.d.x0;
    t->word[1][half + j] = (uint32_t)x.d.x1;
    t->word[2][half + j] = (uint32_t)x.d.x2;
    t->word[3][half + j] = (uint32_t)x.d.x3;
  }
}

/* The words of n calls, one call after another. */
static inline void sste_priv_mvue_tile_in_order(sste_priv_mvue_tile *t,
                                                ptrdiff_t n) {
  ptrdiff_t j;
  SSTE_OMP(simd)
  for (j = 0; j < n; ++j) {
    t->in_order[4 * j] = t->word[0][j];
    t->in_order[4 * j + 1] = t->word[1][j];
    t->in_order[4 * j + 2] = t->word[2][j];
    t->in_order[4 * j + 3] = t->word[3][j];
  }
}

/* Magnitudes are handled as integers, which sort like them. Truth is a sign bit
 * until `mask` spreads it, and differences wrap: only where there is a NaN. */
static inline int32_t sste_priv_mvue_bits(float x) {
  return (int32_t)sste_priv_bits(x);
}
static inline float sste_priv_mvue_float(int32_t x) {
  return sste_priv_float((uint32_t)x);
}
static inline int32_t sste_priv_mvue_abs(float x) {
  return sste_priv_mvue_bits(x) & 0x7FFFFFFF;
}
static inline int32_t sste_priv_mvue_less(int32_t x, int32_t y) {
  return (int32_t)((uint32_t)x - (uint32_t)y);
}
static inline int32_t sste_priv_mvue_mask(int32_t truth) {
  return (int32_t)(0u - ((uint32_t)truth >> 31));
}
static inline int32_t sste_priv_mvue_min(int32_t x, int32_t y) {
  return x < y ? x : y;
}
static inline int32_t sste_priv_mvue_max(int32_t x, int32_t y) {
  return x > y ? x : y;
}
static inline float sste_priv_mvue_either(int32_t mask, int32_t x, int32_t y) {
  return sste_priv_mvue_float((x & mask) | (y & ~mask));
}
/* sign(a) * magnitude under a mask, else +0 */
static inline float sste_priv_mvue_value(int32_t mask, float a,
                                         int32_t magnitude) {
  const int32_t sign = sste_priv_mvue_bits(a) & ~0x7FFFFFFF;
  return sste_priv_mvue_float(mask & (sign | magnitude));
}
/* The float that has the upper 23 bits of a word as its fraction: 1 + u. */
static inline float sste_priv_mvue_one_plus(uint32_t word) {
  return sste_priv_float(0x3F800000u | word >> 9);
}

/* What becomes of a group, and whether (negative) this is not decided here. */
typedef struct sste_priv_mvue_sample {
  float y0, y1, y2, y3;
  int32_t again;
} sste_priv_mvue_sample;

/* sste_mvue24_group_draw without a branch. Where a cell ends it has been passed
 * by p, by q, by both or by none; d, one and not the other, changes at the two
 * cells that they fall into, and at no other, nor at a zero's, which has no
 * width. There are no cases: with two non-zeros tau is the smaller one and each
 * fills one cell of the line; for a lone one tau, 0, is replaced by half of it,
 * so that p falls into its cell and q beyond, as if there were another; and
 * max(|a|, tau) is |a| for all of these. S - max is the lesser of two sums, of
 * which each leaves out the largest of a pair: it is the one without the larger
 * of these, or else both are S/2 or more.
 *
 * What is left to be drawn again: magnitudes that might need the smaller unit,
 * infinities and NaNs; and where rounding put the second point beyond the last
 * cell, or left an element that reaches tau to no point or to both: once in
 * millions of groups, unless tau has only a few bits, as it has among the
 * smallest subnormals. A cell that is narrower than tau never takes both: it is
 * so by a unit in the last place of tau, p is too large by half of one at most,
 * and so the cell's end is at most q.
 */
SSTE_PRIV_INLINE sste_priv_mvue_sample
sste_priv_mvue24_sample(float x0, float x1, float x2, float x3, uint32_t word) {
  const int32_t b0 = sste_priv_mvue_abs(x0), b1 = sste_priv_mvue_abs(x1);
  const int32_t b2 = sste_priv_mvue_abs(x2), b3 = sste_priv_mvue_abs(x3);
  const float pair01 = sste_priv_mvue_float(b0) + sste_priv_mvue_float(b1);
  const float pair23 = sste_priv_mvue_float(b2) + sste_priv_mvue_float(b3);
  const float less01 =
      pair23 + sste_priv_mvue_float(sste_priv_mvue_min(b0, b1));
  const float less23 =
      pair01 + sste_priv_mvue_float(sste_priv_mvue_min(b2, b3));
  const float sum = pair01 + pair23;
  const int32_t half = sste_priv_mvue_bits(0.5f * sum);
  const int32_t rest = sste_priv_mvue_min(sste_priv_mvue_bits(less01),
                                          sste_priv_mvue_bits(less23));
  const int32_t several = sste_priv_mvue_less(0, rest);
  const int32_t tau =
      sste_priv_mvue_min(half, rest | (half & ~sste_priv_mvue_mask(several)));
  /* where the cells end; whether point p, point q falls short of that */
  const float end0 = sste_priv_mvue_float(sste_priv_mvue_min(b0, tau));
  const float end1 = end0 + sste_priv_mvue_float(sste_priv_mvue_min(b1, tau));
  const float end2 = end1 + sste_priv_mvue_float(sste_priv_mvue_min(b2, tau));
  const float end3 = end2 + sste_priv_mvue_float(sste_priv_mvue_min(b3, tau));
  const float one_plus = sste_priv_mvue_one_plus(word);
  const int32_t p =
      sste_priv_mvue_bits((one_plus - 1.0f) * sste_priv_mvue_float(tau));
  const int32_t q = sste_priv_mvue_bits(one_plus * sste_priv_mvue_float(tau));
  const int32_t d0 = sste_priv_mvue_less(p, sste_priv_mvue_bits(end0));
  const int32_t d1 = sste_priv_mvue_less(p, sste_priv_mvue_bits(end1)) ^
                     sste_priv_mvue_less(q, sste_priv_mvue_bits(end1));
  const int32_t d2 = sste_priv_mvue_less(p, sste_priv_mvue_bits(end2)) ^
                     sste_priv_mvue_less(q, sste_priv_mvue_bits(end2));
  const int32_t p3 = sste_priv_mvue_less(p, sste_priv_mvue_bits(end3));
  const int32_t q3 = sste_priv_mvue_less(q, sste_priv_mvue_bits(end3));
  const int32_t kept0 = sste_priv_mvue_mask(d0); /* q >= tau */
  const int32_t kept1 = sste_priv_mvue_mask(d0 ^ d1);
  const int32_t kept2 = sste_priv_mvue_mask(d1 ^ d2);
  const int32_t kept3 = sste_priv_mvue_mask(d2 ^ p3 ^ q3);
  const int32_t lost =
      sste_priv_mvue_max(sste_priv_mvue_max(b0 & ~kept0, b1 & ~kept1),
                         sste_priv_mvue_max(b2 & ~kept2, b3 & ~kept3));
  sste_priv_mvue_sample s;
  s.again = sste_priv_mvue_less(0x7E7FFFFF, sste_priv_mvue_bits(sum)) |
            (several & ~q3) | /* the sum: 2^126 or more */
            (sste_priv_mvue_less(0, sste_priv_mvue_bits(sum)) &
             ~sste_priv_mvue_less(lost, tau));
  s.y0 = sste_priv_mvue_value(kept0, x0, sste_priv_mvue_max(b0, tau));
  s.y1 = sste_priv_mvue_value(kept1, x1, sste_priv_mvue_max(b1, tau));
  s.y2 = sste_priv_mvue_value(kept2, x2, sste_priv_mvue_max(b2, tau));
  s.y3 = sste_priv_mvue_value(kept3, x3, sste_priv_mvue_max(b3, tau));
  return s;
}

/* sste_mvue12_group_draw likewise. A zero is never kept, and its partner always
 * is. y2 and y3 stay unset. */
SSTE_PRIV_INLINE sste_priv_mvue_sample sste_priv_mvue12_sample(float x0,
                                                               float x1,
                                                               uint32_t word) {
  const int32_t b0 = sste_priv_mvue_abs(x0), b1 = sste_priv_mvue_abs(x1);
  const float sum = sste_priv_mvue_float(b0) + sste_priv_mvue_float(b1);
  const float u = sste_priv_mvue_one_plus(word) - 1.0f;
  const int32_t first = sste_priv_mvue_less(sste_priv_mvue_bits(u * sum), b0);
  const int32_t some0 = sste_priv_mvue_less(0, b0);
  const int32_t some1 = sste_priv_mvue_less(0, b1);
  const int32_t kept0 = sste_priv_mvue_mask(some0 & (first | ~some1));
  const int32_t kept1 = sste_priv_mvue_mask(some1 & ~first);
  sste_priv_mvue_sample s;
  s.again = sste_priv_mvue_less(0x7DFFFFFF, sste_priv_mvue_max(b0, b1));
  s.y0 = sste_priv_mvue_value(kept0, x0, sste_priv_mvue_bits(sum));
  s.y1 = sste_priv_mvue_value(kept1, x1, sste_priv_mvue_bits(sum));
  s.y2 = s.y3 = 0.0f;
  return s;
}

/* The sample of n groups, member i of group j at [i][j], or at [m * j + i]: as
 * rows have them, and as columns. Some again[j] is negative if the result is.
 * y and x share nothing. */
static inline int32_t sste_priv_mvue24_tile(sste_priv_mvue_tile *t,
                                            float *const y[4],
                                            const float *const x[4],
                                            const uint32_t *word, ptrdiff_t n) {
  const float *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
  float *y0 = y[0], *y1 = y[1], *y2 = y[2], *y3 = y[3];
  int32_t *again = t->again, any = 0;
  ptrdiff_t j;
  SSTE_OMP(simd reduction(| : any))
  for (j = 0; j < n; ++j) {
    const sste_priv_mvue_sample s =
        sste_priv_mvue24_sample(x0[j], x1[j], x2[j], x3[j], word[j]);
    any |= again[j] = s.again;
    y0[j] = s.y0;
    y1[j] = s.y1;
    y2[j] = s.y2;
    y3[j] = s.y3;
  }
  return any;
}
static inline int32_t sste_priv_mvue24_line(sste_priv_mvue_tile *t, float *y,
                                            const float *x,
                                            const uint32_t *word, ptrdiff_t n) {
  int32_t *again = t->again, any = 0;
  ptrdiff_t j;
  SSTE_OMP(simd reduction(| : any))
  for (j = 0; j < n; ++j) {
    const sste_priv_mvue_sample s = sste_priv_mvue24_sample(
        x[4 * j], x[4 * j + 1], x[4 * j + 2], x[4 * j + 3], word[j]);
    any |= again[j] = s.again;
    y[4 * j] = s.y0;
    y[4 * j + 1] = s.y1;
    y[4 * j + 2] = s.y2;
    y[4 * j + 3] = s.y3;
  }
  return any;
}
static inline int32_t sste_priv_mvue12_tile(sste_priv_mvue_tile *t,
                                            float *const y[4],
                                            const float *const x[4],
                                            const uint32_t *word, ptrdiff_t n) {
  const float *x0 = x[0], *x1 = x[1];
  float *y0 = y[0], *y1 = y[1];
  int32_t *again = t->again, any = 0;
  ptrdiff_t j;
  SSTE_OMP(simd reduction(| : any))
  for (j = 0; j < n; ++j) {
    const sste_priv_mvue_sample s =
        sste_priv_mvue12_sample(x0[j], x1[j], word[j]);
    any |= again[j] = s.again;
    y0[j] = s.y0;
    y1[j] = s.y1;
  }
  return any;
}
static inline int32_t sste_priv_mvue12_line(sste_priv_mvue_tile *t, float *y,
                                            const float *x,
                                            const uint32_t *word, ptrdiff_t n) {
  int32_t *again = t->again, any = 0;
  ptrdiff_t j;
  SSTE_OMP(simd reduction(| : any))
  for (j = 0; j < n; ++j) {
    const sste_priv_mvue_sample s =
        sste_priv_mvue12_sample(x[2 * j], x[2 * j + 1], word[j]);
    any |= again[j] = s.again;
    y[2 * j] = s.y0;
    y[2 * j + 1] = s.y1;
  }
  return any;
}

/* Draws what a loop gave up by the function for one group; the groups of m are
 * `step` apart, their members where x and y say. */
static inline void sste_priv_mvue_redo(const sste_priv_mvue_tile *t,
                                       float *const y[4],
                                       const float *const x[4], ptrdiff_t step,
                                       const uint32_t *word, int m,
                                       ptrdiff_t n) {
  ptrdiff_t j;
  int i;
  for (j = 0; j < n; ++j) {
    float a[4];
    if (t->again[j] >= 0) continue;
    for (i = 0; i < m; ++i) a[i] = x[i][j * step];
    if (m == 4)
      sste_mvue24_group_draw(a, a, word[j]);
    else
      sste_mvue12_group_draw(a, a, word[j]);
    for (i = 0; i < m; ++i) y[i][j * step] = a[i];
  }
}

/* The sample of n groups as rows have them, wholly decided. */
static inline void sste_priv_mvue_tile_draw(sste_priv_mvue_tile *t,
                                            float *const y[4],
                                            const float *const x[4],
                                            const uint32_t *word, int m,
                                            ptrdiff_t n) {
  const int32_t any = m == 4 ? sste_priv_mvue24_tile(t, y, x, word, n)
                             : sste_priv_mvue12_tile(t, y, x, word, n);
  if (any < 0) sste_priv_mvue_redo(t, y, x, 1, word, m, n);
}

/* Asks for the rows of group g of n runs from r on. They are short pieces, so
 * that a processor does not foresee them; and it would read nothing while it
 * computes random bits. */
static inline void sste_priv_mvue_soon(const sste_priv_mvue_view *v, size_t g,
                                       size_t r, ptrdiff_t n) {
  size_t i;
  ptrdiff_t j;
  if (g >= v->at.groups) return;
  for (i = 0; i < (size_t)v->m; ++i)
    for (j = 0; j < n; j += 16)
      SSTE_PRIV_MVUE_SOON(v->a + r + g * v->at.step + i * v->at.stride + j);
}

/* Down columns: n runs from r on, of Philox call `call`. The members of these
 * groups are rows, which are read and written where they lie, but copied if
 * that is one place. */
static inline void sste_priv_mvue_tile_down(sste_priv_mvue_tile *t,
                                            const sste_priv_mvue_view *v,
                                            const sste_mvue_stream *stream,
                                            size_t call, size_t r,
                                            ptrdiff_t n) {
  size_t k, i;
  sste_priv_mvue_soon(v, 4 * call - stream->group, r, n);
  sste_priv_mvue_tile_words(t, stream, (uint32_t)call, 0,
                            (uint32_t)(stream->run + r), 1, n);
  for (k = 0; k < 4; ++k) {
    const size_t g = 4 * call + k - stream->group;
    const float *x[4] = {NULL, NULL, NULL, NULL};
    float *y[4] = {NULL, NULL, NULL, NULL};
    if (g >= v->at.groups) continue; /* as is a g below 0, which wraps round */
    for (i = 0; i < (size_t)v->m; ++i) {
      x[i] = v->a + r + g * v->at.step + i * v->at.stride;
      y[i] = v->out + r + g * v->out_at.step + i * v->out_at.stride;
      if (v->out != v->a) continue;
      memcpy(t->x[i], x[i], (size_t)n * sizeof *x[i]);
      x[i] = t->x[i];
    }
    if (k < 3) sste_priv_mvue_soon(v, g + 1, r, n);
    sste_priv_mvue_tile_draw(t, y, x, t->word[k], v->m, n);
  }
}

/* Along rows: n groups of run r from g on, and zeros up to whole vectors. */
static inline void sste_priv_mvue_tile_along(sste_priv_mvue_tile *t,
                                             const sste_priv_mvue_view *v,
                                             const sste_mvue_stream *stream,
                                             size_t r, size_t g, ptrdiff_t n) {
  const size_t first = stream->group + g;
  const ptrdiff_t m = v->m, wide = sste_priv_mvue_whole(n);
  const ptrdiff_t quads = ((ptrdiff_t)(first & 3) + wide + 3) / 4;
  const uint32_t *word = t->in_order + (first & 3);
  const float *x = v->a + r * v->at.pitch + g * v->at.step;
  float *out = v->out + r * v->out_at.pitch + g * v->out_at.step;
  float *y = n < wide ? (float *)t->y : out, *copy = (float *)t->x;
  const size_t bytes = (size_t)(n * m) * sizeof *x;
  int32_t any;
  sste_priv_mvue_tile_words(t, stream, (uint32_t)(first >> 2), 1,
                            (uint32_t)(stream->run + r), 0, quads);
  sste_priv_mvue_tile_in_order(t, quads);
  if (n < wide || x == out) {
    memcpy(copy, x, bytes);
    memset(copy + n * m, 0, (size_t)((wide - n) * m) * sizeof *copy);
    x = copy;
  }
  any = m == 4 ? sste_priv_mvue24_line(t, y, x, word, wide)
               : sste_priv_mvue12_line(t, y, x, word, wide);
  if (any < 0) {
    const float *const xs[4] = {x, x + 1, x + (m - 2), x + (m - 1)};
    float *const ys[4] = {y, y + 1, y + (m - 2), y + (m - 1)};
    sste_priv_mvue_redo(t, ys, xs, m, word, v->m, n);
  }
  if (y != out) memcpy(out, y, bytes);
}

/* All tiles of a matrix, whose runs need `calls` Philox calls from first on. */
static inline void sste_priv_mvue_tiles(const sste_priv_mvue_view *v,
                                        const sste_mvue_stream *stream,
                                        int down, size_t first, size_t calls) {
  const size_t tile =
      down ? (size_t)SSTE_PRIV_MVUE_SPAN : (size_t)SSTE_PRIV_MVUE_TILE;
  const size_t length = down ? v->at.runs : v->at.groups;
  const size_t across = (length - 1) / tile + 1;
  const size_t lines = down ? calls : v->at.runs;
  ptrdiff_t k;
  SSTE_OMP(parallel for schedule(static))
  for (k = 0; k < (ptrdiff_t)(lines * across); ++k) {
    const size_t line = (size_t)k / across, at = (size_t)k % across * tile;
    const ptrdiff_t n = (ptrdiff_t)(length - at < tile ? length - at : tile);
    sste_priv_mvue_tile t;
    if (down)
      sste_priv_mvue_tile_down(&t, v, stream, first + line, at, n);
    else
      sste_priv_mvue_tile_along(&t, v, stream, line, at, n);
  }
}

/* Whether a counter's 32 bits do not hold first .. last, or last wrapped. */
static inline int sste_priv_mvue_is_past(uint64_t first, uint64_t last) {
  return last < first || last > 0xFFFFFFFFu;
}

static inline sste_status sste_priv_mvue_tensor(float *out, size_t ldo,
                                                const float *a, size_t lda,
                                                size_t rows, size_t cols,
                                                sste_axis axis,
                                                const sste_mvue_stream *stream,
                                                int n, int m, int words) {
  const int down = axis == SSTE_DOWN_COLUMNS;
  const size_t shared = words == 2 ? 2 : 4;
  sste_priv_mvue_view v;
  size_t first, last, calls, last_run;
  ptrdiff_t k;
  sste_status s =
      sste_priv_unary(out, ldo, sizeof *out, a, lda, sizeof *a, rows, cols);
  if ((!down && axis != SSTE_ALONG_ROWS) || !sste_priv_is_nm(n, m))
    return SSTE_ERR_VALUE;
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (stream == NULL) return SSTE_ERR_NULL;
  if ((down ? rows : cols) % (size_t)m != 0) return SSTE_ERR_SHAPE;

  v.out = out;
  v.a = a;
  v.n = n;
  v.m = m;
  v.words = words;
  v.at = sste_priv_runs_of(rows, cols, lda, axis, (size_t)m);
  v.out_at = sste_priv_runs_of(rows, cols, ldo, axis, (size_t)m);

  last_run = stream->run + (v.at.runs - 1);
  first = stream->group / shared;
  last = (stream->group + (v.at.groups - 1)) / shared;
  if (sste_priv_mvue_is_past(stream->run, last_run) ||
      sste_priv_mvue_is_past(first, last))
    return SSTE_ERR_SIZE;
  calls = last - first + 1;

  if (words == 1 && (m == 2 || (n == 2 && m == 4))) {
    sste_priv_mvue_tiles(&v, stream, down, first, calls);
  } else if (down) {
    SSTE_OMP(parallel for schedule(static))
    for (k = 0; k < (ptrdiff_t)calls; ++k) {
      size_t r;
      for (r = 0; r < v.at.runs; ++r)
        sste_priv_mvue_call(&v, stream, r, first + (size_t)k);
    }
  } else {
    SSTE_OMP(parallel for schedule(static))
    for (k = 0; k < (ptrdiff_t)v.at.runs; ++k) {
      size_t q;
      for (q = 0; q < calls; ++q)
        sste_priv_mvue_call(&v, stream, (size_t)k, first + q);
    }
  }
  return SSTE_OK;
}

/* sste_mvue24_tensor_draw - an unbiased 2:4 sample of a matrix, as S-STE takes
 * of the output gradient dZ (T tokens x N, axis SSTE_DOWN_COLUMNS: its groups
 * are four consecutive tokens, the contraction index of dW = dZ^T X).
 *   out       receives rows x cols floats, rows ldo apart; may be a itself,
 *             with ldo = lda
 *   a         rows x cols floats, rows lda apart
 *   axis      along rows (cols a multiple of 4) or down columns (rows is)
 *   stream    seed, tensor, step, and where in the whole tensor a begins
 *   specials  per group, as sste_mvue24_group_draw
 *   e.g.      the group g of run r is sste_mvue24_group_draw of its four
 *             elements and sste_mvue_word(stream, r, g)
 *   BITWISE, the same for any slicing and thread count; E[out] = a is
 *   STATISTICAL. Overwrites out.
 *   Errors: NULL, SHAPE, SIZE (also: a run past 2^32 or a group past 2^34),
 *   OVERLAP, VALUE (axis).                                                  */
SSTE_API sste_status sste_mvue24_tensor_draw(float *out, size_t ldo,
                                             const float *a, size_t lda,
                                             size_t rows, size_t cols,
                                             sste_axis axis,
                                             const sste_mvue_stream *stream) {
  return sste_priv_mvue_tensor(out, ldo, a, lda, rows, cols, axis, stream, 2, 4,
                               1);
}

/* sste_mvue12_tensor_draw - an unbiased 1:2 sample of a matrix.
 *   All as sste_mvue24_tensor_draw, with groups of two (g counts those).
 *   BITWISE; E[out] = a is STATISTICAL. Overwrites out. Errors as there.    */
SSTE_API sste_status sste_mvue12_tensor_draw(float *out, size_t ldo,
                                             const float *a, size_t lda,
                                             size_t rows, size_t cols,
                                             sste_axis axis,
                                             const sste_mvue_stream *stream) {
  return sste_priv_mvue_tensor(out, ldo, a, lda, rows, cols, axis, stream, 1, 2,
                               1);
}

/* sste_mvue_tensor_draw - an unbiased n:m sample of a matrix.
 *   All as sste_mvue24_tensor_draw, with groups of m (g counts those) and
 *   0 < n < m <= 32; for 2:4 and 1:2 the same bits as those functions.
 *   e.g.      the group g of run r is sste_mvue_group_draw of its m elements
 *             and sste_mvue_word(stream, r, g)
 *   BITWISE; E[out] = a is STATISTICAL. Overwrites out. Errors as there, and
 *   VALUE for n or m.                                                       */
SSTE_API sste_status sste_mvue_tensor_draw(float *out, size_t ldo,
                                           const float *a, size_t lda,
                                           size_t rows, size_t cols, int n,
                                           int m, sste_axis axis,
                                           const sste_mvue_stream *stream) {
  return sste_priv_mvue_tensor(out, ldo, a, lda, rows, cols, axis, stream, n, m,
                               1);
}

/* sste_mvue24_tensor_draw_approx - the paper's two-draw sample of a matrix.
 *   All as sste_mvue24_tensor_draw, but group g takes words 2 (g & 1) and
 *   2 (g & 1) + 1 of Philox at counter (g >> 1, run, step, tensor).
 *   BITWISE; E[out] = a is STATISTICAL. Overwrites out. Errors as there (SIZE:
 *   a group past 2^33).                                                     */
SSTE_API sste_status sste_mvue24_tensor_draw_approx(
    float *out, size_t ldo, const float *a, size_t lda, size_t rows,
    size_t cols, sste_axis axis, const sste_mvue_stream *stream) {
  return sste_priv_mvue_tensor(out, ldo, a, lda, rows, cols, axis, stream, 2, 4,
                               2);
}

#ifdef __cplusplus
}
#endif

#endif /* SSTE_MVUE_H */
