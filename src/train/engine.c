/*
 * engine.c
 *		The life of an engine: plan, memory, run, results.
 *
 * EnginePrepare transposes (leader alone); EngineRun runs up to "epochs" epochs
 * as engine_shared.h describes them, by all participants.
 *
 * The block of arrays is a DSM segment where workers were asked for and one
 * can be had, else private memory of the same layout.  The segment belongs to
 * the current resource owner, private memory to the current memory context:
 * after an error both are released by the abort.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "common/guc.h"
#include "common/segment.h"
#include "train/engine_shared.h"

#define BLOCK_ALIGNMENT		64
#define POLL_ROWS			65536

/* Training ends when an epoch improves the loss by less than this fraction. */
#define LOSS_TOLERANCE		1e-5

struct Engine
{
	EngineParams params;
	Size		bytes;			/* reserved in the budget */
	void	   *memory;			/* private block, or NULL */
	dsm_segment *segment;		/* shared block, or NULL */
	EngineView	view;			/* the leader's */
};

void
EngineParamsInit(const CrHyperparameters *hyperparameters, EngineParams *params)
{
	memset(params, 0, sizeof(EngineParams));
	params->ials.factors = (int32_t) hyperparameters->factors;
	params->ials.unobserved_weight = hyperparameters->unobserved_weight;
	params->ials.regularization = hyperparameters->regularization;
	params->ials.regularization_exponent = hyperparameters->regularization_exponent;
	params->ials.simd = CommrecSimd();
	params->cg_steps = hyperparameters->solver == CR_SOLVER_CG ? CR_CG_STEPS : 0;
	params->epochs = (int32) hyperparameters->epochs;
	params->tolerance = LOSS_TOLERANCE;
	params->seed = (uint64) hyperparameters->seed;
}

static Size
bytes_for_layout(const EngineParams *params, const CrAlsLayout *layout)
{
	Size		workspaces = mul_size(EngineWorkspaceBytes(params->ials.factors, layout),
									  (Size) params->workers + 1);

	return add_size(add_size(layout->total, BLOCK_ALIGNMENT), workspaces);
}

static EngineShared *
allocate_block(Engine *engine, Size bytes)
{
	static const SegmentPurpose purpose = {"Training", "train with workers => 0"};

	if (engine->params.workers > 0)
		engine->segment = SegmentCreate(bytes, &purpose);
	if (engine->segment != NULL)
		return (EngineShared *) dsm_segment_address(engine->segment);
	engine->memory = MemoryContextAllocHuge(CurrentMemoryContext, bytes + BLOCK_ALIGNMENT);
	return (EngineShared *) TYPEALIGN(BLOCK_ALIGNMENT, engine->memory);
}

static void
fill_shared(EngineShared *shared, const EngineParams *params, const CrAlsLayout *layout)
{
	memset(shared, 0, sizeof(EngineShared));
	shared->layout = *layout;
	shared->ials = params->ials;
	shared->is_explicit = params->is_explicit;
	shared->cg_steps = layout->is_turned && params->cg_steps > 0 ? CR_CG_STEPS_TURNED :
		params->cg_steps;
	shared->epochs = params->epochs;
	shared->last_epoch = params->epochs - 1;
	shared->tolerance = params->tolerance;
	shared->seed = params->seed;
	strlcpy(shared->phase, params->phase, sizeof(shared->phase));
	BarrierInit(&shared->barrier, 0);
	ConditionVariableInit(&shared->slot_freed);
	pg_atomic_init_u32(&shared->stop_phase, (uint32) params->epochs * ENGINE_STEPS + 2);
	pg_atomic_init_u32(&shared->workers, 0);
	pg_atomic_init_u64(&shared->worker_cpu, 0);
}

Engine *
EngineCreate(const EngineParams *params, MemoryBudget *budget, PairArrays *arrays)
{
	Engine	   *engine = (Engine *) palloc0(sizeof(Engine));
	CrAlsLayout layout;
	EngineShared *shared;
	EngineSide *users;

	EngineLayoutCompute(params, &layout);
	engine->params = *params;
	engine->bytes = bytes_for_layout(params, &layout);
	BudgetReserve(budget, engine->bytes, params->phase);

	shared = allocate_block(engine, layout.total);
	fill_shared(shared, params, &layout);
	EngineViewInit(&engine->view, shared);
	for (int phase = 0; phase < params->epochs * ENGINE_STEPS + 2; phase++)
		pg_atomic_init_u64(&engine->view.counters[phase], 0);
	for (int half_step = 0; half_step < params->epochs * ENGINE_SIDES; half_step++)
		pg_atomic_init_u64(&engine->view.part_counters[half_step], 0);
	for (int epoch = 0; epoch < params->epochs; epoch++)
		pg_atomic_init_u64(&engine->view.cpu[epoch], 0);

	if (layout.is_turned)
		cr_basis_begin(&engine->view.basis);

	users = &engine->view.side[SIDE_USERS];
	arrays->start = users->start;
	arrays->column = users->column;
	arrays->weight = users->weight;
	return engine;
}

static void
raise_diverged(const EngineView *view)
{
	int			epochs = view->shared->epochs_run;

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("training did not converge"),
			 epochs > 1 ?
			 errdetail("The loss is %g after epoch %d, and was %g before.",
					   view->loss[epochs - 1], epochs, view->loss[epochs - 2]) :
			 errdetail("The loss is %g after epoch %d.", view->loss[epochs - 1], epochs),
			 errhint("Raise the hyperparameter \"regularization\", or lower \"alpha\".")));
}

static void
sum_squared_ratings(EngineView *view)
{
	const EngineSide *users = &view->side[SIDE_USERS];
	int64		pairs = users->start[users->layout->rows];
	double		sum = 0;

	for (int64 i = 0; i < pairs; i++)
	{
		if (i % POLL_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		sum += (double) users->weight[i] * users->weight[i];
	}
	view->shared->weight_sum = sum;
}

void
EnginePrepare(Engine *engine)
{
	EngineView *view = &engine->view;
	EngineSide *items = &view->side[SIDE_ITEMS];
	PairArrays	transposed = {items->start, items->column, items->weight};

	view->shared->weight_sum = PairsTranspose(&view->side[SIDE_USERS].interactions, &transposed);
	EngineFindHeavy(view);
	if (engine->params.is_explicit)
		sum_squared_ratings(view);
}

/* Items: the constant for the users' biases, and the mean beside their own, rated or not. */
static void
finish_explicit(EngineView *view, double mean)
{
	EngineSide *items = &view->side[SIDE_ITEMS];
	int32		bias = view->shared->ials.factors - 1;

	for (int64 item = 0; item < items->layout->rows; item++)
	{
		float	   *factors = items->factors + (Size) item * view->stride;

		if (item % POLL_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		factors[bias - 1] = 1;
		factors[bias] = (float) (factors[bias] + mean);
	}
}

void
EngineRun(Engine *engine, Progress *progress, EngineResult *result)
{
	EngineView *view = &engine->view;
	EngineShared *shared = view->shared;

	ProgressPhase(progress, engine->params.phase, -1);
	strlcpy(shared->model, progress->model, sizeof(shared->model));
	INSTR_TIME_SET_CURRENT(shared->epoch_started);
	result->workers = 0;
	if (engine->segment != NULL)
		result->workers = EngineRunParallel(view, engine->segment, engine->params.workers,
											progress);
	else
		EngineParticipate(view, progress);
	if (progress->costs != NULL)
		CostsAddWorkers(progress->costs, (double) pg_atomic_read_u64(&shared->worker_cpu) / 1e6);
	if (shared->has_diverged)
		raise_diverged(view);
	if (shared->is_explicit)
		finish_explicit(view, engine->params.mean_rating);

	result->stride = view->stride;
	result->user_factors = view->side[SIDE_USERS].factors;
	result->item_factors = view->side[SIDE_ITEMS].factors;
	result->epochs = shared->epochs_run;
	result->loss = view->loss;
	result->seconds = view->seconds;
	result->cpu_seconds = CostsEpochSeconds(view->cpu, shared->epochs_run);
	result->bytes = engine->bytes;
}

void
EngineDestroy(Engine *engine, MemoryBudget *budget)
{
	if (engine->segment != NULL)
		dsm_detach(engine->segment);
	if (engine->memory != NULL)
		pfree(engine->memory);
	BudgetRelease(budget, engine->bytes);
	pfree(engine);
}
