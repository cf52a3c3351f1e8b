/*
 * mmr.c
 *		Maximal marginal relevance: an order that does not say the same thing twice.
 */
#include <float.h>
#include <math.h>
#include <stddef.h>

#include "core/mmr.h"
#include "core/vector.h"

/*
 * Four floats an item: norm, relevance, how much it is like what was chosen
 * last, and the most that it is like anything chosen.
 */
int32_t
cr_mmr_workspace_size(int32_t count)
{
	return 4 * count;
}

static const float *
row_of(const CrMmrPool *pool, int32_t i)
{
	return pool->vectors + (int64_t) i * pool->stride;
}

static void
prepare(const CrMmrPool *pool, float *norm, float *relevance, float *nearest)
{
	double		best = pool->count > 0 ? pool->scores[0] : 0.0;
	double		range = pool->count > 0 ? best - pool->scores[pool->count - 1] : 0.0;

	for (int32_t i = 0; i < pool->count; i++)
	{
		norm[i] = pool->dims > 0 && pool->alike == NULL ?
			cr_norm_upper(row_of(pool, i), pool->dims) : 0.0f;
		relevance[i] = range > 0 ? (float) (1.0 - (best - pool->scores[i]) / range) : 1.0f;
		nearest[i] = -FLT_MAX;	/* nothing is chosen yet */
	}
}

/* Cosine in the pool, 0 for a zero vector. */
static float
cosine(const CrMmrPool *pool, const float *norm, int32_t i, int32_t j)
{
	double		product = (double) norm[i] * norm[j];
	double		value;

	if (product == 0.0)
		return 0.0f;
	value = cr_dot(row_of(pool, i), row_of(pool, j), pool->dims) / product;
	if (isnan(value))
		return 0.0f;
	return (float) fmin(fmax(value, -1.0), 1.0);
}

/* How much the items that are left are like the one at "place". */
static void
compare(const CrMmrPool *pool, const float *norm, int32_t place, float *likeness)
{
	if (pool->alike != NULL)
	{
		pool->alike(pool->context, place, likeness);
		return;
	}
	for (int32_t i = 0; i < pool->count; i++)
	{
		if (norm[i] >= 0.0f)
			likeness[i] = cosine(pool, norm, i, place);
	}
}

/* The place of the next item; chosen ones are marked by a norm below 0. */
static int32_t
best_place(const CrMmrPool *pool, double diversity, const float *norm, const float *relevance,
		   const float *nearest, int is_first)
{
	int32_t		best = -1;
	double		best_value = 0.0;

	for (int32_t i = 0; i < pool->count; i++)
	{
		double		value;

		if (norm[i] < 0.0f)
			continue;
		value = (1.0 - diversity) * relevance[i];
		if (!is_first)
			value -= diversity * nearest[i];
		if (best < 0 || value > best_value)
		{
			best = i;
			best_value = value;
		}
	}
	return best;
}

void
cr_mmr_select(const CrMmrPool *pool, double diversity, int32_t wanted, float *workspace,
			  int32_t *chosen)
{
	float	   *norm = workspace;
	float	   *relevance = norm + pool->count;
	float	   *nearest = relevance + pool->count;
	float	   *likeness = nearest + pool->count;

	prepare(pool, norm, relevance, nearest);
	for (int32_t n = 0; n < wanted; n++)
	{
		int32_t		place = best_place(pool, diversity, norm, relevance, nearest, n == 0);

		chosen[n] = place;
		compare(pool, norm, place, likeness);
		norm[place] = -1.0f;
		for (int32_t i = 0; i < pool->count; i++)
		{
			if (norm[i] >= 0.0f)
				nearest[i] = fmaxf(nearest[i], likeness[i]);
		}
	}
}
