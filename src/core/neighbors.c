/*
 * neighbors.c
 *		Lists of the items that go with an item: their byte form, and adding them up for a user.
 */
#include <math.h>

#include "core/bytes.h"
#include "core/neighbors.h"

#define FORMAT_VERSION	1

static const uint8_t magic[4] = {'C', 'R', 'N', 'B'};

static const uint8_t *
items_of(const uint8_t *bytes)
{
	return bytes + CR_NEIGHBORS_HEADER;
}

static const uint8_t *
weights_of(const uint8_t *bytes, uint32_t count)
{
	return items_of(bytes) + sizeof(uint32_t) * (size_t) count;
}

size_t
cr_neighbors_size(uint32_t count)
{
	return CR_NEIGHBORS_HEADER + (sizeof(uint32_t) + sizeof(float)) * (size_t) count;
}

CrStatus
cr_neighbors_encode(const int32_t *item_no, const float *weight, uint32_t count, uint8_t *out)
{
	uint8_t    *items = out + CR_NEIGHBORS_HEADER;

	if (count > CR_NEIGHBORS_MAX)
		return CR_INVALID_ARGUMENT;
	memcpy(out, magic, sizeof(magic));
	cr_store_u32(out + 4, FORMAT_VERSION);	/* and three zeros */
	cr_store_u32(out + 8, count);
	for (uint32_t i = 0; i < count; i++)
	{
		if (!isfinite(weight[i]))
			return CR_NOT_FINITE;
		cr_store_u32(items + sizeof(uint32_t) * (size_t) i, (uint32_t) item_no[i]);
	}
	cr_store_floats(items + sizeof(uint32_t) * (size_t) count, weight, count);
	return CR_OK;
}

/* 1 if every number is higher than the one before. */
static int
is_ascending(const uint8_t *items, uint32_t count)
{
	int			bad = 0;

	for (uint32_t i = 1; i < count; i++)
		bad |= cr_load_u32(items + sizeof(uint32_t) * (size_t) (i - 1)) >=
			cr_load_u32(items + sizeof(uint32_t) * (size_t) i);
	return !bad;
}

/* 1 if none has the exponent of infinities and NaNs. */
static int
are_finite(const uint8_t *weights, uint32_t count)
{
	int			bad = 0;

	for (uint32_t i = 0; i < count; i++)
		bad |= (~cr_load_u32(weights + sizeof(float) * (size_t) i) & 0x7f800000u) == 0;
	return !bad;
}

/* Numbers ascend, so that the last one tells whether all of them are in range. */
CrStatus
cr_neighbors_check(const uint8_t *bytes, size_t length, int32_t items, uint32_t *count)
{
	uint32_t	stored;

	if (length < CR_NEIGHBORS_HEADER || memcmp(bytes, magic, sizeof(magic)) != 0 || bytes[4] == 0)
		return CR_CORRUPT;
	if (bytes[4] != FORMAT_VERSION)
		return CR_UNSUPPORTED_FORMAT;
	stored = cr_load_u32(bytes + 8);
	if (cr_load_u32(bytes + 4) != FORMAT_VERSION || stored > CR_NEIGHBORS_MAX ||
		length != cr_neighbors_size(stored))
		return CR_CORRUPT;
	if (!is_ascending(items_of(bytes), stored) || !are_finite(weights_of(bytes, stored), stored))
		return CR_CORRUPT;
	if (stored > 0 && cr_load_u32(items_of(bytes) + sizeof(uint32_t) * (size_t) (stored - 1)) >=
		(uint32_t) (items > 0 ? items : 0))
		return CR_CORRUPT;
	*count = stored;
	return CR_OK;
}

void
cr_neighbors_decode(const uint8_t *bytes, uint32_t count, int32_t *item_no, float *weight)
{
	/* Of one width, and all below 2^31. */
	cr_load_u32s(items_of(bytes), (uint32_t *) item_no, count);
	cr_load_floats(weights_of(bytes, count), weight, count);
}

float
cr_neighbors_weight(const CrNeighborList *list, int32_t item_no)
{
	uint32_t	low = 0;
	uint32_t	high = list->count;

	while (low < high)
	{
		uint32_t	middle = low + (high - low) / 2;

		if (list->item_no[middle] == item_no)
			return list->weight[middle];
		if (list->item_no[middle] < item_no)
			low = middle + 1;
		else
			high = middle;
	}
	return 0.0f;
}

int32_t
cr_neighbor_pages(int32_t items)
{
	return items / CR_NEIGHBOR_PAGE + (items % CR_NEIGHBOR_PAGE != 0);
}

void
cr_neighbor_sums_init(CrNeighborSums *sums, int32_t items, int32_t *page, double *sum,
					  int32_t room)
{
	sums->items = items;
	sums->page = page;
	sums->sum = sum;
	sums->room = room;
	cr_neighbor_sums_clear(sums);
}

void
cr_neighbor_sums_clear(CrNeighborSums *sums)
{
	sums->pages = 0;
	memset(sums->page, 0, sizeof(int32_t) * (size_t) cr_neighbor_pages(sums->items));
}

int32_t
cr_neighbor_sums_wanted(const CrNeighborSums *sums, uint32_t count)
{
	int64_t		wanted = (int64_t) sums->pages + count;
	int32_t		most = cr_neighbor_pages(sums->items);

	return wanted < most ? (int32_t) wanted : most;
}

/* The sums of the page, which begin at 0. */
static inline double *
page_of(CrNeighborSums *sums, uint32_t page)
{
	int32_t    *place = &sums->page[page];

	if (*place == 0)
	{
		memset(sums->sum + (size_t) sums->pages * CR_NEIGHBOR_PAGE, 0,
			   sizeof(double) * CR_NEIGHBOR_PAGE);
		*place = ++sums->pages;
	}
	return sums->sum + (size_t) (*place - 1) * CR_NEIGHBOR_PAGE;
}

void
cr_neighbor_sums_add(CrNeighborSums *sums, const CrNeighborList *list, float confidence)
{
	for (uint32_t i = 0; i < list->count; i++)
	{
		uint32_t	item_no = (uint32_t) list->item_no[i];

		page_of(sums, item_no / CR_NEIGHBOR_PAGE)[item_no % CR_NEIGHBOR_PAGE] +=
			(double) confidence * (double) list->weight[i];
	}
}

void
cr_neighbor_scores(const CrNeighborSums *sums, const float *popularity, float *scores)
{
	for (int32_t item_no = 0; item_no < sums->items; item_no++)
		scores[item_no] = cr_neighbor_score(cr_neighbor_sum(sums, item_no),
											popularity == NULL ? 0.0f : popularity[item_no]);
}
