/*
 * test_simd.c
 *		Levels of instruction sets: what is available is named, and the best of it is available.
 */
#include "core/simd.h"
#include "unit.h"

static void
best_is_the_highest_available(void)
{
	CrSimd		best = cr_simd_best();

	CHECK(cr_simd_is_available(best));
	CHECK(cr_simd_is_available(CR_SIMD_PORTABLE));
	for (int simd = (int) best + 1; simd <= (int) CR_SIMD_AVX512; simd++)
		CHECK(!cr_simd_is_available((CrSimd) simd));
}

static void
names_are_those_of_the_setting(void)
{
	CHECK(strcmp(cr_simd_name(CR_SIMD_PORTABLE), "portable") == 0);
	CHECK(strcmp(cr_simd_name(CR_SIMD_AVX2), "avx2") == 0);
	CHECK(strcmp(cr_simd_name(CR_SIMD_AVX512), "avx512") == 0);
}

UNIT_MAIN(UNIT_TEST(best_is_the_highest_available),
		  UNIT_TEST(names_are_those_of_the_setting));
