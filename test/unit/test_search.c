/*
 * test_search.c
 *		Searches equal brute force: 100,000 random ones, and those that are meant to go wrong.
 *
 * Catalogues of many shapes are cut into blocks as a training does; a case is a
 * query, k, what may be shown (a filter that lets blocks be skipped, and
 * exclusions that are asked for item by item) and a level of instructions.
 * The answer must be the same items in the same order, with the same bits as
 * scores.
 */
#include <float.h>

#include "core/rng.h"
#include "core/search.h"
#include "core/vector.h"
#include "unit.h"

#define ITEMS_MAX		1500

#include "catalogue.h"

#define CASES			100000
#define CASES_EACH		250		/* cases of one catalogue */
#define DIMS_MAX		512

static float
uniform(CrRng *rng, float low, float high)
{
	return low + (high - low) * (float) cr_rng_uniform(rng);
}

/* The size of one item: a shape of catalogue each. */
static double
size_of_item(CrRng *rng, int shape)
{
	switch (shape)
	{
		case 0:					/* as iALS makes them: few long ones, many short ones */
			return exp(-6.0 * cr_rng_uniform(rng));
		case 1:					/* flat */
			return 1.0;
		case 2:					/* huge ratios */
			return pow(10.0, uniform(rng, -30.0f, 15.0f));
		case 3:					/* denormals */
			return 1e-41;
		case 4:					/* some zeros */
			return cr_rng_next(rng) % 3 == 0 ? 0.0 : 1.0;
		default:				/* whole numbers: many equal scores */
			return 1.0;
	}
}

static void
fill_row(CrRng *rng, int shape, float *row, int32_t dims)
{
	double		size = size_of_item(rng, shape);

	cr_rng_normal(rng, 1.0, row, (size_t) dims);
	for (int32_t d = 0; d < dims; d++)
		row[d] = shape == 5 ? (float) ((int) (cr_rng_next(rng) % 3) - 1) : (float) (row[d] * size);
	/* Vectors of length 1 are what cosine models have. */
	if (shape == 1)
	{
		float		norm = cr_norm_upper(row, dims);

		for (int32_t d = 0; d < dims && norm > 0; d++)
			row[d] /= norm;
	}
}

static int32_t sort_dims;

static int
compare_rows(const void *left, const void *right)
{
	float		a = cr_norm_upper(left, sort_dims);
	float		b = cr_norm_upper(right, sort_dims);

	return a > b ? -1 : a < b;
}

static void
make_catalogue(CrRng *rng, Catalogue *catalogue, int32_t items, int32_t dims, int shape)
{
	catalogue->items = items;
	catalogue->dims = dims;
	catalogue->rows = malloc(sizeof(float) * (size_t) items * (size_t) dims);
	for (int32_t i = 0; i < items; i++)
		fill_row(rng, shape, catalogue->rows + (size_t) i * (size_t) dims, dims);
	sort_dims = dims;
	qsort(catalogue->rows, (size_t) items, sizeof(float) * (size_t) dims, compare_rows);
	cut_blocks(catalogue);
}

static CrStatus
search(Catalogue *catalogue, CrSimd simd, const float *query, int32_t k, CrScored *best, CrTopK *top)
{
	static CrSearch state;
	const CrCatalogue source = catalogue_source(catalogue);
	CrStatus	status = cr_search(&state, &source, simd, query, k, best, top);

	free(state.list.entries);
	cr_topk_sort(top);
	return status;
}

/* All items, one after the other. */
static void
brute_force(const Catalogue *catalogue, const float *query, CrTopK *top)
{
	for (int32_t i = 0; i < catalogue->items; i++)
	{
		if (catalogue->passes[i] && !catalogue->excluded[i])
			cr_topk_offer(top, cr_dot(query, catalogue->rows + (size_t) i * (size_t) catalogue->dims,
									  catalogue->dims), i);
	}
	cr_topk_sort(top);
}

/* The levels that run here, in turn. */
static CrSimd
level_of(int number)
{
	CrSimd		simd = (CrSimd) (number % 3);

	return cr_simd_is_available(simd) ? simd : CR_SIMD_PORTABLE;
}

static void
check_case(Catalogue *catalogue, CrSimd simd, const float *query, int32_t k)
{
	static CrScored expected[ITEMS_MAX], best[ITEMS_MAX];
	CrTopK		all;
	CrTopK		top;

	cr_topk_init(&all, expected, k);
	brute_force(catalogue, query, &all);
	CHECK(search(catalogue, simd, query, k, best, &top) == CR_OK);
	CHECK(top.count == all.count);
	for (int32_t i = 0; i < all.count && i < top.count; i++)
		CHECK(best[i].item_no == expected[i].item_no && best[i].score == expected[i].score);
}

/* What may be shown in the next case. */
static void
draw_eligible(CrRng *rng, Catalogue *catalogue)
{
	const float densities[] = {1.0f, 1.0f, 0.5f, 0.1f, 0.01f, 0.001f, 0.0f};
	float		passing = densities[cr_rng_next(rng) % 7];
	float		excluded = densities[2 + cr_rng_next(rng) % 5];

	for (int32_t i = 0; i < catalogue->items; i++)
	{
		catalogue->passes[i] = cr_rng_uniform(rng) < passing || passing == 1.0f;
		catalogue->excluded[i] = cr_rng_uniform(rng) < excluded;
	}
}

static int32_t
draw_k(CrRng *rng, int32_t items)
{
	const int32_t ks[] = {1, 2, 10, 10, 10, 100};
	int32_t		k = ks[cr_rng_next(rng) % 6];

	if (cr_rng_next(rng) % 20 == 0)
		k = items;
	return k < items ? k : items;
}

static void
random_cases_equal_brute_force(void)
{
	const int32_t dims[] = {1, 2, 3, 8, 15, 16, 17, 32, 64, 64, 64, 129, 512};
	static Catalogue catalogue;
	static float query[DIMS_MAX];
	CrRng		rng;

	for (int round = 0; round < CASES / CASES_EACH; round++)
	{
		int32_t		d = dims[round % 13];
		int32_t		items = d > 100 ? 40 : 1;
		int			shape = round / 13 % 6;

		cr_rng_init(&rng, 94, (uint64_t) round);
		items += (int32_t) (cr_rng_next(&rng) % (uint64_t) (d > 100 ? 60 : d > 32 ? 500 : ITEMS_MAX));
		make_catalogue(&rng, &catalogue, items, d, shape);
		for (int i = 0; i < CASES_EACH; i++)
		{
			fill_row(&rng, i % 2 == 0 ? shape : 0, query, d);
			if (i % 10 == 0)
				draw_eligible(&rng, &catalogue);
			check_case(&catalogue, level_of(i), query, draw_k(&rng, items));
		}
		free_catalogue(&catalogue);
	}
}

/* All vectors the same, in one dimension and in many: ties are by item number. */
static void
equal_items_come_in_their_order(void)
{
	static Catalogue catalogue;
	const int32_t dims[] = {1, 64, 512};
	static float query[DIMS_MAX];
	CrRng		rng;

	cr_rng_init(&rng, 95, 0);
	for (int i = 0; i < 3; i++)
	{
		make_catalogue(&rng, &catalogue, 300, dims[i], 1);
		for (int32_t j = 1; j < 300; j++)
			memcpy(catalogue.rows + j * dims[i], catalogue.rows, sizeof(float) * (size_t) dims[i]);
		for (int32_t b = 0; b * cr_block_capacity(dims[i]) < 300; b++)
		{
			int32_t		first = b * cr_block_capacity(dims[i]);
			CrBlockItems block = {catalogue.rows, dims[i], dims[i], cr_block_capacity(dims[i]), first};

			block.items = 300 - first < block.items ? 300 - first : block.items;
			CHECK(cr_block_encode(&block, catalogue.blocks + b * CR_BLOCK_BYTES_MAX) == CR_OK);
		}
		memset(catalogue.passes, 1, sizeof(catalogue.passes));
		memset(catalogue.excluded, 0, sizeof(catalogue.excluded));
		catalogue.excluded[3] = 1;
		cr_rng_normal(&rng, 1.0, query, (size_t) dims[i]);
		for (int level = 0; level < 3; level++)
			check_case(&catalogue, level_of(level), query, 17);
		/* So does a query that likes nothing. */
		memset(query, 0, sizeof(query));
		check_case(&catalogue, level_of(2), query, 17);
		free_catalogue(&catalogue);
	}
}

/* On norms as iALS makes them most blocks are never asked for, and hardly more than k items scored. */
static void
searches_little(void)
{
	static Catalogue catalogue;
	static float query[64];
	CrRng		rng;

	cr_rng_init(&rng, 96, 0);
	make_catalogue(&rng, &catalogue, ITEMS_MAX, 64, 0);
	memset(catalogue.passes, 1, sizeof(catalogue.passes));
	memset(catalogue.excluded, 0, sizeof(catalogue.excluded));
	catalogue.asked = 0;
	catalogue.scored = 0;
	for (int i = 0; i < 100; i++)
	{
		fill_row(&rng, 1, query, 64);
		check_case(&catalogue, level_of(i), query, 10);
	}
	CHECK(catalogue.asked < 100 * (ITEMS_MAX / cr_block_capacity(64)) * 2 / 3);
	CHECK(catalogue.scored < 100 * 20);
	/* A filter lets whole blocks be passed over. */
	catalogue.asked = 0;
	memset(catalogue.passes, 0, sizeof(catalogue.passes));
	catalogue.passes[777] = 1;
	check_case(&catalogue, level_of(2), query, 10);
	CHECK(catalogue.asked == 1);
	free_catalogue(&catalogue);
}

/* Scores that overflow are an answer of their own, wherever they hide; items out of reach do no harm. */
static void
overflow_is_reported(void)
{
	static Catalogue catalogue;
	float		query[4] = {1e30f, 1e30f, 1e30f, 1e30f};
	static CrScored best[10];
	CrTopK		top;
	CrRng		rng;

	cr_rng_init(&rng, 97, 0);
	make_catalogue(&rng, &catalogue, 100, 4, 1);
	memset(catalogue.passes, 1, sizeof(catalogue.passes));
	memset(catalogue.excluded, 0, sizeof(catalogue.excluded));
	check_case(&catalogue, level_of(0), query, 10);
	for (int32_t i = 0; i < 400; i++)
		catalogue.rows[i] *= 1e30f;
	{
		CrBlockItems block = {catalogue.rows, 4, 4, 100, 0};

		CHECK(cr_block_encode(&block, catalogue.blocks) == CR_OK);
	}
	CHECK(search(&catalogue, level_of(1), query, 10, best, &top) == CR_NOT_FINITE);
	query[0] = NAN;
	CHECK(search(&catalogue, level_of(1), query, 10, best, &top) == CR_NOT_FINITE);
	free_catalogue(&catalogue);
}

UNIT_MAIN(UNIT_TEST(random_cases_equal_brute_force),
		  UNIT_TEST(equal_items_come_in_their_order),
		  UNIT_TEST(searches_little),
		  UNIT_TEST(overflow_is_reported));
