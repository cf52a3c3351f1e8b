/*
 * engine_worker.c
 *		Running an engine with parallel workers, and what a worker does.
 */
#include "postgres.h"

#include "train/engine_shared.h"
#include "train/team.h"

/* The leader's part. */
typedef struct EngineLead
{
	EngineView *view;
	Progress   *progress;
} EngineLead;

extern PGDLLEXPORT void TrainWorkerMain(dsm_segment *segment, shm_toc *toc);

static void
lead(void *argument)
{
	EngineLead *ours = (EngineLead *) argument;

	EngineParticipate(ours->view, ours->progress);
}

int
EngineRunParallel(EngineView *view, dsm_segment *segment, int workers, Progress *progress)
{
	EngineLead	ours = {view, progress};
	Team		team = {"TrainWorkerMain", segment, workers, lead, &ours};
	int			launched = TeamRun(&team);

	elog(DEBUG1, "commrec: %d of %d launched workers took part in %s",
		 (int) pg_atomic_read_u32(&view->shared->workers), launched, view->shared->phase);
	return launched;
}

void
TrainWorkerMain(dsm_segment *segment pg_attribute_unused(), shm_toc *toc)
{
	dsm_segment *arrays = TeamAttach(toc);
	EngineView	view;
	Progress	progress;

	EngineViewInit(&view, (EngineShared *) dsm_segment_address(arrays));
	ProgressBegin(&progress, view.shared->model, false);
	ProgressPhase(&progress, view.shared->phase, -1);
	EngineParticipate(&view, &progress);
	dsm_detach(arrays);
}
