/*
 * test_concat_linear.c
 *		The reference model against PyTorch, what it publishes, and hard shapes; the permutation it uses.
 */
#include "concat_linear_reference.h"
#include "core/concat_linear.h"
#include "core/ials.h"
#include "core/shuffle.h"
#include "trainer_driver.h"
#include "training_data.h"

static double
all_but_one(int64_t user, int64_t item)
{
	return item != 7 * user % REFERENCE_ITEMS;
}

static double
everything(int64_t user, int64_t item)
{
	(void) user;
	(void) item;
	return 1;
}

/* Popular items are those of high numbers; user 2 has nothing. */
static double
popular(int64_t user, int64_t item)
{
	return user != 2 && (user * 31 + item * 17) % 20 < item;
}

static CrHyperparameters
hyperparameters(int epochs)
{
	CrHyperparameters used;

	cr_parameters_preset(&cr_concat_linear_algorithm, &used);
	data_set(&cr_concat_linear_algorithm, &used, "epochs", epochs);
	return used;
}

static double
logit(const CrTrained *trained, int64_t user, int64_t item)
{
	const float *x = trained->user_factors + user * trained->stride;
	const float *y = trained->item_factors + item * trained->stride;

	return (double) x[0] * y[0] + (double) x[1] * y[1];
}

/* The mean loss of all pairs, by what is published. */
static double
published_loss(const CrTrained *trained, const CrCsr *users)
{
	double		sum = 0;

	for (int64_t u = 0; u < users->rows; u++)
	{
		for (int64_t p = users->start[u]; p < users->start[u + 1]; p++)
			sum += log1p(exp(-logit(trained, u, users->column[p])));
	}
	return sum / (double) users->start[users->rows];
}

static void
start_as_given(const CrTrainerRun *run)
{
	CrConcatLinear p = cr_concat_linear_parameters(run);

	for (int64_t i = 0; i < REFERENCE_USERS * REFERENCE_FACTORS; i++)
		p.users[i / REFERENCE_FACTORS * p.stride + i % REFERENCE_FACTORS] = start_users[i];
	for (int64_t i = 0; i < REFERENCE_ITEMS * REFERENCE_FACTORS; i++)
		p.items[i / REFERENCE_FACTORS * p.stride + i % REFERENCE_FACTORS] = start_items[i];
	memcpy(p.user_weights, start_weights, REFERENCE_FACTORS * sizeof(float));
	memcpy(p.item_weights, start_weights + REFERENCE_FACTORS, REFERENCE_FACTORS * sizeof(float));
	*p.bias = start_bias[0];
}

/* So many epochs from PyTorch's start, in its order. */
static void
check_epochs(const Data *data, int epochs, int negatives)
{
	CrHyperparameters used = hyperparameters(epochs);
	Training	t;

	data_set(&cr_concat_linear_algorithm, &used, "order",
			 cr_parameter_choice(cr_parameter_find(&cr_concat_linear_algorithm, "order"), "stored", 6));
	data_set(&cr_concat_linear_algorithm, &used, "negatives", negatives);
	training_begin(&t, &cr_concat_linear_algorithm, &used, &data->users, &data->items);
	for (int epoch = 0; epoch < epochs; epoch++)
	{
		for (int64_t step = 0; step < t.plan.steps; step++)
		{
			CHECK(training_step(&t, epoch, step, 0) == CR_OK);
			if (epoch == 0 && step == 0)
				start_as_given(&t.run);
		}
		CHECK_NEAR(t.trainer->loss(&t.run, epoch), losses_during[negatives][epoch], 1e-5);
	}
	t.trainer->result(&t.run, &t.trained);
	CHECK_NEAR(published_loss(&t.trained, &data->users), losses_after[negatives][epochs - 1], 1e-5);
	training_end(&t);
}

static void
losses_are_pytorchs(void)
{
	Data		data = data_where(REFERENCE_USERS, REFERENCE_ITEMS, all_but_one, 0);

	for (int negatives = 0; negatives < 2; negatives++)
	{
		for (int epochs = 1; epochs <= REFERENCE_EPOCHS; epochs++)
			check_epochs(&data, epochs, negatives);
	}
	data_free(&data);
}

/* The logit is additive: the difference of two items is the same for every user. */
static void
all_users_rank_alike(void)
{
	Data		data = data_where(50, 20, popular, 0);
	CrHyperparameters used = hyperparameters(5);
	Training	t;

	data_set(&cr_concat_linear_algorithm, &used, "negatives", 2);
	training_begin(&t, &cr_concat_linear_algorithm, &used, &data.users, &data.items);
	CHECK(training_run(&t, 0) == CR_OK);
	CHECK(t.trained.factors == 2 && t.trained.learned == 0);
	CHECK(t.trained.user_factors[2 * t.trained.stride] == 0);
	CHECK(t.trained.user_factors[2 * t.trained.stride + 1] == 0);
	for (int64_t user = 3; user < 50; user++)
	{
		for (int64_t item = 1; item < 20; item++)
			CHECK_NEAR(logit(&t.trained, user, item) - logit(&t.trained, user, 0),
					   logit(&t.trained, 0, item) - logit(&t.trained, 0, 0), 1e-5);
	}
	training_end(&t);
	data_free(&data);
}

/* Positives alone: everything becomes probable, also what nobody has. */
static void
positives_alone_drive_it_to_one(void)
{
	Data		data = data_where(50, 20, popular, 0);
	CrHyperparameters used = hyperparameters(60);
	Training	t;

	data_set(&cr_concat_linear_algorithm, &used, "learning_rate", 0.01);
	training_begin(&t, &cr_concat_linear_algorithm, &used, &data.users, &data.items);
	CHECK(training_run(&t, 0) == CR_OK);
	CHECK(t.trainer->loss(&t.run, 59) < 1e-3);
	CHECK(data.items.start[1] == 0);
	CHECK(logit(&t.trained, 0, 0) > log(99));
	training_end(&t);
	data_free(&data);
}

static void
order_of_units_is_nothing_to_the_result(void)
{
	Data		data = data_where(300, 20, popular, 0);
	CrHyperparameters used = hyperparameters(2);
	Training	one;
	Training	other;

	data_set(&cr_concat_linear_algorithm, &used, "negatives", 1);
	training_begin(&one, &cr_concat_linear_algorithm, &used, &data.users, &data.items);
	training_begin(&other, &cr_concat_linear_algorithm, &used, &data.users, &data.items);
	CHECK(one.plan.steps > 3);
	CHECK(training_run(&one, 0) == CR_OK);
	CHECK(training_run(&other, 5) == CR_OK);
	CHECK(memcmp(one.run.shared, other.run.shared, one.plan.shared) == 0);
	training_end(&one);
	training_end(&other);
	data_free(&data);
}

static void
hard_shapes(void)
{
	static const int64_t shapes[][2] = {{1, 1}, {1, 9}, {9, 1}};

	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
	{
		Data		data = data_where(shapes[s][0], shapes[s][1], everything, 0);
		CrHyperparameters used = hyperparameters(2);
		Training	t;

		/* Users who have everything have no negatives. */
		data_set(&cr_concat_linear_algorithm, &used, "negatives", 3);
		data_set(&cr_concat_linear_algorithm, &used, "factors", 1);
		training_begin(&t, &cr_concat_linear_algorithm, &used, &data.users, &data.items);
		CHECK(training_run(&t, 0) == CR_OK);
		CHECK(isfinite(t.trainer->loss(&t.run, 1)));
		CHECK(isfinite(logit(&t.trained, 0, 0)));
		training_end(&t);
		data_free(&data);
	}
}

static void
nothing_to_train_is_refused(void)
{
	CrHyperparameters used = hyperparameters(2);
	CrTrainerShape shape = {.users = 1, .items = 1, .pairs = 0, .used = &used};
	CrTrainerPlan plan;

	CHECK(cr_concat_linear_algorithm.trainer->plan(&shape, &plan) == CR_INVALID_ARGUMENT);
}

static void
overflow_is_noticed(void)
{
	Data		data = data_where(50, 20, popular, 0);
	CrHyperparameters used = hyperparameters(1);
	Training	t;

	training_begin(&t, &cr_concat_linear_algorithm, &used, &data.users, &data.items);
	CHECK(training_step(&t, 0, 0, 0) == CR_OK);
	cr_concat_linear_parameters(&t.run).users[0] = INFINITY;
	CHECK(training_step(&t, 0, 1, 0) == CR_NOT_FINITE);
	training_end(&t);
	data_free(&data);
}

static void
shuffles_are_permutations(void)
{
	static const int64_t counts[] = {1, 2, 3, 4, 5, 100, 4096, 4097, 70000};

	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
	{
		char	   *is_seen = unit_alloc((size_t) counts[c]);
		int64_t		fixed = 0;
		int64_t		ascending = 0;
		int64_t		before = -1;
		CrShuffle	shuffle;

		cr_shuffle_init(&shuffle, counts[c], 42, c);
		for (int64_t place = 0; place < counts[c]; place++)
		{
			int64_t		number = cr_shuffle_at(&shuffle, place);

			CHECK(number >= 0 && number < counts[c] && !is_seen[number]);
			is_seen[number] = 1;
			fixed += number == place;
			ascending += number > before;
			before = number;
		}
		if (counts[c] >= 4096)
		{
			CHECK(fixed < 12);
			CHECK_NEAR((double) ascending / (double) counts[c], 0.5, 0.05);
		}
		free(is_seen);
	}
}

static void
shuffles_follow_the_seed(void)
{
	CrShuffle	one;
	CrShuffle	other;
	int			same = 0;

	cr_shuffle_init(&one, 1000, 1, 0);
	cr_shuffle_init(&other, 1000, 1, 1);
	for (int64_t place = 0; place < 1000; place++)
		same += cr_shuffle_at(&one, place) == cr_shuffle_at(&other, place);
	CHECK(same < 12);
}

UNIT_MAIN(UNIT_TEST(losses_are_pytorchs),
		  UNIT_TEST(all_users_rank_alike),
		  UNIT_TEST(positives_alone_drive_it_to_one),
		  UNIT_TEST(order_of_units_is_nothing_to_the_result),
		  UNIT_TEST(hard_shapes),
		  UNIT_TEST(nothing_to_train_is_refused),
		  UNIT_TEST(overflow_is_noticed),
		  UNIT_TEST(shuffles_are_permutations),
		  UNIT_TEST(shuffles_follow_the_seed));
