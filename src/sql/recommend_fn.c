/*
 * recommend_fn.c
 *		SQL functions recommend() and similar_items(), generic and typed.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "common/compat.h"
#include "serve/chain.h"
#include "serve/similar.h"
#include "sql/arguments.h"
#include "store/fresh_events.h"
#include "store/model.h"

PG_FUNCTION_INFO_V1(commrec_recommend);
PG_FUNCTION_INFO_V1(commrec_recommend_typed);
PG_FUNCTION_INFO_V1(commrec_similar_items);
PG_FUNCTION_INFO_V1(commrec_similar_items_typed);

/* Columns of the result: rank, item, score, and for recommend() the source. */
#define RANKED_COLUMNS			3
#define RECOMMEND_COLUMNS		4

/* Which argument of a function is which; from exclude_seen on only recommend() has them. */
typedef struct RankedArguments
{
	int			model;
	int			id;
	int			k;
	int			exclude_seen;
	int			candidates;
	int			exclude;
	int			filter;
	int			resurface_after;
	int			diversity;
	int			skip;
	int			fresh;
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

/* Ranks count from "first" on. */
static void
PutRows(ReturnSetInfo *result, IdKind kind, const Recommendation *rows, int32 count, int32 first)
{
	Oid			item_type = TupleDescAttr(result->setDesc, 1)->atttypid;
	bool		nulls[RECOMMEND_COLUMNS] = {false};
	Datum		source = (Datum) 0;
	Datum		values[RECOMMEND_COLUMNS];

	for (int32 i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i == 0 || rows[i].source != rows[i - 1].source)
			source = CStringGetTextDatum(RecommendSourceName(rows[i].source));
		values[0] = Int32GetDatum(first + i);
		values[1] = IdToResult(rows[i].item_id, kind, item_type);
		values[2] = Float4GetDatum(rows[i].score);
		values[3] = source;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/* What is asked for, but the user. */
static void
ReadRequest(FunctionCallInfo fcinfo, const RankedArguments *arguments, IdKind item_kind,
			RecommendRequest *request)
{
	EligibleRequest *eligible = &request->eligible;

	request->k = ArgumentK(fcinfo, arguments->k);
	request->skip = ArgumentSkip(fcinfo, arguments->skip);
	request->diversity = ArgumentShare(fcinfo, arguments->diversity, "diversity");
	eligible->exclude_seen = PG_ARGISNULL(arguments->exclude_seen) ||
		PG_GETARG_BOOL(arguments->exclude_seen);
	eligible->has_resurface_before = ArgumentTimeBefore(fcinfo, arguments->resurface_after,
														"resurface_after",
														&eligible->resurface_before);
	eligible->filter = ArgumentText(fcinfo, arguments->filter);
	ArgumentIds(fcinfo, arguments->candidates, item_kind, "candidates", &eligible->candidates);
	ArgumentIds(fcinfo, arguments->exclude, item_kind, "exclude", &eligible->exclude);
}

/* Ranks are integers, so that no row may come after the last of them. */
static int32
LimitToRanks(const RecommendRequest *request, int32 count)
{
	return Min(count, PG_INT32_MAX - request->skip);
}

static Datum
RecommendRows(FunctionCallInfo fcinfo, const RankedArguments *arguments)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	FmgrInfo   *flinfo = fcinfo->flinfo;
	StoredUser	user;
	RecommendCall call;
	RecommendRequest request;
	Recommendation *rows;
	IdKind		item_kind;
	ChainRequest chain;
	int32		count;

	CommrecInitSRF(fcinfo);
	CheckResultType(result->setDesc, RECOMMEND_COLUMNS);
	if (PG_ARGISNULL(arguments->id))
		return (Datum) 0;
	RecommendBegin(&call, ArgumentModel(fcinfo, arguments->model), &flinfo->fn_extra,
				   flinfo->fn_mcxt);
	item_kind = ServeViewItemKind(call.view);
	ReadRequest(fcinfo, arguments, item_kind, &request);
	chain.is_known_id = ArgumentId(fcinfo, arguments->id, call.users.lookup.id_kind, &chain.user);
	chain.is_fresh = PG_ARGISNULL(arguments->fresh) ? ReadFreshSetting(call.schema) :
		PG_GETARG_BOOL(arguments->fresh);
	request.source = ChainResolve(&call, &chain, &user);
	count = Recommend(&call, &request, &user, &rows);
	PutRows(result, item_kind, rows, LimitToRanks(&request, count), request.skip + 1);
	RecommendEnd(&call);
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
	kind = LookupIdKind(schema, MODEL_ITEM_EMBEDDING, "item_id");
	if (!ArgumentId(fcinfo, arguments->id, kind, &item_id))
		return (Datum) 0;
	count = SimilarItems(schema, item_id, k, &rows);
	PutRows(result, kind, rows, count, 1);
	return (Datum) 0;
}

/*
 * recommend(user_id bigint | uuid | text, k integer, model text, exclude_seen boolean,
 *		candidates array, exclude array, filter text, resurface_after interval,
 *		diversity double precision, skip integer, fresh boolean) -> rows
 */
Datum
commrec_recommend(PG_FUNCTION_ARGS)
{
	static const RankedArguments arguments = {.id = 0, .k = 1, .model = 2, .exclude_seen = 3,
		.candidates = 4, .exclude = 5, .filter = 6, .resurface_after = 7, .diversity = 8,
	.skip = 9, .fresh = 10};

	return RecommendRows(fcinfo, &arguments);
}

/* recommend_typed(model text, user_id "any", k integer, and as above from exclude_seen on) -> rows */
Datum
commrec_recommend_typed(PG_FUNCTION_ARGS)
{
	static const RankedArguments arguments = {.model = 0, .id = 1, .k = 2, .exclude_seen = 3,
		.candidates = 4, .exclude = 5, .filter = 6, .resurface_after = 7, .diversity = 8,
	.skip = 9, .fresh = 10};

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
