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

#include "train/events_internal.h"
#include "train/interactions.h"

/* Below this preference, 1 + p has lost too many digits of p. */
#define SMALL_PREFERENCE	1e-3

/* How old events count, and which do. */
typedef struct Decay
{
	const EventLog *log;
	double		half_life;		/* microseconds */
	TimestampTz origin;			/* age 0 */
	TimestampTz until;			/* EVENT_NO_TIME: no limit */
} Decay;

static void
DecayInit(Decay *decay, const EventLog *log, double half_life_days, TimestampTz until)
{
	decay->log = log;
	decay->half_life = half_life_days * (double) USECS_PER_DAY;
	decay->until = until;
	decay->origin = log->age_origin;
	if (until != EVENT_NO_TIME)
		decay->origin = Min(decay->origin, until);
}

static bool
EventCounts(const Decay *decay, int64 event)
{
	return decay->until == EVENT_NO_TIME || decay->log->time == NULL ||
		decay->log->time[event] < decay->until;
}

/* 2^(-age/half_life).  Differences of far-off times overflow integers, so they are taken in double. */
static double
DecayFactor(const Decay *decay, int64 event)
{
	TimestampTz time = decay->log->time == NULL ? EVENT_NO_TIME : decay->log->time[event];

	if (isinf(decay->half_life) || time == EVENT_NO_TIME || time >= decay->origin)
		return 1.0;
	return exp2(((double) time - (double) decay->origin) / decay->half_life);
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
CountPairs(const Decay *decay, int64 from, int64 to)
{
	const EventLog *log = decay->log;
	int32		last = -1;
	int64		pairs = 0;

	for (int64 e = from; e < to; e++)
	{
		EVENTS_POLL(e);
		if (log->item[e] == last || !EventCounts(decay, e))
			continue;
		last = log->item[e];
		pairs++;
	}
	return pairs;
}

static void
CountTouched(Touched *touched, const Decay *decay)
{
	const EventLog *log = decay->log;

	touched->start[0] = 0;
	for (int32 user = 0; user < touched->users; user++)
	{
		EVENTS_POLL(user);
		touched->start[user + 1] = touched->start[user] +
			CountPairs(decay, log->start[user], log->start[user + 1]);
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

/* Sum up one user's events, pair by pair, from touched->start[user] on. */
static void
SumUser(Touched *touched, const Decay *decay, int32 user)
{
	const EventLog *log = decay->log;
	int64		pair = touched->start[user] - 1;
	int32		last = -1;
	double		sum = 0.0;

	for (int64 e = log->start[user]; e < log->start[user + 1]; e++)
	{
		EVENTS_POLL(e);
		if (!EventCounts(decay, e))
			continue;
		if (log->item[e] != last)
		{
			last = log->item[e];
			sum = 0.0;
			touched->item[++pair] = last;
			touched->item_users[last]++;
		}
		sum += EventPreference(log, e) * DecayFactor(decay, e);
		/* Negated, so that NaN is caught as well. */
		if (!(fabs(sum) <= FLT_MAX))
			ReportOverflow(log, user, last);
		touched->preference[pair] = (float) sum;
	}
}

Touched *
TouchedBuild(const EventLog *log, const TouchedOptions *options, MemoryBudget *budget)
{
	Touched    *touched = palloc0(sizeof(Touched));
	Decay		decay;
	int64		pairs;

	DecayInit(&decay, log, options->half_life, options->until);
	touched->users = EventsUsers(log);
	touched->items = EventsItems(log);
	touched->start = AllocTouched(touched, budget, (Size) touched->users + 1, sizeof(int64));
	CountTouched(touched, &decay);

	pairs = touched->start[touched->users];
	touched->item = AllocTouched(touched, budget, pairs, sizeof(int32));
	touched->preference = AllocTouched(touched, budget, pairs, sizeof(float));
	touched->item_users = AllocTouched(touched, budget, touched->items, sizeof(int32));
	touched->keep_user = AllocTouched(touched, budget, touched->users, 1);
	touched->keep_item = AllocTouched(touched, budget, touched->items, 1);
	memset(touched->item_users, 0, (Size) touched->items * sizeof(int32));
	for (int32 user = 0; user < touched->users; user++)
	{
		EVENTS_POLL(user);
		SumUser(touched, &decay, user);
	}
	return touched;
}

void
TouchedFree(Touched *touched, MemoryBudget *budget)
{
	pfree(touched->start);
	pfree(touched->item);
	pfree(touched->preference);
	pfree(touched->item_users);
	pfree(touched->keep_user);
	pfree(touched->keep_item);
	BudgetRelease(budget, touched->bytes);
	pfree(touched);
}

/* Mark items with enough users; only positive pairs count. */
static void
FilterItems(Touched *touched, int32 min_item_users)
{
	int64		pairs = touched->start[touched->users];
	int32	   *users = palloc_extended((Size) Max(touched->items, 1) * sizeof(int32),
										MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (int64 pair = 0; pair < pairs; pair++)
	{
		EVENTS_POLL(pair);
		if (touched->preference[pair] > 0)
			users[touched->item[pair]]++;
	}
	for (int32 item = 0; item < touched->items; item++)
		touched->keep_item[item] = users[item] > 0 && users[item] >= min_item_users;
	pfree(users);
}

static bool
IsPositive(const Touched *touched, int64 pair)
{
	return touched->preference[pair] > 0 && touched->keep_item[touched->item[pair]];
}

int64
PositiveCount(Touched *touched, const PositiveFilter *filter)
{
	FilterItems(touched, filter->min_item_users);
	touched->positive = 0;
	for (int32 user = 0; user < touched->users; user++)
	{
		int64		items = 0;

		EVENTS_POLL(user);
		for (int64 pair = touched->start[user]; pair < touched->start[user + 1]; pair++)
		{
			EVENTS_POLL(pair);
			items += IsPositive(touched, pair);
		}
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
	double		weight = alpha * (preference < SMALL_PREFERENCE ?
								  log1p(preference) * M_LOG2E : log2(1.0 + preference));

	if (weight > FLT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("confidence of a pair overflows"),
				 errhint("Lower the hyperparameter \"alpha\".")));
	return (float) Max(weight, FLT_MIN);
}

bool
PositiveFill(const Touched *touched, const PositiveFilter *filter, int64 *start, int32 *column,
			 float *weight)
{
	bool		are_all_one = true;
	int64		at = 0;

	for (int32 user = 0; user < touched->users; user++)
	{
		EVENTS_POLL(user);
		start[user] = at;
		for (int64 pair = touched->start[user];
			 touched->keep_user[user] && pair < touched->start[user + 1]; pair++)
		{
			float		confidence;

			EVENTS_POLL(pair);
			if (!IsPositive(touched, pair))
				continue;
			confidence = Confidence(filter->alpha, touched->preference[pair]);
			are_all_one = are_all_one && confidence == 1.0f;
			column[at] = touched->item[pair];
			if (weight != NULL)
				weight[at] = confidence;
			at++;
		}
	}
	start[touched->users] = at;
	Assert(at == touched->positive);
	return are_all_one;
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

void
PopularityCompute(const EventLog *log, double half_life, TimestampTz until, double *popularity)
{
	Decay		decay;

	DecayInit(&decay, log, half_life, until);
	memset(popularity, 0, (Size) EventsItems(log) * sizeof(double));
	for (int64 e = 0; e < log->count; e++)
	{
		double		preference;

		EVENTS_POLL(e);
		if (!EventCounts(&decay, e))
			continue;
		preference = EventPreference(log, e);

		/* A disliking action stays one even if its value is below the range. */
		if (preference > 0 && EventWeights(log, e)->preference > 0)
			popularity[log->item[e]] += preference * DecayFactor(&decay, e);
	}
	CheckPopularity(log, popularity);
}
