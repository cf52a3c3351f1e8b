/*
 * test_bootstrap.c
 *		Intervals against theory, paired columns, columns that are not always defined.
 */
#include <stdint.h>

#include "core/bootstrap.h"
#include "unit.h"

#define REPLICATES	2000
#define USERS		4000
#define COLUMNS		5

static int
compare_doubles(const void *left, const void *right)
{
	double		a = *(const double *) left;
	double		b = *(const double *) right;

	return a < b ? -1 : a > b;
}

static void
interval(const CrBootstrap *bootstrap, int32_t column, int32_t defined, double *low,
		 double *high)
{
	double		means[REPLICATES];
	int32_t		count = cr_bootstrap_means(bootstrap, column, defined, means);

	CHECK(count == REPLICATES);
	qsort(means, (size_t) count, sizeof(double), compare_doubles);
	*low = cr_quantile(means, count, 0.025);
	*high = cr_quantile(means, count, 0.975);
}

/*
 * Columns: ones; a normal figure; the same and 1; a figure of every other
 * user; where that is.
 */
static void
intervals_are_as_wide_as_theory_says(void)
{
	void	   *workspace = unit_alloc(cr_bootstrap_workspace_size(REPLICATES, COLUMNS));
	float	   *figures = unit_alloc(USERS * COLUMNS * sizeof(float));
	float	   *normal = unit_alloc(USERS * sizeof(float));
	double		mean = 0;
	double		low;
	double		high;
	CrBootstrap bootstrap;
	CrRng		rng;

	cr_rng_init(&rng, 7, 7);
	cr_rng_normal(&rng, 1.0, normal, USERS);
	for (int i = 0; i < USERS; i++)
	{
		float	   *row = figures + i * COLUMNS;

		row[0] = 1;
		row[1] = normal[i];
		row[2] = normal[i] + 1;
		row[3] = i % 2 == 0 ? 10 + normal[i] : 0;
		row[4] = i % 2 == 0;
		mean += normal[i] / USERS;
	}
	cr_bootstrap_begin(&bootstrap, REPLICATES, COLUMNS, 42, workspace);
	for (int from = 0; from < USERS; from += CR_BOOTSTRAP_USERS)
		cr_bootstrap_add(&bootstrap, figures + from * COLUMNS,
						 USERS - from < CR_BOOTSTRAP_USERS ? USERS - from : CR_BOOTSTRAP_USERS);

	/* 1.96 standard errors on either side */
	interval(&bootstrap, 1, 0, &low, &high);
	CHECK_NEAR(low, mean - 1.96 / sqrt(USERS), 0.003);
	CHECK_NEAR(high, mean + 1.96 / sqrt(USERS), 0.003);
	/* a constant has no width, nor has a constant difference */
	interval(&bootstrap, 0, 0, &low, &high);
	CHECK(low == 1 && high == 1);
	for (int i = 0; i < REPLICATES; i++)
	{
		const double *sums = bootstrap.sums + i * COLUMNS;

		CHECK_NEAR((sums[2] - sums[1]) / sums[0], 1, 1e-5);
	}
	/* half of the users: the mean of those, with their error */
	interval(&bootstrap, 3, 4, &low, &high);
	CHECK_NEAR(low + high, 20, 0.12);
	CHECK_NEAR(high - low, 2 * 1.96 / sqrt(USERS / 2), 0.008);
	free(normal);
	free(figures);
	free(workspace);
}

static void
quantiles_by_hand(void)
{
	const double values[] = {1, 2, 4};

	CHECK_NEAR(cr_quantile(values, 3, 0), 1, 0);
	CHECK_NEAR(cr_quantile(values, 3, 0.25), 1.5, 1e-15);
	CHECK_NEAR(cr_quantile(values, 3, 0.75), 3, 1e-15);
	CHECK_NEAR(cr_quantile(values, 3, 1), 4, 0);
	CHECK(isnan(cr_quantile(values, 0, 0.5)));
}

static void
undefined_everywhere_has_no_means(void)
{
	void	   *workspace = unit_alloc(cr_bootstrap_workspace_size(100, 2));
	float		figures[] = {0, 0, 0, 0};
	double		means[100];
	CrBootstrap bootstrap;

	cr_bootstrap_begin(&bootstrap, 100, 2, 1, workspace);
	cr_bootstrap_add(&bootstrap, figures, 2);
	CHECK(cr_bootstrap_means(&bootstrap, 0, 1, means) == 0);
	free(workspace);
}

UNIT_MAIN(UNIT_TEST(intervals_are_as_wide_as_theory_says),
		  UNIT_TEST(quantiles_by_hand),
		  UNIT_TEST(undefined_everywhere_has_no_means));
