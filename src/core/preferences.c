/*
 * preferences.c
 *		The byte form of one user's preferences, in the order of his seen items.
 */
#include "core/bytes.h"
#include "core/preferences.h"
#include "core/vector.h"

#define FORMAT_VERSION	1
#define HEADER			12
#define VALUES_MAX		16

static const uint8_t magic[4] = {'C', 'R', 'P', 'R'};

/* The different values of a user, compared bit by bit. */
typedef struct Values
{
	float		value[VALUES_MAX];
	uint32_t	count;
} Values;

/* Index of a value, added if there is room; VALUES_MAX if there is none. */
static uint32_t
find_value(Values *values, float value)
{
	uint32_t	i = 0;

	while (i < values->count && memcmp(&values->value[i], &value, sizeof(float)) != 0)
		i++;
	if (i == values->count && i < VALUES_MAX)
		values->value[values->count++] = value;
	return i;
}

/* How many of the first are the same, bit by bit. */
static uint32_t
count_same(const float *preferences, uint32_t count)
{
	uint32_t	i = 1;

	while (i < count && memcmp(&preferences[i], &preferences[0], sizeof(float)) == 0)
		i++;
	return i;
}

/* Bits of a code that tells these preferences apart. */
static int
choose_bits(const float *preferences, uint32_t count, Values *values)
{
	values->count = 0;
	if (count == 0)
		return 0;
	values->value[values->count++] = preferences[0];
	for (uint32_t i = count_same(preferences, count); i < count; i++)
	{
		if (find_value(values, preferences[i]) == VALUES_MAX)
		{
			values->count = 0;
			return 32;
		}
	}
	return values->count > 1 ? 4 : 0;
}

static size_t
codes_size(int bits, uint32_t count)
{
	if (bits == 32)
		return sizeof(float) * (size_t) count;
	return bits == 4 ? ((size_t) count + 1) / 2 : 0;
}

size_t
cr_preferences_size_max(uint32_t count)
{
	/* 16 values and 4 bits each are more than floats where there are few. */
	return HEADER + sizeof(float) * VALUES_MAX + sizeof(float) * (size_t) count;
}

static void
encode_codes(const float *preferences, uint32_t count, Values *values, uint8_t *out)
{
	memset(out, 0, codes_size(4, count));
	for (uint32_t i = 0; i < count; i++)
		out[i / 2] |= (uint8_t) (find_value(values, preferences[i]) << (i % 2 * 4));
}

size_t
cr_preferences_encode(const float *preferences, uint32_t count, uint8_t *out)
{
	Values		values;
	int			bits = choose_bits(preferences, count, &values);
	uint8_t    *codes = out + HEADER + sizeof(float) * values.count;

	memcpy(out, magic, sizeof(magic));
	out[4] = FORMAT_VERSION;
	out[5] = (uint8_t) bits;
	cr_store_u16(out + 6, (uint16_t) values.count);
	cr_store_u32(out + 8, count);
	for (uint32_t i = 0; i < values.count; i++)
		cr_store_float(out + HEADER + sizeof(float) * i, values.value[i]);
	if (bits == 4)
		encode_codes(preferences, count, &values, codes);
	for (uint32_t i = 0; bits == 32 && i < count; i++)
		cr_store_float(codes + sizeof(float) * (size_t) i, preferences[i]);
	return (size_t) (codes - out) + codes_size(bits, count);
}

/* Do number of values and length fit the bits of a code? */
static int
is_sound(int bits, uint32_t values, uint32_t count, size_t length)
{
	switch (bits)
	{
		case 0:
			if (values != (count > 0 ? 1u : 0u))
				return 0;
			break;
		case 4:
			if (values < 1 || values > VALUES_MAX)
				return 0;
			break;
		case 32:
			if (values != 0)
				return 0;
			break;
		default:
			return 0;
	}
	return length == HEADER + sizeof(float) * (size_t) values + codes_size(bits, count);
}

static int
decode_codes(const uint8_t *codes, const Values *values, uint32_t count, float *out)
{
	for (uint32_t i = 0; i < count; i++)
	{
		uint32_t	code = codes[i / 2] >> (i % 2 * 4) & 15;

		if (code >= values->count)
			return 0;
		out[i] = values->value[code];
	}
	return 1;
}

CrStatus
cr_preferences_decode(const uint8_t *bytes, size_t length, uint32_t count, float *out)
{
	/* Initialised for compilers that do not see that without bits there is a value, or nothing to fill. */
	Values		values = {0};
	const uint8_t *codes;
	int			bits;

	if (length < HEADER || memcmp(bytes, magic, sizeof(magic)) != 0 || bytes[4] == 0)
		return CR_CORRUPT;
	if (bytes[4] != FORMAT_VERSION)
		return CR_UNSUPPORTED_FORMAT;
	bits = bytes[5];
	values.count = cr_load_u16(bytes + 6);
	if (cr_load_u32(bytes + 8) != count || !is_sound(bits, values.count, count, length))
		return CR_CORRUPT;
	for (uint32_t i = 0; i < values.count; i++)
		values.value[i] = cr_load_float(bytes + HEADER + sizeof(float) * i);
	codes = bytes + HEADER + sizeof(float) * values.count;
	if (bits == 4 && !decode_codes(codes, &values, count, out))
		return CR_CORRUPT;
	for (uint32_t i = 0; bits != 4 && i < count; i++)
		out[i] = bits == 0 ? values.value[0] : cr_load_float(codes + sizeof(float) * (size_t) i);
	for (uint32_t i = 0; i < count; i++)
	{
		if (!cr_all_finite(out + i, 1))
			return CR_CORRUPT;
	}
	return CR_OK;
}
