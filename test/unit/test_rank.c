/*
 * test_rank.c
 *		Counts by hand and for long rows, Gini by its definition.
 */
#include "core/rank.h"
#include "core/rng.h"
#include "unit.h"

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

/* Rows of any length, so that vectors have a rest. */
static void
counts_of_long_rows(void)
{
	float		scores[300];
	CrRng		rng;

	cr_rng_init(&rng, 3, 0);
	for (int i = 0; i < 300; i++)
		scores[i] = i % 7 == 3 ? -INFINITY : (float) floor(cr_rng_uniform(&rng) * 20);
	for (CrSimd simd = CR_SIMD_PORTABLE; simd <= cr_simd_best(); simd++)
	{
		for (int items = 1; items <= 300; items++)
		{
			int32_t		above = 0;
			int32_t		same = 0;
			int32_t		equal;

			for (int i = 0; i < items; i++)
			{
				above += scores[i] > scores[items / 2];
				same += scores[i] == scores[items / 2];
			}
			CHECK(cr_rank_above(simd, scores, items, scores[items / 2], &equal) == above);
			CHECK(equal == same);
		}
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

UNIT_MAIN(UNIT_TEST(counts_by_hand),
		  UNIT_TEST(counts_of_long_rows),
		  UNIT_TEST(gini_by_hand));
