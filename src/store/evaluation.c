/*
 * evaluation.c
 *		The model's tables of evaluations: what was measured, and the figures.
 *
 * The table "evaluation" is locked against other writers until the end of the
 * transaction, so that two evaluations that end together get different numbers.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "store/deploy.h"
#include "store/evaluation.h"

#define EVALUATION_COLUMNS	12
#define METRIC_COLUMNS		9

/* Parameters of a statement. */
typedef struct Parameters
{
	int			count;
	Oid			types[EVALUATION_COLUMNS];
	Datum		values[EVALUATION_COLUMNS];
	char		nulls[EVALUATION_COLUMNS + 1];
} Parameters;

static void
add_parameter(Parameters *parameters, Oid type, Datum value, bool is_null)
{
	int			at = parameters->count++;

	parameters->types[at] = type;
	parameters->values[at] = value;
	parameters->nulls[at] = is_null ? 'n' : ' ';
}

static void
add_text(Parameters *parameters, const char *text)
{
	add_parameter(parameters, TEXTOID, text == NULL ? (Datum) 0 : CStringGetTextDatum(text),
				  text == NULL);
}

static void
add_number(Parameters *parameters, double number)
{
	add_parameter(parameters, FLOAT8OID, Float8GetDatum(number), isnan(number));
}

static int32
next_number(Oid schema)
{
	const char *table = ModelTableSql(schema, MODEL_EVALUATION);
	bool		is_null;
	Datum		newest;

	ModelExecute(psprintf("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE", table), 0, NULL, NULL,
				 NULL, SPI_OK_UTILITY);
	ModelExecute(psprintf("SELECT pg_catalog.max(evaluation) FROM %s", table), 0, NULL, NULL,
				 NULL, SPI_OK_SELECT);
	newest = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
	if (!is_null && DatumGetInt32(newest) == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("model \"%s\" has no number left for an evaluation",
						ModelSchemaName(schema)),
				 errhint("Delete old rows of %s.", table)));
	return is_null ? 1 : DatumGetInt32(newest) + 1;
}

static void
write_evaluation(Oid schema, int32 number, const StoredEvaluation *evaluation)
{
	Parameters	parameters = {0};

	add_parameter(&parameters, INT4OID, Int32GetDatum(number), false);
	add_parameter(&parameters, INT4OID, Int32GetDatum(evaluation->version),
				  evaluation->version == 0);
	add_text(&parameters, evaluation->protocol);
	add_parameter(&parameters, TIMESTAMPTZOID, TimestampTzGetDatum(evaluation->split_at),
				  !evaluation->has_split_at);
	add_text(&parameters, evaluation->test);
	add_text(&parameters, evaluation->negatives);
	add_parameter(&parameters, JSONBOID, JsonbPGetDatum(evaluation->hyperparameters), false);
	add_parameter(&parameters, INT8OID, Int64GetDatum(evaluation->users), false);
	add_parameter(&parameters, INT8OID, Int64GetDatum(evaluation->pairs), false);
	add_number(&parameters, evaluation->reachable);
	add_number(&parameters, evaluation->seconds);
	ModelExecute(psprintf("INSERT INTO %s (evaluation, version, protocol, split_at, test, "
						  "negatives, hyperparameters, users, pairs, reachable, seconds) VALUES "
						  "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
						  ModelTableSql(schema, MODEL_EVALUATION)),
				 parameters.count, parameters.types, parameters.values, parameters.nulls,
				 SPI_OK_INSERT);
}

static void
write_metric(const char *sql, int32 number, const StoredMetric *metric)
{
	Parameters	parameters = {0};

	add_parameter(&parameters, INT4OID, Int32GetDatum(number), false);
	add_text(&parameters, metric->scorer);
	add_text(&parameters, metric->stratum);
	add_text(&parameters, metric->metric);
	add_parameter(&parameters, INT4OID, Int32GetDatum(metric->k), metric->k == 0);
	add_number(&parameters, metric->value);
	add_number(&parameters, metric->low);
	add_number(&parameters, metric->high);
	add_parameter(&parameters, INT8OID, Int64GetDatum(metric->users), false);
	ModelExecute(sql, parameters.count, parameters.types, parameters.values, parameters.nulls,
				 SPI_OK_INSERT);
}

int32
EvaluationWrite(Oid schema, const StoredEvaluation *evaluation, const StoredMetric *metrics,
				int count)
{
	int32		number;
	char	   *sql;

	SPI_connect();
	number = next_number(schema);
	write_evaluation(schema, number, evaluation);
	sql = psprintf("INSERT INTO %s (evaluation, scorer, stratum, metric, k, value, low, high, "
				   "users) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
				   ModelTableSql(schema, MODEL_METRIC));
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		write_metric(sql, number, &metrics[i]);
	}
	SPI_finish();
	return number;
}
