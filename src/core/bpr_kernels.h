/*
 * bpr_kernels.h
 *		The inner loop of BPR, one table for each instruction set.
 */
#ifndef CR_BPR_KERNELS_H
#define CR_BPR_KERNELS_H

#include <stdint.h>

#define CR_BPR_BATCH	64

/* Triples that are learned from in this order. */
typedef struct CrBprBatch
{
	int32_t		count;
	float	   *user[CR_BPR_BATCH]; /* rows of "stride" floats: x, 1, zeros */
	float	   *item[CR_BPR_BATCH]; /* of an item that the user has: y, bias, zeros */
	float	   *negative[CR_BPR_BATCH]; /* of one that he has not */
	float		weight[CR_BPR_BATCH];
} CrBprBatch;

/* Of each coordinate, "stride" floats aligned to 64 bytes. */
typedef struct CrBprRates
{
	int32_t		stride;			/* a multiple of 16 */
	float		learning_rate;
	const float *is_learned;	/* of the user's coordinates: 1, or 0 for the constant */
	const float *keep_user;		/* what a step leaves of a coordinate: 1 less rate times penalty */
	const float *keep_item;
} CrBprRates;

typedef struct CrBprKernels
{
	/* Take one step per triple; sum of -ln sigma(difference of scores), NaN if one is not finite. */
	double		(*learn) (const CrBprRates *rates, const CrBprBatch *batch);
} CrBprKernels;

extern const CrBprKernels cr_bpr_kernels_portable;
extern const CrBprKernels cr_bpr_kernels_avx2;
extern const CrBprKernels cr_bpr_kernels_avx512;

#endif							/* CR_BPR_KERNELS_H */
