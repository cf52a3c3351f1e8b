/*
 * costs.h
 *		What each phase of a training costs: seconds of the clock and of the CPU.
 *
 * Seconds of the clock are the leader's.  CPU seconds are those of the leader
 * and of its parallel workers together, user and system time; workers count
 * theirs in the engine's shared memory, and the leader adds them up.
 */
#ifndef COMMREC_COSTS_H
#define COMMREC_COSTS_H

#include "port/atomics.h"
#include "portability/instr_time.h"

typedef enum TrainPhase
{
	PHASE_READ,					/* the query over the events; ids get numbers as they come */
	PHASE_MAP,					/* numbers into native order, events sorted, duplicates dropped */
	PHASE_KNOWLEDGE,			/* item_spread, spread_factor and user_activity */
	PHASE_VALIDATION,			/* how much popularity: a small training of its own */
	PHASE_CSR,					/* preferences summed up, both sparse matrices, popularity */
	PHASE_EPOCHS,
	PHASE_PUBLISH				/* embeddings, blocks, and the data of old versions removed */
} TrainPhase;

#define TRAIN_PHASES	(PHASE_PUBLISH + 1)

typedef struct PhaseCost
{
	double		seconds;
	double		cpu_seconds;
} PhaseCost;

typedef struct TrainCosts
{
	bool		is_running;		/* is "current" being measured? */
	TrainPhase	current;
	instr_time	started;		/* when it began */
	double		cpu_started;	/* this process's CPU seconds then */
	PhaseCost	phase[TRAIN_PHASES];
} TrainCosts;

/* CPU seconds of this process so far. */
extern double ProcessCpuSeconds(void);

/*
 * What this process has spent since the last time, "counted" seconds, belongs
 * to the epoch that has ended, and to all workers' if this is one.  A worker's
 * first epoch carries its start, too: it begins to count at 0.
 */
extern double CostsEpochBegin(void);
extern void CostsEpochEnd(pg_atomic_uint64 *epoch, pg_atomic_uint64 *workers, double *counted);

/* Seconds of each epoch, from the microseconds that participants have added up. */
extern double *CostsEpochSeconds(pg_atomic_uint64 *epoch, int epochs);

/* A phase begins, and with it the one before ends.  What it costs is added to what it has cost before. */
extern void CostsBegin(TrainCosts *costs, TrainPhase phase);

/* Workers have spent this much in the current phase. */
extern void CostsAddWorkers(TrainCosts *costs, double cpu_seconds);

/* The current phase ends. */
extern void CostsEnd(TrainCosts *costs);

/* As in version.metrics: "read", "map", ... */
extern const char *PhaseName(TrainPhase phase);

/* INFO lines, one a phase. */
extern void CostsReport(const TrainCosts *costs);

#endif							/* COMMREC_COSTS_H */
