/*
 * ials.c
 *		Solving rows of an implicit-ALS half step.
 *
 * A row goes through begin, add (once or in slices) and finish, by one of three
 * methods; this file has the primal one, and what all have in common.  Its events'
 * factors are gathered into a panel, scaled by the root of the confidence; a
 * full panel is added to the normal equations by one rank-k update.  Panels
 * begin at fixed distances from the row's first event, whatever the slices, so
 * that slicing leaves the bits alone.
 *
 * The workspace carries the row's sums from one call to the next.
 */
#include <math.h>
#include <string.h>

#include "core/ials_workspace.h"

#define PANEL_FLOATS		6144	/* 24 KB: a panel stays in the first-level cache */
#define PANEL_ROWS_MIN		64		/* below this a rank-k update is bound by memory */
#define FAR_FLOATS			2097152 /* 8 MB: of a larger fixed side, much is not in the cache */

#define JITTER_FIRST		1e-6	/* of the mean diagonal; ten times as much per attempt */
#define JITTER_LAST			1e-2

_Static_assert(PANEL_FLOATS / CR_LANES_MAX <= CR_PANEL_EVENTS_MIN, "a panel has room for all of its rows");

/* What is kept of a part of a row: this, b in double, then A's rows from their diagonal blocks on. */
typedef struct PartHeader
{
	double		weight_sum;
	double		square;
	double		padding[6];		/* to 64 bytes */
} PartHeader;

static int32_t
round_up(int32_t n, int32_t to)
{
	return (n + to - 1) / to * to;
}

int32_t
cr_factor_stride(int32_t factors)
{
	return round_up(factors, CR_LANES_MAX);
}

static int32_t
panel_rows(int32_t stride)
{
	int32_t		rows = PANEL_FLOATS / stride / CR_LANES_MAX * CR_LANES_MAX;

	return rows > PANEL_ROWS_MIN ? rows : PANEL_ROWS_MIN;
}

size_t
cr_ials_workspace_size(int32_t factors, int64_t longest)
{
	size_t		stride = (size_t) cr_factor_stride(factors);
	size_t		ld = stride + CR_LANES_MAX;
	int32_t		cached = longest < CR_IALS_CACHED_EVENTS ? (int32_t) longest : CR_IALS_CACHED_EVENTS;
	int32_t		events = cached > CR_PANEL_EVENTS_MIN ? cached : CR_PANEL_EVENTS_MIN;
	size_t		floats = 2 * stride * ld + stride * CR_LANES_MAX + CR_PANEL_EVENTS_MIN + 7 * stride +
		(size_t) round_up(events, CR_LANES_MAX) * stride;

	return floats * sizeof(float) + stride * sizeof(double);
}

CrIalsWorkspace
cr_ials_carve(const CrIalsParams *params, void *workspace)
{
	CrIalsWorkspace w;
	size_t		stride = (size_t) cr_factor_stride(params->factors);
	size_t		ld = stride + CR_LANES_MAX;

	w.kernels = cr_solve_kernels(params->simd);
	w.factors = params->factors;
	w.dims = round_up(params->factors, w.kernels->lanes);
	w.stride = (int32_t) stride;
	w.ld = (int32_t) ld;
	w.panel_rows = panel_rows(w.stride);
	w.normal = (float *) workspace;
	w.factored = w.normal + stride * ld;
	w.inverse = w.factored + stride * ld;
	w.scale = w.inverse + stride * CR_LANES_MAX;
	w.right = w.scale + CR_PANEL_EVENTS_MIN;
	w.solution = w.right + stride;
	w.diagonal = w.solution + stride;
	w.residual = w.diagonal + stride;
	w.direction = w.residual + stride;
	w.image = w.direction + stride;
	w.inverse_diagonal = w.image + stride;
	w.right_sum = (double *) (w.inverse_diagonal + stride);
	w.panel = (float *) (w.right_sum + stride);
	return w;
}

/* The first column of the diagonal block that row i passes through, for the widest vector. */
static int32_t
block_start(int32_t i)
{
	return i / CR_LANES_MAX * CR_LANES_MAX;
}

void
cr_ials_clear_normal(const CrIalsWorkspace *w)
{
	for (int32_t i = 0; i < w->dims; i++)
	{
		int32_t		from = block_start(i);

		memset(w->normal + (size_t) i * w->ld + from, 0, (size_t) (w->stride - from) * sizeof(float));
	}
}

static void
clear_right(const CrIalsWorkspace *w)
{
	memset(w->right, 0, (size_t) w->stride * sizeof(float));
	memset(w->right_sum, 0, (size_t) w->stride * sizeof(double));
}

/* A = a0*G; rows and columns that only fill up a vector are zero. */
static void
begin_normal(const CrIalsHalf *half, const CrIalsWorkspace *w)
{
	const float *gram = half->gram;

	if (half->spectrum != NULL)
	{
		float		weight = (float) half->params->unobserved_weight;

		cr_ials_clear_normal(w);
		for (int32_t i = 0; i < w->factors; i++)
			w->normal[(size_t) i * w->ld + i] = weight * half->spectrum[i];
		return;
	}
	for (int32_t i = 0; i < w->factors; i++)
	{
		int32_t		from = block_start(i);
		float	   *row = w->normal + (size_t) i * w->ld;

		memcpy(row + from, gram + (size_t) i * w->stride + from,
			   (size_t) (w->stride - from) * sizeof(float));
	}
	for (int32_t i = w->factors; i < w->dims; i++)
		memset(w->normal + (size_t) i * w->ld, 0, (size_t) w->stride * sizeof(float));
}

double
cr_ials_row_regularization(const CrIalsParams *params, double weight_sum, int64_t opposite)
{
	double		frequency = weight_sum + params->unobserved_weight * (double) opposite;

	/* What pow() would give, but this is asked of every row, and 1 is the usual exponent. */
	if (params->regularization_exponent == 1.0)
		return params->regularization * frequency;
	return params->regularization * pow(frequency, params->regularization_exponent);
}

static CrIalsMethod
choose_method(const CrIalsHalf *half, int64_t events)
{
	if (cr_ials_prefers_dual(half, events))
		return CR_IALS_DUAL;
	return cr_ials_prefers_cg(half, events) ? CR_IALS_CG : CR_IALS_PRIMAL;
}

int
cr_ials_row_is_improved(const CrIalsHalf *half, int64_t row)
{
	int64_t		events = half->interactions->start[row + 1] - half->interactions->start[row];

	return events > 0 && choose_method(half, events) == CR_IALS_CG;
}

static void
begin_sums(CrIalsRow *state)
{
	state->next = state->first;
	state->weight_sum = 0.0;
	state->pass = 0;
	state->square = 0.0;
	state->regularization = 0.0;
	state->events_sum = 0.0;
	state->fit = 0.0;
}

static void
begin_state(const CrIalsHalf *half, int64_t row, CrIalsRow *state)
{
	state->row = row;
	state->method = CR_IALS_PRIMAL;
	state->first = half->interactions->start[row];
	state->end = half->interactions->start[row + 1];
	begin_sums(state);
}

static void
begin_method(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state,
			 CrIalsMethod method)
{
	clear_right(w);
	state->method = method;
	if (method == CR_IALS_CG)
		cr_ials_cg_begin(half, w, state);
	else if (method == CR_IALS_PRIMAL)
		begin_normal(half, w);
}

void
cr_ials_row_begin(const CrIalsHalf *half, int64_t row, CrIalsRow *state, void *workspace)
{
	CrIalsWorkspace w = cr_ials_carve(half->params, workspace);

	begin_state(half, row, state);
	if (state->next < state->end)	/* otherwise nothing will be solved */
		begin_method(half, &w, state, choose_method(half, state->end - state->next));
}

static double
sum_weights(const float *weight, int32_t count)
{
	double		sum = 0.0;

	for (int32_t i = 0; i < count; i++)
		sum += weight[i];
	return sum;
}

static double
sum_squares(const float *target, int32_t count)
{
	double		sum = 0.0;

	for (int32_t i = 0; i < count; i++)
		sum += (double) target[i] * target[i];
	return sum;
}

CrGather
cr_ials_next_events(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state,
					int32_t count, int32_t filled)
{
	const CrCsr *csr = half->interactions;
	int64_t		ahead = csr->start[csr->rows] - state->next - count;
	CrGather	events;

	events.fixed = half->fixed;
	events.stride = w->stride;
	events.dims = w->dims;
	events.column = csr->column + state->next;
	events.weight = csr->weight == NULL ? NULL : csr->weight + state->next;
	events.scale = NULL;
	events.count = count;
	events.ahead = ahead < INT16_MAX ? (int32_t) ahead : INT16_MAX;
	events.panel = w->panel + (size_t) filled * w->stride;
	events.right = w->right;
	if (half->is_explicit && csr->weight != NULL)
		state->square += sum_squares(events.weight, count);
	state->weight_sum += half->is_explicit || csr->weight == NULL ? count :
		sum_weights(events.weight, count);
	state->next += count;
	return events;
}

/* Gather the next events, scaled by the roots of their confidences. */
static void
gather(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state, int32_t count,
	   int32_t filled)
{
	CrGather	events = cr_ials_next_events(half, w, state, count, filled);

	if (!half->is_explicit && events.weight != NULL)
	{
		for (int32_t i = 0; i < count; i++)
			w->scale[i] = sqrtf(events.weight[i]);
		events.scale = w->scale;
	}
	w->kernels->gather(&events);
}

/* b of the panel joins the sum. */
static void
flush_right(const CrIalsWorkspace *w)
{
	double	   *restrict sum = w->right_sum;
	float	   *restrict right = w->right;

	for (int32_t i = 0; i < w->stride; i++)
	{
		sum[i] += right[i];
		right[i] = 0.0f;
	}
}

/*
 * The panel's events join A and b.  Meanwhile as many of the events from "next" on, of
 * whatever rows, are called closer, if they are far away.
 */
static void
add_panel(const CrIalsHalf *half, const CrIalsWorkspace *w, int32_t filled, int64_t next)
{
	const CrCsr *csr = half->interactions;
	int64_t		left = csr->start[csr->rows] - next;
	int			are_far = csr->columns * w->stride > FAR_FLOATS;
	CrAhead		ahead = {half->fixed, w->stride, w->dims, csr->column + next,
		left < filled ? (int32_t) left : filled};
	CrRankUpdate update = {w->normal, w->ld, w->panel, w->stride, filled, w->dims,
		are_far ? &ahead : NULL};

	w->kernels->accumulate(&update);
	flush_right(w);
}

/* Some more passes; if they lead nowhere, the row begins anew, and is factored, with all remedies of that. */
static int
improve(const CrIalsHalf *half, const CrIalsWorkspace *w, CrIalsRow *state, int64_t max_events)
{
	if (cr_ials_cg_add(half, w, state, max_events))
		return 1;
	if (!cr_ials_cg_has_failed(w, state))
		return 0;
	begin_sums(state);
	begin_method(half, w, state, cr_ials_factors_dual(half, state->end - state->first) ?
				 CR_IALS_DUAL : CR_IALS_PRIMAL);
	return 1;
}

int
cr_ials_row_add(const CrIalsHalf *half, CrIalsRow *state, int64_t max_events, void *workspace)
{
	CrIalsWorkspace w = cr_ials_carve(half->params, workspace);
	int64_t		left = state->end - state->next;
	int64_t		stop = state->next + (max_events < left ? max_events : left);

	if (state->method == CR_IALS_CG)
		return improve(half, &w, state, max_events);
	if (state->method == CR_IALS_DUAL)
	{
		if (left > 0)
			gather(half, &w, state, (int32_t) left, 0);
		return 0;
	}
	while (state->next < stop)
	{
		int32_t		filled = (int32_t) ((state->next - state->first) % w.panel_rows);
		int64_t		room = w.panel_rows - filled;
		int32_t		count = (int32_t) (stop - state->next < room ? stop - state->next : room);

		gather(half, &w, state, count, filled);
		filled += count;
		if (filled == w.panel_rows || state->next == state->end)
			add_panel(half, &w, filled, state->next);
	}
	return state->next < state->end;
}

size_t
cr_ials_part_size(int32_t factors)
{
	size_t		stride = (size_t) cr_factor_stride(factors);

	return sizeof(PartHeader) + stride * sizeof(double) +
		stride * (stride + CR_LANES_MAX) / 2 * sizeof(float);
}

void
cr_ials_part_begin(const CrIalsHalf *half, int64_t row, int64_t from, int64_t to, CrIalsRow *state,
				   void *workspace)
{
	CrIalsWorkspace w = cr_ials_carve(half->params, workspace);

	begin_state(half, row, state);
	state->first = from;
	state->next = from;
	state->end = to;
	cr_ials_clear_normal(&w);
	clear_right(&w);
}

void
cr_ials_part_save(const CrIalsHalf *half, const CrIalsRow *state, void *part, void *workspace)
{
	CrIalsWorkspace w = cr_ials_carve(half->params, workspace);
	PartHeader *header = (PartHeader *) part;
	double	   *right = (double *) (header + 1);
	float	   *normal = (float *) (right + w.stride);

	header->weight_sum = state->weight_sum;
	header->square = state->square;
	memcpy(right, w.right_sum, (size_t) w.stride * sizeof(double));
	for (int32_t i = 0; i < w.factors; i++)
	{
		int32_t		from = block_start(i);

		memcpy(normal, w.normal + (size_t) i * w.ld + from,
			   (size_t) (w.stride - from) * sizeof(float));
		normal += w.stride - from;
	}
}

void
cr_ials_join_begin(const CrIalsHalf *half, int64_t row, CrIalsRow *state, void *workspace)
{
	CrIalsWorkspace w = cr_ials_carve(half->params, workspace);

	begin_state(half, row, state);
	clear_right(&w);
	begin_normal(half, &w);
	state->next = state->end;
}

void
cr_ials_join_part(const CrIalsHalf *half, CrIalsRow *state, const void *part, void *workspace)
{
	CrIalsWorkspace w = cr_ials_carve(half->params, workspace);
	const PartHeader *header = (const PartHeader *) part;
	const double *right = (const double *) (header + 1);
	const float *normal = (const float *) (right + w.stride);

	state->weight_sum += header->weight_sum;
	state->square += header->square;
	for (int32_t i = 0; i < w.stride; i++)
		w.right_sum[i] += right[i];
	for (int32_t i = 0; i < w.factors; i++)
	{
		int32_t		from = block_start(i);
		float	   *row = w.normal + (size_t) i * w.ld + from;

		for (int32_t j = 0; j < w.stride - from; j++)
			row[j] += normal[j];
		normal += w.stride - from;
	}
}

/*
 * Add the regularisation to the diagonal, but not to the constant coordinate
 * (-1: none), put 1 where a row only fills up a vector, and b into w->right.
 * Returns the mean diagonal.
 */
static double
complete_system(const CrIalsWorkspace *w, double regularization, int32_t constant)
{
	double		sum = 0.0;

	for (int32_t i = 0; i < w->dims; i++)
	{
		float	   *row = w->normal + (size_t) i * w->ld;

		w->diagonal[i] = i == constant ? row[i] :
			i < w->factors ? (float) (row[i] + regularization) : 1.0f;
		row[i] = w->diagonal[i];
		sum += i < w->factors ? w->diagonal[i] : 0.0f;
		w->right[i] = (float) w->right_sum[i];
	}
	return sum / w->factors;
}

/* x.b and x.x: four sums each, so that additions need not wait for each other. */
static void
sum_products(const float *x, const double *b, int32_t stride, double *x_dot_b, double *x_dot_x)
{
	double		with_b[4] = {0};
	double		with_x[4] = {0};

	for (int32_t i = 0; i < stride; i += 4)
	{
		for (int lane = 0; lane < 4; lane++)
		{
			with_b[lane] += x[i + lane] * b[i + lane];
			with_x[lane] += (double) x[i + lane] * x[i + lane];
		}
	}
	*x_dot_b = (with_b[0] + with_b[1]) + (with_b[2] + with_b[3]);
	*x_dot_x = (with_x[0] + with_x[1]) + (with_x[2] + with_x[3]);
}

/*
 * Let coordinate c of the solution be 1: what it adds to the other equations
 * goes to their right sides.  Its own equation, whose coefficients w->residual
 * keeps, becomes x_c = 1.
 */
static void
fix_coordinate(const CrIalsWorkspace *w, int32_t c)
{
	for (int32_t i = 0; i < w->dims; i++)
	{
		float	   *row = w->normal + (size_t) i * w->ld;
		float	   *coefficient = i <= c ? row + c : w->normal + (size_t) c * w->ld + i;

		w->residual[i] = *coefficient;
		w->right[i] -= *coefficient;
		*coefficient = 0.0f;
	}
	w->normal[(size_t) c * w->ld + c] = 1.0f;
	w->right[c] = 1.0f;
	w->diagonal[c] = 1.0f;
}

/*
 * The terms of the loss: those of the constant coordinate are no part of the
 * penalty, and its equation does not hold at the solution.
 */
static void
add_explicit_loss(const CrIalsHalf *half, const CrIalsWorkspace *w, const CrIalsRow *state,
				  double regularization, CrIalsLoss *loss)
{
	double		excess = w->right_sum[half->constant];
	double		x_dot_b;
	double		x_dot_x;

	for (int32_t i = 0; i < w->factors; i++)
		excess -= (double) w->residual[i] * w->solution[i];
	sum_products(w->solution, w->right_sum, w->stride, &x_dot_b, &x_dot_x);
	loss->fit += state->square - x_dot_b - excess;
	loss->penalty += regularization * (x_dot_x - 1.0);
}

/* Solve (A + jitter*I) x = b into w->solution, leaving A alone but for its diagonal. */
static CrStatus
factor_and_solve(const CrIalsWorkspace *w, double jitter)
{
	CrFactor	system = {w->normal, w->factored, w->inverse, w->ld, w->dims};
	int			is_finite = 1;

	for (int32_t i = 0; jitter > 0 && i < w->factors; i++)
		w->normal[(size_t) i * w->ld + i] = w->diagonal[i] + (float) jitter;
	if (!w->kernels->factor(&system))
		return CR_SINGULAR;
	memcpy(w->solution, w->right, (size_t) w->dims * sizeof(float));
	w->kernels->solve(&system, w->solution);
	for (int32_t i = 0; i < w->factors; i++)
		is_finite &= isfinite(w->solution[i]) != 0;
	return is_finite ? CR_OK : CR_NOT_FINITE;
}

/* Try without jitter, then with more and more. */
static CrStatus
solve_with_jitter(const CrIalsWorkspace *w, double mean_diagonal)
{
	CrStatus	status;

	if (!isfinite(mean_diagonal))
		return CR_NOT_FINITE;
	status = factor_and_solve(w, 0.0);
	for (double part = JITTER_FIRST; status != CR_OK && part < 2 * JITTER_LAST; part *= 10)
		status = factor_and_solve(w, part * mean_diagonal);
	return status;
}

static void
keep_solution(const CrIalsHalf *half, const CrIalsWorkspace *w, int64_t row)
{
	memset(w->solution + w->factors, 0, (size_t) (w->stride - w->factors) * sizeof(float));
	memcpy(half->solved + (size_t) row * w->stride, w->solution, (size_t) w->stride * sizeof(float));
}

static CrStatus
finish_primal(const CrIalsHalf *half, const CrIalsWorkspace *w, const CrIalsRow *state,
			  double regularization, CrIalsLoss *loss)
{
	double		mean_diagonal;
	double		x_dot_b;
	double		x_dot_x;
	CrStatus	status;

	mean_diagonal = complete_system(w, regularization, half->is_explicit ? half->constant : -1);
	if (half->is_explicit)
		fix_coordinate(w, half->constant);
	status = solve_with_jitter(w, mean_diagonal);
	if (status != CR_OK)
		return status;

	keep_solution(half, w, state->row);
	if (half->is_explicit)
	{
		add_explicit_loss(half, w, state, regularization, loss);
		return CR_OK;
	}
	sum_products(w->solution, w->right_sum, w->stride, &x_dot_b, &x_dot_x);
	loss->fit += state->weight_sum - x_dot_b;
	loss->penalty += regularization * x_dot_x;
	return CR_OK;
}

/* Where floats do not suffice for the dual form, what is in the panel is solved by the primal one. */
static CrStatus
finish_dual(const CrIalsHalf *half, const CrIalsWorkspace *w, const CrIalsRow *state,
			double regularization, CrIalsLoss *loss)
{
	int32_t		events = (int32_t) (state->end - state->first);
	double		fit;
	double		x_dot_b;
	double		x_dot_x;

	if (cr_ials_dual_solve(half, w, state, regularization, &fit) == CR_OK)
	{
		keep_solution(half, w, state->row);
		sum_products(w->solution, w->right_sum, w->stride, &x_dot_b, &x_dot_x);
		loss->fit += fit;
		loss->penalty += regularization * x_dot_x;
		return CR_OK;
	}
	begin_normal(half, w);
	add_panel(half, w, events, state->next);
	return finish_primal(half, w, state, regularization, loss);
}

/* On failure neither the row nor the loss is touched. */
CrStatus
cr_ials_row_finish(const CrIalsHalf *half, CrIalsRow *state, CrIalsLoss *loss, void *workspace)
{
	CrIalsWorkspace w = cr_ials_carve(half->params, workspace);
	const CrCsr *csr = half->interactions;
	double		regularization;

	if (state->next < state->end)
		return CR_INVALID_ARGUMENT;
	if (csr->start[state->row] == state->end)
	{
		memset(half->solved + (size_t) state->row * w.stride, 0, (size_t) w.stride * sizeof(float));
		return CR_OK;
	}
	if (state->method == CR_IALS_CG)
	{
		cr_ials_cg_finish(half, &w, state, loss);
		return CR_OK;
	}
	regularization = cr_ials_row_regularization(half->params, state->weight_sum, csr->columns);
	if (state->method == CR_IALS_DUAL)
		return finish_dual(half, &w, state, regularization, loss);
	return finish_primal(half, &w, state, regularization, loss);
}

CrStatus
cr_ials_solve_rows(const CrIalsHalf *half, int64_t from, int64_t to, CrIalsLoss *loss,
				   void *workspace)
{
	for (int64_t row = from; row < to; row++)
	{
		CrIalsRow	state;
		CrStatus	status;

		cr_ials_row_begin(half, row, &state, workspace);
		while (cr_ials_row_add(half, &state, INT64_MAX, workspace))
			;
		status = cr_ials_row_finish(half, &state, loss, workspace);
		if (status != CR_OK)
			return status;
	}
	return CR_OK;
}
