/*
 * ratings.c
 *		Explicit ratings from the sorted events: one pass, then the filters in place.
 */
#include "postgres.h"

#include <math.h>

#include "train/events_internal.h"
#include "train/ratings.h"

/* The rating of the pair whose events are [from, to); NaN if none of them counts a value. */
static double
NewestValue(const EventLog *log, int64 from, int64 to)
{
	TimestampTz newest = EVENT_NO_TIME;
	double		value = NAN;

	for (int64 e = from; e < to; e++)
	{
		TimestampTz time = log->time == NULL ? EVENT_NO_TIME : log->time[e];

		if (isnan(EventScaledValue(log, e)))
			continue;
		if (isnan(value) || time > newest || (time == newest && log->value[e] > value))
		{
			newest = time;
			value = log->value[e];
		}
	}
	return value;
}

static int64
PairEnd(const EventLog *log, int64 from, int64 end)
{
	int64		to = from + 1;

	while (to < end && log->item[to] == log->item[from])
		to++;
	return to;
}

static float
CheckedRating(double value)
{
	float		rating = (float) value;

	if (!isfinite(rating))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("rating %g is out of range", value),
				 errhint("Correct the values of the events, or scale them in a view.")));
	return rating;
}

static void
CollectRatings(const EventLog *log, Ratings *ratings)
{
	int64		count = 0;

	for (int32 user = 0; user < ratings->users; user++)
	{
		int64		to;

		EVENTS_POLL(user);
		ratings->start[user] = count;
		for (int64 from = log->start[user]; from < log->start[user + 1]; from = to)
		{
			double		value;

			EVENTS_POLL(from);
			to = PairEnd(log, from, log->start[user + 1]);
			value = NewestValue(log, from, to);
			if (isnan(value))
				continue;
			ratings->item[count] = log->item[from];
			ratings->value[count] = CheckedRating(value);
			count++;
		}
	}
	ratings->start[ratings->users] = count;
}

/* Keep what passes the filters, in place: ratings only move forward. */
static void
FilterRatings(Ratings *ratings, const PositiveFilter *filter, const int32 *item_users)
{
	int64		count = 0;
	int64		from = ratings->start[0];

	for (int32 user = 0; user < ratings->users; user++)
	{
		int64		to = ratings->start[user + 1];
		int64		first = count;

		EVENTS_POLL(user);
		for (int64 i = from; i < to; i++)
		{
			if (item_users[ratings->item[i]] < filter->min_item_users)
				continue;
			ratings->item[count] = ratings->item[i];
			ratings->value[count] = ratings->value[i];
			count++;
		}
		if (count - first < filter->min_user_items)
			count = first;
		from = to;
		ratings->start[user + 1] = count;
	}
}

static double
MeanRating(const Ratings *ratings)
{
	int64		count = ratings->start[ratings->users];
	double		sum = 0;

	for (int64 i = 0; i < count; i++)
	{
		EVENTS_POLL(i);
		sum += ratings->value[i];
	}
	return count == 0 ? 0 : sum / count;
}

Ratings *
RatingsBuild(const EventLog *log, const PositiveFilter *filter, MemoryBudget *budget)
{
	Ratings    *ratings = palloc0(sizeof(Ratings));
	Size		items = Max(EventsItems(log), 1);
	int32	   *item_users;

	if (log->value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the algorithm learns ratings, but the model has no value column"),
				 errhint("Name the ratings' column as value_column in commrec.create_model(), or use algorithm \"ials\".")));
	ratings->users = EventsUsers(log);
	ratings->start = BudgetAlloc(budget, ((Size) ratings->users + 1) * sizeof(int64), "ratings");
	ratings->room = Max(log->count, 1);
	ratings->item = BudgetAlloc(budget, ratings->room * sizeof(int32), "ratings");
	ratings->value = BudgetAlloc(budget, ratings->room * sizeof(float), "ratings");
	item_users = BudgetAlloc(budget, items * sizeof(int32), "ratings");
	memset(item_users, 0, items * sizeof(int32));

	CollectRatings(log, ratings);
	for (int64 i = 0; i < ratings->start[ratings->users]; i++)
		item_users[ratings->item[i]]++;
	FilterRatings(ratings, filter, item_users);
	ratings->mean = MeanRating(ratings);
	BudgetFree(budget, item_users, items * sizeof(int32));
	return ratings;
}

void
RatingsFree(Ratings *ratings, MemoryBudget *budget)
{
	BudgetFree(budget, ratings->start, ((Size) ratings->users + 1) * sizeof(int64));
	BudgetFree(budget, ratings->item, (Size) ratings->room * sizeof(int32));
	BudgetFree(budget, ratings->value, (Size) ratings->room * sizeof(float));
	pfree(ratings);
}

void
RatingsFill(const Ratings *ratings, int64 *start, int32 *column, float *centred)
{
	int64		count = ratings->start[ratings->users];

	memcpy(start, ratings->start, ((Size) ratings->users + 1) * sizeof(int64));
	for (int64 i = 0; i < count; i++)
	{
		EVENTS_POLL(i);
		column[i] = ratings->item[i];
		centred[i] = (float) (ratings->value[i] - ratings->mean);
	}
}
