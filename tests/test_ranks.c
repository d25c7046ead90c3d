/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_ranks.c - the tree that sums gradients, against its definition: for any
 * number of micro-batches, threads, and ranks among which they divide. What
 * ranks send each other is for ranks.sh.
 */
#define _XOPEN_SOURCE 700 /* as a program, before the first header */
#include "../examples/ranks.h"
#include "test.h"

enum { MOST = 33, SIZE = 21 };
static const float guard = 12345.0f;

/* Sums of these hang on the order: their sizes differ by up to 2^24. */
static float leaf_entry(uint64_t *rng) {
  return (float)ldexp(test_normal(rng), (int)(test_random(rng) % 24));
}
static void fill(float *p, size_t count) {
  uint64_t rng = test_seed();
  size_t i;
  for (i = 0; i < count; ++i) p[i] = leaf_entry(&rng);
}

/* The definition, word for word: a level is made of the sums of adjacent pairs
 * of the level below, and of the odd one, if there is one. */
static float definition(const float *entries, size_t count, size_t apart) {
  float level[MOST];
  size_t i;
  for (i = 0; i < count; ++i) level[i] = entries[i * apart];
  for (; count > 1; count = (count + 1) / 2)
    for (i = 0; i < count; i += 2)
      level[i / 2] = i + 1 < count ? level[i] + level[i + 1] : level[i];
  return level[0];
}

/* A tree over leaves first, first + 1, ..., each of `size` floats. */
static float *sum_leaves(float *memory, const float *leaves, size_t count,
                         size_t size) {
  tree t = tree_new(memory, size);
  size_t i;
  for (i = 0; i < count; ++i) {
    memcpy(tree_leaf(&t), leaves + i * size, size * sizeof(float));
    tree_add(&t);
  }
  return tree_sum(&t);
}

static void test_tree(void **state) {
  static float leaves[MOST * SIZE];
  size_t M, i;
  int differ = 0;
  (void)state;
  fill(leaves, MOST * SIZE);
  for (M = 1; M <= MOST; ++M) {
    const size_t floats = tree_bytes(M, SIZE) / sizeof(float);
    float *memory = (float *)malloc((floats + 1) * sizeof(float)), *sum;
    test_poison(memory, floats * sizeof(float));
    memory[floats] = guard;
    sum = sum_leaves(memory, leaves, M, SIZE);
    assert_ptr_equal(sum, memory);
    for (i = 0; i < SIZE; ++i) {
      float in_order = 0.0f;
      size_t m;
      assert_same_float(sum[i], definition(leaves + i, M, SIZE));
      for (m = 0; m < M; ++m) in_order += leaves[m * SIZE + i];
      differ += test_bits(in_order) != test_bits(sum[i]);
    }
    assert_same_float(memory[floats], guard);
    free(memory);
  }
  assert_true(differ > MOST * SIZE / 2); /* or the test would see no order */
}

/* By hand: 2^24 swallows a 1 that comes alone, but not two of them. */
static void test_tree_by_hand(void **state) {
  const float five[5] = {16777216.0f, 1.0f, 1.0f, 1.0f, -16777216.0f};
  float memory[64];
  (void)state;
  assert_int_equal(tree_bytes(5, 1), 3 * 64);
  assert_same_float(*sum_leaves(memory, five, 3, 1), 16777216.0f);
  assert_same_float(*sum_leaves(memory, five, 4, 1), 16777218.0f);
  assert_same_float(*sum_leaves(memory, five, 5, 1), 2.0f);
}

/* One node per level and one more; each begins a cache line, as memory does. */
static void test_tree_memory(void **state) {
  size_t M, nodes = 1, count;
  (void)state;
  for (M = 1; M <= 4096; ++M) {
    if (M >= (size_t)1 << nodes) ++nodes;
    for (count = 0; count <= 33; ++count)
      assert_int_equal(tree_bytes(M, count), nodes * ((count + 15) / 16) * 64);
  }
}

static void test_tree_empty(void **state) {
  float memory[1] = {guard};
  (void)state;
  sum_leaves(memory, memory, 7, 0);
  assert_same_float(memory[0], guard);
}

/* The same bits for any number of threads, in arrays that do not divide. */
static void test_tree_threads(void **state) {
  const size_t size = 100003, M = 6;
  float *leaves = (float *)malloc(M * size * sizeof(float));
  float *memory = (float *)malloc(tree_bytes(M, size)), *sum;
  int threads;
  size_t i;
  (void)state;
  fill(leaves, M * size);
  for (threads = 1; threads <= 4; ++threads) {
    test_threads(threads);
    sum = sum_leaves(memory, leaves, M, size);
    for (i = 0; i < size; ++i)
      assert_same_float(sum[i], definition(leaves + i, M, size));
  }
  free(leaves);
  free(memory);
}

/* Which ranks a number of micro-batches fits, and that their nodes fold to the
 * root that one process has. */
static void test_ranks_fold(void **state) {
  static float leaves[MOST * SIZE], nodes[MOST * SIZE], memory[6 * 32];
  size_t M, R, r, i, fits = 0;
  (void)state;
  fill(leaves, MOST * SIZE);
  for (M = 1; M <= MOST; ++M)
    for (R = 1; R <= MOST; ++R) {
      size_t power = 1;
      while (R * power < M) power *= 2;
      assert_int_equal(ranks_fit(M, R), R == 1 || R * power == M);
      if (!ranks_fit(M, R)) continue;
      ++fits;
      for (r = 0; r < R; ++r)
        memcpy(nodes + r * SIZE,
               sum_leaves(memory, leaves + r * (M / R) * SIZE, M / R, SIZE),
               SIZE * sizeof(float));
      fold_nodes(nodes, R, SIZE);
      for (i = 0; i < SIZE; ++i)
        assert_same_float(nodes[i], definition(leaves + i, M, SIZE));
    }
  assert_int_equal(fits, 91);
}

/* Every bit counts, and so do the length and the order. */
static void test_hash(void **state) {
  unsigned char bytes[40];
  uint64_t rng = test_seed(), hash, zeros[34], numbers[3] = {1, 2, 3};
  size_t length, i, j;
  (void)state;
  for (length = 0; length <= 33; ++length) {
    for (i = 0; i < sizeof bytes; ++i)
      bytes[i] = (unsigned char)test_random(&rng);
    hash = hash_of(hash_start, bytes, length);
    for (i = 0; i < 8 * length; ++i) {
      bytes[i / 8] ^= (unsigned char)(1u << i % 8);
      assert_true(hash_of(hash_start, bytes, length) != hash);
      for (j = 0; j < i; ++j) { /* and two at once */
        bytes[j / 8] ^= (unsigned char)(1u << j % 8);
        assert_true(hash_of(hash_start, bytes, length) != hash);
        bytes[j / 8] ^= (unsigned char)(1u << j % 8);
      }
      bytes[i / 8] ^= (unsigned char)(1u << i % 8);
    }
    bytes[length] ^= 0xFFu; /* what lies behind does not */
    assert_true(hash_of(hash_start, bytes, length) == hash);
  }
  memset(bytes, 0, sizeof bytes);
  for (length = 0; length <= 33; ++length) {
    zeros[length] = hash_of(hash_start, bytes, length);
    for (i = 0; i < length; ++i) assert_true(zeros[i] != zeros[length]);
  }
  hash = hash_of(hash_start, numbers, sizeof numbers);
  assert_true(hash_of(hash_of(hash_start, numbers, 1), (char *)numbers + 1,
                      sizeof numbers - 1) == hash);
  numbers[0] = 2;
  numbers[1] = 1;
  assert_true(hash_of(hash_start, numbers, sizeof numbers) != hash);
}

static void test_one_process(void **state) {
  float sum[3] = {1.0f, 2.0f, 3.0f};
  double all[2] = {4.0, 5.0};
  (void)state;
  ranks_start(NULL, NULL);
  assert_int_equal(ranks_rank(), 0);
  assert_int_equal(ranks_count(), 1);
  assert_int_equal(ranks_any(0), 0);
  assert_int_equal(ranks_any(1), 1);
  assert_int_equal(ranks_fail(), 1);
  ranks_sum(sum, NULL, 3);
  ranks_gather(all, 2);
  assert_true(sum[0] == 1.0f && sum[1] == 2.0f && sum[2] == 3.0f);
  assert_true(all[0] == 4.0 && all[1] == 5.0);
  assert_int_equal(ranks_same(all, sizeof all), 1);
  assert_int_equal(ranks_sum_bytes(3), 0);
  assert_int_equal(ranks_send_bytes(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tree),         cmocka_unit_test(test_tree_by_hand),
      cmocka_unit_test(test_tree_memory),  cmocka_unit_test(test_tree_empty),
      cmocka_unit_test(test_tree_threads), cmocka_unit_test(test_ranks_fold),
      cmocka_unit_test(test_hash),         cmocka_unit_test(test_one_process),
  };
  return cmocka_run_group_tests_name("ranks.h", tests, NULL, NULL);
}
