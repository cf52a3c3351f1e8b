/*
 * evaluate_split.c
 *		Events into what is known and what has to be foreseen.
 *
 * Phases: mark the events that are held out, copy the others, and find the
 * pairs that the user prefers among the marked ones and has not had to do with
 * before.  What is known is an EventLog like any other, so that it trains by
 * the same code.
 */
#include "postgres.h"

#include <math.h>

#include "train/evaluate_internal.h"
#include "train/events_internal.h"

#define TIMES_MAX	100000		/* sampled for the quantile: sorted in a few ms */

#define HELD_TEST	1			/* to be foreseen */
#define HELD_OUT	2			/* neither known nor to be foreseen */

/* While a split is made. */
typedef struct SplitWork
{
	const EventLog *log;
	const SplitOptions *options;
	EvaluateMemory *memory;
	EventSplit *split;
	Touched    *all;			/* pairs of the whole log */
	uint8	   *is_held;		/* by event: HELD_TEST, HELD_OUT; 0: known */
} SplitWork;

void *
EvaluateAlloc(EvaluateMemory *memory, int64 count, Size width)
{
	Size		bytes = mul_size((Size) count, width);
	void	   *result = BudgetAlloc(memory->budget, bytes, "evaluation");

	memory->bytes += bytes;
	return result;
}

void *
EvaluateGrow(EvaluateMemory *memory, void *array, int64 room, int64 wanted, Size width)
{
	Size		more = mul_size((Size) (wanted - room), width);

	BudgetReserve(memory->budget, more, "evaluation");
	memory->bytes += more;
	return repalloc_huge(array, mul_size((Size) wanted, width));
}

static int
compare_times(const void *a, const void *b)
{
	TimestampTz left = *(const TimestampTz *) a;
	TimestampTz right = *(const TimestampTz *) b;

	return left < right ? -1 : left > right;
}

/* The time at which this part of the newest events begins, from an evenly spaced sample of them. */
static TimestampTz
find_time(const SplitWork *work, double newest)
{
	const EventLog *log = work->log;
	int64		step = log->count / TIMES_MAX + 1;
	TimestampTz *times = (TimestampTz *) EvaluateAlloc(work->memory, log->count / step + 1,
													   sizeof(TimestampTz));
	int64		count = 0;

	for (int64 e = 0; e < log->count; e++)
	{
		EVENTS_POLL(e);
		if (e % step == 0 && log->time[e] != EVENT_NO_TIME)
			times[count++] = log->time[e];
	}
	if (count == 0)
		return log->newest;
	qsort(times, (size_t) count, sizeof(TimestampTz), compare_times);
	return times[Min((int64) ((1 - newest) * (double) count), count - 1)];
}

static void
hold_out_by_time(SplitWork *work)
{
	const EventLog *log = work->log;

	work->split->split_at = work->options->has_split_at ? work->options->split_at :
		find_time(work, work->options->test_share + work->options->newer_share);
	for (int64 e = 0; e < log->count; e++)
	{
		EVENTS_POLL(e);
		work->is_held[e] = log->time[e] >= work->split->split_at;
	}
}

static int64
count_positive(const Touched *touched, int32 user)
{
	int64		count = 0;

	for (int64 pair = touched->start[user]; pair < touched->start[user + 1]; pair++)
		count += touched->preference[pair] > 0;
	return count;
}

/* The events of one pair: where they begin and end. */
typedef struct PairEvents
{
	int64		from;
	int64		to;
} PairEvents;

/* Go on to the events of a pair; pairs and events of a user are in the same order. */
static void
find_pair_events(const SplitWork *work, int64 pair, int64 end, PairEvents *events)
{
	const EventLog *log = work->log;
	int32		item = work->all->item[pair];

	while (log->item[events->to] < item)
		events->to++;
	events->from = events->to;
	while (events->to < end && log->item[events->to] == item)
	{
		EVENTS_POLL(events->to);
		events->to++;
	}
}

static void
mark_events(SplitWork *work, const PairEvents *events, uint8 mark)
{
	memset(work->is_held + events->from, mark, (Size) (events->to - events->from));
}

/*
 * Mark the events of the preferred item that the user has had to do with last,
 * of those that are not marked; of several the last.  Nothing if none has a time.
 */
static void
hold_out_newest(SplitWork *work, int32 user, uint8 mark)
{
	const EventLog *log = work->log;
	const Touched *all = work->all;
	PairEvents	events = {log->start[user], log->start[user]};
	PairEvents	found = {0, 0};
	TimestampTz newest = EVENT_NO_TIME;

	for (int64 pair = all->start[user]; pair < all->start[user + 1]; pair++)
	{
		find_pair_events(work, pair, log->start[user + 1], &events);
		if (all->preference[pair] <= 0 || work->is_held[events.from])
			continue;
		for (int64 e = events.from; e < events.to; e++)
		{
			EVENTS_POLL(e);
			if (log->time[e] != EVENT_NO_TIME && log->time[e] >= newest)
			{
				newest = log->time[e];
				found = events;
			}
		}
	}
	mark_events(work, &found, mark);
}

/* The newest item, or the one before the newest ones, of every user who has another. */
static void
hold_out_last(SplitWork *work)
{
	int			newer = work->options->newer_items;

	for (int32 user = 0; user < work->all->users; user++)
	{
		EVENTS_POLL(user);
		if (count_positive(work->all, user) < 2 + newer)
			continue;
		for (int i = 0; i <= newer; i++)
			hold_out_newest(work, user, i < newer ? HELD_OUT : HELD_TEST);
	}
}

/* Pairs drawn with the same probability each, but never the last one of a user. */
static void
hold_out_at_random(SplitWork *work)
{
	const Touched *all = work->all;
	CrRng		rng;

	cr_rng_init(&rng, work->options->seed, EVALUATE_STREAM_PAIRS);
	for (int32 user = 0; user < all->users; user++)
	{
		PairEvents	events = {work->log->start[user], work->log->start[user]};
		int64		left = count_positive(all, user);

		for (int64 pair = all->start[user]; pair < all->start[user + 1]; pair++)
		{
			find_pair_events(work, pair, work->log->start[user + 1], &events);
			if (all->preference[pair] > 0 &&
				cr_rng_uniform(&rng) < work->options->test_share && left > 1)
			{
				mark_events(work, &events, HELD_TEST);
				left--;
			}
		}
	}
}

/* Positive pairs of one user that are not known, nor left out: all of these lists ascend. */
static int64
find_user_test(const SplitWork *work, const Touched *known, int32 user, int32 *items)
{
	const Touched *all = work->all;
	int64		at = known->start[user];
	int64		event = work->log->start[user];
	int64		count = 0;

	for (int64 pair = all->start[user]; pair < all->start[user + 1]; pair++)
	{
		if (at < known->start[user + 1] && known->item[at] == all->item[pair])
		{
			at++;
			continue;
		}
		while (work->log->item[event] < all->item[pair])
			event++;
		if (all->preference[pair] > 0 && work->is_held[event] != HELD_OUT)
			items[count++] = all->item[pair];
	}
	return count;
}

static void
find_test(const SplitWork *work, const Touched *known)
{
	EventSplit *split = work->split;
	const Touched *all = work->all;
	int64		pairs = all->start[all->users] - known->start[all->users];

	split->user = EvaluateAlloc(work->memory, all->users, sizeof(int32));
	split->test_start = EvaluateAlloc(work->memory, (int64) all->users + 1, sizeof(int64));
	split->test_item = EvaluateAlloc(work->memory, pairs, sizeof(int32));
	split->users = 0;
	split->test_start[0] = 0;
	for (int32 user = 0; user < all->users; user++)
	{
		int64		from = split->test_start[split->users];
		int64		count = find_user_test(work, known, user, split->test_item + from);

		EVENTS_POLL(user);
		if (count == 0)
			continue;
		split->user[split->users++] = user;
		split->test_start[split->users] = from + count;
	}
}

/* Keep "limit" of the test users, every subset being equally likely (Knuth's selection sampling). */
static void
sample_users(const SplitWork *work, int32 limit)
{
	EventSplit *split = work->split;
	int32		total = split->users;
	int32		taken = 0;
	int64		start = 0;
	CrRng		rng;

	cr_rng_init(&rng, work->options->seed, EVALUATE_STREAM_USERS);
	for (int32 i = 0; i < total && taken < limit; i++)
	{
		int64		from = split->test_start[i];
		int64		count = split->test_start[i + 1] - from;

		if (cr_rng_uniform(&rng) * (total - i) >= limit - taken)
			continue;
		split->user[taken] = split->user[i];
		memmove(split->test_item + start, split->test_item + from, (Size) count * sizeof(int32));
		split->test_start[taken] = start;
		start += count;
		taken++;
	}
	split->test_start[taken] = start;
	split->users = taken;
}

void
EventSplitRequire(const EventSplit *split)
{
	if (split->known.count > 0 && split->users > 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 split->known.count == 0 ? errmsg("no events are left to learn from") :
			 errmsg("no events are left to foresee"),
			 errdetail("The test is made of what a user prefers and has not had to do with before."),
			 errhint("Choose another split_at, split or test_share.")));
}

bool
EventSplitMake(const EventLog *log, const SplitOptions *options, EvaluateMemory *memory,
			   EventSplit *split)
{
	TouchedOptions touched_options = {options->half_life, EVENT_NO_TIME};
	TouchedOptions all_options = touched_options;
	SplitWork	work = {log, options, memory, split, NULL, NULL};
	EventsPick	known_events = {NULL, NULL};
	Touched    *known;

	memset(split, 0, sizeof(EventSplit));
	split->split_at = EVENT_NO_TIME;
	if (options->rule == SPLIT_TIME && options->newer_share > 0)
		all_options.until = find_time(&work, options->newer_share);
	work.all = TouchedBuild(log, &all_options, memory->budget);
	work.is_held = EvaluateAlloc(memory, log->count, 1);
	memset(work.is_held, 0, (Size) log->count);
	if (options->rule == SPLIT_TIME)
		hold_out_by_time(&work);
	else if (options->rule == SPLIT_LAST)
		hold_out_last(&work);
	else
		hold_out_at_random(&work);
	known_events.left_out = work.is_held;
	memory->bytes += EventsCopy(log, &known_events, &split->known);
	known = TouchedBuild(&split->known, &touched_options, memory->budget);
	find_test(&work, known);
	if (options->users > 0 && split->users > options->users)
		sample_users(&work, options->users);
	TouchedFree(known, memory->budget);
	TouchedFree(work.all, memory->budget);
	return split->known.count > 0 && split->users > 0;
}
