/*
 * algorithm.c
 *		The table of algorithms and their hyperparameters.
 */
#include <math.h>
#include <string.h>

#include "core/algorithm.h"
#include "core/ials.h"

#define LENGTH(array)	((int) (sizeof(array) / sizeof((array)[0])))
/* From so many factors on, CG reaches a loss sooner: doc/design.md, "Solving rows". */
#define CG_FACTORS_MIN	32

#define IALS(field)		offsetof(CrIalsHyperparameters, field)

static const CrParameter ials_parameters[] = {
	{
		.name = "factors", .type = CR_PARAMETER_INTEGER, .low = 1, .high = CR_FACTORS_MAX,
		.preset = 64, .offset = IALS(factors),
		.meaning = "number of dimensions of an embedding"
	},
	{
		.name = "epochs", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 1000,
		.preset = 16, .offset = IALS(epochs),
		.meaning = "number of passes over all users and all items"
	},
	{
		.name = "unobserved_weight", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1e6,
		.low_excluded = 1, .from_data = 1, .preset = NAN, .offset = IALS(unobserved_weight),
		.meaning = "weight of every pair of user and item, observed or not, towards 0"
	},
	{
		.name = "regularization", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1e6,
		.low_excluded = 1, .from_data = 1, .preset = NAN, .offset = IALS(regularization),
		.meaning = "strength of the penalty on large embeddings"
	},
	{
		.name = "regularization_exponent", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 2,
		.preset = 1, .offset = IALS(regularization_exponent),
		.meaning = "how the penalty grows with the number of an entity's events; 0: not at all"
	},
	{
		.name = "alpha", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1e6,
		.low_excluded = 1, .preset = 1, .offset = IALS(alpha),
		.meaning = "confidence of a pair is alpha * log2(1 + preference)"
	},
	{
		.name = "half_life", .type = CR_PARAMETER_NUMBER, .low = 0, .high = INFINITY,
		.low_excluded = 1, .preset = INFINITY, .offset = IALS(half_life),
		.meaning = "days after which an event counts half; infinity: events do not age"
	},
	{
		.name = "popularity_weight", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1e6,
		.from_data = 1, .preset = NAN, .offset = IALS(popularity_weight),
		.meaning = "weight of an item's popularity in its score; 0: none"
	},
	{
		.name = "popularity_half_life", .type = CR_PARAMETER_NUMBER, .low = 0, .high = INFINITY,
		.low_excluded = 1, .from_data = 1, .preset = NAN, .offset = IALS(popularity_half_life),
		.meaning = "days after which an event counts half towards popularity; infinity: no ageing"
	},
	{
		.name = "min_item_users", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 1e9,
		.preset = 1, .offset = IALS(min_item_users),
		.meaning = "items with fewer users are left out"
	},
	{
		.name = "min_user_items", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 1e9,
		.preset = 1, .offset = IALS(min_user_items),
		.meaning = "users with fewer items are left out"
	},
	{
		.name = "seed", .type = CR_PARAMETER_INTEGER, .low = 0, .high = INT32_MAX,
		.preset = 42, .offset = IALS(seed),
		.meaning = "start of the random numbers; the same seed gives the same model"
	},
	{
		.name = "solver", .type = CR_PARAMETER_CHOICE, .low = CR_SOLVER_CHOLESKY,
		.high = CR_SOLVER_CG, .choices = {"cholesky", "cg"}, .from_data = 1, .preset = NAN,
		.offset = IALS(solver),
		.meaning = "how embeddings are computed: exactly, or by conjugate gradients"
	}
};

static const CrParameter als_parameters[] = {
	{
		.name = "factors", .type = CR_PARAMETER_INTEGER, .low = 1,
		.high = CR_FACTORS_MAX - CR_EXPLICIT_DIMS, .preset = 64, .offset = IALS(factors),
		.meaning = "number of dimensions of an embedding, beside the biases"
	},
	{
		.name = "epochs", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 1000,
		.preset = 16, .offset = IALS(epochs),
		.meaning = "number of passes over all users and all items"
	},
	{
		.name = "regularization", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1e6,
		.low_excluded = 1, .preset = 0.1, .offset = IALS(regularization),
		.meaning = "strength of the penalty on large embeddings and biases"
	},
	{
		.name = "regularization_exponent", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 2,
		.preset = 1, .offset = IALS(regularization_exponent),
		.meaning = "how the penalty grows with the number of an entity's ratings; 0: not at all"
	},
	{
		.name = "popularity_half_life", .type = CR_PARAMETER_NUMBER, .low = 0, .high = INFINITY,
		.low_excluded = 1, .preset = INFINITY, .offset = IALS(popularity_half_life),
		.meaning = "days after which an event counts half towards popularity; infinity: no ageing"
	},
	{
		.name = "min_item_users", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 1e9,
		.preset = 1, .offset = IALS(min_item_users),
		.meaning = "items rated by fewer users are left out"
	},
	{
		.name = "min_user_items", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 1e9,
		.preset = 1, .offset = IALS(min_user_items),
		.meaning = "users who rated fewer items are left out"
	},
	{
		.name = "seed", .type = CR_PARAMETER_INTEGER, .low = 0, .high = INT32_MAX,
		.preset = 42, .offset = IALS(seed),
		.meaning = "start of the random numbers; the same seed gives the same model"
	}
};

/* What does nothing where an algorithm does not have it. */
static const CrIalsHyperparameters without = {
	.regularization_exponent = 1, .alpha = 1, .half_life = INFINITY,
	.popularity_half_life = INFINITY, .min_item_users = 1, .min_user_items = 1,
	.solver = CR_SOLVER_CHOLESKY
};

static const CrAlgorithm algorithms[] = {
	{
		.name = "ials",
		.meaning = "implicit alternating least squares with frequency-scaled regularization",
		.parameters = ials_parameters,
		.parameter_count = LENGTH(ials_parameters)
	},
	{
		.name = "als",
		.meaning = "alternating least squares of ratings with biases and weighted regularization",
		.is_explicit = 1,
		.parameters = als_parameters,
		.parameter_count = LENGTH(als_parameters)
	}
};

const CrAlgorithm *
cr_algorithm_find(const char *name)
{
	for (int i = 0; i < LENGTH(algorithms); i++)
	{
		if (strcmp(algorithms[i].name, name) == 0)
			return &algorithms[i];
	}
	return NULL;
}

const CrAlgorithm *
cr_algorithm_at(int i)
{
	return i >= 0 && i < LENGTH(algorithms) ? &algorithms[i] : NULL;
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

void
cr_parameters_preset(const CrAlgorithm *algorithm, void *parameters)
{
	memcpy(parameters, &without, sizeof(without));
	for (int i = 0; i < algorithm->parameter_count; i++)
	{
		const CrParameter *parameter = &algorithm->parameters[i];
		double	   *value = (double *) ((char *) parameters + parameter->offset);

		*value = parameter->from_data ? NAN : parameter->preset;
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

/*
 * A rule of thumb, doc/design.md has the reasons: the weight grows with density
 * and with the root of the items per user, within .003 (sparse) .. .5 (dense).
 * Without any pairs the rule would give 0.
 */
static double
unobserved_weight_from_shape(int64_t users, int64_t items, int64_t pairs)
{
	double		per_user;
	double		weight;

	if (users <= 0 || items <= 0 || pairs <= 0)
		return 0.003;
	per_user = (double) pairs / (double) users;
	weight = 0.2 * pow(per_user / (double) items, 0.6) * sqrt(per_user);
	return fmin(fmax(weight, 0.003), 0.5);
}

void
cr_ials_defaults_from_shape(CrIalsHyperparameters *parameters, int64_t users, int64_t items,
							int64_t pairs)
{
	if (isnan(parameters->unobserved_weight))
		parameters->unobserved_weight = unobserved_weight_from_shape(users, items, pairs);
	if (isnan(parameters->regularization))
		parameters->regularization = 0.01;
	if (isnan(parameters->solver))
		parameters->solver = parameters->factors < CG_FACTORS_MIN ?
			CR_SOLVER_CHOLESKY : CR_SOLVER_CG;
}
