/*
 * basis.c
 *		Eigenvectors of a Gram matrix by LAPACK, and products of rows with them by BLAS.
 *
 * Matrices are column-major here, as LAPACK likes them best: what the others
 * see as the upper triangle of a row-major Gram matrix is the lower one.
 */
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "core/basis.h"
#include "core/carve.h"
#include "core/ials_workspace.h"

_Static_assert(2 * CR_BASIS_ROWS <= CR_PANEL_EVENTS_MIN, "a panel has room for both sides of a product");

/* The workspace of cr_basis_find, carved. */
typedef struct Eigen
{
	double	   *vectors;		/* k x k: the Gram matrix, then its eigenvectors */
	double	   *values;			/* k */
	double	   *work;			/* work_count; also k x k of a product */
	lapack_int *integers;		/* integer_count */
	int32_t		work_count;
	int32_t		integer_count;
} Eigen;

/* Rows to be turned together. */
typedef struct Batch
{
	float	   *row[CR_BASIS_ROWS];
	int32_t		count;
} Batch;

static Eigen
carve_eigen(CrCarver *carver, int32_t factors)
{
	uint64_t	k = (uint64_t) factors;
	Eigen		eigen;

	/* What dsyevd wants for eigenvectors. */
	eigen.work_count = 1 + 6 * factors + 2 * factors * factors;
	eigen.integer_count = 3 + 5 * factors;
	eigen.vectors = cr_carve(carver, k * k, sizeof(double));
	eigen.values = cr_carve(carver, k, sizeof(double));
	eigen.work = cr_carve(carver, (uint64_t) eigen.work_count, sizeof(double));
	eigen.integers = cr_carve(carver, (uint64_t) eigen.integer_count, sizeof(lapack_int));
	return eigen;
}

size_t
cr_basis_workspace_size(int32_t factors)
{
	CrCarver	carver = {NULL, 0};

	carve_eigen(&carver, factors);
	return carver.used;
}

void
cr_basis_begin(const CrBasis *basis)
{
	size_t		k = (size_t) basis->factors;

	memset(basis->product, 0, k * k * sizeof(double));
	for (size_t i = 0; i < k; i++)
		basis->product[i * k + i] = 1.0;
}

/* Returns whether the sum is finite. */
static int
add_partials(double *sum, const double *partials, int32_t parts, int32_t factors)
{
	size_t		k = (size_t) factors;
	int			is_finite = 1;

	for (size_t i = 0; i < k; i++)
	{
		for (size_t j = i; j < k; j++)
		{
			sum[i * k + j] = cr_gram_sum(partials, parts, factors, i * k + j);
			is_finite &= isfinite(sum[i * k + j]) != 0;
		}
	}
	return is_finite;
}

static void
follow_turn(const CrBasis *basis, const Eigen *eigen)
{
	int32_t		k = basis->factors;

	cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, k, k, k, 1.0, basis->product, k,
				eigen->vectors, k, 0.0, eigen->work, k);
	memcpy(basis->product, eigen->work, (size_t) k * (size_t) k * sizeof(double));
}

CrStatus
cr_basis_find(const CrBasis *basis, const double *partials, int32_t parts)
{
	CrCarver	carver = {basis->workspace, 0};
	Eigen		eigen = carve_eigen(&carver, basis->factors);
	size_t		k = (size_t) basis->factors;
	size_t		stride = (size_t) cr_factor_stride(basis->factors);

	if (!add_partials(eigen.vectors, partials, parts, basis->factors) ||
		LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, 'V', 'L', basis->factors, eigen.vectors,
							basis->factors, eigen.values, eigen.work, eigen.work_count,
							eigen.integers, eigen.integer_count) != 0)
		return CR_NOT_FINITE;
	memset(basis->spectrum, 0, stride * sizeof(float));
	memset(basis->turn, 0, k * stride * sizeof(float));
	for (size_t i = 0; i < k; i++)
	{
		/* Of a matrix of squares, what lies below 0 is rounding. */
		basis->spectrum[i] = (float) fmax(eigen.values[i], 0.0);
		if (!isfinite(basis->spectrum[i]))
			return CR_NOT_FINITE;
		for (size_t j = 0; j < k; j++)
			basis->turn[i * stride + j] = (float) eigen.vectors[i * k + j];
	}
	follow_turn(basis, &eigen);
	return CR_OK;
}

/* The inverse of an orthogonal matrix is its transpose. */
void
cr_basis_way_back(const CrBasis *basis)
{
	size_t		k = (size_t) basis->factors;
	size_t		stride = (size_t) cr_factor_stride(basis->factors);

	memset(basis->turn, 0, k * stride * sizeof(float));
	for (size_t i = 0; i < k; i++)
	{
		for (size_t j = 0; j < k; j++)
			basis->turn[i * stride + j] = (float) basis->product[j * k + i];
	}
}

/* A product cannot be in place; the panel has room for both sides of it. */
static void
turn_batch(const CrBasis *basis, const CrIalsWorkspace *w, Batch *batch)
{
	size_t		stride = (size_t) w->stride;
	float	   *from = w->panel;
	float	   *to = from + CR_BASIS_ROWS * stride;

	if (batch->count == 0)
		return;
	for (int32_t i = 0; i < batch->count; i++)
		memcpy(from + (size_t) i * stride, batch->row[i], stride * sizeof(float));
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, batch->count, w->factors, w->factors,
				1.0f, from, w->stride, basis->turn, w->stride, 0.0f, to, w->stride);
	for (int32_t i = 0; i < batch->count; i++)
		memcpy(batch->row[i], to + (size_t) i * stride, (size_t) w->factors * sizeof(float));
	batch->count = 0;
}

static void
add_to_batch(const CrBasis *basis, const CrIalsWorkspace *w, Batch *batch, float *row)
{
	batch->row[batch->count++] = row;
	if (batch->count == CR_BASIS_ROWS)
		turn_batch(basis, w, batch);
}

void
cr_basis_turn(const CrBasis *basis, const CrIalsParams *params, float *side, int64_t from,
			  int64_t to, void *workspace)
{
	CrIalsWorkspace w = cr_ials_carve(params, workspace);
	Batch		batch;

	batch.count = 0;
	for (int64_t row = from; row < to; row++)
		add_to_batch(basis, &w, &batch, side + (size_t) row * w.stride);
	turn_batch(basis, &w, &batch);
}

void
cr_basis_turn_improved(const CrBasis *basis, const CrIalsHalf *half, int64_t from, int64_t to,
					   void *workspace)
{
	CrIalsWorkspace w = cr_ials_carve(half->params, workspace);
	Batch		batch;

	batch.count = 0;
	for (int64_t row = from; row < to; row++)
	{
		if (cr_ials_row_is_improved(half, row))
			add_to_batch(basis, &w, &batch, half->solved + (size_t) row * w.stride);
	}
	turn_batch(basis, &w, &batch);
}
