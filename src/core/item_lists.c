/*
 * item_lists.c
 *		From the neighbours of every item to lists by source.
 *
 * Blocks of owners ascend, and so do the owners in a block: every source finds
 * its targets in ascending order, whoever works on which block.
 */
#include <string.h>

#include "core/cooccurrence.h"
#include "core/item_lists.h"
#include "core/select.h"

/* Room for entries in a block of owners: some 10 ms of counting and writing, or of sorting. */
#define BLOCK_ENTRIES		(INT64_C(1) << 21)
#define SORTED_ENTRIES		(INT64_C(1) << 18)

#define BLOCKS_MAX			1024	/* of those that count */
#define SOURCES_UNIT		INT64_C(8192)	/* sources whose counts are added up by a unit */

void
cr_item_lists_carve(CrItemLists *lists, CrItemListsOwner owner, int64_t items, int64_t neighbors,
					CrCarver *shared)
{
	int64_t		width = neighbors < items ? neighbors : items;
	int64_t		blocks = owner == CR_OWNER_IS_SOURCE ? cr_slices(items * width, SORTED_ENTRIES) :
		cr_slices(items * width, BLOCK_ENTRIES);

	lists->owner = owner;
	lists->items = items;
	lists->width = width;
	lists->blocks = blocks < BLOCKS_MAX || owner == CR_OWNER_IS_SOURCE ? blocks : BLOCKS_MAX;
	lists->count = cr_carve(shared, (uint64_t) items, sizeof(int32_t));
	lists->slot = cr_carve(shared, (uint64_t) (items * width), sizeof(CrScored));
	lists->block_count = cr_carve(shared, owner == CR_OWNER_IS_SOURCE ? 0 :
								  (uint64_t) (lists->blocks * items), sizeof(int32_t));
	lists->start = cr_carve(shared, (uint64_t) items + 1, sizeof(int64_t));
	lists->column = cr_carve(shared, (uint64_t) (items * width), sizeof(int32_t));
	lists->weight = cr_carve(shared, (uint64_t) (items * width), sizeof(float));
}

int64_t
cr_item_lists_keep(const CrItemLists *lists, CrScored *entries, int64_t count, uint32_t *counters)
{
	cr_select_best(entries, count, lists->width, counters);
	return count < lists->width ? count : lists->width;
}

void
cr_item_lists_put(const CrItemLists *lists, int64_t owner, const CrScored *entries, int64_t count)
{
	if (count > 0)
		memcpy(lists->slot + owner * lists->width, entries, (size_t) count * sizeof(CrScored));
	lists->count[owner] = (int32_t) count;
}

/* The first owner of a block. */
static int64_t
block_start(const CrItemLists *lists, int64_t block)
{
	int64_t		length = cr_slices(lists->items, lists->blocks);
	int64_t		start = block * length;

	return start < lists->items ? start : lists->items;
}

/* Step 1: how often a block of owners names each source. */
static void
count_sources(const CrItemLists *lists, int64_t block)
{
	int32_t    *count = lists->block_count + block * lists->items;

	for (int64_t owner = block_start(lists, block); owner < block_start(lists, block + 1); owner++)
	{
		const CrScored *slot = lists->slot + owner * lists->width;

		for (int32_t e = 0; e < lists->count[owner]; e++)
			count[slot[e].item_no]++;
	}
}

/* Step 2: what the blocks before take of a source's row, and the length of the row. */
static void
add_up_blocks(const CrItemLists *lists, int64_t from, int64_t to)
{
	for (int64_t block = 0; block < lists->blocks; block++)
	{
		int32_t    *count = lists->block_count + block * lists->items;

		for (int64_t source = from; source < to; source++)
		{
			int32_t		here = count[source];

			count[source] = (int32_t) lists->start[source];
			lists->start[source] += here;
		}
	}
}

/* Step 3: from lengths to offsets. */
static void
add_up_rows(const CrItemLists *lists)
{
	if (lists->owner == CR_OWNER_IS_SOURCE)
	{
		for (int64_t item = 0; item < lists->items; item++)
			lists->start[item] = lists->count[item];
	}
	cr_prefix_sums(lists->start, lists->items);
}

/* Step 4, owners being targets. */
static void
write_by_source(const CrItemLists *lists, int64_t block)
{
	int32_t    *taken = lists->block_count + block * lists->items;

	for (int64_t owner = block_start(lists, block); owner < block_start(lists, block + 1); owner++)
	{
		const CrScored *slot = lists->slot + owner * lists->width;

		for (int32_t e = 0; e < lists->count[owner]; e++)
		{
			int32_t		source = slot[e].item_no;
			int64_t		to = lists->start[source] + taken[source]++;

			lists->column[to] = (int32_t) owner;
			lists->weight[to] = slot[e].score;
		}
	}
}

/* Shell sort with Ciura's gaps: short slots, no recursion, no memory. */
static void
sort_by_item(CrScored *entries, int64_t count)
{
	static const int64_t gaps[] = {36137, 14055, 5467, 2126, 827, 301, 132, 57, 23, 10, 4, 1};

	for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++)
	{
		for (int64_t i = gaps[g]; i < count; i++)
		{
			CrScored	entry = entries[i];
			int64_t		hole = i;

			for (; hole >= gaps[g] && entries[hole - gaps[g]].item_no > entry.item_no; hole -= gaps[g])
				entries[hole] = entries[hole - gaps[g]];
			entries[hole] = entry;
		}
	}
}

/* Step 4, owners being sources. */
static void
copy_sorted(const CrItemLists *lists, int64_t block)
{
	for (int64_t owner = block_start(lists, block); owner < block_start(lists, block + 1); owner++)
	{
		CrScored   *slot = lists->slot + owner * lists->width;
		int64_t		to = lists->start[owner];

		sort_by_item(slot, lists->count[owner]);
		for (int32_t e = 0; e < lists->count[owner]; e++)
		{
			lists->column[to + e] = slot[e].item_no;
			lists->weight[to + e] = slot[e].score;
		}
	}
}

int64_t
cr_item_lists_units(const CrItemLists *lists, int64_t step)
{
	if (step == 2)
		return 1;
	if (step == 3)
		return lists->blocks;
	if (lists->owner == CR_OWNER_IS_SOURCE)
		return 0;
	return step == 0 ? lists->blocks : cr_slices(lists->items, SOURCES_UNIT);
}

void
cr_item_lists_publish(const CrItemLists *lists, int64_t step, int64_t unit)
{
	int64_t		from = unit * SOURCES_UNIT;

	switch (step)
	{
		case 0:
			count_sources(lists, unit);
			break;
		case 1:
			add_up_blocks(lists, from, lists->items - from < SOURCES_UNIT ? lists->items : from + SOURCES_UNIT);
			break;
		case 2:
			add_up_rows(lists);
			break;
		default:
			if (lists->owner == CR_OWNER_IS_SOURCE)
				copy_sorted(lists, unit);
			else
				write_by_source(lists, unit);
			break;
	}
}

void
cr_item_lists_result(const CrItemLists *lists, CrCsr *csr)
{
	csr->rows = lists->items;
	csr->columns = lists->items;
	csr->start = lists->start;
	csr->column = lists->column;
	csr->weight = lists->weight;
}
