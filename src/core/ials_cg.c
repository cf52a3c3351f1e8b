/*
 * ials_cg.c
 *		Improving rows of an implicit-ALS half step by conjugate gradients.
 *
 * A row starts from the solution that it has, and goes over its events once
 * for the residual and once for each step; A is never formed.  Events that fit
 * the cache are gathered once for all passes.  Passes of longer rows gather
 * again, panel by panel, and can be cut into slices anywhere.
 */
#include <math.h>
#include <string.h>

#include "core/ials_workspace.h"

#define SQUARE_MIN		1e-12	/* of |b|^2: a smaller residual is rounding */

static double
dot(const float *a, const float *b, int32_t stride)
{
	double		sum[4] = {0};

	for (int32_t i = 0; i < stride; i += 4)
	{
		for (int lane = 0; lane < 4; lane++)
			sum[lane] += (double) a[i + lane] * b[i + lane];
	}
	return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* image = gram * direction, to which the events are added next. */
static void
begin_pass(const CrIalsHalf *half, const CrIalsWorkspace *w)
{
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

/* image += the panel's events, which begin at event "from". */
static void
project_panel(const CrIalsHalf *half, const CrIalsWorkspace *w, int64_t from, int32_t rows)
{
	const float *weight = half->interactions->weight;
	CrProduct	product = {w->panel, weight == NULL ? NULL : weight + from, rows, w->stride, w->dims};

	w->kernels->project(&product, w->direction, w->image);
}

static void
first_direction(const CrIalsWorkspace *w, CrIalsRow *state)
{
	double		right_square = 0.0;

	for (int32_t i = 0; i < w->stride; i++)
	{
		w->residual[i] = (float) w->right_sum[i] - w->image[i];
		w->direction[i] = w->residual[i];
		right_square += w->right_sum[i] * w->right_sum[i];
	}
	state->square = dot(w->residual, w->residual, w->stride);
	if (state->square <= SQUARE_MIN * right_square)
		state->square = 0.0;
}

/* x += a p, r -= a A p, p = r + b p */
static void
step(const CrIalsWorkspace *w, CrIalsRow *state)
{
	float		length = (float) (state->square / dot(w->direction, w->image, w->stride));
	double		square;
	float		turn;

	for (int32_t i = 0; i < w->stride; i++)
	{
		w->solution[i] += length * w->direction[i];
		w->residual[i] -= length * w->image[i];
	}
	square = dot(w->residual, w->residual, w->stride);
	turn = (float) (square / state->square);
	for (int32_t i = 0; i < w->stride; i++)
		w->direction[i] = w->residual[i] + turn * w->direction[i];
	state->square = square;
}

static double
row_regularization(const CrIalsHalf *half, const CrIalsRow *state)
{
	return cr_ials_row_regularization(half->params, state->weight_sum,
									  half->interactions->columns);
}

/* All events have been seen once more; returns true if there is another pass. */
static int
end_pass(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state)
{
	float		regularization = (float) row_regularization(half, state);

	for (int32_t i = 0; i < w->stride; i++)
		w->image[i] += regularization * w->direction[i];
	if (state->pass == 0)
		first_direction(w, state);
	else
		step(w, state);
	if (state->pass == half->cg_steps || !(state->square > 0.0))
		return 0;
	state->pass++;
	begin_pass(half, w);
	return 1;
}

/* A row that is gathered once: all passes. */
static void
run_cached(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state)
{
	int64_t		from = state->next;
	int32_t		rows = (int32_t) (state->end - from);

	cr_ials_gather(half, w, state, rows, 0);
	cr_ials_flush_right(w);
	do
		project_panel(half, w, from, rows);
	while (end_pass(half, w, state));
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
	project_panel(half, w, from, rows);
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
	double		x_dot_b = 0.0;

	if (!is_finite(w->solution, w->stride) || !is_finite(w->residual, w->stride))
	{
		CrIalsHalf	exact = *half;

		exact.cg_steps = 0;
		return cr_ials_solve_rows(&exact, state->row, state->row + 1, loss, w->normal);
	}
	for (int32_t i = 0; i < w->stride; i++)
		x_dot_b += w->solution[i] * w->right_sum[i];
	loss->fit += state->weight_sum - x_dot_b - dot(w->solution, w->residual, w->stride);
	loss->penalty += row_regularization(half, state) * dot(w->solution, w->solution, w->stride);
	memcpy(half->solved + (size_t) state->row * w->stride, w->solution,
		   (size_t) w->stride * sizeof(float));
	return CR_OK;
}
