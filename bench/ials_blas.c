/*
 * ials_blas.c
 *		Rows of an implicit-ALS half step by CBLAS and LAPACKE, one call a panel and a row.
 *
 * Done as well as the libraries allow: events gathered into panels with
 * prefetch, one ssyrk a panel on the upper triangle, which LAPACK sees as the
 * lower one and factors twice as fast, no row-major wrapper.
 */
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "ials_blas.h"

#define PANEL_FLOATS	8192
#define PANEL_ROWS_MIN	64
#define PREFETCH_EVENTS 16

typedef struct Workspace
{
	int32_t		factors;
	int32_t		stride;
	int32_t		panel_rows;
	float	   *normal;
	float	   *panel;
	float	   *right;
	double	   *right_sum;
} Workspace;

static int32_t
panel_rows(int32_t stride)
{
	return PANEL_FLOATS / stride > PANEL_ROWS_MIN ? PANEL_FLOATS / stride : PANEL_ROWS_MIN;
}

size_t
ials_blas_workspace_size(int32_t factors)
{
	size_t		stride = (size_t) cr_factor_stride(factors);
	size_t		rows = (size_t) panel_rows((int32_t) stride);

	return ((size_t) factors + rows + 1) * stride * sizeof(float) + stride * sizeof(double);
}

static Workspace
carve(int32_t factors, void *memory)
{
	Workspace	w;
	size_t		stride = (size_t) cr_factor_stride(factors);

	w.factors = factors;
	w.stride = (int32_t) stride;
	w.panel_rows = panel_rows(w.stride);
	w.normal = (float *) memory;
	w.panel = w.normal + (size_t) factors * stride;
	w.right = w.panel + (size_t) w.panel_rows * stride;
	w.right_sum = (double *) (w.right + stride);
	return w;
}

static void
gather(const CrIalsHalf *half, const Workspace *w, int64_t from, int64_t to)
{
	const CrCsr *csr = half->interactions;
	int64_t		events = csr->start[csr->rows];
	float	   *restrict panel = w->panel;
	float	   *restrict right = w->right;

	for (int64_t e = from; e < to; e++, panel += w->stride)
	{
		const float *restrict y = half->fixed + (size_t) csr->column[e] * w->stride;
		float		weight = csr->weight == NULL ? 1.0f : csr->weight[e];
		float		root = csr->weight == NULL ? 1.0f : sqrtf(weight);

		for (int32_t i = 0; e + PREFETCH_EVENTS < events && i < w->stride; i += 16)
			__builtin_prefetch(half->fixed +
							   (size_t) csr->column[e + PREFETCH_EVENTS] * w->stride + i);
		for (int32_t i = 0; i < w->stride; i += 16)
		{
			for (int32_t lane = 0; lane < 16; lane++)
			{
				panel[i + lane] = root * y[i + lane];
				right[i + lane] += weight * y[i + lane];
			}
		}
	}
}

static void
add_panel(const CrIalsHalf *half, const Workspace *w, int64_t from, int64_t to)
{
	memset(w->right, 0, (size_t) w->stride * sizeof(float));
	gather(half, w, from, to);
	cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, w->factors, (int) (to - from), 1.0f,
				w->panel, w->stride, 1.0f, w->normal, w->stride);
	for (int32_t i = 0; i < w->stride; i++)
		w->right_sum[i] += w->right[i];
}

/* Two triangular solves of one vector: spotrs prepares for many and takes three times as long. */
static CrStatus
finish(const CrIalsHalf *half, const Workspace *w, int64_t row, double weight_sum,
	   CrIalsLoss *loss)
{
	double		reg = cr_ials_row_regularization(half->params, weight_sum,
												 half->interactions->columns);
	float	   *x = half->solved + (size_t) row * w->stride;
	double		x_dot_b = 0;
	double		x_dot_x = 0;

	for (int32_t i = 0; i < w->factors; i++)
	{
		w->normal[(size_t) i * w->stride + i] += (float) reg;
		w->right[i] = (float) w->right_sum[i];
	}
	if (LAPACKE_spotrf_work(LAPACK_COL_MAJOR, 'L', w->factors, w->normal, w->stride) != 0)
		return CR_SINGULAR;
	cblas_strsv(CblasColMajor, CblasLower, CblasNoTrans, CblasNonUnit, w->factors, w->normal,
				w->stride, w->right, 1);
	cblas_strsv(CblasColMajor, CblasLower, CblasTrans, CblasNonUnit, w->factors, w->normal,
				w->stride, w->right, 1);
	memset(x, 0, (size_t) w->stride * sizeof(float));
	memcpy(x, w->right, (size_t) w->factors * sizeof(float));
	for (int32_t i = 0; i < w->factors; i++)
	{
		x_dot_b += x[i] * w->right_sum[i];
		x_dot_x += (double) x[i] * x[i];
	}
	loss->fit += weight_sum - x_dot_b;
	loss->penalty += reg * x_dot_x;
	return CR_OK;
}

CrStatus
ials_blas_solve_rows(const CrIalsHalf *half, int64_t from, int64_t to, CrIalsLoss *loss,
					 void *workspace)
{
	const CrCsr *csr = half->interactions;
	Workspace	w = carve(half->params->factors, workspace);

	for (int64_t row = from; row < to; row++)
	{
		double		weight_sum = 0;

		if (csr->start[row] == csr->start[row + 1])
		{
			memset(half->solved + (size_t) row * w.stride, 0, (size_t) w.stride * sizeof(float));
			continue;
		}
		memcpy(w.normal, half->gram, (size_t) w.factors * w.stride * sizeof(float));
		memset(w.right_sum, 0, (size_t) w.stride * sizeof(double));
		for (int64_t e = csr->start[row]; e < csr->start[row + 1]; e += w.panel_rows)
		{
			int64_t		left = csr->start[row + 1] - e;

			add_panel(half, &w, e, e + (left < w.panel_rows ? left : w.panel_rows));
		}
		for (int64_t e = csr->start[row]; e < csr->start[row + 1]; e++)
			weight_sum += csr->weight == NULL ? 1.0 : csr->weight[e];
		if (finish(half, &w, row, weight_sum, loss) != CR_OK)
			return CR_SINGULAR;
	}
	return CR_OK;
}
