/*
 * batch_answer.c
 *		Answering units of users: what every participant of a recommend_all() does.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "common/compat.h"
#include "common/errors.h"
#include "serve/batch_shared.h"
#include "store/model.h"

/* Seen items of the users of a block; one user more may come on top. */
#define SEEN_BYTES_MAX	((Size) 8 * 1024 * 1024)
#define SEEN_ENTRY_BYTES	(2 * sizeof(uint32))	/* an entry, and when it was last touched */

Size
BatchViewBytes(const BatchShared *shared)
{
	Size		block = cr_batch_block_size(shared->unit_users, shared->deployed.dims);
	Size		users = mul_size(shared->unit_users, sizeof(int32) + sizeof(StoredUser) +
								 sizeof(float) * (Size) shared->deployed.dims);

	/* A user's row of lists goes one by one. */
	if (ScoresByLists(&shared->deployed))
		return add_size(BatchSumsBytes(shared->deployed.items),
						mul_size(shared->deployed.items, SEEN_ENTRY_BYTES + sizeof(float)));
	return add_size(add_size(block, users),
					add_size(SEEN_BYTES_MAX, mul_size(shared->deployed.items, SEEN_ENTRY_BYTES)));
}

/* What is scored, and with what: vectors or lists. */
static void
OpenItems(BatchView *view)
{
	const BatchShared *shared = view->shared;
	char	   *block = (char *) shared + shared->layout.items;
	void	   *memory;

	if (ScoresByLists(&shared->deployed))
	{
		BatchListsView(&view->lists, shared->deployed.items, shared->list_entries, block);
		BatchSumsInit(&view->sums, shared->deployed.items);
		return;
	}
	memory = MemoryContextAllocHuge(CurrentMemoryContext,
									cr_batch_block_size(shared->unit_users, shared->deployed.dims) +
									CR_BATCH_ALIGNMENT);
	cr_batch_items_view(&view->items, shared->deployed.dims > 0 ? shared->deployed.items : 0,
						shared->deployed.dims, block);
	cr_batch_block_init(&view->block, shared->unit_users, shared->deployed.dims,
						(void *) TYPEALIGN(CR_BATCH_ALIGNMENT, memory));
	view->block_user = palloc(sizeof(int32) * shared->unit_users);
}

void
BatchViewOpen(BatchView *view, BatchShared *shared)
{
	char	   *base = (char *) shared;

	view->shared = shared;
	view->places = (ItemPointerData *) (base + shared->layout.places);
	OpenItems(view);
	view->scratch = AllocSetContextCreate(CurrentMemoryContext, "commrec users of a block",
										  ALLOCSET_DEFAULT_SIZES);
	UserReaderOpen(&view->users, shared->schema, &shared->deployed);
}

void
BatchViewClose(BatchView *view)
{
	UserReaderClose(&view->users);
	MemoryContextDelete(view->scratch);
}

BatchSlot *
BatchSlotOf(const BatchView *view, int64 unit)
{
	const BatchShared *shared = view->shared;

	return (BatchSlot *) ((char *) shared + shared->layout.slots +
						  (Size) (unit % shared->slots) * shared->layout.slot_bytes);
}

CrScored *
BatchSlotRows(const BatchView *view, BatchSlot *slot, int32 i)
{
	Size		head = CACHELINEALIGN(offsetof(BatchSlot, count) +
									  sizeof(int32) * (Size) view->shared->unit_users);

	return (CrScored *) ((char *) slot + head) + (Size) i * view->shared->k;
}

int32
BatchUnitUsers(const BatchShared *shared, int64 unit)
{
	return (int32) Min((int64) shared->unit_users, shared->users - unit * shared->unit_users);
}

/* One try; *is_over if there are no units any more. */
static bool
TryClaim(BatchShared *shared, int64 *unit, bool *is_over)
{
	bool		is_claimed = false;

	SpinLockAcquire(&shared->mutex);
	*is_over = shared->next_unit >= shared->units;
	if (!*is_over && shared->next_unit < shared->handed_out + shared->slots)
	{
		*unit = shared->next_unit++;
		is_claimed = true;
	}
	SpinLockRelease(&shared->mutex);
	return is_claimed;
}

bool
BatchClaim(BatchShared *shared, bool wait, int64 *unit)
{
	bool		is_over;
	bool		is_claimed = TryClaim(shared, unit, &is_over);

	if (is_claimed || is_over || !wait)
		return is_claimed;
	ConditionVariablePrepareToSleep(&shared->freed);
	while (!(is_claimed = TryClaim(shared, unit, &is_over)) && !is_over)
		ConditionVariableSleep(&shared->freed, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
	return is_claimed;
}

/* How many rows a user can get, at most. */
static int32
RowsOf(const BatchShared *shared, const StoredUser *stored)
{
	return Min(shared->k, shared->deployed.items -
			   (shared->exclude_seen ? (int32) stored->seen_count : 0));
}

/* Put the current user into the block, unless there is nothing to search for. */
static void
AddUser(BatchView *view, BatchSlot *slot, int32 i, const StoredUser *stored)
{
	const BatchShared *shared = view->shared;
	int32		k = RowsOf(shared, stored);
	CrBatchUser user;

	slot->count[i] = stored->embedding == NULL ? BATCH_NOT_LEARNED : 0;
	if (stored->embedding == NULL || k < 1)
		return;
	memset(&user, 0, sizeof(user));
	user.seen = stored->seen;
	user.seen_count = stored->seen_count;
	user.exclude_seen = shared->exclude_seen;
	cr_topk_init(&user.top, BatchSlotRows(view, slot, i), k);
	CheckComputation(cr_batch_block_add(&view->block, stored->embedding, shared->deployed.dims,
										&user),
					 "norm of the user's embedding");
	view->block_user[view->block.users - 1] = i;
}

/* Fill the block with users of the unit from number i on; returns the first one that is not in it. */
static int32
LoadBlock(BatchView *view, int64 unit, int32 i)
{
	BatchShared *shared = view->shared;
	BatchSlot  *slot = BatchSlotOf(view, unit);
	int32		users = BatchUnitUsers(shared, unit);
	Size		seen_bytes = 0;
	MemoryContext old_context;

	MemoryContextReset(view->scratch);
	cr_batch_block_clear(&view->block);
	old_context = MemoryContextSwitchTo(view->scratch);
	for (; i < users && seen_bytes < SEEN_BYTES_MAX; i++)
	{
		StoredUser	stored;

		CHECK_FOR_INTERRUPTS();
		UserReaderGo(&view->users, view->places[unit * shared->unit_users + i]);
		UserReaderGet(&view->users, &stored);
		AddUser(view, slot, i, &stored);
		seen_bytes += SEEN_ENTRY_BYTES * (Size) stored.seen_count;
	}
	MemoryContextSwitchTo(old_context);
	return i;
}

/* Tile after tile of the items, as long as one of them may matter to somebody. */
static void
ScanBlock(BatchView *view)
{
	CrBatchBlock *block = &view->block;
	int32		tile = cr_batch_tile(view->items.dims);

	for (int32 panel = 0; panel < view->items.panels && block->racing > 0; panel += tile)
	{
		CHECK_FOR_INTERRUPTS();
		if (cr_batch_scan(view->shared->simd, &view->items, block, panel,
						  Min(panel + tile, view->items.panels)) != CR_OK)
			CheckComputation(CR_NOT_FINITE,
							 psprintf("score of item number %d", block->bad_item_no));
	}
}

/* The order of core/topk.h; sorting a great many takes long. */
static int
CompareScored(const void *left, const void *right)
{
	const CrScored *a = left;
	const CrScored *b = right;

	CHECK_FOR_INTERRUPTS();
	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	return a->item_no < b->item_no ? -1 : 1;
}

static void
KeepAnswers(BatchView *view, BatchSlot *slot)
{
	for (int32 i = 0; i < view->block.users; i++)
	{
		CrTopK	   *top = &view->block.user[i].top;

		qsort(top->entries, top->count, sizeof(CrScored), CompareScored);
		slot->count[view->block_user[i]] = top->count;
	}
}

/* Answer the i-th user of the unit from the lists of his items. */
static void
AnswerByLists(BatchView *view, int64 unit, int32 i)
{
	const BatchShared *shared = view->shared;
	BatchSlot  *slot = BatchSlotOf(view, unit);
	MemoryContext old_context = MemoryContextSwitchTo(view->scratch);
	StoredUser	stored;
	CrTopK		top;

	UserReaderGo(&view->users, view->places[unit * shared->unit_users + i]);
	UserReaderGet(&view->users, &stored);
	slot->count[i] = stored.embedding == NULL ? BATCH_NOT_LEARNED : 0;
	if (stored.embedding != NULL && RowsOf(shared, &stored) > 0)
	{
		cr_topk_init(&top, BatchSlotRows(view, slot, i), RowsOf(shared, &stored));
		BatchListsAnswer(&view->lists, &view->sums, &stored, shared->exclude_seen, &top);
		qsort(top.entries, top.count, sizeof(CrScored), CompareScored);
		slot->count[i] = top.count;
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(view->scratch);
}

void
BatchAnswer(BatchView *view, int64 unit)
{
	BatchShared *shared = view->shared;
	BatchSlot  *slot = BatchSlotOf(view, unit);
	int32		users = BatchUnitUsers(shared, unit);

	for (int32 i = 0; i < users && ScoresByLists(&shared->deployed); i++)
		AnswerByLists(view, unit, i);
	for (int32 i = 0; i < users && !ScoresByLists(&shared->deployed);)
	{
		i = LoadBlock(view, unit, i);
		ScanBlock(view);
		KeepAnswers(view, slot);
	}
	SpinLockAcquire(&shared->mutex);
	slot->filled_unit = unit;
	SpinLockRelease(&shared->mutex);
	ConditionVariableBroadcast(&shared->filled);
}
