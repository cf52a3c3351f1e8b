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
#define EVENTS_PER_PAIR_MAX	4		/* on average: users who repeat themselves more are cut down */

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
	cr_rng_init(&rng, (uint64) split->recipe->given->seed, BLEND_STREAM_SAMPLE);
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

/* Days from the oldest to the newest event with a time. */
static double
find_span(const EventLog *log)
{
	TimestampTz oldest = log->newest;

	for (int64 e = 0; e < log->count; e++)
	{
		EVENTS_POLL(e);
		if (log->time[e] != EVENT_NO_TIME)
			oldest = Min(oldest, log->time[e]);
	}
	return ((double) log->newest - (double) oldest) / (double) USECS_PER_DAY;
}

/* Leave out the newest events; those without a time are before all others. */
static void
leave_out_newest(BlendSplit *split, uint8 *left_out)
{
	const EventLog *log = &split->all;
	TimestampTz until = EventsTimeQuantile(log, KNOWN_PART);

	split->span = find_span(log);
	for (int64 e = 0; e < log->count; e++)
	{
		EVENTS_POLL(e);
		left_out[e] = log->time[e] >= until;
	}
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

/* Leave out all events of one item of a user. */
static void
leave_out_item(const EventLog *log, int32 user, int32 item, uint8 *left_out)
{
	for (int64 e = log->start[user]; e < log->start[user + 1]; e++)
		left_out[e] = log->item[e] == item;
}

/* Leave out one positive pair of each of a sample of the users that have more than one. */
static void
leave_out_pairs(const BlendSplit *split, const Touched *touched, uint8 *left_out)
{
	int64		total = 0;
	int64		seen = 0;
	int64		taken = 0;
	CrRng		rng;

	for (int32 user = 0; user < touched->users; user++)
	{
		EVENTS_POLL(user);
		total += positive_pairs(touched, user) > 1;
	}
	BudgetZero(left_out, (Size) split->all.count);
	cr_rng_init(&rng, (uint64) split->recipe->given->seed, BLEND_STREAM_HOLD_OUT);
	for (int32 user = 0; user < touched->users; user++)
	{
		int64		pairs = positive_pairs(touched, user);
		int32		item;

		EVENTS_POLL(user);
		if (pairs < 2 || !BlendTakes(&rng, total, seen++, Min(total, BLEND_USERS_MAX), taken))
			continue;
		item = positive_item(touched, user, (int64) (cr_rng_uniform(&rng) * pairs));
		leave_out_item(&split->all, user, item, left_out);
		taken++;
	}
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
	EventsPick	sampled = {NULL, NULL};
	EventsPick	known = {NULL, NULL};
	TouchedOptions options = {split->recipe->given->half_life, EVENT_NO_TIME};
	BlendMemory *memory = split->memory;
	uint8	   *left_out;
	Touched    *all;

	sampled.users = sample_users(split, log);
	if (sampled.users == NULL)
		split->all = *log;
	else
		memory->bytes += EventsCopy(log, &sampled, &split->all);

	all = TouchedBuild(&split->all, &options, memory->budget);
	left_out = (uint8 *) BlendAlloc(memory, split->all.count, 1);
	if (BlendHasTime(&split->all))
		leave_out_newest(split, left_out);
	else
		leave_out_pairs(split, all, left_out);
	known.left_out = left_out;
	memory->bytes += EventsCopy(&split->all, &known, &split->known);
	split->touched = TouchedBuild(&split->known, &options, memory->budget);
	find_test_pairs(split, all);
	TouchedFree(all, memory->budget);
}
