/*
 * bpr_portable.c
 *		The inner loop of BPR, level "portable" of core/simd.h.
 */
#define KERNELS cr_bpr_kernels_portable

#include "core/bpr_body.h"
