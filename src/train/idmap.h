/*
 * idmap.h
 *		Native ids to dense numbers, for tens of millions of ids.
 *
 * While events are read, ids get provisional numbers by first appearance, in
 * batches: an id is pushed, and a full queue is numbered at once, so that the
 * places in memory that it takes can be fetched ahead of their use.
 * IdMapSort then renumbers the ids in native order, so that nothing that
 * follows depends on the order in which rows came.  Text ids live in an arena.
 */
#ifndef COMMREC_IDMAP_H
#define COMMREC_IDMAP_H

#include "common/ident.h"
#include "common/memory.h"

#define IDMAP_BATCH		256		/* ids that can be queued */

typedef struct IdMap IdMap;

/* A map in a memory context of its own below the current one; bytes count against the budget. */
extern IdMap *IdMapCreate(IdKind kind, MemoryBudget *budget, const char *what);

/*
 * Queue an id, of which there must be less than IDMAP_BATCH; it is copied.
 * 54000 for text beyond COMMREC_ID_TEXT_MAX bytes.
 */
extern void IdMapPush(IdMap *map, Datum id);

/*
 * Provisional numbers of the queued ids, in the order in which they came;
 * those that are new are added.  Empties the queue.  54000 for 2^31 ids.
 */
extern void IdMapNumber(IdMap *map, int32 *number);

/* Push and number a single id. */
extern int32 IdMapAdd(IdMap *map, Datum id);

extern int32 IdMapCount(const IdMap *map);
extern IdKind IdMapKind(const IdMap *map);

/*
 * Renumber in ascending native order (text bytewise).  Returns rank[] by
 * provisional number, which lives until IdMapDropRank; what finds ids is
 * freed, so that no id can be added any more.
 */
extern const int32 *IdMapSort(IdMap *map);
extern void IdMapDropRank(IdMap *map);

/* The id with this (sorted) number; the signature fits EntityId of store/publish.h. */
extern Datum IdMapGet(void *map, int32 number);

extern void IdMapFree(IdMap *map);

#endif							/* COMMREC_IDMAP_H */
