/*
 * simd.c
 *		The processor's levels, and that of AVX-512, which is emulated where there is AVX2.
 */
#define cr_simd_is_available	native_is_available
#define cr_simd_best	native_best
#include "../../../src/core/simd.c"
#undef cr_simd_is_available
#undef cr_simd_best

int
cr_simd_is_available(CrSimd simd)
{
	return native_is_available(simd == CR_SIMD_AVX512 ? CR_SIMD_AVX2 : simd);
}

CrSimd
cr_simd_best(void)
{
	return native_is_available(CR_SIMD_AVX2) ? CR_SIMD_AVX512 : native_best();
}
