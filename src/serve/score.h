/*
 * score.h
 *		The score that recommend() gives one user and one item.
 */
#ifndef COMMREC_SCORE_H
#define COMMREC_SCORE_H

#include "serve/recommend.h"

/*
 * The same bits that recommend() shows for what the version has stored: the
 * inner product of the item's embedding and the user's, or of what stands for
 * it (serve/chain.h), or the item's popularity.
 * False (SQL NULL) for a user or an item that the deployed version does not
 * know.  Ids are of the model's kinds.
 */
extern bool ScorePair(RecommendCall *call, Datum user, Datum item_id, float *score);

#endif							/* COMMREC_SCORE_H */
