/*
 * refresh_items.c
 *		Folding in: the items of the version, and vectors for new ones.
 *
 * A new item is solved as a half step of training solves it, against the
 * vectors that the version has of its users: (a0 X'X + sum c x x' + reg) y =
 * sum c x.  X'X is not stored with the version; one pass over the users gives
 * it.  The items' own Gram matrix and the number of items in the users'
 * regularization stay those of the training, so that every stored vector of a
 * user goes on being an exact solution, and explain() exact.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "common/errors.h"
#include "core/ials.h"
#include "core/preference.h"
#include "store/update.h"
#include "train/blend.h"
#include "train/refresh_internal.h"

#define ALIGNMENT	64			/* of the solver's workspace */

/* What new items are solved from. */
typedef struct ItemSolver
{
	RefreshFold *run;
	UserReader	users;
	int64	   *start;			/* by new item: offsets of its users */
	int32	   *user;			/* in the log */
	float	   *preference;
	float	   *vector;			/* of the log's users, as far as they touch new items */
	bool	   *is_known;		/* has that user a vector? */
	uint8	   *gram;			/* a0 * X'X, as core/fold_in.h stores it */
	Size		gram_bytes;
	int64		opposite;		/* users with a vector */
	void	   *workspace;
} ItemSolver;

/* Ids in the order of their type. */
static int
CompareIds(Datum left, Datum right, IdKind kind)
{
	int64		a;
	int64		b;

	switch (kind)
	{
		case ID_UUID:
			return memcmp(DatumGetPointer(left), DatumGetPointer(right), 16);
		case ID_TEXT:
			{
				const text *x = DatumGetTextPP(left);
				const text *y = DatumGetTextPP(right);
				int			xs = (int) VARSIZE_ANY_EXHDR(x);
				int			ys = (int) VARSIZE_ANY_EXHDR(y);
				int			order = memcmp(VARDATA_ANY(x), VARDATA_ANY(y), Min(xs, ys));

				return order != 0 ? order : xs - ys;
			}
		case ID_INT2:
			a = DatumGetInt16(left);
			b = DatumGetInt16(right);
			break;
		case ID_INT4:
			a = DatumGetInt32(left);
			b = DatumGetInt32(right);
			break;
		default:
			a = DatumGetInt64(left);
			b = DatumGetInt64(right);
	}
	return a < b ? -1 : a > b;
}

static void
AllocItems(RefreshFold *run, int64 room)
{
	FoldItems  *items = &run->items;

	items->id = FoldAlloc(run, room, sizeof(Datum));
	items->item_no = FoldAlloc(run, room, sizeof(int32));
	items->dense = FoldAlloc(run, room, sizeof(int32));
	items->vector = FoldAlloc(run, room * Max(run->deployed.dims, 1), sizeof(float));
	items->popularity = FoldAlloc(run, room, sizeof(double));
	items->users = FoldAlloc(run, room, sizeof(int32));
	items->new_reach = FoldAlloc(run, room, sizeof(double));
	items->of_log = FoldAlloc(run, EventsItems(run->read), sizeof(int32));
}

/* The next item of the version, at the end of the list. */
static void
AppendStored(RefreshFold *run, ItemReader *reader)
{
	FoldItems  *items = &run->items;
	int32		at = items->count++;
	StoredItem	stored;

	ItemReaderGet(reader, &stored);
	items->id[at] = ItemReaderId(reader);
	items->item_no[at] = stored.item_no;
	items->dense[stored.item_no] = at;
	items->popularity[at] = stored.popularity;
	items->users[at] = ItemReaderUsers(reader);
	if (run->deployed.dims > 0)
		ItemReaderEmbedding(reader, items->vector + (Size) at * run->deployed.dims);
	items->old++;
}

/* An item that only the log has. */
static void
AppendNew(RefreshFold *run, Datum id)
{
	FoldItems  *items = &run->items;
	int32		at = items->count++;

	items->id[at] = id;
	items->item_no[at] = run->deployed.items + run->counts.new_items;
	items->dense[items->item_no[at]] = at;
	run->counts.new_items++;
}

/* The log's items before this id, which the version does not have; the one that it has. */
static int32
AdvanceLog(RefreshFold *run, int32 number, const Datum *id)
{
	const EventLog *log = run->read;

	for (; number < EventsItems(log); number++)
	{
		Datum		other = IdMapGet(log->items, number);
		int			order = id == NULL ? -1 : CompareIds(other, *id, log->item_kind);

		EVENTS_POLL(number);
		if (order > 0)
			return number;
		run->items.of_log[number] = order == 0 ? run->items.count :
			run->takes_items ? run->items.count : -1;
		if (order == 0)
			return number + 1;
		if (run->takes_items)
			AppendNew(run, other);
		else
			run->counts.waiting_items++;
	}
	return number;
}

void
FoldItemsLoad(RefreshFold *run)
{
	ItemReader	reader;
	int32		number = 0;

	AllocItems(run, (int64) run->deployed.items + EventsItems(run->read));
	ItemReaderOpen(&reader, run->config->schema, &run->deployed, ITEM_BY_ID);
	ItemReaderStart(&reader);
	while (ItemReaderNext(&reader))
	{
		Datum		id = ItemReaderId(&reader);

		CHECK_FOR_INTERRUPTS();
		number = AdvanceLog(run, number, &id);
		AppendStored(run, &reader);
	}
	AdvanceLog(run, number, NULL);
	ItemReaderClose(&reader);
	if (run->items.old != run->deployed.items)
		CheckStoredBytes(CR_CORRUPT, run->config->name,
						 psprintf("items of version %d", run->deployed.version));
}

/* Is this one of the new items?  If so, its place among them. */
static int32
NewItem(const RefreshFold *run, int32 dense)
{
	return run->items.item_no[dense] - run->deployed.items;
}

/* Which users prefer each new item, ascending. */
static void
ListUsers(ItemSolver *solver)
{
	RefreshFold *run = solver->run;
	const Touched *touched = run->touched;
	int64	   *next;

	solver->start = FoldAlloc(run, run->counts.new_items + 2, sizeof(int64));
	for (int64 pair = 0; pair < touched->start[touched->users]; pair++)
	{
		int32		item = NewItem(run, run->items.of_log[touched->item[pair]]);

		EVENTS_POLL(pair);
		if (item >= 0 && touched->preference[pair] > 0)
			solver->start[item + 2]++;
	}
	for (int32 item = 0; item < run->counts.new_items; item++)
		solver->start[item + 2] += solver->start[item + 1];
	/* Filling moves each start to the next one's place. */
	next = solver->start + 1;
	solver->user = FoldAlloc(run, next[run->counts.new_items], sizeof(int32));
	solver->preference = FoldAlloc(run, next[run->counts.new_items], sizeof(float));
	for (int32 user = 0; user < touched->users; user++)
	{
		for (int64 pair = touched->start[user]; pair < touched->start[user + 1]; pair++)
		{
			int32		item = NewItem(run, run->items.of_log[touched->item[pair]]);

			EVENTS_POLL(pair);
			if (item < 0 || !(touched->preference[pair] > 0))
				continue;
			solver->user[next[item]] = user;
			solver->preference[next[item]++] = touched->preference[pair];
		}
	}
}

/* Vectors of the users of new items, by the items that the version has had so far. */
static void
SolveUsers(ItemSolver *solver)
{
	RefreshFold *run = solver->run;
	int32		factors = run->deployed.factors;
	bool	   *is_wanted = FoldAlloc(run, run->touched->users, sizeof(bool));
	float	   *vector = palloc(run->deployed.dims * sizeof(float));

	solver->vector = FoldAlloc(run, (int64) run->touched->users * factors, sizeof(float));
	solver->is_known = FoldAlloc(run, run->touched->users, sizeof(bool));
	for (int64 i = 0; i < solver->start[run->counts.new_items]; i++)
		is_wanted[solver->user[i]] = true;
	UserReaderOpen(&solver->users, run->config->schema, &run->deployed);
	for (int32 user = 0; user < run->touched->users; user++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!is_wanted[user] || !FoldUserSolve(run, &solver->users, user, vector))
			continue;
		memcpy(solver->vector + (Size) user * factors, vector, factors * sizeof(float));
		solver->is_known[user] = true;
	}
	UserReaderClose(&solver->users);
	pfree(vector);
}

/* a0 * X'X over all users of the version. */
static void
SumGram(ItemSolver *solver)
{
	RefreshFold *run = solver->run;
	int32		factors = run->deployed.factors;
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "commrec users",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context;
	CrFoldIn	fold;

	solver->workspace = (void *) TYPEALIGN(ALIGNMENT,
										   palloc(cr_fold_in_workspace_size(factors) + ALIGNMENT));
	cr_fold_in_begin_empty(&fold, factors, solver->workspace);
	UserReaderOpen(&solver->users, run->config->schema, &run->deployed);
	UserReaderStart(&solver->users);
	old_context = MemoryContextSwitchTo(scratch);
	while (UserReaderNext(&solver->users))
	{
		StoredUser	stored;

		CHECK_FOR_INTERRUPTS();
		UserReaderGet(&solver->users, &stored);
		if (stored.embedding != NULL)
		{
			cr_fold_in_add(&fold, stored.embedding, run->fold.used.unobserved_weight);
			solver->opposite++;
		}
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(old_context);
	UserReaderClose(&solver->users);
	MemoryContextDelete(scratch);
	solver->gram_bytes = cr_fold_in_gram_size(factors);
	solver->gram = palloc(solver->gram_bytes);
	cr_fold_in_gram_encode(&fold, solver->gram);
}

/* One new item; its vector stays 0 if nothing can be learned of it. */
static void
SolveItem(ItemSolver *solver, int32 item)
{
	RefreshFold *run = solver->run;
	const CrHyperparameters *used = &run->fold.used;
	int32		factors = run->deployed.factors;
	CrIalsParams params = {.factors = factors,.unobserved_weight = used->unobserved_weight,
		.regularization = used->regularization,
	.regularization_exponent = used->regularization_exponent};
	int64		readers = solver->start[item + 1] - solver->start[item];
	int32		added = 0;
	CrFoldIn	fold;

	if (readers < used->min_item_users)
		return;
	CheckStoredBytes(cr_fold_in_begin(&fold, factors, solver->gram, solver->gram_bytes,
									  solver->workspace), run->config->name, "Gram matrix of users");
	for (int64 i = solver->start[item]; i < solver->start[item + 1]; i++)
	{
		int32		user = solver->user[i];

		EVENTS_POLL(i);
		if (!solver->is_known[user])
			continue;
		cr_fold_in_add(&fold, solver->vector + (Size) user * factors,
					   cr_confidence(used->alpha, solver->preference[i] * run->to_origin));
		added++;
	}
	if (added == 0)
		return;
	CheckComputation(cr_fold_in_finish(&fold, cr_ials_row_regularization(&params, fold.weight_sum,
																		 solver->opposite)),
					 "folding an item in");
	CheckComputation(cr_fold_in_user(&fold, run->items.vector + (Size)
									 run->items.dense[run->deployed.items + item] *
									 run->deployed.dims),
					 "folding an item in");
}

/* Popularity of the new items as of the age origin, and what it adds to their scores. */
static void
SetPopularity(RefreshFold *run)
{
	const CrHyperparameters *used = &run->fold.used;
	FoldItems  *items = &run->items;
	double	   *popularity = FoldAlloc(run, EventsItems(&run->fresh), sizeof(double));
	double	   *ranked = FoldAlloc(run, run->counts.new_items + 1, sizeof(double));
	float	   *score = FoldAlloc(run, run->counts.new_items + 1, sizeof(float));
	double		factor = 1;

	if (run->fold.has_age_origin && !isinf(used->popularity_half_life))
		factor = exp2(((double) run->fresh.age_origin - (double) run->fold.age_origin) /
					  (used->popularity_half_life * (double) USECS_PER_DAY));
	PopularityCompute(&run->fresh, used->popularity_half_life, EVENT_NO_TIME, popularity);
	for (int32 number = 0; number < EventsItems(&run->fresh); number++)
	{
		int32		dense = items->of_log[number];

		if (dense < 0 || NewItem(run, dense) < 0)
			continue;
		items->popularity[dense] = popularity[number] * factor;
		items->users[dense] = run->touched->item_users[number];
		ranked[NewItem(run, dense) + 1] = items->popularity[dense];
	}
	/* The most popular item of the version gives the scale. */
	for (int32 i = 0; i < items->count; i++)
	{
		if (NewItem(run, i) < 0)
			ranked[0] = Max(ranked[0], items->popularity[i]);
	}
	PopularityScore(ranked, run->counts.new_items + 1, score);
	for (int32 item = 0; item < run->counts.new_items &&
		 run->deployed.dims > run->deployed.factors; item++)
		items->vector[(Size) items->dense[run->deployed.items + item] * run->deployed.dims +
					  run->deployed.factors] = score[item + 1] * (float) used->popularity_weight;
}

static Datum
FoldedId(void *map, int32 number)
{
	return ((Datum *) map)[number];
}

/* All items again, each by its new number. */
static void
ReplaceItems(RefreshFold *run)
{
	FoldItems  *items = &run->items;
	PublishFactors factors = {0};
	int32	   *item_no;

	factors.dims = run->deployed.dims;
	factors.factors = run->deployed.dims;
	factors.learned = run->deployed.factors;
	factors.stride = run->deployed.dims;
	factors.item_factors = items->vector;
	factors.item_popularity = items->popularity;
	factors.item_users = items->users;
	factors.items = items->count;
	factors.item_id = FoldedId;
	factors.item_map = items->id;
	BudgetReserve(&run->budget, VersionPublishBytes(items->count, run->deployed.factors),
				  "publishing");
	item_no = VersionReplaceItems(run->config, &run->deployed, &factors, items->dense);
	for (int32 i = 0; i < items->count; i++)
	{
		items->item_no[i] = item_no[i];
		items->dense[item_no[i]] = i;
	}
	run->deployed.items = items->count;
	pfree(item_no);
}

void
FoldItemsSolve(RefreshFold *run)
{
	ItemSolver	solver = {.run = run};

	if (run->counts.new_items == 0)
		return;
	ListUsers(&solver);
	SolveUsers(&solver);
	SumGram(&solver);
	for (int32 item = 0; item < run->counts.new_items; item++)
	{
		CHECK_FOR_INTERRUPTS();
		SolveItem(&solver, item);
	}
	SetPopularity(run);
	ReplaceItems(run);
	FoldNewSnapshot();
}
