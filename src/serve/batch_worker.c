/*
 * batch_worker.c
 *		Starting parallel workers for a recommend_all(), and what a worker does.
 *
 * The context's own segment carries nothing but the handle of ours.  An error in
 * a worker, or its death, reaches the leader through the context's error queues
 * at its next poll for interrupts, while it answers a unit or waits for one; the
 * leader's abort then ends the others and lets go of both segments.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "pgstat.h"
#include "storage/shm_toc.h"

#include "common/compat.h"
#include "serve/batch_shared.h"

#define COMMREC_KEY_BATCH	UINT64CONST(0xC033EC0000000002)

/* What a worker gets by the context's table of contents. */
typedef struct BatchEntryShared
{
	dsm_handle	handle;			/* of the segment with the BatchShared */
} BatchEntryShared;

extern PGDLLEXPORT void BatchWorkerMain(dsm_segment *segment, shm_toc *toc);

void
BatchRunParallel(BatchView *view, dsm_segment *segment, int workers,
				 void (*lead) (void *state), void *state)
{
	ParallelContext *context;
	BatchEntryShared *entry;
	int			launched;

	EnterParallelMode();
	context = CreateParallelContext("commrec", "BatchWorkerMain", workers);
	shm_toc_estimate_chunk(&context->estimator, sizeof(BatchEntryShared));
	shm_toc_estimate_keys(&context->estimator, 1);
	InitializeParallelDSM(context);
	entry = (BatchEntryShared *) shm_toc_allocate(context->toc, sizeof(BatchEntryShared));
	entry->handle = dsm_segment_handle(segment);
	shm_toc_insert(context->toc, COMMREC_KEY_BATCH, entry);
	LaunchParallelWorkers(context);
	launched = context->nworkers_launched;
	lead(state);
	WaitForParallelWorkersToFinish(context);
	DestroyParallelContext(context);
	ExitParallelMode();
	elog(DEBUG1, "commrec: %d workers of %d were launched for all users of %s", launched, workers,
		 view->shared->model);
}

void
BatchWorkerMain(dsm_segment *segment pg_attribute_unused(), shm_toc *toc)
{
	BatchEntryShared *entry = (BatchEntryShared *) shm_toc_lookup(toc, COMMREC_KEY_BATCH, false);
	dsm_segment *block = dsm_attach(entry->handle);
	BatchShared *shared;
	BatchView	view;
	int64		unit;

	if (block == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the query that this worker belongs to is gone")));
	shared = (BatchShared *) dsm_segment_address(block);
	pgstat_report_activity(STATE_RUNNING,
						   psprintf("commrec: recommending for all users of %s", shared->model));
	BatchViewOpen(&view, shared);
	while (BatchClaim(shared, true, &unit))
		BatchAnswer(&view, unit);
	BatchViewClose(&view);
	dsm_detach(block);
}
