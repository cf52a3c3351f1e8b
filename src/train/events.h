/*
 * events.h
 *		Reading the events: one pass through a read-only cursor, as the caller.
 *
 * The query runs with the caller's privileges and search_path through SPI, so
 * that views, partitions, foreign tables, column privileges and row security
 * hold.  A DestReceiver takes the rows as they come; nothing is copied twice.
 *
 * The result is column-wise.  After EventsSort the events are ordered by
 * (user, item, action, time, value), numbers are native order, exact
 * duplicates (same user, item, action, time; no time equals no time) are gone,
 * the largest value having been kept, and user[] has become offsets.  Nothing
 * in it depends on the order in which rows came.
 */
#ifndef COMMREC_EVENTS_H
#define COMMREC_EVENTS_H

#include "utils/float.h"

#include "common/memory.h"
#include "core/preference.h"
#include "store/model.h"
#include "train/actions.h"
#include "train/costs.h"
#include "train/idmap.h"

#define EVENT_NO_TIME	DT_NOBEGIN	/* the event had no time: it trains, but has no bucket */

typedef struct EventsSkipped
{
	int64		null_id;		/* user or item NULL */
	int64		null_value;		/* value NULL where the action counts it */
	int64		bad_value;		/* value NaN or infinite where the action counts it */
	int64		bad_time;		/* time infinite */
	int64		forgotten;		/* of users who are to be left out */
	int64		duplicate;		/* exact duplicates beyond the first */
	int64		no_time;		/* kept for training, left out of K and S; not counted if there is
								 * no time column */
	int64		future;			/* kept; time after the transaction's start */
} EventsSkipped;

typedef struct EventsOptions
{
	bool		strict;			/* a NaN or infinite value is 22023 instead of skipped */
	bool		allow_row_security;
	TrainCosts *costs;			/* PHASE_MAP begins when the last row has come */
} EventsOptions;

/* What an action makes of its events. */
typedef struct EventScale
{
	double		preference;
	double		satisfaction;	/* NaN for none */
	double		low;			/* NaN unless values count */
	double		high;
} EventScale;

typedef struct EventLog
{
	int64		count;
	int64	   *start;			/* users + 1 offsets, after EventsSort */
	int32	   *item;
	int16	   *action;			/* NULL if all events are the implied action */
	double	   *value;			/* NULL without a value column; NaN where it does not count */
	TimestampTz *time;			/* NULL without a time column */
	int16		implied_action;
	IdKind		user_kind;
	IdKind		item_kind;
	IdMap	   *users;
	IdMap	   *items;
	ActionTable *actions;
	EventScale *scale;			/* by action, after EventsRead */
	EventsSkipped skipped;
	bool		row_security;	/* row security was active on what was read */
	TimestampTz newest;			/* newest time, EVENT_NO_TIME if none has any */
	TimestampTz age_origin;		/* ages count from here: the newest time that is not in the future, or
								 * the newest if all are; EVENT_NO_TIME if none has any */
	MemoryBudget *budget;
	MemoryContext context;		/* owns all of it */
} EventLog;

/* Only events with a time from here to there, both ends included. */
typedef struct EventsRange
{
	TimestampTz from;
	TimestampTz to;
} EventsRange;

/*
 * Check relation and columns (42P01, 42703 with the columns there are, 42804,
 * 42809, 42501, 55000 for row security), read, number, sort, deduplicate, and
 * report what was left out in one NOTICE (a WARNING for times in the future).
 * 55000 "no usable events" if nothing is left.
 */
extern EventLog *EventsRead(const ModelConfig *config, const EventsOptions *options,
							MemoryBudget *budget);

/* The same for a range of times, for a model with a time column; NULL if there is nothing in it. */
extern EventLog *EventsReadRange(const ModelConfig *config, const EventsOptions *options,
								 const EventsRange *range, MemoryBudget *budget);

/*
 * How many rows of the relation lie in the range, or there are (NULL); usable
 * or not.  Errors as above.
 */
extern int64 EventsCountRows(const ModelConfig *config, const EventsRange *range,
							 bool allow_row_security);

static inline const EventScale *
EventScaleOf(const EventLog *log, int64 event)
{
	return &log->scale[log->action == NULL ? log->implied_action : log->action[event]];
}

/* (value - low) / (high - low), not clamped; NaN if no value of this event counts. */
static inline double
EventScaledValue(const EventLog *log, int64 event)
{
	const EventScale *scale = EventScaleOf(log, event);

	if (log->value == NULL || isnan(scale->low))
		return get_float8_nan();
	return cr_scaled_value(log->value[event], scale->low, scale->high);
}

/*
 * What one event adds to the preference, before decay: preference(action),
 * times the scaled value where the action counts it (not clamped).
 */
static inline double
EventPreference(const EventLog *log, int64 event)
{
	double		preference = EventScaleOf(log, event)->preference;

	return log->value == NULL ? preference :
		cr_event_preference(preference, EventScaledValue(log, event));
}

/* How satisfied one event shows its user to be, 0 .. 1; NaN if it tells nothing. */
static inline double
EventSignal(const EventLog *log, int64 event)
{
	double		scaled = EventScaledValue(log, event);

	if (isnan(scaled))
		return EventScaleOf(log, event)->satisfaction;
	return Max(0.0, Min(1.0, scaled));
}

extern int32 EventsUsers(const EventLog *log);
extern int32 EventsItems(const EventLog *log);

/* Which events of a log go into a part of it. */
typedef struct EventsPick
{
	const uint8 *users;			/* 1 for those whose events go; NULL: all */
	const uint8 *left_out;		/* by event, not 0 to leave it out; NULL: none */
} EventsPick;

/*
 * Copy a part of the events, in the current context; ids and actions are the
 * log's own, and so must stay as long.  Ages in the copy count from its newest
 * event.  Returns the bytes counted against the log's budget, for the caller to
 * give back.
 */
extern Size EventsCopy(const EventLog *from, const EventsPick *pick, EventLog *to);

/*
 * The time before which this part of the events with a time lies, from an
 * evenly spaced sample of them; the newest if that finds none.  The log has times.
 */
extern TimestampTz EventsTimeQuantile(const EventLog *log, double part);

/*
 * Free the events themselves and give their bytes back; count, skipped, newest
 * and the id maps stay, for publishing.
 */
extern void EventsFreeRows(EventLog *log);

extern void EventsFree(EventLog *log);

#endif							/* COMMREC_EVENTS_H */
