/*
 * knowledge_internal.h
 *		What the files knowledge*.c share: sums over items and buckets, and the weights of actions.
 */
#ifndef COMMREC_KNOWLEDGE_INTERNAL_H
#define COMMREC_KNOWLEDGE_INTERNAL_H

#include "store/bulk.h"
#include "train/events_internal.h"
#include "train/knowledge.h"

/* Spread over the items. */
typedef struct ItemSpread
{
	int32		count;
	double	   *reach;			/* R_j */
	double	   *spread;			/* A_j */
	double	   *coefficient;	/* w_j */
} ItemSpread;

/* Spread over the buckets that have events, ascending. */
typedef struct BucketSpread
{
	int32		count;
	int64		room;			/* of events and spread while buckets are found */
	int64	   *ordinal;		/* of the bucket, as BucketOrdinal numbers them */
	double	   *events;			/* N_t */
	double	   *spread;			/* A_t */
	double	   *factor;			/* f(t) */
} BucketSpread;

#define BUCKET_CACHE	1024	/* a power of two; more days than a community usually has */

/* Numbers of buckets met lately: few buckets hold nearly all events. */
typedef struct BucketCache
{
	int64		ordinal[BUCKET_CACHE];
	int32		number[BUCKET_CACHE];	/* -1: free */
} BucketCache;

/* The weights of single events, for the variance that chance explains. */
typedef struct WeightSums
{
	double		sum;
	double		square_sum;
} WeightSums;

typedef struct Knowledge
{
	const EventLog *log;
	const ModelConfig *config;
	CrDivisor	bucket_width;
	double	   *action_spread;	/* by action */
	ItemSpread	items;
	BucketSpread buckets;
	BucketCache cache;
} Knowledge;

/* knowledge.c: zeroed, counted against the budget; given back; 22003 unless finite. */
extern void *KnowledgeAlloc(const Knowledge *knowledge, int64 count, Size width);
extern void KnowledgeFree(const Knowledge *knowledge, void *numbers, int64 count, Size width);
extern void KnowledgeRequireFinite(double number);

/* Of this log: what is asked of every event, in forms that answer fast. */
extern void KnowledgeBegin(Knowledge *knowledge, const EventLog *log, const ModelConfig *config);

/* w_j from R_j and A_j; the sums are over single events. */
extern void KnowledgeComputeCoefficients(ItemSpread *items, const WeightSums *sums);

/* Replace the rows of spread_factor. */
extern void KnowledgePublishBuckets(const Knowledge *knowledge);

/*
 * knowledge_buckets.c: find all buckets of the log, sum up their events, and
 * compute f(t); or one after the other.  The sums are over single events.
 */
extern void KnowledgeComputeBuckets(Knowledge *knowledge, WeightSums *sums);
extern void KnowledgeFindBuckets(Knowledge *knowledge, WeightSums *sums);
extern void KnowledgeComputeFactors(Knowledge *knowledge, const WeightSums *sums);

/* The number, in ascending order, of the bucket that holds this time: one of those found. */
extern int32 KnowledgeBucket(Knowledge *knowledge, TimestampTz time);

/* knowledge_activity.c: write rows of user_activity, and end the writer. */
extern void KnowledgePublishActivity(Knowledge *knowledge, BulkWriter *writer);

static inline int16
KnowledgeAction(const EventLog *log, int64 event)
{
	return log->action == NULL ? log->implied_action : log->action[event];
}

static inline void
KnowledgeAddWeight(WeightSums *sums, double weight)
{
	sums->sum += weight;
	sums->square_sum += weight * weight;
}

#endif							/* COMMREC_KNOWLEDGE_INTERNAL_H */
