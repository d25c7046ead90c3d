/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * cuda/project_compress.cuh - W in float to beta * S(W) in 16 bits, compressed,
 * in one pass: each thread projects what it will store by compress.cuh.
 */
#ifndef SSTE_CUDA_PROJECT_COMPRESS_CUH
#define SSTE_CUDA_PROJECT_COMPRESS_CUH

#include "compress.cuh"

typedef sste_priv_cuda_compress_args sste_priv_cuda_project_compress_args;

/* beta * S of a group, rounded to 16 bits, in two words. */
SSTE_BODY void sste_priv_cuda_project_codes(uint32_t chunk[2], const float a[4],
                                            float beta, sste_type type) {
  float s[4];
  sste_group_project(s, a);
  chunk[0] = sste_priv_cuda_cast2(beta * s[0], beta * s[1], type);
  chunk[1] = sste_priv_cuda_cast2(beta * s[2], beta * s[3], type);
}

SSTE_BODY void sste_priv_cuda_project_compress_typed(
    const sste_priv_cuda_compress_args *p, sste_block *block, sste_type type) {
  SSTE_EACH_THREAD(t, SSTE_PRIV_TILE_THREADS) {
    const sste_priv_cuda_part at =
        sste_priv_cuda_part_of(&p->tiles, block->x, t);
    const float beta = *p->beta;
    float a[8][4]; /* of either row four chunks */
    uint32_t code[16];
    int c;
    SSTE_UNROLL
    for (c = 0; c < 8; ++c) {
      a[c][0] = a[c][1] = a[c][2] = a[c][3] = 0.0f;
      if (c % 4 < at.have[c / 4])
        sste_priv_cuda_load4(
            a[c], p->w, SSTE_FLOAT32,
            at.row[c / 4] * p->ldw + 4 * (at.chunk + (size_t)c % 4));
    }
    SSTE_UNROLL
    for (c = 0; c < 8; ++c)
      sste_priv_cuda_project_codes(&code[2 * c], a[c], beta, type);
    sste_priv_cuda_compress_part(p, &at, code, type);
  }
}

/* The type is a constant in either half. */
SSTE_BODY void sste_priv_cuda_project_compress_block(
    const sste_priv_cuda_compress_args *p, sste_block *block) {
  if (p->type == SSTE_FLOAT16)
    sste_priv_cuda_project_compress_typed(p, block, SSTE_FLOAT16);
  else
    sste_priv_cuda_project_compress_typed(p, block, SSTE_BFLOAT16);
}

SSTE_BLOCKS(sste_priv_cuda_project_compress, SSTE_PRIV_TILE_THREADS)

/* The launcher; its promises are in sste_cuda.h. */
SSTE_CUDA_API sste_status sste_cuda_project_compress(
    void *values, size_t ldv, uint8_t *meta, const float *w, size_t ldw,
    size_t rows, size_t cols, sste_type type, const float *beta,
    sste_cuda_stream stream) {
  sste_priv_cuda_project_compress_args p;
  size_t bytes;
  sste_status s = sste_priv_cuda_storage(w, ldw, sizeof *w, 0, values, ldv,
                                         meta, rows, cols, type);
  if (s == SSTE_OK) s = sste_cuda_meta_bytes(&bytes, rows, cols);
  if (s != SSTE_OK || bytes == 0) return s;
  if (beta == NULL) return SSTE_ERR_NULL;
  if (sste_priv_overlap(beta, 1, 1, 1, sizeof *beta, values, rows, cols / 2,
                        ldv, 2) ||
      sste_priv_overlap(beta, 1, 1, 1, sizeof *beta, meta, 1, bytes, 0, 1))
    return SSTE_ERR_OVERLAP;
  p.values = values;
  p.meta = meta;
  p.w = w;
  p.beta = beta;
  p.ldv = ldv;
  p.ldw = ldw;
  p.tiles = sste_priv_cuda_tiles_of(rows, cols);
  p.from = SSTE_FLOAT32;
  p.type = type;
  p.down = 0;
  return sste_priv_cuda_project_compress_launch(
      &p, p.tiles.tall * p.tiles.across, 1, stream);
}

#endif /* SSTE_CUDA_PROJECT_COMPRESS_CUH */
