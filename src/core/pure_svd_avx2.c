/*
 * pure_svd_avx2.c
 *		The product of a sparse row and dense rows, level "avx2" of core/simd.h.
 */
#define KERNELS cr_pure_svd_kernels_avx2

#include "core/pure_svd_body.h"
