/*
 * evaluate_learn.c
 *		A model trained in memory on the known events of a split, and its catalogue.
 *
 * Learning is what commrec.train() does, by the same functions: preferences,
 * defaults from the data, validation of the weight of popularity, engine.  Only
 * users and items that the known events have take part, under numbers of their
 * own, so that nothing is known of what comes later, not even that there is
 * something.
 */
#include "postgres.h"

#include <math.h>

#include "utils/timestamp.h"

#include "common/errors.h"
#include "core/vector.h"
#include "train/blend.h"
#include "train/evaluate_internal.h"
#include "train/events_internal.h"

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

/* The pairs under the engine's numbers; "start" has an offset for every number of a user. */
static void
fill_engine(const EvaluateModel *model, const PositiveFilter *filter, int64 *start,
			EngineArrays *arrays)
{
	const Touched *touched = model->touched;

	PositiveFill(touched, filter, start, arrays->column, arrays->weight);
	for (int32 user = 0; user < touched->users; user++)
	{
		EVENTS_POLL(user);
		if (model->row_of_user[user] >= 0)
			arrays->start[model->row_of_user[user]] = start[user];
	}
	arrays->start[model->users] = start[touched->users];
	for (int64 pair = 0; pair < touched->positive; pair++)
	{
		EVENTS_POLL(pair);
		arrays->column[pair] = model->row_of_item[arrays->column[pair]];
	}
}

static void
run_engine(const PositiveFilter *filter, int workers, EvaluateMemory *memory,
		   Progress *progress, EvaluateModel *model)
{
	EngineParams params;
	EngineArrays arrays;
	int64	   *start;

	EngineParamsInit(&model->used, &params);
	params.users = model->users;
	params.items = model->items;
	params.pairs = model->touched->positive;
	params.is_weighted = !PositiveAreEqual(model->touched, filter);
	params.workers = workers;
	params.phase = "evaluating";
	start = EvaluateAlloc(memory, (int64) model->touched->users + 1, sizeof(int64));
	model->engine = EngineCreate(&params, memory->budget, &arrays);
	fill_engine(model, filter, start, &arrays);
	EnginePrepare(model->engine);
	EngineRun(model->engine, progress, &model->result);
}

void
EvaluateLearn(const EventSplit *split, const Recipe *recipe, EvaluateMemory *memory,
			  Progress *progress, EvaluateModel *model)
{
	const CrHyperparameters *given = recipe->given;
	TouchedOptions options = {given->half_life, EVENT_NO_TIME};
	PositiveFilter filter = {given->alpha, (int32) given->min_item_users,
	(int32) given->min_user_items};

	memset(model, 0, sizeof(EvaluateModel));
	model->touched = TouchedBuild(&split->known, &options, memory->budget);
	PositiveCount(model->touched, &filter);
	number_rows(memory, model);
	choose_hyperparameters(split, recipe, memory, progress, model);
	compute_popularity(split, memory, model);
	if (model->users > 1 && model->items > 1 && model->touched->positive > 0)
		run_engine(&filter, recipe->workers, memory, progress, model);
}

void
EvaluateForget(EvaluateModel *model, EvaluateMemory *memory)
{
	if (model->engine != NULL)
		EngineDestroy(model->engine, memory->budget);
	TouchedFree(model->touched, memory->budget);
	model->engine = NULL;
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
	memcpy(vector, model->result.item_factors +
		   (Size) model->row_of_item[item] * model->result.stride,
		   (Size) catalogue->factors * sizeof(float));
	if (model->popularity_score != NULL)
		vector[catalogue->factors] = model->popularity_score[item];
}

static void
set_dims(const EvaluateModel *model, EvaluateCatalogue *catalogue)
{
	if (model->engine == NULL)
		return;
	catalogue->factors = (int32) model->used.factors;
	catalogue->dims = catalogue->factors + (model->popularity_score != NULL ? 1 : 0);
	catalogue->stride = cr_factor_stride(catalogue->dims);
}

/* Item numbers by position: those of the known events, in descending order of norm. */
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
		if (catalogue->dims > 0)
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
	*has_vector = 0;
	if (catalogue->dims == 0 || row < 0)
		return;
	memcpy(vector, model->result.user_factors + (Size) row * model->result.stride,
		   (Size) catalogue->factors * sizeof(float));
	for (int32 i = 0; i < catalogue->factors; i++)
		*has_vector |= vector[i] != 0;
	if (catalogue->dims > catalogue->factors)
		vector[catalogue->factors] = 1;
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
	fill_orders(split, model, number, memory, catalogue);

	position = EvaluateAlloc(memory, model->touched->items, sizeof(int32));
	for (int32 item = 0; item < model->touched->items; item++)
		position[item] = EVALUATE_NEVER;
	for (int32 at = 0; at < catalogue->items; at++)
		position[number[at]] = at;
	alloc_users(split, model, catalogue, memory, users);
	for (int32 i = 0; i < split->users; i++)
	{
		EVENTS_POLL(i);
		fill_user_items(split, model, position, i, users);
		fill_user_vector(model, catalogue, model->row_of_user[split->user[i]],
						 users->vector + (Size) i * (Size) catalogue->stride,
						 &users->has_vector[i]);
	}
}
