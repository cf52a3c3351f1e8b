/*
 * trainer.h
 *		What an algorithm implements to be trained by the leader and any number of workers.
 *
 * A training is "epochs" times "steps" steps; a step is a number of units,
 * which participants claim in any order and work on at the same time, with a
 * barrier behind every step.  So the units of a step must neither write what
 * another of them reads or writes, nor depend on who works on them: then the
 * result is the same bits whatever the number of workers.  A unit that needs
 * more than some 20 ms keeps everybody from answering a cancel: make units
 * small, and steps many.
 *
 * The runner (train/runner.h) gives out one block of "shared" bytes, zeroed
 * and aligned to 64, which every participant maps, each at an address of its
 * own: what lies in it refers to itself by offsets.  Every participant also has
 * "scratch" bytes of its own, aligned to 64, zeroed once.  ALS has an engine of its own
 * (train/engine.h) and no trainer.
 */
#ifndef CR_TRAINER_H
#define CR_TRAINER_H

#include <stddef.h>
#include <stdint.h>

#include "core/algorithm.h"
#include "core/csr.h"
#include "core/simd.h"
#include "core/status.h"

/* The size of a training, before anything is allocated. */
typedef struct CrTrainerShape
{
	int64_t		users;			/* at most 2^31 - 1 */
	int64_t		items;			/* at most 2^31 - 1 */
	int64_t		pairs;
	int			is_weighted;	/* 0: all weights are 1, and the CSRs have none */
	double		mean_rating;	/* of algorithms that learn ratings: what the weights are less */
	const CrHyperparameters *used;	/* without a NaN */
	CrSimd		simd;
} CrTrainerShape;

typedef struct CrTrainerPlan
{
	size_t		shared;			/* bytes */
	size_t		scratch;		/* bytes of each participant */
	int32_t		epochs;			/* at least 1 */
	int64_t		steps;			/* of each epoch, at least 1 */
} CrTrainerPlan;

/* One participant's view of the training. */
typedef struct CrTrainerRun
{
	CrTrainerShape shape;
	CrCsr		users;			/* positive pairs, one row a user; weights c_ui (see train/interactions.h),
								 * or all pairs with a rating, less the mean */
	CrCsr		items;			/* the same, one row an item */
	void	   *shared;
	void	   *scratch;
} CrTrainerRun;

/* What has been learned, valid as long as the shared block. */
typedef struct CrTrained
{
	/* Of CR_SCORER_INNER_PRODUCT: score = x_u . y_i over "factors" coordinates. */
	int32_t		factors;		/* at most CR_FACTORS_MAX */
	int32_t		learned;		/* the first of them say what an entity is like, the rest are biases
								 * and constants */
	int32_t		stride;			/* floats from one row to the next */
	const float *user_factors;	/* a row of zeros: nothing was learned of the user, for lack of pairs */
	const float *item_factors;

	/* Of CR_SCORER_LISTS: score of j = sum over the user's items i of c_ui W_ij. */
	CrCsr		lists;			/* items x items: row i holds W_i., of either sign, columns ascend */
} CrTrained;

typedef struct CrTrainer
{
	/* CR_INVALID_ARGUMENT if the shape cannot be trained at all; large needs are the runner's concern. */
	CrStatus	(*plan) (const CrTrainerShape *shape, CrTrainerPlan *plan);

	/* Units of a step, 0 if there is nothing to do; everybody asks, and must get one answer. */
	int64_t		(*units) (const CrTrainerRun *run, int32_t epoch, int64_t step);

	CrStatus	(*work) (const CrTrainerRun *run, int32_t epoch, int64_t step, int64_t unit);

	/* Asked by one participant behind the last step of an epoch; NULL: there is none.  Not finite: diverged. */
	double		(*loss) (const CrTrainerRun *run, int32_t epoch);

	/* Where the result lies, once all epochs are done. */
	void		(*result) (const CrTrainerRun *run, CrTrained *trained);

	/* Where the plan does not fit the memory: a sentence, for the hint, on what to do; or NULL. */
	const char *cheaper;
} CrTrainer;

#endif							/* CR_TRAINER_H */
