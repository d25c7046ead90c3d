/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * ranks.h - one training run by one process or by several (MPI), with the same
 * bits.
 *
 * The gradient of a step is a sum over its M micro-batches. Float addition is
 * not associative, so the order is fixed: a tree over micro-batches, in which
 * adjacent pairs fold and an odd one is carried up.
 *
 *     0     1     2     3     4     5
 *      \   /       \   /       \   /
 *       0+1         2+3         4+5
 *          \       /             |
 *           (0..3)              4+5
 *                 \            /
 *                  (0..3) + 4+5
 *
 * A process (MPI calls it a rank) that has all the micro-batches below one node
 * can sum that node by itself. If each rank's share is a power of two, the
 * ranks' nodes lie on one level of the tree and fold by the same rule: here
 * three ranks with two micro-batches each.
 *
 * No sum is left to MPI, whose reductions may add in any order. An allreduce is
 * an all-to-all, by which each rank gets one slice of every rank's node, a fold
 * of those slices, and an allgather of the results. A rank hands 2 (R-1)/R of a
 * gradient to MPI, for any number R of ranks.
 *
 * With -DSSTE_USE_MPI=1 this needs an MPI of version 3 or later. Without, the
 * same calls make up a program of one process, and there is no <mpi.h>.
 *
 * `#define _XOPEN_SOURCE 700` before the first header.                      */
#ifndef SSTE_RANKS_H
#define SSTE_RANKS_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sste.h"

#ifndef SSTE_USE_MPI
#define SSTE_USE_MPI 0
#endif
#if SSTE_USE_MPI
#include <mpi.h>
#endif

/* ---- 1. The tree --------------------------------------------------------- */

/* to += from. BITWISE, but for what a NaN carries. */
static inline void add_floats(float *to, const float *from, size_t count) {
  ptrdiff_t i;
  SSTE_OMP(parallel for simd schedule(static))
  for (i = 0; i < (ptrdiff_t)count; ++i) to[i] += from[i];
}

/* A sum in progress works like a binary counter. Its nodes are a stack of
 * finished sums, one for each 1 in the binary form of the number of leaves: two
 * of the same size fold into one, as two ones carry. */
typedef struct tree {
  float *nodes; /* `depth` of them, `stride` apart; the next leaf on top */
  size_t count, stride, depth, leaves;
} tree;

static inline size_t tree_stride(size_t count) {
  return (count + 15) / 16 * 16; /* whole cache lines */
}

/* The memory for a sum of `leaves` arrays of `count` floats: the most ones that
 * a smaller number than `leaves` has, and a leaf on top. */
static inline size_t tree_bytes(size_t leaves, size_t count) {
  size_t nodes = 1;
  for (; leaves > 1; leaves /= 2) ++nodes;
  return nodes * tree_stride(count) * sizeof(float);
}

static inline tree tree_new(float *memory, size_t count) {
  tree t = {NULL, 0, 0, 0, 0};
  t.nodes = memory;
  t.count = count;
  t.stride = tree_stride(count);
  return t;
}

/* Where the next leaf is to be written. */
static inline float *tree_leaf(const tree *t) {
  return t->nodes + t->depth * t->stride;
}

static inline void tree_fold(tree *t) {
  float *right = t->nodes + --t->depth * t->stride;
  add_floats(right - t->stride, right, t->count);
}

/* Takes the leaf that was written. */
static inline void tree_add(tree *t) {
  size_t n;
  ++t->depth;
  for (n = ++t->leaves; n % 2 == 0; n /= 2) tree_fold(t);
}

/* The sum of one leaf or more; it begins where the memory does. */
static inline float *tree_sum(tree *t) {
  while (t->depth > 1) tree_fold(t);
  return t->nodes;
}

/* The same rule for `count` nodes of `size` floats, one behind the other; the
 * sum takes the place of the first. */
static inline void fold_nodes(float *nodes, size_t count, size_t size) {
  size_t step, i;
  for (step = 1; step < count; step *= 2)
    for (i = 0; i + step < count; i += 2 * step)
      add_floats(nodes + i * size, nodes + (i + step) * size, size);
}

/* Whether M micro-batches divide among R ranks so that the share of each is a
 * node of the tree. */
static inline int ranks_fit(size_t M, size_t R) {
  const size_t share = M / R;
  return R == 1 || (share * R == M && (share & (share - 1)) == 0);
}

/* 64 bits that stand for some bytes: FNV-1a, continued from `hash`, which
 * starts as hash_start. Another byte always makes another hash, more of them
 * all but always. */
static const uint64_t hash_start = 0xCBF29CE484222325u;
static inline uint64_t hash_of(uint64_t hash, const void *p, size_t bytes) {
  const unsigned char *byte = (const unsigned char *)p;
  size_t i;
  for (i = 0; i < bytes; ++i) hash = (hash ^ byte[i]) * 0x100000001B3u;
  return hash;
}

/* ---- 2. Several ranks ---------------------------------------------------- */

#if SSTE_USE_MPI

/* Before they exchange anything all ranks meet, and each says how it comes: it
 * goes on, it is at its end, or it has failed, for which it gives its number.
 * So a failure stops all of them, in order, when they meet next, and nobody
 * waits for a rank that has left. */
enum { RANK_GOES_ON = 0x7FFFFFFF, RANK_ENDS = RANK_GOES_ON - 1 };

static struct {
  int rank, count;
  int apart; /* they have met for the last time */
  uint64_t sent;
} mpi = {0, 1, 0, 0};

/* A rank that waits naps, for it may have to share a core with one that works.
 * MPI's own waits spin: where ranks and threads outnumber the cores, a sum
 * takes a hundred times as long. */
static inline void wait_for(MPI_Request *request) {
  struct timespec nap = {0, 10000};
  int done = 0;
  MPI_Test(request, &done, MPI_STATUS_IGNORE);
  while (!done) {
    nanosleep(&nap, NULL);
    if (nap.tv_nsec < 100000) nap.tv_nsec *= 2;
    MPI_Test(request, &done, MPI_STATUS_IGNORE);
  }
}

/* Returns the lowest state of all ranks; *flag becomes whether it is set on
 * any. */
static inline int meet(int state, int *flag) {
  int mine[2], least[2];
  MPI_Request request;
  least[0] = mine[0] = state;
  least[1] = mine[1] = !*flag;
  if (mpi.count > 1) {
    MPI_Iallreduce(mine, least, 2, MPI_INT, MPI_MIN, MPI_COMM_WORLD, &request);
    wait_for(&request);
  }
  mpi.apart = least[0] < RANK_GOES_ON;
  *flag = !least[1];
  return least[0];
}

/* A meeting of ranks that go on: whether the flag is set on any. */
static inline int ranks_any(int flag) {
  if (meet(RANK_GOES_ON, &flag) < RANK_GOES_ON) exit(2);
  return flag;
}

/* For a rank that cannot go on. Waits until all know it, and returns whether
 * this rank is to say what is wrong: the first of those that failed, so that
 * what all of them find is said once. The caller exits. */
static inline int ranks_fail(void) {
  int flag = 0;
  return mpi.apart || meet(mpi.rank, &flag) == mpi.rank;
}

static inline void ranks_end(void) {
  int flag = 0;
  if (!mpi.apart) meet(RANK_ENDS, &flag);
  fflush(NULL); /* mpirun may kill what is left of a job that failed */
  MPI_Finalize();
}

/* For the beginning of main. The end comes by itself when the program exits. */
static inline void ranks_start(int *argc, char ***argv) {
  int threads;
  MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &threads);
  if (threads < MPI_THREAD_FUNNELED) {
    fprintf(stderr, "this MPI allows no threads beside it\n");
    MPI_Abort(MPI_COMM_WORLD, 2);
  }
  MPI_Comm_rank(MPI_COMM_WORLD, &mpi.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &mpi.count);
  atexit(ranks_end);
}

static inline size_t ranks_rank(void) { return (size_t)mpi.rank; }
static inline size_t ranks_count(void) { return (size_t)mpi.count; }

/* Bytes that this rank has handed to MPI for others, in sums and gathers. */
static inline uint64_t ranks_send_bytes(void) { return mpi.sent; }

static inline void count_sent(size_t bytes_to_each) {
  mpi.sent += (uint64_t)(ranks_count() - 1) * bytes_to_each;
}

/* Each rank has written its `each` doubles at its place; all get all. */
static inline void ranks_gather(double *all, size_t each) {
  MPI_Request request;
  ranks_any(0);
  MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, (int)each, MPI_DOUBLE,
                 MPI_COMM_WORLD, &request);
  wait_for(&request);
  count_sent(each * sizeof *all);
}

/* all = the `count` floats of each rank, one behind the other. */
static inline void gather_floats(float *all, const float *mine, size_t count) {
  MPI_Request request;
  MPI_Iallgather(mine, (int)count, MPI_FLOAT, all, (int)count, MPI_FLOAT,
                 MPI_COMM_WORLD, &request);
  wait_for(&request);
  count_sent(count * sizeof *mine);
}

/* R slices, of which each rank folds one. */
static inline void sum_slices(float *sum, float *work, size_t slice) {
  MPI_Request request;
  MPI_Ialltoall(sum, (int)slice, MPI_FLOAT, work, (int)slice, MPI_FLOAT,
                MPI_COMM_WORLD, &request);
  wait_for(&request);
  count_sent(slice * sizeof *sum);
  fold_nodes(work, ranks_count(), slice);
  gather_floats(sum, work, slice);
}

/* Fewer floats than ranks, which each rank folds for itself. */
static inline void sum_rest(float *sum, float *work, size_t rest) {
  gather_floats(work, sum, rest);
  fold_nodes(work, ranks_count(), rest);
  memcpy(sum, work, rest * sizeof *sum);
}

/* A sum goes by pieces of R slices: large enough for a network, small enough
 * for a cache, and for the int in which MPI counts. */
enum { RANKS_SLICE = 1 << 18 };

static inline size_t ranks_sum_bytes(size_t count) {
  const size_t R = ranks_count(), piece = R * RANKS_SLICE;
  if (R == 1) return 0;
  return ((count < piece ? count : piece) + R * R) * sizeof(float);
}

/* Each rank's node of `count` floats goes in, the root comes out on all. `work`
 * has ranks_sum_bytes(count). BITWISE, but for what a NaN carries. */
static inline void ranks_sum(float *sum, float *work, size_t count) {
  const size_t R = ranks_count();
  if (R == 1) return;
  ranks_any(0);
  while (count >= R) {
    const size_t slice = count / R < RANKS_SLICE ? count / R : RANKS_SLICE;
    sum_slices(sum, work, slice);
    sum += R * slice;
    count -= R * slice;
  }
  if (count > 0) sum_rest(sum, work, count);
}

/* Whether all ranks hold the same bytes there. */
static inline int ranks_same(const void *p, size_t bytes) {
  unsigned long long mine[2], least[2];
  MPI_Request request;
  mine[0] = hash_of(hash_start, p, bytes);
  mine[1] = ~mine[0];
  ranks_any(0);
  MPI_Iallreduce(mine, least, 2, MPI_UNSIGNED_LONG_LONG, MPI_MIN,
                 MPI_COMM_WORLD, &request);
  wait_for(&request);
  return least[0] == ~least[1];
}

#else /* one process has nobody to meet */

static inline void ranks_start(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
}
static inline size_t ranks_rank(void) { return 0; }
static inline size_t ranks_count(void) { return 1; }
static inline uint64_t ranks_send_bytes(void) { return 0; }
static inline int ranks_any(int flag) { return flag; }
static inline int ranks_fail(void) { return 1; }
static inline void ranks_gather(double *all, size_t each) {
  (void)all;
  (void)each;
}
static inline size_t ranks_sum_bytes(size_t count) {
  (void)count;
  return 0;
}
static inline void ranks_sum(float *sum, float *work, size_t count) {
  (void)sum;
  (void)work;
  (void)count;
}
static inline int ranks_same(const void *p, size_t bytes) {
  (void)p;
  (void)bytes;
  return 1;
}

#endif

#endif /* SSTE_RANKS_H */
