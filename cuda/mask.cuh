/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * cuda/mask.cuh - the hard magnitude mask, a thread for every group of four.
 */
#ifndef SSTE_CUDA_MASK_CUH
#define SSTE_CUDA_MASK_CUH

#include "warp.cuh"

/* Four bytes, on the GPU in one access where they are aligned to four. */
SSTE_HD static inline void sste_priv_cuda_save4_bytes(uint8_t *p,
                                                      const uint8_t byte[4]) {
  int k;
#ifdef __CUDA_ARCH__
  if (((uintptr_t)p & 3) == 0) {
    *(uchar4 *)p = make_uchar4(byte[0], byte[1], byte[2], byte[3]);
    return;
  }
#endif
  for (k = 0; k < 4; ++k) p[k] = byte[k];
}

/* Four bits of a mask as bytes 0 and 1. */
SSTE_HD static inline void sste_priv_cuda_save4_bits(uint8_t *p, int bits) {
  uint8_t byte[4];
  int k;
  for (k = 0; k < 4; ++k) byte[k] = (uint8_t)(bits >> k & 1);
  sste_priv_cuda_save4_bytes(p, byte);
}

typedef struct sste_priv_cuda_mask_args {
  uint8_t *mask;
  const void *w;
  size_t ldm, ldw, groups; /* groups in a row */
  sste_type type;
  sste_tie tie;
} sste_priv_cuda_mask_args;

/* Group i, row by row. */
SSTE_HD static inline void sste_priv_cuda_mask_item(
    const sste_priv_cuda_mask_args *p, size_t i) {
  const size_t row = i / p->groups, c = i % p->groups * 4;
  float a[4];
  sste_priv_cuda_load4(a, p->w, p->type, row * p->ldw + c);
  sste_priv_cuda_save4_bits(p->mask + row * p->ldm + c,
                            sste_group_mask(a, p->tie));
}

SSTE_ITEMS(sste_priv_cuda_mask)

/* The launcher; its promises are in sste_cuda.h. */
SSTE_CUDA_API sste_status sste_cuda_mask(uint8_t *mask, size_t ldm,
                                         const void *w, size_t ldw, size_t rows,
                                         size_t cols, sste_type type,
                                         sste_tie tie,
                                         sste_cuda_stream stream) {
  sste_priv_cuda_mask_args p;
  sste_status s;
  if ((unsigned)type > SSTE_BFLOAT16 ||
      (tie != SSTE_TIE_LOWER && tie != SSTE_TIE_HIGHER))
    return SSTE_ERR_VALUE;
  s = sste_priv_two(mask, ldm, sizeof *mask, w, ldw, sste_priv_type_bytes(type),
                    rows, cols);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (cols % 4 != 0) return SSTE_ERR_SHAPE;
  p.mask = mask;
  p.w = w;
  p.ldm = ldm;
  p.ldw = ldw;
  p.groups = cols / 4;
  p.type = type;
  p.tie = tie;
  return sste_priv_cuda_mask_launch(&p, rows * p.groups, stream);
}

#endif /* SSTE_CUDA_MASK_CUH */
