/*
 * rank.c
 *		The best of one user's scores over a whole catalogue, and how many beat a score.
 */
#include <math.h>

#include "core/rank.h"
#include "core/rank_kernels.h"

#define SKIP_ITEMS	64			/* looked at together, and passed over if none matters */

static const CrRankKernels *
kernels_of(CrSimd simd)
{
	switch (simd)
	{
		case CR_SIMD_AVX512:
			return &cr_rank_kernels_avx512;
		case CR_SIMD_AVX2:
			return &cr_rank_kernels_avx2;
		case CR_SIMD_PORTABLE:
			break;
	}
	return &cr_rank_kernels_portable;
}

int32_t
cr_rank_candidates(CrSimd simd, const float *scores, int32_t items, float slack, CrTopK *top,
				   int32_t *candidates)
{
	const CrRankKernels *kernels = kernels_of(simd);
	float		limit = -INFINITY;
	int32_t		taken = 0;
	int32_t		count = 0;

	for (int32_t from = 0; from < items; from += SKIP_ITEMS)
	{
		int32_t		to = from + SKIP_ITEMS < items ? from + SKIP_ITEMS : items;

		if (!kernels->any_above(scores + from, to - from, limit))
			continue;
		for (int32_t i = from; i < to; i++)
		{
			if (!(scores[i] > limit))
				continue;
			candidates[taken++] = i;
			if (cr_topk_offer(top, scores[i], i) && top->count == top->capacity)
				limit = nextafterf(cr_topk_threshold(top) - slack, -INFINITY);
		}
	}
	/* The limit has risen since most of them were taken. */
	for (int32_t i = 0; i < taken; i++)
	{
		if (scores[candidates[i]] > limit)
			candidates[count++] = candidates[i];
	}
	return count;
}

int32_t
cr_rank_above(CrSimd simd, const float *scores, int32_t items, float score, int32_t *equal)
{
	return kernels_of(simd)->count_above(scores, items, score, equal);
}

double
cr_gini(const int64_t *ascending, int32_t count)
{
	double		sum = 0;
	double		weighted = 0;

	for (int32_t i = 0; i < count; i++)
	{
		sum += (double) ascending[i];
		weighted += (2.0 * i - count + 1) * (double) ascending[i];
	}
	return sum > 0 ? weighted / (count * sum) : 0.0;
}
