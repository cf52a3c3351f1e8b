/*
 * ials_dual.c
 *		Solving short rows of an implicit-ALS half step by one equation for each event.
 *
 * The row's panel, its coordinates scaled by the roots of 1 / D, is transposed a
 * stretch of coordinates at a time, so that the product of its events with each
 * other is a rank-k update like that of the primal form; t is the right side.
 * With s = t - Zx, the row's term of the loss is C_u - x.b = t.s, a sum without
 * cancellation.
 *
 * This is the matrix of a row of ials_workspace.h, but with the leading
 * dimension that its few equations need, and the factor's memory, before it is
 * needed, is the transposed stretch.
 */
#include <math.h>
#include <string.h>

#include "core/ials_workspace.h"

#define STRETCH_FLOATS	8192	/* 32 KB, as of a panel */
#define CG_DUAL_MAX		32		/* events */
#define EXACT_DUAL_MAX	40		/* events, where CG finds exact solutions, too */

_Static_assert(7 * CR_FACTORS_MAX / 8 <= CR_PANEL_EVENTS_MIN, "a panel has room for a row in its dual form");

typedef struct Dual
{
	CrFactor	system;
	int32_t		events;
	int32_t		stride;			/* events, rounded up to whole cache lines */
	const float *root;			/* t, or NULL: all 1 */
} Dual;

/*
 * Measured with AVX2, CPU microseconds of a row of n events with k factors, that
 * of CG with two steps and with turning what it starts from:
 *
 *	  k    n   dual  primal      n   dual    CG
 *	 64   16    1.1     4.8     16    1.1   1.4
 *	 64   56    6.4     6.9     24    2.0   1.5
 *	128   32    4.7      24     32    4.7   4.5
 *	128   96     26      37     40    6.7   4.7
 *	256  128     91     247     32    8.5   8.9
 *	256  256    362     361     40     12   9.4
 *	512   32     18     870     32     18    21
 *	512  384   1800    2420     40     26    23
 *
 * What is as fast as CG is better, being the solution itself.  Until CG has converged,
 * in 5 to 10 passes, a row takes as long as in its dual form at 35 to 45 events with any
 * number of factors, and at 512 factors and 400 events a tenth.
 */
int
cr_ials_prefers_dual(const CrIalsHalf *half, int64_t events)
{
	int32_t		k = half->params->factors;

	if (!cr_ials_factors_dual(half, events))
		return 0;
	if (half->cg_steps == 0)
		return events <= EXACT_DUAL_MAX || !cr_ials_improves(half);
	return events <= k / 4 && events <= CG_DUAL_MAX;
}

int
cr_ials_factors_dual(const CrIalsHalf *half, int64_t events)
{
	return half->spectrum != NULL && events <= 7 * half->params->factors / 8;
}

/* The matrix without the events, I, and the right side t in w->residual. */
static void
begin_system(const CrIalsWorkspace *w, const Dual *dual)
{
	int32_t		dims = dual->system.dims;
	int32_t		ld = dual->system.ld;

	for (int32_t i = 0; i < dims; i++)
	{
		float	   *row = w->normal + (size_t) i * ld;
		int32_t		from = i / CR_LANES_MAX * CR_LANES_MAX;

		memset(row + from, 0, (size_t) (dual->stride - from) * sizeof(float));
		row[i] = 1.0f;
		w->residual[i] = i >= dual->events ? 0.0f : dual->root == NULL ? 1.0f : dual->root[i];
	}
}

/* The roots of 1 / D into w->diagonal, padding zero. */
static void
scale_coordinates(const CrIalsHalf *half, const CrIalsWorkspace *w, double regularization)
{
	float		weight = (float) half->params->unobserved_weight;
	float		added = (float) regularization;

	for (int32_t i = 0; i < w->factors; i++)
		w->diagonal[i] = sqrtf(1.0f / (weight * half->spectrum[i] + added));
	memset(w->diagonal + w->factors, 0, (size_t) (w->stride - w->factors) * sizeof(float));
}

/* I += Z D^-1 Z' */
static void
add_events(const CrIalsWorkspace *w, const Dual *dual)
{
	int32_t		stretch = STRETCH_FLOATS / dual->stride / CR_LANES_MAX * CR_LANES_MAX;

	if (stretch < CR_LANES_MAX)
		stretch = CR_LANES_MAX;
	for (int32_t from = 0; from < w->dims; from += stretch)
	{
		int32_t		dims = w->dims - from < stretch ? w->dims - from : stretch;
		CrTranspose transpose = {w->panel + from, w->stride, dual->events, dims,
			w->diagonal + from, w->factored, dual->stride};
		CrRankUpdate update = {w->normal, dual->system.ld, w->factored, dual->stride, dims,
			dual->system.dims, NULL};

		w->kernels->transpose(&transpose);
		w->kernels->accumulate(&update);
	}
}

/* x = D^-1 Z' s; returns whether it is finite. */
static int
add_up_solution(const CrIalsWorkspace *w, const Dual *dual, const float *s)
{
	int			is_finite = 1;

	memset(w->solution, 0, (size_t) w->stride * sizeof(float));
	w->kernels->multiply(w->panel, w->stride, dual->events, w->dims, s, w->solution);
	for (int32_t i = 0; i < w->stride; i++)
	{
		w->solution[i] *= w->diagonal[i] * w->diagonal[i];
		is_finite &= isfinite(w->solution[i]) != 0;
	}
	return is_finite;
}

CrStatus
cr_ials_dual_solve(const CrIalsHalf *half, const CrIalsWorkspace *w, const CrIalsRow *state,
				   double regularization, double *fit)
{
	int32_t		events = (int32_t) (state->end - state->first);
	int32_t		lanes = w->kernels->lanes;
	int32_t		stride = cr_factor_stride(events);
	Dual		dual = {{w->normal, w->factored, w->inverse, stride + CR_LANES_MAX,
			(events + lanes - 1) / lanes * lanes}, events, stride,
		half->interactions->weight == NULL ? NULL : w->scale};
	const float *s = w->residual;

	scale_coordinates(half, w, regularization);
	begin_system(w, &dual);
	add_events(w, &dual);
	if (!w->kernels->factor(&dual.system))
		return CR_SINGULAR;
	w->kernels->solve(&dual.system, w->residual);
	if (!add_up_solution(w, &dual, s))
		return CR_NOT_FINITE;
	*fit = 0;
	for (int32_t i = 0; i < events; i++)
		*fit += (dual.root == NULL ? 1.0 : dual.root[i]) * s[i];
	return isfinite(*fit) ? CR_OK : CR_NOT_FINITE;
}
