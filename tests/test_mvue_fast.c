/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_mvue_fast.c - a matrix drawn by tiles has the bits of its groups drawn
 * one by one, whatever the data, the shape, the origin and the threads. And
 * ordinary data leave nothing for the slow function to do.
 */
#include "sste_mvue.h"
#include "test.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* ---- Data ---------------------------------------------------------------- */

typedef enum data {
  NORMAL,
  ZEROS,     /* half of all are zeros, of both signs */
  WHOLE,     /* -2 .. 2: ties, zeros, few bits */
  DOMINANT,  /* one in four is much larger */
  ANY_BITS,  /* any float there is, NaNs too */
  SUBNORMAL, /* any subnormal */
  SMALLEST,  /* 0 .. 7 times the smallest subnormal: rounding decides much */
  HUGE_ONES, /* around 2^124, where a tile gives up, to infinity and beyond */
  KINDS
} data;

static float random_value(data kind, uint64_t *state) {
  const uint32_t bits = (uint32_t)test_random(state), sign = bits & 1u << 31;
  const double z = test_normal(state);
  float x = (float)z;
  if (kind == ZEROS && (bits & 1) != 0) x = (bits & 2) != 0 ? 0.0f : -0.0f;
  if (kind == WHOLE) x = (float)((int)(bits % 5) - 2);
  if (kind == DOMINANT && bits % 4 == 0) x = (float)(z * 1e4);
  if (kind == ANY_BITS) x = test_float(bits);
  if (kind == SUBNORMAL) x = test_float(bits & 0x807FFFFFu);
  if (kind == SMALLEST) x = test_float(sign | (bits & 7));
  if (kind == HUGE_ONES)
    x = test_float(sign | (0x7D000000u + bits % 0x02900000u));
  return x;
}

static sste_mvue_stream stream_of(uint64_t seed, size_t run, size_t group) {
  sste_mvue_stream s;
  s.seed = seed;
  s.tensor = 7;
  s.step = 1234567;
  s.run = run;
  s.group = group;
  return s;
}

/* ---- A matrix against its groups ----------------------------------------- */

/* A matrix with more between its rows than they hold. */
typedef struct matrix {
  size_t rows, cols, ld, count;
  sste_axis axis;
  int m; /* 4: 2:4; 2: 1:2 */
} matrix;

static matrix matrix_of(size_t runs, size_t groups, size_t gap, sste_axis axis,
                        int m) {
  const int down = axis == SSTE_DOWN_COLUMNS;
  matrix x;
  x.rows = down ? groups * (size_t)m : runs;
  x.cols = down ? runs : groups * (size_t)m;
  x.ld = x.cols + gap;
  x.count = x.rows * x.ld;
  x.axis = axis;
  x.m = m;
  return x;
}

static size_t runs_of(matrix x) {
  return x.axis == SSTE_DOWN_COLUMNS ? x.cols : x.rows;
}

static size_t groups_of(matrix x) {
  return x.rows * x.cols / runs_of(x) / (size_t)x.m;
}

/* Where element i of group g of run r lies. */
static size_t place(matrix x, size_t r, size_t g, size_t i) {
  const size_t along = g * (size_t)x.m + i;
  return x.axis == SSTE_DOWN_COLUMNS ? along * x.ld + r : r * x.ld + along;
}

static float *room(size_t count) {
  float *p = (float *)malloc((count + 1) * sizeof *p);
  assert_non_null(p);
  test_poison(p, (count + 1) * sizeof *p);
  return p;
}

static void draw_one(float *x, int m, uint32_t word) {
  if (m == 4)
    sste_mvue24_group_draw(x, x, word);
  else
    sste_mvue12_group_draw(x, x, word);
}

static sste_status draw(float *out, size_t ldo, const float *a, matrix x,
                        const sste_mvue_stream *s) {
  if (x.m == 4)
    return sste_mvue24_tensor_draw(out, ldo, a, x.ld, x.rows, x.cols, x.axis,
                                   s);
  return sste_mvue12_tensor_draw(out, ldo, a, x.ld, x.rows, x.cols, x.axis, s);
}

/* The definition, in x's layout; what no group covers stays. */
static void draw_groups(float *out, const float *a, matrix x,
                        const sste_mvue_stream *s) {
  const size_t m = (size_t)x.m;
  size_t r, g, i;
  for (r = 0; r < runs_of(x); ++r)
    for (g = 0; g < groups_of(x); ++g) {
      float group[4];
      for (i = 0; i < m; ++i) group[i] = a[place(x, r, g, i)];
      draw_one(group, x.m, sste_mvue_word(s, r, g));
      for (i = 0; i < m; ++i) out[place(x, r, g, i)] = group[i];
    }
}

/* Out of place with another stride, in place, and by the general function. */
static void assert_groups(const float *a, matrix x, const sste_mvue_stream *s) {
  const size_t bytes = x.count * sizeof *a;
  matrix wide = x;
  float *want = room(x.count), *got, *widened;
  size_t r;
  memcpy(want, a, bytes);
  draw_groups(want, a, x, s);

  wide.ld = x.ld + 3;
  wide.count = x.rows * wide.ld;
  got = room(wide.count);
  widened = room(wide.count);
  for (r = 0; r < x.rows; ++r)
    memcpy(widened + r * wide.ld, want + r * x.ld, x.cols * sizeof *a);
  assert_int_equal(draw(got, wide.ld, a, x, s), SSTE_OK);
  assert_memory_equal(got, widened, (wide.count + 1) * sizeof *got);

  memcpy(got, a, bytes);
  assert_int_equal(draw(got, x.ld, got, x, s), SSTE_OK);
  assert_memory_equal(got, want, bytes);

  memcpy(got, a, bytes);
  assert_int_equal(sste_mvue_tensor_draw(got, x.ld, got, x.ld, x.rows, x.cols,
                                         x.m / 2, x.m, x.axis, s),
                   SSTE_OK);
  assert_memory_equal(got, want, bytes);
  free(want);
  free(got);
  free(widened);
}

static void assert_random(matrix x, data kind, const sste_mvue_stream *s,
                          uint64_t *state) {
  float *a = room(x.count);
  size_t e;
  for (e = 0; e < x.count; ++e) a[e] = random_value(kind, state);
  assert_groups(a, x, s);
  free(a);
}

/* ---- Tests --------------------------------------------------------------- */

static const sste_axis axes[2] = {SSTE_ALONG_ROWS, SSTE_DOWN_COLUMNS};

static void every_kind_of_data(void **state) {
  const int rounds = test_level() == 2 ? 40 : 2;
  uint64_t seed = test_seed();
  int kind, axis, m, round;
  (void)state;
  for (round = 0; round < rounds; ++round)
    for (kind = 0; kind < KINDS; ++kind)
      for (axis = 0; axis < 2; ++axis)
        for (m = 2; m <= 4; m += 2) {
          const sste_mvue_stream s = stream_of(test_random(&seed), 3, 5);
          assert_random(matrix_of(70, 270, 5, axes[axis], m), (data)kind, &s,
                        &seed);
          assert_random(matrix_of(270, 70, 5, axes[axis], m), (data)kind, &s,
                        &seed);
        }
}

/* Around the length of a vector, of a Philox call, of a tile; from all four
 * words of a call. */
static void every_shape(void **state) {
  static const size_t lengths[] = {1,  2,   3,   4,   5,   7,   8,   15, 16,
                                   17, 255, 256, 257, 259, 511, 512, 515};
  uint64_t seed = test_seed();
  size_t length, few, origin;
  int axis, m;
  (void)state;
  for (length = 0; length < LENGTH(lengths); ++length)
    for (axis = 0; axis < 2; ++axis)
      for (m = 2; m <= 4; m += 2)
        for (origin = 0; origin < 4; ++origin) {
          const sste_mvue_stream s = stream_of(9, 2, 4 + origin);
          few = 1 + (length + origin) % 3;
          assert_random(matrix_of(few, lengths[length], origin, axes[axis], m),
                        NORMAL, &s, &seed);
          assert_random(matrix_of(lengths[length], few, 0, axes[axis], m),
                        NORMAL, &s, &seed);
        }
}

/* The last runs and groups that a counter can name. */
static void far_origins(void **state) {
  static const size_t last_run = 0xFFFFFFFFu;
  uint64_t seed = test_seed();
  size_t last_group = last_run;
  int axis, m;
  (void)state;
  if (sizeof(size_t) >= 8) last_group = (size_t)(((uint64_t)1 << 34) - 1);
  for (axis = 0; axis < 2; ++axis)
    for (m = 2; m <= 4; m += 2) {
      const matrix x = matrix_of(21, 37, 1, axes[axis], m);
      const sste_mvue_stream s =
          stream_of(~(uint64_t)0 << 13 | 5, last_run - 20, last_group - 36);
      assert_random(x, NORMAL, &s, &seed);
    }
}

/* Two neighbours that are not ordinary among many that are, at every place of a
 * group; one of these groups is the last of a tile, one the first of the next.
 */
static void specials_everywhere(void **state) {
  static const uint32_t bits[] = {
      0x7FC00000u, 0xFFC00001u, 0x7F800001u, 0x7F800000u, 0xFF800000u,
      0x7F7FFFFFu, 0x7E800000u, 0xFE000000u, 0x7DFFFFFFu, 0x7D800000u,
      0x7D7FFFFFu, 0x00000000u, 0x80000000u, 0x00000001u, 0x80800000u};
  static const size_t at[] = {0, 17, 253, 255};
  const sste_mvue_stream s = stream_of(77, 0, 0);
  uint64_t seed = test_seed();
  size_t b, c, k, i;
  int axis, m;
  (void)state;
  for (axis = 0; axis < 2; ++axis)
    for (m = 2; m <= 4; m += 2) {
      const int down = axes[axis] == SSTE_DOWN_COLUMNS;
      const matrix x = down ? matrix_of(260, 1, 0, axes[axis], m)
                            : matrix_of(1, 260, 0, axes[axis], m);
      float *a = room(x.count), *b0 = room(x.count);
      for (i = 0; i < x.count; ++i) b0[i] = random_value(NORMAL, &seed);
      for (b = 0; b < LENGTH(bits); ++b)
        for (c = 0; c < LENGTH(bits); ++c) {
          memcpy(a, b0, x.count * sizeof *a);
          for (k = 0; k < LENGTH(at); ++k)
            for (i = 0; i < (size_t)m; ++i) {
              const size_t g = at[k] + i, r = down ? g : 0, h = down ? 0 : g;
              a[place(x, r, h, i)] = test_float(bits[b]);
              a[place(x, r, h, (i + 1) % (size_t)m)] = test_float(bits[c]);
            }
          assert_groups(a, x, &s);
        }
      free(a);
      free(b0);
    }
}

/* A word whose uniform is often the smallest or the largest. */
static uint32_t edge_word(uint64_t *state) {
  const uint32_t word = (uint32_t)test_random(state);
  if (word % 4 == 1) return word & 0x7FFu;
  if (word % 4 == 2) return word | 0xFFFFF800u;
  return word;
}

/* A group whose points lie on an edge of its cells, but for a few units in the
 * last place. Elements up to the edge have the sum u * total, the others make
 * it up to total, which is tau if the last of the four is large enough: it is
 * certain in half of the groups, and just so, or just not, in some. In any
 * order.                                                                    */
static void set_edge(float a[4], uint32_t word, uint64_t *state) {
  const double u = (double)(word >> 9) * 0x1p-23;
  const double total = 1.0 + test_uniform(state);
  const double cut = test_uniform(state);
  const uint64_t dice = test_random(state);
  float edge = (float)(u * total), value[4];
  size_t i, order[4] = {0, 1, 2, 3};
  int ulps;
  for (ulps = (int)(dice % 7) - 3; ulps > 0; --ulps)
    edge = nextafterf(edge, HUGE_VALF);
  for (; ulps < 0; ++ulps) edge = nextafterf(edge, 0.0f);
  value[0] = edge;
  value[1] = (float)(total - (double)edge);
  value[2] = 0.0f;
  if ((dice >> 8 & 3) != 0) { /* cut one of them in two */
    const size_t which = dice >> 10 & 1;
    value[2] = (float)(cut * (double)value[which]);
    value[which] -= value[2];
  }
  value[3] = (float)total;
  if ((dice >> 12 & 1) != 0) value[3] *= 1.0f + (float)cut;
  if ((dice >> 13 & 3) == 0) value[3] *= 0.5f;
  if ((dice >> 24 & 3) == 0) /* a cell that both points might fall into */
    value[3] = nextafterf((float)total, 0.0f);
  for (i = 3; i > 0; --i) {
    const size_t k = test_random(state) % (i + 1), last = order[i];
    order[i] = order[k];
    order[k] = last;
  }
  for (i = 0; i < 4; ++i)
    a[order[i]] = (dice >> (16 + i) & 1) != 0 ? -value[i] : value[i];
}

/* The tile itself, so that the words can be chosen. */
static void points_on_edges(void **state) {
  const size_t rounds = test_level() == 2 ? 100000 : 3000;
  uint64_t seed = test_seed();
  size_t round, i, j;
  (void)state;
  for (round = 0; round < rounds; ++round) {
    sste_priv_mvue_tile t;
    const float *const x[4] = {t.x[0], t.x[1], t.x[2], t.x[3]};
    float *const y[4] = {t.y[0], t.y[1], t.y[2], t.y[3]};
    for (j = 0; j < SSTE_PRIV_MVUE_TILE; ++j) {
      float a[4];
      t.in_order[j] = edge_word(&seed);
      set_edge(a, t.in_order[j], &seed);
      for (i = 0; i < 4; ++i) t.x[i][j] = a[i];
    }
    sste_priv_mvue_tile_draw(&t, y, x, t.in_order, 4, SSTE_PRIV_MVUE_TILE);
    for (j = 0; j < SSTE_PRIV_MVUE_TILE; ++j) {
      float a[4];
      for (i = 0; i < 4; ++i) a[i] = x[i][j];
      sste_mvue24_group_draw(a, a, t.in_order[j]);
      for (i = 0; i < 4; ++i) assert_same_float(y[i][j], a[i]);
    }
  }
}

/* The smaller unit, from tau = 2^125 on, makes nothing of the smallest floats,
 * so that the word 0 does not find one. */
static void smaller_unit_where_it_begins(void **state) {
  static const uint32_t words[] = {0, 0x7FFFFFFFu, 0xFFFFFFFFu};
  sste_priv_mvue_tile t;
  const float *const x[4] = {t.x[0], t.x[1], t.x[2], t.x[3]};
  float *const y[4] = {t.y[0], t.y[1], t.y[2], t.y[3]};
  size_t i, j;
  (void)state;
  for (j = 0; j < SSTE_PRIV_MVUE_TILE; ++j) {
    const float large = (float)ldexp(1.0 + (double)(j % 64) / 64, 123);
    t.in_order[j] = words[j % 3];
    for (i = 0; i < 4; ++i) t.x[i][j] = large * (float)(1 << j / 64);
    t.x[j % 2][j] = test_float(1 + (uint32_t)j % 5);
  }
  sste_priv_mvue_tile_draw(&t, y, x, t.in_order, 4, SSTE_PRIV_MVUE_TILE);
  for (j = 0; j < SSTE_PRIV_MVUE_TILE; ++j) {
    float a[4];
    for (i = 0; i < 4; ++i) a[i] = x[i][j];
    sste_mvue24_group_draw(a, a, t.in_order[j]);
    for (i = 0; i < 4; ++i) assert_same_float(y[i][j], a[i]);
  }
}

/* For 1:2: an edge at u S, but for a few units in the last place. */
static void points_on_edges_of_pairs(void **state) {
  uint64_t seed = test_seed();
  size_t g;
  int axis;
  (void)state;
  for (axis = 0; axis < 2; ++axis) {
    const matrix x = matrix_of(1, 40000, 0, axes[axis], 2);
    const sste_mvue_stream s = stream_of(test_random(&seed), 0, 0);
    float *a = room(x.count);
    for (g = 0; g < 40000; ++g) {
      const double u = (double)(sste_mvue_word(&s, 0, g) >> 9) * 0x1p-23;
      const float edge = (float)(u * 3.0);
      const uint32_t ulps = (uint32_t)(test_random(&seed) % 3);
      a[place(x, 0, g, 0)] = test_float(test_bits(edge) + ulps);
      a[place(x, 0, g, 1)] = (float)(3.0 - (double)edge);
    }
    assert_groups(a, x, &s);
    free(a);
  }
}

/* The same bits from any number of threads, in a place that all of them share
 * and must not disturb. */
static void threads_do_not_matter(void **state) {
  const matrix x = matrix_of(600, 41, 2, SSTE_DOWN_COLUMNS, 4);
  const sste_mvue_stream s = stream_of(5, 1, 3);
  uint64_t seed = test_seed();
  int threads;
  (void)state;
  for (threads = 1; threads <= 5; ++threads) {
    test_threads(threads);
    assert_random(x, ANY_BITS, &s, &seed);
  }
  test_threads(2);
}

/* What is left for the function for one group: nothing of Gaussians, zeros,
 * whole numbers, or dominant elements. It would be 30 times as slow. */
static void ordinary_data_take_the_fast_path(void **state) {
  static const data kinds[] = {NORMAL, ZEROS, WHOLE, DOMINANT};
  const sste_mvue_stream s = stream_of(11, 0, 0);
  uint64_t seed = test_seed();
  size_t k, round, i, j;
  (void)state;
  for (k = 0; k < LENGTH(kinds); ++k)
    for (round = 0; round < 40; ++round) {
      sste_priv_mvue_tile tile;
      const float *const x[4] = {tile.x[0], tile.x[1], tile.x[2], tile.x[3]};
      float *const y[4] = {tile.y[0], tile.y[1], tile.y[2], tile.y[3]};
      for (i = 0; i < 4; ++i)
        for (j = 0; j < SSTE_PRIV_MVUE_TILE; ++j)
          tile.x[i][j] = random_value(kinds[k], &seed);
      sste_priv_mvue_tile_words(&tile, &s, (uint32_t)round, 0, 0, 1,
                                SSTE_PRIV_MVUE_TILE);
      assert_true(sste_priv_mvue24_tile(&tile, y, x, tile.word[1],
                                        SSTE_PRIV_MVUE_TILE) >= 0);
      assert_true(sste_priv_mvue12_tile(&tile, y, x, tile.word[2],
                                        SSTE_PRIV_MVUE_TILE) >= 0);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_kind_of_data),
      cmocka_unit_test(every_shape),
      cmocka_unit_test(far_origins),
      cmocka_unit_test(specials_everywhere),
      cmocka_unit_test(points_on_edges),
      cmocka_unit_test(smaller_unit_where_it_begins),
      cmocka_unit_test(points_on_edges_of_pairs),
      cmocka_unit_test(threads_do_not_matter),
      cmocka_unit_test(ordinary_data_take_the_fast_path),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
