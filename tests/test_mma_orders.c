/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_mma_orders.c - metadata, storage orders and compression against their
 * owners' definitions (slow_orders.h), and against what PyTorch made of the
 * matrices in vectors/torch_semi_structured.txt.
 */
#include "slow_orders.h"
#include "sste_mma.h"
#include "test.h"

/* Where the golden vectors are, unless the environment has the same name. */
#ifndef SSTE_TEST_TORCH_SEMI_STRUCTURED
#define SSTE_TEST_TORCH_SEMI_STRUCTURED \
  "tests/vectors/torch_semi_structured.txt"
#endif

static const char *const order_names[SLOW_ORDERS] = {"ROW_MAJOR", "CUTLASS2",
                                                     "CUTLASS3_SM90"};
static const char *const rule_names[SLOW_RULES] = {"SSTE", "TORCH",
                                                   "TORCH_2023", "CUTLASS3"};

/* ---- Memory -------------------------------------------------------------- */

static void *poisoned(size_t bytes) {
  void *p = malloc(bytes + 1);
  assert_non_null(p);
  test_poison(p, bytes + 1);
  return p;
}

static void set_code(void *p, size_t bytes, size_t i, uint32_t code) {
  const uint16_t two = (uint16_t)code;
  const uint8_t one = (uint8_t)code;
  const void *from = bytes == 4   ? (const void *)&code
                     : bytes == 2 ? (const void *)&two
                                  : (const void *)&one;
  memcpy((uint8_t *)p + i * bytes, from, bytes);
}

static int nibble_at(const uint8_t *meta, size_t at) {
  const int byte = meta[at / 2];
  return at % 2 == 0 ? byte % 16 : byte / 16;
}

static void set_nibble(uint8_t *meta, size_t at, int nibble) {
  const int other = nibble_at(meta, at ^ 1);
  meta[at / 2] =
      (uint8_t)(at % 2 == 0 ? nibble + 16 * other : other + 16 * nibble);
}

/* ---- A matrix in one order ----------------------------------------------- */

/* Its rows are longer than they need be, so that a stray write is seen. */
typedef struct subject {
  sste_mma_order order;
  sste_mma_type type;
  size_t rows, cols, chunks, size, ldw, ldv;
  size_t *at, places; /* the definition's table, and the nibbles in memory */
} subject;

static subject subject_new(sste_mma_order order, sste_mma_type type,
                           size_t rows, size_t cols) {
  subject s;
  s.order = order;
  s.type = type;
  s.rows = rows;
  s.cols = cols;
  s.chunks = cols / slow_types[type].chunk;
  s.size = slow_types[type].bytes;
  s.ldw = cols + 3;
  s.ldv = cols / 2 + 1;
  s.at = (size_t *)malloc(rows * s.chunks * sizeof *s.at);
  assert_non_null(s.at);
  s.places = slow_order(s.at, order, type, rows, cols);
  return s;
}

/* One to three blocks of the order down the rows, and one to four along them;
 * at level 2, to twelve. */
static subject subject_numbered(sste_mma_order order, sste_mma_type type,
                                size_t i) {
  return subject_new(order, type, slow_tall(order, type) * (1 + i % 3),
                     slow_wide(order, type) * (1 + i / 3));
}

static size_t subjects(void) { return test_level() == 2 ? 36 : 12; }

static void subject_free(subject *s) { free(s->at); }

static void fail_in(const subject *s, const char *what) {
  fail_msg("%s, %s, %u x %u: %s", order_names[s->order],
           slow_types[s->type].name, (unsigned)s->rows, (unsigned)s->cols,
           what);
}

/* Everything that a test is about, in turn. */
#define FOR_EACH_SUBJECT(s)                                                   \
  for (int o_ = 0; o_ < SLOW_ORDERS; ++o_)                                    \
    for (int t_ = 0; t_ < SLOW_TYPES; ++t_)                                   \
      for (size_t i_ = 0; i_ < subjects(); ++i_)                              \
        for (subject s =                                                      \
                 subject_numbered((sste_mma_order)o_, (sste_mma_type)t_, i_); \
             s.at != NULL; subject_free(&s), s.at = NULL)

/* ---- Random matrices ----------------------------------------------------- */

static uint32_t random_zero(sste_mma_type type, uint64_t *random) {
  const int digits =
      slow_types[type].exponent_bits + slow_types[type].mantissa_bits;
  return digits == 0 ? 0 : (uint32_t)(test_random(random) % 2) << digits;
}

/* Of eight floats one is an infinity and one most likely a NaN. */
static uint32_t random_code(sste_mma_type type, uint64_t *random) {
  const uint32_t code =
      (uint32_t)(test_random(random) >> (64 - 8 * slow_types[type].bytes));
  const uint32_t unit = (uint32_t)1 << slow_types[type].mantissa_bits;
  switch (test_random(random) % 8) {
    case 0: return (code | slow_infinity(type)) / unit * unit;
    case 1: return code | slow_infinity(type);
    default: return code;
  }
}

static uint32_t random_nonzero(sste_mma_type type, uint64_t *random) {
  uint32_t code;
  do code = random_code(type, random);
  while (slow_is_zero(type, code));
  return code;
}

/* A chunk with non-zeros where the mask has ones. */
static void random_chunk(uint32_t *chunk, sste_mma_type type, int mask,
                         uint64_t *random) {
  int i;
  for (i = 0; i < (int)slow_types[type].chunk; ++i)
    chunk[i] = mask >> i & 1 ? random_nonzero(type, random)
                             : random_zero(type, random);
}

static int fits(sste_mma_type type, int mask) {
  return slow_kept_by(SSTE_MMA_LIKE_SSTE, type, mask) != NULL;
}

static int random_mask(sste_mma_type type, int fitting, uint64_t *random) {
  int mask;
  do mask = (int)(test_random(random) % (1u << slow_types[type].chunk));
  while (fits(type, mask) != fitting);
  return mask;
}

/* Codes without gaps, chunk after chunk. */
static uint32_t *random_codes(const subject *s, uint64_t *random) {
  uint32_t *w = (uint32_t *)poisoned(s->rows * s->cols * sizeof *w);
  const size_t chunk = s->cols / s->chunks;
  size_t i;
  for (i = 0; i < s->rows * s->chunks; ++i)
    random_chunk(w + i * chunk, s->type, random_mask(s->type, 1, random),
                 random);
  return w;
}

/* A matrix as the header takes it, rows ld apart. */
static void *stored(const subject *s, const uint32_t *codes, size_t cols,
                    size_t ld) {
  void *p = poisoned(s->rows * ld * s->size);
  size_t r, c;
  for (r = 0; r < s->rows; ++r)
    for (c = 0; c < cols; ++c)
      set_code(p, s->size, r * ld + c, codes[r * cols + c]);
  return p;
}

/* ---- Nibbles ------------------------------------------------------------- */

static void nibbles_are_those_of_their_owner(void **state) {
  int rule, type, mask;
  (void)state;
  for (rule = 0; rule < SLOW_RULES; ++rule)
    for (type = 0; type < SLOW_TYPES; ++type)
      for (mask = 0; mask < 1 << slow_types[type].chunk; ++mask) {
        const int above = mask | 0x50 << slow_types[type].chunk;
        const int want =
            slow_nibble((sste_mma_rule)rule, (sste_mma_type)type, mask);
        if (sste_mma_nibble((sste_mma_rule)rule, (sste_mma_type)type, mask) !=
                want ||
            sste_mma_nibble((sste_mma_rule)rule, (sste_mma_type)type, above) !=
                want)
          fail_msg("%s, %s, mask %X", rule_names[rule], slow_types[type].name,
                   (unsigned)mask);
      }
}

static void nibbles_of_unknown_rules_and_types_are_refused(void **state) {
  (void)state;
  assert_int_equal(sste_mma_nibble((sste_mma_rule)4, SSTE_MMA_F16, 3), -1);
  assert_int_equal(sste_mma_nibble((sste_mma_rule)-1, SSTE_MMA_F16, 3), -1);
  assert_int_equal(sste_mma_nibble(SSTE_MMA_LIKE_SSTE, SSTE_MMA_F32, 3), -1);
  assert_int_equal(sste_mma_nibble(SSTE_MMA_LIKE_SSTE, (sste_mma_type)-1, 3),
                   -1);
}

/* What a nibble may be: that of some mask with all its non-zeros. */
static int is_legal(sste_mma_type type, int nibble) {
  const int full = type == SSTE_MMA_TF32 ? 1 : 2;
  int mask;
  for (mask = 0; mask < 1 << slow_types[type].chunk; ++mask)
    if (fits(type, mask) &&
        (mask & 1) + (mask >> 1 & 1) + (mask >> 2 & 1) + (mask >> 3) == full &&
        slow_nibble(SSTE_MMA_LIKE_SSTE, type, mask) == nibble)
      return 1;
  return 0;
}

static void legal_nibbles_are_those_of_full_chunks(void **state) {
  int type, nibble;
  (void)state;
  for (type = 0; type < SLOW_TYPES; ++type) {
    int count = 0;
    for (nibble = -20; nibble < 300; ++nibble) {
      const int legal = is_legal((sste_mma_type)type, nibble);
      assert_int_equal(sste_mma_nibble_check(nibble, (sste_mma_type)type),
                       legal ? SSTE_OK : SSTE_ERR_PATTERN);
      count += legal;
    }
    assert_int_equal(count, type == SSTE_MMA_TF32 ? 2 : 6);
  }
}

/* ---- Orders -------------------------------------------------------------- */

static void orders_are_those_of_their_owner(void **state) {
  (void)state;
  FOR_EACH_SUBJECT(s) {
    size_t bytes = 0, r, c;
    assert_int_equal(
        sste_mma_meta_bytes(&bytes, s.order, s.type, s.rows, s.cols), SSTE_OK);
    if (2 * bytes != s.places) fail_in(&s, "bytes");
    for (r = 0; r < s.rows; ++r)
      for (c = 0; c < s.chunks; ++c)
        if (sste_mma_meta_at(s.order, s.type, s.rows, s.cols, r, c) !=
            s.at[r * s.chunks + c])
          fail_in(&s, "the place of a nibble");
  }
}

/* Places without a nibble: the second half of an odd row's last byte. */
static size_t padding(const subject *s) {
  return s->order == SSTE_MMA_ROW_MAJOR ? s->rows * (s->chunks % 2) : 0;
}

static void every_nibble_has_a_place_of_its_own(void **state) {
  (void)state;
  FOR_EACH_SUBJECT(s) {
    uint8_t *taken = (uint8_t *)calloc(s.places, 1);
    size_t r, c, i, unused = 0;
    assert_non_null(taken);
    for (r = 0; r < s.rows; ++r)
      for (c = 0; c < s.chunks; ++c) {
        const size_t at =
            sste_mma_meta_at(s.order, s.type, s.rows, s.cols, r, c);
        if (at >= s.places || taken[at]++ != 0)
          fail_in(&s, "two nibbles in one place, or one outside");
      }
    for (i = 0; i < s.places; ++i) unused += taken[i] == 0;
    assert_int_equal(unused, padding(&s));
    free(taken);
  }
}

static void shapes_are_whole_blocks_of_the_order(void **state) {
  const size_t most = test_level() == 2 ? 300 : 140;
  int order, type;
  (void)state;
  for (order = 0; order < SLOW_ORDERS; ++order)
    for (type = 0; type < SLOW_TYPES; ++type) {
      const sste_mma_order o = (sste_mma_order)order;
      const sste_mma_type t = (sste_mma_type)type;
      size_t rows, cols, bytes;
      for (rows = 1; rows <= most; ++rows)
        for (cols = 1; cols <= most; ++cols) {
          const int whole =
              rows % slow_tall(o, t) == 0 && cols % slow_wide(o, t) == 0;
          bytes = 0;
          assert_int_equal(sste_mma_meta_bytes(&bytes, o, t, rows, cols),
                           whole ? SSTE_OK : SSTE_ERR_SHAPE);
          assert_int_equal(bytes > 0, whole);
        }
    }
}

static void a_number_of_bytes_that_overflows_is_refused(void **state) {
  const size_t big = (size_t)1 << (8 * sizeof(size_t) - 10);
  size_t bytes = 77;
  int order, type;
  (void)state;
  for (order = 0; order < SLOW_ORDERS; ++order)
    for (type = 0; type < SLOW_TYPES; ++type)
      assert_int_equal(sste_mma_meta_bytes(&bytes, (sste_mma_order)order,
                                           (sste_mma_type)type, big, 1024),
                       SSTE_ERR_SIZE);
  assert_int_equal(bytes, 77);
}

/* ---- From order to order ------------------------------------------------- */

/* Any nibbles in an order's places, and 0 in the places for nothing. */
static uint8_t *spread(const subject *s, const uint8_t *nibbles) {
  uint8_t *meta = (uint8_t *)poisoned(s->places / 2);
  size_t i;
  memset(meta, 0, s->places / 2);
  for (i = 0; i < s->rows * s->chunks; ++i)
    set_nibble(meta, s->at[i], nibbles[i]);
  return meta;
}

static void check_reorder(const subject *to, const subject *from,
                          uint64_t *random) {
  const size_t chunks = to->rows * to->chunks;
  uint8_t *nibbles = (uint8_t *)poisoned(chunks);
  uint8_t *in, *want, *got = (uint8_t *)poisoned(to->places / 2);
  size_t i;
  for (i = 0; i < chunks; ++i) nibbles[i] = test_random(random) & 0xF;
  in = spread(from, nibbles);
  want = spread(to, nibbles);
  /* The padding of the source is not looked at. */
  if (padding(from) != 0) set_nibble(in, from->places - 1, 0x7);
  assert_int_equal(sste_mma_meta_reorder(got, to->order, in, from->order,
                                         to->type, to->rows, to->cols),
                   SSTE_OK);
  if (memcmp(got, want, to->places / 2 + 1) != 0)
    fail_in(to, order_names[from->order]);
  free(nibbles);
  free(in);
  free(want);
  free(got);
}

static void metadata_go_from_any_order_to_any_other(void **state) {
  uint64_t random = test_seed();
  int to, from;
  (void)state;
  for (to = 0; to < SLOW_ORDERS; ++to)
    for (from = 0; from < SLOW_ORDERS; ++from) {
      /* What suits the larger blocks suits the smaller. */
      const sste_mma_order large = (sste_mma_order)(to > from ? to : from);
      int type;
      size_t i;
      for (type = 0; type < SLOW_TYPES; ++type)
        for (i = 0; i < subjects(); ++i) {
          subject shape = subject_numbered(large, (sste_mma_type)type, i);
          subject out = subject_new((sste_mma_order)to, shape.type, shape.rows,
                                    shape.cols);
          subject in = subject_new((sste_mma_order)from, shape.type, shape.rows,
                                   shape.cols);
          check_reorder(&out, &in, &random);
          subject_free(&shape);
          subject_free(&out);
          subject_free(&in);
        }
    }
}

/* ---- Compressing --------------------------------------------------------- */

typedef struct compressed {
  uint32_t *codes; /* of the values, without gaps */
  void *values;
  uint8_t *meta;
} compressed;

static compressed compressed_by_definition(const subject *s,
                                           const uint32_t *codes,
                                           sste_mma_rule rule) {
  const size_t chunk = s->cols / s->chunks, n = s->rows * s->chunks;
  uint8_t *nibbles = (uint8_t *)poisoned(n);
  compressed c;
  size_t i;
  c.codes = (uint32_t *)poisoned(n * chunk / 2 * sizeof *c.codes);
  for (i = 0; i < n; ++i) {
    const uint32_t *from = codes + i * chunk;
    slow_compress(c.codes + i * chunk / 2, from, s->type, rule);
    nibbles[i] = (uint8_t)slow_nibble(rule, s->type, slow_mask(s->type, from));
  }
  c.values = stored(s, c.codes, s->cols / 2, s->ldv);
  c.meta = spread(s, nibbles);
  free(nibbles);
  return c;
}

static void compressed_free(compressed *c) {
  free(c->codes);
  free(c->values);
  free(c->meta);
}

/* Values and metadata with nothing in them yet. */
static compressed compressed_blank(const subject *s) {
  compressed c;
  c.codes = NULL;
  c.values = poisoned(s->rows * s->ldv * s->size);
  c.meta = (uint8_t *)poisoned(s->places / 2);
  return c;
}

static void assert_same_compressed(const subject *s, const compressed *got,
                                   const compressed *want, const char *what) {
  if (memcmp(got->values, want->values, s->rows * s->ldv * s->size + 1) != 0 ||
      memcmp(got->meta, want->meta, s->places / 2 + 1) != 0)
    fail_in(s, what);
}

static void check_compress(const subject *s, sste_mma_rule rule,
                           const uint32_t *codes) {
  void *w = stored(s, codes, s->cols, s->ldw);
  compressed want = compressed_by_definition(s, codes, rule);
  compressed got = compressed_blank(s);
  size_t row = 77, chunk = 77;
  assert_int_equal(
      sste_mma_compress(got.values, s->ldv, got.meta, s->order, w, s->ldw,
                        s->rows, s->cols, s->type, rule, &row, &chunk),
      SSTE_OK);
  assert_same_compressed(s, &got, &want, rule_names[rule]);
  assert_true(row == 77 && chunk == 77);
  compressed_free(&want);
  compressed_free(&got);
  free(w);
}

static void compressing_gives_the_bytes_of_the_rule_and_order(void **state) {
  uint64_t random = test_seed();
  (void)state;
  FOR_EACH_SUBJECT(s) {
    uint32_t *codes = random_codes(&s, &random);
    int rule;
    for (rule = 0; rule < SLOW_RULES; ++rule)
      check_compress(&s, (sste_mma_rule)rule, codes);
    free(codes);
  }
}

/* Of sste.h; TF32's chunks of two are not known there. */
static const sste_type type_of[SLOW_TYPES] = {
    SSTE_FLOAT16, SSTE_BFLOAT16, SSTE_FLOAT32, SSTE_FP8,
    SSTE_FP8,     SSTE_INT8,     SSTE_INT8};

static void the_rule_of_sste_is_sste_tensor_compress_as(void **state) {
  uint64_t random = test_seed();
  (void)state;
  FOR_EACH_SUBJECT(s) {
    uint32_t *codes = random_codes(&s, &random);
    void *w = stored(&s, codes, s.cols, s.ldw);
    compressed got = compressed_blank(&s), want = compressed_blank(&s);
    if (s.order == SSTE_MMA_ROW_MAJOR && s.type != SSTE_MMA_TF32) {
      assert_int_equal(sste_mma_compress(got.values, s.ldv, got.meta, s.order,
                                         w, s.ldw, s.rows, s.cols, s.type,
                                         SSTE_MMA_LIKE_SSTE, NULL, NULL),
                       SSTE_OK);
      assert_int_equal(
          sste_tensor_compress_as(want.values, s.ldv, want.meta,
                                  (s.chunks + 1) / 2, w, s.ldw, s.rows, s.cols,
                                  type_of[s.type], SSTE_ALONG_ROWS),
          SSTE_OK);
      assert_same_compressed(&s, &got, &want, "sste_tensor_compress_as");
    }
    compressed_free(&got);
    compressed_free(&want);
    free(w);
    free(codes);
  }
}

static void the_first_chunk_that_is_too_full_is_named(void **state) {
  uint64_t random = test_seed();
  (void)state;
  FOR_EACH_SUBJECT(s) {
    const size_t width = s.cols / s.chunks, n = s.rows * s.chunks;
    const size_t first = test_random(&random) % n;
    uint32_t *codes = random_codes(&s, &random);
    compressed got = compressed_blank(&s), blank = compressed_blank(&s);
    size_t i, row = 77, chunk = 77;
    int rule;
    void *w;
    for (i = first; i < n; i += 1 + test_random(&random) % n)
      random_chunk(codes + i * width, s.type, random_mask(s.type, 0, &random),
                   &random);
    w = stored(&s, codes, s.cols, s.ldw);
    for (rule = 0; rule < SLOW_RULES; ++rule) {
      assert_int_equal(sste_mma_compress(got.values, s.ldv, got.meta, s.order,
                                         w, s.ldw, s.rows, s.cols, s.type,
                                         (sste_mma_rule)rule, &row, &chunk),
                       SSTE_ERR_PATTERN);
      assert_int_equal(row, first / s.chunks);
      assert_int_equal(chunk, first % s.chunks);
      assert_same_compressed(&s, &got, &blank, "written in spite of an error");
    }
    assert_int_equal(sste_mma_compress(got.values, s.ldv, got.meta, s.order, w,
                                       s.ldw, s.rows, s.cols, s.type,
                                       SSTE_MMA_LIKE_SSTE, NULL, NULL),
                     SSTE_ERR_PATTERN);
    compressed_free(&got);
    compressed_free(&blank);
    free(w);
    free(codes);
  }
}

/* ---- Decompressing ------------------------------------------------------- */

/* A compressed matrix with any legal nibbles and any codes, zeros among them.
 * Its nibbles are returned in *nibbles, row by row. */
static compressed random_compressed(const subject *s, uint8_t **nibbles,
                                    uint64_t *random) {
  const size_t n = s->rows * s->chunks, values = s->rows * s->cols / 2;
  compressed c;
  size_t i;
  c.codes = (uint32_t *)poisoned(values * sizeof *c.codes);
  *nibbles = (uint8_t *)poisoned(n);
  for (i = 0; i < n; ++i) do
      (*nibbles)[i] = test_random(random) & 0xF;
    while (!is_legal(s->type, (*nibbles)[i]));
  for (i = 0; i < values; ++i)
    c.codes[i] = test_random(random) % 4 == 0 ? random_zero(s->type, random)
                                              : random_code(s->type, random);
  c.values = stored(s, c.codes, s->cols / 2, s->ldv);
  c.meta = spread(s, *nibbles);
  return c;
}

static sste_status decompress(void *out, const subject *s, const compressed *c,
                              size_t *row, size_t *chunk) {
  return sste_mma_decompress(out, s->ldw, c->values, s->ldv, c->meta, s->order,
                             s->rows, s->cols, s->type, row, chunk);
}

static void check_decompress(const subject *s, const compressed *c,
                             const uint8_t *nibbles) {
  const size_t width = s->cols / s->chunks, n = s->rows * s->chunks;
  uint32_t *codes = (uint32_t *)poisoned(n * width * sizeof *codes);
  void *want, *got = poisoned(s->rows * s->ldw * s->size);
  size_t i, row = 77, chunk = 77;
  for (i = 0; i < n; ++i)
    slow_decompress(codes + i * width, c->codes + i * width / 2, nibbles[i],
                    s->type);
  want = stored(s, codes, s->cols, s->ldw);
  assert_int_equal(decompress(got, s, c, &row, &chunk), SSTE_OK);
  if (memcmp(got, want, s->rows * s->ldw * s->size + 1) != 0)
    fail_in(s, "decompressed");
  assert_true(row == 77 && chunk == 77);
  free(codes);
  free(want);
  free(got);
}

static void decompressing_puts_values_where_nibbles_say(void **state) {
  uint64_t random = test_seed();
  (void)state;
  FOR_EACH_SUBJECT(s) {
    uint8_t *nibbles;
    compressed c = random_compressed(&s, &nibbles, &random);
    size_t row = 77, chunk = 77;
    check_decompress(&s, &c, nibbles);
    assert_int_equal(sste_mma_meta_check(c.meta, s.order, s.type, s.rows,
                                         s.cols, &row, &chunk),
                     SSTE_OK);
    assert_true(row == 77 && chunk == 77);
    compressed_free(&c);
    free(nibbles);
  }
}

/* Nibbles that a matrix in this order may not have, whatever its values. */
static int random_illegal(const subject *s, uint64_t *random) {
  const int allowed_0 =
      s->order == SSTE_MMA_CUTLASS3_SM90 && s->type != SSTE_MMA_TF32;
  int nibble;
  do nibble = (int)(test_random(random) & 0xF);
  while (is_legal(s->type, nibble) || (nibble == 0 && allowed_0));
  return nibble;
}

static void the_first_illegal_nibble_is_named(void **state) {
  uint64_t random = test_seed();
  (void)state;
  FOR_EACH_SUBJECT(s) {
    const size_t n = s.rows * s.chunks, first = test_random(&random) % n;
    const size_t bytes = s.rows * s.ldw * s.size + 1;
    uint8_t *nibbles;
    compressed c = random_compressed(&s, &nibbles, &random);
    void *got = poisoned(bytes), *blank = poisoned(bytes);
    size_t i, row = 77, chunk = 77;
    for (i = first; i < n; i += 1 + test_random(&random) % n)
      set_nibble(c.meta, s.at[i], random_illegal(&s, &random));
    assert_int_equal(decompress(got, &s, &c, &row, &chunk), SSTE_ERR_PATTERN);
    assert_int_equal(row, first / s.chunks);
    assert_int_equal(chunk, first % s.chunks);
    row = chunk = 77;
    assert_int_equal(sste_mma_meta_check(c.meta, s.order, s.type, s.rows,
                                         s.cols, &row, &chunk),
                     SSTE_ERR_PATTERN);
    assert_int_equal(row, first / s.chunks);
    assert_int_equal(chunk, first % s.chunks);
    assert_int_equal(decompress(got, &s, &c, NULL, NULL), SSTE_ERR_PATTERN);
    assert_int_equal(sste_mma_meta_check(c.meta, s.order, s.type, s.rows,
                                         s.cols, NULL, NULL),
                     SSTE_ERR_PATTERN);
    assert_memory_equal(got, blank, bytes);
    compressed_free(&c);
    free(nibbles);
    free(got);
    free(blank);
  }
}

/* ---- Empty chunks of CUTLASS 3 ------------------------------------------- */

static void what_cutlass_3_compresses_can_be_decompressed(void **state) {
  uint64_t random = test_seed();
  (void)state;
  FOR_EACH_SUBJECT(s) {
    const size_t bytes = s.rows * s.ldw * s.size + 1;
    uint32_t *codes = random_codes(&s, &random);
    compressed c = compressed_by_definition(&s, codes, SSTE_MMA_LIKE_CUTLASS3);
    void *want, *got = poisoned(bytes);
    size_t i;
    for (i = 0; i < s.rows * s.cols; ++i)
      if (slow_is_zero(s.type, codes[i])) codes[i] = 0;
    want = stored(&s, codes, s.cols, s.ldw);
    if (s.order == SSTE_MMA_CUTLASS3_SM90) {
      assert_int_equal(decompress(got, &s, &c, NULL, NULL), SSTE_OK);
      assert_memory_equal(got, want, bytes);
    }
    compressed_free(&c);
    free(codes);
    free(want);
    free(got);
  }
}

/* Nibble 0 at one chunk with these two values. */
static void check_nibble_0(const subject *s, uint32_t first, uint32_t second,
                           uint64_t *random) {
  const size_t i = test_random(random) % (s->rows * s->chunks);
  const size_t values = s->cols / s->chunks / 2;
  const size_t at = i / s->chunks * s->ldv + i % s->chunks * values;
  const int empty = s->order == SSTE_MMA_CUTLASS3_SM90 &&
                    s->type != SSTE_MMA_TF32 && first == 0 && second == 0;
  uint8_t *nibbles;
  compressed c = random_compressed(s, &nibbles, random);
  void *got = poisoned(s->rows * s->ldw * s->size);
  size_t row = 77, chunk = 77;
  set_code(c.values, s->size, at, first);
  if (values == 2) set_code(c.values, s->size, at + 1, second);
  set_nibble(c.meta, s->at[i], 0);
  assert_int_equal(decompress(got, s, &c, &row, &chunk),
                   empty ? SSTE_OK : SSTE_ERR_PATTERN);
  assert_int_equal(row, empty ? 77 : i / s->chunks);
  assert_int_equal(chunk, empty ? 77 : i % s->chunks);
  assert_int_equal(sste_mma_meta_check(c.meta, s->order, s->type, s->rows,
                                       s->cols, NULL, NULL),
                   SSTE_ERR_PATTERN);
  compressed_free(&c);
  free(nibbles);
  free(got);
}

static void nibble_0_is_legal_only_for_zeros_in_the_order_of_cutlass_3(
    void **state) {
  uint64_t random = test_seed();
  (void)state;
  FOR_EACH_SUBJECT(s) {
    const uint32_t minus = (uint32_t)1 << (8 * s.size - 1);
    check_nibble_0(&s, 0, 0, &random);
    check_nibble_0(&s, 0, minus, &random);
    check_nibble_0(&s, minus, 0, &random);
    check_nibble_0(&s, 0, 1, &random);
    check_nibble_0(&s, 1, 0, &random);
  }
}

/* ---- Errors -------------------------------------------------------------- */

/* 64 x 128 of F16: it suits every order. */
enum { ROWS = 64, COLS = 128, META = ROWS * COLS / 8 };

/* One block of memory, in which one after another are a matrix of chunks
 * (0, 5, 0, 0), and values and legal metadata that are not its own: a function
 * that writes where it should not changes them. */
enum {
  W_SIZE = ROWS * COLS, /* in elements */
  VALUES_SIZE = W_SIZE / 2,
  ARENA_SIZE = W_SIZE + VALUES_SIZE + META / 2
};

typedef struct arena {
  uint16_t words[ARENA_SIZE];
} arena;

/* The arguments of compress and of decompress. */
typedef struct call {
  uint16_t *w, *values;
  uint8_t *meta;
  size_t ldv, ldw, rows, cols;
  sste_mma_order order;
  sste_mma_type type;
} call;

static call call_of(arena *a) {
  call c;
  c.w = a->words;
  c.values = c.w + W_SIZE;
  c.meta = (uint8_t *)(c.values + VALUES_SIZE);
  c.ldv = COLS / 2;
  c.ldw = COLS;
  c.rows = ROWS;
  c.cols = COLS;
  c.order = SSTE_MMA_CUTLASS2;
  c.type = SSTE_MMA_F16;
  return c;
}

static arena arena_new(void) {
  arena a;
  size_t i;
  test_poison(&a, sizeof a);
  memset(call_of(&a).meta, 0x44, META);
  for (i = 0; i < W_SIZE; ++i) a.words[i] = i % 4 == 1 ? 0x4500 : 0;
  return a;
}

static sste_status compress_call(call c, size_t place[2]) {
  return sste_mma_compress(c.values, c.ldv, c.meta, c.order, c.w, c.ldw, c.rows,
                           c.cols, c.type, SSTE_MMA_LIKE_TORCH, &place[0],
                           &place[1]);
}
static sste_status decompress_call(call c, size_t place[2]) {
  return sste_mma_decompress(c.w, c.ldw, c.values, c.ldv, c.meta, c.order,
                             c.rows, c.cols, c.type, &place[0], &place[1]);
}

/* The function gives this status and, for an error, writes nothing. */
static void check_call(arena *a, call c, sste_status want,
                       sste_status (*function)(call, size_t[2]),
                       const char *what) {
  const arena before = *a;
  size_t place[2] = {77, 77};
  const sste_status got = function(c, place);
  if (got != want) fail_msg("%s: %s", what, sste_status_text(got));
  if (want != SSTE_OK) assert_memory_equal(a, &before, sizeof before);
  assert_true(place[0] == 77 && place[1] == 77);
  *a = before;
}

#define CALLS(status, change)                                             \
  do {                                                                    \
    call c = call_of(&a);                                                 \
    change;                                                               \
    check_call(&a, c, (status), compress_call, "compress, " #change);     \
    check_call(&a, c, (status), decompress_call, "decompress, " #change); \
  } while (0)

static void bad_arguments_are_refused_and_nothing_is_written(void **state) {
  arena a = arena_new();
  (void)state;
  CALLS(SSTE_OK, (void)c);
  CALLS(SSTE_ERR_NULL, c.w = NULL);
  CALLS(SSTE_ERR_NULL, c.values = NULL);
  CALLS(SSTE_ERR_NULL, c.meta = NULL);
  CALLS(SSTE_ERR_SHAPE, c.ldw = COLS - 1);
  CALLS(SSTE_ERR_SHAPE, c.ldv = COLS / 2 - 1);
  CALLS(SSTE_ERR_SHAPE, c.rows = ROWS - 1);
  CALLS(SSTE_ERR_SHAPE, c.rows = ROWS - 16);
  CALLS(SSTE_ERR_SHAPE, c.cols = COLS - 16);
  CALLS(SSTE_ERR_SHAPE, (c.order = SSTE_MMA_ROW_MAJOR, c.cols = COLS - 2));
  CALLS(SSTE_ERR_SHAPE, (c.order = SSTE_MMA_CUTLASS3_SM90, c.rows = 32));
  CALLS(SSTE_ERR_SHAPE, (c.order = SSTE_MMA_CUTLASS3_SM90, c.cols = 64));
  CALLS(SSTE_ERR_SIZE, c.ldw = (size_t)PTRDIFF_MAX);
  CALLS(SSTE_ERR_SIZE, c.ldw = (size_t)PTRDIFF_MAX / 2 / ROWS + 1);
  CALLS(SSTE_ERR_SIZE, c.ldv = (size_t)PTRDIFF_MAX);
  CALLS(SSTE_ERR_SIZE, c.ldv = (size_t)PTRDIFF_MAX / 2 / ROWS + 1);
  CALLS(SSTE_ERR_SIZE, c.rows = ~(size_t)63);
  CALLS(SSTE_ERR_VALUE, c.order = (sste_mma_order)3);
  CALLS(SSTE_ERR_VALUE, c.order = (sste_mma_order)-1);
  CALLS(SSTE_ERR_VALUE, c.type = SSTE_MMA_F32);
  CALLS(SSTE_ERR_VALUE, c.type = (sste_mma_type)-1);
}

static void a_rule_that_is_none_is_refused(void **state) {
  arena a = arena_new();
  const arena before = a;
  const call c = call_of(&a);
  int rule;
  (void)state;
  for (rule = -1; rule <= SLOW_RULES; rule += SLOW_RULES + 1)
    assert_int_equal(
        sste_mma_compress(c.values, c.ldv, c.meta, c.order, c.w, c.ldw, c.rows,
                          c.cols, c.type, (sste_mma_rule)rule, NULL, NULL),
        SSTE_ERR_VALUE);
  assert_memory_equal(&a, &before, sizeof before);
}

/* In the arena the three touch: one element closer is too close. */
static void matrices_may_touch_but_not_overlap(void **state) {
  arena a = arena_new();
  (void)state;
  CALLS(SSTE_OK, (void)c);
  CALLS(SSTE_ERR_OVERLAP, ++c.w);
  CALLS(SSTE_ERR_OVERLAP, --c.values);
  CALLS(SSTE_ERR_OVERLAP, ++c.values);
  CALLS(SSTE_ERR_OVERLAP, --c.meta);
  CALLS(SSTE_ERR_OVERLAP, c.values = c.w);
  CALLS(SSTE_ERR_OVERLAP, c.meta = (uint8_t *)c.w);
  CALLS(SSTE_ERR_OVERLAP, c.meta = (uint8_t *)c.values);
}

/* With half of the rows there is room for the metadata after the matrix. */
static void metadata_may_touch_the_matrix_but_not_overlap(void **state) {
  arena a = arena_new();
  uint8_t *const after = (uint8_t *)(a.words + W_SIZE / 2);
  (void)state;
  memset(after, 0x44, META / 2);
  CALLS(SSTE_OK, (c.rows = ROWS / 2, c.meta = after));
  CALLS(SSTE_ERR_OVERLAP, (c.rows = ROWS / 2, c.meta = after - 1));
}

/* The last row ends before the stride does. */
static void a_matrix_ends_with_its_last_row(void **state) {
  const size_t end = (ROWS / 2 - 1) * (COLS + 1) + COLS;
  arena a = arena_new();
  (void)state;
  CALLS(SSTE_OK, (c.rows = ROWS / 2, c.ldw = COLS + 1, c.values = c.w + end));
  CALLS(SSTE_ERR_OVERLAP,
        (c.rows = ROWS / 2, c.ldw = COLS + 1, c.values = c.w + end - 1));
}

static void reordering_refuses_bad_arguments(void **state) {
  const sste_mma_order to = SSTE_MMA_CUTLASS2, from = SSTE_MMA_ROW_MAJOR;
  const sste_mma_type type = SSTE_MMA_F16;
  arena a = arena_new();
  const arena before = a;
  uint8_t *const in = (uint8_t *)a.words, *const out = in + META;
  (void)state;
  /* clang-format off */
#define REORDER(status, ...) \
  assert_int_equal(sste_mma_meta_reorder(__VA_ARGS__), (status))
  REORDER(SSTE_ERR_NULL, NULL, to, in, from, type, ROWS, COLS);
  REORDER(SSTE_ERR_NULL, out, to, NULL, from, type, ROWS, COLS);
  REORDER(SSTE_ERR_VALUE, out, (sste_mma_order)3, in, from, type, ROWS, COLS);
  REORDER(SSTE_ERR_VALUE, out, to, in, (sste_mma_order)3, type, ROWS, COLS);
  REORDER(SSTE_ERR_VALUE, out, to, in, from, SSTE_MMA_F32, ROWS, COLS);
  REORDER(SSTE_ERR_SHAPE, out, to, in, from, type, 16, COLS);
  REORDER(SSTE_ERR_SHAPE, out, from, in, to, type, 16, COLS);
  REORDER(SSTE_ERR_SHAPE, out, to, in, from, type, ROWS, 16);
  REORDER(SSTE_ERR_SIZE, out, to, in, from, type, ~(size_t)63, COLS);
  REORDER(SSTE_ERR_OVERLAP, in, to, in, from, type, ROWS, COLS);
  REORDER(SSTE_ERR_OVERLAP, out - 1, to, in, from, type, ROWS, COLS);
  REORDER(SSTE_ERR_OVERLAP, in, to, out - 1, from, type, ROWS, COLS);
  assert_memory_equal(&a, &before, sizeof before);
  REORDER(SSTE_OK, out, to, in, from, type, ROWS, COLS);
#undef REORDER
  /* clang-format on */
}

static void checking_and_counting_refuse_bad_arguments(void **state) {
  const sste_mma_order order = SSTE_MMA_CUTLASS2;
  const uint8_t meta[1] = {0x44};
  size_t bytes = 77, row = 77, chunk = 77;
  (void)state;
  /* clang-format off */
#define CHECK(status, ...) \
  assert_int_equal(sste_mma_meta_check(__VA_ARGS__, &row, &chunk), (status))
  CHECK(SSTE_ERR_NULL, NULL, order, SSTE_MMA_F16, ROWS, COLS);
  CHECK(SSTE_ERR_VALUE, meta, (sste_mma_order)-1, SSTE_MMA_F16, ROWS, COLS);
  CHECK(SSTE_ERR_VALUE, meta, order, SSTE_MMA_S32, ROWS, COLS);
  CHECK(SSTE_ERR_SHAPE, meta, order, SSTE_MMA_F16, ROWS - 1, COLS);
  CHECK(SSTE_ERR_SIZE, meta, order, SSTE_MMA_F16, ~(size_t)63, COLS);
#undef CHECK
#define BYTES(status, ...) \
  assert_int_equal(sste_mma_meta_bytes(__VA_ARGS__), (status))
  BYTES(SSTE_ERR_NULL, NULL, order, SSTE_MMA_F16, ROWS, COLS);
  BYTES(SSTE_ERR_VALUE, &bytes, (sste_mma_order)3, SSTE_MMA_F16, ROWS, COLS);
  BYTES(SSTE_ERR_VALUE, &bytes, (sste_mma_order)-1, SSTE_MMA_F16, ROWS, COLS);
  BYTES(SSTE_ERR_VALUE, &bytes, order, SSTE_MMA_F32, ROWS, COLS);
  BYTES(SSTE_ERR_VALUE, &bytes, order, (sste_mma_type)-1, ROWS, COLS);
#undef BYTES
  /* clang-format on */
  assert_true(bytes == 77 && row == 77 && chunk == 77);
}

static void check_empty(sste_mma_order order, size_t rows, size_t cols) {
  size_t bytes = 77;
  int type;
  for (type = 0; type < SLOW_TYPES; ++type) {
    const sste_mma_type t = (sste_mma_type)type;
    assert_int_equal(sste_mma_meta_bytes(&bytes, order, t, rows, cols),
                     SSTE_OK);
    assert_int_equal(bytes, 0);
    assert_int_equal(
        sste_mma_meta_check(NULL, order, t, rows, cols, NULL, NULL), SSTE_OK);
    assert_int_equal(sste_mma_meta_reorder(NULL, order, NULL,
                                           SSTE_MMA_ROW_MAJOR, t, rows, cols),
                     SSTE_OK);
    assert_int_equal(sste_mma_compress(NULL, 0, NULL, order, NULL, 0, rows,
                                       cols, t, SSTE_MMA_LIKE_SSTE, NULL, NULL),
                     SSTE_OK);
    assert_int_equal(sste_mma_decompress(NULL, 0, NULL, 0, NULL, order, rows,
                                         cols, t, NULL, NULL),
                     SSTE_OK);
  }
}

static void an_empty_matrix_needs_no_memory(void **state) {
  int order;
  (void)state;
  for (order = 0; order < SLOW_ORDERS; ++order) {
    check_empty((sste_mma_order)order, 0, 0);
    check_empty((sste_mma_order)order, 0, COLS);
    check_empty((sste_mma_order)order, 0, 3);
    check_empty((sste_mma_order)order, 5, 0);
    check_empty((sste_mma_order)order, ROWS, 0);
  }
}

/* ---- What PyTorch made --------------------------------------------------- */

/* A matrix of the file: what it holds of it, and what is read so far. */
typedef struct recording {
  subject s;
  int is_order; /* only an order: masks and metadata */
  size_t row;   /* the rows read */
  uint32_t *dense, *back;
  compressed c;
  long rows, matrices, promised; /* of the file; -1: not yet */
} recording;

static int digit(char c) {
  const char *const digits = "0123456789ABCDEF", *at = strchr(digits, c);
  if (c == '\0' || at == NULL) fail_msg("not a hexadecimal digit: %c", c);
  return (int)(at - digits);
}

/* The next word of the line, of n elements of so many bytes, first byte first.
 */
static void read_codes(uint32_t *codes, size_t n, size_t bytes,
                       const char *word) {
  size_t i, b;
  assert_non_null(word);
  assert_int_equal(strlen(word), 2 * n * bytes);
  for (i = 0; i < n; ++i) {
    codes[i] = 0;
    for (b = 0; b < bytes; ++b, word += 2)
      codes[i] |= (uint32_t)(16 * digit(word[0]) + digit(word[1])) << (8 * b);
  }
}

static sste_mma_type type_named(const char *name) {
  if (strcmp(name, "float16") == 0) return SSTE_MMA_F16;
  if (strcmp(name, "bfloat16") == 0) return SSTE_MMA_BF16;
  if (strcmp(name, "float32") == 0) return SSTE_MMA_TF32;
  if (strcmp(name, "int8") != 0) fail_msg("unknown type %s", name);
  return SSTE_MMA_S8;
}

static void begin_matrix(recording *r, const char *line) {
  char kind[8], name[16];
  unsigned rows, cols;
  size_t n;
  if (sscanf(line, "%7s %15s %u %u", kind, name, &rows, &cols) != 4)
    fail_msg("not understood: %s", line);
  r->is_order = strcmp(kind, "order") == 0;
  r->s = subject_new(SSTE_MMA_CUTLASS2, type_named(name), rows, cols);
  r->row = 0;
  n = rows * (size_t)cols;
  r->dense = (uint32_t *)poisoned(n * sizeof *r->dense);
  r->back = (uint32_t *)poisoned(n * sizeof *r->back);
  r->c.codes = (uint32_t *)poisoned(n / 2 * sizeof *r->c.codes);
  r->c.meta = (uint8_t *)poisoned(r->s.places / 2);
  r->c.values = NULL;
  ++r->matrices;
}

/* A row of ones where the masks say. */
static void read_masks(recording *r, const char *word) {
  static const uint32_t one[SLOW_TYPES] = {0x3C00, 0x3F80, 0x3F800000, 0,
                                           0,      1,      0};
  const size_t width = r->s.cols / r->s.chunks;
  uint32_t *dense = r->dense + r->row * r->s.cols;
  size_t i;
  assert_non_null(word);
  assert_int_equal(strlen(word), r->s.chunks);
  for (i = 0; i < r->s.cols; ++i)
    dense[i] = digit(word[i / width]) >> i % width & 1 ? one[r->s.type] : 0;
  memcpy(r->back + r->row * r->s.cols, dense, r->s.cols * sizeof *dense);
  for (i = 0; i < r->s.chunks; ++i)
    slow_compress(r->c.codes + r->row * r->s.cols / 2 + i * width / 2,
                  dense + i * width, r->s.type, SSTE_MMA_LIKE_TORCH);
}

static void read_row(recording *r, char *line) {
  const subject *s = &r->s;
  const size_t bytes = s->places / 2 / s->rows;
  uint32_t *dense = r->dense + r->row * s->cols;
  uint32_t *back = r->back + r->row * s->cols, meta[256];
  const char *word = strtok(line, " ");
  size_t i;
  if (r->is_order) {
    read_masks(r, word);
  } else {
    read_codes(dense, s->cols, s->size, word);
    read_codes(r->c.codes + r->row * s->cols / 2, s->cols / 2, s->size,
               strtok(NULL, " "));
  }
  assert_true(bytes <= 256);
  read_codes(meta, bytes, 1, strtok(NULL, " "));
  for (i = 0; i < bytes; ++i) r->c.meta[r->row * bytes + i] = (uint8_t)meta[i];
  if (!r->is_order) {
    word = strtok(NULL, " ");
    if (word != NULL && strcmp(word, "=") == 0)
      memcpy(back, dense, s->cols * sizeof *dense);
    else
      read_codes(back, s->cols, s->size, word);
  }
  assert_null(strtok(NULL, " "));
  ++r->row;
  ++r->rows;
}

static void check_matrix(recording *r) {
  const subject *s = &r->s;
  void *w = stored(s, r->dense, s->cols, s->ldw);
  void *back = stored(s, r->back, s->cols, s->ldw);
  void *got = poisoned(s->rows * s->ldw * s->size);
  compressed c = compressed_blank(s);
  r->c.values = stored(s, r->c.codes, s->cols / 2, s->ldv);
  assert_int_equal(
      sste_mma_compress(c.values, s->ldv, c.meta, s->order, w, s->ldw, s->rows,
                        s->cols, s->type, SSTE_MMA_LIKE_TORCH, NULL, NULL),
      SSTE_OK);
  assert_same_compressed(s, &c, &r->c, "not what PyTorch compressed");
  assert_int_equal(decompress(got, s, &r->c, NULL, NULL), SSTE_OK);
  if (memcmp(got, back, s->rows * s->ldw * s->size + 1) != 0)
    fail_in(s, "not what PyTorch decompressed");
  compressed_free(&c);
  compressed_free(&r->c);
  free(w);
  free(back);
  free(got);
  free(r->dense);
  free(r->back);
  subject_free(&r->s);
}

static void read_line(recording *r, char *line) {
  if (r->promised >= 0) fail_msg("after the end: %s", line);
  if (strncmp(line, "end ", 4) == 0) {
    r->promised = strtol(line + 4, NULL, 10);
  } else if (r->row == r->s.rows) {
    begin_matrix(r, line);
  } else {
    read_row(r, line);
    if (r->row == r->s.rows) check_matrix(r);
  }
}

static void pytorch_has_the_same_bytes_both_ways(void **state) {
  const char *path = getenv("SSTE_TEST_TORCH_SEMI_STRUCTURED");
  char line[1024];
  recording r;
  FILE *file;
  (void)state;
  memset(&r, 0, sizeof r);
  r.promised = -1;
  file = fopen(path != NULL ? path : SSTE_TEST_TORCH_SEMI_STRUCTURED, "r");
  if (file == NULL) fail_msg("cannot open the vectors");
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\r\n")] = '\0';
    if (line[0] != '#') read_line(&r, line);
  }
  fclose(file);
  assert_int_equal(r.row, r.s.rows); /* the last one is whole */
  assert_int_equal(r.rows, r.promised);
  assert_int_equal(r.matrices, 4 + 8);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nibbles_are_those_of_their_owner),
      cmocka_unit_test(nibbles_of_unknown_rules_and_types_are_refused),
      cmocka_unit_test(legal_nibbles_are_those_of_full_chunks),
      cmocka_unit_test(orders_are_those_of_their_owner),
      cmocka_unit_test(every_nibble_has_a_place_of_its_own),
      cmocka_unit_test(shapes_are_whole_blocks_of_the_order),
      cmocka_unit_test(a_number_of_bytes_that_overflows_is_refused),
      cmocka_unit_test(metadata_go_from_any_order_to_any_other),
      cmocka_unit_test(compressing_gives_the_bytes_of_the_rule_and_order),
      cmocka_unit_test(the_rule_of_sste_is_sste_tensor_compress_as),
      cmocka_unit_test(the_first_chunk_that_is_too_full_is_named),
      cmocka_unit_test(decompressing_puts_values_where_nibbles_say),
      cmocka_unit_test(the_first_illegal_nibble_is_named),
      cmocka_unit_test(what_cutlass_3_compresses_can_be_decompressed),
      cmocka_unit_test(
          nibble_0_is_legal_only_for_zeros_in_the_order_of_cutlass_3),
      cmocka_unit_test(bad_arguments_are_refused_and_nothing_is_written),
      cmocka_unit_test(a_rule_that_is_none_is_refused),
      cmocka_unit_test(matrices_may_touch_but_not_overlap),
      cmocka_unit_test(metadata_may_touch_the_matrix_but_not_overlap),
      cmocka_unit_test(a_matrix_ends_with_its_last_row),
      cmocka_unit_test(reordering_refuses_bad_arguments),
      cmocka_unit_test(checking_and_counting_refuse_bad_arguments),
      cmocka_unit_test(an_empty_matrix_needs_no_memory),
      cmocka_unit_test(pytorch_has_the_same_bytes_both_ways),
  };
  return cmocka_run_group_tests_name("mma_orders", tests, NULL, NULL);
}
