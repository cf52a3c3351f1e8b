/*
 * test_item_knn.c
 *		item_knn against similarities computed densely from their definitions.
 */
#include "item_item.h"

static const char *const similarities[] = {"cosine", "jaccard", "tfidf", "bm25"};

static CrHyperparameters
knn(const char *similarity, double shrinkage, double neighbors)
{
	const CrAlgorithm *algorithm = cr_algorithm_find("item_knn");
	CrHyperparameters used;

	cr_parameters_preset(algorithm, &used);
	cr_defaults_from_shape(algorithm, &used, 10, 10, 10);
	set(&used, "item_knn", "similarity",
		cr_parameter_choice(cr_parameter_find(algorithm, "similarity"), similarity, strlen(similarity)));
	set(&used, "item_knn", "shrinkage", shrinkage);
	set(&used, "item_knn", "neighbors", neighbors);
	return used;
}

static double
column_sum(const Community *c, int32_t item)
{
	double		sum = 0.0;

	for (int32_t user = 0; user < c->users; user++)
		sum += community_at(c, user, item);
	return sum;
}

static double
idf(const Community *c, int32_t user)
{
	int			items = 0;

	for (int32_t item = 0; item < c->items; item++)
		items += community_at(c, user, item) > 0;
	return log((c->items + 1.0) / (1.0 + items));
}

/* x_ui, as the similarity weighs it. */
static double
weighed(const Community *c, const char *similarity, int32_t user, int32_t item)
{
	double		confidence = community_at(c, user, item);
	double		mean = 0.0;

	if (confidence == 0.0 || strcmp(similarity, "cosine") == 0)
		return confidence;
	if (strcmp(similarity, "jaccard") == 0)
		return 1.0;
	if (strcmp(similarity, "tfidf") == 0)
		return sqrt(confidence) * idf(c, user);
	for (int32_t other = 0; other < c->items; other++)
		mean += column_sum(c, other) / c->items;
	return confidence * 2.2 / (1.2 * (0.25 + 0.75 * column_sum(c, item) / mean) + confidence) * idf(c, user);
}

static double
dense_similarity(const double *x, const Community *c, int32_t i, int32_t j, int is_jaccard,
				 double shrinkage)
{
	double		ii = 0.0;
	double		jj = 0.0;
	double		ij = 0.0;

	for (int32_t user = 0; user < c->users; user++)
	{
		double		xi = x[user * c->items + i];
		double		xj = x[user * c->items + j];

		ii += xi * xi;
		jj += xj * xj;
		ij += xi * xj;
	}
	if (ij == 0.0 || i == j)
		return 0.0;
	return ij / ((is_jaccard ? ii + jj - ij : sqrt(ii * jj)) + shrinkage);
}

static double *
dense_similarities(const Community *c, const char *similarity, double shrinkage)
{
	double	   *x = unit_alloc((size_t) c->users * (size_t) c->items * sizeof(double));
	double	   *s = unit_alloc((size_t) c->items * (size_t) c->items * sizeof(double));

	for (int32_t user = 0; user < c->users; user++)
	{
		for (int32_t item = 0; item < c->items; item++)
			x[user * c->items + item] = weighed(c, similarity, user, item);
	}
	for (int32_t i = 0; i < c->items; i++)
	{
		for (int32_t j = 0; j < c->items; j++)
			s[i * c->items + j] = dense_similarity(x, c, i, j, strcmp(similarity, "jaccard") == 0, shrinkage);
	}
	free(x);
	return s;
}

/* Sparse enough for lists of places, and dense enough for whole rows. */
static void
lists_agree_with_dense_similarities(void)
{
	for (int s = 0; s < 4; s++)
	{
		for (int variant = 0; variant < 8; variant++)
		{
			Community	c = community_random(60, 50, variant & 1 ? 0.3 : 0.02, variant & 2 ? 1.0 : 0.0, 5);
			double		shrinkage = variant & 4 ? 10.0 : 0.0;
			CrHyperparameters used = knn(similarities[s], shrinkage, variant & 4 ? 7 : 100);
			double	   *want = dense_similarities(&c, similarities[s], shrinkage);
			Training	t;

			CHECK(community_train(&t, "item_knn", &used, &c, (variant & 2) != 0, 0) == CR_OK);
			CHECK(t.trained.lists.start[c.items] > 0);
			check_lists(&t.trained.lists, want, c.items, 1, variant & 4 ? 7 : 100, 0);
			training_end(&t);
			community_free(&c);
			free(want);
		}
	}
}

static void
the_order_of_units_does_not_matter(void)
{
	Community	c = community_random(3000, 700, 0.2, 1.0, 6);

	for (int s = 0; s < 4; s++)
	{
		CrHyperparameters used = knn(similarities[s], 5.0, 20);

		check_any_order("item_knn", &used, &c, s % 2);
	}
	community_free(&c);
}

static void
there_may_be_nothing_to_learn(void)
{
	for (int s = 0; s < 4; s++)
	{
		CrHyperparameters used = knn(similarities[s], 0.0, 10);

		check_nothing_to_learn("item_knn", &used);
	}
}

/* The square of a weight is more than a float holds, or less: an error, or no neighbours, but no NaN. */
static void
weights_may_be_extreme(void)
{
	CrHyperparameters used = knn("cosine", 0.0, 10);
	Community	large = community_random(20, 20, 0.5, 1e30, 7);
	Community	tiny = community_random(20, 20, 0.5, 1e-30, 7);
	Training	t;

	CHECK(community_train(&t, "item_knn", &used, &large, 1, 0) == CR_NOT_FINITE);
	training_end(&t);
	CHECK(community_train(&t, "item_knn", &used, &tiny, 1, 0) == CR_OK);
	for (int64_t e = 0; e < t.trained.lists.start[20]; e++)
		CHECK(isfinite(t.trained.lists.weight[e]));
	training_end(&t);
	community_free(&large);
	community_free(&tiny);
}

/* An entry takes 16 bytes. */
static void
the_plan_fits_any_catalogue(void)
{
	CrHyperparameters used = knn("bm25", 0.0, CR_ITEM_LISTS_WIDTH_MAX);

	check_plan_grows("item_knn", &used, 16.0 * CR_ITEM_LISTS_WIDTH_MAX * INT32_MAX);
}

UNIT_MAIN(UNIT_TEST(lists_agree_with_dense_similarities),
		  UNIT_TEST(the_order_of_units_does_not_matter),
		  UNIT_TEST(there_may_be_nothing_to_learn),
		  UNIT_TEST(weights_may_be_extreme),
		  UNIT_TEST(the_plan_fits_any_catalogue));
