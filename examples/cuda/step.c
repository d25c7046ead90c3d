/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * step.c - the GPU from C: beta of a layer's weights, W~ compressed, and the
 * layer's output Z = X W~^T, none of which leaves the GPU in between; then the
 * same on the CPU, bit against bit and the product within its bound.
 *
 *   nvcc -O3 -arch=native -I. -c examples/cuda/kernels.cu -o kernels.o
 *   gcc -std=c99 -I. -isystem /usr/local/cuda/include examples/cuda/step.c \
 *     kernels.o -L/usr/local/cuda/lib64 -lcudart -lstdc++ -lm -o step && ./step
 *
 * Exits with 0 if all agrees, 1 if not or if CUDA failed, 2 without a GPU.  */
#include <cuda_runtime_api.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sste_check.h"
#include "sste_cuda.h"

enum { T = 96, N = 128, K = 256, KEPT = K / 2, META = N * K / 8 };

static float w[N * K], x[T * K];              /* weights, tokens */
static uint16_t half_w[N * K], half_x[T * K]; /* W~ and X as float16 */
static uint16_t values[N * KEPT], got_values[N * KEPT];
static uint8_t meta[META], got_meta[META];
static float beta, got_beta, z[T * N];

/* ---- Complaints ---------------------------------------------------------- */

static void must(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "step: FAILED: %s\n", what);
  exit(1);
}
static void did(sste_status s, const char *what) {
  if (s == SSTE_OK) return;
  fprintf(stderr, "step: %s: %s\n", what, sste_status_text(s));
  exit(1);
}
static void cuda(cudaError_t e, const char *what) {
  if (e == cudaSuccess) return;
  fprintf(stderr, "step: %s: %s\n", what, cudaGetErrorString(e));
  exit(1);
}

/* ---- Memory -------------------------------------------------------------- */

/* Memory on the GPU, filled from the host if `from` is not null. */
static void *on_device(const void *from, size_t bytes) {
  void *p = NULL;
  cuda(cudaMalloc(&p, bytes), "memory");
  if (from != NULL)
    cuda(cudaMemcpy(p, from, bytes, cudaMemcpyHostToDevice), "to the GPU");
  return p;
}
static void to_host(void *to, void *from, size_t bytes) {
  cuda(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "from the GPU");
  cuda(cudaFree(from), "memory");
}

static uint16_t half(float v) {
  return (uint16_t)sste_fp8_convert(sste_fp8_float16(), sste_fp8_saturating(),
                                    sste_fp8_float32(), sste_priv_bits(v), 0);
}
static double value(uint16_t code) {
  return (double)sste_fp8_decode(sste_fp8_float16(), code);
}

/* ---- The step, on the GPU ------------------------------------------------ */

static void step(sste_cuda_stream stream) {
  sste_cuda_gemm_args gemm = sste_cuda_gemm_of(N, T, K, SSTE_FLOAT16);
  float *d_w = on_device(w, sizeof w), *d_beta = on_device(NULL, sizeof beta);
  void *d_values = on_device(NULL, sizeof values), *scratch;
  uint8_t *d_meta = on_device(NULL, sizeof meta);
  size_t bytes;

  /* Once, when training starts: beta. */
  did(sste_cuda_beta_bytes(&bytes, N, K), "beta's scratch");
  scratch = on_device(NULL, bytes);
  did(sste_cuda_beta(d_beta, d_w, K, N, K, scratch, bytes, stream), "beta");

  /* Whenever W has changed: W~ = beta * S(W) as values and metadata. */
  did(sste_cuda_project_compress(d_values, KEPT, d_meta, d_w, K, N, K,
                                 SSTE_FLOAT16, d_beta, stream),
      "project and compress");

  /* Forward: Z^T = W~ X^T. X's rows are the columns of B, and Z^T written by
   * its columns is Z. */
  gemm.values = d_values;
  gemm.meta = d_meta;
  gemm.b = on_device(half_x, sizeof half_x);
  gemm.d = on_device(NULL, sizeof z);
  gemm.d_columns = 1;
  gemm.ldd = N;
  did(sste_cuda_gemm(&gemm, stream), "forward product");

  cuda(cudaStreamSynchronize(stream), "kernels");
  to_host(&got_beta, d_beta, sizeof got_beta);
  to_host(got_values, d_values, sizeof got_values);
  to_host(got_meta, d_meta, sizeof got_meta);
  to_host(z, gemm.d, sizeof z);
  cuda(cudaFree((void *)gemm.b), "memory");
  cuda(cudaFree(scratch), "memory");
  cuda(cudaFree(d_w), "memory");
}

/* ---- And on the CPU ------------------------------------------------------ */

static void compress_on_the_cpu(void) {
  static float projected[N * K];
  int i;
  did(sste_tensor_beta(&beta, w, K, N, K), "beta");
  did(sste_tensor_project(projected, K, w, K, N, K, beta, NULL), "project");
  for (i = 0; i < N * K; ++i) half_w[i] = half(projected[i]);
  did(sste_mma_compress(values, KEPT, meta, SSTE_MMA_CUTLASS2, half_w, K, N, K,
                        SSTE_MMA_F16, SSTE_MMA_LIKE_SSTE, NULL, NULL),
      "compress");
}

/* |v|, but a subnormal as the smallest normal number, as the bound wants it. */
static double size_of(double v) {
  return v == 0 ? 0 : fmax(fabs(v), ldexp(1, -14));
}

/* The largest error of Z in parts of what a tensor core may lose: its sums are
 * cut off where a CPU's are rounded. */
static double product_error(void) {
  const double bound =
      sste_mma_bound(sste_mma_sparse(SSTE_MMA_F16, 32),
                     sste_mma_ampere(SSTE_MMA_F16), (size_t)KEPT);
  double worst = 0;
  int t, n, k;
  for (t = 0; t < T; ++t)
    for (n = 0; n < N; ++n) {
      double sum = 0, size = ldexp(1, -126), error;
      for (k = 0; k < K; ++k) {
        const double a = value(half_w[n * K + k]), b = value(half_x[t * K + k]);
        sum += a * b;
        size += size_of(a) * size_of(b);
      }
      error = fabs((double)z[t * N + n] - sum) / (bound * size);
      if (!(error <= worst)) worst = error;
    }
  return worst;
}

int main(void) {
  cudaStream_t stream;
  int devices = 0, i;
  double error;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    fprintf(stderr, "step: no GPU\n");
    return 2;
  }
  did(sste_check_tensor_draw(w, K, N, K, SSTE_DRAW_WEIGHTS, 1), "weights");
  did(sste_check_tensor_draw(x, K, T, K, SSTE_DRAW_NORMAL, 2), "tokens");
  for (i = 0; i < T * K; ++i) half_x[i] = half(x[i]);

  cuda(cudaStreamCreate(&stream), "stream");
  step(stream);
  cuda(cudaStreamDestroy(stream), "stream");

  compress_on_the_cpu();
  must(memcmp(&got_beta, &beta, sizeof beta) == 0, "beta has the CPU's bits");
  must(memcmp(got_values, values, sizeof values) == 0, "so have the values");
  must(memcmp(got_meta, meta, sizeof meta) == 0, "so have the metadata");
  error = product_error();
  must(error <= 1, "the product is within its bound");
  printf("beta %.9g, %d values and %d bytes of metadata: the CPU's bits\n",
         (double)beta, N * KEPT, META);
  printf("Z = X W~^T, %d x %d: off by %.0f %% of its bound at most\n", T, N,
         100 * error);
  return 0;
}
