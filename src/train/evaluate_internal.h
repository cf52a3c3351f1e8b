/*
 * evaluate_internal.h
 *		What the files evaluate*.c share: the split, who is ranked what, and the lists.
 *
 *	evaluate_split.c	events into what is known and what has to be foreseen
 *	evaluate_learn.c	a model trained in memory on what is known, and its catalogue
 *	evaluate_stored.c	a published version, and test events from a relation
 *	evaluate_rank.c		the lists: of the model, and of orders that are the same for all
 *	evaluate_score.c	metrics of the lists, strata, intervals
 *	evaluate.c			puts these together and writes the result
 *
 * A position is the place of an item in the catalogue in descending order of
 * norm, ties by id: its item_no, if the model were published.  All memory is in
 * one context; what is large is counted against the budget.
 */
#ifndef COMMREC_EVALUATE_INTERNAL_H
#define COMMREC_EVALUATE_INTERNAL_H

#include "core/rng.h"
#include "store/evaluation.h"
#include "store/reader.h"
#include "train/evaluate.h"
#include "train/events.h"
#include "train/interactions.h"
#include "train/trainer.h"

#define EVALUATE_NEVER		(-1)	/* position of an item that the catalogue does not have */

/* Streams of random numbers, away from those of entities and of validations. */
#define EVALUATE_STREAM_PAIRS	(UINT64_MAX - 8)
#define EVALUATE_STREAM_USERS	(UINT64_MAX - 9)
#define EVALUATE_STREAM_AUC		(UINT64_MAX - 10)

typedef struct EvaluateMemory
{
	MemoryBudget *budget;
	Size		bytes;			/* to be given back */
	TrainCosts	costs;			/* what reading events wants to report to */
} EvaluateMemory;

typedef struct SplitOptions
{
	SplitRule	rule;
	bool		has_split_at;	/* SPLIT_TIME: else the newest test_share of the events is the test */
	TimestampTz split_at;
	double		test_share;
	double		newer_share;	/* SPLIT_TIME: so much of the newest events is left out altogether */
	int			newer_items;	/* SPLIT_LAST: so many of the newest items of each user are */
	double		half_life;		/* of preferences, days */
	int32		users;			/* test users at most; 0: all */
	uint64		seed;
} SplitOptions;

/* Events that may be learned from, and pairs that have to be foreseen.  Numbers are those of the log. */
typedef struct EventSplit
{
	EventLog	known;			/* shares ids and actions with the log */
	TimestampTz split_at;		/* EVENT_NO_TIME unless split by time */
	int32		users;			/* that are tested */
	int32	   *user;			/* their numbers, ascending */
	int64	   *test_start;		/* users + 1 offsets */
	int32	   *test_item;		/* positive pairs that are not in "known"; ascending */
} EventSplit;

/* What can be recommended.  Arrays are by position unless said otherwise. */
typedef struct EvaluateCatalogue
{
	int32		items;
	int32		dims;			/* of the vectors, popularity included; 0: nothing was learned */
	int32		factors;		/* the first of them */
	int32		stride;
	float	   *vector;			/* items rows */
	CrCsr		lists;			/* of items that go with each item; no rows: there are none */
	int32	   *popular;		/* positions, as unknown users are answered */
	int32	   *by_users;		/* positions in descending order of "users", ties by id */
	int32	   *recent;			/* positions by recent popularity, ties by id; NULL: there are no times */
	int32	   *users;			/* distinct users in the known events */
	float	   *age;			/* days since the first known event; NULL: there are no times */
	int64		known_users;	/* all of them */
} EvaluateCatalogue;

/* Whom to rank for, and what came true. */
typedef struct EvaluateUsers
{
	int32		users;
	float	   *vector;			/* users rows of the catalogue's stride */
	uint8	   *has_vector;		/* 0: answered from popularity */
	int64	   *liked_start;	/* where there are lists: users + 1 offsets */
	int32	   *liked;			/* positions of what he is scored by; ascending */
	float	   *liked_weight;	/* c_ui */
	int64	   *seen_start;
	int32	   *seen;			/* positions that are not recommended any more; ascending */
	int64	   *test_start;
	int32	   *test;			/* positions; ascending, none of them seen */
	int32	   *missing;		/* relevant items that the catalogue does not have */
	int64	   *negative_start; /* NULL: the whole catalogue is ranked */
	int32	   *negative;		/* positions; ascending */
} EvaluateUsers;

/* The best of every user by one scorer. */
typedef struct EvaluateLists
{
	const char *name;			/* "model", "popular", "recent" */
	int32		k;				/* places of a list */
	int32	   *count;			/* of each user */
	int32	   *position;		/* users x k */
	float	   *auc;			/* of each user; NaN where it is not defined */
} EvaluateLists;

/* Figures, as they are found. */
typedef struct EvaluateRows
{
	StoredMetric *row;
	int			count;
	int			room;
} EvaluateRows;

/* A model trained in memory. */
typedef struct EvaluateModel
{
	CrHyperparameters used;
	Touched    *touched;
	double	   *popularity;		/* decayed, by item number */
	float	   *popularity_score;	/* weighted coordinate by item number; NULL without */
	int32	   *row_of_user;	/* of the trainer, by number; -1: not in the known events */
	int32	   *row_of_item;
	int32		users;			/* rows */
	int32		items;
	Trainer    *trainer;		/* NULL: nothing could be learned */
	TrainerResult result;
} EvaluateModel;

/* What comparisons and searches go by: one of the metrics of hits at one k. */
typedef struct EvaluateMeasure
{
	int			metric;			/* place among recall, precision, ndcg, map, mrr, hit_rate */
	int32		k;
} EvaluateMeasure;

/* evaluate_score.c: from "ndcg@10" and the like; 22023. */
extern void EvaluateMeasureParse(const char *text, EvaluateMeasure *measure);

/*
 * evaluate_compare.c: learn from a split with these hyperparameters and judge
 * the lists; figures has room for split->users.  Keeps nothing in memory.
 */
extern void EvaluateTry(const EventSplit *split, const Recipe *recipe,
						const EvaluateMeasure *measure, MemoryBudget *budget, Progress *progress,
						CrHyperparameters *used, float *figures);

/*
 * The same in a subtransaction: what such hyperparameters can do wrong, no
 * convergence or too much memory, is returned as a message and costs the trial
 * alone.  NULL: it went well.
 */
extern char *EvaluateTrySafely(const EventSplit *split, const Recipe *recipe,
							   const EvaluateMeasure *measure, MemoryBudget *budget,
							   Progress *progress, CrHyperparameters *used, float *figures);

/* More room for what EvaluateAlloc has given; where it lies may change. */
extern void *EvaluateGrow(EvaluateMemory *memory, void *array, int64 room, int64 wanted, Size width);

/* Reserve and allocate count elements, in the current context. */
extern void *EvaluateAlloc(EvaluateMemory *memory, int64 count, Size width);

/* evaluate.c: the rule of that name; NULL: by time where there is any, else at random. */
extern SplitRule EvaluateSplitRule(const EventLog *log, const char *split);

/* evaluate_split.c: false if nothing is left to learn from, or to foresee. */
extern bool EventSplitMake(const EventLog *log, const SplitOptions *options,
						   EvaluateMemory *memory, EventSplit *split);

/* 55000 if so. */
extern void EventSplitRequire(const EventSplit *split);

/* evaluate_learn.c: train on split->known as commrec.train() would on all. */
extern void EvaluateLearn(const EventSplit *split, const Recipe *recipe, EvaluateMemory *memory,
						  Progress *progress, EvaluateModel *model);
extern void EvaluateForget(EvaluateModel *model, EvaluateMemory *memory);

/* evaluate_learn.c: the catalogue and the users of a model, as it would be published. */
extern void EvaluateModelCase(const EventSplit *split, const EvaluateModel *model,
							  EvaluateMemory *memory, EvaluateCatalogue *catalogue,
							  EvaluateUsers *users);

/* What is known of a published version. */
typedef struct EvaluateVersion
{
	DeployedVersion stored;
	int64		users;
	bool		has_events_until;
	TimestampTz events_until;
	char	   *algorithm;
	Jsonb	   *hyperparameters;	/* as used */
} EvaluateVersion;

/* evaluate_stored.c: a version's row; 0: the deployed one.  False if there is none. */
extern bool EvaluateFindVersion(Oid schema, int32 version, EvaluateVersion *result);

/*
 * The same; 42704 if there is none of that number, 55000 if none is deployed
 * or, with "with_data", the version's data are gone.
 */
extern void EvaluateReadVersion(Oid schema, int32 version, bool with_data,
								EvaluateVersion *result);

/* evaluate_stored.c: a published version, and the test events of a relation. */
extern void EvaluateStoredCase(const ModelConfig *config, const EvaluateVersion *version,
							   const EvaluateOptions *options, EvaluateMemory *memory,
							   EvaluateCatalogue *catalogue, EvaluateUsers *users);

/* Positions in descending order of the key (by position), ties by "number" (by position). */
extern int32 *EvaluateOrder(const double *key, const int32 *number, int32 items,
							EvaluateMemory *memory);

/* Of two positions, for qsort and bsearch. */
extern int	EvaluateComparePositions(const void *left, const void *right);

/* evaluate_rank.c */
extern void EvaluateRankModel(const EvaluateCatalogue *catalogue, const EvaluateUsers *users,
							  bool with_auc, EvaluateMemory *memory, EvaluateLists *lists);
extern void EvaluateRankOrder(const EvaluateCatalogue *catalogue, const int32 *order,
							  const EvaluateUsers *users, EvaluateMemory *memory,
							  EvaluateLists *lists);

/* evaluate_score.c: one metric of the list of every user. */
extern void EvaluateFigures(const EvaluateUsers *users, const EvaluateLists *lists,
							const EvaluateMeasure *measure, float *figures);

/* evaluate_score.c: what holds the middle "confidence" of the means, which are put in order; NaN of none. */
extern void EvaluateInterval(double *means, int32 count, double confidence, double *low,
							 double *high);

/* evaluate_score.c: all figures of all scorers, the first of which is the model. */
extern void EvaluateScore(const EvaluateCatalogue *catalogue, const EvaluateUsers *users,
						  const EvaluateLists *lists, int scorers,
						  const EvaluateOptions *options, EvaluateMemory *memory,
						  EvaluateRows *rows);

#endif							/* COMMREC_EVALUATE_INTERNAL_H */
