/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * slow_rational.h - exact arithmetic for tests. A float is a whole number of
 * 2^-149, so sums, products and fractions of floats are those of large natural
 * numbers. These hold 2048 bits and end the program rather than drop one.
 */
#ifndef SSTE_SLOW_RATIONAL_H
#define SSTE_SLOW_RATIONAL_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BIG_LIMBS 64

/* sum of limb[i] * 2^(32 i) */
typedef struct big {
  uint32_t limb[BIG_LIMBS];
} big;

static inline big big_of(uint64_t x) {
  big z;
  memset(&z, 0, sizeof z);
  z.limb[0] = (uint32_t)x;
  z.limb[1] = (uint32_t)(x >> 32);
  return z;
}

/* Below, at or above 0 as x is less than, equal to or more than y. */
static inline int big_compare(big x, big y) {
  int i = BIG_LIMBS - 1;
  while (i > 0 && x.limb[i] == y.limb[i]) --i;
  return (x.limb[i] > y.limb[i]) - (x.limb[i] < y.limb[i]);
}

static inline int big_is_zero(big x) { return big_compare(x, big_of(0)) == 0; }

static inline big big_add(big x, big y) {
  uint64_t carry = 0;
  int i;
  for (i = 0; i < BIG_LIMBS; ++i) {
    carry += (uint64_t)x.limb[i] + y.limb[i];
    x.limb[i] = (uint32_t)carry;
    carry >>= 32;
  }
  if (carry != 0) abort();
  return x;
}

/* |x - y| */
static inline big big_gap(big x, big y) {
  const int swapped = big_compare(x, y) < 0;
  const big from = swapped ? y : x, less = swapped ? x : y;
  uint64_t borrow = 0;
  big z;
  int i;
  for (i = 0; i < BIG_LIMBS; ++i) {
    const uint64_t difference = (uint64_t)from.limb[i] - less.limb[i] - borrow;
    z.limb[i] = (uint32_t)difference;
    borrow = difference >> 63;
  }
  return z;
}

static inline big big_multiply(big x, big y) {
  big z = big_of(0);
  int i, j;
  for (i = 0; i < BIG_LIMBS; ++i) {
    uint64_t carry = 0;
    if (x.limb[i] == 0) continue;
    for (j = 0; j < BIG_LIMBS; ++j) {
      const int in = i + j < BIG_LIMBS;
      carry += (uint64_t)x.limb[i] * y.limb[j] + (in ? z.limb[i + j] : 0);
      if (in)
        z.limb[i + j] = (uint32_t)carry;
      else if (carry != 0)
        abort();
      carry >>= 32;
    }
    if (carry != 0) abort();
  }
  return z;
}

static inline big big_times(big x, uint64_t k) {
  return big_multiply(big_of(k), x);
}

/* x * 2^bits */
static inline big big_shift(big x, int bits) {
  const int whole = bits / 32;
  big z = big_of(0);
  int i;
  for (i = 0; i < BIG_LIMBS; ++i) {
    if (x.limb[i] == 0) continue;
    if (i + whole >= BIG_LIMBS) abort();
    z.limb[i + whole] = x.limb[i];
  }
  return big_times(z, (uint64_t)1 << bits % 32);
}

/* |x| as a multiple of 2^-149; x is finite. */
static inline big big_of_float(float x) {
  int e = 0;
  const double digits = ldexp(frexp(fabs((double)x), &e), 24);
  const int shift = e - 24 + 149;
  return shift >= 0 ? big_shift(big_of((uint64_t)digits), shift)
                    : big_of((uint64_t)ldexp(digits, shift));
}

/* Whether |x - numerator / denominator| <= slack / denominator * 2^-bits, for
 * x >= 0.                                                                   */
static inline int big_is_near(double x, big numerator, big denominator,
                              big slack, int bits) {
  const int sound = x >= 0.0 && x <= 1e300;
  int e = 0;
  const uint64_t digits = (uint64_t)ldexp(frexp(sound ? x : 0.0, &e), 53);
  const int up = e > 53 ? e - 53 : 0, down = e < 53 ? 53 - e : 0;
  const big scaled = big_shift(big_times(denominator, digits), up);
  const big gap = big_gap(scaled, big_shift(numerator, down));
  return sound &&
         big_compare(big_shift(gap, bits), big_shift(slack, down)) <= 0;
}

/* x / y to about 2^-50 of itself; y is not 0. */
static inline double big_ratio(big x, big y) {
  double value[2] = {0.0, 0.0};
  int exponent[2], k;
  for (k = 0; k < 2; ++k) {
    const big z = k == 0 ? x : y;
    int i = BIG_LIMBS - 1, j;
    while (i > 2 && z.limb[i] == 0) --i;
    for (j = i; j >= i - 2; --j) value[k] = value[k] * 0x1p32 + z.limb[j];
    exponent[k] = 32 * (i - 2);
  }
  return ldexp(value[0] / value[1], exponent[0] - exponent[1]);
}

#endif /* SSTE_SLOW_RATIONAL_H */
