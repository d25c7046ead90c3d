/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * cuda/fp8.cuh - FP8 codes of scaled floats and back, a thread for every four
 * of a row, or what is left of it at its end.
 */
#ifndef SSTE_CUDA_FP8_CUH
#define SSTE_CUDA_FP8_CUH

#include "mask.cuh"

/* Four floats as they are, -0 and all; on the GPU in one access where they are
 * aligned to 16 bytes. Four bytes likewise. */
SSTE_HD static inline void sste_priv_cuda_put4(float *p, const float x[4]) {
  int k;
#ifdef __CUDA_ARCH__
  if (((uintptr_t)p & 15) == 0) {
    *(float4 *)p = make_float4(x[0], x[1], x[2], x[3]);
    return;
  }
#endif
  for (k = 0; k < 4; ++k) p[k] = x[k];
}
SSTE_HD static inline void sste_priv_cuda_load4_bytes(uint8_t byte[4],
                                                      const uint8_t *p) {
  int k;
#ifdef __CUDA_ARCH__
  if (((uintptr_t)p & 3) == 0) {
    const uchar4 v = *(const uchar4 *)p;
    byte[0] = v.x, byte[1] = v.y, byte[2] = v.z, byte[3] = v.w;
    return;
  }
#endif
  for (k = 0; k < 4; ++k) byte[k] = p[k];
}

/* Both ways, with the constants of the format for the CPU's fast path. */
typedef struct sste_priv_cuda_fp8 {
  const void *from;
  void *to;
  const float *scale;
  size_t ldf, ldt, cols;
  size_t fours; /* in a row; its last may be less than four */
  sste_fp8_recipe how;
  sste_priv_fp8_fast k;
} sste_priv_cuda_fp8;

/* Item i is columns c to c + n - 1 of a row. */
typedef struct sste_priv_cuda_fp8_part {
  size_t from, to, n;
  float scale;
} sste_priv_cuda_fp8_part;

SSTE_HD static inline sste_priv_cuda_fp8_part sste_priv_cuda_fp8_part_of(
    const sste_priv_cuda_fp8 *p, size_t i) {
  const size_t row = i / p->fours, c = i % p->fours * 4;
  sste_priv_cuda_fp8_part part;
  part.from = row * p->ldf + c;
  part.to = row * p->ldt + c;
  part.n = p->cols - c < 4 ? p->cols - c : 4;
  part.scale = p->scale[p->how.per_row ? row : 0];
  return part;
}

/* As a row is encoded on the CPU, by the addition that rounds or by integers. A
 * NaN keeps its sign through the scale, where processors differ; one that comes
 * of a scale that the CPU refuses, of 0 * infinity, is the same everywhere. */
SSTE_HD static inline uint8_t sste_priv_cuda_fp8_code(
    const sste_priv_cuda_fp8 *p, float x, float scale, int fast) {
  const float scaled = sste_priv_fp8_apply(x, scale, p->how.apply);
  const int is_nan = sste_priv_magnitude(x) == SSTE_PRIV_NAN;
  const float y = is_nan ? x : sste_priv_canonical(scaled);
  return fast ? sste_priv_fp8_fast_encode(p->k, y, y)
              : sste_fp8_encode_float(p->how.format, p->how.rule, y, 0);
}

SSTE_HD static inline float sste_priv_cuda_fp8_value(
    const sste_priv_cuda_fp8 *p, uint8_t code, float scale) {
  const float x = p->how.format.sign_bits == 1
                      ? sste_priv_fp8_fast_decode(p->k, code)
                      : sste_fp8_decode(p->how.format, code);
  return sste_priv_canonical(sste_priv_fp8_apply(x, scale, p->how.undo));
}

SSTE_HD static inline void sste_priv_cuda_fp8_encode_part(
    const sste_priv_cuda_fp8 *p, size_t i, int fast) {
  const sste_priv_cuda_fp8_part part = sste_priv_cuda_fp8_part_of(p, i);
  const float *from = (const float *)p->from + part.from;
  uint8_t *to = (uint8_t *)p->to + part.to, code[4];
  float x[4];
  size_t k;
  if (part.n < 4) {
    for (k = 0; k < part.n; ++k)
      to[k] = sste_priv_cuda_fp8_code(p, from[k], part.scale, fast);
    return;
  }
  sste_priv_cuda_load4(x, from, SSTE_FLOAT32, 0);
  for (k = 0; k < 4; ++k)
    code[k] = sste_priv_cuda_fp8_code(p, x[k], part.scale, fast);
  sste_priv_cuda_save4_bytes(to, code);
}

/* Two kernels: the registers of the integers would slow down the addition. */
typedef sste_priv_cuda_fp8 sste_priv_cuda_encode_args;
SSTE_HD static inline void sste_priv_cuda_encode_item(
    const sste_priv_cuda_encode_args *p, size_t i) {
  sste_priv_cuda_fp8_encode_part(p, i, 1);
}
SSTE_ITEMS(sste_priv_cuda_encode)

typedef sste_priv_cuda_fp8 sste_priv_cuda_convert_args;
SSTE_HD static inline void sste_priv_cuda_convert_item(
    const sste_priv_cuda_convert_args *p, size_t i) {
  sste_priv_cuda_fp8_encode_part(p, i, 0);
}
SSTE_ITEMS(sste_priv_cuda_convert)

typedef sste_priv_cuda_fp8 sste_priv_cuda_decode_args;
SSTE_HD static inline void sste_priv_cuda_decode_item(
    const sste_priv_cuda_decode_args *p, size_t i) {
  const sste_priv_cuda_fp8_part part = sste_priv_cuda_fp8_part_of(p, i);
  const uint8_t *from = (const uint8_t *)p->from + part.from;
  float *to = (float *)p->to + part.to;
  uint8_t code[4];
  float x[4];
  size_t k;
  if (part.n < 4) {
    for (k = 0; k < part.n; ++k)
      to[k] = sste_priv_cuda_fp8_value(p, from[k], part.scale);
    return;
  }
  sste_priv_cuda_load4_bytes(code, from);
  for (k = 0; k < 4; ++k)
    x[k] = sste_priv_cuda_fp8_value(p, code[k], part.scale);
  sste_priv_cuda_put4(to, x);
}
SSTE_ITEMS(sste_priv_cuda_decode)

/* What the CPU checks but the scales, which lie on the GPU; and the arguments.
 * Nothing is to be launched where p->fours is 0. */
static inline sste_status sste_priv_cuda_fp8_prepare(
    sste_priv_cuda_fp8 *p, void *to, size_t ldt, size_t to_size,
    const void *from, size_t ldf, size_t from_size, size_t rows, size_t cols,
    const float *scale, sste_fp8_recipe how) {
  const size_t count = how.per_row ? rows : 1;
  sste_status s =
      sste_priv_two(to, ldt, to_size, from, ldf, from_size, rows, cols);
  p->fours = 0;
  if (s == SSTE_OK) s = sste_fp8_recipe_check(how);
  if (s != SSTE_OK || rows == 0 || cols == 0) return s;
  s = sste_priv_matrix(scale, 1, count, count, sizeof *scale);
  if (s != SSTE_OK) return s;
  if (sste_priv_overlap(to, rows, cols, ldt, to_size, scale, 1, count, count,
                        sizeof *scale))
    return SSTE_ERR_OVERLAP;
  p->from = from;
  p->to = to;
  p->scale = scale;
  p->ldf = ldf;
  p->ldt = ldt;
  p->cols = cols;
  p->fours = (cols - 1) / 4 + 1;
  p->how = how;
  p->k = sste_priv_fp8_constants(how.format, how.rule);
  return SSTE_OK;
}

/* The launchers; their promises are in sste_cuda.h. */
SSTE_CUDA_API sste_status sste_cuda_fp8_encode(uint8_t *code, size_t ldc,
                                               const float *x, size_t ldx,
                                               size_t rows, size_t cols,
                                               const float *scale,
                                               sste_fp8_recipe how,
                                               sste_cuda_stream stream) {
  sste_priv_cuda_fp8 p;
  const sste_status s = sste_priv_cuda_fp8_prepare(
      &p, code, ldc, sizeof *code, x, ldx, sizeof *x, rows, cols, scale, how);
  if (s != SSTE_OK || p.fours == 0) return s;
  return sste_priv_fp8_is_fast(how.format, how.rule)
             ? sste_priv_cuda_encode_launch(&p, rows * p.fours, stream)
             : sste_priv_cuda_convert_launch(&p, rows * p.fours, stream);
}

SSTE_CUDA_API sste_status sste_cuda_fp8_decode(float *x, size_t ldx,
                                               const uint8_t *code, size_t ldc,
                                               size_t rows, size_t cols,
                                               const float *scale,
                                               sste_fp8_recipe how,
                                               sste_cuda_stream stream) {
  sste_priv_cuda_fp8 p;
  const sste_status s = sste_priv_cuda_fp8_prepare(
      &p, x, ldx, sizeof *x, code, ldc, sizeof *code, rows, cols, scale, how);
  if (s != SSTE_OK || p.fours == 0) return s;
  return sste_priv_cuda_decode_launch(&p, rows * p.fours, stream);
}

#endif /* SSTE_CUDA_FP8_CUH */
