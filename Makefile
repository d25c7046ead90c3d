# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# The library is headers: there is nothing to build before you use it. `make`
# alone lists what there is to run. Nothing here installs a package; when a tool
# is missing, the line to install it on Debian is printed.

CC       ?= cc
PREFIX   ?= /usr/local
includedir ?= $(PREFIX)/include
THREADS  ?= $(shell nproc 2>/dev/null || echo 1)

HEADERS  := sste.h sste_fp8.h sste_mvue.h sste_train.h
WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
STRICT   := -std=c99 $(WARNINGS) -fopenmp -I.
# The trainer's float products may fuse multiply and add; the headers do not
# mind. -O2: gcc 12's -O3 unroll-and-jam spoils `omp simd` loops.
FAST     := -O2 -march=native -ffp-contract=fast
COMPILERS ?= gcc clang
TESTS    := $(patsubst tests/%.c,%,$(wildcard tests/test_*.c))
LESSONS  := $(patsubst examples/%.c,%,$(sort $(wildcard examples/0*.c)))

help: ## list the targets (the default)
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 14

# ---- What must be there ------------------------------------------------------

need = command -v $(1) >/dev/null 2>&1 || { \
	echo "make: $(1) is missing; on Debian: apt-get install -y $(2)" >&2; exit 2; }
need_header = printf '\043include <stdarg.h>\n\043include <stddef.h>\n\043include <stdint.h>\n\043include <setjmp.h>\n\043include <$(1)>\n' \
	| $(CC) -E - >/dev/null 2>&1 || { \
	echo "make: <$(1)> is missing; on Debian: apt-get install -y $(2)" >&2; exit 2; }

# ---- Examples and the demo ---------------------------------------------------

build/examples/%: examples/%.c $(HEADERS)
	@$(call need,$(CC),gcc)
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(FAST) $(CPPFLAGS) $(CFLAGS) -o $@ $< $(LDFLAGS) $(LDLIBS) -lm

examples: $(LESSONS:%=build/examples/%) build/examples/pretrain ## build them and run the four lessons
	@for e in $(LESSONS); do echo "== $$e"; build/examples/$$e || exit 1; done

demo: build/examples/pretrain ## train a transformer dense and by S-STE, and compare (about 3 minutes)
	@examples/demo.sh

# ---- Tests -------------------------------------------------------------------

# $(1): a name, $(2): a compiler, $(3): more flags
define test_rules
build/$(1)/%: tests/%.c $$(wildcard tests/*.h) $$(HEADERS)
	@$$(call need,$(2),$(2) libomp-dev)
	@$$(call need_header,cmocka.h,libcmocka-dev)
	@mkdir -p $$(@D)
	$(2) $$(STRICT) $(3) -Itests $$(CPPFLAGS) -o $$@ $$< -lcmocka -lm
endef
$(eval $(call test_rules,gcc,gcc,-O2))
$(eval $(call test_rules,clang,clang,-O2))
.SECONDARY:
