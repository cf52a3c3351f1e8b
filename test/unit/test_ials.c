/*
 * test_ials.c
 *		The iALS kernels against dense double-precision references.
 */
#include "core/ials.h"
#include "core/rng.h"
#include "unit.h"

/* The level at which a test runs. */
static CrSimd level = CR_SIMD_PORTABLE;

/* NAME_at_every_level runs NAME at each level that this machine has. */
#define AT_EVERY_LEVEL(name) \
static void \
name##_at_every_level(void) \
{ \
	for (int simd = 0; simd <= (int) cr_simd_best(); simd++) \
	{ \
		level = (CrSimd) simd; \
		if (cr_simd_is_available(level)) \
			name(); \
	} \
}

/* A random problem; every buffer is the problem's. */
typedef struct Problem
{
	CrIalsParams params;
	CrCsr		users;
	CrCsr		items;
	float	   *user_factors;
	float	   *item_factors;
	double	   *gram_sum;
	float	   *gram;
	void	   *workspace;
	size_t		stride;
} Problem;

typedef struct ProblemShape
{
	int32_t		factors;
	int64_t		users;
	int64_t		items;
	double		density;
	int			weighted;
} ProblemShape;

/* User 0 has every item, user 1 and the last item have nothing. */
static int
is_observed(const ProblemShape *shape, int64_t user, int64_t item, CrRng *rng)
{
	int			drawn = cr_rng_uniform(rng) < shape->density;

	if (user == 1 || item == shape->items - 1)
		return 0;
	return user == 0 || drawn;
}

static CrCsr
random_events(const ProblemShape *shape)
{
	size_t		room = (size_t) (shape->users * shape->items);
	int64_t    *start = unit_alloc(((size_t) shape->users + 1) * sizeof(int64_t));
	int32_t    *column = unit_alloc(room * sizeof(int32_t));
	float	   *weight = shape->weighted ? unit_alloc(room * sizeof(float)) : NULL;
	int64_t		nnz = 0;
	CrRng		rng;

	cr_rng_init(&rng, 77, (uint64_t) shape->factors);
	for (int64_t user = 0; user < shape->users; user++)
	{
		for (int64_t item = 0; item < shape->items; item++)
		{
			if (!is_observed(shape, user, item, &rng))
				continue;
			if (weight != NULL)
				weight[nnz] = (float) (0.2 + 3 * cr_rng_uniform(&rng));
			column[nnz++] = (int32_t) item;
		}
		start[user + 1] = nnz;
	}
	return (CrCsr) {shape->users, shape->items, start, column, weight};
}

static CrCsr
transposed(const CrCsr *csr)
{
	size_t		nnz = (size_t) csr->start[csr->rows];
	int64_t    *start = unit_alloc(((size_t) csr->columns + 1) * sizeof(int64_t));
	int32_t    *column = unit_alloc(nnz * sizeof(int32_t));
	float	   *weight = csr->weight != NULL ? unit_alloc(nnz * sizeof(float)) : NULL;

	cr_csr_transpose(csr, start, column, weight);
	return (CrCsr) {csr->columns, csr->rows, start, column, weight};
}

static float *
random_factors(int64_t rows, int32_t factors, uint64_t seed)
{
	size_t		stride = (size_t) cr_factor_stride(factors);
	float	   *matrix = unit_alloc((size_t) rows * stride * sizeof(float));

	for (int64_t row = 0; row < rows; row++)
	{
		CrRng		rng;

		cr_rng_init(&rng, seed, (uint64_t) row);
		cr_rng_normal(&rng, 0.3, matrix + (size_t) row * stride, (size_t) factors);
	}
	return matrix;
}

/* For rows of either side. */
static size_t
workspace_size(const Problem *p)
{
	int64_t		users = p->users.rows;
	int64_t		items = p->users.columns;

	return cr_ials_workspace_size(p->params.factors, users > items ? users : items);
}

static Problem
problem_alloc(ProblemShape shape)
{
	Problem		p;
	size_t		k = (size_t) shape.factors;

	p.params = (CrIalsParams) {shape.factors, 0.1, 0.05, 1.0, level};
	p.stride = (size_t) cr_factor_stride(shape.factors);
	p.users = random_events(&shape);
	p.items = transposed(&p.users);
	p.user_factors = random_factors(shape.users, shape.factors, 1);
	p.item_factors = random_factors(shape.items, shape.factors, 2);
	p.gram_sum = unit_alloc(2 * k * k * sizeof(double));
	p.gram = unit_alloc(k * p.stride * sizeof(float));
	p.workspace = unit_alloc(workspace_size(&p));
	return p;
}

static void
csr_free(CrCsr *csr)
{
	free((void *) csr->start);
	free((void *) csr->column);
	free((void *) csr->weight);
}

static void
problem_free(Problem *p)
{
	csr_free(&p->users);
	csr_free(&p->items);
	free(p->user_factors);
	free(p->item_factors);
	free(p->gram_sum);
	free(p->gram);
	free(p->workspace);
}

/* A half step for users (fixing items) or items, its Gram matrix computed. */
static CrIalsHalf
prepare_half(Problem *p, int for_users)
{
	CrIalsHalf	half = {0};
	int32_t		k = p->params.factors;

	half.params = &p->params;
	half.interactions = for_users ? &p->users : &p->items;
	half.fixed = for_users ? p->item_factors : p->user_factors;
	half.solved = for_users ? p->user_factors : p->item_factors;
	half.gram = p->gram;
	memset(p->gram_sum, 0, (size_t) k * k * sizeof(double));
	cr_gram_add(&p->params, half.fixed, 0, half.interactions->columns, p->gram_sum, p->workspace);
	cr_gram_finish(p->gram_sum, 1, k, p->params.unobserved_weight, p->gram);
	return half;
}

static CrIalsLoss
solve_half(Problem *p, int for_users)
{
	CrIalsHalf	half = prepare_half(p, for_users);
	CrIalsLoss	loss = {0, 0};

	CHECK(cr_ials_solve_rows(&half, 0, half.interactions->rows, &loss, p->workspace) == CR_OK);
	return loss;
}

static double
reference_loss(Problem *p)
{
	return cr_ials_loss_reference(&p->params, &p->users, p->user_factors, p->item_factors,
								  p->gram_sum);
}

/* Solve the k x k system in place by Gaussian elimination with row pivoting; b becomes x. */
static void
gauss_solve(double *a, double *b, int k)
{
	for (int c = 0; c < k; c++)
	{
		int			pivot = c;

		for (int r = c + 1; r < k; r++)
			pivot = fabs(a[r * k + c]) > fabs(a[pivot * k + c]) ? r : pivot;
		for (int j = 0; j < k; j++)
		{
			double		swapped = a[c * k + j];

			a[c * k + j] = a[pivot * k + j];
			a[pivot * k + j] = swapped;
		}
		{
			double		swapped = b[c];

			b[c] = b[pivot];
			b[pivot] = swapped;
		}
		for (int r = c + 1; r < k; r++)
		{
			double		factor = a[r * k + c] / a[c * k + c];

			for (int j = c; j < k; j++)
				a[r * k + j] -= factor * a[c * k + j];
			b[r] -= factor * b[c];
		}
	}
	for (int r = k - 1; r >= 0; r--)
	{
		for (int j = r + 1; j < k; j++)
			b[r] -= a[r * k + j] * b[j];
		b[r] /= a[r * k + r];
	}
}

/* a += weight * y y' */
static void
add_outer(double *a, const float *y, double weight, int k)
{
	for (int i = 0; i < k; i++)
	{
		for (int j = 0; j < k; j++)
			a[i * k + j] += weight * y[i] * y[j];
	}
}

/* The row's solution in double throughout, from the definition in the header. */
static void
dense_row(const CrIalsHalf *half, int64_t row, double *a, double *x)
{
	const CrCsr *csr = half->interactions;
	int			k = half->params->factors;
	size_t		stride = (size_t) cr_factor_stride(k);
	double		weight_sum = 0.0;
	double		reg;

	memset(a, 0, (size_t) k * k * sizeof(double));
	memset(x, 0, (size_t) k * sizeof(double));
	for (int64_t j = 0; j < csr->columns; j++)
		add_outer(a, half->fixed + (size_t) j * stride, half->params->unobserved_weight, k);
	for (int64_t e = csr->start[row]; e < csr->start[row + 1]; e++)
	{
		const float *y = half->fixed + (size_t) csr->column[e] * stride;
		double		weight = csr->weight == NULL ? 1.0 : csr->weight[e];

		add_outer(a, y, weight, k);
		for (int i = 0; i < k; i++)
			x[i] += weight * y[i];
		weight_sum += weight;
	}
	reg = half->params->regularization *
		pow(weight_sum + half->params->unobserved_weight * (double) csr->columns,
			half->params->regularization_exponent);
	for (int i = 0; i < k; i++)
		a[i * k + i] += reg;
	gauss_solve(a, x, k);
}

static void
check_rows(Problem *p)
{
	int			k = p->params.factors;
	CrIalsHalf	half = prepare_half(p, 1);
	CrIalsLoss	loss = {0, 0};
	double	   *a = unit_alloc((size_t) k * k * sizeof(double));
	double	   *x = unit_alloc((size_t) k * sizeof(double));

	CHECK(cr_ials_solve_rows(&half, 0, p->users.rows, &loss, p->workspace) == CR_OK);
	for (int64_t row = 0; row < p->users.rows; row++)
	{
		const float *solved = half.solved + (size_t) row * p->stride;
		double		largest = 0.0;

		dense_row(&half, row, a, x);
		for (int i = 0; i < k; i++)
			largest = fmax(largest, fabs(x[i]));
		for (int i = 0; i < k; i++)
			CHECK_NEAR(solved[i], x[i], 1e-4 * largest);
		for (size_t i = (size_t) k; i < p->stride; i++)
			CHECK(solved[i] == 0.0f);
	}
	free(a);
	free(x);
}

static void
rows_match_the_dense_solution(void)
{
	static const int32_t factors[] = {1, 5, 16, 64, 130};

	for (int i = 0; i < 5; i++)
	{
		for (int weighted = 0; weighted <= 1; weighted++)
		{
			Problem		p = problem_alloc((ProblemShape) {factors[i], 15, 200, 0.1, weighted});

			check_rows(&p);
			p.params.regularization_exponent = 0.5;
			check_rows(&p);
			problem_free(&p);
		}
	}
}

static void
layout_is_aligned(void)
{
	CHECK(cr_factor_stride(1) == 16);
	CHECK(cr_factor_stride(16) == 16);
	CHECK(cr_factor_stride(17) == 32);
	CHECK(cr_factor_stride(512) == 512);
	for (int32_t k = 1; k <= CR_FACTORS_MAX; k++)
	{
		size_t		matrix = (size_t) k * (size_t) cr_factor_stride(k) * sizeof(float);

		/* Gram partials are kept in the same workspace. */
		CHECK(cr_ials_workspace_size(k, 0) >= matrix);
		CHECK(cr_ials_workspace_size(k, 777) % 64 == 0);
	}
}

static void
regularization_follows_the_formula(void)
{
	CrIalsParams params = {8, 0.5, 0.1, 1.0, level};

	CHECK_NEAR(cr_ials_row_regularization(&params, 3, 10), 0.1 * 8, 1e-15);
	params.regularization_exponent = 0;
	CHECK_NEAR(cr_ials_row_regularization(&params, 3, 10), 0.1, 1e-15);
	params.regularization_exponent = 2;
	CHECK_NEAR(cr_ials_row_regularization(&params, 3, 10), 6.4, 1e-14);
	params.regularization_exponent = 0.5;
	CHECK_NEAR(cr_ials_row_regularization(&params, 3, 12), 0.3, 1e-15);
}

static void
gram_matches_the_naive_one(void)
{
	const int32_t k = 21;
	const int64_t rows = 2 * CR_GRAM_ROWS + 100;
	const CrIalsParams params = {.factors = k, .simd = level};
	size_t		stride = (size_t) cr_factor_stride(k);
	float	   *y = random_factors(rows, k, 5);
	float	   *gram = unit_alloc((size_t) k * stride * sizeof(float));
	double	   *sum = unit_alloc((size_t) k * k * sizeof(double));
	double	   *naive = unit_alloc((size_t) k * k * sizeof(double));
	void	   *workspace = unit_alloc(cr_ials_workspace_size(k, 0));

	for (int64_t row = 0; row < rows; row++)
		add_outer(naive, y + (size_t) row * stride, 1.0, k);
	cr_gram_add(&params, y, 0, rows, sum, workspace);
	cr_gram_finish(sum, 1, k, 0.25, gram);
	for (int i = 0; i < k; i++)
	{
		for (int j = 0; j < k; j++)
		{
			CHECK_NEAR(gram[i * stride + j], 0.25 * naive[i * k + j], 1e-3);
			CHECK(gram[i * stride + j] == gram[j * stride + i]);
		}
		for (size_t j = (size_t) k; j < stride; j++)
			CHECK(gram[i * stride + j] == 0.0f);
	}
	free(y);
	free(gram);
	free(sum);
	free(naive);
	free(workspace);
}

/* Blocks summed apart, from another address, are the same bits as all at once. */
static void
gram_does_not_depend_on_the_split(void)
{
	const int32_t k = 21;
	const int64_t rows = 2 * CR_GRAM_ROWS + 100;
	const CrIalsParams params = {.factors = k, .simd = level};
	size_t		stride = (size_t) cr_factor_stride(k);
	size_t		size = (size_t) k * k;
	float	   *y = random_factors(rows, k, 5);
	float	   *shifted = unit_alloc(((size_t) rows * stride + 1) * sizeof(float));
	float	   *whole = unit_alloc((size_t) k * stride * sizeof(float));
	float	   *split = unit_alloc((size_t) k * stride * sizeof(float));
	double	   *parts = unit_alloc(4 * size * sizeof(double));
	void	   *workspace = unit_alloc(cr_ials_workspace_size(k, 0));

	memcpy(shifted + 1, y, (size_t) rows * stride * sizeof(float));
	cr_gram_add(&params, y, 0, rows, parts + 3 * size, workspace);
	cr_gram_finish(parts + 3 * size, 1, k, 0.25, whole);
	for (int part = 2; part >= 0; part--)
	{
		int64_t		from = (int64_t) part * CR_GRAM_ROWS;

		cr_gram_add(&params, shifted + 1, from, part == 2 ? rows : from + CR_GRAM_ROWS,
					parts + part * size, workspace);
	}
	cr_gram_finish(parts, 3, k, 0.25, split);
	CHECK(memcmp(whole, split, (size_t) k * stride * sizeof(float)) == 0);
	free(y);
	free(shifted);
	free(whole);
	free(split);
	free(parts);
	free(workspace);
}

/* The objective as the header has it, over all pairs. */
static double
brute_force_loss(const Problem *p)
{
	const CrIalsParams *params = &p->params;
	double		loss = 0.0;

	for (int64_t u = 0; u < p->users.rows; u++)
	{
		const float *w = p->user_factors + (size_t) u * p->stride;

		for (int64_t i = 0; i < p->users.columns; i++)
		{
			const float *h = p->item_factors + (size_t) i * p->stride;
			double		score = 0.0;

			for (int f = 0; f < params->factors; f++)
				score += (double) w[f] * h[f];
			loss += params->unobserved_weight * score * score;
			for (int64_t e = p->users.start[u]; e < p->users.start[u + 1]; e++)
			{
				if (p->users.column[e] == i)
					loss += (p->users.weight == NULL ? 1.0 : p->users.weight[e]) *
						(score - 1) * (score - 1);
			}
		}
	}
	return loss;
}

static double
brute_force_penalty(const Problem *p, const CrCsr *csr, const float *rows)
{
	double		penalty = 0.0;

	for (int64_t row = 0; row < csr->rows; row++)
	{
		double		frequency = p->params.unobserved_weight * (double) csr->columns;
		double		square = 0.0;

		for (int64_t e = csr->start[row]; e < csr->start[row + 1]; e++)
			frequency += csr->weight == NULL ? 1.0 : csr->weight[e];
		for (int f = 0; f < p->params.factors; f++)
			square += pow(rows[(size_t) row * p->stride + (size_t) f], 2);
		penalty += p->params.regularization *
			pow(frequency, p->params.regularization_exponent) * square;
	}
	return penalty;
}

/* k = 1 makes the scratch hold two items at a time only. */
static void
reference_loss_is_the_objective(void)
{
	static const int32_t factors[] = {1, 5, 16};

	for (int i = 0; i < 6; i++)
	{
		Problem		p = problem_alloc((ProblemShape) {factors[i / 2], 20, 31, 0.2, i % 2});
		double		expected;

		p.params.regularization_exponent = 0.7;
		expected = brute_force_loss(&p) + brute_force_penalty(&p, &p.users, p.user_factors) +
			brute_force_penalty(&p, &p.items, p.item_factors);
		CHECK_NEAR(reference_loss(&p), expected, 1e-9 * expected);
		problem_free(&p);
	}
}

/* After a users' and an items' half step, sum of fits + users' penalty is the loss. */
static void
solves_add_up_to_the_loss(void)
{
	static const int32_t factors[] = {1, 5, 16, 64, 130};

	for (int i = 0; i < 10; i++)
	{
		Problem		p = problem_alloc((ProblemShape) {factors[i / 2], 120, 90, 0.15, i % 2});

		for (int epoch = 0; epoch < 3; epoch++)
		{
			double		penalty = solve_half(&p, 1).penalty;
			double		loss = solve_half(&p, 0).fit + penalty;

			CHECK_NEAR(loss, reference_loss(&p), 1e-4 * loss);
		}
		problem_free(&p);
	}
}

static void
loss_falls_in_every_epoch(void)
{
	Problem		p = problem_alloc((ProblemShape) {8, 150, 100, 0.08, 1});
	double		before = reference_loss(&p);

	for (int epoch = 0; epoch < 10; epoch++)
	{
		double		after_users;
		double		after_items;

		solve_half(&p, 1);
		after_users = reference_loss(&p);
		solve_half(&p, 0);
		after_items = reference_loss(&p);
		CHECK(after_users < before);
		CHECK(after_items < after_users);
		before = after_items;
	}
	problem_free(&p);
}

/* Half steps of CG and exact ones, again and again from the same start, meet at the same loss. */
static void
solvers_meet_at_convergence(void)
{
	double		loss[2];

	for (int cg = 0; cg <= 1; cg++)
	{
		Problem		p = problem_alloc((ProblemShape) {8, 150, 100, 0.08, 1});

		for (int epoch = 0; epoch < 150; epoch++)
		{
			for (int for_users = 0; for_users <= 1; for_users++)
			{
				CrIalsHalf	half = prepare_half(&p, for_users);
				CrIalsLoss	ignored = {0, 0};

				half.cg_steps = 3 * cg;
				CHECK(cr_ials_solve_rows(&half, 0, half.interactions->rows, &ignored,
										 p.workspace) == CR_OK);
			}
		}
		loss[cg] = reference_loss(&p);
		problem_free(&p);
	}
	CHECK_NEAR(loss[1], loss[0], 1e-4 * loss[0]);
}

/* Solve one row in slices, in a workspace that holds rubbish. */
static void
solve_sliced(Problem *p, const CrIalsHalf *half, int64_t row, int64_t slice, CrIalsLoss *loss)
{
	CrIalsRow	state;
	int64_t		calls = 1;
	int64_t		events = half->interactions->start[row + 1] - half->interactions->start[row];

	memset(p->workspace, 0x7f, workspace_size(p));
	cr_ials_row_begin(half, row, &state, p->workspace);
	while (cr_ials_row_add(half, &state, slice, p->workspace))
		calls++;
	CHECK(calls == (events == 0 ? 1 : (events + slice - 1) / slice));
	CHECK(state.next == state.end);
	CHECK(cr_ials_row_finish(half, &state, loss, p->workspace) == CR_OK);
}

/* Rows longer than a panel, of all panel sizes, in slices that do and do not divide it. */
static void
slices_do_not_change_the_bits(void)
{
	static const int32_t factors[] = {1, 16, 64, 130};
	static const int64_t slices[] = {1, 7, 64, 128, 1000};

	for (int i = 0; i < 8; i++)
	{
		Problem		p = problem_alloc((ProblemShape) {factors[i / 2], 4, 1100, 0.2, i % 2});
		CrIalsHalf	half = prepare_half(&p, 1);
		CrIalsLoss	whole = {0, 0};
		size_t		size = (size_t) p.users.rows * p.stride * sizeof(float);
		float	   *expected = unit_alloc(size);

		CHECK(cr_ials_solve_rows(&half, 0, p.users.rows, &whole, p.workspace) == CR_OK);
		memcpy(expected, p.user_factors, size);
		for (int s = 0; s < 5; s++)
		{
			CrIalsLoss	loss = {0, 0};

			memset(p.user_factors, 0, size);
			for (int64_t row = 0; row < p.users.rows; row++)
				solve_sliced(&p, &half, row, slices[s], &loss);
			CHECK(memcmp(expected, p.user_factors, size) == 0);
			CHECK(loss.fit == whole.fit && loss.penalty == whole.penalty);
		}
		free(expected);
		problem_free(&p);
	}
}

/* The fixed side at an odd address, the workspace 64 bytes further, the rows backwards. */
static void
addresses_and_order_do_not_change_the_bits(void)
{
	Problem		p = problem_alloc((ProblemShape) {50, 12, 300, 0.4, 1});
	CrIalsHalf	half = prepare_half(&p, 1);
	CrIalsHalf	moved = half;
	CrIalsLoss	loss = {0, 0};
	size_t		fixed_size = (size_t) p.items.rows * p.stride * sizeof(float);
	size_t		solved_size = (size_t) p.users.rows * p.stride * sizeof(float);
	char	   *fixed = unit_alloc(fixed_size + 4);
	float	   *solved = unit_alloc(solved_size);
	char	   *workspace = unit_alloc(workspace_size(&p) + 64);

	memcpy(fixed + 4, p.item_factors, fixed_size);
	moved.fixed = (const float *) (fixed + 4);
	moved.solved = solved;
	CHECK(cr_ials_solve_rows(&half, 0, p.users.rows, &loss, p.workspace) == CR_OK);
	for (int64_t row = p.users.rows - 1; row >= 0; row--)
		CHECK(cr_ials_solve_rows(&moved, row, row + 1, &loss, workspace + 64) == CR_OK);
	CHECK(memcmp(solved, p.user_factors, solved_size) == 0);
	free(fixed);
	free(solved);
	free(workspace);
	problem_free(&p);
}

static void
empty_rows_get_zeros_and_no_loss(void)
{
	Problem		p = problem_alloc((ProblemShape) {20, 5, 30, 0.3, 0});
	CrIalsHalf	half = prepare_half(&p, 1);
	CrIalsLoss	loss = {0, 0};

	memset(p.user_factors + p.stride, 0x55, p.stride * sizeof(float));
	CHECK(cr_ials_solve_rows(&half, 1, 2, &loss, p.workspace) == CR_OK);
	for (size_t i = p.stride; i < 2 * p.stride; i++)
		CHECK(p.user_factors[i] == 0.0f);
	CHECK(loss.fit == 0.0 && loss.penalty == 0.0);
	problem_free(&p);
}

static void
finish_wants_all_events(void)
{
	Problem		p = problem_alloc((ProblemShape) {4, 3, 30, 0.3, 0});
	CrIalsHalf	half = prepare_half(&p, 1);
	CrIalsLoss	loss = {0, 0};
	CrIalsRow	state;

	cr_ials_row_begin(&half, 0, &state, p.workspace);
	CHECK(cr_ials_row_add(&half, &state, 0, p.workspace));
	CHECK(cr_ials_row_add(&half, &state, 28, p.workspace));
	CHECK(cr_ials_row_finish(&half, &state, &loss, p.workspace) == CR_INVALID_ARGUMENT);
	CHECK(!cr_ials_row_add(&half, &state, 1, p.workspace));
	CHECK(!cr_ials_row_add(&half, &state, 1, p.workspace));
	CHECK(cr_ials_row_finish(&half, &state, &loss, p.workspace) == CR_OK);
	problem_free(&p);
}

/* No unobserved weight, hardly any regularisation, identical or zero factors. */
static void
singular_rows_never_give_nan(void)
{
	static const double regularization[] = {1e-3, 1e-12, 1e-30, 1e-60};

	for (int i = 0; i < 12; i++)
	{
		Problem		p = problem_alloc((ProblemShape) {40, 10, 25, 0.3, 1});
		CrIalsHalf	half;
		CrIalsLoss	loss = {0, 0};

		p.params.unobserved_weight = 0;
		p.params.regularization = regularization[i % 4];
		for (size_t item = 1; i / 4 > 0 && item < (size_t) p.items.rows; item++)
			memcpy(p.item_factors + item * p.stride, p.item_factors, p.stride * sizeof(float));
		if (i / 4 > 1)
			memset(p.item_factors, 0, (size_t) p.items.rows * p.stride * sizeof(float));
		half = prepare_half(&p, 1);
		for (int64_t row = 0; row < p.users.rows; row++)
		{
			CrStatus	status = cr_ials_solve_rows(&half, row, row + 1, &loss, p.workspace);

			CHECK(status == CR_OK || status == CR_SINGULAR);
			for (size_t f = 0; f < p.stride; f++)
				CHECK(isfinite(p.user_factors[(size_t) row * p.stride + f]));
		}
		CHECK(isfinite(loss.fit) && isfinite(loss.penalty));
		problem_free(&p);
	}
}

/* Solve one row of one event (1, 0) with a given 2 x 2 "Gram" matrix. */
static CrStatus
solve_with_gram(float diagonal, float off, float *solved, CrIalsLoss *loss)
{
	static const int64_t start[] = {0, 1};
	static const int32_t column[] = {0};
	const float fixed[16] = {1e-6f, 0};
	float		gram[32] = {0};
	CrIalsParams params = {2, 0, 1e-12, 0, level};
	CrCsr		csr = {1, 1, start, column, NULL};
	CrIalsHalf	half = {.params = &params, .interactions = &csr, .fixed = fixed, .gram = gram,
	.solved = solved};
	void	   *workspace = unit_alloc(cr_ials_workspace_size(2, 1));
	CrStatus	status;

	gram[0] = gram[17] = diagonal;
	gram[1] = gram[16] = off;
	status = cr_ials_solve_rows(&half, 0, 1, loss, workspace);
	free(workspace);
	return status;
}

/* Eigenvalues of the matrix are diagonal +- off. */
static void
jitter_helps_as_far_as_documented(void)
{
	static const float off[] = {1.0000005f, 1.000005f, 1.00005f, 1.0005f, 1.005f};

	for (int i = 0; i < 5; i++)
	{
		float		solved[16];
		CrIalsLoss	loss = {0, 0};

		CHECK(solve_with_gram(1.0f, off[i], solved, &loss) == CR_OK);
		CHECK(isfinite(solved[0]) && isfinite(solved[1]));
		CHECK(isfinite(loss.fit) && isfinite(loss.penalty));
	}
}

static void
hopeless_rows_are_reported_and_left_alone(void)
{
	float		solved[16] = {3, 4};
	CrIalsLoss	loss = {5, 6};

	CHECK(solve_with_gram(1.0f, 1.02f, solved, &loss) == CR_SINGULAR);
	CHECK(solve_with_gram(-1.0f, 0.0f, solved, &loss) == CR_SINGULAR);
	CHECK(solve_with_gram(NAN, 0.0f, solved, &loss) == CR_NOT_FINITE);
	CHECK(solve_with_gram(INFINITY, 0.0f, solved, &loss) == CR_NOT_FINITE);
	CHECK(solve_with_gram(1.0f, NAN, solved, &loss) != CR_OK);
	CHECK(solved[0] == 3 && solved[1] == 4);
	CHECK(loss.fit == 5 && loss.penalty == 6);
}

static void
bad_factors_are_reported(void)
{
	Problem		p = problem_alloc((ProblemShape) {30, 6, 40, 0.3, 1});
	CrIalsHalf	half = prepare_half(&p, 1);
	CrIalsLoss	loss = {0, 0};

	p.item_factors[5] = NAN;
	CHECK(cr_ials_solve_rows(&half, 0, 1, &loss, p.workspace) == CR_NOT_FINITE);
	p.item_factors[5] = 3e38f;
	CHECK(cr_ials_solve_rows(&half, 0, 1, &loss, p.workspace) == CR_NOT_FINITE);
	CHECK(loss.fit == 0 && loss.penalty == 0);
	problem_free(&p);
}

AT_EVERY_LEVEL(gram_matches_the_naive_one)
AT_EVERY_LEVEL(gram_does_not_depend_on_the_split)
AT_EVERY_LEVEL(rows_match_the_dense_solution)
AT_EVERY_LEVEL(solves_add_up_to_the_loss)
AT_EVERY_LEVEL(loss_falls_in_every_epoch)
AT_EVERY_LEVEL(solvers_meet_at_convergence)
AT_EVERY_LEVEL(slices_do_not_change_the_bits)
AT_EVERY_LEVEL(addresses_and_order_do_not_change_the_bits)
AT_EVERY_LEVEL(empty_rows_get_zeros_and_no_loss)
AT_EVERY_LEVEL(finish_wants_all_events)
AT_EVERY_LEVEL(singular_rows_never_give_nan)
AT_EVERY_LEVEL(jitter_helps_as_far_as_documented)
AT_EVERY_LEVEL(hopeless_rows_are_reported_and_left_alone)
AT_EVERY_LEVEL(bad_factors_are_reported)

UNIT_MAIN(UNIT_TEST(layout_is_aligned),
		  UNIT_TEST(regularization_follows_the_formula),
		  UNIT_TEST(gram_matches_the_naive_one_at_every_level),
		  UNIT_TEST(gram_does_not_depend_on_the_split_at_every_level),
		  UNIT_TEST(rows_match_the_dense_solution_at_every_level),
		  UNIT_TEST(reference_loss_is_the_objective),
		  UNIT_TEST(solves_add_up_to_the_loss_at_every_level),
		  UNIT_TEST(loss_falls_in_every_epoch_at_every_level),
		  UNIT_TEST(solvers_meet_at_convergence_at_every_level),
		  UNIT_TEST(slices_do_not_change_the_bits_at_every_level),
		  UNIT_TEST(addresses_and_order_do_not_change_the_bits_at_every_level),
		  UNIT_TEST(empty_rows_get_zeros_and_no_loss_at_every_level),
		  UNIT_TEST(finish_wants_all_events_at_every_level),
		  UNIT_TEST(singular_rows_never_give_nan_at_every_level),
		  UNIT_TEST(jitter_helps_as_far_as_documented_at_every_level),
		  UNIT_TEST(hopeless_rows_are_reported_and_left_alone_at_every_level),
		  UNIT_TEST(bad_factors_are_reported_at_every_level));
