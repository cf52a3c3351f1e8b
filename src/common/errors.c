/*
 * errors.c
 *		The one place where a CrStatus becomes an error report.
 */
#include "postgres.h"

#include "common/errors.h"

void
CheckStoredBytes(CrStatus status, const char *model, const char *what)
{
	switch (status)
	{
		case CR_OK:
			return;
		case CR_UNSUPPORTED_FORMAT:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("%s of model \"%s\" is in a newer format", what, model),
					 errhint("Update the extension, or retrain the model with commrec.train().")));
			break;
		case CR_DIMENSION_MISMATCH:
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("%s of model \"%s\" has the wrong dimension", what, model),
					 errhint("Retrain the model with commrec.train().")));
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("%s of model \"%s\" is damaged", what, model),
					 errhint("Retrain the model with commrec.train().")));
	}
}

void
CheckComputation(CrStatus status, const char *what)
{
	switch (status)
	{
		case CR_OK:
			return;
		case CR_NOT_FINITE:
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("%s is out of range", what),
					 errhint("Look for extreme values and weights.")));
			break;
		case CR_SINGULAR:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("training did not converge"),
					 errdetail("%s has no finite solution.", what),
					 errhint("Raise the hyperparameter \"regularization\".")));
			break;
		case CR_INVALID_ARGUMENT:
		case CR_DIMENSION_MISMATCH:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s does not have the dimension or range that is needed", what)));
			break;
		default:
			elog(ERROR, "core status %d for %s", (int) status, what);
	}
}
