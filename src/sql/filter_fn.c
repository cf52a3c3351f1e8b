/*
 * filter_fn.c
 *		SQL function pack_items().
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"

#include "common/compat.h"
#include "core/itemset.h"

PG_FUNCTION_INFO_V1(commrec_pack_items);

static void pg_attribute_noreturn()
ReportOtherPiece(int32 piece, int32 item_no)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("item number %d does not belong to piece %d", item_no, piece),
			 errhint("Piece p holds the item numbers from p * %d on.", CR_ITEMSET_BITS)));
}

/* Set the bits of the array's elements; NULLs are passed over. */
static void
AddItems(ArrayType *array, int32 piece, uint8_t *bytes)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(array, INT4OID, sizeof(int32), true, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!nulls[i] && cr_itemset_add(bytes, DatumGetInt32(elements[i])) != CR_OK)
			ReportOtherPiece(piece, DatumGetInt32(elements[i]));
	}
}

/* pack_items(piece integer, item_nos integer[]) -> bytea */
Datum
commrec_pack_items(PG_FUNCTION_ARGS)
{
	int32		piece;
	bytea	   *bytes;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	piece = PG_GETARG_INT32(0);
	bytes = palloc(VARHDRSZ + CR_ITEMSET_BYTES);
	SET_VARSIZE(bytes, VARHDRSZ + CR_ITEMSET_BYTES);
	if (piece < 0 || piece > PG_INT32_MAX / CR_ITEMSET_BITS ||
		cr_itemset_init(piece * CR_ITEMSET_BITS, (uint8_t *) VARDATA(bytes)) != CR_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no piece %d", piece)));
	if (!PG_ARGISNULL(1))
		AddItems(PG_GETARG_ARRAYTYPE_P(1), piece, (uint8_t *) VARDATA(bytes));
	PG_RETURN_BYTEA_P(bytes);
}
