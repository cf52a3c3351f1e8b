/*
 * view.c
 *		A deployed version as one query sees it: its blocks, and the items that decide.
 *
 * The view's memory context hangs below the one that the caller gives, so that
 * an error leaves nothing behind.  After an error inside a call the readers may
 * look open; nobody calls with that view again, since its query is over.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "common/compat.h"
#include "serve/view.h"
#include "store/model.h"
#include "store/neighbors.h"

#define KEPT_ITEMS		8192	/* scored items that are kept at most */
#define KEPT_BYTES		(8 * 1024 * 1024)	/* of their embeddings */
#define KEPT_BLOCKS		512		/* first blocks that are kept: 4 MB */
#define KEPT_LIST_BYTES	(16 * 1024 * 1024)	/* of lists that are kept at most */

/* The list of one item. */
typedef struct KeptList
{
	int32		item_no;		/* key of the view's hash table */
	char		status;			/* the hash table's */
	CrNeighborList list;
} KeptList;

#define SH_PREFIX itemtable
#define SH_ELEMENT_TYPE ServeItem
#define SH_KEY_TYPE int32
#define SH_KEY item_no
#define SH_HASH_KEY(tb, key) murmurhash32((uint32) (key))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

#define SH_PREFIX listtable
#define SH_ELEMENT_TYPE KeptList
#define SH_KEY_TYPE int32
#define SH_KEY item_no
#define SH_HASH_KEY(tb, key) murmurhash32((uint32) (key))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* What tells one snapshot of a query from another. */
typedef struct SnapshotMark
{
	TransactionId xmin;
	TransactionId xmax;
	uint32		xcnt;
	int32		subxcnt;
	CommandId	curcid;
} SnapshotMark;

typedef struct KeptBlock
{
	CrBlockHeader header;
	uint8	   *bytes;			/* NULL: not kept */
} KeptBlock;

struct ServeView
{
	MemoryContext context;		/* owns all of it */
	Oid			schema;
	SnapshotMark mark;
	DeployedVersion deployed;
	IdKind		item_kind;
	bool		is_first_call;
	bool		keeps_lists;
	itemtable_hash *items;
	ServeItem	passing;		/* an item that is not kept */
	KeptBlock  *blocks;			/* KEPT_BLOCKS of them, or NULL */
	listtable_hash *lists;		/* NULL: none is kept yet */
	Size		list_bytes;		/* of those that are kept */
	CrNeighborList passing_list;	/* one that is not kept */
	uint32		passing_room;	/* entries that it has room for */
	bool		has_items;		/* the readers below are open */
	bool		has_blocks;
	bool		has_lists;
	ItemReader	item_reader;
	BlockReader block_reader;
	NeighborReader list_reader;
};

static SnapshotMark
MarkSnapshot(void)
{
	Snapshot	snapshot = GetActiveSnapshot();
	SnapshotMark mark;

	mark.xmin = snapshot->xmin;
	mark.xmax = snapshot->xmax;
	mark.xcnt = snapshot->xcnt;
	mark.subxcnt = snapshot->subxcnt;
	mark.curcid = snapshot->curcid;
	return mark;
}

static bool
IsSameMark(const SnapshotMark *a, const SnapshotMark *b)
{
	return a->xmin == b->xmin && a->xmax == b->xmax && a->xcnt == b->xcnt &&
		a->subxcnt == b->subxcnt && a->curcid == b->curcid;
}

static ServeView *
CreateView(MemoryContext parent, Oid schema, const SnapshotMark *mark)
{
	DeployedVersion deployed;
	MemoryContext context;
	ServeView  *view;

	ReadDeployedVersion(schema, &deployed);
	context = AllocSetContextCreate(parent, "commrec view", ALLOCSET_DEFAULT_SIZES);
	view = MemoryContextAllocZero(context, sizeof(ServeView));
	view->context = context;
	view->schema = schema;
	view->mark = *mark;
	view->deployed = deployed;
	view->item_kind = LookupIdKind(schema, MODEL_ITEM_EMBEDDING, "item_id");
	view->items = itemtable_create(context, 64, NULL);
	view->passing.embedding = MemoryContextAlloc(context, sizeof(float) * Max(deployed.dims, 1));
	view->is_first_call = true;
	return view;
}

ServeView *
ServeViewOpen(void **slot, MemoryContext context, Oid schema)
{
	SnapshotMark mark = MarkSnapshot();
	ServeView  *view = *slot;

	if (view != NULL && view->schema == schema && IsSameMark(&view->mark, &mark))
	{
		view->is_first_call = false;
		view->has_items = false;
		view->has_blocks = false;
		view->has_lists = false;
		return view;
	}
	*slot = NULL;
	if (view != NULL)
		MemoryContextDelete(view->context);
	view = CreateView(context, schema, &mark);
	*slot = view;
	return view;
}

void
ServeViewClose(ServeView *view)
{
	if (view->has_items)
		ItemReaderClose(&view->item_reader);
	if (view->has_blocks)
		BlockReaderClose(&view->block_reader);
	if (view->has_lists)
		NeighborReaderClose(&view->list_reader);
	view->has_items = false;
	view->has_blocks = false;
	view->has_lists = false;
}

const DeployedVersion *
ServeViewDeployed(const ServeView *view)
{
	return &view->deployed;
}

IdKind
ServeViewItemKind(const ServeView *view)
{
	return view->item_kind;
}

/* Keep a copy of a block that was read. */
static void
KeepBlock(ServeView *view, int32 block, const uint8 *bytes, Size length,
		  const CrBlockHeader *header)
{
	if (view->blocks == NULL)
		view->blocks = MemoryContextAllocZero(view->context, KEPT_BLOCKS * sizeof(KeptBlock));
	view->blocks[block].header = *header;
	view->blocks[block].bytes = MemoryContextAlloc(view->context, length);
	memcpy(view->blocks[block].bytes, bytes, length);
}

const uint8 *
ServeViewBlock(ServeView *view, int32 block, CrBlockHeader *header)
{
	const uint8 *bytes;
	Size		length;

	if (block < KEPT_BLOCKS && view->blocks != NULL && view->blocks[block].bytes != NULL)
	{
		*header = view->blocks[block].header;
		return view->blocks[block].bytes;
	}
	if (!view->has_blocks)
	{
		BlockReaderOpen(&view->block_reader, view->schema, &view->deployed);
		view->has_blocks = true;
	}
	bytes = BlockReaderGet(&view->block_reader, block, header, &length);
	/* Most queries call once: only a second call shows that copies pay. */
	if (!view->is_first_call && block < KEPT_BLOCKS)
		KeepBlock(view, block, bytes, length, header);
	return bytes;
}

/* Room for a list, in the view's memory. */
static CrNeighborList
MakeList(ServeView *view, uint32 count)
{
	CrNeighborList list;

	list.count = count;
	list.item_no = MemoryContextAlloc(view->context, sizeof(int32) * Max(count, 1));
	list.weight = MemoryContextAlloc(view->context, sizeof(float) * Max(count, 1));
	return list;
}

static void
Decode(const uint8 *bytes, CrNeighborList *list)
{
	cr_neighbors_decode(bytes, list->count, unconstify(int32 *, list->item_no),
						unconstify(float *, list->weight));
}

/* Keep a list that was read. */
static const CrNeighborList *
KeepList(ServeView *view, int32 item_no, const uint8 *bytes, uint32 count)
{
	CrNeighborList list = MakeList(view, count);
	KeptList   *kept;
	bool		found;

	Decode(bytes, &list);
	if (view->lists == NULL)
		view->lists = listtable_create(view->context, 64, NULL);
	kept = listtable_insert(view->lists, item_no, &found);
	kept->list = list;
	view->list_bytes += cr_neighbors_size(count);
	return &kept->list;
}

/* Let a list that was read pass. */
static const CrNeighborList *
PassList(ServeView *view, const uint8 *bytes, uint32 count)
{
	if (view->passing_room < count || view->passing_room == 0)
	{
		if (view->passing_room > 0)
		{
			pfree(unconstify(int32 *, view->passing_list.item_no));
			pfree(unconstify(float *, view->passing_list.weight));
		}
		view->passing_room = 0;
		view->passing_list = MakeList(view, count);
		view->passing_room = Max(count, 1);
	}
	view->passing_list.count = count;
	Decode(bytes, &view->passing_list);
	return &view->passing_list;
}

const CrNeighborList *
ServeViewList(ServeView *view, int32 item_no)
{
	const KeptList *kept = view->lists == NULL ? NULL : listtable_lookup(view->lists, item_no);
	const uint8 *bytes;
	uint32		count;

	if (kept != NULL)
		return &kept->list;
	if (!view->has_lists)
	{
		NeighborReaderOpen(&view->list_reader, view->schema, &view->deployed);
		view->has_lists = true;
	}
	bytes = NeighborReaderGet(&view->list_reader, item_no, &count);
	/* As for blocks: only a second call shows that copies pay, unless somebody knows. */
	if ((view->keeps_lists || !view->is_first_call) && view->list_bytes < KEPT_LIST_BYTES)
		return KeepList(view, item_no, bytes, count);
	return PassList(view, bytes, count);
}

void
ServeViewKeepLists(ServeView *view)
{
	view->keeps_lists = true;
}

/* The reader, on an item. */
static ItemReader *
FindItem(ServeView *view, int32 item_no)
{
	ItemReader *reader = &view->item_reader;

	if (!view->has_items)
	{
		ItemReaderOpen(reader, view->schema, &view->deployed, ITEM_BY_NO);
		view->has_items = true;
		if (reader->lookup.id_kind != view->item_kind)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("tables of model \"%s\" are being altered",
							ModelSchemaName(view->schema)),
					 errhint("Try again.")));
	}
	ItemReaderFindNo(reader, item_no);
	return reader;
}

static bool
HasRoom(const ServeView *view)
{
	return view->items->members < KEPT_ITEMS &&
		(Size) view->items->members * view->deployed.dims * sizeof(float) < KEPT_BYTES;
}

const ServeItem *
ServeViewItem(ServeView *view, int32 item_no)
{
	ServeItem  *item = itemtable_lookup(view->items, item_no);
	ItemReader *reader;
	MemoryContext old_context;
	Datum		item_id;
	bool		found;

	if (item != NULL)
		return item;
	reader = FindItem(view, item_no);
	ItemReaderEmbedding(reader, view->passing.embedding);
	if (!HasRoom(view))
	{
		view->passing.item_no = item_no;
		view->passing.item_id = (Datum) 0;
		return &view->passing;
	}
	old_context = MemoryContextSwitchTo(view->context);
	item_id = ItemReaderId(reader);
	item = itemtable_insert(view->items, item_no, &found);
	item->item_id = item_id;
	item->embedding = palloc(sizeof(float) * Max(view->deployed.dims, 1));
	memcpy(item->embedding, view->passing.embedding, sizeof(float) * view->deployed.dims);
	MemoryContextSwitchTo(old_context);
	return item;
}

Datum
ServeViewItemId(ServeView *view, int32 item_no)
{
	const ServeItem *item = itemtable_lookup(view->items, item_no);

	if (item == NULL)
		return ItemReaderId(FindItem(view, item_no));
	return IdCopy(item->item_id, view->item_kind);
}
