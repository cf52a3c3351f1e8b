/*
 * model_fn.c
 *		SQL functions that find a model and say which types and buckets it may have.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "common/ident.h"
#include "store/model.h"

PG_FUNCTION_INFO_V1(commrec_model_schema);
PG_FUNCTION_INFO_V1(commrec_require_owner);
PG_FUNCTION_INFO_V1(commrec_stored_id_type);
PG_FUNCTION_INFO_V1(commrec_bucket_start);

/* model_schema(model text) -> oid; NULL: the default model, or the only one */
Datum
commrec_model_schema(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(ModelFind(PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

/* require_owner(model text) -> oid */
Datum
commrec_require_owner(PG_FUNCTION_ARGS)
{
	Oid			schema;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the model must not be null"),
				 errhint("The view commrec.models lists the models that you may use.")));
	schema = ModelFind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	ModelRequireOwner(schema);
	PG_RETURN_OID(schema);
}

/* stored_id_type(regtype) -> regtype; NULL if the type cannot be an id, or there is none of this oid */
Datum
commrec_stored_id_type(PG_FUNCTION_ARGS)
{
	IdKind		kind;

	if (PG_ARGISNULL(0) || get_typtype(PG_GETARG_OID(0)) == '\0' ||
		!IdKindFromType(PG_GETARG_OID(0), &kind))
		PG_RETURN_NULL();
	PG_RETURN_OID(IdKindType(kind));
}

/* bucket_start(timestamptz, interval) -> timestamptz */
Datum
commrec_bucket_start(PG_FUNCTION_ARGS)
{
	TimestampTz time = PG_GETARG_TIMESTAMPTZ(0);
	int64		bucket_width = BucketWidth(PG_GETARG_INTERVAL_P(1));

	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("an infinite time is in no bucket")));
	PG_RETURN_TIMESTAMPTZ(BucketStart(time, bucket_width));
}
