/*
 * ease.c
 *		EASE: the linear item-item model with zero diagonal, in closed form.
 *
 *	P = (X'X + regularization I)^-1,  W_ij = -P_ij / P_jj,  W_jj = 0
 * with X the confidences (Steck 2019).  Item j keeps the "neighbors" items i
 * with the largest |W_ij|: the model is only as good as both what speaks for an
 * item and what speaks against it.
 *
 * The matrix is symmetric: its lower half is kept, in square tiles of
 * TILE x TILE floats, row by row of tiles, the last ones filled up by items
 * without users.  It is inverted in place by sweeps of the symmetric sweep operator
 * over tiles (Goodnight 1979), which ask for the same work at every step, n^3
 * operations in all, nearly all of them in sgemm:
 *	D = (A_KK + regularization)^-1	in double, one unit
 *	C_i = A_iK, V_i = C_i D			for all i
 *	A_ij -= V_i C_j'				for i >= j, neither being K
 *	A_iK = V_i, A_KK = -D
 * After all K, A is -(A^-1).
 *
 * Steps: the costs of the rows of X'X; prefix sums; the rows; three steps for
 * each K; the neighbours; publishing (core/item_lists.h).
 */
#include <math.h>
#include <string.h>

#include <cblas.h>
#include <lapacke.h>

#include "core/cooccurrence.h"
#include "core/item_lists.h"
#include "core/trainer.h"

#define TILE			256
#define TARGETS_UNIT	16		/* items whose neighbours are found together: a cache line of a tile */
#define PAIRS_UNIT		(INT64_C(1) << 18)	/* pairs of a preparing unit */
#define ADDITIONS_UNIT	(INT64_C(1) << 20)	/* additions of a unit of rows of X'X */

_Static_assert(TILE % TARGETS_UNIT == 0, "the targets of a unit are in one tile");

typedef struct Own
{
	double		neighbors;
} Own;

enum
{
	STEP_COSTS,
	STEP_OFFSETS,
	STEP_GRAM,
	STEP_SWEEPS
};

enum
{
	SWEEP_PIVOT,
	SWEEP_PANEL,
	SWEEP_UPDATE,
	SWEEP_STEPS
};

/* A participant's view of the shared block. */
typedef struct Memory
{
	const CrTrainerRun *run;
	int64_t		items;
	int64_t		tiles;			/* rows of tiles */
	CrItemLists lists;
	int64_t    *cost;			/* items + 1 */
	float	   *matrix;			/* lower tiles */
	float	   *pivot;			/* D: one tile */
	float	   *column;			/* C: tiles */
	float	   *panel;			/* V: tiles */
} Memory;

/* A participant's scratch; the parts are used one after the other. */
typedef struct Scratch
{
	CrCooccurrence product;
	double	   *pivot;			/* one tile */
	float	   *rows;			/* TARGETS_UNIT x items */
} Scratch;

static Memory
carve(const CrTrainerShape *shape, CrCarver *shared)
{
	const Own  *own = CR_OWN_OF(Own, shape->used);
	size_t		tile = (size_t) TILE * TILE * sizeof(float);
	uint64_t	tiles;
	Memory		m;

	m.run = NULL;
	m.items = shape->items;
	m.tiles = cr_slices(shape->items, TILE);
	tiles = (uint64_t) m.tiles;
	cr_item_lists_carve(&m.lists, CR_OWNER_IS_TARGET, shape->items, (int64_t) own->neighbors, shared);
	m.cost = cr_carve(shared, (uint64_t) shape->items + 1, sizeof(int64_t));
	m.matrix = cr_carve(shared, tiles * (tiles + 1) / 2, tile);
	m.pivot = cr_carve(shared, 1, tile);
	m.column = cr_carve(shared, tiles, tile);
	m.panel = cr_carve(shared, tiles, tile);
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

static Scratch
carve_scratch(int64_t items, CrCarver *scratch)
{
	Scratch		s;

	memset(&s, 0, sizeof(s));
	cr_cooccurrence_carve(&s.product, scratch, items);
	s.pivot = cr_carve(scratch, TILE * TILE, sizeof(double));
	s.rows = cr_carve(scratch, (uint64_t) items * TARGETS_UNIT, sizeof(float));
	return s;
}

static Scratch
scratch_of(const CrTrainerRun *run)
{
	CrCarver	scratch = {run->scratch, 0};

	return carve_scratch(run->shape.items, &scratch);
}

static CrStatus
plan(const CrTrainerShape *shape, CrTrainerPlan *plan)
{
	CrCarver	shared = {NULL, 0};
	CrCarver	scratch = {NULL, 0};
	Memory		m = carve(shape, &shared);

	(void) carve_scratch(shape->items, &scratch);
	plan->shared = shared.used;
	plan->scratch = scratch.used;
	plan->epochs = 1;
	plan->steps = STEP_SWEEPS + SWEEP_STEPS * m.tiles + 1 + CR_ITEM_LISTS_STEPS;
	return CR_OK;
}

/* Tile (i, j) of the lower half. */
static float *
tile_at(const Memory *m, int64_t i, int64_t j)
{
	return m->matrix + (size_t) (i * (i + 1) / 2 + j) * TILE * TILE;
}

/* Row "item" of X'X up to the diagonal. */
static void
store_row(const Memory *m, int64_t item, const CrCooccurrence *product)
{
	int64_t		i = item / TILE;
	size_t		row = (size_t) (item % TILE) * TILE;

	for (int64_t j = 0; j <= i; j++)
	{
		int64_t		left = item + 1 - j * TILE;

		memcpy(tile_at(m, i, j) + row, product->sum + j * TILE,
			   (size_t) (left < TILE ? left : TILE) * sizeof(float));
	}
	memset(product->sum, 0, (size_t) m->items * sizeof(float));
}

static void
factors(const void *context, int64_t item, int64_t from, int32_t count, float *factor)
{
	const CrCsr *items = context;

	(void) item;
	memcpy(factor, items->weight + from, (size_t) count * sizeof(float));
}

static void
fill_rows(const Memory *m, int64_t from, int64_t to)
{
	CrCooccurrence product = scratch_of(m->run).product;

	product.users = &m->run->users;
	product.items = &m->run->items;
	product.value = m->run->users.weight;
	if (m->run->items.weight != NULL)
		product.factors = factors;
	product.context = &m->run->items;
	for (int64_t item = from; item < to; item++)
	{
		cr_cooccurrence_sums(&product, item);
		store_row(m, item, &product);
	}
}

/*
 * D, from the lower half of the pivot's tile.  The regularization joins the
 * diagonal only here, where nobody has read it yet: in double, and behind the
 * last item as well.  Positive definite but for overflow or rounding.
 */
static CrStatus
invert_pivot(const Memory *m, int64_t k)
{
	const float *tile = tile_at(m, k, k);
	double	   *pivot = scratch_of(m->run).pivot;

	for (size_t at = 0; at < TILE * TILE; at++)
	{
		if (!isfinite(tile[at]))
			return CR_NOT_FINITE;
		pivot[at] = tile[at];
		if (at % (TILE + 1) == 0)
			pivot[at] += m->run->shape.used->regularization;
	}
	/* Its rows are LAPACK's columns, so that its lower half is LAPACK's upper one. */
	if (LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', TILE, pivot, TILE) != 0 ||
		LAPACKE_dpotri_work(LAPACK_COL_MAJOR, 'U', TILE, pivot, TILE) != 0)
		return CR_SINGULAR;
	for (size_t row = 0; row < TILE; row++)
	{
		for (size_t column = 0; column <= row; column++)
		{
			m->pivot[row * TILE + column] = (float) pivot[row * TILE + column];
			m->pivot[column * TILE + row] = (float) pivot[row * TILE + column];
		}
	}
	return CR_OK;
}

static void
transpose_tile(const float *in, float *out)
{
	for (size_t row = 0; row < TILE; row++)
	{
		for (size_t column = 0; column < TILE; column++)
			out[column * TILE + row] = in[row * TILE + column];
	}
}

/* C_i and V_i. */
static void
compute_panel(const Memory *m, int64_t k, int64_t i)
{
	float	   *c = m->column + (size_t) i * TILE * TILE;

	if (i < k)
		transpose_tile(tile_at(m, k, i), c);
	else
		memcpy(c, tile_at(m, i, k), (size_t) TILE * TILE * sizeof(float));
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, TILE, TILE, TILE, 1.0f, c, TILE,
				m->pivot, TILE, 0.0f, m->panel + (size_t) i * TILE * TILE, TILE);
}

static void
update_tile(const Memory *m, int64_t k, int64_t i, int64_t j)
{
	float	   *tile = tile_at(m, i, j);
	const float *v = m->panel + (size_t) (i == k ? j : i) * TILE * TILE;

	if (i == k && j == k)
	{
		for (size_t at = 0; at < TILE * TILE; at++)
			tile[at] = -m->pivot[at];
	}
	else if (i == k)
		transpose_tile(v, tile);
	else if (j == k)
		memcpy(tile, v, (size_t) TILE * TILE * sizeof(float));
	else
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, TILE, TILE, TILE, -1.0f, v, TILE,
					m->column + (size_t) j * TILE * TILE, TILE, 1.0f, tile, TILE);
}

static CrStatus
sweep(const Memory *m, int64_t step, int64_t unit)
{
	int64_t		k = step / SWEEP_STEPS;
	int64_t		i;

	switch (step % SWEEP_STEPS)
	{
		case SWEEP_PIVOT:
			return invert_pivot(m, k);
		case SWEEP_PANEL:
			if (unit != k)
				compute_panel(m, k, unit);
			return CR_OK;
		default:
			i = (int64_t) ((sqrt(8.0 * (double) unit + 1.0) - 1.0) / 2.0);
			while (i * (i + 1) / 2 > unit)
				i--;
			while ((i + 1) * (i + 2) / 2 <= unit)
				i++;
			update_tile(m, k, i, unit - i * (i + 1) / 2);
			return CR_OK;
	}
}

/* Rows "first" .. of A over all items, from tiles on both sides of the diagonal. */
static void
gather_rows(const Memory *m, int64_t first, int64_t count, float *rows)
{
	int64_t		k = first / TILE;
	size_t		within = (size_t) (first % TILE);

	for (int64_t item = 0; item < m->items; item++)
	{
		int64_t		i = item / TILE;
		size_t		place = (size_t) (item % TILE);
		const float *tile = i <= k ? tile_at(m, k, i) : tile_at(m, i, k);

		for (int64_t t = 0; t < count; t++)
			rows[t * m->items + item] = i <= k ? tile[(within + (size_t) t) * TILE + place] :
				tile[place * TILE + within + (size_t) t];
	}
}

/* W_.j from A_j., which is -P_j.: the diagonal and exact zeros are left out. */
static int64_t
collect_weights(int64_t items, int64_t j, const float *row, CrScored *entries)
{
	int64_t		count = 0;

	for (int64_t item = 0; item < items; item++)
	{
		entries[count].score = fabsf(row[item]);
		entries[count].item_no = (int32_t) item;
		count += item != j && row[item] != 0.0f;
	}
	return count;
}

static CrStatus
find_neighbors(const Memory *m, int64_t first)
{
	Scratch		s = scratch_of(m->run);
	int64_t		targets = m->items - first < TARGETS_UNIT ? m->items - first : TARGETS_UNIT;

	gather_rows(m, first, targets, s.rows);
	for (int64_t j = first; j < first + targets; j++)
	{
		const float *row = s.rows + (j - first) * m->items;
		int64_t		count = collect_weights(m->items, j, row, s.product.entries);

		count = cr_item_lists_keep(&m->lists, s.product.entries, count, s.product.counters);
		for (int64_t e = 0; e < count; e++)
		{
			s.product.entries[e].score = -row[s.product.entries[e].item_no] / row[j];
			if (!isfinite(s.product.entries[e].score))
				return CR_NOT_FINITE;
		}
		cr_item_lists_put(&m->lists, j, s.product.entries, count);
	}
	return CR_OK;
}

static int64_t
units(const CrTrainerRun *run, int32_t epoch, int64_t step)
{
	Memory		m = memory_of(run);
	int64_t		last = STEP_SWEEPS + SWEEP_STEPS * m.tiles;

	(void) epoch;
	if (step == STEP_COSTS)
		return cr_slices(run->shape.pairs, PAIRS_UNIT);
	if (step == STEP_OFFSETS)
		return 1;
	if (step == STEP_GRAM)
		return cr_slices(m.cost[m.items], ADDITIONS_UNIT);
	if (step < last)
	{
		switch ((step - STEP_SWEEPS) % SWEEP_STEPS)
		{
			case SWEEP_PIVOT:
				return 1;
			case SWEEP_PANEL:
				return m.tiles;
			default:
				return m.tiles * (m.tiles + 1) / 2;
		}
	}
	return step == last ? cr_slices(m.items, TARGETS_UNIT) :
		cr_item_lists_units(&m.lists, step - last - 1);
}

static CrStatus
work(const CrTrainerRun *run, int32_t epoch, int64_t step, int64_t unit)
{
	Memory		m = memory_of(run);
	int64_t		last = STEP_SWEEPS + SWEEP_STEPS * m.tiles;
	int64_t		from;
	int64_t		to;

	(void) epoch;
	switch (step)
	{
		case STEP_COSTS:
			cr_slice(run->items.start, m.items, PAIRS_UNIT, unit, &from, &to);
			cr_cooccurrence_cost(&run->users, &run->items, m.items, m.cost, from, to);
			return CR_OK;
		case STEP_OFFSETS:
			cr_prefix_sums(m.cost, m.items);
			return CR_OK;
		case STEP_GRAM:
			cr_slice(m.cost, m.items, ADDITIONS_UNIT, unit, &from, &to);
			fill_rows(&m, from, to);
			return CR_OK;
		default:
			if (step < last)
				return sweep(&m, step - STEP_SWEEPS, unit);
			if (step == last)
				return find_neighbors(&m, unit * TARGETS_UNIT);
			cr_item_lists_publish(&m.lists, step - last - 1, unit);
			return CR_OK;
	}
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
	.cheaper = "Raise min_item_users so that fewer items take part, or use item_knn."
};

static const CrParameter parameters[] = {
	{
		.name = "regularization", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1e9,
		.low_excluded = 1, .from_data = 1, .preset = NAN, .offset = CR_COMMON(regularization),
		.search_spread = 10, .restrains = 1,
		.meaning = "penalty on large weights; where confidences are 1, in users that two items share"
	},
	{
		.name = "neighbors", .type = CR_PARAMETER_INTEGER, .low = 1, .high = CR_ITEM_LISTS_WIDTH_MAX,
		.preset = 1000, .offset = CR_OWN(Own, neighbors),
		.meaning = "number of items with the largest weights that an item keeps"
	},
	CR_PARAMETER_HALF_LIFE,
	CR_PARAMETER_POPULARITY_WEIGHT,
	CR_PARAMETER_POPULARITY_HALF_LIFE,
	CR_PARAMETER_MIN_ITEM_USERS,
	CR_PARAMETER_MIN_USER_ITEMS
};

/*
 * Five times the items of a user, doc/algorithms.md has the figures: the more
 * of them, the more pairs of items are shared by chance.
 */
static void
defaults_from_shape(CrHyperparameters *used, int64_t users, int64_t items, int64_t pairs)
{
	(void) items;
	if (isnan(used->regularization))
		used->regularization = users > 0 ? fmin(fmax(5.0 * (double) pairs / (double) users, 5.0), 1e4) : 5.0;
}

/* The sweeps at some 80 operations a nanosecond, and the rows. */
static double
cost(const CrHyperparameters *used, int64_t users, int64_t items, int64_t pairs)
{
	double		n = (double) items;

	(void) used;
	return n * n * n / 8e10 + cr_cooccurrence_seconds(users, items, pairs);
}

const CrAlgorithm cr_ease_algorithm = {
	.name = "ease",
	.meaning = "linear item-item model in closed form, for catalogues of some ten thousand items",
	.scorer = CR_SCORER_LISTS,
	.fold = CR_FOLD_NONE,
	.trainer = &trainer,
	CR_PARAMETERS_OF(parameters),
	.defaults_from_shape = defaults_from_shape,
	.cost = cost
};
