/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_mma_layout.c - sste_mma.h, sections 1 and 4: which instructions there
 * are, and which lane and register holds which element and which nibble.
 *
 * That unpacking undoes packing proves nothing: a pair that is wrong alike on
 * both sides does so too. Every place is compared with slow_fragments.h, which
 * finds it by other means, and the end of this file shows that the comparison
 * sees what a round trip does not.
 */
#include <limits.h>

#include "slow_fragments.h"
#include "sste_mma.h"

/* ---- The instructions, written out --------------------------------------- */

/* The operands' types, that of the sum, and the lengths k that go with them;
 * 0 stands for no such length. */
typedef struct family {
  sste_mma_type a, b, d;
  int dense[2], sparse[2];
} family;

/* clang-format off */
static const family families[] = {
    {SSTE_MMA_F16,  SSTE_MMA_F16,  SSTE_MMA_F32, {8, 16},  {16, 32}},
    {SSTE_MMA_F16,  SSTE_MMA_F16,  SSTE_MMA_F16, {8, 16},  {16, 32}},
    {SSTE_MMA_BF16, SSTE_MMA_BF16, SSTE_MMA_F32, {8, 16},  {16, 32}},
    {SSTE_MMA_TF32, SSTE_MMA_TF32, SSTE_MMA_F32, {4, 8},   {16, 0}},
    {SSTE_MMA_E4M3, SSTE_MMA_E4M3, SSTE_MMA_F32, {16, 32}, {64, 0}},
    {SSTE_MMA_E4M3, SSTE_MMA_E5M2, SSTE_MMA_F32, {16, 32}, {64, 0}},
    {SSTE_MMA_E5M2, SSTE_MMA_E4M3, SSTE_MMA_F32, {16, 32}, {64, 0}},
    {SSTE_MMA_E5M2, SSTE_MMA_E5M2, SSTE_MMA_F32, {16, 32}, {64, 0}},
    {SSTE_MMA_E4M3, SSTE_MMA_E4M3, SSTE_MMA_F16, {16, 32}, {64, 0}},
    {SSTE_MMA_E4M3, SSTE_MMA_E5M2, SSTE_MMA_F16, {16, 32}, {64, 0}},
    {SSTE_MMA_E5M2, SSTE_MMA_E4M3, SSTE_MMA_F16, {16, 32}, {64, 0}},
    {SSTE_MMA_E5M2, SSTE_MMA_E5M2, SSTE_MMA_F16, {16, 32}, {64, 0}},
    {SSTE_MMA_S8,   SSTE_MMA_S8,   SSTE_MMA_S32, {16, 32}, {64, 0}},
    {SSTE_MMA_S8,   SSTE_MMA_U8,   SSTE_MMA_S32, {16, 32}, {64, 0}},
    {SSTE_MMA_U8,   SSTE_MMA_S8,   SSTE_MMA_S32, {16, 32}, {64, 0}},
    {SSTE_MMA_U8,   SSTE_MMA_U8,   SSTE_MMA_S32, {16, 32}, {64, 0}},
};
/* clang-format on */
enum { FAMILIES = sizeof families / sizeof *families, OPS = 51 };

/* By the width of A's elements: registers of A and of B, selectors. */
typedef struct shape {
  int bits, sparse, k, a, b, selectors;
} shape;

static const shape shapes[] = {
    {16, 0, 8, 2, 1, 0},  {16, 0, 16, 4, 2, 0}, {32, 0, 4, 2, 1, 0},
    {32, 0, 8, 4, 2, 0},  {8, 0, 16, 2, 1, 0},  {8, 0, 32, 4, 2, 0},
    {16, 1, 16, 2, 2, 4}, {16, 1, 32, 4, 4, 2}, {32, 1, 16, 4, 4, 2},
    {8, 1, 64, 4, 4, 1},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static const int width_of_type[] = {16, 16, 32, 8, 8, 8, 8, 32, 32};

static void list_ops(sste_mma_op ops[OPS]) {
  int i, j, n = 0;
  for (i = 0; i < FAMILIES; ++i)
    for (j = 0; j < 4; ++j) {
      const family f = families[i];
      const int k = j < 2 ? f.dense[j] : f.sparse[j - 2];
      const sste_mma_op op = {k, j >= 2, f.a, f.b, f.d, 0};
      if (k != 0) ops[n++] = op;
    }
  assert_int_equal(n, OPS);
}

/* One instruction of a shape: layouts depend on the widths alone. */
static sste_mma_op op_of_shape(shape s) {
  const sste_mma_type type = s.bits == 16   ? SSTE_MMA_F16
                             : s.bits == 32 ? SSTE_MMA_TF32
                                            : SSTE_MMA_S8;
  return s.sparse ? sste_mma_sparse(type, s.k) : sste_mma_dense(type, s.k);
}

static shape shape_of(sste_mma_op op) {
  int i;
  for (i = 0; i < SHAPES; ++i)
    if (shapes[i].bits == width_of_type[op.a] &&
        shapes[i].sparse == op.sparse && shapes[i].k == op.k)
      return shapes[i];
  fail_msg("no shape");
  return shapes[0];
}

static int is_listed(const sste_mma_op ops[OPS], sste_mma_op op) {
  int i;
  for (i = 0; i < OPS; ++i)
    if (ops[i].k == op.k && ops[i].sparse == op.sparse && ops[i].a == op.a &&
        ops[i].b == op.b && ops[i].d == op.d)
      return 1;
  return 0;
}

static void assert_check(const sste_mma_op ops[OPS], sste_mma_op op) {
  const int listed = is_listed(ops, op);
  if (sste_mma_op_check(op) != (listed ? SSTE_OK : SSTE_ERR_VALUE) ||
      (sste_mma_selectors(op) > 0) != (listed && op.sparse))
    fail_msg("k %d, sparse %d, types %d %d %d: legal is %d", op.k, op.sparse,
             (int)op.a, (int)op.b, (int)op.d, listed);
}

static void the_legal_instructions_are_these_51(void **state) {
  /* Lengths whose bits per row come out right in arithmetic of 32 bits. */
  static const int far[] = {INT_MIN,       INT_MAX,        16 - (1 << 28),
                            (1 << 27) + 8, (1 << 28) + 16, (1 << 29) + 32,
                            (1 << 30) + 64};
  sste_mma_op ops[OPS], op;
  int a, b, d, i;
  (void)state;
  list_ops(ops);
  memset(&op, 0, sizeof op);
  for (op.sparse = -1; op.sparse <= 2; ++op.sparse)
    for (a = -1; a <= SSTE_MMA_S32 + 1; ++a)
      for (b = -1; b <= SSTE_MMA_S32 + 1; ++b)
        for (d = -1; d <= SSTE_MMA_S32 + 1; ++d) {
          op.a = (sste_mma_type)a;
          op.b = (sste_mma_type)b;
          op.d = (sste_mma_type)d;
          for (op.k = -1; op.k <= 130; ++op.k) assert_check(ops, op);
          for (i = 0; i < (int)(sizeof far / sizeof *far); ++i) {
            op.k = far[i];
            assert_check(ops, op);
          }
        }
}

static void only_integers_saturate(void **state) {
  sste_mma_op ops[OPS];
  int i;
  (void)state;
  list_ops(ops);
  for (i = 0; i < OPS; ++i) {
    ops[i].saturate = 1;
    assert_int_equal(sste_mma_op_check(ops[i]),
                     ops[i].d == SSTE_MMA_S32 ? SSTE_OK : SSTE_ERR_VALUE);
    ops[i].saturate = 2;
    assert_int_equal(sste_mma_op_check(ops[i]), SSTE_ERR_VALUE);
  }
}

static void a_made_instruction_has_one_type_and_a_wide_sum(void **state) {
  int type, sparse;
  (void)state;
  for (type = SSTE_MMA_F16; type <= SSTE_MMA_U8; ++type)
    for (sparse = 0; sparse < 2; ++sparse) {
      const sste_mma_type t = (sste_mma_type)type;
      const sste_mma_op op =
          sparse ? sste_mma_sparse(t, 48) : sste_mma_dense(t, 48);
      assert_int_equal(op.k, 48);
      assert_int_equal(op.sparse, sparse);
      assert_int_equal(op.a, t);
      assert_int_equal(op.b, t);
      assert_int_equal(op.d, t == SSTE_MMA_S8 || t == SSTE_MMA_U8
                                 ? SSTE_MMA_S32
                                 : SSTE_MMA_F32);
      assert_int_equal(op.saturate, 0);
    }
}

static void registers_and_selectors_are_those_of_the_table(void **state) {
  sste_mma_op ops[OPS];
  int i;
  (void)state;
  list_ops(ops);
  for (i = 0; i < OPS; ++i) {
    const shape s = shape_of(ops[i]);
    assert_int_equal(sste_mma_registers(ops[i], SSTE_MMA_A), s.a);
    assert_int_equal(sste_mma_registers(ops[i], SSTE_MMA_B), s.b);
    assert_int_equal(sste_mma_registers(ops[i], SSTE_MMA_D),
                     ops[i].d == SSTE_MMA_F16 ? 2 : 4);
    assert_int_equal(sste_mma_selectors(ops[i]), s.selectors);
  }
}

static void the_legal_nibbles_are_six_and_of_tf32_two(void **state) {
  /* Two different positions, in order; of TF32's four halves, one pair. */
  static const char legal[] = "....4...89..CDE.", halves[] = "....4.........E.";
  int type, nibble;
  (void)state;
  for (type = SSTE_MMA_F16; type <= SSTE_MMA_U8; ++type)
    for (nibble = -2; nibble < 40; ++nibble) {
      const char *list = type == SSTE_MMA_TF32 ? halves : legal;
      const int ok = nibble >= 0 && nibble < 16 && list[nibble] != '.';
      assert_int_equal(sste_mma_nibble_check(nibble, (sste_mma_type)type),
                       ok ? SSTE_OK : SSTE_ERR_PATTERN);
    }
}

/* ---- Fragments ----------------------------------------------------------- */

static const char letter[] = "ABD";

static int rows_of(sste_mma_op op, sste_mma_operand which) {
  return which == SSTE_MMA_B ? op.k : 16;
}

static int cols_of(sste_mma_op op, sste_mma_operand which) {
  if (which != SSTE_MMA_A) return 8;
  return op.sparse ? op.k / 2 : op.k;
}

static int width_of(sste_mma_op op, sste_mma_operand which) {
  return width_of_type[which == SSTE_MMA_A   ? op.a
                       : which == SSTE_MMA_B ? op.b
                                             : op.d];
}

static slow_layout layout_of(sste_mma_op op, sste_mma_operand which) {
  const int columns = which == SSTE_MMA_B ? op.k : cols_of(op, which);
  const slow_layout f =
      slow_layout_of(letter[which], width_of(op, which), columns);
  assert_int_equal(f.operand, letter[which]);
  assert_int_equal(32 * slow_mode_size(f.value),
                   rows_of(op, which) * cols_of(op, which));
  return f;
}

static int is_place(sste_mma_place p, int lane, int reg, int bit) {
  return p.lane == lane && p.reg == reg && p.bit == bit;
}

/* Where a fragment's elements, or a tile's nibbles, are put: right or wrong. */
typedef struct places {
  sste_mma_place at[64][32]; /* by row and column */
} places;

static places places_of(sste_mma_op op, sste_mma_operand which) {
  places p;
  int row, col;
  memset(&p, 0, sizeof p);
  for (row = 0; row < rows_of(op, which); ++row)
    for (col = 0; col < cols_of(op, which); ++col)
      p.at[row][col] = sste_mma_place_of(op, which, row, col);
  return p;
}

/* How many elements stand elsewhere than where slow_fragments.h has them. */
static int misplaced(const places *p, sste_mma_op op, sste_mma_operand which) {
  const slow_layout f = layout_of(op, which);
  int lane, i, count = 0;
  for (lane = 0; lane < 32; ++lane)
    for (i = 0; i < slow_mode_size(f.value); ++i) {
      const int at = i * f.bits;
      const slow_index x = slow_layout_index(f, lane, i);
      const slow_index y =
          slow_rule_index(f.operand, f.bits, f.columns, lane, i);
      assert_true(x.row == y.row && x.col == y.col);
      count += !is_place(p->at[x.row][x.col], lane, at / 32, at % 32);
    }
  return count;
}

static void places_are_those_of_layouts_and_manual(void **state) {
  sste_mma_op ops[OPS];
  int i, w;
  (void)state;
  list_ops(ops);
  for (i = 0; i < OPS; ++i)
    for (w = SSTE_MMA_A; w <= SSTE_MMA_D; ++w) {
      const places p = places_of(ops[i], (sste_mma_operand)w);
      assert_int_equal(misplaced(&p, ops[i], (sste_mma_operand)w), 0);
    }
}

static void kept_values_stand_in_the_columns_the_manual_gives(void **state) {
  int n, lane, i;
  (void)state;
  for (n = 0; n < SHAPES; ++n) {
    const shape s = shapes[n];
    if (!s.sparse) continue;
    for (lane = 0; lane < 32; ++lane)
      for (i = 0; i < s.a * 32 / s.bits; ++i) {
        const slow_index x = slow_sparse_rule_index(s.bits, s.k, lane, i);
        const int at = i * s.bits;
        assert_true(is_place(
            sste_mma_place_of(op_of_shape(s), SSTE_MMA_A, x.row, x.col), lane,
            at / 32, at % 32));
      }
  }
}

static void every_slot_of_the_registers_holds_one_element(void **state) {
  sste_mma_op ops[OPS];
  int i, w, row, col, lane;
  (void)state;
  list_ops(ops);
  for (i = 0; i < OPS; ++i)
    for (w = SSTE_MMA_A; w <= SSTE_MMA_D; ++w) {
      const sste_mma_operand which = (sste_mma_operand)w;
      const int width = width_of(ops[i], which);
      const int registers = sste_mma_registers(ops[i], which);
      uint32_t filled[4][32] = {{0}};
      for (row = 0; row < rows_of(ops[i], which); ++row)
        for (col = 0; col < cols_of(ops[i], which); ++col) {
          const sste_mma_place p = sste_mma_place_of(ops[i], which, row, col);
          const uint32_t slot = (width == 32 ? 0xFFFFFFFFu : (1u << width) - 1u)
                                << p.bit;
          const sste_mma_index x = sste_mma_index_of(ops[i], which, p);
          assert_in_range(p.lane, 0, 31);
          assert_in_range(p.reg, 0, registers - 1);
          assert_int_equal(p.bit % width, 0);
          assert_int_equal(filled[p.reg][p.lane] & slot, 0);
          filled[p.reg][p.lane] |= slot;
          assert_int_equal(x.row, row);
          assert_int_equal(x.col, col);
        }
      for (lane = 0; lane < 32 * registers; ++lane)
        assert_int_equal(filled[lane / 32][lane % 32], 0xFFFFFFFFu);
    }
}

static void no_element_begins_off_its_slot(void **state) {
  sste_mma_op ops[OPS];
  int i, w;
  (void)state;
  list_ops(ops);
  for (i = 0; i < OPS; ++i)
    for (w = SSTE_MMA_A; w <= SSTE_MMA_D; ++w) {
      const sste_mma_operand which = (sste_mma_operand)w;
      const int registers = sste_mma_registers(ops[i], which);
      const int width = width_of(ops[i], which);
      sste_mma_place p;
      for (p.lane = -1; p.lane <= 32; ++p.lane)
        for (p.reg = -1; p.reg <= registers; ++p.reg)
          for (p.bit = -width; p.bit <= 32; ++p.bit) {
            const int begins = p.lane >= 0 && p.lane < 32 && p.reg >= 0 &&
                               p.reg < registers && p.bit >= 0 && p.bit < 32 &&
                               p.bit % width == 0;
            const sste_mma_index x = sste_mma_index_of(ops[i], which, p);
            assert_int_equal(x.row >= 0, begins);
            if (!begins) assert_int_equal(x.row, -1);
          }
    }
}

/* ---- Loading and storing ------------------------------------------------- */

/* Matrices of up to 16 x 64 elements, each row followed by a margin. */
enum { MARGIN = 3, CELLS = 16 * (64 + MARGIN), GUARD = 8 };

typedef struct matrix {
  uint8_t bytes[4 * CELLS];
} matrix;

static uint32_t cell_get(const matrix *m, int i, int bits) {
  uint16_t half;
  uint32_t word;
  if (bits == 8) return m->bytes[i];
  memcpy(&half, m->bytes + 2 * i, 2);
  if (bits == 16) return half;
  memcpy(&word, m->bytes + 4 * i, 4);
  return word;
}

static void cell_set(matrix *m, int i, int bits, uint32_t x) {
  const uint16_t half = (uint16_t)x;
  if (bits == 8) m->bytes[i] = (uint8_t)x;
  if (bits == 16) memcpy(m->bytes + 2 * i, &half, 2);
  if (bits == 32) memcpy(m->bytes + 4 * i, &x, 4);
}

static void random_bytes(void *p, size_t bytes, uint64_t *rng) {
  uint8_t *b = (uint8_t *)p;
  size_t i;
  for (i = 0; i < bytes; ++i) b[i] = (uint8_t)test_random(rng);
}

/* Where an element stands in memory: B is given by its columns. */
static int cell_of(slow_index x, char operand, int ld) {
  return operand == 'B' ? x.col * ld + x.row : x.row * ld + x.col;
}

/* Registers from a matrix, or a matrix from registers, by the layouts. */
static void slow_load(uint32_t *regs, slow_layout f, const matrix *m, int ld) {
  int lane, i;
  for (lane = 0; lane < 32; ++lane)
    for (i = 0; i < slow_mode_size(f.value); ++i) {
      const int cell = cell_of(slow_layout_index(f, lane, i), f.operand, ld);
      const int at = i * f.bits;
      uint32_t *reg = &regs[32 * (at / 32) + lane];
      if (at % 32 == 0) *reg = 0;
      *reg |= cell_get(m, cell, f.bits) << at % 32;
    }
}

static void slow_store(matrix *m, int ld, slow_layout f, const uint32_t *regs) {
  int lane, i;
  for (lane = 0; lane < 32; ++lane)
    for (i = 0; i < slow_mode_size(f.value); ++i) {
      const int at = i * f.bits;
      cell_set(m, cell_of(slow_layout_index(f, lane, i), f.operand, ld), f.bits,
               regs[32 * (at / 32) + lane] >> at % 32);
    }
}

/* A row of memory: of A and D a row, of B a column. */
static int length_of(sste_mma_op op, sste_mma_operand which) {
  return which == SSTE_MMA_B ? op.k : cols_of(op, which);
}

static void loading_fills_the_registers_and_no_more(void **state) {
  uint64_t rng = test_seed();
  sste_mma_op ops[OPS];
  int i, w, margin;
  (void)state;
  list_ops(ops);
  for (i = 0; i < OPS; ++i)
    for (w = SSTE_MMA_A; w <= SSTE_MMA_D; ++w)
      for (margin = 0; margin <= MARGIN; margin += MARGIN) {
        const sste_mma_operand which = (sste_mma_operand)w;
        const int ld = length_of(ops[i], which) + margin;
        uint32_t got[4 * 32 + GUARD], want[4 * 32 + GUARD];
        matrix m;
        random_bytes(&m, sizeof m, &rng);
        test_poison(got, sizeof got);
        test_poison(want, sizeof want);
        slow_load(want, layout_of(ops[i], which), &m, ld);
        assert_int_equal(sste_mma_load(got, ops[i], which, m.bytes, (size_t)ld),
                         SSTE_OK);
        assert_memory_equal(got, want, sizeof got);
      }
}

static void storing_writes_the_matrix_and_no_more(void **state) {
  uint64_t rng = test_seed() + 1;
  sste_mma_op ops[OPS];
  int i, w, margin;
  (void)state;
  list_ops(ops);
  for (i = 0; i < OPS; ++i)
    for (w = SSTE_MMA_A; w <= SSTE_MMA_D; ++w)
      for (margin = 0; margin <= MARGIN; margin += MARGIN) {
        const sste_mma_operand which = (sste_mma_operand)w;
        const int ld = length_of(ops[i], which) + margin;
        uint32_t regs[4 * 32];
        matrix got, want;
        random_bytes(regs, sizeof regs, &rng);
        test_poison(&got, sizeof got);
        test_poison(&want, sizeof want);
        slow_store(&want, ld, layout_of(ops[i], which), regs);
        assert_int_equal(
            sste_mma_store(got.bytes, (size_t)ld, ops[i], which, regs),
            SSTE_OK);
        assert_memory_equal(&got, &want, sizeof got);
      }
}

/* ---- Metadata registers -------------------------------------------------- */

static int chunks_of(sste_mma_op op) {
  return op.a == SSTE_MMA_TF32 ? op.k / 2 : op.k / 4;
}

static slow_metadata picture_of(sste_mma_op op, int selector) {
  slow_metadata m;
  int i, found = 0;
  slow_metadata_clear(&m);
  for (i = 0; i < SLOW_PICTURES; ++i)
    if (slow_pictures[i].bits == width_of_type[op.a] &&
        slow_pictures[i].k == op.k && slow_pictures[i].selector == selector) {
      slow_picture_paint(&m, slow_pictures[i]);
      ++found;
    }
  assert_int_equal(found, 1);
  return m;
}

static int asks(const slow_metadata *m, int lane) {
  return m->at[lane][0].row != SLOW_NONE;
}

static places meta_places_of(sste_mma_op op, int selector) {
  places p;
  int row, chunk;
  memset(&p, 0, sizeof p);
  for (row = 0; row < 16; ++row)
    for (chunk = 0; chunk < chunks_of(op); ++chunk)
      p.at[row][chunk] = sste_mma_meta_place(op, selector, row, chunk);
  return p;
}

/* How many nibbles stand elsewhere than a picture has them. */
static int meta_misplaced(const places *p, sste_mma_op op,
                          const slow_metadata *m) {
  int lane, i, nibbles = 0, count = 0;
  for (lane = 0; lane < 32; ++lane)
    for (i = 0; i < 8; ++i) {
      const slow_index x = m->at[lane][i];
      if (x.row == SLOW_NONE) continue;
      count += !is_place(p->at[x.row][x.col], lane, 0, 4 * i);
      ++nibbles;
    }
  assert_int_equal(nibbles, 16 * chunks_of(op));
  return count;
}

static void metadata_stand_as_pictured(void **state) {
  sste_mma_op ops[OPS];
  int i, f;
  (void)state;
  list_ops(ops);
  for (i = 0; i < OPS; ++i)
    for (f = 0; f < sste_mma_selectors(ops[i]); ++f) {
      const slow_metadata m = picture_of(ops[i], f);
      const places p = meta_places_of(ops[i], f);
      assert_int_equal(meta_misplaced(&p, ops[i], &m), 0);
    }
}

static void metadata_stand_as_layouts_and_storage_have_it(void **state) {
  int i, f;
  (void)state;
  for (i = 0; i < SLOW_METADATA_LAYOUTS; ++i) {
    const slow_metadata_layout l = slow_metadata_layouts[i];
    const shape s = {l.bits, 1, l.k, 0, 0, 0};
    const sste_mma_op op = op_of_shape(s);
    assert_int_equal(sste_mma_selectors(op), l.pairs);
    for (f = 0; f < l.pairs; ++f) {
      const places p = meta_places_of(op, f);
      slow_metadata m;
      slow_metadata_lay(&m, l, f);
      assert_int_equal(meta_misplaced(&p, op, &m), 0);
      slow_cutlass_deal(&m, l.bits, f);
      assert_int_equal(meta_misplaced(&p, op, &m), 0);
    }
  }
}

static void metadata_are_found_again_and_nowhere_else(void **state) {
  sste_mma_op ops[OPS];
  int i, f;
  (void)state;
  list_ops(ops);
  for (i = 0; i < OPS; ++i)
    for (f = 0; f < sste_mma_selectors(ops[i]); ++f) {
      const slow_metadata m = picture_of(ops[i], f);
      sste_mma_place p;
      for (p.lane = -1; p.lane <= 32; ++p.lane)
        for (p.reg = -1; p.reg <= 1; ++p.reg)
          for (p.bit = -4; p.bit <= 32; ++p.bit) {
            const int begins = p.lane >= 0 && p.lane < 32 && p.reg == 0 &&
                               p.bit >= 0 && p.bit < 32 && p.bit % 4 == 0;
            const sste_mma_index x = sste_mma_meta_index(ops[i], f, p);
            assert_int_equal(x.row,
                             begins ? m.at[p.lane][p.bit / 4].row : SLOW_NONE);
            if (x.row >= 0)
              assert_int_equal(x.col, m.at[p.lane][p.bit / 4].col);
          }
    }
}

/* Nibbles in memory: row by row, the even one in the low half of its byte. */
enum { META_LD = 11, META_BYTES = 64 * META_LD };

static int nibble_get(const uint8_t *meta, int row, int chunk) {
  return meta[row * META_LD + chunk / 2] >> 4 * (chunk % 2) & 0xF;
}

static void nibble_set(uint8_t *meta, int row, int chunk, int nibble) {
  uint8_t *b = &meta[row * META_LD + chunk / 2];
  const int shift = 4 * (chunk % 2);
  *b = (uint8_t)((*b & 0xF0 >> shift) | nibble << shift);
}

static void loading_metadata_leaves_other_lanes_alone(void **state) {
  uint64_t rng = test_seed() + 2;
  sste_mma_op ops[OPS];
  int i, f, lane, n;
  (void)state;
  list_ops(ops);
  for (i = 0; i < OPS; ++i)
    for (f = 0; f < sste_mma_selectors(ops[i]); ++f) {
      const slow_metadata m = picture_of(ops[i], f);
      uint8_t meta[META_BYTES];
      uint32_t e[32], want[32];
      random_bytes(meta, sizeof meta, &rng);
      random_bytes(e, sizeof e, &rng);
      memcpy(want, e, sizeof e);
      for (lane = 0; lane < 32; ++lane)
        for (n = 0; n < 8 && asks(&m, lane); ++n) {
          const slow_index x = m.at[lane][n];
          want[lane] &= ~(0xFu << 4 * n);
          want[lane] |= (uint32_t)nibble_get(meta, x.row, x.col) << 4 * n;
        }
      assert_int_equal(sste_mma_meta_load(e, ops[i], f, meta, META_LD),
                       SSTE_OK);
      assert_memory_equal(e, want, sizeof e);
    }
}

static void storing_metadata_writes_them_and_no_more(void **state) {
  uint64_t rng = test_seed() + 3;
  sste_mma_op ops[OPS];
  int i, f, lane, n;
  (void)state;
  list_ops(ops);
  for (i = 0; i < OPS; ++i)
    for (f = 0; f < sste_mma_selectors(ops[i]); ++f) {
      const slow_metadata m = picture_of(ops[i], f);
      uint8_t got[META_BYTES], want[META_BYTES];
      uint32_t e[32];
      random_bytes(e, sizeof e, &rng);
      test_poison(got, sizeof got);
      test_poison(want, sizeof want);
      for (lane = 0; lane < 32; ++lane)
        for (n = 0; n < 8 && asks(&m, lane); ++n)
          nibble_set(want, m.at[lane][n].row, m.at[lane][n].col,
                     (int)(e[lane] >> 4 * n & 0xF));
      assert_int_equal(sste_mma_meta_store(got, META_LD, ops[i], f, e),
                       SSTE_OK);
      assert_memory_equal(got, want, sizeof got);
    }
}

/* Written out: the positions that each legal nibble keeps. */
static void nibbles_keep_the_positions_they_name(void **state) {
  static const int keeps[6][3] = {{0x4, 0, 1}, {0x8, 0, 2}, {0xC, 0, 3},
                                  {0x9, 1, 2}, {0xD, 1, 3}, {0xE, 2, 3}};
  int n, i;
  (void)state;
  for (n = 0; n < 6; ++n)
    for (i = 0; i < 2; ++i) {
      assert_int_equal(sste_mma_position(keeps[n][0], SSTE_MMA_BF16, i),
                       keeps[n][1 + i]);
      assert_int_equal(sste_mma_position(keeps[n][0], SSTE_MMA_U8, i),
                       keeps[n][1 + i]);
    }
  assert_int_equal(sste_mma_position(0x4, SSTE_MMA_TF32, 0), 0);
  assert_int_equal(sste_mma_position(0xE, SSTE_MMA_TF32, 0), 1);
}

static void what_is_no_instruction_has_no_elements(void **state) {
  const sste_mma_place first = {0, 0, 0};
  const sste_mma_op dense = sste_mma_dense(SSTE_MMA_F16, 16);
  const sste_mma_op op = sste_mma_sparse(SSTE_MMA_F16, 32);
  const sste_mma_op none = sste_mma_sparse(SSTE_MMA_F16, INT_MAX);
  (void)state;
  assert_int_equal(sste_mma_index_of(op, SSTE_MMA_B, first).row, 0);
  assert_int_equal(sste_mma_index_of(none, SSTE_MMA_B, first).row, -1);
  assert_int_equal(sste_mma_index_of(op, (sste_mma_operand)3, first).row, -1);
  assert_int_equal(sste_mma_meta_index(op, 0, first).row, 0);
  assert_int_equal(sste_mma_meta_index(none, 0, first).row, -1);
  assert_int_equal(sste_mma_meta_index(dense, 0, first).row, -1);
  assert_int_equal(sste_mma_meta_index(op, INT_MAX, first).row, -1);
  assert_int_equal(sste_mma_meta_index(op, INT_MIN, first).row, -1);
}

static void the_examples_of_the_comments_hold(void **state) {
  const sste_mma_op op = sste_mma_sparse(SSTE_MMA_F16, 32);
  uint8_t in[128] = {0}, out[128] = {0};
  (void)state;
  assert_int_equal(sste_mma_position(0xD, SSTE_MMA_F16, 1), 3);
  assert_true(is_place(sste_mma_place_of(op, SSTE_MMA_A, 9, 3), 5, 1, 16));
  assert_true(is_place(sste_mma_meta_place(op, 1, 9, 5), 7, 0, 20));
  in[2] = 0xE4;
  assert_int_equal(
      sste_mma_meta_reorder(out, SSTE_MMA_ROW_MAJOR, in, SSTE_MMA_CUTLASS2,
                            SSTE_MMA_F16, 32, 32),
      SSTE_OK);
  assert_int_equal(out[32], 0xE4);
}

/* ---- One word a lane ----------------------------------------------------- */

/* In the order of CUTLASS 2 a tile of two instructions (of 8-bit values, one)
 * is 32 words, and lane l's register is word l whatever the selector. Tiles
 * follow each other down the rows, then along them. */
static void check_words(sste_mma_type type, int tiles_down, int tiles_along) {
  const int bits = width_of_type[type];
  const int height = bits == 8 ? 16 : 32, chunks = bits == 8 ? 16 : 8;
  const size_t rows = (size_t)(tiles_down * height);
  const size_t cols =
      (size_t)(tiles_along * chunks * (type == SSTE_MMA_TF32 ? 2 : 4));
  int row, chunk, word, nibble;
  for (row = 0; row < tiles_down * height; ++row)
    for (chunk = 0; chunk < tiles_along * chunks; ++chunk) {
      const int tile = chunk / chunks * tiles_down + row / height;
      slow_cutlass_word(bits, row % height, chunk % chunks, &word, &nibble);
      assert_int_equal(sste_mma_meta_at(SSTE_MMA_CUTLASS2, type, rows, cols,
                                        (size_t)row, (size_t)chunk),
                       8 * (32 * tile + word) + nibble);
    }
}

static void a_stored_tile_is_one_word_a_lane(void **state) {
  int type;
  (void)state;
  for (type = SSTE_MMA_F16; type <= SSTE_MMA_U8; ++type) {
    check_words((sste_mma_type)type, 1, 1);
    check_words((sste_mma_type)type, 3, 2);
  }
}

/* The same through the library alone: a tile of random nibbles, reordered,
 * against the registers that loading fills. */
static void both_selectors_read_the_same_words(void **state) {
  static const sste_mma_type types[] = {
      SSTE_MMA_F16, SSTE_MMA_BF16, SSTE_MMA_TF32, SSTE_MMA_E4M3, SSTE_MMA_S8};
  uint64_t rng = test_seed() + 4;
  int t, f, lane, n;
  (void)state;
  for (t = 0; t < (int)(sizeof types / sizeof *types); ++t) {
    const int bits = width_of_type[types[t]];
    const sste_mma_op op = sste_mma_sparse(types[t], bits == 8    ? 64
                                                     : bits == 16 ? 32
                                                                  : 16);
    const size_t ldm = (size_t)chunks_of(op) / 2;
    const size_t rows = bits == 8 ? 16 : 32;
    uint8_t rowwise[128], stored[128];
    uint32_t e[32];
    random_bytes(rowwise, sizeof rowwise, &rng);
    assert_int_equal(
        sste_mma_meta_reorder(stored, SSTE_MMA_CUTLASS2, rowwise,
                              SSTE_MMA_ROW_MAJOR, types[t], rows, (size_t)op.k),
        SSTE_OK);
    test_poison(e, sizeof e);
    for (f = 0; f < sste_mma_selectors(op); ++f)
      assert_int_equal(
          sste_mma_meta_load(e, op, f, rowwise + 16 * (size_t)f * ldm, ldm),
          SSTE_OK);
    for (lane = 0; lane < 32; ++lane)
      for (n = 0; n < 4; ++n)
        assert_int_equal(e[lane] >> 8 * n & 0xFF, stored[4 * lane + n]);
  }
}

/* ---- What a round trip does not see -------------------------------------- */

/* One product of S8, m16n8k64: its operands as elements (of the metadata: as
 * nibbles), and the sums by the definition. */
enum { ELEMENTS = 512, OPERANDS = 3 };

typedef struct elements {
  int rows, cols, width;
  uint8_t at[ELEMENTS];
} elements;

typedef struct problem {
  elements operand[OPERANDS]; /* A, B, metadata */
  int32_t sum[16][8];
} problem;

static sste_mma_op s8_k64(void) { return sste_mma_sparse(SSTE_MMA_S8, 64); }

static elements random_elements(int rows, int cols, uint64_t *rng) {
  elements x = {0, 0, 8, {0}};
  x.rows = rows;
  x.cols = cols;
  random_bytes(x.at, sizeof x.at, rng);
  return x;
}

static problem random_problem(uint64_t *rng) {
  static const uint8_t legal[] = {0x4, 0x8, 0x9, 0xC, 0xD, 0xE};
  problem p;
  int i, j, q;
  p.operand[0] = random_elements(16, 32, rng);
  p.operand[1] = random_elements(64, 8, rng);
  p.operand[2] = random_elements(16, 16, rng);
  p.operand[2].width = 4;
  for (i = 0; i < 16 * 16; ++i)
    p.operand[2].at[i] = legal[test_random(rng) % 6];
  memset(p.sum, 0, sizeof p.sum);
  for (i = 0; i < 16; ++i)
    for (q = 0; q < 32; ++q) {
      const int nibble = p.operand[2].at[16 * i + q / 2];
      const int k = 4 * (q / 2) + (nibble >> 2 * (q % 2) & 3);
      for (j = 0; j < 8; ++j)
        p.sum[i][j] += (int8_t)p.operand[0].at[32 * i + q] *
                       (int8_t)p.operand[1].at[8 * k + j];
    }
  return p;
}

static void pack(uint32_t regs[4 * 32], const elements *x, const places *p) {
  int row, col;
  memset(regs, 0, 4 * 32 * sizeof *regs);
  for (row = 0; row < x->rows; ++row)
    for (col = 0; col < x->cols; ++col) {
      const sste_mma_place at = p->at[row][col];
      regs[32 * at.reg + at.lane] |= (uint32_t)x->at[row * x->cols + col]
                                     << at.bit;
    }
}

static int unpacks(const uint32_t regs[4 * 32], const elements *x,
                   const places *p) {
  int row, col, same = 1;
  for (row = 0; row < x->rows; ++row)
    for (col = 0; col < x->cols; ++col) {
      const sste_mma_place at = p->at[row][col];
      same &= (regs[32 * at.reg + at.lane] >> at.bit &
               ((1u << x->width) - 1)) == x->at[row * x->cols + col];
    }
  return same;
}

/* The sums that come out wrong when the operands are packed as p says; what
 * was packed must come back when it is unpacked alike. */
static int wrong_sums(const problem *x, const places p[OPERANDS]) {
  const slow_layout f = slow_layout_of('D', 32, 8);
  const uint32_t c[4 * 32] = {0};
  uint32_t regs[OPERANDS][4 * 32], d[4 * 32];
  int i, lane, wrong = 0;
  for (i = 0; i < OPERANDS; ++i) {
    pack(regs[i], &x->operand[i], &p[i]);
    assert_true(unpacks(regs[i], &x->operand[i], &p[i]));
  }
  assert_int_equal(sste_mma_sp(d, regs[0], regs[1], c, regs[2], 0, s8_k64(),
                               sste_mma_ampere(SSTE_MMA_S8), NULL, NULL),
                   SSTE_OK);
  for (lane = 0; lane < 32; ++lane)
    for (i = 0; i < 4; ++i) {
      const slow_index s = slow_layout_index(f, lane, i);
      wrong += (int32_t)d[32 * i + lane] != x->sum[s.row][s.col];
    }
  return wrong;
}

static void right_places(places p[OPERANDS]) {
  p[0] = places_of(s8_k64(), SSTE_MMA_A);
  p[1] = places_of(s8_k64(), SSTE_MMA_B);
  p[2] = meta_places_of(s8_k64(), 0);
}

static int misplaced_in(const places p[OPERANDS], int operand) {
  const slow_metadata m = picture_of(s8_k64(), 0);
  if (operand == 2) return meta_misplaced(&p[2], s8_k64(), &m);
  return misplaced(&p[operand], s8_k64(), (sste_mma_operand)operand);
}

static void the_right_places_give_the_right_sums(void **state) {
  uint64_t rng = test_seed() + 5;
  places p[OPERANDS];
  int i;
  (void)state;
  right_places(p);
  for (i = 0; i < 50; ++i) {
    const problem x = random_problem(&rng);
    assert_int_equal(wrong_sums(&x, p), 0);
  }
}

/* A layout one could believe in, and one that has been published: the halves of
 * a word for rows g and g + 8, as in 16-bit types. Half of it is right. */
static void a_believable_wrong_metadata_layout_is_seen(void **state) {
  uint64_t rng = test_seed() + 6;
  const problem x = random_problem(&rng);
  places p[OPERANDS];
  int row, chunk;
  (void)state;
  right_places(p);
  for (row = 0; row < 16; ++row)
    for (chunk = 0; chunk < 16; ++chunk) {
      sste_mma_place *at = &p[2].at[row][chunk];
      at->lane = 4 * (row & 7) + (chunk >> 2);
      at->bit = 16 * (row >> 3) + 4 * (chunk & 3);
    }
  assert_int_equal(misplaced_in(p, 2), 128);
  assert_in_range(wrong_sums(&x, p), 100, 128);
}

static void two_exchanged_registers_are_seen(void **state) {
  uint64_t rng = test_seed() + 7;
  const problem x = random_problem(&rng);
  int operand, row, col;
  (void)state;
  for (operand = 0; operand < 2; ++operand) {
    places p[OPERANDS];
    right_places(p);
    for (row = 0; row < x.operand[operand].rows; ++row)
      for (col = 0; col < x.operand[operand].cols; ++col) {
        int *reg = &p[operand].at[row][col].reg;
        if (*reg == 1 || *reg == 2) *reg = 3 - *reg;
      }
    assert_int_equal(misplaced_in(p, operand), 256);
    assert_in_range(wrong_sums(&x, p), 100, 128);
  }
}

/* Bit b of a place: five of the lane, two of the register, and those of the
 * element's place in it. */
static void turn(places *p, const elements *x, int b) {
  int row, col;
  for (row = 0; row < x->rows; ++row)
    for (col = 0; col < x->cols; ++col) {
      sste_mma_place *at = &p->at[row][col];
      if (b < 5)
        at->lane ^= 1 << b;
      else if (b < 10)
        at->bit ^= 1 << (b - 5);
      else
        at->reg ^= 1 << (b - 10);
    }
}

static void a_layout_wrong_in_one_bit_is_seen(void **state) {
  uint64_t rng = test_seed() + 8;
  const problem x = random_problem(&rng);
  int operand, b;
  (void)state;
  for (operand = 0; operand < OPERANDS; ++operand)
    for (b = 0; b < (operand == 2 ? 10 : 12); ++b) {
      const elements *cells = &x.operand[operand];
      places p[OPERANDS];
      if (b >= 5 && b < 10 && 1 << (b - 5) < cells->width) continue;
      right_places(p);
      turn(&p[operand], cells, b);
      assert_int_equal(misplaced_in(p, operand), cells->rows * cells->cols);
      assert_in_range(wrong_sums(&x, p), 100, 128);
    }
}

/* 16 rows of legal nibbles, row-major without gaps. */
static void legal_metadata(uint8_t meta[128], sste_mma_op op, uint64_t *rng) {
  static const uint8_t legal[] = {0x4, 0xE, 0x8, 0x9, 0xC, 0xD};
  int i;
  memset(meta, 0, 128);
  for (i = 0; i < 16 * chunks_of(op); ++i) {
    const uint64_t pick = test_random(rng) % (op.a == SSTE_MMA_TF32 ? 2 : 6);
    meta[i / 2] |= (uint8_t)(legal[pick] << 4 * (i % 2));
  }
}

/* The dense matrix of such metadata, every stored value being the same. */
typedef struct expansion {
  sste_status status;
  size_t row, chunk;
  uint8_t bytes[16 * 64 * 4];
} expansion;

static void expand(expansion *x, sste_mma_op op, const uint8_t meta[128]) {
  const size_t k = (size_t)op.k;
  uint8_t values[16 * 32 * 4];
  memset(values, 0x31, sizeof values);
  memset(x, 0, sizeof *x);
  x->status =
      sste_mma_decompress(x->bytes, k, values, k / 2, meta, SSTE_MMA_ROW_MAJOR,
                          16, k, op.a, &x->row, &x->chunk);
}

/* Every bit of the metadata counts: turned, the nibble is illegal or the matrix
 * another one. Bits of lanes that are not asked do not count. */
static void check_flips(sste_mma_op op, int selector, uint64_t *rng) {
  const slow_metadata m = picture_of(op, selector);
  const size_t ldm = (size_t)chunks_of(op) / 2;
  int lane, bit, refused = 0, differ = 0;
  uint8_t meta[128];
  uint32_t e[32];
  expansion straight, turned;
  legal_metadata(meta, op, rng);
  expand(&straight, op, meta);
  assert_int_equal(straight.status, SSTE_OK);
  random_bytes(e, sizeof e, rng);
  assert_int_equal(sste_mma_meta_load(e, op, selector, meta, ldm), SSTE_OK);
  for (lane = 0; lane < 32; ++lane)
    for (bit = 0; bit < 32; ++bit) {
      const slow_index x = m.at[lane][bit / 4];
      e[lane] ^= 1u << bit;
      assert_int_equal(sste_mma_meta_store(meta, ldm, op, selector, e),
                       SSTE_OK);
      e[lane] ^= 1u << bit;
      expand(&turned, op, meta);
      if (!asks(&m, lane)) {
        assert_memory_equal(&turned, &straight, sizeof straight);
      } else if (turned.status == SSTE_ERR_PATTERN) {
        assert_true((int)turned.row == x.row && (int)turned.chunk == x.col);
        ++refused;
      } else {
        assert_int_equal(turned.status, SSTE_OK);
        assert_memory_not_equal(turned.bytes, straight.bytes,
                                sizeof straight.bytes);
        ++differ;
      }
    }
  /* Between TF32's two nibbles lie two bits. */
  assert_int_equal(refused + differ, 16 * 4 * chunks_of(op));
  assert_true(refused > 0 && (differ == 0) == (op.a == SSTE_MMA_TF32));
}

static void every_bit_of_the_metadata_counts(void **state) {
  uint64_t rng = test_seed() + 9;
  sste_mma_op ops[OPS];
  int i, f;
  (void)state;
  list_ops(ops);
  for (i = 0; i < OPS; ++i)
    for (f = 0; f < sste_mma_selectors(ops[i]); ++f)
      check_flips(ops[i], f, &rng);
}

/* ---- Errors -------------------------------------------------------------- */

/* An arena for two arguments, so that they can be made to meet. */
enum { ARENA = 2048 };

typedef struct arena {
  uint32_t words[ARENA];
} arena;

static arena poisoned(void) {
  arena x;
  test_poison(&x, sizeof x);
  return x;
}

/* Both directions refuse for the same reason, and write nothing. */
static void refuse(sste_status want, arena *x, uint32_t *regs, sste_mma_op op,
                   int which, void *where, size_t ld) {
  const arena before = poisoned();
  const sste_mma_operand w = (sste_mma_operand)which;
  *x = before;
  assert_int_equal(sste_mma_load(regs, op, w, where, ld), want);
  assert_int_equal(sste_mma_store(where, ld, op, w, regs), want);
  if (want != SSTE_OK) assert_memory_equal(x, &before, sizeof before);
}

static void wrong_matrices_are_refused(void **state) {
  sste_mma_op ops[OPS];
  arena x;
  int i, w;
  (void)state;
  list_ops(ops);
  for (i = 0; i < OPS; ++i)
    for (w = SSTE_MMA_A; w <= SSTE_MMA_D; ++w) {
      const sste_mma_operand which = (sste_mma_operand)w;
      const size_t rows = which == SSTE_MMA_B ? 8 : 16;
      const size_t cols = (size_t)length_of(ops[i], which), ld = cols + 3;
      const size_t size = (size_t)width_of(ops[i], which) / 8;
      const size_t words = 32 * (size_t)sste_mma_registers(ops[i], which);
      const size_t bytes = ((rows - 1) * ld + cols) * size;
      uint32_t *regs = x.words + ARENA / 2;
      uint8_t *first = (uint8_t *)regs - bytes, *last;
      sste_mma_op bad = ops[i];
      last = (uint8_t *)(regs + words);
      bad.k += 1;
      refuse(SSTE_ERR_VALUE, &x, regs, bad, w, first, ld);
      refuse(SSTE_ERR_VALUE, &x, regs, ops[i], 3, first, ld);
      refuse(SSTE_ERR_NULL, &x, NULL, ops[i], w, first, ld);
      refuse(SSTE_ERR_NULL, &x, regs, ops[i], w, NULL, ld);
      refuse(SSTE_ERR_SHAPE, &x, regs, ops[i], w, first, cols - 1);
      refuse(SSTE_ERR_SIZE, &x, regs, ops[i], w, first, SIZE_MAX / 2);
      refuse(SSTE_ERR_OVERLAP, &x, regs, ops[i], w, first + 1, ld);
      refuse(SSTE_ERR_OVERLAP, &x, regs, ops[i], w, last - 1, ld);
      refuse(SSTE_OK, &x, regs, ops[i], w, first, ld);
      refuse(SSTE_OK, &x, regs, ops[i], w, last, ld);
    }
}

static void meta_refuse(sste_status want, arena *x, uint32_t *e, sste_mma_op op,
                        int selector, uint8_t *meta, size_t ldm) {
  const arena before = poisoned();
  *x = before;
  assert_int_equal(sste_mma_meta_load(e, op, selector, meta, ldm), want);
  assert_int_equal(sste_mma_meta_store(meta, ldm, op, selector, e), want);
  if (want != SSTE_OK) assert_memory_equal(x, &before, sizeof before);
}

static void wrong_metadata_are_refused(void **state) {
  const volatile size_t huge = SIZE_MAX / 2; /* gcc would see it through */
  sste_mma_op ops[OPS];
  arena x;
  int i;
  (void)state;
  list_ops(ops);
  for (i = 0; i < OPS; ++i) {
    const shape s = shape_of(ops[i]);
    const size_t cols = (size_t)chunks_of(ops[i]) / 2, ldm = cols + 3;
    uint32_t *e = x.words + ARENA / 2;
    uint8_t *first = (uint8_t *)e - (15 * ldm + cols), *last;
    sste_mma_op bad = ops[i];
    last = (uint8_t *)(e + 32);
    bad.d = SSTE_MMA_TF32;
    meta_refuse(SSTE_ERR_VALUE, &x, e, bad, 0, first, ldm);
    meta_refuse(SSTE_ERR_VALUE, &x, e, ops[i], s.selectors, first, ldm);
    meta_refuse(SSTE_ERR_VALUE, &x, e, ops[i], -1, first, ldm);
    if (!ops[i].sparse) continue;
    meta_refuse(SSTE_ERR_NULL, &x, NULL, ops[i], 0, first, ldm);
    meta_refuse(SSTE_ERR_NULL, &x, e, ops[i], 0, NULL, ldm);
    meta_refuse(SSTE_ERR_SHAPE, &x, e, ops[i], 0, first, cols - 1);
    meta_refuse(SSTE_ERR_SIZE, &x, e, ops[i], 0, first, huge);
    meta_refuse(SSTE_ERR_OVERLAP, &x, e, ops[i], 0, first + 1, ldm);
    meta_refuse(SSTE_ERR_OVERLAP, &x, e, ops[i], 0, last - 1, ldm);
    meta_refuse(SSTE_OK, &x, e, ops[i], 0, first, ldm);
    meta_refuse(SSTE_OK, &x, e, ops[i], 0, last, ldm);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_legal_instructions_are_these_51),
      cmocka_unit_test(only_integers_saturate),
      cmocka_unit_test(a_made_instruction_has_one_type_and_a_wide_sum),
      cmocka_unit_test(registers_and_selectors_are_those_of_the_table),
      cmocka_unit_test(the_legal_nibbles_are_six_and_of_tf32_two),
      cmocka_unit_test(places_are_those_of_layouts_and_manual),
      cmocka_unit_test(kept_values_stand_in_the_columns_the_manual_gives),
      cmocka_unit_test(every_slot_of_the_registers_holds_one_element),
      cmocka_unit_test(no_element_begins_off_its_slot),
      cmocka_unit_test(loading_fills_the_registers_and_no_more),
      cmocka_unit_test(storing_writes_the_matrix_and_no_more),
      cmocka_unit_test(metadata_stand_as_pictured),
      cmocka_unit_test(metadata_stand_as_layouts_and_storage_have_it),
      cmocka_unit_test(metadata_are_found_again_and_nowhere_else),
      cmocka_unit_test(loading_metadata_leaves_other_lanes_alone),
      cmocka_unit_test(storing_metadata_writes_them_and_no_more),
      cmocka_unit_test(nibbles_keep_the_positions_they_name),
      cmocka_unit_test(what_is_no_instruction_has_no_elements),
      cmocka_unit_test(the_examples_of_the_comments_hold),
      cmocka_unit_test(a_stored_tile_is_one_word_a_lane),
      cmocka_unit_test(both_selectors_read_the_same_words),
      cmocka_unit_test(the_right_places_give_the_right_sums),
      cmocka_unit_test(a_believable_wrong_metadata_layout_is_seen),
      cmocka_unit_test(two_exchanged_registers_are_seen),
      cmocka_unit_test(a_layout_wrong_in_one_bit_is_seen),
      cmocka_unit_test(every_bit_of_the_metadata_counts),
      cmocka_unit_test(wrong_matrices_are_refused),
      cmocka_unit_test(wrong_metadata_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
