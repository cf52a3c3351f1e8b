/*
 * solve_avx2.c
 *		The inner loops of least squares for AVX2 and FMA; empty where the compiler has none.
 */
#if defined(__AVX2__) && defined(__FMA__)
#define SOLVE_TABLE	cr_solve_avx2
#include "core/solve_body.h"
#else
#include "core/solve.h"

const CrSolveKernels cr_solve_avx2;
#endif
