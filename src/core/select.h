/*
 * select.h
 *		The best k of an array, in linear time whatever the scores.
 *
 * For choosing hundreds out of thousands, where a heap (core/topk.h) spends
 * its time on the hundreds.
 */
#ifndef CR_SELECT_H
#define CR_SELECT_H

#include <stdint.h>

#include "core/topk.h"

#define CR_SELECT_COUNTERS	2048	/* scratch of a selection */

/*
 * Move the k best of n entries to the front, in the order of topk.h: higher
 * scores, among equal ones lower items.  Scores are no NaN, items differ.  The
 * rest and the order of either part are unspecified, but depend on the array
 * alone.
 */
extern void cr_select_best(CrScored *entries, int64_t n, int64_t k, uint32_t *counters);

#endif							/* CR_SELECT_H */
