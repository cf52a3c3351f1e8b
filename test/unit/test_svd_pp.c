/*
 * test_svd_pp.c
 *		SVD++ against the paper's own step, on planted ratings, and in hard shapes.
 */
#include "core/ials.h"
#include "trainer_driver.h"
#include "training_data.h"

#define PLANTED_USERS	120
#define PLANTED_ITEMS	80
#define PLANTED_MEAN	3.5
#define HELD_OUT		7		/* one cell in so many */

/* Two tastes, biases of both sides: what a rating is, less the mean. */
static double
planted(int64_t user, int64_t item)
{
	return (user % 2 == item % 2 ? 1.0 : -1.0) + 0.5 * ((double) (user % 5) - 2) / 2 +
		0.5 * ((double) (item % 7) - 3) / 3 + 1e-3;
}

static int
is_known(int64_t user, int64_t item)
{
	return (user * 31 + item * 17) % 5 < 3 && (user * 13 + item * 29) % HELD_OUT != 0;
}

static double
known(int64_t user, int64_t item)
{
	return is_known(user, item) ? planted(user, item) : 0;
}

/* A few ratings; user 2 has none, and nobody has rated item 3. */
static double
few(int64_t user, int64_t item)
{
	return user != 2 && item != 3 && (user + 2 * item) % 3 != 0 ? 0.25 * (double) (user - item) + 0.1 : 0;
}

static CrHyperparameters
hyperparameters(int factors, int epochs)
{
	CrHyperparameters used;

	cr_parameters_preset(&cr_svd_pp_algorithm, &used);
	data_set(&cr_svd_pp_algorithm, &used, "factors", factors);
	data_set(&cr_svd_pp_algorithm, &used, "epochs", epochs);
	return used;
}

static double
rating(const CrTrained *trained, int64_t user, int64_t item)
{
	const float *x = trained->user_factors + user * trained->stride;
	const float *y = trained->item_factors + item * trained->stride;
	double		sum = 0;

	for (int32_t f = 0; f < trained->factors; f++)
		sum += (double) x[f] * y[f];
	return sum;
}

/* Root of the mean squared error where nothing was known. */
static double
held_out_error(const CrTrained *trained)
{
	double		sum = 0;
	int64_t		count = 0;

	for (int64_t u = 0; u < PLANTED_USERS; u++)
	{
		for (int64_t i = 0; i < PLANTED_ITEMS; i++)
		{
			double		error = rating(trained, u, i) - planted(u, i) - PLANTED_MEAN;

			if (is_known(u, i))
				continue;
			sum += error * error;
			count++;
		}
	}
	return sqrt(sum / (double) count);
}

/* The ratings differ by 1.1 from their mean: factors and biases together have to find nearly all of it. */
static void
planted_ratings_are_found(void)
{
	Data		data = data_where(PLANTED_USERS, PLANTED_ITEMS, known, 1);
	CrHyperparameters used = hyperparameters(4, 60);
	Training	t;

	data_set(&cr_svd_pp_algorithm, &used, "learning_rate", 0.02);
	data_set(&cr_svd_pp_algorithm, &used, "regularization", 0.01);
	training_begin(&t, &cr_svd_pp_algorithm, &used, &data.users, &data.items);
	t.run.shape.mean_rating = PLANTED_MEAN;
	CHECK(training_run(&t, 0) == CR_OK);
	CHECK(t.trained.learned == 4 && t.trained.factors == 4 + CR_EXPLICIT_DIMS);
	CHECK(held_out_error(&t.trained) < 0.05);
	CHECK(t.trainer->loss(&t.run, 59) < 0.05 * 0.05);
	training_end(&t);
	data_free(&data);
}

/* The paper's step, every y_j of every rating, in double. */
typedef struct Paper
{
	double		p;
	double		q[2];
	double		y[2];
	double		user_bias;
	double		item_bias[2];
} Paper;

static void
paper_step(Paper *m, int i, double target, double rate, double lambda, double bias_lambda)
{
	double		z = (m->y[0] + m->y[1]) / sqrt(2.0);
	double		error = target - m->user_bias - m->item_bias[i] - m->q[i] * (m->p + z);
	double		q = m->q[i];

	m->user_bias += rate * (error - bias_lambda * m->user_bias);
	m->item_bias[i] += rate * (error - bias_lambda * m->item_bias[i]);
	m->q[i] += rate * (error * (m->p + z) - lambda * q);
	m->p += rate * (error * q - lambda * m->p);
	for (int j = 0; j < 2; j++)
		m->y[j] += rate * (error * q / sqrt(2.0) - lambda * m->y[j]);
}

/* Of standard deviation 1, so that nothing is scaled. */
static double
two(int64_t user, int64_t item)
{
	(void) user;
	return item == 0 ? 1.4 : -0.2;
}

/* What one epoch makes of one user with two items, by what is published. */
static void
epoch_with_rate(const Data *data, double rate, int epochs, Training *t)
{
	CrHyperparameters used = hyperparameters(1, epochs);

	data_set(&cr_svd_pp_algorithm, &used, "learning_rate", rate);
	data_set(&cr_svd_pp_algorithm, &used, "regularization", 0.3);
	data_set(&cr_svd_pp_algorithm, &used, "bias_regularization", 0.2);
	training_begin(t, &cr_svd_pp_algorithm, &used, &data->users, &data->items);
	CHECK(training_run(t, 0) == CR_OK);
}

static int
is_paper(const Training *t, const Paper *m)
{
	const float *x = t->trained.user_factors;
	double		z = (m->y[0] + m->y[1]) / sqrt(2.0);
	int			same = fabs(x[0] - m->p - z) < 1e-5 && fabs(x[1] - m->user_bias) < 1e-5 && x[2] == 1;

	for (int i = 0; i < 2; i++)
	{
		const float *item = t->trained.item_factors + i * t->trained.stride;

		same &= fabs(item[0] - m->q[i]) < 1e-5 && item[1] == 1 && fabs(item[2] - m->item_bias[i]) < 1e-5;
	}
	return same;
}

#define START_FLOAT		48		/* the state, the sums of squares and the sums of y_j take 64 bytes each */

/*
 * The start is read off the shared block after step 0: p, q, q, y, y are what
 * the first stretch of random rows holds, each a row of eight floats.
 */
static Paper
start_of(const Data *data)
{
	CrHyperparameters used = hyperparameters(1, 1);
	Paper		m = {0};
	Training	t;
	const float *row;

	training_begin(&t, &cr_svd_pp_algorithm, &used, &data->users, &data->items);
	CHECK(training_step(&t, 0, 0, 0) == CR_OK);
	row = (const float *) t.run.shared + START_FLOAT;
	m.p = row[0];
	m.q[0] = row[8];
	m.q[1] = row[16];
	m.y[0] = row[24];
	m.y[1] = row[32];
	training_end(&t);
	return m;
}

/* The shortcut for the y_j gives what the paper's steps give, whichever rating comes first. */
static void
steps_are_the_papers(void)
{
	Data		data = data_where(1, 2, two, 1);
	Paper		start = start_of(&data);
	int			met = 0;
	Training	t;

	CHECK(start.p != 0 && start.q[1] != 0 && start.y[0] != 0 && start.y[1] != 0);
	epoch_with_rate(&data, 0.4, 1, &t);
	for (int first = 0; first < 2; first++)
	{
		Paper		m = start;

		paper_step(&m, first, two(0, first), 0.4, 0.3, 0.2);
		paper_step(&m, 1 - first, two(0, 1 - first), 0.4, 0.3, 0.2);
		met += is_paper(&t, &m);
	}
	CHECK(met == 1);
	training_end(&t);

	/* A tenth of the rate in the last epoch. */
	met = 0;
	epoch_with_rate(&data, 0.4, 2, &t);
	for (int orders = 0; orders < 4; orders++)
	{
		Paper		m = start;

		for (int epoch = 0; epoch < 2; epoch++)
		{
			int			first = orders >> epoch & 1;
			double		rate = epoch == 0 ? 0.4 : 0.04;

			paper_step(&m, first, two(0, first), rate, 0.3, 0.2);
			paper_step(&m, 1 - first, two(0, 1 - first), rate, 0.3, 0.2);
		}
		met += is_paper(&t, &m);
	}
	CHECK(met == 1);
	training_end(&t);
	data_free(&data);
}

/* Whoever has no ratings stays at zero; an item without any has the mean. */
static void
nothing_is_learned_of_nothing(void)
{
	Data		data = data_where(6, 5, few, 1);
	CrHyperparameters used = hyperparameters(3, 5);
	Training	t;

	training_begin(&t, &cr_svd_pp_algorithm, &used, &data.users, &data.items);
	t.run.shape.mean_rating = 4;
	CHECK(training_run(&t, 0) == CR_OK);
	for (int32_t f = 0; f < t.trained.stride; f++)
	{
		CHECK(t.trained.user_factors[2 * t.trained.stride + f] == 0);
		CHECK(t.trained.item_factors[3 * t.trained.stride + f] == (f == 3 ? 1 : f == 4 ? 4 : 0));
	}
	CHECK(t.trained.user_factors[0] != 0);
	training_end(&t);
	data_free(&data);
}

static double
known_in_percent(int64_t user, int64_t item)
{
	return 100 * known(user, item);
}

/* Ratings of another range are learned alike. */
static void
range_of_ratings_is_nothing(void)
{
	Data		data = data_where(PLANTED_USERS, PLANTED_ITEMS, known, 1);
	Data		percent = data_where(PLANTED_USERS, PLANTED_ITEMS, known_in_percent, 1);
	CrHyperparameters used = hyperparameters(4, 10);
	Training	a;
	Training	b;

	training_begin(&a, &cr_svd_pp_algorithm, &used, &data.users, &data.items);
	training_begin(&b, &cr_svd_pp_algorithm, &used, &percent.users, &percent.items);
	CHECK(training_run(&a, 0) == CR_OK && training_run(&b, 0) == CR_OK);
	for (int64_t u = 0; u < PLANTED_USERS; u += 11)
	{
		for (int64_t i = 0; i < PLANTED_ITEMS; i++)
			CHECK_NEAR(rating(&b.trained, u, i), 100 * rating(&a.trained, u, i), 0.05);
	}
	CHECK_NEAR(b.trainer->loss(&b.run, 9), 1e4 * a.trainer->loss(&a.run, 9), 1);
	training_end(&a);
	training_end(&b);
	data_free(&data);
	data_free(&percent);
}

/* All ratings alike: the mean, and nothing to divide by. */
static double
barely(int64_t user, int64_t item)
{
	(void) user;
	(void) item;
	return 1e-30;
}

static void
equal_ratings_are_their_mean(void)
{
	Data		data = data_where(20, 10, barely, 1);
	CrHyperparameters used = hyperparameters(3, 40);
	Training	t;

	for (int64_t pair = 0; pair < 200; pair++)
		((float *) data.users.weight)[pair] = 0;
	training_begin(&t, &cr_svd_pp_algorithm, &used, &data.users, &data.items);
	t.run.shape.mean_rating = 4;
	CHECK(training_run(&t, 0) == CR_OK);
	for (int64_t i = 0; i < 10; i++)
		CHECK_NEAR(rating(&t.trained, i, i), 4, 0.02);
	training_end(&t);
	data_free(&data);
}

/* Units in any order, scratch of whoever comes; large rows cut a user's ratings into several units. */
static void
order_of_units_is_alike(void)
{
	Data		data = data_where(PLANTED_USERS, PLANTED_ITEMS, known, 1);
	CrHyperparameters used = hyperparameters(CR_FACTORS_MAX - CR_EXPLICIT_DIMS, 3);
	Training	a;
	Training	b;
	size_t		floats;

	training_begin(&a, &cr_svd_pp_algorithm, &used, &data.users, &data.items);
	training_begin(&b, &cr_svd_pp_algorithm, &used, &data.users, &data.items);
	CHECK(a.plan.steps > 6);
	CHECK(training_run(&a, 0) == CR_OK && training_run(&b, 99) == CR_OK);
	floats = (size_t) a.trained.stride;
	CHECK(memcmp(a.trained.user_factors, b.trained.user_factors,
				 PLANTED_USERS * floats * sizeof(float)) == 0);
	CHECK(memcmp(a.trained.item_factors, b.trained.item_factors,
				 PLANTED_ITEMS * floats * sizeof(float)) == 0);
	training_end(&a);
	training_end(&b);
	data_free(&data);
}

static void
what_cannot_be_is_said(void)
{
	Data		data = data_where(PLANTED_USERS, PLANTED_ITEMS, known, 1);
	CrHyperparameters used = hyperparameters(4, 100);
	CrTrainerShape shape = {.users = 1, .items = 1, .pairs = 0, .is_weighted = 1, .used = &used};
	CrTrainerPlan plan;
	Training	t;

	CHECK(cr_svd_pp_algorithm.trainer->plan(&shape, &plan) == CR_INVALID_ARGUMENT);
	shape.pairs = 1;
	CHECK(cr_svd_pp_algorithm.trainer->plan(&shape, &plan) == CR_OK);
	shape.is_weighted = 0;
	CHECK(cr_svd_pp_algorithm.trainer->plan(&shape, &plan) == CR_INVALID_ARGUMENT);

	/* Steps this long leave the finite numbers. */
	data_set(&cr_svd_pp_algorithm, &used, "learning_rate", 1);
	training_begin(&t, &cr_svd_pp_algorithm, &used, &data.users, &data.items);
	CHECK(training_run(&t, 0) == CR_NOT_FINITE);
	training_end(&t);
	data_free(&data);
}

UNIT_MAIN(UNIT_TEST(planted_ratings_are_found),
		  UNIT_TEST(steps_are_the_papers),
		  UNIT_TEST(nothing_is_learned_of_nothing),
		  UNIT_TEST(range_of_ratings_is_nothing),
		  UNIT_TEST(equal_ratings_are_their_mean),
		  UNIT_TEST(order_of_units_is_alike),
		  UNIT_TEST(what_cannot_be_is_said));
