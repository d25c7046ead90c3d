/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * slow_fragments.h - which lane holds which element of a matrix fragment, three
 * times over and without a closed form:
 *
 *   layouts  nested shapes and strides, as CuTe writes thread-value layouts,
 *            evaluated by one small routine;
 *   rules    the conditions on i that the PTX manual lists for a_i, b_i, c_i;
 *   pictures of one group of four lanes, for the metadata, and the same again
 *            through the order in which CUTLASS 2 stores it.
 *
 * Nothing of sste_mma.h is used. An operand is 'A', 'B' or 'D', an element is
 * 8, 16 or 32 bits wide, and A counts its kept columns: a sparse A stands in
 * the registers as a dense one of half the width.
 */
#ifndef SSTE_SLOW_FRAGMENTS_H
#define SSTE_SLOW_FRAGMENTS_H

#include "test.h"

typedef struct slow_index {
  int row, col;
} slow_index;

/* ---- Thread-value layouts ------------------------------------------------ */

/* Digit d of a number runs below shape[d] and counts stride[d]; the first digit
 * turns fastest. A shape of 0 ends the list. */
typedef struct slow_mode {
  int shape[4], stride[4];
} slow_mode;

static inline int slow_mode_at(slow_mode mode, int i) {
  int d, at = 0;
  for (d = 0; d < 4 && mode.shape[d] != 0; ++d) {
    at += i % mode.shape[d] * mode.stride[d];
    i /= mode.shape[d];
  }
  return at;
}

static inline int slow_mode_size(slow_mode mode) {
  int d, size = 1;
  for (d = 0; d < 4 && mode.shape[d] != 0; ++d) size *= mode.shape[d];
  return size;
}

/* (lane, value) to an offset into the operand, its rows (of B: its columns)
 * side by side. Values count from the lowest bits of register 0 upwards. */
typedef struct slow_layout {
  char operand;
  int bits, columns; /* columns: of A the kept ones, of B its rows */
  slow_mode lane, value;
} slow_layout;

static const slow_layout slow_layouts[] = {
    {'A', 16, 8, {{4, 8}, {32, 1}}, {{2, 2}, {16, 8}}},
    {'A', 16, 16, {{4, 8}, {32, 1}}, {{2, 2, 2}, {16, 8, 128}}},
    {'A', 32, 4, {{4, 8}, {16, 1}}, {{2}, {8}}},
    {'A', 32, 8, {{4, 8}, {16, 1}}, {{2, 2}, {8, 64}}},
    {'A', 8, 16, {{4, 8}, {64, 1}}, {{4, 2}, {16, 8}}},
    {'A', 8, 32, {{4, 8}, {64, 1}}, {{4, 2, 2}, {16, 8, 256}}},
    {'B', 16, 8, {{4, 8}, {16, 1}}, {{2}, {8}}},
    {'B', 16, 16, {{4, 8}, {16, 1}}, {{2, 2}, {8, 64}}},
    {'B', 16, 32, {{4, 8}, {16, 1}}, {{2, 4}, {8, 64}}},
    {'B', 32, 4, {{4, 8}, {8, 1}}, {{1}, {0}}},
    {'B', 32, 8, {{4, 8}, {8, 1}}, {{2}, {32}}},
    {'B', 32, 16, {{4, 8}, {8, 1}}, {{4}, {32}}},
    {'B', 8, 16, {{4, 8}, {32, 1}}, {{4}, {8}}},
    {'B', 8, 32, {{4, 8}, {32, 1}}, {{4, 2}, {8, 128}}},
    {'B', 8, 64, {{4, 8}, {32, 1}}, {{4, 4}, {8, 128}}},
    {'D', 16, 8, {{4, 8}, {32, 1}}, {{2, 2}, {16, 8}}},
    {'D', 32, 8, {{4, 8}, {32, 1}}, {{2, 2}, {16, 8}}},
};
enum { SLOW_LAYOUTS = sizeof slow_layouts / sizeof *slow_layouts };

static inline slow_layout slow_layout_of(char operand, int bits, int columns) {
  const slow_layout none = {0, 0, 0, {{0}, {0}}, {{0}, {0}}};
  int i;
  for (i = 0; i < SLOW_LAYOUTS; ++i)
    if (slow_layouts[i].operand == operand && slow_layouts[i].bits == bits &&
        slow_layouts[i].columns == columns)
      return slow_layouts[i];
  return none;
}

/* B's fragment is a list of its columns: there the offset is n + 8 k. */
static inline slow_index slow_layout_index(slow_layout f, int lane, int value) {
  const int at = slow_mode_at(f.lane, lane) + slow_mode_at(f.value, value);
  slow_index x;
  x.row = f.operand == 'B' ? at / 8 : at % 16;
  x.col = f.operand == 'B' ? at % 8 : at / 16;
  return x;
}

/* ---- The manual's conditions --------------------------------------------- */

/* For `from` <= i < `to`: across = group + add, along = times * thread + plus,
 * and i's place in its range on top. The group is the lane's number of four,
 * the thread its place there. A: across is the row; B: along is the row. */
typedef struct slow_rule {
  char operand;
  int bits, columns, from, to, add, times, plus;
} slow_rule;

static const slow_rule slow_rules[] = {
    {'A', 16, 8, 0, 2, 0, 2, 0},    {'A', 16, 8, 2, 4, 8, 2, 0},
    {'A', 16, 16, 0, 2, 0, 2, 0},   {'A', 16, 16, 2, 4, 8, 2, 0},
    {'A', 16, 16, 4, 6, 0, 2, 8},   {'A', 16, 16, 6, 8, 8, 2, 8},
    {'A', 32, 4, 0, 1, 0, 1, 0},    {'A', 32, 4, 1, 2, 8, 1, 0},
    {'A', 32, 8, 0, 1, 0, 1, 0},    {'A', 32, 8, 1, 2, 8, 1, 0},
    {'A', 32, 8, 2, 3, 0, 1, 4},    {'A', 32, 8, 3, 4, 8, 1, 4},
    {'A', 8, 16, 0, 4, 0, 4, 0},    {'A', 8, 16, 4, 8, 8, 4, 0},
    {'A', 8, 32, 0, 4, 0, 4, 0},    {'A', 8, 32, 4, 8, 8, 4, 0},
    {'A', 8, 32, 8, 12, 0, 4, 16},  {'A', 8, 32, 12, 16, 8, 4, 16},
    {'B', 16, 8, 0, 2, 0, 2, 0},    {'B', 16, 16, 0, 2, 0, 2, 0},
    {'B', 16, 16, 2, 4, 0, 2, 8},   {'B', 16, 32, 0, 2, 0, 2, 0},
    {'B', 16, 32, 2, 4, 0, 2, 8},   {'B', 16, 32, 4, 6, 0, 2, 16},
    {'B', 16, 32, 6, 8, 0, 2, 24},  {'B', 32, 4, 0, 1, 0, 1, 0},
    {'B', 32, 8, 0, 1, 0, 1, 0},    {'B', 32, 8, 1, 2, 0, 1, 4},
    {'B', 32, 16, 0, 1, 0, 1, 0},   {'B', 32, 16, 1, 2, 0, 1, 4},
    {'B', 32, 16, 2, 3, 0, 1, 8},   {'B', 32, 16, 3, 4, 0, 1, 12},
    {'B', 8, 16, 0, 4, 0, 4, 0},    {'B', 8, 32, 0, 4, 0, 4, 0},
    {'B', 8, 32, 4, 8, 0, 4, 16},   {'B', 8, 64, 0, 4, 0, 4, 0},
    {'B', 8, 64, 4, 8, 0, 4, 16},   {'B', 8, 64, 8, 12, 0, 4, 32},
    {'B', 8, 64, 12, 16, 0, 4, 48}, {'D', 16, 8, 0, 2, 0, 2, 0},
    {'D', 16, 8, 2, 4, 8, 2, 0},    {'D', 32, 8, 0, 2, 0, 2, 0},
    {'D', 32, 8, 2, 4, 8, 2, 0},
};
enum { SLOW_RULES = sizeof slow_rules / sizeof *slow_rules };

/* A sparse A is described by the dense columns among which a_i was chosen: here
 * along is the first of them. */
typedef struct slow_sparse_rule {
  int bits, k, from, to, add, times, plus;
} slow_sparse_rule;

static const slow_sparse_rule slow_sparse_rules[] = {
    {16, 16, 0, 2, 0, 4, 0},  {16, 16, 2, 4, 8, 4, 0},
    {16, 32, 0, 2, 0, 4, 0},  {16, 32, 2, 4, 8, 4, 0},
    {16, 32, 4, 6, 0, 4, 16}, {16, 32, 6, 8, 8, 4, 16},
    {32, 16, 0, 1, 0, 2, 0},  {32, 16, 1, 2, 8, 2, 0},
    {32, 16, 2, 3, 0, 2, 8},  {32, 16, 3, 4, 8, 2, 8},
    {8, 64, 0, 4, 0, 8, 0},   {8, 64, 4, 8, 8, 8, 0},
    {8, 64, 8, 12, 0, 8, 32}, {8, 64, 12, 16, 8, 8, 32},
};
enum {
  SLOW_SPARSE_RULES = sizeof slow_sparse_rules / sizeof *slow_sparse_rules
};

static inline slow_index slow_rule_index(char operand, int bits, int columns,
                                         int lane, int i) {
  slow_index x = {-1, -1};
  int n;
  for (n = 0; n < SLOW_RULES; ++n) {
    const slow_rule r = slow_rules[n];
    if (r.operand == operand && r.bits == bits && r.columns == columns &&
        r.from <= i && i < r.to) {
      const int across = lane / 4 + r.add;
      const int along = r.times * (lane % 4) + r.plus + i - r.from;
      x.row = operand == 'B' ? along : across;
      x.col = operand == 'B' ? across : along;
    }
  }
  return x;
}

/* The row and the kept column of a sparse a_i: of the columns before its range
 * half were kept. */
static inline slow_index slow_sparse_rule_index(int bits, int k, int lane,
                                                int i) {
  slow_index x = {-1, -1};
  int n;
  for (n = 0; n < SLOW_SPARSE_RULES; ++n) {
    const slow_sparse_rule r = slow_sparse_rules[n];
    if (r.bits == bits && r.k == k && r.from <= i && i < r.to) {
      const int first = r.times * (lane % 4) + r.plus;
      x.row = lane / 4 + r.add;
      x.col = first / 2 + i - r.from;
    }
  }
  return x;
}

/* ---- Metadata: pictures -------------------------------------------------- */

enum { SLOW_NONE = -1 };

/* Which row and chunk nibble 0..7 of each lane's register names; SLOW_NONE in
 * both where the lane is not asked. */
typedef struct slow_metadata {
  slow_index at[32][8];
} slow_metadata;

static inline void slow_metadata_clear(slow_metadata *m) {
  int lane, nibble;
  for (lane = 0; lane < 32; ++lane)
    for (nibble = 0; nibble < 8; ++nibble)
      m->at[lane][nibble].row = m->at[lane][nibble].col = SLOW_NONE;
}

/* One group of four lanes serves rows g and g + 8, drawn one above the other.
 * Each character is a chunk: the lane of the four that holds its nibble, and,
 * in the second pair of lines, which of that lane's eight nibbles it is. */
typedef struct slow_picture {
  int bits, k, selector;
  const char *lane[2], *nibble[2];
} slow_picture;

/* clang-format off */
static const slow_picture slow_pictures[] = {
    {16, 16, 0, {"0000",
                 "0000"},             {"0123",
                                       "4567"}},
    {16, 16, 1, {"1111",
                 "1111"},             {"0123",
                                       "4567"}},
    {16, 16, 2, {"2222",
                 "2222"},             {"0123",
                                       "4567"}},
    {16, 16, 3, {"3333",
                 "3333"},             {"0123",
                                       "4567"}},
    {16, 32, 0, {"00001111",
                 "00001111"},         {"01230123",
                                       "45674567"}},
    {16, 32, 1, {"22223333",
                 "22223333"},         {"01230123",
                                       "45674567"}},
    {32, 16, 0, {"00001111",
                 "00001111"},         {"01230123",
                                       "45674567"}},
    {32, 16, 1, {"22223333",
                 "22223333"},         {"01230123",
                                       "45674567"}},
    {8, 64, 0,  {"0000000022222222",
                 "1111111133333333"}, {"0123456701234567",
                                       "0123456701234567"}},
};
/* clang-format on */
enum { SLOW_PICTURES = sizeof slow_pictures / sizeof *slow_pictures };

static inline void slow_picture_paint(slow_metadata *m, slow_picture p) {
  int g, half, c;
  slow_metadata_clear(m);
  for (g = 0; g < 8; ++g)
    for (half = 0; half < 2; ++half)
      for (c = 0; p.lane[half][c] != '\0'; ++c) {
        slow_index *at =
            &m->at[4 * g + p.lane[half][c] - '0'][p.nibble[half][c] - '0'];
        at->row = g + 8 * half;
        at->col = c;
      }
}

/* ---- Metadata: layouts --------------------------------------------------- */

/* Lane and dense column slot to an offset into 16 rows; a lane's digits are its
 * two lowest bits and its group. Where the second bit counts nothing, both
 * pairs of lanes may hold the same, and the selector says which is read. */
typedef struct slow_metadata_layout {
  int bits, k, chunk, pairs;
  slow_mode lane, value;
} slow_metadata_layout;

static const slow_metadata_layout slow_metadata_layouts[] = {
    {16, 32, 4, 2, {{2, 2, 8}, {256, 0, 1}}, {{16, 2}, {16, 8}}},
    {32, 16, 2, 2, {{2, 2, 8}, {128, 0, 1}}, {{8, 2}, {16, 8}}},
    {8, 64, 4, 1, {{2, 2, 8}, {8, 512, 1}}, {{32}, {16}}},
};
enum {
  SLOW_METADATA_LAYOUTS =
      sizeof slow_metadata_layouts / sizeof *slow_metadata_layouts
};

static inline void slow_metadata_lay(slow_metadata *m, slow_metadata_layout f,
                                     int selector) {
  int lane, value;
  slow_metadata_clear(m);
  for (lane = 0; lane < 32; ++lane)
    for (value = 0; value < slow_mode_size(f.value); value += f.chunk) {
      const int at = slow_mode_at(f.lane, lane) + slow_mode_at(f.value, value);
      if (f.pairs == 2 && lane % 4 / 2 != selector) continue;
      m->at[lane][value / f.chunk].row = at % 16;
      m->at[lane][value / f.chunk].col = at / 16 / f.chunk;
    }
}

/* ---- Metadata: the order of CUTLASS 2 ------------------------------------ */

/* A metadata element is 16 bits, 32 for 8-bit values. Two columns of them make
 * the tile: 32 rows of 16-bit elements, 16 rows of 32-bit ones, 32 words in
 * all. First the rows are dealt out like cards, then in each 2 x 2 block the
 * corners off the diagonal change places, then pairs of columns are stored
 * row by row. `word` and `nibble` come out for the tile's row and chunk. */
static inline void slow_cutlass_word(int bits, int row, int chunk, int *word,
                                     int *nibble) {
  const int per_element = bits == 8 ? 8 : 4, rows = bits == 8 ? 16 : 32;
  const int piles = rows / 8;
  int r = row % 8 * piles + row / 8, c = chunk / per_element, position;
  if (r % 2 != c) {
    r += c - r % 2;
    c = 1 - c;
  }
  position = (2 * r + c) * per_element + chunk % per_element;
  *word = position / 8;
  *nibble = position % 8;
}

/* Lane l loads word l; selector f of two reads rows 16 f to 16 f + 15. */
static inline void slow_cutlass_deal(slow_metadata *m, int bits, int selector) {
  const int chunks = bits == 8 ? 16 : 8;
  int row, chunk, word, nibble;
  slow_metadata_clear(m);
  for (row = 0; row < 16; ++row)
    for (chunk = 0; chunk < chunks; ++chunk) {
      slow_cutlass_word(bits, 16 * selector + row, chunk, &word, &nibble);
      m->at[word][nibble].row = row;
      m->at[word][nibble].col = chunk;
    }
}

#endif /* SSTE_SLOW_FRAGMENTS_H */
