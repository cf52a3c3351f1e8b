/*
 * rank_body.h
 *		The loop over one user's scores, for the instruction set that the including file is built for.
 *
 * The including file defines KERNELS, the name of its table.  Without an
 * early end compilers run it in vectors; it counts, so that the answers are the
 * same at every level.
 */
#include "core/rank_kernels.h"

static int32_t
count_above(const float *scores, int32_t items, float score, int32_t *equal)
{
	int32_t		above = 0;
	int32_t		same = 0;

	for (int32_t i = 0; i < items; i++)
	{
		above += scores[i] > score;
		same += scores[i] == score;
	}
	*equal = same;
	return above;
}

const CrRankKernels KERNELS = {count_above};
