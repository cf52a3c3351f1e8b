/*
 * test_pure_svd.c
 *		PureSVD against LAPACK's singular value decomposition, its invariants, and hard shapes.
 */
#include <lapacke.h>

#include "core/ials.h"
#include "core/pure_svd_kernels.h"
#include "trainer_driver.h"
#include "training_data.h"

static CrHyperparameters
hyperparameters(int factors, int iterations, int oversampling)
{
	CrHyperparameters used;

	cr_parameters_preset(&cr_pure_svd_algorithm, &used);
	data_set(&cr_pure_svd_algorithm, &used, "factors", factors);
	data_set(&cr_pure_svd_algorithm, &used, "iterations", iterations);
	data_set(&cr_pure_svd_algorithm, &used, "oversampling", oversampling);
	return used;
}

/* Some tenths of the cells, with weights if asked for; row 3 and column 5 are empty. */
static double *
scattered(int64_t users, int64_t items, int is_weighted)
{
	double	   *dense = unit_alloc((size_t) (users * items) * sizeof(double));
	CrRng		rng;

	cr_rng_init(&rng, 11, 0);
	for (int64_t cell = 0; cell < users * items; cell++)
	{
		double		draw = cr_rng_uniform(&rng);

		if (draw < 0.3 / (1 + (double) (cell % items) / 10) && cell / items != 3 && cell % items != 5)
			dense[cell] = is_weighted ? (float) (0.5 + 3 * cr_rng_uniform(&rng)) : 1;
	}
	return dense;
}

/* The right singular vectors in rows, by LAPACK; the values descend. */
static double *
singular_vectors(const double *dense, int users, int items, double *values)
{
	double	   *copy = unit_alloc((size_t) users * items * sizeof(double));
	double	   *left = unit_alloc((size_t) users * users * sizeof(double));
	double	   *right = unit_alloc((size_t) items * items * sizeof(double));
	double	   *rest = unit_alloc((size_t) (users + items) * sizeof(double));

	memcpy(copy, dense, (size_t) users * items * sizeof(double));
	CHECK(LAPACKE_dgesvd(LAPACK_ROW_MAJOR, 'A', 'A', users, items, copy, items, values, left, users,
						 right, items, rest) == 0);
	free(copy);
	free(left);
	free(rest);
	return right;
}

static double
product(const float *a, const float *b, int32_t n)
{
	double		sum = 0;

	for (int32_t f = 0; f < n; f++)
		sum += (double) a[f] * b[f];
	return sum;
}

/* Columns are orthonormal, or zero past the rank. */
static void
check_orthonormal(const CrTrained *trained, int64_t items, int32_t rank)
{
	for (int32_t a = 0; a < trained->factors; a++)
	{
		for (int32_t b = 0; b <= a; b++)
		{
			double		sum = 0;

			for (int64_t i = 0; i < items; i++)
				sum += (double) trained->item_factors[i * trained->stride + a] *
					trained->item_factors[i * trained->stride + b];
			CHECK_NEAR(sum, a == b && a < rank ? 1 : 0, 1e-5);
		}
	}
}

/* x_u = sum of c_ui y_i. */
static void
check_users(const CrTrained *trained, const CrCsr *users)
{
	for (int64_t u = 0; u < users->rows; u++)
	{
		for (int32_t f = 0; f < trained->factors; f++)
		{
			double		sum = 0;
			double		size = 0;

			for (int64_t p = users->start[u]; p < users->start[u + 1]; p++)
			{
				double		part = (users->weight == NULL ? 1 : users->weight[p]) *
					trained->item_factors[(int64_t) users->column[p] * trained->stride + f];

				sum += part;
				size += fabs(part);
			}
			CHECK_NEAR(trained->user_factors[u * trained->stride + f], sum, 5e-6 * size);
		}
	}
}

/* Scores, singular values and directions are LAPACK's. */
static void
check_against_lapack(int users, int items, int is_weighted)
{
	double	   *dense = scattered(users, items, is_weighted);
	double	   *values = unit_alloc((size_t) items * sizeof(double));
	double	   *right = singular_vectors(dense, users, items, values);
	Data		data = data_make(users, items, dense, is_weighted);
	CrHyperparameters used = hyperparameters(6, 40, 10);
	Training	t;

	training_begin(&t, &cr_pure_svd_algorithm, &used, &data.users, &data.items);
	CHECK(training_run(&t, 0) == CR_OK);
	CHECK(t.trained.factors == 6 && t.trained.learned == 6);
	check_orthonormal(&t.trained, items, 6);
	check_users(&t.trained, &data.users);
	for (int32_t f = 0; f < 6; f++)
	{
		double		square = 0;
		double		along = 0;

		for (int u = 0; u < users; u++)
			square += pow(t.trained.user_factors[u * t.trained.stride + f], 2);
		for (int i = 0; i < items; i++)
			along += right[f * items + i] * t.trained.item_factors[i * t.trained.stride + f];
		CHECK_NEAR(sqrt(square), values[f], 1e-4 * values[0]);
		CHECK_NEAR(fabs(along), 1, 1e-3);
	}
	for (int u = 0; u < users; u += 7)
	{
		double		x[6] = {0};

		for (int cell = 0; cell < 6 * items; cell++)
			x[cell / items] += dense[u * items + cell % items] * right[cell];
		for (int i = 0; i < items; i++)
		{
			double		score = 0;

			for (int f = 0; f < 6; f++)
				score += x[f] * right[f * items + i];
			CHECK_NEAR(product(t.trained.user_factors + u * t.trained.stride,
							   t.trained.item_factors + i * t.trained.stride, 6), score, 2e-3);
		}
	}
	training_end(&t);
	data_free(&data);
	free(dense);
	free(values);
	free(right);
}

static void
singular_vectors_are_lapacks(void)
{
	check_against_lapack(80, 50, 0);
	check_against_lapack(60, 90, 1);
}

/* Even few iterations keep nearly all that k directions can. */
static void
few_iterations_come_close(void)
{
	double	   *dense = scattered(120, 90, 0);
	double		values[90];
	double	   *right = singular_vectors(dense, 120, 90, values);
	Data		data = data_make(120, 90, dense, 0);
	CrHyperparameters used = hyperparameters(8, 3, 16);
	Training	t;
	double		kept = 0;
	double		best = 0;

	training_begin(&t, &cr_pure_svd_algorithm, &used, &data.users, &data.items);
	CHECK(training_run(&t, 0) == CR_OK);
	for (int32_t f = 0; f < 8; f++)
		best += values[f] * values[f];
	for (int64_t u = 0; u < 120; u++)
		kept += product(t.trained.user_factors + u * t.trained.stride,
						t.trained.user_factors + u * t.trained.stride, 8);
	CHECK(kept > 0.98 * best && kept < 1.0001 * best);
	training_end(&t);
	data_free(&data);
	free(dense);
	free(right);
}

/* A row that several units share, beside short and empty ones: the sums are those of plain loops. */
static void
rows_across_units(void)
{
	int64_t		users = 30;
	int64_t		items = 30000;
	double	   *dense = unit_alloc((size_t) (users * items) * sizeof(double));
	Data		data;
	CrHyperparameters used = hyperparameters(512, 1, 64);
	Training	t;

	for (int64_t i = 0; i < items; i++)
	{
		for (int64_t u = 0; u < users; u += u == 4 ? 7 : 1)
			dense[u * items + i] = u < 3 || (u * 7 + i) % 50 == 0;
	}
	data = data_make(users, items, dense, 0);
	used.factors = 512;
	training_begin(&t, &cr_pure_svd_algorithm, &used, &data.users, &data.items);
	CHECK(t.trainer->units(&t.run, 0, 1) > 10);
	CHECK(training_run(&t, 5) == CR_OK);
	check_users(&t.trained, &data.users);
	training_end(&t);
	data_free(&data);
	free(dense);
}

static void
order_of_units_is_nothing_to_the_result(void)
{
	double	   *dense = scattered(300, 200, 1);
	Data		data = data_make(300, 200, dense, 1);
	CrHyperparameters used = hyperparameters(20, 2, 4);
	Training	one;
	Training	other;

	training_begin(&one, &cr_pure_svd_algorithm, &used, &data.users, &data.items);
	training_begin(&other, &cr_pure_svd_algorithm, &used, &data.users, &data.items);
	CHECK(training_run(&one, 0) == CR_OK);
	CHECK(training_run(&other, 3) == CR_OK);
	CHECK(memcmp(one.run.shared, other.run.shared, one.plan.shared) == 0);
	training_end(&one);
	training_end(&other);
	data_free(&data);
	free(dense);
}

/* More factors than the matrix has directions: the rest is zero, scores are the matrix itself. */
static void
directions_that_are_not_there(void)
{
	double		dense[12 * 9];
	Data		data;
	CrHyperparameters used = hyperparameters(20, 4, 16);
	Training	t;

	for (int cell = 0; cell < 12 * 9; cell++)
		dense[cell] = cell / 9 % 3 == cell % 3;
	data = data_make(12, 9, dense, 0);
	training_begin(&t, &cr_pure_svd_algorithm, &used, &data.users, &data.items);
	CHECK(training_run(&t, 0) == CR_OK);
	CHECK(t.trained.factors == 20);
	check_orthonormal(&t.trained, 9, 3);
	check_users(&t.trained, &data.users);
	for (int cell = 0; cell < 12 * 9; cell++)
		CHECK_NEAR(product(t.trained.user_factors + cell / 9 * t.trained.stride,
						   t.trained.item_factors + cell % 9 * t.trained.stride, 20), dense[cell], 1e-5);
	training_end(&t);
	data_free(&data);
}

static void
tiny_shapes(void)
{
	static const int64_t shapes[][2] = {{1, 1}, {1, 5}, {5, 1}, {2, 40}};

	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
	{
		double		dense[80] = {1};
		Data		data = data_make(shapes[s][0], shapes[s][1], dense, 0);
		CrHyperparameters used = hyperparameters(3, 2, 2);
		Training	t;

		training_begin(&t, &cr_pure_svd_algorithm, &used, &data.users, &data.items);
		CHECK(training_run(&t, 0) == CR_OK);
		CHECK_NEAR(product(t.trained.user_factors, t.trained.item_factors, 3), 1, 1e-5);
		training_end(&t);
		data_free(&data);
	}
}

static void
nothing_to_train_is_refused(void)
{
	CrHyperparameters used = hyperparameters(3, 2, 2);
	CrTrainerShape shape = {.users = 1, .items = 1, .pairs = 0, .used = &used};
	CrTrainerPlan plan;

	CHECK(cr_pure_svd_algorithm.trainer->plan(&shape, &plan) == CR_INVALID_ARGUMENT);
}

static void
overflow_is_noticed(void)
{
	double		dense[4] = {1e30, 1e30, 1e30, 1e30};
	Data		data = data_make(2, 2, dense, 1);
	CrHyperparameters used = hyperparameters(2, 2, 2);
	Training	t;

	training_begin(&t, &cr_pure_svd_algorithm, &used, &data.users, &data.items);
	CHECK(training_run(&t, 0) == CR_NOT_FINITE);
	training_end(&t);
	data_free(&data);
}

static void
levels_agree(void)
{
	static const CrPureSvdKernels *const levels[] = {&cr_pure_svd_kernels_portable,
	&cr_pure_svd_kernels_avx2, &cr_pure_svd_kernels_avx512};
	float		rows[20][32];
	int32_t		column[20];
	float		weight[20];

	for (int r = 0; r < 20; r++)
	{
		column[r] = r * 7 % 20;
		weight[r] = (float) (1 + r % 4);
		for (int f = 0; f < 32; f++)
			rows[r][f] = (float) sin(r + 5 * f);
	}
	for (int simd = CR_SIMD_PORTABLE; simd <= CR_SIMD_AVX512; simd++)
	{
		float		sum[32];

		if (!cr_simd_is_available((CrSimd) simd))
			continue;
		for (int f = 0; f < 32; f++)
			sum[f] = 1;
		levels[simd]->add_rows(rows[0], 32, column, weight, 2, 18, 20, sum);
		levels[simd]->add_rows(rows[0], 32, column, NULL, 0, 1, 20, sum);
		for (int f = 0; f < 32; f++)
		{
			double		expected = 1 + rows[0][f];

			for (int p = 2; p < 18; p++)
				expected += (double) weight[p] * rows[column[p]][f];
			CHECK_NEAR(sum[f], expected, 1e-5);
		}
	}
}

UNIT_MAIN(UNIT_TEST(singular_vectors_are_lapacks),
		  UNIT_TEST(few_iterations_come_close),
		  UNIT_TEST(rows_across_units),
		  UNIT_TEST(order_of_units_is_nothing_to_the_result),
		  UNIT_TEST(directions_that_are_not_there),
		  UNIT_TEST(tiny_shapes),
		  UNIT_TEST(nothing_to_train_is_refused),
		  UNIT_TEST(overflow_is_noticed),
		  UNIT_TEST(levels_agree));
