/*
 * tune_fn.c
 *		The SQL procedure that searches for hyperparameters.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "sql/arguments.h"
#include "train/evaluate.h"
#include "train/tune.h"

PG_FUNCTION_INFO_V1(commrec_tune);

#define TRIALS_MAX	10000
#define FOLDS_MAX	5

/* Places of the arguments of commrec.tune(). */
typedef enum TuneArgument
{
	ARG_MODEL, ARG_SEARCH, ARG_TRIALS, ARG_BUDGET, ARG_METRIC, ARG_SPLIT, ARG_FOLDS, ARG_APPLY,
	ARG_USERS, ARG_SEED, ARG_WORKERS, ARG_VERBOSE, ARG_ROW_SECURITY
} TuneArgument;

/* A trial is committed when it is finished, which a transaction block does not allow. */
static void
require_top_level(FunctionCallInfo fcinfo)
{
	if (fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
		!castNode(CallContext, fcinfo->context)->atomic)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
			 errmsg("commrec.tune() cannot run inside a transaction block"),
			 errhint("Call it as a statement of its own: it commits after every trial.")));
}

static double
budget_argument(FunctionCallInfo fcinfo)
{
	Interval   *budget;
	double		seconds;

	if (PG_ARGISNULL(ARG_BUDGET))
		return INFINITY;
	budget = PG_GETARG_INTERVAL_P(ARG_BUDGET);
	seconds = (double) budget->time / USECS_PER_SEC +
		((double) budget->day + budget->month * DAYS_PER_MONTH) * SECS_PER_DAY;
	if (seconds < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("budget must not be negative"),
				 errhint("Leave it out for no limit.")));
	return seconds;
}

static bool
bool_argument(FunctionCallInfo fcinfo, int number)
{
	return !PG_ARGISNULL(number) && PG_GETARG_BOOL(number);
}

/* commrec.tune(model text, ...) */
Datum
commrec_tune(PG_FUNCTION_ARGS)
{
	TuneOptions options;
	Oid			schema;

	require_top_level(fcinfo);
	schema = ArgumentRequiredModel(fcinfo, ARG_MODEL);
	options.search = PG_ARGISNULL(ARG_SEARCH) ? NULL : PG_GETARG_JSONB_P(ARG_SEARCH);
	options.trials = ArgumentInteger(fcinfo, ARG_TRIALS, "trials", 1, TRIALS_MAX, 30);
	options.seconds = budget_argument(fcinfo);
	options.metric = PG_ARGISNULL(ARG_METRIC) ? "ndcg@10" :
		text_to_cstring(PG_GETARG_TEXT_PP(ARG_METRIC));
	options.split = PG_ARGISNULL(ARG_SPLIT) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(ARG_SPLIT));
	EvaluateCheckSplit(options.split);
	options.folds = ArgumentInteger(fcinfo, ARG_FOLDS, "folds", 1, FOLDS_MAX, 3);
	options.apply = bool_argument(fcinfo, ARG_APPLY);
	options.users = ArgumentInteger(fcinfo, ARG_USERS, "users", 1, PG_INT32_MAX, 10000);
	options.seed = (uint64) ArgumentInteger(fcinfo, ARG_SEED, "seed", 0, PG_INT32_MAX, 42);
	options.workers = PG_ARGISNULL(ARG_WORKERS) ? -1 : PG_GETARG_INT32(ARG_WORKERS);
	options.verbose = bool_argument(fcinfo, ARG_VERBOSE);
	options.allow_row_security = bool_argument(fcinfo, ARG_ROW_SECURITY);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	Tune(schema, &options);
	SPI_finish();
	PG_RETURN_VOID();
}
