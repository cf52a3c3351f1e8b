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

/*
 * A row has as many parts as its events ask for, but no more than half the slots:
 * a part that waits for a slot then waits for a row before its own.
 */
static void
find_heavy(EngineView *view, EngineSideNumber number)
{
	EngineShared *shared = view->shared;
	EngineSide *side = &view->side[number];
	int64		part_events = side->layout->part_events;

	for (int64 row = 0; row < side->layout->rows; row++)
	{
		EngineHeavy *heavy = &side->heavy[shared->heavy[number]];
		int64		events = side->start[row + 1] - side->start[row];

		if (row % POLL_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		if (!EngineIsHeavy(side, row))
			continue;
		heavy->first_part = shared->parts[number];
		heavy->row = (int32) row;
		heavy->parts = (int32) Min(cr_ceiling(events, part_events), shared->layout.slots / 2);
		pg_atomic_init_u32(&heavy->missing, (uint32) heavy->parts);
		pg_atomic_init_u32(&heavy->joined, 0);
		shared->parts[number] += heavy->parts;
		shared->heavy[number]++;
	}
	Assert(shared->heavy[number] <= side->layout->heavy_max);
}

void
EngineFindHeavy(EngineView *view)
{
	find_heavy(view, SIDE_USERS);
	find_heavy(view, SIDE_ITEMS);
}

EngineHeavy *
EngineHeavyOfPart(const EngineView *view, EngineSideNumber number, int64 part)
{
	EngineHeavy *heavy = view->side[number].heavy;
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
