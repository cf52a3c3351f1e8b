/*
 * evaluate.h
 *		How good a model is: rankings of held-out events against baselines.
 *
 * Either the events of the model are split and a model is trained in memory on
 * the one part and judged on the other; nothing of it is published.  Or a
 * published version is judged, as it serves, on a relation of test events.
 *
 * Every user with a test event counts.  The whole catalogue less what the user
 * has seen is ranked by the same scores, in the same order, as recommend()
 * does; where there is a relation of negatives, the test items among those.
 */
#ifndef COMMREC_EVALUATE_H
#define COMMREC_EVALUATE_H

#include "store/evaluation.h"
#include "store/model.h"
#include "train/events.h"
#include "train/progress.h"
#include "train/recipe.h"
#include "utils/timestamp.h"

#define EVALUATE_CUTOFFS_MAX	16
#define EVALUATE_K_MAX			1000

typedef enum SplitRule
{
	SPLIT_TIME,					/* what comes at or after a time */
	SPLIT_LAST,					/* the newest item of each user */
	SPLIT_RANDOM				/* pairs drawn by seed */
} SplitRule;

typedef enum EvaluateBaseline
{
	BASELINE_POPULAR = 1,		/* by the number of users */
	BASELINE_RECENT = 2			/* by popularity with a half-life of EVALUATE_RECENT_DAYS */
} EvaluateBaseline;

#define EVALUATE_RECENT_DAYS	7.0

typedef struct EvaluateOptions
{
	int32		version;		/* 0: the deployed one with a test, else the model's own hyperparameters */
	Oid			test;			/* InvalidOid: split the events */
	Oid			negatives;		/* InvalidOid: rank the whole catalogue; only with a test */
	const char *split;			/* "time", "last", "random"; NULL: time where there is any, else random */
	bool		has_split_at;
	TimestampTz split_at;
	double		test_share;		/* of the events (time) or pairs (random) where no time is given */
	Jsonb	   *hyperparameters;	/* over those of the model or version; NULL for none */
	int			cutoffs;
	int32		k[EVALUATE_CUTOFFS_MAX];	/* ascending */
	int			baselines;		/* set of EvaluateBaseline */
	bool		strata;
	int32		users;			/* at most so many, drawn by seed; 0: all */
	int32		replicates;		/* of the bootstrap; 0: no intervals */
	double		confidence;
	uint64		seed;
	int			workers;		/* -1: max_parallel_maintenance_workers */
	bool		verbose;
	bool		allow_row_security;
} EvaluateOptions;

/* 22023 unless it is the name of a split, or NULL. */
extern void EvaluateCheckSplit(const char *split);

typedef struct EvaluateResult
{
	int32		evaluation;		/* its number in the model's tables "evaluation" and "metric" */
	StoredMetric *metrics;		/* in the caller's memory context */
	int			count;
} EvaluateResult;

/*
 * Evaluate, write the figures to the model's tables, and say in a NOTICE how
 * the model compares with each baseline.
 */
extern void Evaluate(Oid schema, const EvaluateOptions *options, EvaluateResult *result);

/* Hyperparameters against those of the version that serves: mean nDCG@10 over the same users. */
typedef struct EvaluateComparison
{
	int32		incumbent;		/* version; 0: none serves */
	int32		users;			/* 0: too few events to compare by */
	double		ndcg_candidate;
	double		ndcg_incumbent;
	double		low;			/* 95 % interval of their difference */
	double		high;
} EvaluateComparison;

extern void EvaluateCompare(Oid schema, const EventLog *log, const Recipe *candidate,
							MemoryBudget *budget, Progress *progress,
							EvaluateComparison *comparison);

/* Does nothing speak for the incumbent? */
extern bool EvaluateIsBetter(const EvaluateComparison *comparison);

#endif							/* COMMREC_EVALUATE_H */
