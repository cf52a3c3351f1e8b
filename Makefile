# commrec: recommendations and knowledge spread inside PostgreSQL.
#
#   make && make install      the extension, by PGXS
#   make unit                 core as a static library, its tests under ASAN and UBSAN
#   make fuzz                 the fuzz targets of core, by clang; test/fuzz/run.sh runs them
#   make installcheck         regression tests against the running server that libpq finds
#   make check                everything (test/run.sh); make demo: the tour (demo/run.sh)
#   make matrix               everything on each PostgreSQL that is supported (test/matrix.sh, as root)
#   make torture              the same with larger figures, and under valgrind (test/torture.sh): hours

EXTENSION = commrec
MODULE_big = commrec
DATA = $(wildcard sql/commrec--*.sql)
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*/*.c)))

PG_CPPFLAGS = -I$(srcdir)/src $(BLAS_CPPFLAGS)
SHLIB_LINK = $(BLAS_LIBS) -lm

REGRESS = $(sort $(patsubst sql/%.sql,%,$(filter-out sql/commrec--%.sql,$(wildcard sql/*.sql))))
REGRESS_OPTS = --load-extension=commrec
ISOLATION = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --load-extension=commrec
EXTRA_CLEAN = build

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)

# The serial build of OpenBLAS: the threaded ones start threads in every backend that loads them.
# Debian keeps it in a directory of its own.  An rpath of the old kind, unlike a runpath, also
# governs where LAPACKE finds its BLAS and LAPACK, so that no alternative gets in the way.
MULTIARCH := $(shell $(CC) -print-multiarch)
BLAS_DIR ?= $(firstword $(wildcard /usr/lib/$(MULTIARCH)/openblas-serial) /usr/lib/$(MULTIARCH))
BLAS_CPPFLAGS ?= $(addprefix -I,$(wildcard /usr/include/$(MULTIARCH)/openblas-serial /usr/include/$(MULTIARCH)))
BLAS_LIBS ?= -L$(BLAS_DIR) -Wl,--disable-new-dtags,-rpath,$(BLAS_DIR) -llapacke -lopenblas

# PGXS has a "check" of its own that only refuses; ours is there when it is asked for.
ifneq ($(filter check demo matrix torture,$(MAKECMDGOALS)),)
.PHONY: check demo matrix torture
check:
	bash test/run.sh

torture:
	bash test/torture.sh

demo:
	bash demo/run.sh

matrix:
	bash test/matrix.sh
else
include $(PGXS)

# The core is numerics: optimise it as such.  No contraction, so that every build sums alike.
CORE_CFLAGS = -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math
src/core/%.o: CFLAGS += $(CORE_CFLAGS)
src/core/%.bc: BITCODE_CFLAGS += -ffp-contract=off

# Kernels that are built for instruction sets of their own, see src/core/simd.h.
ifneq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
AVX2_CFLAGS = -mavx2 -mfma
AVX512_CFLAGS = -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
endif
src/core/%_avx2.o: CFLAGS += $(AVX2_CFLAGS)
src/core/%_avx512.o: CFLAGS += $(AVX512_CFLAGS)
src/core/%_avx2.bc: BITCODE_CFLAGS += $(AVX2_CFLAGS)
src/core/%_avx512.bc: BITCODE_CFLAGS += $(AVX512_CFLAGS)
build/core/%_avx2.o: UNIT_FLAGS += $(AVX2_CFLAGS)
build/core/%_avx512.o: UNIT_FLAGS += $(AVX512_CFLAGS)

# Headers change what is compiled from them.
$(OBJS): $(wildcard src/*/*.h)

.PHONY: unit
UNIT_FLAGS = -std=gnu11 -g -O2 -Wall -Wextra -Werror -Wdeclaration-after-statement -Wvla \
	-ffp-contract=off -fsanitize=address,undefined -fno-sanitize-recover=all -Isrc $(BLAS_CPPFLAGS)
UNIT_CORE = $(patsubst src/core/%.c,build/core/%.o,$(wildcard src/core/*.c))
UNIT_TESTS = $(patsubst test/unit/%.c,build/unit/%,$(wildcard test/unit/test_*.c))

build/libcommrec_core.a: $(UNIT_CORE)
	$(AR) rcs $@ $^

build/core/%.o: src/core/%.c $(wildcard src/core/*.h)
	@mkdir -p $(@D)
	$(CC) $(UNIT_FLAGS) -c -o $@ $<

build/unit/%.o: test/unit/%.c $(wildcard test/unit/*.h src/core/*.h)
	@mkdir -p $(@D)
	$(CC) $(UNIT_FLAGS) -c -o $@ $<

build/unit/%: build/unit/%.o build/libcommrec_core.a
	$(CC) $(UNIT_FLAGS) -o $@ $^ $(BLAS_LIBS) -lm

# The kernels for AVX-512 on processors that lack it: the same sources and tests, with the intrinsics of
# test/unit/emulated; without sanitizers, with which they would take minutes.
ifdef AVX512_CFLAGS
EMULATED_CORE = $(patsubst src/core/%.c,build/emulated/core/%.o,$(wildcard src/core/*_avx512.c))
EMULATED_TESTS = $(patsubst test/unit/%.c,build/emulated/%,$(shell grep -l CrSimd test/unit/test_*.c))
endif
EMULATED_FLAGS = -std=gnu11 -O2 -Wall -Wextra -Werror -Wno-psabi -ffp-contract=off -Itest/unit/emulated -Isrc \
	$(BLAS_CPPFLAGS) $(AVX2_CFLAGS) -D__AVX512F__=1 -D__AVX512BW__=1 -D__AVX512DQ__=1 -D__AVX512VL__=1

build/emulated/simd.o: test/unit/emulated/simd.c src/core/simd.c src/core/simd.h
	@mkdir -p $(@D)
	$(CC) $(EMULATED_FLAGS) -c -o $@ $<

build/emulated/core/%.o: src/core/%.c test/unit/emulated/immintrin.h $(wildcard src/core/*.h)
	@mkdir -p $(@D)
	$(CC) $(EMULATED_FLAGS) -c -o $@ $<

build/emulated/test_%: build/unit/test_%.o build/emulated/simd.o $(EMULATED_CORE) build/libcommrec_core.a
	$(CC) $(UNIT_FLAGS) -o $@ $^ $(BLAS_LIBS) -lm

# Fuzz targets, by clang: what bytes are accepted does not depend on BLAS, which is not watched.
.PHONY: fuzz
FUZZ_CC ?= clang
FUZZ_FLAGS = -std=gnu11 -g -O2 -Wall -Wextra -Werror -Wdeclaration-after-statement -Wvla -fno-omit-frame-pointer \
	-ffp-contract=off -fsanitize=address,undefined -fno-sanitize-recover=all -Isrc $(BLAS_CPPFLAGS)
FUZZ_CORE = $(patsubst src/core/%.c,build/fuzz/core/%.o,$(wildcard src/core/*.c))
FUZZ_TARGETS = $(patsubst test/fuzz/%.c,build/fuzz/%,$(wildcard test/fuzz/fuzz_*.c))
build/fuzz/core/%_avx2.o: FUZZ_FLAGS += $(AVX2_CFLAGS)
build/fuzz/core/%_avx512.o: FUZZ_FLAGS += $(AVX512_CFLAGS)

build/fuzz/libcommrec_core.a: $(FUZZ_CORE)
	$(AR) rcs $@ $^

build/fuzz/core/%.o: src/core/%.c $(wildcard src/core/*.h)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

build/fuzz/fuzz_%: test/fuzz/fuzz_%.c test/fuzz/fuzz.h build/fuzz/libcommrec_core.a
	$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $< build/fuzz/libcommrec_core.a $(BLAS_LIBS) -lm

build/fuzz/seeds: test/fuzz/seeds.c test/fuzz/fuzz.h build/fuzz/libcommrec_core.a
	$(FUZZ_CC) $(FUZZ_FLAGS) -o $@ $< build/fuzz/libcommrec_core.a $(BLAS_LIBS) -lm

fuzz: $(FUZZ_TARGETS) build/fuzz/seeds

# Several at a time, if make may; what one prints stays together.
.PRECIOUS: build/unit/%.o build/unit/% build/emulated/%
UNIT_RUNS = $(UNIT_TESTS:=.run)
EMULATED_RUNS = $(EMULATED_TESTS:=.run)
.PHONY: $(UNIT_RUNS) $(EMULATED_RUNS)
$(UNIT_RUNS) $(EMULATED_RUNS): %.run: %
	@status=0; { echo "# $<"; $<; } >$<.log 2>&1 || status=1; cat $<.log; exit $$status

unit: $(UNIT_RUNS)

.PHONY: unit-avx512
unit-avx512: $(EMULATED_RUNS)
ifndef AVX512_CFLAGS
	@echo '1..0 # SKIP the compiler is for other processors'
endif
endif
