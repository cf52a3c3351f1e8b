/*
 * recommend.h
 *		The best k items for one user, straight from the item blocks in shared buffers.
 *
 * Blocks are walked in descending order of norm until no later item can reach
 * the k-th best score; codes pick the candidates, seen and disliked ones drop
 * out, and the exact inner product of the stored embeddings decides.  Every
 * item of a version has an embedding, so a user with one gets min(k, eligible)
 * rows from the model; users without one are answered from popularity.
 */
#ifndef COMMREC_RECOMMEND_H
#define COMMREC_RECOMMEND_H

#include "common/ident.h"

typedef struct RecommendRequest
{
	Oid			schema;			/* from ModelFind */
	bool		is_known_id;	/* false: no id of the model's type can equal the argument */
	Datum		user;			/* of the model's user kind */
	int32		k;				/* at least 1 */
	bool		exclude_seen;
} RecommendRequest;

typedef struct Recommendation
{
	Datum		item_id;		/* of the model's item kind */
	float		score;			/* inner product, popularity or cosine */
	bool		is_popular;		/* source: popular instead of model */
} Recommendation;

/* Returns the number of rows, at most min(k, items), best first; *rows in the current context. */
extern int32 Recommend(const RecommendRequest *request, Recommendation **rows);

/* Id kinds of the model, from its tables. */
extern IdKind RecommendUserKind(Oid schema);
extern IdKind RecommendItemKind(Oid schema);

/*
 * Items nearest to an item by cosine of their learned factors, best first (ties:
 * ascending item_no), the item itself and those without direction (zero
 * vectors) left out; 0 rows for an unknown item.
 */
extern int32 SimilarItems(Oid schema, Datum item_id, int32 k, Recommendation **rows);

#endif							/* COMMREC_RECOMMEND_H */
