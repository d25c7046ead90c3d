/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * Lesson 4: the headers as an oracle for somebody's faster kernel.
 *
 * The kernel below projects a group of four and rounds it to E4M3FN without a
 * single branch. It comes twice: once right, and once with roundf where a round
 * to even belongs, the kind of bug that a loss curve hides. Both are held
 * against the headers, bit by bit, first on inputs that sit on every boundary.
 * A list of mismatches is not a diagnosis: what they have in common is. */
#include <math.h>
#include <stdio.h>

#include "sste.h"
#include "sste_fp8.h"

/* ---- The kernel on trial: finite weights only ---------------------------- */

static const float scale = 16; /* of the tensor: frozen */

/* Adding 2^23 leaves no bit for a fraction: the adder rounds, ties to even. */
static float magic(float x) { return (x + 8388608.0f) - 8388608.0f; }

static uint32_t bits_of(float x) {
  uint32_t b;
  memcpy(&b, &x, sizeof b);
  return b;
}

/* Scaled to units of the codes' spacing, |y| is what `nearest` makes whole. */
static uint8_t fast_encode(float y, float (*nearest)(float)) {
  const float m = fminf(fabsf(y), 448.0f);
  const uint32_t sign = bits_of(y) >> 31 << 7, field = bits_of(m) >> 23;
  const uint32_t e = field > 121 ? field : 121;    /* 121: exponent of 2^-6 */
  const float units = ldexpf(m, 127 + 3 - (int)e); /* 3 mantissa bits */
  return (uint8_t)(sign + ((e - 121) << 3) + (uint32_t)nearest(units));
}

static void fast_kernel(uint8_t code[4], const float w[4],
                        float (*nearest)(float)) {
  const float a = fabsf(w[0]), b = fabsf(w[1]), c = fabsf(w[2]),
              d = fabsf(w[3]);
  const float t =
      fminf(fmaxf(fminf(a, b), fminf(c, d)), fminf(fmaxf(a, b), fmaxf(c, d)));
  int i;
  for (i = 0; i < 4; ++i) { /* + 0 turns the -0 of a pruned entry into +0 */
    const float s = copysignf(fmaxf(fabsf(w[i]) - t, 0.0f), w[i]) + 0.0f;
    code[i] = fast_encode(s * scale, nearest);
  }
}

/* ---- The inputs: boundaries first ---------------------------------------- */

enum { GROUPS = 100000 };
static float weights[GROUPS][4];

static void fill(void) {
  const sste_fp8_format f = sste_fp8_e4m3fn();
  int n = 0, i;
  for (i = 0; i < 0x7E; ++i, n += 2) { /* midpoints of codes, and beside */
    const float low = sste_fp8_decode(f, (uint8_t)i);
    const float high = sste_fp8_decode(f, (uint8_t)(i + 1));
    const float middle = (low + high) / 2 / scale;
    weights[n][0] = middle;
    weights[n][1] = -middle;
    weights[n][2] = -0.0f;
    weights[n + 1][1] = nextafterf(middle, 99);
    weights[n + 1][2] = -nextafterf(middle, 0);
  }
  for (; n < 5000; ++n) /* -3 .. 4 in every place: magnitudes tie */
    for (i = 0; i < 4; ++i) weights[n][i] = (float)((n >> 3 * i) % 8 - 3);
  for (; n < GROUPS; ++n) /* sines of whole numbers: random enough */
    for (i = 0; i < 4; ++i)
      weights[n][i] = sinf((float)(4 * n + i)) * (n % 2 == 0 ? 30.0f : 0.01f);
}

/* ---- The trial ----------------------------------------------------------- */

enum { TIE_AWAY, LOST_SUBNORMAL, ZERO_SIGN, UNKNOWN, RIGHT };
static const char *const verdicts[] = {
    "all midpoints rounded away from zero: ties are not to even",
    "all zero in place of a subnormal: subnormals are flushed",
    "all in the sign of a zero: a pruned entry is not +0",
    "of several kinds, or of none that is known", "nothing to explain"};

/* What one mismatch is evidence of; y is the number that was to be rounded. */
static int evidence(double y, double got, double want) {
  if (got == want) return ZERO_SIGN;
  if (got == 0 && fabs(want) < 0.015625) return LOST_SUBNORMAL;
  if (fabs(got - y) != fabs(want - y)) return UNKNOWN;
  return fabs(got) > fabs(want) ? TIE_AWAY : UNKNOWN;
}

/* Compares every code with the headers'; returns what all mismatches share. */
static int trial(const char *name, float (*nearest)(float)) {
  const sste_fp8_format f = sste_fp8_e4m3fn();
  int count = 0, verdict = RIGHT, n, i;
  printf("%s\n  entry   bits             value  got              expected\n",
         name);
  for (n = 0; n < GROUPS; ++n) {
    float s[4];
    uint8_t code[4];
    fast_kernel(code, weights[n], nearest);
    sste_group_project(s, weights[n]);
    for (i = 0; i < 4; ++i) {
      const float y = s[i] * scale;
      const uint8_t expected = sste_fp8_encode(f, y);
      const double got = (double)sste_fp8_decode(f, code[i]);
      const double want = (double)sste_fp8_decode(f, expected);
      int kind;
      if (code[i] == expected) continue;
      kind = evidence((double)y, got, want);
      verdict = count == 0 || verdict == kind ? kind : UNKNOWN;
      if (++count > 6) continue;
      printf("%5d.%d  %08X %13.8g  %02X %12.9g  %02X %12.9g\n", n, i,
             bits_of(y), (double)y, code[i], got, expected, want);
    }
  }
  printf("%d mismatches, %s\n\n", count, verdicts[verdict]);
  return verdict;
}

int main(void) {
  fill();
  if (trial("The kernel with the magic addition", magic) != RIGHT) return 1;
  return trial("The same kernel with roundf", roundf) != TIE_AWAY;
}
