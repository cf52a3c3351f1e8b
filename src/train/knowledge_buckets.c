/*
 * knowledge_buckets.c
 *		Which buckets have events, what they spread, and the spread factor f(t).
 *
 * While buckets are found they have provisional numbers by first appearance;
 * then they are brought into ascending order.  In front of both ways to look a
 * number up, the map and the binary search, is a small cache: without it, two
 * look-ups of every event would cost more than all sums together.
 */
#include "postgres.h"

#include <math.h>

#include "core/shrinkage.h"
#include "train/knowledge_internal.h"

#define FIRST_BUCKETS	1024

static void
ClearCache(BucketCache *cache)
{
	for (int i = 0; i < BUCKET_CACHE; i++)
		cache->number[i] = -1;
}

/* Where the cache would keep this bucket. */
static int
CacheSlot(int64 ordinal)
{
	return (int) ((uint64) ordinal % BUCKET_CACHE);
}

static double *
GrowNumbers(const Knowledge *knowledge, double *numbers, int64 room)
{
	Size		bytes = mul_size(room, sizeof(double));

	BudgetReserve(knowledge->log->budget, bytes, "knowledge spread");
	numbers = repalloc_huge(numbers, bytes * 2);
	memset(numbers + room, 0, bytes);
	return numbers;
}

/* Provisional number of a bucket, whose sums begin at 0. */
static int32
AddBucket(Knowledge *knowledge, IdMap *map, int64 ordinal)
{
	BucketSpread *buckets = &knowledge->buckets;
	BucketCache *cache = &knowledge->cache;
	int			slot = CacheSlot(ordinal);

	if (cache->number[slot] < 0 || cache->ordinal[slot] != ordinal)
	{
		cache->ordinal[slot] = ordinal;
		cache->number[slot] = IdMapAdd(map, Int64GetDatum(ordinal));
		if (cache->number[slot] == buckets->room)
		{
			buckets->events = GrowNumbers(knowledge, buckets->events, buckets->room);
			buckets->spread = GrowNumbers(knowledge, buckets->spread, buckets->room);
			buckets->room *= 2;
		}
	}
	return cache->number[slot];
}

/* N_t and A_t of the buckets, in the order in which they are found. */
static void
CountBuckets(Knowledge *knowledge, IdMap *map, WeightSums *sums)
{
	const EventLog *log = knowledge->log;
	BucketSpread *buckets = &knowledge->buckets;

	buckets->room = FIRST_BUCKETS;
	buckets->events = KnowledgeAlloc(knowledge, buckets->room, sizeof(double));
	buckets->spread = KnowledgeAlloc(knowledge, buckets->room, sizeof(double));
	ClearCache(&knowledge->cache);
	for (int64 e = 0; e < log->count; e++)
	{
		double		weight = knowledge->action_spread[KnowledgeAction(log, e)];
		int32		number;

		EVENTS_POLL(e);
		if (log->time[e] == EVENT_NO_TIME)
			continue;
		number = AddBucket(knowledge, map, BucketOrdinalBy(&knowledge->bucket_width, log->time[e]));
		buckets->events[number]++;
		buckets->spread[number] += weight;
		KnowledgeAddWeight(sums, weight);
	}
	buckets->count = IdMapCount(map);
}

/* Bring sums into the order "rank", in an array of their own size. */
static double *
ReorderNumbers(const Knowledge *knowledge, double *numbers, const int32 *rank)
{
	const BucketSpread *buckets = &knowledge->buckets;
	double	   *ordered = KnowledgeAlloc(knowledge, buckets->count, sizeof(double));

	for (int32 i = 0; i < buckets->count; i++)
	{
		EVENTS_POLL(i);
		ordered[rank[i]] = numbers[i];
	}
	KnowledgeFree(knowledge, numbers, buckets->room, sizeof(double));
	return ordered;
}

/* From provisional numbers to ascending ones. */
static void
SortBuckets(Knowledge *knowledge, IdMap *map)
{
	BucketSpread *buckets = &knowledge->buckets;
	const int32 *rank = IdMapSort(map);

	buckets->events = ReorderNumbers(knowledge, buckets->events, rank);
	buckets->spread = ReorderNumbers(knowledge, buckets->spread, rank);
	buckets->ordinal = KnowledgeAlloc(knowledge, buckets->count, sizeof(int64));
	for (int32 i = 0; i < buckets->count; i++)
	{
		EVENTS_POLL(i);
		buckets->ordinal[i] = DatumGetInt64(IdMapGet(map, i));
	}
	ClearCache(&knowledge->cache);
}

/*
 * f(t), or 1 throughout if no event with a time carries any spread.  Exposure
 * is what the bucket's events would have spread at the long-run mean.
 */
void
KnowledgeComputeFactors(Knowledge *knowledge, const WeightSums *sums)
{
	BucketSpread *buckets = &knowledge->buckets;
	double	   *exposure = KnowledgeAlloc(knowledge, buckets->count, sizeof(double));
	double		events = 0.0;
	double		spread = 0.0;
	CrShrinkage shrinkage;

	for (int32 i = 0; i < buckets->count; i++)
	{
		events += buckets->events[i];
		spread += buckets->spread[i];
	}
	for (int32 i = 0; i < buckets->count; i++)
		exposure[i] = buckets->events[i] * (spread / events);
	shrinkage = cr_shrinkage_fit(buckets->spread, exposure, buckets->count, sums->sum,
								 sums->square_sum);

	buckets->factor = exposure;
	for (int32 i = 0; i < buckets->count; i++)
	{
		EVENTS_POLL(i);
		buckets->factor[i] = spread == 0.0 ? 1.0 :
			cr_shrinkage_rate(&shrinkage, buckets->spread[i], exposure[i]);
		KnowledgeRequireFinite(buckets->factor[i]);
	}
}

void
KnowledgeFindBuckets(Knowledge *knowledge, WeightSums *sums)
{
	IdMap	   *map = IdMapCreate(ID_INT8, knowledge->log->budget, "buckets");

	CountBuckets(knowledge, map, sums);
	SortBuckets(knowledge, map);
	IdMapFree(map);
}

void
KnowledgeComputeBuckets(Knowledge *knowledge, WeightSums *sums)
{
	KnowledgeFindBuckets(knowledge, sums);
	KnowledgeComputeFactors(knowledge, sums);
}

static int32
SearchBucket(const BucketSpread *buckets, int64 ordinal)
{
	int32		low = 0;
	int32		high = buckets->count - 1;

	while (low < high)
	{
		int32		middle = low + (high - low) / 2;

		if (buckets->ordinal[middle] < ordinal)
			low = middle + 1;
		else
			high = middle;
	}
	Assert(buckets->ordinal[low] == ordinal);
	return low;
}

int32
KnowledgeBucket(Knowledge *knowledge, TimestampTz time)
{
	BucketCache *cache = &knowledge->cache;
	int64		ordinal = BucketOrdinalBy(&knowledge->bucket_width, time);
	int			slot = CacheSlot(ordinal);

	if (cache->number[slot] < 0 || cache->ordinal[slot] != ordinal)
	{
		cache->ordinal[slot] = ordinal;
		cache->number[slot] = SearchBucket(&knowledge->buckets, ordinal);
	}
	return cache->number[slot];
}
