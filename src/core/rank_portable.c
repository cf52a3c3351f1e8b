/*
 * rank_portable.c
 *		The loops over one user's scores, level "portable" of core/simd.h.
 */
#define KERNELS cr_rank_kernels_portable

#include "core/rank_body.h"
