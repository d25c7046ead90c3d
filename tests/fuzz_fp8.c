/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * fuzz_fp8.c - libFuzzer calls the functions of sste_fp8.h with matrices placed
 * anywhere in one arena, or nowhere, of any shape, and with any recipe. Which
 * errors a call deserves is worked out here, from the comments of the header;
 * a call that deserves none must change the elements of its outputs and no
 * other byte, and some results are computed again in another way. Every other
 * call must return one of the errors it deserves and change nothing.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DSSTE_USE_OPENMP=0 \
 *     -fno-sanitize-recover=all -I. -o fuzz_fp8 tests/fuzz_fp8.c
 */
#include "fuzz.h"
#include "sste_fp8.h"

/* ---- Wider numbers ------------------------------------------------------- */

static uint32_t take_32(input *in) {
  uint32_t word = 0;
  int i;
  for (i = 0; i < 4; ++i) word = word << 8 | take(in);
  return word;
}
static uint64_t take_64(input *in) {
  const uint64_t high = take_32(in);
  return high << 32 | take_32(in);
}
/* 0 to n - 1; one time in 64, any integer at all. */
static int take_choice(input *in, int n) {
  const unsigned byte = take(in);
  return byte >= 252 ? (int)take_32(in) : (int)byte % n;
}

/* ---- The arena ----------------------------------------------------------- */

enum { ARENA = 8192 };
static uint8_t *arena, snapshot[ARENA];

/* A matrix, somewhere. */
typedef struct view {
  uint8_t *p;
  size_t rows, cols, ld, size;
} view;
__extension__ typedef unsigned __int128 wide; /* where sizes cannot overflow */

static int is_empty(view v) { return v.rows == 0 || v.cols == 0; }
static wide end(view v) {
  return (wide)(uintptr_t)v.p + ((wide)(v.rows - 1) * v.ld + v.cols) * v.size;
}
static int is_inside(view v) {
  return is_empty(v) || (v.p != NULL && v.ld >= v.cols && v.rows <= ARENA &&
                         end(v) <= (wide)(uintptr_t)(arena + ARENA));
}
static int meet(view v, view w) {
  return !is_empty(v) && !is_empty(w) && (uintptr_t)v.p < end(w) &&
         (uintptr_t)w.p < end(v);
}

/* The errors that a call deserves, as a set. */
static unsigned error(sste_status s) { return 1u << (unsigned)s; }

static unsigned shape_errors(view v) {
  const size_t most = (size_t)PTRDIFF_MAX / v.size;
  if (is_empty(v)) return 0;
  return (v.p == NULL ? error(SSTE_ERR_NULL) : 0) |
         (v.ld < v.cols ? error(SSTE_ERR_SHAPE) : 0) |
         ((wide)v.rows * v.ld > most ? error(SSTE_ERR_SIZE) : 0);
}

/* Every kind of 4 bytes: anything, modest floats, few different bytes. */
static void fill_arena(input *in) {
  const unsigned kind = take(in) % 3;
  uint64_t state = take_32(in);
  size_t i;
  for (i = 0; i < ARENA; i += 4) {
    uint32_t word;
    state = state * 6364136223846793005u + 1442695040888963407u;
    word = (uint32_t)(state >> 32);
    if (kind == 1) word = (word & 0x87FFFFFFu) + 0x3C000000u;
    if (kind == 2) word &= 0x07070707u;
    memcpy(arena + i, &word, sizeof word);
  }
}

static size_t take_size(input *in) {
  static const size_t huge[8] = {
      SIZE_MAX,     SIZE_MAX / 2,    SIZE_MAX / 4,    SIZE_MAX / 8 + 1,
      SIZE_MAX / 9, (size_t)1 << 33, (size_t)1 << 31, 65536};
  const unsigned byte = take(in);
  if (byte >= 240) return huge[byte % 8];
  if (byte >= 232) return take_32(in) % 1100; /* more than a block */
  return byte >= 200 ? byte : byte % 24;
}

/* A place for `size`-byte elements; sometimes that of another view, or none. */
static uint8_t *take_place(input *in, size_t size, view other) {
  const unsigned byte = take(in);
  size_t offset;
  if (byte >= 248) return NULL;
  if (byte >= 216 && other.p != NULL && (uintptr_t)other.p % size == 0)
    return other.p;
  offset = (byte << 8 | take(in)) % ARENA;
  return arena + offset / size * size;
}

static view take_view(input *in, size_t rows, size_t cols, size_t size,
                      view other) {
  const unsigned byte = take(in);
  view v;
  v.rows = rows;
  v.cols = cols;
  v.ld = cols + byte % 8;
  if (byte >= 232) v.ld = take_size(in);
  if (byte >= 200 && byte < 232 && other.ld != 0) v.ld = other.ld;
  v.size = size;
  v.p = take_place(in, size, other);
  return v;
}
static view row_of(uint8_t *p, size_t count, size_t size) {
  view v;
  v.p = p;
  v.rows = 1;
  v.cols = v.ld = count;
  v.size = size;
  return v;
}
static view nowhere(void) { return row_of(NULL, 0, 1); }

/* ---- Formats and recipes ------------------------------------------------- */

static sste_fp8_format any_named(input *in, unsigned count) {
  switch (take(in) % count) {
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
    case 10: return sste_fp8_float16();
    case 11: return sste_fp8_bfloat16();
    case 12: return sste_fp8_float32();
    default: return sste_fp8_float64();
  }
}

static sste_fp8_format any_format(input *in) {
  sste_fp8_format f;
  if (take(in) % 2) return any_named(in, 10);
  f.exponent_bits = take_choice(in, 9);
  f.mantissa_bits = (int)(7u - (unsigned)f.exponent_bits);
  if (take(in) % 8 == 0) f.mantissa_bits = take_choice(in, 8);
  f.sign_bits = take_choice(in, 3);
  f.bias = (int)((unsigned)take_choice(in, 256) - 125u);
  f.specials = take_choice(in, 5);
  return f;
}
static int is_format(sste_fp8_format f) {
  const int E = f.exponent_bits;
  const int E8M0 = f.sign_bits == 0 && E == 8 && f.mantissa_bits == 0 &&
                   f.bias == 127 && f.specials == SSTE_FP8_POW2;
  if (E8M0) return 1;
  return (f.specials == SSTE_FP8_IEEE || f.specials == SSTE_FP8_FN ||
          f.specials == SSTE_FP8_FNUZ) &&
         E >= 2 && E <= 6 && f.mantissa_bits == 7 - E &&
         (f.sign_bits == 1 ||
          (f.sign_bits == 0 && f.specials != SSTE_FP8_FNUZ)) &&
         f.bias >= (1 << E) - 104 && f.bias <= (1 << E) - 4;
}

static sste_fp8_rule any_rule(input *in) {
  sste_fp8_rule rule;
  rule.rounding = take_choice(in, 7);
  rule.random_bits = take_choice(in, 32);
  if (rule.rounding == SSTE_ROUND_STOCHASTIC)
    rule.random_bits = 1 + (int)((unsigned)rule.random_bits % 32);
  rule.overflow = take_choice(in, 3);
  rule.nan = take_choice(in, 3);
  rule.nan_sign = take_choice(in, 2);
  rule.drop_sign = take_choice(in, 2);
  rule.via = take_choice(in, 4);
  return rule;
}

static sste_fp8_recipe any_recipe(input *in) {
  const sste_fp8_format f = any_format(in);
  sste_fp8_recipe how =
      take(in) % 2 ? sste_fp8_recipe_te(f) : sste_fp8_recipe_current(f);
  how.per_row = take_choice(in, 2);
  if (take(in) % 2) return how;
  if (take(in) % 2) how.rule = any_rule(in);
  how.scale = take_choice(in, 3);
  how.apply = take_choice(in, 3);
  how.undo = take_choice(in, 3);
  how.drop_nan = take_choice(in, 2);
  how.power_of_two = take_choice(in, 2);
  if (take(in) % 4 == 0) how.epsilon = sste_priv_float(take_32(in));
  return how;
}

static int is_choice(int value, int n) { return value >= 0 && value < n; }
static int is_rule(sste_fp8_rule r) {
  return is_choice(r.rounding, 7) && r.rounding != SSTE_ROUND_STOCHASTIC &&
         is_choice(r.overflow, 3) && is_choice(r.nan, 3) &&
         is_choice(r.nan_sign, 2) && is_choice(r.drop_sign, 2) &&
         is_choice(r.via, 4);
}
static int is_recipe(sste_fp8_recipe how) {
  return is_format(how.format) && is_rule(how.rule) &&
         is_choice(how.per_row, 2) && is_choice(how.scale, 3) &&
         is_choice(how.apply, 3) && is_choice(how.undo, 3) &&
         is_choice(how.drop_nan, 2) && is_choice(how.power_of_two, 2) &&
         how.epsilon >= 0.0f && how.epsilon <= FLT_MAX;
}
static unsigned recipe_errors(sste_fp8_recipe how) {
  return is_recipe(how) ? 0 : error(SSTE_ERR_VALUE);
}

/* ---- After a call -------------------------------------------------------- */

/* The arena is as it was, but for the elements of `out` after a success. */
static void check_arena(sste_status got, unsigned deserved, view out) {
  static uint8_t want[ARENA];
  size_t r, c;
  CHECK(deserved == 0 ? got == SSTE_OK : (deserved & error(got)) != 0);
  memcpy(want, snapshot, ARENA);
  if (got == SSTE_OK && !is_empty(out))
    for (r = 0; r < out.rows; ++r)
      for (c = 0; c < out.cols * out.size; ++c) {
        const size_t i = (size_t)(out.p - arena) + r * out.ld * out.size + c;
        want[i] = arena[i];
      }
  CHECK(memcmp(want, arena, ARENA) == 0);
}

/* The element of a view as it was before the call, and as it is now. */
static void element(void *to, const uint8_t *from, view v, size_t r, size_t c) {
  memcpy(to, from + (v.p - arena) + (r * v.ld + c) * v.size, v.size);
}
static float float_at(const uint8_t *from, view v, size_t r, size_t c) {
  float x;
  element(&x, from, v, r, c);
  return x;
}
static uint8_t code_at(const uint8_t *from, view v, size_t r, size_t c) {
  uint8_t code;
  element(&code, from, v, r, c);
  return code;
}
static int same(float x, float y) {
  return sste_priv_bits(x) == sste_priv_bits(y);
}

/* ---- Encode, decode, round ----------------------------------------------- */

static float apply(float x, float scale, int how) {
  if (how == SSTE_APPLY_DIVIDE) return x / scale;
  if (how == SSTE_APPLY_RECIPROCAL) scale = 1.0f / scale;
  return x * scale;
}
static int is_nan(float x) {
  return (sste_priv_bits(x) & 0x7FFFFFFFu) > 0x7F800000u;
}
static uint8_t want_code(sste_fp8_recipe how, float scale, float x) {
  const float y = is_nan(x) ? x : apply(x, scale, how.apply);
  return sste_fp8_encode_float(how.format, how.rule, y, 0);
}
static float want_value(sste_fp8_recipe how, float scale, uint8_t code) {
  const float x = apply(sste_fp8_decode(how.format, code), scale, how.undo);
  return is_nan(x) ? sste_priv_float(0x7FC00000u) : x;
}

/* Scales that do, three times out of four; the arena holds anything. */
static void fill_scales(input *in, view scale) {
  size_t i;
  if (take(in) % 4 == 0 || is_empty(scale) || !is_inside(scale)) return;
  for (i = 0; i < scale.cols; ++i) {
    const uint32_t bits = (0x20000000u + (take(in) << 22)) | take(in);
    memcpy(scale.p + 4 * i, &bits, sizeof bits);
  }
}
static unsigned scale_errors(view scale, sste_fp8_recipe how) {
  const int reciprocal =
      how.apply == SSTE_APPLY_RECIPROCAL || how.undo == SSTE_APPLY_RECIPROCAL;
  size_t i;
  for (i = 0; i < scale.cols; ++i) {
    const float s = float_at(snapshot, scale, 0, i);
    if (!(s > 0.0f && s <= FLT_MAX)) return error(SSTE_ERR_VALUE);
    if (reciprocal && !(1.0 / (double)s < 0x1.ffffffp127))
      return error(SSTE_ERR_VALUE);
  }
  return 0;
}

enum { ENCODE, DECODE, ROUND };

static sste_status call_tensor(int task, view out, view in, const float *scale,
                               sste_fp8_recipe how) {
  void *o = out.p;
  const void *i = in.p;
  if (task == ENCODE)
    return sste_fp8_tensor_encode(o, out.ld, i, in.ld, in.rows, in.cols, scale,
                                  how);
  if (task == DECODE)
    return sste_fp8_tensor_decode(o, out.ld, i, in.ld, in.rows, in.cols, scale,
                                  how);
  return sste_fp8_tensor_round(o, out.ld, i, in.ld, in.rows, in.cols, scale,
                               how);
}

static void check_values(int task, view out, view in, view scale,
                         sste_fp8_recipe how) {
  size_t r, c;
  for (r = 0; r < out.rows; ++r)
    for (c = 0; c < out.cols; ++c) {
      const float s = float_at(snapshot, scale, 0, how.per_row ? r : 0);
      uint8_t code;
      if (task == DECODE)
        code = code_at(snapshot, in, r, c);
      else
        code = want_code(how, s, float_at(snapshot, in, r, c));
      if (task == ENCODE)
        CHECK(code_at(arena, out, r, c) == code);
      else
        CHECK(same(float_at(arena, out, r, c), want_value(how, s, code)));
    }
}

static void fuzz_tensor(input *bytes, int task) {
  const size_t rows = take_size(bytes), cols = take_size(bytes);
  const sste_fp8_recipe how = any_recipe(bytes);
  const view in =
      take_view(bytes, rows, cols, task == DECODE ? 1 : 4, nowhere());
  const view out = take_view(bytes, rows, cols, task == ENCODE ? 1 : 4, in);
  const view scale =
      row_of(take_place(bytes, 4, in), how.per_row ? rows : 1, 4);
  const int in_place = task == ROUND && out.p == in.p && out.ld == in.ld;
  unsigned deserved = shape_errors(in) | shape_errors(out);
  fill_scales(bytes, scale);
  memcpy(snapshot, arena, ARENA);
  if (deserved == 0 && !in_place && meet(in, out))
    deserved = error(SSTE_ERR_OVERLAP);
  deserved |= recipe_errors(how);
  if (!is_empty(in)) {
    deserved |= shape_errors(scale);
    if (deserved == 0 && meet(scale, out)) deserved = error(SSTE_ERR_OVERLAP);
  }
  if (deserved == 0 && !is_empty(in)) {
    /* A good call on memory that is not there cannot be made. */
    if (!is_inside(in) || !is_inside(out) || !is_inside(scale)) return;
    deserved = scale_errors(scale, how);
  }
  {
    const sste_status got =
        call_tensor(task, out, in, (const float *)(void *)scale.p, how);
    check_arena(got, deserved, out);
    if (got == SSTE_OK && !is_empty(in))
      check_values(task, out, in, scale, how);
  }
}

/* ---- Amax and scale ------------------------------------------------------ */

/* The largest magnitude of rows `from` to `to`, by comparing floats. */
static float want_amax(view x, size_t from, size_t to, int drop_nan) {
  float amax = 0.0f;
  size_t r, c;
  for (r = from; r < to; ++r)
    for (c = 0; c < x.cols; ++c) {
      float v = float_at(snapshot, x, r, c);
      if (is_nan(v) && !drop_nan) return sste_priv_float(0x7FC00000u);
      if (v < 0.0f) v = -v;
      if (v > amax) amax = v;
    }
  return amax;
}

static void fuzz_amax(input *bytes) {
  const size_t rows = take_size(bytes), cols = take_size(bytes);
  const view x = take_view(bytes, rows, cols, 4, nowhere());
  const view amax = row_of(take_place(bytes, 4, x), 1, 4);
  const unsigned deserved = shape_errors(x) | shape_errors(amax);
  sste_status got;
  memcpy(snapshot, arena, ARENA);
  if (deserved == 0 && !is_inside(x)) return;
  got = sste_fp8_tensor_amax((float *)(void *)amax.p, (float *)(void *)x.p,
                             x.ld, rows, cols);
  check_arena(got, deserved, amax);
  if (got == SSTE_OK)
    CHECK(same(float_at(arena, amax, 0, 0),
               want_amax(x, 0, is_empty(x) ? 0 : rows, 0)));
}

static void fuzz_scale(input *bytes) {
  const size_t rows = take_size(bytes), cols = take_size(bytes);
  const sste_fp8_recipe how = any_recipe(bytes);
  const view x = take_view(bytes, rows, cols, 4, nowhere());
  const view scale = row_of(take_place(bytes, 4, x), how.per_row ? rows : 1, 4);
  unsigned deserved = shape_errors(x) | shape_errors(scale);
  sste_status got;
  size_t r;
  memcpy(snapshot, arena, ARENA);
  if (deserved == 0 && meet(x, scale)) deserved = error(SSTE_ERR_OVERLAP);
  deserved |= recipe_errors(how);
  if (deserved == 0 && (!is_inside(x) || !is_inside(scale))) return;
  got = sste_fp8_tensor_scale((float *)(void *)scale.p, (float *)(void *)x.p,
                              x.ld, rows, cols, how);
  check_arena(got, deserved, scale);
  for (r = 0; got == SSTE_OK && r < scale.cols; ++r) {
    const size_t last = is_empty(x) ? r : how.per_row ? r + 1 : rows;
    const float s = float_at(arena, scale, 0, r);
    CHECK(same(s, sste_fp8_scale(how, want_amax(x, r, last, how.drop_nan))));
    CHECK(s >= FLT_MIN && s <= FLT_MAX);
  }
}

/* ---- Products ------------------------------------------------------------ */

static int is_factor(sste_fp8_format f) {
  return is_format(f) && f.exponent_bits <= 5;
}

static void fuzz_dot(input *bytes) {
  const sste_fp8_format to = any_named(bytes, 14);
  const sste_fp8_format fa = any_format(bytes), fb = any_format(bytes);
  sste_fp8_rule rule = any_rule(bytes);
  const size_t n = take_size(bytes);
  const view a = row_of(take_place(bytes, 1, nowhere()), n, 1);
  const view b = row_of(take_place(bytes, 1, a), n, 1);
  const view out = row_of(take_place(bytes, 8, a), 1, 8);
  unsigned deserved = (shape_errors(a) | shape_errors(b) | shape_errors(out)) &
                      error(SSTE_ERR_NULL);
  sste_status got;
  if (take(bytes) % 8 != 0) rule.via = SSTE_VIA_NOTHING;
  memcpy(snapshot, arena, ARENA);
  if (!is_factor(fa) || !is_factor(fb) || !is_rule(rule) ||
      rule.via != SSTE_VIA_NOTHING)
    deserved |= error(SSTE_ERR_VALUE);
  if (deserved == 0 && (!is_inside(a) || !is_inside(b))) return;
  got = sste_fp8_dot((uint64_t *)(void *)out.p, to, rule, fa, a.p, fb, b.p, n);
  check_arena(got, deserved, out);
  if (got == SSTE_OK) { /* backwards, and with the factors exchanged */
    static uint8_t ra[ARENA], rb[ARENA];
    uint64_t bits, again = 0;
    size_t i;
    element(&bits, arena, out, 0, 0);
    for (i = 0; i < n; ++i) {
      ra[i] = code_at(snapshot, a, 0, n - 1 - i);
      rb[i] = code_at(snapshot, b, 0, n - 1 - i);
    }
    CHECK(sste_fp8_dot(&again, to, rule, fb, rb, fa, ra, n) == SSTE_OK);
    CHECK(again == bits);
  }
}

static void fuzz_product(input *bytes) {
  const size_t rows = take_size(bytes), cols = take_size(bytes);
  const size_t depth = take_size(bytes);
  const sste_fp8_format fa = any_format(bytes), fb = any_format(bytes);
  const view a = take_view(bytes, rows, depth, 1, nowhere());
  const view b = take_view(bytes, cols, depth, 1, a);
  const view z = take_view(bytes, rows, cols, 4, a);
  unsigned deserved = shape_errors(z);
  sste_status got;
  if (cols > 0) deserved |= shape_errors(a);
  if (rows > 0) deserved |= shape_errors(b);
  memcpy(snapshot, arena, ARENA);
  if (deserved == 0 && !is_empty(z) && (meet(z, a) || meet(z, b)))
    deserved = error(SSTE_ERR_OVERLAP);
  if (!is_factor(fa) || !is_factor(fb)) deserved |= error(SSTE_ERR_VALUE);
  if (deserved == 0 && !is_empty(z) &&
      (!is_inside(a) || !is_inside(b) || !is_inside(z)))
    return;
  got = sste_fp8_product((float *)(void *)z.p, z.ld, fa, a.p, a.ld, fb, b.p,
                         b.ld, rows, cols, depth);
  check_arena(got, deserved, z);
  if (got == SSTE_OK && !is_empty(z)) { /* one element by the dot product */
    const size_t i = take(bytes) % rows, j = take(bytes) % cols;
    sste_fp8_rule rule = sste_fp8_saturating();
    uint64_t bits = 0;
    rule.overflow = SSTE_OVERFLOW_NONE;
    rule.nan = SSTE_NAN_QUIET;
    CHECK(sste_fp8_dot(&bits, sste_fp8_float32(), rule, fa,
                       depth == 0 ? NULL : snapshot + (a.p - arena) + i * a.ld,
                       fb,
                       depth == 0 ? NULL : snapshot + (b.p - arena) + j * b.ld,
                       depth) == SSTE_OK);
    CHECK(sste_priv_bits(float_at(arena, z, i, j)) == bits);
  }
}

/* ---- Scalars and checks -------------------------------------------------- */

static int bits_of(sste_fp8_format f) {
  return f.sign_bits + f.exponent_bits + f.mantissa_bits;
}

static void fuzz_convert(input *bytes) {
  const sste_fp8_format to = any_named(bytes, 14), from = any_named(bytes, 14);
  const sste_fp8_rule rule = any_rule(bytes);
  const uint64_t bits = take_64(bytes);
  const uint32_t random = take_32(bytes);
  const uint64_t code = sste_fp8_convert(to, rule, from, bits, random);
  sste_fp8_rule exact = sste_fp8_saturating();
  if (bits_of(to) < 64) CHECK(code >> bits_of(to) == 0);
  if (bits_of(from) < 64) /* what lies above the width is ignored */
    CHECK(sste_fp8_convert(to, rule, from, bits ^ ~(uint64_t)0 << bits_of(from),
                           random) == code);
  if (bits_of(to) < 64) { /* exactly a float, whichever way */
    exact.overflow = SSTE_OVERFLOW_NONE;
    exact.nan = SSTE_NAN_QUIET;
    CHECK(sste_priv_bits(sste_fp8_decode(to, (uint32_t)code)) ==
          sste_fp8_convert(sste_fp8_float32(), exact, to, code, 0));
  }
}

static void fuzz_checks(input *bytes) {
  const sste_fp8_format f = any_format(bytes);
  sste_fp8_recipe how = any_recipe(bytes);
  CHECK((sste_fp8_format_check(f) == SSTE_OK) == is_format(f));
  CHECK((sste_fp8_recipe_check(how) == SSTE_OK) == is_recipe(how));
  how.rule = sste_fp8_rule_like(take_choice(bytes, 10), f, how.format);
  CHECK(sste_status_text((sste_status)(take(bytes) % 16)) != NULL);
  if (is_format(f)) { /* a code's value has that code */
    const uint8_t code = (uint8_t)take(bytes);
    const float x = sste_fp8_decode(f, code);
    if (sste_priv_magnitude(x) < 0x7F800000u && (f.sign_bits || code < 128))
      CHECK(sste_fp8_encode(f, x) == code);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input bytes;
  bytes.data = data;
  bytes.left = size;
  arena = malloc(ARENA); /* exactly so much, so that its ends are guarded */
  if (arena == NULL) return 0;
  fill_arena(&bytes);
  switch (take(&bytes) % 9) {
    case 0: fuzz_tensor(&bytes, ENCODE); break;
    case 1: fuzz_tensor(&bytes, DECODE); break;
    case 2: fuzz_tensor(&bytes, ROUND); break;
    case 3: fuzz_amax(&bytes); break;
    case 4: fuzz_scale(&bytes); break;
    case 5: fuzz_dot(&bytes); break;
    case 6: fuzz_product(&bytes); break;
    case 7: fuzz_convert(&bytes); break;
    default: fuzz_checks(&bytes); break;
  }
  free(arena);
  return 0;
}
