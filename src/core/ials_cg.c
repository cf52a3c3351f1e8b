/*
 * ials_cg.c
 *		Improving rows of an implicit-ALS half step by conjugate gradients.
 *
 * A row starts from the solution that it has, and goes over its events once
 * for the residual and once for each step; A is never formed.  Where Y'Y is
 * diagonal, what it has from the unobserved, from the penalty, and on average from
 * a row's events is a preconditioner: two steps with it bring more than three without.  Events that fit
 * the cache are gathered once for all passes.  Passes of longer rows gather
 * again, panel by panel, and can be cut into slices anywhere.
 */
#include <math.h>
#include <string.h>

#include "core/ials_workspace.h"

#define SQUARE_MIN		1e-12	/* of |b|^2: a smaller residual is rounding */

/* image = a0 * G * direction, to which the events are added next. */
static void
begin_pass(const CrIalsHalf *half, const CrIalsWorkspace *w)
{
	float		weight = (float) half->params->unobserved_weight;

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
	begin_pass(half, w);
}

/* image += "rows" events from event "from" on, which lie in the panel from row "filled" on. */
static void
project_panel(const CrIalsHalf *half, const CrIalsWorkspace *w, int64_t from, int32_t rows,
			  int32_t filled)
{
	const float *weight = half->interactions->weight;
	CrProduct	product = {w->panel + (size_t) filled * w->stride,
		weight == NULL ? NULL : weight + from, rows, w->stride, w->dims};

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

static void
first_direction(const CrIalsWorkspace *w, CrIalsRow *state)
{
	const double *restrict right = w->right_sum;
	const float *restrict image = w->image;
	const float *restrict inverse = w->inverse_diagonal;
	float	   *restrict residual = w->residual;
	float	   *restrict direction = w->direction;
	double		right_square = 0.0;

	for (int32_t i = 0; i < w->stride; i++)
	{
		residual[i] = (float) right[i] - image[i];
		direction[i] = inverse[i] * residual[i];
		right_square += right[i] * right[i] * inverse[i];
	}
	state->square = w->kernels->dot(residual, direction, w->stride);
	if (state->square <= SQUARE_MIN * right_square)
		state->square = 0.0;
}

static void
step(const CrIalsWorkspace *w, CrIalsRow *state)
{
	CrDescent	descent = {w->solution, w->residual, w->direction, w->image, w->inverse_diagonal,
		w->stride};

	state->square = w->kernels->descend(&descent, state->square);
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
		first_direction(w, state);
	}
	else
		step(w, state);
	if (state->pass == half->cg_steps || !(state->square > 0.0))
		return 0;
	state->pass++;
	begin_pass(half, w);
	return 1;
}

/* A row that is gathered once: all passes, of which the first finds the events where they have just been put. */
static void
run_cached(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state)
{
	int64_t		first = state->first;
	int32_t		events = (int32_t) (state->end - first);

	for (int32_t done = 0; done < events; done += w->panel_rows)
	{
		int32_t		left = events - done;
		int32_t		rows = left < w->panel_rows ? left : w->panel_rows;

		cr_ials_gather(half, w, state, rows, done);
		cr_ials_flush_right(w);
		project_panel(half, w, first + done, rows, done);
	}
	while (end_pass(half, w, state))
		project_panel(half, w, first, events, 0);
}

/* The next panel of a longer row; the sums of weights and b are those of the first pass. */
static void
run_panel(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state, int32_t rows)
{
	int64_t		from = state->next;
	double		weight_sum = state->weight_sum;

	cr_ials_gather(half, w, state, rows, 0);
	if (state->pass == 0)
		cr_ials_flush_right(w);
	else
	{
		memset(w->right, 0, (size_t) w->stride * sizeof(float));
		state->weight_sum = weight_sum;
	}
	project_panel(half, w, from, rows, 0);
}

/* Panels begin at fixed distances: a slice ends at the first end of a panel at or behind it. */
int
cr_ials_cg_add(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state,
			   int64_t max_events)
{
	if (state->next == state->end)
		return 0;
	if (state->end - state->first <= w->cached_rows)
	{
		run_cached(half, w, state);
		return 0;
	}
	for (int64_t done = 0; done < max_events;)
	{
		int64_t		left = state->end - state->next;
		int32_t		rows = (int32_t) (left < w->panel_rows ? left : w->panel_rows);

		run_panel(half, w, state, rows);
		done += rows;
		if (state->next < state->end)
			continue;
		if (!end_pass(half, w, state))
			return 0;
		state->next = state->first;
	}
	return 1;
}

static int
is_finite(const float *x, int32_t stride)
{
	int			finite = 1;

	for (int32_t i = 0; i < stride; i++)
		finite &= isfinite(x[i]) != 0;
	return finite;
}

/* Where floats overflow, the row is solved exactly after all, which has its own remedies. */
CrStatus
cr_ials_cg_finish(const CrIalsHalf *half, const CrIalsWorkspace *w, const CrIalsRow *state,
				  CrIalsLoss *loss)
{
	double		x_dot_b;
	double		x_dot_x;

	if (!is_finite(w->solution, w->stride) || !is_finite(w->residual, w->stride))
	{
		CrIalsHalf	exact = *half;

		exact.cg_steps = 0;
		return cr_ials_solve_rows(&exact, state->row, state->row + 1, loss, w->normal);
	}
	cr_ials_sum_products(w->solution, w->right_sum, w->stride, &x_dot_b, &x_dot_x);
	loss->fit += state->weight_sum - x_dot_b -
		w->kernels->dot(w->solution, w->residual, w->stride);
	loss->penalty += state->regularization * x_dot_x;
	memcpy(half->solved + (size_t) state->row * w->stride, w->solution,
		   (size_t) w->stride * sizeof(float));
	return CR_OK;
}
