/*
 * algorithm.c
 *		Looking up algorithms and hyperparameters.
 */
#include <math.h>
#include <string.h>

#include "core/algorithm.h"

#define LENGTH(array)	((int) (sizeof(array) / sizeof((array)[0])))

/* What does nothing where an algorithm does not have it. */
static const CrHyperparameters without = {
	.regularization_exponent = 1, .alpha = 1, .half_life = INFINITY,
	.popularity_half_life = INFINITY, .min_item_users = 1, .min_user_items = 1,
	.solver = CR_SOLVER_CHOLESKY
};

static const CrAlgorithm *const algorithms[] = {
#define CR_ALGORITHM(name)	&cr_##name##_algorithm,
#include "core/algorithms.h"
#undef CR_ALGORITHM
};

const CrAlgorithm *
cr_algorithm_find(const char *name)
{
	for (int i = 0; i < LENGTH(algorithms); i++)
	{
		if (strcmp(algorithms[i]->name, name) == 0)
			return algorithms[i];
	}
	return NULL;
}

const CrAlgorithm *
cr_algorithm_at(int i)
{
	return i >= 0 && i < LENGTH(algorithms) ? algorithms[i] : NULL;
}

const CrParameter *
cr_parameter_find(const CrAlgorithm *algorithm, const char *name)
{
	for (int i = 0; i < algorithm->parameter_count; i++)
	{
		if (strcmp(algorithm->parameters[i].name, name) == 0)
			return &algorithm->parameters[i];
	}
	return NULL;
}

const CrParameter *
cr_parameter_restraint(const CrAlgorithm *algorithm)
{
	for (int i = 0; i < algorithm->parameter_count; i++)
	{
		if (algorithm->parameters[i].restrains)
			return &algorithm->parameters[i];
	}
	return NULL;
}

void
cr_parameters_preset(const CrAlgorithm *algorithm, CrHyperparameters *parameters)
{
	memcpy(parameters, &without, sizeof(without));
	for (int i = 0; i < algorithm->parameter_count; i++)
	{
		const CrParameter *parameter = &algorithm->parameters[i];

		*cr_parameter_field(parameter, parameters) =
			parameter->from_data ? NAN : parameter->preset;
	}
}

int
cr_parameter_allows(const CrParameter *parameter, double value)
{
	/* An infinite "high" lets +infinity through; NaN fails every comparison. */
	if (!(value >= parameter->low && value <= parameter->high))
		return 0;
	if (parameter->low_excluded && value == parameter->low)
		return 0;
	return parameter->type == CR_PARAMETER_NUMBER || value == floor(value);
}

int
cr_parameters_allowed(const CrAlgorithm *algorithm, const CrHyperparameters *parameters)
{
	for (int i = 0; i < algorithm->parameter_count; i++)
	{
		const CrParameter *parameter = &algorithm->parameters[i];
		double		value = cr_parameter_value(parameter, parameters);

		if (!(parameter->from_data && isnan(value)) && !cr_parameter_allows(parameter, value))
			return 0;
	}
	return 1;
}

int
cr_parameter_choice(const CrParameter *parameter, const char *word, size_t length)
{
	for (int i = 0; i < CR_CHOICES_MAX && parameter->choices[i] != NULL; i++)
	{
		if (strlen(parameter->choices[i]) == length &&
			memcmp(parameter->choices[i], word, length) == 0)
			return i;
	}
	return -1;
}

void
cr_defaults_from_shape(const CrAlgorithm *algorithm, CrHyperparameters *used, int64_t users,
					   int64_t items, int64_t pairs)
{
	if (algorithm->defaults_from_shape != NULL)
		algorithm->defaults_from_shape(used, users, items, pairs);
}
