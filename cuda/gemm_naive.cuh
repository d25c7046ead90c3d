/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * cuda/gemm_naive.cuh - the sparse product as sste_mma.h draws it: one warp,
 * one 16 x 8 tile of D, no shared memory. Every lane asks sste_mma_index_of
 * which elements its registers hold, and fetches them. To be read before
 * gemm.cuh, which gives the same bits.
 */
#ifndef SSTE_CUDA_GEMM_NAIVE_CUH
#define SSTE_CUDA_GEMM_NAIVE_CUH

#include "gemm.cuh"
#include "warp.cuh"

/* Element (row, col) of a rows x cols matrix of 16 bits, or zero beyond it. */
SSTE_BODY uint32_t sste_priv_naive_get(const void *p, size_t ld, size_t row,
                                       size_t rows, size_t col, size_t cols) {
  if (row >= rows || col >= cols) return 0;
  return sste_priv_element(p, SSTE_BFLOAT16, row * ld + col);
}

/* Register r of lane t: its two elements of A, from row m0 and stored column
 * k / 2 on, and of B, from k and column n0 on. */
SSTE_BODY uint32_t sste_priv_naive_a(const sste_cuda_gemm_args *g,
                                     sste_mma_op op, size_t m0, size_t k, int t,
                                     int r) {
  uint32_t word = 0;
  for (int i = 0; i < 2; ++i) {
    const sste_mma_place at = {t, r, 16 * i};
    const sste_mma_index x = sste_mma_index_of(op, SSTE_MMA_A, at);
    word |= sste_priv_naive_get(g->values, g->ldv, m0 + (size_t)x.row, g->M,
                                k / 2 + (size_t)x.col, g->K / 2)
            << at.bit;
  }
  return word;
}
SSTE_BODY uint32_t sste_priv_naive_b(const sste_cuda_gemm_args *g,
                                     sste_mma_op op, size_t n0, size_t k, int t,
                                     int r) {
  uint32_t word = 0;
  for (int i = 0; i < 2; ++i) {
    const sste_mma_place at = {t, r, 16 * i};
    const sste_mma_index x = sste_mma_index_of(op, SSTE_MMA_B, at);
    const size_t row = k + (size_t)x.row, col = n0 + (size_t)x.col;
    word |=
        (g->b_rows ? sste_priv_naive_get(g->b, g->ldb, row, g->K, col, g->N)
                   : sste_priv_naive_get(g->b, g->ldb, col, g->N, row, g->K))
        << at.bit;
  }
  return word;
}

/* The metadata of lane t, nibble by nibble, if selector 0 names it. */
SSTE_BODY uint32_t sste_priv_naive_e(const sste_cuda_gemm_args *g,
                                     sste_mma_op op, size_t m0, size_t k,
                                     int t) {
  const size_t rows = (g->M + 31) / 32 * 32, cols = (g->K + 31) / 32 * 32;
  uint32_t word = 0;
  for (int bit = 0; bit < 32; bit += 4) {
    const sste_mma_place place = {t, 0, bit};
    const sste_mma_index x = sste_mma_meta_index(op, 0, place);
    if (x.row >= 0) {
      const size_t at =
          sste_mma_meta_at(SSTE_MMA_CUTLASS2, op.a, rows, cols,
                           m0 + (size_t)x.row, k / 4 + (size_t)x.col);
      word |= (uint32_t)sste_priv_mma_get(g->meta, at) << bit;
    }
  }
  return word;
}

SSTE_BODY void sste_priv_naive_tile(const sste_cuda_gemm_args *g,
                                    sste_block *block, int bf16) {
  const sste_mma_op op =
      sste_mma_sparse(bf16 ? SSTE_MMA_BF16 : SSTE_MMA_F16, 32);
  const size_t m0 = (size_t)block->x * 16, n0 = (size_t)block->y * 8;
  SSTE_REGS(float, d, 32, 4);
  SSTE_EACH_THREAD(t, 32) {
    for (int r = 0; r < 4; ++r) d[SSTE_AT(t)][r] = 0.0f;
  }
  for (size_t k = 0; k < g->K; k += 32) {
    SSTE_REGS(uint32_t, a, 32, 4);
    SSTE_REGS(uint32_t, b, 32, 4);
    SSTE_REGS(uint32_t, e, 32, 1);
    SSTE_EACH_THREAD(t, 32) {
      SSTE_UNROLL
      for (int r = 0; r < 4; ++r) {
        a[SSTE_AT(t)][r] = sste_priv_naive_a(g, op, m0, k, t, r);
        b[SSTE_AT(t)][r] = sste_priv_naive_b(g, op, n0, k, t, r);
      }
      e[SSTE_AT(t)][0] = sste_priv_naive_e(g, op, m0, k, t);
    }
    SSTE_BLOCK_MMA_SP(bf16, 0, 32, d[0], 4, a[0], 4, b[0], 4, e[0], 1);
  }
  SSTE_EACH_THREAD(t, 32) {
    SSTE_UNROLL
    for (int r = 0; r < 4; ++r) {
      const sste_mma_place at = {t, r, 0};
      const sste_mma_index x = sste_mma_index_of(op, SSTE_MMA_D, at);
      const size_t m = m0 + (size_t)x.row, n = n0 + (size_t)x.col;
      if (m < g->M && n < g->N) {
        const size_t i = g->d_columns ? n * g->ldd + m : m * g->ldd + n;
        const float was =
            g->beta != 0.0f ? sste_priv_cuda_load1(g->d, g->d_type, i) : 0.0f;
        sste_priv_cuda_save1(g->d, g->d_type, i,
                             sste_priv_gemm_value(g, m, d[SSTE_AT(t)][r], was));
      }
    }
  }
}

typedef sste_cuda_gemm_args sste_priv_naive_f16_args;
typedef sste_cuda_gemm_args sste_priv_naive_bf16_args;
SSTE_BODY void sste_priv_naive_f16_block(const sste_cuda_gemm_args *g,
                                         sste_block *block) {
  sste_priv_naive_tile(g, block, 0);
}
SSTE_BODY void sste_priv_naive_bf16_block(const sste_cuda_gemm_args *g,
                                          sste_block *block) {
  sste_priv_naive_tile(g, block, 1);
}
SSTE_BLOCKS(sste_priv_naive_f16, 32)
SSTE_BLOCKS(sste_priv_naive_bf16, 32)

SSTE_CUDA_API sste_status sste_cuda_gemm_naive(const sste_cuda_gemm_args *args,
                                               sste_cuda_stream stream) {
  sste_cuda_gemm_args g;
  size_t x, y;
  const sste_status s = sste_priv_gemm_begin(&g, args);
  if (s != SSTE_OK || g.M == 0 || g.N == 0) return s;
  x = (g.M - 1) / 16 + 1;
  y = (g.N - 1) / 8 + 1;
  return g.type == SSTE_FLOAT16 ? sste_priv_naive_f16_launch(&g, x, y, stream)
                                : sste_priv_naive_bf16_launch(&g, x, y, stream);
}

#endif /* SSTE_CUDA_GEMM_NAIVE_CUH */
