/*
 * popular.c
 *		The descriptor of popularity: what everybody gets who is not known better.
 *
 * There is nothing to train: every version has the decayed popularity of its
 * items (train/interactions.h), and this one has nothing else.
 */
#include <math.h>

#include "core/algorithm.h"

static const CrParameter popular_parameters[] = {
	CR_PARAMETER_HALF_LIFE,
	{
		.name = "popularity_half_life", .type = CR_PARAMETER_NUMBER, .low = 0, .high = INFINITY,
		.low_excluded = 1, .from_data = 1, .preset = NAN,
		.offset = CR_COMMON(popularity_half_life), .search = {3, 7, 14, 30, 90, INFINITY},
		.meaning = "days after which an event counts half towards popularity; infinity: no ageing"
	},
	CR_PARAMETER_SEED
};

static double
cost(const CrHyperparameters *used, int64_t users, int64_t items, int64_t pairs)
{
	(void) used;
	(void) users;
	(void) items;
	(void) pairs;
	return 0;
}

const CrAlgorithm cr_popular_algorithm = {
	.name = "popular",
	.meaning = "decayed popularity, the same for everybody: the baseline",
	.scorer = CR_SCORER_POPULARITY,
	CR_PARAMETERS_OF(popular_parameters),
	.cost = cost
};
