/*
 * fuzz_embedding.c
 *		Any bytes as an embedding.
 */
#include "core/embedding.h"
#include "fuzz.h"

/* Elements that are not finite are found only when they are decoded. */
static void
decode(const uint8_t *bytes, size_t size, int32_t dims)
{
	float	   *elements = fuzz_alloc(sizeof(float) * (size_t) dims);
	uint8_t    *again = fuzz_alloc(cr_embedding_size(dims));
	CrStatus	status = cr_embedding_decode(bytes, size, dims, elements);

	REQUIRE(size == cr_embedding_size(dims));
	REQUIRE(status == CR_OK || status == CR_CORRUPT);
	REQUIRE(cr_embedding_encode(elements, dims, again) == (status == CR_OK ? CR_OK : CR_NOT_FINITE));
	REQUIRE(status != CR_OK || memcmp(again, bytes, size) == 0);
	free(again);
	free(elements);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *bytes = fuzz_copy(data, size);
	int32_t		dims = 0;
	CrStatus	status = cr_embedding_check(bytes, size, &dims);
	float		none[1];

	if (status == CR_OK)
	{
		decode(bytes, size, dims);
		REQUIRE(cr_embedding_decode(bytes, size, dims + 1, none) == CR_DIMENSION_MISMATCH);
	}
	else
	{
		REQUIRE(fuzz_is_refusal(status));
		REQUIRE(cr_embedding_decode(bytes, size, 1, none) == status);
	}
	fuzz_free(bytes);
	return 0;
}
