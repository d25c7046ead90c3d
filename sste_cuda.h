/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * sste_cuda.h - the same on the GPU: kernels for the chain of S-STE, whose bits
 * are those of the CPU's functions.
 *
 * Included from one .cu file it defines everything below; included from C or
 * C++ it declares it, so that a C program links what nvcc has compiled:
 *
 *     nvcc -O3 -arch=sm_80 -I. -c kernels.cu
 *     cc -std=c99 -I. -isystem $CUDA/include program.c kernels.o \
 *        -L$CUDA/lib64 -lcudart -lstdc++ -lm
 *
 * with $CUDA where CUDA is, 12.5 or later: ordered_metadata came with it.
 *
 * Pointers to matrices, scales and results are the device's, small structs the
 * host's. Every launcher takes a stream, checks its arguments before it
 * launches anything, returns a status, and neither allocates nor waits; DEVICE
 * is a launch that CUDA refused. Pointers are aligned to their elements, which
 * is not checked. The elementwise kernels call the scalar functions of the CPU
 * headers, so that the two agree by construction; the matrix product adds as
 * the tensor core does (sste_mma.h), and is exact on integers whose sums stay
 * below 2^24. All of it is for sm_80 and later.
 *
 *   1. Weights     project, masks, beta
 *   2. FP8         encode, decode
 *   3. Gradients   MVUE
 *   4. Storage     compress, decompress, and projection with compression
 *   5. Products    2:4 sparse times dense
 *   6. The device  what its compiler's flags break
 *
 * Matrices are row-major with a leading dimension in elements. What a status
 * cannot say, as it lies on the GPU, is said of each function: what becomes of
 * a matrix that is not 2:4, of a scale that is not finite.
 *
 * The kernels are in cuda/, one file each, to be read after the headers whose
 * functions they call. Do not compile with -use_fast_math or -ftz=true.     */
#ifndef SSTE_CUDA_H
#define SSTE_CUDA_H

#include "sste_mma.h"
#include "sste_train.h"

/* SSTE_CUDA_DECLARE: 1 declares only, in further .cu files of a program. */
#ifndef SSTE_CUDA_DECLARE
#define SSTE_CUDA_DECLARE 0
#endif

/* SSTE_CUDA_ON_HOST: 1 defines all functions for the CPU instead, where they
 * run the kernels' text over host memory. For tests. */
#ifndef SSTE_CUDA_ON_HOST
#define SSTE_CUDA_ON_HOST 0
#endif

/* A CUDA stream, without CUDA's headers: cudaStream_t is this type. */
typedef struct CUstream_st *sste_cuda_stream;

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. Weights ---------------------------------------------------------- */

/* sste_cuda_project - W~ = beta * S(W), as sste_tensor_project, and for float16
 * and bfloat16 as sste_tensor_project_nm with 2:4 along the rows.
 *   out       receives rows x cols elements of type, rows ldo apart; may be w
 *   w         rows x cols elements, rows ldw apart; cols a multiple of 4
 *   type      SSTE_FLOAT32, _FLOAT16 or _BFLOAT16
 *   beta      finite and positive
 *   BITWISE. Overwrites out.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (type, beta), DEVICE.         */
sste_status sste_cuda_project(void *out, size_t ldo, const void *w, size_t ldw,
                              size_t rows, size_t cols, sste_type type,
                              float beta, sste_cuda_stream stream);

/* sste_cuda_mask - the hard magnitude mask, as sste_tensor_mask, of floats,
 * float16 or bfloat16.
 *   mask      receives rows x cols bytes, 0 or 1, rows ldm apart; apart from w
 *   tie       SSTE_TIE_LOWER or _HIGHER
 *   BITWISE. Overwrites mask.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (type, tie), DEVICE.          */
sste_status sste_cuda_mask(uint8_t *mask, size_t ldm, const void *w, size_t ldw,
                           size_t rows, size_t cols, sste_type type,
                           sste_tie tie, sste_cuda_stream stream);

/* sste_cuda_mask_transposable - the best mask that is 2:4 both ways, as
 * sste_tensor_mask_transposable; rows and cols multiples of 4.
 *   BITWISE. Overwrites mask. Errors: NULL, SHAPE, SIZE, OVERLAP, DEVICE.   */
sste_status sste_cuda_mask_transposable(uint8_t *mask, size_t ldm,
                                        const float *w, size_t ldw, size_t rows,
                                        size_t cols, sste_cuda_stream stream);

/* sste_cuda_beta_bytes - how much scratch sste_cuda_beta needs, on the device.
 *   Overwrites bytes. Errors: NULL, SIZE.                                   */
sste_status sste_cuda_beta_bytes(size_t *bytes, size_t rows, size_t cols);

/* sste_cuda_beta - beta = <W,S> / <S,S>, as sste_tensor_beta, summed in the
 * same fixed tree: once, when training starts, as S-STE freezes it.
 *   beta      receives one float on the device. Where the CPU has a status, for
 *             a projection that is zero everywhere or a result that is not
 *             finite, it is NaN
 *   w         rows x cols floats, rows ldw apart; cols a multiple of 4
 *   scratch   `bytes` on the device, aligned to 8; apart from w and beta
 *   BITWISE. Overwrites beta and scratch.
 *   Errors: NULL, SHAPE, SIZE (bytes), OVERLAP, DEVICE.                     */
sste_status sste_cuda_beta(float *beta, const float *w, size_t ldw, size_t rows,
                           size_t cols, void *scratch, size_t bytes,
                           sste_cuda_stream stream);

/* ---- 2. FP8 -------------------------------------------------------------- */

/* sste_cuda_fp8_encode, _decode - as sste_fp8_tensor_encode and _decode.
 *   scale     on the device: one float or, if how.per_row, `rows`. What is not
 *             finite and positive is not refused, and follows IEEE 754
 *   how       the recipe; its rule is not stochastic
 *   BITWISE. Overwrites code or x.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (how), DEVICE.                */
sste_status sste_cuda_fp8_encode(uint8_t *code, size_t ldc, const float *x,
                                 size_t ldx, size_t rows, size_t cols,
                                 const float *scale, sste_fp8_recipe how,
                                 sste_cuda_stream stream);
sste_status sste_cuda_fp8_decode(float *x, size_t ldx, const uint8_t *code,
                                 size_t ldc, size_t rows, size_t cols,
                                 const float *scale, sste_fp8_recipe how,
                                 sste_cuda_stream stream);

/* ---- 3. Gradients -------------------------------------------------------- */

/* sste_cuda_mvue24_draw - an unbiased 2:4 sample, as sste_mvue24_tensor_draw,
 * with the same Philox words.
 *   out       receives rows x cols floats; may be a, with ldo = lda
 *   axis      along rows (cols a multiple of 4) or down columns (rows is)
 *   from      on the host: where in the whole tensor a begins
 *   BITWISE. Overwrites out.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (axis), DEVICE.               */
sste_status sste_cuda_mvue24_draw(float *out, size_t ldo, const float *a,
                                  size_t lda, size_t rows, size_t cols,
                                  sste_axis axis, const sste_mvue_stream *from,
                                  sste_cuda_stream stream);

/* ---- 4. Storage ---------------------------------------------------------- */

/* sste_cuda_meta_bytes - the metadata of a rows x cols matrix of 16-bit
 * elements for the kernels below: SSTE_MMA_CUTLASS2 of the matrix with rows and
 * columns rounded up to multiples of 32. A padding chunk has nibble 0x4.
 *   Overwrites bytes. Errors: NULL, SHAPE (cols is no multiple of 4), SIZE. */
sste_status sste_cuda_meta_bytes(size_t *bytes, size_t rows, size_t cols);

/* sste_cuda_compress - stored values and metadata of a matrix that is 2:4 along
 * its rows, or of the transpose of one that is so down its columns, by
 * SSTE_MMA_LIKE_SSTE. Of a layer's products below, that of Z takes W~ along its
 * rows; that of dW takes B(dZ)^T, down the columns of the floats that, with the
 * same axis, sste_cuda_mvue24_draw has left of dZ; that of dX, if W~ has a
 * transposable mask, takes W~^T, down its columns.
 *   values    receives rows x cols/2 elements of type, rows ldv apart; down
 *             columns cols x rows/2
 *   meta      receives sste_cuda_meta_bytes of rows and cols; down columns of
 *             cols and rows
 *   w         rows x cols elements of from, rows ldw apart; a multiple of 4
 *             long along the axis. No two of the three may overlap
 *   from      SSTE_FLOAT32, of which each is first rounded once to type, to
 *             nearest even; or the same as type
 *   type      SSTE_FLOAT16 or _BFLOAT16
 *   axis      SSTE_ALONG_ROWS or _DOWN_COLUMNS
 *   specials  of a group with more than two non-zeros the two largest are kept,
 *             as sste_group_mask with SSTE_TIE_LOWER. All else as
 *             sste_tensor_compress_as: -0 as +0, a NaN as the one of its type
 *   e.g.      floats 0, 7, 1e-9, -2 to float16: 0x4700 0xC000, 0xD
 *   BITWISE. Overwrites values and meta.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (from, type, axis), DEVICE.   */
sste_status sste_cuda_compress(void *values, size_t ldv, uint8_t *meta,
                               const void *w, size_t ldw, size_t rows,
                               size_t cols, sste_type from, sste_type type,
                               sste_axis axis, sste_cuda_stream stream);

/* sste_cuda_decompress - and back.
 *   out       receives rows x cols elements, rows ldo apart. A chunk with an
 *             illegal nibble becomes four NaNs
 *   BITWISE, moves bits. Overwrites out.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (type), DEVICE.               */
sste_status sste_cuda_decompress(void *out, size_t ldo, const void *values,
                                 size_t ldv, const uint8_t *meta, size_t rows,
                                 size_t cols, sste_type type,
                                 sste_cuda_stream stream);

/* sste_cuda_project_compress - one pass over W: projected, scaled, cast and
 * compressed, what a training step does to each weight.
 *   values, meta  as sste_cuda_compress, of `type`
 *   w         rows x cols floats, rows ldw apart; cols a multiple of 4
 *   beta      on the device: one float, as sste_cuda_beta leaves it
 *   specials  a group that S makes NaN stores NaNs, as sste_group_project does;
 *             a beta of NaN makes every group NaN
 *   BITWISE: fl(beta * S) in float, rounded once more to `type`, then
 *   compressed Overwrites values and meta.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (type), DEVICE.               */
sste_status sste_cuda_project_compress(void *values, size_t ldv, uint8_t *meta,
                                       const float *w, size_t ldw, size_t rows,
                                       size_t cols, sste_type type,
                                       const float *beta,
                                       sste_cuda_stream stream);

/* ---- 5. Products --------------------------------------------------------- */

/* A sparse product, D = alpha * A B + beta * D + bias. Make one with
 * sste_cuda_gemm_of and set what differs. A leading dimension of 0 is that of
 * rows without a gap. */
typedef struct sste_cuda_gemm_args {
  size_t M, N, K;      /* A is M x K and 2:4, B is K x N, D is M x N */
  sste_type type;      /* of A and B: SSTE_FLOAT16 or _BFLOAT16 */
  const void *values;  /* M x K/2, rows ldv apart */
  size_t ldv;          /* 0: K/2 */
  const uint8_t *meta; /* as sste_cuda_compress has it */
  const void *b;       /* by its columns: N x K, rows ldb apart; */
  size_t ldb;          /* 0: K, or N by its rows */
  int b_rows;          /* 1: or by its rows, K x N */
  void *d;             /* by its rows: M x N, rows ldd apart; */
  size_t ldd;          /* 0: N, or M by its columns */
  int d_columns;       /* 1: or by its columns, N x M */
  sste_type d_type;    /* SSTE_FLOAT32, _FLOAT16 or _BFLOAT16 */
  float alpha, beta;   /* beta 0: D is not read */
  const float *bias;   /* M floats, one a row of D; or null */
} sste_cuda_gemm_args;

/* sste_cuda_gemm_of - the arguments of D = A B, in float, B by its columns, D
 * by its rows, no gaps, no pointer set. Never fails. */
sste_cuda_gemm_args sste_cuda_gemm_of(size_t M, size_t N, size_t K,
                                      sste_type type);

/* sste_cuda_gemm - D = alpha * A B + beta * D + bias on the sparse tensor core,
 * mma.sp::ordered_metadata m16n8k32 with float accumulators. The products of a
 * layer, W~ being N x K, X T x K, and dZ T x N:
 *
 *     Z^T = W~ X^T         A = W~        B = X by its columns   d_columns
 *     dW = B(dZ)^T X       A = B(dZ)^T   B = X by its rows
 *     dX^T = W~^T dZ^T     A = W~^T      B = dZ by its columns  d_columns
 *
 * with B(dZ) the MVUE sample, 2:4 down its columns. W~^T is 2:4 only where the
 * mask is transposable; S-STE's is not, and its dX is a dense product.
 *
 *   args      on the host; pointers in it on the device, aligned to their
 *             elements. Operands whose rows are aligned to 16 bytes are faster.
 *             Of N at most 65535 * 128
 *   specials  as sste_mma_sp, then alpha, beta and bias in float, in that
 *             order. What an illegal nibble does is undefined
 *   ORDERED: the instructions go along K in ascending order, so that the sums
 *   are those of sste_mma_product with the GPU's model; exact on integers, and
 *   within sste_mma_bound of the exact product. Then alpha * sum + beta * d +
 *   bias in this order, each result rounded to float, and the last once more to
 *   d_type; a NaN is the one NaN of its type, a zero +0. Overwrites D.
 *   Errors: NULL, SHAPE, SIZE, OVERLAP, VALUE (a type, a flag), DEVICE.     */
sste_status sste_cuda_gemm(const sste_cuda_gemm_args *args,
                           sste_cuda_stream stream);

/* sste_cuda_gemm_naive - the same, by a kernel that is there to be read and to
 * check the other by: a warp a 16 x 8 tile, every element fetched from where
 * sste_mma.h says. Slow; of N at most 65535 * 8. Bits and errors are those of
 * sste_cuda_gemm. */
sste_status sste_cuda_gemm_naive(const sste_cuda_gemm_args *args,
                                 sste_cuda_stream stream);

/* ---- 6. The device ------------------------------------------------------- */

/* sste_cuda_self_check - what flags or a mode of the device break, as
 * sste_self_check says it of the host.
 *   failed    receives one int on the device: 0 if all promises hold, else the
 *             SSTE_BROKEN_ bits of sste_train.h
 *   Errors: NULL, DEVICE.                                                   */
sste_status sste_cuda_self_check(int *failed, sste_cuda_stream stream);

#ifdef __cplusplus
}
#endif

#if (defined(__CUDACC__) && !SSTE_CUDA_DECLARE) || SSTE_CUDA_ON_HOST
#include "cuda/beta.cuh"
#include "cuda/compress.cuh"
#include "cuda/decompress.cuh"
#include "cuda/fp8.cuh"
#include "cuda/gemm.cuh"
#include "cuda/gemm_naive.cuh"
#include "cuda/mask.cuh"
#include "cuda/mvue.cuh"
#include "cuda/project.cuh"
#include "cuda/project_compress.cuh"
#include "cuda/self_check.cuh"
#include "cuda/transposable.cuh"
#endif

#endif /* SSTE_CUDA_H */
