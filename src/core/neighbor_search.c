/*
 * neighbor_search.c
 *		The best k of a catalogue for the sums that one user's lists add up to.
 *
 * Adding and rounding are monotonic: a bound of the popularity, put in its
 * place, gives a bound of the score.  Items of equal popularity, and equal sums
 * of 0, are ranked by their numbers, so that what is not reached comes in the
 * order of its numbers.
 */
#include <math.h>

#include "core/neighbor_search.h"

/* The vector whose inner product with an item is its popularity. */
static const float unit_vector[1] = {1.0f};

/* A block, and what its codes say of the popularity of its items. */
typedef struct Popularity
{
	const CrCatalogue *catalogue;
	CrSearch   *search;
	CrBlockHeader header;		/* of the block; no items: there is none yet */
	CrBlockBound bound;
} Popularity;

/* Go to the item's block. */
static void
load_block(Popularity *popularity, int32_t item_no)
{
	const CrCatalogue *catalogue = popularity->catalogue;
	CrSearch   *search = popularity->search;
	const uint8_t *bytes;

	if (item_no >= popularity->header.first_item_no &&
		item_no - popularity->header.first_item_no < popularity->header.items)
		return;
	bytes = catalogue->block(catalogue->context, item_no / cr_block_capacity(1),
							 &popularity->header);
	cr_block_bound(&search->query, &popularity->header, &popularity->bound);
	/* The sums of the whole block are set; which of them matter is asked later. */
	(void) cr_block_candidates(search->simd, &search->query, &popularity->header, bytes,
							   INT32_MAX, search->sums, search->candidates);
}

/* What an item of the block can score at most, its sum being known. */
static float
highest_score(const Popularity *popularity, int32_t item_no, double sum)
{
	int32_t		code = popularity->search->sums[item_no - popularity->header.first_item_no];

	return cr_neighbor_score(sum, cr_block_highest(&popularity->bound, code));
}

static void
shortlist(const Popularity *popularity, int32_t item_no, double sum)
{
	int32_t		code = popularity->search->sums[item_no - popularity->header.first_item_no];

	cr_search_reserve(popularity->search, popularity->catalogue, 1);
	(void) cr_shortlist_add(&popularity->search->list,
							cr_neighbor_score(sum, cr_block_lowest(&popularity->bound, code)),
							cr_neighbor_score(sum, cr_block_highest(&popularity->bound, code)),
							item_no);
}

/* The first item of the page after that of the item, or the catalogue's end. */
static int32_t
next_page(const CrNeighborSums *sums, int32_t item_no)
{
	int32_t		first = item_no - item_no % CR_NEIGHBOR_PAGE;

	return sums->items - first > CR_NEIGHBOR_PAGE ? first + CR_NEIGHBOR_PAGE : sums->items;
}

/*
 * What has been reached on one page.  No item of a block, or of a later one, is
 * more popular than its max_norm says: that leaves out nearly all.  Eligibility
 * is asked for last, since it is dearest.
 */
static void
shortlist_page(Popularity *popularity, const CrNeighborSums *sums, int32_t first)
{
	const CrCatalogue *catalogue = popularity->catalogue;
	const double *sum = sums->sum + (size_t) (sums->page[first / CR_NEIGHBOR_PAGE] - 1) *
		CR_NEIGHBOR_PAGE;
	int32_t		count = next_page(sums, first) - first;
	float		threshold = cr_shortlist_threshold(&popularity->search->list);
	float		most;

	load_block(popularity, first);
	most = popularity->header.max_norm;
	for (int32_t i = 0; i < count; i++)
	{
		if (cr_neighbor_score(sum[i], most) < threshold || sum[i] == 0.0)
			continue;
		load_block(popularity, first + i);
		if (highest_score(popularity, first + i, sum[i]) < threshold ||
			!catalogue->is_eligible(catalogue->context, first + i))
			continue;
		shortlist(popularity, first + i, sum[i]);
		threshold = cr_shortlist_threshold(&popularity->search->list);
	}
}

/* The pages that have been reached, and have something that is possible. */
static void
shortlist_reached(Popularity *popularity, const CrNeighborSums *sums)
{
	const CrCatalogue *catalogue = popularity->catalogue;
	int32_t		item_no = catalogue->next(catalogue->context, 0);

	while (item_no < catalogue->items)
	{
		int32_t		first = item_no - item_no % CR_NEIGHBOR_PAGE;

		if (sums->page[item_no / CR_NEIGHBOR_PAGE] != 0)
			shortlist_page(popularity, sums, first);
		item_no = catalogue->next(catalogue->context, next_page(sums, item_no));
	}
}

/* The first k of the others, until none of them can be among the best. */
static void
shortlist_others(Popularity *popularity, const CrNeighborSums *sums, int32_t k)
{
	const CrCatalogue *catalogue = popularity->catalogue;
	const CrShortlist *list = &popularity->search->list;
	int32_t		item_no = catalogue->next(catalogue->context, 0);

	while (k > 0 && item_no < catalogue->items)
	{
		if (cr_neighbor_sum(sums, item_no) == 0.0)
		{
			load_block(popularity, item_no);
			if (highest_score(popularity, item_no, 0.0) < cr_shortlist_threshold(list))
				break;
			if (catalogue->is_eligible(catalogue->context, item_no))
			{
				shortlist(popularity, item_no, 0.0);
				k--;
			}
		}
		item_no = catalogue->next(catalogue->context, item_no + 1);
	}
}

/* What an exact score is made of. */
typedef struct Sum
{
	const CrNeighborSums *sums;
	const CrCatalogue *catalogue;
} Sum;

static float
score_sum(void *context, int32_t item_no)
{
	const Sum  *sum = context;
	const CrCatalogue *catalogue = sum->catalogue;

	return cr_neighbor_score(cr_neighbor_sum(sum->sums, item_no),
							 *catalogue->vector(catalogue->context, item_no));
}

CrStatus
cr_neighbor_search(CrSearch *search, const CrCatalogue *catalogue, CrSimd simd,
				   const CrNeighborSums *sums, int32_t k, CrScored *best, CrTopK *top)
{
	Popularity	popularity = {.catalogue = catalogue, .search = search};
	Sum			sum = {sums, catalogue};

	cr_topk_init(top, best, k);
	if (cr_search_begin(search, catalogue, simd, unit_vector, k, best) != CR_OK)
		return CR_NOT_FINITE;
	shortlist_reached(&popularity, sums);
	shortlist_others(&popularity, sums, k);
	return cr_search_finish(search, score_sum, &sum, top);
}

/* To whom items are offered. */
typedef struct Offer
{
	int			(*is_eligible) (void *context, int32_t item_no);
	void	   *context;
	CrTopK	   *top;
	int32_t    *culprit;
} Offer;

/* Offer an item that would be taken, if it is eligible. */
static CrStatus
offer(const Offer *to, float score, int32_t item_no)
{
	if (!to->is_eligible(to->context, item_no))
		return CR_OK;
	*to->culprit = item_no;
	if (!isfinite(score))
		return CR_NOT_FINITE;
	cr_topk_offer(to->top, score, item_no);
	return CR_OK;
}

/* The items of the pages that have been reached, the others among them included. */
static CrStatus
offer_reached(const CrNeighborSums *sums, const float *popularity, const Offer *to)
{
	int32_t		pages = cr_neighbor_pages(sums->items);

	for (int32_t page = 0; page < pages; page++)
	{
		int32_t		first = page * CR_NEIGHBOR_PAGE;
		int32_t		count = sums->items - first < CR_NEIGHBOR_PAGE ? sums->items - first :
			CR_NEIGHBOR_PAGE;
		const double *sum;

		if (sums->page[page] == 0)
			continue;
		sum = sums->sum + (size_t) (sums->page[page] - 1) * CR_NEIGHBOR_PAGE;
		for (int32_t i = 0; i < count; i++)
		{
			float		score = cr_neighbor_score(sum[i], popularity[first + i]);

			if ((!isfinite(score) || cr_topk_accepts(to->top, score, first + i)) &&
				offer(to, score, first + i) != CR_OK)
				return CR_NOT_FINITE;
		}
	}
	return CR_OK;
}

CrStatus
cr_neighbor_best(const CrNeighborSums *sums, const float *popularity,
				 int (*is_eligible) (void *context, int32_t item_no), void *context, CrTopK *top,
				 int32_t *culprit)
{
	const Offer to = {is_eligible, context, top, culprit};
	int32_t		item_no = 0;

	if (offer_reached(sums, popularity, &to) != CR_OK)
		return CR_NOT_FINITE;
	/* Of the other pages, each item is better than all that follow it. */
	while (item_no < sums->items)
	{
		if (sums->page[item_no / CR_NEIGHBOR_PAGE] != 0)
		{
			item_no = next_page(sums, item_no);
			continue;
		}
		if (!cr_topk_accepts(top, popularity[item_no], item_no))
			break;
		if (offer(&to, popularity[item_no], item_no) != CR_OK)
			return CR_NOT_FINITE;
		item_no++;
	}
	return CR_OK;
}
