/*
 * block.h
 *		Items packed for serving: int8 codes of consecutive item numbers.
 *
 * Items are numbered in descending order of norm (ties: ascending id), so that
 * a scan in block order may stop as soon as |x| * max_norm of a block falls
 * below the k-th best score (Cauchy-Schwarz).  One block fits one heap page.
 *
 *	offset	size	content
 *	0		4		magic "CRIB"
 *	4		1		format version, 1
 *	5		1		zero
 *	6		2		items n, uint16 little-endian, 1 .. cr_block_capacity(dims)
 *	8		4		dims, uint32 little-endian
 *	12		4		first item_no, uint32 little-endian
 *	16		4		max_norm, float: upper bound of the items' norms
 *	20		4		scale s, float > 0
 *	24		4		error, float: upper bound of |y - s*c| over the items
 *	28		...		codes c, int8, dims rounded up to even (d2): pair p of dimensions
 *					(2p, 2p+1) of item j at 28 + (p*n + j)*2: items run fastest, so that
 *					one pair of the query meets n items in consecutive memory
 *
 * With q the query's int16 code and sq its scale, eq an upper bound of |x - sq*q|:
 *	|x.y - sq*s*(q.c)| <= |x| * error + eq * (max_norm + error)
 * (x.y - xq.yq = x.(y - yq) + (x - xq).yq, then Cauchy-Schwarz).  q.c fits
 * int32: 128 * 16000 * 1024 < 2^31.  doc/exact-topk.md has the proof in full.
 */
#ifndef CR_BLOCK_H
#define CR_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "core/simd.h"
#include "core/status.h"

#define CR_BLOCK_HEADER		28
#define CR_BLOCK_BYTES_MAX	8000	/* header and codes: one row of an 8 KB page */
#define CR_BLOCK_DIMS_MAX	1024
#define CR_BLOCK_ITEMS_MAX	4096

/* Items that fit one block of this dimension. */
extern int32_t cr_block_capacity(int32_t dims);

extern size_t cr_block_size(int32_t dims, int32_t items);

/* The items of one block, as the trainer hands them over. */
typedef struct CrBlockItems
{
	const float *rows;			/* items rows of factors */
	int32_t		stride;			/* floats from one row to the next */
	int32_t		dims;
	int32_t		items;
	int32_t		first_item_no;
} CrBlockItems;

extern CrStatus cr_block_encode(const CrBlockItems *items, uint8_t *out);

/* The header of a checked block. */
typedef struct CrBlockHeader
{
	int32_t		items;
	int32_t		dims;
	int32_t		first_item_no;
	float		max_norm;
	float		scale;
	float		error;
} CrBlockHeader;

/* Check length, ranges and finiteness; CR_DIMENSION_MISMATCH unless dims agree. */
extern CrStatus cr_block_check(const uint8_t *bytes, size_t length, int32_t dims,
							   CrBlockHeader *header);

/* A user's vector, prepared for scanning blocks. */
typedef struct CrBlockQuery
{
	int32_t		dims;
	float		norm;			/* upper bound of |x| */
	float		scale;			/* sq */
	float		error;			/* upper bound of |x - sq*q| */
	int16_t		codes[CR_BLOCK_DIMS_MAX];	/* q, padded with zero to even */
} CrBlockQuery;

extern void cr_block_query(const float *vector, int32_t dims, CrBlockQuery *query);

/* Can no item of this block, or of any later one, reach the threshold? */
extern int	cr_block_is_hopeless(const CrBlockQuery *query, float max_norm, float threshold);

/*
 * What the sum q.c of an item says about its score: |cr_dot(x, y) - unit*sum|
 * is at most "slack", which is infinite where nothing can be said.
 */
typedef struct CrBlockBound
{
	double		unit;
	double		slack;
} CrBlockBound;

extern void cr_block_bound(const CrBlockQuery *query, const CrBlockHeader *header,
						   CrBlockBound *bound);

/* The smallest sum with which an item may reach the threshold; above INT32_MAX if none does. */
extern int64_t cr_block_least_sum(const CrBlockBound *bound, float threshold);

/* The lowest and the highest score that an item with this sum can have. */
extern float cr_block_lowest(const CrBlockBound *bound, int32_t sum);
extern float cr_block_highest(const CrBlockBound *bound, int32_t sum);

/*
 * Offsets within the block (ascending) of the items whose sum is at least
 * "least".  Returns their number.  "sums" has room for CR_BLOCK_ITEMS_MAX; it
 * is set for the whole block unless no int32 is that large.  The answer is the same at every level of
 * instructions.
 */
extern int32_t cr_block_candidates(CrSimd simd, const CrBlockQuery *query,
								   const CrBlockHeader *header, const uint8_t *bytes,
								   int64_t least, int32_t *sums, int16_t *candidates);

#endif							/* CR_BLOCK_H */
