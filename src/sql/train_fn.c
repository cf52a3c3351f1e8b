/*
 * train_fn.c
 *		The SQL functions that train and deploy.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

#include "common/compat.h"
#include "core/algorithm.h"
#include "sql/arguments.h"
#include "store/deploy.h"
#include "store/publish.h"
#include "train/train.h"

#define VERSION_COLUMNS	18

PG_FUNCTION_INFO_V1(commrec_train);
PG_FUNCTION_INFO_V1(commrec_deploy);
PG_FUNCTION_INFO_V1(commrec_lock_model);
PG_FUNCTION_INFO_V1(commrec_check_hyperparameters);

/* The schema of the model named by argument "number"; 22004 for NULL. */
static Oid
ModelArgument(FunctionCallInfo fcinfo, int number)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model must not be null"),
				 errhint("Name the model; the view commrec.models lists those that you may use.")));
	return ModelFind(text_to_cstring(PG_GETARG_TEXT_PP(number)));
}

static bool
BoolArgument(FunctionCallInfo fcinfo, int number, bool preset)
{
	return PG_ARGISNULL(number) ? preset : PG_GETARG_BOOL(number);
}

/* Return one row of "version" as the function's only row. */
static void
ReturnVersion(FunctionCallInfo fcinfo, Oid schema, int32 version)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			type = INT4OID;
	Datum		parameter = Int32GetDatum(version);
	Datum		values[VERSION_COLUMNS];
	bool		nulls[VERSION_COLUMNS];

	SPI_connect();
	if (ModelExecute(psprintf("SELECT version, trained_at, algorithm, hyperparameters, events, "
							  "users, items, pairs, skipped, events_until, seconds, workers, "
							  "memory_planned, row_security, metrics, dims, factors, deployed FROM %s "
							  "WHERE version OPERATOR(pg_catalog.=) $1",
							  ModelTableSql(schema, MODEL_VERSION)),
					 1, &type, &parameter, NULL, SPI_OK_SELECT) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of model \"%s\" was not stored", version,
						ModelSchemaName(schema)),
				 errhint("Look for rules, triggers and row security on %s.",
						 ModelTableSql(schema, MODEL_VERSION))));
	heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	SPI_finish();
}

/*
 * commrec.train(model text, hyperparameters jsonb, workers integer, deploy
 * commrec.deployment, verbose boolean, strict boolean, allow_row_security boolean)
 */
Datum
commrec_train(PG_FUNCTION_ARGS)
{
	Oid			schema = ModelArgument(fcinfo, 0);
	TrainOptions options;

	CommrecInitSRF(fcinfo);
	options.hyperparameters = PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1);
	options.workers = PG_ARGISNULL(2) ? -1 : PG_GETARG_INT32(2);
	options.deploy = ArgumentDeployment(fcinfo, 3);
	options.verbose = BoolArgument(fcinfo, 4, false);
	options.strict = BoolArgument(fcinfo, 5, false);
	options.allow_row_security = BoolArgument(fcinfo, 6, false);
	ReturnVersion(fcinfo, schema, TrainModel(schema, &options));
	return (Datum) 0;
}

/* commrec.deploy(model text, version integer) */
Datum
commrec_deploy(PG_FUNCTION_ARGS)
{
	Oid			schema = ModelArgument(fcinfo, 0);

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("version must not be null"),
				 errhint("The table %s lists the versions.",
						 ModelTableSql(schema, MODEL_VERSION))));
	PreventCommandIfReadOnly("commrec.deploy()");
	PreventCommandDuringRecovery("commrec.deploy()");
	ModelRequireOwner(schema);
	TrainLockWait(schema);
	VersionDeploy(schema, PG_GETARG_INT32(1));
	PG_RETURN_VOID();
}

/* commrec.lock_model(model text): waits until no other session trains the model. */
Datum
commrec_lock_model(PG_FUNCTION_ARGS)
{
	Oid			schema = ModelArgument(fcinfo, 0);

	PreventCommandDuringRecovery("commrec.lock_model()");
	ModelRequireOwner(schema);
	TrainLockWait(schema);
	PG_RETURN_VOID();
}

/* commrec.check_hyperparameters(algorithm text, hyperparameters jsonb) */
Datum
commrec_check_hyperparameters(PG_FUNCTION_ARGS)
{
	CrHyperparameters ignored;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("algorithm must not be null"),
				 errhint("Leave it out for \"%s\".", cr_algorithm_at(0)->name)));
	HyperparametersApply(text_to_cstring(PG_GETARG_TEXT_PP(0)),
						 PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1), &ignored);
	PG_RETURN_VOID();
}
