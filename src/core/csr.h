/*
 * csr.h
 *		Compressed sparse rows: the shape in which the trainers read interactions.
 *
 * A CrCsr is a view: it owns nothing.  Columns ascend within a row and occur
 * once.  The transpose of a user-major matrix is the same type over items
 * (what textbooks call CSC).
 */
#ifndef CR_CSR_H
#define CR_CSR_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct CrCsr
{
	int64_t		rows;
	int64_t		columns;
	const int64_t *start;		/* rows + 1 offsets into column and weight */
	const int32_t *column;		/* start[rows] column numbers, ascending within a row */
	const float *weight;		/* start[rows] confidences c_ui > 0; NULL means all 1 */
} CrCsr;

/*
 * Counting-sort the transpose of "in".  The caller provides out_start
 * [in->columns + 1], out_column [nnz] and, when in->weight is not NULL,
 * out_weight [nnz].  Rows of the result ascend because rows of the input are
 * visited in order.
 */
extern void cr_csr_transpose(const CrCsr *in, int64_t *out_start, int32_t *out_column,
							 float *out_weight);

/* Are offsets monotone, columns in range, strictly ascending, and weights finite and positive? */
extern CrStatus cr_csr_check(const CrCsr *csr);

#endif							/* CR_CSR_H */
