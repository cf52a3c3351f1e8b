/*
 * blend.c
 *		How much popularity a recommendation needs: chosen on held-out events.
 *
 * Phases: split the events (blend_split.c), score a grid of weights and
 * half-lives on the held-out part (blend_score.c), choose.
 */
#include "postgres.h"

#include <math.h>

#include "utils/memutils.h"

#include "train/blend_internal.h"
#include "train/events_internal.h"
#include "train/trainer.h"

#define PRIOR_WEIGHT		1.0
#define PRIOR_HALF_LIFE		30.0	/* days */

/* A larger weight has to gain more than this fraction, so that noise does not add popularity. */
#define GAIN_MIN			0.001

/* Those after the first BASE_WEIGHTS count only where popularity alone beats all before. */
static const double grid_weights[] = {0, .01, .03, .1, .3, 1, 3, 10, 100, 1000, 1e6};

#define BASE_WEIGHTS		8

static const double grid_half_lives[] = {365, 90, 30, 7};	/* days; infinity comes first */

/* Candidates [first, last) of the grid's weights. */
typedef struct WeightRange
{
	int			first;
	int			last;
} WeightRange;

void
PopularityScore(const double *popularity, int32 items, float *score)
{
	double		highest = 0;

	for (int32 item = 0; item < items; item++)
		highest = Max(highest, popularity[item]);
	for (int32 item = 0; item < items; item++)
	{
		EVENTS_POLL(item);
		score[item] = highest > 0 ? (float) (log1p(popularity[item]) / log1p(highest)) : 0.0f;
	}
}

/* Half-lives that the data's span can tell apart; a given one stands alone. */
static void
add_half_lives(BlendGrid *grid, double given, double span)
{
	if (!isnan(given))
	{
		grid->half_life[grid->half_lives++] = given;
		return;
	}
	grid->half_life[grid->half_lives++] = INFINITY;
	for (int i = 0; i < (int) lengthof(grid_half_lives); i++)
	{
		if (grid_half_lives[i] < 2 * span)
			grid->half_life[grid->half_lives++] = grid_half_lives[i];
	}
}

/* The candidate weights; 0 is always scored, for the record. */
static WeightRange
add_weights(BlendGrid *grid, double given)
{
	WeightRange range = {0, BASE_WEIGHTS};

	if (isnan(given))
	{
		memcpy(grid->weight, grid_weights, sizeof(grid_weights));
		grid->weights = (int) lengthof(grid_weights);
		return range;
	}
	grid->weight[0] = 0;
	grid->weights = 1;
	if (given > 0)
		grid->weight[grid->weights++] = given;
	range.first = grid->weights - 1;
	range.last = grid->weights;
	return range;
}

/* The half-life with which popularity alone does best; the longer one if several do. */
static int
best_popular(const BlendGrid *grid)
{
	int			best = 0;

	for (int h = 1; h < grid->half_lives; h++)
	{
		if (grid->popular[h] > grid->popular[best])
			best = h;
	}
	return best;
}

/* The half-life that does best with one weight. */
static int
best_with_weight(const BlendGrid *grid, int weight)
{
	int			best = 0;

	if (grid->weight[weight] == 0)
		return best_popular(grid);
	for (int h = 1; h < grid->half_lives; h++)
	{
		if (grid->ndcg[h][weight] > grid->ndcg[best][weight])
			best = h;
	}
	return best;
}

static double
best_ndcg(const BlendGrid *grid, WeightRange range)
{
	double		best = 0;

	for (int w = range.first; w < range.last; w++)
		best = Max(best, grid->ndcg[best_with_weight(grid, w)][w]);
	return best;
}

/*
 * The smallest weight that is as good as the best, but for GAIN_MIN of it, and
 * no worse than popularity alone.  A random hold-out flatters popularity: what
 * is held out is as popular as what is left, whereas what comes next is not.
 * So without times a weight only has to be no worse than popularity.
 */
static int
choose_weight(const BlendGrid *grid, WeightRange range)
{
	double		best = best_ndcg(grid, range);
	double		enough = Min(best, grid->popular[best_popular(grid)]);
	int			w = range.first;

	if (grid->is_foresight)
		enough = Max(enough, best * (1 - GAIN_MIN));

	while (grid->ndcg[best_with_weight(grid, w)][w] < enough)
		w++;
	return w;
}

/* Is what a cell gains over popularity alone more than its standard error over the users? */
static bool
beats_popularity(const BlendGrid *grid, int h, int w)
{
	double		gain = grid->ndcg[h][w] - grid->popular[h];
	double		variance = Max(grid->gain_square[h][w] - gain * gain, 0) / (grid->users - 1);

	return gain > sqrt(variance);
}

/* Write the best cell of a scored grid into the choice; false if no cell foresaw anything. */
static bool
choose(const BlendGrid *grid, WeightRange range, bool has_model, BlendChoice *choice)
{
	double		popular = grid->popular[best_popular(grid)];
	bool		is_free = range.last - range.first > 1;
	int			w;
	int			h;

	if (is_free && best_ndcg(grid, range) < popular)
		range.last = grid->weights;
	choice->users = grid->users;
	choice->ndcg_model = grid->ndcg[0][0];
	choice->ndcg_popular = popular;
	if (!has_model)
	{
		choice->popularity_half_life = grid->half_life[best_popular(grid)];
		choice->ndcg_blend = choice->ndcg_model = popular;
		return popular > 0;
	}
	if (best_ndcg(grid, range) <= 0)
		return false;

	w = choose_weight(grid, range);
	h = best_with_weight(grid, w);
	/* With few users the best cell is often so by chance, and what follows worse than popularity. */
	if (is_free && grid->is_foresight && range.last == BASE_WEIGHTS && !beats_popularity(grid, h, w))
	{
		range.first = BASE_WEIGHTS;
		range.last = grid->weights;
		w = choose_weight(grid, range);
		h = best_with_weight(grid, w);
	}
	choice->popularity_weight = grid->weight[w];
	choice->popularity_half_life = grid->half_life[h];
	choice->ndcg_blend = grid->ndcg[h][w];
	return true;
}

/* What is taken without a validation. */
static void
set_priors(const EventLog *log, const CrHyperparameters *given, BlendChoice *choice)
{
	memset(choice, 0, sizeof(BlendChoice));
	choice->popularity_weight = PRIOR_WEIGHT;
	choice->popularity_half_life = BlendHasTime(log) ? PRIOR_HALF_LIFE : INFINITY;
	if (!isnan(given->popularity_weight))
		choice->popularity_weight = given->popularity_weight;
	if (!isnan(given->popularity_half_life))
		choice->popularity_half_life = given->popularity_half_life;
}

/* In the validation's memory context. */
static void
validate(const EventLog *log, const Recipe *recipe, BlendMemory *memory,
		 Progress *progress, BlendChoice *choice)
{
	const CrHyperparameters *given = recipe->given;
	BlendSplit	split;
	BlendGrid	grid;
	WeightRange range;

	memset(&split, 0, sizeof(split));
	memset(&grid, 0, sizeof(grid));
	split.memory = memory;
	split.recipe = recipe;
	BlendSplitMake(log, &split);
	add_half_lives(&grid, given->popularity_half_life, split.span);
	range = add_weights(&grid, given->popularity_weight);
	grid.is_foresight = BlendHasTime(&split.all);
	if (BlendGridScore(&split, progress, &grid))
		choice->validated = choose(&grid, range, TrainerIsNeeded(recipe->algorithm), choice);
	else
		choice->users = grid.users;
	TouchedFree(split.touched, memory->budget);
}

void
BlendChoose(const EventLog *log, const Recipe *recipe, MemoryBudget *budget,
			Progress *progress, BlendChoice *choice)
{
	const CrHyperparameters *given = recipe->given;
	BlendMemory memory = {budget, 0};
	Progress	quiet = *progress;
	MemoryContext context;
	MemoryContext old_context;

	set_priors(log, given, choice);
	if (!isnan(given->popularity_weight) &&
		(!isnan(given->popularity_half_life) || !BlendHasTime(log)))
		return;

	/* The validation's own epochs are nobody's concern. */
	quiet.verbose = false;
	context = AllocSetContextCreate(CurrentMemoryContext, "commrec validation",
									ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);
	validate(log, recipe, &memory, &quiet, choice);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	BudgetRelease(budget, memory.bytes);
}
