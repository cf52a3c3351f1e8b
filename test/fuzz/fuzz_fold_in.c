/*
 * fuzz_fold_in.c
 *		Any bytes as the Gram matrix that a version keeps for solving users again.
 *
 * It need not be positive definite: solving with it may fail, but not crash,
 * and what it gives is finite.
 */
#include "core/fold_in.h"
#include "core/vector.h"
#include "fuzz.h"

#define FACTORS_MAX	64

static void
solve(CrFoldIn *fold, int32_t factors)
{
	float	   *item = fuzz_alloc(sizeof(float) * (size_t) factors);
	float	   *user = fuzz_alloc(sizeof(float) * (size_t) factors);

	for (int32_t i = 0; i < factors; i++)
		item[i] = 1.0f / (float) (i + 1);
	for (int32_t i = 0; i < 40; i++)
		cr_fold_in_add(fold, item, 1.0 + i);
	if (cr_fold_in_finish(fold, 0.125) == CR_OK && cr_fold_in_user(fold, user) == CR_OK)
		REQUIRE(cr_all_finite(user, factors));
	free(user);
	free(item);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *bytes = fuzz_copy(data, size);
	int32_t		stored = size >= 8 ? cr_load_u16(bytes + 6) : 0;
	int32_t		factors = stored >= 1 && stored <= FACTORS_MAX ? stored : FACTORS_MAX;
	void	   *workspace = aligned_alloc(64, cr_fold_in_workspace_size(factors));
	CrFoldIn	fold;
	CrStatus	status = cr_fold_in_begin(&fold, factors, bytes, size, workspace);

	if (status == CR_OK)
	{
		uint8_t    *again = fuzz_alloc(size);

		REQUIRE(size == cr_fold_in_gram_size(factors));
		cr_fold_in_gram_encode(&fold, again);
		REQUIRE(memcmp(again, bytes, size) == 0);
		free(again);
		solve(&fold, factors);
	}
	else
		REQUIRE(fuzz_is_refusal(status) || status == CR_DIMENSION_MISMATCH);
	free(workspace);
	fuzz_free(bytes);
	return 0;
}
