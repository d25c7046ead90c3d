/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * fuzz.h - what the libFuzzer targets share: a check that aborts with a line,
 * and the input, byte by byte.
 */
#ifndef SSTE_FUZZ_H
#define SSTE_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                               \
  do {                                                                 \
    if (!(condition)) {                                                \
      fprintf(stderr, "%s:%d: not true that %s\n", __FILE__, __LINE__, \
              #condition);                                             \
      abort();                                                         \
    }                                                                  \
  } while (0)

typedef struct input {
  const uint8_t *data;
  size_t left;
} input;

/* Zeros when there are no more. */
static inline unsigned take(input *in) {
  if (in->left == 0) return 0;
  --in->left;
  return *in->data++;
}

#endif /* SSTE_FUZZ_H */
