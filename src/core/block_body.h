/*
 * block_body.h
 *		The loops over the codes of a block, for the instruction set that the including file is built for.
 *
 * The including file defines KERNELS, the name of its table.  Items run along
 * the vectors, VECTOR_ITEMS to each; TILE vectors of sums stay in registers
 * while the pairs of dimensions go by.  Two codes of an item are widened to 16
 * bits and meet a pair of the query's codes in one multiply-add.
 */
#include "core/block_kernels.h"
#include "core/bytes.h"

#if defined(__AVX512BW__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#if !defined(__AVX512BW__)

/* One item at a time: the sums of items from "first" on. */
static void
sum_items(const uint8_t *codes, const int16_t *query, int32_t pairs, int32_t items, int32_t first,
		  int32_t *sums)
{
	for (int32_t j = first; j < items; j++)
		sums[j] = 0;
	for (int32_t p = 0; p < pairs; p++)
	{
		const uint8_t *row = codes + (size_t) p * 2 * (size_t) items;
		int16_t		q0 = query[2 * p];
		int16_t		q1 = query[2 * p + 1];

		/* Widening within 16-bit words is what compilers vectorise for the oldest x86-64. */
		for (int32_t j = first; j < items; j++)
		{
			uint16_t	word = cr_load_u16(row + 2 * j);
			int16_t		c0 = (int16_t) ((int16_t) (uint16_t) (word << 8) >> 8);
			int16_t		c1 = (int16_t) ((int16_t) word >> 8);

			sums[j] += c0 * q0 + c1 * q1;
		}
	}
}

#endif

#if defined(__AVX512BW__)

#define VECTOR_ITEMS	16
#define TILE			4

/* A pair of the query's codes in every lane. */
static inline __m512i
spread_pair(const int16_t *query)
{
	int32_t		pair;

	memcpy(&pair, query, sizeof(pair));
	return _mm512_set1_epi32(pair);
}

/* Masks of the items of a tile that exist, by vector: the lowest "items" bits of 16 each. */
static void
tile_masks(int32_t items, __mmask16 *masks)
{
	for (int32_t v = 0; v < TILE; v++)
	{
		int32_t		rest = items - v * VECTOR_ITEMS;

		masks[v] = rest >= VECTOR_ITEMS ? 0xFFFF : rest <= 0 ? 0 : (__mmask16) ((1U << rest) - 1);
	}
}

static inline __m512i
load_codes(const uint8_t *codes, __mmask16 mask)
{
	return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi16(mask, codes));
}

static void
sum_tile(const uint8_t *codes, const int16_t *query, int32_t pairs, int32_t items, int32_t first,
		 int32_t *sums)
{
	const uint8_t *row = codes + 2 * (size_t) first;
	__m512i		sum[TILE];
	__mmask16	mask[TILE];

	tile_masks(items - first, mask);
	for (int v = 0; v < TILE; v++)
		sum[v] = _mm512_setzero_si512();
	for (int32_t p = 0; p < pairs; p++)
	{
		__m512i		pair = spread_pair(query + 2 * p);

		for (int v = 0; v < TILE; v++)
		{
			__m512i		code = load_codes(row + v * 2 * VECTOR_ITEMS, mask[v]);

			sum[v] = _mm512_add_epi32(sum[v], _mm512_madd_epi16(code, pair));
		}
		row += 2 * (size_t) items;
	}
	for (int v = 0; v < TILE; v++)
		_mm512_mask_storeu_epi32(sums + first + v * VECTOR_ITEMS, mask[v], sum[v]);
}

static void
sum_block(const uint8_t *codes, const int16_t *query, int32_t pairs, int32_t items, int32_t *sums)
{
	for (int32_t first = 0; first < items; first += TILE * VECTOR_ITEMS)
		sum_tile(codes, query, pairs, items, first, sums);
}

/* Which of the VECTOR_ITEMS sums reach "least". */
static inline uint32_t
reaching(const int32_t *sums, int32_t least)
{
	return _mm512_cmpge_epi32_mask(_mm512_loadu_si512(sums), _mm512_set1_epi32(least));
}

#elif defined(__AVX2__)

#define VECTOR_ITEMS	8
#define TILE			4

/* The sums of so many vectors of items from "first" on; "vectors" is a constant where it is inlined. */
static inline __attribute__((always_inline)) void
sum_vectors(const uint8_t *codes, const int16_t *query, int32_t pairs, int32_t items,
			int32_t first, int vectors, int32_t *sums)
{
	const uint8_t *row = codes + 2 * (size_t) first;
	__m256i		sum[TILE];

	for (int v = 0; v < vectors; v++)
		sum[v] = _mm256_setzero_si256();
	for (int32_t p = 0; p < pairs; p++)
	{
		int32_t		pair;

		memcpy(&pair, query + 2 * p, sizeof(pair));
		for (int v = 0; v < vectors; v++)
		{
			__m128i		bytes = _mm_loadu_si128((const __m128i *) (row + v * 2 * VECTOR_ITEMS));

			sum[v] = _mm256_add_epi32(sum[v], _mm256_madd_epi16(_mm256_cvtepi8_epi16(bytes),
																_mm256_set1_epi32(pair)));
		}
		row += 2 * (size_t) items;
	}
	for (int v = 0; v < vectors; v++)
		_mm256_storeu_si256((__m256i *) (sums + first + v * VECTOR_ITEMS), sum[v]);
}

static void
sum_block(const uint8_t *codes, const int16_t *query, int32_t pairs, int32_t items, int32_t *sums)
{
	int32_t		first = 0;

	for (; first + TILE * VECTOR_ITEMS <= items; first += TILE * VECTOR_ITEMS)
		sum_vectors(codes, query, pairs, items, first, TILE, sums);
	for (; first + VECTOR_ITEMS <= items; first += VECTOR_ITEMS)
		sum_vectors(codes, query, pairs, items, first, 1, sums);
	/* The rest is cheaper as one more vector, some of whose items are summed again. */
	if (first < items && items >= VECTOR_ITEMS)
		sum_vectors(codes, query, pairs, items, items - VECTOR_ITEMS, 1, sums);
	else
		sum_items(codes, query, pairs, items, first, sums);
}

static inline uint32_t
reaching(const int32_t *sums, int32_t least)
{
	__m256i		value = _mm256_loadu_si256((const __m256i *) sums);
	__m256i		below = _mm256_cmpgt_epi32(_mm256_set1_epi32(least), value);

	return ~(uint32_t) _mm256_movemask_ps(_mm256_castsi256_ps(below)) & 0xFF;
}

#else

#define VECTOR_ITEMS	16

static void
sum_block(const uint8_t *codes, const int16_t *query, int32_t pairs, int32_t items, int32_t *sums)
{
	sum_items(codes, query, pairs, items, 0, sums);
}

/* Hardly any vector has a hit, and compilers vectorise the first loop. */
static inline uint32_t
reaching(const int32_t *sums, int32_t least)
{
	uint32_t	mask = 0;
	int			any = 0;

	for (int32_t lane = 0; lane < VECTOR_ITEMS; lane++)
		any |= sums[lane] >= least;
	for (int32_t lane = 0; any && lane < VECTOR_ITEMS; lane++)
		mask |= (uint32_t) (sums[lane] >= least) << lane;
	return mask;
}

#endif

static int32_t
select_sums(const int32_t *sums, int32_t items, int32_t least, int16_t *offsets)
{
	int32_t		count = 0;
	int32_t		j = 0;

	for (; j + VECTOR_ITEMS <= items; j += VECTOR_ITEMS)
	{
		for (uint32_t hits = reaching(sums + j, least); hits != 0; hits &= hits - 1)
			offsets[count++] = (int16_t) (j + __builtin_ctz(hits));
	}
	for (; j < items; j++)
	{
		if (sums[j] >= least)
			offsets[count++] = (int16_t) j;
	}
	return count;
}

const CrBlockKernels KERNELS = {sum_block, select_sums};
