/*
 * idmap_window.c
 *		Numbering integers that lie close together: a table over all values between the ends.
 *
 * Most ids come from a sequence.  For them a table by value takes no more
 * memory than a hash table and answers with one look.  It comes when the hash
 * table would have to grow, grows itself at the end where ids appear, and gives
 * way to a hash table again when ids turn out to be too far apart.
 */
#include "postgres.h"

#include "train/idmap_internal.h"

#define CLOSE_ENOUGH	4		/* values a key, for a window to come: 16 bytes as in a hash table */
#define TOO_FAR			8		/* values a key, beyond which it goes */
#define GROWTH_PART		4		/* a window grows by a quarter of it more than it must */
#define MINIMUM			4096	/* values that are never too many */

/* How many values there are from one integer to another. */
static uint64
Distance(int64 first, int64 last)
{
	return (uint64) last - (uint64) first;
}

static uint64
Allowed(const IdMap *map, int values_per_key)
{
	return Max((uint64) map->count * values_per_key, MINIMUM);
}

static void
AllocWindow(IdMap *map, int64 first, uint64 size)
{
	map->window.first = first;
	map->window.size = size;
	map->window.number = IdMapAlloc(map, mul_size(size, sizeof(int32)));
	for (uint64 i = 0; i < size; i++)
	{
		IDMAP_POLL(i);
		map->window.number[i] = IDMAP_NONE;
	}
}

void
IdMapDropWindow(IdMap *map)
{
	if (map->window.number == NULL)
		return;
	IdMapRelease(map, map->window.number, map->window.size * sizeof(int32));
	map->window.number = NULL;
}

bool
IdMapBuildWindow(IdMap *map)
{
	const int64 *key = map->keys.integer;
	int64		first = PG_INT64_MAX;
	int64		last = PG_INT64_MIN;

	if (map->kind == ID_UUID || map->kind == ID_TEXT || map->count == 0)
		return false;
	for (int32 i = 0; i < map->count; i++)
	{
		IDMAP_POLL(i);
		first = Min(first, key[i]);
		last = Max(last, key[i]);
	}
	if (Distance(first, last) >= Allowed(map, CLOSE_ENOUGH))
		return false;

	AllocWindow(map, first, Distance(first, last) + 1);
	for (int32 i = 0; i < map->count; i++)
	{
		IDMAP_POLL(i);
		map->window.number[Distance(first, key[i])] = i;
	}
	IdMapDropSlots(map);
	return true;
}

/* Let the window reach an id outside; false if that would be too far. */
static bool
GrowWindow(IdMap *map, int64 id)
{
	IdWindow	old = map->window;
	int64		old_last = old.first + (int64) (old.size - 1);
	bool		is_below = id < old.first;
	uint64		needed = is_below ? Distance(id, old_last) : Distance(old.first, id);
	uint64		spare;
	uint64		limit;

	if (needed >= Allowed(map, TOO_FAR))
		return false;

	/* A quarter more, but not beyond the ends of the integers. */
	limit = is_below ? Distance(PG_INT64_MIN, id) : Distance(id, PG_INT64_MAX);
	spare = Min(needed / GROWTH_PART, limit);
	AllocWindow(map, is_below ? id - (int64) spare : old.first, needed + 1 + spare);
	for (uint64 i = 0; i < old.size; i++)
	{
		IDMAP_POLL(i);
		map->window.number[Distance(map->window.first, old.first) + i] = old.number[i];
	}
	IdMapRelease(map, old.number, old.size * sizeof(int32));
	return true;
}

/* Number an id that is new, or outside of the window; IDMAP_NONE if that is too far away. */
static int32
AddToWindow(IdMap *map, int64 id)
{
	if (Distance(map->window.first, id) >= map->window.size && !GrowWindow(map, id))
		return IDMAP_NONE;
	map->keys.integer[map->count] = id;
	map->window.number[Distance(map->window.first, id)] = map->count;
	return map->count++;
}

int
IdMapNumberByWindow(IdMap *map, int from, int32 *number)
{
	const IdQueue *queue = &map->queue;

	for (int i = from; i < queue->count; i++)
	{
		uint64		at = Distance(map->window.first, queue->integer[i]);
		int32		found = at < map->window.size ? map->window.number[at] : IDMAP_NONE;

		if (found == IDMAP_NONE)
			found = AddToWindow(map, queue->integer[i]);
		if (found == IDMAP_NONE)
		{
			IdMapBuildSlots(map, queue->count - i);
			IdMapDropWindow(map);
			return i;
		}
		number[i] = found;
	}
	return queue->count;
}
