/*
 * refresh_users.c
 *		Folding in: the rows of users with new events.
 *
 * What a user has had to do with, old and new, is one list, ascending by
 * item_no; his vector is the exact solution for it, by the same steps as
 * recommend(fresh => true) takes.  Where the version cannot be solved for, he
 * keeps the vector that he has, and his list of seen items grows.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "common/errors.h"
#include "core/seen.h"
#include "store/update.h"
#include "train/refresh_internal.h"

typedef struct Touch
{
	int32		item_no;
	float		preference;		/* as of the version's age origin */
	uint32		last_touched;	/* see core/seen.h */
	bool		is_new;			/* not among the stored ones */
} Touch;

typedef struct UserTouches
{
	StoredUser	stored;
	bool		is_stored;
	int32		count;
	Touch	   *touch;			/* ascending by item_no */
} UserTouches;

static int
CompareTouches(const void *left, const void *right)
{
	int32		a = ((const Touch *) left)->item_no;
	int32		b = ((const Touch *) right)->item_no;

	return a < b ? -1 : a > b;
}

static void *
AllocHuge(Size count, Size width)
{
	return palloc_extended(mul_size(Max(count, 1), width), MCXT_ALLOC_HUGE);
}

/* The user's new pairs, by number of the item. */
static Touch *
NewTouches(const RefreshFold *run, int32 user, int32 *count)
{
	const Touched *touched = run->touched;
	int64		from = touched->start[user];
	Touch	   *touch;

	*count = (int32) (touched->start[user + 1] - from);
	touch = AllocHuge(*count, sizeof(Touch));
	for (int32 i = 0; i < *count; i++)
	{
		EVENTS_POLL(i);
		touch[i].item_no = run->items.item_no[run->items.of_log[touched->item[from + i]]];
		touch[i].preference = (float) (touched->preference[from + i] * run->to_origin);
		touch[i].last_touched = touched->last[from + i];
		touch[i].is_new = true;
		if (!isfinite(touch[i].preference))
			CheckComputation(CR_NOT_FINITE, "preference of a new event");
	}
	qsort(touch, *count, sizeof(Touch), CompareTouches);
	return touch;
}

/* The later of two times; any beats none. */
static uint32
Later(uint32 a, uint32 b)
{
	if (a == CR_SEEN_NO_TIME)
		return b;
	return b == CR_SEEN_NO_TIME ? a : Max(a, b);
}

/* One stored pair, and the new one of the same item if there is one. */
static void
MergeStored(const UserTouches *user, const float *preferences, uint32 old, const Touch *same,
			Touch *touch)
{
	touch->item_no = (int32) (user->stored.seen[old] >> 1);
	touch->preference = preferences[old];
	touch->last_touched = user->stored.last_touched != NULL ? user->stored.last_touched[old] :
		CR_SEEN_NO_TIME;
	touch->is_new = false;
	if (same == NULL)
		return;
	touch->preference += same->preference;
	touch->last_touched = Later(touch->last_touched, same->last_touched);
}

/* Stored and new, merged, in the current context. */
static void
ReadTouches(const RefreshFold *run, UserReader *reader, int32 number, UserTouches *user)
{
	Datum		id = IdMapGet(run->read->users, number);
	float	   *preferences = NULL;
	uint32		old = 0;
	int32		new = 0;
	int32		new_count;
	Touch	   *fresh = NewTouches(run, number, &new_count);

	memset(user, 0, sizeof(*user));
	user->is_stored = UserReaderRead(reader, id, &user->stored);
	if (user->is_stored)
		preferences = ReadUserPreferences(run->config->schema, &run->deployed, id,
										  user->stored.seen_count);
	user->touch = AllocHuge((Size) user->stored.seen_count + new_count, sizeof(Touch));
	while (old < user->stored.seen_count || new < new_count)
	{
		int32		old_no = old < user->stored.seen_count ?
			(int32) (user->stored.seen[old] >> 1) : PG_INT32_MAX;
		int32		new_no = new < new_count ? fresh[new].item_no : PG_INT32_MAX;

		EVENTS_POLL(user->count);
		if (new_no < old_no)
			user->touch[user->count++] = fresh[new++];
		else
		{
			MergeStored(user, preferences, old++, new_no == old_no ? &fresh[new] : NULL,
						&user->touch[user->count++]);
			new += new_no == old_no;
		}
	}
}

/* The exact solution for all that the user prefers; false if there is nothing to solve for. */
static bool
Solve(RefreshFold *run, const UserTouches *user, float *vector)
{
	const DeployedVersion *deployed = &run->deployed;
	bool		has_any = false;
	float		confidence;

	if (run->fold.kind == CR_FOLD_NONE)
		return false;
	FoldInAgain(&run->fold);
	for (int32 i = 0; i < user->count; i++)
	{
		int32		dense = run->items.dense[user->touch[i].item_no];

		EVENTS_POLL(i);
		has_any |= FoldInAdd(&run->fold, run->items.vector + (Size) dense * deployed->dims,
							 user->touch[i].preference, &confidence);
	}
	if (!has_any)
		return false;
	FoldInFinish(&run->fold);
	FoldInUser(&run->fold, vector);
	return true;
}

bool
FoldUserSolve(RefreshFold *run, UserReader *reader, int32 number, float *vector)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "commrec user",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(scratch);
	UserTouches user;
	bool		is_solved;

	ReadTouches(run, reader, number, &user);
	is_solved = Solve(run, &user, vector);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(scratch);
	return is_solved;
}

/* The row as it is to be. */
static void
WriteUser(RefreshFold *run, UserUpdater *updater, int32 number, const UserTouches *user,
		  const float *vector)
{
	uint32	   *seen = AllocHuge(user->count, sizeof(uint32));
	uint32	   *times = AllocHuge(user->count, sizeof(uint32));
	float	   *preferences = AllocHuge(user->count, sizeof(float));
	UserUpdate	update;

	for (int32 i = 0; i < user->count; i++)
	{
		const Touch *touch = &user->touch[i];

		seen[i] = (uint32) touch->item_no << 1 | (touch->preference < 0 ? 1 : 0);
		times[i] = touch->last_touched;
		preferences[i] = touch->preference;
		if (touch->is_new)
			run->items.new_reach[run->items.dense[touch->item_no]]++;
	}
	update.user = IdMapGet(run->read->users, number);
	update.vector = vector;
	update.seen = seen;
	update.last_touched = times;
	update.preferences = preferences;
	update.count = (uint32) user->count;
	UserUpdaterWrite(updater, &update);
}

static void
FoldUser(RefreshFold *run, UserReader *reader, UserUpdater *updater, int32 number, float *vector)
{
	UserTouches user;
	bool		is_solved;

	ReadTouches(run, reader, number, &user);
	is_solved = Solve(run, &user, vector);
	run->counts.users++;
	run->counts.new_users += !user.is_stored;
	run->counts.solved += is_solved;
	/* Without anything that he likes any more, the old vector is no answer either. */
	WriteUser(run, updater, number, &user, is_solved ? vector :
			  run->fold.kind != CR_FOLD_NONE ? NULL : user.stored.embedding);
}

void
FoldUsersWrite(RefreshFold *run)
{
	float	   *vector = palloc(Max(run->deployed.dims, 1) * sizeof(float));
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "commrec user",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context;
	UserReader	reader;
	UserUpdater updater;

	UserReaderOpen(&reader, run->config->schema, &run->deployed);
	UserUpdaterBegin(&updater, run->config, &run->deployed);
	old_context = MemoryContextSwitchTo(scratch);
	for (int32 number = 0; number < run->touched->users; number++)
	{
		CHECK_FOR_INTERRUPTS();
		if (run->touched->start[number] == run->touched->start[number + 1])
			continue;
		FoldUser(run, &reader, &updater, number, vector);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(old_context);
	UserUpdaterEnd(&updater);
	UserReaderClose(&reader);
	MemoryContextDelete(scratch);
	pfree(vector);
	FoldNewSnapshot();
}
