/*
 * workers.h
 *		Parallel workers: the argument that says how many, and how they find their leader's memory.
 *
 * The segment of the ParallelContext itself carries nothing but the handle of
 * one of ours.  A worker loads the library anew: where that was replaced while
 * the leader's session was open, the two may not share structs, and the worker
 * ends with 55000.
 */
#ifndef COMMREC_WORKERS_H
#define COMMREC_WORKERS_H

#include "access/parallel.h"

#define WORKERS_BY_SETTING	(-1)	/* left out by the caller */

/* 22023 unless it is WORKERS_BY_SETTING or a number that the server allows; "setting" is for the hint. */
extern void CheckWorkers(int workers, const char *setting);

/* The same for what trains; returns max_parallel_maintenance_workers where the number was left out. */
extern int	MaintenanceWorkers(int workers);

/* A context, in parallel mode, of workers that run "function", exported, of this library over the segment. */
extern ParallelContext *WorkersPrepare(const char *function, int workers, dsm_segment *segment);

/* For a worker, given its function's table of contents: the segment, mapped. */
extern dsm_segment *WorkersAttach(shm_toc *toc);

#endif							/* COMMREC_WORKERS_H */
