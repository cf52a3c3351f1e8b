/*
 * search.c
 *		The eligible items with the best scores: exactly those, exactly scored.
 *
 * By the model, the core searches (core/search.h); blocks and vectors come to it
 * from the view, and what may be shown from Eligible.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "common/errors.h"
#include "common/guc.h"
#include "serve/search.h"
#include "store/model.h"

#define SORT_SLICE		4096	/* entries sorted between two polls for interrupts */

void *
AllocateHuge(int32 count, Size size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, mul_size(Max(count, 1), size));
}

static const uint8_t *
SourceBlock(void *context, int32_t block, CrBlockHeader *header)
{
	CHECK_FOR_INTERRUPTS();
	return ServeViewBlock(((SearchSource *) context)->view, block, header);
}

static int32_t
SourceNext(void *context, int32_t item_no)
{
	return EligibleNext(((SearchSource *) context)->eligible, item_no);
}

static int
SourceIsEligible(void *context, int32_t item_no)
{
	return IsEligible(((SearchSource *) context)->eligible, item_no);
}

static const float *
SourceVector(void *context, int32_t item_no)
{
	CHECK_FOR_INTERRUPTS();
	return ServeViewItem(((SearchSource *) context)->view, item_no)->embedding;
}

static CrShortlisted *
SourceGrow(void *context, CrShortlisted *entries, int32_t capacity)
{
	(void) context;
	if (entries == NULL)
		return AllocateHuge(capacity, sizeof(CrShortlisted));
	return repalloc_huge(entries, mul_size(capacity, sizeof(CrShortlisted)));
}

void
SearchCatalogue(SearchSource *source, ServeView *view, Eligible *eligible, CrCatalogue *catalogue)
{
	source->view = view;
	source->eligible = eligible;
	catalogue->context = source;
	catalogue->items = ServeViewDeployed(view)->items;
	catalogue->dims = ServeViewDeployed(view)->dims;
	catalogue->block = SourceBlock;
	catalogue->next = SourceNext;
	catalogue->is_eligible = SourceIsEligible;
	catalogue->vector = SourceVector;
	catalogue->grow = SourceGrow;
}

void
SearchSort(CrTopK *top)
{
	int32		rest = top->count;

	do
	{
		CHECK_FOR_INTERRUPTS();
		rest = cr_topk_sort_slice(top, rest, SORT_SLICE);
	} while (rest > 0);
}

int32
SearchByModel(ServeView *view, Eligible *eligible, const float *embedding, int32 k,
			  CrScored **best)
{
	SearchSource source;
	CrCatalogue catalogue;
	CrSearch   *search = palloc(sizeof(CrSearch));
	CrStatus	status;
	CrTopK		top;

	SearchCatalogue(&source, view, eligible, &catalogue);
	*best = AllocateHuge(k, sizeof(CrScored));
	status = cr_search(search, &catalogue, CommrecSimd(), embedding, k, *best, &top);
	if (status != CR_OK)
		CheckComputation(status, search->culprit < 0 ? "norm of the user's embedding" :
						 psprintf("score of item number %d", search->culprit));
	SearchSort(&top);
	pfree(search->list.entries);
	pfree(search);
	return top.count;
}

/* Read the popularity of the reader's current item into an entry. */
static CrScored
PopularEntry(ItemReader *items)
{
	StoredItem	item;
	CrScored	entry;

	ItemReaderGet(items, &item);
	entry.score = item.popularity;
	entry.item_no = item.item_no;
	return entry;
}

/* Go through all items, the most popular first. */
static int32
WalkPopular(Oid schema, Eligible *eligible, int32 k, CrScored *best)
{
	ItemReader	items;
	int32		count = 0;

	ItemReaderOpen(&items, schema, eligible->deployed, ITEM_BY_POPULARITY);
	ItemReaderStart(&items);
	while (count < k && ItemReaderNext(&items))
	{
		CrScored	entry = PopularEntry(&items);

		CHECK_FOR_INTERRUPTS();
		if (IsEligible(eligible, entry.item_no))
			best[count++] = entry;
	}
	ItemReaderClose(&items);
	return count;
}

/* An item and its place in the order of popularity. */
typedef struct PopularPlace
{
	int32		place;
	CrScored	entry;
} PopularPlace;

static int
ComparePlaces(const void *left, const void *right)
{
	int32		a = ((const PopularPlace *) left)->place;
	int32		b = ((const PopularPlace *) right)->place;

	CHECK_FOR_INTERRUPTS();
	return a < b ? -1 : a > b;
}

/* Look at the possible items only. */
static int32
PickPopular(Oid schema, Eligible *eligible, int32 possible, int32 k, CrScored *best)
{
	PopularPlace *found = AllocateHuge(possible, sizeof(PopularPlace));
	int32		items_end = eligible->deployed->items;
	ItemReader	items;
	int32		count = 0;

	ItemReaderOpen(&items, schema, eligible->deployed, ITEM_BY_NO);
	for (int32 item_no = EligibleNext(eligible, 0); item_no < items_end && count < possible;
		 item_no = EligibleNext(eligible, item_no + 1))
	{
		CHECK_FOR_INTERRUPTS();
		if (!IsEligible(eligible, item_no))
			continue;
		ItemReaderFindNo(&items, item_no);
		found[count].place = ItemReaderPopularNo(&items);
		found[count++].entry = PopularEntry(&items);
	}
	ItemReaderClose(&items);
	qsort(found, count, sizeof(PopularPlace), ComparePlaces);
	count = Min(count, k);
	for (int32 i = 0; i < count; i++)
		best[i] = found[i].entry;
	pfree(found);
	return count;
}

/*
 * Walking meets a possible item every items/possible rows, so that k of them
 * cost k * items/possible; picking costs one look-up for each of them.
 */
int32
SearchByPopularity(Oid schema, Eligible *eligible, int32 k, CrScored **best)
{
	int32		items = eligible->deployed->items;
	int32		worthwhile = (int32) Min(sqrt((double) k * items), items);
	int32		possible = EligibleCount(eligible, worthwhile);

	*best = AllocateHuge(k, sizeof(CrScored));
	if (possible < worthwhile)
		return PickPopular(schema, eligible, possible, k, *best);
	return WalkPopular(schema, eligible, k, *best);
}
