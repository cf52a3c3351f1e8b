/*
 * refresh_internal.h
 *		What the files refresh*.c share: the decision, and the state of a fold-in.
 */
#ifndef COMMREC_REFRESH_INTERNAL_H
#define COMMREC_REFRESH_INTERNAL_H

#include "store/fold_in.h"
#include "store/knowledge_state.h"
#include "train/events_internal.h"
#include "train/interactions.h"
#include "train/progress.h"
#include "train/refresh.h"

typedef enum RefreshAction
{
	ACTION_NOTHING,
	ACTION_FOLD_IN,
	ACTION_RETRAIN
} RefreshAction;

typedef struct RefreshDecision
{
	RefreshAction action;
	const char *reason;
} RefreshDecision;

/* What a fold-in did, for the job's row. */
typedef struct FoldCounts
{
	int64		events;			/* new ones that were used */
	int64		waiting;		/* new ones about items that this version cannot take in */
	int64		users;			/* whose rows were written */
	int64		new_users;
	int64		solved;			/* who have got a new embedding */
	int32		new_items;
	int32		waiting_items;	/* which this version cannot take in */
	bool		knowledge;		/* knowledge spread and satisfaction are up to date, too */
} FoldCounts;

/* The items of the deployed version by ascending id, new ones among them. */
typedef struct FoldItems
{
	int32		count;
	int32		old;			/* those that the version has had */
	Datum	   *id;
	int32	   *item_no;		/* a new one: provisional, behind the old ones */
	int32	   *dense;			/* by item_no */
	float	   *vector;			/* dims floats each; new ones: 0 until solved */
	double	   *popularity;
	int32	   *users;
	int32	   *of_log;			/* by number in the log; -1: the version cannot take it in */
	double	   *new_reach;		/* users who have not had to do with it before */
} FoldItems;

typedef struct RefreshFold
{
	const RefreshOptions *options;
	ModelConfig *config;
	DeployedVersion deployed;
	FoldIn		fold;
	KnowledgeState knowledge;
	bool		is_knowledge_current;	/* it describes the events of this version */
	bool		are_actions_current;	/* nobody has changed their weights since */
	bool		takes_items;	/* new items get vectors */
	MemoryBudget budget;
	TrainCosts	costs;
	EventLog   *read;			/* from the start of the bucket in which the old events end */
	EventLog	known;			/* of these, about items that the version has or takes in */
	EventLog	fresh;			/* of these, the new ones */
	Touched    *touched;		/* pairs of the new ones */
	double		to_origin;		/* what brings their preferences to the version's age origin */
	FoldItems	items;
	FoldCounts	counts;
} RefreshFold;

/* refresh_decide.c */
extern void RefreshDecide(Oid schema, const RefreshOptions *options, RefreshDecision *decision);

/* NULL if the deployed version can take in new events, or why not. */
extern const char *RefreshFoldObstacle(const ModelConfig *config, const FoldIn *fold);

typedef enum FoldOutcome
{
	FOLD_DONE,
	FOLD_NOTHING,				/* nothing is new after all */
	FOLD_TOO_MANY_ITEMS			/* nothing was written: it is time to train again */
} FoldOutcome;

/* refresh_fold.c: fold in. */
extern FoldOutcome RefreshFoldIn(Oid schema, const RefreshOptions *options, FoldCounts *counts);

/* Memory that lives as long as the fold-in, counted against its budget. */
extern void *FoldAlloc(RefreshFold *run, int64 count, Size width);

/* What was written so far is seen by what is read from here on. */
extern void FoldNewSnapshot(void);

/* refresh_items.c: which items there are, and vectors for the new ones. */
extern void FoldItemsLoad(RefreshFold *run);
extern void FoldItemsSolve(RefreshFold *run);

/* refresh_users.c: the rows of users with new events. */
extern void FoldUsersWrite(RefreshFold *run);

/*
 * The vector of a user with new events, by the items as they are; false if
 * nothing can be learned of him.  "number" is that in the log.
 */
extern bool FoldUserSolve(RefreshFold *run, UserReader *reader, int32 number, float *vector);

/* refresh_knowledge.c: item_spread, spread_factor, user_activity, item_activity. */
extern void FoldKnowledge(RefreshFold *run);

#endif							/* COMMREC_REFRESH_INTERNAL_H */
