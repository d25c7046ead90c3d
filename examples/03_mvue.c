/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * Lesson 3: an unbiased 2:4 gradient, its mean shown by enumerating every draw.
 *
 * Keeping the two largest of four errs in the same direction every time, and
 * over many steps the error adds up. A draw keeps two at random and enlarges
 * them, so that its errors cancel. It consumes 23 random bits: we try them all.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "sste_mvue.h"

#define DRAWS (1u << 23)

static void print(const char *label, const double x[4]) {
  printf("  %-18s %9.4f %9.4f %9.4f %9.4f\n", label, x[0], x[1], x[2], x[3]);
}

/* Draws a group in every way there is. Returns whether the mean is the group
 * and the variance is what the probabilities promise.                       */
static int lesson(const float a[4]) {
  double p[4], group[4], mean[4] = {0, 0, 0, 0}, promised = 0, variance = 0;
  unsigned times[16] = {0}; /* by which elements survive, one bit each */
  int i, pair, good = 1;
  uint32_t u;

  /* B_i is a_i / p_i with probability p_i: the mean is a_i for any p, and the
   * variance a_i^2 / p_i - a_i^2. These p make its sum as small as can be.  */
  sste_mvue24_group_prob(p, a);
  for (i = 0; i < 4; ++i) {
    group[i] = (double)a[i];
    if (p[i] > 0) promised += group[i] * group[i] * (1 / p[i] - 1);
  }

  for (u = 0; u < DRAWS; ++u) {
    float b[4];
    sste_mvue24_group_draw(b, a, u << 9);
    for (i = pair = 0; i < 4; ++i) {
      const double error = (double)b[i] - group[i];
      mean[i] += (double)b[i] / DRAWS;
      variance += error * error / DRAWS;
      if (b[i] != 0) pair |= 1 << i;
    }
    ++times[pair];
  }

  print("group", group);
  print("survives, p", p);
  for (pair = 0; pair < 16; ++pair)
    if (times[pair] > 0)
      printf("    %c %c %c %c %12u draws\n", pair & 1 ? 'x' : '.',
             pair & 2 ? 'x' : '.', pair & 4 ? 'x' : '.', pair & 8 ? 'x' : '.',
             times[pair]);
  print("mean of all draws", mean);
  printf("  %-18s %9.4f, promised %.4f\n\n", "variance", variance, promised);

  for (i = 0; i < 4; ++i) good &= fabs(mean[i] - group[i]) < 1e-5;
  return good && fabs(variance - promised) < 1e-5 * promised;
}

int main(void) {
  const float even[4] = {1, 2, 3, 4};   /* nobody is certain to survive */
  const float steep[4] = {-1, 9, 1, 1}; /* 9 outweighs the rest and is kept */
  const int good = lesson(even) & lesson(steep);
  printf("Magnitude pruning gives {0, 0, 3, 4} for the first group, always:\n");
  printf("a bias of {-1, -2, 0, 0}. ");
  printf(good ? "Every mean is its group.\n" : "WRONG: a mean is off.\n");
  return good ? 0 : 1;
}
