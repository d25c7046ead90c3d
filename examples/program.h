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

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

/* For the beginning of main. Where a standard stream was closed, the next file
 * would get its number, and what is printed. In its place comes what cannot be
 * written either. */
static inline void hold_standard_streams(void) {
  int fd;
  do fd = open("/dev/null", O_RDONLY);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) close(fd);
}

/* A file takes its name only when it is whole; until then it is
 * NAME.HOST.PID.part, which is removed if the program gives up. A file that is
 * there already is replaced only if it may be written and begins as ours do; it
 * keeps its mode. What is no regular file, such as a pipe, is written as is. */
typedef struct output {
  const char *name;          /* as it was given */
  char target[PATH_MAX];     /* the file's full name, behind links, */
  char part[PATH_MAX + 512]; /* and until then; empty: written as is */
  FILE *f;
} output;

static inline void output_failed(const output *out) {
  die("cannot write %s: %s", out->name, strerror(errno));
}

/* Whether a file is empty or begins with `head`. */
static inline int file_is_ours(const char *name, const char *head) {
  FILE *f = fopen(name, "rb");
  int byte, empty;
  if (f == NULL) return 0;
  byte = fgetc(f);
  empty = feof(f);
  for (; *head != '\0' && byte == *head; ++head) byte = fgetc(f);
  fclose(f);
  return empty || *head == '\0';
}

/* All up to the last slash. */
static inline int folder_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? 0 : (int)(slash - path) + 1;
}

/* Whether a file is the part of a process that is gone, or that has given its
 * number to this one. */
static inline int is_stale(const char *file, const char *stem) {
  char *end;
  long pid;
  if (strncmp(file, stem, strlen(stem)) != 0) return 0;
  pid = strtol(file + strlen(stem), &end, 10);
  if (pid <= 0 || strcmp(end, ".part") != 0) return 0;
  return pid == getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH);
}

/* What a killed run of this host could not remove: `stem`PID.part. */
static inline void remove_stale_parts(const char *stem, const char *head) {
  const int length = folder_length(stem);
  char path[PATH_MAX + 512];
  struct dirent *file;
  DIR *folder;
  snprintf(path, sizeof path, "%.*s", length, stem);
  folder = opendir(path);
  if (folder == NULL) return;
  while ((file = readdir(folder)) != NULL)
    if (is_stale(file->d_name, stem + length)) {
      snprintf(path + length, sizeof path - (size_t)length, "%s", file->d_name);
      if (file_is_ours(path, head)) remove(path);
    }
  closedir(folder);
}

/* Whether a name stands for something else, such as /dev/stdout for any file,
 * which is written through and not replaced. */
static inline int is_device(const char *name) {
  if (strncmp(name, "/dev/shm/", 9) == 0) return 0; /* a disk in memory */
  return strncmp(name, "/dev/", 5) == 0 || strncmp(name, "/proc/", 6) == 0;
}

/* The one name that a file has however it is called, so that a link's file is
 * replaced and not the link. What is not there yet is in its folder. */
static inline void find_target(output *out) {
  const int length = folder_length(out->name);
  char folder[PATH_MAX] = ".";
  struct stat info;
  size_t used;
  if (strlen(out->name) >= PATH_MAX) die("the name %s is too long", out->name);
  if (lstat(out->name, &info) == 0) {
    if (realpath(out->name, out->target) != NULL) return;
    if (errno == ENOENT) die("%s is a link to nothing", out->name);
    output_failed(out);
  }
  if (length > 0) snprintf(folder, sizeof folder, "%.*s", length, out->name);
  if (realpath(folder, out->target) == NULL) output_failed(out);
  used = strlen(out->target);
  if (used + 1 + strlen(out->name + length) >= PATH_MAX)
    die("the name %s is too long", out->name);
  snprintf(out->target + used, PATH_MAX - used, "/%s", out->name + length);
}

/* The part beside the target. A process of another host, with which the disk
 * may be shared, can be alive though its number means nothing here: hence the
 * host in the name. */
static inline int open_part(output *out, const char *head) {
  char host[256] = "";
  size_t used;
  int fd;
  gethostname(host, sizeof host - 1);
  snprintf(out->part, sizeof out->part, "%s.%s.", out->target, host);
  remove_stale_parts(out->part, head);
  used = strlen(out->part);
  snprintf(out->part + used, sizeof out->part - used, "%ld.part",
           (long)getpid());
  fd = open(out->part, O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (fd < 0) out->part[0] = '\0'; /* not ours to remove */
  return fd;
}

static inline void output_open(output *out, const char *name,
                               const char *head) {
  struct stat info;
  const int exists = stat(name, &info) == 0;
  int fd;
  out->name = name;
  out->target[0] = out->part[0] = '\0';
  if (is_device(name) || (exists && !S_ISREG(info.st_mode))) {
    out->f = fopen(name, "wb");
    if (out->f == NULL) output_failed(out);
    return;
  }
  find_target(out);
  if (exists && access(name, R_OK | W_OK) != 0) output_failed(out);
  if (exists && !file_is_ours(name, head))
    die("%s is there and this program did not write it; give another name",
        name);
  fd = open_part(out, head);
  if (fd < 0 || (exists && fchmod(fd, info.st_mode & 07777) != 0))
    output_failed(out);
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
static inline void sync_folder_of(const char *path) {
  char folder[PATH_MAX];
  int fd;
  snprintf(folder, sizeof folder, "%.*s", folder_length(path), path);
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
  if (rename(out->part, out->target) != 0) output_failed(out);
  out->part[0] = '\0';
  sync_folder_of(out->target);
}

#endif /* PROGRAM_H */
