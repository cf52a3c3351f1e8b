/*
 * fuzz_itemset.c
 *		Any bytes as a piece of a filter.
 */
#include "core/itemset.h"
#include "fuzz.h"

static void
decode(const uint8_t *bytes, int32_t first)
{
	uint64_t   *words = fuzz_alloc(sizeof(uint64_t) * CR_ITEMSET_WORDS);
	uint8_t    *again = fuzz_alloc(CR_ITEMSET_BYTES);

	cr_itemset_decode(bytes, words);
	REQUIRE(cr_itemset_init(first, again) == CR_OK);
	for (int32_t bit = cr_itemset_next(words, 0); bit < CR_ITEMSET_BITS;
		 bit = cr_itemset_next(words, bit + 1))
	{
		REQUIRE(cr_itemset_has(words, bit));
		REQUIRE(cr_itemset_add(again, first + bit) == CR_OK);
	}
	REQUIRE(memcmp(again, bytes, CR_ITEMSET_BYTES) == 0);
	REQUIRE(cr_itemset_add(again, first - 1) == CR_INVALID_ARGUMENT);
	free(again);
	free(words);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *bytes = fuzz_copy(data, size);
	uint32_t	stored = fuzz_field(bytes, size, 8);
	int32_t		first = stored % CR_ITEMSET_BITS == 0 && stored <= INT32_MAX - CR_ITEMSET_BITS ? (int32_t) stored : 0;
	CrStatus	status = cr_itemset_check(bytes, size, first);

	if (status == CR_OK)
		decode(bytes, first);
	else
		REQUIRE(fuzz_is_refusal(status));
	fuzz_free(bytes);
	return 0;
}
