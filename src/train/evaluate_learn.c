/*
 * evaluate_learn.c
 *		A model trained in memory on the known events of a split, and its catalogue.
 *
 * Learning is what commrec.train() does, by the same functions: preferences,
 * defaults from the data, validation of the weight of popularity, trainer.  Only
 * users and items that the known events have take part, under numbers of their
 * own, so that nothing is known of what comes later, not even that there is
 * something.
 */
#include "postgres.h"

#include <math.h>

#include "utils/timestamp.h"

#include "common/errors.h"
#include "core/ials.h"
#include "core/vector.h"
#include "train/blend.h"
#include "train/evaluate_internal.h"
#include "train/events_internal.h"
#include "train/ratings.h"

/* An item's place in an order. */
typedef struct Ordered
{
	double		key;
	int32		number;			/* ties ascend by it */
	int32		position;
} Ordered;

/* Number what the known events have. */
static void
number_rows(EvaluateMemory *memory, EvaluateModel *model)
{
	const Touched *touched = model->touched;

	model->row_of_user = EvaluateAlloc(memory, touched->users, sizeof(int32));
	model->row_of_item = EvaluateAlloc(memory, touched->items, sizeof(int32));
	for (int32 user = 0; user < touched->users; user++)
	{
		bool		is_known = touched->start[user + 1] > touched->start[user];

		model->row_of_user[user] = is_known ? model->users++ : -1;
	}
	for (int32 item = 0; item < touched->items; item++)
		model->row_of_item[item] = touched->item_users[item] > 0 ? model->items++ : -1;
}

static void
choose_hyperparameters(const EventSplit *split, const Recipe *recipe, EvaluateMemory *memory,
					   Progress *progress, EvaluateModel *model)
{
	const CrHyperparameters *given = recipe->given;
	BlendChoice choice;

	model->used = *given;
	cr_defaults_from_shape(recipe->algorithm, &model->used, model->users, model->items,
						   model->touched->positive);
	if (!isnan(given->popularity_weight) && !isnan(given->popularity_half_life))
		return;
	BlendChoose(&split->known, recipe, memory->budget, progress, &choice);
	if (isnan(given->popularity_weight))
		model->used.popularity_weight = choice.popularity_weight;
	if (isnan(given->popularity_half_life))
		model->used.popularity_half_life = choice.popularity_half_life;
}

static void
compute_popularity(const EventSplit *split, EvaluateMemory *memory, EvaluateModel *model)
{
	int32		items = model->touched->items;

	model->popularity = EvaluateAlloc(memory, items, sizeof(double));
	PopularityCompute(&split->known, model->used.popularity_half_life, EVENT_NO_TIME,
					  model->popularity);
	if (model->used.popularity_weight == 0)
		return;
	model->popularity_score = EvaluateAlloc(memory, items, sizeof(float));
	PopularityScore(model->popularity, items, model->popularity_score);
	for (int32 i = 0; i < items; i++)
		model->popularity_score[i] *= (float) model->used.popularity_weight;
}

/* The pairs under the trainer's numbers; "start" has an offset for every number of a user. */
static void
renumber_pairs(const EvaluateModel *model, const int64 *start, PairArrays *arrays)
{
	const Touched *touched = model->touched;
	int64		pairs = start[touched->users];

	for (int32 user = 0; user < touched->users; user++)
	{
		EVENTS_POLL(user);
		if (model->row_of_user[user] >= 0)
			arrays->start[model->row_of_user[user]] = start[user];
	}
	arrays->start[model->users] = pairs;
	for (int64 pair = 0; pair < pairs; pair++)
	{
		EVENTS_POLL(pair);
		arrays->column[pair] = model->row_of_item[arrays->column[pair]];
	}
}

static void
run_trainer(const PositiveFilter *filter, const Recipe *recipe, const Ratings *ratings,
			EvaluateMemory *memory, Progress *progress, EvaluateModel *model)
{
	TrainerParams params = {.algorithm = recipe->algorithm,.used = &model->used,
		.users = model->users,.items = model->items,.workers = recipe->workers,
	.phase = "evaluating"};
	PairArrays	arrays;
	int64	   *start = EvaluateAlloc(memory, (int64) model->touched->users + 1, sizeof(int64));

	params.pairs = ratings != NULL ? ratings->start[ratings->users] : model->touched->positive;
	params.is_weighted = ratings != NULL || !PositiveAreEqual(model->touched, filter);
	params.mean_rating = ratings != NULL ? ratings->mean : 0;
	model->trainer = TrainerCreate(&params, memory->budget, &arrays);
	if (ratings != NULL)
		RatingsFill(ratings, start, arrays.column, arrays.weight);
	else
		PositiveFill(model->touched, filter, start, arrays.column, arrays.weight);
	renumber_pairs(model, start, &arrays);
	TrainerRun(model->trainer, progress, &model->result);
}

void
EvaluateLearn(const EventSplit *split, const Recipe *recipe, EvaluateMemory *memory,
			  Progress *progress, EvaluateModel *model)
{
	const CrHyperparameters *given = recipe->given;
	TouchedOptions options = {given->half_life, EVENT_NO_TIME};
	PositiveFilter filter = {given->alpha, (int32) given->min_item_users,
	(int32) given->min_user_items};
	Ratings    *ratings = NULL;

	memset(model, 0, sizeof(EvaluateModel));
	model->touched = TouchedBuild(&split->known, &options, memory->budget);
	PositiveCount(model->touched, &filter);
	number_rows(memory, model);
	choose_hyperparameters(split, recipe, memory, progress, model);
	compute_popularity(split, memory, model);
	if (recipe->algorithm->is_explicit)
		ratings = RatingsBuild(&split->known, &filter, memory->budget);
	if (TrainerIsNeeded(recipe->algorithm) && model->users > 1 && model->items > 1 &&
		(ratings != NULL ? ratings->start[ratings->users] : model->touched->positive) > 0)
		run_trainer(&filter, recipe, ratings, memory, progress, model);
	if (ratings != NULL)
		RatingsFree(ratings, memory->budget);
}

void
EvaluateForget(EvaluateModel *model, EvaluateMemory *memory)
{
	if (model->trainer != NULL)
		TrainerDestroy(model->trainer, memory->budget);
	TouchedFree(model->touched, memory->budget);
	model->trainer = NULL;
	model->touched = NULL;
}

/* Polls, since a large catalogue takes its time to sort. */
static int
compare_ordered(const void *left, const void *right)
{
	const Ordered *a = (const Ordered *) left;
	const Ordered *b = (const Ordered *) right;

	CHECK_FOR_INTERRUPTS();
	if (a->key != b->key)
		return a->key > b->key ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

int32 *
EvaluateOrder(const double *key, const int32 *number, int32 items, EvaluateMemory *memory)
{
	Size		bytes = (Size) items * sizeof(Ordered);
	Ordered    *ordered = BudgetAlloc(memory->budget, bytes, "evaluation");
	int32	   *order = EvaluateAlloc(memory, items, sizeof(int32));

	for (int32 i = 0; i < items; i++)
	{
		ordered[i].key = key[i];
		ordered[i].number = number[i];
		ordered[i].position = i;
	}
	qsort(ordered, (size_t) items, sizeof(Ordered), compare_ordered);
	for (int32 i = 0; i < items; i++)
		order[i] = ordered[i].position;
	BudgetFree(memory->budget, ordered, bytes);
	return order;
}

/* The vector of an item as it would be published: what was learned, then its popularity. */
static void
item_vector(const EvaluateModel *model, const EvaluateCatalogue *catalogue, int32 item,
			float *vector)
{
	const CrTrained *trained = &model->result.trained;

	if (catalogue->factors > 0)
		memcpy(vector, trained->item_factors + (Size) model->row_of_item[item] * trained->stride,
			   (Size) catalogue->factors * sizeof(float));
	if (model->popularity_score != NULL)
		vector[catalogue->factors] = model->popularity_score[item];
}

static void
set_dims(const EvaluateModel *model, EvaluateCatalogue *catalogue)
{
	if (model->trainer == NULL)
		return;
	catalogue->factors = model->result.trained.factors;
	catalogue->dims = catalogue->factors + (model->popularity_score != NULL ? 1 : 0);
	/* Lists are published with the popularity coordinate, weighted or not. */
	if (model->result.trained.lists.rows > 0)
		catalogue->dims = 1;
	catalogue->stride = cr_factor_stride(catalogue->dims);
}

/*
 * Item numbers by position: those of the known events, in descending order of
 * norm; of popularity, where there are lists.
 */
static int32 *
order_items(const EvaluateModel *model, EvaluateMemory *memory, EvaluateCatalogue *catalogue)
{
	int32		items = model->items;
	int32	   *number = EvaluateAlloc(memory, items, sizeof(int32));
	double	   *norm = EvaluateAlloc(memory, items, sizeof(double));
	float	   *vector = palloc0((Size) Max(catalogue->stride, 1) * sizeof(float));
	int32	   *order;

	for (int32 item = 0; item < model->touched->items; item++)
	{
		int32		row = model->row_of_item[item];

		EVENTS_POLL(item);
		if (row < 0)
			continue;
		number[row] = item;
		norm[row] = 0;
		if (model->result.trained.lists.rows > 0)
			norm[row] = (float) model->popularity[item];
		else if (catalogue->dims > 0)
		{
			item_vector(model, catalogue, item, vector);
			norm[row] = cr_norm_upper(vector, catalogue->dims);
		}
	}
	order = EvaluateOrder(norm, number, items, memory);
	for (int32 at = 0; at < items; at++)
		order[at] = number[order[at]];
	return order;
}

static void
fill_vectors(const EvaluateModel *model, const int32 *number, EvaluateMemory *memory,
			 EvaluateCatalogue *catalogue)
{
	catalogue->vector = EvaluateAlloc(memory, (int64) catalogue->items * catalogue->stride,
									  sizeof(float));
	memset(catalogue->vector, 0,
		   (Size) catalogue->items * (Size) catalogue->stride * sizeof(float));
	for (int32 at = 0; at < catalogue->items && catalogue->dims > 0; at++)
	{
		EVENTS_POLL(at);
		item_vector(model, catalogue, number[at],
					catalogue->vector + (Size) at * (Size) catalogue->stride);
	}
}

/* The lists by position, and their columns, in whatever order. */
static void
fill_lists(const EvaluateModel *model, const int32 *number, EvaluateMemory *memory,
		   EvaluateCatalogue *catalogue)
{
	const CrCsr *lists = &model->result.trained.lists;
	int64		entries = lists->rows > 0 ? lists->start[lists->rows] : 0;
	int32	   *position;
	int64	   *start;
	int32	   *column;
	float	   *weight;

	if (lists->rows == 0)
		return;
	position = EvaluateAlloc(memory, lists->rows, sizeof(int32));
	start = EvaluateAlloc(memory, lists->rows + 1, sizeof(int64));
	column = EvaluateAlloc(memory, entries, sizeof(int32));
	weight = EvaluateAlloc(memory, entries, sizeof(float));
	for (int32 at = 0; at < catalogue->items; at++)
		position[model->row_of_item[number[at]]] = at;
	start[0] = 0;
	for (int32 at = 0; at < catalogue->items; at++)
	{
		int64		from = lists->start[model->row_of_item[number[at]]];
		int64		to = lists->start[model->row_of_item[number[at]] + 1];

		CHECK_FOR_INTERRUPTS();
		start[at + 1] = start[at] + to - from;
		for (int64 e = from; e < to; e++)
			column[start[at] + e - from] = position[lists->column[e]];
		memcpy(weight + start[at], lists->weight + from, (Size) (to - from) * sizeof(float));
	}
	catalogue->lists.rows = catalogue->lists.columns = catalogue->items;
	catalogue->lists.start = start;
	catalogue->lists.column = column;
	catalogue->lists.weight = weight;
}

/* Days from the first event of each item to when the test begins. */
static void
fill_ages(const EventSplit *split, const int32 *number, EvaluateMemory *memory,
		  EvaluateCatalogue *catalogue)
{
	const EventLog *known = &split->known;
	int32		items = EventsItems(known);
	TimestampTz *first = EvaluateAlloc(memory, items, sizeof(TimestampTz));
	TimestampTz origin = split->split_at != EVENT_NO_TIME ? split->split_at : known->newest;

	for (int32 item = 0; item < items; item++)
		first[item] = DT_NOEND;
	for (int64 e = 0; e < known->count; e++)
	{
		EVENTS_POLL(e);
		if (known->time[e] != EVENT_NO_TIME)
			first[known->item[e]] = Min(first[known->item[e]], known->time[e]);
	}
	catalogue->age = EvaluateAlloc(memory, catalogue->items, sizeof(float));
	for (int32 at = 0; at < catalogue->items; at++)
		catalogue->age[at] = first[number[at]] == DT_NOEND ? NAN :
			(float) (((double) origin - (double) first[number[at]]) / (double) USECS_PER_DAY);
}

/* The orders that are the same for everybody. */
static void
fill_orders(const EventSplit *split, const EvaluateModel *model, const int32 *number,
			EvaluateMemory *memory, EvaluateCatalogue *catalogue)
{
	int32		items = catalogue->items;
	double	   *key = EvaluateAlloc(memory, items, sizeof(double));
	double	   *recent;

	catalogue->users = EvaluateAlloc(memory, items, sizeof(int32));
	for (int32 at = 0; at < items; at++)
		key[at] = catalogue->users[at] = model->touched->item_users[number[at]];
	catalogue->by_users = EvaluateOrder(key, number, items, memory);

	/* As it would be stored: in single precision. */
	for (int32 at = 0; at < items; at++)
		key[at] = (float) model->popularity[number[at]];
	catalogue->popular = EvaluateOrder(key, number, items, memory);
	if (split->known.time == NULL || split->known.newest == EVENT_NO_TIME)
		return;

	recent = EvaluateAlloc(memory, model->touched->items, sizeof(double));
	PopularityCompute(&split->known, EVALUATE_RECENT_DAYS, EVENT_NO_TIME, recent);
	for (int32 at = 0; at < items; at++)
		key[at] = recent[number[at]];
	catalogue->recent = EvaluateOrder(key, number, items, memory);
	fill_ages(split, number, memory, catalogue);
}

int
EvaluateComparePositions(const void *left, const void *right)
{
	int32		a = *(const int32 *) left;
	int32		b = *(const int32 *) right;

	return a < b ? -1 : a > b;
}

/* Positions of what the i-th test user has seen and will see. */
static void
fill_user_items(const EventSplit *split, const EvaluateModel *model, const int32 *position,
				int32 i, EvaluateUsers *users)
{
	const Touched *touched = model->touched;
	int64		from = touched->start[split->user[i]];
	int64		to = touched->start[split->user[i] + 1];
	int64		seen = users->seen_start[i];
	int64		test = users->test_start[i];

	for (int64 pair = from; pair < to; pair++)
		users->seen[seen++] = position[touched->item[pair]];
	qsort(users->seen + users->seen_start[i], (size_t) (to - from), sizeof(int32),
		  EvaluateComparePositions);
	for (int64 pair = split->test_start[i]; pair < split->test_start[i + 1]; pair++)
	{
		if (position[split->test_item[pair]] == EVALUATE_NEVER)
			users->missing[i]++;
		else
			users->test[test++] = position[split->test_item[pair]];
	}
	qsort(users->test + users->test_start[i], (size_t) (test - users->test_start[i]),
		  sizeof(int32), EvaluateComparePositions);
	users->seen_start[i + 1] = seen;
	users->test_start[i + 1] = test;
}

/* The user's row as it would be published; nobody of whom nothing was learned has one. */
static void
fill_user_vector(const EvaluateModel *model, const EvaluateCatalogue *catalogue, int32 row,
				 float *vector, uint8 *has_vector)
{
	const CrTrained *trained = &model->result.trained;

	*has_vector = 0;
	if (catalogue->dims == 0 || row < 0)
		return;
	if (catalogue->lists.rows > 0)
		*has_vector = model->result.users.start[row + 1] > model->result.users.start[row];
	else
		memcpy(vector, trained->user_factors + (Size) row * trained->stride,
			   (Size) catalogue->factors * sizeof(float));
	for (int32 i = 0; i < catalogue->factors; i++)
		*has_vector |= vector[i] != 0;
	if (catalogue->dims > catalogue->factors)
		vector[catalogue->factors] = 1;
}

/* One of the items that a user is scored by. */
typedef struct Liked
{
	int32		position;
	float		weight;
} Liked;

static int
compare_liked(const void *left, const void *right)
{
	int32		a = ((const Liked *) left)->position;
	int32		b = ((const Liked *) right)->position;

	return a < b ? -1 : a > b;
}

/* What the test users are scored by, ascending by position. */
static void
fill_liked(const EventSplit *split, const EvaluateModel *model, const int32 *number,
		   const int32 *position, EvaluateMemory *memory, EvaluateUsers *users)
{
	const CrCsr *pairs = &model->result.users;
	int32	   *number_of_row = EvaluateAlloc(memory, pairs->columns, sizeof(int32));
	int64		total = 0;
	int64		widest = 0;
	Liked	   *row;

	for (int32 at = 0; at < pairs->columns; at++)
		number_of_row[model->row_of_item[number[at]]] = number[at];
	users->liked_start = EvaluateAlloc(memory, (int64) split->users + 1, sizeof(int64));
	for (int32 i = 0; i < split->users; i++)
	{
		int32		user = model->row_of_user[split->user[i]];
		int64		count = user < 0 ? 0 : pairs->start[user + 1] - pairs->start[user];

		users->liked_start[i] = total;
		total += count;
		widest = Max(widest, count);
	}
	users->liked_start[split->users] = total;
	users->liked = EvaluateAlloc(memory, total, sizeof(int32));
	users->liked_weight = EvaluateAlloc(memory, total, sizeof(float));
	row = EvaluateAlloc(memory, widest, sizeof(Liked));
	for (int32 i = 0; i < split->users; i++)
	{
		int64		to = users->liked_start[i];
		int64		count = users->liked_start[i + 1] - to;
		int64		from = count == 0 ? 0 : pairs->start[model->row_of_user[split->user[i]]];

		CHECK_FOR_INTERRUPTS();
		for (int64 j = 0; j < count; j++)
		{
			row[j].position = position[number_of_row[pairs->column[from + j]]];
			row[j].weight = pairs->weight == NULL ? 1.0f : pairs->weight[from + j];
		}
		qsort(row, (size_t) count, sizeof(Liked), compare_liked);
		for (int64 j = 0; j < count; j++)
		{
			users->liked[to + j] = row[j].position;
			users->liked_weight[to + j] = row[j].weight;
		}
	}
}

static void
alloc_users(const EventSplit *split, const EvaluateModel *model,
			const EvaluateCatalogue *catalogue, EvaluateMemory *memory, EvaluateUsers *users)
{
	int64		seen = 0;

	memset(users, 0, sizeof(EvaluateUsers));
	users->users = split->users;
	for (int32 i = 0; i < split->users; i++)
		seen += model->touched->start[split->user[i] + 1] - model->touched->start[split->user[i]];
	users->seen_start = EvaluateAlloc(memory, (int64) split->users + 1, sizeof(int64));
	users->seen = EvaluateAlloc(memory, seen, sizeof(int32));
	users->test_start = EvaluateAlloc(memory, (int64) split->users + 1, sizeof(int64));
	users->test = EvaluateAlloc(memory, split->test_start[split->users], sizeof(int32));
	users->missing = EvaluateAlloc(memory, split->users, sizeof(int32));
	users->has_vector = EvaluateAlloc(memory, split->users, 1);
	users->vector = EvaluateAlloc(memory, (int64) split->users * catalogue->stride,
								  sizeof(float));
	memset(users->missing, 0, (Size) split->users * sizeof(int32));
	memset(users->vector, 0, (Size) split->users * (Size) catalogue->stride * sizeof(float));
	users->seen_start[0] = 0;
	users->test_start[0] = 0;
}

void
EvaluateModelCase(const EventSplit *split, const EvaluateModel *model, EvaluateMemory *memory,
				  EvaluateCatalogue *catalogue, EvaluateUsers *users)
{
	int32	   *number;
	int32	   *position;

	memset(catalogue, 0, sizeof(EvaluateCatalogue));
	catalogue->items = model->items;
	catalogue->known_users = model->users;
	set_dims(model, catalogue);
	number = order_items(model, memory, catalogue);
	fill_vectors(model, number, memory, catalogue);
	fill_lists(model, number, memory, catalogue);
	fill_orders(split, model, number, memory, catalogue);

	position = EvaluateAlloc(memory, model->touched->items, sizeof(int32));
	for (int32 item = 0; item < model->touched->items; item++)
		position[item] = EVALUATE_NEVER;
	for (int32 at = 0; at < catalogue->items; at++)
		position[number[at]] = at;
	alloc_users(split, model, catalogue, memory, users);
	if (catalogue->lists.rows > 0)
		fill_liked(split, model, number, position, memory, users);
	for (int32 i = 0; i < split->users; i++)
	{
		EVENTS_POLL(i);
		fill_user_items(split, model, position, i, users);
		fill_user_vector(model, catalogue, model->row_of_user[split->user[i]],
						 users->vector + (Size) i * (Size) catalogue->stride,
						 &users->has_vector[i]);
	}
}
