/*
 * pure_svd_kernels.h
 *		The product of a sparse row and dense rows, one table for each instruction set.
 */
#ifndef CR_PURE_SVD_KERNELS_H
#define CR_PURE_SVD_KERNELS_H

#include <stdint.h>

typedef struct CrPureSvdKernels
{
	/*
	 * sum += weight[p] * rows[column[p]] for p of [from, to), "stride" floats
	 * each, a multiple of 16; weight NULL: all 1.  Rows of columns up to "end",
	 * which are wanted next, are on the way to the cache.
	 */
	void		(*add_rows) (const float *rows, int32_t stride, const int32_t *column,
							 const float *weight, int64_t from, int64_t to, int64_t end,
							 float *sum);
} CrPureSvdKernels;

extern const CrPureSvdKernels cr_pure_svd_kernels_portable;
extern const CrPureSvdKernels cr_pure_svd_kernels_avx2;
extern const CrPureSvdKernels cr_pure_svd_kernels_avx512;

#endif							/* CR_PURE_SVD_KERNELS_H */
