/*
 * reader_items.c
 *		Reading the items of a deployed version, and their blocks.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "common/errors.h"
#include "core/embedding.h"
#include "store/model.h"
#include "store/reader.h"

#define FIRST_RANGE		2		/* blocks that are asked for first; then twice as many each time */
#define LAST_RANGE		256

/* Columns of a layout are addressed by these, in the same order. */
enum { ITEM_VERSION, ITEM_KEY, ITEM_NO, ITEM_ID, ITEM_EMBEDDING, ITEM_POPULARITY,
	ITEM_POPULAR_NO, ITEM_USERS };
enum { BLOCK_VERSION, BLOCK_NO, BLOCK_CODES };

/* By ItemKey. */
static const LookupLayout item_layouts[] = {
	{MODEL_ITEM_EMBEDDING, 2, 8,
		{{"version", INT4OID}, {"item_no", INT4OID}, {"item_no", INT4OID},
		{"item_id", InvalidOid}, {"embedding", BYTEAOID}, {"popularity", FLOAT4OID},
		{"popular_no", INT4OID}, {"users", INT4OID}}},
	{MODEL_ITEM_EMBEDDING, 2, 8,
		{{"version", INT4OID}, {"popular_no", INT4OID}, {"item_no", INT4OID},
		{"item_id", InvalidOid}, {"embedding", BYTEAOID}, {"popularity", FLOAT4OID},
		{"popular_no", INT4OID}, {"users", INT4OID}}},
	{MODEL_ITEM_EMBEDDING, 2, 8,
		{{"version", INT4OID}, {"item_id", InvalidOid}, {"item_no", INT4OID},
		{"item_id", InvalidOid}, {"embedding", BYTEAOID}, {"popularity", FLOAT4OID},
		{"popular_no", INT4OID}, {"users", INT4OID}}},
};

static const LookupLayout block_layout = {
	MODEL_ITEM_BLOCK, 2, 3,
	{{"version", INT4OID}, {"block", INT4OID}, {"codes", BYTEAOID}}
};

void
ItemReaderOpen(ItemReader *reader, Oid schema, const DeployedVersion *deployed, ItemKey key)
{
	reader->deployed = deployed;
	LookupOpen(&reader->lookup, schema, &item_layouts[key]);
}

void
ItemReaderClose(ItemReader *reader)
{
	LookupClose(&reader->lookup);
}

static bool
FindItem(ItemReader *reader, Datum key)
{
	Datum		keys[2];

	keys[0] = Int32GetDatum(reader->deployed->version);
	keys[1] = key;
	LookupStart(&reader->lookup, 2, keys);
	return LookupNext(&reader->lookup);
}

void
ItemReaderFindNo(ItemReader *reader, int32 item_no)
{
	if (LookupGuess(&reader->lookup, reader->deployed->version, item_no))
		return;
	if (!FindItem(reader, Int32GetDatum(item_no)))
		CheckStoredBytes(CR_CORRUPT, ModelSchemaName(reader->lookup.schema),
						 psprintf("row of item number %d", item_no));
	LookupLearn(&reader->lookup, item_no);
}

bool
ItemReaderFindId(ItemReader *reader, Datum item_id)
{
	return FindItem(reader, item_id);
}

void
ItemReaderStart(ItemReader *reader)
{
	Datum		version = Int32GetDatum(reader->deployed->version);

	LookupStart(&reader->lookup, 1, &version);
}

bool
ItemReaderNext(ItemReader *reader)
{
	return LookupNext(&reader->lookup);
}

/* Raise what is wrong with one of the current item's columns. */
static void
CheckItemBytes(CrStatus status, ItemReader *reader, const char *column)
{
	Lookup	   *lookup = &reader->lookup;
	bool		is_null;
	Datum		item_id;

	if (status == CR_OK)
		return;
	item_id = LookupValue(lookup, ITEM_ID, &is_null);
	CheckStoredBytes(status, ModelSchemaName(lookup->schema),
					 psprintf("%s of item \"%s\"", column,
							  is_null ? "" : IdToCString(item_id, lookup->id_kind)));
}

void
ItemReaderGet(ItemReader *reader, StoredItem *item)
{
	bool		is_no_null;
	bool		is_popularity_null;
	Datum		item_no = LookupValue(&reader->lookup, ITEM_NO, &is_no_null);
	Datum		popularity = LookupValue(&reader->lookup, ITEM_POPULARITY, &is_popularity_null);

	if (is_no_null || DatumGetInt32(item_no) < 0 ||
		DatumGetInt32(item_no) >= reader->deployed->items)
		CheckItemBytes(CR_CORRUPT, reader, "number");
	if (is_popularity_null || !isfinite(DatumGetFloat4(popularity)))
		CheckItemBytes(CR_CORRUPT, reader, "popularity");
	item->item_no = DatumGetInt32(item_no);
	item->popularity = DatumGetFloat4(popularity);
}

int32
ItemReaderPopularNo(ItemReader *reader)
{
	bool		is_null;
	Datum		popular_no = LookupValue(&reader->lookup, ITEM_POPULAR_NO, &is_null);

	if (is_null)
		CheckItemBytes(CR_CORRUPT, reader, "place in popularity");
	return DatumGetInt32(popular_no);
}

int32
ItemReaderUsers(ItemReader *reader)
{
	bool		is_null;
	Datum		users = LookupValue(&reader->lookup, ITEM_USERS, &is_null);

	if (is_null)
		CheckItemBytes(CR_CORRUPT, reader, "number of users");
	return DatumGetInt32(users);
}

void
ItemReaderEmbedding(ItemReader *reader, float *embedding)
{
	Size		length = 0;
	const uint8 *bytes = LookupBytes(&reader->lookup, ITEM_EMBEDDING, &length);

	CheckItemBytes(bytes == NULL ? CR_CORRUPT :
				   cr_embedding_decode(bytes, length, reader->deployed->dims, embedding),
				   reader, "embedding");
}

Datum
ItemReaderId(ItemReader *reader)
{
	bool		is_null;
	Datum		id = LookupValue(&reader->lookup, ITEM_ID, &is_null);

	if (is_null)
		CheckItemBytes(CR_CORRUPT, reader, "id");
	return IdCopy(id, reader->lookup.id_kind);
}

int32
BlockCount(const DeployedVersion *deployed)
{
	int32		capacity = cr_block_capacity(deployed->dims);

	return deployed->items / capacity + (deployed->items % capacity != 0);
}

void
BlockReaderOpen(BlockReader *reader, Oid schema, const DeployedVersion *deployed)
{
	reader->deployed = deployed;
	reader->next_block = 0;
	reader->range_end = 0;
	reader->range_size = FIRST_RANGE;
	LookupOpen(&reader->lookup, schema, &block_layout);
}

void
BlockReaderClose(BlockReader *reader)
{
	LookupClose(&reader->lookup);
}

/*
 * Go to a block: to where it should lie, or through the index.  There blocks
 * are asked for in ranges: B-trees read all
 * matches of a page at once, and most calls need but the first few blocks.
 */
static bool
SeekBlock(BlockReader *reader, int32 block)
{
	if (LookupGuess(&reader->lookup, reader->deployed->version, block))
		return true;
	if (block != reader->next_block || block >= reader->range_end)
	{
		reader->range_end = block > PG_INT32_MAX - reader->range_size ? PG_INT32_MAX :
			block + reader->range_size;
		reader->range_size = Min(2 * reader->range_size, LAST_RANGE);
		LookupStartRange(&reader->lookup, Int32GetDatum(reader->deployed->version), block,
						 reader->range_end);
	}
	reader->next_block = block + 1;
	if (!LookupNext(&reader->lookup))
		return false;
	LookupLearn(&reader->lookup, block);
	return true;
}

/* A block holds the items that its number says: none is lost, none is there twice. */
static CrStatus
CheckBlock(const BlockReader *reader, int32 block, const uint8 *bytes, Size length,
		   CrBlockHeader *header)
{
	int32		capacity = cr_block_capacity(reader->deployed->dims);
	int64		first = (int64) block * capacity;
	CrStatus	status;

	if (bytes == NULL)
		return CR_CORRUPT;
	status = cr_block_check(bytes, length, reader->deployed->dims, header);
	if (status == CR_OK && (header->first_item_no != first ||
							header->items != Min(capacity, reader->deployed->items - first)))
		return CR_CORRUPT;
	return status;
}

const uint8 *
BlockReaderGet(BlockReader *reader, int32 block, CrBlockHeader *header, Size *length)
{
	const uint8 *bytes = NULL;
	CrStatus	status = CR_CORRUPT;

	if (SeekBlock(reader, block))
	{
		bytes = LookupBytes(&reader->lookup, BLOCK_CODES, length);
		status = CheckBlock(reader, block, bytes, *length, header);
	}
	if (status != CR_OK)
		CheckStoredBytes(status, ModelSchemaName(reader->lookup.schema),
						 psprintf("item block %d", block));
	return bytes;
}
