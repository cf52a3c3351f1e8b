/*
 * item_knn.c
 *		Nearest neighbours of items: each item is scored by the items most like it that a user has.
 *
 *	s_ij = sum over u of x_ui x_uj / (|x_i| |x_j| + shrinkage)
 * where x_ui is the confidence c_ui (cosine), or
 *	sqrt(c_ui) idf_u (tfidf),
 *	c_ui (K + 1) / (K (1 - B + B length_i / mean length) + c_ui) idf_u (bm25),
 *	idf_u = log((items + 1) / (1 + n_u)),
 * users being to items what words are to documents; or, of the sets of users,
 *	s_ij = common / (users of i + users of j - common + shrinkage) (jaccard).
 * As in Dacrema, Cremonesi & Jannach (2019), with items + 1 for items, so that
 * no weight is negative.  Item j keeps the "neighbors" items i with the highest
 * s_ij; W_ij = s_ij, or 0.
 *
 * Steps: the costs of the items' rows and their lengths; prefix sums; values of
 * the users' pairs; norms of the items; the rows; publishing (core/item_lists.h).
 */
#include <float.h>
#include <math.h>

#include "core/cooccurrence.h"
#include "core/item_lists.h"
#include "core/trainer.h"

#define BM25_K			1.2
#define BM25_B			0.75

#define PAIRS_UNIT		(INT64_C(1) << 18)	/* pairs of a preparing unit */
#define ADDITIONS_UNIT	(INT64_C(1) << 18)	/* additions of a unit of rows */
#define ROW_COST		64		/* of a row, in additions, beside its own */

typedef enum Similarity
{
	SIMILARITY_JACCARD,
	SIMILARITY_COSINE,
	SIMILARITY_TFIDF,
	SIMILARITY_BM25
} Similarity;

typedef struct Own
{
	double		neighbors;
	double		similarity;
	double		shrinkage;
} Own;

enum
{
	STEP_COSTS,
	STEP_OFFSETS,
	STEP_VALUES,
	STEP_NORMS,
	STEP_ROWS,
	STEP_PUBLISH
};

/* A participant's view of the shared block and its scratch. */
typedef struct Memory
{
	const CrTrainerRun *run;
	Similarity	similarity;
	double		shrinkage;
	int			has_values;		/* pairs have values of their own: tfidf and bm25 */
	CrItemLists lists;
	int64_t    *cost;			/* items + 1 */
	float	   *norm;			/* items: |x_i|, of jaccard the number of users */
	float	   *length;			/* items: sum of c_ui, then K (1 - B + B length / mean) */
	float	   *idf;			/* users */
	float	   *value;			/* pairs of users: x_ui */
} Memory;

static Memory
carve(const CrTrainerShape *shape, CrCarver *shared)
{
	const Own  *own = CR_OWN_OF(Own, shape->used);
	Memory		m;

	m.run = NULL;
	m.similarity = (Similarity) own->similarity;
	m.shrinkage = own->shrinkage;
	m.has_values = m.similarity == SIMILARITY_TFIDF || m.similarity == SIMILARITY_BM25;
	cr_item_lists_carve(&m.lists, CR_OWNER_IS_TARGET, shape->items, (int64_t) own->neighbors, shared);
	m.cost = cr_carve(shared, (uint64_t) shape->items + 1, sizeof(int64_t));
	m.norm = cr_carve(shared, (uint64_t) shape->items, sizeof(float));
	m.length = cr_carve(shared, (uint64_t) shape->items, sizeof(float));
	m.idf = cr_carve(shared, m.has_values ? (uint64_t) shape->users : 0, sizeof(float));
	m.value = cr_carve(shared, m.has_values ? (uint64_t) shape->pairs : 0, sizeof(float));
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

static float
weight_of(const CrCsr *csr, int64_t e)
{
	return csr->weight == NULL ? 1.0f : csr->weight[e];
}

/* x_ui of a pair; "user" and "item" are its places. */
static float
value_of(const Memory *m, int64_t user, int64_t item, float confidence)
{
	switch (m->similarity)
	{
		case SIMILARITY_TFIDF:
			return sqrtf(confidence) * m->idf[user];
		case SIMILARITY_BM25:
			return confidence * (float) (BM25_K + 1) / (m->length[item] + confidence) * m->idf[user];
		case SIMILARITY_JACCARD:
			return 1.0f;
		default:
			return confidence;
	}
}

static void
measure_items(const Memory *m, int64_t from, int64_t to)
{
	cr_cooccurrence_cost(&m->run->users, &m->run->items, ROW_COST, m->cost, from, to);
	for (int64_t item = from; item < to; item++)
	{
		double		length = 0.0;

		for (int64_t e = m->run->items.start[item]; e < m->run->items.start[item + 1]; e++)
			length += weight_of(&m->run->items, e);
		m->length[item] = (float) length;
	}
}

/* Prefix sums of the costs, and lengths against their mean. */
static void
scale_lengths(const Memory *m)
{
	double		total = 0.0;
	double		per_length;

	cr_prefix_sums(m->cost, m->run->shape.items);
	for (int64_t item = 0; item < m->run->shape.items; item++)
		total += m->length[item];
	per_length = total > 0 ? (double) m->run->shape.items / total : 0.0;
	for (int64_t item = 0; item < m->run->shape.items; item++)
		m->length[item] = (float) (BM25_K * (1 - BM25_B + BM25_B * m->length[item] * per_length));
}

static void
compute_values(const Memory *m, int64_t from, int64_t to)
{
	const CrCsr *users = &m->run->users;

	for (int64_t user = from; user < to; user++)
	{
		int64_t		count = users->start[user + 1] - users->start[user];

		m->idf[user] = (float) log(((double) m->run->shape.items + 1) / ((double) count + 1));
		for (int64_t e = users->start[user]; e < users->start[user + 1]; e++)
			m->value[e] = value_of(m, user, users->column[e], weight_of(users, e));
	}
}

/* No sum of a row is larger than the product of two norms: with them it is finite. */
static CrStatus
measure_norms(const Memory *m, int64_t from, int64_t to)
{
	const CrCsr *items = &m->run->items;

	for (int64_t item = from; item < to; item++)
	{
		double		sum = 0.0;

		for (int64_t e = items->start[item]; e < items->start[item + 1]; e++)
		{
			double		x = value_of(m, items->column[e], item, weight_of(items, e));

			sum += x * x;
		}
		if (!(sum <= FLT_MAX))
			return CR_NOT_FINITE;
		m->norm[item] = (float) (m->similarity == SIMILARITY_JACCARD ? sum : sqrt(sum));
	}
	return CR_OK;
}

/* x_uj of some users of an item. */
static void
factors(const void *context, int64_t item, int64_t from, int32_t count, float *factor)
{
	const Memory *m = context;

	for (int32_t at = 0; at < count; at++)
		factor[at] = value_of(m, m->run->items.column[from + at], item, weight_of(&m->run->items, from + at));
}

/* From sums to similarities; a product of tiny norms needs the range of a double. */
static void
score(const Memory *m, int64_t item, CrScored *entries, int64_t count)
{
	double		norm = m->norm[item];

	for (int64_t e = 0; e < count; e++)
	{
		double		other = m->norm[entries[e].item_no];
		double		sum = entries[e].score;
		double		scale = m->similarity == SIMILARITY_JACCARD ? norm + other - sum : norm * other;

		entries[e].score = (float) (sum / (scale + m->shrinkage));
	}
}

static void
find_neighbors(const Memory *m, int64_t from, int64_t to)
{
	CrCarver	scratch = {m->run->scratch, 0};
	CrCooccurrence product = {.users = &m->run->users, .items = &m->run->items, .factors = factors,
		.context = m};

	cr_cooccurrence_carve(&product, &scratch, m->run->shape.items);
	if (m->has_values)
		product.value = m->value;
	else if (m->similarity == SIMILARITY_COSINE)
		product.value = m->run->users.weight;
	for (int64_t item = from; item < to; item++)
	{
		int64_t		additions = m->cost[item + 1] - m->cost[item] - ROW_COST;
		int64_t		count = cr_cooccurrence_row(&product, item, additions);

		score(m, item, product.entries, count);
		count = cr_item_lists_keep(&m->lists, product.entries, count, product.counters);
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
		case STEP_NORMS:
			return cr_slices(run->shape.pairs, PAIRS_UNIT);
		case STEP_OFFSETS:
			return 1;
		case STEP_VALUES:
			return m.has_values ? cr_slices(run->shape.pairs, PAIRS_UNIT) : 0;
		case STEP_ROWS:
			return cr_slices(m.cost[run->shape.items], ADDITIONS_UNIT);
		default:
			return cr_item_lists_units(&m.lists, step - STEP_PUBLISH);
	}
}

/* The rows of a step's unit: items, but users where their values are computed. */
static void
rows_of(const Memory *m, int64_t step, int64_t unit, int64_t *from,
		int64_t *to)
{
	if (step == STEP_ROWS)
		cr_slice(m->cost, m->run->shape.items, ADDITIONS_UNIT, unit, from, to);
	else if (step == STEP_VALUES)
		cr_slice(m->run->users.start, m->run->shape.users, PAIRS_UNIT, unit, from, to);
	else
		cr_slice(m->run->items.start, m->run->shape.items, PAIRS_UNIT, unit, from, to);
}

static CrStatus
work(const CrTrainerRun *run, int32_t epoch, int64_t step, int64_t unit)
{
	Memory		m = memory_of(run);
	int64_t		from;
	int64_t		to;

	(void) epoch;
	if (step < STEP_PUBLISH)
		rows_of(&m, step, unit, &from, &to);
	switch (step)
	{
		case STEP_COSTS:
			measure_items(&m, from, to);
			break;
		case STEP_OFFSETS:
			scale_lengths(&m);
			break;
		case STEP_VALUES:
			compute_values(&m, from, to);
			break;
		case STEP_NORMS:
			return measure_norms(&m, from, to);
		case STEP_ROWS:
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
		.preset = 100, .offset = CR_OWN(Own, neighbors), .search = {20, 50, 100, 200, 500},
		.meaning = "number of most similar items that an item keeps"
	},
	{
		.name = "similarity", .type = CR_PARAMETER_CHOICE, .low = SIMILARITY_JACCARD,
		.high = SIMILARITY_BM25, .choices = {"jaccard", "cosine", "tfidf", "bm25"},
		.preset = SIMILARITY_TFIDF, .offset = CR_OWN(Own, similarity),
		.search = {SIMILARITY_COSINE, SIMILARITY_TFIDF, SIMILARITY_BM25},
		.meaning = "how alike the users of two items are; tfidf and bm25: the cosine of weighted users"
	},
	{
		.name = "shrinkage", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1e6,
		.preset = 20, .offset = CR_OWN(Own, shrinkage),
		.search_low = 1, .search_high = 500, .restrains = 1,
		.meaning = "added to the denominator, against similarities that few users support"
	},
	CR_PARAMETER_HALF_LIFE,
	CR_PARAMETER_POPULARITY_WEIGHT,
	CR_PARAMETER_POPULARITY_HALF_LIFE,
	CR_PARAMETER_MIN_ITEM_USERS,
	CR_PARAMETER_MIN_USER_ITEMS
};

static double
cost(const CrHyperparameters *used, int64_t users, int64_t items, int64_t pairs)
{
	(void) used;
	return cr_cooccurrence_seconds(users, items, pairs);
}

const CrAlgorithm cr_item_knn_algorithm = {
	.name = "item_knn",
	.meaning = "items by similarity to those that the user has",
	.scorer = CR_SCORER_LISTS,
	.fold = CR_FOLD_NONE,
	.trainer = &trainer,
	CR_PARAMETERS_OF(parameters),
	.cost = cost
};
