/*
 * gram.c
 *		Gram matrices of factors: float in blocks of rows, double across blocks.
 *
 * A block of CR_GRAM_ROWS rows is short enough for float, and blocks are added
 * in order, so that the result does not depend on who computed which block.
 */
#include <cblas.h>
#include <string.h>

#include "core/ials.h"

/*
 * The partial lies at the beginning of the workspace, which has room for it:
 * cr_ials_workspace_size() counts two such matrices.
 */
void
cr_gram_add(const float *factors_matrix, int64_t from, int64_t to, int32_t factors, double *gram,
			void *workspace)
{
	int32_t		stride = cr_factor_stride(factors);
	float	   *partial = (float *) workspace;

	for (int64_t row = from; row < to; row += CR_GRAM_ROWS)
	{
		int64_t		rows = to - row < CR_GRAM_ROWS ? to - row : CR_GRAM_ROWS;

		cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, factors, (int) rows, 1.0f,
					factors_matrix + row * stride, stride, 0.0f, partial, stride);
		for (int32_t i = 0; i < factors; i++)
		{
			for (int32_t j = i; j < factors; j++)
				gram[(size_t) i * factors + j] += partial[(size_t) i * stride + j];
		}
	}
}

void
cr_gram_finish(const double *partials, int32_t parts, int32_t factors, double scale, float *gram)
{
	size_t		size = (size_t) factors * factors;
	int32_t		stride = cr_factor_stride(factors);

	memset(gram, 0, (size_t) factors * stride * sizeof(float));
	for (int32_t i = 0; i < factors; i++)
	{
		for (int32_t j = i; j < factors; j++)
		{
			double		sum = 0.0;

			for (int32_t part = 0; part < parts; part++)
				sum += partials[part * size + (size_t) i * factors + j];
			gram[(size_t) i * stride + j] = (float) (scale * sum);
			gram[(size_t) j * stride + i] = (float) (scale * sum);
		}
	}
}
