/*
 * fuzz_preferences.c
 *		Any bytes as a user's preferences.
 *
 * How many there must be is what the list of seen items says; a few bytes may
 * claim any number of equal ones, so that here a large one is taken to differ.
 */
#include "core/preferences.h"
#include "core/vector.h"
#include "fuzz.h"

#define COUNT_MAX	20000

/* Other bytes may say the same: what is compared is what comes out of them. */
static void
encode_again(const float *preferences, uint32_t count)
{
	size_t		size_max = cr_preferences_size_max(count);
	uint8_t    *again = fuzz_alloc(size_max);
	size_t		size = cr_preferences_encode(preferences, count, again);
	uint8_t    *exact = fuzz_copy(again, size);
	float	   *decoded = fuzz_alloc(sizeof(float) * count);

	REQUIRE(size <= size_max);
	REQUIRE(cr_preferences_decode(exact, size, count, decoded) == CR_OK);
	REQUIRE(count == 0 || memcmp(decoded, preferences, sizeof(float) * count) == 0);
	free(decoded);
	fuzz_free(exact);
	free(again);
}

/* Is each of them among the floats that are stored? */
static int
are_stored(const uint8_t *bytes, size_t size, const float *preferences, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
	{
		size_t		at = 12;

		while (at + 4 <= size && memcmp(bytes + at, &preferences[i], 4) != 0)
			at += 4;
		if (at + 4 > size)
			return 0;
	}
	return 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *bytes = fuzz_copy(data, size);
	uint32_t	stored = fuzz_field(bytes, size, 8);
	uint32_t	count = stored <= COUNT_MAX ? stored : COUNT_MAX;
	float	   *preferences = fuzz_alloc(sizeof(float) * count);
	CrStatus	status = cr_preferences_decode(bytes, size, count, preferences);

	if (status == CR_OK)
	{
		for (uint32_t i = 0; i < count; i++)
			REQUIRE(cr_all_finite(preferences + i, 1));
		REQUIRE(are_stored(bytes, size, preferences, count));
		encode_again(preferences, count);
	}
	else
		REQUIRE(fuzz_is_refusal(status));
	free(preferences);
	fuzz_free(bytes);
	return 0;
}
