/*
 * idmap_internal.h
 *		What idmap.c and idmap_sort.c share.
 */
#ifndef COMMREC_IDMAP_INTERNAL_H
#define COMMREC_IDMAP_INTERNAL_H

#include "miscadmin.h"
#include "utils/uuid.h"

#include "common/compat.h"
#include "train/idmap.h"

/* Let a loop be interrupted often enough, and cheaply. */
#define IDMAP_POLL(i) \
	do { \
		if (((i) & 0xffff) == 0xffff) \
			CHECK_FOR_INTERRUPTS(); \
	} while (0)

typedef struct IdSlot
{
	uint32		hash;
	int32		number;			/* -1: free */
} IdSlot;

typedef union IdKeys
{
	int64	   *integer;
	pg_uuid_t  *uuid;
	struct varlena **text;		/* in the arena, with a header of four bytes */
} IdKeys;

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
	IdSlot	   *slots;			/* NULL once sorted */
	char	   *arena;			/* free part of the newest chunk */
	Size		arena_left;
	int32	   *rank;
	Size		rank_bytes;
};

/* Allocate in the map's context and count; give back. */
extern void *IdMapAlloc(IdMap *map, Size bytes);
extern void IdMapRelease(IdMap *map, void *memory, Size bytes);

extern void IdMapDropSlots(IdMap *map);

#endif							/* COMMREC_IDMAP_INTERNAL_H */
