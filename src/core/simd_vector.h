/*
 * simd_vector.h
 *		A vector of floats as wide as the instruction set that the including file is built for.
 *
 * Only "*_body.h" files include this, by way of "*_portable.c", "*_avx2.c" and
 * "*_avx512.c": what the compiler's flags allow decides the width.  Everything
 * here is static and inlined, so that no symbol of one level is ever linked
 * into another.  Loads and stores take any address; aligned ones are faster.
 *
 * Portable vectors are GCC's vector extension with four lanes, which every
 * 64-bit platform has in hardware; multiply and add are two roundings there,
 * one at the other levels.
 */
#ifndef CR_SIMD_VECTOR_H
#define CR_SIMD_VECTOR_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#define CR_INLINE	static inline __attribute__((always_inline))

/* CR_UNROLL(16) before a loop of at most 16 steps, known when compiling, removes the loop. */
#define CR_PRAGMA(text)	_Pragma(#text)
#ifdef __clang__
#define CR_UNROLL(steps)	CR_PRAGMA(clang loop unroll(full))
#else
#define CR_UNROLL(steps)	CR_PRAGMA(GCC unroll steps)
#endif

#define CR_PREFETCH(address)	__builtin_prefetch(address)
#define CR_PREFETCH_FAR(address)	__builtin_prefetch(address, 0, 2)	/* not into the first level */

#if defined(__AVX512F__)

#define CR_LANES	16
typedef __m512 CrVector;

CR_INLINE CrVector
v_load(const float *from)
{
	return _mm512_loadu_ps(from);
}

CR_INLINE void
v_store(float *to, CrVector a)
{
	_mm512_storeu_ps(to, a);
}

CR_INLINE CrVector
v_set(float a)
{
	return _mm512_set1_ps(a);
}

/* a * b + c */
CR_INLINE CrVector
v_fma(CrVector a, CrVector b, CrVector c)
{
	return _mm512_fmadd_ps(a, b, c);
}

/* c - a * b */
CR_INLINE CrVector
v_fnma(CrVector a, CrVector b, CrVector c)
{
	return _mm512_fnmadd_ps(a, b, c);
}

/* Lane i in every lane. */
CR_INLINE CrVector
v_lane(CrVector a, int i)
{
	return _mm512_permutexvar_ps(_mm512_set1_epi32(i), a);
}

/* Pairs of neighbours of a and b added up, within each 128 bits. */
CR_INLINE CrVector
v_add_pairs(CrVector a, CrVector b)
{
	return _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
}

CR_INLINE CrVector
v_add_halves(CrVector a, CrVector b)
{
	return _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a),
															 _mm512_castps_pd(b))),
						 _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a),
															 _mm512_castps_pd(b))));
}

CR_INLINE CrVector
v_add_quarters(CrVector a, CrVector b)
{
	return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

/* Lane i of the result is the sum of rows[i]. */
CR_INLINE CrVector
v_sums(const CrVector *rows)
{
	CrVector	pair[8];
	CrVector	four[4];

	CR_UNROLL(8)
	for (int i = 0; i < 8; i++)
		pair[i] = v_add_pairs(rows[2 * i], rows[2 * i + 1]);
	CR_UNROLL(4)
	for (int i = 0; i < 4; i++)
		four[i] = v_add_halves(pair[2 * i], pair[2 * i + 1]);
	return v_add_quarters(v_add_quarters(four[0], four[1]), v_add_quarters(four[2], four[3]));
}

CR_INLINE float
v_sum(CrVector a)
{
	return _mm512_reduce_add_ps(a);
}

/* Of the four times 128 bits of a, then of b: those of even numbers. */
CR_INLINE CrVector
v_even_quarters(CrVector a, CrVector b)
{
	return _mm512_shuffle_f32x4(a, b, 0x88);
}

CR_INLINE CrVector
v_odd_quarters(CrVector a, CrVector b)
{
	return _mm512_shuffle_f32x4(a, b, 0xdd);
}

/* Row i becomes what was lane i of all rows. */
CR_INLINE void
v_transpose(CrVector *rows)
{
	__m512d		pair[16];
	CrVector	four[16];		/* four[4g + c]: of rows 4g to 4g + 3 lanes c, 4 + c, 8 + c and 12 + c */
	CrVector	half[16];

	CR_UNROLL(8)
	for (int i = 0; i < 16; i += 2)
	{
		pair[i] = _mm512_castps_pd(_mm512_unpacklo_ps(rows[i], rows[i + 1]));
		pair[i + 1] = _mm512_castps_pd(_mm512_unpackhi_ps(rows[i], rows[i + 1]));
	}
	CR_UNROLL(4)
	for (int i = 0; i < 16; i += 4)
	{
		four[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(pair[i], pair[i + 2]));
		four[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(pair[i], pair[i + 2]));
		four[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(pair[i + 1], pair[i + 3]));
		four[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(pair[i + 1], pair[i + 3]));
	}
	CR_UNROLL(4)
	for (int i = 0; i < 4; i++)
	{
		half[i] = v_even_quarters(four[i], four[i + 4]);
		half[i + 4] = v_odd_quarters(four[i], four[i + 4]);
		half[i + 8] = v_even_quarters(four[i + 8], four[i + 12]);
		half[i + 12] = v_odd_quarters(four[i + 8], four[i + 12]);
	}
	CR_UNROLL(4)
	for (int i = 0; i < 4; i++)
	{
		rows[i] = v_even_quarters(half[i], half[i + 8]);
		rows[i + 4] = v_even_quarters(half[i + 4], half[i + 12]);
		rows[i + 8] = v_odd_quarters(half[i], half[i + 8]);
		rows[i + 12] = v_odd_quarters(half[i + 4], half[i + 12]);
	}
}

#elif defined(__AVX2__) && defined(__FMA__)

#define CR_LANES	8
typedef __m256 CrVector;

CR_INLINE CrVector
v_load(const float *from)
{
	return _mm256_loadu_ps(from);
}

CR_INLINE void
v_store(float *to, CrVector a)
{
	_mm256_storeu_ps(to, a);
}

CR_INLINE CrVector
v_set(float a)
{
	return _mm256_set1_ps(a);
}

CR_INLINE CrVector
v_fma(CrVector a, CrVector b, CrVector c)
{
	return _mm256_fmadd_ps(a, b, c);
}

CR_INLINE CrVector
v_fnma(CrVector a, CrVector b, CrVector c)
{
	return _mm256_fnmadd_ps(a, b, c);
}

CR_INLINE CrVector
v_lane(CrVector a, int i)
{
	return _mm256_permutevar8x32_ps(a, _mm256_set1_epi32(i));
}

CR_INLINE CrVector
v_sums(const CrVector *rows)
{
	CrVector	low = _mm256_hadd_ps(_mm256_hadd_ps(rows[0], rows[1]),
									 _mm256_hadd_ps(rows[2], rows[3]));
	CrVector	high = _mm256_hadd_ps(_mm256_hadd_ps(rows[4], rows[5]),
									  _mm256_hadd_ps(rows[6], rows[7]));

	return _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20),
						 _mm256_permute2f128_ps(low, high, 0x31));
}

CR_INLINE float
v_sum(CrVector a)
{
	__m128		four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
	__m128		two = _mm_add_ps(four, _mm_movehl_ps(four, four));

	return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

/* Row i becomes what was lane i of all rows. */
CR_INLINE void
v_transpose(CrVector *rows)
{
	__m256d		pair[8];
	CrVector	four[8];		/* four[4g + c]: of rows 4g to 4g + 3 lanes c and 4 + c */

	CR_UNROLL(4)
	for (int i = 0; i < 8; i += 2)
	{
		pair[i] = _mm256_castps_pd(_mm256_unpacklo_ps(rows[i], rows[i + 1]));
		pair[i + 1] = _mm256_castps_pd(_mm256_unpackhi_ps(rows[i], rows[i + 1]));
	}
	CR_UNROLL(2)
	for (int i = 0; i < 8; i += 4)
	{
		four[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(pair[i], pair[i + 2]));
		four[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(pair[i], pair[i + 2]));
		four[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(pair[i + 1], pair[i + 3]));
		four[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(pair[i + 1], pair[i + 3]));
	}
	CR_UNROLL(4)
	for (int i = 0; i < 4; i++)
	{
		rows[i] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x20);
		rows[i + 4] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x31);
	}
}

#else

#define CR_LANES	4
typedef float CrVector __attribute__((vector_size(16)));

CR_INLINE CrVector
v_load(const float *from)
{
	CrVector	a;

	memcpy(&a, from, sizeof(a));
	return a;
}

CR_INLINE void
v_store(float *to, CrVector a)
{
	memcpy(to, &a, sizeof(a));
}

CR_INLINE CrVector
v_set(float a)
{
	return (CrVector) {a, a, a, a};
}

CR_INLINE CrVector
v_fma(CrVector a, CrVector b, CrVector c)
{
	return a * b + c;
}

CR_INLINE CrVector
v_fnma(CrVector a, CrVector b, CrVector c)
{
	return c - a * b;
}

CR_INLINE CrVector
v_lane(CrVector a, int i)
{
	return (CrVector) {a[i], a[i], a[i], a[i]};
}

CR_INLINE CrVector
v_sums(const CrVector *rows)
{
	CrVector	a = rows[0];
	CrVector	b = rows[1];
	CrVector	c = rows[2];
	CrVector	d = rows[3];
	CrVector	even = (CrVector) {a[0], b[0], c[0], d[0]} + (CrVector) {a[2], b[2], c[2], d[2]};
	CrVector	odd = (CrVector) {a[1], b[1], c[1], d[1]} + (CrVector) {a[3], b[3], c[3], d[3]};

	return even + odd;
}

CR_INLINE float
v_sum(CrVector a)
{
	return (a[0] + a[2]) + (a[1] + a[3]);
}

/* Row i becomes what was lane i of all rows. */
CR_INLINE void
v_transpose(CrVector *rows)
{
	CrVector	a = rows[0];
	CrVector	b = rows[1];
	CrVector	c = rows[2];
	CrVector	d = rows[3];

	CR_UNROLL(4)
	for (int i = 0; i < 4; i++)
		rows[i] = (CrVector) {a[i], b[i], c[i], d[i]};
}

#endif

#endif							/* CR_SIMD_VECTOR_H */
