/*
 * bpr_body.h
 *		The inner loop of BPR, for the instruction set that the including file is built for.
 *
 * The including file defines KERNELS, the name of its table.
 */
#include <math.h>

#include "core/bpr_kernels.h"
#include "core/simd_vector.h"

/* Beyond this difference of scores sigma(-d) is no normal float; its logarithm is the difference. */
#define SIGMOID_END		80.0f

/* So many factors are multiplied up before a logarithm is taken: 8 * SIGMOID_END < ln(DBL_MAX). */
#define FACTORS_PER_LOG	8

CR_INLINE float
score_difference(const CrBprRates *rates, const float *x, const float *y, const float *z)
{
	CrVector	sum = v_set(0);

	for (int32_t f = 0; f < rates->stride; f += CR_LANES)
		sum = v_fma(v_load(x + f), v_load(y + f) - v_load(z + f), sum);
	return v_sum(sum);
}

/* x += step (y - z), y += step x, z -= step x, after what the penalty takes. */
CR_INLINE void
move(const CrBprRates *rates, float step, float *x, float *y, float *z)
{
	CrVector	steps = v_set(step);

	for (int32_t f = 0; f < rates->stride; f += CR_LANES)
	{
		CrVector	user = v_load(x + f);
		CrVector	item = v_load(y + f);
		CrVector	negative = v_load(z + f);
		CrVector	keep = v_load(rates->keep_item + f);

		v_store(x + f, v_fma(steps * v_load(rates->is_learned + f), item - negative,
							 user * v_load(rates->keep_user + f)));
		v_store(y + f, v_fma(steps, user, item * keep));
		v_store(z + f, v_fnma(steps, user, negative * keep));
	}
}

static double
learn(const CrBprRates *rates, const CrBprBatch *batch)
{
	double		loss = 0;
	double		product = 1;

	for (int32_t i = 0; i < batch->count; i++)
	{
		float	   *x = batch->user[i];
		float	   *y = batch->item[i];
		float	   *z = batch->negative[i];
		float		difference = score_difference(rates, x, y, z);
		float		size = fabsf(difference);
		float		e = expf(-size);
		float		far = e / (1 + e);
		float		near = 1 / (1 + e);

		if (!(size <= 3e38f))
			return NAN;
		if (difference < -SIGMOID_END)
			loss += size;
		else
			product *= difference > 0 ? near : far;
		if (i % FACTORS_PER_LOG == FACTORS_PER_LOG - 1)
		{
			loss -= log(product);
			product = 1;
		}
		move(rates, rates->learning_rate * batch->weight[i] * (difference > 0 ? far : near),
			 x, y, z);
	}
	return loss - log(product);
}

const CrBprKernels KERNELS = {learn};
