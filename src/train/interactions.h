/*
 * interactions.h
 *		From events to what the trainer reads: preferences, confidences, popularity.
 *
 *	p_ui = sum over events of preference(action) * scaled value (where the action counts it)
 *		   * 2^(-age/half_life), age counted from the newest event that is not in the future (or from
 *		   "until"); events without time, and those in the future, have age 0
 *	c_ui = alpha * log2(1 + p_ui), for p_ui > 0; so one event of preference 1 has confidence alpha
 *		   (log scaling of confidences: Hu, Koren & Volinsky 2008, eq. 6)
 *
 * A value is scaled to the action's range: (v - low) / (high - low); it is not
 * clamped, so that a value below "low" counts against the item.
 */
#ifndef COMMREC_INTERACTIONS_H
#define COMMREC_INTERACTIONS_H

#include "core/algorithm.h"
#include "train/events.h"

/* Every (user, item) that had anything to do with each other. */
typedef struct Touched
{
	int32		users;
	int32		items;
	int64	   *start;			/* users + 1 offsets */
	int32	   *item;			/* ascending within a user */
	float	   *preference;		/* p_ui: > 0 trains, < 0 is a dislike, 0 was only seen */
	uint32	   *last;			/* when last touched, as core/seen.h stores it; NULL: no time
								 * column, or a validation */
	int32	   *item_users;		/* distinct users of each item */
	int64		positive;		/* pairs with p_ui > 0 that pass the filters */
	uint8	   *keep_user;		/* 1 for users and items that pass, once PositiveCount has run */
	uint8	   *keep_item;
	Size		bytes;			/* counted against the budget */
} Touched;

/* Which events count: for validation, those before "until" (EVENT_NO_TIME: all of them). */
typedef struct TouchedOptions
{
	double		half_life;		/* days, +infinity for no decay */
	TimestampTz until;			/* only events with time < until; events without time always count */
} TouchedOptions;

/* Sums are in double; 22003 if one overflows a float.  Allocated in the current context. */
extern Touched *TouchedBuild(const EventLog *log, const TouchedOptions *options,
							 MemoryBudget *budget);
extern void TouchedFree(Touched *touched, MemoryBudget *budget);

/*
 * Positive pairs of items with at least min_item_users users and then users
 * with at least min_user_items items, counted once each in that order, over
 * positive pairs.
 */
typedef struct PositiveFilter
{
	double		alpha;
	int32		min_item_users;
	int32		min_user_items;
} PositiveFilter;

/* Number of positive pairs that pass; sets touched->positive, keep_user and keep_item. */
extern int64 PositiveCount(Touched *touched, const PositiveFilter *filter);

/*
 * Will every confidence be exactly 1, for lack of weights of their own?  Then
 * they need no room.
 */
extern bool PositiveAreEqual(const Touched *touched, const PositiveFilter *filter);

/*
 * Write them as CSR into the caller's arrays: start[users + 1],
 * column[positive], weight[positive] (c_ui, may be NULL if not wanted).
 * PositiveCount has run with the same filter.  Returns true if all weights are
 * exactly 1; 22003 if one overflows.
 */
extern bool PositiveFill(const Touched *touched, const PositiveFilter *filter, int64 *start,
						 int32 *column, float *weight);

/*
 * popularity[items]: sum over users of the most that one of their events before
 * "until" weighs, preference * scaled value * 2^(-age/half_life), for
 * preferences above 0.  A user counts once for an item, so that one who comes
 * back a thousand times does not make it popular.  22003 if a sum overflows.
 */
extern void PopularityCompute(const EventLog *log, double half_life, TimestampTz until,
							  double *popularity);

#endif							/* COMMREC_INTERACTIONS_H */
