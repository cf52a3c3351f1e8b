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
	int32		learned = view->shared->ials.factors -
		(view->shared->is_explicit ? CR_EXPLICIT_DIMS : 0);
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
		cr_start_factors(view->shared->seed, user, learned, side->factors + user * view->stride);
		if (view->shared->is_explicit)
			side->factors[user * view->stride + side->half.constant] = 1;
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
		cr_gram_add(&view->shared->ials, side->factors, from, Min(from + CR_GRAM_ROWS, range.to),
					partial, view->workspace);
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
add_events(EngineView *view, const CrIalsHalf *half, CrIalsRow *state)
{
	while (cr_ials_row_add(half, state, view->slice, view->workspace))
		CHECK_FOR_INTERRUPTS();
}

/* Sum up one part of a heavy row's events. */
static void
sum_part(EngineView *view, EngineSideNumber number, int64 part)
{
	const EngineSide *side = &view->side[number];
	const EngineHeavy *heavy = EngineHeavyOfPart(view, number, part);
	int64		events = side->layout->part_events;
	int64		from = side->start[heavy->row] + (part - heavy->first_part) * events;
	int64		to = Min(from + events, side->start[heavy->row + 1]);
	CrIalsRow	state;

	cr_ials_part_begin(&side->half, heavy->row, from, to, &state, view->workspace);
	add_events(view, &side->half, &state);
	cr_ials_part_save(&side->half, &state,
					  view->parts + (Size) part * cr_ials_part_size(side->half.params->factors),
					  view->workspace);
}

static void
finish_row(EngineView *view, const EngineSide *side, const CrIalsHalf *half, CrIalsRow *state,
		   CrIalsLoss *loss)
{
	CrStatus	status = cr_ials_row_finish(half, state, loss, view->workspace);

	/* Finite interactions whose solution is not finite: that is divergence too. */
	if (status == CR_NOT_FINITE)
		status = CR_SINGULAR;
	if (status != CR_OK)
		CheckComputation(status, psprintf("An embedding of the %s", side->name));
	CHECK_FOR_INTERRUPTS();
}

static void
solve_heavy(EngineView *view, const EngineSide *side, int64 number)
{
	const EngineHeavy *heavy = &side->heavy[number];
	Size		size = cr_ials_part_size(side->half.params->factors);
	CrIalsLoss	loss = {0, 0};
	CrIalsRow	state;

	cr_ials_row_join(&side->half, heavy->row, view->parts + (Size) heavy->first_part * size,
					 heavy->parts, &state, view->workspace);
	finish_row(view, side, &side->half, &state, &loss);
	side->losses[side->layout->units + number] = loss;
}

static void
solve_unit(EngineView *view, const EngineSide *side, int64 unit, int cg_steps)
{
	CrIalsHalf	half = side->half;
	CrIalsLoss	loss = {0, 0};
	int64		end = EngineUnitRow(side, unit + 1);

	half.cg_steps = cg_steps;
	for (int64 row = EngineUnitRow(side, unit); row < end; row++)
	{
		CrIalsRow	state;

		if (EngineIsHeavy(side, row))
			continue;
		cr_ials_row_begin(&half, row, &state, view->workspace);
		add_events(view, &half, &state);
		finish_row(view, side, &half, &state, &loss);
	}
	side->losses[unit] = loss;
}

/* The half step of a side: heavy rows first. */
static void
solve_side(EngineView *view, EngineSideNumber number, int64 unit, int epoch)
{
	const EngineShared *shared = view->shared;
	const EngineSide *side = &view->side[number];
	bool		is_exact = number == SIDE_USERS && epoch == shared->last_epoch;
	int64		heavy = shared->heavy[number];

	if (unit < heavy)
		solve_heavy(view, side, unit);
	else
		solve_unit(view, side, unit - heavy, is_exact ? 0 : shared->cg_steps);
}

/* The Gram matrix of one side, and the parts of the other's heavy rows. */
static void
sum_side(EngineView *view, EngineSideNumber number, int64 unit)
{
	int64		parts = view->shared->parts[1 - number];

	if (unit < parts)
		sum_part(view, 1 - number, unit);
	else
		gram_range(view, &view->side[number], unit - parts);
}

static double
side_fit(const EngineView *view, EngineSideNumber number)
{
	const EngineSide *side = &view->side[number];
	double		sum = 0;

	for (int64 unit = 0; unit < side->layout->units + view->shared->heavy[number]; unit++)
		sum += side->losses[unit].fit;
	return sum;
}

static double
side_penalty(const EngineView *view, EngineSideNumber number)
{
	const EngineSide *side = &view->side[number];
	double		sum = 0;

	for (int64 unit = 0; unit < side->layout->units + view->shared->heavy[number]; unit++)
		sum += side->losses[unit].penalty;
	return sum;
}

/*
 * The loss after the users' half step: the users' fit holds the observed and
 * unobserved terms and their own penalty; the items' penalty was settled when
 * they were solved.
 */
static double
epoch_loss(const EngineView *view)
{
	return side_fit(view, SIDE_USERS) + side_penalty(view, SIDE_ITEMS);
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
	if (*has_diverged || epoch == view->shared->last_epoch)
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

	if (!is_over(view, epoch, &shared->has_diverged))
		return;
	if (shared->cg_steps > 0 && epoch != shared->last_epoch && !shared->has_diverged)
		shared->last_epoch = epoch + 1; /* which ends with the users' exact solutions */
	else
		/* Whoever reads this in the same phase sees a later phase either way, and arrives. */
		pg_atomic_write_u32(&shared->stop_phase, phase + 1);
}

static int64
phase_units(const EngineView *view, uint32 phase)
{
	const EngineSide *users = &view->side[SIDE_USERS];
	const EngineSide *items = &view->side[SIDE_ITEMS];
	const EngineShared *shared = view->shared;

	if (phase == 0)
		return start_units(users) + start_units(items);
	switch ((EngineStep) ((phase - 1) % ENGINE_STEPS))
	{
		case STEP_ITEM_GRAM:
			return shared->parts[SIDE_USERS] + items->layout->ranges;
		case STEP_SOLVE_USERS:
			return shared->heavy[SIDE_USERS] + users->layout->units;
		case STEP_USER_GRAM:
			return shared->parts[SIDE_ITEMS] + users->layout->ranges;
		case STEP_SOLVE_ITEMS:
			return shared->heavy[SIDE_ITEMS] + items->layout->units;
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
	int			epoch = phase == 0 ? 0 : (int) ((phase - 1) / ENGINE_STEPS);

	if (phase == 0)
	{
		start_factors(view, unit);
		return;
	}
	switch ((EngineStep) ((phase - 1) % ENGINE_STEPS))
	{
		case STEP_ITEM_GRAM:
			sum_side(view, SIDE_ITEMS, unit);
			break;
		case STEP_ITEM_REDUCE:
			reduce_gram(view, &view->side[SIDE_ITEMS]);
			break;
		case STEP_SOLVE_USERS:
			solve_side(view, SIDE_USERS, unit, epoch);
			break;
		case STEP_USER_GRAM:
			sum_side(view, SIDE_USERS, unit);
			break;
		case STEP_USER_REDUCE:
			reduce_gram(view, &view->side[SIDE_USERS]);
			break;
		case STEP_SOLVE_ITEMS:
			solve_side(view, SIDE_ITEMS, unit, epoch);
			break;
		case STEP_EPOCH_END:
			end_epoch(view, epoch, phase);
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
	view->cpu_counted = CostsEpochBegin();
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
			CostsEpochEnd(&view->cpu[(phase - 1) / ENGINE_STEPS - 1], &shared->worker_cpu,
						  &view->cpu_counted);
			report_epochs(view);
		}
	}
	BarrierDetach(&shared->barrier);
	report_epochs(view);

	view->workspace = NULL;
	pfree(memory);
}
