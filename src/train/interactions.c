/*
 * interactions.c
 *		From events to what the trainer reads: preferences, confidences, popularity.
 *
 * Events are in the order of (user, item, action, time, value), so that the
 * events of a pair follow each other and sums are always taken in the same
 * order, whatever the order of the rows was.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "utils/timestamp.h"

#include "common/compat.h"
#include "core/preference.h"
#include "core/seen.h"
#include "train/events_internal.h"
#include "train/interactions.h"

#define CONFIDENCE_CACHE_BITS	8

typedef struct CachedPreference
{
	float		preference;		/* 0: free */
	float		confidence;
} CachedPreference;

/* Most preferences are one of a few; a logarithm for every pair would cost more than all the rest. */
typedef struct ConfidenceCache
{
	double		alpha;
	bool		are_all_one;	/* of those asked for */
	CachedPreference entry[1 << CONFIDENCE_CACHE_BITS];
} ConfidenceCache;

/* What events add, how old ones count, and which do. */
typedef struct Weighing
{
	const EventLog *log;
	bool		is_decaying;
	double		half_life;		/* microseconds */
	TimestampTz origin;			/* age 0 */
	TimestampTz until;			/* EVENT_NO_TIME: no limit */
} Weighing;

static void
WeighingInit(Weighing *weighing, const EventLog *log, double half_life_days, TimestampTz until)
{
	weighing->log = log;
	weighing->is_decaying = log->time != NULL && !isinf(half_life_days);
	weighing->half_life = half_life_days * (double) USECS_PER_DAY;
	weighing->until = log->time == NULL ? EVENT_NO_TIME : until;
	weighing->origin = log->age_origin;
	if (until != EVENT_NO_TIME)
		weighing->origin = Min(weighing->origin, until);
}

static inline bool
EventCounts(const Weighing *weighing, int64 event)
{
	return weighing->until == EVENT_NO_TIME || weighing->log->time[event] < weighing->until;
}

/* 2^(-age/half_life).  Differences of far-off times overflow integers, so they are taken in double. */
static inline double
DecayFactor(const Weighing *weighing, int64 event)
{
	TimestampTz time = weighing->log->time[event];

	if (time == EVENT_NO_TIME)
		return 1.0;
	return cr_age_factor((double) weighing->origin - (double) time, weighing->half_life);
}

static inline double
Decayed(const Weighing *weighing, int64 event, double weight)
{
	return weighing->is_decaying ? weight * DecayFactor(weighing, event) : weight;
}

static void *
AllocTouched(Touched *touched, MemoryBudget *budget, Size count, Size width)
{
	Size		bytes = mul_size(count, width);

	touched->bytes += bytes;
	return BudgetAlloc(budget, bytes, "preferences of pairs");
}

/* Number of different items among a user's events that count. */
static int64
CountPairs(const Weighing *weighing, int64 from, int64 to)
{
	const int32 *item = weighing->log->item;
	int32		last = -1;
	int64		pairs = 0;

	if (weighing->until == EVENT_NO_TIME)
	{
		for (int64 e = from; e + 1 < to; e++)
			pairs += item[e] != item[e + 1];
		return pairs + (from < to);
	}
	for (int64 e = from; e < to; e++)
	{
		EVENTS_POLL(e);
		if (item[e] == last || !EventCounts(weighing, e))
			continue;
		last = item[e];
		pairs++;
	}
	return pairs;
}

static void
CountTouched(Touched *touched, const Weighing *weighing)
{
	const EventLog *log = weighing->log;

	touched->start[0] = 0;
	for (int32 user = 0; user < touched->users; user++)
	{
		CHECK_FOR_INTERRUPTS();
		touched->start[user + 1] = touched->start[user] +
			CountPairs(weighing, log->start[user], log->start[user + 1]);
	}
}

static void pg_attribute_noreturn()
ReportOverflow(const EventLog *log, int32 user, int32 item)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("preference of user \"%s\" for item \"%s\" overflows",
					IdToCString(IdMapGet(log->users, user), log->user_kind),
					IdToCString(IdMapGet(log->items, item), log->item_kind)),
			 errhint("Correct the values of the events, or the weights and value ranges of actions.")));
}

/* A time in minutes, rounded up, as core/seen.h stores it. */
static uint32
MinuteOf(TimestampTz time)
{
	if (time == EVENT_NO_TIME)
		return CR_SEEN_NO_TIME;
	if (time <= 0)
		return 0;
	return (uint32) Min(((uint64) time + USECS_PER_MINUTE - 1) / USECS_PER_MINUTE,
						CR_SEEN_NO_TIME - 1);
}

/* The later one of two; any time beats none. */
static uint32
LaterMinute(uint32 a, uint32 b)
{
	if (a == CR_SEEN_NO_TIME)
		return b;
	return b == CR_SEEN_NO_TIME ? a : Max(a, b);
}

/* Sum up one user's events, pair by pair, from touched->start[user] on. */
static void
SumUser(Touched *touched, const Weighing *weighing, int32 user)
{
	const EventLog *log = weighing->log;
	const int32 *item = log->item;
	int32	   *item_users = touched->item_users;
	int32	   *pair_item = touched->item;
	float	   *preference = touched->preference;
	uint32	   *last_touched = touched->last;
	int64		pair = touched->start[user] - 1;
	int64		to = log->start[user + 1];
	int32		last = -1;
	double		sum = 0.0;

	for (int64 e = log->start[user]; e < to; e++)
	{
		EVENTS_POLL(e);
		if (!EventCounts(weighing, e))
			continue;
		if (item[e] != last)
		{
			last = item[e];
			sum = 0.0;
			pair_item[++pair] = last;
			item_users[last]++;
			if (last_touched != NULL)
				last_touched[pair] = CR_SEEN_NO_TIME;
		}
		if (last_touched != NULL)
			last_touched[pair] = LaterMinute(last_touched[pair], MinuteOf(log->time[e]));
		sum += Decayed(weighing, e, EventPreference(log, e));
		/* Negated, so that NaN is caught as well. */
		if (!(fabs(sum) <= FLT_MAX))
			ReportOverflow(log, user, last);
		preference[pair] = (float) sum;
	}
}

Touched *
TouchedBuild(const EventLog *log, const TouchedOptions *options, MemoryBudget *budget)
{
	Touched    *touched = palloc0(sizeof(Touched));
	Weighing	weighing;
	int64		pairs;

	WeighingInit(&weighing, log, options->half_life, options->until);
	touched->users = EventsUsers(log);
	touched->items = EventsItems(log);
	touched->start = AllocTouched(touched, budget, (Size) touched->users + 1, sizeof(int64));
	CountTouched(touched, &weighing);

	pairs = touched->start[touched->users];
	touched->item = AllocTouched(touched, budget, pairs, sizeof(int32));
	touched->preference = AllocTouched(touched, budget, pairs, sizeof(float));
	if (log->time != NULL && options->until == EVENT_NO_TIME)
		touched->last = AllocTouched(touched, budget, pairs, sizeof(uint32));
	touched->item_users = AllocTouched(touched, budget, touched->items, sizeof(int32));
	touched->keep_user = AllocTouched(touched, budget, touched->users, 1);
	touched->keep_item = AllocTouched(touched, budget, touched->items, 1);
	BudgetZero(touched->item_users, (Size) touched->items * sizeof(int32));
	for (int32 user = 0; user < touched->users; user++)
	{
		CHECK_FOR_INTERRUPTS();
		SumUser(touched, &weighing, user);
	}
	return touched;
}

void
TouchedFree(Touched *touched, MemoryBudget *budget)
{
	pfree(touched->start);
	pfree(touched->item);
	pfree(touched->preference);
	if (touched->last != NULL)
		pfree(touched->last);
	pfree(touched->item_users);
	pfree(touched->keep_user);
	pfree(touched->keep_item);
	BudgetRelease(budget, touched->bytes);
	pfree(touched);
}

/* Mark the items of positive pairs. */
static void
KeepPositiveItems(Touched *touched)
{
	int64		pairs = touched->start[touched->users];

	BudgetZero(touched->keep_item, (Size) touched->items);
	for (int64 pair = 0; pair < pairs; pair++)
	{
		EVENTS_POLL(pair);
		touched->keep_item[touched->item[pair]] |= touched->preference[pair] > 0;
	}
}

/* Mark items with enough users; only positive pairs count. */
static void
KeepItems(Touched *touched, int32 min_item_users)
{
	int64		pairs = touched->start[touched->users];
	int32	   *users = palloc_extended((Size) Max(touched->items, 1) * sizeof(int32),
										MCXT_ALLOC_HUGE);

	BudgetZero(users, (Size) touched->items * sizeof(int32));
	for (int64 pair = 0; pair < pairs; pair++)
	{
		EVENTS_POLL(pair);
		users[touched->item[pair]] += touched->preference[pair] > 0;
	}
	for (int32 item = 0; item < touched->items; item++)
	{
		EVENTS_POLL(item);
		touched->keep_item[item] = users[item] > 0 && users[item] >= min_item_users;
	}
	pfree(users);
}

static inline bool
IsPositive(const Touched *touched, int64 pair)
{
	return touched->preference[pair] > 0 && touched->keep_item[touched->item[pair]];
}

/* Number of a user's positive pairs; where no item is left out, without asking for each one. */
static int64
CountPositive(const Touched *touched, int32 user, bool are_items_kept)
{
	int64		to = touched->start[user + 1];
	int64		items = 0;

	if (are_items_kept)
	{
		for (int64 pair = touched->start[user]; pair < to; pair++)
			items += touched->preference[pair] > 0;
		return items;
	}
	for (int64 pair = touched->start[user]; pair < to; pair++)
		items += IsPositive(touched, pair);
	return items;
}

int64
PositiveCount(Touched *touched, const PositiveFilter *filter)
{
	bool		are_items_kept = filter->min_item_users <= 1;

	if (are_items_kept)
		KeepPositiveItems(touched);
	else
		KeepItems(touched, filter->min_item_users);
	touched->positive = 0;
	for (int32 user = 0; user < touched->users; user++)
	{
		int64		items = CountPositive(touched, user, are_items_kept);

		CHECK_FOR_INTERRUPTS();
		touched->keep_user[user] = items > 0 && items >= filter->min_user_items;
		if (touched->keep_user[user])
			touched->positive += items;
	}
	return touched->positive;
}

/* log2(1 + 1) is 1. */
bool
PositiveAreEqual(const Touched *touched, const PositiveFilter *filter)
{
	int64		pairs = touched->start[touched->users];

	if (filter->alpha != 1)
		return false;
	for (int64 pair = 0; pair < pairs; pair++)
	{
		EVENTS_POLL(pair);
		if (touched->preference[pair] > 0 && touched->preference[pair] != 1)
			return false;
	}
	return true;
}

/* c_ui; never 0, which would turn a positive pair into none. */
static float
Confidence(double alpha, double preference)
{
	float		confidence = cr_confidence(alpha, preference);

	if (isinf(confidence))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("confidence of a pair overflows"),
				 errhint("Lower the hyperparameter \"alpha\".")));
	return confidence;
}

/* The confidence of a preference that has been seen before is at hand. */
static inline float
CachedConfidence(ConfidenceCache *cache, float preference)
{
	uint32		bits;
	CachedPreference *cached;

	memcpy(&bits, &preference, sizeof(bits));
	cached = &cache->entry[(bits * UINT32_C(0x9e3779b1)) >> (32 - CONFIDENCE_CACHE_BITS)];
	if (cached->preference != preference)
	{
		cached->confidence = Confidence(cache->alpha, preference);
		cached->preference = preference;
	}
	return cached->confidence;
}

/* Write one user's pairs from "at" on; returns where they end. */
static int64
FillUser(const Touched *touched, int32 user, ConfidenceCache *cache, int64 at, int32 *column,
		 float *weight)
{
	for (int64 pair = touched->start[user]; pair < touched->start[user + 1]; pair++)
	{
		float		confidence;

		EVENTS_POLL(pair);
		if (!IsPositive(touched, pair))
			continue;
		confidence = CachedConfidence(cache, touched->preference[pair]);
		cache->are_all_one &= confidence == 1.0f;
		column[at] = touched->item[pair];
		if (weight != NULL)
			weight[at] = confidence;
		at++;
	}
	return at;
}

bool
PositiveFill(const Touched *touched, const PositiveFilter *filter, int64 *start, int32 *column,
			 float *weight)
{
	ConfidenceCache cache;
	int64		at = 0;

	/* No positive preference is 0, so that empty entries fit none. */
	memset(&cache, 0, sizeof(cache));
	cache.alpha = filter->alpha;
	cache.are_all_one = true;
	for (int32 user = 0; user < touched->users; user++)
	{
		CHECK_FOR_INTERRUPTS();
		start[user] = at;
		if (touched->keep_user[user])
			at = FillUser(touched, user, &cache, at, column, weight);
	}
	start[touched->users] = at;
	Assert(at == touched->positive);
	return cache.are_all_one;
}

static void
CheckPopularity(const EventLog *log, const double *popularity)
{
	int32		items = EventsItems(log);

	for (int32 item = 0; item < items; item++)
	{
		EVENTS_POLL(item);
		if (!isfinite(popularity[item]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("popularity of item \"%s\" overflows",
							IdToCString(IdMapGet(log->items, item), log->item_kind)),
					 errhint("Correct the values of the events, or the weights and value ranges of actions.")));
	}
}

/*
 * What the events of a pair, from "event" on, add to the popularity of their
 * item: the one that weighs most, aged.  *next is where the next pair begins.
 */
static double
StrongestEvent(const Weighing *weighing, int64 event, int64 end, int64 *next)
{
	const int32 *item = weighing->log->item;
	double		strongest = 0;
	int64		e;

	for (e = event; e < end && item[e] == item[event]; e++)
	{
		double		weight;

		EVENTS_POLL(e);
		if (!EventCounts(weighing, e))
			continue;
		weight = EventPreference(weighing->log, e);

		/* A disliking action stays one even if its value is below the range. */
		if (weight > 0 && EventScaleOf(weighing->log, e)->preference > 0)
			strongest = Max(strongest, Decayed(weighing, e, weight));
	}
	*next = e;
	return strongest;
}

/* Do all events of a user on an item add the same to popularity: that of one action, ageless? */
static bool
AreAllAlike(const Weighing *weighing)
{
	const EventLog *log = weighing->log;

	return log->action == NULL && log->value == NULL && !weighing->is_decaying &&
		weighing->until == EVENT_NO_TIME;
}

/* The same if all events are alike: users are counted. */
static void
CountUsers(const EventLog *log, double *popularity)
{
	const int32 *item = log->item;
	double		weight = Max(log->scale[log->implied_action].preference, 0);

	for (int32 user = 0; user < EventsUsers(log); user++)
	{
		int64		to = log->start[user + 1];

		for (int64 e = log->start[user]; e < to; e++)
		{
			EVENTS_POLL(e);
			if (e + 1 == to || item[e + 1] != item[e])
				popularity[item[e]] += weight;
		}
	}
}

static void
AddStrongest(const Weighing *weighing, double *popularity)
{
	const EventLog *log = weighing->log;

	for (int32 user = 0; user < EventsUsers(log); user++)
	{
		int64		next;

		for (int64 e = log->start[user]; e < log->start[user + 1]; e = next)
			popularity[log->item[e]] += StrongestEvent(weighing, e, log->start[user + 1], &next);
	}
}

void
PopularityCompute(const EventLog *log, double half_life, TimestampTz until, double *popularity)
{
	Weighing	weighing;

	WeighingInit(&weighing, log, half_life, until);
	BudgetZero(popularity, (Size) EventsItems(log) * sizeof(double));
	if (AreAllAlike(&weighing))
		CountUsers(log, popularity);
	else
		AddStrongest(&weighing, popularity);
	CheckPopularity(log, popularity);
}
