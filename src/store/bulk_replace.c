/*
 * bulk_replace.c
 *		Replacing the rows of a table by others, of which most are the same.
 *
 * New rows come in the order of the primary key, and the old ones are read in
 * it: what is the same on both sides stays as it is, without a byte of WAL, and
 * only the rest is written.  A changed row stays on its page if there is room,
 * so that no index hears of it; else it is deleted and inserted with the new
 * ones.  In any other order the result is the same, and more is written.
 *
 * Old rows are those that a snapshot of the beginning sees.  One that somebody
 * else has changed since is deleted as DELETE would: the newest version of it,
 * once that transaction has ended, or 40001 in REPEATABLE READ and above.
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "storage/bufmgr.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "store/bulk_internal.h"

/* Look at the next old row. */
static void
NextOldRow(BulkReplaced *replaced)
{
	CHECK_FOR_INTERRUPTS();
	replaced->has_row = LookupNext(&replaced->lookup);
}

void
BulkReplaceBegin(BulkWriter *writer, Oid schema)
{
	MemoryContext old_context = MemoryContextSwitchTo(writer->context);
	BulkReplaced *replaced = writer->replaced;

	PushActiveSnapshot(GetTransactionSnapshot());
	LookupOpen(&replaced->lookup, schema, &replaced->layout);
	for (int i = 0; i < writer->keys; i++)
		replaced->compare[i] = *index_getprocinfo(replaced->lookup.index, i + 1, BTORDER_PROC);
	replaced->slot = MakeSingleTupleTableSlot(writer->descriptor,
											  table_slot_callbacks(writer->table));
	replaced->scratch = AllocSetContextCreate(writer->context, "commrec bulk row",
											  ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(old_context);
	LookupStart(&replaced->lookup, 0, NULL);
	NextOldRow(replaced);
}

/* The old row's key against a new one's, as the index orders them; NULLs come last. */
static int
CompareKeys(BulkReplaced *replaced, const Datum *values)
{
	for (int i = 0; i < replaced->layout.keys; i++)
	{
		bool		is_null;
		Datum		old = LookupValue(&replaced->lookup, i, &is_null);
		int			order;

		if (is_null)
			return 1;
		order = DatumGetInt32(FunctionCall2Coll(&replaced->compare[i],
												replaced->lookup.index->rd_indcollation[i],
												old, values[i]));
		if (order != 0)
			return order;
	}
	return 0;
}

/* Is the old row, which has the same key, the same in all other columns? */
static bool
IsSameRow(BulkWriter *writer, const Datum *values, const bool *nulls)
{
	for (int i = writer->keys; i < writer->columns; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(writer->descriptor, writer->position[i]);
		bool		is_null;
		Datum		old = LookupValue(&writer->replaced->lookup, i, &is_null);

		if (is_null != nulls[i])
			return false;
		if (!is_null && !datumIsEqual(old, values[i], attribute->attbyval, attribute->attlen))
			return false;
	}
	return true;
}

static void
CheckConcurrentChange(TM_Result result)
{
	if (result != TM_Updated && result != TM_Deleted)
		elog(ERROR, "unexpected result %d of writing a row", (int) result);
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent %s",
						result == TM_Updated ? "update" : "delete")));
}

/* Go on to the newest version of a row that somebody else has updated; false if it is gone. */
static bool
FindNewestVersion(BulkWriter *writer, ItemPointer place)
{
	TupleTableSlot *slot = writer->replaced->slot;
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(writer->table, place, GetActiveSnapshot(), slot, writer->command,
							  LockTupleExclusive, LockWaitBlock,
							  TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
	if (result == TM_Ok)
		*place = slot->tts_tid;
	else
		CheckConcurrentChange(result);
	ExecClearTuple(slot);
	return result == TM_Ok;
}

static void
DeleteRow(BulkWriter *writer, ItemPointerData place)
{
	TM_FailureData failure;
	TM_Result	result;

	while ((result = table_tuple_delete(writer->table, &place, writer->command,
										GetActiveSnapshot(), InvalidSnapshot, true, &failure,
										false)) != TM_Ok)
	{
		CheckConcurrentChange(result);
		if (result == TM_Deleted || !FindNewestVersion(writer, &place))
			return;
	}
}

/* Would a row as long as the old one fit on its page? */
static bool
HasRoom(const BulkWriter *writer)
{
	TupleTableSlot *slot = writer->replaced->lookup.slot;
	BufferHeapTupleTableSlot *row = (BufferHeapTupleTableSlot *) slot;
	Size		room;

	if (writer->table->rd_rel->relam != HEAP_TABLE_AM_OID)
		return false;
	LockBuffer(row->buffer, BUFFER_LOCK_SHARE);
	room = PageGetHeapFreeSpace(BufferGetPage(row->buffer));
	LockBuffer(row->buffer, BUFFER_LOCK_UNLOCK);
	return room >= MAXALIGN(row->base.tuple->t_len);
}

/* Change the old row in its place; false if that cannot be. */
static bool
UpdateRow(BulkWriter *writer, const Datum *values, const bool *nulls)
{
	BulkReplaced *replaced = writer->replaced;
	ItemPointerData place = LookupPlace(&replaced->lookup);
	TM_Result	result;

	if (!HasRoom(writer))
		return false;
	BulkFillSlot(writer, replaced->slot, values, nulls);
	result = CommrecUpdateTuple(writer->result_relation, writer->estate, &place, replaced->slot,
								writer->command);
	if (result != TM_Ok)
		CheckConcurrentChange(result);
	ExecClearTuple(replaced->slot);
	ResetPerTupleExprContext(writer->estate);
	return result == TM_Ok;
}

static void
DeleteOldRow(BulkWriter *writer)
{
	BulkReplaced *replaced = writer->replaced;
	MemoryContext old_context = MemoryContextSwitchTo(replaced->scratch);

	DeleteRow(writer, LookupPlace(&replaced->lookup));
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(replaced->scratch);
	NextOldRow(replaced);
}

/* The old row has the key of a new one. */
static void
ReplaceOldRow(BulkWriter *writer, const Datum *values, const bool *nulls)
{
	BulkReplaced *replaced = writer->replaced;
	MemoryContext old_context = MemoryContextSwitchTo(replaced->scratch);
	bool		is_done = IsSameRow(writer, values, nulls) || UpdateRow(writer, values, nulls);

	MemoryContextSwitchTo(old_context);
	MemoryContextReset(replaced->scratch);
	if (is_done)
	{
		NextOldRow(replaced);
		return;
	}
	DeleteOldRow(writer);
	BulkQueueRow(writer, values, nulls);
}

void
BulkReplaceAdd(BulkWriter *writer, const Datum *values, const bool *nulls)
{
	BulkReplaced *replaced = writer->replaced;
	int			order = 1;

	while (replaced->has_row && (order = CompareKeys(replaced, values)) < 0)
		DeleteOldRow(writer);
	if (replaced->has_row && order == 0)
		ReplaceOldRow(writer, values, nulls);
	else
		BulkQueueRow(writer, values, nulls);
}

void
BulkReplaceEnd(BulkWriter *writer)
{
	BulkReplaced *replaced = writer->replaced;

	while (replaced->has_row)
		DeleteOldRow(writer);
	LookupClose(&replaced->lookup);
	ExecDropSingleTupleTableSlot(replaced->slot);
	PopActiveSnapshot();
}
