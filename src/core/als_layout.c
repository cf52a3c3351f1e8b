/*
 * als_layout.c
 *		How a training by ALS is cut into work, and where its arrays lie in one block.
 */
#include <string.h>

#include "core/als_layout.h"
#include "core/basis.h"
#include "core/ials.h"
#include "core/layout.h"

/* Multiplications of a unit, some tenths of a millisecond, and of a part, some milliseconds. */
#define UNIT_WORK	INT64_C(20000000)
#define PART_WORK	INT64_C(200000000)
#define UNIT_EVENTS_MAX	16384	/* where factors are few, events cost a look-up each */
#define PART_EVENTS_MAX	131072
#define CG_PART_FACTORS_MAX	64	/* so that passes over rows that are not heavy take 10 ms at most */
#define PARTS_BYTES		((int64_t) 64 * 1024 * 1024)
#define SLOTS_MIN		8

/*
 * A row costs about k/3 events more than its events have.  Units follow from
 * numbers that are known before there are any events.
 */
static void
plan_units(CrAlsSideLayout *side, const CrAlsShape *shape)
{
	int64_t		factors = shape->factors;

	side->row_work = factors / 3 + 16;
	side->unit_work = cr_larger(cr_smaller(UNIT_WORK / (factors * factors), UNIT_EVENTS_MAX), side->row_work);
	side->units = side->rows == 0 ? 0 :
		(shape->pairs + side->rows * side->row_work) / side->unit_work + 1;
}

/* Depends on the size alone, so that the aggregate, too, learns what train() does. */
static int
is_turned(const CrAlsShape *shape)
{
	return !shape->is_explicit && shape->users + shape->items >= CR_ALS_TURNED_MIN;
}

/*
 * Which rows are heavy: those of two parts or more.  CG goes over events in a time that
 * grows with k, not with its square: where factors are many, it leaves only longer
 * rows to parts, which are factored; in exact half steps those that it would gather
 * more than once.
 */
static void
plan_parts(CrAlsSideLayout *side, const CrAlsShape *shape)
{
	int64_t		factors = shape->factors;
	int64_t		cheap = shape->cg_steps > 0 ? cr_smaller(factors, CG_PART_FACTORS_MAX) : factors;

	side->part_events = cr_smaller(PART_WORK / (factors * factors), PART_EVENTS_MAX);
	side->heavy_events = 2 * cr_smaller(PART_WORK / (factors * cheap), PART_EVENTS_MAX);
	if (is_turned(shape))
		side->heavy_events = cr_larger(side->heavy_events, CR_IALS_CACHED_EVENTS + 1);
	side->heavy_max = cr_smaller(shape->pairs / side->heavy_events, side->rows);
}

/*
 * Slots for two rows of the most parts that there can be, as far as memory allows;
 * less makes parts longer.
 */
static int64_t
plan_slots(const CrAlsLayout *layout, const CrAlsShape *shape)
{
	int64_t		room = PARTS_BYTES / (int64_t) cr_ials_part_size(shape->factors);
	int64_t		parts = 0;

	for (int side = 0; side < 2; side++)
	{
		if (layout->side[side].heavy_max > 0)
			parts = cr_larger(parts, cr_ceiling(shape->pairs, layout->side[side].part_events));
	}
	return cr_smaller(2 * parts, cr_larger(room, SLOTS_MIN));
}

static void
place_side(CrAlsLayout *layout, CrAlsSideLayout *side, const CrAlsShape *shape, int64_t rows)
{
	int64_t		blocks = cr_larger(cr_ceiling(rows, CR_GRAM_ROWS), 1);
	int32_t		stride = cr_factor_stride(shape->factors);
	size_t	   *end = &layout->total;

	side->rows = rows;
	plan_units(side, shape);
	plan_parts(side, shape);
	side->range_rows = cr_ceiling(blocks, CR_ALS_RANGES_MAX) * CR_GRAM_ROWS;
	side->ranges = (int32_t) cr_ceiling(cr_larger(rows, 1), side->range_rows);
	side->start = cr_lay(end, rows + 1, sizeof(int64_t));
	side->column = cr_lay(end, shape->pairs, sizeof(int32_t));
	side->weight = shape->is_weighted ? cr_lay(end, shape->pairs, sizeof(float)) : 0;
	side->factors = cr_lay(end, rows, (size_t) stride * sizeof(float));
	side->losses = cr_lay(end, side->units + side->heavy_max, sizeof(CrIalsLoss));
	side->heavy = cr_lay(end, side->heavy_max, shape->heavy);
}

static void
place_basis(CrAlsLayout *layout, const CrAlsShape *shape)
{
	int64_t		factors = shape->factors;
	int64_t		stride = cr_factor_stride(shape->factors);
	size_t	   *end = &layout->total;

	layout->is_turned = is_turned(shape);
	if (!layout->is_turned)
	{
		layout->gram = cr_lay(end, factors * stride, sizeof(float));
		return;
	}
	layout->spectrum = cr_lay(end, stride, sizeof(float));
	layout->turn = cr_lay(end, factors * stride, sizeof(float));
	layout->product = cr_lay(end, factors * factors, sizeof(double));
	layout->eigen = cr_lay(end, 1, cr_basis_workspace_size(shape->factors));
}

/* Within these bounds no count overflows, and no size: the largest is below 2^63 bytes. */
static int
is_sound(const CrAlsShape *shape)
{
	return shape->factors >= 1 && shape->factors <= CR_FACTORS_MAX && shape->epochs >= 0 &&
		shape->users >= 0 && shape->users <= INT32_MAX && shape->items >= 0 &&
		shape->items <= INT32_MAX && shape->pairs >= 0 && shape->pairs <= CR_ALS_PAIRS_MAX;
}

CrStatus
cr_als_layout(const CrAlsShape *shape, CrAlsLayout *layout)
{
	CrAlsSideLayout *users = &layout->side[0];
	CrAlsSideLayout *items = &layout->side[1];
	int64_t		factors = shape->factors;
	size_t	   *end = &layout->total;

	if (!is_sound(shape))
		return CR_INVALID_ARGUMENT;
	memset(layout, 0, sizeof(CrAlsLayout));
	cr_lay(end, 1, shape->head);
	place_side(layout, users, shape, shape->users);
	place_side(layout, items, shape, shape->items);
	layout->counters = cr_lay(end, shape->phases, shape->counter);
	layout->part_counters = cr_lay(end, 2 * (int64_t) shape->epochs, shape->counter);
	layout->partials = cr_lay(end, cr_larger(users->ranges, items->ranges) * factors * factors,
							  sizeof(double));
	layout->slots = plan_slots(layout, shape);
	layout->parts = cr_lay(end, layout->slots, cr_ials_part_size(shape->factors));
	place_basis(layout, shape);
	layout->loss = cr_lay(end, shape->epochs, sizeof(double));
	layout->seconds = cr_lay(end, shape->epochs, sizeof(double));
	layout->cpu = cr_lay(end, shape->epochs, shape->counter);
	return CR_OK;
}
