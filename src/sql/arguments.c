/*
 * arguments.c
 *		Reading the arguments that the serving functions share: a model, an id, k.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "common/compat.h"
#include "sql/arguments.h"
#include "store/model.h"

#define DEFAULT_K	10

Oid
ArgumentModel(FunctionCallInfo fcinfo, int argument)
{
	return ModelFind(PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument)));
}

/*
 * A caller that made no expression, such as another C function, passes what is
 * declared.
 */
static Oid
ArgumentType(FunctionCallInfo fcinfo, int argument)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, argument);
	Oid		   *declared;
	int			count;

	if (OidIsValid(type))
		return type;
	(void) get_func_signature(fcinfo->flinfo->fn_oid, &declared, &count);
	return argument < count ? declared[argument] : InvalidOid;
}

bool
ArgumentId(FunctionCallInfo fcinfo, int argument, IdKind kind, Datum *id)
{
	Oid			type = ArgumentType(fcinfo, argument);
	Datum		value = PG_GETARG_DATUM(argument);

	/* A bare literal for an argument declared "any" stays a C string of type unknown. */
	if (type == UNKNOWNOID)
	{
		value = CStringGetTextDatum(DatumGetCString(value));
		type = TEXTOID;
	}
	return IdFromArgument(value, type, kind, id);
}

int32
ArgumentK(FunctionCallInfo fcinfo, int argument)
{
	int32		k = PG_ARGISNULL(argument) ? DEFAULT_K : PG_GETARG_INT32(argument);

	if (k < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be at least 1, not %d", k),
				 errhint("Leave k out for the best %d.", DEFAULT_K)));
	return k;
}
