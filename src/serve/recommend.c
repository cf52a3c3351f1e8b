/*
 * recommend.c
 *		The best k items for one user, straight from the item blocks in shared buffers.
 *
 * Nothing is cached between calls and nothing is allocated per candidate: a
 * block is read where it lies in its page, and the embeddings that decide are
 * copied, one at a time, into one buffer.  Only the winners' ids are fetched.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "common/errors.h"
#include "core/block.h"
#include "core/seen.h"
#include "core/topk.h"
#include "core/vector.h"
#include "serve/recommend.h"
#include "store/model.h"
#include "store/reader.h"

/* Exact scores after which a risen threshold is worth another look at the block's codes. */
#define RESCREEN_AFTER	16

/* One search for the best items by the model. */
typedef struct ModelSearch
{
	const RecommendRequest *request;
	const DeployedVersion *deployed;
	const StoredUser *user;
	ItemReader	items;
	float	   *embedding;		/* of the item being scored */
	CrTopK		top;
	CrBlockQuery query;
	int32		sums[CR_BLOCK_ITEMS_MAX];
	int16		candidates[CR_BLOCK_ITEMS_MAX];
} ModelSearch;

IdKind
RecommendUserKind(Oid schema)
{
	return LookupIdKind(schema, MODEL_USER_EMBEDDING, "user_id");
}

IdKind
RecommendItemKind(Oid schema)
{
	return LookupIdKind(schema, MODEL_ITEM_EMBEDDING, "item_id");
}

static void *
AllocateRows(int32 count, Size size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, mul_size(Max(count, 1), size));
}

/* Disliked items never come back; seen ones only where they are asked for. */
static bool
IsExcluded(const StoredUser *user, bool exclude_seen, int32 item_no)
{
	switch (cr_seen_lookup(user->seen, user->seen_count, item_no))
	{
		case CR_UNSEEN:
			return false;
		case CR_SEEN:
			return exclude_seen;
		case CR_DISLIKED:
			return true;
	}
	return true;
}

static void
ScoreItem(ModelSearch *search, int32 item_no)
{
	float		score;

	ItemReaderFindNo(&search->items, item_no);
	ItemReaderEmbedding(&search->items, search->embedding);
	score = cr_dot(search->user->embedding, search->embedding, search->deployed->dims);
	if (!isfinite(score))
		CheckComputation(CR_NOT_FINITE, psprintf("score of item number %d", item_no));
	cr_topk_offer(&search->top, score, item_no);
}

/*
 * Score the candidates of a block from offset "from" on.  Returns the offset to
 * go on from with a risen threshold, or the number of items when all is done.
 */
static int32
SearchCandidates(ModelSearch *search, const CrBlockHeader *header, const uint8 *bytes, int32 from)
{
	float		threshold = cr_topk_threshold(&search->top);
	int32		scored = 0;
	int32		count;

	count = cr_block_candidates(&search->query, header, bytes, threshold, search->sums,
								search->candidates);
	for (int32 i = 0; i < count; i++)
	{
		int32		offset = search->candidates[i];
		int32		item_no = header->first_item_no + offset;

		if (offset < from || IsExcluded(search->user, search->request->exclude_seen, item_no))
			continue;
		ScoreItem(search, item_no);
		scored++;
		if (scored >= RESCREEN_AFTER && cr_topk_threshold(&search->top) > threshold)
			return offset + 1;
	}
	return header->items;
}

/* Walk the blocks until no later one can matter. */
static void
SearchBlocks(ModelSearch *search)
{
	BlockReader blocks;
	CrBlockHeader header;
	const uint8 *bytes;

	BlockReaderOpen(&blocks, search->request->schema, search->deployed);
	while ((bytes = BlockReaderNext(&blocks, &header)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (cr_block_is_hopeless(&search->query, header.max_norm,
								 cr_topk_threshold(&search->top)))
			break;
		for (int32 from = 0; from < header.items;)
			from = SearchCandidates(search, &header, bytes, from);
	}
	BlockReaderClose(&blocks);
}

/* The ids of the best, in their order. */
static int32
FetchWinners(ItemReader *items, CrTopK *top, Recommendation **rows)
{
	*rows = AllocateRows(top->count, sizeof(Recommendation));
	cr_topk_sort(top);
	for (int32 i = 0; i < top->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ItemReaderFindNo(items, top->entries[i].item_no);
		(*rows)[i].item_id = ItemReaderId(items);
		(*rows)[i].score = top->entries[i].score;
		(*rows)[i].is_popular = false;
	}
	return top->count;
}

/* k is at most the number of items that the user may be shown. */
static int32
RecommendByModel(const RecommendRequest *request, const DeployedVersion *deployed,
				 const StoredUser *user, int32 k, Recommendation **rows)
{
	ModelSearch *search = palloc(sizeof(ModelSearch));
	int32		count;

	search->request = request;
	search->deployed = deployed;
	search->user = user;
	search->embedding = palloc(sizeof(float) * deployed->dims);
	cr_topk_init(&search->top, AllocateRows(k, sizeof(CrScored)), k);
	cr_block_query(user->embedding, deployed->dims, &search->query);
	if (!isfinite(search->query.norm))
		CheckComputation(CR_NOT_FINITE, "norm of the user's embedding");
	ItemReaderOpen(&search->items, request->schema, deployed, ITEM_BY_NO);
	SearchBlocks(search);
	count = FetchWinners(&search->items, &search->top, rows);
	ItemReaderClose(&search->items);
	pfree(search->top.entries);
	pfree(search->embedding);
	pfree(search);
	return count;
}

static int32
RecommendPopular(const RecommendRequest *request, const DeployedVersion *deployed,
				 const StoredUser *user, int32 k, Recommendation **rows)
{
	ItemReader	items;
	StoredItem	item;
	int32		count = 0;

	*rows = AllocateRows(k, sizeof(Recommendation));
	ItemReaderOpen(&items, request->schema, deployed, ITEM_BY_POPULARITY);
	ItemReaderStart(&items);
	while (count < k && ItemReaderNext(&items))
	{
		CHECK_FOR_INTERRUPTS();
		ItemReaderGet(&items, &item);
		if (IsExcluded(user, request->exclude_seen, item.item_no))
			continue;
		(*rows)[count].item_id = ItemReaderId(&items);
		(*rows)[count].score = item.popularity;
		(*rows)[count].is_popular = true;
		count++;
	}
	ItemReaderClose(&items);
	return count;
}

int32
Recommend(const RecommendRequest *request, Recommendation **rows)
{
	DeployedVersion deployed;
	StoredUser	user = {0};
	int32		k;

	*rows = NULL;
	ReadDeployedVersion(request->schema, &deployed);
	if (request->is_known_id)
		(void) ReadUser(request->schema, &deployed, request->user, &user);
	/* Clamped before anything is allocated; what is disliked takes room only where it is few. */
	k = Min(request->k,
			deployed.items - (request->exclude_seen ? (int32) user.seen_count : 0));
	if (k < 1)
		return 0;
	if (user.embedding != NULL)
		return RecommendByModel(request, &deployed, &user, k, rows);
	return RecommendPopular(request, &deployed, &user, k, rows);
}

/* One search for the items nearest to another. */
typedef struct SimilarSearch
{
	const DeployedVersion *deployed;
	int32		item_no;		/* of the item that the others are compared with */
	float	   *query;			/* its embedding */
	double		norm;			/* its norm */
	float	   *embedding;		/* of the item being compared */
	CrTopK		top;
} SimilarSearch;

/* False if the version does not know the item, or it has no direction. */
static bool
ReadSimilarQuery(SimilarSearch *search, Oid schema, Datum item_id)
{
	ItemReader	items;
	StoredItem	item;
	bool		found;

	ItemReaderOpen(&items, schema, search->deployed, ITEM_BY_ID);
	found = ItemReaderFindId(&items, item_id);
	if (found)
	{
		ItemReaderGet(&items, &item);
		ItemReaderEmbedding(&items, search->query);
		search->item_no = item.item_no;
		search->norm = cr_norm_upper(search->query, search->deployed->factors);
	}
	ItemReaderClose(&items);
	return found && search->norm > 0;
}

/* Offer the reader's current item: by what was learned of it, whatever its popularity. */
static void
CompareItem(SimilarSearch *search, ItemReader *items)
{
	int32		dims = search->deployed->factors;
	StoredItem	item;
	double		norm;
	double		cosine;

	ItemReaderGet(items, &item);
	ItemReaderEmbedding(items, search->embedding);
	norm = cr_norm_upper(search->embedding, dims);
	if (item.item_no == search->item_no || norm == 0)
		return;
	cosine = cr_dot(search->query, search->embedding, dims) / (search->norm * norm);
	if (!isfinite(cosine))
		CheckComputation(CR_NOT_FINITE, psprintf("similarity of item number %d", item.item_no));
	cr_topk_offer(&search->top, (float) Min(Max(cosine, -1.0), 1.0), item.item_no);
}

int32
SimilarItems(Oid schema, Datum item_id, int32 k, Recommendation **rows)
{
	DeployedVersion deployed;
	SimilarSearch search;
	ItemReader	items;
	int32		count;

	*rows = NULL;
	ReadDeployedVersion(schema, &deployed);
	k = Min(k, deployed.items - 1);
	if (k < 1 || deployed.dims == 0)
		return 0;
	search.deployed = &deployed;
	search.query = palloc(sizeof(float) * deployed.dims);
	search.embedding = palloc(sizeof(float) * deployed.dims);
	if (!ReadSimilarQuery(&search, schema, item_id))
		return 0;
	cr_topk_init(&search.top, AllocateRows(k, sizeof(CrScored)), k);
	ItemReaderOpen(&items, schema, &deployed, ITEM_BY_NO);
	ItemReaderStart(&items);
	while (ItemReaderNext(&items))
	{
		CHECK_FOR_INTERRUPTS();
		CompareItem(&search, &items);
	}
	count = FetchWinners(&items, &search.top, rows);
	ItemReaderClose(&items);
	return count;
}
