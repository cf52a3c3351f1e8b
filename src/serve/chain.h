/*
 * chain.h
 *		From what is known of a user to the vector that he is answered with.
 *
 * The first link that holds is taken:
 *	model		he has a vector of the training, and nothing new is asked for or known
 *	fresh		his new events are folded in: one exact solution against the version's items, or
 *				the lists of his new items added to those of the old ones
 *	similar		nothing was learned of him, but he wants an item of which something was: items
 *				near the last such one
 *	trending	everybody else, where rising items have proved better than popular ones: the
 *				rising ones, and then
 *	popular		by decayed popularity
 * The first three rank every item of the version, and so does popularity, so
 * that each of them gives min(k, eligible) rows by itself.
 */
#ifndef COMMREC_CHAIN_H
#define COMMREC_CHAIN_H

#include "serve/recommend.h"

typedef struct ChainRequest
{
	bool		is_known_id;	/* false: no id of the model's type can equal the argument */
	Datum		user;			/* of the model's user kind */
	bool		is_fresh;		/* fold new events in */
} ChainRequest;

/*
 * Fill in the user as he is to be answered, and say by which link.  With
 * is_fresh the events are read as the caller; for errors see
 * store/fresh_events.h.  New items count as seen.
 */
extern RecommendSource ChainResolve(RecommendCall *call, const ChainRequest *request,
									StoredUser *user);

/* The score of an item for those of whom nothing is known: its trend, or its popularity. */
extern float ChainColdScore(RecommendCall *call, const StoredItem *item);

/* The item whose neighbours the link "similar" shows; -1 if there is none. */
extern int32 ChainLastItem(RecommendCall *call, Datum user, const StoredUser *stored);

#endif							/* COMMREC_CHAIN_H */
