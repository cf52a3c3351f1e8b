/*
 * engine_layout.c
 *		Where the arrays of an engine lie: sizes, offsets, and pointers from them.
 *
 * The layout depends on the parameters alone, never on the number of workers:
 * units of work and the order of sums follow from it.
 */
#include "postgres.h"

#include "storage/shmem.h"

#include "train/engine_shared.h"

#define ALIGNMENT	64			/* a cache line, and the widest vector */

/* An event's share of a slice costs k*k multiplications; a slice should stay well below 1 ms. */
#define SLICE_WORK	4000000
#define SLICE_MIN	64

/* Multiplications of a unit, some tenths of a millisecond, and of a part, some milliseconds. */
#define UNIT_WORK	INT64CONST(20000000)
#define PART_WORK	INT64CONST(200000000)
#define UNIT_EVENTS_MAX	16384	/* where factors are few, events cost a look-up each */
#define PART_EVENTS_MAX	131072
#define CG_PART_FACTORS_MAX	64	/* so that passes over rows that are not heavy take 10 ms at most */
#define PARTS_BYTES		((Size) 64 * 1024 * 1024)
#define SLOTS_MIN		8

/* Append count elements; returns their offset. */
static Size
place(EngineLayout *layout, int64 count, Size size)
{
	Size		offset = layout->total;
	Size		bytes = add_size(mul_size((Size) count, size), ALIGNMENT - 1);

	layout->total = add_size(offset, bytes - bytes % ALIGNMENT);
	return offset;
}

/*
 * A row costs about k/3 events more than its events have.  Units follow from
 * numbers that are known before there are any events.
 */
static void
plan_units(EngineSideLayout *side, const EngineParams *params)
{
	int64		factors = params->ials.factors;

	side->row_work = factors / 3 + 16;
	side->unit_work = Max(Min(UNIT_WORK / (factors * factors), UNIT_EVENTS_MAX), side->row_work);
	side->units = side->rows == 0 ? 0 :
		(params->pairs + side->rows * side->row_work) / side->unit_work + 1;
}

/*
 * Which rows are heavy: those of two parts or more.  CG goes over events in a time that
 * grows with k, not with its square: where factors are many, it leaves only longer
 * rows to parts, which are solved exactly.
 */
static void
plan_parts(EngineSideLayout *side, const EngineParams *params)
{
	int64		factors = params->ials.factors;
	int64		cheap = params->cg_steps > 0 ? Min(factors, CG_PART_FACTORS_MAX) : factors;

	side->part_events = Min(PART_WORK / (factors * factors), PART_EVENTS_MAX);
	side->heavy_events = 2 * Min(PART_WORK / (factors * cheap), PART_EVENTS_MAX);
	side->heavy_max = Min(params->pairs / side->heavy_events, side->rows);
}

/*
 * Slots for two rows of the most parts that there can be, as far as memory allows;
 * less makes parts longer.
 */
static int64
plan_slots(const EngineLayout *layout, const EngineParams *params)
{
	int64		room = PARTS_BYTES / cr_ials_part_size(params->ials.factors);
	int64		parts = 0;

	for (int side = 0; side < ENGINE_SIDES; side++)
	{
		if (layout->side[side].heavy_max > 0)
			parts = Max(parts, cr_ceiling(params->pairs, layout->side[side].part_events));
	}
	return Min(2 * parts, Max(room, SLOTS_MIN));
}

static void
place_side(EngineLayout *layout, EngineSideLayout *side, const EngineParams *params, int64 rows)
{
	int64		blocks = Max(cr_ceiling(rows, CR_GRAM_ROWS), 1);
	int32		stride = cr_factor_stride(params->ials.factors);

	side->rows = rows;
	plan_units(side, params);
	plan_parts(side, params);
	side->range_rows = cr_ceiling(blocks, ENGINE_RANGES_MAX) * CR_GRAM_ROWS;
	side->ranges = (int32) cr_ceiling(Max(rows, 1), side->range_rows);
	side->start = place(layout, rows + 1, sizeof(int64));
	side->column = place(layout, params->pairs, sizeof(int32));
	side->weight = params->is_weighted ? place(layout, params->pairs, sizeof(float)) : 0;
	side->factors = place(layout, rows, mul_size((Size) stride, sizeof(float)));
	side->losses = place(layout, side->units + side->heavy_max, sizeof(CrIalsLoss));
	side->heavy = place(layout, side->heavy_max, sizeof(EngineHeavy));
}

/* Depends on the size alone, so that the aggregate, too, learns what train() does. */
static void
place_basis(EngineLayout *layout, const EngineParams *params)
{
	int64		factors = params->ials.factors;
	int64		stride = cr_factor_stride(params->ials.factors);

	layout->is_turned = !params->is_explicit && params->users + params->items >= ENGINE_TURNED_MIN;
	if (!layout->is_turned)
	{
		layout->gram = place(layout, factors * stride, sizeof(float));
		return;
	}
	layout->spectrum = place(layout, stride, sizeof(float));
	layout->turn = place(layout, factors * stride, sizeof(float));
	layout->product = place(layout, factors * factors, sizeof(double));
	layout->eigen = place(layout, 1, cr_basis_workspace_size(params->ials.factors));
}

void
EngineLayoutCompute(const EngineParams *params, EngineLayout *layout)
{
	EngineSideLayout *users = &layout->side[SIDE_USERS];
	EngineSideLayout *items = &layout->side[SIDE_ITEMS];
	int64		factors = params->ials.factors;

	memset(layout, 0, sizeof(EngineLayout));
	place(layout, 1, sizeof(EngineShared));
	place_side(layout, users, params, params->users);
	place_side(layout, items, params, params->items);
	layout->counters = place(layout, (int64) params->epochs * ENGINE_STEPS + 2,
							 sizeof(pg_atomic_uint64));
	layout->part_counters = place(layout, (int64) params->epochs * ENGINE_SIDES,
								  sizeof(pg_atomic_uint64));
	layout->partials = place(layout, Max(users->ranges, items->ranges) * factors * factors,
							 sizeof(double));
	layout->slots = plan_slots(layout, params);
	layout->parts = place(layout, layout->slots, cr_ials_part_size(params->ials.factors));
	place_basis(layout, params);
	layout->loss = place(layout, params->epochs, sizeof(double));
	layout->seconds = place(layout, params->epochs, sizeof(double));
	layout->cpu = place(layout, params->epochs, sizeof(pg_atomic_uint64));
}

Size
EngineWorkspaceBytes(int32 factors)
{
	return add_size(cr_ials_workspace_size(factors), ALIGNMENT);
}

static void
view_side(EngineView *view, EngineSideNumber number)
{
	char	   *base = (char *) view->shared;
	EngineSide *side = &view->side[number];
	const EngineSideLayout *layout = &view->shared->layout.side[number];

	side->layout = layout;
	side->name = number == SIDE_USERS ? "users" : "items";
	side->start = (int64 *) (base + layout->start);
	side->column = (int32 *) (base + layout->column);
	side->weight = layout->weight == 0 ? NULL : (float *) (base + layout->weight);
	side->factors = (float *) (base + layout->factors);
	side->losses = (CrIalsLoss *) (base + layout->losses);
	side->heavy = (EngineHeavy *) (base + layout->heavy);
	side->interactions.rows = layout->rows;
	side->interactions.columns = view->shared->layout.side[1 - number].rows;
	side->interactions.start = side->start;
	side->interactions.column = side->column;
	side->interactions.weight = side->weight;
}

static void
view_basis(EngineView *view)
{
	char	   *base = (char *) view->shared;
	const EngineLayout *layout = &view->shared->layout;

	if (!layout->is_turned)
	{
		view->gram = (float *) (base + layout->gram);
		return;
	}
	view->basis.factors = view->shared->ials.factors;
	view->basis.spectrum = (float *) (base + layout->spectrum);
	view->basis.turn = (float *) (base + layout->turn);
	view->basis.product = (double *) (base + layout->product);
	view->basis.workspace = base + layout->eigen;
}

void
EngineViewInit(EngineView *view, EngineShared *shared)
{
	char	   *base = (char *) shared;
	int64		factors = shared->ials.factors;

	memset(view, 0, sizeof(EngineView));
	view->shared = shared;
	view->stride = cr_factor_stride(shared->ials.factors);
	view->slice = Max(SLICE_WORK / (factors * factors), SLICE_MIN);
	view->counters = (pg_atomic_uint64 *) (base + shared->layout.counters);
	view->part_counters = (pg_atomic_uint64 *) (base + shared->layout.part_counters);
	view->partials = (double *) (base + shared->layout.partials);
	view->parts = base + shared->layout.parts;
	view_basis(view);
	view->loss = (double *) (base + shared->layout.loss);
	view->seconds = (double *) (base + shared->layout.seconds);
	view->cpu = (pg_atomic_uint64 *) (base + shared->layout.cpu);
	view_side(view, SIDE_USERS);
	view_side(view, SIDE_ITEMS);
	for (int number = 0; number < ENGINE_SIDES; number++)
	{
		EngineSide *side = &view->side[number];

		side->half.params = &shared->ials;
		side->half.interactions = &side->interactions;
		side->half.fixed = view->side[1 - number].factors;
		side->half.gram = view->gram;
		side->half.spectrum = view->basis.spectrum;
		side->half.solved = side->factors;
		side->half.is_explicit = shared->is_explicit;
		side->half.constant = shared->ials.factors - (number == SIDE_USERS ? 1 : 2);
	}
}
