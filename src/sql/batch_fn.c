/*
 * batch_fn.c
 *		SQL function recommend_all(), generic and typed.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "common/compat.h"
#include "common/workers.h"
#include "serve/batch.h"
#include "sql/arguments.h"

PG_FUNCTION_INFO_V1(commrec_recommend_all);

/* Columns of the result. */
enum { ALL_USER_ID, ALL_RANK, ALL_ITEM_ID, ALL_SCORE, ALL_SOURCE, ALL_COLUMNS };

/* Where the rows go: a tuplestore, which spills to disk beyond work_mem. */
typedef struct AllRows
{
	ReturnSetInfo *result;
	MemoryContext context;		/* of the call */
	RecommendSource source;		/* of the last row, ... */
	Datum		source_name;	/* ... and its name, or 0 */
} AllRows;

/* The row type may come from the caller's column definition list, so it is not trusted. */
static void
CheckResultType(TupleDesc descriptor)
{
	static const Oid types[ALL_COLUMNS] = {InvalidOid, INT4OID, InvalidOid, FLOAT4OID, TEXTOID};
	bool		fits = descriptor->natts == ALL_COLUMNS;

	for (int i = 0; fits && i < ALL_COLUMNS; i++)
		fits = !OidIsValid(types[i]) || TupleDescAttr(descriptor, i)->atttypid == types[i];
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the column definition list does not fit the result"),
				 errhint("Use (user_id ..., rank integer, item_id ..., score real, source text).")));
}

/* Rows of one source follow each other as a rule. */
static Datum
SourceName(AllRows *rows, RecommendSource source)
{
	MemoryContext old_context;

	if (rows->source_name != (Datum) 0 && rows->source == source)
		return rows->source_name;
	if (rows->source_name != (Datum) 0)
		pfree(DatumGetPointer(rows->source_name));
	old_context = MemoryContextSwitchTo(rows->context);
	rows->source_name = CStringGetTextDatum(RecommendSourceName(source));
	rows->source = source;
	MemoryContextSwitchTo(old_context);
	return rows->source_name;
}

static void
PutRow(void *state, const RecommendAllRow *row)
{
	AllRows    *rows = state;
	bool		nulls[ALL_COLUMNS] = {false};
	Datum		values[ALL_COLUMNS];

	values[ALL_USER_ID] = row->user_id;
	values[ALL_RANK] = Int32GetDatum(row->rank);
	values[ALL_ITEM_ID] = row->item_id;
	values[ALL_SCORE] = Float4GetDatum(row->score);
	values[ALL_SOURCE] = SourceName(rows, row->source);
	tuplestore_putvalues(rows->result->setResult, rows->result->setDesc, values, nulls);
}

/* recommend_all(model text, k integer, exclude_seen boolean, workers integer) -> rows */
Datum
commrec_recommend_all(PG_FUNCTION_ARGS)
{
	AllRows		rows;
	RecommendAllRequest request;

	CommrecInitSRF(fcinfo);
	rows.result = (ReturnSetInfo *) fcinfo->resultinfo;
	rows.context = CurrentMemoryContext;
	rows.source = SOURCE_MODEL;
	rows.source_name = (Datum) 0;
	CheckResultType(rows.result->setDesc);
	request.schema = ArgumentModel(fcinfo, 0);
	request.k = ArgumentK(fcinfo, 1);
	request.exclude_seen = PG_ARGISNULL(2) || PG_GETARG_BOOL(2);
	request.workers = PG_ARGISNULL(3) ? WORKERS_BY_SETTING : PG_GETARG_INT32(3);
	request.user_type = TupleDescAttr(rows.result->setDesc, ALL_USER_ID)->atttypid;
	request.item_type = TupleDescAttr(rows.result->setDesc, ALL_ITEM_ID)->atttypid;
	RecommendAll(&request, PutRow, &rows);
	return (Datum) 0;
}
