/*
 * test_topk.c
 *		The best k equal the head of a full sort, ties and infinities included.
 */
#include "core/rng.h"
#include "core/topk.h"
#include "unit.h"

#define ITEMS	500

static int
compare_best_first(const void *left, const void *right)
{
	const CrScored *a = left;
	const CrScored *b = right;

	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	return a->item_no < b->item_no ? -1 : a->item_no > b->item_no;
}

/* Items 0 .. n-1 in random order; "levels" distinct scores make ties. */
static void
make_stream(uint64_t stream, int32_t n, uint64_t levels, CrScored *items)
{
	CrRng		rng;

	cr_rng_init(&rng, 41, stream);
	for (int32_t i = 0; i < n; i++)
	{
		int32_t		j = (int32_t) (cr_rng_next(&rng) % (uint64_t) (i + 1));

		items[i] = items[j];
		items[j].item_no = i;
		items[j].score = (float) (cr_rng_next(&rng) % levels) - 3.0f;
	}
}

/* Offer all, checking threshold and answer against the definition at every step. */
static void
compare_with_sort(const CrScored *items, int32_t n, int32_t k)
{
	CrScored   *heap = malloc(sizeof(CrScored) * (size_t) k);
	CrScored   *sorted = malloc(sizeof(CrScored) * (size_t) n + 1);
	CrTopK		top;

	cr_topk_init(&top, heap, k);
	for (int32_t i = 0; i < n; i++)
	{
		float		threshold = cr_topk_threshold(&top);
		int			accepted = cr_topk_accepts(&top, items[i].score, items[i].item_no);
		int			taken = cr_topk_offer(&top, items[i].score, items[i].item_no);

		CHECK(i < k ? threshold == -INFINITY : isfinite(threshold));
		CHECK(accepted == taken);
		CHECK(i >= k || taken);
		CHECK(!taken || items[i].score >= threshold);
		CHECK(taken || items[i].score <= threshold);
	}
	cr_topk_sort(&top);
	if (n > 0)
		memcpy(sorted, items, sizeof(CrScored) * (size_t) n);
	qsort(sorted, (size_t) n, sizeof(CrScored), compare_best_first);
	CHECK(top.count == (n < k ? n : k));
	for (int32_t i = 0; i < top.count; i++)
		CHECK(heap[i].score == sorted[i].score && heap[i].item_no == sorted[i].item_no);
	free(heap);
	free(sorted);
}

static void
equals_the_head_of_a_sort(void)
{
	const int32_t ks[] = {1, 2, 3, 10, 64, ITEMS - 1, ITEMS, ITEMS + 1, 3 * ITEMS};
	const uint64_t levels[] = {1, 2, 10, 1000000};
	CrScored	items[ITEMS];

	for (size_t i = 0; i < sizeof(ks) / sizeof(ks[0]); i++)
	{
		for (size_t j = 0; j < sizeof(levels) / sizeof(levels[0]); j++)
		{
			make_stream(i * 10 + j, ITEMS, levels[j], items);
			compare_with_sort(items, ITEMS, ks[i]);
		}
	}
	for (int32_t n = 0; n < 40; n++)
	{
		make_stream(1000 + (uint64_t) n, n, 5, items);
		for (int32_t k = 1; k < 42; k++)
			compare_with_sort(items, n, k);
	}
}

static void
order_of_offers_does_not_matter(void)
{
	CrScored	items[ITEMS];

	make_stream(7, ITEMS, 20, items);
	qsort(items, ITEMS, sizeof(CrScored), compare_best_first);
	compare_with_sort(items, ITEMS, 17);
	for (int32_t i = 0; i < ITEMS / 2; i++)
	{
		CrScored	swapped = items[i];

		items[i] = items[ITEMS - 1 - i];
		items[ITEMS - 1 - i] = swapped;
	}
	compare_with_sort(items, ITEMS, 17);
}

static void
ties_go_to_the_lower_item_number(void)
{
	CrScored	heap[2];
	CrTopK		top;

	cr_topk_init(&top, heap, 2);
	CHECK(cr_topk_offer(&top, 1.0f, 9) == 1);
	CHECK(cr_topk_offer(&top, 1.0f, 8) == 1);
	CHECK(cr_topk_offer(&top, 1.0f, 10) == 0);
	CHECK(cr_topk_offer(&top, 1.0f, 3) == 1);
	CHECK(cr_topk_offer(&top, 0.0f, 1) == 0);
	cr_topk_sort(&top);
	CHECK(heap[0].item_no == 3 && heap[1].item_no == 8);
}

/* Zeros of either sign are equal; NaN is never taken, not even into an empty heap. */
static void
odd_scores_keep_the_order(void)
{
	CrScored	heap[3];
	CrTopK		top;

	cr_topk_init(&top, heap, 3);
	CHECK(cr_topk_offer(&top, NAN, 0) == 0);
	CHECK(top.count == 0 && cr_topk_threshold(&top) == -INFINITY);
	CHECK(cr_topk_offer(&top, -INFINITY, 5) == 1);
	CHECK(cr_topk_offer(&top, -0.0f, 4) == 1);
	CHECK(cr_topk_offer(&top, 0.0f, 6) == 1);
	CHECK(cr_topk_threshold(&top) == -INFINITY);
	CHECK(cr_topk_offer(&top, NAN, 0) == 0);
	CHECK(cr_topk_offer(&top, INFINITY, 7) == 1);
	CHECK(cr_topk_threshold(&top) == 0.0f);
	cr_topk_sort(&top);
	CHECK(heap[0].item_no == 7 && heap[1].item_no == 4 && heap[2].item_no == 6);
}

UNIT_MAIN(UNIT_TEST(equals_the_head_of_a_sort),
		  UNIT_TEST(order_of_offers_does_not_matter),
		  UNIT_TEST(ties_go_to_the_lower_item_number),
		  UNIT_TEST(odd_scores_keep_the_order));
