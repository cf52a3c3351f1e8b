/*
 * deploy.c
 *		Which version of a model serves, which ones stay, and the lock of those who change that.
 *
 * The statements run through SPI as the caller, who owns the tables.  His
 * search_path is in force, so that every name in them is qualified, operators
 * included.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "common/guc.h"
#include "store/deploy.h"
#include "store/publish.h"

static bool
LockTraining(Oid schema, bool dont_wait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, TRAIN_LOCK_CLASS, schema, TRAIN_LOCK_SUBID);
	return LockAcquire(&tag, ExclusiveLock, false, dont_wait) != LOCKACQUIRE_NOT_AVAIL;
}

bool
TrainLockAcquire(Oid schema)
{
	return LockTraining(schema, true);
}

void
TrainLockWait(Oid schema)
{
	(void) LockTraining(schema, false);
}

char *
ModelTableSql(Oid schema, const char *table)
{
	return quote_qualified_identifier(ModelSchemaName(schema), table);
}

uint64
ModelExecute(const char *sql, int count, Oid *types, Datum *values, const char *nulls, int expected)
{
	int			result = SPI_execute_with_args(sql, count, types, values, nulls, false, 0);

	if (result != expected)
		elog(ERROR, "SPI_execute_with_args returned %s for: %s", SPI_result_code_string(result),
			 sql);
	return SPI_processed;
}

void
VersionUndeploy(Oid schema)
{
	ModelExecute(psprintf("UPDATE %s SET deployed = false WHERE deployed",
						  ModelTableSql(schema, MODEL_VERSION)),
				 0, NULL, NULL, NULL, SPI_OK_UPDATE);
}

/* Are the embeddings of this version still there?  Every version has items. */
static bool
VersionHasData(Oid schema, Datum version)
{
	Oid			type = INT4OID;

	return ModelExecute(psprintf("SELECT 1 FROM %s WHERE version OPERATOR(pg_catalog.=) $1 LIMIT 1",
								 ModelTableSql(schema, MODEL_ITEM_EMBEDDING)),
						1, &type, &version, NULL, SPI_OK_SELECT) > 0;
}

void
VersionDeploy(Oid schema, int32 version)
{
	Oid			type = INT4OID;
	Datum		value = Int32GetDatum(version);

	SPI_connect();
	/* The index on the deployed version is not deferrable: first none, then this one. */
	VersionUndeploy(schema);
	if (ModelExecute(psprintf("UPDATE %s SET deployed = true "
							  "WHERE version OPERATOR(pg_catalog.=) $1",
							  ModelTableSql(schema, MODEL_VERSION)),
					 1, &type, &value, NULL, SPI_OK_UPDATE) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has no version %d", ModelSchemaName(schema), version),
				 errhint("The table %s lists its versions.",
						 ModelTableSql(schema, MODEL_VERSION))));
	if (!VersionHasData(schema, value))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of model \"%s\" is history: its data have been removed",
						version, ModelSchemaName(schema)),
				 errhint("Train again with commrec.train(); commrec.keep_versions says how many versions stay.")));
	SPI_finish();
}

/*
 * Versions that have data and may go, as an array: all but the deployed one
 * and the newest ones that leave room for another within commrec.keep_versions.
 * NULL if there are none.
 */
static Datum
VersionsToPrune(Oid schema, bool *is_null)
{
	Oid			type = INT4OID;
	Datum		keep = Int32GetDatum(commrec_keep_versions - 1);

	ModelExecute(psprintf("SELECT pg_catalog.array_agg(old.version) FROM "
						  "(SELECT v.version, v.deployed FROM %s AS v WHERE EXISTS "
						  "(SELECT 1 FROM %s AS e WHERE e.version OPERATOR(pg_catalog.=) v.version) "
						  "ORDER BY v.version USING OPERATOR(pg_catalog.>) OFFSET $1) AS old "
						  "WHERE NOT old.deployed",
						  ModelTableSql(schema, MODEL_VERSION),
						  ModelTableSql(schema, MODEL_ITEM_EMBEDDING)),
				 1, &type, &keep, NULL, SPI_OK_SELECT);
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, is_null);
}

void
VersionMakeRoom(Oid schema, bool deploy)
{
	static const char *const tables[] = {MODEL_USER_EMBEDDING, MODEL_ITEM_EMBEDDING,
	MODEL_ITEM_BLOCK, MODEL_ITEM_NEIGHBOR, MODEL_FOLD_IN, MODEL_TRENDING, MODEL_ITEM_FILTER_PIECE};
	Oid			type = INT4ARRAYOID;
	bool		is_null;
	Datum		versions;

	SPI_connect();
	if (deploy)
		VersionUndeploy(schema);
	versions = VersionsToPrune(schema, &is_null);
	for (int i = 0; i < (int) lengthof(tables) && !is_null; i++)
		ModelExecute(psprintf("DELETE FROM %s WHERE version OPERATOR(pg_catalog.=) ANY ($1)",
							  ModelTableSql(schema, tables[i])),
					 1, &type, &versions, NULL, SPI_OK_DELETE);
	SPI_finish();
}
