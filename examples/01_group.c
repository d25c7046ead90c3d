/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * Lesson 1: one group by hand, and why S-STE does not jump.
 *
 * First the numbers of the definition for (4, -3, 2, -1), one line per step.
 * Then one entry walks past another. Keeping the two largest as they are swaps
 * one for the other at full size; S-STE takes both through zero. */
#include <stdio.h>

#include "sste.h"

static int mistakes = 0;

/* Ends a line, and says whether it shows what a hand computes. */
static void check(int right) {
  puts(right ? "" : "   <- WRONG");
  mistakes += !right;
}

static void show(const char *label, const float a[4]) {
  printf("%s(%6.3f, %6.3f, %6.3f, %6.3f)", label, (double)a[0], (double)a[1],
         (double)a[2], (double)a[3]);
}

static void by_hand(void) {
  const float a[4] = {4, -3, 2, -1};
  const float t = sste_group_threshold(a);
  const int mask = sste_group_mask(a, SSTE_TIE_LOWER);
  float s[4], values[2], beta = 0, w[4] = {0, 0, 0, 0};
  int nibble;

  show("a          ", a);
  puts("");
  printf("t           %.3f  the second smallest of 1, 2, 3, 4", (double)t);
  check(t == 2);

  sste_group_project(s, a); /* 4 - 2, -(3 - 2), 2 - 2, and 1 is below t */
  show("S(a)       ", s);
  check(s[0] == 2 && s[1] == -1 && s[2] == 0 && s[3] == 0);
  printf("mask        0x%X    entries 0 and 1 are the largest", (unsigned)mask);
  check(mask == 0x3);

  nibble = sste_group_compress(values, s); /* kept: 0 and 1 */
  printf("stored      %.3f, %.3f and the nibble 0x%X", (double)values[0],
         (double)values[1], (unsigned)nibble);
  check(values[0] == 2 && values[1] == -1 && nibble == 0x4);

  sste_tensor_beta(&beta, a, 4, 1, 4); /* (4*2 + 3*1) / (2*2 + 1*1) */
  printf("beta        %.3f  <a,S> / <S,S> = 11 / 5", (double)beta);
  check(beta == 2.2f);
  sste_tensor_project(w, 4, a, 4, 1, 4, beta, NULL);
  show("beta S(a)  ", w);
  check(w[0] == 4.4f && w[1] == -2.2f && w[2] == 0 && w[3] == 0);
}

/* x passes the 2 of (4, x, 2, 1): the second and third largest swap places. */
static void walk_past(void) {
  float x;
  puts("\n    x   the two largest, as they are        S-STE");
  for (x = 1.5f; x <= 2.5f; x += 0.125f) {
    const float a[4] = {4, x, 2, 1};
    const int mask = sste_group_mask(a, SSTE_TIE_LOWER);
    const float hard[4] = {4, mask & 2 ? x : 0, mask & 4 ? 2.0f : 0, 0};
    float soft[4];
    sste_group_project(soft, a);
    printf("%6.3f", (double)x);
    show("  ", hard);
    show("  ", soft);
    check(hard[2] == (x < 2 ? 2 : 0) && soft[2] == (x < 2 ? 2 - x : 0));
  }
  puts(
      "\nOn the left the third entry falls from 2 to 0 in one step of x. On the"
      "\nright no entry moves further than x does: when the two swap, both are "
      "0.");
}

int main(void) {
  by_hand();
  walk_past();
  return mistakes != 0;
}
