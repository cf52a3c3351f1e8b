/*
 * als_algorithm.c
 *		The descriptor of ALS for ratings.
 */
#include <math.h>

#include "core/algorithm.h"
#include "core/ials.h"

static const CrParameter als_parameters[] = {
	{
		.name = "factors", .type = CR_PARAMETER_INTEGER, .low = 1,
		.high = CR_FACTORS_MAX - CR_EXPLICIT_DIMS, .preset = 64, .offset = CR_COMMON(factors),
		.search = {8, 16, 32, 64},
		.meaning = "number of dimensions of an embedding, beside the biases"
	},
	{
		.name = "epochs", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 1000,
		.preset = 16, .offset = CR_COMMON(epochs), .search = {8, 16},
		.meaning = "number of passes over all users and all items"
	},
	{
		.name = "regularization", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1e6,
		.low_excluded = 1, .preset = 0.1, .offset = CR_COMMON(regularization),
		.search_low = 0.02, .search_high = 0.5, .restrains = 1,
		.meaning = "strength of the penalty on large embeddings and biases"
	},
	{
		.name = "regularization_exponent", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 2,
		.preset = 1, .offset = CR_COMMON(regularization_exponent),
		.meaning = "how the penalty grows with the number of an entity's ratings; 0: not at all"
	},
	CR_PARAMETERS_OF_RATINGS,
	CR_PARAMETER_SEED
};

const CrAlgorithm cr_als_algorithm = {
	.name = "als",
	.meaning = "alternating least squares of ratings with biases and weighted regularization",
	.scorer = CR_SCORER_INNER_PRODUCT,
	.is_explicit = 1,
	CR_PARAMETERS_OF(als_parameters)
};
