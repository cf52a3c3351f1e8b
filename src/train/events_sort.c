/*
 * events_sort.c
 *		From events as they came to events ordered by (user, item, action, time, value).
 *
 * First a counting sort by user, one column after the other: every chunk's
 * part of a column is freed as soon as it has been moved, so that little more
 * than the events themselves and one column is ever in memory.  Then every
 * user's events are sorted, and what remains without duplicates is written
 * back to the front of the same arrays.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "train/events_internal.h"

/* Moves columns; "next" is where each user's next event goes. */
typedef struct Scatter
{
	EventLog   *log;
	EventChunks *chunks;
	int64	   *next;
} Scatter;

/* One event of one user while that user's are sorted. */
typedef struct SortEvent
{
	TimestampTz time;
	double		value;
	int32		item;
	int16		action;
} SortEvent;

static void *
AllocEvents(EventLog *log, int64 count, Size width)
{
	MemoryContext old_context = MemoryContextSwitchTo(log->context);
	void	   *memory = BudgetAlloc(log->budget, mul_size(Max(count, 1), width),
									 "events in order");

	MemoryContextSwitchTo(old_context);
	return memory;
}

static void
FreeColumn(EventLog *log, const EventChunk *chunk, void *column, Size width)
{
	BudgetFree(log->budget, column, (Size) chunk->room * width);
}

/* Give users their final numbers and let log->start say where each one's events begin. */
static void
CountUsers(EventLog *log, EventChunks *chunks)
{
	const int32 *rank = IdMapSort(log->users);
	int32		users = IdMapCount(log->users);
	int64		before = 0;

	log->start = AllocEvents(log, (int64) users + 1, sizeof(int64));
	memset(log->start, 0, ((Size) users + 1) * sizeof(int64));
	for (int c = 0; c < chunks->count; c++)
	{
		EventChunk *chunk = &chunks->chunk[c];

		for (int64 i = 0; i < chunk->count; i++)
		{
			EVENTS_POLL(i);
			chunk->user[i] = rank[chunk->user[i]];
			log->start[chunk->user[i]]++;
		}
	}
	IdMapDropRank(log->users);
	for (int32 user = 0; user < users; user++)
	{
		int64		count = log->start[user];

		EVENTS_POLL(user);
		log->start[user] = before;
		before += count;
	}
	log->start[users] = before;
}

static void
ScatterRewind(Scatter *scatter)
{
	memcpy(scatter->next, scatter->log->start,
		   (Size) IdMapCount(scatter->log->users) * sizeof(int64));
}

static void
ScatterItems(Scatter *scatter)
{
	EventLog   *log = scatter->log;
	const int32 *rank = IdMapSort(log->items);

	ScatterRewind(scatter);
	log->item = AllocEvents(log, scatter->chunks->events, sizeof(int32));
	for (int c = 0; c < scatter->chunks->count; c++)
	{
		EventChunk *chunk = &scatter->chunks->chunk[c];

		for (int64 i = 0; i < chunk->count; i++)
		{
			EVENTS_POLL(i);
			log->item[scatter->next[chunk->user[i]]++] = rank[chunk->item[i]];
		}
		FreeColumn(log, chunk, chunk->item, sizeof(int32));
	}
	IdMapDropRank(log->items);
}

static void
ScatterActions(Scatter *scatter, const int16 *rank)
{
	EventLog   *log = scatter->log;

	ScatterRewind(scatter);
	log->action = AllocEvents(log, scatter->chunks->events, sizeof(int16));
	for (int c = 0; c < scatter->chunks->count; c++)
	{
		EventChunk *chunk = &scatter->chunks->chunk[c];

		for (int64 i = 0; i < chunk->count; i++)
		{
			EVENTS_POLL(i);
			log->action[scatter->next[chunk->user[i]]++] = rank[chunk->action[i]];
		}
		FreeColumn(log, chunk, chunk->action, sizeof(int16));
	}
}

static void
ScatterValues(Scatter *scatter)
{
	EventLog   *log = scatter->log;

	ScatterRewind(scatter);
	log->value = AllocEvents(log, scatter->chunks->events, sizeof(double));
	for (int c = 0; c < scatter->chunks->count; c++)
	{
		EventChunk *chunk = &scatter->chunks->chunk[c];

		for (int64 i = 0; i < chunk->count; i++)
		{
			EVENTS_POLL(i);
			log->value[scatter->next[chunk->user[i]]++] = chunk->value[i];
		}
		FreeColumn(log, chunk, chunk->value, sizeof(double));
	}
}

static void
ScatterTimes(Scatter *scatter)
{
	EventLog   *log = scatter->log;

	ScatterRewind(scatter);
	log->time = AllocEvents(log, scatter->chunks->events, sizeof(TimestampTz));
	for (int c = 0; c < scatter->chunks->count; c++)
	{
		EventChunk *chunk = &scatter->chunks->chunk[c];

		for (int64 i = 0; i < chunk->count; i++)
		{
			EVENTS_POLL(i);
			log->time[scatter->next[chunk->user[i]]++] = chunk->time[i];
		}
		FreeColumn(log, chunk, chunk->time, sizeof(TimestampTz));
	}
}

static void
ScatterColumns(EventLog *log, EventChunks *chunks)
{
	Scatter		scatter = {log, chunks, NULL};
	const int16 *action_rank = ActionTableSort(log->actions);
	const EventChunk *first = &chunks->chunk[0];
	int64		users = IdMapCount(log->users);

	scatter.next = AllocEvents(log, users, sizeof(int64));
	if (log->implied_action >= 0)
		log->implied_action = action_rank[log->implied_action];

	/* The widest columns first: it is then that the most is freed. */
	if (first->value != NULL)
		ScatterValues(&scatter);
	if (first->time != NULL)
		ScatterTimes(&scatter);
	ScatterItems(&scatter);
	if (first->action != NULL)
		ScatterActions(&scatter, action_rank);
	for (int c = 0; c < chunks->count; c++)
		FreeColumn(log, &chunks->chunk[c], chunks->chunk[c].user, sizeof(int32));
	BudgetFree(log->budget, scatter.next, (Size) users * sizeof(int64));
	log->count = chunks->events;
}

/* Of duplicates, the one with the largest value comes first. */
static int
CompareEvents(const void *a, const void *b)
{
	const SortEvent *left = a;
	const SortEvent *right = b;

	CHECK_FOR_INTERRUPTS();
	if (left->item != right->item)
		return left->item < right->item ? -1 : 1;
	if (left->action != right->action)
		return left->action < right->action ? -1 : 1;
	if (left->time != right->time)
		return left->time < right->time ? -1 : 1;
	if (left->value != right->value)
		return left->value > right->value ? -1 : left->value < right->value;
	return 0;
}

static bool
IsDuplicate(const SortEvent *event, const SortEvent *previous)
{
	return event->item == previous->item && event->action == previous->action &&
		event->time == previous->time;
}

static void
LoadEvents(const EventLog *log, int64 from, int64 to, SortEvent *events)
{
	for (int64 e = from; e < to; e++)
	{
		SortEvent  *event = &events[e - from];

		EVENTS_POLL(e);
		event->item = log->item[e];
		event->action = log->action == NULL ? 0 : log->action[e];
		event->time = log->time == NULL ? EVENT_NO_TIME : log->time[e];
		event->value = log->value == NULL ? 0.0 : log->value[e];
	}
}

static void
StoreEvent(EventLog *log, int64 at, const SortEvent *event)
{
	log->item[at] = event->item;
	if (log->action != NULL)
		log->action[at] = event->action;
	if (log->time != NULL)
		log->time[at] = event->time;
	if (log->value != NULL)
		log->value[at] = event->value;
}

static int64
MostEventsOfUser(const EventLog *log)
{
	int32		users = IdMapCount(log->users);
	int64		most = 0;

	for (int32 user = 0; user < users; user++)
	{
		EVENTS_POLL(user);
		most = Max(most, log->start[user + 1] - log->start[user]);
	}
	return most;
}

/* Sort within users and drop duplicates; the arrays keep their size. */
static void
SortWithinUsers(EventLog *log)
{
	int32		users = IdMapCount(log->users);
	int64		most = MostEventsOfUser(log);
	SortEvent  *events = AllocEvents(log, most, sizeof(SortEvent));
	int64		kept = 0;
	int64		from = 0;

	for (int32 user = 0; user < users; user++)
	{
		int64		to = log->start[user + 1];

		EVENTS_POLL(user);
		LoadEvents(log, from, to, events);
		qsort(events, to - from, sizeof(SortEvent), CompareEvents);
		log->start[user] = kept;
		for (int64 i = 0; i < to - from; i++)
		{
			EVENTS_POLL(i);
			if (i > 0 && IsDuplicate(&events[i], &events[i - 1]))
				continue;
			StoreEvent(log, kept++, &events[i]);
		}
		from = to;
	}
	log->start[users] = kept;
	log->skipped.duplicate = log->count - kept;
	log->count = kept;
	BudgetFree(log->budget, events, (Size) Max(most, 1) * sizeof(SortEvent));
}

static void *
ShrinkColumn(EventLog *log, void *column, int64 events, Size width)
{
	if (column == NULL || events == log->count)
		return column;
	column = repalloc_huge(column, (Size) log->count * width);
	BudgetRelease(log->budget, (Size) (events - log->count) * width);
	return column;
}

void
EventsSort(EventLog *log, EventChunks *chunks)
{
	int64		events = chunks->events;

	CountUsers(log, chunks);
	ScatterColumns(log, chunks);
	SortWithinUsers(log);
	log->item = ShrinkColumn(log, log->item, events, sizeof(int32));
	log->action = ShrinkColumn(log, log->action, events, sizeof(int16));
	log->value = ShrinkColumn(log, log->value, events, sizeof(double));
	log->time = ShrinkColumn(log, log->time, events, sizeof(TimestampTz));
	if (chunks->chunk != NULL)
		pfree(chunks->chunk);
}
