/*
 * seen.c
 *		The items a user has had to do with, packed into one sorted array.
 */
#include "core/bytes.h"
#include "core/seen.h"

#define FORMAT_VERSION	1

static const uint8_t magic[4] = {'C', 'R', 'S', 'N'};

/* Where entry i lies. */
static size_t
entry_offset(uint32_t i)
{
	return CR_SEEN_HEADER + sizeof(uint32_t) * (size_t) i;
}

static uint32_t
load_entry(const uint8_t *bytes, uint32_t i)
{
	return cr_load_u32(bytes + entry_offset(i));
}

size_t
cr_seen_size(uint32_t count)
{
	return entry_offset(count);
}

void
cr_seen_encode(const uint32_t *entries, uint32_t count, uint8_t *out)
{
	memcpy(out, magic, sizeof(magic));
	cr_store_u32(out + 4, FORMAT_VERSION);	/* and three zeros */
	cr_store_u32(out + 8, count);
	for (uint32_t i = 0; i < count; i++)
		cr_store_u32(out + entry_offset(i), entries[i]);
}

/* 1 if every item_no is higher than the one before. */
static int
is_ascending(const uint8_t *bytes, uint32_t count)
{
	int			bad = 0;

	for (uint32_t i = 1; i < count; i++)
		bad |= load_entry(bytes, i - 1) >> 1 >= load_entry(bytes, i) >> 1;
	return !bad;
}

/* The length is divided, not the count multiplied: a product could wrap where size_t is small. */
CrStatus
cr_seen_check(const uint8_t *bytes, size_t length, uint32_t *count)
{
	uint32_t	stored;

	if (length < CR_SEEN_HEADER || memcmp(bytes, magic, sizeof(magic)) != 0 || bytes[4] == 0)
		return CR_CORRUPT;
	if (bytes[4] != FORMAT_VERSION)
		return CR_UNSUPPORTED_FORMAT;
	stored = cr_load_u32(bytes + 8);
	length -= CR_SEEN_HEADER;
	if (cr_load_u32(bytes + 4) != FORMAT_VERSION || length % sizeof(uint32_t) != 0 ||
		length / sizeof(uint32_t) != stored || !is_ascending(bytes, stored))
		return CR_CORRUPT;
	*count = stored;
	return CR_OK;
}

void
cr_seen_decode(const uint8_t *bytes, uint32_t count, uint32_t *out)
{
	for (uint32_t i = 0; i < count; i++)
		out[i] = load_entry(bytes, i);
}

CrSeenState
cr_seen_lookup(const uint32_t *entries, uint32_t count, int32_t item_no)
{
	uint32_t	low = 0;
	uint32_t	high = count;

	if (item_no < 0)
		return CR_UNSEEN;
	while (low < high)
	{
		uint32_t	middle = low + (high - low) / 2;
		uint32_t	found = entries[middle] >> 1;

		if (found == (uint32_t) item_no)
			return (entries[middle] & 1) != 0 ? CR_DISLIKED : CR_SEEN;
		if (found < (uint32_t) item_no)
			low = middle + 1;
		else
			high = middle;
	}
	return CR_UNSEEN;
}
