/*
 * pure_svd.c
 *		The strongest directions of the preference matrix, by randomised singular value decomposition.
 *
 * PureSVD (Cremonesi, Koren & Turrin, RecSys 2010): R is users by items, c_ui
 * where there is a pair and 0 elsewhere; with V the k right singular vectors of
 * the largest singular values, user u is x_u = R_u V, and item j is V_j.  The
 * zeros stay implicit.  V comes from subspace iteration on a random start of a
 * few columns more (Halko, Martinsson & Tropp 2011, algorithm 4.4 on the
 * transpose): an epoch is V := orth(R' (R V)).
 *
 * Columns are made orthonormal by Cholesky's factor of their Gram matrix, which
 * is computed in double, twice in the end (Yamamoto et al. 2015); with pivots, so
 * that directions which the matrix does not have become zero columns.  The last
 * epoch goes on: the eigenvectors of (R V)'(R V) turn V so that its first k
 * columns are the singular vectors, and x_u = R_u V is computed once more.
 *
 * The products with R go over users for R V and over items for R'(R V), so that
 * each row is written by one unit.  Units are stretches of the same work, which
 * may begin and end within a row: what a unit adds to a row that another one
 * began is kept apart, and joined in the order of units by a step of its own.
 * Gram matrices are added up in a fixed number of parts, in order.
 */
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "core/ials.h"
#include "core/layout.h"
#include "core/pure_svd_kernels.h"
#include "core/rng.h"
#include "core/trainer.h"

#define UNIT_FLOATS		(4 << 20)	/* pairs times stride of a unit of a product, some milliseconds */
#define GRAM_PARTS		16		/* sums of a Gram matrix, and units of its steps */
#define GRAM_FLOPS		(INT64_C(1) << 27)	/* of a unit over rows, some milliseconds */
#define PANEL_ROWS		128		/* that are taken to double, or copied, at a time */
#define NO_DIRECTION	1e-12	/* of the largest square: what is left is rounding */
#define STRETCH			256		/* pairs that are summed up before they are added to others */
#define LAPACK_BLOCK	64		/* columns that LAPACK's workspaces have room for */

typedef struct PureSvdHyperparameters
{
	double		iterations;
	double		oversampling;
} PureSvdHyperparameters;

/* What is done in the steps of an epoch, in this order. */
typedef enum Kind
{
	KIND_START,					/* random columns, in the first epoch */
	KIND_USERS,					/* R V */
	KIND_USERS_JOIN,
	KIND_ITEMS,					/* V := R' (R V) */
	KIND_ITEMS_JOIN,
	KIND_GRAM_ITEMS,			/* V'V; many steps */
	KIND_ORTHONORMAL,			/* the matrix that makes V orthonormal */
	KIND_TURN_ITEMS,			/* V := V times the matrix */
	KIND_GRAM_USERS,			/* (R V)'(R V); many steps */
	KIND_TRIDIAGONAL,			/* its eigenvectors: dsytrd, */
	KIND_EIGENVECTORS,			/* dstemr, */
	KIND_BACK,					/* dormtr */
	KIND_CHECK					/* is all finite? */
} Kind;

typedef struct Phase
{
	Kind		kind;
	int			is_last_only;	/* only in the last epoch */
} Phase;

static const Phase phases[] = {
	{KIND_START, 0},
	{KIND_USERS, 0}, {KIND_USERS_JOIN, 0}, {KIND_ITEMS, 0}, {KIND_ITEMS_JOIN, 0},
	{KIND_GRAM_ITEMS, 0}, {KIND_ORTHONORMAL, 0}, {KIND_TURN_ITEMS, 0},
	{KIND_GRAM_ITEMS, 1}, {KIND_ORTHONORMAL, 1}, {KIND_TURN_ITEMS, 1},
	{KIND_USERS, 1}, {KIND_USERS_JOIN, 1},
	{KIND_GRAM_USERS, 1}, {KIND_TRIDIAGONAL, 1}, {KIND_EIGENVECTORS, 1}, {KIND_BACK, 1},
	{KIND_TURN_ITEMS, 1},
	{KIND_USERS, 1}, {KIND_USERS_JOIN, 1}, {KIND_CHECK, 1}
};

#define PHASES	((int) (sizeof(phases) / sizeof(phases[0])))

typedef struct Layout
{
	int32_t		factors;		/* k */
	int32_t		columns;		/* k and the oversampling, at most users and items */
	int32_t		stride;
	int64_t		ticks;			/* pairs and rows that a unit of a product goes over */
	int64_t		rows;			/* that any other unit goes over */
	int64_t		user_units;		/* of products */
	int64_t		item_units;
	int64_t		user_gram_steps;
	int64_t		item_gram_steps;
	size_t		user_factors;	/* R V */
	size_t		item_factors;	/* V */
	size_t		heads;			/* a row for each unit of a product: what it adds to one begun before */
	size_t		parts;			/* GRAM_PARTS matrices of columns * columns doubles, column-major */
	size_t		square;			/* such a matrix: the Gram matrix, then what LAPACK makes of it */
	size_t		vectors;		/* eigenvectors, in columns */
	size_t		turn;			/* columns * columns floats, row-major: what V is multiplied by */
	size_t		diagonal;		/* columns doubles each */
	size_t		beside;
	size_t		reflections;
	size_t		values;
	size_t		work;			/* for LAPACK: columns * LAPACK_BLOCK doubles */
	size_t		integers;		/* 12 * columns */
	size_t		shared;			/* bytes of all */
} Layout;

static void
lay_out_shared(const CrTrainerShape *shape, Layout *layout)
{
	int64_t		n = layout->columns;
	size_t		row = (size_t) layout->stride * sizeof(float);
	int64_t		units = layout->user_units > layout->item_units ? layout->user_units : layout->item_units;
	size_t		end = 0;

	layout->user_factors = cr_lay(&end, shape->users, row);
	layout->item_factors = cr_lay(&end, shape->items, row);
	layout->heads = cr_lay(&end, units, row);
	layout->parts = cr_lay(&end, GRAM_PARTS * n * n, sizeof(double));
	layout->square = cr_lay(&end, n * n, sizeof(double));
	layout->vectors = cr_lay(&end, n * n, sizeof(double));
	layout->turn = cr_lay(&end, n * n, sizeof(float));
	layout->diagonal = cr_lay(&end, n, sizeof(double));
	layout->beside = cr_lay(&end, n, sizeof(double));
	layout->reflections = cr_lay(&end, n, sizeof(double));
	layout->values = cr_lay(&end, n, sizeof(double));
	layout->work = cr_lay(&end, n * LAPACK_BLOCK, sizeof(double));
	layout->integers = cr_lay(&end, 12 * n, sizeof(lapack_int));
	layout->shared = end;
}

static Layout
lay_out(const CrTrainerShape *shape)
{
	const PureSvdHyperparameters *own = CR_OWN_OF(PureSvdHyperparameters, shape->used);
	Layout		layout;
	int64_t		columns;

	layout.factors = (int32_t) shape->used->factors;
	columns = layout.factors + (int64_t) own->oversampling;
	columns = cr_smaller(columns, cr_smaller(shape->users, shape->items));
	layout.columns = (int32_t) columns;
	layout.stride = cr_factor_stride(layout.columns > layout.factors ? layout.columns : layout.factors);
	layout.ticks = UNIT_FLOATS / layout.stride;
	layout.rows = GRAM_FLOPS / (2 * columns * columns + 64 * layout.stride) + 1;
	layout.user_units = cr_ceiling(shape->users + shape->pairs, layout.ticks);
	layout.item_units = cr_ceiling(shape->items + shape->pairs, layout.ticks);
	layout.user_gram_steps = cr_ceiling(shape->users, layout.rows * GRAM_PARTS);
	layout.item_gram_steps = cr_ceiling(shape->items, layout.rows * GRAM_PARTS);
	lay_out_shared(shape, &layout);
	return layout;
}

/* Steps of a phase. */
static int64_t
phase_steps(const Layout *layout, const Phase *phase)
{
	return phase->kind == KIND_GRAM_USERS ? layout->user_gram_steps :
		phase->kind == KIND_GRAM_ITEMS ? layout->item_gram_steps : 1;
}

static int
svd_phase(const Layout *layout, int64_t *step)
{
	int			phase = 0;

	while (*step >= phase_steps(layout, &phases[phase]))
		*step -= phase_steps(layout, &phases[phase++]);
	return phase;
}

static CrStatus
svd_plan(const CrTrainerShape *shape, CrTrainerPlan *plan)
{
	const PureSvdHyperparameters *own = CR_OWN_OF(PureSvdHyperparameters, shape->used);
	Layout		layout;

	if (shape->users < 1 || shape->items < 1 || shape->pairs < 1)
		return CR_INVALID_ARGUMENT;
	layout = lay_out(shape);
	plan->shared = layout.shared;
	plan->scratch = PANEL_ROWS * (size_t) layout.stride * sizeof(double);
	plan->epochs = (int32_t) own->iterations;
	plan->steps = 0;
	for (int phase = 0; phase < PHASES; phase++)
		plan->steps += phase_steps(&layout, &phases[phase]);
	return CR_OK;
}

static void *
shared_at(const CrTrainerRun *run, size_t offset)
{
	return (char *) run->shared + offset;
}

static int64_t
svd_units(const CrTrainerRun *run, int32_t epoch, int64_t step)
{
	Layout		layout = lay_out(&run->shape);
	const Phase *phase = &phases[svd_phase(&layout, &step)];
	int32_t		iterations = (int32_t) CR_OWN_OF(PureSvdHyperparameters, run->shape.used)->iterations;

	if (phase->is_last_only && epoch < iterations - 1)
		return 0;
	switch (phase->kind)
	{
		case KIND_START:
			return epoch == 0 ? cr_ceiling(run->shape.items, layout.rows) : 0;
		case KIND_USERS:
			return layout.user_units;
		case KIND_ITEMS:
			return layout.item_units;
		case KIND_GRAM_USERS:
		case KIND_GRAM_ITEMS:
			return GRAM_PARTS;
		case KIND_TURN_ITEMS:
			return cr_ceiling(run->shape.items, layout.rows);
		case KIND_CHECK:
			return cr_ceiling(run->shape.users + run->shape.items, layout.rows);
		default:
			return 1;
	}
}

/* Rows of one item each, random but for the padding. */
static void
start_items(const CrTrainerRun *run, const Layout *layout, int64_t unit)
{
	float	   *factors = shared_at(run, layout->item_factors);
	int64_t		end = cr_smaller((unit + 1) * layout->rows, run->shape.items);

	for (int64_t item = unit * layout->rows; item < end; item++)
	{
		CrRng		rng;

		cr_rng_init(&rng, (uint64_t) run->shape.used->seed, (uint64_t) item);
		cr_rng_normal(&rng, 1, factors + (size_t) item * (size_t) layout->stride,
					  (size_t) layout->columns);
	}
}

static const CrPureSvdKernels *
kernels_of(CrSimd simd)
{
	switch (simd)
	{
		case CR_SIMD_AVX512:
			return &cr_pure_svd_kernels_avx512;
		case CR_SIMD_AVX2:
			return &cr_pure_svd_kernels_avx2;
		case CR_SIMD_PORTABLE:
			break;
	}
	return &cr_pure_svd_kernels_portable;
}

/*
 * Rows and pairs in one line: row r is at tick start[r] + r, its pairs follow.
 * The row that a tick falls into.
 */
static int64_t
row_at(const CrCsr *csr, int64_t tick)
{
	int64_t		low = 0;
	int64_t		high = csr->rows;

	while (high - low > 1)
	{
		int64_t		middle = low + (high - low) / 2;

		if (csr->start[middle] + middle <= tick)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/*
 * sum := the pairs of [from, to) times the rows of "in".  Long rows are summed up
 * in stretches first: errors of the sum of all would grow with its length.
 */
static void
sum_row(const CrTrainerRun *run, const Layout *layout, const CrCsr *csr, const float *in,
		int64_t from, int64_t to, float *sum)
{
	const CrPureSvdKernels *kernels = kernels_of(run->shape.simd);
	size_t		stride = (size_t) layout->stride;
	int64_t		end = cr_smaller(csr->start[csr->rows], from + layout->ticks);
	float	   *part = run->scratch;

	memset(sum, 0, stride * sizeof(float));
	if (to - from <= STRETCH)
	{
		kernels->add_rows(in, layout->stride, csr->column, csr->weight, from, to, end, sum);
		return;
	}
	while (from < to)
	{
		int64_t		next = cr_smaller(from + STRETCH, to);

		memset(part, 0, stride * sizeof(float));
		kernels->add_rows(in, layout->stride, csr->column, csr->weight, from, next, end, part);
		for (size_t f = 0; f < stride; f++)
			sum[f] += part[f];
		from = next;
	}
}

/* A unit's part of out := csr times in. */
static void
multiply(const CrTrainerRun *run, const Layout *layout, const CrCsr *csr, const float *in,
		 float *out, int64_t unit)
{
	size_t		stride = (size_t) layout->stride;
	float	   *head = (float *) shared_at(run, layout->heads) + (size_t) unit * stride;
	int64_t		pairs = csr->start[csr->rows];
	int64_t		from = unit * layout->ticks;
	int64_t		to = cr_smaller(from + layout->ticks, pairs + csr->rows);

	for (int64_t row = row_at(csr, from); row < csr->rows && csr->start[row] + row < to; row++)
	{
		int			is_begun_here = csr->start[row] + row >= from;
		float	   *sum = is_begun_here ? out + (size_t) row * stride : head;
		int64_t		first = is_begun_here ? csr->start[row] : from - row - 1;
		int64_t		last = cr_smaller(csr->start[row + 1], to - row - 1);

		sum_row(run, layout, csr, in, first, last, sum);
	}
}

/* Add what units have for rows that were begun by units before them. */
static void
join(const CrTrainerRun *run, const Layout *layout, const CrCsr *csr, float *out, int64_t units)
{
	size_t		stride = (size_t) layout->stride;
	const float *heads = shared_at(run, layout->heads);

	for (int64_t unit = 1; unit < units; unit++)
	{
		int64_t		from = unit * layout->ticks;
		int64_t		row = row_at(csr, from);
		float	   *sum = out + (size_t) row * stride;

		if (csr->start[row] + row == from)
			continue;
		for (size_t f = 0; f < stride; f++)
			sum[f] += heads[(size_t) unit * stride + f];
	}
}

/* Add a unit's rows to its part of the Gram matrix, lower triangle. */
static void
add_gram(const CrTrainerRun *run, const Layout *layout, const float *factors, int64_t rows,
		 int64_t step, int64_t part)
{
	int32_t		n = layout->columns;
	double	   *sum = (double *) shared_at(run, layout->parts) + (size_t) part * (size_t) n * (size_t) n;
	double	   *panel = run->scratch;
	int64_t		row = cr_smaller((step * GRAM_PARTS + part) * layout->rows, rows);
	int64_t		end = cr_smaller(row + layout->rows, rows);

	if (step == 0)
		memset(sum, 0, (size_t) n * (size_t) n * sizeof(double));
	while (row < end)
	{
		int64_t		count = cr_smaller(end - row, PANEL_ROWS);

		for (int64_t r = 0; r < count; r++, row++)
		{
			for (int32_t f = 0; f < n; f++)
				panel[r * n + f] = factors[(size_t) row * (size_t) layout->stride + (size_t) f];
		}
		cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, n, (int) count, 1, panel, n, 1, sum, n);
	}
}

/* The parts of the Gram matrix together, in order; CR_NOT_FINITE if something has overflowed. */
static CrStatus
sum_gram(const CrTrainerRun *run, const Layout *layout)
{
	size_t		n = (size_t) layout->columns;
	const double *parts = shared_at(run, layout->parts);
	double	   *square = shared_at(run, layout->square);
	int			is_finite = 1;

	memcpy(square, parts, n * n * sizeof(double));
	for (size_t part = 1; part < GRAM_PARTS; part++)
	{
		for (size_t i = 0; i < n * n; i++)
			square[i] += parts[part * n * n + i];
	}
	for (size_t i = 0; i < n; i++)
		is_finite &= isfinite(square[i * n + i]) != 0;
	return is_finite ? CR_OK : CR_NOT_FINITE;
}

/*
 * With P the permutation of the pivots and L the Cholesky factor, V P L'^-1 is
 * orthonormal.  Columns past the rank become zero.
 */
static CrStatus
make_orthonormal(const CrTrainerRun *run, const Layout *layout)
{
	int32_t		n = layout->columns;
	double	   *square = shared_at(run, layout->square);
	float	   *turn = shared_at(run, layout->turn);
	lapack_int *pivot = shared_at(run, layout->integers);
	lapack_int	rank;
	double		largest = 0;

	if (sum_gram(run, layout) != CR_OK)
		return CR_NOT_FINITE;
	for (int32_t i = 0; i < n; i++)
		largest = fmax(largest, square[(size_t) i * n + i]);
	memset(turn, 0, (size_t) n * (size_t) n * sizeof(float));
	if (largest == 0)
		return CR_OK;
	LAPACKE_dpstrf_work(LAPACK_COL_MAJOR, 'L', n, square, n, pivot, &rank, NO_DIRECTION * largest,
						shared_at(run, layout->work));
	if (LAPACKE_dtrtri_work(LAPACK_COL_MAJOR, 'L', 'N', rank, square, n) != 0)
		return CR_SINGULAR;
	for (int32_t i = 0; i < rank; i++)
	{
		for (int32_t column = i; column < rank; column++)
			turn[(size_t) (pivot[i] - 1) * n + column] = (float) square[(size_t) i * n + column];
	}
	return CR_OK;
}

static CrStatus
make_tridiagonal(const CrTrainerRun *run, const Layout *layout)
{
	int32_t		n = layout->columns;

	if (sum_gram(run, layout) != CR_OK)
		return CR_NOT_FINITE;
	return LAPACKE_dsytrd_work(LAPACK_COL_MAJOR, 'L', n, shared_at(run, layout->square), n,
							   shared_at(run, layout->diagonal), shared_at(run, layout->beside),
							   shared_at(run, layout->reflections), shared_at(run, layout->work),
							   n * LAPACK_BLOCK) == 0 ? CR_OK : CR_NOT_FINITE;
}

/* Of the tridiagonal matrix; eigenvalues ascend. */
static CrStatus
find_eigenvectors(const CrTrainerRun *run, const Layout *layout)
{
	int32_t		n = layout->columns;
	lapack_int *integers = shared_at(run, layout->integers);
	lapack_int	found;
	lapack_logical wants_accuracy = 1;

	return LAPACKE_dstemr_work(LAPACK_COL_MAJOR, 'V', 'A', n, shared_at(run, layout->diagonal),
							   shared_at(run, layout->beside), 0, 0, 0, 0, &found,
							   shared_at(run, layout->values), shared_at(run, layout->vectors), n, n,
							   integers, &wants_accuracy, shared_at(run, layout->work),
							   n * LAPACK_BLOCK, integers + 2 * n, 10 * n) == 0 ? CR_OK : CR_NOT_FINITE;
}

/* Eigenvectors of the Gram matrix itself; the first columns are those of the largest values. */
static CrStatus
turn_back(const CrTrainerRun *run, const Layout *layout)
{
	int32_t		n = layout->columns;
	const double *vectors = shared_at(run, layout->vectors);
	float	   *turn = shared_at(run, layout->turn);

	if (LAPACKE_dormtr_work(LAPACK_COL_MAJOR, 'L', 'L', 'N', n, n, shared_at(run, layout->square), n,
							shared_at(run, layout->reflections), shared_at(run, layout->vectors), n,
							shared_at(run, layout->work), n * LAPACK_BLOCK) != 0)
		return CR_NOT_FINITE;
	memset(turn, 0, (size_t) n * (size_t) n * sizeof(float));
	for (int32_t column = 0; column < n && column < layout->factors; column++)
	{
		for (int32_t row = 0; row < n; row++)
			turn[(size_t) row * n + column] = (float) vectors[(size_t) (n - 1 - column) * n + row];
	}
	return CR_OK;
}

/* A unit's rows of V times the matrix. */
static void
turn_items(const CrTrainerRun *run, const Layout *layout, int64_t unit)
{
	int32_t		n = layout->columns;
	float	   *factors = shared_at(run, layout->item_factors);
	int64_t		end = cr_smaller((unit + 1) * layout->rows, run->shape.items);
	int64_t		count;

	for (int64_t item = unit * layout->rows; item < end; item += count)
	{
		float	   *rows = factors + (size_t) item * (size_t) layout->stride;

		count = cr_smaller(end - item, PANEL_ROWS);
		memcpy(run->scratch, rows, (size_t) count * (size_t) layout->stride * sizeof(float));
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int) count, n, n, 1, run->scratch,
					layout->stride, shared_at(run, layout->turn), n, 0, rows, layout->stride);
	}
}

/* Users come first. */
static CrStatus
check_rows(const CrTrainerRun *run, const Layout *layout, int64_t unit)
{
	int64_t		end = cr_smaller((unit + 1) * layout->rows, run->shape.users + run->shape.items);
	int			is_finite = 1;

	for (int64_t row = unit * layout->rows; row < end; row++)
	{
		int			is_user = row < run->shape.users;
		size_t		entity = (size_t) (is_user ? row : row - run->shape.users);
		const float *factors = shared_at(run, is_user ? layout->user_factors : layout->item_factors);

		for (size_t f = 0; f < (size_t) layout->stride; f++)
			is_finite &= isfinite(factors[entity * (size_t) layout->stride + f]) != 0;
	}
	return is_finite ? CR_OK : CR_NOT_FINITE;
}

static CrStatus
svd_work(const CrTrainerRun *run, int32_t epoch, int64_t step, int64_t unit)
{
	Layout		layout = lay_out(&run->shape);
	float	   *users = shared_at(run, layout.user_factors);
	float	   *items = shared_at(run, layout.item_factors);

	(void) epoch;
	switch (phases[svd_phase(&layout, &step)].kind)
	{
		case KIND_START:
			start_items(run, &layout, unit);
			return CR_OK;
		case KIND_USERS:
			multiply(run, &layout, &run->users, items, users, unit);
			return CR_OK;
		case KIND_USERS_JOIN:
			join(run, &layout, &run->users, users, layout.user_units);
			return CR_OK;
		case KIND_ITEMS:
			multiply(run, &layout, &run->items, users, items, unit);
			return CR_OK;
		case KIND_ITEMS_JOIN:
			join(run, &layout, &run->items, items, layout.item_units);
			return CR_OK;
		case KIND_GRAM_ITEMS:
			add_gram(run, &layout, items, run->shape.items, step, unit);
			return CR_OK;
		case KIND_GRAM_USERS:
			add_gram(run, &layout, users, run->shape.users, step, unit);
			return CR_OK;
		case KIND_ORTHONORMAL:
			return make_orthonormal(run, &layout);
		case KIND_TURN_ITEMS:
			turn_items(run, &layout, unit);
			return CR_OK;
		case KIND_TRIDIAGONAL:
			return make_tridiagonal(run, &layout);
		case KIND_EIGENVECTORS:
			return find_eigenvectors(run, &layout);
		case KIND_BACK:
			return turn_back(run, &layout);
		case KIND_CHECK:
			return check_rows(run, &layout, unit);
	}
	return CR_INVALID_ARGUMENT;
}

static void
svd_result(const CrTrainerRun *run, CrTrained *trained)
{
	Layout		layout = lay_out(&run->shape);

	memset(trained, 0, sizeof(*trained));
	trained->factors = trained->learned = layout.factors;
	trained->stride = layout.stride;
	trained->user_factors = shared_at(run, layout.user_factors);
	trained->item_factors = shared_at(run, layout.item_factors);
}

static const CrParameter svd_parameters[] = {
	{
		.name = "factors", .type = CR_PARAMETER_INTEGER, .low = 1, .high = CR_FACTORS_MAX,
		.preset = 64, .offset = CR_COMMON(factors), .search = {16, 32, 64, 128, 256},
		.meaning = "number of singular vectors, the dimensions of an embedding"
	},
	{
		.name = "iterations", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 100,
		.preset = 4, .offset = CR_OWN(PureSvdHyperparameters, iterations),
		.meaning = "passes over all pairs towards the singular vectors; more are more exact"
	},
	{
		.name = "oversampling", .type = CR_PARAMETER_INTEGER, .low = 0, .high = 64,
		.preset = 16, .offset = CR_OWN(PureSvdHyperparameters, oversampling),
		.meaning = "dimensions more that the passes keep, for exactness"
	},
	CR_PARAMETER_HALF_LIFE,
	CR_PARAMETER_MIN_ITEM_USERS,
	CR_PARAMETER_MIN_USER_ITEMS,
	CR_PARAMETER_SEED
};

static const CrTrainer svd_trainer = {
	.plan = svd_plan, .units = svd_units, .work = svd_work, .result = svd_result
};

/* Two products an iteration and two in the end, at some 3 GFLOP/s, and Gram matrices. */
static double
cost(const CrHyperparameters *used, int64_t users, int64_t items, int64_t pairs)
{
	const PureSvdHyperparameters *own = CR_OWN_OF(PureSvdHyperparameters, used);
	double		columns = used->factors + own->oversampling;

	return (own->iterations + 1) * 4 * (double) pairs * columns / 6e9 +
		(own->iterations + 2) * 3 * (double) (users + items) * columns * columns / 3e10;
}

const CrAlgorithm cr_pure_svd_algorithm = {
	.name = "pure_svd",
	.meaning = "truncated singular value decomposition of the preferences, unseen items being zeros",
	.scorer = CR_SCORER_INNER_PRODUCT,
	.fold = CR_FOLD_SUM,
	.trainer = &svd_trainer,
	CR_PARAMETERS_OF(svd_parameters),
	.cost = cost
};
