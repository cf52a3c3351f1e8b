/*
 * test_rp3beta.c
 *		rp3beta against walks computed densely from their definition.
 */
#include "item_item.h"

static CrHyperparameters
walk(double exponent, double penalty, double neighbors, double normalization, double preferences)
{
	CrHyperparameters used;

	cr_parameters_preset(cr_algorithm_find("rp3beta"), &used);
	set(&used, "rp3beta", "walk_exponent", exponent);
	set(&used, "rp3beta", "popularity_penalty", penalty);
	set(&used, "rp3beta", "neighbors", neighbors);
	set(&used, "rp3beta", "normalization", normalization);
	set(&used, "rp3beta", "preferences", preferences);
	return used;
}

/* The number of a row's or column's positive preferences, or their sum. */
static double
total(const Community *c, int32_t user, int32_t item, int is_binary)
{
	double		sum = 0.0;

	for (int32_t n = 0; n < (user < 0 ? c->users : c->items); n++)
	{
		double		x = user < 0 ? community_at(c, n, item) : community_at(c, user, n);

		sum += is_binary ? x > 0 : x;
	}
	return sum;
}

/* The steps from item i to j. */
static double
walk_weight(const Community *c, int32_t i, int32_t j, double exponent, double penalty, int is_binary)
{
	double		sum = 0.0;

	for (int32_t user = 0; user < c->users && i != j; user++)
	{
		double		to = is_binary ? community_at(c, user, j) > 0 : community_at(c, user, j);

		if (community_at(c, user, i) > 0 && to > 0)
			sum += pow(1 / total(c, -1, i, 1), exponent) * pow(to / total(c, user, 0, is_binary), exponent);
	}
	return sum == 0.0 ? 0.0 : sum * pow(total(c, -1, j, 1), -penalty);
}

static void
lists_agree_with_dense_walks(void)
{
	for (int variant = 0; variant < 16; variant++)
	{
		int			is_weighted = variant & 1;
		int			is_binary = !is_weighted || variant & 2;
		int			is_normalized = (variant & 4) != 0;
		int32_t		neighbors = variant & 8 ? 6 : 100;
		Community	c = community_random(40, 30, variant & 8 ? 0.3 : 0.02, is_weighted, 8);
		CrHyperparameters used = walk(0.8, 0.3, neighbors, is_normalized, (variant & 2) != 0);
		double	   *want = unit_alloc((size_t) c.items * (size_t) c.items * sizeof(double));
		Training	t;

		for (int32_t at = 0; at < c.items * c.items; at++)
			want[at] = walk_weight(&c, at / c.items, at % c.items, 0.8, 0.3, is_binary);
		CHECK(community_train(&t, "rp3beta", &used, &c, is_weighted, 0) == CR_OK);
		CHECK(t.trained.lists.start[c.items] > 0);
		check_lists(&t.trained.lists, want, c.items, 0, neighbors, is_normalized);
		training_end(&t);
		community_free(&c);
		free(want);
	}
}

static void
the_order_of_units_does_not_matter(void)
{
	Community	c = community_random(3000, 700, 0.2, 1.0, 9);
	CrHyperparameters used = walk(0.8, 0.3, 600, 1, 0);

	check_any_order("rp3beta", &used, &c, 0);
	check_any_order("rp3beta", &used, &c, 1);
	community_free(&c);
}

static void
there_may_be_nothing_to_learn(void)
{
	CrHyperparameters used = walk(1.0, 0.5, 10, 0, 0);

	check_nothing_to_learn("rp3beta", &used);
}

/* Powers that a float cannot hold leave no NaN behind; steps of exponent 0 are all alike. */
static void
exponents_and_weights_may_be_extreme(void)
{
	static const double scales[] = {1e-30, 1.0, 1e30};
	static const double exponents[] = {0.0, 10.0};

	for (int at = 0; at < 12; at++)
	{
		Community	c = community_random(90, 20, 0.8, scales[at % 3], 7);
		CrHyperparameters used = walk(exponents[at / 3 % 2], exponents[at / 6], 10, at % 2, 0);
		Training	t;

		CHECK(community_train(&t, "rp3beta", &used, &c, 1, 0) == CR_OK);
		CHECK(t.trained.lists.start[20] > 0);
		for (int64_t e = 0; e < t.trained.lists.start[20]; e++)
			CHECK(isfinite(t.trained.lists.weight[e]));
		training_end(&t);
		community_free(&c);
	}
}

/* An entry takes 16 bytes. */
static void
the_plan_fits_any_catalogue(void)
{
	CrHyperparameters used = walk(1.0, 0.5, CR_ITEM_LISTS_WIDTH_MAX, 0, 0);

	check_plan_grows("rp3beta", &used, 16.0 * CR_ITEM_LISTS_WIDTH_MAX * INT32_MAX);
}

static void
the_penalty_follows_the_density(void)
{
	const CrAlgorithm *algorithm = cr_algorithm_find("rp3beta");
	const CrParameter *penalty = cr_parameter_find(algorithm, "popularity_penalty");
	static const int64_t pairs[] = {0, 1, 4000, 10000, 300000, 10000000};
	double		before = -1.0;

	for (size_t at = 0; at < sizeof(pairs) / sizeof(pairs[0]); at++)
	{
		CrHyperparameters used;
		double		value;

		cr_parameters_preset(algorithm, &used);
		cr_defaults_from_shape(algorithm, &used, 10000, 1000, pairs[at]);
		value = *(double *) ((char *) &used + penalty->offset);
		CHECK(cr_parameter_allows(penalty, value));
		CHECK(value > before || value == 0.0);
		before = value;
	}
	CHECK_NEAR(before, 0.7, 1e-12);
}

UNIT_MAIN(UNIT_TEST(lists_agree_with_dense_walks),
		  UNIT_TEST(the_penalty_follows_the_density),
		  UNIT_TEST(the_order_of_units_does_not_matter),
		  UNIT_TEST(there_may_be_nothing_to_learn),
		  UNIT_TEST(exponents_and_weights_may_be_extreme),
		  UNIT_TEST(the_plan_fits_any_catalogue));
