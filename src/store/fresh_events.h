/*
 * fresh_events.h
 *		One user's events since the training of a version, read as the caller.
 *
 * The query runs through SPI with the caller's privileges, row security and
 * search_path, read-only and with the active snapshot; it asks for the user
 * and for later times, so that an index on the user column serves.
 */
#ifndef COMMREC_FRESH_EVENTS_H
#define COMMREC_FRESH_EVENTS_H

#include "store/fold_in.h"

/* What the user has newly had to do with one item of the version. */
typedef struct FreshItem
{
	int32		item_no;
	double		preference;		/* sum over the new events, aged from FreshEvents.newest */
	TimestampTz last;			/* of these events */
} FreshItem;

typedef struct FreshEvents
{
	int32		count;			/* 0: nothing new */
	FreshItem  *items;			/* ascending by item_no, each once */
	TimestampTz newest;			/* of the new events, at most the transaction's start */
} FreshEvents;

/* Does the model fold in new events unless a call says otherwise? */
extern bool ReadFreshSetting(Oid schema);

/*
 * Items that the version does not know are passed over.  No time column:
 * 55000; events gone: 42P01; a column gone: 42703, of another type: 42804; no
 * privilege: 42501.  Allocated in the current context.
 */
extern void ReadFreshEvents(const FoldIn *fold, Datum user, FreshEvents *fresh);

#endif							/* COMMREC_FRESH_EVENTS_H */
