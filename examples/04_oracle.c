/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * Lesson 4: the headers as an oracle for somebody's faster kernel.
 *
 * The kernel below projects groups of four and rounds them to E4M3FN without a
 * single branch. It comes four times: right, and with three bugs that a loss
 * curve hides. Each is tried on tensors made to find bugs, and sste_check.h
 * says what kind of wrong it is. Look at `normal` first: random numbers, which
 * is what most tests use, find nothing wrong with how ties are rounded; two
 * kinds of thirteen do. */
#include <math.h>
#include <stdio.h>

#include "sste_check.h"

/* ---- The kernel on trial: finite weights, one scale ---------------------- */

enum { RIGHT, ROUNDF, MINUS_ZERO, FLUSHED, BUGS };
static const char *const bugs[] = {"right", "roundf: ties away from zero",
                                   "a pruned entry may be -0",
                                   "subnormal codes are flushed"};

/* Adding 2^23 leaves no bit for a fraction: the adder rounds, ties to even. */
static float nearest_even(float x) { return (x + 8388608.0f) - 8388608.0f; }

static uint8_t fast_encode(float y, int bug) {
  const float m = fminf(fabsf(y), 448.0f);
  int e;
  float units;
  (void)frexpf(m, &e); /* m < 2^e */
  e = m < 0.015625f ? -5 : e;
  units = ldexpf(m, 4 - e); /* 3 mantissa bits below a leading one */
  if (bug == FLUSHED && m < 0.015625f) units = 0.0f;
  units = bug == ROUNDF ? roundf(units) : nearest_even(units);
  return (uint8_t)((signbit(y) ? 0x80 : 0) + (e + 5) * 8 + (int)units);
}

static void fast_kernel(uint8_t *code, const float *x, size_t n, float by,
                        int bug) {
  size_t c;
  int i;
  for (c = 0; c < n; c += 4) {
    const float a = fabsf(x[c]), b = fabsf(x[c + 1]), d = fabsf(x[c + 2]),
                e = fabsf(x[c + 3]);
    const float t =
        fminf(fmaxf(fminf(a, b), fminf(d, e)), fminf(fmaxf(a, b), fmaxf(d, e)));
    for (i = 0; i < 4; ++i) {
      const float v = x[c + (size_t)i], rest = fmaxf(fabsf(v) - t, 0.0f);
      const float y = copysignf(rest, v) * by;
      /* + 0 turns the -0 of a pruned entry into +0 */
      code[c + (size_t)i] = fast_encode(bug == MINUS_ZERO ? y : y + 0.0f, bug);
    }
  }
}

/* ---- The trial ----------------------------------------------------------- */

enum { ROWS = 64, COLS = 256 };
static const float scale = 4; /* of the tensor: frozen */
static float w[ROWS * COLS], s[ROWS * COLS], error[ROWS * COLS];
static uint8_t got[ROWS * COLS], want[ROWS * COLS];

/* What the kernel should give, and what it gives, as a report. */
static void compare(sste_check_report *report, int kind, int bug) {
  const sste_fp8_recipe how = sste_fp8_recipe_current(sste_fp8_e4m3fn());
  sste_check_tensor_draw(w, COLS, ROWS, COLS, kind, 1);
  sste_tensor_project(s, COLS, w, COLS, ROWS, COLS, 1, NULL);
  sste_fp8_tensor_encode(want, COLS, s, COLS, ROWS, COLS, &scale, how);
  fast_kernel(got, w, ROWS * COLS, scale, bug);
  sste_check_numbers(report, how.format, got, COLS, want, COLS, ROWS, COLS);
}

/* Would an error of one part in 2^20 before the rounding explain it? Then the
 * bug lies in how ties fall: any tolerance would have hidden it. */
static int explained_by_an_error(void) {
  sste_check_report report;
  size_t i;
  for (i = 0; i < ROWS * COLS; ++i) {
    s[i] *= scale; /* s becomes the true values */
    error[i] = fabsf(s[i]) / 1048576;
  }
  sste_check_numbers_near(&report, sste_fp8_e4m3fn(), sste_fp8_saturating(),
                          got, COLS, want, COLS, s, COLS, error, COLS, ROWS,
                          COLS);
  return sste_check_failures(&report) == 0;
}

/* How many tensors find the bug; prints the first report in full. */
static int trial(int bug) {
  char text[2048];
  int kind, found = 0;
  printf("== %s\n", bugs[bug]);
  for (kind = 0; kind < SSTE_DRAWS; ++kind) {
    sste_check_report report;
    if (kind == SSTE_DRAW_SPECIALS || kind == SSTE_DRAW_NANS)
      continue; /* the kernel promises nothing of NaN */
    compare(&report, kind, bug);
    printf("  %-10s %6d of %d differ\n", sste_check_draw_name(kind),
           (int)sste_check_failures(&report), ROWS * COLS);
    if (sste_check_failures(&report) == 0 || found++ > 0) continue;
    sste_check_text(text, sizeof text, &report);
    printf(
        "%s  %s\n", text,
        explained_by_an_error()
            ? "an error of 2^-20 before the rounding would explain them all"
            : "an error of 2^-20 before the rounding would not explain them");
  }
  return found;
}

int main(void) {
  int bug;
  if (trial(RIGHT) != 0) return 1;
  for (bug = RIGHT + 1; bug < BUGS; ++bug)
    if (trial(bug) == 0) return 1;
  return 0;
}
