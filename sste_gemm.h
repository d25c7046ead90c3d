/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * sste_gemm.h - products with a 2:4 sparse operand, at the speed of the CPU.
 *
 * sste.h multiplies in double: those are the products to compare with. These
 * sum in float, as training does, and are faster than a dense BLAS, because
 * half of the multiplications are never made:
 *
 *     Y = A B,   A: M x L, 2:4 along its rows,   B: L x J,   Y: M x J
 *
 *     y_ij = sum over the L/2 kept entries of row i of a_il b_lj
 *
 * Each kept a_il multiplies a whole row of B, l ascending, and what a sparse
 * tensor core calls metadata says which row. So nothing is gathered: the inner
 * loop runs over j, through eight rows of B at once,
 *
 *     y[j] += a_0 b_0[j] + a_1 b_1[j] + ... + a_7 b_7[j]
 *
 * and is as regular as a dense one. All three products of a layer have this
 * form (X: T x K, W: N x K, Z: T x N; dX, dW, dZ: gradients):
 *
 *                             A, packed               B          Y
 *     Z  = X W^T     forward  W             N x K     X^T        Z^T
 *     dX = dZ W      input    W^T           K x N     dZ^T       dX^T
 *     dW = dZ^T X    weight   MVUE(dZ)^T    N x T     X          dW
 *
 * For dX, W must be 2:4 down its columns as well, as a transposable mask makes
 * it, and W^T is packed beside W; otherwise dX is a dense product. Flags say
 * whether an array holds B or Y or its transpose, so that activations may lie
 * features-major ([feature][token]) or token-major.
 *
 *   1. The packed form    a compressed matrix, arranged in the order of its use
 *   2. Sparse products    Y = A B with A packed
 *   3. Dense products     the same with a dense A, for what stays dense
 *
 * By hand: A = (0, 5, 0, 2), packed as (5, 2) and nibble 0xD, L = 4, and B the
 * column (1, 2, 3, 4): rows 1 and 3 are multiplied, Y = 5 * 2 + 2 * 4 = 18.
 *
 * Numerics. ORDERED: each output is one float sum in ascending l that begins at
 * +0, and each step is one fused multiply-add where the compiler's target has
 * that instruction, else a product and a sum. So the bits are the same for any
 * number of threads and any tiling, and may differ from one target to another.
 * Over the n terms that are multiplied (n = L/2, or L with a dense A), with
 * u = 2^-24 and barring underflow and overflow of any partial sum,
 *
 *     |y - exact| <= n u / (1 - n u) * sum |a_il b_lj|
 *
 * sste_product_forward_compressed in sste.h sums the same terms in double.
 *
 * Speed. B is copied into panels of 256 columns, unless A has very few rows. A
 * is packed in blocks of 32 columns. A block meets 32 KiB of a panel, which
 * stay in the L1 cache while rows of A pass over them; their sums, 1 KiB a row,
 * stay in the L2 cache. Threads share the tiles of Y, of 256 columns and 32 to
 * 256 rows. Compile with -O3 and the target's own flags (-march=native; without
 * optimisation fmaf may want -lm). bench/ has the measurements.
 *
 * Uses sste.h and sste_fp8.h. Nothing is allocated, printed or kept.        */
#ifndef SSTE_GEMM_H
#define SSTE_GEMM_H

#include <math.h>

#include "sste.h"
#include "sste_fp8.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A matrix that a call was given, as it lies in memory. */
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
static inline sste_priv_extent sste_priv_turned(const float *p, size_t rows,
                                                size_t cols, size_t ld,
                                                int transposed) {
  return transposed ? sste_priv_floats(p, cols, rows, ld)
                    : sste_priv_floats(p, rows, cols, ld);
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

/* ---- 1. The packed form -------------------------------------------------- */

/* Sizes of the blocks: columns of A (rows of B), and columns of B. */
enum { SSTE_PRIV_GEMM_DEPTH = 32, SSTE_PRIV_GEMM_WIDTH = 256 };
enum {
  SSTE_PRIV_GEMM_KEPT = SSTE_PRIV_GEMM_DEPTH / 2,   /* values of a row */
  SSTE_PRIV_GEMM_NIBBLES = SSTE_PRIV_GEMM_DEPTH / 8 /* and their bytes */
};

/* A 2:4 matrix for products. The columns are taken 32 at a time; of each such
 * block all rows follow one another, 16 values and 4 bytes of metadata each, so
 * that a product reads both from front to back. Where the last block is not
 * full, values are 0 and nibbles 0x4. sste_packed_init makes one, which is good
 * as long as the memory that it points into; do not write its fields.       */
typedef struct sste_packed {
  size_t rows, cols;      /* M and L */
  sste_type type;         /* of the values: all but SSTE_INT8 */
  sste_fp8_format format; /* of SSTE_FP8 codes */
  const void *values;     /* blocks x M x 16 elements */
  const uint8_t *meta;    /* blocks x M x 4 bytes */
} sste_packed;

static inline size_t sste_priv_gemm_blocks(size_t L) {
  return L / SSTE_PRIV_GEMM_DEPTH + (L % SSTE_PRIV_GEMM_DEPTH != 0);
}

/* sste_packed_bytes - the memory that a packed matrix takes.
 *   rows, cols  its shape, M and L
 *   type      of its values
 *   returns   bytes; SIZE_MAX if the sizes overflow
 *   e.g.      64 x 64 floats: 2 blocks * 64 rows * (16 * 4 + 4) = 8704
 *   Never fails.                                                            */
SSTE_API size_t sste_packed_bytes(size_t rows, size_t cols, sste_type type) {
  const size_t blocks = sste_priv_gemm_blocks(cols);
  const size_t each =
      SSTE_PRIV_GEMM_KEPT * sste_priv_type_bytes(type) + SSTE_PRIV_GEMM_NIBBLES;
  if (rows == 0 || blocks == 0) return 0;
  if (blocks > (size_t)PTRDIFF_MAX / each / rows) return SIZE_MAX;
  return blocks * rows * each;
}

/* Block b of row r: the kept values and nibbles of columns 32 b on. */
static inline void sste_priv_packed_row(uint8_t *values, uint8_t *meta,
                                        const uint8_t *from,
                                        const uint8_t *from_meta, size_t cols,
                                        size_t size) {
  const size_t kept = cols / 2, bytes = (cols / 4 + 1) / 2;
  memset(values, 0, SSTE_PRIV_GEMM_KEPT * size);
  memset(meta, 0x44, SSTE_PRIV_GEMM_NIBBLES);
  memcpy(values, from, kept * size);
  memcpy(meta, from_meta, bytes);
  if (cols / 4 % 2 != 0) meta[bytes - 1] = (meta[bytes - 1] & 0x0F) | 0x40;
}

/* sste_packed_init - pack a compressed matrix.
 *   packed    receives the description
 *   memory    receives the values and the metadata: at least
 *             sste_packed_bytes(rows, cols, type) bytes, aligned for the type
 *   bytes     how many there are
 *   values    rows x cols/2 elements, rows ldv apart; cols a multiple of 4
 *   meta      rows x ceil(cols/8) bytes, rows ldm apart: both as
 *             sste_tensor_compress_as makes them. For the packed transpose of a
 *             matrix take its compressed form down the columns
 *   type      of the values: float, float16, bfloat16 or FP8. A product decodes
 *             them as it goes, exactly. FNUZ codes, whose 0x80 is a NaN, are
 *             compressed as SSTE_INT8, but packed as SSTE_FP8
 *   format    of FP8 codes; null for the other types
 *   specials  values are copied as they are
 *   e.g.      64 x 64 floats: columns 0 to 31 of all rows, then 32 to 63
 *   BITWISE. Overwrites packed, and memory, which may not overlap the inputs.
 *   Errors: NULL, SHAPE, SIZE (also: too little memory), OVERLAP, VALUE (type,
 *   format, or memory not aligned), PATTERN (an illegal nibble).            */
SSTE_API sste_status sste_packed_init(sste_packed *packed, void *memory,
                                      size_t bytes, const void *values,
                                      size_t ldv, const uint8_t *meta,
                                      size_t ldm, size_t rows, size_t cols,
                                      sste_type type,
                                      const sste_fp8_format *format) {
  const size_t need = sste_packed_bytes(rows, cols, type);
  const size_t blocks = sste_priv_gemm_blocks(cols);
  size_t size;
  uint8_t *put, *put_meta;
  ptrdiff_t b;
  sste_status s;
  if ((int)type < 0 || type >= SSTE_INT8) return SSTE_ERR_VALUE;
  if (packed == NULL || (need != 0 && memory == NULL) ||
      (type == SSTE_FP8 && format == NULL))
    return SSTE_ERR_NULL;
  if (type == SSTE_FP8 && sste_fp8_format_check(*format) != SSTE_OK)
    return SSTE_ERR_VALUE;
  if (need == SIZE_MAX || bytes < need) return SSTE_ERR_SIZE;
  size = sste_priv_type_bytes(type);
  s = sste_priv_compressed(values, ldv, meta, ldm, rows, cols, size);
  if (s != SSTE_OK) return s;
  if ((uintptr_t)memory % size != 0) return SSTE_ERR_VALUE;
  if (sste_priv_overlap(memory, 1, need, need, 1, values, rows, cols / 2, ldv,
                        size) ||
      sste_priv_overlap(memory, 1, need, need, 1, meta, rows,
                        sste_priv_meta_cols(cols), ldm, 1))
    return SSTE_ERR_OVERLAP;
  put = (uint8_t *)memory;
  put_meta = need == 0 ? put : put + blocks * rows * SSTE_PRIV_GEMM_KEPT * size;
  SSTE_OMP(parallel for schedule(static))
  for (b = 0; b < (ptrdiff_t)blocks; ++b) {
    const size_t k = (size_t)b * SSTE_PRIV_GEMM_DEPTH;
    const size_t width = sste_priv_at_most(cols - k, SSTE_PRIV_GEMM_DEPTH);
    size_t r;
    for (r = 0; r < rows; ++r) {
      const size_t at = (size_t)b * rows + r;
      sste_priv_packed_row(put + at * SSTE_PRIV_GEMM_KEPT * size,
                           put_meta + at * SSTE_PRIV_GEMM_NIBBLES,
                           (const uint8_t *)values + (r * ldv + k / 2) * size,
                           meta + r * ldm + k / 8, width, size);
    }
  }
  packed->rows = rows;
  packed->cols = cols;
  packed->type = type;
  packed->format = type == SSTE_FP8 ? *format : sste_fp8_e4m3fn();
  packed->values = put;
  packed->meta = put_meta;
  return SSTE_OK;
}

/* ---- 2. Sparse products -------------------------------------------------- */

/* a b + c. With the instruction, one rounding; without it fmaf would be a call
 * to a slow emulation. */
SSTE_PRIV_INLINE float sste_priv_multiply_add(float a, float b, float c) {
#if defined(__FMA__) || defined(__FP_FAST_FMAF) || defined(FP_FAST_FMAF)
  return fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

/* An empty statement that gcc 12 cannot see through. Without it -O3 "unrolls
 * and jams" the loops around an `omp simd` loop of constant length into it,
 * which then is seven times slower. */
#if defined(__GNUC__) && !defined(__clang__)
#define SSTE_PRIV_NO_JAM __asm__ volatile("");
#else
#define SSTE_PRIV_NO_JAM
#endif

/* Lanes that the compilers turn into registers of whatever width there is; the
 * width of a panel is a multiple. */
enum { SSTE_PRIV_GEMM_LANES = 32 };

/* y[j] += a[0] b[0][j] + ... + a[7] b[7][j], one after another: y is loaded and
 * stored once for eight products, the rest are loads of B. The pointers walk by
 * themselves: as indices from one base, gcc's choice otherwise, they cost a
 * tenth of the speed. */
static inline void sste_priv_gemm_pass(float *y, size_t width,
                                       const float a[SSTE_PRIV_TERMS],
                                       const float *const b[SSTE_PRIV_TERMS]) {
  const float a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3];
  const float a4 = a[4], a5 = a[5], a6 = a[6], a7 = a[7];
  const float *b0 = b[0], *b1 = b[1], *b2 = b[2], *b3 = b[3];
  const float *b4 = b[4], *b5 = b[5], *b6 = b[6], *b7 = b[7];
  size_t c;
  for (c = 0; c < width; c += SSTE_PRIV_GEMM_LANES) {
    size_t j;
    SSTE_PRIV_NO_JAM
    SSTE_OMP(simd)
    for (j = 0; j < SSTE_PRIV_GEMM_LANES; ++j) {
      float s = y[j];
      s = sste_priv_multiply_add(a0, b0[j], s);
      s = sste_priv_multiply_add(a1, b1[j], s);
      s = sste_priv_multiply_add(a2, b2[j], s);
      s = sste_priv_multiply_add(a3, b3[j], s);
      s = sste_priv_multiply_add(a4, b4[j], s);
      s = sste_priv_multiply_add(a5, b5[j], s);
      s = sste_priv_multiply_add(a6, b6[j], s);
      s = sste_priv_multiply_add(a7, b7[j], s);
      y[j] = s;
    }
    y += SSTE_PRIV_GEMM_LANES;
    b0 += SSTE_PRIV_GEMM_LANES;
    b1 += SSTE_PRIV_GEMM_LANES;
    b2 += SSTE_PRIV_GEMM_LANES;
    b3 += SSTE_PRIV_GEMM_LANES;
    b4 += SSTE_PRIV_GEMM_LANES;
    b5 += SSTE_PRIV_GEMM_LANES;
    b6 += SSTE_PRIV_GEMM_LANES;
    b7 += SSTE_PRIV_GEMM_LANES;
  }
}

/* y[j] += a b[j], for the terms that are left of eights. */
static inline void sste_priv_gemm_term(float *y, size_t width, float a,
                                       const float *b) {
  size_t j;
  SSTE_OMP(simd)
  for (j = 0; j < width; ++j) y[j] = sste_priv_multiply_add(a, b[j], y[j]);
}

/* One row of A, with so many kept values in this block, times one block of B,
 * whose rows are ldb apart. */
static inline void sste_priv_gemm_sparse_row(float *y, size_t width,
                                             const float *a,
                                             const uint8_t *meta, size_t kept,
                                             const float *b, size_t ldb) {
  size_t i, g;
  for (i = 0; i + SSTE_PRIV_TERMS <= kept; i += SSTE_PRIV_TERMS) {
    const float *row[SSTE_PRIV_TERMS];
    for (g = 0; g < SSTE_PRIV_TERMS / 2; ++g) {
      const int nibble = sste_priv_nibble(meta, i / 2 + g);
      const float *group = b + (2 * i + 4 * g) * ldb;
      row[2 * g] = group + (size_t)(nibble & 3) * ldb;
      row[2 * g + 1] = group + (size_t)(nibble >> 2) * ldb;
    }
    sste_priv_gemm_pass(y, width, a + i, row);
  }
  for (; i < kept; ++i) {
    const int place = sste_priv_nibble(meta, i / 2) >> 2 * (i % 2) & 3;
    sste_priv_gemm_term(y, width, a[i], b + (i / 2 * 4 + (size_t)place) * ldb);
  }
}

/* float16 to float as sste_priv_from_float16, without branches. */
SSTE_PRIV_INLINE float sste_priv_gemm_float16(uint32_t h) {
  const uint32_t m = (h & 0x7FFFu) << 13;
  const uint32_t special = (uint32_t)0 - (uint32_t)(m >= 0x0F800000u);
  const uint32_t tiny = (uint32_t)0 - (uint32_t)(m < 0x00800000u);
  const uint32_t wide = m + 0x38000000u + (special & 0x38000000u);
  /* A subnormal is the fraction of 2^-14 and itself. */
  const uint32_t fraction =
      sste_priv_bits(sste_priv_float(m + 0x38800000u) - 1.0f / 16384.0f);
  return sste_priv_float((h & 0x8000u) << 16 | (wide & ~tiny) |
                         (fraction & tiny));
}

/* The 16 values of a block's row as floats: in place, or decoded to `room`. */
static inline const float *sste_priv_packed_values(
    float room[SSTE_PRIV_GEMM_KEPT], const sste_packed *a, size_t at,
    const float *of_code) {
  const size_t first = at * SSTE_PRIV_GEMM_KEPT;
  int i;
  if (a->type == SSTE_FLOAT32) return (const float *)a->values + first;
  if (a->type == SSTE_FLOAT16) {
    const uint16_t *half = (const uint16_t *)a->values + first;
    SSTE_PRIV_NO_JAM
    SSTE_OMP(simd)
    for (i = 0; i < SSTE_PRIV_GEMM_KEPT; ++i)
      room[i] = sste_priv_gemm_float16(half[i]);
  } else if (a->type == SSTE_BFLOAT16) {
    const uint16_t *half = (const uint16_t *)a->values + first;
    for (i = 0; i < SSTE_PRIV_GEMM_KEPT; ++i)
      room[i] = sste_priv_float((uint32_t)half[i] << 16);
  } else {
    const uint8_t *code = (const uint8_t *)a->values + first;
    for (i = 0; i < SSTE_PRIV_GEMM_KEPT; ++i) room[i] = of_code[code[i]];
  }
  return room;
}

/* 16 x 16 floats transposed in place: four perfect shuffles (out_2i = in_i,
 * out_2i+1 = in_i+128) turn the eight bits of an index by four. */
static inline void sste_priv_transpose_16(float x[256]) {
  SSTE_PRIV_ALIGNED float y[256];
  int turn, i;
  for (turn = 0; turn < 2; ++turn) {
    SSTE_PRIV_NO_JAM
    SSTE_OMP(simd)
    for (i = 0; i < 128; ++i) {
      y[2 * i] = x[i];
      y[2 * i + 1] = x[i + 128];
    }
    SSTE_PRIV_NO_JAM
    SSTE_OMP(simd)
    for (i = 0; i < 128; ++i) {
      x[2 * i] = y[i];
      x[2 * i + 1] = y[i + 128];
    }
  }
}

/* A tile's rows into 16 x 16 floats, or out of them. A length that the compiler
 * knows is a register's, not a call's. */
static inline void sste_priv_copy_rows(float *to, size_t ldt, const float *from,
                                       size_t ldf, size_t rows, size_t cols) {
  size_t i;
  if (cols == 16)
    for (i = 0; i < rows; ++i) memcpy(to + i * ldt, from + i * ldf, 64);
  else
    for (i = 0; i < rows; ++i)
      memcpy(to + i * ldt, from + i * ldf, cols * sizeof *to);
}

/* The tile of out (cols x rows) = the transpose of in (rows x cols), that takes
 * in from (r, c) on. */
static inline void sste_priv_transpose_tile(float *out, size_t ldo,
                                            const float *in, size_t ldi,
                                            size_t rows, size_t cols, size_t r,
                                            size_t c) {
  const size_t down = sste_priv_at_most(rows - r, 16);
  const size_t across = sste_priv_at_most(cols - c, 16);
  SSTE_PRIV_ALIGNED float tile[256];
  if (down < 16 || across < 16) memset(tile, 0, sizeof tile);
  sste_priv_copy_rows(tile, 16, in + r * ldi + c, ldi, down, across);
  sste_priv_transpose_16(tile);
  sste_priv_copy_rows(out + c * ldo + r, ldo, tile, 16, across, down);
}

/* All tiles, along the rows of the matrix whose rows are further apart: at a
 * stride of 4 KiB a cache has few places for a column of tiles. */
static inline void sste_priv_transpose(float *out, size_t ldo, const float *in,
                                       size_t ldi, size_t rows, size_t cols) {
  size_t r, c;
  if (ldi > ldo) {
    for (r = 0; r < rows; r += 16)
      for (c = 0; c < cols; c += 16)
        sste_priv_transpose_tile(out, ldo, in, ldi, rows, cols, r, c);
  } else {
    for (c = 0; c < cols; c += 16)
      for (r = 0; r < rows; r += 16)
        sste_priv_transpose_tile(out, ldo, in, ldi, rows, cols, r, c);
  }
}

/* B in panels of 256 columns, the last one as wide as it must be: a multiple of
 * the lanes. A panel's L rows follow one another. */
typedef struct sste_priv_panels {
  float *p;
  size_t L, J;
  const float *b; /* B as it was given */
  size_t ldb;
  int transposed;
  int once; /* A has few rows: a copy of B would cost more than it saves */
} sste_priv_panels;

/* n columns, rounded up to full lanes. */
static inline size_t sste_priv_gemm_cols(size_t n) {
  const size_t lanes = SSTE_PRIV_GEMM_LANES;
  return (n + lanes - 1) / lanes * lanes;
}

static inline size_t sste_priv_panel_width(const sste_priv_panels *b,
                                           size_t panel) {
  const size_t left = b->J - panel * SSTE_PRIV_GEMM_WIDTH;
  return sste_priv_gemm_cols(sste_priv_at_most(left, SSTE_PRIV_GEMM_WIDTH));
}

enum { SSTE_PRIV_GEMM_FEW = 4 }; /* rows of A */

/* Whether a panel is read where B lies, which takes full lanes. */
static inline int sste_priv_panel_lies(const sste_priv_panels *b,
                                       size_t panel) {
  const size_t left = b->J - panel * SSTE_PRIV_GEMM_WIDTH;
  return b->once && !b->transposed &&
         (left >= SSTE_PRIV_GEMM_WIDTH || left % SSTE_PRIV_GEMM_LANES == 0);
}

/* One piece of the copy of B: the rows of one block in one panel, unless it is
 * read in place. */
static inline void sste_priv_panel_fill(const sste_priv_panels *to,
                                        size_t piece) {
  const size_t blocks = sste_priv_gemm_blocks(to->L), panel = piece / blocks;
  const size_t l = piece % blocks * SSTE_PRIV_GEMM_DEPTH;
  const size_t width = sste_priv_panel_width(to, panel);
  const size_t j = panel * SSTE_PRIV_GEMM_WIDTH;
  const size_t cols = sste_priv_at_most(to->J - j, SSTE_PRIV_GEMM_WIDTH);
  const size_t rows = sste_priv_at_most(to->L - l, SSTE_PRIV_GEMM_DEPTH);
  float *put = to->p + panel * SSTE_PRIV_GEMM_WIDTH * to->L + l * width;
  size_t i;
  if (sste_priv_panel_lies(to, panel)) return;
  if (cols < width) memset(put, 0, rows * width * sizeof *put);
  if (to->transposed)
    sste_priv_transpose(put, width, to->b + j * to->ldb + l, to->ldb, cols,
                        rows);
  for (i = 0; !to->transposed && i < rows; ++i)
    memcpy(put + i * width, to->b + (l + i) * to->ldb + j, cols * sizeof *put);
}

/* The bytes of the panels of B and Y, and 64 more to align them. */
static inline size_t sste_priv_panels_bytes(size_t M, size_t L, size_t J) {
  const size_t limit = (size_t)PTRDIFF_MAX / 16;
  if (M == 0 || J == 0) return 0;
  if (M > limit / 2 || L > limit / 2 || J > limit / 2) return SIZE_MAX;
  return sste_priv_gemm_cols(J) > limit / (M + L)
             ? SIZE_MAX
             : (M + L) * sste_priv_gemm_cols(J) * sizeof(float) + 64;
}

static inline float *sste_priv_cache_line(float *p) {
  return p + (64 - (uintptr_t)p % 64) % 64 / sizeof *p;
}

/* Y = A B, A either packed or dense. */
typedef struct sste_priv_gemm {
  const sste_packed *packed; /* or null, and A is */
  sste_priv_operand a;       /* this */
  size_t M;
  sste_priv_panels b;
  float *sums; /* Y in panels, M rows each */
  float *y;
  size_t ldy;
  int y_transposed;
  const float *of_code; /* the values of all FP8 codes */
} sste_priv_gemm;

/* Rows of a tile of Y: at most 256, whose sums stay in the L2 cache from block
 * to block, fewer where threads would have few tiles to share; and 16, whose
 * sums stay in the L1 cache, where there is one block and no transpose. */
static inline size_t sste_priv_gemm_band(const sste_priv_gemm *job) {
  const size_t width = SSTE_PRIV_GEMM_WIDTH;
  const size_t panels = (job->b.J + width - 1) / width;
  size_t band = 256;
  if (job->b.L <= SSTE_PRIV_GEMM_DEPTH && !job->y_transposed) return 16;
  while (band > 32 && job->M / band * panels < 8) band /= 2;
  return band;
}

/* Rows i0 .. of A by a block of a panel, added to the tile. */
static inline void sste_priv_gemm_packed(const sste_priv_gemm *job, float *y,
                                         size_t width, size_t i0, size_t rows,
                                         size_t block, const float *b,
                                         size_t ldb) {
  const size_t left = job->b.L - block * SSTE_PRIV_GEMM_DEPTH;
  const size_t kept = sste_priv_at_most(left, SSTE_PRIV_GEMM_DEPTH) / 2;
  size_t i;
  for (i = 0; i < rows; ++i) {
    const size_t at = block * job->M + i0 + i;
    float room[SSTE_PRIV_GEMM_KEPT];
    sste_priv_gemm_sparse_row(
        y + i * width, width,
        sste_priv_packed_values(room, job->packed, at, job->of_code),
        job->packed->meta + at * SSTE_PRIV_GEMM_NIBBLES, kept, b, ldb);
  }
}

/* s + a0 x0 + ... + a3 x3, one after another. */
SSTE_PRIV_INLINE float sste_priv_gemm_four(float s, float a0, float x0,
                                           float a1, float x1, float a2,
                                           float x2, float a3, float x3) {
  s = sste_priv_multiply_add(a0, x0, s);
  s = sste_priv_multiply_add(a1, x1, s);
  s = sste_priv_multiply_add(a2, x2, s);
  return sste_priv_multiply_add(a3, x3, s);
}

/* Four terms of three rows of Y: what is loaded of B is used three times. The
 * twelve entries of A are named, or compilers load them anew in each turn; for
 * more than twelve AVX2 has too few registers. */
enum { SSTE_PRIV_GEMM_ROWS = 3, SSTE_PRIV_GEMM_FOUR = 4 };
static inline void sste_priv_gemm_rows(float *y, size_t width,
                                       float a[][SSTE_PRIV_GEMM_DEPTH],
                                       size_t k, const float *b, size_t ldb) {
  const float a00 = a[0][k], a01 = a[0][k + 1], a02 = a[0][k + 2];
  const float a10 = a[1][k], a11 = a[1][k + 1], a12 = a[1][k + 2];
  const float a20 = a[2][k], a21 = a[2][k + 1], a22 = a[2][k + 2];
  const float a03 = a[0][k + 3], a13 = a[1][k + 3], a23 = a[2][k + 3];
  const float *b0 = b, *b1 = b0 + ldb, *b2 = b1 + ldb, *b3 = b2 + ldb;
  float *y0 = y, *y1 = y0 + width, *y2 = y1 + width;
  size_t c;
  for (c = 0; c < width; c += SSTE_PRIV_GEMM_LANES) {
    size_t j;
    SSTE_PRIV_NO_JAM
    SSTE_OMP(simd)
    for (j = 0; j < SSTE_PRIV_GEMM_LANES; ++j) {
      const float x0 = b0[j], x1 = b1[j], x2 = b2[j], x3 = b3[j];
      y0[j] = sste_priv_gemm_four(y0[j], a00, x0, a01, x1, a02, x2, a03, x3);
      y1[j] = sste_priv_gemm_four(y1[j], a10, x0, a11, x1, a12, x2, a13, x3);
      y2[j] = sste_priv_gemm_four(y2[j], a20, x0, a21, x1, a22, x2, a23, x3);
    }
    b0 += SSTE_PRIV_GEMM_LANES;
    b1 += SSTE_PRIV_GEMM_LANES;
    b2 += SSTE_PRIV_GEMM_LANES;
    b3 += SSTE_PRIV_GEMM_LANES;
    y0 += SSTE_PRIV_GEMM_LANES;
    y1 += SSTE_PRIV_GEMM_LANES;
    y2 += SSTE_PRIV_GEMM_LANES;
  }
}

/* One row of A by a block of B, terms k to n. */
static inline void sste_priv_gemm_dense_row(float *y, size_t width,
                                            const float *a, size_t k, size_t n,
                                            const float *b, size_t ldb) {
  for (; k + SSTE_PRIV_TERMS <= n; k += SSTE_PRIV_TERMS) {
    const float *row[SSTE_PRIV_TERMS];
    size_t t;
    for (t = 0; t < SSTE_PRIV_TERMS; ++t) row[t] = b + (k + t) * ldb;
    sste_priv_gemm_pass(y, width, a + k, row);
  }
  for (; k < n; ++k) sste_priv_gemm_term(y, width, a[k], b + k * ldb);
}

/* The same for a dense A: every row of the block is multiplied, by three rows
 * of A at once where there are as many. */
static inline void sste_priv_gemm_dense(const sste_priv_gemm *job, float *y,
                                        size_t width, size_t i0, size_t rows,
                                        size_t block, const float *b,
                                        size_t ldb) {
  const size_t k0 = block * SSTE_PRIV_GEMM_DEPTH;
  const size_t n = sste_priv_at_most(job->b.L - k0, SSTE_PRIV_GEMM_DEPTH);
  size_t i, r, k;
  for (i = 0; i < rows; i += SSTE_PRIV_GEMM_ROWS) {
    const size_t left = sste_priv_at_most(rows - i, SSTE_PRIV_GEMM_ROWS);
    float a[SSTE_PRIV_GEMM_ROWS][SSTE_PRIV_GEMM_DEPTH];
    for (r = 0; r < left; ++r)
      for (k = 0; k < n; ++k)
        a[r][k] =
            job->a.p[(i0 + i + r) * job->a.down + (k0 + k) * job->a.across];
    k = 0;
    if (left == SSTE_PRIV_GEMM_ROWS)
      for (; k + SSTE_PRIV_GEMM_FOUR <= n; k += SSTE_PRIV_GEMM_FOUR)
        sste_priv_gemm_rows(y + i * width, width, a, k, b + k * ldb, ldb);
    for (r = 0; r < left; ++r)
      sste_priv_gemm_dense_row(y + (i + r) * width, width, a[r], k, n, b, ldb);
  }
}

/* A tile of Y: one of so many bands of rows by the width of a panel. */
static inline void sste_priv_gemm_sums(const sste_priv_gemm *job, size_t bands,
                                       size_t tile) {
  const size_t band = sste_priv_gemm_band(job);
  const size_t panel = tile / bands, i0 = tile % bands * band;
  const size_t width = sste_priv_panel_width(&job->b, panel);
  const size_t j0 = panel * SSTE_PRIV_GEMM_WIDTH;
  const size_t cols = sste_priv_at_most(job->b.J - j0, SSTE_PRIV_GEMM_WIDTH);
  const size_t rows = sste_priv_at_most(job->M - i0, band);
  const int lies = sste_priv_panel_lies(&job->b, panel);
  const float *b = lies ? job->b.b + j0 : job->b.p + j0 * job->b.L;
  const size_t ldb = lies ? job->b.ldb : width;
  float *y = job->sums + (j0 * job->M + i0 * width);
  size_t i, k;
  memset(y, 0, rows * width * sizeof *y);
  for (k = 0; k < sste_priv_gemm_blocks(job->b.L); ++k) {
    const float *block = b + k * SSTE_PRIV_GEMM_DEPTH * ldb;
    if (job->packed != NULL)
      sste_priv_gemm_packed(job, y, width, i0, rows, k, block, ldb);
    else
      sste_priv_gemm_dense(job, y, width, i0, rows, k, block, ldb);
  }
  if (job->y_transposed) {
    for (i = 0; i < rows * width; ++i) y[i] = sste_priv_canonical(y[i]);
    sste_priv_transpose(job->y + j0 * job->ldy + i0, job->ldy, y, width, rows,
                        cols);
  } else {
    for (i = 0; i < rows; ++i) {
      float *out = job->y + (i0 + i) * job->ldy + j0;
      size_t j;
      SSTE_OMP(simd)
      for (j = 0; j < cols; ++j) out[j] = sste_priv_canonical(y[i * width + j]);
    }
  }
}

/* Fill the panels, then work through the tiles. Threads share both, but waking
 * them takes longer than a million multiplications. */
static inline void sste_priv_gemm_run(const sste_priv_gemm *job) {
  const size_t width = SSTE_PRIV_GEMM_WIDTH, band = sste_priv_gemm_band(job);
  const size_t panels = (job->b.J + width - 1) / width;
  const size_t bands = (job->M + band - 1) / band;
  const size_t pieces = panels * sste_priv_gemm_blocks(job->b.L);
  const size_t tiles = panels * bands;
  ptrdiff_t t;
  if ((double)job->M * (double)job->b.J * (double)job->b.L < 1e6) {
    size_t i;
    for (i = 0; i < pieces; ++i) sste_priv_panel_fill(&job->b, i);
    for (i = 0; i < tiles; ++i) sste_priv_gemm_sums(job, bands, i);
    return;
  }
  SSTE_OMP(parallel for schedule(static))
  for (t = 0; t < (ptrdiff_t)pieces; ++t)
    sste_priv_panel_fill(&job->b, (size_t)t);
  SSTE_OMP(parallel for schedule(static))
  for (t = 0; t < (ptrdiff_t)tiles; ++t)
    sste_priv_gemm_sums(job, bands, (size_t)t);
}

/* The check of a product, and the job without its A: Y, the scratch that the
 * panels of B go to, B, and the two arrays (or one and an empty one) of A. */
static inline sste_status sste_priv_gemm_job(
    sste_priv_gemm *job, float *y, size_t ldy, int y_transposed,
    sste_priv_extent a, sste_priv_extent a_too, const float *b, size_t ldb,
    int b_transposed, size_t M, size_t J, size_t L, void *scratch,
    size_t scratch_bytes) {
  const size_t need = sste_priv_panels_bytes(M, L, J);
  sste_priv_extent given[5];
  sste_status s;
  if ((uintptr_t)scratch % sizeof(float) != 0) return SSTE_ERR_VALUE;
  if (need == SIZE_MAX || scratch_bytes < need) return SSTE_ERR_SIZE;
  given[0] = sste_priv_turned(y, M, J, ldy, y_transposed);
  given[1] = sste_priv_bytes(scratch, need);
  given[2] = sste_priv_turned(b, L, J, ldb, b_transposed);
  given[3] = a;
  given[4] = a_too;
  s = sste_priv_apart(given, 2, 5);
  if (s != SSTE_OK) return s;
  job->packed = NULL;
  job->a = sste_priv_strided(NULL, 0, 0);
  job->M = need == 0 ? 0 : M;
  job->b.p = need == 0 ? NULL : sste_priv_cache_line((float *)scratch);
  job->b.L = L;
  job->b.J = need == 0 ? 0 : J;
  job->b.b = b;
  job->b.ldb = ldb;
  job->b.transposed = b_transposed;
  job->b.once = L != 0 && M <= SSTE_PRIV_GEMM_FEW;
  job->sums = need == 0 ? NULL : job->b.p + L * sste_priv_gemm_cols(J);
  job->y = y;
  job->ldy = ldy;
  job->y_transposed = y_transposed;
  job->of_code = NULL;
  return SSTE_OK;
}

/* sste_packed_product_bytes - the scratch that a product needs: room for B and
 * for Y, their columns rounded up to 32.
 *   a         the packed matrix, M x L
 *   J         columns of B
 *   returns   bytes; SIZE_MAX if the sizes overflow, or a is null
 *   e.g.      M = 64, L = 64, J = 100: (64 + 64) * 128 * 4 + 64 = 65600
 *   The same for any number of threads. Never fails.                        */
SSTE_API size_t sste_packed_product_bytes(const sste_packed *a, size_t J) {
  return a == NULL ? SIZE_MAX : sste_priv_panels_bytes(a->rows, a->cols, J);
}

/* sste_packed_product - Y = A B with a packed A, y_ij = sum_l a_il b_lj. The
 * products of a layer (rows, down: the axis that sste_tensor_compress_as takes,
 * of W for the first two, of MVUE(dZ) for the last):
 *
 *                          features-major         token-major
 *                 J    y, b transposed   axis   y, b transposed   axis
 *     Z  = X W^T  T         0, 0         rows        1, 1         rows
 *     dX = dZ W   T         0, 0         down        1, 1         down
 *     dW = dZ^T X K         0, 1         rows        0, 0         down
 *
 *   y         receives M x J floats: y[i * ldy + j], or if y_transposed is not
 *             0 J x M, y[j * ldy + i]
 *   a         M x L, packed; values exactly as floats: what scales FP8 codes
 *             have is the caller's to undo
 *   b         L x J floats: b[l * ldb + j], or if b_transposed is not 0 J x L,
 *             b[j * ldb + l]
 *   J         any size; L = 0 gives zeros
 *   scratch   at least sste_packed_product_bytes(a, J) bytes, aligned for
 *             float. y and scratch overlap neither each other nor a nor b
 *   specials  an entry that no nibble names is not multiplied: an infinity or
 *             a NaN in B leaves no trace there. The 0 of an empty place is
 *             named, and 0 times infinity is NaN. A NaN leaves as 0x7FC00000
 *   e.g.      A = (0, 5, 0, 2), B = (1, 2, 3, 4) as a column: Y = 18
 *   ORDERED: kept entries in ascending l in one float; bound above. Overwrites
 *   y and scratch. Errors: NULL, SHAPE, SIZE (also: too little scratch),
 *   OVERLAP, VALUE (a's type or format, or scratch not aligned).            */
SSTE_API sste_status sste_packed_product(float *y, size_t ldy, int y_transposed,
                                         const sste_packed *a, const float *b,
                                         size_t ldb, int b_transposed, size_t J,
                                         void *scratch, size_t scratch_bytes) {
  sste_priv_gemm job;
  float of_code[256] = {0.0f};
  size_t rows; /* of both arrays of A */
  int code;
  sste_status s;
  if (a == NULL) return SSTE_ERR_NULL;
  if ((int)a->type < 0 || a->type >= SSTE_INT8) return SSTE_ERR_VALUE;
  if (a->cols % 4 != 0) return SSTE_ERR_SHAPE;
  if (sste_packed_bytes(a->rows, a->cols, a->type) == SIZE_MAX)
    return SSTE_ERR_SIZE;
  if (a->type == SSTE_FP8) {
    if (sste_fp8_format_check(a->format) != SSTE_OK) return SSTE_ERR_VALUE;
    for (code = 0; code < 256; ++code)
      of_code[code] = sste_fp8_decode(a->format, (uint32_t)code);
  }
  rows = sste_priv_gemm_blocks(a->cols) * a->rows;
  s = sste_priv_gemm_job(
      &job, y, ldy, y_transposed,
      sste_priv_bytes(a->values, rows * SSTE_PRIV_GEMM_KEPT *
                                     sste_priv_type_bytes(a->type)),
      sste_priv_bytes(a->meta, rows * SSTE_PRIV_GEMM_NIBBLES), b, ldb,
      b_transposed, a->rows, J, a->cols, scratch, scratch_bytes);
  if (s != SSTE_OK) return s;
  job.packed = a;
  job.of_code = of_code;
  sste_priv_gemm_run(&job);
  return SSTE_OK;
}

/* ---- 3. Dense products --------------------------------------------------- */

/* sste_dense_product_bytes - the scratch that sste_dense_product needs.
 *   M, J, L   the product's sizes: Y is M x J, L is summed over
 *   returns   bytes; SIZE_MAX if the sizes overflow
 *   e.g.      M = 64, J = 100, L = 64: (64 + 64) * 128 * 4 + 64 = 65600
 *   The same for any number of threads. Never fails.                        */
SSTE_API size_t sste_dense_product_bytes(size_t M, size_t J, size_t L) {
  return sste_priv_panels_bytes(M, L, J);
}

/* sste_dense_product - Y = A B, all dense: for the layers that are not sparse,
 * and for dX where W is 2:4 along its rows only. Token-major, dX = dZ W is A =
 * dZ and B = W; features-major, dX^T = W^T dZ^T is A = W transposed, B = dZ^T.
 *   y         receives M x J floats, rows ldy apart
 *   a         M x L floats: a[i * lda + l], or if a_transposed is not 0 L x M,
 *             a[l * lda + i]
 *   b         L x J floats: b[l * ldb + j], or if b_transposed is not 0 J x L,
 *             b[j * ldb + l]
 *   M, J, L   any sizes; L = 0 gives zeros
 *   scratch   at least sste_dense_product_bytes(M, J, L) bytes, aligned for
 *             float. y and scratch overlap neither each other nor a nor b
 *   specials  as IEEE arithmetic has it; a NaN leaves as 0x7FC00000
 *   e.g.      A = (1, 2), B = (3, 4) as a column: Y = 11
 *   ORDERED: l ascending in one float; bound above. Overwrites y and scratch.
 *   Errors: NULL, SHAPE, SIZE (also: too little scratch), OVERLAP, VALUE
 *   (scratch not aligned).                                                  */
SSTE_API sste_status sste_dense_product(float *y, size_t ldy, const float *a,
                                        size_t lda, int a_transposed,
                                        const float *b, size_t ldb,
                                        int b_transposed, size_t M, size_t J,
                                        size_t L, void *scratch,
                                        size_t scratch_bytes) {
  sste_priv_gemm job;
  const sste_status s = sste_priv_gemm_job(
      &job, y, ldy, 0, sste_priv_turned(a, M, L, lda, a_transposed),
      sste_priv_bytes(NULL, 0), b, ldb, b_transposed, M, J, L, scratch,
      scratch_bytes);
  if (s != SSTE_OK) return s;
  job.a = sste_priv_strided(a, a_transposed ? 1 : lda, a_transposed ? lda : 1);
  sste_priv_gemm_run(&job);
  return SSTE_OK;
}

#ifdef __cplusplus
}
#endif

#endif /* SSTE_GEMM_H */
