/*
 * test_metrics.c
 *		nDCG against values computed by hand.
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

UNIT_MAIN(UNIT_TEST(perfect_ranking_is_one),
		  UNIT_TEST(values_by_hand),
		  UNIT_TEST(nothing_found_or_relevant_is_zero),
		  UNIT_TEST(order_of_ranks_does_not_matter));
