/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_mvue.c - sste_mvue.h. A group has only 2^23 different draws, so its mean
 * and variance are counted, not sampled. Random groups merely widen the choice;
 * where a test does sample, it states its standard error.
 */
#include "slow_mvue.h"
#include "sste_mvue.h"
#include "test.h"

#define DRAWS (1u << 23)
#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* What a mean or a sum of probabilities may miss, relative to the largest of
 * the group's survivors: four of the 2^23 uniforms. */
#define MISS 0x1p-21
/* Below 2^-126 floats thin out: this much more, absolute, in any group. */
#define THIN 0x1p-147

/* ---- Helpers ------------------------------------------------------------- */

static double larger(double x, double y) { return x > y ? x : y; }

static double magnitude_sum(const float *a, int size) {
  double sum = 0.0;
  int i;
  for (i = 0; i < size; ++i) sum += fabs((double)a[i]);
  return sum;
}

/* min(S/2, S - max) with hardly a rounding error, unlike the header's. */
static double real_tau(const float a[4]) {
  double rest = 0.0, top = 0.0;
  int i;
  for (i = 0; i < 4; ++i) {
    const double b = fabs((double)a[i]);
    rest += b > top ? top : b;
    top = larger(b, top);
  }
  return rest < top ? rest : 0.5 * (rest + top);
}

static int nonzeros(const float *a, int size) {
  int i, n = 0;
  for (i = 0; i < size; ++i) n += a[i] != 0.0f;
  return n;
}

static int bit_count(int mask) {
  int n = 0;
  for (; mask != 0; mask >>= 1) n += mask & 1;
  return n;
}

/* Bit i is set where an element is anything but +0. */
static int occupied(const float *x, int size) {
  int i, mask = 0;
  for (i = 0; i < size; ++i) mask |= (test_bits(x[i]) != 0) << i;
  return mask;
}

/* The word whose uniform is k * 2^-23; its low bits are littered. */
static uint32_t word_of(uint32_t k) {
  return k << 9 | (k * 2654435761u >> 16 & 511u);
}

static int is_nan_bits(float x) { return test_bits(x) == 0x7FC00000u; }

static void set_group(float *to, const float *from, int size) {
  memcpy(to, from, (size_t)size * sizeof *to);
}

/* Random groups: normal, uniform, spread over many powers of two, with zeros,
 * with one dominant element, and nearly equal ones.                         */
static void random_group(float *a, int size, uint64_t *state) {
  const uint64_t kind = test_random(state) % 6;
  const int special = (int)(test_random(state) % (uint64_t)size);
  int i;
  for (i = 0; i < size; ++i) {
    const double z = test_normal(state), u = test_uniform(state);
    double x = z;
    if (kind == 1) x = u;
    if (kind == 2) x = z < 0.0 ? -exp(8.0 * u) : exp(-5.0 * z);
    if (kind == 3) x = u < 0.3 ? copysign(0.0, z) : z;
    if (kind == 4) x = i == special ? 1e4 * z : z;
    if (kind == 5) x = 1.0 + 0x1p-23 * floor(16.0 * u);
    a[i] = (float)x;
  }
}

/* ---- Random bits --------------------------------------------------------- */

static void assert_philox(const uint32_t counter[4], const uint32_t key[2],
                          const uint32_t expected[4]) {
  sste_philox_words c;
  int i;
  memcpy(c.word, counter, sizeof c.word);
  c = sste_philox_draw(c, key[0], key[1]);
  for (i = 0; i < 4; ++i) assert_int_equal(c.word[i], expected[i]);
}

static void philox_known_answers(void **state) {
  static const uint32_t in[3][6] = {{0, 0, 0, 0, 0, 0},
                                    {~0u, ~0u, ~0u, ~0u, ~0u, ~0u},
                                    {0x243f6a88u, 0x85a308d3u, 0x13198a2eu,
                                     0x03707344u, 0xa4093822u, 0x299f31d0u}};
  static const uint32_t out[3][4] = {
      {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u},
      {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu},
      {0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}};
  size_t t;
  (void)state;
  for (t = 0; t < 3; ++t) {
    uint32_t x[4];
    assert_philox(in[t], in[t] + 4, out[t]);
    memcpy(x, in[t], sizeof x);
    slow_philox(x, in[t] + 4);
    assert_memory_equal(x, out[t], sizeof x);
  }
}

static void philox_equals_the_slow_one(void **state) {
  uint64_t s = test_seed();
  int t, i;
  (void)state;
  for (t = 0; t < 100000; ++t) {
    uint32_t in[6], x[4];
    for (i = 0; i < 6; ++i) in[i] = (uint32_t)test_random(&s);
    memcpy(x, in, sizeof x);
    slow_philox(x, in + 4);
    assert_philox(in, in + 4, x);
  }
}

/* The word of a position, from the definition of the counter. */
static uint32_t slow_word(uint64_t seed, uint32_t tensor, uint32_t step,
                          uint64_t run, uint64_t group) {
  const uint32_t key[2] = {(uint32_t)(seed % 0x100000000u),
                           (uint32_t)(seed / 0x100000000u)};
  uint32_t x[4];
  x[0] = (uint32_t)(group / 4);
  x[1] = (uint32_t)run;
  x[2] = step;
  x[3] = tensor;
  slow_philox(x, key);
  return x[group % 4];
}

static sste_mvue_stream stream_of(uint64_t seed, uint32_t tensor, uint32_t step,
                                  size_t run, size_t group) {
  sste_mvue_stream s;
  s.seed = seed;
  s.tensor = tensor;
  s.step = step;
  s.run = run;
  s.group = group;
  return s;
}

static void word_known_answers(void **state) {
  static const uint32_t first[4] = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu,
                                    0x9b00dbd8u};
  const sste_mvue_stream zero = stream_of(0, 0, 0, 0, 0);
  size_t g;
  (void)state;
  for (g = 0; g < 4; ++g)
    assert_int_equal(sste_mvue_word(&zero, 0, g), first[g]);
}

/* From a base position each field moves on its own, so that two swapped ones
 * or a lost half cannot hide.                                               */
static void word_layout(void **state) {
  static const uint64_t far_group = ((uint64_t)1 << 34) - 9;
  uint64_t f[6] = {0x0123456789ABCDEFu, 11, 22, 33, 44, 0};
  static const uint64_t moved[6] = {
      0x0123456889ABCDEFu, 0xFFFFFFFFu, 0xFFFFFFFEu, 0xFFFFFFF0u, 71, 3};
  int field, g;
  (void)state;
  for (field = -1; field < 6; ++field) {
    const uint64_t kept = field < 0 ? 0 : f[field];
    if (field >= 0) f[field] = moved[field];
    for (g = 0; g < 9; ++g) {
      const sste_mvue_stream s = stream_of(f[0], (uint32_t)f[1], (uint32_t)f[2],
                                           (size_t)f[3], (size_t)f[4]);
      assert_int_equal(sste_mvue_word(&s, (size_t)f[5], (size_t)g),
                       slow_word(f[0], (uint32_t)f[1], (uint32_t)f[2],
                                 f[3] + f[5], f[4] + (uint64_t)g));
    }
    if (field >= 0) f[field] = kept;
  }
  if (sizeof(size_t) < 8) return;
  for (g = 0; g < 9; ++g) {
    const sste_mvue_stream s = stream_of(5, 6, 7, 8, (size_t)far_group);
    assert_int_equal(sste_mvue_word(&s, 0, (size_t)g),
                     slow_word(5, 6, 7, 8, far_group + (uint64_t)g));
  }
}

/* ---- 2:4 probabilities --------------------------------------------------- */

static double variance_of(const double *p, const float *a, int size) {
  double v = 0.0;
  int i;
  for (i = 0; i < size; ++i) {
    const double square = (double)a[i] * (double)a[i];
    if (p[i] > 0.0) v += square * (1.0 - p[i]) / p[i];
  }
  return v;
}

static void prob24_golden(void **state) {
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
    sste_mvue24_group_prob(p, a[t]);
    for (i = 0; i < 4; ++i) assert_true(p[i] == num[t][i] / den[t]);
    assert_near(variance_of(p, a[t], 4), variance[t], 1e-14 * variance[t]);
  }
}

/* Small integers leave nothing to round but the last quotient. */
static void assert_exact_prob24(const float a[4]) {
  long double num[4], den[4];
  double p[4];
  int i;
  test_poison(p, sizeof p);
  sste_mvue24_group_prob(p, a);
  slow_fill(num, den, a, 4, 2);
  for (i = 0; i < 4; ++i) {
    if (p[i] == (double)num[i] / (double)den[i]) continue;
    fail_msg("{%g,%g,%g,%g}: p[%d] = %.17g, not %Lg/%Lg", (double)a[0],
             (double)a[1], (double)a[2], (double)a[3], i, p[i], num[i], den[i]);
  }
}

static void set_digits(float a[4], int code, int base) {
  int i;
  for (i = 0; i < 4; ++i, code /= base) {
    const float b = (float)(code % base);
    a[i] = (code + i) % 3 == 0 ? -b : b; /* the signs vary too */
  }
}

static void prob24_fills_small_integers(void **state) {
  float a[4];
  int code;
  (void)state;
  for (code = 0; code < 10 * 10 * 10 * 10; ++code) {
    set_digits(a, code, 10);
    assert_exact_prob24(a);
  }
}

/* The published closed forms: they meet at 2 max = S. */
static void prob24_variance_closed_form(void **state) {
  float a[4];
  int code, i, j;
  (void)state;
  for (code = 0; code < 8 * 8 * 8 * 8; ++code) {
    double p[4], s, top = 0.0, squares = 0.0, others = 0.0, v;
    set_digits(a, code, 8);
    s = magnitude_sum(a, 4);
    for (i = 0; i < 4; ++i) {
      top = larger(top, fabs((double)a[i]));
      squares += (double)a[i] * (double)a[i];
      for (j = 0; j < i; ++j) others += fabs((double)a[i] * (double)a[j]);
    }
    v = 2.0 * top <= s ? 0.5 * s * s - squares
                       : 2.0 * (others - top * (s - top));
    sste_mvue24_group_prob(p, a);
    assert_near(variance_of(p, a, 4), v, 1e-13 * (1.0 + v));
  }
}

static void prob24_fills_random_groups(void **state) {
  uint64_t s = test_seed();
  int t, i;
  (void)state;
  for (t = 0; t < 200000; ++t) {
    long double num[4], den[4];
    double p[4], sum = 0.0;
    float a[4];
    random_group(a, 4, &s);
    sste_mvue24_group_prob(p, a);
    slow_fill(num, den, a, 4, 2);
    for (i = 0; i < 4; ++i) {
      assert_true(p[i] >= 0.0 && p[i] <= 1.0);
      assert_true((p[i] == 0.0) == (a[i] == 0.0f));
      assert_near(p[i], (double)(num[i] / den[i]), MISS * p[i]);
      sum += p[i];
    }
    assert_near(sum, nonzeros(a, 4) < 2 ? nonzeros(a, 4) : 2, MISS);
  }
}

/* The order of the sums is part of the promise: bits, not just closeness. */
static void prob24_bits(void **state) {
  uint64_t s = test_seed();
  int t, i;
  (void)state;
  for (t = 0; t < 200000; ++t) {
    double p[4];
    float a[4];
    random_group(a, 4, &s);
    if (nonzeros(a, 4) <= 2) continue;
    sste_mvue24_group_prob(p, a);
    for (i = 0; i < 4; ++i) {
      const double w = fabs((double)a[i]), tau = slow_tau(a);
      assert_true(p[i] == (w < tau ? w / tau : 1.0));
    }
  }
}

/* A difference S - max would be 0 here, and the probabilities NaN. */
static void prob24_keeps_the_dominant(void **state) {
  static const float tail[4] = {0.0f, 1e-3f, 1e-20f, 1e-45f};
  size_t t;
  int place, i;
  (void)state;
  for (t = 0; t < 4; ++t) {
    for (place = 0; place < 4; ++place) {
      float a[4];
      double p[4], sum = 0.0;
      for (i = 0; i < 4; ++i) a[i] = i == place ? 60000.0f : tail[t];
      sste_mvue24_group_prob(p, a);
      for (i = 0; i < 4; ++i) sum += p[i];
      assert_true(p[place] == 1.0);
      assert_near(sum, tail[t] == 0.0f ? 1.0 : 2.0, MISS);
    }
  }
}

/* ---- 2:4 draws, one by one ----------------------------------------------- */

static void report_draw(const float a[4], uint32_t word, const float got[4],
                        const float expected[4]) {
  int i;
  fprintf(stderr, "word %08x of the group\n", word);
  for (i = 0; i < 4; ++i) test_print_float("a", a[i]);
  for (i = 0; i < 4; ++i) test_print_float("got", got[i]);
  for (i = 0; i < 4; ++i) test_print_float("expected", expected[i]);
  fail_msg("a draw differs");
}

static void assert_draw24(const float a[4], const slow_map *map, uint32_t k) {
  const int mask = slow_mvue24_mask(map, k);
  float out[4], expected[4];
  int i;
  for (i = 0; i < 4; ++i) expected[i] = mask >> i & 1 ? map->survivor[i] : 0.0f;
  test_poison(out, sizeof out);
  sste_mvue24_group_draw(out, a, word_of(k));
  if (memcmp(out, expected, sizeof out) != 0)
    report_draw(a, word_of(k), out, expected);
}

/* Both sides of every place where the pair changes, which is all there is to a
 * group, and a few others.                                                  */
static void assert_map24(const float a[4], const slow_map *map, uint64_t *s) {
  int i;
  for (i = 0; i < map->segments; ++i) {
    assert_draw24(a, map, map->start[i]);
    assert_draw24(a, map, map->start[i + 1] - 1);
    assert_draw24(a, map, (uint32_t)(test_random(s) % DRAWS));
  }
}

static void draw24_golden(void **state) {
  static const float a[4] = {1, 2, 3, 4}, b[4] = {0, 5, 0, 5};
  float out[4];
  (void)state;
  sste_mvue24_group_draw(out, a, 0x80000000u);
  assert_memory_equal(out, b, sizeof b);
}

static void draw24_small_integers(void **state) {
  uint64_t s = test_seed();
  float a[4];
  int code;
  (void)state;
  for (code = 0; code < 10 * 10 * 10 * 10; ++code) {
    slow_map map;
    set_digits(a, code, 10);
    map = slow_mvue24_map(a);
    assert_map24(a, &map, &s);
  }
}

/* From how often each pair is drawn: always the right number of survivors,
 * never a zero, the mean, and the variance of the closed form.              */
typedef struct census {
  long count[16];
} census;

static double chance(const census *c, int i) {
  long n = 0;
  int mask;
  for (mask = 0; mask < 16; ++mask)
    if (mask >> i & 1) n += c->count[mask];
  return (double)n / DRAWS;
}

/* As much more than the rest as no rounding can hide: drawn every time. */
static int dominates(const float a[4], int i) {
  const double b = fabs((double)a[i]), rest = magnitude_sum(a, 4) - b;
  return b > rest * (1.0 + 0x1p-20);
}

static void assert_support24(const census *c, const float a[4]) {
  const int all = nonzeros(a, 4);
  int mask, i;
  for (mask = 0; mask < 16; ++mask)
    if (c->count[mask] != 0)
      assert_int_equal(bit_count(mask), all < 2 ? all : 2);
  for (i = 0; i < 4; ++i) {
    if (a[i] == 0.0f) assert_true(chance(c, i) == 0.0);
    if (dominates(a, i)) assert_true(chance(c, i) == 1.0);
  }
}

/* survivor: what is left of element i when it is drawn */
static void assert_moments24(const census *c, const float a[4],
                             const float survivor[4]) {
  const double tau = nonzeros(a, 4) <= 2 ? 0.0 : real_tau(a);
  long double num[4], den[4];
  double v = 0.0, wanted;
  int i;
  slow_fill(num, den, a, 4, 2);
  wanted = (double)slow_variance(num, den, a, 4);
  for (i = 0; i < 4; ++i) {
    const double p = chance(c, i), x = (double)a[i], y = (double)survivor[i];
    assert_near(p * y, x, MISS * larger(fabs(x), tau) + THIN);
    v += p * (y - x) * (y - x) + (1.0 - p) * x * x;
  }
  /* Each of up to four cells is off by MISS of its draws, of size tau. */
  assert_near(v, wanted, 4.0 * MISS * tau * tau + 4.0 * THIN * tau);
}

static census census_of_map(const slow_map *map) {
  census c;
  int i;
  memset(&c, 0, sizeof c);
  for (i = 0; i < map->segments; ++i)
    c.count[map->mask[i]] += (long)(map->start[i + 1] - map->start[i]);
  return c;
}

/* Random groups in numbers: the draws against the map at every change, and the
 * map itself against the probabilities. The second point sometimes rounds past
 * the last cell: that must have been among them.                            */
static void draw24_random_groups(void **state) {
  const int n = test_level() == 2 ? 2000000 : 100000;
  uint64_t s = test_seed();
  int t, fallbacks = 0;
  (void)state;
  for (t = 0; t < n; ++t) {
    slow_map map;
    census c;
    float a[4];
    random_group(a, 4, &s);
    map = slow_mvue24_map(a);
    assert_map24(a, &map, &s);
    c = census_of_map(&map);
    assert_support24(&c, a);
    assert_moments24(&c, a, map.survivor);
    fallbacks += map.fallback;
  }
  assert_true(fallbacks > 0);
}

/* Powers of two scale a draw exactly, up to where survivors overflow. */
static void draw24_scales(void **state) {
  uint64_t s = test_seed();
  int t, i, e;
  (void)state;
  for (t = 0; t < 20000; ++t) {
    const uint32_t word = (uint32_t)test_random(&s);
    float a[4], out[4];
    for (i = 0; i < 4; ++i) a[i] = (float)(test_uniform(&s) - 0.5);
    sste_mvue24_group_draw(out, a, word);
    for (e = -80; e <= 128; e += e < 110 ? 19 : 1) {
      float x[4];
      for (i = 0; i < 4; ++i) x[i] = ldexpf(a[i], e);
      sste_mvue24_group_draw(x, x, word);
      for (i = 0; i < 4; ++i) assert_same_float(x[i], ldexpf(out[i], e));
    }
  }
}

/* ---- 2:4 draws, all of them ---------------------------------------------- */

static const float hard_groups[][4] = {
    {1, 2, 3, 4},
    {4, 3, 2, 1},
    {1, 1, 1, 9},
    {1, 9, 1, 1},
    {1, 2, 3, 6}, /* on the border between the two cases */
    {6, 3, 2, 1},
    {1, 1, 1, 1},
    {-1, 2, -3, 4},
    {0, 1, 1, 1},
    {-0.0f, 3, -5, 7},
    {1, 2, -0.0f, -2},
    {0, 0, 3, -4},
    {2, 0, 0, 0},
    {0, -0.0f, 0, 0},
    {0.1f, 0.2f, 0.3f, 0.4f},
    {1e-30f, 2e-30f, -3e-30f, 5e-30f},
    {1e30f, -1e30f, 3e30f, 2e30f},
    {0.3f * FLT_MAX, 0.4f * FLT_MAX, 0.9f * FLT_MAX, 0.2f * FLT_MAX},
    {0.25f * FLT_MAX, FLT_MAX, 0.25f * FLT_MAX, 0.125f * FLT_MAX},
    {60000, 1e-3f, 1e-3f, 1e-3f},
    {1e-3f, 1e-3f, 1e-3f, 60000},
    /* Dominant between others, whose cell ends at a rounded sum. */
    {0.5f, 60000, 1, 1.5f},
    {5.2e-4f, 0.0908923149f, 60000, 3.95e-3f},
    {1e30f, 0, 1e-45f, 1e-45f},
    /* Dominant last, after tiny ones that tau does not notice. */
    {1e-8f, 1, 1e-8f, 200},
    {1e-8f, 1, 200, 1e-8f},
    /* A tiny one beside two that are nearly equal. */
    {0.2095474f, 1.581077f, 0, -1.5771761e-7f},
    {1e-30f, 1, 1, 1},
    /* As far from the mean as groups found at random come. */
    {0x1.b56f06p-2f, 0x1.7dedaap-1f, 0x1.b85a68p-1f, 0x1.6f5798p-3f},
};

#define BLOCKS 64

/* Draws 1/BLOCKS of all and counts them by mask; wrong: not as mapped. */
static void count_block24(census *c, long *wrong, const float a[4],
                          const slow_map *map, uint32_t block) {
  uint32_t k, first = block * (DRAWS / BLOCKS);
  float expected[4] = {0, 0, 0, 0}, out[4];
  int i, mask = 0;
  memset(c, 0, sizeof *c);
  *wrong = 0;
  for (k = first; k < first + DRAWS / BLOCKS; ++k) {
    const int next = slow_mvue24_mask(map, k);
    for (i = 0; next != mask && i < 4; ++i)
      expected[i] = next >> i & 1 ? map->survivor[i] : 0.0f;
    mask = next;
    sste_mvue24_group_draw(out, a, word_of(k));
    *wrong += memcmp(out, expected, sizeof out) != 0;
    ++c->count[occupied(out, 4)];
  }
}

/* Blocks are added up as integers: exact, whatever the threads. */
static census count_all24(const float a[4], const slow_map *map, long *wrong) {
  census part[BLOCKS], c;
  long bad[BLOCKS];
  int b, mask;
  SSTE_OMP(parallel for schedule(static))
  for (b = 0; b < BLOCKS; ++b)
    count_block24(&part[b], &bad[b], a, map, (uint32_t)b);
  memset(&c, 0, sizeof c);
  *wrong = 0;
  for (b = 0; b < BLOCKS; ++b) {
    for (mask = 0; mask < 16; ++mask) c.count[mask] += part[b].count[mask];
    *wrong += bad[b];
  }
  return c;
}

static void assert_all_draws24(const float a[4]) {
  const slow_map map = slow_mvue24_map(a);
  /* Where tau is subnormal the map, and only the map, is of one opinion. */
  const int mapped = real_tau(a) >= 0x1p-100 || nonzeros(a, 4) <= 2;
  long wrong;
  const census c = count_all24(a, &map, &wrong);
  assert_support24(&c, a);
  assert_moments24(&c, a, map.survivor);
  if (mapped) assert_true(wrong == 0);
}

static void draw24_every_word_of_hard_groups(void **state) {
  size_t t;
  (void)state;
  for (t = 0; t < LENGTH(hard_groups); ++t) assert_all_draws24(hard_groups[t]);
}

static void draw24_every_word_of_random_groups(void **state) {
  const int n = test_level() == 2 ? 150 : 3;
  uint64_t s = test_seed();
  int t;
  (void)state;
  for (t = 0; t < n; ++t) {
    float a[4];
    random_group(a, 4, &s);
    assert_all_draws24(a);
  }
}

/* {1, 2, 3, 4} in full: 2 tau = 10 cut at 1, 3, 6, so u crosses an edge at 0.2
 * and 0.6 only, and three pairs remain of six. */
static void draw24_pairs_by_hand(void **state) {
  static const float a[4] = {1, 2, 3, 4};
  const slow_map map = slow_mvue24_map(a);
  long wrong;
  const census c = count_all24(a, &map, &wrong);
  (void)state;
  assert_near((double)c.count[1 | 4] / DRAWS, 0.2, 0x1p-22);
  assert_near((double)c.count[2 | 8] / DRAWS, 0.4, 0x1p-22);
  assert_near((double)c.count[4 | 8] / DRAWS, 0.4, 0x1p-22);
  assert_true(c.count[5] + c.count[10] + c.count[12] == (long)DRAWS);
}

/* ---- 2:4 draws, the rest of the contract --------------------------------- */

static void draw24_ignores_the_low_bits(void **state) {
  uint64_t s = test_seed();
  int t, bit;
  (void)state;
  for (t = 0; t < 20000; ++t) {
    const uint32_t word = (uint32_t)test_random(&s) & ~511u;
    float a[4], x[4], y[4];
    random_group(a, 4, &s);
    sste_mvue24_group_draw(x, a, word);
    for (bit = 0; bit < 9; ++bit) {
      sste_mvue24_group_draw(y, a, word | 1u << bit);
      assert_memory_equal(x, y, sizeof x);
    }
  }
}

static void draw24_in_place(void **state) {
  uint64_t s = test_seed();
  int t;
  (void)state;
  for (t = 0; t < 20000; ++t) {
    const uint32_t word = (uint32_t)test_random(&s);
    float a[4], out[4];
    random_group(a, 4, &s);
    sste_mvue24_group_draw(out, a, word);
    sste_mvue24_group_draw(a, a, word);
    assert_memory_equal(a, out, sizeof a);
  }
}

/* Zeros of either sign in every place, at both ends of the uniforms. */
static void draw24_never_draws_a_zero(void **state) {
  static const float value[5] = {0.0f, -0.0f, 1.5f, -2.0f, 1e-20f};
  static const uint32_t word[4] = {0, 0xFFFFFFFFu, 0x7FFFFFFFu, 0x80000000u};
  float a[4], out[4];
  int code, i, w;
  (void)state;
  for (code = 0; code < 5 * 5 * 5 * 5; ++code) {
    int rest = code;
    for (i = 0; i < 4; ++i, rest /= 5) a[i] = value[rest % 5];
    for (w = 0; w < 4; ++w) {
      const int n = nonzeros(a, 4);
      sste_mvue24_group_draw(out, a, word[w]);
      assert_int_equal(bit_count(occupied(out, 4)), n < 2 ? n : 2);
      for (i = 0; i < 4; ++i) {
        if (a[i] == 0.0f) assert_same_float(out[i], 0.0f);
        if (n <= 2 && a[i] != 0.0f) assert_same_float(out[i], a[i]);
      }
    }
  }
}

/* Few multiples of 2^-149, where tau, S/2 and the points are coarse. Each is
 * drawn 4096 times, evenly: that costs the mean another 2^-11 tau.          */
static void draw24_smallest_subnormals(void **state) {
  float digit[4], a[4], out[4];
  int code, i;
  uint32_t k;
  (void)state;
  for (code = 0; code < 5 * 5 * 5 * 5; ++code) {
    double sum[4] = {0, 0, 0, 0};
    const int top = code % 4;
    set_digits(digit, code, 5);
    for (i = 0; i < 4; ++i) a[i] = ldexpf(digit[i], -149);
    if (code % 7 == 0 && a[top] != 0.0f) a[top] = 1e30f;
    for (k = 0; k < DRAWS; k += DRAWS / 4096) {
      const int n = nonzeros(a, 4);
      sste_mvue24_group_draw(out, a, word_of(k));
      assert_int_equal(bit_count(occupied(out, 4)), n < 2 ? n : 2);
      for (i = 0; i < 4; ++i) {
        if (a[i] == 0.0f) assert_same_float(out[i], 0.0f);
        sum[i] += (double)out[i];
      }
    }
    for (i = 0; i < 4; ++i)
      assert_near(sum[i] / 4096.0, (double)a[i],
                  THIN + 0x1p-11 * real_tau(a) + MISS * fabs((double)a[i]));
  }
}

/* Larger subnormals: probabilities and every draw. */
static void draw24_subnormals(void **state) {
  uint64_t s = test_seed();
  int t, i, e;
  (void)state;
  for (t = 0; t < (test_level() == 2 ? 40 : 5); ++t) {
    float a[4];
    double p[4], sum = 0.0;
    e = -145 + 3 * (t % 8);
    for (i = 0; i < 4; ++i) a[i] = (float)ldexp(test_normal(&s), e);
    if (nonzeros(a, 4) <= 2) continue;
    if (t % 3 == 0) a[1] = 1e-3f;
    assert_all_draws24(a);
    sste_mvue24_group_prob(p, a);
    for (i = 0; i < 4; ++i) sum += p[i];
    assert_near(sum, 2.0, MISS + THIN / real_tau(a));
  }
}

/* ---- 2:4 with NaN, infinities and overflow ------------------------------- */

/* Lost groups: which two carry the NaN. */
typedef struct lost_case {
  float a[4];
  int mask;
} lost_case;

static void assert_lost24(const lost_case *c) {
  static const uint32_t word[4] = {0, 0xFFFFFFFFu, 0x12345678u, 0xA0000000u};
  float out[4];
  double p[4];
  int i, w;
  sste_mvue24_group_prob(p, c->a);
  for (i = 0; i < 4; ++i) assert_true(p[i] == (c->mask >> i & 1));
  for (w = 0; w < 4; ++w) {
    sste_mvue24_group_draw(out, c->a, word[w]);
    for (i = 0; i < 4; ++i) {
      if (c->mask >> i & 1)
        assert_true(is_nan_bits(out[i]));
      else
        assert_same_float(out[i], 0.0f);
    }
  }
}

static void draw24_lost_groups(void **state) {
  const float nan = test_float(0x7FC00000u), inf = HUGE_VALF;
  const float odd = test_float(0xFF800001u); /* negative, and a payload */
  const lost_case cases[] = {
      {{nan, 1, 2, 3}, 1 | 8},     {{1, nan, nan, nan}, 2 | 4},
      {{1, 5, 5, odd}, 2 | 8},     {{inf, 1, -inf, 2}, 1 | 4},
      {{inf, inf, inf, inf}, 3},   {{1, nan, inf, inf}, 2 | 4},
      {{0, 0, 0, nan}, 1 | 8},     {{odd, -0.0f, 0, 0}, 1 | 2},
      {{0, inf, 0, inf}, 2 | 8},   {{inf, inf, nan, 1}, 1 | 4},
      {{3, 3, nan, 3}, 1 | 4},     {{odd, odd, odd, odd}, 1 | 2},
      {{0, 0, nan, -inf}, 4 | 8},  {{1, 2, inf, odd}, 4 | 8},
      {{1e-45f, nan, 0, 0}, 1 | 2}};
  size_t t;
  (void)state;
  for (t = 0; t < LENGTH(cases); ++t) assert_lost24(&cases[t]);
}

/* One infinity is a dominant element: the others are drawn as beside any. */
static void draw24_one_infinity(void **state) {
  uint64_t s = test_seed();
  int t, i;
  (void)state;
  for (t = 0; t < 20000; ++t) {
    const int place = (int)(test_random(&s) % 4);
    const uint32_t word = (uint32_t)test_random(&s);
    const float inf = t % 2 ? HUGE_VALF : -HUGE_VALF;
    float a[4], b[4], finite[4];
    double p[4], q[4];
    random_group(a, 4, &s);
    set_group(finite, a, 4);
    a[place] = inf;
    finite[place] = copysignf(1e35f, inf);
    sste_mvue24_group_prob(p, a);
    sste_mvue24_group_prob(q, finite);
    assert_memory_equal(p, q, sizeof p);
    sste_mvue24_group_draw(b, a, word);
    sste_mvue24_group_draw(finite, finite, word);
    assert_same_float(b[place], inf);
    finite[place] = inf;
    for (i = 0; i < 4; ++i) assert_same_float(b[i], finite[i]);
  }
}

/* S/2 is FLT_MAX itself, then past it; nothing else of the draw changes. */
static void draw24_overflow(void **state) {
  const float half = 0.5f * FLT_MAX, inf = HUGE_VALF;
  const float fits[4] = {half, -half, half, half};
  const float over[4] = {FLT_MAX, -FLT_MAX, FLT_MAX, FLT_MAX};
  const float beside[4] = {inf, FLT_MAX, FLT_MAX, FLT_MAX};
  uint32_t k;
  int i;
  (void)state;
  for (k = 0; k < DRAWS; k += 4099) {
    float x[4], y[4], z[4];
    double p[4];
    sste_mvue24_group_draw(x, fits, word_of(k));
    sste_mvue24_group_draw(y, over, word_of(k));
    sste_mvue24_group_draw(z, beside, word_of(k));
    assert_int_equal(bit_count(occupied(x, 4)), 2);
    assert_int_equal(occupied(x, 4), occupied(y, 4));
    assert_int_equal(bit_count(occupied(z, 4)), 2);
    assert_same_float(z[0], inf);
    for (i = 0; i < 4; ++i) {
      if (x[i] == 0.0f) continue;
      assert_same_float(x[i], copysignf(FLT_MAX, fits[i]));
      assert_same_float(y[i], copysignf(inf, over[i]));
    }
    sste_mvue24_group_prob(p, over);
    for (i = 0; i < 4; ++i) assert_true(p[i] == 0.5);
    sste_mvue24_group_prob(p, beside);
    for (i = 0; i < 4; ++i)
      assert_near(p[i], i == 0 ? 1.0 : 1.0 / 3.0, 0x1p-24);
  }
}

/* ---- No competitor has less variance ------------------------------------- */

/* A tau that is rounded shifts the optimum by about this much. */
static double slack24(const float a[4]) {
  return 4.0 * MISS * real_tau(a) * real_tau(a);
}

static void assert_not_beaten(const double *rival, double best, const float *a,
                              int size) {
  int i;
  for (i = 0; i < size; ++i)
    if (a[i] != 0.0f && rival[i] <= 0.0) return; /* not unbiased */
  assert_true(variance_of(rival, a, size) >= best);
}

/* Any point of the feasible set: at most 1 each, at most `kept` in all. */
static void random_rival(double *p, int size, int kept, uint64_t *s) {
  double sum = 0.0, scale;
  int i;
  for (i = 0; i < size; ++i) sum += p[i] = 0.01 + test_uniform(s);
  scale = kept / sum;
  for (i = 0; i < size; ++i) p[i] = p[i] * scale > 1.0 ? 1.0 : p[i] * scale;
}

/* Close ones are the strong ones: take a little from i and give it to j. */
static void near_rival(double *p, int size, double amount, uint64_t *s) {
  const int i = (int)(test_random(s) % (uint64_t)size);
  const int j = (int)(test_random(s) % (uint64_t)size);
  const double room = 1.0 - p[j], take = p[i] * amount;
  const double moved = take < room ? take : room;
  p[i] -= moved;
  p[j] += moved;
}

/* Two picks without replacement, each in proportion to magnitude. */
static void two_pick_rival(double p[4], const float a[4]) {
  const double sum = magnitude_sum(a, 4);
  int i, j;
  for (i = 0; i < 4; ++i) {
    const double b = fabs((double)a[i]);
    p[i] = b / sum;
    for (j = 0; j < 4; ++j) {
      const double other = fabs((double)a[j]);
      if (j != i && other < sum) p[i] += b * other / sum / (sum - other);
    }
  }
}

static void prob24_beats_its_rivals(void **state) {
  uint64_t s = test_seed();
  int t, r;
  (void)state;
  for (t = 0; t < 5000; ++t) {
    double p[4], rival[4], best, pairs, picks, sum;
    float a[4];
    random_group(a, 4, &s);
    if (nonzeros(a, 4) <= 2) continue;
    sste_mvue24_group_prob(p, a);
    best = variance_of(p, a, 4) - slack24(a);
    for (r = 0; r < 40; ++r) {
      random_rival(rival, 4, 2, &s);
      assert_not_beaten(rival, best, a, 4);
      memcpy(rival, p, sizeof p);
      near_rival(rival, 4, ldexp(0.5, -r / 2), &s);
      assert_not_beaten(rival, best, a, 4);
    }
    pairs = 2.0 * fabs((double)a[0] * (double)a[1]) +
            2.0 * fabs((double)a[2] * (double)a[3]);
    assert_true(pairs >= best);
    two_pick_rival(rival, a);
    assert_not_beaten(rival, best, a, 4);
    picks = variance_of(rival, a, 4); /* known: less than twice the optimum */
    sum = magnitude_sum(a, 4);
    assert_true(picks < 2.0 * best + 4.0 * slack24(a) + 1e-13 * sum * sum);
  }
}

/* ---- 1:2 ----------------------------------------------------------------- */

static void prob12_small_integers(void **state) {
  int i, j;
  (void)state;
  for (i = -30; i <= 30; ++i) {
    for (j = -30; j <= 30; ++j) {
      const float a[2] = {(float)i, (float)j};
      long double num[2], den[2];
      double p[2];
      sste_mvue12_group_prob(p, a);
      slow_fill(num, den, a, 2, 1);
      assert_true(p[0] == (double)num[0] / (double)den[0]);
      assert_true(p[1] == (double)num[1] / (double)den[1]);
      assert_near((double)slow_variance(num, den, a, 2), 2.0 * abs(i * j),
                  1e-12);
    }
  }
}

/* The whole range of floats: the sum in double neither overflows nor loses. */
static void prob12_range(void **state) {
  uint64_t s = test_seed();
  int t;
  (void)state;
  for (t = 0; t < 100000; ++t) {
    const float a[2] = {test_float((uint32_t)test_random(&s)),
                        test_float((uint32_t)test_random(&s))};
    const double b0 = fabs((double)a[0]), b1 = fabs((double)a[1]);
    double p[2];
    if (!isfinite(a[0]) || !isfinite(a[1])) continue;
    sste_mvue12_group_prob(p, a);
    assert_true(p[0] == b0 / (b0 + b1) && p[1] == b1 / (b0 + b1));
  }
}

static void prob12_beats_its_rivals(void **state) {
  uint64_t s = test_seed();
  int t, r;
  (void)state;
  for (t = 0; t < 5000; ++t) {
    double p[2], rival[2], best;
    float a[2];
    random_group(a, 2, &s);
    if (nonzeros(a, 2) < 2) continue;
    sste_mvue12_group_prob(p, a);
    best = variance_of(p, a, 2);
    assert_near(best, 2.0 * fabs((double)a[0] * (double)a[1]),
                1e-15 * magnitude_sum(a, 2) * magnitude_sum(a, 2));
    for (r = 0; r < 20; ++r) {
      random_rival(rival, 2, 1, &s);
      assert_not_beaten(rival, best * (1.0 - 1e-9), a, 2);
    }
  }
}

/* Draws of a sound pair: one survivor, sign(a) S; returns which. */
static int assert_draw12(const float a[2], float sum, uint32_t k) {
  float out[2];
  int kept;
  test_poison(out, sizeof out);
  sste_mvue12_group_draw(out, a, word_of(k));
  kept = test_bits(out[0]) != 0 ? 0 : 1;
  assert_same_float(out[kept], copysignf(sum, a[kept]));
  assert_same_float(out[1 - kept], 0.0f);
  return kept;
}

/* All draws: index 0 up to a place, index 1 from there. The place is found with
 * slow_first: points beyond it reach the edge |a_0|.                        */
static void assert_all_draws12(const float a[2]) {
  const double b0 = fabs((double)a[0]), b1 = fabs((double)a[1]);
  const double sum = slow_add(b0, b1);
  const uint32_t change = slow_first(0, sum, b0);
  const double p = (double)change / DRAWS, tolerance = MISS / 2.0 * (b0 + b1);
  uint32_t k;
  assert_near(p * sum, b0, tolerance + THIN);
  assert_near((1.0 - p) * sum, b1, tolerance + THIN);
  assert_near(p * b1 * b1 + (1.0 - p) * b0 * b0, b0 * b1,
              tolerance * (b0 + b1) + THIN * (b0 + b1));
  for (k = 0; k < DRAWS; ++k)
    if (assert_draw12(a, (float)sum, k) != (k >= change)) fail_msg("k %u", k);
}

static void draw12_every_word(void **state) {
  static const float a[][2] = {{1, -3},   {3, 1},          {-2, -2},
                               {0.1f, 1}, {1e-7f, 1},      {1e30f, -2e30f},
                               {7, 9},    {1e-30f, 5e-30f}};
  size_t t;
  (void)state;
  for (t = 0; t < LENGTH(a); ++t) assert_all_draws12(a[t]);
}

/* Random pairs at the one place where they change. */
static void draw12_random_pairs(void **state) {
  uint64_t s = test_seed();
  int t;
  (void)state;
  for (t = 0; t < 200000; ++t) {
    float a[2], sum;
    double b0, real;
    uint32_t change;
    random_group(a, 2, &s);
    if (nonzeros(a, 2) < 2) continue;
    b0 = fabs((double)a[0]);
    real = b0 + fabs((double)a[1]);
    sum = (float)real;
    change = slow_first(0, (double)sum, b0);
    assert_near((double)change / DRAWS, b0 / real, MISS / 2.0);
    assert_int_equal(assert_draw12(a, sum, 0), change == 0);
    assert_int_equal(assert_draw12(a, sum, DRAWS - 1), change < DRAWS);
    if (change > 0) assert_int_equal(assert_draw12(a, sum, change - 1), 0);
    if (change < DRAWS) assert_int_equal(assert_draw12(a, sum, change), 1);
  }
}

static void draw12_golden(void **state) {
  static const float a[2] = {1, -3}, b[2] = {0, -4};
  float out[2];
  (void)state;
  sste_mvue12_group_draw(out, a, 0x80000000u);
  assert_memory_equal(out, b, sizeof b);
}

static void draw12_ignores_the_low_bits(void **state) {
  uint64_t s = test_seed();
  int t, bit;
  (void)state;
  for (t = 0; t < 20000; ++t) {
    float a[2], x[2], y[2];
    uint32_t word;
    random_group(a, 2, &s);
    /* right before index 0 gives way, where a low bit would tell */
    word = slow_first(0, fabs((double)a[0]) + fabs((double)a[1]),
                      fabs((double)a[0]) + 1e-37);
    word = (word == 0 ? 0 : word - 1) << 9;
    sste_mvue12_group_draw(x, a, word);
    for (bit = 0; bit < 9; ++bit) {
      sste_mvue12_group_draw(y, a, word | 1u << bit);
      assert_memory_equal(x, y, sizeof x);
    }
  }
}

/* Nothing is left to chance: the same for every word, in place or not. */
static void assert_fixed12(float a0, float a1, float b0, float b1, double p0,
                           double p1) {
  static const uint32_t word[3] = {0, 0x80000000u, 0xFFFFFFFFu};
  const float a[2] = {a0, a1};
  double p[2];
  int w;
  sste_mvue12_group_prob(p, a);
  assert_true(p[0] == p0 && p[1] == p1);
  for (w = 0; w < 3; ++w) {
    float out[2], same[2];
    set_group(same, a, 2);
    sste_mvue12_group_draw(out, a, word[w]);
    sste_mvue12_group_draw(same, same, word[w]);
    assert_same_float(out[0], b0);
    assert_same_float(out[1], b1);
    assert_memory_equal(out, same, sizeof out);
  }
}

static void draw12_specials(void **state) {
  const float nan = test_float(0x7FC00000u), odd = test_float(0xFF800001u);
  const float inf = HUGE_VALF, max = FLT_MAX, least = test_float(1);
  (void)state;
  assert_fixed12(0, 0, 0, 0, 0, 0);
  assert_fixed12(-0.0f, -0.0f, 0, 0, 0, 0);
  assert_fixed12(0, -0.0f, 0, 0, 0, 0);
  assert_fixed12(5, -0.0f, 5, 0, 1, 0);
  assert_fixed12(-0.0f, -5, 0, -5, 0, 1);
  assert_fixed12(-max, 0, -max, 0, 1, 0);
  assert_fixed12(0, least, 0, least, 0, 1);
  assert_fixed12(-least, 0, -least, 0, 1, 0);
  assert_fixed12(inf, 3, inf, 0, 1, 0);
  assert_fixed12(max, -inf, 0, -inf, 0, 1);
  assert_fixed12(0, inf, 0, inf, 0, 1);
  assert_fixed12(inf, -inf, nan, 0, 1, 0);
  assert_fixed12(odd, 3, nan, 0, 1, 0);
  assert_fixed12(0, odd, 0, nan, 0, 1);
  assert_fixed12(odd, 0, nan, 0, 1, 0);
  assert_fixed12(inf, odd, 0, nan, 0, 1);
  assert_fixed12(odd, inf, nan, 0, 1, 0);
  assert_fixed12(nan, odd, nan, 0, 1, 0);
}

/* Sums up to and beyond FLT_MAX pick as smaller ones do. */
static void draw12_overflow(void **state) {
  uint64_t s = test_seed();
  int t, e;
  (void)state;
  for (t = 0; t < 20000; ++t) {
    const float u = (float)test_uniform(&s) * 0.99f;
    const float v = (float)test_uniform(&s) * 0.99f;
    const uint32_t k = (uint32_t)(test_random(&s) % DRAWS);
    const float small[2] = {u + 0x1p-20f, -(v + 0x1p-20f)};
    const float sum = small[0] - small[1];
    const int kept = assert_draw12(small, sum, k);
    for (e = 120; e <= 128; ++e) { /* the sum is past FLT_MAX in the end */
      const float a[2] = {ldexpf(small[0], e), ldexpf(small[1], e)};
      assert_int_equal(assert_draw12(a, ldexpf(sum, e), k), kept);
    }
  }
}

/* Multiples of 2^-149: the mean is right to a few of them. */
static void draw12_subnormals(void **state) {
  int i, j;
  uint32_t k;
  (void)state;
  for (i = 1; i < 12; ++i) {
    for (j = 1; j < 12; ++j) {
      const float a[2] = {test_float((uint32_t)i), test_float((uint32_t)j)};
      double zeroth = 0.0;
      for (k = 0; k < DRAWS; k += DRAWS / 1024)
        if (assert_draw12(a, a[0] + a[1], k) == 0) zeroth += (double)i + j;
      assert_near(zeroth / 1024.0, i, 1.0);
    }
  }
}

/* ---- Mean relative variance ---------------------------------------------- */

/* sum of variances / sum of squares over random groups. The standard error of
 * such a ratio is sqrt(sum (v - ratio * q)^2) / sum q; five of them are
 * allowed. A million groups make it 0.0003 (2:4) and 0.0004 (1:2).         */
static void assert_relative_variance(int size, int laplace, double exact) {
  const int n = 1000000;
  double sum_v = 0.0, sum_q = 0.0, vv = 0.0, vq = 0.0, qq = 0.0, ratio, error;
  uint64_t s = test_seed();
  int t, i;
  for (t = 0; t < n; ++t) {
    float a[4];
    double p[4], v, q = 0.0;
    for (i = 0; i < size; ++i) {
      a[i] = (float)(laplace ? log(1.0 - test_uniform(&s)) : test_normal(&s));
      q += (double)a[i] * (double)a[i];
    }
    if (size == 4)
      sste_mvue24_group_prob(p, a);
    else
      sste_mvue12_group_prob(p, a);
    v = variance_of(p, a, size);
    sum_v += v;
    sum_q += q;
    vv += v * v;
    vq += v * q;
    qq += q * q;
  }
  ratio = sum_v / sum_q;
  error = sqrt(vv - 2.0 * ratio * vq + ratio * ratio * qq) / sum_q;
  assert_true(error < 0.0006);
  assert_near(ratio, exact, 5.0 * error);
}

static void mean_relative_variance(void **state) {
  (void)state;
  assert_relative_variance(4, 0, 0.473868);
  assert_relative_variance(4, 1, 5.0 / 16.0);
  assert_relative_variance(2, 0, 0.6366197723675814); /* 2 / pi */
}

/* ---- Tensors ------------------------------------------------------------- */

typedef sste_status draw_tensor(float *, size_t, const float *, size_t, size_t,
                                size_t, sste_axis, const sste_mvue_stream *);

static draw_tensor *tensor_of(int size) {
  return size == 4 ? sste_mvue24_tensor_draw : sste_mvue12_tensor_draw;
}

static void draw_group(float *x, int size, uint32_t word) {
  if (size == 4)
    sste_mvue24_group_draw(x, x, word);
  else
    sste_mvue12_group_draw(x, x, word);
}

/* One group of a matrix, element by element, by the public group functions. */
static void expect_group(float *out, size_t ldo, const float *a, size_t lda,
                         int size, int down, const sste_mvue_stream *stream,
                         size_t r, size_t g) {
  float x[4];
  size_t i;
  for (i = 0; i < (size_t)size; ++i) {
    const size_t along = g * (size_t)size + i;
    x[i] = down ? a[along * lda + r] : a[r * lda + along];
  }
  draw_group(x, size, sste_mvue_word(stream, r, g));
  for (i = 0; i < (size_t)size; ++i) {
    const size_t along = g * (size_t)size + i;
    out[down ? along * ldo + r : r * ldo + along] = x[i];
  }
}

static void expect_tensor(float *out, size_t ldo, const float *a, size_t lda,
                          size_t rows, size_t cols, int size, int down,
                          const sste_mvue_stream *stream) {
  const size_t runs = down ? cols : rows;
  const size_t groups = (down ? rows : cols) / (size_t)size;
  size_t r, g;
  for (r = 0; r < runs; ++r)
    for (g = 0; g < groups; ++g)
      expect_group(out, ldo, a, lda, size, down, stream, r, g);
}

#define SIDE 64
#define AREA (SIDE * SIDE)

static void random_matrix(float *a, uint64_t *s) {
  size_t i;
  for (i = 0; i < AREA; i += 4) random_group(a + i, 4, s);
}

static sste_axis axis_of(int down) {
  return down ? SSTE_DOWN_COLUMNS : SSTE_ALONG_ROWS;
}

static sste_mvue_stream random_stream(uint64_t *s) {
  return stream_of(test_random(s), (uint32_t)test_random(s),
                   (uint32_t)test_random(s), (size_t)(test_random(s) % 1000),
                   (size_t)(test_random(s) % 1000));
}

/* A random shape whose groups are full. */
typedef struct shape {
  size_t rows, cols, lda, ldo;
  int size, down;
} shape;

static shape random_shape(uint64_t *s) {
  shape m;
  m.size = test_random(s) % 2 ? 4 : 2;
  m.down = (int)(test_random(s) % 2);
  m.rows = 1 + test_random(s) % 44;
  m.cols = 1 + test_random(s) % 44;
  if (m.down)
    m.rows = (m.rows + 3) / 4 * (size_t)m.size;
  else
    m.cols = (m.cols + 3) / 4 * (size_t)m.size;
  m.lda = m.cols + test_random(s) % 20;
  m.ldo = m.cols + test_random(s) % 20;
  return m;
}

/* Every shape, stride and origin against the groups; padding stays poisoned,
 * since the expectation is poisoned there too.                              */
static void tensor_draws_its_groups(void **state) {
  static float a[AREA], out[AREA], expected[AREA];
  uint64_t s = test_seed();
  int t;
  (void)state;
  test_threads(1); /* the number of threads has a test of its own */
  for (t = 0; t < 400; ++t) {
    const shape m = random_shape(&s);
    const sste_mvue_stream stream = random_stream(&s);
    random_matrix(a, &s);
    test_poison(out, sizeof out);
    test_poison(expected, sizeof expected);
    expect_tensor(expected, m.ldo, a, m.lda, m.rows, m.cols, m.size, m.down,
                  &stream);
    assert_int_equal(tensor_of(m.size)(out, m.ldo, a, m.lda, m.rows, m.cols,
                                       axis_of(m.down), &stream),
                     SSTE_OK);
    assert_memory_equal(out, expected, sizeof out);
  }
}

static void tensor_in_place(void **state) {
  static float a[AREA], same[AREA];
  uint64_t s = test_seed();
  int t;
  (void)state;
  for (t = 0; t < 100; ++t) {
    const shape m = random_shape(&s);
    const sste_mvue_stream stream = random_stream(&s);
    random_matrix(a, &s);
    memcpy(same, a, sizeof a);
    expect_tensor(a, m.lda, a, m.lda, m.rows, m.cols, m.size, m.down, &stream);
    assert_int_equal(tensor_of(m.size)(same, m.lda, same, m.lda, m.rows, m.cols,
                                       axis_of(m.down), &stream),
                     SSTE_OK);
    assert_memory_equal(same, a, sizeof a);
  }
}

/* A slice that begins anywhere, its origin told to the stream, is drawn as it
 * was in the whole. */
static void assert_slice(const float *whole, const float *a, int size, int down,
                         const sste_mvue_stream *origin, uint64_t *s) {
  const size_t groups = SIDE / (size_t)size;
  const size_t r = test_random(s) % SIDE, g = test_random(s) % groups;
  const size_t runs = 1 + test_random(s) % (SIDE - r);
  const size_t count = 1 + test_random(s) % (groups - g);
  const size_t along = g * (size_t)size, length = count * (size_t)size;
  const size_t from = down ? along * SIDE + r : r * SIDE + along;
  const size_t rows = down ? length : runs, cols = down ? runs : length;
  static float out[AREA];
  sste_mvue_stream stream = *origin;
  size_t row;
  stream.run += r;
  stream.group += g;
  test_poison(out, sizeof out);
  assert_int_equal(tensor_of(size)(out, cols, a + from, SIDE, rows, cols,
                                   axis_of(down), &stream),
                   SSTE_OK);
  for (row = 0; row < rows; ++row)
    assert_memory_equal(out + row * cols, whole + from + row * SIDE,
                        cols * sizeof *out);
}

static void tensor_slices_equal_the_whole(void **state) {
  static float a[AREA], whole[AREA];
  uint64_t s = test_seed();
  int kind, t;
  (void)state;
  for (kind = 0; kind < 4; ++kind) {
    const int size = kind % 2 ? 4 : 2, down = kind / 2;
    const sste_mvue_stream stream = random_stream(&s);
    random_matrix(a, &s);
    assert_int_equal(tensor_of(size)(whole, SIDE, a, SIDE, SIDE, SIDE,
                                     axis_of(down), &stream),
                     SSTE_OK);
    for (t = 0; t < 300; ++t) assert_slice(whole, a, size, down, &stream, &s);
  }
}

static void tensor_same_for_any_threads(void **state) {
  static const int threads[3] = {1, 2, 5};
  static float a[AREA], out[3][AREA];
  uint64_t s = test_seed();
  int kind, t;
  (void)state;
  for (kind = 0; kind < 4; ++kind) {
    const sste_mvue_stream stream = random_stream(&s);
    random_matrix(a, &s);
    for (t = 0; t < 3; ++t) {
      test_threads(threads[t]);
      assert_int_equal(
          tensor_of(kind % 2 ? 4 : 2)(out[t], SIDE, a, SIDE, SIDE, SIDE,
                                      axis_of(kind / 2), &stream),
          SSTE_OK);
    }
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    assert_memory_equal(out[0], out[2], sizeof out[0]);
  }
  test_threads(1);
}

/* Columns of A are rows of its transpose: the same runs, the same draws. */
static void tensor_down_is_along_the_transpose(void **state) {
  enum { ROWS = 48, COLS = 33 };
  static float a[ROWS * COLS], turned[ROWS * COLS];
  static float down[ROWS * COLS], along[ROWS * COLS];
  uint64_t s = test_seed();
  size_t i, j;
  int size;
  (void)state;
  for (size = 2; size <= 4; size += 2) {
    const sste_mvue_stream stream = random_stream(&s);
    for (i = 0; i < ROWS * COLS; i += 4) random_group(a + i, 4, &s);
    for (i = 0; i < ROWS; ++i)
      for (j = 0; j < COLS; ++j) turned[j * ROWS + i] = a[i * COLS + j];
    assert_int_equal(tensor_of(size)(down, COLS, a, COLS, ROWS, COLS,
                                     SSTE_DOWN_COLUMNS, &stream),
                     SSTE_OK);
    assert_int_equal(tensor_of(size)(along, ROWS, turned, ROWS, COLS, ROWS,
                                     SSTE_ALONG_ROWS, &stream),
                     SSTE_OK);
    for (i = 0; i < ROWS; ++i)
      for (j = 0; j < COLS; ++j)
        assert_same_float(down[i * COLS + j], along[j * ROWS + i]);
  }
}

/* ---- Tensors that are refused -------------------------------------------- */

/* One call, right until a test spoils it: 8 x 8 of 16 x 16. */
typedef struct tensor_call {
  float *out;
  const float *a;
  size_t ldo, lda, rows, cols;
  sste_axis axis;
  const sste_mvue_stream *stream;
} tensor_call;

static float refuse_memory[512], refuse_before[512];
static sste_mvue_stream refuse_stream;

static tensor_call good_call(void) {
  tensor_call c;
  uint64_t s = 1;
  size_t i;
  for (i = 0; i < 512; i += 4) random_group(refuse_memory + i, 4, &s);
  memcpy(refuse_before, refuse_memory, sizeof refuse_before);
  refuse_stream = stream_of(1, 2, 3, 4, 5);
  c.out = refuse_memory;
  c.a = refuse_memory + 256;
  c.ldo = c.lda = 16;
  c.rows = c.cols = 8;
  c.axis = SSTE_ALONG_ROWS;
  c.stream = &refuse_stream;
  return c;
}

static void assert_call(const tensor_call *c, sste_status expected) {
  int size;
  for (size = 2; size <= 4; size += 2) {
    memcpy(refuse_memory, refuse_before, sizeof refuse_memory);
    assert_int_equal(tensor_of(size)(c->out, c->ldo, c->a, c->lda, c->rows,
                                     c->cols, c->axis, c->stream),
                     expected);
    if (expected != SSTE_OK)
      assert_memory_equal(refuse_memory, refuse_before, sizeof refuse_memory);
  }
}

static void refuses_null(void **state) {
  tensor_call c = good_call();
  (void)state;
  assert_call(&c, SSTE_OK);
  c.out = NULL;
  assert_call(&c, SSTE_ERR_NULL);
  c = good_call();
  c.a = NULL;
  assert_call(&c, SSTE_ERR_NULL);
  c = good_call();
  c.stream = NULL;
  assert_call(&c, SSTE_ERR_NULL);
}

static void refuses_shapes(void **state) {
  tensor_call c = good_call();
  (void)state;
  c.ldo = 7;
  assert_call(&c, SSTE_ERR_SHAPE);
  c = good_call();
  c.lda = 7;
  assert_call(&c, SSTE_ERR_SHAPE);
  c = good_call();
  c.cols = 7; /* the rows are in fours, but that is the other axis */
  assert_call(&c, SSTE_ERR_SHAPE);
  c.axis = SSTE_DOWN_COLUMNS;
  assert_call(&c, SSTE_OK);
  c = good_call();
  c.rows = 7;
  assert_call(&c, SSTE_OK);
  c.axis = SSTE_DOWN_COLUMNS;
  assert_call(&c, SSTE_ERR_SHAPE);
}

/* Two are enough for 1:2 and not for 2:4. */
static void refuses_half_a_group(void **state) {
  tensor_call c = good_call();
  (void)state;
  c.cols = 6;
  assert_int_equal(sste_mvue12_tensor_draw(c.out, c.ldo, c.a, c.lda, c.rows,
                                           c.cols, c.axis, c.stream),
                   SSTE_OK);
  assert_int_equal(sste_mvue24_tensor_draw(c.out, c.ldo, c.a, c.lda, c.rows,
                                           c.cols, c.axis, c.stream),
                   SSTE_ERR_SHAPE);
}

static void refuses_axes(void **state) {
  tensor_call c = good_call();
  int axis = 2; /* not an enumerator: through memory, past the warnings */
  (void)state;
  memcpy(&c.axis, &axis, sizeof c.axis);
  assert_call(&c, SSTE_ERR_VALUE);
  axis = -1;
  memcpy(&c.axis, &axis, sizeof c.axis);
  assert_call(&c, SSTE_ERR_VALUE);
}

/* The largest stride whose extent can be a number passes that check (and, as it
 * spans the memory of the other matrix, fails the next one).                */
static void refuses_sizes(void **state) {
  const size_t most = (size_t)PTRDIFF_MAX / sizeof(float) / 8;
  tensor_call c = good_call();
  (void)state;
  c.lda = most + 1;
  assert_call(&c, SSTE_ERR_SIZE);
  c = good_call();
  c.ldo = most + 1;
  assert_call(&c, SSTE_ERR_SIZE);
  c.ldo = most; /* out lies before a */
  assert_call(&c, SSTE_ERR_OVERLAP);
}

/* One more step and the counter would wrap. */
static void refuses_positions(void **state) {
  const size_t last_run = 0xFFFFFFFFu;
  tensor_call c = good_call();
  (void)state;
  refuse_stream.run = last_run - 7;
  assert_call(&c, SSTE_OK);
  refuse_stream.run = last_run - 6;
  assert_call(&c, SSTE_ERR_SIZE);
  refuse_stream.run = SIZE_MAX - 3; /* the sum itself wraps, to 3 */
  assert_call(&c, SSTE_ERR_SIZE);
  refuse_stream.run = 0;
  refuse_stream.group = SIZE_MAX;
  assert_call(&c, SSTE_ERR_SIZE);
  if (sizeof(size_t) < 8) return;
  refuse_stream.group = (size_t)(((uint64_t)1 << 34) - 4);
  assert_call(&c, SSTE_OK);
  refuse_stream.group = (size_t)(((uint64_t)1 << 34) - 1);
  assert_call(&c, SSTE_ERR_SIZE);
  refuse_stream.group = (size_t)1 << (sizeof(size_t) * 8 - 1);
  assert_call(&c, SSTE_ERR_SIZE);
}

/* At the far end of the range the draws are still those of the definition. */
static void draws_at_the_last_position(void **state) {
  tensor_call c = good_call();
  float expected[512];
  int down;
  (void)state;
  if (sizeof(size_t) < 8) return;
  for (down = 0; down < 2; ++down) {
    c.axis = axis_of(down);
    refuse_stream.run = 0xFFFFFFF8u;
    refuse_stream.group = (size_t)(((uint64_t)1 << 34) - 2);
    memcpy(refuse_memory, refuse_before, sizeof expected);
    memcpy(expected, refuse_before, sizeof expected);
    expect_tensor(expected, 16, expected + 256, 16, 8, 8, 4, down,
                  &refuse_stream);
    assert_int_equal(
        sste_mvue24_tensor_draw(c.out, 16, c.a, 16, 8, 8, c.axis, c.stream),
        SSTE_OK);
    assert_memory_equal(refuse_memory, expected, sizeof expected);
  }
}

/* Extents end with the last element, not with the last row's padding. */
static void refuses_overlap(void **state) {
  const size_t extent = 7 * 16 + 8;
  tensor_call c = good_call();
  (void)state;
  c.out = refuse_memory + 256 - extent;
  assert_call(&c, SSTE_OK);
  c.out = refuse_memory + 256 - extent + 1;
  assert_call(&c, SSTE_ERR_OVERLAP);
  c.out = refuse_memory + 256 + 1;
  assert_call(&c, SSTE_ERR_OVERLAP);
  c.out = refuse_memory + 256 + extent - 1;
  assert_call(&c, SSTE_ERR_OVERLAP);
  c.out = refuse_memory + 256 + extent;
  assert_call(&c, SSTE_OK);
  c.out = refuse_memory + 256; /* in place, then with another stride */
  assert_call(&c, SSTE_OK);
  c.ldo = 17;
  assert_call(&c, SSTE_ERR_OVERLAP);
}

static void empty_matrices_need_no_memory(void **state) {
  tensor_call c = good_call();
  int axis;
  (void)state;
  c.out = NULL;
  c.a = NULL;
  for (axis = 0; axis < 2; ++axis) {
    c.axis = axis_of(axis);
    c.rows = 0;
    c.cols = 8;
    assert_call(&c, SSTE_OK);
    c.rows = 8;
    c.cols = 0;
    assert_call(&c, SSTE_OK);
    c.rows = c.cols = 0;
    assert_call(&c, SSTE_OK);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(philox_known_answers),
      cmocka_unit_test(philox_equals_the_slow_one),
      cmocka_unit_test(word_known_answers),
      cmocka_unit_test(word_layout),
      cmocka_unit_test(prob24_golden),
      cmocka_unit_test(prob24_fills_small_integers),
      cmocka_unit_test(prob24_variance_closed_form),
      cmocka_unit_test(prob24_fills_random_groups),
      cmocka_unit_test(prob24_bits),
      cmocka_unit_test(prob24_keeps_the_dominant),
      cmocka_unit_test(draw24_golden),
      cmocka_unit_test(draw24_small_integers),
      cmocka_unit_test(draw24_random_groups),
      cmocka_unit_test(draw24_scales),
      cmocka_unit_test(draw24_every_word_of_hard_groups),
      cmocka_unit_test(draw24_every_word_of_random_groups),
      cmocka_unit_test(draw24_pairs_by_hand),
      cmocka_unit_test(draw24_ignores_the_low_bits),
      cmocka_unit_test(draw24_in_place),
      cmocka_unit_test(draw24_never_draws_a_zero),
      cmocka_unit_test(draw24_smallest_subnormals),
      cmocka_unit_test(draw24_subnormals),
      cmocka_unit_test(draw24_lost_groups),
      cmocka_unit_test(draw24_one_infinity),
      cmocka_unit_test(draw24_overflow),
      cmocka_unit_test(prob24_beats_its_rivals),
      cmocka_unit_test(prob12_small_integers),
      cmocka_unit_test(prob12_range),
      cmocka_unit_test(prob12_beats_its_rivals),
      cmocka_unit_test(draw12_golden),
      cmocka_unit_test(draw12_every_word),
      cmocka_unit_test(draw12_random_pairs),
      cmocka_unit_test(draw12_ignores_the_low_bits),
      cmocka_unit_test(draw12_specials),
      cmocka_unit_test(draw12_overflow),
      cmocka_unit_test(draw12_subnormals),
      cmocka_unit_test(mean_relative_variance),
      cmocka_unit_test(tensor_draws_its_groups),
      cmocka_unit_test(tensor_in_place),
      cmocka_unit_test(tensor_slices_equal_the_whole),
      cmocka_unit_test(tensor_same_for_any_threads),
      cmocka_unit_test(tensor_down_is_along_the_transpose),
      cmocka_unit_test(refuses_null),
      cmocka_unit_test(refuses_shapes),
      cmocka_unit_test(refuses_half_a_group),
      cmocka_unit_test(refuses_axes),
      cmocka_unit_test(refuses_sizes),
      cmocka_unit_test(refuses_positions),
      cmocka_unit_test(draws_at_the_last_position),
      cmocka_unit_test(refuses_overlap),
      cmocka_unit_test(empty_matrices_need_no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
