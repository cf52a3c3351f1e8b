/*
 * block_portable.c
 *		The loops over the codes of a block, level "portable" of core/simd.h.
 */
#define KERNELS cr_block_kernels_portable

#include "core/block_body.h"
