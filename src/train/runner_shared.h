/*
 * runner_shared.h
 *		The block that the participants of a runner share: what lies where, who writes what.
 *
 * The leader fills in everything before workers start.  After that:
 *	- counters: atomic, claimed by everybody;
 *	- cpu[], worker_cpu: every participant adds what it has spent;
 *	- state: by units, as the trainer says;
 *	- loss[], seconds[], epochs_run, epoch_started: the one that claimed the end of the epoch; others
 *	  read them after the next barrier.
 */
#ifndef COMMREC_RUNNER_SHARED_H
#define COMMREC_RUNNER_SHARED_H

#include "port/atomics.h"
#include "storage/barrier.h"
#include "storage/dsm.h"

#include "train/runner.h"

typedef struct RunnerSideLayout
{
	Size		start;			/* int64[rows + 1] */
	Size		column;			/* int32[pairs] */
	Size		weight;			/* float[pairs], 0 unless weighted */
} RunnerSideLayout;

/* Offsets from the beginning of the block. */
typedef struct RunnerLayout
{
	RunnerSideLayout users;
	RunnerSideLayout items;
	Size		counters;		/* pg_atomic_uint64, one per phase: units claimed */
	Size		loss;			/* double[epochs] */
	Size		seconds;		/* double[epochs] */
	Size		cpu;			/* pg_atomic_uint64[epochs]: microseconds of all participants */
	Size		state;			/* the trainer's */
	Size		total;
} RunnerLayout;

typedef struct RunnerShared
{
	RunnerLayout layout;
	CrTrainerPlan plan;
	CrTrainerShape shape;		/* its "used" points nowhere; see used */
	CrHyperparameters used;
	char		algorithm[NAMEDATALEN];
	char		model[NAMEDATALEN];
	char		phase[PROGRESS_PHASE_SIZE];

	Barrier		barrier;
	pg_atomic_uint32 workers;	/* that attached in time to take part */
	pg_atomic_uint64 worker_cpu;	/* microseconds that workers have spent */
	int32		epochs_run;
	instr_time	epoch_started;
} RunnerShared;

/* One participant's pointers into the block, and what it has for itself. */
typedef struct RunnerView
{
	RunnerShared *shared;
	const CrTrainer *trainer;
	CrTrainerRun run;
	PairArrays	users;
	PairArrays	items;
	pg_atomic_uint64 *counters;
	double	   *loss;
	double	   *seconds;
	pg_atomic_uint64 *cpu;
	Progress   *progress;
	int			epochs_reported;	/* verbose lines written */
	double		cpu_counted;	/* this process's CPU seconds that are in cpu[] already */
} RunnerView;

/* runner_work.c: take part until the training ends, from whatever phase it has reached. */
extern void RunnerParticipate(RunnerView *view, Progress *progress);

/* runner_work.c: pointers into the block. */
extern void RunnerViewInit(RunnerView *view, RunnerShared *shared);

/* runner_work.c: with workers; returns how many were launched. */
extern int	RunnerRunParallel(RunnerView *view, dsm_segment *segment, int workers,
							  Progress *progress);

#endif							/* COMMREC_RUNNER_SHARED_H */
