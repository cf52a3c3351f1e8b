/*
 * item_lists.h
 *		From the neighbours of every item to lists by source: what all item-item trainers end with.
 *
 * A trainer finds at most "width" neighbours of every item, its owner, and
 * puts them into the owner's slot, in any order.  Publishing makes of the slots one CSR by source,
 * in steps of short units:
 *	owners are targets, neighbours the sources that vote for them: a counting
 *	sort by source; each block of owners counts (1), the counts of a source
 *	over the blocks become offsets (2), then the counts of the sources do (3),
 *	and each block of owners writes its entries to places of their own (4);
 *	owners are sources: their counts become offsets (3), and the entries are
 *	copied, sorted by target (4).
 *
 * Memory: one block of the caller's, 16 bytes an entry and 4 an item and
 * block of owners.  Every participant carves views of its own.
 */
#ifndef CR_ITEM_LISTS_H
#define CR_ITEM_LISTS_H

#include <stdint.h>

#include "core/carve.h"
#include "core/csr.h"
#include "core/topk.h"

#define CR_ITEM_LISTS_STEPS	4

/* Highest number of neighbours: sizes of any catalogue then fit into 64 bits. */
#define CR_ITEM_LISTS_WIDTH_MAX	100000

typedef enum CrItemListsOwner
{
	CR_OWNER_IS_TARGET,
	CR_OWNER_IS_SOURCE
} CrItemListsOwner;

typedef struct CrItemLists
{
	CrItemListsOwner owner;
	int64_t		items;
	int64_t		width;			/* entries of a slot */
	int64_t		blocks;			/* of owners */
	int32_t    *count;			/* items: entries in the slot */
	CrScored   *slot;			/* items x width */
	int32_t    *block_count;	/* blocks x items: entries of a source, then places taken before */
	int64_t    *start;			/* items + 1: of the result */
	int32_t    *column;
	float	   *weight;
} CrItemLists;

/* Carve lists of at most "neighbors" entries an item. */
extern void cr_item_lists_carve(CrItemLists *lists, CrItemListsOwner owner, int64_t items,
								int64_t neighbors, CrCarver *shared);

/* Move what is kept of an owner's entries, the highest scores, to the front; how many that are. */
extern int64_t cr_item_lists_keep(const CrItemLists *lists, CrScored *entries, int64_t count,
								  uint32_t *counters);

/* Fill an owner's slot from at most lists->width entries, once, or never; weights may be negative. */
extern void cr_item_lists_put(const CrItemLists *lists, int64_t owner, const CrScored *entries,
							  int64_t count);

/* Units of the publishing steps 0 .. CR_ITEM_LISTS_STEPS - 1, and the work of one. */
extern int64_t cr_item_lists_units(const CrItemLists *lists, int64_t step);
extern void cr_item_lists_publish(const CrItemLists *lists, int64_t step, int64_t unit);

extern void cr_item_lists_result(const CrItemLists *lists, CrCsr *csr);

#endif							/* CR_ITEM_LISTS_H */
