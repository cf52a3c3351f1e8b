/*
 * test_metrics.c
 *		Metrics against values computed by hand, and against all orders of equal scores.
 */
#include "core/metrics.h"
#include "unit.h"

static void
perfect_ranking_is_one(void)
{
	const int32_t ranks[] = {1, 2, 3, 4, 5};

	CHECK_NEAR(cr_ndcg(ranks, 1, 1, 10), 1.0, 1e-15);
	CHECK_NEAR(cr_ndcg(ranks, 5, 5, 10), 1.0, 1e-15);
	CHECK_NEAR(cr_ndcg(ranks, 3, 50, 3), 1.0, 1e-15);
}

static void
values_by_hand(void)
{
	const int32_t third[] = {3};
	const int32_t pair[] = {2, 4};

	/* 1/log2(4) over 1 */
	CHECK_NEAR(cr_ndcg(third, 1, 1, 10), 0.5, 1e-15);
	/* (1/log2(3) + 1/log2(5)) over (1 + 1/log2(3)) */
	CHECK_NEAR(cr_ndcg(pair, 2, 2, 10), (0.6309297535714575 + 0.43067655807339306) /
			   1.6309297535714575, 1e-15);
	/* the same with a third relevant item that was missed: 1/log2(4) more in the ideal */
	CHECK_NEAR(cr_ndcg(pair, 2, 3, 10), (0.6309297535714575 + 0.43067655807339306) /
			   2.1309297535714575, 1e-15);
}

static void
nothing_found_or_relevant_is_zero(void)
{
	CHECK(cr_ndcg(NULL, 0, 5, 10) == 0.0);
	CHECK(cr_ndcg(NULL, 0, 0, 10) == 0.0);
	CHECK(cr_ndcg(NULL, 0, 5, 0) == 0.0);
}

static void
order_of_ranks_does_not_matter(void)
{
	const int32_t up[] = {1, 4, 9};
	const int32_t down[] = {9, 4, 1};

	CHECK_NEAR(cr_ndcg(up, 3, 7, 10), cr_ndcg(down, 3, 7, 10), 1e-15);
}

static void
average_precision_by_hand(void)
{
	const int32_t ranks[] = {1, 3, 4};

	/* (1/1 + 2/3 + 3/4) / 3 */
	CHECK_NEAR(cr_average_precision(ranks, 3, 3, 10), (1.0 + 2.0 / 3 + 3.0 / 4) / 3, 1e-15);
	/* one relevant item was missed; only two could be in two places */
	CHECK_NEAR(cr_average_precision(ranks, 3, 4, 10), (1.0 + 2.0 / 3 + 3.0 / 4) / 4, 1e-15);
	CHECK_NEAR(cr_average_precision(ranks, 1, 4, 2), 0.5, 1e-15);
	CHECK(cr_average_precision(ranks, 0, 0, 10) == 0.0);
}

/* One ranking of single places: relevance 0 or 1 each. */
static CrRanking
rank_singly(const int *relevant, int count, int64_t k)
{
	CrRanking	ranking;

	cr_ranking_begin(&ranking, k);
	for (int i = 0; i < count; i++)
	{
		CrTies		ties = {1, relevant[i], relevant[i]};

		cr_ranking_group(&ranking, &ties);
		cr_ranking_pass(&ranking, 1);
	}
	return ranking;
}

static void
ranking_without_ties(void)
{
	const int	relevant[] = {0, 1, 0, 1, 1};
	CrRanking	ranking = rank_singly(relevant, 5, 4);

	CHECK_NEAR(ranking.hits, 2, 1e-15);
	CHECK_NEAR(ranking.dcg, 0.6309297535714575 + 0.43067655807339306, 1e-15);
	CHECK_NEAR(ranking.precision_sum, 1.0 / 2 + 2.0 / 4 + 3.0 / 5, 1e-15);
	CHECK_NEAR(ranking.reciprocal, 0.5, 1e-15);
	CHECK(ranking.places == 5);
}

/*
 * A first item that is irrelevant, then n equals of which r are relevant: the
 * ranking's sums must be the means over all C(n, r) orders.
 */
static void
check_ties(int n, int r, int64_t k)
{
	int			orders = 0;
	double		dcg = 0;
	double		hits = 0;
	double		precision_sum = 0;
	double		reciprocal = 0;
	CrRanking	ranking;
	CrTies		first = {1, 0, 0};
	CrTies		ties = {n, r, r};

	for (int bits = 0; bits < 1 << n; bits++)
	{
		int			relevant[16] = {0};
		CrRanking	one;

		if (__builtin_popcount((unsigned) bits) != r)
			continue;
		for (int i = 0; i < n; i++)
			relevant[i + 1] = bits >> i & 1;
		one = rank_singly(relevant, n + 1, k);
		orders++;
		dcg += one.dcg;
		hits += one.hits;
		precision_sum += one.precision_sum;
		reciprocal += one.reciprocal;
	}
	cr_ranking_begin(&ranking, k);
	cr_ranking_group(&ranking, &first);
	cr_ranking_pass(&ranking, 1);
	cr_ranking_group(&ranking, &ties);
	cr_ranking_pass(&ranking, 1);
	cr_ranking_pass(&ranking, n - 1);
	CHECK_NEAR(ranking.dcg, dcg / orders, 1e-12);
	CHECK_NEAR(ranking.hits, hits / orders, 1e-12);
	CHECK_NEAR(ranking.precision_sum, precision_sum / orders, 1e-12);
	CHECK_NEAR(ranking.reciprocal, reciprocal / orders, 1e-12);
}

static void
ties_are_the_mean_over_all_orders(void)
{
	for (int n = 1; n <= 8; n++)
		for (int r = 0; r <= n; r++)
			for (int64_t k = 1; k <= n + 2; k++)
				check_ties(n, r, k);
}

static void
auc_by_hand(void)
{
	CrAuc		auc = {0, 0, 0};

	CHECK(isnan(cr_auc_value(&auc)));
	/* scores .8 + | .4 - | .35 + | .1 -: the first positive wins twice, the second once */
	cr_auc_add(&auc, 1, 0);
	CHECK(isnan(cr_auc_value(&auc)));
	cr_auc_add(&auc, 0, 1);
	cr_auc_add(&auc, 1, 0);
	cr_auc_add(&auc, 0, 1);
	CHECK_NEAR(cr_auc_value(&auc), 0.75, 1e-15);
	/* all equal: a coin */
	auc = (CrAuc) {0, 0, 0};
	cr_auc_add(&auc, 3, 5);
	CHECK_NEAR(cr_auc_value(&auc), 0.5, 1e-15);
}

static void
normal_quantiles_are_those_of_tables(void)
{
	CHECK_NEAR(cr_normal_quantile(0.5), 0, 0);
	CHECK_NEAR(cr_normal_quantile(0.975), 1.959963984540054, 1e-14);
	CHECK_NEAR(cr_normal_quantile(0.025), -1.959963984540054, 1e-14);
	CHECK_NEAR(cr_normal_quantile(0.995), 2.5758293035489004, 1e-14);
	CHECK_NEAR(cr_normal_quantile(0.75), 0.6744897501960817, 1e-15);
	CHECK_NEAR(cr_normal_quantile(1e-10), -6.361340902404056, 1e-12);
	CHECK_NEAR(cr_normal_quantile(1e-300), -37.0471, 1e-4);
	/* the distribution function undoes it */
	for (double p = 0.001; p < 1; p += 0.001)
		CHECK_NEAR(0.5 * erfc(-cr_normal_quantile(p) / sqrt(2)), p, 1e-14);
}

/* Newcombe, Two-sided confidence intervals for the single proportion, 1998, table I, method 3. */
static void
wilson_intervals_are_newcombes(void)
{
	const struct
	{
		int64_t		successes;
		int64_t		trials;
		double		low;
		double		high;
	}			cases[] = {{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605},
	{0, 20, 0.0, 0.1611}, {1, 29, 0.0061, 0.1718}};

	for (int i = 0; i < 4; i++)
	{
		double		low;
		double		high;

		cr_wilson(cases[i].successes, cases[i].trials, 1.959963984540054, &low, &high);
		CHECK_NEAR(low, cases[i].low, 5e-5);
		CHECK_NEAR(high, cases[i].high, 5e-5);
		cr_wilson(cases[i].trials, cases[i].trials, 1.96, &low, &high);
		CHECK(low < 1 && high == 1);
	}
}

UNIT_MAIN(UNIT_TEST(perfect_ranking_is_one),
		  UNIT_TEST(normal_quantiles_are_those_of_tables),
		  UNIT_TEST(wilson_intervals_are_newcombes),
		  UNIT_TEST(average_precision_by_hand),
		  UNIT_TEST(ranking_without_ties),
		  UNIT_TEST(ties_are_the_mean_over_all_orders),
		  UNIT_TEST(auc_by_hand),
		  UNIT_TEST(values_by_hand),
		  UNIT_TEST(nothing_found_or_relevant_is_zero),
		  UNIT_TEST(order_of_ranks_does_not_matter));
