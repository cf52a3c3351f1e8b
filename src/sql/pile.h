/*
 * pile.h
 *		States of aggregates that keep what they are given: a bytea that grows by doubling.
 *
 * The state is an ordinary bytea, so that parallel workers and a distributed
 * PostgreSQL pass it along as it is.  Its length counts the spare room at its
 * end, which holds zeros: appending writes into the room, in place, as a
 * transition function may, and only a pile that is full moves to a new one of
 * twice the size.  So a row costs O(1), amortised, and no pile needs a memory
 * context of its own, of which there would be as many as groups.
 *
 * core/state.h has the form of a pile, and what the aggregates keep in theirs.
 */
#ifndef COMMREC_PILE_H
#define COMMREC_PILE_H

#include "fmgr.h"

#include "core/state.h"

/* How an aggregate's piles are made, and called in messages. */
typedef struct PileKind
{
	uint32		magic;
	Size		first_room;		/* bytes of rows in a new one */
	const char *aggregate;		/* "commrec.collect" */

	/* Raises an error unless rows behind these prefixes go together; NULL: all do. */
	void		(*check_same) (const CrPile *pile, const CrPile *other);
} PileKind;

/*
 * The state in an argument, or NULL.  A state that is to be changed must be
 * the first argument of a function that the executor calls for an aggregate:
 * anything else is 0A000.  A damaged one is XX001.
 */
extern CrPile *PileOwnState(FunctionCallInfo fcinfo, const PileKind *kind);

/* What a function returns that leaves the state as it is, such as for a row with a NULL. */
extern Datum PileSameState(FunctionCallInfo fcinfo);

/* Another state, which is only read; maybe a copy. */
extern const CrPile *PileOtherState(FunctionCallInfo fcinfo, int argument, const PileKind *kind);

/* A new pile in the current context. */
extern CrPile *PileCreate(const PileKind *kind, const void *prefix, Size prefix_bytes);

/*
 * Room for one more row of so many bytes, where *row points to; returns the
 * pile, or a larger one in the current context.  54000 beyond
 * commrec.max_train_memory, or what a value may have.
 */
extern CrPile *PileAddRow(CrPile *pile, const PileKind *kind, Size bytes, uint8 **row);

/* What the combine function of an aggregate does: the rows of both arguments in one pile. */
extern Datum PileCombine(FunctionCallInfo fcinfo, const PileKind *kind);

#endif							/* COMMREC_PILE_H */
