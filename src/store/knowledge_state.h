/*
 * knowledge_state.h
 *		What the knowledge tables were computed from, beside what they hold themselves.
 *
 * One row, in the table "knowledge".  It says up to which time events are in
 * item_spread, spread_factor, user_activity and item_activity, and has the sums
 * that shrinkage needs but the tables do not tell, so that later events can be
 * added without reading the earlier ones again.
 */
#ifndef COMMREC_KNOWLEDGE_STATE_H
#define COMMREC_KNOWLEDGE_STATE_H

#include "utils/timestamp.h"

#include "store/model.h"

typedef struct KnowledgeState
{
	bool		has_until;		/* false: no event had a time */
	TimestampTz until;			/* the newest event that was not in the future */
	int64		bucket_width;	/* microseconds */
	double		square_sum;		/* of the spread weights of single events */
	double		timed_square_sum;	/* the same, of those with a time */
	int64		actions;		/* digest of the weights of actions that were used */
} KnowledgeState;

/* In the place of the row that there is; SPI is not connected. */
extern void KnowledgeStateWrite(Oid schema, const KnowledgeState *state);

/* False if there is none: never trained. */
extern bool KnowledgeStateRead(Oid schema, KnowledgeState *state);

#endif							/* COMMREC_KNOWLEDGE_STATE_H */
