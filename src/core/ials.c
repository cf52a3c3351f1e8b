/*
 * ials.c
 *		Solving rows of an implicit-ALS half step, and the loss term by term.
 *
 * A row goes through begin, add (once or in slices) and finish.  Its events'
 * factors are gathered into a panel, scaled by the root of the confidence; a
 * full panel is added to the normal equations by one rank-k update.  Panels
 * begin at fixed distances from the row's first event, whatever the slices, so
 * that slicing leaves the bits alone.
 *
 * The workspace is one block of the caller's, carved into 64-byte aligned
 * parts; it carries the row's sums from one call to the next.
 */
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "core/ials.h"

#define LANES				16		/* floats in 64 bytes */
#define PANEL_FLOATS		8192	/* 32 KB: a panel stays in the first-level cache */
#define PANEL_ROWS_MIN		64		/* below this a rank-k update is bound by memory */
#define PREFETCH_EVENTS		16		/* how far ahead factors are called into the cache */
#define PREFETCH_FLOATS		128		/* of each; the hardware finds the rest by itself */

#define JITTER_FIRST		1e-6	/* of the mean diagonal; ten times as much per attempt */
#define JITTER_LAST			1e-2

#ifdef __GNUC__
#define PREFETCH(address)	__builtin_prefetch(address)
#else
#define PREFETCH(address)	((void) (address))
#endif

/*
 * The parts of a workspace.  The upper triangle of a row-major matrix is the
 * lower one of the same memory read column-major, which is how LAPACK sees it;
 * OpenBLAS factors that one twice as fast as the other.
 */
typedef struct IalsWorkspace
{
	int32_t		factors;
	int32_t		stride;
	int32_t		panel_rows;
	float	   *normal;			/* A: factors x stride, row-major, upper triangle */
	float	   *factored;		/* a copy of it to factor, so that A is left for the next attempt */
	float	   *panel;			/* panel_rows x stride, row-major: gathered events */
	float	   *right;			/* stride: the panel's part of b; later the solution */
	double	   *right_sum;		/* stride: b of the panels before */
} IalsWorkspace;

int32_t
cr_factor_stride(int32_t factors)
{
	return (factors + LANES - 1) / LANES * LANES;
}

static int32_t
panel_rows(int32_t stride)
{
	int32_t		rows = PANEL_FLOATS / stride;

	return rows > PANEL_ROWS_MIN ? rows : PANEL_ROWS_MIN;
}

size_t
cr_ials_workspace_size(int32_t factors)
{
	size_t		stride = (size_t) cr_factor_stride(factors);
	size_t		rows = (size_t) panel_rows((int32_t) stride);

	return (2 * (size_t) factors + rows + 1) * stride * sizeof(float) + stride * sizeof(double);
}

/* Every part is a multiple of stride floats long, hence of 64 bytes. */
static IalsWorkspace
carve(int32_t factors, void *workspace)
{
	IalsWorkspace w;
	size_t		stride = (size_t) cr_factor_stride(factors);

	w.factors = factors;
	w.stride = (int32_t) stride;
	w.panel_rows = panel_rows(w.stride);
	w.normal = (float *) workspace;
	w.factored = w.normal + (size_t) factors * stride;
	w.panel = w.factored + (size_t) factors * stride;
	w.right = w.panel + (size_t) w.panel_rows * stride;
	w.right_sum = (double *) (w.right + stride);
	return w;
}

static void
copy_upper(const IalsWorkspace *w, const float *from, float *to)
{
	for (int32_t i = 0; i < w->factors; i++)
	{
		size_t		diagonal = (size_t) i * w->stride + i;

		memcpy(to + diagonal, from + diagonal, (size_t) (w->factors - i) * sizeof(float));
	}
}

double
cr_ials_row_regularization(const CrIalsParams *params, double weight_sum, int64_t opposite)
{
	double		frequency = weight_sum + params->unobserved_weight * (double) opposite;

	return params->regularization * pow(frequency, params->regularization_exponent);
}

void
cr_ials_row_begin(const CrIalsHalf *half, int64_t row, CrIalsRow *state, void *workspace)
{
	IalsWorkspace w = carve(half->params->factors, workspace);

	state->row = row;
	state->next = half->interactions->start[row];
	state->end = half->interactions->start[row + 1];
	state->weight_sum = 0.0;
	if (state->next == state->end)
		return;					/* nothing will be solved */

	copy_upper(&w, half->gram, w.normal);
	memset(w.right, 0, (size_t) w.stride * sizeof(float));
	memset(w.right_sum, 0, (size_t) w.stride * sizeof(double));
}

/*
 * to = root * y, b += weight * y.  The inner loops have a constant number of
 * steps, so that they are vectorised at -O2 already.
 */
static void
gather_weighted(const float *restrict y, float root, float weight, int32_t stride,
				float *restrict to, float *restrict b)
{
	for (int32_t i = 0; i < stride; i += LANES)
	{
		for (int32_t lane = 0; lane < LANES; lane++)
		{
			to[i + lane] = root * y[i + lane];
			b[i + lane] += weight * y[i + lane];
		}
	}
}

/* The same with weight 1. */
static void
gather_plain(const float *restrict y, int32_t stride, float *restrict to, float *restrict b)
{
	for (int32_t i = 0; i < stride; i += LANES)
	{
		for (int32_t lane = 0; lane < LANES; lane++)
		{
			to[i + lane] = y[i + lane];
			b[i + lane] += y[i + lane];
		}
	}
}

/* Call a row of factors into the cache. */
static void
prefetch_row(const float *y, int32_t stride)
{
	int32_t		floats = stride < PREFETCH_FLOATS ? stride : PREFETCH_FLOATS;

	for (int32_t i = 0; i < floats; i += LANES)
		PREFETCH(y + i);
}

/*
 * Gather events [state->next, to) into the panel from row "filled" on, and
 * advance the state.  Prefetching runs across the ends of rows.
 */
static void
gather(const CrIalsHalf *half, const IalsWorkspace *w, CrIalsRow *state, int64_t to, int32_t filled)
{
	const CrCsr *csr = half->interactions;
	int64_t		events = csr->start[csr->rows];
	float	   *panel = w->panel + (size_t) filled * w->stride;

	for (int64_t e = state->next; e < to; e++, panel += w->stride)
	{
		const float *y = half->fixed + (size_t) csr->column[e] * w->stride;

		if (e + PREFETCH_EVENTS < events)
			prefetch_row(half->fixed + (size_t) csr->column[e + PREFETCH_EVENTS] * w->stride,
						 w->stride);
		if (csr->weight == NULL)
		{
			gather_plain(y, w->stride, panel, w->right);
			state->weight_sum += 1.0;
		}
		else
		{
			gather_weighted(y, sqrtf(csr->weight[e]), csr->weight[e], w->stride, panel, w->right);
			state->weight_sum += csr->weight[e];
		}
	}
	state->next = to;
}

/* Add the first "filled" rows of the panel to A, and its part of b to the sum. */
static void
flush_panel(const IalsWorkspace *w, int32_t filled)
{
	cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, w->factors, filled, 1.0f, w->panel,
				w->stride, 1.0f, w->normal, w->stride);
	for (int32_t i = 0; i < w->stride; i++)
	{
		w->right_sum[i] += w->right[i];
		w->right[i] = 0.0f;
	}
}

int
cr_ials_row_add(const CrIalsHalf *half, CrIalsRow *state, int64_t max_events, void *workspace)
{
	IalsWorkspace w = carve(half->params->factors, workspace);
	int64_t		first = half->interactions->start[state->row];
	int64_t		left = state->end - state->next;
	int64_t		stop = state->next + (max_events < left ? max_events : left);

	while (state->next < stop)
	{
		int32_t		filled = (int32_t) ((state->next - first) % w.panel_rows);
		int64_t		room = w.panel_rows - filled;
		int64_t		count = stop - state->next < room ? stop - state->next : room;

		gather(half, &w, state, state->next + count, filled);
		filled += (int32_t) count;
		if (filled == w.panel_rows || state->next == state->end)
			flush_panel(&w, filled);
	}
	return state->next < state->end;
}

/* Add the regularisation to the diagonal of A; returns the mean diagonal. */
static double
regularize(const IalsWorkspace *w, double regularization)
{
	double		sum = 0.0;

	for (int32_t i = 0; i < w->factors; i++)
	{
		float	   *diagonal = w->normal + (size_t) i * w->stride + i;

		*diagonal = (float) (*diagonal + regularization);
		sum += *diagonal;
	}
	return sum / w->factors;
}

/*
 * Solve (A + jitter*I) x = b into w->right, leaving A alone.  Two triangular
 * solves of one vector: spotrs prepares for many and takes up to three times
 * as long.
 */
static CrStatus
factor_and_solve(const IalsWorkspace *w, double jitter)
{
	copy_upper(w, w->normal, w->factored);
	for (int32_t i = 0; i < w->factors; i++)
	{
		w->factored[(size_t) i * w->stride + i] += (float) jitter;
		w->right[i] = (float) w->right_sum[i];
	}
	if (LAPACKE_spotrf_work(LAPACK_COL_MAJOR, 'L', w->factors, w->factored, w->stride) != 0)
		return CR_SINGULAR;
	cblas_strsv(CblasColMajor, CblasLower, CblasNoTrans, CblasNonUnit, w->factors, w->factored,
				w->stride, w->right, 1);
	cblas_strsv(CblasColMajor, CblasLower, CblasTrans, CblasNonUnit, w->factors, w->factored,
				w->stride, w->right, 1);
	for (int32_t i = 0; i < w->factors; i++)
	{
		if (!isfinite(w->right[i]))
			return CR_NOT_FINITE;
	}
	return CR_OK;
}

/* Try without jitter, then with more and more. */
static CrStatus
solve_with_jitter(const IalsWorkspace *w, double mean_diagonal)
{
	CrStatus	status;

	if (!isfinite(mean_diagonal))
		return CR_NOT_FINITE;
	status = factor_and_solve(w, 0.0);
	for (double part = JITTER_FIRST; status != CR_OK && part < 2 * JITTER_LAST; part *= 10)
		status = factor_and_solve(w, part * mean_diagonal);
	return status;
}

/* On failure neither the row nor the loss is touched. */
CrStatus
cr_ials_row_finish(const CrIalsHalf *half, CrIalsRow *state, CrIalsLoss *loss, void *workspace)
{
	IalsWorkspace w = carve(half->params->factors, workspace);
	const CrCsr *csr = half->interactions;
	float	   *x = half->solved + (size_t) state->row * w.stride;
	double		regularization;
	double		x_dot_b = 0.0;
	double		x_dot_x = 0.0;
	CrStatus	status;

	if (state->next < state->end)
		return CR_INVALID_ARGUMENT;
	if (csr->start[state->row] == state->end)
	{
		memset(x, 0, (size_t) w.stride * sizeof(float));
		return CR_OK;
	}

	regularization = cr_ials_row_regularization(half->params, state->weight_sum, csr->columns);
	status = solve_with_jitter(&w, regularize(&w, regularization));
	if (status != CR_OK)
		return status;

	memset(x, 0, (size_t) w.stride * sizeof(float));
	memcpy(x, w.right, (size_t) w.factors * sizeof(float));
	for (int32_t i = 0; i < w.factors; i++)
	{
		x_dot_b += x[i] * w.right_sum[i];
		x_dot_x += (double) x[i] * x[i];
	}
	loss->fit += state->weight_sum - x_dot_b;
	loss->penalty += regularization * x_dot_x;
	return CR_OK;
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

static double
dot_double(const float *a, const float *b, int32_t dims)
{
	double		sum = 0.0;

	for (int32_t i = 0; i < dims; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

/* gram = Y'Y in double throughout, full. */
static void
gram_double(const float *rows, int64_t count, int32_t factors, double *gram)
{
	int32_t		stride = cr_factor_stride(factors);

	memset(gram, 0, (size_t) factors * factors * sizeof(double));
	for (int64_t row = 0; row < count; row++)
	{
		const float *y = rows + (size_t) row * stride;

		for (int32_t i = 0; i < factors; i++)
		{
			for (int32_t j = 0; j < factors; j++)
				gram[(size_t) i * factors + j] += (double) y[i] * y[j];
		}
	}
}

/* The sum of all squared scores is the inner product of the two Gram matrices. */
static double
unobserved_loss(const CrCsr *users, const float *user_factors, const float *item_factors,
				int32_t factors, double *scratch)
{
	size_t		size = (size_t) factors * factors;
	double		sum = 0.0;

	gram_double(user_factors, users->rows, factors, scratch);
	gram_double(item_factors, users->columns, factors, scratch + size);
	for (size_t i = 0; i < size; i++)
		sum += scratch[i] * scratch[size + i];
	return sum;
}

/* The observed events' terms, and the users' penalty. */
static double
user_loss(const CrIalsParams *params, const CrCsr *users, const float *user_factors,
		  const float *item_factors)
{
	int32_t		stride = cr_factor_stride(params->factors);
	double		sum = 0.0;

	for (int64_t row = 0; row < users->rows; row++)
	{
		const float *w = user_factors + (size_t) row * stride;
		double		weight_sum = 0.0;

		for (int64_t e = users->start[row]; e < users->start[row + 1]; e++)
		{
			const float *h = item_factors + (size_t) users->column[e] * stride;
			double		weight = users->weight == NULL ? 1.0 : users->weight[e];
			double		off = dot_double(w, h, params->factors) - 1.0;

			sum += weight * off * off;
			weight_sum += weight;
		}
		sum += cr_ials_row_regularization(params, weight_sum, users->columns) *
			dot_double(w, w, params->factors);
	}
	return sum;
}

/*
 * The items' penalty.  Their confidences are added up for as many items at a
 * time as the scratch holds, one pass over the events for each such chunk.
 */
static double
item_penalty(const CrIalsParams *params, const CrCsr *users, const float *item_factors,
			 double *scratch)
{
	int32_t		stride = cr_factor_stride(params->factors);
	int64_t		chunk = 2 * (int64_t) params->factors * params->factors;
	double		sum = 0.0;

	for (int64_t from = 0; from < users->columns; from += chunk)
	{
		int64_t		count = users->columns - from < chunk ? users->columns - from : chunk;

		memset(scratch, 0, (size_t) count * sizeof(double));
		for (int64_t e = 0; e < users->start[users->rows]; e++)
		{
			int64_t		item = users->column[e] - from;

			if (item >= 0 && item < count)
				scratch[item] += users->weight == NULL ? 1.0 : users->weight[e];
		}
		for (int64_t item = 0; item < count; item++)
		{
			const float *h = item_factors + (size_t) (from + item) * stride;

			sum += cr_ials_row_regularization(params, scratch[item], users->rows) *
				dot_double(h, h, params->factors);
		}
	}
	return sum;
}

double
cr_ials_loss_reference(const CrIalsParams *params, const CrCsr *users, const float *user_factors,
					   const float *item_factors, double *scratch)
{
	return user_loss(params, users, user_factors, item_factors) +
		params->unobserved_weight *
		unobserved_loss(users, user_factors, item_factors, params->factors, scratch) +
		item_penalty(params, users, item_factors, scratch);
}
