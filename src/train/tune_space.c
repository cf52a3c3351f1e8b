/*
 * tune_space.c
 *		What is searched: ranges and choices of hyperparameters.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "common/compat.h"
#include "train/json.h"
#include "train/tune_space.h"

static void pg_attribute_noreturn()
report_wrong_space(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("search must say what values \"%s\" may take", name),
			 errhint("Give 1 to %d values, as in {\"%s\": [1, 2]}, or a range, as in {\"%s\": {\"low\": 1, \"high\": 2, \"scale\": \"log\"}}; scale may be \"log\" or \"linear\".",
					 TUNE_CHOICES_MAX, name, name)));
}

/* A number, "Infinity", or null for what is chosen from the data; false if it is none of these. */
static bool
read_number(const CrParameter *parameter, const JsonbValue *value, double *number)
{
	if (value->type == jbvNull)
		*number = parameter->from_data ? NAN : parameter->preset;
	else if (value->type == jbvString && isinf(parameter->high) && value->val.string.len == 8 &&
			 pg_strncasecmp(value->val.string.val, "infinity", 8) == 0)
		*number = INFINITY;
	else if (value->type == jbvNumeric)
		*number = strtod(DatumGetCString(DirectFunctionCall1(numeric_out,
															 NumericGetDatum(value->val.numeric))),
						 NULL);
	else
		return false;
	return true;
}

/* 22023 by the function that checks all hyperparameters, whose message says what is allowed. */
static void
require_allowed(const CrParameter *parameter, double value)
{
	if (isnan(value) || cr_parameter_allows(parameter, value))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("search goes beyond what hyperparameter \"%s\" may be: %g", parameter->name,
					value),
			 errdetail("\"%s\": %s.", parameter->name, parameter->meaning),
			 errhint("It may be from %g to %g.", parameter->low, parameter->high)));
}

static void
parse_choices(JsonbContainer *array, TuneDimension *dimension)
{
	JsonbIterator *iterator = JsonbIteratorInit(array);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		double		number;

		if (token != WJB_ELEM)
			continue;
		if (dimension->choices == TUNE_CHOICES_MAX ||
			!read_number(dimension->parameter, &value, &number))
			report_wrong_space(dimension->parameter->name);
		require_allowed(dimension->parameter, number);
		dimension->choice[dimension->choices++] = number;
	}
	if (dimension->choices == 0)
		report_wrong_space(dimension->parameter->name);
}

/* One key of a range. */
static void
parse_bound(const char *key, const JsonbValue *value, TuneDimension *dimension)
{
	const char *name = dimension->parameter->name;
	bool		is_sound = false;

	if (strcmp(key, "low") == 0)
		is_sound = value->type == jbvNumeric && read_number(dimension->parameter, value, &dimension->low);
	else if (strcmp(key, "high") == 0)
		is_sound = value->type == jbvNumeric && read_number(dimension->parameter, value, &dimension->high);
	else if (strcmp(key, "scale") == 0 && value->type == jbvString)
	{
		dimension->is_log = value->val.string.len == 3 &&
			strncmp(value->val.string.val, "log", 3) == 0;
		is_sound = dimension->is_log || (value->val.string.len == 6 &&
										 strncmp(value->val.string.val, "linear", 6) == 0);
	}
	if (!is_sound)
		report_wrong_space(name);
}

static void
parse_range(JsonbContainer *object, TuneDimension *dimension)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *key = NULL;

	dimension->low = dimension->high = NAN;
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
			parse_bound(key, &value, dimension);
	}
	if (!(dimension->low <= dimension->high) || (dimension->is_log && dimension->low <= 0))
		report_wrong_space(dimension->parameter->name);
	require_allowed(dimension->parameter, dimension->low);
	require_allowed(dimension->parameter, dimension->high);
}

static TuneDimension *
add_dimension(const CrAlgorithm *algorithm, const char *name, TuneSpace *space)
{
	TuneDimension *dimension = &space->dimension[space->dimensions++];

	memset(dimension, 0, sizeof(TuneDimension));
	dimension->parameter = cr_parameter_find(algorithm, name);
	if (dimension->parameter == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized hyperparameter \"%s\" of algorithm \"%s\"", name,
						algorithm->name),
				 errhint("The README lists the hyperparameters of each algorithm.")));
	return dimension;
}

void
TuneSpaceParse(const char *algorithm_name, Jsonb *search, TuneSpace *space)
{
	const CrAlgorithm *algorithm = cr_algorithm_find(algorithm_name);
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	TuneDimension *dimension = NULL;

	memset(space, 0, sizeof(TuneSpace));
	if (!JB_ROOT_IS_OBJECT(search) || JB_ROOT_COUNT(search) < 1 ||
		JB_ROOT_COUNT(search) > TUNE_DIMENSIONS_MAX)
		report_wrong_space(algorithm->parameters[0].name);
	iterator = JsonbIteratorInit(&search->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			dimension = add_dimension(algorithm, pnstrdup(value.val.string.val,
														  value.val.string.len), space);
		else if (token == WJB_VALUE && value.type == jbvBinary &&
				 JsonContainerIsArray(value.val.binary.data))
			parse_choices(value.val.binary.data, dimension);
		else if (token == WJB_VALUE && value.type == jbvBinary)
			parse_range(value.val.binary.data, dimension);
		else if (token == WJB_VALUE)
			report_wrong_space(dimension->parameter->name);
	}
}

/* What the descriptor says of one hyperparameter; "preset" is its default for these data. */
static void
add_search(const CrAlgorithm *algorithm, const CrParameter *parameter, double preset,
		   TuneSpace *space)
{
	TuneDimension *dimension;

	if (parameter->search[0] == 0 && parameter->search_high == 0 && parameter->search_spread == 0)
		return;
	dimension = add_dimension(algorithm, parameter->name, space);
	while (dimension->choices < CR_SEARCH_MAX && parameter->search[dimension->choices] != 0)
	{
		dimension->choice[dimension->choices] = parameter->search[dimension->choices];
		dimension->choices++;
	}
	dimension->low = parameter->search_low;
	dimension->high = parameter->search_high;
	dimension->is_log = parameter->search_low > 0;
	if (parameter->search_spread > 0)
	{
		dimension->low = preset / parameter->search_spread;
		dimension->high = preset * parameter->search_spread;
		dimension->is_log = true;
	}
}

/* The choices, which ascend, up to the rank that a matrix of this shape can have. */
static void
limit_factors(TuneSpace *space, int64 users, int64 items)
{
	for (int i = 0; i < space->dimensions; i++)
	{
		TuneDimension *dimension = &space->dimension[i];

		if (strcmp(dimension->parameter->name, "factors") != 0)
			continue;
		while (dimension->choices > 1 &&
			   dimension->choice[dimension->choices - 1] > Min(users, items))
			dimension->choices--;
	}
}

void
TuneSpaceDefault(const char *algorithm_name, int64 users, int64 items, int64 pairs,
				 TuneSpace *space)
{
	const CrAlgorithm *algorithm = cr_algorithm_find(algorithm_name);
	CrHyperparameters defaults;

	memset(space, 0, sizeof(TuneSpace));
	cr_parameters_preset(algorithm, &defaults);
	cr_defaults_from_shape(algorithm, &defaults, users, items, pairs);
	for (int i = 0; i < algorithm->parameter_count; i++)
	{
		const CrParameter *parameter = &algorithm->parameters[i];

		add_search(algorithm, parameter,
				   cr_parameter_value(parameter, &defaults), space);
	}
	limit_factors(space, users, items);
	if (space->dimensions == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("algorithm \"%s\" has no hyperparameter that is searched by default",
						algorithm->name),
				 errhint("Give a search space.")));
}

static double
draw(const TuneDimension *dimension, double uniform)
{
	double		low = dimension->low;
	double		high = dimension->high;

	if (dimension->choices > 0)
		return dimension->choice[Min((int) (uniform * dimension->choices),
									 dimension->choices - 1)];
	if (dimension->parameter->type == CR_PARAMETER_INTEGER)
	{
		/* Every integer of the range has its share, the ends as well. */
		double		value = dimension->is_log ?
			exp(log(low) + uniform * (log(high + 1) - log(low))) : low + uniform * (high - low + 1);

		return Min(floor(value), high);
	}
	return dimension->is_log ? exp(log(low) + uniform * (log(high) - log(low))) :
		low + uniform * (high - low);
}

void
TuneSpaceDraw(const TuneSpace *space, CrRng *rng, CrHyperparameters *parameters)
{
	for (int i = 0; i < space->dimensions; i++)
		*cr_parameter_field(space->dimension[i].parameter, parameters) =
			draw(&space->dimension[i], cr_rng_uniform(rng));
}

Jsonb *
TuneSpaceToJsonb(const TuneSpace *space, const CrHyperparameters *parameters)
{
	JsonBuilder json;

	JsonBegin(&json);
	for (int i = 0; i < space->dimensions; i++)
		JsonAddNumber(&json, space->dimension[i].parameter->name,
					  cr_parameter_value(space->dimension[i].parameter, parameters));
	return JsonEnd(&json);
}

bool
TuneSpaceHas(const TuneSpace *space, const char *name)
{
	for (int i = 0; i < space->dimensions; i++)
	{
		if (strcmp(space->dimension[i].parameter->name, name) == 0)
			return true;
	}
	return false;
}
