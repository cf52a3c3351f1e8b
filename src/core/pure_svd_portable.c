/*
 * pure_svd_portable.c
 *		The product of a sparse row and dense rows, level "portable" of core/simd.h.
 */
#define KERNELS cr_pure_svd_kernels_portable

#include "core/pure_svd_body.h"
