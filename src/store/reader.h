/*
 * reader.h
 *		Reading the rows of a deployed version: by index, with the active snapshot, no SPI.
 *
 * These run in every recommend(); they open a table and its index, fetch and
 * close.  Bytes are checked on every read: damaged ones are XX001, those of a
 * newer format 0A000, both naming the model and the entity.
 */
#ifndef COMMREC_READER_H
#define COMMREC_READER_H

#include "core/algorithm.h"
#include "core/block.h"
#include "store/lookup.h"
#include "utils/timestamp.h"

typedef struct DeployedVersion
{
	int32		version;
	int32		dims;			/* of the embeddings; 0 if nothing could be learned */
	int32		factors;		/* the first of them, which were learned; the rest is popularity */
	int32		items;			/* items of the version: item_no and popular_no are 0 .. items-1 */
	CrScorer	scorer;			/* of its algorithm */
	CrFold		fold;
	double		alpha;			/* with lists: c_ui = alpha * log2(1 + p_ui) */
} DeployedVersion;

/*
 * Fill in the scorer, and what goes with it, of a version whose other fields are
 * known.  0A000 for an algorithm that this library does not know.
 */
extern void ReadVersionScorer(Oid schema, const char *algorithm, DeployedVersion *version);

/*
 * Does a user's embedding stand for what the lists of his items add up to?
 * Then it is 1, the item's popularity is to be added, and StoredUser.confidence
 * says how much each of his items counts.
 */
extern bool ScoresByLists(const DeployedVersion *deployed);

/* The deployed version of the model; 55000 with the hint to train if there is none. */
extern void ReadDeployedVersion(Oid schema, DeployedVersion *deployed);

/* Width of the model's buckets in microseconds; false if it has no time column. */
extern bool ReadBucketWidth(Oid schema, int64 *bucket_width);

/* What is stored of one user. */
typedef struct StoredUser
{
	float	   *embedding;		/* dims floats, or NULL: nothing learned of this user */
	uint32	   *seen;			/* decoded entries, see core/seen.h */
	uint32		seen_count;		/* at most deployed->items */
	uint32	   *last_touched;	/* of the entries, see core/seen.h, or NULL: not stored */
	float	   *confidence;		/* of the entries: c_ui, 0 for what he does not want; NULL where scores do
								 * not come from lists */
} StoredUser;

/* c_ui of a pair; 0 for what he does not want.  22003 beyond a float. */
extern float UserConfidence(double alpha, double preference);

typedef struct UserReader
{
	Lookup		lookup;			/* its id_kind is the kind of the users */
	const DeployedVersion *deployed;
} UserReader;

extern void UserReaderOpen(UserReader *reader, Oid schema, const DeployedVersion *deployed);
extern void UserReaderClose(UserReader *reader);

/*
 * False, and nothing stored, if the version does not know the user.  Allocated
 * in the current context.
 */
extern bool UserReaderRead(UserReader *reader, Datum user, StoredUser *stored);

/* Go through all users in the order of their ids. */
extern void UserReaderStart(UserReader *reader);
extern bool UserReaderNext(UserReader *reader);

/* Where the current user's row lies, and going there again under the same snapshot. */
extern ItemPointerData UserReaderPlace(const UserReader *reader);
extern void UserReaderGo(UserReader *reader, ItemPointerData place);

/* The current user's id; it points into the page and is valid until the next user. */
extern Datum UserReaderId(UserReader *reader);

/* What is stored of the current user, allocated in the current context. */
extern void UserReaderGet(UserReader *reader, StoredUser *stored);

/* The same as UserReaderRead() for one user alone. */
extern bool ReadUser(Oid schema, const DeployedVersion *deployed, Datum user, StoredUser *stored);

/* Does the version know the user, an id of this kind? */
extern bool IsKnownUser(Oid schema, const DeployedVersion *deployed, IdKind kind, Datum user);

/* What is stored of one item beside its embedding. */
typedef struct StoredItem
{
	int32		item_no;
	float		popularity;
} StoredItem;

/* Which column an item reader looks up and orders by. */
typedef enum ItemKey
{
	ITEM_BY_NO,
	ITEM_BY_POPULARITY,
	ITEM_BY_ID
} ItemKey;

typedef struct ItemReader
{
	Lookup		lookup;
	const DeployedVersion *deployed;
} ItemReader;

extern void ItemReaderOpen(ItemReader *reader, Oid schema, const DeployedVersion *deployed,
						   ItemKey key);
extern void ItemReaderClose(ItemReader *reader);

/* Go to one item by its item_no; XX001 if there is none. */
extern void ItemReaderFindNo(ItemReader *reader, int32 item_no);

/* Go to one item by its id; false if the version does not know it. */
extern bool ItemReaderFindId(ItemReader *reader, Datum item_id);

/* Go through all items in the order of the key. */
extern void ItemReaderStart(ItemReader *reader);
extern bool ItemReaderNext(ItemReader *reader);

/* Number and popularity of the current item, checked. */
extern void ItemReaderGet(ItemReader *reader, StoredItem *item);

/* Its place in descending popularity. */
extern int32 ItemReaderPopularNo(ItemReader *reader);

/* How many users it had when the version was trained. */
extern int32 ItemReaderUsers(ItemReader *reader);

/* Its embedding, into deployed->dims floats. */
extern void ItemReaderEmbedding(ItemReader *reader, float *embedding);

/* Its id, copied into the current context. */
extern Datum ItemReaderId(ItemReader *reader);

/* The blocks of a version: block b holds the items from b * cr_block_capacity(dims) on. */
typedef struct BlockReader
{
	Lookup		lookup;
	const DeployedVersion *deployed;
	int32		next_block;		/* that the scan comes to next */
	int32		range_end;		/* first block that the scan does not come to */
	int32		range_size;		/* blocks that the next scan asks for */
} BlockReader;

/* Of a version with dims. */
extern int32 BlockCount(const DeployedVersion *deployed);

extern void BlockReaderOpen(BlockReader *reader, Oid schema, const DeployedVersion *deployed);
extern void BlockReaderClose(BlockReader *reader);

/*
 * A block, checked; the bytes stay valid until the next call.  Any order will
 * do, ascending is fastest.
 */
extern const uint8 *BlockReaderGet(BlockReader *reader, int32 block, CrBlockHeader *header,
								   Size *length);

#endif							/* COMMREC_READER_H */
