/*
 * lists.c
 *		Scores that the lists of a user's items add up to.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/shmem.h"

#include "common/errors.h"
#include "common/guc.h"
#include "core/neighbor_search.h"
#include "serve/lists.h"
#include "serve/search.h"

/* The pool of a diversified answer, as the core asks about it. */
typedef struct ListPool
{
	ServeView  *view;
	const CrScored *best;
	int32		count;
	double	   *norm;			/* of the items' lists */
	CrNeighborSums sums;		/* the list of the item that the others are compared with */
} ListPool;

/* Sums of which nothing is reached, in the current context. */
static void
BeginSums(CrNeighborSums *sums, int32 items)
{
	cr_neighbor_sums_init(sums, items, AllocateHuge(cr_neighbor_pages(items), sizeof(int32)), NULL, 0);
}

/* Add a list, making room for it. */
static void
AddList(CrNeighborSums *sums, const CrNeighborList *list, float confidence)
{
	int32		wanted = cr_neighbor_sums_wanted(sums, list->count);

	if (wanted > sums->room)
	{
		wanted = (int32) Min(2 * (int64) wanted, cr_neighbor_pages(sums->items));
		if (sums->sum == NULL)
			sums->sum = AllocateHuge(wanted, sizeof(double) * CR_NEIGHBOR_PAGE);
		else
			sums->sum = repalloc_huge(sums->sum,
									  mul_size(wanted, sizeof(double) * CR_NEIGHBOR_PAGE));
		sums->room = wanted;
	}
	cr_neighbor_sums_add(sums, list, confidence);
}

static void
EndSums(CrNeighborSums *sums)
{
	if (sums->sum != NULL)
		pfree(sums->sum);
	pfree(sums->page);
}

/* What all items of a user add up to. */
static void
AddUpUser(ServeView *view, const StoredUser *user, CrNeighborSums *sums)
{
	for (uint32 i = 0; i < user->seen_count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (user->confidence[i] > 0)
			AddList(sums, ServeViewList(view, (int32) (user->seen[i] >> 1)), user->confidence[i]);
	}
}

int32
SearchByLists(ServeView *view, Eligible *eligible, int32 k, CrScored **best)
{
	SearchSource source;
	CrCatalogue catalogue;
	CrSearch   *search = palloc(sizeof(CrSearch));
	CrNeighborSums sums;
	CrStatus	status;
	CrTopK		top;

	SearchCatalogue(&source, view, eligible, &catalogue);
	BeginSums(&sums, catalogue.items);
	AddUpUser(view, eligible->user, &sums);
	*best = AllocateHuge(k, sizeof(CrScored));
	status = cr_neighbor_search(search, &catalogue, CommrecSimd(), &sums, k, *best, &top);
	if (status != CR_OK)
		CheckComputation(status, psprintf("score of item number %d", search->culprit));
	SearchSort(&top);
	EndSums(&sums);
	pfree(search->list.entries);
	pfree(search);
	return top.count;
}

double
SumByLists(ServeView *view, const StoredUser *user, int32 item_no)
{
	double		sum = 0;

	for (uint32 i = 0; i < user->seen_count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (user->confidence[i] > 0)
			sum += (double) user->confidence[i] *
				cr_neighbors_weight(ServeViewList(view, (int32) (user->seen[i] >> 1)), item_no);
	}
	return sum;
}

float
ScoreByLists(ServeView *view, const StoredUser *user, int32 item_no, float popularity)
{
	float		score = cr_neighbor_score(SumByLists(view, user, item_no), popularity);

	if (!isfinite(score))
		CheckComputation(CR_NOT_FINITE, psprintf("score of item number %d", item_no));
	return score;
}

/* The inner product of a list with the one that the sums hold. */
static double
DotWithSums(const CrNeighborSums *sums, const CrNeighborList *list)
{
	double		dot = 0;

	for (uint32 i = 0; i < list->count; i++)
		dot += cr_neighbor_sum(sums, list->item_no[i]) * (double) list->weight[i];
	return dot;
}

static void
PoolAlike(void *context, int32_t i, float *likeness)
{
	ListPool   *pool = context;

	cr_neighbor_sums_clear(&pool->sums);
	AddList(&pool->sums, ServeViewList(pool->view, pool->best[i].item_no), 1.0f);
	for (int32 j = 0; j < pool->count; j++)
	{
		double		product = pool->norm[i] * pool->norm[j];
		double		dot;

		CHECK_FOR_INTERRUPTS();
		dot = DotWithSums(&pool->sums, ServeViewList(pool->view, pool->best[j].item_no));
		likeness[j] = product > 0 ? (float) Min(Max(dot / product, -1.0), 1.0) : 0.0f;
	}
}

static double
NormOf(const CrNeighborList *list)
{
	double		square = 0;

	for (uint32 i = 0; i < list->count; i++)
		square += (double) list->weight[i] * (double) list->weight[i];
	return sqrt(square);
}

void
CompareByLists(ServeView *view, const CrScored *best, CrMmrPool *pool)
{
	ListPool   *lists = palloc(sizeof(ListPool));

	lists->view = view;
	lists->best = best;
	lists->count = pool->count;
	lists->norm = palloc(sizeof(double) * Max(pool->count, 1));
	ServeViewKeepLists(view);
	for (int32 i = 0; i < pool->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		lists->norm[i] = NormOf(ServeViewList(view, best[i].item_no));
	}
	BeginSums(&lists->sums, ServeViewDeployed(view)->items);
	pool->alike = PoolAlike;
	pool->context = lists;
}
