/*
 * forget_fn.c
 *		SQL function user_hash(): what a model remembers of a user whom it has forgotten.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "store/forget.h"

PG_FUNCTION_INFO_V1(commrec_user_hash);

/* user_hash(key bytea, user_id text) -> bytea */
Datum
commrec_user_hash(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(ForgetHash(PG_GETARG_BYTEA_P(0), text_to_cstring(PG_GETARG_TEXT_PP(1))));
}
