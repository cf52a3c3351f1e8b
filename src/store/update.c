/*
 * update.c
 *		Changing a version that has been published: rows of users, and more items.
 *
 * recommend() walks items in descending order of norm, so that a new item gets
 * its place in that order and those behind it other numbers.  Their order among
 * each other stays, and with it that of every list of seen items: only the
 * numbers in it change.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "common/errors.h"
#include "core/embedding.h"
#include "core/preferences.h"
#include "core/seen.h"
#include "store/bulk.h"
#include "store/deploy.h"
#include "store/publish_items.h"
#include "store/update.h"

#define CURSOR_ROWS		1000
#define USER_COLUMNS	6

void
UserUpdaterBegin(UserUpdater *updater, const ModelConfig *config, const DeployedVersion *deployed)
{
	Oid			types[USER_COLUMNS] = {INT4OID, IdKindType(config->user_kind), BYTEAOID, BYTEAOID,
	BYTEAOID, INT4OID};

	updater->config = config;
	updater->deployed = deployed;
	updater->scratch = AllocSetContextCreate(CurrentMemoryContext, "commrec user update",
											 ALLOCSET_DEFAULT_SIZES);
	SPI_connect();
	updater->plan = SPI_prepare(psprintf("INSERT INTO %s (version, user_id, embedding, seen, "
										 "preferences, items) VALUES ($1, $2, $3, $4, $5, $6) "
										 "ON CONFLICT (version, user_id) DO UPDATE SET "
										 "embedding = EXCLUDED.embedding, seen = EXCLUDED.seen, "
										 "preferences = EXCLUDED.preferences, "
										 "items = EXCLUDED.items",
										 ModelTableSql(config->schema, MODEL_USER_EMBEDDING)),
								USER_COLUMNS, types);
	if (updater->plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
}

static bytea *
EncodeVector(const float *vector, int32 dims)
{
	Size		size = VARHDRSZ + cr_embedding_size(dims);
	bytea	   *bytes = palloc(size);

	SET_VARSIZE(bytes, size);
	CheckComputation(cr_embedding_encode(vector, dims, (uint8_t *) VARDATA(bytes)),
					 "a user's embedding");
	return bytes;
}

static bytea *
EncodeSeen(const uint32 *seen, const uint32 *last_touched, uint32 count)
{
	Size		size = VARHDRSZ + (last_touched != NULL ? cr_seen_size_timed(count) :
								   cr_seen_size(count));
	bytea	   *bytes = palloc_extended(size, MCXT_ALLOC_HUGE);

	SET_VARSIZE(bytes, size);
	if (last_touched != NULL)
		cr_seen_encode_timed(seen, last_touched, count, (uint8_t *) VARDATA(bytes));
	else
		cr_seen_encode(seen, count, (uint8_t *) VARDATA(bytes));
	return bytes;
}

static bytea *
EncodePreferences(const float *preferences, uint32 count)
{
	bytea	   *bytes = palloc_extended(VARHDRSZ + cr_preferences_size_max(count), MCXT_ALLOC_HUGE);

	SET_VARSIZE(bytes, VARHDRSZ + cr_preferences_encode(preferences, count,
														(uint8_t *) VARDATA(bytes)));
	return bytes;
}

void
UserUpdaterWrite(UserUpdater *updater, const UserUpdate *update)
{
	MemoryContext old_context = MemoryContextSwitchTo(updater->scratch);
	char		nulls[] = "      ";
	Datum		values[USER_COLUMNS] = {0};
	int			result;

	values[0] = Int32GetDatum(updater->deployed->version);
	values[1] = update->user;
	if (update->vector != NULL)
		values[2] = PointerGetDatum(EncodeVector(update->vector, updater->deployed->dims));
	else
		nulls[2] = 'n';
	values[3] = PointerGetDatum(EncodeSeen(update->seen, update->last_touched, update->count));
	values[4] = PointerGetDatum(EncodePreferences(update->preferences, update->count));
	values[5] = Int32GetDatum((int32) update->count);
	result = SPI_execute_plan(updater->plan, values, nulls, false, 0);
	if (result != SPI_OK_INSERT)
		elog(ERROR, "SPI_execute_plan returned %s", SPI_result_code_string(result));
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(updater->scratch);
}

void
UserUpdaterEnd(UserUpdater *updater)
{
	MemoryContextDelete(updater->scratch);
	SPI_finish();
}

/* The same seen items by their new numbers, which keep their order. */
static bytea *
RenumberSeen(const ModelConfig *config, const bytea *old, const int32 *new_no, int32 items)
{
	const uint8 *bytes = (const uint8 *) VARDATA(old);
	uint32		count = 0;
	CrStatus	status = cr_seen_check(bytes, VARSIZE(old) - VARHDRSZ, &count);
	uint32	   *seen;
	uint32	   *times = NULL;

	CheckStoredBytes(status, config->name, "seen items of a user");
	seen = palloc_extended(Max(count, 1) * sizeof(uint32), MCXT_ALLOC_HUGE);
	cr_seen_decode(bytes, count, seen);
	if (cr_seen_is_timed(bytes))
	{
		times = palloc_extended(Max(count, 1) * sizeof(uint32), MCXT_ALLOC_HUGE);
		cr_seen_decode_times(bytes, count, times);
	}
	for (uint32 i = 0; i < count; i++)
	{
		if ((int64) (seen[i] >> 1) >= items)
			CheckStoredBytes(CR_CORRUPT, config->name, "seen items of a user");
		seen[i] = (uint32) new_no[seen[i] >> 1] << 1 | (seen[i] & 1);
	}
	return EncodeSeen(seen, times, count);
}

/* The rows that the cursor brings, written again. */
static void
RewriteUsers(const ModelConfig *config, const DeployedVersion *deployed, Portal portal,
			 const int32 *new_no)
{
	BulkWriter *writer = BulkWriterBegin(config, MODEL_USER_EMBEDDING);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "commrec user update",
												  ALLOCSET_DEFAULT_SIZES);

	for (SPI_cursor_fetch(portal, true, CURSOR_ROWS); SPI_processed > 0;
		 SPI_cursor_fetch(portal, true, CURSOR_ROWS))
	{
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			MemoryContext old_context = MemoryContextSwitchTo(scratch);
			bool		nulls[USER_COLUMNS];
			Datum		values[USER_COLUMNS];

			CHECK_FOR_INTERRUPTS();
			for (int i = 0; i < USER_COLUMNS; i++)
				values[i] = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, i + 1,
										  &nulls[i]);
			values[3] = PointerGetDatum(RenumberSeen(config, DatumGetByteaP(values[3]), new_no,
													 deployed->items));
			MemoryContextSwitchTo(old_context);
			BulkWriterAdd(writer, values, nulls);
			MemoryContextReset(scratch);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	MemoryContextDelete(scratch);
	BulkWriterEnd(writer);
}

/* The cursor does not see what happens after it was opened, so that the rows may go meanwhile. */
static void
RenumberUsers(const ModelConfig *config, const DeployedVersion *deployed, const int32 *new_no)
{
	const char *table = ModelTableSql(config->schema, MODEL_USER_EMBEDDING);
	Oid			type = INT4OID;
	Datum		version = Int32GetDatum(deployed->version);
	Portal		portal;

	portal = SPI_cursor_open_with_args(NULL,
									   psprintf("SELECT version, user_id, embedding, seen, "
												"preferences, items FROM %s WHERE version "
												"OPERATOR(pg_catalog.=) $1 ORDER BY user_id "
												"USING OPERATOR(pg_catalog.<)", table),
									   1, &type, &version, NULL, false, CURSOR_OPT_NO_SCROLL);
	ModelExecute(psprintf("DELETE FROM %s WHERE version OPERATOR(pg_catalog.=) $1", table), 1,
				 &type, &version, NULL, SPI_OK_DELETE);
	RewriteUsers(config, deployed, portal, new_no);
	SPI_cursor_close(portal);
}

static void
RenumberTrending(Oid schema, const DeployedVersion *deployed, const int32 *new_no)
{
	Datum	   *elements = MemoryContextAllocHuge(CurrentMemoryContext,
												  (Size) Max(deployed->items, 1) * sizeof(Datum));
	Oid			types[] = {INT4OID, INT4ARRAYOID};
	Datum		values[2];

	for (int32 i = 0; i < deployed->items; i++)
		elements[i] = Int32GetDatum(new_no[i]);
	values[0] = Int32GetDatum(deployed->version);
	values[1] = PointerGetDatum(construct_array(elements, deployed->items, INT4OID, sizeof(int32),
												true, TYPALIGN_INT));
	ModelExecute(psprintf("UPDATE %s AS t SET item_no = ($2)[t.item_no OPERATOR(pg_catalog.+) 1] "
						  "WHERE t.version OPERATOR(pg_catalog.=) $1",
						  ModelTableSql(schema, MODEL_TRENDING)),
				 2, types, values, NULL, SPI_OK_UPDATE);
	pfree(elements);
}

static void
DeleteItems(Oid schema, int32 version)
{
	static const char *const tables[] = {MODEL_ITEM_EMBEDDING, MODEL_ITEM_BLOCK};
	Oid			type = INT4OID;
	Datum		value = Int32GetDatum(version);

	for (int i = 0; i < (int) lengthof(tables); i++)
		ModelExecute(psprintf("DELETE FROM %s WHERE version OPERATOR(pg_catalog.=) $1",
							  ModelTableSql(schema, tables[i])),
					 1, &type, &value, NULL, SPI_OK_DELETE);
}

int32 *
VersionReplaceItems(const ModelConfig *config, const DeployedVersion *deployed,
					const PublishFactors *factors, const int32 *dense)
{
	int32	   *new_no = MemoryContextAllocHuge(CurrentMemoryContext,
												(Size) Max(deployed->items, 1) * sizeof(int32));
	MemoryContext context = CurrentMemoryContext;
	int32	   *item_no;

	SPI_connect();
	DeleteItems(config->schema, deployed->version);
	MemoryContextSwitchTo(context);
	item_no = PublishItems(config, deployed->version, factors);
	for (int32 i = 0; i < deployed->items; i++)
		new_no[i] = item_no[dense[i]];
	RenumberUsers(config, deployed, new_no);
	RenumberTrending(config->schema, deployed, new_no);
	/* What the bulk writer wrote is not visible to the statements of this command. */
	CommandCounterIncrement();
	SPI_finish();
	pfree(new_no);
	return item_no;
}

void
VersionMarkFolded(Oid schema, const FoldedMark *mark)
{
	Oid			version_types[] = {INT4OID, INT8OID, INT8OID};
	Oid			fold_types[] = {INT4OID, TIMESTAMPTZOID, INT8OID};
	Datum		values[3];

	SPI_connect();
	values[0] = Int32GetDatum(mark->version);
	values[1] = Int64GetDatum(mark->users);
	values[2] = Int64GetDatum((int64) mark->items);
	ModelExecute(psprintf("UPDATE %s SET users = users OPERATOR(pg_catalog.+) $2, items = $3 "
						  "WHERE version OPERATOR(pg_catalog.=) $1",
						  ModelTableSql(schema, MODEL_VERSION)),
				 lengthof(version_types), version_types, values, NULL, SPI_OK_UPDATE);
	values[1] = TimestampTzGetDatum(mark->until);
	values[2] = Int64GetDatum(mark->events);
	ModelExecute(psprintf("UPDATE %s SET folded_until = $2, "
						  "folded_events = folded_events OPERATOR(pg_catalog.+) $3 "
						  "WHERE version OPERATOR(pg_catalog.=) $1",
						  ModelTableSql(schema, MODEL_FOLD_IN)),
				 lengthof(fold_types), fold_types, values, NULL, SPI_OK_UPDATE);
	SPI_finish();
}
