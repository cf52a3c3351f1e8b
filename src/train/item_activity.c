/*
 * item_activity.c
 *		What happened to every item in every stretch of time: the table item_activity.
 *
 * Stretches are the slots of core/activity.h, counted back from the newest
 * event that is not in the future.  One pass gives every event its slot and
 * marks which slots an item has anything in, one bit each; so the sums of all
 * items lie one after the other, without gaps.  A second pass adds the events
 * up, a pair of user and item at a time, since a user counts once in a slot.
 * Everything is counted against the training's budget and freed here.
 */
#include "postgres.h"

#include <math.h>

#include "common/int.h"
#include "utils/timestamp.h"

#include "store/bulk.h"
#include "train/trend.h"

#define WHAT				"activity of items"

/* Events from the one at hand to those whose items, and then sums, are fetched. */
#define ITEMS_AHEAD			32
#define SUMS_AHEAD			16

/* Half satisfied is satisfied. */
#define SATISFIED			0.5

static void *
AllocZero(const ItemActivity *activity, int64 count, Size width)
{
	Size		bytes = mul_size(Max(count, 1), width);

	return memset(BudgetAlloc(activity->log->budget, bytes, WHAT), 0, bytes);
}

static void
Free(const ItemActivity *activity, void *array, int64 count, Size width)
{
	BudgetFree(activity->log->budget, array, (Size) Max(count, 1) * width);
}

/* Without times there is but one slot, and every item has something in it. */
static void
UseOneSlot(ItemActivity *activity)
{
	int32		items = EventsItems(activity->log);

	for (int32 item = 0; item < items; item++)
	{
		EVENTS_POLL(item);
		activity->item[item].used = UINT64CONST(1) << CR_ACTIVITY_NO_TIME;
	}
}

static void
FindSlots(ItemActivity *activity)
{
	const EventLog *log = activity->log;
	CrDivisor	width = cr_divisor(activity->bucket_width);
	int64		newest;

	activity->item = AllocZero(activity, EventsItems(log), sizeof(ItemSlots));
	if (log->time == NULL)
	{
		UseOneSlot(activity);
		return;
	}
	newest = BucketOrdinalBy(&width, log->age_origin);
	activity->slot = BudgetAlloc(log->budget, log->count * sizeof(uint8), WHAT);
	for (int64 e = 0; e < log->count; e++)
	{
		uint8		slot = CR_ACTIVITY_NO_TIME;

		EVENTS_POLL(e);
		if (log->time[e] != EVENT_NO_TIME)
			slot = (uint8) cr_activity_slot(newest - BucketOrdinalBy(&width, log->time[e]));
		activity->slot[e] = slot;
		activity->item[log->item[e]].used |= UINT64CONST(1) << slot;
	}
}

static inline int
EventSlot(const ItemActivity *activity, int64 event)
{
	return activity->slot == NULL ? CR_ACTIVITY_NO_TIME : activity->slot[event];
}

static void
PlaceSums(ItemActivity *activity)
{
	int32		items = EventsItems(activity->log);

	for (int32 item = 0; item < items; item++)
	{
		EVENTS_POLL(item);
		activity->item[item].start = activity->sums;
		activity->sums += pg_popcount64(activity->item[item].used);
	}
	activity->sum = AllocZero(activity, activity->sums, sizeof(SlotSum));
}

/* What events a little further on will need, which is anywhere: fetch it meanwhile. */
static inline void
FetchAhead(const ItemActivity *activity, int64 event)
{
	const EventLog *log = activity->log;

	if (event + ITEMS_AHEAD >= log->count)
		return;
	if (activity->slot != NULL)
		__builtin_prefetch(&activity->item[log->item[event + ITEMS_AHEAD]]);
	event += SUMS_AHEAD;
	__builtin_prefetch(ItemActivitySum(activity, log->item[event], EventSlot(activity, event)), 1);
}

/* Add one user's events on one item, [from, to), that fall into one slot. */
static void
AddReader(ItemActivity *activity, int64 from, int64 to, int slot)
{
	const EventLog *log = activity->log;
	SlotSum    *sum = ItemActivitySum(activity, log->item[from], slot);
	double		preference = 0;
	double		satisfaction = 0;
	int64		signals = 0;

	for (int64 e = from; e < to; e++)
	{
		double		added = EventPreference(log, e);
		double		signal = EventSignal(log, e);

		EVENTS_POLL(e);
		if (EventSlot(activity, e) != slot)
			continue;
		sum->events++;
		preference += added;
		/* As for popularity: a disliking action stays one even if its value is below the range. */
		if (added > 0 && EventScaleOf(log, e)->preference > 0)
			sum->preference += added;
		if (!isnan(signal))
		{
			satisfaction += signal;
			signals++;
		}
	}
	sum->users++;
	sum->positive += signals > 0 ? satisfaction >= SATISFIED * (double) signals : preference > 0;
}

/* The same of an event that is all that its user has had to do with its item. */
static inline void
AddLoneEvent(ItemActivity *activity, int64 event)
{
	const EventLog *log = activity->log;
	SlotSum    *sum = ItemActivitySum(activity, log->item[event], EventSlot(activity, event));
	double		added = EventPreference(log, event);
	double		signal = EventSignal(log, event);

	sum->events++;
	sum->users++;
	if (added > 0 && EventScaleOf(log, event)->preference > 0)
		sum->preference += added;
	sum->positive += isnan(signal) ? added > 0 : signal >= SATISFIED;
}

/* Add up one user's events, an item and a slot at a time. */
static void
AddUser(ItemActivity *activity, int64 from, int64 end)
{
	const int32 *item = activity->log->item;
	int64		to;

	for (; from < end; from = to)
	{
		uint64		slots = 0;

		EVENTS_POLL(from);
		if (from + 1 == end || item[from + 1] != item[from])
		{
			FetchAhead(activity, from);
			AddLoneEvent(activity, from);
			to = from + 1;
			continue;
		}
		for (to = from; to < end && item[to] == item[from]; to++)
		{
			FetchAhead(activity, to);
			slots |= UINT64CONST(1) << EventSlot(activity, to);
		}
		for (; slots != 0; slots &= slots - 1)
			AddReader(activity, from, to, pg_rightmost_one_pos64(slots));
	}
}

/* A time that many buckets before the end of the newest one, as far as timestamps go back. */
static TimestampTz
SlotBoundary(const ItemActivity *activity, int64 buckets)
{
	TimestampTz end;
	TimestampTz boundary;
	int64		back;

	if (pg_add_s64_overflow(activity->newest, activity->bucket_width, &end) ||
		end >= END_TIMESTAMP)
		end = END_TIMESTAMP - 1;
	if (pg_mul_s64_overflow(buckets, activity->bucket_width, &back) ||
		pg_sub_s64_overflow(end, back, &boundary) || boundary < MIN_TIMESTAMP)
		return MIN_TIMESTAMP;
	return boundary;
}

static void
PublishSlot(const ItemActivity *activity, int32 item, int slot, BulkWriter *writer)
{
	const SlotSum *sum = ItemActivitySum(activity, item, slot);
	bool		has_time = slot != CR_ACTIVITY_NO_TIME;
	bool		nulls[7] = {false};
	Datum		values[7];

	values[0] = IdMapGet(activity->log->items, item);
	values[1] = TimestampTzGetDatum(!has_time ? DT_NOBEGIN :
									SlotBoundary(activity, cr_activity_first_age(slot + 1)));
	values[2] = TimestampTzGetDatum(!has_time ? DT_NOBEGIN :
									SlotBoundary(activity, cr_activity_first_age(slot)));
	values[3] = Int64GetDatum(sum->events);
	values[4] = Int64GetDatum(sum->users);
	values[5] = Int64GetDatum(sum->positive);
	values[6] = Float8GetDatum(sum->preference);
	BulkWriterAdd(writer, values, nulls);
}

/* Rows in the order of the primary key: the oldest slot has the highest number. */
static void
Publish(const ItemActivity *activity, BulkWriter *writer)
{
	for (int32 item = 0; item < EventsItems(activity->log); item++)
	{
		EVENTS_POLL(item);
		for (int slot = CR_ACTIVITY_SLOTS - 1; slot >= 0; slot--)
		{
			if (ItemActivityHas(activity, item, slot))
				PublishSlot(activity, item, slot, writer);
		}
	}
	BulkWriterEnd(writer);
}

/* Add everything up. */
static void
Sum(ItemActivity *activity, const EventLog *log, const ModelConfig *config)
{
	memset(activity, 0, sizeof(*activity));
	activity->log = log;
	activity->bucket_width = config->bucket_width;
	activity->newest = log->age_origin == EVENT_NO_TIME ? EVENT_NO_TIME :
		BucketStart(log->age_origin, config->bucket_width);
	FindSlots(activity);
	PlaceSums(activity);
	for (int32 user = 0; user < EventsUsers(log); user++)
		AddUser(activity, log->start[user], log->start[user + 1]);
	if (activity->slot != NULL)
		Free(activity, activity->slot, log->count, sizeof(uint8));
}

static void
FreeSums(ItemActivity *activity)
{
	Free(activity, activity->sum, activity->sums, sizeof(SlotSum));
	Free(activity, activity->item, EventsItems(activity->log), sizeof(ItemSlots));
}

float *
ItemActivityPublish(const EventLog *log, const ModelConfig *config)
{
	ItemActivity activity;
	float	   *trend;

	Sum(&activity, log, config);
	Publish(&activity, BulkWriterReplace(config, MODEL_ITEM_ACTIVITY));
	trend = TrendChoose(&activity);
	FreeSums(&activity);
	return trend;
}

void
ItemActivityAdd(const EventLog *log, const ModelConfig *config)
{
	ItemActivity activity;

	Sum(&activity, log, config);
	Publish(&activity, BulkWriterBegin(config, MODEL_ITEM_ACTIVITY));
	FreeSums(&activity);
}
