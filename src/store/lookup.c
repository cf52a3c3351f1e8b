/*
 * lookup.c
 *		Finding rows of a model's table through one of its indexes, with the active snapshot.
 *
 * One index scan per open table, restarted for every look-up, and one slot for
 * the current row: a look-up allocates nothing that it does not free.  The
 * slot's pin keeps the page, and so the values that point into it, until the
 * next row.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "nodes/primnodes.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "common/compat.h"
#include "store/lookup.h"
#include "store/model.h"

/* Wrong guesses after which there are no more. */
#define GUESSES_MISSED_MAX	2

static void pg_attribute_noreturn()
ReportAlteredTable(Oid schema, const char *table, const char *column, Oid type)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 OidIsValid(type) ?
			 errmsg("table \"%s.%s\" has no column \"%s\" of type %s",
					ModelSchemaName(schema), table, column, format_type_be(type)) :
			 errmsg("table \"%s.%s\" has no column \"%s\" of a type that an id may have",
					ModelSchemaName(schema), table, column),
			 errhint("Undo what altered the table, or drop the model and create it again with commrec.create_model().")));
}

/* Number of a column of exactly this type; for InvalidOid, of a type that ids are stored in. */
static AttrNumber
FindColumn(Relation table, const LookupColumn *column, IdKind *kind)
{
	TupleDesc	descriptor = RelationGetDescr(table);

	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (attribute->attisdropped || strcmp(NameStr(attribute->attname), column->name) != 0)
			continue;
		if (OidIsValid(column->type) ? attribute->atttypid == column->type :
			(IdKindFromType(attribute->atttypid, kind) &&
			 IdKindType(*kind) == attribute->atttypid))
			return attribute->attnum;
	}
	ReportAlteredTable(RelationGetNamespace(table), RelationGetRelationName(table), column->name,
					   column->type);
}

/* May this snapshot trust the index?  As the planner asks: a new one may miss old HOT chains. */
static bool
IsIndexUsable(Relation index)
{
	Form_pg_index form = index->rd_index;

	return form->indisvalid && form->indislive && index->rd_rel->relam == BTREE_AM_OID &&
		(!form->indcheckxmin ||
		 TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data),
							   TransactionXmin));
}

/* Is one column of the index this one, ascending, with the type's own order and the column's collation? */
static bool
IsIndexColumn(Relation table, Relation index, int position, AttrNumber number)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(table), number - 1);
	TypeCacheEntry *type = lookup_type_cache(attribute->atttypid, TYPECACHE_BTREE_OPFAMILY);

	return index->rd_index->indkey.values[position] == number &&
		index->rd_opfamily[position] == type->btree_opf &&
		index->rd_indcollation[position] == attribute->attcollation &&
		(index->rd_indoption[position] & INDOPTION_DESC) == 0;
}

/*
 * A partial index serves only if its predicate is its own first column, a
 * boolean that is then looked up as true.
 */
static bool
IsPredicateImplied(Relation index, const Lookup *lookup)
{
	List	   *predicate = RelationGetIndexPredicate(index);
	Node	   *clause;

	if (predicate == NIL)
		return true;
	clause = linitial(predicate);
	return list_length(predicate) == 1 && IsA(clause, Var) &&
		lookup->layout->column[0].type == BOOLOID &&
		((Var *) clause)->varattno == lookup->number[0];
}

static bool
IndexServes(Relation index, const Lookup *lookup)
{
	if (!IsIndexUsable(index) ||
		IndexRelationGetNumberOfKeyAttributes(index) < lookup->layout->keys)
		return false;
	for (int i = 0; i < lookup->layout->keys; i++)
	{
		if (!IsIndexColumn(lookup->table, index, i, lookup->number[i]))
			return false;
	}
	return IsPredicateImplied(index, lookup);
}

/*
 * Are the key columns the leading ones of this index?  Asked before it is
 * opened: a table has several indexes, and each that is opened is locked.
 */
static bool
IndexLooksRight(Oid index, const Lookup *lookup)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool		fits = false;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);

		fits = form->indnkeyatts >= lookup->layout->keys;
		for (int i = 0; fits && i < lookup->layout->keys; i++)
			fits = form->indkey.values[i] == lookup->number[i];
		ReleaseSysCache(tuple);
	}
	return fits;
}

/* The first index that serves, open. */
static Relation
OpenServingIndex(const Lookup *lookup)
{
	List	   *indexes = RelationGetIndexList(lookup->table);
	const LookupLayout *layout = lookup->layout;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		Relation	index;

		if (!IndexLooksRight(lfirst_oid(cell), lookup))
			continue;
		index = index_open(lfirst_oid(cell), AccessShareLock);
		if (IndexServes(index, lookup))
		{
			list_free(indexes);
			return index;
		}
		index_close(index, NoLock);
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s.%s\" has no usable index on \"%s\"%s%s%s",
					ModelSchemaName(lookup->schema), layout->table, layout->column[0].name,
					layout->keys > 1 ? ", \"" : "",
					layout->keys > 1 ? layout->column[1].name : "", layout->keys > 1 ? "\"" : ""),
			 errhint("Create the index again, or drop the model and create it again with commrec.create_model().")));
	return NULL;				/* keep the compiler quiet */
}

/* Equality with the key column, its value still to be filled in. */
static void
PrepareKey(Lookup *lookup, int position)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(lookup->table),
												lookup->number[position] - 1);
	TypeCacheEntry *type = lookup_type_cache(attribute->atttypid, TYPECACHE_EQ_OPR_FINFO);

	ScanKeyEntryInitializeWithInfo(&lookup->key[position], 0, position + 1, BTEqualStrategyNumber,
								   InvalidOid, attribute->attcollation, &type->eq_opr_finfo,
								   (Datum) 0);
}

void
LookupOpen(Lookup *lookup, Oid schema, const LookupLayout *layout)
{
	lookup->schema = schema;
	lookup->layout = layout;
	lookup->id_kind = ID_INT8;
	lookup->scan = NULL;
	lookup->context = CurrentMemoryContext;
	lookup->copy = NULL;
	memset(&lookup->places, 0, sizeof(lookup->places));
	lookup->table = ModelOpenTable(schema, layout->table, AccessShareLock);
	for (int i = 0; i < layout->columns; i++)
		lookup->number[i] = FindColumn(lookup->table, &layout->column[i], &lookup->id_kind);
	lookup->index = OpenServingIndex(lookup);
	for (int i = 0; i < layout->keys; i++)
		PrepareKey(lookup, i);
	lookup->slot = table_slot_create(lookup->table, NULL);
}

static void
FreeCopy(Lookup *lookup)
{
	if (lookup->copy != NULL)
		pfree(lookup->copy);
	lookup->copy = NULL;
}

/* Have a scan with this many keys. */
static void
BeginScan(Lookup *lookup, int keys)
{
	MemoryContext old_context = MemoryContextSwitchTo(lookup->context);

	FreeCopy(lookup);
	if (lookup->scan != NULL && lookup->scan->numberOfKeys != keys)
	{
		index_endscan(lookup->scan);
		lookup->scan = NULL;
	}
	if (lookup->scan == NULL)
		lookup->scan = CommrecIndexBeginScan(lookup->table, lookup->index, GetActiveSnapshot(),
											 keys);
	MemoryContextSwitchTo(old_context);
}

void
LookupStart(Lookup *lookup, int keys, const Datum *values)
{
	Assert(keys <= lookup->layout->keys);
	BeginScan(lookup, keys);
	for (int i = 0; i < keys; i++)
		lookup->key[i].sk_argument = values[i];
	index_rescan(lookup->scan, lookup->key, keys, NULL, 0);
}

void
LookupStartRange(Lookup *lookup, Datum value, int32 from, int32 to)
{
	ScanKeyData key[3];

	Assert(lookup->layout->keys >= 2 && lookup->layout->column[1].type == INT4OID);
	BeginScan(lookup, lengthof(key));
	key[0] = lookup->key[0];
	key[0].sk_argument = value;
	ScanKeyInit(&key[1], 2, BTGreaterEqualStrategyNumber, F_INT4GE, Int32GetDatum(from));
	ScanKeyInit(&key[2], 2, BTLessStrategyNumber, F_INT4LT, Int32GetDatum(to));
	index_rescan(lookup->scan, key, lengthof(key), NULL, 0);
}

/*
 * The index keeps what it allocates on the way, such as its list of dead
 * entries, as long as the scan: that must not be what the caller resets between
 * rows.
 */
bool
LookupNext(Lookup *lookup)
{
	MemoryContext old_context = MemoryContextSwitchTo(lookup->context);
	bool		is_found;

	FreeCopy(lookup);
	is_found = index_getnext_slot(lookup->scan, ForwardScanDirection, lookup->slot);
	MemoryContextSwitchTo(old_context);
	return is_found;
}

/* The place of a row, if all pages have equally many; false where the table ends. */
static bool
GuessPlace(Lookup *lookup, int32 number, ItemPointer place)
{
	LookupPlaces *places = &lookup->places;
	int64		distance = number - places->first;
	int64		page = distance / places->per_page;
	int64		row = distance % places->per_page;

	if (row < 0)
	{
		row += places->per_page;
		page--;
	}
	page += places->page;
	if (places->pages == 0)
		places->pages = RelationGetNumberOfBlocks(lookup->table);
	if (page < 0 || page >= places->pages)
		return false;
	ItemPointerSet(place, (BlockNumber) page, (OffsetNumber) (row + 1));
	return true;
}

/* Does the current row have these values in its first two columns? */
static bool
IsRow(Lookup *lookup, int32 value, int32 number)
{
	bool		is_null[2];
	Datum		first = LookupValue(lookup, 0, &is_null[0]);
	Datum		second = LookupValue(lookup, 1, &is_null[1]);

	return !is_null[0] && !is_null[1] && DatumGetInt32(first) == value &&
		DatumGetInt32(second) == number;
}

bool
LookupGuess(Lookup *lookup, int32 value, int32 number)
{
	ItemPointerData place;

	Assert(lookup->layout->column[0].type == INT4OID && lookup->layout->column[1].type == INT4OID);
	FreeCopy(lookup);
	if (lookup->places.per_page == 0 || lookup->places.misses >= GUESSES_MISSED_MAX ||
		!GuessPlace(lookup, number, &place))
		return false;
	if (table_tuple_fetch_row_version(lookup->table, &place, GetActiveSnapshot(), lookup->slot) &&
		IsRow(lookup, value, number))
		return true;
	lookup->places.misses++;
	return false;
}

void
LookupLearn(Lookup *lookup, int32 number)
{
	LookupPlaces *places = &lookup->places;
	ItemPointer place = &lookup->slot->tts_tid;
	Buffer		buffer;

	if (places->per_page != 0 || lookup->table->rd_rel->relam != HEAP_TABLE_AM_OID)
		return;
	/* The scan's slot pins the row's page. */
	buffer = ((BufferHeapTupleTableSlot *) lookup->slot)->buffer;
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	places->per_page = PageGetMaxOffsetNumber(BufferGetPage(buffer));
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	places->first = (int64) number - (ItemPointerGetOffsetNumber(place) - 1);
	places->page = ItemPointerGetBlockNumber(place);
}

ItemPointerData
LookupPlace(const Lookup *lookup)
{
	return lookup->slot->tts_tid;
}

bool
LookupFetch(Lookup *lookup, ItemPointerData place)
{
	FreeCopy(lookup);
	return table_tuple_fetch_row_version(lookup->table, &place, GetActiveSnapshot(), lookup->slot);
}

Datum
LookupValue(Lookup *lookup, int column, bool *is_null)
{
	return slot_getattr(lookup->slot, lookup->number[column], is_null);
}

/*
 * "Packed" here only saves a copy of short values: the bytes are handed to the
 * codecs of core, which take any alignment and check the length.
 */
const uint8 *
LookupBytes(Lookup *lookup, int column, Size *length)
{
	bool		is_null;
	Datum		value = LookupValue(lookup, column, &is_null);
	MemoryContext old_context;
	struct varlena *bytes;

	if (is_null)
		return NULL;
	old_context = MemoryContextSwitchTo(lookup->context);
	bytes = PG_DETOAST_DATUM_PACKED(value);
	MemoryContextSwitchTo(old_context);
	if ((Pointer) bytes != DatumGetPointer(value))
	{
		FreeCopy(lookup);
		lookup->copy = bytes;
	}
	*length = VARSIZE_ANY_EXHDR(bytes);
	return (const uint8 *) VARDATA_ANY(bytes);
}

void
LookupClose(Lookup *lookup)
{
	FreeCopy(lookup);
	if (lookup->scan != NULL)
		index_endscan(lookup->scan);
	ExecDropSingleTupleTableSlot(lookup->slot);
	index_close(lookup->index, NoLock);
	table_close(lookup->table, NoLock);
}

IdKind
LookupIdKind(Oid schema, const char *table, const char *column)
{
	Oid			relation = get_relname_relid(table, schema);
	HeapTuple	tuple = SearchSysCacheAttName(relation, column);
	IdKind		kind = ID_INT8;
	Oid			type = InvalidOid;

	/* This says what is wrong. */
	if (!OidIsValid(relation))
		table_close(ModelOpenTable(schema, table, AccessShareLock), NoLock);
	if (HeapTupleIsValid(tuple))
	{
		type = ((Form_pg_attribute) GETSTRUCT(tuple))->atttypid;
		ReleaseSysCache(tuple);
	}
	if (!OidIsValid(type) || !IdKindFromType(type, &kind) || IdKindType(kind) != type)
		ReportAlteredTable(schema, table, column, InvalidOid);
	return kind;
}
