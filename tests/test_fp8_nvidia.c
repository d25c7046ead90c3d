/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_fp8_nvidia.c - sste_fp8.h against the host functions of NVIDIA's
 * cuda_fp8.h, which are plain C: every code must be the same, those of NaNs
 * included. Level 2 goes through every float.
 *
 * Needs the header of a CUDA toolkit but no GPU: compile with
 * -DSSTE_HAVE_CUDA_FP8=1 -isystem <toolkit>/include. Otherwise every test here
 * is counted as skipped.
 */
#ifndef SSTE_HAVE_CUDA_FP8
#define SSTE_HAVE_CUDA_FP8 0
#endif

#include "sste_fp8.h"
#include "test.h"

#if SSTE_HAVE_CUDA_FP8
#include <cuda_fp8.h>

/* ---- NVIDIA's functions by the formats they are from and to -------------- */

static __nv_fp8_interpretation_t nvidia_kind(sste_fp8_format f) {
  return f.mantissa_bits == 3 ? __NV_E4M3 : __NV_E5M2;
}

static int is_e8m0(sste_fp8_format f) { return f.specials == SSTE_FP8_POW2; }

typedef struct conversion {
  sste_fp8_format to, from;
  __nv_saturation_t saturate;
  enum cudaRoundMode rounding; /* for E8M0; the others round to nearest even */
} conversion;

static uint8_t nvidia_to_e8m0(conversion c, uint64_t bits) {
  __nv_bfloat16_raw bfloat16;
  double wide;
  switch (c.from.mantissa_bits) {
    case 52:
      memcpy(&wide, &bits, sizeof wide);
      return __nv_cvt_double_to_e8m0(wide, c.saturate, c.rounding);
    case 23:
      return __nv_cvt_float_to_e8m0(test_float((uint32_t)bits), c.saturate,
                                    c.rounding);
    default:
      bfloat16.x = (unsigned short)bits;
      return __nv_cvt_bfloat16raw_to_e8m0(bfloat16, c.saturate, c.rounding);
  }
}

static uint8_t nvidia_to_fp8(conversion c, uint64_t bits) {
  const __nv_fp8_interpretation_t kind = nvidia_kind(c.to);
  __nv_bfloat16_raw bfloat16;
  __half_raw half;
  double wide;
  switch (c.from.mantissa_bits) {
    case 52:
      memcpy(&wide, &bits, sizeof wide);
      return __nv_cvt_double_to_fp8(wide, c.saturate, kind);
    case 23:
      return __nv_cvt_float_to_fp8(test_float((uint32_t)bits), c.saturate,
                                   kind);
    case 10:
      half.x = (unsigned short)bits;
      return __nv_cvt_halfraw_to_fp8(half, c.saturate, kind);
    default:
      bfloat16.x = (unsigned short)bits;
      return __nv_cvt_bfloat16raw_to_fp8(bfloat16, c.saturate, kind);
  }
}

static uint8_t nvidia_code(conversion c, uint64_t bits) {
  return is_e8m0(c.to) ? nvidia_to_e8m0(c, bits) : nvidia_to_fp8(c, bits);
}

/* The rule that stands for it. E8M0's is that of rounding up. */
static sste_fp8_rule rule_of(conversion c) {
  const int who = c.saturate == __NV_SATFINITE ? SSTE_LIKE_CUDA_SATFINITE
                                               : SSTE_LIKE_CUDA_NOSAT;
  sste_fp8_rule rule = sste_fp8_rule_like(who, c.to, c.from);
  if (c.rounding == cudaRoundZero) rule.rounding = SSTE_ROUND_TOWARD_ZERO;
  return rule;
}

/* ---- What is converted --------------------------------------------------- */

/* The word at place i of a list of inputs. */
typedef struct inputs {
  int64_t count;
  uint64_t (*word)(int64_t i);
} inputs;

static uint64_t any_word(int64_t i) { return (uint64_t)i; }

/* Each high half with six lows that meet every rounding decision. */
static uint64_t some_float(int64_t i) {
  static const uint32_t six[6] = {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
  return (uint64_t)(i / 6) << 16 | six[i % 6];
}

/* Random mantissas: one in eight is a NaN, the others are between 2^-160 and
 * 2^160, where every format ends.                                           */
static uint64_t random_double(int64_t i) {
  uint64_t state = test_seed() + (uint64_t)i, exponent = 0x7FF, draw;
  draw = test_random(&state);
  if (draw % 8 != 0) exponent = 1023 - 160 + draw % 320;
  return (test_random(&state) & 0x800FFFFFFFFFFFFFu) | exponent << 52;
}

/* Sixteen bits are a sign, an exponent and the four bits of mantissa that the
 * midpoints of E4M3 have. Each of them with tails at, below and above these, at
 * and beside half the spacing of a float, and the payloads of NaNs.         */
enum { TAILS = 16 };
static uint64_t some_double(int64_t i) {
  static const uint64_t tails[TAILS] = {
      0,
      1,
      2,
      0x00000FFFFFFFu,
      0x000010000000u,
      0x000010000001u,
      0x000020000000u,
      0x00002FFFFFFFu,
      0x000030000000u,
      0x000030000001u,
      0x7FFFFFFFFFFFu,
      0x800000000000u,
      0x800000000001u,
      0xFFFFEFFFFFFFu,
      0xFFFFF0000000u,
      0xFFFFFFFFFFFFu,
  };
  if (i < TAILS * 65536) return (uint64_t)(i / TAILS) << 48 | tails[i % TAILS];
  return random_double(i);
}

static inputs inputs_of(sste_fp8_format from) {
  const int all = test_level() == 2;
  inputs in = {65536, any_word};
  if (from.mantissa_bits == 23) {
    in.count = all ? (int64_t)1 << 32 : 6 * 65536;
    in.word = all ? any_word : some_float;
  } else if (from.mantissa_bits == 52) {
    in.count = TAILS * 65536 + ((int64_t)1 << (all ? 27 : 19));
    in.word = some_double;
  }
  return in;
}

/* ---- Decode -------------------------------------------------------------- */

/* The value of a half by its definition: NVIDIA decodes to halves. */
static float half_value(unsigned half) {
  const int e = (int)(half >> 10 & 31u), m = (int)(half & 1023u);
  const double sign = half >> 15 != 0 ? -1.0 : 1.0;
  if (e == 31) return m != 0 ? test_float(0x7FC00000u) : (float)sign * INFINITY;
  return (float)(sign * (e == 0 ? ldexp(m, -24) : ldexp(1024 + m, e - 25)));
}

/* NVIDIA decodes E8M0 to bfloat16s, the upper halves of floats. */
static float nvidia_value(sste_fp8_format f, int code) {
  const __nv_fp8_storage_t c = (__nv_fp8_storage_t)code;
  if (is_e8m0(f)) {
    const float x = test_float((uint32_t)__nv_cvt_e8m0_to_bf16raw(c).x << 16);
    return isnan(x) ? test_float(0x7FC00000u) : x;
  }
  return half_value(__nv_cvt_fp8_to_halfraw(c, nvidia_kind(f)).x);
}

static void check_decode(sste_fp8_format f) {
  int code;
  for (code = 0; code < 256; ++code)
    assert_same_float(sste_fp8_decode(f, (uint8_t)code), nvidia_value(f, code));
}

static void check_fast_decode(sste_fp8_format f, float (*decode)(uint8_t)) {
  int code;
  for (code = 0; code < 256; ++code)
    assert_same_float(decode((uint8_t)code), nvidia_value(f, code));
}

/* ---- Encode -------------------------------------------------------------- */

/* The place of the first input whose codes differ, or that of the end. */
static int64_t first_difference(conversion c, inputs in) {
  const sste_fp8_rule rule = rule_of(c);
  int64_t first = in.count, i;
  SSTE_OMP(parallel for schedule(static) reduction(min : first))
  for (i = 0; i < in.count; ++i) {
    const uint64_t bits = in.word(i);
    const uint64_t code = sste_fp8_convert(c.to, rule, c.from, bits, 0);
    if (code != nvidia_code(c, bits) && i < first) first = i;
  }
  return first;
}

static void check_conversion(conversion c) {
  const inputs in = inputs_of(c.from);
  const int64_t first = first_difference(c, in);
  if (first < in.count) {
    const uint64_t bits = in.word(first);
    fail_msg("%s, rounding mode %d: %llX: got %02X expected %02X",
             c.saturate == __NV_SATFINITE ? "SATFINITE" : "NOSAT",
             (int)c.rounding, (unsigned long long)bits,
             (unsigned)sste_fp8_convert(c.to, rule_of(c), c.from, bits, 0),
             (unsigned)nvidia_code(c, bits));
  }
}

static void check_rounding(sste_fp8_format to, sste_fp8_format from,
                           enum cudaRoundMode rounding) {
  conversion c;
  c.to = to;
  c.from = from;
  c.rounding = rounding;
  c.saturate = __NV_SATFINITE;
  check_conversion(c);
  c.saturate = __NV_NOSAT;
  check_conversion(c);
}

static void check_encode(sste_fp8_format to, sste_fp8_format from) {
  check_rounding(to, from, is_e8m0(to) ? cudaRoundPosInf : cudaRoundNearest);
}

static void check_e8m0_toward_zero(sste_fp8_format from) {
  check_rounding(sste_fp8_e8m0(), from, cudaRoundZero);
}

/* ---- The fast instances and the tensor function -------------------------- */

enum { BLOCK = 1024 };

/* How many codes of n floats are not NVIDIA's, who is asked by `c`. */
static int64_t tensor_differs(conversion c, const float *x, size_t n) {
  sste_fp8_recipe how = sste_fp8_recipe_current(c.to);
  const float one = 1.0f;
  uint8_t code[BLOCK];
  int64_t differ = 0;
  size_t i;
  how.rule = rule_of(c);
  test_poison(code, sizeof code);
  if (sste_fp8_tensor_encode(code, n, x, n, 1, n, &one, how) != SSTE_OK)
    return (int64_t)n;
  for (i = 0; i < n; ++i) differ += code[i] != nvidia_code(c, test_bits(x[i]));
  return differ;
}

static int64_t instance_differs(conversion c, uint8_t (*encode)(float),
                                const float *x, size_t n) {
  int64_t differ = 0;
  size_t i;
  for (i = 0; i < n; ++i) {
    const uint8_t want = nvidia_code(c, test_bits(x[i]));
    differ += encode(x[i]) != want || sste_fp8_encode(c.to, x[i]) != want;
  }
  return differ;
}

static void check_fast_encode(sste_fp8_format f, uint8_t (*encode)(float)) {
  const inputs in = inputs_of(sste_fp8_float32());
  conversion saturating, other;
  int64_t differ = 0, block;
  saturating.to = f;
  saturating.from = sste_fp8_float32();
  saturating.saturate = __NV_SATFINITE;
  saturating.rounding = cudaRoundNearest;
  other = saturating;
  other.saturate = __NV_NOSAT;
  assert_int_equal(in.count % BLOCK, 0);
  SSTE_OMP(parallel for schedule(static) reduction(+ : differ))
  for (block = 0; block < in.count / BLOCK; ++block) {
    float x[BLOCK];
    int i;
    for (i = 0; i < BLOCK; ++i)
      x[i] = test_float((uint32_t)in.word(block * BLOCK + i));
    differ += instance_differs(saturating, encode, x, BLOCK) +
              tensor_differs(saturating, x, BLOCK) +
              tensor_differs(other, x, BLOCK);
  }
  assert_int_equal(differ, 0);
}

#else /* no toolkit */

static void without_the_toolkit(void) {
  print_message("skipped: compiled without cuda_fp8.h\n");
  skip();
}
static void check_decode(sste_fp8_format f) {
  (void)f;
  without_the_toolkit();
}
static void check_fast_decode(sste_fp8_format f, float (*decode)(uint8_t)) {
  (void)f;
  (void)decode;
  without_the_toolkit();
}
static void check_encode(sste_fp8_format to, sste_fp8_format from) {
  (void)to;
  (void)from;
  without_the_toolkit();
}
static void check_e8m0_toward_zero(sste_fp8_format from) {
  (void)from;
  without_the_toolkit();
}
static void check_fast_encode(sste_fp8_format f, uint8_t (*encode)(float)) {
  (void)f;
  (void)encode;
  without_the_toolkit();
}

#endif

/* ---- The tests ----------------------------------------------------------- */

#define TEST(name, check)          \
  static void name(void **state) { \
    (void)state;                   \
    check;                         \
  }
#define E4M3 sste_fp8_e4m3fn()
#define E5M2 sste_fp8_e5m2()
#define E8M0 sste_fp8_e8m0()

TEST(e4m3fn_decodes_as_nvidia, check_decode(E4M3))
TEST(e5m2_decodes_as_nvidia, check_decode(E5M2))
TEST(e8m0_decodes_as_nvidia, check_decode(E8M0))
TEST(fast_e4m3fn_decodes_as_nvidia,
     check_fast_decode(E4M3, sste_fp8_e4m3fn_decode))
TEST(fast_e5m2_decodes_as_nvidia, check_fast_decode(E5M2, sste_fp8_e5m2_decode))

TEST(e4m3fn_encodes_floats_as_nvidia, check_encode(E4M3, sste_fp8_float32()))
TEST(e4m3fn_encodes_doubles_as_nvidia, check_encode(E4M3, sste_fp8_float64()))
TEST(e4m3fn_encodes_halves_as_nvidia, check_encode(E4M3, sste_fp8_float16()))
TEST(e4m3fn_encodes_bfloat16_as_nvidia, check_encode(E4M3, sste_fp8_bfloat16()))
TEST(e5m2_encodes_floats_as_nvidia, check_encode(E5M2, sste_fp8_float32()))
TEST(e5m2_encodes_doubles_as_nvidia, check_encode(E5M2, sste_fp8_float64()))
TEST(e5m2_encodes_halves_as_nvidia, check_encode(E5M2, sste_fp8_float16()))
TEST(e5m2_encodes_bfloat16_as_nvidia, check_encode(E5M2, sste_fp8_bfloat16()))

TEST(e8m0_rounds_floats_up_as_nvidia, check_encode(E8M0, sste_fp8_float32()))
TEST(e8m0_rounds_doubles_up_as_nvidia, check_encode(E8M0, sste_fp8_float64()))
TEST(e8m0_rounds_bfloat16_up_as_nvidia, check_encode(E8M0, sste_fp8_bfloat16()))
TEST(e8m0_cuts_floats_as_nvidia, check_e8m0_toward_zero(sste_fp8_float32()))
TEST(e8m0_cuts_doubles_as_nvidia, check_e8m0_toward_zero(sste_fp8_float64()))
TEST(e8m0_cuts_bfloat16_as_nvidia, check_e8m0_toward_zero(sste_fp8_bfloat16()))

TEST(fast_e4m3fn_encodes_as_nvidia,
     check_fast_encode(E4M3, sste_fp8_e4m3fn_encode))
TEST(fast_e5m2_encodes_as_nvidia, check_fast_encode(E5M2, sste_fp8_e5m2_encode))

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(e4m3fn_decodes_as_nvidia),
      cmocka_unit_test(e5m2_decodes_as_nvidia),
      cmocka_unit_test(e8m0_decodes_as_nvidia),
      cmocka_unit_test(fast_e4m3fn_decodes_as_nvidia),
      cmocka_unit_test(fast_e5m2_decodes_as_nvidia),
      cmocka_unit_test(e4m3fn_encodes_floats_as_nvidia),
      cmocka_unit_test(e4m3fn_encodes_doubles_as_nvidia),
      cmocka_unit_test(e4m3fn_encodes_halves_as_nvidia),
      cmocka_unit_test(e4m3fn_encodes_bfloat16_as_nvidia),
      cmocka_unit_test(e5m2_encodes_floats_as_nvidia),
      cmocka_unit_test(e5m2_encodes_doubles_as_nvidia),
      cmocka_unit_test(e5m2_encodes_halves_as_nvidia),
      cmocka_unit_test(e5m2_encodes_bfloat16_as_nvidia),
      cmocka_unit_test(e8m0_rounds_floats_up_as_nvidia),
      cmocka_unit_test(e8m0_rounds_doubles_up_as_nvidia),
      cmocka_unit_test(e8m0_rounds_bfloat16_up_as_nvidia),
      cmocka_unit_test(e8m0_cuts_floats_as_nvidia),
      cmocka_unit_test(e8m0_cuts_doubles_as_nvidia),
      cmocka_unit_test(e8m0_cuts_bfloat16_as_nvidia),
      cmocka_unit_test(fast_e4m3fn_encodes_as_nvidia),
      cmocka_unit_test(fast_e5m2_encodes_as_nvidia),
  };
  return cmocka_run_group_tests_name("fp8_nvidia", tests, NULL, NULL);
}
