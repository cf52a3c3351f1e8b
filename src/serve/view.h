/*
 * view.h
 *		A deployed version as one query sees it: its blocks, and the items that decide.
 *
 * A call in a query of its own reads what it needs and forgets it.  Where one
 * query calls again and again, as in a LATERAL join over users, the calls share
 * a view: it keeps copies of the first blocks and of the items that were
 * scored, so that most calls read nothing but their user.  A view lives in the
 * function's fn_extra, as long as the query, and belongs to one snapshot; it
 * holds memory only: what is opened during a call is closed at its end.
 */
#ifndef COMMREC_VIEW_H
#define COMMREC_VIEW_H

#include "core/block.h"
#include "core/neighbors.h"
#include "store/reader.h"

typedef struct ServeView ServeView;

/* One item of the version. */
typedef struct ServeItem
{
	int32		item_no;		/* key of the view's hash table */
	char		status;			/* the hash table's */
	float	   *embedding;		/* dims floats */
	Datum		item_id;
} ServeItem;

/*
 * The view that *slot holds, if it is of this model and snapshot, else a new
 * one, allocated in "context".  55000 if no version is deployed.
 */
extern ServeView *ServeViewOpen(void **slot, MemoryContext context, Oid schema);

/* Close what the call has opened. */
extern void ServeViewClose(ServeView *view);

extern const DeployedVersion *ServeViewDeployed(const ServeView *view);

/* Id kind of the items. */
extern IdKind ServeViewItemKind(const ServeView *view);

/* A block, checked; valid until the next call. */
extern const uint8 *ServeViewBlock(ServeView *view, int32 block, CrBlockHeader *header);

/* An item by its number, checked; valid until the next call.  XX001 if it is missing. */
extern const ServeItem *ServeViewItem(ServeView *view, int32 item_no);

/*
 * The list of an item, of a version that scores by lists; checked, and valid
 * until the next call.
 */
extern const CrNeighborList *ServeViewList(ServeView *view, int32 item_no);

/* Lists that are read from now on will be read again: keep copies even in a first call. */
extern void ServeViewKeepLists(ServeView *view);

/* The id of an item, in the current context. */
extern Datum ServeViewItemId(ServeView *view, int32 item_no);

#endif							/* COMMREC_VIEW_H */
