/*
 * json.c
 *		Building small jsonb objects of numbers.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "train/json.h"

void
JsonBegin(JsonBuilder *json)
{
	json->state = NULL;
	pushJsonbValue(&json->state, WJB_BEGIN_OBJECT, NULL);
}

static void
PushKey(JsonBuilder *json, const char *key)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = pstrdup(key);
	value.val.string.len = strlen(key);
	pushJsonbValue(&json->state, WJB_KEY, &value);
}

void
JsonBeginObject(JsonBuilder *json, const char *key)
{
	PushKey(json, key);
	pushJsonbValue(&json->state, WJB_BEGIN_OBJECT, NULL);
}

void
JsonEndObject(JsonBuilder *json)
{
	pushJsonbValue(&json->state, WJB_END_OBJECT, NULL);
}

static void
PushNumeric(JsonBuilder *json, char *digits)
{
	JsonbValue	value;

	value.type = jbvNumeric;
	value.val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(digits),
															ObjectIdGetDatum(InvalidOid),
															Int32GetDatum(-1)));
	pushJsonbValue(&json->state, WJB_VALUE, &value);
}

void
JsonAddNumber(JsonBuilder *json, const char *key, double number)
{
	JsonbValue	value;

	PushKey(json, key);
	if (isfinite(number))
	{
		/* float8out and the cast to numeric depend on extra_float_digits or lose digits. */
		PushNumeric(json, double_to_shortest_decimal(number));
		return;
	}
	value.type = jbvNull;
	if (!isnan(number))
	{
		value.type = jbvString;
		value.val.string.val = number > 0 ? "Infinity" : "-Infinity";
		value.val.string.len = strlen(value.val.string.val);
	}
	pushJsonbValue(&json->state, WJB_VALUE, &value);
}

void
JsonAddInteger(JsonBuilder *json, const char *key, int64 value)
{
	PushKey(json, key);
	PushNumeric(json, psprintf(INT64_FORMAT, value));
}

void
JsonAddString(JsonBuilder *json, const char *key, const char *string)
{
	JsonbValue	value;

	PushKey(json, key);
	value.type = jbvString;
	value.val.string.val = pstrdup(string);
	value.val.string.len = strlen(string);
	pushJsonbValue(&json->state, WJB_VALUE, &value);
}

void
JsonAddNull(JsonBuilder *json, const char *key)
{
	JsonAddNumber(json, key, NAN);
}

Jsonb *
JsonEnd(JsonBuilder *json)
{
	return JsonbValueToJsonb(pushJsonbValue(&json->state, WJB_END_OBJECT, NULL));
}
