/*
 * rp3beta.c
 *		Random walks of three steps, from item to user to item, with a penalty on popular ends.
 *
 *	W_ij = sum over u of (1 / n_i)^a (c_uj / sum of c_u.)^a / n_j^b
 * n_i being the users of i, a the walk_exponent and b the popularity_penalty
 * (Paudel, Christoffel, Newell & Bernstein 2017, as in the code of Dacrema et
 * al. 2019).  Item i keeps the "neighbors" items j with the highest W_ij; then
 * its row is scaled to sum 1, if asked to.
 *
 * Steps: the costs of the items' rows and their penalties; prefix sums; the
 * users' probabilities; the rows; publishing (core/item_lists.h).
 */
#include <math.h>

#include "core/cooccurrence.h"
#include "core/item_lists.h"
#include "core/trainer.h"

#define PAIRS_UNIT		(INT64_C(1) << 17)	/* pairs of a preparing unit: each may take a power */
#define ADDITIONS_UNIT	(INT64_C(1) << 18)	/* additions of a unit of rows */
#define ROW_COST		64		/* of a row, in additions, beside its own */

typedef enum Normalization
{
	NORMALIZATION_NONE,
	NORMALIZATION_ROWS
} Normalization;

typedef enum Preferences
{
	PREFERENCES_CONFIDENCE,
	PREFERENCES_BINARY
} Preferences;

typedef struct Own
{
	double		neighbors;
	double		walk_exponent;
	double		popularity_penalty;
	double		normalization;
	double		preferences;
} Own;

enum
{
	STEP_COSTS,
	STEP_OFFSETS,
	STEP_VALUES,
	STEP_ROWS,
	STEP_PUBLISH
};

/* A participant's view of the shared block and its scratch. */
typedef struct Memory
{
	const CrTrainerRun *run;
	const Own  *own;
	int			has_values;		/* pairs have probabilities of their own */
	CrItemLists lists;
	int64_t    *cost;			/* items + 1 */
	float	   *penalty;		/* items: 1 / n_j^b */
	float	   *probability;	/* users: (1 / n_u)^a, unless has_values */
	float	   *value;			/* pairs of users: (c_uj / sum of c_u.)^a, if has_values */
} Memory;

static Memory
carve(const CrTrainerShape *shape, CrCarver *shared)
{
	uint64_t	pairs = (uint64_t) shape->pairs;
	Memory		m;

	m.run = NULL;
	m.own = CR_OWN_OF(Own, shape->used);
	m.has_values = shape->is_weighted && m.own->preferences != PREFERENCES_BINARY;
	cr_item_lists_carve(&m.lists, CR_OWNER_IS_SOURCE, shape->items, (int64_t) m.own->neighbors, shared);
	m.cost = cr_carve(shared, (uint64_t) shape->items + 1, sizeof(int64_t));
	m.penalty = cr_carve(shared, (uint64_t) shape->items, sizeof(float));
	m.probability = cr_carve(shared, m.has_values ? 0 : (uint64_t) shape->users, sizeof(float));
	m.value = cr_carve(shared, m.has_values ? pairs : 0, sizeof(float));
	return m;
}

static Memory
memory_of(const CrTrainerRun *run)
{
	CrCarver	shared = {run->shared, 0};
	Memory		m = carve(&run->shape, &shared);

	m.run = run;
	return m;
}

static CrStatus
plan(const CrTrainerShape *shape, CrTrainerPlan *plan)
{
	CrCarver	shared = {NULL, 0};
	CrCarver	scratch = {NULL, 0};
	CrCooccurrence product;

	(void) carve(shape, &shared);
	cr_cooccurrence_carve(&product, &scratch, shape->items);
	plan->shared = shared.used;
	plan->scratch = scratch.used;
	plan->epochs = 1;
	plan->steps = STEP_PUBLISH + CR_ITEM_LISTS_STEPS;
	return CR_OK;
}

static void
measure_items(const Memory *m, int64_t from, int64_t to)
{
	cr_cooccurrence_cost(&m->run->users, &m->run->items, ROW_COST, m->cost, from, to);
	for (int64_t item = from; item < to; item++)
	{
		double		users = (double) (m->run->items.start[item + 1] - m->run->items.start[item]);

		m->penalty[item] = users > 0 ? (float) pow(users, -m->own->popularity_penalty) : 0.0f;
	}
}

static void
compute_values(const Memory *m, int64_t user)
{
	const CrCsr *users = &m->run->users;
	double		sum = 0.0;

	for (int64_t e = users->start[user]; e < users->start[user + 1]; e++)
		sum += users->weight[e];
	for (int64_t e = users->start[user]; e < users->start[user + 1]; e++)
		m->value[e] = (float) pow(users->weight[e] / sum, m->own->walk_exponent);
}

static void
compute_probabilities(const Memory *m, int64_t from, int64_t to)
{
	for (int64_t user = from; user < to; user++)
	{
		int64_t		count = m->run->users.start[user + 1] - m->run->users.start[user];

		if (m->has_values)
			compute_values(m, user);
		else if (count > 0)
			m->probability[user] = (float) pow((double) count, -m->own->walk_exponent);
	}
}

/* A user's first step, unless his pairs have probabilities of their own. */
static void
factors(const void *context, int64_t item, int64_t from, int32_t count, float *factor)
{
	const Memory *m = context;

	(void) item;
	for (int32_t at = 0; at < count; at++)
		factor[at] = m->probability[m->run->items.column[from + at]];
}

/* From sums to the probability of ending at an item, less the penalty. */
static void
score(const Memory *m, double users, CrScored *entries, int64_t count)
{
	float		first = (float) pow(users, -m->own->walk_exponent);

	for (int64_t e = 0; e < count; e++)
		entries[e].score *= first * m->penalty[entries[e].item_no];
}

/* Penalties below a float's range may have made all of them 0. */
static void
normalize(CrScored *entries, int64_t count)
{
	double		sum = 0.0;

	for (int64_t e = 0; e < count; e++)
		sum += entries[e].score;
	for (int64_t e = 0; e < count && sum > 0; e++)
		entries[e].score = (float) (entries[e].score / sum);
}

static void
find_neighbors(const Memory *m, int64_t from, int64_t to)
{
	CrCarver	scratch = {m->run->scratch, 0};
	CrCooccurrence product = {.users = &m->run->users, .items = &m->run->items};

	cr_cooccurrence_carve(&product, &scratch, m->run->shape.items);
	product.context = m;
	if (m->has_values)
		product.value = m->value;
	else
		product.factors = factors;
	for (int64_t item = from; item < to; item++)
	{
		int64_t		users = m->run->items.start[item + 1] - m->run->items.start[item];
		int64_t		additions = m->cost[item + 1] - m->cost[item] - ROW_COST;
		int64_t		count = cr_cooccurrence_row(&product, item, additions);

		score(m, (double) users, product.entries, count);
		count = cr_item_lists_keep(&m->lists, product.entries, count, product.counters);
		if (m->own->normalization == NORMALIZATION_ROWS)
			normalize(product.entries, count);
		cr_item_lists_put(&m->lists, item, product.entries, count);
	}
}

static int64_t
units(const CrTrainerRun *run, int32_t epoch, int64_t step)
{
	Memory		m = memory_of(run);

	(void) epoch;
	switch (step)
	{
		case STEP_COSTS:
		case STEP_VALUES:
			return cr_slices(run->shape.pairs, PAIRS_UNIT);
		case STEP_OFFSETS:
			return 1;
		case STEP_ROWS:
			return cr_slices(m.cost[run->shape.items], ADDITIONS_UNIT);
		default:
			return cr_item_lists_units(&m.lists, step - STEP_PUBLISH);
	}
}

static CrStatus
work(const CrTrainerRun *run, int32_t epoch, int64_t step, int64_t unit)
{
	Memory		m = memory_of(run);
	int64_t		from;
	int64_t		to;

	(void) epoch;
	switch (step)
	{
		case STEP_COSTS:
			cr_slice(run->items.start, run->shape.items, PAIRS_UNIT, unit, &from, &to);
			measure_items(&m, from, to);
			break;
		case STEP_OFFSETS:
			cr_prefix_sums(m.cost, run->shape.items);
			break;
		case STEP_VALUES:
			cr_slice(run->users.start, run->shape.users, PAIRS_UNIT, unit, &from, &to);
			compute_probabilities(&m, from, to);
			break;
		case STEP_ROWS:
			cr_slice(m.cost, run->shape.items, ADDITIONS_UNIT, unit, &from, &to);
			find_neighbors(&m, from, to);
			break;
		default:
			cr_item_lists_publish(&m.lists, step - STEP_PUBLISH, unit);
			break;
	}
	return CR_OK;
}

static void
result(const CrTrainerRun *run, CrTrained *trained)
{
	Memory		m = memory_of(run);

	cr_item_lists_result(&m.lists, &trained->lists);
}

static const CrTrainer trainer = {
	.plan = plan,
	.units = units,
	.work = work,
	.result = result,
	.cheaper = "Lower neighbors, or raise min_item_users so that fewer items take part."
};

static const CrParameter parameters[] = {
	{
		.name = "neighbors", .type = CR_PARAMETER_INTEGER, .low = 1, .high = CR_ITEM_LISTS_WIDTH_MAX,
		.preset = 200, .offset = CR_OWN(Own, neighbors), .search = {20, 50, 100, 200, 500},
		.meaning = "number of most probable items that an item keeps"
	},
	{
		.name = "walk_exponent", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 10,
		.preset = 1, .offset = CR_OWN(Own, walk_exponent), .search = {0.6, 0.8, 1, 1.3, 1.6},
		.meaning = "exponent of the probabilities of a step; above 1: likely steps count more"
	},
	{
		.name = "popularity_penalty", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 10,
		.from_data = 1, .preset = NAN, .offset = CR_OWN(Own, popularity_penalty),
		.search = {0.05, 0.1, 0.3, 0.5, 0.7, 0.8},
		.meaning = "exponent of the number of users that an item's score is divided by; 0: none"
	},
	{
		.name = "normalization", .type = CR_PARAMETER_CHOICE, .low = NORMALIZATION_NONE,
		.high = NORMALIZATION_ROWS, .choices = {"none", "rows"},
		.preset = NORMALIZATION_NONE, .offset = CR_OWN(Own, normalization),
		.meaning = "rows: the weights of the items that an item leads to sum up to 1"
	},
	{
		.name = "preferences", .type = CR_PARAMETER_CHOICE, .low = PREFERENCES_CONFIDENCE,
		.high = PREFERENCES_BINARY, .choices = {"confidence", "binary"},
		.preset = PREFERENCES_CONFIDENCE, .offset = CR_OWN(Own, preferences),
		.meaning = "whether a user's steps go by confidence, or to all of his items alike"
	},
	CR_PARAMETER_HALF_LIFE,
	CR_PARAMETER_POPULARITY_WEIGHT,
	CR_PARAMETER_POPULARITY_HALF_LIFE,
	CR_PARAMETER_MIN_ITEM_USERS,
	CR_PARAMETER_MIN_USER_ITEMS
};

/*
 * A rule of thumb, doc/algorithms.md has the figures: where a user has few of
 * very many items, what is popular among them is a guide; where he has one in
 * thirty, it is what everybody has anyway.
 */
static void
defaults_from_shape(CrHyperparameters *used, int64_t users, int64_t items, int64_t pairs)
{
	Own		   *own = (Own *) used->own;
	double		density;

	if (!isnan(own->popularity_penalty))
		return;
	density = pairs > 0 ? (double) pairs / ((double) users * (double) items) : 0.0;
	own->popularity_penalty = fmin(fmax(0.35 * log10(density / 0.0004), 0.0), 0.7);
}

static double
cost(const CrHyperparameters *used, int64_t users, int64_t items, int64_t pairs)
{
	(void) used;
	return cr_cooccurrence_seconds(users, items, pairs);
}

const CrAlgorithm cr_rp3beta_algorithm = {
	.name = "rp3beta",
	.meaning = "random walks from item to user to item, with a penalty on popular items",
	.scorer = CR_SCORER_LISTS,
	.fold = CR_FOLD_NONE,
	.trainer = &trainer,
	CR_PARAMETERS_OF(parameters),
	.defaults_from_shape = defaults_from_shape,
	.cost = cost
};
