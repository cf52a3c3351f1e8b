/*
 * bpr_avx2.c
 *		The inner loop of BPR, level "avx2" of core/simd.h.
 */
#define KERNELS cr_bpr_kernels_avx2

#include "core/bpr_body.h"
