/*
 * team.c
 *		A leader and its parallel workers over one shared segment.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"

#include "common/blas.h"
#include "train/team.h"

#define COMMREC_KEY_TEAM		UINT64CONST(0xC033EC0000000001)

/* What a worker gets by the context's table of contents. */
typedef struct TeamEntryShared
{
	dsm_handle	handle;			/* of the shared segment */
} TeamEntryShared;

static ParallelContext *
create_context(const Team *team)
{
	ParallelContext *context = CreateParallelContext("commrec", team->function, team->workers);
	TeamEntryShared *entry;

	shm_toc_estimate_chunk(&context->estimator, sizeof(TeamEntryShared));
	shm_toc_estimate_keys(&context->estimator, 1);
	InitializeParallelDSM(context);
	entry = (TeamEntryShared *) shm_toc_allocate(context->toc, sizeof(TeamEntryShared));
	entry->handle = dsm_segment_handle(team->segment);
	shm_toc_insert(context->toc, COMMREC_KEY_TEAM, entry);
	return context;
}

int
TeamRun(const Team *team)
{
	ParallelContext *context;
	int			launched;

	EnterParallelMode();
	context = create_context(team);
	LaunchParallelWorkers(context);
	team->lead(team->argument);
	WaitForParallelWorkersToFinish(context);
	launched = context->nworkers_launched;
	DestroyParallelContext(context);
	ExitParallelMode();
	return launched;
}

dsm_segment *
TeamAttach(shm_toc *toc)
{
	TeamEntryShared *entry = (TeamEntryShared *) shm_toc_lookup(toc, COMMREC_KEY_TEAM, false);
	dsm_segment *segment = dsm_attach(entry->handle);

	if (segment == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the training that this worker belongs to is gone")));
	BlasPrepare();
	return segment;
}
