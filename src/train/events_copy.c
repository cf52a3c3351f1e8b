/*
 * events_copy.c
 *		A part of a log as a log of its own: what a validation or an evaluation learns from.
 *
 * The copy has the same users, items and actions, by the same numbers; users
 * without an event in it stay as empty rows.  So it trains, ranks and decays by
 * the same code as the whole.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "train/events_internal.h"

#define TIMES_MAX	100000		/* sampled for a quantile: sorted in a few ms */

static bool
PickHasUser(const EventsPick *pick, int32 user)
{
	return pick->users == NULL || pick->users[user];
}

static bool
PickHasEvent(const EventsPick *pick, int64 event)
{
	return pick->left_out == NULL || !pick->left_out[event];
}

static int64
CountPicked(const EventLog *from, const EventsPick *pick)
{
	int32		users = EventsUsers(from);
	int64		count = 0;

	for (int32 user = 0; user < users; user++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!PickHasUser(pick, user))
			continue;
		for (int64 e = from->start[user]; e < from->start[user + 1]; e++)
			count += PickHasEvent(pick, e);
	}
	return count;
}

static void *
AllocColumn(EventLog *to, int64 count, Size width)
{
	return BudgetAlloc(to->budget, mul_size((Size) count, width), "a part of the events");
}

static void
AllocCopy(const EventLog *from, int64 count, EventLog *to)
{
	*to = *from;
	to->count = 0;
	to->newest = EVENT_NO_TIME;
	to->start = AllocColumn(to, (int64) EventsUsers(from) + 1, sizeof(int64));
	to->item = AllocColumn(to, count, sizeof(int32));
	if (from->action != NULL)
		to->action = AllocColumn(to, count, sizeof(int16));
	if (from->value != NULL)
		to->value = AllocColumn(to, count, sizeof(double));
	if (from->time != NULL)
		to->time = AllocColumn(to, count, sizeof(TimestampTz));
}

static void
CopyEvent(const EventLog *from, int64 event, EventLog *to)
{
	int64		at = to->count++;

	to->item[at] = from->item[event];
	if (to->action != NULL)
		to->action[at] = from->action[event];
	if (to->value != NULL)
		to->value[at] = from->value[event];
	if (to->time != NULL)
	{
		to->time[at] = from->time[event];
		to->newest = Max(to->newest, from->time[event]);
	}
}

Size
EventsCopy(const EventLog *from, const EventsPick *pick, EventLog *to)
{
	int32		users = EventsUsers(from);
	Size		before = from->budget->used;
	Size		bytes;

	AllocCopy(from, CountPicked(from, pick), to);
	bytes = from->budget->used - before;
	for (int32 user = 0; user < users; user++)
	{
		EVENTS_POLL(user);
		to->start[user] = to->count;
		if (!PickHasUser(pick, user))
			continue;
		for (int64 e = from->start[user]; e < from->start[user + 1]; e++)
		{
			EVENTS_POLL(e);
			if (PickHasEvent(pick, e))
				CopyEvent(from, e, to);
		}
	}
	to->start[users] = to->count;

	/* Ages count from the newest event that is known, as they would have then. */
	to->age_origin = Min(from->age_origin, to->newest);
	return bytes;
}

static int
CompareTimes(const void *a, const void *b)
{
	TimestampTz left = *(const TimestampTz *) a;
	TimestampTz right = *(const TimestampTz *) b;

	return left < right ? -1 : left > right;
}

TimestampTz
EventsTimeQuantile(const EventLog *log, double part)
{
	int64		step = log->count / TIMES_MAX + 1;
	TimestampTz *times = palloc((log->count / step + 1) * sizeof(TimestampTz));
	TimestampTz quantile = log->newest;
	int64		count = 0;

	for (int64 e = 0; e < log->count; e += step)
	{
		EVENTS_POLL(e);
		if (log->time[e] != EVENT_NO_TIME)
			times[count++] = log->time[e];
	}
	if (count > 0)
	{
		qsort(times, (size_t) count, sizeof(TimestampTz), CompareTimes);
		quantile = times[Min((int64) (part * (double) count), count - 1)];
	}
	pfree(times);
	return quantile;
}
