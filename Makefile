# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# The library is headers: there is nothing to build before you use it, and
# `make` alone lists what there is to run. Nothing here installs a package; when
# a tool is missing, the line that installs it on Debian is printed.

PREFIX     ?= /usr/local
includedir ?= $(PREFIX)/include
CUDA       ?= /usr/local/cuda
STEPS      ?= 2000
MPICC      ?= mpicc
# Debian's NumPy belongs to Debian's Python, which need not be first on PATH.
PYTHON     ?= $(or $(shell for p in python3 /usr/bin/python3; do \
	$$p -c "import numpy" 2>/dev/null && echo $$p && break; done),python3)
FUZZ_SECONDS ?= 60

# A thread that waits must not spin: on a busy machine it would take the core
# that another one needs.
export OMP_WAIT_POLICY ?= passive

HEADERS  := sste.h sste_fp8.h sste_mvue.h sste_gemm.h sste_train.h sste_mma.h \
	sste_check.h sste_cuda.h
KERNELS  := $(wildcard cuda/*.cuh)
WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
STRICT   := -std=c99 $(WARNINGS) -fopenmp -I.
# For the programs. Fusing multiply and add is for the trainer's own float
# sums; the headers give the same bits with it, their fast products aside. A
# square root that need not set errno goes by vectors.
FAST     := -O3 -march=native -ffp-contract=fast -fno-math-errno
LESSONS  := $(patsubst examples/%.c,build/examples/%,$(wildcard examples/0*.c))
SUITES   := $(patsubst tests/%.c,%,$(wildcard tests/test_*.c))
NVIDIA   := $(if $(wildcard $(CUDA)/include/cuda_fp8.h),\
	-isystem $(CUDA)/include -DSSTE_HAVE_CUDA_FP8=1)

# $(call need,program,Debian packages) and $(call need_header,cmocka.h,...)
need = command -v $(1) >/dev/null || { \
	echo "$(1) is missing; on Debian: apt-get install -y $(2)" >&2; exit 2; }
need_header = printf '\#include <$(1)>\n' | $(CC) -E -include stdarg.h \
	-include stddef.h -include stdint.h -include setjmp.h - >/dev/null 2>&1 || { \
	echo "<$(1)> is missing; on Debian: apt-get install -y $(2)" >&2; exit 2; }

need_numpy = $(PYTHON) -c "import numpy" 2>/dev/null || { \
	echo "NumPy is missing; on Debian: apt-get install -y python3-numpy" >&2; \
	exit 2; }

.PHONY: help demo examples experiment pretrain-mpi sste lib vectors test \
	test-full test-experiment test-python test-portable test-peers test-silicon \
	fuzz cuda test-cuda bench-cuda bench check-headers install uninstall clean
.SECONDARY:

help: ## list what can be run
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 16

# ---- Programs ----------------------------------------------------------------

build/examples/%: examples/%.c $(wildcard examples/*.h) $(HEADERS)
	@$(call need,$(firstword $(CC)),gcc libc6-dev)
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(FAST) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LDLIBS) -lm

pretrain-mpi: build/examples/pretrain-mpi ## the trainer for several machines: mpirun -n 4 build/examples/pretrain-mpi

build/examples/pretrain-mpi: examples/pretrain.c $(wildcard examples/*.h) \
		$(HEADERS)
	@$(call need,$(firstword $(MPICC)),openmpi-bin libopenmpi-dev)
	@mkdir -p $(@D)
	$(MPICC) $(STRICT) $(FAST) -DSSTE_USE_MPI=1 $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) \
		-o $@ $< $(LDLIBS) -lm

demo: build/examples/pretrain ## train a transformer dense and by S-STE, compare
	@sh examples/demo.sh $(STEPS) "$(TEXT)"

experiment: build/examples/pretrain ## the paper's comparison in small: CORPUS=file [QUICK=1] (a long run)
	@$(call need,$(PYTHON),python3)
	@test -n "$(CORPUS)" || { \
		echo "CORPUS= the text to train on, a file of a megabyte or so" >&2; exit 2; }
	@$(PYTHON) examples/experiment.py --corpus "$(CORPUS)" \
		$(if $(filter-out 0,$(QUICK)),--quick) $(EXPERIMENT)

examples: $(LESSONS) ## run the seven lessons
	@for lesson in $(LESSONS); do echo "== $$lesson"; $$lesson || exit 1; done

sste: build/examples/sste ## the command: build/examples/sste --help

# ---- For other languages -----------------------------------------------------

lib: build/libsste.so ## a shared object of the CPU headers, for python/sste.py

build/libsste.so: python/libsste.c $(HEADERS)
	@$(call need,$(firstword $(CC)),gcc libc6-dev)
	@mkdir -p $(@D)
	$(CC) $(STRICT) -O2 $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -fPIC -shared -o $@ $<

vectors: lib ## inputs and expected outputs as .npy in build/vectors
	@$(call need_numpy)
	@$(PYTHON) python/vectors.py build/vectors

# ---- Tests -------------------------------------------------------------------

# $(1): a folder, $(2): a compiler, $(3): its flags
define suite_rules
build/$(1)/%: tests/%.c $(wildcard tests/*.h examples/*.h) \
		examples/pretrain.c $(HEADERS) $(KERNELS)
	@$$(call need,$(firstword $(2)),gcc clang libomp-dev)
	@$$(call need_header,cmocka.h,libcmocka-dev)
	@mkdir -p $$(@D)
	$(2) $(STRICT) $(3) -Itests $(NVIDIA) $(CPPFLAGS) -o $$@ $$< -lcmocka -lm
endef
# Instrumented loops no longer vectorise, and clang says so.
SANITIZE := -g -O1 -fno-omit-frame-pointer -Wno-pass-failed
$(eval $(call suite_rules,gcc,gcc,-O2))
$(eval $(call suite_rules,clang,clang,-O2))
$(eval $(call suite_rules,native,gcc,-O3 -march=native -ffp-contract=fast))
$(eval $(call suite_rules,serial,gcc,-O0 -DSSTE_USE_OPENMP=0))
$(eval $(call suite_rules,plain,gcc,-O2 -DSSTE_USE_OPENMP=0))
$(eval $(call suite_rules,asan,clang,$(SANITIZE) \
	-fsanitize=address,undefined -fno-sanitize-recover=all))
$(eval $(call suite_rules,tsan,clang,$(SANITIZE) -fsanitize=thread))

# Of misaligned structs only gcc tells.
$(eval $(call suite_rules,align,gcc,-g -O1 -fsanitize=undefined \
	-fno-sanitize-recover=all))

# Run every suite of a folder; cmocka's own exit status is the verdict.
run-%: FORCE
	@$(MAKE) --no-print-directory $(SUITES:%=build/$*/%)
	@for suite in $(SUITES); do echo "== $* $$suite"; \
		build/$*/$$suite || exit 1; done
FORCE:

check-headers: ## every header alone, in every language and compiler there is
	@$(call need,gcc,gcc g++)
	@$(call need,clang,clang)
	@sh tests/headers.sh

test: check-headers run-gcc run-clang build/examples/pretrain sste ## all tests with gcc and clang (minutes)
	@$(MAKE) --no-print-directory examples
	@sh tests/programs.sh
	@sh tests/resume.sh
	@sh tests/ranks.sh
	@$(MAKE) --no-print-directory test-experiment
	@sh tests/command.sh
	@$(MAKE) --no-print-directory cuda
	@$(MAKE) --no-print-directory test-python
	@echo "all tests passed"

test-experiment: build/examples/pretrain ## examples/experiment.py and its report
	@if command -v gnuplot >/dev/null; then $(PYTHON) tests/test_experiment.py; \
		else echo "experiment: skipped: no gnuplot"; fi

test-python: lib ## python/sste.py and the committed vectors (PYTHON=...)
	@$(call need_numpy)
	@$(PYTHON) python/test_sste.py
	@$(PYTHON) python/vectors.py --check tests/vectors/small

test-full: test ## and exhaustively, other flags, ASan, UBSan, TSan (longer)
	@$(MAKE) --no-print-directory run-native run-serial run-plain
	@SSTE_TEST_LEVEL=2 $(MAKE) --no-print-directory run-gcc
	@sh tests/vectorised.sh
	@$(MAKE) --no-print-directory build/align/test_cuda_items
	@build/align/test_cuda_items
	@UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_leaks=0 \
		$(MAKE) --no-print-directory run-asan # libomp itself leaks
	@OMP_NUM_THREADS=3 TSAN_OPTIONS=ignore_noninstrumented_modules=1 \
		$(MAKE) --no-print-directory run-tsan
	@echo "all tests passed, exhaustive level and sanitizers included"

test-portable: ## the same bits by other flags, i386 and big-endian (qemu)
	@$(call need,gcc,gcc libc6-dev)
	@sh tests/portable.sh
	@sh tests/vectorised.sh

test-peers: ## every float by ml_dtypes and PyTorch, from PyPI (PYTHON=...)
	@$(call need,$(PYTHON),python3 and pip install numpy ml_dtypes torch)
	@CC=$(CC) $(PYTHON) tests/peers.py

test-silicon: build/gcc/test_mma ## sste_mma.h against sums recorded on GPUs (SILICON=their clone)
	@test -d "$(SILICON)/model_validation" || { echo "SILICON= a clone of" \
		"https://github.com/north-numerical-computing/MATLAB-tensor-core" >&2; \
		exit 2; }
	@$(PYTHON) tests/vectors/silicon.py "$(SILICON)/model_validation" \
		>build/silicon.txt
	@SSTE_SILICON=build/silicon.txt build/gcc/test_mma

fuzz: build/fuzz_fp8 build/fuzz_npy ## libFuzzer, each target FUZZ_SECONDS=60
	@for target in $(^F); do mkdir -p build/corpus/$$target; \
		build/$$target -max_total_time=$(FUZZ_SECONDS) -max_len=256 \
			-artifact_prefix=build/ build/corpus/$$target || exit 1; done

build/fuzz_%: tests/fuzz_%.c tests/fuzz.h $(wildcard examples/*.h) $(HEADERS)
	@$(call need,clang,clang libclang-rt-14-dev)
	@mkdir -p $(@D)
	clang -std=c99 $(WARNINGS) -I. -DSSTE_USE_OPENMP=0 -g -O1 \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $@ $<

# ---- CUDA --------------------------------------------------------------------

NVCC   := $(or $(shell command -v nvcc),$(wildcard $(CUDA)/bin/nvcc),nvcc)
# Where there is no GPU, the programs compile all the same, and say so.
ARCH   ?= $(if $(shell command -v nvidia-smi),native,sm_80)
# With OpenMP for the CPU's side of a comparison.
DEVICE := -O3 -arch=$(ARCH) -I. -Werror all-warnings \
	-Xcompiler -Wall,-Wextra,-Werror,-fopenmp
CUBLAS := $(if $(wildcard $(CUDA)/include/cublas_v2.h),\
	-DSSTE_HAVE_CUBLAS=1 -lcublas)

build/cuda/%: tests/%.cu $(HEADERS) $(KERNELS)
	@$(call need,$(NVCC),nvidia-cuda-toolkit)
	@mkdir -p $(@D)
	$(NVCC) $(DEVICE) -o $@ $<

build/cuda/bench_cuda: bench/bench_cuda.cu $(HEADERS) $(KERNELS)
	@$(call need,$(NVCC),nvidia-cuda-toolkit)
	@mkdir -p $(@D)
	$(NVCC) $(DEVICE) -o $@ $< $(CUBLAS)

build/cuda/step: examples/cuda/step.c examples/cuda/kernels.cu $(HEADERS) \
		$(KERNELS)
	@$(call need,$(NVCC),nvidia-cuda-toolkit)
	@mkdir -p $(@D)
	$(NVCC) $(DEVICE) -c -o build/cuda/kernels.o examples/cuda/kernels.cu
	$(CC) $(STRICT) -O2 -isystem $(CUDA)/include -o $@ $< build/cuda/kernels.o \
		-L$(CUDA)/lib64 -Wl,-rpath,$(CUDA)/lib64 -lcudart -lstdc++ -lm

cuda: ## compile the kernels for sm_80, 89, 90, 120; registers, mma.sp
	@CUDA="$(CUDA)" sh tests/cuda.sh

test-cuda: build/cuda/test_cuda build/cuda/probe_mma build/cuda/step ## the kernels on this GPU, and how its mma.sp adds
	build/cuda/test_cuda
	build/cuda/probe_mma
	@for tool in memcheck racecheck initcheck; do \
		command -v compute-sanitizer >/dev/null || { \
			echo "skipped: no compute-sanitizer"; break; }; \
		compute-sanitizer --tool $$tool --error-exitcode 1 build/cuda/step || \
			exit 1; done
	build/cuda/step

bench-cuda: build/cuda/test_cuda build/cuda/bench_cuda ## the kernels on this GPU beside a copy and cuBLAS
	@build/cuda/test_cuda >/dev/null # what is wrong need not be fast
	build/cuda/bench_cuda --csv build/cuda/bench.csv

# ---- Benchmarks --------------------------------------------------------------

# $(1): a folder, $(2): a compiler, $(3): its flags. In strict C99 gcc fuses no
# multiplication and addition by itself: the headers have to be fast all the same.
define bench_rules
build/bench/$(1)/%: bench/%.c $(wildcard bench/*.h) $(HEADERS)
	@$$(call need,$(2),gcc clang libomp-dev libc6-dev)
	@mkdir -p $$(@D)
	$(2) $(STRICT) $(3) $(NVIDIA) -DBENCH_FLAGS='"$(3)"' -o $$@ $$< -lm
build/bench/$(1)/%.so: bench/%.c $(wildcard bench/*.h) $(HEADERS)
	@mkdir -p $$(@D)
	$(2) $(STRICT) $(3) $(NVIDIA) -shared -fPIC -o $$@ $$< -lm
build/bench/$(1)/product_sste: bench/bench_product.c $(wildcard bench/*.h) \
		$(HEADERS)
	@$$(call need,$(2),gcc clang libomp-dev libc6-dev)
	@mkdir -p $$(@D)
	$(2) $(STRICT) $(3) -DPRODUCT_SSTE -DBENCH_FLAGS='"$(3)"' -o $$@ $$< -lm
endef
$(eval $(call bench_rules,gcc-o2,gcc,-O2))
$(eval $(call bench_rules,gcc-v3,gcc,-O3 -march=x86-64-v3))
$(eval $(call bench_rules,gcc-native,gcc,-O3 -march=native))
$(eval $(call bench_rules,clang-o2,clang,-O2))
$(eval $(call bench_rules,clang-v3,clang,-O3 -march=x86-64-v3))
$(eval $(call bench_rules,clang-native,clang,-O3 -march=native))

# The same with a library of Debian's. $(1): its name, $(2): in capitals, $(3): a
# header, $(4): the package, $(5): where both are.
define peer_rules
build/bench/peers/product_$(1): bench/bench_product.c bench/bench.h $(HEADERS)
	@$$(call need,gcc,gcc libc6-dev)
	@printf '\#include <$(3)>\n' | gcc $(5) -E - >/dev/null 2>&1 || { \
		echo "<$(3)> is missing; on Debian: apt-get install -y $(4)" >&2; exit 2; }
	@mkdir -p $$(@D)
	gcc $(STRICT) -O2 -DPRODUCT_$(2) -o $$@ $$< $(5) -lm
endef
DEBIAN := /usr/include/$(shell gcc -print-multiarch 2>/dev/null)
$(eval $(call peer_rules,openblas,OPENBLAS,cblas.h,libopenblas-dev,\
	-isystem $(DEBIAN)/openblas-pthread -lopenblas))
$(eval $(call peer_rules,blis,BLIS,blis.h,libblis-dev,\
	-isystem $(DEBIAN)/blis-openmp -lblis))
$(eval $(call peer_rules,onednn,ONEDNN,dnnl.h,libdnnl-dev,-ldnnl))
$(eval $(call peer_rules,xsmm,XSMM,libxsmm.h,libxsmm-dev,\
	-lxsmm -lxsmmnoblas -lpthread -lrt -ldl))

build/bench/peers/product_eigen: bench/product_eigen.cc \
		bench/bench_product.c bench/bench.h $(HEADERS)
	@$(call need,g++,g++)
	@test -e /usr/include/eigen3 || { \
		echo "Eigen is missing; on Debian: apt-get install -y libeigen3-dev" >&2; \
		exit 2; }
	@mkdir -p $(@D)
	gcc $(STRICT) -O2 -DPRODUCT_EIGEN -c -o $@.o bench/bench_product.c
	g++ -O3 -march=native -fopenmp -isystem /usr/include/eigen3 -o $@ $< $@.o -lm

bench: ## speed beside copies and other libraries, minutes (BENCH=--help)
	@$(call need,$(PYTHON),python3)
	@$(PYTHON) bench/bench.py $(BENCH)

# ---- Installing --------------------------------------------------------------

install: ## copy the headers to $(DESTDIR)$(includedir)
	mkdir -p $(DESTDIR)$(includedir)/cuda
	cp $(HEADERS) $(DESTDIR)$(includedir)
	cp $(KERNELS) $(DESTDIR)$(includedir)/cuda

uninstall: ## and remove them again
	rm -f $(addprefix $(DESTDIR)$(includedir)/,$(HEADERS) $(KERNELS))
	-rmdir $(DESTDIR)$(includedir)/cuda

clean: ## remove what was built
	rm -rf build
