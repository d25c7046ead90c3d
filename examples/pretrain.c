/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * pretrain.c - pre-trains a byte-level GPT, dense or 2:4 sparse, by S-STE or
 * one of the methods it is compared with.
 *
 * GPT-2 in small: bytes and positions embedded, blocks of causal attention and
 * an FFN of four times the width (pre-norm, no biases, tanh-GELU), a last norm,
 * and the byte embedding again as the head. As the S-STE paper trains, the two
 * linears of each FFN go through sste_train.h while they are sparse, everything
 * else is dense float.
 *
 * The same seed gives the same losses to the last bit for any number of
 * threads: threads share out outputs, never terms of a sum, and every random
 * number is a function of (seed, use, step, position).
 *
 *   1. Options        3. Dense pieces       5. Optimiser    7. Files
 *   2. The text       4. The model          6. Measures     8. Training
 *
 * Letters: C width, T context, B batch; a matrix of activations has one row per
 * token, so B*T rows. Forward functions overwrite; what adds says so.       */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sste_train.h"

enum { BYTES = 256 };

/* Whether the cursor stands behind a progress line. */
static int line_is_open = 0;

/* Bad input, or a file that cannot be read or written: one line, status 2. */
static void die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fflush(stdout);
  fprintf(stderr, "%spretrain: ", line_is_open ? "\n" : "");
  vfprintf(stderr, format, args);
  fprintf(stderr, "\n");
  va_end(args);
  exit(2);
}

static void must(sste_status status, const char *what) {
  if (status != SSTE_OK) die("%s: %s", what, sste_status_text(status));
}

static void *memory(size_t count, size_t size) {
  void *p = calloc(count > 0 ? count : 1, size);
  if (p == NULL) die("not enough memory for a model of this size");
  return p;
}
static float *floats(size_t count) {
  return (float *)memory(count, sizeof(float));
}

/* ---- 1. Options ---------------------------------------------------------- */

/* Their numbers stand in checkpoints. */
enum { DENSE, S_STE, STE, SR_STE, MASKED_DECAY, T_SR_STE, STEP };
static const char *const method_names[] = {
    "dense",        "s-ste",    "ste",  "sr-ste",
    "masked-decay", "t-sr-ste", "step", NULL};

/* The first three are numbered as sste_beta_rule. */
enum { BETA_EVERY_STEP = SSTE_BETA_ONE + 1 };
static const char *const beta_names[] = {"min-mse", "equal-l1", "one",
                                         "every-step", NULL};
static const char *const switch_names[] = {"off", "on", NULL};

enum { NOT_GIVEN = -1 };
typedef struct options {
  const char *text, *csv, *checkpoint;
  int method, beta, fp8, mvue;
  long steps, seed, layers, heads, width, context, batch;
  double lr, decay; /* decay may be NOT_GIVEN, as beta */
} options;

static const char usage[] =
    "usage: pretrain [FILE] [options]\n"
    "\n"
    "Pre-trains a byte-level GPT on FILE (any file; the last tenth is held "
    "out\n"
    "for validation), or on this project's own text if no FILE is given.\n"
    "\n"
    "  --method M            how the FFN is trained             (s-ste)\n"
    "     dense              not pruned\n"
    "     s-ste              2:4 by a soft threshold, and scaled\n"
    "     ste                2:4 by magnitude\n"
    "     sr-ste             ste, and pruned weights decay\n"
    "     masked-decay       ste, and their decay goes through Adam\n"
    "     t-sr-ste           masked-decay with masks that are 2:4 both ways\n"
    "                        and change every 40 steps; dense for the last\n"
    "                        sixth of the steps\n"
    "     step               dense until Adam's second moments settle (10 %\n"
    "                        to 50 % of the steps), then ste with these\n"
    "  --decay X             factor of sr-ste, masked-decay and t-sr-ste\n"
    "                        (0.0002, as SR-STE's paper; for GPT-2 that of\n"
    "                        masked decay has 0.00006 or 0.0002, by size;\n"
    "                        they act over 100000 steps, in a short run\n"
    "                        nothing shows below 10 for sr-ste, 1 for the\n"
    "                        others)\n"
    "  --beta B              s-ste: the scale by min-mse, equal-l1 or one,\n"
    "                        once, or by min-mse at every-step  (min-mse)\n"
    "  --fp8 on|off          sparse: products in FP8            (on)\n"
    "  --mvue on|off         sparse: 2:4 output gradient, MVUE  (on)\n"
    "  --steps N             optimiser steps                    (600)\n"
    "  --lr X                peak learning rate                 (0.001)\n"
    "  --seed N              weights, batches and draws         (1)\n"
    "  --layers N            blocks                             (4)\n"
    "  --heads N             attention heads                    (4)\n"
    "  --width N             model width                        (128)\n"
    "  --context N           bytes of context                   (128)\n"
    "  --batch N             contexts per step                  (8)\n"
    "  --csv FILE            write every step's measures there\n"
    "  --checkpoint FILE     write the model there (pretrain-METHOD.ckpt)\n"
    "  --help                this text\n"
    "\n"
    "The width must be a multiple of 4 and of the heads, batch x context a\n"
    "multiple of 4, and FILE ten times as long as a context and a byte.\n"
    "Losses and validation are in bits per byte. The flip rate is the share\n"
    "of FFN mask entries that a step changes: of the mask by magnitude, which\n"
    "is virtual where a method uses none, or another.\n"
    "OMP_NUM_THREADS sets the threads; no result depends on it.\n"
    "Exit status: 0 trained, 1 diverged, 2 bad input or a file error.\n";

static const char *given(const char *name, const char *text) {
  if (text == NULL || *text == '\0') die("%s wants a value", name);
  return text;
}

static long whole(const char *name, const char *text, long least, long most) {
  char *end;
  long value;
  errno = 0;
  value = strtol(given(name, text), &end, 10);
  if (end == text || *end != '\0')
    die("%s wants a whole number, not '%s'", name, text);
  if (errno != 0 || value < least || value > most)
    die("%s is %s, but it must lie between %ld and %ld", name, text, least,
        most);
  return value;
}

static double positive(const char *name, const char *text) {
  char *end;
  const double value = strtod(given(name, text), &end);
  if (end == text || *end != '\0' || !(value > 0.0) || value > 1e6)
    die("%s wants a number above 0 and up to 1000000, not '%s'", name, text);
  return value;
}

/* Which of the words, a list that ends in NULL. */
static int choice(const char *name, const char *text,
                  const char *const *words) {
  char all[128] = "";
  int i;
  given(name, text);
  for (i = 0; words[i] != NULL; ++i) {
    if (strcmp(text, words[i]) == 0) return i;
    if (i > 0) strcat(all, " or ");
    strcat(all, words[i]);
  }
  die("%s is '%s', but it must be %s", name, text, all);
  return 0;
}

/* One option with its value; 0 if there is no such option. */
static int set_option(options *o, const char *name, const char *value) {
  const long many = 1000000000;
  if (strcmp(name, "--method") == 0)
    o->method = choice(name, value, method_names);
  else if (strcmp(name, "--decay") == 0)
    o->decay = positive(name, value);
  else if (strcmp(name, "--beta") == 0)
    o->beta = choice(name, value, beta_names);
  else if (strcmp(name, "--fp8") == 0)
    o->fp8 = choice(name, value, switch_names);
  else if (strcmp(name, "--mvue") == 0)
    o->mvue = choice(name, value, switch_names);
  else if (strcmp(name, "--steps") == 0)
    o->steps = whole(name, value, 1, many);
  else if (strcmp(name, "--lr") == 0)
    o->lr = positive(name, value);
  else if (strcmp(name, "--seed") == 0)
    o->seed = whole(name, value, 0, many);
  else if (strcmp(name, "--layers") == 0)
    o->layers = whole(name, value, 1, 256);
  else if (strcmp(name, "--heads") == 0)
    o->heads = whole(name, value, 1, 256);
  else if (strcmp(name, "--width") == 0)
    o->width = whole(name, value, 4, 16384);
  else if (strcmp(name, "--context") == 0)
    o->context = whole(name, value, 1, 16384);
  else if (strcmp(name, "--batch") == 0)
    o->batch = whole(name, value, 1, 65536);
  else if (strcmp(name, "--csv") == 0)
    o->csv = given(name, value);
  else if (strcmp(name, "--checkpoint") == 0)
    o->checkpoint = given(name, value);
  else
    return 0;
  return 1;
}

/* The method that the options ask for; all else follows from it. */
static sste_method method_of(const options *o) {
  const float decay = o->decay == NOT_GIVEN ? 2e-4f : (float)o->decay;
  sste_method how = sste_method_dense();
  switch (o->method) {
    case S_STE:
      how = sste_method_s_ste();
      how.beta_every_step = o->beta == BETA_EVERY_STEP;
      if (o->beta != NOT_GIVEN && o->beta != BETA_EVERY_STEP)
        how.beta = (sste_beta_rule)o->beta;
      break;
    case STE: how = sste_method_ste(); break;
    case SR_STE: how = sste_method_sr_ste(decay); break;
    case MASKED_DECAY: how = sste_method_masked_decay(decay); break;
    case T_SR_STE: how = sste_method_t_sr_ste(decay, (size_t)o->steps); break;
    case STEP: how = sste_method_step(SIZE_MAX); break;
  }
  return how;
}

/* Refuses a decay or a scale that the method would ignore. */
static void check_method(const options *o) {
  const sste_method how = method_of(o);
  if (how.decay != SSTE_DECAY_NONE && how.lambda == 0.0f)
    die("--decay is %g, too small for a float", o->decay);
  if (o->decay != NOT_GIVEN && how.decay == SSTE_DECAY_NONE)
    die("--decay is %g, but --method %s decays nothing", o->decay,
        method_names[o->method]);
  if (o->beta != NOT_GIVEN && how.weights != SSTE_WEIGHTS_SOFT)
    die("--beta is %s, but --method %s has no scale", beta_names[o->beta],
        method_names[o->method]);
}

static options parse(int argc, char **argv) {
  static char checkpoint[64];
  options o = {.method = S_STE,
               .beta = NOT_GIVEN,
               .decay = NOT_GIVEN,
               .fp8 = 1,
               .mvue = 1,
               .steps = 600,
               .seed = 1,
               .layers = 4,
               .heads = 4,
               .width = 128,
               .context = 128,
               .batch = 8,
               .lr = 1e-3};
  int i;
  for (i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
      fputs(usage, stdout);
      exit(0);
    }
    if (argv[i][0] != '-') {
      if (o.text != NULL) die("one FILE at most: '%s', '%s'", o.text, argv[i]);
      o.text = argv[i];
    } else if (set_option(&o, argv[i], argv[i + 1])) { /* argv ends in NULL */
      ++i;
    } else {
      die("unknown option '%s' (see --help)", argv[i]);
    }
  }
  if (o.width % 4 != 0)
    die("--width is %ld, but groups of four need a multiple of 4", o.width);
  if (o.width % o.heads != 0)
    die("--width %ld does not divide into --heads %ld", o.width, o.heads);
  if (o.batch * o.context % 4 != 0)
    die("--batch x --context is %ld tokens, no multiple of 4",
        o.batch * o.context);
  check_method(&o);
  if (o.checkpoint == NULL) {
    sprintf(checkpoint, "pretrain-%s.ckpt", method_names[o.method]);
    o.checkpoint = checkpoint;
  }
  return o;
}

/* ---- 2. The text --------------------------------------------------------- */

typedef struct text {
  unsigned char *bytes;
  size_t train, valid; /* the validation part follows the training part */
} text;

static void text_add(text *t, const char *path) {
  struct stat info;
  FILE *f;
  size_t size;
  if (stat(path, &info) != 0) die("cannot read %s: %s", path, strerror(errno));
  if (S_ISDIR(info.st_mode)) die("%s is a directory, not a file", path);
  f = fopen(path, "rb");
  if (f == NULL) die("cannot read %s: %s", path, strerror(errno));
  for (size = 1u << 16;; size *= 2) {
    size_t got;
    t->bytes = (unsigned char *)realloc(t->bytes, t->train + size);
    if (t->bytes == NULL) die("not enough memory for %s", path);
    got = fread(t->bytes + t->train, 1, size, f);
    t->train += got;
    if (ferror(f)) die("cannot read %s: %s", path, strerror(errno));
    if (t->train > (size_t)1 << 31) die("%s has more than 2 GiB", path);
    if (got < size) break;
  }
  fclose(f);
}

/* The project's own text, in a fixed order. */
static void text_of_project(text *t) {
  static const char *const patterns[] = {"sste*.h", "README.md", "tests/*.c",
                                         "tests/*.h", "examples/*.c"};
  size_t p, i;
  if (access("sste_train.h", R_OK) != 0)
    die("no FILE given, and the project's own text is not in this folder");
  for (p = 0; p < sizeof patterns / sizeof patterns[0]; ++p) {
    glob_t found;
    if (glob(patterns[p], 0, NULL, &found) == 0)
      for (i = 0; i < found.gl_pathc; ++i) text_add(t, found.gl_pathv[i]);
    globfree(&found);
  }
}

static text text_open(const options *o) {
  const size_t context = (size_t)o->context;
  text t = {NULL, 0, 0};
  size_t total;
  if (o->text != NULL)
    text_add(&t, o->text);
  else
    text_of_project(&t);
  total = t.train;
  t.valid = total / 10;
  t.train = total - t.valid;
  if (t.valid < context + 1)
    die("%s has %zu bytes; a context of %zu needs %zu, a tenth of them held "
        "out",
        o->text != NULL ? o->text : "the project's text", total, context,
        10 * (context + 1));
  return t;
}

/* ---- 3. Dense pieces ----------------------------------------------------- */

/* Memory that a product works in. */
typedef struct room {
  void *p;
  size_t bytes;
} room;

/* A dense linear Z = X W^T and its gradients dX = dZ W, dW = dZ^T X, with X:
 * n x in, W: out x in. ORDERED float sums. */
static void linear_forward(float *z, const float *x, const float *w, size_t n,
                           size_t in, size_t out, room r) {
  must(sste_dense_product(z, out, x, in, 0, w, in, 1, n, out, in, r.p, r.bytes),
       "a forward product");
}
static void linear_backward(float *dx, float *dw, const float *dz,
                            const float *x, const float *w, size_t n, size_t in,
                            size_t out, room r) {
  must(sste_dense_product(dx, in, dz, out, 0, w, in, 0, n, in, out, r.p,
                          r.bytes),
       "an input gradient");
  must(sste_dense_product(dw, in, dz, out, 1, x, in, 0, out, in, n, r.p,
                          r.bytes),
       "a weight gradient");
}
/* The room that they need, if it is more than `bytes`. */
static size_t linear_room(size_t bytes, size_t n, size_t in, size_t out) {
  const size_t need[3] = {sste_dense_product_bytes(n, out, in),
                          sste_dense_product_bytes(n, in, out),
                          sste_dense_product_bytes(out, in, n)};
  int i;
  for (i = 0; i < 3; ++i) bytes = need[i] > bytes ? need[i] : bytes;
  return bytes;
}

/* y = (x - mean) / deviation * gain, per token; stat keeps both for later. */
static void norm_forward(float *y, float *stat, const float *x,
                         const float *gain, size_t n, size_t C) {
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)n; ++i) {
    const float *in = x + (size_t)i * C;
    double mean = 0.0, square = 0.0;
    size_t c;
    for (c = 0; c < C; ++c) mean += (double)in[c];
    mean /= (double)C;
    for (c = 0; c < C; ++c)
      square += ((double)in[c] - mean) * ((double)in[c] - mean);
    stat[2 * i] = (float)mean;
    stat[2 * i + 1] = (float)(1.0 / sqrt(square / (double)C + 1e-5));
    for (c = 0; c < C; ++c)
      y[(size_t)i * C + c] = (in[c] - stat[2 * i]) * stat[2 * i + 1] * gain[c];
  }
}

/* Adds to dx; overwrites dgain. */
static void norm_backward(float *dx, float *dgain, const float *dy,
                          const float *x, const float *stat, const float *gain,
                          size_t n, size_t C) {
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)n; ++i) {
    const float *in = x + (size_t)i * C, *out = dy + (size_t)i * C;
    const float mean = stat[2 * i], inverse = stat[2 * i + 1];
    double sum = 0.0, dot = 0.0;
    float a, b;
    size_t c;
    for (c = 0; c < C; ++c) {
      const double d = (double)(out[c] * gain[c]);
      sum += d;
      dot += d * (double)((in[c] - mean) * inverse);
    }
    a = (float)(sum / (double)C);
    b = (float)(dot / (double)C);
    for (c = 0; c < C; ++c)
      dx[(size_t)i * C + c] +=
          (out[c] * gain[c] - a - (in[c] - mean) * inverse * b) * inverse;
  }
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)C; ++i) {
    double sum = 0.0;
    size_t t;
    for (t = 0; t < n; ++t)
      sum += (double)(dy[t * C + (size_t)i] *
                      ((x[t * C + (size_t)i] - stat[2 * t]) * stat[2 * t + 1]));
    dgain[i] = (float)sum;
  }
}

/* gelu(x) = x/2 (1 + tanh u) = x sigmoid(2u), u = .79788 (x + .044715 x^3) */
static float gelu_gate(float x) {
  const float u = 0.79788456f * (x + 0.044715f * x * x * x);
  return 1.0f / (1.0f + expf(-2.0f * u));
}
static void gelu_forward(float *y, const float *x, size_t count) {
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)count; ++i) y[i] = x[i] * gelu_gate(x[i]);
}
static void gelu_backward(float *d, const float *x, size_t count) {
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)count; ++i) {
    const float g = gelu_gate(x[i]);
    const float du = 0.79788456f * (1.0f + 0.134145f * x[i] * x[i]);
    d[i] *= g + x[i] * g * (1.0f - g) * 2.0f * du;
  }
}

static float dot(const float *a, const float *b, size_t n) {
  float sum = 0.0f;
  ptrdiff_t i;
  SSTE_OMP(simd reduction(+ : sum))
  for (i = 0; i < (ptrdiff_t)n; ++i) sum += a[i] * b[i];
  return sum;
}
/* y += s x */
static void add_scaled(float *y, float s, const float *x, size_t n) {
  ptrdiff_t i;
  SSTE_OMP(simd)
  for (i = 0; i < (ptrdiff_t)n; ++i) y[i] += s * x[i];
}

/* Causal attention. A token's row of qkv is its query, key and value, C floats
 * each, of which head h has the d = C / heads from h * d on. p keeps the
 * weights of every pair, T x T per batch and head. */
static void attention_forward(float *out, float *p, const float *qkv, size_t B,
                              size_t T, size_t C, size_t heads) {
  const size_t d = C / heads;
  const float scale = 1.0f / sqrtf((float)d);
  ptrdiff_t bh;
  SSTE_OMP(parallel for schedule(static))
  for (bh = 0; bh < (ptrdiff_t)(B * heads); ++bh) {
    const size_t first = (size_t)bh / heads * T, h = (size_t)bh % heads * d;
    size_t t, s;
    for (t = 0; t < T; ++t) {
      const float *q = qkv + (first + t) * 3 * C + h;
      float *w = p + ((size_t)bh * T + t) * T, *o = out + (first + t) * C + h;
      float most = -INFINITY, sum = 0.0f;
      for (s = 0; s <= t; ++s) {
        w[s] = scale * dot(q, qkv + (first + s) * 3 * C + C + h, d);
        most = w[s] > most ? w[s] : most;
      }
      for (s = 0; s <= t; ++s) sum += w[s] = expf(w[s] - most);
      memset(o, 0, d * sizeof *o);
      for (s = 0; s <= t; ++s) {
        w[s] /= sum;
        add_scaled(o, w[s], qkv + (first + s) * 3 * C + 2 * C + h, d);
      }
    }
  }
}

static void attention_backward(float *dqkv, const float *dout, const float *p,
                               const float *qkv, size_t B, size_t T, size_t C,
                               size_t heads) {
  const size_t d = C / heads;
  const float scale = 1.0f / sqrtf((float)d);
  ptrdiff_t bh;
  memset(dqkv, 0, B * T * 3 * C * sizeof *dqkv);
  SSTE_OMP(parallel for schedule(static))
  for (bh = 0; bh < (ptrdiff_t)(B * heads); ++bh) {
    const size_t first = (size_t)bh / heads * T, h = (size_t)bh % heads * d;
    size_t t, s;
    for (t = 0; t < T; ++t) {
      const size_t q = (first + t) * 3 * C + h;
      const float *w = p + ((size_t)bh * T + t) * T;
      const float *up = dout + (first + t) * C + h;
      float mean = 0.0f; /* sum of w dw: the softmax takes it off every dw */
      for (s = 0; s <= t; ++s)
        mean += w[s] * dot(up, qkv + (first + s) * 3 * C + 2 * C + h, d);
      for (s = 0; s <= t; ++s) {
        const size_t k = (first + s) * 3 * C + C + h, v = k + C;
        const float dw = w[s] * (dot(up, qkv + v, d) - mean) * scale;
        add_scaled(dqkv + q, dw, qkv + k, d);
        add_scaled(dqkv + k, dw, qkv + q, d);
        add_scaled(dqkv + v, w[s], up, d);
      }
    }
  }
}

/* Mean cross-entropy in nats; logits become the gradient of that mean. */
static double cross_entropy(float *logits, const unsigned char *next, size_t n,
                            double *loss_of) {
  double sum = 0.0;
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)n; ++i) {
    float *row = logits + i * BYTES;
    float most = row[0];
    double total = 0.0;
    int v;
    for (v = 1; v < BYTES; ++v) most = row[v] > most ? row[v] : most;
    for (v = 0; v < BYTES; ++v) total += (double)expf(row[v] - most);
    loss_of[i] = log(total) - (double)(row[next[i]] - most);
    for (v = 0; v < BYTES; ++v)
      row[v] = (float)((double)expf(row[v] - most) / total / (double)n);
    row[next[i]] -= 1.0f / (float)n;
  }
  for (i = 0; i < (ptrdiff_t)n; ++i) sum += loss_of[i];
  return sum / (double)n;
}

/* ---- 4. The model -------------------------------------------------------- */

/* Weights, gradients and both Adam moments all have this shape. The gains of
 * the norms come first: they are what weight decay leaves alone. */
typedef struct block_params {
  float *norm1, *norm2; /* C */
  float *qkv, *proj;    /* 3C x C, C x C */
  float *up, *down;     /* 4C x C, C x 4C: the FFN */
} block_params;
typedef struct params {
  float *all;
  size_t count, gains;
  float *norm, *bytes, *places; /* C, 256 x C, T x C */
  block_params *block;
} params;

/* The next `count` floats of a block of memory. */
static float *take(float **at, size_t count) {
  float *p = *at;
  *at += count;
  return p;
}

static params params_new(const options *o) {
  const size_t C = (size_t)o->width, L = (size_t)o->layers;
  params p;
  float *at;
  size_t l;
  p.gains = (2 * L + 1) * C;
  p.count = p.gains + (BYTES + (size_t)o->context) * C + L * 12 * C * C;
  p.all = at = floats(p.count);
  p.block = (block_params *)memory(L, sizeof *p.block);
  p.norm = take(&at, C);
  for (l = 0; l < L; ++l) {
    p.block[l].norm1 = take(&at, C);
    p.block[l].norm2 = take(&at, C);
  }
  p.bytes = take(&at, BYTES * C);
  p.places = take(&at, (size_t)o->context * C);
  for (l = 0; l < L; ++l) {
    p.block[l].qkv = take(&at, 3 * C * C);
    p.block[l].proj = take(&at, C * C);
    p.block[l].up = take(&at, 4 * C * C);
    p.block[l].down = take(&at, 4 * C * C);
  }
  return p;
}

/* What a block's backward needs of its forward. */
typedef struct block_state {
  float *x1, *stat1, *norm1, *qkv, *p, *mixed; /* attention */
  float *x2, *stat2, *norm2, *hidden, *gelu;   /* FFN */
} block_state;

typedef struct model {
  const options *o;
  params w, g, moment1, moment2;
  block_state *state;
  float *x, *stat, *norm, *logits; /* after the last block */
  float *add;                      /* what a block adds to its input */
  float *d, *dn, *dwide;           /* gradients of C, C and 4C columns */
  double *loss_of;
  sste_method method;
  sste_linear *up_layer, *down_layer; /* the FFN's, one pair per block */
  uint8_t *masks;                     /* in use, if any are; as ffn_at */
  sste_step_watch watch;              /* for STEP, */
  float *moment2_before;              /* with moment2 as it was a step ago */
  room room;
} model;

/* A random word that no MVUE draw uses: tensors number from 0 up there, and
 * from 2^31 up here. */
enum { USE_WEIGHTS, USE_BATCHES };
static uint32_t random_word(long seed, uint32_t use, size_t step, size_t i) {
  sste_mvue_stream stream = {0, 0, 0, 0, 0};
  stream.seed = (uint64_t)seed;
  stream.tensor = 0x80000000u + use;
  stream.step = (uint32_t)step;
  return sste_mvue_word(&stream, 0, i);
}

static void fill_normal(float *w, size_t count, double deviation, long seed,
                        size_t *drawn) {
  size_t i;
  for (i = 0; i < count; ++i, *drawn += 2) {
    const double u = (random_word(seed, USE_WEIGHTS, 0, *drawn) + 1.0) / 0x1p32;
    const double v = random_word(seed, USE_WEIGHTS, 0, *drawn + 1) / 0x1p32;
    w[i] =
        (float)(deviation * sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
  }
}

/* GPT-2's: N(0, 0.02^2), less on what is added to the residual stream. */
static void init_weights(params *w, const options *o) {
  const size_t C = (size_t)o->width;
  const double residual = 0.02 / sqrt(2.0 * (double)o->layers);
  size_t i, drawn = 0;
  for (i = 0; i < w->gains; ++i) w->all[i] = 1.0f;
  fill_normal(w->bytes, BYTES * C, 0.02, o->seed, &drawn);
  fill_normal(w->places, (size_t)o->context * C, 0.02, o->seed, &drawn);
  for (i = 0; i < (size_t)o->layers; ++i) {
    block_params *b = &w->block[i];
    fill_normal(b->qkv, 3 * C * C, 0.02, o->seed, &drawn);
    fill_normal(b->proj, C * C, residual, o->seed, &drawn);
    fill_normal(b->up, 4 * C * C, 0.02, o->seed, &drawn);
    fill_normal(b->down, 4 * C * C, residual, o->seed, &drawn);
  }
}

/* One linear of the FFN with all that belongs to it. They are numbered from the
 * first block to the last, up before down, for the draws as well. */
typedef struct ffn_linear {
  sste_linear *layer;
  float *w, *g;
  uint8_t *mask;
} ffn_linear;

static size_t ffn_count(const options *o) { return (size_t)(2 * o->layers); }

static size_t ffn_entries(const options *o) {
  return ffn_count(o) * (size_t)(4 * o->width * o->width);
}

static ffn_linear ffn_at(const model *m, size_t i) {
  const size_t b = i / 2, count = ffn_entries(m->o) / ffn_count(m->o);
  ffn_linear f = {&m->up_layer[b], m->w.block[b].up, m->g.block[b].up, NULL};
  if (i % 2 == 1) {
    f.layer = &m->down_layer[b];
    f.w = m->w.block[b].down;
    f.g = m->g.block[b].down;
  }
  f.mask = m->masks + i * count;
  return f;
}

/* Makes every FFN linear what the method wants at step k, counted from 0. */
static sste_status refresh(model *m, size_t k) {
  size_t i;
  for (i = 0; i < ffn_count(m->o); ++i) {
    const ffn_linear f = ffn_at(m, i);
    const size_t K = f.layer->in_features;
    const sste_status s =
        sste_method_refresh(&m->method, f.layer, f.mask, K, f.w, K, k);
    if (s != SSTE_OK) return s;
  }
  return SSTE_OK;
}

/* STEP watches Adam's second moments, over 1 / (1 - 0.95) steps. */
static void watch_start(model *m) {
  const size_t steps = (size_t)m->o->steps;
  m->watch.window = 20;
  m->watch.history = (double *)memory(m->watch.window, sizeof(double));
  m->watch.earliest = steps / 10;
  m->watch.latest = steps / 2;
  m->watch.eps = 1e-8;
  m->moment2_before = floats(m->w.count);
}

static sste_linear ffn_layer(const options *o, const float *w, size_t N,
                             size_t K) {
  sste_linear layer;
  must(sste_linear_init(&layer, w, K, N, K), "the scale of an FFN weight");
  layer.fp8 = o->fp8;
  layer.mvue = (sste_mvue_use)o->mvue;
  layer.fast = 1;
  return layer;
}

/* Room for every product of the model, one at a time. */
static room room_for(const options *o, const sste_linear *up,
                     const sste_linear *down) {
  const size_t C = (size_t)o->width, n = (size_t)o->batch * (size_t)o->context;
  const size_t up_bytes = sste_linear_scratch_bytes(up, n);
  const size_t down_bytes = sste_linear_scratch_bytes(down, n);
  room r;
  r.bytes = up_bytes > down_bytes ? up_bytes : down_bytes;
  r.bytes = linear_room(r.bytes, n, C, 4 * C);
  r.bytes = linear_room(r.bytes, n, 4 * C, C);
  r.bytes = linear_room(r.bytes, n, C, BYTES);
  r.p = memory(r.bytes, 1);
  return r;
}

static model *model_new(const options *o) {
  const size_t C = (size_t)o->width, T = (size_t)o->context;
  const size_t n = (size_t)o->batch * T, L = (size_t)o->layers;
  model *m = (model *)memory(1, sizeof *m);
  size_t l;
  m->o = o;
  m->w = params_new(o);
  m->g = params_new(o);
  m->moment1 = params_new(o);
  m->moment2 = params_new(o);
  init_weights(&m->w, o);
  m->state = (block_state *)memory(L, sizeof *m->state);
  m->up_layer = (sste_linear *)memory(L, sizeof *m->up_layer);
  m->down_layer = (sste_linear *)memory(L, sizeof *m->down_layer);
  for (l = 0; l < L; ++l) {
    block_state *s = &m->state[l];
    s->x1 = floats(n * C), s->stat1 = floats(n * 2), s->norm1 = floats(n * C);
    s->qkv = floats(n * 3 * C), s->mixed = floats(n * C);
    s->p = floats((size_t)(o->batch * o->heads) * T * T);
    s->x2 = floats(n * C), s->stat2 = floats(n * 2), s->norm2 = floats(n * C);
    s->hidden = floats(n * 4 * C), s->gelu = floats(n * 4 * C);
    m->up_layer[l] = ffn_layer(o, m->w.block[l].up, 4 * C, C);
    m->down_layer[l] = ffn_layer(o, m->w.block[l].down, C, 4 * C);
  }
  m->x = floats(n * C), m->stat = floats(n * 2), m->norm = floats(n * C);
  m->logits = floats(n * BYTES), m->add = floats(n * C);
  m->d = floats(n * C), m->dn = floats(n * C), m->dwide = floats(n * 4 * C);
  m->loss_of = (double *)memory(n, sizeof *m->loss_of);
  m->room = room_for(o, &m->up_layer[0], &m->down_layer[0]);
  m->method = method_of(o);
  m->masks = (uint8_t *)memory(ffn_entries(o), 1);
  if (m->method.sparse_from == SIZE_MAX) watch_start(m);
  must(refresh(m, 0), "the first weights of the FFN");
  return m;
}

/* One linear of the FFN, dense or sparse, as it is at this step. */
static void ffn_forward(model *m, const sste_linear *layer, float *z,
                        const float *x, const float *w, size_t n) {
  const size_t K = layer->in_features, N = layer->out_features;
  if (layer->weights == SSTE_WEIGHTS_DENSE)
    linear_forward(z, x, w, n, K, N, m->room);
  else
    must(sste_linear_forward(layer, z, N, x, K, w, K, NULL, n, m->room.p,
                             m->room.bytes),
         "FFN forward");
}
static void ffn_backward(model *m, const sste_linear *layer, float *dx,
                         float *dw, const float *dz, const float *x,
                         const float *w, size_t n, size_t step, size_t tensor) {
  const size_t K = layer->in_features, N = layer->out_features;
  sste_mvue_stream stream = {0, 0, 0, 0, 0};
  stream.seed = (uint64_t)m->o->seed;
  stream.tensor = (uint32_t)tensor;
  stream.step = (uint32_t)step;
  if (layer->weights == SSTE_WEIGHTS_DENSE)
    linear_backward(dx, dw, dz, x, w, n, K, N, m->room);
  else
    must(sste_linear_backward(layer, dx, K, dw, K, NULL, dz, N, x, K, w, K, n,
                              &stream, m->room.p, m->room.bytes),
         "FFN backward");
}

/* y = a + b */
static void add(float *y, const float *a, const float *b, size_t count) {
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)count; ++i) y[i] = a[i] + b[i];
}

static void embed_forward(float *x, const model *m, const unsigned char *in,
                          size_t n) {
  const size_t C = (size_t)m->o->width, T = (size_t)m->o->context;
  ptrdiff_t t;
  SSTE_OMP(parallel for schedule(static))
  for (t = 0; t < (ptrdiff_t)n; ++t) {
    const float *byte = m->w.bytes + in[t] * C;
    const float *place = m->w.places + (size_t)t % T * C;
    size_t c;
    for (c = 0; c < C; ++c) x[(size_t)t * C + c] = byte[c] + place[c];
  }
}

/* The mean loss of B contexts in nats per byte. */
static double forward(model *m, const unsigned char *in,
                      const unsigned char *next, size_t B) {
  const size_t C = (size_t)m->o->width, T = (size_t)m->o->context, n = B * T;
  const size_t L = (size_t)m->o->layers;
  size_t l;
  embed_forward(m->state[0].x1, m, in, n);
  for (l = 0; l < L; ++l) {
    const block_params *w = &m->w.block[l];
    block_state *s = &m->state[l];
    norm_forward(s->norm1, s->stat1, s->x1, w->norm1, n, C);
    linear_forward(s->qkv, s->norm1, w->qkv, n, C, 3 * C, m->room);
    attention_forward(s->mixed, s->p, s->qkv, B, T, C, (size_t)m->o->heads);
    linear_forward(m->add, s->mixed, w->proj, n, C, C, m->room);
    add(s->x2, s->x1, m->add, n * C);
    norm_forward(s->norm2, s->stat2, s->x2, w->norm2, n, C);
    ffn_forward(m, &m->up_layer[l], s->hidden, s->norm2, w->up, n);
    gelu_forward(s->gelu, s->hidden, n * 4 * C);
    ffn_forward(m, &m->down_layer[l], m->add, s->gelu, w->down, n);
    add(l + 1 < L ? m->state[l + 1].x1 : m->x, s->x2, m->add, n * C);
  }
  norm_forward(m->norm, m->stat, m->x, m->w.norm, n, C);
  linear_forward(m->logits, m->norm, m->w.bytes, n, C, BYTES, m->room);
  return cross_entropy(m->logits, next, n, m->loss_of);
}

/* Gradients of the embeddings; adds to that of the bytes, which are also the
 * head. Threads share channels, so every sum is over tokens in order. */
static void embed_backward(model *m, const unsigned char *in, size_t B) {
  const size_t C = (size_t)m->o->width, T = (size_t)m->o->context;
  ptrdiff_t c;
  memset(m->g.places, 0, T * C * sizeof(float));
  SSTE_OMP(parallel for schedule(static))
  for (c = 0; c < (ptrdiff_t)C; ++c) {
    size_t t;
    for (t = 0; t < B * T; ++t) {
      m->g.bytes[in[t] * C + (size_t)c] += m->d[t * C + (size_t)c];
      m->g.places[t % T * C + (size_t)c] += m->d[t * C + (size_t)c];
    }
  }
}

/* The gradient of forward's loss by every weight; step names the draws. m->d
 * carries the gradient of the residual stream from block to block. */
static void backward(model *m, const unsigned char *in, size_t B, size_t step) {
  const size_t C = (size_t)m->o->width, T = (size_t)m->o->context, n = B * T;
  size_t l;
  linear_backward(m->dn, m->g.bytes, m->logits, m->norm, m->w.bytes, n, C,
                  BYTES, m->room);
  memset(m->d, 0, n * C * sizeof(float));
  norm_backward(m->d, m->g.norm, m->dn, m->x, m->stat, m->w.norm, n, C);
  for (l = (size_t)m->o->layers; l-- > 0;) {
    const block_params *w = &m->w.block[l];
    const block_state *s = &m->state[l];
    block_params *g = &m->g.block[l];
    ffn_backward(m, &m->down_layer[l], m->dwide, g->down, m->d, s->gelu,
                 w->down, n, step, 2 * l + 1);
    gelu_backward(m->dwide, s->hidden, n * 4 * C);
    ffn_backward(m, &m->up_layer[l], m->dn, g->up, m->dwide, s->norm2, w->up, n,
                 step, 2 * l);
    norm_backward(m->d, g->norm2, m->dn, s->x2, s->stat2, w->norm2, n, C);
    linear_backward(m->dn, g->proj, m->d, s->mixed, w->proj, n, C, C, m->room);
    attention_backward(m->dwide, m->dn, s->p, s->qkv, B, T, C,
                       (size_t)m->o->heads);
    linear_backward(m->dn, g->qkv, m->dwide, s->norm1, w->qkv, n, C, 3 * C,
                    m->room);
    norm_backward(m->d, g->norm1, m->dn, s->x1, s->stat1, w->norm1, n, C);
  }
  embed_backward(m, in, B);
}

/* ---- 5. Optimiser -------------------------------------------------------- */

/* Linear warm-up over a tenth of the steps, then a cosine to a tenth. */
static double learning_rate(const options *o, long step) {
  const double warm = (double)o->steps / 10.0;
  const double done = ((double)step - warm) / ((double)o->steps - warm);
  if ((double)step < warm) return o->lr * ((double)step + 1.0) / (warm + 1.0);
  return o->lr * (0.1 + 0.45 * (1.0 + cos(3.141592653589793 * done)));
}

/* Brings the norm of all gradients down to 1 at most. */
static void clip(params *g) {
  double square = 0.0;
  float shrink;
  ptrdiff_t i;
  for (i = 0; i < (ptrdiff_t)g->count; ++i)
    square += (double)g->all[i] * (double)g->all[i];
  shrink = (float)(square > 1.0 ? 1.0 / sqrt(square) : 1.0);
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)g->count; ++i) g->all[i] *= shrink;
}

/* What pulls pruned weights of the FFN to zero, if the method does. */
static void decay_pruned(model *m, long step) {
  const float rate = (float)learning_rate(m->o, step);
  size_t i;
  for (i = 0; i < ffn_count(m->o); ++i) {
    const ffn_linear f = ffn_at(m, i);
    const size_t K = f.layer->in_features;
    must(sste_method_decay_weight(&m->method, f.layer, f.w, K, rate), "decay");
    must(sste_method_decay_grad(&m->method, f.layer, f.g, K, f.w, K), "decay");
  }
}

/* AdamW (0.9, 0.95), weight decay 0.1 on matrices, on the dense weights. STEP
 * freezes the second moments when weights become sparse. */
static void adamw(model *m, long step) {
  const size_t k = (size_t)step, from = m->method.sparse_from;
  const int frozen = m->method.freeze_second_moment && k >= from;
  const double updates = frozen ? (double)from : (double)step + 1.0;
  const float rate = (float)learning_rate(m->o, step);
  const float fix1 = (float)(1.0 / (1.0 - pow(0.9, (double)step + 1.0)));
  const float fix2 = (float)(1.0 / (1.0 - pow(0.95, updates)));
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)m->w.count; ++i) {
    const float g = m->g.all[i];
    const float decay = (size_t)i < m->w.gains ? 0.0f : 0.1f;
    float *w = &m->w.all[i];
    float *m1 = &m->moment1.all[i], *m2 = &m->moment2.all[i];
    *m1 = 0.9f * *m1 + 0.1f * g;
    if (!frozen) *m2 = 0.95f * *m2 + 0.05f * g * g;
    *w -= rate * (*m1 * fix1 / (sqrtf(*m2 * fix2) + 1e-8f) + decay * *w);
  }
}

/* Whether the step after this one is to be STEP's first sparse one. Steps count
 * from 0 here, and from 1 wherever they are printed. */
static void watch_moments(model *m, long step) {
  const size_t count = m->w.count;
  double change;
  if (m->method.sparse_from != SIZE_MAX || step + 1 >= m->o->steps) return;
  must(sste_tensor_change(&change, m->moment2.all, count, m->moment2_before,
                          count, 1, count),
       "second moments");
  memcpy(m->moment2_before, m->moment2.all, count * sizeof(float));
  if (!sste_step_switch(&m->watch, change / (double)count)) return;
  m->method.sparse_from = (size_t)step + 1;
  fprintf(stderr, "%ssparse from step %ld on\n", line_is_open ? "\n" : "",
          step + 2);
  line_is_open = 0;
}

static void optimise(model *m, long step) {
  clip(&m->g);
  decay_pruned(m, step);
  adamw(m, step);
  watch_moments(m, step);
}

/* ---- 6. Measures --------------------------------------------------------- */

/* The masks of all FFN weights that magnitude pruning would choose, end to end.
 * They are virtual where a method uses none, or another. */
static void ffn_masks(const model *m, uint8_t *mask) {
  const size_t count = ffn_entries(m->o) / ffn_count(m->o);
  size_t i;
  for (i = 0; i < ffn_count(m->o); ++i, mask += count)
    must(sste_tensor_mask(mask, 4, ffn_at(m, i).w, 4, count / 4, 4,
                          SSTE_TIE_LOWER),
         "mask");
}

/* The share of FFN weights that the forward product does not see. */
static double ffn_zeros(const model *m) {
  size_t i, zeros = 0;
  for (i = 0; i < ffn_count(m->o); ++i) {
    const ffn_linear f = ffn_at(m, i);
    sste_report report = {0};
    must(sste_linear_report(&report, f.layer, f.w, f.layer->in_features,
                            m->room.p, m->room.bytes),
         "zeros");
    zeros += report.zeros;
  }
  return (double)zeros / (double)ffn_entries(m->o);
}

/* Validation loss in bits per byte, with the weights as the products see them,
 * over at most `limit` contexts spread evenly over the held-out part. */
static double validate(model *m, const text *t, size_t limit) {
  const size_t T = (size_t)m->o->context, B = (size_t)m->o->batch;
  const size_t all = (t->valid - 1) / T, count = all < limit ? all : limit;
  unsigned char *in = (unsigned char *)memory(2 * B * T, 1), *next = in + B * T;
  double sum = 0.0;
  size_t i, used = 0;
  for (i = 0; i < count; ++i) {
    const unsigned char *from = t->bytes + t->train + i * all / count * T;
    memcpy(in + used * T, from, T);
    memcpy(next + used * T, from + 1, T);
    if (++used == B || i + 1 == count) {
      sum += forward(m, in, next, used) * (double)used;
      used = 0;
    }
  }
  free(in);
  return sum / (double)count / log(2.0);
}

/* ---- 7. Files ------------------------------------------------------------ */

/* A file takes its name only when it is whole; until then it is NAME.PID.part,
 * which is removed if the program gives up. A file that is there already is
 * replaced only if it begins as ours do. What is no regular file, such as a
 * pipe, is written as is. */
typedef struct output {
  const char *name;
  char part[4096]; /* empty: written as is */
  FILE *f;
} output;

static output csv_file, checkpoint_file;

static void remove_parts(void) {
  if (csv_file.part[0] != '\0') remove(csv_file.part);
  if (checkpoint_file.part[0] != '\0') remove(checkpoint_file.part);
}

static void cannot_write(const output *out) {
  die("cannot write %s: %s", out->name, strerror(errno));
}

/* Refuses to replace a file with contents that do not begin with `head`. */
static void check_ours(const char *name, const char *head) {
  const size_t length = strlen(head);
  char found[64] = {0};
  FILE *f = fopen(name, "rb");
  size_t got;
  if (f == NULL) die("cannot read %s: %s", name, strerror(errno));
  got = fread(found, 1, length, f);
  fclose(f);
  if (got != 0 && (got != length || memcmp(found, head, length) != 0))
    die("%s is there and this program did not write it; give another name",
        name);
}

/* Before training, so that a name that cannot be written is found at once. */
static void output_open(output *out, const char *name, const char *head) {
  struct stat info;
  int fd, there = lstat(name, &info) == 0;
  out->name = name;
  if (there && S_ISLNK(info.st_mode) && strncmp(name, "/dev/", 5) != 0) {
    out->name = realpath(name, NULL); /* replace the file, not the link */
    if (out->name == NULL) die("cannot write %s: %s", name, strerror(errno));
    name = out->name;
    there = stat(name, &info) == 0;
  }
  if (there && !S_ISREG(info.st_mode)) {
    out->f = fopen(name, "wb");
    if (out->f == NULL) cannot_write(out);
    return;
  }
  if (there) check_ours(name, head);
  if (strlen(name) + 32 > sizeof out->part)
    die("the name %s is too long", name);
  sprintf(out->part, "%s.%ld.part", name, (long)getpid());
  fd = open(out->part, O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (fd < 0) {
    out->part[0] = '\0'; /* not ours to remove */
    cannot_write(out);
  }
  out->f = fdopen(fd, "wb");
  if (out->f == NULL) cannot_write(out);
}

static void output_close(output *out) {
  if (fflush(out->f) != 0 || ferror(out->f)) cannot_write(out);
  if (out->part[0] != '\0' && fsync(fileno(out->f)) != 0) cannot_write(out);
  if (fclose(out->f) != 0) cannot_write(out);
  if (out->part[0] != '\0' && rename(out->part, out->name) != 0)
    cannot_write(out);
  out->part[0] = '\0';
}

static const char csv_head[] = "step,train_bpb,lr,flip_rate,val_bpb\n";
static const char magic[] = "sste-gpt";

static void files_open(const options *o) {
  if (o->csv != NULL && strcmp(o->csv, o->checkpoint) == 0)
    die("--csv and --checkpoint are both %s", o->csv);
  atexit(remove_parts);
  signal(SIGPIPE, SIG_IGN); /* a reader that has left is a write error */
  output_open(&checkpoint_file, o->checkpoint, magic);
  if (o->csv == NULL) return;
  output_open(&csv_file, o->csv, "step,");
  fputs(csv_head, csv_file.f);
}

/* One line; val_bpb is left empty where nothing was validated. */
static void csv_line(long step, double train, double rate, double flips,
                     double valid) {
  if (csv_file.f == NULL) return;
  fprintf(csv_file.f, "%ld,%.17g,%.9g,%.9g,", step, train, rate, flips);
  if (!isnan(valid)) fprintf(csv_file.f, "%.17g", valid);
  fprintf(csv_file.f, "\n");
  if (fflush(csv_file.f) != 0 || ferror(csv_file.f)) cannot_write(&csv_file);
}

static void put(const void *p, size_t bytes) {
  if (fwrite(p, 1, bytes, checkpoint_file.f) != bytes)
    cannot_write(&checkpoint_file);
}

/* The magic, then version, method, steps, layers, heads, width, context and
 * seed as 64-bit integers, the betas (up, down per block; S-STE's alone mean
 * anything), and the dense weights in the order of params_new, as this machine
 * stores them. Masks follow from the weights: transposable ones end dense. */
static void checkpoint_save(const model *m) {
  const options *o = m->o;
  const int64_t head[] = {1,        o->method, o->steps,   o->layers,
                          o->heads, o->width,  o->context, o->seed};
  long l;
  put(magic, strlen(magic));
  put(head, sizeof head);
  for (l = 0; l < o->layers; ++l) {
    put(&m->up_layer[l].beta, sizeof(float));
    put(&m->down_layer[l].beta, sizeof(float));
  }
  put(m->w.all, m->w.count * sizeof(float));
  output_close(&checkpoint_file);
}

/* ---- 8. Training --------------------------------------------------------- */

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Contexts from random places of the training part. */
static void draw_batch(const options *o, const text *t, long step,
                       unsigned char *in, unsigned char *next) {
  const size_t T = (size_t)o->context, starts = t->train - T;
  size_t b;
  for (b = 0; b < (size_t)o->batch; ++b) {
    const uint64_t word =
        (uint64_t)random_word(o->seed, USE_BATCHES, (size_t)step, 2 * b) << 32 |
        random_word(o->seed, USE_BATCHES, (size_t)step, 2 * b + 1);
    const size_t at = (size_t)(word % starts);
    memcpy(in + b * T, t->bytes + at, T);
    memcpy(next + b * T, t->bytes + at + 1, T);
  }
}

/* What the run has measured so far; valid is NaN but where it was just done. */
typedef struct measures {
  double train, valid;               /* bits per byte */
  double flips, flip_sum, flip_mean; /* of this step; since the last report */
  long flip_steps;
  double start, training; /* seconds: begin of the run; spent in steps */
} measures;

/* The progress line: in place on a terminal, now and then in a log. */
static void progress(const options *o, long step, const measures *now) {
  static double shown = 0.0;
  const int terminal = isatty(STDERR_FILENO);
  const double time = seconds(), spent = time - now->start;
  const long left =
      (long)(spent / (double)step * (double)(o->steps - step) + 0.5);
  if (isnan(now->valid) && time - shown < (terminal ? 0.2 : 30.0)) return;
  shown = time;
  fprintf(
      stderr,
      "%s%s %5ld/%ld  train %.4f bits/byte  %6.0f tokens/s  left %ld:%02ld  "
      "flips %.1e",
      terminal ? "\r\033[K" : "", method_names[o->method], step, o->steps,
      now->train, (double)(o->batch * o->context * step) / now->training,
      left / 60, left % 60, now->flip_mean);
  if (!isnan(now->valid)) fprintf(stderr, "  valid %.4f", now->valid);
  line_is_open = terminal && isnan(now->valid);
  if (!line_is_open) fprintf(stderr, "\n");
}

/* A diverged model is not worth a checkpoint; the CSV shows what happened. */
static void diverged(long step) {
  if (csv_file.f != NULL) output_close(&csv_file);
  fprintf(
      stderr,
      "%spretrain: the loss diverged at step %ld; lower --lr (or --decay)\n",
      line_is_open ? "\n" : "", step);
  exit(1);
}

static void check_finite(double loss, long step) {
  if (!isfinite(loss)) diverged(step);
}

/* The share of all FFN mask entries that changed since the last call. */
static double flip_rate(const model *m, uint8_t *mask, uint8_t *previous) {
  const size_t D = ffn_entries(m->o);
  double rate = 0.0;
  ffn_masks(m, mask);
  must(sste_mask_flip_rate(&rate, NULL, mask, D, previous, D, 1, D), "flips");
  memcpy(previous, mask, D);
  return rate;
}

static void train(const options *o, const text *t) {
  const size_t n = (size_t)(o->batch * o->context), D = ffn_entries(o);
  const long period = o->steps < 10 ? 1 : o->steps / 10;
  model *m = model_new(o);
  unsigned char *in = (unsigned char *)memory(2 * n, 1), *next = in + n;
  uint8_t *mask = (uint8_t *)memory(2 * D, 1), *previous = mask + D;
  measures now = {.start = seconds()};
  long step;
  fprintf(stderr,
          "%s: %zu weights, %zu bytes to train on, %zu to validate, %zu per "
          "step\n",
          method_names[o->method], m->w.count, t->train, t->valid, n);
  ffn_masks(m, previous);
  for (step = 1; step <= o->steps; ++step) {
    const double before = seconds();
    draw_batch(o, t, step, in, next);
    now.train = forward(m, in, next, (size_t)o->batch) / log(2.0);
    check_finite(now.train, step);
    backward(m, in, (size_t)o->batch, (size_t)step);
    optimise(m, step - 1);
    if (refresh(m, (size_t)step) != SSTE_OK) diverged(step); /* no scale left */
    now.flips = flip_rate(m, mask, previous);
    now.flip_sum += now.flips;
    now.flip_mean = now.flip_sum / (double)++now.flip_steps;
    now.training += seconds() - before;
    now.valid = NAN;
    if (step == o->steps || step % period == 0) {
      now.valid = validate(m, t, step == o->steps ? (size_t)-1 : 64);
      check_finite(now.valid, step);
      now.flip_sum = 0.0;
      now.flip_steps = 0;
    }
    csv_line(step, now.train, learning_rate(o, step - 1), now.flips, now.valid);
    progress(o, step, &now);
  }
  checkpoint_save(m);
  if (csv_file.f != NULL) output_close(&csv_file);
  printf(
      "result: method %s  valid %.4f bits/byte  zeros %.2f %%  flips %.2e  "
      "seconds %.0f  checkpoint %s\n",
      method_names[o->method], now.valid, 100.0 * ffn_zeros(m), now.flip_mean,
      seconds() - now.start, o->checkpoint);
}

int main(int argc, char **argv) {
  const options o = parse(argc, argv);
  const int broken = sste_self_check();
  text t;
  if (broken != 0)
    die("this build breaks the numerics contract (sste_self_check: %d)",
        broken);
  t = text_open(&o);
  files_open(&o);
  train(&o, &t);
  if (fflush(stdout) != 0) die("cannot write the result: %s", strerror(errno));
  return 0;
}
