/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * portable.c - prints a hash for each family of functions that promise their
 * bits, over fixed inputs. Which bits are right is for the suites to say; here
 * it matters that they are the same in every build (portable.sh) and,
 * for the functions that promise it, under every rounding mode and with
 * subnormals flushed to zero: each mode that this processor has is set, seen to
 * work, and compared with the first. Exits 1 if a hash differs between modes.
 */
#include <fenv.h>
#include <stdio.h>

#include "sste_check.h"
#include "sste_mma.h"
#include "sste_train.h"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

enum { FORMATS = 14, FP8_FORMATS = 10 };
static sste_fp8_format formats[FORMATS];

static void name_formats(void) {
  formats[0] = sste_fp8_e4m3fn();
  formats[1] = sste_fp8_e5m2();
  formats[2] = sste_fp8_e4m3();
  formats[3] = sste_fp8_e3m4();
  formats[4] = sste_fp8_e3m4fn();
  formats[5] = sste_fp8_e4m3fnuz();
  formats[6] = sste_fp8_e5m2fnuz();
  formats[7] = sste_fp8_e4m3b11fnuz();
  formats[8] = sste_fp8_ue4m3();
  formats[9] = sste_fp8_e8m0();
  formats[10] = sste_fp8_float16();
  formats[11] = sste_fp8_bfloat16();
  formats[12] = sste_fp8_float32();
  formats[13] = sste_fp8_float64();
}

/* ---- Inputs, by integers only -------------------------------------------- */

static uint64_t mix(uint64_t z) { /* splitmix64's finaliser */
  z += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}
static uint64_t draw(uint64_t *state) { return *state = mix(*state); }
static int below(uint64_t *state, int n) {
  return (int)(draw(state) >> 33) % n;
}
static void add(uint64_t *hash, uint64_t value) { *hash = mix(*hash ^ value); }

/* Bits of a number of a format. Half of them end in a run of zeros or ones, or
 * in zeros and a one, as numbers do at and beside midpoints; of the wide
 * formats half lie near 1.                                                  */
static uint64_t number(uint64_t *state, sste_fp8_format f) {
  const int M = f.mantissa_bits;
  const uint64_t fraction = ((uint64_t)1 << M) - 1;
  uint64_t bits = draw(state);
  if (below(state, 2)) {
    const uint64_t tail = fraction >> below(state, M + 1);
    const int kind = below(state, 3);
    bits = kind == 1 ? bits | tail : bits & ~tail;
    if (kind == 2) bits |= 1;
  }
  if (f.exponent_bits >= 8 && below(state, 2)) {
    const uint64_t field = ((uint64_t)1 << f.exponent_bits) - 1;
    const uint64_t e = (uint64_t)(f.bias + below(state, 48) - 24);
    bits = (bits & ~(field << M)) | e << M;
  }
  return bits;
}
/* By reference: i386 returns floats in x87 registers, which quiet NaNs. */
static void number_float(float *x, uint64_t *state) {
  const uint32_t bits = (uint32_t)number(state, sste_fp8_float32());
  memcpy(x, &bits, sizeof bits);
}

/* Any number becomes one between 2^-7 and 2^9. */
static void tame(float *x) {
  uint32_t bits;
  memcpy(&bits, x, sizeof bits);
  bits = (bits & 0x87FFFFFFu) + 0x3C000000u;
  memcpy(x, &bits, sizeof bits);
}

static sste_fp8_rule any_rule(uint64_t *state) {
  sste_fp8_rule rule;
  rule.rounding = below(state, SSTE_ROUND_E8M0_FIELDS + 1);
  rule.random_bits = 1 + below(state, 32);
  rule.overflow = below(state, SSTE_OVERFLOW_NONE + 1);
  rule.nan = below(state, SSTE_NAN_PAYLOAD + 1);
  rule.nan_sign = below(state, 2);
  rule.drop_sign = below(state, 2);
  rule.via = below(state, SSTE_VIA_FLOAT32 + 1);
  return rule;
}

/* A recipe; every other one has a rule that the fast loops follow. */
static sste_fp8_recipe any_recipe(uint64_t *state, sste_fp8_format f) {
  sste_fp8_recipe how = sste_fp8_recipe_current(f);
  if (below(state, 2)) how.rule = any_rule(state);
  if (how.rule.rounding == SSTE_ROUND_STOCHASTIC)
    how.rule.rounding = SSTE_ROUND_NEAREST_EVEN;
  how.per_row = below(state, 2);
  how.scale = below(state, SSTE_SCALE_AMAX_RECIPROCAL + 1);
  how.apply = below(state, SSTE_APPLY_RECIPROCAL + 1);
  how.undo = below(state, SSTE_APPLY_RECIPROCAL + 1);
  how.drop_nan = below(state, 2);
  how.epsilon = below(state, 4) ? 0.0f : 0x1p-20f;
  how.power_of_two = below(state, 4) == 0;
  return how;
}

/* ---- Families ------------------------------------------------------------ */

static uint64_t convert(void) {
  uint64_t hash = 0, state = 1;
  int to, from, i;
  for (to = 0; to < FORMATS; ++to)
    for (from = 0; from < FORMATS; ++from)
      for (i = 0; i < 2000; ++i) {
        const sste_fp8_rule rule = any_rule(&state);
        const uint64_t bits = number(&state, formats[from]);
        add(&hash, sste_fp8_convert(formats[to], rule, formats[from], bits,
                                    (uint32_t)draw(&state)));
      }
  return hash;
}

static uint64_t presets(void) {
  uint64_t hash = 0, state = 2;
  int who, to, i;
  for (who = SSTE_LIKE_OCP; who <= SSTE_LIKE_ONNX_25; ++who)
    for (to = 0; to < FP8_FORMATS; ++to) {
      const sste_fp8_format f = formats[to];
      sste_fp8_rule rule[4];
      for (i = 0; i < 4; ++i)
        rule[i] = sste_fp8_rule_like(who, f, formats[10 + i]);
      for (i = 0; i < 1000; ++i) {
        const uint64_t bits = number(&state, sste_fp8_float64());
        const uint16_t b = (uint16_t)number(&state, sste_fp8_bfloat16());
        float x;
        double d;
        number_float(&x, &state);
        memcpy(&d, &bits, sizeof d);
        add(&hash, sste_fp8_encode_float16(f, rule[0], (uint16_t)bits, 0));
        add(&hash, sste_fp8_encode_bfloat16(f, rule[1], b, 0));
        add(&hash, sste_fp8_encode_float(f, rule[2], x, 0));
        add(&hash, sste_fp8_encode_double(f, rule[3], d, 0));
        add(&hash, sste_fp8_encode(f, x));
        add(&hash, sste_priv_bits(sste_fp8_round(f, x)));
      }
    }
  return hash;
}

static uint64_t decode(void) {
  uint64_t hash = 0;
  uint32_t code;
  int f;
  for (f = 0; f < FORMATS - 1; ++f) {
    add(&hash, sste_priv_bits(sste_fp8_max(formats[f])));
    for (code = 0; code < (f < FP8_FORMATS ? 256u : 65536u); ++code) {
      const uint32_t bits = f == 12 ? code << 16 | code : code;
      add(&hash, sste_priv_bits(sste_fp8_decode(formats[f], bits)));
    }
  }
  return hash;
}

static uint64_t named(void) {
  uint64_t hash = 0, state = 3;
  int i;
#define NAMED(format)                        \
  add(&hash, sste_fp8_##format##_encode(x)); \
  add(&hash, sste_priv_bits(sste_fp8_##format##_decode((uint8_t)i)));
  for (i = 0; i < 60000; ++i) {
    float x;
    number_float(&x, &state);
    NAMED(e4m3fn)
    NAMED(e5m2)
    NAMED(e4m3)
    NAMED(e3m4)
    NAMED(e3m4fn)
    NAMED(e4m3fnuz)
    NAMED(e5m2fnuz)
    NAMED(e4m3b11fnuz)
  }
#undef NAMED
  return hash;
}

static uint64_t scale(void) {
  uint64_t hash = 0, state = 4;
  int f, i;
  for (f = 0; f < FP8_FORMATS; ++f)
    for (i = 0; i < 20000; ++i) {
      const sste_fp8_recipe how = any_recipe(&state, formats[f]);
      float amax;
      number_float(&amax, &state);
      add(&hash, sste_priv_bits(sste_fp8_scale(how, amax)));
    }
  return hash;
}

enum { ROWS = 7, COLS = 83, LD = 90 };

static void add_floats(uint64_t *hash, const float *x, size_t n) {
  size_t i;
  for (i = 0; i < n; ++i) add(hash, sste_priv_bits(x[i]));
}
static void add_bytes(uint64_t *hash, const uint8_t *x, size_t n) {
  size_t i;
  for (i = 0; i < n; ++i) add(hash, x[i]);
}

/* One matrix there and back. What lies between the rows counts, too. */
static void add_tensor(uint64_t *hash, uint64_t *state, sste_fp8_recipe how) {
  float x[ROWS * LD], y[ROWS * LD] = {0}, scales[ROWS] = {0}, amax = 0;
  const int is_tame = below(state, 2); /* then scales are not all 1 */
  uint8_t code[ROWS * LD] = {0};
  int i;
  for (i = 0; i < ROWS * LD; ++i) {
    number_float(&x[i], state);
    if (is_tame) tame(&x[i]);
  }
  add(hash, (uint64_t)sste_fp8_tensor_amax(&amax, x, LD, ROWS, COLS));
  add(hash, sste_priv_bits(amax));
  add(hash, (uint64_t)sste_fp8_tensor_scale(scales, x, LD, ROWS, COLS, how));
  add_floats(hash, scales, ROWS);
  add(hash, (uint64_t)sste_fp8_tensor_encode(code, LD, x, LD, ROWS, COLS,
                                             scales, how));
  add_bytes(hash, code, ROWS * LD);
  add(hash, (uint64_t)sste_fp8_tensor_decode(y, LD, code, LD, ROWS, COLS,
                                             scales, how));
  add_floats(hash, y, ROWS * LD);
  add(hash,
      (uint64_t)sste_fp8_tensor_round(x, LD, x, LD, ROWS, COLS, scales, how));
  add_floats(hash, x, ROWS * LD);
}
static uint64_t tensors(void) {
  uint64_t hash = 0, state = 5;
  int f, i;
  for (f = 0; f < FP8_FORMATS; ++f)
    for (i = 0; i < 100; ++i)
      add_tensor(&hash, &state, any_recipe(&state, formats[f]));
  return hash;
}

static uint64_t products(void) {
  enum { DEPTH = 600 };
  uint64_t hash = 0, state = 6;
  uint8_t a[3 * DEPTH], b[4 * DEPTH];
  int fa, fb, i;
  for (fa = 0; fa < FP8_FORMATS; ++fa)
    for (fb = 0; fb < FP8_FORMATS; ++fb) {
      const int is_tame = below(&state, 2); /* few infinities and NaNs */
      sste_fp8_rule rule = any_rule(&state);
      uint64_t bits = 0;
      float z[3 * 5] = {0};
      for (i = 0; i < 3 * DEPTH; ++i)
        a[i] = (uint8_t)(draw(&state) & (is_tame ? 0xBFu : 0xFFu));
      for (i = 0; i < 4 * DEPTH; ++i)
        b[i] = (uint8_t)(draw(&state) & (is_tame ? 0xBFu : 0xFFu));
      if (rule.rounding == SSTE_ROUND_STOCHASTIC)
        rule.rounding = SSTE_ROUND_ODD;
      rule.via = SSTE_VIA_NOTHING;
      for (i = 0; i < FORMATS; ++i) {
        add(&hash, (uint64_t)sste_fp8_dot(&bits, formats[i], rule, formats[fa],
                                          a, formats[fb], b, DEPTH));
        add(&hash, bits);
      }
      add(&hash,
          (uint64_t)sste_fp8_product(z, 5, formats[fa], a, DEPTH, formats[fb],
                                     b, DEPTH, 3, 4, DEPTH));
      add_floats(&hash, z, 15);
    }
  return hash;
}

/* Ranks, boundaries, and what an error excuses. */
static uint64_t boundaries(void) {
  uint64_t hash = 0, i;
  int to, from;
  for (to = 0; to < FP8_FORMATS; ++to)
    for (from = 10; from < FORMATS; ++from) {
      const sste_fp8_format f = formats[from];
      const uint64_t n = sste_check_boundary_count(formats[to], f);
      for (i = 0; i < n; i += 7) {
        const uint64_t bits = sste_check_boundary(formats[to], f, i);
        add(&hash, bits);
        add(&hash, (uint64_t)sste_check_rank(f, bits));
        add(&hash, sste_check_next(f, bits, (int64_t)i - 500));
      }
    }
  return hash;
}

static uint64_t verdicts(void) {
  uint64_t hash = 0, state = 7;
  int i;
  for (i = 0; i < 20000; ++i) {
    const sste_fp8_format f = formats[below(&state, FORMATS - 1)];
    const sste_fp8_rule rule = any_rule(&state);
    const uint64_t bits = number(&state, formats[13]);
    const uint64_t code = sste_fp8_convert(f, rule, formats[13], bits, 0);
    const double part = (double)below(&state, 64) / 1024.0;
    double x;
    int step;
    memcpy(&x, &bits, sizeof x);
    for (step = -2; step <= 2; ++step)
      add(&hash,
          (uint64_t)sste_check_within(f, rule, sste_check_next(f, code, step),
                                      x, (x < 0.0 ? -x : x) * part));
  }
  return hash;
}

/* Tensors of every kind, and the words at which their groups are decided. */
static uint64_t draws(void) {
  uint64_t hash = 0;
  float x[32 * 33];
  int kind, i, k;
  for (kind = 0; kind < SSTE_DRAWS; ++kind) {
    add(&hash, (uint64_t)sste_check_tensor_draw(x, 33, 32, 33, kind, 1));
    add_floats(&hash, x, 32 * 33);
    for (i = 0; i < 32; ++i)
      for (k = 0; k < SSTE_CHECK_MVUE_WORDS; ++k)
        add(&hash, sste_check_mvue_word(x + 33 * i, k));
  }
  return hash;
}

static void add_report(uint64_t *hash, const sste_check_report *r) {
  char text[8192];
  int i;
  for (i = 0; i < SSTE_DIFFS; ++i) add(hash, r->count[i]);
  for (i = 0; i < SSTE_CHECK_BUCKETS; ++i) add(hash, r->ulps[i]);
  add(hash, sste_check_text(text, sizeof text, r));
  for (i = 0; text[i] != 0; ++i) add(hash, (uint64_t)(uint8_t)text[i]);
}

/* One kind of tensor against the next. */
static uint64_t reports(void) {
  enum { N = 24 };
  uint64_t hash = 0;
  sste_check_report r;
  float a[N * N], b[N * N];
  int kind;
  for (kind = 0; kind + 1 < SSTE_DRAWS; ++kind) {
    const sste_fp8_format f = sste_fp8_float32();
    sste_check_tensor_draw(a, N, N, N, kind, 1);
    sste_check_tensor_draw(b, N, N, N, kind + 1, 1);
    sste_check_numbers(&r, f, a, N, b, N, N, N);
    add_report(&hash, &r);
    sste_check_numbers_near(&r, f, sste_fp8_saturating(), a, N, b, N, a, N, b,
                            N, N, N);
    add_report(&hash, &r);
    sste_check_sparse(&r, f, a, N, b, N, b, N, N, N);
    add_report(&hash, &r);
    sste_check_product_forward(&r, f, SSTE_OVERFLOW_NONE, a, N, b, N, b, N, N,
                               N, N, sste_check_bound(SSTE_SUM_FLOAT, N));
    add_report(&hash, &r);
  }
  return hash;
}

/* ---- Families of sste.h, sste_mvue.h and sste_train.h -------------------- */

/* A square matrix of any element type, its rows SIDE_LD elements apart; what
 * lies between the rows counts, too. 4096 elements are one block of a sum.  */
enum { SIDE = 96, SIDE_LD = 97, ALL = SIDE * SIDE_LD };
typedef union matrix {
  float f[ALL];
  uint16_t h[ALL];
  uint8_t b[ALL];
} matrix;

/* Tame: no infinities, no NaNs. Floats go through memory as integers: a NaN in
 * an i386 register would lose its payload.                                  */
static void fill(matrix *x, sste_type type, int is_tame, uint64_t *state) {
  size_t i;
  for (i = 0; i < ALL; ++i) {
    if (type == SSTE_FLOAT32) {
      number_float(&x->f[i], state);
      if (is_tame) tame(&x->f[i]);
    } else if (type <= SSTE_BFLOAT16) {
      const sste_fp8_format f = formats[type == SSTE_FLOAT16 ? 10 : 11];
      x->h[i] = (uint16_t)(number(state, f) & (is_tame ? 0xBFFFu : 0xFFFFu));
    } else {
      x->b[i] = (uint8_t)draw(state);
    }
  }
}
static void add_matrix(uint64_t *hash, const matrix *x, sste_type type) {
  size_t i;
  for (i = 0; i < ALL; ++i)
    add(hash, type == SSTE_FLOAT32    ? sste_priv_bits(x->f[i])
              : type <= SSTE_BFLOAT16 ? x->h[i]
                                      : x->b[i]);
}
static void add_double(uint64_t *hash, double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  add(hash, bits);
}

/* A pattern whose groups fill a matrix of SIDE along either axis. */
static sste_nm any_nm(uint64_t *state) {
  static const int sizes[9] = {2, 3, 4, 4, 6, 8, 12, 16, 32};
  const int m = sizes[below(state, 9)];
  sste_nm nm = sste_nm_of(1 + below(state, m - 1), m);
  nm.axis = below(state, 2) ? SSTE_DOWN_COLUMNS : SSTE_ALONG_ROWS;
  nm.type = (sste_type)below(state, SSTE_BFLOAT16 + 1);
  return nm;
}
static float any_gamma(uint64_t *state) {
  return below(state, 2) ? 0.0f : (float)below(state, 4097) / 4096.0f;
}

static uint64_t patterns(void) {
  static matrix w, out;
  static uint8_t mask[ALL];
  uint64_t hash = 0, state = 8;
  int i;
  for (i = 0; i < 60; ++i) {
    const sste_nm nm = any_nm(&state);
    const float gamma = any_gamma(&state), scale = 1.0f + any_gamma(&state);
    const sste_tie tie = below(&state, 2) ? SSTE_TIE_HIGHER : SSTE_TIE_LOWER;
    size_t nans = 0;
    fill(&w, nm.type, below(&state, 2), &state);
    out = w;
    memset(mask, 0, sizeof mask);
    add(&hash,
        (uint64_t)sste_tensor_project_nm(&out, SIDE_LD, &w, SIDE_LD, SIDE, SIDE,
                                         nm, gamma, scale, &nans));
    add_matrix(&hash, &out, nm.type);
    add(&hash, nans);
    add(&hash, (uint64_t)sste_tensor_mask_nm(mask, SIDE_LD, &w, SIDE_LD, SIDE,
                                             SIDE, nm, tie));
    add_bytes(&hash, mask, ALL);
    if (nm.type == SSTE_FLOAT32)
      add(&hash,
          sste_priv_bits(sste_group_threshold_nm(w.f, nm.n, nm.m, gamma)));
  }
  return hash;
}

/* The projection of floats, and with it the compressed form and FP8. */
static uint64_t projected(void) {
  static matrix w, out;
  static uint8_t mask[ALL], meta[SIDE * SIDE / 8];
  uint64_t hash = 0, state = 15;
  int turn;
  for (turn = 0; turn < 8; ++turn) {
    const float beta = turn % 4 < 2 ? 1.5f : 0.25f, scale = 3.0f;
    const sste_fp8_recipe how = sste_fp8_recipe_current(formats[turn % 3]);
    float amax = 0.0f;
    size_t nans = 0;
    fill(&w, SSTE_FLOAT32, turn % 2, &state);
    out = w;
    add(&hash, (uint64_t)sste_tensor_project(out.f, SIDE_LD, w.f, SIDE_LD, SIDE,
                                             SIDE, beta, &nans));
    add_matrix(&hash, &out, SSTE_FLOAT32);
    add(&hash, nans);
    add(&hash, (uint64_t)sste_tensor_project_compress(out.f, SIDE / 2, meta,
                                                      SIDE / 8, w.f, SIDE_LD,
                                                      SIDE, SIDE, beta, NULL));
    add_matrix(&hash, &out, SSTE_FLOAT32);
    add_bytes(&hash, meta, sizeof meta);
    memset(&out, 0, sizeof out); /* its bytes lie as the machine has them */
    add(&hash,
        (uint64_t)sste_tensor_project_encode(out.b, SIDE_LD, w.f, SIDE_LD, SIDE,
                                             SIDE, beta, &scale, how, NULL));
    add_matrix(&hash, &out, SSTE_FP8);
    add(&hash, (uint64_t)sste_tensor_project_amax(&amax, w.f, SIDE_LD, SIDE,
                                                  SIDE, beta));
    add(&hash, sste_priv_bits(amax));
    add(&hash, (uint64_t)sste_tensor_mask(
                   mask, SIDE_LD, w.f, SIDE_LD, SIDE, SIDE,
                   turn % 2 ? SSTE_TIE_HIGHER : SSTE_TIE_LOWER));
    add_bytes(&hash, mask, ALL);
  }
  return hash;
}

/* The masks of floats, and what is done with them. */
static uint64_t masks(void) {
  static matrix w, out;
  static uint8_t mask[3][ALL];
  uint64_t hash = 0, state = 9;
  sste_flips flips = {0, 0};
  int turn, i;
  for (turn = 0; turn < 4; ++turn) {
    fill(&w, SSTE_FLOAT32, turn % 2, &state);
    for (i = SSTE_TILE_OPTIMAL; i <= SSTE_TILE_GREEDY_SIGNED; ++i) {
      add(&hash,
          (uint64_t)sste_tensor_mask_transposable(
              mask[i], SIDE_LD, w.f, SIDE_LD, SIDE, SIDE, (sste_tile_rule)i));
      add_bytes(&hash, mask[i], ALL);
      add(&hash, (uint64_t)sste_flips_add(&flips, mask[i], SIDE_LD, mask[0],
                                          SIDE_LD, SIDE, SIDE));
      add_double(&hash, sste_flips_rate(&flips));
    }
    out = w;
    add(&hash, (uint64_t)sste_tensor_apply_mask(out.f, SIDE_LD, w.f, SIDE_LD,
                                                mask[0], SIDE_LD, SIDE, SIDE));
    add_matrix(&hash, &out, SSTE_FLOAT32);
    for (i = SSTE_FLOAT32; i <= SSTE_INT8; ++i) {
      fill(&w, (sste_type)i, 0, &state);
      add(&hash, (uint64_t)sste_tensor_mask_nonzero(
                     mask[0], SIDE_LD, &w, SIDE_LD, SIDE, SIDE, (sste_type)i));
      add_bytes(&hash, mask[0], ALL);
    }
  }
  return hash;
}

static uint64_t sums(void) {
  static matrix w, v, g;
  uint64_t hash = 0, state = 10;
  int i, rule;
  for (i = 0; i < 40; ++i) {
    const sste_nm nm = any_nm(&state);
    const float gamma = any_gamma(&state);
    double sum = 0.0;
    fill(&w, nm.type, 1, &state);
    fill(&v, nm.type, 1, &state);
    for (rule = SSTE_BETA_MIN_MSE; rule <= SSTE_BETA_ONE; ++rule) {
      float beta = 0.0f;
      add(&hash,
          (uint64_t)sste_tensor_beta_nm(&beta, &w, SIDE_LD, SIDE, SIDE, nm,
                                        gamma, (sste_beta_rule)rule));
      add(&hash, sste_priv_bits(beta));
    }
    add(&hash, (uint64_t)sste_tensor_relative_mse(
                   &sum, &w, SIDE_LD, &v, SIDE_LD, SIDE, SIDE, nm.type));
    add_double(&hash, sum);
    if (nm.type != SSTE_FLOAT32) continue;
    fill(&g, SSTE_FLOAT32, 1, &state);
    sste_tensor_norm2(&sum, w.f, SIDE_LD, SIDE, SIDE);
    add_double(&hash, sum);
    sste_tensor_change(&sum, w.f, SIDE_LD, v.f, SIDE_LD, SIDE, SIDE);
    add_double(&hash, sum);
    sste_tensor_descent(&sum, g.f, SIDE_LD, w.f, SIDE_LD, v.f, SIDE_LD, SIDE,
                        SIDE);
    add_double(&hash, sum);
  }
  return hash;
}

/* Matrices with two zeros in each four, compressed and back. */
static uint64_t compressed(void) {
  static matrix w, values, out;
  static uint8_t meta[SIDE * SIDE / 8];
  uint64_t hash = 0, state = 11;
  int i, axis;
  for (i = SSTE_FLOAT32; i <= SSTE_INT8; ++i)
    for (axis = SSTE_ALONG_ROWS; axis <= SSTE_DOWN_COLUMNS; ++axis) {
      const sste_type type = (sste_type)i;
      const size_t along = axis == SSTE_ALONG_ROWS ? 1 : SIDE_LD;
      const size_t across = axis == SSTE_ALONG_ROWS ? SIDE_LD : 1;
      size_t e;
      fill(&w, type, 0, &state);
      for (e = 0; e < SIDE * SIDE; e += 4) {
        const size_t at = e / SIDE * across + e % SIDE * along;
        const size_t first = (size_t)below(&state, 4);
        const size_t other = (first + 1 + (size_t)below(&state, 3)) % 4;
        sste_priv_set_element(&w, type, at + first * along, 0);
        sste_priv_set_element(&w, type, at + other * along, 0);
      }
      memset(&values, 0, sizeof values);
      out = w;
      add(&hash, (uint64_t)sste_tensor_compress_as(
                     &values, SIDE / 2, meta, SIDE / 8, &w, SIDE_LD, SIDE, SIDE,
                     type, (sste_axis)axis));
      add_matrix(&hash, &values, type);
      add_bytes(&hash, meta, sizeof meta);
      add(&hash, (uint64_t)sste_tensor_decompress_as(
                     &out, SIDE_LD, &values, SIDE / 2, meta, SIDE / 8, SIDE,
                     SIDE, type, (sste_axis)axis));
      add_matrix(&hash, &out, type);
    }
  return hash;
}

/* Probabilities, of pairs too, and draws of groups. */
static uint64_t samples(void) {
  uint64_t hash = 0, state = 12;
  int turn, i;
  for (turn = 0; turn < 6000; ++turn) {
    const sste_nm nm = any_nm(&state);
    const uint32_t word = (uint32_t)draw(&state);
    const int is_tame = below(&state, 2);
    double p[32] = {0.0}, pair[32 * 32];
    float a[32], b[32];
    for (i = 0; i < 32; ++i) {
      number_float(&a[i], &state);
      if (is_tame) tame(&a[i]);
      if (below(&state, 8) == 0) a[i] = 0.0f;
    }
    sste_mvue_group_prob(p, a, nm.n, nm.m);
    for (i = 0; i < nm.m; ++i) add_double(&hash, p[i]);
    sste_mvue_group_pair_prob(pair, a, nm.n, nm.m);
    for (i = 0; i < nm.m * nm.m; ++i) add_double(&hash, pair[i]);
    sste_mvue_group_draw(b, a, nm.n, nm.m, word);
    add_floats(&hash, b, (size_t)nm.m);
    sste_mvue24_group_prob(p, a);
    sste_mvue12_group_prob(p + 4, a);
    sste_mvue24_group_prob_approx(p + 8, a);
    for (i = 0; i < 12; ++i) add_double(&hash, p[i]);
    sste_mvue24_group_draw(b, a, word);
    sste_mvue12_group_draw(b + 4, a, word);
    sste_mvue24_group_draw_approx(b + 6, a, word, ~word);
    add_floats(&hash, b, 10);
  }
  return hash;
}

static uint64_t sampled(void) {
  static matrix a, out;
  const sste_mvue_stream stream = {0x0123456789ABCDEFu, 5, 77, 1000, 9};
  uint64_t hash = 0, state = 13;
  int i;
  for (i = 0; i < 10; ++i) {
    const sste_nm nm = any_nm(&state);
    fill(&a, SSTE_FLOAT32, below(&state, 2), &state);
    out = a;
    add(&hash,
        (uint64_t)sste_mvue_tensor_draw(out.f, SIDE_LD, a.f, SIDE_LD, SIDE,
                                        SIDE, nm.n, nm.m, nm.axis, &stream));
    add_matrix(&hash, &out, SSTE_FLOAT32);
    sste_mvue24_tensor_draw(out.f, SIDE_LD, a.f, SIDE_LD, SIDE, SIDE, nm.axis,
                            &stream);
    add_matrix(&hash, &out, SSTE_FLOAT32);
    sste_mvue12_tensor_draw(out.f, SIDE_LD, a.f, SIDE_LD, SIDE, SIDE, nm.axis,
                            &stream);
    add_matrix(&hash, &out, SSTE_FLOAT32);
    sste_mvue24_tensor_draw_approx(out.f, SIDE_LD, a.f, SIDE_LD, SIDE, SIDE,
                                   nm.axis, &stream);
    add_matrix(&hash, &out, SSTE_FLOAT32);
  }
  return hash;
}

/* Masked decay, FP8 at random, and what FP8 loses. */
static uint64_t training(void) {
  static matrix y, w, code;
  static uint8_t mask[ALL];
  const sste_mvue_stream stream = {0x0123456789ABCDEFu, 5, 77, 1000, 9};
  uint64_t hash = 0, state = 14;
  int i;
  for (i = 0; i < 8; ++i) {
    const sste_axis axis = i % 2 ? SSTE_DOWN_COLUMNS : SSTE_ALONG_ROWS;
    sste_fp8_losses lost = {0, 0, 0};
    float factor;
    number_float(&factor, &state);
    tame(&factor);
    fill(&y, SSTE_FLOAT32, i / 4, &state);
    fill(&w, SSTE_FLOAT32, i / 4, &state);
    sste_tensor_mask(mask, SIDE_LD, w.f, SIDE_LD, SIDE, SIDE, SSTE_TIE_LOWER);
    add(&hash,
        (uint64_t)sste_tensor_masked_decay(y.f, SIDE_LD, w.f, SIDE_LD, mask,
                                           SIDE_LD, SIDE, SIDE, factor));
    add_matrix(&hash, &y, SSTE_FLOAT32);
    factor = sste_priv_float(sste_priv_magnitude(factor));
    memset(&code, 0, sizeof code);
    add(&hash, (uint64_t)sste_fp8_tensor_encode_stochastic(
                   code.b, SIDE_LD, w.f, SIDE_LD, SIDE, SIDE, formats[i],
                   factor, axis, &stream));
    add_matrix(&hash, &code, SSTE_FP8);
    add(&hash, (uint64_t)sste_fp8_tensor_losses(&lost, w.f, SIDE_LD, SIDE, SIDE,
                                                formats[i], factor));
    add(&hash, lost.nonzeros);
    add(&hash, lost.saturated);
    add(&hash, lost.underflowed);
  }
  return hash;
}

/* One step of a layer of each kind: three products, four roundings to FP8, a
 * sample, and the report.                                                   */
static uint64_t layers(void) {
  static matrix w, x, dz, z, dx, dw, db, scratch[4];
  static uint8_t mask[ALL];
  const sste_mvue_stream stream = {1, 5, 77, 0, 0};
  uint64_t hash = 0, state = 15;
  int i;
  for (i = 0; i < 6; ++i) {
    sste_linear layer;
    sste_report r;
    fill(&w, SSTE_FLOAT32, 1, &state);
    fill(&x, SSTE_FLOAT32, 1, &state);
    fill(&dz, SSTE_FLOAT32, 1, &state);
    z = dx = dw = db = dz;
    memset(&r, 0, sizeof r);
    memset(&layer, 0, sizeof layer);
    add(&hash, (uint64_t)sste_linear_init(&layer, w.f, SIDE_LD, SIDE, SIDE));
    sste_tensor_mask_transposable(mask, SIDE_LD, w.f, SIDE_LD, SIDE, SIDE,
                                  SSTE_TILE_OPTIMAL);
    layer.weights = (sste_weights)(i % 3);
    layer.mask = mask;
    layer.ldm = SIDE_LD;
    layer.transposable = layer.stochastic = layer.scale_gradient = i / 3;
    add(&hash, (uint64_t)sste_linear_forward(&layer, z.f, SIDE_LD, x.f, SIDE_LD,
                                             w.f, SIDE_LD, x.f, SIDE, scratch,
                                             sizeof scratch));
    add(&hash,
        (uint64_t)sste_linear_backward(
            &layer, dx.f, SIDE_LD, dw.f, SIDE_LD, db.f, dz.f, SIDE_LD, x.f,
            SIDE_LD, w.f, SIDE_LD, SIDE, &stream, scratch, sizeof scratch));
    add(&hash, (uint64_t)sste_linear_report(&r, &layer, w.f, SIDE_LD, scratch,
                                            sizeof scratch));
    add_matrix(&hash, &z, SSTE_FLOAT32);
    add_matrix(&hash, &dx, SSTE_FLOAT32);
    add_matrix(&hash, &dw, SSTE_FLOAT32);
    add_matrix(&hash, &db, SSTE_FLOAT32);
    add(&hash, r.zeros);
    add_double(&hash, r.norm2);
    add_double(&hash, r.relative_mse);
    add_floats(&hash, r.scale, 3);
  }
  return hash;
}

/* ---- Tensor cores -------------------------------------------------------- */

static const sste_mma_type operands[7] = {
    SSTE_MMA_F16,  SSTE_MMA_BF16, SSTE_MMA_TF32, SSTE_MMA_E4M3,
    SSTE_MMA_E5M2, SSTE_MMA_S8,   SSTE_MMA_U8};

/* The longest sparse instruction of a type. */
static sste_mma_op sparse_of(int i) {
  return sste_mma_sparse(operands[i], i < 2 ? 32 : i == 2 ? 16 : 64);
}

/* A sparse 64 x 128 matrix through every order and rule, and its first tile to
 * registers and back. Values are bytes: elements lie in any order of bytes. */
static uint64_t fragments(void) {
  static uint32_t w[64 * 128], values[64 * 64], regs[4 * 32], e[32];
  static uint8_t meta[2][64 * 32];
  uint64_t hash = 0, state = 31;
  int i, order, rule, k;
  for (i = 0; i < 7; ++i)
    for (order = 0; order < 3; ++order)
      for (rule = 0; rule < 4; ++rule) {
        const sste_mma_op op = sparse_of(i);
        const sste_type type = i < 2    ? SSTE_FLOAT16
                               : i == 2 ? SSTE_FLOAT32
                                        : SSTE_FP8;
        size_t bytes = 0;
        memset(w, 0, sizeof w);
        memset(e, 0, sizeof e);
        for (k = 0; k < 64 * 128; ++k)
          sste_priv_set_element(
              w, type, (size_t)k,
              below(&state, 2) && (i == 2 ? k % 2 == 0 : k % 4 % 3 == 0)
                  ? (uint32_t)draw(&state)
                  : 0);
        add(&hash, (uint64_t)sste_mma_meta_bytes(&bytes, (sste_mma_order)order,
                                                 operands[i], 64, 128));
        add(&hash, (uint64_t)sste_mma_compress(
                       values, 64, meta[0], (sste_mma_order)order, w, 128, 64,
                       128, operands[i], (sste_mma_rule)rule, NULL, NULL));
        add_bytes(&hash, meta[0], bytes);
        add(&hash, (uint64_t)sste_mma_meta_reorder(
                       meta[1], SSTE_MMA_ROW_MAJOR, meta[0],
                       (sste_mma_order)order, operands[i], 64, 128));
        add_bytes(&hash, meta[1], bytes);
        add(&hash, (uint64_t)sste_mma_load(regs, op, SSTE_MMA_A, values, 64));
        for (k = 0; k < 4 * 32; ++k) add(&hash, regs[k]);
        add(&hash,
            (uint64_t)sste_mma_meta_load(e, op, 0, meta[1], i == 2 ? 32 : 16));
        for (k = 0; k < 32; ++k) add(&hash, e[k]);
        add(&hash, (uint64_t)sste_mma_store(values, 64, op, SSTE_MMA_A, regs));
      }
  return hash;
}

/* Sums of random codes, by every model. */
static uint64_t cores(void) {
  sste_mma_model (*const model[5])(sste_mma_type) = {
      sste_mma_ampere, sste_mma_ada, sste_mma_hopper, sste_mma_hopper_wgmma,
      sste_mma_blackwell};
  uint64_t hash = 0, state = 32;
  int i, m, run, p;
  for (i = 0; i < 7; ++i)
    for (m = 0; m < 5; ++m)
      for (run = 0; run < 400; ++run) {
        sste_mma_op op = sparse_of(i);
        const sste_mma_model core = model[m](op.a);
        uint32_t a[32], b[32];
        const uint32_t c = run % 3 == 0 ? (uint32_t)draw(&state) : 0;
        if (sste_mma_model_check(core) != SSTE_OK) continue;
        if (i == 0 && run % 2) op.d = SSTE_MMA_F16;
        op.saturate = op.d == SSTE_MMA_S32 && run % 2;
        for (p = 0; p < 32; ++p) {
          a[p] = (uint32_t)draw(&state);
          b[p] = (uint32_t)draw(&state);
          if (run % 4) { /* exponents that do not drown each other */
            a[p] &= i == 2 ? 0xBFFFFFFFu : 0xBFBFu;
            b[p] &= i == 2 ? 0xBFFFFFFFu : 0xBFBFu;
          }
        }
        add(&hash, sste_mma_dot(op, core, a, b, op.k / 2, c));
      }
  return hash;
}

/* ---- Modes --------------------------------------------------------------- */

/* What a family stays the same under. */
enum { STRICT, NEAREST, ANY_MODE };
typedef struct family {
  const char *name;
  uint64_t (*hash)(void);
  int survives; /* STRICT: none; NEAREST: flushing; ANY_MODE: all */
} family;
static const family families[] = {
    {"convert", convert, ANY_MODE},
    {"presets", presets, ANY_MODE},
    {"decode", decode, ANY_MODE},
    {"products", products, ANY_MODE},
    {"named", named, NEAREST},
    {"scale", scale, STRICT},
    {"tensors", tensors, STRICT},
    {"boundaries", boundaries, ANY_MODE},
    {"verdicts", verdicts, STRICT},
    {"draws", draws, STRICT},
    {"reports", reports, STRICT},
    {"patterns", patterns, STRICT},
    {"projected", projected, STRICT},
    {"masks", masks, STRICT},
    {"sums", sums, STRICT},
    {"compressed", compressed, STRICT},
    {"samples", samples, STRICT},
    {"sampled", sampled, STRICT},
    {"training", training, STRICT},
    {"layers", layers, STRICT},
    {"fragments", fragments, ANY_MODE},
    {"cores", cores, ANY_MODE},
};
enum { FAMILIES = (int)(sizeof families / sizeof families[0]) };

/* Subnormal operands and results become 0; for good. */
static void flush_to_zero(void) {
#if defined(__SSE2__)
  _mm_setcsr(_mm_getcsr() | 0x8040u);
#elif defined(__aarch64__)
  uint64_t control;
  __asm__ volatile("mrs %0, fpcr" : "=r"(control));
  __asm__ volatile("msr fpcr, %0" : : "r"(control | (uint64_t)1 << 24));
#endif
}
static int is_flushing(void) {
  volatile uint32_t one = 1; /* 2^-149 */
  volatile float smallest = FLT_MIN, half = 0.5f, large = 0x1p60f;
  volatile float operand = sste_priv_float(one) * large;
  volatile float result = smallest * half;
  return operand == 0.0f && result == 0.0f;
}

/* The sums of 1 and -1 with 3/4 of the spacing tell the modes apart. */
static int is_rounding(int mode) {
  volatile float one = 1.0f, more = 0x1.8p-24f, minus = -1.0f, sum, negative;
  sum = one + more;
  negative = minus - more;
  switch (mode) {
    case FE_UPWARD: return sum > 1.0f && negative >= -1.0f;
    case FE_DOWNWARD: return sum <= 1.0f && negative < -1.0f;
    case FE_TOWARDZERO: return sum <= 1.0f && negative >= -1.0f;
    default: return sum > 1.0f && negative < -1.0f;
  }
}

/* The families again, as far as they survive; how many differ from `first`. */
static int compare(const uint64_t *first, const char *mode, int nearest) {
  int i, differ = 0;
  for (i = 0; i < FAMILIES; ++i) {
    if (families[i].survives == STRICT) continue;
    if (families[i].survives == NEAREST && !nearest) continue;
    if (families[i].hash() == first[i]) continue;
    fprintf(stderr, "portable: %s differs: %s\n", families[i].name, mode);
    ++differ;
  }
  return differ;
}

int main(void) {
  static const int mode[4] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD,
                              FE_TOWARDZERO};
  static const char *const name[2][4] = {
      {"to nearest", "upward", "downward", "toward zero"},
      {"to nearest, flushing", "upward, flushing", "downward, flushing",
       "toward zero, flushing"}};
  uint64_t first[FAMILIES];
  int flush, i, modes = 0, differ = 0;
  name_formats();
  for (i = 0; i < FAMILIES; ++i) {
    first[i] = families[i].hash();
    printf("%-10s %08lX%08lX\n", families[i].name,
           (unsigned long)(first[i] >> 32),
           (unsigned long)(first[i] & 0xFFFFFFFFu));
  }
  for (flush = 0; flush < 2; ++flush) {
    if (flush) flush_to_zero();
    if (flush && !is_flushing()) break;
    for (i = 0; i < 4; ++i) {
      if (fesetround(mode[i]) != 0 || !is_rounding(mode[i])) continue;
      ++modes;
      differ += compare(first, name[flush][i], mode[i] == FE_TONEAREST);
      fesetround(FE_TONEAREST);
    }
  }
  printf("modes      %d\n", modes);
  return differ != 0;
}
