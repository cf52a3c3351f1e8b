/*
 * recommend.c
 *		The best k items for one user: search, diversify, page, name.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "core/mmr.h"
#include "serve/lists.h"
#include "serve/recommend.h"
#include "serve/search.h"
#include "store/trending.h"

const char *
RecommendSourceName(RecommendSource source)
{
	static const char *const names[] = {"model", "fresh", "similar", "trending", "popular"};

	return names[source];
}

void
RecommendBegin(RecommendCall *call, Oid schema, void **slot, MemoryContext context)
{
	call->schema = schema;
	call->view = ServeViewOpen(slot, context, schema);
	UserReaderOpen(&call->users, schema, ServeViewDeployed(call->view));
}

void
RecommendEnd(RecommendCall *call)
{
	UserReaderClose(&call->users);
	ServeViewClose(call->view);
}

/* The learned factors of the pool's items, one row after the other. */
static void
FillPool(ServeView *view, const CrScored *best, CrMmrPool *pool, float *scores)
{
	float	   *vectors = palloc(sizeof(float) * Max(pool->dims, 1) * Max(pool->count, 1));

	for (int32 i = 0; i < pool->count; i++)
	{
		scores[i] = best[i].score;
		if (pool->dims > 0)
			memcpy(vectors + (Size) i * pool->dims, ServeViewItem(view, best[i].item_no)->embedding,
				   sizeof(float) * pool->dims);
	}
	pool->scores = scores;
	pool->vectors = vectors;
}

/* Bring the first "wanted" of the best into the order of maximal marginal relevance. */
static void
Diversify(ServeView *view, double diversity, CrScored *best, int32 count, int32 wanted)
{
	float		scores[DIVERSITY_POOL];
	int32		chosen[DIVERSITY_POOL];
	CrScored	ordered[DIVERSITY_POOL];
	CrMmrPool	pool;
	float	   *workspace;

	pool.count = Min(count, DIVERSITY_POOL);
	pool.dims = ServeViewDeployed(view)->factors;
	pool.stride = pool.dims;
	wanted = Min(wanted, pool.count);
	workspace = palloc(sizeof(float) * Max(cr_mmr_workspace_size(pool.count), 1));
	pool.alike = NULL;
	FillPool(view, best, &pool, scores);
	if (ScoresByLists(ServeViewDeployed(view)))
		CompareByLists(view, best, &pool);
	cr_mmr_select(&pool, diversity, wanted, workspace, chosen);
	for (int32 i = 0; i < wanted; i++)
		ordered[i] = best[chosen[i]];
	memcpy(best, ordered, sizeof(CrScored) * wanted);
	pfree(workspace);
}

static int
CompareItemNumbers(const void *left, const void *right)
{
	int32		a = ((const CrScored *) left)->item_no;
	int32		b = ((const CrScored *) right)->item_no;

	return a < b ? -1 : a > b;
}

/* The eligible ones of the rising items, "wanted" at most. */
static int32
FindTrending(RecommendCall *call, Eligible *eligible, int32 wanted, CrScored *best)
{
	TrendingReader trending;
	int32		count = 0;

	TrendingReaderOpen(&trending, call->schema, ServeViewDeployed(call->view));
	while (count < wanted && TrendingReaderNext(&trending, &best[count]))
	{
		if (IsEligible(eligible, best[count].item_no))
			count++;
	}
	TrendingReaderClose(&trending);
	return count;
}

/*
 * For users of whom nothing is known: rising items, then popular ones.  Among
 * the "wanted" most popular there are enough that are not in the list yet.
 */
static int32
FindCold(RecommendCall *call, Eligible *eligible, int32 wanted, CrScored **best, int32 *trending)
{
	CrScored   *listed;
	CrScored   *popular;
	int32		count;

	*best = AllocateHuge(wanted, sizeof(CrScored));
	*trending = FindTrending(call, eligible, wanted, *best);
	if (*trending == 0)
		return SearchByPopularity(call->schema, eligible, wanted, best);
	listed = AllocateHuge(*trending, sizeof(CrScored));
	memcpy(listed, *best, sizeof(CrScored) * *trending);
	qsort(listed, *trending, sizeof(CrScored), CompareItemNumbers);
	count = SearchByPopularity(call->schema, eligible, wanted, &popular);
	wanted = Min(wanted, count);
	for (int32 i = 0, next = *trending; i < count && next < wanted; i++)
	{
		if (bsearch(&popular[i], listed, *trending, sizeof(CrScored), CompareItemNumbers) == NULL)
			(*best)[next++] = popular[i];
	}
	return wanted;
}

/*
 * The best "wanted", diversified if that is asked for; the first "trending" of
 * them come from there.
 */
static int32
FindBest(RecommendCall *call, Eligible *eligible, const RecommendRequest *request, int32 wanted,
		 CrScored **best, int32 *trending)
{
	const StoredUser *user = eligible->user;
	int32		searched = wanted;
	int32		count;

	*trending = 0;
	if (request->diversity > 0)
		searched = Min(Max(wanted, DIVERSITY_POOL), EligibleLimit(eligible));
	if (user->embedding != NULL && ScoresByLists(eligible->deployed))
		count = SearchByLists(call->view, eligible, searched, best);
	else if (user->embedding != NULL)
		count = SearchByModel(call->view, eligible, user->embedding, searched, best);
	else if (request->diversity > 0)
		count = SearchByPopularity(call->schema, eligible, searched, best);
	else
		count = FindCold(call, eligible, searched, best, trending);
	if (request->diversity > 0)
		Diversify(call->view, request->diversity, *best, count, wanted);
	return Min(count, wanted);
}

/* The rows of one page, with their ids. */
static int32
FetchPage(RecommendCall *call, const CrScored *best, int32 count, RecommendSource source,
		  Recommendation **rows)
{
	*rows = AllocateHuge(count, sizeof(Recommendation));
	for (int32 i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		(*rows)[i].item_id = ServeViewItemId(call->view, best[i].item_no);
		(*rows)[i].score = best[i].score;
		(*rows)[i].source = source;
	}
	return count;
}

int32
Recommend(RecommendCall *call, const RecommendRequest *request, const StoredUser *user,
		  Recommendation **rows)
{
	Eligible	eligible;
	CrScored   *best;
	int64		wanted;
	int32		trending;
	int32		count = 0;

	EligibleOpen(&eligible, call->schema, ServeViewDeployed(call->view), &request->eligible, user);
	/* Clamped before anything is allocated. */
	wanted = Min((int64) request->k + request->skip, EligibleLimit(&eligible));
	*rows = NULL;
	if (wanted > request->skip)
	{
		count = FindBest(call, &eligible, request, (int32) wanted, &best, &trending);
		if (count > request->skip)
			count = FetchPage(call, best + request->skip, count - request->skip,
							  user->embedding != NULL ? request->source : SOURCE_POPULAR, rows);
		else
			count = 0;
		for (int32 i = 0; i < count && i + request->skip < trending; i++)
			(*rows)[i].source = SOURCE_TRENDING;
	}
	EligibleClose(&eligible);
	return count;
}
