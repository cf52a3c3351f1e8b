/*
 * fuzz_list.c
 *		Any bytes as a list, one sparse row: what the aggregate collect() makes.
 */
#include "core/parts.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *bytes = fuzz_copy(data, size);
	CrListView	list;
	CrStatus	status = cr_list_check(bytes, size, &list);

	if (status == CR_OK)
	{
		uint8_t    *again = fuzz_alloc(size);

		REQUIRE(size == cr_list_size(list.count));
		cr_list_put_header(again, list.count);
		for (uint32_t i = 0; i < list.count; i++)
			cr_list_put(again, list.count, i, cr_load_u32(list.item_no + 4 * (size_t) i),
						cr_load_float(list.value + 4 * (size_t) i));
		REQUIRE(memcmp(again, bytes, size) == 0);
		free(again);
	}
	else
		REQUIRE(fuzz_is_refusal(status));
	fuzz_free(bytes);
	return 0;
}
