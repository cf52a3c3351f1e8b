/*
 * parts.c
 *		The best rows of a factor matrix for an embedding (core/parts.h).
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/errors.h"
#include "core/bytes.h"
#include "core/vector.h"
#include "serve/parts.h"

#define POLL_ROWS	1024		/* rows between two polls for interrupts */

static bool
IsZero(const float *vector, int32 dims)
{
	for (int32 i = 0; i < dims; i++)
	{
		if (vector[i] != 0)
			return false;
	}
	return true;
}

/* Is the row in the list, whose numbers ascend?  *at moves on with the rows. */
static bool
IsSeen(const CrListView *seen, uint32 *at, uint32 row)
{
	if (seen == NULL)
		return false;
	while (*at < seen->count && cr_load_u32(seen->item_no + 4 * (Size) *at) < row)
		(*at)++;
	return *at < seen->count && cr_load_u32(seen->item_no + 4 * (Size) *at) == row;
}

int32
FactorsTopK(const CrFactorsView *factors, const float *vector, const CrListView *seen, int32 k,
			CrScored **best)
{
	float	   *row = palloc(sizeof(float) * factors->dims);
	uint32		at = 0;
	CrTopK		top;

	k = (int32) Min((uint32) k, factors->rows);
	*best = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(CrScored) * (Size) Max(k, 1));
	cr_topk_init(&top, *best, k);
	for (uint32 i = 0; k > 0 && i < factors->rows; i++)
	{
		float		score;

		if (i % POLL_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		if (IsSeen(seen, &at, i))
			continue;
		if (cr_factors_load(factors, i, row) != CR_OK)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("the factor matrix is damaged"),
					 errdetail("Row %u is not finite.", i)));
		if (IsZero(row, factors->dims))
			continue;
		score = cr_dot(vector, row, factors->dims);
		if (!isfinite(score))
			CheckComputation(CR_NOT_FINITE, psprintf("score of item number %u", i));
		cr_topk_offer(&top, score, (int32) i);
	}
	cr_topk_sort(&top);
	pfree(row);
	return top.count;
}
