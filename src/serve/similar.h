/*
 * similar.h
 *		The items nearest to an item, by what was learned.
 */
#ifndef COMMREC_SIMILAR_H
#define COMMREC_SIMILAR_H

#include "serve/recommend.h"

/*
 * Items nearest to an item by cosine of their learned factors, best first (ties:
 * ascending item_no), the item itself and those without direction (zero
 * vectors) left out; 0 rows for an unknown item.  Of a version that scores by
 * lists: the item's list, by weight.
 */
extern int32 SimilarItems(Oid schema, Datum item_id, int32 k, Recommendation **rows);

#endif							/* COMMREC_SIMILAR_H */
