/*
 * idmap_sort.c
 *		Renumbering ids in native order, by radix.
 *
 * An id is a string of 64-bit words that compare as unsigned numbers: one for
 * integers (sign flipped), two for uuids, as many as needed for text (big
 * endian, padded with zeros; text never holds a zero byte).  A range is sorted
 * by the word at one depth, runs of equal words then by the next.  Long ranges
 * go through a radix sort, least digit first, that passes over digits in which
 * all agree; short ones through insertion.
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include "train/idmap_internal.h"

#define DIGITS			8		/* of a word: one byte each */
#define DIGIT_VALUES	256
#define SHORT_RANGE		40

typedef struct SortBuffer
{
	uint64	   *word;
	int32	   *number;
} SortBuffer;

typedef struct IdSorter
{
	const IdMap *map;
	SortBuffer	main;			/* the order so far */
	SortBuffer	spare;
	uint64		histogram[DIGITS][DIGIT_VALUES];	/* here, not on the stack: ranges nest */
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
InsertionSort(SortBuffer *buffer, int32 from, int32 to)
{
	for (int32 i = from + 1; i < to; i++)
	{
		uint64		word = buffer->word[i];
		int32		number = buffer->number[i];
		int32		at = i;

		for (; at > from && buffer->word[at - 1] > word; at--)
		{
			buffer->word[at] = buffer->word[at - 1];
			buffer->number[at] = buffer->number[at - 1];
		}
		buffer->word[at] = word;
		buffer->number[at] = number;
	}
}

static void
CountDigits(IdSorter *sorter, int32 from, int32 to)
{
	memset(sorter->histogram, 0, sizeof(sorter->histogram));
	for (int32 i = from; i < to; i++)
	{
		uint64		word = sorter->main.word[i];

		IDMAP_POLL(i);
		for (int digit = 0; digit < DIGITS; digit++)
			sorter->histogram[digit][(word >> (8 * digit)) & 0xff]++;
	}
}

/* One stable pass from main to spare, which then change places. */
static void
RadixPass(IdSorter *sorter, int32 from, int32 to, int digit)
{
	uint64	   *histogram = sorter->histogram[digit];
	uint64		before = from;
	SortBuffer	swap = sorter->main;

	for (int value = 0; value < DIGIT_VALUES; value++)
	{
		uint64		count = histogram[value];

		histogram[value] = before;
		before += count;
	}
	for (int32 i = from; i < to; i++)
	{
		uint64		word = sorter->main.word[i];
		uint64		at = histogram[(word >> (8 * digit)) & 0xff]++;

		IDMAP_POLL(i);
		sorter->spare.word[at] = word;
		sorter->spare.number[at] = sorter->main.number[i];
	}
	sorter->main = sorter->spare;
	sorter->spare = swap;
}

static void
RadixSort(IdSorter *sorter, int32 from, int32 to)
{
	SortBuffer	home = sorter->main;
	uint64		length = (uint64) (to - from);

	CountDigits(sorter, from, to);
	for (int digit = 0; digit < DIGITS; digit++)
	{
		uint64		first = (sorter->main.word[from] >> (8 * digit)) & 0xff;

		if (sorter->histogram[digit][first] < length)
			RadixPass(sorter, from, to, digit);
	}

	/* What lies outside the range has not moved, so the result must come home. */
	if (sorter->main.word != home.word)
	{
		memcpy(home.word + from, sorter->main.word + from, length * sizeof(uint64));
		memcpy(home.number + from, sorter->main.number + from, length * sizeof(int32));
		sorter->spare = sorter->main;
		sorter->main = home;
	}
}

static void
SortRange(IdSorter *sorter, int32 from, int32 to, int depth)
{
	SortBuffer *buffer = &sorter->main;

	for (int32 i = from; i < to; i++)
	{
		IDMAP_POLL(i);
		buffer->word[i] = KeyWord(sorter->map, buffer->number[i], depth);
	}
	if (to - from <= SHORT_RANGE)
		InsertionSort(buffer, from, to);
	else
		RadixSort(sorter, from, to);
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
	Size		key_bytes = map->kind == ID_UUID ? UUID_LEN : sizeof(uint64);
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

const int32 *
IdMapSort(IdMap *map)
{
	Size		word_bytes = mul_size(Max(map->count, 1), sizeof(uint64));
	Size		number_bytes = mul_size(Max(map->count, 1), sizeof(int32));
	IdSorter   *sorter = IdMapAlloc(map, sizeof(IdSorter));

	IdMapDropSlots(map);
	sorter->map = map;
	sorter->main.word = IdMapAlloc(map, word_bytes);
	sorter->main.number = IdMapAlloc(map, number_bytes);
	sorter->spare.word = IdMapAlloc(map, word_bytes);
	sorter->spare.number = IdMapAlloc(map, number_bytes);
	for (int32 i = 0; i < map->count; i++)
		sorter->main.number[i] = i;

	SortRange(sorter, 0, map->count, 0);

	IdMapRelease(map, sorter->spare.word, word_bytes);
	IdMapRelease(map, sorter->spare.number, number_bytes);
	IdMapRelease(map, sorter->main.word, word_bytes);
	ApplyOrder(map, sorter->main.number);
	IdMapRelease(map, sorter->main.number, number_bytes);
	IdMapRelease(map, sorter, sizeof(IdSorter));
	return map->rank;
}
