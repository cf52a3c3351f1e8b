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
	Oid			relation;
	char	   *name;			/* qualified and quoted */
	char	   *query;			/* columns 0 and 1 are user and item */
	int			action_at;
	int			time_at;
	int			value_at;
	bool		time_is_date;
} EventSource;

/* Events as they came: columns of up to "room" of them. */
typedef struct EventChunk
{
	int64		count;
	int64		room;
	int32	   *user;
	int32	   *item;
	int16	   *action;			/* NULL unless action_at */
	double	   *value;
	TimestampTz *time;
} EventChunk;

typedef struct EventChunks
{
	EventChunk *chunk;
	int			count;
	int			room;
	int64		events;
} EventChunks;

/* events_source.c: check the relation and its columns; AccessShareLock stays. */
extern void EventSourceCheck(const ModelConfig *config, EventSource *source);

/* events_read.c: run the query and fill the chunks; needs no SPI connection. */
extern void EventSourceRead(EventLog *log, const EventSource *source,
							const EventsOptions *options, EventChunks *chunks);

/* events_sort.c: from chunks, which are freed, to sorted columns without duplicates. */
extern void EventsSort(EventLog *log, EventChunks *chunks);

#endif							/* COMMREC_EVENTS_INTERNAL_H */
