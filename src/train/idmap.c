/*
 * idmap.c
 *		The hash table that numbers ids, and what can be asked after sorting.
 *
 * Keys stand in an array by number: 8 bytes for integers, 16 for uuids, and
 * for text a pointer to a varlena in the arena.  The hash table beside it has
 * slots of 8 bytes, hash and number, so that it grows without touching a key,
 * and a probe looks at a key only when 32 bits of hash agree.  A batch of ids
 * goes through in three steps, slots and keys being fetched one step ahead.
 *
 * Integers that lie close together get by without hashing, see
 * idmap_window.c.  The renumbering is in idmap_sort.c.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "train/idmap_internal.h"

#define FIRST_KEYS		1024
#define FIRST_SLOTS		2048	/* a power of two */
#define ARENA_CHUNK		((Size) 1024 * 1024)

void *
IdMapAlloc(IdMap *map, Size bytes)
{
	MemoryContext old_context = MemoryContextSwitchTo(map->context);
	void	   *memory = BudgetAlloc(map->budget, bytes, map->what);

	MemoryContextSwitchTo(old_context);
	map->bytes += bytes;
	return memory;
}

void
IdMapRelease(IdMap *map, void *memory, Size bytes)
{
	BudgetFree(map->budget, memory, bytes);
	map->bytes -= bytes;
}

static Size
QueueBytes(const IdMap *map)
{
	switch (map->kind)
	{
		case ID_TEXT:
			return (Size) IDMAP_BATCH * COMMREC_ID_TEXT_MAX;
		case ID_UUID:
			return (Size) IDMAP_BATCH * UUID_LEN;
		default:
			return 0;
	}
}

static void
AllocSlots(IdMap *map, uint64 count)
{
	map->slot_count = count;
	map->slots = IdMapAlloc(map, mul_size(count, sizeof(IdSlot)));
	for (uint64 i = 0; i < count; i++)
	{
		IDMAP_POLL(i);
		map->slots[i].number = IDMAP_NONE;
	}
}

IdMap *
IdMapCreate(IdKind kind, MemoryBudget *budget, const char *what)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "commrec id map",
												  ALLOCSET_DEFAULT_SIZES);
	IdMap	   *map = MemoryContextAllocZero(context, sizeof(IdMap));

	map->kind = kind;
	map->budget = budget;
	map->what = what;
	map->context = context;
	map->key_room = FIRST_KEYS;
	map->keys.integer = IdMapAlloc(map, FIRST_KEYS * IdMapKeyBytes(map));
	if (QueueBytes(map) > 0)
		map->queue.bytes = IdMapAlloc(map, QueueBytes(map));
	AllocSlots(map, FIRST_SLOTS);
	return map;
}

/* The allocator moves pages of large blocks instead of bytes. */
void
IdMapReserveKeys(IdMap *map, int more)
{
	if (map->count > PG_INT32_MAX - more)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many %s: the limit is %d", map->what, PG_INT32_MAX - IDMAP_BATCH)));
	while ((Size) map->count + more > map->key_room)
	{
		Size		bytes = mul_size(map->key_room, IdMapKeyBytes(map));

		BudgetReserve(map->budget, bytes, map->what);
		map->bytes += bytes;
		map->keys.integer = repalloc_huge(map->keys.integer, mul_size(bytes, 2));
		map->key_room *= 2;
	}
}

/* A copy of text bytes as a varlena that lives as long as the map. */
static struct varlena *
StoreText(IdMap *map, const char *bytes, int length)
{
	Size		needed = INTALIGN(VARHDRSZ + (Size) length);
	struct varlena *text;

	if (needed > map->arena_left)
	{
		map->arena = IdMapAlloc(map, ARENA_CHUNK);
		map->arena_left = ARENA_CHUNK;
	}
	text = (struct varlena *) map->arena;
	SET_VARSIZE(text, VARHDRSZ + length);
	memcpy(VARDATA(text), bytes, length);
	map->arena += needed;
	map->arena_left -= needed;
	return text;
}

/* The bytes of a queued uuid or text. */
static const char *
QueuedBytes(const IdQueue *queue, int i, int *length)
{
	int			from = i == 0 ? 0 : queue->end[i - 1];

	*length = queue->end[i] - from;
	return queue->bytes + from;
}

static bool
KeyEquals(const IdMap *map, int32 number, int queued)
{
	const struct varlena *text;
	const char *bytes;
	int			length;

	switch (map->kind)
	{
		case ID_TEXT:
			bytes = QueuedBytes(&map->queue, queued, &length);
			text = map->keys.text[number];
			return VARSIZE(text) - VARHDRSZ == (Size) length &&
				memcmp(VARDATA(text), bytes, length) == 0;
		case ID_UUID:
			bytes = QueuedBytes(&map->queue, queued, &length);
			return memcmp(map->keys.uuid[number].data, bytes, UUID_LEN) == 0;
		default:
			return map->keys.integer[number] == map->queue.integer[queued];
	}
}

static void
StoreKey(IdMap *map, int32 number, int queued)
{
	const char *bytes;
	int			length;

	switch (map->kind)
	{
		case ID_TEXT:
			bytes = QueuedBytes(&map->queue, queued, &length);
			map->keys.text[number] = StoreText(map, bytes, length);
			break;
		case ID_UUID:
			bytes = QueuedBytes(&map->queue, queued, &length);
			memcpy(map->keys.uuid[number].data, bytes, UUID_LEN);
			break;
		default:
			map->keys.integer[number] = map->queue.integer[queued];
	}
}

/* The finalizer of MurmurHash3: every bit of the input moves every bit of the result. */
static uint32
HashInteger(int64 integer)
{
	uint64		h = (uint64) integer;

	h ^= h >> 33;
	h *= UINT64CONST(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64CONST(0xc4ceb9fe1a85ec53);
	h ^= h >> 33;
	return (uint32) h;
}

static uint32
HashKey(const IdMap *map, int32 number)
{
	const struct varlena *text;

	switch (map->kind)
	{
		case ID_TEXT:
			text = map->keys.text[number];
			return hash_bytes((const unsigned char *) VARDATA(text),
							  (int) (VARSIZE(text) - VARHDRSZ));
		case ID_UUID:
			return hash_bytes(map->keys.uuid[number].data, UUID_LEN);
		default:
			return HashInteger(map->keys.integer[number]);
	}
}

static uint32
HashQueued(const IdQueue *queue, int i)
{
	const char *bytes;
	int			length;

	if (queue->bytes == NULL)
		return HashInteger(queue->integer[i]);
	bytes = QueuedBytes(queue, i, &length);
	return hash_bytes((const unsigned char *) bytes, length);
}

void
IdMapBuildSlots(IdMap *map, int more)
{
	uint64		count = FIRST_SLOTS;
	uint64		mask;

	while (((uint64) map->count + more) * 4 > count * 3)
		count *= 2;
	AllocSlots(map, count);
	mask = count - 1;
	for (int32 number = 0; number < map->count; number++)
	{
		IdSlot		slot = {HashKey(map, number), number};
		uint64		at = slot.hash & mask;

		IDMAP_POLL(number);
		while (map->slots[at].number != IDMAP_NONE)
			at = (at + 1) & mask;
		map->slots[at] = slot;
	}
}

/* Double the hash table; the stored hashes say where everything goes. */
static void
GrowSlots(IdMap *map)
{
	IdSlot	   *old_slots = map->slots;
	uint64		old_count = map->slot_count;
	uint64		mask = old_count * 2 - 1;

	AllocSlots(map, old_count * 2);
	for (uint64 i = 0; i < old_count; i++)
	{
		uint64		at = old_slots[i].hash & mask;

		IDMAP_POLL(i);
		if (old_slots[i].number == IDMAP_NONE)
			continue;
		while (map->slots[at].number != IDMAP_NONE)
			at = (at + 1) & mask;
		map->slots[at] = old_slots[i];
	}
	IdMapRelease(map, old_slots, old_count * sizeof(IdSlot));
}

/* Make room for the queued ids, at most three quarters full; false if a window has come instead. */
static bool
ReserveSlots(IdMap *map)
{
	if (((uint64) map->count + map->queue.count) * 4 <= map->slot_count * 3)
		return true;
	if (IdMapBuildWindow(map))
		return false;
	GrowSlots(map);
	return true;
}

static int32
FindOrAdd(IdMap *map, int queued)
{
	uint32		hash = map->queue.hash[queued];
	uint64		mask = map->slot_count - 1;
	uint64		at = hash & mask;
	IdSlot	   *slot = &map->slots[at];

	while (slot->number != IDMAP_NONE)
	{
		if (slot->hash == hash && KeyEquals(map, slot->number, queued))
			return slot->number;
		at = (at + 1) & mask;
		slot = &map->slots[at];
	}
	StoreKey(map, map->count, queued);
	slot->hash = hash;
	slot->number = map->count;
	return map->count++;
}

static void
NumberByHash(IdMap *map, int from, int32 *number)
{
	IdQueue    *queue = &map->queue;
	uint64		mask = map->slot_count - 1;
	Size		key_bytes = IdMapKeyBytes(map);

	for (int i = from; i < queue->count; i++)
	{
		queue->hash[i] = HashQueued(queue, i);
		__builtin_prefetch(&map->slots[queue->hash[i] & mask]);
	}
	for (int i = from; i < queue->count; i++)
	{
		int32		likely = map->slots[queue->hash[i] & mask].number;

		if (likely != IDMAP_NONE)
			__builtin_prefetch((char *) map->keys.integer + (Size) likely * key_bytes);
	}
	for (int i = from; i < queue->count; i++)
		number[i] = FindOrAdd(map, i);
}

void
IdMapNumber(IdMap *map, int32 *number)
{
	int			done = 0;

	IdMapReserveKeys(map, map->queue.count);
	if (map->window.number != NULL || !ReserveSlots(map))
		done = IdMapNumberByWindow(map, 0, number);
	if (done < map->queue.count)
		NumberByHash(map, done, number);
	map->queue.count = 0;
}

static void
PushBytes(IdQueue *queue, const char *bytes, int length)
{
	int			from = queue->count == 0 ? 0 : queue->end[queue->count - 1];

	memcpy(queue->bytes + from, bytes, length);
	queue->end[queue->count++] = from + length;
}

static void
PushText(IdMap *map, Datum id)
{
	struct varlena *text;

	/* Asked of the header, so that a huge value is refused before it is fetched. */
	if (toast_raw_datum_size(id) > VARHDRSZ + COMMREC_ID_TEXT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("id of %zu bytes among the %s is too long: the limit is %d bytes",
						toast_raw_datum_size(id) - VARHDRSZ, map->what, COMMREC_ID_TEXT_MAX),
				 errhint("Use a shorter key, for example a hash of the id, in a view.")));
	text = PG_DETOAST_DATUM_PACKED(id);
	PushBytes(&map->queue, VARDATA_ANY(text), (int) VARSIZE_ANY_EXHDR(text));
	if ((Pointer) text != DatumGetPointer(id))
		pfree(text);
}

/* By the time that the queue is full, a window's answer has come.  An id outside has no address: a sum is none. */
static inline void
PushInteger(IdMap *map, int64 id)
{
	IdQueue    *queue = &map->queue;

	queue->integer[queue->count++] = id;
	if (map->window.number != NULL)
		__builtin_prefetch((const void *) ((uintptr_t) map->window.number +
										   ((uint64) id - (uint64) map->window.first) * sizeof(int32)));
}

void
IdMapPush(IdMap *map, Datum id)
{
	IdQueue    *queue = &map->queue;

	Assert(queue->count < IDMAP_BATCH);
	switch (map->kind)
	{
		case ID_INT2:
			PushInteger(map, DatumGetInt16(id));
			break;
		case ID_INT4:
			PushInteger(map, DatumGetInt32(id));
			break;
		case ID_INT8:
			PushInteger(map, DatumGetInt64(id));
			break;
		case ID_UUID:
			PushBytes(queue, (const char *) DatumGetUUIDP(id)->data, UUID_LEN);
			break;
		case ID_TEXT:
			PushText(map, id);
			break;
	}
}

int32
IdMapAdd(IdMap *map, Datum id)
{
	int32		number;

	Assert(map->queue.count == 0);
	IdMapPush(map, id);
	IdMapNumber(map, &number);
	return number;
}

int32
IdMapCount(const IdMap *map)
{
	return map->count;
}

IdKind
IdMapKind(const IdMap *map)
{
	return map->kind;
}

Datum
IdMapGet(void *map, int32 number)
{
	const IdMap *ids = map;

	Assert(number >= 0 && number < ids->count);
	switch (ids->kind)
	{
		case ID_INT2:
			return Int16GetDatum((int16) ids->keys.integer[number]);
		case ID_INT4:
			return Int32GetDatum((int32) ids->keys.integer[number]);
		case ID_INT8:
			return Int64GetDatum(ids->keys.integer[number]);
		case ID_UUID:
			return UUIDPGetDatum(&ids->keys.uuid[number]);
		case ID_TEXT:
			return PointerGetDatum(ids->keys.text[number]);
	}
	pg_unreachable();
}

void
IdMapDropSlots(IdMap *map)
{
	if (map->slots == NULL)
		return;
	IdMapRelease(map, map->slots, map->slot_count * sizeof(IdSlot));
	map->slots = NULL;
}

void
IdMapDropRank(IdMap *map)
{
	if (map->rank == NULL)
		return;
	IdMapRelease(map, map->rank, map->rank_bytes);
	map->rank = NULL;
}

void
IdMapFree(IdMap *map)
{
	BudgetRelease(map->budget, map->bytes);
	MemoryContextDelete(map->context);
}
