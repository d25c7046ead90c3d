/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * libsste.c - the headers as a shared object, for languages that call C. Every
 * public function of the headers is exported under its own name; what is added
 * here tells a caller whether the two belong together, and runs over arrays
 * what the headers offer for one number.                                    */
#define SSTE_API
#include "sste_check.h"
#include "sste_mma.h"
#include "sste_train.h"

#ifdef _OPENMP
#include <omp.h>
#endif

const char *sste_library_version(void);
size_t sste_library_report_bytes(void);
void sste_library_serial(void);
void sste_library_convert(void *out, size_t out_bytes, sste_fp8_format to,
                          sste_fp8_rule rule, const void *in, size_t in_bytes,
                          sste_fp8_format from, const uint32_t *random,
                          size_t n);
void sste_library_boundaries(void *out, size_t out_bytes, sste_fp8_format to,
                             sste_fp8_format from, size_t n);
void sste_library_mvue_words(uint32_t *word, const float *a, size_t groups,
                             size_t words);
void sste_library_mvue_draws(float *out, const float *a, const uint32_t *word,
                             size_t groups, size_t words, int n, int m);
void sste_library_mvue_probs(double *p, const float *a, size_t groups, int n,
                             int m, int approximate);
void sste_library_mvue_pair_probs(double *pair, const float *a, size_t groups,
                                  int n, int m);
void sste_library_mvue_variances(double *variance, const float *a,
                                 size_t groups, int n, int m, int approximate);
void sste_library_mvue_second_moments(double *moment, const float *a,
                                      size_t groups, int n, int m);

/* sste_library_version - SSTE_VERSION of the headers this was built from.   */
const char *sste_library_version(void) { return SSTE_VERSION; }

/* sste_library_report_bytes - how large a report is, to check a copy of it.  */
size_t sste_library_report_bytes(void) { return sizeof(sste_check_report); }

/* sste_library_serial - from now on this thread alone computes. For a child
 * that was forked: the parent's other threads do not exist there, and gcc's
 * OpenMP would wait for them.                                               */
void sste_library_serial(void) {
#ifdef _OPENMP
  omp_set_num_threads(1);
#endif
}

/* Element i of an array of 1, 2, 4 or 8 bytes each. */
static uint64_t load(const void *p, size_t bytes, size_t i) {
  switch (bytes) {
    case 1: return ((const uint8_t *)p)[i];
    case 2: return ((const uint16_t *)p)[i];
    case 4: return ((const uint32_t *)p)[i];
    default: return ((const uint64_t *)p)[i];
  }
}

static void store(void *p, size_t bytes, size_t i, uint64_t code) {
  switch (bytes) {
    case 1: ((uint8_t *)p)[i] = (uint8_t)code; break;
    case 2: ((uint16_t *)p)[i] = (uint16_t)code; break;
    case 4: ((uint32_t *)p)[i] = (uint32_t)code; break;
    default: ((uint64_t *)p)[i] = code;
  }
}

/* sste_library_convert - sste_fp8_convert of n codes.
 *   out, in   n elements of 1, 2, 4 or 8 bytes, as their formats are wide; no
 *             overlap
 *   random    n words for a stochastic rule; null counts as zeros           */
void sste_library_convert(void *out, size_t out_bytes, sste_fp8_format to,
                          sste_fp8_rule rule, const void *in, size_t in_bytes,
                          sste_fp8_format from, const uint32_t *random,
                          size_t n) {
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)n; ++i)
    store(out, out_bytes, (size_t)i,
          sste_fp8_convert(to, rule, from, load(in, in_bytes, (size_t)i),
                           random == NULL ? 0 : random[i]));
}

/* sste_library_boundaries - the first n of sste_check_boundary.
 *   out       receives n elements of 1, 2, 4 or 8 bytes, as `from` is wide  */
void sste_library_boundaries(void *out, size_t out_bytes, sste_fp8_format to,
                             sste_fp8_format from, size_t n) {
  size_t i;
  for (i = 0; i < n; ++i)
    store(out, out_bytes, i, sste_check_boundary(to, from, i));
}

/* sste_library_mvue_words - the first sste_check_mvue_word of groups of four.
 *   word      receives groups x words                                       */
void sste_library_mvue_words(uint32_t *word, const float *a, size_t groups,
                             size_t words) {
  size_t i;
  for (i = 0; i < groups * words; ++i)
    word[i] = sste_check_mvue_word(a + 4 * (i / words), (int)(i % words));
}

/* sste_library_mvue_draws - every group of m drawn by each of its words.
 *   out       receives groups x words x m floats
 *   word      groups x words                                                */
void sste_library_mvue_draws(float *out, const float *a, const uint32_t *word,
                             size_t groups, size_t words, int n, int m) {
  const size_t size = (size_t)m;
  ptrdiff_t i;
  SSTE_OMP(parallel for schedule(static))
  for (i = 0; i < (ptrdiff_t)(groups * words); ++i) {
    const size_t at = (size_t)i;
    if (n == 2 && m == 4)
      sste_mvue24_group_draw(out + size * at, a + size * (at / words),
                             word[at]);
    else
      sste_mvue_group_draw(out + size * at, a + size * (at / words), n, m,
                           word[at]);
  }
}

/* sste_library_mvue_probs - what the elements of each group survive with.
 *   p         receives groups x m doubles
 *   approximate  1: by the two draws of the paper; n is 2 and m 4           */
void sste_library_mvue_probs(double *p, const float *a, size_t groups, int n,
                             int m, int approximate) {
  const size_t size = (size_t)m;
  size_t g;
  for (g = 0; g < groups; ++g)
    if (approximate)
      sste_mvue24_group_prob_approx(p + size * g, a + size * g);
    else
      sste_mvue_group_prob(p + size * g, a + size * g, n, m);
}

/* sste_library_mvue_pair_probs - the same of pairs.
 *   pair      receives groups x m x m doubles                               */
void sste_library_mvue_pair_probs(double *pair, const float *a, size_t groups,
                                  int n, int m) {
  const size_t size = (size_t)m;
  size_t g;
  for (g = 0; g < groups; ++g)
    sste_mvue_group_pair_prob(pair + size * size * g, a + size * g, n, m);
}

/* sste_library_mvue_variances - the total variance of each group's sample. */
void sste_library_mvue_variances(double *variance, const float *a,
                                 size_t groups, int n, int m, int approximate) {
  const size_t size = (size_t)m;
  size_t g;
  for (g = 0; g < groups; ++g)
    variance[g] = approximate ? sste_mvue24_group_variance_approx(a + size * g)
                              : sste_mvue_group_variance(a + size * g, n, m);
}

/* sste_library_mvue_second_moments - the mean square of each group's sample. */
void sste_library_mvue_second_moments(double *moment, const float *a,
                                      size_t groups, int n, int m) {
  const size_t size = (size_t)m;
  size_t g;
  for (g = 0; g < groups; ++g)
    moment[g] = sste_mvue_group_second_moment(a + size * g, n, m);
}
