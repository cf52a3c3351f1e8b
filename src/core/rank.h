/*
 * rank.h
 *		How many of one user's scores beat another, and how unevenly items are shown.
 */
#ifndef CR_RANK_H
#define CR_RANK_H

#include <stdint.h>

#include "core/simd.h"

/* How many scores are above "score"; *equal how many are equal to it. */
extern int32_t cr_rank_above(CrSimd simd, const float *scores, int32_t items, float score,
							 int32_t *equal);

/*
 * Gini coefficient of counts, which must ascend: 0 if all are the same, near 1
 * if one has everything; 0 if all are 0.
 */
extern double cr_gini(const int64_t *ascending, int32_t count);

#endif							/* CR_RANK_H */
