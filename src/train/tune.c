/*
 * tune.c
 *		Searching for good hyperparameters: random search with successive halving over folds.
 *
 * Transactions come and go: what lasts is in one context below the portal's,
 * the events among it, and the rows of "trial" are written and committed one by
 * one.  A trial runs in a subtransaction, so that hyperparameters that do not
 * converge, or do not fit the memory, cost that trial and not the search.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "common/blas.h"
#include "common/compat.h"
#include "common/workers.h"
#include "store/deploy.h"
#include "store/publish.h"
#include "train/evaluate_internal.h"
#include "train/train.h"
#include "train/tune.h"
#include "train/tune_space.h"

#define MODEL_TRIAL		"trial"
#define FOLD_SHARE		0.1		/* of the events, or pairs, to be foreseen in each */
#define KEPT_PART		3		/* one of so many goes on to the next fold */
#define TRIAL_STREAM	(UINT64_MAX - 32)	/* and below: random numbers of each trial */

typedef struct Trial
{
	int			number;
	CrHyperparameters given;
	double	   *value;			/* by fold */
	float	  **figures;		/* by fold and user; NULL once it is out of the race */
	double		restraint;		/* the hyperparameter that makes it simpler, as it was used */
	int			folds;			/* judged on */
	double		seconds;
	char	   *error;			/* NULL: none */
} Trial;

typedef struct TuneRun
{
	const TuneOptions *options;
	Oid			schema;
	ModelConfig *config;
	MemoryBudget budget;
	Progress	progress;
	TrainCosts	costs;
	instr_time	started;
	EventLog   *log;
	TuneSpace	space;
	EvaluateMeasure measure;
	SplitRule	rule;
	CrHyperparameters base; /* the model's own */
	int32		tuning;			/* number of the search */
	Trial	   *trials;			/* in the order of their numbers */
	Trial	  **field;			/* those still in the race */
	int			running;
	int			complete;		/* folds on which all in the race have been judged */
	int32	   *users;			/* by fold: who were judged on */
	double		popularity_weight;	/* of this fold, once validated; NaN before */
	double		popularity_half_life;
} TuneRun;

/* What is under way must be committed, and nothing may be left on the stack of snapshots. */
static void
commit_trial(void)
{
	SPI_commit();
	/* Before PG 15 a commit begins no new transaction. */
	SPI_start_transaction();
}

static double
elapsed(instr_time since)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, since);
	return INSTR_TIME_GET_DOUBLE(now);
}

static void
read_events(TuneRun *run)
{
	EventsOptions options = {.strict = false,
	.allow_row_security = run->options->allow_row_security,.costs = &run->costs};

	ProgressPhase(&run->progress, "reading events", -1);
	run->log = EventsRead(run->config, &options, &run->budget);
	run->rule = EvaluateSplitRule(run->log, run->options->split);
}

/* The given space, or one around the defaults for these data. */
static void
make_space(TuneRun *run)
{
	TouchedOptions options = {run->base.half_life, EVENT_NO_TIME};
	PositiveFilter filter = {1, 1, 1};
	Touched    *touched;

	if (run->options->search != NULL)
	{
		TuneSpaceParse(run->config->algorithm, run->options->search, &run->space);
		return;
	}
	touched = TouchedBuild(run->log, &options, &run->budget);
	PositiveCount(touched, &filter);
	TuneSpaceDefault(run->config->algorithm, touched->users, touched->items, touched->positive,
					 &run->space);
	TouchedFree(touched, &run->budget);
}

/* The first has the model's hyperparameters, the others have drawn theirs. */
static void
draw_trials(TuneRun *run)
{
	int			count = run->options->trials;

	run->trials = palloc0((Size) count * sizeof(Trial));
	run->field = palloc((Size) count * sizeof(Trial *));
	run->users = palloc0((Size) run->options->folds * sizeof(int32));
	run->running = count;
	for (int i = 0; i < count; i++)
	{
		Trial	   *trial = &run->trials[i];
		CrRng		rng;

		trial->number = i + 1;
		trial->given = run->base;
		trial->value = palloc0((Size) run->options->folds * sizeof(double));
		trial->figures = palloc0((Size) run->options->folds * sizeof(float *));
		run->field[i] = trial;
		cr_rng_init(&rng, run->options->seed, TRIAL_STREAM - (uint64) i);
		if (i > 0)
			TuneSpaceDraw(&run->space, &rng, &trial->given);
	}
}

/* The lock keeps searches that begin together from taking one number. */
static void
take_number(TuneRun *run)
{
	const char *table = ModelTableSql(run->schema, MODEL_TRIAL);
	bool		is_null;
	Datum		newest;

	ModelExecute(psprintf("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE", table), 0, NULL, NULL,
				 NULL, SPI_OK_UTILITY);
	ModelExecute(psprintf("SELECT pg_catalog.max(tuning) FROM %s", table), 0, NULL, NULL, NULL,
				 SPI_OK_SELECT);
	newest = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
	if (!is_null && DatumGetInt32(newest) == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("model \"%s\" has no number left for a search", run->config->name),
				 errhint("Delete old rows of %s.", table)));
	run->tuning = is_null ? 1 : DatumGetInt32(newest) + 1;
}

/* One row a trial, to be filled in as they finish. */
static void
insert_trials(TuneRun *run)
{
	Oid			types[] = {INT4OID, INT4OID, JSONBOID, TEXTOID};

	SPI_connect();
	take_number(run);
	for (int i = 0; i < run->options->trials; i++)
	{
		const Trial *trial = &run->trials[i];
		Datum		values[4];

		values[0] = Int32GetDatum(run->tuning);
		values[1] = Int32GetDatum(trial->number);
		values[2] = JsonbPGetDatum(TuneSpaceToJsonb(&run->space, &trial->given));
		values[3] = CStringGetTextDatum(run->options->metric);
		ModelExecute(psprintf("INSERT INTO %s (tuning, trial, hyperparameters, metric, folds) "
							  "VALUES ($1, $2, $3, $4, 0)",
							  ModelTableSql(run->schema, MODEL_TRIAL)),
					 4, types, values, NULL, SPI_OK_INSERT);
	}
	SPI_finish();
}

/* Mean over the first folds. */
static double
mean_value(const Trial *trial, int folds)
{
	double		sum = 0;

	for (int fold = 0; fold < folds; fold++)
		sum += trial->value[fold];
	return sum / folds;
}

static void
update_trial(TuneRun *run, const Trial *trial)
{
	Oid			types[] = {INT4OID, INT4OID, INT4OID, FLOAT8OID, FLOAT8OID, TEXTOID};
	char		nulls[] = "      ";
	Datum		values[6];

	values[0] = Int32GetDatum(run->tuning);
	values[1] = Int32GetDatum(trial->number);
	values[2] = Int32GetDatum(trial->folds);
	values[3] = Float8GetDatum(trial->folds == 0 ? 0 : mean_value(trial, trial->folds));
	values[4] = Float8GetDatum(trial->seconds);
	values[5] = trial->error == NULL ? (Datum) 0 : CStringGetTextDatum(trial->error);
	if (trial->folds == 0)
		nulls[3] = 'n';
	if (trial->error == NULL)
		nulls[5] = 'n';
	SPI_connect();
	ModelExecute(psprintf("UPDATE %s SET folds = $3, value = $4, seconds = $5, error = $6, "
						  "finished_at = pg_catalog.clock_timestamp() WHERE tuning "
						  "OPERATOR(pg_catalog.=) $1 AND trial OPERATOR(pg_catalog.=) $2",
						  ModelTableSql(run->schema, MODEL_TRIAL)),
				 6, types, values, nulls, SPI_OK_UPDATE);
	SPI_finish();
}

/*
 * Trial 1, which comes first in every fold, tells how much popularity a score
 * needs; the others take that over, unless it is searched.
 */
static void
set_popularity(const TuneRun *run, CrHyperparameters *given)
{
	if (TuneSpaceHas(&run->space, "popularity_weight") ||
		TuneSpaceHas(&run->space, "popularity_half_life"))
		return;
	if (isnan(given->popularity_weight))
		given->popularity_weight = run->popularity_weight;
	if (isnan(given->popularity_half_life))
		given->popularity_half_life = run->popularity_half_life;
}

static double
restraint_of(const CrAlgorithm *algorithm, const CrHyperparameters *used)
{
	const CrParameter *parameter = cr_parameter_restraint(algorithm);

	return parameter == NULL ? 0 : cr_parameter_value(parameter, used);
}

/* Judge a trial on one fold; what it does wrong costs it the race. */
static void
judge_trial(TuneRun *run, Trial *trial, int fold, const EventSplit *split)
{
	CrHyperparameters given = trial->given;
	Recipe		recipe = {cr_algorithm_find(run->config->algorithm), &given, run->options->workers};
	CrHyperparameters used;
	float	   *figures = trial->figures[fold];
	double		sum = 0;

	set_popularity(run, &given);
	trial->error = EvaluateTrySafely(split, &recipe, &run->measure, &run->budget, &run->progress,
									 &used, figures);
	if (trial->error != NULL)
		return;
	if (trial->number == 1)
	{
		run->popularity_weight = used.popularity_weight;
		run->popularity_half_life = used.popularity_half_life;
	}
	for (int32 i = 0; i < split->users; i++)
		sum += figures[i];
	trial->value[trial->folds++] = sum / split->users;
	trial->restraint = restraint_of(recipe.algorithm, &used);
}

/* Room for the figures of all that are in the race, in the search's own context. */
static void
make_figures(TuneRun *run, int fold, int32 users)
{
	MemoryContext old_context = MemoryContextSwitchTo(GetMemoryChunkContext(run->trials));

	run->users[fold] = users;
	for (int i = 0; i < run->running; i++)
		run->field[i]->figures[fold] = BudgetAlloc(&run->budget, (Size) users * sizeof(float),
												   "figures of trials");
	MemoryContextSwitchTo(old_context);
}

/* A trial that leaves the race is not compared any more. */
static void
free_figures(TuneRun *run, Trial *trial)
{
	for (int fold = 0; fold < run->options->folds; fold++)
	{
		if (trial->figures[fold] == NULL)
			continue;
		pfree(trial->figures[fold]);
		trial->figures[fold] = NULL;
		BudgetRelease(&run->budget, (Size) run->users[fold] * sizeof(float));
	}
}

static void
report_trial(const TuneRun *run, const Trial *trial, int fold)
{
	if (!run->options->verbose)
		return;
	if (trial->error != NULL)
		ereport(INFO, (errmsg("trial %d, fold %d: %s", trial->number, fold + 1, trial->error)));
	else
		ereport(INFO, (errmsg("trial %d, fold %d: %s %.5f", trial->number, fold + 1,
							  run->options->metric, trial->value[fold])));
}

/* False if the time is up before all of them have been judged. */
static bool
judge_all(TuneRun *run, int fold, const EventSplit *split)
{
	run->popularity_weight = run->popularity_half_life = NAN;
	make_figures(run, fold, split->users);
	for (int i = 0; i < run->running; i++)
	{
		Trial	   *trial = run->field[i];
		instr_time	began;

		CHECK_FOR_INTERRUPTS();
		if (elapsed(run->started) > run->options->seconds)
			return false;
		INSTR_TIME_SET_CURRENT(began);
		judge_trial(run, trial, fold, split);
		trial->seconds += elapsed(began);
		update_trial(run, trial);
		commit_trial();
		report_trial(run, trial, fold);
	}
	return true;
}

/* By the mean over the folds that all have been judged on; what failed comes last. */
static int
compare_trials(const void *left, const void *right)
{
	const Trial *a = *(Trial *const *) left;
	const Trial *b = *(Trial *const *) right;
	int			folds = Min(a->folds, b->folds);

	if ((a->error == NULL) != (b->error == NULL))
		return a->error == NULL ? -1 : 1;
	if (folds > 0 && mean_value(a, folds) != mean_value(b, folds))
		return mean_value(a, folds) > mean_value(b, folds) ? -1 : 1;
	return a->number - b->number;
}

static int
compare_numbers(const void *left, const void *right)
{
	return (*(Trial *const *) left)->number - (*(Trial *const *) right)->number;
}

/* The better part goes on, and trial 1 with them; in the order of their numbers again. */
static void
drop_worse(TuneRun *run)
{
	int			wanted = (run->running + KEPT_PART - 1) / KEPT_PART;
	int			kept = 0;

	qsort(run->field, (size_t) run->running, sizeof(Trial *), compare_trials);
	for (int i = 0; i < run->running; i++)
	{
		Trial	   *trial = run->field[i];

		if (trial->error == NULL && (kept < wanted || trial->number == 1))
			run->field[kept++] = trial;
		else
			free_figures(run, trial);
	}
	qsort(run->field, (size_t) kept, sizeof(Trial *), compare_numbers);
	run->running = kept;
}

/* Make the fold's split in a context of its own and judge on it; false if there is no more to do. */
static bool
run_fold(TuneRun *run, int fold)
{
	SplitOptions options = {.rule = run->rule, .test_share = FOLD_SHARE,
		.newer_share = FOLD_SHARE * fold,.newer_items = fold,.half_life = run->base.half_life,
	.users = run->options->users, .seed = run->options->seed + (uint64) fold};
	EvaluateMemory memory = {.budget = &run->budget};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "commrec fold",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	EventSplit	split;
	bool		goes_on;

	goes_on = EventSplitMake(run->log, &options, &memory, &split);
	if (fold == 0)
		EventSplitRequire(&split);
	goes_on = goes_on && judge_all(run, fold, &split);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	BudgetRelease(&run->budget, memory.bytes);
	return goes_on;
}

/* The best of those that were judged on most folds in full; NULL if none was judged at all. */
static const Trial *
find_best(const TuneRun *run, int folds)
{
	const Trial *best = NULL;

	for (int i = 0; i < run->options->trials; i++)
	{
		const Trial *trial = &run->trials[i];

		if (trial->error != NULL || trial->folds < folds)
			continue;
		if (best == NULL || mean_value(trial, folds) > mean_value(best, folds))
			best = trial;
	}
	return best;
}

/* Variance of the mean over users of the difference of two trials on one fold. */
static double
difference_variance(const TuneRun *run, const Trial *a, const Trial *b, int fold)
{
	int32		users = run->users[fold];
	double		mean = a->value[fold] - b->value[fold];
	double		squares = 0;

	for (int32 i = 0; i < users; i++)
	{
		double		difference = (double) a->figures[fold][i] - b->figures[fold][i] - mean;

		squares += difference * difference;
	}
	return users > 1 ? squares / ((double) users * (users - 1)) : 0;
}

/* Is a trial as good as the best, but for a standard error of their difference? */
static bool
is_as_good(const TuneRun *run, const Trial *trial, const Trial *best, int folds)
{
	double		variance = 0;

	for (int fold = 0; fold < folds; fold++)
		variance += difference_variance(run, trial, best, fold);
	return mean_value(best, folds) - mean_value(trial, folds) <= sqrt(variance) / folds;
}

/*
 * Of those in the race that are as good as the best, the most restrained: what
 * is to be foreseen later resembles the folds less than they resemble each
 * other (the rule of one standard error, Breiman et al., Classification and
 * regression trees, 1984).
 */
static const Trial *
choose_trial(const TuneRun *run, const Trial *best, int folds)
{
	const Trial *chosen = best;

	for (int i = 0; i < run->options->trials; i++)
	{
		const Trial *trial = &run->trials[i];

		if (trial->error == NULL && trial->folds >= folds && trial->figures[folds - 1] != NULL &&
			trial->restraint > chosen->restraint && is_as_good(run, trial, best, folds))
			chosen = trial;
	}
	return chosen;
}

/* Over the model's stored hyperparameters; a null takes one away. */
static void
apply_best(TuneRun *run, Jsonb *best)
{
	Oid			type = JSONBOID;
	Datum		value = JsonbPGetDatum(best);

	TrainLockWait(run->schema);
	SPI_connect();
	ModelExecute(psprintf("UPDATE %s SET hyperparameters = pg_catalog.jsonb_strip_nulls"
						  "(hyperparameters OPERATOR(pg_catalog.||) $1)",
						  ModelTableSql(run->schema, MODEL_CONFIG)),
				 1, &type, &value, NULL, SPI_OK_UPDATE);
	SPI_finish();
}

static void
mark_best(const TuneRun *run, const Trial *best)
{
	Oid			types[] = {INT4OID, INT4OID};
	Datum		values[] = {Int32GetDatum(run->tuning), Int32GetDatum(best->number)};

	SPI_connect();
	ModelExecute(psprintf("UPDATE %s SET is_best = true WHERE tuning OPERATOR(pg_catalog.=) $1 "
						  "AND trial OPERATOR(pg_catalog.=) $2",
						  ModelTableSql(run->schema, MODEL_TRIAL)),
				 2, types, values, NULL, SPI_OK_UPDATE);
	SPI_finish();
}

static void
finish(TuneRun *run)
{
	int			folds = Max(run->complete, 1);
	const Trial *best = find_best(run, folds);
	const Trial *own = &run->trials[0];
	const Trial *chosen;
	char	   *shown;
	Jsonb	   *parameters;

	if (best == NULL)
	{
		ereport(NOTICE, (errmsg("no trial was finished")));
		return;
	}
	chosen = choose_trial(run, best, folds);
	parameters = TuneSpaceToJsonb(&run->space, &chosen->given);
	shown = JsonbToCString(NULL, &parameters->root, VARSIZE(parameters));
	mark_best(run, chosen);
	if (run->options->apply && chosen != own)
		apply_best(run, parameters);
	ereport(NOTICE,
			(errmsg("best of %d trials is number %d: %s %.4f, %.4f with the hyperparameters of the model",
					run->options->trials, chosen->number, run->options->metric,
					mean_value(chosen, folds), own->folds < folds ? 0 : mean_value(own, folds)),
			 chosen == best ? errdetail("Hyperparameters: %s.", shown) :
			 errdetail("Hyperparameters: %s.  Number %d has %.4f, which is within a standard error, and less regularization.",
					   shown, best->number, mean_value(best, folds)),
			 chosen == own ? errhint("Leave them as they are.") :
			 run->options->apply ? errhint("The model has them now; train it.") :
			 errhint("commrec.alter_model() writes them into the model.")));
}

static void
search(TuneRun *run)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	run->config = ModelReadConfig(run->schema);
	cr_parameters_preset(cr_algorithm_find(run->config->algorithm), &run->base);
	HyperparametersApply(run->config->algorithm, run->config->hyperparameters, &run->base);
	if (cr_algorithm_find(run->config->algorithm)->scorer == CR_SCORER_CHOSEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("algorithm \"%s\" of model \"%s\" has nothing to tune",
						run->config->algorithm, run->config->name),
				 errhint("Give the model the algorithm that it has chosen, with commrec.alter_model(); the table %s tells.",
						 ModelTableSql(run->schema, MODEL_VERSION))));
	EvaluateMeasureParse(run->options->metric, &run->measure);
	if (run->options->search != NULL)
		TuneSpaceParse(run->config->algorithm, run->options->search, &run->space);
	ProgressBegin(&run->progress, run->config->name, false);
	read_events(run);
	make_space(run);
	draw_trials(run);
	insert_trials(run);
	PopActiveSnapshot();
	commit_trial();
	for (int fold = 0; fold < run->options->folds && run->running > 0; fold++)
	{
		if (!run_fold(run, fold))
			break;
		run->complete = fold + 1;
		drop_worse(run);
	}
	finish(run);
	ProgressEnd(&run->progress);
}

void
Tune(Oid schema, const TuneOptions *options)
{
	MemoryContext context = AllocSetContextCreate(PortalContext, "commrec tuning",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context;
	TuneOptions resolved = *options;
	TuneRun    *run;

	PreventCommandIfReadOnly("commrec.tune()");
	PreventCommandDuringRecovery("commrec.tune()");
	ModelRequireOwner(schema);
	resolved.workers = MaintenanceWorkers(options->workers);
	BlasPrepare();
	old_context = MemoryContextSwitchTo(context);
	run = palloc0(sizeof(TuneRun));
	run->options = &resolved;
	run->schema = schema;
	BudgetInit(&run->budget);
	INSTR_TIME_SET_CURRENT(run->started);
	search(run);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}
