/*
 * pure_svd_body.h
 *		The product of a sparse row and dense rows, for the instruction set that the including file is built for.
 *
 * The including file defines KERNELS, the name of its table.
 */
#include <stddef.h>

#include "core/pure_svd_kernels.h"
#include "core/simd_vector.h"

#define ROWS_AHEAD		8		/* that are fetched before they are wanted */
#define FLOATS_A_LINE	16

static void
add_rows(const float *rows, int32_t stride, const int32_t *column, const float *weight,
		 int64_t from, int64_t to, int64_t end, float *sum)
{
	for (int64_t p = from; p < to; p++)
	{
		const float *row = rows + (size_t) column[p] * (size_t) stride;
		CrVector	factor = v_set(weight == NULL ? 1 : weight[p]);

		if (p + ROWS_AHEAD < end)
		{
			const float *next = rows + (size_t) column[p + ROWS_AHEAD] * (size_t) stride;

			for (int32_t f = 0; f < stride; f += FLOATS_A_LINE)
				CR_PREFETCH(next + f);
		}
		for (int32_t f = 0; f < stride; f += CR_LANES)
			v_store(sum + f, v_fma(factor, v_load(row + f), v_load(sum + f)));
	}
}

const CrPureSvdKernels KERNELS = {add_rows};
