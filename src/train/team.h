/*
 * team.h
 *		A leader and its parallel workers over one shared segment.
 *
 * An error in a worker, or its death, reaches the leader through the context's
 * error queues at its next poll for interrupts; its abort then ends the others
 * and lets go of both segments.
 */
#ifndef COMMREC_TEAM_H
#define COMMREC_TEAM_H

#include "storage/dsm.h"
#include "storage/shm_toc.h"

typedef struct Team
{
	const char *function;		/* exported, of the library: what a worker runs */
	dsm_segment *segment;		/* that they share */
	int			workers;		/* to be asked for */
	void		(*lead) (void *argument);	/* the leader's part; returns when all work is done */
	void	   *argument;
} Team;

/* Returns how many workers were launched; they are gone. */
extern int	TeamRun(const Team *team);

/* For a worker, given its function's table of contents: the shared segment, mapped.  BLAS may be used. */
extern dsm_segment *TeamAttach(shm_toc *toc);

#endif							/* COMMREC_TEAM_H */
