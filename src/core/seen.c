/*
 * seen.c
 *		The items a user has had to do with, packed into one sorted array.
 */
#include "core/bytes.h"
#include "core/seen.h"

#define FORMAT_PLAIN	1
#define FORMAT_TIMED	2

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

size_t
cr_seen_size_timed(uint32_t count)
{
	return entry_offset(count) + sizeof(uint32_t) * (size_t) count;
}

static void
encode(uint32_t format, const uint32_t *entries, uint32_t count, uint8_t *out)
{
	memcpy(out, magic, sizeof(magic));
	cr_store_u32(out + 4, format);	/* and three zeros */
	cr_store_u32(out + 8, count);
	for (uint32_t i = 0; i < count; i++)
		cr_store_u32(out + entry_offset(i), entries[i]);
}

void
cr_seen_encode(const uint32_t *entries, uint32_t count, uint8_t *out)
{
	encode(FORMAT_PLAIN, entries, count, out);
}

void
cr_seen_encode_timed(const uint32_t *entries, const uint32_t *times, uint32_t count, uint8_t *out)
{
	uint8_t    *stored_times = out + entry_offset(count);

	encode(FORMAT_TIMED, entries, count, out);
	for (uint32_t i = 0; i < count; i++)
		cr_store_u32(stored_times + sizeof(uint32_t) * (size_t) i, times[i]);
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
	size_t		width;

	if (length < CR_SEEN_HEADER || memcmp(bytes, magic, sizeof(magic)) != 0 || bytes[4] == 0)
		return CR_CORRUPT;
	if (bytes[4] != FORMAT_PLAIN && bytes[4] != FORMAT_TIMED)
		return CR_UNSUPPORTED_FORMAT;
	stored = cr_load_u32(bytes + 8);
	width = bytes[4] * sizeof(uint32_t);
	length -= CR_SEEN_HEADER;
	if (cr_load_u32(bytes + 4) != bytes[4] || length % width != 0 || length / width != stored ||
		!is_ascending(bytes, stored))
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

int
cr_seen_is_timed(const uint8_t *bytes)
{
	return bytes[4] == FORMAT_TIMED;
}

void
cr_seen_decode_times(const uint8_t *bytes, uint32_t count, uint32_t *out)
{
	bytes += entry_offset(count);
	for (uint32_t i = 0; i < count; i++)
		out[i] = cr_load_u32(bytes + sizeof(uint32_t) * (size_t) i);
}

CrSeenState
cr_seen_find(const uint32_t *entries, uint32_t count, int32_t item_no, uint32_t *place)
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
		{
			*place = middle;
			return (entries[middle] & 1) != 0 ? CR_DISLIKED : CR_SEEN;
		}
		if (found < (uint32_t) item_no)
			low = middle + 1;
		else
			high = middle;
	}
	return CR_UNSEEN;
}

CrSeenState
cr_seen_lookup(const uint32_t *entries, uint32_t count, int32_t item_no)
{
	uint32_t	place;

	return cr_seen_find(entries, count, item_no, &place);
}
