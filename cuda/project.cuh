/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * cuda/project.cuh - W~ = beta * S(W), a thread for every group of four. It
 * reads and writes each element once.
 */
#ifndef SSTE_CUDA_PROJECT_CUH
#define SSTE_CUDA_PROJECT_CUH

#include "warp.cuh"

typedef struct sste_priv_cuda_project_args {
  void *out;
  const void *w;
  size_t ldo, ldw, groups; /* groups in a row */
  sste_type type;
  float beta;
} sste_priv_cuda_project_args;

/* Group i, row by row, as sste_tensor_project has it. */
SSTE_HD static inline void sste_priv_cuda_project_item(
    const sste_priv_cuda_project_args *p, size_t i) {
  const size_t row = i / p->groups, c = i % p->groups * 4;
  float a[4];
  int k;
  sste_priv_cuda_load4(a, p->w, p->type, row * p->ldw + c);
  sste_group_project(a, a);
  for (k = 0; k < 4; ++k) a[k] *= p->beta;
  sste_priv_cuda_save4(p->out, p->type, row * p->ldo + c, a);
}

SSTE_ITEMS(sste_priv_cuda_project)

/* The launcher; its promises are in sste_cuda.h. */
SSTE_CUDA_API sste_status sste_cuda_project(void *out, size_t ldo,
                                            const void *w, size_t ldw,
                                            size_t rows, size_t cols,
                                            sste_type type, float beta,
                                            sste_cuda_stream stream) {
  sste_priv_cuda_project_args p;
  sste_status s;
  if ((unsigned)type > SSTE_BFLOAT16 ||
      sste_priv_bits(beta) - 1u >= SSTE_PRIV_INF - 1u)
    return SSTE_ERR_VALUE;
  s = sste_priv_unary(out, ldo, sste_priv_type_bytes(type), w, ldw,
                      sste_priv_type_bytes(type), rows, cols);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (cols % 4 != 0) return SSTE_ERR_SHAPE;
  p.out = out;
  p.w = w;
  p.ldo = ldo;
  p.ldw = ldw;
  p.groups = cols / 4;
  p.type = type;
  p.beta = beta;
  return sste_priv_cuda_project_launch(&p, rows * p.groups, stream);
}

#endif /* SSTE_CUDA_PROJECT_CUH */
