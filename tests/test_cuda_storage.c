/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_cuda_storage.c - cuda/beta.cuh, compress.cuh, decompress.cuh and
 * project_compress.cuh, their text run on the CPU: bit for bit what the CPU's
 * functions give.
 *
 * Beta is a float, in which an exchanged sum of doubles seldom shows. So the
 * sums themselves, which stay at the start of the scratch, are compared with
 * slow_sste.h as well. Metadata are those of sste_mma_compress for the matrix
 * padded with zeros to whole blocks; what is stored of a projection is that of
 * sste_tensor_project. Floats are rounded here by other means, and a matrix is
 * transposed before it is given to be compressed down its columns.
 */
#define SSTE_CUDA_ON_HOST 1
#include "slow_sste.h"
#include "sste_cuda.h"
#include "test.h"

/* ---- Matrices whose padding is poison ------------------------------------ */

/* Elements of `size` bytes, the first of them `shift` bytes into its memory,
 * which ends with the last one: a sanitizer sees every access outside. */
typedef struct matrix {
  uint8_t *memory, *p;
  size_t rows, cols, ld, size;
} matrix;

static void *poisoned(size_t bytes) {
  void *p = malloc(bytes != 0 ? bytes : 1);
  assert_non_null(p);
  test_poison(p, bytes);
  return p;
}

static matrix matrix_new(size_t rows, size_t cols, size_t size, size_t pad,
                         size_t shift) {
  matrix m;
  m.rows = rows;
  m.cols = cols;
  m.ld = cols + pad;
  m.size = size;
  m.memory = (uint8_t *)poisoned(shift + ((rows - 1) * m.ld + cols) * size);
  m.p = m.memory + shift;
  return m;
}

static uint8_t *matrix_at(matrix m, size_t r, size_t c) {
  return m.p + (r * m.ld + c) * m.size;
}

static void assert_same_matrix(matrix got, matrix want) {
  size_t r, i;
  for (r = 0; r < got.rows; ++r) {
    if (memcmp(matrix_at(got, r, 0), matrix_at(want, r, 0),
               got.cols * got.size) != 0)
      fail_msg("row %u differs", (unsigned)r);
    for (i = 0; r + 1 < got.rows && i < (got.ld - got.cols) * got.size; ++i)
      assert_int_equal(matrix_at(got, r, got.cols)[i], 0xCA);
  }
}

static uint16_t code_at(matrix m, size_t r, size_t c) {
  uint16_t code;
  memcpy(&code, matrix_at(m, r, c), sizeof code);
  return code;
}
static void set_code(matrix m, size_t r, size_t c, uint32_t bits) {
  const uint16_t code = (uint16_t)bits;
  memcpy(matrix_at(m, r, c), &code, sizeof code);
}
static void set_float(matrix m, size_t r, size_t c, float x) {
  memcpy(matrix_at(m, r, c), &x, sizeof x);
}

static size_t whole(size_t n) { return (n + 31) / 32 * 32; }

static const sste_type types[] = {SSTE_FLOAT16, SSTE_BFLOAT16};

static const sste_axis axes[] = {SSTE_ALONG_ROWS, SSTE_DOWN_COLUMNS};

static sste_mma_type operand_of(sste_type type) {
  return type == SSTE_FLOAT16 ? SSTE_MMA_F16 : SSTE_MMA_BF16;
}
static uint32_t infinity_of(sste_type type) {
  return type == SSTE_FLOAT16 ? 0x7C00u : 0x7F80u;
}
static uint32_t nan_of(sste_type type) {
  return type == SSTE_FLOAT16 ? 0x7E00u : 0x7FC0u;
}

/* Ragged both ways, one block and several, one thread block and several. */
static const struct shape {
  size_t rows, cols;
} shapes[] = {{1, 4},   {1, 36},   {33, 4},  {8, 16},   {32, 32},  {31, 28},
              {33, 36}, {25, 124}, {7, 128}, {64, 132}, {40, 260}, {97, 516}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* How the matrices lie: elements between rows, and bytes before the first. */
static const struct lie {
  size_t pad, shift;
} lies[] = {{0, 0}, {4, 2}, {3, 6}};
enum { LIES = sizeof lies / sizeof *lies };

/* ---- Beta ---------------------------------------------------------------- */

static void fill_normal(matrix w, uint64_t *seed) {
  size_t r, c;
  for (r = 0; r < w.rows; ++r)
    for (c = 0; c < w.cols; ++c)
      set_float(w, r, c,
                (float)(test_normal(seed) * pow(8.0, test_normal(seed))));
}

/* sste_cuda_beta with the scratch it asks for; its sums go to `sums`. */
static float cuda_beta(matrix w, double sums[2]) {
  float beta = 0.0f;
  double *scratch;
  size_t bytes = 0;
  assert_int_equal(sste_cuda_beta_bytes(&bytes, w.rows, w.cols), SSTE_OK);
  scratch = (double *)poisoned(bytes);
  assert_int_equal(sste_cuda_beta(&beta, (const float *)(void *)w.p, w.ld,
                                  w.rows, w.cols, scratch, bytes, NULL),
                   SSTE_OK);
  memcpy(sums, scratch, 2 * sizeof *sums);
  free(scratch);
  return beta;
}

static void check_beta(size_t rows, size_t cols, size_t pad) {
  uint64_t seed = test_seed() + rows * 7919 + cols + pad;
  const matrix w = matrix_new(rows, cols, sizeof(float), pad, 0);
  const float *p = (const float *)(void *)w.p;
  double sums[2], want[2];
  float beta, expected = 0.0f;
  fill_normal(w, &seed);
  beta = cuda_beta(w, sums);
  assert_int_equal(sste_tensor_beta(&expected, p, w.ld, rows, cols), SSTE_OK);
  slow_dots(&want[0], &want[1], p, w.ld, rows, cols);
  assert_same_float(beta, expected);
  if (memcmp(sums, want, sizeof sums) != 0)
    fail_msg("%u x %u: the sums differ", (unsigned)rows, (unsigned)cols);
  free(w.memory);
}

static void beta_is_that_of_the_cpu_sum_for_sum(void **state) {
  static const struct shape of[] = {
      {1, 4},      {1, 8},     {1, 124},   {1, 128},   {1, 132},   {3, 36},
      {1, 256},    {1, 260},   {100, 12},  {32, 128},  {1, 4092},  {1, 4096},
      {1, 4100},   {1023, 4},  {1024, 4},  {1025, 4},  {341, 12},  {1, 8188},
      {1, 8192},   {1, 8196},  {2047, 4},  {2049, 4},  {683, 12},  {3, 4096},
      {5, 4096},   {7, 4096},  {8, 4096},  {9, 4096},  {16, 4096}, {1, 69636},
      {2731, 12},  {64, 1028}, {257, 260}, {9000, 12}, {24, 4100}, {41, 4096},
      {1500, 132}, {81, 4096}};
  size_t i;
  (void)state;
  for (i = 0; i < sizeof of / sizeof *of; ++i) {
    check_beta(of[i].rows, of[i].cols, 0);
    check_beta(of[i].rows, of[i].cols, i % 3 + 1);
  }
}

static void beta_of_one_group_is_that_of_the_paper(void **state) {
  const matrix w = matrix_new(1, 4, sizeof(float), 0, 0);
  static const float group[4] = {4, -3, 2, -1};
  double sums[2];
  (void)state;
  memcpy(w.p, group, sizeof group);
  assert_same_float(cuda_beta(w, sums), 2.2f);
  assert_true(sums[0] == 11.0 && sums[1] == 5.0);
  free(w.memory);
}

/* More parts than a matrix of a test's size has: twice around the last block's
 * threads. */
static void any_number_of_parts_folds_in_pairs(void **state) {
  static const size_t of[] = {1,    2,    3,    4,    5,    6,    7,
                              63,   64,   65,   1023, 1024, 1025, 2047,
                              2048, 2049, 4095, 4097, 5000, 8191};
  enum { MOST = 8191 };
  sste_priv_sums *part = (sste_priv_sums *)poisoned(MOST * sizeof *part);
  double *a = (double *)poisoned(MOST * sizeof *a);
  double *b = (double *)poisoned(MOST * sizeof *b);
  uint64_t seed = test_seed();
  size_t i, k;
  (void)state;
  for (i = 0; i < sizeof of / sizeof *of; ++i) {
    sste_priv_cuda_beta_fold_args p;
    double sum_a, sum_b;
    float beta = 0.0f;
    memset(&p, 0, sizeof p);
    for (k = 0; k < of[i]; ++k) {
      part[k].a = a[k] = 1.0 + test_uniform(&seed);
      part[k].b = b[k] = test_uniform(&seed);
    }
    p.beta = &beta;
    p.part = part;
    p.parts = of[i];
    assert_int_equal(sste_priv_cuda_beta_fold_launch(&p, 1, 1, NULL), SSTE_OK);
    sum_a = slow_fold(a, of[i]);
    sum_b = slow_fold(b, of[i]);
    assert_memory_equal(&part[0].a, &sum_a, sizeof sum_a);
    assert_memory_equal(&part[0].b, &sum_b, sizeof sum_b);
    assert_same_float(beta, (float)(sum_a / sum_b));
  }
  free(part);
  free(a);
  free(b);
}

static void where_the_cpu_refuses_beta_is_nan(void **state) {
  static const struct {
    float x;
    sste_status of_cpu;
  } special[] = {{0.0f, SSTE_ERR_ZERO},
                 {-0.0f, SSTE_ERR_ZERO},
                 {NAN, SSTE_ERR_NONFINITE},
                 {HUGE_VALF, SSTE_ERR_NONFINITE},
                 {-HUGE_VALF, SSTE_ERR_NONFINITE}};
  const matrix w = matrix_new(9, 4100, sizeof(float), 1, 0);
  size_t i, place;
  (void)state;
  for (i = 0; i < sizeof special / sizeof *special; ++i)
    for (place = 0; place < 3; ++place) {
      float ignored;
      double sums[2];
      size_t e;
      for (e = 0; e < 9 * 4100; ++e)
        set_float(w, e / 4100, e % 4100,
                  special[i].x == 0.0f ? 0.0f : (float)(e % 4));
      set_float(w, 4 * place, 2049 * place, special[i].x);
      assert_int_equal(
          sste_tensor_beta(&ignored, (float *)(void *)w.p, w.ld, 9, 4100),
          special[i].of_cpu);
      assert_same_float(cuda_beta(w, sums), slow_nan());
    }
  free(w.memory);
}

static void the_beta_of_nothing_is_nan(void **state) {
  float beta = 1.0f;
  size_t bytes = 7;
  (void)state;
  assert_int_equal(sste_cuda_beta_bytes(&bytes, 0, 8), SSTE_OK);
  assert_int_equal(bytes, 0);
  assert_int_equal(sste_cuda_beta(&beta, NULL, 0, 0, 8, NULL, 0, NULL),
                   SSTE_OK);
  assert_same_float(beta, slow_nan());
  beta = 1.0f;
  assert_int_equal(sste_cuda_beta(&beta, NULL, 0, 8, 0, NULL, 0, NULL),
                   SSTE_OK);
  assert_same_float(beta, slow_nan());
}

/* ---- Compress ------------------------------------------------------------ */

/* Any code, and often one that is special. */
static uint32_t random_code(sste_type type, uint64_t *seed) {
  const uint32_t bits = (uint32_t)test_random(seed);
  switch (bits >> 16 & 15) {
    case 0: return 0x8000u;
    case 1: return 0;
    case 2: return infinity_of(type) | (bits & 0x8000u);
    case 3: return infinity_of(type) + 1 + (bits & 0x8003u);
    case 4: return bits & 0x8003u; /* subnormals */
    default: return bits & 0xFFFFu;
  }
}

/* At most `n` non-zeros in each group, the others zeros of either sign. */
static void fill_codes(matrix w, sste_type type, int n, uint64_t *seed) {
  size_t r, c;
  for (r = 0; r < w.rows; ++r)
    for (c = 0; c < w.cols; ++c)
      set_code(w, r, c, test_random(seed) % 8 == 0 ? 0x8000u : 0);
  for (r = 0; r < w.rows; ++r)
    for (c = 0; c < w.cols; c += 4) {
      int i;
      for (i = 0; i < n; ++i)
        set_code(w, r, c + test_random(seed) % 4, random_code(type, seed));
    }
}

/* The matrix with zeros beyond its end, to whole blocks. */
static matrix padded(matrix w) {
  const matrix m = matrix_new(whole(w.rows), whole(w.cols), w.size, 0, 0);
  size_t r;
  memset(m.p, 0, m.rows * m.cols * m.size);
  for (r = 0; r < w.rows; ++r)
    memcpy(matrix_at(m, r, 0), matrix_at(w, r, 0), w.cols * w.size);
  return m;
}

/* Values and metadata: of the matrix, or of the padded one. */
typedef struct stored {
  matrix values;
  uint8_t *memory, *meta;
  size_t bytes;
} stored;

static stored stored_new(size_t rows, size_t cols, struct lie lie) {
  stored s;
  s.values = matrix_new(rows, cols / 2, 2, lie.pad, lie.shift);
  s.bytes = whole(rows) * whole(cols) / 8;
  s.memory = (uint8_t *)poisoned(lie.shift / 2 + s.bytes);
  s.meta = s.memory + lie.shift / 2; /* bytes need not be aligned */
  return s;
}

static void stored_free(stored s) {
  free(s.values.memory);
  free(s.memory);
}

/* What the CPU stores of the padded matrix. */
static stored stored_by_cpu(matrix w, sste_type type) {
  const matrix m = padded(w);
  const stored s = stored_new(m.rows, m.cols, lies[0]);
  assert_int_equal(
      sste_mma_compress(s.values.p, s.values.ld, s.meta, SSTE_MMA_CUTLASS2, m.p,
                        m.ld, m.rows, m.cols, operand_of(type),
                        SSTE_MMA_LIKE_SSTE, NULL, NULL),
      SSTE_OK);
  free(m.memory);
  return s;
}

static void assert_same_stored(stored got, stored want) {
  assert_same_matrix(got.values, want.values);
  assert_int_equal(got.bytes, want.bytes);
  assert_memory_equal(got.meta, want.meta, want.bytes);
}

/* x rounded to nearest, ties to even, by doubles; a zero is +0. */
static uint32_t slow_cast(sste_type type, float x) {
  const int bits = type == SSTE_FLOAT16 ? 10 : 7;
  const int least = type == SSTE_FLOAT16 ? -14 : -126;
  double digits, code;
  int e;
  if (x != x) return nan_of(type);
  (void)frexp((double)x, &e);
  e = e - 1 < least ? least : e - 1;
  digits = rint(ldexp(fabs((double)x), bits - e));
  code = digits + ldexp(e - least, bits);
  if (digits == 0.0) return 0;
  if (!(code < infinity_of(type))) code = infinity_of(type);
  return (uint32_t)code | (x < 0.0f ? 0x8000u : 0);
}

static float float_of(sste_type type, uint32_t code) {
  const int bits = type == SSTE_FLOAT16 ? 10 : 7;
  const int least = type == SSTE_FLOAT16 ? -14 : -126;
  const int e = (int)((code & 0x7FFFu) >> bits);
  const double digits = (double)(code & ((1u << bits) - 1u));
  double x = e == 0 ? ldexp(digits, least - bits)
                    : ldexp(digits + ldexp(1, bits), e - 1 + least - bits);
  if ((code & 0x7FFFu) == infinity_of(type)) x = HUGE_VAL;
  if ((code & 0x7FFFu) > infinity_of(type)) x = (double)NAN;
  return (float)((code & 0x8000u) != 0 ? -x : x);
}

/* Codes as floats, and floats as codes. */
static matrix widened(matrix codes, sste_type type) {
  const matrix m = matrix_new(codes.rows, codes.cols, sizeof(float), 0, 0);
  size_t r, c;
  for (r = 0; r < m.rows; ++r)
    for (c = 0; c < m.cols; ++c)
      set_float(m, r, c, float_of(type, code_at(codes, r, c)));
  return m;
}
static matrix narrowed(matrix floats, sste_type type) {
  const matrix m = matrix_new(floats.rows, floats.cols, 2, 0, 0);
  size_t r, c;
  for (r = 0; r < m.rows; ++r)
    for (c = 0; c < m.cols; ++c) {
      float x;
      memcpy(&x, matrix_at(floats, r, c), sizeof x);
      set_code(m, r, c, slow_cast(type, x));
    }
  return m;
}

/* The same elements elsewhere, down columns transposed. */
static matrix laid(matrix from, sste_axis axis, struct lie lie) {
  const int down = axis == SSTE_DOWN_COLUMNS;
  const matrix m =
      matrix_new(down ? from.cols : from.rows, down ? from.rows : from.cols,
                 from.size, lie.pad, lie.shift / 2 * from.size);
  size_t r, c;
  for (r = 0; r < from.rows; ++r)
    for (c = 0; c < from.cols; ++c)
      memcpy(matrix_at(m, down ? c : r, down ? r : c), matrix_at(from, r, c),
             from.size);
  return m;
}

static stored stored_by_cuda(matrix w, sste_type from, sste_type type,
                             sste_axis axis, struct lie lie) {
  const int down = axis == SSTE_DOWN_COLUMNS;
  const stored s =
      stored_new(down ? w.cols : w.rows, down ? w.rows : w.cols, lie);
  assert_int_equal(
      sste_cuda_compress(s.values.p, s.values.ld, s.meta, w.p, w.ld, w.rows,
                         w.cols, from, type, axis, NULL),
      SSTE_OK);
  return s;
}

/* Elements along the rows, and what is to be stored of them: both axes. */
static void check_axes(matrix elements, sste_type from, matrix pruned,
                       sste_type type, struct lie lie) {
  const stored want = stored_by_cpu(pruned, type);
  size_t i;
  for (i = 0; i < 2; ++i) {
    const matrix w = laid(elements, axes[i], lie);
    const stored got = stored_by_cuda(w, from, type, axes[i], lie);
    assert_same_stored(got, want);
    stored_free(got);
    free(w.memory);
  }
  stored_free(want);
}

/* Codes, as they are and as floats. */
static void check_compress(matrix codes, matrix pruned, sste_type type,
                           struct lie lie) {
  const matrix floats = widened(codes, type);
  check_axes(codes, type, pruned, type, lie);
  check_axes(floats, SSTE_FLOAT32, pruned, type, lie);
  free(floats.memory);
}

static void a_sparse_matrix_is_stored_as_the_cpu_does(void **state) {
  uint64_t seed = test_seed();
  size_t s, k;
  int t;
  (void)state;
  for (s = 0; s < SHAPES; ++s)
    for (k = 0; k < LIES; ++k)
      for (t = 0; t < 2; ++t) {
        const matrix w = matrix_new(shapes[s].rows, shapes[s].cols, 2, 0, 0);
        fill_codes(w, types[t], 2, &seed);
        check_compress(w, w, types[t], lies[k]);
        free(w.memory);
      }
}

/* By the other function of the CPU, whose metadata are run by run. */
static void check_run_by_run(matrix codes, sste_axis axis) {
  const size_t rows = codes.rows, cols = codes.cols, ldm = (cols + 7) / 8;
  const matrix w = laid(codes, axis, lies[1]);
  const stored got =
      stored_by_cuda(w, SSTE_BFLOAT16, SSTE_BFLOAT16, axis, lies[0]);
  const matrix values = matrix_new(rows, cols / 2, 2, 0, 0);
  uint8_t *nibbles = (uint8_t *)poisoned(rows * ldm);
  size_t r, c;
  assert_int_equal(
      sste_tensor_compress_as(values.p, values.ld, nibbles, ldm, w.p, w.ld,
                              w.rows, w.cols, SSTE_BFLOAT16, axis),
      SSTE_OK);
  assert_same_matrix(got.values, values);
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols / 4; ++c) {
      const size_t at = sste_mma_meta_at(SSTE_MMA_CUTLASS2, SSTE_MMA_BF16,
                                         whole(rows), whole(cols), r, c);
      assert_int_equal(slow_nibble(got.meta, at),
                       slow_nibble(nibbles + r * ldm, c));
    }
  free(w.memory);
  free(values.memory);
  free(nibbles);
  stored_free(got);
}

static void the_run_by_run_form_has_the_same_values_and_nibbles(void **state) {
  uint64_t seed = test_seed() + 1;
  const matrix codes = matrix_new(37, 140, 2, 0, 0);
  size_t i;
  (void)state;
  fill_codes(codes, SSTE_BFLOAT16, 2, &seed);
  for (i = 0; i < 2; ++i) check_run_by_run(codes, axes[i]);
  free(codes.memory);
}

/* Row 0, chunk 0 is a legal one without room; all else of the block is 0x4. */
static void one_group_alone_has_these_bytes(void **state) {
  static const uint16_t w[4] = {0, 0, 0x4700, 0xC000}; /* 7, -2 */
  uint16_t values[2] = {0xCACA, 0xCACA};
  uint8_t meta[128];
  size_t i;
  (void)state;
  assert_int_equal(sste_cuda_compress(values, 2, meta, w, 4, 1, 4, SSTE_FLOAT16,
                                      SSTE_FLOAT16, SSTE_ALONG_ROWS, NULL),
                   SSTE_OK);
  assert_int_equal(values[0], 0x4700);
  assert_int_equal(values[1], 0xC000);
  assert_int_equal(meta[0], 0x4E);
  for (i = 1; i < sizeof meta; ++i) assert_int_equal(meta[i], 0x44);
}

/* All but the two largest of a group made zero, by sorting. */
static void prune(matrix w, matrix from, sste_type type) {
  size_t r, c;
  int i;
  for (r = 0; r < w.rows; ++r)
    for (c = 0; c < w.cols; c += 4) {
      float a[4];
      slow_entry e[4];
      for (i = 0; i < 4; ++i) {
        const uint32_t code = code_at(from, r, c + (size_t)i) & 0x7FFFu;
        const int is_nan = code > infinity_of(type);
        a[i] = is_nan ? slow_nan() : (float)code; /* sorts like the value */
        set_code(w, r, c + (size_t)i, 0);
      }
      slow_sort(e, a, 0);
      for (i = 0; i < 2; ++i) {
        const size_t at = c + (size_t)e[i].index;
        set_code(w, r, at, code_at(from, r, at));
      }
    }
}

static void of_three_or_four_non_zeros_the_two_largest_stay(void **state) {
  uint64_t seed = test_seed() + 2;
  int t, n;
  (void)state;
  for (t = 0; t < 2; ++t)
    for (n = 3; n <= 12; n += 3) {
      const matrix w = matrix_new(70, 140, 2, 4, 0);
      const matrix pruned = matrix_new(70, 140, 2, 0, 0);
      fill_codes(w, types[t], n, &seed);
      prune(pruned, w, types[t]);
      check_compress(w, pruned, types[t], lies[1]);
      free(w.memory);
      free(pruned.memory);
    }
}

/* The group of the header: 1e-9 is no float16. A row, or a column. */
static void one_group_of_floats_has_these_bytes(void **state) {
  static const float w[4] = {0, 7, 1e-9f, -2};
  size_t axis, i;
  (void)state;
  for (axis = 0; axis < 2; ++axis) {
    const size_t rows = axis == 0 ? 1 : 4;
    uint16_t values[2] = {0xCACA, 0xCACA};
    uint8_t meta[128];
    assert_int_equal(
        sste_cuda_compress(values, 2, meta, w, 4 / rows, rows, 4 / rows,
                           SSTE_FLOAT32, SSTE_FLOAT16, axes[axis], NULL),
        SSTE_OK);
    assert_int_equal(values[0], 0x4700);
    assert_int_equal(values[1], 0xC000);
    assert_int_equal(meta[0], 0x4D);
    for (i = 1; i < sizeof meta; ++i) assert_int_equal(meta[i], 0x44);
  }
}

/* 1, 1 + 2^-10 and 1 + 2^-9: three ones to bfloat16, of which the first two
 * stay; three numbers to float16. */
static void floats_are_rounded_before_they_are_compared(void **state) {
  static const float w[4] = {1.0f, 1.0009765625f, 1.001953125f, 0.0f};
  static const uint16_t want[2][2] = {{0x3C01, 0x3C02}, {0x3F80, 0x3F80}};
  static const uint8_t nibbles[2] = {0x49, 0x44};
  uint16_t values[2];
  uint8_t meta[128];
  size_t t;
  (void)state;
  for (t = 0; t < 2; ++t) {
    assert_int_equal(
        sste_cuda_compress(values, 2, meta, w, 4, 1, 4, SSTE_FLOAT32, types[t],
                           SSTE_ALONG_ROWS, NULL),
        SSTE_OK);
    assert_memory_equal(values, want[t], sizeof values);
    assert_int_equal(meta[0], nibbles[t]);
  }
}

/* Weights about which the cast has something to say: across the range of either
 * type, with ties, specials and whole groups of them. */
static void fill_weights(matrix w, sste_type type, uint64_t *seed) {
  const int low = type == SSTE_FLOAT16 ? -27 : -136;
  const int high = type == SSTE_FLOAT16 ? 17 : 127;
  size_t r, c, i;
  for (r = 0; r < w.rows; ++r)
    for (c = 0; c < w.cols; c += 4) {
      const uint64_t kind = test_random(seed) % 8;
      const int spread =
          low + (int)(test_random(seed) % (uint64_t)(high - low));
      for (i = 0; i < 4; ++i) {
        double x = test_normal(seed);
        if (kind < 2) x = ldexp(rint(8.0 * x), spread);
        if (kind == 2) x = ldexp(x, spread);
        if (kind == 3) x = (double)test_float((uint32_t)test_random(seed));
        if (kind == 4 && test_random(seed) % 2) x = -0.0;
        if (kind == 5 && test_random(seed) % 2) x = -HUGE_VAL;
        if (kind == 6 && test_random(seed) % 4 == 0) x = (double)NAN;
        set_float(w, r, c + i, (float)x);
      }
    }
}

static void any_floats_are_cast_pruned_and_stored(void **state) {
  uint64_t seed = test_seed() + 7;
  size_t s, k, t;
  (void)state;
  for (s = 0; s < SHAPES; ++s)
    for (k = 0; k < LIES; ++k)
      for (t = 0; t < 2; ++t) {
        const matrix w =
            matrix_new(shapes[s].rows, shapes[s].cols, sizeof(float), 0, 0);
        matrix codes, pruned;
        fill_weights(w, types[t], &seed);
        codes = narrowed(w, types[t]);
        pruned = matrix_new(w.rows, w.cols, 2, 0, 0);
        prune(pruned, codes, types[t]);
        check_axes(w, SSTE_FLOAT32, pruned, types[t], lies[k]);
        free(w.memory);
        free(codes.memory);
        free(pruned.memory);
      }
}

/* ---- The gradients of a layer -------------------------------------------- */

enum { TOKENS = 36, OUT = 72, IN = 140 };

static const float *floats_of(matrix m) {
  return (const float *)(const void *)m.p;
}

static void fill_integers(matrix m, uint64_t *seed) {
  size_t r, c;
  for (r = 0; r < m.rows; ++r)
    for (c = 0; c < m.cols; ++c)
      set_float(m, r, c, (float)(int)(test_random(seed) % 9) - 4.0f);
}

/* D = A B, in float. */
static void multiply(sste_cuda_gemm_args g, stored a, matrix b, matrix d) {
  g.values = a.values.p;
  g.ldv = a.values.ld;
  g.meta = a.meta;
  g.b = b.p;
  g.ldb = b.ld;
  g.d = d.p;
  g.ldd = d.ld;
  assert_int_equal(sste_cuda_gemm(&g, NULL), SSTE_OK);
}

/* Two diagonals of each tile: 2:4 both ways. */
static void keep_diagonals(matrix w, uint64_t *seed) {
  size_t r, c;
  for (r = 0; r < w.rows; r += 4)
    for (c = 0; c < w.cols; c += 4) {
      const uint64_t turn = test_random(seed);
      size_t i;
      for (i = 0; i < 16; ++i)
        if ((i / 4 + i + turn) % 4 < 2)
          set_float(w, r + i / 4, c + i % 4, 0.0f);
    }
}

/* dX^T = W^T dZ^T: W^T from W, dZ by columns, D by columns. */
static void the_input_gradient_is_exact_on_integers(void **state) {
  uint64_t seed = test_seed() + 8;
  size_t t;
  (void)state;
  for (t = 0; t < 2; ++t) {
    const matrix w = matrix_new(OUT, IN, sizeof(float), 3, 0);
    const matrix dz = matrix_new(TOKENS, OUT, sizeof(float), 0, 0);
    const matrix dx = matrix_new(TOKENS, IN, sizeof(float), 0, 0);
    const matrix want = matrix_new(TOKENS, IN, sizeof(float), 0, 0);
    sste_cuda_gemm_args g = sste_cuda_gemm_of(IN, TOKENS, OUT, types[t]);
    stored a;
    matrix b;
    fill_integers(w, &seed);
    fill_integers(dz, &seed);
    keep_diagonals(w, &seed);
    a = stored_by_cuda(w, SSTE_FLOAT32, types[t], SSTE_DOWN_COLUMNS, lies[0]);
    b = narrowed(dz, types[t]);
    g.d_columns = 1;
    multiply(g, a, b, dx);
    assert_int_equal(
        sste_product_input_grad((float *)(void *)want.p, want.ld, floats_of(dz),
                                dz.ld, floats_of(w), w.ld, TOKENS, OUT, IN),
        SSTE_OK);
    assert_same_matrix(dx, want);
    free(w.memory);
    free(dz.memory);
    free(dx.memory);
    free(want.memory);
    free(b.memory);
    stored_free(a);
  }
}

/* Groups of four tokens of one magnitude: a sample of them has integers. */
static void fill_even_groups(matrix dz, uint64_t *seed) {
  size_t r, c;
  for (r = 0; r < dz.rows; r += 4)
    for (c = 0; c < dz.cols; ++c) {
      const uint64_t any = test_random(seed);
      const float size = (float)(any >> 8 & 3);
      size_t i;
      for (i = 0; i < 4; ++i)
        set_float(dz, r + i, c, any >> i & 1 ? size : -size);
    }
}

/* dW = dZ^T X: the sample of dZ, compressed as dZ^T, X by rows, D by rows. */
static void the_weight_gradient_is_exact_on_integers(void **state) {
  static const sste_mvue_stream from = {1, 2, 3, 0, 0};
  uint64_t seed = test_seed() + 9;
  size_t t;
  (void)state;
  for (t = 0; t < 2; ++t) {
    const matrix dz = matrix_new(TOKENS, OUT, sizeof(float), 1, 0);
    const matrix x = matrix_new(TOKENS, IN, sizeof(float), 0, 0);
    const matrix dw = matrix_new(OUT, IN, sizeof(float), 0, 0);
    const matrix want = matrix_new(OUT, IN, sizeof(float), 0, 0);
    sste_cuda_gemm_args g = sste_cuda_gemm_of(OUT, IN, TOKENS, types[t]);
    stored a;
    matrix b;
    fill_even_groups(dz, &seed);
    fill_integers(x, &seed);
    assert_int_equal(sste_cuda_mvue24_draw((float *)(void *)dz.p, dz.ld,
                                           floats_of(dz), dz.ld, TOKENS, OUT,
                                           SSTE_DOWN_COLUMNS, &from, NULL),
                     SSTE_OK);
    a = stored_by_cuda(dz, SSTE_FLOAT32, types[t], SSTE_DOWN_COLUMNS, lies[0]);
    b = narrowed(x, types[t]);
    g.b_rows = 1;
    multiply(g, a, b, dw);
    assert_int_equal(sste_product_weight_grad(
                         (float *)(void *)want.p, want.ld, floats_of(dz), dz.ld,
                         floats_of(x), x.ld, TOKENS, OUT, IN),
                     SSTE_OK);
    assert_same_matrix(dw, want);
    free(dz.memory);
    free(x.memory);
    free(dw.memory);
    free(want.memory);
    free(b.memory);
    stored_free(a);
  }
}

/* ---- Projection with compression ----------------------------------------- */

/* The CPU's way: project, cast, compress. */
static stored projected_by_cpu(matrix w, sste_type type, float beta) {
  const matrix s = matrix_new(w.rows, w.cols, sizeof(float), 0, 0);
  matrix cast;
  stored want;
  assert_int_equal(sste_tensor_project((float *)(void *)s.p, s.ld,
                                       (const float *)(void *)w.p, w.ld, w.rows,
                                       w.cols, beta, NULL),
                   SSTE_OK);
  cast = narrowed(s, type);
  want = stored_by_cpu(cast, type);
  free(s.memory);
  free(cast.memory);
  return want;
}

static void check_project(size_t rows, size_t cols, sste_type type, float beta,
                          struct lie lie, uint64_t *seed) {
  const matrix w = matrix_new(rows, cols, sizeof(float), lie.pad, 0);
  const stored got = stored_new(rows, cols, lie);
  stored want;
  fill_weights(w, type, seed);
  want = projected_by_cpu(w, type, beta);
  assert_int_equal(
      sste_cuda_project_compress(got.values.p, got.values.ld, got.meta,
                                 (const float *)(void *)w.p, w.ld, rows, cols,
                                 type, &beta, NULL),
      SSTE_OK);
  assert_same_stored(got, want);
  free(w.memory);
  stored_free(got);
  stored_free(want);
}

static void one_pass_is_project_cast_and_compress(void **state) {
  static const float betas[] = {1.0f, 1.4837f, 16777216.0f, 0x1p-126f};
  uint64_t seed = test_seed() + 3;
  size_t s, k, b;
  int t;
  (void)state;
  for (s = 0; s < SHAPES; ++s)
    for (k = 0; k < LIES; ++k)
      for (t = 0; t < 2; ++t)
        for (b = 0; b < sizeof betas / sizeof *betas; ++b)
          check_project(shapes[s].rows, shapes[s].cols, types[t], betas[b],
                        lies[k], &seed);
}

/* By hand: S = (2, -1, 0, 0) of (4, -3, 2, -1), and a group with a NaN. */
static void one_pass_over_two_groups_gives_these_codes(void **state) {
  static const float w[8] = {4, -3, 2, -1, 1, NAN, 3, 2}, beta = 2;
  static const uint16_t want[4] = {0x4400, 0xC000, 0x7E00, 0x7E00};
  uint16_t values[4];
  uint8_t meta[128];
  (void)state;
  assert_int_equal(sste_cuda_project_compress(values, 4, meta, w, 8, 1, 8,
                                              SSTE_FLOAT16, &beta, NULL),
                   SSTE_OK);
  assert_memory_equal(values, want, sizeof want);
  assert_int_equal(meta[0], 0x94); /* positions 0, 1 and 1, 2 */
}

/* What sste_cuda_beta leaves of an unusable matrix poisons every group. */
static void a_beta_that_is_nan_is_seen_in_every_group(void **state) {
  static const float w[8] = {4, -3, 2, -1, 0, 0, 0, 0};
  const float beta = NAN;
  uint16_t values[4];
  uint8_t meta[128];
  int i;
  (void)state;
  assert_int_equal(sste_cuda_project_compress(values, 4, meta, w, 8, 1, 8,
                                              SSTE_BFLOAT16, &beta, NULL),
                   SSTE_OK);
  for (i = 0; i < 4; ++i) assert_int_equal(values[i], 0x7FC0);
  assert_int_equal(meta[0], 0x44);
}

/* ---- Decompress ---------------------------------------------------------- */

/* Any codes with any legal nibbles, those of the padding not even that. */
static stored random_stored(size_t rows, size_t cols, sste_type type,
                            struct lie lie, uint64_t *seed) {
  const stored s = stored_new(rows, cols, lie);
  size_t r, c;
  for (r = 0; r < whole(rows); ++r)
    for (c = 0; c < whole(cols) / 4; ++c) {
      const size_t at = sste_mma_meta_at(SSTE_MMA_CUTLASS2, SSTE_MMA_F16,
                                         whole(rows), whole(cols), r, c);
      const int in = r < rows && c < cols / 4;
      const uint64_t any = test_random(seed);
      const int nibble = in ? slow_pairs[any % 6].nibble : (int)(any % 16);
      uint8_t *byte = &s.meta[at / 2];
      *byte = (uint8_t)(at % 2 ? (*byte & 0x0F) | nibble << 4
                               : (*byte & 0xF0) | nibble);
      if (in) set_code(s.values, r, 2 * c, random_code(type, seed));
      if (in) set_code(s.values, r, 2 * c + 1, random_code(type, seed));
    }
  return s;
}

static int nibble_of(stored s, size_t r, size_t c) {
  return slow_nibble(s.meta, sste_mma_meta_at(SSTE_MMA_CUTLASS2, SSTE_MMA_F16,
                                              whole(s.values.rows),
                                              whole(2 * s.values.cols), r, c));
}

/* Chunk by chunk, the bits as they are; four NaNs for an illegal nibble. */
static matrix slow_dense(stored s, sste_type type) {
  const matrix m = matrix_new(s.values.rows, 2 * s.values.cols, 2, 0, 0);
  size_t r, c, i;
  for (r = 0; r < m.rows; ++r)
    for (c = 0; c < m.cols / 4; ++c) {
      const int pair = slow_pair_of(nibble_of(s, r, c));
      for (i = 0; i < 4; ++i)
        set_code(m, r, 4 * c + i, pair < 0 ? nan_of(type) : 0);
      if (pair < 0) continue;
      set_code(m, r, 4 * c + (size_t)slow_pairs[pair].first,
               code_at(s.values, r, 2 * c));
      set_code(m, r, 4 * c + (size_t)slow_pairs[pair].second,
               code_at(s.values, r, 2 * c + 1));
    }
  return m;
}

static void check_decompress(stored s, sste_type type, struct lie lie) {
  const matrix got =
      matrix_new(s.values.rows, 2 * s.values.cols, 2, lie.pad, lie.shift);
  const matrix want = slow_dense(s, type);
  assert_int_equal(sste_cuda_decompress(got.p, got.ld, s.values.p, s.values.ld,
                                        s.meta, got.rows, got.cols, type, NULL),
                   SSTE_OK);
  assert_same_matrix(got, want);
  free(got.memory);
  free(want.memory);
}

static void decompressing_moves_bits_to_their_places(void **state) {
  uint64_t seed = test_seed() + 4;
  size_t s, k;
  int t;
  (void)state;
  for (s = 0; s < SHAPES; ++s)
    for (k = 0; k < LIES; ++k)
      for (t = 0; t < 2; ++t) {
        const stored from = random_stored(shapes[s].rows, shapes[s].cols,
                                          types[t], lies[k], &seed);
        check_decompress(from, types[t], lies[LIES - 1 - k]);
        stored_free(from);
      }
}

static void a_whole_block_is_that_of_the_cpu(void **state) {
  uint64_t seed = test_seed() + 5;
  const stored s = random_stored(64, 160, SSTE_FLOAT16, lies[0], &seed);
  const matrix got = matrix_new(64, 160, 2, 0, 0);
  const matrix want = matrix_new(64, 160, 2, 0, 0);
  (void)state;
  assert_int_equal(sste_cuda_decompress(got.p, 160, s.values.p, 80, s.meta, 64,
                                        160, SSTE_FLOAT16, NULL),
                   SSTE_OK);
  assert_int_equal(
      sste_mma_decompress(want.p, 160, s.values.p, 80, s.meta,
                          SSTE_MMA_CUTLASS2, 64, 160, SSTE_MMA_F16, NULL, NULL),
      SSTE_OK);
  assert_same_matrix(got, want);
  free(got.memory);
  free(want.memory);
  stored_free(s);
}

/* All 16 nibbles everywhere. */
static void an_illegal_nibble_is_four_nans_and_no_more(void **state) {
  uint64_t seed = test_seed() + 6;
  int t;
  (void)state;
  for (t = 0; t < 2; ++t) {
    const stored s = random_stored(45, 300, types[t], lies[2], &seed);
    size_t i;
    for (i = 0; i < s.bytes; ++i) s.meta[i] = (uint8_t)test_random(&seed);
    check_decompress(s, types[t], lies[1]);
    stored_free(s);
  }
}

/* ---- Metadata and refusals ----------------------------------------------- */

static void metadata_have_the_bytes_of_whole_blocks(void **state) {
  size_t rows, cols;
  (void)state;
  for (rows = 0; rows <= 70; ++rows)
    for (cols = 0; cols <= 264; cols += 4) {
      size_t bytes = 1, want = 2;
      assert_int_equal(sste_cuda_meta_bytes(&bytes, rows, cols), SSTE_OK);
      assert_int_equal(
          sste_mma_meta_bytes(&want, SSTE_MMA_CUTLASS2, SSTE_MMA_BF16,
                              whole(rows), whole(cols)),
          SSTE_OK);
      assert_int_equal(bytes, want);
    }
}

static void sizes_that_cannot_be_are_refused(void **state) {
  const size_t huge = (size_t)PTRDIFF_MAX / 8 + 1;
  size_t bytes = 7;
  (void)state;
  assert_int_equal(sste_cuda_meta_bytes(NULL, 1, 4), SSTE_ERR_NULL);
  assert_int_equal(sste_cuda_meta_bytes(&bytes, 1, 6), SSTE_ERR_SHAPE);
  assert_int_equal(sste_cuda_meta_bytes(&bytes, huge, 4), SSTE_ERR_SIZE);
  assert_int_equal(sste_cuda_meta_bytes(&bytes, 1, huge), SSTE_ERR_SIZE);
  assert_int_equal(sste_cuda_meta_bytes(&bytes, SIZE_MAX, 4), SSTE_ERR_SIZE);
  assert_int_equal(sste_cuda_beta_bytes(NULL, 1, 4), SSTE_ERR_NULL);
  assert_int_equal(sste_cuda_beta_bytes(&bytes, huge, 4), SSTE_ERR_SIZE);
  assert_int_equal(sste_cuda_beta_bytes(&bytes, SIZE_MAX, SIZE_MAX),
                   SSTE_ERR_SIZE);
  assert_int_equal(bytes, 7);
}

static void scratch_is_16_bytes_for_32768_elements(void **state) {
  static const struct {
    size_t rows, cols, bytes;
  } of[] = {{1, 4, 16},     {8, 4096, 16}, {8192, 4, 16},
            {1, 32772, 32}, {8193, 4, 32}, {16384, 16384, 131072}};
  size_t i, bytes;
  (void)state;
  for (i = 0; i < sizeof of / sizeof *of; ++i) {
    assert_int_equal(sste_cuda_beta_bytes(&bytes, of[i].rows, of[i].cols),
                     SSTE_OK);
    assert_int_equal(bytes, of[i].bytes);
  }
}

/* What every call below works in; all of it must stay as it is. */
enum { ROWS = 3, COLS = 8, ROOM = 512 };
static double room[4][ROOM / sizeof(double)];

#define assert_refused(call, want)                          \
  do {                                                      \
    static double refused_before[4][ROOM / sizeof(double)]; \
    test_poison(room, sizeof room);                         \
    memcpy(refused_before, room, sizeof room);              \
    assert_int_equal((call), (want));                       \
    assert_memory_equal(room, refused_before, sizeof room); \
  } while (0)

static sste_status beta_of(void *beta, const void *w, size_t ldw, size_t cols,
                           void *scratch, size_t bytes) {
  return sste_cuda_beta((float *)beta, (const float *)w, ldw, ROWS, cols,
                        scratch, bytes, NULL);
}

static void a_beta_that_cannot_be_is_refused(void **state) {
  uint8_t *beta = (uint8_t *)room[0], *w = (uint8_t *)room[1],
          *scratch = (uint8_t *)room[2];
  (void)state;
  assert_refused(beta_of(NULL, w, 8, 8, scratch, 16), SSTE_ERR_NULL);
  assert_refused(beta_of(beta, NULL, 8, 8, scratch, 16), SSTE_ERR_NULL);
  assert_refused(beta_of(beta, w, 8, 8, NULL, 16), SSTE_ERR_NULL);
  assert_refused(beta_of(beta, w, 7, 8, scratch, 16), SSTE_ERR_SHAPE);
  assert_refused(beta_of(beta, w, 8, 6, scratch, 16), SSTE_ERR_SHAPE);
  assert_refused(beta_of(beta, w, SIZE_MAX / 2, 8, scratch, 16), SSTE_ERR_SIZE);
  assert_refused(beta_of(beta, w, 8, 8, scratch, 15), SSTE_ERR_SIZE);
  assert_refused(beta_of(beta, w, 8, 8, w + 88, 16), SSTE_ERR_OVERLAP);
  assert_refused(beta_of(w + 92, w, 8, 8, scratch, 16), SSTE_ERR_OVERLAP);
  assert_refused(beta_of(scratch + 12, w, 8, 8, scratch, 16), SSTE_ERR_OVERLAP);
  assert_refused(beta_of(scratch + 24, w, 8, 8, scratch, 32), SSTE_ERR_OVERLAP);
}

/* The functions of storage by one signature: the dense matrix first. */
enum { COMPRESS, COMPRESS_FLOATS, DECOMPRESS, PROJECT, CALLS };

static sste_status store_by(int call, void *w, size_t ldw, void *values,
                            size_t ldv, uint8_t *meta, size_t rows, size_t cols,
                            sste_type type) {
  static const float beta = 1.0f;
  if (call == COMPRESS)
    return sste_cuda_compress(values, ldv, meta, w, ldw, rows, cols, type, type,
                              SSTE_ALONG_ROWS, NULL);
  if (call == COMPRESS_FLOATS)
    return sste_cuda_compress(values, ldv, meta, w, ldw, rows, cols,
                              SSTE_FLOAT32, type, SSTE_ALONG_ROWS, NULL);
  if (call == DECOMPRESS)
    return sste_cuda_decompress(w, ldw, values, ldv, meta, rows, cols, type,
                                NULL);
  return sste_cuda_project_compress(values, ldv, meta, (const float *)w, ldw,
                                    rows, cols, type, &beta, NULL);
}

static void storage_that_cannot_be_is_refused(void **state) {
  uint8_t *w = (uint8_t *)room[0], *v = (uint8_t *)room[1],
          *e = (uint8_t *)room[2];
  const size_t huge = (size_t)PTRDIFF_MAX;
  const sste_type half = SSTE_FLOAT16;
  int call;
  (void)state;
  for (call = 0; call < CALLS; ++call) {
    const int floats = call == PROJECT || call == COMPRESS_FLOATS;
    const size_t size = floats ? 4 : 2, last = ROWS * COLS * size - 2;
    assert_refused(store_by(call, NULL, 8, v, 4, e, 3, 8, half), SSTE_ERR_NULL);
    assert_refused(store_by(call, w, 8, NULL, 4, e, 3, 8, half), SSTE_ERR_NULL);
    assert_refused(store_by(call, w, 8, v, 4, NULL, 3, 8, half), SSTE_ERR_NULL);
    assert_refused(store_by(call, w, 7, v, 4, e, 3, 8, half), SSTE_ERR_SHAPE);
    assert_refused(store_by(call, w, 8, v, 3, e, 3, 8, half), SSTE_ERR_SHAPE);
    assert_refused(store_by(call, w, 8, v, 4, e, 3, 6, half), SSTE_ERR_SHAPE);
    assert_refused(store_by(call, w, huge, v, 4, e, 3, 8, half), SSTE_ERR_SIZE);
    assert_refused(store_by(call, w, 8, v, huge, e, 3, 8, half), SSTE_ERR_SIZE);
    assert_refused(store_by(call, w, 8, v, 4, e, huge, 8, half), SSTE_ERR_SIZE);
    assert_refused(store_by(call, w, 8, v, 4, e, 3, 8, SSTE_FLOAT32),
                   SSTE_ERR_VALUE);
    assert_refused(store_by(call, w, 8, v, 4, e, 3, 8, SSTE_FP8),
                   SSTE_ERR_VALUE);
    assert_refused(store_by(call, w, 8, v, 4, e, 3, 8, (sste_type)-1),
                   SSTE_ERR_VALUE);
    assert_refused(store_by(call, w, 8, w + last, 4, e, 3, 8, half),
                   SSTE_ERR_OVERLAP);
    assert_refused(store_by(call, w, 8, v, 4, w + last + 1, 3, 8, half),
                   SSTE_ERR_OVERLAP);
    assert_refused(store_by(call, w, 8, v, 4, v + 23, 3, 8, half),
                   SSTE_ERR_OVERLAP);
    assert_refused(store_by(call, w, 8, e + 126, 4, e, 3, 8, half),
                   SSTE_ERR_OVERLAP);
    /* Neighbours that touch do not meet. */
    test_poison(room, sizeof room);
    assert_int_equal(
        store_by(call, w, 8, w + last + 2, 4, w + last + 26, 3, 8, half),
        SSTE_OK);
  }
}

/* 8 x 3 floats, rows 4 apart, of which 3 x 8 are stored. */
static sste_status down_of(const void *w, size_t ldw, void *values, size_t ldv,
                           uint8_t *meta, size_t rows, size_t cols) {
  return sste_cuda_compress(values, ldv, meta, w, ldw, rows, cols, SSTE_FLOAT32,
                            SSTE_FLOAT16, SSTE_DOWN_COLUMNS, NULL);
}

static void a_transpose_that_cannot_be_is_refused(void **state) {
  uint8_t *w = (uint8_t *)room[0], *v = (uint8_t *)room[1],
          *e = (uint8_t *)room[2];
  const size_t huge = (size_t)PTRDIFF_MAX, end = (7 * 4 + 3) * sizeof(float);
  (void)state;
  assert_refused(down_of(NULL, 4, v, 4, e, 8, 3), SSTE_ERR_NULL);
  assert_refused(down_of(w, 4, NULL, 4, e, 8, 3), SSTE_ERR_NULL);
  assert_refused(down_of(w, 4, v, 4, NULL, 8, 3), SSTE_ERR_NULL);
  assert_refused(down_of(w, 2, v, 4, e, 8, 3), SSTE_ERR_SHAPE);
  assert_refused(down_of(w, 4, v, 3, e, 8, 3), SSTE_ERR_SHAPE);
  assert_refused(down_of(w, 4, v, 4, e, 6, 3), SSTE_ERR_SHAPE);
  assert_refused(down_of(w, huge, v, 4, e, 8, 3), SSTE_ERR_SIZE);
  assert_refused(down_of(w, 4, v, huge, e, 8, 3), SSTE_ERR_SIZE);
  assert_refused(down_of(w, huge, v, 4, e, 8, huge), SSTE_ERR_SIZE);
  assert_refused(down_of(w, 4, w + end - 2, 4, e, 8, 3), SSTE_ERR_OVERLAP);
  assert_refused(down_of(w, 4, v, 4, w + end - 1, 8, 3), SSTE_ERR_OVERLAP);
  assert_refused(down_of(w, 4, v, 4, v + 23, 8, 3), SSTE_ERR_OVERLAP);
  assert_refused(down_of(NULL, 3, v, 4, e, 0, 3), SSTE_OK);
  assert_refused(down_of(w, 3, NULL, 4, NULL, 8, 0), SSTE_OK);
  test_poison(room, sizeof room);
  assert_int_equal(down_of(w, 4, w + end, 4, w + end + 24, 8, 3), SSTE_OK);
}

static void a_source_is_a_float_or_the_type_itself(void **state) {
  static const struct {
    sste_type from, type;
    sste_axis axis;
  } bad[] = {{SSTE_BFLOAT16, SSTE_FLOAT16, SSTE_ALONG_ROWS},
             {SSTE_FLOAT16, SSTE_BFLOAT16, SSTE_DOWN_COLUMNS},
             {SSTE_FP8, SSTE_FLOAT16, SSTE_ALONG_ROWS},
             {SSTE_FP8, SSTE_FP8, SSTE_ALONG_ROWS},
             {SSTE_FLOAT32, SSTE_FLOAT32, SSTE_DOWN_COLUMNS},
             {(sste_type)-1, (sste_type)-1, SSTE_ALONG_ROWS},
             {SSTE_FLOAT16, SSTE_FLOAT16, (sste_axis)2},
             {SSTE_FLOAT32, SSTE_FLOAT16, (sste_axis)-1}};
  size_t i;
  (void)state;
  for (i = 0; i < sizeof bad / sizeof *bad; ++i)
    assert_refused(
        sste_cuda_compress(room[1], 4, (uint8_t *)room[2], room[0], 8, 4, 8,
                           bad[i].from, bad[i].type, bad[i].axis, NULL),
        SSTE_ERR_VALUE);
}

static void a_beta_must_be_there_and_apart_from_the_outputs(void **state) {
  uint8_t *v = (uint8_t *)room[1], *e = (uint8_t *)room[2];
  const float *w = (const float *)room[0];
  (void)state;
  assert_refused(
      sste_cuda_project_compress(v, 4, e, w, 8, 3, 8, SSTE_FLOAT16, NULL, NULL),
      SSTE_ERR_NULL);
  assert_refused(
      sste_cuda_project_compress(v, 4, e, w, 8, 3, 8, SSTE_FLOAT16,
                                 (const float *)(void *)(v + 20), NULL),
      SSTE_ERR_OVERLAP);
  assert_refused(
      sste_cuda_project_compress(v, 4, e, w, 8, 3, 8, SSTE_FLOAT16,
                                 (const float *)(void *)(e + 124), NULL),
      SSTE_ERR_OVERLAP);
}

static void empty_matrices_touch_nothing(void **state) {
  int call;
  (void)state;
  for (call = 0; call < CALLS; ++call) {
    uint8_t *v = (uint8_t *)room[1], *e = (uint8_t *)room[2];
    assert_refused(store_by(call, room[0], 8, v, 4, e, 0, 8, SSTE_FLOAT16),
                   SSTE_OK);
    assert_refused(store_by(call, room[0], 8, v, 4, e, 3, 0, SSTE_FLOAT16),
                   SSTE_OK);
    assert_refused(store_by(call, NULL, 0, NULL, 0, NULL, 0, 0, SSTE_FLOAT16),
                   SSTE_OK);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(beta_is_that_of_the_cpu_sum_for_sum),
      cmocka_unit_test(beta_of_one_group_is_that_of_the_paper),
      cmocka_unit_test(any_number_of_parts_folds_in_pairs),
      cmocka_unit_test(where_the_cpu_refuses_beta_is_nan),
      cmocka_unit_test(the_beta_of_nothing_is_nan),
      cmocka_unit_test(a_sparse_matrix_is_stored_as_the_cpu_does),
      cmocka_unit_test(the_run_by_run_form_has_the_same_values_and_nibbles),
      cmocka_unit_test(one_group_alone_has_these_bytes),
      cmocka_unit_test(of_three_or_four_non_zeros_the_two_largest_stay),
      cmocka_unit_test(one_group_of_floats_has_these_bytes),
      cmocka_unit_test(floats_are_rounded_before_they_are_compared),
      cmocka_unit_test(any_floats_are_cast_pruned_and_stored),
      cmocka_unit_test(the_input_gradient_is_exact_on_integers),
      cmocka_unit_test(the_weight_gradient_is_exact_on_integers),
      cmocka_unit_test(one_pass_is_project_cast_and_compress),
      cmocka_unit_test(one_pass_over_two_groups_gives_these_codes),
      cmocka_unit_test(a_beta_that_is_nan_is_seen_in_every_group),
      cmocka_unit_test(decompressing_moves_bits_to_their_places),
      cmocka_unit_test(a_whole_block_is_that_of_the_cpu),
      cmocka_unit_test(an_illegal_nibble_is_four_nans_and_no_more),
      cmocka_unit_test(metadata_have_the_bytes_of_whole_blocks),
      cmocka_unit_test(sizes_that_cannot_be_are_refused),
      cmocka_unit_test(scratch_is_16_bytes_for_32768_elements),
      cmocka_unit_test(a_beta_that_cannot_be_is_refused),
      cmocka_unit_test(storage_that_cannot_be_is_refused),
      cmocka_unit_test(a_transpose_that_cannot_be_is_refused),
      cmocka_unit_test(a_source_is_a_float_or_the_type_itself),
      cmocka_unit_test(a_beta_must_be_there_and_apart_from_the_outputs),
      cmocka_unit_test(empty_matrices_touch_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
