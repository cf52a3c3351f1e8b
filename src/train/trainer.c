/*
 * trainer.c
 *		Training by any algorithm: the engine of ALS, or the runner of the others.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "train/engine.h"
#include "train/runner.h"
#include "train/trainer.h"

struct Trainer
{
	TrainerParams params;
	Engine	   *engine;			/* one of the two */
	Runner	   *runner;
	PairArrays	arrays;			/* that the caller fills */
};

bool
TrainerIsNeeded(const CrAlgorithm *algorithm)
{
	return algorithm->scorer != CR_SCORER_POPULARITY;
}

static Engine *
create_engine(const TrainerParams *params, MemoryBudget *budget, PairArrays *arrays)
{
	EngineParams engine;

	EngineParamsInit(params->used, &engine);
	engine.users = params->users;
	engine.items = params->items;
	engine.pairs = params->pairs;
	engine.is_weighted = params->is_weighted;
	engine.workers = params->workers;
	engine.phase = params->phase;
	if (params->tolerance > 0)
		engine.tolerance = params->tolerance;
	if (params->algorithm->is_explicit)
	{
		engine.is_explicit = true;
		engine.mean_rating = params->mean_rating;
		engine.ials.factors += CR_EXPLICIT_DIMS;
	}
	return EngineCreate(&engine, budget, arrays);
}

static Runner *
create_runner(const TrainerParams *params, MemoryBudget *budget, PairArrays *arrays)
{
	RunnerParams runner = {params->algorithm, params->used, params->users, params->items,
		params->pairs, params->is_weighted, params->mean_rating, params->workers, params->phase};

	return RunnerCreate(&runner, budget, arrays);
}

Trainer *
TrainerCreate(const TrainerParams *params, MemoryBudget *budget, PairArrays *arrays)
{
	Trainer    *trainer = (Trainer *) palloc0(sizeof(Trainer));

	trainer->params = *params;
	if (params->algorithm->trainer != NULL)
		trainer->runner = create_runner(params, budget, &trainer->arrays);
	else
		trainer->engine = create_engine(params, budget, &trainer->arrays);
	*arrays = trainer->arrays;
	return trainer;
}

static void
run_engine(Trainer *trainer, Progress *progress, TrainerResult *result)
{
	const CrAlgorithm *algorithm = trainer->params.algorithm;
	EngineResult engine;

	EnginePrepare(trainer->engine);
	EngineRun(trainer->engine, progress, &engine);
	result->trained.learned = (int32) trainer->params.used->factors;
	result->trained.factors = result->trained.learned +
		(algorithm->is_explicit ? CR_EXPLICIT_DIMS : 0);
	result->trained.stride = engine.stride;
	result->trained.user_factors = engine.user_factors;
	result->trained.item_factors = engine.item_factors;
	result->epochs = engine.epochs;
	result->loss = engine.loss;
	result->seconds = engine.seconds;
	result->cpu_seconds = engine.cpu_seconds;
	result->workers = engine.workers;
}

static void
run_runner(Trainer *trainer, Progress *progress, TrainerResult *result)
{
	RunnerResult runner;

	RunnerRun(trainer->runner, progress, &runner);
	result->trained = runner.trained;
	result->epochs = runner.epochs;
	result->loss = runner.loss;
	result->seconds = runner.seconds;
	result->cpu_seconds = runner.cpu_seconds;
	result->workers = runner.workers;
}

void
TrainerRun(Trainer *trainer, Progress *progress, TrainerResult *result)
{
	memset(result, 0, sizeof(TrainerResult));
	result->users.rows = trainer->params.users;
	result->users.columns = trainer->params.items;
	result->users.start = trainer->arrays.start;
	result->users.column = trainer->arrays.column;
	result->users.weight = trainer->arrays.weight;
	if (trainer->runner != NULL)
		run_runner(trainer, progress, result);
	else
		run_engine(trainer, progress, result);
}

void
TrainerListSums(const CrCsr *lists, const int32 *item, const float *weight, int64 count,
				CrNeighborSums *sums)
{
	cr_neighbor_sums_clear(sums);
	for (int64 i = 0; i < count; i++)
	{
		int64		first = lists->start[item[i]];
		CrNeighborList list = {(uint32) (lists->start[item[i] + 1] - first),
		lists->column + first, lists->weight + first};

		CHECK_FOR_INTERRUPTS();
		cr_neighbor_sums_add(sums, &list, weight != NULL ? weight[i] : 1.0f);
	}
}

void
TrainerDestroy(Trainer *trainer, MemoryBudget *budget)
{
	if (trainer->runner != NULL)
		RunnerDestroy(trainer->runner, budget);
	if (trainer->engine != NULL)
		EngineDestroy(trainer->engine, budget);
	pfree(trainer);
}
