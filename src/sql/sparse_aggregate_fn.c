/*
 * sparse_aggregate_fn.c
 *		The aggregates collect() and pack_csr(): sparse rows and matrices from their entries.
 *
 * Both keep the entries in a pile (sql/pile.h) and sort them at the end; the
 * values of one place are added up in ascending order, so that the order in
 * which they came makes no difference.  A list is one row of a matrix.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "common/compat.h"
#include "common/errors.h"
#include "core/bytes.h"
#include "sql/parts_arguments.h"
#include "sql/pile.h"

PG_FUNCTION_INFO_V1(commrec_collect_accum);
PG_FUNCTION_INFO_V1(commrec_collect_combine);
PG_FUNCTION_INFO_V1(commrec_collect_final);
PG_FUNCTION_INFO_V1(commrec_pack_csr_accum);
PG_FUNCTION_INFO_V1(commrec_pack_csr_combine);
PG_FUNCTION_INFO_V1(commrec_pack_csr_final);

#define POLLED_ENTRIES	65536	/* between two polls */

static const PileKind list_pile = {0x4C435243, 8 * sizeof(CrSparseEntry), "commrec.collect", NULL};
static const PileKind matrix_pile = {0x4D435243, 1024, "commrec.pack_csr", NULL};

static void
CheckNumber(int32 number, const char *what)
{
	if (number < 0 || number == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between 0 and %d, not %d", what, PG_INT32_MAX - 1, number),
				 errhint("Number them from 0, without gaps.")));
}

static Datum
AddEntry(FunctionCallInfo fcinfo, const PileKind *kind, const CrSparseEntry *entry)
{
	CrPile	   *pile = PileOwnState(fcinfo, kind);
	uint8	   *place;

	if (!isfinite(entry->value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value must be a finite number, not %g", entry->value),
				 errhint("Leave such rows out: %s(...) FILTER (WHERE ...).", kind->aggregate)));
	if (pile == NULL)
		pile = PileCreate(kind, NULL, 0);
	pile = PileAddRow(pile, kind, sizeof(CrSparseEntry), &place);
	memcpy(place, entry, sizeof(CrSparseEntry));
	PG_RETURN_POINTER(pile);
}

/* collect_accum(state bytea, item_no integer, value double precision) -> bytea */
Datum
commrec_collect_accum(PG_FUNCTION_ARGS)
{
	CrSparseEntry entry;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return PileSameState(fcinfo);
	entry.row = 0;
	entry.column = PG_GETARG_INT32(1);
	entry.value = PG_GETARG_FLOAT8(2);
	CheckNumber(entry.column, "item_no");
	return AddEntry(fcinfo, &list_pile, &entry);
}

/* pack_csr_accum(state bytea, row integer, col integer, value double precision) -> bytea */
Datum
commrec_pack_csr_accum(PG_FUNCTION_ARGS)
{
	CrSparseEntry entry;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		return PileSameState(fcinfo);
	entry.row = PG_GETARG_INT32(1);
	entry.column = PG_GETARG_INT32(2);
	entry.value = PG_GETARG_FLOAT8(3);
	CheckNumber(entry.row, "row");
	CheckNumber(entry.column, "col");
	return AddEntry(fcinfo, &matrix_pile, &entry);
}

/* collect_combine(state bytea, other bytea) -> bytea */
Datum
commrec_collect_combine(PG_FUNCTION_ARGS)
{
	return PileCombine(fcinfo, &list_pile);
}

/* pack_csr_combine(state bytea, other bytea) -> bytea */
Datum
commrec_pack_csr_combine(PG_FUNCTION_ARGS)
{
	return PileCombine(fcinfo, &matrix_pile);
}

/* Sorting millions takes seconds, and nothing here needs tidying up. */
static int
CompareEntries(const void *left, const void *right)
{
	const CrSparseEntry *a = left;
	const CrSparseEntry *b = right;

	CHECK_FOR_INTERRUPTS();
	if (a->row != b->row)
		return a->row < b->row ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	return (a->value > b->value) - (a->value < b->value);
}

static void pg_attribute_noreturn()
ReportDamagedState(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the state of the aggregate is damaged"),
			 errhint("Call the aggregate, not its support functions.")));
}

/* All entries, in the current context. */
static CrSparseEntry *
CopyEntries(const CrPile *pile)
{
	CrSparseEntry *entries;

	if (cr_pile_check_width(pile, sizeof(CrSparseEntry)) != CR_OK)
		ReportDamagedState();
	entries = palloc(cr_pile_row_bytes(pile));
	for (int64 from = 0; from < pile->rows; from += POLLED_ENTRIES)
	{
		CHECK_FOR_INTERRUPTS();
		if (cr_pile_get_entries(pile, from, Min(from + POLLED_ENTRIES, pile->rows),
								entries + from) != CR_OK)
			ReportDamagedState();
	}
	return entries;
}

/*
 * The entries of a pile, sorted, those of one place added up; *count is how
 * many are left.
 */
static CrSparseEntry *
SortedEntries(const CrPile *pile, int64 *count)
{
	CrSparseEntry *entries = CopyEntries(pile);
	int64		last = 0;

	qsort(entries, pile->rows, sizeof(CrSparseEntry), CompareEntries);
	for (int64 i = 1; i < pile->rows; i++)
	{
		if ((i & 0xffff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (entries[i].row == entries[last].row && entries[i].column == entries[last].column)
			entries[last].value += entries[i].value;
		else
			entries[++last] = entries[i];
	}
	*count = last + 1;
	return entries;
}

/* The value of an entry as it is stored. */
static float
EntryValue(const CrSparseEntry *entry)
{
	float		value = (float) entry->value;

	if (!isfinite(value))
		CheckComputation(CR_NOT_FINITE, psprintf("the value of column %d", entry->column));
	return value;
}

/* collect_final(state bytea) -> bytea */
Datum
commrec_collect_final(PG_FUNCTION_ARGS)
{
	const CrPile *pile = PileOtherState(fcinfo, 0, &list_pile);
	CrSparseEntry *entries;
	bytea	   *result;
	uint8_t    *out;
	int64		count;

	if (pile == NULL)
		PG_RETURN_NULL();
	entries = SortedEntries(pile, &count);
	result = MakeBytes(cr_list_size((uint32_t) count), "a list");
	out = (uint8_t *) VARDATA(result);
	cr_list_put_header(out, (uint32_t) count);
	for (int64 i = 0; i < count; i++)
		cr_list_put(out, (uint32_t) count, (uint32_t) i, (uint32_t) entries[i].column,
					EntryValue(&entries[i]));
	pfree(entries);
	PG_RETURN_BYTEA_P(result);
}

static uint32
CountColumns(const CrSparseEntry *entries, int64 count)
{
	int32		highest = 0;

	for (int64 i = 0; i < count; i++)
		highest = Max(highest, entries[i].column);
	return (uint32) highest + 1;
}

/* Entries that have been sorted, into the places of a matrix. */
static void
PutEntries(const CrSparseEntry *entries, int64 count, uint8_t *out)
{
	CrMatrixView matrix;
	uint32		row = 0;

	cr_matrix_view(out, &matrix);
	cr_store_u64((uint8_t *) matrix.start, 0);
	for (int64 i = 0; i < count; i++)
	{
		if ((i & 0xffff) == 0)
			CHECK_FOR_INTERRUPTS();
		for (; row < (uint32) entries[i].row; row++)
			cr_store_u64((uint8_t *) matrix.start + 8 * ((Size) row + 1), (uint64) i);
		cr_store_u32((uint8_t *) matrix.column + 4 * i, (uint32) entries[i].column);
		cr_store_float((uint8_t *) matrix.value + 4 * i, EntryValue(&entries[i]));
	}
	cr_store_u64((uint8_t *) matrix.start + 8 * (Size) matrix.rows, (uint64) count);
}

/* pack_csr_final(state bytea) -> bytea */
Datum
commrec_pack_csr_final(PG_FUNCTION_ARGS)
{
	const CrPile *pile = PileOtherState(fcinfo, 0, &matrix_pile);
	CrSparseEntry *entries;
	bytea	   *result;
	uint32		rows;
	int64		count;

	if (pile == NULL)
		PG_RETURN_NULL();
	entries = SortedEntries(pile, &count);
	rows = (uint32) entries[count - 1].row + 1;
	result = MakeBytes(cr_matrix_size(rows, (uint64) count), "a sparse matrix");
	cr_matrix_put_header((uint8_t *) VARDATA(result), rows, CountColumns(entries, count),
						 (uint64) count);
	PutEntries(entries, count, (uint8_t *) VARDATA(result));
	pfree(entries);
	PG_RETURN_BYTEA_P(result);
}
