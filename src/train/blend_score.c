/*
 * blend_score.c
 *		Scoring the candidates of a validation: nDCG@10 over the whole catalogue.
 *
 * The catalogue is put in the order of undecayed popularity and cut into
 * blocks.  A block is passed over if the best of its scores by the model plus
 * the best of its popularities could not reach the top ten; since popular
 * items are together, nearly all are.  So a candidate costs a small part of
 * computing the scores themselves, which all candidates share.
 */
#include "postgres.h"

#include <cblas.h>
#include <math.h>

#include "core/metrics.h"
#include "train/blend_internal.h"
#include "train/events_internal.h"
#include "train/trainer.h"

#define BLOCK_ITEMS		64
#define LANES			8			/* in which the highest of a block is found at once */
#define BATCH_USERS		64			/* scored by one matrix product */
#define BATCH_FLOATS	4194304		/* scores in memory, unless one user has more */
#define TILE_ITEMS		32768		/* of a product between two polls: about 10 ms */
#define WORK_MAX		INT64CONST(400000000)	/* users times items */
#define WORK_USERS_MIN	500			/* however many items there are */
#define TOLERANCE		1e-2	/* the ranking is there long before the last digits of the loss */

/* By position in the catalogue, padded to whole blocks. */
typedef struct BlockedRow
{
	float	   *value;
	float	   *highest;		/* of each block */
} BlockedRow;

typedef struct BlendScorer
{
	const BlendSplit *split;
	BlendGrid  *grid;
	int32		items;			/* in the catalogue: those in the known events */
	int32		blocks;
	int32	   *item;			/* by position */
	int32	   *position;		/* by item; -1 if unknown */
	int32	   *engine_item;	/* by item; only for known ones */
	int32	   *engine_user;	/* by user; -1 without a positive pair */
	int32	   *user;			/* to validate on: grid->users of them */
	uint8	   *is_relevant;	/* by position, of the user at hand */
	BlockedRow	popularity[BLEND_HALF_LIVES_MAX];
	BlockedRow	model;			/* scores of the user at hand, in "scores"; -infinity for what was seen */
	BlockedRow	none;			/* 0; -infinity for what was seen, but not in "highest" */
	Trainer    *trainer;		/* NULL: popularity alone is scored */
	TrainerResult result;
	CrNeighborSums sums;		/* of one user, where scores come from lists */
	float	   *item_factors;	/* by position; NULL where scores come from lists */
	float	   *batch;			/* factors of BATCH_USERS users */
	float	   *list_scores;	/* of one user, in the engine's order of items; NULL without lists */
	float	   *scores;			/* batch_users rows by position, padded to whole blocks */
	int32		batch_users;
} BlendScorer;

typedef struct TopTen
{
	int			count;
	float		score[BLEND_TOP];	/* descending */
	int32		position[BLEND_TOP];
} TopTen;

typedef struct PopularItem
{
	double		popularity;
	int32		item;
} PopularItem;

static void *
scorer_alloc(const BlendScorer *scorer, int64 count, Size width)
{
	return BlendAlloc(scorer->split->memory, count, width);
}

static Size
padded_items(const BlendScorer *scorer)
{
	return (Size) scorer->blocks * BLOCK_ITEMS;
}

/* Padding is -infinity: never recommended. */
static void
row_pad(const BlendScorer *scorer, float *value)
{
	for (Size i = (Size) scorer->items; i < padded_items(scorer); i++)
		value[i] = -INFINITY;
}

static BlockedRow
row_alloc(const BlendScorer *scorer)
{
	BlockedRow	row;

	row.value = (float *) scorer_alloc(scorer, (int64) padded_items(scorer), sizeof(float));
	row.highest = (float *) scorer_alloc(scorer, scorer->blocks, sizeof(float));
	row_pad(scorer, row.value);
	return row;
}

static void
row_find_highest(const BlendScorer *scorer, BlockedRow *row)
{
	for (int32 block = 0; block < scorer->blocks; block++)
	{
		const float *value = row->value + (Size) block * BLOCK_ITEMS;
		float		highest[LANES];

		memcpy(highest, value, sizeof(highest));
		for (int at = LANES; at < BLOCK_ITEMS; at += LANES)
		{
			for (int i = 0; i < LANES; i++)
				highest[i] = value[at + i] > highest[i] ? value[at + i] : highest[i];
		}
		for (int i = 1; i < LANES; i++)
			highest[0] = highest[i] > highest[0] ? highest[i] : highest[0];
		row->highest[block] = highest[0];
	}
}

/* Most popular first, ties by number.  Polls, since a large catalogue takes its time to sort. */
static int
compare_popular(const void *a, const void *b)
{
	const PopularItem *left = (const PopularItem *) a;
	const PopularItem *right = (const PopularItem *) b;

	CHECK_FOR_INTERRUPTS();
	if (left->popularity != right->popularity)
		return left->popularity > right->popularity ? -1 : 1;
	return left->item < right->item ? -1 : left->item > right->item;
}

/* Number the known items for the engine and, by popularity, for the catalogue. */
static void
catalogue_make(BlendScorer *scorer, double *popularity)
{
	const Touched *touched = scorer->split->touched;
	PopularItem *order;

	scorer->engine_item = (int32 *) scorer_alloc(scorer, touched->items, sizeof(int32));
	scorer->position = (int32 *) scorer_alloc(scorer, touched->items, sizeof(int32));
	order = (PopularItem *) scorer_alloc(scorer, touched->items, sizeof(PopularItem));
	PopularityCompute(&scorer->split->known, INFINITY, EVENT_NO_TIME, popularity);
	for (int32 item = 0; item < touched->items; item++)
	{
		EVENTS_POLL(item);
		scorer->position[item] = -1;
		if (touched->item_users[item] == 0)
			continue;
		scorer->engine_item[item] = scorer->items;
		order[scorer->items].item = item;
		order[scorer->items].popularity = popularity[item];
		scorer->items++;
	}
	qsort(order, (size_t) scorer->items, sizeof(PopularItem), compare_popular);

	scorer->blocks = (scorer->items + BLOCK_ITEMS - 1) / BLOCK_ITEMS;
	scorer->item = (int32 *) scorer_alloc(scorer, scorer->items, sizeof(int32));
	for (int32 at = 0; at < scorer->items; at++)
	{
		scorer->item[at] = order[at].item;
		scorer->position[order[at].item] = at;
	}
}

/* g by position for every half-life of the grid. */
static void
popularity_make(BlendScorer *scorer, double *popularity)
{
	const Touched *touched = scorer->split->touched;
	float	   *score = (float *) scorer_alloc(scorer, touched->items, sizeof(float));

	for (int h = 0; h < scorer->grid->half_lives; h++)
	{
		BlockedRow	row = row_alloc(scorer);

		PopularityCompute(&scorer->split->known, scorer->grid->half_life[h], EVENT_NO_TIME,
						  popularity);
		PopularityScore(popularity, touched->items, score);
		for (int32 at = 0; at < scorer->items; at++)
			row.value[at] = score[scorer->item[at]];
		row_find_highest(scorer, &row);
		scorer->popularity[h] = row;
	}
}

static bool
is_test_user(const BlendSplit *split, int32 user)
{
	return split->test_start[user + 1] > split->test_start[user] && split->touched->keep_user[user];
}

/* Sample the users to validate on; returns how many. */
static int32
choose_users(BlendScorer *scorer)
{
	const BlendSplit *split = scorer->split;
	int32		limit = BLEND_USERS_MAX;
	int64		total = 0;
	int64		seen = 0;
	int32		taken = 0;
	CrRng		rng;

	if ((int64) limit * scorer->items > WORK_MAX)
		limit = (int32) Max(WORK_MAX / scorer->items, WORK_USERS_MIN);
	for (int32 user = 0; user < split->touched->users; user++)
		total += is_test_user(split, user);
	limit = (int32) Min(limit, total);

	scorer->user = (int32 *) scorer_alloc(scorer, limit, sizeof(int32));
	cr_rng_init(&rng, (uint64) split->recipe->given->seed, BLEND_STREAM_USERS);
	for (int32 user = 0; user < split->touched->users; user++)
	{
		EVENTS_POLL(user);
		if (is_test_user(split, user) && BlendTakes(&rng, total, seen++, limit, taken))
			scorer->user[taken++] = user;
	}
	return taken;
}

/* The positive pairs as CSR over all users and items, before they are renumbered. */
static bool
fill_positive(const BlendScorer *scorer, const PositiveFilter *filter, PairArrays *full)
{
	const Touched *touched = scorer->split->touched;

	full->start = (int64 *) scorer_alloc(scorer, (int64) touched->users + 1, sizeof(int64));
	full->column = (int32 *) scorer_alloc(scorer, touched->positive, sizeof(int32));
	full->weight = (float *) scorer_alloc(scorer, touched->positive, sizeof(float));
	return PositiveFill(touched, filter, full->start, full->column, full->weight);
}

/* Copy the rows of users that have any pair; item numbers keep their order. */
static void
fill_engine(BlendScorer *scorer, const PairArrays *full, PairArrays *arrays)
{
	int32		users = scorer->split->touched->users;
	int32		row = 0;
	int64		pairs = full->start[users];

	scorer->engine_user = (int32 *) scorer_alloc(scorer, users, sizeof(int32));
	arrays->start[0] = 0;
	for (int32 user = 0; user < users; user++)
	{
		scorer->engine_user[user] = -1;
		if (full->start[user + 1] == full->start[user])
			continue;
		scorer->engine_user[user] = row;
		arrays->start[++row] = full->start[user + 1];
	}
	for (int64 pair = 0; pair < pairs; pair++)
	{
		EVENTS_POLL(pair);
		arrays->column[pair] = scorer->engine_item[full->column[pair]];
		if (arrays->weight != NULL)
			arrays->weight[pair] = full->weight[pair];
	}
}

static int64
count_kept_users(const Touched *touched)
{
	int64		count = 0;

	for (int32 user = 0; user < touched->users; user++)
		count += touched->keep_user[user] != 0;
	return count;
}

/*
 * A smaller model than the real one, with the defaults that the sample's shape
 * gives.  ALS has learned most of what it will after few epochs; others have not.
 */
static void
set_trainer_params(const BlendScorer *scorer, CrHyperparameters *used, TrainerParams *params)
{
	const Touched *touched = scorer->split->touched;
	const CrAlgorithm *algorithm = scorer->split->recipe->algorithm;
	int64		users = count_kept_users(touched);

	*used = *scorer->split->recipe->given;
	cr_defaults_from_shape(algorithm, used, users, scorer->items, touched->positive);
	used->factors = Min(used->factors, BLEND_FACTORS_MAX);
	if (algorithm->trainer == NULL)
		used->epochs = Min(used->epochs, BLEND_EPOCHS_MAX);
	memset(params, 0, sizeof(TrainerParams));
	params->algorithm = algorithm;
	params->used = used;
	params->users = users;
	params->items = scorer->items;
	params->pairs = touched->positive;
	params->tolerance = TOLERANCE;
	params->phase = "validating";
}

static void
train_model(BlendScorer *scorer, const PositiveFilter *filter, Progress *progress)
{
	MemoryBudget *budget = scorer->split->memory->budget;
	CrHyperparameters used;
	TrainerParams params;
	PairArrays	full;
	PairArrays	arrays;

	set_trainer_params(scorer, &used, &params);
	params.workers = Max(scorer->split->recipe->workers, 0);
	params.is_weighted = !fill_positive(scorer, filter, &full);
	scorer->trainer = TrainerCreate(&params, budget, &arrays);
	fill_engine(scorer, &full, &arrays);
	TrainerRun(scorer->trainer, progress, &scorer->result);
}

static void
top_insert(TopTen *top, float score, int32 position)
{
	int			at = top->count < BLEND_TOP ? top->count++ : BLEND_TOP - 1;

	for (; at > 0 && top->score[at - 1] < score; at--)
	{
		top->score[at] = top->score[at - 1];
		top->position[at] = top->position[at - 1];
	}
	top->score[at] = score;
	top->position[at] = position;
}

/*
 * The ten best of base + weight * popularity, ties to the lower position.
 * Rounding is monotone, so that the sum of the highest bounds every sum.
 */
static void
top_find(const BlendScorer *scorer, const BlockedRow *base, const BlockedRow *popularity,
		 float weight, TopTen *top)
{
	float		threshold = -INFINITY;

	top->count = 0;
	for (int32 block = 0; block < scorer->blocks; block++)
	{
		int32		from = block * BLOCK_ITEMS;

		if (!(base->highest[block] + weight * popularity->highest[block] > threshold))
			continue;
		for (int32 at = from; at < Min(from + BLOCK_ITEMS, scorer->items); at++)
		{
			float		score = base->value[at] + weight * popularity->value[at];

			if (!(score > threshold))
				continue;
			top_insert(top, score, at);
			if (top->count == BLEND_TOP)
				threshold = top->score[BLEND_TOP - 1];
		}
	}
}

static double
top_ndcg(const BlendScorer *scorer, const TopTen *top, int32 relevant)
{
	int32		ranks[BLEND_TOP];
	int32		hits = 0;

	for (int i = 0; i < top->count; i++)
	{
		if (scorer->is_relevant[top->position[i]])
			ranks[hits++] = i + 1;
	}
	return cr_ndcg(ranks, hits, relevant, BLEND_TOP);
}

/*
 * Set "none" and the marks up for a user, or back.  That a block may have been
 * seen as a whole is not worth looking for: 0 is a bound of it all the same.
 */
static void
mark_user(BlendScorer *scorer, int32 user, bool is_set)
{
	const BlendSplit *split = scorer->split;
	const Touched *touched = split->touched;

	for (int64 pair = touched->start[user]; pair < touched->start[user + 1]; pair++)
		scorer->none.value[scorer->position[touched->item[pair]]] = is_set ? -INFINITY : 0.0f;
	for (int64 i = split->test_start[user]; i < split->test_start[user + 1]; i++)
		scorer->is_relevant[scorer->position[split->test_item[i]]] = is_set;
}

/* Add one user's nDCG with a half-life and a weight, beside the one by popularity alone. */
static void
add_ndcg(BlendGrid *grid, int h, int w, double ndcg, double popular)
{
	grid->ndcg[h][w] += ndcg;
	grid->gain_square[h][w] += (ndcg - popular) * (ndcg - popular);
}

/* The scores of a user, without what he has seen. */
static void
set_model(BlendScorer *scorer, int32 user, float *scores)
{
	const Touched *touched = scorer->split->touched;

	for (int64 pair = touched->start[user]; pair < touched->start[user + 1]; pair++)
		scores[scorer->position[touched->item[pair]]] = -INFINITY;
	scorer->model.value = scores;
	row_find_highest(scorer, &scorer->model);
}

/* Add one user's nDCG to every cell of the grid; his scores by the model are changed. */
static void
score_user(BlendScorer *scorer, int32 user, float *scores)
{
	const BlendSplit *split = scorer->split;
	BlendGrid  *grid = scorer->grid;
	int32		relevant = (int32) (split->test_start[user + 1] - split->test_start[user]);
	double		without;
	TopTen		top;

	mark_user(scorer, user, true);
	set_model(scorer, user, scores);

	/* Weight 0, the first of the grid, is the same for every half-life. */
	top_find(scorer, &scorer->model, &scorer->popularity[0], 0.0f, &top);
	without = top_ndcg(scorer, &top, relevant);
	for (int h = 0; h < grid->half_lives; h++)
	{
		double		popular;

		top_find(scorer, &scorer->none, &scorer->popularity[h], 1.0f, &top);
		popular = top_ndcg(scorer, &top, relevant);
		grid->popular[h] += popular;
		add_ndcg(grid, h, 0, without, popular);
		for (int w = 1; w < grid->weights; w++)
		{
			top_find(scorer, &scorer->model, &scorer->popularity[h], (float) grid->weight[w], &top);
			add_ndcg(grid, h, w, top_ndcg(scorer, &top, relevant), popular);
		}
	}
	mark_user(scorer, user, false);
}

/* By lists, one user after the other. */
static void
score_by_lists(BlendScorer *scorer, int32 from, int32 count)
{
	const CrCsr *users = &scorer->result.users;

	for (int32 i = 0; i < count; i++)
	{
		int64		row = scorer->engine_user[scorer->user[from + i]];
		int64		first = users->start[row];
		float	   *scores = scorer->scores + (Size) i * padded_items(scorer);

		TrainerListSums(&scorer->result.trained.lists, users->column + first,
						users->weight == NULL ? NULL : users->weight + first,
						users->start[row + 1] - first, &scorer->sums);
		cr_neighbor_scores(&scorer->sums, NULL, scorer->list_scores);
		for (int32 at = 0; at < scorer->items; at++)
			scores[at] = scorer->list_scores[scorer->engine_item[scorer->item[at]]];
	}
}

/* By inner products of factors, all users at once. */
static void
score_by_factors(BlendScorer *scorer, int32 from, int32 count)
{
	const CrTrained *trained = &scorer->result.trained;
	Size		stride = (Size) trained->stride;

	for (int32 i = 0; i < count; i++)
	{
		int32		row = scorer->engine_user[scorer->user[from + i]];

		memcpy(scorer->batch + i * stride, trained->user_factors + row * stride,
			   stride * sizeof(float));
	}
	for (int32 first = 0; first < scorer->items; first += TILE_ITEMS)
	{
		int32		items = Min(TILE_ITEMS, scorer->items - first);

		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count, items, trained->factors, 1.0f,
					scorer->batch, (int) stride, scorer->item_factors + first * stride,
					(int) stride, 0.0f, scorer->scores + first, (int) padded_items(scorer));
		CHECK_FOR_INTERRUPTS();
	}
}

static void
score_nothing(BlendScorer *scorer, int32 count)
{
	for (int32 i = 0; i < count; i++)
		memset(scorer->scores + (Size) i * padded_items(scorer), 0,
			   (Size) scorer->items * sizeof(float));
}

/* Scores of the users [from, from + count) of the list for the whole catalogue. */
static void
score_batch(BlendScorer *scorer, int32 from, int32 count)
{
	if (scorer->trainer == NULL)
		score_nothing(scorer, count);
	else if (scorer->split->recipe->algorithm->scorer == CR_SCORER_LISTS)
		score_by_lists(scorer, from, count);
	else
		score_by_factors(scorer, from, count);
}

static void
score_users(BlendScorer *scorer, Progress *progress)
{
	BlendGrid  *grid = scorer->grid;

	for (int32 from = 0; from < grid->users; from += scorer->batch_users)
	{
		int32		count = Min(scorer->batch_users, grid->users - from);

		score_batch(scorer, from, count);
		for (int32 i = 0; i < count; i++)
		{
			score_user(scorer, scorer->user[from + i],
					   scorer->scores + (Size) i * padded_items(scorer));
			ProgressPhase(progress, "validating", -1);
			CHECK_FOR_INTERRUPTS();
		}
	}
}

/* From sums over users to means. */
static void
grid_finish(BlendGrid *grid)
{
	for (int h = 0; h < grid->half_lives; h++)
	{
		grid->popular[h] /= grid->users;
		for (int w = 0; w < grid->weights; w++)
		{
			grid->ndcg[h][w] /= grid->users;
			grid->gain_square[h][w] /= grid->users;
		}
	}
}

/* Room for sums of the whole catalogue. */
static void
sums_alloc(BlendScorer *scorer)
{
	int32		pages = cr_neighbor_pages(scorer->items);

	cr_neighbor_sums_init(&scorer->sums, scorer->items,
						  (int32 *) scorer_alloc(scorer, pages, sizeof(int32)),
						  (double *) scorer_alloc(scorer, (int64) pages * CR_NEIGHBOR_PAGE,
												  sizeof(double)), pages);
	scorer->list_scores = (float *) scorer_alloc(scorer, scorer->items, sizeof(float));
}

/* The items' factors in the order of the catalogue, so that scores come in it. */
static void
factors_alloc(BlendScorer *scorer)
{
	const CrTrained *trained = &scorer->result.trained;
	Size		stride = (Size) trained->stride;

	scorer->item_factors = (float *) scorer_alloc(scorer, scorer->items, stride * sizeof(float));
	for (int32 at = 0; at < scorer->items; at++)
	{
		EVENTS_POLL(at);
		memcpy(scorer->item_factors + (Size) at * stride,
			   trained->item_factors + (Size) scorer->engine_item[scorer->item[at]] * stride,
			   stride * sizeof(float));
	}
}

/* The buffers of scoring, once the model is there. */
static void
scorer_prepare(BlendScorer *scorer)
{
	scorer->batch_users = Max(1, Min(BATCH_USERS, BATCH_FLOATS / scorer->items));
	scorer->batch = (float *) scorer_alloc(scorer, (int64) scorer->batch_users *
										   scorer->result.trained.stride, sizeof(float));
	if (scorer->split->recipe->algorithm->scorer == CR_SCORER_LISTS)
		sums_alloc(scorer);
	else if (scorer->trainer != NULL)
		factors_alloc(scorer);
	scorer->scores = (float *) scorer_alloc(scorer, (int64) scorer->batch_users *
											(int64) padded_items(scorer), sizeof(float));
	for (int32 i = 0; i < scorer->batch_users; i++)
		row_pad(scorer, scorer->scores + (Size) i * padded_items(scorer));
	scorer->is_relevant = (uint8 *) scorer_alloc(scorer, scorer->items, 1);
	memset(scorer->is_relevant, 0, (Size) scorer->items);
	scorer->model.highest = (float *) scorer_alloc(scorer, scorer->blocks, sizeof(float));
	scorer->none = row_alloc(scorer);
	memset(scorer->none.value, 0, (Size) scorer->items * sizeof(float));
	memset(scorer->none.highest, 0, (Size) scorer->blocks * sizeof(float));
}

bool
BlendGridScore(const BlendSplit *split, Progress *progress, BlendGrid *grid)
{
	const CrHyperparameters *given = split->recipe->given;
	PositiveFilter filter = {given->alpha, (int32) given->min_item_users,
	(int32) given->min_user_items};
	BlendScorer scorer;
	double	   *popularity;

	memset(&scorer, 0, sizeof(scorer));
	scorer.split = split;
	scorer.grid = grid;
	PositiveCount(split->touched, &filter);
	popularity = (double *) scorer_alloc(&scorer, split->touched->items, sizeof(double));
	catalogue_make(&scorer, popularity);
	grid->users = choose_users(&scorer);
	if (grid->users < BLEND_USERS_MIN)
		return false;

	popularity_make(&scorer, popularity);
	if (TrainerIsNeeded(split->recipe->algorithm))
		train_model(&scorer, &filter, progress);
	scorer_prepare(&scorer);
	score_users(&scorer, progress);
	if (scorer.trainer != NULL)
		TrainerDestroy(scorer.trainer, split->memory->budget);
	grid_finish(grid);
	return true;
}
