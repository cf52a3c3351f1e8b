/*
 * batch_lists.c
 *		recommend_all() where scores come from lists: all of them in memory, shared by everybody.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "common/errors.h"
#include "core/neighbor_search.h"
#include "core/seen.h"
#include "serve/batch_lists.h"

/* Whose eligibility is asked for. */
typedef struct Viewer
{
	const StoredUser *user;
	bool		exclude_seen;
} Viewer;

/* Append an array; returns its place. */
static Size
PlaceArray(Size *total, Size count, Size width)
{
	Size		offset = *total;

	*total = add_size(offset, MAXALIGN(mul_size(count, width)));
	return offset;
}

Size
BatchListsBytes(int32 items, int64 entries)
{
	Size		total = 0;

	(void) PlaceArray(&total, (Size) items + 1, sizeof(int64));
	(void) PlaceArray(&total, items, sizeof(float));
	(void) PlaceArray(&total, entries, sizeof(int32));
	(void) PlaceArray(&total, entries, sizeof(float));
	return total;
}

void
BatchListsView(BatchLists *lists, int32 items, int64 entries, void *block)
{
	char	   *base = block;
	Size		total = 0;

	lists->lists.entries = entries;
	lists->lists.start = (int64 *) (base + PlaceArray(&total, (Size) items + 1, sizeof(int64)));
	lists->popularity = (float *) (base + PlaceArray(&total, items, sizeof(float)));
	lists->lists.item_no = (int32 *) (base + PlaceArray(&total, entries, sizeof(int32)));
	lists->lists.weight = (float *) (base + PlaceArray(&total, entries, sizeof(float)));
}

Size
BatchSumsBytes(int32 items)
{
	return mul_size(cr_neighbor_pages(items),
					sizeof(int32) + sizeof(double) * CR_NEIGHBOR_PAGE);
}

void
BatchSumsInit(CrNeighborSums *sums, int32 items)
{
	Size		pages = cr_neighbor_pages(items);
	int32	   *page = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int32) * pages);
	double	   *sum = MemoryContextAllocHuge(CurrentMemoryContext,
											 sizeof(double) * CR_NEIGHBOR_PAGE * pages);

	cr_neighbor_sums_init(sums, items, page, sum, (int32) pages);
}

/* Disliked items are never shown. */
static int
MayBeShown(void *context, int32_t item_no)
{
	const Viewer *viewer = context;
	CrSeenState state = cr_seen_lookup(viewer->user->seen, viewer->user->seen_count, item_no);

	return state == CR_UNSEEN || (state == CR_SEEN && !viewer->exclude_seen);
}

void
BatchListsAnswer(const BatchLists *lists, CrNeighborSums *sums, const StoredUser *user,
				 bool exclude_seen, CrTopK *top)
{
	const NeighborArrays *all = &lists->lists;
	Viewer		viewer = {user, exclude_seen};
	int32		culprit;

	cr_neighbor_sums_clear(sums);
	for (uint32 i = 0; i < user->seen_count; i++)
	{
		int32		item_no = (int32) (user->seen[i] >> 1);
		int64		from = all->start[item_no];
		CrNeighborList list = {
			(uint32) (all->start[item_no + 1] - from), all->item_no + from, all->weight + from
		};

		CHECK_FOR_INTERRUPTS();
		if (user->confidence[i] > 0)
			cr_neighbor_sums_add(sums, &list, user->confidence[i]);
	}
	if (cr_neighbor_best(sums, lists->popularity, MayBeShown, &viewer, top, &culprit) != CR_OK)
		CheckComputation(CR_NOT_FINITE, psprintf("score of item number %d", culprit));
}
