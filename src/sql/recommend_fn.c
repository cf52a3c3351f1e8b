/*
 * recommend_fn.c
 *		SQL functions recommend() and similar_items(), generic and typed.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "common/compat.h"
#include "serve/recommend.h"
#include "sql/arguments.h"

PG_FUNCTION_INFO_V1(commrec_recommend);
PG_FUNCTION_INFO_V1(commrec_recommend_typed);
PG_FUNCTION_INFO_V1(commrec_similar_items);
PG_FUNCTION_INFO_V1(commrec_similar_items_typed);

/* Columns of the result: rank, item, score, and for recommend() the source. */
#define RANKED_COLUMNS			3
#define RECOMMEND_COLUMNS		4

/* Which argument of a function is which. */
typedef struct RankedArguments
{
	int			model;
	int			id;
	int			k;
	int			exclude_seen;	/* recommend only */
} RankedArguments;

/*
 * The row type may come from the caller's column definition list, so it is not
 * trusted: every column but the item, which is converted, has one type.
 */
static void
CheckResultType(TupleDesc descriptor, int columns)
{
	static const Oid types[RECOMMEND_COLUMNS] = {INT4OID, InvalidOid, FLOAT4OID, TEXTOID};
	bool		fits = descriptor->natts == columns;

	for (int i = 0; fits && i < columns; i++)
		fits = !OidIsValid(types[i]) || TupleDescAttr(descriptor, i)->atttypid == types[i];
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the column definition list does not fit the result"),
				 columns == RECOMMEND_COLUMNS ?
				 errhint("Use (rank integer, item_id ..., score real, source text).") :
				 errhint("Use (rank integer, item_id ..., similarity real).")));
}

static void
PutRows(ReturnSetInfo *result, IdKind kind, const Recommendation *rows, int32 count)
{
	Oid			item_type = TupleDescAttr(result->setDesc, 1)->atttypid;
	bool		nulls[RECOMMEND_COLUMNS] = {false};
	Datum		model = CStringGetTextDatum("model");
	Datum		popular = CStringGetTextDatum("popular");
	Datum		values[RECOMMEND_COLUMNS];

	for (int32 i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		values[0] = Int32GetDatum(i + 1);
		values[1] = IdToResult(rows[i].item_id, kind, item_type);
		values[2] = Float4GetDatum(rows[i].score);
		values[3] = rows[i].is_popular ? popular : model;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

static Datum
RecommendRows(FunctionCallInfo fcinfo, const RankedArguments *arguments)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	RecommendRequest request;
	Recommendation *rows;
	int32		count;

	CommrecInitSRF(fcinfo);
	CheckResultType(result->setDesc, RECOMMEND_COLUMNS);
	if (PG_ARGISNULL(arguments->id))
		return (Datum) 0;
	request.schema = ArgumentModel(fcinfo, arguments->model);
	request.k = ArgumentK(fcinfo, arguments->k);
	request.exclude_seen = PG_ARGISNULL(arguments->exclude_seen) ||
		PG_GETARG_BOOL(arguments->exclude_seen);
	request.is_known_id = ArgumentId(fcinfo, arguments->id, RecommendUserKind(request.schema),
									 &request.user);
	count = Recommend(&request, &rows);
	PutRows(result, RecommendItemKind(request.schema), rows, count);
	return (Datum) 0;
}

static Datum
SimilarRows(FunctionCallInfo fcinfo, const RankedArguments *arguments)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Recommendation *rows;
	Datum		item_id;
	IdKind		kind;
	Oid			schema;
	int32		count;
	int32		k;

	CommrecInitSRF(fcinfo);
	CheckResultType(result->setDesc, RANKED_COLUMNS);
	if (PG_ARGISNULL(arguments->id))
		return (Datum) 0;
	schema = ArgumentModel(fcinfo, arguments->model);
	k = ArgumentK(fcinfo, arguments->k);
	kind = RecommendItemKind(schema);
	if (!ArgumentId(fcinfo, arguments->id, kind, &item_id))
		return (Datum) 0;
	count = SimilarItems(schema, item_id, k, &rows);
	PutRows(result, kind, rows, count);
	return (Datum) 0;
}

/* recommend(user_id bigint | uuid | text, k integer, model text, exclude_seen boolean) -> rows */
Datum
commrec_recommend(PG_FUNCTION_ARGS)
{
	static const RankedArguments arguments = {.id = 0, .k = 1, .model = 2, .exclude_seen = 3};

	return RecommendRows(fcinfo, &arguments);
}

/* recommend_typed(model text, user_id "any", k integer, exclude_seen boolean) -> rows */
Datum
commrec_recommend_typed(PG_FUNCTION_ARGS)
{
	static const RankedArguments arguments = {.model = 0, .id = 1, .k = 2, .exclude_seen = 3};

	return RecommendRows(fcinfo, &arguments);
}

/* similar_items(item_id bigint | uuid | text, k integer, model text) -> rows */
Datum
commrec_similar_items(PG_FUNCTION_ARGS)
{
	static const RankedArguments arguments = {.id = 0, .k = 1, .model = 2};

	return SimilarRows(fcinfo, &arguments);
}

/* similar_items_typed(model text, item_id "any", k integer) -> rows */
Datum
commrec_similar_items_typed(PG_FUNCTION_ARGS)
{
	static const RankedArguments arguments = {.model = 0, .id = 1, .k = 2};

	return SimilarRows(fcinfo, &arguments);
}
