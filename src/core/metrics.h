/*
 * metrics.h
 *		Ranking metrics of one user.
 */
#ifndef CR_METRICS_H
#define CR_METRICS_H

#include <stdint.h>

/*
 * nDCG@k with binary relevance: ranks (1-based) of the relevant items that made
 * the first k, "hits" of them, out of "relevant" in all.  The ideal ranking has
 * min(k, relevant) hits.  0 when relevant is 0.  (Jarvelin & Kekalainen 2002)
 */
extern double cr_ndcg(const int32_t *ranks, int32_t hits, int32_t relevant, int32_t k);

#endif							/* CR_METRICS_H */
