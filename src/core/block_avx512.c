/*
 * block_avx512.c
 *		The loops over the codes of a block, level "avx512" of core/simd.h.
 */
#define KERNELS cr_block_kernels_avx512

#include "core/block_body.h"
