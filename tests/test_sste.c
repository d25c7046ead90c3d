/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_sste.c - sste.h against the slow reference, against the mathematics,
 * and against the mistakes that other implementations have shipped.
 *
 *   1. One group of four    2. Tensors        3. The scale beta
 *   4. The compressed form  5. Products       6. Refusals and empty matrices
 */
#include "slow_sste.h"
#include "sste.h"
#include "test.h"

/* ---- Matrices whose padding is poison ------------------------------------ */

/* Rows ld elements apart, and not one element behind the last row's end, so
 * that a sanitizer sees every read or write outside. */
typedef struct matrix {
  float *p;
  size_t rows, cols, ld;
} matrix;

static size_t extent(size_t rows, size_t cols, size_t ld) {
  return rows == 0 || cols == 0 ? 0 : (rows - 1) * ld + cols;
}

static void *poisoned(size_t bytes) {
  void *p = malloc(bytes != 0 ? bytes : 1);
  assert_non_null(p);
  test_poison(p, bytes);
  return p;
}

static matrix matrix_new(size_t rows, size_t cols, size_t pad) {
  matrix m;
  m.rows = rows;
  m.cols = cols;
  m.ld = cols + pad;
  m.p = (float *)poisoned(extent(rows, cols, m.ld) * sizeof *m.p);
  return m;
}

static float *matrix_at(matrix m, size_t r, size_t c) {
  return m.p + r * m.ld + c;
}

static void assert_padding(matrix m) {
  size_t r, c;
  for (r = 0; r + 1 < m.rows && m.cols != 0; ++r)
    for (c = m.cols; c < m.ld; ++c)
      assert_int_equal(test_bits(*matrix_at(m, r, c)), 0xCACACACA);
}

static void assert_same_matrix(matrix got, matrix want) {
  size_t r, c;
  for (r = 0; r < want.rows; ++r)
    for (c = 0; c < want.cols; ++c)
      assert_same_float(*matrix_at(got, r, c), *matrix_at(want, r, c));
  assert_padding(got);
}

static matrix matrix_copy(matrix from) {
  matrix m = from;
  const size_t bytes = extent(m.rows, m.cols, m.ld) * sizeof *m.p;
  m.p = (float *)poisoned(bytes);
  memcpy(m.p, from.p, bytes);
  return m;
}

static void matrix_normal(matrix m, uint64_t *state) {
  size_t r, c;
  for (r = 0; r < m.rows; ++r)
    for (c = 0; c < m.cols; ++c)
      *matrix_at(m, r, c) = (float)test_normal(state);
}

/* ---- 1. One group of four ------------------------------------------------ */

/* Whether anything that is said about one group differs from the reference. */
static int group_differs(const float a[4]) {
  float got[4], want[4], in_place[4];
  const int nan_got = sste_group_project(got, a);
  const int nan_want = slow_project(want, a);
  int bad = nan_got != nan_want;
  memcpy(in_place, a, sizeof in_place);
  bad |= sste_group_project(in_place, in_place) != nan_want;
  bad |= memcmp(got, want, sizeof got) != 0;
  bad |= memcmp(in_place, want, sizeof want) != 0;
  bad |= test_bits(sste_group_threshold(a)) != test_bits(slow_threshold(a));
  bad |= sste_group_mask(a, SSTE_TIE_LOWER) != slow_mask(a, 0);
  bad |= sste_group_mask(a, SSTE_TIE_HIGHER) != slow_mask(a, 1);
  return bad;
}

static void assert_group(const float a[4]) {
  int i;
  if (!group_differs(a)) return;
  for (i = 0; i < 4; ++i) test_print_float("group", a[i]);
  fail_msg("a group differs from the slow reference");
}

static void set_group(float a[4], float a0, float a1, float a2, float a3) {
  a[0] = a0;
  a[1] = a1;
  a[2] = a2;
  a[3] = a3;
}

static void test_group_golden(void **unused) {
  static const struct {
    float a[4], t, s[4];
  } golden[] = {
      {{1, 2, 3, 4}, 2, {0, 0, 1, 2}},   {{4, -3, 2, -1}, 2, {2, -1, 0, 0}},
      {{3, 2, 2, 2}, 2, {1, 0, 0, 0}},   {{2, 2, 1, 1}, 1, {1, 1, 0, 0}},
      {{2, -2, 2, -2}, 2, {0, 0, 0, 0}}, {{5, -4, 0, 0}, 0, {5, -4, 0, 0}},
      {{5, 0, 0, 0}, 0, {5, 0, 0, 0}},   {{3, 2, 2, 0}, 2, {1, 0, 0, 0}},
  };
  size_t i;
  int j;
  (void)unused;
  for (i = 0; i < sizeof golden / sizeof golden[0]; ++i) {
    float s[4];
    assert_same_float(sste_group_threshold(golden[i].a), golden[i].t);
    assert_int_equal(sste_group_project(s, golden[i].a), 0);
    for (j = 0; j < 4; ++j) assert_same_float(s[j], golden[i].s[j]);
    assert_group(golden[i].a);
  }
}

static void test_group_mask_golden(void **unused) {
  static const float tied[4] = {1, 1, 1, 1}, plain[4] = {4, -3, 2, -1};
  static const float zeros[4] = {0.0f, -0.0f, 0.0f, -0.0f};
  (void)unused;
  assert_int_equal(sste_group_mask(plain, SSTE_TIE_LOWER), 0x3);
  assert_int_equal(sste_group_mask(plain, SSTE_TIE_HIGHER), 0x3);
  assert_int_equal(sste_group_mask(tied, SSTE_TIE_LOWER), 0x3);
  assert_int_equal(sste_group_mask(tied, SSTE_TIE_HIGHER), 0xC);
  assert_int_equal(sste_group_mask(zeros, SSTE_TIE_LOWER), 0x3);
  assert_int_equal(sste_group_mask(zeros, SSTE_TIE_HIGHER), 0xC);
}

/* Group number n of 8^4: the integers -3..3 and -0, ties in every order. */
static void small_group(float a[4], int n) {
  static const float digits[8] = {0.0f, -0.0f, 1, -1, 2, -2, 3, -3};
  int i;
  for (i = 0; i < 4; ++i) a[i] = digits[n >> 3 * i & 7];
}

static void test_group_all_small(void **unused) {
  float a[4];
  int n;
  (void)unused;
  for (n = 0; n < 4096; ++n) {
    small_group(a, n);
    assert_group(a);
  }
}

/* The edges of the encoding, NaNs quiet and signalling of both signs. */
static const uint32_t edges[] = {
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x807FFFFF,
    0x00800000, 0x80800001, 0x3F800000, 0xBF800000, 0x3F800001, 0xBF7FFFFF,
    0x7F7FFFFF, 0xFF7FFFFF, 0x7F7FFFFE, 0x7F800000, 0xFF800000, 0x7FC00000,
    0xFFC00000, 0x7F800001, 0xFF812345, 0x7FFFFFFF};
enum { EDGES = sizeof edges / sizeof edges[0] };

static float random_edge(uint64_t *state) {
  return test_float(edges[test_random(state) % EDGES]);
}

/* One entry up to 30 binades below 2^top: gaps that make a subtraction round,
 * midpoints included, since short mantissas are common. */
static float random_near(uint64_t *state, int top) {
  const uint64_t r = test_random(state);
  const double mantissa = (double)(1 + (r >> 40)) * (r & 32 ? 1 : 0x1p20);
  const float x = (float)ldexp(mantissa, top - 44 - (int)(r % 31));
  return r & 64 ? x : -x;
}

/* Four kinds of group, each as likely: any bits, edges, near magnitudes, and
 * groups in which two entries have the same magnitude. */
static void random_group(float a[4], uint64_t *state) {
  const uint64_t kind = test_random(state) >> 32;
  const int top = (int)(kind >> 8 & 0xFF) - 128;
  int i;
  for (i = 0; i < 4; ++i) {
    if (kind % 4 == 0) a[i] = test_float((uint32_t)test_random(state));
    if (kind % 4 == 1) a[i] = random_edge(state);
    if (kind % 4 >= 2) a[i] = random_near(state, top);
  }
  if (kind % 4 == 3) a[kind >> 4 & 3] = -a[kind >> 6 & 3];
}

static int hunt(uint64_t seed, int groups, int loud) {
  uint64_t state = seed;
  int i, bad = 0;
  for (i = 0; i < groups; ++i) {
    float a[4];
    random_group(a, &state);
    bad += group_differs(a);
    if (loud) assert_group(a);
  }
  return bad;
}

static void test_group_random(void **unused) {
  const ptrdiff_t chunks = test_level() == 2 ? 24000 : 400;
  ptrdiff_t chunk;
  int bad = 0;
  (void)unused;
  SSTE_OMP(parallel for schedule(static) reduction(+ : bad))
  for (chunk = 0; chunk < chunks; ++chunk)
    bad += hunt(test_seed() + ((uint64_t)chunk << 32), 4096, 0);
  for (chunk = 0; bad != 0 && chunk < chunks; ++chunk)
    hunt(test_seed() + ((uint64_t)chunk << 32), 4096, 1);
  assert_int_equal(bad, 0);
}

/* A group that the properties below are tried on: small ones first. */
static void finite_group(float a[4], int n, uint64_t *state) {
  int i;
  if (n < 4096) {
    small_group(a, n);
    return;
  }
  for (i = 0; i < 4; ++i) a[i] = random_near(state, 10);
}
enum { PROPERTY_GROUPS = 40000 };

static void test_group_idempotent_and_odd(void **unused) {
  uint64_t state = test_seed();
  int n, i;
  (void)unused;
  for (n = 0; n < PROPERTY_GROUPS; ++n) {
    float a[4], minus_a[4], s[4], s_s[4], s_minus[4];
    finite_group(a, n, &state);
    for (i = 0; i < 4; ++i) minus_a[i] = -a[i];
    sste_group_project(s, a);
    sste_group_project(s_s, s);
    sste_group_project(s_minus, minus_a);
    assert_memory_equal(s_s, s, sizeof s);
    for (i = 0; i < 4; ++i)
      assert_same_float(s_minus[i], s[i] != 0 ? -s[i] : 0.0f);
  }
}

/* A power of two changes no rounding as long as nothing leaves the range. */
static void test_group_homogeneous(void **unused) {
  static const float scales[] = {0x1p-60f, 0.25f, 2.0f, 0x1p60f, 0.0f};
  uint64_t state = test_seed() + 1;
  int n, i, c;
  (void)unused;
  for (n = 0; n < PROPERTY_GROUPS; ++n)
    for (c = 0; c < 5; ++c) {
      float a[4], ca[4], s[4], s_c[4];
      finite_group(a, n, &state);
      for (i = 0; i < 4; ++i) ca[i] = scales[c] * a[i];
      sste_group_project(s, a);
      sste_group_project(s_c, ca);
      for (i = 0; i < 4; ++i)
        assert_same_float(s_c[i], scales[c] * s[i] + 0.0f);
    }
}

static void assert_equivariant(const float a[4], const int order[4]) {
  float shuffled[4], s[4], s_shuffled[4];
  int i;
  for (i = 0; i < 4; ++i) shuffled[i] = a[order[i]];
  sste_group_project(s, a);
  sste_group_project(s_shuffled, shuffled);
  for (i = 0; i < 4; ++i) assert_same_float(s_shuffled[i], s[order[i]]);
}

static void test_group_permutations(void **unused) {
  uint64_t state = test_seed() + 2;
  int n, p;
  (void)unused;
  for (n = 0; n < 8192; ++n) {
    float a[4];
    finite_group(a, n, &state);
    for (p = 0; p < 256; ++p) {
      int order[4];
      order[0] = p & 3;
      order[1] = p >> 2 & 3;
      order[2] = p >> 4 & 3;
      order[3] = p >> 6;
      if ((1 << order[0] | 1 << order[1] | 1 << order[2] | 1 << order[3]) == 15)
        assert_equivariant(a, order);
    }
  }
}

static void test_group_shrinks(void **unused) {
  uint64_t state = test_seed() + 3;
  int n, i;
  (void)unused;
  for (n = 0; n < PROPERTY_GROUPS; ++n) {
    float a[4], s[4];
    int zeros = 0;
    finite_group(a, n, &state);
    sste_group_project(s, a);
    for (i = 0; i < 4; ++i) {
      zeros += test_bits(s[i]) == 0;
      assert_true(fabsf(s[i]) <= fabsf(a[i]));
      assert_true(s[i] == 0 || (s[i] > 0) == (a[i] > 0));
    }
    assert_true(zeros >= 2);
  }
}

/* ||a - b|| in both norms; the second one squared. */
static void distance(double *sup, double *square, const float a[4],
                     const float b[4]) {
  int i;
  *sup = *square = 0;
  for (i = 0; i < 4; ++i) {
    const double d = fabs((double)a[i] - (double)b[i]);
    *sup = d > *sup ? d : *sup;
    *square += d * d;
  }
}

static void lipschitz_ratios(double *sup, double *square, const float a[4],
                             const float b[4]) {
  float sa[4], sb[4];
  double sup_in, square_in;
  sste_group_project(sa, a);
  sste_group_project(sb, b);
  distance(sup, square, sa, sb);
  distance(&sup_in, &square_in, a, b);
  *sup /= sup_in;
  *square /= square_in;
}

/* Integers below 2^20, so that no subtraction rounds and the bounds of the real
 * map hold to the last bit. */
static void test_group_lipschitz(void **unused) {
  uint64_t state = test_seed() + 4;
  int n, i;
  (void)unused;
  for (n = 0; n < 200000; ++n) {
    const int range = 1 << n % 20;
    float a[4], b[4];
    double sup, square;
    for (i = 0; i < 4; ++i) {
      a[i] = (float)((int)(test_random(&state) % 2001) - 1000);
      b[i] = a[i] + (float)((int)(test_random(&state) % 7) - 3) * (float)range;
    }
    if (memcmp(a, b, sizeof a) == 0) continue;
    lipschitz_ratios(&sup, &square, a, b);
    assert_true(sup <= 2.0);
    assert_true(square <= 3.0 * (1 + 1e-12));
  }
}

static void test_group_lipschitz_attained(void **unused) {
  static const float a[4] = {4, 2, 2, 2}, b[4] = {5, 1, 1, 1};
  static const float c[4] = {10, 8, 4, 1}, d[4] = {11, 9, 2, 1};
  double sup, square;
  (void)unused;
  lipschitz_ratios(&sup, &square, a, b);
  assert_true(sup == 2.0);
  lipschitz_ratios(&sup, &square, c, d);
  assert_true(square == 3.0);
}

/* Entry 1 rises through entry 2: the mask flips, the projection does not jump,
 * and at the crossing only one non-zero is left. */
static void test_group_continuous(void **unused) {
  const float step = 0x1p-10f;
  float before[4] = {1, 0, 0.5f, 0};
  float x;
  int flips = 0;
  (void)unused;
  for (x = 2.5f; x <= 3.5f; x += step) {
    float a[4], s[4];
    double sup, square;
    set_group(a, 4, x, -3, 1);
    flips += sste_group_mask(a, SSTE_TIE_LOWER) == 0x3;
    sste_group_project(s, a);
    if (x == 3.0f) {
      assert_same_float(s[0], 1);
      assert_true(s[1] == 0 && s[2] == 0 && s[3] == 0);
    }
    if (x > 2.5f) {
      distance(&sup, &square, s, before);
      assert_true(sup <= 2.0 * (double)step);
    }
    memcpy(before, s, sizeof s);
  }
  assert_int_equal(flips, 513); /* x from 3 to 3.5, both ends */
}

/* What a group with these NaNs must give: poison on `kept`, +0 elsewhere. */
static void assert_poisoned(const float a[4], int kept) {
  float s[4];
  int i;
  assert_int_equal(sste_group_project(s, a), 1);
  assert_int_equal(sste_group_mask(a, SSTE_TIE_LOWER), kept);
  for (i = 0; i < 4; ++i)
    assert_int_equal(test_bits(s[i]), kept >> i & 1 ? 0x7FC00000 : 0);
  assert_group(a);
}

static void test_group_nan(void **unused) {
  static const uint32_t nans[] = {0x7FC00000, 0xFFC00000, 0x7F800001,
                                  0xFFBFFFFF, 0x7FFFFFFF};
  int i, j, k;
  (void)unused;
  for (k = 0; k < 5; ++k)
    for (i = 0; i < 4; ++i) {
      float a[4] = {1, -2, 3, -4};
      const int other = i == 3 ? 2 : 3; /* the largest of the others */
      a[i] = test_float(nans[k]);
      assert_poisoned(a, 1 << i | 1 << other);
      assert_same_float(sste_group_threshold(a), i < 2 ? 3 : 2);
      for (j = i + 1; j < 4; ++j) {
        float b[4];
        memcpy(b, a, sizeof b);
        b[j] = test_float(nans[(k + 1) % 5]);
        assert_poisoned(b, 1 << i | 1 << j);
      }
    }
}

/* NaN outranks infinity whatever their places; of three or four NaNs the lower
 * two positions stay. */
static void test_group_nan_order(void **unused) {
  const float nan = test_float(0xFFFFFFFFu), inf = test_float(0x7F800000u);
  float a[4];
  (void)unused;
  set_group(a, inf, -inf, nan, 0);
  assert_poisoned(a, 0x5);
  set_group(a, inf, 1, -inf, nan);
  assert_poisoned(a, 0x9);
  set_group(a, 1, nan, nan, nan);
  assert_poisoned(a, 0x6);
  assert_int_equal(test_bits(sste_group_threshold(a)), 0x7FC00000);
  set_group(a, nan, nan, nan, nan);
  assert_poisoned(a, 0x3);
  set_group(a, -0.0f, 0, 0, nan);
  assert_poisoned(a, 0x9);
}

static void test_group_infinities(void **unused) {
  const float inf = test_float(0x7F800000u);
  float a[4], s[4];
  (void)unused;
  set_group(a, 1, -inf, 2, inf);
  assert_int_equal(sste_group_project(s, a), 0);
  assert_same_float(s[0], 0);
  assert_same_float(s[1], -inf);
  assert_same_float(s[2], 0);
  assert_same_float(s[3], inf);
  set_group(a, inf, 5, 2, 3);
  assert_int_equal(sste_group_project(s, a), 0);
  assert_same_float(s[0], inf);
  assert_same_float(s[1], 2);
  set_group(a, 7, inf, -inf, inf);
  assert_poisoned(a, 0x6);
  set_group(a, -inf, inf, -inf, inf);
  assert_poisoned(a, 0x3);
}

/* ---- 2. Tensors ---------------------------------------------------------- */

static void matrix_groups(matrix m, uint64_t *state) {
  size_t r, c;
  for (r = 0; r < m.rows; ++r)
    for (c = 0; c < m.cols; c += 4) random_group(matrix_at(m, r, c), state);
}

/* What tensor_project must give; returns the number of poisoned groups. */
static size_t slow_tensor(matrix out, matrix w, float beta) {
  size_t r, c, count = 0;
  for (r = 0; r < w.rows; ++r)
    for (c = 0; c < w.cols; c += 4) {
      float s[4];
      int i;
      count += (size_t)slow_project(s, matrix_at(w, r, c));
      for (i = 0; i < 4; ++i)
        *matrix_at(out, r, c + (size_t)i) = slow_scaled(beta, s[i]);
    }
  return count;
}

static void project_case(size_t rows, size_t cols, size_t pad, float beta,
                         uint64_t *state) {
  matrix w = matrix_new(rows, cols, pad), in_place;
  matrix got = matrix_new(rows, cols, 2 * pad);
  matrix want = matrix_new(rows, cols, 0);
  size_t nans = 77, count;
  matrix_groups(w, state);
  in_place = matrix_copy(w);
  count = slow_tensor(want, w, beta);
  assert_int_equal(
      sste_tensor_project(got.p, got.ld, w.p, w.ld, rows, cols, beta, &nans),
      SSTE_OK);
  assert_same_matrix(got, want);
  assert_int_equal(nans, count);
  assert_int_equal(sste_tensor_project(in_place.p, w.ld, in_place.p, w.ld, rows,
                                       cols, beta, NULL),
                   SSTE_OK);
  assert_same_matrix(in_place, want);
  free(w.p);
  free(got.p);
  free(want.p);
  free(in_place.p);
}

static void test_tensor_project(void **unused) {
  static const float betas[] = {1.0f,      1.4837185f,       0x1.fffffep127f,
                                0x1p-149f, 0x1.000002p-126f, 3.0f};
  static const size_t cols[] = {4, 8, 12, 64, 100};
  uint64_t state = test_seed() + 5;
  size_t i, j;
  (void)unused;
  for (i = 0; i < 6; ++i)
    for (j = 0; j < 5; ++j) {
      project_case(1, cols[j], 0, betas[i], &state);
      project_case(37, cols[j], 0, betas[i], &state);
      project_case(37, cols[j], 3, betas[i], &state);
    }
}

/* S is rounded before beta multiplies it: 1 + 2^-24 lies midway between two
 * floats and becomes 1. Rounded once, 1.5 (1 + 2^-24) would lie above 1.5. */
static void test_tensor_beta_after_rounding(void **unused) {
  static const float w[4] = {0x1.000002p0f, 0x1p-24f, 0x1p-24f, 0x1p-24f};
  float s[4];
  (void)unused;
  assert_int_equal(sste_tensor_project(s, 4, w, 4, 1, 4, 1.5f, NULL), SSTE_OK);
  assert_same_float(s[0], 1.5f);
  assert_true((float)(1.5 * (1 + 0x1p-24)) > 1.5f);
}

/* A negative product too small for a float is a pruned value: +0. */
static void test_tensor_underflow(void **unused) {
  static const float w[4] = {-0x1p-140f, 0x1p-140f, -0.0f, 0};
  float out[4];
  int i;
  (void)unused;
  assert_int_equal(sste_tensor_project(out, 4, w, 4, 1, 4, 0x1p-100f, NULL),
                   SSTE_OK);
  for (i = 0; i < 4; ++i) assert_int_equal(test_bits(out[i]), 0);
}

static void test_tensor_nan_groups(void **unused) {
  matrix w = matrix_new(50, 16, 1);
  matrix out = matrix_new(50, 16, 0);
  const float nan = test_float(0xFFC12345u);
  size_t r, nans = 0;
  (void)unused;
  for (r = 0; r < 50; ++r) memset(matrix_at(w, r, 0), 0, 16 * sizeof *w.p);
  for (r = 0; r < 50; r += 7) *matrix_at(w, r, r % 16) = nan;
  *matrix_at(w, 7, 8) = nan; /* one more group */
  *matrix_at(w, 7, 6) = nan; /* the group of (7, 7) once more */
  assert_int_equal(
      sste_tensor_project(out.p, out.ld, w.p, w.ld, 50, 16, 2.0f, &nans),
      SSTE_OK);
  assert_int_equal(nans, 8 + 1);
  assert_int_equal(test_bits(*matrix_at(out, 14, 14)), 0x7FC00000);
  free(w.p);
  free(out.p);
}

static void test_tensor_beta_refused(void **unused) {
  static const uint32_t bad[] = {0,          0x80000000, 0xBF800000,
                                 0x7F800000, 0xFF800000, 0x7FC00000,
                                 0xFFFFFFFF, 0x80000001, 0x7F800001};
  static const float w[4] = {4, -3, 2, -1};
  size_t i;
  (void)unused;
  for (i = 0; i < sizeof bad / sizeof bad[0]; ++i) {
    float out[4];
    size_t nans = 77;
    int j;
    test_poison(out, sizeof out);
    assert_int_equal(
        sste_tensor_project(out, 4, w, 4, 1, 4, test_float(bad[i]), &nans),
        SSTE_ERR_VALUE);
    for (j = 0; j < 4; ++j) assert_int_equal(test_bits(out[j]), 0xCACACACA);
    assert_int_equal(nans, 77);
  }
}

static void test_tensor_mask(void **unused) {
  const size_t rows = 61, cols = 44, ldm = 47;
  matrix w = matrix_new(rows, cols, 5);
  uint8_t *mask = (uint8_t *)poisoned(extent(rows, cols, ldm));
  uint64_t state = test_seed() + 6;
  size_t r, c;
  int tie;
  (void)unused;
  matrix_groups(w, &state);
  for (tie = 0; tie < 2; ++tie) {
    assert_int_equal(sste_tensor_mask(mask, ldm, w.p, w.ld, rows, cols,
                                      tie ? SSTE_TIE_HIGHER : SSTE_TIE_LOWER),
                     SSTE_OK);
    for (r = 0; r < rows; ++r)
      for (c = 0; c < cols; ++c)
        assert_int_equal(
            mask[r * ldm + c],
            slow_mask(matrix_at(w, r, c / 4 * 4), tie) >> c % 4 & 1);
    for (r = 0; r + 1 < rows; ++r)
      for (c = cols; c < ldm; ++c) assert_int_equal(mask[r * ldm + c], 0xCA);
  }
  free(w.p);
  free(mask);
}

/* Bytes 0, 1 and others; the padding differs everywhere and must not count. */
static void random_mask(uint8_t *mask, size_t rows, size_t cols, size_t ld,
                        int padding, uint64_t *state) {
  size_t e;
  for (e = 0; e < extent(rows, cols, ld); ++e) {
    const uint64_t r = test_random(state) >> 20;
    mask[e] = (uint8_t)(r & 1 ? 0 : r & 2 ? 1 : r >> 8 | 1);
    if (e % ld >= cols) mask[e] = (uint8_t)padding;
  }
}

static void test_flip_rate(void **unused) {
  const size_t rows = 83, cols = 20, ldm = 23, ldp = 21;
  uint8_t *now = (uint8_t *)poisoned(extent(rows, cols, ldm));
  uint8_t *then = (uint8_t *)poisoned(extent(rows, cols, ldp));
  uint64_t state = test_seed() + 7;
  size_t r, c, count = 0, flips = 77;
  double rate = 77;
  (void)unused;
  random_mask(now, rows, cols, ldm, 0, &state);
  random_mask(then, rows, cols, ldp, 1, &state);
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; ++c) count += !now[r * ldm + c] != !then[r * ldp + c];
  assert_int_equal(
      sste_mask_flip_rate(&rate, &flips, now, ldm, then, ldp, rows, cols),
      SSTE_OK);
  assert_int_equal(flips, count);
  assert_true(rate == (double)count / 1660.0);
  rate = 77;
  assert_int_equal(
      sste_mask_flip_rate(&rate, NULL, now, ldm, then, ldp, rows, cols),
      SSTE_OK);
  assert_true(rate == (double)count / 1660.0);
  assert_int_equal(
      sste_mask_flip_rate(NULL, NULL, now, ldm, then, ldp, rows, cols),
      SSTE_OK);
  free(now);
  free(then);
}

/* Over layers the counts add up; the mean of the rates would be 0.375. */
static void test_flip_rate_layers(void **unused) {
  static const uint8_t now_1[4] = {1, 1, 0, 0}, then_1[4] = {1, 0, 1, 0};
  static const uint8_t now_2[8] = {1, 1, 0, 0, 9, 0, 0, 7};
  static const uint8_t then_2[8] = {2, 1, 0, 0, 1, 0, 1, 0};
  size_t flips_1, flips_2;
  double rate_1, rate_2;
  (void)unused;
  assert_int_equal(
      sste_mask_flip_rate(&rate_1, &flips_1, now_1, 4, then_1, 4, 1, 4),
      SSTE_OK);
  assert_int_equal(
      sste_mask_flip_rate(&rate_2, &flips_2, now_2, 4, then_2, 4, 2, 4),
      SSTE_OK);
  assert_int_equal(flips_1, 2);
  assert_int_equal(flips_2, 2);
  assert_true(rate_1 == 0.5 && rate_2 == 0.25);
  assert_true((double)(flips_1 + flips_2) / 12.0 != (rate_1 + rate_2) / 2);
}

/* ---- 3. The scale beta --------------------------------------------------- */

/* Tests of many small tensors stay on one thread: waking the others for each of
 * them would take longer than all the rest. */
enum { ALL_THREADS = 2 };

static float beta_of(matrix w) {
  float beta = -1;
  assert_int_equal(sste_tensor_beta(&beta, w.p, w.ld, w.rows, w.cols), SSTE_OK);
  return beta;
}

static void assert_beta(matrix w) {
  static const int threads[3] = {1, 2, 5};
  const float want = slow_beta(w.p, w.ld, w.rows, w.cols);
  int i;
  for (i = 0; i < 3; ++i) {
    test_threads(threads[i]);
    assert_same_float(beta_of(w), want);
  }
  test_threads(ALL_THREADS);
}

static void test_beta_by_hand(void **unused) {
  static float hand[4] = {4, -3, 2, -1};
  static float steep[4] = {0x1p24f, -0x1.fffffep23f, 0x1.fffffep23f, 0};
  static float sparse[8] = {0, -5, 0, 7, 0, 0, 1, 0};
  float beta = 0;
  (void)unused;
  assert_int_equal(sste_tensor_beta(&beta, hand, 4, 1, 4), SSTE_OK);
  assert_same_float(beta, 2.2f);
  assert_int_equal(sste_tensor_beta(&beta, sparse, 4, 2, 4), SSTE_OK);
  assert_same_float(beta, 1.0f); /* already 2:4 */
  /* Neighbours that straddle a threshold: no tensor has a larger beta. */
  assert_int_equal(sste_tensor_beta(&beta, steep, 4, 1, 4), SSTE_OK);
  assert_same_float(beta, 0x1p24f);
}

/* Squares of the largest and smallest floats still fit a double. */
static void test_beta_range(void **unused) {
  static const float ends[4] = {0x1.fffffep127f, 0x1p-149f, 0x1p-126f, 3.0f};
  int i;
  (void)unused;
  for (i = 0; i < 4; ++i) {
    matrix w = matrix_new(1, 8, 0);
    memset(w.p, 0, 8 * sizeof *w.p);
    w.p[1] = -ends[i];
    w.p[2] = ends[i] * 0.75f;
    w.p[6] = ends[i];
    w.p[3] = w.p[0] = ends[i] * 0.5f;
    assert_beta(w);
    assert_true(beta_of(w) >= 1.0f);
    free(w.p);
  }
}

static void test_beta_shapes(void **unused) {
  static const size_t shapes[][3] = {
      {1, 4, 0},      {3, 4, 2},     {1, 32, 0},    {1, 36, 0},
      {5, 12, 1},     {1, 4092, 0},  {1, 4096, 0},  {1, 4100, 0},
      {64, 64, 0},    {4, 1024, 7},  {3, 4096, 1},  {1, 12288, 0},
      {7, 2344, 3},   {13, 2460, 0}, {33, 500, 9},  {1024, 4, 0},
      {1025, 4, 3},   {64, 4096, 0}, {65, 4096, 0}, {66, 4096, 4},
      {131, 4096, 0}, {67, 4100, 1}, {300, 4096, 0}};
  uint64_t state = test_seed() + 8;
  size_t i;
  (void)unused;
  for (i = 0; i < sizeof shapes / sizeof shapes[0]; ++i) {
    matrix w = matrix_new(shapes[i][0], shapes[i][1], shapes[i][2]);
    matrix_normal(w, &state);
    assert_beta(w);
    assert_padding(w);
    free(w.p);
  }
}

/* beta is a float, so the last bits of the two sums hardly ever show. Here they
 * do: the last group becomes (a, b, 0, 0), which adds a^2 + b^2 to both sums,
 * and that is chosen so that their quotient lies midway between two floats. */
static void tune_to_midpoint(matrix w) {
  float *g = matrix_at(w, w.rows - 1, w.cols - 4);
  double ws, ss, u, middle;
  float below;
  memset(g, 0, 4 * sizeof *g);
  slow_dots(&ws, &ss, w.p, w.ld, w.rows, w.cols);
  u = ss / 64;
  below = (float)((ws + u) / (ss + u));
  middle = ((double)below + (double)nextafterf(below, 9.0f)) / 2;
  u = fma(-middle, ss, ws) / (middle - 1);
  g[0] = nextafterf((float)sqrt(u), 0.0f);
  g[1] = (float)sqrt(u - (double)g[0] * (double)g[0]);
}

/* Moving b by one ulp moves the quotient by about an ulp of a double. Twelve to
 * either side cross the midpoint; where, depends on every rounding made on the
 * way, so another order of summation crosses elsewhere. Returns whether. */
static int walk_over_midpoint(matrix w) {
  float *b = matrix_at(w, w.rows - 1, w.cols - 3);
  const uint32_t middle = test_bits(*b);
  float first = 0, last = 0;
  uint32_t j;
  for (j = 0; j < 24; ++j) {
    *b = test_float(middle - 12 + j);
    last = slow_beta(w.p, w.ld, w.rows, w.cols);
    if (j == 0) first = last;
    assert_same_float(beta_of(w), last);
  }
  return first != last;
}

/* Rows and groups of very different size: every small sum meets a large one on
 * its way up the tree and is rounded there, so that it matters where it does.
 * With `tail`, the last rows are the largest: the tree's unfinished end. */
static void matrix_uneven(matrix m, int tail, uint64_t *state) {
  size_t r, c;
  matrix_normal(m, state);
  for (r = 0; r < m.rows; ++r) {
    const int last = tail && r + 8 > m.rows ? 16 : 0;
    const int row = last + (int)(test_random(state) >> 32 & (last ? 3 : 15));
    float scale = 1;
    for (c = 0; c < m.cols; ++c) {
      if (c % 4 == 0)
        scale = (float)ldexp(1, row + (int)(test_random(state) >> 32 & 7));
      *matrix_at(m, r, c) *= scale;
    }
  }
}

static void test_beta_order(void **unused) {
  static const size_t shapes[][3] = {
      {1, 64, 0},    {1, 1000, 0},   {3, 200, 1},    {1, 4096, 0},
      {4, 1028, 0},  {2, 4096, 0},   {3, 4096, 0},   {5, 2460, 3},
      {7, 4096, 0},  {11, 4100, 1},  {64, 640, 0},   {65, 4096, 0},
      {67, 4100, 2}, {129, 4096, 0}, {131, 4096, 0}, {263, 4096, 0}};
  const size_t n = sizeof shapes / sizeof shapes[0];
  uint64_t state = test_seed() + 9;
  size_t i, crossed = 0, tries = 0;
  (void)unused;
  test_threads(1);
  for (i = 0; i < n; ++i) {
    const int repeats = shapes[i][0] < 60 ? 6 : 2 * test_level();
    int k;
    for (k = 0; k < repeats; ++k, ++tries) {
      matrix w = matrix_new(shapes[i][0], shapes[i][1], shapes[i][2]);
      matrix_uneven(w, k % 2, &state);
      tune_to_midpoint(w);
      crossed += (size_t)walk_over_midpoint(w);
      free(w.p);
    }
  }
  assert_true(2 * crossed > tries); /* else the walk shows nothing */
  test_threads(ALL_THREADS);
}

static void test_beta_refused(void **unused) {
  static const uint32_t bad[] = {0x7FC00000, 0xFF800001, 0x7F800000,
                                 0xFF800000};
  static float equal[8] = {2, -2, 2, -2, 1, 3, -3, 3};
  static float zeros[8] = {0, -0.0f, 0, 0, 0, 0, 0, 0};
  float beta = 77;
  uint64_t state = test_seed() + 10;
  size_t i;
  (void)unused;
  test_threads(1);
  assert_int_equal(sste_tensor_beta(&beta, zeros, 4, 2, 4), SSTE_ERR_ZERO);
  assert_int_equal(sste_tensor_beta(&beta, equal, 8, 1, 8), SSTE_ERR_ZERO);
  assert_int_equal(sste_tensor_beta(&beta, NULL, 0, 0, 8), SSTE_ERR_ZERO);
  assert_int_equal(sste_tensor_beta(&beta, NULL, 0, 8, 0), SSTE_ERR_ZERO);
  for (i = 0; i < 64; ++i) { /* whatever the place, with and without zeros */
    matrix w = matrix_new(4, 16, 0);
    matrix_normal(w, &state);
    if (i & 1) memset(w.p, 0, 64 * sizeof *w.p);
    w.p[i] = test_float(bad[i / 2 % 4]);
    assert_int_equal(sste_tensor_beta(&beta, w.p, 16, 4, 16),
                     SSTE_ERR_NONFINITE);
    free(w.p);
  }
  assert_same_float(beta, 77);
  test_threads(ALL_THREADS);
}

static double mse(matrix w, double beta) {
  double sum = 0;
  size_t r, c;
  for (r = 0; r < w.rows; ++r)
    for (c = 0; c < w.cols; c += 4) {
      float s[4];
      int i;
      slow_project(s, matrix_at(w, r, c));
      for (i = 0; i < 4; ++i) {
        const double d =
            (double)*matrix_at(w, r, c + (size_t)i) - beta * (double)s[i];
        sum += d * d;
      }
    }
  return sum;
}

static void test_beta_minimises(void **unused) {
  uint64_t state = test_seed() + 11;
  int n;
  (void)unused;
  test_threads(1);
  for (n = 0; n < 200; ++n) {
    matrix w = matrix_new(1 + (size_t)n % 5, 4 + 4 * ((size_t)n % 9), 0);
    double beta, best;
    matrix_normal(w, &state);
    beta = (double)beta_of(w);
    best = mse(w, beta);
    assert_true(beta >= 1.0);
    assert_true(best < mse(w, beta * (1 + 1e-5)));
    assert_true(best < mse(w, beta * (1 - 1e-5)));
    free(w.p);
  }
  test_threads(ALL_THREADS);
}

/* beta is 1 exactly where nothing is taken off, else above. */
static void test_beta_at_least_one(void **unused) {
  uint64_t state = test_seed() + 12;
  int n;
  (void)unused;
  test_threads(1);
  for (n = 0; n < 4096; ++n) {
    matrix w = matrix_new(1, 8, 0);
    float beta = 0, s[4];
    double taken;
    int i;
    small_group(w.p, n);
    small_group(w.p + 4, (int)(test_random(&state) % 4096));
    for (i = 0, taken = 0; i < 8; i += 4) {
      slow_project(s, w.p + i);
      if (s[0] != 0 || s[1] != 0 || s[2] != 0 || s[3] != 0)
        taken += (double)slow_threshold(w.p + i);
    }
    if (sste_tensor_beta(&beta, w.p, 8, 1, 8) == SSTE_OK)
      assert_true(taken > 0 ? beta > 1.0f : beta == 1.0f);
    free(w.p);
  }
  test_threads(ALL_THREADS);
}

/* The sums of one group, and of their squares, for means and their errors. */
typedef struct moments {
  double ws, ss, ws2, ss2, cross;
  double n;
} moments;

static moments moments_of(matrix w) {
  moments m = {0, 0, 0, 0, 0, 0};
  size_t e;
  for (e = 0; e < w.rows * w.cols; e += 4) {
    double ws = 0, ss = 0;
    float s[4];
    int i;
    sste_group_project(s, w.p + e);
    for (i = 0; i < 4; ++i) {
      ws += (double)w.p[e + (size_t)i] * (double)s[i];
      ss += (double)s[i] * (double)s[i];
    }
    m.ws += ws;
    m.ss += ss;
    m.ws2 += ws * ws;
    m.ss2 += ss * ss;
    m.cross += ws * ss;
    m.n += 1;
  }
  return m;
}

/* Six standard errors of a mean of n samples with these two sums: a chance of
 * 2e-9 that a right mean lies outside. */
static double six_errors(double sum, double square, double n) {
  const double mean = sum / n;
  return 6 * sqrt((square / n - mean * mean) / n);
}

/* The error of a quotient of means is that of the mean of ws - beta ss, which
 * is 0 on average, over the mean of ss. */
static void assert_beta_near(matrix w, double want) {
  const moments m = moments_of(w);
  const double square = m.ws2 - 2 * want * m.cross + want * want * m.ss2;
  assert_near((double)beta_of(w), want,
              six_errors(0, square, m.n) / (m.ss / m.n) + 1e-7);
}

static matrix large_matrix(void) {
  return matrix_new(test_level() == 2 ? 4096 : 256, 4096, 0);
}

static void test_moments_gaussian(void **unused) {
  matrix w = large_matrix();
  uint64_t state = test_seed() + 13;
  moments m;
  (void)unused;
  matrix_normal(w, &state);
  m = moments_of(w);
  assert_near(m.ws / m.n / 4, 0.5, six_errors(m.ws, m.ws2, m.n) / 4);
  assert_near(m.ss / m.n / 4, 0.336991138467714,
              six_errors(m.ss, m.ss2, m.n) / 4);
  assert_beta_near(w, 1.483718540117940);
  assert_near(mse(w, (double)beta_of(w)) / mse(w, 0), 0.258141, 2e-3);
  free(w.p);
}

static void test_moments_uniform(void **unused) {
  matrix w = large_matrix();
  uint64_t state = test_seed() + 14;
  size_t e;
  (void)unused;
  for (e = 0; e < w.rows * w.cols; ++e)
    w.p[e] = (float)(6 * test_uniform(&state) - 3);
  assert_beta_near(w, 7.0 / 4);
  assert_near(mse(w, (double)beta_of(w)) / mse(w, 0), 0.3875, 2e-3);
  free(w.p);
}

static void test_moments_laplace(void **unused) {
  matrix w = large_matrix();
  uint64_t state = test_seed() + 15;
  size_t e;
  (void)unused;
  for (e = 0; e < w.rows * w.cols; ++e) {
    const double x = -log(1 - test_uniform(&state));
    w.p[e] = (float)(test_random(&state) & 64 ? x : -x);
  }
  assert_beta_near(w, 31.0 / 24);
  assert_near(mse(w, (double)beta_of(w)) / mse(w, 0), 0.165799, 4e-3);
  free(w.p);
}

/* ---- 4. The compressed form ---------------------------------------------- */

/* A compressed matrix, both halves poisoned. */
typedef struct packed {
  matrix values;
  uint8_t *meta;
  size_t mcols, ldm;
} packed;

static packed packed_new(size_t rows, size_t cols, size_t pad) {
  packed c;
  c.values = matrix_new(rows, cols / 2, pad);
  c.mcols = (cols + 7) / 8;
  c.ldm = c.mcols + pad;
  c.meta = (uint8_t *)poisoned(extent(rows, c.mcols, c.ldm));
  return c;
}

static void packed_free(packed c) {
  free(c.values.p);
  free(c.meta);
}

/* A 2:4 matrix: a projection, with every third group down to one non-zero. */
static matrix sparse_matrix(size_t rows, size_t cols, size_t pad,
                            uint64_t *state) {
  matrix w = matrix_new(rows, cols, pad);
  size_t r, c;
  matrix_normal(w, state);
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; c += 4) {
      float *g = matrix_at(w, r, c);
      slow_project(g, g);
      if ((r + c / 4) % 3 == 0) g[test_random(state) >> 30 & 3] = -0.0f;
    }
  return w;
}

/* The bytes and values that compressing w must give. */
static void slow_tensor_compress(packed out, matrix w) {
  size_t r, g;
  for (r = 0; r < w.rows; ++r)
    for (g = 0; g < w.cols / 4; ++g) {
      const int nibble = slow_compress(matrix_at(out.values, r, 2 * g),
                                       matrix_at(w, r, 4 * g));
      uint8_t *byte = out.meta + r * out.ldm + g / 2;
      *byte = (uint8_t)(g % 2 == 0 ? nibble : *byte + 16 * nibble);
    }
}

static void round_trip(size_t rows, size_t cols, size_t pad, uint64_t *state) {
  matrix w = sparse_matrix(rows, cols, pad, state);
  matrix back = matrix_new(rows, cols, 2 * pad);
  packed got = packed_new(rows, cols, pad), want = packed_new(rows, cols, pad);
  size_t r, c;
  slow_tensor_compress(want, w);
  assert_int_equal(sste_tensor_compress(got.values.p, got.values.ld, got.meta,
                                        got.ldm, w.p, w.ld, rows, cols),
                   SSTE_OK);
  assert_same_matrix(got.values, want.values);
  assert_memory_equal(got.meta, want.meta, extent(rows, got.mcols, got.ldm));
  assert_int_equal(
      sste_tensor_decompress(back.p, back.ld, got.values.p, got.values.ld,
                             got.meta, got.ldm, rows, cols),
      SSTE_OK);
  for (r = 0; r < rows; ++r) /* a -0 does not survive, all else does */
    for (c = 0; c < cols; ++c)
      assert_same_float(*matrix_at(back, r, c), *matrix_at(w, r, c) + 0.0f);
  assert_padding(back);
  packed_free(got);
  packed_free(want);
  free(w.p);
  free(back.p);
}

static void test_compress_round_trip(void **unused) {
  static const size_t cols[] = {4, 8, 12, 16, 20, 64, 100, 260};
  uint64_t state = test_seed() + 16;
  size_t i;
  (void)unused;
  for (i = 0; i < 8; ++i) {
    round_trip(1, cols[i], 0, &state);
    round_trip(29, cols[i], 0, &state);
    round_trip(29, cols[i], 3, &state);
  }
}

static void test_compress_layout(void **unused) {
  static const float w[8] = {0, 5, 0, 0, 0, 0, 7, -2};
  float values[4];
  uint8_t meta[2] = {0xCA, 0xCA};
  (void)unused;
  assert_int_equal(sste_tensor_compress(values, 4, meta, 1, w, 8, 1, 8),
                   SSTE_OK);
  assert_same_float(values[0], 0);
  assert_same_float(values[1], 5);
  assert_same_float(values[2], 7);
  assert_same_float(values[3], -2);
  assert_int_equal(meta[0], 0xE4); /* the low half is the first group's */
  assert_int_equal(sste_tensor_compress(values, 2, meta, 1, w + 4, 4, 1, 4),
                   SSTE_OK);
  assert_int_equal(meta[0], 0x0E); /* an odd last group leaves half a byte 0 */
  assert_int_equal(meta[1], 0xCA);
}

static void test_nibble_table(void **unused) {
  int i, nibble;
  (void)unused;
  for (i = 0; i < 6; ++i) {
    float a[4] = {0, 0, 0, 0}, values[2];
    a[slow_pairs[i].first] = -3;
    a[slow_pairs[i].second] = 4;
    assert_int_equal(sste_group_compress(values, a), slow_pairs[i].nibble);
    assert_same_float(values[0], -3);
    assert_same_float(values[1], 4);
  }
  for (nibble = -40; nibble < 300; ++nibble)
    assert_int_equal(sste_nibble_check(nibble),
                     slow_pair_of(nibble) >= 0 ? SSTE_OK : SSTE_ERR_PATTERN);
}

/* Of a dense group the two largest stay, whatever the group. */
static void test_group_compress_dense(void **unused) {
  uint64_t state = test_seed() + 17;
  int n, i;
  (void)unused;
  for (n = 0; n < 50000; ++n) {
    float a[4], values[2];
    int mask, nibble, k = 0;
    if (n < 4096)
      small_group(a, n);
    else
      random_group(a, &state);
    mask = slow_mask(a, 0);
    nibble = sste_group_compress(values, a);
    for (i = 0; i < 4; ++i)
      if (mask >> i & 1) {
        assert_int_equal(nibble >> 2 * k & 3, i);
        assert_same_float(values[k], slow_canonical(a[i] + 0.0f));
        ++k;
      }
    assert_int_equal(nibble >> 4, 0);
  }
}

/* A group with one entry at p, the rest zeros of the signs in `minus`. */
static void lone_group(float a[4], int p, float x, int minus) {
  int i;
  for (i = 0; i < 4; ++i) a[i] = minus >> i & 1 ? -0.0f : 0.0f;
  if (p < 4) a[p] = x;
}

/* Shipped twice elsewhere: a group with fewer than two non-zeros gained a value
 * that was not there, and -0 was kept in place of one that was. */
static void test_no_phantom_values(void **unused) {
  static const int nibbles[5] = {0x4, 0x4, 0x8, 0xC, 0x4};
  static const uint32_t bits[] = {0x40A00000, 0xC0A00000, 0x00000001,
                                  0x80000001, 0x7F800000, 0x7FC00000};
  int p, k, minus, i;
  (void)unused;
  for (p = 0; p < 5; ++p) /* p = 4: no entry at all */
    for (k = 0; k < 6; ++k)
      for (minus = 0; minus < 16; ++minus) {
        float a[4], values[2], out[4];
        const float x = test_float(bits[k]);
        lone_group(a, p, x, minus);
        assert_int_equal(sste_group_compress(values, a), nibbles[p]);
        assert_same_float(values[0], p == 0 ? x : 0.0f);
        assert_same_float(values[1], p > 0 && p < 4 ? x : 0.0f);
        assert_int_equal(sste_group_decompress(out, values, nibbles[p]),
                         SSTE_OK);
        for (i = 0; i < 4; ++i) assert_same_float(out[i], i == p ? x : 0.0f);
      }
}

/* Two non-zeros among zeros of either sign: no -0 may take a place. */
static void test_minus_zero_never_kept(void **unused) {
  int i, minus, k;
  (void)unused;
  for (i = 0; i < 6; ++i)
    for (minus = 0; minus < 16; ++minus) {
      float a[4], values[2], z[3], dense[3], x[12];
      uint8_t meta;
      lone_group(a, slow_pairs[i].first, 0x1p-149f, minus);
      a[slow_pairs[i].second] = -6;
      for (k = 0; k < 12; ++k) x[k] = (float)(k * k) - 30.5f;
      assert_int_equal(sste_tensor_compress(values, 2, &meta, 1, a, 4, 1, 4),
                       SSTE_OK);
      assert_int_equal(meta, slow_pairs[i].nibble);
      assert_same_float(values[0], 0x1p-149f);
      assert_same_float(values[1], -6);
      assert_int_equal(sste_product_forward_compressed(z, 1, x, 4, values, 2,
                                                       &meta, 1, 3, 1, 4),
                       SSTE_OK);
      slow_forward(dense, 1, x, 4, a, 4, 3, 1, 4);
      assert_memory_equal(z, dense, sizeof z);
    }
}

/* What enters as -0 or as some NaN leaves as +0 or as the one NaN, also when it
 * enters through the values of a compressed matrix. */
static void test_decompress_canonical(void **unused) {
  const float values[4] = {-0.0f, test_float(0xFF812345u), 1, -0.0f};
  const uint8_t meta = 0xE8;
  float out[8];
  (void)unused;
  assert_int_equal(sste_group_decompress(out, values, 0x9), SSTE_OK);
  assert_int_equal(test_bits(out[1]), 0);
  assert_int_equal(test_bits(out[2]), 0x7FC00000);
  assert_int_equal(sste_tensor_decompress(out, 8, values, 4, &meta, 1, 1, 8),
                   SSTE_OK);
  assert_int_equal(test_bits(out[0]), 0);
  assert_int_equal(test_bits(out[2]), 0x7FC00000);
  assert_int_equal(test_bits(out[7]), 0);
}

static void test_tensor_check(void **unused) {
  matrix w = matrix_new(6, 24, 3);
  uint64_t state = test_seed() + 18;
  size_t r, g, i;
  (void)unused;
  for (r = 0; r < 6; ++r)
    for (g = 0; g < 6; ++g) {
      size_t row = 77, group = 77;
      for (i = 0; i < 6 * 24; ++i) *matrix_at(w, i / 24, i % 24) = -0.0f;
      for (i = 0; i < 36; ++i) { /* full groups everywhere */
        *matrix_at(w, i / 6, i % 6 * 4 + 1) = test_float(0x7FC00000u);
        *matrix_at(w, i / 6, i % 6 * 4 + 2) = test_float(0x7F800000u);
      }
      assert_int_equal(sste_tensor_check(w.p, w.ld, 6, 24, &row, &group),
                       SSTE_OK);
      assert_true(row == 77 && group == 77);
      *matrix_at(w, r, 4 * g + (test_random(&state) & 1) * 3) = 0x1p-149f;
      *matrix_at(w, 5, 23) = 1; /* a later one is not reported */
      assert_int_equal(sste_tensor_check(w.p, w.ld, 6, 24, &row, &group),
                       SSTE_ERR_PATTERN);
      assert_int_equal(row, r);
      assert_int_equal(group, g);
      assert_int_equal(sste_tensor_check(w.p, w.ld, 6, 24, NULL, NULL),
                       SSTE_ERR_PATTERN);
    }
  free(w.p);
}

/* Three non-zeros, even the smallest: refused, and nothing is written. */
static void test_compress_refuses_dense(void **unused) {
  matrix w = matrix_new(3, 12, 0);
  size_t e;
  (void)unused;
  for (e = 0; e < 36; ++e) {
    float values[18];
    uint8_t meta[6];
    size_t i;
    memset(w.p, 0, 36 * sizeof *w.p);
    for (i = 0; i < 4; ++i) w.p[e / 4 * 4 + i] = i == e % 4 ? 0.0f : 0x1p-149f;
    test_poison(values, sizeof values);
    test_poison(meta, sizeof meta);
    assert_int_equal(sste_tensor_compress(values, 6, meta, 2, w.p, 12, 3, 12),
                     SSTE_ERR_PATTERN);
    for (i = 0; i < 18; ++i) assert_int_equal(test_bits(values[i]), 0xCACACACA);
    for (i = 0; i < 6; ++i) assert_int_equal(meta[i], 0xCA);
  }
  free(w.p);
}

/* Each of the ten bad nibbles in each place of a 2 x 12 matrix. */
static void test_illegal_nibbles(void **unused) {
  static const float values[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  static const float x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  int nibble, place, i;
  (void)unused;
  for (nibble = 0; nibble < 16; ++nibble)
    for (place = 0; place < 6; ++place) {
      const int want = slow_pair_of(nibble) >= 0 ? SSTE_OK : SSTE_ERR_PATTERN;
      const int half = place % 3 == 1 ? 4 : 0;
      uint8_t meta[4] = {0x44, 0xF4, 0x44, 0x04};
      uint8_t *byte = &meta[place / 3 * 2 + place % 3 / 2];
      float out[24], z[2], group[4];
      *byte = (uint8_t)((*byte & (half ? 0x0F : 0xF0)) | nibble << half);
      test_poison(out, sizeof out);
      test_poison(z, sizeof z);
      test_poison(group, sizeof group);
      assert_int_equal(
          sste_tensor_decompress(out, 12, values, 6, meta, 2, 2, 12), want);
      assert_int_equal(sste_product_forward_compressed(z, 2, x, 12, values, 6,
                                                       meta, 2, 1, 2, 12),
                       want);
      assert_int_equal(sste_group_decompress(group, values, nibble), want);
      if (want == SSTE_OK) continue;
      for (i = 0; i < 24; ++i) assert_int_equal(test_bits(out[i]), 0xCACACACA);
      for (i = 0; i < 2; ++i) assert_int_equal(test_bits(z[i]), 0xCACACACA);
      for (i = 0; i < 4; ++i) assert_int_equal(test_bits(group[i]), 0xCACACACA);
    }
}

/* ---- 5. Products --------------------------------------------------------- */

/* A slice of m (a column, or a row) times `factor` becomes another slice. */
static void copy_slice(matrix m, int columns, size_t from, size_t to,
                       float factor) {
  size_t i;
  for (i = 0; i < (columns ? m.rows : m.cols); ++i) {
    if (columns)
      *matrix_at(m, i, to) = factor * *matrix_at(m, i, from);
    else
      *matrix_at(m, to, i) = factor * *matrix_at(m, from, i);
  }
}

/* In every other four contraction indices the terms grow 2^40 times as large,
 * and the mirrored four cancel them exactly. What is left is small, so that the
 * roundings made in between show in the float: any other order is caught. */
static void entangle(matrix a, int a_columns, matrix b, int b_columns,
                     size_t depth) {
  size_t p;
  for (p = 0; p < depth / 8 * 4; ++p) {
    if (p / 4 % 2 != 0) continue;
    copy_slice(a, a_columns, p, p, 0x1p20f);
    copy_slice(b, b_columns, p, p, 0x1p20f);
    copy_slice(a, a_columns, p, depth - 1 - p, -1);
    copy_slice(b, b_columns, p, depth - 1 - p, 1);
  }
}

typedef struct layer {
  matrix x, w, dz; /* T x K, N x K, T x N */
  matrix got_z, got_dx, got_dw, z, dx, dw;
} layer;

static layer layer_new(size_t T, size_t N, size_t K, size_t pad) {
  layer l;
  l.x = matrix_new(T, K, pad);
  l.w = matrix_new(N, K, 2 * pad);
  l.dz = matrix_new(T, N, 3 * pad);
  l.got_z = matrix_new(T, N, pad);
  l.got_dx = matrix_new(T, K, 2 * pad);
  l.got_dw = matrix_new(N, K, 3 * pad);
  l.z = matrix_new(T, N, 0);
  l.dx = matrix_new(T, K, 0);
  l.dw = matrix_new(N, K, 0);
  return l;
}

static void layer_free(layer l) {
  free(l.x.p);
  free(l.w.p);
  free(l.dz.p);
  free(l.got_z.p);
  free(l.got_dx.p);
  free(l.got_dw.p);
  free(l.z.p);
  free(l.dx.p);
  free(l.dw.p);
}

static void run_forward(layer l) {
  assert_int_equal(
      sste_product_forward(l.got_z.p, l.got_z.ld, l.x.p, l.x.ld, l.w.p, l.w.ld,
                           l.x.rows, l.w.rows, l.x.cols),
      SSTE_OK);
  slow_forward(l.z.p, l.z.ld, l.x.p, l.x.ld, l.w.p, l.w.ld, l.x.rows, l.w.rows,
               l.x.cols);
  assert_same_matrix(l.got_z, l.z);
}

static void run_input_grad(layer l) {
  assert_int_equal(
      sste_product_input_grad(l.got_dx.p, l.got_dx.ld, l.dz.p, l.dz.ld, l.w.p,
                              l.w.ld, l.x.rows, l.w.rows, l.x.cols),
      SSTE_OK);
  slow_input_grad(l.dx.p, l.dx.ld, l.dz.p, l.dz.ld, l.w.p, l.w.ld, l.x.rows,
                  l.w.rows, l.x.cols);
  assert_same_matrix(l.got_dx, l.dx);
}

static void run_weight_grad(layer l) {
  assert_int_equal(
      sste_product_weight_grad(l.got_dw.p, l.got_dw.ld, l.dz.p, l.dz.ld, l.x.p,
                               l.x.ld, l.x.rows, l.w.rows, l.x.cols),
      SSTE_OK);
  slow_weight_grad(l.dw.p, l.dw.ld, l.dz.p, l.dz.ld, l.x.p, l.x.ld, l.x.rows,
                   l.w.rows, l.x.cols);
  assert_same_matrix(l.got_dw, l.dw);
}

static void layer_normal(layer l, uint64_t *state) {
  matrix_normal(l.x, state);
  matrix_normal(l.w, state);
  matrix_normal(l.dz, state);
}

static void products_case(size_t T, size_t N, size_t K, size_t pad,
                          uint64_t *state) {
  layer l = layer_new(T, N, K, pad);
  layer_normal(l, state);
  entangle(l.x, 1, l.w, 1, K);
  run_forward(l);
  layer_normal(l, state);
  entangle(l.dz, 1, l.w, 0, N);
  run_input_grad(l);
  layer_normal(l, state);
  entangle(l.dz, 0, l.x, 0, T);
  run_weight_grad(l);
  assert_padding(l.x);
  assert_padding(l.w);
  layer_free(l);
}

static const size_t product_shapes[][3] = {
    {1, 1, 1},    {1, 1, 0},     {3, 2, 0},    {0, 3, 5},    {3, 0, 5},
    {0, 0, 0},    {2, 3, 5},     {7, 11, 13},  {8, 8, 8},    {9, 9, 9},
    {31, 32, 33}, {32, 33, 31},  {33, 31, 32}, {63, 64, 65}, {64, 65, 63},
    {65, 63, 64}, {64, 64, 64},  {65, 65, 65}, {1, 130, 37}, {129, 1, 70},
    {67, 71, 73}, {40, 129, 24}, {130, 66, 96}};
enum { PRODUCT_SHAPES = sizeof product_shapes / sizeof product_shapes[0] };

static void test_products(void **unused) {
  uint64_t state = test_seed() + 19;
  size_t i;
  (void)unused;
  for (i = 0; i < PRODUCT_SHAPES; ++i) {
    const size_t *s = product_shapes[i];
    products_case(s[0], s[1], s[2], 0, &state);
    products_case(s[0], s[1], s[2], 1 + i % 5, &state);
  }
  for (i = 0; i < (test_level() == 2 ? 1000u : 0u); ++i) {
    const uint64_t r = test_random(&state);
    products_case(r % 140, r / 140 % 140, r / 19600 % 140, r >> 40 & 3, &state);
  }
}

/* Sums of small integers are exact, so any right product gives them. */
static void test_products_integers(void **unused) {
  enum { T = 66, N = 35, K = 131 };
  static float x[T * K], w[N * K], dz[T * N], z[T * N], dx[T * K], dw[N * K];
  uint64_t state = test_seed() + 20;
  int t, n, k, sum;
  (void)unused;
  for (k = 0; k < T * K; ++k) x[k] = (float)(test_random(&state) % 199) - 99;
  for (k = 0; k < N * K; ++k) w[k] = (float)(test_random(&state) % 199) - 99;
  for (k = 0; k < T * N; ++k) dz[k] = (float)(test_random(&state) % 199) - 99;
  assert_int_equal(sste_product_forward(z, N, x, K, w, K, T, N, K), SSTE_OK);
  assert_int_equal(sste_product_input_grad(dx, K, dz, N, w, K, T, N, K),
                   SSTE_OK);
  assert_int_equal(sste_product_weight_grad(dw, K, dz, N, x, K, T, N, K),
                   SSTE_OK);
  for (t = 0; t < T; ++t)
    for (n = 0; n < N; ++n) {
      for (k = 0, sum = 0; k < K; ++k)
        sum += (int)x[t * K + k] * (int)w[n * K + k];
      assert_same_float(z[t * N + n], (float)sum);
    }
  for (t = 0; t < T; ++t)
    for (k = 0; k < K; ++k) {
      for (n = 0, sum = 0; n < N; ++n)
        sum += (int)dz[t * N + n] * (int)w[n * K + k];
      assert_same_float(dx[t * K + k], (float)sum);
    }
  for (n = 0; n < N; ++n)
    for (k = 0; k < K; ++k) {
      for (t = 0, sum = 0; t < T; ++t)
        sum += (int)dz[t * N + n] * (int)x[t * K + k];
      assert_same_float(dw[n * K + k], (float)sum);
    }
}

/* sum of x w with the error of every addition kept: about 106 bits. */
static double compensated(double *absolute, const float *x, const float *w,
                          size_t n) {
  double sum = 0, lost = 0;
  size_t k;
  *absolute = 0;
  for (k = 0; k < n; ++k) {
    const double p = (double)x[k] * (double)w[k], s = sum + p;
    lost += fabs(sum) >= fabs(p) ? (sum - s) + p : (p - s) + sum;
    sum = s;
    *absolute += fabs(p);
  }
  return sum + lost;
}

static void test_products_bound(void **unused) {
  enum { T = 20, N = 20, K = 1000 };
  layer l = layer_new(T, N, K, 0);
  uint64_t state = test_seed() + 21;
  size_t t, n;
  (void)unused;
  layer_normal(l, &state);
  entangle(l.x, 1, l.w, 1, K);
  run_forward(l);
  for (t = 0; t < T; ++t)
    for (n = 0; n < N; ++n) {
      double absolute;
      const double out = (double)*matrix_at(l.got_z, t, n);
      const double exact =
          compensated(&absolute, matrix_at(l.x, t, 0), matrix_at(l.w, n, 0), K);
      assert_near(out, exact, K * 0x1p-53 * absolute + 0x1p-24 * fabs(out));
    }
  layer_free(l);
}

/* Infinities, NaNs with payloads, zeros and the largest floats all over. */
static void test_products_specials(void **unused) {
  uint64_t state = test_seed() + 22;
  int round;
  (void)unused;
  for (round = 0; round < 40; ++round) {
    layer l = layer_new(9, 6, 5, 1);
    size_t e;
    layer_normal(l, &state);
    for (e = 0; e < 20; ++e) {
      const uint64_t r = test_random(&state);
      const float x = random_edge(&state);
      *matrix_at(l.x, r % 9, (r >> 8) % 5) = x;
      *matrix_at(l.w, (r >> 16) % 6, (r >> 24) % 5) = random_edge(&state);
      *matrix_at(l.dz, (r >> 32) % 9, (r >> 40) % 6) = x;
    }
    run_forward(l);
    run_input_grad(l);
    run_weight_grad(l);
    layer_free(l);
  }
}

static void test_products_special_values(void **unused) {
  const float inf = test_float(0x7F800000u), nan = test_float(0xFF800001u);
  const float rows[5][2] = {
      {inf, 0}, {nan, 1}, {inf, -inf}, {0x1p127f, 0x1p127f}, {-0x1p-149f, 0}};
  static const uint32_t want[5] = {0x7FC00000, 0x7FC00000, 0x7FC00000,
                                   0x7F800000, 0x80000000};
  static const float zero[2] = {0, 0}, ones[2] = {1, 1},
                     tiny[2] = {0x1p-149f, 0};
  int i;
  (void)unused;
  for (i = 0; i < 5; ++i) {
    const float *w = i == 0 ? zero : i == 4 ? tiny : ones;
    float z, dx[1], dw[1];
    assert_int_equal(sste_product_forward(&z, 1, rows[i], 2, w, 2, 1, 1, 2),
                     SSTE_OK);
    assert_int_equal(sste_product_input_grad(dx, 1, rows[i], 2, w, 1, 1, 2, 1),
                     SSTE_OK);
    assert_int_equal(sste_product_weight_grad(dw, 1, rows[i], 1, w, 1, 2, 1, 1),
                     SSTE_OK);
    assert_int_equal(test_bits(z), want[i]);
    assert_int_equal(test_bits(dx[0]), want[i]);
    assert_int_equal(test_bits(dw[0]), want[i]);
  }
}

/* A compressed W against two references: its own, and the dense product. */
static void compressed_case(size_t T, size_t N, size_t K, size_t pad,
                            uint64_t *state) {
  matrix x = matrix_new(T, K, pad), w = sparse_matrix(N, K, pad, state);
  matrix got = matrix_new(T, N, pad), want = matrix_new(T, N, 0);
  packed c = packed_new(N, K, pad);
  matrix_normal(x, state);
  entangle(x, 1, w, 1, K);
  slow_tensor_compress(c, w);
  assert_int_equal(
      sste_product_forward_compressed(got.p, got.ld, x.p, x.ld, c.values.p,
                                      c.values.ld, c.meta, c.ldm, T, N, K),
      SSTE_OK);
  slow_forward_compressed(want.p, want.ld, x.p, x.ld, c.values.p, c.values.ld,
                          c.meta, c.ldm, T, N, K);
  assert_same_matrix(got, want);
  slow_forward(want.p, want.ld, x.p, x.ld, w.p, w.ld, T, N, K);
  assert_same_matrix(got, want);
  packed_free(c);
  free(x.p);
  free(w.p);
  free(got.p);
  free(want.p);
}

static void test_compressed_product(void **unused) {
  static const size_t depths[] = {0,  4,  8,  12, 16, 20, 24,  28, 32,
                                  36, 40, 60, 64, 68, 96, 100, 132};
  uint64_t state = test_seed() + 23;
  size_t i;
  (void)unused;
  for (i = 0; i < sizeof depths / sizeof depths[0]; ++i) {
    compressed_case(1, 1, depths[i], 0, &state);
    compressed_case(5, 7, depths[i], 2, &state);
    compressed_case(65, 67, depths[i], 0, &state);
    compressed_case(63, 129, depths[i], 1, &state);
    compressed_case(130, 64, depths[i], 3, &state);
  }
  for (i = 0; i < PRODUCT_SHAPES; ++i)
    compressed_case(product_shapes[i][0], product_shapes[i][1],
                    product_shapes[i][2] / 4 * 4, i % 3, &state);
}

/* An infinity meets nothing where no nibble points, and an empty place's zero
 * where one does, as in the tensor core. */
static void test_compressed_specials(void **unused) {
  static const float values[4] = {0, 5, 7, -2}; /* (0, 5, 0, 0, 0, 0, 7, -2) */
  static const uint8_t meta = 0xE4;
  const float inf = test_float(0x7F800000u);
  int k;
  (void)unused;
  for (k = 0; k < 8; ++k) {
    float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, z;
    const int named = k == 0 || k == 1 || k == 6 || k == 7;
    x[k] = inf;
    assert_int_equal(sste_product_forward_compressed(&z, 1, x, 8, values, 4,
                                                     &meta, 1, 1, 1, 8),
                     SSTE_OK);
    if (!named) assert_same_float(z, 2 * 5 + 7 * 7 - 2 * 8);
    if (k == 0) assert_int_equal(test_bits(z), 0x7FC00000);
    if (named && k != 0) assert_same_float(z, k == 7 ? -inf : inf);
    x[k] = test_float(0xFFC00001u);
    assert_int_equal(sste_product_forward_compressed(&z, 1, x, 8, values, 4,
                                                     &meta, 1, 1, 1, 8),
                     SSTE_OK);
    if (named) assert_int_equal(test_bits(z), 0x7FC00000);
    if (!named) assert_same_float(z, 2 * 5 + 7 * 7 - 2 * 8);
  }
}

/* Every parallel function, over several tiles and many rows. */
static void test_threads_same_bits(void **unused) {
  static const int threads[3] = {1, 2, 5};
  uint64_t state;
  int i;
  (void)unused;
  for (i = 0; i < 3; ++i) {
    state = test_seed() + 24;
    test_threads(threads[i]);
    products_case(130, 140, 70, 1, &state);
    compressed_case(130, 140, 72, 1, &state);
    project_case(50, 64, 1, 1.5f, &state);
    round_trip(50, 68, 1, &state);
  }
  test_threads(ALL_THREADS);
}

/* ---- 6. Refusals and empty matrices -------------------------------------- */

/* Every argument of the calls below lies in this arena, which a refused call
 * must leave as it is: outputs are poison, inputs are sound. */
enum { ARENA = 1024 };
static float arena[ARENA];
static float before[ARENA];

/* 0..255: inputs, 2:4 along rows; 256..511: outputs; 512..: nibbles. */
static float *const in = arena, *const other = arena + 128;
static float *const out = arena + 256;
#define BYTES ((uint8_t *)(arena + 512))
#define BYTES_OUT ((uint8_t *)(arena + 768))

static void arena_reset(void) {
  size_t i;
  test_poison(arena, sizeof arena);
  for (i = 0; i < 256; ++i) arena[i] = i % 4 < 2 ? (float)(i + 1) : 0.0f;
  memset(BYTES, 0x44, 512);
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

/* The longest stride of two rows that a size can hold, and one too long. */
#define LD_MOST(type) ((size_t)PTRDIFF_MAX / sizeof(type) / 2)
#define LD_HUGE(type) (LD_MOST(type) + 1)

static void test_project_refused(void **unused) {
  const size_t longest = LD_MOST(float), huge = LD_HUGE(float);
  (void)unused;
#define PROJECT(o, ldo, w, ldw, r, c) \
  sste_tensor_project(o, ldo, w, ldw, r, c, 2.0f, NULL)
  assert_accepted(PROJECT(out, 8, in, 8, 2, 8));
  assert_refused(PROJECT(NULL, 8, in, 8, 2, 8), SSTE_ERR_NULL);
  assert_refused(PROJECT(out, 8, NULL, 8, 2, 8), SSTE_ERR_NULL);
  assert_refused(PROJECT(out, 7, in, 8, 2, 8), SSTE_ERR_SHAPE);
  assert_refused(PROJECT(out, 8, in, 7, 2, 8), SSTE_ERR_SHAPE);
  assert_refused(PROJECT(out, 8, in, 8, 2, 5), SSTE_ERR_SHAPE);
  assert_refused(PROJECT(out, 8, in, 8, 2, 6), SSTE_ERR_SHAPE);
  assert_refused(PROJECT(out, 8, in, 8, 2, 7), SSTE_ERR_SHAPE);
  assert_refused(PROJECT(out, huge, in, 8, 2, 8), SSTE_ERR_SIZE);
  assert_refused(PROJECT(out, 8, in, huge, 2, 8), SSTE_ERR_SIZE);
  assert_refused(PROJECT(out, 8, in, 8, SIZE_MAX, 8), SSTE_ERR_SIZE);
  assert_refused(PROJECT(out, 8, in, 8, SIZE_MAX / 32 + 2, 8), SSTE_ERR_SIZE);
  assert_refused(PROJECT(in, longest, in, 8, 2, 8), SSTE_ERR_OVERLAP);
  assert_refused(PROJECT(in, 8, in, longest, 2, 8), SSTE_ERR_OVERLAP);
  assert_refused(PROJECT(in + 4, 8, in, 8, 2, 8), SSTE_ERR_OVERLAP);
  assert_refused(PROJECT(in, 8, in + 4, 8, 2, 8), SSTE_ERR_OVERLAP);
  assert_refused(PROJECT(in, 9, in, 8, 2, 8), SSTE_ERR_OVERLAP);
  assert_refused(PROJECT(in + 8, 16, in, 16, 2, 8), SSTE_ERR_OVERLAP);
  /* One element shared, then none: the extents end with the last row. */
  assert_refused(PROJECT(in + 18, 8, in, 11, 2, 8), SSTE_ERR_OVERLAP);
  assert_accepted(PROJECT(in + 19, 8, in, 11, 2, 8));
  assert_refused(PROJECT(in, 11, in + 18, 8, 2, 8), SSTE_ERR_OVERLAP);
  assert_accepted(PROJECT(in, 11, in + 19, 8, 2, 8));
#undef PROJECT
}

static void test_mask_refused(void **unused) {
  const size_t most = LD_MOST(uint8_t), longest = LD_MOST(float);
  uint8_t *const shared = (uint8_t *)in;
  (void)unused;
#define MASK(m, ldm, w, ldw, r, c) \
  sste_tensor_mask(m, ldm, w, ldw, r, c, SSTE_TIE_HIGHER)
  assert_accepted(MASK(BYTES, 8, in, 8, 2, 8));
  assert_refused(MASK(NULL, 8, in, 8, 2, 8), SSTE_ERR_NULL);
  assert_refused(MASK(BYTES, 8, NULL, 8, 2, 8), SSTE_ERR_NULL);
  assert_refused(MASK(BYTES, 7, in, 8, 2, 8), SSTE_ERR_SHAPE);
  assert_refused(MASK(BYTES, 8, in, 7, 2, 8), SSTE_ERR_SHAPE);
  assert_refused(MASK(BYTES, 8, in, 8, 2, 6), SSTE_ERR_SHAPE);
  assert_refused(MASK(BYTES, 8, in, 8, 2, 7), SSTE_ERR_SHAPE);
  assert_refused(MASK(BYTES, 8, in, longest + 1, 2, 8), SSTE_ERR_SIZE);
  assert_refused(MASK(BYTES, most + 1, in, 8, 2, 8), SSTE_ERR_SIZE);
  assert_refused(MASK(shared, most, in, 8, 2, 8), SSTE_ERR_OVERLAP);
  assert_refused(MASK(shared, 8, in, 8, 2, 8), SSTE_ERR_OVERLAP);
  assert_refused(MASK(shared + 63, 8, in, 8, 2, 8), SSTE_ERR_OVERLAP);
  assert_accepted(MASK(shared + 64, 8, in, 8, 2, 8));
  assert_refused(MASK(shared + 17, 8, in + 8, 8, 2, 8), SSTE_ERR_OVERLAP);
  assert_accepted(MASK(shared + 16, 8, in + 8, 8, 2, 8));
  assert_refused(sste_tensor_mask(BYTES, 8, in, 8, 2, 8, (sste_tie)2),
                 SSTE_ERR_VALUE);
#undef MASK
}

static void test_flip_rate_refused(void **unused) {
  double rate = 77;
  size_t flips = 77;
  (void)unused;
#define FLIPS(m, ldm, p, ldp, r, c) \
  sste_mask_flip_rate(&rate, &flips, m, ldm, p, ldp, r, c)
  assert_refused(FLIPS(NULL, 8, BYTES, 8, 2, 8), SSTE_ERR_NULL);
  assert_refused(FLIPS(BYTES, 8, NULL, 8, 2, 8), SSTE_ERR_NULL);
  assert_refused(FLIPS(BYTES, 7, BYTES, 8, 2, 8), SSTE_ERR_SHAPE);
  assert_refused(FLIPS(BYTES, 8, BYTES, 7, 2, 8), SSTE_ERR_SHAPE);
  assert_refused(FLIPS(BYTES, LD_HUGE(uint8_t), BYTES, 8, 2, 8), SSTE_ERR_SIZE);
  assert_refused(FLIPS(BYTES, 8, BYTES, LD_HUGE(uint8_t), 2, 8), SSTE_ERR_SIZE);
  assert_refused(FLIPS(BYTES, 8, BYTES, 8, SIZE_MAX, 8), SSTE_ERR_SIZE);
  assert_true(rate == 77 && flips == 77);
  assert_accepted(FLIPS(BYTES, 7, BYTES, 7, 2, 7)); /* masks of any width */
  assert_true(rate == 0 && flips == 0);
#undef FLIPS
}

static void test_beta_arguments_refused(void **unused) {
  (void)unused;
  assert_accepted(sste_tensor_beta(out, in, 8, 2, 8));
  assert_refused(sste_tensor_beta(NULL, in, 8, 2, 8), SSTE_ERR_NULL);
  assert_refused(sste_tensor_beta(out, NULL, 8, 2, 8), SSTE_ERR_NULL);
  assert_refused(sste_tensor_beta(out, in, 7, 2, 8), SSTE_ERR_SHAPE);
  assert_refused(sste_tensor_beta(out, in, 8, 2, 6), SSTE_ERR_SHAPE);
  assert_refused(sste_tensor_beta(out, in, 8, 2, 5), SSTE_ERR_SHAPE);
  assert_refused(sste_tensor_beta(out, in, LD_HUGE(float), 2, 8),
                 SSTE_ERR_SIZE);
  assert_refused(sste_tensor_beta(out, in, 8, SIZE_MAX, 8), SSTE_ERR_SIZE);
}

static void test_check_refused(void **unused) {
  size_t row = 77, group = 77;
  (void)unused;
#define CHECK(w, ldw, r, c) sste_tensor_check(w, ldw, r, c, &row, &group)
  assert_accepted(CHECK(in, 8, 2, 8));
  assert_refused(CHECK(NULL, 8, 2, 8), SSTE_ERR_NULL);
  assert_refused(CHECK(in, 7, 2, 8), SSTE_ERR_SHAPE);
  assert_refused(CHECK(in, 8, 2, 6), SSTE_ERR_SHAPE);
  assert_refused(CHECK(in, 8, 2, 7), SSTE_ERR_SHAPE);
  assert_refused(CHECK(in, LD_HUGE(float), 2, 8), SSTE_ERR_SIZE);
  assert_true(row == 77 && group == 77);
#undef CHECK
}

static void test_compress_refused(void **unused) {
  uint8_t *const shared = (uint8_t *)in;
  const size_t huge = LD_HUGE(float), huge_meta = LD_HUGE(uint8_t);
  (void)unused;
#define COMPRESS(v, ldv, m, ldm, w, ldw, r, c) \
  sste_tensor_compress(v, ldv, m, ldm, w, ldw, r, c)
  assert_accepted(COMPRESS(out, 6, BYTES_OUT, 2, in, 12, 2, 12));
  assert_refused(COMPRESS(NULL, 6, BYTES_OUT, 2, in, 12, 2, 12), SSTE_ERR_NULL);
  assert_refused(COMPRESS(out, 6, NULL, 2, in, 12, 2, 12), SSTE_ERR_NULL);
  assert_refused(COMPRESS(out, 6, BYTES_OUT, 2, NULL, 12, 2, 12),
                 SSTE_ERR_NULL);
  assert_refused(COMPRESS(out, 5, BYTES_OUT, 2, in, 12, 2, 12), SSTE_ERR_SHAPE);
  assert_refused(COMPRESS(out, 6, BYTES_OUT, 1, in, 12, 2, 12), SSTE_ERR_SHAPE);
  assert_refused(COMPRESS(out, 6, BYTES_OUT, 2, in, 11, 2, 12), SSTE_ERR_SHAPE);
  assert_refused(COMPRESS(out, 6, BYTES_OUT, 2, in, 12, 2, 10), SSTE_ERR_SHAPE);
  assert_refused(COMPRESS(out, huge, BYTES_OUT, 2, in, 12, 2, 12),
                 SSTE_ERR_SIZE);
  assert_refused(COMPRESS(out, 6, BYTES_OUT, huge_meta, in, 12, 2, 12),
                 SSTE_ERR_SIZE);
  assert_refused(COMPRESS(out, 6, BYTES_OUT, 2, in, huge, 2, 12),
                 SSTE_ERR_SIZE);
  assert_refused(COMPRESS(in, 6, BYTES_OUT, 2, in, 12, 2, 12),
                 SSTE_ERR_OVERLAP);
  assert_refused(COMPRESS(in + 23, 6, BYTES_OUT, 2, in, 12, 2, 12),
                 SSTE_ERR_OVERLAP);
  assert_accepted(COMPRESS(in + 24, 6, BYTES_OUT, 2, in, 12, 2, 12));
  assert_refused(COMPRESS(out, 6, shared + 95, 2, in, 12, 2, 12),
                 SSTE_ERR_OVERLAP);
  assert_accepted(COMPRESS(out, 6, shared + 96, 2, in, 12, 2, 12));
  assert_refused(COMPRESS(out, 6, (uint8_t *)out + 47, 2, in, 12, 2, 12),
                 SSTE_ERR_OVERLAP);
  assert_accepted(COMPRESS(out, 6, (uint8_t *)out + 48, 2, in, 12, 2, 12));
#undef COMPRESS
}

static void test_decompress_refused(void **unused) {
  const size_t huge = LD_HUGE(float), huge_meta = LD_HUGE(uint8_t);
  float *const nibbles = (float *)(void *)BYTES;
  (void)unused;
#define DECOMPRESS(o, ldo, v, ldv, m, ldm, r, c) \
  sste_tensor_decompress(o, ldo, v, ldv, m, ldm, r, c)
  assert_accepted(DECOMPRESS(out, 12, in, 6, BYTES, 2, 2, 12));
  assert_refused(DECOMPRESS(NULL, 12, in, 6, BYTES, 2, 2, 12), SSTE_ERR_NULL);
  assert_refused(DECOMPRESS(out, 12, NULL, 6, BYTES, 2, 2, 12), SSTE_ERR_NULL);
  assert_refused(DECOMPRESS(out, 12, in, 6, NULL, 2, 2, 12), SSTE_ERR_NULL);
  assert_refused(DECOMPRESS(out, 11, in, 6, BYTES, 2, 2, 12), SSTE_ERR_SHAPE);
  assert_refused(DECOMPRESS(out, 12, in, 5, BYTES, 2, 2, 12), SSTE_ERR_SHAPE);
  assert_refused(DECOMPRESS(out, 12, in, 6, BYTES, 1, 2, 12), SSTE_ERR_SHAPE);
  assert_refused(DECOMPRESS(out, 12, in, 6, BYTES, 2, 2, 10), SSTE_ERR_SHAPE);
  assert_refused(DECOMPRESS(out, huge, in, 6, BYTES, 2, 2, 12), SSTE_ERR_SIZE);
  assert_refused(DECOMPRESS(out, 12, in, huge, BYTES, 2, 2, 12), SSTE_ERR_SIZE);
  assert_refused(DECOMPRESS(out, 12, in, 6, BYTES, huge_meta, 2, 12),
                 SSTE_ERR_SIZE);
  assert_refused(DECOMPRESS(in + 11, 12, in, 6, BYTES, 2, 2, 12),
                 SSTE_ERR_OVERLAP);
  assert_accepted(DECOMPRESS(in + 12, 12, in, 6, BYTES, 2, 2, 12));
  assert_refused(DECOMPRESS(nibbles - 23, 12, in, 6, BYTES, 2, 2, 12),
                 SSTE_ERR_OVERLAP);
  assert_accepted(DECOMPRESS(nibbles - 24, 12, in, 6, BYTES, 2, 2, 12));
  assert_refused(DECOMPRESS(nibbles, 12, in, 6, BYTES, 2, 2, 12),
                 SSTE_ERR_OVERLAP);
#undef DECOMPRESS
}

/* The three products have one shape: an output and two inputs, all 3 x 3 here
 * with rows `ld` apart. */
typedef sste_status (*product)(float *, size_t, const float *, size_t,
                               const float *, size_t, size_t, size_t, size_t);

static void assert_product_refusals(product f) {
  const size_t huge = (size_t)PTRDIFF_MAX / sizeof(float) / 3 + 1;
  assert_accepted(f(out, 3, in, 3, other, 3, 3, 3, 3));
  assert_accepted(f(out, 3, in, 3, in, 3, 3, 3, 3)); /* inputs may be one */
  assert_refused(f(NULL, 3, in, 3, other, 3, 3, 3, 3), SSTE_ERR_NULL);
  assert_refused(f(out, 3, NULL, 3, other, 3, 3, 3, 3), SSTE_ERR_NULL);
  assert_refused(f(out, 3, in, 3, NULL, 3, 3, 3, 3), SSTE_ERR_NULL);
  assert_refused(f(out, 2, in, 3, other, 3, 3, 3, 3), SSTE_ERR_SHAPE);
  assert_refused(f(out, 3, in, 2, other, 3, 3, 3, 3), SSTE_ERR_SHAPE);
  assert_refused(f(out, 3, in, 3, other, 2, 3, 3, 3), SSTE_ERR_SHAPE);
  assert_refused(f(out, huge, in, 3, other, 3, 3, 3, 3), SSTE_ERR_SIZE);
  assert_refused(f(out, 3, in, huge, other, 3, 3, 3, 3), SSTE_ERR_SIZE);
  assert_refused(f(out, 3, in, 3, other, huge, 3, 3, 3), SSTE_ERR_SIZE);
  assert_refused(f(in, 3, in, 3, other, 3, 3, 3, 3), SSTE_ERR_OVERLAP);
  assert_refused(f(in + 8, 3, in, 3, other, 3, 3, 3, 3), SSTE_ERR_OVERLAP);
  assert_accepted(f(in + 9, 3, in, 3, other, 3, 3, 3, 3));
  assert_refused(f(other, 3, in, 3, other, 3, 3, 3, 3), SSTE_ERR_OVERLAP);
  assert_refused(f(other - 8, 3, in, 3, other, 3, 3, 3, 3), SSTE_ERR_OVERLAP);
  assert_accepted(f(other - 9, 3, in, 3, other, 3, 3, 3, 3));
}

static void test_products_refused(void **unused) {
  (void)unused;
  assert_product_refusals(sste_product_forward);
  assert_product_refusals(sste_product_input_grad);
  assert_product_refusals(sste_product_weight_grad);
}

/* Sides that differ, so that a check of the wrong shape is seen: every stride
 * is as short as it may be in one call, and one shorter in the next. */
static void test_products_strides(void **unused) {
  enum { T = 2, N = 3, K = 5 };
  (void)unused;
#define FORWARD(a, b, c) sste_product_forward(out, a, in, b, other, c, T, N, K)
  assert_accepted(FORWARD(N, K, K));
  assert_refused(FORWARD(N - 1, K, K), SSTE_ERR_SHAPE);
  assert_refused(FORWARD(N, K - 1, K), SSTE_ERR_SHAPE);
  assert_refused(FORWARD(N, K, K - 1), SSTE_ERR_SHAPE);
#define INPUT(a, b, c) sste_product_input_grad(out, a, in, b, other, c, T, N, K)
  assert_accepted(INPUT(K, N, K));
  assert_refused(INPUT(K - 1, N, K), SSTE_ERR_SHAPE);
  assert_refused(INPUT(K, N - 1, K), SSTE_ERR_SHAPE);
  assert_refused(INPUT(K, N, K - 1), SSTE_ERR_SHAPE);
#define WEIGHT(a, b, c) \
  sste_product_weight_grad(out, a, in, b, other, c, T, N, K)
  assert_accepted(WEIGHT(K, N, K));
  assert_refused(WEIGHT(K - 1, N, K), SSTE_ERR_SHAPE);
  assert_refused(WEIGHT(K, N - 1, K), SSTE_ERR_SHAPE);
  assert_refused(WEIGHT(K, N, K - 1), SSTE_ERR_SHAPE);
  /* The extents too: the first element behind an input is free. */
  assert_accepted(sste_product_forward(in + 10, N, in, K, other, K, T, N, K));
  assert_refused(sste_product_forward(in + 9, N, in, K, other, K, T, N, K),
                 SSTE_ERR_OVERLAP);
  assert_accepted(
      sste_product_weight_grad(in + 6, K, in, N, other, K, T, N, K));
  assert_refused(sste_product_weight_grad(in + 5, K, in, N, other, K, T, N, K),
                 SSTE_ERR_OVERLAP);
#undef FORWARD
#undef INPUT
#undef WEIGHT
}

static void test_compressed_product_refused(void **unused) {
  const size_t huge = LD_HUGE(float), huge_meta = LD_HUGE(uint8_t);
  float *const nibbles = (float *)(void *)BYTES;
  (void)unused;
#define PRODUCT(z, ldz, x, ldx, v, ldv, m, ldm, k) \
  sste_product_forward_compressed(z, ldz, x, ldx, v, ldv, m, ldm, 2, 2, k)
  assert_accepted(PRODUCT(out, 2, in, 12, other, 6, BYTES, 2, 12));
  assert_refused(PRODUCT(NULL, 2, in, 12, other, 6, BYTES, 2, 12),
                 SSTE_ERR_NULL);
  assert_refused(PRODUCT(out, 2, NULL, 12, other, 6, BYTES, 2, 12),
                 SSTE_ERR_NULL);
  assert_refused(PRODUCT(out, 2, in, 12, NULL, 6, BYTES, 2, 12), SSTE_ERR_NULL);
  assert_refused(PRODUCT(out, 2, in, 12, other, 6, NULL, 2, 12), SSTE_ERR_NULL);
  assert_refused(PRODUCT(out, 1, in, 12, other, 6, BYTES, 2, 12),
                 SSTE_ERR_SHAPE);
  assert_refused(PRODUCT(out, 2, in, 11, other, 6, BYTES, 2, 12),
                 SSTE_ERR_SHAPE);
  assert_refused(PRODUCT(out, 2, in, 12, other, 5, BYTES, 2, 12),
                 SSTE_ERR_SHAPE);
  assert_refused(PRODUCT(out, 2, in, 12, other, 6, BYTES, 1, 12),
                 SSTE_ERR_SHAPE);
  assert_refused(PRODUCT(out, 2, in, 12, other, 6, BYTES, 2, 10),
                 SSTE_ERR_SHAPE);
  assert_refused(PRODUCT(out, huge, in, 12, other, 6, BYTES, 2, 12),
                 SSTE_ERR_SIZE);
  assert_refused(PRODUCT(out, 2, in, huge, other, 6, BYTES, 2, 12),
                 SSTE_ERR_SIZE);
  assert_refused(PRODUCT(out, 2, in, 12, other, huge, BYTES, 2, 12),
                 SSTE_ERR_SIZE);
  assert_refused(PRODUCT(out, 2, in, 12, other, 6, BYTES, huge_meta, 12),
                 SSTE_ERR_SIZE);
  assert_refused(PRODUCT(in + 23, 2, in, 12, other, 6, BYTES, 2, 12),
                 SSTE_ERR_OVERLAP);
  assert_accepted(PRODUCT(in + 24, 2, in, 12, other, 6, BYTES, 2, 12));
  assert_refused(PRODUCT(other + 11, 2, in, 12, other, 6, BYTES, 2, 12),
                 SSTE_ERR_OVERLAP);
  assert_accepted(PRODUCT(other + 12, 2, in, 12, other, 6, BYTES, 2, 12));
  assert_refused(PRODUCT(nibbles - 3, 2, in, 12, other, 6, BYTES, 2, 12),
                 SSTE_ERR_OVERLAP);
  assert_accepted(PRODUCT(nibbles - 4, 2, in, 12, other, 6, BYTES, 2, 12));
#undef PRODUCT
}

/* No rows or no columns: all well, whatever the pointers, and nothing is read
 * or written. The other side may be as large as it likes. */
static void empty_case(size_t rows, size_t cols) {
  size_t nans = 77, flips = 77;
  double rate = 77;
  assert_refused(sste_tensor_project(NULL, 0, NULL, 0, rows, cols, 1.0f, &nans),
                 SSTE_OK);
  assert_refused(sste_tensor_project(out, 4, in, 4, rows, cols, 1.0f, NULL),
                 SSTE_OK);
  assert_refused(sste_tensor_mask(NULL, 0, NULL, 0, rows, cols, SSTE_TIE_LOWER),
                 SSTE_OK);
  assert_refused(
      sste_tensor_mask(BYTES_OUT, 4, in, 4, rows, cols, SSTE_TIE_LOWER),
      SSTE_OK);
  assert_refused(
      sste_mask_flip_rate(&rate, &flips, NULL, 0, NULL, 0, rows, cols),
      SSTE_OK);
  assert_refused(sste_tensor_check(NULL, 0, rows, cols, NULL, NULL), SSTE_OK);
  assert_refused(sste_tensor_compress(NULL, 0, NULL, 0, NULL, 0, rows, cols),
                 SSTE_OK);
  assert_refused(sste_tensor_compress(out, 4, BYTES_OUT, 4, in, 8, rows, cols),
                 SSTE_OK);
  assert_refused(sste_tensor_decompress(NULL, 0, NULL, 0, NULL, 0, rows, cols),
                 SSTE_OK);
  assert_refused(sste_tensor_decompress(out, 8, in, 4, BYTES, 4, rows, cols),
                 SSTE_OK);
  assert_true(nans == 0 && flips == 0 && rate == 0);
}

static void test_empty(void **unused) {
  (void)unused;
  empty_case(0, 0);
  empty_case(0, 8);
  empty_case(0, 6); /* no group is there to be incomplete */
  empty_case(3, 0);
  empty_case(0, SIZE_MAX / 8 * 8);
  empty_case(PTRDIFF_MAX, 0); /* a loop over the rows would never end */
  empty_case(SIZE_MAX, 0);
}

static void empty_products_case(product f, size_t T, size_t N, size_t K) {
  assert_refused(f(NULL, 0, NULL, 0, NULL, 0, T, N, K), SSTE_OK);
}

static void test_empty_products(void **unused) {
  static const product products[3] = {
      sste_product_forward, sste_product_input_grad, sste_product_weight_grad};
  int i;
  (void)unused;
  for (i = 0; i < 3; ++i) {
    empty_products_case(products[i], 0, 0, 0);
    empty_products_case(products[i], SIZE_MAX, 0, 0);
    empty_products_case(products[i], 0, SIZE_MAX, 0);
    empty_products_case(products[i], 0, 0, SIZE_MAX);
  }
  assert_refused(sste_product_forward(out, 3, in, 3, other, 3, 0, 3, 3),
                 SSTE_OK);
  assert_refused(sste_product_forward_compressed(NULL, 0, NULL, 0, NULL, 0,
                                                 NULL, 0, SIZE_MAX, 0, 0),
                 SSTE_OK);
  assert_refused(sste_product_forward_compressed(NULL, 0, NULL, 0, NULL, 0,
                                                 NULL, 0, 0, PTRDIFF_MAX, 0),
                 SSTE_OK);
  assert_refused(sste_product_forward_compressed(NULL, 0, NULL, 0, NULL, 0,
                                                 NULL, 0, 0, SIZE_MAX, 0),
                 SSTE_OK);
  assert_refused(sste_product_forward_compressed(out, 3, in, 8, other, 4, BYTES,
                                                 1, 0, 3, 8),
                 SSTE_OK);
}

/* A sum of no terms is +0, which is written even if the inputs are null. */
static void test_empty_contraction(void **unused) {
  static const product products[3] = {
      sste_product_forward, sste_product_input_grad, sste_product_weight_grad};
  static const size_t sizes[3][3] = {{2, 3, 0}, {2, 0, 3}, {0, 2, 3}};
  int i, j;
  (void)unused;
  for (i = 0; i < 3; ++i) {
    const size_t *s = sizes[i];
    assert_accepted(products[i](out, 3, NULL, 0, NULL, 0, s[0], s[1], s[2]));
    for (j = 0; j < 6; ++j) assert_int_equal(test_bits(out[j]), 0);
    assert_int_equal(test_bits(out[6]), 0xCACACACA);
  }
  assert_accepted(sste_product_forward_compressed(out, 3, NULL, 0, NULL, 0,
                                                  NULL, 0, 2, 3, 0));
  for (j = 0; j < 6; ++j) assert_int_equal(test_bits(out[j]), 0);
  assert_int_equal(test_bits(out[6]), 0xCACACACA);
}

static void test_status_texts(void **unused) {
  int i, j;
  (void)unused;
  for (i = SSTE_OK; i <= SSTE_ERR_PATTERN + 1; ++i) {
    const char *text = sste_status_text((sste_status)i);
    assert_true(strlen(text) > 1);
    for (j = SSTE_OK; j < i; ++j)
      assert_string_not_equal(text, sste_status_text((sste_status)j));
  }
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_group_golden),
      cmocka_unit_test(test_group_mask_golden),
      cmocka_unit_test(test_group_all_small),
      cmocka_unit_test(test_group_random),
      cmocka_unit_test(test_group_idempotent_and_odd),
      cmocka_unit_test(test_group_homogeneous),
      cmocka_unit_test(test_group_permutations),
      cmocka_unit_test(test_group_shrinks),
      cmocka_unit_test(test_group_lipschitz),
      cmocka_unit_test(test_group_lipschitz_attained),
      cmocka_unit_test(test_group_continuous),
      cmocka_unit_test(test_group_nan),
      cmocka_unit_test(test_group_nan_order),
      cmocka_unit_test(test_group_infinities),
      cmocka_unit_test(test_tensor_project),
      cmocka_unit_test(test_tensor_beta_after_rounding),
      cmocka_unit_test(test_tensor_underflow),
      cmocka_unit_test(test_tensor_nan_groups),
      cmocka_unit_test(test_tensor_beta_refused),
      cmocka_unit_test(test_tensor_mask),
      cmocka_unit_test(test_flip_rate),
      cmocka_unit_test(test_flip_rate_layers),
      cmocka_unit_test(test_beta_by_hand),
      cmocka_unit_test(test_beta_range),
      cmocka_unit_test(test_beta_shapes),
      cmocka_unit_test(test_beta_order),
      cmocka_unit_test(test_beta_refused),
      cmocka_unit_test(test_beta_minimises),
      cmocka_unit_test(test_beta_at_least_one),
      cmocka_unit_test(test_moments_gaussian),
      cmocka_unit_test(test_moments_uniform),
      cmocka_unit_test(test_moments_laplace),
      cmocka_unit_test(test_compress_round_trip),
      cmocka_unit_test(test_compress_layout),
      cmocka_unit_test(test_nibble_table),
      cmocka_unit_test(test_group_compress_dense),
      cmocka_unit_test(test_no_phantom_values),
      cmocka_unit_test(test_minus_zero_never_kept),
      cmocka_unit_test(test_decompress_canonical),
      cmocka_unit_test(test_tensor_check),
      cmocka_unit_test(test_compress_refuses_dense),
      cmocka_unit_test(test_illegal_nibbles),
      cmocka_unit_test(test_products),
      cmocka_unit_test(test_products_integers),
      cmocka_unit_test(test_products_bound),
      cmocka_unit_test(test_products_specials),
      cmocka_unit_test(test_products_special_values),
      cmocka_unit_test(test_compressed_product),
      cmocka_unit_test(test_compressed_specials),
      cmocka_unit_test(test_threads_same_bits),
      cmocka_unit_test(test_project_refused),
      cmocka_unit_test(test_mask_refused),
      cmocka_unit_test(test_flip_rate_refused),
      cmocka_unit_test(test_beta_arguments_refused),
      cmocka_unit_test(test_check_refused),
      cmocka_unit_test(test_compress_refused),
      cmocka_unit_test(test_decompress_refused),
      cmocka_unit_test(test_products_refused),
      cmocka_unit_test(test_products_strides),
      cmocka_unit_test(test_compressed_product_refused),
      cmocka_unit_test(test_empty),
      cmocka_unit_test(test_empty_products),
      cmocka_unit_test(test_empty_contraction),
      cmocka_unit_test(test_status_texts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
