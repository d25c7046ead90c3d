/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_mvue_nm.c - sste_mvue.h beyond 2:4: N of M, pairs, the exact variance,
 * the paper's approximation, their tensors, and three faults of the published
 * code. Probabilities are held against exact fractions; means and variances
 * are counted over all 2^23 uniforms.
 */
#include "slow_mvue.h"
#include "slow_rational.h"
#include "sste_mvue.h"
#include "test.h"

#define DRAWS (1u << 23)
#define LAST (DRAWS - 1u)
#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* ---- Hard groups --------------------------------------------------------- */

static const int pattern[10][2] = {{1, 2},  {2, 4},  {1, 4},  {3, 4},
                                   {3, 7},  {4, 8},  {8, 16}, {16, 32},
                                   {1, 32}, {31, 32}};

enum {
  NORMAL,
  DOMINANT,
  TIES,
  EQUAL,
  NEARLY_EQUAL,
  SUBNORMAL,
  ZEROS,
  BINADES,
  HUGE_ONES,
  POWERS,
  BALANCED,
  ANY_FLOAT,
  INFINITE,
  KINDS
};

static float hard_element(int kind, int i, uint64_t *s) {
  const double z = test_normal(s), u = test_uniform(s);
  switch (kind) {
    case DOMINANT: return (float)(i == 1 ? ldexp(z, (int)(30 * u)) : z);
    case TIES: return (float)(1 + (int)(3 * u));
    case EQUAL: return 1.25f;
    case NEARLY_EQUAL: return (float)(1 + 0.03 * u);
    case SUBNORMAL: return test_float(1u + (uint32_t)(ldexp(40 * u, i % 3)));
    case ZEROS: return (float)(u < 0.5 ? 0.0 : z);
    case BINADES: return (float)ldexp(z, (int)(40 * u) - 20);
    case HUGE_ONES: return u < 0.5 ? FLT_MAX : ldexpf((float)(1 + u), 126);
    case POWERS: return ldexpf(1.0f, i);
    case BALANCED: return (float)(1 + (int)(9 * u));
    case ANY_FLOAT: return test_float((uint32_t)(u * 0x7F800000));
    case INFINITE: return i == 1 ? HUGE_VALF : (float)z;
    default: return (float)z;
  }
}

/* The largest is what n - 1 more of its kind would balance, S = n max, where
 * it just becomes certain; or the next float on either side.                */
static void balance(float *a, int n, int m, uint64_t *s) {
  double rest = 0.0;
  int i;
  for (i = 1; i < m; ++i) rest += (double)a[i];
  a[0] = (float)(n > 1 ? rest / (n - 1) : rest);
  a[0] = test_float(test_bits(a[0]) - 1u + (uint32_t)(test_random(s) % 3));
}

static void hard_group(float *a, int n, int m, int kind, uint64_t *s) {
  int i;
  for (i = 0; i < m; ++i) a[i] = hard_element(kind, i, s);
  if (kind == BALANCED) balance(a, n, m, s);
  for (i = 0; i < m; ++i) {
    const int other = (int)(test_random(s) % (uint64_t)(i + 1));
    const float x = a[i];
    a[i] = a[other];
    a[other] = test_random(s) % 2 ? -x : x;
  }
}

typedef void check_group(const float *a, int n, int m);

/* Calls a check on `count` groups of every kind and every N:M, on fewer of the
 * long ones that are dear.                                                  */
static void for_hard_groups(check_group *check, int count, int long_count) {
  uint64_t s = test_seed();
  size_t p;
  int kind, t;
  for (p = 0; p < LENGTH(pattern); ++p)
    for (kind = 0; kind < KINDS; ++kind)
      for (t = 0; t < (pattern[p][1] > 8 ? long_count : count); ++t) {
        float a[32];
        hard_group(a, pattern[p][0], pattern[p][1], kind, &s);
        check(a, pattern[p][0], pattern[p][1]);
      }
}

static void require(int ok, const float *a, int n, int m, const char *what) {
  int i;
  if (ok) return;
  fprintf(stderr, "%d:%d\n", n, m);
  for (i = 0; i < m; ++i) test_print_float("a", a[i]);
  fail_msg("%s", what);
}

static int count_nonzeros(const float *a, int m) {
  int i, count = 0;
  for (i = 0; i < m; ++i) count += a[i] != 0.0f;
  return count;
}

static int smaller(int x, int y) { return x < y ? x : y; }

/* ---- Water-filling, exactly ---------------------------------------------- */

/* p_i = cell_i / rest and tau = rest / places, in units of 2^-149. */
typedef struct water {
  int n, m, places, sure[32];
  big b[32], cell[32], rest;
} water;

static int largest_left(const water *x, const float *a) {
  int i, top = -1;
  for (i = 0; i < x->m; ++i)
    if (!x->sure[i] && a[i] != 0.0f && (top < 0 || fabsf(a[i]) > fabsf(a[top])))
      top = i;
  return top;
}

/* In order of magnitude: while the largest one left asks for at least a whole
 * place, it gets one and leaves. An infinity asks for one before all others. */
static water fill(const float *a, int n, int m) {
  water x;
  int i, top;
  x.n = x.places = n;
  x.m = m;
  x.rest = big_of(0);
  for (i = 0; i < m; ++i) {
    x.sure[i] = isinf(a[i]) != 0;
    x.b[i] = isinf(a[i]) ? big_of(0) : big_of_float(a[i]);
    x.places -= x.sure[i];
    x.rest = big_add(x.rest, x.b[i]);
  }
  while ((top = largest_left(&x, a)) >= 0 && x.places > 0 &&
         big_compare(big_times(x.b[top], (uint64_t)x.places), x.rest) >= 0) {
    x.sure[top] = 1;
    x.rest = big_gap(x.rest, x.b[top]);
    --x.places;
  }
  if (big_is_zero(x.rest)) { /* all got a place: tau = 0 / 1 */
    x.places = 1;
    for (i = 0; i < m; ++i) x.cell[i] = big_of((uint64_t)x.sure[i]);
  } else {
    for (i = 0; i < m; ++i)
      x.cell[i] = x.sure[i] ? x.rest : big_times(x.b[i], (uint64_t)x.places);
  }
  return x;
}

/* What p is a fraction of; not 0. */
static big whole(const water *x) {
  return big_is_zero(x->rest) ? big_of(1) : x->rest;
}

/* 2:4 and 1:2 are worked out in float, the others in double. */
static int is_single(int n, int m) { return m == 2 * n && n <= 2; }

/* tau is below 2^-126, where floats thin out: survivors are coarse, and so is
 * all that is worked out in float.                                          */
static int is_subnormal(const water *x) {
  const big edge = big_shift(big_of((uint64_t)x->places), 23);
  return big_compare(x->rest, edge) < 0;
}
static int is_thin(const water *x) {
  return is_single(x->n, x->m) && is_subnormal(x);
}

/* sum b_i (tau - b_i) over the chances, times `places`, in units of 2^-298. */
static big exact_variance(const water *x) {
  big sum = big_of(0);
  int i;
  for (i = 0; i < x->m; ++i)
    if (!x->sure[i] && x->places > 0)
      sum = big_add(sum, big_multiply(x->b[i], big_gap(x->rest, x->cell[i])));
  return sum;
}

/* sum b_i max(b_i, tau), likewise. */
static big exact_second_moment(const water *x) {
  big sum = exact_variance(x);
  int i;
  for (i = 0; i < x->m; ++i)
    sum = big_add(
        sum, big_times(big_multiply(x->b[i], x->b[i]), (uint64_t)x->places));
  return sum;
}

/* ---- Probabilities ------------------------------------------------------- */

/* In float tau has seen three roundings, and where floats are thin, tau and b
 * may be off by 2^-149 or two. In double there are seven at most.           */
static void check_prob(const float *a, int n, int m) {
  const water x = fill(a, n, m);
  const int single = is_single(n, m), nonzeros = count_nonzeros(a, m);
  const big thin = big_of(single ? 3u * (uint64_t)x.places : 0u);
  const int bits = single ? 22 : 49;
  long double sum = 0.0L;
  double p[33];
  int i;
  test_poison(p, sizeof p);
  sste_mvue_group_prob(p, a, n, m);
  for (i = 0; i < m; ++i) {
    const big slack = big_add(x.cell[i], big_shift(thin, bits));
    require(p[i] >= 0.0 && p[i] <= 1.0, a, n, m, "p is in [0, 1]");
    require(a[i] != 0.0f || p[i] == 0.0, a, n, m, "a zero has p = 0");
    require(big_is_near(p[i], x.cell[i], whole(&x), slack, bits), a, n, m,
            "p is the exact fraction");
    sum += p[i];
  }
  if (!is_thin(&x))
    require(fabsl(sum - smaller(n, nonzeros)) <= (single ? 0x1p-21 : 0x1p-45),
            a, n, m, "p adds up to min(n, non-zeros)");
}

static void prob_is_the_exact_fraction(void **state) {
  (void)state;
  for_hard_groups(check_prob, 100, 40);
}

static void prob_by_hand(void **state) {
  static const float a[4] = {1, 2, 3, 4};
  static const double expected[3][4] = {
      {.1, .2, .3, .4}, {.2, .4, .6, .8}, {1. / 3, 2. / 3, 1, 1}};
  double p[4];
  int n, i;
  (void)state;
  for (n = 1; n < 4; ++n) {
    sste_mvue_group_prob(p, a, n, 4);
    for (i = 0; i < 4; ++i) assert_true(p[i] == expected[n - 1][i]);
  }
}

static void check_prob24_bits(const float *a, int n, int m) {
  double p[4], q[4];
  if (n != 2 || m != 4) return;
  sste_mvue_group_prob(p, a, 2, 4);
  sste_mvue24_group_prob(q, a);
  require(memcmp(p, q, sizeof p) == 0, a, 2, 4, "p is that of the 2:4 form");
}

/* ---- Second moment and variance ------------------------------------------ */

/* Both to a part of the exact second moment, scaled to units of 2^-298. With
 * thin floats tau may be off by 2^-150.                                     */
static void check_moments(const float *a, int n, int m) {
  const water x = fill(a, n, m);
  const big variance = exact_variance(&x), second = exact_second_moment(&x);
  const big places = big_of((uint64_t)x.places);
  const int bits = is_single(n, m) ? 20 : 45;
  const double v = sste_mvue_group_variance(a, n, m);
  const double e = sste_mvue_group_second_moment(a, n, m);
  big slack = second, sum = big_of(0);
  int i, infinite = 0, nonzeros = 0;
  for (i = 0; i < m; ++i) {
    sum = big_add(sum, x.b[i]);
    infinite |= isinf(a[i]) != 0;
    nonzeros += a[i] != 0.0f;
  }
  if (is_thin(&x))
    slack = big_add(slack, big_shift(big_times(sum, (uint64_t)x.places), bits));
  if (infinite && n == 1 && nonzeros > 1)
    require(isinf(v) && v > 0.0, a, n, m, "finite entries have no place");
  else
    require(big_is_near(ldexp(v, 298), variance, places, slack, bits), a, n, m,
            "the variance is the exact one");
  if (infinite)
    require(isinf(e) && e > 0.0, a, n, m, "an infinity is the second moment");
  else
    require(big_is_near(ldexp(e, 298), second, places, slack, bits), a, n, m,
            "the second moment is the exact one");
}

static void moments_are_exact(void **state) {
  (void)state;
  for_hard_groups(check_moments, 100, 40);
}

/* Golden vectors, and the examples of the comments. */
static void moments_golden(void **state) {
  static const float a[7][4] = {{1, 2, 3, 4}, {1, 1, 1, 1}, {1, 1, 1, 9},
                                {1, 2, 3, 6}, {1, 2, 3, 5}, {0, 0, 3, 4},
                                {2, 0, 0, 0}};
  static const double num[7][4] = {{1, 2, 3, 4}, {1, 1, 1, 1},  {1, 1, 1, 3},
                                   {1, 2, 3, 6}, {2, 4, 6, 10}, {0, 0, 1, 1},
                                   {1, 0, 0, 0}};
  static const double den[7] = {5, 2, 3, 6, 11, 1, 1};
  static const double variance[7] = {20, 4, 6, 22, 21.5, 0, 0};
  double p[4];
  int t, i;
  (void)state;
  for (t = 0; t < 7; ++t) {
    double squares = 0.0;
    sste_mvue_group_prob(p, a[t], 2, 4);
    for (i = 0; i < 4; ++i) {
      assert_true(p[i] == num[t][i] / den[t]);
      squares += (double)a[t][i] * (double)a[t][i];
    }
    assert_true(sste_mvue_group_variance(a[t], 2, 4) == variance[t]);
    assert_true(sste_mvue_group_second_moment(a[t], 2, 4) ==
                variance[t] + squares);
  }
  assert_true(sste_mvue_group_second_moment(a[0], 2, 4) == 50.0);
  assert_true(sste_mvue_group_variance(a[0], 1, 4) == 70.0);
}

/* The closed forms of 2:4, with b in descending order: they meet where twice
 * the largest is the sum.                                                   */
static double closed_form24(const double b[4]) {
  const double sum = b[0] + b[1] + b[2] + b[3];
  const double squares = b[0] * b[0] + b[1] * b[1] + b[2] * b[2] + b[3] * b[3];
  if (b[2] == 0.0) return 0.0;
  if (2.0 * b[0] <= sum) return 0.5 * sum * sum - squares;
  return 2.0 * (b[1] * b[2] + b[1] * b[3] + b[2] * b[3]);
}

static void variance24_closed_forms(void **state) {
  int i, j, k, l;
  (void)state;
  for (i = 0; i < 16; ++i)
    for (j = 0; j <= i; ++j)
      for (k = 0; k <= j; ++k)
        for (l = 0; l <= k; ++l) {
          const double b[4] = {i, j, k, l};
          const float a[4] = {(float)k, (float)-i, (float)l, (float)j};
          assert_true(sste_mvue_group_variance(a, 2, 4) == closed_form24(b));
        }
}

static void variance12_is_twice_the_product(void **state) {
  int i, j;
  (void)state;
  for (i = 0; i < 40; ++i)
    for (j = 0; j < 40; ++j) {
      const float a[2] = {(float)i, (float)-j};
      assert_true(sste_mvue_group_variance(a, 1, 2) == 2.0 * i * j);
    }
}

/* p = min(1, c w) with the c that makes it add up to n. */
static void rival_from(double *p, const double *w, int n, int m) {
  double lo = 0.0, hi = 1e9;
  int step, i;
  for (step = 0; step < 80; ++step) {
    const double c = 0.5 * (lo + hi);
    double sum = 0.0;
    for (i = 0; i < m; ++i) sum += p[i] = c * w[i] < 1.0 ? c * w[i] : 1.0;
    if (sum < n)
      lo = c;
    else
      hi = c;
  }
}

/* Some rivals come from quite other weights, some from nearly the best ones;
 * these come close, so the variance cannot be claimed too small either.     */
static void variance_is_never_beaten(void **state) {
  uint64_t s = test_seed();
  size_t c;
  int t, i;
  (void)state;
  for (c = 0; c < LENGTH(pattern); ++c)
    for (t = 0; t < 2000; ++t) {
      const int n = pattern[c][0], m = pattern[c][1];
      const double spread = t % 2 ? 1.0 : 1e-3;
      double w[32], p[32], v = 0.0, best;
      float a[32];
      for (i = 0; i < m; ++i) {
        a[i] = (float)test_normal(&s);
        w[i] = fabs((double)a[i]) * exp(spread * test_normal(&s));
      }
      rival_from(p, w, n, m);
      for (i = 0; i < m; ++i)
        v += (double)a[i] * (double)a[i] * (1.0 - p[i]) / p[i];
      best = sste_mvue_group_variance(a, n, m);
      require(v >= best - 0x1p-20 * sste_mvue_group_second_moment(a, n, m), a,
              n, m, "a rival has less variance");
      if (t % 2 == 0) require(v <= best * 1.01 + 1e-5, a, n, m, "too small");
    }
}

/* ---- Where the outcome changes ------------------------------------------- */

typedef uint32_t outcome_at(void *subject, uint32_t k);

/* The outcomes for u = k * 2^-23 as k grows, and for how many k each. */
typedef struct stretches {
  int count;
  uint32_t outcome[256], draws[256];
} stretches;

static void add_stretch(stretches *s, uint32_t outcome, uint32_t draws) {
  if (s->count == 0 || s->outcome[s->count - 1] != outcome) {
    assert_true(s->count < 256);
    s->outcome[s->count] = outcome;
    s->draws[s->count++] = 0;
  }
  s->draws[s->count - 1] += draws;
}

/* As u grows every point moves on along the line and never back, so two equal
 * ends have nothing else between them.                                      */
static void bisect(stretches *s, outcome_at *f, void *subject, uint32_t lo,
                   uint32_t at_lo, uint32_t hi, uint32_t at_hi) {
  const uint32_t mid = lo + (hi - lo) / 2;
  if (at_lo == at_hi) {
    add_stretch(s, at_lo, hi - lo + 1);
  } else if (mid == lo) {
    add_stretch(s, at_lo, 1);
    add_stretch(s, at_hi, 1);
  } else {
    const uint32_t at_mid = f(subject, mid);
    bisect(s, f, subject, lo, at_lo, mid, at_mid);
    bisect(s, f, subject, mid + 1, f(subject, mid + 1), hi, at_hi);
  }
}

static stretches find_stretches(outcome_at *f, void *subject) {
  stretches s;
  s.count = 0;
  bisect(&s, f, subject, 0, f(subject, 0), LAST, f(subject, LAST));
  return s;
}

/* All k, or every `step`th. */
static void assert_stretches(const stretches *s, outcome_at *f, void *subject,
                             uint32_t step) {
  uint32_t k, end = 0;
  int i = -1;
  for (k = 0; k < DRAWS; k += step) {
    while (k >= end) end += s->draws[++i];
    if (f(subject, k) != s->outcome[i]) fail_msg("an outcome hides at %u", k);
  }
}

/* ---- The draw ------------------------------------------------------------ */

/* The word whose uniform is k * 2^-23; its low bits are littered. */
static uint32_t word_of(uint32_t k) {
  return k << 9 | (k * 2654435761u >> 16 & 511u);
}

/* A group, and what its survivors have been so far. */
typedef struct drawn_group {
  const float *a;
  int n, m, nonzeros;
  float survivor[32];
} drawn_group;

static drawn_group group_of(const float *a, int n, int m) {
  drawn_group g;
  g.a = a;
  g.n = n;
  g.m = m;
  g.nonzeros = count_nonzeros(a, m);
  memset(g.survivor, 0, sizeof g.survivor);
  return g;
}

/* The fast forms of 2:4 and 1:2 give the same bits, NaN included. */
static void assert_fast_forms(const float *a, int n, int m, uint32_t word,
                              const float *out) {
  float fast[4];
  if (n == 2 && m == 4)
    sste_mvue24_group_draw(fast, a, word);
  else if (n == 1 && m == 2)
    sste_mvue12_group_draw(fast, a, word);
  else
    return;
  require(memcmp(fast, out, (size_t)m * sizeof *out) == 0, a, n, m,
          "the fast form draws the same bits");
}

/* Who survives, as bits of a mask. Always min(n, non-zeros) do, no zero among
 * them, with the sign they had and always the same value.                   */
static uint32_t draw_group(void *subject, uint32_t k) {
  drawn_group *g = (drawn_group *)subject;
  uint32_t mask = 0;
  float out[33];
  int i, alive = 0;
  test_poison(out, sizeof out);
  sste_mvue_group_draw(out, g->a, g->n, g->m, word_of(k));
  require(test_bits(out[g->m]) == 0xCACACACAu, g->a, g->n, g->m,
          "writes m values");
  for (i = 0; i < g->m; ++i) {
    if (test_bits(out[i]) == 0) continue;
    if (g->survivor[i] == 0.0f) g->survivor[i] = out[i];
    require(test_bits(g->survivor[i]) == test_bits(out[i]) &&
                (out[i] < 0.0f ? g->a[i] < 0.0f : g->a[i] > 0.0f),
            g->a, g->n, g->m, "a survivor has one value and a's sign");
    mask |= 1u << i;
    ++alive;
  }
  require(alive == smaller(g->n, g->nonzeros), g->a, g->n, g->m,
          "min(n, non-zeros) survive");
  assert_fast_forms(g->a, g->n, g->m, word_of(k), out);
  return mask;
}

/* How often elements i and j survive together; i = j: how often i does. */
typedef struct census {
  uint32_t count[32][32];
  float survivor[32];
} census;

static census count_draws(const float *a, int n, int m) {
  drawn_group g = group_of(a, n, m);
  const stretches s = find_stretches(draw_group, &g);
  census c;
  int t, i, j;
  memset(&c, 0, sizeof c);
  memcpy(c.survivor, g.survivor, sizeof c.survivor);
  for (t = 0; t < s.count; ++t)
    for (i = 0; i < m; ++i)
      for (j = 0; j < m; ++j)
        if (s.outcome[t] >> i & s.outcome[t] >> j & 1)
          c.count[i][j] += s.draws[t];
  return c;
}

static double worst_mean[2]; /* in double, in float: 0.36 and 0.75 seen */

/* |count v / 2^23 - a| <= 2^-21 max(|a|, tau), and 2^-147 more where tau is
 * subnormal; both sides times 2^23 places, in units of 2^-149. Where survivors
 * are infinite, or one element is, the count alone is held against p.       */
static void check_mean(const water *x, const census *c, const float *a, int i) {
  const uint64_t places = (uint64_t)x->places;
  const big b = big_times(x->b[i], places);
  const big larger = big_compare(b, x->rest) > 0 ? b : x->rest;
  const uint64_t count = c->count[i][i];
  big gap, allowed;
  if (isinf(c->survivor[i]) || places == 0) {
    gap = big_gap(big_times(whole(x), count), big_shift(x->cell[i], 23));
    allowed = big_shift(whole(x), 2);
  } else {
    gap = big_gap(big_times(big_of_float(c->survivor[i]), count * places),
                  big_shift(b, 23));
    allowed = big_shift(larger, 2);
    if (is_subnormal(x)) allowed = big_add(allowed, big_of(places << 25));
  }
  require(big_compare(gap, allowed) <= 0, a, x->n, x->m, "the mean is a");
  if (!is_subnormal(x) && !big_is_zero(allowed)) {
    double *worst = &worst_mean[is_single(x->n, x->m)];
    const double ratio = big_ratio(gap, allowed);
    if (ratio > *worst) *worst = ratio;
  }
}

/* Certain by more than rounding could hide: there every time, unchanged. */
static void check_certain(const water *x, const census *c, const float *a,
                          int i) {
  const big asked = big_times(x->b[i], (uint64_t)x->places);
  const int clear =
      big_compare(big_shift(big_gap(asked, x->rest), 20), x->rest) > 0;
  if (!x->sure[i] || (!clear && !isinf(a[i]))) return;
  require(c->count[i][i] == DRAWS, a, x->n, x->m, "the certain one is lost");
  require(test_bits(c->survivor[i]) == test_bits(a[i]), a, x->n, x->m,
          "the certain one is changed");
}

/* Each of the cells is off by four draws at most, of size tau. All times
 * 2^23 places^2, in units of 2^-298.                                        */
static void check_variance(const water *x, const census *c, const float *a) {
  const uint64_t places = (uint64_t)x->places;
  big sum = big_of(0), allowed, wanted;
  int i;
  for (i = 0; i < x->m; ++i) {
    const uint64_t count = c->count[i][i];
    big gap;
    if (isinf(c->survivor[i])) return;
    gap = big_gap(big_of_float(c->survivor[i]), x->b[i]);
    sum = big_add(sum, big_times(big_multiply(gap, gap), count));
    sum =
        big_add(sum, big_times(big_multiply(x->b[i], x->b[i]), DRAWS - count));
  }
  sum = big_times(sum, places * places);
  wanted = big_shift(big_times(exact_variance(x), places), 23);
  allowed = big_times(big_multiply(x->rest, x->rest), 4u * (uint64_t)x->m);
  if (is_subnormal(x))
    allowed = big_add(
        allowed, big_shift(big_times(x->rest, places * (uint64_t)x->m), 27));
  require(big_compare(big_gap(sum, wanted), allowed) <= 0, a, x->n, x->m,
          "the variance is the least one");
}

/* ---- Pairs --------------------------------------------------------------- */

/* Where two cells overlap on the circle of length tau, cut open: the first cell
 * on its second lap against the other on the first three. In cells' units.  */
static big overlap(const water *x, const big *start, int i, int j) {
  const big from_i = big_add(start[i], x->rest);
  const big to_i = big_add(from_i, x->cell[i]);
  big sum = big_of(0), from_j = start[j];
  int lap;
  for (lap = 0; lap < 3; ++lap) {
    const big to_j = big_add(from_j, x->cell[j]);
    const big from = big_compare(from_i, from_j) > 0 ? from_i : from_j;
    const big to = big_compare(to_i, to_j) < 0 ? to_i : to_j;
    if (big_compare(from, to) < 0) sum = big_add(sum, big_gap(to, from));
    from_j = big_add(from_j, x->rest);
  }
  return sum;
}

static void lay_out(const water *x, big *start) {
  big end = big_of(0);
  int i;
  for (i = 0; i < x->m; ++i) {
    start[i] = end;
    end = big_add(end, x->cell[i]);
    while (big_compare(end, whole(x)) >= 0) end = big_gap(end, whole(x));
  }
}

/* In float, cells are as good as tau, so nothing is said of thin ones. */
static void check_pairs(const float *a, int n, int m) {
  const water x = fill(a, n, m);
  const int full = count_nonzeros(a, m) > n, single = is_single(n, m);
  double pair[32 * 32 + 1], p[32];
  big start[32];
  int i, j;
  if (is_thin(&x)) return;
  test_poison(pair, sizeof pair);
  sste_mvue_group_pair_prob(pair, a, n, m);
  sste_mvue_group_prob(p, a, n, m);
  lay_out(&x, start);
  for (i = 0; i < m; ++i) {
    double row = 0.0;
    require(pair[i * m + i] == p[i], a, n, m, "p is the diagonal");
    for (j = 0; j < m; ++j) {
      row += pair[i * m + j];
      require(i == j || p[i] < 1.0 || pair[i * m + j] == p[j], a, n, m,
              "a certain one is with j whenever j is there");
      require(fabs(pair[i * m + j] - pair[j * m + i]) <= 0x1p-46, a, n, m,
              "i with j is j with i");
      if (!x.sure[i] || !x.sure[j])
        require(big_is_near(pair[i * m + j], overlap(&x, start, i, j),
                            whole(&x), whole(&x), single ? 20 : 44),
                a, n, m, "a pair's chance is the exact overlap");
      else
        require(pair[i * m + j] == p[i] * p[j], a, n, m, "two certain ones");
    }
    if (full)
      require(fabs(row - n * p[i]) <= (single ? 0x1p-20 : 0x1p-43), a, n, m,
              "row i adds up to n p_i");
  }
}

static void pairs_are_the_exact_overlaps(void **state) {
  (void)state;
  for_hard_groups(check_pairs, 60, 6);
}

static void pairs_by_hand(void **state) {
  static const float a[4] = {1, 2, 3, 4};
  static const double expected[16] = {.2, 0, .2, 0,  0, .4, 0,  .4,
                                      .2, 0, .6, .4, 0, .4, .4, .8};
  double pair[16];
  int i;
  (void)state;
  sste_mvue_group_pair_prob(pair, a, 2, 4);
  for (i = 0; i < 16; ++i) assert_near(pair[i], expected[i], 0x1p-50);
}

/* Each end of the two arcs may be off by a draw or two. */
static void check_counted_pairs(const water *x, const census *c,
                                const float *a) {
  double pair[32 * 32], worst = 0.0;
  int i, j;
  sste_mvue_group_pair_prob(pair, a, x->n, x->m);
  for (i = 0; i < x->m; ++i)
    for (j = 0; j < x->m; ++j) {
      const double off = fabs(pair[i * x->m + j] * DRAWS - c->count[i][j]);
      if (off > worst) worst = off;
    }
  require(worst <= (is_single(x->n, x->m) ? 5.0 : 2.0), a, x->n, x->m,
          "the draws agree with the pairs");
}

/* Var<B, x> = sum x_i x_j (pair_ij B_i B_j - a_i a_j) */
static double variance_of_dot(const double *pair, const double *survivor,
                              const double *a, const double *x, int m) {
  double sum = 0.0;
  int i, j;
  for (i = 0; i < m; ++i)
    for (j = 0; j < m; ++j)
      sum += x[i] * x[j] *
             (pair[i * m + j] * survivor[i] * survivor[j] - a[i] * a[j]);
  return sum;
}

static void pairs_give_the_variance_of_a_dot_product(void **state) {
  static const float a[4] = {1, 2, 3, 4};
  static const double b[4] = {1, 2, 3, 4}, five[4] = {5, 5, 5, 5};
  static const double mixed[4] = {1, -1, 1, -1}, ones[4] = {1, 1, 1, 1};
  double pair[16];
  (void)state;
  sste_mvue_group_pair_prob(pair, a, 2, 4);
  assert_near(variance_of_dot(pair, five, b, mixed, 4), 56.0, 1e-12);
  assert_near(variance_of_dot(pair, five, b, ones, 4), 0.0, 1e-12);
}

/* ---- All draws of a group ------------------------------------------------ */

static void check_draws(const float *a, int n, int m) {
  const water x = fill(a, n, m);
  const census c = count_draws(a, n, m);
  int i;
  for (i = 0; i < m; ++i) {
    check_mean(&x, &c, a, i);
    check_certain(&x, &c, a, i);
  }
  check_variance(&x, &c, a);
  if (!is_thin(&x)) check_counted_pairs(&x, &c, a);
}

static void draws_have_mean_and_least_variance(void **state) {
  (void)state;
  for_hard_groups(check_draws, test_level() == 2 ? 600 : 25,
                  test_level() == 2 ? 40 : 2);
  print_message(
      "largest error of a mean, times 2^-21 max(|a|, tau): "
      "%.3f in double, %.3f in float\n",
      worst_mean[0], worst_mean[1]);
}

/* The search for stretches misses none: every one of the 2^23 outcomes of a few
 * groups, and of one of every kind and N:M if there is time.                */
static void check_every_draw(const float *a, int n, int m) {
  drawn_group g = group_of(a, n, m);
  const stretches s = find_stretches(draw_group, &g);
  assert_stretches(&s, draw_group, &g, test_level() == 2 ? 1 : 8);
}

static void outcomes_change_only_where_they_were_found(void **state) {
  static const float a[8] = {1, -2, 3, 4, 0.1f, 7, -0x1p-20f, 6};
  const float thin[4] = {0x1.4p-145f, -0x1p-146f, -0x1.ep-146f, 0x1.5p-144f};
  (void)state;
  check_every_draw(a, 2, 4);
  check_every_draw(a, 3, 8);
  check_every_draw(thin, 3, 4);
  if (test_level() == 2) for_hard_groups(check_every_draw, 1, 0);
}

static void draws_by_hand(void **state) {
  static const float a[4] = {1, 2, 3, 4};
  static const float expected[2][4] = {{0, 0, 10, 0}, {0, 5, 0, 5}};
  float out[4];
  int n;
  (void)state;
  for (n = 1; n < 3; ++n) {
    sste_mvue_group_draw(out, a, n, 4, 0x80000000u);
    assert_memory_equal(out, expected[n - 1], sizeof out);
  }
}

/* Of two equal ones for one certain place, the lower index gets it. Both reach
 * tau = 1, since e is lost beside them; u = 0 falls into the cell of e.     */
static void of_equal_ones_the_lower_index_is_certain(void **state) {
  static const float a[4] = {0x1p-60f, 1, 1, 1};
  static const float b[4] = {0x1p-60f, 1, 1, 0x1p-60f};
  static const float a_drawn[4] = {1, 1, 1, 0}, b_drawn[4] = {1, 1, 0, 0};
  float out[4];
  (void)state;
  sste_mvue_group_draw(out, a, 3, 4, 0);
  assert_memory_equal(out, a_drawn, sizeof out);
  sste_mvue_group_draw(out, b, 2, 4, 0);
  assert_memory_equal(out, b_drawn, sizeof out);
}

static void check_in_place(const float *a, int n, int m) {
  const uint32_t word = (uint32_t)test_bits(a[0]) * 2654435761u;
  float out[32], same[32];
  memcpy(same, a, (size_t)m * sizeof *same);
  sste_mvue_group_draw(out, a, n, m, word);
  sste_mvue_group_draw(same, same, n, m, word | 511u);
  require(memcmp(out, same, (size_t)m * sizeof *out) == 0, a, n, m,
          "in place, and with other low bits, the draw is the same");
}

static void draws_in_place_and_ignores_the_low_bits(void **state) {
  (void)state;
  for_hard_groups(check_in_place, 20, 20);
}

/* ---- What N:M may be, and special values --------------------------------- */

static void bad_patterns_touch_nothing(void **state) {
  static const int bad[8][2] = {{0, 4},  {-1, 4}, {4, 4},   {5, 4},
                                {1, 33}, {1, 1},  {32, 32}, {1, -4}};
  static const float a[33] = {1, 2, 3, 4};
  float out[33], out_before[33];
  double p[33 * 33], p_before[33 * 33];
  size_t t;
  (void)state;
  test_poison(out_before, sizeof out);
  test_poison(p_before, sizeof p);
  for (t = 0; t < LENGTH(bad); ++t) {
    const int n = bad[t][0], m = bad[t][1];
    memcpy(out, out_before, sizeof out);
    memcpy(p, p_before, sizeof p);
    sste_mvue_group_draw(out, a, n, m, 1);
    sste_mvue_group_prob(p, a, n, m);
    sste_mvue_group_pair_prob(p, a, n, m);
    assert_memory_equal(out, out_before, sizeof out);
    assert_memory_equal(p, p_before, sizeof p);
    assert_true(isnan(sste_mvue_group_variance(a, n, m)));
    assert_true(isnan(sste_mvue_group_second_moment(a, n, m)));
  }
}

/* How far up an element stands: NaN, then infinity, then by magnitude, and the
 * lower index first. The n first ones carry the NaNs of a lost group.       */
static int rank_of(const float *a, int m, int i) {
  int j, rank = 0;
  for (j = 0; j < m; ++j) {
    const int tie = isnan(a[i]) ? isnan(a[j]) : fabsf(a[i]) == fabsf(a[j]);
    const int above = isnan(a[j]) ? !isnan(a[i]) : fabsf(a[j]) > fabsf(a[i]);
    rank += above || (tie && j < i);
  }
  return rank;
}

static void assert_lost(const float *a, int n, int m) {
  double p[32], pair[32 * 32];
  float out[32];
  int i, j;
  test_poison(out, sizeof out);
  sste_mvue_group_prob(p, a, n, m);
  sste_mvue_group_pair_prob(pair, a, n, m);
  sste_mvue_group_draw(out, a, n, m, 0x12345678u);
  assert_fast_forms(a, n, m, 0x12345678u, out);
  for (i = 0; i < m; ++i) {
    const int top = rank_of(a, m, i) < n;
    assert_true(p[i] == top);
    assert_int_equal(test_bits(out[i]), top ? 0x7FC00000u : 0u);
    for (j = 0; j < m; ++j)
      assert_true(pair[i * m + j] == (top && rank_of(a, m, j) < n));
  }
  assert_true(isnan(sste_mvue_group_variance(a, n, m)));
  assert_true(isnan(sste_mvue_group_second_moment(a, n, m)));
}

/* One or more NaNs of either sign and any payload, or two infinities. */
static void lost_groups_are_nan(void **state) {
  uint64_t s = test_seed();
  size_t c;
  int t, kind;
  (void)state;
  for (c = 0; c < LENGTH(pattern); ++c)
    for (kind = 0; kind < KINDS; ++kind)
      for (t = 0; t < 20; ++t) {
        const int n = pattern[c][0], m = pattern[c][1];
        const int i = (int)(test_random(&s) % (uint64_t)m);
        const int j = (i + 1 + (int)(test_random(&s) % (uint64_t)(m - 1))) % m;
        const uint32_t sign = (uint32_t)(t & 2) << 30;
        float a[32];
        hard_group(a, n, m, kind, &s);
        a[i] = test_float(sign | 0x7F800001u | (uint32_t)t << 17);
        if (t % 4 == 3) a[j] = -HUGE_VALF;
        assert_lost(a, n, m);
        a[i] = t % 2 ? HUGE_VALF : -HUGE_VALF;
        a[j] = HUGE_VALF;
        assert_lost(a, n, m);
      }
}

/* Every group of special values: the fast forms agree to the bit, and every
 * group that is not lost has its mean, its sign and +0 for the rest.        */
static void special_groups(void **state) {
  static const float special[12] = {
      0.0f,    -0.0f,      0x1p-149f, -0x1p-149f, 0x1p-126f, 1.0f,
      FLT_MAX, -0x1p+127f, HUGE_VALF, -HUGE_VALF, NAN,       -0x1p+125f};
  int code, n, i;
  (void)state;
  for (code = 0; code < 12 * 12 * 12 * 12; code += 1 + code % 3) {
    int digits = code, infinities = 0, nans = 0;
    float a[4];
    for (i = 0; i < 4; ++i, digits /= 12) {
      a[i] = special[digits % 12];
      infinities += isinf(a[i]) != 0;
      nans += isnan(a[i]) != 0;
    }
    check_prob24_bits(a, 2, 4);
    for (n = 1; n < 4; ++n) {
      drawn_group g = group_of(a, n, 4);
      if (nans > 0 || infinities > 1)
        assert_lost(a, n, 4);
      else
        draw_group(&g, (uint32_t)code * 2654435761u % DRAWS);
    }
    if (isnan(a[0]) || isnan(a[1]) || (isinf(a[0]) && isinf(a[1]))) {
      assert_lost(a, 1, 2);
    } else {
      drawn_group g = group_of(a, 1, 2);
      draw_group(&g, (uint32_t)code * 2654435761u % DRAWS);
    }
  }
}

static void prob_of_2_4_is_that_of_the_fast_form(void **state) {
  (void)state;
  for_hard_groups(check_prob24_bits, 500, 0);
}

/* A place is held for the certain one although it comes last and rounding
 * leaves no room for it: S = 2^24 + 1 is 2^24 in float, so tau is the last
 * element, and the others, 2^23 + 1, are longer than tau.                   */
static void a_place_is_held_for_the_certain_one(void **state) {
  static const float a[4] = {4194304, 2097152, 2097153, 8388608};
  static const float expected[4] = {8388608, 0, 0, 8388608};
  float out[4];
  (void)state;
  sste_mvue_group_draw(out, a, 2, 4, 0);
  assert_memory_equal(out, expected, sizeof out);
  sste_mvue24_group_draw(out, a, 0);
  assert_memory_equal(out, expected, sizeof out);
}

/* ---- The paper's approximation ------------------------------------------- */

/* pi_i = num_i / den, with rest_j = S - |a_j| and den = S rest_0 .. rest_3:
 *   num_i = |a_i| (prod rest + sum over j != i of |a_j| prod of rest but j's)
 * One infinity is drawn first; the others share one place.                  */
typedef struct two_draws {
  big b[4], num[4], den, sum;
} two_draws;

static big product_without(const big *rest, int skip) {
  big product = big_of(1);
  int k;
  for (k = 0; k < 4; ++k)
    if (k != skip) product = big_multiply(product, rest[k]);
  return product;
}

static two_draws draw_twice(const float *a) {
  two_draws x;
  big rest[4];
  int i, j, infinite = -1;
  x.sum = big_of(0);
  for (i = 0; i < 4; ++i) {
    if (isinf(a[i])) infinite = i;
    x.b[i] = isinf(a[i]) ? big_of(0) : big_of_float(a[i]);
    x.sum = big_add(x.sum, x.b[i]);
  }
  for (i = 0; i < 4; ++i) rest[i] = big_gap(x.sum, x.b[i]);
  x.den = big_multiply(x.sum, product_without(rest, -1));
  for (i = 0; i < 4; ++i) {
    big weight = product_without(rest, -1);
    for (j = 0; j < 4; ++j)
      if (j != i)
        weight =
            big_add(weight, big_multiply(x.b[j], product_without(rest, j)));
    x.num[i] = big_multiply(x.b[i], weight);
    if (infinite >= 0) x.num[i] = i == infinite ? x.sum : x.b[i];
  }
  if (infinite >= 0) x.den = x.sum;
  return x;
}

static void check_approx_prob(const float *a, int n, int m) {
  double p[4];
  int i;
  if (n != 2 || m != 4) return;
  test_poison(p, sizeof p);
  sste_mvue24_group_prob_approx(p, a);
  if (count_nonzeros(a, 4) <= 2) {
    for (i = 0; i < 4; ++i) assert_true(p[i] == (a[i] != 0.0f));
  } else {
    const two_draws x = draw_twice(a);
    for (i = 0; i < 4; ++i)
      require(p[i] <= 1.0 && big_is_near(p[i], x.num[i], x.den, x.num[i], 49),
              a, n, m, "pi is the exact fraction");
  }
}

static void approx_prob_is_the_exact_fraction(void **state) {
  (void)state;
  for_hard_groups(check_approx_prob, 300, 0);
}

/* sum b^2 (1 - pi) / pi */
static double approx_variance(const two_draws *x) {
  double sum = 0.0;
  int i;
  for (i = 0; i < 4; ++i) {
    const double b = big_ratio(x->b[i], big_shift(big_of(1), 149));
    if (b > 0.0)
      sum += b * b * big_ratio(big_gap(x->den, x->num[i]), x->num[i]);
  }
  return sum;
}

/* The exact one, a dominant element or not; and against the exact optimum it is
 * never less and never twice as much.                                       */
static void check_approx_variance(const float *a, int n, int m) {
  const double v = sste_mvue24_group_variance_approx(a);
  if (n != 2 || m != 4) return;
  if (count_nonzeros(a, 4) <= 2) {
    require(v == 0.0, a, n, m, "nothing is left to chance");
  } else {
    const two_draws x = draw_twice(a);
    const water optimum = fill(a, 2, 4);
    const double exact = approx_variance(&x);
    const double least =
        big_ratio(exact_variance(&optimum),
                  big_shift(big_of((uint64_t)optimum.places), 298));
    require(fabs(v - exact) <= 0x1p-46 * exact, a, n, m,
            "the variance is that of the exact pi");
    require(v >= least * (1.0 - 0x1p-46), a, n, m, "the optimum is beaten");
    require(v < 2.0 * least * (1.0 + 0x1p-46), a, n, m, "twice the optimum");
  }
}

static void approx_variance_is_below_twice_the_least(void **state) {
  (void)state;
  for_hard_groups(check_approx_variance, 300, 0);
}

static double approx_ratio(float first, float second, float others) {
  const float a[4] = {others, first, -others, second};
  return sste_mvue24_group_variance_approx(a) /
         sste_mvue_group_variance(a, 2, 4);
}

/* Nearly twice the least next to a dominant element. */
static void approx_variance_ratios(void **state) {
  (void)state;
  assert_near(approx_ratio(1, 1e-2f, 1e-2f), 1.9515, 5e-5);
  assert_near(approx_ratio(1, 1e-4f, 1e-4f), 1.9995, 5e-5);
  assert_near(approx_ratio(1, 0x1p-40f, 0x1p-40f), 2.0, 1e-9);
  assert_near(approx_ratio(1, 1, 1), 1.0, 1e-15);
  assert_near(approx_ratio(1, 1, 0x1p-20f), 13.0 / 12.0, 1e-5);
}

static void approx_by_hand(void **state) {
  static const float ones[4] = {1, 1, 1, 1}, a[4] = {1, 2, 3, 4};
  static const double p_of_a[4] = {.235, .441, .608, .716};
  static const float drawn[2][4] = {{2, 2, 0, 0}, {0, 2, 2, 0}};
  double p[4];
  float out[4];
  int i;
  (void)state;
  sste_mvue24_group_prob_approx(p, ones);
  for (i = 0; i < 4; ++i) assert_near(p[i], 0.5, 0x1p-53);
  sste_mvue24_group_prob_approx(p, a);
  for (i = 0; i < 4; ++i) assert_near(p[i], p_of_a[i], 5e-4);
  assert_near(sste_mvue24_group_variance_approx(ones), 4.0, 0x1p-48);
  assert_near(sste_mvue24_group_variance_approx(a), 20.47, 5e-3);
  sste_mvue24_group_draw_approx(out, ones, 0, 0);
  assert_memory_equal(out, drawn[0], sizeof out);
  /* u0 S = 1 is the next cell's; u1 rest = 1.5 is in the second that is left */
  sste_mvue24_group_draw_approx(out, ones, 0x40000000u, 0x80000000u);
  assert_memory_equal(out, drawn[1], sizeof out);
}

/* A group of more than two non-zeros, one of its two uniforms held fixed. */
typedef struct approx_group {
  const float *a;
  float survivor[4];
  uint32_t k0, first;
} approx_group;

static uint32_t draw_approx(approx_group *g, uint32_t k0, uint32_t k1) {
  uint32_t mask = 0;
  float out[4];
  int i, alive = 0;
  test_poison(out, sizeof out);
  sste_mvue24_group_draw_approx(out, g->a, word_of(k0), word_of(k1));
  for (i = 0; i < 4; ++i) {
    if (test_bits(out[i]) == 0) continue;
    if (g->survivor[i] == 0.0f) g->survivor[i] = out[i];
    require(test_bits(g->survivor[i]) == test_bits(out[i]) &&
                (out[i] < 0.0f ? g->a[i] < 0.0f : g->a[i] > 0.0f),
            g->a, 2, 4, "a survivor has one value and a's sign");
    mask |= 1u << i;
    ++alive;
  }
  require(alive == 2, g->a, 2, 4, "two survive");
  return mask;
}

/* Which is drawn first: the one that stays, wherever the second point falls. Or
 * both, where one of the others takes all second draws.                     */
static uint32_t first_drawn(void *subject, uint32_t k) {
  approx_group *g = (approx_group *)subject;
  return draw_approx(g, k, 0) & draw_approx(g, k, LAST);
}

static uint32_t second_drawn(void *subject, uint32_t k) {
  approx_group *g = (approx_group *)subject;
  return draw_approx(g, g->k0, k) & ~g->first;
}

/* In how many of the 2^46 pairs of uniforms each element survives. */
static void count_approx(approx_group *g, uint64_t count[4]) {
  const stretches firsts = find_stretches(first_drawn, g);
  uint32_t from = 0;
  int t, u, i;
  memset(count, 0, 4 * sizeof *count);
  for (t = 0; t < firsts.count; ++t) {
    const uint64_t draws = firsts.draws[t];
    stretches seconds;
    g->first = firsts.outcome[t];
    g->k0 = from;
    seconds = find_stretches(second_drawn, g);
    for (i = 0; i < 4; ++i) {
      if (firsts.outcome[t] >> i & 1) count[i] += draws << 23;
      for (u = 0; u < seconds.count; ++u)
        if (seconds.outcome[u] >> i & 1) count[i] += draws * seconds.draws[u];
    }
    from += firsts.draws[t];
  }
}

/* |count v / 2^46 - a| <= 2^-21 S, and half a unit for a subnormal survivor's
 * rounding; times 2^46. An infinity is there every time.                    */
static void check_approx_mean(const float *a, int n, int m) {
  approx_group g;
  uint64_t count[4];
  two_draws x;
  int i;
  if (n != 2 || m != 4 || count_nonzeros(a, 4) <= 2) return;
  memset(&g, 0, sizeof g);
  g.a = a;
  count_approx(&g, count);
  x = draw_twice(a);
  for (i = 0; i < 4; ++i) {
    const big whole_a = big_shift(x.b[i], 46);
    big allowed = big_shift(x.sum, 25), gap;
    allowed = big_add(allowed, big_shift(big_of(1), 45));
    if (isinf(a[i])) {
      require(count[i] == (uint64_t)1 << 46, a, n, m, "an infinity stays");
    } else if (!isinf(g.survivor[i])) {
      gap = big_gap(big_times(big_of_float(g.survivor[i]), count[i]), whole_a);
      require(big_compare(gap, allowed) <= 0, a, n, m, "the mean is a");
    }
  }
}

static void approx_mean_over_both_uniforms(void **state) {
  (void)state;
  for_hard_groups(check_approx_mean, test_level() == 2 ? 1000 : 100, 0);
}

static void approx_outcomes_change_only_where_they_were_found(void **state) {
  static const float a[4] = {1, -0.3f, 2, 0.7f};
  const uint32_t step = test_level() == 2 ? 1 : 64;
  approx_group g;
  stretches s;
  (void)state;
  memset(&g, 0, sizeof g);
  g.a = a;
  s = find_stretches(first_drawn, &g);
  assert_int_equal(s.count, 4);
  assert_stretches(&s, first_drawn, &g, step);
  g.first = 1;
  s = find_stretches(second_drawn, &g);
  assert_int_equal(s.count, 3);
  assert_stretches(&s, second_drawn, &g, step);
}

/* NaNs, infinities and zeros by rank, as for the optimum; up to two non-zeros
 * come back; in place is the same.                                          */
static void approx_special_values(void **state) {
  static const float special[9] = {0.0f, -0.0f,     0x1p-149f,  1.0f,   -2.0f,
                                   NAN,  HUGE_VALF, -HUGE_VALF, FLT_MAX};
  int code, i;
  (void)state;
  for (code = 0; code < 9 * 9 * 9 * 9; ++code) {
    int digits = code, infinities = 0, nans = 0, lost, nonzeros;
    float a[4], out[4], same[4];
    double p[4];
    for (i = 0; i < 4; ++i, digits /= 9) {
      a[i] = special[digits % 9];
      infinities += isinf(a[i]) != 0;
      nans += isnan(a[i]) != 0;
    }
    nonzeros = count_nonzeros(a, 4);
    lost = nans > 0 || infinities > 1;
    memcpy(same, a, sizeof a);
    sste_mvue24_group_prob_approx(p, a);
    sste_mvue24_group_draw_approx(out, a, 0x89ABCDEFu, 0x76543210u);
    sste_mvue24_group_draw_approx(same, same, 0x89ABCC00u, 0x765433FFu);
    assert_memory_equal(out, same, sizeof out);
    assert_true(isnan(sste_mvue24_group_variance_approx(a)) == lost);
    for (i = 0; i < 4; ++i) {
      if (lost) {
        assert_true(p[i] == (rank_of(a, 4, i) < 2));
        assert_int_equal(test_bits(out[i]), p[i] > 0.0 ? 0x7FC00000u : 0u);
      } else if (nonzeros <= 2) {
        assert_true(p[i] == (a[i] != 0.0f));
        assert_same_float(out[i], a[i] != 0.0f ? a[i] : 0.0f);
      } else {
        if (isinf(a[i])) assert_same_float(out[i], a[i]);
        if (a[i] == 0.0f) assert_int_equal(test_bits(out[i]), 0);
      }
    }
  }
}

/* ---- Tensors ------------------------------------------------------------- */

#define SIDE 96
#define AREA (SIDE * SIDE)

/* n = 0 stands for the approximation, of groups of four. */
static const int method[7][2] = {{1, 2}, {2, 4},   {3, 4}, {3, 7},
                                 {4, 8}, {31, 32}, {0, 4}};

/* One call, right until a test spoils it. */
typedef struct tensor_call {
  float *out;
  const float *a;
  size_t ldo, lda, rows, cols;
  int n, m;
  sste_axis axis;
  const sste_mvue_stream *stream;
} tensor_call;

static sste_status draw_tensor(const tensor_call *c) {
  return c->n == 0
             ? sste_mvue24_tensor_draw_approx(c->out, c->ldo, c->a, c->lda,
                                              c->rows, c->cols, c->axis,
                                              c->stream)
             : sste_mvue_tensor_draw(c->out, c->ldo, c->a, c->lda, c->rows,
                                     c->cols, c->n, c->m, c->axis, c->stream);
}

/* Word `word` of the Philox call at counter (call, run, step, tensor). */
static uint32_t slow_word(const sste_mvue_stream *s, size_t run, size_t call,
                          size_t word) {
  const uint32_t key[2] = {(uint32_t)(s->seed % 0x100000000u),
                           (uint32_t)(s->seed / 0x100000000u)};
  uint32_t x[4];
  x[0] = (uint32_t)call;
  x[1] = (uint32_t)run;
  x[2] = s->step;
  x[3] = s->tensor;
  slow_philox(x, key);
  return x[word];
}

static void expect_group(float *x, int n, int m, const sste_mvue_stream *s,
                         size_t r, size_t g) {
  const size_t run = s->run + r, group = s->group + g;
  if (n == 0)
    sste_mvue24_group_draw_approx(
        x, x, slow_word(s, run, group / 2, group % 2 * 2),
        slow_word(s, run, group / 2, group % 2 * 2 + 1));
  else
    sste_mvue_group_draw(x, x, n, m, sste_mvue_word(s, r, g));
}

/* Group by group, element by element. */
static void expect_tensor(float *out, const tensor_call *c) {
  const int down = c->axis == SSTE_DOWN_COLUMNS;
  const size_t runs = down ? c->cols : c->rows, m = (size_t)c->m;
  const size_t groups = (down ? c->rows : c->cols) / m;
  size_t r, g, i;
  for (r = 0; r < runs; ++r)
    for (g = 0; g < groups; ++g) {
      float x[32];
      for (i = 0; i < m; ++i)
        x[i] = c->a[down ? (g * m + i) * c->lda + r : r * c->lda + g * m + i];
      expect_group(x, c->n, c->m, c->stream, r, g);
      for (i = 0; i < m; ++i)
        out[down ? (g * m + i) * c->ldo + r : r * c->ldo + g * m + i] = x[i];
    }
}

static void random_matrix(float *a, uint64_t *s) {
  size_t i;
  for (i = 0; i < AREA; i += 8)
    hard_group(a + i, 3, 8, (int)(test_random(s) % KINDS), s);
}

static sste_mvue_stream random_stream(uint64_t *s) {
  sste_mvue_stream stream;
  stream.seed = test_random(s);
  stream.tensor = (uint32_t)test_random(s);
  stream.step = (uint32_t)test_random(s);
  stream.run = (size_t)(test_random(s) % 1000);
  stream.group = (size_t)(test_random(s) % 1000);
  return stream;
}

/* A random shape whose groups are full. */
static tensor_call random_call(const int *nm, int down, uint64_t *s) {
  const size_t m = (size_t)nm[1];
  const size_t runs = 1 + test_random(s) % 30;
  const size_t length = m * (1 + test_random(s) % (60 / m));
  tensor_call c;
  memset(&c, 0, sizeof c);
  c.n = nm[0];
  c.m = nm[1];
  c.axis = down ? SSTE_DOWN_COLUMNS : SSTE_ALONG_ROWS;
  c.rows = down ? length : runs;
  c.cols = down ? runs : length;
  c.lda = c.cols + test_random(s) % 20;
  c.ldo = c.cols + test_random(s) % 20;
  return c;
}

/* Any shape, stride and origin; padding stays poisoned, as the expectation is
 * poisoned there too. Then in place.                                        */
static void tensor_draws_its_groups(void **state) {
  static float a[AREA], out[AREA], expected[AREA];
  uint64_t s = test_seed();
  int t;
  (void)state;
  for (t = 0; t < 280; ++t) {
    const sste_mvue_stream stream = random_stream(&s);
    tensor_call c = random_call(method[t % 7], t / 7 % 2, &s);
    random_matrix(a, &s);
    test_poison(out, sizeof out);
    test_poison(expected, sizeof expected);
    c.out = out;
    c.a = a;
    c.stream = &stream;
    expect_tensor(expected, &c);
    assert_int_equal(draw_tensor(&c), SSTE_OK);
    assert_memory_equal(out, expected, sizeof out);
    c.out = a;
    c.ldo = c.lda;
    memcpy(expected, a, sizeof a);
    expect_tensor(expected, &c);
    assert_int_equal(draw_tensor(&c), SSTE_OK);
    assert_memory_equal(a, expected, sizeof a);
  }
}

/* Some runs and some groups of a matrix, drawn on their own from an origin that
 * says where they lie, are what they are in the whole.                      */
static void assert_slice(const float *whole_out, const tensor_call *c,
                         uint64_t *s) {
  const int down = c->axis == SSTE_DOWN_COLUMNS;
  const size_t m = (size_t)c->m, groups = SIDE / m;
  const size_t r = test_random(s) % SIDE, g = test_random(s) % groups;
  const size_t runs = 1 + test_random(s) % (SIDE - r);
  const size_t length = m * (1 + test_random(s) % (groups - g));
  const size_t from = down ? g * m * SIDE + r : r * SIDE + g * m;
  static float out[AREA];
  sste_mvue_stream stream = *c->stream;
  tensor_call slice = *c;
  size_t row;
  stream.run += r;
  stream.group += g;
  slice.stream = &stream;
  slice.a += from;
  slice.out = out;
  slice.rows = down ? length : runs;
  slice.cols = slice.ldo = down ? runs : length;
  test_poison(out, sizeof out);
  assert_int_equal(draw_tensor(&slice), SSTE_OK);
  for (row = 0; row < slice.rows; ++row)
    assert_memory_equal(out + row * slice.ldo, whole_out + from + row * SIDE,
                        slice.cols * sizeof *out);
}

static tensor_call square_call(int t, float *out, const float *a,
                               const sste_mvue_stream *stream) {
  tensor_call c;
  c.out = out;
  c.a = a;
  c.n = method[t / 2][0];
  c.m = method[t / 2][1];
  c.axis = t % 2 ? SSTE_DOWN_COLUMNS : SSTE_ALONG_ROWS;
  c.rows = c.cols = SIDE / (size_t)c.m * (size_t)c.m;
  c.lda = c.ldo = SIDE;
  c.stream = stream;
  return c;
}

static void tensor_slices_equal_the_whole(void **state) {
  static float a[AREA], out[AREA];
  uint64_t s = test_seed();
  int t, k;
  (void)state;
  for (t = 0; t < 14; ++t) {
    const sste_mvue_stream stream = random_stream(&s);
    tensor_call c = square_call(t, out, a, &stream);
    *(c.axis == SSTE_DOWN_COLUMNS ? &c.cols : &c.rows) = SIDE;
    random_matrix(a, &s);
    assert_int_equal(draw_tensor(&c), SSTE_OK);
    for (k = 0; k < 30; ++k) assert_slice(out, &c, &s);
  }
}

static void tensor_same_for_any_threads(void **state) {
  static const int threads[4] = {1, 2, 3, 64};
  static float a[AREA], out[4][AREA];
  uint64_t s = test_seed();
  int t, k;
  (void)state;
  for (t = 0; t < 14; ++t) {
    const sste_mvue_stream stream = random_stream(&s);
    random_matrix(a, &s);
    for (k = 0; k < 4; ++k) {
      const tensor_call c = square_call(t, out[k], a, &stream);
      test_threads(threads[k]);
      assert_int_equal(draw_tensor(&c), SSTE_OK);
      assert_memory_equal(out[0], out[k], sizeof out[0]);
    }
  }
  test_threads(1);
}

/* Columns are the rows of the transpose: the same runs, the same draws. */
static void tensor_down_is_along_the_transpose(void **state) {
  static float a[AREA], turned[AREA], down[AREA], along[AREA];
  uint64_t s = test_seed();
  size_t i, j;
  int t;
  (void)state;
  for (t = 0; t < 14; t += 2) {
    const sste_mvue_stream stream = random_stream(&s);
    const tensor_call rows = square_call(t, along, turned, &stream);
    const tensor_call columns = square_call(t + 1, down, a, &stream);
    random_matrix(a, &s);
    for (i = 0; i < SIDE; ++i)
      for (j = 0; j < SIDE; ++j) turned[j * SIDE + i] = a[i * SIDE + j];
    assert_int_equal(draw_tensor(&rows), SSTE_OK);
    assert_int_equal(draw_tensor(&columns), SSTE_OK);
    for (i = 0; i < rows.rows; ++i)
      for (j = 0; j < rows.cols; ++j)
        assert_same_float(down[j * SIDE + i], along[i * SIDE + j]);
  }
}

static void tensor_short_forms_are_the_general_one(void **state) {
  static float a[AREA], out[AREA], fast[AREA];
  uint64_t s = test_seed();
  int t;
  (void)state;
  for (t = 0; t < 4; ++t) { /* 1:2 and 2:4 */
    const sste_mvue_stream stream = random_stream(&s);
    const tensor_call c = square_call(t, out, a, &stream);
    random_matrix(a, &s);
    assert_int_equal(draw_tensor(&c), SSTE_OK);
    assert_int_equal(
        (c.m == 4 ? sste_mvue24_tensor_draw : sste_mvue12_tensor_draw)(
            fast, SIDE, a, SIDE, SIDE, SIDE, c.axis, &stream),
        SSTE_OK);
    assert_memory_equal(out, fast, sizeof out);
  }
}

/* ---- Tensors that are refused -------------------------------------------- */

#define HALF 4224 /* 64 x 66 */

static float refuse_memory[2 * HALF], refuse_before[2 * HALF];
static sste_mvue_stream refuse_stream;

/* Two groups to a run along either axis; out lies before a. */
static tensor_call good_call(int n, int m) {
  uint64_t s = test_seed();
  const sste_mvue_stream origin = {1, 2, 3, 4, 5};
  tensor_call c;
  size_t i;
  for (i = 0; i < LENGTH(refuse_memory); ++i)
    refuse_memory[i] = (float)test_normal(&s);
  memcpy(refuse_before, refuse_memory, sizeof refuse_before);
  refuse_stream = origin;
  c.out = refuse_memory;
  c.a = refuse_memory + HALF;
  c.n = n;
  c.m = m;
  c.rows = c.cols = 2 * (size_t)m;
  c.ldo = c.lda = c.cols + 1;
  c.axis = SSTE_ALONG_ROWS;
  c.stream = &refuse_stream;
  return c;
}

static void assert_call(const tensor_call *c, sste_status expected) {
  memcpy(refuse_memory, refuse_before, sizeof refuse_memory);
  assert_int_equal(draw_tensor(c), expected);
  if (expected != SSTE_OK)
    assert_memory_equal(refuse_memory, refuse_before, sizeof refuse_memory);
}

/* Every field of a call in turn. */
static void assert_refusals(int n, int m) {
  const size_t most = (size_t)PTRDIFF_MAX / sizeof(float) / (2 * (size_t)m);
  tensor_call c = good_call(n, m);
  int axis = 2; /* not an enumerator: through memory, past the warnings */
  assert_call(&c, SSTE_OK);
  c.out = NULL;
  assert_call(&c, SSTE_ERR_NULL);
  c = good_call(n, m);
  c.a = NULL;
  assert_call(&c, SSTE_ERR_NULL);
  c = good_call(n, m);
  c.stream = NULL;
  assert_call(&c, SSTE_ERR_NULL);
  c = good_call(n, m);
  c.lda = c.cols - 1;
  assert_call(&c, SSTE_ERR_SHAPE);
  c = good_call(n, m);
  c.ldo = c.cols - 1;
  assert_call(&c, SSTE_ERR_SHAPE);
  c = good_call(n, m);
  c.cols -= 1; /* half a group along rows, none down columns */
  assert_call(&c, SSTE_ERR_SHAPE);
  c.axis = SSTE_DOWN_COLUMNS;
  assert_call(&c, SSTE_OK);
  c.rows -= 1;
  assert_call(&c, SSTE_ERR_SHAPE);
  c = good_call(n, m);
  c.lda = most + 1;
  assert_call(&c, SSTE_ERR_SIZE);
  c = good_call(n, m);
  c.a = c.out + 1;
  assert_call(&c, SSTE_ERR_OVERLAP);
  c.a = c.out;
  c.lda += 1;
  assert_call(&c, SSTE_ERR_OVERLAP);
  c.lda -= 1;
  assert_call(&c, SSTE_OK);
  memcpy(&c.axis, &axis, sizeof c.axis);
  assert_call(&c, SSTE_ERR_VALUE);
}

static void refuses_bad_calls(void **state) {
  int t;
  (void)state;
  for (t = 0; t < 7; ++t) assert_refusals(method[t][0], method[t][1]);
}

/* Before anything else, so also where nothing would be drawn. */
static void refuses_bad_patterns(void **state) {
  static const int bad[6][2] = {{0, 4}, {-1, 4}, {4, 4},
                                {5, 4}, {1, 33}, {1, 1}};
  size_t t;
  (void)state;
  for (t = 0; t < LENGTH(bad); ++t) {
    tensor_call c = good_call(1, 2);
    memcpy(refuse_memory, refuse_before, sizeof refuse_memory);
    assert_int_equal(
        sste_mvue_tensor_draw(c.out, c.ldo, c.a, c.lda, 4, 4, bad[t][0],
                              bad[t][1], c.axis, c.stream),
        SSTE_ERR_VALUE);
    assert_memory_equal(refuse_memory, refuse_before, sizeof refuse_memory);
    assert_int_equal(sste_mvue_tensor_draw(NULL, 0, NULL, 0, 0, 0, bad[t][0],
                                           bad[t][1], c.axis, c.stream),
                     SSTE_ERR_VALUE);
  }
}

/* The last run and the last group are drawn from where they are; one more, and
 * the counter would wrap. A Philox call serves four groups, or two.         */
static void refuses_positions_past_the_counter(void **state) {
  int t;
  (void)state;
  if (sizeof(size_t) < 8) return;
  for (t = 0; t < 7; ++t) {
    const int n = method[t][0], m = method[t][1];
    const uint64_t groups = (uint64_t)1 << (n == 0 ? 33 : 34);
    tensor_call c = good_call(n, m);
    static float expected[2 * HALF];
    refuse_stream.run = 0xFFFFFFFFu - (c.rows - 1);
    refuse_stream.group = (size_t)(groups - 2);
    memcpy(expected, refuse_before, sizeof expected);
    expect_tensor(expected, &c);
    assert_call(&c, SSTE_OK);
    assert_memory_equal(refuse_memory, expected, sizeof expected);
    refuse_stream.group += 1;
    assert_call(&c, SSTE_ERR_SIZE);
    refuse_stream.group = SIZE_MAX;
    assert_call(&c, SSTE_ERR_SIZE);
    refuse_stream.group = 0;
    refuse_stream.run += 1;
    assert_call(&c, SSTE_ERR_SIZE);
    refuse_stream.run = SIZE_MAX;
    assert_call(&c, SSTE_ERR_SIZE);
  }
}

static void empty_matrices_need_no_memory(void **state) {
  int t;
  (void)state;
  for (t = 0; t < 14; ++t) {
    tensor_call c = square_call(t, NULL, NULL, NULL);
    c.rows = 0;
    assert_int_equal(draw_tensor(&c), SSTE_OK);
    c.rows = 1;
    c.cols = 0;
    assert_int_equal(draw_tensor(&c), SSTE_OK);
  }
}

/* ---- Three faults of the published code ---------------------------------- */

/* Each faulty rule is written out here and put to a check that ours pass. */

/* The pairs of the toolkit's exact routine for a_1 <= a_2 <= a_3 <= a_4; it was
 * released with a division by 2S in the place of one by S.                  */
static int published_pairs(double pair[4][4], const double a[4], int released) {
  const double s = a[0] + a[1] + a[2] + a[3], three = a[0] + a[1] + a[2];
  const double slip = released ? 2.0 : 1.0;
  int kind, i;
  memset(pair, 0, 16 * sizeof pair[0][0]);
  if (2.0 * a[0] + a[2] > a[3]) {
    kind = 1;
    pair[0][2] = (2.0 * a[0] + a[2] - a[3]) / (2.0 * s);
    pair[0][3] = (2.0 * a[0] - a[2] + a[3]) / (2.0 * s);
    pair[1][2] = (2.0 * a[1] + a[2] - a[3]) / (2.0 * s);
    pair[1][3] = (2.0 * a[1] - a[2] + a[3]) / (2.0 * s);
    pair[2][3] = (a[2] + a[3] - a[0] - a[1]) / s;
  } else if (three > a[3]) {
    kind = 2;
    pair[0][3] = 2.0 * a[0] / s;
    pair[1][2] = (three - a[3]) / s;
    pair[1][3] = (a[1] + a[3] - a[0] - a[2]) / (slip * s);
    pair[2][3] = (a[2] + a[3] - a[0] - a[1]) / s;
  } else {
    kind = 3;
    for (i = 0; i < 3; ++i) pair[i][3] = a[i] / three;
  }
  return kind;
}

/* The bias of a design: with two survivors, element i's chance is the sum of
 * its pairs'. Of the matrix the upper half is read.                         */
static double bias_of(double pair[4][4], const double *survivor,
                      const double *a) {
  double worst = 0.0;
  int i, j;
  for (i = 0; i < 4; ++i) {
    double p = 0.0;
    for (j = 0; j < 4; ++j)
      if (j != i) p += pair[i < j ? i : j][i < j ? j : i];
    if (fabs(p * survivor[i] - a[i]) > worst)
      worst = fabs(p * survivor[i] - a[i]);
  }
  return worst;
}

/* Ours for the same group, survivors seen in its draws. */
static double our_bias(const double *b) {
  double pair[4][4], survivor[4];
  float a[4];
  census c;
  int i;
  for (i = 0; i < 4; ++i) a[i] = (float)b[i];
  c = count_draws(a, 2, 4);
  for (i = 0; i < 4; ++i) survivor[i] = (double)c.survivor[i];
  sste_mvue_group_pair_prob(pair[0], a, 2, 4);
  return bias_of(pair, survivor, b);
}

/* Released: biased in case II always, in case III unless a_4 = a_1 + a_2 + a_3,
 * as survivors are S/2 whatever the case. Mended, it is a right design, and so
 * is ours. Biases of whole numbers are 1/2 or more, or none.                */
static void assert_published(const double *a) {
  const double s = a[0] + a[1] + a[2] + a[3];
  const double tau = 0.5 * s < s - a[3] ? 0.5 * s : s - a[3];
  double pair[4][4], half[4], mended[4], bias;
  int kind, i;
  for (i = 0; i < 4; ++i) {
    half[i] = 0.5 * s;
    mended[i] = a[i] > tau ? a[i] : tau;
  }
  kind = published_pairs(pair, a, 1);
  bias = bias_of(pair, half, a);
  if (kind == 1 || (kind == 3 && a[3] == a[0] + a[1] + a[2]))
    assert_near(bias, 0.0, 1e-9);
  else
    assert_true(bias > 0.499);
  published_pairs(pair, a, 0);
  assert_near(bias_of(pair, mended, a), 0.0, 1e-9);
  assert_near(our_bias(a), 0.0, 1e-4);
}

static void the_released_exact_routine_is_biased(void **state) {
  int i, j, k, l;
  (void)state;
  for (l = 1; l <= 12; ++l)
    for (k = 1; k <= l; ++k)
      for (j = 1; j <= k; ++j)
        for (i = 1; i <= j; ++i) {
          const double a[4] = {i, j, k, l};
          assert_published(a);
        }
}

/* The mended pairs are another design with the same chances: less variance in
 * one direction. Ours has 56 there.                                         */
static void designs_differ_in_pairs_alone(void **state) {
  static const double a[4] = {1, 2, 3, 4}, five[4] = {5, 5, 5, 5};
  static const double mixed[4] = {1, -1, 1, -1}, ones[4] = {1, 1, 1, 1};
  double pair[4][4];
  int i, j;
  (void)state;
  assert_int_equal(published_pairs(pair, a, 0), 1);
  for (i = 0; i < 4; ++i) {
    pair[i][i] = a[i] / 5.0;
    for (j = 0; j < i; ++j) pair[i][j] = pair[j][i];
  }
  assert_near(variance_of_dot(pair[0], five, a, mixed, 4), 26.0, 1e-12);
  assert_near(variance_of_dot(pair[0], five, a, ones, 4), 0.0, 1e-12);
}

/* The toolkit adds 2^-23 to magnitudes and builds pi_i from S - a_j, in float:
 * all terms of the sum less its own.                                        */
static void published_pi(double p[4], const float *a) {
  float b[4], term[4], s = 0.0f, all = 0.0f;
  int i;
  for (i = 0; i < 4; ++i) s += b[i] = fabsf(a[i]) + 1.19209e-7f;
  for (i = 0; i < 4; ++i) all += term[i] = b[i] / s / (s - b[i]);
  for (i = 0; i < 4; ++i) p[i] = (double)(b[i] / s + b[i] * (all - term[i]));
}

/* Every non-zero has a chance in (0, 1], and two places are shared. */
static int are_chances(const double *p, const float *a) {
  double sum = 0.0;
  int i, sound = 1;
  for (i = 0; i < 4; ++i) {
    sound &= p[i] <= 1.0 && (a[i] == 0.0f || p[i] > 0.0);
    sum += p[i];
  }
  return sound && sum <= 2.0 + 1e-6;
}

static void a_dominant_element_is_not_nan(void **state) {
  static const float a[3][4] = {
      {2, 0, 0, 0}, {60000, 1e-3f, 1e-3f, 1e-3f}, {1, 2, 3, 4}};
  double p[4];
  float out[4];
  int t, i;
  (void)state;
  for (t = 0; t < 3; ++t) {
    published_pi(p, a[t]);
    assert_true(isnan(p[0]) == (t < 2));
    assert_true(are_chances(p, a[t]) == (t == 2));
    sste_mvue_group_prob(p, a[t], 2, 4);
    assert_true(are_chances(p, a[t]));
    sste_mvue24_group_prob_approx(p, a[t]);
    assert_true(are_chances(p, a[t]));
    sste_mvue_group_draw(out, a[t], 2, 4, 0);
    for (i = 0; i < 4; ++i) assert_true(isfinite(out[i]));
    sste_mvue24_group_draw_approx(out, a[t], 0, 0);
    for (i = 0; i < 4; ++i) assert_true(isfinite(out[i]));
  }
}

#define TOKENS 64
#define LANES 1024
#define GROUPS (TOKENS / 4)

/* The toolkit draws a block of 1024 rows of dZ^T at a time. The seed of its
 * group g is base + g + block * (tokens / 16), though there are tokens / 4
 * groups; the lane is the counter. (Its Philox has fewer rounds: no matter.) */
static uint32_t published_word(size_t block, size_t g, size_t lane) {
  const uint32_t key[2] = {(uint32_t)(12345 + g + block * (TOKENS / 16)), 0};
  uint32_t x[4] = {0, 0, 0, 0};
  x[0] = (uint32_t)lane;
  slow_philox(x, key);
  return x[0];
}

/* How many (block, group) have, lane for lane, the draws of an earlier one. */
static int count_repeats(const float *out, size_t blocks) {
  const size_t cols = blocks * LANES;
  size_t i, j, row;
  int repeats = 0;
  for (i = 0; i < blocks * GROUPS; ++i) {
    int same = 0;
    for (j = 0; j < i && !same; ++j) {
      same = 1;
      for (row = 0; row < 4 && same; ++row)
        same = memcmp(out + (i % GROUPS * 4 + row) * cols + i / GROUPS * LANES,
                      out + (j % GROUPS * 4 + row) * cols + j / GROUPS * LANES,
                      LANES * sizeof *out) == 0;
    }
    repeats += same;
  }
  return repeats;
}

/* On a matrix of ones, where only the random bits tell draws apart: 3072 rows
 * repeat half of their draws, 4096 rows 36 of 64, 1024 none. Ours never do. */
static void blocks_of_rows_do_not_share_random_bits(void **state) {
  static const int repeated[5] = {0, 0, 12, 24, 36};
  static float a[TOKENS * 4 * LANES], out[TOKENS * 4 * LANES];
  static const float ones[4] = {1, 1, 1, 1};
  sste_mvue_stream stream;
  size_t blocks, r, g, i;
  (void)state;
  memset(&stream, 0, sizeof stream);
  for (i = 0; i < TOKENS * 4 * LANES; ++i) a[i] = 1.0f;
  for (blocks = 1; blocks <= 4; ++blocks) {
    const size_t cols = blocks * LANES;
    for (r = 0; r < cols; ++r)
      for (g = 0; g < GROUPS; ++g) {
        float x[4];
        sste_mvue_group_draw(x, ones, 2, 4,
                             published_word(r / LANES, g, r % LANES));
        for (i = 0; i < 4; ++i) out[(4 * g + i) * cols + r] = x[i];
      }
    assert_int_equal(count_repeats(out, blocks), repeated[blocks]);
    assert_int_equal(sste_mvue_tensor_draw(out, cols, a, cols, TOKENS, cols, 2,
                                           4, SSTE_DOWN_COLUMNS, &stream),
                     SSTE_OK);
    assert_int_equal(count_repeats(out, blocks), 0);
    assert_int_equal(
        sste_mvue24_tensor_draw_approx(out, cols, a, cols, TOKENS, cols,
                                       SSTE_DOWN_COLUMNS, &stream),
        SSTE_OK);
    assert_int_equal(count_repeats(out, blocks), 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(prob_is_the_exact_fraction),
      cmocka_unit_test(prob_by_hand),
      cmocka_unit_test(moments_are_exact),
      cmocka_unit_test(moments_golden),
      cmocka_unit_test(variance24_closed_forms),
      cmocka_unit_test(variance12_is_twice_the_product),
      cmocka_unit_test(variance_is_never_beaten),
      cmocka_unit_test(pairs_are_the_exact_overlaps),
      cmocka_unit_test(pairs_by_hand),
      cmocka_unit_test(pairs_give_the_variance_of_a_dot_product),
      cmocka_unit_test(draws_have_mean_and_least_variance),
      cmocka_unit_test(outcomes_change_only_where_they_were_found),
      cmocka_unit_test(draws_by_hand),
      cmocka_unit_test(of_equal_ones_the_lower_index_is_certain),
      cmocka_unit_test(draws_in_place_and_ignores_the_low_bits),
      cmocka_unit_test(bad_patterns_touch_nothing),
      cmocka_unit_test(lost_groups_are_nan),
      cmocka_unit_test(special_groups),
      cmocka_unit_test(prob_of_2_4_is_that_of_the_fast_form),
      cmocka_unit_test(a_place_is_held_for_the_certain_one),
      cmocka_unit_test(approx_prob_is_the_exact_fraction),
      cmocka_unit_test(approx_variance_is_below_twice_the_least),
      cmocka_unit_test(approx_variance_ratios),
      cmocka_unit_test(approx_by_hand),
      cmocka_unit_test(approx_mean_over_both_uniforms),
      cmocka_unit_test(approx_outcomes_change_only_where_they_were_found),
      cmocka_unit_test(approx_special_values),
      cmocka_unit_test(tensor_draws_its_groups),
      cmocka_unit_test(tensor_slices_equal_the_whole),
      cmocka_unit_test(tensor_same_for_any_threads),
      cmocka_unit_test(tensor_down_is_along_the_transpose),
      cmocka_unit_test(tensor_short_forms_are_the_general_one),
      cmocka_unit_test(refuses_bad_calls),
      cmocka_unit_test(refuses_bad_patterns),
      cmocka_unit_test(refuses_positions_past_the_counter),
      cmocka_unit_test(empty_matrices_need_no_memory),
      cmocka_unit_test(the_released_exact_routine_is_biased),
      cmocka_unit_test(designs_differ_in_pairs_alone),
      cmocka_unit_test(a_dominant_element_is_not_nan),
      cmocka_unit_test(blocks_of_rows_do_not_share_random_bits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
