/*
 * idmap.h
 *		Native ids to dense numbers, for tens of millions of ids.
 *
 * While events are read, ids get provisional numbers by first appearance.
 * IdMapSort then renumbers them in native order, so that nothing that follows
 * depends on the order in which rows came.  Text ids live in an arena.
 */
#ifndef COMMREC_IDMAP_H
#define COMMREC_IDMAP_H

#include "common/ident.h"
#include "common/memory.h"

typedef struct IdMap IdMap;

/* A map in a memory context of its own below the current one; bytes count against the budget. */
extern IdMap *IdMapCreate(IdKind kind, MemoryBudget *budget, const char *what);

/* Provisional number of an id, added if new.  54000 for text beyond COMMREC_ID_TEXT_MAX bytes or 2^31 ids. */
extern int32 IdMapAdd(IdMap *map, Datum id);

extern int32 IdMapCount(const IdMap *map);

/*
 * Renumber in ascending native order (text bytewise).  Returns rank[] by
 * provisional number, which lives until IdMapDropRank; the hash table is
 * freed, so that no id can be added any more.
 */
extern const int32 *IdMapSort(IdMap *map);
extern void IdMapDropRank(IdMap *map);

/* The id with this (sorted) number; the signature fits EntityId of store/publish.h. */
extern Datum IdMapGet(void *map, int32 number);

extern void IdMapFree(IdMap *map);

#endif							/* COMMREC_IDMAP_H */
