/*
 * test_shortlist.c
 *		A shortlist never drops an item that is among the best k.
 */
#include "core/rng.h"
#include "core/shortlist.h"
#include "unit.h"

#define ITEMS	500

/* Scores, from few values so that many are equal, and bounds around them. */
static void
make_scores(CrRng *rng, float *score, float *lowest, float *highest)
{
	double		slack = 3.0 * cr_rng_uniform(rng);

	for (int i = 0; i < ITEMS; i++)
	{
		score[i] = (float) (cr_rng_next(rng) % 40) / 4.0f;
		lowest[i] = score[i] - (float) (slack * cr_rng_uniform(rng));
		highest[i] = score[i] + (float) (slack * cr_rng_uniform(rng));
	}
}

/* Add everything, in room for one and a half k; pop, score exactly, and return how many were scored. */
static int
best_by_shortlist(const float *score, const float *lowest, const float *highest, int32_t k,
				  CrScored *best)
{
	static CrScored heap[ITEMS];
	static CrShortlisted entries[ITEMS];
	CrShortlist list;
	CrShortlisted entry;
	CrTopK		top;
	int			scored = 0;

	cr_shortlist_init(&list, heap, k, entries, ITEMS);
	for (int i = 0; i < ITEMS; i++)
	{
		CHECK(cr_shortlist_add(&list, lowest[i], highest[i], i) ||
			  highest[i] < cr_shortlist_threshold(&list));
		if (i % 50 == 0)
			CHECK(cr_shortlist_prune(&list) == list.capacity - list.count);
	}
	(void) cr_shortlist_prune(&list);
	cr_shortlist_heapify(&list);
	cr_topk_init(&top, best, k);
	while (cr_shortlist_pop(&list, &entry) && entry.highest >= cr_topk_threshold(&top))
	{
		CHECK(entry.highest == highest[entry.item_no]);
		cr_topk_offer(&top, score[entry.item_no], entry.item_no);
		scored++;
	}
	cr_topk_sort(&top);
	return scored;
}

static void
equals_scoring_everything(void)
{
	static float score[ITEMS], lowest[ITEMS], highest[ITEMS];
	static CrScored all[ITEMS], best[ITEMS];
	const int32_t ks[] = {1, 2, 10, 77, ITEMS};
	CrRng		rng;

	cr_rng_init(&rng, 91, 0);
	for (int round = 0; round < 300; round++)
	{
		int32_t		k = ks[round % 5];
		CrTopK		top;

		make_scores(&rng, score, lowest, highest);
		cr_topk_init(&top, all, k);
		for (int i = 0; i < ITEMS; i++)
			cr_topk_offer(&top, score[i], i);
		cr_topk_sort(&top);
		(void) best_by_shortlist(score, lowest, highest, k, best);
		for (int32_t i = 0; i < k; i++)
			CHECK(best[i].item_no == all[i].item_no && best[i].score == all[i].score);
	}
}

/* With exact bounds no more is scored than k and what ties with the last. */
static void
scores_little_with_tight_bounds(void)
{
	static float score[ITEMS];
	static CrScored best[ITEMS];

	for (int i = 0; i < ITEMS; i++)
		score[i] = (float) ((i * 7919) % 1009);
	CHECK(best_by_shortlist(score, score, score, 10, best) == 10);
}

/* Where nothing is known, everything is scored. */
static void
unknown_bounds_lose_nothing(void)
{
	static float score[ITEMS], lowest[ITEMS], highest[ITEMS];
	static CrScored best[ITEMS];

	for (int i = 0; i < ITEMS; i++)
	{
		score[i] = (float) i;
		lowest[i] = -INFINITY;
		highest[i] = INFINITY;
	}
	CHECK(best_by_shortlist(score, lowest, highest, 3, best) == ITEMS);
	CHECK(best[0].item_no == ITEMS - 1 && best[2].item_no == ITEMS - 3);
}

UNIT_MAIN(UNIT_TEST(equals_scoring_everything),
		  UNIT_TEST(scores_little_with_tight_bounds),
		  UNIT_TEST(unknown_bounds_lose_nothing));
