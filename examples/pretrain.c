/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * pretrain.c - pre-trains the GPT of gpt.h on a file, dense or 2:4 sparse, by
 * S-STE or a method it is compared with, alone or on several machines.
 *
 *     for each step
 *       for each micro-batch: forward, backward    shared out among ranks
 *       sum the gradients in a fixed tree          ranks.h
 *       clip, decay pruned weights, AdamW          on the dense weights
 *       refresh masks and beta                     gpt.h
 *       measure
 *
 * The same seed gives the same weights and measures to the last bit for any
 * number of threads and ranks, and whether or not the run was interrupted.
 *
 *   1. Options        3. A batch's gradient   5. Measures
 *   2. The text       4. Optimiser            6. Checkpoints and the CSV
 *                                             7. Training
 *
 * Letters: C width, T context. Steps count from 1 where they are printed and in
 * what is drawn at random, and from 0 in the schedule and for sste_train.h. */
#define _DEFAULT_SOURCE /* for the terminal's width */
#define _XOPEN_SOURCE 700
#define PROGRAM "pretrain"

#include <glob.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "gpt.h"
#include "probe.h"
#include "program.h"
#include "ranks.h"

/* ---- 1. Options ---------------------------------------------------------- */

enum { DENSE, S_STE, STE, SR_STE, MASKED_DECAY, T_SR_STE, STEP };
static const char *const method_names[] = {
    "dense",        "s-ste",    "ste",  "sr-ste",
    "masked-decay", "t-sr-ste", "step", NULL};

/* The first three are numbered as sste_beta_rule. */
enum { BETA_EVERY_STEP = SSTE_BETA_ONE + 1 };
static const char *const beta_names[] = {"min-mse", "equal-l1", "one",
                                         "every-step", NULL};
static const char *const switch_names[] = {"off", "on", NULL};
/* As sste_mvue_use. */
static const char *const mvue_names[] = {"off", "optimal", "approximate", NULL};
static const char *const format_names[] = {"e4m3fn", "e3m4", "e3m4fn", "e5m2",
                                           NULL};
static const char *const rounding_names[] = {"nearest", "stochastic", NULL};

enum { NOT_GIVEN = -1 };
typedef struct options {
  const char *text, *csv, *checkpoint, *resume;
  long method, beta, fp8, forward_format, backward_format, mvue, rounding;
  long steps, seed, layers, heads, width, context, batch, micro;
  long probe_every, save_every, sample;
  double lr, decay, gamma;
  unsigned long given; /* a bit per option of the command line */
} options;

static const char usage[] =
    "usage: pretrain [FILE] [options]\n"
    "\n"
    "Pre-trains a byte-level GPT on FILE (any file; the last tenth is held\n"
    "out for validation), or on this project's own text if no FILE is given.\n"
    "\n"
    "How the FFN is trained:\n"
    "  --method M            one of                             (s-ste)\n"
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
    "                        they act over 100000 steps, and nothing shows\n"
    "                        in 5000 below 0.1)\n"
    "  --beta B              s-ste: the scale by min-mse, equal-l1 or one,\n"
    "                        once, or by min-mse at every-step  (min-mse)\n"
    "  --gamma X             s-ste: the threshold, 0 for the paper's, up to\n"
    "                        1, which leaves one weight of four (0)\n"
    "  --fp8 on|off          sparse: products in FP8            (on)\n"
    "  --forward-format F    of FP8, forward: e4m3fn, e3m4, e3m4fn or e5m2;\n"
    "                        the paper's E3M4 is one of two     (e4m3fn)\n"
    "  --backward-format F   the same, backward                 (e5m2)\n"
    "  --mvue M              sparse: 2:4 output gradient by the optimal or\n"
    "                        the approximate MVUE, or off       (optimal)\n"
    "  --rounding R          of the sampled gradient to FP8: nearest or\n"
    "                        stochastic                         (nearest)\n"
    "\n"
    "The run and the model:\n"
    "  --steps N             optimiser steps                    (2400)\n"
    "  --lr X                peak learning rate                 (0.002)\n"
    "  --seed N              weights, batches and draws         (1)\n"
    "  --layers N            blocks                             (4)\n"
    "  --heads N             attention heads                    (4)\n"
    "  --width N             model width                        (128)\n"
    "  --context N           bytes of context                   (64)\n"
    "  --batch N             contexts per step                  (8)\n"
    "  --micro N             contexts per micro-batch: what has a scale and\n"
    "                        samples of its own, and what ranks share (2)\n"
    "\n"
    "What it writes:\n"
    "  --csv FILE            every step's measures\n"
    "  --probe-every N       every so many steps, how far the loss of a fixed\n"
    "                        batch falls and how far it should: on the CSV\n"
    "                        (0, never)\n"
    "  --checkpoint FILE     the model and all it takes to go on, when done,\n"
    "                        on Ctrl-C and          (pretrain-METHOD.ckpt)\n"
    "  --save-every N        every so many steps    (a tenth of the steps)\n"
    "  --resume FILE         go on from a checkpoint, with its options\n"
    "  --sample N            bytes of text to write at the end  (0)\n"
    "  --help                this text\n"
    "\n"
    "The width must be a multiple of 4 and of the heads, micro x context a\n"
    "multiple of 4, the batch of the micro-batch, and FILE ten times as long\n"
    "as a context and a byte. Losses and validation are in bits per byte, and\n"
    "what --probe-every adds (before, after, frozen, predicted and\n"
    "predicted_map, see examples/probe.h) in nats. The flip rate is the share\n"
    "of FFN mask entries that a step changes: of the mask by magnitude, which\n"
    "is virtual where a method uses none, or another.\n"
    "OMP_NUM_THREADS sets the threads; no result depends on it, on the number\n"
    "of ranks (make pretrain-mpi), or on interruptions.\n"
    "Exit status: 0 trained, 1 diverged (a loss that is not finite), 2 bad\n"
    "input or a file error; stopped by a signal, with a checkpoint: 128 and\n"
    "its number.\n";

/* What an option takes: one of some words, a whole number, a number above
 * `least`, one from `least` on, a name. */
typedef enum kind { WORD, WHOLE, REAL, SHARE, NAME } kind;

typedef struct option {
  const char *name;
  kind takes;
  size_t at;                /* of a long, a double or a char * in options */
  const char *const *words; /* ends in NULL */
  double least, most;
  int defines; /* the run, so that a checkpoint has it */
} option;

#define AT(field) offsetof(options, field)
static const option all_options[] = {
    {"--method", WORD, AT(method), method_names, 0, 0, 1},
    {"--decay", REAL, AT(decay), NULL, 0, 1e6, 1},
    {"--beta", WORD, AT(beta), beta_names, 0, 0, 1},
    {"--gamma", SHARE, AT(gamma), NULL, 0, 1, 1},
    {"--fp8", WORD, AT(fp8), switch_names, 0, 0, 1},
    {"--forward-format", WORD, AT(forward_format), format_names, 0, 0, 1},
    {"--backward-format", WORD, AT(backward_format), format_names, 0, 0, 1},
    {"--mvue", WORD, AT(mvue), mvue_names, 0, 0, 1},
    {"--rounding", WORD, AT(rounding), rounding_names, 0, 0, 1},
    {"--steps", WHOLE, AT(steps), NULL, 1, 1e9, 1},
    {"--lr", REAL, AT(lr), NULL, 0, 1e6, 1},
    {"--seed", WHOLE, AT(seed), NULL, 0, 1e9, 1},
    {"--layers", WHOLE, AT(layers), NULL, 1, GPT_MOST_LAYERS, 1},
    {"--heads", WHOLE, AT(heads), NULL, 1, 256, 1},
    {"--width", WHOLE, AT(width), NULL, 4, 16384, 1},
    {"--context", WHOLE, AT(context), NULL, 1, 16384, 1},
    {"--batch", WHOLE, AT(batch), NULL, 1, 65536, 1},
    {"--micro", WHOLE, AT(micro), NULL, 1, 65536, 1},
    {"--probe-every", WHOLE, AT(probe_every), NULL, 0, 1e9, 1},
    {"--save-every", WHOLE, AT(save_every), NULL, 1, 1e9, 0},
    {"--sample", WHOLE, AT(sample), NULL, 0, 1e6, 0},
    {"--csv", NAME, AT(csv), NULL, 0, 0, 0},
    {"--checkpoint", NAME, AT(checkpoint), NULL, 0, 0, 0},
    {"--resume", NAME, AT(resume), NULL, 0, 0, 0},
};
#undef AT
enum { OPTIONS = sizeof all_options / sizeof all_options[0] };

static long *whole_at(options *o, const option *x) {
  return (long *)(void *)((char *)o + x->at);
}
static double *real_at(options *o, const option *x) {
  return (double *)(void *)((char *)o + x->at);
}
static const char **name_at(options *o, const option *x) {
  return (const char **)(void *)((char *)o + x->at);
}

static long read_whole(const option *x, const char *text) {
  char *end;
  long value;
  errno = 0;
  value = strtol(text, &end, 10);
  if (end == text || *end != '\0')
    die("%s wants a whole number, not '%s'", x->name, text);
  if (errno != 0 || (double)value < x->least || (double)value > x->most)
    die("%s is %s, but it must lie between %.0f and %.0f", x->name, text,
        x->least, x->most);
  return value;
}

static double read_real(const option *x, const char *text) {
  char *end;
  const double value = strtod(text, &end);
  const int fits =
      x->takes == SHARE ? value >= x->least : (float)value > x->least;
  if (end == text || *end != '\0' || !fits || value > x->most)
    die("%s wants a number %s %g and up to %.0f, not '%s'", x->name,
        x->takes == SHARE ? "from" : "above", x->least, x->most, text);
  return value;
}

static long read_word(const option *x, const char *text) {
  char all[128] = "";
  int i;
  for (i = 0; x->words[i] != NULL; ++i) {
    if (strcmp(text, x->words[i]) == 0) return i;
    if (i > 0) strcat(all, " or ");
    strcat(all, x->words[i]);
  }
  die("%s is '%s', but it must be %s", x->name, text, all);
  return 0;
}

/* Null if there is no such option. */
static const option *find_option(const char *name) {
  int i;
  for (i = 0; i < OPTIONS; ++i)
    if (strcmp(name, all_options[i].name) == 0) return &all_options[i];
  return NULL;
}

static void set_option(options *o, const option *x, const char *value) {
  if (value == NULL || *value == '\0') die("%s wants a value", x->name);
  switch (x->takes) {
    case WORD: *whole_at(o, x) = read_word(x, value); break;
    case WHOLE: *whole_at(o, x) = read_whole(x, value); break;
    case REAL:
    case SHARE: *real_at(o, x) = read_real(x, value); break;
    case NAME: *name_at(o, x) = value; break;
  }
}

/* The value of an option as set_option reads it; empty if it is not given. */
static const char *option_text(const options *given, const option *x) {
  static char text[64];
  options o = *given;
  text[0] = '\0';
  switch (x->takes) {
    case WORD:
      if (*whole_at(&o, x) != NOT_GIVEN)
        strcpy(text, x->words[*whole_at(&o, x)]);
      break;
    case WHOLE: sprintf(text, "%ld", *whole_at(&o, x)); break;
    case REAL:
    case SHARE:
      if (*real_at(&o, x) != NOT_GIVEN) sprintf(text, "%.17g", *real_at(&o, x));
      break;
    case NAME: break;
  }
  return text;
}

/* The same options, with what a method has where none is given. */
static options with_defaults(options o) {
  if (o.beta == NOT_GIVEN) o.beta = SSTE_BETA_MIN_MSE;
  if (o.gamma == NOT_GIVEN) o.gamma = 0.0;
  if (o.decay == NOT_GIVEN) o.decay = 2e-4;
  return o;
}

/* The method that the options ask for; all else follows from it. */
static sste_method method_of(const options *given) {
  const options all = with_defaults(*given), *o = &all;
  const float decay = (float)o->decay;
  sste_method how = sste_method_dense();
  switch (o->method) {
    case S_STE:
      how = sste_method_s_ste();
      how.beta_every_step = o->beta == BETA_EVERY_STEP;
      if (!how.beta_every_step) how.beta = (sste_beta_rule)o->beta;
      how.gamma = (float)o->gamma;
      break;
    case STE: how = sste_method_ste(); break;
    case SR_STE: how = sste_method_sr_ste(decay); break;
    case MASKED_DECAY: how = sste_method_masked_decay(decay); break;
    case T_SR_STE: how = sste_method_t_sr_ste(decay, (size_t)o->steps); break;
    case STEP: how = sste_method_step(SIZE_MAX); break;
  }
  return how;
}

static sste_fp8_format format_of(long name) {
  const sste_fp8_format formats[] = {sste_fp8_e4m3fn(), sste_fp8_e3m4(),
                                     sste_fp8_e3m4fn(), sste_fp8_e5m2()};
  return formats[name];
}

static gpt_config config_of(const options *o) {
  gpt_config c;
  c.layers = (size_t)o->layers;
  c.heads = (size_t)o->heads;
  c.width = (size_t)o->width;
  c.context = (size_t)o->context;
  c.contexts = (size_t)o->micro;
  c.seed = (uint64_t)o->seed;
  c.method = method_of(o);
  c.fp8 = (int)o->fp8;
  c.mvue = (sste_mvue_use)o->mvue;
  c.stochastic = (int)o->rounding;
  c.forward_format = format_of(o->forward_format);
  c.backward_format = format_of(o->backward_format);
  return c;
}

/* Refuses what was given if the method has no use for it. */
static void check_use(const options *o, const char *name, int used,
                      const char *why) {
  const int given = o->given >> (find_option(name) - all_options) & 1;
  if (given && !used)
    die("%s is given, but --method %s %s", name, method_names[o->method], why);
}

static void check_method(const options *o) {
  const sste_method how = method_of(o);
  const int soft = how.weights == SSTE_WEIGHTS_SOFT;
  const int sparse = how.weights != SSTE_WEIGHTS_DENSE;
  const int fp8 = sparse && o->fp8, samples = o->mvue != SSTE_MVUE_OFF;
  check_use(o, "--decay", how.decay != SSTE_DECAY_NONE, "decays nothing");
  check_use(o, "--beta", soft, "has no scale");
  check_use(o, "--gamma", soft, "has no soft threshold");
  check_use(o, "--fp8", sparse, "has no sparse products");
  check_use(o, "--mvue", sparse, "has no sparse products");
  check_use(o, "--forward-format", fp8, "without FP8 has no use for it");
  check_use(o, "--backward-format", fp8, "without FP8 has no use for it");
  check_use(o, "--rounding", fp8 && samples, "has no samples in FP8 to round");
}

/* At least two contexts, and as many tokens as MVUE can group. */
static long default_micro(const options *o) {
  long micro = o->batch < 2 ? 1 : 2;
  while (micro < o->batch && (o->batch % micro != 0 ||  //
                              micro * o->context % 4 != 0))
    ++micro;
  return micro;
}

static void check_shape(const options *o) {
  if (o->width % 4 != 0)
    die("--width is %ld, but groups of four need a multiple of 4", o->width);
  if (o->width % o->heads != 0)
    die("--width %ld does not divide into --heads %ld", o->width, o->heads);
  if (o->batch % o->micro != 0)
    die("--batch %ld does not divide into micro-batches of --micro %ld",
        o->batch, o->micro);
  if (o->micro * o->context % 4 != 0)
    die("--micro x --context is %ld tokens, no multiple of 4",
        o->micro * o->context);
}

static void set_all_options(options *o, int argc, char **argv) {
  int i;
  o->text = NULL;
  for (i = 1; i < argc; ++i) {
    const option *x = find_option(argv[i]);
    if (x != NULL) {
      set_option(o, x, argv[++i]); /* argv ends in NULL */
      o->given |= 1ul << (x - all_options);
    } else if (argv[i][0] == '-') {
      die("unknown option '%s' (see --help)", argv[i]);
    } else {
      if (o->text != NULL)
        die("one FILE at most: '%s', '%s'", o->text, argv[i]);
      o->text = argv[i];
    }
  }
}

/* What follows from other options where it was not given. */
static void fill_in_options(options *o) {
  static char checkpoint[64];
  if (o->micro == NOT_GIVEN) o->micro = default_micro(o);
  if (o->save_every == NOT_GIVEN) o->save_every = (o->steps + 9) / 10;
  if (o->checkpoint == NULL) o->checkpoint = o->resume;
  if (o->checkpoint == NULL) {
    sprintf(checkpoint, "pretrain-%s.ckpt", method_names[o->method]);
    o->checkpoint = checkpoint;
  }
}

/* Refuses to go on with another run than was saved. */
static void check_same_options(const options *o, const options *saved) {
  const options a = with_defaults(*o), b = with_defaults(*saved);
  int i;
  for (i = 0; i < OPTIONS; ++i) {
    const option *x = &all_options[i];
    const char *there;
    char here[64];
    strcpy(here, option_text(&a, x));
    if (!x->defines || strcmp(here, option_text(&b, x)) == 0) continue;
    there = option_text(saved, x);
    die("%s is %s, but %s was made with%s%s", x->name, here, o->resume,
        *there == '\0' ? "out it" : " ", there);
  }
}

static options checkpoint_options(const char *name, options o);

static options parse(int argc, char **argv) {
  options o = {.beta = NOT_GIVEN,
               .decay = NOT_GIVEN,
               .gamma = NOT_GIVEN,
               .micro = NOT_GIVEN,
               .save_every = NOT_GIVEN,
               .method = S_STE,
               .fp8 = 1,
               .mvue = SSTE_MVUE_OPTIMAL,
               .backward_format = 3,
               .steps = 2400,
               .seed = 1,
               .layers = 4,
               .heads = 4,
               .width = 128,
               .context = 64,
               .batch = 8,
               .lr = 2e-3};
  const options defaults = o;
  int i;
  for (i = 1; i < argc; ++i)
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
      if (ranks_rank() == 0) fputs(usage, stdout);
      if (fflush(stdout) != 0)
        die("cannot write the help: %s", strerror(errno));
      exit(0);
    }
  set_all_options(&o, argc, argv);
  if (o.resume != NULL) {
    const options saved = checkpoint_options(o.resume, defaults);
    o = saved; /* and then again what was given here */
    set_all_options(&o, argc, argv);
    check_method(&o);
    check_same_options(&o, &saved);
    o.beta = saved.beta, o.gamma = saved.gamma, o.decay = saved.decay;
  }
  fill_in_options(&o);
  return o;
}

/* ---- 2. The text --------------------------------------------------------- */

typedef struct text {
  unsigned char *bytes;
  size_t train, valid; /* the validation part follows the training part */
  uint64_t hash;
} text;

static void check_text_size(uint64_t bytes, const char *path) {
  if (bytes > (uint64_t)1 << 31) die("%s has more than 2 GiB", path);
}

static void text_add(text *t, const char *path) {
  struct stat info;
  FILE *f;
  size_t size, got;
  if (stat(path, &info) != 0) die("cannot read %s: %s", path, strerror(errno));
  if (S_ISDIR(info.st_mode)) die("%s is a directory, not a file", path);
  check_text_size(S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0, path);
  f = fopen(path, "rb");
  if (f == NULL) die("cannot read %s: %s", path, strerror(errno));
  size = S_ISREG(info.st_mode) ? (size_t)info.st_size + 1 : 1u << 16;
  for (;; size *= 2) {
    t->bytes = (unsigned char *)realloc(t->bytes, t->train + size);
    if (t->bytes == NULL) die("not enough memory for %s", path);
    got = fread(t->bytes + t->train, 1, size, f);
    t->train += got;
    if (ferror(f)) die("cannot read %s: %s", path, strerror(errno));
    check_text_size(t->train, path);
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
  text t = {NULL, 0, 0, 0};
  size_t total;
  if (o->text != NULL)
    text_add(&t, o->text);
  else
    text_of_project(&t);
  total = t.train;
  t.valid = total / 10;
  t.train = total - t.valid;
  t.hash = hash_of(hash_start, t.bytes, total);
  if (t.valid < context + 1)
    die("%s has %zu bytes; a context of %zu needs %zu, a tenth of them held "
        "out",
        o->text != NULL ? o->text : "the project's text", total, context,
        10 * (context + 1));
  return t;
}

/* Contexts from random places of the training part, and what follows each of
 * their bytes. */
static void draw_contexts(const options *o, const text *t, uint32_t use,
                          size_t step, size_t count, unsigned char *in,
                          unsigned char *next) {
  const size_t T = (size_t)o->context, starts = t->train - T;
  const uint64_t seed = (uint64_t)o->seed;
  size_t b;
  for (b = 0; b < count; ++b) {
    const uint64_t word = (uint64_t)gpt_word(seed, use, step, 2 * b) << 32 |
                          gpt_word(seed, use, step, 2 * b + 1);
    const size_t at = (size_t)(word % starts);
    memcpy(in + b * T, t->bytes + at, T);
    memcpy(next + b * T, t->bytes + at + 1, T);
  }
}

/* ---- 3. A batch's gradient ----------------------------------------------- */

/* What a step has measured: a line of the CSV. NaN where nothing was. */
typedef struct measures {
  double train, valid; /* bits per byte */
  double flips, beta;  /* of the FFN */
  probe_result probe;
} measures;

/* Where the time goes that does not go into the model. */
enum { TIME_OPTIMISER, TIME_FLIPS, TIME_FILES, TIME_RANKS, TIMES };
static const char *const time_names[] = {"optimiser", "flips", "files",
                                         "ranks"};

typedef struct run {
  const options *o;
  const text *t;
  gpt model;
  gpt_params g;              /* of a micro-batch, then of the batch */
  float *moment1, *moment2;  /* Adam's */
  float *nodes, *exchange;   /* of the tree, between ranks */
  unsigned char *in, *next;  /* a batch */
  double *losses;            /* per micro-batch */
  sste_step_watch watch;     /* for STEP, */
  float *moment2_before;     /* with moment2 as it was a step ago */
  uint8_t *mask, *last_mask; /* by magnitude, for the flip rate */
  probe probe;
  measures *rows; /* per step */
  long step;      /* steps done */
  double seconds[TIMES];
} run;

static size_t micro_batches(const options *o) {
  return (size_t)(o->batch / o->micro);
}

/* Bits per byte. A loss that is no number is infinite, as NaN says that nothing
 * was measured. */
static double bits_per_byte(double nats) {
  return isnan(nats) ? INFINITY : nats / log(2.0);
}

static measures nothing_measured(void) {
  const measures none = {NAN, NAN, NAN, NAN, {NAN, NAN, NAN, NAN, NAN}};
  return none;
}

/* A line on stderr, by one rank. */
static void say(const char *format, ...) {
  va_list args;
  if (ranks_rank() != 0) return;
  va_start(args, format);
  fprintf(stderr, "%s", line_is_open ? "\n" : "");
  vfprintf(stderr, format, args);
  fprintf(stderr, "\n");
  va_end(args);
  line_is_open = 0;
}

/* The mean loss of a batch in nats, and its gradient in r->g. Ranks share out
 * the micro-batches; the sums are the same however they do. */
static double batch_gradient(run *r, size_t step) {
  const options *o = r->o;
  const size_t M = micro_batches(o), share = M / ranks_count();
  const size_t micro = (size_t)o->micro, T = (size_t)o->context;
  tree sum = tree_new(r->nodes, r->model.w.count);
  double loss = 0.0, start;
  size_t i;
  draw_contexts(o, r->t, GPT_BATCHES, step, (size_t)o->batch, r->in, r->next);
  for (i = share * ranks_rank(); i < share * (ranks_rank() + 1); ++i) {
    const size_t first = i * micro;
    gpt_params_at(&r->g, tree_leaf(&sum), &r->model.config);
    r->losses[i] =
        gpt_forward(&r->model, r->in + first * T, r->next + first * T, micro);
    gpt_backward(&r->model, &r->g, r->in + first * T, micro, step, first);
    tree_add(&sum);
  }
  start = seconds();
  gpt_params_at(&r->g, tree_sum(&sum), &r->model.config);
  ranks_sum(r->g.all, r->exchange, r->model.w.count);
  ranks_gather(r->losses, share);
  r->seconds[TIME_RANKS] += seconds() - start;
  for (i = 0; i < M; ++i) loss += r->losses[i];
  return loss / (double)M;
}

/* ---- 4. Optimiser -------------------------------------------------------- */

/* Linear warm-up over a tenth of the steps, then a cosine to a tenth. */
static double learning_rate(const options *o, long step) {
  const double warm = (double)o->steps / 10.0;
  const double done = ((double)step - warm) / ((double)o->steps - warm);
  if ((double)step < warm) return o->lr * ((double)step + 1.0) / (warm + 1.0);
  return o->lr * (0.1 + 0.45 * (1.0 + cos(3.141592653589793 * done)));
}

/* From the sum over micro-batches to their mean, of norm 1 at most. */
static void clip(gpt_params *g, size_t micro_batches) {
  double square = 0.0, norm;
  float factor;
  ptrdiff_t i;
  must(sste_tensor_norm2(&square, g->all, g->count, 1, g->count), "a norm");
  norm = sqrt(square) / (double)micro_batches;
  factor = (float)(1.0 / (double)micro_batches / (norm > 1.0 ? norm : 1.0));
  SSTE_OMP(parallel for simd schedule(static))
  for (i = 0; i < (ptrdiff_t)g->count; ++i) g->all[i] *= factor;
}

/* What pulls pruned weights of the FFN to zero, if the method does. */
static void decay_pruned(gpt *m, const gpt_params *g, float rate) {
  const sste_method *method = &m->config.method;
  size_t i;
  for (i = 0; i < gpt_ffn_count(&m->config); ++i) {
    const gpt_ffn f = gpt_ffn_at(m, i);
    const size_t K = f.layer->in_features;
    must(sste_method_decay_weight(method, f.layer, f.w, K, rate), "decay");
    must(sste_method_decay_grad(method, f.layer, gpt_ffn_of(g, i), K, f.w, K),
         "decay");
  }
}

/* AdamW (Loshchilov & Hutter 2019, algorithm 2), at step t counted from 1 with
 * the learning rate eta, whose schedule scales the weight decay as well:
 *
 *     m <- beta1 m + (1 - beta1) g          m^ = m / (1 - beta1^t)
 *     v <- beta2 v + (1 - beta2) g^2        v^ = v / (1 - beta2^t)
 *     w <- w - eta (m^ / (sqrt(v^) + eps) + lambda w)
 *
 * with beta1 = 0.9, beta2 = 0.95 and eps = 1e-8; lambda is 0.1 for matrices and
 * 0 for gains. */
typedef struct adamw {
  float rate, fix1, fix2; /* eta, 1 / (1 - beta1^t), 1 / (1 - beta2^t) */
  float decay;            /* lambda */
  int frozen;             /* v stands still */
} adamw;

/* STEP freezes the second moments when weights become sparse. */
static adamw adamw_at(const sste_method *method, double rate, long step) {
  const size_t k = (size_t)step, from = method->sparse_from;
  adamw a;
  a.frozen = method->freeze_second_moment && k >= from;
  a.rate = (float)rate;
  a.fix1 = (float)(1.0 / (1.0 - pow(0.9, (double)k + 1.0)));
  a.fix2 = (float)(1.0 / (1.0 - pow(0.95, a.frozen ? (double)from
                                                   : (double)k + 1.0)));
  a.decay = 0.0f;
  return a;
}

/* On entries first to last - 1. */
static void adamw_update(run *r, adamw a, size_t first, size_t last) {
  float *w = r->model.w.all, *m1 = r->moment1, *m2 = r->moment2;
  const float *g = r->g.all;
  const float keep2 = a.frozen ? 1.0f : 0.95f, new2 = a.frozen ? 0.0f : 0.05f;
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = (ptrdiff_t)first; i < (ptrdiff_t)last; ++i) {
    m1[i] = 0.9f * m1[i] + 0.1f * g[i];
    m2[i] = keep2 * m2[i] + new2 * g[i] * g[i];
    w[i] -= a.rate *
            (m1[i] * a.fix1 / (sqrtf(m2[i] * a.fix2) + 1e-8f) + a.decay * w[i]);
  }
}

/* STEP watches Adam's second moments, over 1 / (1 - 0.95) steps. */
enum { STEP_WINDOW = 20 };

/* Whether the step after this one is to be STEP's first sparse one. */
static void watch_moments(run *r, long step) {
  gpt_config *c = &r->model.config;
  const size_t count = r->model.w.count;
  double change;
  if (c->method.sparse_from != SIZE_MAX || step + 1 >= r->o->steps) return;
  must(sste_tensor_change(&change, r->moment2, count, r->moment2_before, count,
                          1, count),
       "second moments");
  memcpy(r->moment2_before, r->moment2, count * sizeof(float));
  if (!sste_step_switch(&r->watch, change / (double)count)) return;
  c->method.sparse_from = (size_t)step + 1;
  say("sparse from step %ld on", step + 2);
}

static void optimise(run *r, long step) {
  const double rate = learning_rate(r->o, step);
  const size_t gains = r->model.w.gains;
  adamw a = adamw_at(&r->model.config.method, rate, step);
  clip(&r->g, micro_batches(r->o));
  decay_pruned(&r->model, &r->g, a.rate);
  adamw_update(r, a, 0, gains);
  a.decay = 0.1f; /* of matrices */
  adamw_update(r, a, gains, r->model.w.count);
  watch_moments(r, step);
}

/* ---- 5. Measures --------------------------------------------------------- */

/* The share of all FFN mask entries that changed since the last call. The masks
 * are those of magnitude pruning: virtual where a method uses none, or
 * another. */
static double flip_rate(run *r) {
  gpt *m = &r->model;
  const size_t size = gpt_ffn_size(&m->config), D = gpt_ffn_entries(&m->config);
  double rate = 0.0;
  size_t i;
  for (i = 0; i < gpt_ffn_count(&m->config); ++i)
    must(sste_tensor_mask(r->mask + i * size, 4, gpt_ffn_at(m, i).w, 4,
                          size / 4, 4, SSTE_TIE_LOWER),
         "a mask");
  must(sste_mask_flip_rate(&rate, NULL, r->mask, D, r->last_mask, D, 1, D),
       "flips");
  memcpy(r->last_mask, r->mask, D);
  return rate;
}

/* Steps from one validation to the next, and those that mean_flips averages. */
static long tenth_of_steps(const options *o) {
  return o->steps < 10 ? 1 : o->steps / 10;
}

/* The mean flip rate of the last tenth of the steps, or of all so far. */
static double mean_flips(const run *r) {
  const long tenth = tenth_of_steps(r->o);
  const long count = r->step < tenth ? r->step : tenth;
  double sum = 0.0;
  long i;
  for (i = 1; i <= count; ++i) sum += r->rows[r->step - i].flips;
  return sum / (double)count;
}

/* The mean scale of the FFN's weights. */
static double mean_beta(gpt *m) {
  const size_t count = gpt_ffn_count(&m->config);
  double sum = 0.0;
  size_t i;
  for (i = 0; i < count; ++i) {
    const sste_linear *layer = gpt_ffn_at(m, i).layer;
    sum += layer->weights == SSTE_WEIGHTS_SOFT ? (double)layer->beta : 1.0;
  }
  return sum / (double)count;
}

/* The share of FFN weights that the forward product does not see. */
static double ffn_zeros(gpt *m) {
  size_t i, zeros = 0;
  for (i = 0; i < gpt_ffn_count(&m->config); ++i) {
    const gpt_ffn f = gpt_ffn_at(m, i);
    sste_report report = {0};
    if (f.layer->weights == SSTE_WEIGHTS_DENSE) continue;
    must(sste_linear_report(&report, f.layer, f.w, f.layer->in_features,
                            m->room.p, m->room.bytes),
         "zeros");
    zeros += report.zeros;
  }
  return (double)zeros / (double)gpt_ffn_entries(&m->config);
}

/* Validation loss in bits per byte, with the weights as the products see them,
 * over at most `limit` contexts spread evenly over the held-out part. Ranks
 * share out groups of contexts; the sum is in their order. */
static double validate(run *r, size_t limit) {
  const size_t T = (size_t)r->o->context, B = (size_t)r->o->micro;
  const size_t all = (r->t->valid - 1) / T, count = all < limit ? all : limit;
  const size_t groups = (count + B - 1) / B;
  const size_t share = (groups + ranks_count() - 1) / ranks_count();
  double *loss = (double *)calloc(share * ranks_count(), sizeof *loss);
  double sum = 0.0;
  size_t g, i;
  if (loss == NULL) die("not enough memory to validate");
  for (g = share * ranks_rank(); g < share * (ranks_rank() + 1); ++g) {
    const size_t first = g * B, last = first + B < count ? first + B : count;
    for (i = first; i < last; ++i) {
      const unsigned char *from =
          r->t->bytes + r->t->train + i * all / count * T;
      memcpy(r->in + (i - first) * T, from, T);
      memcpy(r->next + (i - first) * T, from + 1, T);
    }
    if (first < last)
      loss[g] = gpt_forward(&r->model, r->in, r->next, last - first) *
                (double)(last - first);
  }
  ranks_gather(loss, share);
  for (g = 0; g < groups; ++g) sum += loss[g];
  free(loss);
  return bits_per_byte(sum / (double)count);
}

/* ---- 6. Checkpoints and the CSV ------------------------------------------ */

/* A checkpoint is text for people and numbers for the program:
 *
 *     sste-gpt 2
 *     --method s-ste            each option that defines the run
 *     ...
 *     text BYTES HASH           of the whole file that is trained on
 *     step N                    done
 *     (an empty line)
 *
 * and then, as this machine stores them: STEP's switch and watch, the FFN's
 * betas, weights and both moments in the order of gpt_params, masks if the
 * method has any, the measures of every step, and the hash of all before it. */
static const char magic[] = "sste-gpt ";
enum { VERSION = 2 };

static const char csv_head[] =
    "step,train_bpb,lr,flip_rate,val_bpb,beta,before,after,frozen,predicted,"
    "predicted_map\n";

static output csv_file, checkpoint_file;
static uint64_t file_hash;

static void drop_files(void) {
  output_drop(&csv_file);
  output_drop(&checkpoint_file);
}

static void put(void *p, size_t bytes) {
  file_hash = hash_of(file_hash, p, bytes);
  if (fwrite(p, 1, bytes, checkpoint_file.f) != bytes)
    output_failed(&checkpoint_file);
}

static void put_line(const char *format, ...) {
  char line[256];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  put(line, strlen(line));
}

/* Everything of a run that is neither an option nor follows from the rest, in
 * the order of the file, by put or by take. */
static void each_number(run *r, void (*move)(void *, size_t)) {
  gpt *m = &r->model;
  const size_t floats = m->w.count * sizeof(float);
  size_t i;
  move(&m->config.method.sparse_from, sizeof m->config.method.sparse_from);
  move(&r->watch.seen, sizeof r->watch.seen);
  move(r->watch.history, STEP_WINDOW * sizeof *r->watch.history);
  for (i = 0; i < gpt_ffn_count(&m->config); ++i)
    move(&gpt_ffn_at(m, i).layer->beta, sizeof(float));
  move(m->w.all, floats);
  move(r->moment1, floats);
  move(r->moment2, floats);
  if (m->masks != NULL) move(m->masks, gpt_ffn_entries(&m->config));
  move(r->rows, (size_t)r->step * sizeof *r->rows);
}

static void checkpoint_save(run *r) {
  const options *o = r->o;
  const double start = seconds();
  uint64_t hash;
  int i;
  if (!ranks_same(r->model.w.all, r->model.w.count * sizeof(float)))
    die("the ranks' weights have drifted apart; are all of one build, on "
        "machines of one kind?");
  if (ranks_rank() == 0) {
    output_open(&checkpoint_file, o->checkpoint, magic);
    file_hash = hash_start;
    put_line("%s%d\n", magic, VERSION);
    for (i = 0; i < OPTIONS; ++i)
      if (all_options[i].defines && *option_text(o, &all_options[i]) != '\0')
        put_line("%s %s\n", all_options[i].name,
                 option_text(o, &all_options[i]));
    put_line("text %zu %016llx\n", r->t->train + r->t->valid,
             (unsigned long long)r->t->hash);
    put_line("step %ld\n\n", r->step);
    each_number(r, put);
    hash = file_hash;
    put(&hash, sizeof hash);
    output_close(&checkpoint_file);
  }
  r->seconds[TIME_FILES] += seconds() - start;
}

/* The file that a run is resumed from, read as far as its numbers. */
static struct {
  const char *name;
  FILE *f;
  size_t text_bytes;
  uint64_t text_hash;
  long step;
} resumed;

static void damaged(void) {
  die("%s is no whole checkpoint: it is damaged, or not one of this program",
      resumed.name);
}

static void take(void *p, size_t bytes) {
  if (fread(p, 1, bytes, resumed.f) != bytes) damaged();
}

/* Whether the file ends in the hash of what is before. */
static int is_whole(void) {
  unsigned char block[1 << 16], last[8] = {0};
  uint64_t hash = hash_start, found;
  size_t got, kept = 0;
  while ((got = fread(block + kept, 1, sizeof block - kept, resumed.f)) > 0) {
    got += kept;
    kept = got < 8 ? got : 8; /* may be the hash */
    hash = hash_of(hash, block, got - kept);
    memcpy(last, block + got - kept, kept);
    memcpy(block, last, kept);
  }
  memcpy(&found, last, sizeof found);
  return kept == 8 && !ferror(resumed.f) && hash == found;
}

/* The next line of the text; 0 at its end. */
static int take_line(char *line, size_t size) {
  if (fgets(line, (int)size, resumed.f) == NULL) damaged();
  line[strcspn(line, "\n")] = '\0';
  return *line != '\0';
}

/* Opens it, and refuses what this program did not write, or not all of it. */
static void resumed_open(const char *name) {
  char line[256];
  struct stat info;
  resumed.name = name;
  if (stat(name, &info) == 0 && !S_ISREG(info.st_mode))
    die("cannot read %s: it is no regular file", name);
  resumed.f = fopen(name, "rb");
  if (resumed.f == NULL) die("cannot read %s: %s", name, strerror(errno));
  take_line(line, sizeof line);
  if (strncmp(line, magic, strlen(magic)) != 0 || line[strlen(magic)] == '\0')
    damaged();
  if (atoi(line + strlen(magic)) != VERSION)
    die("%s has version %s, and this program has %d", name,
        line + strlen(magic), VERSION);
  rewind(resumed.f);
  if (!is_whole()) damaged();
  rewind(resumed.f);
  take_line(line, sizeof line);
}

/* The options that a checkpoint was made with, over the defaults. */
static options checkpoint_options(const char *name, options o) {
  char line[256], *value;
  unsigned long long hash;
  resumed_open(name);
  while (take_line(line, sizeof line)) {
    const option *x;
    value = strchr(line, ' ');
    if (value == NULL) damaged();
    *value++ = '\0';
    x = find_option(line);
    if (x != NULL && x->defines)
      set_option(&o, x, value);
    else if (strcmp(line, "step") == 0)
      resumed.step = atol(value);
    else if (sscanf(value, "%zu %llx", &resumed.text_bytes, &hash) == 2)
      resumed.text_hash = hash;
  }
  return o;
}

/* The rest of it. */
static void checkpoint_load(run *r) {
  uint64_t hash;
  if (resumed.text_bytes != r->t->train + r->t->valid ||
      resumed.text_hash != r->t->hash)
    die("%s was made with another FILE, of %zu bytes", resumed.name,
        resumed.text_bytes);
  r->step = resumed.step;
  if (r->step < 0 || r->step > r->o->steps) damaged();
  each_number(r, take);
  take(&hash, sizeof hash);
  if (fgetc(resumed.f) != EOF) damaged();
  fclose(resumed.f);
}

/* The line of one step; what was not measured is left empty. */
static void csv_line(const run *r, long step) {
  const measures *now = &r->rows[step - 1];
  const probe_result *p = &now->probe;
  const double value[] = {now->train,   learning_rate(r->o, step - 1),
                          now->flips,   now->valid,
                          now->beta,    p->before,
                          p->after,     p->frozen,
                          p->predicted, p->predicted_map};
  size_t i;
  if (csv_file.f == NULL) return;
  fprintf(csv_file.f, "%ld", step);
  for (i = 0; i < sizeof value / sizeof *value; ++i)
    fprintf(csv_file.f, isnan(value[i]) ? "," : ",%.12g", value[i]);
  fprintf(csv_file.f, "\n");
  if (fflush(csv_file.f) != 0 || ferror(csv_file.f)) output_failed(&csv_file);
}

/* A checkpoint is a file, or nothing: nobody reads one from a pipe. */
static void check_checkpoint(const char *name) {
  struct stat info;
  const int exists = stat(name, &info) == 0;
  if (strcmp(name, "/dev/null") != 0 &&
      (is_device(name) || (exists && !S_ISREG(info.st_mode))))
    die("--checkpoint is %s, which is no file and not /dev/null", name);
}

/* Refuses to write over FILE, whatever it is called. */
static void check_not_text(const options *o, const char *as, const char *name) {
  struct stat a, b;
  if (o->text != NULL && stat(o->text, &a) == 0 && S_ISREG(a.st_mode) &&
      stat(name, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
    die("FILE and %s are both %s", as, name);
}

/* Before training, so that a name that cannot be written is found at once. */
static void files_open(const run *r) {
  const options *o = r->o;
  long step;
  if (ranks_rank() != 0) return;
  atexit(drop_files);
  signal(SIGPIPE, SIG_IGN); /* a reader that has left is a write error, */
  signal(SIGXFSZ, SIG_IGN); /* and so is a limit on the size of files */
  check_checkpoint(o->checkpoint);
  check_not_text(o, "--checkpoint", o->checkpoint);
  output_open(&checkpoint_file, o->checkpoint, magic);
  output_drop(&checkpoint_file);
  if (o->csv == NULL) return;
  check_not_text(o, "--csv", o->csv);
  output_open(&csv_file, o->csv, csv_head);
  if (csv_file.part[0] != '\0' &&
      strcmp(csv_file.target, checkpoint_file.target) == 0)
    die("--csv and --checkpoint are both %s", o->csv);
  fputs(csv_head, csv_file.f);
  for (step = 1; step <= r->step; ++step) csv_line(r, step);
}

/* ---- 7. Training --------------------------------------------------------- */

/* All memory of a run, as a plan or for real, and what its parts take. */
typedef struct plan {
  size_t weights, model, text, measures, total;
} plan;

static plan run_layout(run *r, arena *a) {
  const options *o = r->o;
  const gpt_config c = config_of(o);
  const size_t count = gpt_count(&c), D = gpt_ffn_entries(&c);
  const size_t n = (size_t)(o->batch * o->context), M = micro_batches(o);
  const int watches = c.method.sparse_from == SIZE_MAX;
  plan p;
  gpt_layout(&r->model, &c, a);
  p.model = a->used - count * sizeof(float);
  r->moment1 = arena_floats(a, count), r->moment2 = arena_floats(a, count);
  r->moment2_before = arena_floats(a, watches ? count : 0);
  r->nodes = (float *)arena_take(a, tree_bytes(M / ranks_count(), count), 1);
  r->exchange = (float *)arena_take(a, ranks_sum_bytes(count), 1);
  p.weights = a->used - p.model;
  r->in = (unsigned char *)arena_take(a, n, 1);
  r->next = (unsigned char *)arena_take(a, n, 1);
  r->losses = (double *)arena_take(a, M, sizeof(double));
  r->watch.history = (double *)arena_take(a, STEP_WINDOW, sizeof(double));
  r->mask = (uint8_t *)arena_take(a, D, 1);
  r->last_mask = (uint8_t *)arena_take(a, D, 1);
  if (o->probe_every > 0) probe_layout(&r->probe, &c, a);
  r->rows = (measures *)arena_take(a, (size_t)o->steps, sizeof *r->rows);
  p.text = r->t->train + r->t->valid;
  p.measures = a->used - p.model - p.weights;
  p.total = a->used + p.text;
  return p;
}

static double megabytes(uint64_t bytes) { return (double)bytes * 1e-6; }

/* The most memory that this process has had. What getrusage knows, where there
 * is no /proc, may be of the process that started this one. */
static size_t peak_bytes(void) {
  FILE *f = fopen("/proc/self/status", "r");
  struct rusage use;
  char line[256];
  size_t kilobytes = 0;
  while (f != NULL && kilobytes == 0 && fgets(line, sizeof line, f) != NULL)
    sscanf(line, "VmHWM: %zu", &kilobytes);
  if (f != NULL) fclose(f);
  if (kilobytes > 0) return kilobytes * 1024;
  getrusage(RUSAGE_SELF, &use);
  return (size_t)use.ru_maxrss * 1024;
}

/* A run before its first step, or where a checkpoint left it. The memory that
 * it will take, `program` bytes of which are taken already, is said before. */
static void run_open(run *r, const options *o, const text *t, size_t program) {
  arena a = {NULL, 0};
  plan p;
  r->o = o;
  r->t = t;
  p = run_layout(r, &a);
  say("%s: %zu weights, %zu bytes to train on, %zu to validate, %ld per step",
      method_names[o->method], r->model.w.count, t->train, t->valid,
      o->batch * o->context);
  say("memory: %.1f MB; weights, gradients and moments %.1f, a micro-batch "
      "%.1f, "
      "measures %.1f, text %.1f, program %.1f",
      megabytes(p.total + program), megabytes(p.weights), megabytes(p.model),
      megabytes(p.measures), megabytes(p.text), megabytes(program));
  arena_open(&a);
  run_layout(r, &a);
  gpt_init_weights(&r->model.w, &r->model.config);
  gpt_init_ffn(&r->model);
  r->watch.window = STEP_WINDOW;
  r->watch.earliest = (size_t)o->steps / 10;
  r->watch.latest = (size_t)o->steps / 2;
  r->watch.eps = 1e-8;
  if (o->probe_every > 0)
    draw_contexts(o, t, GPT_PROBES, 0, (size_t)o->micro, r->probe.in,
                  r->probe.next);
  must(gpt_refresh(&r->model, 0), "the first weights of the FFN");
  if (o->resume != NULL) {
    checkpoint_load(r);
    must(gpt_refresh(&r->model, (size_t)r->step), "the weights of the FFN");
    if (r->moment2_before != NULL)
      memcpy(r->moment2_before, r->moment2, r->model.w.count * sizeof(float));
    say("resumed after step %ld of %ld", r->step, o->steps);
  }
  flip_rate(r); /* the masks to count from */
}

/* Columns of the terminal, or as many as the line wants. */
static int line_width(void) {
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2)
    return 255;
  return size.ws_col - 1;
}

/* The progress line: in place on a terminal, now and then in a log. */
static void progress(const run *r, const measures *now, double spent,
                     long steps_here) {
  static double shown = 0.0;
  const int terminal = isatty(STDERR_FILENO);
  const double time = seconds();
  char line[256];
  size_t used;
  const long left =
      (long)(spent / (double)steps_here * (double)(r->o->steps - r->step) +
             0.5);
  if (ranks_rank() != 0) return;
  if (isnan(now->valid) && time - shown < (terminal ? 0.2 : 30.0)) return;
  shown = time;
  snprintf(line, sizeof line,
           "%s %ld/%ld  train %.4f bits/byte  %.0f tokens/s  left %ld:%02ld  "
           "flips %.1e",
           method_names[r->o->method], r->step, r->o->steps, now->train,
           (double)(r->o->batch * r->o->context * steps_here) / spent,
           left / 60, left % 60, mean_flips(r));
  used = strlen(line);
  if (!isnan(now->valid))
    snprintf(line + used, sizeof line - used, "  valid %.4f", now->valid);
  line_is_open = terminal && isnan(now->valid);
  fprintf(stderr, "%s%.*s", terminal ? "\r\033[K" : "",
          line_is_open ? line_width() : 255, line);
  if (!line_is_open) fprintf(stderr, "\n");
}

/* A diverged model is not worth a checkpoint; the CSV shows what happened. */
static void diverged(const run *r, long step) {
  csv_line(r, step);
  if (csv_file.f != NULL) output_close(&csv_file);
  say("pretrain: the loss diverged at step %ld; lower --lr (or --decay)", step);
  exit(1);
}

static void train_step(run *r) {
  const options *o = r->o;
  const long step = r->step + 1;
  const int probes = o->probe_every > 0 && step % o->probe_every == 0;
  measures *now = &r->rows[step - 1];
  double start;
  *now = nothing_measured();
  now->train = bits_per_byte(batch_gradient(r, (size_t)step));
  if (!isfinite(now->train)) diverged(r, step);
  if (probes) probe_before(&r->probe, &now->probe, &r->model);
  start = seconds();
  optimise(r, step - 1);
  if (gpt_refresh(&r->model, (size_t)step) != SSTE_OK)
    diverged(r, step); /* no scale left */
  r->seconds[TIME_OPTIMISER] += seconds() - start;
  start = seconds();
  now->flips = flip_rate(r);
  now->beta = mean_beta(&r->model);
  r->seconds[TIME_FLIPS] += seconds() - start;
  if (probes) probe_after(&r->probe, &now->probe, &r->model);
  r->step = step;
}

static volatile sig_atomic_t stop_signal = 0;
static void stop(int number) { stop_signal = number; }

/* With `stop`, the first Ctrl-C stops the run after its step, the second at
 * once; with SIG_DFL the first does. A write that waits for a reader goes on
 * waiting. */
static void on_signals(void (*handler)(int)) {
  const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
  struct sigaction action, before;
  size_t i;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = (int)(SA_RESETHAND | SA_RESTART);
  for (i = 0; i < sizeof signals / sizeof *signals; ++i)
    if (sigaction(signals[i], NULL, &before) == 0 &&
        before.sa_handler != SIG_IGN) /* as under nohup */
      sigaction(signals[i], &action, NULL);
}

/* Trains until the last step, or until a signal is there on some rank. */
static void train(run *r) {
  const options *o = r->o;
  const long first = r->step;
  double training = 0.0;
  while (r->step < o->steps) {
    const double start = seconds();
    measures *now;
    int stopped;
    train_step(r);
    training += seconds() - start;
    now = &r->rows[r->step - 1];
    if (r->step == o->steps || r->step % tenth_of_steps(o) == 0) {
      now->valid = validate(r, r->step == o->steps ? (size_t)-1 : 64);
      if (!isfinite(now->valid)) diverged(r, r->step);
    }
    csv_line(r, r->step);
    progress(r, now, training, r->step - first);
    stopped = ranks_any(stop_signal != 0);
    /* The last validation may take long: what comes before it is kept. */
    if (stopped || r->step >= o->steps - 1 || r->step % o->save_every == 0)
      checkpoint_save(r);
    if (!stopped || r->step == o->steps) continue;
    if (csv_file.f != NULL) output_close(&csv_file);
    say("stopped after step %ld of %ld; to go on, the same with --resume %s",
        r->step, o->steps, o->checkpoint);
    exit(128 + (stop_signal != 0 ? (int)stop_signal : SIGTERM));
  }
}

static void print_times(const run *r, double all) {
  double known = 0.0;
  int i;
  for (i = 0; i < GPT_PARTS; ++i) known += r->model.seconds[i];
  for (i = 0; i < TIMES; ++i) known += r->seconds[i];
  if (ranks_rank() != 0) return;
  fprintf(stderr, "time:");
  for (i = 0; i < GPT_PARTS; ++i)
    fprintf(stderr, " %s %.1f %%,", gpt_part_names[i],
            100.0 * r->model.seconds[i] / all);
  for (i = 0; i < TIMES; ++i)
    fprintf(stderr, " %s %.1f %%,", time_names[i], 100.0 * r->seconds[i] / all);
  fprintf(stderr, " other %.1f %%\n", 100.0 * (1.0 - known / all));
  if (ranks_count() > 1)
    fprintf(stderr, "ranks: %zu, each sent %.3f MB per step\n", ranks_count(),
            megabytes(ranks_send_bytes()) / (double)r->o->steps);
}

/* What the model makes of the first held-out bytes: lines that begin with |. */
static void print_sample(run *r) {
  const size_t length = (size_t)r->o->sample, T = (size_t)r->o->context;
  const size_t given = T < 32 ? T : 32;
  unsigned char *bytes = (unsigned char *)calloc(given + length, 1);
  size_t i;
  if (bytes == NULL) die("not enough memory for the sample");
  memcpy(bytes, r->t->bytes + r->t->train, given);
  gpt_continue(&r->model, bytes, given, given + length, 0.8, r->in);
  printf("| ");
  for (i = 0; i < given + length; ++i)
    if (bytes[i] == '\n')
      printf("\n| ");
    else
      putchar(bytes[i] >= 32 && bytes[i] < 127 ? bytes[i] : '?');
  printf("\n");
  free(bytes);
}

static void print_result(run *r, double all) {
  const options *o = r->o;
  if (ranks_rank() != 0) return;
  if (o->sample > 0) print_sample(r);
  printf(
      "result: method %s  valid %.4f bits/byte  zeros %.2f %%  flips %.2e  "
      "seconds %.0f  checkpoint %s\n",
      method_names[o->method], r->rows[o->steps - 1].valid,
      100.0 * ffn_zeros(&r->model), mean_flips(r), all, o->checkpoint);
  if (fflush(stdout) != 0) die("cannot write the result: %s", strerror(errno));
}

/* Ranks that were started with different options, or read different files,
 * would train different models, or wait for each other in vain. */
static void check_ranks_agree(const options *o, const text *t) {
  uint64_t hash = hash_start;
  int i;
  for (i = 0; i < OPTIONS; ++i) {
    const char *value = option_text(o, &all_options[i]);
    hash = hash_of(hash, value, strlen(value) + 1);
  }
  hash = hash_of(hash, &resumed.step, sizeof resumed.step);
  if (!ranks_same(&hash, sizeof hash))
    die("the ranks were started with different options or checkpoints");
  if (!ranks_same(&t->hash, sizeof t->hash))
    die("the ranks read different texts");
}

/* What sste_self_check finds on any thread: each has a rounding mode of its
 * own. */
static int self_check(void) {
  int found = 0;
  SSTE_OMP(parallel reduction(| : found))
  found |= sste_self_check();
  return found;
}

int main(int argc, char **argv) {
  static run r;
  const double start = seconds();
  options o;
  text t;
  size_t program;
  hold_standard_streams();
  ranks_start(&argc, &argv);
  speaks = ranks_fail;
  o = parse(argc, argv);
  check_shape(&o);
  check_method(&o);
  if (self_check() != 0)
    die("this build breaks the numerics contract (sste_self_check: %d)",
        self_check());
  if (!ranks_fit(micro_batches(&o), ranks_count()))
    die("%zu micro-batches do not divide among %zu ranks: each needs as many, "
        "a "
        "power of two",
        micro_batches(&o), ranks_count());
  program = peak_bytes();
  t = text_open(&o);
  check_ranks_agree(&o, &t);
  run_open(&r, &o, &t, program);
  on_signals(stop);
  files_open(&r);
  train(&r);
  print_times(&r, seconds() - start);
  if (csv_file.f != NULL) output_close(&csv_file);
  on_signals(SIG_DFL);
  say("memory: %.1f MB at most", megabytes(peak_bytes()));
  print_result(&r, seconds() - start);
  return 0;
}
