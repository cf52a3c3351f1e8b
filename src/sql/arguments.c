/*
 * arguments.c
 *		Reading the arguments that the serving functions share: a model, an id, k.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

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

int32
ArgumentSkip(FunctionCallInfo fcinfo, int argument)
{
	int32		skip = PG_ARGISNULL(argument) ? 0 : PG_GETARG_INT32(argument);

	if (skip < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("skip must not be negative, but is %d", skip),
				 errhint("The second page of k rows is skip => k.")));
	return skip;
}

double
ArgumentShare(FunctionCallInfo fcinfo, int argument, const char *name)
{
	double		share = PG_ARGISNULL(argument) ? 0.0 : PG_GETARG_FLOAT8(argument);

	/* Negated, so that NaN is caught as well. */
	if (!(share >= 0.0 && share <= 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between 0 and 1, not %g", name, share)));
	return share;
}

char *
ArgumentText(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/* The elements' type; 42804 if the argument is no array. */
static Oid
ElementType(FunctionCallInfo fcinfo, int argument, const char *name)
{
	Oid			type = ArgumentType(fcinfo, argument);
	Oid			element = get_base_element_type(type);

	if (!OidIsValid(element))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s must be an array of item ids, not %s", name, format_type_be(type)),
				 errhint("Use ARRAY[...], or ARRAY(SELECT ...).")));
	return element;
}

void
ArgumentIds(FunctionCallInfo fcinfo, int argument, IdKind kind, const char *name, IdList *list)
{
	ArrayType  *array;
	Datum	   *elements;
	bool	   *nulls;
	Oid			type;
	int16		length;
	bool		by_value;
	char		alignment;
	int			count;

	memset(list, 0, sizeof(*list));
	if (PG_ARGISNULL(argument))
		return;
	type = ElementType(fcinfo, argument, name);
	array = PG_GETARG_ARRAYTYPE_P(argument);
	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	deconstruct_array(array, type, length, by_value, alignment, &elements, &nulls, &count);
	list->is_given = true;
	list->ids = elements;
	for (int i = 0; i < count; i++)
	{
		Datum		id;

		CHECK_FOR_INTERRUPTS();
		if (!nulls[i] && IdFromArgument(elements[i], type, kind, &id))
			list->ids[list->count++] = id;
	}
}

bool
ArgumentTimeBefore(FunctionCallInfo fcinfo, int argument, const char *name, TimestampTz *time)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	if (PG_ARGISNULL(argument))
		return false;
	*time = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
													TimestampTzGetDatum(now),
													PG_GETARG_DATUM(argument)));
	if (*time > now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", name)));
	return true;
}

Oid
ArgumentRequiredModel(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model must not be null"),
				 errhint("Name the model; the view commrec.models lists those that you may use.")));
	return ArgumentModel(fcinfo, argument);
}

int32
ArgumentInteger(FunctionCallInfo fcinfo, int argument, const char *name, int32 low, int32 high,
				int32 preset)
{
	int32		value = PG_ARGISNULL(argument) ? preset : PG_GETARG_INT32(argument);

	if (value < low || value > high)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between %d and %d, not %d", name, low, high, value),
				 errhint("Leave it out for the default.")));
	return value;
}

TrainDeploy
ArgumentDeployment(FunctionCallInfo fcinfo, int argument)
{
	char	   *label;

	if (PG_ARGISNULL(argument))
		return DEPLOY_ALWAYS;
	label = DatumGetCString(DirectFunctionCall1(enum_out, PG_GETARG_DATUM(argument)));
	if (strcmp(label, "if_better") == 0)
		return DEPLOY_IF_BETTER;
	return strcmp(label, "never") == 0 ? DEPLOY_NEVER : DEPLOY_ALWAYS;
}
