/*
 * rank_kernels.h
 *		The loops over one user's scores, one table for each instruction set.
 */
#ifndef CR_RANK_KERNELS_H
#define CR_RANK_KERNELS_H

#include <stdint.h>

typedef struct CrRankKernels
{
	/* How many are above the score; *equal how many equal it. */
	int32_t		(*count_above) (const float *scores, int32_t items, float score, int32_t *equal);
} CrRankKernels;

extern const CrRankKernels cr_rank_kernels_portable;
extern const CrRankKernels cr_rank_kernels_avx2;
extern const CrRankKernels cr_rank_kernels_avx512;

#endif							/* CR_RANK_KERNELS_H */
