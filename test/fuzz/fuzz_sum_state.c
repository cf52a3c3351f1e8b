/*
 * fuzz_sum_state.c
 *		Any bytes as the state of a sum of embeddings.
 */
#include <math.h>

#include "core/state.h"
#include "fuzz.h"

/* Sums that are not finite are found only when they are decoded. */
static void
decode(const uint8_t *bytes, size_t size, CrSumState *state)
{
	uint8_t    *again = fuzz_alloc(cr_sum_state_size(state->dims));
	CrStatus	status;

	REQUIRE(size == cr_sum_state_size(state->dims) && state->count >= 1);
	state->sums = fuzz_alloc(sizeof(double) * (size_t) state->dims);
	status = cr_sum_state_decode(bytes, state);
	if (status == CR_OK)
	{
		for (int32_t i = 0; i < state->dims; i++)
			REQUIRE(isfinite(state->sums[i]));
		cr_sum_state_encode(state, again);
		REQUIRE(memcmp(again, bytes, size) == 0);
	}
	else
		REQUIRE(status == CR_CORRUPT);
	free(state->sums);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *bytes = fuzz_copy(data, size);
	CrSumState	state;
	CrStatus	status = cr_sum_state_check(bytes, size, &state);

	if (status == CR_OK)
		decode(bytes, size, &state);
	else
		REQUIRE(status == CR_CORRUPT);
	fuzz_free(bytes);
	return 0;
}
