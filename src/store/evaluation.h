/*
 * evaluation.h
 *		The model's tables of evaluations: what was measured, and the figures.
 */
#ifndef COMMREC_EVALUATION_H
#define COMMREC_EVALUATION_H

#include "store/model.h"
#include "utils/timestamp.h"

#define MODEL_EVALUATION	"evaluation"
#define MODEL_METRIC		"metric"

/* The row of "evaluation"; NULL and false stand for NULL. */
typedef struct StoredEvaluation
{
	int32		version;		/* 0: NULL, a model trained for the evaluation */
	const char *protocol;
	bool		has_split_at;
	TimestampTz split_at;
	const char *test;
	const char *negatives;
	Jsonb	   *hyperparameters;	/* as used */
	int64		users;
	int64		pairs;
	double		reachable;		/* part of the pairs whose item the catalogue has */
	double		seconds;
} StoredEvaluation;

/* A row of "metric"; NaN and k 0 stand for NULL. */
typedef struct StoredMetric
{
	const char *scorer;
	const char *stratum;
	const char *metric;
	int32		k;
	double		value;
	double		low;
	double		high;
	int64		users;
} StoredMetric;

/* Write an evaluation and its figures; returns its number.  The caller owns the tables. */
extern int32 EvaluationWrite(Oid schema, const StoredEvaluation *evaluation,
							 const StoredMetric *metrics, int count);

#endif							/* COMMREC_EVALUATION_H */
