/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * cuda/gemm.cuh - D = alpha * A B + beta * D + bias, A 2:4 sparse, on mma.sp.
 *
 * A block of four warps makes a 128 x 128 tile of D, 64 columns of A at a time;
 * a warp makes 64 x 64 of it, as 4 x 8 tiles of m16n8. While one 64 of K is
 * multiplied, the next two are on their way from global memory:
 *
 *     stage 0   | copy 0 | copy 3 ...
 *     stage 1   |        | copy 1 | copy 4 ...       wait, barrier, start the
 *     stage 2   |        |        | copy 2 ...       next copy, multiply
 *     multiply                    |   0    |   1 ...
 *
 * A stage in shared memory, in bytes: A, 128 rows of 64 (32 stored values); B,
 * 128 rows of 128 (its columns) or 64 of 256 (its rows); metadata, 8 blocks of
 * 32 x 32 elements, 128 each, in which word l is for lane l. Rows are cut into
 * pieces of 16 bytes, and the pieces of a row are exchanged by its number, so
 * that the eight rows that ldmatrix reads at once lie in different banks.
 *
 * What lies beyond the matrices is zero in A and B; metadata beyond them are
 * those of the last block, as a nibble must be legal even where it does not
 * matter.                                                                   */
#ifndef SSTE_CUDA_GEMM_CUH
#define SSTE_CUDA_GEMM_CUH

#include "warp.cuh"

enum {
  SSTE_GEMM_M = 128, /* the tile of a block */
  SSTE_GEMM_N = 128,
  SSTE_GEMM_K = 64,
  SSTE_GEMM_THREADS = 128,
  SSTE_GEMM_STAGES = 3,
  SSTE_GEMM_A = SSTE_GEMM_M * 64, /* bytes of a stage */
  SSTE_GEMM_B = SSTE_GEMM_N * 128,
  SSTE_GEMM_E = 8 * 128,
  SSTE_GEMM_STAGE = SSTE_GEMM_A + SSTE_GEMM_B + SSTE_GEMM_E,
  SSTE_GEMM_PITCH = SSTE_GEMM_N + 9, /* of the sums: read by rows and columns */
  SSTE_GEMM_DOWN = 4,                /* m16 tiles of a warp */
  SSTE_GEMM_ACROSS = 8,              /* n8 tiles of a warp */
  SSTE_GEMM_SUMS = SSTE_GEMM_DOWN * SSTE_GEMM_ACROSS * 4
};

/* Where piece c of a row is, of 64 bytes; of 128, or, B by its rows, 256. */
SSTE_HD static inline int sste_priv_gemm_a(int row, int c) {
  return row * 64 + ((c ^ (row >> 1 & 3)) << 4);
}
SSTE_HD static inline int sste_priv_gemm_b(int row, int c, int b_rows) {
  return SSTE_GEMM_A + row * (b_rows ? 256 : 128) + ((c ^ (row & 7)) << 4);
}

/* How many bytes of the 8 elements from column col on lie in a row. */
SSTE_HD static inline int sste_priv_gemm_inside(size_t col, size_t cols) {
  if (col >= cols) return 0;
  return cols - col < 8 ? (int)(cols - col) * 2 : 16;
}

/* 16 bytes to shared memory: in the background if they are aligned, else byte
 * by byte. */
SSTE_BODY void sste_priv_gemm_copy(sste_block *block, uint8_t *to,
                                   const uint8_t *from, int bytes,
                                   int aligned) {
  if (aligned) {
    sste_copy16(block, to, from, bytes);
  } else {
    SSTE_ROLLED
    for (int i = 0; i < 16; ++i) to[i] = i < bytes ? from[i] : 0;
  }
}

/* What thread t copies for the 64 of K that begin at k: pieces of A, of B, and
 * one of the metadata. The column of all its pieces is one; rows are counted.
 */
SSTE_BODY void sste_priv_gemm_fill_a(const sste_cuda_gemm_args *g,
                                     sste_block *block, uint8_t *stage,
                                     size_t k, int t, int aligned) {
  const uint8_t *a = (const uint8_t *)g->values;
  const int row = t / 4, c = t % 4;
  const size_t col = k / 2 + (size_t)c * 8;
  const int some = sste_priv_gemm_inside(col, g->K / 2);
  size_t m = (size_t)block->x * SSTE_GEMM_M + (size_t)row;
  size_t at = (m * g->ldv + col) * 2;
  SSTE_UNROLL
  for (int i = 0; i < 4; ++i) {
    const int bytes = m < g->M ? some : 0;
    sste_priv_gemm_copy(block, stage + sste_priv_gemm_a(row + 32 * i, c),
                        bytes > 0 ? a + at : a, bytes, aligned);
    m += 32;
    at += 64 * g->ldv;
  }
}
SSTE_BODY void sste_priv_gemm_fill_b(const sste_cuda_gemm_args *g,
                                     sste_block *block, uint8_t *stage,
                                     size_t k, int t, int b_rows, int aligned) {
  const uint8_t *b = (const uint8_t *)g->b;
  const int wide = b_rows ? 16 : 8, down = SSTE_GEMM_THREADS / wide;
  const int row = t / wide, c = t % wide;
  const size_t n0 = (size_t)block->y * SSTE_GEMM_N;
  const size_t rows = b_rows ? g->K : g->N;
  const size_t col = (b_rows ? n0 : k) + (size_t)c * 8;
  const int some = sste_priv_gemm_inside(col, b_rows ? g->N : g->K);
  size_t r = (b_rows ? k : n0) + (size_t)row, at = (r * g->ldb + col) * 2;
  SSTE_UNROLL
  for (int i = 0; i < 8; ++i) {
    const int bytes = r < rows ? some : 0;
    sste_priv_gemm_copy(block,
                        stage + sste_priv_gemm_b(row + down * i, c, b_rows),
                        bytes > 0 ? b + at : b, bytes, aligned);
    r += (size_t)down;
    at += 2 * (size_t)down * g->ldb;
  }
}
SSTE_BODY void sste_priv_gemm_fill_e(const sste_cuda_gemm_args *g,
                                     sste_block *block, uint8_t *stage,
                                     size_t k, int t, int aligned) {
  const size_t tall = (g->M - 1) / 32 + 1, wide = (g->K - 1) / 32 + 1;
  size_t mb = (size_t)block->x * (SSTE_GEMM_M / 32) + (size_t)(t / 8 % 4);
  size_t kb = k / 32 + (size_t)(t / 32);
  if (t >= SSTE_GEMM_E / 16) return;
  mb = mb < tall ? mb : tall - 1;
  kb = kb < wide ? kb : wide - 1;
  sste_priv_gemm_copy(block, stage + SSTE_GEMM_A + SSTE_GEMM_B + t * 16,
                      g->meta + (kb * tall + mb) * 128 + (size_t)(t % 8) * 16,
                      16, aligned);
}

/* All threads: tile i of K, if there is one, into its stage. */
SSTE_BODY void sste_priv_gemm_fill(const sste_cuda_gemm_args *g,
                                   sste_block *block, int i, int tiles,
                                   int b_rows, int aligned) {
  uint8_t *stage = block->shared + i % SSTE_GEMM_STAGES * SSTE_GEMM_STAGE;
  const size_t k = (size_t)i * SSTE_GEMM_K;
  SSTE_EACH_THREAD(t, SSTE_GEMM_THREADS) {
    if (i < tiles) {
      sste_priv_gemm_fill_a(g, block, stage, k, t, aligned);
      sste_priv_gemm_fill_b(g, block, stage, k, t, b_rows, aligned);
      sste_priv_gemm_fill_e(g, block, stage, k, t, aligned);
    }
  }
  sste_copies_commit(block);
}

/* Row of shared memory that thread t names to ldmatrix: of A's tile i, and of
 * B's tile j, in instruction k of a stage. */
SSTE_BODY const void *sste_priv_gemm_a_row(const uint8_t *stage, int t, int i,
                                           int k) {
  const int lane = t % 32, quarter = lane / 8;
  return stage +
         sste_priv_gemm_a(t / 64 * 64 + i * 16 + lane % 8 + quarter % 2 * 8,
                          k * 2 + quarter / 2);
}
SSTE_BODY const void *sste_priv_gemm_b_row(const uint8_t *stage, int t, int j,
                                           int k, int b_rows) {
  const int lane = t % 32, n = t / 32 % 2 * 64 + j * 8;
  return stage + (b_rows ? sste_priv_gemm_b(k * 32 + lane, n / 8, 1)
                         : sste_priv_gemm_b(n + lane % 8, k * 4 + lane / 8, 0));
}

/* The product of one stage, in two instructions along K, onto the sums. */
SSTE_BODY void sste_priv_gemm_multiply(const uint8_t *stage, float *sums,
                                       int b_rows, int bf16) {
  SSTE_UNROLL
  for (int k = 0; k < 2; ++k) {
    SSTE_REGS(uint32_t, a, SSTE_GEMM_THREADS, SSTE_GEMM_DOWN * 4);
    SSTE_REGS(uint32_t, b, SSTE_GEMM_THREADS, 4);
    SSTE_REGS(uint32_t, e, SSTE_GEMM_THREADS, 2);
    SSTE_REGS(const void *, row, SSTE_GEMM_THREADS, 1);
    SSTE_EACH_THREAD(t, SSTE_GEMM_THREADS) {
      for (int j = 0; j < 2; ++j) /* a word for rows 0-15 and for rows 16-31 */
        e[SSTE_AT(t)][j] =
            sste_priv_shared_word(stage + SSTE_GEMM_A + SSTE_GEMM_B +
                                  (k * 4 + t / 64 * 2 + j) * 128 + t % 32 * 4);
    }
    SSTE_UNROLL
    for (int i = 0; i < SSTE_GEMM_DOWN; ++i) {
      SSTE_EACH_THREAD(t, SSTE_GEMM_THREADS)
      row[SSTE_AT(t)][0] = sste_priv_gemm_a_row(stage, t, i, k);
      sste_block_ldmatrix(&a[0][i * 4], SSTE_GEMM_DOWN * 4, row[0],
                          SSTE_GEMM_THREADS, 0);
    }
    SSTE_UNROLL
    for (int j = 0; j < SSTE_GEMM_ACROSS; ++j) {
      SSTE_EACH_THREAD(t, SSTE_GEMM_THREADS)
      row[SSTE_AT(t)][0] = sste_priv_gemm_b_row(stage, t, j, k, b_rows);
      sste_block_ldmatrix(&b[0][0], 4, row[0], SSTE_GEMM_THREADS, b_rows);
      SSTE_UNROLL
      for (int i = 0; i < SSTE_GEMM_DOWN; i += 2) {
        SSTE_BLOCK_MMA_SP(bf16, 0, SSTE_GEMM_THREADS,
                          &sums[(i * SSTE_GEMM_ACROSS + j) * 4], SSTE_GEMM_SUMS,
                          &a[0][i * 4], SSTE_GEMM_DOWN * 4, &b[0][0], 4,
                          &e[0][i / 2], 2);
        SSTE_BLOCK_MMA_SP(bf16, 1, SSTE_GEMM_THREADS,
                          &sums[((i + 1) * SSTE_GEMM_ACROSS + j) * 4],
                          SSTE_GEMM_SUMS, &a[0][(i + 1) * 4],
                          SSTE_GEMM_DOWN * 4, &b[0][0], 4, &e[0][i / 2], 2);
      }
    }
  }
}

/* A product that no compiler fuses with a sum. */
SSTE_HD static inline float sste_priv_gemm_times(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fmul_rn(a, b);
#else
  volatile float product = a * b; /* by way of double it would be fused, too */
  return product;
#endif
}

/* One element of D from its sum, and from what it was. */
SSTE_HD static inline float sste_priv_gemm_value(const sste_cuda_gemm_args *g,
                                                 size_t m, float sum,
                                                 float was) {
  float x = sste_priv_gemm_times(g->alpha, sum);
  if (g->beta != 0.0f) x = x + sste_priv_gemm_times(g->beta, was);
  return g->bias != NULL ? x + g->bias[m] : x;
}

/* Elements i, i + 128, ... of a tile of D in its own order, eight of them: all
 * are read before one is written, which might be the next to be read. */
SSTE_BODY void sste_priv_gemm_eight(const sste_cuda_gemm_args *g,
                                    const float *tile, size_t m0, size_t n0,
                                    int i) {
  size_t at[8];
  float x[8];
  int inside[8];
  SSTE_UNROLL
  for (int k = 0; k < 8; ++k) {
    const int e = i + k * SSTE_GEMM_THREADS;
    const int row = g->d_columns ? e % SSTE_GEMM_M : e / SSTE_GEMM_N;
    const int col = g->d_columns ? e / SSTE_GEMM_M : e % SSTE_GEMM_N;
    const size_t m = m0 + (size_t)row, n = n0 + (size_t)col;
    inside[k] = m < g->M && n < g->N;
    at[k] = g->d_columns ? n * g->ldd + m : m * g->ldd + n;
    x[k] = 0.0f;
    if (inside[k])
      x[k] = sste_priv_gemm_value(
          g, m, tile[row * SSTE_GEMM_PITCH + col],
          g->beta != 0.0f ? sste_priv_cuda_load1(g->d, g->d_type, at[k])
                          : 0.0f);
  }
  SSTE_UNROLL
  for (int k = 0; k < 8; ++k)
    if (inside[k]) sste_priv_cuda_save1(g->d, g->d_type, at[k], x[k]);
}

/* The sums by way of shared memory, so that threads that follow each other
 * write elements of D that do. */
SSTE_BODY void sste_priv_gemm_finish(const sste_cuda_gemm_args *g,
                                     sste_block *block, const float *sums) {
  const size_t m0 = (size_t)block->x * SSTE_GEMM_M;
  const size_t n0 = (size_t)block->y * SSTE_GEMM_N;
  float *tile = (float *)(void *)block->shared;
  SSTE_BARRIER(block); /* the last stage has been read */
  SSTE_EACH_THREAD(t, SSTE_GEMM_THREADS) {
    const int m = t / 64 * 64 + t % 32 / 4, n = t / 32 % 2 * 64 + t % 4 * 2;
    SSTE_UNROLL
    for (int i = 0; i < SSTE_GEMM_SUMS; ++i)
      tile[(m + i / 4 / SSTE_GEMM_ACROSS * 16 + i % 4 / 2 * 8) *
               SSTE_GEMM_PITCH +
           n + i / 4 % SSTE_GEMM_ACROSS * 8 + i % 2] =
          sums[SSTE_AT(t) * SSTE_GEMM_SUMS + i];
  }
  SSTE_BARRIER(block);
  SSTE_EACH_THREAD(t, SSTE_GEMM_THREADS) {
    for (int i = t; i < SSTE_GEMM_M * SSTE_GEMM_N; i += 8 * SSTE_GEMM_THREADS)
      sste_priv_gemm_eight(g, tile, m0, n0, i);
  }
}

/* What a block does. */
SSTE_BODY void sste_priv_gemm_tile(const sste_cuda_gemm_args *g,
                                   sste_block *block, int b_rows, int bf16,
                                   int aligned) {
  const int tiles = (int)((g->K + SSTE_GEMM_K - 1) / SSTE_GEMM_K);
  SSTE_REGS(float, sums, SSTE_GEMM_THREADS, SSTE_GEMM_SUMS);
  SSTE_EACH_THREAD(t, SSTE_GEMM_THREADS) {
    SSTE_UNROLL
    for (int i = 0; i < SSTE_GEMM_SUMS; ++i) sums[SSTE_AT(t)][i] = 0.0f;
  }
  for (int i = 0; i < SSTE_GEMM_STAGES - 1; ++i)
    sste_priv_gemm_fill(g, block, i, tiles, b_rows, aligned);
  for (int i = 0; i < tiles; ++i) {
    sste_copies_wait(block, SSTE_GEMM_STAGES - 2);
    SSTE_BARRIER(block);
    sste_priv_gemm_fill(g, block, i + SSTE_GEMM_STAGES - 1, tiles, b_rows,
                        aligned);
    sste_priv_gemm_multiply(
        block->shared + i % SSTE_GEMM_STAGES * SSTE_GEMM_STAGE, sums[0], b_rows,
        bf16);
  }
  sste_priv_gemm_finish(g, block, sums[0]);
}

/* Eight kernels: F16 or BF16, B by its columns or by its rows, and operands all
 * aligned to 16 bytes or not. */
#define SSTE_PRIV_GEMM(name, b_rows, bf16, aligned)                      \
  typedef sste_cuda_gemm_args name##_args;                               \
  SSTE_BODY void name##_block(const name##_args *g, sste_block *block) { \
    sste_priv_gemm_tile(g, block, b_rows, bf16, aligned);                \
  }                                                                      \
  SSTE_BLOCKS_SHARED(name, SSTE_GEMM_THREADS, SSTE_GEMM_STAGES *SSTE_GEMM_STAGE)
SSTE_PRIV_GEMM(sste_priv_gemm_f16_columns, 0, 0, 1)
SSTE_PRIV_GEMM(sste_priv_gemm_f16_rows, 1, 0, 1)
SSTE_PRIV_GEMM(sste_priv_gemm_bf16_columns, 0, 1, 1)
SSTE_PRIV_GEMM(sste_priv_gemm_bf16_rows, 1, 1, 1)
SSTE_PRIV_GEMM(sste_priv_gemm_f16_columns_any, 0, 0, 0)
SSTE_PRIV_GEMM(sste_priv_gemm_f16_rows_any, 1, 0, 0)
SSTE_PRIV_GEMM(sste_priv_gemm_bf16_columns_any, 0, 1, 0)
SSTE_PRIV_GEMM(sste_priv_gemm_bf16_rows_any, 1, 1, 0)

typedef sste_status (*sste_priv_gemm_launcher)(const sste_cuda_gemm_args *g,
                                               size_t x, size_t y,
                                               sste_cuda_stream stream);

/* The kernel for these arguments. */
static inline sste_priv_gemm_launcher sste_priv_gemm_of(
    const sste_cuda_gemm_args *g) {
  const int aligned = ((uintptr_t)g->values | g->ldv * 2 | (uintptr_t)g->b |
                       g->ldb * 2 | (uintptr_t)g->meta) %
                          16 ==
                      0;
  if (g->type == SSTE_FLOAT16 && aligned)
    return g->b_rows ? sste_priv_gemm_f16_rows_launch
                     : sste_priv_gemm_f16_columns_launch;
  if (g->type == SSTE_FLOAT16)
    return g->b_rows ? sste_priv_gemm_f16_rows_any_launch
                     : sste_priv_gemm_f16_columns_any_launch;
  if (aligned)
    return g->b_rows ? sste_priv_gemm_bf16_rows_launch
                     : sste_priv_gemm_bf16_columns_launch;
  return g->b_rows ? sste_priv_gemm_bf16_rows_any_launch
                   : sste_priv_gemm_bf16_columns_any_launch;
}

SSTE_CUDA_API sste_cuda_gemm_args sste_cuda_gemm_of(size_t M, size_t N,
                                                    size_t K, sste_type type) {
  sste_cuda_gemm_args g;
  memset(&g, 0, sizeof g);
  g.M = M;
  g.N = N;
  g.K = K;
  g.type = type;
  g.d_type = SSTE_FLOAT32;
  g.alpha = 1.0f;
  return g;
}

/* The matrices of a product, and that D shares nothing with the others. */
static inline sste_status sste_priv_gemm_check(const sste_cuda_gemm_args *g) {
  const size_t d_size = sste_priv_type_bytes(g->d_type);
  const size_t d_rows = g->d_columns ? g->N : g->M;
  const size_t d_cols = g->d_columns ? g->M : g->N;
  const size_t b_rows = g->b_rows ? g->K : g->N;
  const size_t b_cols = g->b_rows ? g->N : g->K;
  size_t bytes;
  sste_status s = sste_cuda_meta_bytes(&bytes, g->M, g->K);
  if (s == SSTE_OK) s = sste_priv_matrix(g->d, d_rows, d_cols, g->ldd, d_size);
  if (s != SSTE_OK || g->M == 0 || g->N == 0) return s;
  s = sste_priv_matrix(g->values, g->M, g->K / 2, g->ldv, 2);
  if (s == SSTE_OK) s = sste_priv_matrix(g->meta, 1, bytes, bytes, 1);
  if (s == SSTE_OK) s = sste_priv_matrix(g->b, b_rows, b_cols, g->ldb, 2);
  if (s == SSTE_OK && g->bias != NULL)
    s = sste_priv_matrix(g->bias, 1, g->M, g->M, sizeof *g->bias);
  if (s != SSTE_OK) return s;
  if (g->bias != NULL &&
      sste_priv_overlap(g->d, d_rows, d_cols, g->ldd, d_size, g->bias, 1, g->M,
                        0, sizeof *g->bias))
    return SSTE_ERR_OVERLAP;
  return sste_priv_overlap(g->d, d_rows, d_cols, g->ldd, d_size, g->values,
                           g->M, g->K / 2, g->ldv, 2) ||
                 sste_priv_overlap(g->d, d_rows, d_cols, g->ldd, d_size,
                                   g->meta, 1, bytes, 0, 1) ||
                 sste_priv_overlap(g->d, d_rows, d_cols, g->ldd, d_size, g->b,
                                   b_rows, b_cols, g->ldb, 2)
             ? SSTE_ERR_OVERLAP
             : SSTE_OK;
}

/* Leading dimensions of 0 filled in. (In place: by value, gcc 12 drops what the
 * product then writes to a D of the caller's own.) */
static inline void sste_priv_gemm_tight(sste_cuda_gemm_args *g) {
  if (g->ldv == 0) g->ldv = g->K / 2;
  if (g->ldb == 0) g->ldb = g->b_rows ? g->N : g->K;
  if (g->ldd == 0) g->ldd = g->d_columns ? g->M : g->N;
}

/* What comes before a launch: the arguments copied, filled in, and checked. */
static inline sste_status sste_priv_gemm_begin(
    sste_cuda_gemm_args *g, const sste_cuda_gemm_args *args) {
  if (args == NULL) return SSTE_ERR_NULL;
  *g = *args;
  sste_priv_gemm_tight(g);
  if ((g->type != SSTE_FLOAT16 && g->type != SSTE_BFLOAT16) ||
      (unsigned)g->d_type > SSTE_BFLOAT16 || (g->b_rows & ~1) != 0 ||
      (g->d_columns & ~1) != 0)
    return SSTE_ERR_VALUE;
  return sste_priv_gemm_check(g);
}

SSTE_CUDA_API sste_status sste_cuda_gemm(const sste_cuda_gemm_args *args,
                                         sste_cuda_stream stream) {
  sste_cuda_gemm_args g;
  const sste_status s = sste_priv_gemm_begin(&g, args);
  if (s != SSTE_OK || g.M == 0 || g.N == 0) return s;
  if (g.K > 0x7FFFFFC0 || (g.N - 1) / SSTE_GEMM_N > 65534) return SSTE_ERR_SIZE;
  return sste_priv_gemm_of(&g)(&g, (g.M - 1) / SSTE_GEMM_M + 1,
                               (g.N - 1) / SSTE_GEMM_N + 1, stream);
}

#endif /* SSTE_CUDA_GEMM_CUH */
