/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * bench.h - what the timing programs share: a clock, rounds in which the
 * contenders take turns, the spread of what they took, data, options, CSV.
 * A program defines _POSIX_C_SOURCE as 200112L before it includes anything.
 */
#ifndef SSTE_BENCH_H
#define SSTE_BENCH_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "sste_fp8.h"

#ifndef BENCH_FLAGS
#define BENCH_FLAGS "flags not recorded"
#endif
#define BENCH_TEXT(x) #x
#define BENCH_VERSION(a, b, c) BENCH_TEXT(a) "." BENCH_TEXT(b) "." BENCH_TEXT(c)
#ifdef __clang__
#define BENCH_COMPILER \
  "clang " BENCH_VERSION(__clang_major__, __clang_minor__, __clang_patchlevel__)
#else
#define BENCH_COMPILER \
  "gcc " BENCH_VERSION(__GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__)
#endif

enum { BENCH_MAX_ROUNDS = 999 };

/* ---- Time ---------------------------------------------------------------- */

static inline double bench_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct bench_spread {
  double median, p10, p90;
} bench_spread;

static inline int bench_by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Of value[round] / by[round] over the rounds. */
static inline bench_spread bench_ratio(const double *value, const double *by,
                                       int rounds) {
  double sorted[BENCH_MAX_ROUNDS];
  bench_spread s;
  int i;
  for (i = 0; i < rounds; ++i) sorted[i] = value[i] / by[i];
  qsort(sorted, (size_t)rounds, sizeof *sorted, bench_by_size);
  s.median = sorted[rounds / 2];
  s.p10 = sorted[rounds / 10];
  s.p90 = sorted[rounds - 1 - rounds / 10];
  return s;
}

/* Of value[round] / n. */
static inline bench_spread bench_per(const double *value, double n,
                                     int rounds) {
  double by[BENCH_MAX_ROUNDS];
  int i;
  for (i = 0; i < rounds; ++i) by[i] = n;
  return bench_ratio(value, by, rounds);
}

/* Runs contender i once, or returns 0 if it does not take part. */
typedef int (*bench_call)(void *context, int i);

static inline double bench_ns(bench_call run, void *context, int i,
                              int repeats) {
  const double start = bench_now();
  int k;
  for (k = 0; k < repeats; ++k)
    if (!run(context, i)) return 0.0;
  return (bench_now() - start) * 1e9 / repeats;
}

/* ns[i][round] of one run of contender i, or 0 if it does not take part. Every
 * round times each contender once, in turn, so that what slows the machine down
 * slows all of them. A run shorter than 2 ms is repeated until it is not.   */
static inline void bench_race(double (*ns)[BENCH_MAX_ROUNDS], int count,
                              int rounds, bench_call run, void *context) {
  int i, round;
  for (i = 0; i < count; ++i) bench_ns(run, context, i, 1); /* warms up */
  for (i = 0; i < count; ++i) ns[i][0] = bench_ns(run, context, i, 1);
  for (round = rounds - 1; round >= 0; --round) /* [0], the estimate, last */
    for (i = 0; i < count; ++i)
      if (ns[i][0] > 0.0)
        ns[i][round] = bench_ns(run, context, i, 1 + (int)(2e6 / ns[i][0]));
}

/* ---- Data ---------------------------------------------------------------- */

static inline uint32_t bench_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 32);
}

/* Near to normal, mean 0, deviation 1: the sum of 12 uniforms less 6. */
static inline float bench_normal(uint64_t *state) {
  float sum = -6.0f;
  int i;
  for (i = 0; i < 12; ++i) sum += (float)(bench_random(state) >> 8) * 0x1p-24f;
  return sum;
}

/* n of them: 65,536 drawn, then the same with other signs, as that is fast. */
static inline void bench_fill(float *x, size_t n) {
  const size_t block = 65536;
  uint64_t state = 1;
  size_t i;
  for (i = 0; i < n; ++i)
    x[i] = i < block ? bench_normal(&state) : -x[i - block];
}

/* Copies n bytes, a part by each thread. */
static inline void bench_memcpy(void *to, const void *from, size_t n) {
  ptrdiff_t parts = 1, i;
#ifdef _OPENMP
  parts = omp_get_max_threads();
#endif
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < parts; ++i) {
    const size_t start = n / (size_t)parts * (size_t)i;
    const size_t end = i + 1 < parts ? start + n / (size_t)parts : n;
    memcpy((char *)to + start, (const char *)from + start, end - start);
  }
}

/* ---- Options ------------------------------------------------------------- */

/* A working set: so many rows, of each thread or in all. */
typedef struct bench_size {
  const char *name;
  size_t rows;
  int each;
} bench_size;

typedef struct bench_options {
  const char *program, *what; /* its name, and what --help says it does */
  const bench_size *size;     /* all that there are, the last has no name */
  const char *sizes;          /* the wanted ones */
  const char *only;           /* of the contenders; may be null */
  int rounds, threads;
  FILE *csv; /* may be null */
} bench_options;

static inline void bench_misuse(const bench_options *o, const char *what,
                                const char *word) {
  fprintf(stderr, "%s: %s: '%s' (see --help)\n", o->program, what, word);
  exit(2);
}

static inline void bench_usage(const bench_options *o) {
  const bench_size *s;
  printf(
      "usage: %s [--sizes A,B] [--only NAME] [--rounds N] [--threads N]\n"
      "       [--csv FILE]\n%s\n  --sizes    of",
      o->program, o->what);
  for (s = o->size; s->name != NULL; ++s) printf(" %s", s->name);
  printf(
      " (%s)\n"
      "  --only     those with NAME in their name, and what they are\n"
      "             measured by\n"
      "  --rounds   times that each contender runs, 1 to %d (%d)\n"
      "  --threads  OpenMP threads, 1 to 1024 (%d)\n"
      "  --csv      also write lines of CSV to FILE\n"
      "Status: 0, or 1 if a contender's results are wrong, 2 for misuse.\n",
      o->sizes, BENCH_MAX_ROUNDS, o->rounds, o->threads);
}

static inline int bench_whole(const bench_options *o, const char *text,
                              int most) {
  char *end;
  long n;
  errno = 0;
  n = strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || n < 1 || n > most)
    bench_misuse(o, "not a whole number in range", text);
  return (int)n;
}

/* Whether the wanted sizes, "l2,dram", have a name. */
static inline int bench_lists(const bench_options *o, const char *name) {
  const size_t length = strlen(name);
  const char *list = o->sizes;
  while (list != NULL) {
    if (strcspn(list, ",") == length && strncmp(list, name, length) == 0)
      return 1;
    list = strchr(list, ',');
    if (list != NULL) ++list;
  }
  return 0;
}
static inline void bench_check_sizes(const bench_options *o) {
  size_t names = 1, found = 0, i;
  const bench_size *s;
  for (i = 0; o->sizes[i] != '\0'; ++i) names += o->sizes[i] == ',';
  for (s = o->size; s->name != NULL; ++s)
    found += (size_t)bench_lists(o, s->name);
  if (names != found) bench_misuse(o, "not a list of sizes", o->sizes);
}

/* Fills in what argv says; opens the CSV; sets the number of threads. */
static inline void bench_read_options(bench_options *o, int argc, char **argv) {
  int i;
  for (i = 1; i < argc; ++i) {
    const char *name = argv[i];
    if (strcmp(name, "--help") == 0) {
      bench_usage(o);
      exit(0);
    }
    if (strncmp(name, "--", 2) != 0) bench_misuse(o, "unexpected", name);
    if (++i == argc) bench_misuse(o, "unknown, or wants a value", name);
    if (strcmp(name, "--sizes") == 0)
      o->sizes = argv[i];
    else if (strcmp(name, "--only") == 0)
      o->only = argv[i];
    else if (strcmp(name, "--rounds") == 0)
      o->rounds = bench_whole(o, argv[i], BENCH_MAX_ROUNDS);
    else if (strcmp(name, "--threads") == 0)
      o->threads = bench_whole(o, argv[i], 1024);
    else if (strcmp(name, "--csv") != 0)
      bench_misuse(o, "unknown option", name);
    else if ((o->csv = fopen(argv[i], "w")) == NULL)
      bench_misuse(o, "cannot write", argv[i]);
  }
  bench_check_sizes(o);
#ifdef _OPENMP
  omp_set_num_threads(o->threads);
#else
  if (o->threads > 1) bench_misuse(o, "compiled without OpenMP", "--threads");
#endif
}

/* ---- Reports ------------------------------------------------------------- */

static inline const char *bench_cpu(void) {
  static char line[256];
  FILE *file = fopen("/proc/cpuinfo", "r");
  char *name = NULL;
  while (file != NULL && name == NULL && fgets(line, sizeof line, file))
    if (strncmp(line, "model name", 10) == 0) name = strchr(line, ':');
  if (file != NULL) fclose(file);
  if (name == NULL) return "unknown";
  name[strcspn(name, "\n")] = '\0';
  return name + 2;
}

static inline void bench_print_header(const bench_options *o) {
  printf("CPU       %s\n", bench_cpu());
#if defined(_SC_LEVEL1_DCACHE_SIZE) && defined(_SC_LEVEL3_CACHE_SIZE)
  printf("sysconf   L1d %ld KiB, L2 %ld KiB, L3 %ld KiB (0: unknown)\n",
         sysconf(_SC_LEVEL1_DCACHE_SIZE) / 1024,
         sysconf(_SC_LEVEL2_CACHE_SIZE) / 1024,
         sysconf(_SC_LEVEL3_CACHE_SIZE) / 1024);
#endif
  printf("compiler  %s %s\n", BENCH_COMPILER, BENCH_FLAGS);
  printf("run       sste %s, %d thread(s), median of %d rounds\n", SSTE_VERSION,
         o->threads, o->rounds);
}

/* One contender in one place. `count` is the elements of a run, of which `ns`
 * is per one, and `bytes` what one of them moves; `ratio` is to `against`. */
typedef struct bench_line {
  const char *family, *name, *place, *data, *against;
  size_t rows, cols;
  double bytes;
  bench_spread ns, ratio;
} bench_line;

static inline void bench_csv_header(const bench_options *o) {
  if (o->csv != NULL)
    fprintf(o->csv,
            "family,name,shape,place,data,threads,count,bytes,ns,ns_p10,ns_p90,"
            "against,ratio,ratio_p10,ratio_p90,compiler,flags,cpu\n");
}
static inline void bench_csv(const bench_options *o, const bench_line *l) {
  if (o->csv == NULL) return;
  fprintf(o->csv, "%s,%s,%lux%lu,%s,%s,%d,%.0f,%.4f,%.5f,%.5f,%.5f,", l->family,
          l->name, (unsigned long)l->rows, (unsigned long)l->cols, l->place,
          l->data, o->threads, (double)l->rows * (double)l->cols, l->bytes,
          l->ns.median, l->ns.p10, l->ns.p90);
  fprintf(o->csv, "%s,%.4f,%.4f,%.4f,%s,%s,%s\n", l->against, l->ratio.median,
          l->ratio.p10, l->ratio.p90, BENCH_COMPILER, BENCH_FLAGS, bench_cpu());
}
static inline void bench_csv_close(const bench_options *o) {
  if (o->csv != NULL && (ferror(o->csv) != 0 || fclose(o->csv) != 0))
    bench_misuse(o, "cannot write", "--csv");
}

#endif /* SSTE_BENCH_H */
