/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * cuda/decompress.cuh - the dense matrix of stored values and metadata. A lane
 * has one word of metadata and the chunks that it is about, as in compress.cuh.
 */
#ifndef SSTE_CUDA_DECOMPRESS_CUH
#define SSTE_CUDA_DECOMPRESS_CUH

#include "compress.cuh"

typedef struct sste_priv_cuda_decompress_args {
  void *out;
  const void *values;
  const uint8_t *meta;
  size_t ldo, ldv;
  sste_priv_cuda_tiles tiles;
  uint16_t nan; /* what stands where a nibble is illegal */
} sste_priv_cuda_decompress_args;

SSTE_BODY uint32_t sste_priv_cuda_get_word(const uint8_t *from) {
#ifdef __CUDA_ARCH__
  if (((uintptr_t)from & 3) == 0) return *(const uint32_t *)from;
#endif
  return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
         (uint32_t)from[3] << 24;
}

/* A chunk's four codes, in two words, from the two that were kept, in one. */
SSTE_BODY void sste_priv_cuda_expand(uint32_t chunk[2], uint32_t kept,
                                     int nibble, uint16_t nan) {
  uint64_t all = 0;
  int i;
  if (sste_nibble_check(nibble) != SSTE_OK)
    all = nan * (uint64_t)0x0001000100010001u;
  else
    for (i = 0; i < 2; ++i)
      all |= (uint64_t)(kept >> (16 * i) & 0xFFFFu)
             << (16 * sste_mma_position(nibble, SSTE_MMA_F16, i));
  chunk[0] = (uint32_t)all;
  chunk[1] = (uint32_t)(all >> 32);
}

SSTE_BODY void sste_priv_cuda_decompress_block(
    const sste_priv_cuda_decompress_args *p, sste_block *block) {
  SSTE_EACH_THREAD(t, SSTE_PRIV_TILE_THREADS) {
    const sste_priv_cuda_part at =
        sste_priv_cuda_part_of(&p->tiles, block->x, t);
    const uint32_t word =
        at.inside ? sste_priv_cuda_get_word(p->meta + 4 * at.word) : 0;
    uint32_t kept[2][4], code[8];
    int h, c;
    SSTE_UNROLL
    for (h = 0; h < 2; ++h)
      sste_priv_cuda_get(
          kept[h],
          (const uint16_t *)p->values + at.row[h] * p->ldv + 2 * at.chunk, 4,
          at.have[h]);
    SSTE_UNROLL
    for (h = 0; h < 2; ++h) {
      SSTE_UNROLL
      for (c = 0; c < 4; ++c)
        sste_priv_cuda_expand(&code[2 * c], kept[h][c],
                              (int)(word >> (16 * h + 4 * c) & 0xFu), p->nan);
      sste_priv_cuda_put((uint16_t *)p->out + at.row[h] * p->ldo + 4 * at.chunk,
                         code, 8, 2 * at.have[h]);
    }
  }
}

SSTE_BLOCKS(sste_priv_cuda_decompress, SSTE_PRIV_TILE_THREADS)

/* The launcher; its promises are in sste_cuda.h. */
SSTE_CUDA_API sste_status sste_cuda_decompress(void *out, size_t ldo,
                                               const void *values, size_t ldv,
                                               const uint8_t *meta, size_t rows,
                                               size_t cols, sste_type type,
                                               sste_cuda_stream stream) {
  sste_priv_cuda_decompress_args p;
  const sste_status s = sste_priv_cuda_storage(out, ldo, 2, 0, values, ldv,
                                               meta, rows, cols, type);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  p.out = out;
  p.values = values;
  p.meta = meta;
  p.ldo = ldo;
  p.ldv = ldv;
  p.tiles = sste_priv_cuda_tiles_of(rows, cols);
  p.nan = type == SSTE_FLOAT16 ? 0x7E00 : 0x7FC0;
  return sste_priv_cuda_decompress_launch(&p, p.tiles.tall * p.tiles.across, 1,
                                          stream);
}

#endif /* SSTE_CUDA_DECOMPRESS_CUH */
