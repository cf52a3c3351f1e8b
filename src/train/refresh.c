/*
 * refresh.c
 *		One run of commrec.refresh(): its row in "job", its lock, what it decides and does.
 *
 * The row is committed before anything else happens, so that everybody sees
 * who is at work.  The training lock is held for the session from there to the
 * end, over the commits.  The work is one subtransaction; when it fails, the
 * row says why, is committed, and the error goes on to the caller, so that a
 * scheduler sees it as well.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/elog.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "common/compat.h"
#include "store/deploy.h"
#include "store/job.h"
#include "store/publish.h"
#include "train/json.h"
#include "train/refresh_internal.h"

typedef struct RefreshRun
{
	const RefreshOptions *options;
	Oid			schema;
	int64		job;
	RefreshDecision decision;
	FoldCounts	counts;
	int32		version;
	ErrorData  *error;			/* NULL: none */
} RefreshRun;

static const char *const mode_names[] = {"auto", "retrain", "fold_in"};
static const char *const action_names[] = {"nothing", "fold_in", "retrain"};

/* Nothing of ours is on the stack of snapshots here. */
static void
CommitPhase(const RefreshRun *run)
{
	if (run->options->is_atomic)
	{
		CommandCounterIncrement();
		return;
	}
	SPI_commit();
	/* Before PG 15 a commit begins no new transaction. */
	SPI_start_transaction();
}

static int32
Retrain(const RefreshRun *run)
{
	TrainOptions options = {.hyperparameters = run->options->hyperparameters,.workers = -1,
		.deploy = run->options->deploy,
	.allow_row_security = run->options->allow_row_security};
	int			level = NewGUCNestLevel();
	int32		version;

	if (run->options->keep > 0)
		(void) set_config_option("commrec.keep_versions", psprintf("%d", run->options->keep),
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	version = TrainModel(run->schema, &options);
	AtEOXact_GUC(true, level);
	return version;
}

static int32
DeployedNumber(Oid schema)
{
	DeployedVersion deployed;

	ReadDeployedVersion(schema, &deployed);
	return deployed.version;
}

static void
FoldEventsIn(RefreshRun *run)
{
	FoldCounts *counts = &run->counts;

	switch (RefreshFoldIn(run->schema, run->options, counts))
	{
		case FOLD_DONE:
			break;
		case FOLD_NOTHING:
			run->decision.action = ACTION_NOTHING;
			run->decision.reason = counts->waiting == 0 ? "there are no new events" :
				psprintf("new events: %lld, which wait for the next training: they are about new items",
						 (long long) counts->waiting);
			break;
		case FOLD_TOO_MANY_ITEMS:
			run->decision.action = ACTION_RETRAIN;
			run->decision.reason = psprintf("new items: %d; those since the training are more than %g of its items",
											counts->new_items + counts->waiting_items,
											run->options->retrain_share);
			run->version = Retrain(run);
			return;
	}
	run->version = DeployedNumber(run->schema);
}

/* Decide and do; in a snapshot of its own. */
static void
Work(RefreshRun *run)
{
	RefreshDecide(run->schema, run->options, &run->decision);
	if (run->decision.action == ACTION_FOLD_IN)
		FoldEventsIn(run);
	else if (run->decision.action == ACTION_RETRAIN)
		run->version = Retrain(run);
	else
		run->version = DeployedNumber(run->schema);
	if (run->decision.action != ACTION_RETRAIN && run->options->keep > 0)
		VersionPrune(run->schema, run->options->keep);
}

/* The same in a subtransaction, so that an error leaves a transaction in which it can be told. */
static void
WorkSafely(RefreshRun *run)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		Work(run);
		PopActiveSnapshot();
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		run->error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

static Jsonb *
CountsToJsonb(const FoldCounts *counts)
{
	JsonBuilder json;

	JsonBegin(&json);
	JsonAddInteger(&json, "events", counts->events);
	JsonAddInteger(&json, "waiting", counts->waiting);
	JsonAddInteger(&json, "users", counts->users);
	JsonAddInteger(&json, "new_users", counts->new_users);
	JsonAddInteger(&json, "solved", counts->solved);
	JsonAddInteger(&json, "new_items", counts->new_items);
	JsonAddInteger(&json, "knowledge", counts->knowledge);
	return JsonEnd(&json);
}

static void
RecordEnd(const RefreshRun *run, const char *outcome)
{
	JobOutcome	row = {.outcome = outcome,.version = run->version};

	if (run->decision.reason != NULL)
	{
		row.decided = action_names[run->decision.action];
		row.reason = run->decision.reason;
	}
	if (run->error != NULL)
	{
		row.sqlstate = unpack_sql_state(run->error->sqlerrcode);
		row.message = run->error->message;
	}
	else if (strcmp(outcome, "failed") == 0)
	{
		row.sqlstate = unpack_sql_state(ERRCODE_OBJECT_IN_USE);
		row.message = run->decision.reason;
	}
	else if (run->decision.reason != NULL && run->decision.action == ACTION_FOLD_IN)
		row.detail = CountsToJsonb(&run->counts);
	JobEnd(run->schema, run->job, &row);
	CommitPhase(run);
}

/* Another session is at work. */
static void
Skip(RefreshRun *run)
{
	run->decision.action = ACTION_NOTHING;
	run->decision.reason = "another session trains or refreshes the model";
	RecordEnd(run, run->options->error_if_running ? "failed" : "skipped");
	if (run->options->error_if_running)
		TrainReportRunning(run->schema);
	ereport(NOTICE,
			(errmsg("model \"%s\" is being trained, so this refresh is skipped",
					ModelSchemaName(run->schema))));
}

/* The lock is ours. */
static void
Run(RefreshRun *run)
{
	JobCloseLost(run->schema, run->job);
	if (run->options->is_atomic)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		Work(run);
		PopActiveSnapshot();
	}
	else
		WorkSafely(run);
	RecordEnd(run, run->error != NULL ? "failed" : "done");
	if (run->error != NULL)
		ReThrowError(run->error);
}

static void
RunLocked(RefreshRun *run)
{
	PG_TRY();
	{
		Run(run);
	}
	PG_CATCH();
	{
		/* A lock of the session is not given back by the end of a transaction. */
		TrainLockReleaseSession(run->schema);
		PG_RE_THROW();
	}
	PG_END_TRY();
	TrainLockReleaseSession(run->schema);
}

void
Refresh(Oid schema, const RefreshOptions *options)
{
	MemoryContext context = AllocSetContextCreate(PortalContext, "commrec refresh",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context;
	RefreshRun *run;

	PreventCommandIfReadOnly("commrec.refresh()");
	PreventCommandDuringRecovery("commrec.refresh()");
	ModelRequireOwner(schema);
	old_context = MemoryContextSwitchTo(context);
	run = palloc0(sizeof(RefreshRun));
	run->options = options;
	run->schema = schema;
	run->job = JobBegin(schema, mode_names[options->mode]);
	CommitPhase(run);
	if (options->is_atomic ? !TrainLockAcquire(schema) : !TrainLockAcquireSession(schema))
		Skip(run);
	else if (options->is_atomic)
		Run(run);
	else
		RunLocked(run);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}
