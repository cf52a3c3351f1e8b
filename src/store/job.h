/*
 * job.h
 *		The table "job" of a model: one row for every run of commrec.refresh().
 */
#ifndef COMMREC_JOB_H
#define COMMREC_JOB_H

#include "store/model.h"

/* What became of a run; the row says "running" until then. */
typedef struct JobOutcome
{
	const char *decided;		/* what was done: "retrain", "fold_in", "nothing"; NULL: it did not get so far */
	const char *reason;			/* why; NULL with that */
	const char *outcome;		/* "done", "skipped", "failed" */
	const char *sqlstate;		/* of the error; NULL unless failed */
	const char *message;
	int32		version;		/* that serves now; 0: none, or not known */
	Jsonb	   *detail;			/* what was folded in; NULL */
} JobOutcome;

/* Insert the row of a run that begins, asked for with this mode; returns its number. */
extern int64 JobBegin(Oid schema, const char *mode);

/*
 * Runs that never came to their end: their session is gone.  Whoever holds the
 * model's training lock knows that no other run is under way, and says so in
 * their rows.
 */
extern void JobCloseLost(Oid schema, int64 job);

extern void JobEnd(Oid schema, int64 job, const JobOutcome *outcome);

#endif							/* COMMREC_JOB_H */
