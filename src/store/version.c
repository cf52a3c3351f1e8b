/*
 * version.c
 *		What the deployed version was trained with.
 *
 * Read by index like everything that serves, from the row of "version" that
 * analysts look at too: there is no second copy that could differ from it.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "common/errors.h"
#include "store/model.h"
#include "store/version.h"

enum { VERSION_NO, VERSION_ALGORITHM, VERSION_HYPERPARAMETERS };

static const LookupLayout version_layout = {
	MODEL_VERSION, 1, 3,
	{{"version", INT4OID}, {"algorithm", TEXTOID}, {"hyperparameters", JSONBOID}}
};

/* A number as training writes it: "Infinity" stands for infinity, null for NaN. */
static double
JsonNumber(const JsonbValue *value)
{
	/* The cast would raise 22003; numeric_out is not subject to any setting. */
	if (value->type == jbvNumeric)
		return strtod(DatumGetCString(DirectFunctionCall1(numeric_out,
														  NumericGetDatum(value->val.numeric))),
					  NULL);
	if (value->type == jbvString && value->val.string.len == 8 &&
		memcmp(value->val.string.val, "Infinity", 8) == 0)
		return INFINITY;
	return NAN;
}

/* One of the parameter's words, by its place. */
static double
JsonChoice(const CrParameter *parameter, const JsonbValue *value)
{
	int			choice = value->type != jbvString ? -1 :
		cr_parameter_choice(parameter, value->val.string.val, (size_t) value->val.string.len);

	return choice < 0 ? NAN : choice;
}

/* Those that the algorithm does not have are set, too: to what does nothing. */
static void
ReadParameters(const CrAlgorithm *algorithm, Jsonb *stored, CrHyperparameters *parameters)
{
	cr_parameters_preset(algorithm, parameters);
	for (int i = 0; i < algorithm->parameter_count; i++)
	{
		const CrParameter *parameter = &algorithm->parameters[i];
		JsonbValue	found;
		JsonbValue *value = getKeyJsonValueFromContainer(&stored->root, parameter->name,
														 strlen(parameter->name), &found);

		*cr_parameter_field(parameter, parameters) =
			value == NULL ? NAN :
			parameter->type == CR_PARAMETER_CHOICE ? JsonChoice(parameter, value) :
			JsonNumber(value);
	}
}

const CrAlgorithm *
ReadVersionHyperparameters(Oid schema, const DeployedVersion *deployed,
						   CrHyperparameters *used)
{
	const CrAlgorithm *algorithm = NULL;
	Datum		version = Int32GetDatum(deployed->version);
	Datum		name = (Datum) 0;
	Datum		stored = (Datum) 0;
	bool		is_name_null = true;
	bool		is_stored_null = true;
	Lookup		lookup;

	LookupOpen(&lookup, schema, &version_layout);
	LookupStart(&lookup, 1, &version);
	if (LookupNext(&lookup))
	{
		name = LookupValue(&lookup, VERSION_ALGORITHM, &is_name_null);
		stored = LookupValue(&lookup, VERSION_HYPERPARAMETERS, &is_stored_null);
	}
	if (!is_name_null && !is_stored_null)
		algorithm = cr_algorithm_find(TextDatumGetCString(name));
	if (algorithm == NULL || !JB_ROOT_IS_OBJECT(DatumGetJsonbP(stored)))
		CheckStoredBytes(CR_CORRUPT, ModelSchemaName(schema),
						 psprintf("hyperparameters of version %d", deployed->version));
	ReadParameters(algorithm, DatumGetJsonbP(stored), used);
	LookupClose(&lookup);
	return algorithm;
}

int32
PopularityCoordinate(const DeployedVersion *deployed, const CrHyperparameters *used)
{
	return deployed->dims > deployed->factors && used->popularity_weight > 0 ?
		deployed->dims - 1 : -1;
}

TimestampTz
ReadVersionEventsUntil(Oid schema, const DeployedVersion *deployed)
{
	static const LookupLayout layout = {
		MODEL_VERSION, 1, 2,
		{{"version", INT4OID}, {"events_until", TIMESTAMPTZOID}}
	};
	Datum		version = Int32GetDatum(deployed->version);
	Datum		until = (Datum) 0;
	bool		is_null = true;
	Lookup		lookup;

	LookupOpen(&lookup, schema, &layout);
	LookupStart(&lookup, 1, &version);
	if (LookupNext(&lookup))
		until = LookupValue(&lookup, 1, &is_null);
	LookupClose(&lookup);
	return is_null ? DT_NOBEGIN : DatumGetTimestampTz(until);
}
