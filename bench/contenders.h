/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * contenders.h - who races: the functions of sste_fp8.h, copies of the same
 * bytes, and other ways to the same codes. All see the same data, a row-major
 * matrix, and share its rows among the threads.
 */
#ifndef SSTE_BENCH_CONTENDERS_H
#define SSTE_BENCH_CONTENDERS_H

#include "bench.h"

#ifndef SSTE_HAVE_CUDA_FP8
#define SSTE_HAVE_CUDA_FP8 0
#endif
#if SSTE_HAVE_CUDA_FP8
#include <cuda_fp8.h>
#endif

/* Encoders make code of x, decoders y of code, rounders y of x; copies take x
 * and y as bytes, of which both have room for 5 n.                          */
typedef struct bench_job {
  float *x, *y;
  uint8_t *code;
  size_t rows, cols;
  float scale;
} bench_job;

enum { BENCH_COPY, BENCH_ENCODE, BENCH_DECODE, BENCH_ROUND };

typedef struct bench_contender {
  const char *name;
  int task;
  void (*run)(const struct bench_contender *, const bench_job *);
  sste_fp8_format (*format)(void);
  int like;   /* SSTE_LIKE_OCP (saturating), ... */
  int scaled; /* 0: by 1; 1: by the job's scale */
  int undo;   /* SSTE_APPLY_DIVIDE, ... */
} bench_contender;

static inline float bench_scale(const bench_contender *c,
                                const bench_job *job) {
  return c->scaled ? job->scale : 1.0f;
}

static inline sste_fp8_recipe bench_recipe(const bench_contender *c) {
  sste_fp8_recipe how = sste_fp8_recipe_current(c->format());
  how.rule = sste_fp8_rule_like(c->like, how.format, sste_fp8_float32());
  how.undo = c->undo;
  return how;
}

/* ---- The library --------------------------------------------------------- */

static void bench_tensor_encode(const bench_contender *c,
                                const bench_job *job) {
  const float scale = bench_scale(c, job);
  sste_fp8_tensor_encode(job->code, job->cols, job->x, job->cols, job->rows,
                         job->cols, &scale, bench_recipe(c));
}
static void bench_tensor_decode(const bench_contender *c,
                                const bench_job *job) {
  const float scale = bench_scale(c, job);
  sste_fp8_tensor_decode(job->y, job->cols, job->code, job->cols, job->rows,
                         job->cols, &scale, bench_recipe(c));
}
static void bench_tensor_round(const bench_contender *c, const bench_job *job) {
  const float scale = bench_scale(c, job);
  sste_fp8_tensor_round(job->y, job->cols, job->x, job->cols, job->rows,
                        job->cols, &scale, bench_recipe(c));
}

/* ---- Loops --------------------------------------------------------------- */

/* A contender that is one expression of x[i], or of code[i], in a loop. */
#define BENCH_LOOP(name, hint, out, expression)                            \
  static void name(const bench_contender *c, const bench_job *job) {       \
    ptrdiff_t r;                                                           \
    (void)c;                                                               \
    SSTE_OMP(parallel for schedule(static))                                \
    for (r = 0; r < (ptrdiff_t)job->rows; ++r) {                           \
      const size_t start = (size_t)r * job->cols;                          \
      const float *x = job->x + start;                                     \
      uint8_t *code = job->code + start;                                   \
      float *y = job->y + start;                                           \
      ptrdiff_t i;                                                         \
      (void)x, (void)y, (void)code;                                        \
      hint for (i = 0; i < (ptrdiff_t)job->cols; ++i) out[i] = expression; \
    }                                                                      \
  }
#define BENCH_SIMD SSTE_OMP(simd)
#define BENCH_PLAIN

BENCH_LOOP(bench_oracle, BENCH_PLAIN, code,
           sste_fp8_encode(sste_fp8_e4m3fn(), x[i]))
BENCH_LOOP(bench_named_encode, BENCH_SIMD, code, sste_fp8_e4m3fn_encode(x[i]))
BENCH_LOOP(bench_named_decode, BENCH_SIMD, y, sste_fp8_e4m3fn_decode(code[i]))
BENCH_LOOP(bench_narrow, BENCH_SIMD, code,
           (uint8_t)(sste_priv_bits(x[i]) >> 24))
BENCH_LOOP(bench_widen, BENCH_SIMD, y, sste_priv_float((uint32_t)code[i] << 24))

/* The upper half of a float tells its code, if one bit more says whether the
 * lower half is 0: 65,536 entries, made once.                               */
static uint8_t bench_table[65536];
static float bench_values[256];

static void bench_fill_tables(void) {
  const sste_fp8_format f = sste_fp8_e4m3fn();
  uint32_t i;
  for (i = 0; i < 65536; ++i)
    bench_table[i] = sste_fp8_encode(f, sste_priv_float(i << 16));
  for (i = 0; i < 256; ++i) bench_values[i] = sste_fp8_decode(f, i);
}
static inline uint32_t bench_index(float x) {
  const uint32_t bits = sste_priv_bits(x);
  return bits >> 16 | ((bits & 0xFFFFu) != 0);
}
BENCH_LOOP(bench_table_encode, BENCH_PLAIN, code,
           bench_table[bench_index(x[i])])
BENCH_LOOP(bench_table_decode, BENCH_PLAIN, y, bench_values[code[i]])

#if SSTE_HAVE_CUDA_FP8
BENCH_LOOP(bench_nvidia_e4m3, BENCH_PLAIN, code,
           __nv_cvt_float_to_fp8(x[i], __NV_SATFINITE, __NV_E4M3))
BENCH_LOOP(bench_nvidia_e5m2, BENCH_PLAIN, code,
           __nv_cvt_float_to_fp8(x[i], __NV_SATFINITE, __NV_E5M2))
#else
#define bench_nvidia_e4m3 NULL
#define bench_nvidia_e5m2 NULL
#endif

/* ---- Copies -------------------------------------------------------------- */

static void bench_copy_5(const bench_contender *c, const bench_job *job) {
  (void)c;
  bench_memcpy(job->y, job->x, job->rows * job->cols * 5);
}
static void bench_copy_half(const bench_contender *c, const bench_job *job) {
  (void)c;
  bench_memcpy(job->y, job->x, job->rows * job->cols * 5 / 2);
}

/* ---- The field ----------------------------------------------------------- */

/* A contender that this build lacks has no `run`. The first two are what the
 * others are measured by.                                                   */
static const bench_contender bench_field[] = {
    {"memcpy of 5 bytes per value", BENCH_COPY, bench_copy_5, NULL, 0, 0, 0},
    {"memcpy of 2.5 bytes per value", BENCH_COPY, bench_copy_half, NULL, 0, 0,
     0},
    {"top byte of each float", BENCH_COPY, bench_narrow, NULL, 0, 0, 0},
    {"byte to top of a float", BENCH_COPY, bench_widen, NULL, 0, 0, 0},
    {"tensor_encode E4M3FN", BENCH_ENCODE, bench_tensor_encode, sste_fp8_e4m3fn,
     SSTE_LIKE_OCP, 0, SSTE_APPLY_DIVIDE},
    {"tensor_encode E4M3FN scaled", BENCH_ENCODE, bench_tensor_encode,
     sste_fp8_e4m3fn, SSTE_LIKE_OCP, 1, SSTE_APPLY_DIVIDE},
    {"tensor_encode E4M3FN NOSAT", BENCH_ENCODE, bench_tensor_encode,
     sste_fp8_e4m3fn, SSTE_LIKE_CUDA_NOSAT, 0, SSTE_APPLY_DIVIDE},
    {"tensor_encode E4M3FN ml_dtypes", BENCH_ENCODE, bench_tensor_encode,
     sste_fp8_e4m3fn, SSTE_LIKE_ML_DTYPES_0_6, 0, SSTE_APPLY_DIVIDE},
    {"tensor_encode E5M2", BENCH_ENCODE, bench_tensor_encode, sste_fp8_e5m2,
     SSTE_LIKE_OCP, 0, SSTE_APPLY_DIVIDE},
    {"tensor_encode E5M2 scaled", BENCH_ENCODE, bench_tensor_encode,
     sste_fp8_e5m2, SSTE_LIKE_OCP, 1, SSTE_APPLY_DIVIDE},
    {"tensor_encode E3M4", BENCH_ENCODE, bench_tensor_encode, sste_fp8_e3m4,
     SSTE_LIKE_OCP, 0, SSTE_APPLY_DIVIDE},
    {"tensor_encode E3M4 scaled", BENCH_ENCODE, bench_tensor_encode,
     sste_fp8_e3m4, SSTE_LIKE_OCP, 1, SSTE_APPLY_DIVIDE},
    {"fp8_e4m3fn_encode in a loop", BENCH_ENCODE, bench_named_encode,
     sste_fp8_e4m3fn, SSTE_LIKE_OCP, 0, 0},
    {"fp8_encode in a loop", BENCH_ENCODE, bench_oracle, sste_fp8_e4m3fn,
     SSTE_LIKE_OCP, 0, 0},
    {"64 Ki table E4M3FN", BENCH_ENCODE, bench_table_encode, sste_fp8_e4m3fn,
     SSTE_LIKE_OCP, 0, 0},
    {"NVIDIA host E4M3", BENCH_ENCODE, bench_nvidia_e4m3, sste_fp8_e4m3fn,
     SSTE_LIKE_CUDA_SATFINITE, 0, 0},
    {"NVIDIA host E5M2", BENCH_ENCODE, bench_nvidia_e5m2, sste_fp8_e5m2,
     SSTE_LIKE_CUDA_SATFINITE, 0, 0},
    {"tensor_decode E4M3FN divide", BENCH_DECODE, bench_tensor_decode,
     sste_fp8_e4m3fn, SSTE_LIKE_OCP, 1, SSTE_APPLY_DIVIDE},
    {"tensor_decode E4M3FN reciprocal", BENCH_DECODE, bench_tensor_decode,
     sste_fp8_e4m3fn, SSTE_LIKE_OCP, 1, SSTE_APPLY_RECIPROCAL},
    {"tensor_decode E5M2 divide", BENCH_DECODE, bench_tensor_decode,
     sste_fp8_e5m2, SSTE_LIKE_OCP, 1, SSTE_APPLY_DIVIDE},
    {"tensor_decode E5M2 reciprocal", BENCH_DECODE, bench_tensor_decode,
     sste_fp8_e5m2, SSTE_LIKE_OCP, 1, SSTE_APPLY_RECIPROCAL},
    {"tensor_decode E3M4 divide", BENCH_DECODE, bench_tensor_decode,
     sste_fp8_e3m4, SSTE_LIKE_OCP, 1, SSTE_APPLY_DIVIDE},
    {"tensor_decode E3M4 reciprocal", BENCH_DECODE, bench_tensor_decode,
     sste_fp8_e3m4, SSTE_LIKE_OCP, 1, SSTE_APPLY_RECIPROCAL},
    {"fp8_e4m3fn_decode in a loop", BENCH_DECODE, bench_named_decode,
     sste_fp8_e4m3fn, SSTE_LIKE_OCP, 0, SSTE_APPLY_DIVIDE},
    {"256-entry table E4M3FN", BENCH_DECODE, bench_table_decode,
     sste_fp8_e4m3fn, SSTE_LIKE_OCP, 0, SSTE_APPLY_DIVIDE},
    {"tensor_round E4M3FN", BENCH_ROUND, bench_tensor_round, sste_fp8_e4m3fn,
     SSTE_LIKE_OCP, 1, SSTE_APPLY_DIVIDE},
    {"tensor_round E5M2", BENCH_ROUND, bench_tensor_round, sste_fp8_e5m2,
     SSTE_LIKE_OCP, 1, SSTE_APPLY_DIVIDE},
    {"tensor_round E3M4", BENCH_ROUND, bench_tensor_round, sste_fp8_e3m4,
     SSTE_LIKE_OCP, 1, SSTE_APPLY_DIVIDE},
};
enum { BENCH_FIELD = (int)(sizeof bench_field / sizeof bench_field[0]) };

/* ---- Are they right? ----------------------------------------------------- */

/* The code of x, and the value of a code, by the definitions alone. */
static inline uint8_t bench_want_code(const bench_contender *c, float scale,
                                      float x) {
  const sste_fp8_recipe how = bench_recipe(c);
  const int is_nan = sste_priv_magnitude(x) == SSTE_PRIV_NAN;
  return sste_fp8_encode_float(how.format, how.rule, is_nan ? x : x * scale, 0);
}
static inline float bench_want_value(const bench_contender *c, float scale,
                                     uint8_t code) {
  const float value = sste_fp8_decode(c->format(), code);
  return sste_priv_canonical(c->undo == SSTE_APPLY_RECIPROCAL
                                 ? value * (1.0f / scale)
                                 : value / scale);
}

/* Runs a contender; how many of its codes or values are wrong. */
static inline size_t bench_wrong(const bench_contender *c,
                                 const bench_job *job) {
  const size_t n = job->rows * job->cols;
  const float scale = bench_scale(c, job);
  size_t i, wrong = 0;
  if (c->run == NULL || c->task == BENCH_COPY) return 0;
  memset(job->y, 0xCA, n * sizeof *job->y);
  if (c->task == BENCH_DECODE)
    for (i = 0; i < n; ++i) job->code[i] = (uint8_t)(i * 151 >> 3);
  else
    memset(job->code, 0xCA, n);
  c->run(c, job);
  for (i = 0; i < n; ++i) {
    uint8_t code = job->code[i];
    if (c->task != BENCH_DECODE) code = bench_want_code(c, scale, job->x[i]);
    if (c->task == BENCH_ENCODE)
      wrong += job->code[i] != code;
    else
      wrong += sste_priv_bits(job->y[i]) !=
               sste_priv_bits(bench_want_value(c, scale, code));
  }
  return wrong;
}

#endif /* SSTE_BENCH_CONTENDERS_H */
