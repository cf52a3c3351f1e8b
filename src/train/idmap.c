/*
 * idmap.c
 *		The hash table that numbers ids, and what can be asked after sorting.
 *
 * Keys stand in an array by number: 8 bytes for integers, 16 for uuids, and
 * for text a pointer to a varlena in the arena.  The hash table beside it has
 * slots of 8 bytes, hash and number, so that it grows without touching a key,
 * and a probe looks at a key only when 32 bits of hash agree.  The renumbering
 * is in idmap_sort.c.
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
#define FREE_SLOT		(-1)

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
KeyBytes(const IdMap *map)
{
	return map->kind == ID_UUID ? UUID_LEN : sizeof(uint64);
}

static void
MakeSlots(IdMap *map, uint64 count)
{
	map->slot_count = count;
	map->slots = IdMapAlloc(map, mul_size(count, sizeof(IdSlot)));
	for (uint64 i = 0; i < count; i++)
		map->slots[i].number = FREE_SLOT;
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
	map->keys.integer = IdMapAlloc(map, FIRST_KEYS * KeyBytes(map));
	MakeSlots(map, FIRST_SLOTS);
	return map;
}

/* Make room for twice the keys.  The allocator moves pages of large blocks instead of bytes. */
static void
GrowKeys(IdMap *map)
{
	Size		bytes = mul_size(map->key_room, KeyBytes(map));

	BudgetReserve(map->budget, bytes, map->what);
	map->bytes += bytes;
	map->keys.integer = repalloc_huge(map->keys.integer, mul_size(bytes, 2));
	map->key_room *= 2;
}

/* Double the hash table; the stored hashes say where everything goes. */
static void
GrowSlots(IdMap *map)
{
	IdSlot	   *old_slots = map->slots;
	uint64		old_count = map->slot_count;
	uint64		mask = old_count * 2 - 1;

	MakeSlots(map, old_count * 2);
	for (uint64 i = 0; i < old_count; i++)
	{
		uint64		at = old_slots[i].hash & mask;

		IDMAP_POLL(i);
		if (old_slots[i].number == FREE_SLOT)
			continue;
		while (map->slots[at].number != FREE_SLOT)
			at = (at + 1) & mask;
		map->slots[at] = old_slots[i];
	}
	IdMapRelease(map, old_slots, old_count * sizeof(IdSlot));
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

typedef struct IdKey
{
	uint32		hash;
	int64		integer;
	const char *bytes;			/* of a uuid or text */
	int			length;
} IdKey;

static bool
KeyEquals(const IdMap *map, int32 number, const IdKey *key)
{
	const struct varlena *text;

	switch (map->kind)
	{
		case ID_TEXT:
			text = map->keys.text[number];
			return VARSIZE(text) - VARHDRSZ == (Size) key->length &&
				memcmp(VARDATA(text), key->bytes, key->length) == 0;
		case ID_UUID:
			return memcmp(map->keys.uuid[number].data, key->bytes, UUID_LEN) == 0;
		default:
			return map->keys.integer[number] == key->integer;
	}
}

static void
StoreKey(IdMap *map, int32 number, const IdKey *key)
{
	switch (map->kind)
	{
		case ID_TEXT:
			map->keys.text[number] = StoreText(map, key->bytes, key->length);
			break;
		case ID_UUID:
			memcpy(map->keys.uuid[number].data, key->bytes, UUID_LEN);
			break;
		default:
			map->keys.integer[number] = key->integer;
	}
}

static int32
AddKey(IdMap *map, uint64 slot, const IdKey *key)
{
	int32		number = map->count;

	if (number == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many %s: the limit is %d", map->what, PG_INT32_MAX)));
	if ((Size) number == map->key_room)
		GrowKeys(map);
	StoreKey(map, number, key);
	map->slots[slot].hash = key->hash;
	map->slots[slot].number = number;
	map->count++;
	if ((uint64) map->count * 4 > map->slot_count * 3)
		GrowSlots(map);
	return number;
}

static int32
FindOrAdd(IdMap *map, const IdKey *key)
{
	uint64		mask = map->slot_count - 1;
	uint64		at = key->hash & mask;

	for (;;)
	{
		const IdSlot *slot = &map->slots[at];

		if (slot->number == FREE_SLOT)
			return AddKey(map, at, key);
		if (slot->hash == key->hash && KeyEquals(map, slot->number, key))
			return slot->number;
		at = (at + 1) & mask;
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

static int32
AddInteger(IdMap *map, int64 integer)
{
	IdKey		key = {0};

	key.integer = integer;
	key.hash = HashInteger(integer);
	return FindOrAdd(map, &key);
}

static int32
AddBytes(IdMap *map, const char *bytes, int length)
{
	IdKey		key = {0};

	key.bytes = bytes;
	key.length = length;
	key.hash = hash_bytes((const unsigned char *) bytes, length);
	return FindOrAdd(map, &key);
}

static int32
AddText(IdMap *map, Datum id)
{
	struct varlena *text;
	int32		number;

	/* Asked of the header, so that a huge value is refused before it is fetched. */
	if (toast_raw_datum_size(id) > VARHDRSZ + COMMREC_ID_TEXT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("id of %zu bytes among the %s is too long: the limit is %d bytes",
						toast_raw_datum_size(id) - VARHDRSZ, map->what, COMMREC_ID_TEXT_MAX),
				 errhint("Use a shorter key, for example a hash of the id, in a view.")));
	text = PG_DETOAST_DATUM_PACKED(id);
	number = AddBytes(map, VARDATA_ANY(text), (int) VARSIZE_ANY_EXHDR(text));
	if ((Pointer) text != DatumGetPointer(id))
		pfree(text);
	return number;
}

int32
IdMapAdd(IdMap *map, Datum id)
{
	switch (map->kind)
	{
		case ID_INT2:
			return AddInteger(map, DatumGetInt16(id));
		case ID_INT4:
			return AddInteger(map, DatumGetInt32(id));
		case ID_INT8:
			return AddInteger(map, DatumGetInt64(id));
		case ID_UUID:
			return AddBytes(map, (const char *) DatumGetUUIDP(id)->data, UUID_LEN);
		case ID_TEXT:
			return AddText(map, id);
	}
	pg_unreachable();
}

int32
IdMapCount(const IdMap *map)
{
	return map->count;
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
