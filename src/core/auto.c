/*
 * auto.c
 *		The descriptor of the algorithm that chooses another one.
 *
 * The choice is made by held-out events, in train/choose.c: here is only what
 * can be said of it beforehand.
 */
#include <math.h>

#include "core/algorithm.h"
#include "core/auto.h"

static const CrParameter auto_parameters[] = {
	{
		.name = "time_budget", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1e9,
		.low_excluded = 1, .preset = 60, .offset = CR_OWN(CrAutoHyperparameters, time_budget),
		.meaning = "CPU seconds, roughly, that trying algorithms and the training may take together"
	},
	CR_PARAMETER_HALF_LIFE,
	CR_PARAMETER_POPULARITY_WEIGHT,
	CR_PARAMETER_POPULARITY_HALF_LIFE,
	CR_PARAMETER_MIN_ITEM_USERS,
	CR_PARAMETER_MIN_USER_ITEMS,
	CR_PARAMETER_SEED
};

const CrAlgorithm cr_auto_algorithm = {
	.name = "auto",
	.meaning = "whichever of the others foresees held-out events best, of those that fit a time budget",
	.scorer = CR_SCORER_CHOSEN,
	CR_PARAMETERS_OF(auto_parameters)
};

void
cr_auto_recipe(const CrHyperparameters *given, const CrAlgorithm *chosen, CrHyperparameters *recipe)
{
	cr_parameters_preset(chosen, recipe);
	for (int i = 0; i < cr_auto_algorithm.parameter_count; i++)
	{
		const CrParameter *ours = &cr_auto_algorithm.parameters[i];
		const CrParameter *theirs = cr_parameter_find(chosen, ours->name);

		if (theirs != NULL)
			*(double *) ((char *) recipe + theirs->offset) =
				*(const double *) ((const char *) given + ours->offset);
	}
}
