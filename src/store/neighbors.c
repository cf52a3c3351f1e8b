/*
 * neighbors.c
 *		Reading the lists of a deployed version whose scorer adds up lists.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "common/compat.h"
#include "common/errors.h"
#include "store/model.h"
#include "store/neighbors.h"

enum { NEIGHBOR_VERSION, NEIGHBOR_ITEM_NO, NEIGHBOR_NEIGHBORS };

static const LookupLayout neighbor_layout = {
	MODEL_ITEM_NEIGHBOR, 2, 3,
	{{"version", INT4OID}, {"item_no", INT4OID}, {"neighbors", BYTEAOID}}
};

void
NeighborReaderOpen(NeighborReader *reader, Oid schema, const DeployedVersion *deployed)
{
	reader->deployed = deployed;
	LookupOpen(&reader->lookup, schema, &neighbor_layout);
}

void
NeighborReaderClose(NeighborReader *reader)
{
	LookupClose(&reader->lookup);
}

/* Raise what is wrong with the list of an item. */
static void pg_attribute_noreturn()
ReportNeighbors(const NeighborReader *reader, int32 item_no, CrStatus status)
{
	ItemReader	items;
	char	   *id;

	ItemReaderOpen(&items, reader->lookup.schema, reader->deployed, ITEM_BY_NO);
	ItemReaderFindNo(&items, item_no);
	id = IdToCString(ItemReaderId(&items), items.lookup.id_kind);
	ItemReaderClose(&items);
	CheckStoredBytes(status, ModelSchemaName(reader->lookup.schema),
					 psprintf("neighbors of item \"%s\"", id));
	pg_unreachable();
}

/* The list of the current row. */
static const uint8 *
CheckedBytes(NeighborReader *reader, int32 item_no, uint32 *count)
{
	CrStatus	status = CR_CORRUPT;
	Size		length = 0;
	const uint8 *bytes = LookupBytes(&reader->lookup, NEIGHBOR_NEIGHBORS, &length);

	if (bytes != NULL)
		status = cr_neighbors_check(bytes, length, reader->deployed->items, count);
	if (status != CR_OK)
		ReportNeighbors(reader, item_no, status);
	return bytes;
}

const uint8 *
NeighborReaderGet(NeighborReader *reader, int32 item_no, uint32 *count)
{
	Datum		keys[2];

	if (!LookupGuess(&reader->lookup, reader->deployed->version, item_no))
	{
		keys[0] = Int32GetDatum(reader->deployed->version);
		keys[1] = Int32GetDatum(item_no);
		LookupStart(&reader->lookup, 2, keys);
		if (!LookupNext(&reader->lookup))
			ReportNeighbors(reader, item_no, CR_CORRUPT);
		LookupLearn(&reader->lookup, item_no);
	}
	return CheckedBytes(reader, item_no, count);
}

static void
StartAll(NeighborReader *reader, Oid schema, const DeployedVersion *deployed)
{
	Datum		version = Int32GetDatum(deployed->version);

	NeighborReaderOpen(reader, schema, deployed);
	LookupStart(&reader->lookup, 1, &version);
}

/* The next list, which must be that of this item. */
static const uint8 *
NextList(NeighborReader *reader, int32 item_no, uint32 *count)
{
	bool		is_null = true;
	Datum		stored = (Datum) 0;

	CHECK_FOR_INTERRUPTS();
	if (LookupNext(&reader->lookup))
		stored = LookupValue(&reader->lookup, NEIGHBOR_ITEM_NO, &is_null);
	if (is_null || DatumGetInt32(stored) != item_no)
		ReportNeighbors(reader, item_no, CR_CORRUPT);
	return CheckedBytes(reader, item_no, count);
}

int64
NeighborsCount(Oid schema, const DeployedVersion *deployed)
{
	NeighborReader reader;
	int64		entries = 0;
	uint32		count;

	StartAll(&reader, schema, deployed);
	for (int32 item_no = 0; item_no < deployed->items; item_no++)
	{
		(void) NextList(&reader, item_no, &count);
		entries += count;
	}
	NeighborReaderClose(&reader);
	return entries;
}

void
NeighborsLoad(Oid schema, const DeployedVersion *deployed, NeighborArrays *arrays)
{
	NeighborReader reader;
	int64		from = 0;
	uint32		count;

	StartAll(&reader, schema, deployed);
	arrays->start[0] = 0;
	for (int32 item_no = 0; item_no < deployed->items; item_no++)
	{
		const uint8 *bytes = NextList(&reader, item_no, &count);

		/* One snapshot has one number of entries; to write past the end would be worse than to fail. */
		if (arrays->entries - from < count)
			ReportNeighbors(&reader, item_no, CR_CORRUPT);
		cr_neighbors_decode(bytes, count, arrays->item_no + from, arrays->weight + from);
		from += count;
		arrays->start[item_no + 1] = from;
	}
	NeighborReaderClose(&reader);
}
