/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * ranks_mpi.c - what ranks say to each other; ranks.sh runs it under mpirun.
 *
 *     check         sums, gathers and flags against what they have to be
 *     fail-alike    all ranks find the same error
 *     fail-last     the last rank finds one, while the others train
 *     fail-some     all but rank 0 do
 *     fail-at-end   rank 0 finds one when the others are through
 *     leave         the last rank exits while the others train
 *     speed         how long sums take, and what they send
 */
#define _XOPEN_SOURCE 700

#include <math.h>
#include <string.h>

#include "../examples/ranks.h"

static void die(const char *format, size_t a, size_t b) {
  if (ranks_fail()) {
    fprintf(stderr, "ranks_mpi: rank %zu: ", ranks_rank());
    fprintf(stderr, format, a, b);
    fprintf(stderr, "\n");
  }
  exit(2);
}

static float *floats(size_t bytes) {
  float *p = (float *)malloc(bytes + 1);
  if (p == NULL) die("no memory", 0, 0);
  return p;
}

/* ---- Sums ---------------------------------------------------------------- */

/* Entry i of leaf m: sums of these hang on the order. */
static float leaf_entry(size_t m, size_t i) {
  uint64_t z = (m << 40) + i + 1;
  z = (z ^ z >> 31) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 29) * 0x94D049BB133111EBu;
  return (float)ldexp((double)(int64_t)z, -(int)(z >> 7 & 31) - 40);
}

/* The definition from the root down: the left branch has the largest power of
 * two that leaves something for the right one. */
static float definition(size_t first, size_t count, size_t i) {
  size_t left = 1;
  if (count == 1) return leaf_entry(first, i);
  while (2 * left < count) left *= 2;
  return definition(first, left, i) + definition(first + left, count - left, i);
}

/* M leaves of `count` floats, shared out among the ranks. */
static void check_sum(size_t M, size_t count) {
  const size_t share = M / ranks_count(), R = ranks_count();
  const uint64_t sent = ranks_send_bytes();
  const size_t room = ranks_sum_bytes(count);
  float *memory = floats(tree_bytes(share, count)), *work = floats(room), *sum;
  tree t = tree_new(memory, count);
  size_t m, i;
  for (m = 0; m < share; ++m) {
    float *leaf = tree_leaf(&t);
    for (i = 0; i < count; ++i)
      leaf[i] = leaf_entry(ranks_rank() * share + m, i);
    tree_add(&t);
  }
  sum = tree_sum(&t);
  ((char *)work)[room] = 42;
  ranks_sum(sum, work, count);
  for (i = 0; i < count; ++i) {
    const float want = definition(0, M, i);
    if (memcmp(&want, &sum[i], sizeof want) != 0)
      die("%zu micro-batches: entry %zu is wrong", M, i);
  }
  if (((char *)work)[room] != 42) die("ranks_sum_bytes(%zu) lacks", count, 0);
  if (!ranks_same(sum, count * sizeof *sum))
    die("%zu floats differ by rank", count, 0);
  if (ranks_send_bytes() - sent !=
      (R - 1) * (2 * (count / R) + count % R) * sizeof *sum)
    die("%zu floats: %zu bytes sent", count,
        (size_t)(ranks_send_bytes() - sent));
  free(memory);
  free(work);
}

static size_t check_sums(void) {
  const size_t R = ranks_count();
  const size_t piece = R * RANKS_SLICE;
  const size_t counts[] = {0, 1, 2, 3, 5, 1000, 8191, piece, 2 * piece - 1};
  size_t M, c, checks = 0;
  for (c = 0; c < sizeof counts / sizeof counts[0]; ++c)
    for (M = R; M <= (counts[c] < 10000 ? 33u : 2 * R); M += R)
      if (ranks_fit(M, R)) {
        check_sum(M, counts[c]);
        ++checks;
      }
  return checks;
}

/* ---- The rest ------------------------------------------------------------ */

static void check_gather(void) {
  const size_t R = ranks_count(), each = 3;
  const uint64_t sent = ranks_send_bytes();
  double *all = (double *)floats((R * each + 1) * sizeof *all);
  size_t i;
  for (i = 0; i <= R * each; ++i) all[i] = -1.0;
  for (i = 0; i < each; ++i)
    all[ranks_rank() * each + i] = (double)(ranks_rank() * each + i) / 3.0;
  ranks_gather(all, each);
  for (i = 0; i < R * each; ++i)
    if (all[i] != (double)i / 3.0) die("entry %zu of a gather", i, 0);
  if (all[R * each] != -1.0) die("a gather writes too much", 0, 0);
  if (ranks_send_bytes() - sent != (R - 1) * each * sizeof *all)
    die("a gather sent %zu bytes", (size_t)(ranks_send_bytes() - sent), 0);
  ranks_gather(all, 0);
  free(all);
}

static void check_flags(void) {
  size_t r;
  if (ranks_any(0)) die("a flag that nobody set", 0, 0);
  for (r = 0; r < ranks_count(); ++r)
    if (!ranks_any(r == ranks_rank())) die("rank %zu's flag is lost", r, 0);
  if (!ranks_any(1)) die("the flag of all is lost", 0, 0);
}

/* Each rank in turn holds other bytes, once above the rest and once below. */
static void check_same(void) {
  const size_t R = ranks_count();
  unsigned char bytes[100] = {0};
  size_t r, bit;
  if (!ranks_same(bytes, sizeof bytes)) die("the same bytes differ", 0, 0);
  if (!ranks_same(NULL, 0)) die("no bytes differ", 0, 0);
  for (r = 0; r < R; ++r)
    for (bit = 0; bit < 800; bit += 37) {
      if (r == ranks_rank()) bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
      if (ranks_same(bytes, sizeof bytes) != (R == 1))
        die("bit %zu of rank %zu goes unnoticed", bit, r);
      if (r == ranks_rank()) bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
}

static void check(void) {
  const size_t sums = check_sums();
  check_gather();
  check_flags();
  check_same();
  if (ranks_rank() == 0)
    printf("ranks_mpi: %zu ranks, %zu sums, all right\n", ranks_count(), sums);
}

/* ---- Failures ------------------------------------------------------------ */

/* Removed when the program exits, as the trainer removes unfinished files. */
static char mark[32];

static void remove_mark(void) { remove(mark); }

static void leave_mark(void) {
  FILE *f;
  sprintf(mark, "mark.%zu", ranks_rank());
  atexit(remove_mark);
  f = fopen(mark, "w");
  if (f == NULL) die("no mark", 0, 0);
  fclose(f);
}

/* Each way to exchange something, in turn, so that a failure meets any. */
static void train_for_ever(size_t first) {
  const size_t R = ranks_count();
  float sum[100] = {0}, *work = floats(ranks_sum_bytes(100));
  double *all = (double *)floats(R * sizeof *all);
  memset(all, 0, R * sizeof *all);
  for (;; ++first) {
    if (first % 3 == 0) ranks_sum(sum, work, 100);
    if (first % 3 == 1) ranks_gather(all, 1);
    if (first % 3 == 2) ranks_same(sum, sizeof sum);
  }
}

static void fail(const char *how) {
  const size_t rank = ranks_rank(), last = ranks_count() - 1;
  leave_mark();
  ranks_any(0); /* all have one before one fails */
  if (strcmp(how, "fail-alike") == 0) die("no such file", 0, 0);
  if (strcmp(how, "fail-last") == 0) {
    if (rank == last) die("disk", 0, 0);
    train_for_ever(0);
  }
  if (strcmp(how, "fail-some") == 0) {
    if (rank > 0) die("memory", 0, 0);
    train_for_ever(1);
  }
  if (strcmp(how, "leave") == 0) {
    if (rank == last) exit(0);
    train_for_ever(2);
  }
  if (strcmp(how, "fail-at-end") == 0 && rank == 0) {
    const struct timespec nap = {0, 200000000};
    nanosleep(&nap, NULL);
    die("checkpoint", 0, 0);
  }
}

/* ---- Speed --------------------------------------------------------------- */

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The best of several rounds, in seconds. */
static double time_sum(size_t count) {
  float *sum = floats(count * sizeof *sum);
  float *work = floats(ranks_sum_bytes(count));
  double best = INFINITY;
  int round;
  memset(sum, 0, count * sizeof *sum);
  for (round = 0; round < 7; ++round) {
    double start;
    ranks_any(0);
    start = seconds();
    ranks_sum(sum, work, count);
    best = fmin(best, seconds() - start);
  }
  free(sum);
  free(work);
  return best;
}

static void speed(void) {
  const size_t counts[] = {1, 1 << 20, 1 << 22, 1 << 24};
  size_t c;
  for (c = 0; c < sizeof counts / sizeof counts[0]; ++c) {
    const uint64_t sent = ranks_send_bytes();
    const double time = time_sum(counts[c]);
    if (ranks_rank() == 0)
      printf("%zu ranks  %8zu floats  %9.0f bytes sent  %9.3f ms\n",
             ranks_count(), counts[c],
             (double)(ranks_send_bytes() - sent) / 7.0, 1e3 * time);
  }
}

int main(int argc, char **argv) {
  ranks_start(&argc, &argv);
  if (argc != 2) die("one word", 0, 0);
  if (strcmp(argv[1], "check") == 0)
    check();
  else if (strcmp(argv[1], "speed") == 0)
    speed();
  else
    fail(argv[1]);
  return 0;
}
