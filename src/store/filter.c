/*
 * filter.c
 *		The items that pass one of a model's filters, as bits read piece by piece.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "common/compat.h"
#include "common/errors.h"
#include "store/filter.h"
#include "store/model.h"

enum { PIECE_FILTER, PIECE_VERSION, PIECE_PIECE, PIECE_ITEMS };

static const LookupLayout piece_layout = {
	MODEL_ITEM_FILTER_PIECE, 3, 4,
	{{"filter", TEXTOID}, {"version", INT4OID}, {"piece", INT4OID}, {"items", BYTEAOID}}
};

/* Why there is no piece: the filter is unknown, or not of this version. */
static void pg_attribute_noreturn()
ReportNoPiece(const FilterReader *reader)
{
	static const LookupLayout filter_layout = {MODEL_ITEM_FILTER, 1, 1, {{"filter", TEXTOID}}};
	Oid			schema = reader->lookup.schema;
	Datum		name = CStringGetTextDatum(reader->name);
	Lookup		lookup;
	bool		found;

	LookupOpen(&lookup, schema, &filter_layout);
	LookupStart(&lookup, 1, &name);
	found = LookupNext(&lookup);
	LookupClose(&lookup);
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has no filter \"%s\"", ModelSchemaName(schema), reader->name),
				 errhint("Create it with commrec.create_filter(); the table %s lists those that there are.",
						 quote_qualified_identifier(ModelSchemaName(schema), MODEL_ITEM_FILTER))));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("filter \"%s\" of model \"%s\" knows nothing of version %d", reader->name,
					ModelSchemaName(schema), reader->deployed->version),
			 errhint("Evaluate it with commrec.refresh_filter().")));
}

static void
LoadPiece(FilterReader *reader, int32 piece)
{
	Datum		keys[3];
	const uint8 *bytes;
	Size		length = 0;
	CrStatus	status = CR_CORRUPT;

	if (piece == reader->piece)
		return;
	CHECK_FOR_INTERRUPTS();
	keys[0] = CStringGetTextDatum(reader->name);
	keys[1] = Int32GetDatum(reader->deployed->version);
	keys[2] = Int32GetDatum(piece);
	LookupStart(&reader->lookup, 3, keys);
	if (!LookupNext(&reader->lookup))
		ReportNoPiece(reader);
	bytes = LookupBytes(&reader->lookup, PIECE_ITEMS, &length);
	if (bytes != NULL)
		status = cr_itemset_check(bytes, length, piece * CR_ITEMSET_BITS);
	if (status != CR_OK)
		CheckStoredBytes(status, ModelSchemaName(reader->lookup.schema),
						 psprintf("piece %d of filter \"%s\"", piece, reader->name));
	cr_itemset_decode(bytes, reader->words);
	reader->piece = piece;
	pfree(DatumGetPointer(keys[0]));
}

void
FilterReaderOpen(FilterReader *reader, Oid schema, const DeployedVersion *deployed,
				 const char *name)
{
	reader->deployed = deployed;
	reader->name = name;
	reader->piece = -1;
	LookupOpen(&reader->lookup, schema, &piece_layout);
	/* Every version has items, so that this finds out about unknown filters. */
	LoadPiece(reader, 0);
}

void
FilterReaderClose(FilterReader *reader)
{
	LookupClose(&reader->lookup);
}

bool
FilterHas(FilterReader *reader, int32 item_no)
{
	LoadPiece(reader, item_no / CR_ITEMSET_BITS);
	return cr_itemset_has(reader->words, item_no % CR_ITEMSET_BITS);
}

int32
FilterNext(FilterReader *reader, int32 item_no)
{
	while (item_no < reader->deployed->items)
	{
		int32		first = item_no - item_no % CR_ITEMSET_BITS;
		int32		bit;

		LoadPiece(reader, item_no / CR_ITEMSET_BITS);
		bit = cr_itemset_next(reader->words, item_no % CR_ITEMSET_BITS);
		if (bit < CR_ITEMSET_BITS)
			return Min(first + bit, reader->deployed->items);
		if (first > PG_INT32_MAX - CR_ITEMSET_BITS)
			break;
		item_no = first + CR_ITEMSET_BITS;
	}
	return reader->deployed->items;
}
