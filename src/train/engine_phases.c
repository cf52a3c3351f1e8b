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
	return cr_ceiling(side->layout->rows, ENGINE_START_ROWS);
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

/* What a side's rows are solved by: exact, or CG's steps. */
static CrIalsHalf
half_step(const EngineView *view, const EnginePhase *phase)
{
	const EngineShared *shared = view->shared;
	CrIalsHalf	half = view->side[phase->solved].half;
	bool		is_exact = phase->solved == SIDE_USERS && phase->epoch == shared->last_epoch;

	half.cg_steps = is_exact ? 0 : shared->cg_steps;
	return half;
}

static bool
improves(const EngineView *view, const EnginePhase *phase)
{
	CrIalsHalf	half = half_step(view, phase);

	return cr_ials_improves(&half) != 0;
}

/* Finite interactions whose solution is not finite: that is divergence too. */
static void
check_solution(CrStatus status, const EngineSide *side)
{
	if (status == CR_NOT_FINITE)
		status = CR_SINGULAR;
	if (status != CR_OK)
		CheckComputation(status, psprintf("An embedding of the %s", side->name));
}

static void
reduce_gram(EngineView *view, EngineSideNumber solved)
{
	const EngineShared *shared = view->shared;
	int32		ranges = view->side[1 - solved].layout->ranges;

	if (shared->layout.is_turned)
		check_solution(cr_basis_find(&view->basis, view->partials, ranges), &view->side[solved]);
	else
		cr_gram_finish(view->partials, ranges, shared->ials.factors,
					   shared->ials.unobserved_weight, view->gram);
}

static int64
turn_units(const EngineSide *side)
{
	return cr_ceiling(side->layout->rows, ENGINE_TURN_ROWS);
}

/* Rows of the fixed side first, then those of the other one that are improved. */
static void
turn_factors(EngineView *view, const EnginePhase *phase, int64 unit)
{
	const EngineSide *solved = &view->side[phase->solved];
	const EngineSide *fixed = &view->side[1 - phase->solved];
	bool		is_fixed = unit < turn_units(fixed);
	RowRange	rows = unit_rows(is_fixed ? fixed : solved,
								 is_fixed ? unit : unit - turn_units(fixed), ENGINE_TURN_ROWS);
	CrIalsHalf	half = half_step(view, phase);

	if (is_fixed)
		cr_basis_turn(&view->basis, half.params, fixed->factors, rows.from, rows.to,
					  view->workspace);
	else
		cr_basis_turn_improved(&view->basis, &half, rows.from, rows.to, view->workspace);
}

static void
turn_back(EngineView *view, int64 unit)
{
	const EngineSide *users = &view->side[SIDE_USERS];
	bool		is_user = unit < turn_units(users);
	const EngineSide *side = is_user ? users : &view->side[SIDE_ITEMS];
	RowRange	rows = unit_rows(side, is_user ? unit : unit - turn_units(users),
								 ENGINE_TURN_ROWS);

	cr_basis_turn(&view->basis, &view->shared->ials, side->factors, rows.from, rows.to,
				  view->workspace);
}

static void
add_events(EngineView *view, const CrIalsHalf *half, CrIalsRow *state)
{
	while (cr_ials_row_add(half, state, view->slice, view->workspace))
		CHECK_FOR_INTERRUPTS();
}

static void
finish_row(EngineView *view, const EngineSide *side, const CrIalsHalf *half, CrIalsRow *state,
		   CrIalsLoss *loss)
{
	check_solution(cr_ials_row_finish(half, state, loss, view->workspace), side);
	CHECK_FOR_INTERRUPTS();
}

static char *
part_slot(const EngineView *view, int64 part)
{
	return view->parts +
		(Size) (part % view->shared->layout.slots) * cr_ials_part_size(view->shared->ials.factors);
}

/* Sum up one part of a heavy row's events. */
static void
sum_part(EngineView *view, const EngineSide *side, const EngineHeavy *heavy, int64 part)
{
	int64		first = side->start[heavy->row];
	int64		events = side->start[heavy->row + 1] - first;
	int64		number = part - heavy->first_part;
	CrIalsRow	state;

	cr_ials_part_begin(&side->half, heavy->row, first + events * number / heavy->parts,
					   first + events * (number + 1) / heavy->parts, &state, view->workspace);
	add_events(view, &side->half, &state);
	cr_ials_part_save(&side->half, &state, part_slot(view, part), view->workspace);
}

/* All parts are there: join them in order, and solve the row. */
static void
solve_heavy(EngineView *view, const EngineSide *side, const EngineHeavy *heavy)
{
	CrIalsLoss	loss = {0, 0};
	CrIalsRow	state;

	cr_ials_join_begin(&side->half, heavy->row, &state, view->workspace);
	for (int64 part = heavy->first_part; part < heavy->first_part + heavy->parts; part++)
		cr_ials_join_part(&side->half, &state, part_slot(view, part), view->workspace);
	finish_row(view, side, &side->half, &state, &loss);
	side->losses[side->layout->units + (heavy - side->heavy)] = loss;
}

/* Has the row whose part had the slot before been joined in this half step? */
static bool
slot_is_free(const EngineView *view, const EnginePhase *phase, int64 part)
{
	int64		before = part - view->shared->layout.slots;

	return before < 0 ||
		pg_atomic_read_u32(&EngineHeavyOfPart(view, phase->solved, before)->joined) > (uint32) phase->epoch;
}

static void
wait_for_slot(const EngineView *view, const EnginePhase *phase, int64 part)
{
	ConditionVariable *freed = &view->shared->slot_freed;

	ConditionVariablePrepareToSleep(freed);
	while (!slot_is_free(view, phase, part))
		ConditionVariableSleep(freed, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
}

/*
 * A part whose slot is free.  Counting down and up are memory barriers: who counts
 * the last part sees what all others have saved, and what is read of a slot has been
 * read before the row counts as joined.
 */
static void
run_part(EngineView *view, const EnginePhase *phase, int64 part)
{
	EngineHeavy *heavy = EngineHeavyOfPart(view, phase->solved, part);
	const EngineSide *side = &view->side[phase->solved];

	pg_memory_barrier();		/* between seeing the slot free and writing to it */
	sum_part(view, side, heavy, part);
	if (pg_atomic_sub_fetch_u32(&heavy->missing, 1) > 0)
		return;
	solve_heavy(view, side, heavy);
	pg_atomic_write_u32(&heavy->missing, (uint32) heavy->parts);
	pg_atomic_fetch_add_u32(&heavy->joined, 1);
	ConditionVariableBroadcast(&view->shared->slot_freed);
}

static void
solve_unit(EngineView *view, const EnginePhase *phase, int64 unit)
{
	const EngineSide *side = &view->side[phase->solved];
	CrIalsHalf	half = half_step(view, phase);
	CrIalsLoss	loss = {0, 0};
	int64		end = EngineUnitRow(side, unit + 1);

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
	{
		shared->last_epoch = epoch + 1; /* which ends with the users' exact solutions */
		return;
	}
	if (shared->layout.is_turned)
		cr_basis_way_back(&view->basis);
	/* Whoever reads this in the same phase sees a later phase either way, and arrives. */
	pg_atomic_write_u32(&shared->stop_phase, phase + 2);
}

/* Also while the epoch's end, in this very phase, says which phase is the last one: it is none of these. */
static EnginePhase
read_phase(const EngineView *view, uint32 number)
{
	EnginePhase phase = {STEP_START, SIDE_USERS, 0, 0};
	int			step;

	if (number == 0)
		return phase;
	phase.epoch = (int) ((number - 1) / ENGINE_STEPS);
	step = (int) ((number - 1) % ENGINE_STEPS);
	if (number + 1 == pg_atomic_read_u32(&view->shared->stop_phase))
		phase.step = STEP_TURN_BACK;
	else if (step == ENGINE_STEPS - 1)
		phase.step = STEP_EPOCH_END;
	else
	{
		phase.step = (EngineStep) (step % ENGINE_HALF_STEPS);
		phase.solved = step < ENGINE_HALF_STEPS ? SIDE_ITEMS : SIDE_USERS;
	}
	return phase;
}

static int64
phase_units(const EngineView *view, const EnginePhase *phase)
{
	const EngineShared *shared = view->shared;
	const EngineSide *solved = &view->side[phase->solved];
	const EngineSide *fixed = &view->side[1 - phase->solved];
	bool		is_turned = shared->layout.is_turned;

	switch (phase->step)
	{
		case STEP_START:
			return start_units(solved) + start_units(fixed);
		case STEP_GRAM:
			return fixed->layout->ranges;
		case STEP_TURN:
			if (!is_turned)
				return 0;
			return turn_units(fixed) + (improves(view, phase) ? turn_units(solved) : 0);
		case STEP_SOLVE:
			return solved->layout->units;
		case STEP_REDUCE:
		case STEP_EPOCH_END:
			return 1;
		case STEP_TURN_BACK:
			return is_turned ? turn_units(solved) + turn_units(fixed) : 0;
	}
	return 0;					/* not reached */
}

static void
run_unit(EngineView *view, uint32 number, const EnginePhase *phase, int64 unit)
{
	switch (phase->step)
	{
		case STEP_START:
			start_factors(view, unit);
			break;
		case STEP_GRAM:
			gram_range(view, &view->side[1 - phase->solved], unit);
			break;
		case STEP_REDUCE:
			reduce_gram(view, phase->solved);
			break;
		case STEP_TURN:
			turn_factors(view, phase, unit);
			break;
		case STEP_SOLVE:
			solve_unit(view, phase, unit);
			break;
		case STEP_EPOCH_END:
			end_epoch(view, phase->epoch, number);
			break;
		case STEP_TURN_BACK:
			turn_back(view, unit);
			break;
	}
}

static pg_atomic_uint64 *
part_counter(const EngineView *view, const EnginePhase *phase)
{
	return &view->part_counters[phase->epoch * ENGINE_SIDES + phase->solved];
}

/* The share of a side's parts and units that has been claimed. */
static double
claimed(const EngineView *view, uint32 number, const EnginePhase *phase)
{
	int64		parts = view->shared->parts[phase->solved];
	int64		units = phase->units;
	int64		parts_claimed = (int64) pg_atomic_read_u64(part_counter(view, phase));
	int64		units_claimed = (int64) pg_atomic_read_u64(&view->counters[number]);

	return (double) (Min(parts_claimed, parts) + Min(units_claimed, units)) / (parts + units);
}

/* The steps before a side is solved count as the beginning of its half step. */
static void
report_progress(EngineView *view, uint32 number, const EnginePhase *phase)
{
	int			epochs = view->shared->epochs;
	bool		is_users = phase->solved == SIDE_USERS;
	double		half;

	if (phase->step == STEP_START || phase->step == STEP_TURN_BACK ||
		!ProgressIsDue(view->progress))
		return;
	half = phase->step == STEP_EPOCH_END ? 1.0 :
		phase->step == STEP_SOLVE ? claimed(view, number, phase) : 0.0;
	ProgressEpoch(view->progress, phase->epoch + 1, epochs, view->side[phase->solved].name,
				  (phase->epoch + (is_users ? 0.5 : 0.0) + 0.5 * half) / epochs);
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

/* Claim a unit of the phase and compute it; false if there is none left. */
static bool
run_next_unit(EngineView *view, uint32 number, const EnginePhase *phase)
{
	int64		unit = (int64) pg_atomic_fetch_add_u64(&view->counters[number], 1);

	if (unit >= phase->units)
		return false;
	run_unit(view, number, phase, unit);
	report_progress(view, number, phase);
	CHECK_FOR_INTERRUPTS();
	return true;
}

/* Claim parts of heavy rows and sum them up until there are none left. */
static void
run_parts(EngineView *view, uint32 number, const EnginePhase *phase)
{
	for (;;)
	{
		int64		part = (int64) pg_atomic_fetch_add_u64(part_counter(view, phase), 1);

		if (part >= view->shared->parts[phase->solved])
			return;
		while (!slot_is_free(view, phase, part))
		{
			if (!run_next_unit(view, number, phase))
				wait_for_slot(view, phase, part);
		}
		run_part(view, phase, part);
		report_progress(view, number, phase);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
run_phase(EngineView *view, uint32 number)
{
	EnginePhase phase = read_phase(view, number);

	phase.units = phase_units(view, &phase);
	if (phase.step == STEP_SOLVE)
		run_parts(view, number, &phase);
	while (run_next_unit(view, number, &phase))
		;
}

void
EngineParticipate(EngineView *view, Progress *progress)
{
	EngineShared *shared = view->shared;
	Size		bytes = EngineWorkspaceBytes(shared->ials.factors, &shared->layout);
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
		/* The way back counts as part of the last epoch. */
		if (phase > 1 && ((phase - 1) % ENGINE_STEPS == 0 ||
						  phase == pg_atomic_read_u32(&shared->stop_phase)))
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
