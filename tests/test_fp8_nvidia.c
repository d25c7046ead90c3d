/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_fp8_nvidia.c - sste_fp8.h against the host functions of NVIDIA's
 * cuda_fp8.h, which are plain C. Level 2 goes through every float.
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

/* ---- Decode -------------------------------------------------------------- */

/* The value of a half by its definition: NVIDIA decodes to halves. */
static float half_value(unsigned half) {
  const int e = (int)(half >> 10 & 31u), m = (int)(half & 1023u);
  const double sign = half >> 15 != 0 ? -1.0 : 1.0;
  if (e == 31) return m != 0 ? test_float(0x7FC00000u) : (float)sign * INFINITY;
  return (float)(sign * (e == 0 ? ldexp(m, -24) : ldexp(1024 + m, e - 25)));
}

static void check_decode(sste_fp8_format f, __nv_fp8_interpretation_t kind) {
  int code;
  for (code = 0; code < 256; ++code) {
    const __half_raw half =
        __nv_cvt_fp8_to_halfraw((__nv_fp8_storage_t)code, kind);
    assert_same_float(sste_fp8_decode(f, (uint8_t)code), half_value(half.x));
  }
}

static void e4m3fn_decodes_as_nvidia(void **state) {
  (void)state;
  check_decode(sste_fp8_e4m3fn(), __NV_E4M3);
}
static void e5m2_decodes_as_nvidia(void **state) {
  (void)state;
  check_decode(sste_fp8_e5m2(), __NV_E5M2);
}

/* ---- Encode -------------------------------------------------------------- */

static int differs(sste_fp8_format f, __nv_fp8_interpretation_t kind,
                   uint32_t bits) {
  const float x = test_float(bits);
  return sste_fp8_encode(f, x) !=
         __nv_cvt_float_to_fp8(x, __NV_SATFINITE, kind);
}

/* How many floats with this high half differ: of six lows that meet every
 * rounding decision, or of all.                                              */
static int64_t differ_in_block(sste_fp8_format f,
                               __nv_fp8_interpretation_t kind, uint32_t high,
                               int all) {
  static const uint32_t six[6] = {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
  const uint32_t count = all ? 0x10000u : 6;
  int64_t differ = 0;
  uint32_t i;
  for (i = 0; i < count; ++i)
    differ += differs(f, kind, high << 16 | (all ? i : six[i]));
  return differ;
}

static void check_encode(sste_fp8_format f, __nv_fp8_interpretation_t kind) {
  const int all = test_level() == 2;
  int64_t differ = 0;
  int high;
  SSTE_OMP(parallel for schedule(static, 64) reduction(+ : differ))
  for (high = 0; high < 65536; ++high)
    differ += differ_in_block(f, kind, (uint32_t)high, all);
  assert_int_equal(differ, 0);
}

static void e4m3fn_encodes_as_nvidia(void **state) {
  (void)state;
  check_encode(sste_fp8_e4m3fn(), __NV_E4M3);
}
static void e5m2_encodes_as_nvidia(void **state) {
  (void)state;
  check_encode(sste_fp8_e5m2(), __NV_E5M2);
}

#else /* no toolkit */

static void without_the_toolkit(void) {
  print_message("skipped: compiled without cuda_fp8.h\n");
  skip();
}
static void e4m3fn_decodes_as_nvidia(void **state) {
  (void)state;
  without_the_toolkit();
}
static void e5m2_decodes_as_nvidia(void **state) {
  (void)state;
  without_the_toolkit();
}
static void e4m3fn_encodes_as_nvidia(void **state) {
  (void)state;
  without_the_toolkit();
}
static void e5m2_encodes_as_nvidia(void **state) {
  (void)state;
  without_the_toolkit();
}

#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(e4m3fn_decodes_as_nvidia),
      cmocka_unit_test(e5m2_decodes_as_nvidia),
      cmocka_unit_test(e4m3fn_encodes_as_nvidia),
      cmocka_unit_test(e5m2_encodes_as_nvidia),
  };
  return cmocka_run_group_tests_name("fp8_nvidia", tests, NULL, NULL);
}
