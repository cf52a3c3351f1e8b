/*
 * publish_items.c
 *		The items of a version: their order, their rows and their blocks.
 *
 * recommend() walks items in descending order of norm, so that items are
 * numbered in that order and packed into blocks in it; unknown users are
 * answered in descending order of popularity.  Both orders break ties by
 * ascending id, which is the order of the dense numbers.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/errors.h"
#include "core/block.h"
#include "core/embedding.h"
#include "core/vector.h"
#include "store/bulk.h"
#include "store/publish_items.h"

#define SCRATCH_ITEMS	1024	/* items between two resets of the scratch context */

typedef struct Ordered
{
	float		key;
	int32		number;
} Ordered;

/* Everything that writing the items needs. */
typedef struct ItemsWriter
{
	const ModelConfig *config;
	const PublishFactors *factors;
	int32		version;
	int32		dims;			/* of the embeddings: at least 1 */
	const Ordered *by_norm;		/* item_no to dense number */
	const int32 *popular_no;	/* by dense number */
	MemoryContext scratch;		/* ids and bytes of a few items */
} ItemsWriter;

/* Descending key, then ascending number: a total order, so that any sort gives the same. */
static int
CompareOrdered(const void *left, const void *right)
{
	const Ordered *a = left;
	const Ordered *b = right;

	/* Sorting tens of millions takes seconds; nothing here needs tidying up. */
	CHECK_FOR_INTERRUPTS();
	if (a->key != b->key)
		return a->key > b->key ? -1 : 1;
	return a->number < b->number ? -1 : 1;
}

static int32
PublishedDims(const PublishFactors *factors)
{
	return Max(factors->dims, 1);
}

/* The published vector of an item: its factors, then its popularity. */
static void
ItemVector(const PublishFactors *factors, int32 number, float *vector)
{
	if (factors->dims == 0)
	{
		vector[0] = 0;
		return;
	}
	memcpy(vector, factors->item_factors + (Size) number * factors->stride,
		   factors->factors * sizeof(float));
	if (factors->item_popularity_score != NULL)
		vector[factors->factors] = factors->item_popularity_score[number];
}

static Ordered *
OrderByNorm(const PublishFactors *factors)
{
	int32		dims = PublishedDims(factors);
	float	   *vector = palloc(dims * sizeof(float));
	Ordered    *order = MemoryContextAllocHuge(CurrentMemoryContext,
											   (Size) factors->items * sizeof(Ordered));

	for (int32 i = 0; i < factors->items; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ItemVector(factors, i, vector);
		order[i].key = cr_norm_upper(vector, dims);
		order[i].number = i;
		if (!isfinite(order[i].key))
			CheckComputation(CR_NOT_FINITE, "the norm of an item's embedding");
	}
	pfree(vector);
	qsort(order, factors->items, sizeof(Ordered), CompareOrdered);
	return order;
}

/* Rank by what is stored as popularity, so that a query over the table sees the same order. */
static int32 *
RankByPopularity(const PublishFactors *factors)
{
	Size		items = factors->items;
	Ordered    *order = MemoryContextAllocHuge(CurrentMemoryContext, items * sizeof(Ordered));
	int32	   *rank = MemoryContextAllocHuge(CurrentMemoryContext, items * sizeof(int32));

	for (int32 i = 0; i < factors->items; i++)
	{
		order[i].key = (float) factors->item_popularity[i];
		order[i].number = i;
		if (!isfinite(order[i].key))
			CheckComputation(CR_NOT_FINITE, "the popularity of an item");
	}
	qsort(order, factors->items, sizeof(Ordered), CompareOrdered);
	for (int32 i = 0; i < factors->items; i++)
		rank[order[i].number] = i;
	pfree(order);
	return rank;
}

/* An embedding in the scratch context. */
static Datum
EncodeEmbedding(const float *vector, int32 dims)
{
	Size		size = cr_embedding_size(dims);
	bytea	   *bytes = palloc(VARHDRSZ + size);

	SET_VARSIZE(bytes, VARHDRSZ + size);
	CheckComputation(cr_embedding_encode(vector, dims, (uint8_t *) VARDATA(bytes)),
					 "an item's embedding");
	return PointerGetDatum(bytes);
}

static void
WriteEmbeddings(const ItemsWriter *items)
{
	const PublishFactors *factors = items->factors;
	BulkWriter *writer = BulkWriterBegin(items->config, MODEL_ITEM_EMBEDDING);
	float	   *vector = palloc(items->dims * sizeof(float));
	bool		nulls[7] = {false};
	Datum		values[7];

	for (int32 item_no = 0; item_no < factors->items; item_no++)
	{
		int32		number = items->by_norm[item_no].number;
		MemoryContext old_context = MemoryContextSwitchTo(items->scratch);

		ItemVector(factors, number, vector);
		values[0] = Int32GetDatum(items->version);
		values[1] = factors->item_id(factors->item_map, number);
		values[2] = Int32GetDatum(item_no);
		values[3] = EncodeEmbedding(vector, items->dims);
		values[4] = Float4GetDatum((float) factors->item_popularity[number]);
		values[5] = Int32GetDatum(items->popular_no[number]);
		values[6] = Int32GetDatum(factors->item_users[number]);
		MemoryContextSwitchTo(old_context);
		BulkWriterAdd(writer, values, nulls);
		if (item_no % SCRATCH_ITEMS == SCRATCH_ITEMS - 1)
			MemoryContextReset(items->scratch);
	}
	MemoryContextReset(items->scratch);
	pfree(vector);
	BulkWriterEnd(writer);
}

/* One block of consecutive item numbers in the scratch context. */
static bytea *
EncodeBlock(const ItemsWriter *items, int32 first, int32 count, float *rows)
{
	Size		size = cr_block_size(items->dims, count);
	bytea	   *bytes = palloc(VARHDRSZ + size);
	CrBlockItems block;

	for (int32 i = 0; i < count; i++)
		ItemVector(items->factors, items->by_norm[first + i].number,
				   rows + (Size) i * items->dims);
	block.rows = rows;
	block.stride = items->dims;
	block.dims = items->dims;
	block.items = count;
	block.first_item_no = first;
	SET_VARSIZE(bytes, VARHDRSZ + size);
	CheckComputation(cr_block_encode(&block, (uint8_t *) VARDATA(bytes)), "a block of items");
	return bytes;
}

static void
WriteBlocks(const ItemsWriter *items)
{
	BulkWriter *writer = BulkWriterBegin(items->config, MODEL_ITEM_BLOCK);
	int32		capacity = cr_block_capacity(items->dims);
	float	   *rows = palloc((Size) capacity * items->dims * sizeof(float));
	bool		nulls[5] = {false};
	Datum		values[5];

	for (int32 first = 0; first < items->factors->items; first += capacity)
	{
		int32		count = Min(capacity, items->factors->items - first);
		MemoryContext old_context = MemoryContextSwitchTo(items->scratch);
		bytea	   *bytes = EncodeBlock(items, first, count, rows);

		MemoryContextSwitchTo(old_context);
		values[0] = Int32GetDatum(items->version);
		values[1] = Int32GetDatum(first / capacity);
		values[2] = Int32GetDatum(count);
		values[3] = Float4GetDatum(items->by_norm[first].key);	/* the largest comes first */
		values[4] = PointerGetDatum(bytes);
		BulkWriterAdd(writer, values, nulls);
		MemoryContextReset(items->scratch);
	}
	pfree(rows);
	BulkWriterEnd(writer);
}

int32 *
PublishItems(const ModelConfig *config, int32 version, const PublishFactors *factors)
{
	Ordered    *by_norm = OrderByNorm(factors);
	int32	   *popular_no = RankByPopularity(factors);
	int32	   *item_no = MemoryContextAllocHuge(CurrentMemoryContext,
												 (Size) factors->items * sizeof(int32));
	ItemsWriter items;

	items.config = config;
	items.factors = factors;
	items.version = version;
	items.dims = PublishedDims(factors);
	items.by_norm = by_norm;
	items.popular_no = popular_no;
	items.scratch = AllocSetContextCreate(CurrentMemoryContext, "commrec items scratch",
										  ALLOCSET_DEFAULT_SIZES);
	WriteEmbeddings(&items);
	/* Without anything learned nobody looks into blocks: every answer comes from popularity. */
	if (factors->dims > 0)
		WriteBlocks(&items);
	for (int32 i = 0; i < factors->items; i++)
		item_no[by_norm[i].number] = i;
	MemoryContextDelete(items.scratch);
	pfree(popular_no);
	pfree(by_norm);
	return item_no;
}

Size
PublishItemsBytes(int32 items)
{
	/* While ranks are made: both orders and the ranks; the item numbers come after. */
	return mul_size(items, 2 * sizeof(Ordered) + sizeof(int32));
}
