/*
 * trainer.h
 *		Training by any algorithm: the engine of ALS, or the runner of the others.
 *
 * TrainerCreate plans, reserves and gives out the arrays for the user-major
 * pairs; the caller fills them; TrainerRun trains; the result stays valid
 * until TrainerDestroy.  Popularity has nothing to train: TrainerIsNeeded
 * tells.
 */
#ifndef COMMREC_TRAINER_H
#define COMMREC_TRAINER_H

#include "common/memory.h"
#include "core/neighbors.h"
#include "core/trainer.h"
#include "train/pairs.h"
#include "train/progress.h"

typedef struct Trainer Trainer;

typedef struct TrainerParams
{
	const CrAlgorithm *algorithm;
	const CrHyperparameters *used;	/* without a NaN */
	int64		users;
	int64		items;
	int64		pairs;
	bool		is_weighted;	/* room for confidences; false: all are 1 */
	double		mean_rating;	/* of algorithms that learn ratings */
	double		tolerance;		/* ALS stops when the loss falls by less than this fraction; 0: its own */
	int			workers;		/* asked for; 0: the leader alone */
	const char *phase;			/* for progress: "training", "validating", ... */
} TrainerParams;

typedef struct TrainerResult
{
	CrTrained	trained;
	CrCsr		users;			/* the pairs that it was trained on */
	int32		epochs;			/* with a loss */
	const double *loss;			/* after each epoch */
	const double *seconds;		/* of each epoch */
	const double *cpu_seconds;	/* of each epoch, all participants together */
	int			workers;		/* launched beside the leader */
} TrainerResult;

extern bool TrainerIsNeeded(const CrAlgorithm *algorithm);

/* 54000 if the plan does not fit the budget, before anything is allocated. */
extern Trainer *TrainerCreate(const TrainerParams *params, MemoryBudget *budget,
							  PairArrays *arrays);

/* 55000 "training did not converge" if what is learned is not finite. */
extern void TrainerRun(Trainer *trainer, Progress *progress, TrainerResult *result);

/*
 * The sums of a lists algorithm for a user with these items, in their order,
 * and weights (NULL: all 1).  There is room for every page.  Polls.
 */
extern void TrainerListSums(const CrCsr *lists, const int32 *item, const float *weight,
							int64 count, CrNeighborSums *sums);

extern void TrainerDestroy(Trainer *trainer, MemoryBudget *budget);

#endif							/* COMMREC_TRAINER_H */
