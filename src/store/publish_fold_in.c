/*
 * publish_fold_in.c
 *		What folding users in needs to know of a version.
 *
 * The Gram matrix of the items is computed once more, from the vectors that
 * are published: users were solved last, against these.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/shmem.h"

#include "core/fold_in.h"
#include "store/deploy.h"
#include "store/publish_fold_in.h"

#define ALIGNMENT	64			/* of the workspace */

Size
PublishFoldInBytes(int32 factors)
{
	return add_size(cr_fold_in_workspace_size(factors), cr_fold_in_gram_size(factors));
}

/* a0 * Y'Y of the published items, in the current context. */
static Datum
EncodeGram(const PublishFactors *factors)
{
	int32		k = factors->factors;
	Size		size = VARHDRSZ + cr_fold_in_gram_size(k);
	bytea	   *bytes = palloc(size);
	char	   *memory = palloc(cr_fold_in_workspace_size(k) + ALIGNMENT);
	CrFoldIn	fold;

	cr_fold_in_begin_empty(&fold, k, (void *) TYPEALIGN(ALIGNMENT, memory));
	for (int32 i = 0; i < factors->items; i++)
	{
		CHECK_FOR_INTERRUPTS();
		cr_fold_in_add(&fold, factors->item_factors + (Size) i * factors->stride,
					   factors->unobserved_weight);
	}
	SET_VARSIZE(bytes, size);
	cr_fold_in_gram_encode(&fold, (uint8_t *) VARDATA(bytes));
	pfree(memory);
	return PointerGetDatum(bytes);
}

void
PublishFoldIn(Oid schema, int32 version, const PublishFactors *factors)
{
	Oid			types[] = {INT4OID, TIMESTAMPTZOID, BYTEAOID, INT4OID};
	char		nulls[] = "    ";
	Datum		values[4] = {0};

	values[0] = Int32GetDatum(version);
	values[1] = TimestampTzGetDatum(factors->age_origin);
	if (!factors->has_age_origin)
		nulls[1] = 'n';
	if (factors->dims > 0 && factors->fold == CR_FOLD_RIDGE)
		values[2] = EncodeGram(factors);
	else
		nulls[2] = 'n';
	values[3] = Int32GetDatum(factors->items);
	ModelExecute(psprintf("INSERT INTO %s (version, age_origin, gram, folded_until, trained_items) "
						  "VALUES ($1, $2, $3, $2, $4)",
						  ModelTableSql(schema, MODEL_FOLD_IN)),
				 lengthof(types), types, values, nulls, SPI_OK_INSERT);
}
