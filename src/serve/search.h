/*
 * search.h
 *		The eligible items with the best scores: exactly those, exactly scored.
 */
#ifndef COMMREC_SEARCH_H
#define COMMREC_SEARCH_H

#include "core/search.h"
#include "serve/eligible.h"
#include "serve/view.h"

/* Room for count elements, huge if need be, in the current context. */
extern void *AllocateHuge(int32 count, Size size);

/* What the core's functions are given as their context. */
typedef struct SearchSource
{
	ServeView  *view;
	Eligible   *eligible;
} SearchSource;

/* The version as the core searches it. */
extern void SearchCatalogue(SearchSource *source, ServeView *view, Eligible *eligible,
							CrCatalogue *catalogue);

/* Sort the answer, polling for interrupts. */
extern void SearchSort(CrTopK *top);

/*
 * The best k items (k at least 1) by inner product with the user's embedding,
 * best first, ties by ascending item number.  Returns their number; *best in
 * the current context.
 */
extern int32 SearchByModel(ServeView *view, Eligible *eligible, const float *embedding, int32 k,
						   CrScored **best);

/* The same by decayed popularity, ties by place in its order; "score" is the popularity. */
extern int32 SearchByPopularity(Oid schema, Eligible *eligible, int32 k, CrScored **best);

#endif							/* COMMREC_SEARCH_H */
