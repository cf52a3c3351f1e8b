/*
 * batch.h
 *		The best k items for every user of a version: what recommend() gives each, in one go.
 *
 * The items are laid out in memory once; users are read, scored in blocks and
 * handed out in the order of their ids.  Parallel workers take units of users
 * where they can be had; rows and their order do not depend on them.  Memory is
 * planned before it is allocated and does not grow with users times items.
 */
#ifndef COMMREC_BATCH_H
#define COMMREC_BATCH_H

#include "serve/recommend.h"

typedef struct RecommendAllRequest
{
	Oid			schema;			/* from ModelFind */
	int32		k;				/* at least 1 */
	bool		exclude_seen;
	int			workers;		/* wanted; WORKERS_BY_SETTING: by setting and size */
	Oid			user_type;		/* types of the ids in the rows; 42804 if they do not fit */
	Oid			item_type;
} RecommendAllRequest;

typedef struct RecommendAllRow
{
	Datum		user_id;
	int32		rank;			/* from 1 for each user */
	Datum		item_id;
	float		score;
	RecommendSource source;
} RecommendAllRow;

/* Takes a row; what it points to is valid during the call. */
typedef void (*RecommendAllSink) (void *state, const RecommendAllRow *row);

extern void RecommendAll(const RecommendAllRequest *request, RecommendAllSink sink, void *state);

#endif							/* COMMREC_BATCH_H */
