/*
 * gram.c
 *		Gram matrices of factors: float in blocks of rows, double across blocks.
 *
 * A block of CR_GRAM_ROWS rows is short enough for float, and blocks are added
 * in order, so that the result does not depend on who computed which block.
 */
#include <string.h>

#include "core/ials_workspace.h"

/* A block, a panel's length at a time: the factors' rows are the panel. */
static void
add_block(const CrIalsWorkspace *w, const float *rows, int64_t count)
{
	for (int64_t from = 0; from < count; from += w->panel_rows)
	{
		int64_t		left = count - from;
		CrRankUpdate update = {w->normal, w->ld, rows + (size_t) from * w->stride, w->stride,
			(int32_t) (left < w->panel_rows ? left : w->panel_rows), w->dims, NULL};

		w->kernels->accumulate(&update);
	}
}

void
cr_gram_add(const CrIalsParams *params, const float *factors_matrix, int64_t from, int64_t to,
			double *gram, void *workspace)
{
	CrIalsWorkspace w = cr_ials_carve(params, workspace);

	for (int64_t row = from; row < to; row += CR_GRAM_ROWS)
	{
		cr_ials_clear_normal(&w);
		add_block(&w, factors_matrix + (size_t) row * w.stride,
				  to - row < CR_GRAM_ROWS ? to - row : CR_GRAM_ROWS);
		for (int32_t i = 0; i < w.factors; i++)
		{
			for (int32_t j = i; j < w.factors; j++)
				gram[(size_t) i * w.factors + j] += w.normal[(size_t) i * w.ld + j];
		}
	}
}

void
cr_gram_finish(const double *partials, int32_t parts, int32_t factors, double scale, float *gram)
{
	int32_t		stride = cr_factor_stride(factors);

	memset(gram, 0, (size_t) factors * stride * sizeof(float));
	for (int32_t i = 0; i < factors; i++)
	{
		for (int32_t j = i; j < factors; j++)
		{
			double		sum = cr_gram_sum(partials, parts, factors, (size_t) i * factors + j);

			gram[(size_t) i * stride + j] = (float) (scale * sum);
			gram[(size_t) j * stride + i] = (float) (scale * sum);
		}
	}
}
