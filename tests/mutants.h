/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * mutants.h - kernels with a bug each, for test_mutants.c.
 *
 * These are kernels as somebody would write them who has read what the headers
 * promise: plain C, and none of the headers' own code. Each has places at which
 * it can go wrong by a number. The number and the bug stand in a list above the
 * kernel; where it happens reads
 *
 *     threshold = bug(102) ? sorted[2] : sorted[1];
 *
 * With mutant = 0 every kernel is right. A wrong kernel is wrong in its result
 * only: it stays inside its arrays, and what C leaves undefined it avoids.
 */
#ifndef SSTE_MUTANTS_H
#define SSTE_MUTANTS_H

#include <float.h>
#include <math.h>

#include "test.h"

typedef struct mutation {
  int id;
  const char *bug;
} mutation;

static int mutant; /* 0: none */
static int bug(int id) { return mutant == id; }

/* ---- What kernels share -------------------------------------------------- */

#define INF_BITS 0x7F800000u
#define NAN_BITS 0x7FC00000u

/* |x| as an integer that sorts alike; every NaN is one, and the largest. */
static uint32_t magnitude(float x) {
  const uint32_t m = test_bits(x) & 0x7FFFFFFFu;
  return m > INF_BITS ? NAN_BITS : m;
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }
static uint32_t most(uint32_t a, uint32_t b) { return a > b ? a : b; }

/* x without the last n bits of its mantissa, to nearest even or cut off: 16
 * make a bfloat16, 13 what float16 and TF32 have. */
static float shorter(float x, int n) {
  const uint32_t b = test_bits(x), ones = (1u << n) - 1;
  if ((b & INF_BITS) == INF_BITS) return x;
  return test_float((b + (ones >> 1) + (b >> n & 1)) & ~ones);
}
static float cut(float x, int n) {
  const uint32_t b = test_bits(x), ones = (1u << n) - 1;
  return (b & INF_BITS) == INF_BITS ? x : test_float(b & ~ones);
}

/* What hardware that flushes makes of a subnormal number. */
static float flushed(float x) {
  return (test_bits(x) & INF_BITS) == 0 ? 0.0f : x;
}

/* A loop over so many columns that was unrolled and forgot the rest. */
static size_t without_tail(size_t n, size_t by) { return n / by * by; }

/* ---- The hard mask ------------------------------------------------------- */

static const mutation mask_mutations[] = {
    {201, "of a tie the higher index is kept"},
    {202, "neither of a tie goes before the other"},
    {203, "magnitudes compared as bfloat16"},
    {204, "squares compared"},
    {205, "NaN is the smallest"},
    {206, "the sign bit is compared, too"},
    {207, "kept is what exceeds the threshold"},
};

/* Kept are those of which fewer than two go before them. */
static int mask_group(const float a[4]) {
  uint32_t m[4];
  int i, j, mask = 0;
  for (i = 0; i < 4; ++i) {
    m[i] = bug(206) ? test_bits(a[i]) : magnitude(a[i]);
    if (bug(203)) m[i] >>= 16;
    if (bug(204)) m[i] = magnitude(a[i] * a[i]);
    if (bug(205) && m[i] == NAN_BITS) m[i] = 0;
  }
  for (i = 0; i < 4; ++i) {
    int before = 0, smaller = 0;
    for (j = 0; j < 4; ++j) {
      const int first = bug(201) ? j > i : bug(202) ? 0 : j < i;
      before += m[j] > m[i] || (m[j] == m[i] && first);
      smaller += m[j] < m[i];
    }
    if (bug(207) ? smaller >= 2 : before < 2) mask |= 1 << i;
  }
  return mask;
}

static void mask_tensor(uint8_t *out, size_t ldo, const float *w, size_t ldw,
                        size_t rows, size_t cols) {
  size_t r, c, i;
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; c += 4) {
      const int mask = mask_group(w + r * ldw + c);
      for (i = 0; i < 4; ++i) out[r * ldo + c + i] = (uint8_t)(mask >> i & 1);
    }
}

/* ---- The projection ------------------------------------------------------ */

static const mutation project_mutations[] = {
    {101, "the threshold is the smallest"},
    {102, "the threshold is the third smallest"},
    {103, "the sort lacks its last exchange"},
    {104, "< for <=: what equals the threshold leaves its sign"},
    {105, "the threshold is not subtracted"},
    {106, "NaN does not spoil its group"},
    {107, "three infinities give zeros"},
    {108, "a spoilt group is NaN in all four places"},
    {109, "NaN has its sign bit set, as x86 makes it"},
    {110, "beta |a| - beta t for beta (|a| - t)"},
    {111, "subnormal differences are flushed"},
};

static void exchange(uint32_t m[4], int i, int j) {
  const uint32_t low = least(m[i], m[j]), high = most(m[i], m[j]);
  m[i] = low;
  m[j] = high;
}

static void sort(uint32_t m[4]) {
  exchange(m, 0, 1);
  exchange(m, 2, 3);
  exchange(m, 0, 2);
  exchange(m, 1, 3);
  if (!bug(103)) exchange(m, 1, 2);
}

/* beta (|a| - t) */
static float shrink(float a, float t, float beta) {
  const float difference = a - t;
  if (bug(105)) return beta * a;
  if (bug(110)) return beta * a - beta * t;
  return beta * (bug(111) ? flushed(difference) : difference);
}

/* t is the second smallest magnitude. A group is spoilt by a NaN, and by
 * inf - inf; then the two largest become NaN. */
static void project_group(float out[4], const float a[4], float beta) {
  uint32_t sorted[4], t;
  int i, spoilt;
  for (i = 0; i < 4; ++i) sorted[i] = magnitude(a[i]);
  sort(sorted);
  t = bug(101) ? sorted[0] : bug(102) ? sorted[2] : sorted[1];
  spoilt = (sorted[3] == NAN_BITS && !bug(106)) || (t >= INF_BITS && !bug(107));
  if (spoilt) {
    const int mask = bug(108) ? 15 : mask_group(a);
    const uint32_t nan = bug(109) ? 0xFFC00000u : NAN_BITS;
    for (i = 0; i < 4; ++i) out[i] = test_float(mask >> i & 1 ? nan : 0);
    return;
  }
  for (i = 0; i < 4; ++i) {
    const uint32_t m = magnitude(a[i]);
    const float s = shrink(test_float(m), test_float(t), beta);
    const int pruned = bug(104) ? m < t : m <= t;
    out[i] = pruned ? 0.0f : copysignf(s, a[i]);
  }
}

static void project_tensor(float *out, size_t ldo, const float *w, size_t ldw,
                           size_t rows, size_t cols, float beta) {
  size_t r, c;
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; c += 4)
      project_group(out + r * ldo + c, w + r * ldw + c, beta);
}

/* ---- The compressed form ------------------------------------------------- */

static const mutation compress_mutations[] = {
    {301, "the positions of a nibble exchanged"},
    {302, "the nibbles of a byte exchanged"},
    {303, "beside one non-zero the last place is named"},
    {304, "of a group of zeros the last places are named"},
    {305, "positions 2 and 3 exchanged"},
    {306, "the unused half byte is 4"},
    {307, "-0 counts as a non-zero"},
    {308, "a named -0 stays -0"},
    {309, "a NaN keeps its payload"},
    {310, "NaN counts as a zero: |x| > 0 asks"},
    {311, "subnormal numbers count as zeros"},
};

static int is_nonzero(float x) {
  if (bug(307)) return test_bits(x) != 0;
  if (bug(310)) return fabsf(x) > 0.0f;
  return magnitude(x) >= (bug(311) ? test_bits(FLT_MIN) : 1u);
}

static float compressed_value(float x) {
  if (isnan(x) && !bug(309)) return test_float(NAN_BITS);
  return magnitude(x) == 0 && !bug(308) ? 0.0f : x;
}

/* Two positions are named, in ascending order: those of the non-zeros, then of
 * zeros from the first on. */
static int compress_group(float value[2], const float a[4]) {
  int at[2] = {0, 0}, n = 0, i;
  for (i = 0; i < 4 && n < 2; ++i)
    if (is_nonzero(a[i])) at[n++] = i;
  if (n == 0) {
    at[0] = bug(304) ? 2 : 0;
    at[1] = at[0] + 1;
  } else if (n == 1) {
    const int kept = at[0];
    const int other = bug(303) ? (kept == 3 ? 2 : 3) : kept == 0;
    at[0] = kept < other ? kept : other;
    at[1] = kept < other ? other : kept;
  }
  for (i = 0; i < 2; ++i) value[i] = compressed_value(a[at[i]]);
  for (i = 0; i < 2; ++i)
    if (bug(305) && at[i] >= 2) at[i] = 5 - at[i];
  return bug(301) ? at[0] << 2 | at[1] : at[1] << 2 | at[0];
}

static void compress_tensor(float *value, size_t ldv, uint8_t *meta, size_t ldm,
                            const float *w, size_t ldw, size_t rows,
                            size_t cols) {
  size_t r, c;
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; c += 8) {
      float *v = value + r * ldv + c / 2;
      const float *a = w + r * ldw + c;
      const int low = compress_group(v, a);
      const int high = c + 4 < cols ? compress_group(v + 2, a + 4)
                       : bug(306)   ? 4
                                    : 0;
      meta[r * ldm + c / 8] =
          (uint8_t)(bug(302) ? low << 4 | high : high << 4 | low);
    }
}

static const mutation decompress_mutations[] = {
    {401, "the two values exchanged"},
    {402, "the output is not cleared first"},
    {403, "the second position counts from the first"},
    {404, "rows of values lie cols / 2 apart, not ldv"},
};

static int nibble_of(const uint8_t *meta, size_t group, int exchanged) {
  return meta[group / 2] >> 4 * ((group + (size_t)exchanged) % 2) & 15;
}

static void decompress_tensor(float *out, size_t ldo, const float *value,
                              size_t ldv, const uint8_t *meta, size_t ldm,
                              size_t rows, size_t cols) {
  size_t r, g;
  int i;
  for (r = 0; r < rows; ++r)
    for (g = 0; g < cols / 4; ++g) {
      const float *v = value + r * (bug(404) ? cols / 2 : ldv) + 2 * g;
      const int nibble = nibble_of(meta + r * ldm, g, 0);
      const int first = nibble & 3;
      int second = nibble >> 2;
      float *to = out + r * ldo + 4 * g;
      if (bug(403)) second = (first + second) & 3;
      for (i = 0; i < 4 && !bug(402); ++i) to[i] = 0.0f;
      to[first] = v[bug(401)];
      to[second] = v[!bug(401)];
    }
}

/* ---- FP8 encode ---------------------------------------------------------- */

static const mutation e4m3_mutations[] = {
    {501, "ties away from zero"},
    {502, "ties towards zero"},
    {503, "truncates"},
    {504, "rounds through float16"},
    {505, "the largest is 240"},
    {506, "does not saturate: beyond 464 is NaN"},
    {507, "infinity becomes NaN"},
    {508, "NaN keeps its sign"},
    {509, "a NaN that is not quiet counts as infinity"},
    {510, "subnormal codes flushed to zero"},
    {511, "ties away from zero among subnormal codes"},
    {512, "two bits of the rest decide: no sticky bit"},
    {513, "the sign of zero is lost"},
    {514, "a carry does not reach the exponent"},
    {515, "sixteen at a time: the rest is left out"},
};

/* A float's exponent field is 127 + e, a code's 7 + e. */
static uint8_t encode_e4m3(float given) {
  const float x = bug(504) ? shorter(given, 13) : given;
  const uint32_t sign = test_bits(x) >> 24 & 0x80u;
  const uint32_t m = test_bits(x) & 0x7FFFFFFFu, field = m >> 23;
  const uint32_t first_nan = bug(509) ? NAN_BITS : INF_BITS + 1;
  const int subnormal = field < 121; /* below 2^-6 */
  uint32_t number, code, rest, half, up, drop = 20;
  if (m >= first_nan) return (uint8_t)(bug(508) ? sign | 0x7Fu : 0x7Fu);
  if (m == INF_BITS && bug(507)) return 0x7Fu;
  if (m > test_bits(464.0f) && bug(506)) return 0x7Fu;
  if (m > test_bits(240.0f) && bug(505)) return (uint8_t)(sign | 0x77u);
  if (m > test_bits(448.0f)) return (uint8_t)(sign | 0x7Eu);
  if (subnormal && bug(510)) return (uint8_t)sign;
  number = m - (120u << 23); /* the exponent and mantissa of the code, long */
  if (subnormal) {
    number = (m & 0x7FFFFFu) | 0x800000u;
    drop = least(141 - field, 25);
  }
  code = number >> drop;
  rest = number & ((1u << drop) - 1);
  half = 1u << (drop - 1);
  if (bug(512)) rest &= ~(half / 2 - 1);
  up = rest > half || (rest == half && (code & 1) != 0);
  if (bug(501) || (bug(511) && subnormal)) up = rest >= half;
  if (bug(502)) up = rest > half;
  if (bug(503)) up = 0;
  if (code + up == 0 && bug(513)) return 0;
  if (bug(514)) return (uint8_t)(sign | (code & 0x78u) | ((code + up) & 7));
  return (uint8_t)(sign | (code + up));
}

static void encode_e4m3_tensor(uint8_t *code, size_t ldc, const float *x,
                               size_t ldx, size_t rows, size_t cols) {
  const size_t end = bug(515) ? without_tail(cols, 16) : cols;
  size_t r, c;
  for (r = 0; r < rows; ++r)
    for (c = 0; c < end; ++c) code[r * ldc + c] = encode_e4m3(x[r * ldx + c]);
}

static const mutation e5m2_mutations[] = {
    {601, "ties away from zero"},
    {602, "truncates, as the upper byte of a float16"},
    {603, "overflow saturates, but for infinity"},
    {604, "infinity becomes NaN"},
    {605, "NaN is 7E"},
    {606, "NaN becomes infinity"},
    {607, "what exceeds 57344 overflows, not what rounds beyond"},
    {608, "the midpoint 61440 does not overflow"},
    {609, "even is judged by the wrong bit"},
};

/* The same with 15 + e; overflow gives infinity. */
static uint8_t encode_e5m2(float x) {
  const uint32_t sign = test_bits(x) >> 24 & 0x80u;
  const uint32_t m = test_bits(x) & 0x7FFFFFFFu, field = m >> 23;
  const int subnormal = field < 113; /* below 2^-14 */
  uint32_t number, code, rest, half, up, drop = 21;
  if (m > INF_BITS && !bug(606)) return bug(605) ? 0x7Eu : 0x7Fu;
  if (m == INF_BITS) return (uint8_t)(bug(604) ? 0x7Fu : sign | 0x7Cu);
  number = m - (112u << 23);
  if (subnormal) {
    number = (m & 0x7FFFFFu) | 0x800000u;
    drop = least(134 - field, 25);
  }
  code = number >> drop;
  rest = number & ((1u << drop) - 1);
  half = 1u << (drop - 1);
  up = rest > half || (rest == half && (code >> bug(609) & 1) != 0);
  if (bug(601)) up = rest >= half;
  if (bug(602)) up = 0;
  code += up;
  if (m > test_bits(57344.0f) && bug(607)) code = 0x7Cu;
  if (m == test_bits(61440.0f) && bug(608)) code = 0x7Bu;
  if (code > 0x7Bu) code = bug(603) ? 0x7Bu : 0x7Cu;
  return (uint8_t)(sign | code);
}

/* From bfloat16: the upper half of a float. */
static void encode_e5m2_tensor(uint8_t *code, size_t ldc, const uint16_t *x,
                               size_t ldx, size_t rows, size_t cols) {
  size_t r, c;
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; ++c)
      code[r * ldc + c] =
          encode_e5m2(test_float((uint32_t)x[r * ldx + c] << 16));
}

/* ---- FP8 with a scale per row -------------------------------------------- */

static const mutation quantise_mutations[] = {
    {701, "amax without the absolute value"},
    {702, "amax without the last column"},
    {703, "amax is not reset between rows"},
    {704, "amax rounded to bfloat16"},
    {705, "amax passes over NaN"},
    {706, "an infinite amax is divided by"},
    {707, "an infinite scale is multiplied by"},
    {708, "the scale is max * (1 / amax)"},
    {709, "divided by the rounded reciprocal of the scale"},
    {710, "the scale is cut to a power of two"},
};

static uint32_t row_amax(const float *x, size_t cols, uint32_t before) {
  uint32_t top = bug(703) ? before : 0;
  size_t c;
  for (c = 0; c + (size_t)bug(702) < cols; ++c) {
    const uint32_t m = magnitude(x[c]);
    if (bug(701) && signbit(x[c])) continue;
    if (bug(705) && m == NAN_BITS) continue;
    top = most(top, m);
  }
  return bug(704) ? test_bits(shorter(test_float(top), 16)) : top;
}

/* An amax that is 0, infinite or NaN has the scale 1. */
static float scale_of(uint32_t amax) {
  const float max = 448.0f;
  float scale =
      bug(708) ? max * (1.0f / test_float(amax)) : max / test_float(amax);
  if (bug(707)) return amax >= INF_BITS ? 1.0f : scale;
  if (amax == 0 || amax > INF_BITS) return 1.0f;
  if (amax == INF_BITS && !bug(706)) return 1.0f;
  if (isinf(scale)) scale = FLT_MAX;
  return bug(710) ? test_float(test_bits(scale) & INF_BITS) : scale;
}

static void quantise_tensor(uint8_t *code, size_t ldc, const float *x,
                            size_t ldx, size_t rows, size_t cols) {
  uint32_t amax = 0;
  size_t r, c;
  for (r = 0; r < rows; ++r) {
    float scale;
    amax = row_amax(x + r * ldx, cols, amax);
    scale = scale_of(amax);
    for (c = 0; c < cols; ++c) {
      float y = x[r * ldx + c] * scale;
      if (bug(709)) y = x[r * ldx + c] / (1.0f / scale);
      code[r * ldc + c] = encode_e4m3(y);
    }
  }
}

/* ---- FP8 decode ---------------------------------------------------------- */

static const mutation decode_e4m3_mutations[] = {
    {801, "7F is 480"},
    {802, "FF is -480"},
    {803, "-0 comes back as +0"},
    {804, "subnormal codes have a hidden bit"},
    {805, "subnormal codes flushed to zero"},
    {806, "NaN keeps its sign"},
    {807, "multiplied by the rounded reciprocal of the scale"},
};

static float decode_e4m3(uint8_t code) {
  const uint32_t sign = (uint32_t)(code & 0x80) << 24, m = code & 0x7Fu;
  const int nan = bug(801) ? 0 : bug(802) ? code == 0x7F : m == 0x7F;
  float x;
  if (nan) return test_float(bug(806) ? sign | NAN_BITS : NAN_BITS);
  if (m == 0 && bug(803)) return 0.0f;
  x = test_float((m << 20) + (120u << 23));
  if (m < 8 && !bug(804)) x = bug(805) ? 0.0f : (float)m / 512.0f;
  return sign != 0 ? -x : x;
}

static void dequantise_tensor(float *x, size_t ldx, const uint8_t *code,
                              size_t ldc, size_t rows, size_t cols,
                              float scale) {
  size_t r, c;
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; ++c) {
      const float y = decode_e4m3(code[r * ldc + c]);
      x[r * ldx + c] = isnan(y) ? y : bug(807) ? y * (1.0f / scale) : y / scale;
    }
}

static const mutation decode_e5m2_mutations[] = {
    {901, "7C is 65536"},
    {902, "-infinity loses its sign"},
    {903, "NaN keeps its mantissa, as a float16 would"},
    {904, "only 7F is NaN"},
};

static float decode_e5m2(uint8_t code) {
  const uint32_t sign = (uint32_t)(code & 0x80) << 24, m = code & 0x7Fu;
  const uint32_t mantissa = (m & 3) << 21;
  float x = test_float((m << 21) + (112u << 23));
  if (m > (bug(904) ? 0x7Eu : 0x7Cu))
    return test_float(bug(903) ? INF_BITS | mantissa : NAN_BITS);
  if (m >= 0x7C && !bug(901)) x = test_float(INF_BITS);
  if (m == 0x7C && bug(902)) return x;
  if (m < 4) x = (float)m / 65536.0f;
  return sign != 0 ? -x : x;
}

static void decode_e5m2_tensor(float *x, size_t ldx, const uint8_t *code,
                               size_t ldc, size_t rows, size_t cols) {
  size_t r, c;
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; ++c) x[r * ldx + c] = decode_e5m2(code[r * ldc + c]);
}

/* ---- MVUE, groups down columns ------------------------------------------- */

static const mutation mvue_mutations[] = {
    {1001, "nine rounds of Philox"},
    {1002, "run and group exchanged in the counter"},
    {1003, "step and tensor exchanged in the counter"},
    {1004, "the upper half of the seed is ignored"},
    {1005, "the words of a quad in reverse"},
    {1006, "a slice counts its groups from 0"},
    {1007, "tau is S / 2 always"},
    {1008, "tau is S - max always"},
    {1009, "S - max by subtraction: it cancels"},
    {1010, "S added from left to right"},
    {1011, "survivors keep their value: biased"},
    {1012, "-0 stays -0 beside two non-zeros"},
    {1013, "NaN passes as a number"},
    {1014, "two infinities pass as numbers"},
    {1015, "sums beyond the largest float overflow"},
    {1016, "rounding may lose the certain one"},
    {1017, "a second point beyond the last cell is lost"},
    {1018, "<= for <: a boundary belongs to the cell before"},
    {1019, "u from 24 bits"},
};

typedef struct place { /* a tensor's random bits, and where a slice begins */
  uint64_t seed;
  uint32_t tensor, step, run, group;
} place;

static void philox(uint32_t x[4], uint32_t key0, uint32_t key1) {
  const uint64_t by0 = 0xD2511F53u, by1 = 0xCD9E8D57u;
  int round;
  for (round = bug(1001); round < 10; ++round) {
    const uint64_t p = by0 * x[0], q = by1 * x[2];
    x[0] = (uint32_t)(q >> 32) ^ x[1] ^ key0;
    x[2] = (uint32_t)(p >> 32) ^ x[3] ^ key1;
    x[1] = (uint32_t)q;
    x[3] = (uint32_t)p;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

static uint32_t random_word(const place *at, uint32_t run, uint32_t group) {
  const uint32_t high = bug(1004) ? 0 : (uint32_t)(at->seed >> 32);
  uint32_t x[4];
  run += at->run;
  if (!bug(1006)) group += at->group;
  x[0] = bug(1002) ? run : group / 4;
  x[1] = bug(1002) ? group / 4 : run;
  x[2] = bug(1003) ? at->tensor : at->step;
  x[3] = bug(1003) ? at->step : at->tensor;
  philox(x, (uint32_t)at->seed, high);
  return x[bug(1005) ? 3 - group % 4 : group % 4];
}

static float tau_of(const float b[4], int top) {
  float rest[4], half, others;
  int i;
  for (i = 0; i < 4; ++i) rest[i] = i == top ? 0.0f : b[i];
  half = ((b[0] + b[1]) + (b[2] + b[3])) / 2.0f;
  others = (rest[0] + rest[1]) + (rest[2] + rest[3]);
  if (bug(1009)) others = 2.0f * half - b[top];
  if (bug(1010)) half = (((b[0] + b[1]) + b[2]) + b[3]) / 2.0f;
  if (bug(1007)) return half;
  if (bug(1008)) return others;
  return half < others ? half : others;
}

/* Cells of width min(b, tau) end to end, and the two that hold the points; a
 * place is held for the certain one. */
static int two_cells(const float b[4], int top, float tau, float u) {
  float end = 0.0f, point = u * tau;
  int i, n = 0, mask = 0, held = b[top] >= tau && !bug(1016);
  for (i = 0; i < 4 && n < 2; ++i) {
    const int certain = i == top && b[i] >= tau && !bug(1016);
    if (b[i] <= 0.0f) continue;
    end += b[i] < tau ? b[i] : tau;
    if (certain) held = 0;
    if (!certain && n + held == 2) continue;
    if (!certain && (bug(1018) ? point > end : point >= end)) continue;
    mask |= 1 << i;
    n += 1;
    point = (1.0f + u) * tau;
  }
  for (i = 3; i >= 0 && n < 2 && !bug(1017); --i)
    if (b[i] > 0.0f && (mask >> i & 1) == 0) {
      mask |= 1 << i;
      n += 1;
    }
  return mask;
}

/* A group with a NaN or two infinities has no estimate: its two largest become
 * NaN. Near the largest float, sums are taken of quarters. */
static void draw_group(float out[4], const float a[4], uint32_t word) {
  float b[4], tau, unit = 1.0f;
  int i, top = 0, nonzeros = 0, infinite = 0, nan = 0, mask;
  for (i = 0; i < 4; ++i) {
    const uint32_t m = magnitude(a[i]);
    if (m > magnitude(a[top])) top = i;
    nonzeros += m != 0;
    infinite += m == INF_BITS;
    nan += m == NAN_BITS;
  }
  if (magnitude(a[top]) > test_bits(0x1p120f) && !bug(1015)) unit = 0.25f;
  for (i = 0; i < 4; ++i) b[i] = fabsf(a[i]) * unit;
  tau = tau_of(b, top);
  mask = two_cells(b, top, tau,
                   bug(1019) ? (float)(word >> 8) / 16777216.0f
                             : (float)(word >> 9) / 8388608.0f);
  if ((nan > 0 && !bug(1013)) || (infinite > 1 && !bug(1014))) {
    mask = mask_group(a);
    for (i = 0; i < 4; ++i) out[i] = test_float(mask >> i & 1 ? NAN_BITS : 0);
    return;
  }
  for (i = 0; i < 4; ++i) {
    float size = (b[i] > tau ? b[i] : tau) / unit;
    if (bug(1011)) size = fabsf(a[i]);
    out[i] = mask >> i & 1 ? copysignf(size, a[i]) : 0.0f;
    if (nonzeros <= 2)
      out[i] = magnitude(a[i]) == 0 && !bug(1012) ? 0.0f : a[i];
  }
}

static void draw_tensor(float *out, size_t ldo, const float *a, size_t lda,
                        size_t rows, size_t cols, const place *at) {
  size_t r, c, i;
  for (c = 0; c < cols; ++c)
    for (r = 0; r < rows; r += 4) {
      float x[4], sample[4];
      for (i = 0; i < 4; ++i) x[i] = a[(r + i) * lda + c];
      draw_group(sample, x, random_word(at, (uint32_t)c, (uint32_t)(r / 4)));
      for (i = 0; i < 4; ++i) out[(r + i) * ldo + c] = sample[i];
    }
}

/* ---- beta ---------------------------------------------------------------- */

static const mutation beta_mutations[] = {
    {1101, "<W,W> / <W,S>"},
    {1102, "the sums are kept in float"},
    {1103, "the products are rounded to float"},
    {1104, "S by the hard mask"},
    {1105, "the last group of a row is left out"},
    {1106, "groups with a NaN are passed over"},
    {1107, "a projection of zeros has beta 1"},
};

static float beta_of(const float *w, size_t ldw, size_t rows, size_t cols) {
  double ww = 0.0, ws = 0.0, ss = 0.0;
  size_t r, c, i;
  for (r = 0; r < rows; ++r)
    for (c = 0; c + 4 * (size_t)bug(1105) < cols; c += 4) {
      const float *a = w + r * ldw + c;
      const int mask = mask_group(a); /* for bug 1104 */
      float s[4];
      project_group(s, a, 1.0f);
      if (bug(1106) && (isnan(s[0]) || isnan(s[1]) || isnan(s[2])))
        continue; /* two of four are NaN, so one of these is */
      for (i = 0; i < 4; ++i) {
        if (bug(1104)) s[i] = mask >> i & 1 ? a[i] : 0.0f;
        ww += (double)a[i] * (double)a[i];
        ws += bug(1103) ? (double)(a[i] * s[i]) : (double)a[i] * (double)s[i];
        ss += bug(1103) ? (double)(s[i] * s[i]) : (double)s[i] * (double)s[i];
        if (bug(1102)) ws = (double)(float)ws;
        if (bug(1102)) ss = (double)(float)ss;
      }
    }
  if (bug(1107) && ss <= 0.0) return 1.0f;
  return (float)((bug(1101) ? ww : ws) / (bug(1101) ? ws : ss));
}

/* ---- Products ------------------------------------------------------------ */

static const mutation forward_mutations[] = {
    {1201, "two groups at a time: the odd one is left out"},
    {1202, "the nibbles of a byte exchanged"},
    {1203, "both values meet the first position"},
    {1204, "the sum is kept in bfloat16"},
    {1205, "X rounded to TF32"},
    {1206, "subnormal weights are flushed"},
    {1207, "NaN is skipped as a zero: |w| > 0 asks"},
    {1208, "the sum is not cleared"},
};

/* Z = X W^T of compressed W, summed in float. */
static void forward(float *z, size_t ldz, const float *x, size_t ldx,
                    const float *value, size_t ldv, const uint8_t *meta,
                    size_t ldm, size_t T, size_t N, size_t K) {
  const size_t groups = bug(1201) ? without_tail(K / 4, 2) : K / 4;
  float sum = 0.0f;
  size_t t, n, g, i;
  for (t = 0; t < T; ++t)
    for (n = 0; n < N; ++n) {
      if (!bug(1208)) sum = 0.0f;
      for (g = 0; g < groups; ++g) {
        const int nibble = nibble_of(meta + n * ldm, g, bug(1202));
        const int at[2] = {nibble & 3, nibble >> 2};
        for (i = 0; i < 2; ++i) {
          float v = value[n * ldv + 2 * g + i];
          float a = x[t * ldx + 4 * g + (size_t)at[bug(1203) ? 0 : i]];
          if (bug(1205)) a = shorter(a, 13);
          if (bug(1206)) v = flushed(v);
          if (bug(1207) && !(fabsf(v) > 0.0f)) continue;
          sum += a * v;
          if (bug(1204)) sum = shorter(sum, 16);
        }
      }
      z[t * ldz + n] = sum;
    }
}

static const mutation input_grad_mutations[] = {
    {1301, "the last term is left out"},
    {1302, "the sum is kept in bfloat16"},
    {1303, "the sum is rounded to bfloat16 before E5M2"},
    {1304, "the sum is truncated to E5M2"},
    {1305, "ties away from zero"},
    {1306, "the sum saturates at 57344"},
};

/* dX = dZ W in E5M2, summed in float. */
static void input_grad(uint8_t *dx, size_t lddx, const float *dz, size_t lddz,
                       const float *w, size_t ldw, size_t T, size_t N,
                       size_t K) {
  size_t t, k, n;
  for (t = 0; t < T; ++t)
    for (k = 0; k < K; ++k) {
      float sum = 0.0f;
      for (n = 0; n + (size_t)bug(1301) < N; ++n) {
        sum += dz[t * lddz + n] * w[n * ldw + k];
        if (bug(1302)) sum = shorter(sum, 16);
      }
      if (bug(1303)) sum = shorter(sum, 16);
      if (bug(1304)) sum = cut(sum, 21);
      if (bug(1305)) sum *= 1.0f + FLT_EPSILON; /* past the tie */
      if (bug(1306) && fabsf(sum) > 57344.0f) sum = copysignf(57344.0f, sum);
      dx[t * lddx + k] = encode_e5m2(sum);
    }
}

/* ---- Projection, scale and encode in one --------------------------------- */

static const mutation fused_mutations[] = {
    {1401, "beta is forgotten"},
    {1402, "multiplied by fl(beta * scale)"},
    {1403, "scaled first, then projected"},
    {1404, "encoded first, then projected"},
    {1405, "the projection is stored as bfloat16"},
    {1406, "divided by the scale"},
    {1407, "pruned entries leave their sign"},
    {1408, "a spoilt group is encoded as zeros"},
};

static void fused_tensor(uint8_t *code, size_t ldc, const float *w, size_t ldw,
                         size_t rows, size_t cols, float beta, float scale) {
  float before = 1.0f, between = beta, after = scale;
  size_t r, c, i;
  if (bug(1401) || bug(1402)) between = 1.0f;
  if (bug(1402)) after = beta * scale;
  if (bug(1403) || bug(1404)) {
    before = beta * scale;
    between = after = 1.0f;
  }
  for (r = 0; r < rows; ++r)
    for (c = 0; c < cols; c += 4) {
      float a[4], s[4];
      for (i = 0; i < 4; ++i) {
        a[i] = w[r * ldw + c + i] * before;
        if (bug(1404)) a[i] = decode_e4m3(encode_e4m3(a[i]));
      }
      project_group(s, a, between);
      for (i = 0; i < 4; ++i) {
        float y = s[i] * after;
        if (bug(1405)) y = shorter(s[i], 16) * after;
        if (bug(1406)) y = s[i] / after;
        if (bug(1407)) y = copysignf(y, a[i]);
        if (bug(1408) && isnan(y)) y = 0.0f;
        code[r * ldc + c + i] = encode_e4m3(y);
      }
    }
}

#endif /* SSTE_MUTANTS_H */
