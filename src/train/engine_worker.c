/*
 * engine_worker.c
 *		Starting parallel workers for an engine, and what a worker does.
 *
 * One ParallelContext serves all epochs.  Its own segment carries nothing but
 * the handle of the engine's.  An error in a worker, or its death, reaches the
 * leader through the context's error queues at the next poll for interrupts,
 * be that in a unit or in a wait at the barrier; the leader's abort then ends
 * the others and lets go of both segments.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "storage/dsm.h"
#include "storage/shm_toc.h"

#include "train/engine_shared.h"

#define COMMREC_KEY_ENGINE		UINT64CONST(0xC033EC0000000001)

/* What a worker gets by the context's table of contents. */
typedef struct EngineEntryShared
{
	dsm_handle	handle;			/* of the engine's segment */
} EngineEntryShared;

extern PGDLLEXPORT void TrainWorkerMain(dsm_segment *segment, shm_toc *toc);

static ParallelContext *
create_context(dsm_segment *segment, int workers)
{
	ParallelContext *context = CreateParallelContext("commrec", "TrainWorkerMain", workers);
	EngineEntryShared *entry;

	shm_toc_estimate_chunk(&context->estimator, sizeof(EngineEntryShared));
	shm_toc_estimate_keys(&context->estimator, 1);
	InitializeParallelDSM(context);
	entry = (EngineEntryShared *) shm_toc_allocate(context->toc, sizeof(EngineEntryShared));
	entry->handle = dsm_segment_handle(segment);
	shm_toc_insert(context->toc, COMMREC_KEY_ENGINE, entry);
	return context;
}

int
EngineRunParallel(EngineView *view, dsm_segment *segment, int workers, Progress *progress)
{
	ParallelContext *context;
	int			launched;

	EnterParallelMode();
	context = create_context(segment, workers);
	LaunchParallelWorkers(context);
	EngineParticipate(view, progress);
	WaitForParallelWorkersToFinish(context);
	launched = context->nworkers_launched;
	DestroyParallelContext(context);
	ExitParallelMode();

	elog(DEBUG1, "commrec: %d of %d launched workers took part in %s",
		 (int) pg_atomic_read_u32(&view->shared->workers), launched, view->shared->phase);
	return launched;
}

void
TrainWorkerMain(dsm_segment *segment pg_attribute_unused(), shm_toc *toc)
{
	EngineEntryShared *entry = (EngineEntryShared *) shm_toc_lookup(toc, COMMREC_KEY_ENGINE, false);
	dsm_segment *arrays = dsm_attach(entry->handle);
	EngineView	view;
	Progress	progress;

	if (arrays == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the training that this worker belongs to is gone")));

	EngineViewInit(&view, (EngineShared *) dsm_segment_address(arrays));
	ProgressBegin(&progress, view.shared->model, false);
	ProgressPhase(&progress, view.shared->phase, -1);
	EngineParticipate(&view, &progress);
	dsm_detach(arrays);
}
