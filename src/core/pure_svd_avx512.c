/*
 * pure_svd_avx512.c
 *		The product of a sparse row and dense rows, level "avx512" of core/simd.h.
 */
#define KERNELS cr_pure_svd_kernels_avx512

#include "core/pure_svd_body.h"
