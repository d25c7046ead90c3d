/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * Lesson 2: a tensor to FP8 and back, with its error.
 *
 * Eight bits hold few numbers, and a format decides where they lie. A scale
 * moves the tensor there: its largest magnitude onto the format's largest.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sste_fp8.h"

enum { FEW = 8, MANY = 4096 };

static void must(int holds, const char *what) {
  if (holds) return;
  printf("FAILED: %s\n", what);
  exit(1);
}
static void call(sste_status s) { must(s == SSTE_OK, sste_status_text(s)); }

/* The three steps. Returns the scale. */
static float there_and_back(sste_fp8_format f, const float *x, size_t n,
                            uint8_t *code, float *back) {
  const sste_fp8_recipe how = sste_fp8_recipe_current(f);
  float scale;
  call(sste_fp8_tensor_scale(&scale, x, n, 1, n, how));
  call(sste_fp8_tensor_encode(code, n, x, n, 1, n, &scale, how));
  call(sste_fp8_tensor_decode(back, n, code, n, 1, n, &scale, how));
  return scale;
}

/* Rounding to nearest moves a scaled number by half the spacing of the codes
 * at most. Each power of two holds 2^M codes, so the spacing halves from one to
 * the next, down to the smallest normal number; below it stays the same.     */
static void check_error(sste_fp8_format f, float scaled, uint8_t code) {
  const double error = (double)sste_fp8_decode(f, code) - (double)scaled;
  const double smallest_normal = ldexp(1, 1 - f.bias);
  int power; /* of two, the one above */
  frexp(fmax(fabs((double)scaled), smallest_normal), &power);
  must(fabs(error) <= ldexp(1, power - 1 - f.mantissa_bits) / 2,
       "an error is half the spacing at most");
}

static void print_table(sste_fp8_format f, const float *x) {
  uint8_t code[FEW];
  float back[FEW];
  const float scale = there_and_back(f, x, FEW, code, back);
  int i;
  printf("scale = %g\n\n", (double)scale);
  printf("         x      scaled  code        back   error\n");
  for (i = 0; i < FEW; ++i) {
    const double xi = (double)x[i], bi = (double)back[i];
    check_error(f, x[i] * scale, code[i]);
    printf("%10.5f  %10.5f    %02X  %10.7f", xi, (double)(x[i] * scale),
           (unsigned)code[i], bi);
    printf("  %5.1f%%\n", xi != 0 ? 100 * fabs(bi / xi - 1) : 0);
  }
}

/* The root of the mean squared error, relative to that of x. */
static double rms_error(sste_fp8_format f, const float *x) {
  static uint8_t code[MANY];
  static float back[MANY];
  const float scale = there_and_back(f, x, MANY, code, back);
  double errors = 0, squares = 0;
  int i;
  for (i = 0; i < MANY; ++i) {
    const double error = (double)back[i] - (double)x[i];
    check_error(f, x[i] * scale, code[i]);
    errors += error * error;
    squares += (double)x[i] * (double)x[i];
  }
  return sqrt(errors / squares);
}

/* Twelve uniform numbers less their mean are nearly a normal one, and are the
 * same on every machine.                                                   */
static float gaussian(uint32_t *state) {
  double sum = -6;
  int i;
  for (i = 0; i < 12; ++i) {
    *state = *state * 1664525u + 1013904223u;
    sum += *state / 4294967296.0;
  }
  return (float)sum;
}

int main(void) {
  const float few[FEW] = {2, -1, 0.3f, 0.1f, -0.02f, 0.0001f, 0.00001f, 0};
  float many[MANY];
  double e5m2, e4m3fn, e3m4, e3m4fn;
  uint32_t state = 1;
  int i;

  printf("Eight numbers by way of E4M3FN, ");
  print_table(sste_fp8_e4m3fn(), few);
  printf("\nNormal numbers lose 1/16 at most. 0.00001 is scaled below the\n");
  printf("smallest of them, 2^-6, where codes are 2^-9 apart throughout.\n\n");

  for (i = 0; i < MANY; ++i) many[i] = gaussian(&state);
  e5m2 = rms_error(sste_fp8_e5m2(), many);
  e4m3fn = rms_error(sste_fp8_e4m3fn(), many);
  e3m4 = rms_error(sste_fp8_e3m4(), many);
  e3m4fn = rms_error(sste_fp8_e3m4fn(), many);
  printf("%d Gaussian numbers, rms error\n", MANY);
  printf("  E5M2    %.2f%%   2 mantissa bits\n", 100 * e5m2);
  printf("  E4M3FN  %.2f%%   3\n", 100 * e4m3fn);
  printf("  E3M4    %.2f%%   4, largest 15.5\n", 100 * e3m4);
  printf("  E3M4FN  %.2f%%   4, largest 30\n", 100 * e3m4fn);
  must(e3m4 < e4m3fn && e3m4fn < e4m3fn && e4m3fn < e5m2,
       "with the scale right, each mantissa bit halves the error");
  return 0;
}
