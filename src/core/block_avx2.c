/*
 * block_avx2.c
 *		The loops over the codes of a block, level "avx2" of core/simd.h.
 */
#define KERNELS cr_block_kernels_avx2

#include "core/block_body.h"
