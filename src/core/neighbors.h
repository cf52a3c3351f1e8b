/*
 * neighbors.h
 *		Lists of the items that go with an item: their byte form, and adding them up for a user.
 *
 * The score of item j for a user is the sum, over the items i that he prefers
 * with confidence c_ui, of c_ui W_ij, plus the popularity of j; W_i. is the list
 * of item i.  One list is stored as
 *
 *	offset	size	content
 *	0		4		magic "CRNB"
 *	4		1		format version, 1
 *	5		3		zero
 *	8		4		count N, uint32 little-endian, at most CR_NEIGHBORS_MAX
 *	12		4*N		item numbers, uint32 little-endian, strictly ascending
 *	...		4*N		weights W_ij, float little-endian, finite, of either sign
 *
 * Sums are doubles, whose terms are added in the order of the lists, which by
 * convention is that of ascending i: so that every way to a score gives its bits.
 * (The product of two floats is exact in double.)
 *
 * A user reaches a small part of a large catalogue.  So the sums lie in pages of
 * CR_NEIGHBOR_PAGE items, which are there once one of their items has been
 * reached; a user costs what he reaches, and a bit per item.
 */
#ifndef CR_NEIGHBORS_H
#define CR_NEIGHBORS_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define CR_NEIGHBORS_HEADER	12
#define CR_NEIGHBORS_MAX	65536	/* of one list: half a megabyte */

extern size_t cr_neighbors_size(uint32_t count);

/* Write a list: item_no ascending, each once, and finite weights (else CR_NOT_FINITE). */
extern CrStatus cr_neighbors_encode(const int32_t *item_no, const float *weight, uint32_t count,
									uint8_t *out);

/* Check everything: order, weights, and that all item numbers are below "items"; sets *count. */
extern CrStatus cr_neighbors_check(const uint8_t *bytes, size_t length, int32_t items,
								   uint32_t *count);

/* Copy a checked list out to aligned memory. */
extern void cr_neighbors_decode(const uint8_t *bytes, uint32_t count, int32_t *item_no,
								float *weight);

/* A list in memory; columns of a row of a CrCsr are one, too. */
typedef struct CrNeighborList
{
	uint32_t	count;
	const int32_t *item_no;		/* ascending */
	const float *weight;
} CrNeighborList;

/* W_ij; 0 if the list does not have the item. */
extern float cr_neighbors_weight(const CrNeighborList *list, int32_t item_no);

#define CR_NEIGHBOR_PAGE	64	/* items */

/* What one user reaches.  All memory is the caller's. */
typedef struct CrNeighborSums
{
	int32_t		items;
	int32_t		pages;			/* in use */
	int32_t		room;			/* pages that "sum" has room for */
	int32_t    *page;			/* by item_no / CR_NEIGHBOR_PAGE: 1 + place in "sum"; 0: not reached */
	double	   *sum;			/* CR_NEIGHBOR_PAGE of them a page */
} CrNeighborSums;

/* Pages that a catalogue has: entries of "page", and the most that "sum" can need. */
extern int32_t cr_neighbor_pages(int32_t items);

/* Begin with nothing reached; "page" has room for cr_neighbor_pages(items), "sum" for "room" pages. */
extern void cr_neighbor_sums_init(CrNeighborSums *sums, int32_t items, int32_t *page, double *sum,
								  int32_t room);

/* Forget what was reached, for the next user. */
extern void cr_neighbor_sums_clear(CrNeighborSums *sums);

/* The room that is enough to add a list of this length; sums->sum may be moved to where it is. */
extern int32_t cr_neighbor_sums_wanted(const CrNeighborSums *sums, uint32_t count);

/* Add confidence * W_i.; there is room. */
extern void cr_neighbor_sums_add(CrNeighborSums *sums, const CrNeighborList *list,
								 float confidence);

/* The sum of an item; 0 if it was not reached. */
static inline double
cr_neighbor_sum(const CrNeighborSums *sums, int32_t item_no)
{
	int32_t		place = sums->page[item_no / CR_NEIGHBOR_PAGE];

	return place == 0 ? 0.0 :
		sums->sum[(int64_t) (place - 1) * CR_NEIGHBOR_PAGE + item_no % CR_NEIGHBOR_PAGE];
}

/* From a sum to a score; infinite beyond a float. */
static inline float
cr_neighbor_score(double sum, float popularity)
{
	return (float) (sum + (double) popularity);
}

/* The scores of all items; popularity NULL: 0. */
extern void cr_neighbor_scores(const CrNeighborSums *sums, const float *popularity, float *scores);

#endif							/* CR_NEIGHBORS_H */
