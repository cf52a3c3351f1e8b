/*
 * bulk.c
 *		Writing many rows into one of the model's tables, as COPY does.
 *
 * Rows are formed as they come and kept in slots; a full batch goes through
 * table_multi_insert, which fills whole pages under one lock and one WAL
 * record, and then into the indexes.  The slots and whatever lives as long as
 * the writer are in a memory context of its own; what a batch leaves behind is
 * in the executor state's per-tuple context and goes with the batch.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "common/compat.h"
#include "store/bulk_internal.h"
#include "store/deploy.h"

#define BATCH_BYTES		65536

/* Placeholders for the model's own id types. */
#define USER_ID_TYPE	((Oid) 1)
#define ITEM_ID_TYPE	((Oid) 2)

typedef struct BulkColumn
{
	const char *name;			/* NULL past the last */
	Oid			type;
} BulkColumn;

typedef struct BulkTable
{
	const char *name;
	int			keys;			/* of the primary key, the first of the columns */
	BulkColumn	columns[BULK_COLUMNS_MAX];
} BulkTable;

/* The tables that are written in bulk, as in doc/design.md. */
static const BulkTable bulk_tables[] = {
	{MODEL_USER_EMBEDDING, 2, {
		{"version", INT4OID}, {"user_id", USER_ID_TYPE}, {"embedding", BYTEAOID},
		{"seen", BYTEAOID}, {"preferences", BYTEAOID}, {"items", INT4OID}
	}},
	{MODEL_ITEM_EMBEDDING, 2, {
		{"version", INT4OID}, {"item_id", ITEM_ID_TYPE}, {"item_no", INT4OID},
		{"embedding", BYTEAOID}, {"popularity", FLOAT4OID}, {"popular_no", INT4OID},
		{"users", INT4OID}
	}},
	{MODEL_ITEM_BLOCK, 2, {
		{"version", INT4OID}, {"block", INT4OID}, {"items", INT4OID}, {"max_norm", FLOAT4OID},
		{"codes", BYTEAOID}
	}},
	{MODEL_ITEM_NEIGHBOR, 2, {
		{"version", INT4OID}, {"item_no", INT4OID}, {"neighbors", BYTEAOID}
	}},
	{MODEL_ITEM_SPREAD, 1, {
		{"item_id", ITEM_ID_TYPE}, {"reach", INT8OID}, {"spread", FLOAT8OID},
		{"coefficient", FLOAT8OID}
	}},
	{MODEL_SPREAD_FACTOR, 1, {
		{"bucket", TIMESTAMPTZOID}, {"events", INT8OID}, {"spread", FLOAT8OID},
		{"factor", FLOAT8OID}
	}},
	{MODEL_USER_ACTIVITY, 2, {
		{"user_id", USER_ID_TYPE}, {"bucket", TIMESTAMPTZOID}, {"interactions", INT8OID},
		{"items", INT8OID}, {"spread", FLOAT8OID}, {"satisfaction", FLOAT8OID},
		{"signals", INT8OID}
	}},
	{MODEL_TRENDING, 2, {
		{"version", INT4OID}, {"place", INT4OID}, {"item_no", INT4OID}, {"trend", FLOAT4OID}
	}},
	{MODEL_ITEM_ACTIVITY, 2, {
		{"item_id", ITEM_ID_TYPE}, {"bucket", TIMESTAMPTZOID}, {"until", TIMESTAMPTZOID},
		{"events", INT8OID}, {"users", INT8OID}, {"positive", INT8OID}, {"preference", FLOAT8OID}
	}}
};

static const BulkTable *
FindBulkTable(const char *name)
{
	for (int i = 0; i < (int) lengthof(bulk_tables); i++)
	{
		if (strcmp(bulk_tables[i].name, name) == 0)
			return &bulk_tables[i];
	}
	elog(ERROR, "table \"%s\" is not written in bulk", name);
	return NULL;				/* keep the compiler quiet */
}

static void pg_attribute_noreturn()
ReportAlteredTable(Relation table, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" of model \"%s\" has been altered",
					RelationGetRelationName(table),
					ModelSchemaName(RelationGetNamespace(table))),
			 errdetail("%s", detail),
			 errhint("Undo that with ALTER TABLE, or create the model anew with commrec.create_model().")));
}

static Oid
ColumnType(const BulkColumn *column, const ModelConfig *config)
{
	if (column->type == USER_ID_TYPE)
		return IdKindType(config->user_kind);
	if (column->type == ITEM_ID_TYPE)
		return IdKindType(config->item_kind);
	return column->type;
}

/* Index of the attribute that holds this column, of the right type. */
static AttrNumber
FindColumn(Relation table, const char *name, Oid type)
{
	TupleDesc	descriptor = RelationGetDescr(table);

	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0 &&
			attribute->atttypid == type && attribute->attgenerated == '\0')
			return i;
	}
	ReportAlteredTable(table, psprintf("It has no column \"%s\" of type %s.", name,
									   format_type_be(type)));
}

/*
 * Where each value goes.  A column that commrec does not know would silently
 * lose its contents, so that there must be none.
 */
static void
MapColumns(BulkWriter *writer, const BulkTable *known, const ModelConfig *config)
{
	TupleDesc	descriptor = RelationGetDescr(writer->table);
	int			live = 0;

	writer->keys = known->keys;
	while (writer->columns < BULK_COLUMNS_MAX && known->columns[writer->columns].name != NULL)
	{
		const BulkColumn *column = &known->columns[writer->columns];

		writer->position[writer->columns++] =
			FindColumn(writer->table, column->name, ColumnType(column, config));
	}
	for (int i = 0; i < descriptor->natts; i++)
		live += TupleDescAttr(descriptor, i)->attisdropped ? 0 : 1;
	if (live != writer->columns)
		ReportAlteredTable(writer->table, "It has columns that commrec does not know.");
}

/* What the executor needs to know to make index entries. */
static void
OpenIndexes(BulkWriter *writer)
{
	writer->estate = CreateExecutorState();
	writer->result_relation = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->result_relation, writer->table, 1, NULL, 0);
	ExecOpenIndices(writer->result_relation, false);
	CommrecBindResultRelation(writer->estate, writer->result_relation);
}

BulkWriter *
BulkWriterBegin(const ModelConfig *config, const char *table)
{
	const BulkTable *known = FindBulkTable(table);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "commrec bulk writer",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	BulkWriter *writer = palloc0(sizeof(BulkWriter));

	writer->context = context;
	writer->table = ModelOpenTable(config->schema, table, RowExclusiveLock);
	if (!CommrecOwnsRelation(RelationGetRelid(writer->table), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of table \"%s\" of model \"%s\"", table,
						ModelSchemaName(config->schema))));
	writer->descriptor = CreateTupleDescCopy(RelationGetDescr(writer->table));
	MapColumns(writer, known, config);
	OpenIndexes(writer);
	writer->insert_state = GetBulkInsertState();
	writer->command = GetCurrentCommandId(true);
	MemoryContextSwitchTo(old_context);
	return writer;
}

/*
 * Would DELETE do more than delete?  Then it has to be that, and not a part of
 * the rows only: triggers, foreign keys among them, rules, row security.
 */
static bool
HasHooks(Relation table)
{
	return table->trigdesc != NULL || table->rd_rules != NULL || table->rd_rel->relforcerowsecurity;
}

static void
DeleteAll(Oid schema, const char *table)
{
	SPI_connect();
	ModelExecute(psprintf("DELETE FROM %s", ModelTableSql(schema, table)), 0, NULL, NULL, NULL,
				 SPI_OK_DELETE);
	SPI_finish();
}

/* All columns as a layout for look-ups. */
static void
FillLayout(const BulkWriter *writer, const ModelConfig *config, const BulkTable *known,
		   LookupLayout *layout)
{
	layout->table = known->name;
	layout->keys = writer->keys;
	layout->columns = writer->columns;
	for (int i = 0; i < writer->columns; i++)
	{
		layout->column[i].name = known->columns[i].name;
		layout->column[i].type = ColumnType(&known->columns[i], config);
	}
}

BulkWriter *
BulkWriterReplace(const ModelConfig *config, const char *table)
{
	Relation	relation = ModelOpenTable(config->schema, table, RowExclusiveLock);
	bool		has_hooks = HasHooks(relation);
	BulkWriter *writer;

	table_close(relation, NoLock);
	if (has_hooks)
		DeleteAll(config->schema, table);
	/* Rows that this transaction wrote before are old ones, too. */
	CommandCounterIncrement();
	writer = BulkWriterBegin(config, table);
	if (has_hooks)
		return writer;
	CheckCmdReplicaIdentity(writer->table, CMD_UPDATE);
	CheckCmdReplicaIdentity(writer->table, CMD_DELETE);
	writer->replaced = MemoryContextAllocZero(writer->context, sizeof(BulkReplaced));
	FillLayout(writer, config, FindBulkTable(table), &writer->replaced->layout);
	BulkReplaceBegin(writer, config->schema);
	return writer;
}

/* Write the queued rows to the table, then to its indexes. */
static void
FlushBatch(BulkWriter *writer)
{
	MemoryContext old_context;

	CHECK_FOR_INTERRUPTS();
	if (writer->queued == 0)
		return;
	/* table_multi_insert leaks, and says so: COPY calls it in a short-lived context too. */
	old_context = MemoryContextSwitchTo(GetPerTupleMemoryContext(writer->estate));
	table_multi_insert(writer->table, writer->slots, writer->queued, writer->command, 0,
					   writer->insert_state);
	for (int i = 0; i < writer->queued; i++)
	{
		if (writer->result_relation->ri_NumIndices > 0)
			CommrecInsertIndexTuples(writer->result_relation, writer->slots[i], writer->estate);
		ExecClearTuple(writer->slots[i]);
	}
	MemoryContextSwitchTo(old_context);
	ResetPerTupleExprContext(writer->estate);
	writer->written += writer->queued;
	writer->queued = 0;
	writer->queued_bytes = 0;
}

/*
 * The next free slot; slots are made once and used by every batch.  They share
 * a copy of the row type that is not reference-counted: a thousand entries in
 * the resource owner would slow down every uniqueness check that meets a row
 * just deleted.
 */
static TupleTableSlot *
NextSlot(BulkWriter *writer)
{
	MemoryContext old_context;

	if (writer->queued == writer->slot_count)
	{
		old_context = MemoryContextSwitchTo(writer->context);
		writer->slots[writer->slot_count++] =
			MakeSingleTupleTableSlot(writer->descriptor, table_slot_callbacks(writer->table));
		MemoryContextSwitchTo(old_context);
	}
	return writer->slots[writer->queued];
}

void
BulkFillSlot(const BulkWriter *writer, TupleTableSlot *slot, const Datum *values,
			 const bool *nulls)
{
	TupleDesc	descriptor = writer->descriptor;

	/* Dropped columns stay NULL. */
	memset(slot->tts_values, 0, descriptor->natts * sizeof(Datum));
	memset(slot->tts_isnull, true, descriptor->natts * sizeof(bool));
	for (int i = 0; i < writer->columns; i++)
	{
		slot->tts_values[writer->position[i]] = values[i];
		slot->tts_isnull[writer->position[i]] = nulls[i];
	}
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = RelationGetRelid(writer->table);
}

void
BulkQueueRow(BulkWriter *writer, const Datum *values, const bool *nulls)
{
	TupleTableSlot *slot = NextSlot(writer);

	BulkFillSlot(writer, slot, values, nulls);
	/* This copies the values, so that the caller may use its buffers again. */
	writer->queued_bytes += ExecFetchSlotHeapTuple(slot, true, NULL)->t_len;
	writer->queued++;
	if (writer->queued == BULK_BATCH_ROWS || writer->queued_bytes >= BATCH_BYTES)
		FlushBatch(writer);
}

void
BulkWriterAdd(BulkWriter *writer, const Datum *values, const bool *nulls)
{
	if (writer->replaced != NULL)
		BulkReplaceAdd(writer, values, nulls);
	else
		BulkQueueRow(writer, values, nulls);
}

int64
BulkWriterEnd(BulkWriter *writer)
{
	int64		written;

	if (writer->replaced != NULL)
		BulkReplaceEnd(writer);
	FlushBatch(writer);
	written = writer->written;
	FreeBulkInsertState(writer->insert_state);
	for (int i = 0; i < writer->slot_count; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	table_finish_bulk_insert(writer->table, 0);
	ExecCloseIndices(writer->result_relation);
	FreeExecutorState(writer->estate);
	table_close(writer->table, NoLock);
	MemoryContextDelete(writer->context);
	return written;
}
