/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * sste_fp8.h - 8-bit floats to the bit: formats, rounding, scaling.
 *
 * An 8-bit float spends one bit on the sign, E on the exponent and M on the
 * mantissa, E + M = 7. Training in FP8 stores a tensor as codes and one scale:
 * the scale moves the tensor's largest magnitude (its amax) onto the format's
 * largest value, each scaled value is rounded to the nearest code, and a
 * product of two such tensors is divided by both scales afterwards.
 *
 *     scale = max(F) / amax        code = encode(x * scale)
 *                                  x'   = decode(code) / scale
 *
 * By hand, for {2, -1, 0.3} in E4M3FN, whose largest value is 448: amax = 2,
 * scale = 224, scaled {448, -224, 67.2}. Near 67.2 the format holds 64 and 72,
 * so the codes are {0x7E, 0xF6, 0x68} and x' = {2, -1, 64/224 = 0.2857...}.
 *
 *   1. Formats as data      E4M3FN, E5M2 and the two readings of E3M4
 *   2. One code to its value
 *   3. One value to its code: nearest, ties to even, saturating
 *   4. The scale of a tensor
 *   5. Tensors              encode, decode, round (fake-quant)
 *
 * Numerics. Every function here is BITWISE: the same bits on every compiler,
 * optimisation level, thread count, CPU and GPU. Encode, decode and round work
 * on integers alone. The scale and the tensor functions add a float product or
 * quotient, for which they assume round to nearest and gradual underflow
 * (sste_self_check in sste_train.h looks for both).
 *
 * Stands alone: copy this one file. Matrices are row-major with a leading
 * dimension (ld, the distance between rows in elements). Nothing is allocated,
 * printed or kept.                                                          */
#ifndef SSTE_FP8_H
#define SSTE_FP8_H

/* ---- Prelude: the same text in sste.h, sste_fp8.h and sste_mvue.h ------- */
/* Macros, status codes, bit casts, argument checks; skip on first reading.  */
#ifndef SSTE_PRELUDE
#define SSTE_PRELUDE

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SSTE_VERSION_MAJOR 0
#define SSTE_VERSION_MINOR 1
#define SSTE_VERSION_PATCH 0
#define SSTE_VERSION "0.1.0"

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
#if defined(__FAST_MATH__)
#error "sste: -ffast-math breaks the numerics contract (SSTE_ALLOW_FAST_MATH)"
#elif defined(__FINITE_MATH_ONLY__)
#if __FINITE_MATH_ONLY__ > 0
#error "sste: -ffinite-math-only breaks the NaN rules (SSTE_ALLOW_FAST_MATH)"
#endif
#endif
#endif
/* 16 keeps float and double as they are, it widens only half precision. */
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

/* ---- 1. Formats as data -------------------------------------------------- */

/* Which codes are special. Both families have +0 and -0.
 *   SSTE_FP8_IEEE  the top exponent holds infinity (mantissa 0) and NaNs
 *   SSTE_FP8_FN    finite: one NaN per sign, all ones, and no infinity */
enum { SSTE_FP8_IEEE = 0, SSTE_FP8_FN = 1 };

/* A format: 1 + exponent_bits + mantissa_bits = 8, and one of the families. */
typedef struct sste_fp8_format {
  int exponent_bits; /* E */
  int mantissa_bits; /* M */
  int bias;          /* B */
  int specials;      /* SSTE_FP8_IEEE or SSTE_FP8_FN */
} sste_fp8_format;

SSTE_HD static inline sste_fp8_format sste_priv_fp8_format(int e, int m,
                                                           int bias,
                                                           int specials) {
  sste_fp8_format f;
  f.exponent_bits = e;
  f.mantissa_bits = m;
  f.bias = bias;
  f.specials = specials;
  return f;
}

/* sste_fp8_e4m3fn - OCP E4M3. Largest 448 (0x7E), smallest 2^-9 (0x01), NaN
 * 0x7F, no infinity. The S-STE code's format of the forward product.        */
SSTE_API SSTE_HD sste_fp8_format sste_fp8_e4m3fn(void) {
  return sste_priv_fp8_format(4, 3, 7, SSTE_FP8_FN);
}

/* sste_fp8_e5m2 - OCP E5M2. Largest 57344 (0x7B), smallest 2^-16 (0x01),
 * infinity 0x7C, NaNs 0x7D..0x7F. The format of both backward products.     */
SSTE_API SSTE_HD sste_fp8_format sste_fp8_e5m2(void) {
  return sste_priv_fp8_format(5, 2, 15, SSTE_FP8_IEEE);
}

/* sste_fp8_e3m4 - E3M4 read as IEEE reads it (ml_dtypes, LLVM). Largest 15.5
 * (0x6F), smallest 2^-6 (0x01), infinity 0x70, NaNs 0x71..0x7F.             */
SSTE_API SSTE_HD sste_fp8_format sste_fp8_e3m4(void) {
  return sste_priv_fp8_format(3, 4, 3, SSTE_FP8_IEEE);
}

/* sste_fp8_e3m4fn - E3M4 read as OCP reads E4M3 (Intel's emulation toolkit).
 * Largest 30 (0x7E), smallest 2^-6 (0x01), NaN 0x7F, no infinity.           */
SSTE_API SSTE_HD sste_fp8_format sste_fp8_e3m4fn(void) {
  return sste_priv_fp8_format(3, 4, 3, SSTE_FP8_FN);
}

/* The magnitude code of infinity, or the one above every code where there is
 * none; and of the largest finite number. Magnitude codes sort like values. */
SSTE_HD static inline int sste_priv_fp8_inf(sste_fp8_format f) {
  const int top = (1 << f.exponent_bits) - 1;
  return f.specials == SSTE_FP8_IEEE ? top << f.mantissa_bits : 0x80;
}
SSTE_HD static inline int sste_priv_fp8_max_code(sste_fp8_format f) {
  return f.specials == SSTE_FP8_IEEE ? sste_priv_fp8_inf(f) - 1 : 0x7E;
}

/* ---- 2. One code to its value -------------------------------------------- */

/* sste_fp8_decode - the value of a code:
 *     (-1)^S * 2^(max(e,1) - B) * (h + m / 2^M),   h = 1 if e > 0, else 0
 *   f         one of the formats above
 *   code      any of the 256:  S | e: E bits | m: M bits
 *   specials  0x80 is -0; a NaN of either sign is 0x7FC00000
 *   e.g.      E4M3FN 0x39 = 0.0111.001 -> 2^0 * (1 + 1/8) = 1.125
 *   BITWISE, exact: every value is a normal float, an infinity or a zero. By
 *   integers only, so flush-to-zero and the rounding mode do not matter.
 *   Source: OCP 8-bit Floating Point Specification 1.0.                     */
SSTE_API SSTE_HD float sste_fp8_decode(sste_fp8_format f, uint8_t code) {
  const int M = f.mantissa_bits;
  const int magnitude = code & 0x7F;
  const uint32_t sign = (uint32_t)(code & 0x80) << 24;
  int e = magnitude >> M;
  int m = magnitude & ((1 << M) - 1);

  if (magnitude > sste_priv_fp8_max_code(f)) {
    const int is_inf = magnitude == sste_priv_fp8_inf(f);
    return sste_priv_float(is_inf ? sign | SSTE_PRIV_INF : SSTE_PRIV_NAN);
  }
  if (magnitude == 0) return sste_priv_float(sign);
  if (e == 0) { /* subnormal: shift until the leading 1 is the hidden bit */
    for (e = 1; m < 1 << M; --e) m <<= 1;
    m -= 1 << M;
  }
  return sste_priv_float(sign | (uint32_t)(e - f.bias + 127) << 23 |
                         (uint32_t)m << (23 - M));
}

/* sste_fp8_max - the largest finite value of a format: 448, 57344, 15.5, 30.
 *   BITWISE, exact.                                                         */
SSTE_API SSTE_HD float sste_fp8_max(sste_fp8_format f) {
  return sste_fp8_decode(f, (uint8_t)sste_priv_fp8_max_code(f));
}

/* ---- 3. One value to its code -------------------------------------------- */

/* sste_fp8_encode - the code nearest to x, ties to the even code, saturating.
 *
 *     float x   S | eeeeeeee | mmmmmmmmmmmmmmmmmmmmmmm       e - 127 = exponent
 *                              \ M kept /\- shift away -/
 *
 *   With the hidden bit put back, x is a 24-bit integer times a power of two.
 *   Shifted right until its unit is the format's spacing at x, it counts those
 *   units, hidden bit included; rounding may carry it one further. Adding the
 *   exponent field above the M bits gives the code, and the carry moves into
 *   the next exponent by itself. Below the smallest normal the spacing stops
 *   shrinking and the field is 0: the same formula gives the subnormals.
 *
 *   f         one of the formats above
 *   x         any float
 *   ties      to the even code (464, midway to the 480 that E4M3FN lacks, is
 *             448 either way: it saturates)
 *   specials  beyond the largest finite value, infinity included: that value
 *             with the sign of x (as CUDA's SATFINITE); NaN: 0x7F; -0: 0x80;
 *             a negative number that rounds to zero: 0x80
 *   e.g.      E4M3FN 1.1875 lies midway between 1.125 (0x39) and 1.25 (0x3A):
 *             0x3A
 *   ROUNDED-ONCE and BITWISE, by integers only, so flush-to-zero and the
 *   rounding mode do not matter. Relative error at most 2^-(M+1) from the
 *   smallest normal number to the largest, absolute error at most 2^(-B-M)
 *   below. Never fails.
 *   Source: OCP 8-bit Floating Point Specification 1.0.                     */
SSTE_API SSTE_HD uint8_t sste_fp8_encode(sste_fp8_format f, float x) {
  const int M = f.mantissa_bits, max_code = sste_priv_fp8_max_code(f);
  const uint32_t magnitude = sste_priv_magnitude(x);
  const uint32_t significand = (magnitude & 0x7FFFFFu) | 0x800000u;
  const int smallest = 1 - f.bias; /* exponent of the smallest normal */
  const int exponent = (int)(magnitude >> 23) - 127;
  const int e = exponent > smallest ? exponent : smallest;
  const int needed = 23 - M + (e - exponent);
  /* 24 bits shifted by 25 are below half a unit, so more would give 0 as well;
   * a float subnormal, whose hidden bit is not really there, ends here too. */
  const int shift = needed < 25 ? needed : 25;
  /* Just under half a unit is added before the shift cuts off the rest, and one
   * more if the units would be odd: ties go to even. */
  const uint32_t odd = significand >> shift & 1u;
  const uint32_t half = (uint32_t)1 << (shift - 1);
  const uint32_t units = (significand + (half - 1u) + odd) >> shift;
  const int rounded = ((e - smallest) << M) + (int)units;
  const int code = rounded < max_code ? rounded : max_code;
  const int sign = (int)(sste_priv_bits(x) >> 31) << 7;
  return (uint8_t)(magnitude == SSTE_PRIV_NAN ? 0x7F : sign | code);
}

/* sste_fp8_round - x rounded to the format: decode(encode(x)), by definition.
 *   Everything said of the two holds.
 *   e.g.      E4M3FN 1.2 -> 1.25; 1000 -> 448; 0.0009 -> 0
 *   ROUNDED-ONCE and BITWISE.                                               */
SSTE_API SSTE_HD float sste_fp8_round(sste_fp8_format f, float x) {
  return sste_fp8_decode(f, sste_fp8_encode(f, x));
}

/* ---- 4. The scale of a tensor -------------------------------------------- */

/* sste_fp8_scale - the factor that puts a tensor's largest magnitude on the
 * format's largest value:  scale = fl(max(F) / amax),  current scaling.
 *   f         one of the formats above
 *   amax      the largest magnitude of the tensor; its sign is ignored
 *   specials  amax of 0, infinity or NaN gives 1; a quotient beyond FLT_MAX
 *             gives FLT_MAX. Always finite and positive for a format that
 *             the tensor functions accept.
 *   e.g.      E4M3FN, amax 2 -> 224
 *   BITWISE (one float division).
 *   Source: S-STE's FP8 simulation (448 / amax); the guards are those of
 *   Transformer Engine's current scaling, which the S-STE code lacks.       */
SSTE_API SSTE_HD float sste_fp8_scale(sste_fp8_format f, float amax) {
  const uint32_t magnitude = sste_priv_magnitude(amax);
  float scale;
  if (magnitude == 0 || magnitude >= SSTE_PRIV_INF) return 1.0f;
  scale = sste_fp8_max(f) / sste_priv_float(magnitude);
  return sste_priv_magnitude(scale) == SSTE_PRIV_INF ? FLT_MAX : scale;
}

/* sste_fp8_tensor_amax - the largest magnitude of a matrix.
 *   amax      receives max |x|; 0 for an empty matrix
 *   x         rows x cols floats, rows ldx apart
 *   specials  a NaN anywhere gives 0x7FC00000
 *   e.g.      {1, -3, 2} -> 3
 *   BITWISE. Overwrites. Errors: NULL, SHAPE, SIZE.                         */
SSTE_API sste_status sste_fp8_tensor_amax(float *amax, const float *x,
                                          size_t ldx, size_t rows,
                                          size_t cols) {
  uint32_t top = 0;
  ptrdiff_t r;
  const sste_status s = sste_priv_matrix(x, rows, cols, ldx, sizeof *x);
  if (s != SSTE_OK) return s;
  if (amax == NULL) return SSTE_ERR_NULL;
  if (cols == 0) rows = 0;
  SSTE_OMP(parallel for schedule(static) reduction(max : top))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    const float *row = x + (size_t)r * ldx;
    size_t c;
    for (c = 0; c < cols; ++c) {
      const uint32_t m = sste_priv_magnitude(row[c]);
      top = m > top ? m : top;
    }
  }
  *amax = sste_priv_float(top);
  return SSTE_OK;
}

/* ---- 5. Tensors ---------------------------------------------------------- */

/* A format whose values are normal floats, the largest 4 or more, so that
 * sste_fp8_scale cannot underflow; and a scale that is finite and positive, as
 * any other would turn zeros to NaN or flip signs. */
static inline sste_status sste_priv_fp8_check(sste_fp8_format f, float scale) {
  const uint32_t bits = sste_priv_bits(scale);
  const int E = f.exponent_bits;
  if (E < 2 || E > 6 || f.mantissa_bits != 7 - E) return SSTE_ERR_VALUE;
  if (f.specials != SSTE_FP8_IEEE && f.specials != SSTE_FP8_FN)
    return SSTE_ERR_VALUE;
  if (f.bias < (1 << E) - 127 || f.bias > (1 << E) - 4) return SSTE_ERR_VALUE;
  return bits == 0 || bits >= SSTE_PRIV_INF ? SSTE_ERR_VALUE : SSTE_OK;
}

/* What each of the 256 codes stands for under a scale. */
static inline void sste_priv_fp8_values(float value[256], sste_fp8_format f,
                                        float scale) {
  int c;
  for (c = 0; c < 256; ++c)
    value[c] = sste_priv_canonical(sste_fp8_decode(f, (uint8_t)c) / scale);
}

/* sste_fp8_tensor_encode - quantise a matrix: code = encode(fl(x * scale)).
 *   code      receives rows x cols codes, rows ldc apart
 *   x         rows x cols floats, rows ldx apart; may not overlap code
 *   scale     finite and positive, usually sste_fp8_scale; 1 for none
 *   f         one of the formats above, or another with E + M = 7
 *   specials  as sste_fp8_encode
 *   e.g.      E4M3FN, scale 224: {2, -1, 0.001} -> {0x7E, 0xF6, 0x26}
 *   BITWISE: one float product, then one rounding. Overwrites code.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (scale or format).
 *   Source: S-STE's FP8 simulation, x * (448 / amax), then a cast.          */
SSTE_API sste_status sste_fp8_tensor_encode(uint8_t *code, size_t ldc,
                                            const float *x, size_t ldx,
                                            size_t rows, size_t cols,
                                            float scale, sste_fp8_format f) {
  ptrdiff_t r;
  sste_status s =
      sste_priv_unary(code, ldc, sizeof *code, x, ldx, sizeof *x, rows, cols);
  if (s == SSTE_OK) s = sste_priv_fp8_check(f, scale);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    const float *from = x + (size_t)r * ldx;
    uint8_t *to = code + (size_t)r * ldc;
    ptrdiff_t c;
    SSTE_OMP(simd)
    for (c = 0; c < (ptrdiff_t)cols; ++c)
      to[c] = sste_fp8_encode(f, from[c] * scale);
  }
  return SSTE_OK;
}

/* sste_fp8_tensor_decode - a matrix of codes to floats: fl(decode(c) / scale).
 *   x         receives rows x cols floats, rows ldx apart
 *   code      rows x cols codes, rows ldc apart; may not overlap x
 *   scale     the scale that the codes were made with; 1 leaves the decoded
 *             values as they are, as an FP8 product takes them
 *   f         the format that the codes were made with
 *   specials  NaN codes give 0x7FC00000, infinities stay infinite
 *   e.g.      E4M3FN, scale 224: {0x7E, 0xF6, 0x26} -> {2, -1, 0.000976...}
 *   BITWISE: each value is one rounded quotient. Overwrites x.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (scale or format).            */
SSTE_API sste_status sste_fp8_tensor_decode(float *x, size_t ldx,
                                            const uint8_t *code, size_t ldc,
                                            size_t rows, size_t cols,
                                            float scale, sste_fp8_format f) {
  float value[256];
  ptrdiff_t r;
  sste_status s =
      sste_priv_unary(x, ldx, sizeof *x, code, ldc, sizeof *code, rows, cols);
  if (s == SSTE_OK) s = sste_priv_fp8_check(f, scale);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  sste_priv_fp8_values(value, f, scale);
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    const uint8_t *from = code + (size_t)r * ldc;
    float *to = x + (size_t)r * ldx;
    size_t c;
    for (c = 0; c < cols; ++c) to[c] = value[from[c]];
  }
  return SSTE_OK;
}

/* sste_fp8_tensor_round - fake-quant: what a matrix becomes by way of FP8,
 *     y = fl(decode(encode(fl(x * scale))) / scale)
 *   y         receives rows x cols floats, rows ldy apart; may be x itself
 *   x         rows x cols floats, rows ldx apart
 *   scale     finite and positive, usually sste_fp8_scale; 1 for none
 *   f         as for sste_fp8_tensor_encode
 *   specials  as encode and decode
 *   e.g.      E4M3FN, scale 224: {2, -1, 0.3} -> {2, -1, 0.285714...}
 *   BITWISE: the bits of tensor_encode followed by tensor_decode. Overwrites y.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (scale or format).            */
SSTE_API sste_status sste_fp8_tensor_round(float *y, size_t ldy, const float *x,
                                           size_t ldx, size_t rows, size_t cols,
                                           float scale, sste_fp8_format f) {
  float value[256];
  ptrdiff_t r;
  sste_status s =
      sste_priv_unary(y, ldy, sizeof *y, x, ldx, sizeof *x, rows, cols);
  if (s == SSTE_OK) s = sste_priv_fp8_check(f, scale);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  sste_priv_fp8_values(value, f, scale);
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    const float *from = x + (size_t)r * ldx;
    float *to = y + (size_t)r * ldy;
    size_t c;
    for (c = 0; c < cols; ++c)
      to[c] = value[sste_fp8_encode(f, from[c] * scale)];
  }
  return SSTE_OK;
}

#ifdef __cplusplus
}
#endif

#endif /* SSTE_FP8_H */
