/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * cuda/mvue.cuh - an unbiased 2:4 sample, a thread for every Philox call: the
 * four groups of a run that share its words.
 */
#ifndef SSTE_CUDA_MVUE_CUH
#define SSTE_CUDA_MVUE_CUH

#include "warp.cuh"

typedef struct sste_priv_cuda_mvue_args {
  float *out;
  const float *a;
  sste_priv_runs out_at, at;
  sste_mvue_stream from;
  size_t first, calls; /* of a run: the number of the first, and how many */
  int down;
} sste_priv_cuda_mvue_args;

/* Item i. Threads side by side take calls side by side of one run where groups
 * go along the rows, and one call of runs side by side where they go down: in
 * both their floats are neighbours. */
SSTE_HD static inline void sste_priv_cuda_mvue_item(
    const sste_priv_cuda_mvue_args *p, size_t i) {
  const size_t r = p->down ? i % p->at.runs : i / p->calls;
  const size_t call = p->first + (p->down ? i / p->at.runs : i % p->calls);
  const sste_philox_words words =
      sste_priv_mvue_words(&p->from, p->from.run + r, call);
  const size_t g0 = 4 * call - p->from.group; /* may be below 0, and wrap */
  float x[4][4];
  size_t g, k;
  SSTE_UNROLL
  for (g = 0; g < 4; ++g) {
    const size_t at = r * p->at.pitch + (g0 + g) * p->at.step;
    if (g0 + g >= p->at.groups) continue;
    if (!p->down) sste_priv_cuda_load4(x[g], p->a, SSTE_FLOAT32, at);
    for (k = 0; k < 4 && p->down; ++k) x[g][k] = p->a[at + k * p->at.stride];
  }
  SSTE_UNROLL
  for (g = 0; g < 4; ++g) {
    const size_t at = r * p->out_at.pitch + (g0 + g) * p->out_at.step;
    if (g0 + g >= p->at.groups) continue;
    sste_mvue24_group_draw(x[g], x[g], words.word[g]);
    if (!p->down) sste_priv_cuda_save4(p->out, SSTE_FLOAT32, at, x[g]);
    for (k = 0; k < 4 && p->down; ++k)
      p->out[at + k * p->out_at.stride] = x[g][k];
  }
}

SSTE_ITEMS(sste_priv_cuda_mvue)

/* The launcher; its promises are in sste_cuda.h. */
SSTE_CUDA_API sste_status sste_cuda_mvue24_draw(float *out, size_t ldo,
                                                const float *a, size_t lda,
                                                size_t rows, size_t cols,
                                                sste_axis axis,
                                                const sste_mvue_stream *from,
                                                sste_cuda_stream stream) {
  sste_priv_cuda_mvue_args p;
  size_t last;
  sste_status s;
  if (axis != SSTE_ALONG_ROWS && axis != SSTE_DOWN_COLUMNS)
    return SSTE_ERR_VALUE;
  s = sste_priv_unary(out, ldo, sizeof *out, a, lda, sizeof *a, rows, cols);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  if (from == NULL) return SSTE_ERR_NULL;
  p.down = axis == SSTE_DOWN_COLUMNS;
  if ((p.down ? rows : cols) % 4 != 0) return SSTE_ERR_SHAPE;
  p.out = out;
  p.a = a;
  p.at = sste_priv_runs_of(rows, cols, lda, axis, 4);
  p.out_at = sste_priv_runs_of(rows, cols, ldo, axis, 4);
  p.from = *from;
  p.first = from->group / 4;
  last = (from->group + (p.at.groups - 1)) / 4;
  p.calls = last - p.first + 1;
  if (sste_priv_mvue_is_past(from->run, from->run + (p.at.runs - 1)) ||
      sste_priv_mvue_is_past(p.first, last))
    return SSTE_ERR_SIZE;
  return sste_priv_cuda_mvue_launch(&p, p.at.runs * p.calls, stream);
}

#endif /* SSTE_CUDA_MVUE_CUH */
