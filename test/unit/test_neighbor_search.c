/*
 * test_neighbor_search.c
 *		The best k by sums and popularity equal brute force, in thousands of random cases.
 *
 * Catalogues have several blocks, and more pages than a user reaches; popularity
 * has ties, zeros and none at all.  A case is what a user reaches, k, and what may
 * be shown.  Both ways to the answer must give the items, their order and the bits
 * of their scores that looking at every item gives.
 */
#include "core/neighbor_search.h"
#include "core/rng.h"
#include "unit.h"

#define ITEMS_MAX	9000

#include "catalogue.h"

#define CASES		4000
#define CASES_EACH	50
#define K_MAX		300

static int
compare_descending(const void *left, const void *right)
{
	float		a = *(const float *) left;
	float		b = *(const float *) right;

	return a > b ? -1 : a < b;
}

/* Shapes: none at all, few values, many, the largest that may be. */
static float
popularity_of(CrRng *rng, int shape)
{
	double		uniform = cr_rng_uniform(rng);

	switch (shape)
	{
		case 0:
			return 0.0f;
		case 1:
			return (float) (int) (4.0 * uniform) / 4.0f;
		case 2:
			return (float) (uniform * uniform);
		default:
			return (float) (uniform * 1e37);
	}
}

static void
make_catalogue(CrRng *rng, Catalogue *catalogue, int32_t items, int shape)
{
	catalogue->items = items;
	catalogue->dims = 1;
	catalogue->rows = malloc(sizeof(float) * (size_t) items);
	for (int32_t i = 0; i < items; i++)
		catalogue->rows[i] = popularity_of(rng, shape);
	qsort(catalogue->rows, (size_t) items, sizeof(float), compare_descending);
	cut_blocks(catalogue);
}

static CrStatus
search(Catalogue *catalogue, CrSimd simd, const CrNeighborSums *sums, int32_t k, CrScored *best,
	   CrTopK *top)
{
	static CrSearch state;
	const CrCatalogue source = catalogue_source(catalogue);
	CrStatus	status = cr_neighbor_search(&state, &source, simd, sums, k, best, top);

	free(state.list.entries);
	cr_topk_sort(top);
	return status;
}

/* Some lists of a user, with weights that tie, cancel, or are all of one sign. */
static void
reach(CrRng *rng, CrNeighborSums *sums)
{
	int			lists = (int) (cr_rng_next(rng) % 6);
	int			shape = (int) (cr_rng_next(rng) % 4);
	int32_t		near = (int32_t) (cr_rng_next(rng) % (uint64_t) sums->items);

	cr_neighbor_sums_clear(sums);
	for (int n = 0; n < lists; n++)
	{
		int32_t		item_no[200];
		float		weight[200];
		CrNeighborList list = {0, item_no, weight};

		for (int32_t at = near; at < sums->items && list.count < 200;
			 at += 1 + (int32_t) (cr_rng_next(rng) % 40), list.count++)
		{
			item_no[list.count] = at;
			weight[list.count] = shape == 0 ? (float) (cr_rng_uniform(rng) - 0.5) :
				shape == 1 ? (float) ((int) (cr_rng_next(rng) % 3) - 1) :
				(float) (cr_rng_uniform(rng) * (shape == 2 ? 1.0 : -1.0));
		}
		cr_neighbor_sums_add(sums, &list, shape == 1 ? 1.0f : (float) (1.0 + cr_rng_uniform(rng)));
	}
}

static void
choose_eligible(CrRng *rng, Catalogue *catalogue)
{
	int			filter = (int) (cr_rng_next(rng) % 3);

	for (int32_t i = 0; i < catalogue->items; i++)
	{
		catalogue->passes[i] = filter == 0 || cr_rng_next(rng) % (filter == 1 ? 3 : 500) == 0;
		catalogue->excluded[i] = cr_rng_next(rng) % 4 == 0;
	}
}

static void
brute_force(const Catalogue *catalogue, const CrNeighborSums *sums, CrTopK *top)
{
	for (int32_t i = 0; i < catalogue->items; i++)
	{
		if (catalogue->passes[i] && !catalogue->excluded[i])
			cr_topk_offer(top, cr_neighbor_score(cr_neighbor_sum(sums, i), catalogue->rows[i]),
						  i);
	}
	cr_topk_sort(top);
}

static int
is_same(const CrTopK *a, const CrTopK *b)
{
	return a->count == b->count &&
		memcmp(a->entries, b->entries, sizeof(CrScored) * (size_t) a->count) == 0;
}

static void
try_case(CrRng *rng, Catalogue *catalogue, CrNeighborSums *sums, CrSimd simd)
{
	static CrScored expected_entries[K_MAX], found_entries[K_MAX], offered_entries[K_MAX];
	int32_t		k = 1 + (int32_t) (cr_rng_next(rng) % (cr_rng_next(rng) % 2 == 0 ? 10 : K_MAX));
	int32_t		culprit;
	CrTopK		expected, found, offered;

	reach(rng, sums);
	choose_eligible(rng, catalogue);
	cr_topk_init(&expected, expected_entries, k);
	brute_force(catalogue, sums, &expected);
	CHECK(search(catalogue, simd, sums, k, found_entries, &found) == CR_OK);
	CHECK(is_same(&found, &expected));
	cr_topk_init(&offered, offered_entries, k);
	CHECK(cr_neighbor_best(sums, catalogue->rows, get_eligible, catalogue, &offered,
						   &culprit) == CR_OK);
	cr_topk_sort(&offered);
	CHECK(is_same(&offered, &expected));
}

static void
make_sums(CrNeighborSums *sums, int32_t items)
{
	int32_t		pages = cr_neighbor_pages(items);

	cr_neighbor_sums_init(sums, items, malloc(sizeof(int32_t) * (size_t) pages),
						  malloc(sizeof(double) * CR_NEIGHBOR_PAGE * (size_t) pages), pages);
}

static void
free_sums(CrNeighborSums *sums)
{
	free(sums->page);
	free(sums->sum);
}

static void
answers_are_those_of_brute_force(void)
{
	static Catalogue catalogue;
	const CrSimd levels[] = {CR_SIMD_PORTABLE, cr_simd_best()};
	CrRng		rng;

	cr_rng_init(&rng, 5, 1);
	for (int i = 0; i < CASES; i += CASES_EACH)
	{
		int32_t		items = 1 + (int32_t) (cr_rng_next(&rng) % (i % 3 == 0 ? ITEMS_MAX : 200));
		CrNeighborSums sums;

		make_catalogue(&rng, &catalogue, items, (i / CASES_EACH) % 4);
		make_sums(&sums, items);
		for (int n = 0; n < CASES_EACH; n++)
			try_case(&rng, &catalogue, &sums, levels[n % 2]);
		free_sums(&sums);
		free_catalogue(&catalogue);
	}
}

/* Where scores are all alike, a large catalogue costs no more than what is asked for. */
static void
a_large_catalogue_is_not_walked(void)
{
	static Catalogue catalogue;
	CrScored	entries[10];
	CrNeighborSums sums;
	CrTopK		top;
	CrRng		rng;
	int32_t		culprit;

	cr_rng_init(&rng, 5, 2);
	make_catalogue(&rng, &catalogue, ITEMS_MAX, 0);
	make_sums(&sums, ITEMS_MAX);
	memset(catalogue.passes, 1, sizeof(catalogue.passes));
	memset(catalogue.excluded, 0, sizeof(catalogue.excluded));
	CHECK(search(&catalogue, CR_SIMD_PORTABLE, &sums, 10, entries, &top) == CR_OK);
	CHECK(top.count == 10 && entries[0].item_no == 0 && entries[9].item_no == 9);
	CHECK(catalogue.scored <= 20 && catalogue.doubted <= 20);
	catalogue.doubted = 0;
	cr_topk_init(&top, entries, 10);
	CHECK(cr_neighbor_best(&sums, catalogue.rows, get_eligible, &catalogue, &top,
						   &culprit) == CR_OK);
	CHECK(top.count == 10 && catalogue.doubted <= 20);
	free_sums(&sums);
	free_catalogue(&catalogue);
}

/* A score that a float cannot hold is no answer, and the item is named. */
static void
overflow_is_an_error(void)
{
	static Catalogue catalogue;
	const int32_t item_no[2] = {7, 70};
	const float weight[2] = {1e30f, 3e38f};
	const CrNeighborList list = {2, item_no, weight};
	CrScored	entries[10];
	static CrSearch state;
	CrCatalogue source;
	CrNeighborSums sums;
	CrTopK		top;
	CrRng		rng;
	int32_t		culprit = -1;

	cr_rng_init(&rng, 5, 3);
	make_catalogue(&rng, &catalogue, 100, 2);
	source = catalogue_source(&catalogue);
	make_sums(&sums, 100);
	memset(catalogue.passes, 1, sizeof(catalogue.passes));
	memset(catalogue.excluded, 0, sizeof(catalogue.excluded));
	cr_neighbor_sums_add(&sums, &list, 1e10f);
	CHECK(cr_neighbor_search(&state, &source, CR_SIMD_PORTABLE, &sums, 10, entries,
							 &top) == CR_NOT_FINITE);
	CHECK(state.culprit == 7 || state.culprit == 70);
	free(state.list.entries);
	cr_topk_init(&top, entries, 10);
	CHECK(cr_neighbor_best(&sums, catalogue.rows, get_eligible, &catalogue, &top,
						   &culprit) == CR_NOT_FINITE);
	CHECK(culprit == 7 || culprit == 70);
	free_sums(&sums);
	free_catalogue(&catalogue);
}

UNIT_MAIN(UNIT_TEST(answers_are_those_of_brute_force),
		  UNIT_TEST(a_large_catalogue_is_not_walked),
		  UNIT_TEST(overflow_is_an_error));
