/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_fast.c - the functions over whole matrices against the functions over
 * one group or one element that define them, bit for bit: every kind of data,
 * shapes that fill no tile, strides, in place, any number of threads.
 *
 *   1. Data and shapes    2. The projection
 */
#include <float.h>

#include "sste.h"
#include "test.h"

/* ---- 1. Data and shapes -------------------------------------------------- */

enum kind {
  NORMAL,
  TIES,    /* small integers, zeros of both signs among them */
  ZEROS,   /* of both signs */
  SPARSE,  /* half of them zeros */
  TINY,    /* subnormals and their neighbours */
  LARGE,    /* sums and differences near FLT_MAX */
  SPECIAL, /* one in 64 is an infinity or a NaN */
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
static float w[ROOM], got[ROOM], want[ROOM];

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

static void assert_same(const void *a, const void *b, size_t bytes, shape s,
                        enum kind kind) {
  const uint8_t *p = (const uint8_t *)a, *q = (const uint8_t *)b;
  size_t i = 0;
  if (memcmp(p, q, bytes) == 0) return;
  while (p[i] == q[i]) ++i;
  fail_msg("%zu x %zu + %zu, data %d: byte %zu of %zu differs", s.rows, s.cols,
           s.pad, (int)kind, i, bytes);
}

/* ---- 2. The projection --------------------------------------------------- */

/* 0.75 makes products underflow, the last one makes them overflow. */
static const float betas[] = {1.0f, 1.4837f, 0.75f, 0x1p-20f, 0x1p100f};
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(projection_is_group_by_group),
      cmocka_unit_test(a_special_at_every_place),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
