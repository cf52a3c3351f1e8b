/*
 * topk.h
 *		The best k of a stream of (score, item_no), with deterministic ties.
 *
 * Order: higher score first; equal scores by ascending item_no.  The caller
 * owns the entries; a binary heap with the worst entry on top.
 */
#ifndef CR_TOPK_H
#define CR_TOPK_H

#include <stdint.h>

typedef struct CrScored
{
	float		score;
	int32_t		item_no;
} CrScored;

typedef struct CrTopK
{
	CrScored   *entries;		/* room for "capacity", the caller's */
	int32_t		capacity;		/* k, at least 1 */
	int32_t		count;
} CrTopK;

extern void cr_topk_init(CrTopK *top, CrScored *entries, int32_t capacity);

/* The score that a candidate must reach to matter: -infinity until k are held. */
extern float cr_topk_threshold(const CrTopK *top);

/* Would a candidate be taken?  For callers to whom it costs something to be sure of one. */
extern int	cr_topk_accepts(const CrTopK *top, float score, int32_t item_no);

/* Offer a candidate; returns 1 if it was taken. */
extern int	cr_topk_offer(CrTopK *top, float score, int32_t item_no);

/* Sort best first; the heap is used up. */
extern void cr_topk_sort(CrTopK *top);

/*
 * The same in slices, for callers that poll for interrupts: begin with rest =
 * count, go on with what it returns until that is 0.
 */
extern int32_t cr_topk_sort_slice(CrTopK *top, int32_t rest, int32_t steps);

#endif							/* CR_TOPK_H */
