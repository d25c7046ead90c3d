/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * sste_mma.h - the sparse tensor core on paper: metadata, storage orders,
 * fragments, and the arithmetic itself.
 *
 * One instruction of 32 lanes, mma.sp::ordered_metadata, multiplies a 16 x k
 * matrix A, of which two in every four entries of a row are stored (of TF32,
 * one in two), by a dense k x 8 matrix B and adds a 16 x 8 matrix C:
 *
 *     d_ij = c_ij + sum over kept p of  a_ip * b_{k(i,p), j}
 *
 * where the metadata say which column k(i,p) of row i the kept value p is from.
 * A kernel that uses it goes wrong in three places, and all three look the same
 * from outside: a value lies in the wrong register of the wrong lane, a nibble
 * of metadata in the wrong place of memory, or the sum is rounded in a way that
 * was not expected. Here each is a function.
 *
 * By hand, row i of A being (0, 5, 0, 0 | 0, 0, 7, -2), two chunks of 4: kept
 * are (0, 5) and (7, -2), at positions 0, 1 and 2, 3: nibbles 0x4 and 0xE. With
 * column j of B (1, 2, 3, 4, 5, 6, 7, 8) the kept products are 0 * 1, 5 * 2,
 * 7 * 7 and -2 * 8, and d = c + 43.
 *
 *   1. The instruction    its shapes and types, as data
 *   2. Metadata           nibbles, and whose for a group with room to spare
 *   3. Storage orders     row by row, CUTLASS 2 and PyTorch, CUTLASS 3
 *   4. Fragments          which lane and register holds what, and back
 *   5. Arithmetic         what is cut off in a sum: Ampere to Blackwell
 *   6. The emulator       one instruction, dense or sparse; a whole product
 *   7. Error bounds       for a test's tolerance
 *   8. The probe          what a GPU answers about its sums
 *
 * Words. A chunk is what one nibble stands for: four elements, of TF32 two. A
 * quad is the four lanes 4g to 4g + 3, here T0 to T3; g = lane / 4 is also a
 * row, t = lane % 4 its place in the quad. A kept column counts the stored
 * values of a row. Elements are codes: bit patterns in the low bits of a word.
 *
 * Layouts are those of the PTX ISA, checked against CUTLASS's, PyTorch's and
 * each other; the arithmetic of dense instructions is that of MMA-Sim (arXiv
 * 2511.10909) and agrees with results recorded on seven GPUs. How a sparse
 * instruction groups its products is not published: that is a parameter, and
 * section 8 asks a GPU. All but the bounds is integer code, nothing needs libm,
 * and everything is BITWISE. Fragments are those of mma; of wgmma and tcgen05
 * only the sums are here. Functions on elements are for the device as well,
 * those on matrices and on the registers of a warp are for the host.
 *
 * Uses sste.h and sste_fp8.h. Nothing is allocated, printed or kept.        */
#ifndef SSTE_MMA_H
#define SSTE_MMA_H

#include "sste.h"
#include "sste_fp8.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. The instruction -------------------------------------------------- */

/* What elements are: operands first, then accumulators (F16 can be either).
 * TF32 is a float whose low 13 bits are not looked at.                      */
typedef enum sste_mma_type {
  SSTE_MMA_F16 = 0,
  SSTE_MMA_BF16,
  SSTE_MMA_TF32,
  SSTE_MMA_E4M3,
  SSTE_MMA_E5M2,
  SSTE_MMA_S8,
  SSTE_MMA_U8,
  SSTE_MMA_F32,
  SSTE_MMA_S32
} sste_mma_type;

/* An instruction, m16n8k<k>. Make one with sste_mma_sparse or sste_mma_dense
 * and set what differs. */
typedef struct sste_mma_op {
  int k;              /* the length of the sum: columns of A, rows of B */
  int sparse;         /* 1: half of A is stored, mma.sp; 0: all of it, mma */
  sste_mma_type a, b; /* the operands */
  sste_mma_type d;    /* the accumulator: what C and D are */
  int saturate;       /* S32 sums stop at either end (.satfinite), or wrap */
} sste_mma_op;

/* The bits of an element, and the elements of a chunk. */
SSTE_HD static inline int sste_priv_mma_bits(sste_mma_type type) {
  if (type == SSTE_MMA_F16 || type == SSTE_MMA_BF16) return 16;
  return type == SSTE_MMA_TF32 || type >= SSTE_MMA_F32 ? 32 : 8;
}
SSTE_HD static inline int sste_priv_mma_chunk(sste_mma_type type) {
  return type == SSTE_MMA_TF32 ? 2 : 4;
}
SSTE_HD static inline int sste_priv_mma_is_fp8(sste_mma_type type) {
  return type == SSTE_MMA_E4M3 || type == SSTE_MMA_E5M2;
}
SSTE_HD static inline int sste_priv_mma_is_int8(sste_mma_type type) {
  return type == SSTE_MMA_S8 || type == SSTE_MMA_U8;
}

/* Stored values per row of A, and chunks. */
SSTE_HD static inline int sste_priv_mma_kept(sste_mma_op op) {
  return op.sparse ? op.k / 2 : op.k;
}
SSTE_HD static inline int sste_priv_mma_chunks(sste_mma_op op) {
  return op.k / sste_priv_mma_chunk(op.a);
}

SSTE_HD static inline sste_mma_op sste_priv_mma_op(sste_mma_type type, int k,
                                                   int sparse) {
  sste_mma_op op;
  op.k = k;
  op.sparse = sparse;
  op.a = op.b = type;
  op.d = sste_priv_mma_is_int8(type) ? SSTE_MMA_S32 : SSTE_MMA_F32;
  op.saturate = 0;
  return op;
}

/* sste_mma_sparse, sste_mma_dense - an instruction with both operands of one
 * type, accumulating in F32 or, S8 and U8, in S32 that wraps.
 *   k         sparse: 16 or 32 for F16 and BF16, 16 for TF32, 64 for 8 bits;
 *             dense: 8 or 16, 4 or 8, 16 or 32
 *   then set  op.b, where E4M3 meets E5M2 or S8 meets U8; op.d = SSTE_MMA_F16,
 *             for F16 and 8-bit floats (sparse, the latter are sm_120's
 *             .kind::f8f6f4); op.saturate, for S32
 *   e.g.      sste_mma_sparse(SSTE_MMA_F16, 32) is mma.sp m16n8k32 .f32.f16
 *   Never fails: sste_mma_op_check says whether it exists. Sparse S8 m16n8k32
 *   and TF32 m16n8k8 do, but are left out: nothing but a figure says where
 *   their metadata lie. Source: PTX ISA, mma and mma.sp.                     */
SSTE_API SSTE_HD sste_mma_op sste_mma_sparse(sste_mma_type type, int k) {
  return sste_priv_mma_op(type, k, 1);
}
SSTE_API SSTE_HD sste_mma_op sste_mma_dense(sste_mma_type type, int k) {
  return sste_priv_mma_op(type, k, 0);
}

/* Whether sums of these operands can be of type d. */
SSTE_HD static inline int sste_priv_mma_accumulates(sste_mma_type operand,
                                                    sste_mma_type d) {
  if (sste_priv_mma_is_int8(operand)) return d == SSTE_MMA_S32;
  if (d == SSTE_MMA_F16)
    return operand == SSTE_MMA_F16 || sste_priv_mma_is_fp8(operand);
  return d == SSTE_MMA_F32;
}

/* sste_mma_op_check - SSTE_OK for an instruction of this section, else
 * SSTE_ERR_VALUE.
 *   e.g.      sparse F16, k = 32: OK; k = 64: VALUE
 *   BITWISE. Never fails otherwise.                                         */
SSTE_API SSTE_HD sste_status sste_mma_op_check(sste_mma_op op) {
  const int mixed =
      (sste_priv_mma_is_fp8(op.a) && sste_priv_mma_is_fp8(op.b)) ||
      (sste_priv_mma_is_int8(op.a) && sste_priv_mma_is_int8(op.b));
  int longest;
  if ((unsigned)op.a > SSTE_MMA_U8 || (op.a != op.b && !mixed) ||
      !sste_priv_mma_accumulates(op.a, op.d) || (op.sparse & ~1) != 0 ||
      (op.saturate & ~1) != 0 || (op.saturate && op.d != SSTE_MMA_S32))
    return SSTE_ERR_VALUE;
  longest = (op.sparse ? 512 : 256) / sste_priv_mma_bits(op.a);
  if (op.k == longest) return SSTE_OK;
  return op.k == longest / 2 && (!op.sparse || sste_priv_mma_bits(op.a) == 16)
             ? SSTE_OK
             : SSTE_ERR_VALUE;
}

/* sste_mma_selectors - how many values the sparsity selector can have: 0 up to
 * one less are legal. It names the lanes of a quad that hold the metadata.
 *   returns   16-bit: 4 for k = 16 (one lane), 2 for k = 32 (a pair); TF32: 2;
 *             8-bit: 1 (all four lanes); dense: 0
 *   ptxas 13.0 takes 2 and 3 for 16-bit k = 32 without a word: check at compile
 *   time.
 *   BITWISE. Never fails: 0 for what is no instruction.
 *   Source: PTX ISA, mma.sp.                                                */
SSTE_API SSTE_HD int sste_mma_selectors(sste_mma_op op) {
  if (!op.sparse || sste_mma_op_check(op) != SSTE_OK) return 0;
  /* 16 rows of nibbles fill the words of 2 * chunks lanes, of 32. */
  return 16 / sste_priv_mma_chunks(op);
}

/* ---- 2. Metadata --------------------------------------------------------- */

/* A chunk's nibble, as in sste.h: bits 0-1 the position of the first kept value
 * and bits 2-3 of the second, the first below the second. In TF32 the chunk is
 * two elements, each seen as two halves: 0x4 keeps the first, 0xE the second. A
 * chunk with fewer non-zeros than it may have names positions all the same, and
 * owners differ in which:
 *
 *   non-zero at           -   0   1   2   3   0,1 0,2 0,3 1,2 1,3 2,3
 *   SSTE_MMA_LIKE_SSTE    4   4   4   8   C   4   8   C   9   D   E
 *   ..._TORCH             E   8   9   E   E   4   8   C   9   D   E
 *   ..._TORCH_2023        E   C   D   E   E   4   8   C   9   D   E
 *   ..._CUTLASS3          0   C   D   E   C   4   8   C   9   D   E
 *
 *   TF32: non-zero at     -   0   1        TORCH is PyTorch's from 2.1 on,
 *   SSTE, CUTLASS3        4   4   E        TORCH_2023 its first, CUTLASS3 the
 *   TORCH, TORCH_2023     E   4   E        compressor for Hopper (sm90)
 *
 * The 0 of CUTLASS 3 names one position twice, which PTX leaves undefined. In
 * an empty place SSTE and CUTLASS3 store +0; PyTorch stores what stands at the
 * position it names, which may be -0. It has no 8-bit floats and no U8; for
 * those its rules are extended here.                                        */
typedef enum sste_mma_rule {
  SSTE_MMA_LIKE_SSTE = 0,
  SSTE_MMA_LIKE_TORCH,
  SSTE_MMA_LIKE_TORCH_2023,
  SSTE_MMA_LIKE_CUTLASS3
} sste_mma_rule;

/* sste_mma_nibble - the nibble of a chunk by its owner's rule.
 *   rule      SSTE_MMA_LIKE_SSTE, ...; any other gives -1
 *   type      of an operand; any other gives -1
 *   mask      bit i set: element i of the chunk is not zero. Four bits, of TF32
 *             two; those above are ignored
 *   returns   the nibble; -1 for more non-zeros than are kept (there PyTorch
 *             drops values without a word, CUTLASS 3 writes out of bounds)
 *   e.g.      LIKE_TORCH, F16, 0x2 (element 1 alone) -> 0x9;  LIKE_SSTE -> 0x4
 *   BITWISE. Never fails. Source: PyTorch's conversion, CUTLASS's compressor.
 */
SSTE_API SSTE_HD int sste_mma_nibble(sste_mma_rule rule, sste_mma_type type,
                                     int mask) {
  /* Digit i from the right is the nibble of mask i. */
  const uint64_t sste = 0xE0DCC09884444u, torch = 0xE0DCE098E498Eu,
                 torch_2023 = 0xE0DCE098E4DCEu, cutlass3 = 0xE0DCC098E4DC0u;
  const uint64_t table = rule == SSTE_MMA_LIKE_SSTE         ? sste
                         : rule == SSTE_MMA_LIKE_TORCH      ? torch
                         : rule == SSTE_MMA_LIKE_TORCH_2023 ? torch_2023
                                                            : cutlass3;
  int m = mask & 0xF, bits;
  if ((unsigned)rule > SSTE_MMA_LIKE_CUTLASS3 || (unsigned)type > SSTE_MMA_U8)
    return -1;
  if (type == SSTE_MMA_TF32) { /* each of the two is two of the four halves */
    m = (mask & 1) * 0x3 + (mask >> 1 & 1) * 0xC;
    if (m == 0 && rule == SSTE_MMA_LIKE_CUTLASS3) return 0x4;
  }
  bits = (m & 1) + (m >> 1 & 1) + (m >> 2 & 1) + (m >> 3);
  return bits > 2 ? -1 : (int)(table >> (4 * m) & 0xF);
}

/* sste_mma_nibble_check - SSTE_OK for a nibble that ordered_metadata allows,
 * else SSTE_ERR_PATTERN: 0x4 0x8 0x9 0xC 0xD 0xE, of TF32 0x4 and 0xE.
 *   e.g.      0x1 (positions 1 and 0, which plain mma.sp takes): PATTERN
 *   BITWISE. Never fails otherwise. Source: PTX ISA, sparse matrix storage. */
SSTE_API SSTE_HD sste_status sste_mma_nibble_check(int nibble,
                                                   sste_mma_type type) {
  if (type == SSTE_MMA_TF32)
    return nibble == 0x4 || nibble == 0xE ? SSTE_OK : SSTE_ERR_PATTERN;
  return sste_nibble_check(nibble);
}

/* sste_mma_position - where in its chunk the i-th value that a nibble keeps is
 * from.
 *   nibble    legal or not; bits above the four are ignored
 *   type      of an operand; TF32 keeps one value
 *   i         0 or 1
 *   e.g.      F16, 0xD, i = 1 -> 3;  TF32, 0xE -> 1
 *   BITWISE. Never fails.                                                   */
SSTE_API SSTE_HD int sste_mma_position(int nibble, sste_mma_type type, int i) {
  if (type == SSTE_MMA_TF32) return (nibble & 3) / 2;
  return nibble >> (2 * i) & 3;
}

/* ---- 3. Storage orders --------------------------------------------------- */

/* Where the nibble of (row, chunk) of a rows x cols matrix stands in memory.
 * Nibbles are counted as bytes hold them, the low half first; words of several
 * bytes are little-endian, as on the GPU.
 *
 *   SSTE_MMA_ROW_MAJOR        row by row, each padded to a whole byte: what
 *                             sste.h writes with ldm = ceil(chunks / 2)
 *   SSTE_MMA_CUTLASS2         CUTLASS 2.x for sm80, and PyTorch's. Rows: a
 *                             multiple of 32, or 16 where elements have 8 bits;
 *                             chunks a multiple of 8, or 16
 *   SSTE_MMA_CUTLASS3_SM90    CUTLASS 3.x for Hopper, where a tile of the
 *                             kernel is 128 elements long along K or, 8-bit
 *                             ones, more, and 64 in TF32; shorter tiles have
 *                             other orders. Rows a multiple of 64, chunks of 32
 *
 * CUTLASS 2, 16-bit elements and TF32. A 32 x 8 block of nibbles is 32 words,
 * word l for lane l. So a warp's two instructions, rows 0-15 and 16-31, get
 * their metadata by one load of one word per lane, and take it by selector 0
 * and 1. Chunks of the block, g being 0 to 7:
 *
 *     word      bits 31 to 16        bits 15 to 0
 *     4g        row g+8:   3 2 1 0   row g:     3 2 1 0
 *     4g + 1    row g+8:   7 6 5 4   row g:     7 6 5 4
 *     4g + 2    row g+24:  3 2 1 0   row g+16:  3 2 1 0
 *     4g + 3    row g+24:  7 6 5 4   row g+16:  7 6 5 4
 *
 * 8-bit elements. A block is 16 x 16 nibbles, for one instruction:
 *
 *     word      bits 31 to 0
 *     4g        row g:     7  6  5  4  3  2  1  0
 *     4g + 1    row g+8:   7  6  5  4  3  2  1  0
 *     4g + 2    row g:    15 14 13 12 11 10  9  8
 *     4g + 3    row g+8:  15 14 13 12 11 10  9  8
 *
 * Blocks follow each other down the rows, then along the chunks.
 *
 * CUTLASS 3, 16-bit elements and TF32: atoms of 64 rows x 32 chunks, one after
 * another down the rows, then along the chunks. From the least bit of a
 * nibble's place in its atom up:
 *
 *     chunk 0,1 | row 3 | chunk 3,4 | row 0,1,2 | chunk 2 | row 4,5
 *
 * 8-bit elements: panels of 32 chunks, in each 16 bytes a row.              */
typedef enum sste_mma_order {
  SSTE_MMA_ROW_MAJOR = 0,
  SSTE_MMA_CUTLASS2,
  SSTE_MMA_CUTLASS3_SM90
} sste_mma_order;

/* Bits `from` to `from + n - 1` of x, moved to bit `to`. */
SSTE_HD static inline size_t sste_priv_mma_field(size_t x, int from, int n,
                                                 int to) {
  return (x >> from & (((size_t)1 << n) - 1)) << to;
}

/* The nibble's place in a 32-word block of CUTLASS 2, of 32 rows x 8 chunks or
 * 16 rows x 16 chunks. */
SSTE_HD static inline size_t sste_priv_mma_cutlass2(int bits, size_t row,
                                                    size_t chunk) {
  const size_t g = sste_priv_mma_field(row, 0, 3, 5); /* word 4g */
  if (bits == 8)
    return g | sste_priv_mma_field(row, 3, 1, 3) |
           sste_priv_mma_field(chunk, 3, 1, 4) |
           sste_priv_mma_field(chunk, 0, 3, 0);
  return g | sste_priv_mma_field(row, 4, 1, 4) |
         sste_priv_mma_field(chunk, 2, 1, 3) |
         sste_priv_mma_field(row, 3, 1, 2) |
         sste_priv_mma_field(chunk, 0, 2, 0);
}

/* And in an atom of CUTLASS 3, of 64 rows x 32 chunks. */
SSTE_HD static inline size_t sste_priv_mma_cutlass3(size_t row, size_t chunk) {
  return sste_priv_mma_field(chunk, 0, 2, 0) |
         sste_priv_mma_field(row, 3, 1, 2) |
         sste_priv_mma_field(chunk, 3, 2, 3) |
         sste_priv_mma_field(row, 0, 3, 5) |
         sste_priv_mma_field(chunk, 2, 1, 8) |
         sste_priv_mma_field(row, 4, 2, 9);
}

/* sste_mma_meta_at - the nibble of (row, chunk), counted from the start of the
 * buffer: in byte at / 2, its low half if at is even.
 *   order, type, rows, cols  as sste_mma_meta_bytes takes them: not checked
 *   row, chunk  below rows, and below cols / 4, of TF32 cols / 2
 *   e.g.      CUTLASS2, F16, 32 x 32: (0, 0) -> 0; (8, 0) -> 4; (1, 0) -> 32
 *   BITWISE. Never fails.
 *   Source: CUTLASS, host_reorder.h and layout/matrix.h; PyTorch,
 *   _semi_structured_conversions.py; CUTLASS, sm90_sparse_config.inl.       */
SSTE_API SSTE_HD size_t sste_mma_meta_at(sste_mma_order order,
                                         sste_mma_type type, size_t rows,
                                         size_t cols, size_t row,
                                         size_t chunk) {
  const size_t chunks = cols / (size_t)sste_priv_mma_chunk(type);
  const int bits = sste_priv_mma_bits(type);
  const size_t tall = bits == 8 ? 16 : 32, wide = bits == 8 ? 16 : 8;
  switch (order) {
    case SSTE_MMA_CUTLASS2:
      return (chunk / wide * (rows / tall) + row / tall) * 256 +
             sste_priv_mma_cutlass2(bits, row % tall, chunk % wide);
    case SSTE_MMA_CUTLASS3_SM90:
      if (bits == 8) return (chunk / 32 * rows + row) * 32 + chunk % 32;
      return (chunk / 32 * (rows / 64) + row / 64) * 2048 +
             sste_priv_mma_cutlass3(row % 64, chunk % 32);
    default: return row * ((chunks + 1) / 2 * 2) + chunk;
  }
}

/* sste_mma_meta_bytes - how many bytes of metadata a matrix has.
 *   bytes     receives the number: half a byte per chunk
 *   order, type  SSTE_MMA_ROW_MAJOR, ...; an operand's
 *   rows, cols  of the dense matrix; multiples of what the order asks for.
 *             ROW_MAJOR: any rows, full chunks. No rows or no columns: 0 bytes
 *   e.g.      CUTLASS2, F16, 32 x 32 -> 128
 *   Overwrites bytes. Errors: NULL, VALUE (order, type), SHAPE, SIZE.       */
SSTE_API sste_status sste_mma_meta_bytes(size_t *bytes, sste_mma_order order,
                                         sste_mma_type type, size_t rows,
                                         size_t cols) {
  size_t chunk, chunks, tall = 1, wide = 1;
  if (bytes == NULL) return SSTE_ERR_NULL;
  if ((unsigned)type > SSTE_MMA_U8 || (unsigned)order > SSTE_MMA_CUTLASS3_SM90)
    return SSTE_ERR_VALUE;
  if (rows == 0 || cols == 0) {
    *bytes = 0;
    return SSTE_OK;
  }
  chunk = (size_t)sste_priv_mma_chunk(type);
  chunks = cols / chunk;
  if (order == SSTE_MMA_CUTLASS2) {
    tall = sste_priv_mma_bits(type) == 8 ? 16 : 32;
    wide = sste_priv_mma_bits(type) == 8 ? 16 : 8;
  } else if (order == SSTE_MMA_CUTLASS3_SM90) {
    tall = 64;
    wide = 32;
  }
  if (cols % chunk != 0 || chunks % wide != 0 || rows % tall != 0)
    return SSTE_ERR_SHAPE;
  if (rows > (size_t)PTRDIFF_MAX / 4 / cols) return SSTE_ERR_SIZE;
  *bytes = rows * ((chunks + 1) / 2);
  return SSTE_OK;
}

SSTE_HD static inline int sste_priv_mma_get(const uint8_t *meta, size_t at) {
  return meta[at / 2] >> (at % 2 * 4) & 0xF;
}
/* Even places first: they clear the byte's other half. */
SSTE_HD static inline void sste_priv_mma_put(uint8_t *meta, size_t at,
                                             int nibble) {
  if (at % 2 == 0)
    meta[at / 2] = (uint8_t)nibble;
  else
    meta[at / 2] = (uint8_t)(meta[at / 2] | nibble << 4);
}

/* How elements are stored, in the terms of sste.h. */
SSTE_HD static inline sste_type sste_priv_mma_storage(sste_mma_type type) {
  if (sste_priv_mma_bits(type) == 32) return SSTE_FLOAT32;
  if (type == SSTE_MMA_F16) return SSTE_FLOAT16;
  if (type == SSTE_MMA_BF16) return SSTE_BFLOAT16;
  return sste_priv_mma_is_fp8(type) ? SSTE_FP8 : SSTE_INT8;
}

/* sste_mma_meta_reorder - metadata from one order to another.
 *   out, in   sste_mma_meta_bytes of their order each; no overlap
 *   to, from  the orders of out and of in
 *   type, rows, cols  of the dense matrix, right for both orders
 *   Nibbles are moved whatever they are. An unused half byte becomes 0.
 *   e.g.      32 x 32 F16, CUTLASS2 to ROW_MAJOR: byte 2 of in (row 8, chunks 0
 *             and 1) becomes byte 32 of out
 *   BITWISE. Overwrites out.
 *   Errors: NULL, VALUE, SHAPE, SIZE, OVERLAP.                              */
SSTE_API sste_status sste_mma_meta_reorder(uint8_t *out, sste_mma_order to,
                                           const uint8_t *in,
                                           sste_mma_order from,
                                           sste_mma_type type, size_t rows,
                                           size_t cols) {
  size_t out_bytes, in_bytes, chunks;
  ptrdiff_t r;
  sste_status s = sste_mma_meta_bytes(&out_bytes, to, type, rows, cols);
  if (s == SSTE_OK) s = sste_mma_meta_bytes(&in_bytes, from, type, rows, cols);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (out == NULL || in == NULL) return SSTE_ERR_NULL;
  if (sste_priv_overlap(out, 1, out_bytes, 0, 1, in, 1, in_bytes, 0, 1))
    return SSTE_ERR_OVERLAP;
  chunks = cols / (size_t)sste_priv_mma_chunk(type);
  SSTE_OMP(parallel for schedule(static))
  for (r = 0; r < (ptrdiff_t)rows; ++r) {
    size_t c;
    for (c = 0; c < chunks; ++c)
      sste_priv_mma_put(
          out, sste_mma_meta_at(to, type, rows, cols, (size_t)r, c),
          sste_priv_mma_get(
              in, sste_mma_meta_at(from, type, rows, cols, (size_t)r, c)));
  }
  return SSTE_OK;
}

/* Names the first place at fault. */
static inline sste_status sste_priv_mma_fault(size_t r, size_t c, size_t *row,
                                              size_t *chunk) {
  if (row != NULL) *row = r;
  if (chunk != NULL) *chunk = c;
  return SSTE_ERR_PATTERN;
}

/* sste_mma_meta_check - whether mma.sp takes every nibble, and where not.
 *   meta      sste_mma_meta_bytes of its order
 *   row, chunk  receive the place of the first illegal one, row by row, on
 *             SSTE_ERR_PATTERN only; may be null
 *   e.g.      metadata of zeros: PATTERN, row 0, chunk 0
 *   BITWISE. Errors: NULL, VALUE, SHAPE, SIZE, PATTERN.                     */
SSTE_API sste_status sste_mma_meta_check(const uint8_t *meta,
                                         sste_mma_order order,
                                         sste_mma_type type, size_t rows,
                                         size_t cols, size_t *row,
                                         size_t *chunk) {
  size_t bytes, r, c;
  const sste_status s = sste_mma_meta_bytes(&bytes, order, type, rows, cols);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (meta == NULL) return SSTE_ERR_NULL;
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols / (size_t)sste_priv_mma_chunk(type); ++c) {
      const size_t at = sste_mma_meta_at(order, type, rows, cols, r, c);
      if (sste_mma_nibble_check(sste_priv_mma_get(meta, at), type) != SSTE_OK)
        return sste_priv_mma_fault(r, c, row, chunk);
    }
  return SSTE_OK;
}

/* The arguments of compress and decompress: three matrices, no two of which
 * share a byte. */
static inline sste_status sste_priv_mma_matrices(const void *w, size_t ldw,
                                                 const void *values, size_t ldv,
                                                 const uint8_t *meta,
                                                 sste_mma_order order,
                                                 size_t rows, size_t cols,
                                                 sste_mma_type type) {
  size_t bytes, size;
  sste_status s = sste_mma_meta_bytes(&bytes, order, type, rows, cols);
  if (s != SSTE_OK) return s;
  size = (size_t)sste_priv_mma_bits(type) / 8;
  s = sste_priv_matrix(w, rows, cols, ldw, size);
  if (s == SSTE_OK) s = sste_priv_matrix(values, rows, cols / 2, ldv, size);
  if (s == SSTE_OK) s = sste_priv_matrix(meta, 1, bytes, bytes, 1);
  if (s != SSTE_OK) return s;
  return sste_priv_overlap(w, rows, cols, ldw, size, values, rows, cols / 2,
                           ldv, size) ||
                 sste_priv_overlap(w, rows, cols, ldw, size, meta, 1, bytes, 0,
                                   1) ||
                 sste_priv_overlap(values, rows, cols / 2, ldv, size, meta, 1,
                                   bytes, 0, 1)
             ? SSTE_ERR_OVERLAP
             : SSTE_OK;
}

/* Which elements of the chunk at w are not zero. */
static inline int sste_priv_mma_mask(const void *w, size_t at,
                                     sste_mma_type type) {
  const sste_type storage = sste_priv_mma_storage(type);
  int i, mask = 0;
  for (i = 0; i < sste_priv_mma_chunk(type); ++i)
    mask |= !sste_priv_is_zero(sste_priv_element(w, storage, at + (size_t)i),
                               storage)
            << i;
  return mask;
}

/* One row of it. */
static inline void sste_priv_mma_compress_row(
    void *values, size_t to, uint8_t *meta, sste_mma_order order, const void *w,
    size_t from, size_t rows, size_t cols, size_t row, sste_mma_type type,
    sste_mma_rule rule) {
  const sste_type storage = sste_priv_mma_storage(type);
  const size_t n = (size_t)sste_priv_mma_chunk(type);
  size_t c, i;
  for (c = 0; c < cols / n; ++c) {
    const int mask = sste_priv_mma_mask(w, from + c * n, type);
    const int nibble = sste_mma_nibble(rule, type, mask);
    sste_priv_mma_put(meta, sste_mma_meta_at(order, type, rows, cols, row, c),
                      nibble);
    for (i = 0; i < n / 2; ++i) {
      const int at = sste_mma_position(nibble, type, (int)i);
      uint32_t bits = sste_priv_element(w, storage, from + c * n + (size_t)at);
      if (rule == SSTE_MMA_LIKE_SSTE)
        bits = sste_priv_stored_bits(bits, storage);
      else if (rule == SSTE_MMA_LIKE_CUTLASS3 && (mask >> at & 1) == 0)
        bits = 0;
      sste_priv_set_element(values, storage, to + c * n / 2 + i, bits);
    }
  }
}

/* sste_mma_compress - a sparse matrix as stored values and metadata, to the
 * byte as the owner of a rule makes them.
 *   values    receives rows x cols/2 elements, rows ldv apart
 *   meta      receives sste_mma_meta_bytes in `order`
 *   w         rows x cols elements, rows ldw apart: at most two non-zeros in
 *             each chunk, of TF32 one. No two of the three may overlap
 *   type      of an operand. -0 is a zero; 0x80 of S8 and U8 is not
 *   rule      with its owner's order:
 *             LIKE_SSTE, ROW_MAJOR: sste_tensor_compress_as. NaNs become one
 *             LIKE_TORCH, CUTLASS2: PyTorch, which on a CPU alters 16-bit NaNs
 *             LIKE_CUTLASS3, CUTLASS3_SM90: CUTLASS. An empty chunk has nibble
 *             0, which mma.sp and all other orders refuse
 *             The last two move bits as they are
 *   row, chunk  receive the place of the first chunk with too many non-zeros,
 *             on SSTE_ERR_PATTERN only; may be null
 *   e.g.      F16 (0, 5, 0, 0): LIKE_TORCH (5, 0), 0x9; LIKE_SSTE (0, 5), 0x4
 *   BITWISE. Overwrites values and meta.
 *   Errors: NULL, VALUE, SHAPE, SIZE, OVERLAP, PATTERN.                     */
SSTE_API sste_status sste_mma_compress(void *values, size_t ldv, uint8_t *meta,
                                       sste_mma_order order, const void *w,
                                       size_t ldw, size_t rows, size_t cols,
                                       sste_mma_type type, sste_mma_rule rule,
                                       size_t *row, size_t *chunk) {
  size_t r, c, n;
  ptrdiff_t run;
  sste_status s;
  if ((unsigned)rule > SSTE_MMA_LIKE_CUTLASS3) return SSTE_ERR_VALUE;
  s = sste_priv_mma_matrices(w, ldw, values, ldv, meta, order, rows, cols,
                             type);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  n = (size_t)sste_priv_mma_chunk(type);
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols / n; ++c)
      if (sste_mma_nibble(rule, type,
                          sste_priv_mma_mask(w, r * ldw + c * n, type)) < 0)
        return sste_priv_mma_fault(r, c, row, chunk);
  SSTE_OMP(parallel for schedule(static))
  for (run = 0; run < (ptrdiff_t)rows; ++run)
    sste_priv_mma_compress_row(values, (size_t)run * ldv, meta, order, w,
                               (size_t)run * ldw, rows, cols, (size_t)run, type,
                               rule);
  return SSTE_OK;
}

/* A nibble that CUTLASS 3 stores for an empty chunk, and its values. */
static inline int sste_priv_mma_is_empty(int nibble, const void *values,
                                         size_t at, sste_mma_order order,
                                         sste_mma_type type) {
  const sste_type storage = sste_priv_mma_storage(type);
  return order == SSTE_MMA_CUTLASS3_SM90 && type != SSTE_MMA_TF32 &&
         nibble == 0 && sste_priv_element(values, storage, at) == 0 &&
         sste_priv_element(values, storage, at + 1) == 0;
}

/* The first row of decompress that has an illegal nibble, and its chunk. */
static inline sste_status sste_priv_mma_readable(
    const void *values, size_t ldv, const uint8_t *meta, sste_mma_order order,
    size_t rows, size_t cols, sste_mma_type type, size_t *row, size_t *chunk) {
  const size_t n = (size_t)sste_priv_mma_chunk(type);
  size_t r, c;
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols / n; ++c) {
      const int nibble = sste_priv_mma_get(
          meta, sste_mma_meta_at(order, type, rows, cols, r, c));
      if (sste_mma_nibble_check(nibble, type) != SSTE_OK &&
          !sste_priv_mma_is_empty(nibble, values, r * ldv + c * n / 2, order,
                                  type))
        return sste_priv_mma_fault(r, c, row, chunk);
    }
  return SSTE_OK;
}

/* sste_mma_decompress - the dense matrix of stored values and metadata.
 *   out       receives rows x cols elements, rows ldo apart
 *   values    rows x cols/2 elements, rows ldv apart
 *   meta      sste_mma_meta_bytes in `order`. No two of the three may overlap
 *   row, chunk  receive the place of the first illegal nibble, row by row, on
 *             SSTE_ERR_PATTERN only; may be null
 *   specials  bits are moved as they are, -0 and NaN as well; all other places
 *             are +0. In order CUTLASS3_SM90 nibble 0 with two values +0, which
 *             CUTLASS 3 stores for an empty chunk, is read as one
 *   e.g.      F16 (5, 0), 0x9 -> (0, 5, 0, 0)
 *   PyTorch 2.15's own conversion back, on a CPU, takes the halves of a float32
 *   for 16-bit numbers: 2.9955e36 (7C103AD3) comes back as 4.7929e37 (7E103AD3)
 *   BITWISE. Overwrites out.
 *   Errors: NULL, VALUE, SHAPE, SIZE, OVERLAP, PATTERN.                     */
SSTE_API sste_status sste_mma_decompress(void *out, size_t ldo,
                                         const void *values, size_t ldv,
                                         const uint8_t *meta,
                                         sste_mma_order order, size_t rows,
                                         size_t cols, sste_mma_type type,
                                         size_t *row, size_t *chunk) {
  sste_type storage;
  size_t n;
  ptrdiff_t run;
  sste_status s = sste_priv_mma_matrices(out, ldo, values, ldv, meta, order,
                                         rows, cols, type);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  s = sste_priv_mma_readable(values, ldv, meta, order, rows, cols, type, row,
                             chunk);
  if (s != SSTE_OK) return s;
  storage = sste_priv_mma_storage(type);
  n = (size_t)sste_priv_mma_chunk(type);
  SSTE_OMP(parallel for schedule(static))
  for (run = 0; run < (ptrdiff_t)rows; ++run) {
    const size_t to = (size_t)run * ldo, from = (size_t)run * ldv;
    size_t c, i;
    for (c = 0; c < cols / n; ++c) {
      const int nibble = sste_priv_mma_get(
          meta, sste_mma_meta_at(order, type, rows, cols, (size_t)run, c));
      for (i = 0; i < n; ++i)
        sste_priv_set_element(out, storage, to + c * n + i, 0);
      for (i = 0; i < n / 2; ++i)
        sste_priv_set_element(
            out, storage,
            to + c * n + (size_t)sste_mma_position(nibble, type, (int)i),
            sste_priv_element(values, storage, from + c * n / 2 + i));
    }
  }
  return SSTE_OK;
}

/* ---- 4. Fragments -------------------------------------------------------- */

/* Register r of lane l of a fragment stands at regs[32 r + l]. With e elements
 * in a register (16-bit: 2, TF32: 1, 8-bit: 4), low bits first, quad g holds
 *
 *   A, e kept columns a cell: a dense A of as many columns looks the same. The
 *   right half, r2 and r3, is missing where a row is half as long: sparse
 *   16-bit k = 16; dense 16-bit k = 8, TF32 4, 8-bit 16
 *
 *              0     e     2e    3e    4e    5e    6e    7e
 *   row g    | T0 r0 T1 r0 T2 r0 T3 r0 T0 r2 T1 r2 T2 r2 T3 r2 |
 *   row g+8  | T0 r1 T1 r1 T2 r1 T3 r1 T0 r3 T1 r3 T2 r3 T3 r3 |
 *
 *   B, column g, e rows a cell (a sparse B is as long as two dense ones)
 *
 *   k =        0     e     2e    3e    4e  ..    8e  ..    12e ..   15e
 *            | T0 r0 T1 r0 T2 r0 T3 r0 T0 r1 .. T0 r2 .. T0 r3 .. T3 r3 |
 *
 *   C and D    F32 and S32                     F16, two columns a register
 *              0  1  2  3  4  5  6  7          0,1   2,3   4,5   6,7
 *   row g    | T0 r0,r1 T1 r0,r1 T2 .. T3 .. | T0 r0 T1 r0 T2 r0 T3 r0 |
 *   row g+8  | T0 r2,r3 T1 r2,r3 T2 .. T3 .. | T0 r1 T1 r1 T2 r1 T3 r1 |
 *
 *   Metadata, a word per lane, of the lanes that the selector f names; the
 *   words of the others are not looked at. Chunks, from bit 31 down to bit 0:
 *
 *   16-bit, k = 16            T<f>     row g+8: 3 2 1 0   row g: 3 2 1 0
 *   16-bit, k = 32, and       T<2f>    row g+8: 3 2 1 0   row g: 3 2 1 0
 *   TF32, k = 16              T<2f+1>  row g+8: 7 6 5 4   row g: 7 6 5 4
 *   8-bit, k = 64             T0       row g:    7  6  5  4  3  2  1  0
 *                             T1       row g+8:  7  6  5  4  3  2  1  0
 *                             T2       row g:   15 14 13 12 11 10  9  8
 *                             T3       row g+8: 15 14 13 12 11 10  9  8
 *
 * The metadata, and B of sparse TF32, PTX shows in figures alone: for those the
 * layouts of CUTLASS, CuTe and TVM speak.                                   */
typedef enum sste_mma_operand {
  SSTE_MMA_A = 0,
  SSTE_MMA_B,
  SSTE_MMA_D /* D, and C, which looks the same */
} sste_mma_operand;

/* Where in the warp: an element's lowest bit in register `reg` of `lane`. */
typedef struct sste_mma_place {
  int lane, reg, bit;
} sste_mma_place;

/* Where in the matrix. A: row 0 to 15 and kept column; B: row k, column n; D:
 * row and column; metadata: row and chunk. */
typedef struct sste_mma_index {
  int row, col;
} sste_mma_index;

/* The type of an operand, and its shape as it is stored: B by its columns. */
SSTE_HD static inline sste_mma_type sste_priv_mma_type_of(
    sste_mma_op op, sste_mma_operand which) {
  return which == SSTE_MMA_A ? op.a : which == SSTE_MMA_B ? op.b : op.d;
}
SSTE_HD static inline int sste_priv_mma_rows(sste_mma_operand which) {
  return which == SSTE_MMA_B ? 8 : 16;
}
SSTE_HD static inline int sste_priv_mma_cols(sste_mma_op op,
                                             sste_mma_operand which) {
  if (which == SSTE_MMA_D) return 8;
  return which == SSTE_MMA_A ? sste_priv_mma_kept(op) : op.k;
}

/* sste_mma_registers - how many 32-bit registers per lane a fragment has.
 *   op        one that sste_mma_op_check takes
 *   which     SSTE_MMA_A, _B, _D
 *   e.g.      sparse F16, k = 32: A 4, B 4, D 4 (with op.d F16: 2)
 *   BITWISE. Never fails.                                                   */
SSTE_API SSTE_HD int sste_mma_registers(sste_mma_op op,
                                        sste_mma_operand which) {
  return sste_priv_mma_rows(which) * sste_priv_mma_cols(op, which) *
         sste_priv_mma_bits(sste_priv_mma_type_of(op, which)) / (32 * 32);
}

/* sste_mma_place_of - which lane and register holds an element.
 *   op        one that sste_mma_op_check takes
 *   which     SSTE_MMA_A, _B, _D
 *   row, col  A: row, kept column; B: k, n; D: row, column. Nothing is promised
 *             outside the operand
 *   e.g.      A of F16, k = 32: (9, 3) -> lane 5, register 1, bit 16
 *   BITWISE. Never fails. Source: PTX ISA, the fragments of mma and mma.sp. */
SSTE_API SSTE_HD sste_mma_place sste_mma_place_of(sste_mma_op op,
                                                  sste_mma_operand which,
                                                  int row, int col) {
  const int bits = sste_priv_mma_bits(sste_priv_mma_type_of(op, which));
  const int e = 32 / bits;
  sste_mma_place at;
  switch (which) {
    case SSTE_MMA_A:
      at.lane = 4 * (row % 8) + col / e % 4;
      at.reg = row / 8 + 2 * (col / (4 * e));
      at.bit = bits * (col % e);
      break;
    case SSTE_MMA_B:
      at.lane = 4 * col + row / e % 4;
      at.reg = row / (4 * e);
      at.bit = bits * (row % e);
      break;
    default:
      at.lane = 4 * (row % 8) + col / 2;
      at.reg = e == 1 ? 2 * (row / 8) + col % 2 : row / 8;
      at.bit = bits * (col % e);
  }
  return at;
}

/* sste_mma_index_of - which element a lane's register holds: the way back.
 *   at        lane 0 to 31, a register of the fragment, the element's first bit
 *   returns   row and column as sste_mma_place_of takes them; row -1 where
 *             there is no such place, or no element begins
 *   e.g.      A of F16, k = 32: lane 5, register 1, bit 16 -> (9, 3)
 *   BITWISE. Never fails.                                                   */
SSTE_API SSTE_HD sste_mma_index sste_mma_index_of(sste_mma_op op,
                                                  sste_mma_operand which,
                                                  sste_mma_place at) {
  const int bits = sste_priv_mma_bits(sste_priv_mma_type_of(op, which));
  const int e = 32 / bits, g = at.lane / 4, t = at.lane % 4, i = at.bit / bits;
  sste_mma_index x;
  x.row = x.col = -1;
  if (sste_mma_op_check(op) != SSTE_OK || (unsigned)which > SSTE_MMA_D ||
      (unsigned)at.lane > 31 || (unsigned)at.bit > 31 || at.bit % bits != 0 ||
      at.reg < 0 || at.reg >= sste_mma_registers(op, which))
    return x;
  switch (which) {
    case SSTE_MMA_A:
      x.row = g + 8 * (at.reg % 2);
      x.col = 4 * e * (at.reg / 2) + e * t + i;
      break;
    case SSTE_MMA_B:
      x.row = 4 * e * at.reg + e * t + i;
      x.col = g;
      break;
    default:
      x.row = g + 8 * (e == 1 ? at.reg / 2 : at.reg);
      x.col = 2 * t + (e == 1 ? at.reg % 2 : i);
  }
  return x;
}

/* sste_mma_meta_place - which lane and bits hold the nibble of (row, chunk).
 *   op        sparse; one that sste_mma_op_check takes
 *   selector  below sste_mma_selectors(op)
 *   row, chunk  0 to 15, and below op.k / 4, of TF32 op.k / 2. Nothing is
 *             promised outside these
 *   returns   register 0; bit: the nibble's lowest
 *   e.g.      F16, k = 32, selector 1: (9, 5) -> lane 7, bit 20
 *   BITWISE. Never fails. Source: PTX ISA, mma.sp, whose figures alone show it;
 *   CUTLASS's and CuTe's layouts say the same.                              */
SSTE_API SSTE_HD sste_mma_place sste_mma_meta_place(sste_mma_op op,
                                                    int selector, int row,
                                                    int chunk) {
  const int lanes = sste_priv_mma_chunks(op) / 4; /* per quad: 1, 2 or 4 */
  sste_mma_place at;
  at.reg = 0;
  at.lane = 4 * (row % 8) + lanes * selector;
  if (lanes == 4) {
    at.lane += row / 8 + 2 * (chunk / 8);
    at.bit = 4 * (chunk % 8);
  } else {
    at.lane += chunk / 4;
    at.bit = 16 * (row / 8) + 4 * (chunk % 4);
  }
  return at;
}

/* sste_mma_meta_index - which row and chunk a lane's nibble belongs to.
 *   at        lane 0 to 31, register 0, a nibble's lowest bit
 *   returns   row and chunk; row -1 where the lane is not one of the
 *             selector's, or no nibble begins
 *   e.g.      F16, k = 32: lane 7, bit 20 -> (9, 5) by selector 1, -1 by 0
 *   BITWISE. Never fails.                                                   */
SSTE_API SSTE_HD sste_mma_index sste_mma_meta_index(sste_mma_op op,
                                                    int selector,
                                                    sste_mma_place at) {
  const int lanes = sste_priv_mma_chunks(op) / 4, nibble = at.bit / 4;
  sste_mma_index x;
  int t;
  x.row = x.col = -1;
  if (selector < 0 || selector >= sste_mma_selectors(op) ||
      (unsigned)at.lane > 31 || (unsigned)at.bit > 31 || at.bit % 4 != 0 ||
      at.reg != 0)
    return x;
  t = at.lane % 4 - lanes * selector;
  if (t < 0 || t >= lanes) return x;
  x.row = at.lane / 4 + 8 * (lanes == 4 ? t % 2 : nibble / 4);
  x.col = lanes == 4 ? 8 * (t / 2) + nibble : 4 * t + nibble % 4;
  return x;
}

/* An operand's matrix in memory: sound, and apart from the registers. */
static inline sste_status sste_priv_mma_tile(sste_mma_op op,
                                             sste_mma_operand which,
                                             const void *matrix, size_t ld,
                                             const uint32_t *regs) {
  const size_t rows = (size_t)sste_priv_mma_rows(which);
  size_t cols, size, words;
  sste_status s = sste_mma_op_check(op);
  if ((unsigned)which > SSTE_MMA_D) return SSTE_ERR_VALUE;
  if (s != SSTE_OK) return s;
  cols = (size_t)sste_priv_mma_cols(op, which);
  size = (size_t)sste_priv_mma_bits(sste_priv_mma_type_of(op, which)) / 8;
  words = (size_t)sste_mma_registers(op, which) * 32;
  s = sste_priv_matrix(matrix, rows, cols, ld, size);
  if (s == SSTE_OK) s = sste_priv_matrix(regs, 1, words, words, 4);
  if (s != SSTE_OK) return s;
  return sste_priv_overlap(matrix, rows, cols, ld, size, regs, 1, words, 0, 4)
             ? SSTE_ERR_OVERLAP
             : SSTE_OK;
}

/* Element (i, j) of an operand as it is stored: of B, column i and k = j. */
SSTE_HD static inline sste_mma_place sste_priv_mma_stored_at(
    sste_mma_op op, sste_mma_operand which, int i, int j) {
  return which == SSTE_MMA_B ? sste_mma_place_of(op, which, j, i)
                             : sste_mma_place_of(op, which, i, j);
}

/* An element out of its register, and into one that is 0 there. */
SSTE_HD static inline uint32_t sste_priv_mma_from(const uint32_t *regs,
                                                  sste_mma_place at, int bits) {
  const uint32_t word = regs[32 * at.reg + at.lane] >> at.bit;
  return bits == 32 ? word : word & (((uint32_t)1 << bits) - 1);
}
SSTE_HD static inline void sste_priv_mma_into(uint32_t *regs, sste_mma_place at,
                                              uint32_t element) {
  regs[32 * at.reg + at.lane] |= element << at.bit;
}

/* sste_mma_load - a matrix into the registers of 32 lanes, as ldmatrix does.
 *   regs      receives sste_mma_registers(op, which) x 32 words
 *   op, which the instruction, and the operand
 *   matrix    A: 16 rows of stored values (k, or sparse k/2); B by its columns:
 *             8 rows of k elements (.col); D, for C: 16 rows of 8, of 4 bytes
 *             or, F16, of 2. Rows ld elements apart. No overlap with regs
 *   BITWISE, moves bits. Overwrites regs.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (op, which).                  */
SSTE_API sste_status sste_mma_load(uint32_t *regs, sste_mma_op op,
                                   sste_mma_operand which, const void *matrix,
                                   size_t ld) {
  int i, j;
  sste_type storage;
  const sste_status s = sste_priv_mma_tile(op, which, matrix, ld, regs);
  if (s != SSTE_OK) return s;
  storage = sste_priv_mma_storage(sste_priv_mma_type_of(op, which));
  memset(regs, 0, (size_t)sste_mma_registers(op, which) * 32 * sizeof *regs);
  for (i = 0; i < sste_priv_mma_rows(which); ++i)
    for (j = 0; j < sste_priv_mma_cols(op, which); ++j)
      sste_priv_mma_into(
          regs, sste_priv_mma_stored_at(op, which, i, j),
          sste_priv_element(matrix, storage, (size_t)i * ld + (size_t)j));
  return SSTE_OK;
}

/* sste_mma_store - the way back: registers into a matrix.
 *   matrix    receives A: 16 rows of stored values; B: 8 rows, its columns; D:
 *             16 rows of 8; ld elements apart, nothing between is touched. No
 *             overlap with regs
 *   regs      sste_mma_registers(op, which) x 32 words
 *   BITWISE, moves bits. Overwrites matrix.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (op, which).                  */
SSTE_API sste_status sste_mma_store(void *matrix, size_t ld, sste_mma_op op,
                                    sste_mma_operand which,
                                    const uint32_t *regs) {
  int i, j, bits;
  sste_type storage;
  const sste_status s = sste_priv_mma_tile(op, which, matrix, ld, regs);
  if (s != SSTE_OK) return s;
  bits = sste_priv_mma_bits(sste_priv_mma_type_of(op, which));
  storage = sste_priv_mma_storage(sste_priv_mma_type_of(op, which));
  for (i = 0; i < sste_priv_mma_rows(which); ++i)
    for (j = 0; j < sste_priv_mma_cols(op, which); ++j)
      sste_priv_set_element(
          matrix, storage, (size_t)i * ld + (size_t)j,
          sste_priv_mma_from(regs, sste_priv_mma_stored_at(op, which, i, j),
                             bits));
  return SSTE_OK;
}

/* A tile of row-major metadata: 16 rows of op's chunks. */
static inline sste_status sste_priv_mma_meta_tile(sste_mma_op op, int selector,
                                                  const uint8_t *meta,
                                                  size_t ldm,
                                                  const uint32_t *e) {
  size_t bytes;
  sste_status s = sste_mma_op_check(op);
  if (s != SSTE_OK) return s;
  if (selector < 0 || selector >= sste_mma_selectors(op)) return SSTE_ERR_VALUE;
  bytes = (size_t)sste_priv_mma_chunks(op) / 2;
  s = sste_priv_matrix(meta, 16, bytes, ldm, 1);
  if (s == SSTE_OK) s = sste_priv_matrix(e, 1, 32, 32, 4);
  if (s != SSTE_OK) return s;
  return sste_priv_overlap(meta, 16, bytes, ldm, 1, e, 1, 32, 0, 4)
             ? SSTE_ERR_OVERLAP
             : SSTE_OK;
}

/* sste_mma_meta_load - row-major nibbles into the lanes of a selector.
 *   e         receives the words of the lanes that the selector names; those of
 *             the others stay, so that two instructions can share them
 *   op        sparse
 *   selector  below sste_mma_selectors(op)
 *   meta      16 rows of op.k / 8 bytes (TF32: op.k / 4), ldm apart, as sste.h
 *             and SSTE_MMA_ROW_MAJOR have them: the tile at row i and column k
 *             of a matrix begins i * ldm + k / 8 bytes (k / 4) in. No overlap
 *             with e. (In order CUTLASS2 no function is needed: e is a block's
 *             32 words.)
 *   Nibbles are moved whatever they are.
 *   BITWISE. Overwrites the selected words.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (op, selector).               */
SSTE_API sste_status sste_mma_meta_load(uint32_t e[32], sste_mma_op op,
                                        int selector, const uint8_t *meta,
                                        size_t ldm) {
  int r, c;
  const sste_status s = sste_priv_mma_meta_tile(op, selector, meta, ldm, e);
  if (s != SSTE_OK) return s;
  for (r = 0; r < 16; ++r)
    for (c = 0; c < sste_priv_mma_chunks(op); ++c) {
      const sste_mma_place at = sste_mma_meta_place(op, selector, r, c);
      e[at.lane] &= ~((uint32_t)0xF << at.bit);
      sste_priv_mma_into(
          e, at, (uint32_t)sste_priv_nibble(meta + (size_t)r * ldm, (size_t)c));
    }
  return SSTE_OK;
}

/* sste_mma_meta_store - the way back: the lanes of a selector into row-major
 * nibbles.
 *   BITWISE. Overwrites 16 rows of meta, and nothing between them.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (op, selector).               */
SSTE_API sste_status sste_mma_meta_store(uint8_t *meta, size_t ldm,
                                         sste_mma_op op, int selector,
                                         const uint32_t e[32]) {
  int r, c;
  const sste_status s = sste_priv_mma_meta_tile(op, selector, meta, ldm, e);
  if (s != SSTE_OK) return s;
  for (r = 0; r < 16; ++r)
    for (c = 0; c < sste_priv_mma_chunks(op); ++c)
      sste_priv_mma_put(meta + (size_t)r * ldm, (size_t)c,
                        (int)sste_priv_mma_from(
                            e, sste_mma_meta_place(op, selector, r, c), 4));
  return SSTE_OK;
}

/* ---- 5. Arithmetic ------------------------------------------------------- */

/* A tensor core does not round as IEEE 754 adds. One step takes n products and
 * the accumulator:
 *
 *   1. Each product is exact: significands multiplied, exponents added, and not
 *      normalised, so that a significand is below 4, and 1 or more but where a
 *      factor is subnormal.
 *   2. All n + 1 terms are shifted to the largest exponent E among them, zeros
 *      not counted, or to a fixed least one, and cut off toward zero below
 *      2^(E - F).
 *   3. What is left is added exactly, and the sum cut off once more, to the
 *      result's fraction bits; an F16 result is rounded to nearest even.
 *
 *     1.0100 * 2^3      1.01000000|          F = 8: E = 3
 *     1.1111 * 2^-3     0.00000111|11        the last two bits are lost
 *
 * An instruction with more products than n makes several steps, each of which
 * takes the last one's result as its accumulator. By path:
 *
 *   n, F           Ampere  Ada     Hopper mma  Hopper wgmma  Blackwell
 *   F16, BF16      8, 24   8, 24   16, 25      16, 25        16, 25
 *   TF32           4, 24   4, 24   8, 25       8, 25         8, 25
 *   E4M3, E5M2     none    16, 13  (16, 25)    32, 13        32, 25
 *
 * with 23 fraction bits in an F32 result, but 13 where F is 13. On sm_90 and on
 * sm_100 FP8 is no operand of the mma hardware: ptxas turns it into F16, makes
 * two steps from 0, of which the first takes every other pair of kept columns
 * (the lower half of each register), with F = 25, and adds C at the end, as
 * floats are added. Blackwell's FP8 here is that of tcgen05 and of sm_120.
 *
 * Measured by others: MMA-Sim states the models of dense instructions and finds
 * them exact on ten GPUs; what Khattak and Mikaitis recorded on A100, A2, L40S,
 * RTX 1000 Ada, H100, H200 and B200 agrees in every bit. How hardware puts the
 * products of a sparse instruction into steps nobody has published: the models
 * here count kept products, one after the other, which is an assumption. What
 * becomes of FP8 on Hopper is read from what ptxas 13.0 emits.              */
typedef enum sste_mma_grouping {
  SSTE_MMA_CONSECUTIVE = 0, /* kept columns 0 to n - 1, n to 2n - 1, ... */
  SSTE_MMA_BY_PAIR, /* of S steps, step s takes pairs s, s + S, ... of kept
                       columns: where A is 2:4 sparse, chunks */
  SSTE_MMA_BY_SLOT  /* step s takes kept columns s, s + S, ... */
} sste_mma_grouping;

/* A tensor core's sums. */
typedef struct sste_mma_model {
  int products; /* n: products of one step, 1 to 1024 */
  int fraction; /* F: bits kept below the largest exponent, 1 to 40 */
  int output;   /* fraction bits of an F32 result, 1 to 23 */
  int least;    /* E is no less than this, -300 to 0. MMA-Sim has -126, the
                   exponent of an accumulator of 0; Khattak and Mikaitis have
                   -132 (F = 24) and -133 (F = 25; F16 results: -20, -21). It
                   shows only where all terms of a step are smaller */
  sste_mma_grouping grouping; /* where an instruction has more than n */
  int late; /* 1: as ptxas emulates FP8. Operands are F16 numbers by then, the
               first step takes 0 as its accumulator, and C is added last by one
               addition to nearest even. Else 0 */
} sste_mma_model;

SSTE_HD static inline sste_mma_model sste_priv_mma_model(int products,
                                                         int fraction) {
  sste_mma_model m;
  m.products = products;
  m.fraction = fraction;
  m.output = fraction < 23 ? fraction : 23;
  m.least = -126;
  m.grouping = SSTE_MMA_CONSECUTIVE;
  m.late = 0;
  return m;
}

/* sste_mma_ampere, _ada, _hopper, _hopper_wgmma, _blackwell - a model by name.
 *   operand   of A and B; S8 and U8 need none, and have that of F16
 *   returns   the table above. Where a GPU has no such path, products is 0,
 *             which sste_mma_model_check refuses. _hopper for FP8 is also what
 *             mma does on sm_100; its n is 16, for dense k = 16 set it to 8
 *   BITWISE. Never fails. Source: MMA-Sim, arXiv 2511.10909, for dense
 *   instructions. The steps of sparse ones are assumed, but for FP8 on Hopper,
 *   which is what ptxas 13.0 makes of it.                                   */
SSTE_API SSTE_HD sste_mma_model sste_mma_ampere(sste_mma_type operand) {
  if (sste_priv_mma_is_fp8(operand)) return sste_priv_mma_model(0, 24);
  return sste_priv_mma_model(operand == SSTE_MMA_TF32 ? 4 : 8, 24);
}
SSTE_API SSTE_HD sste_mma_model sste_mma_ada(sste_mma_type operand) {
  if (sste_priv_mma_is_fp8(operand)) return sste_priv_mma_model(16, 13);
  return sste_mma_ampere(operand);
}
SSTE_API SSTE_HD sste_mma_model sste_mma_hopper(sste_mma_type operand) {
  sste_mma_model m = sste_priv_mma_model(operand == SSTE_MMA_TF32 ? 8 : 16, 25);
  if (sste_priv_mma_is_fp8(operand)) {
    m.grouping = SSTE_MMA_BY_PAIR;
    m.late = 1;
  }
  return m;
}
SSTE_API SSTE_HD sste_mma_model sste_mma_hopper_wgmma(sste_mma_type operand) {
  if (sste_priv_mma_is_fp8(operand)) return sste_priv_mma_model(32, 13);
  return sste_priv_mma_model(operand == SSTE_MMA_TF32 ? 8 : 16, 25);
}
SSTE_API SSTE_HD sste_mma_model sste_mma_blackwell(sste_mma_type operand) {
  if (sste_priv_mma_is_fp8(operand)) return sste_priv_mma_model(32, 25);
  return sste_priv_mma_model(operand == SSTE_MMA_TF32 ? 8 : 16, 25);
}

/* sste_mma_model_check - SSTE_OK for a model within the ranges above, else
 * SSTE_ERR_VALUE.
 *   e.g.      sste_mma_ampere(SSTE_MMA_E4M3): VALUE, there is no such path
 *   BITWISE. Never fails otherwise.                                         */
SSTE_API SSTE_HD sste_status sste_mma_model_check(sste_mma_model m) {
  return m.products < 1 || m.products > 1024 || m.fraction < 1 ||
                 m.fraction > 40 || m.output < 1 || m.output > 23 ||
                 m.least < -300 || m.least > 0 || (m.late & ~1) != 0 ||
                 (unsigned)m.grouping > SSTE_MMA_BY_SLOT
             ? SSTE_ERR_VALUE
             : SSTE_OK;
}

/* A float type's format, for sste_fp8.h. */
SSTE_HD static inline sste_fp8_format sste_priv_mma_format(sste_mma_type type) {
  switch (type) {
    case SSTE_MMA_F16: return sste_fp8_float16();
    case SSTE_MMA_BF16: return sste_fp8_bfloat16();
    case SSTE_MMA_TF32:
      return sste_priv_fp8_format(1, 8, 10, 127, SSTE_FP8_IEEE);
    case SSTE_MMA_E4M3: return sste_fp8_e4m3fn();
    case SSTE_MMA_E5M2: return sste_fp8_e5m2();
    default: return sste_fp8_float32();
  }
}

/* A term of the sum: (-1)^negative * significand * 2^(exponent - fraction). */
typedef struct sste_priv_mma_term {
  int kind, negative, exponent, fraction;
  uint64_t significand;
} sste_priv_mma_term;

SSTE_HD static inline sste_priv_mma_term sste_priv_mma_number(
    sste_mma_type type, uint32_t code) {
  const sste_fp8_format f = sste_priv_mma_format(type);
  const sste_priv_fp8_number x =
      sste_priv_fp8_unpack(f, type == SSTE_MMA_TF32 ? code >> 13 : code);
  sste_priv_mma_term t;
  t.kind = x.kind;
  t.negative = x.negative;
  t.exponent = x.exponent + f.mantissa_bits;
  t.fraction = f.mantissa_bits;
  t.significand = x.significand;
  return t;
}

SSTE_HD static inline sste_priv_mma_term sste_priv_mma_times(
    sste_priv_mma_term a, sste_priv_mma_term b) {
  const int infinite =
      a.kind == SSTE_PRIV_FP8_INFINITE || b.kind == SSTE_PRIV_FP8_INFINITE;
  sste_priv_mma_term t;
  t.negative = a.negative ^ b.negative;
  t.exponent = a.exponent + b.exponent;
  t.fraction = a.fraction + b.fraction;
  t.significand = a.significand * b.significand;
  t.kind = infinite ? SSTE_PRIV_FP8_INFINITE : SSTE_PRIV_FP8_FINITE;
  if (a.kind == SSTE_PRIV_FP8_NAN || b.kind == SSTE_PRIV_FP8_NAN ||
      (infinite && t.significand == 0))
    t.kind = SSTE_PRIV_FP8_NAN;
  return t;
}

/* An operand. A subnormal of E4M3 that has become an F16 is normal there. */
SSTE_HD static inline sste_priv_mma_term sste_priv_mma_factor(
    sste_mma_type type, uint32_t code, int late) {
  sste_priv_mma_term t = sste_priv_mma_number(type, code);
  while (late && sste_priv_mma_is_fp8(type) && t.exponent > -14 &&
         t.significand != 0 && t.significand >> t.fraction == 0) {
    t.significand *= 2;
    --t.exponent;
  }
  return t;
}

/* Term i of a step: the n products, then the accumulator. */
SSTE_HD static inline sste_priv_mma_term sste_priv_mma_term_of(
    sste_mma_op op, const uint32_t *a, const uint32_t *b, int n, uint32_t c,
    int i, int late) {
  if (i == n) return sste_priv_mma_number(op.d, c);
  return sste_priv_mma_times(sste_priv_mma_factor(op.a, a[i], late),
                             sste_priv_mma_factor(op.b, b[i], late));
}

/* A term in units of 2^(top - F), cut off toward zero. */
SSTE_HD static inline int64_t sste_priv_mma_align(sste_priv_mma_term t, int top,
                                                  int F) {
  const int shift = F + t.exponent - top - t.fraction;
  uint64_t x = t.significand;
  if (x == 0 || shift <= -64) return 0;
  x = shift >= 0 ? x << shift : x >> -shift;
  return t.negative ? -(int64_t)x : (int64_t)x;
}

/* sum * 2^exponent as a code of 5 exponent bits and 10 of fraction, or of 8 and
 * `output`; past the largest number an infinity. A zero is +0. */
SSTE_HD static inline uint32_t sste_priv_mma_result(sste_mma_type d, int output,
                                                    int rounding, int64_t sum,
                                                    int exponent) {
  const int half = d == SSTE_MMA_F16;
  const sste_fp8_format f =
      half ? sste_fp8_float16()
           : sste_priv_fp8_format(1, 8, output, 127, SSTE_FP8_IEEE);
  const uint64_t infinity = sste_priv_fp8_largest(f) + 1;
  sste_fp8_rule rule = sste_fp8_saturating();
  sste_priv_fp8_number x;
  uint64_t code;
  rule.rounding = rounding;
  x.kind = SSTE_PRIV_FP8_FINITE;
  x.negative = sum < 0;
  x.exponent = exponent;
  x.significand = sum < 0 ? 0 - (uint64_t)sum : (uint64_t)sum;
  code = sste_priv_fp8_magnitude(f, &rule, &x, x.negative, 0);
  if (code > infinity) code = infinity;
  if (code == 0) return 0;
  if (x.negative) code |= sste_priv_fp8_ones(f) + 1;
  return (uint32_t)(half ? code : code << (23 - output));
}

/* What infinities and NaNs lead to; 0 where there are none. */
typedef struct sste_priv_mma_specials {
  int nan, plus, minus;
} sste_priv_mma_specials;

SSTE_HD static inline void sste_priv_mma_note(sste_priv_mma_specials *seen,
                                              sste_priv_mma_term t) {
  seen->nan |= t.kind == SSTE_PRIV_FP8_NAN;
  seen->plus |= t.kind == SSTE_PRIV_FP8_INFINITE && !t.negative;
  seen->minus |= t.kind == SSTE_PRIV_FP8_INFINITE && t.negative;
}
SSTE_HD static inline uint32_t sste_priv_mma_special(
    sste_mma_type d, sste_priv_mma_specials seen) {
  const uint32_t sign = d == SSTE_MMA_F16 ? 0x8000u : 0x80000000u;
  const uint32_t infinity = d == SSTE_MMA_F16 ? 0x7C00u : SSTE_PRIV_INF;
  if (seen.nan || (seen.plus && seen.minus)) return sign - 1;
  if (seen.plus) return infinity;
  return seen.minus ? sign | infinity : 0;
}

/* The integers' step: exact, then wrapped or stopped at either end. */
SSTE_HD static inline uint32_t sste_priv_mma_integers(sste_mma_op op,
                                                      const uint32_t *a,
                                                      const uint32_t *b, int n,
                                                      uint32_t c) {
  int64_t sum = c < 0x80000000u ? (int64_t)c : (int64_t)c - 0x100000000;
  int i;
  for (i = 0; i < n; ++i) {
    const int x = (int)(a[i] & 0xFF), y = (int)(b[i] & 0xFF);
    sum += (int64_t)(op.a == SSTE_MMA_S8 && x > 127 ? x - 256 : x) *
           (op.b == SSTE_MMA_S8 && y > 127 ? y - 256 : y);
  }
  if (op.saturate && sum > INT32_MAX) sum = INT32_MAX;
  if (op.saturate && sum < INT32_MIN) sum = INT32_MIN;
  return (uint32_t)((uint64_t)sum & 0xFFFFFFFFu);
}

/* sste_mma_step - one step of a tensor core: n products and the accumulator.
 *   op        gives the types; k and sparse do not matter. Nothing is promised
 *             for types and models that the checks refuse
 *   model     gives F, output, least, and whether FP8 has become F16 (late)
 *   a, b      n codes each, in the low bits of a word
 *   n         products, 0 to 1024; model.products does not matter here
 *   c         the accumulator's code: 32 bits, or 16 of F16
 *   ties      in F32 none, all is cut off; F16: to even
 *   specials  0x7FFFFFFF (F16: 0x7FFF) if a term is NaN, infinity * 0, or if
 *             infinities have both signs; else the infinity. Subnormals count
 *             as they are, with their format's least exponent. A product with a
 *             zero takes no part. A result of 0 is +0. Too large is infinity
 *   integers  exact; wraps, or stops at either end if op.saturate
 *   returns   the result's code
 *   e.g.      F16, Ampere: 1 * 2^-14 + 2^-14 * 2^-11 + c = 1 -> 1 + 2^-14: what
 *             is below 2^-24 is lost
 *   BITWISE, by integers only. Never fails.
 *   Source: MMA-Sim, arXiv 2511.10909. DEVIATION: MMA-Sim's code gives a
 *   product with a zero the exponent -126 plus that of the other factor, which
 *   can cut off more where a BF16 or TF32 factor is larger than 2^100 or so;
 *   Khattak and Mikaitis, arXiv 2512.07004, drop it as here.                 */
SSTE_API SSTE_HD uint32_t sste_mma_step(sste_mma_op op, sste_mma_model model,
                                        const uint32_t *a, const uint32_t *b,
                                        int n, uint32_t c) {
  const int rounding =
      op.d == SSTE_MMA_F16 ? SSTE_ROUND_NEAREST_EVEN : SSTE_ROUND_TOWARD_ZERO;
  sste_priv_mma_specials seen = {0, 0, 0};
  int top = model.least, i;
  int64_t sum = 0;
  if (op.d == SSTE_MMA_S32) return sste_priv_mma_integers(op, a, b, n, c);
  for (i = 0; i <= n; ++i) {
    const sste_priv_mma_term t =
        sste_priv_mma_term_of(op, a, b, n, c, i, model.late);
    sste_priv_mma_note(&seen, t);
    if (t.significand != 0 && t.exponent > top) top = t.exponent;
  }
  if (seen.nan || seen.plus || seen.minus)
    return sste_priv_mma_special(op.d, seen);
  for (i = 0; i <= n; ++i)
    sum += sste_priv_mma_align(
        sste_priv_mma_term_of(op, a, b, n, c, i, model.late), top,
        model.fraction);
  return sste_priv_mma_result(op.d, model.output, rounding, sum,
                              top - model.fraction);
}

/* How many steps n products take, and which of them product i belongs to. */
SSTE_HD static inline int sste_priv_mma_steps(sste_mma_model model, int n) {
  return (n + model.products - 1) / model.products;
}
SSTE_HD static inline int sste_priv_mma_step_of(sste_mma_model model, int n,
                                                int i) {
  const int steps = sste_priv_mma_steps(model, n);
  if (model.grouping == SSTE_MMA_BY_PAIR) return i / 2 % steps;
  return model.grouping == SSTE_MMA_BY_SLOT ? i % steps : i / model.products;
}

/* x + y, rounded to nearest even as IEEE 754 adds. The smaller is shifted to
 * the larger's exponent and cut off 38 bits below the larger's last one. It has
 * 24 bits: a smaller that reaches up to a tie is not cut.                   */
SSTE_HD static inline uint32_t sste_priv_mma_add(sste_mma_type d, uint32_t x,
                                                 uint32_t y) {
  const int guard = 38;
  const sste_priv_mma_term p = sste_priv_mma_number(d, x);
  const sste_priv_mma_term q = sste_priv_mma_number(d, y);
  const sste_priv_mma_term high = p.exponent >= q.exponent ? p : q;
  const sste_priv_mma_term low = p.exponent >= q.exponent ? q : p;
  const int apart = high.exponent - low.exponent;
  const int64_t h = (int64_t)(high.significand << guard);
  const int64_t m =
      apart < 64 ? (int64_t)(low.significand << guard >> apart) : 0;
  sste_priv_mma_specials seen = {0, 0, 0};
  sste_priv_mma_note(&seen, p);
  sste_priv_mma_note(&seen, q);
  if (seen.nan || seen.plus || seen.minus)
    return sste_priv_mma_special(d, seen);
  return sste_priv_mma_result(
      d, 23, SSTE_ROUND_NEAREST_EVEN,
      (high.negative ? -h : h) + (low.negative ? -m : m),
      high.exponent - high.fraction - guard);
}

/* sste_mma_dot - the products of one instruction, added up in steps.
 *   op, model as sste_mma_step; products, grouping and late count here
 *   a, b      n codes each, those of one row of stored A and of the entries of
 *             B that they meet, by kept column
 *   n         0 to 64; with 0 there is no step that would round c
 *   c         the accumulator's code
 *   returns   the result's code; NaN for a model that its check refuses, and
 *             for another n
 *   e.g.      Ampere, F16, n = 16: the step of products 0 to 7, and that of 8
 *             to 15 with its result as c
 *   BITWISE, by integers only. Never fails.                                 */
SSTE_API SSTE_HD uint32_t sste_mma_dot(sste_mma_op op, sste_mma_model model,
                                       const uint32_t *a, const uint32_t *b,
                                       int n, uint32_t c) {
  uint32_t sum = model.late ? 0 : c;
  int s, i;
  if (sste_mma_model_check(model) != SSTE_OK || n < 0 || n > 64)
    return op.d == SSTE_MMA_F16 ? 0x7FFFu : 0x7FFFFFFFu;
  if (op.d == SSTE_MMA_S32) return sste_mma_step(op, model, a, b, n, c);
  for (s = 0; s < sste_priv_mma_steps(model, n); ++s) {
    uint32_t x[64], y[64];
    int taken = 0;
    for (i = 0; i < n; ++i)
      if (sste_priv_mma_step_of(model, n, i) == s) {
        x[taken] = a[i];
        y[taken++] = b[i];
      }
    sum = sste_mma_step(op, model, x, y, taken, sum);
  }
  return model.late ? sste_priv_mma_add(op.d, c, sum) : sum;
}

/* ---- 6. The emulator ----------------------------------------------------- */

/* All of an instruction's registers, checked; e only where it is sparse. */
static inline sste_status sste_priv_mma_registers_of(
    const uint32_t *d, const uint32_t *a, const uint32_t *b, const uint32_t *c,
    sste_mma_op op, sste_mma_model model) {
  if (sste_mma_op_check(op) != SSTE_OK ||
      sste_mma_model_check(model) != SSTE_OK)
    return SSTE_ERR_VALUE;
  return d == NULL || a == NULL || b == NULL || c == NULL ? SSTE_ERR_NULL
                                                          : SSTE_OK;
}

/* One element of an operand, out of the registers. */
SSTE_HD static inline uint32_t sste_priv_mma_element(const uint32_t *regs,
                                                     sste_mma_op op,
                                                     sste_mma_operand which,
                                                     int row, int col) {
  return sste_priv_mma_from(
      regs, sste_mma_place_of(op, which, row, col),
      sste_priv_mma_bits(sste_priv_mma_type_of(op, which)));
}

/* The nibble of (row, chunk), out of the lanes of a selector. */
SSTE_HD static inline int sste_priv_mma_nibble_of(const uint32_t *e,
                                                  sste_mma_op op, int selector,
                                                  int row, int chunk) {
  return (int)sste_priv_mma_from(
      e, sste_mma_meta_place(op, selector, row, chunk), 4);
}

/* The row of B that kept column p of row i meets. */
SSTE_HD static inline int sste_priv_mma_meets(const uint32_t *e, sste_mma_op op,
                                              int selector, int i, int p) {
  const int n = sste_priv_mma_chunk(op.a), chunk = p / (n / 2);
  if (!op.sparse) return p;
  return chunk * n +
         sste_mma_position(sste_priv_mma_nibble_of(e, op, selector, i, chunk),
                           op.a, p % (n / 2));
}

/* D = A B + C on registers. D may be C: it is written at the end. */
static inline void sste_priv_mma_emulate(uint32_t *d, const uint32_t *a,
                                         const uint32_t *b, const uint32_t *c,
                                         const uint32_t *e, int selector,
                                         sste_mma_op op, sste_mma_model model) {
  const int kept = sste_priv_mma_kept(op);
  uint32_t result[4 * 32] = {0};
  int i, j, p;
  for (i = 0; i < 16; ++i)
    for (j = 0; j < 8; ++j) {
      uint32_t x[64], y[64];
      for (p = 0; p < kept; ++p) {
        const int k = sste_priv_mma_meets(e, op, selector, i, p);
        x[p] = sste_priv_mma_element(a, op, SSTE_MMA_A, i, p);
        y[p] = sste_priv_mma_element(b, op, SSTE_MMA_B, k, j);
      }
      sste_priv_mma_into(
          result, sste_mma_place_of(op, SSTE_MMA_D, i, j),
          sste_mma_dot(op, model, x, y, kept,
                       sste_priv_mma_element(c, op, SSTE_MMA_D, i, j)));
    }
  memcpy(d, result,
         (size_t)sste_mma_registers(op, SSTE_MMA_D) * 32 * sizeof *d);
}

/* sste_mma - a dense instruction on the registers of 32 lanes: D = A B + C.
 *   d         receives sste_mma_registers(op, SSTE_MMA_D) x 32 words
 *   a, b, c   its operands, as sste_mma_load fills them; d may be any of them
 *   op        dense
 *   model     how it adds: sste_mma_ampere(op.a), ...; S32 needs any legal one
 *   specials  as sste_mma_step
 *   BITWISE. Overwrites d. Errors: NULL, VALUE (op, model).                 */
SSTE_API sste_status sste_mma(uint32_t *d, const uint32_t *a, const uint32_t *b,
                              const uint32_t *c, sste_mma_op op,
                              sste_mma_model model) {
  const sste_status s = sste_priv_mma_registers_of(d, a, b, c, op, model);
  if (s != SSTE_OK) return s;
  if (op.sparse) return SSTE_ERR_VALUE;
  sste_priv_mma_emulate(d, a, b, c, NULL, 0, op, model);
  return SSTE_OK;
}

/* sste_mma_sp - a sparse one, mma.sp::ordered_metadata:
 *     d_ij = c_ij + sum over kept p of  a_ip * b_{k(i,p), j}
 *   d, a, b, c  as sste_mma
 *   e         a word per lane; those of lanes that the selector does not name
 *             may hold anything
 *   selector  below sste_mma_selectors(op)
 *   op        sparse
 *   row, chunk  receive the place of the first illegal nibble, row by row, on
 *             SSTE_ERR_PATTERN only; may be null. On hardware what follows from
 *             one is undefined
 *   e.g.      with A's row 0 as in the preface, column 0 of B 1, 2, 3, ..., and
 *             c = 0, d_00 is 43
 *   BITWISE. Overwrites d.
 *   Errors: NULL, VALUE (op, model, selector), PATTERN. Source: PTX ISA.    */
SSTE_API sste_status sste_mma_sp(uint32_t *d, const uint32_t *a,
                                 const uint32_t *b, const uint32_t *c,
                                 const uint32_t e[32], int selector,
                                 sste_mma_op op, sste_mma_model model,
                                 size_t *row, size_t *chunk) {
  const sste_status s = sste_priv_mma_registers_of(d, a, b, c, op, model);
  int i, k;
  if (s != SSTE_OK) return s;
  if (selector < 0 || selector >= sste_mma_selectors(op)) return SSTE_ERR_VALUE;
  if (e == NULL) return SSTE_ERR_NULL;
  for (i = 0; i < 16; ++i)
    for (k = 0; k < sste_priv_mma_chunks(op); ++k) {
      const int nibble = sste_priv_mma_nibble_of(e, op, selector, i, k);
      if (sste_mma_nibble_check(nibble, op.a) != SSTE_OK)
        return sste_priv_mma_fault((size_t)i, (size_t)k, row, chunk);
    }
  sste_priv_mma_emulate(d, a, b, c, e, selector, op, model);
  return SSTE_OK;
}

/* The matrices of a product, and every nibble. */
static inline sste_status sste_priv_mma_operands(
    const void *d, size_t ldd, const void *values, size_t ldv,
    const uint8_t *meta, size_t ldm, const void *b, size_t ldb, size_t M,
    size_t N, size_t K, sste_mma_op op, size_t *row, size_t *chunk) {
  const size_t d_size = (size_t)sste_priv_mma_bits(op.d) / 8;
  const size_t size = (size_t)sste_priv_mma_bits(op.a) / 8;
  const size_t kept = op.sparse ? K / 2 : K;
  const size_t chunks = K / (size_t)sste_priv_mma_chunk(op.a);
  const size_t mcols = op.sparse ? (chunks + 1) / 2 : 0;
  size_t r, c;
  sste_status s = sste_priv_matrix(d, M, N, ldd, d_size);
  if (s == SSTE_OK && N > 0) s = sste_priv_matrix(values, M, kept, ldv, size);
  if (s == SSTE_OK && N > 0) s = sste_priv_matrix(meta, M, mcols, ldm, 1);
  if (s == SSTE_OK && M > 0) s = sste_priv_matrix(b, N, K, ldb, size);
  if (s != SSTE_OK || M == 0 || N == 0) return s;
  if (K % (size_t)op.k != 0) return SSTE_ERR_SHAPE;
  if (sste_priv_overlap(d, M, N, ldd, d_size, values, M, kept, ldv, size) ||
      sste_priv_overlap(d, M, N, ldd, d_size, meta, M, mcols, ldm, 1) ||
      sste_priv_overlap(d, M, N, ldd, d_size, b, N, K, ldb, size))
    return SSTE_ERR_OVERLAP;
  for (r = 0; r < M && op.sparse; ++r)
    for (c = 0; c < chunks; ++c)
      if (sste_mma_nibble_check(sste_priv_nibble(meta + r * ldm, c), op.a) !=
          SSTE_OK)
        return sste_priv_mma_fault(r, c, row, chunk);
  return SSTE_OK;
}

/* sste_mma_product - a whole product by instructions: D = A B, from C = 0, one
 * after another along K. What a kernel gives that keeps its accumulators and
 * does not split K.
 *   d         receives M x N elements of op.d, rows ldd apart
 *   values    M x K elements of op.a, or, sparse, M x K/2 stored ones, rows ldv
 *             apart
 *   meta      sparse: M rows of ceil(chunks / 2) bytes, ldm apart, row-major
 *             nibbles; dense: not looked at
 *   b         N x K elements of op.b, rows ldb apart: B by its columns, such as
 *             tokens. d overlaps none of these
 *   M, N      any; K: a multiple of op.k
 *   op, model the instruction, and how it adds
 *   specials  as sste_mma_step
 *   row, chunk  receive the place of the first illegal nibble, row by row, on
 *             SSTE_ERR_PATTERN only; may be null
 *   BITWISE. Overwrites d; K = 0 gives zeros.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (op, model), PATTERN.         */
SSTE_API sste_status sste_mma_product(void *d, size_t ldd, const void *values,
                                      size_t ldv, const uint8_t *meta,
                                      size_t ldm, const void *b, size_t ldb,
                                      size_t M, size_t N, size_t K,
                                      sste_mma_op op, sste_mma_model model,
                                      size_t *row, size_t *chunk) {
  sste_type to, from;
  ptrdiff_t i;
  sste_status s;
  if (sste_mma_op_check(op) != SSTE_OK ||
      sste_mma_model_check(model) != SSTE_OK)
    return SSTE_ERR_VALUE;
  s = sste_priv_mma_operands(d, ldd, values, ldv, meta, ldm, b, ldb, M, N, K,
                             op, row, chunk);
  if (s != SSTE_OK || M == 0 || N == 0) return s;
  to = sste_priv_mma_storage(op.d);
  from = sste_priv_mma_storage(op.a); /* op.b's are as wide */
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)M; ++i) {
    const size_t kept = (size_t)sste_priv_mma_kept(op);
    const size_t n = (size_t)sste_priv_mma_chunk(op.a);
    size_t j, k, p;
    for (j = 0; j < N; ++j) {
      uint32_t sum = 0, x[64], y[64];
      for (k = 0; k < K / (size_t)op.k; ++k) {
        for (p = 0; p < kept; ++p) {
          const size_t at = k * kept + p, c = at / (n / 2);
          size_t meets = at;
          if (op.sparse)
            meets = c * n + (size_t)sste_mma_position(
                                sste_priv_nibble(meta + (size_t)i * ldm, c),
                                op.a, (int)(at % (n / 2)));
          x[p] = sste_priv_element(values, from, (size_t)i * ldv + at);
          y[p] = sste_priv_element(b, from, j * ldb + meets);
        }
        sum = sste_mma_dot(op, model, x, y, (int)kept, sum);
      }
      sste_priv_set_element(d, to, (size_t)i * ldd + j, sum);
    }
  }
  return SSTE_OK;
}

/* ---- 7. Error bounds ----------------------------------------------------- */

/* sste_mma_bound - how far a sum made by instructions may be from the truth:
 *     |d - exact| <= bound * (sum |a b| + |c|)
 *   op        the instruction; op.k is how much of the sum one of them takes
 *   model     how it adds
 *   terms     products of the whole sum that the hardware adds, zeros included:
 *             K, or K/2 where A is sparse
 *   returns   S being the steps of all instructions together,
 *                 F32   (terms + S) * 2^-F + S * 2^-output
 *                 F16   ((terms + S) * 2^-F + S * 2^-11) / (1 - S * 2^-11)
 *             If C is added late, in R instructions of t terms and s steps,
 *             with v = 2^-24, or for F16 2^-11,
 *                 F32   ((t + s) * 2^-F + s * 2^-output + R v) / (1 - R v)
 *                 F16   ((t + s) * 2^-F + (s + R) * v) / (1 - (s + R) * v)
 *             S32: 0. Infinity where the denominator is not positive, and for
 *             what sste_mma_op_check or sste_mma_model_check refuses
 *   why       A step cuts its products and its accumulator below 2^(E - F), and
 *             E is the exponent of one of them, so that each loses less than
 *             2^-F of the largest. Then the result is cut below 2^-output of
 *             itself. Neither makes a sum larger: all partial sums stay within
 *             sum |a b| + |c|, and the losses just add up. Rounding to nearest
 *             can make one larger: that is the denominator
 *   holds     if nothing overflows. Two provisions:
 *   subnormal operands  2^E can exceed a product with one: count the factor as
 *             the smallest normal number of its type in sum |a b| (of E4M3,
 *             2^-6, such numbers are common)
 *   tiny sums add (terms + S) * 2^(L - F) + S * 2^(-126 - output), and for F16
 *             S * 2^-25 instead of the latter; all terms and S, late or not; L
 *             is the larger of least and -126 (F16: -14)
 *   e.g.      F16, k = 32, Ampere, 1024 stored values: S = 128, and the bound
 *             is 1152 * 2^-24 + 128 * 2^-23 = 8.4e-5
 *   BITWISE. Never fails.
 *   Source: derived here from the model of section 5.                       */
SSTE_API SSTE_HD double sste_mma_bound(sste_mma_op op, sste_mma_model model,
                                       size_t terms) {
  const int half = op.d == SSTE_MMA_F16, kept = sste_priv_mma_kept(op);
  const double nearest = half ? 1.0 / 2048.0 : 1.0 / 16777216.0;
  double n, R, S, cut, end, rounded, loss;
  if (sste_mma_op_check(op) != SSTE_OK ||
      sste_mma_model_check(model) != SSTE_OK)
    return (double)sste_priv_float(SSTE_PRIV_INF);
  if (op.d == SSTE_MMA_S32) return 0.0;
  R = (double)(terms / (size_t)kept + (terms % (size_t)kept != 0));
  n = (double)terms;
  if (model.late && R > 1.0) n = kept;
  S = (model.late && R > 1.0 ? 1.0 : R) * sste_priv_mma_steps(model, kept);
  cut = 1.0 / (double)((uint64_t)1 << model.fraction);
  end = 1.0 / (double)((uint64_t)1 << model.output);
  rounded = (half ? S * nearest : 0.0) + (model.late ? R * nearest : 0.0);
  loss = (n + S) * cut + (half ? 0.0 : S * end) + rounded;
  return rounded < 1.0 ? loss / (1.0 - rounded)
                       : (double)sste_priv_float(SSTE_PRIV_INF);
}

/* ---- 8. The probe -------------------------------------------------------- */

/* How a GPU groups the products of a sparse instruction can be asked of it.
 * With C = 0, plant M at kept column i, -M at j, a tiny x at l, and zeros else:
 *
 *     d = x   if l is added in a later step than i and j: they are gone by then
 *     d = 0   otherwise: beside M, or onto it, x is cut off
 *
 * All pairs and all l give the order of the steps. Then, within one step, M, -M
 * and x = M * 2^-r tell F, the largest r for which x survives, and M + x how
 * many bits of the result do. At last C = M and x = 3/4 of an ulp of M tell
 * whether C is added to nearest, at the end, or cut off like the rest.
 *
 * No GPU has been asked yet; tests/probe_mma.cu asks one.                   */
typedef struct sste_mma_finding {
  int kept;     /* how many kept columns an instruction has */
  int step[64]; /* the step of each, from 0; a first step of one product is not
                   told from the second */
  int steps;    /* how many there are */
  int fraction; /* F; 28 stands for 28 or more, 0 for none, -1 for unknown: no
                   first step of three products */
  int output;   /* fraction bits of a result, at most F; -1 as above */
  int late;     /* 1: C is added last, to nearest */
} sste_mma_finding;

/* Executes op, whose registers are as sste_mma_sp takes them, with selector 0:
 * on a GPU, or by sste_mma_sp itself. Whatever it returns but SSTE_OK ends the
 * probe. */
typedef sste_status (*sste_mma_run)(void *context, uint32_t *d,
                                    const uint32_t *a, const uint32_t *b,
                                    const uint32_t *c, const uint32_t *e);

typedef struct sste_priv_mma_trial {
  sste_mma_op op;
  uint32_t a[4 * 32], b[4 * 32], c[4 * 32], d[4 * 32], e[32];
} sste_priv_mma_trial;

/* Nothing planted; every chunk keeps its first elements. */
static inline void sste_priv_mma_clear(sste_priv_mma_trial *t, sste_mma_op op) {
  int lane;
  memset(t, 0, sizeof *t);
  t->op = op;
  for (lane = 0; lane < 32; ++lane) t->e[lane] = 0x44444444u;
}

/* The code of 2^exponent, times 3/2 or -1 if asked, in an operand's type. */
static inline uint32_t sste_priv_mma_power(sste_mma_type type, int exponent,
                                           int three_halves, int negative) {
  const sste_fp8_format f = sste_priv_mma_format(type);
  const int M = f.mantissa_bits, sign = f.exponent_bits + M;
  const uint32_t code = (uint32_t)(exponent + f.bias) << M |
                        (uint32_t)three_halves << (M - 1) |
                        (uint32_t)negative << sign;
  return type == SSTE_MMA_TF32 ? code << 13 : code;
}

/* Product p of output (0, col): 2^exponent, -12 to 16, in two even factors. */
static inline void sste_priv_mma_plant(sste_priv_mma_trial *t, int p, int col,
                                       int exponent, int three_halves,
                                       int negative) {
  const int k = sste_priv_mma_meets(t->e, t->op, 0, 0, p);
  const int half = (exponent + 12) / 2 - 6; /* rounded down */
  const uint32_t x = sste_priv_mma_power(t->op.a, half, three_halves, negative);
  const uint32_t y = sste_priv_mma_power(t->op.b, exponent - half, 0, 0);
  sste_priv_mma_into(t->a, sste_mma_place_of(t->op, SSTE_MMA_A, 0, p), x);
  sste_priv_mma_into(t->b, sste_mma_place_of(t->op, SSTE_MMA_B, k, col), y);
}

static inline uint32_t sste_priv_mma_output(const sste_priv_mma_trial *t,
                                            int col) {
  return sste_priv_mma_element(t->d, t->op, SSTE_MMA_D, 0, col);
}

/* later[i][l] is set where l is added in a later step than i and some j: eight
 * l at a time, one in each column. */
static inline sste_status sste_priv_mma_ask_order(uint8_t later[64][64],
                                                  sste_mma_op op,
                                                  sste_mma_run run,
                                                  void *context) {
  const int kept = sste_priv_mma_kept(op);
  int i, j, l, col;
  memset(later, 0, 64 * sizeof *later);
  for (i = 0; i < kept; ++i)
    for (j = i + 1; j < kept; ++j)
      for (l = 0; l < kept; l += 8) {
        sste_priv_mma_trial t;
        sste_status s;
        sste_priv_mma_clear(&t, op);
        for (col = 0; col < 8; ++col) {
          sste_priv_mma_plant(&t, i, col, 16, 0, 0);
          sste_priv_mma_plant(&t, j, col, 16, 0, 1);
          if (l + col != i && l + col != j)
            sste_priv_mma_plant(&t, l + col, col, -12, 0, 0);
        }
        s = run(context, t.d, t.a, t.b, t.c, t.e);
        if (s != SSTE_OK) return s;
        for (col = 0; col < 8; ++col)
          if (sste_priv_mma_output(&t, col) != 0)
            later[i][l + col] = later[j][l + col] = 1;
      }
  return SSTE_OK;
}

/* The steps, told apart by how many products come before them. */
static inline void sste_priv_mma_rank(sste_mma_finding *found,
                                      uint8_t later[64][64]) {
  int before[64], i, l, most;
  for (l = 0; l < found->kept; ++l) {
    before[l] = 0;
    found->step[l] = -1;
    for (i = 0; i < found->kept; ++i) before[l] += later[i][l];
  }
  for (most = 0; most < found->kept; ++most) {
    int any = 0;
    for (l = 0; l < found->kept; ++l)
      if (before[l] == most) {
        found->step[l] = found->steps;
        any = 1;
      }
    found->steps += any;
  }
}

/* Of three products of one step, M, -M if asked, and M * 2^-r: the largest r up
 * to `most` for which the last can be seen in the result; 0: none.          */
static inline sste_status sste_priv_mma_ask_bits(int *bits, const int at[3],
                                                 int M, int most, int cancelled,
                                                 sste_mma_op op,
                                                 sste_mma_run run,
                                                 void *context) {
  const uint32_t without = cancelled ? 0 : (uint32_t)(M + 127) << 23;
  int r;
  *bits = 0;
  for (r = 1; r <= most; ++r) {
    sste_priv_mma_trial t;
    sste_status s;
    sste_priv_mma_clear(&t, op);
    sste_priv_mma_plant(&t, at[0], 0, M, 0, 0);
    if (cancelled) sste_priv_mma_plant(&t, at[1], 0, M, 0, 1);
    sste_priv_mma_plant(&t, at[2], 0, M - r, 0, 0);
    s = run(context, t.d, t.a, t.b, t.c, t.e);
    if (s != SSTE_OK) return s;
    if (sste_priv_mma_output(&t, 0) == without) return SSTE_OK;
    *bits = r;
  }
  return SSTE_OK;
}

/* Whether C = 2^12 and a product of 3/4 of its ulp give more than C. */
static inline sste_status sste_priv_mma_ask_late(int *late, sste_mma_op op,
                                                 sste_mma_run run,
                                                 void *context) {
  const uint32_t big = (uint32_t)(12 + 127) << 23;
  sste_priv_mma_trial t;
  sste_status s;
  sste_priv_mma_clear(&t, op);
  sste_priv_mma_plant(&t, 0, 0, 12 - 24, 1, 0);
  sste_priv_mma_into(t.c, sste_mma_place_of(op, SSTE_MMA_D, 0, 0), big);
  s = run(context, t.d, t.a, t.b, t.c, t.e);
  *late = sste_priv_mma_output(&t, 0) > big;
  return s;
}

/* sste_mma_probe - asks an implementation of a sparse instruction how it adds.
 *   found     receives what was seen
 *   op        sparse, of a float type, with op.d = SSTE_MMA_F32
 *   run       executes op; called up to some 2000 times
 *   context   handed to run
 *   e.g.      run = sste_mma_sp with sste_mma_ampere: F16, k = 32: two steps,
 *             of columns 0-7 and 8-15; fraction 24, output 23, late 0
 *   BITWISE, as far as run is. Overwrites found.
 *   Errors: NULL, VALUE (op), whatever run returns.                         */
SSTE_API sste_status sste_mma_probe(sste_mma_finding *found, sste_mma_op op,
                                    sste_mma_run run, void *context) {
  uint8_t later[64][64];
  int at[3] = {0, 0, 0}, n = 0, l;
  sste_status s;
  if (found == NULL || run == NULL) return SSTE_ERR_NULL;
  if (sste_mma_op_check(op) != SSTE_OK || !op.sparse || op.d != SSTE_MMA_F32)
    return SSTE_ERR_VALUE;
  memset(found, 0, sizeof *found);
  found->kept = sste_priv_mma_kept(op);
  s = sste_priv_mma_ask_order(later, op, run, context);
  if (s == SSTE_OK) s = sste_priv_mma_ask_late(&found->late, op, run, context);
  if (s != SSTE_OK) return s;
  sste_priv_mma_rank(found, later);
  for (l = 0; l < found->kept && n < 3; ++l)
    if (found->step[l] == 0) at[n++] = l;
  if (n < 3) {
    found->fraction = found->output = -1;
    return SSTE_OK;
  }
  s = sste_priv_mma_ask_bits(&found->fraction, at, 16, 28, 1, op, run, context);
  if (s == SSTE_OK)
    s = sste_priv_mma_ask_bits(&found->output, at, 12, 24, 0, op, run, context);
  return s;
}

/* sste_mma_agrees - whether a finding is what a model would have given.
 *   op        the instruction that was probed
 *   returns   1 if the steps, F up to 28, the result's bits up to F and late
 *             are those of the model, else 0. `least` cannot be seen, nor more
 *             than one step where F is above 27; models of one or two products
 *             a step agree with nothing
 *   BITWISE. Never fails; null: 0.                                          */
SSTE_API int sste_mma_agrees(const sste_mma_finding *found, sste_mma_op op,
                             sste_mma_model model) {
  const int kept = sste_priv_mma_kept(op);
  const int fraction = model.fraction < 28 ? model.fraction : 28;
  const int output = model.output < fraction ? model.output : fraction;
  int i;
  if (found == NULL || sste_mma_model_check(model) != SSTE_OK ||
      found->kept != kept || found->fraction != fraction ||
      found->output != output || found->late != model.late)
    return 0;
  for (i = 0; i < kept; ++i)
    if (found->step[i] != sste_priv_mma_step_of(model, kept, i)) return 0;
  return 1;
}

#ifdef __cplusplus
}
#endif

#endif /* SSTE_MMA_H */
