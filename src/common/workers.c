/*
 * workers.c
 *		Parallel workers: the argument that says how many, and how they find their leader's memory.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker_internals.h"

#include "common/release.h"
#include "common/workers.h"

/* 1 and 2 were those of 0.1.0, whose leaders do not say which release they are. */
#define COMMREC_KEY_WORKERS		UINT64CONST(0xC033EC0000000003)

/* What a worker gets by the context's table of contents; the same in every release. */
typedef struct WorkersEntryShared
{
	char		release[16];	/* of the leader's library */
	dsm_handle	handle;			/* of the shared segment */
} WorkersEntryShared;

void
CheckWorkers(int workers, const char *setting)
{
	if (workers < WORKERS_BY_SETTING || workers > MAX_PARALLEL_WORKER_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("workers must be between 0 and %d, not %d", MAX_PARALLEL_WORKER_LIMIT,
						workers),
				 errhint("Leave it out for the setting %s.", setting)));
}

int
MaintenanceWorkers(int workers)
{
	CheckWorkers(workers, "max_parallel_maintenance_workers");
	return workers == WORKERS_BY_SETTING ? max_parallel_maintenance_workers : workers;
}

ParallelContext *
WorkersPrepare(const char *function, int workers, dsm_segment *segment)
{
	ParallelContext *context = CreateParallelContext("commrec", function, workers);
	WorkersEntryShared *entry;

	shm_toc_estimate_chunk(&context->estimator, sizeof(WorkersEntryShared));
	shm_toc_estimate_keys(&context->estimator, 1);
	InitializeParallelDSM(context);
	entry = (WorkersEntryShared *) shm_toc_allocate(context->toc, sizeof(WorkersEntryShared));
	strlcpy(entry->release, COMMREC_RELEASE, sizeof(entry->release));
	entry->handle = dsm_segment_handle(segment);
	shm_toc_insert(context->toc, COMMREC_KEY_WORKERS, entry);
	return context;
}

dsm_segment *
WorkersAttach(shm_toc *toc)
{
	WorkersEntryShared *entry = shm_toc_lookup(toc, COMMREC_KEY_WORKERS, true);
	dsm_segment *segment;

	if (entry == NULL || strcmp(entry->release, COMMREC_RELEASE) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("commrec has been replaced by release %s while this session was open",
						COMMREC_RELEASE),
				 errhint("Connect again.")));
	segment = dsm_attach(entry->handle);
	if (segment == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("what this worker belongs to is gone")));
	return segment;
}
