/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * cuda/warp.cuh - the small layer that kernel bodies are written over, so that
 * nvcc compiles them for a GPU and a C compiler runs the same text on a CPU.
 *
 * A body is an inline function that one block of threads runs. What every
 * thread does for itself stands in a region; what threads do together stands
 * between regions:
 *
 *     SSTE_REGS(float, x, 128, 4);            four registers a thread
 *     SSTE_EACH_THREAD(t, 128) { x[SSTE_AT(t)][0] = shared[t]; }
 *     SSTE_BARRIER(block);
 *     SSTE_BLOCK_MMA_SP(...);                 all 32 lanes of every warp
 *
 *                       on the GPU                 on the CPU
 *   SSTE_EACH_THREAD    once, for this thread      a loop over the block
 *   SSTE_REGS           registers of this thread   an array over the block
 *   SSTE_AT(t)          0                          t
 *   SSTE_BLOCK_MMA_SP   one instruction of PTX     sste_mma_sp, warp by warp
 *   sste_copy16         cp.async                   made at the barrier after
 *                                                  the wait; spoilt till then
 *
 * So a missing wait or barrier after a copy, and a buffer refilled while it is
 * still in use, show on the CPU as wrong results. What cannot show: a missing
 * barrier between plain accesses to shared memory, races within a region, bank
 * conflicts, divergence, and what only nvcc compiles: PTX, launches.         */
#ifndef SSTE_CUDA_WARP_CUH
#define SSTE_CUDA_WARP_CUH

#ifndef SSTE_CUDA_H
#error "include sste_cuda.h"
#endif

#ifdef __CUDACC__

#define SSTE_BODY static __device__ __forceinline__
#define SSTE_REGS(type, name, threads, count) type name[1][count]
#define SSTE_AT(t) 0
#define SSTE_EACH_THREAD(t, threads) \
  for (int t = (int)threadIdx.x, sste_once = 1; sste_once; sste_once = t & 0)
#ifdef __CUDA_ARCH__
#define SSTE_UNROLL _Pragma("unroll")
#define SSTE_ROLLED _Pragma("unroll 1")
#else /* the host's half of an SSTE_HD function */
#define SSTE_UNROLL
#define SSTE_ROLLED
#endif

/* Where a block is in its grid. The CPU's has its unfinished copies as well. */
typedef struct sste_block {
  int x, y;
  uint8_t *shared;
} sste_block;
SSTE_BODY sste_block sste_this_block(void) {
  sste_block block;
  block.x = (int)blockIdx.x;
  block.y = (int)blockIdx.y;
  block.shared = NULL;
  return block;
}

#else /* a C compiler */

#define SSTE_BODY static inline
#define SSTE_REGS(type, name, threads, count) type name[threads][count]
#define SSTE_AT(t) (t)
#define SSTE_EACH_THREAD(t, threads) for (int t = 0; t < (threads); ++t)
#define SSTE_UNROLL
#define SSTE_ROLLED

enum { SSTE_PRIV_COPIES = 1 << 14 };
typedef struct sste_priv_copy {
  void *to;
  uint8_t bytes[16];
  int group; /* the commit it belongs to */
} sste_priv_copy;

typedef struct sste_block {
  int x, y;
  uint8_t *shared;
  int groups;   /* commits so far */
  int finished; /* of these, waited for */
  int pending;  /* copies not yet made */
  sste_priv_copy copy[SSTE_PRIV_COPIES];
} sste_block;

#endif

/* ---- One item a thread --------------------------------------------------- */

/* A body for one item, a group or an element, is an SSTE_HD function of its
 * arguments and the item's number: the CPU calls the same. SSTE_ITEMS makes of
 * it a kernel whose threads take items in turn, and a launcher for n items.  */
#ifdef __CUDACC__

#define SSTE_ITEMS(name)                                                     \
  __global__ void name##_kernel(const name##_args args, size_t n) {          \
    const size_t all = (size_t)gridDim.x * blockDim.x;                       \
    size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;                \
    for (; i < n; i += all) name##_item(&args, i);                           \
  }                                                                          \
  static inline sste_status name##_launch(const name##_args *args, size_t n, \
                                          sste_cuda_stream stream) {         \
    if (n == 0) return SSTE_OK;                                              \
    void *list[] = {(void *)args, &n};                                       \
    return sste_priv_cuda_launch((const void *)name##_kernel,                \
                                 dim3(sste_priv_cuda_blocks(n, 256)), 256,   \
                                 list, 0, stream);                           \
  }

/* Blocks for n items: enough to fill any GPU, and few enough to stay legal. */
static inline unsigned sste_priv_cuda_blocks(size_t n, size_t threads) {
  const size_t blocks = (n - 1) / threads + 1, most = 1 << 20;
  return (unsigned)(blocks < most ? blocks : most);
}
/* A launch, by its own status: cudaGetLastError's might be an older error. */
static inline sste_status sste_priv_cuda_launch(const void *kernel, dim3 grid,
                                                unsigned threads, void *args[],
                                                size_t shared,
                                                sste_cuda_stream stream) {
  return cudaLaunchKernel(kernel, grid, dim3(threads), args, shared, stream) ==
                 cudaSuccess
             ? SSTE_OK
             : SSTE_ERR_DEVICE;
}

/* And of a body for a block of `threads`: body(&args, &block) on a grid. */
#define SSTE_BLOCKS(name, threads)                                             \
  __global__ void __launch_bounds__(threads)                                   \
      name##_kernel(const name##_args args) {                                  \
    sste_block block = sste_this_block();                                      \
    name##_block(&args, &block);                                               \
  }                                                                            \
  static inline sste_status name##_launch(const name##_args *args, size_t x,   \
                                          size_t y, sste_cuda_stream stream) { \
    if (x == 0 || y == 0) return SSTE_OK;                                      \
    if (x > 0x7FFFFFFF || y > 65535) return SSTE_ERR_SIZE;                     \
    void *list[] = {(void *)args};                                             \
    return sste_priv_cuda_launch((const void *)name##_kernel,                  \
                                 dim3((unsigned)x, (unsigned)y), threads,      \
                                 list, 0, stream);                             \
  }

/* The same, with `bytes` of shared memory at block->shared, aligned to 16. */
#define SSTE_BLOCKS_SHARED(name, threads, bytes)                               \
  __global__ void __launch_bounds__(threads)                                   \
      name##_kernel(const name##_args args) {                                  \
    extern __shared__ uint4 sste_shared[];                                     \
    sste_block block = sste_this_block();                                      \
    block.shared = (uint8_t *)sste_shared;                                     \
    name##_block(&args, &block);                                               \
  }                                                                            \
  static inline sste_status name##_launch(const name##_args *args, size_t x,   \
                                          size_t y, sste_cuda_stream stream) { \
    if (x == 0 || y == 0) return SSTE_OK;                                      \
    if (x > 0x7FFFFFFF || y > 65535) return SSTE_ERR_SIZE;                     \
    if (cudaFuncSetAttribute(name##_kernel,                                    \
                             cudaFuncAttributeMaxDynamicSharedMemorySize,      \
                             (int)(bytes)) != cudaSuccess)                     \
      return SSTE_ERR_DEVICE;                                                  \
    void *list[] = {(void *)args};                                             \
    return sste_priv_cuda_launch((const void *)name##_kernel,                  \
                                 dim3((unsigned)x, (unsigned)y), threads,      \
                                 list, bytes, stream);                         \
  }
#define SSTE_SHARED __shared__
#define SSTE_CUDA_API extern "C"

#else

#define SSTE_BLOCKS(name, threads)                                             \
  static inline sste_status name##_launch(const name##_args *args, size_t x,   \
                                          size_t y, sste_cuda_stream stream) { \
    static sste_block block; /* too large for a stack */                       \
    size_t i, j;                                                               \
    (void)stream;                                                              \
    for (j = 0; j < y; ++j)                                                    \
      for (i = 0; i < x; ++i) {                                                \
        block.x = (int)i;                                                      \
        block.y = (int)j;                                                      \
        block.groups = block.finished = block.pending = 0;                     \
        name##_block(args, &block);                                            \
      }                                                                        \
    return SSTE_OK;                                                            \
  }
#define SSTE_BLOCKS_SHARED(name, threads, bytes)                               \
  static inline sste_status name##_launch(const name##_args *args, size_t x,   \
                                          size_t y, sste_cuda_stream stream) { \
    static sste_block block;                                                   \
    static uint64_t shared[(bytes) / 8 + 2];                                   \
    size_t i, j;                                                               \
    (void)stream;                                                              \
    for (j = 0; j < y; ++j)                                                    \
      for (i = 0; i < x; ++i) {                                                \
        block.x = (int)i;                                                      \
        block.y = (int)j;                                                      \
        block.groups = block.finished = block.pending = 0;                     \
        block.shared = (uint8_t *)shared + (0 - (uintptr_t)shared) % 16;       \
        memset(shared, 0xFF, sizeof shared);                                   \
        name##_block(args, &block);                                            \
        if (block.pending != 0)                                                \
          return SSTE_ERR_DEVICE; /* unfinished copies */                      \
      }                                                                        \
    return SSTE_OK;                                                            \
  }
#define SSTE_SHARED static /* one block at a time; filled by the last one */
#define SSTE_CUDA_API      /* one test program, one definition */

#define SSTE_ITEMS(name)                                                     \
  static inline sste_status name##_launch(const name##_args *args, size_t n, \
                                          sste_cuda_stream stream) {         \
    size_t i;                                                                \
    (void)stream;                                                            \
    for (i = 0; i < n; ++i) name##_item(args, i);                            \
    return SSTE_OK;                                                          \
  }

#endif

/* ---- Groups of four ------------------------------------------------------ */

/* Elements i to i + 3 of floats, float16 or bfloat16, along a row. On the GPU
 * in one access where they are aligned to their size. */
SSTE_HD static inline void sste_priv_cuda_load4(float a[4], const void *p,
                                                sste_type type, size_t i) {
  int k;
#ifdef __CUDA_ARCH__
  if (type == SSTE_FLOAT32) {
    const float *x = (const float *)p + i;
    if (((uintptr_t)x & 15) == 0) {
      const float4 v = *(const float4 *)x;
      a[0] = v.x, a[1] = v.y, a[2] = v.z, a[3] = v.w;
    } else
      for (k = 0; k < 4; ++k) a[k] = x[k];
  } else {
    const uint16_t *x = (const uint16_t *)p + i;
    ushort4 v;
    if (((uintptr_t)x & 7) == 0)
      v = *(const ushort4 *)x;
    else
      v = make_ushort4(x[0], x[1], x[2], x[3]);
    if (type == SSTE_FLOAT16) {
      a[0] = sste_priv_from_float16(v.x), a[1] = sste_priv_from_float16(v.y);
      a[2] = sste_priv_from_float16(v.z), a[3] = sste_priv_from_float16(v.w);
    } else {
      a[0] = sste_priv_float((uint32_t)v.x << 16);
      a[1] = sste_priv_float((uint32_t)v.y << 16);
      a[2] = sste_priv_float((uint32_t)v.z << 16);
      a[3] = sste_priv_float((uint32_t)v.w << 16);
    }
  }
#else
  for (k = 0; k < 4; ++k) a[k] = sste_priv_load(p, type, i + (size_t)k);
#endif
}

/* And stored, as sste_priv_save stores each. */
SSTE_HD static inline void sste_priv_cuda_save4(void *p, sste_type type,
                                                size_t i, const float a[4]) {
  int k;
#ifdef __CUDA_ARCH__
  if (type == SSTE_FLOAT32) {
    float *x = (float *)p + i, v[4];
    for (k = 0; k < 4; ++k) v[k] = sste_priv_stored(a[k]);
    if (((uintptr_t)x & 15) == 0)
      *(float4 *)x = make_float4(v[0], v[1], v[2], v[3]);
    else
      for (k = 0; k < 4; ++k) x[k] = v[k];
  } else {
    uint16_t *x = (uint16_t *)p + i, v[4];
    for (k = 0; k < 4; ++k)
      v[k] = (uint16_t)(type == SSTE_FLOAT16 ? sste_priv_to_float16(a[k])
                                             : sste_priv_to_bfloat16(a[k]));
    if (((uintptr_t)x & 7) == 0)
      *(ushort4 *)x = make_ushort4(v[0], v[1], v[2], v[3]);
    else
      for (k = 0; k < 4; ++k) x[k] = v[k];
  }
#else
  for (k = 0; k < 4; ++k) sste_priv_save(p, type, i + (size_t)k, a[k]);
#endif
}

/* One element. */
SSTE_HD static inline float sste_priv_cuda_load1(const void *p, sste_type type,
                                                 size_t i) {
#ifdef __CUDA_ARCH__
  if (type == SSTE_FLOAT32) return ((const float *)p)[i];
  if (type == SSTE_FLOAT16)
    return sste_priv_from_float16(((const uint16_t *)p)[i]);
  return sste_priv_float((uint32_t)((const uint16_t *)p)[i] << 16);
#else
  return sste_priv_load(p, type, i);
#endif
}
SSTE_HD static inline void sste_priv_cuda_save1(void *p, sste_type type,
                                                size_t i, float x) {
#ifdef __CUDA_ARCH__
  if (type == SSTE_FLOAT32)
    ((float *)p)[i] = sste_priv_stored(x);
  else
    ((uint16_t *)p)[i] =
        (uint16_t)(type == SSTE_FLOAT16 ? sste_priv_to_float16(x)
                                        : sste_priv_to_bfloat16(x));
#else
  sste_priv_save(p, type, i, x);
#endif
}

/* ---- Copies from global to shared memory --------------------------------- */

/* sste_copy16 - the first `bytes` (0 to 16) at `from`, then zeros, to 16 bytes
 * of shared memory; in the background. `from` is aligned to 16, or bytes is 0.
 * sste_copies_commit closes a group of them, sste_copies_wait waits until at
 * most `open` groups are left; a barrier then shows them to all threads.    */
#ifdef __CUDACC__

SSTE_BODY void sste_copy16(sste_block *block, void *to, const void *from,
                           int bytes) {
  const unsigned shared = (unsigned)__cvta_generic_to_shared(to);
  (void)block;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared),
               "l"(__cvta_generic_to_global(from)), "r"(bytes));
}
SSTE_BODY void sste_copies_commit(sste_block *block) {
  (void)block;
  asm volatile("cp.async.commit_group;" ::: "memory");
}
#define sste_copies_wait(block, open) \
  asm volatile("cp.async.wait_group %0;" ::"n"(open) : "memory")
#define SSTE_BARRIER(block) __syncthreads()

#else

static inline void sste_copy16(sste_block *block, void *to, const void *from,
                               int bytes) {
  sste_priv_copy *c = &block->copy[block->pending++];
  memset(c, 0, sizeof *c);
  c->to = to;
  c->group = block->groups;
  if (bytes > 0) memcpy(c->bytes, from, (size_t)bytes);
  if (((uintptr_t)to | (bytes > 0 ? (uintptr_t)from : 0)) % 16 != 0)
    memset(c->bytes, 0xFF, sizeof c->bytes); /* a GPU would trap */
  memset(to, 0xFF, 16);                      /* NaNs, until it arrives */
}
static inline void sste_copies_commit(sste_block *block) { ++block->groups; }
static inline void sste_copies_wait(sste_block *block, int open) {
  if (block->groups - open > block->finished)
    block->finished = block->groups - open;
}
static inline void SSTE_BARRIER(sste_block *block) {
  int i, left = 0;
  for (i = 0; i < block->pending; ++i) {
    const sste_priv_copy c = block->copy[i];
    if (c.group < block->finished)
      memcpy(c.to, c.bytes, sizeof c.bytes);
    else
      block->copy[left++] = c;
  }
  block->pending = left;
}

#endif

/* A 32-bit word of shared memory, at an address that is a multiple of 4. */
SSTE_BODY uint32_t sste_priv_shared_word(const uint8_t *at) {
#ifdef __CUDACC__
  return *(const uint32_t *)(const void *)at;
#else
  uint32_t word;
  memcpy(&word, at, sizeof word);
  return word;
#endif
}

/* ---- Fragments and products ---------------------------------------------- */

/* sste_block_ldmatrix - four 8 x 8 matrices of 16-bit elements per warp: thread
 * 8 q + i of a warp names row i of matrix q, 16 bytes of shared memory; lane l
 * receives in register q elements 2 (l % 4) and the next of row l / 4. With
 * `trans`, those of column l / 4, rows 2 (l % 4) and the next.
 *   regs      the first of four registers of thread 0, `pitch` apart from those
 *             of thread 1
 *   rows      a pointer a thread                                            */

/* SSTE_BLOCK_MMA_SP - D += A B on every warp, m16n8k32: D and A as sste_mma_sp
 * has them. The macro SSTE_BLOCK_MMA_SP wants its selector written as 0 or 1.
 */

#ifdef __CUDACC__

SSTE_BODY void sste_block_ldmatrix(uint32_t *regs, int pitch,
                                   const void *const *rows, int threads,
                                   int trans) {
  const unsigned row = (unsigned)__cvta_generic_to_shared(rows[0]);
  (void)pitch;
  (void)threads;
  if (trans)
    asm volatile(
        "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(regs[0]), "=r"(regs[1]), "=r"(regs[2]), "=r"(regs[3])
        : "r"(row)
        : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(regs[0]), "=r"(regs[1]), "=r"(regs[2]), "=r"(regs[3])
                 : "r"(row)
                 : "memory");
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#error "sste: mma.sp::ordered_metadata needs sm_80 or later"
#endif
#define SSTE_PRIV_SELECTOR_0 "0x0"
#define SSTE_PRIV_SELECTOR_1 "0x1"
#define SSTE_PRIV_MMA_SP(type, sel, d, a, b, e)                          \
  asm volatile(                                                          \
      "mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32." type \
      "." type                                                           \
      ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9,%10,%11}, "             \
      "{%0,%1,%2,%3}, %12, " SSTE_PRIV_SELECTOR_##sel ";"                \
      : "+f"((d)[0]), "+f"((d)[1]), "+f"((d)[2]), "+f"((d)[3])           \
      : "r"((a)[0]), "r"((a)[1]), "r"((a)[2]), "r"((a)[3]), "r"((b)[0]), \
        "r"((b)[1]), "r"((b)[2]), "r"((b)[3]), "r"((e)[0]))
#define SSTE_BLOCK_MMA_SP(bf16, sel, threads, d, dp, a, ap, b, bp, e, ep) \
  do {                                                                    \
    if (bf16)                                                             \
      SSTE_PRIV_MMA_SP("bf16", sel, d, a, b, e);                          \
    else                                                                  \
      SSTE_PRIV_MMA_SP("f16", sel, d, a, b, e);                           \
  } while (0)

#else

static inline void sste_block_ldmatrix(uint32_t *regs, int pitch,
                                       const void *const *rows, int threads,
                                       int trans) {
  int t, q, i;
  for (t = 0; t < threads; ++t) {
    const int first = t / 32 * 32, lane = t % 32;
    for (q = 0; q < 4; ++q) {
      uint16_t pair[2];
      for (i = 0; i < 2; ++i) {
        const int row = trans ? 2 * (lane % 4) + i : lane / 4;
        const int col = trans ? lane / 4 : 2 * (lane % 4) + i;
        memcpy(&pair[i], (const uint8_t *)rows[first + 8 * q + row] + 2 * col,
               2);
      }
      regs[t * pitch + q] = pair[0] | (uint32_t)pair[1] << 16;
    }
  }
}

/* Registers of one warp, from [thread][register] to [register][lane]. */
static inline void sste_priv_block_gather(uint32_t *to, const void *from,
                                          int pitch, int count) {
  int lane, r;
  for (lane = 0; lane < 32; ++lane)
    for (r = 0; r < count; ++r)
      memcpy(&to[32 * r + lane],
             (const uint8_t *)from + 4 * (size_t)(lane * pitch + r), 4);
}

/* The model that the CPU's instruction adds by; a test may set another. */
#ifndef SSTE_BLOCK_MODEL
#define SSTE_BLOCK_MODEL(operand) sste_mma_ampere(operand)
#endif

static inline void sste_priv_block_mma_sp(int bf16, int selector, int threads,
                                          float *d, int dp, const uint32_t *a,
                                          int ap, const uint32_t *b, int bp,
                                          const uint32_t *e, int ep) {
  const sste_mma_op op =
      sste_mma_sparse(bf16 ? SSTE_MMA_BF16 : SSTE_MMA_F16, 32);
  int first, lane, r;
  for (first = 0; first < threads; first += 32) {
    uint32_t D[4 * 32], A[4 * 32], B[4 * 32], E[32];
    sste_priv_block_gather(D, d + first * dp, dp, 4);
    sste_priv_block_gather(A, a + first * ap, ap, 4);
    sste_priv_block_gather(B, b + first * bp, bp, 4);
    sste_priv_block_gather(E, e + first * ep, ep, 1);
    if (sste_mma_sp(D, A, B, D, E, selector, op, SSTE_BLOCK_MODEL(op.a), NULL,
                    NULL) != SSTE_OK)
      memset(D, 0xFF, sizeof D); /* undefined on hardware; NaN here */
    for (lane = 0; lane < 32; ++lane)
      for (r = 0; r < 4; ++r)
        memcpy(d + (first + lane) * dp + r, &D[32 * r + lane], 4);
  }
}
#define SSTE_PRIV_SELECTOR_0 0
#define SSTE_PRIV_SELECTOR_1 1
#define SSTE_BLOCK_MMA_SP(bf16, sel, threads, d, dp, a, ap, b, bp, e, ep)   \
  sste_priv_block_mma_sp(bf16, SSTE_PRIV_SELECTOR_##sel, threads, d, dp, a, \
                         ap, b, bp, e, ep)

#endif

#endif /* SSTE_CUDA_WARP_CUH */
