/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * bench_fp8.c - how fast FP8 is made and read, beside other ways to do it, in
 * one run. Every round times each contender once, in turn, so that what slows
 * the machine down slows all of them; the table has medians over the rounds.
 *
 * Also compiles to a shared object, whose three functions let bench_fp8.py race
 * NumPy against the same contenders.
 */
#define _POSIX_C_SOURCE 200112L

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "contenders.h"

#ifndef BENCH_FLAGS
#define BENCH_FLAGS "flags not recorded"
#endif

enum { COLS = 4096, CHECK_ROWS = 96, MAX_ROUNDS = 999 };

typedef struct options {
  int threads, rounds;
  const char *sizes, *csv;
} options;

/* A working set: 5 bytes for each value of rows x COLS. */
typedef struct size_class {
  const char *name;
  size_t rows;
} size_class;
static const size_class sizes[] = {
    {"l2", 32}, {"l3", 1024}, {"dram", 16384}}; /* 128 Ki, 4 Mi, 64 Mi values */
enum { SIZES = (int)(sizeof sizes / sizeof sizes[0]) };

/* ---- For Python ---------------------------------------------------------- */

int bench_count(void);
const char *bench_name(int i);
size_t bench_run(int i, float *x, float *y, uint8_t *code, size_t rows,
                 size_t cols, float scale, int check);

int bench_count(void) {
  bench_fill_tables();
  return BENCH_FIELD;
}
const char *bench_name(int i) { return bench_field[i].name; }

/* Runs a contender, and with `check` says how many results are wrong. */
size_t bench_run(int i, float *x, float *y, uint8_t *code, size_t rows,
                 size_t cols, float scale, int check) {
  bench_job job;
  job.x = x;
  job.y = y;
  job.code = code;
  job.rows = rows;
  job.cols = cols;
  job.scale = scale;
  if (check) return bench_wrong(&bench_field[i], &job);
  if (bench_field[i].run != NULL) bench_field[i].run(&bench_field[i], &job);
  return 0;
}

/* ---- Data ---------------------------------------------------------------- */

static uint32_t next_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 32);
}

/* Near to normal, mean 0, deviation 1: the sum of 12 uniforms less 6. */
static float next_normal(uint64_t *state) {
  float sum = -6.0f;
  int i;
  for (i = 0; i < 12; ++i) sum += (float)(next_random(state) >> 8) * 0x1p-24f;
  return sum;
}

/* Memory is touched here, so that no contender pays for its first pages. */
static int make_job(bench_job *job, size_t rows) {
  const size_t n = rows * COLS, block = 65536;
  uint64_t state = 1;
  size_t i;
  job->rows = rows;
  job->cols = COLS;
  job->x = malloc(n * 5);
  job->y = malloc(n * 5);
  job->code = malloc(n);
  if (job->x == NULL || job->y == NULL || job->code == NULL) return 0;
  memset(job->x, 0, n * 5);
  memset(job->y, 0, n * 5);
  memset(job->code, 0, n);
  for (i = 0; i < n; ++i)
    job->x[i] = i < block ? next_normal(&state) : -job->x[i - block];
  job->scale = 448.0f / 6.0f;
  return 1;
}
static void free_job(bench_job *job) {
  free(job->x);
  free(job->y);
  free(job->code);
}

/* Each upper half of a float with six lower halves: it meets every rounding
 * decision, infinities and NaNs. 65,536 * 6 = CHECK_ROWS * COLS.            */
static void fill_with_decisions(bench_job *job) {
  static const uint32_t low[6] = {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
  uint32_t i;
  for (i = 0; i < 65536u * 6; ++i)
    job->x[i] = sste_priv_float(i / 6 << 16 | low[i % 6]);
}

/* ---- Checking ------------------------------------------------------------ */

static int all_are_right(void) {
  bench_job job;
  int i, right = make_job(&job, CHECK_ROWS);
  if (!right) fprintf(stderr, "bench_fp8: not enough memory\n");
  for (i = 0; right && i < BENCH_FIELD; ++i) {
    size_t wrong;
    fill_with_decisions(&job);
    wrong = bench_wrong(&bench_field[i], &job);
    if (wrong == 0) continue;
    fprintf(stderr, "bench_fp8: %s: %lu results are wrong\n",
            bench_field[i].name, (unsigned long)wrong);
    right = 0;
  }
  free_job(&job);
  return right;
}

/* ---- Timing -------------------------------------------------------------- */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds_of(const bench_contender *c, const bench_job *job,
                         int repeats) {
  const double start = now();
  int i;
  for (i = 0; i < repeats; ++i) c->run(c, job);
  return (now() - start) / repeats;
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* ns per value, sorted: [0] is the fastest round. */
static void time_field(double (*ns)[MAX_ROUNDS], const bench_job *job,
                       int rounds) {
  const double n = (double)job->rows * (double)job->cols;
  int repeats[BENCH_FIELD], i, round;
  for (i = 0; i < BENCH_FIELD; ++i) { /* 2 ms or more at a time, warmed up */
    double once;
    if (bench_field[i].run == NULL) continue;
    once = seconds_of(&bench_field[i], job, 1);
    once = seconds_of(&bench_field[i], job, 1);
    repeats[i] = once < 0.002 ? (int)(0.002 / once) + 1 : 1;
  }
  for (round = 0; round < rounds; ++round)
    for (i = 0; i < BENCH_FIELD; ++i)
      if (bench_field[i].run != NULL)
        ns[i][round] = seconds_of(&bench_field[i], job, repeats[i]) * 1e9 / n;
  for (i = 0; i < BENCH_FIELD; ++i)
    qsort(ns[i], (size_t)rounds, sizeof ns[i][0], by_size);
}

/* ---- Reporting ----------------------------------------------------------- */

static const char *task_name(int task) {
  static const char *const names[] = {"copy", "encode", "decode", "round"};
  return names[task];
}

static void print_cpu(void) {
  FILE *file = fopen("/proc/cpuinfo", "r");
  char line[256], *name = NULL;
  while (file != NULL && name == NULL && fgets(line, sizeof line, file))
    if (strncmp(line, "model name", 10) == 0) name = strchr(line, ':');
  printf("CPU       %s", name != NULL ? name + 2 : "unknown\n");
  if (file != NULL) fclose(file);
}

static void print_caches(void) {
#if defined(_SC_LEVEL1_DCACHE_SIZE) && defined(_SC_LEVEL3_CACHE_SIZE)
  printf("sysconf   L1d %ld KiB, L2 %ld KiB, L3 %ld KiB (0: unknown)\n",
         sysconf(_SC_LEVEL1_DCACHE_SIZE) / 1024,
         sysconf(_SC_LEVEL2_CACHE_SIZE) / 1024,
         sysconf(_SC_LEVEL3_CACHE_SIZE) / 1024);
#else
  printf("sysconf   cache sizes unknown\n");
#endif
}

static void print_header(const options *o) {
  print_cpu();
  print_caches();
#ifdef __clang__
  printf("compiler  %s\n", __VERSION__);
#else
  printf("compiler  GCC %s\n", __VERSION__);
#endif
  printf("flags     %s\n", BENCH_FLAGS);
  printf("run       sste %s, %d thread(s), median of %d rounds\n", SSTE_VERSION,
         o->threads, o->rounds);
  printf("results   all contenders agree on 393,216 floats, 256 codes\n");
  printf(
      "columns   / 5 bytes: the time of memcpy of 5 bytes per value, which\n"
      "          are read and written; / 2.5: of as many bytes in all as a\n"
      "          conversion moves\n");
}

static void print_field(const size_class *size, double (*ns)[MAX_ROUNDS],
                        int rounds, FILE *csv) {
  const int low = rounds / 10, middle = rounds / 2, high = rounds - 1 - low;
  const size_t n = size->rows * COLS;
  int i;
  printf("\n%s: %.1f MiB of floats and %.1f MiB of codes\n", size->name,
         (double)n * 0x1p-18, (double)n * 0x1p-20);
  printf("%-32s %9s %19s %9s %9s\n", "", "ns/value", "p10 to p90", "/ 5 bytes",
         "/ 2.5");
  for (i = 0; i < BENCH_FIELD; ++i) {
    const bench_contender *c = &bench_field[i];
    const double *t = ns[i];
    if (i > 0 && c->task != bench_field[i - 1].task) printf("\n");
    if (c->run == NULL) {
      printf("%-32s   skipped: compiled without cuda_fp8.h\n", c->name);
      continue;
    }
    printf("%-32s %9.4f %9.4f %9.4f %9.2f %9.2f\n", c->name, t[middle], t[low],
           t[high], t[middle] / ns[0][middle], t[middle] / ns[1][middle]);
    if (csv != NULL)
      fprintf(csv, "%s,%lu,%s,%s,%.5f,%.5f,%.5f,%.4f,%.4f\n", size->name,
              (unsigned long)n, task_name(c->task), c->name, t[middle], t[low],
              t[high], t[middle] / ns[0][middle], t[middle] / ns[1][middle]);
  }
}

/* What the library wants of its own functions where the data are in L3. */
static void print_goal(double (*ns)[MAX_ROUNDS], int rounds) {
  const double goal = 1.1;
  int i, met = 0, tried = 0;
  double worst = 0;
  for (i = 0; i < BENCH_FIELD; ++i) {
    const bench_contender *c = &bench_field[i];
    const double ratio = ns[i][rounds / 2] / ns[0][rounds / 2];
    if (c->run != bench_tensor_encode && c->run != bench_tensor_decode)
      continue;
    ++tried;
    met += ratio <= goal;
    if (ratio > worst) worst = ratio;
  }
  printf(
      "\ngoal      tensor_encode and tensor_decode in l3, on an idle machine, "
      "at "
      "most\n          %.1f times memcpy of 5 bytes per value: %d of %d, the "
      "worst %.2f\n",
      goal, met, tried, worst);
}

/* ---- The program --------------------------------------------------------- */

static void usage(FILE *out) {
  fprintf(out,
          "usage: bench_fp8 [--sizes l2,l3,dram] [--rounds N] [--threads N]\n"
          "                 [--csv FILE]\n"
          "Times FP8 encoding and decoding against copies and other ways.\n"
          "  --sizes    working sets to try, separated by commas (all)\n"
          "  --rounds   times that each contender runs, 1 to %d (15)\n"
          "  --threads  OpenMP threads, 1 to 1024 (1)\n"
          "  --csv      also write the table to FILE\n"
          "Status: 0, or 1 if a contender's results are wrong, 2 for misuse.\n",
          MAX_ROUNDS);
}

static void misuse(const char *what, const char *word) {
  fprintf(stderr, "bench_fp8: %s: '%s' (see --help)\n", what, word);
  exit(2);
}

static int whole(const char *text, int most) {
  char *end;
  long n;
  errno = 0;
  n = strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || n < 1 || n > most)
    misuse("not a whole number in range", text);
  return (int)n;
}

/* Whether a list "l2,dram" has a name. */
static int lists(const char *list, const char *name) {
  const size_t length = strlen(name);
  while (list != NULL) {
    if (strcspn(list, ",") == length && strncmp(list, name, length) == 0)
      return 1;
    list = strchr(list, ',');
    if (list != NULL) ++list;
  }
  return 0;
}
static void check_list(const char *list) {
  size_t names = 1, found = 0, i;
  for (i = 0; list[i] != '\0'; ++i) names += list[i] == ',';
  for (i = 0; i < SIZES; ++i) found += (size_t)lists(list, sizes[i].name);
  if (names != found) misuse("not a list of sizes", list);
}

static options read_options(int argc, char **argv) {
  options o = {1, 15, "l2,l3,dram", NULL};
  int i;
  for (i = 1; i < argc; ++i) {
    const char *name = argv[i];
    if (strcmp(name, "--help") == 0) {
      usage(stdout);
      exit(0);
    }
    if (strncmp(name, "--", 2) != 0) misuse("unexpected argument", name);
    if (++i == argc) misuse("unknown, or wants a value", name);
    if (strcmp(name, "--sizes") == 0)
      check_list(o.sizes = argv[i]);
    else if (strcmp(name, "--rounds") == 0)
      o.rounds = whole(argv[i], MAX_ROUNDS);
    else if (strcmp(name, "--threads") == 0)
      o.threads = whole(argv[i], 1024);
    else if (strcmp(name, "--csv") == 0)
      o.csv = argv[i];
    else
      misuse("unknown option", name);
  }
  return o;
}

static int race(const size_class *size, const options *o, FILE *csv) {
  static double ns[BENCH_FIELD][MAX_ROUNDS];
  bench_job job;
  const int ready = make_job(&job, size->rows);
  if (ready) {
    time_field(ns, &job, o->rounds);
    print_field(size, ns, o->rounds, csv);
    if (strcmp(size->name, "l3") == 0) print_goal(ns, o->rounds);
  } else {
    fprintf(stderr, "bench_fp8: not enough memory for %s\n", size->name);
  }
  free_job(&job);
  return ready;
}

int main(int argc, char **argv) {
  options o = read_options(argc, argv);
  FILE *csv = o.csv != NULL ? fopen(o.csv, "w") : NULL;
  int i, good;
  if (o.csv != NULL && csv == NULL) misuse("cannot write", o.csv);
#ifdef _OPENMP
  omp_set_num_threads(o.threads);
#else
  if (o.threads > 1) misuse("compiled without OpenMP, so only 1 thread", "");
#endif
  bench_fill_tables();
  good = all_are_right();
  if (good) print_header(&o);
  if (csv != NULL)
    fprintf(csv,
            "size,values,task,contender,ns,ns_p10,ns_p90,"
            "per_memcpy_5,per_memcpy_2.5\n");
  for (i = 0; i < SIZES && good; ++i)
    if (lists(o.sizes, sizes[i].name)) {
      good = race(&sizes[i], &o, csv);
      fflush(stdout);
    }
  if (csv != NULL && (fflush(csv) != 0 || ferror(csv) || fclose(csv) != 0))
    misuse("cannot write", o.csv);
  return good ? 0 : 1;
}
