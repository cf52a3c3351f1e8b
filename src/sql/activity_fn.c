/*
 * activity_fn.c
 *		SQL functions knowledge_spread() and satisfaction(), generic and typed.
 */
#include "postgres.h"

#include "fmgr.h"

#include "serve/activity.h"
#include "sql/arguments.h"

PG_FUNCTION_INFO_V1(commrec_knowledge_spread);
PG_FUNCTION_INFO_V1(commrec_knowledge_spread_typed);
PG_FUNCTION_INFO_V1(commrec_satisfaction);
PG_FUNCTION_INFO_V1(commrec_satisfaction_typed);

/* Which argument of a function is which. */
typedef struct ActivityArguments
{
	int			model;
	int			user;
	int			time;			/* knowledge_spread only */
} ActivityArguments;

static Datum
KnowledgeSpread(FunctionCallInfo fcinfo, const ActivityArguments *arguments)
{
	Oid			schema;
	Datum		user;
	double		spread;

	if (PG_ARGISNULL(arguments->user) || PG_ARGISNULL(arguments->time))
		PG_RETURN_NULL();
	schema = ArgumentModel(fcinfo, arguments->model);
	if (!ArgumentId(fcinfo, arguments->user, ActivityUserKind(schema), &user))
		PG_RETURN_NULL();
	if (!ActivitySpread(schema, user, PG_GETARG_TIMESTAMPTZ(arguments->time), &spread))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(spread);
}

static Datum
Satisfaction(FunctionCallInfo fcinfo, const ActivityArguments *arguments)
{
	Oid			schema;
	Datum		user;
	double		satisfaction;

	if (PG_ARGISNULL(arguments->user))
		PG_RETURN_NULL();
	schema = ArgumentModel(fcinfo, arguments->model);
	if (!ArgumentId(fcinfo, arguments->user, ActivityUserKind(schema), &user))
		PG_RETURN_NULL();
	if (!ActivitySatisfaction(schema, user, &satisfaction))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(satisfaction);
}

/* knowledge_spread(user_id bigint | uuid | text, t timestamptz, model text) -> double precision */
Datum
commrec_knowledge_spread(PG_FUNCTION_ARGS)
{
	static const ActivityArguments arguments = {.user = 0, .time = 1, .model = 2};

	return KnowledgeSpread(fcinfo, &arguments);
}

/* knowledge_spread_typed(model text, user_id "any", t timestamptz) -> double precision */
Datum
commrec_knowledge_spread_typed(PG_FUNCTION_ARGS)
{
	static const ActivityArguments arguments = {.model = 0, .user = 1, .time = 2};

	return KnowledgeSpread(fcinfo, &arguments);
}

/* satisfaction(user_id bigint | uuid | text, model text) -> double precision */
Datum
commrec_satisfaction(PG_FUNCTION_ARGS)
{
	static const ActivityArguments arguments = {.user = 0, .model = 1};

	return Satisfaction(fcinfo, &arguments);
}

/* satisfaction_typed(model text, user_id "any") -> double precision */
Datum
commrec_satisfaction_typed(PG_FUNCTION_ARGS)
{
	static const ActivityArguments arguments = {.model = 0, .user = 1};

	return Satisfaction(fcinfo, &arguments);
}
