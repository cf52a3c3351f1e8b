/*
 * evaluate_fn.c
 *		The SQL function that evaluates a model.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "common/compat.h"
#include "sql/arguments.h"
#include "train/evaluate.h"

PG_FUNCTION_INFO_V1(commrec_evaluate);

#define METRIC_COLUMNS		8
#define REPLICATES_MAX		10000

/* Places of the arguments of commrec.evaluate(). */
typedef enum EvaluateArgument
{
	ARG_MODEL, ARG_VERSION, ARG_SPLIT_AT, ARG_TEST, ARG_K, ARG_BASELINES, ARG_NEGATIVES,
	ARG_STRATA, ARG_SPLIT, ARG_TEST_SHARE, ARG_HYPERPARAMETERS, ARG_USERS, ARG_REPLICATES,
	ARG_CONFIDENCE, ARG_SEED, ARG_WORKERS, ARG_VERBOSE, ARG_ROW_SECURITY
} EvaluateArgument;

/* A number between 0 and 1, both excluded. */
static double
part_argument(FunctionCallInfo fcinfo, int number, const char *name, double preset)
{
	double		value = PG_ARGISNULL(number) ? preset : PG_GETARG_FLOAT8(number);

	if (!(value > 0 && value < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be above 0 and below 1, not %g", name, value),
				 errhint("Leave it out for %g.", preset)));
	return value;
}

static int
compare_integers(const void *left, const void *right)
{
	int32		a = *(const int32 *) left;
	int32		b = *(const int32 *) right;

	return a < b ? -1 : a > b;
}

/* Ascending, each once. */
static void
read_cutoffs(FunctionCallInfo fcinfo, EvaluateOptions *options)
{
	static const int32 presets[] = {5, 10, 20};
	const int32 *given = presets;
	int			count = lengthof(presets);

	if (!PG_ARGISNULL(ARG_K))
	{
		ArrayType  *array = PG_GETARG_ARRAYTYPE_P(ARG_K);

		count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
		given = (const int32 *) ARR_DATA_PTR(array);
		if (count < 1 || count > EVALUATE_CUTOFFS_MAX || array_contains_nulls(array))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("k must be an array of 1 to %d numbers", EVALUATE_CUTOFFS_MAX),
					 errhint("Leave it out for {5,10,20}.")));
	}
	memcpy(options->k, given, (Size) count * sizeof(int32));
	qsort(options->k, (size_t) count, sizeof(int32), compare_integers);
	for (int i = 0; i < count; i++)
	{
		if (options->k[i] < 1 || options->k[i] > EVALUATE_K_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("k must be between 1 and %d, not %d", EVALUATE_K_MAX, options->k[i]),
					 errhint("Leave it out for {5,10,20}.")));
		if (i == 0 || options->k[i] != options->k[options->cutoffs - 1])
			options->k[options->cutoffs++] = options->k[i];
	}
}

static void
read_baselines(FunctionCallInfo fcinfo, EvaluateOptions *options)
{
	ArrayType  *array;
	Datum	   *names;
	bool	   *nulls;
	int			count;

	options->baselines = BASELINE_POPULAR | BASELINE_RECENT;
	if (PG_ARGISNULL(ARG_BASELINES))
		return;
	array = PG_GETARG_ARRAYTYPE_P(ARG_BASELINES);
	options->baselines = 0;
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *name = nulls[i] ? "" : TextDatumGetCString(names[i]);

		if (strcmp(name, "popular") == 0)
			options->baselines |= BASELINE_POPULAR;
		else if (strcmp(name, "recent") == 0)
			options->baselines |= BASELINE_RECENT;
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized baseline \"%s\"", name),
					 errhint("Baselines are \"popular\" and \"recent\".")));
	}
}

static void
read_split(FunctionCallInfo fcinfo, EvaluateOptions *options)
{
	options->has_split_at = !PG_ARGISNULL(ARG_SPLIT_AT);
	options->split_at = options->has_split_at ? PG_GETARG_TIMESTAMPTZ(ARG_SPLIT_AT) : 0;
	if (options->has_split_at && TIMESTAMP_NOT_FINITE(options->split_at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_FIELD_OVERFLOW),
				 errmsg("split_at must be finite"),
				 errhint("Leave it out for the newest tenth of the events.")));
	options->split = PG_ARGISNULL(ARG_SPLIT) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(ARG_SPLIT));
	EvaluateCheckSplit(options->split);
	options->test_share = part_argument(fcinfo, ARG_TEST_SHARE, "test_share", 0.1);
}

/* What cannot be asked for together. */
static void
check_combination(const EvaluateOptions *options)
{
	const char *problem = NULL;

	if (OidIsValid(options->test) && (options->has_split_at || options->split != NULL))
		problem = "with a test there is nothing to split";
	else if (OidIsValid(options->test) && options->hyperparameters != NULL)
		problem = "with a test a version is judged as it was trained";
	else if (OidIsValid(options->negatives) && !OidIsValid(options->test))
		problem = "negatives need a test";
	else if (options->has_split_at && options->split != NULL &&
			 strcmp(options->split, "time") != 0)
		problem = "split_at splits by time";
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", problem),
				 errhint("Without a test, the events are split and a model is trained for the occasion; with one, a version that was trained before is judged.")));
}

static void
read_options(FunctionCallInfo fcinfo, EvaluateOptions *options)
{
	memset(options, 0, sizeof(EvaluateOptions));
	options->version = PG_ARGISNULL(ARG_VERSION) ? 0 :
		ArgumentInteger(fcinfo, ARG_VERSION, "version", 1, PG_INT32_MAX, 1);
	options->test = PG_ARGISNULL(ARG_TEST) ? InvalidOid : PG_GETARG_OID(ARG_TEST);
	options->negatives = PG_ARGISNULL(ARG_NEGATIVES) ? InvalidOid :
		PG_GETARG_OID(ARG_NEGATIVES);
	options->strata = !PG_ARGISNULL(ARG_STRATA) && PG_GETARG_BOOL(ARG_STRATA);
	options->hyperparameters = PG_ARGISNULL(ARG_HYPERPARAMETERS) ? NULL :
		PG_GETARG_JSONB_P(ARG_HYPERPARAMETERS);
	options->users = PG_ARGISNULL(ARG_USERS) ? 0 :
		ArgumentInteger(fcinfo, ARG_USERS, "users", 1, PG_INT32_MAX, 1);
	options->replicates = ArgumentInteger(fcinfo, ARG_REPLICATES, "replicates", 0,
										   REPLICATES_MAX, 1000);
	options->confidence = part_argument(fcinfo, ARG_CONFIDENCE, "confidence", 0.95);
	options->seed = (uint64) ArgumentInteger(fcinfo, ARG_SEED, "seed", 0, PG_INT32_MAX, 42);
	options->workers = PG_ARGISNULL(ARG_WORKERS) ? -1 : PG_GETARG_INT32(ARG_WORKERS);
	options->verbose = !PG_ARGISNULL(ARG_VERBOSE) && PG_GETARG_BOOL(ARG_VERBOSE);
	options->allow_row_security = !PG_ARGISNULL(ARG_ROW_SECURITY) &&
		PG_GETARG_BOOL(ARG_ROW_SECURITY);
	read_cutoffs(fcinfo, options);
	read_baselines(fcinfo, options);
	read_split(fcinfo, options);
	check_combination(options);
}

static void
put_metric(ReturnSetInfo *result, const StoredMetric *metric)
{
	Datum		values[METRIC_COLUMNS];
	bool		nulls[METRIC_COLUMNS] = {false};

	values[0] = CStringGetTextDatum(metric->scorer);
	values[1] = CStringGetTextDatum(metric->stratum);
	values[2] = CStringGetTextDatum(metric->metric);
	values[3] = Int32GetDatum(metric->k);
	nulls[3] = metric->k == 0;
	values[4] = Float8GetDatum(metric->value);
	nulls[4] = isnan(metric->value);
	values[5] = Float8GetDatum(metric->low);
	nulls[5] = isnan(metric->low);
	values[6] = Float8GetDatum(metric->high);
	nulls[6] = isnan(metric->high);
	values[7] = Int64GetDatum(metric->users);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* commrec.evaluate(model text, ...) -> rows of metrics */
Datum
commrec_evaluate(PG_FUNCTION_ARGS)
{
	Oid			schema = ArgumentRequiredModel(fcinfo, ARG_MODEL);
	EvaluateOptions options;
	EvaluateResult result;

	CommrecInitSRF(fcinfo);
	read_options(fcinfo, &options);
	Evaluate(schema, &options, &result);
	for (int i = 0; i < result.count; i++)
		put_metric((ReturnSetInfo *) fcinfo->resultinfo, &result.metrics[i]);
	return (Datum) 0;
}
