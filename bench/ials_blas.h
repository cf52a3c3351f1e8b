/*
 * ials_blas.h
 *		Rows of an implicit-ALS half step by CBLAS and LAPACKE: what the kernels are measured against.
 */
#ifndef IALS_BLAS_H
#define IALS_BLAS_H

#include "core/ials.h"

/* Bytes of the workspace, which is aligned to 64. */
extern size_t ials_blas_workspace_size(int32_t factors);

/* Solve rows [from, to) exactly; the sums of the loss as cr_ials_solve_rows gives them. */
extern CrStatus ials_blas_solve_rows(const CrIalsHalf *half, int64_t from, int64_t to,
									 CrIalsLoss *loss, void *workspace);

#endif							/* IALS_BLAS_H */
