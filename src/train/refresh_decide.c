/*
 * refresh_decide.c
 *		Is it time to train again, or enough to fold new events in?
 *
 * The rule, in this order (README, "Keep it up to date", says the same):
 * train if no version serves; if algorithm, hyperparameters, bucket or weights
 * of actions have changed; if there are no new events, do nothing; train if
 * the new ones are more than a share of those trained on, or the version is
 * too old, or preferences have aged by their half-life.  Otherwise fold in,
 * where the version can take new events in; where it cannot, they wait.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/algorithm.h"
#include "core/auto.h"
#include "store/deploy.h"
#include "train/refresh_internal.h"

/* The row of the version that serves. */
typedef struct ServingVersion
{
	int32		number;			/* 0: none */
	char	   *algorithm;
	TimestampTz trained_at;
	int64		events;
	int64		rows;			/* read for it, used or not */
	bool		is_chosen;		/* its algorithm was chosen by "auto" */
} ServingVersion;

static void
ReadServingVersion(Oid schema, ServingVersion *serving)
{
	bool		is_null;
	HeapTuple	row;
	TupleDesc	descriptor;

	memset(serving, 0, sizeof(*serving));
	SPI_connect();
	if (ModelExecute(psprintf("SELECT v.version, v.algorithm, v.trained_at, v.events, "
							  "v.events OPERATOR(pg_catalog.+) (SELECT coalesce(pg_catalog.sum"
							  "(s.value::pg_catalog.int8), 0)::pg_catalog.int8 "
							  "FROM pg_catalog.jsonb_each_text(v.skipped) AS s "
							  "WHERE s.key OPERATOR(pg_catalog.<>) ALL ('{no_time,future}')), "
							  "v.metrics OPERATOR(pg_catalog.?) 'choice' "
							  "FROM %s AS v WHERE v.deployed",
							  ModelTableSql(schema, MODEL_VERSION)),
					 0, NULL, NULL, NULL, SPI_OK_SELECT) > 0)
	{
		row = SPI_tuptable->vals[0];
		descriptor = SPI_tuptable->tupdesc;
		serving->number = DatumGetInt32(SPI_getbinval(row, descriptor, 1, &is_null));
		serving->algorithm = SPI_palloc(NAMEDATALEN);
		strlcpy(serving->algorithm, SPI_getvalue(row, descriptor, 2), NAMEDATALEN);
		serving->trained_at = DatumGetTimestampTz(SPI_getbinval(row, descriptor, 3, &is_null));
		serving->events = DatumGetInt64(SPI_getbinval(row, descriptor, 4, &is_null));
		serving->rows = DatumGetInt64(SPI_getbinval(row, descriptor, 5, &is_null));
		serving->is_chosen = DatumGetBool(SPI_getbinval(row, descriptor, 6, &is_null));
	}
	SPI_finish();
}

/* What a training would be given now for this algorithm, NaN where the data decide. */
static void
ReadWanted(const ModelConfig *config, const RefreshOptions *options, const CrAlgorithm *algorithm,
		   CrHyperparameters *wanted)
{
	const CrAlgorithm *configured = cr_algorithm_find(config->algorithm);
	CrHyperparameters given;

	HyperparametersApply(config->algorithm, NULL, &given);
	cr_parameters_preset(configured, &given);
	HyperparametersApply(config->algorithm, config->hyperparameters, &given);
	HyperparametersApply(config->algorithm, options->hyperparameters, &given);
	if (configured->scorer == CR_SCORER_CHOSEN)
		cr_auto_recipe(&given, algorithm, wanted);
	else
		*wanted = given;
}

/* The first hyperparameter that is not what the version was trained with; NULL if all are. */
static const char *
FindChangedParameter(const ModelConfig *config, const RefreshOptions *options,
					 const CrAlgorithm *algorithm, const FoldIn *fold)
{
	CrHyperparameters wanted;

	ReadWanted(config, options, algorithm, &wanted);
	for (int i = 0; i < algorithm->parameter_count; i++)
	{
		const CrParameter *parameter = &algorithm->parameters[i];
		double		now = cr_parameter_value(parameter, &wanted);
		double		then = cr_parameter_value(parameter, &fold->used);

		/* NaN: the data decide, as they did then; or nothing was recorded. */
		if (!isnan(now) && !isnan(then) && now != then)
			return parameter->name;
	}
	return NULL;
}

/* Why what was trained is no longer what the model is to be; NULL if it still is. */
static char *
FindChange(const ModelConfig *config, const RefreshOptions *options, const ServingVersion *serving,
		   const FoldIn *fold)
{
	ActionTable *actions;
	KnowledgeState knowledge;
	const char *parameter;

	if (cr_algorithm_find(config->algorithm)->scorer == CR_SCORER_CHOSEN ? !serving->is_chosen :
		strcmp(serving->algorithm, config->algorithm) != 0)
		return psprintf("the algorithm is \"%s\" now", config->algorithm);
	parameter = FindChangedParameter(config, options, cr_algorithm_find(serving->algorithm), fold);
	if (parameter != NULL)
		return psprintf("hyperparameter \"%s\" has changed", parameter);
	if (!KnowledgeStateRead(config->schema, &knowledge))
		return pstrdup("knowledge spread has never been measured");
	if (knowledge.bucket_width != config->bucket_width)
		return pstrdup("the width of a bucket has changed");
	actions = ActionTableRead(config);
	(void) ActionTableSort(actions);
	if (ActionTableDigest(actions) != knowledge.actions)
		return pstrdup("the weights of actions have changed");
	return NULL;
}

const char *
RefreshFoldObstacle(const ModelConfig *config, const FoldIn *fold)
{
	if (config->time_column == NULL)
		return "the model has no time column";
	if (fold->folded_until == DT_NOBEGIN)
		return "no event that was trained on has a time";
	if (fold->events_until > fold->folded_until)
		return "events that lay in the future were trained on";
	return NULL;
}

/* Rows that are new, or by how many there are more or less where times do not tell. */
static int64
CountNewRows(const ModelConfig *config, const FoldIn *fold, const ServingVersion *serving,
			 bool allow_row_security)
{
	EventsRange range;

	if (config->time_column == NULL || fold->folded_until == DT_NOBEGIN)
	{
		int64		more = EventsCountRows(config, NULL, allow_row_security) - serving->rows;

		return more < 0 ? -more : more;
	}
	/* The next time that a timestamp can tell from this one. */
	range.from = fold->folded_until + 1;
	range.to = GetCurrentTransactionStartTimestamp();
	return range.from > range.to ? 0 : EventsCountRows(config, &range, allow_row_security);
}

/* Why it is too much, or too late, to fold in; NULL if it is not. */
static char *
FindTooMuch(const RefreshOptions *options, const FoldIn *fold, const ServingVersion *serving,
			int64 rows)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	double		age = ((double) now - (double) serving->trained_at) / USECS_PER_SEC;
	double		half_life = fold->used.half_life * SECS_PER_DAY;

	if ((double) rows + (double) fold->folded_events >
		options->retrain_share * (double) serving->events)
		return psprintf("new events since the training: %lld, more than %g of %lld",
						(long long) (rows + fold->folded_events), options->retrain_share,
						(long long) serving->events);
	if (age > options->retrain_seconds)
		return psprintf("version %d is %.0f hours old", serving->number, age / SECS_PER_HOUR);
	if (fold->has_age_origin && !isnan(half_life) &&
		((double) now - (double) fold->age_origin) / USECS_PER_SEC > half_life)
		return pstrdup("preferences have aged by their half-life");
	return NULL;
}

static void
Decide(RefreshDecision *decision, RefreshAction action, char *reason)
{
	decision->action = action;
	decision->reason = reason;
}

static void
DecideBySize(const ModelConfig *config, const RefreshOptions *options, const FoldIn *fold,
			 const ServingVersion *serving, RefreshDecision *decision)
{
	const char *obstacle = RefreshFoldObstacle(config, fold);
	int64		rows = CountNewRows(config, fold, serving, options->allow_row_security);
	char	   *too_much = rows == 0 ? NULL : FindTooMuch(options, fold, serving, rows);

	if (rows == 0)
		Decide(decision, ACTION_NOTHING, pstrdup("there are no new events"));
	else if (too_much != NULL)
		Decide(decision, ACTION_RETRAIN, too_much);
	else if (obstacle != NULL)
		Decide(decision, ACTION_NOTHING,
			   psprintf("new events: %lld, which wait for the next training: %s",
						(long long) rows, obstacle));
	else
		Decide(decision, ACTION_FOLD_IN, psprintf("new events: %lld", (long long) rows));
}

void
RefreshDecide(Oid schema, const RefreshOptions *options, RefreshDecision *decision)
{
	ModelConfig *config = ModelReadConfig(schema);
	ServingVersion serving;
	DeployedVersion deployed;
	FoldIn		fold;
	char	   *change;

	if (options->mode == REFRESH_RETRAIN)
	{
		Decide(decision, ACTION_RETRAIN, pstrdup("it was asked for"));
		return;
	}
	if (options->mode == REFRESH_FOLD_IN)
	{
		Decide(decision, ACTION_FOLD_IN, pstrdup("it was asked for"));
		return;
	}
	ReadServingVersion(schema, &serving);
	if (serving.number == 0)
	{
		Decide(decision, ACTION_RETRAIN, pstrdup("no version is deployed"));
		return;
	}
	ReadDeployedVersion(schema, &deployed);
	FoldInBegin(&fold, schema, &deployed);
	change = FindChange(config, options, &serving, &fold);
	if (change != NULL)
		Decide(decision, ACTION_RETRAIN, change);
	else
		DecideBySize(config, options, &fold, &serving, decision);
}
