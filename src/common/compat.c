/*
 * compat.c
 *		The shims of compat.h that are too long for a header.
 */
#include "postgres.h"

#include "utils/tuplestore.h"

#include "common/compat.h"

/*
 * Start a set-returning function that materialises its rows: resultinfo gets a
 * tuplestore and the expected row type, both living as long as the query.
 * A caller that gives a column definition list gets that row type.
 */
void
CommrecInitSRF(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old_context;
	TupleDesc	tupdesc;
	bool		is_random_access;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	if (!(rsinfo->allowedModes & SFRM_Materialize))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("materialize mode required, but it is not allowed in this context")));

	/* The executor has usually worked it out already, and checks ours against it. */
	tupdesc = rsinfo->expectedDesc;
	if (tupdesc == NULL && get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a column definition list is required for functions returning \"record\"")));
	/* Of all that was allocated, only this copy is freed before the query ends. */
	old_context = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	tupdesc = CreateTupleDescCopy(tupdesc);
	is_random_access = (rsinfo->allowedModes & SFRM_Materialize_Random) != 0;

	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult = tuplestore_begin_heap(is_random_access, false, work_mem);
	rsinfo->setDesc = tupdesc;
	MemoryContextSwitchTo(old_context);
}
