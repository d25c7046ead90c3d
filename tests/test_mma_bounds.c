/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_mma_bounds.c - sections 7 and 8 of sste_mma.h. The error bound is held
 * against sums known exactly: no sum exceeds it, and some nearly reach it. The
 * probe is set on emulated instructions, whose arithmetic it must find.
 */
#include "slow_mma.h"
#include "sste_mma.h"
#include "test.h"

/* ---- Instructions and models --------------------------------------------- */

static const struct {
  sste_mma_type a, b, d;
} kinds[] = {
    {SSTE_MMA_F16, SSTE_MMA_F16, SSTE_MMA_F32},
    {SSTE_MMA_BF16, SSTE_MMA_BF16, SSTE_MMA_F32},
    {SSTE_MMA_TF32, SSTE_MMA_TF32, SSTE_MMA_F32},
    {SSTE_MMA_E4M3, SSTE_MMA_E4M3, SSTE_MMA_F32},
    {SSTE_MMA_E4M3, SSTE_MMA_E5M2, SSTE_MMA_F32},
    {SSTE_MMA_E5M2, SSTE_MMA_E4M3, SSTE_MMA_F32},
    {SSTE_MMA_E5M2, SSTE_MMA_E5M2, SSTE_MMA_F32},
    {SSTE_MMA_F16, SSTE_MMA_F16, SSTE_MMA_F16},
    {SSTE_MMA_E4M3, SSTE_MMA_E4M3, SSTE_MMA_F16},
    {SSTE_MMA_E5M2, SSTE_MMA_E5M2, SSTE_MMA_F16},
};
enum { KINDS = (int)(sizeof kinds / sizeof kinds[0]), F32_KINDS = 7 };

static const struct {
  const char *name;
  sste_mma_model (*of)(sste_mma_type operand);
} named[] = {{"Ampere", sste_mma_ampere},
             {"Ada", sste_mma_ada},
             {"Hopper mma", sste_mma_hopper},
             {"Hopper wgmma", sste_mma_hopper_wgmma},
             {"Blackwell", sste_mma_blackwell}};
enum { NAMED = (int)(sizeof named / sizeof named[0]) };

static int below(uint64_t *state, int n) {
  return (int)(test_random(state) % (uint64_t)n);
}

/* Sparse: 16-bit k 16 and 32, TF32 16, 8-bit 64; dense: half of it, and half of
 * that. */
static sste_mma_op op_of(int kind, int sparse, int shorter) {
  const sste_mma_type a = kinds[kind].a;
  const int width = slow_mma_width(a), longest = (sparse ? 512 : 256) / width;
  const int k = shorter && (!sparse || width == 16) ? longest / 2 : longest;
  sste_mma_op op = sparse ? sste_mma_sparse(a, k) : sste_mma_dense(a, k);
  op.b = kinds[kind].b;
  op.d = kinds[kind].d;
  return op;
}

static int kept_of(sste_mma_op op) { return op.sparse ? op.k / 2 : op.k; }

static int steps_of(sste_mma_op op, sste_mma_model m) {
  return (kept_of(op) + m.products - 1) / m.products;
}

static sste_mma_model random_model(uint64_t *state) {
  sste_mma_model m;
  m.products = 1 + below(state, below(state, 8) ? 40 : 1024);
  m.fraction = 1 + below(state, 40);
  m.output = 1 + below(state, 23);
  m.least = below(state, 2) ? -126 : -below(state, 301);
  m.grouping = (sste_mma_grouping)below(state, 3);
  m.late = below(state, 2);
  return m;
}

/* ---- Numbers ------------------------------------------------------------- */

/* sum of limb[i] * 2^(BOTTOM + 32 i), where a limb may be negative and larger
 * than 32 bits until the sum is read. Holds every product and every float, and
 * 2^30 of them. */
enum { LIMBS = 24, BOTTOM = -352 };
typedef struct exact {
  int64_t limb[LIMBS];
} exact;

/* Adds a number of at most 24 bits. */
static void exact_add(exact *s, double x) {
  int e, at;
  const double part = frexp(x, &e);
  const int64_t digits = (int64_t)ldexp(part, 24);
  int64_t shifted, low;
  if (x == 0.0) return;
  at = e - 24 - BOTTOM;
  if (ldexp(part, 24) != (double)digits || at < 0 || at / 32 > LIMBS - 3)
    abort();
  shifted = digits * ((int64_t)1 << at % 32);
  low = (int64_t)((uint64_t)shifted & 0xFFFFFFFFu);
  s->limb[at / 32] += low;
  s->limb[at / 32 + 1] += (shifted - low) / 0x100000000;
}

/* |sum|, to 2^-50 of itself or better. */
static double exact_size(exact s) {
  double x = 0.0;
  int pass, i;
  for (pass = 0; pass < 2; ++pass) {
    for (i = 0; i < LIMBS - 1; ++i) {
      const int64_t low = (int64_t)((uint64_t)s.limb[i] & 0xFFFFFFFFu);
      s.limb[i + 1] += (s.limb[i] - low) / 0x100000000;
      s.limb[i] = low;
    }
    if (s.limb[LIMBS - 1] >= 0) break;
    for (i = 0; i < LIMBS; ++i) s.limb[i] = -s.limb[i];
  }
  for (i = LIMBS - 1; i >= 0; --i)
    x += ldexp((double)s.limb[i], BOTTOM + 32 * i);
  return x;
}

/* The values of all operands, by code; those of TF32 without the 13 bits that
 * nobody looks at. */
static double values[SSTE_MMA_E5M2 + 1][1 << 19];

static int make_values(void **state) {
  static const int bits[] = {16, 16, 19, 8, 8};
  int t, code;
  (void)state;
  for (t = 0; t <= SSTE_MMA_E5M2; ++t)
    for (code = 0; code < 1 << bits[t]; ++code)
      values[t][code] = slow_mma_value(
          (sste_mma_type)t, (uint32_t)code << (t == SSTE_MMA_TF32 ? 13 : 0));
  return 0;
}

static double value_of(sste_mma_type type, uint32_t code) {
  return values[type][type == SSTE_MMA_TF32 ? code >> 13 : code];
}

/* What the bound counts: a subnormal factor as the smallest normal number. */
static double size_of(sste_mma_type type, uint32_t code) {
  static const double smallest[] = {0x1p-14, 0x1p-126, 0x1p-126, 0x1p-6,
                                    0x1p-14};
  const double x = fabs(value_of(type, code));
  return x != 0.0 && x < smallest[type] ? smallest[type] : x;
}

static int digits_of(sste_mma_type type) {
  static const int digits[] = {10, 7, 10, 3, 2};
  return digits[type];
}

static uint32_t sign_of(sste_mma_type type) {
  return 1u << (slow_mma_width(type) - 1);
}

/* significand / 2^digits * 2^exponent, of an operand. */
static uint32_t code_of(sste_mma_type type, int exponent,
                        uint32_t significand) {
  const int M = digits_of(type);
  const uint32_t code = (uint32_t)(exponent - slow_mma_least(type) + 1) << M |
                        (significand & ((1u << M) - 1));
  return type == SSTE_MMA_TF32 ? code << 13 : code;
}

/* ---- Long sums ----------------------------------------------------------- */

enum { MOST = 8192 };
typedef struct sum {
  sste_mma_op op;
  sste_mma_model model;
  int terms;
  uint32_t a[MOST], b[MOST], c;
} sum;

static uint32_t add_up(const sum *s) {
  const int kept = kept_of(s->op);
  uint32_t d = s->c;
  int i;
  for (i = 0; i < s->terms; i += kept) {
    const int n = s->terms - i < kept ? s->terms - i : kept;
    d = sste_mma_dot(s->op, s->model, s->a + i, s->b + i, n, d);
  }
  return d;
}

static double error_of(const sum *s) {
  const double d = slow_mma_value(s->op.d, add_up(s));
  exact e = {{0}};
  int i;
  if (!(fabs(d) < HUGE_VAL)) fail_msg("a sum overflows");
  for (i = 0; i < s->terms; ++i)
    exact_add(&e, value_of(s->op.a, s->a[i]) * value_of(s->op.b, s->b[i]));
  exact_add(&e, slow_mma_value(s->op.d, s->c));
  exact_add(&e, -d);
  return exact_size(e);
}

/* sum |a b| + |c|, subnormal factors counted as they are or not. */
static double total_of(const sum *s, int as_they_are) {
  exact e = {{0}};
  int i;
  for (i = 0; i < s->terms; ++i)
    exact_add(
        &e, as_they_are
                ? fabs(value_of(s->op.a, s->a[i]) * value_of(s->op.b, s->b[i]))
                : size_of(s->op.a, s->a[i]) * size_of(s->op.b, s->b[i]));
  exact_add(&e, fabs(slow_mma_value(s->op.d, s->c)));
  return exact_size(e);
}

static double bound_of(const sum *s) {
  return sste_mma_bound(s->op, s->model, (size_t)s->terms);
}

/* What sums below the least normal number may lose besides: in a step all terms
 * are cut at F bits below an exponent that falls no further, and the result at
 * a last place that does not. */
static double least_loss(const sum *s) {
  const int kept = kept_of(s->op), half = s->op.d == SSTE_MMA_F16;
  const int ops = (s->terms + kept - 1) / kept;
  const int S = ops * steps_of(s->op, s->model), normal = half ? -14 : -126;
  const int L = s->model.least > normal ? s->model.least : normal;
  return ldexp(s->terms + S, L - s->model.fraction) +
         ldexp(S, half ? -25 : -126 - s->model.output);
}

/* How much of the bound a sum uses; of an infinite one, or of 0, nothing. */
static double use_of(const sum *s) {
  const double error = error_of(s);
  return error == 0.0 ? 0.0 : error / (bound_of(s) * total_of(s, 1));
}

/* ---- Random sums --------------------------------------------------------- */

typedef enum style {
  GAUSSIAN = 0,
  POSITIVE,
  CANCELLING, /* the second half is minus the first */
  DOMINANT,   /* one product is far larger than the others */
  WIDE,       /* exponents of all sizes */
  LEAST,      /* products and sums about the least normal number of the sum */
  SUBNORMAL,  /* many factors are subnormal */
  STYLES
} style;

/* Gaussian numbers without subnormals, rounded toward zero. */
enum { POOL = 1 << 14 };
static uint32_t pool[SSTE_MMA_E5M2 + 1][POOL];

static int make_pool(void **state) {
  uint64_t random = test_seed();
  int t, i;
  for (t = 0; t <= SSTE_MMA_E5M2; ++t)
    for (i = 0; i < POOL; ++i) {
      const sste_mma_type type = (sste_mma_type)t;
      const double x = test_normal(&random);
      if (fabs(x) >= ldexp(1.0, slow_mma_least(type)))
        pool[t][i] = slow_mma_code(type, x, digits_of(type));
    }
  return make_values(state);
}

static void gaussian_codes(uint64_t *state, uint32_t *x, int n,
                           sste_mma_type type, int positive) {
  const int from = below(state, POOL);
  const uint32_t mask = positive ? sign_of(type) - 1 : 0xFFFFFFFFu;
  int i;
  for (i = 0; i < n; ++i) x[i] = pool[type][(from + i) % POOL] & mask;
}

/* Exponents from low to high; those below the least normal one make subnormal
 * numbers or zeros. Digits are all 1, or any. */
static void wide_codes(uint64_t *state, uint32_t *x, int n, sste_mma_type type,
                       int low, int high) {
  const int least = slow_mma_least(type);
  int i;
  for (i = 0; i < n; ++i) {
    const uint64_t word = test_random(state);
    const int e = low + (int)(word >> 40) % (high - low + 1);
    const uint32_t digits = word & 3 ? (uint32_t)(word >> 8) : 0xFFFFFFFFu;
    x[i] = code_of(type, e < least ? least - 1 : e, digits);
    if (word & 4) x[i] |= sign_of(type);
  }
}

static int clamp(int x, int low, int high) {
  return x < low ? low : x > high ? high : x;
}

/* The largest exponent of a factor with which no sum overflows. */
static int highest(sste_mma_op op, sste_mma_type type) {
  if (op.d == SSTE_MMA_F16) return 0;
  return type == SSTE_MMA_E4M3 ? 7 : slow_mma_least(type) < -14 ? 50 : 15;
}

static void random_factors(uint64_t *state, uint32_t *x, int n, sste_mma_op op,
                           sste_mma_type type, style how) {
  const int least = slow_mma_least(type), high = highest(op, type);
  const int centre = slow_mma_least(op.d) / 2;
  if (how == WIDE)
    wide_codes(state, x, n, type, least, high);
  else if (how == SUBNORMAL)
    wide_codes(state, x, n, type, least - 8, clamp(least + 8, least, high));
  else if (how == LEAST)
    wide_codes(state, x, n, type, clamp(centre - 8, least, high),
               clamp(centre + 4, least, high));
  else
    gaussian_codes(state, x, n, type, how == POSITIVE);
}

/* An accumulator: none, one of the size of the sum, or a large or small one. */
static uint32_t random_accumulator(uint64_t *state, sste_mma_type d,
                                   style how) {
  const int high = d == SSTE_MMA_F16 ? 12 : how == WIDE ? 90 : 14;
  const int low = how == LEAST ? slow_mma_least(d) - 20 : -14;
  const int e = low + below(state, (how == LEAST ? 30 : high - low) + 1);
  const double x = ldexp(1.0 + test_uniform(state), e);
  if (below(state, 3) == 0) return 0;
  return slow_mma_code(d, below(state, 2) ? x : -x, 23);
}

static void random_data(uint64_t *state, sum *s, style how) {
  const sste_mma_op op = s->op;
  const int half = s->terms / 2, at = below(state, s->terms);
  int i;
  random_factors(state, s->a, s->terms, op, op.a, how);
  random_factors(state, s->b, s->terms, op, op.b, how);
  s->c = random_accumulator(state, op.d, how);
  if (how == POSITIVE) s->c &= sign_of(op.d) - 1;
  for (i = 0; how == CANCELLING && i < half; ++i) {
    s->a[half + i] = s->a[i] ^ sign_of(op.a);
    s->b[half + i] = s->b[i];
  }
  if (how == DOMINANT) {
    s->a[at] = code_of(op.a, op.d == SSTE_MMA_F16 ? 6 : highest(op, op.a), 0);
    s->b[at] = code_of(op.b, op.d == SSTE_MMA_F16 ? 6 : highest(op, op.b), 0);
  }
}

/* Mostly short ones: 1 to 8192, of which the logarithm's root is uniform. */
static int random_terms(uint64_t *state) {
  const double u = test_uniform(state);
  return 1 + (int)(exp2(13.0 * u * u) * 0.99999);
}

static void fail_sum(const sum *s, style how, double error, double allowed) {
  fail_msg(
      "op {%d, %d, %d, %d, %d}, model {%d, %d, %d, %d, %d, %d}, %d terms, "
      "data %d: error %g of %g allowed",
      s->op.k, s->op.sparse, (int)s->op.a, (int)s->op.b, (int)s->op.d,
      s->model.products, s->model.fraction, s->model.output, s->model.least,
      (int)s->model.grouping, s->model.late, s->terms, (int)how, error,
      allowed);
}

static void no_sum_exceeds_the_bound(void **state) {
  const int sums = test_level() == 2 ? 2000000 : 100000;
  uint64_t random = test_seed() + 1;
  static sum s;
  int i, useful = 0;
  (void)state;
  for (i = 0; i < sums; ++i) {
    const style how = (style)(i % STYLES);
    double error, allowed;
    s.op = op_of(below(&random, KINDS), below(&random, 2), below(&random, 2));
    s.model = named[below(&random, NAMED)].of(s.op.a);
    if (s.model.products == 0 || below(&random, 2))
      s.model = random_model(&random);
    s.terms = i % 5000 == 0 ? MOST : random_terms(&random);
    random_data(&random, &s, how);
    error = error_of(&s);
    allowed = bound_of(&s) * total_of(&s, 0) + least_loss(&s);
    if (!(error <= allowed)) fail_sum(&s, how, error, allowed);
    useful += error > 0.0 && allowed < HUGE_VAL;
  }
  assert_true(useful > sums / 2);
}

/* ---- What the bound is worth --------------------------------------------- */

/* Positive numbers lose half a unit per product on average, a unit being 2^-F
 * of E; and a result between two multiples of 2^-23 any number of the units
 * between, on average (2^(F - 23) - 1) / 2. The sum grows evenly up to `total`,
 * and E, which is that of the sum, is log2 of it rounded down: its 2^E are on
 * average (t - 2/3) / t^2 of the total, t being that in units of its own 2^E.
 */
static double expected_loss(const sum *s, double total) {
  const sste_mma_model m = s->model;
  const int kept = kept_of(s->op), n = kept < m.products ? kept : m.products;
  const double t = total / ldexp(1.0, slow_mma_exponent(total, -126));
  const double units = n + ldexp(1.0, m.fraction - m.output) - 1.0;
  return s->terms / n * ldexp(units / 2.0, -m.fraction) * (t - 2.0 / 3.0) /
         (t * t);
}

static double mean_use(uint64_t *state, sum *s, style how, int sums,
                       double *largest) {
  double mean = 0.0;
  int i;
  *largest = 0.0;
  for (i = 0; i < sums; ++i) {
    double use;
    random_data(state, s, how);
    s->c = 0;
    use = use_of(s);
    mean += use / sums;
    if (use > *largest) *largest = use;
  }
  return mean;
}

static void positive_data_use_a_sixth(void **state) {
  static const struct {
    int model, kind;
  } rows[] = {{0, 0}, {0, 2}, {2, 0}, {2, 2}}; /* F16 and TF32 */
  uint64_t random = test_seed() + 2;
  static sum s;
  int i;
  (void)state;
  s.terms = MOST;
  for (i = 0; i < 4; ++i) {
    double largest, mean, expected;
    s.op = op_of(rows[i].kind, 1, 0);
    s.model = named[rows[i].model].of(s.op.a);
    mean = mean_use(&random, &s, POSITIVE, 20, &largest);
    expected = expected_loss(&s, total_of(&s, 1)) / bound_of(&s);
    printf(
        "  positive, K %d, %-10s n %2d: error %.2g, %.1f %% of the bound, "
        "expected %.1f %%\n",
        s.terms, named[rows[i].model].name, s.model.products,
        mean * bound_of(&s), 100.0 * mean, 100.0 * expected);
    assert_near(mean, expected, 0.05 * expected);
    assert_true(mean > 0.12 && mean < 0.18);
  }
}

/* Their losses have either sign, and cancel like the data. */
static void gaussian_data_use_a_few_percent(void **state) {
  static const int terms[] = {128, 1024, 8192};
  uint64_t random = test_seed() + 3;
  static sum s;
  int i, k;
  (void)state;
  for (i = 0; i < 3; i += 2)
    for (k = 0; k < 3; ++k) {
      double largest, mean;
      s.op = op_of(0, 1, 0);
      s.model = named[i].of(s.op.a);
      s.terms = terms[k];
      mean = mean_use(&random, &s, GAUSSIAN, 60, &largest);
      printf(
          "  Gaussian, K %4d, %-10s: %.2f %% of the bound, at most %.2f %%\n",
          s.terms, named[i].name, 100.0 * mean, 100.0 * largest);
      assert_true(largest < 0.05 && mean > 1e-4);
    }
}

/* The pair of significands whose product falls least short of a power of two,
 * and that power. */
static int fullest(sste_mma_type type, uint32_t *x, uint32_t *y) {
  const uint32_t one = 1u << digits_of(type);
  double best = 0.0;
  uint32_t i, j;
  int power = 0;
  for (i = one; i < 2 * one; ++i)
    for (j = i; j < 2 * one; ++j) {
      const double product = (double)i * j / one / one;
      const int up = product < 2.0 ? 1 : 2;
      if (ldexp(product, -up) < 1.0 && ldexp(product, -up) > best) {
        best = ldexp(product, -up);
        *x = i;
        *y = j;
        power = up;
      }
    }
  return power;
}

/* Product i, just below 2^exponent. */
static void plant_below(sum *s, int i, int exponent, int power, uint32_t x,
                        uint32_t y) {
  const int a = (exponent - power) / 2;
  s->a[i] = code_of(s->op.a, a, x);
  s->b[i] = code_of(s->op.b, exponent - power - a, y);
}

/* On top of C = 2^16 every product is just below one unit of what is kept, and
 * lost; but so many of a step are just below two units that the result, cut to
 * `output` bits, loses all but one unit of its last place as well. */
static int worst_data(sum *s) {
  const int F = s->model.fraction, n = s->model.products;
  const int doubled = (1 << (F - s->model.output)) - 1;
  uint32_t x = 0, y = 0;
  const int power = fullest(s->op.a, &x, &y);
  int i;
  for (i = 0; i < s->terms; ++i)
    plant_below(s, i, 16 - F + (i % n < doubled), power, x, y);
  s->c = test_bits(0x1p16f);
  return doubled;
}

/* The largest of a step's n + 1 terms is never cut, and a result loses at most
 * one unit less than its last place: no data use more than
 *     n + 2^(F - output) - 1 of the n + 1 + 2^(F - output) units allowed.   */
static void the_worst_data_nearly_reach_the_bound(void **state) {
  static const int kind_of[] = {0, 1, 2, 3, 6};
  static sum s;
  int i, k;
  (void)state;
  for (i = 0; i < NAMED; ++i)
    for (k = 0; k < 5; ++k) {
      double use, most;
      int doubled;
      s.op = op_of(kind_of[k], 1, 0);
      s.model = named[i].of(s.op.a);
      if (s.model.products == 0 || s.model.late) continue;
      s.terms = 4 * kept_of(s.op);
      doubled = worst_data(&s);
      use = use_of(&s);
      most = (double)(s.model.products + doubled) /
             (s.model.products + doubled + 2);
      printf("  worst, %-12s n %2d, F %d: %.1f %% of the bound, at most %.1f\n",
             named[i].name, s.model.products, s.model.fraction, 100.0 * use,
             100.0 * most);
      assert_true(use > 0.9 * most && use <= most);
    }
}

/* F16 results: each step adds half an ulp of 1, which a tie takes away. */
static void lost_ties_of_f16_reach_the_bound(void **state) {
  static sum s;
  int i;
  (void)state;
  memset(&s, 0, sizeof s);
  s.op = op_of(7, 1, 0);
  s.model = sste_mma_ampere(s.op.a);
  s.terms = 32;
  s.c = 0x3C00;
  for (i = 0; i < s.terms; i += 8) {
    s.a[i] = code_of(SSTE_MMA_F16, -11, 0);
    s.b[i] = code_of(SSTE_MMA_F16, 0, 0);
  }
  assert_int_equal(add_up(&s), 0x3C00);
  assert_true(use_of(&s) > 0.98 && use_of(&s) < 1.0);
}

/* C added late: each instruction's sum is half an ulp of C, which a tie takes
 * away; what its own steps lose does not grow with the number of instructions.
 */
static void late_roundings_nearly_reach_the_bound(void **state) {
  static sum s;
  double use;
  int i;
  (void)state;
  memset(&s, 0, sizeof s);
  s.op = op_of(3, 1, 0);
  s.model = sste_mma_hopper(s.op.a);
  s.terms = MOST;
  s.c = test_bits(0x1p14f);
  for (i = 0; i < s.terms; i += kept_of(s.op)) {
    s.a[i] = code_of(SSTE_MMA_E4M3, -5, 0);
    s.b[i] = code_of(SSTE_MMA_E4M3, -5, 0);
  }
  assert_int_equal(add_up(&s), s.c);
  use = use_of(&s);
  printf("  worst, late C, %d instructions: %.1f %% of the bound\n",
         s.terms / kept_of(s.op), 100.0 * use);
  assert_true(use > 0.9 && use <= 1.0);
}

/* ---- Its figures --------------------------------------------------------- */

static void the_figures_per_product_are_these(void **state) {
  static const struct {
    sste_mma_model (*of)(sste_mma_type operand);
    int kind;
    double per_product;
  } rows[] = {{sste_mma_ampere, 0, 0.6875 * 0x1p-23},
              {sste_mma_ada, 1, 0.6875 * 0x1p-23},
              {sste_mma_hopper, 0, 0.328125 * 0x1p-23},
              {sste_mma_blackwell, 1, 0.328125 * 0x1p-23},
              {sste_mma_ampere, 2, 0.875 * 0x1p-23},
              {sste_mma_hopper_wgmma, 2, 0.40625 * 0x1p-23},
              {sste_mma_ada, 3, 1.125 * 0x1p-13},
              {sste_mma_hopper_wgmma, 6, 1.0625 * 0x1p-13}};
  int i;
  (void)state;
  for (i = 0; i < (int)(sizeof rows / sizeof rows[0]); ++i) {
    const sste_mma_op op = op_of(rows[i].kind, 1, 0);
    const double bound = sste_mma_bound(op, rows[i].of(op.a), 8192);
    assert_true(bound == 8192 * rows[i].per_product);
  }
}

/* The comment's formula, its sums taken one step or instruction at a time. */
static double written_bound(sste_mma_op op, sste_mma_model m, size_t terms) {
  const int half = op.d == SSTE_MMA_F16;
  const double result = half ? 0x1p-11 : ldexp(1.0, -m.output);
  const double late = half ? 0x1p-11 : 0x1p-24;
  const size_t kept = (size_t)kept_of(op);
  double cut = 0.0, rounded = 0.0, up = 0.0, taken = 0.0;
  size_t begun;
  for (begun = 0; begun < terms; begun += kept) {
    const int steps = steps_of(op, m);
    if (begun == 0 || !m.late) {
      const size_t left = terms - begun;
      taken = (double)(left < kept ? left : kept);
      cut += ldexp(taken + steps, -m.fraction);
      rounded += steps * result;
      if (half) up += steps * result;
    }
    if (m.late) rounded += late;
    if (m.late) up += late;
  }
  return up < 1.0 ? (cut + rounded) / (1.0 - up) : HUGE_VAL;
}

static void the_bound_is_the_written_formula(void **state) {
  uint64_t random = test_seed() + 4;
  int i;
  (void)state;
  for (i = 0; i < 20000; ++i) {
    const int terms = random_terms(&random) - (i % 8 == 0);
    const sste_mma_op op =
        op_of(below(&random, KINDS), below(&random, 2), below(&random, 2));
    const sste_mma_model m = random_model(&random);
    const double want = written_bound(op, m, (size_t)terms);
    const double got = sste_mma_bound(op, m, (size_t)terms);
    if (want < HUGE_VAL)
      assert_near(got, want, 1e-13 * want);
    else
      assert_true(got == HUGE_VAL);
  }
}

static void a_begun_instruction_counts_its_steps_in_full(void **state) {
  const sste_mma_op op = sste_mma_sparse(SSTE_MMA_F16, 32);
  const sste_mma_model m = sste_mma_ampere(SSTE_MMA_F16);
  (void)state;
  assert_true(sste_mma_bound(op, m, 0) == 0.0);
  assert_true(sste_mma_bound(op, m, 1) == 3 * 0x1p-24 + 2 * 0x1p-23);
  assert_true(sste_mma_bound(op, m, 16) == 18 * 0x1p-24 + 2 * 0x1p-23);
  assert_true(sste_mma_bound(op, m, 17) == 21 * 0x1p-24 + 4 * 0x1p-23);
  assert_true(sste_mma_bound(op, m, 1024) == 1152 * 0x1p-24 + 128 * 0x1p-23);
}

static void too_many_f16_roundings_have_no_bound(void **state) {
  sste_mma_op op = sste_mma_sparse(SSTE_MMA_F16, 16);
  const sste_mma_model m = sste_mma_ampere(SSTE_MMA_F16);
  (void)state;
  op.d = SSTE_MMA_F16;
  assert_true(sste_mma_bound(op, m, 2048 * 8) == HUGE_VAL);
  assert_true(sste_mma_bound(op, m, 2047 * 8) ==
              (2047 * 9 * 0x1p-24 + 2047 * 0x1p-11) * 2048);
}

static void integers_have_no_error(void **state) {
  sste_mma_op op = sste_mma_sparse(SSTE_MMA_S8, 64);
  (void)state;
  assert_true(sste_mma_bound(op, sste_mma_ada(op.a), 0) == 0.0);
  assert_true(sste_mma_bound(op, sste_mma_ampere(op.a), 4096) == 0.0);
  op.b = SSTE_MMA_U8;
  op.saturate = 1;
  assert_true(sste_mma_bound(op, sste_mma_hopper(op.a), 1) == 0.0);
}

static void what_is_refused_has_no_bound_and_long_sums_have(void **state) {
  sste_mma_op op = sste_mma_sparse(SSTE_MMA_E4M3, 64);
  (void)state;
  assert_true(sste_mma_bound(op, sste_mma_ampere(op.a), 1) == HUGE_VAL);
  assert_true(sste_mma_bound(op, sste_mma_ada(op.a), SIZE_MAX) >
              0x1p-13 * (double)SIZE_MAX);
  op.k = 0;
  assert_true(sste_mma_bound(op, sste_mma_ada(op.a), 1) == HUGE_VAL);
}

/* ---- Small numbers ------------------------------------------------------- */

/* F16: 2^-24 * 2^15 has the exponent 1, though it is 2^-9, and seven products
 * of nearly 2^-23 are cut off beside it. */
static void a_subnormal_factor_counts_as_the_smallest_normal(void **state) {
  static sum s;
  int i;
  (void)state;
  memset(&s, 0, sizeof s);
  s.op = sste_mma_sparse(SSTE_MMA_F16, 16);
  s.model = sste_mma_ampere(SSTE_MMA_F16);
  s.terms = 8;
  s.a[0] = 1;
  s.b[0] = code_of(SSTE_MMA_F16, 15, 0);
  for (i = 1; i < 8; ++i) plant_below(&s, i, -23, 2, 2047, 2047);
  assert_int_equal(add_up(&s), test_bits(0x1p-9f));
  assert_true(error_of(&s) > 100 * bound_of(&s) * total_of(&s, 1));
  assert_true(error_of(&s) > 0.5 * bound_of(&s) * total_of(&s, 0));
  assert_true(error_of(&s) <= bound_of(&s) * total_of(&s, 0));
}

static void need_least_loss(const sum *s, double at_least) {
  const double error = error_of(s), bound = bound_of(s) * total_of(s, 0);
  assert_true(error > 2 * bound);
  assert_true(error > at_least * least_loss(s));
  assert_true(error <= bound + least_loss(s));
}

/* BF16: two products of nearly 2^-150 make nearly 2^-149, and that makes 0. */
static void a_result_below_the_least_normal_loses_its_last_place(void **state) {
  static sum s;
  (void)state;
  memset(&s, 0, sizeof s);
  s.op = sste_mma_sparse(SSTE_MMA_BF16, 16);
  s.model = sste_mma_hopper(SSTE_MMA_BF16);
  s.terms = 3;
  plant_below(&s, 0, -150, 2, 255, 255);
  plant_below(&s, 1, -150, 2, 255, 255);
  assert_int_equal(add_up(&s), 0);
  need_least_loss(&s, 0.3);
}

/* The exponent of an accumulator of 2^-24 in F16 is -14: with F = 13, fifteen
 * products of 1.75 * 2^-28 are cut off below 2^-27, none of them subnormal. */
static void a_subnormal_accumulator_cuts_all_terms(void **state) {
  static sum s;
  int i;
  (void)state;
  memset(&s, 0, sizeof s);
  s.op = sste_mma_sparse(SSTE_MMA_E5M2, 64);
  s.op.d = SSTE_MMA_F16;
  s.model = sste_mma_ada(SSTE_MMA_E5M2);
  s.terms = 16;
  s.c = 1;
  for (i = 0; i < 15; ++i) plant_below(&s, i, -27, 1, 7, 4);
  assert_int_equal(add_up(&s), 1);
  need_least_loss(&s, 0.3);
}

/* A model may cut at a fixed place: 8 products of nearly 2^-24. */
static void the_least_exponent_of_a_model_cuts_all_terms(void **state) {
  static sum s;
  int i;
  (void)state;
  memset(&s, 0, sizeof s);
  s.op = sste_mma_sparse(SSTE_MMA_F16, 16);
  s.model = sste_mma_ampere(SSTE_MMA_F16);
  s.model.least = 0;
  s.terms = 8;
  for (i = 0; i < 8; ++i) plant_below(&s, i, -24, 2, 2047, 2047);
  assert_int_equal(add_up(&s), 0);
  need_least_loss(&s, 0.8);
}

/* ---- The probe ----------------------------------------------------------- */

/* An instruction to be asked, which counts the questions and may fail one. */
typedef struct machine {
  sste_mma_op op;
  sste_mma_model model;
  int calls, fails_at;
} machine;

/* The element of type `type` at index i of a register. */
static uint32_t element(uint32_t word, sste_mma_type type, int i) {
  const int width = slow_mma_width(type);
  return width == 32 ? word : word >> (width * i) & ((1u << width) - 1);
}

static int position(const uint32_t *e, sste_mma_op op, int p) {
  const int of = op.a == SSTE_MMA_TF32 ? 1 : 2, chunk = p / of;
  int lane, bit, nibble;
  slow_mma_nibble_at(&lane, &bit, op, 0, 0, chunk);
  nibble = (int)(e[lane] >> bit & 15);
  if (of == 1) return 2 * chunk + (nibble == 0xE);
  return 4 * chunk + (nibble >> (2 * (p % 2)) & 3);
}

/* Row 0 of the instruction; the other rows of A must be empty. */
static void first_row(const machine *m, uint32_t *d, const uint32_t *a,
                      const uint32_t *b, const uint32_t *c, const uint32_t *e) {
  const int per = 32 / slow_mma_width(m->op.a), kept = kept_of(m->op);
  uint32_t x[64] = {0}, y[8][64], column[8][64] = {{0}};
  int lane, reg, i, p;
  memset(d, 0, 4 * 32 * sizeof *d);
  for (lane = 0; lane < 32; ++lane)
    for (reg = 0; reg < 4; ++reg)
      for (i = 0; i < per; ++i) {
        const slow_mma_cell at_a = slow_mma_cell_a(per, lane, reg, i);
        const slow_mma_cell at_b = slow_mma_cell_b(per, lane, reg, i);
        const uint32_t found = element(a[32 * reg + lane], m->op.a, i);
        if (at_a.col < kept && at_a.row == 0) x[at_a.col] = found;
        if (at_a.col < kept && at_a.row != 0) assert_int_equal(found, 0);
        if (at_b.row < m->op.k)
          column[at_b.col][at_b.row] = element(b[32 * reg + lane], m->op.b, i);
      }
  for (i = 0; i < 8; ++i) {
    const uint32_t start = c[32 * (i % 2) + i / 2];
    for (p = 0; p < kept; ++p) y[i][p] = column[i][position(e, m->op, p)];
    d[32 * (i % 2) + i / 2] =
        sste_mma_dot(m->op, m->model, x, y[i], kept, start);
  }
}

static sste_status ask_first_row(void *context, uint32_t *d, const uint32_t *a,
                                 const uint32_t *b, const uint32_t *c,
                                 const uint32_t *e) {
  machine *m = (machine *)context;
  if (++m->calls == m->fails_at) return SSTE_ERR_PATTERN;
  first_row(m, d, a, b, c, e);
  return SSTE_OK;
}

static sste_status ask_all(void *context, uint32_t *d, const uint32_t *a,
                           const uint32_t *b, const uint32_t *c,
                           const uint32_t *e) {
  machine *m = (machine *)context;
  ++m->calls;
  return sste_mma_sp(d, a, b, c, e, 0, m->op, m->model, NULL, NULL);
}

/* Sparse, with sums in F32: the first `F32_KINDS` kinds, 16-bit ones twice. */
static sste_mma_op probed_op(int i) {
  return i < F32_KINDS ? op_of(i, 1, 0) : op_of(i - F32_KINDS, 1, 1);
}
enum { PROBED = F32_KINDS + 2 };

static void expect_finding(const sste_mma_finding *found, sste_mma_op op,
                           sste_mma_model m) {
  const int kept = kept_of(op), steps = steps_of(op, m);
  int i;
  assert_int_equal(found->kept, kept);
  assert_int_equal(found->steps, steps);
  for (i = 0; i < kept; ++i)
    assert_int_equal(found->step[i], slow_mma_step_of(m, i, steps));
  assert_int_equal(found->fraction, m.fraction);
  assert_int_equal(found->output,
                   m.output < m.fraction ? m.output : m.fraction);
  assert_int_equal(found->late, m.late);
}

/* Whether two models look alike from outside. */
static int look_alike(sste_mma_op op, sste_mma_model x, sste_mma_model y) {
  const int p = steps_of(op, x), q = steps_of(op, y);
  int i,
      alike = x.fraction == y.fraction && x.late == y.late &&
              clamp(x.output, 1, x.fraction) == clamp(y.output, 1, y.fraction);
  for (i = 0; i < kept_of(op); ++i)
    alike &= slow_mma_step_of(x, i, p) == slow_mma_step_of(y, i, q);
  return alike;
}

/* Of the models that differ in one field only those that act alike agree;
 * returns how many do not. */
static int expect_agreement(const sste_mma_finding *found, sste_mma_op op,
                            sste_mma_model m) {
  int field, by, differ = 0;
  assert_int_equal(sste_mma_agrees(found, op, m), 1);
  for (field = 0; field < 5; ++field)
    for (by = -1; by <= 1; by += 2) {
      sste_mma_model other = m;
      int alike;
      if (field == 0) other.products += by;
      if (field == 1) other.fraction += by;
      if (field == 2) other.output += by;
      if (field == 3) other.late = !m.late;
      if (field == 4)
        other.grouping = (sste_mma_grouping)(((int)m.grouping + 3 + by) % 3);
      if (sste_mma_model_check(other) != SSTE_OK) continue;
      alike = look_alike(op, m, other);
      assert_int_equal(sste_mma_agrees(found, op, other), alike);
      differ += !alike;
    }
  return differ;
}

static void the_probe_finds_every_named_model(void **state) {
  int i, k;
  (void)state;
  for (k = 0; k < PROBED; ++k)
    for (i = 0; i < NAMED; ++i) {
      machine m = {probed_op(k), {0, 0, 0, 0, SSTE_MMA_CONSECUTIVE, 0}, 0, 0};
      sste_mma_finding found;
      m.model = named[i].of(m.op.a);
      if (m.model.products == 0) continue;
      test_poison(&found, sizeof found);
      assert_int_equal(sste_mma_probe(&found, m.op, ask_first_row, &m),
                       SSTE_OK);
      expect_finding(&found, m.op, m.model);
      assert_true(expect_agreement(&found, m.op, m.model) >= 4);
      assert_true(m.calls <= 2048);
    }
}

static void the_probe_finds_random_models(void **state) {
  const int models = test_level() == 2 ? 600 : 60;
  uint64_t random = test_seed() + 5;
  int i;
  (void)state;
  for (i = 0; i < models; ++i) {
    machine m;
    sste_mma_finding found;
    m.calls = m.fails_at = 0;
    m.op = probed_op(below(&random, PROBED));
    m.model.products = 3 + below(&random, 30);
    m.model.fraction = 1 + below(&random, 27);
    m.model.output = 1 + below(&random, 23);
    m.model.least = -126;
    m.model.grouping = (sste_mma_grouping)(i % 3);
    m.model.late = i / 3 % 2;
    assert_int_equal(sste_mma_probe(&found, m.op, ask_first_row, &m), SSTE_OK);
    expect_finding(&found, m.op, m.model);
    assert_true(expect_agreement(&found, m.op, m.model) >= 2);
  }
}

/* The comment's example, and one that shares nothing with it. */
static void the_probe_takes_the_emulated_instruction(void **state) {
  machine m = {sste_mma_sparse(SSTE_MMA_F16, 32), sste_mma_ampere(SSTE_MMA_F16),
               0, 0};
  sste_mma_finding found;
  int i;
  (void)state;
  assert_int_equal(sste_mma_probe(&found, m.op, ask_all, &m), SSTE_OK);
  assert_int_equal(found.steps, 2);
  for (i = 0; i < 16; ++i) assert_int_equal(found.step[i], i >= 8);
  assert_int_equal(found.fraction, 24);
  assert_int_equal(found.output, 23);
  assert_int_equal(found.late, 0);
  m.op = sste_mma_sparse(SSTE_MMA_BF16, 16);
  m.model.products = 4;
  m.model.fraction = 20;
  m.model.output = 18;
  m.model.grouping = SSTE_MMA_BY_SLOT;
  m.model.late = 1;
  assert_int_equal(sste_mma_probe(&found, m.op, ask_all, &m), SSTE_OK);
  expect_finding(&found, m.op, m.model);
}

/* With a product a step the first and second step look like one, and without
 * three products to a step its bits cannot be seen. */
static void steps_of_one_or_two_hide_their_bits(void **state) {
  machine m = {sste_mma_sparse(SSTE_MMA_F16, 32), sste_mma_ampere(SSTE_MMA_F16),
               0, 0};
  sste_mma_finding found;
  int n, i;
  (void)state;
  for (n = 1; n <= 2; ++n) {
    m.model.products = n;
    assert_int_equal(sste_mma_probe(&found, m.op, ask_first_row, &m), SSTE_OK);
    for (i = 0; i < 16; ++i)
      assert_int_equal(found.step[i], n == 2 ? i / 2 : i == 0 ? 0 : i - 1);
    assert_int_equal(found.steps, n == 2 ? 8 : 15);
    assert_int_equal(found.fraction, -1);
    assert_int_equal(found.output, -1);
    assert_int_equal(sste_mma_agrees(&found, m.op, m.model), 0);
  }
}

/* 2^-12 beside 2^16 is never lost then. */
static void a_fraction_of_28_and_more_is_28(void **state) {
  machine m = {sste_mma_sparse(SSTE_MMA_TF32, 16),
               sste_mma_ampere(SSTE_MMA_TF32), 0, 0};
  sste_mma_finding found;
  (void)state;
  for (m.model.fraction = 27; m.model.fraction <= 40; ++m.model.fraction) {
    const int seen = m.model.fraction < 28;
    assert_int_equal(sste_mma_probe(&found, m.op, ask_first_row, &m), SSTE_OK);
    assert_int_equal(found.fraction, seen ? 27 : 28);
    assert_int_equal(found.output, 23);
    assert_int_equal(found.steps, seen ? 2 : 1);
  }
}

static void a_failing_run_ends_the_probe(void **state) {
  machine m = {sste_mma_sparse(SSTE_MMA_TF32, 16),
               sste_mma_ampere(SSTE_MMA_TF32), 0, 0};
  sste_mma_finding found;
  int calls;
  (void)state;
  assert_int_equal(sste_mma_probe(&found, m.op, ask_first_row, &m), SSTE_OK);
  calls = m.calls;
  for (m.fails_at = 1; m.fails_at <= calls; ++m.fails_at) {
    m.calls = 0;
    assert_int_equal(sste_mma_probe(&found, m.op, ask_first_row, &m),
                     SSTE_ERR_PATTERN);
    assert_int_equal(m.calls, m.fails_at);
  }
}

static void the_probe_refuses_what_it_cannot_ask(void **state) {
  machine m = {sste_mma_sparse(SSTE_MMA_F16, 32), sste_mma_ampere(SSTE_MMA_F16),
               0, 0};
  sste_mma_finding found;
  sste_mma_op bad[4];
  int i;
  (void)state;
  bad[0] = sste_mma_dense(SSTE_MMA_F16, 16);
  bad[1] = sste_mma_sparse(SSTE_MMA_F16, 64);
  bad[2] = sste_mma_sparse(SSTE_MMA_S8, 64);
  bad[3] = m.op;
  bad[3].d = SSTE_MMA_F16;
  assert_int_equal(sste_mma_probe(NULL, m.op, ask_first_row, &m),
                   SSTE_ERR_NULL);
  assert_int_equal(sste_mma_probe(&found, m.op, NULL, &m), SSTE_ERR_NULL);
  for (i = 0; i < 4; ++i)
    assert_int_equal(sste_mma_probe(&found, bad[i], ask_first_row, &m),
                     SSTE_ERR_VALUE);
  assert_int_equal(m.calls, 0);
}

static void only_what_was_found_agrees(void **state) {
  machine m = {sste_mma_sparse(SSTE_MMA_F16, 32), sste_mma_hopper(SSTE_MMA_F16),
               0, 0};
  sste_mma_model none = m.model, unseen = m.model;
  const sste_mma_op shorter = sste_mma_sparse(SSTE_MMA_F16, 16);
  sste_mma_finding found, other;
  int i;
  (void)state;
  assert_int_equal(sste_mma_probe(&found, m.op, ask_first_row, &m), SSTE_OK);
  assert_int_equal(sste_mma_agrees(&found, m.op, m.model), 1);
  assert_int_equal(sste_mma_agrees(NULL, m.op, m.model), 0);
  none.products = 0;
  assert_int_equal(sste_mma_agrees(&found, m.op, none), 0);
  unseen.least = -133;
  assert_int_equal(sste_mma_agrees(&found, m.op, unseen), 1);
  assert_int_equal(sste_mma_agrees(&found, shorter, m.model), 0);
  for (i = 0; i < 16; ++i) {
    other = found;
    ++other.step[i];
    assert_int_equal(sste_mma_agrees(&other, m.op, m.model), 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_sum_exceeds_the_bound),
      cmocka_unit_test(positive_data_use_a_sixth),
      cmocka_unit_test(gaussian_data_use_a_few_percent),
      cmocka_unit_test(the_worst_data_nearly_reach_the_bound),
      cmocka_unit_test(lost_ties_of_f16_reach_the_bound),
      cmocka_unit_test(late_roundings_nearly_reach_the_bound),
      cmocka_unit_test(the_figures_per_product_are_these),
      cmocka_unit_test(the_bound_is_the_written_formula),
      cmocka_unit_test(a_begun_instruction_counts_its_steps_in_full),
      cmocka_unit_test(too_many_f16_roundings_have_no_bound),
      cmocka_unit_test(what_is_refused_has_no_bound_and_long_sums_have),
      cmocka_unit_test(integers_have_no_error),
      cmocka_unit_test(a_subnormal_factor_counts_as_the_smallest_normal),
      cmocka_unit_test(a_result_below_the_least_normal_loses_its_last_place),
      cmocka_unit_test(a_subnormal_accumulator_cuts_all_terms),
      cmocka_unit_test(the_least_exponent_of_a_model_cuts_all_terms),
      cmocka_unit_test(the_probe_finds_every_named_model),
      cmocka_unit_test(the_probe_finds_random_models),
      cmocka_unit_test(the_probe_takes_the_emulated_instruction),
      cmocka_unit_test(steps_of_one_or_two_hide_their_bits),
      cmocka_unit_test(a_fraction_of_28_and_more_is_28),
      cmocka_unit_test(a_failing_run_ends_the_probe),
      cmocka_unit_test(the_probe_refuses_what_it_cannot_ask),
      cmocka_unit_test(only_what_was_found_agrees),
  };
  return cmocka_run_group_tests(tests, make_pool, NULL);
}
