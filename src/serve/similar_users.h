/*
 * similar_users.h
 *		The users nearest to another user, by what was learned.
 */
#ifndef COMMREC_SIMILAR_USERS_H
#define COMMREC_SIMILAR_USERS_H

#include "serve/best.h"

/*
 * By cosine of what was learned (-1 to 1, in BestRow.score), best first (ties:
 * ascending id), the user himself and those of whom nothing was learned left
 * out; 0 rows for an unknown user.  Of a version that scores by lists: by cosine
 * of the confidences in all items.  *rows in the current context.
 */
extern int32 SimilarUsers(Oid schema, Datum user, int32 k, BestRow **rows);

#endif							/* COMMREC_SIMILAR_USERS_H */
