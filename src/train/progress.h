/*
 * progress.h
 *		Telling what a training does: pg_stat_activity, verbose lines, time left.
 *
 * The text of leader and workers is
 *	commrec: training <model>, <phase>[ <count>]
 *	commrec: training <model>[, <phase>], epoch e/n[, users|items], p %[, s s left]
 * (in the epochs of the main training the phase is left out), and commrec.progress reads it from there, for the backends that hold a
 * training lock.
 */
#ifndef COMMREC_PROGRESS_H
#define COMMREC_PROGRESS_H

#include "portability/instr_time.h"

#include "train/costs.h"

#define PROGRESS_PHASE_SIZE		32

typedef struct Progress
{
	char		model[NAMEDATALEN];
	char		phase[PROGRESS_PHASE_SIZE]; /* as last told */
	bool		verbose;		/* INFO lines with a bar */
	bool		is_quiet;		/* nothing is told: the training is part of a query */
	instr_time	started;
	instr_time	reported;		/* when the text was last changed: at most 10 times a second */
	instr_time	epochs_started; /* when the phase began: what the time left is reckoned from */
	TrainCosts *costs;			/* where workers' CPU seconds are added; NULL in workers */
} Progress;

extern void ProgressBegin(Progress *progress, const char *model, bool verbose);

/*
 * A phase outside the epochs: "reading events", "sorting", "validating",
 * "publishing"; count may be -1.  A verbose line tells when another phase begins.
 */
extern void ProgressPhase(Progress *progress, const char *phase, int64 count);

/* May the text change by now?  For who would have to reckon what to tell. */
extern bool ProgressIsDue(const Progress *progress);

/*
 * A part of an epoch, from 1: a half step, or NULL; done is the fraction of all
 * epochs, 0 .. 1.
 */
extern void ProgressEpoch(Progress *progress, int epoch, int epochs, const char *side, double done);

/* After an epoch: one verbose line with bar, percentage, loss (NaN: none) and time left. */
extern void ProgressEpochDone(Progress *progress, int epoch, int epochs, double loss,
							  double seconds);

/* Restore the session's statement text. */
extern void ProgressEnd(Progress *progress);

#endif							/* COMMREC_PROGRESS_H */
