/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_gemm.c - sste_gemm.h against sums that take one output at a time: the
 * same bits for the stated order, whatever the shape, the layout, the type of
 * the weights, the number of threads; and the exact sums within the bound.
 *
 *   1. Weights of every type
 *   2. One product, four layouts
 *   3. All shapes: integers exactly, reals in the stated order
 *   4. Stored patterns, one by one
 *   5. Entries that no nibble names
 *   6. The error bound
 *   7. Threads and slices
 *   8. The three products of a layer
 *   9. Memory: sizes, places, nothing beyond
 *  10. What is refused
 */
#include "slow_fp8.h"
#include "slow_gemm.h"
#include "sste_gemm.h"
#include "sste_mvue.h"
#include "test.h"

#define NAN_BITS 0x7FC00000u
#define INF_BITS 0x7F800000u
#define assert_accepted(call) assert_int_equal((call), SSTE_OK)

/* Memory of which every byte is 0xFF: NaNs, which are never the right result.
 * As short as can be, so that a sanitizer sees what is read beyond it. */
static void *memory_new(size_t bytes) {
  void *p = malloc(bytes != 0 ? bytes : 1);
  assert_non_null(p);
  memset(p, 0xFF, bytes);
  return p;
}

static int untouched(const void *p, size_t bytes) {
  const uint8_t *byte = (const uint8_t *)p;
  size_t i = 0;
  while (i < bytes && byte[i] == 0xFF) ++i;
  return i == bytes;
}

/* ---- 1. Weights of every type -------------------------------------------- */

/* What a type's patterns are as floats, and the patterns of -8 .. 8. */
typedef struct stored {
  sste_type type;
  sste_fp8_format format;
  int codes; /* 0: floats, which are themselves */
  float of[65536];
  int of_integer[17];
} stored;

enum { TYPES = 6 };
static stored types[TYPES];

static void stored_init(stored *s, sste_type type, sste_fp8_format f) {
  int code, i;
  const slow_fp8 slow = slow_fp8_new(f.sign_bits, f.exponent_bits,
                                     f.mantissa_bits, f.bias, f.specials);
  s->type = type;
  s->format = f;
  s->codes = type == SSTE_FLOAT32 ? 0 : type == SSTE_FP8 ? 256 : 65536;
  for (code = 0; code < s->codes; ++code)
    s->of[code] = type == SSTE_FLOAT16    ? slow_half(code, 5)
                  : type == SSTE_BFLOAT16 ? slow_half(code, 8)
                                          : slow_fp8_decode(&slow, code);
  for (i = 0; i < 17; ++i)
    for (code = s->codes - 1; code >= 0; --code)
      if (s->of[code] == (float)(i - 8)) s->of_integer[i] = code;
}

static int make_types(void **unused) {
  (void)unused;
  stored_init(&types[0], SSTE_FLOAT32, sste_fp8_e4m3fn());
  stored_init(&types[1], SSTE_FLOAT16, sste_fp8_e4m3fn());
  stored_init(&types[2], SSTE_BFLOAT16, sste_fp8_e4m3fn());
  stored_init(&types[3], SSTE_FP8, sste_fp8_e4m3fn());
  stored_init(&types[4], SSTE_FP8, sste_fp8_e5m2());
  stored_init(&types[5], SSTE_FP8, sste_fp8_e4m3fnuz());
  return 0;
}

static size_t type_bytes(sste_type type) {
  return type == SSTE_FLOAT32 ? 4 : type == SSTE_FP8 ? 1 : 2;
}

static void store(void *p, sste_type type, size_t i, uint32_t bits) {
  const uint16_t half = (uint16_t)bits;
  const uint8_t byte = (uint8_t)bits;
  uint8_t *at = (uint8_t *)p + i * type_bytes(type);
  if (type == SSTE_FLOAT32) memcpy(at, &bits, 4);
  if (type == SSTE_FLOAT16 || type == SSTE_BFLOAT16) memcpy(at, &half, 2);
  if (type == SSTE_FP8) *at = byte;
}

enum kind {
  INTEGERS, /* -8 .. 8 */
  NORMAL,
  WIDE,    /* exponents far apart */
  TINY,    /* products that underflow, -0 among the sums */
  SPECIAL, /* one in 32 any bits, an infinity, a NaN or -0 */
  KINDS
};

static float entry(enum kind kind, uint64_t *rng) {
  static const uint32_t special[] = {INF_BITS,    0xFF800000u, NAN_BITS,
                                     0x7F800001u, 0xFFFFFFFFu, 0x80000000u};
  const uint64_t r = test_random(rng);
  const double normal = test_normal(rng);
  switch (kind) {
    case INTEGERS: return (float)(r % 17) - 8.0f;
    case WIDE: return (float)ldexp(normal, (int)(r % 61) - 30);
    case TINY: return (float)ldexp(normal, -70 - (int)(r % 90));
    case SPECIAL:
      if (r % 64 == 0) return test_float((uint32_t)(r >> 32));
      if (r % 64 == 1) return test_float(special[(r >> 32) % 6]);
      return (float)normal;
    default: return (float)normal;
  }
}

/* One weight as it is stored; returns its value. */
static float weight(void *values, size_t i, const stored *s, enum kind kind,
                    uint64_t *rng) {
  float x = entry(kind, rng);
  int code;
  if (s->codes == 0) {
    store(values, SSTE_FLOAT32, i, test_bits(x));
    return x;
  }
  do code = (int)(test_random(rng) % (uint64_t)s->codes);
  while (kind != SPECIAL && !isfinite(s->of[code]));
  if (kind == INTEGERS) code = s->of_integer[(int)x + 8];
  store(values, s->type, i, (uint32_t)code);
  return s->of[code];
}

/* ---- 2. One product, four layouts ---------------------------------------- */

/* A, compressed and packed, and dense; B, by rows. Rows of the compressed form
 * lie apart by `pad` elements more than they must. */
typedef struct problem {
  size_t M, K, J, pad;
  slow_terms sparse, dense;
  void *values;
  uint8_t *meta;
  size_t ldv, ldm;
  float *a, *b;
  sste_packed packed;
  void *memory;
} problem;

static size_t extent(size_t rows, size_t cols, size_t ld) {
  return rows == 0 || cols == 0 ? 0 : (rows - 1) * ld + cols;
}

/* Every group names two places at random and zeros are weights as others are;
 * the unused half of a row's last byte is anything. */
static void fill_compressed(problem *p, const stored *s, enum kind kind,
                            uint64_t *rng) {
  const size_t groups = p->K / 4;
  size_t i, g;
  p->ldv = p->K / 2 + p->pad;
  p->ldm = (p->K + 7) / 8 + p->pad;
  p->values = memory_new(extent(p->M, p->K / 2, p->ldv) * type_bytes(s->type));
  p->meta = (uint8_t *)memory_new(extent(p->M, (p->K + 7) / 8, p->ldm));
  for (i = 0; i < p->M; ++i)
    for (g = 0; g < groups; ++g) {
      const int nibble = slow_pairs[test_random(rng) % 6].nibble;
      uint8_t *byte = p->meta + i * p->ldm + g / 2;
      const size_t at = i * p->ldv + 2 * g;
      const float first = weight(p->values, at, s, kind, rng);
      const float second = weight(p->values, at + 1, s, kind, rng);
      *byte =
          (uint8_t)(g % 2 != 0 ? *byte % 16 + 16 * nibble
                               : nibble + 16 * (int)(test_random(rng) % 16));
      slow_terms_group(p->sparse, i, g, nibble, first, second);
    }
}

static void pack(problem *p, const stored *s) {
  const size_t bytes = sste_packed_bytes(p->M, p->K, s->type);
  p->memory = memory_new(bytes);
  assert_accepted(sste_packed_init(&p->packed, p->memory, bytes, p->values,
                                   p->ldv, p->meta, p->ldm, p->M, p->K, s->type,
                                   &s->format));
}

static problem problem_new(size_t M, size_t K, size_t J, size_t pad,
                           const stored *s, enum kind kind, uint64_t *rng) {
  problem p;
  size_t i, k;
  p.M = M;
  p.K = K;
  p.J = J;
  p.pad = pad;
  p.sparse = slow_terms_new(M, K / 2);
  p.dense = slow_terms_new(M, K);
  p.a = (float *)memory_new(M * K * sizeof *p.a);
  p.b = (float *)memory_new(K * J * sizeof *p.b);
  fill_compressed(&p, s, kind, rng);
  pack(&p, s);
  for (i = 0; i < M * K; ++i) p.a[i] = entry(kind, rng);
  for (i = 0; i < K * J; ++i) p.b[i] = entry(kind, rng);
  for (i = 0; i < M; ++i)
    for (k = 0; k < K; ++k) {
      p.dense.k[i * K + k] = k;
      p.dense.a[i * K + k] = p.a[i * K + k];
    }
  return p;
}

static void problem_free(problem *p) {
  slow_terms_free(p->sparse);
  slow_terms_free(p->dense);
  free(p->values);
  free(p->meta);
  free(p->a);
  free(p->b);
  free(p->memory);
}

/* A matrix, or its transpose, in memory of its own with rows *ld apart. */
static float *laid_out(size_t *ld, const float *plain, size_t rows, size_t cols,
                       size_t pad, int transposed) {
  const size_t lines = transposed ? cols : rows,
               line = transposed ? rows : cols;
  float *p;
  size_t i, j;
  *ld = line + pad;
  p = (float *)memory_new(extent(lines, line, *ld) * sizeof *p);
  for (i = 0; plain != NULL && i < rows; ++i)
    for (j = 0; j < cols; ++j)
      memcpy(p + (transposed ? j * *ld + i : i * *ld + j), plain + i * cols + j,
             sizeof *p);
  return p;
}

/* Scratch of just so many bytes, at every place in a cache line in turn, and
 * bytes on both sides that must stay as they are. */
enum { GUARD = 64 };
typedef struct scratch {
  uint8_t *all, *at;
  size_t bytes;
} scratch;

static scratch scratch_new(size_t bytes) {
  static size_t turn;
  scratch s;
  s.all = (uint8_t *)memory_new(bytes + 3 * GUARD);
  s.at = s.all + GUARD + turn++ % 16 * sizeof(float);
  s.bytes = bytes;
  return s;
}

static void scratch_free(scratch s) {
  uint8_t *end = s.at + s.bytes;
  assert_true(untouched(s.all, (size_t)(s.at - s.all)));
  assert_true(untouched(end, (size_t)(s.all + s.bytes + 3 * GUARD - end)));
  free(s.all);
}

/* The two products, with scratch that is looked after. */
static void multiply(float *y, size_t ldy, int yt, const sste_packed *a,
                     const float *b, size_t ldb, int bt, size_t J) {
  const scratch s = scratch_new(sste_packed_product_bytes(a, J));
  assert_accepted(
      sste_packed_product(y, ldy, yt, a, b, ldb, bt, J, s.at, s.bytes));
  scratch_free(s);
}

static void multiply_dense(float *y, size_t ldy, const float *a, size_t lda,
                           int at, const float *b, size_t ldb, int bt, size_t M,
                           size_t J, size_t K) {
  const scratch s = scratch_new(sste_dense_product_bytes(M, J, K));
  assert_accepted(sste_dense_product(y, ldy, a, lda, at, b, ldb, bt, M, J, K,
                                     s.at, s.bytes));
  scratch_free(s);
}

/* Y by rows. */
static float *product_of(const problem *p) {
  float *y = (float *)memory_new(p->M * p->J * sizeof *y);
  multiply(y, p->J, 0, &p->packed, p->b, p->J, 0, p->J);
  return y;
}

static float *dense_product_of(const problem *p) {
  float *y = (float *)memory_new(p->M * p->J * sizeof *y);
  multiply_dense(y, p->J, p->a, p->K, 0, p->b, p->J, 0, p->M, p->J, p->K);
  return y;
}

static void assert_same(const problem *p, const float *got, const float *want,
                        size_t n, const char *what, int flags) {
  size_t i = 0;
  if (memcmp(got, want, n * sizeof *got) == 0) return;
  while (test_bits(got[i]) == test_bits(want[i])) ++i;
  test_print_float("got", got[i]);
  test_print_float("expected", want[i]);
  fail_msg(
      "%s, flags %d, M %zu, K %zu, J %zu, pad %zu, type %d: float %zu of "
      "%zu",
      what, flags, p->M, p->K, p->J, p->pad, (int)p->packed.type, i, n);
}

/* The sparse product with its arrays as `flags` say: 1, Y is transposed; 2, B
 * is. It must be `want`, given by rows, and leave the rest of Y alone. */
static void same_packed(const problem *p, const float *want, int flags) {
  const int yt = flags & 1, bt = flags >> 1;
  size_t ldy, ldb;
  float *y = laid_out(&ldy, NULL, p->M, p->J, p->pad, yt);
  float *expected = laid_out(&ldy, want, p->M, p->J, p->pad, yt);
  float *b = laid_out(&ldb, p->b, p->K, p->J, p->pad, bt);
  multiply(y, ldy, yt, &p->packed, b, ldb, bt, p->J);
  assert_same(p, y, expected,
              yt ? extent(p->J, p->M, ldy) : extent(p->M, p->J, ldy), "packed",
              flags);
  free(y);
  free(expected);
  free(b);
}

/* The dense product; flags: 1, A is transposed; 2, B is. */
static void same_dense(const problem *p, const float *want, int flags) {
  const int at = flags & 1, bt = flags >> 1;
  size_t ldy, lda, ldb;
  float *y = laid_out(&ldy, NULL, p->M, p->J, p->pad, 0);
  float *expected = laid_out(&ldy, want, p->M, p->J, p->pad, 0);
  float *a = laid_out(&lda, p->a, p->M, p->K, p->pad, at);
  float *b = laid_out(&ldb, p->b, p->K, p->J, p->pad, bt);
  multiply_dense(y, ldy, a, lda, at, b, ldb, bt, p->M, p->J, p->K);
  assert_same(p, y, expected, extent(p->M, p->J, ldy), "dense", flags);
  free(y);
  free(expected);
  free(a);
  free(b);
}

/* Both products in all layouts against a sum of their terms. */
static void same_products(const problem *p, slow_sum *sum) {
  float *want = (float *)memory_new(p->M * p->J * sizeof *want);
  int flags;
  sum(want, p->sparse, p->b, p->J);
  for (flags = 0; flags < 4; ++flags) same_packed(p, want, flags);
  sum(want, p->dense, p->b, p->J);
  for (flags = 0; flags < 4; ++flags) same_dense(p, want, flags);
  free(want);
}

/* ---- 3. All shapes ------------------------------------------------------- */

/* Around a group, a pass of eight, a block, a panel, a band; primes. */
static const size_t depths[] = {0,  4,  8,  12, 16, 28, 32,
                                36, 60, 64, 68, 96, 100};
static const size_t widths[] = {0,  1,  2,  3,   7,   8,   16,  31, 32,
                                33, 64, 97, 255, 256, 257, 288, 300};
static const size_t heights[] = {0,  1,  2,  3,  4,   5,   6,   7,
                                 13, 31, 32, 64, 255, 256, 257, 300};
enum {
  DEPTHS = (int)(sizeof depths / sizeof depths[0]),
  WIDTHS = (int)(sizeof widths / sizeof widths[0]),
  HEIGHTS = (int)(sizeof heights / sizeof heights[0])
};

/* Every depth with every width; the height, the type, the kind and the strides
 * by chance. */
static void all_shapes(enum kind first, enum kind beyond, slow_sum *sum) {
  const int rounds = test_level() == 2 ? 40 : 1;
  uint64_t rng = test_seed();
  int round, d, w;
  for (round = 0; round < rounds; ++round)
    for (d = 0; d < DEPTHS; ++d)
      for (w = 0; w < WIDTHS; ++w) {
        const uint64_t r = test_random(&rng);
        const enum kind kind = (enum kind)(
            (int)first + (int)(r >> 40) % ((int)beyond - (int)first));
        problem p = problem_new(heights[r % HEIGHTS], depths[d], widths[w],
                                (r >> 8) % 3 * 5, &types[(r >> 16) % TYPES],
                                kind, &rng);
        test_threads((r >> 24) % 8 == 0 ? 3 : 1);
        same_products(&p, sum);
        problem_free(&p);
      }
  test_threads(1);
}

static void integers_are_exact(void **unused) {
  (void)unused;
  all_shapes(INTEGERS, NORMAL, slow_integers);
}

static void sums_have_the_stated_order(void **unused) {
  (void)unused;
  all_shapes(NORMAL, KINDS, slow_ordered);
}

/* A large sum of primes, every kind: many blocks, panels and bands. */
static void large_sums_have_the_stated_order(void **unused) {
  uint64_t rng = test_seed();
  int kind;
  (void)unused;
  for (kind = NORMAL; kind < KINDS; ++kind) {
    problem p =
        problem_new(263, 1012, 11, 1, &types[kind], (enum kind)kind, &rng);
    same_products(&p, slow_ordered);
    problem_free(&p);
  }
}

/* The examples of the comments. */
static void by_hand(void **unused) {
  const float values[2] = {5.0f, 2.0f}, b[4] = {1.0f, 2.0f, 3.0f, 4.0f};
  const float a[2] = {1.0f, 2.0f}, c[2] = {3.0f, 4.0f};
  const uint8_t meta[1] = {0x0D};
  float memory[17], room[1100], y = 0.0f;
  sste_packed packed;
  (void)unused;
  assert_accepted(sste_packed_init(&packed, memory, sizeof memory, values, 2,
                                   meta, 1, 1, 4, SSTE_FLOAT32, NULL));
  assert_int_equal(packed.rows, 1);
  assert_int_equal(packed.cols, 4);
  assert_int_equal(packed.type, SSTE_FLOAT32);
  assert_true(sste_packed_product_bytes(&packed, 1) <= sizeof room);
  assert_accepted(
      sste_packed_product(&y, 1, 0, &packed, b, 1, 0, 1, room, sizeof room));
  assert_same_float(y, 18.0f);
  assert_accepted(
      sste_dense_product(&y, 1, a, 2, 0, c, 1, 0, 1, 1, 2, room, sizeof room));
  assert_same_float(y, 11.0f);
}

/* ---- 4. Stored patterns, one by one -------------------------------------- */

/* Row r has pattern r (of all there are) at value r + turn of 16, the rest are
 * patterns 0; B is 1 where a column has its value, else 0. */
static void every_pattern(const stored *s, int turn) {
  const size_t M = (size_t)s->codes, K = 32, J = 16, size = type_bytes(s->type);
  const size_t bytes = sste_packed_bytes(M, K, s->type);
  uint8_t *values = (uint8_t *)memory_new(M * J * size);
  uint8_t *meta = (uint8_t *)memory_new(M * 4), *memory;
  float *y = (float *)memory_new(M * J * sizeof *y), b[32][16];
  sste_packed packed;
  size_t r, j;
  memset(values, 0, M * J * size);
  memset(meta, 0x99, M * 4); /* places 1 and 2 of every group */
  memset(b, 0, sizeof b);
  for (j = 0; j < J; ++j) b[4 * (j / 2) + 1 + j % 2][j] = 1.0f;
  for (r = 0; r < M; ++r)
    store(values, s->type, r * J + (r + (size_t)turn) % J, (uint32_t)r);
  memory = (uint8_t *)memory_new(bytes);
  assert_accepted(sste_packed_init(&packed, memory, bytes, values, J, meta, 4,
                                   M, K, s->type, &s->format));
  multiply(y, J, 0, &packed, &b[0][0], J, 0, J);
  for (r = 0; r < M; ++r) /* a sum that begins at +0 cannot be -0 */
    assert_same_float(y[r * J + (r + (size_t)turn) % J], s->of[r] + 0.0f);
  free(values);
  free(meta);
  free(memory);
  free(y);
}

static void every_half_is_decoded(void **unused) {
  const int turns = test_level() == 2 ? 16 : 1;
  int turn;
  (void)unused;
  for (turn = 0; turn < turns; ++turn) {
    every_pattern(&types[1], turn);
    every_pattern(&types[2], turn);
  }
}

static sste_fp8_format odd_format(int sign_bits, int E, int bias,
                                  int specials) {
  sste_fp8_format f;
  f.sign_bits = sign_bits;
  f.exponent_bits = E;
  f.mantissa_bits = 7 - E;
  f.bias = bias;
  f.specials = specials;
  return f;
}

static void every_code_is_decoded(void **unused) {
  static stored s;
  const sste_fp8_format formats[] = {sste_fp8_e4m3fn(),
                                     sste_fp8_e5m2(),
                                     sste_fp8_e4m3(),
                                     sste_fp8_e3m4(),
                                     sste_fp8_e3m4fn(),
                                     sste_fp8_e4m3fnuz(),
                                     sste_fp8_e5m2fnuz(),
                                     sste_fp8_ue4m3(),
                                     sste_fp8_e4m3b11fnuz(),
                                     sste_fp8_e8m0(),
                                     odd_format(1, 2, -3, SSTE_FP8_FN),
                                     odd_format(0, 6, 60, SSTE_FP8_IEEE)};
  size_t i;
  int turn;
  (void)unused;
  for (i = 0; i < sizeof formats / sizeof formats[0]; ++i) {
    stored_init(&s, SSTE_FP8, formats[i]);
    for (turn = 0; turn < 16; ++turn) every_pattern(&s, turn);
  }
}

/* ---- 5. Entries that no nibble names ------------------------------------- */

static int names(const problem *p, size_t i, size_t k) {
  size_t t;
  for (t = i * p->sparse.n; t < (i + 1) * p->sparse.n; ++t)
    if (p->sparse.k[t] == k) return 1;
  return 0;
}

/* Weights of zero, and one row of B that is infinite or NaN: where a nibble
 * names it, 0 times it is a NaN; elsewhere it leaves no trace. */
static void only_named_entries_count(void **unused) {
  static const uint32_t bad[] = {INF_BITS, 0xFF800000u, 0x7FA00001u};
  uint64_t rng = test_seed();
  size_t d, k, j, i;
  (void)unused;
  for (d = 1; d < DEPTHS; ++d) {
    problem p = problem_new(9, depths[d], 5, 0, &types[0], NORMAL, &rng);
    float *want = (float *)memory_new(p.M * p.J * sizeof *want);
    memset(p.values, 0, p.M * p.ldv * sizeof(float));
    free(p.memory);
    pack(&p, &types[0]);
    for (k = 0; k < p.K; ++k) {
      for (j = 0; j < p.J; ++j) {
        p.b[k * p.J + j] = test_float(bad[(k + j) % 3]);
        for (i = 0; i < p.M; ++i)
          want[i * p.J + j] = test_float(names(&p, i, k) ? NAN_BITS : 0);
      }
      for (j = 0; j < 4; ++j) same_packed(&p, want, (int)j);
      for (j = 0; j < p.J; ++j) p.b[k * p.J + j] = 1.0f;
    }
    free(want);
    problem_free(&p);
  }
}

/* ---- 6. The error bound -------------------------------------------------- */

/* Of all outputs, the largest share of the bound that an error takes; the
 * double sum's own error is within its 2^-29th part. */
static double share_of_bound(const float *y, slow_terms a, const float *b,
                             size_t J) {
  double worst = 0.0, magnitude;
  size_t i, j;
  for (i = 0; i < a.rows; ++i)
    for (j = 0; j < J; ++j) {
      const double exact = slow_exact(&magnitude, a, b, J, i, j);
      const double error = fabs((double)y[i * J + j] - exact);
      const double bound = slow_bound(a.n) * magnitude;
      if (!(error <= bound * (1.0 + 0x1p-28)))
        fail_msg("%zu terms, output %zu,%zu: error %g, bound %g", a.n, i, j,
                 error, bound);
      if (error > worst * bound) worst = error / bound;
    }
  return worst;
}

/* Both products' shares. */
static void shares(double share[2], const problem *p) {
  float *sparse = product_of(p), *dense = dense_product_of(p);
  share[0] = share_of_bound(sparse, p->sparse, p->b, p->J);
  share[1] = share_of_bound(dense, p->dense, p->b, p->J);
  free(sparse);
  free(dense);
}

/* Random reals; in the second round B repeats itself with the other sign, so
 * that sums over pairs of equal weights cancel. */
static void errors_are_within_the_bound(void **unused) {
  static const size_t lengths[] = {4, 32, 100, 1024};
  static const int mild[] = {0, 1, 3, 0}; /* their products are normal */
  uint64_t rng = test_seed();
  double share[2];
  size_t l, k, j;
  int kind, cancel;
  (void)unused;
  for (l = 0; l < 4; ++l)
    for (kind = NORMAL; kind <= WIDE; ++kind)
      for (cancel = 0; cancel < 2; ++cancel) {
        problem p = problem_new(17, lengths[l], 19, 0, &types[mild[l]],
                                (enum kind)kind, &rng);
        for (k = 1; cancel && k < p.K; k += 2)
          for (j = 0; j < p.J; ++j) p.b[k * p.J + j] = -p.b[(k - 1) * p.J + j];
        for (k = 0; cancel && k < p.M * p.K; ++k)
          p.dense.a[k] = p.a[k] = 1.0f + (float)(k % 2) * 0x1p-20f;
        shares(share, &p);
        problem_free(&p);
      }
}

/* Where the bound is reached: 1 + 2^-24 rounds to 1, each time anew. Twice a
 * term, or a sum in double, or of parts, would make other errors. */
static void the_bound_is_reached(void **unused) {
  uint64_t rng = test_seed();
  double share[2];
  size_t i;
  problem p = problem_new(2, 8192, 3, 0, &types[0], NORMAL, &rng);
  (void)unused;
  free(p.memory);
  for (i = 0; i < p.M * p.K / 2; ++i) {
    const float x = i % (p.K / 2) == 0 ? 1.0f : 0x1p-24f;
    store(p.values, SSTE_FLOAT32, i, test_bits(x));
    p.sparse.a[i] = x;
  }
  pack(&p, &types[0]);
  for (i = 0; i < p.M * p.K; ++i)
    p.dense.a[i] = p.a[i] = i % p.K == 0 ? 1.0f : 0x1p-24f;
  for (i = 0; i < p.K * p.J; ++i) p.b[i] = 1.0f;
  shares(share, &p);
  assert_true(share[0] > 0.999 && share[1] > 0.998);
  problem_free(&p);
}

/* ---- 7. Threads and slices ----------------------------------------------- */

static void any_number_of_threads(void **unused) {
  static const int threads[] = {1, 2, 3, 8};
  uint64_t rng = test_seed();
  problem p = problem_new(521, 148, 547, 3, &types[1], SPECIAL, &rng);
  float *sparse = product_of(&p), *dense = dense_product_of(&p);
  int flags, t;
  (void)unused;
  for (t = 0; t < 4; ++t) {
    test_threads(threads[t]);
    free(p.memory);
    pack(&p, &types[1]);
    for (flags = 0; flags < 4; ++flags) {
      same_packed(&p, sparse, flags);
      same_dense(&p, dense, flags);
    }
  }
  test_threads(1);
  free(sparse);
  free(dense);
  problem_free(&p);
}

/* Rows i0 .. of A and columns j0 .. of B, in the whole's memory. */
static void same_slice(const problem *p, const float *sparse,
                       const float *dense, size_t i0, size_t M, size_t j0,
                       size_t J) {
  const size_t bytes = sste_packed_bytes(M, p->K, SSTE_FLOAT32);
  void *memory = memory_new(bytes);
  float *y = (float *)memory_new(M * J * sizeof *y);
  sste_packed packed;
  size_t i;
  assert_accepted(sste_packed_init(
      &packed, memory, bytes, (const float *)p->values + i0 * p->ldv, p->ldv,
      p->meta + i0 * p->ldm, p->ldm, M, p->K, SSTE_FLOAT32, NULL));
  multiply(y, J, 0, &packed, p->b + j0, p->J, 0, J);
  for (i = 0; i < M; ++i)
    assert_memory_equal(y + i * J, sparse + (i0 + i) * p->J + j0,
                        J * sizeof *y);
  multiply_dense(y, J, p->a + i0 * p->K, p->K, 0, p->b + j0, p->J, 0, M, J,
                 p->K);
  for (i = 0; i < M; ++i)
    assert_memory_equal(y + i * J, dense + (i0 + i) * p->J + j0, J * sizeof *y);
  free(memory);
  free(y);
}

static void slices_are_parts_of_the_whole(void **unused) {
  uint64_t rng = test_seed();
  problem p = problem_new(300, 132, 310, 2, &types[0], WIDE, &rng);
  float *sparse = product_of(&p), *dense = dense_product_of(&p);
  size_t i;
  (void)unused;
  for (i = 0; i < 12; ++i) {
    const size_t i0 = test_random(&rng) % p.M, j0 = test_random(&rng) % p.J;
    same_slice(&p, sparse, dense, i0, 1 + test_random(&rng) % (p.M - i0), j0,
               1 + test_random(&rng) % (p.J - j0));
  }
  same_slice(&p, sparse, dense, 17, 1, 0, p.J); /* one row; one column */
  same_slice(&p, sparse, dense, 0, p.M, 301, 1);
  free(sparse);
  free(dense);
  problem_free(&p);
}

/* ---- 8. The three products of a layer ------------------------------------ */

enum { TOKENS = 44, OUT = 36, IN = 68 };

/* A as the table in the header's preface has it: a matrix compressed along its
 * rows, or down its columns and so its transpose. */
static sste_packed packed_of(void *memory, size_t bytes, const float *w,
                             size_t rows, size_t cols, sste_axis axis) {
  static float values[IN * OUT];
  static uint8_t meta[IN * OUT];
  const size_t runs = axis == SSTE_ALONG_ROWS ? rows : cols;
  const size_t length = axis == SSTE_ALONG_ROWS ? cols : rows;
  const size_t ldm = (length + 7) / 8;
  sste_packed packed;
  assert_accepted(sste_tensor_compress_as(
      values, length / 2, meta, ldm, w, cols, rows, cols, SSTE_FLOAT32, axis));
  assert_accepted(sste_packed_init(&packed, memory, bytes, values, length / 2,
                                   meta, ldm, runs, length, SSTE_FLOAT32,
                                   NULL));
  return packed;
}

/* Y = A B as `flags` lay it out (1: Y^T, 2: B^T), within the bound of the
 * reference `want`, by rows; n terms with magnitudes `size`. */
static void near_reference(const sste_packed *a, const float *b, int flags,
                           const float *want, const float *size, size_t J) {
  const int yt = flags & 1, bt = flags >> 1;
  const size_t M = a->rows;
  float *y = (float *)memory_new(M * J * sizeof *y);
  size_t i, j;
  multiply(y, yt ? M : J, yt, a, b, bt ? a->cols : J, bt, J);
  for (i = 0; i < M; ++i)
    for (j = 0; j < J; ++j) /* and half an ulp for the reference */
      assert_near((double)y[yt ? j * M + i : i * J + j],
                  (double)want[i * J + j],
                  slow_bound(a->cols / 2) * (double)size[i * J + j] * 1.001 +
                      0x1p-24 * fabs((double)want[i * J + j]));
  free(y);
}

static void turn(float *out, const float *in, size_t rows, size_t cols) {
  size_t i, j;
  for (i = 0; i < rows; ++i)
    for (j = 0; j < cols; ++j) out[j * rows + i] = in[i * cols + j];
}

static void magnitudes(float *out, const float *in, size_t n) {
  size_t i;
  for (i = 0; i < n; ++i) out[i] = fabsf(in[i]);
}

static float layer_x[TOKENS * IN], layer_w[OUT * IN], layer_dz[TOKENS * OUT];
static float size_x[TOKENS * IN], size_w[OUT * IN], size_dz[TOKENS * OUT];
static float turned[TOKENS * IN], want[TOKENS * IN], want_t[TOKENS * IN];
static float size_y[TOKENS * IN], size_t_y[TOKENS * IN];
static float packed_memory[2 * TOKENS * IN];

static void make_layer(void) {
  uint64_t rng = test_seed();
  size_t i;
  for (i = 0; i < TOKENS * IN; ++i) layer_x[i] = (float)test_normal(&rng);
  for (i = 0; i < OUT * IN; ++i) layer_w[i] = (float)test_normal(&rng);
  for (i = 0; i < TOKENS * OUT; ++i) layer_dz[i] = (float)test_normal(&rng);
}

static void forward_of_a_layer(void **unused) {
  sste_packed a;
  size_t nans;
  (void)unused;
  make_layer();
  assert_accepted(
      sste_tensor_project(layer_w, IN, layer_w, IN, OUT, IN, 1.5f, &nans));
  a = packed_of(packed_memory, sizeof packed_memory, layer_w, OUT, IN,
                SSTE_ALONG_ROWS);
  magnitudes(size_x, layer_x, TOKENS * IN);
  magnitudes(size_w, layer_w, OUT * IN);
  sste_product_forward(want_t, OUT, layer_x, IN, layer_w, IN, TOKENS, OUT, IN);
  sste_product_forward(size_t_y, OUT, size_x, IN, size_w, IN, TOKENS, OUT, IN);
  turn(want, want_t, TOKENS, OUT);
  turn(size_y, size_t_y, TOKENS, OUT);
  near_reference(&a, layer_x, 3, want, size_y, TOKENS); /* X, Z */
  turn(turned, layer_x, TOKENS, IN);
  near_reference(&a, turned, 0, want, size_y, TOKENS); /* X^T, Z^T */
}

static void input_grad_of_a_layer(void **unused) {
  static uint8_t mask[OUT * IN];
  sste_packed a;
  (void)unused;
  make_layer();
  assert_accepted(sste_tensor_mask_transposable(mask, IN, layer_w, IN, OUT, IN,
                                                SSTE_TILE_OPTIMAL));
  assert_accepted(
      sste_tensor_apply_mask(layer_w, IN, layer_w, IN, mask, IN, OUT, IN));
  a = packed_of(packed_memory, sizeof packed_memory, layer_w, OUT, IN,
                SSTE_DOWN_COLUMNS);
  magnitudes(size_dz, layer_dz, TOKENS * OUT);
  magnitudes(size_w, layer_w, OUT * IN);
  sste_product_input_grad(want_t, IN, layer_dz, OUT, layer_w, IN, TOKENS, OUT,
                          IN);
  sste_product_input_grad(size_t_y, IN, size_dz, OUT, size_w, IN, TOKENS, OUT,
                          IN);
  turn(want, want_t, TOKENS, IN);
  turn(size_y, size_t_y, TOKENS, IN);
  near_reference(&a, layer_dz, 3, want, size_y, TOKENS); /* dZ, dX */
  turn(turned, layer_dz, TOKENS, OUT);
  near_reference(&a, turned, 0, want, size_y, TOKENS); /* dZ^T, dX^T */
}

static void weight_grad_of_a_layer(void **unused) {
  const sste_mvue_stream stream = {7, 1, 2, 0, 0};
  sste_packed a;
  (void)unused;
  make_layer();
  assert_accepted(sste_mvue24_tensor_draw(layer_dz, OUT, layer_dz, OUT, TOKENS,
                                          OUT, SSTE_DOWN_COLUMNS, &stream));
  a = packed_of(packed_memory, sizeof packed_memory, layer_dz, TOKENS, OUT,
                SSTE_DOWN_COLUMNS);
  magnitudes(size_dz, layer_dz, TOKENS * OUT);
  magnitudes(size_x, layer_x, TOKENS * IN);
  sste_product_weight_grad(want, IN, layer_dz, OUT, layer_x, IN, TOKENS, OUT,
                           IN);
  sste_product_weight_grad(size_y, IN, size_dz, OUT, size_x, IN, TOKENS, OUT,
                           IN);
  near_reference(&a, layer_x, 0, want, size_y, IN); /* X, dW */
  turn(turned, layer_x, TOKENS, IN);
  near_reference(&a, turned, 2, want, size_y, IN); /* X^T, dW */
}

/* ---- 9. Memory ----------------------------------------------------------- */

static void sizes_in_bytes(void **unused) {
  const volatile size_t huge = SIZE_MAX / 2, root = (size_t)1 << 30;
  sste_packed a;
  size_t M, K;
  (void)unused;
  memset(&a, 0, sizeof a);
  assert_int_equal(sste_packed_bytes(64, 64, SSTE_FLOAT32), 8704);
  assert_int_equal(sste_packed_bytes(3, 36, SSTE_FLOAT16), 2 * 3 * (32 + 4));
  assert_int_equal(sste_packed_bytes(3, 32, SSTE_BFLOAT16), 3 * (32 + 4));
  assert_int_equal(sste_packed_bytes(5, 4, SSTE_FP8), 5 * (16 + 4));
  assert_int_equal(sste_packed_bytes(0, 64, SSTE_FP8), 0);
  assert_int_equal(sste_packed_bytes(64, 0, SSTE_FLOAT32), 0);
  assert_int_equal(sste_packed_bytes(huge, 0, SSTE_FLOAT32), 0);
  assert_true(sste_packed_bytes(huge, 4, SSTE_FP8) == SIZE_MAX);
  assert_true(sste_packed_bytes(1, huge, SSTE_FLOAT32) == SIZE_MAX);
  assert_true(sste_packed_bytes(root * 8, root * 8, SSTE_FP8) == SIZE_MAX);
  assert_true(sste_packed_bytes(huge, SIZE_MAX - 3, SSTE_FP8) == SIZE_MAX);

  a.rows = 64;
  a.cols = 64;
  assert_int_equal(sste_packed_product_bytes(&a, 100), 65600);
  assert_int_equal(sste_dense_product_bytes(64, 100, 64), 65600);
  for (M = 0; M < 70; M += 23)
    for (K = 0; K < 70; K += 4) {
      a.rows = M;
      a.cols = K;
      assert_int_equal(sste_packed_product_bytes(&a, 77),
                       sste_dense_product_bytes(M, 77, K));
    }
  assert_int_equal(sste_dense_product_bytes(huge, 0, huge), 0);
  assert_true(sste_dense_product_bytes(huge, 1, 1) == SIZE_MAX);
  assert_true(sste_dense_product_bytes(1, huge, 1) == SIZE_MAX);
  assert_true(sste_dense_product_bytes(1, 1, huge) == SIZE_MAX);
  assert_true(sste_dense_product_bytes(SIZE_MAX, 1, 1) == SIZE_MAX);
  assert_true(sste_dense_product_bytes(1, SIZE_MAX, 1) == SIZE_MAX);
  assert_true(sste_dense_product_bytes(1, 1, SIZE_MAX) == SIZE_MAX);
  assert_true(sste_dense_product_bytes(SIZE_MAX, 1, SIZE_MAX) == SIZE_MAX);
  assert_int_equal(sste_dense_product_bytes(0, SIZE_MAX, 0), 0);
  assert_true(sste_packed_product_bytes(NULL, 1) == SIZE_MAX);
  assert_true(sste_dense_product_bytes(root * 2, root * 2, 4) == SIZE_MAX);
  a.rows = huge;
  assert_true(sste_packed_product_bytes(&a, 1) == SIZE_MAX);
}

/* Blocks of 32 columns; of a block all rows, 16 values and 4 bytes each; where
 * a block is not full, 0 and 0x4. Not a byte more is written. */
static void the_packed_form(void **unused) {
  uint64_t rng = test_seed();
  int t, d;
  (void)unused;
  for (t = 0; t < TYPES; ++t)
    for (d = 0; d < DEPTHS; ++d) {
      problem p = problem_new(7, depths[d], 1, 3, &types[t], SPECIAL, &rng);
      const size_t size = type_bytes(types[t].type), blocks = (p.K + 31) / 32;
      const size_t bytes = sste_packed_bytes(p.M, p.K, types[t].type);
      uint8_t *memory = (uint8_t *)memory_new(bytes + GUARD);
      const uint8_t *values = (const uint8_t *)p.values, zero[4] = {0};
      size_t i, v, g;
      test_threads(d % 8 == 0 ? 3 : 1);
      assert_accepted(sste_packed_init(&p.packed, memory, bytes, p.values,
                                       p.ldv, p.meta, p.ldm, p.M, p.K,
                                       types[t].type, &types[t].format));
      assert_int_equal(p.packed.rows, p.M);
      assert_int_equal(p.packed.cols, p.K);
      assert_int_equal(p.packed.type, types[t].type);
      if (types[t].type == SSTE_FP8)
        assert_int_equal(p.packed.format.exponent_bits,
                         types[t].format.exponent_bits);
      for (i = 0; i < p.M; ++i) {
        for (v = 0; v < 16 * blocks; ++v)
          assert_memory_equal(
              (const uint8_t *)p.packed.values +
                  ((v / 16 * p.M + i) * 16 + v % 16) * size,
              v < p.K / 2 ? values + (i * p.ldv + v) * size : zero, size);
        for (g = 0; g < 8 * blocks; ++g)
          assert_int_equal(
              slow_nibble(p.packed.meta + (g / 8 * p.M + i) * 4, g % 8),
              g < p.K / 4 ? slow_nibble(p.meta + i * p.ldm, g) : 4);
      }
      assert_true(untouched(memory + bytes, GUARD));
      problem_free(&p);
      free(memory);
    }
  test_threads(1);
}

/* The memory of codes may begin at any byte, that of halves at any second. */
static void memory_at_any_place(void **unused) {
  uint64_t rng = test_seed();
  size_t t, place;
  (void)unused;
  for (t = 0; t < TYPES; ++t)
    for (place = 0; place < 8; place += type_bytes(types[t].type)) {
      problem p = problem_new(5, 44, 9, 0, &types[t], NORMAL, &rng);
      const size_t bytes = sste_packed_bytes(5, 44, types[t].type);
      uint8_t *memory = (uint8_t *)memory_new(bytes + place);
      assert_accepted(sste_packed_init(&p.packed, memory + place, bytes,
                                       p.values, p.ldv, p.meta, p.ldm, p.M, p.K,
                                       types[t].type, &types[t].format));
      same_products(&p, slow_ordered);
      problem_free(&p);
      free(memory);
    }
}

/* ---- 10. What is refused ------------------------------------------------- */

/* A call of sste_packed_init that is right, to be made wrong in one place. Its
 * arrays lie in an arena of floats, so that they can be moved onto others. */
enum { ARENA = 40000, AT_Y = 2000, AT_B = 6000, AT_A = 10000, AT_ROOM = 14000 };
static float arena[ARENA];

typedef struct init_call {
  sste_packed *packed;
  void *memory;
  size_t bytes;
  const void *values;
  size_t ldv;
  const uint8_t *meta;
  size_t ldm, rows, cols;
  sste_type type;
  const sste_fp8_format *format;
} init_call;

static sste_packed kept; /* what a refused call must leave alone */

/* 6 x 44 floats: values in 6 rows of 22, meta in 6 rows of 6 bytes. */
static init_call good_init(void) {
  init_call c;
  memset(arena, 0xFF, sizeof arena);
  memset(&kept, 0xFF, sizeof kept);
  memset(arena + AT_A, 0x44, 4 * 6 * 22);
  memset(arena + AT_B, 0x44, 6 * 6);
  c.packed = &kept;
  c.memory = arena + AT_Y;
  c.bytes = sste_packed_bytes(6, 44, SSTE_FLOAT32);
  c.values = arena + AT_A;
  c.ldv = 22;
  c.meta = (const uint8_t *)(arena + AT_B);
  c.ldm = 6;
  c.rows = 6;
  c.cols = 44;
  c.type = SSTE_FLOAT32;
  c.format = NULL;
  return c;
}

static sste_status init(init_call c) {
  return sste_packed_init(c.packed, c.memory, c.bytes, c.values, c.ldv, c.meta,
                          c.ldm, c.rows, c.cols, c.type, c.format);
}

static float before[ARENA];

/* Refused with this status, and not a byte is written. */
#define assert_refused(call, status)                  \
  do {                                                \
    memcpy(before, arena, sizeof arena);              \
    assert_int_equal((call), (status));               \
    assert_memory_equal(before, arena, sizeof arena); \
    assert_true(untouched(&kept, sizeof kept));       \
  } while (0)

static void wrong_matrices_are_not_packed(void **unused) {
  const volatile size_t huge = SIZE_MAX / 2;
  sste_fp8_format bad = sste_fp8_e4m3fn();
  init_call c = good_init();
  size_t g;
  (void)unused;
  c.packed = NULL;
  assert_refused(init(c), SSTE_ERR_NULL);
  c = good_init();
  c.memory = NULL;
  assert_refused(init(c), SSTE_ERR_NULL);
  c = good_init();
  c.values = NULL;
  assert_refused(init(c), SSTE_ERR_NULL);
  c = good_init();
  c.meta = NULL;
  assert_refused(init(c), SSTE_ERR_NULL);
  for (c = good_init(), c.cols = 41; c.cols < 44; ++c.cols)
    assert_refused(init(c), SSTE_ERR_SHAPE);
  c = good_init();
  c.ldv = 21;
  assert_refused(init(c), SSTE_ERR_SHAPE);
  c = good_init();
  c.ldm = 5;
  assert_refused(init(c), SSTE_ERR_SHAPE);
  c = good_init();
  c.bytes -= 1;
  assert_refused(init(c), SSTE_ERR_SIZE);
  c = good_init();
  c.rows = huge;
  assert_refused(init(c), SSTE_ERR_SIZE);
  c = good_init();
  c.ldv = huge;
  assert_refused(init(c), SSTE_ERR_SIZE);
  c = good_init();
  c.ldm = huge;
  assert_refused(init(c), SSTE_ERR_SIZE);
  for (g = 1; g < 4; ++g) {
    c = good_init();
    c.memory = (uint8_t *)c.memory + g;
    assert_refused(init(c), SSTE_ERR_VALUE);
    c.type = SSTE_FLOAT16;
    if (g % 2 != 0) assert_refused(init(c), SSTE_ERR_VALUE);
    c.type = SSTE_BFLOAT16;
    if (g % 2 != 0) assert_refused(init(c), SSTE_ERR_VALUE);
  }
  c = good_init();
  c.type = SSTE_FP8;
  assert_refused(init(c), SSTE_ERR_NULL);
  bad.mantissa_bits = 4;
  c.format = &bad;
  assert_refused(init(c), SSTE_ERR_VALUE);
  c = good_init(); /* before a byte of so long a matrix is read */
  c.rows = 1;
  c.cols = c.ldv = c.ldm = huge - 3;
  assert_refused(init(c), SSTE_ERR_SIZE);
  c = good_init();
  c.type = SSTE_INT8;
  assert_refused(init(c), SSTE_ERR_VALUE);
  c.type = (sste_type)-1;
  assert_refused(init(c), SSTE_ERR_VALUE);
  c.type = (sste_type)(SSTE_INT8 + 1);
  assert_refused(init(c), SSTE_ERR_VALUE);
  assert_accepted(init(good_init()));
}

/* The last byte of one on the first of the other, either way round. */
static void packed_memory_overlaps_nothing(void **unused) {
  const size_t values = 4 * 6 * 22, meta = 6 * 6;
  init_call c = good_init();
  (void)unused;
  c.values = (const uint8_t *)c.memory + c.bytes - 4;
  memset((uint8_t *)c.memory + c.bytes - 4, 0x44, values);
  assert_refused(init(c), SSTE_ERR_OVERLAP);
  c = good_init();
  c.values = (const uint8_t *)c.memory - values + 4;
  assert_refused(init(c), SSTE_ERR_OVERLAP);
  c = good_init();
  c.meta = (const uint8_t *)c.memory + c.bytes - 1;
  memset((uint8_t *)c.memory + c.bytes - 1, 0x44, meta);
  assert_refused(init(c), SSTE_ERR_OVERLAP);
  c = good_init();
  c.meta = (const uint8_t *)c.memory - meta + 1;
  memset((uint8_t *)c.memory - meta + 1, 0x44, meta);
  assert_refused(init(c), SSTE_ERR_OVERLAP);

  c = good_init(); /* next to each other is apart */
  c.values = (const uint8_t *)c.memory + c.bytes;
  c.meta = (const uint8_t *)c.memory - meta;
  memset((uint8_t *)c.memory - meta, 0x44, meta);
  assert_accepted(init(c));
}

/* All ten illegal nibbles at every group; the unused half byte is no group. */
static void bad_nibbles_are_not_packed(void **unused) {
  int nibble;
  size_t r, g;
  (void)unused;
  for (nibble = 0; nibble < 16; ++nibble)
    for (r = 0; r < 6; ++r)
      for (g = 0; g < 12; ++g) {
        const init_call c = good_init();
        uint8_t *byte = (uint8_t *)(arena + AT_B) + r * 6 + g / 2;
        *byte = (uint8_t)(g % 2 == 0 ? 0x40 + nibble : 0x04 + 16 * nibble);
        if (slow_pair_of(nibble) < 0 && g < 11)
          assert_refused(init(c), SSTE_ERR_PATTERN);
        else
          assert_accepted(init(c));
      }
}

typedef struct product_call {
  float *y;
  size_t ldy;
  int y_transposed;
  const sste_packed *packed; /* or null: the dense product, with a and lda */
  const float *a;
  size_t lda;
  int a_transposed;
  const float *b;
  size_t ldb;
  int b_transposed;
  size_t M, J, K;
  void *room;
  size_t bytes;
} product_call;

static sste_packed good_packed;

/* 6 x 44 by 44 x 10. A dense A takes 6 * 44 floats, a packed one 204. */
static product_call good_product(int packed, int flags) {
  product_call c;
  init_call of = good_init();
  size_t i;
  memset(arena + AT_ROOM, 0x44, 4 * 6 * 22);
  of.values = arena + AT_ROOM;
  of.memory = arena + AT_A;
  of.packed = &good_packed;
  assert_accepted(init(of));
  for (i = 0; i < 44 * 10; ++i) arena[AT_B + i] = 1.0f;
  c.y = arena + AT_Y;
  c.y_transposed = packed ? flags & 1 : 0;
  c.ldy = c.y_transposed ? 6 : 10;
  c.packed = packed ? &good_packed : NULL;
  c.a = arena + AT_A;
  c.a_transposed = packed ? 0 : flags & 1;
  c.lda = c.a_transposed ? 6 : 44;
  c.b = arena + AT_B;
  c.b_transposed = flags >> 1;
  c.ldb = c.b_transposed ? 44 : 10;
  c.M = 6;
  c.J = 10;
  c.K = 44;
  c.room = arena + AT_ROOM;
  c.bytes = sste_dense_product_bytes(6, 10, 44);
  return c;
}

static sste_status product(product_call c) {
  if (c.packed == NULL)
    return sste_dense_product(c.y, c.ldy, c.a, c.lda, c.a_transposed, c.b,
                              c.ldb, c.b_transposed, c.M, c.J, c.K, c.room,
                              c.bytes);
  return sste_packed_product(c.y, c.ldy, c.y_transposed, c.packed, c.b, c.ldb,
                             c.b_transposed, c.J, c.room, c.bytes);
}

static void refused_for_its_shape(int packed, int flags) {
  const volatile size_t huge = SIZE_MAX / 2;
  product_call c = good_product(packed, flags);
  size_t place;
  c.y = NULL;
  assert_refused(product(c), SSTE_ERR_NULL);
  c = good_product(packed, flags);
  c.b = NULL;
  assert_refused(product(c), SSTE_ERR_NULL);
  c = good_product(packed, flags);
  c.room = NULL;
  assert_refused(product(c), SSTE_ERR_NULL);
  c = good_product(packed, flags);
  c.ldy -= 1;
  assert_refused(product(c), SSTE_ERR_SHAPE);
  c = good_product(packed, flags);
  c.ldb -= 1;
  assert_refused(product(c), SSTE_ERR_SHAPE);
  c = good_product(packed, flags);
  c.ldy = huge;
  assert_refused(product(c), SSTE_ERR_SIZE);
  c = good_product(packed, flags);
  c.ldb = huge;
  assert_refused(product(c), SSTE_ERR_SIZE);
  c = good_product(packed, flags);
  c.bytes -= 1;
  assert_refused(product(c), SSTE_ERR_SIZE);
  c = good_product(packed, flags);
  c.J = huge;
  c.bytes = SIZE_MAX;
  assert_refused(product(c), SSTE_ERR_SIZE);
  for (place = 1; place < 4; ++place) {
    c = good_product(packed, flags);
    c.room = (uint8_t *)c.room + place;
    assert_refused(product(c), SSTE_ERR_VALUE);
  }
  assert_accepted(product(good_product(packed, flags)));
}

/* Each of two arrays with its last float on the first of the other. */
static void refused_for_overlap(int packed, int flags) {
  const product_call good = good_product(packed, flags);
  const size_t y = 6 * 10, b = 44 * 10, room = good.bytes;
  const size_t a = packed ? sste_packed_bytes(6, 44, SSTE_FLOAT32) / 4 : 6 * 44;
  const struct place {
    size_t start, floats;
  } fixed[3] = {{AT_B, b}, {AT_A, a}, {AT_ROOM, room / 4}};
  product_call c = good;
  int i;
  for (i = 0; i < 3; ++i) {
    c = good;
    c.y = arena + fixed[i].start - y + 1;
    assert_refused(product(c), SSTE_ERR_OVERLAP);
    c.y = arena + fixed[i].start + fixed[i].floats - 1;
    assert_refused(product(c), SSTE_ERR_OVERLAP);
    if (i == 2) continue;
    c = good;
    c.room = arena + fixed[i].start - room / 4 + 1;
    assert_refused(product(c), SSTE_ERR_OVERLAP);
    c.room = arena + fixed[i].start + fixed[i].floats - 1;
    assert_refused(product(c), SSTE_ERR_OVERLAP);
  }
  c = good; /* B, scratch, A and Y side by side, without a gap */
  c.room = arena + AT_A - room / 4;
  c.b = arena + AT_A - room / 4 - b;
  c.y = arena + AT_A + a;
  assert_accepted(product(c));
}

static void wrong_products_are_refused(void **unused) {
  int flags;
  (void)unused;
  for (flags = 0; flags < 4; ++flags) {
    refused_for_its_shape(0, flags);
    refused_for_its_shape(1, flags);
    refused_for_overlap(0, flags);
    refused_for_overlap(1, flags);
  }
}

static void wrong_operands_are_refused(void **unused) {
  const volatile size_t huge = SIZE_MAX / 2;
  product_call c = good_product(1, 0);
  int i;
  (void)unused;
  assert_refused(
      sste_packed_product(c.y, 10, 0, NULL, c.b, 10, 0, 10, c.room, c.bytes),
      SSTE_ERR_NULL);
  good_packed.values = NULL;
  assert_refused(product(c), SSTE_ERR_NULL);
  for (i = 0; i < 3; ++i) {
    static const int bad[] = {SSTE_INT8, SSTE_INT8 + 1, -1};
    c = good_product(1, 0);
    good_packed.type = (sste_type)bad[i];
    assert_refused(product(c), SSTE_ERR_VALUE);
  }
  c = good_product(1, 0);
  good_packed.meta = NULL;
  assert_refused(product(c), SSTE_ERR_NULL);
  c = good_product(1, 0);
  good_packed.meta = (const uint8_t *)(arena + AT_Y);
  assert_refused(product(c), SSTE_ERR_OVERLAP);
  c = good_product(1, 0);
  good_packed.cols -= 2;
  assert_refused(product(c), SSTE_ERR_SHAPE);
  c = good_product(1, 0); /* a format matters to codes alone */
  good_packed.format.mantissa_bits = 4;
  assert_accepted(product(c));
  good_packed.type = SSTE_FP8;
  memset(arena + AT_Y, 0xFF, 240);
  assert_refused(product(c), SSTE_ERR_VALUE);
  c = good_product(1, 0);
  good_packed.rows = huge;
  c.bytes = SIZE_MAX;
  assert_refused(product(c), SSTE_ERR_SIZE);

  for (i = 0; i < 2; ++i) {
    c = good_product(0, i);
    c.a = NULL;
    assert_refused(product(c), SSTE_ERR_NULL);
    c = good_product(0, i);
    c.lda -= 1;
    assert_refused(product(c), SSTE_ERR_SHAPE);
    c = good_product(0, i);
    c.lda = huge;
    assert_refused(product(c), SSTE_ERR_SIZE);
  }
}

/* No rows, no columns, nothing to sum over: what is empty may be null. */
static void empty_products(void **unused) {
  sste_packed a;
  float y[6] = {1, 1, 1, 1, 1, 1}, room[2000], wide[512];
  const float b[4] = {1, 1, 1, 1};
  const sste_fp8_format e4m3fn = sste_fp8_e4m3fn();
  size_t i;
  (void)unused;
  assert_accepted(sste_packed_init(&a, NULL, 0, NULL, 0, NULL, 0, 0, 8,
                                   SSTE_FLOAT32, NULL));
  assert_int_equal(a.rows, 0);
  assert_accepted(sste_packed_product(NULL, 0, 0, &a, NULL, 0, 0, 0, NULL, 0));
  assert_accepted(
      sste_packed_init(&a, NULL, 0, NULL, 0, NULL, 0, 3, 0, SSTE_FP8, &e4m3fn));
  assert_int_equal(a.rows, 3);
  assert_accepted(sste_packed_product(NULL, 0, 1, &a, NULL, 0, 1, 0, NULL, 0));
  assert_true(sste_packed_product_bytes(&a, 2) <= sizeof room);
  assert_accepted(
      sste_packed_product(y, 2, 0, &a, NULL, 0, 0, 2, room, sizeof room));
  for (i = 0; i < 6; ++i) assert_same_float(y[i], 0.0f);

  y[0] = 1.0f;
  assert_accepted(
      sste_dense_product(NULL, 0, NULL, 0, 0, NULL, 0, 0, 0, 0, 0, NULL, 0));
  assert_accepted(
      sste_dense_product(NULL, 0, b, 4, 0, NULL, 0, 0, 1, 0, 4, NULL, 0));
  assert_accepted(sste_dense_product(NULL, 0, NULL, 0, 0, b, 1, 0, 0, 1, 4,
                                     room, sizeof room));
  assert_accepted(sste_dense_product(y, 1, NULL, 0, 1, NULL, 0, 1, 1, 1, 0,
                                     room, sizeof room));
  assert_same_float(y[0], 0.0f);
  assert_accepted(sste_dense_product(wide, 512, NULL, 0, 0, NULL, 512, 0, 1,
                                     512, 0, room, sizeof room));
  for (i = 0; i < 512; ++i) assert_same_float(wide[i], 0.0f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(integers_are_exact),
      cmocka_unit_test(sums_have_the_stated_order),
      cmocka_unit_test(large_sums_have_the_stated_order),
      cmocka_unit_test(by_hand),
      cmocka_unit_test(every_half_is_decoded),
      cmocka_unit_test(every_code_is_decoded),
      cmocka_unit_test(only_named_entries_count),
      cmocka_unit_test(errors_are_within_the_bound),
      cmocka_unit_test(the_bound_is_reached),
      cmocka_unit_test(any_number_of_threads),
      cmocka_unit_test(slices_are_parts_of_the_whole),
      cmocka_unit_test(forward_of_a_layer),
      cmocka_unit_test(input_grad_of_a_layer),
      cmocka_unit_test(weight_grad_of_a_layer),
      cmocka_unit_test(sizes_in_bytes),
      cmocka_unit_test(the_packed_form),
      cmocka_unit_test(memory_at_any_place),
      cmocka_unit_test(wrong_matrices_are_not_packed),
      cmocka_unit_test(packed_memory_overlaps_nothing),
      cmocka_unit_test(bad_nibbles_are_not_packed),
      cmocka_unit_test(wrong_products_are_refused),
      cmocka_unit_test(wrong_operands_are_refused),
      cmocka_unit_test(empty_products),
  };
  return cmocka_run_group_tests(tests, make_types, NULL);
}
