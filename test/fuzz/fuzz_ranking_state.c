/*
 * fuzz_ranking_state.c
 *		Any bytes as the state of a ranking.
 */
#include "core/state.h"
#include "fuzz.h"

static void
decode(const uint8_t *bytes, size_t size, const CrRankingState *state)
{
	size_t		used = sizeof(CrRankingRow) * (size_t) state->count;
	CrRankingRow *rows = fuzz_alloc(used);
	uint8_t    *again = fuzz_alloc(cr_ranking_state_size(state->count));

	REQUIRE(size == cr_ranking_state_size(state->room) && state->count <= state->room);
	REQUIRE(state->count >= 1 && state->k >= 0 && state->k <= INT32_MAX);
	memcpy(rows, state->rows, used);
	cr_ranking_state_put_header(state->count, state->k, again);
	memcpy(again + cr_ranking_state_size(0), rows, used);
	REQUIRE(memcmp(again, bytes, cr_ranking_state_size(state->count)) == 0);
	free(again);
	free(rows);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *bytes = fuzz_copy(data, size);
	CrRankingState state;
	CrStatus	status = cr_ranking_state_check(bytes, size, &state);

	if (status == CR_OK)
		decode(bytes, size, &state);
	else
		REQUIRE(status == CR_CORRUPT);
	fuzz_free(bytes);
	return 0;
}
