/*
 * refresh_fold.c
 *		Folding new events into the version that serves.
 *
 * New are the events later than those that the version has; events since the
 * start of the bucket in which the old ones end are read, so that the rows of
 * that bucket can be computed as if all had been there at once.  New items get
 * the vector of a half step over the users as they are, then users with new
 * events that of a half step over the items (refresh_items.c, refresh_users.c);
 * then the knowledge tables follow (refresh_knowledge.c).  Everything is written
 * in one transaction.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/errors.h"
#include "store/deploy.h"
#include "store/update.h"
#include "train/refresh_internal.h"

#define WHAT	"folding in"

void *
FoldAlloc(RefreshFold *run, int64 count, Size width)
{
	Size		bytes = mul_size(Max(count, 1), width);
	void	   *memory = BudgetAlloc(&run->budget, bytes, WHAT);

	BudgetZero(memory, bytes);
	return memory;
}

void
FoldNewSnapshot(void)
{
	CommandCounterIncrement();
	PopActiveSnapshot();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* 55000 that says why, where only a training can take in what is new. */
static void
RequireFoldable(const RefreshFold *run)
{
	const char *obstacle = RefreshFoldObstacle(run->config, &run->fold);

	if (obstacle == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("new events cannot be folded into version %d of model \"%s\"",
					run->deployed.version, run->config->name),
			 errdetail("The reason is that %s.", obstacle),
			 errhint("Use mode => 'retrain'.")));
}

/* False if there is nothing in the range. */
static bool
ReadEvents(RefreshFold *run)
{
	EventsOptions options = {.strict = false,
	.allow_row_security = run->options->allow_row_security,.costs = &run->costs};
	EventsRange range;

	range.from = BucketStart(run->fold.folded_until, run->config->bucket_width);
	range.to = GetCurrentTransactionStartTimestamp();
	if (range.to <= run->fold.folded_until)
		return false;
	run->read = EventsReadRange(run->config, &options, &range, &run->budget);
	return run->read != NULL && run->read->newest > run->fold.folded_until;
}

/* Copy the events of the log that count: those of known items, and of them those that are new. */
static void
PickEvents(RefreshFold *run)
{
	const EventLog *read = run->read;
	uint8	   *left_out = FoldAlloc(run, read->count, sizeof(uint8));
	EventsPick	pick = {.left_out = left_out};

	for (int64 e = 0; e < read->count; e++)
	{
		EVENTS_POLL(e);
		left_out[e] = run->items.of_log[read->item[e]] < 0;
		run->counts.waiting += left_out[e] && read->time[e] > run->fold.folded_until;
	}
	EventsCopy(read, &pick, &run->known);
	for (int64 e = 0; e < read->count; e++)
	{
		EVENTS_POLL(e);
		left_out[e] |= read->time[e] <= run->fold.folded_until;
	}
	EventsCopy(read, &pick, &run->fresh);
	run->counts.events = run->fresh.count;
	BudgetFree(&run->budget, left_out, read->count);
}

/*
 * Stored preferences are as of the version's age origin, and stay so: an event
 * after it counts for more than one before, by as much as it is younger.
 */
static void
SumPreferences(RefreshFold *run)
{
	const CrHyperparameters *used = &run->fold.used;
	TouchedOptions options = {.half_life = used->half_life,.until = EVENT_NO_TIME};
	double		later = (double) run->fresh.age_origin - (double) run->fold.age_origin;

	run->touched = TouchedBuild(&run->fresh, &options, &run->budget);
	run->to_origin = 1;
	if (run->fold.has_age_origin && !isinf(used->half_life))
		run->to_origin = exp2(later / (used->half_life * (double) USECS_PER_DAY));
	if (!isfinite(run->to_origin))
		CheckComputation(CR_NOT_FINITE, "the age of new events");
}

static void
Begin(RefreshFold *run, Oid schema, const RefreshOptions *options)
{
	ActionTable *actions;

	memset(run, 0, sizeof(*run));
	run->options = options;
	run->config = ModelReadConfig(schema);
	BudgetInit(&run->budget);
	ReadDeployedVersion(schema, &run->deployed);
	FoldInBegin(&run->fold, schema, &run->deployed);
	run->takes_items = run->fold.kind == CR_FOLD_RIDGE;
	run->is_knowledge_current = KnowledgeStateRead(schema, &run->knowledge) &&
		run->knowledge.has_until && run->knowledge.until == run->fold.folded_until &&
		run->knowledge.bucket_width == run->config->bucket_width;
	actions = ActionTableRead(run->config);
	(void) ActionTableSort(actions);
	run->are_actions_current = ActionTableDigest(actions) == run->knowledge.actions;
	RequireFoldable(run);
	VersionPublishCheck(run->config);
}

/* What was folded in is part of the version from here on. */
static void
Finish(RefreshFold *run)
{
	FoldedMark	mark = {.version = run->deployed.version,.until = run->read->age_origin,
		.events = run->counts.events + run->counts.waiting,.users = run->counts.new_users,
	.items = run->deployed.items};

	VersionMarkFolded(run->config->schema, &mark);
	if (run->counts.new_items == 0)
		return;
	SPI_connect();
	VersionPublishFilters(run->config->schema, run->deployed.version);
	SPI_finish();
}

/* With mode => 'auto', a catalogue that has grown so much since the training calls for another. */
static bool
HasTooManyItems(const RefreshFold *run)
{
	double		items = (double) run->deployed.items - run->fold.trained_items +
		run->counts.new_items + run->counts.waiting_items;

	return run->options->mode == REFRESH_AUTO &&
		items > run->options->retrain_share * run->fold.trained_items;
}

static FoldOutcome
FoldPhases(RefreshFold *run, Progress *progress)
{
	ProgressPhase(progress, "reading new events", -1);
	if (!ReadEvents(run))
		return FOLD_NOTHING;
	FoldItemsLoad(run);
	if (HasTooManyItems(run))
		return FOLD_TOO_MANY_ITEMS;
	ActionTableAddNew(run->read->actions, run->config);
	PickEvents(run);
	if (run->fresh.count > 0)
	{
		SumPreferences(run);
		ProgressPhase(progress, "folding in items", -1);
		FoldItemsSolve(run);
		ProgressPhase(progress, "folding in users", -1);
		FoldUsersWrite(run);
		ProgressPhase(progress, "measuring knowledge spread", -1);
		if (run->is_knowledge_current)
			FoldKnowledge(run);
	}
	run->counts.knowledge = run->is_knowledge_current;
	Finish(run);
	return run->fresh.count > 0 ? FOLD_DONE : FOLD_NOTHING;
}

FoldOutcome
RefreshFoldIn(Oid schema, const RefreshOptions *options, FoldCounts *counts)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "commrec folding in",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	RefreshFold *run = palloc(sizeof(RefreshFold));
	Progress	progress;
	FoldOutcome outcome;

	Begin(run, schema, options);
	ProgressBegin(&progress, run->config->name, false);
	PushActiveSnapshot(GetTransactionSnapshot());
	outcome = FoldPhases(run, &progress);
	PopActiveSnapshot();
	ProgressEnd(&progress);
	*counts = run->counts;
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return outcome;
}
