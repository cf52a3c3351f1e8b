/*
 * fuzz_neighbors.c
 *		Any bytes as the list of items that go with an item.
 */
#include <math.h>

#include "core/neighbors.h"
#include "fuzz.h"

#define ITEMS	100000

/* A catalogue may be no smaller than the list says. */
static void
check_range(const uint8_t *bytes, size_t size, int32_t last)
{
	uint32_t	count;

	REQUIRE(cr_neighbors_check(bytes, size, last + 1, &count) == CR_OK);
	REQUIRE(cr_neighbors_check(bytes, size, last, &count) == CR_CORRUPT);
}

/* Added up for a user of this one list, in as little memory as it is said to take. */
static void
add_up(const CrNeighborList *list)
{
	CrNeighborSums sums;
	int32_t    *page = fuzz_alloc(sizeof(int32_t) * (size_t) cr_neighbor_pages(ITEMS));
	double	   *sum;
	int32_t		room;

	cr_neighbor_sums_init(&sums, ITEMS, page, NULL, 0);
	room = cr_neighbor_sums_wanted(&sums, list->count);
	sum = fuzz_alloc(sizeof(double) * CR_NEIGHBOR_PAGE * (size_t) room);
	cr_neighbor_sums_init(&sums, ITEMS, page, sum, room);
	cr_neighbor_sums_add(&sums, list, 0.75f);
	REQUIRE(sums.pages <= room);
	for (uint32_t i = 0; i < list->count; i++)
	{
		REQUIRE(cr_neighbor_sum(&sums, list->item_no[i]) == 0.75 * (double) list->weight[i]);
		REQUIRE(cr_neighbors_weight(list, list->item_no[i]) == list->weight[i]);
	}
	free(sum);
	free(page);
}

static void
decode(const uint8_t *bytes, size_t size, uint32_t count)
{
	int32_t    *item_no = fuzz_alloc(sizeof(int32_t) * count);
	float	   *weight = fuzz_alloc(sizeof(float) * count);
	uint8_t    *again = fuzz_alloc(size);
	CrNeighborList list = {count, item_no, weight};

	REQUIRE(size == cr_neighbors_size(count));
	cr_neighbors_decode(bytes, count, item_no, weight);
	REQUIRE(cr_neighbors_encode(item_no, weight, count, again) == CR_OK);
	REQUIRE(memcmp(again, bytes, size) == 0);
	if (count > 0)
		check_range(bytes, size, item_no[count - 1]);
	add_up(&list);
	free(again);
	free(weight);
	free(item_no);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *bytes = fuzz_copy(data, size);
	uint32_t	count = 0;
	CrStatus	status = cr_neighbors_check(bytes, size, ITEMS, &count);

	if (status == CR_OK)
		decode(bytes, size, count);
	else
		REQUIRE(fuzz_is_refusal(status));
	fuzz_free(bytes);
	return 0;
}
