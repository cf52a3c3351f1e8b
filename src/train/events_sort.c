/*
 * events_sort.c
 *		From events as they came to events ordered by (user, item, action, time, value).
 *
 * Part by part, each small enough for the processor's cache: rows are sorted by
 * one word made of user and item, runs of the same pair (most often a single
 * row) by the rest, duplicates drop out, and what remains goes back into the
 * part's blocks.  Then one column after the other moves to where its users
 * belong among all, and its old place is given back: never is there more in
 * memory than the events themselves and one column.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "train/events_internal.h"
#include "train/radix.h"

#define SHORT_RUN	16			/* rows of a pair, up to which insertion sorts them */

/* The part at hand: rows by order of arrival, and in radix.main their order. */
typedef struct PartSorter
{
	EventLog   *log;
	EventStore *store;
	const int32 *user_rank;
	const int32 *item_rank;
	const int16 *action_rank;
	int			item_bits;		/* the lower bits of a word */
	int			part;
	int64		rows;
	int64		room;
	RadixSorter radix;
	int16	   *action;			/* NULL where the store has no such column */
	double	   *value;
	TimestampTz *time;
} PartSorter;

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
FreeEvents(EventLog *log, void *memory, int64 count, Size width)
{
	if (memory != NULL)
		BudgetFree(log->budget, memory, (Size) Max(count, 1) * width);
}

static int64
LargestPart(const EventStore *store)
{
	int64		largest = 0;

	for (int part = 0; part < EVENT_PARTS; part++)
		largest = Max(largest, store->part[part].rows);
	if (largest > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many events of a few users: the limit is %d", PG_INT32_MAX),
				 errhint("Leave out users of no interest, such as robots, in a view.")));
	return largest;
}

static void
SorterBegin(PartSorter *sorter, EventLog *log, EventStore *store, const int32 *user_rank)
{
	int64		room = LargestPart(store);
	int32		items = IdMapCount(log->items);

	memset(sorter, 0, sizeof(PartSorter));
	sorter->log = log;
	sorter->store = store;
	sorter->user_rank = user_rank;
	sorter->item_rank = IdMapSort(log->items);
	sorter->action_rank = ActionTableSort(log->actions);
	sorter->item_bits = pg_leftmost_one_pos32((uint32) items) + 1;
	sorter->room = room;
	sorter->radix.main.word = AllocEvents(log, room, sizeof(uint64));
	sorter->radix.main.number = AllocEvents(log, room, sizeof(int32));
	sorter->radix.spare.word = AllocEvents(log, room, sizeof(uint64));
	sorter->radix.spare.number = AllocEvents(log, room, sizeof(int32));
	if (store->has[COLUMN_ACTION])
		sorter->action = AllocEvents(log, room, sizeof(int16));
	if (store->has[COLUMN_VALUE])
		sorter->value = AllocEvents(log, room, sizeof(double));
	if (store->has[COLUMN_TIME])
		sorter->time = AllocEvents(log, room, sizeof(TimestampTz));
}

static void
SorterEnd(PartSorter *sorter)
{
	EventLog   *log = sorter->log;

	FreeEvents(log, sorter->radix.main.word, sorter->room, sizeof(uint64));
	FreeEvents(log, sorter->radix.main.number, sorter->room, sizeof(int32));
	FreeEvents(log, sorter->radix.spare.word, sorter->room, sizeof(uint64));
	FreeEvents(log, sorter->radix.spare.number, sorter->room, sizeof(int32));
	FreeEvents(log, sorter->action, sorter->room, sizeof(int16));
	FreeEvents(log, sorter->value, sorter->room, sizeof(double));
	FreeEvents(log, sorter->time, sorter->room, sizeof(TimestampTz));
	IdMapDropRank(log->items);
}

/* The words to sort by, and the other columns in one piece. */
static void
LoadPart(PartSorter *sorter, int part)
{
	RadixBuffer *main = &sorter->radix.main;
	EventCursor cursor;
	int64		row = 0;

	sorter->part = part;
	sorter->rows = sorter->store->part[part].rows;
	for (EventCursorBegin(&cursor, sorter->store, part); cursor.count > 0;
		 EventCursorAdvance(&cursor, cursor.count))
	{
		const int32 *user = EventCursorColumn(&cursor, COLUMN_USER);
		const int32 *item = EventCursorColumn(&cursor, COLUMN_ITEM);

		EVENTS_POLL(row / EVENT_BLOCK_ROWS);
		for (int64 i = 0; i < cursor.count; i++)
		{
			main->word[row + i] = (uint64) (user[i] / EVENT_PARTS) << sorter->item_bits |
				(uint64) sorter->item_rank[item[i]];
			main->number[row + i] = (int32) (row + i);
		}
		if (sorter->action != NULL)
		{
			const int16 *action = EventCursorColumn(&cursor, COLUMN_ACTION);

			for (int64 i = 0; i < cursor.count; i++)
				sorter->action[row + i] = sorter->action_rank[action[i]];
		}
		if (sorter->value != NULL)
			memcpy(sorter->value + row, EventCursorColumn(&cursor, COLUMN_VALUE),
				   cursor.count * sizeof(double));
		if (sorter->time != NULL)
			memcpy(sorter->time + row, EventCursorColumn(&cursor, COLUMN_TIME),
				   cursor.count * sizeof(TimestampTz));
		row += cursor.count;
	}
}

/* A word that ascends as values descend; values that do not count are all the same. */
static uint64
DescendingWord(double value)
{
	uint64		bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits >> 63 ? bits : ~(bits | (UINT64CONST(1) << 63));
}

static uint64
ActionWord(const PartSorter *sorter, int32 row)
{
	return sorter->action == NULL ? 0 : (uint64) sorter->action[row];
}

static uint64
TimeWord(const PartSorter *sorter, int32 row)
{
	return sorter->time == NULL ? 0 : (uint64) sorter->time[row] ^ (UINT64CONST(1) << 63);
}

static uint64
ValueWord(const PartSorter *sorter, int32 row)
{
	return sorter->value == NULL ? 0 : DescendingWord(sorter->value[row]);
}

/* Of duplicates, the one with the largest value comes first. */
static bool
IsBefore(const PartSorter *sorter, int32 left, int32 right)
{
	if (ActionWord(sorter, left) != ActionWord(sorter, right))
		return ActionWord(sorter, left) < ActionWord(sorter, right);
	if (TimeWord(sorter, left) != TimeWord(sorter, right))
		return TimeWord(sorter, left) < TimeWord(sorter, right);
	return ValueWord(sorter, left) < ValueWord(sorter, right);
}

static void
SortShortRun(PartSorter *sorter, int64 from, int64 to)
{
	int32	   *number = sorter->radix.main.number;

	for (int64 i = from + 1; i < to; i++)
	{
		int32		row = number[i];
		int64		at = i;

		for (; at > from && IsBefore(sorter, row, number[at - 1]); at--)
			number[at] = number[at - 1];
		number[at] = row;
	}
}

/* Sort a run by one more word; the run's own word is put back by the caller. */
static void
SortByWord(PartSorter *sorter, int64 from, int64 to,
		   uint64 (*word_of) (const PartSorter *, int32))
{
	RadixBuffer *main = &sorter->radix.main;

	for (int64 i = from; i < to; i++)
	{
		EVENTS_POLL(i);
		main->word[i] = word_of(sorter, main->number[i]);
	}
	RadixSort(&sorter->radix, from, to);
}

static void
SortLongRun(PartSorter *sorter, int64 from, int64 to)
{
	RadixBuffer *main = &sorter->radix.main;
	uint64		pair = main->word[from];

	/* The least important first: the sort is stable. */
	if (sorter->value != NULL)
		SortByWord(sorter, from, to, ValueWord);
	if (sorter->time != NULL)
		SortByWord(sorter, from, to, TimeWord);
	if (sorter->action != NULL)
		SortByWord(sorter, from, to, ActionWord);
	for (int64 i = from; i < to; i++)
	{
		EVENTS_POLL(i);
		main->word[i] = pair;
	}
}

/* Sort the events of every pair. */
static void
SortPairs(PartSorter *sorter)
{
	const uint64 *word = sorter->radix.main.word;

	for (int64 from = 0; from < sorter->rows;)
	{
		int64		to = from + 1;

		while (to < sorter->rows && word[to] == word[from])
			to++;
		CHECK_FOR_INTERRUPTS();
		if (to - from > SHORT_RUN)
			SortLongRun(sorter, from, to);
		else if (to - from > 1)
			SortShortRun(sorter, from, to);
		from = to;
	}
}

/* Do these rows of one pair have the same action and time? */
static bool
AreDuplicates(const PartSorter *sorter, int32 left, int32 right)
{
	return ActionWord(sorter, left) == ActionWord(sorter, right) &&
		TimeWord(sorter, left) == TimeWord(sorter, right);
}

/* Close up the gaps of duplicates. */
static void
DropDuplicates(PartSorter *sorter)
{
	RadixBuffer *main = &sorter->radix.main;
	int64		kept = 1;

	for (int64 i = 1; i < sorter->rows; i++)
	{
		uint64		word = main->word[i];
		int32		row = main->number[i];

		EVENTS_POLL(i);
		if (word == main->word[kept - 1] && AreDuplicates(sorter, row, main->number[kept - 1]))
			continue;
		main->word[kept] = word;
		main->number[kept++] = row;
	}
	sorter->rows = kept;
}

/* Count the events of every user into log->start. */
static void
CountUsers(const PartSorter *sorter)
{
	const uint64 *word = sorter->radix.main.word;

	for (int64 from = 0; from < sorter->rows;)
	{
		uint64		user = word[from] >> sorter->item_bits;
		int64		to = from + 1;

		while (to < sorter->rows && word[to] >> sorter->item_bits == user)
			to++;
		CHECK_FOR_INTERRUPTS();
		sorter->log->start[sorter->user_rank[user * EVENT_PARTS + sorter->part]] = to - from;
		from = to;
	}
}

/* Put the rows that are left back into the part's blocks, in order. */
static void
StorePart(PartSorter *sorter)
{
	const uint64 *word = sorter->radix.main.word;
	const int32 *number = sorter->radix.main.number;
	uint64		item_mask = (UINT64CONST(1) << sorter->item_bits) - 1;
	EventCursor cursor;

	sorter->store->part[sorter->part].rows = sorter->rows;
	for (EventCursorBegin(&cursor, sorter->store, sorter->part); cursor.count > 0;
		 EventCursorAdvance(&cursor, cursor.count))
	{
		int32	   *item = EventCursorColumn(&cursor, COLUMN_ITEM);

		CHECK_FOR_INTERRUPTS();
		for (int64 i = 0; i < cursor.count; i++)
			item[i] = (int32) (word[i] & item_mask);
		if (sorter->action != NULL)
		{
			int16	   *action = EventCursorColumn(&cursor, COLUMN_ACTION);

			for (int64 i = 0; i < cursor.count; i++)
				action[i] = sorter->action[number[i]];
		}
		if (sorter->value != NULL)
		{
			double	   *value = EventCursorColumn(&cursor, COLUMN_VALUE);

			for (int64 i = 0; i < cursor.count; i++)
				value[i] = sorter->value[number[i]];
		}
		if (sorter->time != NULL)
		{
			TimestampTz *time = EventCursorColumn(&cursor, COLUMN_TIME);

			for (int64 i = 0; i < cursor.count; i++)
				time[i] = sorter->time[number[i]];
		}
		word += cursor.count;
		number += cursor.count;
	}
}

static void
SortPart(PartSorter *sorter, int part)
{
	LoadPart(sorter, part);
	if (sorter->rows == 0)
		return;
	RadixSort(&sorter->radix, 0, sorter->rows);
	SortPairs(sorter);
	DropDuplicates(sorter);
	CountUsers(sorter);
	StorePart(sorter);
}

/* From numbers of events to offsets. */
static void
SumStart(EventLog *log, int32 users)
{
	int64		before = 0;

	for (int32 user = 0; user < users; user++)
	{
		int64		count = log->start[user];

		EVENTS_POLL(user);
		log->start[user] = before;
		before += count;
	}
	log->start[users] = before;
	log->count = before;
}

static void
SortParts(EventLog *log, EventStore *store, const int32 *user_rank)
{
	int32		users = IdMapCount(log->users);
	PartSorter	sorter;

	log->start = AllocEvents(log, (int64) users + 1, sizeof(int64));
	BudgetZero(log->start, ((Size) users + 1) * sizeof(int64));
	SorterBegin(&sorter, log, store, user_rank);
	for (int part = 0; part < EVENT_PARTS; part++)
		SortPart(&sorter, part);
	SumStart(log, users);
	log->skipped.duplicate = store->events - log->count;
	if (log->implied_action >= 0)
		log->implied_action = sorter.action_rank[log->implied_action];
	SorterEnd(&sorter);
}

/* Copy the next "count" rows of a part's column. */
static void
CopyRows(EventCursor *cursor, EventColumn column, int64 count, char *to)
{
	Size		width = EventColumnWidth(column);

	while (count > 0)
	{
		int64		rows = Min(count, cursor->count);

		memcpy(to, EventCursorColumn(cursor, column), rows * width);
		EventCursorAdvance(cursor, rows);
		to += rows * width;
		count -= rows;
	}
}

/* Bring a column into the order of users, and give its old place back. */
static void *
MoveColumn(EventLog *log, EventStore *store, const int32 *user_rank, EventColumn column)
{
	int32		users = IdMapCount(log->users);
	Size		width = EventColumnWidth(column);
	char	   *moved;

	if (!store->has[column])
		return NULL;
	moved = AllocEvents(log, log->count, width);
	for (int part = 0; part < EVENT_PARTS; part++)
	{
		EventCursor cursor;

		EventCursorBegin(&cursor, store, part);
		for (int64 number = part; number < users; number += EVENT_PARTS)
		{
			int32		user = user_rank[number];

			CHECK_FOR_INTERRUPTS();
			CopyRows(&cursor, column, log->start[user + 1] - log->start[user],
					 moved + log->start[user] * width);
		}
	}
	EventStoreFreeColumn(store, column);
	return moved;
}

void
EventsSort(EventLog *log, EventStore *store)
{
	const int32 *user_rank = IdMapSort(log->users);

	SortParts(log, store, user_rank);
	EventStoreFreeColumn(store, COLUMN_USER);

	/* The widest columns first: it is then that the most is freed. */
	log->value = MoveColumn(log, store, user_rank, COLUMN_VALUE);
	log->time = MoveColumn(log, store, user_rank, COLUMN_TIME);
	log->item = MoveColumn(log, store, user_rank, COLUMN_ITEM);
	log->action = MoveColumn(log, store, user_rank, COLUMN_ACTION);
	IdMapDropRank(log->users);
	EventStoreFree(store);
}
