/*
 * trend.c
 *		What is rising, if showing that to new users has proved better than what is popular.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "core/shrinkage.h"
#include "core/topk.h"
#include "train/trend.h"

#define WINDOW			7		/* buckets, as popular() takes for "recent" */
#define FOLDS			3
#define SHOWN			10
#define HALF_LIVES		4

/* Slots that the folds look at one by one must have a bucket each. */
StaticAssertDecl(WINDOW * (FOLDS + 1) <= CR_ACTIVITY_RECENT, "folds reach beyond single buckets");

typedef struct Trend
{
	const ItemActivity *activity;
	int32		items;
	double	   *recent;			/* readers in the window */
	double	   *expected;		/* readers before the hold-out; then those expected in the window */
} Trend;

/* Readers of an item in slots [from, to). */
static double
Readers(const ItemActivity *activity, int32 item, int from, int to)
{
	double		readers = 0;

	for (int slot = from; slot < to; slot++)
	{
		if (ItemActivityHas(activity, item, slot))
			readers += ItemActivitySum(activity, item, slot)->users;
	}
	return readers;
}

/* The rates of a window that begins at slot "first"; what is younger is not known yet. */
static CrShrinkage
FitWindow(Trend *trend, int first)
{
	double		recent = 0;
	double		all = 0;

	for (int32 item = 0; item < trend->items; item++)
	{
		EVENTS_POLL(item);
		trend->recent[item] = Readers(trend->activity, item, first, first + WINDOW);
		trend->expected[item] = Readers(trend->activity, item, first, CR_ACTIVITY_NO_TIME);
		recent += trend->recent[item];
		all += trend->expected[item];
	}
	for (int32 item = 0; item < trend->items; item++)
		trend->expected[item] *= all > 0 ? recent / all : 0;
	return cr_shrinkage_fit(trend->recent, trend->expected, trend->items, recent, recent);
}

/* Above 1: rising.  0 for an item without a recent reader. */
static float
Lift(const Trend *trend, const CrShrinkage *shrinkage, int32 item)
{
	if (trend->recent[item] == 0)
		return 0;
	return (float) cr_shrinkage_rate(shrinkage, trend->recent[item], trend->expected[item]);
}

/* Readers that the ranking would have drawn in the window that followed, as in DCG. */
static double
Gain(const Trend *trend, CrTopK *top, int first)
{
	double		gain = 0;

	cr_topk_sort(top);
	for (int32 i = 0; i < top->count; i++)
		gain += Readers(trend->activity, top->entries[i].item_no, first - WINDOW, first) /
			log2(i + 2.0);
	return gain;
}

static double
TrendGain(Trend *trend, int first)
{
	CrShrinkage shrinkage = FitWindow(trend, first);
	CrScored	entries[SHOWN];
	CrTopK		top;

	cr_topk_init(&top, entries, SHOWN);
	for (int32 item = 0; item < trend->items; item++)
	{
		float		lift = Lift(trend, &shrinkage, item);

		if (lift > 1)
			cr_topk_offer(&top, lift, item);
	}
	return Gain(trend, &top, first);
}

/* Popularity by the slots from "first" on, each of which has a weight. */
static float
Popularity(const ItemActivity *activity, int32 item, int first, const double *weight)
{
	double		popularity = 0;

	for (int slot = first; slot < CR_ACTIVITY_NO_TIME; slot++)
	{
		if (ItemActivityHas(activity, item, slot))
			popularity += ItemActivitySum(activity, item, slot)->preference * weight[slot];
	}
	return (float) Min(popularity, FLT_MAX);
}

/* What the best half-life would have drawn. */
static double
PopularGain(const Trend *trend, int first)
{
	static const double half_lives[HALF_LIVES] = {3, 7, 30, INFINITY};
	double		best = 0;

	for (int h = 0; h < HALF_LIVES; h++)
	{
		double		weight[CR_ACTIVITY_SLOTS];
		CrScored	entries[SHOWN];
		CrTopK		top;

		for (int slot = first; slot < CR_ACTIVITY_NO_TIME; slot++)
			weight[slot] = exp2(((double) first - (double) cr_activity_first_age(slot)) / half_lives[h]);
		cr_topk_init(&top, entries, SHOWN);
		for (int32 item = 0; item < trend->items; item++)
		{
			EVENTS_POLL(item);
			cr_topk_offer(&top, Popularity(trend->activity, item, first, weight), item);
		}
		best = Max(best, Gain(trend, &top, first));
	}
	return best;
}

static bool
HasProved(Trend *trend)
{
	double		trending = 0;
	double		popular = 0;
	int			won = 0;

	for (int fold = 1; fold <= FOLDS; fold++)
	{
		double		by_trend = TrendGain(trend, fold * WINDOW);
		double		by_popularity = PopularGain(trend, fold * WINDOW);

		trending += by_trend;
		popular += by_popularity;
		won += by_trend > by_popularity;
	}
	return trending > popular && won > FOLDS / 2;
}

float *
TrendChoose(const ItemActivity *activity)
{
	MemoryBudget *budget = activity->log->budget;
	Trend		trend = {0};
	float	   *lift = NULL;
	Size		bytes;

	if (activity->newest == EVENT_NO_TIME)
		return NULL;
	trend.activity = activity;
	trend.items = EventsItems(activity->log);
	bytes = mul_size(trend.items, sizeof(double));
	trend.recent = BudgetAlloc(budget, bytes, "trends");
	trend.expected = BudgetAlloc(budget, bytes, "trends");
	if (HasProved(&trend))
	{
		CrShrinkage shrinkage = FitWindow(&trend, 0);

		lift = BudgetAlloc(budget, mul_size(trend.items, sizeof(float)), "trends");
		for (int32 item = 0; item < trend.items; item++)
		{
			lift[item] = Lift(&trend, &shrinkage, item);
			if (!(lift[item] > 1))
				lift[item] = 0;
		}
	}
	BudgetFree(budget, trend.recent, bytes);
	BudgetFree(budget, trend.expected, bytes);
	return lift;
}
