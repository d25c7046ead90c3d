/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_cuda_items.c - kernels of one item a thread, run here, against the
 * tensor functions of the CPU: the same bits, and not a byte beside them.
 *
 * The bodies are compiled as for a GPU, with its vectors made here, so that the
 * wide accesses run as well. (One that is not aligned shows with gcc's
 * -fsanitize=alignment alone: other compilers do not look at copies.)
 *
 *   1. Matrices    2. Projection and masks    3. FP8    4. MVUE
 *   5. Refusals    6. The self-check
 */
#include <fenv.h>

#include "slow_sste.h"
#include "sste_check.h"
#include "sste_cuda.h"
#include "test.h"
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#define VECTOR(type, name, bytes)                                  \
  typedef struct name {                                            \
    type x, y, z, w;                                               \
  } __attribute__((aligned(bytes))) name;                          \
  static inline name make_##name(type x, type y, type z, type w) { \
    name v;                                                        \
    v.x = x, v.y = y, v.z = z, v.w = w;                            \
    return v;                                                      \
  }
VECTOR(float, float4, 16)
VECTOR(uint16_t, ushort4, 8)
VECTOR(uint8_t, uchar4, 4)
#define __CUDA_ARCH__ 800
#include "cuda/fp8.cuh"
#include "cuda/mask.cuh"
#include "cuda/mvue.cuh"
#include "cuda/project.cuh"
#include "cuda/self_check.cuh"
#include "cuda/transposable.cuh"

/* ---- 1. Matrices --------------------------------------------------------- */

enum { BYTES = 1 << 11, ROWS = 8, COLS = 48, DRAWS = SSTE_DRAWS + 1 };

/* Aligned to a vector, all alike. The kernel writes `got`, the CPU `want`; they
 * are compared whole, with what lies between and around the rows. */
static unsigned char *in, *got, *want;

static int make_memory(void **unused) {
  (void)unused;
  in = (unsigned char *)malloc(BYTES);
  got = (unsigned char *)malloc(BYTES);
  want = (unsigned char *)malloc(BYTES);
  return in == NULL || got == NULL || want == NULL ||
         ((uintptr_t)in | (uintptr_t)got | (uintptr_t)want) % 16 != 0;
}

static int free_memory(void **unused) {
  (void)unused;
  free(in);
  free(got);
  free(want);
  return 0;
}

static void poison_outputs(void) {
  test_poison(got, BYTES);
  test_poison(want, BYTES);
}

static size_t below(uint64_t *rng, size_t n) { return test_random(rng) % n; }

/* A shape, and where its matrices lie: rows ld or ldo apart, their first
 * elements number `at` of `in` and number `put` of the outputs. */
typedef struct place {
  size_t rows, cols, ld, ldo, at, put;
} place;

/* First or last in its memory, where a sanitizer sees what is read beside it,
 * or somewhere: mostly not aligned. */
static size_t random_first(uint64_t *rng, const place *p, size_t ld,
                           size_t size) {
  if (below(rng, 3) == 0) return 0;
  if (below(rng, 2) == 0) return below(rng, 20);
  return BYTES / size - ((p->rows - 1) * ld + p->cols);
}

/* Rows and columns in multiples, elements of so many bytes; often tight. */
static place random_place(uint64_t *rng, size_t of_rows, size_t of_cols,
                          size_t size, size_t out_size) {
  place p;
  p.rows = of_rows * (1 + below(rng, ROWS / of_rows));
  p.cols = of_cols * (1 + below(rng, COLS / of_cols));
  p.ld = p.cols + (below(rng, 2) ? 0 : below(rng, 6));
  p.ldo = p.cols + (below(rng, 2) ? 0 : below(rng, 6));
  p.at = random_first(rng, &p, p.ld, size);
  p.put = random_first(rng, &p, p.ldo, out_size);
  return p;
}

/* A matrix of `type` at `memory`: one of sste_check_tensor_draw's kinds, or any
 * bits at all. */
static void draw(unsigned char *memory, const place *p, sste_type type,
                 int kind, uint64_t *rng) {
  const size_t size = sste_priv_type_bytes(type);
  const sste_fp8_format f =
      type == SSTE_FLOAT16 ? sste_fp8_float16() : sste_fp8_bfloat16();
  sste_fp8_rule rule = sste_fp8_saturating();
  float x[ROWS * COLS];
  size_t r, c;
  rule.overflow = SSTE_OVERFLOW_NONE;
  rule.nan_sign = 1;
  test_poison(memory, BYTES);
  if (kind < SSTE_DRAWS)
    assert_int_equal(sste_check_tensor_draw(x, COLS, p->rows, p->cols, kind,
                                            test_random(rng)),
                     SSTE_OK);
  for (r = 0; r < p->rows; ++r)
    for (c = 0; c < p->cols; ++c) {
      uint32_t bits = (uint32_t)test_random(rng);
      if (kind < SSTE_DRAWS) memcpy(&bits, &x[r * COLS + c], sizeof bits);
      if (kind < SSTE_DRAWS && type != SSTE_FLOAT32)
        bits = (uint32_t)sste_fp8_convert(f, rule, sste_fp8_float32(), bits, 0);
      sste_priv_set_element(memory + p->at * size, type, r * p->ld + c, bits);
    }
}

static void assert_same(sste_status got_status, sste_status want_status,
                        const char *what, int kind, const place *p) {
  size_t i;
  assert_int_equal(want_status, SSTE_OK);
  assert_int_equal(got_status, SSTE_OK);
  if (memcmp(got, want, BYTES) == 0) return;
  for (i = 0; got[i] == want[i];) ++i;
  fail_msg("%s, kind %d, %d x %d: byte %d is %02X, expected %02X", what, kind,
           (int)p->rows, (int)p->cols, (int)i, got[i], want[i]);
}

static int rounds(int level_1) {
  return test_level() == 2 ? 30 * level_1 : level_1;
}

/* ---- 2. Projection and masks --------------------------------------------- */

static sste_nm two_of_four(sste_type type) {
  sste_nm nm = sste_nm_of(2, 4);
  nm.type = type;
  return nm;
}

static sste_status cpu_project(void *out, const void *w, const place *p,
                               sste_type type, float beta) {
  if (type == SSTE_FLOAT32)
    return sste_tensor_project((float *)out, p->ldo, (const float *)w, p->ld,
                               p->rows, p->cols, beta, NULL);
  return sste_tensor_project_nm(out, p->ldo, w, p->ld, p->rows, p->cols,
                                two_of_four(type), 0.0f, beta, NULL);
}

static void projection_is_the_cpus(void **unused) {
  static const float betas[] = {1.0f, 1.7f, 0x1p-140f, 3e38f};
  uint64_t rng = test_seed();
  int kind, round, t;
  (void)unused;
  for (kind = 0; kind < DRAWS; ++kind)
    for (round = 0; round < rounds(120); ++round)
      for (t = SSTE_FLOAT32; t <= SSTE_BFLOAT16; ++t) {
        const sste_type type = (sste_type)t;
        const size_t size = sste_priv_type_bytes(type);
        const float beta = betas[below(&rng, 4)];
        place p = random_place(&rng, 1, 4, size, size);
        draw(in, &p, type, kind, &rng);
        poison_outputs();
        assert_same(
            sste_cuda_project(got + p.put * size, p.ldo, in + p.at * size, p.ld,
                              p.rows, p.cols, type, beta, NULL),
            cpu_project(want + p.put * size, in + p.at * size, &p, type, beta),
            "project", kind, &p);
        memcpy(got, in, BYTES);
        memcpy(want, in, BYTES);
        p.ldo = p.ld;
        assert_same(
            sste_cuda_project(got + p.at * size, p.ld, got + p.at * size, p.ld,
                              p.rows, p.cols, type, beta, NULL),
            cpu_project(want + p.at * size, want + p.at * size, &p, type, beta),
            "project in place", kind, &p);
      }
}

static void masks_are_the_cpus(void **unused) {
  uint64_t rng = test_seed();
  int kind, round, t;
  (void)unused;
  for (kind = 0; kind < DRAWS; ++kind)
    for (round = 0; round < rounds(120); ++round)
      for (t = SSTE_FLOAT32; t <= SSTE_BFLOAT16; ++t) {
        const sste_type type = (sste_type)t;
        const sste_tie tie = below(&rng, 2) ? SSTE_TIE_LOWER : SSTE_TIE_HIGHER;
        const size_t size = sste_priv_type_bytes(type);
        const place p = random_place(&rng, 1, 4, size, 1);
        const void *w = in + p.at * size;
        draw(in, &p, type, kind, &rng);
        poison_outputs();
        assert_same(
            sste_cuda_mask(got + p.put, p.ldo, w, p.ld, p.rows, p.cols, type,
                           tie, NULL),
            type == SSTE_FLOAT32
                ? sste_tensor_mask(want + p.put, p.ldo, (const float *)w, p.ld,
                                   p.rows, p.cols, tie)
                : sste_tensor_mask_nm(want + p.put, p.ldo, w, p.ld, p.rows,
                                      p.cols, two_of_four(type), tie),
            "mask", kind, &p);
      }
}

static void transposable_masks_are_the_cpus(void **unused) {
  uint64_t rng = test_seed();
  int kind, round;
  (void)unused;
  for (kind = 0; kind < DRAWS; ++kind)
    for (round = 0; round < rounds(200); ++round) {
      const place p = random_place(&rng, 4, 4, 4, 1);
      const float *w = (const float *)(void *)in + p.at;
      draw(in, &p, SSTE_FLOAT32, kind, &rng);
      poison_outputs();
      assert_same(
          sste_cuda_mask_transposable(got + p.put, p.ldo, w, p.ld, p.rows,
                                      p.cols, NULL),
          sste_tensor_mask_transposable(want + p.put, p.ldo, w, p.ld, p.rows,
                                        p.cols, SSTE_TILE_OPTIMAL),
          "transposable mask", kind, &p);
    }
}

/* ---- 3. FP8 -------------------------------------------------------------- */

/* The named formats, and two that have no name. */
enum { FORMATS = 12 };
static sste_fp8_format format(size_t i) {
  switch (i) {
    case 0: return sste_fp8_e4m3fn();
    case 1: return sste_fp8_e5m2();
    case 2: return sste_fp8_e4m3();
    case 3: return sste_fp8_e3m4();
    case 4: return sste_fp8_e3m4fn();
    case 5: return sste_fp8_e4m3fnuz();
    case 6: return sste_fp8_e5m2fnuz();
    case 7: return sste_fp8_e4m3b11fnuz();
    case 8: return sste_fp8_ue4m3();
    case 9: return sste_fp8_e8m0();
    case 10: return sste_priv_fp8_format(1, 2, 5, 0, SSTE_FP8_FN);
    default: return sste_priv_fp8_format(1, 6, 1, 31, SSTE_FP8_IEEE);
  }
}

/* Somebody's rule, half of the time with a choice of its own. */
static sste_fp8_rule random_rule(sste_fp8_format f, uint64_t *rng) {
  static const int plain[] = {SSTE_ROUND_NEAREST_EVEN, SSTE_ROUND_NEAREST_AWAY,
                              SSTE_ROUND_TOWARD_ZERO,  SSTE_ROUND_UP,
                              SSTE_ROUND_ODD,          SSTE_ROUND_E8M0_FIELDS};
  sste_fp8_rule rule = sste_fp8_rule_like(
      (int)below(rng, SSTE_LIKE_ONNX_25 + 1), f, sste_fp8_float32());
  switch (below(rng, 8)) {
    case 0: rule.rounding = plain[below(rng, 6)]; break;
    case 1: rule.overflow = (int)below(rng, 3); break;
    case 2: rule.nan = (int)below(rng, 3), rule.nan_sign = 1; break;
    case 3: rule.via = (int)below(rng, 4); break;
    default: break;
  }
  return rule;
}

static sste_fp8_recipe random_recipe(sste_fp8_format f, uint64_t *rng) {
  sste_fp8_recipe how = sste_fp8_recipe_current(f);
  how.rule = random_rule(f, rng);
  how.per_row = (int)below(rng, 2);
  how.apply = (int)below(rng, 3);
  how.undo = (int)below(rng, 3);
  return how;
}

/* Scales that the CPU takes, 1 among them, apart from each other. */
static void draw_scales(float scale[ROWS], uint64_t *rng) {
  int r;
  for (r = 0; r < ROWS; ++r)
    scale[r] = below(rng, 4) == 0
                   ? 1.0f
                   : test_float((uint32_t)(100 + below(rng, 50)) << 23 |
                                (uint32_t)below(rng, 1 << 23));
  if (below(rng, 8) == 0) scale[0] = test_float(0x00300001u); /* subnormal */
}

static void encoding_is_the_cpus(void **unused) {
  uint64_t rng = test_seed();
  int kind, round;
  size_t i;
  (void)unused;
  for (kind = 0; kind < DRAWS; ++kind)
    for (round = 0; round < rounds(80); ++round)
      for (i = 0; i < FORMATS; ++i) {
        const sste_fp8_recipe how = random_recipe(format(i), &rng);
        const place p = random_place(&rng, 1, 1, 4, 1);
        const float *x = (const float *)(void *)in + p.at;
        float scale[ROWS];
        draw(in, &p, SSTE_FLOAT32, kind, &rng);
        draw_scales(scale, &rng);
        poison_outputs();
        assert_same(sste_cuda_fp8_encode(got + p.put, p.ldo, x, p.ld, p.rows,
                                         p.cols, scale, how, NULL),
                    sste_fp8_tensor_encode(want + p.put, p.ldo, x, p.ld, p.rows,
                                           p.cols, scale, how),
                    "encode", kind, &p);
      }
}

static void decoding_is_the_cpus(void **unused) {
  uint64_t rng = test_seed();
  int round;
  size_t i, k;
  (void)unused;
  for (round = 0; round < rounds(1000); ++round)
    for (i = 0; i < FORMATS; ++i) {
      const sste_fp8_recipe how = random_recipe(format(i), &rng);
      const place p = random_place(&rng, 1, 1, 1, 4);
      const uint8_t *code = in + p.at;
      float scale[ROWS];
      for (k = 0; k < BYTES; ++k) in[k] = (uint8_t)test_random(&rng);
      draw_scales(scale, &rng);
      poison_outputs();
      assert_same(
          sste_cuda_fp8_decode((float *)(void *)got + p.put, p.ldo, code, p.ld,
                               p.rows, p.cols, scale, how, NULL),
          sste_fp8_tensor_decode((float *)(void *)want + p.put, p.ldo, code,
                                 p.ld, p.rows, p.cols, scale, how),
          "decode", (int)i, &p);
    }
}

static float applied(float x, float scale, int apply) {
  volatile float by = apply == SSTE_APPLY_RECIPROCAL ? 1.0f / scale : scale;
  volatile float y = apply == SSTE_APPLY_DIVIDE ? x / by : x * by;
  return y;
}

/* The definition, with arithmetic by the processor and the integer route: NaNs
 * that come in keep their sign, those of 0 * infinity have none. */
static void any_scale_follows_ieee_754(void **unused) {
  const float scales[] = {0.0f,       -0.0f,      -3.0f, HUGE_VALF,
                          -HUGE_VALF, slow_nan(), 1e-44f};
  const float x[8] = {0.0f,  -0.0f,     1.5f,       -2.5f,
                      1e30f, HUGE_VALF, -HUGE_VALF, test_float(0xFFC00000u)};
  uint64_t rng = test_seed();
  size_t i, k, s;
  int round;
  (void)unused;
  for (round = 0; round < rounds(20); ++round)
    for (i = 0; i < FORMATS; ++i)
      for (s = 0; s < sizeof scales / sizeof scales[0]; ++s) {
        const sste_fp8_recipe how = random_recipe(format(i), &rng);
        float value[8], all[8], scale[8];
        uint8_t code[8];
        for (k = 0; k < 8; ++k) scale[k] = scales[s], all[k] = x[k];
        assert_int_equal(
            sste_cuda_fp8_encode(code, 8, all, 8, 1, 8, scale, how, NULL),
            SSTE_OK);
        assert_int_equal(
            sste_cuda_fp8_decode(value, 8, code, 8, 1, 8, scale, how, NULL),
            SSTE_OK);
        for (k = 0; k < 8; ++k) {
          const float y = applied(x[k], scales[s], how.apply);
          const float back = applied(sste_fp8_decode(how.format, code[k]),
                                     scales[s], how.undo);
          assert_int_equal(
              code[k],
              sste_fp8_encode_float(how.format, how.rule,
                                    isnan(x[k]) ? x[k] : slow_canonical(y), 0));
          assert_same_float(value[k], slow_canonical(back));
        }
      }
}

/* ---- 4. MVUE ------------------------------------------------------------- */

static size_t random_origin(uint64_t *rng, uint64_t end, size_t room) {
  if (below(rng, 3) == 0) return 0;
  if (below(rng, 2) == 0) return below(rng, 1000);
  return (size_t)(end - room - below(rng, 3));
}

static void draws_are_the_cpus(void **unused) {
  uint64_t rng = test_seed();
  int kind, round;
  (void)unused;
  for (kind = 0; kind < DRAWS; ++kind)
    for (round = 0; round < rounds(400); ++round) {
      const int down = (int)below(&rng, 2);
      const sste_axis axis = down ? SSTE_DOWN_COLUMNS : SSTE_ALONG_ROWS;
      place p = random_place(&rng, down ? 4 : 1, down ? 1 : 4, 4, 4);
      const float *a = (const float *)(void *)in + p.at;
      float *out = (float *)(void *)got, *cpu = (float *)(void *)want;
      sste_mvue_stream from;
      from.seed = test_random(&rng);
      from.tensor = (uint32_t)test_random(&rng);
      from.step = (uint32_t)test_random(&rng);
      from.run = random_origin(&rng, (uint64_t)1 << 32, down ? p.cols : p.rows);
      from.group =
          random_origin(&rng, (uint64_t)1 << 34, (down ? p.rows : p.cols) / 4);
      draw(in, &p, SSTE_FLOAT32, kind, &rng);
      poison_outputs();
      assert_same(sste_cuda_mvue24_draw(out + p.put, p.ldo, a, p.ld, p.rows,
                                        p.cols, axis, &from, NULL),
                  sste_mvue24_tensor_draw(cpu + p.put, p.ldo, a, p.ld, p.rows,
                                          p.cols, axis, &from),
                  "draw", kind, &p);
      memcpy(got, in, BYTES);
      memcpy(want, in, BYTES);
      assert_same(sste_cuda_mvue24_draw(out + p.at, p.ld, out + p.at, p.ld,
                                        p.rows, p.cols, axis, &from, NULL),
                  sste_mvue24_tensor_draw(cpu + p.at, p.ld, cpu + p.at, p.ld,
                                          p.rows, p.cols, axis, &from),
                  "draw in place", kind, &p);
    }
}

/* ---- 5. Refusals --------------------------------------------------------- */

/* Outputs of the calls below lie in `got`, inputs there or in `in`. */
#define assert_refused(call, status)       \
  do {                                     \
    poison_outputs();                      \
    assert_int_equal(call, status);        \
    assert_memory_equal(got, want, BYTES); \
  } while (0)
#define assert_accepted(call)        \
  do {                               \
    poison_outputs();                \
    assert_int_equal(call, SSTE_OK); \
  } while (0)

/* A stride too long for two rows. */
#define LD_HUGE(size) ((size_t)PTRDIFF_MAX / (size) / 2 + 1)

static void projection_refusals(void **unused) {
  float *out = (float *)(void *)got, *w = (float *)(void *)in;
  const float bad[] = {0.0f, -0.0f, -1.0f, HUGE_VALF, test_float(0x7FC00000u)};
  size_t i;
  (void)unused;
  memset(in, 0, BYTES);
#define PROJECT(...) sste_cuda_project(__VA_ARGS__, NULL)
#define FINE SSTE_FLOAT32, 1.0f
  assert_accepted(PROJECT(out, 8, w, 8, 2, 8, FINE));
  assert_refused(PROJECT(NULL, 8, w, 8, 2, 8, FINE), SSTE_ERR_NULL);
  assert_refused(PROJECT(out, 8, NULL, 8, 2, 8, FINE), SSTE_ERR_NULL);
  assert_refused(PROJECT(out, 7, w, 8, 2, 8, FINE), SSTE_ERR_SHAPE);
  assert_refused(PROJECT(out, 8, w, 7, 2, 8, FINE), SSTE_ERR_SHAPE);
  for (i = 5; i < 8; ++i)
    assert_refused(PROJECT(out, 8, w, 8, 2, i, FINE), SSTE_ERR_SHAPE);
  assert_refused(PROJECT(out, LD_HUGE(4), w, 8, 2, 8, FINE), SSTE_ERR_SIZE);
  assert_refused(PROJECT(out, 8, w, LD_HUGE(4), 2, 8, FINE), SSTE_ERR_SIZE);
  assert_refused(PROJECT(out, 9, out, 8, 2, 8, FINE), SSTE_ERR_OVERLAP);
  assert_refused(PROJECT(out, 8, out + 15, 8, 2, 8, FINE), SSTE_ERR_OVERLAP);
  assert_accepted(PROJECT(out, 8, out + 16, 8, 2, 8, FINE));
  assert_refused(PROJECT(got, 8, got + 30, 8, 2, 8, SSTE_FLOAT16, 1.0f),
                 SSTE_ERR_OVERLAP);
  assert_accepted(PROJECT(got, 8, got + 32, 8, 2, 8, SSTE_BFLOAT16, 1.0f));
  assert_refused(PROJECT(out, 8, w, 8, 2, 8, SSTE_FP8, 1.0f), SSTE_ERR_VALUE);
  assert_refused(PROJECT(out, 8, w, 8, 2, 8, (sste_type)-1, 1.0f),
                 SSTE_ERR_VALUE);
  for (i = 0; i < sizeof bad / sizeof bad[0]; ++i)
    assert_refused(PROJECT(out, 8, w, 8, 2, 8, SSTE_FLOAT32, bad[i]),
                   SSTE_ERR_VALUE);
  assert_refused(PROJECT(NULL, 0, NULL, 0, 0, 7, FINE), SSTE_OK);
  assert_refused(PROJECT(NULL, 0, NULL, 0, 7, 0, FINE), SSTE_OK);
#undef PROJECT
#undef FINE
}

static void mask_refusals(void **unused) {
  const float *w = (const float *)(void *)in;
  size_t i;
  (void)unused;
  memset(in, 0, BYTES);
#define MASK(...) sste_cuda_mask(__VA_ARGS__, NULL)
#define FINE SSTE_FLOAT32, SSTE_TIE_LOWER
  assert_accepted(MASK(got, 8, w, 8, 2, 8, FINE));
  assert_refused(MASK(NULL, 8, w, 8, 2, 8, FINE), SSTE_ERR_NULL);
  assert_refused(MASK(got, 8, NULL, 8, 2, 8, FINE), SSTE_ERR_NULL);
  assert_refused(MASK(got, 7, w, 8, 2, 8, FINE), SSTE_ERR_SHAPE);
  assert_refused(MASK(got, 8, w, 7, 2, 8, FINE), SSTE_ERR_SHAPE);
  for (i = 5; i < 8; ++i)
    assert_refused(MASK(got, 8, w, 8, 2, i, FINE), SSTE_ERR_SHAPE);
  assert_refused(MASK(got, LD_HUGE(1), w, 8, 2, 8, FINE), SSTE_ERR_SIZE);
  assert_refused(MASK(got, 8, w, LD_HUGE(4), 2, 8, FINE), SSTE_ERR_SIZE);
  assert_refused(MASK(got, 8, got, 8, 2, 8, FINE), SSTE_ERR_OVERLAP);
  assert_refused(MASK(got + 63, 8, got, 8, 2, 8, FINE), SSTE_ERR_OVERLAP);
  assert_accepted(MASK(got + 64, 8, got, 8, 2, 8, FINE));
  assert_refused(MASK(got + 31, 8, got, 8, 2, 8, SSTE_FLOAT16, SSTE_TIE_LOWER),
                 SSTE_ERR_OVERLAP);
  assert_accepted(
      MASK(got + 32, 8, got, 8, 2, 8, SSTE_FLOAT16, SSTE_TIE_LOWER));
  assert_refused(MASK(got, 8, w, 8, 2, 8, SSTE_FP8, SSTE_TIE_LOWER),
                 SSTE_ERR_VALUE);
  assert_refused(MASK(got, 8, w, 8, 2, 8, (sste_type)-1, SSTE_TIE_LOWER),
                 SSTE_ERR_VALUE);
  assert_refused(MASK(got, 8, w, 8, 2, 8, SSTE_FLOAT32, (sste_tie)2),
                 SSTE_ERR_VALUE);
  assert_refused(MASK(got, 8, w, 8, 2, 8, SSTE_FLOAT32, (sste_tie)-1),
                 SSTE_ERR_VALUE);
  assert_refused(MASK(NULL, 0, NULL, 0, 0, 7, FINE), SSTE_OK);
  assert_refused(MASK(NULL, 0, NULL, 0, 7, 0, FINE), SSTE_OK);
#undef MASK
#undef FINE
}

static void transposable_refusals(void **unused) {
  const float *w = (const float *)(void *)in;
  const float *here = (const float *)(void *)got;
  size_t i;
  (void)unused;
  memset(in, 0, BYTES);
#define MASK(...) sste_cuda_mask_transposable(__VA_ARGS__, NULL)
  assert_accepted(MASK(got, 8, w, 8, 4, 8));
  assert_refused(MASK(NULL, 8, w, 8, 4, 8), SSTE_ERR_NULL);
  assert_refused(MASK(got, 8, NULL, 8, 4, 8), SSTE_ERR_NULL);
  assert_refused(MASK(got, 7, w, 8, 4, 8), SSTE_ERR_SHAPE);
  assert_refused(MASK(got, 8, w, 7, 4, 8), SSTE_ERR_SHAPE);
  for (i = 5; i < 8; ++i) {
    assert_refused(MASK(got, 8, w, 8, 4, i), SSTE_ERR_SHAPE);
    assert_refused(MASK(got, 8, w, 8, i, 8), SSTE_ERR_SHAPE);
  }
  assert_refused(MASK(got, LD_HUGE(1), w, 8, 4, 8), SSTE_ERR_SIZE);
  assert_refused(MASK(got, 8, w, LD_HUGE(4), 4, 8), SSTE_ERR_SIZE);
  assert_refused(MASK(got, 8, here, 8, 4, 8), SSTE_ERR_OVERLAP);
  assert_refused(MASK(got + 127, 8, here, 8, 4, 8), SSTE_ERR_OVERLAP);
  assert_accepted(MASK(got + 128, 8, here, 8, 4, 8));
  assert_refused(MASK(NULL, 0, NULL, 0, 0, 7), SSTE_OK);
  assert_refused(MASK(NULL, 0, NULL, 0, 7, 0), SSTE_OK);
#undef MASK
}

static void fp8_refusals(void **unused) {
  const sste_fp8_recipe fine = sste_fp8_recipe_current(sste_fp8_e4m3fn());
  float *x = (float *)(void *)in, *here = (float *)(void *)got;
  float *scale = (float *)(void *)(in + 1024);
  sste_fp8_recipe rows = fine, bad = fine;
  (void)unused;
  memset(in, 0, BYTES);
  rows.per_row = 1;
  bad.rule.rounding = SSTE_ROUND_STOCHASTIC;
#define ENCODE(...) sste_cuda_fp8_encode(__VA_ARGS__, NULL)
#define DECODE(...) sste_cuda_fp8_decode(__VA_ARGS__, NULL)
  assert_accepted(ENCODE(got, 7, x, 7, 2, 7, scale, fine));
  assert_refused(ENCODE(NULL, 8, x, 8, 2, 8, scale, fine), SSTE_ERR_NULL);
  assert_refused(ENCODE(got, 8, NULL, 8, 2, 8, scale, fine), SSTE_ERR_NULL);
  assert_refused(ENCODE(got, 8, x, 8, 2, 8, NULL, fine), SSTE_ERR_NULL);
  assert_refused(ENCODE(got, 7, x, 8, 2, 8, scale, fine), SSTE_ERR_SHAPE);
  assert_refused(ENCODE(got, 8, x, 7, 2, 8, scale, fine), SSTE_ERR_SHAPE);
  assert_refused(ENCODE(got, LD_HUGE(1), x, 8, 2, 8, scale, fine),
                 SSTE_ERR_SIZE);
  assert_refused(ENCODE(got, 8, x, LD_HUGE(4), 2, 8, scale, fine),
                 SSTE_ERR_SIZE);
  assert_refused(ENCODE(got, 8, here, 8, 2, 8, scale, fine), SSTE_ERR_OVERLAP);
  assert_refused(ENCODE(got + 63, 8, here, 8, 2, 8, scale, fine),
                 SSTE_ERR_OVERLAP);
  assert_accepted(ENCODE(got + 64, 8, here, 8, 2, 8, scale, fine));
  assert_refused(ENCODE(got + 3, 8, x, 8, 2, 8, here, fine), SSTE_ERR_OVERLAP);
  assert_accepted(ENCODE(got + 4, 8, x, 8, 2, 8, here, fine));
  assert_refused(ENCODE(got + 7, 8, x, 8, 2, 8, here, rows), SSTE_ERR_OVERLAP);
  assert_accepted(ENCODE(got + 8, 8, x, 8, 2, 8, here, rows));
  assert_refused(ENCODE(got, 8, x, 8, 2, 8, scale, bad), SSTE_ERR_VALUE);
  assert_refused(ENCODE(NULL, 0, NULL, 0, 0, 7, NULL, fine), SSTE_OK);
  assert_refused(ENCODE(NULL, 0, NULL, 0, 7, 0, NULL, rows), SSTE_OK);

  assert_accepted(DECODE(here, 7, in, 7, 2, 7, scale, fine));
  assert_refused(DECODE(NULL, 8, in, 8, 2, 8, scale, fine), SSTE_ERR_NULL);
  assert_refused(DECODE(here, 8, NULL, 8, 2, 8, scale, fine), SSTE_ERR_NULL);
  assert_refused(DECODE(here, 8, in, 8, 2, 8, NULL, fine), SSTE_ERR_NULL);
  assert_refused(DECODE(here, 7, in, 8, 2, 8, scale, fine), SSTE_ERR_SHAPE);
  assert_refused(DECODE(here, 8, in, 7, 2, 8, scale, fine), SSTE_ERR_SHAPE);
  assert_refused(DECODE(here, LD_HUGE(4), in, 8, 2, 8, scale, fine),
                 SSTE_ERR_SIZE);
  assert_refused(DECODE(here, 8, in, LD_HUGE(1), 2, 8, scale, fine),
                 SSTE_ERR_SIZE);
  assert_refused(DECODE(here, 8, got, 8, 2, 8, scale, fine), SSTE_ERR_OVERLAP);
  assert_refused(DECODE(here, 8, got + 63, 8, 2, 8, scale, fine),
                 SSTE_ERR_OVERLAP);
  assert_accepted(DECODE(here, 8, got + 64, 8, 2, 8, scale, fine));
  assert_refused(DECODE(here, 8, in, 8, 2, 8, here + 15, fine),
                 SSTE_ERR_OVERLAP);
  assert_accepted(DECODE(here, 8, in, 8, 2, 8, here + 16, fine));
  assert_refused(DECODE(here + 1, 8, in, 8, 2, 8, here, rows),
                 SSTE_ERR_OVERLAP);
  assert_accepted(DECODE(here + 2, 8, in, 8, 2, 8, here, rows));
  assert_refused(DECODE(here, 8, in, 8, 2, 8, scale, bad), SSTE_ERR_VALUE);
  assert_refused(DECODE(NULL, 0, NULL, 0, 0, 7, NULL, fine), SSTE_OK);
  assert_refused(DECODE(NULL, 0, NULL, 0, 7, 0, NULL, rows), SSTE_OK);
#undef ENCODE
#undef DECODE
}

static void mvue_refusals(void **unused) {
  const sste_mvue_stream from = {1, 2, 3, 0, 0};
  const uint64_t runs = (uint64_t)1 << 32, groups = (uint64_t)1 << 34;
  float *out = (float *)(void *)got, *a = (float *)(void *)in;
  sste_mvue_stream far = from;
  size_t i;
  (void)unused;
  memset(in, 0, BYTES);
#define DRAW(...) sste_cuda_mvue24_draw(__VA_ARGS__, NULL)
#define ALONG SSTE_ALONG_ROWS
#define DOWN SSTE_DOWN_COLUMNS
  assert_accepted(DRAW(out, 8, a, 8, 3, 8, ALONG, &from));
  assert_accepted(DRAW(out, 7, a, 7, 8, 7, DOWN, &from));
  assert_refused(DRAW(NULL, 8, a, 8, 4, 8, ALONG, &from), SSTE_ERR_NULL);
  assert_refused(DRAW(out, 8, NULL, 8, 4, 8, ALONG, &from), SSTE_ERR_NULL);
  assert_refused(DRAW(out, 8, a, 8, 4, 8, ALONG, NULL), SSTE_ERR_NULL);
  assert_refused(DRAW(out, 7, a, 8, 4, 8, ALONG, &from), SSTE_ERR_SHAPE);
  assert_refused(DRAW(out, 8, a, 7, 4, 8, DOWN, &from), SSTE_ERR_SHAPE);
  for (i = 5; i < 8; ++i) {
    assert_refused(DRAW(out, 8, a, 8, 4, i, ALONG, &from), SSTE_ERR_SHAPE);
    assert_refused(DRAW(out, 8, a, 8, i, 8, DOWN, &from), SSTE_ERR_SHAPE);
  }
  assert_refused(DRAW(out, LD_HUGE(4), a, 8, 4, 8, ALONG, &from),
                 SSTE_ERR_SIZE);
  assert_refused(DRAW(out, 8, a, LD_HUGE(4), 4, 8, ALONG, &from),
                 SSTE_ERR_SIZE);
  assert_refused(DRAW(out, 9, out, 8, 4, 8, ALONG, &from), SSTE_ERR_OVERLAP);
  assert_refused(DRAW(out, 8, out + 31, 8, 4, 8, ALONG, &from),
                 SSTE_ERR_OVERLAP);
  assert_accepted(DRAW(out, 8, out + 32, 8, 4, 8, ALONG, &from));
  assert_refused(DRAW(out, 8, a, 8, 4, 8, (sste_axis)2, &from), SSTE_ERR_VALUE);
  assert_refused(DRAW(out, 8, a, 8, 4, 8, (sste_axis)-1, &from),
                 SSTE_ERR_VALUE);
  assert_refused(DRAW(NULL, 0, NULL, 0, 0, 7, ALONG, NULL), SSTE_OK);
  assert_refused(DRAW(NULL, 0, NULL, 0, 7, 0, DOWN, NULL), SSTE_OK);
  /* The last run and the last group are counted. */
  far.run = (size_t)(runs - 4);
  assert_accepted(DRAW(out, 8, a, 8, 4, 8, ALONG, &far));
  assert_refused(DRAW(out, 8, a, 8, 5, 8, ALONG, &far), SSTE_ERR_SIZE);
  assert_refused(DRAW(out, 5, a, 5, 4, 5, DOWN, &far), SSTE_ERR_SIZE);
  far.run = SIZE_MAX;
  assert_refused(DRAW(out, 8, a, 8, 4, 8, ALONG, &far), SSTE_ERR_SIZE);
  far.run = 0;
  far.group = (size_t)(groups - 2);
  assert_accepted(DRAW(out, 8, a, 8, 4, 8, ALONG, &far));
  assert_refused(DRAW(out, 12, a, 12, 4, 12, ALONG, &far), SSTE_ERR_SIZE);
  assert_refused(DRAW(out, 4, a, 4, 12, 4, DOWN, &far), SSTE_ERR_SIZE);
  far.group = SIZE_MAX;
  assert_refused(DRAW(out, 8, a, 8, 4, 8, ALONG, &far), SSTE_ERR_SIZE);
#undef DRAW
#undef ALONG
#undef DOWN
}

/* ---- 6. The self-check --------------------------------------------------- */

static int self_check(void) {
  int failed = -1;
  assert_int_equal(sste_cuda_self_check(&failed, NULL), SSTE_OK);
  return failed;
}

static void self_check_is_silent_and_wants_a_place(void **unused) {
  (void)unused;
  assert_int_equal(self_check(), 0);
  assert_int_equal(sste_cuda_self_check(NULL, NULL), SSTE_ERR_NULL);
}

/* Upwards, 2^24 + 1 is 2^24 + 2 as well. */
static void self_check_sees_rounding(void **unused) {
  const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  size_t i;
  (void)unused;
  for (i = 0; i < 3; ++i) {
    int found;
    if (fesetround(modes[i]) != 0) fail_msg("no such rounding mode");
    found = self_check();
    fesetround(FE_TONEAREST);
    assert_true(found & SSTE_BROKEN_ROUNDING);
    assert_int_equal((found & SSTE_BROKEN_SUMS) != 0, modes[i] == FE_UPWARD);
  }
}

/* What -ftz=true does to a GPU's arithmetic, of results and of operands. */
static void self_check_sees_flushing(void **unused) {
  (void)unused;
#if defined(__SSE__)
  {
    const unsigned before = _mm_getcsr(), flush = 0x8000u, zeros = 0x0040u;
    int flushed, zeroed;
    _mm_setcsr(before | flush);
    flushed = self_check();
    _mm_setcsr(before | zeros);
    zeroed = self_check();
    _mm_setcsr(before);
    assert_int_equal(flushed, SSTE_BROKEN_SUBNORMALS);
    assert_int_equal(zeroed, SSTE_BROKEN_SUBNORMALS);
  }
#else
  skip();
#endif
}

/* 41 * 32767 times any float near 1/41, the best and worse: why the canary of
 * division sees every reciprocal. */
static void no_reciprocal_of_41_gives_the_quotient(void **unused) {
  const uint32_t best = test_bits((float)(1.0 / 41.0));
  uint32_t b;
  (void)unused;
  for (b = best - 8; b <= best + 8; ++b) {
    volatile float product = 41.0f * 32767.0f * test_float(b);
    assert_true(product != 32767.0f);
  }
}

static int self_check_with(float one) {
  sste_priv_cuda_self_check_args args;
  int failed = -1;
  args.failed = &failed;
  args.one = one;
  sste_priv_cuda_self_check_item(&args, 0);
  return failed;
}

/* No mode of a processor spoils a quotient that is exact: an argument other
 * than 1 does, whose products are not. */
static void self_check_sees_quotients(void **unused) {
  int k, wrong, count = 0;
  (void)unused;
  for (k = 0; k < 64; ++k) {
    const float one = test_float(0x3F800000u + 131071u * (uint32_t)k);
    const float y = (float)(41.0 * (double)one);
    const float x = (float)(32767.0 * (double)y);
    wrong = (float)((double)x / (double)y) != 32767.0f;
    count += wrong;
    assert_int_equal((self_check_with(one) & SSTE_BROKEN_DIVISION) != 0, wrong);
  }
  assert_in_range(count, 1, 63);
}

static void self_check_sees_answers(void **unused) {
  (void)unused;
  assert_true(self_check_with(2.0f) & SSTE_BROKEN_ANSWERS);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(projection_is_the_cpus),
      cmocka_unit_test(masks_are_the_cpus),
      cmocka_unit_test(transposable_masks_are_the_cpus),
      cmocka_unit_test(encoding_is_the_cpus),
      cmocka_unit_test(decoding_is_the_cpus),
      cmocka_unit_test(any_scale_follows_ieee_754),
      cmocka_unit_test(draws_are_the_cpus),
      cmocka_unit_test(projection_refusals),
      cmocka_unit_test(mask_refusals),
      cmocka_unit_test(transposable_refusals),
      cmocka_unit_test(fp8_refusals),
      cmocka_unit_test(mvue_refusals),
      cmocka_unit_test(self_check_is_silent_and_wants_a_place),
      cmocka_unit_test(self_check_sees_rounding),
      cmocka_unit_test(self_check_sees_flushing),
      cmocka_unit_test(no_reciprocal_of_41_gives_the_quotient),
      cmocka_unit_test(self_check_sees_quotients),
      cmocka_unit_test(self_check_sees_answers),
  };
  return cmocka_run_group_tests(tests, make_memory, free_memory);
}
