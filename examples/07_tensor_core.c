/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * Lesson 7: one instruction of the sparse tensor core by hand. A 2:4 sparse
 * 16 x 32 matrix times a dense 32 x 8 one, from the dense matrix to stored
 * values and metadata, to the registers of 32 lanes, to one sum, to what the
 * hardware cuts off it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sste_mma.h"

enum { M = 16, N = 8, K = 32, KEPT = K / 2, CHUNKS = K / 4 };

static void must(int holds, const char *what) {
  if (holds) return;
  printf("FAILED: %s\n", what);
  exit(1);
}

static uint16_t half(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (uint16_t)sste_fp8_convert(sste_fp8_float16(), sste_fp8_saturating(),
                                    sste_fp8_float64(), bits, 0);
}
static double value(uint32_t code) {
  return (double)sste_fp8_decode(sste_fp8_float16(), code);
}
static double single(uint32_t bits) {
  return (double)sste_fp8_decode(sste_fp8_float32(), bits);
}

/* Two small integers in every four of A, and small integers in B: exact in any
 * order, so that what is wrong is the layout. B is stored by its columns.   */
static uint16_t dense[M * K], columns[N * K];

static void fill(void) {
  int i, k;
  for (i = 0; i < M; ++i)
    for (k = 0; k < K; ++k) {
      const int first = (i + k / 4) % 3; /* of the two, in their chunk */
      const int second = first + 1 + i % (3 - first);
      const int kept = k % 4 == first || k % 4 == second;
      dense[i * K + k] = half(kept ? (i * 7 + k * 5) % 9 - 4 : 0);
    }
  for (i = 0; i < N; ++i)
    for (k = 0; k < K; ++k) columns[i * K + k] = half((i * 5 + k * 3) % 7 - 3);
}

static uint16_t values[M * KEPT];
static uint8_t meta[M * CHUNKS / 2];

/* 1. Compress: two values and a nibble per chunk. */
static void compress(void) {
  int k;
  must(sste_mma_compress(values, KEPT, meta, SSTE_MMA_ROW_MAJOR, dense, K, M, K,
                         SSTE_MMA_F16, SSTE_MMA_LIKE_SSTE, NULL,
                         NULL) == SSTE_OK,
       "A is 2:4 sparse");
  printf("1. Row 0 of A, and what is stored of it\n   dense ");
  for (k = 0; k < K; ++k)
    printf("%s%3.0f", k % 4 == 0 ? " |" : "", value(dense[k]));
  printf(" |\n   kept  ");
  for (k = 0; k < KEPT; ++k)
    printf("%s%3.0f", k % 2 == 0 ? " |      " : "", value(values[k]));
  printf(" |\n   nibble");
  for (k = 0; k < CHUNKS; ++k)
    printf(" |         0x%X", (unsigned)(meta[k / 2] >> (k % 2 * 4) & 0xF));
  printf(" |\n");
}

static uint32_t a[4 * 32], b[4 * 32], c[4 * 32], d[4 * 32], e[32];

/* 2. Lanes: the first quad holds rows 0 and 8 of A, column 0 of B, and, as
 * selector 0 names its first two lanes, the metadata of both rows in them.  */
static void load(sste_mma_op op) {
  int lane, r;
  must(sste_mma_load(a, op, SSTE_MMA_A, values, KEPT) == SSTE_OK &&
           sste_mma_load(b, op, SSTE_MMA_B, columns, K) == SSTE_OK &&
           sste_mma_meta_load(e, op, 0, meta, CHUNKS / 2) == SSTE_OK,
       "fragments");
  printf("\n2. The first four lanes\n");
  printf("   lane  a0       a1       a2       a3       ");
  printf("b0       b1       b2       b3       metadata\n");
  for (lane = 0; lane < 4; ++lane) {
    printf("   T%d   ", lane);
    for (r = 0; r < 4; ++r) printf(" %08lX", (unsigned long)a[32 * r + lane]);
    for (r = 0; r < 4; ++r) printf(" %08lX", (unsigned long)b[32 * r + lane]);
    printf(lane < 2 ? " %08lX\n" : " not read\n", (unsigned long)e[lane]);
  }
  printf(
      "   metadata: low half row 0, high half row 8, nibbles from the right: ");
  printf("T0 has chunks 0 to 3, T1 4 to 7\n");
}

/* 3. One sum: each kept value meets the row of B that its nibble names. */
static void one_sum(sste_mma_op op) {
  double sum = 0, all = 0;
  int p, k;
  printf("\n3. d(0,0), product by product\n");
  printf("   kept  lane, register  nibble   k    a  *  b     sum\n");
  for (p = 0; p < KEPT; ++p) {
    const sste_mma_place at = sste_mma_place_of(op, SSTE_MMA_A, 0, p);
    const int chunk = p / 2, nibble = meta[chunk / 2] >> (chunk % 2 * 4) & 0xF;
    k = 4 * chunk + sste_mma_position(nibble, op.a, p % 2);
    sum += value(values[p]) * value(columns[k]);
    printf("   %4d  T%d, a%d, %s       0x%X  %3d  %3.0f * %2.0f  %6.0f\n", p,
           at.lane, at.reg, at.bit == 0 ? "low " : "high", (unsigned)nibble, k,
           value(values[p]), value(columns[k]), sum);
  }
  for (k = 0; k < K; ++k) all += value(dense[k]) * value(columns[k]);
  must(sum == all, "the kept products are all there are");
}

/* How many of the 128 outputs differ from the dense product. */
static int wrong(void) {
  float got[M * N];
  int i, j, k, count = 0;
  must(sste_mma_store(got, N, sste_mma_sparse(SSTE_MMA_F16, K), SSTE_MMA_D,
                      d) == SSTE_OK,
       "D");
  for (i = 0; i < M; ++i)
    for (j = 0; j < N; ++j) {
      double sum = 0;
      for (k = 0; k < K; ++k)
        sum += value(dense[i * K + k]) * value(columns[j * K + k]);
      count += (double)got[i * N + j] != sum;
    }
  return count;
}

/* 4. The instruction, and two bugs that it would not tell you of. */
static void run(sste_mma_op op, sste_mma_model model) {
  uint32_t spare;
  int lane;
  must(sste_mma_sp(d, a, b, c, e, 0, op, model, NULL, NULL) == SSTE_OK &&
           wrong() == 0,
       "the instruction gives the dense product");
  printf("\n4. All 128 outputs: %d wrong\n", wrong());
  for (lane = 0; lane < 32; ++lane) {
    spare = b[32 + lane];
    b[32 + lane] = b[64 + lane];
    b[64 + lane] = spare;
  }
  must(sste_mma_sp(d, a, b, c, e, 0, op, model, NULL, NULL) == SSTE_OK &&
           wrong() > 0,
       "swapped registers show");
  printf("   b1 and b2 exchanged: %d wrong\n", wrong());
  must(sste_mma_load(b, op, SSTE_MMA_B, columns, K) == SSTE_OK, "B again");
  e[1] ^= 1u << 2; /* row 0, chunk 4: positions 0, 2 become 0, 3 */
  must(sste_mma_sp(d, a, b, c, e, 0, op, model, NULL, NULL) == SSTE_OK &&
           wrong() > 0,
       "a wrong bit of metadata shows");
  printf("   one bit of T1's metadata flipped: %d wrong\n", wrong());
}

/* 5. What is cut off. Floats above 1 are 4 * 2^-25 apart. Ampere cuts a product
 * at 2^-24 and loses them all; Hopper keeps them, and cuts their sum.        */
static void cut(sste_mma_op op) {
  static const struct {
    const char *name;
    sste_mma_model (*model)(sste_mma_type operand);
  } core[] = {{"Ampere, Ada", sste_mma_ampere},
              {"Hopper, Blackwell", sste_mma_hopper}};
  uint32_t x[KEPT] = {0}, y[KEPT] = {0};
  size_t i;
  int p;
  printf(
      "\n5. 1 + 15 products of 2^-25. Floats are 4 * 2^-25 apart there; the ");
  printf(
      "error, and its bound, in 2^-25\n   (n products a step, all cut off F ");
  printf("bits below the largest)\n");
  for (p = 0; p < KEPT; ++p) {
    x[p] = half(p == 0 ? 1 : ldexp(1, -12));
    y[p] = half(p == 0 ? 1 : ldexp(1, -13));
  }
  for (i = 0; i < sizeof core / sizeof *core; ++i) {
    const sste_mma_model m = core[i].model(SSTE_MMA_F16);
    const double sum = single(sste_mma_dot(op, m, x, y, KEPT, 0));
    const double exact = 1 + 15 * ldexp(1, -25), size = exact;
    const double bound = sste_mma_bound(op, m, KEPT) * size;
    printf(
        "   %-18s n = %2d, F = %d: 1 + %.0f * 2^-25, off by %.0f, at most "
        "%.0f\n",
        core[i].name, m.products, m.fraction, ldexp(sum - 1, 25),
        ldexp(exact - sum, 25), ldexp(bound, 25));
    must(exact - sum <= bound, "the bound holds");
  }
}

int main(void) {
  const sste_mma_op op = sste_mma_sparse(SSTE_MMA_F16, K);
  fill();
  compress();
  load(op);
  one_sum(op);
  run(op, sste_mma_ampere(op.a));
  cut(op);
  return 0;
}
