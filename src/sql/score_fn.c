/*
 * score_fn.c
 *		SQL function score(), generic and typed.
 */
#include "postgres.h"

#include "fmgr.h"

#include "serve/score.h"
#include "sql/arguments.h"

PG_FUNCTION_INFO_V1(commrec_score);
PG_FUNCTION_INFO_V1(commrec_score_typed);

/* Which argument of a function is which. */
typedef struct ScoreArguments
{
	int			model;
	int			user;
	int			item;
} ScoreArguments;

static Datum
Score(FunctionCallInfo fcinfo, const ScoreArguments *arguments)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;
	RecommendCall call;
	bool		is_known;
	Datum		user;
	Datum		item;
	float		score;

	if (PG_ARGISNULL(arguments->user) || PG_ARGISNULL(arguments->item))
		PG_RETURN_NULL();
	RecommendBegin(&call, ArgumentModel(fcinfo, arguments->model), &flinfo->fn_extra,
				   flinfo->fn_mcxt);
	is_known = ArgumentId(fcinfo, arguments->user, call.users.lookup.id_kind, &user) &&
		ArgumentId(fcinfo, arguments->item, ServeViewItemKind(call.view), &item) &&
		ScorePair(&call, user, item, &score);
	RecommendEnd(&call);
	if (!is_known)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT4(score);
}

/* score(user_id, item_id bigint | uuid | text, model text) -> real */
Datum
commrec_score(PG_FUNCTION_ARGS)
{
	static const ScoreArguments arguments = {.user = 0, .item = 1, .model = 2};

	return Score(fcinfo, &arguments);
}

/* score_typed(model text, user_id "any", item_id "any") -> real */
Datum
commrec_score_typed(PG_FUNCTION_ARGS)
{
	static const ScoreArguments arguments = {.model = 0, .user = 1, .item = 2};

	return Score(fcinfo, &arguments);
}
