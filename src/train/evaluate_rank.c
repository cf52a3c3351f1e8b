/*
 * evaluate_rank.c
 *		The best items of every test user: by a model, or in an order that is the same for all.
 *
 * The lists of a model come from the kernel that answers many users at once
 * (core/batch.h), which gives what recommend() gives, item by item.  AUC needs
 * the scores of the whole catalogue: a matrix product for a batch of users, of
 * at most AUC_USERS_MAX users drawn by seed, which tells it to three digits.
 */
#include "postgres.h"

#include <cblas.h>
#include <math.h>

#include "miscadmin.h"
#include "storage/shmem.h"

#include "common/errors.h"
#include "common/guc.h"
#include "core/batch.h"
#include "core/metrics.h"
#include "core/rank.h"
#include "core/vector.h"
#include "train/evaluate_internal.h"

#define BLOCK_USERS		192			/* whose lists are made together */
#define BATCH_USERS		64			/* scored by one matrix product */
#define BATCH_FLOATS	4194304		/* scores in memory, unless one user has more */
#define TILE_ITEMS		16384		/* of a product between two polls: some ms */
#define AUC_USERS_MAX	5000

typedef struct Ranker
{
	const EvaluateCatalogue *catalogue;
	const EvaluateUsers *users;
	EvaluateMemory *memory;
	EvaluateLists *lists;
	CrSimd		simd;
	CrBatchItems items;
	CrBatchBlock block;
	int32		member[BLOCK_USERS];	/* numbers of the users in the block */
	CrScored   *entries;		/* BLOCK_USERS x k */
	uint32	   *seen;			/* as the kernel reads them, see core/seen.h */
	float	   *vectors;		/* BATCH_USERS rows */
	float	   *scores;			/* BATCH_USERS x items, or fewer rows */
	int32		batch_users;
	CrNeighborSums sums;		/* of one user, where the model is lists */
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

/* A user whom the model knows joins the block. */
static void
add_to_block(Ranker *ranker, int32 user)
{
	const EvaluateUsers *users = ranker->users;
	int32		place = ranker->block.users;
	int32		k = ranker->lists->k;
	CrBatchUser added = {.seen = ranker->seen + users->seen_start[user],
		.seen_count = (uint32) (users->seen_start[user + 1] - users->seen_start[user]),
	.exclude_seen = 1};

	cr_topk_init(&added.top, ranker->entries + (Size) place * (Size) k, k);
	CheckComputation(cr_batch_block_add(&ranker->block, users->vector + (Size) user *
										(Size) ranker->catalogue->stride,
										ranker->catalogue->dims, &added),
					 "norm of a user's embedding");
	ranker->member[place] = user;
}

/* Tile after tile of the items, as long as one of them may matter to somebody. */
static void
rank_block(Ranker *ranker)
{
	CrBatchBlock *block = &ranker->block;
	EvaluateLists *lists = ranker->lists;
	int32		tile = cr_batch_tile(ranker->items.dims);

	for (int32 panel = 0; panel < ranker->items.panels && block->racing > 0; panel += tile)
	{
		CHECK_FOR_INTERRUPTS();
		CheckComputation(cr_batch_scan(ranker->simd, &ranker->items, block, panel,
									   Min(panel + tile, ranker->items.panels)),
						 "score of an item");
	}
	for (int32 i = 0; i < block->users; i++)
	{
		CrTopK	   *top = &block->user[i].top;
		int32	   *list = lists->position + (Size) ranker->member[i] * (Size) lists->k;

		CHECK_FOR_INTERRUPTS();
		cr_topk_sort(top);
		lists->count[ranker->member[i]] = top->count;
		for (int32 j = 0; j < top->count; j++)
			list[j] = top->entries[j].item_no;
	}
	cr_batch_block_clear(block);
}

/* Scores of "count" users for the whole catalogue. */
static void
score_batch(const Ranker *ranker, int32 count)
{
	const EvaluateCatalogue *catalogue = ranker->catalogue;

	for (int32 first = 0; first < catalogue->items; first += TILE_ITEMS)
	{
		CHECK_FOR_INTERRUPTS();
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count,
					Min(TILE_ITEMS, catalogue->items - first), catalogue->dims, 1.0f,
					ranker->vectors, catalogue->stride,
					catalogue->vector + (Size) first * (Size) catalogue->stride,
					catalogue->stride, 0.0f, ranker->scores + first, catalogue->items);
	}
}

/* AUC of the users of a batch. */
static void
measure_batch(Ranker *ranker, const int32 *members, int32 count)
{
	const EvaluateUsers *users = ranker->users;
	Size		stride = (Size) ranker->catalogue->stride;

	for (int32 i = 0; i < count; i++)
		memcpy(ranker->vectors + (Size) i * stride, users->vector + (Size) members[i] * stride,
			   stride * sizeof(float));
	score_batch(ranker, count);
	for (int32 i = 0; i < count; i++)
	{
		float	   *scores = ranker->scores + (Size) i * (Size) ranker->catalogue->items;
		int32		user = members[i];

		for (int64 j = users->seen_start[user]; j < users->seen_start[user + 1]; j++)
			scores[users->seen[j]] = -INFINITY;
		ranker->lists->auc[user] = auc_of_scores(ranker, user, scores);
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

/* Scores of the whole catalogue for one user of a model of lists. */
static void
score_by_lists(const EvaluateCatalogue *catalogue, const EvaluateUsers *users, int32 user,
			   CrNeighborSums *sums, float *scores)
{
	int64		from = users->liked_start[user];

	TrainerListSums(&catalogue->lists, users->liked + from, users->liked_weight + from,
					users->liked_start[user + 1] - from, sums);
	for (int32 at = 0; at < catalogue->items; at++)
		scores[at] = cr_neighbor_score(cr_neighbor_sum(sums, at),
									   catalogue->vector[(Size) at * (Size) catalogue->stride]);
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
				const int32 *place, const float *scores, int32 position)
{
	if (place != NULL)
		return -(double) place[position];
	if (scores != NULL)
		return scores[position];
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

/*
 * Rank the user's test items among his negatives.  place: NULL for the model;
 * scores: of the catalogue, NULL where they are inner products.
 */
static void
rank_candidates(const EvaluateCatalogue *catalogue, const EvaluateUsers *users, int32 user,
				const int32 *place, const float *scores, EvaluateLists *lists)
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
		candidates[i].score = candidate_score(catalogue, users, user, place, scores,
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
		rank_candidates(catalogue, users, user, place, NULL, lists);
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

/* Memory aligned as the kernel wants it. */
static void *
alloc_aligned(EvaluateMemory *memory, Size bytes)
{
	char	   *block = EvaluateAlloc(memory, 1, add_size(bytes, CR_BATCH_ALIGNMENT));

	return (void *) TYPEALIGN(CR_BATCH_ALIGNMENT, block);
}

static void
ranker_init(Ranker *ranker)
{
	const EvaluateCatalogue *catalogue = ranker->catalogue;
	const EvaluateUsers *users = ranker->users;
	EvaluateMemory *memory = ranker->memory;
	int64		seen = users->seen_start[users->users];

	ranker->simd = CommrecSimd();
	cr_batch_items_view(&ranker->items, catalogue->items, catalogue->dims,
						alloc_aligned(memory, cr_batch_items_size(catalogue->items,
																  catalogue->dims)));
	cr_batch_items_begin(&ranker->items);
	for (int32 at = 0; at < catalogue->items; at++)
	{
		CHECK_FOR_INTERRUPTS();
		cr_batch_items_put(&ranker->items, at,
						   catalogue->vector + (Size) at * (Size) catalogue->stride);
	}
	cr_batch_items_end(&ranker->items);
	cr_batch_block_init(&ranker->block, BLOCK_USERS, catalogue->dims,
						alloc_aligned(memory, cr_batch_block_size(BLOCK_USERS, catalogue->dims)));
	cr_batch_block_clear(&ranker->block);
	ranker->entries = EvaluateAlloc(memory, (int64) BLOCK_USERS * ranker->lists->k,
									sizeof(CrScored));
	ranker->seen = EvaluateAlloc(memory, seen, sizeof(uint32));
	for (int64 i = 0; i < seen; i++)
		ranker->seen[i] = (uint32) users->seen[i] << 1;
	ranker->batch_users = Max(1, Min(BATCH_USERS, BATCH_FLOATS / Max(catalogue->items, 1)));
	ranker->vectors = EvaluateAlloc(memory, (int64) ranker->batch_users * catalogue->stride,
									sizeof(float));
	ranker->scores = EvaluateAlloc(memory, (int64) ranker->batch_users * catalogue->items,
								   sizeof(float));
}

/* AUC of all whom the model knows, or of a sample of them. */
static void
measure_users(Ranker *ranker)
{
	const EvaluateUsers *users = ranker->users;
	int32		total = 0;
	int32		seen = 0;
	int32		taken = 0;
	int32		members[BATCH_USERS];
	int32		count = 0;
	CrRng		rng;

	for (int32 user = 0; user < users->users; user++)
		total += users->has_vector[user];
	cr_rng_init(&rng, 0, EVALUATE_STREAM_AUC);
	for (int32 user = 0; user < users->users; user++)
	{
		if (!users->has_vector[user])
			continue;
		ranker->lists->auc[user] = NAN;
		/* Every subset is equally likely (Knuth's selection sampling). */
		if (cr_rng_uniform(&rng) * (total - seen++) < Min(total, AUC_USERS_MAX) - taken)
		{
			members[count++] = user;
			taken++;
		}
		if (count == ranker->batch_users)
		{
			measure_batch(ranker, members, count);
			count = 0;
		}
	}
	if (count > 0)
		measure_batch(ranker, members, count);
}

/* The whole catalogue, for those whom the model knows. */
static void
rank_known(Ranker *ranker)
{
	const EvaluateUsers *users = ranker->users;

	ranker_init(ranker);
	for (int32 user = 0; user < users->users; user++)
	{
		if (!users->has_vector[user])
			continue;
		add_to_block(ranker, user);
		if (ranker->block.users == BLOCK_USERS)
			rank_block(ranker);
	}
	rank_block(ranker);
}

/* The best of one user by their scores, what was seen being -infinity. */
static void
list_from_scores(Ranker *ranker, int32 user, const float *scores)
{
	EvaluateLists *lists = ranker->lists;
	int32	   *list = lists->position + (Size) user * (Size) lists->k;
	CrTopK		top;

	cr_topk_init(&top, ranker->entries, lists->k);
	for (int32 at = 0; at < ranker->catalogue->items; at++)
	{
		if (scores[at] != -INFINITY)
			cr_topk_offer(&top, scores[at], at);
	}
	cr_topk_sort(&top);
	lists->count[user] = top.count;
	for (int32 i = 0; i < top.count; i++)
		list[i] = top.entries[i].item_no;
	lists->auc[user] = auc_of_scores(ranker, user, scores);
}

/* A model of lists: users one by one. */
static void
rank_by_lists(Ranker *ranker)
{
	const EvaluateCatalogue *catalogue = ranker->catalogue;
	const EvaluateUsers *users = ranker->users;
	int32		pages = cr_neighbor_pages(catalogue->items);

	ranker->simd = CommrecSimd();
	cr_neighbor_sums_init(&ranker->sums, catalogue->items,
						  EvaluateAlloc(ranker->memory, pages, sizeof(int32)),
						  EvaluateAlloc(ranker->memory, (int64) pages * CR_NEIGHBOR_PAGE,
										sizeof(double)), pages);
	ranker->scores = EvaluateAlloc(ranker->memory, catalogue->items, sizeof(float));
	ranker->entries = EvaluateAlloc(ranker->memory, ranker->lists->k, sizeof(CrScored));
	for (int32 user = 0; user < users->users; user++)
	{
		if (!users->has_vector[user])
			continue;
		CHECK_FOR_INTERRUPTS();
		score_by_lists(catalogue, users, user, &ranker->sums, ranker->scores);
		if (users->negative_start != NULL)
		{
			rank_candidates(catalogue, users, user, NULL, ranker->scores, ranker->lists);
			continue;
		}
		for (int64 i = users->seen_start[user]; i < users->seen_start[user + 1]; i++)
			ranker->scores[users->seen[i]] = -INFINITY;
		list_from_scores(ranker, user, ranker->scores);
	}
}

void
EvaluateRankModel(const EvaluateCatalogue *catalogue, const EvaluateUsers *users,
				  bool with_auc, EvaluateMemory *memory, EvaluateLists *lists)
{
	Ranker		ranker = {.catalogue = catalogue, .users = users, .memory = memory,
	.lists = lists};
	int32	   *place = invert(catalogue->popular, catalogue->items, memory);

	lists_alloc(users, catalogue->items, memory, lists);
	for (int32 user = 0; user < users->users; user++)
	{
		if (!users->has_vector[user])
			order_user(catalogue, users, user, catalogue->popular, place, lists);
		else if (users->negative_start != NULL && catalogue->lists.rows == 0)
			rank_candidates(catalogue, users, user, NULL, NULL, lists);
	}
	if (catalogue->lists.rows > 0)
	{
		rank_by_lists(&ranker);
		return;
	}
	if (users->negative_start != NULL || catalogue->dims == 0)
		return;
	rank_known(&ranker);
	if (with_auc)
		measure_users(&ranker);
}
