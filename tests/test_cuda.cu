/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * test_cuda.cu - every function of sste_cuda.h on a GPU against the CPU's.
 *
 *   nvcc -O2 -arch=native -I. tests/test_cuda.cu -o test_cuda && ./test_cuda
 *
 * in the folder of the headers; any GPU from sm_80. What is BITWISE is compared
 * byte by byte, with all that lies between and behind the rows. The products
 * are compared exactly on integers, and within sste_mma_bound on floats.
 *
 * Exits with 0 if all agrees, 1 if something differs or CUDA failed, 2 if there
 * is no GPU.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <vector>

#include "sste_check.h"
#include "sste_cuda.h"

/* ---- Memory -------------------------------------------------------------- */

typedef std::vector<uint8_t> bytes;

enum { POISON = 0xCA, BEHIND = 64 };

static void must(cudaError_t error, const char *what) {
  if (error == cudaSuccess) return;
  fprintf(stderr, "test_cuda: %s: %s\n", what, cudaGetErrorString(error));
  exit(1);
}

/* Memory of the GPU with the contents of `from`, as long as it has a name. */
struct on_device {
  uint8_t *p;
  explicit on_device(const bytes &from) : p(NULL) {
    must(cudaMalloc((void **)&p, from.size() + 1), "memory");
    must(cudaMemcpy(p, from.data(), from.size(), cudaMemcpyHostToDevice),
         "to the GPU");
  }
  on_device(const on_device &) = delete;
  on_device &operator=(const on_device &) = delete;
  ~on_device() { must(cudaFree(p), "memory"); }
  void read(bytes *to) const {
    must(cudaDeviceSynchronize(), "kernel");
    must(cudaMemcpy(to->data(), p, to->size(), cudaMemcpyDeviceToHost),
         "from the GPU");
  }
};

template <class T>
static bytes bytes_of(const T &x) {
  bytes b(sizeof x);
  memcpy(b.data(), &x, sizeof x);
  return b;
}

/* ---- Verdicts ------------------------------------------------------------ */

static const char *function;
static unsigned long cases, wrong, all_wrong;

static void begin(const char *name) {
  function = name;
  cases = wrong = 0;
}
static void end(const char *how) {
  printf("%-22s %6lu cases, %lu wrong (%s)\n", function, cases, wrong, how);
  all_wrong += wrong;
}

/* One case; the first few that are wrong are told of. */
static void verdict(int right, const char *what, size_t rows, size_t cols,
                    size_t at) {
  ++cases;
  if (right || ++wrong > 4) return;
  printf("  %s: %s, %lu x %lu, first at %lu\n", function, what,
         (unsigned long)rows, (unsigned long)cols, (unsigned long)at);
}
static void same_bytes(const bytes &got, const bytes &want, const char *what,
                       size_t rows, size_t cols) {
  size_t at = 0;
  while (at < want.size() && got[at] == want[at]) ++at;
  verdict(at == want.size(), what, rows, cols, at);
}

/* ---- Matrices ------------------------------------------------------------ */

/* Shapes of whole groups: one group, ragged ends of every kind, rows that are
 * aligned and rows that are not, and more groups than a block has threads. */
struct shape {
  size_t rows, cols;
  size_t before, between; /* elements in front of a matrix, and after a row */
  size_t out_between;     /* after a row of a result */
};
static const shape shapes[] = {
    {1, 4, 0, 0, 0},      {1, 4, 1, 0, 4},     {4, 4, 0, 4, 0},
    {4, 8, 3, 1, 2},      {8, 12, 0, 0, 4},    {12, 20, 2, 3, 0},
    {16, 32, 0, 0, 0},    {32, 16, 4, 4, 8},   {36, 28, 0, 2, 1},
    {32, 64, 0, 0, 0},    {64, 68, 1, 1, 3},   {100, 36, 0, 0, 0},
    {128, 256, 0, 8, 16}, {132, 260, 0, 1, 0}, {4, 4100, 0, 0, 0},
    {516, 1028, 0, 0, 4}, {1, 0, 0, 0, 0},     {0, 4, 0, 0, 0}};

struct matrix {
  size_t ld, before, size; /* in elements, but for size: bytes of each */
  bytes data;
  uint8_t *host() { return data.data() + before * size; }
  const uint8_t *host() const { return data.data() + before * size; }
  uint8_t *device(const on_device &d) const { return d.p + before * size; }
};

static matrix poisoned(const shape &s, size_t size) {
  matrix m;
  m.ld = s.cols + s.between;
  m.before = s.before;
  m.size = size;
  m.data.assign((s.before + s.rows * m.ld) * size + BEHIND, POISON);
  return m;
}

/* And one for a result. */
static matrix poisoned_out(shape s, size_t size) {
  s.between = s.out_between;
  return poisoned(s, size);
}

/* x in a type, with the sign of its zeros and its infinities. */
static uint32_t code_of(float x, sste_type type) {
  sste_fp8_rule rule = sste_fp8_saturating();
  rule.overflow = SSTE_OVERFLOW_NONE;
  if (type == SSTE_FLOAT32) return sste_priv_bits(x);
  return (uint32_t)sste_fp8_convert(
      type == SSTE_FLOAT16 ? sste_fp8_float16() : sste_fp8_bfloat16(), rule,
      sste_fp8_float32(), sste_priv_bits(x), 0);
}

static matrix drawn(const shape &s, sste_type type, int kind, uint64_t seed) {
  matrix m = poisoned(s, sste_priv_type_bytes(type));
  std::vector<float> x(s.rows * s.cols + 1);
  sste_check_tensor_draw(x.data(), s.cols, s.rows, s.cols, kind, seed);
  for (size_t i = 0; i < s.rows * s.cols; ++i)
    sste_priv_set_element(m.host(), type, i / s.cols * m.ld + i % s.cols,
                          code_of(x[i], type));
  return m;
}

/* A function with one input and one output, on both sides. cpu and gpu return a
 * status each, and these must agree as well. */
template <class Cpu, class Gpu>
static void bitwise(const char *what, const shape &s, const matrix &in,
                    matrix out, Cpu cpu, Gpu gpu) {
  bytes got = out.data;
  const on_device from(in.data), to(out.data);
  const sste_status want_status = cpu(out.host(), in.host());
  const sste_status status = gpu(out.device(to), in.device(from));
  to.read(&got);
  same_bytes(got, out.data, what, s.rows, s.cols);
  verdict(status == want_status, "another status", s.rows, s.cols, 0);
}

template <class Body>
static void each_draw(Body body) {
  for (int kind = 0; kind < SSTE_DRAWS; ++kind)
    for (const shape &s : shapes)
      body(s, kind, sste_check_draw_name(kind), (uint64_t)kind + 17 * s.cols);
}

static const sste_type types[] = {SSTE_FLOAT32, SSTE_FLOAT16, SSTE_BFLOAT16};
static const sste_type halves[] = {SSTE_FLOAT16, SSTE_BFLOAT16};

/* ---- 1. Weights ---------------------------------------------------------- */

static void test_project() {
  begin("project");
  each_draw([](const shape &s, int kind, const char *name, uint64_t seed) {
    for (const sste_type type : types) {
      const matrix w = drawn(s, type, kind, seed);
      const matrix out = poisoned_out(s, w.size);
      sste_nm nm = sste_nm_of(2, 4);
      nm.type = type;
      bitwise(
          name, s, w, out,
          [&](void *o, const void *x) {
            return sste_tensor_project_nm(o, out.ld, x, w.ld, s.rows, s.cols,
                                          nm, 0, 1.3f, NULL);
          },
          [&](void *o, const void *x) {
            return sste_cuda_project(o, out.ld, x, w.ld, s.rows, s.cols, type,
                                     1.3f, NULL);
          });
      bitwise(/* in place */
              name, s, w, w,
              [&](void *o, const void *) {
                return sste_tensor_project_nm(o, w.ld, o, w.ld, s.rows, s.cols,
                                              nm, 0, 0.7f, NULL);
              },
              [&](void *o, const void *) {
                return sste_cuda_project(o, w.ld, o, w.ld, s.rows, s.cols, type,
                                         0.7f, NULL);
              });
    }
  });
  end("memcmp");
}

static void test_mask() {
  begin("mask");
  each_draw([](const shape &s, int kind, const char *name, uint64_t seed) {
    for (const sste_type type : types)
      for (const sste_tie tie : {SSTE_TIE_LOWER, SSTE_TIE_HIGHER}) {
        const matrix w = drawn(s, type, kind, seed), out = poisoned_out(s, 1);
        sste_nm nm = sste_nm_of(2, 4);
        nm.type = type;
        bitwise(
            name, s, w, out,
            [&](uint8_t *o, const void *x) {
              return sste_tensor_mask_nm(o, out.ld, x, w.ld, s.rows, s.cols, nm,
                                         tie);
            },
            [&](uint8_t *o, const void *x) {
              return sste_cuda_mask(o, out.ld, x, w.ld, s.rows, s.cols, type,
                                    tie, NULL);
            });
      }
  });
  end("memcmp");
}

static void test_transposable() {
  begin("mask_transposable");
  each_draw([](const shape &s, int kind, const char *name, uint64_t seed) {
    const matrix w = drawn(s, SSTE_FLOAT32, kind, seed),
                 out = poisoned_out(s, 1);
    bitwise(
        name, s, w, out,
        [&](uint8_t *o, const void *x) {
          return sste_tensor_mask_transposable(o, out.ld, (const float *)x,
                                               w.ld, s.rows, s.cols,
                                               SSTE_TILE_OPTIMAL);
        },
        [&](uint8_t *o, const void *x) {
          return sste_cuda_mask_transposable(o, out.ld, (const float *)x, w.ld,
                                             s.rows, s.cols, NULL);
        });
  });
  end("memcmp");
}

/* What the CPU says by a status the GPU says by a NaN. */
static void one_beta(const shape &s, const char *name, const matrix &w) {
  float want = sste_priv_float(SSTE_PRIV_NAN);
  size_t need = 0;
  bytes got(sizeof want, POISON);
  (void)sste_tensor_beta(&want, (const float *)w.host(), w.ld, s.rows, s.cols);
  verdict(sste_cuda_beta_bytes(&need, s.rows, s.cols) == SSTE_OK, "bytes",
          s.rows, s.cols, 0);
  const on_device from(w.data), to(got), scratch(bytes(need, POISON));
  verdict(sste_cuda_beta((float *)to.p, (const float *)w.device(from), w.ld,
                         s.rows, s.cols, scratch.p, need, NULL) == SSTE_OK,
          "status", s.rows, s.cols, 0);
  to.read(&got);
  same_bytes(got, bytes_of(want), name, s.rows, s.cols);
}

static void test_beta() {
  static const shape many_blocks[] = {{1024, 1024, 0, 0, 0},
                                      {1, 4096, 0, 0, 0},
                                      {3, 4096, 0, 1, 0},
                                      {2047, 2052, 1, 3, 0},
                                      {5, 65536, 0, 0, 0}};
  begin("beta");
  each_draw([](const shape &s, int kind, const char *name, uint64_t seed) {
    one_beta(s, name, drawn(s, SSTE_FLOAT32, kind, seed));
  });
  for (const shape &s : many_blocks)
    for (const int kind : {SSTE_DRAW_WEIGHTS, SSTE_DRAW_RANGE})
      one_beta(s, "many blocks", drawn(s, SSTE_FLOAT32, kind, 5));
  end("memcmp");
}

/* ---- 2. FP8 -------------------------------------------------------------- */

static std::vector<sste_fp8_recipe> recipes() {
  static const sste_fp8_format formats[] = {
      sste_fp8_e4m3fn(),     sste_fp8_e5m2(),   sste_fp8_e4m3(),
      sste_fp8_e3m4(),       sste_fp8_e3m4fn(), sste_fp8_e4m3fnuz(),
      sste_fp8_e5m2fnuz(),   sste_fp8_ue4m3(),  sste_fp8_e8m0(),
      sste_fp8_e4m3b11fnuz()};
  std::vector<sste_fp8_recipe> all;
  for (const sste_fp8_format f : formats)
    for (int per_row = 0; per_row < 2; ++per_row) {
      sste_fp8_recipe how[4] = {
          sste_fp8_recipe_current(f), sste_fp8_recipe_divide(f),
          sste_fp8_recipe_te(f), sste_fp8_recipe_current(f)};
      how[3].rule.rounding = SSTE_ROUND_TOWARD_ZERO;
      how[3].rule.overflow = SSTE_OVERFLOW_NONE;
      for (sste_fp8_recipe &h : how) {
        h.per_row = per_row;
        all.push_back(h);
      }
    }
  return all;
}

/* Scales of a matrix on both sides; all fives where it has none of its own. */
static std::vector<float> scales_of(const shape &s, const matrix &x,
                                    sste_fp8_recipe how) {
  std::vector<float> scale(s.rows + 1, 5.0f);
  if (sste_fp8_tensor_scale(scale.data(), (const float *)x.host(), x.ld, s.rows,
                            s.cols, how) != SSTE_OK)
    scale.assign(s.rows + 1, 5.0f);
  return scale;
}
static bytes bytes_of(const std::vector<float> &x) {
  const uint8_t *p = (const uint8_t *)x.data();
  return bytes(p, p + x.size() * sizeof x[0]);
}

/* All recipes; of large matrices each kind of draw meets a few. */
static void test_encode() {
  begin("fp8_encode");
  each_draw([](const shape &s, int kind, const char *name, uint64_t seed) {
    const matrix x = drawn(s, SSTE_FLOAT32, kind, seed),
                 out = poisoned_out(s, 1);
    int number = kind;
    for (const sste_fp8_recipe &how : recipes()) {
      if (s.rows * s.cols > 20000 && number++ % SSTE_DRAWS != 0) continue;
      const std::vector<float> scale = scales_of(s, x, how);
      const on_device d_scale(bytes_of(scale));
      matrix probe = out; /* the CPU refuses a scale without a reciprocal */
      if (sste_fp8_tensor_encode(probe.host(), out.ld, (const float *)x.host(),
                                 x.ld, s.rows, s.cols, scale.data(),
                                 how) == SSTE_ERR_VALUE)
        continue;
      bitwise(
          name, s, x, out,
          [&](uint8_t *o, const void *i) {
            return sste_fp8_tensor_encode(o, out.ld, (const float *)i, x.ld,
                                          s.rows, s.cols, scale.data(), how);
          },
          [&](uint8_t *o, const void *i) {
            return sste_cuda_fp8_encode(o, out.ld, (const float *)i, x.ld,
                                        s.rows, s.cols,
                                        (const float *)d_scale.p, how, NULL);
          });
    }
  });
  end("memcmp");
}

/* All 256 codes, again and again. */
static void test_decode() {
  begin("fp8_decode");
  for (const shape &s : shapes) {
    matrix code = poisoned(s, 1), out = poisoned_out(s, sizeof(float));
    std::vector<float> scale(s.rows + 1);
    for (size_t i = 0; i < s.rows * s.cols; ++i)
      code.host()[i / s.cols * code.ld + i % s.cols] = (uint8_t)(i * 37 + 11);
    for (size_t r = 0; r < scale.size(); ++r) scale[r] = 0.3f + (float)r;
    const on_device d_scale(bytes_of(scale));
    for (const sste_fp8_recipe &how : recipes())
      bitwise(
          "codes", s, code, out,
          [&](void *o, const uint8_t *i) {
            return sste_fp8_tensor_decode((float *)o, out.ld, i, code.ld,
                                          s.rows, s.cols, scale.data(), how);
          },
          [&](void *o, const uint8_t *i) {
            return sste_cuda_fp8_decode((float *)o, out.ld, i, code.ld, s.rows,
                                        s.cols, (const float *)d_scale.p, how,
                                        NULL);
          });
  }
  end("memcmp");
}

/* ---- 3. Gradients -------------------------------------------------------- */

static void test_mvue() {
  static const sste_mvue_stream streams[] = {
      {1, 0, 0, 0, 0},
      {0xFEDCBA9876543210u, 7, 9, 3, 1},
      {5, 1, 0xFFFFFFFFu, 1000003, 77777}};
  begin("mvue24_draw");
  each_draw([](const shape &s, int kind, const char *name, uint64_t seed) {
    const matrix a = drawn(s, SSTE_FLOAT32, kind, seed);
    const matrix out = poisoned_out(s, sizeof(float));
    for (const sste_axis axis : {SSTE_ALONG_ROWS, SSTE_DOWN_COLUMNS})
      for (const sste_mvue_stream &from : streams) {
        bitwise(
            name, s, a, out,
            [&](void *o, const void *i) {
              return sste_mvue24_tensor_draw((float *)o, out.ld,
                                             (const float *)i, a.ld, s.rows,
                                             s.cols, axis, &from);
            },
            [&](void *o, const void *i) {
              return sste_cuda_mvue24_draw((float *)o, out.ld, (const float *)i,
                                           a.ld, s.rows, s.cols, axis, &from,
                                           NULL);
            });
        bitwise(/* in place */
                name, s, a, a,
                [&](void *o, const void *) {
                  return sste_mvue24_tensor_draw((float *)o, a.ld, (float *)o,
                                                 a.ld, s.rows, s.cols, axis,
                                                 &from);
                },
                [&](void *o, const void *) {
                  return sste_cuda_mvue24_draw((float *)o, a.ld, (float *)o,
                                               a.ld, s.rows, s.cols, axis,
                                               &from, NULL);
                });
      }
  });
  end("memcmp");
}

/* ---- 4. Storage ---------------------------------------------------------- */

static sste_mma_type operand(sste_type type) {
  return type == SSTE_FLOAT16 ? SSTE_MMA_F16 : SSTE_MMA_BF16;
}
static size_t up(size_t n) { return (n + 31) / 32 * 32; }
static shape half_of(shape s) {
  s.cols /= 2;
  return s;
}

/* Two of each group, the rest +0, in a dense matrix padded to 32 both ways. */
static bytes two_of_four(const shape &s, const matrix &w, sste_type type) {
  const size_t ld = up(s.cols);
  bytes dense(up(s.rows) * ld * 2, 0);
  for (size_t r = 0; r < s.rows; ++r)
    for (size_t c = 0; c < s.cols; c += 4) {
      float a[4];
      for (size_t i = 0; i < 4; ++i)
        a[i] = sste_priv_load(w.host(), type, r * w.ld + c + i);
      const int kept = sste_group_mask(a, SSTE_TIE_LOWER);
      for (size_t i = 0; i < 4; ++i)
        if (kept >> i & 1)
          sste_priv_save(dense.data(), type, r * ld + c + i, a[i]);
    }
  return dense;
}

/* The stored values and the metadata that w has by the CPU's functions. */
static void compressed(const shape &s, const matrix &w, sste_type type,
                       matrix *values, bytes *meta) {
  const size_t rows = up(s.rows), cols = up(s.cols);
  const bytes dense = two_of_four(s, w, type);
  bytes padded(rows * cols + 1);
  meta->assign(rows * cols / 8, POISON);
  verdict(sste_mma_compress(padded.data(), cols / 2, meta->data(),
                            SSTE_MMA_CUTLASS2, dense.data(), cols, rows, cols,
                            operand(type), SSTE_MMA_LIKE_SSTE, NULL,
                            NULL) == SSTE_OK,
          "the CPU's own", s.rows, s.cols, 0);
  for (size_t r = 0; r < s.rows && s.cols > 0; ++r)
    memcpy(values->host() + r * values->ld * 2, &padded[r * cols], s.cols);
}

/* Metadata as far from an aligned address as the matrix, in bytes. */
static bytes shifted(const bytes &meta, const shape &s) {
  bytes b(s.before, POISON);
  b.insert(b.end(), meta.begin(), meta.end());
  b.insert(b.end(), BEHIND, POISON);
  return b;
}

/* A kernel that stores a matrix, against what `w` has by the CPU. */
template <class Gpu>
static void stored(const char *name, const shape &s, const matrix &w,
                   sste_type type, Gpu gpu) {
  matrix values = poisoned_out(half_of(s), 2);
  bytes meta, got_values = values.data;
  size_t need = 0;
  const on_device d_values(values.data);
  if (s.rows * s.cols > 0) compressed(s, w, type, &values, &meta);
  verdict(sste_cuda_meta_bytes(&need, s.rows, s.cols) == SSTE_OK &&
              need == meta.size(),
          "bytes", s.rows, s.cols, need);
  meta = shifted(meta, s);
  bytes got_meta(meta.size(), POISON);
  const on_device d_meta(got_meta);
  verdict(
      gpu(values.device(d_values), values.ld, d_meta.p + s.before) == SSTE_OK,
      "status", s.rows, s.cols, 0);
  d_values.read(&got_values);
  d_meta.read(&got_meta);
  same_bytes(got_values, values.data, name, s.rows, s.cols);
  same_bytes(got_meta, meta, name, s.rows, s.cols);
}

static shape turned(const shape &s) {
  return {s.cols, s.rows, s.before, s.between, s.out_between};
}

/* What is to be stored, of s: w itself or its transpose, cast. */
static matrix along_rows(const shape &s, const matrix &w, sste_type from,
                         sste_type type, sste_axis axis) {
  matrix out = poisoned(s, 2);
  for (size_t r = 0; r < s.rows; ++r)
    for (size_t c = 0; c < s.cols; ++c)
      sste_priv_save(out.host(), type, r * out.ld + c,
                     sste_priv_load(w.host(), from,
                                    axis == SSTE_ALONG_ROWS ? r * w.ld + c
                                                            : c * w.ld + r));
  return out;
}

/* A matrix of s, or one of which the transpose is. */
static void one_compress(const shape &s, int kind, const char *name,
                         uint64_t seed, sste_type from, sste_type type,
                         sste_axis axis) {
  const shape in = axis == SSTE_ALONG_ROWS ? s : turned(s);
  const matrix w = drawn(in, from, kind, seed);
  const on_device d_w(w.data);
  stored(name, s, along_rows(s, w, from, type, axis), type,
         [&](void *values, size_t ldv, uint8_t *meta) {
           return sste_cuda_compress(values, ldv, meta, w.device(d_w), w.ld,
                                     in.rows, in.cols, from, type, axis, NULL);
         });
}

static void test_compress() {
  begin("compress");
  each_draw([](const shape &s, int kind, const char *name, uint64_t seed) {
    for (const sste_type type : halves)
      for (const sste_type from : {SSTE_FLOAT32, type})
        for (const sste_axis axis : {SSTE_ALONG_ROWS, SSTE_DOWN_COLUMNS})
          one_compress(s, kind, name, seed, from, type, axis);
  });
  end("memcmp");
}

/* W~ on the CPU, whatever beta is: the tensor function refuses a NaN. */
static matrix projected(const shape &s, const matrix &w, sste_type type,
                        float beta) {
  matrix out = poisoned_out(s, 2);
  for (size_t r = 0; r < s.rows; ++r)
    for (size_t c = 0; c < s.cols; c += 4) {
      float a[4];
      sste_group_project(a, (const float *)w.host() + r * w.ld + c);
      for (size_t i = 0; i < 4; ++i)
        sste_priv_save(out.host(), type, r * out.ld + c + i, beta * a[i]);
    }
  return out;
}

static void test_project_compress() {
  begin("project_compress");
  each_draw([](const shape &s, int kind, const char *name, uint64_t seed) {
    for (const sste_type type : halves)
      for (const float beta : {1.0f, 1.37f, sste_priv_float(SSTE_PRIV_NAN)}) {
        const matrix w = drawn(s, SSTE_FLOAT32, kind, seed);
        const on_device from(w.data), d_beta(bytes_of(beta));
        stored(name, s, projected(s, w, type, beta), type,
               [&](void *values, size_t ldv, uint8_t *meta) {
                 return sste_cuda_project_compress(
                     values, ldv, meta, (const float *)w.device(from), w.ld,
                     s.rows, s.cols, type, (const float *)d_beta.p, NULL);
               });
      }
  });
  end("memcmp");
}

/* Any bits as values, legal nibbles but every 97th. */
static void test_decompress() {
  static const uint8_t legal[] = {0x4, 0x8, 0x9, 0xC, 0xD, 0xE};
  begin("decompress");
  for (const shape &s : shapes)
    for (const sste_type type : halves) {
      const size_t rows = up(s.rows), cols = s.rows > 0 ? up(s.cols) : 0;
      const uint16_t nan = type == SSTE_FLOAT16 ? 0x7E00 : 0x7FC0;
      matrix values = poisoned(half_of(s), 2), out = poisoned_out(s, 2);
      bytes meta(rows * cols / 8 + 1, 0x44), got = out.data;
      for (size_t i = 0; i < values.data.size(); ++i)
        values.data[i] = (uint8_t)(i * 2654435761u >> 13);
      for (size_t r = 0; r < s.rows; ++r)
        for (size_t c = 0; c < s.cols / 4; ++c) {
          const size_t i = r * (s.cols / 4) + c;
          const int bad = i % 97 == 96;
          const uint8_t nibble =
              bad ? (uint8_t)(i % 4 * 5) : legal[(i * 2654435761u >> 7) % 6];
          const size_t at = sste_mma_meta_at(SSTE_MMA_CUTLASS2, SSTE_MMA_F16,
                                             rows, cols, r, c);
          meta[at / 2] =
              (uint8_t)(at % 2 == 0 ? (meta[at / 2] & 0xF0) | nibble
                                    : (meta[at / 2] & 0x0F) | nibble << 4);
          for (size_t k = 0; k < 4; ++k) {
            uint16_t code = bad ? nan : 0;
            for (size_t j = 0; j < 2 && !bad; ++j)
              if ((nibble >> 2 * j & 3u) == k)
                memcpy(&code, values.host() + (r * values.ld + 2 * c + j) * 2,
                       2);
            memcpy(out.host() + (r * out.ld + 4 * c + k) * 2, &code, 2);
          }
        }
      const on_device to(got), d_values(values.data), d_meta(shifted(meta, s));
      verdict(sste_cuda_decompress(
                  out.device(to), out.ld, values.device(d_values), values.ld,
                  d_meta.p + s.before, s.rows, s.cols, type, NULL) == SSTE_OK,
              "status", s.rows, s.cols, 0);
      to.read(&got);
      same_bytes(got, out.data, "any bits", s.rows, s.cols);
    }
  end("memcmp");
}

/* ---- 5. Products --------------------------------------------------------- */

static sste_mma_model (*generation(int major, int minor))(sste_mma_type) {
  if (major == 8) return minor == 9 ? sste_mma_ada : sste_mma_ampere;
  if (major == 9) return sste_mma_hopper;
  if (major == 10 || major == 12) return sste_mma_blackwell;
  return sste_mma_ampere; /* not known: the widest bound */
}

/* A product: operands, and their exact sums with the size of each. */
struct problem {
  size_t M, N, K;
  sste_type type;
  shape a_shape;
  matrix values, columns, rows; /* B by its columns, and by its rows */
  bytes meta;
  std::vector<double> sum, size;
};

static double at(const void *p, sste_type type, size_t i) {
  return (double)sste_priv_load(p, type, i);
}
/* |x|, a subnormal float16 as the smallest normal number: see the bound. */
static double size_of(double x, sste_type type) {
  const double least = type == SSTE_FLOAT16 ? 0x1p-14 : 0x1p-126;
  return x == 0 ? 0 : fmax(fabs(x), least);
}

static void multiply(problem *p, const bytes &dense) {
  p->sum.assign(p->M * p->N, 0);
  p->size.assign(p->M * p->N, 0);
  for (size_t m = 0; m < p->M; ++m)
    for (size_t k = 0; k < p->K; ++k) {
      const double a = at(dense.data(), p->type, m * up(p->K) + k);
      if (a == 0) continue;
      for (size_t n = 0; n < p->N; ++n) {
        const double b = at(p->rows.host(), p->type, k * p->rows.ld + n);
        p->sum[m * p->N + n] += a * b;
        p->size[m * p->N + n] += size_of(a, p->type) * size_of(b, p->type);
      }
    }
}

/* Matrices with `before` elements in front and `between` rows: 0 and 0, and
 * multiples of 8, are aligned. */
static problem make(size_t M, size_t N, size_t K, size_t before, size_t between,
                    sste_type type, int kind) {
  problem p;
  const shape a = {M, K, before, between, 0}, b = {N, K, before, between, 0};
  const shape c = {K, N, before, between, 0};
  p.M = M, p.N = N, p.K = K, p.type = type, p.a_shape = a;
  const matrix w = drawn(a, type, kind, 1);
  p.values = poisoned(half_of(a), 2);
  compressed(a, w, type, &p.values, &p.meta);
  p.columns = drawn(b, type, kind, 2);
  p.rows = poisoned(c, 2);
  for (size_t n = 0; n < N; ++n)
    for (size_t k = 0; k < K; ++k)
      memcpy(p.rows.host() + (k * p.rows.ld + n) * 2,
             p.columns.host() + (n * p.columns.ld + k) * 2, 2);
  multiply(&p, two_of_four(a, w, type));
  return p;
}

/* A layout of a product, and what is done with its sums. */
struct layout {
  int b_rows, d_columns;
  sste_type d_type;
  float alpha, beta;
  int has_bias;
};

static float old_d(size_t m, size_t n) { return (float)((m * 5 + n * 3) % 9); }
static float bias_of(size_t m) { return (float)(m % 7) - 3; }

/* D on the GPU, in the place of an old one. */
static matrix run(const problem &p, const layout &l) {
  const shape s = {l.d_columns ? p.N : p.M, l.d_columns ? p.M : p.N,
                   p.a_shape.before, p.a_shape.between, 0};
  const matrix &b = l.b_rows ? p.rows : p.columns;
  matrix d = poisoned(s, sste_priv_type_bytes(l.d_type));
  std::vector<float> bias(p.M);
  for (size_t m = 0; m < p.M; ++m) {
    bias[m] = bias_of(m);
    for (size_t n = 0; n < p.N && l.beta != 0; ++n)
      sste_priv_save(d.host(), l.d_type,
                     l.d_columns ? n * d.ld + m : m * d.ld + n, old_d(m, n));
  }
  const on_device d_d(d.data), d_b(b.data), d_values(p.values.data);
  const on_device d_meta(shifted(p.meta, p.a_shape)), d_bias(bytes_of(bias));
  sste_cuda_gemm_args g = sste_cuda_gemm_of(p.M, p.N, p.K, p.type);
  g.values = p.values.device(d_values);
  g.ldv = p.values.ld;
  g.meta = d_meta.p + p.a_shape.before;
  g.b = b.device(d_b);
  g.ldb = b.ld;
  g.b_rows = l.b_rows;
  g.d = d.device(d_d);
  g.ldd = d.ld;
  g.d_columns = l.d_columns;
  g.d_type = l.d_type;
  g.alpha = l.alpha;
  g.beta = l.beta;
  g.bias = l.has_bias ? (const float *)d_bias.p : NULL;
  verdict(sste_cuda_gemm(&g, NULL) == SSTE_OK, "status", p.M, p.N, p.K);
  d_d.read(&d.data);
  return d;
}

/* The bytes of d that are none of its elements are as they were. */
static int frame_is_poison(const matrix &d, size_t rows, size_t cols) {
  for (size_t i = 0; i < d.data.size(); ++i) {
    const size_t e = i / d.size, j = e - d.before;
    const int inside = e >= d.before && j < rows * d.ld && j % d.ld < cols;
    if (!inside && d.data[i] != POISON) return 0;
  }
  return 1;
}

/* Every element by `right`(m, n, value); then the frame. */
template <class Right>
static void each_result(const char *what, const problem &p, const layout &l,
                        Right right) {
  const matrix d = run(p, l);
  size_t i = 0;
  for (; i < p.M * p.N; ++i) {
    const size_t m = i / p.N, n = i % p.N;
    if (!right(
            m, n,
            at(d.host(), l.d_type, l.d_columns ? n * d.ld + m : m * d.ld + n)))
      break;
  }
  verdict(i == p.M * p.N, what, p.M, p.N, i);
  verdict(frame_is_poison(d, l.d_columns ? p.N : p.M, l.d_columns ? p.M : p.N),
          "written outside", p.M, p.N, 0);
}

/* As numbers: the sign of a zero is no promise. */
static void check_integers(const problem &p, const layout &l) {
  each_result("integers", p, l, [&](size_t m, size_t n, double got) {
    uint32_t code = 0;
    const double want = (double)l.alpha * p.sum[m * p.N + n] +
                        (double)l.beta * (double)old_d(m, n) +
                        (l.has_bias ? (double)bias_of(m) : 0);
    sste_priv_save(&code, l.d_type, 0, (float)want);
    return got == at(&code, l.d_type, 0);
  });
}

/* A sum of floats within its bound. */
static void check_floats(const problem &p, const layout &l,
                         sste_mma_model model) {
  const double bound =
      sste_mma_bound(sste_mma_sparse(operand(p.type), 32), model, up(p.K) / 2);
  each_result("floats", p, l, [&](size_t m, size_t n, double got) {
    const size_t i = m * p.N + n;
    return fabs(got - p.sum[i]) <= bound * p.size[i];
  });
}

struct product_shape {
  size_t M, N, K, before, between;
};
static const product_shape products[] = {
    {1, 1, 4, 0, 0},      {16, 8, 32, 0, 0},      {128, 64, 64, 0, 0},
    {17, 9, 36, 1, 1},    {33, 65, 68, 0, 3},     {127, 63, 60, 0, 0},
    {129, 65, 132, 2, 2}, {32, 32, 64, 8, 8},     {200, 100, 260, 4, 4},
    {64, 16, 4096, 0, 0}, {257, 130, 1028, 0, 8}, {512, 384, 512, 0, 0},
    {5, 7, 0, 0, 1},      {3, 0, 8, 0, 0},        {0, 3, 8, 0, 0}};

static void test_gemm(sste_mma_model (*model)(sste_mma_type)) {
  begin("gemm");
  for (const product_shape &s : products)
    for (const sste_type type : halves) {
      const problem integers =
          make(s.M, s.N, s.K, s.before, s.between, type, SSTE_DRAW_INTEGERS);
      const problem floats =
          make(s.M, s.N, s.K, s.before, s.between, type, SSTE_DRAW_NORMAL);
      for (int i = 0; i < 12; ++i) {
        const layout plain = {i & 1, i >> 1 & 1, types[i / 4], 1, 0, 0};
        const layout full = {i & 1, i >> 1 & 1, types[i / 4], -2, 3, 1};
        check_integers(integers, plain);
        check_integers(integers, full);
        if (i < 4) check_floats(floats, plain, model(operand(type)));
      }
    }
  end("exact on integers, bound on floats");
}

/* The sums as the model has them; K a multiple of 32. */
static std::vector<float> by_the_model(const problem &p,
                                       sste_mma_model (*model)(sste_mma_type)) {
  const sste_mma_op op = sste_mma_sparse(operand(p.type), 32);
  std::vector<float> d(p.M * p.N);
  bytes meta(p.meta.size());
  verdict(
      sste_mma_meta_reorder(meta.data(), SSTE_MMA_ROW_MAJOR, p.meta.data(),
                            SSTE_MMA_CUTLASS2, op.a, up(p.M), p.K) == SSTE_OK &&
          sste_mma_product(d.data(), p.N, p.values.host(), p.values.ld,
                           meta.data(), p.K / 8, p.columns.host(), p.columns.ld,
                           p.M, p.N, p.K, op, model(op.a), NULL,
                           NULL) == SSTE_OK,
      "the CPU's own", p.M, p.N, 0);
  return d;
}

/* Which sums are NaN, and which infinite. Products of float16 do not overflow a
 * float, so that this does not hang on the order of a sum. */
static void test_gemm_specials() {
  const problem p = make(48, 24, 96, 0, 0, SSTE_FLOAT16, SSTE_DRAW_NANS);
  const problem q = make(48, 24, 32, 0, 0, SSTE_FLOAT16, SSTE_DRAW_SPECIALS);
  const layout plain = {0, 0, SSTE_FLOAT32, 1, 0, 0};
  begin("gemm, specials");
  for (const problem *one : {&p, &q}) {
    const std::vector<float> want = by_the_model(*one, sste_mma_ampere);
    each_result("class", *one, plain, [&](size_t m, size_t n, double got) {
      const double w = want[m * one->N + n];
      if (isnan(w)) return isnan(got) != 0;
      return isinf(w) ? got == w : isfinite(got) != 0;
    });
  }
  end("the same NaNs and infinities");
}

/* Not promised on hardware, whose sparse steps nobody has published: told. */
static void tell_of_the_model(sste_mma_model (*model)(sste_mma_type)) {
  const layout plain = {0, 0, SSTE_FLOAT32, 1, 0, 0};
  for (const sste_type type : halves) {
    const problem p = make(64, 64, 512, 0, 0, type, SSTE_DRAW_NORMAL);
    const std::vector<float> want = by_the_model(p, model);
    const matrix d = run(p, plain);
    unsigned long same = 0;
    for (size_t i = 0; i < want.size(); ++i)
      same += memcmp(&want[i], d.host() + 4 * i, 4) == 0;
    printf("  of %lu sums of %s, %lu have the bits of this GPU's model\n",
           (unsigned long)want.size(),
           type == SSTE_FLOAT16 ? "float16" : "bfloat16", same);
  }
}

/* ---- 6. Fragments -------------------------------------------------------- */

/* One warp: what ldmatrix puts where, and what mma.sp makes of it. */
struct fragments {
  uint16_t values[16 * 16], columns[8 * 32], rows[32 * 8];
  uint32_t e[32];
  uint32_t a[4 * 32], b[4 * 32], b_trans[4 * 32]; /* out */
  float d[4 * 32];                                /* in and out */
  int selector, bf16;
};

__global__ void dump(fragments *f) {
  __shared__ __align__(16) uint16_t values[16 * 16], columns[8 * 32];
  __shared__ __align__(16) uint16_t rows[32 * 8];
  const int l = (int)threadIdx.x;
  const void *row;
  uint32_t a[4], b[4], b_trans[4], e[1];
  float d[4];
  for (int i = l; i < 16 * 16; i += 32) {
    values[i] = f->values[i];
    columns[i] = f->columns[i];
    rows[i] = f->rows[i];
  }
  __syncthreads();
  row = values + (l % 8 + l / 8 % 2 * 8) * 16 + l / 16 * 8;
  sste_block_ldmatrix(a, 4, &row, 32, 0);
  row = columns + l % 8 * 32 + l / 8 * 8;
  sste_block_ldmatrix(b, 4, &row, 32, 0);
  row = rows + l * 8;
  sste_block_ldmatrix(b_trans, 4, &row, 32, 1);
  e[0] = f->e[l];
  for (int r = 0; r < 4; ++r) d[r] = f->d[32 * r + l];
  if (f->selector == 0)
    SSTE_BLOCK_MMA_SP(f->bf16, 0, 32, d, 4, a, 4, b, 4, e, 1);
  else
    SSTE_BLOCK_MMA_SP(f->bf16, 1, 32, d, 4, a, 4, b, 4, e, 1);
  for (int r = 0; r < 4; ++r) {
    f->a[32 * r + l] = a[r];
    f->b[32 * r + l] = b[r];
    f->b_trans[32 * r + l] = b_trans[r];
    f->d[32 * r + l] = d[r];
  }
}

/* Small integers, random legal nibbles; lanes of the other selector hold
 * anything. `want` becomes what sste_mma.h says. */
static void fill(fragments *f, fragments *want, uint64_t seed) {
  static const uint8_t legal[] = {0x4, 0x8, 0x9, 0xC, 0xD, 0xE};
  const sste_type type = f->bf16 ? SSTE_BFLOAT16 : SSTE_FLOAT16;
  const sste_mma_op op = sste_mma_sparse(operand(type), 32);
  uint8_t meta[64];
  float x[3 * 256];
  uint32_t c[4 * 32];
  sste_check_tensor_draw(x, 256, 3, 256, SSTE_DRAW_INTEGERS, seed);
  for (size_t i = 0; i < 256; ++i) {
    sste_priv_save(f->values, type, i, x[i]);
    sste_priv_save(f->columns, type, i, x[256 + i]);
    sste_priv_save(f->rows, type, i % 32 * 8 + i / 32, x[256 + i]);
  }
  for (size_t i = 0; i < 128; ++i) f->d[i] = x[512 + i];
  for (size_t i = 0; i < 64; ++i) {
    const uint32_t word = (uint32_t)(seed * 64 + i) * 2654435761u >> 8;
    meta[i] = (uint8_t)(legal[word % 6] | legal[word / 6 % 6] << 4);
  }
  for (size_t i = 0; i < 32; ++i) f->e[i] = 0xCACACACAu;
  *want = *f;
  memcpy(c, f->d, sizeof c);
  verdict(
      sste_mma_meta_load(f->e, op, f->selector, meta, 4) == SSTE_OK &&
          sste_mma_load(want->a, op, SSTE_MMA_A, f->values, 16) == SSTE_OK &&
          sste_mma_load(want->b, op, SSTE_MMA_B, f->columns, 32) == SSTE_OK &&
          sste_mma_sp((uint32_t *)want->d, want->a, want->b, c, f->e,
                      f->selector, op, sste_mma_ampere(op.a), NULL,
                      NULL) == SSTE_OK,
      "the CPU's own", 16, 8, seed);
  memcpy(want->b_trans, want->b, sizeof want->b);
}

static void test_fragments() {
  begin("fragments");
  for (int i = 0; i < 256; ++i) {
    fragments f, want;
    memset(&f, POISON, sizeof f);
    f.bf16 = i & 1;
    f.selector = i >> 1 & 1;
    fill(&f, &want, (uint64_t)i);
    bytes got = bytes_of(f);
    const on_device d(got);
    dump<<<1, 32>>>((fragments *)d.p);
    must(cudaGetLastError(), "launch");
    d.read(&got);
    memcpy(&f, got.data(), sizeof f);
    verdict(memcmp(f.a, want.a, sizeof f.a) == 0, "A by ldmatrix", 16, 16, 0);
    verdict(memcmp(f.b, want.b, sizeof f.b) == 0, "B by ldmatrix", 32, 8, 0);
    verdict(memcmp(f.b_trans, want.b_trans, sizeof f.b) == 0,
            "B by ldmatrix.trans", 32, 8, 0);
    int equal = 1;
    for (int k = 0; k < 128; ++k) equal &= f.d[k] == want.d[k];
    verdict(equal, f.selector ? "mma.sp, selector 1" : "mma.sp, selector 0", 16,
            8, 0);
  }
  end("sste_mma.h");
}

/* ---- 7. The device and the stream ---------------------------------------- */

static void test_self_check() {
  begin("self_check");
  bytes failed(sizeof(int), POISON);
  const on_device d(failed);
  verdict(sste_cuda_self_check((int *)d.p, NULL) == SSTE_OK, "status", 0, 0, 0);
  d.read(&failed);
  same_bytes(failed, bytes_of(0), "a promise is broken", 0, 0);
  end("0");
}

/* A step recorded as a graph, then replayed: what allocates, waits or uses
 * another stream cannot be recorded. */
static void test_capture() {
  const shape s = {64, 128, 0, 0, 0};
  const matrix w = drawn(s, SSTE_FLOAT32, SSTE_DRAW_WEIGHTS, 3);
  const matrix x = drawn(s, SSTE_BFLOAT16, SSTE_DRAW_NORMAL, 4);
  matrix values = poisoned(half_of(s), 2);
  float beta = 0;
  bytes meta, got_values = values.data, got(64 * 64 * 4), again = got;
  size_t need = 0;
  cudaStream_t stream;
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  sste_status status;
  begin("capture");
  status = sste_cuda_beta_bytes(&need, s.rows, s.cols);
  const on_device d_w(w.data), d_x(x.data), d_values(values.data);
  const on_device scratch(bytes(need, 0)), d_beta(bytes_of(beta));
  const on_device d_meta(bytes(64 * 128 / 8)), d_z(got);
  sste_cuda_gemm_args g = sste_cuda_gemm_of(64, 64, 128, SSTE_BFLOAT16);
  g.values = d_values.p;
  g.meta = d_meta.p;
  g.b = d_x.p;
  g.d = d_z.p;
  must(cudaStreamCreate(&stream), "stream");
  must(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "capture");
  if (status == SSTE_OK)
    status = sste_cuda_beta((float *)d_beta.p, (const float *)d_w.p, w.ld,
                            s.rows, s.cols, scratch.p, need, stream);
  if (status == SSTE_OK)
    status = sste_cuda_project_compress(
        d_values.p, values.ld, d_meta.p, (const float *)d_w.p, w.ld, s.rows,
        s.cols, SSTE_BFLOAT16, (const float *)d_beta.p, stream);
  if (status == SSTE_OK) status = sste_cuda_gemm(&g, stream);
  verdict(status == SSTE_OK, "status", s.rows, s.cols, (size_t)status);
  must(cudaStreamEndCapture(stream, &graph), "capture");
  must(cudaGraphInstantiateWithFlags(&exec, graph, 0), "graph");
  must(cudaGraphLaunch(exec, stream), "graph");
  d_values.read(&got_values);
  d_z.read(&got);
  verdict(sste_tensor_beta(&beta, (const float *)w.host(), w.ld, s.rows,
                           s.cols) == SSTE_OK,
          "the CPU's own", s.rows, s.cols, 0);
  compressed(s, projected(s, w, SSTE_BFLOAT16, beta), SSTE_BFLOAT16, &values,
             &meta);
  same_bytes(got_values, values.data, "replayed", s.rows, s.cols);
  verdict(sste_cuda_gemm(&g, NULL) == SSTE_OK, "status", 64, 64, 0);
  d_z.read(&again);
  same_bytes(got, again, "replayed product", 64, 64);
  must(cudaGraphExecDestroy(exec), "graph");
  must(cudaGraphDestroy(graph), "graph");
  must(cudaStreamDestroy(stream), "stream");
  end("memcmp");
}

int main() {
  cudaDeviceProp gpu;
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess || devices == 0) {
    fprintf(stderr, "test_cuda: no GPU: %s\n",
            error != cudaSuccess ? cudaGetErrorString(error) : "none is there");
    return 2;
  }
  must(cudaGetDeviceProperties(&gpu, 0), "properties");
  printf("%s, compute capability %d.%d\n", gpu.name, gpu.major, gpu.minor);
  test_self_check();
  test_fragments();
  test_project();
  test_mask();
  test_transposable();
  test_beta();
  test_encode();
  test_decode();
  test_mvue();
  test_compress();
  test_decompress();
  test_project_compress();
  test_gemm(generation(gpu.major, gpu.minor));
  test_gemm_specials();
  tell_of_the_model(generation(gpu.major, gpu.minor));
  test_capture();
  printf("%s\n", all_wrong == 0 ? "all is as on the CPU" : "FAILED");
  return all_wrong == 0 ? 0 : 1;
}
