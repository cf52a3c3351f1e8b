/*
 * engine_units.c
 *		How rows are dealt out: units of about the same work, and parts of heavy rows.
 *
 * The work of the rows before row r is start[r] + r * row_work events.  Unit u
 * holds the rows that begin within its stretch of that, so that nothing has to
 * be stored about it.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "train/engine_shared.h"

#define POLL_ROWS	65536

/* The first row whose work before it is at least so much: start[] ascends. */
int64
EngineUnitRow(const EngineSide *side, int64 unit)
{
	int64		work = unit * side->layout->unit_work;
	int64		low = 0;
	int64		high = side->layout->rows;

	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		if (side->start[middle] + middle * side->layout->row_work < work)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
EngineIsHeavy(const EngineSide *side, int64 row)
{
	return side->start[row + 1] - side->start[row] >= side->layout->heavy_events;
}

/* Lengths of the rows that are worth parts; *count says how many. */
static int64 *
list_long_rows(const EngineSide *side, int64 *count)
{
	int64		room = side->start[side->layout->rows] / side->layout->heavy_events + 1;
	int64	   *lengths = (int64 *) palloc_extended(room * sizeof(int64), MCXT_ALLOC_HUGE);

	*count = 0;
	for (int64 row = 0; row < side->layout->rows; row++)
	{
		if (row % POLL_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		if (EngineIsHeavy(side, row))
			lengths[(*count)++] = side->start[row + 1] - side->start[row];
	}
	return lengths;
}

/* Is there room for the rows that have two parts at least, of so many events? */
static bool
fit_parts(const EngineSideLayout *layout, const int64 *lengths, int64 count, int64 part_events)
{
	int64		rows = 0;
	int64		parts = 0;

	for (int64 i = 0; i < count; i++)
	{
		if (lengths[i] < 2 * part_events)
			continue;
		rows++;
		parts += (lengths[i] + part_events - 1) / part_events;
	}
	return rows <= layout->heavy_max && parts <= layout->parts_max;
}

/* The shortest parts that there is room for. */
static void
choose_parts(EngineSideLayout *layout, const EngineSide *side)
{
	int64		count;
	int64	   *lengths = list_long_rows(side, &count);
	int64		low = layout->part_events;
	int64		high = low;

	while (!fit_parts(layout, lengths, count, high))
	{
		low = high + 1;
		high *= 2;
	}
	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		CHECK_FOR_INTERRUPTS();
		if (fit_parts(layout, lengths, count, middle))
			high = middle;
		else
			low = middle + 1;
	}
	pfree(lengths);
	layout->part_events = high;
	layout->heavy_events = Max(layout->heavy_events, 2 * high);
}

static void
find_heavy(EngineView *view, EngineSideNumber number)
{
	EngineShared *shared = view->shared;
	EngineSide *side = &view->side[number];
	int64		part_events;

	choose_parts(&shared->layout.side[number], side);
	part_events = side->layout->part_events;
	for (int64 row = 0; row < side->layout->rows; row++)
	{
		EngineHeavy *heavy = &side->heavy[shared->heavy[number]];

		if (row % POLL_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		if (!EngineIsHeavy(side, row))
			continue;
		heavy->row = (int32) row;
		heavy->first_part = shared->parts[number];
		heavy->parts = (int32) ((side->start[row + 1] - side->start[row] + part_events - 1) /
								part_events);
		shared->parts[number] += heavy->parts;
		shared->heavy[number]++;
	}
	Assert(shared->heavy[number] <= side->layout->heavy_max);
	Assert(shared->parts[number] <= side->layout->parts_max);
}

void
EngineFindHeavy(EngineView *view)
{
	find_heavy(view, SIDE_USERS);
	find_heavy(view, SIDE_ITEMS);
}

const EngineHeavy *
EngineHeavyOfPart(const EngineView *view, EngineSideNumber number, int64 part)
{
	const EngineHeavy *heavy = view->side[number].heavy;
	int			low = 0;
	int			high = view->shared->heavy[number] - 1;

	while (low < high)
	{
		int			middle = low + (high - low + 1) / 2;

		if (heavy[middle].first_part <= part)
			low = middle;
		else
			high = middle - 1;
	}
	return &heavy[low];
}
