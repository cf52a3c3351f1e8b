/*
 * events_internal.h
 *		What the files events*.c share: the checked source, and events as they were read.
 */
#ifndef COMMREC_EVENTS_INTERNAL_H
#define COMMREC_EVENTS_INTERNAL_H

#include "miscadmin.h"

#include "common/compat.h"
#include "train/events.h"

/* Let a loop over events be interrupted often enough, and cheaply. */
#define EVENTS_POLL(i) \
	do { \
		if (((i) & 0x7fff) == 0x7fff) \
			CHECK_FOR_INTERRUPTS(); \
	} while (0)

/* The relation, checked, and the query over it.  Columns of the query: -1 if there is none. */
typedef struct EventSource
{
	Oid			model;			/* schema of the model that it is read for */
	Oid			relation;
	char	   *name;			/* qualified and quoted */
	char	   *query;
	int			columns;		/* of the query, up to the last that is needed */
	int			user_at;
	int			item_at;
	int			action_at;
	int			time_at;
	int			value_at;
	bool		time_is_date;
	const EventsRange *range;	/* NULL: all */
	Oid			range_type;		/* of the time column */
	Datum		range_values[2];	/* parameters of the query: from and to */
} EventSource;

/* Columns of the events, each of which can be had and given back by itself. */
typedef enum EventColumn
{
	COLUMN_USER,				/* int32 */
	COLUMN_ITEM,				/* int32 */
	COLUMN_ACTION,				/* int16 */
	COLUMN_VALUE,				/* double */
	COLUMN_TIME					/* TimestampTz */
} EventColumn;

#define EVENT_COLUMNS	(COLUMN_TIME + 1)

/* Events that have just been read; columns that the source lacks are not filled. */
typedef struct EventBatch
{
	int			count;
	int32		user[IDMAP_BATCH];
	int32		item[IDMAP_BATCH];
	int16		action[IDMAP_BATCH];
	double		value[IDMAP_BATCH];
	TimestampTz time[IDMAP_BATCH];
} EventBatch;

/*
 * Parts hold the events of every EVENT_PARTSth user, so that each can be sorted
 * where the processor has it close by: user number "u" is number u /
 * EVENT_PARTS of part u % EVENT_PARTS.
 */
#define EVENT_PART_BITS		9
#define EVENT_PARTS			(1 << EVENT_PART_BITS)
#define EVENT_BLOCK_ROWS	128

/* Memory for some blocks. */
typedef struct EventSlab
{
	int64		rows;
	void	   *column[EVENT_COLUMNS];	/* NULL: not there, or given back */
} EventSlab;

/* Some consecutive rows of a slab, which belong to one part. */
typedef struct EventBlock
{
	EventSlab  *slab;
	int64		at;				/* first row in the slab */
	int64		next;			/* of the same part, -1 for the last */
} EventBlock;

typedef struct EventPart
{
	int64		rows;
	int64		first;			/* block, -1 for none */
	int64		last;
	EventSlab  *slab;			/* of the last block */
	int64		at;				/* next row in it */
} EventPart;

typedef struct EventStore
{
	MemoryBudget *budget;
	MemoryContext context;		/* owns all of it */
	bool		has[EVENT_COLUMNS];
	int64		events;
	EventPart	part[EVENT_PARTS];
	EventBlock *block;
	int64		blocks;
	int64		block_room;
	EventSlab **slab;
	int			slabs;
	int			slab_room;
	int64		slab_used;		/* rows of the newest slab */
} EventStore;

/* Walks over the rows of one part: up to "count" of them lie together at slab row "at". */
typedef struct EventCursor
{
	const EventStore *store;
	int64		block;
	int64		left;			/* rows from here to the end of the part */
	EventSlab  *slab;
	int64		at;
	int64		count;
} EventCursor;

/* events_store.c */
extern Size EventColumnWidth(EventColumn column);
extern EventStore *EventStoreCreate(MemoryBudget *budget, const EventSource *source);
extern void EventStoreAppend(EventStore *store, const EventBatch *batch);
extern void EventStoreFreeColumn(EventStore *store, EventColumn column);
extern void EventStoreFree(EventStore *store);

/* A cursor at a part's first row; "count" is 0 only at the end. */
extern void EventCursorBegin(EventCursor *cursor, const EventStore *store, int part);
extern void EventCursorAdvance(EventCursor *cursor, int64 rows);
extern void *EventCursorColumn(const EventCursor *cursor, EventColumn column);

/* events_source.c: check the relation and its columns; AccessShareLock stays. */
extern void EventSourceCheck(const ModelConfig *config, const EventsRange *range,
							 EventSource *source);

/* events_read.c: run the query and fill the store; needs no SPI connection. */
extern void EventSourceRead(EventLog *log, const EventSource *source,
							const EventsOptions *options, EventStore *store);

/* events_sort.c: from a store, which is freed, to sorted columns without duplicates. */
extern void EventsSort(EventLog *log, EventStore *store);

#endif							/* COMMREC_EVENTS_INTERNAL_H */
