/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_mma.c - the arithmetic of sste_mma.h: against the same rules written a
 * second time (slow_mma.h), against sums worked out by hand, against what real
 * GPUs answered (vectors/silicon.txt, and a file of that form that the variable
 * SSTE_SILICON names), and as whole instructions and products.
 */
#include "slow_mma.h"
#include "sste_mma.h"
#include "test.h"

/* ---- Instructions -------------------------------------------------------- */

/* What may be multiplied and what the sums are. */
static const struct {
  sste_mma_type a, b, d;
} kinds[] = {
    {SSTE_MMA_F16, SSTE_MMA_F16, SSTE_MMA_F32},
    {SSTE_MMA_F16, SSTE_MMA_F16, SSTE_MMA_F16},
    {SSTE_MMA_BF16, SSTE_MMA_BF16, SSTE_MMA_F32},
    {SSTE_MMA_TF32, SSTE_MMA_TF32, SSTE_MMA_F32},
    {SSTE_MMA_E4M3, SSTE_MMA_E4M3, SSTE_MMA_F32},
    {SSTE_MMA_E4M3, SSTE_MMA_E5M2, SSTE_MMA_F32},
    {SSTE_MMA_E5M2, SSTE_MMA_E4M3, SSTE_MMA_F32},
    {SSTE_MMA_E5M2, SSTE_MMA_E5M2, SSTE_MMA_F32},
    {SSTE_MMA_E4M3, SSTE_MMA_E4M3, SSTE_MMA_F16},
    {SSTE_MMA_E4M3, SSTE_MMA_E5M2, SSTE_MMA_F16},
    {SSTE_MMA_E5M2, SSTE_MMA_E4M3, SSTE_MMA_F16},
    {SSTE_MMA_E5M2, SSTE_MMA_E5M2, SSTE_MMA_F16},
    {SSTE_MMA_S8, SSTE_MMA_S8, SSTE_MMA_S32},
    {SSTE_MMA_S8, SSTE_MMA_U8, SSTE_MMA_S32},
    {SSTE_MMA_U8, SSTE_MMA_S8, SSTE_MMA_S32},
    {SSTE_MMA_U8, SSTE_MMA_U8, SSTE_MMA_S32},
};
enum { KINDS = (int)(sizeof kinds / sizeof kinds[0]), FLOAT_KINDS = 12 };

/* Instruction `which` (0 or 1) of a kind, the longer one first; k = 0: none. */
static sste_mma_op op_of(int kind, int sparse, int which) {
  const sste_mma_type a = kinds[kind].a;
  const int bits = slow_mma_width(a), longest = (sparse ? 512 : 256) / bits;
  const int both = !sparse || bits == 16;
  sste_mma_op op = sparse ? sste_mma_sparse(a, longest >> which)
                          : sste_mma_dense(a, longest >> which);
  if (which == 1 && !both) op.k = 0;
  op.b = kinds[kind].b;
  op.d = kinds[kind].d;
  return op;
}

static int kept(sste_mma_op op) { return op.sparse ? op.k / 2 : op.k; }

typedef sste_mma_model (*named_model)(sste_mma_type operand);
static const named_model named[] = {sste_mma_ampere, sste_mma_ada,
                                    sste_mma_hopper, sste_mma_hopper_wgmma,
                                    sste_mma_blackwell};
enum { NAMED = (int)(sizeof named / sizeof named[0]) };

static int is_fp8(sste_mma_type type) {
  return type == SSTE_MMA_E4M3 || type == SSTE_MMA_E5M2;
}

/* ---- Random codes -------------------------------------------------------- */

static int below(uint64_t *state, int n) {
  return (int)(test_random(state) % (uint64_t)n);
}

static uint32_t sign_of(sste_mma_type type) {
  return 1u << (slow_mma_width(type) - 1);
}

/* A finite code with an exponent about `centre`, or as near as there is. Its
 * digits are all 0, all 1, or any. */
static uint32_t finite_code(uint64_t *state, sste_mma_type type, int centre,
                            int spread) {
  const slow_mma_format f = slow_mma_format_of(type);
  const int top = (1 << f.exponent) - (type == SSTE_MMA_E4M3 ? 1 : 2);
  const uint32_t ones = (1u << f.mantissa) - 1;
  const uint32_t sign = (uint32_t)below(state, 2) * sign_of(type);
  const int style = below(state, 4);
  int field =
      centre - spread + below(state, 2 * spread + 1) - slow_mma_least(type) + 1;
  uint32_t m = style == 0 ? 0 : (uint32_t)test_random(state) & ones;
  if (style == 1) m = ones;
  if (field < 0) field = 0;
  if (field > top) field = top;
  if (type == SSTE_MMA_E4M3 && field == top && m == ones) --m;
  return sign | (uint32_t)field << f.mantissa | m;
}

/* A zero, an infinity where there are any, a NaN, or the least of all. */
static uint32_t special_code(uint64_t *state, sste_mma_type type) {
  const slow_mma_format f = slow_mma_format_of(type);
  const uint32_t sign = (uint32_t)below(state, 2) * sign_of(type);
  const uint32_t top = (sign_of(type) - 1) >> f.mantissa << f.mantissa;
  switch (below(state, 4)) {
    case 0: return sign;
    case 1: return sign | 1u;
    case 2: return sign | top | (type == SSTE_MMA_E4M3 ? 7u : 0u);
    default: return sign | (sign_of(type) - 1);
  }
}

/* The terms of a sum. */
enum { MOST = 64 };
typedef struct terms {
  uint32_t a[MOST], b[MOST], c;
  int n;
} terms;

static void random_integers(uint64_t *state, terms *t) {
  const uint32_t end = below(state, 2) ? 0x7FFFFFFFu : 0x80000000u;
  int i;
  for (i = 0; i < t->n; ++i) {
    t->a[i] = (uint32_t)below(state, 256);
    t->b[i] = (uint32_t)below(state, 256);
  }
  t->c = below(state, 2) ? (uint32_t)test_random(state)
                         : end + (uint32_t)below(state, 2000001) - 1000000u;
}

/* Where results are normal, or about the least normal, or about the largest;
 * where operands are least or largest; anywhere. */
static int random_centre(uint64_t *state, sste_mma_op op) {
  switch (below(state, 6)) {
    case 0: return 0;
    case 1: return slow_mma_least(op.d) / 2 - below(state, 8);
    case 2: return -slow_mma_least(op.d) / 2;
    case 3: return slow_mma_least(op.a);
    case 4: return -slow_mma_least(op.a);
    default: return below(state, 300) - 150;
  }
}

/* Every second product the one before it, negative. */
static void cancel(sste_mma_type type, terms *t) {
  int i;
  for (i = 1; i < t->n; i += 2) {
    t->a[i] = t->a[i - 1] ^ sign_of(type);
    t->b[i] = t->b[i - 1];
  }
}

static void random_floats(uint64_t *state, sste_mma_op op, sste_mma_model model,
                          terms *t) {
  static const int spreads[] = {0, 1, 4, 12, 300};
  const int centre = random_centre(state, op), kind = below(state, 8);
  const int spread = spreads[below(state, 5)], at = below(state, t->n);
  int i;
  for (i = 0; i < t->n; ++i) {
    t->a[i] = finite_code(state, op.a, centre, spread);
    t->b[i] = finite_code(state, op.b, centre, spread);
    if (below(state, 8) == 0) t->b[i] = (uint32_t)below(state, 2);
  }
  t->c = finite_code(state, op.d, 2 * centre, 2 * spread + 1);
  if (kind <= 1) cancel(op.a, t);
  if (kind == 1 || kind == 2) t->c = sign_of(op.d) * (uint32_t)(kind - 1);
  if (kind == 3) {
    t->c = slow_mma_step(op, model, t->a, t->b, t->n, 0);
    t->c ^= sign_of(op.d);
  }
  if (kind == 4) {
    t->a[at] = special_code(state, op.a);
    if (below(state, 2)) t->b[at] = special_code(state, op.b);
    if (below(state, 4) == 0) t->c = special_code(state, op.d);
  }
  if (kind == 5 && below(state, 4) == 0) t->c = special_code(state, op.d);
}

static void random_terms(uint64_t *state, sste_mma_op op, sste_mma_model model,
                         terms *t) {
  if (op.d == SSTE_MMA_S32)
    random_integers(state, t);
  else
    random_floats(state, op, model, t);
}

static sste_mma_model random_model(uint64_t *state) {
  sste_mma_model m;
  m.products = 1 + below(state, 40);
  m.fraction = 1 + below(state, 40);
  m.output = 1 + below(state, 23);
  m.least = below(state, 2) ? -126 : -below(state, 301);
  m.grouping = (sste_mma_grouping)below(state, 3);
  m.late = below(state, 4) == 0;
  return m;
}

/* One of those that have the type; products 0 stands for none. */
static sste_mma_model any_named(uint64_t *state, sste_mma_op op) {
  const sste_mma_model m = named[below(state, NAMED)](op.a);
  return m.products == 0 ? any_named(state, op) : m;
}

static sste_mma_model any_model(uint64_t *state, sste_mma_op op) {
  return below(state, 2) ? random_model(state) : any_named(state, op);
}

/* ---- Steps and dots against the second writing --------------------------- */

static void print_model(sste_mma_model m) {
  fprintf(stderr, "  model {%d, %d, %d, %d, %d, %d}\n", m.products, m.fraction,
          m.output, m.least, (int)m.grouping, m.late);
}

static void same_or_fail(const char *what, uint32_t got, uint32_t want,
                         sste_mma_op op, sste_mma_model m, const terms *t) {
  int i;
  if (got == want) return;
  print_model(m);
  for (i = 0; i < t->n; ++i)
    fprintf(stderr, "  a %08X  b %08X\n", t->a[i], t->b[i]);
  fail_msg("%s of types %d, %d, %d, c = %08X: got %08X, expected %08X", what,
           (int)op.a, (int)op.b, (int)op.d, t->c, got, want);
}

/* What results were seen, so that no hard case goes missing unnoticed. */
enum { ZERO, SUBNORMAL, NORMAL, INFINITE, NOT_A_NUMBER, CLASSES };

static int class_of(sste_mma_type d, uint32_t code) {
  const double x = fabs(slow_mma_value(d, code));
  if (x != x) return NOT_A_NUMBER;
  if (x == HUGE_VAL) return INFINITE;
  if (x >= ldexp(1.0, slow_mma_least(d))) return NORMAL;
  return x == 0.0 ? ZERO : SUBNORMAL;
}

static long level(long quick, long thorough) {
  return test_level() == 2 ? thorough : quick;
}

static void a_step_is_the_second_writing(void **state) {
  const long cases = level(30000, 1500000);
  uint64_t random = test_seed();
  int kind;
  (void)state;
  for (kind = 0; kind < KINDS; ++kind) {
    long seen[CLASSES] = {0, 0, 0, 0, 0}, i;
    for (i = 0; i < cases; ++i) {
      sste_mma_op op = op_of(kind, 1, 0);
      const sste_mma_model m = any_model(&random, op);
      terms t;
      uint32_t want;
      op.saturate = kind >= FLOAT_KINDS && below(&random, 2);
      t.n = 1 + below(&random, m.products < 40 ? m.products : 40);
      random_terms(&random, op, m, &t);
      want = slow_mma_step(op, m, t.a, t.b, t.n, t.c);
      same_or_fail("step", sste_mma_step(op, m, t.a, t.b, t.n, t.c), want, op,
                   m, &t);
      if (kind < FLOAT_KINDS) ++seen[class_of(op.d, want)];
    }
    for (i = 0; i < CLASSES && kind < FLOAT_KINDS; ++i)
      if (seen[i] < cases / 200)
        fail_msg("kind %d: only %ld of class %ld", kind, seen[i], i);
  }
}

static void a_dot_is_the_second_writing(void **state) {
  const long cases = level(15000, 500000);
  uint64_t random = test_seed() + 1;
  int kind;
  long i;
  (void)state;
  for (kind = 0; kind < KINDS; ++kind)
    for (i = 0; i < cases; ++i) {
      sste_mma_op op = op_of(kind, below(&random, 2), 0);
      const sste_mma_model m = any_model(&random, op);
      terms t;
      op.saturate = kind >= FLOAT_KINDS && below(&random, 2);
      t.n = below(&random, 2) ? kept(op) : 1 + below(&random, MOST);
      random_terms(&random, op, m, &t);
      same_or_fail("dot", sste_mma_dot(op, m, t.a, t.b, t.n, t.c),
                   slow_mma_dot(op, m, t.a, t.b, t.n, t.c), op, m, &t);
    }
}

/* ---- By hand ------------------------------------------------------------- */

/* The code of a value that the type has. */
static uint32_t code_of(sste_mma_type type, double x) {
  const uint32_t sign = signbit(x) ? sign_of(type) : 0;
  uint32_t code = sign;
  if (fabs(x) == HUGE_VAL)
    code = slow_mma_special(type, x);
  else if (x != 0.0)
    code = slow_mma_code(type, x, slow_mma_format_of(type).mantissa);
  if (slow_mma_value(type, code) != x)
    fail_msg("type %d has no %a", (int)type, x);
  return code;
}

enum { F16 = SSTE_MMA_F16, BF16 = SSTE_MMA_BF16, F32 = SSTE_MMA_F32 };

/* Up to four products a[i] * b[i] and c, in one step. */
/* clang-format off */
static const struct by_hand {
  const char *what;
  int operand, d, fraction, output, least;
  double a[4], b[4], c, want;
} by_hand[] = {
  {"with two guard bits four quarters of the last place count",
    F16, F32, 25, 23, -126, {0x1p-12, 0x1p-12, 0x1p-12, 0x1p-12},
    {0x1p-13, 0x1p-13, 0x1p-13, 0x1p-13}, 1.0, 1.0 + 0x1p-23},
  {"with one guard bit they do not",
    F16, F32, 24, 23, -126, {0x1p-12, 0x1p-12, 0x1p-12, 0x1p-12},
    {0x1p-13, 0x1p-13, 0x1p-13, 0x1p-13}, 1.0, 1.0},
  {"three halves of the last place are one, not two",
    F16, F32, 24, 23, -126, {0x1p-12, 0x1p-12, 0x1p-12},
    {0x1p-12, 0x1p-12, 0x1p-12}, 1.0, 1.0 + 0x1p-23},
  {"nor are they below zero",
    F16, F32, 24, 23, -126, {0x1p-12, 0x1p-12, 0x1p-12},
    {-0x1p-12, -0x1p-12, -0x1p-12}, -1.0, -1.0 - 0x1p-23},
  {"a small term against the sign is cut to nothing",
    F16, F32, 24, 23, -126, {0x1p-12}, {-0x1p-13}, 1.0, 1.0},
  {"1.5 * 1.5 has exponent 0",
    F16, F32, 24, 23, -126, {1.5, -1.5, 0x1p-12}, {1.5, 1.5, 0x1p-12}, 0.0,
    0x1p-24},
  {"and 2 * 1 has exponent 1",
    F16, F32, 24, 23, -126, {2.0, -2.0, 0x1p-12}, {1.0, 1.0, 0x1p-12}, 0.0,
    0.0},
  {"a subnormal half has exponent -14",
    F16, F32, 24, 23, -126, {0x1p-24}, {0x1p15}, 0x1p-24, 0x1p-9},
  {"which the same product of normal halves has not",
    F16, F32, 24, 23, -126, {0x1p-5}, {0x1p-4}, 0x1p-24, 0x1p-9 + 0x1p-24},
  {"a zero has no exponent",
    F16, F32, 24, 23, -126, {0.0, 0x1p-12}, {0x1p15, 0x1p-12}, 0x1p-30,
    0x1p-24 + 0x1p-30},
  {"but a zero accumulator has -126",
    BF16, F32, 24, 23, -126, {0x1p-80, 0x1p-80, 0x1p-80, 0x1p-80},
    {0x1p-71, 0x1p-71, 0x1p-71, 0x1p-71}, 0.0, 0.0},
  {"unless the model says less",
    BF16, F32, 24, 23, -300, {0x1p-80, 0x1p-80, 0x1p-80, 0x1p-80},
    {0x1p-71, 0x1p-71, 0x1p-71, 0x1p-71}, 0.0, 0x1p-149},
  {"a float may be subnormal",
    BF16, F32, 24, 23, -126, {0x1.8p-70}, {0x1p-70}, 0.0, 0x1.8p-140},
  {"with 13 bits it is a multiple of 2^-139",
    BF16, F32, 24, 13, -126, {0x1.8p-70}, {0x1p-69}, 0.0, 0x1p-139},
  {"half of the last of 13 bits is cut off",
    F16, F32, 24, 13, -126, {1.0}, {0x1p-14}, 1.0, 1.0},
  {"two halves are one",
    F16, F32, 24, 13, -126, {1.0, 1.0}, {0x1p-14, 0x1p-14}, 1.0,
    1.0 + 0x1p-13},
  {"but not where terms have 13 bits, too",
    F16, F32, 13, 13, -126, {1.0, 1.0}, {0x1p-14, 0x1p-14}, 1.0, 1.0},
  {"the largest float stays with half of its last place more",
    BF16, F32, 24, 23, -126, {0x1p52}, {0x1p51}, 0x1.fffffep127,
    0x1.fffffep127},
  {"with a whole one it is infinity",
    BF16, F32, 24, 23, -126, {0x1p52}, {0x1p52}, 0x1.fffffep127, HUGE_VAL},
  {"products beyond all floats cancel",
    BF16, F32, 24, 23, -126, {0x1p120, 0x1p120, 0x1p60},
    {0x1p120, -0x1p120, 0x1p60}, 0.0, 0.0},
  {"or are infinity",
    BF16, F32, 24, 23, -126, {0x1p120}, {-0x1p120}, 0.0, -HUGE_VAL},
  {"a half's tie goes down to even",
    F16, F16, 24, 23, -126, {0x1p-11}, {1.0}, 1.0, 1.0},
  {"and up to even",
    F16, F16, 24, 23, -126, {0x1p-11}, {1.0}, 1.0 + 0x1p-10, 1.0 + 0x1p-9},
  {"a little more than a tie is none",
    F16, F16, 24, 23, -126, {0x1p-11, 0x1p-12}, {1.0, 0x1p-12}, 1.0,
    1.0 + 0x1p-10},
  {"unless that little is cut off first",
    F16, F16, 23, 23, -126, {0x1p-11, 0x1p-12}, {1.0, 0x1p-12}, 1.0, 1.0},
  {"half of the least half is a tie with zero",
    F16, F16, 24, 23, -126, {0x1p-12}, {0x1p-13}, 0.0, 0.0},
  {"three halves of it are two",
    F16, F16, 24, 23, -126, {0x1.8p-12}, {0x1p-12}, 0.0, 0x1p-23},
  {"output has no say in a half",
    F16, F16, 24, 1, -126, {0x1p-10}, {1.0}, 1.0, 1.0 + 0x1p-10},
  {"the largest half stays with less than half of its last place more",
    F16, F16, 24, 23, -126, {15.9921875}, {1.0}, 65504.0, 65504.0},
  {"with a half it is infinity",
    F16, F16, 24, 23, -126, {4.0}, {4.0}, 65504.0, HUGE_VAL},
  {"nothing and -0 is +0",
    F16, F32, 24, 23, -126, {0.0, -0.0}, {-1.0, 1.0}, -0.0, 0.0},
  {"so is what cancels",
    F16, F16, 24, 23, -126, {-1.0}, {1.0}, 1.0, 0.0},
  {"so is a negative result that is too small",
    BF16, F32, 24, 23, -126, {-0x1p-75}, {0x1p-75}, 0.0, 0.0},
  {"an infinity among the terms is the result",
    F16, F32, 24, 23, -126, {-HUGE_VAL, 0x1p15}, {2.0, 0x1p15}, 1.0,
    -HUGE_VAL},
  {"two of one sign, too",
    F16, F16, 24, 23, -126, {HUGE_VAL}, {1.0}, HUGE_VAL, HUGE_VAL},
  {"two of both signs are NaN",
    F16, F32, 24, 23, -126, {HUGE_VAL}, {1.0}, -HUGE_VAL, (double)NAN},
  {"so is infinity times zero",
    F16, F16, 24, 23, -126, {HUGE_VAL}, {0.0}, 1.0, (double)NAN},
};
/* clang-format on */

static void sums_are_those_worked_out_by_hand(void **state) {
  size_t row;
  (void)state;
  for (row = 0; row < sizeof by_hand / sizeof by_hand[0]; ++row) {
    const struct by_hand *h = &by_hand[row];
    sste_mma_op op = sste_mma_dense((sste_mma_type)h->operand, 16);
    const sste_mma_model m = {4,        h->fraction,          h->output,
                              h->least, SSTE_MMA_CONSECUTIVE, 0};
    const uint32_t nan = h->d == F16 ? 0x7FFFu : 0x7FFFFFFFu;
    uint32_t a[4], b[4], c, want, got;
    int i;
    op.d = (sste_mma_type)h->d;
    for (i = 0; i < 4; ++i) {
      a[i] = code_of(op.a, h->a[i]);
      b[i] = code_of(op.b, h->b[i]);
    }
    c = code_of(op.d, h->c);
    want = h->want != h->want ? nan : code_of(op.d, h->want);
    got = sste_mma_step(op, m, a, b, 4, c);
    if (got != want)
      fail_msg("%s: got %08X, expected %08X", h->what, got, want);
    assert_int_equal(slow_mma_step(op, m, a, b, 4, c), want);
  }
}

/* c added last: the sum is not cut, but rounded to nearest, a tie to even. */
static void c_added_late_is_rounded_to_nearest(void **state) {
  static const struct {
    int operand, d;
    double a[2], b[2], c, want;
  } rows[] = {
      {F16, F32, {0x1p-12}, {0x1p-12}, 1.0, 1.0},
      {F16, F32, {0x1p-12}, {0x1p-12}, 1.0 + 0x1p-23, 1.0 + 0x1p-22},
      {F16, F32, {0x1.8p-12}, {0x1p-12}, 1.0, 1.0 + 0x1p-23},
      {F16, F32, {-0x1p-13}, {0x1p-13}, 1.0, 1.0},
      {F16, F32, {1.0}, {-1.0}, 1.0, 0.0},
      {F16, F32, {0.0}, {0.0}, -0.0, 0.0},
      {BF16, F32, {0x1p-75}, {0x1p-74}, 0x1p-149, 0x1p-148},
      {BF16, F32, {0x1p52}, {0x1p51}, 0x1.fffffep127, HUGE_VAL},
      {F16, F16, {0x1p-11}, {1.0}, 1.0, 1.0},
      {F16, F16, {0x1p-11}, {1.0}, 1.0 + 0x1p-10, 1.0 + 0x1p-9},
      {F16, F16, {4.0}, {4.0}, 65504.0, HUGE_VAL},
      /* the products' own rounding makes a tie of it */
      {F16, F16, {0x1p-11, 0x1p-12}, {1.0, 0x1p-11}, 1.0, 1.0},
  };
  const sste_mma_model m = {4, 25, 23, -126, SSTE_MMA_CONSECUTIVE, 1};
  size_t row;
  (void)state;
  for (row = 0; row < sizeof rows / sizeof rows[0]; ++row) {
    sste_mma_op op = sste_mma_dense((sste_mma_type)rows[row].operand, 16);
    uint32_t a[2], b[2], got;
    int i;
    op.d = (sste_mma_type)rows[row].d;
    for (i = 0; i < 2; ++i) {
      a[i] = code_of(op.a, rows[row].a[i]);
      b[i] = code_of(op.b, rows[row].b[i]);
    }
    got = sste_mma_dot(op, m, a, b, 2, code_of(op.d, rows[row].c));
    if (got != code_of(op.d, rows[row].want))
      fail_msg("row %u: got %08X", (unsigned)row, got);
  }
}

/* The largest there are, as far as a sum can get; and c alone. */
static void a_step_takes_0_to_1024_products(void **state) {
  const sste_mma_op op = sste_mma_dense(SSTE_MMA_BF16, 16);
  const sste_mma_model m = {1024, 40, 13, -126, SSTE_MMA_CONSECUTIVE, 0};
  uint32_t a[1024], b[1024], c;
  int i;
  (void)state;
  for (i = 0; i < 1024; ++i) a[i] = b[i] = code_of(SSTE_MMA_BF16, 0x1.fep20);
  c = code_of(SSTE_MMA_F32, 0x1.fffffep40);
  assert_int_equal(sste_mma_step(op, m, a, b, 1024, c),
                   slow_mma_step(op, m, a, b, 1024, c));
  assert_int_equal(sste_mma_step(op, m, a, b, 0, c),
                   code_of(SSTE_MMA_F32, 0x1.fff8p40));
}

/* Both 8-bit formats, at the ends where they differ. */
/* 2^-9 * 2^15 + 2^-9 * 2^-8. As an E4M3 number 2^-9 has the exponent -6, which
 * cuts the second product off; as the F16 number that ptxas makes of it, -9. */
static void an_emulated_subnormal_is_a_normal_number(void **state) {
  const uint32_t a[2] = {0x01, 0x01}, b[2] = {0x78, 0x1C};
  sste_mma_op op = sste_mma_sparse(SSTE_MMA_E4M3, 64);
  sste_mma_model m = sste_mma_hopper(op.a);
  (void)state;
  op.b = SSTE_MMA_E5M2;
  assert_int_equal(sste_mma_dot(op, m, a, b, 2, 0), 0x42800001);
  m.late = 0;
  assert_int_equal(sste_mma_dot(op, m, a, b, 2, 0), 0x42800000);
}

static void eight_bit_floats_have_the_ends_of_their_format(void **state) {
  const sste_mma_model m = {4, 25, 23, -126, SSTE_MMA_CONSECUTIVE, 0};
  const sste_mma_op e4m3 = sste_mma_dense(SSTE_MMA_E4M3, 32);
  const sste_mma_op e5m2 = sste_mma_dense(SSTE_MMA_E5M2, 32);
  static const struct {
    uint32_t code;
    double as_e4m3, as_e5m2;
  } ends[] = {{0x01, 0x1p-9, 0x1p-16},     {0x7B, 352.0, 57344.0},
              {0x7C, 384.0, HUGE_VAL},     {0x7E, 448.0, (double)NAN},
              {0xFE, -448.0, (double)NAN}, {0xFC, -384.0, -HUGE_VAL}};
  const uint32_t one4 = 0x38, one5 = 0x3C, nan = 0xFF;
  size_t i;
  (void)state;
  for (i = 0; i < sizeof ends / sizeof ends[0]; ++i) {
    const double want = ends[i].as_e5m2;
    const uint32_t code = ends[i].code;
    assert_int_equal(sste_mma_step(e4m3, m, &code, &one4, 1, 0),
                     test_bits((float)ends[i].as_e4m3));
    assert_int_equal(sste_mma_step(e5m2, m, &one5, &code, 1, 0),
                     want != want ? 0x7FFFFFFFu : test_bits((float)want));
  }
  assert_int_equal(sste_mma_step(e4m3, m, &nan, &one4, 1, 0), 0x7FFFFFFF);
}

/* The 13 low bits of a TF32 operand are not looked at. */
static void tf32_operands_are_cut_not_rounded(void **state) {
  const sste_mma_op op = sste_mma_dense(SSTE_MMA_TF32, 8);
  const sste_mma_model m = sste_mma_hopper(SSTE_MMA_TF32);
  const uint32_t one = 0x3F800000u;
  const uint32_t codes[] = {0x3F801FFFu, 0x3F803FFFu, 0x00001FFFu, 0x7F7FFFFFu,
                            0x7F801FFFu};
  const uint32_t values[] = {0x3F800000u, 0x3F802000u, 0, 0x7F7FE000u,
                             0x7F800000u};
  int i;
  (void)state;
  for (i = 0; i < 5; ++i) {
    assert_int_equal(sste_mma_step(op, m, &codes[i], &one, 1, 0), values[i]);
    assert_int_equal(sste_mma_step(op, m, &one, &codes[i], 1, 0), values[i]);
  }
}

/* ---- Groupings ----------------------------------------------------------- */

/* Products i * 1, but +2^30 at `plus` and -2^30 at `minus`: a step that has one
 * of these loses all that is small (2^(30-24) is 64), and as the accumulator
 * carries 2^30 on, so do the steps up to the other's. What is left is the sum
 * of the later steps.                                                       */
static double sum_with_two_large(sste_mma_grouping grouping, int products,
                                 int n, int plus, int minus) {
  const sste_mma_op op = sste_mma_sparse(SSTE_MMA_BF16, 32);
  const sste_mma_model m = {products, 24, 23, -126, grouping, 0};
  uint32_t a[16], b[16];
  int i;
  for (i = 0; i < n; ++i) {
    const int large = i == plus || i == minus;
    a[i] = code_of(SSTE_MMA_BF16, large ? 0x1p15 : i);
    b[i] = code_of(SSTE_MMA_BF16, large ? 0x1p15 : 1.0);
  }
  a[minus] = code_of(SSTE_MMA_BF16, -0x1p15);
  return (double)test_float(sste_mma_dot(op, m, a, b, n, 0));
}

static void groupings_are_told_apart_by_two_large_products(void **state) {
  static const struct {
    int products, n, plus, minus;
    double consecutive, by_chunk, by_slot;
  } rows[] = {
      /* 0 1 2 3|4 5 6 7    0 1 4 5|2 3 6 7    0 2 4 6|1 3 5 7 */
      {4, 8, 0, 4, 0, 2 + 3 + 6 + 7, 1 + 3 + 5 + 7},
      {4, 8, 0, 1, 4 + 5 + 6 + 7, 2 + 3 + 6 + 7, 0},
      {4, 8, 0, 2, 4 + 5 + 6 + 7, 0, 1 + 3 + 5 + 7},
      /* large ones in the last step: the accumulator is cut, too */
      {4, 8, 6, 7, 0, 0, 0},
      /* four steps: i / 4, i / 2 % 4, i % 4 */
      {4, 16, 0, 8, 12 + 13 + 14 + 15, 120 - 0 - 1 - 8 - 9,
       120 - 0 - 4 - 8 - 12},
      {4, 16, 0, 3, 120 - 0 - 1 - 2 - 3, 120 - 0 - 1 - 8 - 9 - 2 - 3 - 10 - 11,
       0},
      /* ragged, three steps: 0 1 2 3|4 5 6 7|8 9, 0 1 6 7|2 3 8 9|4 5,
       * 0 3 6 9|1 4 7|2 5 8 */
      {4, 10, 0, 6, 8 + 9, 45 - 0 - 1 - 6 - 7, 1 + 4 + 7 + 2 + 5 + 8},
      {4, 10, 8, 9, 0, 4 + 5, 0},
      /* odd steps of three: 0 1 2|3 4 5, 0 1 4 5|2 3 (one too many in the
       * first), 0 2 4|1 3 5 */
      {3, 6, 0, 4, 0, 2 + 3, 1 + 3 + 5},
      /* one step has them all */
      {16, 16, 0, 15, 0, 0, 0},
  };
  size_t i;
  (void)state;
  for (i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
    const int p = rows[i].products, n = rows[i].n;
    const int plus = rows[i].plus, minus = rows[i].minus;
    assert_near(sum_with_two_large(SSTE_MMA_CONSECUTIVE, p, n, plus, minus),
                rows[i].consecutive, 0.0);
    assert_near(sum_with_two_large(SSTE_MMA_BY_PAIR, p, n, plus, minus),
                rows[i].by_chunk, 0.0);
    assert_near(sum_with_two_large(SSTE_MMA_BY_SLOT, p, n, plus, minus),
                rows[i].by_slot, 0.0);
  }
}

/* ---- The named models ---------------------------------------------------- */

static void named_models_are_those_of_the_table(void **state) {
  enum { CONSECUTIVE = SSTE_MMA_CONSECUTIVE, BY_PAIR = SSTE_MMA_BY_PAIR };
  static const struct {
    named_model name;
    int narrow[5]; /* of F16 and BF16: products, F, output, grouping, late */
    int tf32[5];
    int fp8[5];
  } rows[] = {
      {sste_mma_ampere,
       {8, 24, 23, CONSECUTIVE, 0},
       {4, 24, 23, CONSECUTIVE, 0},
       {0, 0, 0, CONSECUTIVE, 0}},
      {sste_mma_ada,
       {8, 24, 23, CONSECUTIVE, 0},
       {4, 24, 23, CONSECUTIVE, 0},
       {16, 13, 13, CONSECUTIVE, 0}},
      {sste_mma_hopper,
       {16, 25, 23, CONSECUTIVE, 0},
       {8, 25, 23, CONSECUTIVE, 0},
       {16, 25, 23, BY_PAIR, 1}},
      {sste_mma_hopper_wgmma,
       {16, 25, 23, CONSECUTIVE, 0},
       {8, 25, 23, CONSECUTIVE, 0},
       {32, 13, 13, CONSECUTIVE, 0}},
      {sste_mma_blackwell,
       {16, 25, 23, CONSECUTIVE, 0},
       {8, 25, 23, CONSECUTIVE, 0},
       {32, 25, 23, CONSECUTIVE, 0}},
  };
  int i, type;
  (void)state;
  for (i = 0; i < NAMED; ++i)
    for (type = SSTE_MMA_F16; type <= SSTE_MMA_E5M2; ++type) {
      const int *want = type <= SSTE_MMA_BF16   ? rows[i].narrow
                        : type == SSTE_MMA_TF32 ? rows[i].tf32
                                                : rows[i].fp8;
      const sste_mma_model got = rows[i].name((sste_mma_type)type);
      assert_int_equal(got.products, want[0]);
      if (want[0] == 0) continue; /* there is no such path */
      assert_int_equal(got.fraction, want[1]);
      assert_int_equal(got.output, want[2]);
      assert_int_equal((int)got.grouping, want[3]);
      assert_int_equal(got.late, want[4]);
      assert_int_equal(got.least, -126);
      assert_int_equal(sste_mma_model_check(got), SSTE_OK);
    }
}

static void a_model_that_no_gpu_has_is_refused(void **state) {
  int i;
  (void)state;
  assert_int_equal(sste_mma_model_check(sste_mma_ampere(SSTE_MMA_E4M3)),
                   SSTE_ERR_VALUE);
  for (i = 0; i < NAMED; ++i) {
    assert_int_equal(sste_mma_model_check(named[i](SSTE_MMA_S8)), SSTE_OK);
    assert_int_equal(sste_mma_model_check(named[i](SSTE_MMA_U8)), SSTE_OK);
  }
}

static void a_dot_of_what_is_refused_is_nan(void **state) {
  const uint32_t one[65] = {0};
  sste_mma_op op = sste_mma_sparse(SSTE_MMA_E4M3, 64);
  const sste_mma_model none = sste_mma_ampere(op.a), some = sste_mma_ada(op.a);
  (void)state;
  assert_int_equal(sste_mma_dot(op, none, one, one, 32, 0), 0x7FFFFFFF);
  assert_int_equal(sste_mma_dot(op, some, one, one, -1, 0), 0x7FFFFFFF);
  assert_int_equal(sste_mma_dot(op, some, one, one, 65, 0), 0x7FFFFFFF);
  assert_int_equal(sste_mma_dot(op, some, one, one, 64, 0), 0);
  op.d = SSTE_MMA_F16;
  assert_int_equal(sste_mma_dot(op, none, one, one, 32, 0), 0x7FFF);
}

static void models_are_accepted_up_to_the_ends_of_their_ranges(void **state) {
  static const sste_mma_model ends[2] = {
      {1, 1, 1, -300, SSTE_MMA_CONSECUTIVE, 0},
      {1024, 40, 23, 0, SSTE_MMA_BY_SLOT, 1}};
  int field, end;
  (void)state;
  for (end = 0; end < 2; ++end) {
    assert_int_equal(sste_mma_model_check(ends[end]), SSTE_OK);
    for (field = 0; field < 6; ++field) {
      sste_mma_model m = ends[end];
      const int by = end ? 1 : -1;
      if (field == 0) m.products += by;
      if (field == 1) m.fraction += by;
      if (field == 2) m.output += by;
      if (field == 3) m.least += by;
      if (field == 4) m.grouping = (sste_mma_grouping)((int)m.grouping + by);
      if (field == 5) m.late += by;
      assert_int_equal(sste_mma_model_check(m), SSTE_ERR_VALUE);
    }
  }
}

/* ---- Integers ------------------------------------------------------------ */

/* The code of a whole number that the type has. */
static uint32_t code_of_integer(sste_mma_type type, int x) {
  if (type == SSTE_MMA_S32) return (uint32_t)x;
  if (slow_mma_is_integer(type)) return (uint32_t)x & 0xFFu;
  return code_of(type, x);
}

/* Up to here a float type has all integers. */
static int largest_integer(sste_mma_type type) {
  if (is_fp8(type)) return type == SSTE_MMA_E4M3 ? 16 : 8;
  return type == SSTE_MMA_BF16 ? 256 : 2048;
}

/* How much sum |a b| + |c| of integers may be. A result with f fraction bits
 * has all integers up to 2^(f+1), and terms below 2^(F+1) lose nothing: 2^24,
 * of halves 2^11, and with 13 bits 2^14.                                    */
static int integer_bound(sste_mma_op op, sste_mma_model m) {
  const int bits = op.d == SSTE_MMA_F16 ? 10 : m.output;
  return 2 << (bits < m.fraction ? bits : m.fraction);
}

/* Terms up to the bound, often exactly that much; returns their sum. */
static int integer_terms(uint64_t *state, sste_mma_op op, int bound, terms *t) {
  const int mixed = below(state, 2);
  int left = bound, sum = 0, c, i;
  for (i = 0; i < t->n; ++i) {
    int a = below(state, largest_integer(op.a) + 1) >> below(state, 12);
    const int b = below(state, largest_integer(op.b) + 1);
    if (a * b >= bound || a * b > left) a = 0;
    left -= a * b;
    if (mixed && below(state, 2)) a = -a;
    sum += a * b;
    t->a[i] = code_of(op.a, a);
    t->b[i] = code_of(op.b, b);
  }
  c = below(state, 2) ? left : below(state, left + 1);
  if (mixed && below(state, 2)) c = -c;
  t->c = code_of(op.d, c);
  return sum + c;
}

static void shuffle(uint64_t *state, terms *t) {
  int i;
  for (i = t->n - 1; i > 0; --i) {
    const int j = below(state, i + 1);
    const uint32_t a = t->a[i], b = t->b[i];
    t->a[i] = t->a[j];
    t->b[i] = t->b[j];
    t->a[j] = a;
    t->b[j] = b;
  }
}

static void integers_are_exact_in_any_order_and_every_model(void **state) {
  const long cases = level(300, 20000);
  uint64_t random = test_seed() + 2;
  int kind, name;
  long i;
  (void)state;
  for (kind = 0; kind < FLOAT_KINDS; ++kind)
    for (name = 0; name < NAMED; ++name)
      for (i = 0; i < cases; ++i) {
        const sste_mma_op op = op_of(kind, 1, 0);
        const sste_mma_model m = named[name](op.a);
        terms t;
        uint32_t want;
        int order;
        if (m.products == 0) continue;
        t.n = kept(op);
        want =
            code_of(op.d, integer_terms(&random, op, integer_bound(op, m), &t));
        for (order = 0; order < 2; ++order) {
          same_or_fail("integers", sste_mma_dot(op, m, t.a, t.b, t.n, t.c),
                       want, op, m, &t);
          shuffle(&random, &t);
        }
      }
}

/* The bound can be met, but 1 more is lost: halves have a tie there. */
static void the_bound_for_integers_cannot_be_raised(void **state) {
  int kind, name;
  (void)state;
  for (kind = 0; kind < FLOAT_KINDS; ++kind)
    for (name = 0; name < NAMED; ++name) {
      const sste_mma_op op = op_of(kind, 1, 0);
      const sste_mma_model m = named[name](op.a);
      const uint32_t a = code_of(op.a, 1.0), b = code_of(op.b, 1.0);
      const int most = integer_bound(op, m);
      uint32_t bound;
      if (m.products == 0) continue;
      bound = code_of(op.d, most);
      assert_int_equal(sste_mma_dot(op, m, &a, &b, 1, bound), bound);
      assert_int_equal(sste_mma_dot(op, m, &a, &b, 1, code_of(op.d, most - 1)),
                       bound);
    }
}

static void bytes_wrap_or_stop_at_both_ends(void **state) {
  static const struct {
    sste_mma_type a, b;
    uint32_t x, y, c, wrapped, stopped;
  } rows[] = {
      {SSTE_MMA_S8, SSTE_MMA_S8, 0x80, 0x80, 0, 16384, 16384},
      {SSTE_MMA_U8, SSTE_MMA_U8, 0x80, 0xFF, 0, 32640, 32640},
      {SSTE_MMA_S8, SSTE_MMA_U8, 0xFF, 0xFF, 0, 0xFFFFFF01u, 0xFFFFFF01u},
      {SSTE_MMA_U8, SSTE_MMA_S8, 0xFF, 0xFF, 0, 0xFFFFFF01u, 0xFFFFFF01u},
      {SSTE_MMA_S8, SSTE_MMA_S8, 1, 1, 0x7FFFFFFEu, 0x7FFFFFFFu, 0x7FFFFFFFu},
      {SSTE_MMA_S8, SSTE_MMA_S8, 1, 1, 0x7FFFFFFFu, 0x80000000u, 0x7FFFFFFFu},
      {SSTE_MMA_S8, SSTE_MMA_S8, 1, 0xFF, 0x80000001u, 0x80000000u,
       0x80000000u},
      {SSTE_MMA_S8, SSTE_MMA_S8, 1, 0xFF, 0x80000000u, 0x7FFFFFFFu,
       0x80000000u},
  };
  const sste_mma_model m = sste_mma_hopper(SSTE_MMA_S8);
  size_t i;
  (void)state;
  for (i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
    sste_mma_op op = sste_mma_sparse(rows[i].a, 64);
    op.b = rows[i].b;
    assert_int_equal(sste_mma_dot(op, m, &rows[i].x, &rows[i].y, 1, rows[i].c),
                     rows[i].wrapped);
    op.saturate = 1;
    assert_int_equal(sste_mma_dot(op, m, &rows[i].x, &rows[i].y, 1, rows[i].c),
                     rows[i].stopped);
  }
}

/* A sum that passes the end and comes back is within: it stops only once. */
static void bytes_are_summed_before_they_stop(void **state) {
  sste_mma_op op = sste_mma_sparse(SSTE_MMA_S8, 64);
  const uint32_t a[2] = {127, 127}, b[2] = {127, 0x81};
  const sste_mma_model m = {1, 24, 23, -126, SSTE_MMA_CONSECUTIVE, 0};
  (void)state;
  op.saturate = 1;
  assert_int_equal(sste_mma_dot(op, m, a, b, 2, 0x7FFFFFFFu), 0x7FFFFFFF);
}

static void bytes_are_the_same_in_every_model(void **state) {
  const long cases = level(2000, 100000);
  uint64_t random = test_seed() + 3;
  long i;
  (void)state;
  for (i = 0; i < cases; ++i) {
    sste_mma_op op = op_of(FLOAT_KINDS + below(&random, 4), 1, 0);
    terms t;
    uint32_t want;
    int name;
    op.saturate = below(&random, 2);
    t.n = kept(op);
    random_integers(&random, &t);
    want = slow_mma_step(op, random_model(&random), t.a, t.b, t.n, t.c);
    for (name = 0; name < NAMED; ++name) {
      const sste_mma_model m = named[name](op.a);
      shuffle(&random, &t);
      same_or_fail("bytes", sste_mma_dot(op, m, t.a, t.b, t.n, t.c), want, op,
                   m, &t);
    }
  }
}

/* ---- What real GPUs answered --------------------------------------------- */

#ifndef SSTE_TEST_SILICON
#define SSTE_TEST_SILICON "tests/vectors/silicon.txt"
#endif

static const struct {
  const char *name;
  sste_mma_type type;
} type_names[] = {{"f16", SSTE_MMA_F16},   {"bf16", SSTE_MMA_BF16},
                  {"tf32", SSTE_MMA_TF32}, {"e4m3", SSTE_MMA_E4M3},
                  {"e5m2", SSTE_MMA_E5M2}, {"f32", SSTE_MMA_F32}};

static sste_mma_type type_named(const char *name) {
  size_t i;
  for (i = 0; i < sizeof type_names / sizeof type_names[0]; ++i)
    if (strcmp(type_names[i].name, name) == 0) return type_names[i].type;
  fail_msg("unknown type %s", name);
  return SSTE_MMA_F16;
}

/* Each GPU's model of mma, and of its 8-bit floats with results in F32. */
enum { GPUS = 7 };
static const struct {
  const char *name;
  named_model model, fp8_to_f16, fp8_to_f32;
} gpus[GPUS] = {
    {"A100", sste_mma_ampere, NULL, NULL},
    {"A2", sste_mma_ampere, NULL, NULL},
    {"Ada", sste_mma_ada, sste_mma_ada, sste_mma_ada},
    {"L40S", sste_mma_ada, sste_mma_ada, sste_mma_ada},
    {"H100", sste_mma_hopper, sste_mma_hopper, sste_mma_hopper_wgmma},
    {"H200", sste_mma_hopper, sste_mma_hopper, sste_mma_hopper_wgmma},
    /* mma of 8-bit floats is on sm_100 what it is on sm_90 */
    {"B200", sste_mma_blackwell, sste_mma_hopper, sste_mma_hopper},
};

static int gpu_named(const char *name) {
  int i;
  for (i = 0; i < GPUS; ++i)
    if (strcmp(gpus[i].name, name) == 0) return i;
  fail_msg("unknown GPU %s", name);
  return 0;
}

/* A row of codes out of its hexadecimal digits. */
static int codes_of(uint32_t *codes, const char *word, sste_mma_type type) {
  const size_t digits = (size_t)slow_mma_width(type) / 4;
  char one[9] = {0};
  int n = 0;
  assert_int_equal(strlen(word) % digits, 0);
  for (; *word != '\0'; word += digits) {
    char *end;
    assert_true(n < MOST);
    memcpy(one, word, digits);
    codes[n++] = (uint32_t)strtoul(one, &end, 16);
    assert_true(*end == '\0');
  }
  return n;
}

/* One line; returns its GPU. */
static int check_recorded(const char *line) {
  char gpu[16], operand[16], result[16], a[512], b[512], c[16], d[16];
  sste_mma_op op;
  sste_mma_model m;
  terms t;
  uint32_t want[1], got;
  int at;
  if (sscanf(line, "%15s%15s%15s%511s%511s%15s%15s", gpu, operand, result, a, b,
             c, d) != 7)
    fail_msg("not understood: %s", line);
  at = gpu_named(gpu);
  op = sste_mma_dense(type_named(operand), 0);
  op.d = type_named(result);
  t.n = codes_of(t.a, a, op.a);
  assert_int_equal(codes_of(t.b, b, op.a), t.n);
  assert_int_equal(codes_of(&t.c, c, op.d), 1);
  assert_int_equal(codes_of(want, d, op.d), 1);
  m = (!is_fp8(op.a)          ? gpus[at].model
       : op.d == SSTE_MMA_F16 ? gpus[at].fp8_to_f16
                              : gpus[at].fp8_to_f32)(op.a);
  got = sste_mma_dot(op, m, t.a, t.b, t.n, t.c);
  if (got != want[0])
    fail_msg("got %08X instead of what the GPU answered: %s", got, line);
  assert_int_equal(slow_mma_dot(op, m, t.a, t.b, t.n, t.c), got);
  return at;
}

static void check_recordings(const char *path) {
  long counts[GPUS] = {0}, total = 0, promised = -1;
  char line[1200];
  int i;
  FILE *file = fopen(path, "r");
  if (file == NULL) fail_msg("cannot open %s", path);
  while (fgets(line, sizeof line, file) != NULL) {
    assert_true(promised < 0);
    if (strncmp(line, "end ", 4) == 0)
      promised = strtol(line + 4, NULL, 10);
    else if (line[0] != '#')
      ++counts[check_recorded(line)];
  }
  fclose(file);
  printf("%s:", path);
  for (i = 0; i < GPUS; ++i) {
    printf(" %s %ld", gpus[i].name, counts[i]);
    assert_true(counts[i] > 0);
    total += counts[i];
  }
  printf(", all equal\n");
  assert_int_equal(total, promised);
}

static void sums_are_those_of_real_gpus(void **state) {
  const char *more = getenv("SSTE_SILICON");
  (void)state;
  check_recordings(SSTE_TEST_SILICON);
  if (more != NULL) check_recordings(more);
}

/* ---- The instruction ----------------------------------------------------- */

/* A problem as matrices: kept(op) columns of A, and the row of B that each of
 * them meets, at[i][p] for column p of row i. */
typedef struct problem {
  sste_mma_op op;
  int selector;
  uint32_t a[16][32], b[64][8], c[16][8];
  int at[16][32], nibble[16][16];
} problem;

/* The six nibbles and the positions they name; of TF32 two of one. */
static const struct {
  int nibble, first, second;
} sixes[] = {{0x4, 0, 1}, {0x8, 0, 2}, {0xC, 0, 3},
             {0x9, 1, 2}, {0xD, 1, 3}, {0xE, 2, 3}},
  pairs[] = {{0x4, 0, 0}, {0xE, 1, 1}};

static int chunks(sste_mma_op op) {
  return op.k / (op.a == SSTE_MMA_TF32 ? 2 : 4);
}

static void random_pattern(uint64_t *state, problem *p) {
  int i, j;
  for (i = 0; i < 16; ++i) {
    for (j = 0; j < kept(p->op) && !p->op.sparse; ++j) p->at[i][j] = j;
    for (j = 0; j < chunks(p->op) && p->op.sparse; ++j)
      if (p->op.a == SSTE_MMA_TF32) {
        const int one = below(state, 2);
        p->nibble[i][j] = pairs[one].nibble;
        p->at[i][j] = 2 * j + pairs[one].first;
      } else {
        const int one = below(state, 6);
        p->nibble[i][j] = sixes[one].nibble;
        p->at[i][2 * j] = 4 * j + sixes[one].first;
        p->at[i][2 * j + 1] = 4 * j + sixes[one].second;
      }
  }
}

/* The registers of 32 lanes, filled from the tables of slow_mma.h. */
typedef struct warp {
  uint32_t a[4 * 32], b[4 * 32], c[4 * 32], e[32];
} warp;

static void fill_warp(uint64_t *state, warp *w, const problem *p) {
  const int bits = slow_mma_width(p->op.a), per = 32 / bits;
  const int d_bits = slow_mma_width(p->op.d), d_per = 32 / d_bits;
  int lane, r, i, j;
  memset(w, 0, sizeof *w);
  for (lane = 0; lane < 32; ++lane) {
    for (r = 0; r < 16 * kept(p->op) * bits / 1024; ++r)
      for (i = 0; i < per; ++i) {
        const slow_mma_cell at = slow_mma_cell_a(per, lane, r, i);
        w->a[32 * r + lane] |= p->a[at.row][at.col] << (bits * i);
      }
    for (r = 0; r < 8 * p->op.k * bits / 1024; ++r)
      for (i = 0; i < per; ++i) {
        const slow_mma_cell at = slow_mma_cell_b(per, lane, r, i);
        w->b[32 * r + lane] |= p->b[at.row][at.col] << (bits * i);
      }
    for (r = 0; r < 16 * 8 * d_bits / 1024; ++r)
      for (i = 0; i < d_per; ++i) {
        const slow_mma_cell at = slow_mma_cell_d(d_per, lane, r, i);
        w->c[32 * r + lane] |= p->c[at.row][at.col] << (d_bits * i);
      }
    w->e[lane] = (uint32_t)test_random(state);
  }
  for (i = 0; i < 16 && p->op.sparse; ++i)
    for (j = 0; j < chunks(p->op); ++j) {
      int bit;
      slow_mma_nibble_at(&lane, &bit, p->op, p->selector, i, j);
      w->e[lane] &= ~(0xFu << bit);
      w->e[lane] |= (uint32_t)p->nibble[i][j] << bit;
    }
}

/* Element (row, col) of D. */
static void read_d(uint32_t d[16][8], const uint32_t *regs, sste_mma_op op) {
  const int bits = slow_mma_width(op.d), per = 32 / bits;
  int lane, r, i;
  for (lane = 0; lane < 32; ++lane)
    for (r = 0; r < 16 * 8 * bits / 1024; ++r)
      for (i = 0; i < per; ++i) {
        const slow_mma_cell at = slow_mma_cell_d(per, lane, r, i);
        const uint32_t word = regs[32 * r + lane];
        d[at.row][at.col] = bits == 32 ? word : word >> (16 * i) & 0xFFFFu;
      }
}

static void run_instruction(uint64_t *state, uint32_t d[16][8],
                            const problem *p, sste_mma_model m) {
  uint32_t regs[4 * 32];
  warp w;
  fill_warp(state, &w, p);
  test_poison(regs, sizeof regs);
  if (p->op.sparse)
    assert_int_equal(sste_mma_sp(regs, w.a, w.b, w.c, w.e, p->selector, p->op,
                                 m, NULL, NULL),
                     SSTE_OK);
  else
    assert_int_equal(sste_mma(regs, w.a, w.b, w.c, p->op, m), SSTE_OK);
  read_d(d, regs, p->op);
  if (p->op.d == SSTE_MMA_F16) assert_int_equal(regs[64], 0xCACACACAu);
}

/* Small whole numbers, and the dense product of A with its zeros. */
static void random_integer_problem(uint64_t *state, problem *p,
                                   int exact[16][8]) {
  const int is_unsigned_a = p->op.a == SSTE_MMA_U8;
  const int is_unsigned_b = p->op.b == SSTE_MMA_U8;
  int a[16][64] = {{0}}, b[64][8], i, j, k;
  random_pattern(state, p);
  for (i = 0; i < 16; ++i)
    for (j = 0; j < kept(p->op); ++j) {
      const int x = below(state, 9) - (is_unsigned_a ? 0 : 4);
      a[i][p->at[i][j]] = x;
      p->a[i][j] = code_of_integer(p->op.a, x);
    }
  for (k = 0; k < p->op.k; ++k)
    for (j = 0; j < 8; ++j) {
      b[k][j] = below(state, 9) - (is_unsigned_b ? 0 : 4);
      p->b[k][j] = code_of_integer(p->op.b, b[k][j]);
    }
  for (i = 0; i < 16; ++i)
    for (j = 0; j < 8; ++j) {
      exact[i][j] = below(state, 33) - 16;
      p->c[i][j] = code_of_integer(p->op.d, exact[i][j]);
      for (k = 0; k < p->op.k; ++k) exact[i][j] += a[i][k] * b[k][j];
    }
}

static void check_integer_instruction(uint64_t *state, problem *p) {
  const sste_mma_model m = any_named(state, p->op);
  int exact[16][8], i, j;
  uint32_t d[16][8];
  random_integer_problem(state, p, exact);
  run_instruction(state, d, p, m);
  for (i = 0; i < 16; ++i)
    for (j = 0; j < 8; ++j)
      if (d[i][j] != code_of_integer(p->op.d, exact[i][j]))
        fail_msg(
            "types %d, %d, %d, k %d, selector %d: d[%d][%d] is %08X, not "
            "%d",
            (int)p->op.a, (int)p->op.b, (int)p->op.d, p->op.k, p->selector, i,
            j, d[i][j], exact[i][j]);
}

/* Any floats; each sum is that of its kept products by kept column. */
static void check_float_instruction(uint64_t *state, problem *p) {
  const sste_mma_model m = any_model(state, p->op);
  const int centre = random_centre(state, p->op);
  uint32_t d[16][8];
  int i, j, k;
  random_pattern(state, p);
  for (i = 0; i < 16; ++i)
    for (j = 0; j < kept(p->op); ++j)
      p->a[i][j] = finite_code(state, p->op.a, centre, 4);
  for (j = 0; j < 8; ++j) {
    for (k = 0; k < p->op.k; ++k)
      p->b[k][j] = finite_code(state, p->op.b, centre, 4);
    for (i = 0; i < 16; ++i)
      p->c[i][j] = finite_code(state, p->op.d, 2 * centre, 8);
  }
  run_instruction(state, d, p, m);
  for (i = 0; i < 16; ++i)
    for (j = 0; j < 8; ++j) {
      terms t;
      t.n = kept(p->op);
      t.c = p->c[i][j];
      for (k = 0; k < t.n; ++k) {
        t.a[k] = p->a[i][k];
        t.b[k] = p->b[p->at[i][k]][j];
      }
      same_or_fail("instruction", d[i][j],
                   slow_mma_dot(p->op, m, t.a, t.b, t.n, t.c), p->op, m, &t);
    }
}

/* How many values the selector may have. */
static int selectors(sste_mma_op op) {
  if (!op.sparse || slow_mma_width(op.a) == 8) return 1;
  return op.a != SSTE_MMA_TF32 && op.k == 16 ? 4 : 2;
}

/* For every instruction and selector. */
static void for_each_instruction(uint64_t *random, long cases, int kinds_used,
                                 void (*check)(uint64_t *, problem *)) {
  int kind, sparse, which, f;
  long i;
  for (kind = 0; kind < kinds_used; ++kind)
    for (sparse = 0; sparse < 2; ++sparse)
      for (which = 0; which < 2; ++which) {
        problem p;
        p.op = op_of(kind, sparse, which);
        if (p.op.k == 0) continue;
        for (f = 0; f < selectors(p.op); ++f)
          for (i = 0; i < cases; ++i) {
            p.selector = f;
            p.op.saturate = kind >= FLOAT_KINDS && i % 2;
            check(random, &p);
          }
      }
}

static void an_instruction_is_the_dense_product_on_integers(void **state) {
  uint64_t random = test_seed() + 4;
  (void)state;
  for_each_instruction(&random, level(250, 2000), KINDS,
                       check_integer_instruction);
}

static void an_instruction_is_a_dot_for_each_result_on_floats(void **state) {
  uint64_t random = test_seed() + 5;
  (void)state;
  for_each_instruction(&random, level(30, 2000), FLOAT_KINDS,
                       check_float_instruction);
}

/* One bad nibble anywhere, and perhaps another one after it. */
static void check_bad_nibble(uint64_t *state, problem *p) {
  const sste_mma_model m = any_model(state, p->op);
  const int row = below(state, 16), chunk = below(state, chunks(p->op));
  const int nibble = below(state, 16), later = below(state, 16 - row);
  const int six =
      nibble == 0x8 || nibble == 0x9 || nibble == 0xC || nibble == 0xD;
  const int legal =
      nibble == 0x4 || nibble == 0xE || (six && p->op.a != SSTE_MMA_TF32);
  size_t at_row = 77, at_chunk = 77;
  uint32_t d[4 * 32], untouched[4 * 32];
  warp w;
  if (!p->op.sparse) return;
  memset(p->a, 0, sizeof p->a);
  memset(p->b, 0, sizeof p->b);
  memset(p->c, 0, sizeof p->c);
  random_pattern(state, p);
  if (!legal) p->nibble[row + later][chunks(p->op) - 1] = 0x5;
  p->nibble[row][chunk] = nibble;
  fill_warp(state, &w, p);
  test_poison(d, sizeof d);
  test_poison(untouched, sizeof untouched);
  assert_int_equal(sste_mma_sp(d, w.a, w.b, w.c, w.e, p->selector, p->op, m,
                               &at_row, &at_chunk),
                   legal ? SSTE_OK : SSTE_ERR_PATTERN);
  assert_int_equal(at_row, legal ? 77 : row);
  assert_int_equal(at_chunk, legal ? 77 : chunk);
  if (legal) return;
  assert_int_equal(
      sste_mma_sp(d, w.a, w.b, w.c, w.e, p->selector, p->op, m, NULL, NULL),
      SSTE_ERR_PATTERN);
  assert_memory_equal(d, untouched, sizeof d);
}

static void an_illegal_nibble_is_named_and_nothing_written(void **state) {
  uint64_t random = test_seed() + 6;
  (void)state;
  for_each_instruction(&random, level(200, 5000), KINDS, check_bad_nibble);
}

/* The accumulator stays where it is, in the registers of C. */
static void d_may_be_c_or_an_operand(void **state) {
  const sste_mma_op op = sste_mma_sparse(SSTE_MMA_BF16, 32);
  const sste_mma_model m = sste_mma_ampere(op.a);
  uint64_t random = test_seed() + 7;
  int exact[16][8], which;
  (void)state;
  for (which = 0; which < 3; ++which) {
    uint32_t d[4 * 32];
    problem p;
    warp w;
    uint32_t *in_place = which == 0 ? w.a : which == 1 ? w.b : w.c;
    p.op = op;
    p.selector = 1;
    random_integer_problem(&random, &p, exact);
    fill_warp(&random, &w, &p);
    assert_int_equal(sste_mma_sp(d, w.a, w.b, w.c, w.e, 1, op, m, NULL, NULL),
                     SSTE_OK);
    assert_int_equal(
        sste_mma_sp(in_place, w.a, w.b, w.c, w.e, 1, op, m, NULL, NULL),
        SSTE_OK);
    assert_memory_equal(in_place, d, sizeof d);
  }
}

#define gives(status, call) assert_int_equal(call, status)

static void instructions_refuse_what_is_not_theirs(void **state) {
  const sste_mma_op dense = sste_mma_dense(SSTE_MMA_F16, 16);
  const sste_mma_op sparse = sste_mma_sparse(SSTE_MMA_F16, 32);
  const sste_mma_op missing = sste_mma_sparse(SSTE_MMA_F16, 64);
  const sste_mma_model m = sste_mma_ampere(SSTE_MMA_F16);
  const sste_mma_model none = sste_mma_ampere(SSTE_MMA_E4M3);
  uint32_t r[4 * 32], d[4 * 32], untouched[4 * 32];
  int lane;
  (void)state;
  for (lane = 0; lane < 32; ++lane) r[lane] = 0x44444444u;
  test_poison(d, sizeof d);
  test_poison(untouched, sizeof untouched);
  gives(SSTE_ERR_NULL, sste_mma(NULL, r, r, r, dense, m));
  gives(SSTE_ERR_NULL, sste_mma(d, NULL, r, r, dense, m));
  gives(SSTE_ERR_NULL, sste_mma(d, r, NULL, r, dense, m));
  gives(SSTE_ERR_NULL, sste_mma(d, r, r, NULL, dense, m));
  gives(SSTE_ERR_VALUE, sste_mma(d, r, r, r, sparse, m));
  gives(SSTE_ERR_VALUE, sste_mma(d, r, r, r, missing, m));
  gives(SSTE_ERR_VALUE, sste_mma(d, r, r, r, dense, none));
  gives(SSTE_ERR_NULL, sste_mma_sp(NULL, r, r, r, r, 0, sparse, m, 0, 0));
  gives(SSTE_ERR_NULL, sste_mma_sp(d, NULL, r, r, r, 0, sparse, m, 0, 0));
  gives(SSTE_ERR_NULL, sste_mma_sp(d, r, NULL, r, r, 0, sparse, m, 0, 0));
  gives(SSTE_ERR_NULL, sste_mma_sp(d, r, r, NULL, r, 0, sparse, m, 0, 0));
  gives(SSTE_ERR_NULL, sste_mma_sp(d, r, r, r, NULL, 0, sparse, m, 0, 0));
  gives(SSTE_ERR_VALUE, sste_mma_sp(d, r, r, r, r, -1, sparse, m, 0, 0));
  gives(SSTE_ERR_VALUE, sste_mma_sp(d, r, r, r, r, 2, sparse, m, 0, 0));
  gives(SSTE_ERR_VALUE, sste_mma_sp(d, r, r, r, r, 0, dense, m, 0, 0));
  gives(SSTE_ERR_VALUE, sste_mma_sp(d, r, r, r, r, 0, missing, m, 0, 0));
  gives(SSTE_ERR_VALUE, sste_mma_sp(d, r, r, r, r, 0, sparse, none, 0, 0));
  assert_memory_equal(d, untouched, sizeof d);
}

/* ---- Products ------------------------------------------------------------ */

static void put(uint8_t *matrix, int bits, size_t at, uint32_t code) {
  const uint16_t half = (uint16_t)code;
  if (bits == 8) matrix[at] = (uint8_t)code;
  if (bits == 16) memcpy(matrix + 2 * at, &half, 2);
  if (bits == 32) memcpy(matrix + 4 * at, &code, 4);
}

static uint32_t get(const uint8_t *matrix, int bits, size_t at) {
  uint16_t half;
  uint32_t word;
  memcpy(&half, matrix + (bits == 16 ? 2 * at : 0), 2);
  memcpy(&word, matrix + (bits == 32 ? 4 * at : 0), 4);
  return bits == 8 ? matrix[at] : bits == 16 ? half : word;
}

/* Up to 40 x 24 x 192, its rows a little apart. */
enum { MOST_M = 40, MOST_N = 24, MOST_K = 192, GAP = 3 };
typedef struct whole {
  sste_mma_op op;
  sste_mma_model m;
  int M, N, K;
  size_t ldv, ldm, ldb, ldd;
  uint8_t values[4 * MOST_M * (MOST_K + GAP)];
  uint8_t b[4 * MOST_N * (MOST_K + GAP)];
  uint8_t meta[MOST_M * (MOST_K + GAP)];
  uint8_t d[4 * MOST_M * (MOST_N + GAP)], want[4 * MOST_M * (MOST_N + GAP)];
} whole;

static void random_shape(uint64_t *state, whole *w) {
  const int most = MOST_K / w->op.k < 3 ? MOST_K / w->op.k : 3;
  w->M = 1 + below(state, MOST_M);
  w->N = 1 + below(state, MOST_N);
  w->K = w->op.k * (1 + below(state, most));
  w->ldv = (size_t)(w->K / (1 + w->op.sparse) + below(state, GAP));
  w->ldm =
      (size_t)(w->K / (w->op.a == SSTE_MMA_TF32 ? 4 : 8) + below(state, GAP));
  w->ldb = (size_t)(w->K + below(state, GAP));
  w->ldd = (size_t)(w->N + below(state, GAP));
  test_poison(w->meta, sizeof w->meta);
  test_poison(w->d, sizeof w->d);
  test_poison(w->want, sizeof w->want);
}

static sste_status product(whole *w) {
  return sste_mma_product(w->d, w->ldd, w->values, w->ldv,
                          w->op.sparse ? w->meta : NULL, w->ldm, w->b, w->ldb,
                          (size_t)w->M, (size_t)w->N, (size_t)w->K, w->op, w->m,
                          NULL, NULL);
}

static void put_nibble(whole *w, int row, int chunk, int nibble) {
  uint8_t *byte = w->meta + (size_t)row * w->ldm + chunk / 2;
  *byte = (uint8_t)(chunk % 2 == 0 ? (*byte & 0xF0) | nibble
                                   : (*byte & 0x0F) | nibble << 4);
}

/* Tile (i, j) of the product at step s, as a problem: its part of the matrices,
 * zeros beyond their edges. */
static void cut_tile(const whole *w, problem *p, int i, int j, int s) {
  const int bits = slow_mma_width(w->op.a), n = kept(w->op);
  int r, c;
  for (r = 0; r < 16; ++r)
    for (c = 0; c < n; ++c)
      p->a[r][c] =
          16 * i + r < w->M
              ? get(w->values, bits,
                    (size_t)(16 * i + r) * w->ldv + (size_t)(n * s + c))
              : 0;
  for (r = 0; r < 16 && w->op.sparse; ++r)
    for (c = 0; c < chunks(w->op); ++c) {
      const int chunk = chunks(w->op) * s + c;
      const uint8_t *row = w->meta + (size_t)(16 * i + r) * w->ldm;
      p->nibble[r][c] =
          16 * i + r < w->M ? row[chunk / 2] >> (chunk % 2 * 4) & 0xF : 0x4;
    }
  for (c = 0; c < 8; ++c)
    for (r = 0; r < w->op.k; ++r)
      p->b[r][c] =
          8 * j + c < w->N
              ? get(w->b, bits,
                    (size_t)(8 * j + c) * w->ldb + (size_t)(w->op.k * s + r))
              : 0;
}

/* Tile by tile, an instruction at a time along K. */
static void chain(uint64_t *state, whole *w) {
  int i, j, s, r, c;
  for (i = 0; 16 * i < w->M; ++i)
    for (j = 0; 8 * j < w->N; ++j) {
      problem p;
      memset(&p, 0, sizeof p);
      p.op = w->op;
      p.selector = below(state, selectors(w->op));
      for (s = 0; s < w->K / w->op.k; ++s) {
        cut_tile(w, &p, i, j, s);
        run_instruction(state, p.c, &p, w->m);
      }
      for (r = 0; r < 16 && 16 * i + r < w->M; ++r)
        for (c = 0; c < 8 && 8 * j + c < w->N; ++c)
          put(w->want, slow_mma_width(w->op.d),
              (size_t)(16 * i + r) * w->ldd + (size_t)(8 * j + c), p.c[r][c]);
    }
}

/* Random floats of moderate size, or bytes, and metadata. */
static void random_whole(uint64_t *state, whole *w) {
  const int bits = slow_mma_width(w->op.a);
  size_t i;
  random_shape(state, w);
  for (i = 0; i < (size_t)w->M * w->ldv; ++i)
    put(w->values, bits, i,
        bits == 8 && slow_mma_is_integer(w->op.a)
            ? (uint32_t)test_random(state)
            : finite_code(state, w->op.a, 0, 3));
  for (i = 0; i < (size_t)w->N * w->ldb; ++i)
    put(w->b, bits, i,
        bits == 8 && slow_mma_is_integer(w->op.b)
            ? (uint32_t)test_random(state)
            : finite_code(state, w->op.b, 0, 3));
  for (i = 0; i < (size_t)w->M; ++i) {
    int c;
    for (c = 0; c < w->K / (w->op.a == SSTE_MMA_TF32 ? 2 : 4); ++c)
      put_nibble(w, (int)i, c,
                 w->op.a == SSTE_MMA_TF32 ? pairs[below(state, 2)].nibble
                                          : sixes[below(state, 6)].nibble);
  }
}

static whole *new_whole(void) {
  whole *w = (whole *)calloc(1, sizeof *w);
  assert_non_null(w);
  return w;
}

static void a_product_is_a_chain_of_instructions(void **state) {
  const long cases = level(2, 200);
  whole *w = new_whole();
  uint64_t random = test_seed() + 8;
  int kind, which;
  long i;
  (void)state;
  for (kind = 0; kind < KINDS; ++kind)
    for (which = 0; which < 4; ++which)
      for (i = 0; i < cases; ++i) {
        w->op = op_of(kind, which / 2, which % 2);
        if (w->op.k == 0) continue;
        w->op.saturate = kind >= FLOAT_KINDS && i % 2;
        w->m = any_model(&random, w->op);
        random_whole(&random, w);
        chain(&random, w);
        assert_int_equal(product(w), SSTE_OK);
        assert_memory_equal(w->d, w->want, sizeof w->d);
      }
  free(w);
}

/* Of whole numbers, dense ones times the decompressed. */
static void check_integer_product(uint64_t *state, whole *w) {
  int(*a)[MOST_K] = (int(*)[MOST_K])calloc(MOST_M, sizeof *a);
  int(*b)[MOST_K] = (int(*)[MOST_K])calloc(MOST_N, sizeof *b);
  const int bits = slow_mma_width(w->op.a), tf32 = w->op.a == SSTE_MMA_TF32;
  int i, j, k;
  assert_true(a != NULL && b != NULL);
  random_whole(state, w);
  for (i = 0; i < w->M; ++i)
    for (k = 0; k < w->K / (1 + w->op.sparse); ++k) {
      const int x = below(state, 5) - (w->op.a == SSTE_MMA_U8 ? 0 : 2);
      const int six = below(state, 6), pair = below(state, 2);
      int at = k;
      put(w->values, bits, (size_t)i * w->ldv + (size_t)k,
          code_of_integer(w->op.a, x));
      if (w->op.sparse && tf32) {
        put_nibble(w, i, k, pairs[pair].nibble);
        at = 2 * k + pairs[pair].first;
      } else if (w->op.sparse && k % 2 == 0) {
        put_nibble(w, i, k / 2, sixes[six].nibble);
        at = 2 * k + sixes[six].first;
      } else if (w->op.sparse) {
        const int nibble =
            w->meta[(size_t)i * w->ldm + (size_t)(k / 4)] >> (k / 2 % 2 * 4) &
            0xF;
        at = 2 * (k - 1) + nibble / 4;
      }
      a[i][at] = x;
    }
  for (j = 0; j < w->N; ++j)
    for (k = 0; k < w->K; ++k) {
      b[j][k] = below(state, 5) - (w->op.b == SSTE_MMA_U8 ? 0 : 2);
      put(w->b, bits, (size_t)j * w->ldb + (size_t)k,
          code_of_integer(w->op.b, b[j][k]));
    }
  for (i = 0; i < w->M; ++i)
    for (j = 0; j < w->N; ++j) {
      int sum = 0;
      for (k = 0; k < w->K; ++k) sum += a[i][k] * b[j][k];
      put(w->want, slow_mma_width(w->op.d), (size_t)i * w->ldd + (size_t)j,
          code_of_integer(w->op.d, sum));
    }
  free(a);
  free(b);
}

static void a_product_of_integers_is_exact(void **state) {
  const long cases = level(3, 300);
  whole *w = new_whole();
  uint64_t random = test_seed() + 9;
  int kind, which;
  long i;
  (void)state;
  for (kind = 0; kind < KINDS; ++kind)
    for (which = 0; which < 4; ++which)
      for (i = 0; i < cases; ++i) {
        w->op = op_of(kind, which / 2, which % 2);
        if (w->op.k == 0) continue;
        w->m = any_named(&random, w->op);
        check_integer_product(&random, w);
        assert_int_equal(product(w), SSTE_OK);
        assert_memory_equal(w->d, w->want, sizeof w->d);
      }
  free(w);
}

static void a_product_has_the_same_bits_on_any_number_of_threads(void **state) {
  whole *w = new_whole();
  uint64_t random = test_seed() + 10;
  int threads;
  (void)state;
  w->op = op_of(4, 1, 0);
  w->m = sste_mma_hopper_wgmma(w->op.a);
  random_whole(&random, w);
  test_threads(1);
  assert_int_equal(product(w), SSTE_OK);
  memcpy(w->want, w->d, sizeof w->d);
  for (threads = 2; threads <= 5; ++threads) {
    test_threads(threads);
    test_poison(w->d, sizeof w->d);
    assert_int_equal(product(w), SSTE_OK);
    assert_memory_equal(w->d, w->want, sizeof w->d);
  }
  free(w);
}

static void products_of_nothing_succeed(void **state) {
  const sste_mma_op op = sste_mma_sparse(SSTE_MMA_F16, 32);
  const sste_mma_model m = sste_mma_ampere(op.a);
  whole *w = new_whole();
  uint64_t random = test_seed() + 11;
  int i;
  (void)state;
  assert_int_equal(sste_mma_product(NULL, 0, NULL, 0, NULL, 0, NULL, 0, 0, 8,
                                    32, op, m, NULL, NULL),
                   SSTE_OK);
  assert_int_equal(sste_mma_product(NULL, 0, NULL, 0, NULL, 0, NULL, 0, 8, 0,
                                    32, op, m, NULL, NULL),
                   SSTE_OK);
  w->op = op;
  w->m = m;
  random_whole(&random, w);
  w->K = 0;
  assert_int_equal(
      sste_mma_product(w->d, w->ldd, NULL, 0, NULL, 0, NULL, 0, (size_t)w->M,
                       (size_t)w->N, 0, op, m, NULL, NULL),
      SSTE_OK);
  for (i = 0; i < w->M * w->N; ++i)
    assert_int_equal(
        get(w->d, 32, (size_t)(i / w->N) * w->ldd + (size_t)(i % w->N)), 0);
  free(w);
}

/* Halves take half the room: D may stand right before B. */
static void a_product_may_be_written_beside_its_operands(void **state) {
  static uint16_t together[16 * 8 + 8 * 16], values[16 * 16];
  uint16_t *b = together + 16 * 8;
  sste_mma_op op = sste_mma_dense(SSTE_MMA_F16, 16);
  const sste_mma_model m = sste_mma_hopper(op.a);
  (void)state;
  op.d = SSTE_MMA_F16;
  gives(SSTE_OK, sste_mma_product(together, 8, values, 16, NULL, 0, b, 16, 16,
                                  8, 16, op, m, NULL, NULL));
  gives(SSTE_ERR_OVERLAP,
        sste_mma_product(together + 1, 8, values, 16, NULL, 0, b, 16, 16, 8, 16,
                         op, m, NULL, NULL));
}

/* One argument of a sound call at a time is turned. */
static void a_product_refuses_unsound_arguments(void **state) {
  const size_t huge = (size_t)PTRDIFF_MAX / 2;
  static uint32_t d[32 * 8], x[32 * 32], b[8 * 64];
  static uint8_t meta[32 * 8], untouched[sizeof d];
  const sste_mma_op op = sste_mma_sparse(SSTE_MMA_F16, 32);
  const sste_mma_op tf32 = sste_mma_sparse(SSTE_MMA_TF32, 16);
  const sste_mma_op dense = sste_mma_dense(SSTE_MMA_F16, 16);
  const sste_mma_op missing = sste_mma_sparse(SSTE_MMA_F16, 8);
  const sste_mma_model m = sste_mma_hopper(op.a);
  const sste_mma_model none = sste_mma_ampere(SSTE_MMA_E5M2);
  uint8_t *in_x = (uint8_t *)(x + 10), *in_b = (uint8_t *)(b + 10);
  size_t row = 77, chunk = 77;
  (void)state;
  memset(meta, 0x44, sizeof meta);
  test_poison(d, sizeof d);
  test_poison(untouched, sizeof untouched);
#define call(d_, ldd, x_, ldv, meta_, ldm, b_, ldb, K, op_, m_)              \
  sste_mma_product(d_, ldd, x_, ldv, meta_, ldm, b_, ldb, 16, 8, K, op_, m_, \
                   &row, &chunk)
  gives(SSTE_ERR_NULL, call(NULL, 8, x, 32, meta, 8, b, 64, 64, op, m));
  gives(SSTE_ERR_NULL, call(d, 8, NULL, 32, meta, 8, b, 64, 64, op, m));
  gives(SSTE_ERR_NULL, call(d, 8, x, 32, NULL, 8, b, 64, 64, op, m));
  gives(SSTE_ERR_NULL, call(d, 8, x, 32, meta, 8, NULL, 64, 64, op, m));
  gives(SSTE_ERR_SHAPE, call(d, 7, x, 32, meta, 8, b, 64, 64, op, m));
  gives(SSTE_ERR_SHAPE, call(d, 8, x, 31, meta, 8, b, 64, 64, op, m));
  gives(SSTE_ERR_SHAPE, call(d, 8, x, 32, meta, 7, b, 64, 64, op, m));
  gives(SSTE_ERR_SHAPE, call(d, 8, x, 32, meta, 8, b, 63, 64, op, m));
  gives(SSTE_ERR_SHAPE, call(d, 8, x, 32, meta, 8, b, 64, 48, op, m));
  gives(SSTE_ERR_SHAPE, call(d, 8, x, 63, NULL, 0, b, 64, 64, dense, m));
  gives(SSTE_ERR_SIZE, call(d, huge, x, 32, meta, 8, b, 64, 64, op, m));
  gives(SSTE_ERR_SIZE, call(d, 8, x, huge, meta, 8, b, 64, 64, op, m));
  gives(SSTE_ERR_SIZE, call(d, 8, x, 32, meta, huge, b, 64, 64, op, m));
  gives(SSTE_ERR_SIZE, call(d, 8, x, 32, meta, 8, b, huge, 64, op, m));
  gives(SSTE_ERR_VALUE, call(d, 8, x, 32, meta, 8, b, 64, 64, missing, m));
  gives(SSTE_ERR_VALUE, call(d, 8, x, 32, meta, 8, b, 64, 64, op, none));
  gives(SSTE_ERR_OVERLAP, call(in_x, 8, x, 32, meta, 8, b, 64, 64, op, m));
  gives(SSTE_ERR_OVERLAP, call(in_b, 8, x, 32, meta, 8, b, 64, 64, op, m));
  gives(SSTE_ERR_OVERLAP,
        call(d, 8, x, 32, (uint8_t *)d + 300, 8, b, 64, 64, op, m));
  assert_true(row == 77 && chunk == 77);
  meta[15 * 8 + 7] = 0x74; /* the last of all nibbles */
  gives(SSTE_ERR_PATTERN, call(d, 8, x, 32, meta, 8, b, 64, 64, op, m));
  assert_true(row == 15 && chunk == 15);
  meta[3] = 0x84; /* not for TF32 */
  gives(SSTE_ERR_PATTERN, call(d, 8, x, 32, meta, 8, b, 64, 32, tf32, m));
  assert_true(row == 0 && chunk == 7);
  meta[15 * 8 + 7] = 0x44;
  assert_memory_equal(d, untouched, sizeof d);
  gives(SSTE_OK, call(d, 8, x, 32, meta, 8, b, 64, 64, op, m));
#undef call
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_step_is_the_second_writing),
      cmocka_unit_test(a_dot_is_the_second_writing),
      cmocka_unit_test(sums_are_those_worked_out_by_hand),
      cmocka_unit_test(a_step_takes_0_to_1024_products),
      cmocka_unit_test(c_added_late_is_rounded_to_nearest),
      cmocka_unit_test(an_emulated_subnormal_is_a_normal_number),
      cmocka_unit_test(eight_bit_floats_have_the_ends_of_their_format),
      cmocka_unit_test(tf32_operands_are_cut_not_rounded),
      cmocka_unit_test(groupings_are_told_apart_by_two_large_products),
      cmocka_unit_test(named_models_are_those_of_the_table),
      cmocka_unit_test(a_model_that_no_gpu_has_is_refused),
      cmocka_unit_test(a_dot_of_what_is_refused_is_nan),
      cmocka_unit_test(models_are_accepted_up_to_the_ends_of_their_ranges),
      cmocka_unit_test(integers_are_exact_in_any_order_and_every_model),
      cmocka_unit_test(the_bound_for_integers_cannot_be_raised),
      cmocka_unit_test(bytes_wrap_or_stop_at_both_ends),
      cmocka_unit_test(bytes_are_summed_before_they_stop),
      cmocka_unit_test(bytes_are_the_same_in_every_model),
      cmocka_unit_test(sums_are_those_of_real_gpus),
      cmocka_unit_test(an_instruction_is_the_dense_product_on_integers),
      cmocka_unit_test(an_instruction_is_a_dot_for_each_result_on_floats),
      cmocka_unit_test(an_illegal_nibble_is_named_and_nothing_written),
      cmocka_unit_test(d_may_be_c_or_an_operand),
      cmocka_unit_test(instructions_refuse_what_is_not_theirs),
      cmocka_unit_test(a_product_is_a_chain_of_instructions),
      cmocka_unit_test(a_product_of_integers_is_exact),
      cmocka_unit_test(a_product_has_the_same_bits_on_any_number_of_threads),
      cmocka_unit_test(products_of_nothing_succeed),
      cmocka_unit_test(a_product_may_be_written_beside_its_operands),
      cmocka_unit_test(a_product_refuses_unsound_arguments),
  };
  return cmocka_run_group_tests_name("mma", tests, NULL, NULL);
}
