/*
 * blend_split.c
 *		The events of a validation: a sample of users, split into known and foreseen.
 *
 * With times, the newest tenth of the events is to be foreseen from what came
 * before; without, one positive pair of each of a sample of users is held out.
 * Either part is an EventLog like any other, so that the validation learns
 * preferences and popularity by the same code as the training.
 */
#include "postgres.h"

#include <math.h>

#include "utils/timestamp.h"

#include "train/blend_internal.h"
#include "train/events_internal.h"

#define KNOWN_PART			0.9		/* of the events with a time */
#define TIMES_MAX			100000	/* sampled for the quantile: sorted in a few ms */
#define EVENTS_PER_PAIR_MAX	4		/* on average: users who repeat themselves more are cut down */

/* Which events of a log are copied to another. */
typedef struct KeepRule
{
	const uint8 *users;			/* 1 for those to keep; NULL: all */
	TimestampTz until;			/* only events before; EVENT_NO_TIME: all */
	const int32 *held_out;		/* by user: item to leave out, -1 for none; NULL: none */
} KeepRule;

/* How much of a sample is left to fill. */
typedef struct SampleRoom
{
	int64		pairs;
	int64		events;
} SampleRoom;

void *
BlendAlloc(BlendMemory *memory, int64 count, Size width)
{
	Size		bytes = mul_size((Size) count, width);
	void	   *result = BudgetAlloc(memory->budget, bytes, "validation");

	memory->bytes += bytes;
	return result;
}

bool
BlendTakes(CrRng *rng, int64 total, int64 seen, int64 wanted, int64 taken)
{
	return cr_rng_uniform(rng) * (double) (total - seen) < (double) (wanted - taken);
}

bool
BlendHasTime(const EventLog *log)
{
	return log->time != NULL && log->newest != EVENT_NO_TIME;
}

/* What one user adds to a sample. */
static SampleRoom
user_size(const EventLog *log, int32 user)
{
	SampleRoom	size = {0, log->start[user + 1] - log->start[user]};
	int32		last = -1;

	for (int64 e = log->start[user]; e < log->start[user + 1]; e++)
	{
		EVENTS_POLL(e);
		size.pairs += log->item[e] != last;
		last = log->item[e];
	}
	return size;
}

/* Mark about as many users as fit the limits, none beyond; NULL if all fit. */
static uint8 *
sample_users(const BlendSplit *split, const EventLog *log)
{
	int32		users = EventsUsers(log);
	SampleRoom	room = {BLEND_PAIRS_MAX, (int64) BLEND_PAIRS_MAX * EVENTS_PER_PAIR_MAX};
	SampleRoom	total = {0, log->count};
	double		part;
	uint8	   *is_kept;
	CrRng		rng;

	for (int32 user = 0; user < users; user++)
		total.pairs += user_size(log, user).pairs;
	if (total.pairs <= room.pairs && total.events <= room.events)
		return NULL;

	part = Min((double) room.pairs / total.pairs, (double) room.events / total.events);
	is_kept = (uint8 *) BlendAlloc(split->memory, users, 1);
	cr_rng_init(&rng, (uint64) split->hyperparameters->seed, BLEND_STREAM_SAMPLE);
	for (int32 user = 0; user < users; user++)
	{
		bool		is_drawn = cr_rng_uniform(&rng) < part;
		SampleRoom	size;

		is_kept[user] = 0;
		if (!is_drawn)
			continue;
		size = user_size(log, user);
		if (size.pairs > room.pairs || size.events > room.events)
			continue;
		is_kept[user] = 1;
		room.pairs -= size.pairs;
		room.events -= size.events;
	}
	return is_kept;
}

/* Events without a time are before all others. */
static bool
rule_keeps(const KeepRule *rule, const EventLog *log, int32 user, int64 event)
{
	if (rule->until != EVENT_NO_TIME && log->time[event] >= rule->until)
		return false;
	return rule->held_out == NULL || log->item[event] != rule->held_out[user];
}

static bool
rule_keeps_user(const KeepRule *rule, int32 user)
{
	return rule->users == NULL || rule->users[user];
}

static int64
count_kept(const KeepRule *rule, const EventLog *log)
{
	int32		users = EventsUsers(log);
	int64		count = 0;

	for (int32 user = 0; user < users; user++)
	{
		EVENTS_POLL(user);
		if (!rule_keeps_user(rule, user))
			continue;
		for (int64 e = log->start[user]; e < log->start[user + 1]; e++)
		{
			EVENTS_POLL(e);
			count += rule_keeps(rule, log, user, e);
		}
	}
	return count;
}

/* Append one event to a copy whose columns have room for it. */
static void
copy_event(EventLog *to, const EventLog *from, int64 event)
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

/* Copy what the rule keeps; ids and actions are shared, users without events stay as empty rows. */
static void
copy_events(BlendMemory *memory, const KeepRule *rule, const EventLog *from, EventLog *to)
{
	int32		users = EventsUsers(from);
	int64		count = count_kept(rule, from);

	*to = *from;
	to->count = 0;
	to->newest = EVENT_NO_TIME;
	to->start = (int64 *) BlendAlloc(memory, (int64) users + 1, sizeof(int64));
	to->item = (int32 *) BlendAlloc(memory, count, sizeof(int32));
	if (from->action != NULL)
		to->action = (int16 *) BlendAlloc(memory, count, sizeof(int16));
	if (from->value != NULL)
		to->value = BlendAlloc(memory, count, sizeof(*to->value));
	if (from->time != NULL)
		to->time = (TimestampTz *) BlendAlloc(memory, count, sizeof(TimestampTz));

	for (int32 user = 0; user < users; user++)
	{
		EVENTS_POLL(user);
		to->start[user] = to->count;
		if (!rule_keeps_user(rule, user))
			continue;
		for (int64 e = from->start[user]; e < from->start[user + 1]; e++)
		{
			EVENTS_POLL(e);
			if (rule_keeps(rule, from, user, e))
				copy_event(to, from, e);
		}
	}
	to->start[users] = to->count;

	/* Ages count from the newest event that is known, as they would have then. */
	to->age_origin = Min(from->age_origin, to->newest);
}

static int
compare_times(const void *a, const void *b)
{
	TimestampTz left = *(const TimestampTz *) a;
	TimestampTz right = *(const TimestampTz *) b;

	return left < right ? -1 : left > right;
}

/*
 * The time at which the newest tenth of the events begins, from an evenly
 * spaced sample of them; also sets the span.
 */
static TimestampTz
find_split_time(BlendSplit *split)
{
	const EventLog *log = &split->all;
	int64		step = log->count / TIMES_MAX + 1;
	TimestampTz *times = (TimestampTz *) BlendAlloc(split->memory, log->count / step + 1,
													sizeof(TimestampTz));
	TimestampTz oldest = log->newest;
	int64		count = 0;

	for (int64 e = 0; e < log->count; e++)
	{
		EVENTS_POLL(e);
		if (log->time[e] == EVENT_NO_TIME)
			continue;
		oldest = Min(oldest, log->time[e]);
		if (e % step == 0)
			times[count++] = log->time[e];
	}
	split->span = ((double) log->newest - (double) oldest) / (double) USECS_PER_DAY;
	if (count == 0)
		return log->newest;
	qsort(times, (size_t) count, sizeof(TimestampTz), compare_times);
	return times[(int64) (KNOWN_PART * (double) count)];
}

static int64
positive_pairs(const Touched *touched, int32 user)
{
	int64		count = 0;

	for (int64 pair = touched->start[user]; pair < touched->start[user + 1]; pair++)
		count += touched->preference[pair] > 0;
	return count;
}

/* The item of the n-th positive pair of a user. */
static int32
positive_item(const Touched *touched, int32 user, int64 n)
{
	for (int64 pair = touched->start[user]; pair < touched->start[user + 1]; pair++)
	{
		if (touched->preference[pair] > 0 && n-- == 0)
			return touched->item[pair];
	}
	return -1;
}

/* One positive pair of each of a sample of the users that have more than one. */
static int32 *
hold_out(const BlendSplit *split, const Touched *touched)
{
	int32	   *held_out = (int32 *) BlendAlloc(split->memory, touched->users, sizeof(int32));
	int64		total = 0;
	int64		seen = 0;
	int64		taken = 0;
	CrRng		rng;

	for (int32 user = 0; user < touched->users; user++)
	{
		EVENTS_POLL(user);
		total += positive_pairs(touched, user) > 1;
	}
	cr_rng_init(&rng, (uint64) split->hyperparameters->seed, BLEND_STREAM_HOLD_OUT);
	for (int32 user = 0; user < touched->users; user++)
	{
		int64		pairs = positive_pairs(touched, user);

		EVENTS_POLL(user);
		held_out[user] = -1;
		if (pairs < 2 || !BlendTakes(&rng, total, seen++, Min(total, BLEND_USERS_MAX), taken))
			continue;
		held_out[user] = positive_item(touched, user, (int64) (cr_rng_uniform(&rng) * pairs));
		taken++;
	}
	return held_out;
}

/* Positive pairs of "all" that are not in "known", of items that are: both lists ascend. */
static void
find_test_pairs(BlendSplit *split, const Touched *all)
{
	const Touched *known = split->touched;
	int64		count = 0;

	split->test_start = (int64 *) BlendAlloc(split->memory, (int64) all->users + 1, sizeof(int64));
	split->test_item = (int32 *) BlendAlloc(split->memory,
											all->start[all->users] - known->start[all->users],
											sizeof(int32));
	for (int32 user = 0; user < all->users; user++)
	{
		int64		at = known->start[user];

		EVENTS_POLL(user);
		split->test_start[user] = count;
		for (int64 pair = all->start[user]; pair < all->start[user + 1]; pair++)
		{
			int32		item = all->item[pair];

			EVENTS_POLL(pair);
			if (at < known->start[user + 1] && known->item[at] == item)
				at++;
			else if (all->preference[pair] > 0 && known->item_users[item] > 0)
				split->test_item[count++] = item;
		}
	}
	split->test_start[all->users] = count;
}

void
BlendSplitMake(const EventLog *log, BlendSplit *split)
{
	KeepRule	sampled = {NULL, EVENT_NO_TIME, NULL};
	KeepRule	known = {NULL, EVENT_NO_TIME, NULL};
	TouchedOptions options = {split->hyperparameters->half_life, EVENT_NO_TIME};
	MemoryBudget *budget = split->memory->budget;
	Touched    *all;

	sampled.users = sample_users(split, log);
	if (sampled.users == NULL)
		split->all = *log;
	else
		copy_events(split->memory, &sampled, log, &split->all);

	all = TouchedBuild(&split->all, &options, budget);
	if (BlendHasTime(&split->all))
		known.until = find_split_time(split);
	else
		known.held_out = hold_out(split, all);
	copy_events(split->memory, &known, &split->all, &split->known);
	split->touched = TouchedBuild(&split->known, &options, budget);
	find_test_pairs(split, all);
	TouchedFree(all, budget);
}
