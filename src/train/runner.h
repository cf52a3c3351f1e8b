/*
 * runner.h
 *		Training by a CrTrainer of the core, by the leader and any number of parallel workers.
 *
 * Life, as of the engine of ALS: RunnerCreate plans every byte, reserves it
 * and gives out the arrays of the user-major pairs; the caller fills them;
 * RunnerRun trains; what was learned stays valid until RunnerDestroy.
 *
 * Barrier phase e * (steps + 1) + s is step s of epoch e; behind the last step
 * of an epoch there is one phase more, in which one participant notes its
 * loss.  The units of a phase are claimed from a pre-zeroed counter.
 */
#ifndef COMMREC_RUNNER_H
#define COMMREC_RUNNER_H

#include "common/memory.h"
#include "core/trainer.h"
#include "train/pairs.h"
#include "train/progress.h"

typedef struct Runner Runner;

typedef struct RunnerParams
{
	const CrAlgorithm *algorithm;	/* with a trainer */
	const CrHyperparameters *used;	/* without a NaN */
	int64		users;
	int64		items;
	int64		pairs;
	bool		is_weighted;
	double		mean_rating;	/* of algorithms that learn ratings: the weights are less by it */
	int			workers;		/* asked for; 0: the leader alone */
	const char *phase;			/* for progress */
} RunnerParams;

typedef struct RunnerResult
{
	CrTrained	trained;
	CrCsr		users;			/* the pairs that it was trained on */
	int32		epochs;			/* with a loss; 0: the algorithm has none */
	const double *loss;			/* after each epoch */
	const double *seconds;		/* of each epoch */
	const double *cpu_seconds;	/* of each epoch, all participants together */
	int			workers;		/* launched beside the leader */
} RunnerResult;

/* 54000 if the plan does not fit the budget, before anything is allocated. */
extern Runner *RunnerCreate(const RunnerParams *params, MemoryBudget *budget, PairArrays *arrays);

/* 55000 "training did not converge" if it leaves the finite numbers. */
extern void RunnerRun(Runner *runner, Progress *progress, RunnerResult *result);

extern void RunnerDestroy(Runner *runner, MemoryBudget *budget);

#endif							/* COMMREC_RUNNER_H */
