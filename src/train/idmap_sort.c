/*
 * idmap_sort.c
 *		Renumbering ids in native order, by radix.
 *
 * An id is a string of 64-bit words that compare as unsigned numbers: one for
 * integers (sign flipped), two for uuids, as many as needed for text (big
 * endian, padded with zeros; text never holds a zero byte).  A range is sorted
 * by the word at one depth, runs of equal words then by the next.  A window has
 * its ids in order already.
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include "train/idmap_internal.h"
#include "train/radix.h"

typedef struct IdSorter
{
	const IdMap *map;
	RadixSorter radix;
} IdSorter;

static uint64
TextWord(const struct varlena *text, int depth)
{
	Size		length = VARSIZE(text) - VARHDRSZ;
	Size		from = (Size) depth * sizeof(uint64);
	uint64		word = 0;

	if (from < length)
		memcpy(&word, VARDATA(text) + from, Min(length - from, sizeof(word)));
	return pg_ntoh64(word);
}

static uint64
KeyWord(const IdMap *map, int32 number, int depth)
{
	uint64		word;

	switch (map->kind)
	{
		case ID_TEXT:
			return TextWord(map->keys.text[number], depth);
		case ID_UUID:
			memcpy(&word, map->keys.uuid[number].data + depth * sizeof(word), sizeof(word));
			return pg_ntoh64(word);
		default:
			return (uint64) map->keys.integer[number] ^ (UINT64CONST(1) << 63);
	}
}

/* Is there another word after this depth that could tell two ids apart? */
static bool
HasDeeperWord(const IdMap *map, int depth)
{
	switch (map->kind)
	{
		case ID_TEXT:
			return (depth + 1) * sizeof(uint64) < COMMREC_ID_TEXT_MAX;
		case ID_UUID:
			return depth == 0;
		default:
			return false;
	}
}

static void
SortRange(IdSorter *sorter, int32 from, int32 to, int depth)
{
	RadixBuffer *buffer = &sorter->radix.main;

	for (int32 i = from; i < to; i++)
	{
		IDMAP_POLL(i);
		buffer->word[i] = KeyWord(sorter->map, buffer->number[i], depth);
	}
	RadixSort(&sorter->radix, from, to);
	if (!HasDeeperWord(sorter->map, depth))
		return;

	for (int32 run = from; run < to;)
	{
		uint64		word = buffer->word[run];
		int32		end = run + 1;

		while (end < to && buffer->word[end] == word)
			end++;
		IDMAP_POLL(run);
		if (end - run > 1)
			SortRange(sorter, run, end, depth + 1);
		run = end;
	}
}

/* Put the keys into the new order and note where each has gone. */
static void
ApplyOrder(IdMap *map, const int32 *number)
{
	Size		key_bytes = IdMapKeyBytes(map);
	Size		old_bytes = map->key_room * key_bytes;
	char	   *old_keys = (char *) map->keys.integer;
	char	   *new_keys = IdMapAlloc(map, mul_size(Max(map->count, 1), key_bytes));

	map->rank_bytes = mul_size(Max(map->count, 1), sizeof(int32));
	map->rank = IdMapAlloc(map, map->rank_bytes);
	for (int32 i = 0; i < map->count; i++)
	{
		IDMAP_POLL(i);
		memcpy(new_keys + (Size) i * key_bytes, old_keys + (Size) number[i] * key_bytes,
			   key_bytes);
		map->rank[number[i]] = i;
	}
	IdMapRelease(map, old_keys, old_bytes);
	map->keys.integer = (int64 *) new_keys;
	map->key_room = Max(map->count, 1);
}

/* The numbers of a window's ids, which it has in order. */
static void
OrderByWindow(const IdMap *map, int32 *number)
{
	int32		found = 0;

	for (uint64 i = 0; i < map->window.size; i++)
	{
		IDMAP_POLL(i);
		if (map->window.number[i] != IDMAP_NONE)
			number[found++] = map->window.number[i];
	}
	Assert(found == map->count);
}

/* Sort the numbers 0, 1, ... by their ids; "number" has as many. */
static void
OrderByKey(IdMap *map, int32 *number)
{
	Size		word_bytes = mul_size(Max(map->count, 1), sizeof(uint64));
	Size		number_bytes = mul_size(Max(map->count, 1), sizeof(int32));
	IdSorter	sorter;

	sorter.map = map;
	sorter.radix.main.word = IdMapAlloc(map, word_bytes);
	sorter.radix.main.number = number;
	sorter.radix.spare.word = IdMapAlloc(map, word_bytes);
	sorter.radix.spare.number = IdMapAlloc(map, number_bytes);
	for (int32 i = 0; i < map->count; i++)
	{
		IDMAP_POLL(i);
		number[i] = i;
	}
	SortRange(&sorter, 0, map->count, 0);
	IdMapRelease(map, sorter.radix.spare.word, word_bytes);
	IdMapRelease(map, sorter.radix.spare.number, number_bytes);
	IdMapRelease(map, sorter.radix.main.word, word_bytes);
}

const int32 *
IdMapSort(IdMap *map)
{
	Size		number_bytes = mul_size(Max(map->count, 1), sizeof(int32));
	int32	   *number = IdMapAlloc(map, number_bytes);

	IdMapDropSlots(map);
	if (map->window.number != NULL)
		OrderByWindow(map, number);
	else
		OrderByKey(map, number);
	IdMapDropWindow(map);
	ApplyOrder(map, number);
	IdMapRelease(map, number, number_bytes);
	return map->rank;
}
