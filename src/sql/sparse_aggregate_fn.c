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

/* One entry of a pile; a list has row 0. */
typedef struct SparseEntry
{
	double		value;
	int32		row;
	int32		column;
} SparseEntry;

static const PileKind list_pile = {0x4C435243, 8 * sizeof(SparseEntry), "commrec.collect"};
static const PileKind matrix_pile = {0x4D435243, 1024, "commrec.pack_csr"};

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
AddEntry(FunctionCallInfo fcinfo, const PileKind *kind, const SparseEntry *entry)
{
	Pile	   *pile = PileOwnState(fcinfo, kind);
	char	   *place;

	if (!isfinite(entry->value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value must be a finite number, not %g", entry->value),
				 errhint("Leave such rows out: %s(...) FILTER (WHERE ...).", kind->aggregate)));
	if (pile == NULL)
		pile = PileCreate(kind, NULL, 0);
	pile = PileAddRow(pile, kind, sizeof(SparseEntry), &place);
	memcpy(place, entry, sizeof(SparseEntry));
	PG_RETURN_POINTER(pile);
}

/* collect_accum(state bytea, item_no integer, value double precision) -> bytea */
Datum
commrec_collect_accum(PG_FUNCTION_ARGS)
{
	SparseEntry entry;

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
	SparseEntry entry;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		return PileSameState(fcinfo);
	entry.row = PG_GETARG_INT32(1);
	entry.column = PG_GETARG_INT32(2);
	entry.value = PG_GETARG_FLOAT8(3);
	CheckNumber(entry.row, "row");
	CheckNumber(entry.column, "col");
	return AddEntry(fcinfo, &matrix_pile, &entry);
}

static Datum
Combine(FunctionCallInfo fcinfo, const PileKind *kind)
{
	Pile	   *pile = PileOwnState(fcinfo, kind);
	const Pile *other = PileOtherState(fcinfo, 1, kind);

	if (other == NULL)
		return PileSameState(fcinfo);
	if (pile == NULL)
		pile = PileCreate(kind, NULL, 0);
	PG_RETURN_POINTER(PileMerge(pile, kind, other));
}

/* collect_combine(state bytea, other bytea) -> bytea */
Datum
commrec_collect_combine(PG_FUNCTION_ARGS)
{
	return Combine(fcinfo, &list_pile);
}

/* pack_csr_combine(state bytea, other bytea) -> bytea */
Datum
commrec_pack_csr_combine(PG_FUNCTION_ARGS)
{
	return Combine(fcinfo, &matrix_pile);
}

/* Sorting millions takes seconds, and nothing here needs tidying up. */
static int
CompareEntries(const void *left, const void *right)
{
	const SparseEntry *a = left;
	const SparseEntry *b = right;

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

/* Numbers that the transition functions would have refused. */
static void
CheckEntries(const SparseEntry *entries, int64 count)
{
	for (int64 i = 0; i < count; i++)
	{
		if ((i & 0xffff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (entries[i].row < 0 || entries[i].row == PG_INT32_MAX || entries[i].column < 0 ||
			entries[i].column == PG_INT32_MAX || !isfinite(entries[i].value))
			ReportDamagedState();
	}
}

/*
 * The entries of a pile, sorted, those of one place added up; *count is how
 * many are left.
 */
static SparseEntry *
SortedEntries(const Pile *pile, int64 *count)
{
	Size		bytes = PileRowBytes(pile);
	SparseEntry *entries = palloc(bytes);
	int64		last = 0;

	if (bytes != mul_size((Size) pile->rows, sizeof(SparseEntry)) || pile->rows == 0)
		ReportDamagedState();
	memcpy(entries, PileRows(pile), bytes);
	CheckEntries(entries, pile->rows);
	qsort(entries, pile->rows, sizeof(SparseEntry), CompareEntries);
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
EntryValue(const SparseEntry *entry)
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
	const Pile *pile = PileOtherState(fcinfo, 0, &list_pile);
	SparseEntry *entries;
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
CountColumns(const SparseEntry *entries, int64 count)
{
	int32		highest = 0;

	for (int64 i = 0; i < count; i++)
		highest = Max(highest, entries[i].column);
	return (uint32) highest + 1;
}

/* Entries that have been sorted, into the places of a matrix. */
static void
PutEntries(const SparseEntry *entries, int64 count, uint8_t *out)
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
	const Pile *pile = PileOtherState(fcinfo, 0, &matrix_pile);
	SparseEntry *entries;
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
