/*
 * svd_pp.c
 *		SVD++: ratings by factors and biases, where a user is also what he has rated.
 *
 * Koren, "Factorization meets the neighborhood" (KDD 2008):
 *
 *	r_ui = mu + b_u + b_i + q_i . (p_u + z_u),  z_u = |N(u)|^-1/2 sum over j in N(u) of y_j
 *
 * and a step of gradient descent on the squared error and the penalty for each
 * rating.  A step of the paper moves y_j of everything that the user has rated,
 * which costs |N(u)| rows a rating.  But y_j <- (1 - rate * lambda) y_j + s, with
 * the same s for all of them, so that while one user's ratings are taken in
 * turn it is enough to keep z_u, the product of the factors and what became of
 * the sum of s; his y_j are brought up to date once, behind his last rating.
 * The result is the paper's, at a cost of three rows a rating.
 *
 * Users come in another order in every epoch, and so do each one's ratings.  One
 * rating depends on the one before: units are stretches of the work, one after
 * the other, and each goes on where the last one stopped.  So it is the same
 * bits for any number of workers, who have only the start and the end to share.
 *
 * An epoch: step 0 makes the random start and sums up squares (in the first epoch), the next learn,
 * and in the last epoch one more stretch sums up the users' vectors and a last step
 * writes the items'.
 *
 * Ratings are learned divided by their standard deviation s, so that the same
 * learning rate and penalty do for any range of ratings.
 *
 * Published: x_u = (p_u + z_u, s b_u, 1), y_i = (s q_i, 1, s b_i + mu), as als has them.
 */
#include <math.h>
#include <string.h>

#include "core/ials.h"
#include "core/layout.h"
#include "core/rng.h"
#include "core/shuffle.h"
#include "core/start.h"
#include "core/trainer.h"

#define LANES			8		/* rows are padded to this, so that compilers use vectors */
#define UNIT_FLOATS		(1 << 20)	/* of the rows that a unit goes over, a millisecond or so */
#define SQUARES_PAIRS	(1 << 20)	/* whose squares a unit sums up */
#define ROWS_A_RATING	3		/* it is gone over for z_u, to learn and to update y_j */
#define START_DEVIATION	0.1		/* over the root of factors, as of users */
#define RATE_AT_END		0.1		/* of the learning rate in the last epoch */

/* Random numbers of each purpose are streams of their own; users have those from 0. */
#define STREAM_ITEMS	(UINT64_C(1) << 60)
#define STREAM_IMPLICIT	(UINT64_C(2) << 60)
#define STREAM_ORDER	(UINT64_C(3) << 60)
#define STREAM_RATINGS	(UINT64_C(4) << 60)

typedef struct SvdPpHyperparameters
{
	double		learning_rate;
	double		bias_regularization;
} SvdPpHyperparameters;

typedef enum Stage
{
	STAGE_GATHER,				/* sum up y_j */
	STAGE_LEARN,				/* from each rating */
	STAGE_SPREAD				/* bring y_j up to date */
} Stage;

/* Where the training stands. */
typedef struct State
{
	int64_t		place;			/* in the order of users */
	int64_t		next;			/* rating of the user's, in this stage */
	Stage		stage;
	float		shrunk;			/* product of 1 - rate * lambda over the user's ratings */
	float		scale;			/* standard deviation of the ratings */
	double		loss;			/* sum of the squared errors of the epoch */
} State;

typedef struct Layout
{
	int32_t		factors;
	int32_t		padded;			/* factors, rounded up to LANES */
	int32_t		stride;			/* of what is published */
	int64_t		unit_rows;
	int64_t		sums;			/* of squares */
	int64_t		learn_steps;	/* of an epoch */
	int64_t		publish_steps;
	size_t		state;
	size_t		squares;		/* "sums" doubles */
	size_t		implicit;		/* z_u, then the sum of s: padded floats each */
	size_t		own;			/* users, then items, then y: padded floats each */
	size_t		bias;			/* users, then items: a float each */
	size_t		users;			/* what is published */
	size_t		items;
	size_t		shared;
} Layout;

static Layout
lay_out(const CrTrainerShape *shape)
{
	int64_t		entities = shape->users + shape->items;
	Layout		layout;
	size_t		end = 0;
	size_t		row;

	layout.factors = (int32_t) shape->used->factors;
	layout.padded = (int32_t) cr_ceiling(layout.factors, LANES) * LANES;
	layout.stride = cr_factor_stride(layout.factors + CR_EXPLICIT_DIMS);
	layout.unit_rows = UNIT_FLOATS / layout.padded;
	layout.sums = cr_ceiling(shape->pairs, SQUARES_PAIRS);
	layout.learn_steps = cr_ceiling(ROWS_A_RATING * shape->pairs + shape->users, layout.unit_rows);
	layout.publish_steps = cr_ceiling(shape->pairs + shape->users, layout.unit_rows);
	row = (size_t) layout.padded * sizeof(float);
	layout.state = cr_lay(&end, 1, sizeof(State));
	layout.squares = cr_lay(&end, layout.sums, sizeof(double));
	layout.implicit = cr_lay(&end, 2, row);
	layout.own = cr_lay(&end, entities + shape->items, row);
	layout.bias = cr_lay(&end, entities, sizeof(float));
	layout.users = cr_lay(&end, shape->users, (size_t) layout.stride * sizeof(float));
	layout.items = cr_lay(&end, shape->items, (size_t) layout.stride * sizeof(float));
	layout.shared = end;
	return layout;
}

static CrStatus
svd_pp_plan(const CrTrainerShape *shape, CrTrainerPlan *plan)
{
	Layout		layout;

	if (shape->users < 1 || shape->items < 1 || shape->pairs < 1 || !shape->is_weighted)
		return CR_INVALID_ARGUMENT;
	layout = lay_out(shape);
	plan->shared = layout.shared;
	plan->scratch = 0;
	plan->epochs = (int32_t) shape->used->epochs;
	plan->steps = 1 + layout.learn_steps + layout.publish_steps + 1;
	return CR_OK;
}

static void *
shared_at(const CrTrainerRun *run, size_t offset)
{
	return (char *) run->shared + offset;
}

static float *
implicit_sum(const CrTrainerRun *run, const Layout *layout)
{
	return (float *) shared_at(run, layout->implicit);
}

/* p of a user. */
static float *
user_row(const CrTrainerRun *run, const Layout *layout, int64_t user)
{
	return (float *) shared_at(run, layout->own) + (size_t) user * (size_t) layout->padded;
}

/* q of an item. */
static float *
item_row(const CrTrainerRun *run, const Layout *layout, int64_t item)
{
	return user_row(run, layout, run->shape.users + item);
}

/* y of an item. */
static float *
implicit_row(const CrTrainerRun *run, const Layout *layout, int64_t item)
{
	return user_row(run, layout, run->shape.users + run->shape.items + item);
}

static float *
bias_of(const CrTrainerRun *run, const Layout *layout, int64_t entity)
{
	return (float *) shared_at(run, layout->bias) + entity;
}

static int64_t
ratings_of(const CrTrainerRun *run, int64_t user)
{
	return run->users.start[user + 1] - run->users.start[user];
}

/* Rows that start at random: p, q and y. */
static int64_t
own_rows(const CrTrainerRun *run)
{
	return run->shape.users + 2 * run->shape.items;
}

static int64_t
svd_pp_units(const CrTrainerRun *run, int32_t epoch, int64_t step)
{
	Layout		layout = lay_out(&run->shape);

	if (step == 0)
		return epoch == 0 ? layout.sums + cr_ceiling(own_rows(run), layout.unit_rows) : 0;
	if (step <= layout.learn_steps)
		return 1;
	if (epoch < (int32_t) run->shape.used->epochs - 1)
		return 0;
	return step <= layout.learn_steps + layout.publish_steps ? 1 :
		cr_ceiling(run->shape.items, layout.unit_rows);
}

static void
start_row(const CrTrainerRun *run, const Layout *layout, int64_t row)
{
	uint64_t	seed = (uint64_t) run->shape.used->seed;
	int64_t		item = row - run->shape.users;
	float	   *out = user_row(run, layout, row);
	CrRng		rng;

	if (item < 0)
	{
		cr_start_factors(seed, row, layout->factors, out);
		return;
	}
	if (item < run->shape.items)
		cr_rng_init(&rng, seed, STREAM_ITEMS | (uint64_t) item);
	else
		cr_rng_init(&rng, seed, STREAM_IMPLICIT | (uint64_t) (item - run->shape.items));
	cr_rng_normal(&rng, START_DEVIATION / sqrt(layout->factors), out, (size_t) layout->factors);
}

static void
start_rows(const CrTrainerRun *run, const Layout *layout, int64_t unit)
{
	int64_t		end = (unit + 1) * layout->unit_rows;

	for (int64_t row = unit * layout->unit_rows; row < end && row < own_rows(run); row++)
		start_row(run, layout, row);
}

static void
sum_squares(const CrTrainerRun *run, const Layout *layout, int64_t unit)
{
	int64_t		end = (unit + 1) * SQUARES_PAIRS;
	double		sum = 0;

	for (int64_t pair = unit * SQUARES_PAIRS; pair < end && pair < run->shape.pairs; pair++)
		sum += (double) run->users.weight[pair] * run->users.weight[pair];
	((double *) shared_at(run, layout->squares))[unit] = sum;
}

/* All ratings alike: there is nothing but the mean, whatever the scale. */
static void
set_scale(const CrTrainerRun *run, const Layout *layout)
{
	const double *squares = shared_at(run, layout->squares);
	double		sum = 0;
	float		scale;

	for (int64_t unit = 0; unit < layout->sums; unit++)
		sum += squares[unit];
	scale = (float) sqrt(sum / (double) run->shape.pairs);
	((State *) shared_at(run, layout->state))->scale = scale > 0 ? scale : 1;
}

/* The learning rate falls in a straight line. */
static float
rate_in(const CrTrainerRun *run, int32_t epoch)
{
	double		epochs = run->shape.used->epochs;
	double		done = epochs > 1 ? epoch / (epochs - 1) : 0;

	return (float) (CR_OWN_OF(SvdPpHyperparameters, run->shape.used)->learning_rate *
					(1 - (1 - RATE_AT_END) * done));
}

/* The sums of the products of LANES factors each, for the compiler's vectors, then their sum. */
static float
predict(const float *own, const float *implicit, const float *item, int32_t padded)
{
	float		sum[LANES] = {0};
	float		all = 0;

	for (int32_t f = 0; f < padded; f += LANES)
	{
		for (int lane = 0; lane < LANES; lane++)
			sum[lane] += (own[f + lane] + implicit[f + lane]) * item[f + lane];
	}
	for (int lane = 0; lane < LANES; lane++)
		all += sum[lane];
	return all;
}

/* What a step does to all rows of a rating: error times the other side, less the penalty. */
typedef struct Step
{
	float		along;			/* rate times the error */
	float		keep;			/* 1 - rate * lambda */
} Step;

static void
move_rows(const Step *step, float *restrict own, float *restrict implicit,
		  float *restrict moved, float *restrict item, int32_t padded)
{
	for (int32_t f = 0; f < padded; f++)
	{
		float		before = item[f];
		float		gain = step->along * before;

		item[f] = step->keep * before + step->along * (own[f] + implicit[f]);
		own[f] = step->keep * own[f] + gain;
		implicit[f] = step->keep * implicit[f] + gain;
		moved[f] = step->keep * moved[f] + gain;
	}
}

/* Learn from one rating of the user's; CR_NOT_FINITE if the error is not. */
static CrStatus
learn(const CrTrainerRun *run, const Layout *layout, float rate, int64_t user, int64_t pair)
{
	State	   *state = shared_at(run, layout->state);
	float	   *implicit = implicit_sum(run, layout);
	float	   *own = user_row(run, layout, user);
	float	   *item = item_row(run, layout, run->users.column[pair]);
	float	   *user_bias = bias_of(run, layout, user);
	float	   *item_bias = bias_of(run, layout, run->shape.users + run->users.column[pair]);
	float		bias_penalty =
		(float) CR_OWN_OF(SvdPpHyperparameters, run->shape.used)->bias_regularization;
	float		error = run->users.weight[pair] / state->scale - *user_bias - *item_bias -
		predict(own, implicit, item, layout->padded);
	Step		step = {rate * error, 1 - rate * (float) run->shape.used->regularization};

	if (!isfinite(error))
		return CR_NOT_FINITE;
	state->loss += (double) error * error;
	state->shrunk *= step.keep;
	*user_bias += rate * (error - bias_penalty * *user_bias);
	*item_bias += rate * (error - bias_penalty * *item_bias);
	move_rows(&step, own, implicit, implicit + layout->padded, item, layout->padded);
	return CR_OK;
}

/* z_u += the y_j of ratings [from, to), not yet divided by the root of their number. */
static void
gather(const CrTrainerRun *run, const Layout *layout, int64_t from, int64_t to)
{
	float	   *restrict implicit = implicit_sum(run, layout);

	for (int64_t pair = from; pair < to; pair++)
	{
		const float *restrict y = implicit_row(run, layout, run->users.column[pair]);

		for (int32_t f = 0; f < layout->padded; f++)
			implicit[f] += y[f];
	}
}

static void
spread(const CrTrainerRun *run, const Layout *layout, int64_t user, int64_t from, int64_t to)
{
	const float *restrict moved = implicit_sum(run, layout) + layout->padded;
	float		shrunk = ((State *) shared_at(run, layout->state))->shrunk;
	float		scale = 1 / sqrtf((float) ratings_of(run, user));

	for (int64_t pair = from; pair < to; pair++)
	{
		float	   *restrict y = implicit_row(run, layout, run->users.column[pair]);

		for (int32_t f = 0; f < layout->padded; f++)
			y[f] = shrunk * y[f] + scale * moved[f];
	}
}

/* The user's ratings of these places, in the order of the epoch. */
static CrStatus
learn_ratings(const CrTrainerRun *run, const Layout *layout, int32_t epoch, int64_t user,
			  int64_t from, int64_t to)
{
	int64_t		first = run->users.start[user];
	float		rate = rate_in(run, epoch);
	CrStatus	status = CR_OK;
	CrShuffle	shuffle;

	cr_shuffle_init(&shuffle, ratings_of(run, user),
					(uint64_t) run->shape.used->seed ^ (uint64_t) epoch << 32,
					STREAM_RATINGS | (uint64_t) user);
	for (int64_t place = from; place < to && status == CR_OK; place++)
		status = learn(run, layout, rate, user, first + cr_shuffle_at(&shuffle, place));
	return status;
}

/* Behind the last y_j: z_u is complete, and nothing has been learned from the user yet. */
static void
finish_gather(const CrTrainerRun *run, const Layout *layout, int64_t user)
{
	State	   *state = shared_at(run, layout->state);
	float	   *implicit = implicit_sum(run, layout);
	float		scale = 1 / sqrtf((float) ratings_of(run, user));

	for (int32_t f = 0; f < layout->padded; f++)
		implicit[f] *= scale;
	memset(implicit + layout->padded, 0, (size_t) layout->padded * sizeof(float));
	state->shrunk = 1;
}

/* (p_u + z_u, s b_u, 1) */
static CrStatus
publish_user(const CrTrainerRun *run, const Layout *layout, int64_t user)
{
	const float *own = user_row(run, layout, user);
	const float *implicit = implicit_sum(run, layout);
	float	   *out = (float *) shared_at(run, layout->users) + (size_t) user * (size_t) layout->stride;
	float		scale = ((State *) shared_at(run, layout->state))->scale;
	float		bias = *bias_of(run, layout, user) * scale;
	int			is_finite = isfinite(bias);

	for (int32_t f = 0; f < layout->factors; f++)
	{
		out[f] = own[f] + implicit[f];
		is_finite &= isfinite(out[f]);
	}
	out[layout->factors] = bias;
	out[layout->factors + 1] = 1;
	return is_finite ? CR_OK : CR_NOT_FINITE;
}

/* (s q_i, 1, s b_i + mu); of items that nobody has rated nothing is known. */
static CrStatus
publish_items(const CrTrainerRun *run, const Layout *layout, int64_t unit)
{
	int64_t		end = (unit + 1) * layout->unit_rows;
	float		scale = ((State *) shared_at(run, layout->state))->scale;

	for (int64_t item = unit * layout->unit_rows; item < end && item < run->shape.items; item++)
	{
		const float *own = item_row(run, layout, item);
		float	   *out = (float *) shared_at(run, layout->items) +
			(size_t) item * (size_t) layout->stride;
		double		bias = (double) *bias_of(run, layout, run->shape.users + item) * scale;
		int			is_rated = run->items.start[item] < run->items.start[item + 1];
		int			is_finite = isfinite(bias);

		for (int32_t f = 0; f < layout->factors; f++)
		{
			out[f] = is_rated ? own[f] * scale : 0;
			is_finite &= isfinite(out[f]);
		}
		out[layout->factors] = 1;
		out[layout->factors + 1] = (float) (bias + run->shape.mean_rating);
		if (!is_finite)
			return CR_NOT_FINITE;
	}
	return CR_OK;
}

/* On to the next stage of the user, or to the next user. */
static CrStatus
next_stage(const CrTrainerRun *run, const Layout *layout, int64_t user, int is_publishing)
{
	State	   *state = shared_at(run, layout->state);
	CrStatus	status = CR_OK;

	state->next = 0;
	if (state->stage == STAGE_GATHER && ratings_of(run, user) > 0)
	{
		finish_gather(run, layout, user);
		if (!is_publishing)
		{
			state->stage = STAGE_LEARN;
			return CR_OK;
		}
		status = publish_user(run, layout, user);
	}
	else if (state->stage == STAGE_LEARN)
	{
		state->stage = STAGE_SPREAD;
		return CR_OK;
	}
	state->stage = STAGE_GATHER;
	state->place++;
	memset(implicit_sum(run, layout), 0, (size_t) layout->padded * sizeof(float));
	return status;
}

/* Some ratings of the user at which the training stands, at most "most"; returns how many in *done. */
static CrStatus
work_on_user(const CrTrainerRun *run, const Layout *layout, int32_t epoch, int64_t user,
			 int64_t most, int64_t *done)
{
	State	   *state = shared_at(run, layout->state);
	int64_t		left = ratings_of(run, user) - state->next;
	int64_t		from = state->next;
	int64_t		first = run->users.start[user];
	CrStatus	status = CR_OK;

	*done = left < most ? left : most;
	state->next += *done;
	if (state->stage == STAGE_GATHER)
		gather(run, layout, first + from, first + state->next);
	else if (state->stage == STAGE_LEARN)
		status = learn_ratings(run, layout, epoch, user, from, state->next);
	else
		spread(run, layout, user, first + from, first + state->next);
	return status;
}

/* A stretch of learning, or of publishing; the first one of either begins with the first user. */
static CrStatus
work_stretch(const CrTrainerRun *run, const Layout *layout, int32_t epoch, int is_first,
			 int is_publishing)
{
	State	   *state = shared_at(run, layout->state);
	CrStatus	status = CR_OK;
	int64_t		left = layout->unit_rows;
	CrShuffle	shuffle;

	if (is_first)
	{
		state->place = 0;
		if (!is_publishing)
		{
			set_scale(run, layout);
			state->loss = 0;
		}
	}
	cr_shuffle_init(&shuffle, run->shape.users, (uint64_t) run->shape.used->seed,
					STREAM_ORDER | (uint64_t) epoch);
	while (left > 0 && state->place < run->shape.users && status == CR_OK)
	{
		int64_t		user = cr_shuffle_at(&shuffle, state->place);
		Stage		stage = state->stage;
		int64_t		done;

		status = work_on_user(run, layout, epoch, user, left, &done);
		left -= done;
		if (status == CR_OK && state->next == ratings_of(run, user))
		{
			status = next_stage(run, layout, user, is_publishing);
			left -= stage == STAGE_GATHER;
		}
	}
	return status;
}

static CrStatus
svd_pp_work(const CrTrainerRun *run, int32_t epoch, int64_t step, int64_t unit)
{
	Layout		layout = lay_out(&run->shape);
	int64_t		publish = 1 + layout.learn_steps;

	if (step == 0 && unit < layout.sums)
		sum_squares(run, &layout, unit);
	else if (step == 0)
		start_rows(run, &layout, unit - layout.sums);
	else if (step < publish)
		return work_stretch(run, &layout, epoch, step == 1, 0);
	else if (step < publish + layout.publish_steps)
		return work_stretch(run, &layout, epoch, step == publish, 1);
	else
		return publish_items(run, &layout, unit);
	return CR_OK;
}

/* The mean squared error of the epoch, each as it was before its step. */
static double
svd_pp_loss(const CrTrainerRun *run, int32_t epoch)
{
	Layout		layout = lay_out(&run->shape);
	const State *state = shared_at(run, layout.state);

	(void) epoch;
	return state->loss * state->scale * state->scale / (double) run->shape.pairs;
}

static void
svd_pp_result(const CrTrainerRun *run, CrTrained *trained)
{
	Layout		layout = lay_out(&run->shape);

	memset(trained, 0, sizeof(*trained));
	trained->factors = layout.factors + CR_EXPLICIT_DIMS;
	trained->learned = layout.factors;
	trained->stride = layout.stride;
	trained->user_factors = shared_at(run, layout.users);
	trained->item_factors = shared_at(run, layout.items);
}

static const CrParameter svd_pp_parameters[] = {
	{
		.name = "factors", .type = CR_PARAMETER_INTEGER, .low = 1,
		.high = CR_FACTORS_MAX - CR_EXPLICIT_DIMS, .preset = 64, .offset = CR_COMMON(factors),
		.search = {16, 32, 64},
		.meaning = "number of dimensions of an embedding, beside the biases"
	},
	{
		.name = "epochs", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 1000,
		.preset = 40, .offset = CR_COMMON(epochs), .search = {20, 40, 80},
		.meaning = "number of passes over all ratings"
	},
	{
		.name = "learning_rate", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1,
		.low_excluded = 1, .preset = 0.015,
		.offset = CR_OWN(SvdPpHyperparameters, learning_rate),
		.search_low = 0.003, .search_high = 0.02,
		.meaning = "length of a step of gradient descent in the first epoch; a tenth in the last"
	},
	{
		.name = "regularization", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1,
		.preset = 0.05, .offset = CR_COMMON(regularization),
		.search_low = 0.02, .search_high = 0.2, .restrains = 1,
		.meaning = "strength of the penalty on large embeddings"
	},
	{
		.name = "bias_regularization", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1,
		.preset = 0.05, .offset = CR_OWN(SvdPpHyperparameters, bias_regularization),
		.meaning = "strength of the penalty on large biases"
	},
	CR_PARAMETERS_OF_RATINGS,
	CR_PARAMETER_SEED
};

static const CrTrainer svd_pp_trainer = {
	.plan = svd_pp_plan, .units = svd_pp_units, .work = svd_pp_work, .loss = svd_pp_loss,
	.result = svd_pp_result
};

const CrAlgorithm cr_svd_pp_algorithm = {
	.name = "svd_pp",
	.meaning = "SVD++: ratings by biases, factors and what a user has rated at all",
	.scorer = CR_SCORER_INNER_PRODUCT,
	.is_explicit = 1,
	.trainer = &svd_pp_trainer,
	CR_PARAMETERS_OF(svd_pp_parameters)
};
