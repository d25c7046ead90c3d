/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * bench_product.c - the product of a 2:4 matrix with activations, by this
 * library or, as -DPRODUCT_... says, by another. Each becomes a program of its
 * own, since idle threads of one library spin against those of the next; and
 * products.py, which holds them all, lets one at a time run. A line in, an
 * answer out:
 *
 *   (start)      program <library> <version> <its kernels> <compiler> <flags>
 *   shape M N K KINDS  contender <index> <kind> <layout> <error> <name> for
 *                each of these kinds (dense,2:4,...), then: end
 *   time I MS    seconds <per product, in about MS milliseconds> <of packing>
 *
 * Fields are separated by tabs. The product is Y = W X: W is M x K; in the
 * layout `features` X is K x N and Y M x N; in `tokens` X is N x K, Y N x M.
 */
#define _POSIX_C_SOURCE 200112L

#include <math.h>

#include "bench.h"

enum { FEATURES, TOKENS };

typedef struct problem {
  size_t m, n, k;
  float *w, *x[2], *y[2]; /* x and y in both layouts */
} problem;

/* The kinds: dense, 2:4, sparse; bf16, which rounds its inputs; and double,
 * which accumulates in it. Without `pack` it multiplies what it is given.   */
typedef struct contender contender;
struct contender {
  const char *name, *kind;
  int layout;
  int (*pack)(const contender *c, const problem *p); /* 0 where it cannot */
  void (*run)(const contender *c, const problem *p);
  int type; /* of the stored weights */
};

static void *memory(size_t bytes) {
  void *p = NULL;
  if (posix_memalign(&p, 64, bytes + 64) != 0) {
    fprintf(stderr, "bench_product: not enough memory\n");
    exit(1);
  }
  return p;
}

/* ---- This library -------------------------------------------------------- */

#if defined(PRODUCT_SSTE)
#include "sste_gemm.h"

static float *values;
static void *tiles, *scratch;
static uint8_t *meta;
static sste_packed packed;

static void must(sste_status status) {
  if (status == SSTE_OK) return;
  fprintf(stderr, "bench_product: sste: %s\n", sste_status_text(status));
  exit(1);
}

/* n floats in another type, which has them exactly. */
static void convert(void *to, const float *from, size_t n, sste_type type) {
  const sste_fp8_format e4m3 = sste_fp8_e4m3fn();
  size_t i;
  for (i = 0; i < n; ++i) {
    if (type == SSTE_FLOAT32) ((float *)to)[i] = from[i];
    if (type == SSTE_FLOAT16)
      ((uint16_t *)to)[i] = (uint16_t)sste_priv_to_float16(from[i]);
    if (type == SSTE_BFLOAT16)
      ((uint16_t *)to)[i] = (uint16_t)sste_priv_to_bfloat16(from[i]);
    if (type == SSTE_FP8) ((uint8_t *)to)[i] = sste_fp8_encode(e4m3, from[i]);
  }
}

/* The time of packing is that of compressing, converting and retiling. */
static int compress(const contender *c, const problem *p) {
  const size_t ldm = (p->k + 7) / 8;
  (void)c;
  free(values);
  free(meta);
  values = memory(p->m * p->k / 2 * sizeof(float));
  meta = memory(p->m * ldm);
  must(sste_tensor_compress(values, p->k / 2, meta, ldm, p->w, p->k, p->m,
                            p->k));
  return 1;
}
static int pack_packed(const contender *c, const problem *p) {
  const sste_type type = (sste_type)c->type;
  const size_t bytes = sste_packed_bytes(p->m, p->k, type);
  const sste_fp8_format e4m3fn = sste_fp8_e4m3fn();
  void *stored = memory(p->m * p->k / 2 * sizeof(float));
  compress(c, p);
  convert(stored, values, p->m * p->k / 2, type);
  free(tiles);
  tiles = memory(bytes);
  must(sste_packed_init(&packed, tiles, bytes, stored, p->k / 2, meta,
                        (p->k + 7) / 8, p->m, p->k, type, &e4m3fn));
  free(stored);
  free(scratch);
  scratch = memory(sste_packed_product_bytes(&packed, p->n));
  return 1;
}
static void run_packed(const contender *c, const problem *p) {
  const int tokens = c->layout == TOKENS;
  must(sste_packed_product(p->y[c->layout], tokens ? p->m : p->n, tokens,
                           &packed, p->x[c->layout], tokens ? p->k : p->n,
                           tokens, p->n, scratch,
                           sste_packed_product_bytes(&packed, p->n)));
}

/* Y is by rows: with tokens it is X W^T. */
static size_t dense_bytes(const contender *c, const problem *p) {
  return c->layout == FEATURES ? sste_dense_product_bytes(p->m, p->n, p->k)
                               : sste_dense_product_bytes(p->n, p->m, p->k);
}
static int pack_dense(const contender *c, const problem *p) {
  free(scratch);
  scratch = memory(dense_bytes(c, p));
  return 1;
}
static void run_dense(const contender *c, const problem *p) {
  if (c->layout == FEATURES)
    must(sste_dense_product(p->y[FEATURES], p->n, p->w, p->k, 0, p->x[FEATURES],
                            p->n, 0, p->m, p->n, p->k, scratch,
                            dense_bytes(c, p)));
  else
    must(sste_dense_product(p->y[TOKENS], p->m, p->x[TOKENS], p->k, 0, p->w,
                            p->k, 1, p->n, p->m, p->k, scratch,
                            dense_bytes(c, p)));
}

/* In double, the definition. */
static void run_reference(const contender *c, const problem *p) {
  must(sste_product_forward_compressed(p->y[c->layout], p->m, p->x[c->layout],
                                       p->k, values, p->k / 2, meta,
                                       (p->k + 7) / 8, p->n, p->m, p->k));
}
static void run_dense_reference(const contender *c, const problem *p) {
  must(sste_product_forward(p->y[c->layout], p->m, p->x[c->layout], p->k, p->w,
                            p->k, p->n, p->m, p->k));
}

static const contender field[] = {
    {"sste 2:4", "2:4", FEATURES, pack_packed, run_packed, SSTE_FLOAT32},
    {"sste 2:4", "2:4", TOKENS, pack_packed, run_packed, SSTE_FLOAT32},
    {"sste 2:4 float16", "2:4", FEATURES, pack_packed, run_packed,
     SSTE_FLOAT16},
    {"sste 2:4 bfloat16", "2:4", FEATURES, pack_packed, run_packed,
     SSTE_BFLOAT16},
    {"sste 2:4 E4M3FN", "2:4", FEATURES, pack_packed, run_packed, SSTE_FP8},
    {"sste dense", "dense", FEATURES, pack_dense, run_dense, 0},
    {"sste dense", "dense", TOKENS, pack_dense, run_dense, 0},
    {"sste 2:4 (reference)", "double", TOKENS, compress, run_reference, 0},
    {"sste dense (reference)", "double", TOKENS, NULL, run_dense_reference, 0}};
static const char *library(void) { return "sste\t" SSTE_VERSION "\tC99"; }

/* ---- OpenBLAS and BLIS --------------------------------------------------- */

#elif defined(PRODUCT_OPENBLAS) || defined(PRODUCT_BLIS)
#if defined(PRODUCT_BLIS)
#include <blis.h>
#endif
#include <cblas.h>

static void run_sgemm(const contender *c, const problem *p) {
  const int m = (int)p->m, n = (int)p->n, k = (int)p->k;
  if (c->layout == FEATURES)
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, p->w, k,
                p->x[FEATURES], n, 0, p->y[FEATURES], n);
  else
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, m, k, 1,
                p->x[TOKENS], k, p->w, k, 0, p->y[TOKENS], m);
}

#if defined(PRODUCT_BLIS)
#define BLAS_NAME "BLIS"
static const char *library(void) {
  static char text[99];
  bli_init(); /* or it refuses to say what it chose */
  snprintf(text, sizeof text, "BLIS\t%s\t%s", bli_info_get_version_str(),
           bli_arch_string(bli_arch_query_id()));
  return text;
}
#else
#define BLAS_NAME "OpenBLAS"
static const char *library(void) {
  static char text[99];
  char version[32] = "";
  sscanf(openblas_get_config(), "OpenBLAS %31s", version);
  snprintf(text, sizeof text, "OpenBLAS\t%s\t%s", version,
           openblas_get_corename());
  return text;
}
#endif
static const contender field[] = {
    {BLAS_NAME, "dense", FEATURES, NULL, run_sgemm, 0},
    {BLAS_NAME, "dense", TOKENS, NULL, run_sgemm, 0}};

/* ---- oneDNN -------------------------------------------------------------- */

#elif defined(PRODUCT_ONEDNN)
#include <dnnl.h>

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static dnnl_primitive_t inner;
static dnnl_exec_arg_t argument[3];

static void must(dnnl_status_t status) {
  if (status == dnnl_success) return;
  fprintf(stderr, "bench_product: oneDNN: status %d\n", (int)status);
  exit(1);
}

static dnnl_memory_desc_t matrix(size_t rows, size_t cols,
                                 dnnl_data_type_t type, dnnl_format_tag_t tag) {
  dnnl_memory_desc_t form;
  dnnl_dims_t size;
  size[0] = (dnnl_dim_t)rows;
  size[1] = (dnnl_dim_t)cols;
  must(dnnl_memory_desc_init_by_tag(&form, 2, size, type, tag));
  return form;
}

/* A copy of rows x cols floats in the wanted form. */
static dnnl_memory_t packed(float *data, size_t rows, size_t cols,
                            const dnnl_memory_desc_t *wanted) {
  const dnnl_memory_desc_t plain = matrix(rows, cols, dnnl_f32, dnnl_ab);
  dnnl_primitive_desc_t how;
  dnnl_primitive_t reorder;
  dnnl_exec_arg_t both[2];
  both[0].arg = DNNL_ARG_FROM;
  both[1].arg = DNNL_ARG_TO;
  must(dnnl_memory_create(&both[0].memory, &plain, engine, data));
  must(dnnl_memory_create(&both[1].memory, wanted, engine,
                          DNNL_MEMORY_ALLOCATE));
  must(dnnl_reorder_primitive_desc_create(&how, &plain, engine, wanted, engine,
                                          NULL));
  must(dnnl_primitive_create(&reorder, how));
  must(dnnl_primitive_execute(reorder, stream, 2, both));
  must(dnnl_stream_wait(stream));
  must(dnnl_primitive_destroy(reorder));
  must(dnnl_primitive_desc_destroy(how));
  must(dnnl_memory_destroy(both[0].memory));
  return both[1].memory;
}

static void forget_inner(void) {
  int i;
  if (inner == NULL) return;
  must(dnnl_primitive_destroy(inner));
  for (i = 0; i < 3; ++i) must(dnnl_memory_destroy(argument[i].memory));
  inner = NULL;
}

/* The inner product, whose weights may have any form that oneDNN likes. X is
 * converted here as well. No, where there is but the library's reference.   */
static int pack_inner(const contender *c, const problem *p) {
  const dnnl_data_type_t type = (dnnl_data_type_t)c->type;
  const dnnl_memory_desc_t x = matrix(p->n, p->k, type, dnnl_ab);
  const dnnl_memory_desc_t w = matrix(p->m, p->k, type, dnnl_format_tag_any);
  const dnnl_memory_desc_t y = matrix(p->n, p->m, dnnl_f32, dnnl_ab);
  dnnl_inner_product_desc_t what;
  dnnl_primitive_desc_t how;
  const char *chosen = "ref";
  forget_inner();
  must(dnnl_inner_product_forward_desc_init(&what, dnnl_forward_inference, &x,
                                            &w, NULL, &y));
  if (dnnl_primitive_desc_create(&how, &what, NULL, engine, NULL) !=
      dnnl_success)
    return 0;
  must(dnnl_primitive_desc_query(how, dnnl_query_impl_info_str, 0, &chosen));
  if (strstr(chosen, "ref") == NULL) {
    must(dnnl_primitive_create(&inner, how));
    argument[0].arg = DNNL_ARG_SRC;
    argument[0].memory = packed(p->x[TOKENS], p->n, p->k, &x);
    argument[1].arg = DNNL_ARG_WEIGHTS;
    argument[1].memory =
        packed(p->w, p->m, p->k,
               dnnl_primitive_desc_query_md(how, dnnl_query_weights_md, 0));
    argument[2].arg = DNNL_ARG_DST;
    must(dnnl_memory_create(&argument[2].memory, &y, engine, p->y[TOKENS]));
  }
  must(dnnl_primitive_desc_destroy(how));
  return inner != NULL;
}
static void run_inner(const contender *c, const problem *p) {
  (void)c;
  (void)p;
  must(dnnl_primitive_execute(inner, stream, 3, argument));
  must(dnnl_stream_wait(stream));
}

static void run_sgemm(const contender *c, const problem *p) {
  const dnnl_dim_t m = (dnnl_dim_t)p->m, n = (dnnl_dim_t)p->n,
                   k = (dnnl_dim_t)p->k;
  if (c->layout == FEATURES)
    must(dnnl_sgemm('N', 'N', m, n, k, 1, p->w, k, p->x[FEATURES], n, 0,
                    p->y[FEATURES], n));
  else
    must(dnnl_sgemm('N', 'T', n, m, k, 1, p->x[TOKENS], k, p->w, k, 0,
                    p->y[TOKENS], m));
}

static const contender field[] = {
    {"oneDNN", "dense", FEATURES, NULL, run_sgemm, 0},
    {"oneDNN", "dense", TOKENS, NULL, run_sgemm, 0},
    {"oneDNN packed W", "dense", TOKENS, pack_inner, run_inner, dnnl_f32},
    {"oneDNN bf16", "bf16", TOKENS, pack_inner, run_inner, dnnl_bf16}};

static const char *isa_name(void) {
  switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41: return "sse41";
    case dnnl_cpu_isa_avx: return "avx";
    case dnnl_cpu_isa_avx2: return "avx2";
    case dnnl_cpu_isa_avx2_vnni: return "avx2_vnni";
    case dnnl_cpu_isa_avx512_core: return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni: return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16: return "avx512_core_bf16";
    case dnnl_cpu_isa_avx512_core_amx: return "avx512_core_amx";
    default: return "other";
  }
}

static const char *library(void) {
  static char text[99];
  const dnnl_version_t *v = dnnl_version();
  must(dnnl_engine_create(&engine, dnnl_cpu, 0));
  must(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
  snprintf(text, sizeof text, "oneDNN\t%d.%d.%d\t%s", v->major, v->minor,
           v->patch, isa_name());
  return text;
}

/* ---- libxsmm ------------------------------------------------------------- */

#elif defined(PRODUCT_XSMM)
#include <libxsmm.h>
#include <omp.h>

static libxsmm_spmdm_handle handle;
static libxsmm_CSR_sparseslice *slices;

static int pack_spmdm(const contender *c, const problem *p) {
  const int threads = omp_get_max_threads();
  int block, blocks;
  (void)c;
  if (slices != NULL) libxsmm_spmdm_destroy(&handle);
  libxsmm_spmdm_init((int)p->m, (int)p->n, (int)p->k, threads, &handle,
                     &slices);
  blocks = libxsmm_spmdm_get_num_createSparseSlice_blocks(&handle);
#pragma omp parallel for schedule(static)
  for (block = 0; block < blocks; ++block)
    libxsmm_spmdm_createSparseSlice_fp32_thread(
        &handle, 'N', p->w, slices, block, omp_get_thread_num(), threads);
  return 1;
}
static void run_spmdm(const contender *c, const problem *p) {
  const int blocks = libxsmm_spmdm_get_num_compute_blocks(&handle);
  const int threads = omp_get_max_threads();
  const char transposed = c->layout == TOKENS ? 'T' : 'N';
  const float one = 1, zero = 0;
  int block;
#pragma omp parallel for schedule(static)
  for (block = 0; block < blocks; ++block)
    libxsmm_spmdm_compute_fp32_thread(
        &handle, 'N', transposed, &one, slices, p->x[c->layout], transposed,
        &zero, p->y[c->layout], block, omp_get_thread_num(), threads);
}

static const contender field[] = {
    {"libxsmm spmdm", "sparse", FEATURES, pack_spmdm, run_spmdm, 0},
    {"libxsmm spmdm", "sparse", TOKENS, pack_spmdm, run_spmdm, 0}};
static const char *library(void) {
  static char text[99];
  snprintf(text, sizeof text, "libxsmm\t%s\t%s", LIBXSMM_VERSION,
           libxsmm_get_target_arch());
  return text;
}

/* ---- Eigen, by product_eigen.cc ------------------------------------------ */

#elif defined(PRODUCT_EIGEN)
extern const char eigen_version[];
void eigen_dense(float *y, const float *w, const float *x, size_t m, size_t n,
                 size_t k, int tokens);
void eigen_csr_pack(const float *w, size_t m, size_t k);
void eigen_csr(float *y, const float *x, size_t n, int tokens);

static void run_dense(const contender *c, const problem *p) {
  eigen_dense(p->y[c->layout], p->w, p->x[c->layout], p->m, p->n, p->k,
              c->layout);
}
static int pack_csr(const contender *c, const problem *p) {
  (void)c;
  eigen_csr_pack(p->w, p->m, p->k);
  return 1;
}
static void run_csr(const contender *c, const problem *p) {
  eigen_csr(p->y[c->layout], p->x[c->layout], p->n, c->layout);
}

static const contender field[] = {
    {"Eigen", "dense", FEATURES, NULL, run_dense, 0},
    {"Eigen", "dense", TOKENS, NULL, run_dense, 0},
    {"Eigen CSR", "sparse", FEATURES, pack_csr, run_csr, 0},
    {"Eigen CSR", "sparse", TOKENS, pack_csr, run_csr, 0}};
static const char *library(void) { return eigen_version; }
#else
#error "say which library: -DPRODUCT_SSTE, _OPENBLAS, _BLIS, _ONEDNN, ..."
#endif

enum { FIELD = (int)(sizeof field / sizeof field[0]) };

/* ---- Data ---------------------------------------------------------------- */

/* +-1 to +-15/8 times 1, 1/2, 1/4 or 1/8: every storage type has it exactly. */
static float next_weight(uint64_t *state) {
  const uint32_t r = bench_random(state);
  const float size = (float)(8 + (r >> 4 & 7)) / (float)(8 << (r >> 8 & 3));
  return r >> 16 & 1 ? size : -size;
}

static void fill_weights(problem *p) {
  uint64_t state = 1;
  size_t i;
  memset(p->w, 0, p->m * p->k * sizeof *p->w);
  for (i = 0; i < p->m * p->k; i += 4) {
    const uint32_t r = bench_random(&state), first = r >> 8 & 3;
    p->w[i + first] = next_weight(&state);
    p->w[i + (first + 1 + (r >> 16) % 3) % 4] = next_weight(&state);
  }
}

static problem make_problem(size_t m, size_t n, size_t k) {
  uint64_t state = 2;
  problem p;
  size_t i, j;
  int layout;
  p.m = m;
  p.n = n;
  p.k = k;
  p.w = memory(m * k * sizeof *p.w);
  for (layout = FEATURES; layout <= TOKENS; ++layout) {
    p.x[layout] = memory(n * k * sizeof *p.w);
    p.y[layout] = memory(m * n * sizeof *p.w);
  }
  fill_weights(&p);
  for (i = 0; i < k; ++i)
    for (j = 0; j < n; ++j)
      p.x[TOKENS][j * k + i] = p.x[FEATURES][i * n + j] = bench_normal(&state);
  return p;
}
static void free_problem(problem *p) {
  int layout;
  free(p->w);
  for (layout = FEATURES; layout <= TOKENS; ++layout) {
    free(p->x[layout]);
    free(p->y[layout]);
  }
  memset(p, 0, sizeof *p);
}

/* ---- Checking and timing ------------------------------------------------- */

/* The largest error of up to some 4096 outputs, in units of 2^-24 times the sum
 * of |w x|. A float product of K terms stays below K in any order. */
static double error_of(const contender *c, const problem *p) {
  const size_t outputs = p->m * p->n, step = outputs / 4096 | 1;
  double worst = 0;
  size_t at, i;
  for (at = outputs - 1; at < outputs; at -= step) { /* wraps below 0 */
    const size_t row = at / p->n, col = at % p->n;
    const float y = c->layout == FEATURES ? p->y[FEATURES][at]
                                          : p->y[TOKENS][col * p->m + row];
    double sum = 0, size = 0, error;
    for (i = 0; i < p->k; ++i) {
      const double term =
          (double)p->w[row * p->k + i] * (double)p->x[TOKENS][col * p->k + i];
      sum += term;
      size += fabs(term);
    }
    error = fabs((double)y - sum) * 16777216 / size;
    if (!(error <= worst)) worst = error; /* a NaN too */
    if (!(error <= 1e9)) break;
  }
  return worst;
}

static int pack(const contender *c, const problem *p) {
  return c->pack == NULL || c->pack(c, p);
}

/* Packs, runs once on an output of NaNs, and says what came of it. */
static void try_contender(int i, const problem *p) {
  const contender *c = &field[i];
  if (!pack(c, p)) return;
  memset(p->y[c->layout], 0xFF, p->m * p->n * sizeof *p->y[0]);
  c->run(c, p);
  printf("contender\t%d\t%s\t%s\t%.3f\t%s\n", i, c->kind,
         c->layout == FEATURES ? "features" : "tokens", error_of(c, p),
         c->name);
}

/* Packs again each time, as contenders share the place that they pack into. */
static void time_contender(const contender *c, const problem *p,
                           double budget) {
  double start = bench_now(), packing, spent;
  long runs = 0, more = 1, i;
  if (!pack(c, p)) exit(2);
  packing = c->pack != NULL ? bench_now() - start : 0;
  c->run(c, p); /* warms the caches, wakes the threads */
  start = bench_now();
  do {
    for (i = 0; i < more; ++i) c->run(c, p);
    runs += more;
    more = runs;
    spent = bench_now() - start;
  } while (spent < budget);
  printf("seconds\t%.9g\t%.9g\n", spent / (double)runs, packing);
}

int main(void) {
  problem p = make_problem(4, 1, 4);
  char line[99], kinds[64];
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("program\t%s\t%s\t%s\n", library(), BENCH_COMPILER, BENCH_FLAGS);
  while (fgets(line, sizeof line, stdin) != NULL) {
    unsigned long m, n, k;
    double ms;
    int i;
    if (sscanf(line, "shape %lu %lu %lu %63s", &m, &n, &k, kinds) == 4 &&
        m > 0 && n > 0 && k > 0 && k % 4 == 0) {
      free_problem(&p);
      p = make_problem(m, n, k);
      for (i = 0; i < FIELD; ++i)
        if (strstr(kinds, field[i].kind) != NULL) try_contender(i, &p);
      printf("end\n");
    } else if (sscanf(line, "time %d %lf", &i, &ms) == 2 && i >= 0 &&
               i < FIELD) {
      time_contender(&field[i], &p, ms * 1e-3);
    } else {
      fprintf(stderr, "bench_product: not understood: %s", line);
      return 2;
    }
  }
  free_problem(&p);
  return 0;
}
