/*
 * test_mmr.c
 *		Maximal marginal relevance against its definition.
 */
#include "core/mmr.h"
#include "core/rng.h"
#include "unit.h"

#define ITEMS	60
#define DIMS	7

static double
cosine(const float *a, const float *b)
{
	double		product = 0.0, aa = 0.0, bb = 0.0;

	for (int i = 0; i < DIMS; i++)
	{
		product += (double) a[i] * b[i];
		aa += (double) a[i] * a[i];
		bb += (double) b[i] * b[i];
	}
	return aa == 0.0 || bb == 0.0 ? 0.0 : product / sqrt(aa * bb);
}

/* The value that an item has when "chosen" are listed already. */
static double
marginal(const float *scores, float (*rows)[DIMS], double diversity, const int32_t *chosen, int count,
		 int item)
{
	double		range = scores[0] - (double) scores[ITEMS - 1];
	double		relevance = range > 0 ? (scores[item] - (double) scores[ITEMS - 1]) / range : 1.0;
	double		nearest = -2.0;

	for (int i = 0; i < count; i++)
		nearest = fmax(nearest, cosine(rows[item], rows[chosen[i]]));
	return (1.0 - diversity) * relevance - (count > 0 ? diversity * nearest : 0.0);
}

static void
make_pool(uint64_t stream, float *scores, float (*rows)[DIMS])
{
	CrRng		rng;

	cr_rng_init(&rng, 93, stream);
	cr_rng_normal(&rng, 1.0, rows[0], ITEMS * DIMS);
	memset(rows[5], 0, sizeof(rows[5]));
	memcpy(rows[11], rows[3], sizeof(rows[3]));
	for (int i = 0; i < ITEMS; i++)
		scores[i] = 10.0f - (float) i * (stream % 2 == 0 ? 0.1f : 0.0f);
}

/* Each choice is the best there is, up to rounding; nothing is chosen twice. */
static void
follows_the_definition(void)
{
	static float scores[ITEMS], rows[ITEMS][DIMS];
	float		workspace[4 * ITEMS];
	int32_t		chosen[ITEMS];
	const CrMmrPool pool = {scores, rows[0], DIMS, DIMS, ITEMS, NULL, NULL};

	CHECK(cr_mmr_workspace_size(ITEMS) <= 4 * ITEMS);
	for (int round = 0; round < 20; round++)
	{
		double		diversity = round / 19.0;
		char		taken[ITEMS] = {0};

		make_pool((uint64_t) round, scores, rows);
		cr_mmr_select(&pool, diversity, ITEMS, workspace, chosen);
		for (int n = 0; n < ITEMS; n++)
		{
			double		value = marginal(scores, rows, diversity, chosen, n, chosen[n]);

			CHECK(chosen[n] >= 0 && chosen[n] < ITEMS && !taken[chosen[n]]);
			for (int i = 0; i < ITEMS; i++)
				CHECK(taken[i] || i == chosen[n] ||
					  marginal(scores, rows, diversity, chosen, n, i) <= value + 1e-5);
			taken[chosen[n]] = 1;
		}
	}
}

/* What comes first does not depend on how many are wanted: pages fit together. */
static void
a_longer_list_begins_like_a_shorter(void)
{
	static float scores[ITEMS], rows[ITEMS][DIMS];
	float		workspace[4 * ITEMS];
	int32_t		all[ITEMS], some[ITEMS];
	const CrMmrPool pool = {scores, rows[0], DIMS, DIMS, ITEMS, NULL, NULL};

	make_pool(4, scores, rows);
	cr_mmr_select(&pool, 0.5, ITEMS, workspace, all);
	for (int wanted = 0; wanted < ITEMS; wanted += 7)
	{
		cr_mmr_select(&pool, 0.5, wanted, workspace, some);
		CHECK(memcmp(some, all, sizeof(int32_t) * (size_t) wanted) == 0);
	}
}

/* Without diversity, or without factors, the order is that of the scores. */
static void
plain_order_stays(void)
{
	static float scores[ITEMS], rows[ITEMS][DIMS];
	float		workspace[4 * ITEMS];
	int32_t		chosen[ITEMS];
	CrMmrPool	pool = {scores, rows[0], DIMS, DIMS, ITEMS, NULL, NULL};

	make_pool(1, scores, rows);
	cr_mmr_select(&pool, 0.0, ITEMS, workspace, chosen);
	for (int i = 0; i < ITEMS; i++)
		CHECK(chosen[i] == i);
	pool.dims = 0;
	cr_mmr_select(&pool, 0.7, ITEMS, workspace, chosen);
	for (int i = 0; i < ITEMS; i++)
		CHECK(chosen[i] == i);
	pool.count = 0;
	cr_mmr_select(&pool, 0.7, 0, workspace, chosen);
}

/* Vectors whose products overflow have no likeness, and do no harm. */
static void
overflow_does_no_harm(void)
{
	float		scores[3] = {3.0f, 2.0f, 1.0f};
	float		rows[3][DIMS];
	float		workspace[12];
	int32_t		chosen[3];
	const CrMmrPool pool = {scores, rows[0], DIMS, DIMS, 3, NULL, NULL};

	for (int i = 0; i < 3 * DIMS; i++)
		rows[i / DIMS][i % DIMS] = (i % 2 == 0 ? 3e38f : -3e38f);
	cr_mmr_select(&pool, 1.0, 3, workspace, chosen);
	CHECK(chosen[0] + chosen[1] + chosen[2] == 3 && chosen[0] != chosen[1]);
}

static void
alike_by_vectors(void *context, int32_t i, float *likeness)
{
	float		(*rows)[DIMS] = context;

	for (int j = 0; j < ITEMS; j++)
		likeness[j] = (float) cosine(rows[i], rows[j]);
}

/* A caller who says himself how alike items are gets the order of the vectors that he says it by. */
static void
likeness_may_be_given(void)
{
	static float scores[ITEMS], rows[ITEMS][DIMS];
	float		workspace[4 * ITEMS];
	int32_t		by_vectors[ITEMS], given[ITEMS];
	const CrMmrPool vectors = {scores, rows[0], DIMS, DIMS, ITEMS, NULL, NULL};
	const CrMmrPool likeness = {scores, NULL, 0, 0, ITEMS, alike_by_vectors, rows};

	for (uint64_t stream = 0; stream < 6; stream++)
	{
		make_pool(stream, scores, rows);
		cr_mmr_select(&vectors, 0.6, 20, workspace, by_vectors);
		cr_mmr_select(&likeness, 0.6, 20, workspace, given);
		CHECK(memcmp(by_vectors, given, 20 * sizeof(int32_t)) == 0);
	}
}

UNIT_MAIN(UNIT_TEST(follows_the_definition),
		  UNIT_TEST(likeness_may_be_given),
		  UNIT_TEST(a_longer_list_begins_like_a_shorter),
		  UNIT_TEST(plain_order_stays),
		  UNIT_TEST(overflow_does_no_harm));
