/*
 * shortlist.h
 *		The items that may still be among the best k, from bounds of their scores.
 *
 * While blocks go by, each item that might matter is added with the lowest and
 * the highest score that it can have.  The k-th best of the lowest scores is a
 * threshold: k items reach it, so whatever cannot reach it is out.  What is
 * left at the end, hardly more than k items, is then scored exactly.
 */
#ifndef CR_SHORTLIST_H
#define CR_SHORTLIST_H

#include "core/topk.h"

typedef struct CrShortlisted
{
	float		highest;
	int32_t		item_no;
} CrShortlisted;

typedef struct CrShortlist
{
	CrTopK		lowest;			/* the k best of the lowest scores */
	CrShortlisted *entries;		/* room for "capacity", the caller's */
	int32_t		capacity;
	int32_t		count;
} CrShortlist;

/* "heap" has room for k, "entries" for "capacity"; both are the caller's. */
extern void cr_shortlist_init(CrShortlist *list, CrScored *heap, int32_t k,
							  CrShortlisted *entries, int32_t capacity);

/* What an item must be able to reach: -infinity until k items are held. */
extern float cr_shortlist_threshold(const CrShortlist *list);

/* Drop what cannot reach the threshold any more.  Returns the number of free entries. */
extern int32_t cr_shortlist_prune(CrShortlist *list);

/* Add an item; there must be a free entry.  Returns 1 if it was taken. */
extern int	cr_shortlist_add(CrShortlist *list, float lowest, float highest, int32_t item_no);

/*
 * Then, item by item: make a heap of the entries, and take out the one with the
 * highest score left (0: none is left).
 */
extern void cr_shortlist_heapify(CrShortlist *list);
extern int	cr_shortlist_pop(CrShortlist *list, CrShortlisted *entry);

#endif							/* CR_SHORTLIST_H */
