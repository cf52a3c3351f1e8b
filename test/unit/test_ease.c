/*
 * test_ease.c
 *		EASE against the inverse of the dense matrix, in double.
 */
#include "item_item.h"

static CrHyperparameters
ease(double regularization, double neighbors)
{
	CrHyperparameters used;

	cr_parameters_preset(cr_algorithm_find("ease"), &used);
	set(&used, "ease", "regularization", regularization);
	set(&used, "ease", "neighbors", neighbors);
	return used;
}

/* Invert a symmetric positive definite matrix in place by Gauss and Jordan. */
static void
invert(double *a, int32_t n)
{
	for (int32_t k = 0; k < n; k++)
	{
		double		pivot = a[k * n + k];

		a[k * n + k] = 1.0;
		for (int32_t j = 0; j < n; j++)
			a[k * n + j] /= pivot;
		for (int32_t i = 0; i < n; i++)
		{
			double		factor = a[i * n + k];

			if (i == k)
				continue;
			a[i * n + k] = 0.0;
			for (int32_t j = 0; j < n; j++)
				a[i * n + j] -= factor * a[k * n + j];
		}
	}
}

/* W, straight from the paper. */
static double *
dense_weights(const Community *c, double regularization)
{
	size_t		n = (size_t) c->items;
	double	   *p = unit_alloc(n * n * sizeof(double));
	double	   *w = unit_alloc(n * n * sizeof(double));

	for (int32_t user = 0; user < c->users; user++)
	{
		for (int64_t a = c->by_user.start[user]; a < c->by_user.start[user + 1]; a++)
		{
			for (int64_t b = c->by_user.start[user]; b < c->by_user.start[user + 1]; b++)
				p[(size_t) c->by_user.column[a] * n + (size_t) c->by_user.column[b]] +=
					(double) c->by_user.weight[a] * c->by_user.weight[b];
		}
	}
	for (size_t i = 0; i < n; i++)
		p[i * n + i] += regularization;
	invert(p, c->items);
	for (size_t i = 0; i < n; i++)
	{
		for (size_t j = 0; j < n; j++)
			w[i * n + j] = i == j ? 0.0 : -p[i * n + j] / p[j * n + j];
	}
	free(p);
	return w;
}

/* Fewer items than a tile, just one tile, and several, the last of them with few. */
static void
lists_agree_with_the_dense_inverse(void)
{
	static const int32_t sizes[] = {2, 40, 256, 257, 600};

	for (int variant = 0; variant < 10; variant++)
	{
		int			is_weighted = variant >= 5;
		Community	c = community_random(400, sizes[variant % 5], 0.15, is_weighted, 3);
		CrHyperparameters used = ease(20.0, 700);
		double	   *want = dense_weights(&c, 20.0);
		Training	t;

		CHECK(community_train(&t, "ease", &used, &c, is_weighted, 0) == CR_OK);
		CHECK(t.trained.lists.start[c.items] > 0);
		check_lists(&t.trained.lists, want, c.items, 1, 700, 0);
		training_end(&t);
		community_free(&c);
		free(want);
	}
}

/* What is near 0 is left out first, whatever its sign. */
static void
the_largest_weights_are_kept(void)
{
	Community	c = community_random(300, 90, 0.2, 1.0, 4);
	CrHyperparameters used = ease(50.0, 9);
	double	   *want = dense_weights(&c, 50.0);
	Training	t;
	int			negative = 0;

	CHECK(community_train(&t, "ease", &used, &c, 1, 0) == CR_OK);
	check_lists(&t.trained.lists, want, c.items, 1, 9, 0);
	for (int64_t e = 0; e < t.trained.lists.start[c.items]; e++)
		negative += t.trained.lists.weight[e] < 0;
	CHECK(negative > 0);
	training_end(&t);
	community_free(&c);
	free(want);
}

static void
the_order_of_units_does_not_matter(void)
{
	Community	c = community_random(500, 700, 0.1, 1.0, 9);
	CrHyperparameters used = ease(100.0, 600);

	check_any_order("ease", &used, &c, 0);
	check_any_order("ease", &used, &c, 1);
	community_free(&c);
}

static void
there_may_be_nothing_to_learn(void)
{
	CrHyperparameters used = ease(1.0, 10);

	check_nothing_to_learn("ease", &used);
}

/* Almost singular without the penalty: two items that the same users have. */
static void
weights_may_be_extreme(void)
{
	CrHyperparameters used = ease(1e-6, 10);
	Community	large = community_random(20, 20, 0.5, 1e30, 7);
	Community	all = community_random(20, 20, 1.0, 0, 7);
	Training	t;
	CrStatus	status;

	CHECK(community_train(&t, "ease", &used, &large, 1, 0) == CR_NOT_FINITE);
	training_end(&t);
	status = community_train(&t, "ease", &used, &all, 0, 0);
	CHECK(status == CR_OK || status == CR_SINGULAR);
	for (int64_t e = 0; status == CR_OK && e < t.trained.lists.start[20]; e++)
		CHECK(isfinite(t.trained.lists.weight[e]));
	training_end(&t);
	community_free(&large);
	community_free(&all);
}

/* The lower half of the matrix takes 2 bytes for each of items x items. */
static void
the_plan_fits_any_catalogue(void)
{
	CrHyperparameters used = ease(1.0, 100);

	check_plan_grows("ease", &used, 2.0 * INT32_MAX * INT32_MAX);
}

static void
the_regularization_follows_the_items_of_a_user(void)
{
	const CrAlgorithm *algorithm = cr_algorithm_find("ease");
	CrHyperparameters used;

	cr_parameters_preset(algorithm, &used);
	CHECK(isnan(used.regularization));
	cr_defaults_from_shape(algorithm, &used, 100, 50, 4000);
	CHECK(used.regularization == 200.0);
	cr_defaults_from_shape(algorithm, &used, 100, 50, 100);
	CHECK(used.regularization == 200.0);
	cr_parameters_preset(algorithm, &used);
	cr_defaults_from_shape(algorithm, &used, 0, 0, 0);
	CHECK(cr_parameter_allows(cr_parameter_find(algorithm, "regularization"), used.regularization));
}

UNIT_MAIN(UNIT_TEST(the_regularization_follows_the_items_of_a_user),
		  UNIT_TEST(lists_agree_with_the_dense_inverse),
		  UNIT_TEST(the_largest_weights_are_kept),
		  UNIT_TEST(the_order_of_units_does_not_matter),
		  UNIT_TEST(there_may_be_nothing_to_learn),
		  UNIT_TEST(weights_may_be_extreme),
		  UNIT_TEST(the_plan_fits_any_catalogue));
