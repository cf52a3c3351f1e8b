/*
 * search.c
 *		The eligible items with the best scores: exactly those, exactly scored.
 *
 * By the model: blocks are walked in descending order of norm until no later
 * item can be among the best k.  The codes give bounds of the scores; what
 * might matter goes to a shortlist, and hardly more than k of it has to be
 * scored exactly in the end.  doc/exact-topk.md proves that nothing is lost.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "common/errors.h"
#include "common/guc.h"
#include "core/shortlist.h"
#include "core/vector.h"
#include "serve/search.h"
#include "store/model.h"

#define FIRST_SHORTLIST	1024	/* entries, at least; it grows when k or ties ask for it */
#define SORT_SLICE		4096	/* entries sorted between two polls for interrupts */

/* One search for the best items by the model. */
typedef struct ModelSearch
{
	ServeView  *view;
	Eligible   *eligible;
	const float *embedding;		/* the user's */
	int32		dims;
	CrSimd		simd;
	CrShortlist list;
	CrBlockQuery query;
	int32		sums[CR_BLOCK_ITEMS_MAX];
	int16		candidates[CR_BLOCK_ITEMS_MAX];
} ModelSearch;

void *
AllocateHuge(int32 count, Size size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, mul_size(Max(count, 1), size));
}

/* Make room for one block's items. */
static void
ReserveShortlist(CrShortlist *list, int32 items)
{
	if (list->capacity - list->count >= items)
		return;
	/* Half of it should be free afterwards, or this would be done over and over. */
	if (cr_shortlist_prune(list) >= Max(items, list->capacity / 2))
		return;
	list->capacity = (int32) Min((int64) 2 * list->capacity + items, PG_INT32_MAX);
	list->entries = repalloc_huge(list->entries,
								  mul_size(list->capacity, sizeof(CrShortlisted)));
}

/*
 * Put the items of a block that might matter on the shortlist.  The threshold
 * rises on the way; what is asked for is dearer from line to line.
 */
static void
ShortlistBlock(ModelSearch *search, const CrBlockHeader *header, const uint8 *bytes)
{
	CrShortlist *list = &search->list;
	float		threshold = cr_shortlist_threshold(list);
	CrBlockBound bound;
	int64		least;
	int32		count;

	cr_block_bound(&search->query, header, &bound);
	least = cr_block_least_sum(&bound, threshold);
	count = cr_block_candidates(search->simd, &search->query, header, bytes, least, search->sums,
								search->candidates);
	ReserveShortlist(list, count);
	for (int32 i = 0; i < count; i++)
	{
		int32		sum = search->sums[search->candidates[i]];
		int32		item_no = header->first_item_no + search->candidates[i];

		if (sum < least || !IsEligible(search->eligible, item_no))
			continue;
		(void) cr_shortlist_add(list, cr_block_lowest(&bound, sum),
								cr_block_highest(&bound, sum), item_no);
		if (cr_shortlist_threshold(list) > threshold)
		{
			threshold = cr_shortlist_threshold(list);
			least = cr_block_least_sum(&bound, threshold);
		}
	}
}

/* Walk the blocks that have possible items until no later one can matter. */
static void
ShortlistItems(ModelSearch *search)
{
	const DeployedVersion *deployed = ServeViewDeployed(search->view);
	int32		capacity = cr_block_capacity(deployed->dims);
	int32		item_no = EligibleNext(search->eligible, 0);

	while (item_no < deployed->items)
	{
		CrBlockHeader header;
		const uint8 *bytes = ServeViewBlock(search->view, item_no / capacity, &header);

		CHECK_FOR_INTERRUPTS();
		if (cr_block_is_hopeless(&search->query, header.max_norm,
								 cr_shortlist_threshold(&search->list)))
			break;
		ShortlistBlock(search, &header, bytes);
		if (header.items >= deployed->items - header.first_item_no)
			break;
		item_no = EligibleNext(search->eligible, header.first_item_no + header.items);
	}
}

static float
ScoreItem(ModelSearch *search, int32 item_no)
{
	const ServeItem *item = ServeViewItem(search->view, item_no);
	float		score = cr_dot(search->embedding, item->embedding, search->dims);

	if (!isfinite(score))
		CheckComputation(CR_NOT_FINITE, psprintf("score of item number %d", item_no));
	return score;
}

/* Score what is left, the most promising first; the best k replace the bounds. */
static void
ScoreShortlist(ModelSearch *search, CrTopK *top)
{
	CrShortlist *list = &search->list;
	CrShortlisted entry;

	(void) cr_shortlist_prune(list);
	cr_shortlist_heapify(list);
	cr_topk_init(top, list->lowest.entries, list->lowest.capacity);
	while (cr_shortlist_pop(list, &entry) && entry.highest >= cr_topk_threshold(top))
	{
		CHECK_FOR_INTERRUPTS();
		cr_topk_offer(top, ScoreItem(search, entry.item_no), entry.item_no);
	}
}

static void
SortTop(CrTopK *top)
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
	ModelSearch *search = palloc(sizeof(ModelSearch));
	int32		capacity = Max(k, FIRST_SHORTLIST);
	CrTopK		top;

	search->view = view;
	search->eligible = eligible;
	search->embedding = embedding;
	search->dims = ServeViewDeployed(view)->dims;
	search->simd = CommrecSimd();
	*best = AllocateHuge(k, sizeof(CrScored));
	cr_shortlist_init(&search->list, *best, k, AllocateHuge(capacity, sizeof(CrShortlisted)),
					  capacity);
	cr_block_query(embedding, search->dims, &search->query);
	if (!isfinite(search->query.norm))
		CheckComputation(CR_NOT_FINITE, "norm of the user's embedding");
	ShortlistItems(search);
	ScoreShortlist(search, &top);
	SortTop(&top);
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
