/*
 * test_fold_in.c
 *		Folding in gives the vectors of training, and splits scores without remainder.
 */
#include "core/csr.h"
#include "core/fold_in.h"
#include "core/ials.h"
#include "core/rng.h"
#include "unit.h"

#define ITEMS	60
#define EVENTS	45

typedef struct Problem
{
	int32_t		factors;
	int32_t		stride;
	CrIalsParams params;
	float	   *items;			/* ITEMS rows of stride floats */
	float	   *gram;			/* full */
	uint8_t    *bytes;			/* encoded */
	size_t		length;
	int64_t		start[2];
	int32_t		column[EVENTS];
	float		weight[EVENTS];
} Problem;

static float
random_float(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (float) (*state >> 40) / (float) (1 << 23) - 1.0f;
}

/* From the items themselves; check_equation() has a Gram matrix of its own. */
static void
encode_gram(Problem *problem)
{
	CrFoldIn	fold_in;
	void	   *workspace = unit_alloc(cr_fold_in_workspace_size(problem->factors));

	cr_fold_in_begin_empty(&fold_in, problem->factors, workspace);
	for (int32_t i = 0; i < ITEMS; i++)
		cr_fold_in_add(&fold_in, problem->items + (size_t) i * problem->stride, 0.1);
	cr_fold_in_gram_encode(&fold_in, problem->bytes);
	free(workspace);
}

static void
make_problem(Problem *problem, int32_t factors)
{
	uint64_t	state = 7;
	double	   *sums = unit_alloc(sizeof(double) * (size_t) factors * factors);

	problem->factors = factors;
	problem->stride = cr_factor_stride(factors);
	problem->params = (CrIalsParams) {.factors = factors, .unobserved_weight = 0.1,
		.regularization = 0.02, .regularization_exponent = 1};
	problem->items = unit_alloc(sizeof(float) * (size_t) ITEMS * problem->stride);
	problem->gram = unit_alloc(sizeof(float) * (size_t) factors * problem->stride);
	for (int32_t i = 0; i < ITEMS; i++)
	{
		for (int32_t j = 0; j < factors; j++)
			problem->items[(size_t) i * problem->stride + j] = random_float(&state);
	}
	for (int32_t i = 0; i < ITEMS; i++)
	{
		const float *y = problem->items + (size_t) i * problem->stride;

		for (int32_t a = 0; a < factors; a++)
		{
			for (int32_t b = 0; b < factors; b++)
				sums[(size_t) a * factors + b] += 0.1 * (double) y[a] * y[b];
		}
	}
	for (int32_t a = 0; a < factors; a++)
	{
		for (int32_t b = 0; b < factors; b++)
			problem->gram[(size_t) a * problem->stride + b] = (float) sums[(size_t) a * factors + b];
	}
	free(sums);
	problem->start[0] = 0;
	problem->start[1] = EVENTS;
	for (int32_t e = 0; e < EVENTS; e++)
	{
		problem->column[e] = e + e / 4;
		problem->weight[e] = 0.5f + (float) (e % 5);
	}
	problem->length = cr_fold_in_gram_size(factors);
	problem->bytes = malloc(problem->length);
	encode_gram(problem);
}

static void
free_problem(Problem *problem)
{
	free(problem->items);
	free(problem->gram);
	free(problem->bytes);
}

static void
fold(const Problem *problem, CrFoldIn *fold_in, void *workspace)
{
	CHECK(cr_fold_in_begin(fold_in, problem->factors, problem->bytes, problem->length,
						   workspace) == CR_OK);
	for (int32_t e = 0; e < EVENTS; e++)
		cr_fold_in_add(fold_in, problem->items + (size_t) problem->column[e] * problem->stride,
					   problem->weight[e]);
	CHECK(cr_fold_in_finish(fold_in, cr_ials_row_regularization(&problem->params,
																fold_in->weight_sum,
																ITEMS)) == CR_OK);
}

/* A x = b, row by row, from the definition of A. */
static void
check_equation(const Problem *problem, const float *x, double weight_sum)
{
	double		regularization = cr_ials_row_regularization(&problem->params, weight_sum, ITEMS);

	for (int32_t a = 0; a < problem->factors; a++)
	{
		double		left = regularization * x[a];
		double		right = 0;

		for (int32_t b = 0; b < problem->factors; b++)
			left += (double) problem->gram[(size_t) a * problem->stride + b] * x[b];
		for (int32_t e = 0; e < EVENTS; e++)
		{
			const float *y = problem->items + (size_t) problem->column[e] * problem->stride;
			double		score = 0;

			for (int32_t b = 0; b < problem->factors; b++)
				score += (double) y[b] * x[b];
			left += problem->weight[e] * score * y[a];
			right += (double) problem->weight[e] * y[a];
		}
		CHECK_NEAR(left, right, 1e-3);
	}
}

static void
solves_the_users_equation(void)
{
	static const int32_t dims[] = {1, 2, 7, 32, 64, 100};

	for (int i = 0; i < (int) (sizeof(dims) / sizeof(dims[0])); i++)
	{
		Problem		problem;
		CrFoldIn	fold_in;
		float	   *x = unit_alloc(sizeof(float) * (size_t) dims[i]);
		void	   *workspace = unit_alloc(cr_fold_in_workspace_size(dims[i]));

		make_problem(&problem, dims[i]);
		fold(&problem, &fold_in, workspace);
		CHECK(cr_fold_in_user(&fold_in, x) == CR_OK);
		check_equation(&problem, x, fold_in.weight_sum);
		free_problem(&problem);
		free(workspace);
		free(x);
	}
}

/* The contributions y_j' A^-1 y_i c_i of all items add up to y_j'x. */
static void
contributions_add_up(void)
{
	Problem		problem;
	CrFoldIn	fold_in;
	double		solved[24];
	float		x[24];
	void	   *workspace = unit_alloc(cr_fold_in_workspace_size(24));

	make_problem(&problem, 24);
	for (int32_t j = 0; j < ITEMS; j++)
	{
		const float *target = problem.items + (size_t) j * problem.stride;
		double		sum = 0;
		double		score = 0;

		fold(&problem, &fold_in, workspace);
		for (int32_t a = 0; a < 24; a++)
			solved[a] = target[a];
		cr_fold_in_solve(&fold_in, solved);
		for (int32_t e = 0; e < EVENTS; e++)
		{
			const float *y = problem.items + (size_t) problem.column[e] * problem.stride;

			for (int32_t a = 0; a < 24; a++)
				sum += problem.weight[e] * y[a] * solved[a];
		}
		CHECK(cr_fold_in_user(&fold_in, x) == CR_OK);
		for (int32_t a = 0; a < 24; a++)
			score += (double) x[a] * target[a];
		CHECK_NEAR(sum, score, 1e-6);
	}
	free_problem(&problem);
	free(workspace);
}

static void
damage_is_found(void)
{
	Problem		problem;
	CrFoldIn	fold_in;
	void	   *workspace = unit_alloc(cr_fold_in_workspace_size(9));
	static const float infinite[9] = {INFINITY};

	make_problem(&problem, 8);
	CHECK(cr_fold_in_begin(&fold_in, 9, problem.bytes, problem.length, workspace) ==
		  CR_DIMENSION_MISMATCH);
	for (size_t cut = 0; cut < problem.length; cut++)
		CHECK(cr_fold_in_begin(&fold_in, 8, problem.bytes, cut, workspace) == CR_CORRUPT);
	for (size_t at = 0; at < 8; at++)
	{
		problem.bytes[at] ^= 0x40;
		CHECK(cr_fold_in_begin(&fold_in, 8, problem.bytes, problem.length, workspace) != CR_OK);
		problem.bytes[at] ^= 0x40;
	}
	memset(problem.bytes + 20, 0xff, 4);
	CHECK(cr_fold_in_begin(&fold_in, 8, problem.bytes, problem.length, workspace) == CR_CORRUPT);
	encode_gram(&problem);
	CHECK(cr_fold_in_begin(&fold_in, 8, problem.bytes, problem.length, workspace) == CR_OK);
	cr_fold_in_add(&fold_in, infinite, 1);
	CHECK(cr_fold_in_finish(&fold_in, 1) == CR_NOT_FINITE);
	CHECK(cr_fold_in_begin(&fold_in, 8, problem.bytes, problem.length, workspace) == CR_OK);
	CHECK(cr_fold_in_finish(&fold_in, -1e6) == CR_SINGULAR);
	free_problem(&problem);
	free(workspace);
}

UNIT_MAIN(UNIT_TEST(solves_the_users_equation),
		  UNIT_TEST(contributions_add_up),
		  UNIT_TEST(damage_is_found));
