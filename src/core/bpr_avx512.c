/*
 * bpr_avx512.c
 *		The inner loop of BPR, level "avx512" of core/simd.h.
 */
#define KERNELS cr_bpr_kernels_avx512

#include "core/bpr_body.h"
