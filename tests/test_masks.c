/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_masks.c - transposable masks against all 90 patterns and against a sort,
 * and what is done with a mask: non-zeros, M o W, flips, decay.
 *
 *   1. Patterns and tiles    2. The optimum    3. The greedy rule
 *   4. Whole matrices        5. M o W          6. Flips
 *   7. Decay                 8. Refusals and empty matrices
 */
#include <float.h>

#include "sste.h"
#include "sste_train.h"
#include "test.h"

/* ---- 1. Patterns and tiles ----------------------------------------------- */

enum { PATTERNS = 90 };

/* In descending lexicographic order, element e being bit e. */
static int pattern[PATTERNS];

static int bits_in(int mask) {
  int n = 0;
  for (; mask != 0; mask &= mask - 1) ++n;
  return n;
}

/* Two ones in every row and every column. */
static int is_transposable(int mask) {
  int i, yes = 1;
  for (i = 0; i < 4; ++i)
    yes &=
        bits_in(mask >> 4 * i & 0xF) == 2 && bits_in(mask >> i & 0x1111) == 2;
  return yes;
}

/* A number counts down through all strings of 16 digits in that order, if its
 * leading digit is element 0. */
static int find_patterns(void **unused) {
  int number, e, found = 0;
  (void)unused;
  for (number = 0xFFFF; number >= 0; --number) {
    int mask = 0;
    for (e = 0; e < 16; ++e) mask |= (number >> (15 - e) & 1) << e;
    if (!is_transposable(mask)) continue;
    if (found == PATTERNS) return -1;
    pattern[found++] = mask;
  }
  return found == PATTERNS ? 0 : -1;
}

static void the_first_pattern_is_the_last_inverted(void **unused) {
  (void)unused;
  assert_int_equal(pattern[0], 0xCC33); /* 1100 1100 0011 0011 */
  assert_int_equal(pattern[PATTERNS - 1], 0xFFFF - 0xCC33);
}

/* Tiles of every kind that a sum of eight floats can meet. */
enum kind {
  UNIFORM,
  INTEGERS,   /* ties without rounding */
  POWERS,     /* ties by rounding: 2^24 + 1 */
  SUBNORMALS, /* of all lengths, so exact sums and ties */
  LARGE,      /* sums overflow */
  INFINITIES,
  NANS,
  ANY_BITS,
  ZEROS,
  FEW_BITS, /* a normal rounded to three bits, as FP8 has them: exact ties */
  UNEQUAL,  /* entries 2^20 apart or more, so that sums drop bits */
  KINDS
};

static float entry(enum kind kind, uint64_t *rng) {
  const uint64_t r = test_random(rng);
  const uint32_t low = (uint32_t)r, sign = low & 0x80000000u;
  const float s = sign != 0 ? -1.0f : 1.0f;
  const int rare = (r >> 32) % 8 == 0;
  switch (kind) {
    case INTEGERS: return s * (float)(low % 4);
    case POWERS: return low % 3 == 0 ? s * (float)(low % 5) : s * 0x1p24f;
    case SUBNORMALS: return test_float(sign | (low & 0x7FFFFFu) >> r % 23);
    case LARGE: return s * FLT_MAX / (float)(1 + low % 5);
    case INFINITIES: return rare ? s * HUGE_VALF : s * (float)(low % 9);
    case NANS: return rare ? test_float(low | 0x7F800001u) : s * 3.0f;
    case ANY_BITS: return test_float(low);
    case ZEROS: return s * 0.0f;
    case FEW_BITS:
      return test_float(test_bits((float)test_normal(rng)) & ~0xFFFFFu);
    case UNEQUAL:
      return s * ldexpf(1.0f + (float)(low % 64) / 64,
                        rare ? 24 : (int)(r >> 40) % 3);
    default: return s * (float)test_uniform(rng);
  }
}

static void fill(float *p, size_t n, enum kind kind, uint64_t *rng) {
  size_t i;
  for (i = 0; i < n; ++i) p[i] = entry(kind, rng);
}

static void print_tile(const float tile[16], int got, int want) {
  int e;
  for (e = 0; e < 16; ++e)
    fprintf(stderr, "%15.9g%s", (double)tile[e], e % 4 == 3 ? "\n" : "");
  fail_msg("mask 0x%04X, expected 0x%04X", (unsigned)got, (unsigned)want);
}

/* ---- 2. The optimum ------------------------------------------------------ */

/* The definition: all 90 scores, in the order of additions that is promised,
 * and the first of the largest. */
static int slow_optimal(const float *tile, size_t ld) {
  float sum[4][16], best = 0.0f; /* sum[i][two bits]: two entries of row i */
  int i, j, k, n, mask = 0;
  for (i = 0; i < 4; ++i)
    for (j = 0; j < 4; ++j)
      for (k = j + 1; k < 4; ++k) {
        const float a = tile[(size_t)i * ld + (size_t)j];
        const float b = tile[(size_t)i * ld + (size_t)k];
        sum[i][1 << j | 1 << k] = (isnan(a) ? HUGE_VALF : fabsf(a)) +
                                  (isnan(b) ? HUGE_VALF : fabsf(b));
      }
  for (n = 0; n < PATTERNS; ++n) {
    const int p = pattern[n];
    const float score = (sum[0][p & 15] + sum[1][p >> 4 & 15]) +
                        (sum[2][p >> 8 & 15] + sum[3][p >> 12]);
    if (n == 0 || score > best) {
      best = score;
      mask = p;
    }
  }
  return mask;
}

static void the_optimum_by_hand(void **unused) {
  const float equal[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const float signs[16] = {1, 1, -9, 9, 1, 1, 9, -9, 9, 9, 1, 1, -9, -9, 1, 1};
  float tile[16] = {0};
  (void)unused;
  assert_int_equal(sste_tile_mask_optimal(tile, 4), 0xCC33);
  assert_int_equal(sste_tile_mask_optimal(equal, 4), 0xCC33);
  assert_int_equal(sste_tile_mask_optimal(signs, 4), 0x33CC);
  /* Infinite sums tie: the first pattern with element 3, 1001 1100 0110 0011,
   * although others keep element 8 as well. */
  tile[8] = FLT_MAX;
  tile[3] = -HUGE_VALF;
  assert_int_equal(sste_tile_mask_optimal(tile, 4), 0xC639);
  tile[3] = test_float(0xFFC00001u);
  assert_int_equal(sste_tile_mask_optimal(tile, 4), 0xC639);
}

/* 2^24 + 1 is 2^24 in float, so that the 1 weighs nothing where it meets 2^24
 * alone; two of it, below, are added to one another first. */
static void the_order_of_additions_decides_ties(void **unused) {
  /* The upper half must be 1100 0011; the better lower half, with the 1, makes
   * no larger sum than the first, 1100 0011 again. */
  const float large = 0x1p24f;
  const float halves[16] = {large, large, 0, 0, 0, 0, large, large, 0, 0, 1};
  float tile[16] = {0};
  (void)unused;
  tile[0] = 0x1p24f;
  tile[12] = 1.0f;
  assert_int_equal(sste_tile_mask_optimal(tile, 4), 0xCC33);
  tile[12] = 2.0f; /* 1100 0110 0011 1001 */
  assert_int_equal(sste_tile_mask_optimal(tile, 4), 0x9C63);
  tile[12] = 0.0f;
  tile[9] = tile[13] = 1.0f; /* 1010 1010 0101 0101 */
  assert_int_equal(sste_tile_mask_optimal(tile, 4), 0xAA55);
  tile[9] = 0.0f;
  tile[5] = 1.0f; /* rows 1 and 3: each of them is lost */
  assert_int_equal(sste_tile_mask_optimal(tile, 4), 0xCC33);
  assert_int_equal(sste_tile_mask_optimal(halves, 4), 0xC3C3);
}

static void every_pattern_is_its_own_optimum(void **unused) {
  int n, e;
  (void)unused;
  for (n = 0; n < PATTERNS; ++n) {
    float tile[16];
    for (e = 0; e < 16; ++e) tile[e] = (float)(pattern[n] >> e & 1);
    assert_int_equal(sste_tile_mask_optimal(tile, 4), pattern[n]);
  }
}

static void the_optimum_is_that_of_90_patterns(void **unused) {
  const long tiles = test_level() == 2 ? 10000000 : 1000000;
  uint64_t rng = test_seed() + 1;
  long i;
  (void)unused;
  for (i = 0; i < tiles; ++i) {
    float tile[16];
    int got, want;
    fill(tile, 16, (enum kind)(i % KINDS), &rng);
    got = sste_tile_mask_optimal(tile, 4);
    want = slow_optimal(tile, 4);
    if (got != want) print_tile(tile, got, want);
  }
}

/* What a mask keeps of a tile of integers, exactly. */
static int64_t kept(const int tile[16], int mask) {
  int64_t sum = 0;
  int e;
  for (e = 0; e < 16; ++e)
    if (mask >> e & 1) sum += abs(tile[e]);
  return sum;
}

/* A tile of integers that the sum of eight leaves below 2^24, its transpose,
 * and both as floats. */
typedef struct integer_tile {
  int a[16], t[16];
  float x[16], xt[16];
} integer_tile;

static integer_tile integer_tile_of(int most, uint64_t *rng) {
  integer_tile tile;
  int e;
  for (e = 0; e < 16; ++e) {
    const int f = e % 4 * 4 + e / 4;
    tile.a[e] = (int)(test_random(rng) % (uint64_t)(2 * most + 1)) - most;
    tile.t[f] = tile.a[e];
    tile.x[e] = tile.xt[f] = (float)tile.a[e];
  }
  return tile;
}

static void no_pattern_beats_the_optimum(void **unused) {
  static const int most[3] = {1, 6, 1 << 20};
  const long tiles = test_level() == 2 ? 1000000 : 60000;
  uint64_t rng = test_seed() + 2;
  long i;
  int n;
  (void)unused;
  for (i = 0; i < tiles; ++i) {
    const integer_tile tile = integer_tile_of(most[i % 3], &rng);
    const int mask = sste_tile_mask_optimal(tile.x, 4);
    const int64_t best = kept(tile.a, mask);
    int earlier = 1; /* than mask: those must be worse, not only no better */
    for (n = 0; n < PATTERNS; ++n) {
      if (pattern[n] == mask) earlier = 0;
      assert_true(kept(tile.a, pattern[n]) <= best - earlier);
    }
  }
}

static void a_transposed_tile_keeps_as_much(void **unused) {
  const long tiles = test_level() == 2 ? 1000000 : 100000;
  uint64_t rng = test_seed() + 3;
  long i;
  (void)unused;
  for (i = 0; i < tiles; ++i) {
    const integer_tile tile = integer_tile_of(i % 2 ? 5 : 1 << 20, &rng);
    assert_int_equal(kept(tile.t, sste_tile_mask_optimal(tile.xt, 4)),
                     kept(tile.a, sste_tile_mask_optimal(tile.x, 4)));
  }
}

/* ---- 3. The greedy rule -------------------------------------------------- */

typedef struct ranked {
  double value;
  int is_nan, index;
} ranked;

/* For qsort: NaN first, then the larger, then the lower index. */
static int goes_before(const void *left, const void *right) {
  const ranked *p = (const ranked *)left, *q = (const ranked *)right;
  if (p->is_nan != q->is_nan) return q->is_nan - p->is_nan;
  if (!p->is_nan && p->value != q->value) return p->value > q->value ? -1 : 1;
  return p->index - q->index;
}

static int slow_greedy(const float *tile, size_t ld, int by_value) {
  ranked list[16];
  int n, e, mask = 0;
  for (e = 0; e < 16; ++e) {
    const float x = tile[(size_t)(e / 4) * ld + (size_t)(e % 4)];
    list[e].value = by_value ? (double)x : fabs((double)x);
    list[e].is_nan = isnan(x);
    list[e].index = e;
  }
  qsort(list, 16, sizeof *list, goes_before);
  for (n = 0; n < 16; ++n) {
    const int with = mask | 1 << list[n].index;
    const int in_row = with >> list[n].index / 4 * 4 & 0xF;
    const int in_column = with >> list[n].index % 4 & 0x1111;
    if (bits_in(in_row) <= 2 && bits_in(in_column) <= 2) mask = with;
  }
  return mask;
}

static void greedy_by_hand(void **unused) {
  const float equal[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const float signs[16] = {1,  1,  -9, -9, 1,  1,  -9, -9,
                           -9, -9, 1,  1,  -9, -9, 1,  1};
  const float seven[16] = {8, 8, 1, 1, 1, 8, 8, 1, 8, 1, 8, 1, 1, 1, 1, 1};
  float tile[16] = {-0.0f};
  int by_value;
  (void)unused;
  for (by_value = 0; by_value < 2; ++by_value) {
    assert_int_equal(sste_tile_mask_greedy(equal, 4, by_value), 0xCC33);
    /* 1100 0110 1010 0001: row and column 3 lack one each, where they cross
     * there is one already. */
    assert_int_equal(sste_tile_mask_greedy(seven, 4, by_value), 0x8563);
  }
  assert_int_equal(sste_tile_mask_greedy(signs, 4, 0), 0x33CC);
  assert_int_equal(sste_tile_mask_greedy(signs, 4, 1), 0xCC33);
  assert_int_equal(sste_tile_mask_greedy(tile, 4, 1), 0xCC33); /* -0 is +0 */
  tile[1] = HUGE_VALF;
  tile[2] = test_float(0xFFC00001u); /* NaNs go first, the infinity is late: */
  tile[3] = test_float(0x7F800001u); /* 0011 1100 1100 0011 */
  assert_int_equal(sste_tile_mask_greedy(tile, 4, 0), 0xC33C);
  assert_int_equal(sste_tile_mask_greedy(tile, 4, 1), 0xC33C);
}

/* The seven of that tile keep 49, the best eight 43: more than the optimum of
 * the 90, all of which fill every row and column. */
static void seven_can_outweigh_the_best_eight(void **unused) {
  const int a[16] = {8, 8, 1, 1, 1, 8, 8, 1, 8, 1, 8, 1, 1, 1, 1, 1};
  const float x[16] = {8, 8, 1, 1, 1, 8, 8, 1, 8, 1, 8, 1, 1, 1, 1, 1};
  (void)unused;
  assert_int_equal(kept(a, sste_tile_mask_greedy(x, 4, 0)), 49);
  assert_int_equal(kept(a, sste_tile_mask_optimal(x, 4)), 43);
}

static void greedy_is_a_sort(void **unused) {
  const long tiles = test_level() == 2 ? 5000000 : 200000;
  uint64_t rng = test_seed() + 4;
  long i;
  (void)unused;
  for (i = 0; i < tiles; ++i) {
    float tile[16];
    int by_value;
    fill(tile, 16, (enum kind)(i % KINDS), &rng);
    for (by_value = 0; by_value < 2; ++by_value) {
      const int got = sste_tile_mask_greedy(tile, 4, by_value);
      const int want = slow_greedy(tile, 4, by_value);
      if (got != want) print_tile(tile, got, want);
    }
  }
}

/* Row and column limits are two matroids, and a greedy choice in the
 * intersection of two keeps at least half of the optimum. */
static void greedy_keeps_seven_or_eight_and_half_of_the_optimum(void **unused) {
  const long tiles = test_level() == 2 ? 1000000 : 50000;
  uint64_t rng = test_seed() + 5;
  long i;
  int by_value, j;
  (void)unused;
  for (i = 0; i < tiles; ++i) {
    const integer_tile tile = integer_tile_of(i % 2 ? 5 : 1 << 20, &rng);
    for (by_value = 0; by_value < 2; ++by_value) {
      const int mask = sste_tile_mask_greedy(tile.x, 4, by_value);
      assert_in_range(bits_in(mask), 7, 8);
      for (j = 0; j < 4; ++j) {
        assert_true(bits_in(mask >> 4 * j & 0xF) <= 2);
        assert_true(bits_in(mask >> j & 0x1111) <= 2);
      }
    }
    assert_true(2 * kept(tile.a, sste_tile_mask_greedy(tile.x, 4, 0)) >=
                kept(tile.a, sste_tile_mask_optimal(tile.x, 4)));
  }
}

static double weight(const float tile[16], int mask) {
  double sum = 0.0;
  int e;
  for (e = 0; e < 16; ++e)
    if (mask >> e & 1) sum += fabs((double)tile[e]);
  return sum;
}

/* 15.80 % and 98.5 % are rounded: half a digit, and five standard errors. */
static void greedy_on_gaussian_tiles(void **unused) {
  const long tiles = test_level() == 2 ? 4000000 : 100000;
  const double n = (double)tiles, p = 0.1580;
  uint64_t rng = test_seed() + 6;
  double sevens = 0.0, sum = 0.0, squares = 0.0, mean;
  long i;
  int e;
  (void)unused;
  for (i = 0; i < tiles; ++i) {
    float tile[16];
    double ratio;
    int mask;
    for (e = 0; e < 16; ++e) tile[e] = (float)test_normal(&rng);
    mask = sste_tile_mask_greedy(tile, 4, 0);
    ratio = weight(tile, mask) / weight(tile, sste_tile_mask_optimal(tile, 4));
    sevens += bits_in(mask) == 7;
    sum += ratio;
    squares += ratio * ratio;
  }
  mean = sum / n;
  assert_near(sevens / n, p, 0.00005 + 5 * sqrt(p * (1 - p) / n));
  assert_near(mean, 0.985, 0.0005 + 5 * sqrt((squares / n - mean * mean) / n));
}

/* ---- 4. Whole matrices --------------------------------------------------- */

static const int thread_counts[4] = {1, 2, 3, 64};

/* Not one element behind the last row's end, so that a sanitizer sees every
 * read or write outside. */
static size_t extent(size_t rows, size_t cols, size_t ld) {
  return rows == 0 || cols == 0 ? 0 : (rows - 1) * ld + cols;
}

static void *poisoned(size_t bytes) {
  void *p = malloc(bytes);
  assert_non_null(p);
  test_poison(p, bytes);
  return p;
}

static void assert_padding(const uint8_t *mask, size_t ldm, size_t rows,
                           size_t cols) {
  size_t i;
  for (i = 0; i < extent(rows, cols, ldm); ++i)
    if (i % ldm >= cols) assert_int_equal(mask[i], 0xCA);
}

static int slow_tile(const float *tile, size_t ld, sste_tile_rule rule) {
  return rule == SSTE_TILE_OPTIMAL
             ? slow_optimal(tile, ld)
             : slow_greedy(tile, ld, rule == SSTE_TILE_GREEDY_SIGNED);
}

static void transposable_case(size_t rows, size_t cols, size_t ldw, size_t ldm,
                              enum kind kind, sste_tile_rule rule) {
  const size_t n = extent(rows, cols, ldw), m = extent(rows, cols, ldm);
  float *w = (float *)poisoned(n * sizeof *w);
  uint8_t *mask = (uint8_t *)poisoned(m);
  uint64_t rng = test_seed() + rows + cols;
  size_t r, c;
  fill(w, n, kind, &rng);
  assert_int_equal(
      sste_tensor_mask_transposable(mask, ldm, w, ldw, rows, cols, rule),
      SSTE_OK);
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; ++c) {
      const float *tile = w + r / 4 * 4 * ldw + c / 4 * 4;
      assert_int_equal(mask[r * ldm + c],
                       slow_tile(tile, ldw, rule) >> (r % 4 * 4 + c % 4) & 1);
    }
  assert_padding(mask, ldm, rows, cols);
  free(w), free(mask);
}

static void a_matrix_is_masked_tile_by_tile(void **unused) {
  int i, rule;
  (void)unused;
  for (i = 0; i < 4; ++i) {
    test_threads(thread_counts[i]);
    for (rule = SSTE_TILE_OPTIMAL; rule <= SSTE_TILE_GREEDY_SIGNED; ++rule) {
      transposable_case(4, 4, 4, 4, POWERS, (sste_tile_rule)rule);
      transposable_case(4, 20, 23, 21, UNIFORM, (sste_tile_rule)rule);
      transposable_case(20, 4, 5, 7, NANS, (sste_tile_rule)rule);
      transposable_case(68, 36, 37, 39, INTEGERS, (sste_tile_rule)rule);
    }
  }
}

/* Tiles side by side, each of a kind of its own, in rows that end anywhere: the
 * vectors of any width have a remainder. */
static void beside_each_other(size_t rows, size_t tiles, size_t ldw, size_t ldm,
                              sste_tile_rule rule, uint64_t *rng) {
  const size_t cols = 4 * tiles;
  const int by_value = rule == SSTE_TILE_GREEDY_SIGNED;
  float *w = (float *)poisoned(extent(rows, cols, ldw) * sizeof *w);
  uint8_t *mask = (uint8_t *)poisoned(extent(rows, cols, ldm));
  size_t r, c, e;
  for (r = 0; r < rows; r += 4)
    for (c = 0; c < cols; c += 4) {
      const enum kind kind = (enum kind)(test_random(rng) % KINDS);
      for (e = 0; e < 4; ++e) fill(w + (r + e) * ldw + c, 4, kind, rng);
    }
  assert_int_equal(
      sste_tensor_mask_transposable(mask, ldm, w, ldw, rows, cols, rule),
      SSTE_OK);
  for (r = 0; r < rows; r += 4)
    for (c = 0; c < cols; c += 4) {
      const float *tile = w + r * ldw + c;
      const int want = slow_tile(tile, ldw, rule);
      int got = 0;
      for (e = 0; e < 16; ++e) got |= mask[(r + e / 4) * ldm + c + e % 4] << e;
      assert_int_equal(got, want);
      assert_int_equal(rule == SSTE_TILE_OPTIMAL
                           ? sste_tile_mask_optimal(tile, ldw)
                           : sste_tile_mask_greedy(tile, ldw, by_value),
                       want);
    }
  assert_padding(mask, ldm, rows, cols);
  free(w), free(mask);
}

static void tiles_side_by_side_are_tiles_alone(void **unused) {
  const size_t many = test_level() == 2 ? 10000 : 200;
  uint64_t rng = test_seed();
  size_t tiles;
  int rule;
  (void)unused;
  for (rule = SSTE_TILE_OPTIMAL; rule <= SSTE_TILE_GREEDY_SIGNED; ++rule) {
    for (tiles = 1; tiles <= 70; ++tiles)
      beside_each_other(8, tiles, 4 * tiles + tiles % 3, 4 * tiles + tiles % 5,
                        (sste_tile_rule)rule, &rng);
    beside_each_other(4 * many, 500, 2000, 2003, (sste_tile_rule)rule, &rng);
  }
}

/* Each of the 90 alone, and each pair of them, between which a tie decides. */
static void two_patterns_tie_side_by_side(void **unused) {
  static float w[4][4 * PATTERNS];
  static uint8_t mask[4][4 * PATTERNS];
  int m, n, e;
  (void)unused;
  for (m = 0; m < PATTERNS; ++m) {
    for (n = 0; n < PATTERNS; ++n)
      for (e = 0; e < 16; ++e)
        w[e / 4][4 * n + e % 4] = (float)((pattern[m] | pattern[n]) >> e & 1);
    assert_int_equal(
        sste_tensor_mask_transposable(mask[0], 4 * PATTERNS, w[0], 4 * PATTERNS,
                                      4, 4 * PATTERNS, SSTE_TILE_OPTIMAL),
        SSTE_OK);
    for (n = 0; n < PATTERNS; ++n) {
      const int want = slow_optimal(&w[0][4 * n], 4 * PATTERNS);
      for (e = 0; e < 16; ++e)
        assert_int_equal(mask[e / 4][4 * n + e % 4], want >> e & 1);
    }
  }
}

static uint32_t element_bytes(sste_type type) {
  return type == SSTE_FLOAT32 ? 4u : type <= SSTE_BFLOAT16 ? 2u : 1u;
}

/* Element i of a matrix, from its bits. */
static void put(void *w, size_t i, sste_type type, uint32_t bits) {
  const uint16_t half = (uint16_t)bits;
  const uint8_t byte = (uint8_t)bits;
  const void *from = &bits;
  if (element_bytes(type) == 2) from = &half;
  if (element_bytes(type) == 1) from = &byte;
  memcpy((uint8_t *)w + i * element_bytes(type), from, element_bytes(type));
}

static int is_nonzero(sste_type type, uint32_t bits) {
  switch (type) {
    case SSTE_FLOAT32: return !(test_float(bits) == 0.0f);
    case SSTE_FP8: return bits != 0 && bits != 0x80;
    case SSTE_INT8: return bits != 0;
    default: return bits != 0 && bits != 0x8000;
  }
}

/* Every code of 8 or 16 bits; of floats random ones and those near zero. */
static uint32_t code(sste_type type, size_t r, size_t c) {
  const uint32_t i = (uint32_t)(256 * r + c);
  uint64_t rng = i;
  if (type != SSTE_FLOAT32) return element_bytes(type) == 2 ? i : (uint32_t)c;
  if (i % 2 == 0) return (uint32_t)test_random(&rng);
  return (i << 15 & 0x80000000u) | i % 5;
}

static void nonzero_case(sste_type type) {
  const size_t rows = 256, cols = 256, ldw = 259, ldm = 257;
  void *w = poisoned(extent(rows, cols, ldw) * element_bytes(type));
  uint8_t *mask = (uint8_t *)poisoned(extent(rows, cols, ldm));
  size_t r, c;
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; ++c) put(w, r * ldw + c, type, code(type, r, c));
  assert_int_equal(
      sste_tensor_mask_nonzero(mask, ldm, w, ldw, rows, cols, type), SSTE_OK);
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; ++c)
      assert_int_equal(mask[r * ldm + c], is_nonzero(type, code(type, r, c)));
  assert_padding(mask, ldm, rows, cols);
  free(w), free(mask);
}

static void nonzeros_of_every_type(void **unused) {
  const float w[4] = {2.0f, -0.0f, 0.0f, -1.0f};
  const uint8_t want[4] = {1, 0, 0, 1};
  uint8_t mask[4];
  int i, type;
  (void)unused;
  assert_int_equal(sste_tensor_mask_nonzero(mask, 4, w, 4, 1, 4, SSTE_FLOAT32),
                   SSTE_OK);
  assert_memory_equal(mask, want, 4);
  for (i = 0; i < 4; ++i) {
    test_threads(thread_counts[i]);
    for (type = SSTE_FLOAT32; type <= SSTE_INT8; ++type)
      nonzero_case((sste_type)type);
  }
}

/* ---- 5. M o W ------------------------------------------------------------ */

/* A random mask: half are 0, the others any other byte. */
static void random_mask(uint8_t *mask, size_t n, uint64_t *rng) {
  size_t i;
  for (i = 0; i < n; ++i) {
    const uint64_t r = test_random(rng);
    mask[i] = (uint8_t)(r & 1 ? 0 : 1 + (r >> 8) % 255);
  }
}

static void masking_by_hand(void **unused) {
  const uint8_t mask[8] = {1, 0, 0, 1, 0, 0, 255, 128};
  const float inf = HUGE_VALF;
  float w[8] = {4, -3, 2, -1, 0, 0, 0, -0.0f};
  const float want[8] = {4, 0, 0, -1, 0, 0, test_float(0x7FC00000u), 0};
  (void)unused;
  w[4] = test_float(0xFF800001u);
  w[5] = -inf;
  w[6] = test_float(0xFFC12345u);
  assert_int_equal(sste_tensor_apply_mask(w, 8, w, 8, mask, 8, 1, 8), SSTE_OK);
  assert_memory_equal(w, want, sizeof w);
}

/* What is kept: the value, but one zero and one NaN. */
static float stored(float x) {
  return isnan(x) ? test_float(0x7FC00000u) : x == 0.0f ? 0.0f : x;
}

static void masking_case(size_t ldo, size_t ldw, size_t ldm, int in_place) {
  const size_t rows = 19, cols = 13, n = extent(rows, cols, ldw);
  float *w = (float *)poisoned(n * sizeof *w);
  float *dense = (float *)poisoned(n * sizeof *w);
  float *out = in_place ? w : (float *)poisoned(extent(rows, cols, ldo) * 4);
  uint8_t *mask = (uint8_t *)poisoned(extent(rows, cols, ldm));
  uint64_t rng = test_seed() + 7;
  size_t i;
  for (i = 0; i < n; ++i) w[i] = entry((enum kind)(i % KINDS), &rng);
  random_mask(mask, extent(rows, cols, ldm), &rng);
  memcpy(dense, w, n * sizeof *w);
  assert_int_equal(
      sste_tensor_apply_mask(out, ldo, w, ldw, mask, ldm, rows, cols), SSTE_OK);
  for (i = 0; i < extent(rows, cols, ldo); ++i) {
    const size_t r = i / ldo, c = i % ldo;
    if (c >= cols)
      assert_int_equal(test_bits(out[i]),
                       in_place ? test_bits(dense[i]) : 0xCACACACAu);
    else if (mask[r * ldm + c] != 0)
      assert_same_float(out[i], stored(dense[r * ldw + c]));
    else
      assert_same_float(out[i], 0.0f);
  }
  if (!in_place) {
    assert_memory_equal(w, dense, n * sizeof *w);
    free(out);
  }
  free(w), free(dense), free(mask);
}

static void a_mask_prunes_to_plus_zero(void **unused) {
  int i;
  (void)unused;
  for (i = 0; i < 4; ++i) {
    test_threads(thread_counts[i]);
    masking_case(13, 13, 13, 0);
    masking_case(17, 14, 15, 0);
    masking_case(14, 14, 16, 1);
  }
}

/* ---- 6. Flips ------------------------------------------------------------ */

static const uint8_t now[12] = {1, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0};
static const uint8_t earlier[4] = {1, 0, 1, 0};

/* 2 flips of 4 in one layer and 0 of 12 in the other are 2 of 16; the mean of
 * the layers' rates, 0.25, is another number. */
static void flips_of_two_layers(void **unused) {
  sste_flips total = {0, 0};
  (void)unused;
  assert_true(sste_flips_rate(NULL) == 0.0);
  assert_true(sste_flips_rate(&total) == 0.0);
  assert_int_equal(sste_flips_add(&total, now, 4, earlier, 4, 1, 4), SSTE_OK);
  assert_int_equal(total.flips, 2);
  assert_int_equal(total.entries, 4);
  assert_true(sste_flips_rate(&total) == 0.5);
  assert_int_equal(sste_flips_add(&total, now, 4, now, 4, 3, 4), SSTE_OK);
  assert_int_equal(total.flips, 2);
  assert_int_equal(total.entries, 16);
  assert_true(sste_flips_rate(&total) == 0.125);
}

static void a_first_mask_has_no_flips(void **unused) {
  sste_flips total = {2, 4};
  (void)unused;
  assert_int_equal(sste_flips_add(&total, now, 5, NULL, 0, 2, 4), SSTE_OK);
  assert_int_equal(total.flips, 2);
  assert_int_equal(total.entries, 12);
}

static void counts_beyond_32_bits_are_exact(void **unused) {
  const uint64_t flips = (uint64_t)1 << 40, entries = (uint64_t)1 << 42;
  sste_flips total = {flips - 1, entries - 4};
  (void)unused;
  assert_int_equal(sste_flips_add(&total, now, 4, earlier, 4, 1, 4), SSTE_OK);
  assert_true(total.flips == flips + 1 && total.entries == entries);
  assert_true(sste_flips_rate(&total) == 0.25 + 0x1p-42);
}

/* Layers of several shapes; SAD = sum |m - m'| with m and m' 0 or 1. */
static void flips_are_the_sum_of_absolute_differences(void **unused) {
  enum { MOST = 40 * 44 };
  uint8_t mask[MOST], previous[MOST];
  uint64_t rng = test_seed() + 8, sad = 0, entries = 0;
  sste_flips total = {0, 0};
  size_t rows, r, c;
  (void)unused;
  for (rows = 0; rows <= 40; ++rows) {
    const size_t cols = 40 - rows / 2, ldm = cols + rows % 3, ldp = cols + 2;
    random_mask(mask, MOST, &rng);
    random_mask(previous, MOST, &rng);
    for (r = 0; r < rows; ++r)
      for (c = 0; c < cols; ++c, ++entries)
        sad += (uint64_t)abs((mask[r * ldm + c] > 0) -
                             (previous[r * ldp + c] > 0));
    test_threads(thread_counts[rows % 4]);
    assert_int_equal(
        sste_flips_add(&total, mask, ldm, previous, ldp, rows, cols), SSTE_OK);
  }
  assert_true(total.flips == sad && total.entries == entries);
  assert_true(sste_flips_rate(&total) == (double)sad / (double)entries);
}

/* ---- 7. Decay ------------------------------------------------------------ */

/* y + factor w of one pruned entry. */
static float decayed(float y, float factor, float w) {
  const uint8_t pruned = 0;
  assert_int_equal(
      sste_tensor_masked_decay(&y, 1, &w, 1, &pruned, 1, 1, 1, factor),
      SSTE_OK);
  return y;
}

static void decay_by_hand(void **unused) {
  const uint8_t mask[2] = {1, 0};
  const float w[2] = {4, 4};
  float y[2] = {1, 1};
  (void)unused;
  assert_int_equal(sste_tensor_masked_decay(y, 2, w, 2, mask, 2, 1, 2, 0.5f),
                   SSTE_OK);
  assert_same_float(y[0], 1);
  assert_same_float(y[1], 3);
  /* (2^12 + 1)(2^24 - 2^12 + 1) = 2^36 + 1: the sum is 1 + 2^-24 + 2^-60, of
   * which double drops the last, so that float rounds a tie: to 1. */
  assert_same_float(decayed(1.0f, 0x1001p-30f, 0xFFF001p-30f), 1.0f);
  assert_same_float(decayed(1.0f, 0x1001p-30f, 0xFFF001p-29f), 0x1.000002p0f);
}

/* An integer rounded to so many bits, ties to even. */
static int64_t rounded(int64_t x, int bits) {
  const int64_t m = x < 0 ? -x : x;
  int64_t unit = 1, rest, down;
  while (m / unit >> bits != 0) unit *= 2;
  rest = m % unit;
  down = m - rest;
  if (2 * rest > unit || (2 * rest == unit && down / unit % 2 != 0))
    down += unit;
  return x < 0 ? -down : down;
}

/* Everything in units of 2^-40 as 64-bit integers: the exact sum, rounded to
 * 53 bits, then to 24. Half of the cases nearly cancel. */
static void decay_rounds_to_double_then_to_float(void **unused) {
  const long cases = test_level() == 2 ? 10000000 : 300000;
  uint64_t rng = test_seed() + 9;
  long i;
  (void)unused;
  for (i = 0; i < cases; ++i) {
    const int64_t factor = (int64_t)(test_random(&rng) >> 40);
    const int64_t w = (int64_t)(test_random(&rng) >> 40) - (1 << 23);
    int64_t y = (int64_t)(test_random(&rng) >> 40) - (1 << 23);
    int shift = (int)(test_random(&rng) % 39);
    int64_t sum;
    if (i % 2 == 0) {
      shift = 24;
      y = -(factor * w) / (1 << 24) + y % 3;
    }
    sum = y * ((int64_t)1 << shift) + factor * w;
    assert_same_float(decayed((float)ldexp((double)y, shift - 40),
                              (float)ldexp((double)factor, -20),
                              (float)ldexp((double)w, -20)),
                      (float)ldexp((double)rounded(rounded(sum, 53), 24), -40));
  }
}

/* Any floats, infinities and NaNs among them: fma rounds factor w + y once to
 * double. */
static void decay_case(size_t ldy, size_t ldw, size_t ldm, float factor,
                       int in_place) {
  const size_t rows = 29, cols = 11, n = extent(rows, cols, ldy);
  float *y = (float *)poisoned(n * sizeof *y);
  float *old = (float *)poisoned(n * sizeof *y);
  float *w = (float *)poisoned(extent(rows, cols, ldw) * sizeof *w);
  uint8_t *mask = (uint8_t *)poisoned(extent(rows, cols, ldm));
  uint64_t rng = test_seed() + 10;
  size_t i;
  for (i = 0; i < n; ++i) y[i] = entry((enum kind)(i % KINDS), &rng);
  fill(w, extent(rows, cols, ldw), ANY_BITS, &rng);
  random_mask(mask, extent(rows, cols, ldm), &rng);
  if (in_place) memcpy(w, y, n * sizeof *y);
  memcpy(old, y, n * sizeof *y);
  assert_int_equal(sste_tensor_masked_decay(y, ldy, in_place ? y : w, ldw, mask,
                                            ldm, rows, cols, factor),
                   SSTE_OK);
  for (i = 0; i < n; ++i) {
    const size_t r = i / ldy, c = i % ldy;
    if (c >= cols || mask[r * ldm + c] != 0) {
      assert_int_equal(test_bits(y[i]), test_bits(old[i]));
    } else {
      const double x = (double)w[r * ldw + c];
      const float want = (float)fma((double)factor, x, (double)old[i]);
      assert_same_float(y[i], isnan(want) ? test_float(0x7FC00000u) : want);
    }
  }
  free(y), free(old), free(w), free(mask);
}

static void decay_leaves_what_is_kept(void **unused) {
  static const float factors[6] = {0.0f,    6e-5f,      -0.25f,
                                   FLT_MAX, -0x1p-149f, 0x1.fffffep0f};
  int i, k;
  (void)unused;
  for (i = 0; i < 4; ++i) {
    test_threads(thread_counts[i]);
    for (k = 0; k < 6; ++k) {
      decay_case(11, 11, 11, factors[k], 0);
      decay_case(15, 12, 14, factors[k], 0);
      decay_case(13, 13, 12, factors[k], 1);
    }
  }
}

/* ---- 8. Refusals and empty matrices -------------------------------------- */

/* Every argument of the calls below lies in this arena, which a refused call
 * must leave as it is: outputs are poison, inputs are sound. */
enum { ARENA = 1024 };
static float arena[ARENA];
static float before[ARENA];

/* 0..255: inputs; 256..511: outputs; from 512: masks; from 768: mask outputs */
static float *const in = arena, *const out = arena + 256;
#define BYTES ((uint8_t *)(arena + 512))
#define BYTES_OUT ((uint8_t *)(arena + 768))
#define IN_BYTES ((uint8_t *)in)
#define OUT_BYTES ((uint8_t *)out)

static void arena_reset(void) {
  size_t i;
  test_poison(arena, sizeof arena);
  for (i = 0; i < 256; ++i) in[i] = (float)(i + 1);
  memset(BYTES, 0, 512);
}

#define assert_refused(call, want)                    \
  do {                                                \
    arena_reset();                                    \
    memcpy(before, arena, sizeof arena);              \
    assert_int_equal(call, want);                     \
    assert_memory_equal(arena, before, sizeof arena); \
  } while (0)
#define assert_accepted(call)        \
  do {                               \
    arena_reset();                   \
    assert_int_equal(call, SSTE_OK); \
  } while (0)

/* A stride too long for two rows. */
#define LD_HUGE(type) ((size_t)PTRDIFF_MAX / sizeof(type) / 2 + 1)

static void transposable_refusals(void **unused) {
  size_t odd;
  (void)unused;
#define MASK(m, ldm, w, ldw, r, c, rule) \
  sste_tensor_mask_transposable(m, ldm, w, ldw, r, c, rule)
  assert_accepted(MASK(BYTES_OUT, 8, in, 8, 4, 8, SSTE_TILE_OPTIMAL));
  assert_refused(MASK(NULL, 8, in, 8, 4, 8, SSTE_TILE_OPTIMAL), SSTE_ERR_NULL);
  assert_refused(MASK(BYTES_OUT, 8, NULL, 8, 4, 8, SSTE_TILE_GREEDY),
                 SSTE_ERR_NULL);
  assert_refused(MASK(BYTES_OUT, 7, in, 8, 4, 8, SSTE_TILE_OPTIMAL),
                 SSTE_ERR_SHAPE);
  assert_refused(MASK(BYTES_OUT, 8, in, 7, 4, 8, SSTE_TILE_OPTIMAL),
                 SSTE_ERR_SHAPE);
  for (odd = 1; odd < 4; ++odd) {
    assert_refused(MASK(BYTES_OUT, 8, in, 8, 4 + odd, 8, SSTE_TILE_OPTIMAL),
                   SSTE_ERR_SHAPE);
    assert_refused(MASK(BYTES_OUT, 8, in, 8, 4, 4 + odd, SSTE_TILE_GREEDY),
                   SSTE_ERR_SHAPE);
  }
  assert_refused(
      MASK(BYTES_OUT, LD_HUGE(uint8_t), in, 8, 4, 8, SSTE_TILE_OPTIMAL),
      SSTE_ERR_SIZE);
  assert_refused(
      MASK(BYTES_OUT, 8, in, LD_HUGE(float), 4, 8, SSTE_TILE_OPTIMAL),
      SSTE_ERR_SIZE);
  /* The last byte of the last row is shared, then none. */
  assert_refused(MASK(IN_BYTES, 8, in, 8, 4, 8, SSTE_TILE_OPTIMAL),
                 SSTE_ERR_OVERLAP);
  assert_refused(MASK(IN_BYTES + 127, 8, in, 8, 4, 8, SSTE_TILE_OPTIMAL),
                 SSTE_ERR_OVERLAP);
  assert_accepted(MASK(IN_BYTES + 128, 8, in, 8, 4, 8, SSTE_TILE_OPTIMAL));
  assert_refused(MASK(BYTES_OUT, 8, in, 8, 4, 8, (sste_tile_rule)3),
                 SSTE_ERR_VALUE);
  assert_refused(MASK(BYTES_OUT, 8, in, 8, 4, 8, (sste_tile_rule)-1),
                 SSTE_ERR_VALUE);
#undef MASK
}

static void nonzero_refusals(void **unused) {
  (void)unused;
#define NONZERO(m, ldm, w, ldw, r, c, type) \
  sste_tensor_mask_nonzero(m, ldm, w, ldw, r, c, type)
  assert_accepted(NONZERO(BYTES_OUT, 7, in, 7, 2, 7, SSTE_FLOAT32));
  assert_refused(NONZERO(NULL, 8, in, 8, 2, 8, SSTE_INT8), SSTE_ERR_NULL);
  assert_refused(NONZERO(BYTES_OUT, 8, NULL, 8, 2, 8, SSTE_FP8), SSTE_ERR_NULL);
  assert_refused(NONZERO(BYTES_OUT, 7, in, 8, 2, 8, SSTE_FP8), SSTE_ERR_SHAPE);
  assert_refused(NONZERO(BYTES_OUT, 8, in, 7, 2, 8, SSTE_FP8), SSTE_ERR_SHAPE);
  assert_refused(NONZERO(BYTES_OUT, LD_HUGE(uint8_t), in, 8, 2, 8, SSTE_FP8),
                 SSTE_ERR_SIZE);
  assert_refused(
      NONZERO(BYTES_OUT, 8, in, LD_HUGE(uint16_t), 2, 8, SSTE_BFLOAT16),
      SSTE_ERR_SIZE);
  assert_refused(NONZERO(IN_BYTES, 8, in, 8, 2, 8, SSTE_INT8),
                 SSTE_ERR_OVERLAP);
  /* 16 elements: the matrix ends with its type's bytes. */
  assert_refused(NONZERO(IN_BYTES + 63, 8, in, 8, 2, 8, SSTE_FLOAT32),
                 SSTE_ERR_OVERLAP);
  assert_accepted(NONZERO(IN_BYTES + 64, 8, in, 8, 2, 8, SSTE_FLOAT32));
  assert_refused(NONZERO(IN_BYTES + 31, 8, in, 8, 2, 8, SSTE_FLOAT16),
                 SSTE_ERR_OVERLAP);
  assert_accepted(NONZERO(IN_BYTES + 32, 8, in, 8, 2, 8, SSTE_BFLOAT16));
  assert_refused(NONZERO(IN_BYTES + 15, 8, in, 8, 2, 8, SSTE_FP8),
                 SSTE_ERR_OVERLAP);
  assert_accepted(NONZERO(IN_BYTES + 16, 8, in, 8, 2, 8, SSTE_INT8));
  assert_refused(NONZERO(BYTES_OUT, 8, in, 8, 2, 8, (sste_type)5),
                 SSTE_ERR_VALUE);
  assert_refused(NONZERO(BYTES_OUT, 8, in, 8, 2, 8, (sste_type)-1),
                 SSTE_ERR_VALUE);
#undef NONZERO
}

static void masking_refusals(void **unused) {
  (void)unused;
#define MASKED(o, ldo, w, ldw, m, ldm) \
  sste_tensor_apply_mask(o, ldo, w, ldw, m, ldm, 2, 8)
  assert_accepted(MASKED(out, 8, in, 8, BYTES, 8));
  assert_accepted(MASKED(in, 8, in, 8, BYTES, 8));
  assert_refused(MASKED(NULL, 8, in, 8, BYTES, 8), SSTE_ERR_NULL);
  assert_refused(MASKED(out, 8, NULL, 8, BYTES, 8), SSTE_ERR_NULL);
  assert_refused(MASKED(out, 8, in, 8, NULL, 8), SSTE_ERR_NULL);
  assert_refused(MASKED(out, 7, in, 8, BYTES, 8), SSTE_ERR_SHAPE);
  assert_refused(MASKED(out, 8, in, 7, BYTES, 8), SSTE_ERR_SHAPE);
  assert_refused(MASKED(out, 8, in, 8, BYTES, 7), SSTE_ERR_SHAPE);
  assert_refused(MASKED(out, LD_HUGE(float), in, 8, BYTES, 8), SSTE_ERR_SIZE);
  assert_refused(MASKED(out, 8, in, LD_HUGE(float), BYTES, 8), SSTE_ERR_SIZE);
  assert_refused(MASKED(out, 8, in, 8, BYTES, LD_HUGE(uint8_t)), SSTE_ERR_SIZE);
  assert_refused(MASKED(in, 9, in, 8, BYTES, 8), SSTE_ERR_OVERLAP);
  assert_refused(MASKED(in + 15, 8, in, 8, BYTES, 8), SSTE_ERR_OVERLAP);
  assert_accepted(MASKED(in + 16, 8, in, 8, BYTES, 8));
  assert_refused(MASKED(out, 8, in, 8, OUT_BYTES + 63, 8), SSTE_ERR_OVERLAP);
  assert_accepted(MASKED(out, 8, in, 8, OUT_BYTES + 64, 8));
#undef MASKED
}

static void flips_refusals(void **unused) {
  sste_flips total = {5, 9};
  (void)unused;
#define FLIPS(m, ldm, p, ldp, r) sste_flips_add(&total, m, ldm, p, ldp, r, 4)
  assert_int_equal(sste_flips_add(NULL, now, 4, now, 4, 1, 4), SSTE_ERR_NULL);
  assert_int_equal(FLIPS(NULL, 4, earlier, 4, 1), SSTE_ERR_NULL);
  assert_int_equal(FLIPS(NULL, 4, NULL, 4, 1), SSTE_ERR_NULL);
  assert_int_equal(FLIPS(now, 3, earlier, 4, 1), SSTE_ERR_SHAPE);
  assert_int_equal(FLIPS(now, 4, earlier, 3, 1), SSTE_ERR_SHAPE);
  assert_int_equal(FLIPS(now, LD_HUGE(uint8_t), now, 4, 2), SSTE_ERR_SIZE);
  assert_int_equal(FLIPS(now, 4, now, LD_HUGE(uint8_t), 2), SSTE_ERR_SIZE);
  assert_int_equal(FLIPS(NULL, 0, NULL, 0, 0), SSTE_OK);
  assert_true(total.flips == 5 && total.entries == 9);
#undef FLIPS
}

static void decay_refusals(void **unused) {
  (void)unused;
#define DECAY(y, ldy, w, ldw, m, ldm, factor) \
  sste_tensor_masked_decay(y, ldy, w, ldw, m, ldm, 2, 8, factor)
  assert_accepted(DECAY(out, 8, in, 8, BYTES, 8, 1));
  assert_accepted(DECAY(in, 8, in, 8, BYTES, 8, -1));
  assert_refused(DECAY(NULL, 8, in, 8, BYTES, 8, 1), SSTE_ERR_NULL);
  assert_refused(DECAY(out, 8, NULL, 8, BYTES, 8, 1), SSTE_ERR_NULL);
  assert_refused(DECAY(out, 8, in, 8, NULL, 8, 1), SSTE_ERR_NULL);
  assert_refused(DECAY(out, 7, in, 8, BYTES, 8, 1), SSTE_ERR_SHAPE);
  assert_refused(DECAY(out, 8, in, 7, BYTES, 8, 1), SSTE_ERR_SHAPE);
  assert_refused(DECAY(out, 8, in, 8, BYTES, 7, 1), SSTE_ERR_SHAPE);
  assert_refused(DECAY(out, LD_HUGE(float), in, 8, BYTES, 8, 1), SSTE_ERR_SIZE);
  assert_refused(DECAY(out, 8, in, LD_HUGE(float), BYTES, 8, 1), SSTE_ERR_SIZE);
  assert_refused(DECAY(out, 8, in, 8, BYTES, LD_HUGE(uint8_t), 1),
                 SSTE_ERR_SIZE);
  assert_refused(DECAY(in, 9, in, 8, BYTES, 8, 1), SSTE_ERR_OVERLAP);
  assert_refused(DECAY(in + 15, 8, in, 8, BYTES, 8, 1), SSTE_ERR_OVERLAP);
  assert_accepted(DECAY(in + 16, 8, in, 8, BYTES, 8, 1));
  assert_refused(DECAY(out, 8, in, 8, OUT_BYTES + 63, 8, 1), SSTE_ERR_OVERLAP);
  assert_accepted(DECAY(out, 8, in, 8, OUT_BYTES + 64, 8, 1));
  assert_refused(DECAY(out, 8, in, 8, BYTES, 8, HUGE_VALF), SSTE_ERR_VALUE);
  assert_refused(DECAY(out, 8, in, 8, BYTES, 8, -HUGE_VALF), SSTE_ERR_VALUE);
  assert_refused(DECAY(out, 8, in, 8, BYTES, 8, test_float(0xFFC00000u)),
                 SSTE_ERR_VALUE);
#undef DECAY
}

/* No rows or no columns: any pointer, stride and other size will do, and
 * nothing is touched. */
static void empty_matrices_are_left_alone(void **unused) {
  size_t i;
  (void)unused;
  for (i = 0; i < 2; ++i) {
    const size_t rows = i == 0 ? 0 : 3, cols = i == 0 ? 3 : 0;
    assert_refused(sste_tensor_mask_transposable(BYTES_OUT, 4, in, 4, rows,
                                                 cols, SSTE_TILE_OPTIMAL),
                   SSTE_OK);
    assert_refused(sste_tensor_mask_transposable(NULL, 0, NULL, 0, rows, cols,
                                                 SSTE_TILE_GREEDY),
                   SSTE_OK);
    assert_refused(
        sste_tensor_mask_nonzero(BYTES_OUT, 4, in, 4, rows, cols, SSTE_FLOAT32),
        SSTE_OK);
    assert_refused(
        sste_tensor_mask_nonzero(NULL, 0, NULL, 0, rows, cols, SSTE_INT8),
        SSTE_OK);
    assert_refused(sste_tensor_apply_mask(out, 4, in, 4, BYTES, 4, rows, cols),
                   SSTE_OK);
    assert_refused(
        sste_tensor_apply_mask(NULL, 0, NULL, 0, NULL, 0, rows, cols), SSTE_OK);
    assert_refused(
        sste_tensor_masked_decay(out, 4, in, 4, BYTES, 4, rows, cols, 1),
        SSTE_OK);
    assert_refused(
        sste_tensor_masked_decay(NULL, 0, NULL, 0, NULL, 0, rows, cols, 1),
        SSTE_OK);
  }
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_pattern_is_the_last_inverted),
      cmocka_unit_test(the_optimum_by_hand),
      cmocka_unit_test(the_order_of_additions_decides_ties),
      cmocka_unit_test(every_pattern_is_its_own_optimum),
      cmocka_unit_test(the_optimum_is_that_of_90_patterns),
      cmocka_unit_test(no_pattern_beats_the_optimum),
      cmocka_unit_test(a_transposed_tile_keeps_as_much),
      cmocka_unit_test(greedy_by_hand),
      cmocka_unit_test(seven_can_outweigh_the_best_eight),
      cmocka_unit_test(greedy_is_a_sort),
      cmocka_unit_test(greedy_keeps_seven_or_eight_and_half_of_the_optimum),
      cmocka_unit_test(greedy_on_gaussian_tiles),
      cmocka_unit_test(a_matrix_is_masked_tile_by_tile),
      cmocka_unit_test(tiles_side_by_side_are_tiles_alone),
      cmocka_unit_test(two_patterns_tie_side_by_side),
      cmocka_unit_test(nonzeros_of_every_type),
      cmocka_unit_test(masking_by_hand),
      cmocka_unit_test(a_mask_prunes_to_plus_zero),
      cmocka_unit_test(flips_of_two_layers),
      cmocka_unit_test(a_first_mask_has_no_flips),
      cmocka_unit_test(counts_beyond_32_bits_are_exact),
      cmocka_unit_test(flips_are_the_sum_of_absolute_differences),
      cmocka_unit_test(decay_by_hand),
      cmocka_unit_test(decay_rounds_to_double_then_to_float),
      cmocka_unit_test(decay_leaves_what_is_kept),
      cmocka_unit_test(transposable_refusals),
      cmocka_unit_test(nonzero_refusals),
      cmocka_unit_test(masking_refusals),
      cmocka_unit_test(flips_refusals),
      cmocka_unit_test(decay_refusals),
      cmocka_unit_test(empty_matrices_are_left_alone),
  };
  return cmocka_run_group_tests(tests, find_patterns, NULL);
}
