/*
 * metrics.c
 *		Ranking metrics of one user.
 */
#include <math.h>

#include "core/metrics.h"

static double
discount(int32_t rank)
{
	return 1.0 / log2((double) rank + 1.0);
}

double
cr_ndcg(const int32_t *ranks, int32_t hits, int32_t relevant, int32_t k)
{
	int32_t		ideal_hits = relevant < k ? relevant : k;
	double		gain = 0.0;
	double		ideal = 0.0;

	if (ideal_hits <= 0)
		return 0.0;
	for (int32_t i = 0; i < hits; i++)
		gain += discount(ranks[i]);
	for (int32_t rank = 1; rank <= ideal_hits; rank++)
		ideal += discount(rank);
	return gain / ideal;
}
