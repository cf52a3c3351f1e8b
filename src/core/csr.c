/*
 * csr.c
 *		Transposing and checking compressed sparse rows.
 */
#include <math.h>
#include <string.h>

#include "core/csr.h"

/* Let start[c] be where column c of "in" begins in the transpose. */
static void
count_columns(const CrCsr *in, int64_t *start)
{
	int64_t		nnz = in->start[in->rows];
	int64_t		before = 0;

	memset(start, 0, ((size_t) in->columns + 1) * sizeof(int64_t));
	for (int64_t e = 0; e < nnz; e++)
		start[in->column[e]]++;
	for (int64_t c = 0; c <= in->columns; c++)
	{
		int64_t		count = start[c];

		start[c] = before;
		before += count;
	}
}

void
cr_csr_transpose(const CrCsr *in, int64_t *out_start, int32_t *out_column, float *out_weight)
{
	count_columns(in, out_start);
	for (int64_t row = 0; row < in->rows; row++)
	{
		for (int64_t e = in->start[row]; e < in->start[row + 1]; e++)
		{
			int64_t		to = out_start[in->column[e]]++;

			out_column[to] = (int32_t) row;
			if (in->weight != NULL)
				out_weight[to] = in->weight[e];
		}
	}

	/* Filling has moved every offset to the next column's: move them back. */
	memmove(out_start + 1, out_start, (size_t) in->columns * sizeof(int64_t));
	out_start[0] = 0;
}

static CrStatus
check_row(const CrCsr *csr, int64_t from, int64_t to)
{
	int64_t		previous = -1;

	for (int64_t e = from; e < to; e++)
	{
		if (csr->column[e] <= previous || csr->column[e] >= csr->columns)
			return CR_INVALID_ARGUMENT;
		previous = csr->column[e];
		if (csr->weight != NULL && !isfinite(csr->weight[e]))
			return CR_NOT_FINITE;
		if (csr->weight != NULL && csr->weight[e] <= 0.0f)
			return CR_INVALID_ARGUMENT;
	}
	return CR_OK;
}

/*
 * CR_NOT_FINITE for a weight that is no number, CR_INVALID_ARGUMENT for
 * everything else.  The offsets of all rows are checked before the first event
 * is read.
 */
CrStatus
cr_csr_check(const CrCsr *csr)
{
	if (csr->rows < 0 || csr->columns < 0 || csr->start[0] != 0)
		return CR_INVALID_ARGUMENT;
	for (int64_t row = 0; row < csr->rows; row++)
	{
		if (csr->start[row + 1] < csr->start[row])
			return CR_INVALID_ARGUMENT;
	}
	for (int64_t row = 0; row < csr->rows; row++)
	{
		CrStatus	status = check_row(csr, csr->start[row], csr->start[row + 1]);

		if (status != CR_OK)
			return status;
	}
	return CR_OK;
}
