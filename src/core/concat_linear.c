/*
 * concat_linear.c
 *		The reference model of the method's source: embeddings side by side, a linear layer, a sigmoid.
 *
 * p = sigma(w . [U_u, V_i] + b), binary cross-entropy, Adam (Kingma & Ba, ICLR
 * 2015) with one event a step.  Every event of the data has target 1; with
 * "negatives" each is followed by so many items that the user does not have, of
 * target 0.  The steps are PyTorch's, in float32: given the same start and the
 * same order, losses agree to 1e-5.  Weights of events are not used.
 *
 * Adam moves all embeddings in every step: those without a gradient go on by
 * what is left of their momentum.  Here they do so when they are next wanted, all
 * steps that they have missed in turn.  After CATCH_UP_STEPS of them nothing is
 * left: a step is at most 7.3 learning rates (by Cauchy-Schwarz on the two
 * averages) times .9005 per step, so that the rest is less than 1e-7 learning
 * rates; only the averages themselves are scaled down for it.
 *
 * One event depends on the one before: units are stretches of events, one after
 * the other.  The logit is a sum of what belongs to the user and what belongs to
 * the item; that is what is published: x_u = (w_u . U_u + b, 1), y_i = (1, w_i . V_i).
 */
#include <math.h>
#include <string.h>

#include "core/concat_linear.h"
#include "core/ials.h"
#include "core/layout.h"
#include "core/rng.h"
#include "core/shuffle.h"

#define LANES			8		/* rows are padded to this, so that compilers use vectors */
#define BETA1			0.9		/* Adam's constants, as PyTorch presets them */
#define BETA2			0.999
#define EPSILON			1e-8f
#define CATCH_UP_STEPS	200
#define CORRECTED_STEPS	20000	/* then both corrections are 1 in float */
#define UNIT_WORK		8000	/* events times padded factors of a unit, some milliseconds */
#define UNIT_ROWS		4096	/* of the start */

/* What is published: a sum of two. */
#define PUBLISHED_DIMS	2

/* Embeddings have the streams from 0; the other purposes, streams of their own. */
#define STREAM_LINEAR	(UINT64_C(1) << 60)
#define STREAM_ORDER	(UINT64_C(2) << 60)
#define STREAM_NEGATIVE	(UINT64_C(3) << 60)

typedef enum Order
{
	ORDER_RANDOM,
	ORDER_STORED
} Order;

typedef struct ConcatLinearHyperparameters
{
	double		learning_rate;
	double		negatives;		/* of each event */
	double		order;			/* an Order */
} ConcatLinearHyperparameters;

/* A row of parameters: values, Adam's first and second averages, each of the padded size. */
typedef struct Row
{
	float	   *value;
	float	   *first;
	float	   *second;
} Row;

/* Where the training stands. */
typedef struct State
{
	int64_t		steps;			/* of Adam so far */
	double		loss;			/* sum over the events of the epoch */
	int64_t		events;			/* of the epoch */
} State;

typedef struct Layout
{
	int32_t		padded;			/* factors, rounded up to LANES */
	int64_t		unit_pairs;
	int64_t		learn_steps;	/* of an epoch */
	size_t		state;
	size_t		rates;			/* CORRECTED_STEPS + 1 floats: learning rate over first correction */
	size_t		roots;			/* CORRECTED_STEPS + 1 floats: root of the second correction */
	size_t		rows;			/* users, items and the two parts of the layer, three times "padded" floats each */
	size_t		last;			/* users + items int64_t: the step that a row is up to */
	size_t		bias;			/* LANES floats, thrice */
	size_t		users;			/* what is published */
	size_t		items;
	size_t		shared;
} Layout;

static Layout
lay_out(const CrTrainerShape *shape)
{
	const ConcatLinearHyperparameters *own = CR_OWN_OF(ConcatLinearHyperparameters, shape->used);
	int64_t		entities = shape->users + shape->items;
	size_t		published = (size_t) cr_factor_stride(PUBLISHED_DIMS) * sizeof(float);
	Layout		layout;
	size_t		end = 0;

	layout.padded = (int32_t) cr_ceiling((int64_t) shape->used->factors, LANES) * LANES;
	layout.unit_pairs = UNIT_WORK / (layout.padded * (1 + (int64_t) own->negatives)) + 1;
	layout.learn_steps = cr_ceiling(shape->pairs, layout.unit_pairs);
	layout.state = cr_lay(&end, 1, sizeof(State));
	layout.rates = cr_lay(&end, CORRECTED_STEPS + 1, sizeof(float));
	layout.roots = cr_lay(&end, CORRECTED_STEPS + 1, sizeof(float));
	layout.rows = cr_lay(&end, entities + 2, 3 * (size_t) layout.padded * sizeof(float));
	layout.last = cr_lay(&end, entities, sizeof(int64_t));
	layout.bias = cr_lay(&end, 3 * LANES, sizeof(float));
	layout.users = cr_lay(&end, shape->users, published);
	layout.items = cr_lay(&end, shape->items, published);
	layout.shared = end;
	return layout;
}

static CrStatus
concat_plan(const CrTrainerShape *shape, CrTrainerPlan *plan)
{
	Layout		layout;

	if (shape->users < 1 || shape->items < 1 || shape->pairs < 1)
		return CR_INVALID_ARGUMENT;
	layout = lay_out(shape);
	plan->shared = layout.shared;
	plan->scratch = 2 * (size_t) layout.padded * sizeof(float);
	plan->epochs = (int32_t) shape->used->epochs;
	plan->steps = 1 + layout.learn_steps + 1;
	return CR_OK;
}

static void *
shared_at(const CrTrainerRun *run, size_t offset)
{
	return (char *) run->shared + offset;
}

/* Of users, then items, then the parts of the layer that belong to users and to items. */
static Row
row_of(const CrTrainerRun *run, const Layout *layout, int64_t row)
{
	size_t		padded = (size_t) layout->padded;
	float	   *values = (float *) shared_at(run, layout->rows) + 3 * (size_t) row * padded;

	return (Row) {values, values + padded, values + 2 * padded};
}

static int64_t
entities(const CrTrainerRun *run)
{
	return run->shape.users + run->shape.items;
}

CrConcatLinear
cr_concat_linear_parameters(const CrTrainerRun *run)
{
	Layout		layout = lay_out(&run->shape);

	return (CrConcatLinear) {
		.stride = 3 * layout.padded,
		.users = row_of(run, &layout, 0).value,
		.items = row_of(run, &layout, run->shape.users).value,
		.user_weights = row_of(run, &layout, entities(run)).value,
		.item_weights = row_of(run, &layout, entities(run) + 1).value,
		.bias = shared_at(run, layout.bias)
	};
}

/* Units of the start and of the end go over rows; one more of the start makes tables and the layer. */
static int64_t
concat_units(const CrTrainerRun *run, int32_t epoch, int64_t step)
{
	Layout		layout = lay_out(&run->shape);

	if (step == 0)
		return epoch == 0 ? 1 + cr_ceiling(entities(run), UNIT_ROWS) : 0;
	if (step <= layout.learn_steps)
		return 1;
	return epoch == (int32_t) run->shape.used->epochs - 1 ? cr_ceiling(entities(run), UNIT_ROWS) : 0;
}

/* As PyTorch starts a linear layer: uniform within one over the root of its inputs. */
static void
start_layer(const CrTrainerRun *run, const Layout *layout)
{
	CrConcatLinear parameters = cr_concat_linear_parameters(run);
	int32_t		factors = (int32_t) run->shape.used->factors;
	double		bound = 1 / sqrt(2.0 * factors);
	double		rate = CR_OWN_OF(ConcatLinearHyperparameters, run->shape.used)->learning_rate;
	float	   *rates = shared_at(run, layout->rates);
	float	   *roots = shared_at(run, layout->roots);
	CrRng		rng;

	cr_rng_init(&rng, (uint64_t) run->shape.used->seed, STREAM_LINEAR);
	for (int32_t f = 0; f < factors; f++)
	{
		parameters.user_weights[f] = (float) (bound * (2 * cr_rng_uniform(&rng) - 1));
		parameters.item_weights[f] = (float) (bound * (2 * cr_rng_uniform(&rng) - 1));
	}
	*parameters.bias = (float) (bound * (2 * cr_rng_uniform(&rng) - 1));
	for (int64_t t = 1; t <= CORRECTED_STEPS; t++)
	{
		rates[t] = (float) (rate / (1 - pow(BETA1, (double) t)));
		roots[t] = (float) sqrt(1 - pow(BETA2, (double) t));
	}
}

/* As PyTorch starts embeddings: normal, of standard deviation 1. */
static void
start_rows(const CrTrainerRun *run, const Layout *layout, int64_t unit)
{
	int64_t		end = (unit + 1) * UNIT_ROWS < entities(run) ? (unit + 1) * UNIT_ROWS : entities(run);

	for (int64_t row = unit * UNIT_ROWS; row < end; row++)
	{
		CrRng		rng;

		cr_rng_init(&rng, (uint64_t) run->shape.used->seed, (uint64_t) row);
		cr_rng_normal(&rng, 1, row_of(run, layout, row).value, (size_t) run->shape.used->factors);
	}
}

static int64_t
corrected(int64_t step)
{
	return step < CORRECTED_STEPS ? step : CORRECTED_STEPS;
}

/* Some steps in turn without a gradient, of LANES parameters. */
static void
coast(const CrTrainerRun *run, const Layout *layout, int64_t step, int64_t end, Row row)
{
	const float *rates = shared_at(run, layout->rates);
	const float *roots = shared_at(run, layout->roots);

	for (; step < end; step++)
	{
		float		rate = rates[corrected(step + 1)];
		float		root = roots[corrected(step + 1)];

		for (int f = 0; f < LANES; f++)
		{
			row.first[f] *= (float) BETA1;
			row.second[f] *= (float) BETA2;
			row.value[f] -= rate * row.first[f] / (sqrtf(row.second[f]) / root + EPSILON);
		}
	}
}

/* Bring a row up to a step, that one included. */
static void
catch_up(const CrTrainerRun *run, const Layout *layout, int64_t number, int64_t step)
{
	int64_t    *last = (int64_t *) shared_at(run, layout->last) + number;
	Row			row = row_of(run, layout, number);
	int64_t		missed = step - *last;
	int64_t		end = missed < CATCH_UP_STEPS ? step : *last + CATCH_UP_STEPS;

	if (missed == 0)
		return;
	for (int32_t f = 0; f < layout->padded; f += LANES)
		coast(run, layout, *last, end, (Row) {row.value + f, row.first + f, row.second + f});
	if (end < step)
	{
		float		first = (float) pow(BETA1, (double) (step - end));
		float		second = (float) pow(BETA2, (double) (step - end));

		for (int32_t f = 0; f < layout->padded; f++)
		{
			row.first[f] *= first;
			row.second[f] *= second;
		}
	}
	*last = step;
}

/* A step of Adam: the gradient is scale times "along". */
static void
adam(const CrTrainerRun *run, const Layout *layout, int64_t step, Row row, int32_t count,
	 float scale, const float *along)
{
	float		rate = ((float *) shared_at(run, layout->rates))[corrected(step)];
	float		root = ((float *) shared_at(run, layout->roots))[corrected(step)];

	for (int32_t f = 0; f < count; f++)
	{
		float		gradient = scale * along[f];

		row.first[f] = row.first[f] * (float) BETA1 + (float) (1 - BETA1) * gradient;
		row.second[f] = row.second[f] * (float) BETA2 + (float) (1 - BETA2) * gradient * gradient;
		row.value[f] -= rate * row.first[f] / (sqrtf(row.second[f]) / root + EPSILON);
	}
}

static float
inner(const float *a, const float *b, int32_t count)
{
	float		sum = 0;

	for (int32_t f = 0; f < count; f++)
		sum += a[f] * b[f];
	return sum;
}

/* Learn from one event; CR_NOT_FINITE if its logit is not. */
static CrStatus
learn(const CrTrainerRun *run, const Layout *layout, int64_t user, int64_t item, int target)
{
	State	   *state = shared_at(run, layout->state);
	int64_t		step = ++state->steps;
	int32_t		padded = layout->padded;
	Row			u = row_of(run, layout, user);
	Row			i = row_of(run, layout, run->shape.users + item);
	Row			user_weights = row_of(run, layout, entities(run));
	Row			item_weights = row_of(run, layout, entities(run) + 1);
	float	   *bias = shared_at(run, layout->bias);
	float	   *before = run->scratch;
	const float one = 1;
	float		logit;
	float		error;

	catch_up(run, layout, user, step - 1);
	catch_up(run, layout, run->shape.users + item, step - 1);
	logit = inner(u.value, user_weights.value, padded) + inner(i.value, item_weights.value, padded) + *bias;
	if (!isfinite(logit))
		return CR_NOT_FINITE;
	error = 1 / (1 + expf(-logit)) - (float) target;
	state->loss += fmax(target ? -logit : logit, 0) + log1p(exp(-fabs(logit)));
	state->events++;

	memcpy(before, u.value, (size_t) padded * sizeof(float));
	memcpy(before + padded, i.value, (size_t) padded * sizeof(float));
	adam(run, layout, step, u, padded, error, user_weights.value);
	adam(run, layout, step, i, padded, error, item_weights.value);
	adam(run, layout, step, user_weights, padded, error, before);
	adam(run, layout, step, item_weights, padded, error, before + padded);
	adam(run, layout, step, (Row) {bias, bias + LANES, bias + 2 * LANES}, 1, error, &one);
	((int64_t *) shared_at(run, layout->last))[user] = step;
	((int64_t *) shared_at(run, layout->last))[run->shape.users + item] = step;
	return CR_OK;
}

/* Whose the pair is: the last user who begins at it or before. */
static int64_t
user_of_pair(const CrCsr *users, int64_t pair)
{
	int64_t		low = 0;
	int64_t		high = users->rows;

	while (high - low > 1)
	{
		int64_t		middle = low + (high - low) / 2;

		if (users->start[middle] <= pair)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Of the items that the user does not have, in ascending order, the one of this number. */
static int64_t
missing_item(const CrCsr *users, int64_t user, int64_t number)
{
	int64_t		begin = users->start[user];
	int64_t		low = begin;
	int64_t		high = users->start[user + 1];

	/* Before the user's item at "middle" are column[middle] less (middle - begin) that he has not. */
	while (low < high)
	{
		int64_t		middle = low + (high - low) / 2;

		if (users->column[middle] - (middle - begin) <= number)
			low = middle + 1;
		else
			high = middle;
	}
	return number + (low - begin);
}

/* Items that the user does not have, after one that he has. */
static CrStatus
learn_negatives(const CrTrainerRun *run, const Layout *layout, int32_t epoch, int64_t pair,
				int64_t user)
{
	int			wanted = (int) CR_OWN_OF(ConcatLinearHyperparameters, run->shape.used)->negatives;
	int64_t		missing = run->shape.items - (run->users.start[user + 1] - run->users.start[user]);
	CrStatus	status = CR_OK;
	CrRng		rng;

	if (wanted == 0 || missing == 0)
		return CR_OK;
	cr_rng_init(&rng, (uint64_t) run->shape.used->seed ^ (uint64_t) epoch << 32,
				STREAM_NEGATIVE | (uint64_t) pair);
	for (int i = 0; i < wanted && status == CR_OK; i++)
	{
		int64_t		number = (int64_t) ((cr_rng_next(&rng) >> 32) * (uint64_t) missing >> 32);

		status = learn(run, layout, user, missing_item(&run->users, user, number), 0);
	}
	return status;
}

static CrStatus
learn_pairs(const CrTrainerRun *run, const Layout *layout, int32_t epoch, int64_t stretch)
{
	const ConcatLinearHyperparameters *own = CR_OWN_OF(ConcatLinearHyperparameters, run->shape.used);
	State	   *state = shared_at(run, layout->state);
	int64_t		end = (stretch + 1) * layout->unit_pairs;
	CrStatus	status = CR_OK;
	CrShuffle	shuffle;

	if (stretch == 0)
	{
		state->loss = 0;
		state->events = 0;
	}
	cr_shuffle_init(&shuffle, run->shape.pairs, (uint64_t) run->shape.used->seed,
					STREAM_ORDER | (uint64_t) epoch);
	for (int64_t place = stretch * layout->unit_pairs;
		 place < end && place < run->shape.pairs && status == CR_OK; place++)
	{
		int64_t		pair = own->order == ORDER_STORED ? place : cr_shuffle_at(&shuffle, place);
		int64_t		user = user_of_pair(&run->users, pair);

		status = learn(run, layout, user, run->users.column[pair], 1);
		if (status == CR_OK)
			status = learn_negatives(run, layout, epoch, pair, user);
	}
	return status;
}

/* What a unit's rows add to the logit; of users without events nothing has been learned. */
static CrStatus
publish_rows(const CrTrainerRun *run, const Layout *layout, int64_t unit)
{
	CrConcatLinear parameters = cr_concat_linear_parameters(run);
	size_t		stride = (size_t) cr_factor_stride(PUBLISHED_DIMS);
	int64_t		steps = ((State *) shared_at(run, layout->state))->steps;
	int64_t		end = (unit + 1) * UNIT_ROWS < entities(run) ? (unit + 1) * UNIT_ROWS : entities(run);

	for (int64_t row = unit * UNIT_ROWS; row < end; row++)
	{
		int			is_user = row < run->shape.users;
		size_t		entity = (size_t) (is_user ? row : row - run->shape.users);
		float	   *out = (float *) shared_at(run, is_user ? layout->users : layout->items) +
			entity * stride;
		float		own;

		if (is_user && run->users.start[row] == run->users.start[row + 1])
			continue;
		catch_up(run, layout, row, steps);
		own = inner(row_of(run, layout, row).value,
					is_user ? parameters.user_weights : parameters.item_weights, layout->padded);
		if (is_user)
			own += *parameters.bias;
		if (!isfinite(own))
			return CR_NOT_FINITE;
		out[0] = is_user ? own : 1;
		out[1] = is_user ? 1 : own;
	}
	return CR_OK;
}

static CrStatus
concat_work(const CrTrainerRun *run, int32_t epoch, int64_t step, int64_t unit)
{
	Layout		layout = lay_out(&run->shape);

	if (step == 0 && unit == 0)
		start_layer(run, &layout);
	else if (step == 0)
		start_rows(run, &layout, unit - 1);
	else if (step <= layout.learn_steps)
		return learn_pairs(run, &layout, epoch, step - 1);
	else
		return publish_rows(run, &layout, unit);
	return CR_OK;
}

/* The mean over the events of the epoch, each as it was before its step. */
static double
concat_loss(const CrTrainerRun *run, int32_t epoch)
{
	Layout		layout = lay_out(&run->shape);
	const State *state = shared_at(run, layout.state);

	(void) epoch;
	return state->loss / (double) state->events;
}

static void
concat_result(const CrTrainerRun *run, CrTrained *trained)
{
	Layout		layout = lay_out(&run->shape);

	memset(trained, 0, sizeof(*trained));
	trained->factors = PUBLISHED_DIMS;
	trained->learned = 0;
	trained->stride = cr_factor_stride(PUBLISHED_DIMS);
	trained->user_factors = shared_at(run, layout.users);
	trained->item_factors = shared_at(run, layout.items);
}

static const CrParameter concat_parameters[] = {
	{
		.name = "factors", .type = CR_PARAMETER_INTEGER, .low = 1, .high = CR_FACTORS_MAX,
		.preset = 5, .offset = CR_COMMON(factors), .search = {5, 16, 64},
		.meaning = "number of dimensions of each embedding"
	},
	{
		.name = "epochs", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 1000,
		.preset = 10, .offset = CR_COMMON(epochs),
		.meaning = "number of passes over all pairs of user and item"
	},
	{
		.name = "learning_rate", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 10,
		.low_excluded = 1, .preset = 0.001,
		.offset = CR_OWN(ConcatLinearHyperparameters, learning_rate),
		.meaning = "length of a step of Adam"
	},
	{
		.name = "negatives", .type = CR_PARAMETER_INTEGER, .low = 0, .high = 100,
		.preset = 0, .offset = CR_OWN(ConcatLinearHyperparameters, negatives),
		.meaning = "items that the user does not have, drawn for each that he has; 0: none"
	},
	{
		.name = "order", .type = CR_PARAMETER_CHOICE, .low = ORDER_RANDOM, .high = ORDER_STORED,
		.choices = {"random", "stored"}, .preset = ORDER_RANDOM,
		.offset = CR_OWN(ConcatLinearHyperparameters, order),
		.meaning = "order of an epoch's pairs: another one each time, or user by user"
	},
	CR_PARAMETER_MIN_ITEM_USERS,
	CR_PARAMETER_MIN_USER_ITEMS,
	CR_PARAMETER_SEED
};

static const CrTrainer concat_trainer = {
	.plan = concat_plan, .units = concat_units, .work = concat_work, .loss = concat_loss,
	.result = concat_result
};

const CrAlgorithm cr_concat_linear_algorithm = {
	.name = "concat_linear",
	.meaning = "embeddings side by side under one linear layer: a reference, all users get the same ranking",
	.scorer = CR_SCORER_INNER_PRODUCT,
	.fold = CR_FOLD_NONE,
	.trainer = &concat_trainer,
	CR_PARAMETERS_OF(concat_parameters)
};
