/*
 * test_rank.c
 *		Candidates against a full sort, counts by hand, Gini by its definition.
 */
#include "core/rank.h"
#include "core/rng.h"
#include "unit.h"

#define ITEMS	1000

/* The k best of the candidates must be the k best of all, whatever is blotted out. */
static void
check_candidates(CrSimd simd, uint64_t seed, int32_t k, float slack, int coarse)
{
	float		scores[ITEMS];
	int32_t		candidates[ITEMS];
	CrScored	entries[ITEMS];
	CrScored	all[ITEMS];
	CrTopK		top;
	CrTopK		best;
	CrRng		rng;
	int32_t		count;
	int32_t		at = 0;

	cr_rng_init(&rng, seed, 0);
	for (int32_t i = 0; i < ITEMS; i++)
	{
		double		uniform = cr_rng_uniform(&rng);

		scores[i] = i % 7 == 3 ? -INFINITY : (float) (coarse ? floor(uniform * 8) : uniform);
	}
	cr_topk_init(&top, entries, k);
	count = cr_rank_candidates(simd, scores, ITEMS, slack, &top, candidates);
	cr_topk_init(&best, all, k);
	for (int32_t i = 0; i < ITEMS; i++)
	{
		if (scores[i] > -INFINITY)
			cr_topk_offer(&best, scores[i], i);
	}
	cr_topk_sort(&best);
	for (int32_t i = 0; i < best.count; i++)
	{
		int			found = 0;

		for (int32_t j = 0; j < count; j++)
			found |= candidates[j] == best.entries[i].item_no;
		CHECK(found);
	}
	/* whatever is within the slack is there, in order, and nothing that is blotted out */
	for (int32_t i = 0; i < ITEMS; i++)
	{
		if (at < count && candidates[at] == i)
		{
			CHECK(scores[i] > -INFINITY);
			at++;
		}
		else if (best.count == k)
			CHECK(!(scores[i] > best.entries[k - 1].score - slack));
	}
	CHECK(at == count);
}

static void
candidates_hold_the_best(void)
{
	for (CrSimd simd = CR_SIMD_PORTABLE; simd <= cr_simd_best(); simd++)
	{
		for (uint64_t seed = 1; seed <= 20; seed++)
		{
			check_candidates(simd, seed, 1, 0.0f, 0);
			check_candidates(simd, seed, 10, 0.0f, 0);
			check_candidates(simd, seed, 10, 0.05f, 0);
			check_candidates(simd, seed, 10, 0.0f, 1);
			check_candidates(simd, seed, 10, 1.0f, 1);
			check_candidates(simd, seed, ITEMS, 0.0f, 0);
		}
	}
}

static void
counts_by_hand(void)
{
	const float scores[] = {3, 1, 2, 2, -INFINITY, 5};
	int32_t		equal;

	for (CrSimd simd = CR_SIMD_PORTABLE; simd <= cr_simd_best(); simd++)
	{
		CHECK(cr_rank_above(simd, scores, 6, 2, &equal) == 2 && equal == 2);
		CHECK(cr_rank_above(simd, scores, 6, 5, &equal) == 0 && equal == 1);
		CHECK(cr_rank_above(simd, scores, 6, 0, &equal) == 5 && equal == 0);
	}
}

static void
gini_by_hand(void)
{
	const int64_t same[] = {4, 4, 4, 4};
	const int64_t one[] = {0, 0, 0, 8};
	const int64_t some[] = {1, 2, 3, 4};
	const int64_t none[] = {0, 0};

	CHECK_NEAR(cr_gini(same, 4), 0, 1e-15);
	CHECK_NEAR(cr_gini(one, 4), 0.75, 1e-15);
	/* mean difference of all pairs over twice the mean: (20 / 16) / 5 */
	CHECK_NEAR(cr_gini(some, 4), 0.25, 1e-15);
	CHECK_NEAR(cr_gini(none, 2), 0, 1e-15);
}

UNIT_MAIN(UNIT_TEST(candidates_hold_the_best),
		  UNIT_TEST(counts_by_hand),
		  UNIT_TEST(gini_by_hand));
