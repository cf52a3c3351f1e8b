/*
 * ials_algorithm.c
 *		The descriptor of iALS: its hyperparameters, and their defaults from the data.
 */
#include <math.h>

#include "core/algorithm.h"
#include "core/ials.h"

/* From so many factors on, CG reaches a loss sooner: doc/design.md, "Solving rows". */
#define CG_FACTORS_MIN	32

static const CrParameter ials_parameters[] = {
	{
		.name = "factors", .type = CR_PARAMETER_INTEGER, .low = 1, .high = CR_FACTORS_MAX,
		.preset = 64, .offset = CR_COMMON(factors), .search = {32, 64, 128, 256, 512},
		.meaning = "number of dimensions of an embedding"
	},
	{
		.name = "epochs", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 1000,
		.preset = 16, .offset = CR_COMMON(epochs), .search = {8, 16},
		.meaning = "number of passes over all users and all items"
	},
	{
		.name = "unobserved_weight", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1e6,
		.low_excluded = 1, .from_data = 1, .preset = NAN, .offset = CR_COMMON(unobserved_weight),
		.search_spread = 4,
		.meaning = "weight of every pair of user and item, observed or not, towards 0"
	},
	{
		.name = "regularization", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1e6,
		.low_excluded = 1, .from_data = 1, .preset = NAN, .offset = CR_COMMON(regularization),
		.search_low = 0.002, .search_high = 0.05, .restrains = 1,
		.meaning = "strength of the penalty on large embeddings"
	},
	{
		.name = "regularization_exponent", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 2,
		.preset = 1, .offset = CR_COMMON(regularization_exponent),
		.meaning = "how the penalty grows with the number of an entity's events; 0: not at all"
	},
	{
		.name = "alpha", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1e6,
		.low_excluded = 1, .preset = 1, .offset = CR_COMMON(alpha),
		.meaning = "confidence of a pair is alpha * log2(1 + preference)"
	},
	CR_PARAMETER_HALF_LIFE,
	CR_PARAMETER_POPULARITY_WEIGHT,
	CR_PARAMETER_POPULARITY_HALF_LIFE,
	CR_PARAMETER_MIN_ITEM_USERS,
	CR_PARAMETER_MIN_USER_ITEMS,
	CR_PARAMETER_SEED,
	{
		.name = "solver", .type = CR_PARAMETER_CHOICE, .low = CR_SOLVER_CHOLESKY,
		.high = CR_SOLVER_CG, .choices = {"cholesky", "cg"}, .from_data = 1, .preset = NAN,
		.offset = CR_COMMON(solver),
		.meaning = "how embeddings are computed: exactly, or by a few steps of conjugate gradients"
	}
};

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

static void
defaults_from_shape(CrHyperparameters *used, int64_t users, int64_t items, int64_t pairs)
{
	if (isnan(used->unobserved_weight))
		used->unobserved_weight = unobserved_weight_from_shape(users, items, pairs);
	if (isnan(used->regularization))
		used->regularization = 0.01;
	if (isnan(used->solver))
		used->solver = used->factors < CG_FACTORS_MIN ? CR_SOLVER_CHOLESKY : CR_SOLVER_CG;
}

/* Two half steps an epoch, solved by CG or exactly, at some 20 GFLOP/s: doc/benchmarks.md. */
static double
cost(const CrHyperparameters *used, int64_t users, int64_t items, int64_t pairs)
{
	double		k = used->factors;
	double		rows = (double) (users + items);
	double		epoch = 20.0 * (double) pairs * k + 3 * rows * k * k;

	if (used->solver == CR_SOLVER_CHOLESKY)
		epoch = 2 * (double) pairs * k * (k + 1) + rows * k * k * k / 3;
	return used->epochs * epoch / 2e10;
}

const CrAlgorithm cr_ials_algorithm = {
	.name = "ials",
	.meaning = "implicit alternating least squares with frequency-scaled regularization",
	.scorer = CR_SCORER_INNER_PRODUCT,
	.fold = CR_FOLD_RIDGE,
	CR_PARAMETERS_OF(ials_parameters),
	.defaults_from_shape = defaults_from_shape,
	.cost = cost
};
