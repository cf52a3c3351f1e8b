/*
 * knowledge_activity.c
 *		Rows of user_activity: a user's events, grouped by bucket.
 *
 * Of each event of a user, bucket and place are packed into one number, which
 * is sorted by its bucket; events within a bucket stay in the order of items.
 */
#include "postgres.h"

#include <math.h>

#include "utils/timestamp.h"

#include "common/sort.h"
#include "train/knowledge_internal.h"

/* A row of user_activity. */
typedef struct Activity
{
	int64		interactions;
	int64		items;
	double		spread;
	double		satisfaction;	/* the sum of signals */
	int64		signals;
} Activity;

typedef struct ActivityWriter
{
	Knowledge  *knowledge;
	BulkWriter *writer;
	uint64	   *places;			/* of one user: bucket << place_bits | event less his first */
	uint64	   *scratch;		/* as many */
	int			place_bits;
	int			bucket_bits;
} ActivityWriter;

/* One group: a user's events of one bucket, ascending by item; "first" is his first event. */
static void
SumActivity(const ActivityWriter *activities, const uint64 *places, int64 count, int64 first,
			Activity *activity)
{
	const Knowledge *knowledge = activities->knowledge;
	uint64		mask = (UINT64CONST(1) << activities->place_bits) - 1;
	int32		last = -1;

	memset(activity, 0, sizeof(Activity));
	activity->interactions = count;
	for (int64 i = 0; i < count; i++)
	{
		int64		event = first + (int64) (places[i] & mask);
		int32		item = knowledge->log->item[event];
		double		signal = EventSignal(knowledge->log, event);

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
	activity->spread *= knowledge->buckets.factor[places[0] >> activities->place_bits];
	KnowledgeRequireFinite(activity->spread);
}

static void
AddActivity(BulkWriter *writer, Datum user, TimestampTz bucket, const Activity *activity)
{
	Datum		values[7];
	bool		nulls[7] = {false};

	values[0] = user;
	values[1] = TimestampTzGetDatum(bucket);
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

/* Collect a user's events with a time; returns their number. */
static int64
CollectPlaces(const ActivityWriter *activities, int32 user)
{
	Knowledge  *knowledge = activities->knowledge;
	const EventLog *log = knowledge->log;
	int64		first = log->start[user];
	int64		count = 0;

	for (int64 e = first; e < log->start[user + 1]; e++)
	{
		EVENTS_POLL(e);
		if (log->time[e] == EVENT_NO_TIME)
			continue;
		activities->places[count++] =
			(uint64) KnowledgeBucket(knowledge, log->time[e]) << activities->place_bits |
			(uint64) (e - first);
	}
	return count;
}

static void
PublishUser(const ActivityWriter *activities, int32 user)
{
	const Knowledge *knowledge = activities->knowledge;
	Datum		id = IdMapGet(knowledge->log->users, user);
	int64		count = CollectPlaces(activities, user);
	const uint64 *places = SortByBits(activities->places, activities->scratch, count,
									  activities->place_bits, activities->bucket_bits);

	for (int64 from = 0; from < count;)
	{
		uint64		bucket = places[from] >> activities->place_bits;
		int64		to = from + 1;
		Activity	activity;

		while (to < count && places[to] >> activities->place_bits == bucket)
			to++;
		SumActivity(activities, places + from, to - from, knowledge->log->start[user], &activity);
		AddActivity(activities->writer, id,
					BucketOrdinalStart(knowledge->buckets.ordinal[bucket],
									   knowledge->config->bucket_width), &activity);
		from = to;
	}
}

/* Events of the user who has most. */
static int64
MostEvents(const EventLog *log)
{
	int64		most = 0;

	for (int32 user = 0; user < EventsUsers(log); user++)
	{
		EVENTS_POLL(user);
		most = Max(most, log->start[user + 1] - log->start[user]);
	}
	return most;
}

void
KnowledgePublishActivity(Knowledge *knowledge, BulkWriter *writer)
{
	int64		most = MostEvents(knowledge->log);
	ActivityWriter activities;

	activities.knowledge = knowledge;
	activities.writer = writer;
	activities.places = KnowledgeAlloc(knowledge, most, sizeof(uint64));
	activities.scratch = KnowledgeAlloc(knowledge, most, sizeof(uint64));
	activities.place_bits = BitsOf((uint64) most);
	activities.bucket_bits = BitsOf((uint64) knowledge->buckets.count);
	for (int32 user = 0; user < EventsUsers(knowledge->log); user++)
	{
		EVENTS_POLL(user);
		PublishUser(&activities, user);
	}
	BulkWriterEnd(activities.writer);
	KnowledgeFree(knowledge, activities.places, most, sizeof(uint64));
	KnowledgeFree(knowledge, activities.scratch, most, sizeof(uint64));
}
