/*
 * explain_fn.c
 *		SQL function explain(), generic and typed.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "common/compat.h"
#include "serve/explain.h"
#include "sql/arguments.h"

PG_FUNCTION_INFO_V1(commrec_explain);
PG_FUNCTION_INFO_V1(commrec_explain_typed);

#define EXPLAIN_COLUMNS	5

/* Which argument of a function is which. */
typedef struct ExplainArguments
{
	int			model;
	int			user;
	int			item;
} ExplainArguments;

/* The row type may be the caller's; every column but the item, which is converted, has one type. */
static void
CheckResultType(TupleDesc descriptor)
{
	static const Oid types[EXPLAIN_COLUMNS] = {INT4OID, InvalidOid, FLOAT8OID, FLOAT8OID, TEXTOID};
	bool		fits = descriptor->natts == EXPLAIN_COLUMNS;

	for (int i = 0; fits && i < EXPLAIN_COLUMNS; i++)
		fits = !OidIsValid(types[i]) || TupleDescAttr(descriptor, i)->atttypid == types[i];
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the column definition list does not fit the result"),
				 errhint("Use (rank integer, item_id ..., confidence double precision, contribution double precision, source text).")));
}

static void
PutRows(ReturnSetInfo *result, IdKind kind, const Contribution *rows, int32 count)
{
	Oid			item_type = TupleDescAttr(result->setDesc, 1)->atttypid;

	for (int32 i = 0; i < count; i++)
	{
		bool		is_item = rows[i].source == CONTRIBUTION_ITEM;
		bool		nulls[EXPLAIN_COLUMNS] = {false, !is_item, !is_item, false, false};
		Datum		values[EXPLAIN_COLUMNS] = {0};

		CHECK_FOR_INTERRUPTS();
		values[0] = Int32GetDatum(i + 1);
		if (is_item)
			values[1] = IdToResult(rows[i].item_id, kind, item_type);
		values[2] = Float8GetDatum(rows[i].confidence);
		values[3] = Float8GetDatum(rows[i].amount);
		values[4] = CStringGetTextDatum(ContributionSourceName(rows[i].source));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

static Datum
ExplainRows(FunctionCallInfo fcinfo, const ExplainArguments *arguments)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Contribution *rows = NULL;
	FmgrInfo   *flinfo = fcinfo->flinfo;
	RecommendCall call;
	IdKind		item_kind;
	Datum		user;
	Datum		item;

	CommrecInitSRF(fcinfo);
	CheckResultType(result->setDesc);
	if (PG_ARGISNULL(arguments->user) || PG_ARGISNULL(arguments->item))
		return (Datum) 0;
	RecommendBegin(&call, ArgumentModel(fcinfo, arguments->model), &flinfo->fn_extra,
				   flinfo->fn_mcxt);
	item_kind = ServeViewItemKind(call.view);
	if (ArgumentId(fcinfo, arguments->user, call.users.lookup.id_kind, &user) &&
		ArgumentId(fcinfo, arguments->item, item_kind, &item))
	{
		int32		count = Explain(&call, user, item, &rows);

		PutRows(result, item_kind, rows, count);
	}
	RecommendEnd(&call);
	return (Datum) 0;
}

/* explain(user_id, item_id bigint | uuid | text, model text) -> rows */
Datum
commrec_explain(PG_FUNCTION_ARGS)
{
	static const ExplainArguments arguments = {.user = 0, .item = 1, .model = 2};

	return ExplainRows(fcinfo, &arguments);
}

/* explain_typed(model text, user_id "any", item_id "any") -> rows */
Datum
commrec_explain_typed(PG_FUNCTION_ARGS)
{
	static const ExplainArguments arguments = {.model = 0, .user = 1, .item = 2};

	return ExplainRows(fcinfo, &arguments);
}
