/*
 * deploy.c
 *		Which version of a model serves, which ones stay, and the lock of those who change that.
 *
 * The statements run through SPI as the caller, who owns the tables.  His
 * search_path is in force, so that every name in them is qualified, operators
 * included.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "common/guc.h"
#include "store/deploy.h"
#include "store/lookup.h"
#include "store/publish.h"

static bool
LockTraining(Oid schema, bool of_session, bool dont_wait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, TRAIN_LOCK_CLASS, schema, TRAIN_LOCK_SUBID);
	return LockAcquire(&tag, ExclusiveLock, of_session, dont_wait) != LOCKACQUIRE_NOT_AVAIL;
}

bool
TrainLockAcquire(Oid schema)
{
	return LockTraining(schema, false, true);
}

bool
TrainLockAcquireSession(Oid schema)
{
	return LockTraining(schema, true, true);
}

void
TrainLockReleaseSession(Oid schema)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, TRAIN_LOCK_CLASS, schema, TRAIN_LOCK_SUBID);
	(void) LockRelease(&tag, ExclusiveLock, true);
}

/* The newest version by the active snapshot, 0 for none. */
static int32
NewestVersion(Oid schema)
{
	static const LookupLayout layout = {MODEL_VERSION, 1, 1, {{"version", INT4OID}}};
	int32		newest = 0;
	bool		is_null;
	Lookup		lookup;

	LookupOpen(&lookup, schema, &layout);
	LookupStart(&lookup, 0, NULL);
	while (LookupNext(&lookup))
		newest = DatumGetInt32(LookupValue(&lookup, 0, &is_null));
	LookupClose(&lookup);
	return newest;
}

void
VersionRequireNewest(Oid schema)
{
	int32		newest;

	if (!IsolationUsesXactSnapshot())
		return;
	PushActiveSnapshot(GetLatestSnapshot());
	newest = NewestVersion(schema);
	PopActiveSnapshot();
	if (newest != NewestVersion(schema))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to a concurrent training of model \"%s\"",
						ModelSchemaName(schema)),
				 errhint("The transaction might succeed if retried.")));
}

void
TrainReportRunning(Oid schema)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("model \"%s\" is being trained", ModelSchemaName(schema)),
			 errhint("Wait until the other training has ended; commrec.progress shows it.")));
}

void
TrainLockWait(Oid schema)
{
	(void) LockTraining(schema, false, false);
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
 * and the newest ones, so many of them.  NULL if there are none.
 */
static Datum
VersionsToPrune(Oid schema, int kept, bool *is_null)
{
	Oid			type = INT4OID;
	Datum		keep = Int32GetDatum(kept);

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
VersionPrune(Oid schema, int kept)
{
	static const char *const tables[] = {MODEL_USER_EMBEDDING, MODEL_ITEM_EMBEDDING,
	MODEL_ITEM_BLOCK, MODEL_ITEM_NEIGHBOR, MODEL_FOLD_IN, MODEL_TRENDING, MODEL_ITEM_FILTER_PIECE};
	Oid			type = INT4ARRAYOID;
	bool		is_null;
	Datum		versions;

	SPI_connect();
	versions = VersionsToPrune(schema, kept, &is_null);
	for (int i = 0; i < (int) lengthof(tables) && !is_null; i++)
		ModelExecute(psprintf("DELETE FROM %s WHERE version OPERATOR(pg_catalog.=) ANY ($1)",
							  ModelTableSql(schema, tables[i])),
					 1, &type, &versions, NULL, SPI_OK_DELETE);
	SPI_finish();
}

void
VersionMakeRoom(Oid schema, bool deploy)
{
	SPI_connect();
	if (deploy)
		VersionUndeploy(schema);
	SPI_finish();
	VersionPrune(schema, commrec_keep_versions - 1);
}
