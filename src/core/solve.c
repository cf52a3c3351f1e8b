/*
 * solve.c
 *		Picks the table of kernels for a level.
 */
#include "core/solve.h"

const CrSolveKernels *
cr_solve_kernels(CrSimd simd)
{
	switch (simd)
	{
		case CR_SIMD_AVX512:
			return &cr_solve_avx512;
		case CR_SIMD_AVX2:
			return &cr_solve_avx2;
		case CR_SIMD_PORTABLE:
			break;
	}
	return &cr_solve_portable;
}
