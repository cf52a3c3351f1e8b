# Programs for bench/kernels.sh and bench/trainers.sh, made in OUT with the flags that the extension's Makefile gives the core.

MULTIARCH := $(shell $(CC) -print-multiarch)
BLAS_DIR ?= $(firstword $(wildcard /usr/lib/$(MULTIARCH)/openblas-serial) /usr/lib/$(MULTIARCH))
BLAS_CPPFLAGS ?= $(addprefix -I,$(wildcard /usr/include/$(MULTIARCH)/openblas-serial /usr/include/$(MULTIARCH)))
BLAS_LIBS ?= -L$(BLAS_DIR) -Wl,--disable-new-dtags,-rpath,$(BLAS_DIR) -llapacke -lopenblas

# The second line is what PostgreSQL is built with, and therefore its extensions.
CFLAGS = -std=gnu11 -O3 -Wall -Wextra -ffp-contract=off -fno-math-errno -fno-trapping-math \
	-fPIC -fno-strict-aliasing -fwrapv
ifneq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
$(OUT)/%_avx2.o: CFLAGS += -mavx2 -mfma
$(OUT)/%_avx512.o: CFLAGS += -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
endif

CORE = basis csr gram ials ials_cg ials_dual rng simd solve solve_portable solve_avx2 solve_avx512
OBJECTS = $(patsubst %,$(OUT)/%.o,$(CORE) ials_blas pairs kernels)
TRAINERS = $(patsubst src/core/%.c,$(OUT)/%.o,$(wildcard src/core/*.c)) $(OUT)/pairs.o $(OUT)/trainers.o

all: $(OUT)/kernels $(OUT)/trainers $(OUT)/synthetic

$(OUT)/kernels: $(OBJECTS)
	$(CC) -o $@ $^ $(BLAS_LIBS) -lm

$(OUT)/trainers: $(TRAINERS)
	$(CC) -o $@ $^ $(BLAS_LIBS) -lm

$(OUT)/synthetic: $(OUT)/synthetic.o $(OUT)/rng.o
	$(CC) -o $@ $^ -lm

vpath %.c src/core bench
$(OUT)/%.o: %.c
	$(CC) $(CFLAGS) -Isrc -Ibench $(BLAS_CPPFLAGS) -c -o $@ $<
