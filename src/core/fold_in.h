/*
 * fold_in.h
 *		Solving one user again, exactly, against the stored items of a version.
 *
 * With x the user's vector, y_i those of the items with confidences c_i, G the
 * items' Gram matrix and A = a0*G + sum_i c_i y_i y_i' + reg*I, a half step of
 * training (core/ials.h) solves A x = sum_i c_i y_i.  The same equation gives
 * new users, or those with new events, their vectors; and it splits a score
 * into what each of the user's items contributes (Hu, Koren & Volinsky 2008,
 * section 5):
 *
 *	y_j'x = sum_i c_i * (y_j' A^-1 y_i)
 *
 * Everything is in double here: it is one row, and differences are told apart.
 * The caller owns the workspace of cr_fold_in_workspace_size() bytes, 64-byte
 * aligned, and may look for interrupts between any two calls; none takes more
 * than some milliseconds at CR_FACTORS_MAX.
 *
 * The Gram matrix is stored with the version, in the precision of training:
 *
 *	offset	size	content
 *	0		4		magic "CRGM"
 *	4		1		format version, 1
 *	5		1		element type, 1 = IEEE 754 binary32, little-endian
 *	6		2		k, the number of factors, uint16 little-endian
 *	8		2*k(k+1) upper triangle of a0 * Y'Y, row by row
 */
#ifndef CR_FOLD_IN_H
#define CR_FOLD_IN_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct CrFoldIn
{
	int32_t		factors;
	double	   *matrix;			/* A, k x k, upper triangle in column-major order; then its Cholesky factor */
	double	   *right;			/* sum of c_i y_i */
	double	   *panel;			/* items not yet added to the matrix, scaled by the root of c_i */
	int32_t		panel_rows;
	double		weight_sum;		/* of the confidences */
} CrFoldIn;

extern size_t cr_fold_in_gram_size(int32_t factors);

extern size_t cr_fold_in_workspace_size(int32_t factors);

/*
 * The Gram matrix to be stored: start with nothing, add every item with
 * confidence a0, encode.
 */
extern void cr_fold_in_begin_empty(CrFoldIn *fold, int32_t factors, void *workspace);
extern void cr_fold_in_gram_encode(CrFoldIn *fold, uint8_t *out);

/* Start with the stored Gram matrix; CR_CORRUPT and the like if its bytes are not sound. */
extern CrStatus cr_fold_in_begin(CrFoldIn *fold, int32_t factors, const uint8_t *gram,
								 size_t length, void *workspace);

/* Add an item that the user has a confidence in. */
extern void cr_fold_in_add(CrFoldIn *fold, const float *item, double confidence);

/* Add reg to the diagonal and factor; CR_SINGULAR or CR_NOT_FINITE if that fails. */
extern CrStatus cr_fold_in_finish(CrFoldIn *fold, double regularization);

/* After cr_fold_in_finish: vector := A^-1 vector. */
extern void cr_fold_in_solve(const CrFoldIn *fold, double *vector);

/* After cr_fold_in_finish: the user's vector, A^-1 sum c_i y_i; CR_NOT_FINITE beyond a float. */
extern CrStatus cr_fold_in_user(CrFoldIn *fold, float *user);

#endif							/* CR_FOLD_IN_H */
