/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * slow_mvue.h - sste_mvue.h once more, by other means and without its code:
 * Philox from 16-bit halves, probabilities by filling up step by step, and the
 * draw as a map of the 2^23 uniforms, found from the edges of its cells.
 */
#ifndef SSTE_SLOW_MVUE_H
#define SSTE_SLOW_MVUE_H

#include <float.h>
#include <math.h>
#include <stdint.h>

/* ---- Philox4x32-10 ------------------------------------------------------- */

/* a * b = hi * 2^32 + lo, multiplied as on paper, in digits of 16 bits. */
static inline void slow_product(uint32_t a, uint32_t b, uint32_t *hi,
                                uint32_t *lo) {
  const uint32_t a0 = a & 0xFFFFu, a1 = a >> 16, b0 = b & 0xFFFFu, b1 = b >> 16;
  const uint32_t ones = a0 * b0, right = a1 * b0, left = a0 * b1;
  const uint32_t middle = (ones >> 16) + (right & 0xFFFFu) + (left & 0xFFFFu);
  *lo = (middle << 16) | (ones & 0xFFFFu);
  *hi = a1 * b1 + (right >> 16) + (left >> 16) + (middle >> 16);
}

/* One round of Philox; the key of round n is the first key plus n constants. */
static inline void slow_philox_round(uint32_t x[4], const uint32_t key[2],
                                     uint32_t n) {
  uint32_t even_hi, even_lo, odd_hi, odd_lo;
  slow_product(x[0], 3528531795u, &even_hi, &even_lo);
  slow_product(x[2], 3449720151u, &odd_hi, &odd_lo);
  x[0] = x[1] ^ odd_hi ^ (key[0] + n * 2654435769u);
  x[2] = x[3] ^ even_hi ^ (key[1] + n * 3144134277u);
  x[1] = odd_lo;
  x[3] = even_lo;
}

static inline void slow_philox(uint32_t x[4], const uint32_t key[2]) {
  uint32_t n;
  for (n = 0; n < 10; ++n) slow_philox_round(x, key, n);
}

/* The two words of group g in the paper's approximation: groups share a call of
 * Philox by twos, the even one takes its first half. */
static inline void slow_approx_words(uint32_t word[2], uint64_t seed,
                                     uint32_t tensor, uint32_t step,
                                     uint64_t run, uint64_t g) {
  const uint32_t key[2] = {(uint32_t)(seed % 0x100000000u),
                           (uint32_t)(seed / 0x100000000u)};
  uint32_t x[4];
  x[0] = (uint32_t)(g / 2);
  x[1] = (uint32_t)run;
  x[2] = step;
  x[3] = tensor;
  slow_philox(x, key);
  word[0] = x[g % 2 == 0 ? 0 : 2];
  word[1] = x[g % 2 == 0 ? 1 : 3];
}

/* ---- Probabilities ------------------------------------------------------- */

/* p_i = num[i] / den[i] for at most `kept` of `size` survivors. While the
 * largest magnitude left asks for more than its share of what is left, it gets
 * certainty and leaves; the rest share in proportion. Numerators and
 * denominators are exact where the magnitudes are small integers.           */
static inline void slow_fill(long double *num, long double *den, const float *a,
                             int size, int kept) {
  int i, sure = 0, go_on = 1;
  for (i = 0; i < size; ++i) num[i] = 0.0L;
  while (go_on) {
    long double rest = 0.0L;
    int top = -1;
    for (i = 0; i < size; ++i) {
      if (num[i] != 0.0L) continue;
      rest += fabsl((long double)a[i]);
      if (top < 0 || fabsf(a[i]) > fabsf(a[top])) top = i;
    }
    go_on = top >= 0 && sure < kept && a[top] != 0.0f &&
            fabsl((long double)a[top]) * (kept - sure) >= rest;
    if (go_on) {
      num[top] = den[top] = 1.0L;
      ++sure;
    } else {
      for (i = 0; i < size; ++i) {
        if (num[i] != 0.0L) continue;
        num[i] = fabsl((long double)a[i]) * (kept - sure);
        den[i] = rest > 0.0L ? rest : 1.0L;
      }
    }
  }
}

/* sum a^2 / p - sum a^2 for these probabilities, p = num / den. */
static inline long double slow_variance(const long double *num,
                                        const long double *den, const float *a,
                                        int size) {
  long double v = 0.0L;
  int i;
  for (i = 0; i < size; ++i)
    if (a[i] != 0.0f)
      v += (long double)a[i] * (long double)a[i] * (den[i] - num[i]) / num[i];
  return v;
}

/* ---- The draw ------------------------------------------------------------ */

/* Floats in doubles, with no largest one, so that nothing here overflows. The
 * distance from x to the next of them above, x > 0: */
static inline double slow_ulp(double x) {
  int e;
  frexp(x, &e);
  return ldexp(1.0, e - 24 > -149 ? e - 24 : -149);
}
static inline double slow_add(double x, double y) {
  const double sum = x + y; /* rounding twice is harmless: 53 >= 2 * 24 + 2 */
  return sum > 0.0 ? nearbyint(sum / slow_ulp(sum)) * slow_ulp(sum) : 0.0;
}

/* Whether k * 2^-23 * tau, rounded to float, reaches the edge. The product is
 * never rounded: it is held against the middle between the edge and the float
 * below it, and a tie goes to the edge when the edge is even.               */
static inline int slow_reaches(uint32_t k, double tau, double edge) {
  const double exact = (double)k * tau * 0x1p-23; /* 24 + 24 bits: exact */
  const double below = slow_ulp(edge * (1.0 - 0x1p-30)), own = slow_ulp(edge);
  const double middle = edge - 0.5 * below;
  const int even = fmod(edge / own, 2.0) == 0.0;
  return exact > middle || (exact == middle && even);
}

/* The first k in [from, from + 2^23] that reaches the edge, less `from`. */
static inline uint32_t slow_first(uint32_t from, double tau, double edge) {
  uint32_t lo = from, hi = from + (1u << 23);
  while (lo < hi) {
    const uint32_t k = lo + (hi - lo) / 2;
    if (slow_reaches(k, tau, edge))
      hi = k;
    else
      lo = k + 1;
  }
  return lo - from;
}

/* Which elements survive for u = k * 2^-23: mask[s] for every k from start[s]
 * up to the next start. Bit i of a mask stands for element i.               */
typedef struct slow_map {
  double tau;
  float survivor[4]; /* what element i becomes when it is kept */
  int segments, fallback;
  int mask[16];
  uint32_t start[17];
} slow_map;

/* The cells of the non-zeros, in order. */
typedef struct slow_cells {
  int n, element[4], sure[4];
  uint32_t reach[4][2]; /* the first k whose point 0 or 1 is past the cell */
} slow_cells;

static inline int slow_top(const float a[4]) {
  int i, top = 0;
  for (i = 1; i < 4; ++i)
    if (fabs((double)a[i]) > fabs((double)a[top])) top = i;
  return top;
}

static inline double slow_tau(const float a[4]) {
  const int top = slow_top(a);
  double b[4], half, rest;
  int i;
  for (i = 0; i < 4; ++i) b[i] = fabs((double)a[i]);
  half = 0.5 * slow_add(slow_add(b[0], b[1]), slow_add(b[2], b[3]));
  if (half > 0.0) half = nearbyint(half / slow_ulp(half)) * slow_ulp(half);
  rest = slow_add(b[top ^ 1], slow_add(b[top ^ 2], b[top ^ 3]));
  return half < rest ? half : rest;
}

static inline slow_cells slow_lay_out(const float a[4], double tau) {
  slow_cells c;
  double edge = 0.0;
  int i;
  c.n = 0;
  for (i = 0; i < 4; ++i) {
    const double b = fabs((double)a[i]);
    if (b == 0.0) continue;
    edge = slow_add(edge, b < tau ? b : tau);
    c.element[c.n] = i;
    c.sure[c.n] = b >= tau && i == slow_top(a);
    c.reach[c.n][0] = slow_first(0, tau, edge);
    c.reach[c.n][1] = slow_first(1u << 23, tau, edge);
    ++c.n;
  }
  return c;
}

static inline int slow_sure_after(const slow_cells *c, int j) {
  for (++j; j < c->n; ++j)
    if (c->sure[j]) return 1;
  return 0;
}

/* The pair at k: the first cell that point 0 does not pass, the next one that
 * point 1 does not pass, else the last cell left. But the largest, where it
 * reaches tau, has probability 1: it is not passed, and no one else takes the
 * last place before it, wherever rounding puts the points.                 */
static inline int slow_pair(const slow_cells *c, uint32_t k, int *fallback) {
  int j, first = -1, second = -1;
  for (j = 0; j < c->n && first < 0; ++j)
    if (k < c->reach[j][0] || c->sure[j]) first = j;
  for (; j < c->n && second < 0; ++j)
    if (c->sure[j] || (k < c->reach[j][1] && !slow_sure_after(c, j)))
      second = j;
  if (second < 0) {
    second = first == c->n - 1 ? c->n - 2 : c->n - 1;
    *fallback = 1;
  }
  return 1 << c->element[first] | 1 << c->element[second];
}

static inline void slow_map_add(slow_map *m, const slow_cells *c, uint32_t k) {
  m->start[m->segments] = k;
  m->mask[m->segments] = slow_pair(c, k, &m->fallback);
  m->start[++m->segments] = 1u << 23;
}

/* Everything that can change between two uniforms changes where a point passes
 * an edge: visit these places in ascending order.                           */
static inline void slow_map_segments(slow_map *m, const slow_cells *c) {
  uint32_t k = 0;
  while (k < 1u << 23) {
    uint32_t next = 1u << 23;
    int j, point;
    slow_map_add(m, c, k);
    for (j = 0; j < c->n; ++j)
      for (point = 0; point < 2; ++point)
        if (c->reach[j][point] > k && c->reach[j][point] < next)
          next = c->reach[j][point];
    k = next;
  }
}

static inline slow_map slow_mvue24_map(const float a[4]) {
  slow_map m;
  slow_cells c;
  int i, all = 0;
  m.tau = slow_tau(a);
  m.segments = m.fallback = 0;
  c = slow_lay_out(a, m.tau);
  for (i = 0; i < 4; ++i) {
    const double b = fabs((double)a[i]), v = b > m.tau || c.n <= 2 ? b : m.tau;
    const float size = v > (double)FLT_MAX ? HUGE_VALF : (float)v;
    all |= (a[i] != 0.0f) << i;
    m.survivor[i] = copysignf(size, a[i]);
  }
  if (c.n > 2) {
    slow_map_segments(&m, &c);
  } else {
    m.segments = 1;
    m.mask[0] = all;
    m.start[0] = 0;
    m.start[1] = 1u << 23;
  }
  return m;
}

static inline int slow_mvue24_mask(const slow_map *m, uint32_t k) {
  int s = 0;
  while (k >= m->start[s + 1]) ++s;
  return m->mask[s];
}

#endif /* SSTE_SLOW_MVUE_H */
