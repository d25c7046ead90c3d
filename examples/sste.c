/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * sste.c - the library from the shell: matrices in .npy files go in, and what
 * the headers make of them, or a verdict, comes out.
 *
 *     sste gen ties 4096x4096 w.npy
 *     sste project w.npy want.npy
 *     sste compare got.npy want.npy --as 2:4 --source w.npy
 *
 * Nothing is held that can be passed by. Inputs are mapped, so that a file of
 * any size is a pointer; outputs leave in blocks of about 1 MiB, and a file
 * takes its name only when it is whole. One message, one line, on stderr.
 *
 *   1. Messages   3. Inputs    5. Blocks   7. Comparing
 *   2. Options    4. Outputs   6. Verbs    8. The table of verbs            */
#define _XOPEN_SOURCE 700 /* POSIX 2008, and its realpath */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "npy.h"
#include "sste_check.h"
#include "sste_mvue.h"

/* ---- 1. Messages --------------------------------------------------------- */

static void remove_parts(void); /* section 4 */

/* Misuse, or a file that cannot be read or written: one line, status 2. What
 * outputs hold in buffers is not written. */
static void die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "sste: ");
  vfprintf(stderr, format, args);
  fprintf(stderr, "\n");
  va_end(args);
  remove_parts();
  _exit(2);
}

static void must(sste_status status, const char *name) {
  if (status != SSTE_OK) die("%s: %s", name, sste_status_text(status));
}

static void *memory(size_t count, size_t size) {
  void *p = size == 0 || count <= SIZE_MAX / size
                ? malloc(count > 0 ? count * size : 1)
                : NULL;
  if (p == NULL) die("not enough memory for %zu x %zu bytes", count, size);
  return p;
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* ---- 2. Options ---------------------------------------------------------- */

enum {
  SEED,
  TO,
  FROM,
  BETA,
  TIE,
  FORMAT,
  LIKE,
  SCALE,
  TENSOR,
  STEP,
  RUN,
  FIRST_GROUP,
  AXIS,
  GROUP,
  KIND,
  AS,
  SOURCE,
  COLS,
  NEAR,
  ERROR,
  PRODUCT,
  SUM,
  TERMS,
  OPTIONS
};
static const char *const option_names[OPTIONS] = {
    "--seed", "--to",    "--from",    "--beta", "--tie",    "--format",
    "--like", "--scale", "--tensor",  "--step", "--run",    "--first-group",
    "--axis", "--group", "--kind",    "--as",   "--source", "--cols",
    "--near", "--error", "--product", "--sum",  "--terms"};

/* What stands behind a verb. */
typedef struct arguments {
  const char *name[3]; /* positional: a kind, a shape, files */
  int names;
  const char *value[OPTIONS]; /* null: not given */
  const char *second;         /* of --product's two */
} arguments;

/* A number without a sign, and nothing behind it. */
static uint64_t whole_number(const char *what, const char *text,
                             uint64_t most) {
  char *end;
  uint64_t n;
  errno = 0;
  n = strtoull(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != '\0')
    die("%s wants a whole number, not '%s'", what, text);
  if (errno != 0 || n > most)
    die("%s is %s, but %llu is the most", what, text, (unsigned long long)most);
  return n;
}
static uint64_t count_of(const arguments *a, int option, uint64_t most,
                         uint64_t otherwise) {
  const char *text = a->value[option];
  if (text == NULL) return otherwise;
  return whole_number(option_names[option], text, most);
}

static float positive_of(const arguments *a, int option) {
  const char *text = a->value[option];
  char *end;
  float x;
  if (text == NULL) return 1.0f;
  x = strtof(text, &end);
  if (strchr("0123456789.", text[0]) == NULL || *end != '\0' ||
      !(x > 0.0f && x <= FLT_MAX))
    die("%s wants a number above 0 that is a finite float, not '%s'",
        option_names[option], text);
  return x;
}

/* The place of a word among `count` others; the first if it was not given. */
static int word_of(const arguments *a, int option, const char *const *words,
                   int count) {
  const char *text = a->value[option];
  char list[256] = "";
  int i;
  if (text == NULL) return 0;
  for (i = 0; i < count; ++i) {
    if (strcmp(text, words[i]) == 0) return i;
    strcat(strcat(list, " "), words[i]);
  }
  die("%s is '%s', but it must be one of:%s", option_names[option], text, list);
  return 0;
}

/* Formats by name, those of 8 bits first; all that arrays can be of. */
enum { NARROW = 10, FORMATS = 14 };
static const char *const format_names[FORMATS] = {
    "e4m3fn",   "e5m2",     "e4m3",        "e3m4",   "e3m4fn",
    "e4m3fnuz", "e5m2fnuz", "e4m3b11fnuz", "ue4m3",  "e8m0",
    "float16",  "bfloat16", "float32",     "float64"};

static sste_fp8_format format_at(int i) {
  static sste_fp8_format (*const formats[FORMATS])(void) = {
      sste_fp8_e4m3fn,   sste_fp8_e5m2,        sste_fp8_e4m3,
      sste_fp8_e3m4,     sste_fp8_e3m4fn,      sste_fp8_e4m3fnuz,
      sste_fp8_e5m2fnuz, sste_fp8_e4m3b11fnuz, sste_fp8_ue4m3,
      sste_fp8_e8m0,     sste_fp8_float16,     sste_fp8_bfloat16,
      sste_fp8_float32,  sste_fp8_float64};
  return formats[i]();
}

/* --format of 8 bits, which encode and decode cannot do without. */
static sste_fp8_format narrow_format(const arguments *a) {
  if (a->value[FORMAT] == NULL) die("--format is missing");
  return format_at(word_of(a, FORMAT, format_names, NARROW));
}

/* How formats of 16 bits and more are rounded: beyond the end is infinity. */
static sste_fp8_rule wide_rule(void) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.overflow = SSTE_OVERFLOW_NONE;
  rule.nan = SSTE_NAN_QUIET;
  return rule;
}

/* In the order of SSTE_LIKE_OCP, ... */
static sste_fp8_rule rule_of(const arguments *a, sste_fp8_format f) {
  static const char *const names[] = {
      "ocp",        "ocp_nonsaturating", "cuda_satfinite",
      "cuda_nosat", "ml_dtypes_0_6",     "torch_2_12",
      "torch_2_13", "onnx_25_saturate",  "onnx_25"};
  if (a->value[LIKE] == NULL) return sste_fp8_saturating();
  return sste_fp8_rule_like(word_of(a, LIKE, names, 9), f, sste_fp8_float32());
}

/* ---- 3. Inputs ----------------------------------------------------------- */

typedef struct matrix {
  const char *name;
  npy head; /* its rows and cols are those of the matrix */
  uint8_t *bytes;
  size_t size;
  int mapped;
  float *scratch; /* for what is not float32 */
  size_t room;
} matrix;

/* Reads on until `size` bytes are held, or there are no more. */
static void hold(matrix *m, int file, size_t size) {
  size_t room = m->size;
  ssize_t got = 1;
  while (m->size < size && got > 0) {
    if (m->size == room) {
      room = smaller(size, 2 * room + 65536);
      m->bytes = (uint8_t *)realloc(m->bytes, room);
      if (m->bytes == NULL) die("not enough memory to hold %s", m->name);
    }
    got = read(file, m->bytes + m->size, room - m->size);
    if (got < 0) die("cannot read %s: %s", m->name, strerror(errno));
    m->size += (size_t)got;
  }
}

/* What cannot be mapped, as a pipe, is held. It may have no end: first comes
 * the header, then what it announces, and one byte to see if more follows. */
static void matrix_read(matrix *m, int file) {
  hold(m, file, NPY_FRAME);
  if (!npy_frame(&m->head, m->bytes, m->size)) return;
  hold(m, file, m->head.offset);
  if (!npy_head(&m->head, m->bytes, m->size)) return;
  hold(m, file, m->head.offset + npy_data(&m->head) + 1);
}

/* Opens a matrix of one of the types in `wanted`. */
static matrix matrix_open(const char *name, const char *wanted) {
  const int file = open(name, O_RDONLY);
  struct stat info;
  void *p = MAP_FAILED;
  matrix m;
  memset(&m, 0, sizeof m);
  m.name = name;
  if (file < 0 || fstat(file, &info) != 0)
    die("cannot read %s: %s", name, strerror(errno));
  if (S_ISREG(info.st_mode) && info.st_size > 0 &&
      (uint64_t)info.st_size <= PTRDIFF_MAX) {
    m.size = (size_t)info.st_size;
    p = mmap(NULL, m.size, PROT_READ, MAP_SHARED, file, 0);
  }
  m.mapped = p != MAP_FAILED;
  if (m.mapped)
    m.bytes = (uint8_t *)p;
  else
    matrix_read(&m, file);
  close(file);
  if (!npy_parse(&m.head, m.bytes, m.size)) die("%s: %s", name, m.head.problem);
  if (strstr(wanted, m.head.dtype) == NULL)
    die("%s: the dtype is '%s', but %s is wanted", name, m.head.dtype, wanted);
  return m;
}

static matrix matrix_of_any(const char *name) {
  return matrix_open(name, "f4, f2, f8, u1 or u2");
}

/* float32, float16, and 16-bit words that are bfloat16. */
static matrix matrix_of_floats(const char *name) {
  return matrix_open(name, "f4, f2 or (bfloat16) u2");
}

/* Of zeros, too. */
static void matrix_close(matrix *m) {
  if (m->mapped)
    munmap(m->bytes, m->size);
  else
    free(m->bytes);
  free(m->scratch);
}

/* The elements from `first` on, as they are in the file. */
static const void *raw(const matrix *m, size_t first) {
  return m->bytes + m->head.offset + first * npy_size(&m->head);
}

/* What 16 bits are, in files of 'f' or of 'u'. */
static sste_fp8_format half_format(char kind) {
  return kind == 'f' ? sste_fp8_float16() : sste_fp8_bfloat16();
}

/* `count` elements as floats, exactly; valid until the next call. */
static const float *floats(matrix *m, size_t first, size_t count) {
  const sste_fp8_format f = half_format(m->head.dtype[0]);
  const uint8_t *from = (const uint8_t *)raw(m, first);
  ptrdiff_t i;
  if (npy_size(&m->head) == 4) return (const float *)raw(m, first);
  if (count > m->room) {
    free(m->scratch);
    m->scratch = (float *)memory(count, sizeof(float));
    m->room = count;
  }
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)count; ++i) {
    uint16_t code;
    memcpy(&code, from + 2 * i, sizeof code);
    m->scratch[i] = sste_fp8_decode(f, code);
  }
  return m->scratch;
}
static const float *all_floats(matrix *m) {
  return floats(m, 0, m->head.rows * m->head.cols);
}

static void need_groups(const matrix *m) {
  if (m->head.cols % 4 != 0)
    die("%s has %zu columns, but groups of four need a multiple of 4", m->name,
        m->head.cols);
}
static int same_shape(const npy *a, const npy *b) {
  return a->dims == b->dims && memcmp(a->shape, b->shape, sizeof a->shape) == 0;
}
static void need_same_shape(const matrix *a, const matrix *b) {
  if (!same_shape(&a->head, &b->head))
    die("%s and %s differ in shape", a->name, b->name);
}

/* ---- 4. Outputs ---------------------------------------------------------- */

/* Until it is whole, a file is NAME.PID.part, which is removed if the program
 * gives up. What is no regular file, such as a pipe, is written as is. */
typedef struct output {
  const char *name, *descr;
  char *target, part[4096]; /* no part: written as is */
  struct stat place;        /* what is replaced, or written */
  FILE *f;
} output;

static output outputs[2];
static int output_count;

static void remove_parts(void) {
  int i;
  for (i = 0; i < 2; ++i)
    if (outputs[i].part[0] != '\0') unlink(outputs[i].part);
}

/* Also calls what POSIX allows here alone. A mapped file that another program
 * cuts short is SIGBUS. */
static void on_signal(int signal_number) {
  static const char message[] = "sste: an input cannot be read any more\n";
  remove_parts();
  if (signal_number == SIGBUS) {
    const ssize_t told = write(STDERR_FILENO, message, sizeof message - 1);
    (void)told;
    _exit(2);
  }
  raise(signal_number); /* which is back to its default */
}

static void catch_signals(void) {
  static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGBUS};
  struct sigaction action;
  size_t i;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = (int)SA_RESETHAND;
  for (i = 0; i < sizeof caught / sizeof caught[0]; ++i) {
    struct sigaction before;
    if (sigaction(caught[i], NULL, &before) == 0 &&
        before.sa_handler != SIG_IGN) /* as nohup has it */
      sigaction(caught[i], &action, NULL);
  }
  signal(SIGPIPE, SIG_IGN); /* a reader that has left is a write error */
}

static void cannot_write(const char *name) {
  die("cannot write %s: %s", name, strerror(errno));
}

static void put(output *out, const void *p, size_t bytes) {
  if (bytes > 0 && fwrite(p, 1, bytes, out->f) != bytes)
    cannot_write(out->name);
}

/* Floats in the dtype of the output, rounded once to nearest even. */
static void put_floats(output *out, const float *x, size_t count) {
  static uint16_t codes[65536];
  const sste_fp8_format to = half_format(out->descr[1]);
  const sste_fp8_rule nearest = wide_rule();
  size_t n;
  if (out->descr[2] == '4') {
    put(out, x, count * sizeof *x);
    return;
  }
  for (; count > 0; x += n, count -= n) {
    ptrdiff_t i;
    n = smaller(count, sizeof codes / sizeof codes[0]);
    SSTE_OMP(parallel for schedule(static))
    for (i = 0; i < (ptrdiff_t)n; ++i) {
      uint32_t bits;
      memcpy(&bits, &x[i], sizeof bits);
      codes[i] =
          (uint16_t)sste_fp8_convert(to, nearest, sste_fp8_float32(), bits, 0);
    }
    put(out, codes, n * sizeof codes[0]);
  }
}

/* The descriptor that a name stands for, or -1. To open such a name would cut
 * off the file behind it. */
static int stream_named(const char *name) {
  int n;
  char more;
  if (strcmp(name, "/dev/stdout") == 0) return STDOUT_FILENO;
  if (strcmp(name, "/dev/stderr") == 0) return STDERR_FILENO;
  if (sscanf(name, "/dev/fd/%9d%c", &n, &more) == 1) return n;
  return sscanf(name, "/proc/self/fd/%9d%c", &n, &more) == 1 ? n : -1;
}

/* The file behind a link is replaced, not the link; there must be one. */
static char *resolve(const char *name) {
  struct stat info;
  char *real = realpath(name, NULL);
  if (real == NULL && lstat(name, &info) == 0)
    die("%s is a link that leads nowhere", name);
  if (real == NULL) real = strdup(name);
  if (real == NULL) die("not enough memory for a name");
  if (strlen(real) + 32 > sizeof outputs[0].part)
    die("the name %s is too long", name);
  return real;
}

/* Opens what will be written: what is open already is used as it is, at the
 * place where it stands, and a file that replaces another takes its mode. */
static int output_file(output *out) {
  const int stream = stream_named(out->name);
  mode_t mode = 0666;
  int file, there;
  if (stream >= 0) {
    fstat(stream, &out->place);
    return dup(stream);
  }
  there = stat(out->name, &out->place) == 0;
  if (there && !S_ISREG(out->place.st_mode)) return open(out->name, O_WRONLY);
  if (there) mode = out->place.st_mode & 0777;
  out->target = resolve(out->name);
  sprintf(out->part, "%s.%ld.part", out->target, (long)getpid());
  if (!there) stat(out->part, &out->place); /* if the other output made it */
  file = open(out->part, O_WRONLY | O_CREAT | O_EXCL, mode);
  if (file < 0)
    out->part[0] = '\0'; /* not ours to remove */
  else if (there)
    fchmod(file, mode);
  else
    fstat(file, &out->place);
  return file;
}

static int same_place(const struct stat *a, const struct stat *b) {
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Opens an output and writes its header. */
static output *output_open(const char *name, const char *descr, int dims,
                           const uint64_t *shape) {
  output *out = &outputs[output_count++];
  char header[NPY_HEADER];
  int file;
  out->name = name;
  out->descr = descr;
  file = output_file(out);
  if (output_count == 2 && same_place(&out->place, &outputs[0].place))
    die("both outputs are one, %s and %s", outputs[0].name, name);
  out->f = file < 0 ? NULL : fdopen(file, "wb");
  if (out->f == NULL) cannot_write(name);
  put(out, header, npy_header(header, descr, dims, shape));
  return out;
}

/* The dtype of a matrix of floats, as it is written. */
static const char *descr_of(const npy *head) {
  if (npy_size(head) == 4) return "<f4";
  return head->dtype[0] == 'f' ? "<f2" : "<u2";
}

/* An output in the shape of an input, but for its last dimension. */
static output *output_like(const char *name, const char *descr, const npy *in,
                           size_t cols) {
  uint64_t shape[NPY_DIMS];
  memcpy(shape, in->shape, sizeof shape);
  if (in->dims > 0) shape[in->dims - 1] = cols;
  return output_open(name, descr, in->dims, shape);
}

/* All of them are whole before the first takes its name. */
static void outputs_close(void) {
  int i;
  for (i = 0; i < output_count; ++i) {
    const int flushed = fflush(outputs[i].f) == 0 && !ferror(outputs[i].f);
    if (!flushed || fclose(outputs[i].f) != 0) cannot_write(outputs[i].name);
  }
  for (i = 0; i < output_count; ++i) {
    output *out = &outputs[i];
    if (out->part[0] != '\0' && rename(out->part, out->target) != 0)
      cannot_write(out->name);
    out->part[0] = '\0';
    free(out->target);
  }
}

/* A number that was asked for: on stdout, unless the matrix goes there. */
static void answer(const char *what, float x) {
  struct stat standard;
  if (fstat(STDOUT_FILENO, &standard) == 0 &&
      same_place(&standard, &outputs[0].place))
    fprintf(stderr, "sste: %s %.9g\n", what, (double)x);
  else
    printf("%s %.9g\n", what, (double)x);
}

/* ---- 5. Blocks ----------------------------------------------------------- */

/* A matrix in pieces of about 1 MiB of floats, which lie in a file one behind
 * another: some rows, or where a row is longer than a piece, a part of one. */
typedef struct block {
  size_t row, col, rows, cols;
} block;
enum { BLOCK = 262144 };

/* The next block, {0} before the first; 0 when there is none. Blocks are
 * multiples of `whole` full rows; if that is 0 rows may be cut, after a
 * multiple of 8 elements. */
static int next_block(block *b, size_t rows, size_t cols, size_t whole) {
  const size_t unit = whole > 0 ? whole : 1;
  b->col += b->cols;
  if (b->col >= cols) {
    b->col = 0;
    b->row += b->rows;
  }
  if (cols == 0 || b->row >= rows) return 0;
  b->cols = whole > 0 ? cols : smaller(cols - b->col, BLOCK);
  b->rows = BLOCK / cols / unit * unit;
  if (b->rows == 0) b->rows = unit;
  b->rows = smaller(b->rows, rows - b->row);
  return 1;
}

/* Memory for any block of a matrix: the first is the largest. */
static void *block_memory(size_t rows, size_t cols, size_t whole, size_t size) {
  block b = {0, 0, 0, 0};
  if (!next_block(&b, rows, cols, whole)) return memory(0, size);
  if (b.rows > SIZE_MAX / b.cols) die("not enough memory for a block of rows");
  return memory(b.rows * b.cols, size);
}

/* ---- 6. Verbs ------------------------------------------------------------ */

/* 4x8 */
static void read_shape(const char *text, uint64_t shape[2]) {
  const char *x = strchr(text, 'x');
  char rows[32] = "";
  if (x == NULL || (size_t)(x - text) >= sizeof rows)
    die("the shape is '%s', but it must be ROWSxCOLS", text);
  memcpy(rows, text, (size_t)(x - text));
  shape[0] = whole_number("ROWS", rows, PTRDIFF_MAX);
  shape[1] = whole_number("COLS", x + 1, PTRDIFF_MAX);
  if (shape[0] > 0 && shape[1] > PTRDIFF_MAX / sizeof(float) / shape[0])
    die("a matrix of %s floats is too large", text);
}

static int draw_kind(const char *name) {
  int i;
  for (i = 0; i < SSTE_DRAWS; ++i)
    if (strcmp(name, sste_check_draw_name(i)) == 0) return i;
  die("gen does not know the kind '%s' (see sste gen --help)", name);
  return 0;
}

static void draw_block(float *to, block b, int kind, uint64_t seed) {
  const size_t groups = (b.cols + 3) / 4;
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)(b.rows * groups); ++i) {
    const size_t row = (size_t)i / groups, at = (size_t)i % groups * 4;
    float x[4];
    sste_check_group_draw(x, kind, seed, b.row + row, (b.col + at) / 4);
    memcpy(to + row * b.cols + at, x, smaller(b.cols - at, 4) * sizeof(float));
  }
}

/* The codes are of `from`, the low bytes of words. */
static void gen_boundaries(const arguments *a) {
  static const char *const dtypes[] = {"<f2", "<u2", "<f4", "<f8"};
  const int which =
      a->value[FROM] ? word_of(a, FROM, format_names + NARROW, 4) : 2;
  const sste_fp8_format from = format_at(NARROW + which);
  const size_t size = (size_t)(dtypes[which][2] - '0');
  sste_fp8_format to;
  uint64_t count, i;
  output *out;
  if (a->names != 2 || a->value[SEED] != NULL)
    die("gen boundaries wants OUT, but no shape and no --seed");
  if (a->value[TO] == NULL) die("--to is missing");
  to = format_at(word_of(a, TO, format_names, NARROW + 2)); /* 16 bits */
  count = sste_check_boundary_count(to, from);
  out = output_open(a->name[1], dtypes[which], 1, &count);
  for (i = 0; i < count; ++i) {
    const uint64_t code = sste_check_boundary(to, from, i);
    put(out, &code, size);
  }
  outputs_close();
}

static int gen(const arguments *a) {
  const int boundaries = strcmp(a->name[0], "boundaries") == 0;
  const uint64_t seed = count_of(a, SEED, UINT64_MAX, 1);
  block b = {0, 0, 0, 0};
  uint64_t shape[2];
  output *out;
  float *to;
  int kind;
  if (boundaries) {
    gen_boundaries(a);
    return 0;
  }
  kind = draw_kind(a->name[0]);
  if (a->value[TO] != NULL || a->value[FROM] != NULL)
    die("--to and --from are for boundaries");
  if (a->names != 3) die("gen %s wants ROWSxCOLS and OUT", a->name[0]);
  read_shape(a->name[1], shape);
  out = output_open(a->name[2], "<f4", 2, shape);
  to = (float *)block_memory(shape[0], shape[1], 0, sizeof *to);
  while (next_block(&b, shape[0], shape[1], 0)) {
    draw_block(to, b, kind, seed);
    put(out, to, b.rows * b.cols * sizeof *to);
  }
  outputs_close();
  free(to);
  return 0;
}

/* A verb that makes one matrix of another, element by element or group by
 * group: what it does to a block, and what it needs to know for that. */
typedef struct task {
  sste_status (*run)(const struct task *t, void *to, const void *from, block b);
  matrix in;
  const char *descr; /* of the result */
  size_t whole;      /* for next_block */
  float beta, scale;
  sste_tie tie;
  sste_fp8_recipe how;
  sste_axis axis;
  int group;
  sste_mvue_stream stream;
} task;

static void run_task(task *t, const char *out_name) {
  const npy *head = &t->in.head;
  const int bytes = strcmp(t->descr, "|u1") == 0;
  output *out = output_like(out_name, t->descr, head, head->cols);
  void *to =
      block_memory(head->rows, head->cols, t->whole, bytes ? 1 : sizeof(float));
  block b = {0, 0, 0, 0};
  while (next_block(&b, head->rows, head->cols, t->whole)) {
    const size_t first = b.row * head->cols + b.col, count = b.rows * b.cols;
    const void *from =
        npy_size(head) == 1 ? raw(&t->in, first) : floats(&t->in, first, count);
    must(t->run(t, to, from, b), t->in.name);
    if (bytes)
      put(out, to, count);
    else
      put_floats(out, (const float *)to, count);
  }
  outputs_close();
  free(to);
  matrix_close(&t->in);
}

/* Without a descr the result is of the input's dtype. */
static task task_of(matrix in, const char *descr,
                    sste_status (*run)(const struct task *, void *,
                                       const void *, block)) {
  task t;
  memset(&t, 0, sizeof t);
  t.in = in;
  t.descr = descr != NULL ? descr : descr_of(&in.head);
  t.run = run;
  return t;
}

static sste_status project_block(const task *t, void *to, const void *from,
                                 block b) {
  return sste_tensor_project((float *)to, b.cols, (const float *)from, b.cols,
                             b.rows, b.cols, t->beta, NULL);
}

static int project(const arguments *a) {
  const char *beta = a->value[BETA];
  const int compute = beta != NULL && strcmp(beta, "min_mse") == 0;
  task t = task_of(matrix_of_floats(a->name[0]), NULL, project_block);
  const npy *head = &t.in.head;
  need_groups(&t.in);
  t.beta = 1.0f;
  if (compute)
    must(sste_tensor_beta(&t.beta, all_floats(&t.in), head->cols, head->rows,
                          head->cols),
         t.in.name);
  else
    t.beta = positive_of(a, BETA);
  run_task(&t, a->name[1]);
  if (compute) answer("beta", t.beta);
  return 0;
}

static sste_status mask_block(const task *t, void *to, const void *from,
                              block b) {
  return sste_tensor_mask((uint8_t *)to, b.cols, (const float *)from, b.cols,
                          b.rows, b.cols, t->tie);
}

static int mask(const arguments *a) {
  static const char *const ties[] = {"lower", "higher"};
  const int higher = word_of(a, TIE, ties, 2);
  task t = task_of(matrix_of_floats(a->name[0]), "|u1", mask_block);
  need_groups(&t.in);
  t.tie = higher ? SSTE_TIE_HIGHER : SSTE_TIE_LOWER;
  run_task(&t, a->name[1]);
  return 0;
}

static sste_status encode_block(const task *t, void *to, const void *from,
                                block b) {
  return sste_fp8_tensor_encode((uint8_t *)to, b.cols, (const float *)from,
                                b.cols, b.rows, b.cols, &t->scale, t->how);
}

/* max / amax, of all blocks; infinity and NaN both give 1. */
static float current_scale(matrix *m, sste_fp8_recipe how) {
  block b = {0, 0, 0, 0};
  float amax = 0.0f;
  while (next_block(&b, m->head.rows, m->head.cols, 0)) {
    const size_t count = b.rows * b.cols;
    const float *x = floats(m, b.row * m->head.cols + b.col, count);
    float here = 0.0f;
    must(sste_fp8_tensor_amax(&here, x, count, 1, count), m->name);
    if (amax <= FLT_MAX && !(here <= amax)) amax = here;
  }
  return sste_fp8_scale(how, amax);
}

static int encode(const arguments *a) {
  const char *scale = a->value[SCALE];
  const int compute = scale != NULL && strcmp(scale, "max_over_amax") == 0;
  const sste_fp8_format f = narrow_format(a);
  task t = task_of(matrix_of_floats(a->name[0]), "|u1", encode_block);
  t.how = sste_fp8_recipe_current(f);
  t.how.rule = rule_of(a, f);
  t.scale = compute ? current_scale(&t.in, t.how) : positive_of(a, SCALE);
  run_task(&t, a->name[1]);
  if (compute) answer("scale", t.scale);
  return 0;
}

static sste_status decode_block(const task *t, void *to, const void *from,
                                block b) {
  return sste_fp8_tensor_decode((float *)to, b.cols, (const uint8_t *)from,
                                b.cols, b.rows, b.cols, &t->scale, t->how);
}

static int decode(const arguments *a) {
  const sste_fp8_format f = narrow_format(a);
  const float scale = positive_of(a, SCALE);
  task t = task_of(matrix_open(a->name[0], "u1"), "<f4", decode_block);
  t.how = sste_fp8_recipe_current(f);
  t.scale = scale;
  run_task(&t, a->name[1]);
  return 0;
}

/* The block's place in the whole tensor makes it draw what the whole would. */
static sste_status mvue_block(const task *t, void *to, const void *from,
                              block b) {
  const int down = t->axis == SSTE_DOWN_COLUMNS;
  sste_mvue_stream stream = t->stream;
  stream.run += down ? 0 : b.row;
  stream.group += (down ? b.row : b.col) / (size_t)t->group;
  return (t->group == 4 ? sste_mvue24_tensor_draw : sste_mvue12_tensor_draw)(
      (float *)to, b.cols, (const float *)from, b.cols, b.rows, b.cols, t->axis,
      &stream);
}

static int mvue(const arguments *a) {
  const uint64_t most = (uint64_t)1 << 34; /* of a run */
  static const char *const axes[] = {"rows", "columns"};
  static const char *const groups[] = {"4", "2"};
  const int down = word_of(a, AXIS, axes, 2);
  const int group = word_of(a, GROUP, groups, 2) == 0 ? 4 : 2;
  const uint64_t seed = count_of(a, SEED, UINT64_MAX, 0);
  const uint64_t tensor = count_of(a, TENSOR, UINT32_MAX, 0);
  const uint64_t step = count_of(a, STEP, UINT32_MAX, 0);
  const uint64_t run = count_of(a, RUN, UINT32_MAX, 0);
  const uint64_t first = count_of(a, FIRST_GROUP, most - 1, 0);
  task t = task_of(matrix_of_floats(a->name[0]), NULL, mvue_block);
  const size_t rows = t.in.head.rows, cols = t.in.head.cols;
  const size_t runs = down ? cols : rows, length = down ? rows : cols;
  if (length % (size_t)group != 0)
    die("%s has %zu %s, but groups of %d need a multiple of %d", t.in.name,
        length, down ? "rows" : "columns", group, group);
  if (runs > 0 && length > 0 &&
      (runs - 1 > UINT32_MAX - run || length / (size_t)group > most - first))
    die("%s ends beyond run 2^32 or group 2^34 of a run", t.in.name);
  t.axis = down ? SSTE_DOWN_COLUMNS : SSTE_ALONG_ROWS;
  t.group = group;
  t.whole = down ? (size_t)group : 0;
  t.stream.seed = seed;
  t.stream.tensor = (uint32_t)tensor;
  t.stream.step = (uint32_t)step;
  t.stream.run = (size_t)run;
  t.stream.group = (size_t)first;
  run_task(&t, a->name[1]);
  return 0;
}

static int compress(const arguments *a) {
  matrix in = matrix_of_floats(a->name[0]);
  const size_t rows = in.head.rows, cols = in.head.cols;
  block b = {0, 0, 0, 0};
  output *values_out, *meta_out;
  float *values;
  uint8_t *meta;
  need_groups(&in);
  values_out = output_like(a->name[1], descr_of(&in.head), &in.head, cols / 2);
  meta_out = output_like(a->name[2], "|u1", &in.head, (cols + 7) / 8);
  values = (float *)block_memory(rows, cols, 0, sizeof *values);
  meta = (uint8_t *)block_memory(rows, cols, 0, 1);
  while (next_block(&b, rows, cols, 0)) {
    const size_t half = b.cols / 2, bytes = (b.cols + 7) / 8;
    const float *x = floats(&in, b.row * cols + b.col, b.rows * b.cols);
    size_t row = 0, group = 0;
    if (sste_tensor_check(x, b.cols, b.rows, b.cols, &row, &group) != SSTE_OK)
      die("%s is not 2:4: more than two non-zeros in row %zu, columns %zu to "
          "%zu",
          in.name, b.row + row, b.col + 4 * group, b.col + 4 * group + 3);
    must(sste_tensor_compress(values, half, meta, bytes, x, b.cols, b.rows,
                              b.cols),
         in.name);
    put_floats(values_out, values, b.rows * half);
    put(meta_out, meta, b.rows * bytes);
  }
  outputs_close();
  free(values);
  free(meta);
  matrix_close(&in);
  return 0;
}

static int decompress(const arguments *a) {
  matrix values = matrix_of_floats(a->name[0]);
  matrix meta = matrix_open(a->name[1], "u1");
  const size_t rows = values.head.rows, half = values.head.cols;
  const size_t cols = 2 * half, bytes = meta.head.cols;
  npy expected = values.head;
  block b = {0, 0, 0, 0};
  output *out;
  float *to;
  if (half % 2 != 0)
    die("%s has %zu columns, but a group of four keeps two", values.name, half);
  if (expected.dims > 0) expected.shape[expected.dims - 1] = (cols + 7) / 8;
  if (!same_shape(&expected, &meta.head))
    die("%s does not fit %s: %zu kept values in a row take %zu bytes",
        meta.name, values.name, half, (cols + 7) / 8);
  out = output_like(a->name[2], descr_of(&values.head), &values.head, cols);
  to = (float *)block_memory(rows, cols, 0, sizeof *to);
  while (next_block(&b, rows, cols, 0)) {
    const size_t kept = b.cols / 2, first = b.row * half + b.col / 2;
    const float *from = floats(&values, first, b.rows * kept);
    const void *with = raw(&meta, b.row * bytes + b.col / 8);
    must(sste_tensor_decompress(to, b.cols, from, kept, (const uint8_t *)with,
                                (b.cols + 7) / 8, b.rows, b.cols),
         meta.name);
    put_floats(out, to, b.rows * b.cols);
  }
  outputs_close();
  free(to);
  matrix_close(&values);
  matrix_close(&meta);
  return 0;
}

/* One of the three products of a linear layer: its factors in the order of the
 * header's arguments, and the shape of the result. */
enum { FORWARD, INPUT_GRAD, WEIGHT_GRAD };
typedef struct factors {
  int kind;
  matrix a, b;
  const float *pa, *pb;
  size_t T, N, K, rows, cols, depth;
} factors;

static factors factors_open(const arguments *given, const char *a,
                            const char *b) {
  static const char *const kinds[] = {"forward", "input_grad", "weight_grad"};
  const int kind = word_of(given, KIND, kinds, 3);
  const char *const axis = kind == WEIGHT_GRAD ? "rows" : "columns";
  size_t of_a, of_b; /* what must agree */
  factors f;
  memset(&f, 0, sizeof f);
  f.kind = kind;
  f.a = matrix_of_floats(a);
  f.b = matrix_of_floats(b);
  f.T = f.a.head.rows;
  f.K = f.b.head.cols;
  f.N = kind == FORWARD ? f.b.head.rows : f.a.head.cols;
  of_a = kind == WEIGHT_GRAD ? f.a.head.rows : f.a.head.cols;
  of_b = kind == FORWARD ? f.b.head.cols : f.b.head.rows;
  if (of_a != of_b)
    die("%s has %zu %s and %s %zu %s: no %s product", a, of_a, axis, b, of_b,
        kind == INPUT_GRAD ? "rows" : axis, kinds[kind]);
  f.rows = kind == WEIGHT_GRAD ? f.N : f.T;
  f.cols = kind == FORWARD ? f.N : f.K;
  f.depth = of_a;
  f.pa = all_floats(&f.a);
  f.pb = all_floats(&f.b);
  return f;
}

static void factors_close(factors *f) {
  matrix_close(&f->a);
  matrix_close(&f->b);
}

/* Where the first factor's part for row `row` of the result begins. */
static const float *factor_at(const factors *f, size_t row) {
  return f->pa + (f->kind == WEIGHT_GRAD ? row : row * f->a.head.cols);
}

static sste_status product_block(const factors *f, float *z, block b) {
  const float *pa = factor_at(f, b.row);
  switch (f->kind) {
    case FORWARD:
      return sste_product_forward(z, f->N, pa, f->K, f->pb, f->K, b.rows, f->N,
                                  f->K);
    case INPUT_GRAD:
      return sste_product_input_grad(z, f->K, pa, f->N, f->pb, f->K, b.rows,
                                     f->N, f->K);
    default:
      return sste_product_weight_grad(z, f->K, pa, f->N, f->pb, f->K, f->T,
                                      b.rows, f->K);
  }
}

static int product(const arguments *a) {
  const size_t tile = 64;
  factors f = factors_open(a, a->name[0], a->name[1]);
  block b = {0, 0, 0, 0};
  uint64_t shape[2];
  output *out;
  float *z;
  shape[0] = f.rows;
  shape[1] = f.cols;
  if (f.cols > 0 && f.rows > PTRDIFF_MAX / sizeof *z / f.cols)
    die("the product is too large");
  out = f.kind == WEIGHT_GRAD || f.a.head.dims == 0
            ? output_open(a->name[2], "<f4", 2, shape)
            : output_like(a->name[2], "<f4", &f.a.head, f.cols);
  z = (float *)block_memory(f.rows, f.cols, tile, sizeof *z);
  while (next_block(&b, f.rows, f.cols, tile)) {
    must(product_block(&f, z, b), f.a.name);
    put(out, z, b.rows * f.cols * sizeof *z);
  }
  outputs_close();
  free(z);
  factors_close(&f);
  return 0;
}

/* ---- 7. Comparing -------------------------------------------------------- */

/* One comparison, of any kind, whatever it needs. */
enum { AS_NUMBERS, AS_SPARSE, AS_METADATA, AS_NEAR, AS_PRODUCT };
typedef struct comparison {
  int as;
  sste_fp8_format format;
  matrix got, want;
  matrix source, near, error; /* zeros: not given */
  sste_fp8_rule rule;
  size_t dense_cols; /* of what metadata describe */
  factors of;
  double bound;
} comparison;

/* What the elements are: --format, or what their dtype says. */
static sste_fp8_format format_of(const arguments *a, const matrix *m) {
  const char *dtype = m->head.dtype;
  const size_t size = npy_size(&m->head);
  const char *const only = strcmp(dtype, "f2") == 0   ? "float16"
                           : strcmp(dtype, "f4") == 0 ? "float32"
                                                      : "float64";
  const char *name = a->value[FORMAT];
  int i;
  if (name == NULL)
    name = size == 1 ? "e4m3fn" : strcmp(dtype, "u2") == 0 ? "bfloat16" : only;
  for (i = 0; i < FORMATS && strcmp(name, format_names[i]) != 0; ++i) continue;
  if (i == FORMATS) word_of(a, FORMAT, format_names, FORMATS); /* says so */
  if (dtype[0] == 'f' ? strcmp(name, only) != 0
      : size == 1     ? i >= NARROW
                      : i != NARROW && i != NARROW + 1)
    die("%s holds '%s', which is not %s", m->name, dtype, name);
  return format_at(i);
}

/* Options that this comparison has no use for. */
static void refuse(const arguments *a, int option, const char *use) {
  if (a->value[option] != NULL) die("%s is for %s", option_names[option], use);
}

static void open_product(comparison *c, const arguments *a) {
  static const char *const sums[] = {"exact", "float", "tensor_core",
                                     "fp8_hopper", "fp8_promoted"};
  const int how = a->value[SUM] ? word_of(a, SUM, sums, 5) : SSTE_SUM_FLOAT;
  const size_t most = (size_t)PTRDIFF_MAX;
  if (a->names != 1) die("compare wants one file and --product X W");
  if (npy_size(&c->got.head) == 8) die("--product does not take float64");
  refuse(a, AS, "two matrices, not for --product");
  c->as = AS_PRODUCT;
  c->of = factors_open(a, a->value[PRODUCT], a->second);
  if (c->got.head.rows != c->of.rows || c->got.head.cols != c->of.cols)
    die("%s is %zu x %zu, but the product is %zu x %zu", c->got.name,
        c->got.head.rows, c->got.head.cols, c->of.rows, c->of.cols);
  c->bound = sste_check_bound(how, count_of(a, TERMS, most, c->of.depth));
  if (!(c->bound <= DBL_MAX)) die("there is no bound for so many --terms");
}

static void open_pair(comparison *c, const arguments *a) {
  static const char *const kinds[] = {"numbers", "2:4", "metadata"};
  if (a->names != 2) die("compare wants GOT and WANT");
  refuse(a, KIND, "--product");
  refuse(a, SUM, "--product");
  refuse(a, TERMS, "--product");
  c->as = word_of(a, AS, kinds, 3);
  c->want = matrix_of_any(a->name[1]);
  if (strcmp(c->got.head.dtype, c->want.head.dtype) != 0)
    die("%s and %s differ in dtype: '%s' and '%s'", c->got.name, c->want.name,
        c->got.head.dtype, c->want.head.dtype);
  need_same_shape(&c->got, &c->want);
}

static void open_near(comparison *c, const arguments *a) {
  if (a->value[NEAR] == NULL || a->value[ERROR] == NULL)
    die("--near and --error go together");
  if (c->as != AS_NUMBERS) die("--near and --error are for numbers");
  if (npy_size(&c->got.head) == 8) die("--near does not take float64");
  c->as = AS_NEAR;
  c->near = matrix_of_floats(a->value[NEAR]);
  c->error = matrix_of_floats(a->value[ERROR]);
  need_same_shape(&c->got, &c->near);
  need_same_shape(&c->got, &c->error);
}

static void open_rule(comparison *c, const arguments *a) {
  const int wide = npy_size(&c->got.head) > 1;
  if (c->as != AS_NEAR && c->as != AS_PRODUCT)
    refuse(a, LIKE, "--near and --product");
  if (wide) refuse(a, LIKE, "formats of 8 bits");
  c->rule = wide ? wide_rule() : rule_of(a, c->format);
}

static comparison comparison_open(const arguments *a) {
  comparison c;
  memset(&c, 0, sizeof c);
  c.got = matrix_of_any(a->name[0]);
  c.format = format_of(a, &c.got);
  if (a->value[PRODUCT] != NULL)
    open_product(&c, a);
  else
    open_pair(&c, a);
  if (a->value[NEAR] != NULL || a->value[ERROR] != NULL) open_near(&c, a);
  open_rule(&c, a);
  if (c.as != AS_SPARSE) refuse(a, SOURCE, "--as 2:4");
  if (c.as != AS_METADATA) refuse(a, COLS, "--as metadata");
  if (c.as == AS_SPARSE) need_groups(&c.got);
  if (a->value[SOURCE] != NULL) {
    c.source = matrix_of_floats(a->value[SOURCE]);
    need_same_shape(&c.got, &c.source);
  }
  if (c.as == AS_METADATA) {
    const uint64_t all = 8 * (uint64_t)c.got.head.cols;
    refuse(a, FORMAT, "numbers");
    if (npy_size(&c.got.head) != 1) die("metadata are bytes, dtype u1");
    c.dense_cols = (size_t)count_of(a, COLS, PTRDIFF_MAX, all);
    if (c.dense_cols % 4 != 0 || (c.dense_cols + 7) / 8 != c.got.head.cols)
      die("--cols %zu does not make %zu bytes", c.dense_cols, c.got.head.cols);
  }
  return c;
}

static sste_status compare_product(sste_check_report *report,
                                   const comparison *c, block b) {
  const factors *f = &c->of;
  const float *pa = factor_at(f, b.row);
  const void *z = raw(&c->got, b.row * f->cols);
  const int how = c->rule.overflow;
  switch (f->kind) {
    case FORWARD:
      return sste_check_product_forward(report, c->format, how, z, f->N, pa,
                                        f->K, f->pb, f->K, b.rows, f->N, f->K,
                                        c->bound);
    case INPUT_GRAD:
      return sste_check_product_input_grad(report, c->format, how, z, f->K, pa,
                                           f->N, f->pb, f->K, b.rows, f->N,
                                           f->K, c->bound);
    default:
      return sste_check_product_weight_grad(report, c->format, how, z, f->K, pa,
                                            f->N, f->pb, f->K, f->T, b.rows,
                                            f->K, c->bound);
  }
}

/* The report of some rows, or of none. */
static sste_status compare_block(sste_check_report *report, comparison *c,
                                 block b) {
  const size_t cols = c->got.head.cols, first = b.row * cols;
  const size_t count = b.rows * cols;
  const void *got = raw(&c->got, first), *want;
  if (c->as == AS_PRODUCT) return compare_product(report, c, b);
  want = raw(&c->want, first);
  switch (c->as) {
    case AS_SPARSE:
      return sste_check_sparse(
          report, c->format, got, cols, want, cols,
          c->source.name ? floats(&c->source, first, count) : NULL, cols,
          b.rows, cols);
    case AS_METADATA:
      return sste_check_metadata(report, (const uint8_t *)got, cols,
                                 (const uint8_t *)want, cols, b.rows,
                                 c->dense_cols);
    case AS_NEAR:
      return sste_check_numbers_near(report, c->format, c->rule, got, cols,
                                     want, cols, floats(&c->near, first, count),
                                     cols, floats(&c->error, first, count),
                                     cols, b.rows, cols);
    default:
      return sste_check_numbers(report, c->format, got, cols, want, cols,
                                b.rows, cols);
  }
}

static int compare(const arguments *a) {
  comparison c = comparison_open(a);
  sste_check_report whole, piece;
  block b = {0, 0, 0, 0};
  char text[8192];
  must(compare_block(&whole, &c, b), c.got.name); /* of no rows yet */
  while (next_block(&b, c.got.head.rows, c.got.head.cols, 1)) {
    must(compare_block(&piece, &c, b), c.got.name);
    must(sste_check_merge(&whole, &piece), c.got.name);
  }
  sste_check_text(text, sizeof text, &whole);
  fputs(text, stdout);
  matrix_close(&c.got);
  matrix_close(&c.want);
  matrix_close(&c.source);
  matrix_close(&c.near);
  matrix_close(&c.error);
  factors_close(&c.of);
  return sste_check_failures(&whole) != 0;
}

/* ---- 8. The table of verbs ----------------------------------------------- */

static const char general_help[] =
    "usage: sste VERB ARGUMENTS\n"
    "\n"
    "  gen         inputs that find the bugs of kernels\n"
    "  project     the continuous 2:4 projection, W~ = beta * S(W)\n"
    "  mask        the two largest magnitudes of every four\n"
    "  encode      floats to 8-bit codes\n"
    "  decode      8-bit codes to floats\n"
    "  mvue        an unbiased 2:4 or 1:2 sample\n"
    "  compress    a 2:4 matrix to values and metadata\n"
    "  decompress  and back\n"
    "  product     the products of a linear layer\n"
    "  compare     a kernel's result with the oracle's\n"
    "\n"
    "sste VERB --help tells more. Files are NumPy's .npy: little-endian, in C\n"
    "order, of dtype f4 (float32), f2 (float16), f8 (float64), u1 (codes,\n"
    "masks, metadata) or u2 (bfloat16); V1, V2 and bool are read as such\n"
    "bytes, which is how np.save stores the types of ml_dtypes. An array of\n"
    "one dimension is one row, one of more has rows along its last axis; rows\n"
    "and columns count from 0. An output replaces a file when it is whole, "
    "and\n"
    "may have an input's name; /dev/stdout and pipes are written through.\n"
    "A file may be larger than memory if 64 of its rows fit, but for what\n"
    "--help calls held; what comes from a pipe is held.\n"
    "Exit status: 0 done or equal, 1 different, 2 misuse or error.\n"
    "\n"
    "e.g.  sste gen ties 256x1024 w.npy\n"
    "      sste project w.npy want.npy\n"
    "      sste compare got.npy want.npy --as 2:4 --source w.npy\n";

static const char gen_help[] =
    "usage: sste gen KIND ROWSxCOLS OUT [--seed N]\n"
    "       sste gen boundaries OUT --to FORMAT [--from FORMAT]\n"
    "\n"
    "Writes a random matrix of float32 of one of the kinds below, or every\n"
    "input on which a conversion to FORMAT can go wrong.\n"
    "\n"
    "  --seed N       another matrix for every N (1)\n"
    "  --to FORMAT    e4m3fn e5m2 e4m3 e3m4 e3m4fn e4m3fnuz e5m2fnuz\n"
    "                 e4m3b11fnuz ue4m3 e8m0 float16 bfloat16\n"
    "  --from FORMAT  what is converted: float32, float16, bfloat16 (written\n"
    "                 as u2) or float64 (float32)\n"
    "\n"
    "e.g.  sste gen weights 4096x1024 w.npy --seed 7\n"
    "      sste gen boundaries x.npy --to e4m3fn --from bfloat16\n"
    "\n"
    "Kinds:\n";

/* Behind gen_help. */
static void print_kinds(void) {
  static const char *const text[SSTE_DRAWS] = {
      [SSTE_DRAW_NORMAL] = "bell-shaped, variance 1",
      [SSTE_DRAW_WEIGHTS] = "as trained: heavy tails, outlier columns",
      [SSTE_DRAW_BFLOAT16] = "normal, rounded to bfloat16",
      [SSTE_DRAW_MIDPOINTS] =
          "numbers and midpoints of E4M3 and E5M2, and one ulp beside",
      [SSTE_DRAW_TIES] = "0 to 3 with signs: magnitudes tie, zeros are -0",
      [SSTE_DRAW_FLAT] = "one magnitude per group: the projection is 0",
      [SSTE_DRAW_ZEROS] = "every pattern of zeros in four",
      [SSTE_DRAW_SPARSE] = "the same, 2:4",
      [SSTE_DRAW_DOMINANT] = "one of four up to 2^40 times the others",
      [SSTE_DRAW_SUBNORMAL] = "subnormal floats and the first normal ones",
      [SSTE_DRAW_HUGE] = "within a factor of 8 of the largest float",
      [SSTE_DRAW_RANGE] = "every exponent alike",
      [SSTE_DRAW_NANS] = "normal, with one NaN in 256",
      [SSTE_DRAW_SPECIALS] = "NaN, infinities, zeros, the largest float",
      [SSTE_DRAW_INTEGERS] = "-3 to 3: any order of summing is exact"};
  int i;
  for (i = 0; i < SSTE_DRAWS; ++i)
    printf("  %-9s  %s\n", sste_check_draw_name(i), text[i] ? text[i] : "");
}

static const char project_help[] =
    "usage: sste project IN OUT [--beta B|min_mse]\n"
    "\n"
    "Writes beta * S(IN): of every four entries of a row the second smallest\n"
    "magnitude is subtracted from all, and what falls below 0 is 0. IN is f4,\n"
    "f2 or, for bfloat16, u2, with a multiple of 4 columns. OUT is of\n"
    "its dtype, computed in float and rounded once to nearest even.\n"
    "\n"
    "  --beta B        the scale (1)\n"
    "  --beta min_mse  the scale of least squared error, which is printed; IN\n"
    "                  is held in memory unless it is float32\n"
    "\n"
    "e.g.  sste project w.npy sparse.npy --beta min_mse\n";

static const char mask_help[] =
    "usage: sste mask IN OUT [--tie lower|higher]\n"
    "\n"
    "Writes bytes: 1 for the two largest magnitudes of every four entries of "
    "a\n"
    "row, else 0. IN is f4, f2 or, for bfloat16, u2, with a multiple of 4\n"
    "columns.\n"
    "\n"
    "  --tie lower|higher  which index wins among equal ones (lower)\n"
    "\n"
    "e.g.  sste mask w.npy mask.npy\n";

#define FORMATS_HELP                                               \
  "  --format F  e4m3fn e5m2 e4m3 e3m4 e3m4fn e4m3fnuz e5m2fnuz\n" \
  "              e4m3b11fnuz ue4m3 e8m0\n"
#define LIKE_HELP                                                    \
  "  --like R    whose rule: ocp ocp_nonsaturating cuda_satfinite\n" \
  "              cuda_nosat ml_dtypes_0_6 torch_2_12 torch_2_13\n"   \
  "              onnx_25_saturate onnx_25 (to nearest even, saturating)\n"

static const char encode_help[] =
    "usage: sste encode IN OUT --format F [--like R] [--scale S]\n"
    "\n"
    "Writes the codes (u1) of IN * S. IN is f4, f2 or, for bfloat16, u2.\n"
    "\n" FORMATS_HELP LIKE_HELP
    "  --scale S   a number (1), or max_over_amax: the largest value of F "
    "over\n"
    "              the largest magnitude of IN, which is printed\n"
    "\n"
    "e.g.  sste encode w.npy codes.npy --format e4m3fn --scale max_over_amax\n";

static const char decode_help[] =
    "usage: sste decode IN OUT --format F [--scale S]\n"
    "\n"
    "Writes the values of the codes IN (u1), divided by S, as float32.\n"
    "\n" FORMATS_HELP
    "  --scale S   what the codes were made with (1)\n"
    "\n"
    "e.g.  sste decode codes.npy x.npy --format e4m3fn --scale 224\n";

static const char mvue_help[] =
    "usage: sste mvue IN OUT [--seed N] [--tensor N] [--step N]\n"
    "                        [--run N] [--first-group N]\n"
    "                        [--axis rows|columns] [--group 4|2]\n"
    "\n"
    "Writes a random 2:4 (or 1:2) matrix with the mean IN and the least\n"
    "variance. IN is f4, f2 or, for bfloat16, u2. OUT is of its dtype,\n"
    "computed in float and rounded once to nearest even.\n"
    "\n"
    "  --seed, --tensor, --step N  which draw (0)\n"
    "  --run, --first-group N      where in the whole tensor IN begins: its\n"
    "                              first row, or column, and group there (0)\n"
    "  --axis rows|columns         where groups run: along rows, or down the\n"
    "                              columns as in a gradient of tokens (rows)\n"
    "  --group 4|2                 2:4, or 1:2 (4)\n"
    "\n"
    "e.g.  sste mvue dz.npy sample.npy --axis columns --seed 1 --step 100\n";

static const char compress_help[] =
    "usage: sste compress IN VALUES META\n"
    "\n"
    "Writes the 2:4 matrix IN as its kept values (of its dtype, half the\n"
    "columns) and metadata (u1, a byte for eight columns, the first group in\n"
    "the low half). IN is f4, f2 or, for bfloat16, u2, with a multiple of 4\n"
    "columns.\n"
    "\n"
    "e.g.  sste compress sparse.npy values.npy meta.npy\n";

static const char decompress_help[] =
    "usage: sste decompress VALUES META OUT\n"
    "\n"
    "Writes the matrix that compress has made VALUES and META of. VALUES is\n"
    "f4, f2 or, for bfloat16, u2, and OUT of its dtype; META is u1.\n"
    "\n"
    "e.g.  sste decompress values.npy meta.npy sparse.npy\n";

#define KIND_HELP                                             \
  "  --kind forward      X W^T: T x K and N x K give T x N\n" \
  "  --kind input_grad   dZ W: T x N and N x K give T x K\n"  \
  "  --kind weight_grad  dZ^T X: T x N and T x K give N x K\n"

static const char product_help[] =
    "usage: sste product X W OUT [--kind forward|input_grad|weight_grad]\n"
    "\n"
    "Writes a product of a linear layer as float32, summed in double in\n"
    "ascending order and rounded once. The factors are f4, f2 or, for\n"
    "bfloat16, u2; what is not float32 is held in memory.\n"
    "\n" KIND_HELP
    "\n"
    "e.g.  sste product x.npy w.npy z.npy\n"
    "      sste product dz.npy x.npy dw.npy --kind weight_grad\n";

static const char compare_help[] =
    "usage: sste compare GOT WANT [--format F] [--near X --error E\n"
    "                    [--like R]]\n"
    "       sste compare GOT WANT --as 2:4 [--format F] [--source W]\n"
    "       sste compare GOT WANT --as metadata [--cols N]\n"
    "       sste compare Z --product X W [--format F] [--kind KIND]\n"
    "                    [--sum HOW] [--terms N] [--like R]\n"
    "\n"
    "Says on stdout what kind of wrong GOT is, and where; status 0 if nothing\n"
    "is, 1 if something is. Files of any dtype are compared, with the same "
    "one\n"
    "and the same shape.\n"
    "\n"
    "  --format F  what u1 and u2 are: a format of encode (e4m3fn), or "
    "float16\n"
    "              or bfloat16 (bfloat16)\n"
    "  --near X    the true values before they were rounded to F (float32,\n"
    "  --error E   or as encode reads it), and how far off the kernel may "
    "have\n"
    "              been there: a code that some real in X +- E gives is "
    "right\n" LIKE_HELP
    "  --as 2:4    group by group: pattern, positions, values\n"
    "  --source W  the dense matrix, to tell a tie from a wrong choice\n"
    "  --as metadata  nibble by nibble\n"
    "  --cols N    of the dense matrix (8 per byte)\n"
    "  --product X W  the product itself, whose factors are held as in "
    "product,\n"
    "              and a bound on the kernel's error; of R counts what it\n"
    "              does beyond the largest number\n"
    "  --sum HOW   exact, float (in float, any order), tensor_core,\n"
    "              fp8_hopper or fp8_promoted (float)\n"
    "  --terms N   products per sum (all; half of it for compressed "
    "2:4)\n" KIND_HELP
    "\n"
    "e.g.  sste compare got.npy want.npy --format e5m2\n"
    "      sste compare z.npy --product x.npy w.npy --sum tensor_core\n";

typedef struct verb {
  const char *name;
  int (*run)(const arguments *a); /* returns the exit status */
  int least, most;                /* names */
  uint32_t options;
  const char *help; /* begins with a line of usage */
} verb;

#define WITH(option) ((uint32_t)1 << (option))
static const verb verbs[] = {
    {"gen", gen, 1, 3, WITH(SEED) | WITH(TO) | WITH(FROM), gen_help},
    {"project", project, 2, 2, WITH(BETA), project_help},
    {"mask", mask, 2, 2, WITH(TIE), mask_help},
    {"encode", encode, 2, 2, WITH(FORMAT) | WITH(LIKE) | WITH(SCALE),
     encode_help},
    {"decode", decode, 2, 2, WITH(FORMAT) | WITH(SCALE), decode_help},
    {"mvue", mvue, 2, 2,
     WITH(SEED) | WITH(TENSOR) | WITH(STEP) | WITH(RUN) | WITH(FIRST_GROUP) |
         WITH(AXIS) | WITH(GROUP),
     mvue_help},
    {"compress", compress, 3, 3, 0, compress_help},
    {"decompress", decompress, 3, 3, 0, decompress_help},
    {"product", product, 3, 3, WITH(KIND), product_help},
    {"compare", compare, 1, 2,
     WITH(FORMAT) | WITH(LIKE) | WITH(KIND) | WITH(AS) | WITH(SOURCE) |
         WITH(COLS) | WITH(NEAR) | WITH(ERROR) | WITH(PRODUCT) | WITH(SUM) |
         WITH(TERMS),
     compare_help}};

static const verb *verb_named(const char *name) {
  size_t i;
  for (i = 0; i < sizeof verbs / sizeof verbs[0]; ++i)
    if (strcmp(name, verbs[i].name) == 0) return &verbs[i];
  die("unknown verb '%s' (see sste --help)", name);
  return NULL;
}

static int option_named(const verb *v, const char *name) {
  int i;
  for (i = 0; i < OPTIONS; ++i)
    if (strcmp(name, option_names[i]) == 0 && v->options >> i & 1) return i;
  die("%s has no option '%s' (see sste %s --help)", v->name, name, v->name);
  return 0;
}

static const char *value_of(const char *option, const char *value) {
  if (value == NULL || *value == '\0') die("%s wants a value", option);
  return value;
}

/* argv from behind the verb on; it ends in NULL. */
static arguments parse(const verb *v, char **argv) {
  arguments a;
  memset(&a, 0, sizeof a);
  for (; *argv != NULL; ++argv) {
    int option;
    if (argv[0][0] != '-') {
      if (a.names == v->most)
        die("'%s' is too much (see sste %s --help)", *argv, v->name);
      a.name[a.names++] = *argv;
      continue;
    }
    option = option_named(v, *argv);
    if (a.value[option] != NULL) die("%s is given twice", *argv);
    a.value[option] = value_of(option_names[option], *++argv);
    if (option == PRODUCT) a.second = value_of("--product", *++argv);
  }
  if (a.names < v->least)
    die("%s wants more; %.*s", v->name, (int)strcspn(v->help, "\n"), v->help);
  return a;
}

static int is_little_endian(void) {
  const uint16_t one = 1;
  uint8_t first;
  memcpy(&first, &one, 1);
  return first == 1;
}

static int is_help(const char *word) {
  return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int print_help(const verb *v) {
  fputs(v->help, stdout);
  if (v->run == gen) print_kinds();
  return 0;
}

static int run(char **argv) {
  const verb *v;
  char **p;
  arguments a;
  if (*argv == NULL) die("no verb given (see sste --help)");
  if (is_help(*argv)) return fputs(general_help, stdout), 0;
  if (strcmp(*argv, "--version") == 0)
    return fputs("sste " SSTE_VERSION "\n", stdout), 0;
  v = verb_named(*argv++);
  for (p = argv; *p != NULL; ++p)
    if (is_help(*p)) return print_help(v);
  if (!is_little_endian()) die("this machine is big-endian, .npy here is not");
  a = parse(v, argv);
  return v->run(&a);
}

int main(int argc, char **argv) {
  int status;
  (void)argc;
  catch_signals();
  status = run(argv + 1);
  if (fflush(stdout) != 0 || ferror(stdout)) cannot_write("stdout");
  return status;
}
