/*
 * publish_neighbors.c
 *		The lists of a version whose scorer adds up lists, by item number.
 *
 * A training numbers items by id, serving by norm.  Rows are written in the
 * order of the item numbers, so that those which are read together, of items
 * that many users have, lie together.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "common/errors.h"
#include "common/sort.h"
#include "core/neighbors.h"
#include "store/bulk.h"
#include "store/publish_neighbors.h"

/* Everything that writing the lists needs; the buffers hold one list. */
typedef struct ListsWriter
{
	const CrCsr *lists;
	const int32 *item_no;		/* by dense number */
	int			item_bits;		/* of an item number */
	uint64	   *entries;		/* item numbers in the upper half; where they came from in the lower */
	uint64	   *scratch;		/* to sort them */
	int32	   *sorted;
	float	   *weight;			/* of the sorted entries */
	bytea	   *bytes;
} ListsWriter;

Size
PublishNeighborsBytes(int32 items)
{
	Size		entry = 2 * sizeof(uint64) + sizeof(int32) + sizeof(float) +
		(cr_neighbors_size(1) - cr_neighbors_size(0));

	/* A list has at most all items; and there is the way back from item numbers. */
	return mul_size(items, entry + sizeof(int32));
}

static uint32
LongestList(const CrCsr *lists)
{
	int64		longest = 0;

	for (int64 i = 0; i < lists->rows; i++)
		longest = Max(longest, lists->start[i + 1] - lists->start[i]);
	if (longest > CR_NEIGHBORS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("an item has " INT64_FORMAT " neighbors, limit is %d", longest,
						CR_NEIGHBORS_MAX),
				 errhint("Lower the number of neighbors that the hyperparameters ask for.")));
	return (uint32) longest;
}

static void
AllocateBuffers(ListsWriter *writer)
{
	uint32		longest = Max(LongestList(writer->lists), 1);

	writer->entries = palloc(longest * sizeof(uint64));
	writer->scratch = palloc(longest * sizeof(uint64));
	writer->sorted = palloc(longest * sizeof(int32));
	writer->weight = palloc(longest * sizeof(float));
	writer->bytes = palloc(VARHDRSZ + cr_neighbors_size(longest));
}

static void
FreeBuffers(ListsWriter *writer)
{
	pfree(writer->entries);
	pfree(writer->scratch);
	pfree(writer->sorted);
	pfree(writer->weight);
	pfree(writer->bytes);
}

/* The list of an item by its dense number, in item numbers. */
static Datum
EncodeList(ListsWriter *writer, int32 number)
{
	const CrCsr *lists = writer->lists;
	int64		from = lists->start[number];
	uint32		count = (uint32) (lists->start[number + 1] - from);
	const uint64 *sorted;

	for (uint32 i = 0; i < count; i++)
		writer->entries[i] = (uint64) writer->item_no[lists->column[from + i]] << 32 | i;
	sorted = SortByBits(writer->entries, writer->scratch, count, 32, writer->item_bits);
	for (uint32 i = 0; i < count; i++)
	{
		writer->sorted[i] = (int32) (sorted[i] >> 32);
		writer->weight[i] = lists->weight == NULL ? 1.0f : lists->weight[from + (uint32) sorted[i]];
	}
	SET_VARSIZE(writer->bytes, VARHDRSZ + cr_neighbors_size(count));
	CheckComputation(cr_neighbors_encode(writer->sorted, writer->weight, count,
										 (uint8_t *) VARDATA(writer->bytes)),
					 "the neighbors of an item");
	return PointerGetDatum(writer->bytes);
}

void
PublishNeighbors(const ModelConfig *config, int32 version, const PublishFactors *factors,
				 const int32 *item_no)
{
	BulkWriter *table;
	ListsWriter writer;
	int32	   *number;			/* by item_no */
	bool		nulls[3] = {false};
	Datum		values[3];

	if (factors->lists == NULL)
		return;
	writer.lists = factors->lists;
	writer.item_no = item_no;
	writer.item_bits = BitsOf((uint64) factors->items);
	AllocateBuffers(&writer);
	number = MemoryContextAllocHuge(CurrentMemoryContext, (Size) factors->items * sizeof(int32));
	for (int32 i = 0; i < factors->items; i++)
		number[item_no[i]] = i;
	table = BulkWriterBegin(config, MODEL_ITEM_NEIGHBOR);
	for (int32 i = 0; i < factors->items; i++)
	{
		CHECK_FOR_INTERRUPTS();
		values[0] = Int32GetDatum(version);
		values[1] = Int32GetDatum(i);
		values[2] = EncodeList(&writer, number[i]);
		BulkWriterAdd(table, values, nulls);
	}
	BulkWriterEnd(table);
	pfree(number);
	FreeBuffers(&writer);
}
