/*
 * knowledge.c
 *		Knowledge spread and satisfaction: item_spread, spread_factor and user_activity.
 *
 * One pass over the sorted events gives reach and spread of every item, and
 * number and spread of the events of every bucket; both are shrunk towards
 * their means.  A second pass goes user by user: his events are grouped by
 * bucket, and every group is a row of user_activity, written at once.  All sums
 * run in the order of (user, item, action, time) or, within a group, of item,
 * so that they do not depend on the order of the rows.  doc/knowledge.md
 * computes the same in plain SQL.
 */
#include "postgres.h"

#include <math.h>

#include "access/table.h"
#include "executor/spi.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/shrinkage.h"
#include "store/bulk.h"
#include "store/deploy.h"
#include "train/events_internal.h"
#include "train/knowledge.h"

#define FIRST_BUCKETS	1024
#define WHAT			"knowledge spread"

/* Spread over the items. */
typedef struct ItemSpread
{
	int32		count;
	double	   *reach;			/* R_j */
	double	   *spread;			/* A_j */
	double	   *coefficient;	/* w_j */
} ItemSpread;

/* Spread over the buckets; ascending once BucketsSort has run. */
typedef struct BucketSpread
{
	IdMap	   *map;			/* numbers buckets while they are found */
	int32		count;
	int64		room;
	TimestampTz *bucket;		/* NULL until sorted */
	double	   *events;			/* N_t */
	double	   *spread;			/* A_t */
	double	   *factor;			/* f(t) */
} BucketSpread;

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
	ItemSpread	items;
	BucketSpread buckets;
} Knowledge;

/* An event of one user while they are grouped by bucket. */
typedef struct ActivityEvent
{
	TimestampTz bucket;
	int64		event;
} ActivityEvent;

/* A row of user_activity. */
typedef struct Activity
{
	TimestampTz bucket;
	int64		interactions;
	int64		items;
	double		spread;
	double		satisfaction;	/* the sum of signals */
	int64		signals;
} Activity;

static void *
AllocNumbers(const Knowledge *knowledge, int64 count, Size width)
{
	void	   *numbers = BudgetAlloc(knowledge->log->budget, mul_size(Max(count, 1), width), WHAT);

	memset(numbers, 0, (Size) Max(count, 1) * width);
	return numbers;
}

static void
FreeNumbers(const Knowledge *knowledge, void *numbers, int64 count, Size width)
{
	BudgetFree(knowledge->log->budget, numbers, (Size) Max(count, 1) * width);
}

/* Finite is all that any of these numbers has to be; only absurd weights get here. */
static void
RequireFinite(double number)
{
	if (!isfinite(number))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("knowledge spread overflows"),
				 errhint("Lower the column spread in the model's table \"%s\".", MODEL_ACTION)));
}

static void
AddWeight(WeightSums *sums, double weight)
{
	sums->sum += weight;
	sums->square_sum += weight * weight;
}

/* R_j and A_j over all events, and from them w_j. */
static void
ComputeItems(Knowledge *knowledge)
{
	const EventLog *log = knowledge->log;
	ItemSpread *items = &knowledge->items;
	WeightSums	sums = {0.0, 0.0};
	CrShrinkage shrinkage;

	items->count = EventsItems(log);
	items->reach = AllocNumbers(knowledge, items->count, sizeof(double));
	items->spread = AllocNumbers(knowledge, items->count, sizeof(double));
	items->coefficient = AllocNumbers(knowledge, items->count, sizeof(double));
	for (int32 user = 0; user < EventsUsers(log); user++)
	{
		for (int64 e = log->start[user]; e < log->start[user + 1]; e++)
		{
			int32		item = log->item[e];
			double		weight = EventWeights(log, e)->spread;

			EVENTS_POLL(e);
			items->spread[item] += weight;
			AddWeight(&sums, weight);
			if (e == log->start[user] || item != log->item[e - 1])
				items->reach[item]++;
		}
	}

	shrinkage = cr_shrinkage_fit(items->spread, items->reach, items->count, sums.sum,
								 sums.square_sum);
	for (int32 item = 0; item < items->count; item++)
	{
		EVENTS_POLL(item);
		items->coefficient[item] = cr_shrinkage_rate(&shrinkage, items->spread[item],
													 items->reach[item]);
		RequireFinite(items->coefficient[item]);
	}
}

static double *
GrowNumbers(const Knowledge *knowledge, double *numbers, int64 room)
{
	Size		bytes = mul_size(room, sizeof(double));

	BudgetReserve(knowledge->log->budget, bytes, WHAT);
	numbers = repalloc_huge(numbers, bytes * 2);
	memset(numbers + room, 0, bytes);
	return numbers;
}

/* Provisional number of a bucket, whose sums begin at 0. */
static int32
FindBucket(Knowledge *knowledge, TimestampTz bucket)
{
	BucketSpread *buckets = &knowledge->buckets;
	int32		number = IdMapAdd(buckets->map, Int64GetDatum(bucket));

	if (number == buckets->room)
	{
		buckets->events = GrowNumbers(knowledge, buckets->events, buckets->room);
		buckets->spread = GrowNumbers(knowledge, buckets->spread, buckets->room);
		buckets->room *= 2;
	}
	return number;
}

/* N_t and A_t of the buckets, in the order in which they are found. */
static void
CountBuckets(Knowledge *knowledge, WeightSums *sums)
{
	const EventLog *log = knowledge->log;
	BucketSpread *buckets = &knowledge->buckets;

	buckets->map = IdMapCreate(ID_INT8, log->budget, "buckets");
	buckets->room = FIRST_BUCKETS;
	buckets->events = AllocNumbers(knowledge, buckets->room, sizeof(double));
	buckets->spread = AllocNumbers(knowledge, buckets->room, sizeof(double));
	for (int64 e = 0; e < log->count; e++)
	{
		double		weight = EventWeights(log, e)->spread;
		int32		number;

		EVENTS_POLL(e);
		if (log->time[e] == EVENT_NO_TIME)
			continue;
		number = FindBucket(knowledge, BucketStart(log->time[e], knowledge->config->bucket_width));
		buckets->events[number]++;
		buckets->spread[number] += weight;
		AddWeight(sums, weight);
	}
	buckets->count = IdMapCount(buckets->map);
}

/* Bring sums into the order "rank", in an array of their own size. */
static double *
ReorderNumbers(const Knowledge *knowledge, double *numbers, const int32 *rank)
{
	const BucketSpread *buckets = &knowledge->buckets;
	double	   *ordered = AllocNumbers(knowledge, buckets->count, sizeof(double));

	for (int32 i = 0; i < buckets->count; i++)
	{
		EVENTS_POLL(i);
		ordered[rank[i]] = numbers[i];
	}
	FreeNumbers(knowledge, numbers, buckets->room, sizeof(double));
	return ordered;
}

static void
SortBuckets(Knowledge *knowledge)
{
	BucketSpread *buckets = &knowledge->buckets;
	const int32 *rank = IdMapSort(buckets->map);

	buckets->events = ReorderNumbers(knowledge, buckets->events, rank);
	buckets->spread = ReorderNumbers(knowledge, buckets->spread, rank);
	buckets->bucket = AllocNumbers(knowledge, buckets->count, sizeof(TimestampTz));
	for (int32 i = 0; i < buckets->count; i++)
	{
		EVENTS_POLL(i);
		buckets->bucket[i] = DatumGetInt64(IdMapGet(buckets->map, i));
	}
	IdMapFree(buckets->map);
	buckets->map = NULL;
}

/*
 * f(t), or 1 throughout if no event with a time carries any spread.  Exposure
 * is what the bucket's events would have spread at the long-run mean.
 */
static void
ComputeFactors(Knowledge *knowledge, const WeightSums *sums)
{
	BucketSpread *buckets = &knowledge->buckets;
	double	   *exposure = AllocNumbers(knowledge, buckets->count, sizeof(double));
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
		RequireFinite(buckets->factor[i]);
	}
}

static void
ComputeBuckets(Knowledge *knowledge)
{
	WeightSums	sums = {0.0, 0.0};

	CountBuckets(knowledge, &sums);
	SortBuckets(knowledge);
	ComputeFactors(knowledge, &sums);
}

/* f(t) of a bucket, which is one of those counted. */
static double
FactorOf(const BucketSpread *buckets, TimestampTz bucket)
{
	int32		low = 0;
	int32		high = buckets->count - 1;

	while (low < high)
	{
		int32		middle = low + (high - low) / 2;

		if (buckets->bucket[middle] < bucket)
			low = middle + 1;
		else
			high = middle;
	}
	Assert(buckets->bucket[low] == bucket);
	return buckets->factor[low];
}

static void
PublishItems(const Knowledge *knowledge)
{
	const ItemSpread *items = &knowledge->items;
	BulkWriter *writer = BulkWriterBegin(knowledge->config, MODEL_ITEM_SPREAD);
	bool		nulls[4] = {false};

	for (int32 item = 0; item < items->count; item++)
	{
		Datum		values[4];

		EVENTS_POLL(item);
		values[0] = IdMapGet(knowledge->log->items, item);
		values[1] = Int64GetDatum((int64) items->reach[item]);
		values[2] = Float8GetDatum(items->spread[item]);
		values[3] = Float8GetDatum(items->coefficient[item]);
		BulkWriterAdd(writer, values, nulls);
	}
	BulkWriterEnd(writer);
}

static void
PublishBuckets(const Knowledge *knowledge)
{
	const BucketSpread *buckets = &knowledge->buckets;
	BulkWriter *writer = BulkWriterBegin(knowledge->config, MODEL_SPREAD_FACTOR);
	bool		nulls[4] = {false};

	for (int32 i = 0; i < buckets->count; i++)
	{
		Datum		values[4];

		EVENTS_POLL(i);
		values[0] = TimestampTzGetDatum(buckets->bucket[i]);
		values[1] = Int64GetDatum((int64) buckets->events[i]);
		values[2] = Float8GetDatum(buckets->spread[i]);
		values[3] = Float8GetDatum(buckets->factor[i]);
		BulkWriterAdd(writer, values, nulls);
	}
	BulkWriterEnd(writer);
}

/* How satisfied a single event shows its user to be; NaN if it tells nothing. */
static double
Signal(const EventLog *log, int64 event)
{
	double		scaled = EventScaledValue(log, event);

	if (isnan(scaled))
		return EventWeights(log, event)->satisfaction;
	return Max(0.0, Min(1.0, scaled));
}

/* One group: a user's events of one bucket, ascending by item. */
static void
SumActivity(const Knowledge *knowledge, const ActivityEvent *events, int64 count,
			Activity *activity)
{
	const EventLog *log = knowledge->log;
	int32		last = -1;

	memset(activity, 0, sizeof(Activity));
	activity->bucket = events[0].bucket;
	activity->interactions = count;
	for (int64 i = 0; i < count; i++)
	{
		int32		item = log->item[events[i].event];
		double		signal = Signal(log, events[i].event);

		EVENTS_POLL(i);
		if (item != last)
		{
			activity->items++;
			activity->spread += knowledge->items.coefficient[item];
			last = item;
		}
		if (!isnan(signal))
		{
			activity->satisfaction += signal;
			activity->signals++;
		}
	}
	activity->spread *= FactorOf(&knowledge->buckets, activity->bucket);
	RequireFinite(activity->spread);
}

static void
AddActivity(BulkWriter *writer, Datum user, const Activity *activity)
{
	Datum		values[7];
	bool		nulls[7] = {false};

	values[0] = user;
	values[1] = TimestampTzGetDatum(activity->bucket);
	values[2] = Int64GetDatum(activity->interactions);
	values[3] = Int64GetDatum(activity->items);
	values[4] = Float8GetDatum(activity->spread);
	values[5] = (Datum) 0;
	nulls[5] = activity->signals == 0;
	if (activity->signals > 0)
		values[5] = Float8GetDatum(activity->satisfaction / (double) activity->signals);
	values[6] = Int64GetDatum(activity->signals);
	BulkWriterAdd(writer, values, nulls);
}

/* By bucket; the order of events, which is that of items, breaks ties. */
static int
CompareActivityEvents(const void *a, const void *b)
{
	const ActivityEvent *left = a;
	const ActivityEvent *right = b;

	CHECK_FOR_INTERRUPTS();
	if (left->bucket != right->bucket)
		return left->bucket < right->bucket ? -1 : 1;
	return left->event < right->event ? -1 : left->event > right->event;
}

/* A user's events with a time, grouped by bucket.  Returns their number. */
static int64
GroupEvents(const Knowledge *knowledge, int32 user, ActivityEvent *events)
{
	const EventLog *log = knowledge->log;
	int64		count = 0;

	for (int64 e = log->start[user]; e < log->start[user + 1]; e++)
	{
		EVENTS_POLL(e);
		if (log->time[e] == EVENT_NO_TIME)
			continue;
		events[count].bucket = BucketStart(log->time[e], knowledge->config->bucket_width);
		events[count].event = e;
		count++;
	}
	qsort(events, count, sizeof(ActivityEvent), CompareActivityEvents);
	return count;
}

static void
PublishUser(const Knowledge *knowledge, int32 user, ActivityEvent *events, BulkWriter *writer)
{
	int64		count = GroupEvents(knowledge, user, events);

	for (int64 from = 0; from < count;)
	{
		int64		to = from + 1;
		Activity	activity;

		while (to < count && events[to].bucket == events[from].bucket)
			to++;
		SumActivity(knowledge, events + from, to - from, &activity);
		AddActivity(writer, IdMapGet(knowledge->log->users, user), &activity);
		from = to;
	}
}

static void
PublishActivity(const Knowledge *knowledge)
{
	const EventLog *log = knowledge->log;
	BulkWriter *writer = BulkWriterBegin(knowledge->config, MODEL_USER_ACTIVITY);
	int64		most = 0;
	ActivityEvent *events;

	for (int32 user = 0; user < EventsUsers(log); user++)
		most = Max(most, log->start[user + 1] - log->start[user]);
	events = AllocNumbers(knowledge, most, sizeof(ActivityEvent));
	for (int32 user = 0; user < EventsUsers(log); user++)
	{
		EVENTS_POLL(user);
		PublishUser(knowledge, user, events, writer);
	}
	FreeNumbers(knowledge, events, most, sizeof(ActivityEvent));
	BulkWriterEnd(writer);
}

/* Through SQL, so that it waits for whoever else writes into these tables. */
static void
EmptyTables(const ModelConfig *config)
{
	static const char *const tables[] = {MODEL_ITEM_SPREAD, MODEL_SPREAD_FACTOR,
	MODEL_USER_ACTIVITY};

	SPI_connect();
	for (int i = 0; i < (int) lengthof(tables); i++)
	{
		/* Refuses anything but a plain table. */
		table_close(ModelOpenTable(config->schema, tables[i], RowExclusiveLock), NoLock);
		ModelExecute(psprintf("DELETE FROM %s", ModelTableSql(config->schema, tables[i])), 0, NULL,
					 NULL, NULL, SPI_OK_DELETE);
	}
	SPI_finish();
}

static void
FreeKnowledge(Knowledge *knowledge)
{
	ItemSpread *items = &knowledge->items;
	BucketSpread *buckets = &knowledge->buckets;

	FreeNumbers(knowledge, items->reach, items->count, sizeof(double));
	FreeNumbers(knowledge, items->spread, items->count, sizeof(double));
	FreeNumbers(knowledge, items->coefficient, items->count, sizeof(double));
	if (buckets->bucket == NULL)
		return;
	FreeNumbers(knowledge, buckets->bucket, buckets->count, sizeof(TimestampTz));
	FreeNumbers(knowledge, buckets->events, buckets->count, sizeof(double));
	FreeNumbers(knowledge, buckets->spread, buckets->count, sizeof(double));
	FreeNumbers(knowledge, buckets->factor, buckets->count, sizeof(double));
}

void
KnowledgePublish(const EventLog *log, const ModelConfig *config)
{
	Knowledge	knowledge = {0};

	knowledge.log = log;
	knowledge.config = config;
	EmptyTables(config);
	ComputeItems(&knowledge);
	PublishItems(&knowledge);
	if (log->time != NULL)
	{
		ComputeBuckets(&knowledge);
		PublishBuckets(&knowledge);
		PublishActivity(&knowledge);
	}
	FreeKnowledge(&knowledge);
}
