/*
 * packed.c
 *		One training inside a query: rows -> defaults -> engine -> packed model.
 *
 * Everything lives in one memory context that goes with the training; only the
 * packed model is made in the caller's.
 */
#include "postgres.h"

#include <math.h>

#include "utils/memutils.h"

#include "common/blas.h"
#include "train/blend.h"
#include "train/packed.h"
#include "train/train.h"

#define ALGORITHM	"ials"

typedef struct PackedRun
{
	CrHyperparameters used;
	MemoryBudget budget;
	Progress	progress;
	PackedInteractions interactions;
	PositiveFilter filter;
	float	   *popularity_score;
	EngineResult result;
} PackedRun;

void
PackedHyperparameters(Jsonb *given, CrHyperparameters *parameters)
{
	cr_parameters_preset(cr_algorithm_find(ALGORITHM), parameters);
	HyperparametersApply(ALGORITHM, given, parameters);
}

bool
PackedReadHyperparameters(const CrPile *pile, CrHyperparameters *parameters)
{
	return cr_pile_get_parameters(pile, cr_algorithm_find(ALGORITHM), parameters) == CR_OK;
}

/*
 * What the data decide.  No row has a time, so that there is nothing newest to
 * validate popularity on: none unless it is asked for.
 */
static void
ChooseHyperparameters(PackedRun *run)
{
	const Touched *touched = &run->interactions.touched;

	cr_defaults_from_shape(&cr_ials_algorithm, &run->used, touched->users, touched->items,
						   touched->positive);
	if (isnan(run->used.popularity_weight))
		run->used.popularity_weight = 0;
	if (isnan(run->used.popularity_half_life))
		run->used.popularity_half_life = INFINITY;
}

static void
CountInteractions(PackedRun *run)
{
	run->filter.alpha = run->used.alpha;
	run->filter.min_item_users = (int32) run->used.min_item_users;
	run->filter.min_user_items = (int32) run->used.min_user_items;
	PositiveCount(&run->interactions.touched, &run->filter);
}

/* As train() decides it, but without a warning: there may be thousands of groups. */
static bool
IsLearnable(const PackedRun *run)
{
	const Touched *touched = &run->interactions.touched;

	return touched->users > 1 && touched->items > 1 && touched->positive > 0;
}

static void
ScorePopularity(PackedRun *run)
{
	int32		items = run->interactions.touched.items;

	if (run->used.popularity_weight == 0)
		return;
	run->popularity_score = BudgetAlloc(&run->budget, (Size) items * sizeof(float), "popularity");
	PopularityScore(run->interactions.popularity, items, run->popularity_score);
	for (int32 i = 0; i < items; i++)
		run->popularity_score[i] *= (float) run->used.popularity_weight;
}

static void
RunEngine(PackedRun *run)
{
	const Touched *touched = &run->interactions.touched;
	EngineParams params;
	PairArrays arrays;
	Engine	   *engine;

	EngineParamsInit(&run->used, &params);
	params.users = touched->users;
	params.items = touched->items;
	params.pairs = touched->positive;
	params.is_weighted = !PositiveAreEqual(touched, &run->filter);
	params.phase = "training";
	engine = EngineCreate(&params, &run->budget, &arrays);
	PositiveFill(touched, &run->filter, arrays.start, arrays.column, arrays.weight);
	EnginePrepare(engine);
	EngineRun(engine, &run->progress, &run->result);
}

static void
DescribeModel(const PackedRun *run, bool is_learned, int64 rows, PackedModel *model)
{
	memset(model, 0, sizeof(PackedModel));
	model->interactions = &run->interactions;
	model->hyperparameters = &run->used;
	model->rows = rows;
	if (!is_learned)
		return;
	model->result = &run->result;
	model->popularity_score = run->popularity_score;
	model->factors = (int32) run->used.factors;
}

bytea *
PackedTrain(const PackedRows *rows, const CrHyperparameters *hyperparameters, Size held)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "commrec packed training",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	PackedRun  *run = palloc0(sizeof(PackedRun));
	PackedModel model;
	bytea	   *packed;
	bool		is_learnable;

	BlasPrepare();
	run->used = *hyperparameters;
	BudgetInit(&run->budget);
	BudgetReserve(&run->budget, held, "the state of the aggregate");
	ProgressBegin(&run->progress, "", false);
	run->progress.is_quiet = true;
	PackedReadRows(rows, &run->budget, &run->interactions);
	CountInteractions(run);
	ChooseHyperparameters(run);
	is_learnable = IsLearnable(run);
	if (is_learnable)
	{
		ScorePopularity(run);
		RunEngine(run);
	}
	DescribeModel(run, is_learnable, rows->pile->rows, &model);

	MemoryContextSwitchTo(old_context);
	packed = PackedEncode(&model, &run->budget);
	MemoryContextDelete(context);
	return packed;
}
