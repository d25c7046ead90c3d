/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * slow_orders.h - storage orders and compression as their owners define them,
 * done instead of calculated. An order is a table that says for each chunk
 * where its nibble lies: CUTLASS 2 by moving words about and writing them down
 * one after another, CUTLASS 3 by a CuTe layout with nested shapes. A rule is a
 * list of the positions that are kept. It takes from sste_mma.h the names of
 * types, orders and rules, but neither code nor method.
 */
#ifndef SSTE_SLOW_ORDERS_H
#define SSTE_SLOW_ORDERS_H

#include "sste_mma.h"
#include "test.h"

/* ---- Types --------------------------------------------------------------- */

enum { SLOW_TYPES = SSTE_MMA_U8 + 1, SLOW_ORDERS = SSTE_MMA_CUTLASS3_SM90 + 1 };
enum { SLOW_RULES = SSTE_MMA_LIKE_CUTLASS3 + 1 };

static const struct {
  const char *name;
  size_t bytes, chunk;              /* of an element; elements of a chunk */
  int exponent_bits, mantissa_bits; /* 0 of an integer */
} slow_types[SLOW_TYPES] = {
    {"F16", 2, 4, 5, 10}, {"BF16", 2, 4, 8, 7}, {"TF32", 4, 2, 8, 23},
    {"E4M3", 1, 4, 4, 3}, {"E5M2", 1, 4, 5, 2}, {"S8", 1, 4, 0, 0},
    {"U8", 1, 4, 0, 0},
};

/* Zero is an integer 0, and a float with nothing but a sign. */
static inline int slow_is_zero(sste_mma_type type, uint32_t code) {
  const int digits =
      slow_types[type].exponent_bits + slow_types[type].mantissa_bits;
  return digits == 0 ? code == 0 : code % ((uint32_t)1 << digits) == 0;
}

/* The code of infinity; 0 of an integer. */
static inline uint32_t slow_infinity(sste_mma_type type) {
  const uint32_t exponents = (uint32_t)1 << slow_types[type].exponent_bits;
  return (exponents - 1) << slow_types[type].mantissa_bits;
}

/* ---- Orders -------------------------------------------------------------- */

/* Row by row; a row with an odd number of chunks ends in a place for nothing.
 * The orders fill at[row * chunks + chunk] and return the places there are. */
static inline size_t slow_row_major(size_t *at, size_t rows, size_t chunks) {
  size_t r, c, place = 0;
  for (r = 0; r < rows; ++r) {
    for (c = 0; c < chunks; ++c) at[r * chunks + c] = place++;
    place += place % 2;
  }
  return place;
}

/* CUTLASS 2 moves words: of 2 bytes, or of 4 where elements have 8 bits. A word
 * is followed by the place in the matrix that it is from. */
typedef struct slow_word {
  size_t row, col;
} slow_word;

static inline size_t slow_word_nibbles(sste_mma_type type) {
  return slow_types[type].bytes == 1 ? 8 : 4;
}
static inline size_t slow_hands(sste_mma_type type) {
  return slow_types[type].bytes == 1 ? 2 : 4;
}

/* Step 1: eight rows each are dealt to 2 or 4 hands, and then one is taken from
 * each hand in turn. */
static inline void slow_permute_rows(slow_word *words, size_t rows, size_t cols,
                                     size_t hands) {
  size_t group, i, hand, c, n = 0;
  for (group = 0; group < rows; group += 8 * hands)
    for (i = 0; i < 8; ++i)
      for (hand = 0; hand < hands; ++hand)
        for (c = 0; c < cols; ++c, ++n) {
          words[n].row = group + 8 * hand + i;
          words[n].col = c;
        }
}

/* Step 2: in each block of 2 x 2 words, upper right and lower left change
 * places. */
static inline void slow_swap_blocks(slow_word *words, size_t rows,
                                    size_t cols) {
  size_t r, c;
  for (r = 0; r < rows; r += 2)
    for (c = 0; c < cols; c += 2) {
      slow_word *right = &words[r * cols + c + 1];
      slow_word *left = &words[(r + 1) * cols + c];
      const slow_word w = *right;
      *right = *left;
      *left = w;
    }
}

/* Step 3: two columns of words at a time, written down row by row. */
static inline size_t slow_cutlass2(size_t *at, sste_mma_type type, size_t rows,
                                   size_t chunks) {
  const size_t nibbles = slow_word_nibbles(type), cols = chunks / nibbles;
  slow_word *words = (slow_word *)malloc(rows * cols * sizeof *words);
  size_t pair, r, c, i, place = 0;
  assert_non_null(words);
  slow_permute_rows(words, rows, cols, slow_hands(type));
  slow_swap_blocks(words, rows, cols);
  for (pair = 0; pair < cols; pair += 2)
    for (r = 0; r < rows; ++r)
      for (c = pair; c < pair + 2; ++c) {
        const slow_word *w = &words[r * cols + c];
        for (i = 0; i < nibbles; ++i)
          at[w->row * chunks + w->col * nibbles + i] = place++;
      }
  free(words);
  return place;
}

/* A mode of a CuTe layout. Coordinates are taken apart over the modes of their
 * side, the first mode fastest; of an ordered layout, step 0 has stride 1 and
 * each further step what the steps before it span. */
typedef struct slow_mode {
  size_t size;
  int step;
  size_t stride;
} slow_mode;

typedef struct slow_layout {
  slow_mode m[4], k[4]; /* down the rows, along the elements of a row */
} slow_layout;

static inline size_t slow_span(const slow_mode mode[4], int below) {
  size_t span = 1;
  int i;
  for (i = 0; i < 4; ++i)
    if (mode[i].step < below) span *= mode[i].size;
  return span;
}

static inline void slow_order_layout(slow_layout *l) {
  int i;
  for (i = 0; i < 4; ++i) {
    l->m[i].stride =
        slow_span(l->m, l->m[i].step) * slow_span(l->k, l->m[i].step);
    l->k[i].stride =
        slow_span(l->m, l->k[i].step) * slow_span(l->k, l->k[i].step);
  }
}

static inline size_t slow_offset(const slow_mode mode[4], size_t coordinate) {
  size_t offset = 0;
  int i;
  for (i = 0; i < 4; ++i) {
    offset += coordinate % mode[i].size * mode[i].stride;
    coordinate /= mode[i].size;
  }
  return offset;
}

/* The layout of an atom with one more mode on either side, which repeats it
 * first down the rows, then along them. 16-bit elements and TF32: 512 bits
 * along K are a block, of which four make 128 elements, of TF32 64. */
static inline slow_layout slow_sm90(sste_mma_type type, size_t rows,
                                    size_t cols) {
  const size_t half = 256 / (8 * slow_types[type].bytes);
  slow_layout blocks = {{{8, 3, 0}, {2, 1, 0}, {4, 5, 0}, {0, 6, 0}},
                        {{0, 0, 0}, {2, 4, 0}, {4, 2, 0}, {0, 7, 0}}};
  slow_layout panels = {{{64, 1, 0}, {1, 2, 0}, {1, 3, 0}, {0, 4, 0}},
                        {{128, 0, 0}, {1, 5, 0}, {1, 6, 0}, {0, 7, 0}}};
  slow_layout *l = slow_types[type].bytes == 1 ? &panels : &blocks;
  blocks.k[0].size = half;
  l->m[3].size = rows / 64;
  l->k[3].size = cols / (l->k[0].size * l->k[1].size * l->k[2].size);
  slow_order_layout(l);
  return *l;
}

static inline size_t slow_cutlass3(size_t *at, sste_mma_type type, size_t rows,
                                   size_t cols) {
  const size_t chunk = slow_types[type].chunk, chunks = cols / chunk;
  const slow_layout l = slow_sm90(type, rows, cols);
  size_t r, c;
  for (r = 0; r < rows; ++r)
    for (c = 0; c < chunks; ++c)
      at[r * chunks + c] =
          (slow_offset(l.m, r) + slow_offset(l.k, c * chunk)) / chunk;
  return rows * chunks;
}

static inline size_t slow_order(size_t *at, sste_mma_order order,
                                sste_mma_type type, size_t rows, size_t cols) {
  const size_t chunks = cols / slow_types[type].chunk;
  if (order == SSTE_MMA_ROW_MAJOR) return slow_row_major(at, rows, chunks);
  if (order == SSTE_MMA_CUTLASS2) return slow_cutlass2(at, type, rows, chunks);
  return slow_cutlass3(at, type, rows, cols);
}

/* What rows and columns must be multiples of: full chunks; full groups of hands
 * and pairs of words; full atoms. */
static inline size_t slow_tall(sste_mma_order order, sste_mma_type type) {
  if (order == SSTE_MMA_ROW_MAJOR) return 1;
  return order == SSTE_MMA_CUTLASS2 ? 8 * slow_hands(type) : 64;
}
static inline size_t slow_wide(sste_mma_order order, sste_mma_type type) {
  const size_t chunk = slow_types[type].chunk;
  if (order == SSTE_MMA_ROW_MAJOR) return chunk;
  if (order == SSTE_MMA_CUTLASS2) return 2 * slow_word_nibbles(type) * chunk;
  return type == SSTE_MMA_TF32 ? 64 : 128;
}

/* ---- Rules --------------------------------------------------------------- */

/* The positions kept, for each mask of non-zeros; null if they do not fit. */
static const char *const slow_kept[SLOW_RULES][16] = {
    /* SSTE */ {"01", "01", "01", "01", "02", "02", "12", NULL, "03", "03",
                "13", NULL, "23", NULL, NULL, NULL},
    /* TORCH */
    {"23", "02", "12", "01", "23", "02", "12", NULL, "23", "03", "13", NULL,
     "23", NULL, NULL, NULL},
    /* TORCH_2023 */
    {"23", "03", "13", "01", "23", "02", "12", NULL, "23", "03", "13", NULL,
     "23", NULL, NULL, NULL},
    /* CUTLASS3 */
    {"00", "03", "13", "01", "23", "02", "12", NULL, "03", "03", "13", NULL,
     "23", NULL, NULL, NULL},
};

/* Of TF32, where a chunk is two elements and one of them is kept. */
static const char *const slow_kept_tf32[SLOW_RULES][4] = {
    /* SSTE */ {"0", "0", "1", NULL},
    /* TORCH */ {"1", "0", "1", NULL},
    /* TORCH_2023 */ {"1", "0", "1", NULL},
    /* CUTLASS3 */ {"0", "0", "1", NULL},
};

static inline const char *slow_kept_by(sste_mma_rule rule, sste_mma_type type,
                                       int mask) {
  return type == SSTE_MMA_TF32 ? slow_kept_tf32[rule][mask]
                               : slow_kept[rule][mask];
}

/* Two bits a position. An element of TF32 is two of four halves. */
static inline int slow_nibble(sste_mma_rule rule, sste_mma_type type,
                              int mask) {
  const char *kept = slow_kept_by(rule, type, mask);
  if (kept == NULL) return -1;
  if (type == SSTE_MMA_TF32) kept = kept[0] == '0' ? "01" : "23";
  return (kept[0] - '0') + 4 * (kept[1] - '0');
}

static inline int slow_mask(sste_mma_type type, const uint32_t *chunk) {
  int i, mask = 0;
  for (i = 0; i < (int)slow_types[type].chunk; ++i)
    if (!slow_is_zero(type, chunk[i])) mask += 1 << i;
  return mask;
}

/* How sste.h stores an element: zeros as +0, and the NaNs of float types, whose
 * exponent is all ones and whose mantissa is not 0, as the quiet one. */
static inline uint32_t slow_stored(sste_mma_type type, uint32_t code) {
  const uint32_t unit = (uint32_t)1 << slow_types[type].mantissa_bits;
  const uint32_t inf = slow_infinity(type);
  if (slow_is_zero(type, code)) return 0;
  if (slow_types[type].bytes > 1 && (code & inf) == inf && code % unit != 0)
    return inf + unit / 2;
  return code;
}

/* The stored values of a chunk. */
static inline void slow_compress(uint32_t *values, const uint32_t *chunk,
                                 sste_mma_type type, sste_mma_rule rule) {
  const char *kept = slow_kept_by(rule, type, slow_mask(type, chunk));
  for (; *kept != '\0'; ++kept) {
    uint32_t code = chunk[*kept - '0'];
    if (rule == SSTE_MMA_LIKE_SSTE) code = slow_stored(type, code);
    if (rule == SSTE_MMA_LIKE_CUTLASS3 && slow_is_zero(type, code)) code = 0;
    *values++ = code;
  }
}

/* A chunk from its values: +0 but where the nibble's positions say. */
static inline void slow_decompress(uint32_t *chunk, const uint32_t *values,
                                   int nibble, sste_mma_type type) {
  memset(chunk, 0, slow_types[type].chunk * sizeof *chunk);
  if (type == SSTE_MMA_TF32) {
    chunk[nibble == 0xE] = values[0];
  } else {
    chunk[nibble % 4] = values[0];
    chunk[nibble / 4] = values[1];
  }
}

#endif /* SSTE_SLOW_ORDERS_H */
