/*
 * refresh_fn.c
 *		The SQL procedure that brings a model up to date.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "sql/arguments.h"
#include "train/refresh.h"

PG_FUNCTION_INFO_V1(commrec_refresh);

#define KEEP_MAX	1000

/* Places of the arguments of commrec.refresh(). */
typedef enum RefreshArgument
{
	ARG_MODEL, ARG_MODE, ARG_IF_RUNNING, ARG_HYPERPARAMETERS, ARG_DEPLOY, ARG_KEEP,
	ARG_RETRAIN_SHARE, ARG_RETRAIN_AFTER, ARG_ROW_SECURITY
} RefreshArgument;

/* May this call commit? */
static bool
is_atomic(FunctionCallInfo fcinfo)
{
	return fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic;
}

/* Place of the argument's word in a list, whose first word NULL stands for, too. */
static int
word_argument(FunctionCallInfo fcinfo, int argument, const char *name, const char *const *words)
{
	char	   *given = ArgumentText(fcinfo, argument);

	for (int i = 0; words[i] != NULL; i++)
	{
		if (given == NULL || strcmp(given, words[i]) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized value for %s: \"%s\"", name, given),
			 words[2] == NULL ? errhint("Use \"%s\" or \"%s\".", words[0], words[1]) :
			 errhint("Use \"%s\", \"%s\" or \"%s\".", words[0], words[1], words[2])));
	return 0;					/* keep the compiler quiet */
}

static double
share_argument(FunctionCallInfo fcinfo)
{
	double		share = PG_ARGISNULL(ARG_RETRAIN_SHARE) ? INFINITY :
		PG_GETARG_FLOAT8(ARG_RETRAIN_SHARE);

	if (!(share >= 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retrain_share must not be negative, but is %g", share),
				 errhint("0.1 trains again beyond a tenth of new events; NULL never does for their number.")));
	return share;
}

static double
after_argument(FunctionCallInfo fcinfo)
{
	const Interval *after;
	double		seconds;

	if (PG_ARGISNULL(ARG_RETRAIN_AFTER))
		return INFINITY;
	after = PG_GETARG_INTERVAL_P(ARG_RETRAIN_AFTER);
	seconds = (double) after->time / USECS_PER_SEC +
		((double) after->day + (double) after->month * DAYS_PER_MONTH) * SECS_PER_DAY;
	if (seconds < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retrain_after must not be negative"),
				 errhint("NULL never trains again for age.")));
	return seconds;
}

/* commrec.refresh(model text, mode text, ...) */
Datum
commrec_refresh(PG_FUNCTION_ARGS)
{
	static const char *const modes[] = {"auto", "retrain", "fold_in", NULL};
	static const char *const if_running[] = {"skip", "error", NULL};
	RefreshOptions options;
	Oid			schema = ArgumentRequiredModel(fcinfo, ARG_MODEL);

	options.mode = (RefreshMode) word_argument(fcinfo, ARG_MODE, "mode", modes);
	options.error_if_running = word_argument(fcinfo, ARG_IF_RUNNING, "if_running", if_running) == 1;
	options.hyperparameters = PG_ARGISNULL(ARG_HYPERPARAMETERS) ? NULL :
		PG_GETARG_JSONB_P(ARG_HYPERPARAMETERS);
	options.deploy = ArgumentDeployment(fcinfo, ARG_DEPLOY);
	options.keep = PG_ARGISNULL(ARG_KEEP) ? 0 :
		ArgumentInteger(fcinfo, ARG_KEEP, "keep", 1, KEEP_MAX, 1);
	options.retrain_share = share_argument(fcinfo);
	options.retrain_seconds = after_argument(fcinfo);
	options.allow_row_security = !PG_ARGISNULL(ARG_ROW_SECURITY) &&
		PG_GETARG_BOOL(ARG_ROW_SECURITY);
	options.is_atomic = is_atomic(fcinfo);
	SPI_connect_ext(options.is_atomic ? 0 : SPI_OPT_NONATOMIC);
	Refresh(schema, &options);
	SPI_finish();
	PG_RETURN_VOID();
}
