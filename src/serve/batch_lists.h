/*
 * batch_lists.h
 *		recommend_all() where scores come from lists: all of them in memory, shared by everybody.
 *
 * The leader reads the lists once, in the place where other versions have their
 * vectors; each participant adds them up for one user after the other, in sums
 * of his own.  Answers are the bits of recommend(): the same terms in the same
 * order (core/neighbors.h).
 */
#ifndef COMMREC_BATCH_LISTS_H
#define COMMREC_BATCH_LISTS_H

#include "core/topk.h"
#include "store/neighbors.h"

/* Where the lists of a block of memory lie. */
typedef struct BatchLists
{
	NeighborArrays lists;
	float	   *popularity;		/* of the items */
} BatchLists;

/* Bytes of a block of so many entries, and a view of it. */
extern Size BatchListsBytes(int32 items, int64 entries);
extern void BatchListsView(BatchLists *lists, int32 items, int64 entries, void *block);

/* Bytes of sums that have room for the whole catalogue, and sums in them. */
extern Size BatchSumsBytes(int32 items);
extern void BatchSumsInit(CrNeighborSums *sums, int32 items);

/*
 * The best of the items that the user has not seen, or at least does not
 * dislike, into *top, unsorted.  22003 for a score beyond a float.
 */
extern void BatchListsAnswer(const BatchLists *lists, CrNeighborSums *sums,
							 const StoredUser *user, bool exclude_seen, CrTopK *top);

#endif							/* COMMREC_BATCH_LISTS_H */
