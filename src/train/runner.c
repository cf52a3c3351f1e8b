/*
 * runner.c
 *		The life of a runner: plan, memory, run, results.
 *
 * The block is a DSM segment where workers were asked for and one can be had,
 * else private memory of the same layout.  The segment belongs to the current
 * resource owner, private memory to the current memory context: after an error
 * both are released by the abort.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "common/errors.h"
#include "common/guc.h"
#include "common/segment.h"
#include "train/runner_shared.h"

#define ALIGNMENT		64		/* a cache line, and the widest vector */

struct Runner
{
	RunnerParams params;
	Size		bytes;			/* reserved in the budget */
	void	   *memory;			/* private block, or NULL */
	dsm_segment *segment;		/* shared block, or NULL */
	RunnerView	view;			/* the leader's */
};

/* Append count elements; returns their offset. */
static Size
place(RunnerLayout *layout, int64 count, Size size)
{
	Size		offset = layout->total;
	Size		bytes = add_size(mul_size((Size) count, size), ALIGNMENT - 1);

	layout->total = add_size(offset, bytes - bytes % ALIGNMENT);
	return offset;
}

static void
place_side(RunnerLayout *layout, RunnerSideLayout *side, const RunnerParams *params, int64 rows)
{
	side->start = place(layout, rows + 1, sizeof(int64));
	side->column = place(layout, params->pairs, sizeof(int32));
	side->weight = params->is_weighted ? place(layout, params->pairs, sizeof(float)) : 0;
}

static int64
phases(const CrTrainerPlan *plan)
{
	return (int64) plan->epochs * (plan->steps + 1);
}

static void
compute_layout(const RunnerParams *params, const CrTrainerPlan *plan, RunnerLayout *layout)
{
	memset(layout, 0, sizeof(RunnerLayout));
	place(layout, 1, sizeof(RunnerShared));
	place_side(layout, &layout->users, params, params->users);
	place_side(layout, &layout->items, params, params->items);
	layout->counters = place(layout, phases(plan), sizeof(pg_atomic_uint64));
	layout->loss = place(layout, plan->epochs, sizeof(double));
	layout->seconds = place(layout, plan->epochs, sizeof(double));
	layout->cpu = place(layout, plan->epochs, sizeof(pg_atomic_uint64));
	layout->state = place(layout, 1, plan->shared);
}

/* What the trainer needs; an algorithm that cannot have this shape at all says so. */
static void
make_plan(const RunnerParams *params, CrTrainerShape *shape, CrTrainerPlan *plan)
{
	memset(shape, 0, sizeof(CrTrainerShape));
	shape->users = params->users;
	shape->items = params->items;
	shape->pairs = params->pairs;
	shape->is_weighted = params->is_weighted;
	shape->mean_rating = params->mean_rating;
	shape->used = params->used;
	shape->simd = CommrecSimd();
	memset(plan, 0, sizeof(CrTrainerPlan));
	if (params->algorithm->trainer->plan(shape, plan) != CR_OK || phases(plan) > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("algorithm \"%s\" cannot be trained on %lld users and %lld items",
						params->algorithm->name, (long long) params->users,
						(long long) params->items),
				 params->algorithm->trainer->cheaper == NULL ? 0 :
				 errhint("%s", params->algorithm->trainer->cheaper)));
}

static void
fill_shared(RunnerShared *shared, const RunnerParams *params, const RunnerLayout *layout,
			const CrTrainerPlan *plan, const CrTrainerShape *shape)
{
	memset(shared, 0, sizeof(RunnerShared));
	shared->layout = *layout;
	shared->plan = *plan;
	shared->shape = *shape;
	shared->used = *params->used;
	strlcpy(shared->algorithm, params->algorithm->name, sizeof(shared->algorithm));
	strlcpy(shared->phase, params->phase, sizeof(shared->phase));
	BarrierInit(&shared->barrier, 0);
	pg_atomic_init_u32(&shared->workers, 0);
	pg_atomic_init_u64(&shared->worker_cpu, 0);
}

static RunnerShared *
allocate_block(Runner *runner, Size bytes)
{
	static const SegmentPurpose purpose = {"Training", "train with workers => 0"};

	if (runner->params.workers > 0)
		runner->segment = SegmentCreate(bytes, &purpose);
	if (runner->segment != NULL)
		return (RunnerShared *) dsm_segment_address(runner->segment);
	runner->memory = MemoryContextAllocHuge(CurrentMemoryContext, bytes + ALIGNMENT);
	return (RunnerShared *) TYPEALIGN(ALIGNMENT, runner->memory);
}

/* A segment comes zeroed. */
static void
clear_block(const Runner *runner, RunnerShared *shared, const CrTrainerPlan *plan)
{
	RunnerView	view;

	RunnerViewInit(&view, shared);
	for (int64 phase = 0; phase < phases(plan); phase++)
		pg_atomic_init_u64(&view.counters[phase], 0);
	for (int32 epoch = 0; epoch < plan->epochs; epoch++)
		pg_atomic_init_u64(&view.cpu[epoch], 0);
	if (runner->segment == NULL)
		BudgetZero(view.run.shared, plan->shared);
}

Runner *
RunnerCreate(const RunnerParams *params, MemoryBudget *budget, PairArrays *arrays)
{
	Runner	   *runner = (Runner *) palloc0(sizeof(Runner));
	CrTrainerShape shape;
	CrTrainerPlan plan;
	RunnerLayout layout;
	RunnerShared *shared;

	Assert(params->users <= PG_INT32_MAX && params->items <= PG_INT32_MAX);
	make_plan(params, &shape, &plan);
	compute_layout(params, &plan, &layout);
	runner->params = *params;
	runner->bytes = add_size(add_size(layout.total, ALIGNMENT),
							 mul_size(add_size(plan.scratch, ALIGNMENT),
									  (Size) params->workers + 1));
	BudgetReserveHint(budget, runner->bytes, params->phase, params->algorithm->trainer->cheaper);

	shared = allocate_block(runner, layout.total);
	fill_shared(shared, params, &layout, &plan, &shape);
	clear_block(runner, shared, &plan);
	RunnerViewInit(&runner->view, shared);
	*arrays = runner->view.users;
	return runner;
}

void
RunnerRun(Runner *runner, Progress *progress, RunnerResult *result)
{
	RunnerView *view = &runner->view;
	RunnerShared *shared = view->shared;

	memset(result, 0, sizeof(RunnerResult));
	PairsTranspose(&view->run.users, &view->items);
	ProgressPhase(progress, runner->params.phase, -1);
	strlcpy(shared->model, progress->model, sizeof(shared->model));
	INSTR_TIME_SET_CURRENT(shared->epoch_started);
	if (runner->segment != NULL)
		result->workers = RunnerRunParallel(view, runner->segment, runner->params.workers,
											progress);
	else
		RunnerParticipate(view, progress);
	if (progress->costs != NULL)
		CostsAddWorkers(progress->costs, (double) pg_atomic_read_u64(&shared->worker_cpu) / 1e6);

	view->trainer->result(&view->run, &result->trained);
	result->users = view->run.users;
	result->epochs = view->trainer->loss != NULL ? shared->epochs_run : 0;
	result->loss = view->loss;
	result->seconds = view->seconds;
	result->cpu_seconds = CostsEpochSeconds(view->cpu, shared->epochs_run);
}

void
RunnerDestroy(Runner *runner, MemoryBudget *budget)
{
	if (runner->segment != NULL)
		dsm_detach(runner->segment);
	if (runner->memory != NULL)
		pfree(runner->memory);
	BudgetRelease(budget, runner->bytes);
	pfree(runner);
}
