/*
 * search.c
 *		The best k of a catalogue for one vector, from its blocks.
 */
#include <math.h>

#include "core/search.h"
#include "core/vector.h"

#define FIRST_SHORTLIST	1024	/* entries, at least; it grows when k or ties ask for it */

void
cr_search_reserve(CrSearch *search, const CrCatalogue *catalogue, int32_t count)
{
	CrShortlist *list = &search->list;
	int64_t		wanted;

	if (list->capacity - list->count >= count)
		return;
	/* Half of it should be free afterwards, or this would be done over and over. */
	if (list->capacity > 0 && cr_shortlist_prune(list) >= count + list->capacity / 2)
		return;
	wanted = 2 * (int64_t) list->capacity + count;
	list->capacity = wanted < INT32_MAX ? (int32_t) wanted : INT32_MAX;
	list->entries = catalogue->grow(catalogue->context, list->entries, list->capacity);
}

/*
 * Put the items of a block that might matter on the shortlist.  The threshold
 * rises on the way; what is asked for is dearer from line to line.
 */
static void
shortlist_block(CrSearch *search, const CrCatalogue *catalogue, const CrBlockHeader *header,
				const uint8_t *bytes)
{
	CrShortlist *list = &search->list;
	float		threshold = cr_shortlist_threshold(list);
	CrBlockBound bound;
	int64_t		least;
	int32_t		count;

	cr_block_bound(&search->query, header, &bound);
	least = cr_block_least_sum(&bound, threshold);
	count = cr_block_candidates(search->simd, &search->query, header, bytes, least, search->sums,
								search->candidates);
	cr_search_reserve(search, catalogue, count);
	for (int32_t i = 0; i < count; i++)
	{
		int32_t		sum = search->sums[search->candidates[i]];
		int32_t		item_no = header->first_item_no + search->candidates[i];

		if (sum < least || !catalogue->is_eligible(catalogue->context, item_no))
			continue;
		(void) cr_shortlist_add(list, cr_block_lowest(&bound, sum),
								cr_block_highest(&bound, sum), item_no);
		if (cr_shortlist_threshold(list) > threshold)
		{
			threshold = cr_shortlist_threshold(list);
			least = cr_block_least_sum(&bound, threshold);
		}
	}
}

/* Walk the blocks that have possible items until no later one can matter. */
static void
shortlist_items(CrSearch *search, const CrCatalogue *catalogue)
{
	int32_t		capacity = cr_block_capacity(catalogue->dims);
	int32_t		item_no = catalogue->next(catalogue->context, 0);

	while (item_no < catalogue->items)
	{
		CrBlockHeader header;
		const uint8_t *bytes = catalogue->block(catalogue->context, item_no / capacity, &header);

		if (cr_block_is_hopeless(&search->query, header.max_norm,
								 cr_shortlist_threshold(&search->list)))
			break;
		shortlist_block(search, catalogue, &header, bytes);
		if (header.items >= catalogue->items - header.first_item_no)
			break;
		item_no = catalogue->next(catalogue->context, header.first_item_no + header.items);
	}
}

CrStatus
cr_search_finish(CrSearch *search, float (*score) (void *context, int32_t item_no), void *context,
				 CrTopK *top)
{
	CrShortlist *list = &search->list;
	CrShortlisted entry;

	(void) cr_shortlist_prune(list);
	cr_shortlist_heapify(list);
	cr_topk_init(top, list->lowest.entries, list->lowest.capacity);
	while (cr_shortlist_pop(list, &entry) && entry.highest >= cr_topk_threshold(top))
	{
		float		exact = score(context, entry.item_no);

		search->culprit = entry.item_no;
		if (!isfinite(exact))
			return CR_NOT_FINITE;
		cr_topk_offer(top, exact, entry.item_no);
	}
	return CR_OK;
}

/* What an exact score is made of. */
typedef struct Product
{
	const float *vector;
	const CrCatalogue *catalogue;
} Product;

static float
score_product(void *context, int32_t item_no)
{
	const Product *product = context;
	const CrCatalogue *catalogue = product->catalogue;

	return cr_dot(product->vector, catalogue->vector(catalogue->context, item_no),
				  catalogue->dims);
}

CrStatus
cr_search_begin(CrSearch *search, const CrCatalogue *catalogue, CrSimd simd,
				const float *vector, int32_t k, CrScored *best)
{
	search->simd = simd;
	search->culprit = -1;
	cr_shortlist_init(&search->list, best, k, NULL, 0);
	cr_block_query(vector, catalogue->dims, &search->query);
	if (!isfinite(search->query.norm))
		return CR_NOT_FINITE;
	cr_search_reserve(search, catalogue, k > FIRST_SHORTLIST ? k : FIRST_SHORTLIST);
	return CR_OK;
}

CrStatus
cr_search(CrSearch *search, const CrCatalogue *catalogue, CrSimd simd, const float *vector,
		  int32_t k, CrScored *best, CrTopK *top)
{
	Product		product = {vector, catalogue};

	cr_topk_init(top, best, k);
	if (cr_search_begin(search, catalogue, simd, vector, k, best) != CR_OK)
		return CR_NOT_FINITE;
	shortlist_items(search, catalogue);
	return cr_search_finish(search, score_product, &product, top);
}
