/*
 * engine_phases.c
 *		What a participant does between two barriers: claim units and compute them.
 *
 * Every unit is computed by one participant from data that nobody changes in
 * the same phase, and every sum over units is taken in their order, by one
 * participant.  So it makes no difference who claims what.
 */
#include "postgres.h"

#include <math.h>

#include "access/parallel.h"
#include "miscadmin.h"
#include "pgstat.h"

#include "common/errors.h"
#include "core/start.h"
#include "train/engine_shared.h"

/* A rise of the loss beyond float rounding: exact half steps can only lower it. */
#define RISE_RELATIVE	0.01
#define RISE_OF_WEIGHTS	1e-5	/* part of the sum of confidences, from which the loss is subtracted */

/* A stretch of rows, cut off at the end of its side. */
typedef struct RowRange
{
	int64		from;
	int64		to;
} RowRange;

static RowRange
unit_rows(const EngineSide *side, int64 unit, int64 rows)
{
	RowRange	range;

	range.from = unit * rows;
	range.to = Min(range.from + rows, side->layout->rows);
	return range;
}

static int64
start_units(const EngineSide *side)
{
	return (side->layout->rows + ENGINE_START_ROWS - 1) / ENGINE_START_ROWS;
}

/*
 * Every user draws from a stream of its own; users without interactions stay at zero, where
 * the first half step would put them.  Items are solved first and need no
 * start; only their padding has to be zero.
 */
static void
start_factors(EngineView *view, int64 unit)
{
	const EngineSide *users = &view->side[SIDE_USERS];
	const EngineSide *items = &view->side[SIDE_ITEMS];
	int32		factors = view->shared->ials.factors;
	bool		is_user = unit < start_units(users);
	const EngineSide *side = is_user ? users : items;
	RowRange	rows = unit_rows(side, is_user ? unit : unit - start_units(users),
								 ENGINE_START_ROWS);

	memset(side->factors + rows.from * view->stride, 0,
		   (Size) (rows.to - rows.from) * view->stride * sizeof(float));
	if (!is_user)
		return;
	for (int64 user = rows.from; user < rows.to; user++)
	{
		if (side->start[user] == side->start[user + 1])
			continue;
		cr_start_factors(view->shared->seed, user, factors, side->factors + user * view->stride);
	}
}

/* One partial Gram matrix, in blocks short enough for the poll. */
static void
gram_range(EngineView *view, const EngineSide *side, int64 unit)
{
	int32		factors = view->shared->ials.factors;
	RowRange	range = unit_rows(side, unit, side->layout->range_rows);
	double	   *partial = view->partials + (Size) unit * factors * factors;

	memset(partial, 0, (Size) factors * factors * sizeof(double));
	for (int64 from = range.from; from < range.to; from += CR_GRAM_ROWS)
	{
		cr_gram_add(side->factors, from, Min(from + CR_GRAM_ROWS, range.to), factors, partial,
					view->workspace);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
reduce_gram(EngineView *view, const EngineSide *side)
{
	cr_gram_finish(view->partials, side->layout->ranges, view->shared->ials.factors,
				   view->shared->ials.unobserved_weight, view->gram);
}

static void
solve_row(EngineView *view, const EngineSide *side, int64 row, CrIalsLoss *loss)
{
	CrIalsRow	state;
	CrStatus	status;

	cr_ials_row_begin(&side->half, row, &state, view->workspace);
	while (cr_ials_row_add(&side->half, &state, view->slice, view->workspace))
		CHECK_FOR_INTERRUPTS();
	status = cr_ials_row_finish(&side->half, &state, loss, view->workspace);

	/* Finite interactions whose solution is not finite: that is divergence too. */
	if (status == CR_NOT_FINITE)
		status = CR_SINGULAR;
	if (status != CR_OK)
		CheckComputation(status, psprintf("An embedding of the %s", side->name));
	CHECK_FOR_INTERRUPTS();
}

static void
solve_chunk(EngineView *view, const EngineSide *side, int64 unit)
{
	RowRange	rows = unit_rows(side, unit, ENGINE_CHUNK_ROWS);
	CrIalsLoss	loss = {0, 0};

	for (int64 row = rows.from; row < rows.to; row++)
		solve_row(view, side, row, &loss);
	side->losses[unit] = loss;
}

/*
 * The loss after the users' half step: the users' fit holds the observed and
 * unobserved terms and their own penalty; the items' penalty was settled when
 * they were solved.
 */
static double
epoch_loss(const EngineView *view)
{
	const EngineSide *users = &view->side[SIDE_USERS];
	const EngineSide *items = &view->side[SIDE_ITEMS];
	double		fit = 0;
	double		penalty = 0;

	for (int64 chunk = 0; chunk < users->layout->chunks; chunk++)
		fit += users->losses[chunk].fit;
	for (int64 chunk = 0; chunk < items->layout->chunks; chunk++)
		penalty += items->losses[chunk].penalty;
	return fit + penalty;
}

/*
 * Is the training over, and is that for the worse?  Near its start, where the
 * factors are close to zero, the loss falls by very little, but each time by
 * more: only a fall that is small and no longer growing ends the training.
 */
static bool
is_over(const EngineView *view, int epoch, bool *has_diverged)
{
	double		loss = view->loss[epoch];
	double		before;
	double		fall;
	double		fall_before;

	*has_diverged = !isfinite(loss);
	if (*has_diverged || epoch + 1 == view->shared->epochs)
		return true;
	if (epoch == 0)
		return false;
	before = view->loss[epoch - 1];
	fall = before - loss;
	fall_before = (epoch > 1 ? view->loss[epoch - 2] : view->shared->weight_sum) - before;
	*has_diverged = -fall > RISE_RELATIVE * fabs(before) +
		RISE_OF_WEIGHTS * view->shared->weight_sum;
	if (*has_diverged)
		return true;
	return fall < view->shared->tolerance * fabs(before) && (fall <= 0 || fall <= fall_before);
}

static void
end_epoch(EngineView *view, int epoch, uint32 phase)
{
	EngineShared *shared = view->shared;
	instr_time	now;
	instr_time	taken;

	INSTR_TIME_SET_CURRENT(now);
	taken = now;
	INSTR_TIME_SUBTRACT(taken, shared->epoch_started);
	shared->epoch_started = now;
	view->seconds[epoch] = INSTR_TIME_GET_DOUBLE(taken);
	view->loss[epoch] = epoch_loss(view);
	shared->epochs_run = epoch + 1;

	/* Whoever reads this in the same phase sees a later phase either way, and arrives. */
	if (is_over(view, epoch, &shared->has_diverged))
		pg_atomic_write_u32(&shared->stop_phase, phase + 1);
}

static int64
phase_units(const EngineView *view, uint32 phase)
{
	const EngineSide *users = &view->side[SIDE_USERS];
	const EngineSide *items = &view->side[SIDE_ITEMS];

	if (phase == 0)
		return start_units(users) + start_units(items);
	switch ((EngineStep) ((phase - 1) % ENGINE_STEPS))
	{
		case STEP_ITEM_GRAM:
			return items->layout->ranges;
		case STEP_SOLVE_USERS:
			return users->layout->chunks;
		case STEP_USER_GRAM:
			return users->layout->ranges;
		case STEP_SOLVE_ITEMS:
			return items->layout->chunks;
		case STEP_ITEM_REDUCE:
		case STEP_USER_REDUCE:
		case STEP_EPOCH_END:
			return 1;
	}
	return 0;					/* not reached */
}

static void
run_unit(EngineView *view, uint32 phase, int64 unit)
{
	EngineSide *users = &view->side[SIDE_USERS];
	EngineSide *items = &view->side[SIDE_ITEMS];

	if (phase == 0)
	{
		start_factors(view, unit);
		return;
	}
	switch ((EngineStep) ((phase - 1) % ENGINE_STEPS))
	{
		case STEP_ITEM_GRAM:
			gram_range(view, items, unit);
			break;
		case STEP_ITEM_REDUCE:
			reduce_gram(view, items);
			break;
		case STEP_SOLVE_USERS:
			solve_chunk(view, users, unit);
			break;
		case STEP_USER_GRAM:
			gram_range(view, users, unit);
			break;
		case STEP_USER_REDUCE:
			reduce_gram(view, users);
			break;
		case STEP_SOLVE_ITEMS:
			solve_chunk(view, items, unit);
			break;
		case STEP_EPOCH_END:
			end_epoch(view, (int) ((phase - 1) / ENGINE_STEPS), phase);
			break;
	}
}

/* The Gram steps count as the beginning of the half step that they are for. */
static void
report_progress(EngineView *view, uint32 phase, double part)
{
	EngineShared *shared = view->shared;
	int			epoch;
	int			step;
	bool		is_users;
	double		half;

	if (phase == 0)
		return;
	epoch = (int) ((phase - 1) / ENGINE_STEPS);
	step = (int) ((phase - 1) % ENGINE_STEPS);
	is_users = step > STEP_SOLVE_ITEMS;
	half = step == STEP_SOLVE_USERS || step == STEP_SOLVE_ITEMS ? part :
		step == STEP_EPOCH_END ? 1.0 : 0.0;
	ProgressEpoch(view->progress, epoch + 1, shared->epochs,
				  view->side[is_users ? SIDE_USERS : SIDE_ITEMS].name,
				  (epoch + (is_users ? 0.5 : 0.0) + 0.5 * half) / shared->epochs);
}

/* Verbose lines of the epochs that have ended; a late leader has some to make up for. */
static void
report_epochs(EngineView *view)
{
	EngineShared *shared = view->shared;

	for (; view->epochs_reported < shared->epochs_run; view->epochs_reported++)
		ProgressEpochDone(view->progress, view->epochs_reported + 1, shared->epochs,
						  view->loss[view->epochs_reported],
						  view->seconds[view->epochs_reported]);
}

/*
 * Add what this process has spent since the last time to the epoch that has
 * ended.  A worker's first epoch carries its start, too.
 */
static void
count_cpu(EngineView *view, int epoch)
{
	double		cpu_seconds = ProcessCpuSeconds();
	int64		spent = (int64) ((cpu_seconds - view->cpu_counted) * 1e6);

	pg_atomic_fetch_add_u64(&view->cpu[epoch], spent);
	if (IsParallelWorker())
		pg_atomic_fetch_add_u64(&view->shared->worker_cpu, spent);
	view->cpu_counted = cpu_seconds;
}

static void
run_phase(EngineView *view, uint32 phase)
{
	int64		units = phase_units(view, phase);
	pg_atomic_uint64 *counter = &view->counters[phase];

	for (;;)
	{
		int64		unit = (int64) pg_atomic_fetch_add_u64(counter, 1);

		if (unit >= units)
			return;
		run_unit(view, phase, unit);
		report_progress(view, phase, (double) (unit + 1) / units);
		CHECK_FOR_INTERRUPTS();
	}
}

void
EngineParticipate(EngineView *view, Progress *progress)
{
	EngineShared *shared = view->shared;
	Size		bytes = EngineWorkspaceBytes(shared->ials.factors);
	void	   *memory = MemoryContextAllocHuge(CurrentMemoryContext, bytes);
	uint32		phase;

	view->progress = progress;
	view->cpu_counted = IsParallelWorker() ? 0 : ProcessCpuSeconds();
	view->workspace = (void *) TYPEALIGN(64, memory);

	/* Late workers attach here, so the phase number, not a local counter, is the truth. */
	phase = (uint32) BarrierAttach(&shared->barrier);
	if (IsParallelWorker() && phase < pg_atomic_read_u32(&shared->stop_phase))
		pg_atomic_fetch_add_u32(&shared->workers, 1);
	while (phase < pg_atomic_read_u32(&shared->stop_phase))
	{
		run_phase(view, phase);
		BarrierArriveAndWait(&shared->barrier, PG_WAIT_EXTENSION);
		phase++;
		if (phase > 1 && (phase - 1) % ENGINE_STEPS == 0)
		{
			count_cpu(view, (int) ((phase - 1) / ENGINE_STEPS) - 1);
			report_epochs(view);
		}
	}
	BarrierDetach(&shared->barrier);
	report_epochs(view);

	view->workspace = NULL;
	pfree(memory);
}
