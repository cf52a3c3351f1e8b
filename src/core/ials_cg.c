/*
 * ials_cg.c
 *		Improving rows of an implicit-ALS half step by conjugate gradients, some steps or to the end.
 *
 * A row starts from the solution that it has, and goes over its events once
 * for the residual and once for each step; A is never formed.  The last step
 * wants no new residual, so that the last pass only measures how far to go.
 * Where Y'Y is diagonal, what it has from the unobserved, from the penalty, and
 * on average from a row's events is a preconditioner: two steps with it bring
 * more than three without.  Rows of up to CR_IALS_CACHED_EVENTS are gathered once
 * for all passes.  Passes of longer rows gather again, panel by panel, and can be
 * cut into slices anywhere.
 *
 * In an exact half step a row goes on until float has no more to give, which as a
 * rule takes 4 to 10 passes, and less time than to sum up A and factor it.
 * M^-1/2 A M^-1/2 has most of its eigenvalues near 1, so that r'M^-1 r is about the
 * square of the error in the norm of A; that of the solution is x.b.
 *
 * The loss comes along: f(x) = x'Ax - 2x.b is -x.b - x.(b - Ax) at the start,
 * and a step of length r'M^-1 r / p'Ap takes that times r'M^-1 r off it.
 */
#include <math.h>
#include <string.h>

#include "core/ials_workspace.h"

#define GAIN_MIN		1e-12	/* of the loss of x = 0: to gain less is rounding */
#define CONVERGED		1e-12	/* r'M^-1 r, of x.b: one more step, and the error is that of a float
								 * factorisation */
#define FAR_AWAY		4.0		/* so many times the loss of x = 0, a row does not converge to that error */
#define CONVERGING_PASSES	32	/* a row that needs more is better factored */
#define CONVERGING_FACTORS	48	/* with less, a row is factored in the time of a few passes */

int
cr_ials_improves(const CrIalsHalf *half)
{
	return half->cg_steps > 0 ||
		(half->spectrum != NULL && half->params->factors >= CONVERGING_FACTORS);
}

int
cr_ials_prefers_cg(const CrIalsHalf *half, int64_t events)
{
	return half->cg_steps > 0 ||
		(cr_ials_improves(half) && events <= CR_IALS_CACHED_EVENTS);
}

/* image = a0 * G * direction, to which the events are added next. */
static void
begin_pass(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state)
{
	float		weight = (float) half->params->unobserved_weight;

	state->next = state->first;
	state->events_sum = 0.0;
	if (half->spectrum != NULL)
	{
		for (int32_t i = 0; i < w->stride; i++)
			w->image[i] = weight * half->spectrum[i] * w->direction[i];
		return;
	}
	memset(w->image, 0, (size_t) w->stride * sizeof(float));
	w->kernels->multiply(half->gram, w->stride, w->factors, w->dims, w->direction, w->image);
}

void
cr_ials_cg_begin(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state)
{
	const float *x = half->solved + (size_t) state->row * w->stride;

	memcpy(w->solution, x, (size_t) w->stride * sizeof(float));
	memcpy(w->direction, x, (size_t) w->stride * sizeof(float));
	begin_pass(half, w, state);
}

/* Rows that converge are gathered once, so that their sum of weights is known behind the first pass. */
static int
is_last_pass(const CrIalsHalf *half, const CrIalsRow *state)
{
	if (half->cg_steps > 0)
		return state->pass == half->cg_steps;
	return state->pass > 0 && state->square <= CONVERGED * (state->weight_sum - state->fit);
}

/* The next events are gathered into the panel from row "filled" on, and added to the image. */
static void
gather_panel(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state, int32_t rows,
			 int32_t filled)
{
	CrGather	events = cr_ials_next_events(half, w, state, rows, filled);
	float		target = state->pass == 0 ? 1.0f : 0.0f;
	double		sum = w->kernels->gather_project(&events, target, w->direction, w->image);

	if (state->pass == 0)
		state->events_sum += sum;
}

/* What this pass wants of "rows" events from event "from" on, which are in the panel. */
static void
use_panel(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state, int64_t from,
		  int32_t rows)
{
	const float *weight = half->interactions->weight;
	CrProduct	product = {w->panel, weight == NULL ? NULL : weight + from, rows, w->stride, w->dims};

	if (is_last_pass(half, state))
		state->events_sum += w->kernels->curvature(&product, w->direction);
	else
		w->kernels->project(&product, w->direction, w->image);
}

/*
 * The preconditioner: the diagonal of A as it would be if a row's events were like
 * all, which is known without looking at them.
 */
static void
precondition(const CrIalsHalf *half, const CrIalsWorkspace *w, const CrIalsRow *state)
{
	float	   *restrict inverse = w->inverse_diagonal;
	float		weight = (float) (half->params->unobserved_weight +
								  state->weight_sum / (double) half->interactions->columns);
	float		regularization = (float) state->regularization;

	for (int32_t i = 0; i < w->stride; i++)
		inverse[i] = half->spectrum == NULL || i >= w->factors ? 1.0f :
			1.0f / (weight * half->spectrum[i] + regularization);
}

/* The residual, the first direction and the loss, of an image that is A x - b. */
static void
first_direction(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state)
{
	const float *restrict image = w->image;
	const float *restrict inverse = w->inverse_diagonal;
	float	   *restrict residual = w->residual;
	float	   *restrict direction = w->direction;
	double		gain_min = GAIN_MIN * state->weight_sum;

	for (int32_t i = 0; i < w->stride; i++)
	{
		residual[i] = -image[i];
		direction[i] = inverse[i] * residual[i];
	}
	state->fit = state->weight_sum - state->events_sum -
		w->kernels->dot(w->solution, residual, w->stride);
	state->square = w->kernels->dot(residual, direction, w->stride);
	/* From far away a float's error is that of where the row was, not of where it goes. */
	if (half->cg_steps == 0 && state->fit > FAR_AWAY * state->weight_sum)
		state->square = NAN;
	/* What is to be gained is r'A^-1 r: with M about r'M^-1 r, without at most r'r over the least of A. */
	if (state->square <= gain_min * (half->spectrum == NULL ? state->regularization : 1.0))
		state->square = 0.0;
}

/* Go along the direction; behind the last step there is nothing that another would need. */
static void
step(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state)
{
	CrDescent	descent = {w->solution, w->residual, w->direction, w->image, w->inverse_diagonal,
		w->stride};
	double		image = w->kernels->dot(w->direction, w->image, w->stride);
	double		length = state->square / (image + state->events_sum);

	/* Infinite, it would be a step of no length. */
	state->fit -= isfinite(image + state->events_sum) ? length * state->square : NAN;
	if (!is_last_pass(half, state))
	{
		state->square = w->kernels->descend(&descent, length, state->square);
		return;
	}
	for (int32_t i = 0; i < w->stride; i++)
		w->solution[i] += (float) length * w->direction[i];
	state->square = 0.0;
}

/* All events have been seen once more; returns true if there is another pass. */
static int
end_pass(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state)
{
	const float *restrict direction = w->direction;
	float	   *restrict image = w->image;
	float		regularization;

	if (state->pass == 0)
		state->regularization = cr_ials_row_regularization(half->params, state->weight_sum,
														   half->interactions->columns);
	regularization = (float) state->regularization;
	for (int32_t i = 0; i < w->stride; i++)
		image[i] += regularization * direction[i];
	if (state->pass == 0)
	{
		precondition(half, w, state);
		first_direction(half, w, state);
	}
	else
		step(half, w, state);
	if (!(state->square > 0.0) || (half->cg_steps == 0 && state->pass == CONVERGING_PASSES))
		return 0;
	state->pass++;
	begin_pass(half, w, state);
	return 1;
}

/* As many of the events left as a panel holds. */
static int32_t
next_rows(const CrIalsWorkspace *w, const CrIalsRow *state)
{
	int64_t		left = state->end - state->next;

	return (int32_t) (left < w->panel_rows ? left : w->panel_rows);
}

/* A whole pass over a row that is gathered once, and stays in the panel. */
static void
run_pass(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state)
{
	if (state->pass > 0)
	{
		use_panel(half, w, state, state->first, (int32_t) (state->end - state->first));
		state->next = state->end;
	}
	while (state->next < state->end)
		gather_panel(half, w, state, next_rows(w, state), (int32_t) (state->next - state->first));
}

/* The next panel of a longer row; the sum of weights is that of the first pass. */
static void
run_panel(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state)
{
	int64_t		from = state->next;
	int32_t		rows = next_rows(w, state);
	double		weight_sum = state->weight_sum;

	if (!is_last_pass(half, state))
		gather_panel(half, w, state, rows, 0);
	else
	{
		CrGather	events = cr_ials_next_events(half, w, state, rows, 0);

		w->kernels->gather(&events);
		use_panel(half, w, state, from, rows);
	}
	if (state->pass > 0)
		state->weight_sum = weight_sum;
}

/* Panels begin at fixed distances: a slice ends at the first end of a panel, or of a pass, at or behind it. */
int
cr_ials_cg_add(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state,
			   int64_t max_events)
{
	int			is_cached = state->end - state->first <= CR_IALS_CACHED_EVENTS;

	if (state->next == state->end)
		return 0;
	for (int64_t done = 0; done < max_events;)
	{
		int64_t		from = state->next;

		if (is_cached)
			run_pass(half, w, state);
		else
			run_panel(half, w, state);
		done += state->next - from;
		if (state->next == state->end && !end_pass(half, w, state))
			return 0;
	}
	return 1;
}

int
cr_ials_cg_has_failed(const CrIalsWorkspace *w, const CrIalsRow *state)
{
	int			is_finite = isfinite(state->fit) != 0;

	for (int32_t i = 0; i < w->stride; i++)
		is_finite &= isfinite(w->solution[i]) != 0;
	return !is_finite || state->square != 0.0;
}

void
cr_ials_cg_finish(const CrIalsHalf *half, const CrIalsWorkspace *w, const CrIalsRow *state,
				  CrIalsLoss *loss)
{
	loss->fit += state->fit;
	loss->penalty += state->regularization * w->kernels->dot(w->solution, w->solution, w->stride);
	memcpy(half->solved + (size_t) state->row * w->stride, w->solution,
		   (size_t) w->stride * sizeof(float));
}
