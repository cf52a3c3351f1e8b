/*
 * trend.h
 *		What is rising, if showing that to new users has proved better than what is popular.
 */
#ifndef COMMREC_TREND_H
#define COMMREC_TREND_H

#include "train/item_activity.h"

/*
 * By item, readers of the newest buckets over those expected in the long run
 * (doc/knowledge.md), 0 for items that are not rising; or NULL: show what is
 * popular.  Decided on what has been: in the three windows before the newest
 * ones, the ten that were rising must have drawn more of the readers of the
 * next window than the ten that were most popular by any half-life, in sum and
 * in two windows at least.  Counted against the budget, in the current context.
 */
extern float *TrendChoose(const ItemActivity *activity);

#endif							/* COMMREC_TREND_H */
