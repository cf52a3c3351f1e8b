/*
 * simd.h
 *		The instruction sets that hot kernels are built for, and which of them runs here.
 *
 * A hot kernel is written once, in a "*_body.h", and compiled three times: by
 * "*_portable.c", "*_avx2.c" and "*_avx512.c", which the Makefile gives their
 * flags.  Each of them fills one table of functions, so that nothing outside
 * asks for an instruction set but through the level in its parameters.  There
 * is no state here: whoever runs kernels carries the level, so that leader and
 * workers agree.
 *
 * Answers (scores, ranks) are the same bits at every level.  Trained factors
 * are the same bits for any number of workers within one level, and agree
 * between levels up to rounding.
 */
#ifndef CR_SIMD_H
#define CR_SIMD_H

typedef enum CrSimd
{
	CR_SIMD_PORTABLE,			/* what the compiler makes for the platform's baseline */
	CR_SIMD_AVX2,				/* AVX2 and FMA */
	CR_SIMD_AVX512				/* AVX-512 F, BW, DQ, VL */
} CrSimd;

/* Can this build, on this CPU and operating system, run the level? */
extern int	cr_simd_is_available(CrSimd simd);

/* The highest level that is available. */
extern CrSimd cr_simd_best(void);

/* "portable", "avx2" or "avx512". */
extern const char *cr_simd_name(CrSimd simd);

#endif							/* CR_SIMD_H */
