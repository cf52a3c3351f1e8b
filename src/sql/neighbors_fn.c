/*
 * neighbors_fn.c
 *		SQL function unpack_neighbors(): the list of an item as rows.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/tuplestore.h"

#include "common/compat.h"
#include "core/neighbors.h"

PG_FUNCTION_INFO_V1(commrec_unpack_neighbors);

/* What is wrong with bytes that came as an argument, of no model that could be named. */
static void
CheckArgumentBytes(CrStatus status)
{
	if (status == CR_UNSUPPORTED_FORMAT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the list of neighbors is in a newer format"),
				 errhint("Update the extension.")));
	if (status != CR_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the list of neighbors is damaged"),
				 errhint("Give the column \"neighbors\" of a model's table item_neighbor.")));
}

/* unpack_neighbors(neighbors bytea) -> rows */
Datum
commrec_unpack_neighbors(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		nulls[2] = {false};
	Datum		values[2];
	bytea	   *bytes;
	int32	   *item_no;
	float	   *weight;
	uint32		count;

	CommrecInitSRF(fcinfo);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	bytes = PG_GETARG_BYTEA_P(0);
	/* Of whatever catalogue. */
	CheckArgumentBytes(cr_neighbors_check((uint8_t *) VARDATA(bytes), VARSIZE(bytes) - VARHDRSZ,
										  PG_INT32_MAX, &count));
	item_no = palloc(sizeof(int32) * Max(count, 1));
	weight = palloc(sizeof(float) * Max(count, 1));
	cr_neighbors_decode((uint8_t *) VARDATA(bytes), count, item_no, weight);
	for (uint32 i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		values[0] = Int32GetDatum(item_no[i]);
		values[1] = Float4GetDatum(weight[i]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
