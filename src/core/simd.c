/*
 * simd.c
 *		Asks the CPU, and the operating system behind it, for instruction sets.
 */
#include "core/simd.h"

/* __builtin_cpu_supports looks at XCR0 too: registers that the kernel does not save do not count. */
#if defined(__x86_64__) && defined(__GNUC__)
#define HAS_X86_LEVELS	1
#else
#define HAS_X86_LEVELS	0
#endif

int
cr_simd_is_available(CrSimd simd)
{
	switch (simd)
	{
		case CR_SIMD_PORTABLE:
			return 1;
#if HAS_X86_LEVELS
		case CR_SIMD_AVX2:
			return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
		case CR_SIMD_AVX512:
			return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
				__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
		case CR_SIMD_AVX2:
		case CR_SIMD_AVX512:
			return 0;
#endif
	}
	return 0;
}

CrSimd
cr_simd_best(void)
{
	if (cr_simd_is_available(CR_SIMD_AVX512))
		return CR_SIMD_AVX512;
	return cr_simd_is_available(CR_SIMD_AVX2) ? CR_SIMD_AVX2 : CR_SIMD_PORTABLE;
}

const char *
cr_simd_name(CrSimd simd)
{
	static const char *const names[] = {"portable", "avx2", "avx512"};

	return names[simd];
}
