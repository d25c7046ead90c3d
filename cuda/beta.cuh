/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * cuda/beta.cuh - beta = <W,S> / <S,S>, added in the tree of sste_tensor_beta.
 *
 * A warp takes 4096 elements, and a block of eight warps eight neighbours, a
 * subtree; one more block folds what they leave and divides. Lane j must add
 * the elements j mod 32, but reads groups of four: each stage turns 256
 * elements in shared memory. Whatever lies past the end is +0, and a sum plus
 * +0 is itself, so that a carried odd block needs no thought.
 */
#ifndef SSTE_CUDA_BETA_CUH
#define SSTE_CUDA_BETA_CUH

#include "warp.cuh"

enum {
  SSTE_PRIV_BETA_THREADS = 256,
  SSTE_PRIV_BETA_WARPS = SSTE_PRIV_BETA_THREADS / 32,
  SSTE_PRIV_BETA_GROUPS = SSTE_PRIV_BLOCK / 4, /* of one warp */
  SSTE_PRIV_BETA_STAGE = 64,                   /* groups of a warp at once */
  SSTE_PRIV_BETA_FOLD = 1024                   /* threads of the last block */
};

typedef struct sste_priv_cuda_beta_args {
  float *beta;
  const float *w;
  size_t ldw;
  size_t groups, all;   /* groups in a row, and in the matrix */
  size_t down, across;  /* rows and groups from one group to the 32nd on */
  sste_priv_sums *part; /* one for every eight warps */
  size_t parts;
} sste_priv_cuda_beta_args;

/* Where a thread is: its group, as a number and as a place. */
typedef struct sste_priv_cuda_beta_at {
  size_t group, row, col;
} sste_priv_cuda_beta_at;

SSTE_BODY sste_priv_cuda_beta_at
sste_priv_cuda_beta_first(const sste_priv_cuda_beta_args *p, int x, int t) {
  const size_t warp = (size_t)x * SSTE_PRIV_BETA_WARPS + (size_t)(t / 32);
  sste_priv_cuda_beta_at at;
  at.group = warp * SSTE_PRIV_BETA_GROUPS + (size_t)(t % 32);
  at.row = at.group / p->groups;
  at.col = at.group % p->groups;
  return at;
}

SSTE_BODY sste_priv_cuda_beta_at sste_priv_cuda_beta_next(
    const sste_priv_cuda_beta_args *p, sste_priv_cuda_beta_at at) {
  at.group += 32;
  at.row += p->down;
  at.col += p->across;
  if (at.col >= p->groups) {
    at.col -= p->groups;
    ++at.row;
  }
  return at;
}

SSTE_BODY void sste_priv_cuda_beta_load(float x[4],
                                        const sste_priv_cuda_beta_args *p,
                                        sste_priv_cuda_beta_at at) {
  x[0] = x[1] = x[2] = x[3] = 0.0f;
  if (at.group < p->all)
    sste_priv_cuda_load4(x, p->w, SSTE_FLOAT32, at.row * p->ldw + 4 * at.col);
}

/* What a stage holds of W and S: element i of group g at [i][g]. Rows of 64 + 8
 * keep both sides free of bank conflicts. */
typedef struct sste_priv_cuda_beta_stage {
  float w[SSTE_PRIV_BETA_WARPS][4][SSTE_PRIV_BETA_STAGE + 8];
  float s[SSTE_PRIV_BETA_WARPS][4][SSTE_PRIV_BETA_STAGE + 8];
} sste_priv_cuda_beta_stage;

/* A thread puts two groups there, a warp apart, and moves on. */
SSTE_BODY void sste_priv_cuda_beta_put(sste_priv_cuda_beta_stage *stage, int t,
                                       const sste_priv_cuda_beta_args *p,
                                       sste_priv_cuda_beta_at *at) {
  float w[2][4], s[4];
  int h, i;
  SSTE_UNROLL
  for (h = 0; h < 2; ++h) {
    sste_priv_cuda_beta_load(w[h], p, *at);
    *at = sste_priv_cuda_beta_next(p, *at);
  }
  SSTE_UNROLL
  for (h = 0; h < 2; ++h) {
    sste_group_project(s, w[h]);
    SSTE_UNROLL
    for (i = 0; i < 4; ++i) {
      stage->w[t / 32][i][32 * h + t % 32] = w[h][i];
      stage->s[t / 32][i][32 * h + t % 32] = s[i];
    }
  }
}

/* And adds the elements that are its own: j, j + 32, ... of lane j. */
SSTE_BODY void sste_priv_cuda_beta_add(sste_priv_sums *sum, int t,
                                       const sste_priv_cuda_beta_stage *stage) {
  int r;
  SSTE_UNROLL
  for (r = 0; r < SSTE_PRIV_BETA_STAGE / 8; ++r) {
    const int g = 8 * r + t % 32 / 4;
    const double w = (double)stage->w[t / 32][t % 4][g];
    const double s = (double)stage->s[t / 32][t % 4][g];
    sum->a += w * s;
    sum->b += s * s;
  }
}

SSTE_BODY void sste_priv_cuda_beta_join(sste_priv_sums *to,
                                        const sste_priv_sums *from) {
  to->a += from->a;
  to->b += from->b;
}

/* The sums of eight times 4096 elements. */
SSTE_BODY void sste_priv_cuda_beta_block(const sste_priv_cuda_beta_args *p,
                                         sste_block *block) {
  SSTE_SHARED sste_priv_cuda_beta_stage stage;
  SSTE_SHARED sste_priv_sums lane[SSTE_PRIV_BETA_THREADS];
  SSTE_REGS(sste_priv_cuda_beta_at, at, SSTE_PRIV_BETA_THREADS, 1);
  SSTE_REGS(sste_priv_sums, sum, SSTE_PRIV_BETA_THREADS, 1);
  int i;
  SSTE_EACH_THREAD(t, SSTE_PRIV_BETA_THREADS) {
    at[SSTE_AT(t)][0] = sste_priv_cuda_beta_first(p, block->x, t);
    sum[SSTE_AT(t)][0].a = sum[SSTE_AT(t)][0].b = 0.0;
  }
  for (i = 0; i < SSTE_PRIV_BETA_GROUPS; i += SSTE_PRIV_BETA_STAGE) {
    SSTE_EACH_THREAD(t, SSTE_PRIV_BETA_THREADS) {
      sste_priv_cuda_beta_put(&stage, t, p, at[SSTE_AT(t)]);
    }
    SSTE_BARRIER(block);
    SSTE_EACH_THREAD(t, SSTE_PRIV_BETA_THREADS) {
      sste_priv_cuda_beta_add(sum[SSTE_AT(t)], t, &stage);
    }
    SSTE_BARRIER(block);
  }
  SSTE_EACH_THREAD(t, SSTE_PRIV_BETA_THREADS) { lane[t] = sum[SSTE_AT(t)][0]; }
  SSTE_BARRIER(block);
  for (i = 16; i > 0; i /= 2) { /* lanes fold in halves */
    SSTE_EACH_THREAD(t, SSTE_PRIV_BETA_THREADS) {
      if (t % 32 < i) sste_priv_cuda_beta_join(&lane[t], &lane[t + i]);
    }
    SSTE_BARRIER(block);
  }
  for (i = 32; i < SSTE_PRIV_BETA_THREADS; i *= 2) { /* warps in pairs */
    SSTE_EACH_THREAD(t, SSTE_PRIV_BETA_THREADS) {
      if (t % (2 * i) == 0) sste_priv_cuda_beta_join(&lane[t], &lane[t + i]);
    }
    SSTE_BARRIER(block);
  }
  SSTE_EACH_THREAD(t, SSTE_PRIV_BETA_THREADS) {
    if (t == 0) p->part[block->x] = lane[0];
  }
}

SSTE_BLOCKS(sste_priv_cuda_beta, SSTE_PRIV_BETA_THREADS)

/* The rest of the tree, in place, and the division. What is not finite is NaN:
 * so is 0 / 0, of a projection that is zero everywhere. */
typedef sste_priv_cuda_beta_args sste_priv_cuda_beta_fold_args;

SSTE_BODY void sste_priv_cuda_beta_fold_block(
    const sste_priv_cuda_beta_fold_args *p, sste_block *block) {
  size_t step;
  (void)block;
  for (step = 1; step < p->parts; step *= 2) {
    SSTE_EACH_THREAD(t, SSTE_PRIV_BETA_FOLD) {
      size_t i = 2 * step * (size_t)t;
      for (; i + step < p->parts; i += 2 * step * SSTE_PRIV_BETA_FOLD)
        sste_priv_cuda_beta_join(&p->part[i], &p->part[i + step]);
    }
    SSTE_BARRIER(block);
  }
  SSTE_EACH_THREAD(t, SSTE_PRIV_BETA_FOLD) {
    if (t == 0) {
      float beta = sste_priv_float(SSTE_PRIV_NAN);
      if (p->parts != 0) beta = (float)(p->part[0].a / p->part[0].b);
      if (sste_priv_magnitude(beta) >= SSTE_PRIV_INF)
        beta = sste_priv_float(SSTE_PRIV_NAN);
      *p->beta = beta;
    }
  }
}

SSTE_BLOCKS(sste_priv_cuda_beta_fold, SSTE_PRIV_BETA_FOLD)

/* The launchers; their promises are in sste_cuda.h. */
SSTE_CUDA_API sste_status sste_cuda_beta_bytes(size_t *bytes, size_t rows,
                                               size_t cols) {
  const size_t of_one = (size_t)SSTE_PRIV_BETA_WARPS * SSTE_PRIV_BLOCK;
  if (bytes == NULL) return SSTE_ERR_NULL;
  if (rows == 0 || cols == 0) {
    *bytes = 0;
    return SSTE_OK;
  }
  if (rows > (size_t)PTRDIFF_MAX / sizeof(float) / cols) return SSTE_ERR_SIZE;
  *bytes = ((rows * cols - 1) / of_one + 1) * sizeof(sste_priv_sums);
  return SSTE_OK;
}

SSTE_CUDA_API sste_status sste_cuda_beta(float *beta, const float *w,
                                         size_t ldw, size_t rows, size_t cols,
                                         void *scratch, size_t bytes,
                                         sste_cuda_stream stream) {
  sste_priv_cuda_beta_args p;
  size_t needed;
  sste_status s = sste_priv_matrix(w, rows, cols, ldw, sizeof *w);
  if (s == SSTE_OK) s = sste_cuda_beta_bytes(&needed, rows, cols);
  if (s != SSTE_OK) return s;
  if (needed != 0 && cols % 4 != 0) return SSTE_ERR_SHAPE;
  if (beta == NULL || (needed != 0 && scratch == NULL)) return SSTE_ERR_NULL;
  if (bytes < needed) return SSTE_ERR_SIZE;
  if (sste_priv_overlap(beta, 1, 1, 1, sizeof *beta, w, rows, cols, ldw,
                        sizeof *w) ||
      sste_priv_overlap(beta, 1, 1, 1, sizeof *beta, scratch, 1, bytes, 0, 1) ||
      sste_priv_overlap(w, rows, cols, ldw, sizeof *w, scratch, 1, bytes, 0, 1))
    return SSTE_ERR_OVERLAP;
  p.beta = beta;
  p.w = w;
  p.ldw = ldw;
  p.groups = cols / 4;
  p.all = rows * p.groups;
  p.down = p.all == 0 ? 0 : 32 / p.groups;
  p.across = p.all == 0 ? 0 : 32 % p.groups;
  p.part = (sste_priv_sums *)scratch;
  p.parts = needed / sizeof *p.part;
  s = sste_priv_cuda_beta_launch(&p, p.parts, 1, stream);
  if (s != SSTE_OK) return s;
  return sste_priv_cuda_beta_fold_launch(&p, 1, 1, stream);
}

#endif /* SSTE_CUDA_BETA_CUH */
