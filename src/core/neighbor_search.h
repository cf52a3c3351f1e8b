/*
 * neighbor_search.h
 *		The best k of a catalogue for the sums that one user's lists add up to.
 *
 * The score of an item is its sum and its popularity (core/neighbors.h).  The
 * popularity is the item's only coordinate, from which the blocks give bounds
 * as in core/search.h; items are numbered in its descending order.  So those
 * that are not reached come in the order of their numbers: the first k of them,
 * at most, have to be looked at.  What has been reached is looked at item by
 * item.  Hardly more than k items have to be scored exactly in the end.
 */
#ifndef CR_NEIGHBOR_SEARCH_H
#define CR_NEIGHBOR_SEARCH_H

#include "core/neighbors.h"
#include "core/search.h"

/*
 * Find the best k (at least 1) eligible items of a catalogue of one dimension;
 * "best" and *top as with cr_search().  CR_NOT_FINITE if a score that decides
 * is not finite; then search->culprit is the item.
 */
extern CrStatus cr_neighbor_search(CrSearch *search, const CrCatalogue *catalogue, CrSimd simd,
								   const CrNeighborSums *sums, int32_t k, CrScored *best,
								   CrTopK *top);

/*
 * The same where the popularity of all items, descending, is at hand: offers
 * *top what may be among the best.  CR_NOT_FINITE, and the item in *culprit, if
 * a score that decides is not finite.
 */
extern CrStatus cr_neighbor_best(const CrNeighborSums *sums, const float *popularity,
								 int (*is_eligible) (void *context, int32_t item_no),
								 void *context, CrTopK *top, int32_t *culprit);

#endif							/* CR_NEIGHBOR_SEARCH_H */
