/*
 * batch.c
 *		The best k items for every user of a version: plan, items, hand-out.
 *
 * Phases of RecommendAll: find the users' rows (one pass over the index), plan
 * and allocate the block of memory that batch_shared.h describes, lay out the
 * items, then answer units and hand them out in order.  The leader hands out
 * what is ready, and answers units himself where nothing is.
 *
 * All that is allocated lives in one context, or in a DSM segment that belongs
 * to the current resource owner: an error releases both.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "common/compat.h"
#include "common/errors.h"
#include "common/guc.h"
#include "common/segment.h"
#include "common/workers.h"
#include "serve/batch_shared.h"
#include "serve/chain.h"
#include "store/model.h"

#define UNIT_USERS			192 /* their vectors stay in the second cache beside a tile of items */
#define UNIT_BYTES			((Size) 4 * 1024 * 1024)	/* of rows: fewer users where k is large */
#define SLOTS_PER_WORKER	4	/* so that a slow unit does not hold up the others */
#define UNITS_PER_WORKER	16	/* for fewer it is not worth while to start one, unless asked for */
#define PLACES_FIRST		4096
#define REPORT_INTERVAL		0.1 /* seconds between changes of the text in pg_stat_activity */

/* One call, in the leader. */
typedef struct BatchRun
{
	const RecommendAllRequest *request;
	RecommendAllSink sink;
	void	   *sink_state;
	DeployedVersion deployed;
	IdKind		user_kind;
	Size		used;			/* bytes planned for */
	ItemPointerData *places;	/* of the users' rows, until the shared block has them */
	int64		users;
	Datum	   *item_id;		/* by item_no, of the type asked for */
	dsm_segment *segment;		/* shared block, or NULL */
	BatchView	view;
	void	   *kept_view;		/* what calls for single users share */
	MemoryContext context;		/* as long as the run */
	instr_time	reported;
} BatchRun;

/* Count bytes before they are allocated. */
static void
Reserve(BatchRun *run, Size bytes)
{
	Size		limit = (Size) commrec_max_train_memory * 1024;
	Size		megabyte = 1024 * 1024;

	run->used = add_size(run->used, bytes);
	if (run->used > limit)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("recommending for all users needs at least %zu MB, limit is %zu MB",
						run->used / megabyte + 1, limit / megabyte),
				 errhint("Increase commrec.max_train_memory, ask for fewer items with k, or for fewer workers.")));
}

static void
FindUsers(BatchRun *run)
{
	int64		room = PLACES_FIRST;
	UserReader	users;

	Reserve(run, sizeof(ItemPointerData) * (Size) room);
	run->places = palloc(sizeof(ItemPointerData) * (Size) room);
	UserReaderOpen(&users, run->request->schema, &run->deployed);
	run->user_kind = users.lookup.id_kind;
	UserReaderStart(&users);
	while (UserReaderNext(&users))
	{
		CHECK_FOR_INTERRUPTS();
		if (run->users == room)
		{
			Reserve(run, sizeof(ItemPointerData) * (Size) room);
			room *= 2;
			run->places = repalloc_huge(run->places, sizeof(ItemPointerData) * (Size) room);
		}
		run->places[run->users++] = UserReaderPlace(&users);
	}
	UserReaderClose(&users);
}

/* Append bytes at the alignment that the kernel needs; returns their offset. */
static Size
Place(BatchLayout *layout, Size bytes)
{
	Size		offset = layout->total;

	layout->total = add_size(offset, TYPEALIGN(CR_BATCH_ALIGNMENT, bytes));
	return offset;
}

static void
PlanLayout(BatchShared *plan)
{
	BatchLayout *layout = &plan->layout;
	Size		head = CACHELINEALIGN(offsetof(BatchSlot, count) +
									  sizeof(int32) * (Size) plan->unit_users);

	layout->total = 0;
	(void) Place(layout, sizeof(BatchShared));
	layout->places = Place(layout, mul_size(plan->users, sizeof(ItemPointerData)));
	if (ScoresByLists(&plan->deployed))
		layout->items = Place(layout, BatchListsBytes(plan->deployed.items, plan->list_entries));
	else
		layout->items = Place(layout, plan->deployed.dims == 0 ? 0 :
							  cr_batch_items_size(plan->deployed.items, plan->deployed.dims));
	layout->slot_bytes = CACHELINEALIGN(add_size(head, mul_size(mul_size(plan->unit_users, plan->k),
																sizeof(CrScored))));
	layout->slots = Place(layout, mul_size(layout->slot_bytes, plan->slots));
}

/* Workers that are worth while. */
static int
ChooseWorkers(const RecommendAllRequest *request, int64 units)
{
	int64		most = Max(units - 1, 0);

	/* In a query that is parallel itself the others are busy already. */
	if (IsInParallelMode() || IsParallelWorker())
		return 0;
	if (request->workers != WORKERS_BY_SETTING)
		return (int) Min(request->workers, most);
	return (int) Min(max_parallel_workers_per_gather, units / UNITS_PER_WORKER);
}

/* What the shared block will begin with; everything but the locks. */
static int
PlanRun(const BatchRun *run, BatchShared *plan)
{
	const RecommendAllRequest *request = run->request;
	Size		row_bytes;
	int			workers;

	memset(plan, 0, sizeof(*plan));
	plan->schema = request->schema;
	plan->deployed = run->deployed;
	if (ScoresByLists(&plan->deployed))
		plan->list_entries = NeighborsCount(request->schema, &plan->deployed);
	plan->simd = CommrecSimd();
	plan->k = Max(Min(request->k, run->deployed.items), 1);
	plan->exclude_seen = request->exclude_seen;
	plan->users = run->users;
	strlcpy(plan->model, ModelSchemaName(request->schema), NAMEDATALEN);
	row_bytes = mul_size(plan->k, sizeof(CrScored));
	plan->unit_users = (int32) Max(Min(UNIT_BYTES / row_bytes, UNIT_USERS), 1);
	plan->units = (plan->users + plan->unit_users - 1) / plan->unit_users;
	workers = ChooseWorkers(request, plan->units);
	plan->slots = workers == 0 ? 1 : (int32) Min((int64) SLOTS_PER_WORKER * (workers + 1), plan->units);
	PlanLayout(plan);
	return workers;
}

static BatchShared *
AllocateShared(BatchRun *run, const BatchShared *plan, int workers)
{
	static const SegmentPurpose purpose = {"Recommending for all users", "ask for workers => 0"};
	BatchShared *shared;

	Reserve(run, plan->layout.total);
	Reserve(run, mul_size(BatchViewBytes(plan), (Size) workers + 1));
	if (workers > 0)
		run->segment = SegmentCreate(plan->layout.total, &purpose);
	if (run->segment != NULL)
		shared = (BatchShared *) dsm_segment_address(run->segment);
	else
		shared = (BatchShared *)
			TYPEALIGN(CR_BATCH_ALIGNMENT,
					  MemoryContextAllocHuge(CurrentMemoryContext,
											 plan->layout.total + CR_BATCH_ALIGNMENT));
	*shared = *plan;
	SpinLockInit(&shared->mutex);
	ConditionVariableInit(&shared->freed);
	ConditionVariableInit(&shared->filled);
	memcpy((char *) shared + shared->layout.places, run->places,
		   sizeof(ItemPointerData) * (Size) run->users);
	pfree(run->places);
	run->places = NULL;
	return shared;
}

/* The current item's id in the type that was asked for; what it points to is counted. */
static Datum
LoadItemId(BatchRun *run, ItemReader *reader)
{
	Datum		id = IdToResult(ItemReaderId(reader), reader->lookup.id_kind, run->request->item_type);
	int16		length;
	bool		by_value;

	get_typlenbyval(run->request->item_type, &length, &by_value);
	if (!by_value)
		Reserve(run, GetMemoryChunkSpace(DatumGetPointer(id)));
	return id;
}

static void
LoadItems(BatchRun *run)
{
	CrBatchItems *items = &run->view.items;
	bool		by_lists = ScoresByLists(&run->deployed);
	float	   *embedding = palloc(sizeof(float) * run->deployed.dims);
	int32		count = 0;
	ItemReader	reader;
	StoredItem	item;

	Reserve(run, mul_size(run->deployed.items, sizeof(Datum)));
	run->item_id = MemoryContextAllocHuge(CurrentMemoryContext,
										  sizeof(Datum) * (Size) run->deployed.items);
	if (!by_lists)
		cr_batch_items_begin(items);
	ItemReaderOpen(&reader, run->request->schema, &run->deployed, ITEM_BY_NO);
	ItemReaderStart(&reader);
	while (ItemReaderNext(&reader))
	{
		CHECK_FOR_INTERRUPTS();
		ItemReaderGet(&reader, &item);
		/* Numbers are unique and below the count, so that a lost row shows in the end. */
		ItemReaderEmbedding(&reader, embedding);
		if (by_lists)
			run->view.lists.popularity[item.item_no] = embedding[0];
		else
			cr_batch_items_put(items, item.item_no, embedding);
		run->item_id[item.item_no] = LoadItemId(run, &reader);
		count++;
	}
	ItemReaderClose(&reader);
	if (count != run->deployed.items)
		CheckStoredBytes(CR_CORRUPT, ModelSchemaName(run->request->schema), "list of items");
	if (by_lists)
		NeighborsLoad(run->request->schema, &run->deployed, &run->view.lists.lists);
	else
		cr_batch_items_end(items);
	pfree(embedding);
}

/* What recommend() gives the view's current user, of whom nothing was learned. */
static void
HandOutNotLearned(BatchRun *run, RecommendAllRow *row)
{
	const ChainRequest chain = {true, UserReaderId(&run->view.users), false};
	RecommendCall call;
	RecommendRequest request;
	Recommendation *rows;
	StoredUser	user;
	int32		count;

	memset(&request, 0, sizeof(request));
	request.k = run->request->k;
	request.eligible.exclude_seen = run->request->exclude_seen;
	RecommendBegin(&call, run->request->schema, &run->kept_view, run->context);
	request.source = ChainResolve(&call, &chain, &user);
	count = Recommend(&call, &request, &user, &rows);
	for (int32 i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		row->rank = i + 1;
		row->item_id = IdToResult(rows[i].item_id, ServeViewItemKind(call.view),
								  run->request->item_type);
		row->score = rows[i].score;
		row->source = rows[i].source;
		run->sink(run->sink_state, row);
	}
	RecommendEnd(&call);
}

/* Hand out the i-th user of a unit whose answer is ready. */
static void
HandOutUser(BatchRun *run, int64 unit, int32 i)
{
	BatchView  *view = &run->view;
	BatchSlot  *slot = BatchSlotOf(view, unit);
	const CrScored *scored = BatchSlotRows(view, slot, i);
	RecommendAllRow row;

	if (slot->count[i] == 0)
		return;
	UserReaderGo(&view->users, view->places[unit * view->shared->unit_users + i]);
	row.user_id = IdToResult(UserReaderId(&view->users), run->user_kind, run->request->user_type);
	if (slot->count[i] == BATCH_NOT_LEARNED)
	{
		HandOutNotLearned(run, &row);
		return;
	}
	row.source = SOURCE_MODEL;
	for (int32 j = 0; j < slot->count[i]; j++)
	{
		CHECK_FOR_INTERRUPTS();
		row.rank = j + 1;
		row.item_id = run->item_id[scored[j].item_no];
		row.score = scored[j].score;
		run->sink(run->sink_state, &row);
	}
}

static void
Report(BatchRun *run, int64 unit)
{
	const BatchShared *shared = run->view.shared;
	int64		users = Min(unit * shared->unit_users, shared->users);
	instr_time	elapsed;

	INSTR_TIME_SET_CURRENT(elapsed);
	INSTR_TIME_SUBTRACT(elapsed, run->reported);
	if (INSTR_TIME_GET_DOUBLE(elapsed) < REPORT_INTERVAL)
		return;
	INSTR_TIME_SET_CURRENT(run->reported);
	pgstat_report_activity(STATE_RUNNING,
						   psprintf("commrec: recommending for all users of %s, " INT64_FORMAT
									" of " INT64_FORMAT " users, %d %%", shared->model, users,
									shared->users, (int) (100 * users / shared->users)));
}

static void
HandOut(BatchRun *run, int64 unit, MemoryContext scratch)
{
	BatchShared *shared = run->view.shared;
	int32		users = BatchUnitUsers(shared, unit);
	MemoryContext old_context = MemoryContextSwitchTo(scratch);

	Report(run, unit);
	for (int32 i = 0; i < users; i++)
	{
		CHECK_FOR_INTERRUPTS();
		HandOutUser(run, unit, i);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(old_context);
	SpinLockAcquire(&shared->mutex);
	shared->handed_out = unit + 1;
	SpinLockRelease(&shared->mutex);
	ConditionVariableBroadcast(&shared->freed);
}

static bool
IsFilled(const BatchView *view, int64 unit)
{
	bool		is_filled;

	SpinLockAcquire(&view->shared->mutex);
	is_filled = BatchSlotOf(view, unit)->filled_unit == unit;
	SpinLockRelease(&view->shared->mutex);
	return is_filled;
}

/* Do something useful until the unit is ready; somebody works on it, or it is there to be claimed. */
static void
AwaitUnit(BatchView *view, int64 unit)
{
	int64		claimed;

	while (!IsFilled(view, unit))
	{
		if (BatchClaim(view->shared, false, &claimed))
		{
			BatchAnswer(view, claimed);
			continue;
		}
		ConditionVariablePrepareToSleep(&view->shared->filled);
		while (!IsFilled(view, unit))
			ConditionVariableSleep(&view->shared->filled, PG_WAIT_EXTENSION);
		ConditionVariableCancelSleep();
	}
}

static void
Lead(void *state)
{
	BatchRun   *run = state;
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "commrec rows of a user",
												  ALLOCSET_DEFAULT_SIZES);

	for (int64 unit = 0; unit < run->view.shared->units; unit++)
	{
		AwaitUnit(&run->view, unit);
		HandOut(run, unit, scratch);
	}
	MemoryContextDelete(scratch);
}

static void
RunPhases(BatchRun *run)
{
	BatchShared plan;
	BatchShared *shared;
	int			workers;

	INSTR_TIME_SET_CURRENT(run->reported);
	ReadDeployedVersion(run->request->schema, &run->deployed);
	FindUsers(run);
	if (run->users == 0)
		return;
	workers = PlanRun(run, &plan);
	shared = AllocateShared(run, &plan, workers);
	BatchViewOpen(&run->view, shared);
	for (int32 slot = 0; slot < shared->slots; slot++)
		BatchSlotOf(&run->view, slot)->filled_unit = -1;
	if (run->deployed.dims > 0)
		LoadItems(run);
	if (run->segment != NULL)
		BatchRunParallel(&run->view, run->segment, workers, Lead, run);
	else
		Lead(run);
	BatchViewClose(&run->view);
	if (run->segment != NULL)
		dsm_detach(run->segment);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
}

void
RecommendAll(const RecommendAllRequest *request, RecommendAllSink sink, void *state)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "commrec all users",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	BatchRun   *run = palloc0(sizeof(BatchRun));

	CheckWorkers(request->workers, "max_parallel_workers_per_gather");
	run->request = request;
	run->context = context;
	run->sink = sink;
	run->sink_state = state;
	RunPhases(run);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}
