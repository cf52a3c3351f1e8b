/*
 * algorithms_fn.c
 *		SQL function describe_algorithms(): the descriptors as rows.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "common/compat.h"
#include "core/algorithm.h"
#include "train/train.h"

PG_FUNCTION_INFO_V1(commrec_describe_algorithms);

enum
{
	COLUMN_ALGORITHM, COLUMN_SCORER, COLUMN_MEANING, COLUMN_PLACE, COLUMN_PARAMETER, COLUMN_TYPE,
	COLUMN_ALLOWED, COLUMN_PRESET, COLUMN_SEARCHED, COLUMN_PARAMETER_MEANING, COLUMNS
};

static const char *
ScorerName(const CrAlgorithm *algorithm)
{
	switch (algorithm->scorer)
	{
		case CR_SCORER_POPULARITY:
			return "popularity";
		case CR_SCORER_INNER_PRODUCT:
			return "inner product";
		case CR_SCORER_LISTS:
			return "item lists";
		case CR_SCORER_CHOSEN:
			return "chosen";
	}
	return NULL;				/* not reached */
}

/* A value as it is given in JSON. */
static const char *
ShowValue(const CrParameter *parameter, double value)
{
	if (parameter->type == CR_PARAMETER_CHOICE)
		return parameter->choices[(int) value];
	if (isinf(value))
		return "Infinity";
	return value == floor(value) && fabs(value) < 1e15 ? psprintf("%.0f", value) :
		psprintf("%g", value);
}

/* What commrec.tune() tries; NULL: nothing. */
static const char *
ShowSearched(const CrParameter *parameter)
{
	StringInfoData shown;

	if (parameter->search_spread > 0)
		return psprintf("default / %g .. default * %g", parameter->search_spread,
						parameter->search_spread);
	if (parameter->search_high > 0)
		return psprintf("%g .. %g", parameter->search_low, parameter->search_high);
	if (parameter->search[0] == 0)
		return NULL;
	initStringInfo(&shown);
	for (int i = 0; i < CR_SEARCH_MAX && parameter->search[i] != 0; i++)
		appendStringInfo(&shown, "%s%s", i > 0 ? ", " : "",
						 ShowValue(parameter, parameter->search[i]));
	return shown.data;
}

static void
SetText(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	if (text != NULL)
		values[column] = CStringGetTextDatum(text);
}

static void
PutParameter(ReturnSetInfo *result, const CrAlgorithm *algorithm, int place)
{
	static const char *const types[] = {"integer", "number", "choice"};
	const CrParameter *parameter = &algorithm->parameters[place];
	Datum		values[COLUMNS] = {0};
	bool		nulls[COLUMNS] = {false};

	SetText(values, nulls, COLUMN_ALGORITHM, algorithm->name);
	SetText(values, nulls, COLUMN_SCORER, ScorerName(algorithm));
	SetText(values, nulls, COLUMN_MEANING, algorithm->meaning);
	values[COLUMN_PLACE] = Int32GetDatum(place + 1);
	SetText(values, nulls, COLUMN_PARAMETER, parameter->name);
	SetText(values, nulls, COLUMN_TYPE, types[parameter->type]);
	SetText(values, nulls, COLUMN_ALLOWED, HyperparameterShowRange(parameter));
	SetText(values, nulls, COLUMN_PRESET,
			parameter->from_data ? NULL : ShowValue(parameter, parameter->preset));
	SetText(values, nulls, COLUMN_SEARCHED, ShowSearched(parameter));
	SetText(values, nulls, COLUMN_PARAMETER_MEANING, parameter->meaning);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* commrec.describe_algorithms(): a row for each hyperparameter of each algorithm */
Datum
commrec_describe_algorithms(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const CrAlgorithm *algorithm;

	CommrecInitSRF(fcinfo);
	for (int i = 0; (algorithm = cr_algorithm_at(i)) != NULL; i++)
	{
		for (int place = 0; place < algorithm->parameter_count; place++)
			PutParameter(result, algorithm, place);
	}
	return (Datum) 0;
}
