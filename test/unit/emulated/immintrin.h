/*
 * immintrin.h
 *		The AVX-512 intrinsics of the core, element by element, for processors that lack them.
 *
 * Found instead of the compiler's header where the kernels of that level are
 * built for test/unit/emulated (see the Makefile): the sources are the same, so
 * that tests see what they compute, though not how fast.  What a kernel uses
 * and is not here does not compile.
 */
#ifndef EMULATED_IMMINTRIN_H
#define EMULATED_IMMINTRIN_H

#include <stdint.h>
#include <string.h>

#define EMULATED	static inline __attribute__((always_inline, unused))

typedef float __m512 __attribute__((vector_size(64)));
typedef double __m512d __attribute__((vector_size(64)));
typedef int32_t __m512i __attribute__((vector_size(64)));
typedef int16_t Emulated16 __attribute__((vector_size(64)));	/* a __m512i as 32 numbers */
typedef int8_t __m256i __attribute__((vector_size(32)));
typedef uint16_t __mmask16;

#define _CMP_NLT_UQ		0x15

EMULATED __m512
_mm512_loadu_ps(const void *from)
{
	__m512		a;

	memcpy(&a, from, sizeof(a));
	return a;
}

/* Aligned: anything else would trap. */
EMULATED __m512
_mm512_load_ps(const void *from)
{
	if ((uintptr_t) from % sizeof(__m512) != 0)
		__builtin_trap();
	return _mm512_loadu_ps(from);
}

EMULATED void
_mm512_storeu_ps(void *to, __m512 a)
{
	memcpy(to, &a, sizeof(a));
}

EMULATED __m512
_mm512_set1_ps(float a)
{
	return (__m512) {a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a};
}

EMULATED __m512
_mm512_setzero_ps(void)
{
	return (__m512) {0};
}

EMULATED __m512
_mm512_add_ps(__m512 a, __m512 b)
{
	return a + b;
}

/* a * b + c, rounded once */
EMULATED __m512
_mm512_fmadd_ps(__m512 a, __m512 b, __m512 c)
{
	for (int i = 0; i < 16; i++)
		c[i] = __builtin_fmaf(a[i], b[i], c[i]);
	return c;
}

/* c - a * b, rounded once */
EMULATED __m512
_mm512_fnmadd_ps(__m512 a, __m512 b, __m512 c)
{
	return _mm512_fmadd_ps(-a, b, c);
}

EMULATED __m512
_mm512_permutexvar_ps(__m512i at, __m512 a)
{
	__m512		b;

	for (int i = 0; i < 16; i++)
		b[i] = a[at[i] & 15];
	return b;
}

/* As the compiler's header adds: halves, quarters, eighths. */
EMULATED float
_mm512_reduce_add_ps(__m512 a)
{
	for (int half = 8; half > 0; half /= 2)
	{
		for (int i = 0; i < half; i++)
			a[i] += a[i + half];
	}
	return a[0];
}

EMULATED __mmask16
_mm512_cmp_ps_mask(__m512 a, __m512 b, int how)
{
	unsigned	mask = 0;

	if (how != _CMP_NLT_UQ)
		__builtin_trap();
	for (int i = 0; i < 16; i++)
		mask |= (unsigned) !(a[i] < b[i]) << i;
	return (__mmask16) mask;
}

EMULATED __m512d
_mm512_castps_pd(__m512 a)
{
	return (__m512d) a;
}

EMULATED __m512
_mm512_castpd_ps(__m512d a)
{
	return (__m512) a;
}

/* Of each 128 bits the lower half of a and of b, in turn. */
EMULATED __m512
_mm512_unpacklo_ps(__m512 a, __m512 b)
{
	return (__m512) {a[0], b[0], a[1], b[1], a[4], b[4], a[5], b[5],
		a[8], b[8], a[9], b[9], a[12], b[12], a[13], b[13]};
}

EMULATED __m512
_mm512_unpackhi_ps(__m512 a, __m512 b)
{
	return (__m512) {a[2], b[2], a[3], b[3], a[6], b[6], a[7], b[7],
		a[10], b[10], a[11], b[11], a[14], b[14], a[15], b[15]};
}

EMULATED __m512d
_mm512_unpacklo_pd(__m512d a, __m512d b)
{
	return (__m512d) {a[0], b[0], a[2], b[2], a[4], b[4], a[6], b[6]};
}

EMULATED __m512d
_mm512_unpackhi_pd(__m512d a, __m512d b)
{
	return (__m512d) {a[1], b[1], a[3], b[3], a[5], b[5], a[7], b[7]};
}

/* Two times 128 bits of a, then two of b, by two bits of "which" each. */
EMULATED __m512
_mm512_shuffle_f32x4(__m512 a, __m512 b, int which)
{
	__m512		c;

	for (int i = 0; i < 16; i++)
	{
		int			from = (which >> i / 4 * 2 & 3) * 4 + i % 4;

		c[i] = i < 8 ? a[from] : b[from];
	}
	return c;
}

EMULATED __m512i
_mm512_set1_epi32(int32_t a)
{
	return (__m512i) {a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a};
}

EMULATED __m512i
_mm512_setzero_si512(void)
{
	return (__m512i) {0};
}

EMULATED __m512i
_mm512_loadu_si512(const void *from)
{
	__m512i		a;

	memcpy(&a, from, sizeof(a));
	return a;
}

EMULATED __m512i
_mm512_add_epi32(__m512i a, __m512i b)
{
	return a + b;
}

/* Products of 16 bits, those of neighbours added up. */
EMULATED __m512i
_mm512_madd_epi16(__m512i a, __m512i b)
{
	Emulated16	x = (Emulated16) a;
	Emulated16	y = (Emulated16) b;
	__m512i		sum;

	for (int i = 0; i < 16; i++)
		sum[i] = x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1];
	return sum;
}

/* Numbers of 16 bits whose bit is set; of the others not a byte is read. */
EMULATED __m256i
_mm256_maskz_loadu_epi16(__mmask16 mask, const void *from)
{
	__m256i		a = {0};

	for (int i = 0; i < 16; i++)
	{
		if (mask >> i & 1)
			memcpy((char *) &a + 2 * i, (const char *) from + 2 * i, 2);
	}
	return a;
}

EMULATED __m512i
_mm512_cvtepi8_epi16(__m256i a)
{
	Emulated16	wide;

	for (int i = 0; i < 32; i++)
		wide[i] = a[i];
	return (__m512i) wide;
}

EMULATED void
_mm512_mask_storeu_epi32(void *to, __mmask16 mask, __m512i a)
{
	for (int i = 0; i < 16; i++)
	{
		if (mask >> i & 1)
			memcpy((char *) to + 4 * i, (const char *) &a + 4 * i, 4);
	}
}

EMULATED __mmask16
_mm512_cmpge_epi32_mask(__m512i a, __m512i b)
{
	unsigned	mask = 0;

	for (int i = 0; i < 16; i++)
		mask |= (unsigned) (a[i] >= b[i]) << i;
	return (__mmask16) mask;
}

#endif							/* EMULATED_IMMINTRIN_H */
