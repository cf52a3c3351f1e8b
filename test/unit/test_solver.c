/*
 * test_solver.c
 *		Rows of half steps at every level and by every solver, against LAPACKE in double.
 */
#include <lapacke.h>

#include "core/ials.h"
#include "core/rng.h"
#include "half_steps.h"
#include "unit.h"

#define CG_STEPS	3
#define LONG_ROW	2500	/* events: of 512 factors, more than are gathered only once */

static const int32_t all_factors[] = {
	1, 2, 7, 8, 15, 16, 17, 33, 63, 64, 65, 100, 128, 200, 256, 511, 512
};

#define FACTORS_COUNT	((int) (sizeof(all_factors) / sizeof(all_factors[0])))

/* Some rows of events over a fixed side; every buffer is the system's. */
typedef struct System
{
	CrIalsParams params;
	CrIalsHalf	half;
	CrCsr		csr;
	int64_t		start[6];
	int32_t    *column;
	float	   *weight;
	size_t		stride;
	float	   *fixed;
	float	   *gram;
	float	   *solved;
	double	   *partial;
	void	   *workspace;
	size_t		workspace_size;
} System;

static void
random_matrix(float *matrix, int64_t rows, int32_t factors, double scale, uint64_t seed)
{
	for (int64_t row = 0; row < rows; row++)
	{
		CrRng		rng;

		cr_rng_init(&rng, seed, (uint64_t) row);
		cr_rng_normal(&rng, scale, matrix + (size_t) row * (size_t) cr_factor_stride(factors),
					  (size_t) factors);
	}
}

static void
compute_gram(System *s)
{
	int32_t		k = s->params.factors;

	memset(s->partial, 0, (size_t) k * k * sizeof(double));
	cr_gram_add(&s->params, s->fixed, 0, s->csr.columns, s->partial, s->workspace);
	cr_gram_finish(s->partial, 1, k, s->params.unobserved_weight, s->gram);
}

/* Rows of 0, 1, 20, 130 and "longest" events. */
static System *
system_make_long(int32_t factors, int is_weighted, double scale, int64_t longest)
{
	const int64_t lengths[] = {0, 1, 20, 130, longest};
	System	   *s = unit_alloc(sizeof(System));
	CrRng		rng;

	s->params = (CrIalsParams) {factors, 0.1, 0.05, 1.0, CR_SIMD_PORTABLE};
	s->stride = (size_t) cr_factor_stride(factors);
	s->csr = (CrCsr) {5, 700, s->start, NULL, NULL};
	for (int row = 0; row < 5; row++)
		s->start[row + 1] = s->start[row] + lengths[row];
	s->column = unit_alloc((size_t) s->start[5] * sizeof(int32_t));
	s->weight = unit_alloc((size_t) s->start[5] * sizeof(float));
	cr_rng_init(&rng, 3, (uint64_t) factors);
	for (int row = 0; row < 5; row++)
	{
		for (int64_t e = s->start[row]; e < s->start[row + 1]; e++)
		{
			s->column[e] = (int32_t) ((e - s->start[row]) * 700 / lengths[row]);
			s->weight[e] = (float) (scale * (0.2 + cr_rng_uniform(&rng)));
		}
	}
	s->csr.column = s->column;
	s->csr.weight = is_weighted ? s->weight : NULL;
	s->fixed = unit_alloc(700 * s->stride * sizeof(float));
	s->gram = unit_alloc((size_t) factors * s->stride * sizeof(float));
	s->solved = unit_alloc(5 * s->stride * sizeof(float));
	s->partial = unit_alloc((size_t) factors * (size_t) factors * sizeof(double));
	s->workspace_size = cr_ials_workspace_size(factors, longest > 130 ? longest : 130);
	s->workspace = unit_alloc(s->workspace_size);
	s->half = (CrIalsHalf) {.params = &s->params, .interactions = &s->csr, .fixed = s->fixed,
	.gram = s->gram, .solved = s->solved};
	random_matrix(s->fixed, 700, factors, 1 / sqrt(factors), 2);
	return s;
}

/* Less and more than a panel. */
static System *
system_make(int32_t factors, int is_weighted, double scale)
{
	return system_make_long(factors, is_weighted, scale, 600);
}

static void
system_free(System *s)
{
	free(s->column);
	free(s->weight);
	free(s->fixed);
	free(s->gram);
	free(s->solved);
	free(s->partial);
	free(s->workspace);
	free(s);
}

/* A, upper triangle, and b of a row in double, by the definition in ials.h. */
static void
dense_system(const System *s, int64_t row, double *a, double *b)
{
	int32_t		k = s->params.factors;
	double		weight_sum = 0;

	for (int32_t i = 0; i < k; i++)
	{
		b[i] = 0;
		for (int32_t j = i; j < k; j++)
			a[(size_t) i * k + j] = s->params.unobserved_weight * s->partial[(size_t) i * k + j];
	}
	for (int64_t e = s->start[row]; e < s->start[row + 1]; e++)
	{
		const float *y = s->fixed + (size_t) s->column[e] * s->stride;
		double		weight = s->csr.weight == NULL ? 1.0 : s->weight[e];

		weight_sum += weight;
		for (int32_t i = 0; i < k; i++)
		{
			b[i] += weight * y[i];
			for (int32_t j = i; j < k; j++)
				a[(size_t) i * k + j] += weight * y[i] * y[j];
		}
	}
	for (int32_t i = 0; i < k; i++)
		a[(size_t) i * k + i] += cr_ials_row_regularization(&s->params, weight_sum, 700);
}

/* All rows' solutions by LAPACKE, k doubles each. */
static double *
reference_solutions(System *s)
{
	int32_t		k = s->params.factors;
	double	   *a = unit_alloc((size_t) k * k * sizeof(double));
	double	   *x = unit_alloc(5 * (size_t) k * sizeof(double));

	compute_gram(s);
	for (int64_t row = 1; row < 5; row++)
	{
		dense_system(s, row, a, x + row * k);
		/* The upper triangle of a row-major matrix is the lower one of a column-major one. */
		CHECK(LAPACKE_dposv(LAPACK_COL_MAJOR, 'L', k, 1, a, k, x + row * k, k) == 0);
	}
	free(a);
	return x;
}

static CrIalsLoss
solve(System *s, CrSimd simd, int cg_steps)
{
	CrIalsLoss	loss = {0, 0};

	s->params.simd = simd;
	s->half.cg_steps = cg_steps;
	compute_gram(s);
	CHECK(cr_ials_solve_rows(&s->half, 0, 5, &loss, s->workspace) == CR_OK);
	return loss;
}

static void
exact_rows_are_those_of_lapack(void)
{
	for (int i = 0; i < FACTORS_COUNT; i++)
	{
		System	   *s = system_make(all_factors[i], i % 2, 1.0);
		double	   *expected = reference_solutions(s);
		double		first_loss = 0;

		for (int simd = 0; simd <= (int) cr_simd_best(); simd++)
		{
			CrIalsLoss	loss;

			memset(s->solved, 0x55, 5 * s->stride * sizeof(float));
			loss = solve(s, (CrSimd) simd, 0);
			check_solutions(&s->half, 5, expected, 2e-4);
			first_loss = simd == 0 ? loss.fit : first_loss;
			CHECK_NEAR(loss.fit, first_loss, 1e-5 * fabs(first_loss));
		}
		free(expected);
		system_free(s);
	}
}

/* A few steps of CG lower the loss, and many half steps of them end at the exact solution. */
static void
check_approach(System *s, CrSimd simd, const double *expected)
{
	double		exact = solve(s, simd, 0).fit;
	double		before = INFINITY;

	memset(s->solved, 0, 5 * s->stride * sizeof(float));
	for (int round = 0; round < 40; round++)
	{
		double		fit = solve(s, simd, CG_STEPS).fit;

		CHECK(fit <= before + 1e-4 * fabs(exact));
		before = fit;
	}
	CHECK_NEAR(before, exact, 1e-5 * fabs(exact));
	check_solutions(&s->half, 5, expected, 5e-3);
}

static void
cg_approaches_the_exact_rows(void)
{
	for (int i = 0; i < FACTORS_COUNT; i++)
	{
		System	   *s = system_make(all_factors[i], i % 2, 1.0);
		double	   *expected = reference_solutions(s);

		for (int simd = 0; simd <= (int) cr_simd_best(); simd++)
			check_approach(s, (CrSimd) simd, expected);
		free(expected);
		system_free(s);
	}
}

/* Rows that are gathered for every step. */
static void
cg_approaches_the_exact_long_rows(void)
{
	System	   *s = system_make_long(512, 1, 1.0, LONG_ROW);
	double	   *expected = reference_solutions(s);

	check_approach(s, cr_simd_best(), expected);
	free(expected);
	system_free(s);
}

/* What the rows add to the loss, from their equations in double. */
static double
loss_of_rows(const System *s)
{
	int32_t		k = s->params.factors;
	double	   *a = unit_alloc((size_t) k * k * sizeof(double));
	double	   *b = unit_alloc((size_t) k * sizeof(double));
	double		sum = 0;

	for (int64_t row = 1; row < 5; row++)
	{
		const float *x = s->solved + (size_t) row * s->stride;

		dense_system(s, row, a, b);
		for (int64_t e = s->start[row]; e < s->start[row + 1]; e++)
			sum += s->weight[e];
		for (int32_t p = 0; p < k; p++)
		{
			sum += x[p] * (a[(size_t) p * k + p] * x[p] - 2 * b[p]);
			for (int32_t q = p + 1; q < k; q++)
				sum += 2 * a[(size_t) p * k + q] * x[p] * x[q];
		}
	}
	free(a);
	free(b);
	return sum;
}

/* The loss of steps of CG is that of the factors they leave, not of the exact ones. */
static void
check_true_loss(System *s, CrSimd simd)
{
	for (int steps = 1; steps <= CG_STEPS; steps++)
	{
		double		fit;
		double		expected;

		random_matrix(s->solved + s->stride, 4, s->params.factors, 0.5, 9);
		fit = solve(s, simd, steps).fit;
		expected = loss_of_rows(s);
		CHECK_NEAR(fit, expected, 2e-5 * fabs(expected));
	}
}

static void
cg_tells_the_true_loss(void)
{
	for (int i = 0; i < FACTORS_COUNT; i++)
	{
		System	   *s = system_make(all_factors[i], 1, 1.0);

		for (int simd = 0; simd <= (int) cr_simd_best(); simd++)
			check_true_loss(s, (CrSimd) simd);
		system_free(s);
	}
}

static void
cg_tells_the_true_loss_of_long_rows(void)
{
	System	   *s = system_make_long(512, 1, 1.0, LONG_ROW);

	check_true_loss(s, cr_simd_best());
	system_free(s);
}

/* Slices of a long row, which CG does not keep, leave the bits alone. */
static void
slices_of_cg_do_not_change_the_bits(void)
{
	System	   *s = system_make_long(512, 1, 1.0, LONG_ROW);
	CrIalsLoss	whole = solve(s, cr_simd_best(), CG_STEPS);
	CrIalsLoss	sliced = {0, 0};
	float	   *expected = unit_alloc(5 * s->stride * sizeof(float));

	memcpy(expected, s->solved, 5 * s->stride * sizeof(float));
	memset(s->solved, 0, 5 * s->stride * sizeof(float));
	for (int64_t row = 0; row < 5; row++)
	{
		CrIalsRow	state;

		cr_ials_row_begin(&s->half, row, &state, s->workspace);
		while (cr_ials_row_add(&s->half, &state, 1, s->workspace))
			;
		CHECK(cr_ials_row_finish(&s->half, &state, &sliced, s->workspace) == CR_OK);
	}
	CHECK(memcmp(expected, s->solved, 5 * s->stride * sizeof(float)) == 0);
	CHECK(sliced.fit == whole.fit && sliced.penalty == whole.penalty);
	free(expected);
	system_free(s);
}

/* A row in three parts, the last one short, by way of a workspace full of rubbish. */
static void
solve_in_parts(System *s, int64_t row, int64_t events, char *parts, CrIalsLoss *loss)
{
	size_t		size = cr_ials_part_size(s->params.factors);
	CrIalsRow	state;
	int32_t		count = 0;

	for (int64_t from = s->start[row]; from < s->start[row + 1]; from += events, count++)
	{
		int64_t		to = from + events < s->start[row + 1] ? from + events : s->start[row + 1];

		memset(s->workspace, 0x7f, s->workspace_size);
		cr_ials_part_begin(&s->half, row, from, to, &state, s->workspace);
		while (cr_ials_row_add(&s->half, &state, 50, s->workspace))
			;
		cr_ials_part_save(&s->half, &state, parts + (size_t) count * size, s->workspace);
	}
	memset(s->workspace, 0x7f, s->workspace_size);
	cr_ials_join_begin(&s->half, row, &state, s->workspace);
	for (int32_t part = 0; part < count; part++)
		cr_ials_join_part(&s->half, &state, parts + (size_t) part * size, s->workspace);
	CHECK(cr_ials_row_finish(&s->half, &state, loss, s->workspace) == CR_OK);
}

static void
parts_add_up_to_the_row(void)
{
	for (int i = 0; i < FACTORS_COUNT; i++)
	{
		System	   *s = system_make(all_factors[i], i % 2, 1.0);
		char	   *parts = unit_alloc(3 * cr_ials_part_size(all_factors[i]));
		double	   *expected = reference_solutions(s);

		for (int simd = 0; simd <= (int) cr_simd_best(); simd++)
		{
			CrIalsLoss	whole = solve(s, (CrSimd) simd, 0);
			CrIalsLoss	loss = {0, 0};

			memset(s->solved, 0, 5 * s->stride * sizeof(float));
			for (int64_t row = 1; row < 5; row++)
				solve_in_parts(s, row, 250, parts, &loss);
			check_solutions(&s->half, 5, expected, 2e-4);
			CHECK_NEAR(loss.fit, whole.fit, 1e-5 * fabs(whole.fit));
			CHECK_NEAR(loss.penalty, whole.penalty, 1e-5 * fabs(whole.penalty));
		}
		free(expected);
		free(parts);
		system_free(s);
	}
}

/* Confidences and factors at the ends of what a float holds: finite solutions, or said that there are none. */
static void
extreme_numbers_never_give_nan(void)
{
	static const double scales[] = {1e-44, 1e-38, 1e-20, 1e20, 1e30, 1e37};

	for (int i = 0; i < 6 * FACTORS_COUNT; i++)
	{
		System	   *s = system_make(all_factors[i / 6], 1, scales[i % 6]);
		CrIalsLoss	loss = {0, 0};

		for (int simd = 0; simd <= 2 * (int) cr_simd_best() + 1 && all_factors[i / 6] < 256; simd++)
		{
			s->params.simd = (CrSimd) (simd / 2);
			s->half.cg_steps = simd % 2 * CG_STEPS;
			compute_gram(s);
			for (int64_t row = 0; row < 5; row++)
			{
				CrStatus	status = cr_ials_solve_rows(&s->half, row, row + 1, &loss,
														s->workspace);

				CHECK(status == CR_OK || status == CR_SINGULAR || status == CR_NOT_FINITE);
			}
			for (size_t f = 0; f < 5 * s->stride; f++)
				CHECK(isfinite(s->solved[f]));
		}
		system_free(s);
	}
}

/* x minimises the sum of (t - x.y)^2 and the penalty of the others, with coordinate c held at 1. */
static void
explicit_row(System *s, int64_t row, int32_t c, double *a, double *x)
{
	int32_t		k = s->params.factors;
	double		reg = 0.05 * (double) (s->start[row + 1] - s->start[row]);

	memset(a, 0, (size_t) k * k * sizeof(double));
	memset(x, 0, (size_t) k * sizeof(double));
	for (int64_t e = s->start[row]; e < s->start[row + 1]; e++)
	{
		const float *y = s->fixed + (size_t) s->column[e] * s->stride;

		for (int32_t i = 0; i < k; i++)
		{
			x[i] += (s->weight[e] - y[c]) * y[i];
			for (int32_t j = i; j < k; j++)
				a[(size_t) i * k + j] += (double) y[i] * y[j];
		}
	}
	for (int32_t i = 0; i < k; i++)
	{
		a[(size_t) (i < c ? i : c) * k + (i < c ? c : i)] = 0;
		a[(size_t) i * k + i] += reg;
	}
	x[c] = a[(size_t) c * k + c] = 1;
	CHECK(LAPACKE_dposv(LAPACK_COL_MAJOR, 'L', k, 1, a, k, x, k) == 0);
}

/* Sum of squares and penalty at x. */
static double
explicit_loss(const System *s, int64_t row, const double *x, int32_t c)
{
	int32_t		k = s->params.factors;
	double		reg = 0.05 * (double) (s->start[row + 1] - s->start[row]);
	double		loss = 0;

	for (int64_t e = s->start[row]; e < s->start[row + 1]; e++)
	{
		const float *y = s->fixed + (size_t) s->column[e] * s->stride;
		double		off = s->weight[e];

		for (int32_t i = 0; i < k; i++)
			off -= x[i] * y[i];
		loss += off * off;
	}
	for (int32_t i = 0; i < k; i++)
		loss += i == c ? 0 : reg * x[i] * x[i];
	return loss;
}

/* As a whole, and in parts. */
static void
ratings_are_least_squares(void)
{
	for (int i = 2; i < FACTORS_COUNT; i++)
	{
		System	   *s = system_make(all_factors[i], 1, 1.0);
		int32_t		k = s->params.factors;
		char	   *parts = unit_alloc(3 * cr_ials_part_size(k));
		double	   *a = unit_alloc((size_t) k * k * sizeof(double));
		double	   *x = unit_alloc(5 * (size_t) k * sizeof(double));

		s->params.unobserved_weight = 0;
		s->half.is_explicit = 1;
		s->half.constant = k - 1 - i % 2;
		for (int64_t e = 0; e < s->start[5]; e++)
			s->weight[e] -= 0.7f;
		for (int simd = 0; simd <= (int) cr_simd_best(); simd++)
		{
			CrIalsLoss	loss = solve(s, (CrSimd) simd, 0);
			CrIalsLoss	joined = {0, 0};
			double		expected = 0;

			for (int64_t row = 1; row < 5; row++)
			{
				explicit_row(s, row, s->half.constant, a, x + row * k);
				expected += explicit_loss(s, row, x + row * k, s->half.constant);
			}
			check_solutions(&s->half, 5, x, 5e-4);
			CHECK_NEAR(loss.fit, expected, 1e-4 * expected);

			memset(s->solved, 0, 5 * s->stride * sizeof(float));
			for (int64_t row = 1; row < 5; row++)
				solve_in_parts(s, row, 250, parts, &joined);
			check_solutions(&s->half, 5, x, 5e-4);
			CHECK_NEAR(joined.fit, expected, 1e-4 * expected);
			CHECK_NEAR(joined.penalty, loss.penalty, 1e-5 * loss.penalty);
		}
		free(parts);
		free(a);
		free(x);
		system_free(s);
	}
}

UNIT_MAIN(UNIT_TEST(exact_rows_are_those_of_lapack),
		  UNIT_TEST(cg_approaches_the_exact_rows),
		  UNIT_TEST(cg_approaches_the_exact_long_rows),
		  UNIT_TEST(cg_tells_the_true_loss),
		  UNIT_TEST(cg_tells_the_true_loss_of_long_rows),
		  UNIT_TEST(slices_of_cg_do_not_change_the_bits),
		  UNIT_TEST(parts_add_up_to_the_row),
		  UNIT_TEST(extreme_numbers_never_give_nan),
		  UNIT_TEST(ratings_are_least_squares));
