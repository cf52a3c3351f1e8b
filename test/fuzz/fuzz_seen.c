/*
 * fuzz_seen.c
 *		Any bytes as the list of items that a user has had to do with.
 */
#include "core/seen.h"
#include "fuzz.h"

static void
find_all(const uint32_t *entries, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
	{
		uint32_t	place = UINT32_MAX;
		int32_t		item_no = (int32_t) (entries[i] >> 1);
		CrSeenState state = cr_seen_find(entries, count, item_no, &place);

		REQUIRE(place == i && state == ((entries[i] & 1) != 0 ? CR_DISLIKED : CR_SEEN));
		if (i + 1 < count && entries[i + 1] >> 1 > (entries[i] >> 1) + 1)
			REQUIRE(cr_seen_lookup(entries, count, item_no + 1) == CR_UNSEEN);
	}
}

static void
decode(const uint8_t *bytes, size_t size, uint32_t count)
{
	uint32_t   *entries = fuzz_alloc(sizeof(uint32_t) * count);
	uint32_t   *times = fuzz_alloc(sizeof(uint32_t) * count);
	uint8_t    *again = fuzz_alloc(size);

	cr_seen_decode(bytes, count, entries);
	find_all(entries, count);
	if (cr_seen_is_timed(bytes))
	{
		REQUIRE(size == cr_seen_size_timed(count));
		cr_seen_decode_times(bytes, count, times);
		cr_seen_encode_timed(entries, times, count, again);
	}
	else
	{
		REQUIRE(size == cr_seen_size(count));
		cr_seen_encode(entries, count, again);
	}
	REQUIRE(memcmp(again, bytes, size) == 0);
	free(again);
	free(times);
	free(entries);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *bytes = fuzz_copy(data, size);
	uint32_t	count = 0;
	CrStatus	status = cr_seen_check(bytes, size, &count);

	if (status == CR_OK)
		decode(bytes, size, count);
	else
		REQUIRE(fuzz_is_refusal(status));
	fuzz_free(bytes);
	return 0;
}
