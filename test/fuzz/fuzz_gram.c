/*
 * fuzz_gram.c
 *		Any bytes as a Gram matrix in double: what the aggregate gram() makes.
 */
#include <math.h>

#include "core/parts.h"
#include "fuzz.h"

static void
decode(const uint8_t *bytes, size_t size, const CrGramView *gram)
{
	size_t		elements = cr_gram_elements(gram->dims);
	size_t		dims = (size_t) gram->dims;
	double	   *triangle = fuzz_alloc(sizeof(double) * elements);
	double	   *matrix = fuzz_alloc(sizeof(double) * dims * dims);
	uint8_t    *again = fuzz_alloc(size);

	cr_gram_decode(gram, triangle);
	for (size_t i = 0; i < elements; i++)
		REQUIRE(isfinite(triangle[i]));
	REQUIRE(size == cr_gram_bytes_size(gram->dims));
	cr_gram_encode(again, gram->dims, gram->count, triangle);
	REQUIRE(memcmp(again, bytes, size) == 0);
	cr_gram_spread(triangle, gram->dims, matrix);
	REQUIRE(memcmp(&matrix[dims * dims - 1], &triangle[elements - 1], sizeof(double)) == 0);
	(void) cr_gram_product(triangle, triangle, gram->dims);
	free(again);
	free(matrix);
	free(triangle);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *bytes = fuzz_copy(data, size);
	CrGramView	gram;
	CrStatus	status = cr_gram_check(bytes, size, &gram);

	if (status == CR_OK)
		decode(bytes, size, &gram);
	else
		REQUIRE(fuzz_is_refusal(status));
	fuzz_free(bytes);
	return 0;
}
