/*
 * publish_items.c
 *		The items of a version: their order, their rows and their blocks.
 *
 * recommend() walks items in descending order of norm, so that items are
 * numbered in that order and packed into blocks in it; unknown users are
 * answered in descending order of popularity.  Both orders break ties by
 * ascending id, which is the order of the dense numbers.  Where scores come from
 * lists, norms are those of popularity, or all zero: ties are broken by
 * popularity there, so that both orders are one.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "common/errors.h"
#include "common/sort.h"
#include "core/block.h"
#include "core/embedding.h"
#include "core/vector.h"
#include "store/bulk.h"
#include "store/publish_items.h"

/*
 * An item in an order: the complement of its key's bits, so that ascending
 * numbers are descending keys, above its dense number.
 */
typedef uint64 Ordered;

/* Everything that writing the items needs. */
typedef struct ItemsWriter
{
	const ModelConfig *config;
	const PublishFactors *factors;
	int32		version;
	int32		dims;			/* of the embeddings: at least 1 */
	const Ordered *by_norm;		/* item_no to dense number */
	const int32 *popular_no;	/* by dense number */
} ItemsWriter;

/* Keys are not negative, so that their bits as an integer have the same order. */
static Ordered
MakeOrdered(float key, int32 number)
{
	uint32		bits;

	/* There is a zero below zero, too. */
	key = Max(key, 0.0f) + 0.0f;
	memcpy(&bits, &key, sizeof(bits));
	return (uint64) ~bits << 32 | (uint32) number;
}

static int32
OrderedNumber(Ordered ordered)
{
	return (int32) (uint32) ordered;
}

static float
OrderedKey(Ordered ordered)
{
	uint32		bits = ~(uint32) (ordered >> 32);
	float		key;

	memcpy(&key, &bits, sizeof(key));
	return key;
}

/* Descending key, then ascending number, from ascending numbers; frees what it does not return. */
static Ordered *
SortOrdered(Ordered *order, int32 items)
{
	Ordered    *scratch = MemoryContextAllocHuge(CurrentMemoryContext,
												 (Size) Max(items, 1) * sizeof(Ordered));
	Ordered    *sorted = SortByBits(order, scratch, items, 32, 32);

	pfree(sorted == order ? scratch : order);
	return sorted;
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
	if (factors->lists == NULL)
		memcpy(vector, factors->item_factors + (Size) number * factors->stride,
			   factors->factors * sizeof(float));
	else
		vector[0] = 0;
	if (factors->item_popularity_score != NULL)
		vector[factors->factors] = factors->item_popularity_score[number];
}

/* By descending norm; ties as the items come. */
static Ordered *
OrderByNorm(const PublishFactors *factors, const Ordered *by_popularity)
{
	int32		dims = PublishedDims(factors);
	float	   *vector = palloc(dims * sizeof(float));
	Ordered    *order = MemoryContextAllocHuge(CurrentMemoryContext,
											   (Size) factors->items * sizeof(Ordered));

	for (int32 i = 0; i < factors->items; i++)
	{
		int32		number = factors->lists == NULL ? i : OrderedNumber(by_popularity[i]);
		float		norm;

		CHECK_FOR_INTERRUPTS();
		ItemVector(factors, number, vector);
		norm = cr_norm_upper(vector, dims);
		if (!isfinite(norm))
			CheckComputation(CR_NOT_FINITE, "the norm of an item's embedding");
		order[i] = MakeOrdered(norm, number);
	}
	pfree(vector);
	return SortOrdered(order, factors->items);
}

/* By what is stored as popularity, so that a query over the table sees the same order. */
static Ordered *
OrderByPopularity(const PublishFactors *factors)
{
	Ordered    *order = MemoryContextAllocHuge(CurrentMemoryContext,
											   (Size) factors->items * sizeof(Ordered));

	for (int32 i = 0; i < factors->items; i++)
	{
		float		popularity = (float) factors->item_popularity[i];

		CHECK_FOR_INTERRUPTS();
		if (!isfinite(popularity))
			CheckComputation(CR_NOT_FINITE, "the popularity of an item");
		order[i] = MakeOrdered(popularity, i);
	}
	return SortOrdered(order, factors->items);
}

/* Place in the order by dense number. */
static int32 *
RankOf(const Ordered *order, int32 items)
{
	int32	   *rank = MemoryContextAllocHuge(CurrentMemoryContext, (Size) items * sizeof(int32));

	for (int32 i = 0; i < items; i++)
		rank[OrderedNumber(order[i])] = i;
	return rank;
}

static void
WriteEmbeddings(const ItemsWriter *items)
{
	const PublishFactors *factors = items->factors;
	BulkWriter *writer = BulkWriterBegin(items->config, MODEL_ITEM_EMBEDDING);
	Size		size = VARHDRSZ + cr_embedding_size(items->dims);
	float	   *vector = palloc(items->dims * sizeof(float));
	bytea	   *embedding = palloc(size);
	bool		nulls[7] = {false};
	Datum		values[7];

	SET_VARSIZE(embedding, size);
	for (int32 item_no = 0; item_no < factors->items; item_no++)
	{
		int32		number = OrderedNumber(items->by_norm[item_no]);

		ItemVector(factors, number, vector);
		CheckComputation(cr_embedding_encode(vector, items->dims, (uint8_t *) VARDATA(embedding)),
						 "an item's embedding");
		values[0] = Int32GetDatum(items->version);
		values[1] = factors->item_id(factors->item_map, number);
		values[2] = Int32GetDatum(item_no);
		values[3] = PointerGetDatum(embedding);
		values[4] = Float4GetDatum((float) factors->item_popularity[number]);
		values[5] = Int32GetDatum(items->popular_no[number]);
		values[6] = Int32GetDatum(factors->item_users[number]);
		BulkWriterAdd(writer, values, nulls);
	}
	pfree(embedding);
	pfree(vector);
	BulkWriterEnd(writer);
}

/* One block of consecutive item numbers; "rows" is scratch for its vectors. */
static void
EncodeBlock(const ItemsWriter *items, int32 first, int32 count, float *rows, bytea *bytes)
{
	CrBlockItems block;

	for (int32 i = 0; i < count; i++)
		ItemVector(items->factors, OrderedNumber(items->by_norm[first + i]),
				   rows + (Size) i * items->dims);
	block.rows = rows;
	block.stride = items->dims;
	block.dims = items->dims;
	block.items = count;
	block.first_item_no = first;
	SET_VARSIZE(bytes, VARHDRSZ + cr_block_size(items->dims, count));
	CheckComputation(cr_block_encode(&block, (uint8_t *) VARDATA(bytes)), "a block of items");
}

static void
WriteBlocks(const ItemsWriter *items)
{
	BulkWriter *writer = BulkWriterBegin(items->config, MODEL_ITEM_BLOCK);
	int32		capacity = cr_block_capacity(items->dims);
	float	   *rows = palloc((Size) capacity * items->dims * sizeof(float));
	bytea	   *bytes = palloc(VARHDRSZ + cr_block_size(items->dims, capacity));
	bool		nulls[5] = {false};
	Datum		values[5];

	for (int32 first = 0; first < items->factors->items; first += capacity)
	{
		int32		count = Min(capacity, items->factors->items - first);

		CHECK_FOR_INTERRUPTS();
		EncodeBlock(items, first, count, rows, bytes);
		values[0] = Int32GetDatum(items->version);
		values[1] = Int32GetDatum(first / capacity);
		values[2] = Int32GetDatum(count);
		values[3] = Float4GetDatum(OrderedKey(items->by_norm[first]));	/* the largest comes first */
		values[4] = PointerGetDatum(bytes);
		BulkWriterAdd(writer, values, nulls);
	}
	pfree(bytes);
	pfree(rows);
	BulkWriterEnd(writer);
}

int32 *
PublishItems(const ModelConfig *config, int32 version, const PublishFactors *factors)
{
	Ordered    *by_popularity = OrderByPopularity(factors);
	Ordered    *by_norm = OrderByNorm(factors, by_popularity);
	int32	   *popular_no = RankOf(by_popularity, factors->items);
	int32	   *item_no;
	ItemsWriter items;

	pfree(by_popularity);
	items.config = config;
	items.factors = factors;
	items.version = version;
	items.dims = PublishedDims(factors);
	items.by_norm = by_norm;
	items.popular_no = popular_no;
	WriteEmbeddings(&items);
	/* Without anything learned nobody looks into blocks: every answer comes from popularity. */
	if (factors->dims > 0)
		WriteBlocks(&items);
	item_no = RankOf(by_norm, factors->items);
	pfree(popular_no);
	pfree(by_norm);
	return item_no;
}

Size
PublishItemsBytes(int32 items)
{
	/* While the second order is made: both, and room to sort; what comes after takes less. */
	return mul_size(items, 3 * sizeof(Ordered));
}
