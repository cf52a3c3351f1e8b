/*
 * recommend.h
 *		The best k items for one user, straight from the item blocks in shared buffers.
 *
 * Every item of a version has an embedding, so a user with one gets the best
 * min(k, eligible) items by the model; users without one are answered from
 * popularity.  Answers are in a total order (ties: the lower item number, or
 * the lower place in popularity), so that "skip" turns pages without a gap.
 */
#ifndef COMMREC_RECOMMEND_H
#define COMMREC_RECOMMEND_H

#include "serve/eligible.h"
#include "serve/view.h"

/* The best items that diversity is applied to; what follows them comes in the order of the score. */
#define DIVERSITY_POOL	200

typedef enum RecommendSource
{
	SOURCE_MODEL,				/* inner product of the embeddings */
	SOURCE_FRESH,				/* the same, new events of the user folded in */
	SOURCE_SIMILAR,				/* the same with a vector towards the user's last item */
	SOURCE_TRENDING,			/* recent readers over those expected */
	SOURCE_POPULAR				/* decayed popularity */
} RecommendSource;

typedef struct RecommendRequest
{
	int32		k;				/* at least 1 */
	int32		skip;			/* rows left out before the first, at least 0 */
	RecommendSource source;		/* of the user's embedding, if he has one */
	double		diversity;		/* 0 .. 1, see core/mmr.h; 0: by score alone */
	EligibleRequest eligible;
} RecommendRequest;

/* "model", "fresh", "similar", "trending", "popular": the column "source". */
extern const char *RecommendSourceName(RecommendSource source);

typedef struct Recommendation
{
	Datum		item_id;		/* of the model's item kind */
	float		score;			/* inner product, popularity or cosine */
	RecommendSource source;
} Recommendation;

/* One call: what it has open. */
typedef struct RecommendCall
{
	Oid			schema;
	ServeView  *view;
	UserReader	users;			/* its lookup.id_kind is the kind of the users */
} RecommendCall;

/* "slot" and "context" are those of ServeViewOpen. */
extern void RecommendBegin(RecommendCall *call, Oid schema, void **slot, MemoryContext context);
extern void RecommendEnd(RecommendCall *call);

/*
 * Answer for a user as stored or folded in; a zeroed StoredUser is one that
 * nothing is known of.  Returns the number of rows, best first; *rows in the
 * current context.
 */
extern int32 Recommend(RecommendCall *call, const RecommendRequest *request,
					   const StoredUser *user, Recommendation **rows);

#endif							/* COMMREC_RECOMMEND_H */
