/*
 * rank_avx2.c
 *		The loops over one user's scores, level "avx2" of core/simd.h.
 */
#define KERNELS cr_rank_kernels_avx2

#include "core/rank_body.h"
