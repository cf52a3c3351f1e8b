/*
 * test_neighbors.c
 *		Lists survive the round trip, damage is noticed, and sums are those of adding by hand.
 *
 * Every byte string under test has a heap block of exactly its size, so that
 * ASAN sees a read past it.
 */
#include "core/neighbors.h"
#include "core/rng.h"
#include "unit.h"

#define COUNT	50
#define ITEMS	1000
#define LISTS	30

typedef struct List
{
	int32_t		item_no[ITEMS];
	float		weight[ITEMS];
	uint32_t	count;
} List;

/* "count" ascending items of ITEMS, with weights of either sign. */
static void
make_list(uint64_t stream, uint32_t count, List *list)
{
	CrRng		rng;

	cr_rng_init(&rng, 17, stream);
	list->count = 0;
	for (int32_t item_no = 0; item_no < ITEMS && list->count < count; item_no++)
	{
		uint32_t	left = ITEMS - (uint32_t) item_no;

		if (cr_rng_uniform(&rng) * left >= count - list->count)
			continue;
		list->item_no[list->count] = item_no;
		list->weight[list->count++] = (float) (cr_rng_uniform(&rng) - 0.3);
	}
}

static CrNeighborList
view_of(const List *list)
{
	CrNeighborList view = {list->count, list->item_no, list->weight};

	return view;
}

static uint8_t *
valid_bytes(uint32_t count)
{
	List	   *list = malloc(sizeof(List));
	uint8_t    *bytes = malloc(cr_neighbors_size(count));

	make_list(count, count, list);
	CHECK(list->count == count);
	CHECK(cr_neighbors_encode(list->item_no, list->weight, count, bytes) == CR_OK);
	free(list);
	return bytes;
}

/* Check and, if sound, decode. */
static CrStatus
check_and_use(const uint8_t *bytes, size_t length)
{
	uint32_t	count = 0;
	CrStatus	status = cr_neighbors_check(bytes, length, ITEMS, &count);

	if (status == CR_OK)
	{
		int32_t    *item_no = malloc(sizeof(int32_t) * count + 1);
		float	   *weight = malloc(sizeof(float) * count + 1);

		CHECK(cr_neighbors_size(count) == length);
		cr_neighbors_decode(bytes, count, item_no, weight);
		for (uint32_t i = 0; i < count; i++)
		{
			CHECK(isfinite(weight[i]));
			CHECK(item_no[i] >= 0 && item_no[i] < ITEMS);
			CHECK(i == 0 || item_no[i] > item_no[i - 1]);
		}
		free(item_no);
		free(weight);
	}
	return status;
}

static void
round_trip_keeps_lists(void)
{
	const uint32_t counts[] = {0, 1, 2, 3, ITEMS};
	List	   *list = malloc(sizeof(List));
	List	   *out = malloc(sizeof(List));

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
	{
		uint8_t    *bytes = malloc(cr_neighbors_size(counts[i]) + 1);
		uint32_t	stored = 77;

		/* At an odd address. */
		make_list(i, counts[i], list);
		CHECK(cr_neighbors_encode(list->item_no, list->weight, list->count, bytes + 1) == CR_OK);
		CHECK(cr_neighbors_check(bytes + 1, cr_neighbors_size(counts[i]), ITEMS, &stored) == CR_OK);
		CHECK(stored == counts[i]);
		cr_neighbors_decode(bytes + 1, stored, out->item_no, out->weight);
		CHECK(memcmp(list->item_no, out->item_no, sizeof(int32_t) * stored) == 0);
		CHECK(memcmp(list->weight, out->weight, sizeof(float) * stored) == 0);
		free(bytes);
	}
	free(list);
	free(out);
}

static void
bytes_are_the_documented_ones(void)
{
	const int32_t item_no[2] = {5, 0x01020304};
	const float weight[2] = {1.0f, -2.0f};
	const uint8_t expected[28] = {
		'C', 'R', 'N', 'B', 1, 0, 0, 0, 2, 0, 0, 0,
		5, 0, 0, 0, 4, 3, 2, 1, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0
	};
	uint8_t		bytes[28];

	CHECK(cr_neighbors_size(2) == sizeof(expected));
	CHECK(cr_neighbors_encode(item_no, weight, 2, bytes) == CR_OK);
	CHECK(memcmp(bytes, expected, sizeof(expected)) == 0);
}

static void
encoding_refuses_what_cannot_be_stored(void)
{
	const int32_t item_no[1] = {5};
	const float bad[3] = {NAN, INFINITY, -INFINITY};
	uint8_t		bytes[20];

	for (int i = 0; i < 3; i++)
		CHECK(cr_neighbors_encode(item_no, &bad[i], 1, bytes) == CR_NOT_FINITE);
	CHECK(cr_neighbors_encode(item_no, bad, CR_NEIGHBORS_MAX + 1, bytes) == CR_INVALID_ARGUMENT);
}

/* Every length but the right one is refused. */
static void
truncation_is_noticed(void)
{
	uint8_t    *valid = valid_bytes(COUNT);
	size_t		size = cr_neighbors_size(COUNT);

	for (size_t length = 0; length <= size + 8; length++)
	{
		uint8_t    *bytes = malloc(length + 1);

		memset(bytes, 0, length + 1);
		memcpy(bytes, valid, length < size ? length : size);
		CHECK((check_and_use(bytes, length) == CR_OK) == (length == size));
		free(bytes);
	}
	free(valid);
}

/* Any single bit may flip: it is refused, or what comes out is sound all the same. */
static void
flipped_bits_do_no_harm(void)
{
	uint8_t    *bytes = valid_bytes(COUNT);
	size_t		size = cr_neighbors_size(COUNT);

	for (size_t bit = 0; bit < 8 * size; bit++)
	{
		CrStatus	status;

		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
		status = check_and_use(bytes, size);
		if (bit < 8 * CR_NEIGHBORS_HEADER)
			CHECK(status != CR_OK);
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	bytes[4] = 2;
	CHECK(check_and_use(bytes, size) == CR_UNSUPPORTED_FORMAT);
	free(bytes);
}

/* An item beyond the catalogue, an order that does not ascend, and numbers that are none. */
static void
wrong_contents_are_noticed(void)
{
	const int32_t twice[2] = {7, 7};
	const int32_t falling[2] = {8, 7};
	const int32_t ascending[2] = {7, 8};
	const float weight[2] = {1, 2};
	uint8_t    *bytes = malloc(cr_neighbors_size(2));
	uint32_t	count;

	CHECK(cr_neighbors_encode(twice, weight, 2, bytes) == CR_OK);
	CHECK(cr_neighbors_check(bytes, cr_neighbors_size(2), ITEMS, &count) == CR_CORRUPT);
	CHECK(cr_neighbors_encode(falling, weight, 2, bytes) == CR_OK);
	CHECK(cr_neighbors_check(bytes, cr_neighbors_size(2), ITEMS, &count) == CR_CORRUPT);
	CHECK(cr_neighbors_encode(ascending, weight, 2, bytes) == CR_OK);
	CHECK(cr_neighbors_check(bytes, cr_neighbors_size(2), 8, &count) == CR_CORRUPT);
	CHECK(cr_neighbors_check(bytes, cr_neighbors_size(2), 0, &count) == CR_CORRUPT);
	CHECK(cr_neighbors_check(bytes, cr_neighbors_size(2), 9, &count) == CR_OK);
	bytes[23] = 0x7f;			/* the first weight: 0x7f800000, infinity */
	CHECK(cr_neighbors_check(bytes, cr_neighbors_size(2), 9, &count) == CR_CORRUPT);
	free(bytes);
}

static void
weights_are_found(void)
{
	List	   *list = malloc(sizeof(List));
	CrNeighborList view;
	uint32_t	at = 0;

	make_list(3, COUNT, list);
	view = view_of(list);
	for (int32_t item_no = 0; item_no < ITEMS; item_no++)
	{
		int			is_listed = at < list->count && list->item_no[at] == item_no;

		CHECK(cr_neighbors_weight(&view, item_no) == (is_listed ? list->weight[at] : 0.0f));
		at += (uint32_t) is_listed;
	}
	free(list);
}

/* Lists of many lengths, added up into sums that have no more room than they ask for. */
static void
sums_are_those_of_adding_by_hand(void)
{
	List	   *list = malloc(sizeof(List));
	double	   *expected = malloc(sizeof(double) * ITEMS);
	float	   *scores = malloc(sizeof(float) * ITEMS);
	int32_t    *page = malloc(sizeof(int32_t) * (size_t) cr_neighbor_pages(ITEMS));
	CrNeighborSums sums;

	cr_neighbor_sums_init(&sums, ITEMS, page, NULL, 0);
	for (int round = 0; round < 2; round++)
	{
		cr_neighbor_sums_clear(&sums);
		memset(expected, 0, sizeof(double) * ITEMS);
		for (uint32_t n = 0; n < LISTS; n++)
		{
			float		confidence = 0.5f + (float) n;
			CrNeighborList view;

			make_list(100 + n, n, list);
			view = view_of(list);
			sums.room = cr_neighbor_sums_wanted(&sums, list->count);
			sums.sum = realloc(sums.sum, sizeof(double) * CR_NEIGHBOR_PAGE * (size_t) sums.room + 1);
			cr_neighbor_sums_add(&sums, &view, confidence);
			for (uint32_t i = 0; i < list->count; i++)
				expected[list->item_no[i]] += (double) confidence * (double) list->weight[i];
		}
		CHECK(sums.pages <= cr_neighbor_pages(ITEMS));
		for (int32_t item_no = 0; item_no < ITEMS; item_no++)
			CHECK(cr_neighbor_sum(&sums, item_no) == expected[item_no]);
	}
	cr_neighbor_scores(&sums, NULL, scores);
	for (int32_t item_no = 0; item_no < ITEMS; item_no++)
		CHECK(scores[item_no] == (float) expected[item_no]);
	free(sums.sum);
	free(page);
	free(scores);
	free(expected);
	free(list);
}

/* What is reached takes room, and not the catalogue. */
static void
room_follows_what_is_reached(void)
{
	const int32_t item_no[3] = {0, 1, ITEMS - 1};
	const float weight[3] = {1, 2, 3};
	const CrNeighborList list = {3, item_no, weight};
	double	   *sum = malloc(sizeof(double) * CR_NEIGHBOR_PAGE * 3);
	int32_t    *page = malloc(sizeof(int32_t) * (size_t) cr_neighbor_pages(ITEMS));
	CrNeighborSums sums;

	cr_neighbor_sums_init(&sums, ITEMS, page, sum, 3);
	CHECK(cr_neighbor_sums_wanted(&sums, 3) == 3);
	CHECK(cr_neighbor_sums_wanted(&sums, ITEMS) == cr_neighbor_pages(ITEMS));
	cr_neighbor_sums_add(&sums, &list, 2.0f);
	CHECK(sums.pages == 2);
	CHECK(cr_neighbor_sum(&sums, ITEMS - 1) == 6.0);
	CHECK(cr_neighbor_sum(&sums, ITEMS / 2) == 0.0);
	CHECK(cr_neighbor_score(cr_neighbor_sum(&sums, 1), 0.25f) == 4.25f);
	free(page);
	free(sum);
}

UNIT_MAIN(UNIT_TEST(round_trip_keeps_lists),
		  UNIT_TEST(bytes_are_the_documented_ones),
		  UNIT_TEST(encoding_refuses_what_cannot_be_stored),
		  UNIT_TEST(truncation_is_noticed),
		  UNIT_TEST(flipped_bits_do_no_harm),
		  UNIT_TEST(wrong_contents_are_noticed),
		  UNIT_TEST(weights_are_found),
		  UNIT_TEST(sums_are_those_of_adding_by_hand),
		  UNIT_TEST(room_follows_what_is_reached));
