/*
 * packed_fn.c
 *		SQL functions over packed models: recommend_from(), similar_from(), model_info().
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

#include "common/compat.h"
#include "serve/packed.h"
#include "sql/arguments.h"
#include "train/json.h"
#include "train/train.h"

PG_FUNCTION_INFO_V1(commrec_recommend_from);
PG_FUNCTION_INFO_V1(commrec_similar_from);
PG_FUNCTION_INFO_V1(commrec_model_info);

#define ARGUMENT_MODEL			0
#define ARGUMENT_ID				1
#define ARGUMENT_K				2
#define ARGUMENT_EXCLUDE_SEEN	3

#define COLUMNS_MAX				4	/* rank, item, score, source */

/* What a call site keeps from one call to the next: the model that was used last. */
typedef struct PackedCache
{
	MemoryContext context;		/* owns "open"; reset for another model */
	OpenPacked *open;			/* NULL for none */
} PackedCache;

static PackedCache *
GetCache(FunctionCallInfo fcinfo)
{
	PackedCache *cache = fcinfo->flinfo->fn_extra;

	if (cache == NULL)
	{
		cache = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(PackedCache));
		cache->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "commrec packed model",
											   ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = cache;
	}
	return cache;
}

/*
 * The model of the call, opened.  In a join with many users the model is the
 * same in every call, and is opened once.
 */
static OpenPacked *
OpenArgument(FunctionCallInfo fcinfo)
{
	PackedCache *cache = GetCache(fcinfo);
	Datum		model = PG_GETARG_DATUM(ARGUMENT_MODEL);
	MemoryContext old_context;

	if (cache->open != NULL && PackedIsOpen(cache->open, model))
		return cache->open;
	cache->open = NULL;
	MemoryContextReset(cache->context);
	old_context = MemoryContextSwitchTo(cache->context);
	cache->open = PackedOpen(model);
	MemoryContextSwitchTo(old_context);
	return cache->open;
}

static void
PutAnswers(ReturnSetInfo *result, IdKind kind, const PackedAnswer *answers, int32 count)
{
	Oid			item_type = TupleDescAttr(result->setDesc, 1)->atttypid;
	bool		nulls[COLUMNS_MAX] = {false};
	Datum		model = CStringGetTextDatum("model");
	Datum		popular = CStringGetTextDatum("popular");
	Datum		values[COLUMNS_MAX];

	for (int32 i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		values[0] = Int32GetDatum(i + 1);
		values[1] = IdToResult(answers[i].item_id, kind, item_type);
		values[2] = Float4GetDatum(answers[i].score);
		values[3] = answers[i].is_popular ? popular : model;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/* recommend_from(model bytea, user_id bigint | text, k integer, exclude_seen boolean) -> rows */
Datum
commrec_recommend_from(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	PackedRequest request;
	PackedAnswer *answers;
	int32		count;

	CommrecInitSRF(fcinfo);
	if (PG_ARGISNULL(ARGUMENT_MODEL) || PG_ARGISNULL(ARGUMENT_ID))
		return (Datum) 0;
	request.k = ArgumentK(fcinfo, ARGUMENT_K);
	request.exclude_seen = PG_ARGISNULL(ARGUMENT_EXCLUDE_SEEN) ||
		PG_GETARG_BOOL(ARGUMENT_EXCLUDE_SEEN);
	request.open = OpenArgument(fcinfo);
	request.is_known_id = ArgumentId(fcinfo, ARGUMENT_ID, PackedUserKind(request.open),
									 &request.id);
	count = PackedRecommend(&request, &answers);
	PutAnswers(result, PackedItemKind(request.open), answers, count);
	return (Datum) 0;
}

/* similar_from(model bytea, item_id bigint | text, k integer) -> rows */
Datum
commrec_similar_from(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	PackedRequest request = {0};
	PackedAnswer *answers;
	int32		count;

	CommrecInitSRF(fcinfo);
	if (PG_ARGISNULL(ARGUMENT_MODEL) || PG_ARGISNULL(ARGUMENT_ID))
		return (Datum) 0;
	request.k = ArgumentK(fcinfo, ARGUMENT_K);
	request.open = OpenArgument(fcinfo);
	if (!ArgumentId(fcinfo, ARGUMENT_ID, PackedItemKind(request.open), &request.id))
		return (Datum) 0;
	count = PackedSimilar(&request, &answers);
	PutAnswers(result, PackedItemKind(request.open), answers, count);
	return (Datum) 0;
}

static const char *
IdTypeName(CrPackIdType type)
{
	return type == CR_PACK_TEXT ? "text" : "bigint";
}

/* The hyperparameters as used, and before them the algorithm. */
static void
AddParameters(JsonBuilder *json, const OpenPacked *open)
{
	CrPackParameter parameter;
	uint32_t	at = 0;
	char	   *algorithm;

	cr_pack_next_parameter(PackedItems(open), PackedHeader(open), &at, &parameter);
	algorithm = pnstrdup(parameter.name, parameter.length);
	JsonAddString(json, "algorithm", algorithm);
	JsonBeginObject(json, "hyperparameters");
	while (cr_pack_next_parameter(PackedItems(open), PackedHeader(open), &at, &parameter))
		HyperparameterToJson(json, algorithm, pnstrdup(parameter.name, parameter.length),
							 parameter.value);
	JsonEndObject(json);
}

/* model_info(model bytea) -> jsonb */
Datum
commrec_model_info(PG_FUNCTION_ARGS)
{
	const OpenPacked *open = PackedOpen(PG_GETARG_DATUM(0));
	const CrPackHeader *header = PackedHeader(open);
	JsonBuilder json;

	JsonBegin(&json);
	AddParameters(&json, open);
	JsonAddInteger(&json, "users", header->users);
	JsonAddInteger(&json, "items", header->items);
	JsonAddInteger(&json, "rows", header->rows);
	JsonAddInteger(&json, "pairs", header->pairs);
	JsonAddInteger(&json, "factors", header->factors);
	JsonAddInteger(&json, "dims", header->dims);
	JsonAddInteger(&json, "epochs", header->epochs);
	JsonAddNumber(&json, "loss", header->loss);
	JsonAddString(&json, "user_type", IdTypeName(header->user_type));
	JsonAddString(&json, "item_type", IdTypeName(header->item_type));
	JsonAddInteger(&json, "bytes", (int64) header->total);
	PG_RETURN_JSONB_P(JsonEnd(&json));
}
