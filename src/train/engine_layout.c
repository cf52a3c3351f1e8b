/*
 * engine_layout.c
 *		Where the arrays of an engine lie: what core/als_layout.h says, and pointers from it.
 */
#include "postgres.h"

#include "storage/shmem.h"

#include "train/engine_shared.h"

#define ALIGNMENT	64			/* a cache line, and the widest vector */

/* An event's share of a slice costs k*k multiplications; a slice should stay well below 1 ms. */
#define SLICE_WORK	4000000
#define SLICE_MIN	64

void
EngineLayoutCompute(const EngineParams *params, CrAlsLayout *layout)
{
	CrAlsShape	shape = {0};

	shape.factors = params->ials.factors;
	shape.epochs = params->epochs;
	shape.users = params->users;
	shape.items = params->items;
	shape.pairs = params->pairs;
	shape.is_weighted = params->is_weighted;
	shape.is_explicit = params->is_explicit;
	shape.cg_steps = params->cg_steps;
	shape.head = sizeof(EngineShared);
	shape.counter = sizeof(pg_atomic_uint64);
	shape.heavy = sizeof(EngineHeavy);
	shape.phases = (int64) params->epochs * ENGINE_STEPS + 2;
	if (cr_als_layout(&shape, layout) != CR_OK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%lld users, %lld items and %lld pairs are too many to be trained on",
						(long long) params->users, (long long) params->items,
						(long long) params->pairs),
				 errhint("Train on a part of the events, such as those of the last year.")));
}

Size
EngineWorkspaceBytes(int32 factors, const CrAlsLayout *layout)
{
	int64		longest = Max(layout->side[SIDE_USERS].rows, layout->side[SIDE_ITEMS].rows);

	return add_size(cr_ials_workspace_size(factors, longest), ALIGNMENT);
}

static void
view_side(EngineView *view, EngineSideNumber number)
{
	char	   *base = (char *) view->shared;
	EngineSide *side = &view->side[number];
	const CrAlsSideLayout *layout = &view->shared->layout.side[number];

	side->layout = layout;
	side->name = number == SIDE_USERS ? "users" : "items";
	side->start = (int64 *) (base + layout->start);
	side->column = (int32 *) (base + layout->column);
	side->weight = layout->weight == 0 ? NULL : (float *) (base + layout->weight);
	side->factors = (float *) (base + layout->factors);
	side->losses = (CrIalsLoss *) (base + layout->losses);
	side->heavy = (EngineHeavy *) (base + layout->heavy);
	side->interactions.rows = layout->rows;
	side->interactions.columns = view->shared->layout.side[1 - number].rows;
	side->interactions.start = side->start;
	side->interactions.column = side->column;
	side->interactions.weight = side->weight;
}

static void
view_basis(EngineView *view)
{
	char	   *base = (char *) view->shared;
	const CrAlsLayout *layout = &view->shared->layout;

	if (!layout->is_turned)
	{
		view->gram = (float *) (base + layout->gram);
		return;
	}
	view->basis.factors = view->shared->ials.factors;
	view->basis.spectrum = (float *) (base + layout->spectrum);
	view->basis.turn = (float *) (base + layout->turn);
	view->basis.product = (double *) (base + layout->product);
	view->basis.workspace = base + layout->eigen;
}

void
EngineViewInit(EngineView *view, EngineShared *shared)
{
	char	   *base = (char *) shared;
	int64		factors = shared->ials.factors;

	memset(view, 0, sizeof(EngineView));
	view->shared = shared;
	view->stride = cr_factor_stride(shared->ials.factors);
	view->slice = Max(SLICE_WORK / (factors * factors), SLICE_MIN);
	view->counters = (pg_atomic_uint64 *) (base + shared->layout.counters);
	view->part_counters = (pg_atomic_uint64 *) (base + shared->layout.part_counters);
	view->partials = (double *) (base + shared->layout.partials);
	view->parts = base + shared->layout.parts;
	view_basis(view);
	view->loss = (double *) (base + shared->layout.loss);
	view->seconds = (double *) (base + shared->layout.seconds);
	view->cpu = (pg_atomic_uint64 *) (base + shared->layout.cpu);
	view_side(view, SIDE_USERS);
	view_side(view, SIDE_ITEMS);
	for (int number = 0; number < ENGINE_SIDES; number++)
	{
		EngineSide *side = &view->side[number];

		side->half.params = &shared->ials;
		side->half.interactions = &side->interactions;
		side->half.fixed = view->side[1 - number].factors;
		side->half.gram = view->gram;
		side->half.spectrum = view->basis.spectrum;
		side->half.solved = side->factors;
		side->half.is_explicit = shared->is_explicit;
		side->half.constant = shared->ials.factors - (number == SIDE_USERS ? 1 : 2);
	}
}
