/*
 * block_kernels.h
 *		The loops over the codes of a block, built for each instruction set.
 *
 * Written once, in block_body.h, and compiled three times, see core/simd.h.
 * Sums are of integers and exact, so that every level gives the same.
 */
#ifndef CR_BLOCK_KERNELS_H
#define CR_BLOCK_KERNELS_H

#include <stdint.h>

typedef struct CrBlockKernels
{
	/*
	 * sums[j] = c.q of each item j, from codes as block.h lays them out and
	 * "pairs" pairs of the query's codes.
	 */
	void		(*sum) (const uint8_t *codes, const int16_t *query, int32_t pairs, int32_t items,
						int32_t *sums);

	/* Offsets of the sums that reach "least", ascending; returns their number. */
	int32_t		(*select) (const int32_t *sums, int32_t items, int32_t least, int16_t *offsets);
} CrBlockKernels;

extern const CrBlockKernels cr_block_kernels_portable;
extern const CrBlockKernels cr_block_kernels_avx2;
extern const CrBlockKernels cr_block_kernels_avx512;

#endif							/* CR_BLOCK_KERNELS_H */
