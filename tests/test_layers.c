/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_layers.c - the layers of examples/layers.h against plain formulas in
 * double, their gradients against central differences of those formulas, and
 * the same bits by one thread and by three.
 */
#define _XOPEN_SOURCE 700 /* for program.h, before the first header */
#include "test.h"

#define PROGRAM "test_layers"
#include "../examples/layers.h"

static uint64_t rng;

static float *room_for_floats(size_t n) {
  float *x = (float *)malloc((n + 1) * sizeof *x);
  assert_non_null(x);
  test_poison(x, (n + 1) * sizeof *x);
  return x;
}
static float *normals(size_t n, double deviation) {
  float *x = room_for_floats(n);
  size_t i;
  for (i = 0; i < n; ++i) x[i] = (float)(deviation * test_normal(&rng));
  return x;
}
static float *copy_of(const float *x, size_t n) {
  float *y = room_for_floats(n);
  memcpy(y, x, n * sizeof *y);
  return y;
}
/* Rooms are as small as they may be: ASan sees what goes beyond. */
static room room_of(size_t bytes) {
  room r;
  r.bytes = bytes;
  r.p = malloc(bytes > 0 ? bytes : 1);
  assert_non_null(r.p);
  test_poison(r.p, bytes);
  return r;
}
static void assert_same(const void *a, const void *b, size_t bytes,
                        const char *what, size_t number) {
  if (memcmp(a, b, bytes) != 0) fail_msg("%s %zu", what, number);
}

/* A size that the compiler does not know: clang complains of a vector loop that
 * it finds to go round once. */
static size_t size(size_t n) {
  static volatile size_t zero = 0;
  return n + zero;
}

/* ---- Central differences ------------------------------------------------- */

/* f, a function of n doubles and of what `of` points to. Its slope by x_i. */
typedef double function(const double *x, const void *of);

static double slope(function *f, const void *of, double *x, size_t i) {
  const double step = 1e-4, before = x[i];
  double up, down;
  x[i] = before + step;
  up = f(x, of);
  x[i] = before - step;
  down = f(x, of);
  x[i] = before;
  return (up - down) / (2.0 * step);
}

/* g are the slopes of f at the floats x, for every `stride`th of them. */
static void check_slopes(function *f, const void *of, const float *x,
                         const float *g, size_t n, size_t stride,
                         double tolerance, const char *name) {
  double *at = (double *)malloc(n * sizeof *at);
  size_t i;
  assert_non_null(at);
  for (i = 0; i < n; ++i) at[i] = (double)x[i];
  for (i = 0; i < n; i += stride) {
    const double want = slope(f, of, at, i);
    if (!(fabs((double)g[i] - want) <= tolerance * (1.0 + fabs(want))))
      fail_msg("%s: element %zu of %zu: %.9g, and by differences %.9g", name, i,
               n, (double)g[i], want);
  }
  free(at);
}

/* ---- exp, log, rows ------------------------------------------------------ */

static void check_exponential(uint32_t bits, double *worst) {
  const float x = test_float(bits), got = exponential(x);
  const double want = exp((double)x), error = fabs((double)got / want - 1.0);
  if (want > 0x1.0p-126 && want < 0x1.6a09p127) {
    if (!(error < 1e-7)) fail_msg("exp(%a) is %a", (double)x, (double)got);
    *worst = error > *worst ? error : *worst;
  } else if (want > 0x1.6a0ap-127 && want <= 0x1.0p-126) {
    assert_near((double)got, want, 0x1p-150 + 1e-7 * want);
  } else if (want < 0x1.6a08p-127) {
    assert_same_float(got, 0.0f);
  } else if (want > 0x1.6a0ap127) {
    assert_same_float(got, INFINITY);
  }
}

/* Level 1 takes every 4099th float, level 2 all, NaNs aside. */
static void exponential_is_near(void **state) {
  const uint32_t stride = test_level() == 2 ? 1 : 4099;
  double worst = 0.0;
  uint64_t bits;
  (void)state;
  for (bits = 0; bits <= 0x7F800000u; bits += stride) {
    check_exponential((uint32_t)bits, &worst);
    check_exponential((uint32_t)bits | 0x80000000u, &worst);
  }
  print_message("exp: relative error %.3g at most\n", worst);
  assert_true(worst > 1e-8); /* something was compared */
}

static void exponential_has_edges(void **state) {
  const uint32_t nan[] = {0x7FC00000u, 0xFFC00000u, 0x7F800001u, 0xFFFFFFFFu,
                          0x7FABCDEFu};
  size_t i;
  (void)state;
  assert_same_float(exponential(0.0f), 1.0f);
  assert_same_float(exponential(-0.0f), 1.0f);
  assert_same_float(exponential(-INFINITY), 0.0f);
  assert_same_float(exponential(-3.4e38f), 0.0f);
  assert_same_float(exponential(INFINITY), INFINITY);
  assert_same_float(exponential(3.4e38f), INFINITY);
  for (i = 0; i < sizeof nan / sizeof *nan; ++i)
    assert_true(isnan(exponential(test_float(nan[i]))));
}

static void logarithm_is_near(void **state) {
  int i;
  (void)state;
  for (i = 0; i < 200000; ++i) {
    const int far = i % 2;
    const double x = exp(far ? 700.0 * (2.0 * test_uniform(&rng) - 1.0)
                             : 6.0 * test_uniform(&rng));
    const double want = log(x);
    assert_near(logarithm(x), want, 4e-16 * fmax(1.0, fabs(want)));
  }
  assert_true(logarithm(1.0) == 0.0);
  assert_true(isnan(logarithm(NAN)));
}

/* The order that the comment gives, written down anew. */
static double sum_in_lanes(const float *x, const float *y, size_t n) {
  double lane[32] = {0.0};
  size_t i, half;
  for (i = 0; i < n; ++i)
    lane[i % 32] += (double)x[i] * (y == NULL ? 1.0 : (double)y[i]);
  for (half = 16; half >= 1; half /= 2)
    for (i = 0; i < half; ++i) lane[i] += lane[i + half];
  return lane[0];
}

static void rows_sum_in_order(void **state) {
  size_t n, i;
  (void)state;
  for (n = 0; n <= 200; ++n) {
    float *x = normals(n, 1e3), *y = normals(n, 1.0), most = -INFINITY;
    for (i = 0; i < n; ++i) /* sizes apart, or doubles round nothing off */
      x[i] = ldexpf(x[i], (int)(test_random(&rng) % 60) - 50);
    assert_true(row_sum(x, n) == sum_in_lanes(x, NULL, n));
    assert_true(row_dot(x, y, n) == sum_in_lanes(x, y, n));
    for (i = 0; i < n; ++i) most = x[i] > most ? x[i] : most;
    assert_true(row_max(x, n) == most);
    for (i = 0; i < n; ++i) { /* wherever the largest one is */
      const float before = x[i];
      x[i] = 1e9f;
      assert_true(row_max(x, n) == 1e9f);
      x[i] = before;
    }
    free(x), free(y);
  }
}

/* No element's bits depend on where in the row it stands: a loop by vectors has
 * another body for what is left over. */
static void powers_do_not_depend_on_the_place(void **state) {
  size_t n, i;
  (void)state;
  for (n = 1; n <= 70; ++n) {
    float *x = normals(n, 3.0), *row = copy_of(x, n);
    const float most = row_max(x, n);
    const double sum = row_powers(row, n, most, 0.7f);
    for (i = 0; i < n; ++i) {
      const double want = exp(0.7 * ((double)x[i] - (double)most));
      assert_near((double)row[i], want, 2e-6 * want);
      row_powers(x + i, size(1), most, 0.7f);
      assert_same_float(x[i], row[i]);
    }
    assert_true(sum == sum_in_lanes(row, NULL, n));
    free(x), free(row);
  }
}

/* ---- Linear -------------------------------------------------------------- */

static void linear_is_a_product(void **state) {
  const size_t sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {33, 40, 17}, {8, 128, 64}};
  size_t k, t, i, o;
  (void)state;
  for (k = 0; k < sizeof sizes / sizeof *sizes; ++k) {
    const size_t n = sizes[k][0], in = sizes[k][1], out = sizes[k][2];
    const size_t most = n + in + out;
    float *x = normals(n * in, 1.0), *w = normals(out * in, 1.0);
    float *dz = normals(n * out, 1.0), *z = room_for_floats(n * out);
    float *dx = room_for_floats(n * in), *dw = room_for_floats(out * in);
    room r = room_of(linear_room(0, n, in, out));
    assert_int_equal(linear_room(r.bytes + 5, n, in, out), r.bytes + 5);
    linear_forward(z, x, w, n, in, out, r);
    linear_backward(dx, dw, dz, x, w, n, in, out, r);
    for (t = 0; t < n; ++t)
      for (o = 0; o < out; ++o) {
        double sum = 0.0;
        for (i = 0; i < in; ++i)
          sum += (double)x[t * in + i] * (double)w[o * in + i];
        assert_near((double)z[t * out + o], sum, 1e-6 * (double)most);
      }
    for (t = 0; t < n; ++t)
      for (i = 0; i < in; ++i) {
        double sum = 0.0;
        for (o = 0; o < out; ++o)
          sum += (double)dz[t * out + o] * (double)w[o * in + i];
        assert_near((double)dx[t * in + i], sum, 1e-6 * (double)most);
      }
    for (o = 0; o < out; ++o)
      for (i = 0; i < in; ++i) {
        double sum = 0.0;
        for (t = 0; t < n; ++t)
          sum += (double)dz[t * out + o] * (double)x[t * in + i];
        assert_near((double)dw[o * in + i], sum, 1e-6 * (double)most);
      }
    free(x), free(w), free(dz), free(z), free(dx), free(dw), free(r.p);
  }
}

/* ---- Norm ---------------------------------------------------------------- */

typedef struct norm_case {
  size_t n, C;
  const float *x, *gain, *dy;
} norm_case;

/* One token in double; x, gain: C each. */
static void norm_plain(double *y, const double *x, const double *gain,
                       size_t C) {
  double mean = 0.0, square = 0.0;
  size_t c;
  for (c = 0; c < C; ++c) mean += x[c] / (double)C;
  for (c = 0; c < C; ++c) square += (x[c] - mean) * (x[c] - mean) / (double)C;
  for (c = 0; c < C; ++c) y[c] = (x[c] - mean) / sqrt(square + 1e-5) * gain[c];
}

/* <dy, y> as a function of x and the gain, end to end. */
static double norm_loss(const double *at, const void *of) {
  const norm_case *k = (const norm_case *)of;
  double y[256], sum = 0.0;
  size_t t, c;
  for (t = 0; t < k->n; ++t) {
    norm_plain(y, at + t * k->C, at + k->n * k->C, k->C);
    for (c = 0; c < k->C; ++c) sum += y[c] * (double)k->dy[t * k->C + c];
  }
  return sum;
}

static void check_norm(size_t n, size_t C) {
  const size_t D = n * C;
  float *at = normals(D + C, 2.0), *dy = normals(D, 1.0);
  float *y = room_for_floats(D), *stat = room_for_floats(2 * n);
  float *g = room_for_floats(D + C), *dx = copy_of(dy, D);
  double *in = (double *)malloc((D + 2 * C) * sizeof *in), *want = in + D + C;
  norm_case k;
  size_t i, c;
  k.n = n, k.C = C, k.x = at, k.gain = at + D, k.dy = dy;
  for (i = 0; i < n; ++i)
    for (c = 0; c < C; ++c) at[i * C + c] += 3.0f * (float)i;
  for (i = 0; i < D + C; ++i) in[i] = (double)at[i];
  norm_forward(y, stat, k.x, k.gain, n, C);
  for (i = 0; i < n; ++i) {
    double mean = 0.0;
    norm_plain(want, in + i * C, in + D, C);
    for (c = 0; c < C; ++c)
      assert_near((double)y[i * C + c], want[c], 2e-5 * (1.0 + fabs(want[c])));
    for (c = 0; c < C; ++c) mean += in[i * C + c] / (double)C;
    assert_near((double)stat[2 * i], mean, 1e-6 * (1.0 + fabs(mean)));
  }
  memset(dx, 0, D * sizeof *dx);
  norm_backward(dx, g + D, dy, k.x, stat, k.gain, n, C);
  memcpy(g, dx, D * sizeof *dx);
  check_slopes(norm_loss, &k, at, g, D + C, 1, 2e-4, "norm");
  for (i = 0; i < D; ++i) dx[i] = 5.0f; /* it adds to dx */
  norm_backward(dx, g + D, dy, k.x, stat, k.gain, n, C);
  for (i = 0; i < D; ++i)
    assert_near((double)dx[i], 5.0 + (double)g[i],
                1e-6 * (5.0 + fabs((double)g[i])));
  free(at), free(dy), free(y), free(stat), free(g), free(dx), free(in);
}

static void norm_is_plain(void **state) {
  (void)state;
  check_norm(1, 2);
  check_norm(3, 5);
  check_norm(5, 32);
  check_norm(4, 33);
  check_norm(9, 100);
  check_norm(2, 160);
}

static void norm_has_edges(void **state) {
  float x[64], gain[64], y[64], stat[2], dx[64], dgain[64];
  size_t c;
  (void)state;
  for (c = 0; c < 64; ++c) x[c] = 7.0f, gain[c] = 1.0f;
  norm_forward(y, stat, x, gain, size(1), size(64)); /* no deviation at all */
  for (c = 0; c < 64; ++c) assert_same_float(y[c], 0.0f);
  assert_near((double)stat[1], 1.0 / sqrt(1e-5), 1e-3);
  norm_forward(y, stat, x, gain, size(1), size(1));
  assert_same_float(y[0], 0.0f);
  norm_forward(y, stat, x, gain, size(0), size(64));
  for (c = 0; c < 64; ++c) x[c] = 1e6f + (float)(c % 2); /* a large mean */
  norm_forward(y, stat, x, gain, size(1), size(64));
  for (c = 0; c < 64; ++c)
    assert_near((double)y[c], c % 2 == 0 ? -1.0 : 1.0, 1e-4);
  x[40] = NAN;
  norm_forward(y, stat, x, gain, size(1), size(64));
  memset(dx, 0, sizeof dx);
  norm_backward(dx, dgain, y, x, stat, gain, size(1), size(64));
  for (c = 0; c < 64; ++c)
    assert_true(isnan(y[c]) && isnan(dx[c]) && isnan(dgain[c]));
}

/* ---- GELU, addition ------------------------------------------------------ */

static double gelu_plain(const double *x, const void *of) {
  const double pi = 3.141592653589793;
  (void)of;
  return 0.5 * *x *
         (1.0 + tanh(sqrt(2.0 / pi) * (*x + 0.044715 * *x * *x * *x)));
}

static void gelu_is_plain(void **state) {
  const size_t count = 4001;
  float *x = normals(count, 3.0), *y = room_for_floats(count);
  float *d = normals(count, 1.0), *up = copy_of(d, count);
  size_t i;
  (void)state;
  gelu_forward(y, x, count);
  gelu_backward(d, x, count);
  for (i = 0; i < count; ++i) {
    double at = (double)x[i];
    const double want = (double)up[i] * slope(gelu_plain, NULL, &at, 0);
    assert_near((double)y[i], gelu_plain(&at, NULL), 5e-7 * (1.0 + fabs(at)));
    assert_near((double)d[i], want, 2e-6 * (1.0 + fabs((double)up[i])));
  }
  free(x), free(y), free(d), free(up);
}

static void gelu_has_edges(void **state) {
  const float x[] = {0.0f, 20.0f, -20.0f, 1e4f, -1e4f, 1e15f, -1e15f, NAN};
  float y[8], d[8] = {3.0f, 3.0f, 3.0f, 3.0f, 3.0f, 3.0f, 3.0f, 3.0f};
  size_t i;
  (void)state;
  gelu_forward(y, x, size(8));
  gelu_backward(d, x, size(8));
  assert_same_float(y[0], 0.0f);
  assert_near((double)d[0], 1.5, 1e-6);
  for (i = 1; i < 7; ++i) {
    assert_true(y[i] == (x[i] > 0.0f ? x[i] : 0.0f));
    assert_true(d[i] == (x[i] > 0.0f ? 3.0f : 0.0f));
  }
  assert_true(isnan(y[7]) && isnan(d[7]));
}

static void addition_adds(void **state) {
  const size_t count = 1003;
  float *a = normals(count, 1.0), *b = normals(count, 1.0);
  float *y = room_for_floats(count);
  size_t i;
  (void)state;
  add(y, a, b, count);
  for (i = 0; i < count; ++i) assert_same_float(y[i], a[i] + b[i]);
  free(a), free(b), free(y);
}

/* ---- Attention ----------------------------------------------------------- */

typedef struct attention_case {
  size_t B, T, C, heads;
  const float *dout;
} attention_case;

/* Output of token t of a context, head h, in double; qkv is the context's. */
static void attention_plain(double *out, const double *qkv, size_t t, size_t h,
                            const attention_case *k) {
  const size_t C = k->C, d = C / k->heads, ld = 3 * C;
  const double *q = qkv + t * ld + h * d;
  double p[256], sum = 0.0, most = -INFINITY;
  size_t s, j;
  for (s = 0; s <= t; ++s) {
    p[s] = 0.0;
    for (j = 0; j < d; ++j)
      p[s] += q[j] * qkv[s * ld + C + h * d + j] / sqrt((double)d);
    most = fmax(most, p[s]);
  }
  for (s = 0; s <= t; ++s) sum += p[s] = exp(p[s] - most);
  for (j = 0; j < d; ++j) {
    out[j] = 0.0;
    for (s = 0; s <= t; ++s)
      out[j] += p[s] / sum * qkv[s * ld + 2 * C + h * d + j];
  }
}

/* <dout, out> as a function of qkv. */
static double attention_loss(const double *qkv, const void *of) {
  const attention_case *k = (const attention_case *)of;
  const size_t d = k->C / k->heads;
  double out[256], sum = 0.0;
  size_t b, t, h, j;
  for (b = 0; b < k->B; ++b)
    for (t = 0; t < k->T; ++t)
      for (h = 0; h < k->heads; ++h) {
        const float *up = k->dout + (b * k->T + t) * k->C + h * d;
        attention_plain(out, qkv + b * k->T * 3 * k->C, t, h, k);
        for (j = 0; j < d; ++j) sum += out[j] * (double)up[j];
      }
  return sum;
}

/* stride: of the gradient's elements that are checked */
static void check_attention(size_t B, size_t T, size_t C, size_t heads,
                            size_t stride, double deviation) {
  const size_t n = B * T, d = C / heads;
  float *qkv = normals(n * 3 * C, deviation), *dout = normals(n * C, 1.0);
  float *out = room_for_floats(n * C), *dqkv = room_for_floats(n * 3 * C);
  float *p = room_for_floats(B * heads * T * T);
  double *in = (double *)malloc(n * 3 * C * sizeof *in), want[256];
  room r = room_of(attention_room(0, B, T, C, heads));
  attention_case k;
  size_t i, b, t, s, h, j;
  k.B = B, k.T = T, k.C = C, k.heads = heads, k.dout = dout;
  assert_int_equal(attention_room(r.bytes + 5, B, T, C, heads), r.bytes + 5);
  for (i = 0; i < n * 3 * C; ++i) in[i] = (double)qkv[i];
  attention_forward(out, p, qkv, B, T, C, heads, r);
  for (b = 0; b < B; ++b)
    for (t = 0; t < T; ++t)
      for (h = 0; h < heads; ++h) {
        const float *row = p + ((b * heads + h) * T + t) * T;
        double sum = 0.0;
        attention_plain(want, in + b * T * 3 * C, t, h, &k);
        for (j = 0; j < d; ++j)
          assert_near((double)out[(b * T + t) * C + h * d + j], want[j],
                      2e-5 * (1.0 + deviation * deviation));
        for (s = 0; s < T && s / BAND <= t / BAND; ++s) {
          if (s > t) assert_same_float(row[s], 0.0f);
          sum += (double)row[s];
        }
        assert_near(sum, 1.0, 1e-5);
        for (; s < T; ++s) assert_int_equal(test_bits(row[s]), 0xCACACACAu);
      }
  test_poison(r.p, r.bytes); /* nothing has to stay there */
  attention_backward(dqkv, dout, p, qkv, B, T, C, heads, r);
  check_slopes(attention_loss, &k, qkv, dqkv, n * 3 * C, stride, 5e-5,
               "attention");
  free(qkv), free(dout), free(out), free(dqkv), free(p), free(in), free(r.p);
}

static void attention_is_plain(void **state) {
  (void)state;
  check_attention(1, 1, 1, 1, 1, 1.0);
  check_attention(2, 1, 6, 2, 1, 1.0);
  check_attention(2, 3, 4, 4, 1, 1.0);
  check_attention(1, 9, 10, 2, 1, 1.0);
  check_attention(2, 7, 15, 3, 1, 2.0);
  check_attention(1, BAND, 4, 1, 37, 1.0);
  check_attention(1, BAND + 1, 4, 2, 19, 1.0);
  check_attention(2, 2 * BAND + 3, 6, 2, 211, 1.0);
  check_attention(1, 40, 66, 2, 173, 0.5);
}

/* What comes later changes no bit of what came before, and no other context. */
static void attention_is_causal(void **state) {
  const size_t B = 2, T = 150, C = 8, heads = 2, n = B * T;
  const size_t changed[] = {T - 1, 100, BAND, 70};
  float *qkv = normals(n * 3 * C, 1.0), *out = room_for_floats(n * C);
  float *p = room_for_floats(B * heads * T * T), *before;
  room r = room_of(attention_room(0, B, T, C, heads));
  size_t i, c;
  (void)state;
  attention_forward(out, p, qkv, B, T, C, heads, r);
  before = copy_of(out, n * C);
  for (i = 0; i < sizeof changed / sizeof *changed; ++i) {
    const size_t t = changed[i];
    for (c = 0; c < 3 * C; ++c) qkv[t * 3 * C + c] += 1.0f;
    attention_forward(out, p, qkv, B, T, C, heads, r);
    assert_same(out, before, t * C * sizeof *out, "earlier tokens", t);
    assert_same(out + T * C, before + T * C, T * C * sizeof *out,
                "the other context", t);
    assert_true(memcmp(out + t * C, before + t * C, C * sizeof *out) != 0);
    memcpy(before, out, n * C * sizeof *out);
  }
  free(qkv), free(out), free(p), free(before), free(r.p);
}

/* Scores of 1e4 and more: each query sees one key alone, to the last bit. A NaN
 * reaches its own token and all that see it, in its own context. */
static void attention_has_edges(void **state) {
  const size_t B = 2, T = 70, C = 2, n = B * T;
  float *qkv = normals(n * 3 * C, 1.0), *out = room_for_floats(n * C);
  float *p = room_for_floats(B * T * T), *dout = normals(n * C, 1.0);
  float *dqkv = room_for_floats(n * 3 * C);
  room r = room_of(attention_room(0, B, T, C, 1));
  size_t t, c;
  (void)state;
  for (t = 0; t < n; ++t) {
    qkv[t * 6] = 1e3f, qkv[t * 6 + 1] = 0.0f;
    qkv[t * 6 + 2] = t % T == 5 ? 1e3f : -1e3f; /* the key that all look for */
  }
  attention_forward(out, p, qkv, B, T, C, 1, r);
  for (t = 0; t < n; ++t)
    for (c = 0; c < C && t % T >= 5; ++c)
      assert_same_float(out[t * C + c], qkv[(t / T * T + 5) * 6 + 4 + c]);
  attention_backward(dqkv, dout, p, qkv, B, T, C, 1, r);
  for (t = 0; t < n * 6; ++t) assert_true(isfinite(dqkv[t]));
  qkv[3 * 6 + 4] = NAN; /* a value */
  attention_forward(out, p, qkv, B, T, C, 1, r);
  for (t = 3; t < n; ++t) assert_true(isnan(out[t * C]) == (t < T));
  for (t = 0; t < n; ++t) assert_true(!isnan(out[t * C + 1]));
  qkv[3 * 6] = NAN; /* a query */
  attention_forward(out, p, qkv, B, T, C, 1, r);
  assert_true(isnan(out[3 * C]) && isnan(out[3 * C + 1]));
  assert_true(!isnan(out[4 * C + 1]));
  free(qkv), free(out), free(p), free(dout), free(dqkv), free(r.p);
}

/* ---- Cross-entropy ------------------------------------------------------- */

typedef struct entropy_case {
  size_t n;
  const unsigned char *next;
} entropy_case;

static double entropy_plain(const double *x, const void *of) {
  const entropy_case *k = (const entropy_case *)of;
  double loss = 0.0;
  size_t t, v;
  for (t = 0; t < k->n; ++t, x += BYTES) {
    double most = x[0], sum = 0.0;
    for (v = 0; v < BYTES; ++v) most = fmax(most, x[v]);
    for (v = 0; v < BYTES; ++v) sum += exp(x[v] - most);
    loss += (log(sum) + most - x[k->next[t]]) / (double)k->n;
  }
  return loss;
}

static void entropy_is_plain(void **state) {
  const unsigned char next[5] = {0, 255, 31, 32, 100};
  double at[5 * BYTES], loss_of[5], sum = 0.0;
  entropy_case k;
  size_t n, i;
  (void)state;
  k.next = next;
  for (n = 1; n <= 5; n += 4) {
    float *x = normals(n * BYTES, 3.0), *g = copy_of(x, n * BYTES);
    double loss;
    for (i = 0; i < n * BYTES; ++i) at[i] = (double)x[i];
    k.n = n;
    loss = cross_entropy(g, next, n, loss_of);
    assert_near(loss, entropy_plain(at, &k), 3e-7);
    for (i = 0, sum = 0.0; i < n; ++i) sum += loss_of[i];
    assert_true(loss == sum / (double)n);
    for (i = 0; i < n * BYTES; ++i)
      assert_near((double)g[i], slope(entropy_plain, &k, at, i), 3e-7);
    free(x), free(g);
  }
}

static void entropy_has_edges(void **state) {
  const unsigned char next[1] = {7};
  float x[BYTES];
  double loss_of[1], loss;
  size_t v;
  (void)state;
  for (v = 0; v < BYTES; ++v) x[v] = 2.5f; /* all alike */
  loss = cross_entropy(x, next, size(1), loss_of);
  assert_near(loss, log(256.0), 1e-15 * 8.0);
  assert_near((double)x[7], 1.0 / 256.0 - 1.0, 1e-7);
  for (v = 0; v < BYTES; ++v) x[v] = -1e30f; /* sure, and right */
  x[7] = 1e30f;
  assert_true(cross_entropy(x, next, size(1), loss_of) == 0.0);
  for (v = 0; v < BYTES; ++v) assert_true(x[v] == 0.0f);
  for (v = 0; v < BYTES; ++v) x[v] = -INFINITY; /* sure, and wrong */
  x[7] = -3e3f, x[8] = 5e3f;
  loss = cross_entropy(x, next, size(1), loss_of);
  assert_true(loss == 8e3);
  for (v = 0; v < BYTES; ++v)
    assert_true(x[v] == (v == 7 ? -1.0f : v == 8 ? 1.0f : 0.0f));
  for (v = 0; v < BYTES; v += 51) { /* a NaN, in any lane */
    memset(x, 0, sizeof x);
    x[v] = NAN;
    assert_true(isnan(cross_entropy(x, next, size(1), loss_of)));
    assert_true(isnan(x[(v + 1) % BYTES]));
  }
}

/* ---- Embedding ----------------------------------------------------------- */

static void embedding_is_plain(void **state) {
  const size_t sizes[][3] = {{1, 1, 1}, {2, 5, 4}, {3, 7, 33}, {4, 16, 128}};
  size_t k, t, c;
  (void)state;
  for (k = 0; k < sizeof sizes / sizeof *sizes; ++k) {
    const size_t B = sizes[k][0], T = sizes[k][1], C = sizes[k][2];
    float *bytes = normals(BYTES * C, 1.0), *places = normals(T * C, 1.0);
    float *x = room_for_floats(B * T * C), *dx = normals(B * T * C, 1.0);
    float *dbytes = normals(BYTES * C, 1.0), *want = copy_of(dbytes, BYTES * C);
    float *dplaces = room_for_floats(T * C), *sums = room_for_floats(T * C);
    unsigned char in[64];
    for (t = 0; t < B * T; ++t)
      in[t] = (unsigned char)(test_random(&rng) % 3 * 127);
    embed_forward(x, bytes, places, in, B, T, C);
    embed_backward(dbytes, dplaces, dx, in, B, T, C);
    memset(sums, 0, T * C * sizeof *sums);
    for (t = 0; t < B * T; ++t)
      for (c = 0; c < C; ++c) {
        assert_same_float(x[t * C + c],
                          bytes[in[t] * C + c] + places[t % T * C + c]);
        want[in[t] * C + c] += dx[t * C + c];
        sums[t % T * C + c] += dx[t * C + c];
      }
    assert_same(dbytes, want, BYTES * C * sizeof *want, "bytes", C);
    assert_same(dplaces, sums, T * C * sizeof *sums, "places", C);
    free(bytes), free(places), free(x), free(dx), free(dbytes), free(want);
    free(dplaces), free(sums);
  }
}

/* ---- Threads ------------------------------------------------------------- */

/* Everything there is, from the same inputs: B = 3, T = 70, C = 60, 3 heads. */
enum { P_B = 3, P_T = 70, P_C = 60, P_HEADS = 3, P_N = P_B * P_T };
typedef struct pass {
  float y[P_N * P_C], stat[2 * P_N], dx[P_N * P_C], dgain[P_C];
  float gelu[P_N * P_C + 7], slopes[P_N * P_C + 7], sum[P_N * P_C];
  float out[P_N * P_C], dqkv[P_N * 3 * P_C], p[P_B * P_HEADS * P_T * P_T];
  float z[P_N * 3 * P_C], dw[3 * P_C * P_C], dlinear[P_N * P_C];
  float logits[P_N * BYTES], x[P_N * P_C], bytes[BYTES * P_C],
      places[P_T * P_C];
  double loss_of[P_N], loss;
} pass;

static void run_pass(pass *o, const float *in, int threads) {
  const size_t D = P_N * P_C;
  const float *other = in + 3 * D, *gain = in + D;
  unsigned char text[P_N];
  room r = room_of(linear_room(attention_room(0, P_B, P_T, P_C, P_HEADS), P_N,
                               P_C, 3 * P_C));
  size_t i;
  memset(o, 0, sizeof *o);
  for (i = 0; i < P_N; ++i) text[i] = (unsigned char)(i * i % 11 * 23);
  memcpy(o->slopes, in, sizeof o->slopes);
  memcpy(o->logits, in, sizeof o->logits);
  test_threads(threads);
  norm_forward(o->y, o->stat, in, gain, P_N, P_C);
  norm_backward(o->dx, o->dgain, other, in, o->stat, gain, P_N, P_C);
  gelu_forward(o->gelu, in, D + 7);
  gelu_backward(o->slopes, other, D + 7);
  add(o->sum, in, other, D);
  attention_forward(o->out, o->p, in, P_B, P_T, P_C, P_HEADS, r);
  attention_backward(o->dqkv, other, o->p, in, P_B, P_T, P_C, P_HEADS, r);
  linear_forward(o->z, in, other, P_N, P_C, 3 * P_C, r);
  linear_backward(o->dlinear, o->dw, in, other, gain, P_N, P_C, 3 * P_C, r);
  o->loss = cross_entropy(o->logits, text, P_N, o->loss_of);
  embed_forward(o->x, in, other, text, P_B, P_T, P_C);
  embed_backward(o->bytes, o->places, in, text, P_B, P_T, P_C);
  free(r.p);
}

static void threads_give_the_same_bits(void **state) {
  float *in = normals(6 * P_N * P_C, 1.0);
  pass *one = (pass *)malloc(sizeof *one), *many = (pass *)malloc(sizeof *one);
  int threads;
  (void)state;
  assert_true(one != NULL && many != NULL);
  run_pass(one, in, 1);
  for (threads = 2; threads <= 7; ++threads) {
    run_pass(many, in, threads);
    assert_same(one, many, sizeof *one, "threads", (size_t)threads);
  }
  free(in), free(one), free(many);
}

static int start(void **state) {
  (void)state;
  rng = test_seed();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(exponential_is_near, start),
      cmocka_unit_test_setup(exponential_has_edges, start),
      cmocka_unit_test_setup(logarithm_is_near, start),
      cmocka_unit_test_setup(rows_sum_in_order, start),
      cmocka_unit_test_setup(powers_do_not_depend_on_the_place, start),
      cmocka_unit_test_setup(linear_is_a_product, start),
      cmocka_unit_test_setup(norm_is_plain, start),
      cmocka_unit_test_setup(norm_has_edges, start),
      cmocka_unit_test_setup(gelu_is_plain, start),
      cmocka_unit_test_setup(gelu_has_edges, start),
      cmocka_unit_test_setup(addition_adds, start),
      cmocka_unit_test_setup(attention_is_plain, start),
      cmocka_unit_test_setup(attention_is_causal, start),
      cmocka_unit_test_setup(attention_has_edges, start),
      cmocka_unit_test_setup(entropy_is_plain, start),
      cmocka_unit_test_setup(entropy_has_edges, start),
      cmocka_unit_test_setup(embedding_is_plain, start),
      cmocka_unit_test_setup(threads_give_the_same_bits, start),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
