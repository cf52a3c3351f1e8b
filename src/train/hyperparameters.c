/*
 * hyperparameters.c
 *		Hyperparameters between jsonb and the parameter struct of an algorithm.
 *
 * The descriptors in core/algorithm.h know names, types and ranges; what is
 * wrong with a value, and what would be right, is said in their words.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "common/compat.h"
#include "core/algorithm.h"
#include "train/json.h"
#include "train/train.h"

#define SHOWN_BYTES		64		/* of a wrong value, in its message */

static void pg_attribute_noreturn()
ReportUnknownAlgorithm(const char *name)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; cr_algorithm_at(i) != NULL; i++)
		appendStringInfo(&known, "%s\"%s\"", i > 0 ? ", " : "", cr_algorithm_at(i)->name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized algorithm \"%s\"", name),
			 errhint("Known algorithms are: %s.", known.data)));
}

const CrAlgorithm *
HyperparametersAlgorithm(const char *name)
{
	const CrAlgorithm *algorithm = cr_algorithm_find(name);

	if (algorithm == NULL)
		ReportUnknownAlgorithm(name);
	return algorithm;
}

/* Whole numbers without an exponent, others as short as possible. */
static char *
ShowNumber(double value)
{
	return fabs(value) < 1e15 && value == floor(value) ?
		psprintf("%.0f", value) : psprintf("%g", value);
}

static char *
ShowChoices(const CrParameter *parameter)
{
	StringInfoData shown;

	initStringInfo(&shown);
	for (int i = 0; parameter->choices[i] != NULL; i++)
		appendStringInfo(&shown, "%s\"%s\"", i > 0 ? " or " : "", parameter->choices[i]);
	return shown.data;
}

char *
HyperparameterShowRange(const CrParameter *parameter)
{
	const char *type = parameter->type == CR_PARAMETER_INTEGER ? "an integer" : "a number";
	char	   *low = ShowNumber(parameter->low);

	if (parameter->type == CR_PARAMETER_CHOICE)
		return ShowChoices(parameter);
	if (isinf(parameter->high))
		return psprintf("%s %s %s or \"Infinity\"", type,
						parameter->low_excluded ? "greater than" : "of at least", low);
	if (parameter->low_excluded)
		return psprintf("%s greater than %s and at most %s", type, low,
						ShowNumber(parameter->high));
	return psprintf("%s between %s and %s", type, low, ShowNumber(parameter->high));
}

/* All that is allowed, for hints. */
static char *
ShowAllowed(const CrAlgorithm *algorithm)
{
	StringInfoData allowed;

	initStringInfo(&allowed);
	for (int i = 0; i < algorithm->parameter_count; i++)
		appendStringInfo(&allowed, "%s%s (%s)", i > 0 ? ", " : "",
						 algorithm->parameters[i].name, HyperparameterShowRange(&algorithm->parameters[i]));
	return allowed.data;
}

/* A JSON value as it was written, cut where it is long. */
static char *
ShowValue(JsonbValue *value)
{
	char	   *shown;
	int			length;
	int			clipped;

	if (value->type == jbvBinary)
		shown = JsonbToCString(NULL, value->val.binary.data, value->val.binary.len);
	else if (value->type == jbvNumeric)
		shown = DatumGetCString(DirectFunctionCall1(numeric_out,
													NumericGetDatum(value->val.numeric)));
	else if (value->type == jbvString)
		shown = psprintf("\"%.*s\"", value->val.string.len, value->val.string.val);
	else
		shown = pstrdup(value->type == jbvBool && value->val.boolean ? "true" : "false");
	length = strlen(shown);
	clipped = pg_mbcliplen(shown, length, SHOWN_BYTES);
	return clipped == length ? shown : psprintf("%.*s...", clipped, shown);
}

static void pg_attribute_noreturn()
ReportWrongValue(const CrParameter *parameter, JsonbValue *value)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("hyperparameter \"%s\" must be %s, not %s", parameter->name,
					HyperparameterShowRange(parameter), ShowValue(value)),
			 errdetail("\"%s\": %s.", parameter->name, parameter->meaning),
			 errhint("Leave it out, or give null, for the default.")));
}

static void pg_attribute_noreturn()
ReportWrongType(const CrAlgorithm *algorithm, const CrParameter *parameter, JsonbValue *value)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("hyperparameter \"%s\" must be %s, not %s", parameter->name,
					HyperparameterShowRange(parameter), ShowValue(value)),
			 errhint("Hyperparameters of algorithm \"%s\" are: %s.", algorithm->name,
					 ShowAllowed(algorithm))));
}

static void pg_attribute_noreturn()
ReportUnknownParameter(const CrAlgorithm *algorithm, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized hyperparameter \"%.*s\" of algorithm \"%s\"",
					pg_mbcliplen(name, strlen(name), SHOWN_BYTES), name, algorithm->name),
			 errhint("Hyperparameters of algorithm \"%s\" are: %s.", algorithm->name,
					 ShowAllowed(algorithm))));
}

/* A JSON number as a double; one beyond its range becomes infinite. */
static double
NumericToDouble(Numeric numeric)
{
	/* The cast would raise 22003; numeric_out is not subject to any setting. */
	return strtod(DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(numeric))),
				  NULL);
}

static double
ReadChoice(const CrAlgorithm *algorithm, const CrParameter *parameter, JsonbValue *value)
{
	int			choice;

	if (value->type != jbvString)
		ReportWrongType(algorithm, parameter, value);
	choice = cr_parameter_choice(parameter, value->val.string.val, value->val.string.len);
	if (choice < 0)
		ReportWrongValue(parameter, value);
	return choice;
}

/* The value of one hyperparameter; 22023 if it is none. */
static double
ReadValue(const CrAlgorithm *algorithm, const CrParameter *parameter, JsonbValue *value)
{
	double		number;

	if (value->type == jbvNull)
		return parameter->from_data ? NAN : parameter->preset;
	if (parameter->type == CR_PARAMETER_CHOICE)
		return ReadChoice(algorithm, parameter, value);
	if (value->type == jbvString && isinf(parameter->high) && value->val.string.len == 8 &&
		pg_strncasecmp(value->val.string.val, "infinity", 8) == 0)
		return INFINITY;
	if (value->type != jbvNumeric)
		ReportWrongType(algorithm, parameter, value);
	number = NumericToDouble(value->val.numeric);
	if (!isfinite(number) || !cr_parameter_allows(parameter, number))
		ReportWrongValue(parameter, value);
	return number;
}

void
HyperparametersApply(const char *algorithm_name, Jsonb *given, CrHyperparameters *parameters)
{
	const CrAlgorithm *algorithm = HyperparametersAlgorithm(algorithm_name);
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	const CrParameter *parameter = NULL;

	if (given == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("hyperparameters must be a JSON object"),
				 errhint("Hyperparameters of algorithm \"%s\" are: %s.", algorithm->name,
						 ShowAllowed(algorithm))));
	iterator = JsonbIteratorInit(&given->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			char	   *name = pnstrdup(value.val.string.val, value.val.string.len);

			parameter = cr_parameter_find(algorithm, name);
			if (parameter == NULL)
				ReportUnknownParameter(algorithm, name);
		}
		else if (token == WJB_VALUE)
			*cr_parameter_field(parameter, parameters) =
				ReadValue(algorithm, parameter, &value);
	}
}

void
HyperparameterToJson(JsonBuilder *json, const char *algorithm, const char *name, double value)
{
	const CrAlgorithm *known = cr_algorithm_find(algorithm);
	const CrParameter *parameter = known == NULL ? NULL : cr_parameter_find(known, name);

	if (parameter != NULL && parameter->type == CR_PARAMETER_CHOICE &&
		cr_parameter_allows(parameter, value))
		JsonAddString(json, name, parameter->choices[(int) value]);
	else
		JsonAddNumber(json, name, value);
}

Jsonb *
HyperparametersToJsonb(const char *algorithm_name, const CrHyperparameters *parameters)
{
	const CrAlgorithm *algorithm = HyperparametersAlgorithm(algorithm_name);
	JsonBuilder json;

	JsonBegin(&json);
	for (int i = 0; i < algorithm->parameter_count; i++)
	{
		const CrParameter *parameter = &algorithm->parameters[i];

		HyperparameterToJson(&json, algorithm_name, parameter->name,
							 cr_parameter_value(parameter, parameters));
	}
	return JsonEnd(&json);
}
