/*
 * train.c
 *		One training run: check -> read -> choose -> plan -> train -> publish.
 *
 * Everything is written in the caller's transaction, and before or after the
 * parallel phases, never in them: first what the events say by themselves
 * (actions, knowledge spread, satisfaction), in the end the version.  The run's
 * memory is in one context that goes with it; the shared segment belongs to
 * the engine and is gone when it is destroyed, or with the resource owner of
 * the (sub)transaction when an error ends the run.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "common/blas.h"
#include "common/workers.h"
#include "core/auto.h"
#include "store/publish.h"
#include "train/blend.h"
#include "train/choose.h"
#include "train/costs.h"
#include "train/evaluate.h"
#include "train/events.h"
#include "train/interactions.h"
#include "train/json.h"
#include "train/knowledge.h"
#include "train/ratings.h"
#include "train/train.h"
#include "train/trainer.h"

typedef struct TrainRun
{
	const TrainOptions *options;
	ModelConfig *config;
	instr_time	started;
	MemoryBudget budget;
	Progress	progress;
	TrainCosts	costs;
	CrHyperparameters given;	/* with NaN where the data decide */
	CrHyperparameters used;
	const CrAlgorithm *algorithm;
	EventLog   *log;
	Touched    *touched;
	Ratings    *ratings;		/* NULL unless the algorithm learns ratings */
	PositiveFilter filter;
	bool		is_learnable;	/* false: answers come from popularity alone */
	BlendChoice blend;
	EvaluateComparison comparison;	/* with the deployed version; all 0 if it was not asked for */
	bool		deploys;
	Choice		choice;			/* of algorithm "auto"; all 0 for another */
	double	   *popularity;		/* decayed, by item */
	float	   *popularity_score;	/* weighted coordinate by item; NULL without */
	float	   *trend;			/* of rising items, by item; NULL: none are shown */
	Trainer    *trainer;		/* NULL unless is_learnable */
	TrainerResult result;
} TrainRun;

/* Nothing is written, and nobody waits, before these hold. */
static void
CheckMayTrain(Oid schema)
{
	PreventCommandIfReadOnly("commrec.train()");
	PreventCommandIfParallelMode("commrec.train()");
	PreventCommandDuringRecovery("commrec.train()");
	ModelRequireOwner(schema);
	if (!TrainLockAcquire(schema))
		TrainReportRunning(schema);
	VersionRequireNewest(schema);
}

/* Presets, over them the model's hyperparameters, over them the call's. */
static void
ReadHyperparameters(TrainRun *run)
{
	const char *algorithm = run->config->algorithm;

	HyperparametersApply(algorithm, NULL, &run->given);
	run->algorithm = cr_algorithm_find(algorithm);
	cr_parameters_preset(run->algorithm, &run->given);
	HyperparametersApply(algorithm, run->config->hyperparameters, &run->given);
	HyperparametersApply(algorithm, run->options->hyperparameters, &run->given);
	run->used = run->given;
}

static void
ReadEvents(TrainRun *run)
{
	EventsOptions options;

	options.strict = run->options->strict;
	options.allow_row_security = run->options->allow_row_security;
	options.costs = &run->costs;
	CostsBegin(&run->costs, PHASE_READ);
	ProgressPhase(&run->progress, "reading events", -1);
	run->log = EventsRead(run->config, &options, &run->budget);
	ActionTableAddNew(run->log->actions, run->config);
}

/* 55000 if no pair prefers or dislikes anything: there is nothing to learn, nor to rank by. */
static void
RequirePreferences(const TrainRun *run)
{
	const Touched *touched = run->touched;
	int64		pairs = touched->start[touched->users];

	for (int64 i = 0; i < pairs; i++)
	{
		if (touched->preference[i] != 0)
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no usable events in %s", run->config->events_name),
			 errdetail("All preferences add up to zero."),
			 errhint("Give actions a preference other than 0 in the table \"%s.%s\".",
					 ModelSchemaName(run->config->schema), MODEL_ACTION)));
}

static void
WarnOfPopularityOnly(const TrainRun *run, const char *reason)
{
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("model \"%s\" cannot learn from %s", run->config->name, reason),
			 errhint("Until there are more events, recommendations come from popularity.")));
}

/* Can anything be learned of users and items?  Says so if not. */
static bool
IsLearnable(const TrainRun *run)
{
	if (!TrainerIsNeeded(run->algorithm))
		return false;
	if (run->log->count == 1)
		WarnOfPopularityOnly(run, "one event");
	else if (run->touched->users == 1)
		WarnOfPopularityOnly(run, "one user");
	else if (run->touched->items == 1)
		WarnOfPopularityOnly(run, "one item");
	else if (run->ratings != NULL && run->touched->positive == 0)
		WarnOfPopularityOnly(run, "events without a rating");
	else if (run->touched->positive == 0)
		WarnOfPopularityOnly(run, "events without a positive preference");
	else
		return true;
	return false;
}

/* Sum up preferences and count what trains. */
static void
BuildInteractions(TrainRun *run)
{
	TouchedOptions options;

	CostsBegin(&run->costs, PHASE_CSR);
	ProgressPhase(&run->progress, "summing preferences", -1);
	options.half_life = run->given.half_life;
	options.until = EVENT_NO_TIME;
	run->touched = TouchedBuild(run->log, &options, &run->budget);
	RequirePreferences(run);
	run->filter.alpha = run->given.alpha;
	run->filter.min_item_users = (int32) run->given.min_item_users;
	run->filter.min_user_items = (int32) run->given.min_user_items;
	if (run->algorithm->is_explicit)
	{
		run->ratings = RatingsBuild(run->log, &run->filter, &run->budget);
		run->touched->positive = run->ratings->start[run->ratings->users];
	}
	else
		PositiveCount(run->touched, &run->filter);
	run->is_learnable = IsLearnable(run);
}

/* Fill in what the caller left to the data. */
static void
ChooseHyperparameters(TrainRun *run)
{
	cr_defaults_from_shape(run->algorithm, &run->used, run->touched->users, run->touched->items,
						   run->touched->positive);
	if (isnan(run->given.popularity_weight) || isnan(run->given.popularity_half_life))
	{
		Recipe		recipe = {run->algorithm, &run->given, run->options->workers};

		CostsBegin(&run->costs, PHASE_VALIDATION);
		ProgressPhase(&run->progress, "validating", -1);
		BlendChoose(run->log, &recipe, &run->budget, &run->progress, &run->blend);
		if (isnan(run->given.popularity_weight))
			run->used.popularity_weight = run->blend.popularity_weight;
		if (isnan(run->given.popularity_half_life))
			run->used.popularity_half_life = run->blend.popularity_half_life;
	}
}

/* Popularity of items, and its weighted coordinate in their embeddings. */
static void
ComputePopularity(TrainRun *run)
{
	Size		items = run->touched->items;

	CostsBegin(&run->costs, PHASE_CSR);
	run->popularity = BudgetAlloc(&run->budget, items * sizeof(double), "popularity");
	PopularityCompute(run->log, run->used.popularity_half_life, EVENT_NO_TIME, run->popularity);
	if (!run->is_learnable || run->used.popularity_weight == 0)
		return;
	run->popularity_score = BudgetAlloc(&run->budget, items * sizeof(float), "popularity");
	PopularityScore(run->popularity, run->touched->items, run->popularity_score);
	for (Size i = 0; i < items; i++)
		run->popularity_score[i] *= (float) run->used.popularity_weight;
}

static const char *
ShowBytes(Size bytes)
{
	static const char *const units[] = {"kB", "MB", "GB"};
	double		shown = (double) bytes / 1024;
	int			unit = 0;

	while (shown >= 1024 && unit < (int) lengthof(units) - 1)
	{
		shown /= 1024;
		unit++;
	}
	return psprintf(unit == 2 ? "%.1f %s" : "%.0f %s", shown, units[unit]);
}

static void
ReportPlan(const TrainRun *run)
{
	if (run->options->verbose)
		ereport(INFO,
				(errcode(ERRCODE_SUCCESSFUL_COMPLETION),
				 errmsg("plan: %s of %s for %lld users, %lld items, %lld pairs",
						ShowBytes(run->budget.peak), ShowBytes(run->budget.limit),
						(long long) run->touched->users, (long long) run->touched->items,
						(long long) run->touched->positive)));
}

static void
FillTrainerParams(const TrainRun *run, TrainerParams *params)
{
	memset(params, 0, sizeof(TrainerParams));
	params->algorithm = run->algorithm;
	params->used = &run->used;
	params->users = run->touched->users;
	params->items = run->touched->items;
	params->pairs = run->touched->positive;
	params->is_weighted = run->ratings != NULL || !PositiveAreEqual(run->touched, &run->filter);
	if (run->ratings != NULL)
		params->mean_rating = run->ratings->mean;
	params->workers = run->options->workers;
	params->phase = "training";
}

static void
RunTrainer(TrainRun *run)
{
	TrainerParams params;
	PairArrays	arrays;

	/* Publishing comes while what was learned is there, so that its memory is part of the plan. */
	BudgetReserve(&run->budget, VersionPublishBytes(run->touched->items,
													 (int32) run->used.factors), "publishing");
	if (!run->is_learnable)
	{
		ReportPlan(run);
		return;
	}
	FillTrainerParams(run, &params);
	run->trainer = TrainerCreate(&params, &run->budget, &arrays);
	ReportPlan(run);
	if (run->ratings != NULL)
		RatingsFill(run->ratings, arrays.start, arrays.column, arrays.weight);
	else
		PositiveFill(run->touched, &run->filter, arrays.start, arrays.column, arrays.weight);
	CostsBegin(&run->costs, PHASE_EPOCHS);
	TrainerRun(run->trainer, &run->progress, &run->result);
}

static void
FillFactors(const TrainRun *run, PublishFactors *factors)
{
	const CrTrained *trained = &run->result.trained;

	memset(factors, 0, sizeof(PublishFactors));
	if (run->is_learnable)
	{
		factors->learned = trained->learned;
		factors->factors = trained->factors;
		factors->dims = factors->factors + (run->popularity_score != NULL ? 1 : 0);
		factors->lists = run->algorithm->scorer == CR_SCORER_LISTS ? &trained->lists : NULL;
		if (factors->lists != NULL)
			factors->dims = 1;
		factors->stride = trained->stride;
		factors->user_factors = trained->user_factors;
		factors->item_factors = trained->item_factors;
		factors->item_popularity_score = run->popularity_score;
		factors->fold = run->algorithm->fold;
	}
	factors->item_popularity = run->popularity;
	factors->item_trend = run->trend;
	factors->item_users = run->touched->item_users;
	factors->users = run->touched->users;
	factors->items = run->touched->items;
	factors->touched_start = run->touched->start;
	factors->touched_item = run->touched->item;
	factors->touched_preference = run->touched->preference;
	factors->touched_last = run->touched->last;
	factors->unobserved_weight = run->used.unobserved_weight;
	factors->has_age_origin = run->log->age_origin != EVENT_NO_TIME;
	factors->age_origin = run->log->age_origin;
	factors->user_id = IdMapGet;
	factors->user_map = run->log->users;
	factors->item_id = IdMapGet;
	factors->item_map = run->log->items;
}

static Jsonb *
SkippedToJsonb(const EventsSkipped *skipped)
{
	JsonBuilder json;

	JsonBegin(&json);
	JsonAddInteger(&json, "null_id", skipped->null_id);
	JsonAddInteger(&json, "null_value", skipped->null_value);
	JsonAddInteger(&json, "bad_value", skipped->bad_value);
	JsonAddInteger(&json, "bad_time", skipped->bad_time);
	if (skipped->forgotten > 0)
		JsonAddInteger(&json, "forgotten", skipped->forgotten);
	JsonAddInteger(&json, "duplicate", skipped->duplicate);
	JsonAddInteger(&json, "no_time", skipped->no_time);
	JsonAddInteger(&json, "future", skipped->future);
	return JsonEnd(&json);
}

/* To the millisecond: more digits would say nothing. */
static void
AddSeconds(JsonBuilder *json, const char *key, double seconds)
{
	JsonAddNumber(json, key, rint(seconds * 1e3) / 1e3);
}

static void
AddPhases(JsonBuilder *json, const TrainCosts *costs)
{
	JsonBeginObject(json, "phases");
	for (int i = 0; i < TRAIN_PHASES; i++)
	{
		JsonBeginObject(json, PhaseName((TrainPhase) i));
		AddSeconds(json, "seconds", costs->phase[i].seconds);
		AddSeconds(json, "cpu_seconds", costs->phase[i].cpu_seconds);
		JsonEndObject(json);
	}
	JsonEndObject(json);
}

static void
AddComparison(JsonBuilder *json, const EvaluateComparison *comparison)
{
	if (comparison->users == 0)
	{
		JsonAddNull(json, "comparison");
		return;
	}
	JsonBeginObject(json, "comparison");
	JsonAddInteger(json, "version", comparison->incumbent);
	JsonAddInteger(json, "users", comparison->users);
	JsonAddNumber(json, "ndcg", comparison->ndcg_candidate);
	JsonAddNumber(json, "ndcg_version", comparison->ndcg_incumbent);
	JsonAddNumber(json, "low", comparison->low);
	JsonAddNumber(json, "high", comparison->high);
	JsonEndObject(json);
}

static Jsonb *
MetricsToJsonb(const TrainRun *run)
{
	JsonBuilder json;
	int32		epochs = run->result.epochs;

	JsonBegin(&json);
	JsonAddNumber(&json, "loss", epochs > 0 ? run->result.loss[epochs - 1] : NAN);
	if (run->blend.validated)
	{
		JsonBeginObject(&json, "validation");
		JsonAddInteger(&json, "users", run->blend.users);
		JsonAddNumber(&json, "ndcg_model", run->blend.ndcg_model);
		JsonAddNumber(&json, "ndcg_popular", run->blend.ndcg_popular);
		JsonAddNumber(&json, "ndcg_blend", run->blend.ndcg_blend);
		JsonEndObject(&json);
	}
	else
		JsonAddNull(&json, "validation");
	if (run->choice.algorithm != NULL)
		ChoiceToJson(&run->choice, &json);
	if (run->options->deploy == DEPLOY_IF_BETTER)
		AddComparison(&json, &run->comparison);
	AddPhases(&json, &run->costs);
	return JsonEnd(&json);
}

/* The row of "version"; its costs are those up to now. */
static void
RecordVersion(const TrainRun *run, int32 number, const PublishFactors *factors)
{
	PublishVersion version;

	memset(&version, 0, sizeof(version));
	version.algorithm = run->algorithm->name;
	version.hyperparameters = HyperparametersToJsonb(run->algorithm->name, &run->used);
	version.events = run->log->count;
	version.pairs = run->touched->positive;
	version.skipped = SkippedToJsonb(&run->log->skipped);
	version.has_events_until = run->log->newest != EVENT_NO_TIME;
	version.events_until = run->log->newest;
	version.started = run->started;
	version.workers = run->result.workers;
	version.memory_planned = (int64) run->budget.peak;
	version.row_security = run->log->row_security;
	version.metrics = MetricsToJsonb(run);
	version.deploy = run->deploys;
	version.epochs = run->result.epochs;
	version.loss = run->result.loss;
	version.epoch_seconds = run->result.seconds;
	version.epoch_cpu_seconds = run->result.cpu_seconds;
	VersionRecord(run->config, number, &version, factors);
}

static int32
Publish(TrainRun *run)
{
	PublishFactors factors;
	int32		number;

	CostsBegin(&run->costs, PHASE_PUBLISH);
	ProgressPhase(&run->progress, "publishing", -1);
	FillFactors(run, &factors);
	number = VersionPublish(run->config, &factors, run->deploys);
	CostsEnd(&run->costs);
	if (run->options->verbose)
		CostsReport(&run->costs);
	RecordVersion(run, number, &factors);
	return number;
}

/* Algorithm "auto" becomes another one. */
static void
ResolveAlgorithm(TrainRun *run)
{
	Recipe		recipe = {run->algorithm, &run->given, run->options->workers};
	CrHyperparameters given = run->given;

	if (run->algorithm->scorer != CR_SCORER_CHOSEN)
		return;
	CostsBegin(&run->costs, PHASE_VALIDATION);
	ProgressPhase(&run->progress, "choosing an algorithm", -1);
	ChooseAlgorithm(run->log, &recipe, &run->budget, &run->progress, &run->choice);
	ChoiceReport(&run->choice);
	run->algorithm = run->choice.algorithm;
	cr_auto_recipe(&given, run->algorithm, &run->given);
	run->used = run->given;
}

/* Will the new version serve?  Where that depends, both are judged on the same events. */
static void
DecideDeployment(TrainRun *run)
{
	Recipe		recipe = {run->algorithm, &run->given, run->options->workers};

	run->deploys = run->options->deploy != DEPLOY_NEVER;
	if (run->options->deploy != DEPLOY_IF_BETTER)
		return;
	CostsBegin(&run->costs, PHASE_VALIDATION);
	ProgressPhase(&run->progress, "comparing", -1);
	EvaluateCompare(run->config->schema, run->log, &recipe, &run->budget, &run->progress,
					&run->comparison);
	run->deploys = EvaluateIsBetter(&run->comparison);
}

/* What became of deploy => 'if_better', and why. */
static void
ReportDeployment(const TrainRun *run, int32 version)
{
	const EvaluateComparison *comparison = &run->comparison;

	if (run->options->deploy != DEPLOY_IF_BETTER)
		return;
	if (comparison->users == 0)
		ereport(NOTICE,
				(errmsg("version %d is deployed: %s", version, comparison->incumbent == 0 ?
						"no other was" : "there are too few events to compare by")));
	else
		ereport(NOTICE,
				(errmsg("version %d is %s: nDCG@10 %.4f against %.4f with the hyperparameters of version %d",
						version, run->deploys ? "deployed" : "not deployed",
						comparison->ndcg_candidate, comparison->ndcg_incumbent,
						comparison->incumbent),
				 errdetail("On the same held-out events of %d users; difference %.4f, 95 %% interval %.4f to %.4f.",
						   comparison->users,
						   comparison->ndcg_candidate - comparison->ndcg_incumbent,
						   comparison->low, comparison->high)));
}

/* The phases, in the run's memory context. */
static int32
RunPhases(TrainRun *run, Oid schema)
{
	int32		version;

	run->config = ModelReadConfig(schema);
	ReadHyperparameters(run);
	VersionPublishCheck(run->config);
	BudgetInit(&run->budget);
	ProgressBegin(&run->progress, run->config->name, run->options->verbose);
	run->progress.costs = &run->costs;
	ReadEvents(run);
	CostsBegin(&run->costs, PHASE_KNOWLEDGE);
	ProgressPhase(&run->progress, "measuring knowledge spread", -1);
	run->trend = KnowledgePublish(run->log, run->config);
	ResolveAlgorithm(run);
	DecideDeployment(run);
	BuildInteractions(run);
	ChooseHyperparameters(run);
	ComputePopularity(run);
	EventsFreeRows(run->log);
	RunTrainer(run);
	version = Publish(run);
	if (run->trainer != NULL)
		TrainerDestroy(run->trainer, &run->budget);
	ProgressEnd(&run->progress);
	ReportDeployment(run, version);
	return version;
}

/*
 * LLVM alone takes more memory than a model of a million events, which no plan
 * knows of, and gains nothing over queries as plain as these.
 */
static void
TurnOffJit(void)
{
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
}

int32
TrainModel(Oid schema, const TrainOptions *options)
{
	MemoryContext context;
	MemoryContext old_context;
	int			guc_level;
	TrainOptions resolved = *options;
	TrainRun   *run;
	int32		version;

	resolved.workers = MaintenanceWorkers(options->workers);
	CheckMayTrain(schema);
	BlasPrepare();
	context = AllocSetContextCreate(CurrentMemoryContext, "commrec training",
									ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);
	run = palloc0(sizeof(TrainRun));
	run->options = &resolved;
	INSTR_TIME_SET_CURRENT(run->started);
	guc_level = NewGUCNestLevel();
	TurnOffJit();
	version = RunPhases(run, schema);
	AtEOXact_GUC(true, guc_level);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return version;
}
