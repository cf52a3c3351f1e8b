/*
 * explain.h
 *		What a user's past items contribute to the score of an item.
 */
#ifndef COMMREC_EXPLAIN_H
#define COMMREC_EXPLAIN_H

#include "serve/recommend.h"

typedef enum ContributionSource
{
	CONTRIBUTION_ITEM,			/* an item of the user's past */
	CONTRIBUTION_POPULARITY,	/* the item's own popularity */
	CONTRIBUTION_BIAS,			/* biases and constants, which are not about his items */
	CONTRIBUTION_REST			/* what the items do not explain */
} ContributionSource;

typedef struct Contribution
{
	ContributionSource source;
	Datum		item_id;		/* of CONTRIBUTION_ITEM, of the model's item kind */
	double		confidence;		/* the same: c_ui, or its coefficient where the user's vector was
								 * projected on his items; 1 where it points to one item */
	double		amount;
	int32		place;			/* breaks ties: items by their number, then the others */
} Contribution;

/* "item", "popularity", "bias", "rest" */
extern const char *ContributionSourceName(ContributionSource source);

/*
 * The contributions, largest first, which add up to score(user, item); 0 rows
 * for a user or an item that the deployed version does not know.  *rows in the
 * current context.
 */
extern int32 Explain(RecommendCall *call, Datum user, Datum item_id, Contribution **rows);

#endif							/* COMMREC_EXPLAIN_H */
