/*
 * item_item.h
 *		What the tests of item-item trainers share: random communities, and lists against dense weights.
 */
#ifndef CR_ITEM_ITEM_H
#define CR_ITEM_ITEM_H

#include "core/csr.h"
#include "core/item_lists.h"
#include "core/rng.h"
#include "trainer_driver.h"
#include "unit.h"

/* Preferences both ways, and dense; every fifth item and seventh user has none. */
typedef struct Community
{
	int32_t		users;
	int32_t		items;
	CrCsr		by_user;
	CrCsr		by_item;
	double	   *dense;			/* users x items */
} Community;

static inline CrCsr
community_csr(int64_t rows, int64_t columns, int64_t pairs)
{
	CrCsr		csr;

	csr.rows = rows;
	csr.columns = columns;
	csr.start = unit_alloc(((size_t) rows + 1) * sizeof(int64_t));
	csr.column = unit_alloc((size_t) pairs * sizeof(int32_t));
	csr.weight = unit_alloc((size_t) pairs * sizeof(float));
	return csr;
}

/* Weights are 1, or "scale" times numbers within 0.1 .. 2.1. */
static inline Community
community_random(int32_t users, int32_t items, double density, double scale, uint64_t seed)
{
	Community	c = {users, items, community_csr(users, items, (int64_t) users * items),
		community_csr(items, users, (int64_t) users * items), NULL};
	int64_t    *start = (int64_t *) c.by_user.start;
	CrRng		rng;

	c.dense = unit_alloc((size_t) users * (size_t) items * sizeof(double));
	cr_rng_init(&rng, seed, 0);
	for (int32_t user = 0; user < users; user++)
	{
		start[user + 1] = start[user];
		for (int32_t item = 0; item < items; item++)
		{
			double		weight = scale > 0 ? scale * (0.1 + 2 * cr_rng_uniform(&rng)) : 1.0;

			if (cr_rng_uniform(&rng) >= density || user % 7 == 3 || item % 5 == 4)
				continue;
			((int32_t *) c.by_user.column)[start[user + 1]] = item;
			((float *) c.by_user.weight)[start[user + 1]++] = (float) weight;
			c.dense[(size_t) user * (size_t) items + (size_t) item] = (float) weight;
		}
	}
	cr_csr_transpose(&c.by_user, (int64_t *) c.by_item.start, (int32_t *) c.by_item.column,
					 (float *) c.by_item.weight);
	return c;
}

static inline void
community_free(Community *c)
{
	CrCsr	   *sides[] = {&c->by_user, &c->by_item};

	for (int s = 0; s < 2; s++)
	{
		free((void *) sides[s]->start);
		free((void *) sides[s]->column);
		free((void *) sides[s]->weight);
	}
	free(c->dense);
}

static inline double
community_at(const Community *c, int32_t user, int32_t item)
{
	return c->dense[(size_t) user * (size_t) c->items + (size_t) item];
}

/* Train on it, without weights if all of them are 1. */
static inline CrStatus
community_train(Training *t, const char *algorithm, const CrHyperparameters *used,
				const Community *c, int is_weighted, uint64_t seed)
{
	CrCsr		users = c->by_user;
	CrCsr		items = c->by_item;

	if (!is_weighted)
		users.weight = items.weight = NULL;
	training_begin(t, cr_algorithm_find(algorithm), used, &users, &items);
	return training_run(t, seed);
}

/* Set a hyperparameter by name. */
static inline void
set(CrHyperparameters *used, const char *algorithm, const char *name, double value)
{
	const CrParameter *parameter = cr_parameter_find(cr_algorithm_find(algorithm), name);

	CHECK(parameter != NULL && cr_parameter_allows(parameter, value));
	*(double *) ((char *) used + parameter->offset) = value;
}

/* The published lists as a dense matrix, NAN where there is no entry; checks their form. */
static inline double *
lists_dense(const CrCsr *lists, int32_t items)
{
	double	   *dense = unit_alloc((size_t) items * (size_t) items * sizeof(double));

	CHECK(lists->rows == items && lists->columns == items && lists->start[0] == 0);
	for (int64_t at = 0; at < (int64_t) items * items; at++)
		dense[at] = NAN;
	for (int32_t i = 0; i < items; i++)
	{
		for (int64_t e = lists->start[i]; e < lists->start[i + 1]; e++)
		{
			CHECK(lists->column[e] >= 0 && lists->column[e] < items && lists->column[e] != i);
			CHECK(e == lists->start[i] || lists->column[e] > lists->column[e - 1]);
			dense[(size_t) i * (size_t) items + (size_t) lists->column[e]] = lists->weight[e];
		}
	}
	return dense;
}

/*
 * Does every owner (a row of "want", or with by_target a column) keep its
 * "neighbors" largest nonzero weights by magnitude, and as they are, or with
 * is_normalized divided by the sum of those kept?
 */
static inline void
check_owner(const double *want, const double *got, int32_t items, size_t first, size_t stride,
			int32_t neighbors, int is_normalized)
{
	double		least = INFINITY;
	double		most = 0.0;
	double		sum = 0.0;
	int			kept = 0;
	int			possible = 0;

	for (int32_t n = 0; n < items; n++)
	{
		double		size = fabs(want[first + (size_t) n * stride]);

		possible += size > 0;
		if (isnan(got[first + (size_t) n * stride]))
		{
			most = fmax(most, size);
			continue;
		}
		kept++;
		least = fmin(least, size);
		sum += size;
	}
	CHECK(kept == (possible < neighbors ? possible : neighbors));
	CHECK(kept == 0 || least >= most * (1 - 1e-4));
	for (int32_t n = 0; n < items; n++)
	{
		double		expected = want[first + (size_t) n * stride] / (is_normalized ? sum : 1.0);

		if (!isnan(got[first + (size_t) n * stride]))
			CHECK_NEAR(got[first + (size_t) n * stride], expected, 1e-6 + 1e-4 * fabs(expected));
	}
}

static inline void
check_lists(const CrCsr *lists, const double *want, int32_t items, int by_target,
			int32_t neighbors, int is_normalized)
{
	double	   *got = lists_dense(lists, items);

	for (int32_t owner = 0; owner < items; owner++)
		check_owner(want, got, items, by_target ? (size_t) owner : (size_t) owner * (size_t) items,
					by_target ? (size_t) items : 1, neighbors, is_normalized);
	free(got);
}

/* The units' order does not matter, down to the bits. */
static inline void
check_any_order(const char *algorithm, const CrHyperparameters *used, const Community *c,
				int is_weighted)
{
	Training	first;

	CHECK(community_train(&first, algorithm, used, c, is_weighted, 0) == CR_OK);
	for (uint64_t seed = 1; seed <= 3; seed++)
	{
		const CrCsr *a = &first.trained.lists;
		const CrCsr *b;
		Training	other;

		CHECK(community_train(&other, algorithm, used, c, is_weighted, seed) == CR_OK);
		b = &other.trained.lists;
		CHECK(memcmp(a->start, b->start, ((size_t) c->items + 1) * sizeof(int64_t)) == 0);
		CHECK(memcmp(a->column, b->column, (size_t) a->start[c->items] * sizeof(int32_t)) == 0);
		CHECK(memcmp(a->weight, b->weight, (size_t) a->start[c->items] * sizeof(float)) == 0);
		training_end(&other);
	}
	training_end(&first);
}

/* Shapes of which there is little to learn: trained all the same, without any entry. */
static inline void
check_nothing_to_learn(const char *algorithm, const CrHyperparameters *used)
{
	static const struct
	{
		int32_t		users;
		int32_t		items;
		double		density;
	}			shapes[] = {{1, 1, 1.0}, {1, 1, 0.0}, {40, 1, 1.0}, {5, 30, 0.0}};

	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
	{
		Community	c = community_random(shapes[s].users, shapes[s].items, shapes[s].density, 0, 1);
		Training	t;

		CHECK(community_train(&t, algorithm, used, &c, 0, 0) == CR_OK);
		CHECK(t.trained.lists.start[c.items] == 0);
		training_end(&t);
		community_free(&c);
	}
}

/* What the plan asks for at least, of any size of catalogue; nothing is allocated. */
static inline void
check_plan_grows(const char *algorithm, const CrHyperparameters *used, double bytes_at_most_items)
{
	CrTrainerShape shape = {0};
	CrTrainerPlan plan;
	size_t		before = 0;

	shape.used = used;
	shape.is_weighted = 1;
	for (shape.items = 1; shape.items <= INT32_MAX; shape.items = 2 * shape.items + 1)
	{
		shape.users = shape.items;
		shape.pairs = 20 * shape.items;
		CHECK(cr_algorithm_find(algorithm)->trainer->plan(&shape, &plan) == CR_OK);
		CHECK(plan.shared > before);
		before = plan.shared;
	}
	CHECK((double) before >= bytes_at_most_items);
}

#endif							/* CR_ITEM_ITEM_H */
