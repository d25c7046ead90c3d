/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * bench_bulk.c - how fast the functions are that go over a whole matrix, beside
 * the limits of the machine: every contender's time as a ratio to that of the
 * copy y[i] = x[i] * c, in the same round. Before a contender is timed, what it
 * writes is held against the definition, group by group.
 */
#define _POSIX_C_SOURCE 200112L

#include "bench.h"
#include "sste_train.h"

enum { COLS = 1024, CHECKED_ROWS = 256 };

/* By the bytes of x, and as many of y: 16, 128, 4096 KiB, 256 MiB; the others
 * are for a sweep.                                                          */
static const bench_size sizes[] = {
    {"l1", 4, 1},       {"l2", 32, 1},     {"l3", 1024, 0},
    {"dram", 65536, 0}, {"64k", 16, 1},    {"256k", 64, 1},
    {"2m", 512, 0},     {"8m", 2048, 0},   {"512m", 131072, 0},
    {"1g", 262144, 0},  {"2g", 524288, 0}, {"4g", 1048576, 0},
    {NULL, 0, 0}};

/* What is read: a matrix, its projection, its mask. What is written: floats,
 * bytes, the compressed form, or one number.                                */
typedef struct bulk {
  size_t rows;
  void *block; /* all of the arrays */
  float *x, *sparse, *y, *values;
  uint8_t *mask, *code, *meta;
  float number;
  sste_fp8_recipe recipe;
  sste_status status; /* of the last call */
} bulk;

static const float factor = 1.4837f; /* beta of a Gaussian tensor */
static const float scale = 448.0f / 6.0f;
static const sste_mvue_stream stream = {1, 2, 3, 4, 5};

/* ---- Limits -------------------------------------------------------------- */

static void run_memcpy(bulk *b) {
  bench_memcpy(b->y, b->x, b->rows * COLS * sizeof *b->x);
}

/* A loop over all elements, shared among the threads. */
#define BULK_LOOP(name, directive, statement)        \
  static void name(bulk *b) {                        \
    const ptrdiff_t n = (ptrdiff_t)(b->rows * COLS); \
    const float *x = b->x, c = factor;               \
    float *y = b->y;                                 \
    uint32_t sum = 0;                                \
    ptrdiff_t i;                                     \
    (void)x, (void)y, (void)c;                       \
    SSTE_OMP(directive)                              \
    for (i = 0; i < n; ++i) statement;               \
    b->number = (float)sum;                          \
  }
BULK_LOOP(run_copy, parallel for simd schedule(static), y[i] = x[i] * c)
BULK_LOOP(run_scale, parallel for simd schedule(static), y[i] = y[i] * -1.0f)
BULK_LOOP(run_write, parallel for simd schedule(static), y[i] = c)
BULK_LOOP(run_read, parallel for simd schedule(static) reduction(+ : sum),
          sum += sste_priv_bits(x[i]))

/* ---- Contenders ---------------------------------------------------------- */

static void run_project(bulk *b) {
  b->status =
      sste_tensor_project(b->y, COLS, b->x, COLS, b->rows, COLS, factor, NULL);
}
static void run_project_in_place(bulk *b) { /* y is the last one's result */
  b->status =
      sste_tensor_project(b->y, COLS, b->y, COLS, b->rows, COLS, 1.0f, NULL);
}
static void run_mask(bulk *b) {
  b->status = sste_tensor_mask(b->code, COLS, b->x, COLS, b->rows, COLS,
                               SSTE_TIE_LOWER);
}
static void run_apply_mask(bulk *b) {
  b->status = sste_tensor_apply_mask(b->y, COLS, b->x, COLS, b->mask, COLS,
                                     b->rows, COLS);
}
static void run_transposable(bulk *b) {
  b->status = sste_tensor_mask_transposable(b->code, COLS, b->x, COLS, b->rows,
                                            COLS, SSTE_TILE_OPTIMAL);
}
static void run_beta(bulk *b) {
  b->status = sste_tensor_beta(&b->number, b->x, COLS, b->rows, COLS);
}
static void run_compress(bulk *b) {
  b->status = sste_tensor_compress(b->values, COLS / 2, b->meta, COLS / 8,
                                   b->sparse, COLS, b->rows, COLS);
}
static void run_project_compress(bulk *b) {
  b->status =
      sste_tensor_project_compress(b->values, COLS / 2, b->meta, COLS / 8, b->x,
                                   COLS, b->rows, COLS, factor, NULL);
}
static void run_amax(bulk *b) {
  b->status = sste_fp8_tensor_amax(&b->number, b->x, COLS, b->rows, COLS);
}
static void run_project_amax(bulk *b) {
  b->status =
      sste_tensor_project_amax(&b->number, b->x, COLS, b->rows, COLS, factor);
}
static void run_encode(bulk *b) {
  b->status = sste_fp8_tensor_encode(b->code, COLS, b->x, COLS, b->rows, COLS,
                                     &scale, b->recipe);
}
static void run_project_encode(bulk *b) {
  b->status = sste_tensor_project_encode(b->code, COLS, b->x, COLS, b->rows,
                                         COLS, factor, &scale, b->recipe, NULL);
}
static void run_fake_quant(bulk *b) {
  b->status = sste_fp8_tensor_round(b->y, COLS, b->x, COLS, b->rows, COLS,
                                    &scale, b->recipe);
}
static void run_mvue_rows(bulk *b) {
  b->status = sste_mvue24_tensor_draw(b->y, COLS, b->x, COLS, b->rows, COLS,
                                      SSTE_ALONG_ROWS, &stream);
}
static void run_mvue_columns(bulk *b) {
  b->status = sste_mvue24_tensor_draw(b->y, COLS, b->x, COLS, b->rows, COLS,
                                      SSTE_DOWN_COLUMNS, &stream);
}

/* The search as one would write it first: 90 patterns, 16 entries each. */
static int patterns[90];

static void fill_patterns(void) {
  int p, n = 0;
  for (p = 0; p < 6 * 6 * 6 * 6; ++p) {
    const int a = sste_priv_pair(p / 216), b = sste_priv_pair(p / 36 % 6);
    const int c = sste_priv_pair(p / 6 % 6), d = sste_priv_pair(p % 6);
    /* An even number of every column, and of none all four. */
    if ((a ^ b ^ c ^ d) == 0 && (a & b & c & d) == 0)
      patterns[n++] = a | b << 4 | c << 8 | d << 12;
  }
}

static int naive_pattern(const float *tile) {
  float best = -1.0f;
  int p, e, found = 0;
  for (p = 0; p < 90; ++p) {
    float row[4] = {0, 0, 0, 0}, sum;
    for (e = 0; e < 16; ++e)
      if (patterns[p] >> e & 1)
        row[e >> 2] += sste_priv_score(tile[(e >> 2) * COLS + (e & 3)]);
    sum = (row[0] + row[1]) + (row[2] + row[3]);
    if (sum > best) {
      best = sum;
      found = patterns[p];
    }
  }
  return found;
}

static void run_naive(bulk *b) {
  ptrdiff_t band;
  SSTE_OMP(parallel for schedule(static))
  for (band = 0; band < (ptrdiff_t)b->rows / 4; ++band) {
    int c, e;
    for (c = 0; c < COLS; c += 4) {
      const float *tile = b->x + band * 4 * COLS + c;
      uint8_t *to = b->code + band * 4 * COLS + c;
      const int bits = naive_pattern(tile);
      for (e = 0; e < 16; ++e)
        to[(e >> 2) * COLS + (e & 3)] = (uint8_t)(bits >> e & 1);
    }
  }
}

/* ---- Definitions --------------------------------------------------------- */

/* What a run leaves in the outputs for the group at row r, column c. */
typedef struct group {
  float y[4], values[2];
  uint8_t code[4], nibble;
} group;

static void project(float *y, const float *a, float beta) {
  int i;
  sste_group_project(y, a);
  for (i = 0; i < 4; ++i) y[i] = sste_priv_stored(beta * y[i]);
}
static void want_project(group *g, const bulk *b, size_t r, size_t c) {
  project(g->y, b->x + r * COLS + c, factor);
}
static void want_project_in_place(group *g, const bulk *b, size_t r, size_t c) {
  project(g->y, b->x + r * COLS + c, 1.0f);
}
static void want_mask(group *g, const bulk *b, size_t r, size_t c) {
  const int bits = sste_group_mask(b->x + r * COLS + c, SSTE_TIE_LOWER);
  int i;
  for (i = 0; i < 4; ++i) g->code[i] = (uint8_t)(bits >> i & 1);
}
static void want_apply_mask(group *g, const bulk *b, size_t r, size_t c) {
  const float *a = b->x + r * COLS + c;
  const int bits = sste_group_mask(a, SSTE_TIE_LOWER);
  int i;
  for (i = 0; i < 4; ++i)
    g->y[i] = bits >> i & 1 ? sste_priv_stored(a[i]) : 0.0f;
}
static void want_transposable(group *g, const bulk *b, size_t r, size_t c) {
  const size_t row = r & 3;
  const int bits = sste_tile_mask_optimal(b->x + (r - row) * COLS + c, COLS);
  int i;
  for (i = 0; i < 4; ++i) g->code[i] = (uint8_t)(bits >> (4 * row) >> i & 1);
}
static void want_compress(group *g, const bulk *b, size_t r, size_t c) {
  g->nibble = (uint8_t)sste_group_compress(g->values, b->sparse + r * COLS + c);
}
static void want_project_compress(group *g, const bulk *b, size_t r, size_t c) {
  float w[4];
  project(w, b->x + r * COLS + c, factor);
  g->nibble = (uint8_t)sste_group_compress(g->values, w);
}
static uint8_t encoded(const bulk *b, float x) {
  const int is_nan = sste_priv_magnitude(x) == SSTE_PRIV_NAN;
  return sste_fp8_encode_float(b->recipe.format, b->recipe.rule,
                               is_nan ? x : x * scale, 0);
}
static void want_encode(group *g, const bulk *b, size_t r, size_t c) {
  int i;
  for (i = 0; i < 4; ++i)
    g->code[i] = encoded(b, b->x[r * COLS + c + (size_t)i]);
}
static void want_project_encode(group *g, const bulk *b, size_t r, size_t c) {
  float w[4];
  int i;
  project(w, b->x + r * COLS + c, factor);
  for (i = 0; i < 4; ++i) g->code[i] = encoded(b, w[i]);
}
static void want_fake_quant(group *g, const bulk *b, size_t r, size_t c) {
  int i;
  want_encode(g, b, r, c);
  for (i = 0; i < 4; ++i) {
    g->y[i] = sste_fp8_decode(b->recipe.format, g->code[i]) / scale;
    g->y[i] = sste_priv_canonical(g->y[i]);
    g->code[i] = 0;
  }
}
static void want_mvue_rows(group *g, const bulk *b, size_t r, size_t c) {
  sste_mvue24_group_draw(g->y, b->x + r * COLS + c,
                         sste_mvue_word(&stream, r, c / 4));
}
static void want_mvue_columns(group *g, const bulk *b, size_t r, size_t c) {
  const float *a = b->x + (r - (r & 3)) * COLS + c;
  size_t i, k;
  for (i = 0; i < 4; ++i) {
    float down[4];
    for (k = 0; k < 4; ++k) down[k] = a[k * COLS + i];
    sste_mvue24_group_draw(down, down, sste_mvue_word(&stream, c + i, r / 4));
    g->y[i] = down[r & 3];
  }
}

/* Those that give one number; beta's sums here in another order. */
static float want_amax(const bulk *b) {
  uint32_t most = 0;
  size_t i;
  for (i = 0; i < b->rows * COLS; ++i)
    most = sste_priv_max(most, sste_priv_magnitude(b->x[i]));
  return sste_priv_float(most);
}
static float want_project_amax(const bulk *b) {
  uint32_t most = 0;
  size_t i, k;
  for (i = 0; i < b->rows * COLS; i += 4) {
    float w[4];
    project(w, b->x + i, factor);
    for (k = 0; k < 4; ++k)
      most = sste_priv_max(most, sste_priv_magnitude(w[k]));
  }
  return sste_priv_float(most);
}
static float want_beta(const bulk *b) {
  double ws = 0, ss = 0;
  size_t i, k;
  for (i = 0; i < b->rows * COLS; i += 4) {
    float s[4];
    sste_group_project(s, b->x + i);
    for (k = 0; k < 4; ++k) ws += (double)b->x[i + k] * (double)s[k];
    for (k = 0; k < 4; ++k) ss += (double)s[k] * (double)s[k];
  }
  return (float)(ws / ss);
}

/* ---- The field ----------------------------------------------------------- */

enum { TO_Y = 1, TO_CODE = 2, TO_COMPRESSED = 4, IN_PLACE = 8, SMALL = 16 };

/* The first is what the others are measured by. The second, after it, finds
 * dense values in y, but where short runs are repeated its own results.     */
typedef struct contender {
  const char *family, *name;
  double bytes; /* read and written, per element */
  void (*run)(bulk *);
  int how; /* where the results are; IN_PLACE: of x copied to y; SMALL: in
              caches only, as it is slow */
  void (*want)(group *, const bulk *, size_t r, size_t c);
  float (*number)(const bulk *);
} contender;

static const contender field[] = {
    {"limit", "copy", 8, run_copy, 0, NULL, NULL},
    {"bulk", "project in place", 8, run_project_in_place, TO_Y | IN_PLACE,
     want_project_in_place, NULL},
    {"limit", "memcpy", 8, run_memcpy, 0, NULL, NULL},
    {"limit", "scale in place", 8, run_scale, 0, NULL, NULL},
    {"limit", "read", 4, run_read, 0, NULL, NULL},
    {"limit", "write", 4, run_write, 0, NULL, NULL},
    {"bulk", "project", 8, run_project, TO_Y, want_project, NULL},
    {"bulk", "mask", 5, run_mask, TO_CODE, want_mask, NULL},
    {"bulk", "apply mask", 9, run_apply_mask, TO_Y, want_apply_mask, NULL},
    {"bulk", "transposable mask", 5, run_transposable, TO_CODE,
     want_transposable, NULL},
    {"bulk", "transposable naive", 5, run_naive, TO_CODE | SMALL,
     want_transposable, NULL},
    {"bulk", "beta", 4, run_beta, 0, NULL, want_beta},
    {"bulk", "compress", 6.125, run_compress, TO_COMPRESSED, want_compress,
     NULL},
    {"bulk", "project compress", 6.125, run_project_compress, TO_COMPRESSED,
     want_project_compress, NULL},
    {"bulk", "project encode", 5, run_project_encode, TO_CODE,
     want_project_encode, NULL},
    {"bulk", "project amax", 4, run_project_amax, 0, NULL, want_project_amax},
    {"bulk", "amax", 4, run_amax, 0, NULL, want_amax},
    {"bulk", "encode E4M3FN", 5, run_encode, TO_CODE, want_encode, NULL},
    {"bulk", "fake-quant E4M3FN", 8, run_fake_quant, TO_Y, want_fake_quant,
     NULL},
    {"mvue", "MVUE along rows", 8, run_mvue_rows, TO_Y, want_mvue_rows, NULL},
    {"mvue", "MVUE down columns", 8, run_mvue_columns, TO_Y, want_mvue_columns,
     NULL},
};
enum { FIELD = (int)(sizeof field / sizeof field[0]) };

/* ---- Are they right? ----------------------------------------------------- */

static void read_group(group *g, const contender *c, const bulk *b, size_t at) {
  if (c->how & TO_Y) memcpy(g->y, b->y + at, sizeof g->y);
  if (c->how & TO_CODE) memcpy(g->code, b->code + at, sizeof g->code);
  if (c->how & TO_COMPRESSED) {
    memcpy(g->values, b->values + at / 2, sizeof g->values);
    g->nibble = b->meta[at / 8] >> (at & 4) & 15;
  }
}

/* Whole bands of four rows, some where they are many. */
static size_t wrong_groups(const contender *c, const bulk *b) {
  const size_t n = b->rows * COLS, most = (size_t)CHECKED_ROWS * COLS;
  const size_t step = n <= most ? 1 : n / most;
  size_t at, wrong = 0;
  for (at = 0; at < n; at += 4) {
    group got, want;
    if (at / (4 * COLS) % step != 0) continue;
    memset(&got, 0, sizeof got);
    memset(&want, 0, sizeof want);
    read_group(&got, c, b, at);
    c->want(&want, b, at / COLS, at % COLS);
    wrong += memcmp(&got, &want, sizeof got) != 0;
  }
  return wrong;
}

static int is_right(const contender *c, bulk *b) {
  const size_t n = b->rows * COLS;
  size_t wrong = 0;
  memset(b->y, 0xCA, n * sizeof *b->y);
  memset(b->values, 0xCA, n / 2 * sizeof *b->values);
  memset(b->code, 0xCA, n);
  memset(b->meta, 0xCA, n / 8);
  if (c->how & IN_PLACE) memcpy(b->y, b->x, n * sizeof *b->y);
  b->status = SSTE_OK;
  c->run(b);
  if (c->want != NULL) wrong = wrong_groups(c, b);
  if (c->number != NULL) {
    const float want = c->number(b), distance = b->number - want;
    wrong = sste_priv_bits(b->number) != sste_priv_bits(want) &&
            !(distance * distance < 1e-12f * want * want);
  }
  if (wrong == 0 && b->status == SSTE_OK) return 1;
  fprintf(stderr, "bench_bulk: %s: %lu results are wrong (status: %s)\n",
          c->name, (unsigned long)wrong, sste_status_text(b->status));
  return 0;
}

/* ---- Data ---------------------------------------------------------------- */

static const char *const kinds[] = {"normal", "ties", "zeros", "nan"};

/* normal; ties: of few values; zeros: half of them; nan: a NaN in 1 group of
 * 100.                                                                      */
static void change_data(float *x, size_t n, int kind) {
  uint64_t state = 2;
  size_t i;
  for (i = 0; i < n && kind != 0; ++i) {
    const uint32_t random = bench_random(&state);
    if (kind == 1) x[i] = (float)(int)(2.0f * x[i]);
    if (kind == 2 && random >> 31) x[i] = 0.0f;
    if (kind == 3 && random < 10737418u) x[i] = sste_priv_float(SSTE_PRIV_NAN);
  }
}

/* The next array of a block: aligned, and not where its neighbours are within a
 * page, as a store that ends like a later load's address may hold it up.    */
enum { APART = 17 * 64 };
static void *take(char **next, size_t bytes) {
  void *p = *next;
  *next += bytes + APART;
  return p;
}

static int make_bulk(bulk *b, size_t rows, int kind) {
  const size_t n = rows * COLS, all = 16 * n + n / 8 + 7 * APART;
  char *next;
  memset(b, 0, sizeof *b);
  if (posix_memalign(&b->block, 4096, all) != 0) return 0;
  memset(b->block, 0, all); /* so that no contender pays for the first touch */
  next = (char *)b->block;
  b->rows = rows;
  b->recipe = sste_fp8_recipe_current(sste_fp8_e4m3fn());
  b->x = (float *)take(&next, 4 * n);
  b->y = (float *)take(&next, 4 * n);
  b->sparse = (float *)take(&next, 4 * n);
  b->values = (float *)take(&next, 2 * n);
  b->mask = (uint8_t *)take(&next, n);
  b->code = (uint8_t *)take(&next, n);
  b->meta = (uint8_t *)take(&next, n / 8);
  bench_fill(b->x, n);
  change_data(b->x, n, kind);
  sste_tensor_project(b->sparse, COLS, b->x, COLS, rows, COLS, factor, NULL);
  sste_tensor_mask(b->mask, COLS, b->x, COLS, rows, COLS, SSTE_TIE_LOWER);
  return 1;
}

/* ---- The program --------------------------------------------------------- */

typedef struct context {
  const bench_options *o;
  bulk *b;
  int kind;
} context;

static int takes_part(const context *x, int i) {
  const contender *c = &field[i];
  const char *only = x->o->only;
  if (c->how & SMALL && x->b->rows > 1024) return 0;
  if (c->run == run_beta && strcmp(kinds[x->kind], "nan") == 0) return 0;
  return i == 0 || only == NULL || strcmp(only, c->family) == 0 ||
         strstr(c->name, only) != NULL;
}
static int run_contender(void *p, int i) {
  const context *x = (const context *)p;
  if (!takes_part(x, i)) return 0;
  field[i].run(x->b);
  return 1;
}

static void print_field(const context *x, const bench_size *size,
                        double (*ns)[BENCH_MAX_ROUNDS]) {
  const int rounds = x->o->rounds;
  const double n = (double)x->b->rows * COLS;
  int i;
  printf("\n%s: %.3g KiB of floats, %s\n%-20s %9s %19s %7s %15s %6s %7s\n",
         size->name, n * 0x1p-8, kinds[x->kind], "", "ns/elem", "p10 to p90",
         "/ copy", "p10 to p90", "B/elem", "GB/s");
  for (i = 0; i < FIELD; ++i) {
    const contender *c = &field[i];
    bench_line l = {NULL, NULL, NULL, NULL,      "copy",
                    0,    COLS, 0,    {0, 0, 0}, {0, 0, 0}};
    if (!takes_part(x, i)) continue;
    l.family = c->family;
    l.name = c->name;
    l.place = size->name;
    l.data = kinds[x->kind];
    l.rows = x->b->rows;
    l.bytes = c->bytes;
    l.ns = bench_per(ns[i], n, rounds);
    l.ratio = bench_ratio(ns[i], ns[0], rounds);
    printf("%-20s %9.4f %9.4f %9.4f %7.2f %7.2f %7.2f %6.3f %7.2f\n", c->name,
           l.ns.median, l.ns.p10, l.ns.p90, l.ratio.median, l.ratio.p10,
           l.ratio.p90, c->bytes, c->bytes / l.ns.median);
    bench_csv(x->o, &l);
  }
  fflush(stdout);
}

static int race(const bench_options *o, const bench_size *size, int kind) {
  static double ns[FIELD][BENCH_MAX_ROUNDS];
  const size_t rows = size->rows * (size_t)(size->each ? o->threads : 1);
  bulk b;
  context x;
  int i, good = make_bulk(&b, rows, kind);
  if (!good) fprintf(stderr, "bench_bulk: no memory for %s\n", size->name);
  x.o = o;
  x.b = &b;
  x.kind = kind;
  for (i = 0; good && i < FIELD; ++i)
    if (takes_part(&x, i)) good = is_right(&field[i], &b);
  if (good) {
    bench_race(ns, FIELD, o->rounds, run_contender, &x);
    print_field(&x, size, ns);
  }
  free(b.block);
  return good;
}

int main(int argc, char **argv) {
  bench_options o = {"bench_bulk",
                     "Times the functions that go over a matrix against the "
                     "copy y[i] = x[i] * c.",
                     sizes,
                     "l2,l3,dram",
                     NULL,
                     9,
                     1,
                     NULL};
  const bench_size *size;
  int good = 1, kind;
  bench_read_options(&o, argc, argv);
  bench_print_header(&o);
  bench_csv_header(&o);
  fill_patterns();
  for (size = sizes; good && size->name != NULL; ++size)
    for (kind = 0; good && kind < 4; ++kind) /* hard data where it shows most */
      if (bench_lists(&o, size->name) &&
          (kind == 0 || strcmp(size->name, "l2") == 0))
        good = race(&o, size, kind);
  bench_csv_close(&o);
  return good ? 0 : 1;
}
