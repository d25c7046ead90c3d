#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# cuda.sh - what can be said of the kernels where nvcc is and no GPU: all of it
# compiles and links without a warning for every target, nothing spills, no
# kernel has more registers than it may, each mma.sp of the products is an
# instruction of each target, what must not compile does not, and a C program
# links the kernels. Exits 1 on the first that does not hold.
set -eu
targets="sm_80 sm_89 sm_90 sm_120"
cuda=${CUDA:-/usr/local/cuda}
command -v nvcc >/dev/null || PATH=$PATH:$cuda/bin
command -v nvcc >/dev/null || { echo "cuda: skipped, no nvcc"; exit 0; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
checks=0

# The registers that a thread may have, of a kernel's name: two blocks of 128
# threads of a product on an SM, three blocks of 256 of anything else.
limit() { case $1 in *gemm*) echo 255 ;; *naive*) echo 160 ;; *) echo 80 ;; esac; }

fail() { echo "cuda: $*" >&2; exit 1; }
passed() { checks=$((checks + 1)); echo "cuda: $*"; }

# ---- Compile, link -----------------------------------------------------------

warnings="-Werror all-warnings -Xcompiler -Wall,-Wextra,-Werror"
each="" # every target from its own PTX, and compute_80 PTX for later GPUs
for target in $targets compute_80; do
  each="$each -gencode arch=compute_${target#*_},code=$target"
done
# Every target from one PTX, as a GPU's driver would: fewer runs of a compiler.
shared="-gencode arch=compute_80,code=[$(echo $targets | tr ' ' ,),compute_80]"

compile() { # name flags: messages and ptxas's report to name.log
  name=$1
  shift
  nvcc -O2 -I. $warnings -Xptxas -v "$@" >"$tmp/$name.log" 2>&1 || {
    grep -v '^ptxas info' "$tmp/$name.log" >&2
    return 1
  }
}

blas=""
if printf '#include <cublas_v2.h>\n' | nvcc -E -x cu - >/dev/null 2>&1; then
  blas="-DSSTE_HAVE_CUBLAS=1 -lcublas"
fi
units="kernels test_cuda bench_cuda probe_mma"
mkdir "$tmp/keep"
compile kernels $each --keep --keep-dir "$tmp/keep" -c \
  examples/cuda/kernels.cu -o "$tmp/kernels.o" & kernels=$!
compile test_cuda $shared tests/test_cuda.cu -o "$tmp/test_cuda" & test_cuda=$!
compile bench_cuda $shared $blas bench/bench_cuda.cu -o "$tmp/bench_cuda" &
bench_cuda=$!
compile probe_mma $each tests/probe_mma.cu -o "$tmp/probe_mma" & probe_mma=$!
broken=""
for unit in $units; do
  eval "wait \$$unit" || broken="$broken $unit"
done
[ -z "$broken" ] || fail "does not compile:$broken"
for unit in $units; do
  ! grep -qi advisory "$tmp/$unit.log" || fail "$unit: ptxas has an advisory"
  passed "$unit: compiled for $targets and PTX, no warning, no advisory"
done

# ---- Registers and spills ----------------------------------------------------

# kernel target registers spilt-bytes stack-bytes, a line each
cat "$tmp"/*.log | awk '
  /Compiling entry function/ {
    split($0, part, "\047"); name = part[2]; target = part[4]
    if (match(name, /^_Z[0-9]+/)) # the length of the name that follows it
      name = substr(name, RLENGTH + 1, substr(name, 3, RLENGTH - 2))
    sub(/^sste_priv_/, "", name); sub(/_kernel$/, "", name)
  }
  /bytes stack frame/ { stack = $1; spilt = $5 + $9 }
  / Used [0-9]+ registers/ {
    for (i = 1; i < NF; ++i) if ($i == "Used") used = $(i + 1)
    print name, target, used, spilt, stack
  }' >"$tmp/report"
lines=$(wc -l <"$tmp/report")
[ "$lines" -eq "$(cat "$tmp"/*.log | grep -c 'Compiling entry function')" ] ||
  fail "ptxas reports in another form"
for kernel in $(cut -d' ' -f1 "$tmp/report" | sort -u); do
  grep "^$kernel " "$tmp/report" >"$tmp/one"
  spilt=$(sort -nk4 "$tmp/one" | tail -1 | cut -d' ' -f4)
  stack=$(sort -nk5 "$tmp/one" | tail -1 | cut -d' ' -f5)
  used=$(sort -nk3 "$tmp/one" | tail -1 | cut -d' ' -f3)
  most=$(limit "$kernel")
  [ "$spilt" -eq 0 ] || fail "$kernel spills $spilt bytes"
  [ "$used" -le "$most" ] || fail "$kernel: $used registers, $most allowed"
  note=""
  [ "$stack" -eq 0 ] || note=", $stack bytes of stack"
  passed "$kernel: $used registers of $most, no spills$note"
done

# ---- Is each mma.sp an instruction? ------------------------------------------

version=$(sed -n 's/^\.version //p' "$tmp"/keep/*.ptx | sort -u | tail -1)

# The instructions of 16 bytes, by the size of .text, of a kernel that loads the
# operands of one opcode, executes it and stores the result. d, a, b: how many
# registers these have; e: what follows them.
size_of() { # target opcode d a b e
  awk -v target="$1" -v opcode="$2" -v nd="$3" -v na="$4" -v nb="$5" \
    -v e="$6" -v version="$version" '
    function list(name, n,   i, s) {
      for (i = 0; i < n; ++i) s = s (i ? ", " : "") "%" name i
      return "{" s "}"
    }
    function load(type, name, n,   i) {
      for (i = 0; i < n; ++i)
        printf "  ld.global.%s %%%s%d, [%%p + %d];\n", type, name, i, 4 * at++
    }
    BEGIN {
      printf ".version %s\n.target %s\n.address_size 64\n", version, target
      print ".visible .entry k(.param .u64 where)\n{"
      print "  .reg .b64 %p;\n  .reg .f32 %d<8>;"
      print "  .reg .b32 %a<4>, %b<4>, %e<1>;\n  ld.param.u64 %p, [where];"
      load("f32", "d", nd); load("b32", "a", na); load("b32", "b", nb)
      load("b32", "e", 1)
      printf "  %s %s, %s, %s, %s%s;\n", opcode, list("d", nd),
        list("a", na), list("b", nb), list("d", nd), e
      for (i = 0; i < nd; ++i)
        printf "  st.global.f32 [%%p + %d], %%d%d;\n", 4 * i, i
      print "  ret;\n}"
    }' >"$tmp/one.ptx"
  ptxas -arch="$1" "$tmp/one.ptx" -o "$tmp/one.cubin" >"$tmp/one.out" 2>&1 ||
    fail "ptxas does not take $2 for $1: $(cat "$tmp/one.out")"
  size=$(readelf -SW "$tmp/one.cubin" 2>/dev/null |
    sed 's/^ *\[ *[0-9]*\]//' | awk '$1 == ".text.k" { print $5 }')
  [ -n "$size" ] || fail "readelf shows no .text of $2 for $1"
  echo $((0x$size / 16))
}
sparse_size() { size_of "$1" "$2" 4 4 4 ", %e0, 0x0"; } # target opcode

# 32 to 40 where the opcode is an instruction; 64 to 128 where ptxas puts many
# in its place.
most=48
opcodes=$(grep -oh 'mma\.sp[^ ]*' "$tmp"/keep/*.ptx | sort -u)
[ "$(echo "$opcodes" | wc -l)" -eq 2 ] ||
  fail "the products should have mma.sp for float16 and bfloat16: $opcodes"
for target in $targets; do
  for opcode in $opcodes; do
    n=$(sparse_size $target "$opcode")
    [ "$n" -le $most ] || fail "$target: $opcode is emulated: $n instructions"
    passed "$target: ${opcode##*aligned.}: $n instructions, of $most at most"
  done
  # What ptxas is known to emulate must show, or the check above is none.
  case $target in
    sm_90) n=$(sparse_size $target \
      mma.sp::ordered_metadata.sync.aligned.m16n8k64.row.col.f32.e4m3.e4m3.f32) ;;
    sm_120) n=$(sparse_size $target \
      mma.sp.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32) ;;
    *) n=$(size_of $target mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 \
      8 2 2 "") ;;
  esac
  [ "$n" -gt $most ] || fail "$target: an emulated mma is not seen"
  passed "$target: an mma that is emulated shows: $n instructions"
done

# ---- What must not compile ---------------------------------------------------

refused() { # message flags
  message=$1
  shift
  ! nvcc -I. -cubin -o "$tmp/refused" "$@" >"$tmp/refused.log" 2>&1 ||
    fail "compiles: $message"
  grep -q "$message" "$tmp/refused.log" || {
    cat "$tmp/refused.log" >&2
    fail "refused for another reason than: $message"
  }
  passed "refused: $message"
}
cat >"$tmp/selector.cu" <<'END'
#include "sste_cuda.h"
__global__ void third_selector(float *d, uint32_t *a) {
  SSTE_BLOCK_MMA_SP(0, 2, 32, d, 4, a, 4, a, 4, a, 1);
}
END
refused "needs sm_80" -arch=sm_75 examples/cuda/kernels.cu
refused "SELECTOR_2" -arch=sm_80 "$tmp/selector.cu"

# ---- From C ------------------------------------------------------------------

root=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")
gcc -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -O2 -I. \
  -isystem "$root/include" examples/cuda/step.c "$tmp/kernels.o" \
  -L"$root/lib64" -Wl,-rpath,"$root/lib64" -lcudart -lstdc++ -lm \
  -o "$tmp/step" || fail "step.c"
passed "step.c: a C program links the kernels"
for program in step test_cuda bench_cuda probe_mma; do
  status=0
  CUDA_VISIBLE_DEVICES=-1 "$tmp/$program" >/dev/null 2>"$tmp/message" ||
    status=$?
  [ $status -eq 2 ] && grep -q "no GPU" "$tmp/message" ||
    fail "$program: status $status without a GPU"
  passed "$program: says that there is no GPU"
done

echo "cuda: $checks checks passed"
