/*
 * radix.c
 *		Sorting numbers by 64-bit words: stable, one byte after the other, least first.
 *
 * Short ranges go through insertion.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "train/radix.h"

#define DIGITS			8		/* of a word: one byte each */
#define DIGIT_VALUES	256
#define SHORT_RANGE		40
#define SLICE			INT64CONST(65536)	/* words between two polls: well below 1 ms */

static void
InsertionSort(RadixBuffer *buffer, int64 from, int64 to)
{
	for (int64 i = from + 1; i < to; i++)
	{
		uint64		word = buffer->word[i];
		int32		number = buffer->number[i];
		int64		at = i;

		for (; at > from && buffer->word[at - 1] > word; at--)
		{
			buffer->word[at] = buffer->word[at - 1];
			buffer->number[at] = buffer->number[at - 1];
		}
		buffer->word[at] = word;
		buffer->number[at] = number;
	}
}

/* The bits in which not all words of the range agree. */
static uint64
DifferingBits(const uint64 *word, int64 from, int64 to)
{
	uint64		first = word[from];
	uint64		differing = 0;

	for (int64 slice = from; slice < to; slice += SLICE)
	{
		int64		end = Min(slice + SLICE, to);

		for (int64 i = slice; i < end; i++)
			differing |= word[i] ^ first;
		CHECK_FOR_INTERRUPTS();
	}
	return differing;
}

/* Where the words with each value of a digit go. */
static void
FindPlaces(const uint64 *word, int64 from, int64 to, int shift, int64 *place)
{
	int64		before = from;

	memset(place, 0, DIGIT_VALUES * sizeof(int64));
	for (int64 slice = from; slice < to; slice += SLICE)
	{
		int64		end = Min(slice + SLICE, to);

		for (int64 i = slice; i < end; i++)
			place[(word[i] >> shift) & 0xff]++;
		CHECK_FOR_INTERRUPTS();
	}
	for (int value = 0; value < DIGIT_VALUES; value++)
	{
		int64		count = place[value];

		place[value] = before;
		before += count;
	}
}

/* One stable pass from main to spare, which then change places. */
static void
SortDigit(RadixSorter *sorter, int64 from, int64 to, int shift)
{
	RadixBuffer source = sorter->main;
	RadixBuffer target = sorter->spare;
	int64		place[DIGIT_VALUES];

	FindPlaces(source.word, from, to, shift, place);
	for (int64 slice = from; slice < to; slice += SLICE)
	{
		int64		end = Min(slice + SLICE, to);

		for (int64 i = slice; i < end; i++)
		{
			uint64		word = source.word[i];
			int64		at = place[(word >> shift) & 0xff]++;

			target.word[at] = word;
			target.number[at] = source.number[i];
		}
		CHECK_FOR_INTERRUPTS();
	}
	sorter->main = target;
	sorter->spare = source;
}

/* What lies outside the range has not moved, so the result must come home. */
static void
BringHome(RadixSorter *sorter, const RadixBuffer *home, int64 from, int64 to)
{
	if (sorter->main.word == home->word)
		return;
	for (int64 slice = from; slice < to; slice += SLICE)
	{
		Size		length = (Size) (Min(slice + SLICE, to) - slice);

		memcpy(home->word + slice, sorter->main.word + slice, length * sizeof(uint64));
		memcpy(home->number + slice, sorter->main.number + slice, length * sizeof(int32));
		CHECK_FOR_INTERRUPTS();
	}
	sorter->spare = sorter->main;
	sorter->main = *home;
}

void
RadixSort(RadixSorter *sorter, int64 from, int64 to)
{
	RadixBuffer home = sorter->main;
	uint64		differing;

	if (to - from <= SHORT_RANGE)
	{
		InsertionSort(&sorter->main, from, to);
		return;
	}
	differing = DifferingBits(home.word, from, to);
	for (int digit = 0; digit < DIGITS; digit++)
	{
		if ((differing >> (8 * digit)) & 0xff)
			SortDigit(sorter, from, to, 8 * digit);
	}
	BringHome(sorter, &home, from, to);
}
