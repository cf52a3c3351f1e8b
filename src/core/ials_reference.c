/*
 * ials_reference.c
 *		The loss of implicit ALS term by term, in double, as the objective has it.
 *
 * For tests and benchmarks: the trainer gets its loss from the solutions.
 */
#include <string.h>

#include "core/ials.h"

static double
dot_double(const float *a, const float *b, int32_t dims)
{
	double		sum = 0.0;

	for (int32_t i = 0; i < dims; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

/* gram = Y'Y in double throughout, full. */
static void
gram_double(const float *rows, int64_t count, int32_t factors, double *gram)
{
	int32_t		stride = cr_factor_stride(factors);

	memset(gram, 0, (size_t) factors * factors * sizeof(double));
	for (int64_t row = 0; row < count; row++)
	{
		const float *y = rows + (size_t) row * stride;

		for (int32_t i = 0; i < factors; i++)
		{
			for (int32_t j = 0; j < factors; j++)
				gram[(size_t) i * factors + j] += (double) y[i] * y[j];
		}
	}
}

/* The sum of all squared scores is the inner product of the two Gram matrices. */
static double
unobserved_loss(const CrCsr *users, const float *user_factors, const float *item_factors,
				int32_t factors, double *scratch)
{
	size_t		size = (size_t) factors * factors;
	double		sum = 0.0;

	gram_double(user_factors, users->rows, factors, scratch);
	gram_double(item_factors, users->columns, factors, scratch + size);
	for (size_t i = 0; i < size; i++)
		sum += scratch[i] * scratch[size + i];
	return sum;
}

/* The observed events' terms, and the users' penalty. */
static double
user_loss(const CrIalsParams *params, const CrCsr *users, const float *user_factors,
		  const float *item_factors)
{
	int32_t		stride = cr_factor_stride(params->factors);
	double		sum = 0.0;

	for (int64_t row = 0; row < users->rows; row++)
	{
		const float *w = user_factors + (size_t) row * stride;
		double		weight_sum = 0.0;

		for (int64_t e = users->start[row]; e < users->start[row + 1]; e++)
		{
			const float *h = item_factors + (size_t) users->column[e] * stride;
			double		weight = users->weight == NULL ? 1.0 : users->weight[e];
			double		off = dot_double(w, h, params->factors) - 1.0;

			sum += weight * off * off;
			weight_sum += weight;
		}
		sum += cr_ials_row_regularization(params, weight_sum, users->columns) *
			dot_double(w, w, params->factors);
	}
	return sum;
}

/*
 * The items' penalty.  Their confidences are added up for as many items at a
 * time as the scratch holds, one pass over the events for each such chunk.
 */
static double
item_penalty(const CrIalsParams *params, const CrCsr *users, const float *item_factors,
			 double *scratch)
{
	int32_t		stride = cr_factor_stride(params->factors);
	int64_t		chunk = 2 * (int64_t) params->factors * params->factors;
	double		sum = 0.0;

	for (int64_t from = 0; from < users->columns; from += chunk)
	{
		int64_t		count = users->columns - from < chunk ? users->columns - from : chunk;

		memset(scratch, 0, (size_t) count * sizeof(double));
		for (int64_t e = 0; e < users->start[users->rows]; e++)
		{
			int64_t		item = users->column[e] - from;

			if (item >= 0 && item < count)
				scratch[item] += users->weight == NULL ? 1.0 : users->weight[e];
		}
		for (int64_t item = 0; item < count; item++)
		{
			const float *h = item_factors + (size_t) (from + item) * stride;

			sum += cr_ials_row_regularization(params, scratch[item], users->rows) *
				dot_double(h, h, params->factors);
		}
	}
	return sum;
}

double
cr_ials_loss_reference(const CrIalsParams *params, const CrCsr *users, const float *user_factors,
					   const float *item_factors, double *scratch)
{
	return user_loss(params, users, user_factors, item_factors) +
		params->unobserved_weight *
		unobserved_loss(users, user_factors, item_factors, params->factors, scratch) +
		item_penalty(params, users, item_factors, scratch);
}
