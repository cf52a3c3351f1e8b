/*
 * block.c
 *		Items packed for serving: int8 codes, and the bounds that make them safe to prune by.
 *
 * Bounds are computed in double from floats.  Differences, sums and roots of
 * doubles err by a few 2^-53 of their value, so that a factor just above 1
 * makes an upper bound of every one; nothing underflows, because the square of
 * the smallest float is far above the smallest double.
 */
#include <float.h>
#include <math.h>

#include "core/block.h"
#include "core/block_kernels.h"
#include "core/bytes.h"
#include "core/vector.h"

#define FORMAT_VERSION	1
#define ITEM_CODE_MAX	127
#define QUERY_CODE_MAX	16000	/* times 127 times CR_BLOCK_DIMS_MAX is below 2^31 */

static const uint8_t magic[4] = {'C', 'R', 'I', 'B'};

/* Bytes of codes per item: dims rounded up to even. */
static size_t
padded_dims(int32_t dims)
{
	return ((size_t) dims + 1) / 2 * 2;
}

static int
is_dims(int64_t dims)
{
	return dims >= 1 && dims <= CR_BLOCK_DIMS_MAX;
}

int32_t
cr_block_capacity(int32_t dims)
{
	if (!is_dims(dims))
		return 0;
	return (int32_t) ((CR_BLOCK_BYTES_MAX - CR_BLOCK_HEADER) / padded_dims(dims));
}

size_t
cr_block_size(int32_t dims, int32_t items)
{
	return CR_BLOCK_HEADER + padded_dims(dims) * (size_t) items;
}

/* The smallest float that is not below "value". */
static float
float_above(double value)
{
	float		rounded = (float) value;

	return rounded < value ? nextafterf(rounded, INFINITY) : rounded;
}

static float
largest_magnitude(const float *values, int32_t dims)
{
	float		largest = 0.0f;

	for (int32_t i = 0; i < dims; i++)
	{
		float		magnitude = fabsf(values[i]);

		largest = magnitude > largest ? magnitude : largest;
	}
	return largest;
}

/*
 * The step between codes with which no magnitude up to "largest" needs a code
 * above code_max.  Any will do for zeros, but the format wants it above 0.
 */
static float
scale_for(float largest, int32_t code_max)
{
	if (largest == 0.0f)
		return 1.0f;
	return float_above((double) largest / code_max);
}

/* The code nearest to "value"; adds the square of what it misses to *missed. */
static int32_t
nearest_code(float value, float scale, double *missed)
{
	long		code = lrint((double) value / scale);
	double		difference = value - (double) scale * (double) code;

	*missed += difference * difference;
	return (int32_t) code;
}

/* Upper bound of the root of a sum of dims squares. */
static float
root_above(double squares, int32_t dims)
{
	return float_above(sqrt(squares) * (1.0 + ((double) dims + 8.0) * DBL_EPSILON));
}

static CrStatus
check_items(const CrBlockItems *items)
{
	if (!is_dims(items->dims) || items->stride < items->dims || items->items < 1 ||
		items->items > cr_block_capacity(items->dims) || items->first_item_no < 0 ||
		items->first_item_no > INT32_MAX - items->items)
		return CR_INVALID_ARGUMENT;
	for (int32_t j = 0; j < items->items; j++)
	{
		if (!cr_all_finite(items->rows + (size_t) j * (size_t) items->stride, items->dims))
			return CR_NOT_FINITE;
	}
	return CR_OK;
}

/* Write the codes of item j; returns an upper bound of |y - s*c|. */
static float
encode_item(const CrBlockItems *items, int32_t j, float scale, uint8_t *codes)
{
	const float *row = items->rows + (size_t) j * (size_t) items->stride;
	size_t		pair_bytes = 2 * (size_t) items->items;
	double		missed = 0.0;

	codes += 2 * (size_t) j;
	for (int32_t d = 0; d < items->dims; d++)
		codes[(size_t) (d / 2) * pair_bytes + (size_t) (d % 2)] =
			(uint8_t) nearest_code(row[d], scale, &missed);
	if (items->dims % 2 != 0)
		codes[(size_t) (items->dims / 2) * pair_bytes + 1] = 0;
	return root_above(missed, items->dims);
}

CrStatus
cr_block_encode(const CrBlockItems *items, uint8_t *out)
{
	CrStatus	status = check_items(items);
	float		largest = 0.0f;
	float		max_norm = 0.0f;
	float		error = 0.0f;
	float		scale;

	if (status != CR_OK)
		return status;
	for (int32_t j = 0; j < items->items; j++)
	{
		const float *row = items->rows + (size_t) j * (size_t) items->stride;

		largest = fmaxf(largest, largest_magnitude(row, items->dims));
		max_norm = fmaxf(max_norm, cr_norm_upper(row, items->dims));
	}
	scale = scale_for(largest, ITEM_CODE_MAX);
	for (int32_t j = 0; j < items->items; j++)
		error = fmaxf(error, encode_item(items, j, scale, out + CR_BLOCK_HEADER));
	if (!isfinite(max_norm) || !isfinite(error))
		return CR_NOT_FINITE;

	memcpy(out, magic, sizeof(magic));
	out[4] = FORMAT_VERSION;
	out[5] = 0;
	cr_store_u16(out + 6, (uint16_t) items->items);
	cr_store_u32(out + 8, (uint32_t) items->dims);
	cr_store_u32(out + 12, (uint32_t) items->first_item_no);
	cr_store_float(out + 16, max_norm);
	cr_store_float(out + 20, scale);
	cr_store_float(out + 24, error);
	return CR_OK;
}

/* Read the header's fields; 1 if each is in range and the codes fill the length. */
static int
load_header(const uint8_t *bytes, size_t length, CrBlockHeader *header)
{
	uint32_t	dims = cr_load_u32(bytes + 8);
	uint32_t	first_item_no = cr_load_u32(bytes + 12);

	if (bytes[5] != 0 || !is_dims(dims))
		return 0;
	header->items = cr_load_u16(bytes + 6);
	header->dims = (int32_t) dims;
	header->max_norm = cr_load_float(bytes + 16);
	header->scale = cr_load_float(bytes + 20);
	header->error = cr_load_float(bytes + 24);
	if (header->items < 1 || header->items > cr_block_capacity(header->dims) ||
		length != cr_block_size(header->dims, header->items) ||
		first_item_no > (uint32_t) (INT32_MAX - header->items))
		return 0;
	header->first_item_no = (int32_t) first_item_no;
	return isfinite(header->max_norm) && header->max_norm >= 0.0f &&
		isfinite(header->scale) && header->scale > 0.0f &&
		isfinite(header->error) && header->error >= 0.0f;
}

/*
 * The codes are not looked at: any byte is one, and even -128, which encoding
 * never writes, keeps the sums within int32.
 */
CrStatus
cr_block_check(const uint8_t *bytes, size_t length, int32_t dims, CrBlockHeader *header)
{
	if (length < CR_BLOCK_HEADER || memcmp(bytes, magic, sizeof(magic)) != 0 || bytes[4] == 0)
		return CR_CORRUPT;
	if (bytes[4] != FORMAT_VERSION)
		return CR_UNSUPPORTED_FORMAT;
	if (!load_header(bytes, length, header))
		return CR_CORRUPT;
	return header->dims == dims ? CR_OK : CR_DIMENSION_MISMATCH;
}

/*
 * A vector that is not finite, or longer than any block, gets bounds of
 * infinity, with which nothing is ever left out.
 */
void
cr_block_query(const float *vector, int32_t dims, CrBlockQuery *query)
{
	double		missed = 0.0;

	memset(query, 0, sizeof(*query));
	query->dims = dims;
	query->scale = 1.0f;
	query->norm = INFINITY;
	query->error = INFINITY;
	if (!is_dims(dims) || !cr_all_finite(vector, dims))
		return;
	query->norm = cr_norm_upper(vector, dims);
	query->scale = scale_for(largest_magnitude(vector, dims), QUERY_CODE_MAX);
	for (int32_t d = 0; d < dims; d++)
		query->codes[d] = (int16_t) nearest_code(vector[d], query->scale, &missed);
	query->error = root_above(missed, dims);
}

/*
 * By how much cr_dot may exceed the true inner product of vectors whose norms
 * multiply to at most "size".
 *
 * A term of cr_dot passes through one multiplication, at most dims/16 + 1
 * additions to its lane and 4 between lanes, each of which errs by at most half
 * an FLT_EPSILON of the magnitudes added; those sum up to |x||y| at most
 * (Cauchy-Schwarz).  A whole FLT_EPSILON for each covers the products of errors.
 * A product that underflows errs by at most FLT_TRUE_MIN more; sums are exact
 * there.  With size 0 one vector is zero, and the result exact.
 */
static double
dot_slack(double size, int32_t dims)
{
	if (size == 0.0)
		return 0.0;
	return size * ((double) dims / 16.0 + 6.0) * FLT_EPSILON + (double) dims * FLT_TRUE_MIN;
}

/* May cr_dot have overflowed on the way, whatever the true inner product? */
static int
may_overflow(double size)
{
	return !(size < (double) FLT_MAX / 2.0);
}

int
cr_block_is_hopeless(const CrBlockQuery *query, float max_norm, float threshold)
{
	double		size = (double) query->norm * max_norm;

	if (may_overflow(size))
		return 0;
	/* The last factor is for the roundings of this line. */
	return (size + dot_slack(size, query->dims)) * (1.0 + 8.0 * DBL_EPSILON) < threshold;
}

/*
 * score <= sq*s*(q.c) + slack and >= sq*s*(q.c) - slack, the slack being the
 * bound of block.h and dot_slack.  Each operation here errs by at most half a
 * DBL_EPSILON of its result (sq*s is exact: 48 bits); MARGIN of every result is
 * thousands of times that.
 */
#define MARGIN	0x1p-40

void
cr_block_bound(const CrBlockQuery *query, const CrBlockHeader *header, CrBlockBound *bound)
{
	double		size = (double) query->norm * header->max_norm;
	double		slack;

	bound->unit = (double) query->scale * header->scale;
	bound->slack = INFINITY;
	if (may_overflow(size))
		return;
	slack = (double) query->norm * header->error +
		(double) query->error * ((double) header->max_norm + header->error) +
		dot_slack(size, query->dims);
	bound->slack = slack * (1.0 + MARGIN);
}

float
cr_block_highest(const CrBlockBound *bound, int32_t sum)
{
	double		score = bound->unit * sum;

	/* Much wider than the rounding to float, which is 2^-24 of the result or half of 2^-149. */
	return (float) (score + bound->slack + (fabs(score) + bound->slack) * 0x1p-22 + 0x1p-148);
}

float
cr_block_lowest(const CrBlockBound *bound, int32_t sum)
{
	return -cr_block_highest(bound, -sum);
}

/* INT32_MIN, which every sum reaches, where nothing can be said. */
int64_t
cr_block_least_sum(const CrBlockBound *bound, float threshold)
{
	double		least;

	if (isinf(bound->slack))
		return INT32_MIN;
	least = (threshold - bound->slack) / bound->unit;
	least -= fabs(least) * MARGIN;
	if (least > (double) INT32_MAX)
		return (int64_t) INT32_MAX + 1;
	/* A NaN fails here, too. */
	return least > (double) INT32_MIN ? (int64_t) ceil(least) : INT32_MIN;
}

static const CrBlockKernels *
kernels_of(CrSimd simd)
{
	switch (simd)
	{
		case CR_SIMD_AVX512:
			return &cr_block_kernels_avx512;
		case CR_SIMD_AVX2:
			return &cr_block_kernels_avx2;
		case CR_SIMD_PORTABLE:
			break;
	}
	return &cr_block_kernels_portable;
}

int32_t
cr_block_candidates(CrSimd simd, const CrBlockQuery *query, const CrBlockHeader *header,
					const uint8_t *bytes, int64_t least, int32_t *sums, int16_t *candidates)
{
	const CrBlockKernels *kernels = kernels_of(simd);

	if (least > INT32_MAX)
		return 0;
	kernels->sum(bytes + CR_BLOCK_HEADER, query->codes, (header->dims + 1) / 2, header->items, sums);
	return kernels->select(sums, header->items, (int32_t) least, candidates);
}
