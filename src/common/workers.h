/*
 * workers.h
 *		The argument "workers" of functions that work in parallel.
 */
#ifndef COMMREC_WORKERS_H
#define COMMREC_WORKERS_H

#define WORKERS_BY_SETTING	(-1)	/* left out by the caller */

/* 22023 unless it is WORKERS_BY_SETTING or a number that the server allows; "setting" is for the hint. */
extern void CheckWorkers(int workers, const char *setting);

/* The same for what trains; returns max_parallel_maintenance_workers where the number was left out. */
extern int	MaintenanceWorkers(int workers);

#endif							/* COMMREC_WORKERS_H */
