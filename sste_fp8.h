/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * sste_fp8.h - 8-bit floats to the bit: formats, rounding, scaling, products.
 *
 * An 8-bit float is a sign, an exponent field e of E bits and a mantissa field
 * m of M bits, and it means
 *
 *     (-1)^S * 2^(e - B) * (1 + m / 2^M)
 *     (-1)^S * 2^(1 - B) * m / 2^M           where e = 0
 *
 * B, the bias, is part of the format. A few codes are infinities or NaNs
 * instead, and of those formats that hold scales two have no sign, and E8M0 has
 * no case for e = 0.
 *
 *     S|EEEE|MMM   E4M3      0|0111|001 = 2^(7 - 7) * (1 + 1/8) = 1.125
 *     S|EEEEE|MM   E5M2      0|01111|01 = 2^(15 - 15) * (1 + 1/4) = 1.25
 *     S|EEE|MMMM   E3M4      0|011|0001 = 2^(3 - 3) * (1 + 1/16) = 1.0625
 *     EEEEEEEE     E8M0      10000000   = 2^(128 - 127) = 2
 *
 * Read as integers, codes of one sign sort like the values they stand for, and
 * the code after the largest finite number is always the infinity or NaN that
 * overflow leads to. Encoding is: find the code below x, look at what is left,
 * add one or not. That is the whole of section 3.
 *
 * Training in FP8 stores a tensor as codes and a scale, which moves the largest
 * magnitude of the tensor (its amax) onto the largest value of the format:
 *
 *     scale = max(F) / amax      code = encode(x * scale)
 *                                x'   = decode(code) / scale
 *
 * By hand, for {2, -1, 0.3} in E4M3FN, whose largest value is 448: amax = 2,
 * scale = 224, scaled {448, -224, 67.2}. Near 67.2 the format holds 64 and 72,
 * so the codes are {0x7E, 0xF6, 0x68} and x' = {2, -1, 64/224 = 0.2857...}.
 *
 *   1. Formats as data     ten of 8 bits, and the four they are made from
 *   2. A code to its value
 *   3. A value to its code any format to any other: the definition
 *   4. Whose behaviour     CUDA's, ml_dtypes', PyTorch's, ONNX's, OCP's
 *   5. The same, fast      one float addition rounds; for loops
 *   6. The scale           of a tensor or of each of its rows
 *   7. Tensors             encode, decode, round (fake-quant)
 *   8. Exact products      what every FP8 GEMM approximates
 *
 * Numerics. Every function here is BITWISE: the same bits on every compiler,
 * optimisation level, thread count, CPU and GPU. Sections 1 to 4 and 8 work on
 * integers alone, so flush-to-zero and rounding modes cannot touch them. The
 * rest assumes round to nearest and, where there are scales, gradual underflow
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

/* ---- 1. Formats as data -------------------------------------------------- */

/* Which codes are not numbers:
 *   SSTE_FP8_IEEE  the top exponent holds infinity (m = 0) and NaNs, as in all
 *                  of IEEE 754
 *   SSTE_FP8_FN    finite: all ones is the one NaN per sign; no infinity
 *   SSTE_FP8_FNUZ  and unsigned zero: the code of -0 is the one NaN
 *   SSTE_FP8_POW2  powers of two alone: no zero, no subnormals; all ones is
 *                  the NaN                                                   */
enum { SSTE_FP8_IEEE, SSTE_FP8_FN, SSTE_FP8_FNUZ, SSTE_FP8_POW2 };

/* A format. Those of this section are named; sste_fp8_format_check says which
 * others arrays can be of. */
typedef struct sste_fp8_format {
  int sign_bits;     /* 1, or 0 where there are no negative numbers */
  int exponent_bits; /* E */
  int mantissa_bits; /* M */
  int bias;          /* B */
  int specials;      /* SSTE_FP8_IEEE, ... */
} sste_fp8_format;

SSTE_HD static inline sste_fp8_format sste_priv_fp8_format(int sign_bits, int E,
                                                           int M, int B,
                                                           int specials) {
  sste_fp8_format f;
  f.sign_bits = sign_bits;
  f.exponent_bits = E;
  f.mantissa_bits = M;
  f.bias = B;
  f.specials = specials;
  return f;
}

/* sste_fp8_e4m3fn, ... - the formats by name. Smallest is the smallest positive
 * number, a subnormal where there are any; codes are those without a sign.
 *
 *   name         word        B    smallest     largest     infinity  NaN
 *   e4m3fn       S|EEEE|MMM  7    2^-9   (01)  448   (7E)            7F
 *   e5m2         S|EEEEE|MM  15   2^-16  (01)  57344 (7B)  7C        7D to 7F
 *   e4m3         S|EEEE|MMM  7    2^-9   (01)  240   (77)  78        79 to 7F
 *   e3m4         S|EEE|MMMM  3    2^-6   (01)  15.5  (6F)  70        71 to 7F
 *   e3m4fn       S|EEE|MMMM  3    2^-6   (01)  30    (7E)            7F
 *   e4m3fnuz     S|EEEE|MMM  8    2^-10  (01)  240   (7F)            80
 *   e5m2fnuz     S|EEEEE|MM  16   2^-17  (01)  57344 (7F)            80
 *   e4m3b11fnuz  S|EEEE|MMM  11   2^-13  (01)  30    (7F)            80
 *   ue4m3        0|EEEE|MMM  7    2^-9   (01)  448   (7E)            7F
 *   e8m0         EEEEEEEE    127  2^-127 (00)  2^127 (FE)            FF
 *
 *   e4m3fn and e5m2 are OCP's (and what "E4M3" and "E5M2" mean on NVIDIA GPUs);
 *   the FNUZ pair is that of AMD's MI300 and Graphcore; ue4m3 and e8m0 hold the
 *   block scales of NVFP4 and of MX. E3M4 is read in two ways: with infinities
 *   by ml_dtypes and LLVM, without by Intel's emulation toolkit.
 *   Source: OCP 8-bit Floating Point Specification 1.0; OCP Microscaling
 *   Formats 1.0; ml_dtypes.                                                 */
SSTE_API SSTE_HD sste_fp8_format sste_fp8_e4m3fn(void) {
  return sste_priv_fp8_format(1, 4, 3, 7, SSTE_FP8_FN);
}
SSTE_API SSTE_HD sste_fp8_format sste_fp8_e5m2(void) {
  return sste_priv_fp8_format(1, 5, 2, 15, SSTE_FP8_IEEE);
}
SSTE_API SSTE_HD sste_fp8_format sste_fp8_e4m3(void) {
  return sste_priv_fp8_format(1, 4, 3, 7, SSTE_FP8_IEEE);
}
SSTE_API SSTE_HD sste_fp8_format sste_fp8_e3m4(void) {
  return sste_priv_fp8_format(1, 3, 4, 3, SSTE_FP8_IEEE);
}
SSTE_API SSTE_HD sste_fp8_format sste_fp8_e3m4fn(void) {
  return sste_priv_fp8_format(1, 3, 4, 3, SSTE_FP8_FN);
}
SSTE_API SSTE_HD sste_fp8_format sste_fp8_e4m3fnuz(void) {
  return sste_priv_fp8_format(1, 4, 3, 8, SSTE_FP8_FNUZ);
}
SSTE_API SSTE_HD sste_fp8_format sste_fp8_e5m2fnuz(void) {
  return sste_priv_fp8_format(1, 5, 2, 16, SSTE_FP8_FNUZ);
}
SSTE_API SSTE_HD sste_fp8_format sste_fp8_e4m3b11fnuz(void) {
  return sste_priv_fp8_format(1, 4, 3, 11, SSTE_FP8_FNUZ);
}
SSTE_API SSTE_HD sste_fp8_format sste_fp8_ue4m3(void) {
  return sste_priv_fp8_format(0, 4, 3, 7, SSTE_FP8_FN);
}
SSTE_API SSTE_HD sste_fp8_format sste_fp8_e8m0(void) {
  return sste_priv_fp8_format(0, 8, 0, 127, SSTE_FP8_POW2);
}

/* sste_fp8_float16, ... - IEEE binary16, 32 and 64, and bfloat16, as data too:
 * what 8-bit floats are made from and turned into, given as bit patterns.   */
SSTE_API SSTE_HD sste_fp8_format sste_fp8_float16(void) {
  return sste_priv_fp8_format(1, 5, 10, 15, SSTE_FP8_IEEE);
}
SSTE_API SSTE_HD sste_fp8_format sste_fp8_bfloat16(void) {
  return sste_priv_fp8_format(1, 8, 7, 127, SSTE_FP8_IEEE);
}
SSTE_API SSTE_HD sste_fp8_format sste_fp8_float32(void) {
  return sste_priv_fp8_format(1, 8, 23, 127, SSTE_FP8_IEEE);
}
SSTE_API SSTE_HD sste_fp8_format sste_fp8_float64(void) {
  return sste_priv_fp8_format(1, 11, 52, 1023, SSTE_FP8_IEEE);
}

/* The code of all ones but the sign; that of the largest finite number. The
 * code after the largest is the infinity or NaN that overflow leads to, for
 * FNUZ as well: it is the code of -0.                                       */
SSTE_HD static inline uint64_t sste_priv_fp8_ones(sste_fp8_format f) {
  return ((uint64_t)1 << (f.exponent_bits + f.mantissa_bits)) - 1;
}
SSTE_HD static inline uint64_t sste_priv_fp8_largest(sste_fp8_format f) {
  const uint64_t ones = sste_priv_fp8_ones(f);
  if (f.specials == SSTE_FP8_IEEE)
    return ones - ((uint64_t)1 << f.mantissa_bits);
  return f.specials == SSTE_FP8_FNUZ ? ones : ones - 1;
}

/* ---- 2. A code to its value ---------------------------------------------- */

/* A number taken apart, exactly: (-1)^negative * significand * 2^exponent. The
 * significand of a NaN is its mantissa field, moved to the top of the word. */
enum { SSTE_PRIV_FP8_FINITE, SSTE_PRIV_FP8_INFINITE, SSTE_PRIV_FP8_NAN };
typedef struct sste_priv_fp8_number {
  int kind;
  int negative;
  int exponent;
  uint64_t significand;
} sste_priv_fp8_number;

SSTE_HD static inline sste_priv_fp8_number sste_priv_fp8_unpack(
    sste_fp8_format f, uint64_t code) {
  const int M = f.mantissa_bits;
  const uint64_t magnitude = code & sste_priv_fp8_ones(f);
  const uint64_t largest = sste_priv_fp8_largest(f);
  const uint64_t hidden = (uint64_t)1 << M;
  const int e = (int)(magnitude >> M);
  const uint64_t m = magnitude & (hidden - 1);
  const int subnormal = e == 0 && f.specials != SSTE_FP8_POW2;
  sste_priv_fp8_number x;
  x.kind = SSTE_PRIV_FP8_FINITE;
  x.negative = f.sign_bits && (code >> (f.exponent_bits + M) & 1);
  x.exponent = (subnormal ? 1 : e) - f.bias - M;
  x.significand = subnormal ? m : hidden | m;

  if (f.specials == SSTE_FP8_IEEE && magnitude == largest + 1) {
    x.kind = SSTE_PRIV_FP8_INFINITE;
  } else if (magnitude > largest ||
             (f.specials == SSTE_FP8_FNUZ && x.negative && magnitude == 0)) {
    x.kind = SSTE_PRIV_FP8_NAN;
    x.significand = M > 0 ? m << (64 - M) : 0;
  }
  return x;
}

/* floor(log2(x)), x > 0 */
SSTE_HD static inline int sste_priv_fp8_log2(uint64_t x) {
  int n = 0, step;
  for (step = 32; step > 0; step /= 2)
    if (x >> step != 0) {
      x >>= step;
      n += step;
    }
  return n;
}

/* sste_fp8_decode - the value of a code, exactly, as a float.
 *   f         any format of section 1 but float64
 *   code      bits above the format's width are ignored
 *   specials  a NaN of either sign is 0x7FC00000; -0 stays -0
 *   e.g.      E4M3FN 0x39 -> 1.125; E8M0 0x80 -> 2
 *   BITWISE, exact, by integers only (E8M0's 2^-127 and the smallest bfloat16s
 *   are subnormal floats). Never fails.                                     */
SSTE_API SSTE_HD float sste_fp8_decode(sste_fp8_format f, uint32_t code) {
  const sste_priv_fp8_number x = sste_priv_fp8_unpack(f, code);
  const uint32_t sign = (uint32_t)x.negative << 31;
  uint32_t significand = (uint32_t)x.significand;
  int top;
  if (x.kind == SSTE_PRIV_FP8_NAN) return sste_priv_float(SSTE_PRIV_NAN);
  if (x.kind == SSTE_PRIV_FP8_INFINITE)
    return sste_priv_float(sign | SSTE_PRIV_INF);
  if (significand == 0) return sste_priv_float(sign);
  top = sste_priv_fp8_log2(significand);
  if (x.exponent + top < -126) /* a subnormal float counts in 2^-149 */
    return sste_priv_float(sign | significand << (x.exponent + 149));
  significand <<= 23 - top; /* the leading 1 is the hidden bit */
  return sste_priv_float(sign | (uint32_t)(x.exponent + top + 127) << 23 |
                         (significand & 0x7FFFFFu));
}

/* sste_fp8_max - the largest finite value of a format, of any but float64: 448,
 * 57344, 15.5, ...
 *   BITWISE, exact.                                                         */
SSTE_API SSTE_HD float sste_fp8_max(sste_fp8_format f) {
  return sste_fp8_decode(f, (uint32_t)sste_priv_fp8_largest(f));
}

/* ---- 3. A value to its code ---------------------------------------------- */

/* Rounding, where x lies between two neighbouring numbers of the format:
 *   SSTE_ROUND_NEAREST_EVEN  to the nearer; midway, to the even code
 *   SSTE_ROUND_NEAREST_AWAY  to the nearer; midway, to the larger magnitude
 *   SSTE_ROUND_TOWARD_ZERO   to the smaller magnitude
 *   SSTE_ROUND_UP            to the one nearer +infinity
 *   SSTE_ROUND_STOCHASTIC    away from zero if random / 2^random_bits is at
 *                            least 1 - (the fraction passed of the gap)
 *   SSTE_ROUND_ODD           to the odd code, unless x is itself a number of
 *                            the format: then a second rounding does no harm.
 *                            Beyond the largest number, to that
 *   SSTE_ROUND_E8M0_FIELDS   for E8M0 as ml_dtypes and PyTorch make it from the
 *                            fields of a float: NEAREST_AWAY, but always up
 *                            between 2^-127 and 2^-126, where floats are
 *                            subnormal. Of no use for other formats
 * Overflow, which is judged after rounding:
 *   SSTE_OVERFLOW_SATURATE         to the largest finite number, from infinity
 *                                  as well
 *   SSTE_OVERFLOW_SATURATE_FINITE  the same, but infinity stays infinity, or
 *                                  NaN where the format has none
 *   SSTE_OVERFLOW_NONE             to infinity, or NaN where there is none;
 *                                  finite numbers that are rounded toward zero
 *                                  never get there, as in IEEE 754
 * NaN, where a format has several:
 *   SSTE_NAN_ONES     all ones (CUDA's and PyTorch's)
 *   SSTE_NAN_QUIET    the first mantissa bit alone (the usual float NaN)
 *   SSTE_NAN_PAYLOAD  the first mantissa bit, and what fits of the mantissa
 * Two steps, as kernels without a direct conversion make them. The first is to
 * nearest even, keeps infinities and NaNs, and is by way of
 *   SSTE_VIA_NOTHING, SSTE_VIA_FLOAT16, SSTE_VIA_BFLOAT16, SSTE_VIA_FLOAT32  */
enum {
  SSTE_ROUND_NEAREST_EVEN,
  SSTE_ROUND_NEAREST_AWAY,
  SSTE_ROUND_TOWARD_ZERO,
  SSTE_ROUND_UP,
  SSTE_ROUND_STOCHASTIC,
  SSTE_ROUND_ODD,
  SSTE_ROUND_E8M0_FIELDS
};
enum {
  SSTE_OVERFLOW_SATURATE,
  SSTE_OVERFLOW_SATURATE_FINITE,
  SSTE_OVERFLOW_NONE
};
enum { SSTE_NAN_ONES, SSTE_NAN_QUIET, SSTE_NAN_PAYLOAD };
enum {
  SSTE_VIA_NOTHING,
  SSTE_VIA_FLOAT16,
  SSTE_VIA_BFLOAT16,
  SSTE_VIA_FLOAT32
};

/* Everything that two correct converters may do differently. */
typedef struct sste_fp8_rule {
  int rounding;    /* SSTE_ROUND_NEAREST_EVEN, ... */
  int random_bits; /* for SSTE_ROUND_STOCHASTIC: 1 to 32, else taken as 32 */
  int overflow;    /* SSTE_OVERFLOW_SATURATE, ... */
  int nan;         /* SSTE_NAN_ONES, ... */
  int nan_sign;    /* 1 keeps the sign of a NaN, 0 drops it */
  int drop_sign;   /* only for formats without a sign. 1: they take |x|, and
                      for 0 their lowest number. 0: what lies below that, as
                      negative numbers do that do not round to 0, -infinity,
                      and in E8M0 0 itself, gives NaN if overflow is NONE, else
                      the lowest number */
  int via;         /* SSTE_VIA_NOTHING, ... */
} sste_fp8_rule;

/* sste_fp8_saturating - the rule of sste_fp8_encode: nearest even, saturating,
 * one NaN, one step. As CUDA's SATFINITE makes E4M3FN and E5M2 of floats.  */
SSTE_API SSTE_HD sste_fp8_rule sste_fp8_saturating(void) {
  sste_fp8_rule rule;
  rule.rounding = SSTE_ROUND_NEAREST_EVEN;
  rule.random_bits = 32;
  rule.overflow = SSTE_OVERFLOW_SATURATE;
  rule.nan = SSTE_NAN_ONES;
  rule.nan_sign = 0;
  rule.drop_sign = 0;
  rule.via = SSTE_VIA_NOTHING;
  return rule;
}

/* x / 2^n, the last bit set if any bit was lost, n > 0: rounding to odd, which
 * no later rounding to fewer bits can tell from x itself.                   */
SSTE_HD static inline uint64_t sste_priv_fp8_jam(uint64_t x, int n) {
  if (n > 63) return x != 0;
  return x >> n | (x << (64 - n) != 0);
}

/* Whether a code goes up by one: `rest` of 2^width is left above it. */
SSTE_HD static inline int sste_priv_fp8_goes_up(const sste_fp8_rule *rule,
                                                uint64_t code, int negative,
                                                uint64_t rest, int width,
                                                uint32_t random) {
  const int given = rule->random_bits;
  const int odd = (int)(code & 1), n = given > 0 && given < 32 ? given : 32;
  uint64_t half, fraction;
  if (rest == 0) return 0;
  half = (uint64_t)1 << (width - 1);
  switch (rule->rounding) {
    case SSTE_ROUND_NEAREST_EVEN: /* no branch: nobody can predict it */
      return (rest > half) | ((rest == half) & odd);
    case SSTE_ROUND_NEAREST_AWAY: return rest >= half;
    case SSTE_ROUND_UP: return !negative;
    case SSTE_ROUND_ODD: return !odd;
    case SSTE_ROUND_E8M0_FIELDS: return rest >= half || code == 0;
    case SSTE_ROUND_STOCHASTIC:
      fraction = n < width ? rest >> (width - n) : rest << (n - width);
      return (fraction + (random & (((uint64_t)1 << n) - 1))) >> n != 0;
    default: return 0;
  }
}

/* The magnitude code of |x|, finite, rounded; beyond the largest it counts on
 * as if the format had no end.
 *
 *   significand   1 m m m m m m m m m      |x| = significand * 2^exponent
 *                 \ units /\- rest -/      one unit = the format's spacing here
 *
 * Cut where the spacing is, the upper part counts units, and with the exponent
 * above it that is the code at or below |x|: the hidden bit makes 2^M units,
 * one step of the exponent field. Below the smallest normal number the spacing
 * stops shrinking, the hidden bit falls under 2^M, the field is 0, and the same
 * sum gives the subnormals. The rest decides about the next code, and where the
 * mantissa is full, adding one carries into the exponent by itself.         */
SSTE_HD static inline uint64_t sste_priv_fp8_magnitude(
    sste_fp8_format f, const sste_fp8_rule *rule, const sste_priv_fp8_number *x,
    int negative, uint32_t random) {
  const int pow2 = f.specials == SSTE_FP8_POW2; /* code 0 has a hidden bit */
  const int smallest = pow2 ? -f.bias : 1 - f.bias;
  uint64_t significand = x->significand, code, rest = 0;
  int top, e, cut;
  if (significand == 0) return 0;
  top = x->exponent + sste_priv_fp8_log2(significand);
  if (pow2 && top < smallest) return 0;
  e = top > smallest ? top : smallest;
  cut = e - f.mantissa_bits - x->exponent;
  if (cut > 62) { /* keeps shifts under 64, and more than 2 bits of rest */
    significand = sste_priv_fp8_jam(significand, cut - 62);
    cut = 62;
  }
  code = (uint64_t)(e - smallest) << f.mantissa_bits;
  code += cut > 0 ? significand >> cut : significand << -cut;
  code -= (uint64_t)pow2;
  if (cut > 0) rest = significand & (((uint64_t)1 << cut) - 1);
  return code + (uint64_t)sste_priv_fp8_goes_up(rule, code, negative, rest, cut,
                                                random);
}

SSTE_HD static inline uint64_t sste_priv_fp8_nan(
    sste_fp8_format f, const sste_fp8_rule *rule,
    const sste_priv_fp8_number *x) {
  const int M = f.mantissa_bits;
  const uint64_t ones = sste_priv_fp8_ones(f);
  const uint64_t sign =
      f.sign_bits && rule->nan_sign && x->negative ? ones + 1 : 0;
  uint64_t quiet;
  if (f.specials == SSTE_FP8_FNUZ) return ones + 1;
  if (f.specials != SSTE_FP8_IEEE || rule->nan == SSTE_NAN_ONES)
    return sign | ones;
  quiet = sste_priv_fp8_largest(f) + 1 + ((uint64_t)1 << (M - 1));
  return sign | quiet |
         (rule->nan == SSTE_NAN_PAYLOAD ? x->significand >> (64 - M) : 0);
}

/* Whether a magnitude beyond the largest becomes the code after it. */
SSTE_HD static inline int sste_priv_fp8_overflows(const sste_fp8_rule *rule,
                                                  int infinite, int negative) {
  const int toward_zero = rule->rounding == SSTE_ROUND_TOWARD_ZERO ||
                          rule->rounding == SSTE_ROUND_ODD ||
                          (rule->rounding == SSTE_ROUND_UP && negative);
  if (rule->overflow == SSTE_OVERFLOW_SATURATE) return 0;
  return infinite || (rule->overflow == SSTE_OVERFLOW_NONE && !toward_zero);
}

SSTE_HD static inline uint64_t sste_priv_fp8_pack(sste_fp8_format f,
                                                  const sste_fp8_rule *rule,
                                                  const sste_priv_fp8_number *x,
                                                  uint32_t random) {
  const uint64_t ones = sste_priv_fp8_ones(f);
  const uint64_t largest = sste_priv_fp8_largest(f);
  const int infinite = x->kind == SSTE_PRIV_FP8_INFINITE;
  const int negative = x->negative && (f.sign_bits || !rule->drop_sign);
  uint64_t code = largest + 1;
  if (x->kind == SSTE_PRIV_FP8_NAN) return sste_priv_fp8_nan(f, rule, x);
  if (!infinite) code = sste_priv_fp8_magnitude(f, rule, x, negative, random);
  if (code > largest)
    code =
        largest + (uint64_t)sste_priv_fp8_overflows(rule, infinite, negative);

  if (f.sign_bits == 0) {
    /* Below all numbers of the format are negative ones and, among powers of
     * two, 0. */
    const int pow2 = f.specials == SSTE_FP8_POW2;
    const int zero = pow2 && !infinite && x->significand == 0;
    if ((zero && !rule->drop_sign) || (negative && (pow2 || code > 0)))
      return rule->overflow == SSTE_OVERFLOW_NONE ? ones : 0;
    return code;
  }
  if (f.specials == SSTE_FP8_FNUZ && code == 0) return 0; /* there is no -0 */
  return negative ? code | (ones + 1) : code;
}

/* What a rule of two steps goes by way of, and how the first of them rounds. */
SSTE_HD static inline sste_fp8_format sste_priv_fp8_via(int via) {
  if (via == SSTE_VIA_FLOAT16) return sste_fp8_float16();
  if (via == SSTE_VIA_BFLOAT16) return sste_fp8_bfloat16();
  return sste_fp8_float32();
}
SSTE_HD static inline sste_fp8_rule sste_priv_fp8_first_step(void) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.overflow = SSTE_OVERFLOW_NONE;
  rule.nan = SSTE_NAN_PAYLOAD;
  rule.nan_sign = 1;
  return rule;
}

/* sste_fp8_convert - a number of one format in another: rounded once, or twice
 * where rule.via says so.
 *   to, from  any formats of section 1
 *   rule      sste_fp8_saturating, one of section 4, or your own
 *   bits      the number, a code of `from`; bits above its width are ignored
 *   random    for SSTE_ROUND_STOCHASTIC: uniform, of which the low
 *             rule.random_bits are used; else ignored. The fraction f of the
 *             gap that x has passed is cut to as many bits: up if
 *             floor(f 2^n) + random mod 2^n >= 2^n. With n no less than the
 *             bits cut off x that is unbiased; else |x| loses under 2^-n gaps
 *   specials  by the rule; -0 stays -0 where there is one; a negative number
 *             that rounds to zero gives -0, too
 *   e.g.      1.1875 lies midway between 1.125 (0x39) and 1.25 (0x3A) in
 *             E4M3FN: 0x3A by nearest even, 0x39 toward zero
 *   returns   the code of `to`
 *   ROUNDED-ONCE and BITWISE, by integers only. Never fails.
 *   Source: the definitions in section 1; IEEE 754-2019, 4.3 and 7.4.        */
SSTE_API SSTE_HD uint64_t sste_fp8_convert(sste_fp8_format to,
                                           sste_fp8_rule rule,
                                           sste_fp8_format from, uint64_t bits,
                                           uint32_t random) {
  sste_priv_fp8_number x = sste_priv_fp8_unpack(from, bits);
  if (rule.via != SSTE_VIA_NOTHING) {
    const sste_fp8_format via = sste_priv_fp8_via(rule.via);
    const sste_fp8_rule first = sste_priv_fp8_first_step();
    x = sste_priv_fp8_unpack(via, sste_priv_fp8_pack(via, &first, &x, 0));
  }
  return sste_priv_fp8_pack(to, &rule, &x, random);
}

/* sste_fp8_encode_double, _float, _float16, _bfloat16 - a number's code by a
 * rule. float16 and bfloat16 are given by their bits.
 *   f         a format of at most 8 bits
 *   otherwise as sste_fp8_convert
 *   ROUNDED-ONCE and BITWISE, by integers only. Never fails.                */
SSTE_API SSTE_HD uint8_t sste_fp8_encode_double(sste_fp8_format f,
                                                sste_fp8_rule rule, double x,
                                                uint32_t random) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (uint8_t)sste_fp8_convert(f, rule, sste_fp8_float64(), bits, random);
}
SSTE_API SSTE_HD uint8_t sste_fp8_encode_float(sste_fp8_format f,
                                               sste_fp8_rule rule, float x,
                                               uint32_t random) {
  return (uint8_t)sste_fp8_convert(f, rule, sste_fp8_float32(),
                                   sste_priv_bits(x), random);
}
SSTE_API SSTE_HD uint8_t sste_fp8_encode_float16(sste_fp8_format f,
                                                 sste_fp8_rule rule, uint16_t x,
                                                 uint32_t random) {
  return (uint8_t)sste_fp8_convert(f, rule, sste_fp8_float16(), x, random);
}
SSTE_API SSTE_HD uint8_t sste_fp8_encode_bfloat16(sste_fp8_format f,
                                                  sste_fp8_rule rule,
                                                  uint16_t x, uint32_t random) {
  return (uint8_t)sste_fp8_convert(f, rule, sste_fp8_bfloat16(), x, random);
}

/* sste_fp8_encode - the code nearest to x: sste_fp8_saturating.
 *   f         a format of at most 8 bits
 *   x         any float
 *   ties      to the even code (464, midway to the 480 that E4M3FN lacks, is
 *             448 either way: it saturates)
 *   specials  beyond the largest finite value, infinity included: that value
 *             with the sign of x; NaN: 0x7F, or the format's only one; -0: -0;
 *             in a format without a sign, below the lowest: the lowest
 *   e.g.      E4M3FN 1.1875 -> 0x3A; -500 -> 0xFE
 *   ROUNDED-ONCE and BITWISE, by integers only. Relative error at most
 *   2^-(M+1) from the smallest normal number to the largest, absolute error at
 *   most 2^(-B-M) below. Never fails.                                       */
SSTE_API SSTE_HD uint8_t sste_fp8_encode(sste_fp8_format f, float x) {
  return sste_fp8_encode_float(f, sste_fp8_saturating(), x, 0);
}

/* sste_fp8_round - x rounded to the format: decode(encode(x)), by definition.
 *   Everything said of the two holds.
 *   e.g.      E4M3FN 1.2 -> 1.25; 1000 -> 448; 0.0009 -> 0
 *   ROUNDED-ONCE and BITWISE.                                               */
SSTE_API SSTE_HD float sste_fp8_round(sste_fp8_format f, float x) {
  return sste_fp8_decode(f, sste_fp8_encode(f, x));
}

/* ---- 4. Whose behaviour -------------------------------------------------- */

/* OCP's rule is its text; each of the others was run, and gave these codes:
 *   SSTE_LIKE_OCP                OFP8 1.0, the saturating mode
 *   SSTE_LIKE_OCP_NONSATURATING  OFP8 1.0, the other
 *   SSTE_LIKE_CUDA_SATFINITE     cuda_fp8.h of CUDA 13.0, host functions
 *   SSTE_LIKE_CUDA_NOSAT         the same
 *   SSTE_LIKE_ML_DTYPES_0_6      0.6.0, NumPy's astype
 *   SSTE_LIKE_TORCH_2_12         2.11.0 and 2.12.0, .to() on a CPU
 *   SSTE_LIKE_TORCH_2_13         2.13.0 and 2.15.0: E4M3FN saturates from here
 *   SSTE_LIKE_ONNX_25_SATURATE   onnx 1.23.2, reference Cast of opset 25
 *   SSTE_LIKE_ONNX_25            the same
 * OCP leaves the choice of NaN open; here it is all ones. To E8M0, CUDA's rules
 * round up, as its C++ type does, and ONNX_25_SATURATE follows the text of the
 * operator (saturating, up), from which the reference departs.              */
enum {
  SSTE_LIKE_OCP,
  SSTE_LIKE_OCP_NONSATURATING,
  SSTE_LIKE_CUDA_SATFINITE,
  SSTE_LIKE_CUDA_NOSAT,
  SSTE_LIKE_ML_DTYPES_0_6,
  SSTE_LIKE_TORCH_2_12,
  SSTE_LIKE_TORCH_2_13,
  SSTE_LIKE_ONNX_25_SATURATE,
  SSTE_LIKE_ONNX_25
};

/* sste_fp8_rule_like - the rule by which a library converts.
 *   who       SSTE_LIKE_CUDA_SATFINITE, ...; anything else gives the first
 *   to        an 8-bit format, from: float16, bfloat16, float32 or float64;
 *             nothing is promised of formats that the library lacks
 *
 *   to E4M3FN:           500  infinity  -NaN     to E5M2:  1e6  infinity  -NaN
 *   OCP                  7E   7E        7F                 7B   7B        7F
 *   OCP nonsaturating    7F   7F        7F                 7C   7C        7F
 *   CUDA SATFINITE       7E   7E        7F                 7B   7B        7F
 *   CUDA NOSAT           7F   7F        7F                 7C   7C        7F
 *   ml_dtypes 0.6        7F   7F        FF                 7C   7C        FE
 *   PyTorch 2.12         7F   7F        FF                 7C   7C        FF
 *   PyTorch 2.13         7E   7E        FF                 7C   7C        FF
 *   ONNX 25 saturate     7E   7E        FF                 7B   7B        FE
 *   ONNX 25              7F   7F        FF                 7C   7C        FE
 *
 *   From double CUDA keeps a NaN's sign and, in E5M2, its second mantissa bit;
 *   ml_dtypes, PyTorch and ONNX round to float first.
 *   BITWISE. Never fails.                                                   */
SSTE_API SSTE_HD sste_fp8_rule sste_fp8_rule_like(int who, sste_fp8_format to,
                                                  sste_fp8_format from) {
  const int e8m0 = to.specials == SSTE_FP8_POW2;
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.drop_sign = e8m0;
  switch (who) {
    case SSTE_LIKE_OCP_NONSATURATING: rule.overflow = SSTE_OVERFLOW_NONE; break;
    case SSTE_LIKE_CUDA_SATFINITE:
    case SSTE_LIKE_CUDA_NOSAT:
      if (who == SSTE_LIKE_CUDA_NOSAT) rule.overflow = SSTE_OVERFLOW_NONE;
      if (e8m0) rule.rounding = SSTE_ROUND_UP;
      if (from.mantissa_bits > 23) {
        rule.nan = SSTE_NAN_PAYLOAD;
        rule.nan_sign = 1;
      }
      break;
    case SSTE_LIKE_ML_DTYPES_0_6:
      if (e8m0) rule.rounding = SSTE_ROUND_E8M0_FIELDS;
      rule.overflow = SSTE_OVERFLOW_NONE;
      rule.nan = SSTE_NAN_QUIET;
      rule.nan_sign = 1;
      rule.drop_sign = 0;
      rule.via = SSTE_VIA_FLOAT32;
      break;
    case SSTE_LIKE_TORCH_2_12:
    case SSTE_LIKE_TORCH_2_13:
      if (e8m0) rule.rounding = SSTE_ROUND_E8M0_FIELDS;
      if (who == SSTE_LIKE_TORCH_2_12 || to.specials != SSTE_FP8_FN)
        rule.overflow = SSTE_OVERFLOW_NONE;
      rule.nan_sign = 1;
      rule.via = SSTE_VIA_FLOAT32;
      break;
    case SSTE_LIKE_ONNX_25_SATURATE:
    case SSTE_LIKE_ONNX_25:
      if (who == SSTE_LIKE_ONNX_25) rule.overflow = SSTE_OVERFLOW_NONE;
      if (e8m0) rule.rounding = SSTE_ROUND_UP;
      rule.nan = SSTE_NAN_QUIET;
      rule.nan_sign = 1;
      rule.via = SSTE_VIA_FLOAT32;
      break;
    default: break;
  }
  return rule;
}

/* ---- 5. The same, fast --------------------------------------------------- */

/* A format with a sign and a rule of nearest even, as constants of a loop.
 *
 * The addition rounds. Let e be the exponent of |x|, or that of the smallest
 * normal number if |x| is below it; then the format's spacing at x is 2^(e-M).
 * The floats from 2^(e-M+23) to twice that are spaced so, too. Hence
 *
 *     |x| + 2^(e-M+23)  =  (2^23 + units) * 2^(e-M)
 *
 * where `units`, the low bits of the sum, is |x| in units of the spacing,
 * rounded by the processor to nearest even; and code = units + (e above the M
 * bits), as in section 3. Magnitudes are first cut to `ceiling`, so the result
 * is the largest code at most, or the one after it, which is overflow's. NaNs
 * are cut to it like the others, and turned into their code afterwards.
 *
 * There is no branch: masks are 0 or -1, and ?: serves for minima and maxima of
 * integers alone, because around a float operation gcc 12 would keep it as a
 * branch and not vectorise the loop.                                        */
typedef struct sste_priv_fp8_fast {
  int32_t shift;      /* 23 - M */
  int32_t offset;     /* a magnitude code shifted, plus this: a float's bits */
  int32_t smallest;   /* the exponent field of the smallest normal number */
  int32_t ceiling;    /* the bits of the float that magnitudes are cut to */
  int32_t nan_fix;    /* from the code of `ceiling` to that of NaN, by xor */
  int32_t nan_drops;  /* a mask: NaNs lose their sign */
  int32_t zero_keeps; /* a mask: zeros keep theirs */
  int32_t largest, hidden; /* codes: largest finite, smallest normal */
  int32_t lone_nan;        /* the code of the NaN of FNUZ */
  int32_t overflow; /* the bits of the float in the place of overflow's code */
  int32_t beyond;   /* or-ed to them: the infinity or NaN that the code means */
} sste_priv_fp8_fast;

SSTE_HD static inline sste_priv_fp8_fast sste_priv_fp8_constants(
    sste_fp8_format f, sste_fp8_rule rule) {
  const int fnuz = f.specials == SSTE_FP8_FNUZ;
  sste_priv_fp8_number nan =
      sste_priv_fp8_unpack(sste_fp8_float32(), SSTE_PRIV_NAN);
  int32_t top;
  sste_priv_fp8_fast k;
  k.shift = 23 - f.mantissa_bits;
  k.offset = (127 - f.bias) * (1 << 23);
  k.smallest = k.offset + (1 << 23);
  k.largest = (int32_t)sste_priv_fp8_largest(f);
  k.hidden = 1 << f.mantissa_bits;
  top = k.largest + (rule.overflow == SSTE_OVERFLOW_NONE);
  k.ceiling = (top << k.shift) + k.offset;
  k.nan_fix = top ^ (int32_t)sste_priv_fp8_nan(f, &rule, &nan);
  k.nan_drops = rule.nan_sign ? 0 : -1;
  k.zero_keeps = fnuz ? 0 : -1;
  k.lone_nan = fnuz ? 0x80 : -1;
  k.overflow = top > k.largest ? k.ceiling : INT32_MAX;
  k.beyond =
      (int32_t)(f.specials == SSTE_FP8_IEEE ? SSTE_PRIV_INF : SSTE_PRIV_NAN);
  return k;
}

/* The code of a magnitude, a NaN counting as infinity. Only the low 8 bits of
 * what is returned, and of what follows, matter.                            */
SSTE_HD SSTE_PRIV_INLINE int32_t
sste_priv_fp8_fast_magnitude(sste_priv_fp8_fast k, int32_t magnitude) {
  const int32_t inf = (int32_t)SSTE_PRIV_INF;
  const int32_t cut = magnitude < k.ceiling ? magnitude : k.ceiling;
  const int32_t e = (cut & inf) > k.smallest ? cut & inf : k.smallest;
  const float sum = sste_priv_float((uint32_t)cut) +
                    sste_priv_float((uint32_t)(e + (k.shift << 23)));
  const int32_t units = (int32_t)sste_priv_bits(sum);
  return units + ((e - k.smallest) >> k.shift);
}

/* x is encoded with the sign of signed_as: that of x, but for NaNs that have
 * been through arithmetic, where processors differ.                         */
SSTE_HD SSTE_PRIV_INLINE uint8_t sste_priv_fp8_fast_encode(sste_priv_fp8_fast k,
                                                           float x,
                                                           float signed_as) {
  const int32_t inf = (int32_t)SSTE_PRIV_INF;
  const int32_t sign = (int32_t)(sste_priv_bits(signed_as) >> 24 & 0x80u);
  const int32_t magnitude = (int32_t)(sste_priv_bits(x) & 0x7FFFFFFFu);
  const int32_t is_nan = -(magnitude > inf);
  const int32_t code = sste_priv_fp8_fast_magnitude(k, magnitude);
  const int32_t fixed = code ^ (is_nan & k.nan_fix);
  /* -fixed has bit 7 set unless the code is 0 */
  const int32_t keep = ~(is_nan & k.nan_drops) & (k.zero_keeps | -fixed);
  return (uint8_t)(fixed | (sign & keep));
}

/* The same for an x that is no NaN, in a format that has a -0; `nan` turns
 * negative where x is one all the same.                                     */
SSTE_HD SSTE_PRIV_INLINE uint8_t
sste_priv_fp8_plain_encode(sste_priv_fp8_fast k, float x, int32_t *nan) {
  const int32_t sign = (int32_t)(sste_priv_bits(x) >> 24 & 0x80u);
  const int32_t magnitude = (int32_t)(sste_priv_bits(x) & 0x7FFFFFFFu);
  *nan |= (int32_t)SSTE_PRIV_INF - magnitude;
  return (uint8_t)(sste_priv_fp8_fast_magnitude(k, magnitude) | sign);
}

/* Moved into place, a magnitude code is a float with another bias. Subnormals
 * are read one exponent higher, as if they had a hidden bit, and lose it again
 * by subtraction. The top exponent makes infinities and NaNs of the codes
 * beyond the largest: mantissas of NaNs are not 0.                          */
SSTE_HD SSTE_PRIV_INLINE float sste_priv_fp8_fast_decode(sste_priv_fp8_fast k,
                                                         uint8_t code) {
  const int32_t inf = (int32_t)SSTE_PRIV_INF, magnitude = code & 0x7F;
  const int32_t normal = (magnitude << k.shift) + k.offset;
  const float lower = sste_priv_float((uint32_t)(normal + (1 << 23))) -
                      sste_priv_float((uint32_t)k.smallest);
  const int32_t subnormal = (int32_t)sste_priv_bits(lower);
  const int32_t is_subnormal = -(magnitude < k.hidden);
  const int32_t is_special = -(magnitude > k.largest);
  const int32_t is_nan = -(code == k.lone_nan);
  const int32_t bits = ((subnormal & is_subnormal) | (normal & ~is_subnormal)) |
                       (is_special & inf) | (is_nan & (int32_t)SSTE_PRIV_NAN);
  return sste_priv_float((uint32_t)bits ^ (uint32_t)(code ^ magnitude) << 24);
}

/* The two in one, bit for bit, but that a NaN need not be canonical: what the
 * addition rounded a subtraction, exact, puts back into place as a float. */
SSTE_HD SSTE_PRIV_INLINE float sste_priv_fp8_fast_round(sste_priv_fp8_fast k,
                                                        float x) {
  const int32_t inf = (int32_t)SSTE_PRIV_INF;
  const int32_t sign = (int32_t)(sste_priv_bits(x) & 0x80000000u);
  const int32_t magnitude = (int32_t)(sste_priv_bits(x) & 0x7FFFFFFFu);
  const int32_t is_nan = -(magnitude > inf);
  const int32_t cut = magnitude < k.ceiling ? magnitude : k.ceiling;
  const int32_t e = (cut & inf) > k.smallest ? cut & inf : k.smallest;
  const float spaced = sste_priv_float((uint32_t)(e + (k.shift << 23)));
  const float sum = sste_priv_float((uint32_t)cut) + spaced;
  const int32_t bits = (int32_t)sste_priv_bits(sum - spaced);
  const int32_t is_beyond = -(bits >= k.overflow);
  const int32_t keep = k.zero_keeps | -bits;
  return sste_priv_float((uint32_t)(bits | (is_beyond & k.beyond) |
                                    (is_nan & (int32_t)SSTE_PRIV_NAN) |
                                    (sign & keep)));
}

/* sste_fp8_e4m3fn_encode, sste_fp8_e4m3fn_decode, and so for e5m2, e4m3, e3m4,
 * e3m4fn, e4m3fnuz, e5m2fnuz and e4m3b11fnuz - sste_fp8_encode and
 * sste_fp8_decode of one format, for your own loops: no branch, no table, and
 * `omp simd` vectorises them. Codes and values are the same; the rounding mode
 * must be to nearest, flush-to-zero does no harm.
 *   e.g.      sste_fp8_e4m3fn_encode(1.1875f) -> 0x3A
 *   ROUNDED-ONCE and BITWISE. Never fails.                                  */
#define SSTE_PRIV_FP8_INSTANCE(format)                                       \
  SSTE_API SSTE_HD uint8_t sste_fp8_##format##_encode(float x) {             \
    return sste_priv_fp8_fast_encode(                                        \
        sste_priv_fp8_constants(sste_fp8_##format(), sste_fp8_saturating()), \
        x, x);                                                               \
  }                                                                          \
  SSTE_API SSTE_HD float sste_fp8_##format##_decode(uint8_t code) {          \
    return sste_priv_canonical(sste_priv_fp8_fast_decode(                    \
        sste_priv_fp8_constants(sste_fp8_##format(), sste_fp8_saturating()), \
        code));                                                              \
  }
SSTE_PRIV_FP8_INSTANCE(e4m3fn)
SSTE_PRIV_FP8_INSTANCE(e5m2)
SSTE_PRIV_FP8_INSTANCE(e4m3)
SSTE_PRIV_FP8_INSTANCE(e3m4)
SSTE_PRIV_FP8_INSTANCE(e3m4fn)
SSTE_PRIV_FP8_INSTANCE(e4m3fnuz)
SSTE_PRIV_FP8_INSTANCE(e5m2fnuz)
SSTE_PRIV_FP8_INSTANCE(e4m3b11fnuz)

/* Which rules the addition can follow; sste_fp8_convert follows all. */
SSTE_HD static inline int sste_priv_fp8_is_fast(sste_fp8_format f,
                                                sste_fp8_rule rule) {
  return f.sign_bits == 1 && rule.rounding == SSTE_ROUND_NEAREST_EVEN &&
         rule.overflow != SSTE_OVERFLOW_SATURATE_FINITE &&
         rule.nan != SSTE_NAN_PAYLOAD &&
         (rule.via == SSTE_VIA_NOTHING || rule.via == SSTE_VIA_FLOAT32);
}

/* ---- 6. The scale -------------------------------------------------------- */

/* What a scale is, of a tensor's or a row's amax and max(F). The three differ
 * in their last bits, and so do codes that lie near a midpoint:
 *   SSTE_SCALE_MAX_OVER_AMAX    fl(max / amax): x is multiplied by it
 *   SSTE_SCALE_AMAX_OVER_MAX    fl(amax / max): x is divided by it
 *   SSTE_SCALE_AMAX_RECIPROCAL  fl(amax * fl(1 / max)): the same, when someone
 *                               took the division out of the loop
 * How it is applied to a number, in encode and, the other way, in decode:
 *   SSTE_APPLY_MULTIPLY    fl(x * scale)
 *   SSTE_APPLY_DIVIDE      fl(x / scale)
 *   SSTE_APPLY_RECIPROCAL  fl(x * fl(1 / scale))                            */
enum {
  SSTE_SCALE_MAX_OVER_AMAX,
  SSTE_SCALE_AMAX_OVER_MAX,
  SSTE_SCALE_AMAX_RECIPROCAL
};
enum { SSTE_APPLY_MULTIPLY, SSTE_APPLY_DIVIDE, SSTE_APPLY_RECIPROCAL };

/* How a tensor becomes codes and codes become a tensor. Start from one of the
 * recipes below: `undo` must take back what `apply` does, and `apply` fit the
 * scale, which nothing checks.                                              */
typedef struct sste_fp8_recipe {
  sste_fp8_format format;
  sste_fp8_rule rule;
  int per_row;      /* 0: one scale; 1: one for each row */
  int scale;        /* SSTE_SCALE_MAX_OVER_AMAX, ... */
  int apply;        /* encode: SSTE_APPLY_MULTIPLY, ... */
  int undo;         /* decode: SSTE_APPLY_DIVIDE, ... */
  int drop_nan;     /* amax: 1 passes over NaNs, 0 lets one through */
  float epsilon;    /* an amax below it counts as this much */
  int power_of_two; /* 1: the scale loses its mantissa. It gets smaller: where
                       x is divided by it, the largest will overflow */
} sste_fp8_recipe;

/* sste_fp8_recipe_current - current scaling as S-STE does it: one scale,
 * fl(max / amax), multiplied by in encode and divided by in decode; nearest
 * even, saturating; a NaN passes to amax.
 *   Source: S-STE's FP8 simulation (448 / amax).                            */
SSTE_API SSTE_HD sste_fp8_recipe sste_fp8_recipe_current(sste_fp8_format f) {
  sste_fp8_recipe how;
  how.format = f;
  how.rule = sste_fp8_saturating();
  how.per_row = 0;
  how.scale = SSTE_SCALE_MAX_OVER_AMAX;
  how.apply = SSTE_APPLY_MULTIPLY;
  how.undo = SSTE_APPLY_DIVIDE;
  how.drop_nan = 0;
  how.epsilon = 0.0f;
  how.power_of_two = 0;
  return how;
}

/* sste_fp8_recipe_divide - the other way round, as many kernels have it: the
 * scale is fl(amax / max), divided by in encode and multiplied by in decode. */
SSTE_API SSTE_HD sste_fp8_recipe sste_fp8_recipe_divide(sste_fp8_format f) {
  sste_fp8_recipe how = sste_fp8_recipe_current(f);
  how.scale = SSTE_SCALE_AMAX_OVER_MAX;
  how.apply = SSTE_APPLY_DIVIDE;
  how.undo = SSTE_APPLY_MULTIPLY;
  return how;
}

/* sste_fp8_recipe_te - Transformer Engine's Float8CurrentScaling: amax passes
 * over NaNs, decode multiplies by the rounded reciprocal. Its options `epsilon`
 * and `power_of_two` are the recipe's fields, off by default there, too.
 *   Source: Transformer Engine d0067d0, recipe_common.cuh.                  */
SSTE_API SSTE_HD sste_fp8_recipe sste_fp8_recipe_te(sste_fp8_format f) {
  sste_fp8_recipe how = sste_fp8_recipe_current(f);
  how.undo = SSTE_APPLY_RECIPROCAL;
  how.drop_nan = 1;
  return how;
}

/* sste_fp8_scale - the scale of an amax.
 *   how       the format and the fields scale, epsilon and power_of_two
 *   amax      the largest magnitude; its sign is ignored
 *   specials  amax of 0 (after epsilon), infinity or NaN gives 1; beyond
 *             FLT_MAX it is FLT_MAX, below FLT_MIN (an amax / max of a tiny
 *             tensor) FLT_MIN, so always finite, normal and positive
 *   e.g.      E4M3FN, amax 2: max / amax = 224; amax / max = 0.004464286
 *   BITWISE (one float division; for AMAX_RECIPROCAL one and a product).
 *   Source: Transformer Engine, compute_scale_from_amax, for the guards.    */
SSTE_API SSTE_HD float sste_fp8_scale(sste_fp8_recipe how, float amax) {
  const float max = sste_fp8_max(how.format);
  float scale;
  amax = sste_priv_float(sste_priv_magnitude(amax));
  if (amax < how.epsilon) amax = how.epsilon;
  if (sste_priv_bits(amax) == 0 || sste_priv_bits(amax) >= SSTE_PRIV_INF)
    return 1.0f;
  if (how.scale == SSTE_SCALE_MAX_OVER_AMAX)
    scale = max / amax;
  else if (how.scale == SSTE_SCALE_AMAX_OVER_MAX)
    scale = amax / max;
  else
    scale = amax * (1.0f / max);
  if (sste_priv_bits(scale) == SSTE_PRIV_INF) scale = FLT_MAX;
  if (scale < FLT_MIN) scale = FLT_MIN;
  if (how.power_of_two)
    scale = sste_priv_float(sste_priv_bits(scale) & SSTE_PRIV_INF);
  return scale;
}

/* lane[j] = the larger of it and |x_j|, as bits; those above `above`, where
 * that is infinity's, are NaNs and drop out. */
static inline void sste_priv_fp8_lanes_take(int32_t *lane, const float *x,
                                            ptrdiff_t n, int32_t above) {
  ptrdiff_t j;
  SSTE_OMP(simd)
  for (j = 0; j < n; ++j) {
    const int32_t m = (int32_t)(sste_priv_bits(x[j]) & 0x7FFFFFFFu);
    const int32_t kept = m & -(m <= above);
    lane[j] = kept > lane[j] ? kept : lane[j];
  }
}

/* Element i goes to lane i mod 64. Fast because no step waits for the one
 * before it, as with one vector of maxima each would, which gcc -O2 even keeps
 * in memory. */
static inline void sste_priv_fp8_lanes_amax(int32_t *lane, const float *x,
                                            size_t n, int drop_nan) {
  const int32_t above = drop_nan ? (int32_t)SSTE_PRIV_INF : INT32_MAX;
  size_t c;
  for (c = 0; n - c >= 64; c += 64)
    sste_priv_fp8_lanes_take(lane, x + c, 64, above);
  if (c < n) sste_priv_fp8_lanes_take(lane, x + c, (ptrdiff_t)(n - c), above);
}

/* The largest of all lanes; every NaN is one value. */
static inline int32_t sste_priv_fp8_lanes_top(const int32_t *lane) {
  const int32_t inf = (int32_t)SSTE_PRIV_INF;
  int32_t top = 0;
  int j;
  for (j = 0; j < 64; ++j) top = lane[j] > top ? lane[j] : top;
  return top > inf ? (int32_t)SSTE_PRIV_NAN : top;
}

/* The largest magnitude of n floats, as bits. */
static inline int32_t sste_priv_fp8_row_amax(const float *x, size_t n,
                                             int drop_nan) {
  SSTE_PRIV_ALIGNED int32_t lane[64] = {0};
  sste_priv_fp8_lanes_amax(lane, x, n, drop_nan);
  return sste_priv_fp8_lanes_top(lane);
}

static inline float sste_priv_fp8_amax(const float *x, size_t ldx, size_t rows,
                                       size_t cols, int drop_nan) {
  int32_t top = 0;
  ptrdiff_t r;
  SSTE_OMP(parallel for schedule(static) reduction(max : top))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    const int32_t m =
        sste_priv_fp8_row_amax(x + (size_t)r * ldx, cols, drop_nan);
    top = m > top ? m : top;
  }
  return sste_priv_float((uint32_t)top);
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
  const sste_status s = sste_priv_matrix(x, rows, cols, ldx, sizeof *x);
  if (s != SSTE_OK) return s;
  if (amax == NULL) return SSTE_ERR_NULL;
  *amax = sste_priv_fp8_amax(x, ldx, cols == 0 ? 0 : rows, cols, 0);
  return SSTE_OK;
}

/* sste_fp8_format_check - OK if arrays can be of this format, else VALUE: E8M0;
 * and formats of any family but that, with E from 2 to 6, M = 7 - E, a sign or,
 * but for FNUZ, none, and a bias from 2^E - 104 to 2^E - 4. Then all numbers,
 * and the sums of section 5, are normal floats; max / amax cannot underflow. */
SSTE_API SSTE_HD sste_status sste_fp8_format_check(sste_fp8_format f) {
  const int E = f.exponent_bits;
  if (f.specials == SSTE_FP8_POW2)
    return f.sign_bits == 0 && E == 8 && f.mantissa_bits == 0 && f.bias == 127
               ? SSTE_OK
               : SSTE_ERR_VALUE;
  if (f.specials != SSTE_FP8_IEEE && f.specials != SSTE_FP8_FN &&
      f.specials != SSTE_FP8_FNUZ)
    return SSTE_ERR_VALUE;
  if (f.sign_bits != 1 && (f.sign_bits != 0 || f.specials == SSTE_FP8_FNUZ))
    return SSTE_ERR_VALUE;
  if (E < 2 || E > 6 || f.mantissa_bits != 7 - E) return SSTE_ERR_VALUE;
  if (f.bias < (1 << E) - 104 || f.bias > (1 << E) - 4) return SSTE_ERR_VALUE;
  return SSTE_OK;
}

/* A rule of listed choices that needs no random bits. */
SSTE_HD static inline int sste_priv_fp8_is_plain(sste_fp8_rule rule) {
  return (unsigned)rule.rounding <= SSTE_ROUND_E8M0_FIELDS &&
         rule.rounding != SSTE_ROUND_STOCHASTIC &&
         (unsigned)rule.overflow <= SSTE_OVERFLOW_NONE &&
         (unsigned)rule.nan <= SSTE_NAN_PAYLOAD &&
         (unsigned)rule.nan_sign <= 1 && (unsigned)rule.drop_sign <= 1 &&
         (unsigned)rule.via <= SSTE_VIA_FLOAT32;
}

/* sste_fp8_recipe_check - OK if the tensor functions take this recipe: the
 * format is sound, every choice is one of those listed, rounding is not
 * stochastic (there is no one to supply the random bits), and epsilon is
 * finite and not negative; else VALUE.                                      */
SSTE_API SSTE_HD sste_status sste_fp8_recipe_check(sste_fp8_recipe how) {
  if (sste_fp8_format_check(how.format) != SSTE_OK ||
      !sste_priv_fp8_is_plain(how.rule) || (unsigned)how.per_row > 1 ||
      (unsigned)how.scale > SSTE_SCALE_AMAX_RECIPROCAL ||
      (unsigned)how.apply > SSTE_APPLY_RECIPROCAL ||
      (unsigned)how.undo > SSTE_APPLY_RECIPROCAL ||
      (unsigned)how.drop_nan > 1 || (unsigned)how.power_of_two > 1 ||
      !(how.epsilon >= 0.0f && how.epsilon <= FLT_MAX))
    return SSTE_ERR_VALUE;
  return SSTE_OK;
}

/* sste_fp8_tensor_scale - the scale of a matrix, or of each of its rows.
 *   scale     receives one float, or `rows` of them if how.per_row; outside x.
 *             Without columns amax is 0; without rows a per-row scale is none
 *   x         rows x cols floats, rows ldx apart
 *   how       the recipe: per_row, drop_nan and what sste_fp8_scale uses
 *   e.g.      E4M3FN, {{1, -2}, {4, 0}} -> 112, or {224, 112} per row
 *   BITWISE. Overwrites scale. Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE.   */
SSTE_API sste_status sste_fp8_tensor_scale(float *scale, const float *x,
                                           size_t ldx, size_t rows, size_t cols,
                                           sste_fp8_recipe how) {
  const size_t count = how.per_row ? rows : 1;
  ptrdiff_t r;
  sste_status s = sste_priv_matrix(x, rows, cols, ldx, sizeof *x);
  if (s == SSTE_OK) s = sste_priv_matrix(scale, 1, count, count, sizeof *scale);
  if (s == SSTE_OK) s = sste_fp8_recipe_check(how);
  if (s != SSTE_OK) return s;
  if (sste_priv_overlap(scale, 1, count, count, sizeof *scale, x, rows, cols,
                        ldx, sizeof *x))
    return SSTE_ERR_OVERLAP;
  if (!how.per_row) {
    if (cols == 0) rows = 0;
    *scale = sste_fp8_scale(
        how, sste_priv_fp8_amax(x, ldx, rows, cols, how.drop_nan));
    return SSTE_OK;
  }
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)count; ++r) {
    const float *row = cols == 0 ? NULL : x + (size_t)r * ldx;
    scale[r] =
        sste_fp8_scale(how, sste_priv_float((uint32_t)sste_priv_fp8_row_amax(
                                row, cols, how.drop_nan)));
  }
  return SSTE_OK;
}

/* ---- 7. Tensors ---------------------------------------------------------- */

SSTE_HD static inline float sste_priv_fp8_apply(float x, float scale,
                                                int apply) {
  if (apply == SSTE_APPLY_DIVIDE) return x / scale;
  return x * (apply == SSTE_APPLY_RECIPROCAL ? 1.0f / scale : scale);
}

/* One row by one scale. The fast loops are two because one that asked how to
 * apply the scale would not be vectorised.                                  */
static inline void sste_priv_fp8_row_encode(uint8_t *code, const float *x,
                                            ptrdiff_t n, float scale,
                                            sste_fp8_recipe how,
                                            sste_priv_fp8_fast k) {
  const float factor = sste_priv_fp8_apply(1.0f, scale, how.apply);
  ptrdiff_t c;
  if (!sste_priv_fp8_is_fast(how.format, how.rule)) {
    for (c = 0; c < n; ++c) {
      const int is_nan = sste_priv_magnitude(x[c]) == SSTE_PRIV_NAN;
      const float y = sste_priv_fp8_apply(x[c], scale, how.apply);
      code[c] =
          sste_fp8_encode_float(how.format, how.rule, is_nan ? x[c] : y, 0);
    }
  } else if (how.apply == SSTE_APPLY_DIVIDE) {
    SSTE_OMP(simd)
    for (c = 0; c < n; ++c)
      code[c] = sste_priv_fp8_fast_encode(k, x[c] / scale, x[c]);
  } else {
    SSTE_OMP(simd)
    for (c = 0; c < n; ++c)
      code[c] = sste_priv_fp8_fast_encode(k, x[c] * factor, x[c]);
  }
}

/* Codes of a piece of a row in a format that has a -0, unless there is a NaN in
 * it: then 0, and codes to be overwritten. Fast as it needs to look for NaNs,
 * but not to make codes of them. */
static inline int sste_priv_fp8_piece_encode(uint8_t *code, const float *x,
                                             ptrdiff_t n, float scale,
                                             int apply, sste_priv_fp8_fast k) {
  const float factor = sste_priv_fp8_apply(1.0f, scale, apply);
  int32_t nan = 0;
  ptrdiff_t c;
  if (apply == SSTE_APPLY_DIVIDE) {
    SSTE_OMP(simd reduction(| : nan))
    for (c = 0; c < n; ++c)
      code[c] = sste_priv_fp8_plain_encode(k, x[c] / scale, &nan);
  } else {
    SSTE_OMP(simd reduction(| : nan))
    for (c = 0; c < n; ++c)
      code[c] = sste_priv_fp8_plain_encode(k, x[c] * factor, &nan);
  }
  return nan >= 0;
}

/* One row again, for most rows: in pieces, of which those with a NaN are done
 * as above. */
static inline void sste_priv_fp8_row_encode_pieces(uint8_t *code,
                                                   const float *x, ptrdiff_t n,
                                                   float scale,
                                                   sste_fp8_recipe how,
                                                   sste_priv_fp8_fast k) {
  const int quick =
      sste_priv_fp8_is_fast(how.format, how.rule) && k.zero_keeps != 0;
  ptrdiff_t c;
  for (c = 0; c < n; c += 256) {
    const ptrdiff_t m = n - c < 256 ? n - c : 256;
    if (!quick ||
        !sste_priv_fp8_piece_encode(code + c, x + c, m, scale, how.apply, k))
      sste_priv_fp8_row_encode(code + c, x + c, m, scale, how, k);
  }
}

static inline void sste_priv_fp8_row_decode(float *x, const uint8_t *code,
                                            ptrdiff_t n, float scale,
                                            sste_fp8_recipe how,
                                            sste_priv_fp8_fast k) {
  const float factor = sste_priv_fp8_apply(1.0f, scale, how.undo);
  ptrdiff_t c;
  if (how.format.sign_bits == 0) {
    for (c = 0; c < n; ++c)
      x[c] = sste_priv_canonical(sste_priv_fp8_apply(
          sste_fp8_decode(how.format, code[c]), scale, how.undo));
  } else if (how.undo == SSTE_APPLY_DIVIDE) {
    SSTE_OMP(simd)
    for (c = 0; c < n; ++c)
      x[c] = sste_priv_canonical(sste_priv_fp8_fast_decode(k, code[c]) / scale);
  } else {
    SSTE_OMP(simd)
    for (c = 0; c < n; ++c)
      x[c] =
          sste_priv_canonical(sste_priv_fp8_fast_decode(k, code[c]) * factor);
  }
}

/* One row there and back: by way of codes, which is the definition, or without
 * them, which is fast as nothing is narrowed to bytes and widened again. */
static inline void sste_priv_fp8_row_round(float *y, const float *x,
                                           ptrdiff_t n, float scale,
                                           sste_fp8_recipe how,
                                           sste_priv_fp8_fast k) {
  const int divide = how.apply == SSTE_APPLY_DIVIDE;
  const int redivide = how.undo == SSTE_APPLY_DIVIDE;
  const float factor = sste_priv_fp8_apply(1.0f, scale, how.apply);
  const float back = sste_priv_fp8_apply(1.0f, scale, how.undo);
  ptrdiff_t c;
  if (!sste_priv_fp8_is_fast(how.format, how.rule) || (divide && redivide)) {
    uint8_t code[256];
    for (c = 0; c < n; c += 256) {
      const ptrdiff_t m = n - c < 256 ? n - c : 256;
      sste_priv_fp8_row_encode(code, x + c, m, scale, how, k);
      sste_priv_fp8_row_decode(y + c, code, m, scale, how, k);
    }
  } else if (divide) {
    SSTE_OMP(simd)
    for (c = 0; c < n; ++c)
      y[c] =
          sste_priv_canonical(sste_priv_fp8_fast_round(k, x[c] / scale) * back);
  } else if (redivide) {
    SSTE_OMP(simd)
    for (c = 0; c < n; ++c)
      y[c] = sste_priv_canonical(sste_priv_fp8_fast_round(k, x[c] * factor) /
                                 scale);
  } else {
    SSTE_OMP(simd)
    for (c = 0; c < n; ++c)
      y[c] = sste_priv_canonical(sste_priv_fp8_fast_round(k, x[c] * factor) *
                                 back);
  }
}

/* Matrices apart, a sound recipe, and scales that are finite and positive, as
 * any other would turn zeros to NaN or flip signs; so must their reciprocals be
 * where the recipe takes them.                                              */
static inline sste_status sste_priv_fp8_tensor_check(
    const void *out, size_t ldo, size_t out_size, const void *in, size_t ldi,
    size_t in_size, size_t rows, size_t cols, const float *scale,
    sste_fp8_recipe how) {
  const size_t count = how.per_row ? rows : 1;
  const int reciprocal =
      how.apply == SSTE_APPLY_RECIPROCAL || how.undo == SSTE_APPLY_RECIPROCAL;
  size_t i;
  sste_status s =
      sste_priv_unary(out, ldo, out_size, in, ldi, in_size, rows, cols);
  if (s == SSTE_OK) s = sste_fp8_recipe_check(how);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  s = sste_priv_matrix(scale, 1, count, count, sizeof *scale);
  if (s != SSTE_OK) return s;
  if (sste_priv_overlap(out, rows, cols, ldo, out_size, scale, 1, count, count,
                        sizeof *scale))
    return SSTE_ERR_OVERLAP;
  for (i = 0; i < count; ++i)
    if (sste_priv_bits(scale[i]) - 1u >= SSTE_PRIV_INF - 1u ||
        (reciprocal && sste_priv_magnitude(1.0f / scale[i]) == SSTE_PRIV_INF))
      return SSTE_ERR_VALUE;
  return SSTE_OK;
}

/* sste_fp8_tensor_encode - quantise a matrix: code = encode(x * scale), or as
 * the recipe says.
 *   code      receives rows x cols codes, rows ldc apart
 *   x         rows x cols floats, rows ldx apart; may not overlap code
 *   scale     one float, or `rows` of them if how.per_row: finite and positive,
 *             as from sste_fp8_tensor_scale; 1 for none; outside code
 *   how       sste_fp8_recipe_current(format) or another recipe
 *   specials  as how.rule says
 *   e.g.      E4M3FN, scale 224: {2, -1, 0.001} -> {0x7E, 0xF6, 0x26}
 *   BITWISE: one float product or quotient, then one rounding. Overwrites code.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (scale or recipe).            */
SSTE_API sste_status sste_fp8_tensor_encode(uint8_t *code, size_t ldc,
                                            const float *x, size_t ldx,
                                            size_t rows, size_t cols,
                                            const float *scale,
                                            sste_fp8_recipe how) {
  sste_priv_fp8_fast k;
  ptrdiff_t r;
  const sste_status s = sste_priv_fp8_tensor_check(
      code, ldc, sizeof *code, x, ldx, sizeof *x, rows, cols, scale, how);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  k = sste_priv_fp8_constants(how.format, how.rule);
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)rows; ++r)
    sste_priv_fp8_row_encode_pieces(code + (size_t)r * ldc, x + (size_t)r * ldx,
                                    (ptrdiff_t)cols, scale[how.per_row ? r : 0],
                                    how, k);
  return SSTE_OK;
}

/* sste_fp8_tensor_decode - a matrix of codes to floats: decode(code) / scale,
 * or as the recipe says.
 *   x         receives rows x cols floats, rows ldx apart
 *   code      rows x cols codes, rows ldc apart; may not overlap x
 *   scale     the scale or scales that the codes were made with; 1 leaves the
 *             decoded values as they are, as an FP8 product takes them
 *   how       the recipe that the codes were made with
 *   specials  NaN codes give 0x7FC00000, infinities stay infinite
 *   e.g.      E4M3FN, scale 224: {0x7E, 0xF6, 0x26} -> {2, -1, 0.000976...}
 *   BITWISE: each value is one rounded quotient or product. Overwrites x.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (scale or recipe).            */
SSTE_API sste_status sste_fp8_tensor_decode(float *x, size_t ldx,
                                            const uint8_t *code, size_t ldc,
                                            size_t rows, size_t cols,
                                            const float *scale,
                                            sste_fp8_recipe how) {
  sste_priv_fp8_fast k;
  ptrdiff_t r;
  const sste_status s = sste_priv_fp8_tensor_check(
      x, ldx, sizeof *x, code, ldc, sizeof *code, rows, cols, scale, how);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  k = sste_priv_fp8_constants(how.format, how.rule);
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)rows; ++r)
    sste_priv_fp8_row_decode(x + (size_t)r * ldx, code + (size_t)r * ldc,
                             (ptrdiff_t)cols, scale[how.per_row ? r : 0], how,
                             k);
  return SSTE_OK;
}

/* sste_fp8_tensor_round - fake-quant: what a matrix becomes by way of FP8,
 * y = decode(encode(x * scale)) / scale, or as the recipe says.
 *   y         receives rows x cols floats, rows ldy apart; may be x itself
 *   x         rows x cols floats, rows ldx apart
 *   scale     as for sste_fp8_tensor_encode; outside y
 *   how       as for sste_fp8_tensor_encode
 *   specials  as encode and decode
 *   e.g.      E4M3FN, scale 224: {2, -1, 0.3} -> {2, -1, 0.285714...}
 *   BITWISE: the bits of tensor_encode followed by tensor_decode. Overwrites y.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (scale or recipe).            */
SSTE_API sste_status sste_fp8_tensor_round(float *y, size_t ldy, const float *x,
                                           size_t ldx, size_t rows, size_t cols,
                                           const float *scale,
                                           sste_fp8_recipe how) {
  sste_priv_fp8_fast k;
  ptrdiff_t r;
  const sste_status s = sste_priv_fp8_tensor_check(
      y, ldy, sizeof *y, x, ldx, sizeof *x, rows, cols, scale, how);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  k = sste_priv_fp8_constants(how.format, how.rule);
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)rows; ++r)
    sste_priv_fp8_row_round(y + (size_t)r * ldy, x + (size_t)r * ldx,
                            (ptrdiff_t)cols, scale[how.per_row ? r : 0], how,
                            k);
  return SSTE_OK;
}

/* ---- 8. Exact products --------------------------------------------------- */

/* Every finite number of a format is a whole multiple of its smallest
 * subnormal, 2^(1-B-M). So a product of two is a whole number of product units,
 * and a sum of products can be kept exactly, in any order: the only rounding is
 * the one at the end. As whole numbers E4M3's are below 2^18 and E5M2's below
 * 2^33. For two E5M2s in 64 bits the second is cut at 2^16: 256 products with
 * its upper part stay below 2^33 * 2^17 * 2^8 = 2^58. The sums of blocks of 256
 * go into 128 bits, of which a single product uses 66 at most.
 *
 * A sum of 128 bits in two's complement. */
typedef struct sste_priv_fp8_sum {
  uint64_t high, low;
} sste_priv_fp8_sum;

/* sum += x * 2^n, 0 <= n < 64 */
SSTE_HD static inline void sste_priv_fp8_add(sste_priv_fp8_sum *sum, int64_t x,
                                             int n) {
  const uint64_t extended = x < 0 ? ~(uint64_t)0 : 0;
  const uint64_t low = (uint64_t)x << n;
  const uint64_t high =
      n == 0 ? extended : extended << n | (uint64_t)x >> (64 - n);
  sum->low += low;
  sum->high += high + (sum->low < low);
}

/* sum * 2^exponent as a number of 64 bits, the lost ones jammed. A sum of 0 has
 * no sign: it is +0.                                                        */
SSTE_HD static inline sste_priv_fp8_number sste_priv_fp8_total(
    sste_priv_fp8_sum sum, int exponent) {
  sste_priv_fp8_number x;
  x.kind = SSTE_PRIV_FP8_FINITE;
  x.negative = (int)(sum.high >> 63);
  if (x.negative) {
    sum.low = ~sum.low + 1;
    sum.high = ~sum.high + (sum.low == 0);
  }
  x.significand = sum.low;
  x.exponent = exponent;
  if (sum.high != 0) {
    const int n = sste_priv_fp8_log2(sum.high) + 1;
    x.significand = sum.high << (64 - n) | sste_priv_fp8_jam(sum.low, n);
    x.exponent += n;
  }
  return x;
}

/* Whole numbers for the codes of a format; 0 for infinity and NaN, and which
 * those are.                                                                */
typedef struct sste_priv_fp8_table {
  int64_t units[256];
  uint8_t special[256];
  int exponent; /* of one unit */
  sste_fp8_format format;
} sste_priv_fp8_table;

static inline void sste_priv_fp8_fill(sste_priv_fp8_table *t,
                                      sste_fp8_format f) {
  int c;
  t->format = f;
  t->exponent = 1 - f.bias - f.mantissa_bits;
  for (c = 0; c < 256; ++c) {
    const sste_priv_fp8_number x = sste_priv_fp8_unpack(f, (uint64_t)c);
    t->special[c] = x.kind != SSTE_PRIV_FP8_FINITE;
    t->units[c] = 0;
    if (t->special[c]) continue;
    t->units[c] = (int64_t)(x.significand << (x.exponent - t->exponent));
    if (x.negative) t->units[c] = -t->units[c];
  }
}

/* sum += <a, b> over at most 256 terms; whether one of the codes is special. */
static inline int sste_priv_fp8_block(sste_priv_fp8_sum *sum,
                                      const sste_priv_fp8_table *ta,
                                      const uint8_t *a,
                                      const sste_priv_fp8_table *tb,
                                      const uint8_t *b, size_t n) {
  int64_t low = 0, high = 0;
  int special = 0;
  size_t k;
  for (k = 0; k < n; ++k) {
    const int64_t x = ta->units[a[k]], y = tb->units[b[k]];
    low += x * (y % 65536);
    high += x * (y / 65536);
    special |= ta->special[a[k]] | tb->special[b[k]];
  }
  sste_priv_fp8_add(sum, low, 0);
  sste_priv_fp8_add(sum, high, 16);
  return special;
}

/* The dot product of two rows of which one has an infinity or a NaN. */
static inline sste_priv_fp8_number sste_priv_fp8_special(sste_fp8_format fa,
                                                         const uint8_t *a,
                                                         sste_fp8_format fb,
                                                         const uint8_t *b,
                                                         size_t depth) {
  int nan = 0, plus = 0, minus = 0;
  sste_priv_fp8_number sum;
  size_t k;
  for (k = 0; k < depth; ++k) {
    const sste_priv_fp8_number x = sste_priv_fp8_unpack(fa, a[k]);
    const sste_priv_fp8_number y = sste_priv_fp8_unpack(fb, b[k]);
    const int infinite =
        x.kind == SSTE_PRIV_FP8_INFINITE || y.kind == SSTE_PRIV_FP8_INFINITE;
    if (x.kind == SSTE_PRIV_FP8_NAN || y.kind == SSTE_PRIV_FP8_NAN ||
        (infinite && (x.significand == 0 || y.significand == 0)))
      nan = 1;
    else if (infinite && x.negative != y.negative)
      minus = 1;
    else if (infinite)
      plus = 1;
  }
  sum.kind =
      nan || (plus && minus) ? SSTE_PRIV_FP8_NAN : SSTE_PRIV_FP8_INFINITE;
  sum.negative = sum.kind == SSTE_PRIV_FP8_INFINITE && minus;
  sum.exponent = 0;
  sum.significand = 0;
  return sum;
}

static inline sste_priv_fp8_number sste_priv_fp8_row_dot(
    const sste_priv_fp8_table *ta, const uint8_t *a,
    const sste_priv_fp8_table *tb, const uint8_t *b, size_t n) {
  const size_t block = 256;
  sste_priv_fp8_sum sum = {0, 0};
  int special = 0;
  size_t k;
  for (k = 0; k < n; k += block)
    special |= sste_priv_fp8_block(&sum, ta, a + k, tb, b + k,
                                   n - k < block ? n - k : block);
  if (special) return sste_priv_fp8_special(ta->format, a, tb->format, b, n);
  return sste_priv_fp8_total(sum, ta->exponent + tb->exponent);
}

/* Rounded to a float; NaN is 0x7FC00000. */
SSTE_HD static inline float sste_priv_fp8_to_float(sste_priv_fp8_number x) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.overflow = SSTE_OVERFLOW_NONE;
  rule.nan = SSTE_NAN_QUIET;
  return sste_priv_float(
      (uint32_t)sste_priv_fp8_pack(sste_fp8_float32(), &rule, &x, 0));
}

/* Formats whose numbers are whole multiples, below 2^33, of one. */
static inline sste_status sste_priv_fp8_factors(sste_fp8_format fa,
                                                sste_fp8_format fb) {
  return sste_fp8_format_check(fa) != SSTE_OK ||
                 sste_fp8_format_check(fb) != SSTE_OK || fa.exponent_bits > 5 ||
                 fb.exponent_bits > 5
             ? SSTE_ERR_VALUE
             : SSTE_OK;
}

/* sste_fp8_dot - the exact dot product of two rows of codes, rounded once:
 *     sum_k decode(a_k) * decode(b_k)
 *   bits      receives the result, a code of `to`
 *   to, rule  any format of section 1 (not checked), and how it is rounded
 *   fa, a     n codes of one format; fb, b: n of the same or another. Those
 *             that sste_fp8_format_check takes, with E of 5 at most: all but
 *             E8M0
 *   specials  as IEEE 754 adds: NaN if a code is, for infinity * 0 and for
 *             infinities of both signs; else the infinity. An exact 0 is +0
 *   e.g.      E5M2 {57344, 2^-16, -57344} . {57344, 2^-16, 57344} -> 2^-32
 *   ROUNDED-ONCE and BITWISE; the order of the terms cannot matter. Overwrites.
 *   Errors: NULL, VALUE (fa, fb; a rule that is stochastic or in two steps). */
SSTE_API sste_status sste_fp8_dot(uint64_t *bits, sste_fp8_format to,
                                  sste_fp8_rule rule, sste_fp8_format fa,
                                  const uint8_t *a, sste_fp8_format fb,
                                  const uint8_t *b, size_t n) {
  sste_priv_fp8_table ta, tb;
  sste_priv_fp8_number sum;
  if (bits == NULL || (n > 0 && (a == NULL || b == NULL))) return SSTE_ERR_NULL;
  if (sste_priv_fp8_factors(fa, fb) != SSTE_OK ||
      !sste_priv_fp8_is_plain(rule) || rule.via != SSTE_VIA_NOTHING)
    return SSTE_ERR_VALUE;
  sste_priv_fp8_fill(&ta, fa);
  sste_priv_fp8_fill(&tb, fb);
  sum = sste_priv_fp8_row_dot(&ta, a, &tb, b, n);
  *bits = sste_priv_fp8_pack(to, &rule, &sum, 0);
  return SSTE_OK;
}

/* sste_fp8_product - the exact product of two matrices of codes, each element
 * rounded once:  Z = A B^T,  z_ij = sum_k decode(a_ik) * decode(b_jk)
 *   z         receives rows x cols floats, rows ldz apart
 *   fa, a     rows x depth codes, rows lda apart; activations, say
 *   fb, b     cols x depth codes, rows ldb apart; weights. Both run along the
 *             sum, as FP8 tensor cores take them. Formats as sste_fp8_dot
 *   scales    none: divide z by them, as a GEMM does to its float sums
 *   specials  as sste_fp8_dot; a NaN is 0x7FC00000
 *   ROUNDED-ONCE and BITWISE. A GEMM of exact products that rounds to float n
 *   times, in any order, lies within (n + 1) * 2^-24 * sum_k |a_ik b_jk| of z;
 *   one that truncates, within (2n + 1); tensor cores keep fewer bits.
 *   Overwrites z; depth 0 gives zeros.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (a format).                   */
SSTE_API sste_status sste_fp8_product(float *z, size_t ldz, sste_fp8_format fa,
                                      const uint8_t *a, size_t lda,
                                      sste_fp8_format fb, const uint8_t *b,
                                      size_t ldb, size_t rows, size_t cols,
                                      size_t depth) {
  sste_priv_fp8_table ta, tb;
  ptrdiff_t i;
  sste_status s = sste_priv_matrix(z, rows, cols, ldz, sizeof *z);
  if (s == SSTE_OK && cols > 0) s = sste_priv_matrix(a, rows, depth, lda, 1);
  if (s == SSTE_OK && rows > 0) s = sste_priv_matrix(b, cols, depth, ldb, 1);
  if (s == SSTE_OK) s = sste_priv_fp8_factors(fa, fb);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (sste_priv_overlap(z, rows, cols, ldz, sizeof *z, a, rows, depth, lda,
                        1) ||
      sste_priv_overlap(z, rows, cols, ldz, sizeof *z, b, cols, depth, ldb, 1))
    return SSTE_ERR_OVERLAP;
  sste_priv_fp8_fill(&ta, fa);
  sste_priv_fp8_fill(&tb, fb);
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)rows; ++i) {
    size_t j;
    for (j = 0; j < cols; ++j) {
      const uint8_t *row = depth == 0 ? NULL : a + (size_t)i * lda;
      const uint8_t *col = depth == 0 ? NULL : b + j * ldb;
      z[(size_t)i * ldz + j] = sste_priv_fp8_to_float(
          sste_priv_fp8_row_dot(&ta, row, &tb, col, depth));
    }
  }
  return SSTE_OK;
}

#ifdef __cplusplus
}
#endif

#endif /* SSTE_FP8_H */
