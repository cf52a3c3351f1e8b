/*
 * search.h
 *		The best k of a catalogue for one vector, from its blocks: exactly those, exactly scored.
 *
 * Blocks are walked in descending order of norm until no later item can be
 * among the best k.  The codes give bounds of the scores; what might matter
 * goes to a shortlist, and hardly more than k of it has to be scored exactly
 * in the end.  doc/exact-topk.md proves that nothing is lost.
 *
 * Where blocks and items come from is the caller's business: he gives functions,
 * which may poll for interrupts, and leave by longjmp: nothing is held here.
 */
#ifndef CR_SEARCH_H
#define CR_SEARCH_H

#include "core/block.h"
#include "core/shortlist.h"

/* A catalogue as one caller sees it; "context" is passed to every function. */
typedef struct CrCatalogue
{
	void	   *context;
	int32_t		items;
	int32_t		dims;			/* 1 .. CR_BLOCK_DIMS_MAX */

	/* Block b holds the items from b * cr_block_capacity(dims) on; valid until the next call. */
	const uint8_t *(*block) (void *context, int32_t b, CrBlockHeader *header);

	/* The lowest item number from item_no on that is possible; "items" if there is none. */
	int32_t		(*next) (void *context, int32_t item_no);

	/* Is a possible item eligible?  Asked only for items that might be among the best. */
	int			(*is_eligible) (void *context, int32_t item_no);

	/* Its vector, of dims floats; valid until the next call. */
	const float *(*vector) (void *context, int32_t item_no);

	/* Room for this many entries, keeping those in the old one (NULL at first). */
	CrShortlisted *(*grow) (void *context, CrShortlisted *entries, int32_t capacity);
} CrCatalogue;

/* One search: scratch, the caller's. */
typedef struct CrSearch
{
	CrSimd		simd;
	CrBlockQuery query;
	CrShortlist list;
	int32_t		culprit;		/* with CR_NOT_FINITE: the item, or -1 for the query */
	int32_t		sums[CR_BLOCK_ITEMS_MAX];
	int16_t		candidates[CR_BLOCK_ITEMS_MAX];
} CrSearch;

/*
 * Find the best k (at least 1) eligible items by cr_dot with "vector".  "best"
 * has room for k; afterwards *top is a heap over it, to be sorted with
 * cr_topk_sort.  CR_NOT_FINITE if a score that decides is not finite, or the
 * query has no finite norm.
 */
extern CrStatus cr_search(CrSearch *search, const CrCatalogue *catalogue, CrSimd simd,
						  const float *vector, int32_t k, CrScored *best, CrTopK *top);

/*
 * For other ways to search, which share the shortlist: begin with an empty one
 * (CR_NOT_FINITE if the vector has no finite norm); make room for so many
 * entries more; and score what is left of it exactly, the most promising first,
 * so that the best k replace the bounds (CR_NOT_FINITE as above).
 */
extern CrStatus cr_search_begin(CrSearch *search, const CrCatalogue *catalogue, CrSimd simd,
								const float *vector, int32_t k, CrScored *best);
extern void cr_search_reserve(CrSearch *search, const CrCatalogue *catalogue, int32_t count);
extern CrStatus cr_search_finish(CrSearch *search,
								 float (*score) (void *context, int32_t item_no), void *context,
								 CrTopK *top);

#endif							/* CR_SEARCH_H */
