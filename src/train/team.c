/*
 * team.c
 *		A leader and its parallel workers over one shared segment.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"

#include "common/blas.h"
#include "common/workers.h"
#include "train/team.h"

int
TeamRun(const Team *team)
{
	ParallelContext *context;
	int			launched;

	EnterParallelMode();
	context = WorkersPrepare(team->function, team->workers, team->segment);
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
	dsm_segment *segment = WorkersAttach(toc);

	BlasPrepare();
	return segment;
}
