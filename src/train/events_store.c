/*
 * events_store.c
 *		Events between reading and sorting: columns, in parts by user.
 *
 * Every part is a chain of blocks of EVENT_BLOCK_ROWS rows, which are cut from
 * slabs as they are needed.  A full slab is followed by a larger one, so that
 * nothing is ever copied to make room, and all of it is counted before it is
 * allocated.  Columns of a slab are allocated one by one, so that a column can
 * be given back as soon as it has been moved to where it belongs.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "train/events_internal.h"

#define SLAB_FIRST		((int64) EVENT_PARTS * EVENT_BLOCK_ROWS)
#define SLAB_LARGEST	((int64) 1048576)
#define FIRST_BLOCKS	(2 * EVENT_PARTS)
#define FIRST_SLABS		64
#define WHAT			"events as they are read"

Size
EventColumnWidth(EventColumn column)
{
	switch (column)
	{
		case COLUMN_USER:
		case COLUMN_ITEM:
			return sizeof(int32);
		case COLUMN_ACTION:
			return sizeof(int16);
		case COLUMN_VALUE:
			return sizeof(double);
		case COLUMN_TIME:
			return sizeof(TimestampTz);
	}
	pg_unreachable();
}

EventStore *
EventStoreCreate(MemoryBudget *budget, const EventSource *source)
{
	EventStore *store = palloc0(sizeof(EventStore));

	store->budget = budget;
	store->context = CurrentMemoryContext;
	store->has[COLUMN_USER] = true;
	store->has[COLUMN_ITEM] = true;
	store->has[COLUMN_ACTION] = source->action_at >= 0;
	store->has[COLUMN_VALUE] = source->value_at >= 0;
	store->has[COLUMN_TIME] = source->time_at >= 0;
	store->block_room = FIRST_BLOCKS;
	store->block = BudgetAlloc(budget, FIRST_BLOCKS * sizeof(EventBlock), WHAT);
	store->slab_room = FIRST_SLABS;
	store->slab = palloc(FIRST_SLABS * sizeof(EventSlab *));
	for (int part = 0; part < EVENT_PARTS; part++)
		store->part[part].first = -1;
	return store;
}

static void
AddSlab(EventStore *store)
{
	MemoryContext old_context = MemoryContextSwitchTo(store->context);
	EventSlab  *slab = palloc0(sizeof(EventSlab));

	if (store->slabs == store->slab_room)
	{
		store->slab_room *= 2;
		store->slab = repalloc_huge(store->slab, store->slab_room * sizeof(EventSlab *));
	}
	slab->rows = store->slabs == 0 ? SLAB_FIRST :
		Min(store->slab[store->slabs - 1]->rows * 2, SLAB_LARGEST);
	for (int column = 0; column < EVENT_COLUMNS; column++)
	{
		if (store->has[column])
			slab->column[column] = BudgetAlloc(store->budget,
											   slab->rows * EventColumnWidth(column), WHAT);
	}
	store->slab[store->slabs++] = slab;
	store->slab_used = 0;
	MemoryContextSwitchTo(old_context);
}

static void
GrowBlocks(EventStore *store)
{
	Size		bytes = mul_size(store->block_room, sizeof(EventBlock));

	BudgetReserve(store->budget, bytes, WHAT);
	store->block = repalloc_huge(store->block, mul_size(bytes, 2));
	store->block_room *= 2;
}

/* A part's last block is full: append another one. */
static void
AddBlock(EventStore *store, EventPart *part)
{
	EventBlock *block;

	if (store->slabs == 0 || store->slab_used == store->slab[store->slabs - 1]->rows)
		AddSlab(store);
	if (store->blocks == store->block_room)
		GrowBlocks(store);
	block = &store->block[store->blocks];
	block->slab = store->slab[store->slabs - 1];
	block->at = store->slab_used;
	block->next = -1;
	store->slab_used += EVENT_BLOCK_ROWS;

	if (part->first < 0)
		part->first = store->blocks;
	else
		store->block[part->last].next = store->blocks;
	part->last = store->blocks++;
	part->slab = block->slab;
	part->at = block->at;
}

void
EventStoreAppend(EventStore *store, const EventBatch *batch)
{
	for (int i = 0; i < batch->count; i++)
	{
		EventPart  *part = &store->part[batch->user[i] % EVENT_PARTS];
		void	  **column;
		int64		at;

		if (part->rows % EVENT_BLOCK_ROWS == 0)
			AddBlock(store, part);
		column = part->slab->column;
		at = part->at++;
		part->rows++;
		((int32 *) column[COLUMN_USER])[at] = batch->user[i];
		((int32 *) column[COLUMN_ITEM])[at] = batch->item[i];
		if (column[COLUMN_ACTION] != NULL)
			((int16 *) column[COLUMN_ACTION])[at] = batch->action[i];
		if (column[COLUMN_VALUE] != NULL)
			((double *) column[COLUMN_VALUE])[at] = batch->value[i];
		if (column[COLUMN_TIME] != NULL)
			((TimestampTz *) column[COLUMN_TIME])[at] = batch->time[i];
	}
	store->events += batch->count;
}

void
EventStoreFreeColumn(EventStore *store, EventColumn column)
{
	for (int i = 0; i < store->slabs; i++)
	{
		EventSlab  *slab = store->slab[i];

		CHECK_FOR_INTERRUPTS();
		if (slab->column[column] != NULL)
			BudgetFree(store->budget, slab->column[column], slab->rows * EventColumnWidth(column));
		slab->column[column] = NULL;
	}
}

void
EventStoreFree(EventStore *store)
{
	for (int column = 0; column < EVENT_COLUMNS; column++)
		EventStoreFreeColumn(store, column);
	for (int i = 0; i < store->slabs; i++)
		pfree(store->slab[i]);
	pfree(store->slab);
	BudgetFree(store->budget, store->block, store->block_room * sizeof(EventBlock));
	pfree(store);
}

/* Look at the block: its rows that belong to the rest of the part. */
static void
LoadBlock(EventCursor *cursor)
{
	const EventBlock *block = &cursor->store->block[cursor->block];

	cursor->slab = block->slab;
	cursor->at = block->at;
	cursor->count = Min(cursor->left, EVENT_BLOCK_ROWS);
}

void
EventCursorBegin(EventCursor *cursor, const EventStore *store, int part)
{
	cursor->store = store;
	cursor->block = store->part[part].first;
	cursor->left = store->part[part].rows;
	cursor->count = 0;
	if (cursor->left > 0)
		LoadBlock(cursor);
}

/* Go on by at most cursor->count rows. */
void
EventCursorAdvance(EventCursor *cursor, int64 rows)
{
	Assert(rows <= cursor->count);
	cursor->left -= rows;
	cursor->at += rows;
	cursor->count -= rows;
	if (cursor->count > 0 || cursor->left == 0)
		return;
	cursor->block = cursor->store->block[cursor->block].next;
	LoadBlock(cursor);
}

void *
EventCursorColumn(const EventCursor *cursor, EventColumn column)
{
	return (char *) cursor->slab->column[column] + cursor->at * EventColumnWidth(column);
}
