/*
 * evaluate_rank.c
 *		The best items of every test user: by a model, or in an order that is the same for all.
 *
 * Users are scored in batches by one matrix product for the whole catalogue;
 * what might be among the best is then scored again as recommend() would, so
 * that the lists are the same item by item.
 */
#include "postgres.h"

#include <cblas.h>
#include <float.h>
#include <math.h>

#include "miscadmin.h"

#include "common/guc.h"
#include "core/metrics.h"
#include "core/rank.h"
#include "core/vector.h"
#include "train/evaluate_internal.h"

#define BATCH_USERS		64
#define BATCH_FLOATS	4194304		/* scores in memory, unless one user has more */
#define TILE_ITEMS		16384		/* of a product between two polls: some ms */

typedef struct Ranker
{
	const EvaluateCatalogue *catalogue;
	const EvaluateUsers *users;
	EvaluateLists *lists;
	CrSimd		simd;
	int32		batch_users;
	float	   *scores;			/* batch_users x items */
	float		norm;			/* of the longest item */
	int32	   *candidates;		/* items */
	CrScored   *entries;		/* k: a first and a second list */
	CrScored   *exact;
} Ranker;

static void
lists_alloc(const EvaluateUsers *users, int32 items, EvaluateMemory *memory,
			EvaluateLists *lists)
{
	lists->k = Min(lists->k, Max(items, 1));
	lists->count = EvaluateAlloc(memory, users->users, sizeof(int32));
	lists->position = EvaluateAlloc(memory, (int64) users->users * lists->k, sizeof(int32));
	lists->auc = EvaluateAlloc(memory, users->users, sizeof(float));
}

static bool
contains(const int32 *ascending, int64 count, int32 position)
{
	int64		low = 0;
	int64		high = count;

	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		if (ascending[middle] < position)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && ascending[low] == position;
}

static bool
is_seen(const EvaluateUsers *users, int32 user, int32 position)
{
	int64		from = users->seen_start[user];

	return contains(users->seen + from, users->seen_start[user + 1] - from, position);
}

static int32
test_count(const EvaluateUsers *users, int32 user)
{
	return (int32) (users->test_start[user + 1] - users->test_start[user]);
}

/* Wins of the user's test items over what he has not seen and will not, over all such pairs. */
static float
auc_from_wins(const EvaluateCatalogue *catalogue, const EvaluateUsers *users, int32 user,
			  double wins)
{
	double		positives = test_count(users, user);
	double		negatives = catalogue->items - positives -
		(double) (users->seen_start[user + 1] - users->seen_start[user]);

	return positives > 0 && negatives > 0 ? (float) (wins / (positives * negatives)) : NAN;
}

/* AUC from the scores of the whole catalogue, in which what was seen is -infinity. */
static float
auc_of_scores(const Ranker *ranker, int32 user, const float *scores)
{
	const EvaluateUsers *users = ranker->users;
	int32		items = ranker->catalogue->items;
	int32		tests = test_count(users, user);
	const int32 *test = users->test + users->test_start[user];
	double		lost = 0;
	double		negatives = items - tests -
		(double) (users->seen_start[user + 1] - users->seen_start[user]);

	for (int32 i = 0; i < tests; i++)
	{
		int32		equal;
		int32		above = cr_rank_above(ranker->simd, scores, items, scores[test[i]], &equal);

		CHECK_FOR_INTERRUPTS();
		lost += above + 0.5 * (equal - 1);
	}

	/* Test items that beat each other are no losses: each pair of them counts one in all. */
	lost -= 0.5 * tests * (tests - 1.0);
	return auc_from_wins(ranker->catalogue, users, user, tests * negatives - lost);
}

/* The best of the candidates by exact scores, ties by position. */
static void
rank_exactly(Ranker *ranker, int32 user, int32 count)
{
	const EvaluateCatalogue *catalogue = ranker->catalogue;
	EvaluateLists *lists = ranker->lists;
	const float *vector = ranker->users->vector + (Size) user * (Size) catalogue->stride;
	int32	   *list = lists->position + (Size) user * (Size) lists->k;
	CrTopK		top;

	cr_topk_init(&top, ranker->exact, lists->k);
	for (int32 i = 0; i < count; i++)
	{
		int32		position = ranker->candidates[i];

		cr_topk_offer(&top, cr_dot(vector, catalogue->vector +
								   (Size) position * (Size) catalogue->stride,
								   catalogue->dims), position);
	}
	cr_topk_sort(&top);
	lists->count[user] = top.count;
	for (int32 i = 0; i < top.count; i++)
		list[i] = top.entries[i].item_no;
}

static void
rank_user(Ranker *ranker, int32 user, float *scores)
{
	const EvaluateCatalogue *catalogue = ranker->catalogue;
	const EvaluateUsers *users = ranker->users;
	const float *vector = users->vector + (Size) user * (Size) catalogue->stride;
	CrTopK		top;
	float		slack;

	for (int64 i = users->seen_start[user]; i < users->seen_start[user + 1]; i++)
		scores[users->seen[i]] = -INFINITY;

	/* Two sums of the same products differ by at most this: each is off by dims roundings. */
	slack = 2 * (float) catalogue->dims * FLT_EPSILON *
		cr_norm_upper(vector, catalogue->dims) * ranker->norm;
	cr_topk_init(&top, ranker->entries, ranker->lists->k);
	rank_exactly(ranker, user, cr_rank_candidates(ranker->simd, scores, catalogue->items,
												  slack, &top, ranker->candidates));
	ranker->lists->auc[user] = auc_of_scores(ranker, user, scores);
}

static void
score_batch(const Ranker *ranker, int32 from, int32 count)
{
	const EvaluateCatalogue *catalogue = ranker->catalogue;
	Size		stride = (Size) catalogue->stride;

	for (int32 first = 0; first < catalogue->items; first += TILE_ITEMS)
	{
		CHECK_FOR_INTERRUPTS();
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count,
					Min(TILE_ITEMS, catalogue->items - first), catalogue->dims, 1.0f,
					ranker->users->vector + (Size) from * stride, catalogue->stride,
					catalogue->vector + (Size) first * stride, catalogue->stride, 0.0f,
					ranker->scores + first, catalogue->items);
	}
}

/* Places of the positions in an order. */
static int32 *
invert(const int32 *order, int32 items, EvaluateMemory *memory)
{
	int32	   *place = EvaluateAlloc(memory, items, sizeof(int32));

	for (int32 i = 0; i < items; i++)
		place[order[i]] = i;
	return place;
}

/* AUC of an order: of what is above a test item, what was seen does not count. */
static float
auc_of_order(const EvaluateCatalogue *catalogue, const EvaluateUsers *users, int32 user,
			 const int32 *place)
{
	int32		tests = test_count(users, user);
	double		negatives = catalogue->items - tests -
		(double) (users->seen_start[user + 1] - users->seen_start[user]);
	double		lost = -0.5 * tests * (tests - 1.0);

	for (int64 i = users->test_start[user]; i < users->test_start[user + 1]; i++)
	{
		int32		above = place[users->test[i]];

		CHECK_FOR_INTERRUPTS();
		for (int64 j = users->seen_start[user]; j < users->seen_start[user + 1]; j++)
			above -= place[users->seen[j]] < place[users->test[i]];
		lost += above;
	}
	return auc_from_wins(catalogue, users, user, tests * negatives - lost);
}

/* The first of an order that the user has not seen. */
static void
list_from_order(const EvaluateCatalogue *catalogue, const EvaluateUsers *users, int32 user,
				const int32 *order, EvaluateLists *lists)
{
	int32	   *list = lists->position + (Size) user * (Size) lists->k;
	int32		count = 0;

	for (int32 i = 0; i < catalogue->items && count < lists->k; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!is_seen(users, user, order[i]))
			list[count++] = order[i];
	}
	lists->count[user] = count;
}

/* One candidate of the sampled protocol. */
typedef struct Candidate
{
	double		score;
	int32		position;
} Candidate;

static int
compare_candidates(const void *left, const void *right)
{
	const Candidate *a = (const Candidate *) left;
	const Candidate *b = (const Candidate *) right;

	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	return a->position < b->position ? -1 : a->position > b->position;
}

/* By the model where it knows the user, else by place in an order. */
static double
candidate_score(const EvaluateCatalogue *catalogue, const EvaluateUsers *users, int32 user,
				const int32 *place, int32 position)
{
	if (place != NULL)
		return -(double) place[position];
	return cr_dot(users->vector + (Size) user * (Size) catalogue->stride,
				  catalogue->vector + (Size) position * (Size) catalogue->stride,
				  catalogue->dims);
}

/* AUC of sorted candidates. */
static float
auc_of_candidates(const EvaluateUsers *users, int32 user, const Candidate *candidates,
				  int64 count)
{
	const int32 *test = users->test + users->test_start[user];
	CrAuc		auc = {0, 0, 0};
	int64		i = 0;

	while (i < count)
	{
		double		score = candidates[i].score;
		int64		positives = 0;
		int64		from = i;

		for (; i < count && candidates[i].score == score; i++)
			positives += contains(test, test_count(users, user), candidates[i].position);
		cr_auc_add(&auc, positives, i - from - positives);
	}
	return (float) cr_auc_value(&auc);
}

/* Rank the user's test items among his negatives.  place: NULL for the model. */
static void
rank_candidates(const EvaluateCatalogue *catalogue, const EvaluateUsers *users, int32 user,
				const int32 *place, EvaluateLists *lists)
{
	int64		negatives = users->negative_start[user + 1] - users->negative_start[user];
	int64		count = test_count(users, user) + negatives;
	Candidate  *candidates = palloc((Size) Max(count, 1) * sizeof(Candidate));
	int32	   *list = lists->position + (Size) user * (Size) lists->k;

	for (int64 i = 0; i < count; i++)
	{
		candidates[i].position = i < negatives ?
			users->negative[users->negative_start[user] + i] :
			users->test[users->test_start[user] + i - negatives];
		candidates[i].score = candidate_score(catalogue, users, user, place,
											  candidates[i].position);
	}
	qsort(candidates, (size_t) count, sizeof(Candidate), compare_candidates);
	lists->count[user] = (int32) Min(count, lists->k);
	for (int32 i = 0; i < lists->count[user]; i++)
		list[i] = candidates[i].position;
	lists->auc[user] = auc_of_candidates(users, user, candidates, count);
	pfree(candidates);
}

static void
order_user(const EvaluateCatalogue *catalogue, const EvaluateUsers *users, int32 user,
		   const int32 *order, const int32 *place, EvaluateLists *lists)
{
	CHECK_FOR_INTERRUPTS();
	if (users->negative_start != NULL)
	{
		rank_candidates(catalogue, users, user, place, lists);
		return;
	}
	list_from_order(catalogue, users, user, order, lists);
	lists->auc[user] = auc_of_order(catalogue, users, user, place);
}

void
EvaluateRankOrder(const EvaluateCatalogue *catalogue, const int32 *order,
				  const EvaluateUsers *users, EvaluateMemory *memory, EvaluateLists *lists)
{
	int32	   *place = invert(order, catalogue->items, memory);

	lists_alloc(users, catalogue->items, memory, lists);
	for (int32 user = 0; user < users->users; user++)
		order_user(catalogue, users, user, order, place, lists);
}

static void
ranker_init(Ranker *ranker, EvaluateMemory *memory)
{
	const EvaluateCatalogue *catalogue = ranker->catalogue;
	int32		items = Max(catalogue->items, 1);

	lists_alloc(ranker->users, catalogue->items, memory, ranker->lists);
	ranker->simd = CommrecSimd();
	ranker->batch_users = Max(1, Min(BATCH_USERS, BATCH_FLOATS / items));
	ranker->scores = EvaluateAlloc(memory, (int64) ranker->batch_users * items, sizeof(float));
	ranker->candidates = EvaluateAlloc(memory, items, sizeof(int32));
	ranker->entries = palloc((Size) ranker->lists->k * sizeof(CrScored));
	ranker->exact = palloc((Size) ranker->lists->k * sizeof(CrScored));
	/* Positions are in descending order of norm. */
	ranker->norm = catalogue->items > 0 ? cr_norm_upper(catalogue->vector, catalogue->dims) : 0;
}

void
EvaluateRankModel(const EvaluateCatalogue *catalogue, const EvaluateUsers *users,
				  EvaluateMemory *memory, EvaluateLists *lists)
{
	Ranker		ranker = {.catalogue = catalogue, .users = users, .lists = lists};
	int32	   *place = invert(catalogue->popular, catalogue->items, memory);

	ranker_init(&ranker, memory);
	for (int32 from = 0; from < users->users; from += ranker.batch_users)
	{
		int32		count = Min(ranker.batch_users, users->users - from);

		if (users->negative_start == NULL && catalogue->dims > 0)
			score_batch(&ranker, from, count);
		for (int32 user = from; user < from + count; user++)
		{
			CHECK_FOR_INTERRUPTS();
			if (!users->has_vector[user])
				order_user(catalogue, users, user, catalogue->popular, place, lists);
			else if (users->negative_start != NULL)
				rank_candidates(catalogue, users, user, NULL, lists);
			else
				rank_user(&ranker, user, ranker.scores + (Size) (user - from) *
						  (Size) catalogue->items);
		}
	}
}
