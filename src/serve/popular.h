/*
 * popular.h
 *		The k most popular items, by one of several measures.
 */
#ifndef COMMREC_POPULAR_H
#define COMMREC_POPULAR_H

#include "serve/best.h"
#include "utils/timestamp.h"

typedef enum PopularKind
{
	POPULAR_DECAY,				/* decayed popularity */
	POPULAR_WILSON,				/* lower bound of the share of readers who were satisfied */
	POPULAR_TRENDING			/* recent readers against those expected in the long run */
} PopularKind;

typedef struct PopularRequest
{
	Oid			schema;			/* from ModelFind */
	int32		k;				/* at least 1 */
	bool		has_since;
	TimestampTz since;			/* what ended before does not count; trending: begin of "recent" */
	PopularKind kind;
} PopularRequest;

/* The kind of that name; 22023 that lists them. */
extern PopularKind PopularKindFind(const char *name);

/* Id kind of the items in item_activity. */
extern IdKind PopularItemKind(Oid schema);

/*
 * The rows, best first, in the current context.  55000 if the model was never
 * trained, or where a time is needed and it has none; 22008 for an infinite
 * time.
 */
extern int32 Popular(const PopularRequest *request, BestRow **rows);

#endif							/* COMMREC_POPULAR_H */
