/*
 * forget.h
 *		Users who are to be left out of everything: what is remembered of them.
 *
 * Of a forgotten user the model keeps HMAC-SHA256(key, id as text) in the table
 * "forgotten", under a random key of its own in "forget_key", so that whoever
 * reads the events for it can tell that he is to be left out.  Without the key
 * the hashes say nothing about ids; the owner, who has the key, could try ids
 * that he knows anyway.
 */
#ifndef COMMREC_FORGET_H
#define COMMREC_FORGET_H

#include "store/lookup.h"

#define FORGET_HASH_BYTES	32

/* The list of a model, in memory. */
typedef struct ForgottenUsers
{
	bytea	   *key;			/* NULL: nobody has ever been forgotten */
	uint8	   *hashes;			/* FORGET_HASH_BYTES each, ascending */
	int64		count;
} ForgottenUsers;

/*
 * Read the list as it is now, whatever snapshot is active, into the current
 * context.  False if there is nobody on it.  Not in parallel mode.
 */
extern bool ForgottenLoad(ForgottenUsers *list, Oid schema);

extern bool ForgottenHas(const ForgottenUsers *list, Datum user, IdKind kind);

/* Is this one user forgotten, by the active snapshot? */
extern bool IsForgotten(Oid schema, Datum user, IdKind kind);

/* HMAC-SHA256 of an id as text, as a bytea in the current context. */
extern bytea *ForgetHash(const bytea *key, const char *id);

#endif							/* COMMREC_FORGET_H */
