/*
 * fuzz_factors.c
 *		Any bytes as a dense matrix of embeddings: what the aggregate pack_factors() makes.
 */
#include "core/parts.h"
#include "core/vector.h"
#include "fuzz.h"

static void
decode(const uint8_t *bytes, size_t size, const CrFactorsView *factors)
{
	size_t		row_bytes = sizeof(float) * (size_t) factors->dims;
	uint8_t    *again = fuzz_alloc(size);
	float	   *row = fuzz_alloc(row_bytes);

	REQUIRE(size == cr_factors_size(factors->dims, factors->rows));
	cr_factors_put_header(again, factors->dims, factors->rows);
	for (uint32_t i = 0; i < factors->rows; i++)
	{
		CrStatus	status = cr_factors_load(factors, i, row);

		REQUIRE(status == (cr_all_finite(row, factors->dims) ? CR_OK : CR_CORRUPT));
		cr_store_floats(again + CR_FACTORS_HEADER + row_bytes * i, row, (size_t) factors->dims);
	}
	REQUIRE(memcmp(again, bytes, size) == 0);
	free(row);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *bytes = fuzz_copy(data, size);
	CrFactorsView factors;
	CrStatus	status = cr_factors_check(bytes, size, &factors);

	if (status == CR_OK)
		decode(bytes, size, &factors);
	else
		REQUIRE(fuzz_is_refusal(status));
	fuzz_free(bytes);
	return 0;
}
