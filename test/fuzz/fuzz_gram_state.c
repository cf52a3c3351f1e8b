/*
 * fuzz_gram_state.c
 *		Any bytes as the state of a Gram matrix.
 */
#include "core/parts.h"
#include "core/state.h"
#include "fuzz.h"

/* Add an embedding and make the value, as gram() does. */
static void
use(CrGramState *state, size_t size)
{
	CrGramState *empty = fuzz_alloc(cr_gram_state_size(state->dims));
	float	   *y = fuzz_alloc(sizeof(float) * (size_t) state->dims);
	uint8_t    *out = fuzz_alloc(cr_gram_bytes_size(state->dims));

	REQUIRE(size == cr_gram_state_size(state->dims) && state->count >= 1);
	cr_gram_state_init(empty, state->dims);
	REQUIRE(cr_gram_state_check(empty, size) == CR_CORRUPT);
	empty->count = state->count;
	REQUIRE(cr_gram_state_check(empty, size) == CR_OK);
	for (int32_t i = 0; i < state->dims; i++)
		y[i] = 1.0f;
	cr_gram_accumulate(state->triangle, y, state->dims);
	cr_gram_encode(out, state->dims, (uint64_t) state->count, state->triangle);
	free(out);
	free(y);
	free(empty);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CrGramState *state = fuzz_alloc(size);
	CrStatus	status;

	if (size > 0)
		memcpy(state, data, size);
	status = cr_gram_state_check(state, size);
	if (status == CR_OK)
		use(state, size);
	else
		REQUIRE(status == CR_CORRUPT);
	free(state);
	return 0;
}
