/*
 * toy.c
 *		An algorithm of one file, for the test that one file and one line are enough.
 *
 * An item votes for each item that some user had together with it, with the
 * share of its users who had: W_ij = |U_i and U_j| / |U_i|, which is the
 * confidence of an association rule (Agrawal, Imielinski & Swami 1993).
 */
#include <math.h>

#include "core/algorithm.h"
#include "core/trainer.h"

typedef struct ToyHyperparameters
{
	double		users_max;		/* of an item: more are not looked at */
} ToyHyperparameters;

/* Offsets into the shared block: int64 start[items + 1], then room for all pairs of items. */
static int64_t *
starts(const CrTrainerRun *run)
{
	return (int64_t *) run->shared;
}

static float *
weights(const CrTrainerRun *run)
{
	return (float *) (starts(run) + run->shape.items + 1);
}

static int32_t *
columns(const CrTrainerRun *run)
{
	return (int32_t *) (weights(run) + run->shape.items * run->shape.items);
}

static CrStatus
plan(const CrTrainerShape *shape, CrTrainerPlan *plan)
{
	size_t		items = (size_t) shape->items;

	plan->shared = (items + 1) * sizeof(int64_t) + items * items * (sizeof(float) + sizeof(int32_t));
	plan->scratch = 1;
	plan->epochs = 1;
	plan->steps = 2;
	return CR_OK;
}

/* First a unit for each item, then one that brings the lists together. */
static int64_t
units(const CrTrainerRun *run, int32_t epoch, int64_t step)
{
	(void) epoch;
	return step == 0 ? run->shape.items : 1;
}

/* Row i of the matrix, dense for the time being. */
static void
count_together(const CrTrainerRun *run, int64_t item)
{
	const CrCsr *users = &run->users;
	const CrCsr *items = &run->items;
	int64_t		first = items->start[item];
	int64_t		count = items->start[item + 1] - first;
	int64_t		limit = (int64_t) CR_OWN_OF(ToyHyperparameters, run->shape.used)->users_max;
	float	   *row = weights(run) + item * run->shape.items;

	for (int64_t i = first; i < first + (count < limit ? count : limit); i++)
	{
		int64_t		user = items->column[i];

		for (int64_t e = users->start[user]; e < users->start[user + 1]; e++)
		{
			if (users->column[e] != item)
				row[users->column[e]] += 1.0f / (float) count;
		}
	}
}

/* Dense rows, each in its place, become lists; a row never overtakes the one that it comes from. */
static void
compress(const CrTrainerRun *run)
{
	int64_t		items = run->shape.items;
	int64_t		at = 0;

	for (int64_t item = 0; item < items; item++)
	{
		const float *row = weights(run) + item * items;

		starts(run)[item] = at;
		for (int64_t other = 0; other < items; other++)
		{
			float		weight = row[other];

			if (weight == 0)
				continue;
			columns(run)[at] = (int32_t) other;
			weights(run)[at++] = weight;
		}
	}
	starts(run)[items] = at;
}

static CrStatus
work(const CrTrainerRun *run, int32_t epoch, int64_t step, int64_t unit)
{
	(void) epoch;
	if (step == 0)
		count_together(run, unit);
	else
		compress(run);
	return CR_OK;
}

static void
result(const CrTrainerRun *run, CrTrained *trained)
{
	trained->lists.rows = trained->lists.columns = run->shape.items;
	trained->lists.start = starts(run);
	trained->lists.column = columns(run);
	trained->lists.weight = weights(run);
}

static const CrTrainer toy_trainer = {
	.plan = plan,
	.units = units,
	.work = work,
	.result = result
};

static const CrParameter toy_parameters[] = {
	{
		.name = "users_max", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 1e9, .preset = 1e6,
		.offset = CR_OWN(ToyHyperparameters, users_max), .search = {10, 100, 1000},
		.meaning = "users of an item that are looked at"
	},
	CR_PARAMETER_HALF_LIFE,
	CR_PARAMETER_POPULARITY_WEIGHT,
	CR_PARAMETER_POPULARITY_HALF_LIFE
};

const CrAlgorithm cr_toy_algorithm = {
	.name = "toy",
	.meaning = "confidence of association rules",
	.scorer = CR_SCORER_LISTS,
	.trainer = &toy_trainer,
	CR_PARAMETERS_OF(toy_parameters)
};
