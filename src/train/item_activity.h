/*
 * item_activity.h
 *		What happened to every item in every stretch of time: the table item_activity.
 */
#ifndef COMMREC_ITEM_ACTIVITY_H
#define COMMREC_ITEM_ACTIVITY_H

#include "port/pg_bitutils.h"

#include "core/activity.h"
#include "train/events_internal.h"

/* What is known of an item in one slot. */
typedef struct SlotSum
{
	double		preference;		/* sum of what events add to preferences, where above 0 */
	int32		events;
	int32		users;
	int32		positive;		/* of these users */
} SlotSum;

/* An item's slots that have anything in them, and where their sums are. */
typedef struct ItemSlots
{
	uint64		used;			/* a bit each */
	int64		start;			/* the first sum */
} ItemSlots;

typedef struct ItemActivity
{
	const EventLog *log;
	int64		bucket_width;	/* microseconds */
	TimestampTz newest;			/* start of the newest bucket; EVENT_NO_TIME if no event has a time */
	uint8	   *slot;			/* by event; NULL: none has a time */
	ItemSlots  *item;
	int64		sums;
	SlotSum    *sum;
} ItemActivity;

static inline bool
ItemActivityHas(const ItemActivity *activity, int32 item, int slot)
{
	return (activity->item[item].used >> slot & 1) != 0;
}

/* The sum of a slot that the item has. */
static inline SlotSum *
ItemActivitySum(const ItemActivity *activity, int32 item, int slot)
{
	const ItemSlots *slots = &activity->item[item];
	uint64		before;

	/* Without times every item has one slot. */
	if (activity->newest == EVENT_NO_TIME)
		return &activity->sum[item];
	before = slots->used & ((UINT64CONST(1) << slot) - 1);
	return &activity->sum[slots->start + (before == 0 ? 0 : pg_popcount64(before))];
}

/*
 * Replace the rows of the table; doc/knowledge.md defines its columns.
 * Returns what is rising, see train/trend.h.
 */
extern float *ItemActivityPublish(const EventLog *log, const ModelConfig *config);

/* Write rows of these events only, to those that are there of earlier buckets. */
extern void ItemActivityAdd(const EventLog *log, const ModelConfig *config);

#endif							/* COMMREC_ITEM_ACTIVITY_H */
