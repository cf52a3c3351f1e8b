/*
 * rank_avx512.c
 *		The loops over one user's scores, level "avx512" of core/simd.h.
 */
#define KERNELS cr_rank_kernels_avx512

#include "core/rank_body.h"
