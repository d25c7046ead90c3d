/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * slow_mma.h - the tensor core once more, by other means.
 *
 * Arithmetic: every number here is a double, and no step rounds one. A
 * product of two operands has at most 22 bits; cut to whole units of the last
 * place that a step keeps it is an integer below 2^42, and 1025 of these stay
 * below 2^53. So ldexp, trunc and + follow the rules as they are written, and
 * what an infinity or a NaN does is what IEEE arithmetic does with it.
 *
 * Fragments: the tables of the instruction set, read from the register to the
 * element. Of sste_mma.h only the names of types and structs are used.
 */
#ifndef SSTE_SLOW_MMA_H
#define SSTE_SLOW_MMA_H

#include "sste_mma.h"
#include "test.h"

/* ---- Numbers ------------------------------------------------------------- */

typedef struct slow_mma_format {
  int exponent, mantissa; /* bits; TF32 is stored as a float */
} slow_mma_format;

static inline slow_mma_format slow_mma_format_of(sste_mma_type type) {
  static const struct {
    sste_mma_type type;
    slow_mma_format format;
  } table[] = {{SSTE_MMA_F16, {5, 10}},  {SSTE_MMA_BF16, {8, 7}},
               {SSTE_MMA_TF32, {8, 23}}, {SSTE_MMA_E4M3, {4, 3}},
               {SSTE_MMA_E5M2, {5, 2}},  {SSTE_MMA_F32, {8, 23}}};
  const int n = (int)(sizeof table / sizeof table[0]);
  int i = 0;
  while (i < n && table[i].type != type) ++i;
  if (i == n) abort(); /* no float */
  return table[i].format;
}

/* How many bits an element has in memory and in a register. */
static inline int slow_mma_width(sste_mma_type type) {
  switch (type) {
    case SSTE_MMA_F16:
    case SSTE_MMA_BF16: return 16;
    case SSTE_MMA_TF32:
    case SSTE_MMA_F32:
    case SSTE_MMA_S32: return 32;
    default: return 8;
  }
}

static inline int slow_mma_is_integer(sste_mma_type type) {
  return type == SSTE_MMA_S8 || type == SSTE_MMA_U8 || type == SSTE_MMA_S32;
}

/* The exponent of the least normal number: 2 - 2^(E - 1). */
static inline int slow_mma_least(sste_mma_type type) {
  return 2 - (1 << (slow_mma_format_of(type).exponent - 1));
}

/* The value of a code. E4M3 has no infinity and one NaN for each sign. */
static inline double slow_mma_value(sste_mma_type type, uint32_t code) {
  const slow_mma_format f = slow_mma_format_of(type);
  const uint32_t used = type == SSTE_MMA_TF32 ? code - code % 8192 : code;
  const uint32_t m = used % (1u << f.mantissa);
  const int e = (int)(used >> f.mantissa) % (1 << f.exponent);
  const int top = e == (1 << f.exponent) - 1;
  double x;
  if (type == SSTE_MMA_E4M3 ? top && m == 7 : top && m != 0)
    x = (double)NAN;
  else if (type != SSTE_MMA_E4M3 && top)
    x = HUGE_VAL;
  else if (e == 0)
    x = ldexp(m, slow_mma_least(type) - f.mantissa);
  else
    x = ldexp(1.0 + ldexp(m, -f.mantissa), e - 1 + slow_mma_least(type));
  return used >> (f.exponent + f.mantissa) != 0 ? -x : x;
}

/* The e of x = s * 2^e with 1 <= |s| < 2, but at least `least`. */
static inline int slow_mma_exponent(double x, int least) {
  int e;
  (void)frexp(x, &e);
  return x != 0.0 && e - 1 > least ? e - 1 : least;
}

/* ---- One step ------------------------------------------------------------ */

/* x >= 0 as a whole number: cut, or to the nearest, a tie to the even one. */
static inline double slow_mma_whole(double x, int nearest) {
  const double below = floor(x), rest = x - below;
  const int odd = fmod(below, 2.0) != 0.0;
  return nearest && (rest > 0.5 || (rest == 0.5 && odd)) ? below + 1.0 : below;
}

/* The code of a sum. F16 is rounded to nearest, F32 cut to `output` bits. Codes
 * count on from binade to binade, so a number is 2^mantissa times its binade,
 * counted from the least normal one, and its digits with the leading 1.     */
static inline uint32_t slow_mma_code(sste_mma_type d, double x, int output) {
  const slow_mma_format f = slow_mma_format_of(d);
  const int half = d == SSTE_MMA_F16, least = slow_mma_least(d);
  const int kept = half ? f.mantissa : output;
  const double infinity = ldexp((1 << f.exponent) - 1, f.mantissa);
  const int e = slow_mma_exponent(x, least);
  const double digits = slow_mma_whole(ldexp(fabs(x), kept - e), half);
  const double code =
      ldexp(e - least, f.mantissa) + ldexp(digits, f.mantissa - kept);
  const uint32_t sign = x < 0.0 ? 1u << (f.exponent + f.mantissa) : 0u;
  if (digits == 0.0) return 0;
  return sign | (uint32_t)(code < infinity ? code : infinity);
}

/* The code of an infinity or NaN. */
static inline uint32_t slow_mma_special(sste_mma_type d, double x) {
  const int half = d == SSTE_MMA_F16;
  if (x != x) return half ? 0x7FFFu : 0x7FFFFFFFu;
  return (half ? 0x7C00u : 0x7F800000u) |
         (x < 0.0 ? (half ? 0x8000u : 0x80000000u) : 0u);
}

/* The least exponent of an operand. Where an instruction is emulated, its 8-bit
 * floats have become F16 numbers. */
static inline int slow_mma_operand_least(sste_mma_type type,
                                         sste_mma_model model) {
  return model.late && type == SSTE_MMA_E4M3 ? -14 : slow_mma_least(type);
}

static inline uint32_t slow_mma_float_step(sste_mma_op op, sste_mma_model model,
                                           const uint32_t *a, const uint32_t *b,
                                           int n, uint32_t c) {
  const double start = slow_mma_value(op.d, c);
  const int a_least = slow_mma_operand_least(op.a, model);
  const int b_least = slow_mma_operand_least(op.b, model);
  double plain = start, sum;
  int top = slow_mma_exponent(start, slow_mma_least(op.d)), i;
  if (start == 0.0 || top < model.least) top = model.least;
  for (i = 0; i < n; ++i) {
    const double x = slow_mma_value(op.a, a[i]), y = slow_mma_value(op.b, b[i]);
    const int e = slow_mma_exponent(x, a_least) + slow_mma_exponent(y, b_least);
    plain += x * y;
    if (x != 0.0 && y != 0.0 && e > top) top = e;
  }
  if (!(fabs(plain) < HUGE_VAL)) return slow_mma_special(op.d, plain);
  sum = trunc(ldexp(start, model.fraction - top));
  for (i = 0; i < n; ++i)
    sum += trunc(ldexp(slow_mma_value(op.a, a[i]) * slow_mma_value(op.b, b[i]),
                       model.fraction - top));
  if (fabs(sum) >= 0x1p53) abort();
  return slow_mma_code(op.d, ldexp(sum, top - model.fraction), model.output);
}

/* The 8-bit integer of a code. */
static inline int slow_mma_integer(sste_mma_type type, uint32_t code) {
  return type == SSTE_MMA_S8 && code > 127 ? (int)code - 256 : (int)code;
}

/* The 32-bit integer of a code. */
static inline int64_t slow_mma_integer32(uint32_t code) {
  return code > INT32_MAX ? (int64_t)code - 4294967296 : (int64_t)code;
}

static inline uint32_t slow_mma_integer_code(int64_t x, int saturate) {
  if (saturate && x > INT32_MAX) return 0x7FFFFFFFu;
  if (saturate && x < INT32_MIN) return 0x80000000u;
  return (uint32_t)x;
}

static inline uint32_t slow_mma_step(sste_mma_op op, sste_mma_model model,
                                     const uint32_t *a, const uint32_t *b,
                                     int n, uint32_t c) {
  int64_t sum;
  int i;
  if (op.d != SSTE_MMA_S32) return slow_mma_float_step(op, model, a, b, n, c);
  sum = slow_mma_integer32(c);
  for (i = 0; i < n; ++i)
    sum += slow_mma_integer(op.a, a[i]) * slow_mma_integer(op.b, b[i]);
  return slow_mma_integer_code(sum, op.saturate);
}

/* ---- One instruction's products ------------------------------------------ */

static inline int slow_mma_step_of(sste_mma_model model, int i, int steps) {
  if (model.grouping == SSTE_MMA_BY_SLOT) return i % steps;
  if (model.grouping == SSTE_MMA_BY_PAIR) return i / 2 % steps;
  return i / model.products;
}

enum { SLOW_MMA_TERMS = 1024 };

/* The sum of two codes, to nearest even. (A sum of floats rounded to double and
 * then to float is the sum rounded once: 53 bits are more than twice 24 and
 * two.) */
static inline uint32_t slow_mma_add(sste_mma_type d, uint32_t x, uint32_t y) {
  const double sum = slow_mma_value(d, x) + slow_mma_value(d, y);
  if (!(fabs(sum) < HUGE_VAL)) return slow_mma_special(d, sum);
  return d == SSTE_MMA_F16 ? slow_mma_code(d, sum, 0) : test_bits((float)sum);
}

/* Step by step, each with the products that are its own. */
static inline uint32_t slow_mma_dot(sste_mma_op op, sste_mma_model model,
                                    const uint32_t *a, const uint32_t *b, int n,
                                    uint32_t c) {
  const int steps = (n + model.products - 1) / model.products;
  uint32_t own_a[SLOW_MMA_TERMS], own_b[SLOW_MMA_TERMS];
  uint32_t sum = model.late ? 0 : c;
  int s, i;
  if (op.d == SSTE_MMA_S32) return slow_mma_step(op, model, a, b, n, c);
  for (s = 0; s < steps; ++s) {
    int own = 0;
    for (i = 0; i < n; ++i)
      if (slow_mma_step_of(model, i, steps) == s) {
        own_a[own] = a[i];
        own_b[own++] = b[i];
      }
    sum = slow_mma_step(op, model, own_a, own_b, own, sum);
  }
  return model.late ? slow_mma_add(op.d, sum, c) : sum;
}

/* ---- Fragments ----------------------------------------------------------- */

/* What lane `lane` has in register `reg` as its element `i`, low bits first.
 * A register holds `per` elements; lanes come in quads.                     */
typedef struct slow_mma_cell {
  int row, col;
} slow_mma_cell;

static inline slow_mma_cell slow_mma_cell_a(int per, int lane, int reg, int i) {
  slow_mma_cell at;
  at.row = lane / 4 + 8 * (reg % 2);
  at.col = 4 * per * (reg / 2) + per * (lane % 4) + i;
  return at;
}

static inline slow_mma_cell slow_mma_cell_b(int per, int lane, int reg, int i) {
  slow_mma_cell at;
  at.row = 4 * per * reg + per * (lane % 4) + i;
  at.col = lane / 4;
  return at;
}

static inline slow_mma_cell slow_mma_cell_d(int per, int lane, int reg, int i) {
  slow_mma_cell at;
  at.row = lane / 4 + 8 * (per == 2 ? reg : reg / 2);
  at.col = 2 * (lane % 4) + (per == 2 ? i : reg % 2);
  return at;
}

/* The lane and the lowest bit of the nibble of (row, chunk). */
static inline void slow_mma_nibble_at(int *lane, int *bit, sste_mma_op op,
                                      int selector, int row, int chunk) {
  const int quad = 4 * (row % 8), lower = row / 8;
  if (slow_mma_width(op.a) == 8) {
    *lane = quad + lower + 2 * (chunk / 8);
    *bit = 4 * (chunk % 8);
  } else {
    const int one_lane = op.a != SSTE_MMA_TF32 && op.k == 16;
    *lane = quad + (one_lane ? selector : 2 * selector + chunk / 4);
    *bit = 16 * lower + 4 * (chunk % 4);
  }
}

#endif /* SSTE_SLOW_MMA_H */
