/*
 * runner_work.c
 *		What a participant of a runner does: claim units, phase by phase.
 */
#include "postgres.h"

#include <math.h>

#include "access/parallel.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"

#include "common/compat.h"
#include "common/errors.h"
#include "train/runner_shared.h"
#include "train/team.h"

#define ALIGNMENT		64

/* The leader's part. */
typedef struct RunnerLead
{
	RunnerView *view;
	Progress   *progress;
} RunnerLead;

extern PGDLLEXPORT void RunnerWorkerMain(dsm_segment *segment, shm_toc *toc);

static void
view_side(const RunnerShared *shared, const RunnerSideLayout *layout, PairArrays *arrays,
		  CrCsr *csr)
{
	char	   *base = (char *) shared;

	arrays->start = (int64 *) (base + layout->start);
	arrays->column = (int32 *) (base + layout->column);
	arrays->weight = layout->weight == 0 ? NULL : (float *) (base + layout->weight);
	csr->start = arrays->start;
	csr->column = arrays->column;
	csr->weight = arrays->weight;
}

void
RunnerViewInit(RunnerView *view, RunnerShared *shared)
{
	char	   *base = (char *) shared;

	memset(view, 0, sizeof(RunnerView));
	view->shared = shared;
	view->trainer = cr_algorithm_find(shared->algorithm)->trainer;
	view->run.shape = shared->shape;
	view->run.shape.used = &shared->used;
	view_side(shared, &shared->layout.users, &view->users, &view->run.users);
	view_side(shared, &shared->layout.items, &view->items, &view->run.items);
	view->run.users.rows = view->run.items.columns = shared->shape.users;
	view->run.users.columns = view->run.items.rows = shared->shape.items;
	view->run.shared = base + shared->layout.state;
	view->counters = (pg_atomic_uint64 *) (base + shared->layout.counters);
	view->loss = (double *) (base + shared->layout.loss);
	view->seconds = (double *) (base + shared->layout.seconds);
	view->cpu = (pg_atomic_uint64 *) (base + shared->layout.cpu);
}

static void pg_attribute_noreturn()
raise_diverged(const RunnerView *view, int32 epoch)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("training did not converge"),
			 errdetail("Algorithm \"%s\" left the finite numbers in epoch %d.",
					   view->shared->algorithm, epoch + 1),
			 errhint("Raise the hyperparameter \"regularization\", or lower \"learning_rate\", where the algorithm has them.")));
}

static void
end_epoch(RunnerView *view, int32 epoch)
{
	RunnerShared *shared = view->shared;
	instr_time	now;
	instr_time	taken;

	INSTR_TIME_SET_CURRENT(now);
	taken = now;
	INSTR_TIME_SUBTRACT(taken, shared->epoch_started);
	shared->epoch_started = now;
	view->seconds[epoch] = INSTR_TIME_GET_DOUBLE(taken);
	if (view->trainer->loss != NULL)
	{
		view->loss[epoch] = view->trainer->loss(&view->run, epoch);
		if (!isfinite(view->loss[epoch]))
			raise_diverged(view, epoch);
	}
	shared->epochs_run = epoch + 1;
}

static void
run_unit(RunnerView *view, int32 epoch, int64 step, int64 unit)
{
	CrStatus	status;

	if (step == view->shared->plan.steps)
	{
		end_epoch(view, epoch);
		return;
	}
	status = view->trainer->work(&view->run, epoch, step, unit);
	if (status == CR_NOT_FINITE)
		raise_diverged(view, epoch);
	CheckComputation(status, view->shared->algorithm);
}

/* Everybody has come past the barrier before the phase. */
static void
run_phase(RunnerView *view, int64 phase)
{
	RunnerShared *shared = view->shared;
	int64		steps = shared->plan.steps;
	int32		epoch = (int32) (phase / (steps + 1));
	int64		step = phase % (steps + 1);
	int64		units = step == steps ? 1 : view->trainer->units(&view->run, epoch, step);

	for (;;)
	{
		int64		unit = (int64) pg_atomic_fetch_add_u64(&view->counters[phase], 1);

		if (unit >= units)
			return;
		run_unit(view, epoch, step, unit);
		ProgressEpoch(view->progress, epoch + 1, shared->plan.epochs, NULL,
					  (epoch + (step + (double) (unit + 1) / units) / (steps + 1)) /
					  shared->plan.epochs);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Verbose lines of the epochs that have ended; a late leader has some to make up for. */
static void
report_epochs(RunnerView *view)
{
	RunnerShared *shared = view->shared;

	for (; view->epochs_reported < shared->epochs_run; view->epochs_reported++)
		ProgressEpochDone(view->progress, view->epochs_reported + 1, shared->plan.epochs,
						  view->trainer->loss != NULL ? view->loss[view->epochs_reported] : NAN,
						  view->seconds[view->epochs_reported]);
}

void
RunnerParticipate(RunnerView *view, Progress *progress)
{
	RunnerShared *shared = view->shared;
	int64		per_epoch = shared->plan.steps + 1;
	int64		end = per_epoch * shared->plan.epochs;
	void	   *memory = MemoryContextAllocHuge(CurrentMemoryContext,
												shared->plan.scratch + ALIGNMENT);
	int64		phase;

	view->progress = progress;
	view->cpu_counted = CostsEpochBegin();
	view->run.scratch = (void *) TYPEALIGN(ALIGNMENT, memory);
	BudgetZero(view->run.scratch, shared->plan.scratch);

	/* Late workers attach here, so the phase number, not a local counter, is the truth. */
	phase = BarrierAttach(&shared->barrier);
	if (IsParallelWorker() && phase < end)
		pg_atomic_fetch_add_u32(&shared->workers, 1);
	while (phase < end)
	{
		run_phase(view, phase);
		BarrierArriveAndWait(&shared->barrier, PG_WAIT_EXTENSION);
		phase++;
		if (phase % per_epoch == 0)
		{
			CostsEpochEnd(&view->cpu[phase / per_epoch - 1], &shared->worker_cpu,
						  &view->cpu_counted);
			report_epochs(view);
		}
	}
	BarrierDetach(&shared->barrier);
	report_epochs(view);

	view->run.scratch = NULL;
	pfree(memory);
}

static void
lead(void *argument)
{
	RunnerLead *ours = (RunnerLead *) argument;

	RunnerParticipate(ours->view, ours->progress);
}

int
RunnerRunParallel(RunnerView *view, dsm_segment *segment, int workers, Progress *progress)
{
	RunnerLead	ours = {view, progress};
	Team		team = {"RunnerWorkerMain", segment, workers, lead, &ours};
	int			launched = TeamRun(&team);

	elog(DEBUG1, "commrec: %d of %d launched workers took part in %s",
		 (int) pg_atomic_read_u32(&view->shared->workers), launched, view->shared->phase);
	return launched;
}

void
RunnerWorkerMain(dsm_segment *segment pg_attribute_unused(), shm_toc *toc)
{
	dsm_segment *block = TeamAttach(toc);
	RunnerView	view;
	Progress	progress;

	RunnerViewInit(&view, (RunnerShared *) dsm_segment_address(block));
	ProgressBegin(&progress, view.shared->model, false);
	ProgressPhase(&progress, view.shared->phase, -1);
	RunnerParticipate(&view, &progress);
	dsm_detach(block);
}
