/*
 * solve_avx512.c
 *		The inner loops of least squares for AVX-512; empty where the compiler has none.
 */
#if defined(__AVX512F__)
#define SOLVE_TABLE	cr_solve_avx512
#include "core/solve_body.h"
#else
#include "core/solve.h"

const CrSolveKernels cr_solve_avx512;
#endif
