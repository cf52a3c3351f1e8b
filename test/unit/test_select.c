/*
 * test_select.c
 *		The best k of an array against sorting it.
 */
#include "core/rng.h"
#include "core/select.h"
#include "unit.h"

static int
compare(const void *left, const void *right)
{
	const CrScored *a = left;
	const CrScored *b = right;

	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	return (a->item_no > b->item_no) - (a->item_no < b->item_no);
}

static void
check_select(int64_t n, int64_t k, int levels, uint64_t seed)
{
	CrScored   *entries = unit_alloc((size_t) n * sizeof(CrScored));
	CrScored   *sorted = unit_alloc((size_t) n * sizeof(CrScored));
	uint32_t   *counters = unit_alloc(CR_SELECT_COUNTERS * sizeof(uint32_t));
	int64_t		front = k < n ? k : n;
	CrRng		rng;

	cr_rng_init(&rng, seed, 0);
	for (int64_t e = 0; e < n; e++)
	{
		int32_t		level = (int32_t) (cr_rng_uniform(&rng) * levels);

		/* Both zeros are equal. */
		entries[e].score = level == 0 && e % 2 == 0 ? -0.0f : (float) (level - levels / 2) / 3.0f;
		entries[e].item_no = (int32_t) (n - e) * 5;
	}
	memcpy(sorted, entries, (size_t) n * sizeof(CrScored));
	qsort(sorted, (size_t) n, sizeof(CrScored), compare);
	cr_select_best(entries, n, k, counters);
	qsort(entries, (size_t) front, sizeof(CrScored), compare);
	for (int64_t e = 0; e < front; e++)
		CHECK(entries[e].item_no == sorted[e].item_no);
	free(entries);
	free(sorted);
	free(counters);
}

static void
selecting_agrees_with_sorting(void)
{
	static const int levels[] = {1, 2, 5, 1000, 1 << 30};

	for (size_t l = 0; l < sizeof(levels) / sizeof(levels[0]); l++)
	{
		check_select(0, 3, levels[l], l);
		check_select(1, 1, levels[l], l);
		check_select(5, 0, levels[l], l);
		check_select(5, 9, levels[l], l);
		check_select(100, 1, levels[l], l);
		check_select(100, 99, levels[l], l);
		check_select(5000, 300, levels[l], l);
	}
}

static void
infinities_have_their_place(void)
{
	CrScored	entries[] = {{1.0f, 1}, {-INFINITY, 2}, {INFINITY, 3}, {-1.0f, 4}, {INFINITY, 0}};
	uint32_t	counters[CR_SELECT_COUNTERS];

	cr_select_best(entries, 5, 1, counters);
	CHECK(entries[0].item_no == 0);
	cr_select_best(entries, 5, 4, counters);
	for (int e = 0; e < 4; e++)
		CHECK(entries[e].item_no != 2);
}

UNIT_MAIN(UNIT_TEST(selecting_agrees_with_sorting), UNIT_TEST(infinities_have_their_place));
