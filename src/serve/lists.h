/*
 * lists.h
 *		Scores that the lists of a user's items add up to (core/neighbors.h).
 *
 * For versions that score by lists (ScoresByLists), and users of whom something
 * is known.  Terms are added in the ascending order of the user's items, so that
 * every function here gives the same bits.
 */
#ifndef COMMREC_LISTS_H
#define COMMREC_LISTS_H

#include "core/mmr.h"
#include "core/topk.h"
#include "serve/eligible.h"
#include "serve/view.h"

/* The best k items (k at least 1); see SearchByModel. */
extern int32 SearchByLists(ServeView *view, Eligible *eligible, int32 k, CrScored **best);

/* What c_ui W_ij of all items of the user add up to, for one item. */
extern double SumByLists(ServeView *view, const StoredUser *user, int32 item_no);

/* The score of one item, whose popularity is given.  22003 beyond a float. */
extern float ScoreByLists(ServeView *view, const StoredUser *user, int32 item_no,
						  float popularity);

/*
 * How alike the items of a pool are: the cosine of their lists.  Fills in what
 * cr_mmr_select asks, for items that are best[0 .. pool->count - 1].
 */
extern void CompareByLists(ServeView *view, const CrScored *best, CrMmrPool *pool);

#endif							/* COMMREC_LISTS_H */
