/*
 * rank.h
 *		The best of one user's scores over a whole catalogue, and how many beat a score.
 *
 * Scores that come out of a matrix product are sums in another order than
 * cr_dot's, by which recommend() ranks; so the product only picks candidates,
 * with some slack, and the caller scores those exactly.
 */
#ifndef CR_RANK_H
#define CR_RANK_H

#include <stdint.h>

#include "core/simd.h"
#include "core/topk.h"

/*
 * Positions whose score is within "slack" of being among the best k, in
 * ascending order.  "top" has capacity k and is empty; it is used up.
 * -infinity stands for what is not to be recommended, and is never picked.
 * candidates has room for all "items".  Returns their number.
 */
extern int32_t cr_rank_candidates(CrSimd simd, const float *scores, int32_t items, float slack,
								  CrTopK *top, int32_t *candidates);

/* How many scores are above "score"; *equal how many are equal to it. */
extern int32_t cr_rank_above(CrSimd simd, const float *scores, int32_t items, float score,
							 int32_t *equal);

/*
 * Gini coefficient of counts, which must ascend: 0 if all are the same, near 1
 * if one has everything; 0 if all are 0.
 */
extern double cr_gini(const int64_t *ascending, int32_t count);

#endif							/* CR_RANK_H */
