/*
 * sort.c
 *		Sorting packed numbers by some of their bits, for lists that are rebuilt a million times.
 *
 * Most lists are short, and most keys have few bits: the items or the days of
 * one member.  So it is an insertion sort for a handful, else a radix sort from
 * the lowest digit up, which takes one or two passes and, unlike qsort, does
 * not compare through a pointer.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"

#include "common/sort.h"

#define FEW			32			/* numbers that are not worth the counters */
#define DIGIT_BITS	8
#define DIGITS		(1 << DIGIT_BITS)

/* Let a loop over numbers be interrupted often enough, and cheaply. */
#define SORT_POLL(i) \
	do { \
		if (((i) & 0xfffff) == 0xfffff) \
			CHECK_FOR_INTERRUPTS(); \
	} while (0)

static void
InsertionSort(uint64 *numbers, int64 count, int shift, uint64 mask)
{
	for (int64 i = 1; i < count; i++)
	{
		uint64		number = numbers[i];
		uint64		key = number >> shift & mask;
		int64		at = i;

		for (; at > 0 && (numbers[at - 1] >> shift & mask) > key; at--)
			numbers[at] = numbers[at - 1];
		numbers[at] = number;
	}
}

/* One pass: by one digit, from one array into the other. */
static void
SortByDigit(const uint64 *from, uint64 *to, int64 count, int shift, uint64 mask)
{
	uint32		place[DIGITS] = {0};
	uint32		before = 0;

	for (int64 i = 0; i < count; i++)
	{
		SORT_POLL(i);
		place[from[i] >> shift & mask]++;
	}
	for (int digit = 0; digit < DIGITS; digit++)
	{
		uint32		here = place[digit];

		place[digit] = before;
		before += here;
	}
	for (int64 i = 0; i < count; i++)
	{
		SORT_POLL(i);
		to[place[from[i] >> shift & mask]++] = from[i];
	}
}

uint64 *
SortByBits(uint64 *numbers, uint64 *scratch, int64 count, int shift, int bits)
{
	Assert(count <= PG_UINT32_MAX && bits > 0 && shift >= 0 && shift + bits <= 64);
	if (count <= FEW)
	{
		InsertionSort(numbers, count, shift, bits == 64 ? ~UINT64CONST(0) : (UINT64CONST(1) << bits) - 1);
		return numbers;
	}
	for (int done = 0; done < bits; done += DIGIT_BITS)
	{
		int			digit_bits = Min(DIGIT_BITS, bits - done);
		uint64	   *sorted = scratch;

		SortByDigit(numbers, sorted, count, shift + done, (UINT64CONST(1) << digit_bits) - 1);
		scratch = numbers;
		numbers = sorted;
	}
	return numbers;
}

int
BitsOf(uint64 most)
{
	return most == 0 ? 1 : pg_leftmost_one_pos64(most) + 1;
}
