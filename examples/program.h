/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * program.h - what a program needs around the model: errors of one line,
 * memory whose size is known before it is taken, and files that are whole or
 * not there.
 *
 * Include it after `#define PROGRAM "name"` and, before the first header,
 * `#define _XOPEN_SOURCE 700`.                                              */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sste_train.h"

/* ---- Errors -------------------------------------------------------------- */

/* Whether the cursor stands behind a progress line. */
static int line_is_open = 0;

/* Whether this process is the one to say what is wrong: of several that fail
 * together only one speaks. */
static inline int speaks_alone(void) { return 1; }
static int (*speaks)(void) = speaks_alone;

/* Bad input, or a file that cannot be read or written: one line, status 2. */
static inline void die(const char *format, ...) {
  va_list args;
  fflush(stdout);
  if (speaks()) {
    va_start(args, format);
    fprintf(stderr, "%s" PROGRAM ": ", line_is_open ? "\n" : "");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
  }
  exit(2);
}

static inline void must(sste_status status, const char *what) {
  if (status != SSTE_OK) die("%s: %s", what, sste_status_text(status));
}

static inline double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* FNV-1a, continued from `hash`, which starts as hash_start. */
static const uint64_t hash_start = 0xCBF29CE484222325u;
static inline uint64_t hash_of(uint64_t hash, const void *p, size_t bytes) {
  const unsigned char *byte = (const unsigned char *)p;
  size_t i;
  for (i = 0; i < bytes; ++i) hash = (hash ^ byte[i]) * 0x100000001B3u;
  return hash;
}

/* ---- Memory -------------------------------------------------------------- */

/* One block from which arrays are taken, one behind the other. Without a block
 * the same takings only count, so that a plan and what follows it cannot
 * differ. */
typedef struct arena {
  char *block;
  size_t used;
} arena;

/* count zeros of `size` bytes each, on a cache line of their own. */
static inline void *arena_take(arena *a, size_t count, size_t size) {
  void *p = a->block == NULL ? NULL : a->block + a->used;
  const size_t limit = (size_t)PTRDIFF_MAX / 2 - a->used;
  if (size != 0 && count > limit / size) die("the model is too large");
  a->used += (count * size + 63) / 64 * 64;
  return p;
}
static inline float *arena_floats(arena *a, size_t count) {
  return (float *)arena_take(a, count, sizeof(float));
}

/* The block for what was counted. */
static inline void arena_open(arena *a) {
  void *block = calloc(1, a->used + 64);
  if (block == NULL)
    die("not enough memory: %.1f MB are needed", (double)a->used * 1e-6);
  a->block = (char *)block + (64 - (uintptr_t)block % 64) % 64;
  a->used = 0;
}

/* ---- Files --------------------------------------------------------------- */

/* A file takes its name only when it is whole; until then it is NAME.PID.part,
 * which is removed if the program gives up. A file that is there already is
 * replaced only if it begins as ours do. What is no regular file, such as a
 * pipe, is written as is. */
typedef struct output {
  const char *name;
  char part[4096]; /* empty: written as is */
  FILE *f;
} output;

static inline void output_failed(const output *out) {
  die("cannot write %s: %s", out->name, strerror(errno));
}

/* Whether a file is empty or begins with `head`. */
static inline int file_is_ours(const char *name, const char *head) {
  const size_t length = strlen(head);
  char found[64] = {0};
  FILE *f = fopen(name, "rb");
  size_t got;
  if (f == NULL) die("cannot read %s: %s", name, strerror(errno));
  got = fread(found, 1, length, f);
  fclose(f);
  return got == 0 || (got == length && memcmp(found, head, length) == 0);
}

/* What a killed run could not remove: NAME.PID.part, whose process is gone, or
 * has given its number to this one. */
static inline void remove_stale_parts(const char *name, const char *head) {
  char pattern[4096];
  glob_t found;
  size_t i;
  snprintf(pattern, sizeof pattern, "%s.*.part", name);
  if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
    for (i = 0; i < found.gl_pathc; ++i) {
      const char *part = found.gl_pathv[i];
      char *end;
      long pid;
      if (strncmp(part, name, strlen(name)) != 0) continue; /* it has a * */
      pid = strtol(part + strlen(name) + 1, &end, 10);
      if (pid <= 0 || strcmp(end, ".part") != 0) continue;
      if (pid != getpid() && (kill((pid_t)pid, 0) == 0 || errno != ESRCH))
        continue;
      if (file_is_ours(part, head)) remove(part);
    }
  globfree(&found);
}

/* Whether a name stands for something else, such as /dev/stdout for any file,
 * which is written through and not replaced. */
static inline int is_device(const char *name) {
  return strncmp(name, "/dev/", 5) == 0 || strncmp(name, "/proc/", 6) == 0;
}

/* The name behind a link, so that the file is replaced and not the link. */
static inline const char *output_target(const char *name) {
  struct stat info;
  const char *target = name;
  if (lstat(name, &info) == 0 && S_ISLNK(info.st_mode) && !is_device(name))
    target = realpath(name, NULL);
  if (target == NULL) die("cannot write %s: %s", name, strerror(errno));
  return target;
}

static inline void output_open(output *out, const char *name,
                               const char *head) {
  struct stat info;
  int fd;
  out->name = name = output_target(name);
  out->part[0] = '\0';
  if (is_device(name) || stat(name, &info) == 0) {
    if (is_device(name) || !S_ISREG(info.st_mode)) {
      out->f = fopen(name, "wb");
      if (out->f == NULL) output_failed(out);
      return;
    }
    if (!file_is_ours(name, head))
      die("%s is there and this program did not write it; give another name",
          name);
  }
  if (strlen(name) + 32 > sizeof out->part)
    die("the name %s is too long", name);
  remove_stale_parts(name, head);
  sprintf(out->part, "%s.%ld.part", name, (long)getpid());
  fd = open(out->part, O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (fd < 0) {
    out->part[0] = '\0'; /* not ours to remove */
    output_failed(out);
  }
  out->f = fdopen(fd, "wb");
  if (out->f == NULL) output_failed(out);
}

/* Removes what is not whole; for atexit. */
static inline void output_drop(output *out) {
  if (out->f != NULL) fclose(out->f);
  out->f = NULL;
  if (out->part[0] != '\0') remove(out->part);
  out->part[0] = '\0';
}

/* A new name lasts through a power cut only when its folder is on the disk;
 * where folders cannot be synced, so be it. */
static inline void sync_folder_of(const char *name) {
  char folder[4096] = ".";
  const char *slash = strrchr(name, '/');
  int fd;
  if (slash != NULL)
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - name) + 1, name);
  fd = open(folder, O_RDONLY);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

static inline void output_close(output *out) {
  if (fflush(out->f) != 0 || ferror(out->f)) output_failed(out);
  if (out->part[0] != '\0' && fsync(fileno(out->f)) != 0) output_failed(out);
  if (fclose(out->f) != 0) output_failed(out);
  out->f = NULL;
  if (out->part[0] == '\0') return;
  if (rename(out->part, out->name) != 0) output_failed(out);
  out->part[0] = '\0';
  sync_folder_of(out->name);
}

#endif /* PROGRAM_H */
