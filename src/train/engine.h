/*
 * engine.h
 *		iALS in one shared segment by a leader and any number of parallel workers.
 *
 * Life: EngineCreate plans every byte, reserves it and gives out the arrays
 * for the user-major CSR; the caller fills them; EnginePrepare transposes them;
 * EngineRun starts workers, runs all epochs and returns with the workers gone;
 * the factors stay valid until EngineDestroy.
 *
 * With workers the arrays live in one DSM segment of our own (the segment of a
 * ParallelContext falls back to plain palloc, which ends at 1 GB); without, in
 * private memory.  Phases follow each other by a dynamic Barrier; in each of
 * them participants claim units from a pre-zeroed counter.  Units are fixed
 * ranges of rows and reductions run in unit order, so that the same seed gives
 * the same bits whatever the number of workers.
 */
#ifndef COMMREC_ENGINE_H
#define COMMREC_ENGINE_H

#include "common/memory.h"
#include "core/algorithm.h"
#include "core/ials.h"
#include "train/pairs.h"
#include "train/progress.h"

typedef struct Engine Engine;

typedef struct EngineParams
{
	CrIalsParams ials;
	int64		users;
	int64		items;
	int64		pairs;
	bool		is_weighted;	/* room for confidences; false: all are 1 */
	int32		epochs;
	int			cg_steps;		/* 0: exact half steps; else conjugate gradients, so many steps each (in an
								 * eigenbasis CR_CG_STEPS_TURNED), but for the users' last half step */
	bool		is_explicit;	/* weights are ratings less their mean; the last two of ials.factors are
								 * bias and constant */
	double		mean_rating;	/* goes into the items' biases in the end, so that scores are ratings */
	double		tolerance;		/* stop when the loss falls by less than this fraction */
	uint64		seed;
	int			workers;		/* asked for; 0: the leader alone */
	const char *phase;			/* for progress: "training" or "validating" */
} EngineParams;

typedef struct EngineResult
{
	int32		stride;			/* floats from one factor row to the next */
	const float *user_factors;
	const float *item_factors;
	int32		epochs;			/* run */
	const double *loss;			/* after each epoch */
	const double *seconds;		/* of each epoch */
	const double *cpu_seconds;	/* of each epoch, all participants together */
	int			workers;		/* launched beside the leader */
	Size		bytes;			/* planned for the run */
} EngineResult;

/* What hyperparameters without a NaN mean to the engine; sizes, workers and phase are zero. */
extern void EngineParamsInit(const CrHyperparameters *hyperparameters, EngineParams *params);

/* 54000 if the plan does not fit the budget, before anything is allocated. */
extern Engine *EngineCreate(const EngineParams *params, MemoryBudget *budget,
							PairArrays *arrays);

/* Make the item-major copy of the interactions. */
extern void EnginePrepare(Engine *engine);

/* 55000 "training did not converge" if factors or loss are not finite, or the loss rises. */
extern void EngineRun(Engine *engine, Progress *progress, EngineResult *result);

extern void EngineDestroy(Engine *engine, MemoryBudget *budget);

#endif							/* COMMREC_ENGINE_H */
