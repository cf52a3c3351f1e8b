/*
 * evaluate_compare.c
 *		Hyperparameters against each other on one split.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "core/bootstrap.h"
#include "train/evaluate_internal.h"
#include "train/train.h"

#define COMPARE_METRIC		"ndcg@10"
#define COMPARE_SHARE		0.1
#define COMPARE_USERS		10000	/* beyond, a sample tells as much */
#define COMPARE_REPLICATES	1000
#define COMPARE_CONFIDENCE	0.95

/* Columns of the bootstrap. */
enum
{
	COLUMN_ONE, COLUMN_DIFFERENCE, COLUMNS
};

void
EvaluateTry(const EventSplit *split, const Recipe *recipe, const EvaluateMeasure *measure,
			MemoryBudget *budget, Progress *progress, CrHyperparameters *used, float *figures)
{
	EvaluateMemory memory = {.budget = budget};
	EvaluateLists lists = {.name = "model", .k = measure->k};
	EvaluateCatalogue catalogue;
	EvaluateUsers users;
	EvaluateModel model;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "commrec trial",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);

	EvaluateLearn(split, recipe, &memory, progress, &model);
	EvaluateModelCase(split, &model, &memory, &catalogue, &users);
	*used = model.used;
	EvaluateForget(&model, &memory);
	EvaluateRankModel(&catalogue, &users, false, &memory, &lists);
	EvaluateFigures(&users, &lists, measure, figures);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	BudgetRelease(budget, memory.bytes);
}

/* What hyperparameters can do wrong; anything else ends the search. */
static bool
is_trials_own_error(int code)
{
	return code == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE ||
		code == ERRCODE_PROGRAM_LIMIT_EXCEEDED || code == ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
}

char *
EvaluateTrySafely(const EventSplit *split, const Recipe *recipe, const EvaluateMeasure *measure,
				  MemoryBudget *budget, Progress *progress, CrHyperparameters *used,
				  float *figures)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(context, "commrec trial", ALLOCSET_DEFAULT_SIZES);
	ResourceOwner owner = CurrentResourceOwner;
	Size		held = budget->used;
	char	   *message = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(scratch);
	PG_TRY();
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		EvaluateTry(split, recipe, measure, budget, progress, used, figures);
		PopActiveSnapshot();
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (!is_trials_own_error(error->sqlerrcode))
			ReThrowError(error);
		message = error->message;
		budget->used = held;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	MemoryContextDelete(scratch);
	return message;
}

/* Means, and the interval of their difference. */
static void
compare_figures(const float *candidate, const float *incumbent, uint64 seed,
				EvaluateComparison *comparison)
{
	CrBootstrap bootstrap;
	void	   *workspace = palloc(cr_bootstrap_workspace_size(COMPARE_REPLICATES, COLUMNS));
	double	   *means = palloc(COMPARE_REPLICATES * sizeof(double));
	float		rows[CR_BOOTSTRAP_USERS][COLUMNS];
	int32		filled = 0;
	int32		count;

	cr_bootstrap_begin(&bootstrap, COMPARE_REPLICATES, COLUMNS, seed, workspace);
	for (int32 i = 0; i < comparison->users; i++)
	{
		comparison->ndcg_candidate += candidate[i] / comparison->users;
		comparison->ndcg_incumbent += incumbent[i] / comparison->users;
		rows[filled][COLUMN_ONE] = 1;
		rows[filled][COLUMN_DIFFERENCE] = candidate[i] - incumbent[i];
		if (++filled == CR_BOOTSTRAP_USERS || i == comparison->users - 1)
		{
			cr_bootstrap_add(&bootstrap, rows[0], filled);
			filled = 0;
		}
	}
	count = cr_bootstrap_means(&bootstrap, COLUMN_DIFFERENCE, COLUMN_ONE, means);
	EvaluateInterval(means, count, COMPARE_CONFIDENCE, &comparison->low, &comparison->high);
}

/* Both on one split, if there is enough to split. */
static void
compare_on_split(const EventLog *log, const Recipe *candidate, const Recipe *incumbent,
				 EvaluateMemory *memory, Progress *progress, EvaluateComparison *comparison)
{
	SplitOptions options = {.rule = EvaluateSplitRule(log, NULL), .test_share = COMPARE_SHARE,
		.half_life = candidate->given->half_life, .users = COMPARE_USERS,
	.seed = (uint64) candidate->given->seed};
	CrHyperparameters used;
	EvaluateMeasure measure;
	EventSplit	split;
	float	   *ours;
	float	   *theirs;

	if (!EventSplitMake(log, &options, memory, &split))
		return;
	EvaluateMeasureParse(COMPARE_METRIC, &measure);
	ours = EvaluateAlloc(memory, split.users, sizeof(float));
	theirs = EvaluateAlloc(memory, split.users, sizeof(float));
	EvaluateTry(&split, candidate, &measure, memory->budget, progress, &used, ours);
	EvaluateTry(&split, incumbent, &measure, memory->budget, progress, &used, theirs);
	comparison->users = split.users;
	compare_figures(ours, theirs, options.seed, comparison);
}

void
EvaluateCompare(Oid schema, const EventLog *log, const Recipe *candidate, MemoryBudget *budget,
				Progress *progress, EvaluateComparison *comparison)
{
	EvaluateMemory memory = {.budget = budget};
	CrHyperparameters given;
	Recipe		incumbent = {NULL, &given, candidate->workers};
	EvaluateVersion version;
	Progress	quiet = *progress;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "commrec comparison",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);

	/* The epochs of a comparison are nobody's concern. */
	quiet.verbose = false;
	memset(comparison, 0, sizeof(EvaluateComparison));
	if (EvaluateFindVersion(schema, 0, &version))
	{
		comparison->incumbent = version.stored.version;
		incumbent.algorithm = HyperparametersAlgorithm(version.algorithm);
		cr_parameters_preset(incumbent.algorithm, &given);
		HyperparametersApply(version.algorithm, version.hyperparameters, &given);
		compare_on_split(log, candidate, &incumbent, &memory, &quiet, comparison);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	BudgetRelease(budget, memory.bytes);
}

bool
EvaluateIsBetter(const EvaluateComparison *comparison)
{
	return comparison->incumbent == 0 ||
		comparison->ndcg_candidate >= comparison->ndcg_incumbent;
}
