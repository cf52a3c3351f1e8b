/*
 * test_seen.c
 *		Packed seen items survive the round trip, are found, and damage is noticed.
 *
 * Every byte string under test has a heap block of exactly its size, so that
 * ASAN sees a read past it.
 */
#include "core/rng.h"
#include "core/seen.h"
#include "unit.h"

#define COUNT	50

/* Ascending item numbers with gaps of 1 .. 8, every third disliked. */
static void
make_entries(uint64_t stream, uint32_t *entries, uint32_t count)
{
	CrRng		rng;
	uint32_t	item_no = 0;

	cr_rng_init(&rng, 31, stream);
	for (uint32_t i = 0; i < count; i++)
	{
		item_no += 1 + (uint32_t) (cr_rng_next(&rng) % 8);
		entries[i] = item_no << 1 | (i % 3 == 0);
	}
}

static uint8_t *
valid_seen(uint32_t count)
{
	uint32_t   *entries = malloc(sizeof(uint32_t) * count + 1);
	uint8_t    *bytes = malloc(cr_seen_size(count));

	make_entries(count, entries, count);
	cr_seen_encode(entries, count, bytes);
	free(entries);
	return bytes;
}

/* Check and, if sound, decode and look things up. */
static CrStatus
check_and_use(const uint8_t *bytes, size_t length)
{
	uint32_t	count = 0;
	CrStatus	status = cr_seen_check(bytes, length, &count);

	if (status == CR_OK)
	{
		uint32_t   *entries = malloc(sizeof(uint32_t) * count + 1);

		CHECK(cr_seen_size(count) == length);
		cr_seen_decode(bytes, count, entries);
		for (uint32_t i = 0; i < count; i++)
			CHECK(cr_seen_lookup(entries, count, (int32_t) (entries[i] >> 1)) != CR_UNSEEN);
		free(entries);
	}
	return status;
}

static void
round_trip_keeps_entries(void)
{
	const uint32_t counts[] = {0, 1, 2, 3, 1000};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
	{
		uint32_t	count = counts[i];
		uint32_t   *entries = malloc(sizeof(uint32_t) * count + 1);
		uint32_t   *out = malloc(sizeof(uint32_t) * count + 1);
		uint8_t    *bytes = malloc(cr_seen_size(count) + 1);
		uint32_t	stored = 77;

		make_entries(i, entries, count);
		cr_seen_encode(entries, count, bytes + 1);
		CHECK(cr_seen_check(bytes + 1, cr_seen_size(count), &stored) == CR_OK);
		CHECK(stored == count);
		cr_seen_decode(bytes + 1, count, out);
		CHECK(memcmp(entries, out, sizeof(uint32_t) * count) == 0);
		free(entries);
		free(out);
		free(bytes);
	}
}

static void
bytes_are_the_documented_ones(void)
{
	const uint32_t entries[2] = {5 << 1, 0x01020304u << 1 | 1};
	const uint8_t expected[20] = {
		'C', 'R', 'S', 'N', 1, 0, 0, 0, 2, 0, 0, 0,
		0x0a, 0, 0, 0, 0x09, 0x06, 0x04, 0x02
	};
	uint8_t		bytes[20];

	CHECK(cr_seen_size(2) == sizeof(expected));
	cr_seen_encode(entries, 2, bytes);
	CHECK(memcmp(bytes, expected, sizeof(expected)) == 0);
}

/* Times come back beside their entries, in a format of its own. */
static void
round_trip_keeps_times(void)
{
	uint32_t	entries[COUNT];
	uint32_t	times[COUNT];
	uint32_t	decoded[COUNT];
	uint32_t	count;
	uint32_t	place;
	uint8_t    *bytes = malloc(cr_seen_size_timed(COUNT));

	make_entries(3, entries, COUNT);
	for (uint32_t i = 0; i < COUNT; i++)
		times[i] = i % 7 == 0 ? CR_SEEN_NO_TIME : i * 0x01020304U;
	cr_seen_encode_timed(entries, times, COUNT, bytes);
	CHECK(bytes[4] == 2 && cr_seen_is_timed(bytes));
	CHECK(cr_seen_check(bytes, cr_seen_size_timed(COUNT), &count) == CR_OK && count == COUNT);
	cr_seen_decode(bytes, COUNT, decoded);
	CHECK(memcmp(decoded, entries, sizeof(entries)) == 0);
	cr_seen_decode_times(bytes, COUNT, decoded);
	CHECK(memcmp(decoded, times, sizeof(times)) == 0);
	for (uint32_t i = 0; i < COUNT; i++)
	{
		CHECK(cr_seen_find(entries, COUNT, (int32_t) (entries[i] >> 1), &place) != CR_UNSEEN);
		CHECK(place == i);
	}
	/* The entries alone are too short for it. */
	CHECK(cr_seen_check(bytes, cr_seen_size(COUNT), &count) == CR_CORRUPT);
	bytes[4] = 1;
	CHECK(cr_seen_check(bytes, cr_seen_size(COUNT), &count) == CR_OK && !cr_seen_is_timed(bytes));
	free(bytes);
}

static void
lookup_agrees_with_a_linear_search(void)
{
	uint32_t	entries[COUNT];

	for (uint32_t count = 0; count <= COUNT; count++)
	{
		make_entries(count, entries, count);
		for (int32_t item_no = -2; item_no < 8 * COUNT + 2; item_no++)
		{
			CrSeenState expected = CR_UNSEEN;

			for (uint32_t i = 0; i < count; i++)
			{
				if (entries[i] >> 1 == (uint32_t) item_no)
					expected = (entries[i] & 1) != 0 ? CR_DISLIKED : CR_SEEN;
			}
			CHECK(cr_seen_lookup(entries, count, item_no) == expected);
		}
	}
}

static void
lookup_reaches_the_ends_of_the_range(void)
{
	const uint32_t entries[2] = {0 << 1 | 1, (uint32_t) INT32_MAX << 1};

	CHECK(cr_seen_lookup(entries, 2, 0) == CR_DISLIKED);
	CHECK(cr_seen_lookup(entries, 2, INT32_MAX) == CR_SEEN);
	CHECK(cr_seen_lookup(entries, 2, INT32_MAX - 1) == CR_UNSEEN);
	CHECK(cr_seen_lookup(entries, 2, -1) == CR_UNSEEN);
	CHECK(cr_seen_lookup(entries, 2, INT32_MIN) == CR_UNSEEN);
	CHECK(cr_seen_lookup(NULL, 0, 1) == CR_UNSEEN);
}

static void
each_field_is_checked(void)
{
	const struct
	{
		int			offset;
		uint8_t		value;
		CrStatus	expected;
	}			cases[] = {
		{0, 'c', CR_CORRUPT},
		{4, 0, CR_CORRUPT},
		{4, 2, CR_CORRUPT},		/* with times, which are not there */
		{4, 3, CR_UNSUPPORTED_FORMAT},
		{5, 1, CR_CORRUPT},
		{7, 1, CR_CORRUPT},
		{8, COUNT + 1, CR_CORRUPT},
		{8, COUNT - 1, CR_CORRUPT},
		{11, 0x40, CR_CORRUPT}	/* 4 * count wraps to the true length in 32 bits */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		uint8_t    *bytes = valid_seen(COUNT);

		bytes[cases[i].offset] = cases[i].value;
		CHECK(check_and_use(bytes, cr_seen_size(COUNT)) == cases[i].expected);
		free(bytes);
	}
}

/* The dislike bit does not make two entries of one item different items. */
static void
order_is_checked(void)
{
	const uint32_t cases[][3] = {
		{1 << 1, 3 << 1, 2 << 1},
		{1 << 1, 3 << 1, 3 << 1},
		{1 << 1, 3 << 1, 3 << 1 | 1},
		{1 << 1, 1 << 1 | 1, 3 << 1}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		uint8_t    *bytes = malloc(cr_seen_size(3));

		cr_seen_encode(cases[i], 3, bytes);
		CHECK(check_and_use(bytes, cr_seen_size(3)) == CR_CORRUPT);
		free(bytes);
	}
}

static void
every_truncation_is_damage(void)
{
	size_t		size = cr_seen_size(COUNT);
	uint8_t    *whole = valid_seen(COUNT);

	for (size_t length = 0; length <= size + 4; length++)
	{
		uint8_t    *part = calloc(1, length + (length == 0));

		memcpy(part, whole, length < size ? length : size);
		CHECK(check_and_use(part, length) == (length == size ? CR_OK : CR_CORRUPT));
		free(part);
	}
	free(whole);
}

static void
random_damage_never_surprises(void)
{
	size_t		size = cr_seen_size(COUNT);
	uint8_t    *whole = valid_seen(COUNT);
	uint8_t    *bytes = malloc(size);
	CrRng		rng;

	cr_rng_init(&rng, 32, 0);
	for (int round = 0; round < 20000; round++)
	{
		CrStatus	status;

		memcpy(bytes, whole, size);
		for (uint64_t flips = 1 + cr_rng_next(&rng) % 4; flips > 0; flips--)
			bytes[cr_rng_next(&rng) % size] ^= (uint8_t) (1 << cr_rng_next(&rng) % 8);
		status = check_and_use(bytes, size);
		CHECK(status == CR_OK || status == CR_CORRUPT || status == CR_UNSUPPORTED_FORMAT);
	}
	free(bytes);
	free(whole);
}

UNIT_MAIN(UNIT_TEST(round_trip_keeps_entries),
		  UNIT_TEST(bytes_are_the_documented_ones),
		  UNIT_TEST(round_trip_keeps_times),
		  UNIT_TEST(lookup_agrees_with_a_linear_search),
		  UNIT_TEST(lookup_reaches_the_ends_of_the_range),
		  UNIT_TEST(each_field_is_checked),
		  UNIT_TEST(order_is_checked),
		  UNIT_TEST(every_truncation_is_damage),
		  UNIT_TEST(random_damage_never_surprises));
