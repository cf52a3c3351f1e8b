/*
 * workers.c
 *		The argument "workers" of functions that work in parallel.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker_internals.h"

#include "common/workers.h"

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
