/*
 * test_bpr.c
 *		BPR: steps by hand, what is drawn, independence of units, and hard shapes.
 */
#include "core/bpr_kernels.h"
#include "core/ials.h"
#include "trainer_driver.h"
#include "training_data.h"

static CrHyperparameters
hyperparameters(int factors, int epochs)
{
	CrHyperparameters used;

	cr_parameters_preset(&cr_bpr_algorithm, &used);
	data_set(&cr_bpr_algorithm, &used, "factors", factors);
	data_set(&cr_bpr_algorithm, &used, "epochs", epochs);
	return used;
}

static double
score(const CrTrained *trained, int64_t user, int64_t item)
{
	double		sum = 0;

	for (int32_t f = 0; f < trained->factors; f++)
		sum += (double) trained->user_factors[user * trained->stride + f] *
			trained->item_factors[item * trained->stride + f];
	return sum;
}

static double
bias(const CrTrained *trained, int64_t item)
{
	return trained->item_factors[item * trained->stride + trained->learned];
}

/* Users and items of the same remainder by 4 belong together. */
static double
in_group(int64_t user, int64_t item)
{
	return user % 4 == item % 4 && (user + item / 4) % 3 != 0;
}

static double
scattered(int64_t user, int64_t item)
{
	return user % 7 != 3 && item % 11 != 5 && (user * 131 + item * 17) % 10 < 3 ?
		0.5 + (double) ((user + item) % 3) : 0;
}

/* Three triples of the same user, one after the other, in double. */
static void
by_hand(int32_t stride, double rate, const float *learned, const float *keep_user,
		const float *keep_item, float rows[5][32], double *loss)
{
	*loss = 0;
	for (int t = 0; t < 3; t++)
	{
		float	   *x = rows[0];
		float	   *y = rows[1 + t];
		float	   *z = rows[2 + t % 2];
		double		d = 0;
		double		step;

		for (int32_t f = 0; f < stride; f++)
			d += (double) x[f] * ((double) y[f] - (double) z[f]);
		*loss += log1p(exp(-d));
		step = rate * (t + 1) / (1 + exp(d));
		for (int32_t f = 0; f < stride; f++)
		{
			double		user = x[f];
			double		item = y[f];
			double		negative = z[f];

			x[f] = (float) (keep_user[f] * user + step * learned[f] * (item - negative));
			y[f] = (float) (keep_item[f] * item + step * user);
			z[f] = (float) (keep_item[f] * negative - step * user);
		}
	}
}

static const CrBprKernels *
kernels_at(CrSimd simd)
{
	return simd == CR_SIMD_AVX512 ? &cr_bpr_kernels_avx512 :
		simd == CR_SIMD_AVX2 ? &cr_bpr_kernels_avx2 : &cr_bpr_kernels_portable;
}

/* Scores far apart on either side, and near ones. */
static void
fill_rows(float rows[5][32], double scale)
{
	for (int r = 0; r < 5; r++)
	{
		for (int f = 0; f < 32; f++)
			rows[r][f] = f < 20 ? (float) (scale * sin(3 * r + f + 1)) : 0;
	}
	rows[0][20] = 1;
	rows[1][20] = 0.25f;
}

static void
check_steps(CrSimd simd, double scale)
{
	_Alignas(64) float rates[3][32];
	_Alignas(64) float rows[5][32];
	float		expected[5][32];
	double		loss;
	CrBprRates	rate = {32, 0.1f, rates[0], rates[1], rates[2]};
	CrBprBatch	batch = {.count = 3};

	for (int f = 0; f < 32; f++)
	{
		rates[0][f] = f != 20;
		rates[1][f] = f != 20 ? 0.99f : 1;
		rates[2][f] = f != 20 ? 0.98f : 0.97f;
	}
	fill_rows(rows, scale);
	fill_rows(expected, scale);
	by_hand(32, 0.1f, rates[0], rates[1], rates[2], expected, &loss);
	for (int t = 0; t < 3; t++)
	{
		batch.user[t] = rows[0];
		batch.item[t] = rows[1 + t];
		batch.negative[t] = rows[2 + t % 2];
		batch.weight[t] = (float) (t + 1);
	}
	CHECK_NEAR(kernels_at(simd)->learn(&rate, &batch), loss, 1e-5 * (1 + loss));
	for (int r = 0; r < 5; r++)
	{
		for (int f = 0; f < 32; f++)
			CHECK_NEAR(rows[r][f], expected[r][f], 1e-5 * (1 + scale));
	}
	CHECK(rows[0][20] == 1);
	CHECK(rows[0][21] == 0 && rows[1][21] == 0);
	rows[1][3] = INFINITY;
	CHECK(isnan(kernels_at(simd)->learn(&rate, &batch)));
}

static void
steps_are_those_of_the_paper(void)
{
	for (int simd = CR_SIMD_PORTABLE; simd <= CR_SIMD_AVX512; simd++)
	{
		if (!cr_simd_is_available((CrSimd) simd))
			continue;
		check_steps((CrSimd) simd, 0.1);
		check_steps((CrSimd) simd, 1);
		check_steps((CrSimd) simd, 10);
	}
}

static void
order_of_units_is_nothing_to_the_result(void)
{
	Data		data = data_where(300, 700, scattered, 1);
	CrHyperparameters used = hyperparameters(5, 3);
	Training	one;
	Training	other;

	for (int negatives = 0; negatives < 2; negatives++)
	{
		data_set(&cr_bpr_algorithm, &used, "negatives", negatives);
		training_begin(&one, &cr_bpr_algorithm, &used, &data.users, &data.items);
		training_begin(&other, &cr_bpr_algorithm, &used, &data.users, &data.items);
		CHECK(one.trainer->units(&one.run, 0, 2) > 8);
		CHECK(training_run(&one, 0) == CR_OK);
		CHECK(training_run(&other, 99) == CR_OK);
		CHECK(memcmp(one.run.shared, other.run.shared, one.plan.shared) == 0);
		training_end(&other);

		used.seed = 43;
		training_begin(&other, &cr_bpr_algorithm, &used, &data.users, &data.items);
		CHECK(training_run(&other, 0) == CR_OK);
		CHECK(memcmp(one.run.shared, other.run.shared, one.plan.shared) != 0);
		training_end(&one);
		training_end(&other);
		used.seed = 42;
	}
	data_free(&data);
}

/* Of the same user, one item of his group that he does not have against one of another group. */
static void
check_groups(const CrTrained *trained)
{
	int			right = 0;
	int			all = 0;

	for (int64_t user = 0; user < 200; user++)
	{
		for (int64_t item = user % 4; item < 160; item += 4)
		{
			if (in_group(user, item))
				continue;
			right += score(trained, user, item) > score(trained, user, (item + 1) % 160);
			all++;
		}
	}
	CHECK(all > 1000);
	CHECK(right > 0.95 * all);
}

static void
groups_are_learned(void)
{
	Data		data = data_where(200, 160, in_group, 0);
	CrHyperparameters used = hyperparameters(8, 40);

	for (int negatives = 0; negatives < 2; negatives++)
	{
		Training	t;
		double		first;

		data_set(&cr_bpr_algorithm, &used, "negatives", negatives);
		training_begin(&t, &cr_bpr_algorithm, &used, &data.users, &data.items);
		for (int64_t step = 0; step < t.plan.steps; step++)
			CHECK(training_step(&t, 0, step, 0) == CR_OK);
		first = t.trainer->loss(&t.run, 0);
		CHECK_NEAR(first, log(2), 0.1);
		CHECK(training_run(&t, 0) == CR_OK);
		CHECK(t.trainer->loss(&t.run, 39) < 0.6 * first);
		CHECK(t.trained.factors == 9 && t.trained.learned == 8);
		for (int64_t user = 0; user < 200; user++)
			CHECK(t.trained.user_factors[user * t.trained.stride + 8] == 1);
		check_groups(&t.trained);
		training_end(&t);
	}
	data_free(&data);
}

static double
all_but_the_last(int64_t user, int64_t item)
{
	(void) user;
	return item != 39;
}

static void
only_items_that_the_user_has_not_are_drawn(void)
{
	Data		data = data_where(50, 40, all_but_the_last, 0);
	CrHyperparameters used = hyperparameters(2, 5);
	Training	t;

	for (int negatives = 0; negatives < 2; negatives++)
	{
		data_set(&cr_bpr_algorithm, &used, "negatives", negatives);
		training_begin(&t, &cr_bpr_algorithm, &used, &data.users, &data.items);
		CHECK(training_run(&t, 0) == CR_OK);
		for (int64_t item = 0; item < 39; item++)
			CHECK(bias(&t.trained, item) > 0);
		CHECK(bias(&t.trained, 39) < -10 * fabs(bias(&t.trained, 0)));
		training_end(&t);
	}
	data_free(&data);
}

/* User 0 has all but the last item, user 1 nothing but that. */
static double
first_has_all_but_what_second_has(int64_t user, int64_t item)
{
	return (user == 1) == (item == 3) ? 0.5 + (double) ((user + item) % 3) : 0;
}

/*
 * Steps so short that each moves a bias by half the rate times its weight: the
 * last item gains by the pair of user 1, and loses by all pairs of user 0.
 */
static void
weights_and_users_count_as_told(void)
{
	for (int is_weighted = 0; is_weighted < 2; is_weighted++)
	{
		Data		data = data_where(2, 4, first_has_all_but_what_second_has, is_weighted);
		CrHyperparameters used = hyperparameters(1, 1);

		data_set(&cr_bpr_algorithm, &used, "learning_rate", 1e-6);
		data_set(&cr_bpr_algorithm, &used, "start_deviation", 1e-3);
		data_set(&cr_bpr_algorithm, &used, "negatives", 0);
		for (int exponent = 0; exponent < 3; exponent++)
		{
			double		gain = is_weighted ? data.users.weight[3] : 1;
			double		loss = 0;
			double		scale;
			Training	t;

			for (int64_t p = 0; p < 3; p++)
				loss += pow(3, -exponent) * (is_weighted ? data.users.weight[p] : 1);
			scale = 4 / (gain + loss);
			data_set(&cr_bpr_algorithm, &used, "user_exponent", exponent);
			training_begin(&t, &cr_bpr_algorithm, &used, &data.users, &data.items);
			CHECK(training_run(&t, 0) == CR_OK);
			CHECK_NEAR(bias(&t.trained, 3) / 0.5e-6, scale * (gain - loss), 1e-2);
			training_end(&t);
		}
		data_free(&data);
	}
}

/* User u has one item: item 0 half of the users, item 1 a quarter, ... */
static double
halves(int64_t user, int64_t item)
{
	int64_t		own = 0;

	while (own < 7 && user % 2 == 1)
	{
		user /= 2;
		own++;
	}
	return own == item;
}

/*
 * Steps so short that each moves a bias by half the rate: what is missing to
 * the pairs of an item is how often it was drawn.
 */
static void
draws_follow_popularity(void)
{
	Data		data = data_where(20000, 8, halves, 0);
	CrHyperparameters used = hyperparameters(1, 1);

	data_set(&cr_bpr_algorithm, &used, "learning_rate", 1e-6);
	data_set(&cr_bpr_algorithm, &used, "start_deviation", 1e-3);
	data_set(&cr_bpr_algorithm, &used, "regularization", 0);
	for (int negatives = 0; negatives < 2; negatives++)
	{
		Training	t;

		data_set(&cr_bpr_algorithm, &used, "negatives", negatives);
		data_set(&cr_bpr_algorithm, &used, "negatives_exponent", 1);
		training_begin(&t, &cr_bpr_algorithm, &used, &data.users, &data.items);
		CHECK(training_run(&t, 0) == CR_OK);
		for (int64_t j = 0; j < 8; j++)
		{
			const int64_t *start = data.items.start;
			double		own = (double) (start[j + 1] - start[j]);
			double		drawn = own - bias(&t.trained, j) / 0.5e-6;
			double		expected = 0;

			for (int64_t i = 0; i < 8; i++)
			{
				double		other = (double) (start[i + 1] - start[i]);

				if (i != j)
					expected += other * (negatives == 1 ? (own + 1) / (20000 + 7 - other) : 1.0 / 7);
			}
			CHECK_NEAR(drawn, expected, 5 * sqrt(expected) + 0.01 * own);
		}
		training_end(&t);
	}
	data_free(&data);
}

/* Few items make few blocks, and many users many ranges: nobody is left out. */
static void
many_users_of_few_items(void)
{
	Data		data = data_where(20000, 8, halves, 0);
	CrHyperparameters used = hyperparameters(1, 1);
	Training	t;
	int			moved = 0;

	training_begin(&t, &cr_bpr_algorithm, &used, &data.users, &data.items);
	CHECK(t.plan.steps > 4);
	CHECK(training_step(&t, 0, 0, 0) == CR_OK);
	t.trainer->result(&t.run, &t.trained);
	for (int64_t user = 0; user < 20000; user++)
	{
		double		start = t.trained.user_factors[user * t.trained.stride];

		((float *) t.trained.user_factors)[user * t.trained.stride + 2] = (float) start;
	}
	for (int64_t step = 1; step < t.plan.steps; step++)
		CHECK(training_step(&t, 0, step, 0) == CR_OK);
	for (int64_t user = 0; user < 20000; user++)
	{
		const float *x = t.trained.user_factors + user * t.trained.stride;

		moved += x[0] != x[2];
	}
	CHECK(moved > 19990);
	training_end(&t);
	data_free(&data);
}

static double
only_the_first(int64_t user, int64_t item)
{
	return user == 0 && item == 0;
}

static void
tiny_shapes(void)
{
	static const int64_t shapes[][2] = {{1, 1}, {1, 5}, {5, 1}, {3, 65}, {65, 3}};

	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
	{
		Data		data = data_where(shapes[s][0], shapes[s][1], only_the_first, 0);
		CrHyperparameters used = hyperparameters(3, 2);
		Training	t;

		training_begin(&t, &cr_bpr_algorithm, &used, &data.users, &data.items);
		CHECK(training_run(&t, 0) == CR_OK);
		CHECK((t.trainer->loss(&t.run, 1) == 0) == (shapes[s][1] == 1));
		for (int64_t user = 0; user < shapes[s][0]; user++)
			CHECK(t.trained.user_factors[user * t.trained.stride + 3] == (user == 0));
		training_end(&t);
		data_free(&data);
	}
}

static void
nothing_to_train_is_refused(void)
{
	CrHyperparameters used = hyperparameters(3, 2);
	CrTrainerShape shape = {.users = 0, .items = 1, .pairs = 1, .used = &used};
	CrTrainerPlan plan;

	CHECK(cr_bpr_algorithm.trainer->plan(&shape, &plan) == CR_INVALID_ARGUMENT);
	shape = (CrTrainerShape) {.users = 1, .items = 1, .pairs = 0, .used = &used};
	CHECK(cr_bpr_algorithm.trainer->plan(&shape, &plan) == CR_INVALID_ARGUMENT);
}

/* Places and users have to fit a word together, however large the shape. */
static void
large_shapes_can_be_planned(void)
{
	static const int64_t shapes[][3] = {{INT32_MAX, 100, INT64_C(1) << 33},
	{100, INT32_MAX, INT64_C(1) << 33}, {100000000, 10000000, INT64_C(1) << 31}};
	CrHyperparameters used = hyperparameters(CR_FACTORS_MAX - 1, 2);

	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
	{
		CrTrainerShape shape = {.users = shapes[s][0], .items = shapes[s][1], .pairs = shapes[s][2],
		.used = &used};
		CrTrainerPlan plan;

		CHECK(cr_bpr_algorithm.trainer->plan(&shape, &plan) == CR_OK);
		CHECK(plan.shared > (size_t) (shapes[s][0] + shapes[s][1]) * CR_FACTORS_MAX * sizeof(float));
		CHECK(plan.scratch < 10 << 20);
	}
}

static void
divergence_is_noticed(void)
{
	Data		data = data_where(50, 40, scattered, 0);
	CrHyperparameters used = hyperparameters(4, 20);
	Training	t;

	data_set(&cr_bpr_algorithm, &used, "learning_rate", 10);
	data_set(&cr_bpr_algorithm, &used, "regularization", 10);
	training_begin(&t, &cr_bpr_algorithm, &used, &data.users, &data.items);
	CHECK(training_run(&t, 0) == CR_NOT_FINITE);
	training_end(&t);
	data_free(&data);
}

UNIT_MAIN(UNIT_TEST(steps_are_those_of_the_paper),
		  UNIT_TEST(order_of_units_is_nothing_to_the_result),
		  UNIT_TEST(groups_are_learned),
		  UNIT_TEST(only_items_that_the_user_has_not_are_drawn),
		  UNIT_TEST(weights_and_users_count_as_told),
		  UNIT_TEST(draws_follow_popularity),
		  UNIT_TEST(many_users_of_few_items),
		  UNIT_TEST(tiny_shapes),
		  UNIT_TEST(nothing_to_train_is_refused),
		  UNIT_TEST(large_shapes_can_be_planned),
		  UNIT_TEST(divergence_is_noticed));
