/*
 * fold_in.c
 *		Solving one user again, exactly, against the stored items of a version.
 */
#include <cblas.h>
#include <lapacke.h>
#include <math.h>

#include "core/bytes.h"
#include "core/fold_in.h"
#include "core/ials.h"
#include "core/vector.h"

#define FORMAT_VERSION	1
#define ELEMENT_FLOAT	1
#define HEADER			8
#define PANEL_ROWS		32
#define ALIGNMENT		64

static const uint8_t magic[4] = {'C', 'R', 'G', 'M'};

size_t
cr_fold_in_gram_size(int32_t factors)
{
	return HEADER + sizeof(float) * ((size_t) factors * ((size_t) factors + 1) / 2);
}

static CrStatus
check_gram(const uint8_t *bytes, size_t length, int32_t factors)
{
	int32_t		stored;

	if (length < HEADER || memcmp(bytes, magic, sizeof(magic)) != 0 || bytes[4] == 0 ||
		bytes[5] == 0)
		return CR_CORRUPT;
	if (bytes[4] != FORMAT_VERSION || bytes[5] != ELEMENT_FLOAT)
		return CR_UNSUPPORTED_FORMAT;
	stored = cr_load_u16(bytes + 6);
	if (stored < 1 || stored > CR_FACTORS_MAX || length != cr_fold_in_gram_size(stored))
		return CR_CORRUPT;
	return stored == factors ? CR_OK : CR_DIMENSION_MISMATCH;
}

/* Into the upper triangle of the matrix, row i of which is spread over the columns. */
static CrStatus
decode_gram(const uint8_t *bytes, CrFoldIn *fold)
{
	const uint8_t *at = bytes + HEADER;

	for (int32_t i = 0; i < fold->factors; i++)
	{
		for (int32_t j = i; j < fold->factors; j++, at += sizeof(float))
		{
			float		element = cr_load_float(at);

			if (!isfinite(element))
				return CR_CORRUPT;
			fold->matrix[(size_t) j * fold->factors + i] = element;
		}
	}
	return CR_OK;
}

static size_t
rounded(size_t doubles)
{
	return (doubles * sizeof(double) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t
cr_fold_in_workspace_size(int32_t factors)
{
	return rounded((size_t) factors * factors) + rounded(factors) +
		rounded((size_t) PANEL_ROWS * factors);
}

void
cr_fold_in_begin_empty(CrFoldIn *fold, int32_t factors, void *workspace)
{
	char	   *memory = workspace;

	fold->factors = factors;
	fold->matrix = (double *) memory;
	memory += rounded((size_t) factors * factors);
	fold->right = (double *) memory;
	memory += rounded(factors);
	fold->panel = (double *) memory;
	fold->panel_rows = 0;
	fold->weight_sum = 0.0;
	memset(fold->matrix, 0, sizeof(double) * (size_t) factors * factors);
	memset(fold->right, 0, sizeof(double) * (size_t) factors);
}

CrStatus
cr_fold_in_begin(CrFoldIn *fold, int32_t factors, const uint8_t *gram, size_t length,
				 void *workspace)
{
	CrStatus	status = check_gram(gram, length, factors);

	if (status != CR_OK)
		return status;
	cr_fold_in_begin_empty(fold, factors, workspace);
	return decode_gram(gram, fold);
}

/* A += P'P for the rows that have gathered. */
static void
flush_panel(CrFoldIn *fold)
{
	if (fold->panel_rows > 0)
		cblas_dsyrk(CblasColMajor, CblasUpper, CblasNoTrans, fold->factors, fold->panel_rows, 1.0,
					fold->panel, fold->factors, 1.0, fold->matrix, fold->factors);
	fold->panel_rows = 0;
}

void
cr_fold_in_add(CrFoldIn *fold, const float *item, double confidence)
{
	double	   *row = fold->panel + (size_t) fold->panel_rows * fold->factors;
	double		root = sqrt(confidence);

	for (int32_t i = 0; i < fold->factors; i++)
	{
		row[i] = root * item[i];
		fold->right[i] += confidence * item[i];
	}
	fold->weight_sum += confidence;
	if (++fold->panel_rows == PANEL_ROWS)
		flush_panel(fold);
}

void
cr_fold_in_gram_encode(CrFoldIn *fold, uint8_t *out)
{
	uint8_t    *at = out + HEADER;

	flush_panel(fold);
	memcpy(out, magic, sizeof(magic));
	out[4] = FORMAT_VERSION;
	out[5] = ELEMENT_FLOAT;
	cr_store_u16(out + 6, (uint16_t) fold->factors);
	for (int32_t i = 0; i < fold->factors; i++)
	{
		for (int32_t j = i; j < fold->factors; j++, at += sizeof(float))
			cr_store_float(at, (float) fold->matrix[(size_t) j * fold->factors + i]);
	}
}

CrStatus
cr_fold_in_finish(CrFoldIn *fold, double regularization)
{
	int32_t		k = fold->factors;

	flush_panel(fold);
	for (int32_t i = 0; i < k; i++)
	{
		double	   *diagonal = &fold->matrix[(size_t) i * k + i];

		*diagonal += regularization;
		if (!isfinite(*diagonal) || !isfinite(fold->right[i]))
			return CR_NOT_FINITE;
	}
	return LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', k, fold->matrix, k) == 0 ? CR_OK :
		CR_SINGULAR;
}

void
cr_fold_in_solve(const CrFoldIn *fold, double *vector)
{
	(void) LAPACKE_dpotrs_work(LAPACK_COL_MAJOR, 'U', fold->factors, 1, fold->matrix,
							   fold->factors, vector, fold->factors);
}

CrStatus
cr_fold_in_user(CrFoldIn *fold, float *user)
{
	cr_fold_in_solve(fold, fold->right);
	for (int32_t i = 0; i < fold->factors; i++)
		user[i] = (float) fold->right[i];
	return cr_all_finite(user, fold->factors) ? CR_OK : CR_NOT_FINITE;
}
