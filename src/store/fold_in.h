/*
 * fold_in.h
 *		Solving one user against the deployed version: what is stored for it.
 *
 * How, is the algorithm's: a ridge regression on the items' vectors, or their
 * sum weighted by confidence.  Where scores come from lists, there is nothing
 * to solve, and with some algorithms (CR_FOLD_NONE) it cannot be done.
 */
#ifndef COMMREC_STORE_FOLD_IN_H
#define COMMREC_STORE_FOLD_IN_H

#include "core/algorithm.h"
#include "core/fold_in.h"
#include "store/reader.h"

typedef struct FoldIn
{
	Oid			schema;
	const DeployedVersion *deployed;
	CrHyperparameters used; /* by the training of the version */
	bool		has_age_origin;
	TimestampTz age_origin;		/* ages of stored preferences count from here */
	TimestampTz folded_until;	/* later events are fresh; DT_NOBEGIN if no event had a time */
	int64		folded_events;	/* since the training, by commrec.refresh() */
	int32		trained_items;	/* those of the Gram matrix; more may have been folded in */
	TimestampTz events_until;	/* the newest event of the training, DT_NOBEGIN if none had a time */
	CrFold		kind;			/* CR_FOLD_NONE also if nothing was learned */
	CrFoldIn	solver;			/* of CR_FOLD_RIDGE: begun */
	double	   *sum;			/* of CR_FOLD_SUM: so far */
	uint8	   *gram;			/* its bytes, to begin again */
	Size		gram_bytes;
	void	   *workspace;
} FoldIn;

/*
 * Read what the version was trained with, and begin.
 * XX001 for damaged bytes.  Allocated in the current context.
 */
extern void FoldInBegin(FoldIn *fold, Oid schema, const DeployedVersion *deployed);

/* Begin with another user, after the first. */
extern void FoldInAgain(FoldIn *fold);

/* Where FoldInAdd leaves the item; an item that was left out of the training does not count. */
extern bool FoldInAdd(FoldIn *fold, const float *embedding, double preference, float *confidence);

/* All have been added: factor.  55000 or 22003 if there is no finite solution. */
extern void FoldInFinish(FoldIn *fold);

/* Then the user's embedding, of deployed->dims: what was solved for, and 1 for popularity. */
extern void FoldInUser(FoldIn *fold, float *embedding);

/* A user's preferences for his seen items, in their order: XX001 unless there are "count". */
extern float *ReadUserPreferences(Oid schema, const DeployedVersion *deployed, Datum user,
								  uint32 count);

#endif							/* COMMREC_STORE_FOLD_IN_H */
