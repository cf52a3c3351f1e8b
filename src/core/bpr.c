/*
 * bpr.c
 *		Bayesian personalised ranking: factors that rank what a user has above what he has not.
 *
 * Rendle, Freudenthaler, Gantner & Schmidt-Thieme (UAI 2009): for a user u, an
 * item i that he has and one j that he has not, d = x_u . (y_i - y_j) + b_i - b_j,
 * and a step of gradient ascent on ln sigma(d) less a penalty on the rows.
 *
 * The same bits for any number of workers: users are cut into "ranges", and
 * items dealt out into "blocks" that are other ones in every epoch.  A step of
 * the training has one unit for each block, with a range of its own, and an
 * item's rivals come from its own block; so no two units touch the same row.
 * Rivals are from everywhere nevertheless, because blocks change.  What that
 * costs is to sort the pairs into blocks again, user by user: about a twentieth
 * of an epoch.
 *
 * An epoch: step 0 deals the items out (and, in the first, makes the random
 * start), step 1 sorts the pairs of each range by block, the next learn, and
 * the last one of the last epoch looks whether all is finite.
 *
 * The biases are a coordinate: user rows are (x, 1), item rows (y, b).
 */
#include <math.h>
#include <string.h>

#include "core/bpr_kernels.h"
#include "core/ials.h"
#include "core/layout.h"
#include "core/rng.h"
#include "core/trainer.h"

#define BLOCKS_WANTED	16		/* so many workers find something to do */
#define BLOCK_ITEMS_MIN	32		/* rivals have to be found in a block */
#define PLACE_BITS		17		/* of an item's place in its block; users of a range have the rest */
#define PLACE_MASK		((UINT32_C(1) << PLACE_BITS) - 1)
#define RANGE_USERS		8192	/* on average at most, a fourth of what the other bits hold */
#define UNIT_FLOATS		(4 << 20)	/* pairs times stride of a unit of learning, some milliseconds */
#define ROWS_FLOATS		(1 << 18)	/* of a unit that goes over rows */
#define DEAL_GROUPS		4096	/* groups of items that a unit deals out */
#define DRAWS_MAX		64		/* until a rival is found that the user has not */

#define STEP_DEAL		0
#define STEP_SORT		1
#define STEP_LEARN		2		/* and so on */

/* Random numbers of each purpose are streams of their own. */
#define STREAM_DEAL		(UINT64_C(1) << 60)
#define STREAM_LEARN	(UINT64_C(2) << 60)
#define STREAM_SHIFT	(UINT64_C(3) << 60)

#define RATE_AT_END		0.1		/* of the learning rate in the last epoch */

typedef enum Negatives
{
	NEGATIVES_UNIFORM,
	NEGATIVES_POPULARITY
} Negatives;

typedef struct BprHyperparameters
{
	double		learning_rate;
	double		bias_regularization;
	double		start_deviation;
	double		negatives;		/* a Negatives */
	double		negatives_exponent;
	double		user_exponent;
} BprHyperparameters;

/* How the training is cut up, and where in the shared block things lie. */
typedef struct Layout
{
	int32_t		stride;
	int64_t		blocks;
	int64_t		turns;			/* ranges of users by blocks */
	int64_t		ranges;			/* of users: blocks * turns */
	int64_t		places;			/* of a block: items, and at most two that are empty */
	size_t		user_factors;	/* users * stride floats */
	size_t		item_factors;	/* items * stride floats */
	size_t		item_at;		/* blocks * places int32_t: the item, -1: none */
	size_t		place_of;		/* items uint32_t: block << PLACE_BITS | place */
	size_t		sorted;			/* pairs uint32_t: user of the range << PLACE_BITS | place */
	size_t		sorted_weight;	/* pairs floats, if weighted */
	size_t		cut;			/* ranges * (blocks + 1) int64_t: where a range's blocks begin */
	size_t		weight_sum;		/* ranges doubles */
	size_t		scale;			/* a double: what weights are multiplied by for a mean of 1 */
	size_t		done;			/* ranges * blocks Done */
	size_t		probability;	/* blocks * places floats: of the place itself, if by popularity */
	size_t		alias;			/* blocks * places int32_t: which place else */
	size_t		shared;			/* bytes of all */
	size_t		counts;			/* in scratch: blocks + 1 int64_t */
	size_t		taken;			/* in scratch: bits of places that are no rivals */
	size_t		waiting;		/* in scratch: places int32_t */
	size_t		rates;			/* in scratch: 3 * stride floats */
	size_t		scratch;		/* bytes of all */
} Layout;

/* What a unit of learning has done. */
typedef struct Done
{
	double		loss;
	int64_t		triples;
} Done;

static int
is_by_popularity(const CrTrainerShape *shape)
{
	return CR_OWN_OF(BprHyperparameters, shape->used)->negatives == NEGATIVES_POPULARITY;
}

static void
lay_out_shared(const CrTrainerShape *shape, Layout *layout)
{
	int64_t		places = layout->blocks * layout->places;
	size_t		row = (size_t) layout->stride * sizeof(float);
	size_t		end = 0;

	layout->user_factors = cr_lay(&end, shape->users, row);
	layout->item_factors = cr_lay(&end, shape->items, row);
	layout->item_at = cr_lay(&end, places, sizeof(int32_t));
	layout->place_of = cr_lay(&end, shape->items, sizeof(uint32_t));
	layout->sorted = cr_lay(&end, shape->pairs, sizeof(uint32_t));
	layout->sorted_weight = cr_lay(&end, shape->is_weighted ? shape->pairs : 0, sizeof(float));
	layout->cut = cr_lay(&end, layout->ranges * (layout->blocks + 1), sizeof(int64_t));
	layout->weight_sum = cr_lay(&end, layout->ranges, sizeof(double));
	layout->scale = cr_lay(&end, 1, sizeof(double));
	layout->done = cr_lay(&end, layout->ranges * layout->blocks, sizeof(Done));
	layout->probability = cr_lay(&end, is_by_popularity(shape) ? places : 0, sizeof(float));
	layout->alias = cr_lay(&end, is_by_popularity(shape) ? places : 0, sizeof(int32_t));
	layout->shared = end;
}

static Layout
lay_out(const CrTrainerShape *shape)
{
	Layout		layout;
	int64_t		wanted = shape->items / BLOCK_ITEMS_MIN;
	int64_t		unit_pairs;
	size_t		end = 0;

	layout.stride = cr_factor_stride((int32_t) shape->used->factors + 1);
	wanted = wanted < 1 ? 1 : wanted > BLOCKS_WANTED ? BLOCKS_WANTED : wanted;
	layout.blocks = cr_larger(wanted, cr_ceiling(shape->items, PLACE_MASK / 2));
	layout.places = cr_ceiling(shape->items + layout.blocks - 1, layout.blocks);
	unit_pairs = layout.blocks * layout.blocks * (UNIT_FLOATS / layout.stride);
	layout.turns = cr_larger(cr_ceiling(shape->pairs, unit_pairs),
							 cr_ceiling(shape->users, layout.blocks * RANGE_USERS));
	layout.ranges = layout.blocks * layout.turns;
	lay_out_shared(shape, &layout);
	layout.counts = cr_lay(&end, layout.blocks + 1, sizeof(int64_t));
	layout.taken = cr_lay(&end, cr_ceiling(layout.places, 64), sizeof(uint64_t));
	layout.waiting = cr_lay(&end, is_by_popularity(shape) ? layout.places : 0, sizeof(int32_t));
	layout.rates = cr_lay(&end, 3 * (int64_t) layout.stride, sizeof(float));
	layout.scratch = end;
	return layout;
}

static CrStatus
bpr_plan(const CrTrainerShape *shape, CrTrainerPlan *plan)
{
	Layout		layout;

	if (shape->users < 1 || shape->items < 1 || shape->pairs < 1)
		return CR_INVALID_ARGUMENT;
	layout = lay_out(shape);
	*plan = (CrTrainerPlan) {layout.shared, layout.scratch, (int32_t) shape->used->epochs,
							 STEP_LEARN + layout.ranges + 1};
	return CR_OK;
}

static void *
shared_at(const CrTrainerRun *run, size_t offset)
{
	return (char *) run->shared + offset;
}

static void *
scratch_at(const CrTrainerRun *run, size_t offset)
{
	return (char *) run->scratch + offset;
}

static float *
factor_row(const CrTrainerRun *run, const Layout *layout, size_t factors, int64_t row)
{
	return (float *) shared_at(run, factors) + (size_t) row * (size_t) layout->stride;
}

/*
 * The first user of a range.  Users are cut by pairs and by their number, half
 * and half, so that a range has neither too much work nor too many users.
 */
static int64_t
first_user(const CrTrainerRun *run, const Layout *layout, int64_t range)
{
	int64_t		each = cr_ceiling(run->shape.pairs, run->shape.users);
	int64_t		total = run->shape.pairs + each * run->shape.users;
	int64_t		wanted = total / layout->ranges * range + total % layout->ranges * range / layout->ranges;
	int64_t		low = 0;
	int64_t		high = run->shape.users;

	while (low < high)
	{
		int64_t		middle = low + (high - low) / 2;

		if (run->users.start[middle] + each * middle < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Rows that a unit of the start, or of the look at the end, goes over. */
static int64_t
rows_per_unit(const Layout *layout)
{
	return ROWS_FLOATS / layout->stride;
}

static int64_t
row_units(const CrTrainerRun *run, const Layout *layout)
{
	return cr_ceiling(run->shape.users + run->shape.items, rows_per_unit(layout));
}

static int64_t
deal_units(const Layout *layout)
{
	return cr_ceiling(layout->places, DEAL_GROUPS);
}

static int64_t
bpr_units(const CrTrainerRun *run, int32_t epoch, int64_t step)
{
	Layout		layout = lay_out(&run->shape);

	if (step == STEP_DEAL)
		return deal_units(&layout) +
			(epoch == 0 ? row_units(run, &layout) + layout.ranges : 0);
	if (step == STEP_SORT)
		return 1 + layout.ranges + (is_by_popularity(&run->shape) ? layout.blocks : 0);
	if (step < STEP_LEARN + layout.ranges)
		return layout.blocks;
	return epoch == (int32_t) run->shape.used->epochs - 1 ? row_units(run, &layout) : 0;
}

/*
 * Start of a row: random, and the coordinate that stands for the bias: 1 for
 * users, 0 for items.  Users have the even streams, items the odd ones.  A user
 * without pairs keeps his zeros: nothing will be learned of him.
 */
static void
start_row(const CrTrainerRun *run, const Layout *layout, int64_t row)
{
	const CrHyperparameters *used = run->shape.used;
	int			is_user = row < run->shape.users;
	int64_t		entity = is_user ? row : row - run->shape.users;
	size_t		factors = (size_t) used->factors;
	float	   *values = factor_row(run, layout,
									is_user ? layout->user_factors : layout->item_factors, entity);
	CrRng		rng;

	if (is_user && run->users.start[entity] == run->users.start[entity + 1])
		return;
	cr_rng_init(&rng, (uint64_t) used->seed, 2 * (uint64_t) entity + !is_user);
	cr_rng_normal(&rng, CR_OWN_OF(BprHyperparameters, used)->start_deviation, values, factors);
	values[factors] = is_user ? 1 : 0;
}

static int
row_is_finite(const CrTrainerRun *run, const Layout *layout, int64_t row)
{
	int			is_user = row < run->shape.users;
	const float *values = factor_row(run, layout,
									 is_user ? layout->user_factors : layout->item_factors,
									 is_user ? row : row - run->shape.users);
	int			is_finite = 1;

	for (int32_t f = 0; f < layout->stride; f++)
		is_finite &= isfinite(values[f]) != 0;
	return is_finite;
}

/* The start, or the look at the end, of a unit's rows. */
static CrStatus
go_over_rows(const CrTrainerRun *run, const Layout *layout, int64_t unit, int is_start)
{
	int64_t		row = unit * rows_per_unit(layout);
	int64_t		end = row + rows_per_unit(layout);

	if (end > run->shape.users + run->shape.items)
		end = run->shape.users + run->shape.items;
	for (; row < end; row++)
	{
		if (is_start)
			start_row(run, layout, row);
		else if (!row_is_finite(run, layout, row))
			return CR_NOT_FINITE;
	}
	return CR_OK;
}

/* What the weights of a user's pairs are multiplied by, so that users with many do not have all the say. */
static double
user_weight(const CrTrainerRun *run, int64_t user)
{
	double		exponent = CR_OWN_OF(BprHyperparameters, run->shape.used)->user_exponent;
	double		pairs = (double) (run->users.start[user + 1] - run->users.start[user]);

	return exponent == 0 || pairs == 0 ? 1 : pow(pairs, -exponent);
}

/* Of a range's pairs. */
static void
sum_weights(const CrTrainerRun *run, const Layout *layout, int64_t range)
{
	const int64_t *start = run->users.start;
	int64_t		last = first_user(run, layout, range + 1);
	double		sum = 0;

	for (int64_t user = first_user(run, layout, range); user < last; user++)
	{
		double		own = 0;

		for (int64_t p = start[user]; run->shape.is_weighted && p < start[user + 1]; p++)
			own += run->users.weight[p];
		if (!run->shape.is_weighted)
			own = (double) (start[user + 1] - start[user]);
		sum += own * user_weight(run, user);
	}
	((double *) shared_at(run, layout->weight_sum))[range] = sum;
}

/* Scale weights so that their mean is 1, and the learning rate means what it says. */
static void
scale_weights(const CrTrainerRun *run, const Layout *layout)
{
	const double *sums = shared_at(run, layout->weight_sum);
	double		sum = 0;

	for (int64_t range = 0; range < layout->ranges; range++)
		sum += sums[range];
	*(double *) shared_at(run, layout->scale) = (double) run->shape.pairs / sum;
}

/*
 * Deal a unit's groups of items out: of each group, as many neighbours as there
 * are blocks, one goes to each block.  Groups begin elsewhere in every epoch, so
 * that neighbours come together, too.
 */
static void
deal(const CrTrainerRun *run, const Layout *layout, int32_t epoch, int64_t unit)
{
	int32_t    *item_at = shared_at(run, layout->item_at);
	uint32_t   *place_of = shared_at(run, layout->place_of);
	int64_t    *block = scratch_at(run, layout->counts);
	int64_t		group = unit * DEAL_GROUPS;
	int64_t		end = group + DEAL_GROUPS < layout->places ? group + DEAL_GROUPS : layout->places;
	int64_t		shift;
	CrRng		rng;

	cr_rng_init(&rng, (uint64_t) run->shape.used->seed, STREAM_SHIFT | (uint64_t) epoch);
	shift = (int64_t) (cr_rng_next(&rng) % (uint64_t) layout->blocks);
	cr_rng_init(&rng, (uint64_t) run->shape.used->seed,
				STREAM_DEAL | (uint64_t) epoch << 40 | (uint64_t) unit);
	for (int64_t b = 0; b < layout->blocks; b++)
		block[b] = b;
	for (; group < end; group++)
	{
		for (int64_t b = layout->blocks - 1; b >= 0; b--)
		{
			int64_t		drawn = (int64_t) (cr_rng_next(&rng) % (uint64_t) (b + 1));
			int64_t		chosen = block[drawn];
			int64_t		item = group * layout->blocks + b - shift;
			int			is_item = item >= 0 && item < run->shape.items;

			block[drawn] = block[b];
			block[b] = chosen;
			item_at[chosen * layout->places + group] = is_item ? (int32_t) item : -1;
			if (is_item)
				place_of[item] = (uint32_t) (chosen << PLACE_BITS | group);
		}
	}
}

/* How many pairs of the range each block has, as offsets into "sorted", in counts[0 .. blocks]. */
static void
count_blocks(const CrTrainerRun *run, const Layout *layout, int64_t from, int64_t to,
			 int64_t *counts)
{
	const uint32_t *place_of = shared_at(run, layout->place_of);

	memset(counts, 0, ((size_t) layout->blocks + 1) * sizeof(int64_t));
	for (int64_t p = from; p < to; p++)
		counts[(place_of[run->users.column[p]] >> PLACE_BITS) + 1]++;
	counts[0] = from;
	for (int64_t b = 0; b < layout->blocks; b++)
		counts[b + 1] += counts[b];
}

/* Sort the pairs of a range by block; within one they stay in the order of users. */
static void
sort_range(const CrTrainerRun *run, const Layout *layout, int64_t range)
{
	const uint32_t *place_of = shared_at(run, layout->place_of);
	uint32_t   *sorted = shared_at(run, layout->sorted);
	float	   *sorted_weight = shared_at(run, layout->sorted_weight);
	int64_t    *next = scratch_at(run, layout->counts);
	int64_t		first = first_user(run, layout, range);
	int64_t		last = first_user(run, layout, range + 1);
	const int64_t *start = run->users.start;

	count_blocks(run, layout, start[first], start[last], next);
	memcpy((int64_t *) shared_at(run, layout->cut) + range * (layout->blocks + 1), next,
		   ((size_t) layout->blocks + 1) * sizeof(int64_t));
	for (int64_t user = first; user < last; user++)
	{
		uint32_t	key = (uint32_t) (user - first) << PLACE_BITS;

		for (int64_t p = start[user]; p < start[user + 1]; p++)
		{
			uint32_t	place = place_of[run->users.column[p]];
			int64_t		to = next[place >> PLACE_BITS]++;

			sorted[to] = key | (place & PLACE_MASK);
			if (run->shape.is_weighted)
				sorted_weight[to] = run->users.weight[p];
		}
	}
}

/*
 * The weights of a block's places, scaled to a mean of 1.  An item counts as if
 * it had one user more: what nobody has is to be drawn, too.
 */
static void
weigh_places(const CrTrainerRun *run, const Layout *layout, int64_t block, float *weight)
{
	const int32_t *item_at = (int32_t *) shared_at(run, layout->item_at) + block * layout->places;
	double		exponent = CR_OWN_OF(BprHyperparameters, run->shape.used)->negatives_exponent;
	double		sum = 0;

	for (int64_t place = 0; place < layout->places; place++)
	{
		int32_t		item = item_at[place];
		const int64_t *start = run->items.start;

		weight[place] = item < 0 ? 0 : (float) pow((double) (start[item + 1] - start[item] + 1), exponent);
		sum += weight[place];
	}
	for (int64_t place = 0; place < layout->places; place++)
		weight[place] = (float) (weight[place] * (double) layout->places / sum);
}

/*
 * Tables to draw from a block's places by weight in constant time: the place
 * itself with its probability, else its alias (Walker 1977; Vose 1991).
 */
static void
make_alias(const CrTrainerRun *run, const Layout *layout, int64_t block)
{
	float	   *probability = (float *) shared_at(run, layout->probability) + block * layout->places;
	int32_t    *alias = (int32_t *) shared_at(run, layout->alias) + block * layout->places;
	int32_t    *waiting = scratch_at(run, layout->waiting);
	int64_t		small = 0;		/* waiting[0 .. small) need an alias */
	int64_t		large = layout->places;	/* waiting[large ..] have something left to give */

	weigh_places(run, layout, block, probability);
	for (int64_t place = 0; place < layout->places; place++)
	{
		alias[place] = (int32_t) place;
		if (probability[place] < 1)
			waiting[small++] = (int32_t) place;
		else
			waiting[--large] = (int32_t) place;
	}
	while (small > 0 && large < layout->places)
	{
		int32_t		taker = waiting[--small];
		int32_t		giver = waiting[large];

		alias[taker] = giver;
		probability[giver] -= 1 - probability[taker];
		if (probability[giver] < 1)
		{
			large++;
			waiting[small++] = giver;
		}
	}
	while (small > 0)
		probability[waiting[--small]] = 1;
}

/* A block's pairs with the users of a range, and who may be drawn against them. */
typedef struct Sampler
{
	const uint32_t *at;			/* the next pair */
	const uint32_t *end;
	const uint32_t *run_from;	/* pairs of the user whose items are marked in "taken" */
	const uint32_t *run_to;
	const float *weight;		/* of the next pair; NULL: all 1 */
	float		own_weight;		/* of the user whose items are marked: it multiplies that */
	const CrTrainerRun *run;
	double		scale;			/* of all weights */
	int64_t		first_user;		/* of the range */
	float	   *users;			/* the row of that one */
	float	   *items;
	const int32_t *item_at;		/* of the block */
	const float *probability;	/* of the block; NULL: all alike */
	const int32_t *alias;
	uint64_t   *taken;			/* bits of the places that are no rivals */
	int64_t		places;
	int64_t		items_in_block;
	size_t		stride;
	CrRng		rng;
} Sampler;

static void
sampler_begin(Sampler *sampler, const CrTrainerRun *run, const Layout *layout, int64_t range,
			  int64_t block)
{
	const int64_t *cut = (int64_t *) shared_at(run, layout->cut) + range * (layout->blocks + 1);
	const uint32_t *sorted = shared_at(run, layout->sorted);
	const float *weight = shared_at(run, layout->sorted_weight);

	memset(sampler, 0, sizeof(*sampler));
	sampler->at = sampler->run_from = sampler->run_to = sorted + cut[block];
	sampler->end = sorted + cut[block + 1];
	sampler->weight = run->shape.is_weighted ? weight + cut[block] : NULL;
	sampler->run = run;
	sampler->scale = *(double *) shared_at(run, layout->scale);
	sampler->first_user = first_user(run, layout, range);
	sampler->users = factor_row(run, layout, layout->user_factors, sampler->first_user);
	sampler->items = factor_row(run, layout, layout->item_factors, 0);
	sampler->item_at = (int32_t *) shared_at(run, layout->item_at) + block * layout->places;
	if (is_by_popularity(&run->shape))
	{
		sampler->probability = (float *) shared_at(run, layout->probability) + block * layout->places;
		sampler->alias = (int32_t *) shared_at(run, layout->alias) + block * layout->places;
	}
	sampler->taken = scratch_at(run, layout->taken);
	sampler->places = layout->places;
	sampler->stride = (size_t) layout->stride;
	memset(sampler->taken, 0, ((size_t) layout->places + 63) / 64 * sizeof(uint64_t));
	for (int64_t place = 0; place < layout->places; place++)
	{
		if (sampler->item_at[place] < 0)
			sampler->taken[place / 64] |= UINT64_C(1) << place % 64;
		else
			sampler->items_in_block++;
	}
}

/* Mark the items of the next user in the places of those of the one before. */
static void
next_user(Sampler *sampler)
{
	uint32_t	user = *sampler->at >> PLACE_BITS;

	for (const uint32_t *pair = sampler->run_from; pair < sampler->run_to; pair++)
		sampler->taken[(*pair & PLACE_MASK) / 64] &= ~(UINT64_C(1) << (*pair & PLACE_MASK) % 64);
	sampler->own_weight = (float) (sampler->scale * user_weight(sampler->run, sampler->first_user + user));
	sampler->run_from = sampler->run_to = sampler->at;
	while (sampler->run_to < sampler->end && *sampler->run_to >> PLACE_BITS == user)
	{
		uint32_t	place = *sampler->run_to++ & PLACE_MASK;

		sampler->taken[place / 64] |= UINT64_C(1) << place % 64;
	}
}

/* A place that holds an item which the user does not have, or -1: the user has (nearly) all. */
static int64_t
draw_rival(Sampler *sampler)
{
	if (sampler->run_to - sampler->run_from >= sampler->items_in_block)
		return -1;
	for (int draw = 0; draw < DRAWS_MAX; draw++)
	{
		uint64_t	bits = cr_rng_next(&sampler->rng);
		int64_t		place = (int64_t) ((bits >> 32) * (uint64_t) sampler->places >> 32);

		if (sampler->probability != NULL &&
			(float) (uint32_t) bits * 0x1p-32f >= sampler->probability[place])
			place = sampler->alias[place];
		if ((sampler->taken[place / 64] >> place % 64 & 1) == 0)
			return place;
	}
	return -1;
}

static float *
fetch_row(float *rows, int64_t row, size_t stride)
{
	float	   *values = rows + (size_t) row * stride;

	for (size_t f = 0; f < stride; f += 64 / sizeof(float))
		__builtin_prefetch(values + f, 1);
	return values;
}

/* The next triples; 0 if there are no more.  Their rows are on the way to the cache. */
static int
fill(Sampler *sampler, CrBprBatch *batch)
{
	batch->count = 0;
	while (batch->count < CR_BPR_BATCH && sampler->at < sampler->end)
	{
		uint32_t	pair = *sampler->at;
		int32_t		i = batch->count;
		int64_t		rival;

		if (sampler->at == sampler->run_to)
			next_user(sampler);
		rival = draw_rival(sampler);
		if (rival >= 0)
		{
			batch->user[i] = fetch_row(sampler->users, pair >> PLACE_BITS, sampler->stride);
			batch->item[i] = fetch_row(sampler->items, sampler->item_at[pair & PLACE_MASK],
									   sampler->stride);
			batch->negative[i] = fetch_row(sampler->items, sampler->item_at[rival],
										   sampler->stride);
			batch->weight[i] = sampler->own_weight * (sampler->weight == NULL ? 1 : *sampler->weight);
			batch->count++;
		}
		sampler->at++;
		if (sampler->weight != NULL)
			sampler->weight++;
	}
	return batch->count > 0;
}

/* The rates of an epoch: they fall in a straight line. */
static CrBprRates
rates_of(const CrTrainerRun *run, const Layout *layout, int32_t epoch)
{
	const CrHyperparameters *used = run->shape.used;
	const BprHyperparameters *own = CR_OWN_OF(BprHyperparameters, used);
	size_t		bias = (size_t) used->factors;
	size_t		stride = (size_t) layout->stride;
	float	   *values = scratch_at(run, layout->rates);
	double		gone = used->epochs > 1 ? epoch / (used->epochs - 1) : 0;
	double		rate = own->learning_rate * (1 - (1 - RATE_AT_END) * gone);

	for (size_t f = 0; f < stride; f++)
	{
		values[f] = f == bias ? 0 : 1;
		values[stride + f] = f == bias ? 1 : (float) (1 - rate * used->regularization);
		values[2 * stride + f] = (float) (1 - rate * (f == bias ? own->bias_regularization :
													  used->regularization));
	}
	return (CrBprRates) {layout->stride, (float) rate, values, values + stride, values + 2 * stride};
}

static const CrBprKernels *
kernels_of(CrSimd simd)
{
	switch (simd)
	{
		case CR_SIMD_AVX512:
			return &cr_bpr_kernels_avx512;
		case CR_SIMD_AVX2:
			return &cr_bpr_kernels_avx2;
		case CR_SIMD_PORTABLE:
			break;
	}
	return &cr_bpr_kernels_portable;
}

/* One batch is learned from while the rows of the next are fetched. */
static CrStatus
learn_pairs(const CrTrainerRun *run, Sampler *sampler, const CrBprRates *rates, Done *done)
{
	const CrBprKernels *kernels = kernels_of(run->shape.simd);
	CrBprBatch	batch[2];
	int			current = 0;

	*done = (Done) {0, 0};
	fill(sampler, &batch[0]);
	while (batch[current].count > 0)
	{
		double		loss;

		fill(sampler, &batch[!current]);
		loss = kernels->learn(rates, &batch[current]);
		if (isnan(loss))
			return CR_NOT_FINITE;
		done->loss += loss;
		done->triples += batch[current].count;
		current = !current;
	}
	return CR_OK;
}

/* The unit's block with the range that it has in this turn. */
static CrStatus
learn_block(const CrTrainerRun *run, const Layout *layout, int32_t epoch, int64_t step,
			int64_t block)
{
	int64_t		turn = step % layout->turns;
	int64_t		range = turn * layout->blocks + (block + step / layout->turns) % layout->blocks;
	Done	   *done = (Done *) shared_at(run, layout->done) + range * layout->blocks + block;
	CrBprRates	rates = rates_of(run, layout, epoch);
	Sampler		sampler;

	sampler_begin(&sampler, run, layout, range, block);
	cr_rng_init(&sampler.rng, (uint64_t) run->shape.used->seed,
				STREAM_LEARN | (uint64_t) epoch << 40 | (uint64_t) (range * layout->blocks + block));
	return learn_pairs(run, &sampler, &rates, done);
}

static CrStatus
bpr_work(const CrTrainerRun *run, int32_t epoch, int64_t step, int64_t unit)
{
	Layout		layout = lay_out(&run->shape);

	if (step == STEP_SORT && unit == 0)
		scale_weights(run, &layout);
	else if (step == STEP_SORT && unit <= layout.ranges)
		sort_range(run, &layout, unit - 1);
	else if (step == STEP_SORT)
		make_alias(run, &layout, unit - layout.ranges - 1);
	else if (step >= STEP_LEARN && step < STEP_LEARN + layout.ranges)
		return learn_block(run, &layout, epoch, step - STEP_LEARN, unit);
	else if (step > STEP_DEAL)
		return go_over_rows(run, &layout, unit, 0);
	else if (unit < deal_units(&layout))
		deal(run, &layout, epoch, unit);
	else if ((unit -= deal_units(&layout)) < row_units(run, &layout))
		return go_over_rows(run, &layout, unit, 1);
	else
		sum_weights(run, &layout, unit - row_units(run, &layout));
	return CR_OK;
}

/*
 * The mean of -ln sigma(d) over the triples of the epoch, each as it was before
 * its step; 0 if there are none, because all users have all items.
 */
static double
bpr_loss(const CrTrainerRun *run, int32_t epoch)
{
	Layout		layout = lay_out(&run->shape);
	const Done *done = shared_at(run, layout.done);
	Done		sum = {0, 0};

	(void) epoch;
	for (int64_t i = 0; i < layout.ranges * layout.blocks; i++)
	{
		sum.loss += done[i].loss;
		sum.triples += done[i].triples;
	}
	return sum.triples > 0 ? sum.loss / (double) sum.triples : 0;
}

static void
bpr_result(const CrTrainerRun *run, CrTrained *trained)
{
	Layout		layout = lay_out(&run->shape);

	memset(trained, 0, sizeof(*trained));
	trained->factors = (int32_t) run->shape.used->factors + 1;
	trained->learned = trained->factors - 1;
	trained->stride = layout.stride;
	trained->user_factors = shared_at(run, layout.user_factors);
	trained->item_factors = shared_at(run, layout.item_factors);
}

static const CrParameter bpr_parameters[] = {
	{
		.name = "factors", .type = CR_PARAMETER_INTEGER, .low = 1, .high = CR_FACTORS_MAX - 1,
		.preset = 64, .offset = CR_COMMON(factors), .search = {32, 64, 128, 256},
		.meaning = "number of dimensions of an embedding, beside an item's bias"
	},
	{
		.name = "epochs", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 10000,
		.preset = 40, .offset = CR_COMMON(epochs), .search = {20, 40, 80},
		.meaning = "number of passes over all pairs of user and item"
	},
	{
		.name = "learning_rate", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 10,
		.low_excluded = 1, .preset = 0.1, .offset = CR_OWN(BprHyperparameters, learning_rate),
		.search_low = 0.03, .search_high = 0.3,
		.meaning = "length of a step; it falls to a tenth until the last epoch"
	},
	{
		.name = "regularization", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 10,
		.preset = 0.01, .offset = CR_COMMON(regularization),
		.search_low = 0.002, .search_high = 0.05, .restrains = 1,
		.meaning = "strength of the penalty on large embeddings, of each step"
	},
	{
		.name = "bias_regularization", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 10,
		.preset = 0, .offset = CR_OWN(BprHyperparameters, bias_regularization),
		.meaning = "strength of the penalty on large biases, of each step"
	},
	{
		.name = "start_deviation", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 10,
		.low_excluded = 1, .preset = 0.1, .offset = CR_OWN(BprHyperparameters, start_deviation),
		.meaning = "standard deviation of the random numbers at the start"
	},
	{
		.name = "negatives", .type = CR_PARAMETER_CHOICE, .low = NEGATIVES_UNIFORM,
		.high = NEGATIVES_POPULARITY, .choices = {"uniform", "popularity"},
		.preset = NEGATIVES_POPULARITY, .offset = CR_OWN(BprHyperparameters, negatives),
		.meaning = "how items are drawn that a user does not have: all alike, or popular ones more often"
	},
	{
		.name = "negatives_exponent", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 2,
		.preset = 0.5, .offset = CR_OWN(BprHyperparameters, negatives_exponent),
		.search = {0.25, 0.5, 0.75},
		.meaning = "by popularity, items are drawn by their number of users to this power; 0: all alike"
	},
	{
		.name = "user_exponent", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 2,
		.preset = 0.5, .offset = CR_OWN(BprHyperparameters, user_exponent),
		.meaning = "a user's pairs count less by their number to this power; 1: all users count alike"
	},
	CR_PARAMETER_HALF_LIFE,
	CR_PARAMETER_MIN_ITEM_USERS,
	CR_PARAMETER_MIN_USER_ITEMS,
	CR_PARAMETER_SEED
};

static const CrTrainer bpr_trainer = {
	.plan = bpr_plan, .units = bpr_units, .work = bpr_work, .loss = bpr_loss,
	.result = bpr_result
};

/* Some 50 ns a pair at 64 factors, half of it whatever their number: doc/benchmarks.md. */
static double
cost(const CrHyperparameters *used, int64_t users, int64_t items, int64_t pairs)
{
	(void) users;
	(void) items;
	return used->epochs * (double) pairs * 3e-8 * (1 + used->factors / 64);
}

const CrAlgorithm cr_bpr_algorithm = {
	.name = "bpr",
	.meaning = "Bayesian personalised ranking by stochastic gradient descent over pairs of items",
	.scorer = CR_SCORER_INNER_PRODUCT,
	.fold = CR_FOLD_NONE,
	.trainer = &bpr_trainer,
	CR_PARAMETERS_OF(bpr_parameters),
	.cost = cost
};
