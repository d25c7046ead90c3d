// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The sste authors
//
// product_eigen.cc - Eigen's products for bench_product.c. Row-major matrices,
// tight; with `tokens` X and Y are given transposed.
#include <Eigen/Dense>
#include <Eigen/Sparse>
#include <cstddef>

using Eigen::Index;
using Rows = Eigen::Matrix<float, -1, -1, Eigen::RowMajor>;
using Cols = Eigen::Matrix<float, -1, -1, Eigen::ColMajor>;
template <class M>
using In = Eigen::Map<const M>;
template <class M>
using Out = Eigen::Map<M>;

static Eigen::SparseMatrix<float, Eigen::RowMajor> csr;

#define TEXT(x) #x
#define VERSION(a, b, c) TEXT(a) "." TEXT(b) "." TEXT(c)

extern "C" {
extern const char eigen_version[];
const char eigen_version[] =
    "Eigen\t" VERSION(EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION,
                      EIGEN_MINOR_VERSION) "\t"
#if defined(__AVX512F__)
    "AVX-512";
#elif defined(__AVX2__)
    "AVX2";
#else
    "other";
#endif

void eigen_dense(float *y, const float *w, const float *x, size_t m, size_t n,
                 size_t k, int tokens) {
  const Index M = Index(m), N = Index(n), K = Index(k);
  const In<Rows> W(w, M, K);
  if (tokens)
    Out<Cols>(y, M, N).noalias() = W * In<Cols>(x, K, N);
  else
    Out<Rows>(y, M, N).noalias() = W * In<Rows>(x, K, N);
}

void eigen_csr_pack(const float *w, size_t m, size_t k) {
  csr = In<Rows>(w, Index(m), Index(k)).sparseView();
}

void eigen_csr(float *y, const float *x, size_t n, int tokens) {
  const Index M = csr.rows(), N = Index(n), K = csr.cols();
  if (tokens)
    Out<Cols>(y, M, N).noalias() = csr * In<Cols>(x, K, N);
  else
    Out<Rows>(y, M, N).noalias() = csr * In<Rows>(x, K, N);
}
}
