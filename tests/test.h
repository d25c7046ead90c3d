/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test.h - what the test programs share: cmocka in its required order, levels,
 * a random generator that owes nothing to the headers, and comparisons of bits.
 */
#ifndef SSTE_TEST_H
#define SSTE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* SSTE_TEST_LEVEL: 1 takes seconds, 2 is exhaustive. */
static inline int test_level(void) {
  const char *text = getenv("SSTE_TEST_LEVEL");
  return text != NULL && text[0] == '2' ? 2 : 1;
}

/* SSTE_TEST_SEED moves every random test; the default is fixed. */
static inline uint64_t test_seed(void) {
  const char *text = getenv("SSTE_TEST_SEED");
  return text != NULL ? strtoull(text, NULL, 0) : 20240909u;
}

/* splitmix64 */
static inline uint64_t test_random(uint64_t *state) {
  uint64_t z = (*state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/* Uniform on [0, 1). */
static inline double test_uniform(uint64_t *state) {
  return (double)(test_random(state) >> 11) * 0x1p-53;
}

/* Standard normal, by Box and Muller. */
static inline double test_normal(uint64_t *state) {
  const double u = 1.0 - test_uniform(state), v = test_uniform(state);
  return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

static inline uint32_t test_bits(float x) {
  uint32_t b;
  memcpy(&b, &x, sizeof b);
  return b;
}
static inline float test_float(uint32_t b) {
  float x;
  memcpy(&x, &b, sizeof x);
  return x;
}

/* Outputs are poisoned before a call, so that an unwritten one is noticed. */
static inline void test_poison(void *p, size_t bytes) {
  memset(p, 0xCA, bytes);
}

/* One fixed-width line for a float: sign.exponent.mantissa and its value. */
static inline void test_print_float(const char *label, float x) {
  const uint32_t b = test_bits(x);
  fprintf(stderr, "  %-9s %u.%02X.%06X  %-16a %.9g\n", label, b >> 31,
          b >> 23 & 0xFFu, b & 0x7FFFFFu, (double)x, (double)x);
}

/* Encodings, not values: +0 differs from -0, and a NaN equals its own bits. */
#define assert_same_float(got, want)                        \
  do {                                                      \
    const float same_got = (got), same_want = (want);       \
    if (test_bits(same_got) != test_bits(same_want)) {      \
      test_print_float("got", same_got);                    \
      test_print_float("expected", same_want);              \
      fail_msg("%s:%d: %s", __FILE__, __LINE__, #got);      \
    }                                                       \
  } while (0)

#define assert_near(got, want, tolerance)                                   \
  do {                                                                      \
    const double near_got = (got), near_want = (want);                      \
    const double near_tol = (tolerance);                                    \
    if (!(fabs(near_got - near_want) <= near_tol))                          \
      fail_msg("%s:%d: %s: got %.17g expected %.17g +- %.3g", __FILE__,     \
               __LINE__, #got, near_got, near_want, near_tol);              \
  } while (0)

/* The number of OpenMP threads for what follows; nothing without OpenMP. */
static inline void test_threads(int n) {
#ifdef _OPENMP
  omp_set_num_threads(n);
#else
  (void)n;
#endif
}

#endif /* SSTE_TEST_H */
