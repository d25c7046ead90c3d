/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * device.cu - the scalar and group functions compile for the GPU as they are.
 */
#include "sste_check.h"
#include "sste_mma.h"
#include "sste_train.h"

__global__ void every_scalar_function(float *x, double *p, uint8_t *code) {
  const sste_fp8_format f = sste_fp8_e4m3fn();
  const sste_mvue_stream stream = {1, 2, 3, 4, 5};
  float values[2];
  code[0] = sste_fp8_encode(f, x[0]);
  x[1] = sste_fp8_decode(sste_fp8_e5m2(), code[1]) + sste_fp8_max(f);
  x[2] = sste_fp8_round(sste_fp8_e3m4(), x[2]);
  code[5] = sste_fp8_encode_double(
      f, sste_fp8_rule_like(SSTE_LIKE_CUDA_NOSAT, f, sste_fp8_float64()), p[0],
      0);
  code[6] = sste_fp8_e5m2fnuz_encode(sste_fp8_e4m3b11fnuz_decode(code[6]));
  x[3] = sste_fp8_scale(sste_fp8_recipe_current(sste_fp8_e3m4fn()), x[3]);
  sste_mvue24_group_prob(p, x);
  sste_mvue24_group_draw(x, x, sste_mvue_word(&stream, 0, 0));
  sste_mvue12_group_prob(p, x);
  sste_mvue12_group_draw(x, x, sste_mvue_word(&stream, 0, 1));
  x[4] = sste_group_threshold(x);
  code[1] = (uint8_t)sste_group_mask(x, SSTE_TIE_LOWER);
  code[2] = (uint8_t)sste_group_project(x, x);
  code[3] = (uint8_t)sste_group_compress(values, x);
  code[4] = (uint8_t)sste_nibble_check(code[3]);
  code[5] = (uint8_t)sste_group_decompress(x, values, code[3]);
}

__global__ void every_function_for_tests(float *x, double *p, uint64_t *code) {
  const sste_fp8_format f = sste_fp8_e4m3fn(), g = sste_fp8_float32();
  code[0] = sste_check_code(f, sste_check_rank(f, code[0]));
  code[1] = sste_check_ulps(f, code[0], sste_check_next(f, code[1], 2));
  code[2] = sste_check_boundary(f, g, sste_check_boundary_count(f, g) - 1);
  code[3] = sste_check_mvue_word(x, 3);
  sste_check_group_draw(x, SSTE_DRAW_WEIGHTS, 1, 2, 3);
  code[4] = (uint64_t)sste_check_within(f, sste_fp8_saturating(), code[0], p[0],
                                        sste_check_bound(SSTE_SUM_FLOAT, 9));
}

__global__ void every_function_of_the_tensor_core(uint32_t *x, double *p) {
  const sste_mma_op op = sste_mma_sparse(SSTE_MMA_F16, 32);
  const sste_mma_model model = sste_mma_hopper(op.a);
  const sste_mma_place a = sste_mma_place_of(op, SSTE_MMA_A, 1, 2);
  const sste_mma_place e = sste_mma_meta_place(op, 1, 3, 4);
  x[0] = (uint32_t)(sste_mma_index_of(op, SSTE_MMA_A, a).row +
                    sste_mma_meta_index(op, 1, e).col);
  x[1] = (uint32_t)sste_mma_nibble(SSTE_MMA_LIKE_TORCH, op.a, (int)x[1]);
  x[2] = (uint32_t)sste_mma_meta_at(SSTE_MMA_CUTLASS2, op.a, 32, 32, x[2], 0);
  x[3] = sste_mma_step(op, model, x + 4, x + 8, 4, x[3]);
  x[4] = sste_mma_dot(op, sste_mma_ampere(op.a), x + 4, x + 8, 4, x[4]);
  x[5] =
      (uint32_t)(sste_mma_op_check(op) + sste_mma_model_check(model) +
                 sste_mma_nibble_check((int)x[5], op.a) +
                 sste_mma_selectors(op) + sste_mma_registers(op, SSTE_MMA_B));
  p[0] = sste_mma_bound(sste_mma_dense(SSTE_MMA_TF32, 8),
                        sste_mma_ada(SSTE_MMA_TF32), 9) +
         sste_mma_bound(op, sste_mma_blackwell(op.a), 9) +
         sste_mma_bound(op, sste_mma_hopper_wgmma(op.a), 9);
}
