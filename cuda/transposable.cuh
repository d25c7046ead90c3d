/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * cuda/transposable.cuh - the best mask that is 2:4 both ways, a thread for
 * every tile of 4 x 4: the search of sste_tile_mask_optimal takes longer than
 * the memory.
 */
#ifndef SSTE_CUDA_TRANSPOSABLE_CUH
#define SSTE_CUDA_TRANSPOSABLE_CUH

#include "mask.cuh"

typedef struct sste_priv_cuda_transposable_args {
  uint8_t *mask;
  const float *w;
  size_t ldm, ldw, tiles; /* tiles in a band of four rows */
} sste_priv_cuda_transposable_args;

/* Tile i, band by band. */
SSTE_HD static inline void sste_priv_cuda_transposable_item(
    const sste_priv_cuda_transposable_args *p, size_t i) {
  const size_t row = i / p->tiles * 4, c = i % p->tiles * 4;
  float tile[16];
  size_t k;
  int bits;
  for (k = 0; k < 4; ++k)
    sste_priv_cuda_load4(tile + 4 * k, p->w, SSTE_FLOAT32,
                         (row + k) * p->ldw + c);
  bits = sste_tile_mask_optimal(tile, 4);
  for (k = 0; k < 4; ++k)
    sste_priv_cuda_save4_bits(p->mask + (row + k) * p->ldm + c, bits >> 4 * k);
}

SSTE_ITEMS(sste_priv_cuda_transposable)

/* The launcher; its promises are in sste_cuda.h. */
SSTE_CUDA_API sste_status sste_cuda_mask_transposable(uint8_t *mask, size_t ldm,
                                                      const float *w,
                                                      size_t ldw, size_t rows,
                                                      size_t cols,
                                                      sste_cuda_stream stream) {
  sste_priv_cuda_transposable_args p;
  const sste_status s =
      sste_priv_two(mask, ldm, sizeof *mask, w, ldw, sizeof *w, rows, cols);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (rows % 4 != 0 || cols % 4 != 0) return SSTE_ERR_SHAPE;
  p.mask = mask;
  p.w = w;
  p.ldm = ldm;
  p.ldw = ldw;
  p.tiles = cols / 4;
  return sste_priv_cuda_transposable_launch(&p, rows / 4 * p.tiles, stream);
}

#endif /* SSTE_CUDA_TRANSPOSABLE_CUH */
