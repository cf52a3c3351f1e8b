/*
 * ials.h
 *		Implicit ALS with the objective of Rendle et al. 2021, one half step at a time.
 *
 *	L(W,H) = sum over observed (u,i) of c_ui (w_u.h_i - 1)^2
 *		   + a0 * sum over all (u,i) of (w_u.h_i)^2
 *		   + lambda * [ sum_u (C_u + a0*|I|)^nu |w_u|^2 + sum_i (C_i + a0*|U|)^nu |h_i|^2 ]
 *
 * C_u is the sum of the confidences of row u, which is |S_u| when they are all
 * 1 ("Revisiting the Performance of iALS on Item Recommendation Benchmarks",
 * RecSys 2022, eq. 1 to 6 with frequency-scaled regularisation).
 *
 * A half step fixes one side ("fixed") and solves every row of the other
 * exactly:  (sum_j c_j y_j y_j' + a0*G + reg*I) x = sum_j c_j y_j,
 * G = Y'Y.  Rows are independent, so any split of them over workers gives the
 * same bits.
 *
 * Where the fixed side has been turned so that G is diagonal (core/basis.h),
 * rows cost less: with D = a0*G + reg*I and the row's n events Z = (sqrt(c_j) y_j),
 * t = (sqrt(c_j)), a short row is solved in its dual form by n equations instead
 * of k (Woodbury's identity):
 *		x = D^-1 Z' s,  (I + Z D^-1 Z') s = t
 * and conjugate gradients need no product with G, and have a preconditioner, with
 * which rows of more events than a few are solved exactly, too.
 *
 * Memory: factor matrices are row-major with leading dimension
 * cr_factor_stride(factors) floats; the padding holds zeros.  The caller owns
 * everything; a workspace of cr_ials_workspace_size() bytes, 64-byte aligned,
 * belongs to one participant at a time.
 */
#ifndef CR_IALS_H
#define CR_IALS_H

#include <stddef.h>
#include <stdint.h>

#include "core/csr.h"
#include "core/simd.h"
#include "core/status.h"

#define CR_FACTORS_MAX		512
#define CR_GRAM_ROWS		2048	/* rows of factors per float partial of a Gram matrix */

/*
 * The longest row that CG gathers once, however often it goes over it: in order, memory is
 * faster than anew, and few rows are longer.
 */
#define CR_IALS_CACHED_EVENTS	8192

typedef struct CrIalsParams
{
	int32_t		factors;		/* k, 1 .. CR_FACTORS_MAX */
	double		unobserved_weight;	/* a0 >= 0 */
	double		regularization; /* lambda > 0 */
	double		regularization_exponent;	/* nu, 0 .. 2 */
	CrSimd		simd;			/* an available level; the same bits within one level only */
} CrIalsParams;

/* One half step: solve rows of "interactions" against the fixed side's factors. */
typedef struct CrIalsHalf
{
	const CrIalsParams *params;
	const CrCsr *interactions;	/* rows are solved; columns are the fixed side */
	const float *fixed;			/* interactions->columns rows of factors */
	const float *gram;			/* k x k, row-major, leading dimension cr_factor_stride(k):
								 * a0 * Y'Y as float, full symmetric; not read where there is a spectrum */
	const float *spectrum;		/* NULL, or cr_factor_stride(k) floats: Y'Y is diagonal, and has these; padding
								 * zero */
	float	   *solved;			/* interactions->rows rows of factors, overwritten; what they are before is where
								 * rows begin that cr_ials_row_is_improved() */
	int			cg_steps;		/* 0: solve exactly; else improve "solved" by so many steps of
								 * conjugate gradients (Takacs, Pilaszy & Tikk 2011) */
	int			is_explicit;	/* see below; cg_steps is 0 and spectrum NULL then */
	int32_t		constant;		/* of explicit rows: the coordinate that stays 1 */
} CrIalsHalf;

/*
 * Explicit feedback takes the same road (Zhou et al. 2008, "Large-scale parallel
 * collaborative filtering for the Netflix Prize"):
 *
 *	L = sum over observed (u,i) of (t_ui - w_u.h_i)^2
 *	  + lambda * [ sum_u n_u^nu |w_u|^2 + sum_i n_i^nu |h_i|^2 ]
 *
 * with the targets t in the place of the weights, of either sign, a0 = 0 and
 * n the number of events.  A user's last but one coordinate is its bias where
 * the items have 1, and the last is 1 where the items have theirs, so that the
 * biases are part of w.h; the constants are neither solved nor penalised.
 */

typedef enum CrIalsMethod
{
	CR_IALS_PRIMAL,				/* k equations */
	CR_IALS_DUAL,				/* an equation for each event */
	CR_IALS_CG
} CrIalsMethod;

/*
 * The state of one row, or of a part of it, between slices.  A heavy row costs
 * seconds at 512 factors, so that the engine polls for interrupts between
 * cr_ials_row_add calls.
 */
typedef struct CrIalsRow
{
	int64_t		row;
	CrIalsMethod method;
	int64_t		first;			/* event at which it began */
	int64_t		next;			/* first event not yet accumulated */
	int64_t		end;			/* one past the last event */
	double		weight_sum;		/* C_u of the events accumulated so far */
	int			pass;			/* of CG over the events; 0 finds the residual */
	double		square;			/* of the residual of CG, by the preconditioner; explicit rows: sum of the
								 * squared targets */
	double		regularization; /* of CG, known after the first pass */
	double		events_sum;		/* of the events of this pass of CG: of weight * (y . x) in the first, of
								 * weight * (y . p)^2 in the last */
	double		fit;			/* of CG's solution so far, as in CrIalsLoss; known after the first pass */
} CrIalsRow;

/* What solving rows adds to the loss, in double. */
typedef struct CrIalsLoss
{
	double		fit;			/* sum of x'Ax - 2x.b + C_u, which is C_u - x.b - x.(b - Ax): observed,
								 * unobserved and this side's regularisation at x */
	double		penalty;		/* sum of reg_u |x_u|^2 alone */
} CrIalsLoss;

/* Floats from one factor row to the next: factors rounded up to a multiple of 16. */
extern int32_t cr_factor_stride(int32_t factors);

/*
 * For rows of up to so many events, of which there cannot be more than columns; rows that CG
 * does not solve need no more than those of none.
 */
extern size_t cr_ials_workspace_size(int32_t factors, int64_t longest);

/*
 * gram += sum over rows [from, to) of y y' in double, k x k with leading
 * dimension k, upper triangle; float partials of CR_GRAM_ROWS rows, added in
 * order.  "from" must be a multiple of CR_GRAM_ROWS for the result not to
 * depend on how the rows are split.
 */
extern void cr_gram_add(const CrIalsParams *params, const float *factors_matrix, int64_t from,
						int64_t to, double *gram, void *workspace);

/*
 * Add up "parts" partial Gram matrices (k*k doubles each, upper triangles) in
 * order, scale by "scale" and write the full symmetric float matrix with
 * leading dimension cr_factor_stride(k), padding zero.
 */
extern void cr_gram_finish(const double *partials, int32_t parts, int32_t factors, double scale,
						   float *gram);

/* reg of a row whose confidences add up to weight_sum, opposite side of "opposite" entities. */
extern double cr_ials_row_regularization(const CrIalsParams *params, double weight_sum,
										 int64_t opposite);

/*
 * Will the row be improved from the values that it has?  Others need not hold
 * anything that makes sense.  cr_ials_improves() says whether there are such rows.
 */
extern int	cr_ials_improves(const CrIalsHalf *half);
extern int	cr_ials_row_is_improved(const CrIalsHalf *half, int64_t row);

/* Start row "row": A = a0*G, b = 0. */
extern void cr_ials_row_begin(const CrIalsHalf *half, int64_t row, CrIalsRow *state,
							  void *workspace);

/*
 * Accumulate at most max_events more events; returns true while some are left.
 * CG goes over the events once more for each step, and where it fails, the row begins
 * anew and is factored.  Rows in their dual form, and of CG whole passes over up to
 * CR_IALS_CACHED_EVENTS, are done in one call.
 */
extern int	cr_ials_row_add(const CrIalsHalf *half, CrIalsRow *state, int64_t max_events,
							void *workspace);

/*
 * A row so heavy that it would keep everybody waiting is accumulated in parts,
 * at fixed places, by whoever is free: part_begin, row_add until it returns
 * false, part_save; then one participant, after join_begin, joins all parts in
 * order and finishes the row.  A part is cr_ials_part_size() bytes, aligned to 64.
 */
extern size_t cr_ials_part_size(int32_t factors);
extern void cr_ials_part_begin(const CrIalsHalf *half, int64_t row, int64_t from, int64_t to,
							   CrIalsRow *state, void *workspace);
extern void cr_ials_part_save(const CrIalsHalf *half, const CrIalsRow *state, void *part,
							  void *workspace);

/* A = a0*G, b = 0, and no events are left to be accumulated. */
extern void cr_ials_join_begin(const CrIalsHalf *half, int64_t row, CrIalsRow *state,
							   void *workspace);

/* A and b += those of the part. */
extern void cr_ials_join_part(const CrIalsHalf *half, CrIalsRow *state, const void *part,
							  void *workspace);

/*
 * Add the regularisation, factor (in the primal form, which the dual one falls
 * back to: jitter of 1e-6 .. 1e-2 of the mean diagonal if not positive
 * definite), solve, write half->solved[row] and add the row's
 * terms to *loss.  A row without events gets zeros.  CR_SINGULAR or
 * CR_NOT_FINITE if there is no finite solution.
 */
extern CrStatus cr_ials_row_finish(const CrIalsHalf *half, CrIalsRow *state, CrIalsLoss *loss,
								   void *workspace);

/* begin + add + finish for rows [from, to): for tests and small matrices. */
extern CrStatus cr_ials_solve_rows(const CrIalsHalf *half, int64_t from, int64_t to,
								   CrIalsLoss *loss, void *workspace);

/* The loss L(W,H) computed term by term in double, for tests: O(nnz k + (U+I) k^2). */
extern double cr_ials_loss_reference(const CrIalsParams *params, const CrCsr *users,
									 const float *user_factors, const float *item_factors,
									 double *scratch /* 2*k*k */ );

#endif							/* CR_IALS_H */
