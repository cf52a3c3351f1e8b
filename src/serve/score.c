/*
 * score.c
 *		The score that recommend() gives one user and one item.
 */
#include "postgres.h"

#include <math.h>

#include "common/errors.h"
#include "core/vector.h"
#include "serve/chain.h"
#include "serve/lists.h"
#include "serve/score.h"

/* The reader stands on the item. */
static float
ScoreItem(RecommendCall *call, ItemReader *items, const StoredUser *user)
{
	StoredItem	item;
	float	   *embedding;
	float		score;

	ItemReaderGet(items, &item);
	if (user->embedding == NULL)
		return ChainColdScore(call, &item);
	embedding = palloc(sizeof(float) * items->deployed->dims);
	ItemReaderEmbedding(items, embedding);
	if (ScoresByLists(items->deployed))
		return ScoreByLists(call->view, user, item.item_no, embedding[0]);
	score = cr_dot(user->embedding, embedding, items->deployed->dims);
	if (!isfinite(score))
		CheckComputation(CR_NOT_FINITE, psprintf("score of item number %d", item.item_no));
	return score;
}

bool
ScorePair(RecommendCall *call, Datum user, Datum item_id, float *score)
{
	ChainRequest request = {.is_known_id = true, .user = user, .is_fresh = false};
	StoredUser	stored;
	ItemReader	items;
	bool		is_known;

	(void) ChainResolve(call, &request, &stored);
	/* Whoever the version knows has a list of seen items, be it empty. */
	if (stored.seen == NULL)
		return false;
	ItemReaderOpen(&items, call->schema, ServeViewDeployed(call->view), ITEM_BY_ID);
	is_known = ItemReaderFindId(&items, item_id);
	if (is_known)
		*score = ScoreItem(call, &items, &stored);
	ItemReaderClose(&items);
	return is_known;
}
