/*
 * similar.c
 *		The items nearest to an item, by cosine of what was learned.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "common/errors.h"
#include "core/topk.h"
#include "core/vector.h"
#include "serve/search.h"
#include "serve/similar.h"
#include "store/reader.h"

/* One search for the items nearest to another. */
typedef struct SimilarSearch
{
	const DeployedVersion *deployed;
	int32		item_no;		/* of the item that the others are compared with */
	float	   *query;			/* its embedding */
	double		norm;			/* its norm */
	float	   *embedding;		/* of the item being compared */
	CrTopK		top;
} SimilarSearch;

/* False if the version does not know the item, or it has no direction. */
static bool
ReadSimilarQuery(SimilarSearch *search, Oid schema, Datum item_id)
{
	ItemReader	items;
	StoredItem	item;
	bool		found;

	ItemReaderOpen(&items, schema, search->deployed, ITEM_BY_ID);
	found = ItemReaderFindId(&items, item_id);
	if (found)
	{
		ItemReaderGet(&items, &item);
		ItemReaderEmbedding(&items, search->query);
		search->item_no = item.item_no;
		search->norm = cr_norm_upper(search->query, search->deployed->factors);
	}
	ItemReaderClose(&items);
	return found && search->norm > 0;
}

/* Offer the reader's current item: by what was learned of it, whatever its popularity. */
static void
CompareItem(SimilarSearch *search, ItemReader *items)
{
	int32		dims = search->deployed->factors;
	StoredItem	item;
	double		norm;
	double		cosine;

	ItemReaderGet(items, &item);
	ItemReaderEmbedding(items, search->embedding);
	norm = cr_norm_upper(search->embedding, dims);
	if (item.item_no == search->item_no || norm == 0)
		return;
	cosine = cr_dot(search->query, search->embedding, dims) / (search->norm * norm);
	if (!isfinite(cosine))
		CheckComputation(CR_NOT_FINITE, psprintf("similarity of item number %d", item.item_no));
	cr_topk_offer(&search->top, (float) Min(Max(cosine, -1.0), 1.0), item.item_no);
}

/* The ids of the best, in their order. */
static int32
FetchWinners(ItemReader *items, CrTopK *top, Recommendation **rows)
{
	*rows = AllocateHuge(top->count, sizeof(Recommendation));
	cr_topk_sort(top);
	for (int32 i = 0; i < top->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ItemReaderFindNo(items, top->entries[i].item_no);
		(*rows)[i].item_id = ItemReaderId(items);
		(*rows)[i].score = top->entries[i].score;
		(*rows)[i].source = SOURCE_MODEL;
	}
	return top->count;
}

int32
SimilarItems(Oid schema, Datum item_id, int32 k, Recommendation **rows)
{
	DeployedVersion deployed;
	SimilarSearch search;
	ItemReader	items;
	int32		count;

	*rows = NULL;
	ReadDeployedVersion(schema, &deployed);
	k = Min(k, deployed.items - 1);
	if (k < 1 || deployed.dims == 0)
		return 0;
	search.deployed = &deployed;
	search.query = palloc(sizeof(float) * deployed.dims);
	search.embedding = palloc(sizeof(float) * deployed.dims);
	if (!ReadSimilarQuery(&search, schema, item_id))
		return 0;
	cr_topk_init(&search.top, AllocateHuge(k, sizeof(CrScored)), k);
	ItemReaderOpen(&items, schema, &deployed, ITEM_BY_NO);
	ItemReaderStart(&items);
	while (ItemReaderNext(&items))
	{
		CHECK_FOR_INTERRUPTS();
		CompareItem(&search, &items);
	}
	count = FetchWinners(&items, &search.top, rows);
	ItemReaderClose(&items);
	return count;
}
