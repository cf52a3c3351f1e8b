/*
 * rank.c
 *		How many of one user's scores beat another, and how unevenly items are shown.
 */
#include "core/rank.h"
#include "core/rank_kernels.h"

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
