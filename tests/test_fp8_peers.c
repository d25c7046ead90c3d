/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_fp8_peers.c - the rules of sste_fp8_rule_like against the codes that
 * ml_dtypes, PyTorch and ONNX gave, recorded in vectors/fp8_peers.txt.
 * peers.py compares every input where those are installed.
 */
#include <ctype.h>

#include "sste_fp8.h"
#include "test.h"

/* Where the golden vectors are, unless the environment has the same name. */
#ifndef SSTE_TEST_FP8_PEERS
#define SSTE_TEST_FP8_PEERS "tests/vectors/fp8_peers.txt"
#endif

/* ---- The names in the file ----------------------------------------------- */

static const struct {
  const char *name;
  sste_fp8_format (*format)(void);
} formats[] = {
    {"e4m3fn", sste_fp8_e4m3fn},
    {"e5m2", sste_fp8_e5m2},
    {"e4m3", sste_fp8_e4m3},
    {"e3m4", sste_fp8_e3m4},
    {"e4m3fnuz", sste_fp8_e4m3fnuz},
    {"e5m2fnuz", sste_fp8_e5m2fnuz},
    {"e4m3b11fnuz", sste_fp8_e4m3b11fnuz},
    {"e8m0", sste_fp8_e8m0},
    {"float16", sste_fp8_float16},
    {"bfloat16", sste_fp8_bfloat16},
    {"float32", sste_fp8_float32},
    {"float64", sste_fp8_float64},
};

static const struct {
  const char *name;
  int who;
} libraries[] = {
    {"ml_dtypes-0.6.0", SSTE_LIKE_ML_DTYPES_0_6},
    {"torch-2.12.0", SSTE_LIKE_TORCH_2_12},
    {"torch-2.15.0", SSTE_LIKE_TORCH_2_13},
    {"onnx-saturate-1.23.2", SSTE_LIKE_ONNX_25_SATURATE},
    {"onnx-1.23.2", SSTE_LIKE_ONNX_25},
};

enum {
  FORMATS = (int)(sizeof formats / sizeof formats[0]),
  LIBRARIES = (int)(sizeof libraries / sizeof libraries[0])
};

static sste_fp8_format format_named(const char *name) {
  int i;
  for (i = 0; i < FORMATS; ++i)
    if (name != NULL && strcmp(formats[i].name, name) == 0)
      return formats[i].format();
  fail_msg("unknown format %s", name == NULL ? "(none)" : name);
  return sste_fp8_e4m3fn();
}

static int library_named(const char *name) {
  int i;
  for (i = 0; i < LIBRARIES; ++i)
    if (strcmp(libraries[i].name, name) == 0) return i;
  fail_msg("unknown library %s", name);
  return 0;
}

/* ---- Its lines ----------------------------------------------------------- */

/* What the lines are about, and what has been seen of the file. */
typedef struct reading {
  char section[160]; /* its line, for messages */
  sste_fp8_format to, from;
  sste_fp8_rule rule[LIBRARIES];
  int columns, sections;
  long checked[LIBRARIES]; /* codes of each library */
  int library[LIBRARIES];  /* of each column */
  long promised;           /* codes in all; -1: not yet */
} reading;

static void begin_section(reading *r, char *line) {
  const char *word;
  memcpy(r->section, line, strlen(line) + 1);
  (void)strtok(line, " ");
  r->from = format_named(strtok(NULL, " "));
  r->to = format_named(strtok(NULL, " "));
  r->columns = 0;
  ++r->sections;
  while ((word = strtok(NULL, " ")) != NULL) {
    const int library = library_named(word);
    assert_true(r->columns < LIBRARIES);
    r->library[r->columns] = library;
    r->rule[r->columns++] =
        sste_fp8_rule_like(libraries[library].who, r->to, r->from);
  }
  assert_true(r->columns > 0);
}

static uint64_t hexadecimal(const char *word, size_t digits) {
  char *end;
  const uint64_t x = strtoull(word, &end, 16);
  if (strlen(word) != digits || *end != '\0')
    fail_msg("not %u hexadecimal digits: %s", (unsigned)digits, word);
  return x;
}

static void check_codes(reading *r, char *line) {
  const int width = 1 + r->from.exponent_bits + r->from.mantissa_bits;
  const char *input = strtok(line, " ");
  const uint64_t bits = hexadecimal(input, (size_t)width / 4);
  int i;
  for (i = 0; i < r->columns; ++i) {
    const char *word = strtok(NULL, " ");
    uint64_t want, got;
    if (word == NULL) fail_msg("%s: %s: a code is missing", r->section, input);
    want = hexadecimal(word, 2);
    got = sste_fp8_convert(r->to, r->rule[i], r->from, bits, 0);
    if (got != want)
      fail_msg("%s: %s: got %02X, %s gave %02X", r->section, input,
               (unsigned)got, libraries[r->library[i]].name, (unsigned)want);
    ++r->checked[r->library[i]];
  }
  if (strtok(NULL, " ") != NULL)
    fail_msg("%s: %s: a code too many", r->section, input);
}

static void check_line(reading *r, char *line) {
  if (r->promised >= 0) fail_msg("after the end: %s", line);
  if (strncmp(line, "section ", 8) == 0)
    begin_section(r, line);
  else if (strncmp(line, "end ", 4) == 0)
    r->promised = strtol(line + 4, NULL, 10);
  else if (r->columns > 0 && isxdigit((unsigned char)line[0]))
    check_codes(r, line);
  else
    fail_msg("not understood: %s", line);
}

static void recorded_codes_follow_the_rule_of_their_library(void **state) {
  const char *path = getenv("SSTE_TEST_FP8_PEERS");
  char line[sizeof((reading *)NULL)->section];
  reading r;
  FILE *file;
  long checked = 0;
  int i;
  (void)state;
  memset(&r, 0, sizeof r);
  r.promised = -1;
  file = fopen(path != NULL ? path : SSTE_TEST_FP8_PEERS, "r");
  if (file == NULL) fail_msg("cannot open the vectors");
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\r\n")] = '\0';
    if (line[0] != '#') check_line(&r, line);
  }
  fclose(file);
  for (i = 0; i < LIBRARIES; ++i) {
    assert_true(r.checked[i] > 5000);
    checked += r.checked[i];
  }
  assert_int_equal(checked, r.promised);
  assert_int_equal(r.sections, 4 * 8); /* from four formats to eight */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(recorded_codes_follow_the_rule_of_their_library),
  };
  return cmocka_run_group_tests_name("fp8_peers", tests, NULL, NULL);
}
