/*
 * test_preferences.c
 *		Preferences come back to the bit in every layout; damage never passes as sound.
 */
#include <stdint.h>

#include "core/preference.h"
#include "core/preferences.h"
#include "unit.h"

/* Encode into a buffer of exactly the bytes used, so that ASAN sees any step beyond. */
static uint8_t *
encoded(const float *preferences, uint32_t count, size_t *length)
{
	uint8_t    *room = malloc(cr_preferences_size_max(count));
	uint8_t    *exact;

	*length = cr_preferences_encode(preferences, count, room);
	CHECK(*length <= cr_preferences_size_max(count));
	exact = malloc(*length);
	memcpy(exact, room, *length);
	free(room);
	return exact;
}

static void
check_round_trip(const float *preferences, uint32_t count, size_t expected)
{
	size_t		length;
	uint8_t    *bytes = encoded(preferences, count, &length);
	float	   *out = malloc(sizeof(float) * (count + 1));

	CHECK(length == expected);
	CHECK(cr_preferences_decode(bytes, length, count, out) == CR_OK);
	CHECK(memcmp(out, preferences, sizeof(float) * count) == 0);
	CHECK(cr_preferences_decode(bytes, length, count + 1, out) == CR_CORRUPT);
	free(out);
	free(bytes);
}

static void
every_layout_comes_back(void)
{
	float		values[1000];

	for (int i = 0; i < 1000; i++)
		values[i] = 2.5f;
	check_round_trip(values, 0, 12);
	check_round_trip(values, 1, 16);
	check_round_trip(values, 1000, 16);
	for (int i = 0; i < 1000; i++)
		values[i] = (float) (i * 7 % 16) - 3.0f;
	check_round_trip(values, 2, 12 + 8 + 1);
	check_round_trip(values, 999, 12 + 64 + 500);
	check_round_trip(values, 1000, 12 + 64 + 500);
	for (int i = 0; i < 1000; i++)
		values[i] = 1.0f / (float) (i + 1);
	check_round_trip(values, 17, 12 + 17 * 4);
	check_round_trip(values, 1000, 12 + 4000);
	values[0] = -0.0f;
	values[1] = 0.0f;
	check_round_trip(values, 2, 12 + 8 + 1);
}

/* Whatever one byte becomes, the answer is an error or finite numbers. */
static void
damage_is_found(void)
{
	static const float many[20] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
	static const float few[5] = {1, 2, 1, 3, 2};
	float		out[20];
	size_t		length;

	for (int layout = 0; layout < 2; layout++)
	{
		const float *values = layout == 0 ? many : few;
		uint32_t	count = layout == 0 ? 20 : 5;
		uint8_t    *bytes = encoded(values, count, &length);

		for (size_t cut = 0; cut < length; cut++)
			CHECK(cr_preferences_decode(bytes, cut, count, out) == CR_CORRUPT);
		for (size_t at = 0; at < length; at++)
		{
			uint8_t		kept = bytes[at];

			for (int byte = 0; byte < 256; byte++)
			{
				CrStatus	status;

				bytes[at] = (uint8_t) byte;
				status = cr_preferences_decode(bytes, length, count, out);
				CHECK(at >= 12 || byte == kept || status != CR_OK);
				for (uint32_t i = 0; status == CR_OK && i < count; i++)
					CHECK(isfinite(out[i]));
			}
			bytes[at] = kept;
		}
		bytes[4] = 2;
		CHECK(cr_preferences_decode(bytes, length, count, out) == CR_UNSUPPORTED_FORMAT);
		free(bytes);
	}
}

static void
formulas(void)
{
	CHECK(cr_scaled_value(3, 1, 5) == 0.5);
	CHECK(cr_scaled_value(0, 1, 5) == -0.25);
	CHECK(cr_event_preference(2, NAN) == 2);
	CHECK(cr_event_preference(2, 0.5) == 1);
	CHECK(cr_event_preference(0, INFINITY) == 0);
	CHECK(cr_age_factor(10, 10) == 0.5);
	CHECK(cr_age_factor(-5, 10) == 1);
	CHECK(cr_age_factor(1e300, INFINITY) == 1);
	CHECK(cr_confidence(2, 1) == 2);
	CHECK(cr_confidence(1, 3) == 2);
	CHECK(cr_confidence(1e-30, 1e-30) > 0);
	CHECK(isinf(cr_confidence(1e38, 1e300)));
	CHECK_NEAR(cr_confidence(1, 1e-5), 1e-5 * 1.4426950408889634, 1e-9);
}

UNIT_MAIN(UNIT_TEST(every_layout_comes_back),
		  UNIT_TEST(damage_is_found),
		  UNIT_TEST(formulas));
