/*
 * ials_workspace.h
 *		The parts of a participant's workspace, for the files that solve rows.
 *
 * One block of the caller's, carved into parts of whole cache lines.
 */
#ifndef CR_IALS_WORKSPACE_H
#define CR_IALS_WORKSPACE_H

#include "core/ials.h"
#include "core/solve.h"

/* Room of every panel: for what is accumulated together, for the dual form, and for basis.c. */
#define CR_PANEL_EVENTS_MIN	512

typedef struct CrIalsWorkspace
{
	const CrSolveKernels *kernels;
	int32_t		factors;
	int32_t		dims;			/* factors, rounded up to whole vectors of the level */
	int32_t		stride;			/* factors, rounded up to whole cache lines */
	int32_t		ld;				/* of the matrices: so much more than stride that rows do not meet in one set of the cache */
	int32_t		panel_rows;		/* that are accumulated together */
	float	   *normal;			/* stride x ld: A, upper triangle */
	float	   *factored;		/* stride x ld: its factor, so that A is left for the next attempt */
	float	   *inverse;		/* stride x CR_LANES_MAX */
	float	   *scale;			/* of a panel's events: roots of their confidences */
	float	   *right;			/* stride: the panel's part of b; of a complete system b */
	float	   *solution;		/* stride */
	float	   *diagonal;		/* stride: A's, before any jitter; of the dual form: roots of 1 / D */
	float	   *residual;		/* stride: b - A x, of CG; of the dual form: s */
	float	   *direction;		/* stride: p of CG; in the first pass x */
	float	   *image;			/* stride: A p; in the first pass A x - b */
	float	   *inverse_diagonal;	/* stride: of CG's preconditioner */
	double	   *right_sum;		/* stride: b of the panels before */
	float	   *panel;			/* gathered events, of "stride" floats; as many as a row that CG gathers once has */
} CrIalsWorkspace;

extern CrIalsWorkspace cr_ials_carve(const CrIalsParams *params, void *workspace);

/* The next "count" events, which belong into the panel from row "filled" on, without any scale; the state advances. */
extern CrGather cr_ials_next_events(const CrIalsHalf *half, const CrIalsWorkspace *w,
									CrIalsRow *state, int32_t count, int32_t filled);

/* Is a row of so many events to be solved in its dual form, or else by CG? */
extern int	cr_ials_prefers_dual(const CrIalsHalf *half, int64_t events);
extern int	cr_ials_prefers_cg(const CrIalsHalf *half, int64_t events);

/* And where CG has failed: in its dual form, or in the primal one? */
extern int	cr_ials_factors_dual(const CrIalsHalf *half, int64_t events);

/*
 * Solve a row that is in the panel as a whole into w->solution; *fit is its term
 * of the loss.  Leaves the panel and b alone.
 */
extern CrStatus cr_ials_dual_solve(const CrIalsHalf *half, const CrIalsWorkspace *w,
								   const CrIalsRow *state, double regularization, double *fit);

/* What begin, add and finish of a row do by CG. */
extern void cr_ials_cg_begin(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state);
extern int	cr_ials_cg_add(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state,
						   int64_t max_events);
extern void cr_ials_cg_finish(const CrIalsHalf *half, const CrIalsWorkspace *w,
							  const CrIalsRow *state, CrIalsLoss *loss);

/* After the last pass: has a float overflowed, or would an exact solution take too many passes? */
extern int	cr_ials_cg_has_failed(const CrIalsWorkspace *w, const CrIalsRow *state);

/* An element of the sum of partial Gram matrices, each of k * k elements, added up in order. */
static inline double
cr_gram_sum(const double *partials, int32_t parts, int32_t factors, size_t element)
{
	size_t		size = (size_t) factors * (size_t) factors;
	double		sum = 0.0;

	for (int32_t part = 0; part < parts; part++)
		sum += partials[(size_t) part * size + element];
	return sum;
}

/* Zero the upper triangle of A, whole diagonal blocks. */
extern void cr_ials_clear_normal(const CrIalsWorkspace *w);

#endif							/* CR_IALS_WORKSPACE_H */
