/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * slow_check.h - the number line, the random words and the tensor core, each
 * by its definition and the long way round. Takes names from the headers, but
 * neither code nor method.
 */
#ifndef SSTE_SLOW_CHECK_H
#define SSTE_SLOW_CHECK_H

#include "slow_fp8.h"
#include "test.h"

/* ---- The number line ----------------------------------------------------- */

/* All values of a format of at most 16 bits, sorted and counted. */
enum { SLOW_CODES = 65536, SLOW_NOWHERE = -1000000 };
typedef struct slow_line {
  int codes;            /* of both signs */
  int rank[SLOW_CODES]; /* of a code; SLOW_NOWHERE for NaN */
  int first, last;      /* the ends of the line */
  int middle;           /* where in at[] rank 0 lies */
  int at[SLOW_CODES];   /* the code of a rank: +0, not -0 */
} slow_line;

typedef struct slow_point {
  double value;
  int code;
} slow_point;

static inline int slow_point_order(const void *p, const void *q) {
  const double a = ((const slow_point *)p)->value;
  const double b = ((const slow_point *)q)->value;
  return (a > b) - (a < b);
}

/* Fills `line`. Values that are equal, as those of -0 and +0, are one place;
 * places are counted from 0 or, where there is no 0, from the lowest.       */
static inline void slow_line_make(slow_line *line, const slow_fp8 *s) {
  static slow_point point[SLOW_CODES];
  int i, n = 0, place = -1, origin = 0;
  line->codes = slow_fp8_codes(s) << s->sign_bits;
  for (i = 0; i < line->codes; ++i) {
    const slow_number x = slow_number_of_code(s, i);
    line->rank[i] = SLOW_NOWHERE;
    if (x.nan) continue;
    point[n].value = x.negative ? -x.size : x.size;
    point[n++].code = i;
  }
  qsort(point, (size_t)n, sizeof *point, slow_point_order);
  for (i = 0; i < n; ++i) {
    place += i == 0 || point[i].value > point[i - 1].value;
    line->rank[point[i].code] = place;
    if (!(point[i].value > 0) && !(point[i].value < 0)) origin = place;
  }
  for (i = line->codes - 1; i >= 0; --i) {
    if (line->rank[i] == SLOW_NOWHERE) continue;
    line->at[line->rank[i]] = i;
    line->rank[i] -= origin;
  }
  line->first = -origin;
  line->last = place - origin;
  line->middle = origin;
}

/* How many numbers of an IEEE format lie in (0, x]: below 2^(1 - B) they are
 * 2^(1 - B - M) apart, and from then on 2^M to each factor of 2.            */
static inline int64_t slow_count(int M, int B, double x) {
  const double a = fabs(x);
  int e;
  if (a < ldexp(1, 1 - B)) return (int64_t)ldexp(a, M + B - 1);
  if (isinf(a)) return (int64_t)ldexp(2 * B + 1, M);
  e = ilogb(a);
  return (int64_t)ldexp(e + B - 1, M) + (int64_t)ldexp(a, M - e);
}

/* ---- The random words ---------------------------------------------------- */

/* The k-th word, from 0, of splitmix64 that starts at `seed`. */
static inline uint64_t slow_word(uint64_t seed, uint64_t k) {
  uint64_t i, word = 0;
  for (i = 0; i <= k; ++i) word = test_random(&seed);
  return word;
}

/* Word i of a group of four: 0 to 3 are its entries', 4 is its own. Each level
 * starts splitmix64 from a word of the level above.                         */
static inline uint64_t slow_draw_word(uint64_t seed, uint64_t row,
                                      uint64_t group, uint64_t i) {
  const uint64_t tensor = slow_word(seed, 0);
  return slow_word(slow_word(slow_word(tensor, row), group), i);
}

/* ---- The tensor core ----------------------------------------------------- */

/* A step adds n products and the accumulator. All are aligned to the largest
 * exponent and cut to F bits below it, toward zero; what is added up exactly is
 * cut to `out` bits below its own exponent.                                 */
typedef struct slow_core {
  int n, F, out;
} slow_core;

static inline double slow_cut(double x, int exponent) {
  return ldexp(trunc(ldexp(x, -exponent)), exponent);
}

static inline int slow_larger(int a, int b) { return a > b ? a : b; }

/* a, b: non-zero. A product is not normalised: its exponent is the sum. */
static inline double slow_core_step(slow_core core, double c, const double *a,
                                    const double *b) {
  double sum;
  int k, top = c != 0 ? ilogb(c) : -1000;
  for (k = 0; k < core.n; ++k)
    top = slow_larger(top, ilogb(a[k]) + ilogb(b[k]));
  sum = slow_cut(c, top - core.F);
  for (k = 0; k < core.n; ++k) sum += slow_cut(a[k] * b[k], top - core.F);
  return sum == 0 ? 0 : slow_cut(sum, ilogb(sum) - core.out);
}

/* n terms, a multiple of core.n; every `block` terms the accumulator moves to
 * a float sum and starts again from 0.                                      */
static inline double slow_core_dot(slow_core core, const double *a,
                                   const double *b, int n, int block) {
  float total = 0;
  double c = 0;
  int k;
  for (k = 0; k < n; k += core.n) {
    if (k > 0 && k % block == 0) {
      total += (float)c;
      c = 0;
    }
    c = slow_core_step(core, c, a + k, b + k);
  }
  return block < n ? (double)(total + (float)c) : c;
}

#endif /* SSTE_SLOW_CHECK_H */
