/*
 * batch_shared.h
 *		What leader and workers of one recommend_all() share, and each participant's view of it.
 *
 * One block of memory, a DSM segment or private, begins with a BatchShared; the
 * places of the users' rows, the items and the slots for answers follow at the
 * offsets of its layout.  There are no pointers in it.
 *
 * Units of users are claimed in ascending order.  The answer of unit u goes to
 * slot u modulo the number of slots, which is free once the leader has handed
 * out unit u - slots.  So the lowest unit that is not handed out always has a
 * slot and somebody who works on it: nobody waits for ever.
 *
 * Who writes what: places and items, the leader before workers start; a slot,
 * whoever claimed its unit, until he marks it filled, and nobody else until the
 * leader has handed it out.  The spinlock guards next_unit, handed_out and the
 * slots' marks.
 */
#ifndef COMMREC_BATCH_SHARED_H
#define COMMREC_BATCH_SHARED_H

#include "storage/condition_variable.h"
#include "storage/dsm.h"
#include "storage/itemptr.h"
#include "storage/spin.h"

#include "core/batch.h"
#include "serve/batch.h"
#include "serve/batch_lists.h"
#include "store/reader.h"

/* In place of a number of rows: nothing was learned of the user, who gets what recommend() says. */
#define BATCH_NOT_LEARNED	(-1)

/* Offsets from the beginning of the block. */
typedef struct BatchLayout
{
	Size		places;			/* ItemPointerData[users] */
	Size		items;			/* arena of cr_batch_items_size() bytes; or lists, batch_lists.h */
	Size		slots;
	Size		slot_bytes;		/* from one slot to the next */
	Size		total;
} BatchLayout;

typedef struct BatchShared
{
	Oid			schema;
	DeployedVersion deployed;
	int64		list_entries;	/* where scores come from lists */
	CrSimd		simd;
	int32		k;				/* at most the items of the version */
	bool		exclude_seen;
	int64		users;
	int32		unit_users;		/* users of a unit; the last one may have fewer */
	int64		units;
	int32		slots;
	char		model[NAMEDATALEN];
	BatchLayout layout;

	slock_t		mutex;
	int64		next_unit;		/* to be claimed */
	int64		handed_out;		/* units that the leader is done with */
	ConditionVariable freed;	/* a unit was handed out: workers wait for slots */
	ConditionVariable filled;	/* a unit is ready: the leader waits for the next one */
} BatchShared;

/* The head of a slot; the rows follow at the alignment of a cache line. */
typedef struct BatchSlot
{
	int64		filled_unit;	/* whose answer is in it, or -1 */
	int32		count[FLEXIBLE_ARRAY_MEMBER];	/* by user of the unit: rows, or BATCH_NOT_LEARNED */
} BatchSlot;

/* One participant. */
typedef struct BatchView
{
	BatchShared *shared;
	const ItemPointerData *places;
	CrBatchItems items;
	CrBatchBlock block;
	int32	   *block_user;		/* by user of the block: his number within the unit */
	BatchLists	lists;			/* where scores come from lists: in place of the three above */
	CrNeighborSums sums;
	UserReader	users;
	MemoryContext scratch;		/* what is stored of the users of one block */
} BatchView;

/* Bytes of a participant beside the shared block. */
extern Size BatchViewBytes(const BatchShared *shared);

extern void BatchViewOpen(BatchView *view, BatchShared *shared);
extern void BatchViewClose(BatchView *view);

extern BatchSlot *BatchSlotOf(const BatchView *view, int64 unit);

/* The rows of the i-th user of the unit in a slot: k of them have room. */
extern CrScored *BatchSlotRows(const BatchView *view, BatchSlot *slot, int32 i);

/* Users of a unit. */
extern int32 BatchUnitUsers(const BatchShared *shared, int64 unit);

/* Claim the next unit; false if there is none or, unless told to wait, no slot for it. */
extern bool BatchClaim(BatchShared *shared, bool wait, int64 *unit);

/* Answer a claimed unit, and tell the leader. */
extern void BatchAnswer(BatchView *view, int64 unit);

/* Start workers, if any can be had, and run "lead" in parallel mode beside them. */
extern void BatchRunParallel(BatchView *view, dsm_segment *segment, int workers,
							 void (*lead) (void *state), void *state);

#endif							/* COMMREC_BATCH_SHARED_H */
