/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * fuzz_npy.c - libFuzzer gives the .npy reader of the programs any bytes at
 * all, any dict in a sound frame, and dicts that Python would accept, with
 * keys, blanks and quotes as they come. Of the first two the reader must make
 * a matrix that fits the bytes, or one line of text; of the last it must make
 * what was written. What the writer writes must read as what it was given.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined \
 *     -fno-sanitize-recover=all -I. -o fuzz_npy tests/fuzz_npy.c
 */
#include "examples/npy.h"
#include "fuzz.h"

/* ---- A file that grows --------------------------------------------------- */

enum { FILE_BYTES = 70000 };
typedef struct file {
  uint8_t bytes[FILE_BYTES];
  size_t size;
} file;
static file f;

static void add(const void *p, size_t n) {
  CHECK(n <= FILE_BYTES - f.size);
  memcpy(f.bytes + f.size, p, n);
  f.size += n;
}
static void add_text(const char *text) { add(text, strlen(text)); }

/* The frame of a header that is `length` bytes long. */
static void begin(unsigned version, size_t length) {
  const uint8_t frame[12] = {0x93,
                             'N',
                             'U',
                             'M',
                             'P',
                             'Y',
                             (uint8_t)version,
                             0,
                             (uint8_t)length,
                             (uint8_t)(length >> 8),
                             (uint8_t)(length >> 16),
                             0};
  f.size = 0;
  add(frame, version == 1 ? 10 : 12);
}

/* Reads a copy of exactly its size, so that a byte too many is noticed. */
static int read_copy(int (*reader)(npy *, const uint8_t *, size_t), npy *a,
                     const uint8_t *bytes, size_t size) {
  uint8_t *copy = (uint8_t *)malloc(size > 0 ? size : 1);
  int good;
  CHECK(copy != NULL);
  if (size > 0) memcpy(copy, bytes, size);
  good = reader(a, copy, size);
  free(copy);
  return good;
}

/* A pipe is read piece by piece: the frame tells how long the header is, the
 * header how long the data are, and both say what the whole file does. */
static void check_pieces(const npy *a, int good, const uint8_t *bytes,
                         size_t size) {
  npy piece;
  size_t n = size < NPY_FRAME ? size : NPY_FRAME;
  int sound = read_copy(npy_frame, &piece, bytes, n);
  if (sound) {
    n = size < piece.offset ? size : piece.offset;
    sound = read_copy(npy_head, &piece, bytes, n);
  }
  if (sound && size - n != npy_data(&piece)) {
    CHECK(!good);
    return;
  }
  CHECK(good == sound && memcmp(&piece, a, sizeof piece) == 0);
}

static int read_file(npy *a, const uint8_t *bytes, size_t size) {
  const int good = read_copy(npy_parse, a, bytes, size);
  check_pieces(a, good, bytes, size);
  return good;
}

/* ---- What every answer must be ------------------------------------------- */

static void check_answer(const npy *a, int good, size_t size) {
  static const char *const dtypes[] = {"f2", "f4", "f8", "u1", "u2"};
  size_t count = 1, width, i;
  int d;
  if (!good) {
    const size_t length = strlen(a->problem);
    CHECK(length > 0 && length < sizeof a->problem - 1);
    for (i = 0; i < length; ++i)
      CHECK(a->problem[i] >= ' ' && a->problem[i] <= '~');
    return;
  }
  CHECK(a->problem[0] == '\0');
  for (i = 0; i < 5 && strcmp(a->dtype, dtypes[i]) != 0; ++i) continue;
  CHECK(i < 5);
  width = i == 2 ? 8 : i == 1 ? 4 : i == 3 ? 1 : 2;
  CHECK(a->dims >= 0 && a->dims <= 64);
  for (d = 0; d < a->dims; ++d) {
    count *= (size_t)a->shape[d];
    CHECK(d < a->dims - 1 || a->cols == a->shape[d]);
  }
  CHECK(a->rows * a->cols == count);
  CHECK(a->offset <= size && size - a->offset == count * width);
  CHECK(npy_data(a) == count * width);
  CHECK(a->offset % width == 0);
}

/* ---- Any bytes; any dict ------------------------------------------------- */

static void fuzz_bytes(const input *in) {
  npy a;
  check_answer(&a, read_file(&a, in->data, in->left), in->left);
}

static void fuzz_dict(input *in) {
  static const uint8_t zeros[256];
  const unsigned version = 1 + take(in) % 3, data = take(in);
  npy a;
  begin(version, in->left);
  add(in->data, in->left);
  add(zeros, data);
  check_answer(&a, read_file(&a, f.bytes, f.size), f.size);
}

/* ---- A dict that Python accepts ------------------------------------------ */

static void add_blanks(input *in) {
  static const char blanks[] = " \t\n\r\f ";
  unsigned byte = take(in);
  for (; byte % 4 == 3; byte = take(in)) add(&blanks[byte / 4 % 6], 1);
}
static void add_token(input *in, const char *text) {
  add_blanks(in);
  add_text(text);
}
static void add_quoted(input *in, const char *text) {
  const char *quote = take(in) % 2 ? "'" : "\"";
  add_token(in, quote);
  add_text(text);
  add_text(quote);
}

/* What a dtype is called in a file, and here. */
static const char *const descrs[][2] = {
    {"<f2", "f2"}, {"<f4", "f4"}, {"<f8", "f8"}, {"|u1", "u1"}, {"<u2", "u2"},
    {"|b1", "u1"}, {"|V1", "u1"}, {"<V2", "u2"}, {">u1", "u1"}, {"<u1", "u1"}};
enum { DESCRS = 10 };

static void add_shape(input *in, const npy *want) {
  int d;
  add_token(in, "(");
  for (d = 0; d < want->dims; ++d) {
    char number[24];
    sprintf(number, "%llu", (unsigned long long)want->shape[d]);
    add_token(in, number);
    if (d < want->dims - 1 || d == 0 || take(in) % 2) add_token(in, ",");
  }
  add_token(in, ")");
}

static void add_entry(input *in, unsigned which, const char *descr,
                      const npy *want) {
  static const char *const keys[] = {"descr", "fortran_order", "shape"};
  add_quoted(in, keys[which]);
  add_token(in, ":");
  if (which == 0) add_quoted(in, descr);
  if (which == 1) add_token(in, "False");
  if (which == 2) add_shape(in, want);
}

/* A shape of at most 4096 elements, and its dtype; which descr was chosen. */
static unsigned take_matrix(input *in, npy *want) {
  const unsigned which = take(in) % DESCRS;
  uint64_t count = 1;
  int d;
  memset(want, 0, sizeof *want);
  strcpy(want->dtype, descrs[which][1]);
  want->dims = (int)(take(in) % 66);
  if (want->dims > 64) want->dims = 2;
  for (d = 0; d < want->dims; ++d) {
    const uint64_t length = take(in) % 9;
    want->shape[d] = count * length <= 4096 ? length : 1;
    if (want->shape[d] > 0) count *= want->shape[d];
  }
  return which;
}

static size_t data_bytes(const npy *a) {
  size_t bytes = (size_t)(a->dtype[1] - '0');
  int d;
  for (d = 0; d < a->dims; ++d) bytes *= (size_t)a->shape[d];
  return bytes;
}

static void check_same(const npy *got, const npy *want) {
  CHECK(strcmp(got->dtype, want->dtype) == 0);
  CHECK(got->dims == want->dims);
  CHECK(memcmp(got->shape, want->shape, sizeof got->shape) == 0);
}

static void fuzz_good(input *in) {
  static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                       {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  static const uint8_t zeros[8 * 4096];
  const unsigned version = 1 + take(in) % 3;
  const uint8_t *order = orders[take(in) % 6];
  npy want, got;
  const char *descr = descrs[take_matrix(in, &want)][0];
  size_t frame, length;
  int i, good;
  begin(version, 0);
  frame = f.size;
  add_token(in, "{");
  for (i = 0; i < 3; ++i) {
    add_entry(in, order[i], descr, &want);
    if (i < 2 || take(in) % 2) add_token(in, ",");
  }
  add_token(in, "}");
  add_blanks(in);
  while (f.size % 8 != 7) add_text(" ");
  add_text("\n");
  length = f.size - frame;
  f.bytes[8] = (uint8_t)length;
  f.bytes[9] = (uint8_t)(length >> 8);
  add(zeros, data_bytes(&want));
  good = read_file(&got, f.bytes, f.size);
  check_answer(&got, good, f.size);
  CHECK(good == (length <= NPY_LONGEST));
  if (good) check_same(&got, &want);
}

/* ---- What the writer writes ---------------------------------------------- */

static void fuzz_writer(input *in) {
  static const uint8_t zeros[8 * 4096];
  char header[NPY_HEADER];
  npy want, got;
  const char *descr = descrs[take_matrix(in, &want)][0];
  const size_t n = npy_header(header, descr, want.dims, want.shape);
  CHECK(n <= NPY_HEADER && n % 64 == 0 && header[n - 1] == '\n');
  f.size = 0;
  add(header, n);
  add(zeros, data_bytes(&want));
  CHECK(read_file(&got, f.bytes, f.size));
  check_answer(&got, 1, f.size);
  check_same(&got, &want);
  CHECK(got.offset == n);
  CHECK(!read_file(&got, f.bytes, f.size - 1)); /* one byte less, or more */
  add(zeros, 1);
  CHECK(!read_file(&got, f.bytes, f.size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in;
  if (size > 30000) return 0; /* leaves room for what is made of it */
  in.data = data;
  in.left = size;
  switch (take(&in) % 4) {
    case 0: fuzz_bytes(&in); break;
    case 1: fuzz_dict(&in); break;
    case 2: fuzz_good(&in); break;
    default: fuzz_writer(&in); break;
  }
  return 0;
}
