/*
 * test_algorithm.c
 *		The descriptors: names, ranges, defaults, and defaults from the data.
 */
#include "core/algorithm.h"
#include "core/ials.h"
#include "unit.h"

static const CrParameter *
ials(const char *name)
{
	return cr_parameter_find(cr_algorithm_find("ials"), name);
}

static void
algorithms_are_found_by_name(void)
{
	CHECK(cr_algorithm_find("ials") != NULL);
	CHECK(cr_algorithm_find("ials") == cr_algorithm_at(0));
	CHECK(cr_algorithm_find("IALS") == NULL);
	CHECK(cr_algorithm_find("") == NULL);
	CHECK(cr_algorithm_at(-1) == NULL);
	CHECK(cr_algorithm_at(1000) == NULL);
	CHECK(ials("no_such_parameter") == NULL);
}

/* What error hints and documentation print. */
static void
every_descriptor_is_complete(void)
{
	const CrAlgorithm *algorithm;

	for (int i = 0; (algorithm = cr_algorithm_at(i)) != NULL; i++)
	{
		CHECK(strlen(algorithm->meaning) > 0);
		CHECK(cr_algorithm_find(algorithm->name) == algorithm);
		for (int j = 0; j < algorithm->parameter_count; j++)
		{
			const CrParameter *p = &algorithm->parameters[j];

			CHECK(cr_parameter_find(algorithm, p->name) == p);
			CHECK(strlen(p->meaning) > 0);
			CHECK(p->low < p->high);
			CHECK(p->from_data || cr_parameter_allows(p, p->preset));
			CHECK(!p->from_data || isnan(p->preset));
			CHECK((p->type == CR_PARAMETER_CHOICE) == (p->choices[0] != NULL));
			for (int c = 0; p->type == CR_PARAMETER_CHOICE && c <= (int) p->high; c++)
				CHECK(cr_parameter_choice(p, p->choices[c], strlen(p->choices[c])) == c);
		}
	}
}

static void
presets_are_written(void)
{
	CrHyperparameters p;

	memset(&p, 0x55, sizeof(p));
	cr_parameters_preset(cr_algorithm_find("ials"), &p);
	CHECK(p.factors == 64);
	CHECK(p.epochs == 16);
	CHECK(isnan(p.unobserved_weight));
	CHECK(isnan(p.regularization));
	CHECK(p.regularization_exponent == 1);
	CHECK(p.alpha == 1);
	CHECK(p.half_life == INFINITY);
	CHECK(isnan(p.popularity_weight));
	CHECK(isnan(p.popularity_half_life));
	CHECK(p.min_item_users == 1);
	CHECK(p.min_user_items == 1);
	CHECK(p.seed == 42);
	CHECK(isnan(p.solver));
}

/* What an algorithm does not have does nothing. */
static void
ratings_have_presets_of_their_own(void)
{
	CrHyperparameters p;

	memset(&p, 0x55, sizeof(p));
	CHECK(cr_algorithm_find("als")->is_explicit);
	CHECK(!cr_algorithm_find("ials")->is_explicit);
	CHECK(cr_parameter_find(cr_algorithm_find("als"), "alpha") == NULL);
	cr_parameters_preset(cr_algorithm_find("als"), &p);
	CHECK(p.factors == 64);
	CHECK(p.regularization == 0.1);
	CHECK(p.unobserved_weight == 0);
	CHECK(p.popularity_weight == 0);
	CHECK(p.alpha == 1);
	CHECK(p.half_life == INFINITY);
	CHECK(p.solver == CR_SOLVER_CHOLESKY);
	cr_defaults_from_shape(&cr_ials_algorithm, &p, 10, 10, 10);
	CHECK(p.unobserved_weight == 0);
}

static void
choices_are_words(void)
{
	CHECK(cr_parameter_choice(ials("solver"), "cholesky", 8) == CR_SOLVER_CHOLESKY);
	CHECK(cr_parameter_choice(ials("solver"), "cg", 2) == CR_SOLVER_CG);
	CHECK(cr_parameter_choice(ials("solver"), "cgs", 3) == -1);
	CHECK(cr_parameter_choice(ials("solver"), "c", 1) == -1);
	CHECK(cr_parameter_choice(ials("solver"), "", 0) == -1);
	CHECK(cr_parameter_choice(ials("factors"), "cg", 2) == -1);
	CHECK(!cr_parameter_allows(ials("solver"), 0.5));
	CHECK(!cr_parameter_allows(ials("solver"), 2));
}

/* Small systems are solved faster than improved. */
static void
solver_follows_the_factors(void)
{
	CrHyperparameters p;

	for (int factors = 1; factors <= CR_FACTORS_MAX; factors++)
	{
		cr_parameters_preset(cr_algorithm_find("ials"), &p);
		p.factors = factors;
		cr_defaults_from_shape(&cr_ials_algorithm, &p, 10, 10, 10);
		CHECK(p.solver == (factors < 32 ? CR_SOLVER_CHOLESKY : CR_SOLVER_CG));
		p.solver = CR_SOLVER_CHOLESKY;
		cr_defaults_from_shape(&cr_ials_algorithm, &p, 10, 10, 10);
		CHECK(p.solver == CR_SOLVER_CHOLESKY);
	}
}

static void
integers_are_whole_and_in_range(void)
{
	CHECK(cr_parameter_allows(ials("factors"), 1));
	CHECK(cr_parameter_allows(ials("factors"), 512));
	CHECK(!cr_parameter_allows(ials("factors"), 0));
	CHECK(!cr_parameter_allows(ials("factors"), 513));
	CHECK(!cr_parameter_allows(ials("factors"), 64.5));
	CHECK(!cr_parameter_allows(ials("factors"), NAN));
	CHECK(!cr_parameter_allows(ials("factors"), INFINITY));
	CHECK(cr_parameter_allows(ials("epochs"), 1000));
	CHECK(!cr_parameter_allows(ials("epochs"), 1001));
	CHECK(cr_parameter_allows(ials("seed"), 0));
	CHECK(cr_parameter_allows(ials("seed"), 2147483647));
	CHECK(!cr_parameter_allows(ials("seed"), 2147483648.0));
	CHECK(!cr_parameter_allows(ials("seed"), -1));
	CHECK(cr_parameter_allows(ials("min_item_users"), 1e9));
	CHECK(!cr_parameter_allows(ials("min_user_items"), 0));
}

static void
numbers_are_in_range(void)
{
	CHECK(!cr_parameter_allows(ials("unobserved_weight"), 0));
	CHECK(cr_parameter_allows(ials("unobserved_weight"), 1e-9));
	CHECK(cr_parameter_allows(ials("unobserved_weight"), 1e6));
	CHECK(!cr_parameter_allows(ials("unobserved_weight"), 1.1e6));
	CHECK(!cr_parameter_allows(ials("unobserved_weight"), INFINITY));
	CHECK(!cr_parameter_allows(ials("regularization"), 0));
	CHECK(cr_parameter_allows(ials("regularization_exponent"), 0));
	CHECK(cr_parameter_allows(ials("regularization_exponent"), 2));
	CHECK(!cr_parameter_allows(ials("regularization_exponent"), 2.01));
	CHECK(!cr_parameter_allows(ials("alpha"), 0));
	CHECK(cr_parameter_allows(ials("half_life"), INFINITY));
	CHECK(cr_parameter_allows(ials("half_life"), 0.5));
	CHECK(!cr_parameter_allows(ials("half_life"), 0));
	CHECK(!cr_parameter_allows(ials("half_life"), -INFINITY));
	CHECK(!cr_parameter_allows(ials("half_life"), NAN));
	CHECK(cr_parameter_allows(ials("popularity_weight"), 0));
	CHECK(!cr_parameter_allows(ials("popularity_weight"), -0.1));
	CHECK(cr_parameter_allows(ials("popularity_half_life"), INFINITY));
	CHECK(!cr_parameter_allows(ials("popularity_half_life"), 0));
}

static double
weight_from_shape(int64_t users, int64_t items, int64_t pairs)
{
	CrHyperparameters p;

	cr_parameters_preset(cr_algorithm_find("ials"), &p);
	cr_defaults_from_shape(&cr_ials_algorithm, &p, users, items, pairs);
	CHECK(p.regularization == 0.01);
	return p.unobserved_weight;
}

/* 1000 users, 2000 items, 40 pairs a user: density .02. */
static void
defaults_follow_the_shape(void)
{
	CHECK_NEAR(weight_from_shape(1000, 2000, 40000), 0.2 * exp(0.6 * log(0.02)) * sqrt(40), 1e-12);
	CHECK(weight_from_shape(1000000, 1000000, 1000000) == 0.003);
	CHECK(weight_from_shape(1000, 1000, 1000000) == 0.5);
	CHECK(weight_from_shape(0, 10, 0) == 0.003);
	CHECK(weight_from_shape(10, 0, 0) == 0.003);
	CHECK(weight_from_shape(10, 10, 0) == 0.003);
}

static void
given_values_are_kept(void)
{
	CrHyperparameters p;

	cr_parameters_preset(cr_algorithm_find("ials"), &p);
	p.unobserved_weight = 7;
	p.regularization = 8;
	cr_defaults_from_shape(&cr_ials_algorithm, &p, 10, 10, 10);
	CHECK(p.unobserved_weight == 7);
	CHECK(p.regularization == 8);
	CHECK(isnan(p.popularity_weight));
}

UNIT_MAIN(UNIT_TEST(algorithms_are_found_by_name),
		  UNIT_TEST(every_descriptor_is_complete),
		  UNIT_TEST(presets_are_written),
		  UNIT_TEST(ratings_have_presets_of_their_own),
		  UNIT_TEST(choices_are_words),
		  UNIT_TEST(solver_follows_the_factors),
		  UNIT_TEST(integers_are_whole_and_in_range),
		  UNIT_TEST(numbers_are_in_range),
		  UNIT_TEST(defaults_follow_the_shape),
		  UNIT_TEST(given_values_are_kept));
