/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * bench_cuda.cu - how fast the kernels are: those that move memory beside a
 * device copy of as many bytes, the sparse product beside a dense one of
 * cuBLAS on the same shape.
 *
 *   nvcc -O3 -arch=native -I. -DSSTE_HAVE_CUBLAS=1 bench/bench_cuda.cu \
 *     -lcublas -o bench_cuda && ./bench_cuda --csv cuda.csv
 *
 * in the folder of the headers; without the macro there is no column for
 * cuBLAS. What is timed is timed by events on one stream. Data are random, as
 * zeros would flatter. Every run takes the next of several sets of buffers, of
 * more than twice the L2 cache together. Contenders take turns, round by round,
 * so that what slows the GPU down slows all; the tables have medians over the
 * rounds and, as spread, the distance of the quartiles in parts of the median.
 * Nothing is checked here: tests/test_cuda.cu comes first.
 *
 * Exits with 0, 1 if CUDA failed or an argument is wrong, 2 without a GPU.  */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "sste_check.h"
#include "sste_cuda.h"

#ifdef SSTE_HAVE_CUBLAS
#include <cublas_v2.h>
#endif

static int rounds = 15;
static FILE *csv;
static cudaDeviceProp gpu;
static cudaStream_t stream;

/* ---- Complaints ---------------------------------------------------------- */

static void fail(const char *what, const char *why) {
  fprintf(stderr, "bench_cuda: %s: %s\n", what, why);
  exit(1);
}
static void must(cudaError_t e, const char *what) {
  if (e != cudaSuccess) fail(what, cudaGetErrorString(e));
}
static void did(sste_status s, const char *what) {
  if (s != SSTE_OK) fail(what, sste_status_text(s));
}

/* ---- Memory -------------------------------------------------------------- */

/* `sets` buffers of as many bytes each, aligned to 256. */
struct buffers {
  uint8_t *p;
  size_t pitch;
  buffers(size_t sets, size_t bytes)
      : p(NULL), pitch((bytes + 255) / 256 * 256) {
    must(cudaMalloc((void **)&p, sets * pitch), "memory");
  }
  buffers(const buffers &) = delete;
  buffers &operator=(const buffers &) = delete;
  ~buffers() { must(cudaFree(p), "memory"); }
  uint8_t *of(size_t set) const { return p + set * pitch; }
};

/* How many sets of `bytes` are more than twice the L2 cache. */
static size_t sets_for(double bytes) {
  return 2 + (size_t)(2.0 * gpu.l2CacheSize / bytes);
}

/* Groups of four, bell-shaped. */
__global__ void fill_kernel(void *out, sste_type type, size_t groups,
                            uint64_t seed) {
  const size_t all = (size_t)gridDim.x * blockDim.x;
  size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
  for (; i < groups; i += all) {
    float a[4];
    sste_check_group_draw(a, SSTE_DRAW_NORMAL, seed, 0, i);
    for (size_t k = 0; k < 4; ++k) sste_priv_save(out, type, 4 * i + k, a[k]);
  }
}
static void fill(void *out, sste_type type, size_t elements, uint64_t seed) {
  fill_kernel<<<4096, 256, 0, stream>>>(out, type, elements / 4, seed);
  must(cudaGetLastError(), "random data");
}

/* ---- Timing -------------------------------------------------------------- */

typedef std::function<void(size_t set)> contender;

struct timing {
  double us, spread;
};

/* Microseconds of one run, from `repeats` in a row. */
static double once(const contender &c, size_t sets, size_t *next, int repeats) {
  cudaEvent_t start, stop;
  float ms = 0;
  must(cudaEventCreate(&start), "event");
  must(cudaEventCreate(&stop), "event");
  must(cudaEventRecord(start, stream), "event");
  for (int i = 0; i < repeats; ++i) c((*next)++ % sets);
  must(cudaEventRecord(stop, stream), "event");
  must(cudaEventSynchronize(stop), "kernel");
  must(cudaEventElapsedTime(&ms, start, stop), "event");
  must(cudaEventDestroy(start), "event");
  must(cudaEventDestroy(stop), "event");
  return 1000.0 * ms / repeats;
}

static timing summary(std::vector<double> us) {
  timing t;
  std::sort(us.begin(), us.end());
  t.us = us[us.size() / 2];
  t.spread = (us[us.size() * 3 / 4] - us[us.size() / 4]) / t.us;
  return t;
}

/* All contenders, in turn; each measurement lasts some 5 ms. */
static std::vector<timing> race(const std::vector<contender> &field,
                                size_t sets) {
  std::vector<std::vector<double>> us(field.size());
  std::vector<timing> result;
  std::vector<int> repeats;
  size_t next = 0;
  for (const contender &c : field) {
    (void)once(c, sets, &next, (int)sets); /* warm up, meet all buffers */
    const double guess = once(c, sets, &next, 3);
    repeats.push_back((int)std::min(1000.0, 1 + 5000 / guess));
  }
  for (int r = 0; r < rounds; ++r)
    for (size_t i = 0; i < field.size(); ++i) {
      const size_t k = r % 2 == 0 ? i : field.size() - 1 - i;
      us[k].push_back(once(field[k], sets, &next, repeats[k]));
    }
  for (const std::vector<double> &u : us) result.push_back(summary(u));
  return result;
}

static void csv_line(const char *name, const char *peer, size_t M, size_t N,
                     size_t K, const std::vector<timing> &t, double rate,
                     const char *unit) {
  if (csv == NULL) return;
  fprintf(csv, "\"%s\",%s,%lu,%lu,%lu,%.3f,%.4f,%.1f,%s,%s", gpu.name, name,
          (unsigned long)M, (unsigned long)N, (unsigned long)K, t[0].us,
          t[0].spread, rate, unit, t.size() > 1 ? peer : "");
  if (t.size() > 1)
    fprintf(csv, ",%.3f,%.4f,%.4f\n", t[1].us, t[1].spread, t[1].us / t[0].us);
  else
    fprintf(csv, ",,,\n");
}

/* ---- What moves memory --------------------------------------------------- */

/* One kernel over rows x cols: bytes that it reads and writes per element, and
 * a preparation that makes its input from random numbers. */
struct mover {
  const char *name;
  double in, out;
  std::function<void(uint8_t *input, uint8_t *spare)> prepare;
  std::function<sste_status(uint8_t *input, uint8_t *output)> run;
};

static std::vector<mover> movers(size_t rows, size_t cols, float *device_one,
                                 uint8_t *scratch, size_t scratch_bytes) {
  static const sste_mvue_stream from = {1, 2, 3, 0, 0};
  const sste_fp8_recipe fp8 = sste_fp8_recipe_current(sste_fp8_e4m3fn());
  const size_t n = rows * cols;
  const auto floats = [=](uint8_t *i, uint8_t *) {
    fill(i, SSTE_FLOAT32, n, 1);
  };
  const auto halves = [=](uint8_t *i, uint8_t *) {
    fill(i, SSTE_BFLOAT16, n, 1);
  };
  /* Stored values, n bytes, with the metadata behind them. */
  const auto compress_by = [=](sste_type from, sste_axis axis) {
    const size_t kept = (axis == SSTE_ALONG_ROWS ? cols : rows) / 2;
    return [=](uint8_t *i, uint8_t *o) {
      return sste_cuda_compress(o, kept, o + n, i, cols, rows, cols, from,
                                SSTE_BFLOAT16, axis, stream);
    };
  };
  const auto compress = compress_by(SSTE_BFLOAT16, SSTE_ALONG_ROWS);
  const auto compress32 = compress_by(SSTE_FLOAT32, SSTE_ALONG_ROWS);
  const auto transpose = compress_by(SSTE_BFLOAT16, SSTE_DOWN_COLUMNS);
  const auto transpose32 = compress_by(SSTE_FLOAT32, SSTE_DOWN_COLUMNS);
  const auto encode = [=](uint8_t *i, uint8_t *o) {
    return sste_cuda_fp8_encode(o, cols, (const float *)i, cols, rows, cols,
                                device_one, fp8, stream);
  };
  const auto project = [=](sste_type type) {
    return [=](uint8_t *i, uint8_t *o) {
      return sste_cuda_project(o, cols, i, cols, rows, cols, type, 1.3f,
                               stream);
    };
  };
  const auto mask = [=](sste_type type) {
    return [=](uint8_t *i, uint8_t *o) {
      return sste_cuda_mask(o, cols, i, cols, rows, cols, type, SSTE_TIE_LOWER,
                            stream);
    };
  };
  const auto mvue = [=](sste_axis axis) {
    return [=](uint8_t *i, uint8_t *o) {
      return sste_cuda_mvue24_draw((float *)o, cols, (const float *)i, cols,
                                   rows, cols, axis, &from, stream);
    };
  };
  /* 2:4, as what is compressed is. */
  const auto pruned = [=](sste_type type) {
    return [=](uint8_t *i, uint8_t *spare) {
      if (type == SSTE_FLOAT32)
        floats(i, spare);
      else
        halves(i, spare);
      did(project(type)(i, i), "compress");
    };
  };
  return {{"project f32", 4, 4, floats, project(SSTE_FLOAT32)},
          {"project bf16", 2, 2, halves, project(SSTE_BFLOAT16)},
          {"mask f32", 4, 1, floats, mask(SSTE_FLOAT32)},
          {"mask bf16", 2, 1, halves, mask(SSTE_BFLOAT16)},
          {"transposable", 4, 1, floats,
           [=](uint8_t *i, uint8_t *o) {
             return sste_cuda_mask_transposable(o, cols, (const float *)i, cols,
                                                rows, cols, stream);
           }},
          {"beta", 4, 0, floats,
           [=](uint8_t *i, uint8_t *o) {
             return sste_cuda_beta((float *)o, (const float *)i, cols, rows,
                                   cols, scratch, scratch_bytes, stream);
           }},
          {"fp8 encode", 4, 1, floats, encode},
          {"fp8 decode", 1, 4,
           [=](uint8_t *i, uint8_t *spare) {
             floats(spare, NULL);
             did(encode(spare, i), "fp8 decode");
           },
           [=](uint8_t *i, uint8_t *o) {
             return sste_cuda_fp8_decode((float *)o, cols, i, cols, rows, cols,
                                         device_one, fp8, stream);
           }},
          {"mvue rows", 4, 4, floats, mvue(SSTE_ALONG_ROWS)},
          {"mvue columns", 4, 4, floats, mvue(SSTE_DOWN_COLUMNS)},
          {"compress bf16", 2, 1.125, pruned(SSTE_BFLOAT16), compress},
          {"compress f32", 4, 1.125, pruned(SSTE_FLOAT32), compress32},
          {"compress^T bf16", 2, 1.125, halves, transpose},
          {"compress^T f32", 4, 1.125, floats, transpose32},
          {"decompress bf16", 1.125, 2,
           [=](uint8_t *i, uint8_t *spare) {
             halves(spare, NULL);
             did(compress(spare, i), "decompress");
           },
           [=](uint8_t *i, uint8_t *o) {
             return sste_cuda_decompress(o, cols, i, cols / 2, i + n, rows,
                                         cols, SSTE_BFLOAT16, stream);
           }},
          {"fused step bf16", 4, 1.125, floats, [=](uint8_t *i, uint8_t *o) {
             return sste_cuda_project_compress(
                 o, cols / 2, o + n, (const float *)i, cols, rows, cols,
                 SSTE_BFLOAT16, device_one, stream);
           }}};
}

static void bench_mover(const mover &m, size_t rows, size_t cols) {
  const double n = (double)rows * (double)cols, moved = n * (m.in + m.out);
  const size_t sets = sets_for(moved), half = (size_t)(moved / 2);
  const buffers in(sets, (size_t)(4 * n)), out(sets, (size_t)(4 * n));
  for (size_t set = 0; set < sets; ++set) m.prepare(in.of(set), out.of(set));
  const std::vector<timing> t =
      race({[&](size_t set) { did(m.run(in.of(set), out.of(set)), m.name); },
            [&](size_t set) {
              must(cudaMemcpyAsync(out.of(set), in.of(set), half,
                                   cudaMemcpyDeviceToDevice, stream),
                   "copy");
            }},
           sets);
  printf("%-16s %5lu x %-5lu %9.1f %9.1f %5.1f%% %9.1f %5.1f%% %6.2f\n", m.name,
         (unsigned long)rows, (unsigned long)cols, t[0].us,
         moved / t[0].us / 1000, 100 * t[0].spread, moved / t[1].us / 1000,
         100 * t[1].spread, t[1].us / t[0].us);
  csv_line(m.name, "copy", rows, cols, 0, t, moved / t[0].us / 1000, "GB/s");
}

static void bench_movers() {
  static const size_t sizes[] = {4096, 8192, 16384};
  printf("\n%-16s %13s %9s %9s %6s %9s %6s %6s\n", "kernel", "size", "us",
         "GB/s", "spread", "copy", "spread", "ratio");
  for (const size_t n : sizes) {
    const buffers one(1, sizeof(float));
    const float scale = 1.0f;
    size_t bytes = 0;
    did(sste_cuda_beta_bytes(&bytes, n, n), "beta");
    const buffers scratch(1, bytes);
    must(cudaMemcpy(one.p, &scale, sizeof scale, cudaMemcpyHostToDevice),
         "scale");
    for (const mover &m : movers(n, n, (float *)one.p, scratch.p, bytes))
      bench_mover(m, n, n);
  }
}

/* ---- Products ------------------------------------------------------------ */

/* A product of bfloat16, D in bfloat16. Z^T = W X^T: B and D by columns; the
 * input gradient's is the same, of W^T. dW = dZ^T X: all by rows. */
struct product {
  const char *name;
  size_t M, N, K;
  int by_rows;
};

/* Buffers of one product; `dense` is A before it is compressed. */
struct operands {
  buffers values, meta, dense, b, d;
  operands(const product &p, size_t sets, size_t meta_bytes)
      : values(sets, p.M * p.K),
        meta(sets, meta_bytes),
        dense(sets, p.M * p.K * 2),
        b(sets, p.N * p.K * 2),
        d(sets, p.M * p.N * 2) {}
};

static void prepare(const product &p, const operands &o, size_t set) {
  fill(o.dense.of(set), SSTE_BFLOAT16, p.M * p.K, 2 * set);
  fill(o.b.of(set), SSTE_BFLOAT16, p.N * p.K, 2 * set + 1);
  did(sste_cuda_compress(o.values.of(set), p.K / 2, o.meta.of(set),
                         o.dense.of(set), p.K, p.M, p.K, SSTE_BFLOAT16,
                         SSTE_BFLOAT16, SSTE_ALONG_ROWS, stream),
      "compress");
}

static void sparse(const product &p, const operands &o, size_t set) {
  sste_cuda_gemm_args g = sste_cuda_gemm_of(p.M, p.N, p.K, SSTE_BFLOAT16);
  g.values = o.values.of(set);
  g.meta = o.meta.of(set);
  g.b = o.b.of(set);
  g.b_rows = p.by_rows;
  g.ldb = p.by_rows ? p.N : p.K;
  g.d = o.d.of(set);
  g.d_columns = !p.by_rows;
  g.ldd = p.by_rows ? p.N : p.M;
  g.d_type = SSTE_BFLOAT16;
  did(sste_cuda_gemm(&g, stream), "sparse product");
}

#ifdef SSTE_HAVE_CUBLAS
static cublasHandle_t cublas;

/* The same with A dense. cuBLAS counts by columns: a matrix that is stored by
 * rows is its transpose. */
static void dense(const product &p, const operands &o, size_t set) {
  const float one = 1, zero = 0;
  const int M = (int)p.M, N = (int)p.N, K = (int)p.K;
  const cublasStatus_t s =
      p.by_rows ? cublasGemmEx(cublas, CUBLAS_OP_N, CUBLAS_OP_N, N, M, K, &one,
                               o.b.of(set), CUDA_R_16BF, N, o.dense.of(set),
                               CUDA_R_16BF, K, &zero, o.d.of(set), CUDA_R_16BF,
                               N, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT)
                : cublasGemmEx(cublas, CUBLAS_OP_T, CUBLAS_OP_N, M, N, K, &one,
                               o.dense.of(set), CUDA_R_16BF, K, o.b.of(set),
                               CUDA_R_16BF, K, &zero, o.d.of(set), CUDA_R_16BF,
                               M, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
  if (s != CUBLAS_STATUS_SUCCESS) fail("cuBLAS", cublasGetStatusString(s));
}
#endif

static void bench_product(const product &p) {
  const double flop = 2.0 * (double)p.M * (double)p.N * (double)p.K;
  const double moved =
      (double)p.M * (double)p.K + 2.0 * (double)p.N * (double)(p.K + p.M);
  const size_t sets = sets_for(moved);
  size_t meta_bytes = 0;
  did(sste_cuda_meta_bytes(&meta_bytes, p.M, p.K), "metadata");
  const operands o(p, sets, meta_bytes);
  for (size_t set = 0; set < sets; ++set) prepare(p, o, set);
  std::vector<contender> field = {[&](size_t set) { sparse(p, o, set); }};
#ifdef SSTE_HAVE_CUBLAS
  field.push_back([&](size_t set) { dense(p, o, set); });
#endif
  const std::vector<timing> t = race(field, sets);
  printf("%-8s %5lu x %5lu x %-5lu %9.1f %7.1f %5.1f%%", p.name,
         (unsigned long)p.M, (unsigned long)p.N, (unsigned long)p.K, t[0].us,
         flop / t[0].us / 1e6, 100 * t[0].spread);
  if (t.size() > 1)
    printf(" %9.1f %7.1f %5.1f%% %6.2f", t[1].us, flop / t[1].us / 1e6,
           100 * t[1].spread, t[1].us / t[0].us);
  printf("\n");
  csv_line(p.name, "cublas", p.M, p.N, p.K, t, flop / t[0].us / 1e6, "TFLOP/s");
}

/* Weights of N x K and T tokens. */
static void bench_products() {
  static const size_t weights[][2] = {{4096, 4096},  {11008, 4096},
                                      {4096, 11008}, {8192, 8192},
                                      {16384, 4096}, {16384, 16384}};
  static const size_t tokens[] = {16, 256, 2048, 4096, 16384};
  printf("\n%-8s %-21s %9s %7s %6s", "product", "    M x     N x K", "us",
         "TFLOP/s", "spread");
#ifdef SSTE_HAVE_CUBLAS
  printf(" %9s %7s %6s %6s", "dense us", "TFLOP/s", "spread", "ratio");
#endif
  printf("\n");
  for (const auto &w : weights)
    for (const size_t T : tokens) {
      bench_product({"Z = XW^T", w[0], T, w[1], 0});
      bench_product({"dW=dZ^TX", w[0], w[1], T, 1});
    }
}

/* ---- Arguments ----------------------------------------------------------- */

static void usage() {
  fprintf(stderr, "usage: bench_cuda [--csv FILE] [--rounds N]\n");
  exit(1);
}

static void read_arguments(int argc, char **argv) {
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) usage();
    if (strcmp(argv[i], "--csv") == 0) {
      csv = fopen(argv[i + 1], "w");
      if (csv == NULL) fail(argv[i + 1], "cannot be written");
    } else if (strcmp(argv[i], "--rounds") == 0) {
      rounds = atoi(argv[i + 1]);
      if (rounds < 1) usage();
    } else {
      usage();
    }
  }
}

int main(int argc, char **argv) {
  int devices = 0;
  read_arguments(argc, argv);
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess || devices == 0) {
    fprintf(stderr, "bench_cuda: no GPU: %s\n",
            error != cudaSuccess ? cudaGetErrorString(error) : "none is there");
    return 2;
  }
  must(cudaGetDeviceProperties(&gpu, 0), "properties");
  must(cudaStreamCreate(&stream), "stream");
  printf("%s, compute capability %d.%d, L2 %.1f MiB, CUDA %d.%d, %d rounds\n",
         gpu.name, gpu.major, gpu.minor, gpu.l2CacheSize / 1048576.0,
         CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10, rounds);
  if (csv != NULL)
    fprintf(csv,
            "gpu,name,M,N,K,us,spread,rate,unit,peer,peer_us,peer_spread,"
            "peer_us_over_us\n");
#ifdef SSTE_HAVE_CUBLAS
  if (cublasCreate(&cublas) != CUBLAS_STATUS_SUCCESS ||
      cublasSetStream(cublas, stream) != CUBLAS_STATUS_SUCCESS)
    fail("cuBLAS", "not to be had");
#endif
  bench_movers();
  bench_products();
#ifdef SSTE_HAVE_CUBLAS
  if (cublasDestroy(cublas) != CUBLAS_STATUS_SUCCESS) fail("cuBLAS", "destroy");
#endif
  must(cudaStreamDestroy(stream), "stream");
  if (csv != NULL && fclose(csv) != 0)
    fail("the CSV file", "cannot be written");
  return 0;
}
