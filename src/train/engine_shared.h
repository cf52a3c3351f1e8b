/*
 * engine_shared.h
 *		What leader and workers of one engine share, and each participant's view of it.
 *
 * One block of memory, a DSM segment or private, begins with an EngineShared;
 * all arrays follow at the offsets of its CrAlsLayout, each aligned to 64
 * bytes.  There are no pointers in it: every participant maps it elsewhere and
 * builds an EngineView.
 *
 * Who writes what:
 *	- the arrays of interactions: the leader, before workers start;
 *	- factors, losses, partial Gram matrices: whoever claimed the unit that they
 *	  belong to; others read them after the next barrier only;
 *	- the Gram matrix, or the basis: whoever claimed the one unit that makes it; the
 *	  way back, too, is made at the end of the last epoch;
 *	- cpu[], worker_cpu: every participant adds what it has spent, after the
 *	  barrier that ends an epoch; the leader reads them when the workers are gone;
 *	- which rows are heavy, and their parts: the leader, before workers start;
 *	- a part's sums: whoever claimed it; whoever saves the last part of a row reads them;
 *	- last_epoch, epochs_run, has_diverged, loss[], seconds[], epoch_started: the one that
 *	  claimed the end of the epoch; others read them after the next barrier.
 * There is no lock but those of the barrier and of the condition variable.
 */
#ifndef COMMREC_ENGINE_SHARED_H
#define COMMREC_ENGINE_SHARED_H

#include "port/atomics.h"
#include "storage/barrier.h"
#include "storage/condition_variable.h"

#include "core/als_layout.h"
#include "core/basis.h"
#include "core/layout.h"
#include "train/engine.h"

#define ENGINE_START_ROWS	1024	/* rows of a unit of initialising factors */
#define ENGINE_TURN_ROWS	1024	/* of a unit of turning them, some milliseconds at most */

/*
 * Rows are solved in units of about the same work, which may hold any number
 * of rows, also none.  A heavy row is none of them: whoever is free sums up
 * parts of its events before the units are solved, and whoever comes to the end of
 * its last part joins all parts in order and solves the row.  Parts are kept in a
 * ring of slots: a part waits until the row that had its slot before has been joined,
 * and who has claimed it solves units until then.
 *
 * Barrier phase 0 initialises the factors; epoch e (from 0) is the phases
 * 1 + ENGINE_STEPS * e and on: the steps of the items' half step, those of the
 * users', and the end of the epoch; after the last epoch there is one phase more.
 * Users are solved last, so that what is published of a user is the exact
 * solution for the published items, just what folding the user in would give.
 *
 * Unless there are only few rows, or ratings, half steps are made in the
 * eigenbasis of the fixed side, core/basis.h.
 */
typedef enum EngineStep
{
	STEP_GRAM,					/* of the fixed side */
	STEP_REDUCE,				/* its parts together; the basis */
	STEP_TURN,					/* into the basis */
	STEP_SOLVE,					/* parts of heavy rows, and units */
	STEP_EPOCH_END,
	STEP_START,
	STEP_TURN_BACK
} EngineStep;

#define ENGINE_HALF_STEPS	(STEP_SOLVE + 1)
#define ENGINE_STEPS	(2 * ENGINE_HALF_STEPS + 1)

typedef enum EngineSideNumber
{
	SIDE_USERS,
	SIDE_ITEMS
} EngineSideNumber;

#define ENGINE_SIDES	(SIDE_ITEMS + 1)

/* What a phase of the barrier is. */
typedef struct EnginePhase
{
	EngineStep	step;
	EngineSideNumber solved;	/* the side whose half step it is */
	int			epoch;
	int64		units;			/* to be claimed, beside the parts of heavy rows */
} EnginePhase;

typedef struct EngineHeavy
{
	int64		first_part;		/* among the parts of its side */
	int32		row;
	int32		parts;			/* of about the same number of events */
	pg_atomic_uint32 missing;	/* parts still to be summed up in this half step */
	pg_atomic_uint32 joined;	/* epochs in which it has been joined */
} EngineHeavy;

typedef struct EngineShared
{
	CrAlsLayout layout;
	CrIalsParams ials;
	bool		is_explicit;
	int			cg_steps;		/* of each half step but the users' last; 0: all are exact */
	int32		epochs;			/* asked for */
	double		tolerance;
	uint64		seed;
	double		weight_sum;		/* of all confidences, or squared ratings: the loss of factors that
								 * are all zero */
	char		model[NAMEDATALEN];
	char		phase[PROGRESS_PHASE_SIZE];

	Barrier		barrier;
	ConditionVariable slot_freed;	/* a heavy row has been joined */
	pg_atomic_uint32 stop_phase;	/* phase at which participants leave */
	pg_atomic_uint32 workers;	/* that attached in time to take part */
	pg_atomic_uint64 worker_cpu;	/* microseconds that workers have spent in all epochs */

	int32		heavy[ENGINE_SIDES];	/* heavy rows of each side */
	int64		parts[ENGINE_SIDES];	/* that they have together */
	int32		last_epoch;		/* from 0: the one in which users are solved exactly */
	int32		epochs_run;
	bool		has_diverged;
	instr_time	epoch_started;
} EngineShared;

typedef struct EngineSide
{
	const CrAlsSideLayout *layout;
	int64	   *start;
	int32	   *column;
	float	   *weight;			/* NULL unless weighted */
	float	   *factors;
	CrIalsLoss *losses;
	EngineHeavy *heavy;
	CrCsr		interactions;	/* the same arrays as the core reads them */
	CrIalsHalf	half;			/* solves this side */
	const char *name;			/* for progress */
} EngineSide;

/* One participant's pointers into the block, and what it has for itself. */
typedef struct EngineView
{
	EngineShared *shared;
	EngineSide	side[ENGINE_SIDES];
	pg_atomic_uint64 *counters;
	pg_atomic_uint64 *part_counters;
	double	   *partials;
	char	   *parts;
	float	   *gram;			/* NULL if turned */
	CrBasis		basis;			/* if turned */
	double	   *loss;
	double	   *seconds;
	pg_atomic_uint64 *cpu;
	int32		stride;
	int64		slice;			/* events of a row between two polls for interrupts */
	int			epochs_reported;	/* verbose lines written */
	double		cpu_counted;	/* this process's CPU seconds that are in cpu[] already */
	Progress   *progress;
	void	   *workspace;		/* cr_ials_workspace_size() bytes; NULL until it takes part */
} EngineView;

/* engine_layout.c */

/* Where everything lies for these parameters, side[] by EngineSideNumber; 54000 if nothing could. */
extern void EngineLayoutCompute(const EngineParams *params, CrAlsLayout *layout);

/* Bytes that every participant needs for itself. */
extern Size EngineWorkspaceBytes(int32 factors, const CrAlsLayout *layout);

/* Pointers into the block; no workspace yet. */
extern void EngineViewInit(EngineView *view, EngineShared *shared);

/* engine_units.c */

/* List the heavy rows of both sides, once their interactions are there, and say how many parts they have. */
extern void EngineFindHeavy(EngineView *view);

/* First row of a unit; that of the unit behind the last is the number of rows. */
extern int64 EngineUnitRow(const EngineSide *side, int64 unit);

/* Is the row solved apart from the units? */
extern bool EngineIsHeavy(const EngineSide *side, int64 row);

/* The heavy row that a part belongs to. */
extern EngineHeavy *EngineHeavyOfPart(const EngineView *view, EngineSideNumber number, int64 part);

/* engine_phases.c */

/*
 * Take part until the training stops: attach to the barrier at whatever phase
 * it has reached, claim units, leave.  Allocates the view's workspace in the
 * current context.
 */
extern void EngineParticipate(EngineView *view, Progress *progress);

/* engine_worker.c */

/* Run the prepared engine in "segment" with workers; returns how many were launched. */
struct dsm_segment;
extern int	EngineRunParallel(EngineView *view, struct dsm_segment *segment, int workers,
							  Progress *progress);

#endif							/* COMMREC_ENGINE_SHARED_H */
