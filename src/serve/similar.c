/*
 * similar.c
 *		The items nearest to an item, by what was learned.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "common/errors.h"
#include "core/topk.h"
#include "core/vector.h"
#include "serve/search.h"
#include "serve/similar.h"
#include "store/neighbors.h"
#include "store/reader.h"

/* One search for the items nearest to another. */
typedef struct SimilarSearch
{
	const DeployedVersion *deployed;
	int32		item_no;		/* of the item that the others are compared with */
	float	   *query;			/* its embedding; NULL where lists say what is similar */
	double		norm;			/* its norm */
	float	   *embedding;		/* of the item being compared */
	CrTopK		top;
} SimilarSearch;

/* The item's number; false if the version does not know it. */
static bool
FindItem(SimilarSearch *search, Oid schema, Datum item_id)
{
	ItemReader	items;
	StoredItem	item;
	bool		found;

	ItemReaderOpen(&items, schema, search->deployed, ITEM_BY_ID);
	found = ItemReaderFindId(&items, item_id);
	if (found)
	{
		ItemReaderGet(&items, &item);
		search->item_no = item.item_no;
		if (search->query != NULL)
			ItemReaderEmbedding(&items, search->query);
	}
	ItemReaderClose(&items);
	return found;
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

/* Compare all items with the query. */
static void
SearchByCosine(SimilarSearch *search, ItemReader *items)
{
	search->norm = cr_norm_upper(search->query, search->deployed->factors);
	if (search->norm == 0)
		return;
	ItemReaderStart(items);
	while (ItemReaderNext(items))
	{
		CHECK_FOR_INTERRUPTS();
		CompareItem(search, items);
	}
}

/* Offer what is in the item's list. */
static void
SearchList(SimilarSearch *search, Oid schema)
{
	NeighborReader reader;
	const uint8 *bytes;
	uint32		count;
	int32	   *item_no;
	float	   *weight;

	NeighborReaderOpen(&reader, schema, search->deployed);
	bytes = NeighborReaderGet(&reader, search->item_no, &count);
	item_no = palloc(sizeof(int32) * Max(count, 1));
	weight = palloc(sizeof(float) * Max(count, 1));
	cr_neighbors_decode(bytes, count, item_no, weight);
	NeighborReaderClose(&reader);
	for (uint32 i = 0; i < count; i++)
	{
		if (item_no[i] != search->item_no)
			cr_topk_offer(&search->top, weight[i], item_no[i]);
	}
}

int32
SimilarItems(Oid schema, Datum item_id, int32 k, Recommendation **rows)
{
	DeployedVersion deployed;
	SimilarSearch search = {0};
	ItemReader	items;
	int32		count;

	*rows = NULL;
	ReadDeployedVersion(schema, &deployed);
	k = Min(k, deployed.items - 1);
	if (k < 1 || deployed.dims == 0)
		return 0;
	search.deployed = &deployed;
	if (!ScoresByLists(&deployed))
	{
		search.query = palloc(sizeof(float) * deployed.dims);
		search.embedding = palloc(sizeof(float) * deployed.dims);
	}
	if (!FindItem(&search, schema, item_id))
		return 0;
	cr_topk_init(&search.top, AllocateHuge(k, sizeof(CrScored)), k);
	ItemReaderOpen(&items, schema, &deployed, ITEM_BY_NO);
	if (ScoresByLists(&deployed))
		SearchList(&search, schema);
	else
		SearchByCosine(&search, &items);
	count = FetchWinners(&items, &search.top, rows);
	ItemReaderClose(&items);
	return count;
}
