/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * npy.h - NumPy's .npy files, for the programs: what the beginning of a file
 * says, and the beginning that np.save would write.
 *
 *     \x93NUMPY   major minor   length          a dict      data
 *     6 bytes     1     1       2 bytes, or 4   `length`    row by row
 *                               from 2.0 on     bytes
 *
 * The dict is Python source with three keys, in any order:
 *
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (4, 8), }
 *
 * Of what it may say this reader takes what the programs have a use for: rows
 * of float16, float32, float64, bytes and 16-bit words, little-endian. All else
 * is refused in one line that says what is wrong, and so are pickles. Nothing
 * is read beyond the bytes given, allocated or kept.                        */
#ifndef SSTE_NPY_H
#define SSTE_NPY_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
  NPY_DIMS = 64,       /* NumPy's limit */
  NPY_LONGEST = 10000, /* a dict: NumPy's limit, too */
  NPY_FRAME = 12,      /* what stands in front of it, at most */
  NPY_HEADER = 2048    /* holds every header that is written here */
};

typedef struct npy {
  char dtype[4]; /* "f2", "f4", "f8", "u1" or "u2" */
  int dims;
  uint64_t shape[NPY_DIMS];
  size_t rows, cols; /* all dimensions but the last as one; 1 where missing */
  size_t offset;     /* where the data begin, a multiple of their size */
  char problem[256]; /* what is wrong with the file */
} npy;

/* Bytes per element. */
static inline size_t npy_size(const npy *a) {
  return (size_t)(a->dtype[1] - '0');
}

/* ---- Reading ------------------------------------------------------------- */

/* What is left of the dict. */
typedef struct npy_text {
  const uint8_t *at, *end;
} npy_text;

static inline int npy_fail(npy *a, const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(a->problem, sizeof a->problem, format, values);
  va_end(values);
  return 0;
}

/* Skips white space and tells the next character, 0 at the end. */
static inline int npy_next(npy_text *t) {
  while (t->at < t->end && (*t->at == ' ' || (*t->at >= 9 && *t->at <= 13)))
    ++t->at;
  return t->at < t->end ? *t->at : 0;
}
static inline int npy_take(npy_text *t, char c) {
  if (npy_next(t) != c) return 0;
  ++t->at;
  return 1;
}
static inline int npy_word(npy_text *t, const char *word) {
  const size_t n = strlen(word);
  npy_next(t);
  if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0) return 0;
  t->at += n;
  return 1;
}

/* A string in either quotes, of up to 31 printable characters. */
static inline int npy_string(npy_text *t, char text[32]) {
  const int quote = npy_next(t);
  size_t n = 0;
  if (quote != '\'' && quote != '"') return 0;
  for (++t->at; t->at < t->end && *t->at != quote; ++t->at) {
    if (*t->at < ' ' || *t->at > '~' || *t->at == '\\' || n == 31) return 0;
    text[n++] = (char)*t->at;
  }
  text[n] = '\0';
  if (t->at == t->end) return 0;
  ++t->at;
  return 1;
}

/* An element's type. In one byte there is no byte order. Bytes and words that
 * mean nothing to NumPy are how np.save stores the types of ml_dtypes. */
static inline int npy_read_descr(npy *a, npy_text *t) {
  static const char known[][2][3] = {{"f2", "f2"}, {"f4", "f4"}, {"f8", "f8"},
                                     {"u1", "u1"}, {"b1", "u1"}, {"V1", "u1"},
                                     {"u2", "u2"}, {"V2", "u2"}};
  const int next = npy_next(t);
  char descr[32];
  size_t i;
  if (next == '[' || next == '(' || next == '{')
    return npy_fail(a, "a structured dtype; save one of its fields");
  if (!npy_string(t, descr)) return npy_fail(a, "the dtype is malformed");
  if (strchr(descr, 'O') != NULL)
    return npy_fail(a, "dtype '%s' is a pickle of Python objects, never read",
                    descr);
  for (i = 0; i < sizeof known / sizeof known[0]; ++i) {
    const int one_byte = known[i][0][1] == '1';
    if (descr[0] == '\0' || strcmp(descr + 1, known[i][0]) != 0) continue;
    if (descr[0] == '>' && !one_byte)
      return npy_fail(a, "dtype '%s' is big-endian; save x.astype('<%s')",
                      descr, known[i][0]);
    if (descr[0] != '<' && (!one_byte || strchr("|>=", descr[0]) == NULL))
      break;
    strcpy(a->dtype, known[i][1]);
    return 1;
  }
  return npy_fail(a, "dtype '%s' is none of <f4, <f2, <f8, |u1, <u2", descr);
}

static inline int npy_read_order(npy *a, npy_text *t) {
  if (npy_word(t, "False")) return 1;
  if (npy_word(t, "True"))
    return npy_fail(a, "in Fortran order; save np.ascontiguousarray(x)");
  return npy_fail(a, "fortran_order is neither True nor False");
}

/* One dimension, as Python writes a whole number: without leading zeros. */
static inline int npy_read_length(npy *a, npy_text *t) {
  const int first = npy_next(t);
  uint64_t n = 0;
  if (first == '-') return npy_fail(a, "the shape has a negative dimension");
  if (first < '0' || first > '9') return npy_fail(a, "the shape is malformed");
  if (a->dims == NPY_DIMS)
    return npy_fail(a, "the shape has more than %d dimensions", NPY_DIMS);
  for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; ++t->at) {
    const uint64_t digit = (uint64_t)(*t->at - '0');
    if (first == '0' && n + digit > 0)
      return npy_fail(a, "the shape is malformed");
    if (n > (INT64_MAX - digit) / 10)
      return npy_fail(a, "the shape has a dimension that overflows");
    n = 10 * n + digit;
  }
  a->shape[a->dims++] = n;
  return 1;
}

/* (), (3,), (3, 4), (3, 4,): without a comma (3) is a number, not a tuple. */
static inline int npy_read_shape(npy *a, npy_text *t) {
  int comma = 1;
  if (!npy_take(t, '(')) return npy_fail(a, "the shape is no tuple");
  while (npy_next(t) != ')') {
    if (!comma) return npy_fail(a, "the shape is malformed");
    if (!npy_read_length(a, t)) return 0;
    comma = npy_take(t, ',');
  }
  if (a->dims == 1 && !comma) return npy_fail(a, "the shape is no tuple");
  ++t->at;
  return 1;
}

static inline int npy_read_dict(npy *a, npy_text *t) {
  static const char *const keys[] = {"descr", "fortran_order", "shape"};
  static int (*const values[])(npy *, npy_text *) = {
      npy_read_descr, npy_read_order, npy_read_shape};
  int seen[3] = {0, 0, 0}, comma = 1, i;
  char key[32];
  if (!npy_take(t, '{')) return npy_fail(a, "the header is no dict");
  while (npy_next(t) != '}') {
    if (!comma || !npy_string(t, key) || !npy_take(t, ':'))
      return npy_fail(a, "the header is malformed");
    for (i = 0; i < 3 && strcmp(key, keys[i]) != 0; ++i) continue;
    if (i == 3) return npy_fail(a, "the header has an unknown key '%s'", key);
    if (seen[i]++) return npy_fail(a, "the header has '%s' twice", key);
    if (!values[i](a, t)) return 0;
    comma = npy_take(t, ',');
  }
  ++t->at;
  if (npy_next(t) != 0 || t->at != t->end)
    return npy_fail(a, "the header goes on after its dict");
  for (i = 0; i < 3; ++i)
    if (!seen[i]) return npy_fail(a, "the header lacks '%s'", keys[i]);
  return 1;
}

/* Rows and columns. A dimension of 0 hides an overflow of the others from
 * nobody. */
static inline int npy_measure(npy *a) {
  const uint64_t most = (uint64_t)PTRDIFF_MAX / npy_size(a);
  uint64_t elements = 1;
  int i;
  for (i = 0; i < a->dims; ++i) {
    if (a->shape[i] == 0) continue;
    if (a->shape[i] > most / elements)
      return npy_fail(a, "the shape overflows");
    elements *= a->shape[i];
  }
  a->rows = a->cols = 1;
  for (i = 0; i < a->dims - 1; ++i) a->rows *= (size_t)a->shape[i];
  if (a->dims > 0) a->cols = (size_t)a->shape[a->dims - 1];
  if (a->offset % npy_size(a) != 0)
    return npy_fail(a, "the data begin at byte %zu, no multiple of %zu",
                    a->offset, npy_size(a));
  return 1;
}

/* npy_frame - where the data begin, by the first bytes of a file.
 *   a         its offset receives it
 *   size      of what there is; NPY_FRAME bytes suffice
 *   returns   1, or 0 and what is wrong in a->problem                       */
static inline int npy_frame(npy *a, const uint8_t *file, size_t size) {
  size_t length = 0, i;
  memset(a, 0, sizeof *a);
  if (size < 8 || memcmp(file, "\x93NUMPY", 6) != 0)
    return npy_fail(a, "not a .npy file");
  if (file[6] < 1 || file[6] > 3 || file[7] != 0)
    return npy_fail(a, "version %d.%d of .npy is unknown", file[6], file[7]);
  a->offset = file[6] == 1 ? 10 : 12;
  if (size < a->offset) return npy_fail(a, "the header is cut off");
  for (i = a->offset; i-- > 8;) length = length << 8 | file[i];
  if (length > NPY_LONGEST)
    return npy_fail(a, "a header of %zu bytes is absurd", length);
  a->offset += length;
  return 1;
}

/* npy_head - what a file holds, by its first bytes.
 *   a         receives it
 *   size      of what there is; as many bytes as npy_frame tells suffice
 *   returns   1, or 0 and what is wrong in a->problem                       */
static inline int npy_head(npy *a, const uint8_t *file, size_t size) {
  npy_text text;
  if (!npy_frame(a, file, size)) return 0;
  if (size < a->offset) return npy_fail(a, "the header is cut off");
  text.at = file + (file[6] == 1 ? 10 : 12);
  text.end = file + a->offset;
  return npy_read_dict(a, &text) && npy_measure(a);
}

/* Bytes of data that must follow. */
static inline size_t npy_data(const npy *a) {
  return a->rows * a->cols * npy_size(a);
}

/* npy_parse - what a file of `size` bytes holds, which must be all it needs and
 * no more.
 *   a         receives it
 *   returns   1, or 0 and what is wrong in a->problem                       */
static inline int npy_parse(npy *a, const uint8_t *file, size_t size) {
  if (!npy_head(a, file, size)) return 0;
  if (size - a->offset > npy_data(a))
    return npy_fail(a, "the shape needs %zu bytes of data, and there are more",
                    npy_data(a));
  if (size - a->offset < npy_data(a))
    return npy_fail(a, "the shape needs %zu bytes of data, and there are %zu",
                    npy_data(a), size - a->offset);
  return 1;
}

/* ---- Writing ------------------------------------------------------------- */

/* npy_header - what np.save writes in front of the data, to the byte: version
 * 1.0, blanks for the first dimension to grow to 21 digits in place, then to
 * the next multiple of 64, and never none.
 *   out       receives it
 *   descr     "<f4", "|u1", ...
 *   returns   its length                                                    */
static inline size_t npy_header(char out[NPY_HEADER], const char *descr,
                                int dims, const uint64_t *shape) {
  size_t n = 10, length;
  int i;
  n += (size_t)sprintf(
      out + n, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
  for (i = 0; i < dims; ++i)
    n += (size_t)sprintf(out + n, i == 0 ? "%llu" : ", %llu",
                         (unsigned long long)shape[i]);
  n += (size_t)sprintf(out + n, dims == 1 ? ",), }" : "), }");
  if (dims > 0)
    n += (size_t)sprintf(
        out + n, "%*s",
        21 - snprintf(NULL, 0, "%llu", (unsigned long long)shape[0]), "");
  length = (n + 1) / 64 * 64 + 64;
  memset(out + n, ' ', length - n);
  out[length - 1] = '\n';
  memcpy(out, "\x93NUMPY\1", 8);
  out[8] = (char)((length - 10) & 0xFF);
  out[9] = (char)((length - 10) >> 8);
  return length;
}

#endif /* SSTE_NPY_H */
