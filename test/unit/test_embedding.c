/*
 * test_embedding.c
 *		Embeddings survive the round trip, and nothing else decodes.
 *
 * Every byte string under test lies at the end of a heap block of exactly its
 * size, so that ASAN sees a read past it.
 */
#include <float.h>

#include "core/embedding.h"
#include "core/rng.h"
#include "unit.h"

#define DIMS	33

static void
random_vector(uint64_t stream, float *out, int32_t dims)
{
	CrRng		rng;

	cr_rng_init(&rng, 21, stream);
	cr_rng_normal(&rng, 1.0, out, (size_t) dims);
}

/* A valid embedding in malloc'd memory of exactly its size. */
static uint8_t *
valid_embedding(int32_t dims)
{
	float	   *values = malloc(sizeof(float) * (size_t) dims);
	uint8_t    *bytes = malloc(cr_embedding_size(dims));

	random_vector((uint64_t) dims, values, dims);
	CHECK(cr_embedding_encode(values, dims, bytes) == CR_OK);
	free(values);
	return bytes;
}

static CrStatus
decode(const uint8_t *bytes, size_t length, int32_t dims)
{
	float	   *out = malloc(sizeof(float) * (size_t) dims);
	CrStatus	status = cr_embedding_decode(bytes, length, dims, out);

	if (status == CR_OK)
	{
		for (int32_t i = 0; i < dims; i++)
			CHECK(isfinite(out[i]));
	}
	free(out);
	return status;
}

static void
round_trip_keeps_the_bits(void)
{
	const int32_t sizes[] = {1, 2, 16, 513, CR_EMBEDDING_DIMS_MAX};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
	{
		int32_t		dims = sizes[i];
		size_t		floats = sizeof(float) * (size_t) dims;
		float	   *values = malloc(floats);
		float	   *out = malloc(floats);
		uint8_t    *bytes = malloc(cr_embedding_size(dims) + 1);
		int32_t		stored = 0;

		random_vector(i, values, dims);
		values[0] = i % 2 == 0 ? -0.0f : FLT_TRUE_MIN;
		/* An odd address: nothing may rely on alignment. */
		CHECK(cr_embedding_encode(values, dims, bytes + 1) == CR_OK);
		CHECK(cr_embedding_check(bytes + 1, cr_embedding_size(dims), &stored) == CR_OK);
		CHECK(stored == dims);
		CHECK(cr_embedding_decode(bytes + 1, cr_embedding_size(dims), dims, out) == CR_OK);
		CHECK(memcmp(values, out, floats) == 0);
		free(values);
		free(out);
		free(bytes);
	}
}

static void
bytes_are_the_documented_ones(void)
{
	const float values[2] = {1.0f, -2.5f};
	const uint8_t expected[20] = {
		'C', 'R', 'V', 'E', 1, 1, 0, 0, 2, 0, 0, 0,
		0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x20, 0xc0
	};
	uint8_t		bytes[20];

	CHECK(cr_embedding_size(2) == sizeof(expected));
	CHECK(cr_embedding_encode(values, 2, bytes) == CR_OK);
	CHECK(memcmp(bytes, expected, sizeof(expected)) == 0);
}

static void
encode_refuses_what_cannot_be_read_back(void)
{
	const float bad[3] = {NAN, INFINITY, -INFINITY};
	float		values[3] = {1, 2, 3};
	uint8_t		bytes[64];

	CHECK(cr_embedding_encode(values, 0, bytes) == CR_INVALID_ARGUMENT);
	CHECK(cr_embedding_encode(values, -1, bytes) == CR_INVALID_ARGUMENT);
	CHECK(cr_embedding_encode(values, CR_EMBEDDING_DIMS_MAX + 1, bytes) == CR_INVALID_ARGUMENT);
	for (int i = 0; i < 3; i++)
	{
		values[2] = bad[i];
		CHECK(cr_embedding_encode(values, 3, bytes) == CR_NOT_FINITE);
	}
}

static void
each_header_field_is_checked(void)
{
	const struct
	{
		int			offset;
		uint8_t		value;
		CrStatus	expected;
	}			cases[] = {
		{0, 'c', CR_CORRUPT},
		{3, 'F', CR_CORRUPT},
		{4, 0, CR_CORRUPT},
		{4, 2, CR_UNSUPPORTED_FORMAT},
		{5, 0, CR_CORRUPT},
		{5, 2, CR_UNSUPPORTED_FORMAT},
		{6, 1, CR_CORRUPT},
		{7, 1, CR_CORRUPT},
		{8, DIMS + 1, CR_CORRUPT},
		{8, DIMS - 1, CR_CORRUPT},
		{8, 0, CR_CORRUPT},
		{11, 0x80, CR_CORRUPT}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		uint8_t    *bytes = valid_embedding(DIMS);

		bytes[cases[i].offset] = cases[i].value;
		CHECK(decode(bytes, cr_embedding_size(DIMS), DIMS) == cases[i].expected);
		free(bytes);
	}
}

static void
dims_must_agree_and_values_be_finite(void)
{
	uint8_t    *bytes = valid_embedding(DIMS);
	const uint8_t infinite[4] = {0, 0, 0x80, 0xff};
	const uint8_t not_a_number[4] = {1, 0, 0xc0, 0x7f};

	CHECK(decode(bytes, cr_embedding_size(DIMS), DIMS - 1) == CR_DIMENSION_MISMATCH);
	CHECK(decode(bytes, cr_embedding_size(DIMS), DIMS + 1) == CR_DIMENSION_MISMATCH);
	memcpy(bytes + cr_embedding_size(DIMS) - 4, infinite, 4);
	CHECK(decode(bytes, cr_embedding_size(DIMS), DIMS) == CR_CORRUPT);
	memcpy(bytes + cr_embedding_size(DIMS) - 4, not_a_number, 4);
	CHECK(decode(bytes, cr_embedding_size(DIMS), DIMS) == CR_CORRUPT);
	free(bytes);
}

/* A length of dims 0 or above the maximum is damage, though length and header agree. */
static void
dims_out_of_range_are_damage(void)
{
	int32_t		dims = CR_EMBEDDING_DIMS_MAX + 1;
	uint8_t    *bytes = calloc(1, cr_embedding_size(dims));

	memcpy(bytes, "CRVE\1\1", 6);
	CHECK(decode(bytes, cr_embedding_size(0), 1) == CR_CORRUPT);
	bytes[8] = (uint8_t) dims;
	bytes[9] = (uint8_t) (dims >> 8);
	CHECK(decode(bytes, cr_embedding_size(dims), dims) == CR_CORRUPT);
	free(bytes);
}

static void
every_truncation_is_damage(void)
{
	size_t		size = cr_embedding_size(DIMS);
	uint8_t    *whole = valid_embedding(DIMS);

	for (size_t length = 0; length <= size + 4; length++)
	{
		uint8_t    *part = calloc(1, length + (length == 0));

		memcpy(part, whole, length < size ? length : size);
		CHECK(decode(part, length, DIMS) == (length == size ? CR_OK : CR_CORRUPT));
		free(part);
	}
	free(whole);
}

static void
random_damage_never_surprises(void)
{
	size_t		size = cr_embedding_size(DIMS);
	uint8_t    *whole = valid_embedding(DIMS);
	uint8_t    *bytes = malloc(size);
	CrRng		rng;

	cr_rng_init(&rng, 22, 0);
	for (int round = 0; round < 20000; round++)
	{
		CrStatus	status;

		memcpy(bytes, whole, size);
		for (uint64_t flips = 1 + cr_rng_next(&rng) % 4; flips > 0; flips--)
			bytes[cr_rng_next(&rng) % size] ^= (uint8_t) (1 << cr_rng_next(&rng) % 8);
		status = decode(bytes, size, DIMS);
		CHECK(status == CR_OK || status == CR_CORRUPT || status == CR_UNSUPPORTED_FORMAT ||
			  status == CR_DIMENSION_MISMATCH);
	}
	free(bytes);
	free(whole);
}

UNIT_MAIN(UNIT_TEST(round_trip_keeps_the_bits),
		  UNIT_TEST(bytes_are_the_documented_ones),
		  UNIT_TEST(encode_refuses_what_cannot_be_read_back),
		  UNIT_TEST(each_header_field_is_checked),
		  UNIT_TEST(dims_must_agree_and_values_be_finite),
		  UNIT_TEST(dims_out_of_range_are_damage),
		  UNIT_TEST(every_truncation_is_damage),
		  UNIT_TEST(random_damage_never_surprises));
