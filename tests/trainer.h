/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * trainer.h - training runs in the hands of a test: everything of pretrain.c
 * but its main, and runs that are set up by its own options.
 */
#ifndef SSTE_TRAINER_H
#define SSTE_TRAINER_H

#define _XOPEN_SOURCE 700 /* as pretrain.c, before the first header */
#include "test.h"

#define main pretrain_main
#include "../examples/pretrain.c"
#undef main

/* Options as they are written on the command line. Those that a method has no
 * use for do nothing. */
static inline options options_of(const char *line) {
  char words[512], *argv[64] = {(char *)"pretrain"};
  int argc = 1;
  char *word;
  snprintf(words, sizeof words, "%s", line);
  for (word = strtok(words, " "); word != NULL; word = strtok(NULL, " "))
    argv[argc++] = word;
  return parse(argc, argv);
}

/* One run with all it points to. */
typedef struct trainer {
  options o;
  text t;
  unsigned char bytes[1000];
  run r;
  void *memory;
} trainer;

/* Few letters, so that they repeat; the last 100 bytes are held out. */
static inline void trainer_text(trainer *x) {
  uint64_t rng = 1;
  size_t i;
  for (i = 0; i < sizeof x->bytes; ++i)
    x->bytes[i] = (unsigned char)(test_random(&rng) % 6 * 51);
  x->t.bytes = x->bytes;
  x->t.train = 900;
  x->t.valid = 100;
}

/* Training starts at INITIAL weights; from WILD ones every path of the model
 * counts, and COARSE ones, of few magnitudes, leave masks to the rules of
 * ties. */
typedef enum start { INITIAL, WILD, COARSE } start;

/* A run before its first step, as run_open has it. */
static inline trainer *trainer_from(start from, uint64_t seed,
                                    const char *shape, const char *how) {
  trainer *x = (trainer *)calloc(1, sizeof *x);
  run *r = &x->r;
  arena a = {NULL, 0};
  char line[512];
  uint64_t rng = seed;
  size_t i;
  snprintf(line, sizeof line, "%s %s", shape, how);
  x->o = options_of(line);
  trainer_text(x);
  r->o = &x->o;
  r->t = &x->t;
  run_layout(r, &a);
  x->memory = calloc(1, a.used);
  a.block = (char *)x->memory;
  a.used = 0;
  run_layout(r, &a);
  gpt_init_weights(&r->model.w, &r->model.config);
  for (i = 0; from != INITIAL && i < r->model.w.count; ++i) {
    const double w = 0.3 * test_normal(&rng) + (i < r->model.w.gains);
    r->model.w.all[i] = (float)(from == COARSE ? rint(8.0 * w) / 8.0 : w);
  }
  gpt_init_ffn(&r->model);
  r->watch.window = STEP_WINDOW;
  r->watch.earliest = (size_t)x->o.steps / 10;
  r->watch.latest = (size_t)x->o.steps / 2;
  r->watch.eps = 1e-8;
  if (x->o.probe_every > 0)
    draw_contexts(r->o, r->t, GPT_PROBES, 0, (size_t)x->o.micro, r->probe.in,
                  r->probe.next);
  must(gpt_refresh(&r->model, 0), "the first weights of the FFN");
  flip_rate(r);
  return x;
}

static inline trainer *trainer_new(const char *shape, const char *how) {
  return trainer_from(WILD, test_seed(), shape, how);
}

static inline void trainer_free(trainer *x) {
  free(x->memory);
  free(x);
}

#endif /* SSTE_TRAINER_H */
