/*
 * release_fn.c
 *		SQL function library_version(): which release this library is.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "common/release.h"

PG_FUNCTION_INFO_V1(commrec_library_version);

/* library_version() -> text */
Datum
commrec_library_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(COMMREC_RELEASE));
}
