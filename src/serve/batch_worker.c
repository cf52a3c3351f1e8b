/*
 * batch_worker.c
 *		Starting parallel workers for a recommend_all(), and what a worker does.
 *
 * An error in a worker, or its death, reaches the leader through the context's
 * error queues at its next poll for interrupts, while it answers a unit or waits
 * for one; the leader's abort then ends the others and lets go of both segments.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "pgstat.h"
#include "storage/shm_toc.h"

#include "common/compat.h"
#include "common/workers.h"
#include "serve/batch_shared.h"

extern PGDLLEXPORT void BatchWorkerMain(dsm_segment *segment, shm_toc *toc);

void
BatchRunParallel(BatchView *view, dsm_segment *segment, int workers,
				 void (*lead) (void *state), void *state)
{
	ParallelContext *context;
	int			launched;

	EnterParallelMode();
	context = WorkersPrepare("BatchWorkerMain", workers, segment);
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
	dsm_segment *block = WorkersAttach(toc);
	BatchShared *shared = (BatchShared *) dsm_segment_address(block);
	BatchView	view;
	int64		unit;

	pgstat_report_activity(STATE_RUNNING,
						   psprintf("commrec: recommending for all users of %s", shared->model));
	BatchViewOpen(&view, shared);
	while (BatchClaim(shared, true, &unit))
		BatchAnswer(&view, unit);
	BatchViewClose(&view);
	dsm_detach(block);
}
