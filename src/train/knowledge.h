/*
 * knowledge.h
 *		Knowledge spread and satisfaction: item_spread, spread_factor and user_activity.
 *
 * DESIGN section 3; shrinkage as in core/shrinkage.h:
 *	w_j	   = rate(A_j, R_j), A_j the spread weight of the item's events, R_j its distinct users
 *	f(t)   = rate(A_t, N_t * r), over the events with a time, r = sum A_t / sum N_t; mean 1
 *	K(t,i) = f(t) * sum of w_j over the distinct items j that user i touched in bucket t
 *	s(t,i) = mean of the satisfaction signals of user i in bucket t, each clamped to [0, 1];
 *			 NULL without any
 * Without any spread weight: w = 0, f = 1, K = 0.
 */
#ifndef COMMREC_KNOWLEDGE_H
#define COMMREC_KNOWLEDGE_H

#include "train/events.h"

/*
 * Replace the contents of the three tables by what the events say.  Without a
 * time column only item_spread is filled.  Must not run in parallel mode.
 * Returns what is rising, see train/trend.h.
 */
extern float *KnowledgePublish(const EventLog *log, const ModelConfig *config);

#endif							/* COMMREC_KNOWLEDGE_H */
