/*
 * test_itemset.c
 *		Sets of items survive the round trip, are walked in order, and damage is noticed.
 */
#include "core/itemset.h"
#include "core/rng.h"
#include "unit.h"

static uint64_t words[CR_ITEMSET_WORDS];
static uint8_t is_member[CR_ITEMSET_BITS];

/* Members with probability 1 / "every"; the exact bytes of a piece that starts at "first". */
static uint8_t *
make_piece(uint64_t stream, int32_t first, uint32_t every)
{
	uint8_t    *bytes = malloc(CR_ITEMSET_BYTES);
	CrRng		rng;

	cr_rng_init(&rng, 92, stream);
	CHECK(cr_itemset_init(first, bytes) == CR_OK);
	for (int32_t i = 0; i < CR_ITEMSET_BITS; i++)
	{
		is_member[i] = cr_rng_next(&rng) % every == 0;
		if (is_member[i])
			CHECK(cr_itemset_add(bytes, first + i) == CR_OK);
	}
	return bytes;
}

static void
round_trip_keeps_members(void)
{
	const uint32_t every[] = {1, 2, 100, 10000, UINT32_MAX};

	for (int i = 0; i < 5; i++)
	{
		int32_t		first = i * CR_ITEMSET_BITS;
		uint8_t    *bytes = make_piece((uint64_t) i, first, every[i]);
		int32_t		next = 0;

		CHECK(cr_itemset_check(bytes, CR_ITEMSET_BYTES, first) == CR_OK);
		cr_itemset_decode(bytes, words);
		for (int32_t bit = 0; bit < CR_ITEMSET_BITS; bit++)
		{
			CHECK(cr_itemset_has(words, bit) == is_member[bit]);
			if (is_member[bit])
			{
				CHECK(cr_itemset_next(words, next) == bit);
				next = bit + 1;
			}
		}
		CHECK(cr_itemset_next(words, next) == CR_ITEMSET_BITS);
		CHECK(cr_itemset_next(words, CR_ITEMSET_BITS) == CR_ITEMSET_BITS);
		free(bytes);
	}
}

static void
items_of_other_pieces_are_refused(void)
{
	uint8_t    *bytes = malloc(CR_ITEMSET_BYTES);

	CHECK(cr_itemset_init(-CR_ITEMSET_BITS, bytes) == CR_INVALID_ARGUMENT);
	CHECK(cr_itemset_init(1, bytes) == CR_INVALID_ARGUMENT);
	CHECK(cr_itemset_init(CR_ITEMSET_BITS, bytes) == CR_OK);
	CHECK(cr_itemset_add(bytes, CR_ITEMSET_BITS - 1) == CR_INVALID_ARGUMENT);
	CHECK(cr_itemset_add(bytes, 2 * CR_ITEMSET_BITS) == CR_INVALID_ARGUMENT);
	CHECK(cr_itemset_add(bytes, -1) == CR_INVALID_ARGUMENT);
	CHECK(cr_itemset_add(bytes, INT32_MAX) == CR_INVALID_ARGUMENT);
	CHECK(cr_itemset_add(bytes, CR_ITEMSET_BITS) == CR_OK);
	CHECK(cr_itemset_add(bytes, 2 * CR_ITEMSET_BITS - 1) == CR_OK);
	CHECK(bytes[CR_ITEMSET_HEADER] == 1 && bytes[CR_ITEMSET_BYTES - 1] == 0x80);
	free(bytes);
}

static void
damage_is_noticed(void)
{
	uint8_t    *bytes = make_piece(9, CR_ITEMSET_BITS, 3);

	CHECK(cr_itemset_check(bytes, CR_ITEMSET_BYTES, 0) == CR_CORRUPT);
	for (size_t length = 0; length < CR_ITEMSET_BYTES; length += length < 20 ? 1 : 997)
	{
		uint8_t    *part = malloc(length + 1);

		memcpy(part, bytes, length);
		part = realloc(part, length == 0 ? 1 : length);
		CHECK(cr_itemset_check(part, length, CR_ITEMSET_BITS) == CR_CORRUPT);
		free(part);
	}
	for (int i = 0; i < CR_ITEMSET_HEADER; i++)
	{
		bytes[i] ^= 0x40;
		CHECK(cr_itemset_check(bytes, CR_ITEMSET_BYTES, CR_ITEMSET_BITS) ==
			  (i == 4 ? CR_UNSUPPORTED_FORMAT : CR_CORRUPT));
		bytes[i] ^= 0x40;
	}
	bytes[4] = 0;
	CHECK(cr_itemset_check(bytes, CR_ITEMSET_BYTES, CR_ITEMSET_BITS) == CR_CORRUPT);
	free(bytes);
}

UNIT_MAIN(UNIT_TEST(round_trip_keeps_members),
		  UNIT_TEST(items_of_other_pieces_are_refused),
		  UNIT_TEST(damage_is_noticed));
