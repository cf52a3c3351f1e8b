/*
 * select.c
 *		The best k of an array, by digits from the highest down.
 *
 * Score and item make one number of 64 bits, in which larger is better.  A
 * pass counts the entries by its digit, takes those above the digit in which
 * the k-th best lies, drops those below, and goes on with that digit's own.
 */
#include <string.h>

#include "core/select.h"

#define DIGIT_BITS		11
#define FIRST_SHIFT		(64 - DIGIT_BITS)

_Static_assert(CR_SELECT_COUNTERS == 1 << DIGIT_BITS, "a counter for every digit");

/* Bits of a float that compare as the floats do; the sign of a zero is lost. */
static uint64_t
key_of(CrScored entry)
{
	float		score = entry.score + 0.0f;
	uint32_t	bits;

	memcpy(&bits, &score, sizeof(bits));
	bits = bits & UINT32_C(0x80000000) ? ~bits : bits | UINT32_C(0x80000000);
	return (uint64_t) bits << 32 | ~(uint32_t) entry.item_no;
}

static uint32_t
digit_of(CrScored entry, int shift)
{
	uint64_t	key = key_of(entry);

	return (uint32_t) (shift >= 0 ? key >> shift : key << -shift) & (CR_SELECT_COUNTERS - 1);
}

/* Move the entries whose digit is at least "low" to the front; how many there are. */
static int64_t
move_to_front(CrScored *entries, int64_t n, int shift, uint32_t low)
{
	int64_t		front = 0;

	for (int64_t e = 0; e < n; e++)
	{
		CrScored	entry = entries[e];

		entries[e] = entries[front];
		entries[front] = entry;
		front += digit_of(entry, shift) >= low;
	}
	return front;
}

/* The digit of the k-th best; *above entries have a higher one. */
static uint32_t
find_digit(const CrScored *entries, int64_t n, int64_t k, int shift, uint32_t *counters,
		   int64_t *above)
{
	uint32_t	digit = CR_SELECT_COUNTERS - 1;

	memset(counters, 0, CR_SELECT_COUNTERS * sizeof(uint32_t));
	for (int64_t e = 0; e < n; e++)
		counters[digit_of(entries[e], shift)]++;
	for (*above = 0; *above + counters[digit] < k; digit--)
		*above += counters[digit];
	return digit;
}

/* Keys differ, so that the digits run out with the candidates at the latest. */
void
cr_select_best(CrScored *entries, int64_t n, int64_t k, uint32_t *counters)
{
	for (int shift = FIRST_SHIFT; n > k && k > 0 && shift > -DIGIT_BITS; shift -= DIGIT_BITS)
	{
		int64_t		above;
		uint32_t	digit = find_digit(entries, n, k, shift, counters, &above);

		move_to_front(entries, n, shift, digit + 1);
		entries += above;
		k -= above;
		n = move_to_front(entries, n - above, shift, digit);
	}
}
