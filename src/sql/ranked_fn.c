/*
 * ranked_fn.c
 *		SQL functions popular() and similar_users(), generic and typed.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "common/compat.h"
#include "serve/popular.h"
#include "serve/similar_users.h"
#include "sql/arguments.h"
#include "store/lookup.h"
#include "store/model.h"

PG_FUNCTION_INFO_V1(commrec_popular);
PG_FUNCTION_INFO_V1(commrec_popular_typed);
PG_FUNCTION_INFO_V1(commrec_similar_users);
PG_FUNCTION_INFO_V1(commrec_similar_users_typed);

#define RANKED_COLUMNS	3

/* Which argument of a function is which. */
typedef struct RankedArguments
{
	int			model;
	int			user;			/* similar_users only */
	int			k;
	int			since;			/* popular only, as is kind */
	int			kind;
} RankedArguments;

/*
 * The row type may come from the caller's column definition list, so it is not
 * trusted: every column but the id, which is converted, has one type.
 */
static void
CheckResultType(TupleDesc descriptor, Oid score_type, const char *allowed)
{
	if (descriptor->natts != RANKED_COLUMNS ||
		TupleDescAttr(descriptor, 0)->atttypid != INT4OID ||
		TupleDescAttr(descriptor, 2)->atttypid != score_type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the column definition list does not fit the result"),
				 errhint("Use (%s).", allowed)));
}

static void
PutRows(ReturnSetInfo *result, IdKind kind, const BestRow *rows, int32 count)
{
	Oid			id_type = TupleDescAttr(result->setDesc, 1)->atttypid;
	bool		is_real = TupleDescAttr(result->setDesc, 2)->atttypid == FLOAT4OID;
	bool		nulls[RANKED_COLUMNS] = {false};
	Datum		values[RANKED_COLUMNS];

	for (int32 i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		values[0] = Int32GetDatum(i + 1);
		values[1] = IdToResult(rows[i].id, kind, id_type);
		values[2] = is_real ? Float4GetDatum((float4) rows[i].score) :
			Float8GetDatum(rows[i].score);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

static Datum
PopularRows(FunctionCallInfo fcinfo, const RankedArguments *arguments)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	PopularRequest request;
	BestRow    *rows = NULL;
	int32		count;

	CommrecInitSRF(fcinfo);
	CheckResultType(result->setDesc, FLOAT8OID, "rank integer, item_id ..., score double precision");
	request.schema = ArgumentModel(fcinfo, arguments->model);
	request.k = ArgumentK(fcinfo, arguments->k);
	request.has_since = !PG_ARGISNULL(arguments->since);
	request.since = request.has_since ? PG_GETARG_TIMESTAMPTZ(arguments->since) : 0;
	request.kind = PG_ARGISNULL(arguments->kind) ? POPULAR_DECAY :
		PopularKindFind(text_to_cstring(PG_GETARG_TEXT_PP(arguments->kind)));
	count = Popular(&request, &rows);
	PutRows(result, PopularItemKind(request.schema), rows, count);
	return (Datum) 0;
}

static Datum
SimilarUsersRows(FunctionCallInfo fcinfo, const RankedArguments *arguments)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	BestRow    *rows = NULL;
	Datum		user;
	IdKind		kind;
	Oid			schema;
	int32		k;

	CommrecInitSRF(fcinfo);
	CheckResultType(result->setDesc, FLOAT4OID, "rank integer, user_id ..., similarity real");
	if (PG_ARGISNULL(arguments->user))
		return (Datum) 0;
	schema = ArgumentModel(fcinfo, arguments->model);
	k = ArgumentK(fcinfo, arguments->k);
	kind = LookupIdKind(schema, MODEL_USER_EMBEDDING, "user_id");
	if (ArgumentId(fcinfo, arguments->user, kind, &user))
	{
		int32		count = SimilarUsers(schema, user, k, &rows);

		PutRows(result, kind, rows, count);
	}
	return (Datum) 0;
}

/* popular(k integer, since timestamptz, kind text, model text) -> rows */
Datum
commrec_popular(PG_FUNCTION_ARGS)
{
	static const RankedArguments arguments = {.k = 0, .since = 1, .kind = 2, .model = 3};

	return PopularRows(fcinfo, &arguments);
}

/* popular_typed(model text, k integer, since timestamptz, kind text) -> rows */
Datum
commrec_popular_typed(PG_FUNCTION_ARGS)
{
	static const RankedArguments arguments = {.model = 0, .k = 1, .since = 2, .kind = 3};

	return PopularRows(fcinfo, &arguments);
}

/* similar_users(user_id bigint | uuid | text, k integer, model text) -> rows */
Datum
commrec_similar_users(PG_FUNCTION_ARGS)
{
	static const RankedArguments arguments = {.user = 0, .k = 1, .model = 2};

	return SimilarUsersRows(fcinfo, &arguments);
}

/* similar_users_typed(model text, user_id "any", k integer) -> rows */
Datum
commrec_similar_users_typed(PG_FUNCTION_ARGS)
{
	static const RankedArguments arguments = {.model = 0, .user = 1, .k = 2};

	return SimilarUsersRows(fcinfo, &arguments);
}
