/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: 2026 The sste authors
 *
 * probe_mma.cu - asks a GPU how its sparse instructions add, by sste_mma_probe.
 *
 *   nvcc -arch=native -I. tests/probe_mma.cu -o probe_mma && ./probe_mma
 *
 * in the folder of the headers, with CUDA 12.5 or later; sm_80 at least, and
 * sm_89 for 8-bit floats (where there is no GPU, name one: -arch=sm_89). It
 * takes seconds. The answer is one chip's: record it
 * with the GPU's name, its compute capability and the version of nvcc, for
 * where the hardware lacks an instruction it is that of ptxas's replacement.
 *
 * Exits with 0 if every form was probed, 1 if CUDA failed or a form was not
 * built, 2 if there is no GPU.
 */
#include <stdio.h>

#include "sste_mma.h"

/* ---- The instructions, one kernel each ----------------------------------- */

/* What goes into a warp and comes out; `executed` stays 0 where the kernel was
 * built without its instruction. */
struct warp_registers {
  uint32_t a[4 * 32], b[4 * 32], c[4 * 32], e[32], d[4 * 32];
  int executed;
};

/* A and B in four registers each, or in two. The selector is 0. */
#define PROBE_FOUR(instruction)                                              \
  asm volatile("mma.sp::ordered_metadata.sync.aligned." instruction          \
               " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9, %10, %11}, "   \
               "{%12, %13, %14, %15}, %16, 0x0;"                             \
               : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])              \
               : "r"(w->a[l]), "r"(w->a[32 + l]), "r"(w->a[64 + l]),         \
                 "r"(w->a[96 + l]), "r"(w->b[l]), "r"(w->b[32 + l]),         \
                 "r"(w->b[64 + l]), "r"(w->b[96 + l]), "f"(c[0]), "f"(c[1]), \
                 "f"(c[2]), "f"(c[3]), "r"(w->e[l]))
#define PROBE_TWO(instruction)                                       \
  asm volatile("mma.sp::ordered_metadata.sync.aligned." instruction  \
               " {%0, %1, %2, %3}, {%4, %5}, {%6, %7}, "             \
               "{%8, %9, %10, %11}, %12, 0x0;"                       \
               : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])      \
               : "r"(w->a[l]), "r"(w->a[32 + l]), "r"(w->b[l]),      \
                 "r"(w->b[32 + l]), "f"(c[0]), "f"(c[1]), "f"(c[2]), \
                 "f"(c[3]), "r"(w->e[l]))

#define PROBE_KERNEL(name, execute)                                       \
  __global__ void name(warp_registers *w) {                               \
    const int l = (int)threadIdx.x;                                       \
    float c[4], d[4];                                                     \
    for (int r = 0; r < 4; ++r) c[r] = __uint_as_float(w->c[32 * r + l]); \
    execute;                                                              \
    for (int r = 0; r < 4; ++r) w->d[32 * r + l] = __float_as_uint(d[r]); \
    w->executed = 1;                                                      \
  }

PROBE_KERNEL(f16_k16, PROBE_TWO("m16n8k16.row.col.f32.f16.f16.f32"))
PROBE_KERNEL(f16_k32, PROBE_FOUR("m16n8k32.row.col.f32.f16.f16.f32"))
PROBE_KERNEL(bf16_k16, PROBE_TWO("m16n8k16.row.col.f32.bf16.bf16.f32"))
PROBE_KERNEL(bf16_k32, PROBE_FOUR("m16n8k32.row.col.f32.bf16.bf16.f32"))
PROBE_KERNEL(tf32_k16, PROBE_FOUR("m16n8k16.row.col.f32.tf32.tf32.f32"))
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 890
PROBE_KERNEL(e4m3_k64, PROBE_FOUR("m16n8k64.row.col.f32.e4m3.e4m3.f32"))
PROBE_KERNEL(e5m2_k64, PROBE_FOUR("m16n8k64.row.col.f32.e5m2.e5m2.f32"))
#else
__global__ void e4m3_k64(warp_registers *) {}
__global__ void e5m2_k64(warp_registers *) {}
#endif

/* ---- Asking -------------------------------------------------------------- */

struct question {
  void (*kernel)(warp_registers *);
  warp_registers *on_device;
  int executed;
};

static sste_status cuda_status(cudaError_t error, const char *what) {
  if (error == cudaSuccess) return SSTE_OK;
  fprintf(stderr, "probe_mma: %s: %s\n", what, cudaGetErrorString(error));
  return SSTE_ERR_VALUE;
}

/* An sste_mma_run. */
static sste_status ask(void *context, uint32_t *d, const uint32_t *a,
                       const uint32_t *b, const uint32_t *c,
                       const uint32_t *e) {
  question *q = (question *)context;
  warp_registers w;
  sste_status s;
  memset(&w, 0, sizeof w);
  memcpy(w.a, a, sizeof w.a);
  memcpy(w.b, b, sizeof w.b);
  memcpy(w.c, c, sizeof w.c);
  memcpy(w.e, e, sizeof w.e);
  s = cuda_status(
      cudaMemcpy(q->on_device, &w, sizeof w, cudaMemcpyHostToDevice),
      "copy to the GPU");
  if (s != SSTE_OK) return s;
  q->kernel<<<1, 32>>>(q->on_device);
  s = cuda_status(cudaGetLastError(), "launch");
  if (s == SSTE_OK) s = cuda_status(cudaDeviceSynchronize(), "kernel");
  if (s == SSTE_OK)
    s = cuda_status(
        cudaMemcpy(&w, q->on_device, sizeof w, cudaMemcpyDeviceToHost),
        "copy from the GPU");
  if (s != SSTE_OK) return s;
  q->executed = w.executed;
  if (!w.executed) return SSTE_ERR_VALUE;
  memcpy(d, w.d, sizeof w.d);
  return SSTE_OK;
}

static void print_finding(const char *name, sste_mma_op op,
                          const sste_mma_finding *found) {
  static const struct {
    const char *name;
    sste_mma_model (*of)(sste_mma_type operand);
  } named[] = {{"Ampere", sste_mma_ampere},
               {"Ada", sste_mma_ada},
               {"Hopper mma", sste_mma_hopper},
               {"Hopper wgmma", sste_mma_hopper_wgmma},
               {"Blackwell", sste_mma_blackwell}};
  const char *comma = "";
  printf("%s: F %d, output %d, late %d, steps %d:", name, found->fraction,
         found->output, found->late, found->steps);
  for (int i = 0; i < found->kept; ++i) printf(" %d", found->step[i]);
  printf("\n  as ");
  for (const auto &model : named)
    if (sste_mma_agrees(found, op, model.of(op.a))) {
      printf("%s%s", comma, model.name);
      comma = ", ";
    }
  printf("%s\n", *comma == '\0' ? "none of the named models" : "");
}

/* Every form that a GPU of this compute capability has; whether all answered.
 */
static int probe_all(int capability, warp_registers *on_device) {
  const struct {
    const char *name;
    sste_mma_type type;
    int k, since;
    void (*kernel)(warp_registers *);
  } forms[] = {{"f16 m16n8k16", SSTE_MMA_F16, 16, 80, f16_k16},
               {"f16 m16n8k32", SSTE_MMA_F16, 32, 80, f16_k32},
               {"bf16 m16n8k16", SSTE_MMA_BF16, 16, 80, bf16_k16},
               {"bf16 m16n8k32", SSTE_MMA_BF16, 32, 80, bf16_k32},
               {"tf32 m16n8k16", SSTE_MMA_TF32, 16, 80, tf32_k16},
               {"e4m3 m16n8k64", SSTE_MMA_E4M3, 64, 89, e4m3_k64},
               {"e5m2 m16n8k64", SSTE_MMA_E5M2, 64, 89, e5m2_k64}};
  int answered = 1;
  for (const auto &form : forms) {
    const sste_mma_op op = sste_mma_sparse(form.type, form.k);
    question q = {form.kernel, on_device, 1};
    sste_mma_finding found;
    if (capability < form.since) {
      printf("%s: not on this GPU\n", form.name);
    } else if (sste_mma_probe(&found, op, ask, &q) == SSTE_OK) {
      print_finding(form.name, op, &found);
    } else {
      if (!q.executed)
        fprintf(stderr, "probe_mma: %s: build with -arch=sm_89 or later\n",
                form.name);
      answered = 0;
    }
  }
  return answered;
}

int main() {
  cudaDeviceProp gpu;
  warp_registers *on_device = NULL;
  int devices = 0, answered;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess || devices == 0) {
    fprintf(stderr, "probe_mma: no GPU: %s\n",
            error != cudaSuccess ? cudaGetErrorString(error) : "none is there");
    return 2;
  }
  if (cuda_status(cudaGetDeviceProperties(&gpu, 0), "properties") != SSTE_OK ||
      cuda_status(cudaMalloc((void **)&on_device, sizeof *on_device),
                  "memory") != SSTE_OK)
    return 1;
  printf("%s, compute capability %d.%d\n", gpu.name, gpu.major, gpu.minor);
  answered = probe_all(10 * gpu.major + gpu.minor, on_device);
  if (cuda_status(cudaFree(on_device), "memory") != SSTE_OK) answered = 0;
  return answered ? 0 : 1;
}
