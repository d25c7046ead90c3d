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

#include "bench.h"
#include "contenders.h"

enum { COLS = 4096, CHECK_ROWS = 96 };

/* 128 Ki, 4 Mi, 64 Mi values, of 5 bytes each. */
static const bench_size sizes[] = {
    {"l2", 32, 0}, {"l3", 1024, 0}, {"dram", 16384, 0}, {NULL, 0, 0}};

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

/* Memory is touched here, so that no contender pays for its first pages. */
static int make_job(bench_job *job, size_t rows) {
  const size_t n = rows * COLS;
  job->rows = rows;
  job->cols = COLS;
  job->x = malloc(n * 5);
  job->y = malloc(n * 5);
  job->code = malloc(n);
  if (job->x == NULL || job->y == NULL || job->code == NULL) return 0;
  memset(job->x, 0, n * 5);
  memset(job->y, 0, n * 5);
  memset(job->code, 0, n);
  bench_fill(job->x, n);
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

/* ---- Reporting ----------------------------------------------------------- */

typedef struct field_context {
  const bench_options *o;
  const bench_job *job;
} field_context;

static int run_contender(void *context, int i) {
  const field_context *f = (const field_context *)context;
  const bench_contender *c = &bench_field[i];
  const int wanted =
      f->o->only == NULL || i < 2 || strstr(c->name, f->o->only) != NULL;
  if (c->run == NULL || !wanted) return 0;
  c->run(c, f->job);
  return 1;
}

static const char *task_name(int task) {
  static const char *const names[] = {"copy", "encode", "decode", "round"};
  return names[task];
}

/* What one value moves: codes are one byte, floats four. */
static double bytes_of(int i) {
  if (bench_field[i].task == BENCH_ROUND) return 8.0;
  return i == 1 ? 2.5 : 5.0;
}

static void print_field(const bench_size *size, double (*ns)[BENCH_MAX_ROUNDS],
                        const bench_options *o) {
  const double n = (double)size->rows * COLS;
  int i;
  printf("\n%s: %.1f MiB of floats and %.1f MiB of codes\n", size->name,
         n * 0x1p-18, n * 0x1p-20);
  printf("%-32s %9s %19s %9s %9s\n", "", "ns/value", "p10 to p90", "/ 5 bytes",
         "/ 2.5");
  for (i = 0; i < BENCH_FIELD; ++i) {
    const bench_contender *c = &bench_field[i];
    bench_line l = {"fp8", NULL, NULL, NULL,      NULL,
                    0,     COLS, 0,    {0, 0, 0}, {0, 0, 0}};
    if (i > 0 && c->task != bench_field[i - 1].task) printf("\n");
    if (c->run == NULL)
      printf("%-32s   skipped: compiled without cuda_fp8.h\n", c->name);
    if (ns[i][0] == 0.0) continue;
    l.name = c->name;
    l.place = size->name;
    l.data = task_name(c->task);
    l.against = bench_field[0].name;
    l.rows = size->rows;
    l.bytes = bytes_of(i);
    l.ns = bench_per(ns[i], n, o->rounds);
    l.ratio = bench_ratio(ns[i], ns[0], o->rounds);
    printf("%-32s %9.4f %9.4f %9.4f %9.2f %9.2f\n", c->name, l.ns.median,
           l.ns.p10, l.ns.p90, l.ratio.median,
           bench_ratio(ns[i], ns[1], o->rounds).median);
    bench_csv(o, &l);
  }
}

/* What the library wants of its own functions where the data are in L3. */
static void print_goal(double (*ns)[BENCH_MAX_ROUNDS], int rounds) {
  const double goal = 1.1;
  int i, met = 0, tried = 0;
  double worst = 0;
  for (i = 0; i < BENCH_FIELD; ++i) {
    const bench_contender *c = &bench_field[i];
    const double ratio = bench_ratio(ns[i], ns[0], rounds).median;
    if (c->run != bench_tensor_encode && c->run != bench_tensor_decode)
      continue;
    if (ns[i][0] == 0.0) continue;
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

static int race(const bench_size *size, const bench_options *o) {
  static double ns[BENCH_FIELD][BENCH_MAX_ROUNDS];
  bench_job job;
  field_context context;
  const int ready = make_job(&job, size->rows);
  context.o = o;
  context.job = &job;
  if (ready) {
    bench_race(ns, BENCH_FIELD, o->rounds, run_contender, &context);
    print_field(size, ns, o);
    if (strcmp(size->name, "l3") == 0) print_goal(ns, o->rounds);
    fflush(stdout);
  } else {
    fprintf(stderr, "bench_fp8: not enough memory for %s\n", size->name);
  }
  free_job(&job);
  return ready;
}

int main(int argc, char **argv) {
  bench_options o = {"bench_fp8",
                     "Times FP8 encoding and decoding against copies and other "
                     "ways.",
                     sizes,
                     "l2,l3,dram",
                     NULL,
                     15,
                     1,
                     NULL};
  const bench_size *size;
  int good;
  bench_read_options(&o, argc, argv);
  bench_fill_tables();
  good = all_are_right();
  if (good) {
    bench_print_header(&o);
    printf(
        "results   all contenders agree on 393,216 floats, 256 codes\n"
        "columns   / 5 bytes: the time of memcpy of 5 bytes per value, "
        "which\n          are read and written; / 2.5: of as many bytes in "
        "all as a\n          conversion moves\n");
    bench_csv_header(&o);
  }
  for (size = sizes; good && size->name != NULL; ++size)
    if (bench_lists(&o, size->name)) good = race(size, &o);
  bench_csv_close(&o);
  return good ? 0 : 1;
}
