/*
 * idmap_internal.h
 *		What the files idmap*.c share.
 */
#ifndef COMMREC_IDMAP_INTERNAL_H
#define COMMREC_IDMAP_INTERNAL_H

#include "miscadmin.h"
#include "utils/uuid.h"

#include "common/compat.h"
#include "train/idmap.h"

#define IDMAP_NONE		(-1)	/* no number */

/* Let a loop be interrupted often enough, and cheaply. */
#define IDMAP_POLL(i) \
	do { \
		if (((i) & 0xffff) == 0xffff) \
			CHECK_FOR_INTERRUPTS(); \
	} while (0)

typedef struct IdSlot
{
	uint32		hash;
	int32		number;			/* IDMAP_NONE: free */
} IdSlot;

/* Numbers by id, for integers that lie close together. */
typedef struct IdWindow
{
	int64		first;			/* the id of number[0] */
	uint64		size;
	int32	   *number;			/* NULL: there is no window, but slots */
} IdWindow;

typedef union IdKeys
{
	int64	   *integer;
	pg_uuid_t  *uuid;
	struct varlena **text;		/* in the arena, with a header of four bytes */
} IdKeys;

/* Ids that wait for their numbers. */
typedef struct IdQueue
{
	int			count;
	int64		integer[IDMAP_BATCH];
	char	   *bytes;			/* of uuids and text, one after the other */
	int			end[IDMAP_BATCH];	/* of each one's */
	uint32		hash[IDMAP_BATCH];
} IdQueue;

struct IdMap
{
	IdKind		kind;
	const char *what;			/* "users", for messages */
	MemoryBudget *budget;
	Size		bytes;			/* counted against the budget */
	MemoryContext context;		/* owns everything, this struct too */
	int32		count;
	Size		key_room;		/* in keys */
	IdKeys		keys;			/* by number */
	uint64		slot_count;		/* a power of two */
	IdSlot	   *slots;			/* NULL while there is a window, and once sorted */
	IdWindow	window;
	char	   *arena;			/* free part of the newest chunk */
	Size		arena_left;
	int32	   *rank;
	Size		rank_bytes;
	IdQueue		queue;
};

static inline Size
IdMapKeyBytes(const IdMap *map)
{
	return map->kind == ID_UUID ? UUID_LEN : sizeof(uint64);
}

/* Allocate in the map's context and count; give back. */
extern void *IdMapAlloc(IdMap *map, Size bytes);
extern void IdMapRelease(IdMap *map, void *memory, Size bytes);

/* Make sure that there is room for more keys (54000 beyond 2^31). */
extern void IdMapReserveKeys(IdMap *map, int more);

/* Make the hash table anew, for the keys there are and "more". */
extern void IdMapBuildSlots(IdMap *map, int more);
extern void IdMapDropSlots(IdMap *map);

/* idmap_window.c: build a window in place of the slots, if the ids lie close enough together. */
extern bool IdMapBuildWindow(IdMap *map);
extern void IdMapDropWindow(IdMap *map);

/*
 * idmap_window.c: number queued ids from "from" on; there is room for their
 * keys.  Returns where it stopped: short of the end if the window has given
 * way to slots.
 */
extern int	IdMapNumberByWindow(IdMap *map, int from, int32 *number);

#endif							/* COMMREC_IDMAP_INTERNAL_H */
