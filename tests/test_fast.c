/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_fast.c - the functions over whole matrices against the functions over
 * one group or one element that define them, bit for bit: every kind of data,
 * shapes that fill no tile, strides, in place, any number of threads.
 *
 *   1. Data and shapes    2. The projection    3. Masks
 *   4. Sums               5. The compressed form
 */
#include <float.h>

#include "slow_sste.h"
#include "sste.h"
#include "test.h"

/* ---- 1. Data and shapes -------------------------------------------------- */

enum kind {
  NORMAL,
  TIES,     /* small integers, zeros of both signs among them */
  ZEROS,    /* of both signs */
  SPARSE,   /* half of them zeros */
  TINY,     /* subnormals and their neighbours */
  LARGE,    /* sums and differences near FLT_MAX */
  SPECIAL,  /* one in 64 is an infinity or a NaN */
  SPECIALS, /* every second one */
  ANY_BITS,
  KINDS
};

static float entry(enum kind kind, uint64_t *rng) {
  const uint64_t r = test_random(rng);
  const uint32_t low = (uint32_t)r, sign = low & 0x80000000u;
  const float s = sign != 0 ? -1.0f : 1.0f;
  switch (kind) {
    case TIES: return s * (float)(low % 4);
    case ZEROS: return test_float(sign);
    case SPARSE: return low % 2 == 0 ? test_float(sign) : s * (float)(low % 97);
    case TINY: return test_float(sign | (low & 0xFFFFFFu) >> r % 25);
    case LARGE: return s * FLT_MAX / (float)(1 + low % 5);
    case SPECIAL:
      if ((r >> 32) % 64 == 0) return test_float(sign | 0x7F800000u | low % 3);
      return s * (float)(low % 9);
    case SPECIALS:
      if (r >> 63) return test_float(sign | 0x7F800000u | low % 9 / 7);
      return s * (float)(low % 9);
    case ANY_BITS: return test_float(low);
    default: return (float)test_normal(rng);
  }
}

static void fill(float *p, size_t n, enum kind kind, uint64_t *rng) {
  size_t i;
  for (i = 0; i < n; ++i) p[i] = entry(kind, rng);
}

/* One group, one tile and its neighbours, strips and their neighbours; rows
 * apart by `pad` elements more than they need. */
typedef struct shape {
  size_t rows, cols, pad;
} shape;

static const shape shapes[] = {
    {1, 4, 0},    {1, 124, 0},   {1, 128, 0},  {2, 132, 3},  {3, 260, 1},
    {129, 4, 5},  {33, 12, 0},   {5, 1028, 7}, {2, 4092, 0}, {2, 4096, 4},
    {3, 4100, 2}, {1, 12292, 0}, {7, 384, 0}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

enum { ROOM = 1 << 15 }; /* elements of the largest shape with its pad */
static float w[ROOM], v[ROOM], g[ROOM], got[ROOM], want[ROOM];
static uint8_t bytes[ROOM], other[ROOM], wanted[ROOM];

typedef void compare(shape s, enum kind kind);

/* Every shape with every kind of data, by one thread and by three. */
static void for_all(compare *same) {
  const int rounds = test_level() == 2 ? 50 : 2;
  uint64_t rng = test_seed();
  int i, k, round;
  for (round = 0; round < rounds; ++round) {
    test_threads(round % 2 == 0 ? 1 : 3);
    for (i = 0; i < SHAPES; ++i)
      for (k = 0; k < KINDS; ++k) {
        const shape s = shapes[i];
        assert_true(s.rows * (s.cols + s.pad) <= ROOM);
        fill(w, ROOM, (enum kind)k, &rng);
        same(s, (enum kind)k);
      }
  }
  test_threads(1);
}

static void assert_same(const void *a, const void *b, size_t size, shape s,
                        enum kind kind) {
  const uint8_t *p = (const uint8_t *)a, *q = (const uint8_t *)b;
  size_t i = 0;
  if (memcmp(p, q, size) == 0) return;
  while (p[i] == q[i]) ++i;
  fail_msg("%zu x %zu + %zu, data %d: byte %zu of %zu differs", s.rows, s.cols,
           s.pad, (int)kind, i, size);
}

/* ---- 2. The projection --------------------------------------------------- */

/* From 0.5 down products underflow to zero, by the last one they overflow. */
static const float betas[] = {1.0f, 1.4837f, 0.5f, 0x1p-20f, 0x1p100f};
enum { BETAS = sizeof betas / sizeof betas[0] };

static float stored(float x) {
  return x == 0.0f ? 0.0f : x != x ? test_float(0x7FC00000u) : x;
}

/* Group by group into `want`, rows ldo apart; how many came out as NaN. */
static size_t project_groups(size_t ldo, shape s, float beta) {
  size_t r, c, i, nans = 0;
  for (r = 0; r < s.rows; ++r)
    for (c = 0; c < s.cols; c += 4) {
      float *to = want + r * ldo + c;
      nans += (size_t)sste_group_project(to, w + r * (s.cols + s.pad) + c);
      for (i = 0; i < 4; ++i) to[i] = stored(beta * to[i]);
    }
  return nans;
}

static void same_projection(shape s, enum kind kind) {
  const size_t ldw = s.cols + s.pad;
  size_t nans, b;
  for (b = 0; b < BETAS; ++b) {
    size_t count = 99;
    test_poison(got, sizeof got);
    test_poison(want, sizeof want);
    nans = project_groups(s.cols, s, betas[b]);
    assert_int_equal(sste_tensor_project(got, s.cols, w, ldw, s.rows, s.cols,
                                         betas[b], &count),
                     SSTE_OK);
    assert_int_equal(count, nans);
    assert_same(got, want, sizeof got, s, kind);

    memcpy(got, w, sizeof w);
    memcpy(want, w, sizeof w);
    project_groups(ldw, s, betas[b]);
    assert_int_equal(sste_tensor_project(got, ldw, got, ldw, s.rows, s.cols,
                                         betas[b], &count),
                     SSTE_OK);
    assert_int_equal(count, nans);
    assert_same(got, want, sizeof got, s, kind);
  }
}

static void projection_is_group_by_group(void **unused) {
  (void)unused;
  for_all(same_projection);
}

/* Each special value alone at every place of a matrix of ordinary ones. */
static void a_special_at_every_place(void **unused) {
  const uint32_t special[] = {0x7F800000u, 0xFF800000u, 0x7F800001u,
                              0xFFFFFFFFu, 0x80000000u, 0x00000001u};
  const shape s = {2, 300, 0};
  uint64_t rng = test_seed();
  size_t i, k;
  (void)unused;
  fill(w, ROOM, NORMAL, &rng);
  for (i = 0; i < s.rows * s.cols; ++i)
    for (k = 0; k < sizeof special / sizeof special[0]; ++k) {
      const float old = w[i];
      size_t count = 99, nans;
      w[i] = test_float(special[k]);
      nans = project_groups(s.cols, s, 1.5f);
      assert_int_equal(sste_tensor_project(got, s.cols, w, s.cols, s.rows,
                                           s.cols, 1.5f, &count),
                       SSTE_OK);
      assert_int_equal(count, nans);
      assert_same(got, want, s.rows * s.cols * sizeof *got, s, SPECIAL);
      w[i] = old;
    }
}

/* ---- 3. Masks ------------------------------------------------------------ */

static void same_masks(shape s, enum kind kind) {
  const size_t ldw = s.cols + s.pad, ldm = s.cols + 2 * s.pad;
  const sste_tie ties[] = {SSTE_TIE_LOWER, SSTE_TIE_HIGHER};
  size_t r, c, i, t;
  for (t = 0; t < 2; ++t) {
    test_poison(bytes, sizeof bytes);
    test_poison(wanted, sizeof wanted);
    for (r = 0; r < s.rows; ++r)
      for (c = 0; c < s.cols; c += 4) {
        const int mask = sste_group_mask(w + r * ldw + c, ties[t]);
        for (i = 0; i < 4; ++i)
          wanted[r * ldm + c + i] = (uint8_t)(mask >> i & 1);
      }
    assert_int_equal(
        sste_tensor_mask(bytes, ldm, w, ldw, s.rows, s.cols, ties[t]), SSTE_OK);
    assert_same(bytes, wanted, sizeof bytes, s, kind);
  }
}

static void masks_are_group_by_group(void **unused) {
  (void)unused;
  for_all(same_masks);
}

/* All orders of four magnitudes, equal ones included, signs and NaN payloads
 * that say nothing. */
static void masks_of_every_order(void **unused) {
  const uint32_t rank[] = {0x80000000u, 0x3F800000u, 0xFF7FFFFFu,
                           0x7F800000u, 0xFF800001u, 0x7FFFFFFFu};
  const shape s = {1, 4 * 6 * 6 * 6 * 6, 0};
  size_t i;
  (void)unused;
  for (i = 0; i < s.cols; ++i) {
    size_t digit = i / 4, j;
    for (j = 0; j < i % 4; ++j) digit /= 6;
    w[i] = test_float(rank[digit % 6]);
  }
  same_masks(s, ANY_BITS);
}

/* What is done with masks, and the flips between two. */
static void same_elements(shape s, enum kind kind) {
  const size_t ldw = s.cols + s.pad, ldm = s.cols + 2 * s.pad;
  size_t r, c, i, flips = 99, want_flips = 0;
  uint64_t rng = test_seed();
  double rate = -1.0;
  for (i = 0; i < ROOM; ++i) {
    bytes[i] = (uint8_t)(test_random(&rng) % 3 * 127);
    other[i] = (uint8_t)(test_random(&rng) % 3 * 100);
  }
  test_poison(got, sizeof got);
  test_poison(want, sizeof want);
  test_poison(wanted, sizeof wanted);
  for (r = 0; r < s.rows; ++r)
    for (c = 0; c < s.cols; ++c) {
      const int keeps = bytes[r * ldm + c] != 0;
      const float x = w[r * ldw + c];
      want[r * s.cols + c] = keeps ? stored(x) : 0.0f;
      want_flips += keeps != (other[r * ldw + c] != 0);
      wanted[r * ldm + c] = x != 0.0f;
    }
  assert_int_equal(
      sste_tensor_apply_mask(got, s.cols, w, ldw, bytes, ldm, s.rows, s.cols),
      SSTE_OK);
  assert_same(got, want, sizeof got, s, kind);
  memcpy(got, w, sizeof w);
  assert_int_equal(
      sste_tensor_apply_mask(got, ldw, got, ldw, bytes, ldm, s.rows, s.cols),
      SSTE_OK);
  for (r = 0; r < s.rows; ++r)
    assert_same(got + r * ldw, want + r * s.cols, s.cols * sizeof *got, s,
                kind);
  assert_int_equal(sste_mask_flip_rate(&rate, &flips, bytes, ldm, other, ldw,
                                       s.rows, s.cols),
                   SSTE_OK);
  assert_int_equal(flips, want_flips);
  test_poison(bytes, sizeof bytes);
  assert_int_equal(sste_tensor_mask_nonzero(bytes, ldm, w, ldw, s.rows, s.cols,
                                            SSTE_FLOAT32),
                   SSTE_OK);
  assert_same(bytes, wanted, sizeof bytes, s, kind);
}

static void masking_is_element_by_element(void **unused) {
  (void)unused;
  for_all(same_elements);
}

/* ---- 4. Sums ------------------------------------------------------------- */

static void flatten(float *flat, const float *p, size_t ld, shape s) {
  size_t r;
  for (r = 0; r < s.rows; ++r)
    memcpy(flat + r * s.cols, p + r * ld, s.cols * sizeof *p);
}

static void assert_sum(double sum, double slow, shape s, enum kind kind) {
  if (memcmp(&sum, &slow, sizeof sum) != 0 && !(sum != sum && slow != slow))
    fail_msg("%zu x %zu + %zu, data %d: %a, expected %a", s.rows, s.cols, s.pad,
             (int)kind, sum, slow);
}

static void same_sums(shape s, enum kind kind) {
  const size_t n = s.rows * s.cols, ldw = s.cols + s.pad, ldv = s.cols;
  const size_t ldg = s.cols + 2 * s.pad;
  static float flat_w[ROOM], flat_g[ROOM], d[ROOM], ones[ROOM];
  uint64_t rng = test_seed();
  double sum = -1.0, ws, ss;
  float beta = -1.0f;
  size_t i;
  sste_status status;
  fill(v, ROOM, kind, &rng);
  fill(g, ROOM, kind, &rng);
  flatten(flat_w, w, ldw, s);
  flatten(flat_g, g, ldg, s);
  for (i = 0; i < n; ++i) {
    d[i] = flat_w[i] - v[i];
    ones[i] = 1.0f;
  }
  assert_int_equal(
      sste_tensor_descent(&sum, g, ldg, w, ldw, v, ldv, s.rows, s.cols),
      SSTE_OK);
  assert_sum(sum, slow_dot(flat_g, d, n), s, kind);
  assert_int_equal(sste_tensor_norm2(&sum, w, ldw, s.rows, s.cols), SSTE_OK);
  assert_sum(sum, slow_dot(flat_w, flat_w, n), s, kind);
  status = sste_tensor_relative_mse(&sum, w, ldw, v, ldv, s.rows, s.cols,
                                    SSTE_FLOAT32);
  if (status == SSTE_OK)
    assert_sum(sum, slow_dot(d, d, n) / slow_dot(flat_w, flat_w, n), s, kind);
  for (i = 0; i < n; ++i) d[i] = fabsf(d[i]);
  assert_int_equal(sste_tensor_change(&sum, w, ldw, v, ldv, s.rows, s.cols),
                   SSTE_OK);
  assert_sum(sum, slow_dot(d, ones, n), s, kind);

  slow_dots(&ws, &ss, w, ldw, s.rows, s.cols);
  status = sste_tensor_beta(&beta, w, ldw, s.rows, s.cols);
  if (ss == 0.0) {
    assert_int_equal(status, SSTE_ERR_ZERO);
  } else if (!((float)(ws / ss) <= FLT_MAX)) {
    assert_int_equal(status, SSTE_ERR_NONFINITE);
  } else {
    assert_int_equal(status, SSTE_OK);
    const sste_priv_summed x =
        sste_priv_summed_of(SSTE_PRIV_MIN_MSE, w, ldw, s.rows, s.cols,
                            sste_nm_of(2, 4)); /* a quotient hides low bits */
    const sste_priv_sums sums = sste_priv_sum(&x, s.rows, s.cols);
    assert_sum(sums.a, ws, s, kind);
    assert_sum(sums.b, ss, s, kind);
    assert_int_equal(status, SSTE_OK);
    assert_same_float(beta, (float)(ws / ss));
  }
}

static void sums_are_the_ones_laid_out(void **unused) {
  (void)unused;
  for_all(same_sums);
}

/* ---- 5. The compressed form ---------------------------------------------- */

static uint8_t meta[ROOM], meta_wanted[ROOM];

/* Group by group from a matrix that is 2:4, rows lda apart. */
static void compress_groups(float *values, size_t ldv, size_t ldm,
                            const float *a, size_t lda, shape s) {
  size_t r, k;
  for (r = 0; r < s.rows; ++r) {
    memset(meta_wanted + r * ldm, 0, (s.cols + 7) / 8);
    for (k = 0; k < s.cols / 4; ++k)
      meta_wanted[r * ldm + k / 2] |=
          (uint8_t)(sste_group_compress(values + r * ldv + 2 * k,
                                        a + r * lda + 4 * k)
                    << k % 2 * 4);
  }
}

static void same_compressed_projection(shape s, enum kind kind) {
  const size_t ldw = s.cols + s.pad, ldv = s.cols / 2 + s.pad;
  const size_t ldm = (s.cols + 7) / 8 + s.pad;
  size_t b, nans;
  for (b = 0; b < BETAS; ++b) {
    size_t count = 99;
    nans = project_groups(s.cols, s, betas[b]);
    memcpy(v, want, sizeof v);
    test_poison(got, sizeof got);
    test_poison(want, sizeof want);
    test_poison(meta, sizeof meta);
    test_poison(meta_wanted, sizeof meta_wanted);
    compress_groups(want, ldv, ldm, v, s.cols, s);
    assert_int_equal(
        sste_tensor_project_compress(got, ldv, meta, ldm, w, ldw, s.rows,
                                     s.cols, betas[b], &count),
        SSTE_OK);
    assert_int_equal(count, nans);
    assert_same(got, want, sizeof got, s, kind);
    assert_same(meta, meta_wanted, sizeof meta, s, kind);
  }
}

static void projecting_and_compressing_at_once(void **unused) {
  (void)unused;
  for_all(same_compressed_projection);
}

/* Any two entries of each group, or fewer, of whatever `w` holds. */
static void thin_out(shape s, size_t ldw, uint64_t *rng) {
  size_t r, c, i;
  for (r = 0; r < s.rows; ++r)
    for (c = 0; c < s.cols; c += 4)
      for (i = 0; i < 2; ++i) {
        const uint64_t x = test_random(rng);
        const size_t first = x & 3, second = first + 1 + (x >> 2) % 3;
        w[r * ldw + c + first] = test_float((uint32_t)x & 0x80000000u);
        w[r * ldw + c + second % 4] = 0.0f;
        if (x >> 40 & 1) break;
      }
}

static void same_round_trip(shape s, enum kind kind) {
  const size_t ldw = s.cols + s.pad, ldv = s.cols / 2 + s.pad;
  const size_t ldm = (s.cols + 7) / 8 + s.pad;
  static float values[ROOM];
  uint64_t rng = test_seed();
  size_t r, c;
  thin_out(s, ldw, &rng);
  test_poison(got, sizeof got);
  test_poison(want, sizeof want);
  test_poison(meta, sizeof meta);
  test_poison(meta_wanted, sizeof meta_wanted);
  compress_groups(want, ldv, ldm, w, ldw, s);
  assert_int_equal(sste_tensor_check(w, ldw, s.rows, s.cols, NULL, NULL),
                   SSTE_OK);
  assert_int_equal(
      sste_tensor_compress(got, ldv, meta, ldm, w, ldw, s.rows, s.cols),
      SSTE_OK);
  assert_same(got, want, sizeof got, s, kind);
  assert_same(meta, meta_wanted, sizeof meta, s, kind);

  memcpy(values, w, sizeof values); /* of any bits, under legal nibbles */
  test_poison(got, sizeof got);
  test_poison(want, sizeof want);
  for (r = 0; r < s.rows; ++r)
    for (c = 0; c < s.cols; c += 4)
      assert_int_equal(
          sste_group_decompress(want + r * ldw + c, values + r * ldv + c / 2,
                                meta[r * ldm + c / 8] >> c % 8 & 0xF),
          SSTE_OK);
  assert_int_equal(
      sste_tensor_decompress(got, ldw, values, ldv, meta, ldm, s.rows, s.cols),
      SSTE_OK);
  assert_same(got, want, sizeof got, s, kind);
}

static void compressing_is_group_by_group(void **unused) {
  (void)unused;
  for_all(same_round_trip);
}

/* A third non-zero, or an illegal nibble, wherever it is. */
static void one_wrong_group_is_found(void **unused) {
  const uint32_t third[] = {0x00000001u, 0xBF800000u, 0x7F800000u, 0x7FC00001u};
  static float values[300];
  size_t i, row = 99, group = 99;
  int nibble;
  (void)unused;
  for (i = 0; i < 600; ++i) w[i] = i % 4 < 2 ? 1.0f : -0.0f;
  for (i = 0; i < 600; ++i) {
    if (i % 4 < 2) continue;
    w[i] = test_float(third[i / 4 % 4]);
    assert_int_equal(sste_tensor_check(w, 300, 2, 300, &row, &group),
                     SSTE_ERR_PATTERN);
    assert_int_equal(row * 75 + group, i / 4);
    assert_int_equal(
        sste_tensor_compress(values, 150, meta, 38, w, 300, 2, 300),
        SSTE_ERR_PATTERN);
    w[i] = -0.0f;
  }
  assert_int_equal(sste_tensor_check(w, 300, 2, 300, &row, &group), SSTE_OK);
  memset(meta, 0x44, 76);
  for (i = 0; i < 150; ++i)
    for (nibble = 0; nibble < 16; ++nibble) {
      uint8_t *byte = meta + i / 75 * 38 + i % 75 / 2;
      const uint8_t old = *byte;
      const int half = (int)(i % 75 % 2 * 4);
      *byte = (uint8_t)((old & ~(0xF << half)) | nibble << half);
      assert_int_equal(
          sste_tensor_decompress(got, 300, values, 150, meta, 38, 2, 300),
          sste_nibble_check(nibble));
      *byte = old;
    }
  meta[37] = 0x04; /* the half byte that nothing uses may hold anything */
  assert_int_equal(
      sste_tensor_decompress(got, 300, values, 150, meta, 38, 2, 300), SSTE_OK);
}

static void project_compress_refuses(void **unused) {
  float *const a = w, *const to = got;
  size_t count = 99;
  (void)unused;
  memset(got, 0, sizeof got);
  memset(meta, 0, sizeof meta);
  assert_int_equal(
      sste_tensor_project_compress(NULL, 4, meta, 1, a, 8, 1, 8, 1.0f, &count),
      SSTE_ERR_NULL);
  assert_int_equal(
      sste_tensor_project_compress(to, 4, NULL, 1, a, 8, 1, 8, 1.0f, &count),
      SSTE_ERR_NULL);
  assert_int_equal(
      sste_tensor_project_compress(to, 4, meta, 1, NULL, 8, 1, 8, 1.0f, &count),
      SSTE_ERR_NULL);
  assert_int_equal(
      sste_tensor_project_compress(to, 4, meta, 1, a, 8, 1, 6, 1.0f, &count),
      SSTE_ERR_SHAPE);
  assert_int_equal(
      sste_tensor_project_compress(to, 3, meta, 1, a, 8, 1, 8, 1.0f, &count),
      SSTE_ERR_SHAPE);
  assert_int_equal(
      sste_tensor_project_compress(to, 8, meta, 1, a, 16, 1, 16, 1.0f, &count),
      SSTE_ERR_SHAPE);
  assert_int_equal(
      sste_tensor_project_compress(to, 4, meta, 1, a, 7, 1, 8, 1.0f, &count),
      SSTE_ERR_SHAPE);
  assert_int_equal(
      sste_tensor_project_compress(to, 4, meta, 1, a, 8, 1, 8, 0.0f, &count),
      SSTE_ERR_VALUE);
  assert_int_equal(sste_tensor_project_compress(to, 4, meta, 1, a, 8, 1, 8,
                                                HUGE_VALF, &count),
                   SSTE_ERR_VALUE);
  assert_int_equal(
      sste_tensor_project_compress(a, 4, meta, 1, a, 8, 1, 8, 1.0f, &count),
      SSTE_ERR_OVERLAP);
  assert_int_equal(sste_tensor_project_compress(to, 4, (uint8_t *)a, 1, a, 8, 1,
                                                8, 1.0f, &count),
                   SSTE_ERR_OVERLAP);
  assert_int_equal(sste_tensor_project_compress(to, 4, (uint8_t *)to, 1, a, 8,
                                                1, 8, 1.0f, &count),
                   SSTE_ERR_OVERLAP);
  assert_int_equal(sste_tensor_project_compress(
                       to, 1, meta, 1, a, 8, (size_t)-1 / 16, 8, 1.0f, &count),
                   SSTE_ERR_SIZE);
  assert_int_equal(count, 99);
  assert_same_float(to[0], 0.0f);
  assert_int_equal(meta[0], 0);
  assert_int_equal(sste_tensor_project_compress(NULL, 0, NULL, 0, NULL, 0, 0, 8,
                                                1.0f, &count),
                   SSTE_OK);
  assert_int_equal(count, 0);
  assert_int_equal(
      sste_tensor_project_compress(NULL, 0, NULL, 0, NULL, 0, 3, 0, 1.0f, NULL),
      SSTE_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(projection_is_group_by_group),
      cmocka_unit_test(a_special_at_every_place),
      cmocka_unit_test(masks_are_group_by_group),
      cmocka_unit_test(masks_of_every_order),
      cmocka_unit_test(masking_is_element_by_element),
      cmocka_unit_test(sums_are_the_ones_laid_out),
      cmocka_unit_test(projecting_and_compressing_at_once),
      cmocka_unit_test(compressing_is_group_by_group),
      cmocka_unit_test(one_wrong_group_is_found),
      cmocka_unit_test(project_compress_refuses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
