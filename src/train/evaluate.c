/*
 * evaluate.c
 *		How good a model is, from the model's name to rows in its table "metric".
 *
 * check -> split and learn, or read a version and its test -> rank -> score ->
 * write.  Memory is in one context that goes with the run.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "common/blas.h"
#include "common/workers.h"
#include "core/auto.h"
#include "store/evaluation.h"
#include "train/choose.h"
#include "train/evaluate_internal.h"
#include "train/train.h"

#define VERDICT_K	10			/* at which the NOTICE compares, if it was asked for */
#define LISTS_MAX	3

typedef struct EvaluateRun
{
	const EvaluateOptions *options;
	ModelConfig *config;
	MemoryBudget budget;
	EvaluateMemory memory;
	Progress	progress;
	instr_time	started;
	const CrAlgorithm *algorithm;	/* of the version, or the model's */
	CrHyperparameters given;
	EvaluateVersion version;
	EvaluateCatalogue catalogue;
	EvaluateUsers users;
	EvaluateLists lists[LISTS_MAX];
	int			scorers;
	EvaluateRows rows;
	StoredEvaluation stored;
} EvaluateRun;

static void
check_may_evaluate(Oid schema)
{
	PreventCommandIfReadOnly("commrec.evaluate()");
	PreventCommandIfParallelMode("commrec.evaluate()");
	PreventCommandDuringRecovery("commrec.evaluate()");
	ModelRequireOwner(schema);
}

/* Presets, over them the model's hyperparameters, over them a version's, over them the call's. */
static void
read_hyperparameters(EvaluateRun *run)
{
	const char *name = run->config->algorithm;

	if (run->version.algorithm != NULL)
		name = run->version.algorithm;
	run->algorithm = HyperparametersAlgorithm(name);
	cr_parameters_preset(run->algorithm, &run->given);
	if (strcmp(name, run->config->algorithm) == 0)
		HyperparametersApply(name, run->config->hyperparameters, &run->given);
	HyperparametersApply(name, run->version.hyperparameters, &run->given);
	HyperparametersApply(name, run->options->hyperparameters, &run->given);
}

void
EvaluateCheckSplit(const char *split)
{
	if (split != NULL && strcmp(split, "time") != 0 && strcmp(split, "last") != 0 &&
		strcmp(split, "random") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized split \"%s\"", split),
				 errhint("Use \"time\", \"last\" or \"random\".")));
}

SplitRule
EvaluateSplitRule(const EventLog *log, const char *split)
{
	bool		has_time = log->time != NULL && log->newest != EVENT_NO_TIME;

	if (split == NULL)
		return has_time ? SPLIT_TIME : SPLIT_RANDOM;
	if (strcmp(split, "random") == 0)
		return SPLIT_RANDOM;
	if (!has_time)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the events have no times to split them by"),
				 errhint("Use split => 'random', or give the model a time column with commrec.alter_model().")));
	return strcmp(split, "last") == 0 ? SPLIT_LAST : SPLIT_TIME;
}

static void
describe_split(EvaluateRun *run, SplitRule rule, const EventSplit *split)
{
	StoredEvaluation *stored = &run->stored;

	stored->has_split_at = rule == SPLIT_TIME;
	stored->split_at = split->split_at;
	if (rule == SPLIT_TIME)
		stored->protocol = "full ranking, split by time";
	else if (rule == SPLIT_LAST)
		stored->protocol = "full ranking, the newest item of each user";
	else
		stored->protocol = psprintf("full ranking, %g %% of the pairs at random",
									100 * run->options->test_share);
}

/* What would be chosen if these were all events. */
static void
choose_algorithm(EvaluateRun *run, const EventSplit *split, Recipe *recipe)
{
	CrHyperparameters given = run->given;
	Choice		choice;

	ChooseAlgorithm(&split->known, recipe, &run->budget, &run->progress, &choice);
	ChoiceReport(&choice);
	run->algorithm = recipe->algorithm = choice.algorithm;
	cr_auto_recipe(&given, run->algorithm, &run->given);
}

/* Split the events, train in memory, and set up who is ranked what. */
static void
evaluate_split(EvaluateRun *run)
{
	const EvaluateOptions *options = run->options;
	EventsOptions events = {.strict = false, .allow_row_security = options->allow_row_security,
	.costs = &run->memory.costs};
	SplitOptions split_options = {.has_split_at = options->has_split_at,
		.split_at = options->split_at, .test_share = options->test_share,
	.half_life = run->given.half_life, .users = options->users, .seed = options->seed};
	Recipe		recipe = {run->algorithm, &run->given, options->workers};
	EventSplit	split;
	EvaluateModel model;
	EventLog   *log;

	ProgressPhase(&run->progress, "reading events", -1);
	log = EventsRead(run->config, &events, &run->budget);
	split_options.rule = EvaluateSplitRule(log, options->has_split_at ? "time" : options->split);
	if (!EventSplitMake(log, &split_options, &run->memory, &split))
		EventSplitRequire(&split);
	describe_split(run, split_options.rule, &split);
	if (run->algorithm->scorer == CR_SCORER_CHOSEN)
		choose_algorithm(run, &split, &recipe);
	EvaluateLearn(&split, &recipe, &run->memory, &run->progress, &model);
	EvaluateModelCase(&split, &model, &run->memory, &run->catalogue, &run->users);
	run->stored.hyperparameters = HyperparametersToJsonb(run->algorithm->name, &model.used);
	EvaluateForget(&model, &run->memory);
}

static char *
relation_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
									  get_rel_name(relation));
}

/* Set up who is ranked what by a published version. */
static void
evaluate_stored(EvaluateRun *run)
{
	const EvaluateOptions *options = run->options;
	const EvaluateUsers *users = &run->users;

	ProgressPhase(&run->progress, "reading events", -1);
	EvaluateStoredCase(run->config, &run->version, options, &run->memory, &run->catalogue,
					   &run->users);
	run->stored.version = run->version.stored.version;
	run->stored.hyperparameters = run->version.hyperparameters;
	run->stored.test = relation_name(options->test);
	run->stored.protocol = "full ranking, given test";
	if (!OidIsValid(options->negatives))
		return;
	run->stored.negatives = relation_name(options->negatives);
	run->stored.protocol = psprintf("sampled: ranking among %.1f negatives a user, given test",
									(double) users->negative_start[users->users] /
									users->users);
}

static void
rank_order(EvaluateRun *run, const char *name, const int32 *order)
{
	EvaluateLists *lists = &run->lists[run->scorers];

	if (order == NULL)
	{
		ereport(NOTICE,
				(errmsg("baseline \"%s\" needs times of events, so it is left out", name)));
		return;
	}
	lists->name = name;
	lists->k = run->lists[0].k;
	EvaluateRankOrder(&run->catalogue, order, &run->users, &run->memory, lists);
	run->scorers++;
}

static void
rank_all(EvaluateRun *run)
{
	int			baselines = run->options->baselines;

	ProgressPhase(&run->progress, "ranking", -1);
	run->lists[0].name = "model";
	run->lists[0].k = run->options->k[run->options->cutoffs - 1];
	EvaluateRankModel(&run->catalogue, &run->users, true, &run->memory, &run->lists[0]);
	run->scorers = 1;
	if ((baselines & BASELINE_POPULAR) != 0)
		rank_order(run, "popular", run->catalogue.by_users);
	if ((baselines & BASELINE_RECENT) != 0)
		rank_order(run, "recent", run->catalogue.recent);
}

static void
write_result(EvaluateRun *run)
{
	const EvaluateUsers *users = &run->users;
	StoredEvaluation *stored = &run->stored;
	int64		missing = 0;
	instr_time	now;

	for (int32 i = 0; i < users->users; i++)
		missing += users->missing[i];
	stored->users = users->users;
	stored->pairs = users->test_start[users->users] + missing;
	stored->reachable = stored->pairs > 0 ?
		(double) users->test_start[users->users] / (double) stored->pairs : NAN;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, run->started);
	stored->seconds = INSTR_TIME_GET_DOUBLE(now);
}

static const StoredMetric *
find_metric(const EvaluateRun *run, const char *scorer, const char *metric, int32 k)
{
	for (int i = 0; i < run->rows.count; i++)
	{
		const StoredMetric *row = &run->rows.row[i];

		if (row->k == k && strcmp(row->stratum, "all") == 0 &&
			strcmp(row->scorer, scorer) == 0 && strcmp(row->metric, metric) == 0)
			return row;
	}
	return NULL;
}

static int32
verdict_k(const EvaluateOptions *options)
{
	for (int i = 0; i < options->cutoffs; i++)
	{
		if (options->k[i] == VERDICT_K)
			return VERDICT_K;
	}
	return options->k[options->cutoffs - 1];
}

/* One NOTICE a baseline: better, worse, or not to be told apart. */
static void
report_verdict(const EvaluateRun *run, int scorer)
{
	const char *name = run->lists[scorer].name;
	int32		k = verdict_k(run->options);
	const StoredMetric *model = find_metric(run, "model", "ndcg", k);
	const StoredMetric *baseline = find_metric(run, name, "ndcg", k);
	const StoredMetric *lead = find_metric(run, psprintf("model - %s", name), "ndcg", k);
	const char *verdict;

	if (model == NULL || baseline == NULL || lead == NULL)
		return;
	if (isnan(lead->low))
		verdict = lead->value > 0 ? "is above" : "is not above";
	else
		verdict = lead->low > 0 ? "beats" : lead->high < 0 ? "is worse than" :
			"cannot be told from";
	ereport(NOTICE,
			(errmsg("model \"%s\" %s \"%s\": nDCG@%d %.4f against %.4f over %lld users",
					run->config->name, verdict, name, k, model->value, baseline->value,
					(long long) model->users),
			 isnan(lead->low) ? 0 :
			 errdetail("Difference %.4f, %g %% interval %.4f to %.4f.", lead->value,
					   100 * run->options->confidence, lead->low, lead->high)));
}

static void
run_phases(EvaluateRun *run, Oid schema, EvaluateResult *result)
{
	/* What the statement has done before, such as train the version, is to be seen by all readers. */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	run->config = ModelReadConfig(schema);
	BudgetInit(&run->budget);
	run->memory.budget = &run->budget;
	if (OidIsValid(run->options->test) || run->options->version > 0)
		EvaluateReadVersion(schema, run->options->version, OidIsValid(run->options->test),
							&run->version);
	read_hyperparameters(run);
	ProgressBegin(&run->progress, run->config->name, run->options->verbose);
	if (OidIsValid(run->options->test))
		evaluate_stored(run);
	else
		evaluate_split(run);
	rank_all(run);
	ProgressPhase(&run->progress, "measuring", -1);
	EvaluateScore(&run->catalogue, &run->users, run->lists, run->scorers, run->options,
				  &run->memory, &run->rows);
	write_result(run);
	result->evaluation = EvaluationWrite(schema, &run->stored, run->rows.row, run->rows.count);
	for (int scorer = 1; scorer < run->scorers; scorer++)
		report_verdict(run, scorer);
	ProgressEnd(&run->progress);
	PopActiveSnapshot();
}

/* The figures outlive the run. */
static void
copy_rows(const EvaluateRows *rows, EvaluateResult *result)
{
	result->count = rows->count;
	result->metrics = palloc((Size) Max(rows->count, 1) * sizeof(StoredMetric));
	for (int i = 0; i < rows->count; i++)
	{
		result->metrics[i] = rows->row[i];
		result->metrics[i].scorer = pstrdup(rows->row[i].scorer);
		result->metrics[i].stratum = pstrdup(rows->row[i].stratum);
		result->metrics[i].metric = pstrdup(rows->row[i].metric);
	}
}

void
Evaluate(Oid schema, const EvaluateOptions *options, EvaluateResult *result)
{
	EvaluateOptions resolved = *options;
	MemoryContext context;
	MemoryContext old_context;
	EvaluateRun *run;

	resolved.workers = MaintenanceWorkers(options->workers);
	check_may_evaluate(schema);
	BlasPrepare();
	context = AllocSetContextCreate(CurrentMemoryContext, "commrec evaluation",
									ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);
	run = palloc0(sizeof(EvaluateRun));
	run->options = &resolved;
	INSTR_TIME_SET_CURRENT(run->started);
	run_phases(run, schema, result);
	MemoryContextSwitchTo(old_context);
	copy_rows(&run->rows, result);
	MemoryContextDelete(context);
}
