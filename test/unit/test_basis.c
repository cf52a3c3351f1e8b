/*
 * test_basis.c
 *		Half steps in the eigenbasis of the fixed side's Gram matrix, against LAPACKE in double and against
 *		half steps in the basis that factors began in.
 */
#include <lapacke.h>

#include "core/algorithm.h"
#include "core/basis.h"
#include "core/ials_workspace.h"
#include "core/rng.h"
#include "half_steps.h"
#include "unit.h"

#define ITEMS	700

static const int32_t all_factors[] = {1, 5, 16, 33, 64, 100, 128, 256};

#define FACTORS_COUNT	((int) (sizeof(all_factors) / sizeof(all_factors[0])))

/* Users with events on ITEMS items, and a basis; every buffer is the system's. */
typedef struct System
{
	CrIalsParams params;
	CrIalsHalf	half;			/* solves users */
	CrCsr		users;
	int64_t    *start;
	int32_t    *column;
	float	   *weight;
	size_t		stride;
	float	   *items;
	float	   *solved;
	float	   *gram;
	double	   *partial;
	CrBasis		basis;
	void	   *workspace;
} System;

static CrBasis
basis_make(int32_t factors)
{
	size_t		k = (size_t) factors;
	size_t		stride = (size_t) cr_factor_stride(factors);
	CrBasis		basis = {factors, unit_alloc(stride * sizeof(float)),
	unit_alloc(k * stride * sizeof(float)), unit_alloc(k * k * sizeof(double)),
	unit_alloc(cr_basis_workspace_size(factors))};

	cr_basis_begin(&basis);
	return basis;
}

static void
basis_free(CrBasis *basis)
{
	free(basis->spectrum);
	free(basis->turn);
	free(basis->product);
	free(basis->workspace);
}

/* Directions of very different strength, as trained factors have them. */
static void
random_factors(float *matrix, int64_t rows, int32_t factors, uint64_t seed)
{
	for (int64_t row = 0; row < rows; row++)
	{
		float	   *y = matrix + (size_t) row * (size_t) cr_factor_stride(factors);
		CrRng		rng;

		cr_rng_init(&rng, seed, (uint64_t) row);
		cr_rng_normal(&rng, 1 / sqrt(factors), y, (size_t) factors);
		for (int32_t f = 0; f < factors; f++)
			y[f] *= (float) (f == 0 ? 2 : 1.0 / (1 + 0.1 * f));
		for (int32_t f = 1; f < factors; f++)
			y[f] += 0.5f * y[f - 1];
	}
}

/* Row r has lengths[r] events on items of its own choice. */
static System *
system_make(int32_t factors, int is_weighted, const int64_t *lengths, int64_t rows)
{
	System	   *s = unit_alloc(sizeof(System));
	CrRng		rng;

	s->params = (CrIalsParams) {factors, 0.1, 0.02, 1.0, CR_SIMD_PORTABLE};
	s->stride = (size_t) cr_factor_stride(factors);
	s->start = unit_alloc(((size_t) rows + 1) * sizeof(int64_t));
	for (int64_t row = 0; row < rows; row++)
		s->start[row + 1] = s->start[row] + lengths[row];
	s->column = unit_alloc((size_t) s->start[rows] * sizeof(int32_t));
	s->weight = unit_alloc((size_t) s->start[rows] * sizeof(float));
	cr_rng_init(&rng, 3, (uint64_t) factors);
	for (int64_t row = 0; row < rows; row++)
	{
		for (int64_t e = s->start[row]; e < s->start[row + 1]; e++)
		{
			s->column[e] = (int32_t) ((row * 13 + (e - s->start[row]) * ITEMS / lengths[row]) % ITEMS);
			s->weight[e] = (float) (0.2 + 3 * cr_rng_uniform(&rng));
		}
	}
	s->users = (CrCsr) {rows, ITEMS, s->start, s->column, is_weighted ? s->weight : NULL};
	s->items = unit_alloc(ITEMS * s->stride * sizeof(float));
	s->solved = unit_alloc((size_t) rows * s->stride * sizeof(float));
	s->gram = unit_alloc((size_t) factors * s->stride * sizeof(float));
	s->partial = unit_alloc((size_t) factors * (size_t) factors * sizeof(double));
	s->workspace = unit_alloc(cr_ials_workspace_size(factors, ITEMS));
	s->basis = basis_make(factors);
	s->half = (CrIalsHalf) {.params = &s->params, .interactions = &s->users, .fixed = s->items,
	.gram = s->gram, .solved = s->solved};
	random_factors(s->items, ITEMS, factors, 2);
	return s;
}

static void
system_free(System *s)
{
	free(s->start);
	free(s->column);
	free(s->weight);
	free(s->items);
	free(s->solved);
	free(s->gram);
	free(s->partial);
	free(s->workspace);
	basis_free(&s->basis);
	free(s);
}

/* The items' Gram matrix as it is now: in double, and as the kernels take it. */
static void
sum_gram(System *s)
{
	int32_t		k = s->params.factors;

	memset(s->partial, 0, (size_t) k * (size_t) k * sizeof(double));
	cr_gram_add(&s->params, s->items, 0, ITEMS, s->partial, s->workspace);
	cr_gram_finish(s->partial, 1, k, s->params.unobserved_weight, s->gram);
}

/* Turn the items into their eigenbasis, where the half step is made from now on. */
static void
turn_items(System *s)
{
	sum_gram(s);
	CHECK(cr_basis_find(&s->basis, s->partial, 1) == CR_OK);
	cr_basis_turn(&s->basis, &s->params, s->items, 0, ITEMS, s->workspace);
	sum_gram(s);
	s->half.spectrum = s->basis.spectrum;
}

/* A, upper triangle row by row, and b of a row, in double; returns the sum of the confidences. */
static double
dense_system(const System *s, int64_t row, double *a, double *b)
{
	int32_t		k = s->params.factors;
	double		weight_sum = 0;

	memset(b, 0, (size_t) k * sizeof(double));
	for (int32_t i = 0; i < k; i++)
	{
		for (int32_t j = i; j < k; j++)
			a[(size_t) i * k + j] = s->params.unobserved_weight * s->partial[(size_t) i * k + j];
	}
	for (int64_t e = s->start[row]; e < s->start[row + 1]; e++)
	{
		const float *y = s->items + (size_t) s->column[e] * s->stride;
		double		weight = s->users.weight == NULL ? 1.0 : s->weight[e];

		weight_sum += weight;
		for (int32_t i = 0; i < k; i++)
		{
			b[i] += weight * y[i];
			for (int32_t j = i; j < k; j++)
				a[(size_t) i * k + j] += weight * y[i] * y[j];
		}
	}
	for (int32_t i = 0; i < k; i++)
		a[(size_t) i * k + i] += cr_ials_row_regularization(&s->params, weight_sum, ITEMS);
	return weight_sum;
}

/* x of all rows by LAPACKE, k doubles each; *fit is the sum of what they have of the loss. */
static double *
reference_solutions(const System *s, double *fit)
{
	int32_t		k = s->params.factors;
	double	   *a = unit_alloc((size_t) k * (size_t) k * sizeof(double));
	double	   *b = unit_alloc((size_t) k * sizeof(double));
	double	   *x = unit_alloc((size_t) s->users.rows * (size_t) k * sizeof(double));

	*fit = 0;
	for (int64_t row = 0; row < s->users.rows; row++)
	{
		double	   *solution = x + row * k;

		*fit += dense_system(s, row, a, b);
		memcpy(solution, b, (size_t) k * sizeof(double));
		/* The upper triangle of a row-major matrix is the lower one of a column-major one. */
		CHECK(LAPACKE_dposv(LAPACK_COL_MAJOR, 'L', k, 1, a, k, solution, k) == 0);
		for (int32_t f = 0; f < k; f++)
			*fit -= solution[f] * b[f];
	}
	free(a);
	free(b);
	return x;
}

static CrIalsLoss
solve(System *s, CrSimd simd, int cg_steps)
{
	CrIalsLoss	loss = {0, 0};

	s->params.simd = simd;
	s->half.cg_steps = cg_steps;
	CHECK(cr_ials_solve_rows(&s->half, 0, s->users.rows, &loss, s->workspace) == CR_OK);
	return loss;
}

/* Rows of 1 to k + 10 events, not all of them where k is large. */
static int64_t
lengths_up_to(int32_t k, int64_t *lengths)
{
	int64_t		rows = 0;

	for (int64_t n = 1; n <= k + 10; n += n < 40 ? 1 : 7)
		lengths[rows++] = n;
	return rows;
}

static void
check_sides_agree(const System *s, const float *before)
{
	for (size_t item = 1; item < ITEMS; item++)
	{
		double		was = 0;
		double		is = 0;
		double		square = 0;

		for (size_t f = 0; f < s->stride; f++)
		{
			was += (double) before[item * s->stride + f] * before[f];
			is += (double) s->items[item * s->stride + f] * s->items[f];
			square += pow(before[item * s->stride + f], 2);
		}
		CHECK_NEAR(is, was, 1e-5 * (1 + square));
	}
}

/* Products stay what they are, the Gram matrix becomes the spectrum, and there is a way back. */
static void
turning_diagonalises_and_can_be_undone(void)
{
	static const int64_t lengths[] = {1};

	for (int i = 0; i < FACTORS_COUNT; i++)
	{
		int32_t		k = all_factors[i];
		System	   *s = system_make(k, 0, lengths, 1);
		size_t		size = ITEMS * s->stride * sizeof(float);
		float	   *before = unit_alloc(size);
		double		largest = 0;

		memcpy(before, s->items, size);
		turn_items(s);
		check_sides_agree(s, before);
		for (int32_t f = 0; f < k; f++)
			largest = fmax(largest, s->basis.spectrum[f]);
		for (int32_t f = 0; f < k; f++)
		{
			for (int32_t g = f; g < k; g++)
				CHECK_NEAR(s->partial[(size_t) f * k + g], f == g ? s->basis.spectrum[f] : 0,
						   1e-5 * largest);
		}
		for (size_t f = (size_t) k; f < s->stride; f++)
			CHECK(s->basis.spectrum[f] == 0.0f && s->items[f] == 0.0f);

		/* Once more, by another matrix, as half of the items are gone; then all the way back. */
		memset(s->items + ITEMS / 2 * s->stride, 0, size - ITEMS / 2 * s->stride * sizeof(float));
		turn_items(s);
		cr_basis_way_back(&s->basis);
		cr_basis_turn(&s->basis, &s->params, s->items, 0, ITEMS, s->workspace);
		for (size_t f = 0; f < ITEMS / 2 * s->stride; f++)
			CHECK_NEAR(s->items[f], before[f], 2e-5);
		free(before);
		system_free(s);
	}
}

static void
turning_in_pieces_gives_the_same_bits(void)
{
	static const int64_t lengths[] = {1};
	System	   *s = system_make(33, 0, lengths, 1);
	size_t		size = ITEMS * s->stride * sizeof(float);
	float	   *whole = unit_alloc(size);

	sum_gram(s);
	CHECK(cr_basis_find(&s->basis, s->partial, 1) == CR_OK);
	memcpy(whole, s->items, size);
	cr_basis_turn(&s->basis, &s->params, whole, 0, ITEMS, s->workspace);
	for (int64_t from = 2 * CR_BASIS_ROWS; from >= 0; from -= CR_BASIS_ROWS)
		cr_basis_turn(&s->basis, &s->params, s->items, from,
					  from + CR_BASIS_ROWS < ITEMS ? from + CR_BASIS_ROWS : ITEMS, s->workspace);
	CHECK(memcmp(whole, s->items, size) == 0);
	free(whole);
	system_free(s);
}

/* By either form, by each level, of each length; the primal form of the same rows is one more witness. */
static void
exact_rows_are_those_of_lapack(void)
{
	for (int i = 0; i < 2 * FACTORS_COUNT; i++)
	{
		int64_t		lengths[256 + 50];
		int64_t		rows = lengths_up_to(all_factors[i / 2], lengths);
		System	   *s = system_make(all_factors[i / 2], i % 2, lengths, rows);
		double	   *expected;
		double		fit;

		turn_items(s);
		expected = reference_solutions(s, &fit);
		for (int simd = 0; simd <= (int) cr_simd_best(); simd++)
		{
			CrIalsLoss	loss;
			CrIalsLoss	primal;

			if (!cr_simd_is_available((CrSimd) simd))
				continue;
			loss = solve(s, (CrSimd) simd, 0);
			check_solutions(&s->half, s->users.rows, expected, 2e-4);
			CHECK_NEAR(loss.fit, fit, 1e-5 * fit);
			s->half.spectrum = NULL;
			primal = solve(s, (CrSimd) simd, 0);
			s->half.spectrum = s->basis.spectrum;
			check_solutions(&s->half, s->users.rows, expected, 2e-4);
			CHECK_NEAR(loss.fit, primal.fit, 2e-5 * fit);
			CHECK_NEAR(loss.penalty, primal.penalty, 2e-5 * primal.penalty);
		}
		free(expected);
		system_free(s);
	}
}

/* It is not the primal form, which helps where floats do not suffice, that has solved short rows. */
static void
the_dual_form_does_without_the_primal_one(void)
{
	for (int i = 0; i < FACTORS_COUNT; i++)
	{
		int64_t		lengths[256 + 50];
		int64_t		rows = lengths_up_to(all_factors[i], lengths);
		System	   *s = system_make(all_factors[i], 1, lengths, rows);

		turn_items(s);
		for (int64_t row = 0; row < rows; row++)
		{
			CrIalsWorkspace w = cr_ials_carve(&s->params, s->workspace);
			CrIalsRow	state;
			double		fit = NAN;

			cr_ials_row_begin(&s->half, row, &state, s->workspace);
			CHECK((state.method == CR_IALS_DUAL) ==
				  (lengths[row] <= (all_factors[i] < 48 ? 7 * all_factors[i] / 8 : 40)));
			if (state.method != CR_IALS_DUAL)
				continue;
			CHECK(!cr_ials_row_add(&s->half, &state, 1, s->workspace));
			CHECK(cr_ials_dual_solve(&s->half, &w, &state, 0.1, &fit) == CR_OK);
			CHECK(isfinite(fit));
		}
		system_free(s);
	}
}

/* The error of a row's solution in the norm of A, relative to the solution. */
static double
energy_error(const System *s, int64_t row, const double *expected, double *a, double *b)
{
	int32_t		k = s->params.factors;
	const float *x = s->solved + (size_t) row * s->stride;
	double		of_error = 0;
	double		of_solution = 0;

	dense_system(s, row, a, b);
	expected += row * k;
	for (int32_t i = 0; i < k; i++)
	{
		for (int32_t j = i; j < k; j++)
		{
			double		twice = (i == j ? 1 : 2) * a[(size_t) i * k + j];

			of_error += twice * (x[i] - expected[i]) * (x[j] - expected[j]);
			of_solution += twice * expected[i] * expected[j];
		}
	}
	return sqrt(of_error / of_solution);
}

/* Solve a row from what it holds; returns what has solved it. */
static CrIalsMethod
solve_row(System *s, int64_t row, CrIalsLoss *loss)
{
	CrIalsRow	state;

	cr_ials_row_begin(&s->half, row, &state, s->workspace);
	while (cr_ials_row_add(&s->half, &state, 100, s->workspace))
		;
	CHECK(cr_ials_row_finish(&s->half, &state, loss, s->workspace) == CR_OK);
	return state.method;
}

/* Longer rows of exact half steps converge, from nothing or from anywhere near, as closely as factors in float solve them. */
static void
longer_rows_converge(void)
{
	static const int64_t lengths[] = {41, 47, 64, 90, 128, 200, 333, 600};
	static const int32_t factors[] = {48, 64, 100, 256};

	for (int i = 0; i < 8; i++)
	{
		System	   *s = system_make(factors[i / 2], i % 2, lengths, 8);
		size_t		k = (size_t) s->params.factors;
		size_t		size = 8 * s->stride * sizeof(float);
		float	   *begin = unit_alloc(size);
		float	   *sliced = unit_alloc(size);
		double	   *a = unit_alloc(k * k * sizeof(double));
		double	   *b = unit_alloc(k * sizeof(double));
		double	   *expected;
		double		fit;

		turn_items(s);
		expected = reference_solutions(s, &fit);
		for (int start = 0; start < 2 * (1 + (int) cr_simd_best()); start++)
		{
			CrIalsLoss	loss = {0, 0};

			s->params.simd = (CrSimd) (start / 2);
			memset(begin, 0, size);
			if (start % 2 == 1)
				random_factors(begin, 8, (int32_t) k, (uint64_t) start);
			memcpy(s->solved, begin, size);
			for (int64_t row = 0; row < 8; row++)
			{
				CHECK(solve_row(s, row, &loss) == CR_IALS_CG);
				CHECK(energy_error(s, row, expected, a, b) < 2e-6);
			}
			check_solutions(&s->half, 8, expected, 2e-5);
			CHECK_NEAR(loss.fit, fit, 1e-5 * fit);

			/* As a whole it is the same. */
			memcpy(sliced, s->solved, size);
			memcpy(s->solved, begin, size);
			solve(s, s->params.simd, 0);
			CHECK(memcmp(sliced, s->solved, size) == 0);
		}
		free(begin);
		free(sliced);
		free(a);
		free(b);
		free(expected);
		system_free(s);
	}
}

/* What CG cannot begin with, begins too far from, or takes too long for is factored, in the form that suits its length. */
static void
rows_that_do_not_converge_are_factored(void)
{
	static const int64_t lengths[] = {41, 56, 57, 200, 600};
	enum
	{
		NOT_FINITE, NOT_FINITE_CG, FAR_AWAY, HARD
	};

	for (int i = 0; i < 8; i++)
	{
		System	   *s = system_make(64, i % 2, lengths, i / 2 == HARD ? 3 : 5);
		int			is_hard = i / 2 == HARD;
		CrIalsLoss	loss = {0, 0};
		double	   *expected;
		double		fit;

		if (is_hard)
		{
			s->params.unobserved_weight = 0;
			s->params.regularization = 1e-6;
		}
		turn_items(s);
		expected = reference_solutions(s, &fit);
		for (size_t f = 0; !is_hard && f < 5 * s->stride; f++)
			s->solved[f] = i / 2 == FAR_AWAY ? 100 : NAN;
		s->half.cg_steps = i / 2 == NOT_FINITE_CG ? 2 : 0;
		for (int64_t row = 0; row < s->users.rows; row++)
			CHECK(solve_row(s, row, &loss) == (lengths[row] <= 56 ? CR_IALS_DUAL : CR_IALS_PRIMAL));
		check_solutions(&s->half, s->users.rows, expected, is_hard ? 5e-3 : 2e-4);
		CHECK_NEAR(loss.fit, fit, (is_hard ? 1e-3 : 1e-5) * fit);
		free(expected);
		system_free(s);
	}
}

/* The panel's zeros and whatever else a workspace has held make no difference. */
static void
rubbish_in_the_workspace_does_not_matter(void)
{
	int64_t		lengths[64 + 50];
	int64_t		rows = lengths_up_to(64, lengths);
	System	   *s = system_make(64, 1, lengths, rows);
	size_t		size = (size_t) rows * s->stride * sizeof(float);
	float	   *expected = unit_alloc(size);
	CrIalsLoss	loss = {0, 0};

	turn_items(s);
	for (int cg_steps = 0; cg_steps <= 2; cg_steps += 2)
	{
		memset(s->solved, 0, size);
		solve(s, cr_simd_best(), cg_steps);
		memcpy(expected, s->solved, size);
		memset(s->solved, 0, size);
		for (int64_t row = rows - 1; row >= 0; row--)
		{
			memset(s->workspace, 0x7f, cr_ials_workspace_size(64, ITEMS));
			CHECK(cr_ials_solve_rows(&s->half, row, row + 1, &loss, s->workspace) == CR_OK);
		}
		CHECK(memcmp(expected, s->solved, size) == 0);
	}
	free(expected);
	system_free(s);
}

/* Again and again from what it has, CG comes to the exact solutions, and never goes up on its way. */
static void
cg_approaches_the_exact_rows(void)
{
	static const int64_t lengths[] = {1, 8, 9, 33, 100, 300};

	for (int i = 0; i < FACTORS_COUNT; i++)
	{
		System	   *s = system_make(all_factors[i], i % 2, lengths, 6);
		double	   *expected;
		double		fit;

		turn_items(s);
		expected = reference_solutions(s, &fit);
		for (int simd = 0; simd <= (int) cr_simd_best(); simd++)
		{
			double		before = INFINITY;

			memset(s->solved, 0, 6 * s->stride * sizeof(float));
			for (int round = 0; round < 30; round++)
			{
				double		after = solve(s, (CrSimd) simd, CR_CG_STEPS_TURNED).fit;

				CHECK(after <= before + 1e-5 * fit);
				before = after;
			}
			CHECK_NEAR(before, fit, 1e-5 * fit);
			check_solutions(&s->half, s->users.rows, expected, 2e-3);
		}
		free(expected);
		system_free(s);
	}
}

/* Of directions as different as those of trained factors, the preconditioner knows where to go first. */
static void
cg_gets_further_in_the_eigenbasis(void)
{
	static const int64_t lengths[] = {40, 50, 60, 80, 100, 200};

	for (int i = 4; i < FACTORS_COUNT; i++)
	{
		System	   *s = system_make(all_factors[i], i % 2, lengths, 6);
		double		plain;
		double		turned;

		sum_gram(s);
		plain = solve(s, cr_simd_best(), CR_CG_STEPS_TURNED).fit;
		memset(s->solved, 0, 6 * s->stride * sizeof(float));
		turn_items(s);
		turned = solve(s, cr_simd_best(), CR_CG_STEPS_TURNED).fit;
		CHECK(turned < plain);
		system_free(s);
	}
}

/* What is improved is what CG does, in exact half steps, too; it alone needs the row's old values in the basis. */
static void
improved_rows_are_turned(void)
{
	static const int64_t lengths[] = {0, 3, 200, 4, 300};
	System	   *s = system_make(64, 0, lengths, 5);
	float	   *old = unit_alloc(5 * s->stride * sizeof(float));
	float	   *turned = unit_alloc(5 * s->stride * sizeof(float));

	turn_items(s);
	random_factors(s->solved, 5, 64, 7);
	memcpy(old, s->solved, 5 * s->stride * sizeof(float));
	memcpy(turned, s->solved, 5 * s->stride * sizeof(float));
	cr_basis_turn(&s->basis, &s->params, turned, 0, 5, s->workspace);
	for (s->half.cg_steps = 0; s->half.cg_steps <= 2; s->half.cg_steps += 2)
	{
		memcpy(s->solved, old, 5 * s->stride * sizeof(float));
		CHECK(cr_ials_improves(&s->half));
		cr_basis_turn_improved(&s->basis, &s->half, 0, 5, s->workspace);
		for (int64_t row = 0; row < 5; row++)
		{
			int			is_improved = lengths[row] >= 200;

			CHECK(cr_ials_row_is_improved(&s->half, row) == is_improved);
			for (size_t f = (size_t) row * s->stride; f < (size_t) (row + 1) * s->stride; f++)
				CHECK_NEAR(s->solved[f], is_improved ? turned[f] : old[f], 1e-5);
		}
	}
	s->half.cg_steps = 0;
	s->half.spectrum = NULL;
	CHECK(!cr_ials_improves(&s->half));
	for (int64_t row = 0; row < 5; row++)
		CHECK(!cr_ials_row_is_improved(&s->half, row));
	free(old);
	free(turned);
	system_free(s);
}

/* Hardly any regularisation, no unobserved weight, identical or zero items. */
static void
singular_rows_never_give_nan(void)
{
	static const double regularization[] = {1e-3, 1e-12, 1e-30, 1e-60};
	static const int64_t lengths[] = {1, 5, 12, 20, 33, 50, 90};

	for (int i = 0; i < 24; i++)
	{
		System	   *s = system_make(64, 1, lengths, 7);
		CrIalsLoss	loss = {0, 0};

		s->params.unobserved_weight = i % 2 == 0 ? 0 : 1e-30;
		s->params.regularization = regularization[i / 2 % 4];
		for (size_t item = 1; i / 8 > 0 && item < ITEMS; item++)
			memcpy(s->items + item * s->stride, s->items, s->stride * sizeof(float));
		if (i / 8 > 1)
			memset(s->items, 0, ITEMS * s->stride * sizeof(float));
		turn_items(s);
		for (int cg_steps = 0; cg_steps <= 2; cg_steps += 2)
		{
			s->half.cg_steps = cg_steps;
			for (int64_t row = 0; row < 7; row++)
			{
				CrStatus	status = cr_ials_solve_rows(&s->half, row, row + 1, &loss, s->workspace);

				CHECK(status == CR_OK || status == CR_SINGULAR);
			}
			for (size_t f = 0; f < 7 * s->stride; f++)
				CHECK(isfinite(s->solved[f]));
		}
		CHECK(isfinite(loss.fit) && isfinite(loss.penalty));
		system_free(s);
	}
}

static void
what_floats_do_not_hold_is_reported(void)
{
	static const int64_t lengths[] = {3};
	System	   *s = system_make(16, 0, lengths, 1);

	sum_gram(s);
	s->partial[3] = NAN;
	CHECK(cr_basis_find(&s->basis, s->partial, 1) == CR_NOT_FINITE);
	s->partial[3] = INFINITY;
	CHECK(cr_basis_find(&s->basis, s->partial, 1) == CR_NOT_FINITE);
	s->partial[3] = 0;
	s->partial[0] = 1e60;
	CHECK(cr_basis_find(&s->basis, s->partial, 1) == CR_NOT_FINITE);
	turn_items(s);
	s->items[s->column[0] * s->stride] = NAN;
	CHECK(cr_ials_solve_rows(&s->half, 0, 1, &(CrIalsLoss) {0, 0}, s->workspace) == CR_NOT_FINITE);
	system_free(s);
}

/* Three parts of a row, joined, are the row. */
static void
parts_add_up_to_the_row(void)
{
	static const int64_t lengths[] = {600};
	System	   *s = system_make(64, 1, lengths, 1);
	size_t		size = cr_ials_part_size(64);
	char	   *parts = unit_alloc(3 * size);
	CrIalsLoss	whole;
	CrIalsLoss	loss = {0, 0};
	double	   *expected;
	double		fit;
	CrIalsRow	state;

	turn_items(s);
	expected = reference_solutions(s, &fit);
	whole = solve(s, cr_simd_best(), 0);
	memset(s->solved, 0, s->stride * sizeof(float));
	for (int64_t part = 0; part < 3; part++)
	{
		cr_ials_part_begin(&s->half, 0, part * 250, part == 2 ? 600 : part * 250 + 250, &state,
						   s->workspace);
		while (cr_ials_row_add(&s->half, &state, 100, s->workspace))
			;
		cr_ials_part_save(&s->half, &state, parts + (size_t) part * size, s->workspace);
	}
	cr_ials_join_begin(&s->half, 0, &state, s->workspace);
	for (int64_t part = 0; part < 3; part++)
		cr_ials_join_part(&s->half, &state, parts + (size_t) part * size, s->workspace);
	CHECK(cr_ials_row_finish(&s->half, &state, &loss, s->workspace) == CR_OK);
	check_solutions(&s->half, s->users.rows, expected, 2e-4);
	CHECK_NEAR(loss.fit, whole.fit, 1e-5 * fabs(whole.fit));
	CHECK_NEAR(loss.penalty, whole.penalty, 1e-5 * whole.penalty);
	free(parts);
	free(expected);
	system_free(s);
}

UNIT_MAIN(UNIT_TEST(turning_diagonalises_and_can_be_undone),
		  UNIT_TEST(turning_in_pieces_gives_the_same_bits),
		  UNIT_TEST(exact_rows_are_those_of_lapack),
		  UNIT_TEST(the_dual_form_does_without_the_primal_one),
		  UNIT_TEST(longer_rows_converge),
		  UNIT_TEST(rows_that_do_not_converge_are_factored),
		  UNIT_TEST(rubbish_in_the_workspace_does_not_matter),
		  UNIT_TEST(cg_approaches_the_exact_rows),
		  UNIT_TEST(cg_gets_further_in_the_eigenbasis),
		  UNIT_TEST(improved_rows_are_turned),
		  UNIT_TEST(singular_rows_never_give_nan),
		  UNIT_TEST(what_floats_do_not_hold_is_reported),
		  UNIT_TEST(parts_add_up_to_the_row));
