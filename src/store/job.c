/*
 * job.c
 *		The table "job" of a model: one row for every run of commrec.refresh().
 *
 * Through SPI as the caller, who owns the table.  Old rows go after JOBS_KEPT
 * newer ones, so that a schedule of seconds does not fill the disk.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "store/deploy.h"
#include "store/job.h"

#define JOBS_KEPT	10000

int64
JobBegin(Oid schema, const char *mode)
{
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(mode);
	bool		is_null;
	int64		job;

	SPI_connect();
	ModelExecute(psprintf("INSERT INTO %s (started, mode, outcome) "
						  "VALUES (pg_catalog.clock_timestamp(), $1, 'running') RETURNING job",
						  ModelTableSql(schema, MODEL_JOB)),
				 1, &type, &value, NULL, SPI_OK_INSERT_RETURNING);
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a row of %s was not stored", ModelTableSql(schema, MODEL_JOB)),
				 errhint("Look for rules and triggers on it.")));
	job = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
	SPI_finish();
	return job;
}

void
JobCloseLost(Oid schema, int64 job)
{
	Oid			type = INT8OID;
	Datum		value = Int64GetDatum(job);

	SPI_connect();
	ModelExecute(psprintf("UPDATE %s SET outcome = 'failed', sqlstate = '57P01', "
						  "message = 'the session ended before the run did' "
						  "WHERE outcome OPERATOR(pg_catalog.=) 'running' "
						  "AND job OPERATOR(pg_catalog.<) $1",
						  ModelTableSql(schema, MODEL_JOB)),
				 1, &type, &value, NULL, SPI_OK_UPDATE);
	value = Int64GetDatum(job - JOBS_KEPT);
	ModelExecute(psprintf("DELETE FROM %s WHERE job OPERATOR(pg_catalog.<=) $1",
						  ModelTableSql(schema, MODEL_JOB)),
				 1, &type, &value, NULL, SPI_OK_DELETE);
	SPI_finish();
}

static void
SetText(Datum *values, char *nulls, int at, const char *text)
{
	if (text == NULL)
		nulls[at] = 'n';
	else
		values[at] = CStringGetTextDatum(text);
}

void
JobEnd(Oid schema, int64 job, const JobOutcome *outcome)
{
	Oid			types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID, JSONBOID};
	Datum		values[8] = {0};
	char		nulls[] = "        ";

	values[0] = Int64GetDatum(job);
	SetText(values, nulls, 1, outcome->decided);
	SetText(values, nulls, 2, outcome->reason);
	SetText(values, nulls, 3, outcome->outcome);
	SetText(values, nulls, 4, outcome->sqlstate);
	SetText(values, nulls, 5, outcome->message);
	values[6] = Int32GetDatum(outcome->version);
	if (outcome->version == 0)
		nulls[6] = 'n';
	values[7] = JsonbPGetDatum(outcome->detail);
	if (outcome->detail == NULL)
		nulls[7] = 'n';
	SPI_connect();
	ModelExecute(psprintf("UPDATE %s SET ended = pg_catalog.clock_timestamp(), decided = $2, "
						  "reason = $3, outcome = $4, sqlstate = $5, message = $6, version = $7, "
						  "detail = $8 WHERE job OPERATOR(pg_catalog.=) $1",
						  ModelTableSql(schema, MODEL_JOB)),
				 lengthof(types), types, values, nulls, SPI_OK_UPDATE);
	SPI_finish();
}
