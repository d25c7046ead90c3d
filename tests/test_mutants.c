/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_mutants.c - do the inputs of sste_check.h find bugs? Kernels that are
 * right must pass all of them, and kernels with one bug each (mutants.h) must
 * fail one at least. The report says which inputs caught a bug, and what the
 * comparison called it; its end says what each kind of input is good for.
 */
#include "mutants.h"
#include "sste_check.h"
#include "sste_mvue.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- Inputs -------------------------------------------------------------- */

/* The kinds of sste_check.h, and what it has at the edges of decisions: for
 * converters the boundaries of a format, for MVUE the words. */
enum { EDGES = SSTE_DRAWS, KINDS };
static const char letters[KINDS + 1] = "nwbmtfzsduhraxie";

static const char *kind_name(int kind) {
  return kind == EDGES ? "edges" : sste_check_draw_name(kind);
}

/* Rows lie LD apart. The odd number of groups leaves half a byte of metadata;
 * in the narrow shape a group is a row, so that rows are all zero, or hold a
 * NaN and no infinity. */
enum { ROWS = 72, COLS = 60, LD = 75, SIZE = ROWS * LD, TOKENS = 9 };
enum { SHAPES = 3 };
static const size_t columns[SHAPES] = {COLS, COLS, 4};

typedef struct input {
  int kind;
  size_t rows, cols;
  float w[SIZE];       /* of the kind */
  float x[SIZE];       /* TOKENS rows to multiply it by */
  uint32_t edge[SIZE]; /* in place of w, for EDGES */
} input;

static input inputs[SSTE_DRAWS][SHAPES];

/* A sum of products has a bound where nothing overflows. So the second factor
 * is small; beside integers it is of integers, and the sum exact. */
static void draw(input *in, int kind, int shape, uint64_t seed) {
  const int integers = kind == SSTE_DRAW_INTEGERS;
  size_t i;
  in->kind = kind;
  in->rows = ROWS;
  in->cols = columns[shape];
  sste_check_tensor_draw(in->w, LD, in->rows, in->cols, kind, seed);
  sste_check_tensor_draw(in->x, LD, TOKENS, LD,
                         integers ? kind : SSTE_DRAW_NORMAL, ~seed);
  for (i = 0; i < SIZE && !integers; ++i) in->x[i] /= 4096.0f;
}

static void draw_all(int round) {
  int kind, shape;
  for (kind = 0; kind < SSTE_DRAWS; ++kind)
    for (shape = 0; shape < SHAPES; ++shape)
      draw(&inputs[kind][shape], kind, shape,
           (uint64_t)(SHAPES * round + shape));
}

static void draw_edges(input *in, sste_fp8_format to, sste_fp8_format from) {
  const uint64_t count = sste_check_boundary_count(to, from);
  uint64_t i = 0;
  size_t r, c;
  in->kind = EDGES;
  in->rows = ROWS;
  in->cols = COLS;
  assert_true(count <= ROWS * COLS);
  for (r = 0; r < ROWS; ++r)
    for (c = 0; c < COLS; ++c)
      in->edge[r * LD + c] =
          (uint32_t)sste_check_boundary(to, from, i++ % count);
}

/* ---- Verdicts ------------------------------------------------------------ */

typedef struct verdict {
  uint64_t count[SSTE_DIFFS]; /* differences of each kind, in all inputs */
  uint64_t failures;
  unsigned caught; /* bit k: inputs of kind k */
} verdict;

static void judge(verdict *v, const input *in,
                  const sste_check_report *report) {
  const uint64_t failures = sste_check_failures(report);
  int i;
  for (i = SSTE_DIFF_WITHIN + 1; i < SSTE_DIFFS; ++i)
    v->count[i] += report->count[i];
  v->failures += failures;
  if (failures == 0) return;
  v->caught |= 1u << in->kind;
  if (mutant == 0) { /* cried wolf: say why */
    char text[2048];
    sste_check_text(text, sizeof text, report);
    fprintf(stderr, "%s: %s", kind_name(in->kind), text);
  }
}

static int commonest(const verdict *v) {
  int i, best = SSTE_DIFF_NONE;
  for (i = 0; i < SSTE_DIFFS; ++i)
    if (v->count[i] > v->count[best]) best = i;
  return best;
}

static int how_many(unsigned bits) {
  int n = 0;
  for (; bits != 0; bits &= bits - 1) ++n;
  return n;
}

/* ---- Trials: a kernel and the headers on one input ----------------------- */

#define must(call) assert_int_equal(call, SSTE_OK)

static const float beta = 1.4837f;
static float projected[SIZE], value[SIZE], got_value[SIZE];
static float got[SIZE], want[SIZE];
static uint8_t code[SIZE], got_code[SIZE], want_code[SIZE];

static void poison(void) {
  test_poison(got, sizeof got);
  test_poison(got_value, sizeof got_value);
  test_poison(got_code, sizeof got_code);
}

static void try_project(const input *in, verdict *v) {
  sste_check_report report;
  project_tensor(got, LD, in->w, LD, in->rows, in->cols, beta);
  must(
      sste_tensor_project(want, LD, in->w, LD, in->rows, in->cols, beta, NULL));
  must(sste_check_sparse(&report, sste_fp8_float32(), got, LD, want, LD, in->w,
                         LD, in->rows, in->cols));
  judge(v, in, &report);
}

static void try_mask(const input *in, verdict *v) {
  sste_check_report report;
  mask_tensor(got_code, LD, in->w, LD, in->rows, in->cols);
  must(sste_tensor_mask(want_code, LD, in->w, LD, in->rows, in->cols,
                        SSTE_TIE_LOWER));
  must(sste_check_sparse(&report, sste_fp8_e4m3fn(), got_code, LD, want_code,
                         LD, in->w, LD, in->rows, in->cols));
  judge(v, in, &report);
}

/* Pruned by magnitude as frameworks do it: what is multiplied by a mask's 0
 * keeps its sign. */
static void prune(const input *in) {
  size_t r, c;
  must(sste_tensor_mask(want_code, LD, in->w, LD, in->rows, in->cols,
                        SSTE_TIE_LOWER));
  for (r = 0; r < in->rows; ++r)
    for (c = 0; c < in->cols; ++c) {
      const float w = in->w[r * LD + c];
      projected[r * LD + c] = want_code[r * LD + c] ? w : copysignf(0.0f, w);
    }
}

static void try_compress(const input *in, verdict *v) {
  sste_check_report report;
  prune(in);
  compress_tensor(got_value, LD, got_code, LD, projected, LD, in->rows,
                  in->cols);
  must(sste_tensor_compress(value, LD, code, LD, projected, LD, in->rows,
                            in->cols));
  must(sste_check_numbers(&report, sste_fp8_float32(), got_value, LD, value, LD,
                          in->rows, in->cols / 2));
  judge(v, in, &report);
  must(
      sste_check_metadata(&report, got_code, LD, code, LD, in->rows, in->cols));
  judge(v, in, &report);
}

static void try_decompress(const input *in, verdict *v) {
  sste_check_report report;
  prune(in);
  must(sste_tensor_compress(value, LD, code, LD, projected, LD, in->rows,
                            in->cols));
  decompress_tensor(got, LD, value, LD, code, LD, in->rows, in->cols);
  must(sste_tensor_decompress(want, LD, value, LD, code, LD, in->rows,
                              in->cols));
  must(sste_check_sparse(&report, sste_fp8_float32(), got, LD, want, LD, in->w,
                         LD, in->rows, in->cols));
  judge(v, in, &report);
}

/* Codes of two matrices by element. */
static void judge_codes(const input *in, verdict *v, sste_fp8_format f) {
  sste_check_report report;
  must(sste_check_numbers(&report, f, got_code, LD, want_code, LD, in->rows,
                          in->cols));
  judge(v, in, &report);
}

static void try_e4m3(const input *in, verdict *v) {
  const float one = 1.0f;
  const float *x = in->w;
  static float edge[SIZE];
  if (in->kind == EDGES) {
    memcpy(edge, in->edge, sizeof edge);
    x = edge;
  }
  encode_e4m3_tensor(got_code, LD, x, LD, in->rows, in->cols);
  must(sste_fp8_tensor_encode(want_code, LD, x, LD, in->rows, in->cols, &one,
                              sste_fp8_recipe_current(sste_fp8_e4m3fn())));
  judge_codes(in, v, sste_fp8_e4m3fn());
}

static void try_e5m2(const input *in, verdict *v) {
  const sste_fp8_format f = sste_fp8_e5m2();
  const sste_fp8_rule rule =
      sste_fp8_rule_like(SSTE_LIKE_OCP_NONSATURATING, f, sste_fp8_bfloat16());
  static uint16_t x[SIZE];
  size_t i;
  for (i = 0; i < SIZE; ++i) {
    const uint32_t upper = test_bits(shorter(in->w[i], 16)) >> 16;
    x[i] = (uint16_t)(in->kind == EDGES ? in->edge[i] : upper);
    want_code[i] = sste_fp8_encode_bfloat16(f, rule, x[i], 0);
  }
  encode_e5m2_tensor(got_code, LD, x, LD, in->rows, in->cols);
  judge_codes(in, v, f);
}

static void try_quantise(const input *in, verdict *v) {
  sste_fp8_recipe how = sste_fp8_recipe_current(sste_fp8_e4m3fn());
  float scale[ROWS];
  how.per_row = 1;
  quantise_tensor(got_code, LD, in->w, LD, in->rows, in->cols);
  must(sste_fp8_tensor_scale(scale, in->w, LD, in->rows, in->cols, how));
  must(sste_fp8_tensor_encode(want_code, LD, in->w, LD, in->rows, in->cols,
                              scale, how));
  judge_codes(in, v, sste_fp8_e4m3fn());
}

/* The codes of an input, and the scale that they were made with. */
static float codes_of(const input *in, sste_fp8_recipe how) {
  float scale = 3.0f;
  size_t i;
  if (in->kind == EDGES) {
    for (i = 0; i < SIZE; ++i) code[i] = (uint8_t)in->edge[i];
    return scale;
  }
  must(sste_fp8_tensor_scale(&scale, in->w, LD, in->rows, in->cols, how));
  must(sste_fp8_tensor_encode(code, LD, in->w, LD, in->rows, in->cols, &scale,
                              how));
  return scale;
}

static void judge_decoded(const input *in, verdict *v, float scale,
                          sste_fp8_recipe how) {
  sste_check_report report;
  must(sste_fp8_tensor_decode(want, LD, code, LD, in->rows, in->cols, &scale,
                              how));
  must(sste_check_numbers(&report, sste_fp8_float32(), got, LD, want, LD,
                          in->rows, in->cols));
  judge(v, in, &report);
}

static void try_decode_e4m3(const input *in, verdict *v) {
  const sste_fp8_recipe how = sste_fp8_recipe_current(sste_fp8_e4m3fn());
  const float scale = codes_of(in, how);
  dequantise_tensor(got, LD, code, LD, in->rows, in->cols, scale);
  judge_decoded(in, v, scale, how);
}

static void try_decode_e5m2(const input *in, verdict *v) {
  sste_fp8_recipe how = sste_fp8_recipe_current(sste_fp8_e5m2());
  how.rule.overflow = SSTE_OVERFLOW_NONE;
  codes_of(in, how);
  decode_e5m2_tensor(got, LD, code, LD, in->rows, in->cols);
  judge_decoded(in, v, 1.0f, how);
}

/* Groups of every kind, each with the words at which its draw decides. */
static void try_mvue_words(const input *in, verdict *v) {
  sste_check_report report;
  size_t i;
  int kind, k;
  for (kind = 0; kind < SSTE_DRAWS; ++kind)
    for (i = 0; i < 16; ++i) {
      const float *a = inputs[kind][2].w + i * LD; /* narrow: a group a row */
      for (k = 0; k < SSTE_CHECK_MVUE_WORDS; ++k) {
        const uint32_t word = sste_check_mvue_word(a, k);
        draw_group(got + 4 * k, a, word);
        sste_mvue24_group_draw(want + 4 * k, a, word);
      }
      must(sste_check_numbers(&report, sste_fp8_float32(), got, 4, want, 4,
                              SSTE_CHECK_MVUE_WORDS, 4));
      judge(v, in, &report);
    }
}

static void try_mvue(const input *in, verdict *v) {
  const place at = {0x0123456789ABCDEFu, 7, 11, 5, 3};
  sste_mvue_stream stream;
  sste_check_report report;
  if (in->kind == EDGES) {
    try_mvue_words(in, v);
    return;
  }
  stream.seed = at.seed;
  stream.tensor = at.tensor;
  stream.step = at.step;
  stream.run = at.run;
  stream.group = at.group;
  draw_tensor(got, LD, in->w, LD, in->rows, in->cols, &at);
  must(sste_mvue24_tensor_draw(want, LD, in->w, LD, in->rows, in->cols,
                               SSTE_DOWN_COLUMNS, &stream));
  must(sste_check_numbers(&report, sste_fp8_float32(), got, LD, want, LD,
                          in->rows, in->cols));
  judge(v, in, &report);
}

/* The kernel adds up in another order, so it may round the other way: beta is
 * the truth but for half an ulp. Where there is no beta, NaN is expected. */
static void try_beta(const input *in, verdict *v) {
  const float kernel = beta_of(in->w, LD, in->rows, in->cols);
  const sste_fp8_format f = sste_fp8_float32();
  float oracle, error;
  sste_check_report report;
  if (sste_tensor_beta(&oracle, in->w, LD, in->rows, in->cols) != SSTE_OK)
    oracle = test_float(NAN_BITS);
  error = oracle * (FLT_EPSILON / 2);
  must(sste_check_numbers_near(&report, f, sste_fp8_saturating(), &kernel, 1,
                               &oracle, 1, &oracle, 1, &error, 1, 1, 1));
  judge(v, in, &report);
}

static double bound_of(const input *in, size_t terms) {
  return sste_check_bound(
      in->kind == SSTE_DRAW_INTEGERS ? SSTE_SUM_EXACT : SSTE_SUM_FLOAT, terms);
}

static void try_forward(const input *in, verdict *v) {
  sste_check_report report;
  must(sste_tensor_project(projected, LD, in->w, LD, in->rows, in->cols, 1.0f,
                           NULL));
  must(sste_tensor_compress(value, LD, code, LD, projected, LD, in->rows,
                            in->cols));
  forward(got, LD, in->x, LD, value, LD, code, LD, TOKENS, in->rows, in->cols);
  must(sste_check_product_forward(
      &report, sste_fp8_float32(), SSTE_OVERFLOW_NONE, got, LD, in->x, LD,
      projected, LD, TOKENS, in->rows, in->cols, bound_of(in, in->cols / 2)));
  judge(v, in, &report);
}

static void try_input_grad(const input *in, verdict *v) {
  sste_check_report report;
  must(sste_tensor_project(projected, LD, in->w, LD, in->rows, in->cols, 1.0f,
                           NULL));
  input_grad(got_code, LD, in->x, LD, projected, LD, TOKENS, in->rows,
             in->cols);
  must(sste_check_product_input_grad(
      &report, sste_fp8_e5m2(), SSTE_OVERFLOW_NONE, got_code, LD, in->x, LD,
      projected, LD, TOKENS, in->rows, in->cols, bound_of(in, in->rows)));
  judge(v, in, &report);
}

static void try_fused(const input *in, verdict *v) {
  const sste_fp8_recipe how = sste_fp8_recipe_current(sste_fp8_e4m3fn());
  sste_check_report report;
  float scale;
  must(sste_tensor_project(projected, LD, in->w, LD, in->rows, in->cols, beta,
                           NULL));
  must(sste_fp8_tensor_scale(&scale, projected, LD, in->rows, in->cols, how));
  must(sste_fp8_tensor_encode(want_code, LD, projected, LD, in->rows, in->cols,
                              &scale, how));
  fused_tensor(got_code, LD, in->w, LD, in->rows, in->cols, beta, scale);
  must(sste_check_sparse(&report, sste_fp8_e4m3fn(), got_code, LD, want_code,
                         LD, in->w, LD, in->rows, in->cols));
  judge(v, in, &report);
}

/* ---- All of them --------------------------------------------------------- */

typedef struct routine {
  const char *name;
  void (*trial)(const input *in, verdict *v);
  const mutation *mutations;
  size_t count;
  int edges;                                  /* whether it has any */
  sste_fp8_format (*to)(void), (*from)(void); /* of a converter */
} routine;

#define ROUTINE(name, edges, to, from)                                       \
  {                                                                          \
#name, try_##name, name##_mutations, COUNT(name##_mutations), edges, to, \
        from                                                                 \
  }

static const routine routines[] = {
    ROUTINE(project, 0, NULL, NULL),
    ROUTINE(mask, 0, NULL, NULL),
    ROUTINE(compress, 0, NULL, NULL),
    ROUTINE(decompress, 0, NULL, NULL),
    ROUTINE(e4m3, 1, sste_fp8_e4m3fn, sste_fp8_float32),
    ROUTINE(e5m2, 1, sste_fp8_e5m2, sste_fp8_bfloat16),
    ROUTINE(quantise, 0, NULL, NULL),
    ROUTINE(decode_e4m3, 1, sste_fp8_e4m3fn, sste_fp8_e4m3fn),
    ROUTINE(decode_e5m2, 1, sste_fp8_e5m2, sste_fp8_e5m2),
    ROUTINE(mvue, 1, NULL, NULL),
    ROUTINE(beta, 0, NULL, NULL),
    ROUTINE(forward, 0, NULL, NULL),
    ROUTINE(input_grad, 0, NULL, NULL),
    ROUTINE(fused, 0, NULL, NULL),
};

/* What all inputs say of a routine with this bug. */
static verdict hold(const routine *r, int id) {
  static input edges;
  verdict v;
  int kind, shape;
  memset(&v, 0, sizeof v);
  mutant = id;
  for (kind = 0; kind < SSTE_DRAWS; ++kind)
    for (shape = 0; shape < SHAPES; ++shape) {
      poison();
      r->trial(&inputs[kind][shape], &v);
    }
  if (r->edges) {
    edges.kind = EDGES;
    if (r->to != NULL) draw_edges(&edges, r->to(), r->from());
    poison();
    r->trial(&edges, &v);
  }
  mutant = 0;
  return v;
}

/* ---- The report ---------------------------------------------------------- */

static void print_head(void) {
  printf("\n%-4s %-11s  %-52s  %-*s  %-10s %s\n", "", "routine", "bug", KINDS,
         "caught by", "mostly", "only");
}

static void print_line(const routine *r, const mutation *m, const verdict *v) {
  int kind, only = how_many(v->caught) == 1;
  printf("%4d %-11s  %-52s  ", m->id, r->name, m->bug);
  for (kind = 0; kind < KINDS; ++kind)
    putchar(v->caught >> kind & 1 ? letters[kind] : '.');
  printf("  %-10s ", sste_check_diff_name(commonest(v)));
  for (kind = 0; kind < KINDS && only; ++kind)
    if (v->caught >> kind & 1) fputs(kind_name(kind), stdout);
  putchar('\n');
}

/* What each kind catches, and what it alone catches; in two columns. */
static void print_kinds(const int caught[KINDS], const int alone[KINDS]) {
  int i;
  printf("\nInputs        catch  alone      Inputs        catch  alone\n");
  for (i = 0; i < KINDS; ++i) {
    const int kind = i / 2 + i % 2 * (KINDS / 2);
    printf("%c  %-10s %6d %6d%s", letters[kind], kind_name(kind), caught[kind],
           alone[kind], i % 2 == 0 ? "      " : "\n");
  }
}

/* ---- Tests --------------------------------------------------------------- */

static void a_kernel_without_a_bug_passes_every_input(void **state) {
  const int rounds = test_level() == 2 ? 200 : 5;
  int round;
  size_t i;
  (void)state;
  for (round = 0; round < rounds; ++round) {
    draw_all(round);
    for (i = 0; i < COUNT(routines); ++i)
      if (hold(&routines[i], 0).failures != 0) fail_msg("%s", routines[i].name);
  }
}

static void every_bug_is_caught(void **state) {
  int caught[KINDS] = {0}, alone[KINDS] = {0}, missed = 0, total = 0, kind;
  size_t i, j;
  (void)state;
  draw_all(0);
  print_head();
  for (i = 0; i < COUNT(routines); ++i)
    for (j = 0; j < routines[i].count; ++j) {
      const mutation *m = &routines[i].mutations[j];
      const verdict v = hold(&routines[i], m->id);
      print_line(&routines[i], m, &v);
      for (kind = 0; kind < KINDS; ++kind) {
        caught[kind] += (int)(v.caught >> kind & 1);
        alone[kind] += v.caught == 1u << kind;
      }
      missed += v.caught == 0;
      ++total;
    }
  print_kinds(caught, alone);
  printf("%d bugs, %d missed\n\n", total, missed);
  assert_true(total >= 100);
  assert_int_equal(missed, 0);
}

/* A bug that each kind of input was made for, whatever else may catch it. */
static void every_kind_catches_what_it_is_for(void **state) {
  static const struct {
    int kind, id;
  } purposes[] = {
      {SSTE_DRAW_NORMAL, 1303},    /* rounds twice */
      {SSTE_DRAW_WEIGHTS, 805},    /* subnormal codes, beside outliers */
      {SSTE_DRAW_BFLOAT16, 709},   /* division by a reciprocal */
      {SSTE_DRAW_MIDPOINTS, 501},  /* a midpoint */
      {SSTE_DRAW_MIDPOINTS, 504},  /* and one ulp beside it */
      {SSTE_DRAW_TIES, 201},       /* which of a tie */
      {SSTE_DRAW_FLAT, 1107},      /* no scale exists */
      {SSTE_DRAW_ZEROS, 303},      /* one non-zero */
      {SSTE_DRAW_ZEROS, 304},      /* none */
      {SSTE_DRAW_SPARSE, 308},     /* a -0 that is kept */
      {SSTE_DRAW_DOMINANT, 1009},  /* cancellation */
      {SSTE_DRAW_DOMINANT, 505},   /* what is far above the rest */
      {SSTE_DRAW_SUBNORMAL, 1206}, /* flushed operands */
      {SSTE_DRAW_SUBNORMAL, 1016}, /* sums of few bits */
      {SSTE_DRAW_HUGE, 1015},      /* overflow */
      {SSTE_DRAW_RANGE, 204},      /* squares under- and overflow */
      {SSTE_DRAW_NANS, 1106},      /* NaN without infinity beside it */
      {SSTE_DRAW_SPECIALS, 205},   /* NaN */
      {SSTE_DRAW_SPECIALS, 507},   /* infinity */
      {SSTE_DRAW_INTEGERS, 1305},  /* midpoints as exact sums */
      {EDGES, 501},                /* midpoints, */
      {EDGES, 504},                /* and their neighbours */
      {EDGES, 802},                /* codes that no number is encoded to */
      {EDGES, 1019},               /* ends of cells */
  };
  size_t i, j;
  (void)state;
  draw_all(0);
  for (i = 0; i < COUNT(purposes); ++i)
    for (j = 0; j < COUNT(routines); ++j) {
      const routine *r = &routines[j];
      if (r->mutations[0].id / 100 != purposes[i].id / 100) continue;
      if ((hold(r, purposes[i].id).caught >> purposes[i].kind & 1) == 0)
        fail_msg("%s misses %d", kind_name(purposes[i].kind), purposes[i].id);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_kernel_without_a_bug_passes_every_input),
      cmocka_unit_test(every_bug_is_caught),
      cmocka_unit_test(every_kind_catches_what_it_is_for),
  };
  test_threads(1); /* the matrices are small */
  return cmocka_run_group_tests_name("mutants", tests, NULL, NULL);
}
