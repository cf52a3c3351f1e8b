/*
 * trainer_driver.h
 *		Runs a trainer in one process, the units of each step in a given order.
 *
 *		Training	t;
 *
 *		training_begin(&t, algorithm, &used, &users, &items);
 *		CHECK(training_run(&t, 0) == CR_OK);
 *		... t.trained ...
 *		training_end(&t);
 *
 * Units are independent of each other: any order gives the same bits.  Every
 * unit gets the scratch of one of several participants, taken in turn.
 */
#ifndef CR_TRAINER_DRIVER_H
#define CR_TRAINER_DRIVER_H

#include "core/rng.h"
#include "core/trainer.h"
#include "unit.h"

#define TRAINING_PARTICIPANTS	3

typedef struct Training
{
	const CrTrainer *trainer;
	CrHyperparameters used;
	CrTrainerPlan plan;
	CrTrainerRun run;
	void	   *scratch[TRAINING_PARTICIPANTS];
	CrTrained	trained;
} Training;

/* "used" has no NaN; the matrices must outlive the training. */
static inline void
training_begin(Training *t, const CrAlgorithm *algorithm, const CrHyperparameters *used,
			   const CrCsr *users, const CrCsr *items)
{
	memset(t, 0, sizeof(*t));
	t->trainer = algorithm->trainer;
	t->used = *used;
	t->run.shape.users = users->rows;
	t->run.shape.items = items->rows;
	t->run.shape.pairs = users->start[users->rows];
	t->run.shape.is_weighted = users->weight != NULL;
	t->run.shape.used = &t->used;
	t->run.shape.simd = cr_simd_best();
	t->run.users = *users;
	t->run.items = *items;
	CHECK(t->trainer->plan(&t->run.shape, &t->plan) == CR_OK);
	CHECK(t->plan.epochs >= 1 && t->plan.steps >= 1);
	t->run.shared = unit_alloc(t->plan.shared);
	for (int p = 0; p < TRAINING_PARTICIPANTS; p++)
		t->scratch[p] = unit_alloc(t->plan.scratch);
}

/* A permutation of the units by "seed"; 0: as they come. */
static inline int64_t *
training_order(int64_t units, uint64_t seed)
{
	int64_t    *order = unit_alloc((size_t) units * sizeof(int64_t));
	CrRng		rng;

	cr_rng_init(&rng, seed, 0);
	for (int64_t unit = 0; unit < units; unit++)
	{
		int64_t		other = seed == 0 ? unit : (int64_t) (cr_rng_next(&rng) % (uint64_t) (unit + 1));

		order[unit] = order[other];
		order[other] = unit;
	}
	return order;
}

static inline CrStatus
training_step(Training *t, int32_t epoch, int64_t step, uint64_t seed)
{
	int64_t		units = t->trainer->units(&t->run, epoch, step);
	int64_t    *order = training_order(units, seed);
	CrStatus	status = CR_OK;

	for (int64_t at = 0; at < units && status == CR_OK; at++)
	{
		t->run.scratch = t->scratch[at % TRAINING_PARTICIPANTS];
		status = t->trainer->work(&t->run, epoch, step, order[at]);
	}
	free(order);
	return status;
}

/* All steps of all epochs, then the result. */
static inline CrStatus
training_run(Training *t, uint64_t seed)
{
	CrStatus	status = CR_OK;

	for (int32_t epoch = 0; epoch < t->plan.epochs; epoch++)
	{
		for (int64_t step = 0; step < t->plan.steps && status == CR_OK; step++)
			status = training_step(t, epoch, step, seed);
	}
	if (status == CR_OK)
		t->trainer->result(&t->run, &t->trained);
	return status;
}

static inline void
training_end(Training *t)
{
	free(t->run.shared);
	for (int p = 0; p < TRAINING_PARTICIPANTS; p++)
		free(t->scratch[p]);
}

#endif							/* CR_TRAINER_DRIVER_H */
