/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_cuda_gemm.c - the sparse product of cuda/gemm.cuh, run on the CPU.
 *
 * A trial is one product in fenced memory: operands end, but for less than 16
 * bytes, where a page begins that cannot be touched; but D they cannot be
 * written. Whatever is not an element is a NaN: gaps between rows, bytes before
 * and after, and D itself where it is not to be read. Metadata of padding are
 * legal and random. So a kernel that reads too far meets a NaN or a fault, and
 * one that writes too far is seen by comparing all of D's pages.
 *
 * What is expected comes from plain sums over the dense matrices where all is
 * exact, and from sste_mma_product, instruction by instruction, elsewhere.
 */
#define _DEFAULT_SOURCE /* mmap */
#define SSTE_CUDA_ON_HOST 1

#include <sys/mman.h>
#include <unistd.h>

#include "slow_mma.h"
#include "slow_sste.h"

/* How the instructions add; a test may set another model. */
static sste_mma_model (*model_of)(sste_mma_type operand) = sste_mma_ampere;
#define SSTE_BLOCK_MODEL(operand) model_of(operand)
#include "sste_cuda.h"

/* ---- Numbers ------------------------------------------------------------- */

static sste_mma_type mma_type(sste_type type) {
  if (type == SSTE_FLOAT32) return SSTE_MMA_F32;
  return type == SSTE_FLOAT16 ? SSTE_MMA_F16 : SSTE_MMA_BF16;
}

static size_t size_of(sste_type type) { return type == SSTE_FLOAT32 ? 4 : 2; }

/* x rounded once to a type, to nearest even; NaN is the one of its type. */
static uint32_t code_of(double x, sste_type type) {
  const slow_mma_format f = slow_mma_format_of(mma_type(type));
  const int least = slow_mma_least(mma_type(type)), m = f.mantissa;
  const int e = slow_mma_exponent(x, least);
  const uint32_t sign = signbit(x) ? 1u << (f.exponent + m) : 0u;
  const uint32_t infinity = ((1u << f.exponent) - 1) << m;
  double code;
  if (x != x) return infinity | 1u << (m - 1);
  if (fabs(x) == HUGE_VAL) return sign | infinity;
  code = ldexp(e - least, m) + nearbyint(ldexp(fabs(x), m - e));
  return sign | (code < infinity ? (uint32_t)code : infinity);
}

static double value_of(uint32_t code, sste_type type) {
  return slow_mma_value(mma_type(type), code);
}

static double rounded(double x, sste_type type) {
  return value_of(code_of(x, type), type);
}

static uint32_t element(const void *p, sste_type type, size_t i) {
  uint16_t half;
  uint32_t word;
  if (type == SSTE_FLOAT32) {
    memcpy(&word, (const uint8_t *)p + 4 * i, 4);
    return word;
  }
  memcpy(&half, (const uint8_t *)p + 2 * i, 2);
  return half;
}

static void set_element(void *p, sste_type type, size_t i, uint32_t code) {
  const uint16_t half = (uint16_t)code;
  if (type == SSTE_FLOAT32)
    memcpy((uint8_t *)p + 4 * i, &code, 4);
  else
    memcpy((uint8_t *)p + 2 * i, &half, 2);
}

/* Small integers, whose products and sums are exact in every order. */
static double draw_integer(uint64_t *rng) {
  return (double)(int)(test_random(rng) % 9) - 4.0;
}

/* Numbers of many sizes. */
static double draw_float(uint64_t *rng) {
  return ldexp(test_normal(rng), (int)(test_random(rng) % 13) - 6);
}

/* And now and then one that is not a number, or hardly one. */
static double draw_special(uint64_t *rng) {
  const double rare[] = {HUGE_VAL, -HUGE_VAL, (double)NAN, -0.0, 0x1p-24};
  const uint64_t which = test_random(rng) % 320;
  return which < 5 ? rare[which] : draw_float(rng);
}

/* ---- Memory -------------------------------------------------------------- */

typedef struct fenced {
  uint8_t *map; /* `size` bytes; then the fence */
  size_t size, page;
  uint8_t *at; /* what is used of it */
} fenced;

/* `bytes` that end at the fence, or a little before it, so that their address
 * is `off` modulo 16. All is NaN. */
static fenced fenced_new(size_t bytes, size_t off) {
  fenced f;
  size_t at;
  f.page = (size_t)sysconf(_SC_PAGESIZE);
  f.size = (bytes + 16 + f.page - 1) / f.page * f.page;
  f.map = (uint8_t *)mmap(NULL, f.size + f.page, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(f.map != MAP_FAILED);
  assert_int_equal(mprotect(f.map + f.size, f.page, PROT_NONE), 0);
  memset(f.map, 0xFF, f.size);
  at = f.size - bytes;
  f.at = f.map + (at - (at - off) % 16);
  return f;
}

static void fenced_lock(fenced f) {
  assert_int_equal(mprotect(f.map, f.size, PROT_READ), 0);
}

static void fenced_free(fenced f) { munmap(f.map, f.size + f.page); }

static void *zeros(size_t count, size_t size) {
  void *p = calloc(count + 1, size);
  assert_non_null(p);
  return p;
}

/* ---- A trial ------------------------------------------------------------- */

/* How far rows are apart: tight, a multiple of 16 bytes, or neither. */
typedef enum fit { TIGHT, ROUNDED, ODD } fit;

static size_t fit_ld(fit how, size_t cols) {
  if (how == ROUNDED) return (cols + 15) / 8 * 8;
  return how == ODD ? cols + 3 : cols;
}

typedef struct trial {
  sste_cuda_gemm_args g;
  double *a, *b, *d, *bias; /* dense: M x K, K x N, M x N and M */
  fenced values, meta, b_memory, d_memory, bias_memory;
} trial;

/* Which element of its memory is (k, n) of B, and (m, n) of D. */
static size_t b_at(const sste_cuda_gemm_args *g, size_t k, size_t n) {
  return g->b_rows ? k * g->ldb + n : n * g->ldb + k;
}
static size_t d_at(const sste_cuda_gemm_args *g, size_t m, size_t n) {
  return g->d_columns ? n * g->ldd + m : m * g->ldd + n;
}

/* A product to be set up: everything by rows but B, D in float. */
static trial trial_new(size_t M, size_t N, size_t K, sste_type type) {
  trial t;
  memset(&t, 0, sizeof t);
  t.g = sste_cuda_gemm_of(M, N, K, type);
  t.a = (double *)zeros(M * K, sizeof *t.a);
  t.b = (double *)zeros(K * N, sizeof *t.b);
  t.d = (double *)zeros(M * N, sizeof *t.d);
  t.bias = (double *)zeros(M, sizeof *t.bias);
  return t;
}

static void trial_free(trial *t) {
  fenced_free(t->values);
  fenced_free(t->meta);
  fenced_free(t->b_memory);
  fenced_free(t->d_memory);
  fenced_free(t->bias_memory);
  free(t->a);
  free(t->b);
  free(t->d);
  free(t->bias);
}

/* Random matrices, rounded to their types; A has two places of each four. */
static void trial_draw(trial *t, uint64_t *rng, double draw(uint64_t *)) {
  const size_t M = t->g.M, N = t->g.N, K = t->g.K;
  size_t i;
  for (i = 0; i < M * K; i += 4) {
    const struct slow_pair pair = slow_pairs[test_random(rng) % 6];
    t->a[i + (size_t)pair.first] = rounded(draw(rng), t->g.type);
    t->a[i + (size_t)pair.second] = rounded(draw(rng), t->g.type);
  }
  for (i = 0; i < K * N; ++i) t->b[i] = rounded(draw(rng), t->g.type);
  for (i = 0; i < M * N; ++i) t->d[i] = rounded(draw(rng), t->g.d_type);
  for (i = 0; i < M; ++i) t->bias[i] = rounded(draw(rng), SSTE_FLOAT32);
}

/* Any of the pairs that hold all non-zeros of four. */
static struct slow_pair covering(const double a[4], uint64_t *rng) {
  size_t i = (size_t)(test_random(rng) % 6), tries;
  for (tries = 0; tries < 6; ++tries, i = (i + 1) % 6) {
    int k, out = 0;
    for (k = 0; k < 4; ++k)
      out |=
          a[k] != 0.0 && k != slow_pairs[i].first && k != slow_pairs[i].second;
    if (!out) return slow_pairs[i];
  }
  fail_msg("A is not 2:4");
  return slow_pairs[0];
}

/* Where the nibble of (row, chunk) is, in nibbles: blocks of 32 x 8 down the
 * rows, then along the chunks; in a block word l is for lane l, and rows 0 to
 * 15 are for selector 0. */
static size_t nibble_at(size_t M, size_t row, size_t chunk) {
  const size_t block = chunk / 8 * ((M + 31) / 32) + row / 32;
  int lane, bit;
  slow_mma_nibble_at(&lane, &bit, sste_mma_sparse(SSTE_MMA_F16, 32),
                     (int)(row / 16 % 2), (int)(row % 16), (int)(chunk % 8));
  return block * 256 + (size_t)(lane * 8 + bit / 4);
}

static void set_nibble(uint8_t *meta, size_t at, int nibble) {
  const int other = at % 2 == 0 ? meta[at / 2] / 16 : meta[at / 2] % 16;
  meta[at / 2] =
      (uint8_t)(at % 2 == 0 ? nibble + 16 * other : other + 16 * nibble);
}

/* A in memory. Metadata of padding are random. */
static void pack_a(trial *t, uint64_t *rng, fit how, size_t off,
                   size_t meta_off) {
  const size_t M = t->g.M, K = t->g.K, ld = fit_ld(how, K / 2);
  const size_t M32 = (M + 31) / 32 * 32, K32 = (K + 31) / 32 * 32;
  size_t r, c;
  t->values = fenced_new(((M - 1) * ld + K / 2) * 2, off);
  t->meta = fenced_new(M32 * K32 / 8, meta_off);
  for (r = 0; r < M32; ++r)
    for (c = 0; c < K32 / 4; ++c) {
      struct slow_pair pair = slow_pairs[test_random(rng) % 6];
      if (r < M && c < K / 4) {
        const double *a = t->a + r * K + 4 * c;
        pair = covering(a, rng);
        set_element(t->values.at, t->g.type, r * ld + 2 * c,
                    code_of(a[pair.first], t->g.type));
        set_element(t->values.at, t->g.type, r * ld + 2 * c + 1,
                    code_of(a[pair.second], t->g.type));
      }
      set_nibble(t->meta.at, nibble_at(M, r, c), pair.nibble);
    }
  t->g.values = t->values.at;
  t->g.ldv = ld;
  t->g.meta = t->meta.at;
}

static void pack_b(trial *t, fit how, size_t off) {
  const size_t N = t->g.N, K = t->g.K;
  const size_t rows = t->g.b_rows ? K : N, cols = t->g.b_rows ? N : K;
  size_t k, n;
  t->g.ldb = fit_ld(how, cols);
  t->b_memory = fenced_new(((rows - 1) * t->g.ldb + cols) * 2, off);
  for (k = 0; k < K; ++k)
    for (n = 0; n < N; ++n)
      set_element(t->b_memory.at, t->g.type, b_at(&t->g, k, n),
                  code_of(t->b[k * N + n], t->g.type));
  t->g.b = t->b_memory.at;
}

/* D stays NaN where beta is 0. */
static void pack_d(trial *t, fit how, size_t off) {
  const size_t M = t->g.M, N = t->g.N, size = size_of(t->g.d_type);
  const size_t rows = t->g.d_columns ? N : M, cols = t->g.d_columns ? M : N;
  size_t m, n;
  t->g.ldd = fit_ld(how, cols);
  t->d_memory = fenced_new(((rows - 1) * t->g.ldd + cols) * size, off * size);
  for (m = 0; m < M && t->g.beta != 0.0f; ++m)
    for (n = 0; n < N; ++n)
      set_element(t->d_memory.at, t->g.d_type, d_at(&t->g, m, n),
                  code_of(t->d[m * N + n], t->g.d_type));
  t->g.d = t->d_memory.at;
}

/* All of a trial in memory, aligned so that 16 bytes can be copied at once, or
 * any other way. */
static void trial_pack(trial *t, uint64_t *rng, int a_fast, int b_fast,
                       int biased) {
  const uint32_t r = (uint32_t)test_random(rng);
  size_t m;
  pack_a(t, rng, a_fast ? ROUNDED : (fit)(r % 3), a_fast ? 0 : (r >> 4) % 3 * 2,
         a_fast ? 0 : (r >> 8) % 3);
  pack_b(t, b_fast ? ROUNDED : (fit)((r >> 12) % 3),
         b_fast ? 0 : (r >> 16) % 3 * 2);
  pack_d(t, (fit)((r >> 20) % 3), (r >> 24) % 4);
  t->bias_memory = fenced_new(t->g.M * 4, (r >> 28) % 4 * 4);
  for (m = 0; m < t->g.M; ++m)
    set_element(t->bias_memory.at, SSTE_FLOAT32, m,
                code_of(t->bias[m], SSTE_FLOAT32));
  t->g.bias = biased ? (const float *)(const void *)t->bias_memory.at : NULL;
  fenced_lock(t->values);
  fenced_lock(t->meta);
  fenced_lock(t->b_memory);
  fenced_lock(t->bias_memory);
}

/* What becomes of a sum. A float product is exact in double, and a sum of two
 * floats may pass through one: it has more than twice their bits. */
static uint32_t finished(const trial *t, size_t m, size_t n, double sum) {
  const double d = t->d[m * t->g.N + n];
  float x = (float)((double)t->g.alpha * sum);
  uint32_t code;
  if (t->g.beta != 0.0f)
    x = (float)((double)x + (double)(float)((double)t->g.beta * d));
  if (t->g.bias != NULL) x = (float)((double)x + t->bias[m]);
  code = code_of((double)x, t->g.d_type);
  return value_of(code, t->g.d_type) == 0.0 ? 0 : code;
}

/* Runs it: D is what becomes of these sums, and nothing else has changed. */
static void trial_check(trial *t, const double *sums) {
  const size_t M = t->g.M, N = t->g.N, size = size_of(t->g.d_type);
  uint8_t *before = (uint8_t *)zeros(t->d_memory.size, 1);
  size_t m, n;
  uint8_t *naive = (uint8_t *)zeros(t->d_memory.size, 1);
  memcpy(before, t->d_memory.map, t->d_memory.size);
  assert_int_equal(sste_cuda_gemm_naive(&t->g, NULL), SSTE_OK);
  memcpy(naive, t->d_memory.map, t->d_memory.size);
  memcpy(t->d_memory.map, before, t->d_memory.size);
  assert_int_equal(sste_cuda_gemm(&t->g, NULL), SSTE_OK);
  assert_memory_equal(naive, t->d_memory.map, t->d_memory.size);
  free(naive);
  for (m = 0; m < M; ++m)
    for (n = 0; n < N; ++n) {
      const size_t i = d_at(&t->g, m, n);
      const uint32_t got = element(t->g.d, t->g.d_type, i);
      const uint32_t want = finished(t, m, n, sums[m * N + n]);
      if (got != want)
        fail_msg(
            "%zu x %zu x %zu, type %d, B by %s, D by %s, type %d: "
            "(%zu, %zu) is %08X, expected %08X",
            M, N, t->g.K, (int)t->g.type, t->g.b_rows ? "rows" : "columns",
            t->g.d_columns ? "columns" : "rows", (int)t->g.d_type, m, n,
            (unsigned)got, (unsigned)want);
      memcpy(t->d_memory.at + i * size,
             before + (t->d_memory.at - t->d_memory.map) + i * size, size);
    }
  assert_memory_equal(before, t->d_memory.map, t->d_memory.size);
  free(before);
}

/* The sums of a dense product. */
static double *dense_sums(const trial *t) {
  const size_t M = t->g.M, N = t->g.N, K = t->g.K;
  double *sums = (double *)zeros(M * N, sizeof *sums);
  size_t m, n, k;
  for (m = 0; m < M; ++m)
    for (k = 0; k < K; ++k)
      for (n = 0; n < N; ++n)
        sums[m * N + n] += t->a[m * K + k] * t->b[k * N + n];
  return sums;
}

/* A trial on integers, from a trial with its options set. */
static void check_integers(trial t, uint64_t *rng, int a_fast, int b_fast,
                           int biased) {
  double *sums;
  trial_draw(&t, rng, draw_integer);
  trial_pack(&t, rng, a_fast, b_fast, biased);
  sums = dense_sums(&t);
  trial_check(&t, sums);
  free(sums);
  trial_free(&t);
}

/* ---- Integers ------------------------------------------------------------ */

/* Around the edges of instructions, warps, blocks and stages. */
static const size_t sides[] = {1,  8,  31,  32,  33,  63,
                               64, 65, 127, 128, 129, 200};
static const size_t depths[] = {4,  8,  28,  32,  36,  60,
                                64, 68, 124, 128, 132, 200};
enum { SHAPES = 12 };

static void check_any(size_t M, size_t N, size_t K, uint64_t *rng) {
  const uint64_t r = test_random(rng);
  trial t = trial_new(M, N, K, r & 1 ? SSTE_FLOAT16 : SSTE_BFLOAT16);
  t.g.b_rows = r >> 1 & 1;
  t.g.d_columns = r >> 2 & 1;
  t.g.d_type = (sste_type)((r >> 3) % 3);
  if (r >> 8 & 1) {
    t.g.alpha = -2.0f;
    t.g.beta = 3.0f;
  }
  check_integers(t, rng, r >> 9 & 1, r >> 10 & 1, r >> 11 & 1);
}

/* At level 1 every side is met four times in each place. */
static void integers_are_exact_in_every_shape(void **state) {
  uint64_t rng = test_seed();
  size_t i, j, k;
  (void)state;
  for (i = 0; i < SHAPES; ++i)
    for (j = 0; j < SHAPES; ++j)
      for (k = 0; k < SHAPES; ++k)
        if (test_level() == 2 || ((i + j + k) % SHAPES == 0 && i % 3 == j % 3))
          check_any(sides[i], sides[j], depths[k], &rng);
}

static void integers_are_exact_with_every_option(void **state) {
  uint64_t rng = test_seed() + 1;
  int option;
  (void)state;
  for (option = 0; option < 2 * 2 * 2 * 3 * 2; ++option) {
    trial t = trial_new(35, 13, 44, option & 1 ? SSTE_FLOAT16 : SSTE_BFLOAT16);
    t.g.b_rows = option >> 1 & 1;
    t.g.d_columns = option >> 2 & 1;
    t.g.d_type = (sste_type)((option >> 4) % 3);
    check_integers(t, &rng, option >> 3 & 1, option >> 3 & 1, option & 1);
  }
}

static void a_long_sum_goes_round_the_stages(void **state) {
  uint64_t rng = test_seed() + 2;
  int fast;
  (void)state;
  for (fast = 0; fast < 2; ++fast)
    check_integers(trial_new(40, 24, 532, SSTE_FLOAT16), &rng, fast, fast, 0);
}

static void d_is_not_read_where_beta_is_zero(void **state) {
  const float nothing[] = {0.0f, -0.0f};
  uint64_t rng = test_seed() + 3;
  int i;
  (void)state;
  for (i = 0; i < 2; ++i) {
    trial t = trial_new(5, 6, 8, SSTE_FLOAT16);
    t.g.beta = nothing[i];
    check_integers(t, &rng, 1, 1, 1);
  }
}

/* ---- Floats -------------------------------------------------------------- */

/* The same operands for sste_mma_product: metadata row by row, B by columns,
 * and K filled up with zeros to whole instructions. */
static double *instruction_sums(const trial *t) {
  const sste_mma_op op = sste_mma_sparse(mma_type(t->g.type), 32);
  const size_t M = t->g.M, N = t->g.N, K = t->g.K, K32 = (K + 31) / 32 * 32;
  uint16_t *values = (uint16_t *)zeros(M * K32 / 2, 2);
  uint16_t *b = (uint16_t *)zeros(N * K32, 2);
  uint8_t *meta = (uint8_t *)zeros(M * K32 / 8, 1);
  float *d = (float *)zeros(M * N, sizeof *d);
  double *sums = (double *)zeros(M * N, sizeof *sums);
  size_t m, n, i;
  memset(meta, 0x44, M * K32 / 8);
  for (m = 0; m < M; ++m)
    for (i = 0; i < K / 4; ++i) {
      const size_t at = nibble_at(M, m, i);
      set_nibble(meta, m * K32 / 4 + i, t->g.meta[at / 2] >> at % 2 * 4 & 0xF);
      memcpy(values + m * K32 / 2 + 2 * i,
             (const uint16_t *)t->g.values + m * t->g.ldv + 2 * i, 4);
    }
  for (n = 0; n < N; ++n)
    for (i = 0; i < K; ++i)
      b[n * K32 + i] = (uint16_t)element(t->g.b, t->g.type, b_at(&t->g, i, n));
  assert_int_equal(
      sste_mma_product(d, N, values, K32 / 2, meta, K32 / 8, b, K32, M, N, K32,
                       op, model_of(op.a), NULL, NULL),
      SSTE_OK);
  for (i = 0; i < M * N; ++i) sums[i] = (double)d[i];
  free(values);
  free(b);
  free(meta);
  free(d);
  return sums;
}

/* How far the sums are from the truth, at most. */
static void check_bound(const trial *t, const double *sums) {
  const sste_mma_op op = sste_mma_sparse(mma_type(t->g.type), 32);
  const double bound = sste_mma_bound(op, model_of(op.a), t->g.K / 2);
  size_t m, n, k;
  for (m = 0; m < t->g.M; ++m)
    for (n = 0; n < t->g.N; ++n) {
      double exact = 0.0, size = 0.0;
      for (k = 0; k < t->g.K; ++k) {
        const double x = t->a[m * t->g.K + k] * t->b[k * t->g.N + n];
        exact += x;
        size += fabs(x);
      }
      assert_near(sums[m * t->g.N + n], exact, bound * size);
    }
}

static void check_floats(trial t, uint64_t *rng, double draw(uint64_t *)) {
  const uint64_t r = test_random(rng);
  double *sums;
  t.g.b_rows = r & 1;
  t.g.d_columns = r >> 1 & 1;
  trial_draw(&t, rng, draw);
  trial_pack(&t, rng, r >> 2 & 1, r >> 3 & 1, r >> 4 & 1);
  sums = instruction_sums(&t);
  if (draw == draw_float) check_bound(&t, sums);
  trial_check(&t, sums);
  free(sums);
  trial_free(&t);
}

static const size_t float_shapes[][3] = {
    {1, 1, 4}, {33, 9, 36}, {40, 70, 132}, {129, 65, 20}};

static void floats_are_those_of_the_instructions(void **state) {
  uint64_t rng = test_seed() + 4;
  int option;
  (void)state;
  for (option = 0; option < 4 * 2 * 2 * 3; ++option) {
    const size_t *shape = float_shapes[option % 4];
    trial t = trial_new(shape[0], shape[1], shape[2],
                        option & 4 ? SSTE_FLOAT16 : SSTE_BFLOAT16);
    model_of = option & 8 ? sste_mma_hopper : sste_mma_ampere;
    t.g.d_type = (sste_type)(option / 16);
    t.g.alpha = option & 2 ? 1.0f : (float)draw_float(&rng);
    t.g.beta = option & 2 ? 0.0f : (float)draw_float(&rng);
    check_floats(t, &rng, draw_float);
  }
  model_of = sste_mma_ampere;
}

static void specials_are_those_of_the_instructions(void **state) {
  const float scales[] = {1.0f, 0.0f, -0.5f, HUGE_VALF, 0x1p-140f};
  uint64_t rng = test_seed() + 5;
  int i, j;
  (void)state;
  for (i = 0; i < 5; ++i)
    for (j = 0; j < 5; ++j) {
      trial t = trial_new(37, 11, 20, j & 1 ? SSTE_FLOAT16 : SSTE_BFLOAT16);
      t.g.d_type = (sste_type)((i + j) % 3);
      t.g.alpha = scales[i];
      t.g.beta = scales[j];
      check_floats(t, &rng, draw_special);
    }
}

/* ---- Shared memory ------------------------------------------------------- */

/* A copy that nobody has waited for must not look as if it were there. */
static void a_copy_arrives_at_the_barrier_after_its_wait(void **state) {
  static sste_block block;
  fenced f = fenced_new(64, 0);
  uint8_t *from = f.at, *whole = from + 16, *part = from + 32;
  const uint8_t *missing = from + 48;
  int i;
  (void)state;
  for (i = 0; i < 16; ++i) from[i] = (uint8_t)(i + 1);
  sste_copy16(&block, whole, from, 16);
  sste_copies_commit(&block);
  sste_copy16(&block, part, from, 5);
  sste_copies_commit(&block);
  SSTE_BARRIER(&block); /* and no wait */
  assert_memory_equal(whole, missing, 16);
  sste_copies_wait(&block, 1); /* and no barrier */
  assert_memory_equal(whole, missing, 16);
  SSTE_BARRIER(&block);
  assert_memory_equal(whole, from, 16);
  assert_memory_equal(part, missing, 16);
  sste_copies_wait(&block, 0);
  SSTE_BARRIER(&block);
  memset(from + 5, 0, 11); /* where zeros have arrived */
  assert_memory_equal(part, from, 16);
  fenced_free(f);
}

/* ldmatrix reads a piece of each of eight rows at once, from 8 x 16 bytes of
 * banks: wrong pieces would show in the sums, slow ones only here. */
static void eight_rows_lie_in_different_banks(void **state) {
  int first, c, i;
  (void)state;
  for (first = 0; first < 64; first += 8)
    for (c = 0; c < 16; ++c) {
      int a = 0, columns = 0, rows = 0;
      for (i = 0; i < 8; ++i) {
        a |= 1 << sste_priv_gemm_a(first + i, c % 4) / 16 % 8;
        columns |= 1 << sste_priv_gemm_b(first + i, c % 8, 0) / 16 % 8;
        rows |= 1 << sste_priv_gemm_b(first + i, c, 1) / 16 % 8;
      }
      assert_int_equal(a, 0xFF);
      assert_int_equal(columns, 0xFF);
      assert_int_equal(rows, 0xFF);
    }
}

/* ---- The three products of a layer --------------------------------------- */

/* Its matrices, in integers: W is 2:4 along both axes; of dZ a sample is 2:4
 * down columns, in halves of integers. */
enum { TOKENS = 36, OUTPUTS = 68, INPUTS = 132 };
typedef struct layer {
  float w[OUTPUTS * INPUTS], x[TOKENS * INPUTS], dz[TOKENS * OUTPUTS],
      sample[TOKENS * OUTPUTS];
  float z[TOKENS * OUTPUTS], dx[TOKENS * INPUTS], dw[OUTPUTS * INPUTS];
} layer;

static layer *layer_new(uint64_t *rng) {
  layer *l = (layer *)zeros(1, sizeof *l);
  uint8_t *mask = (uint8_t *)zeros(OUTPUTS * INPUTS, 1);
  const sste_mvue_stream stream = {7, 1, 2, 0, 0};
  size_t i;
  for (i = 0; i < OUTPUTS * INPUTS; ++i) l->w[i] = (float)draw_integer(rng);
  for (i = 0; i < TOKENS * INPUTS; ++i) l->x[i] = (float)draw_integer(rng);
  for (i = 0; i < TOKENS * OUTPUTS; ++i) l->dz[i] = (float)draw_integer(rng);
  assert_int_equal(
      sste_tensor_mask_transposable(mask, INPUTS, l->w, INPUTS, OUTPUTS, INPUTS,
                                    SSTE_TILE_OPTIMAL),
      SSTE_OK);
  assert_int_equal(sste_tensor_apply_mask(l->w, INPUTS, l->w, INPUTS, mask,
                                          INPUTS, OUTPUTS, INPUTS),
                   SSTE_OK);
  assert_int_equal(
      sste_mvue24_tensor_draw(l->sample, OUTPUTS, l->dz, OUTPUTS, TOKENS,
                              OUTPUTS, SSTE_DOWN_COLUMNS, &stream),
      SSTE_OK);
  sste_product_forward(l->z, OUTPUTS, l->x, INPUTS, l->w, INPUTS, TOKENS,
                       OUTPUTS, INPUTS);
  sste_product_input_grad(l->dx, INPUTS, l->dz, OUTPUTS, l->w, INPUTS, TOKENS,
                          OUTPUTS, INPUTS);
  sste_product_weight_grad(l->dw, INPUTS, l->sample, OUTPUTS, l->x, INPUTS,
                           TOKENS, OUTPUTS, INPUTS);
  free(mask);
  return l;
}

/* A matrix of floats, or its transpose. */
static void dense_from(double *to, const float *from, size_t rows, size_t cols,
                       int transposed) {
  size_t r, c;
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; ++c)
      to[r * cols + c] = (double)from[transposed ? c * rows + r : r * cols + c];
}

/* One of them: what A, B and D are, and whether transposed. */
static void check_product(trial t, uint64_t *rng, const float *a, int a_turned,
                          const float *b, int b_turned, const float *d,
                          int d_turned) {
  double *sums = (double *)zeros(t.g.M * t.g.N, sizeof *sums);
  dense_from(t.a, a, t.g.M, t.g.K, a_turned);
  dense_from(t.b, b, t.g.K, t.g.N, b_turned);
  dense_from(sums, d, t.g.M, t.g.N, d_turned);
  t.g.b_rows = !b_turned;
  t.g.d_columns = d_turned;
  trial_pack(&t, rng, 0, 1, 0);
  trial_check(&t, sums);
  free(sums);
  trial_free(&t);
}

static void the_products_of_a_layer_are_those_of_the_cpu(void **state) {
  const sste_type types[] = {SSTE_FLOAT16, SSTE_BFLOAT16};
  uint64_t rng = test_seed() + 6;
  layer *l = layer_new(&rng);
  int i;
  (void)state;
  for (i = 0; i < 2; ++i) {
    check_product(trial_new(OUTPUTS, TOKENS, INPUTS, types[i]), &rng, l->w, 0,
                  l->x, 1, l->z, 1);
    check_product(trial_new(INPUTS, TOKENS, OUTPUTS, types[i]), &rng, l->w, 1,
                  l->dz, 1, l->dx, 1);
    check_product(trial_new(OUTPUTS, INPUTS, TOKENS, types[i]), &rng, l->sample,
                  1, l->x, 0, l->dw, 0);
  }
  free(l);
}

/* ---- Arguments ----------------------------------------------------------- */

static void the_arguments_of_a_plain_product(void **state) {
  const sste_cuda_gemm_args g = sste_cuda_gemm_of(3, 5, 12, SSTE_BFLOAT16);
  (void)state;
  assert_int_equal(g.M, 3);
  assert_int_equal(g.N, 5);
  assert_int_equal(g.K, 12);
  assert_int_equal(g.type, SSTE_BFLOAT16);
  assert_int_equal(g.d_type, SSTE_FLOAT32);
  assert_int_equal(g.ldv, 0);
  assert_int_equal(g.ldb, 0);
  assert_int_equal(g.ldd, 0);
  assert_int_equal(g.b_rows, 0);
  assert_int_equal(g.d_columns, 0);
  assert_same_float(g.alpha, 1.0f);
  assert_same_float(g.beta, 0.0f);
  assert_null(g.values);
  assert_null(g.meta);
  assert_null(g.b);
  assert_null(g.d);
  assert_null(g.bias);
}

/* In either order of B and of D, without the strides being said. */
static void leading_dimensions_of_0_are_tight(void **state) {
  uint64_t rng = test_seed() + 14;
  int order;
  (void)state;
  for (order = 0; order < 4; ++order) {
    trial t = trial_new(5, 6, 8, SSTE_FLOAT16);
    sste_cuda_gemm_args g;
    size_t m, n;
    double *sums;
    t.g.b_rows = order % 2;
    t.g.d_columns = order / 2;
    trial_draw(&t, &rng, draw_integer);
    pack_a(&t, &rng, TIGHT, 0, 0);
    pack_b(&t, TIGHT, 0);
    pack_d(&t, TIGHT, 0);
    t.bias_memory = fenced_new(4, 0);
    sums = dense_sums(&t);
    g = t.g;
    g.ldv = g.ldb = g.ldd = 0;
    assert_int_equal(sste_cuda_gemm(&g, NULL), SSTE_OK);
    for (m = 0; m < 5; ++m)
      for (n = 0; n < 6; ++n)
        assert_int_equal(element(t.g.d, SSTE_FLOAT32, d_at(&t.g, m, n)),
                         finished(&t, m, n, sums[m * 6 + n]));
    free(sums);
    trial_free(&t);
  }
}

/* Matrices of 5 x 6 and K = 8 for the tests below. */
static trial small(uint64_t *rng) {
  trial t = trial_new(5, 6, 8, SSTE_FLOAT16);
  trial_draw(&t, rng, draw_integer);
  trial_pack(&t, rng, 1, 1, 1);
  return t;
}

/* Fails with `want`, and D stays as it was. */
static void check_refused(const trial *t, sste_cuda_gemm_args g,
                          sste_status want) {
  size_t i;
  assert_int_equal(sste_cuda_gemm(&g, NULL), want);
  for (i = 0; i < t->d_memory.size; ++i)
    assert_int_equal(t->d_memory.map[i], 0xFF);
}

/* Sets one field of good arguments. */
#define REFUSED(field, bad, want) \
  do {                            \
    sste_cuda_gemm_args g = t.g;  \
    g.field = bad;                \
    check_refused(&t, g, want);   \
  } while (0)

static void bad_arguments_are_refused(void **state) {
  uint64_t rng = test_seed() + 7;
  trial t = small(&rng);
  (void)state;
  assert_int_equal(sste_cuda_gemm(NULL, NULL), SSTE_ERR_NULL);
  REFUSED(values, NULL, SSTE_ERR_NULL);
  REFUSED(meta, NULL, SSTE_ERR_NULL);
  REFUSED(b, NULL, SSTE_ERR_NULL);
  REFUSED(d, NULL, SSTE_ERR_NULL);
  REFUSED(type, SSTE_FLOAT32, SSTE_ERR_VALUE);
  REFUSED(type, SSTE_FP8, SSTE_ERR_VALUE);
  REFUSED(d_type, SSTE_FP8, SSTE_ERR_VALUE);
  REFUSED(d_type, (sste_type)-1, SSTE_ERR_VALUE);
  REFUSED(b_rows, 2, SSTE_ERR_VALUE);
  REFUSED(b_rows, -1, SSTE_ERR_VALUE);
  REFUSED(d_columns, 2, SSTE_ERR_VALUE);
  REFUSED(d_columns, -1, SSTE_ERR_VALUE);
  REFUSED(K, 6, SSTE_ERR_SHAPE);
  REFUSED(ldv, 3, SSTE_ERR_SHAPE);
  REFUSED(ldb, 7, SSTE_ERR_SHAPE);
  REFUSED(ldd, 5, SSTE_ERR_SHAPE);
  REFUSED(ldv, SIZE_MAX / 8, SSTE_ERR_SIZE);
  REFUSED(ldb, SIZE_MAX / 8, SSTE_ERR_SIZE);
  REFUSED(ldd, SIZE_MAX / 8, SSTE_ERR_SIZE);
  REFUSED(M, SIZE_MAX / 8, SSTE_ERR_SIZE);
  trial_free(&t);
}

static void strides_follow_the_order_of_b_and_d(void **state) {
  uint64_t rng = test_seed() + 8;
  trial t = small(&rng);
  (void)state;
  t.g.b_rows = t.g.d_columns = 1;
  t.g.ldb = 6;
  t.g.ldd = 5;
  REFUSED(ldb, 5, SSTE_ERR_SHAPE);
  REFUSED(ldd, 4, SSTE_ERR_SHAPE);
  assert_int_equal(sste_cuda_gemm(&t.g, NULL), SSTE_OK);
  trial_free(&t);
}

/* Nothing is at these addresses but D, and nobody looks. */
static void sizes_beyond_the_kernel_are_refused(void **state) {
  const size_t sizes[2][2] = {{1, (size_t)1 << 31}, {65535 * 128 + 1, 4}};
  float d = 5.0f;
  size_t i;
  (void)state;
  for (i = 0; i < 2 && sizeof(size_t) == 8; ++i) {
    sste_cuda_gemm_args g =
        sste_cuda_gemm_of(1, sizes[i][0], sizes[i][1], SSTE_FLOAT16);
    g.d = &d;
    g.values = (const void *)(UINTPTR_MAX / 16);
    g.b = (const void *)(UINTPTR_MAX / 8);
    g.meta = (const uint8_t *)(UINTPTR_MAX / 4);
    assert_int_equal(sste_cuda_gemm(&g, NULL), SSTE_ERR_SIZE);
    assert_same_float(d, 5.0f);
  }
}

/* D, 30 floats, is moved over memory in which the other matrix has a place. */
static void d_may_touch_nothing(void **state) {
  uint64_t rng = test_seed() + 9;
  trial t = small(&rng);
  const size_t d_bytes = 30 * 4;
  size_t i;
  (void)state;
  t.g.ldv = 4;
  t.g.ldb = 8;
  t.g.ldd = 6;
  for (i = 0; i < 4; ++i) {
    const size_t bytes = (const size_t[]){40, 128, 96, 20}[i];
    fenced f = fenced_new(d_bytes + bytes + d_bytes, 0);
    sste_cuda_gemm_args g = t.g;
    uint8_t *other = f.at + d_bytes;
    memset(other, i == 1 ? 0x44 : 0, bytes);
    if (i == 0) g.values = other;
    if (i == 1) g.meta = other;
    if (i == 2) g.b = other;
    if (i == 3) g.bias = (const float *)(void *)other;
    g.d = f.at + 4;
    assert_int_equal(sste_cuda_gemm(&g, NULL), SSTE_ERR_OVERLAP);
    g.d = other + bytes - 4;
    assert_int_equal(sste_cuda_gemm(&g, NULL), SSTE_ERR_OVERLAP);
    g.d = f.at;
    assert_int_equal(sste_cuda_gemm(&g, NULL), SSTE_OK);
    g.d = other + bytes;
    assert_int_equal(sste_cuda_gemm(&g, NULL), SSTE_OK);
    fenced_free(f);
  }
  trial_free(&t);
}

static void empty_products_succeed_and_touch_nothing(void **state) {
  uint64_t rng = test_seed() + 10;
  trial t = small(&rng);
  (void)state;
  REFUSED(M, 0, SSTE_OK);
  REFUSED(N, 0, SSTE_OK);
  check_refused(&t, sste_cuda_gemm_of(0, 6, 8, SSTE_FLOAT16), SSTE_OK);
  check_refused(&t, sste_cuda_gemm_of(5, 0, 8, SSTE_FLOAT16), SSTE_OK);
  trial_free(&t);
}

static void a_sum_of_nothing_is_zero(void **state) {
  const float bias[2] = {1.0f, -0.0f};
  float d[2][3] = {{1, 2, 3}, {4, 5, 6}};
  sste_cuda_gemm_args g = sste_cuda_gemm_of(2, 3, 0, SSTE_FLOAT16);
  (void)state;
  g.d = d;
  g.beta = 2.0f;
  g.bias = bias;
  assert_int_equal(sste_cuda_gemm(&g, NULL), SSTE_OK);
  assert_same_float(d[0][0], 3.0f);
  assert_same_float(d[1][2], 12.0f);
  g.alpha = -1.0f;
  g.beta = 0.0f;
  assert_int_equal(sste_cuda_gemm(&g, NULL), SSTE_OK);
  assert_same_float(d[0][1], 1.0f);
  assert_same_float(d[1][1], 0.0f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(integers_are_exact_in_every_shape),
      cmocka_unit_test(integers_are_exact_with_every_option),
      cmocka_unit_test(a_long_sum_goes_round_the_stages),
      cmocka_unit_test(d_is_not_read_where_beta_is_zero),
      cmocka_unit_test(floats_are_those_of_the_instructions),
      cmocka_unit_test(specials_are_those_of_the_instructions),
      cmocka_unit_test(a_copy_arrives_at_the_barrier_after_its_wait),
      cmocka_unit_test(eight_rows_lie_in_different_banks),
      cmocka_unit_test(the_products_of_a_layer_are_those_of_the_cpu),
      cmocka_unit_test(the_arguments_of_a_plain_product),
      cmocka_unit_test(leading_dimensions_of_0_are_tight),
      cmocka_unit_test(bad_arguments_are_refused),
      cmocka_unit_test(strides_follow_the_order_of_b_and_d),
      cmocka_unit_test(sizes_beyond_the_kernel_are_refused),
      cmocka_unit_test(d_may_touch_nothing),
      cmocka_unit_test(empty_products_succeed_and_touch_nothing),
      cmocka_unit_test(a_sum_of_nothing_is_zero),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
