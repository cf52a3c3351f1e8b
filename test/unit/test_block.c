/*
 * test_block.c
 *		Pruning by blocks never loses an item, does prune, and damage is noticed.
 *
 * "Never loses" is checked against cr_dot itself, with the scores of the items
 * as thresholds: a threshold that an item meets exactly is the hardest one.
 */
#include <float.h>

#include "core/block.h"
#include "core/rng.h"
#include "core/vector.h"
#include "unit.h"

#define ITEMS_TESTED	40		/* items per block where capacity allows */

static const int32_t dims_tested[] = {1, 2, 3, 15, 16, 17, 64, 129, 513, 1024};

#define DIMS_TESTED		((int) (sizeof(dims_tested) / sizeof(dims_tested[0])))

/* A block and the floats that it was made of. */
typedef struct Sample
{
	int32_t		dims;
	int32_t		items;
	float	   *rows;
	uint8_t    *bytes;			/* of exactly its size, for ASAN */
	CrBlockHeader header;
} Sample;

/* Fill n floats: one shape of vector each. */
typedef void (*Fill) (CrRng *rng, float *out, int32_t n);

static void
fill_normal(CrRng *rng, float *out, int32_t n)
{
	cr_rng_normal(rng, 1.0, out, (size_t) n);
}

static void
fill_zero(CrRng *rng, float *out, int32_t n)
{
	(void) rng;
	memset(out, 0, sizeof(float) * (size_t) n);
}

static void
fill_equal(CrRng *rng, float *out, int32_t n)
{
	(void) rng;
	for (int32_t i = 0; i < n; i++)
		out[i] = 0.1f;
}

/* Vectors of very different norms: 1e-30 to 1e30. */
static void
fill_any_norm(CrRng *rng, float *out, int32_t n)
{
	float		size = (float) pow(10.0, 60.0 * cr_rng_uniform(rng) - 30.0);

	fill_normal(rng, out, n);
	for (int32_t i = 0; i < n; i++)
		out[i] *= size;
}

/* Elements of very different size within one vector. */
static void
fill_any_element(CrRng *rng, float *out, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		fill_any_norm(rng, out + i, 1);
}

static void
fill_denormal(CrRng *rng, float *out, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		out[i] = FLT_TRUE_MIN * (float) ((int) (cr_rng_next(rng) % 2001) - 1000);
}

/* Small enough that products underflow although the elements do not. */
static void
fill_tiny(CrRng *rng, float *out, int32_t n)
{
	fill_normal(rng, out, n);
	for (int32_t i = 0; i < n; i++)
		out[i] *= 1e-22f;
}

static void
fill_spike(CrRng *rng, float *out, int32_t n)
{
	memset(out, 0, sizeof(float) * (size_t) n);
	out[cr_rng_next(rng) % (uint64_t) n] = (cr_rng_next(rng) & 1) != 0 ? 1e3f : -1e3f;
}

/* What int8 codes hold exactly: only the rounding of cr_dot is left to be allowed for. */
static void
fill_exact_codes(CrRng *rng, float *out, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		out[i] = (float) ((int) (cr_rng_next(rng) % 255) - 127);
	out[0] = 127.0f;
}

/* The same for the codes of a query. */
static void
fill_exact_query(CrRng *rng, float *out, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		out[i] = (float) ((int) (cr_rng_next(rng) % 32001) - 16000);
	out[0] = 16000.0f;
}

/* The largest floats of which the norm is still one. */
static void
fill_largest(CrRng *rng, float *out, int32_t n)
{
	float		size = FLT_MAX / (2.0f * sqrtf((float) n));

	for (int32_t i = 0; i < n; i++)
		out[i] = (cr_rng_next(rng) & 1) != 0 ? size : -size;
}

static const Fill item_fills[] = {
	fill_normal, fill_zero, fill_equal, fill_any_norm, fill_any_element, fill_denormal, fill_tiny,
	fill_spike, fill_exact_codes, fill_largest
};
static const Fill query_fills[] = {
	fill_normal, fill_zero, fill_equal, fill_any_norm, fill_any_element, fill_denormal, fill_tiny,
	fill_spike, fill_exact_query, fill_largest
};

#define FILLS	((int) (sizeof(item_fills) / sizeof(item_fills[0])))

static Sample
sample_alloc(int32_t dims, int32_t items)
{
	Sample		sample;

	sample.dims = dims;
	sample.items = items < cr_block_capacity(dims) ? items : cr_block_capacity(dims);
	sample.rows = malloc(sizeof(float) * (size_t) dims * (size_t) sample.items);
	sample.bytes = malloc(cr_block_size(dims, sample.items));
	return sample;
}

/* Encode the rows and read the header back. */
static void
sample_encode(Sample *sample, int32_t first_item_no)
{
	CrBlockItems items;

	items.rows = sample->rows;
	items.stride = sample->dims;
	items.dims = sample->dims;
	items.items = sample->items;
	items.first_item_no = first_item_no;
	memset(&sample->header, 0, sizeof(sample->header));
	CHECK(cr_block_encode(&items, sample->bytes) == CR_OK);
	CHECK(cr_block_check(sample->bytes, cr_block_size(sample->dims, sample->items), sample->dims,
						 &sample->header) == CR_OK);
	CHECK(sample->header.items == sample->items && sample->header.dims == sample->dims &&
		  sample->header.first_item_no == first_item_no);
}

static float *
sample_row(const Sample *sample, int32_t j)
{
	return sample->rows + (size_t) j * (size_t) sample->dims;
}

static Sample
sample_make(Fill fill, CrRng *rng, int32_t dims, int32_t items)
{
	Sample		sample = sample_alloc(dims, items);

	for (int32_t j = 0; j < sample.items; j++)
		fill(rng, sample_row(&sample, j), dims);
	sample_encode(&sample, 1000);
	return sample;
}

static void
sample_free(Sample *sample)
{
	free(sample->rows);
	free(sample->bytes);
}

/* Code of item j in dimension d. */
static int8_t
sample_code(const Sample *sample, int32_t j, int32_t d)
{
	size_t		pair = (size_t) (d / 2) * (size_t) sample->items + (size_t) j;

	return (int8_t) sample->bytes[CR_BLOCK_HEADER + pair * 2 + (size_t) (d % 2)];
}

static double
sample_residual(const Sample *sample, int32_t j, int32_t d)
{
	return sample_row(sample, j)[d] -
		(double) sample->header.scale * sample_code(sample, j, d);
}

/* cr_block_candidates at every level that runs here; all must say the same. */
static int32_t
screen(const CrBlockQuery *query, const CrBlockHeader *header, const uint8_t *bytes,
	   float threshold, int32_t *sums, int16_t *candidates)
{
	CrBlockBound bound;
	int64_t		least;
	int32_t		count;
	int32_t    *other_sums = malloc(sizeof(int32_t) * (size_t) header->items);
	int16_t    *other = malloc(sizeof(int16_t) * (size_t) header->items);

	cr_block_bound(query, header, &bound);
	least = cr_block_least_sum(&bound, threshold);
	count = cr_block_candidates(CR_SIMD_PORTABLE, query, header, bytes, least, sums, candidates);
	for (int level = CR_SIMD_AVX2; level <= CR_SIMD_AVX512; level++)
	{
		if (!cr_simd_is_available((CrSimd) level))
			continue;
		CHECK(cr_block_candidates((CrSimd) level, query, header, bytes, least, other_sums,
								  other) == count);
		CHECK(memcmp(other, candidates, sizeof(int16_t) * (size_t) count) == 0);
		for (int32_t i = 0; i < count; i++)
			CHECK(other_sums[other[i]] == sums[candidates[i]]);
	}
	free(other_sums);
	free(other);
	return count;
}

/* No item that reaches the threshold may be lost, neither alone nor with its block. */
static void
check_threshold(const Sample *sample, const CrBlockQuery *query, const float *scores,
				float threshold)
{
	int32_t    *sums = malloc(sizeof(int32_t) * (size_t) sample->items);
	int16_t    *candidates = malloc(sizeof(int16_t) * (size_t) sample->items);
	int32_t		count = screen(query, &sample->header, sample->bytes, threshold, sums,
											candidates);
	int			hopeless = cr_block_is_hopeless(query, sample->header.max_norm, threshold);
	CrBlockBound bound;
	int32_t		next = 0;

	cr_block_bound(query, &sample->header, &bound);
	for (int32_t j = 0; j < sample->items; j++)
	{
		int			listed = next < count && candidates[next] == j;

		next += listed;
		CHECK(listed || !(scores[j] >= threshold));
		CHECK(!listed || !(scores[j] > cr_block_highest(&bound, sums[j])));
		CHECK(!listed || !(scores[j] < cr_block_lowest(&bound, sums[j])));
		CHECK(!hopeless || !(scores[j] >= threshold));
	}
	CHECK(next == count);		/* ascending, and nothing out of range */
	free(sums);
	free(candidates);
}

static void
check_query(const Sample *sample, const float *vector)
{
	const float fixed[] = {0.0f, 1.0f, -1.0f, FLT_MAX, -FLT_MAX, INFINITY, -INFINITY, NAN};
	float	   *scores = malloc(sizeof(float) * (size_t) sample->items);
	CrBlockQuery query;

	cr_block_query(vector, sample->dims, &query);
	for (int32_t j = 0; j < sample->items; j++)
		scores[j] = cr_dot(vector, sample_row(sample, j), sample->dims);
	for (int32_t j = 0; j < sample->items; j++)
		check_threshold(sample, &query, scores, scores[j]);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		check_threshold(sample, &query, scores, fixed[i]);
	free(scores);
}

static void
sizes_fit_a_page(void)
{
	for (int32_t dims = 1; dims <= CR_BLOCK_DIMS_MAX; dims++)
	{
		int32_t		capacity = cr_block_capacity(dims);

		CHECK(capacity >= 1 && capacity <= CR_BLOCK_ITEMS_MAX);
		CHECK(cr_block_size(dims, capacity) <= CR_BLOCK_BYTES_MAX);
		CHECK(cr_block_size(dims, capacity + 1) > CR_BLOCK_BYTES_MAX);
	}
	CHECK(cr_block_capacity(0) == 0);
	CHECK(cr_block_capacity(-1) == 0);
	CHECK(cr_block_capacity(CR_BLOCK_DIMS_MAX + 1) == 0);
	CHECK(cr_block_capacity(INT32_MAX) == 0);
	CHECK(cr_block_size(3, 5) == CR_BLOCK_HEADER + 20);
}

static void
bytes_are_the_documented_ones(void)
{
	/* Two items of 3 dimensions, 5 floats apart: 127 is the largest, so that the scale is 1. */
	const float rows[8] = {127, -1, 2, 9e9f, 9e9f, 0, 3, -127};
	const uint8_t expected[36] = {
		'C', 'R', 'I', 'B', 1, 0, 2, 0, 3, 0, 0, 0, 0x39, 0x30, 0, 0,
		0, 0, 0, 0,				/* max_norm, compared apart */
		0, 0, 0x80, 0x3f, 0, 0, 0, 0,
		127, 0xff, 0, 3, 2, 0, 0x81, 0
	};
	const CrBlockItems items = {rows, 5, 3, 2, 12345};
	uint8_t		bytes[36];
	CrBlockHeader header;

	CHECK(cr_block_size(3, 2) == sizeof(expected));
	CHECK(cr_block_encode(&items, bytes) == CR_OK);
	CHECK(cr_block_check(bytes, sizeof(bytes), 3, &header) == CR_OK);
	CHECK_NEAR(header.max_norm, sqrt(127.0 * 127.0 + 9.0), 1e-4);
	memset(bytes + 16, 0, 4);
	CHECK(memcmp(bytes, expected, sizeof(expected)) == 0);
}

static void
header_bounds_hold_and_are_tight(void)
{
	CrRng		rng;

	cr_rng_init(&rng, 51, 0);
	for (int i = 0; i < FILLS * DIMS_TESTED; i++)
	{
		Sample		sample = sample_make(item_fills[i % FILLS], &rng, dims_tested[i / FILLS],
										 ITEMS_TESTED);
		long double max_norm = 0.0L;
		long double max_error = 0.0L;

		for (int32_t j = 0; j < sample.items; j++)
		{
			long double norm = 0.0L;
			long double error = 0.0L;

			for (int32_t d = 0; d < sample.dims; d++)
			{
				long double value = sample_row(&sample, j)[d];
				long double residual = value -
					(long double) sample.header.scale * sample_code(&sample, j, d);

				norm += value * value;
				error += residual * residual;
			}
			max_norm = fmaxl(max_norm, sqrtl(norm));
			max_error = fmaxl(max_error, sqrtl(error));
		}
		CHECK(sample.header.max_norm >= max_norm && sample.header.error >= max_error);
		CHECK(sample.header.max_norm <= max_norm * (1.0L + 3 * FLT_EPSILON) + 2 * FLT_TRUE_MIN);
		CHECK(sample.header.error <= max_error * (1.0L + 3 * FLT_EPSILON) + 2 * FLT_TRUE_MIN);
		CHECK(sample.header.error <= sample.header.max_norm);
		sample_free(&sample);
	}
}

static void
zero_vectors_make_a_valid_block(void)
{
	CrRng		rng;
	Sample		sample;
	CrBlockQuery query;
	float		vector[5];
	int32_t		sums[8];
	int16_t		candidates[8];

	cr_rng_init(&rng, 52, 0);
	sample = sample_make(fill_zero, &rng, 5, 8);
	CHECK(sample.header.max_norm == 0.0f && sample.header.error == 0.0f);
	CHECK(sample.header.scale > 0.0f);
	fill_normal(&rng, vector, 5);
	cr_block_query(vector, 5, &query);
	/* Zero is all that they reach, and that exactly. */
	CHECK(screen(&query, &sample.header, sample.bytes, 0.0f, sums, candidates) == 8);
	CHECK(screen(&query, &sample.header, sample.bytes, FLT_TRUE_MIN, sums,
							  candidates) == 0);
	CHECK(!cr_block_is_hopeless(&query, 0.0f, 0.0f));
	CHECK(cr_block_is_hopeless(&query, 0.0f, FLT_TRUE_MIN));
	sample_free(&sample);
}

static void
encode_refuses_what_is_out_of_range(void)
{
	const float bad[3] = {NAN, INFINITY, -INFINITY};
	float	   *rows = calloc(4096, sizeof(float));
	uint8_t    *bytes = malloc(CR_BLOCK_BYTES_MAX);
	const CrBlockItems sound = {rows, 4, 4, 3, 7};
	CrBlockItems items = sound;

	items.dims = 0;
	CHECK(cr_block_encode(&items, bytes) == CR_INVALID_ARGUMENT);
	items.dims = items.stride = CR_BLOCK_DIMS_MAX + 1;
	CHECK(cr_block_encode(&items, bytes) == CR_INVALID_ARGUMENT);
	items = sound;
	items.stride = 3;
	CHECK(cr_block_encode(&items, bytes) == CR_INVALID_ARGUMENT);
	items = sound;
	items.items = 0;
	CHECK(cr_block_encode(&items, bytes) == CR_INVALID_ARGUMENT);
	items.items = cr_block_capacity(4) + 1;
	CHECK(cr_block_encode(&items, bytes) == CR_INVALID_ARGUMENT);
	items = sound;
	items.first_item_no = -1;
	CHECK(cr_block_encode(&items, bytes) == CR_INVALID_ARGUMENT);
	items.first_item_no = INT32_MAX - 2;
	CHECK(cr_block_encode(&items, bytes) == CR_INVALID_ARGUMENT);
	items.first_item_no = INT32_MAX - 3;
	CHECK(cr_block_encode(&items, bytes) == CR_OK);
	for (int i = 0; i < 3; i++)
	{
		rows[11] = bad[i];
		CHECK(cr_block_encode(&sound, bytes) == CR_NOT_FINITE);
	}
	/* Finite elements of which the norm is not. */
	rows[11] = rows[10] = FLT_MAX;
	CHECK(cr_block_encode(&sound, bytes) == CR_NOT_FINITE);
	free(bytes);
	free(rows);
}

static void
candidates_never_miss(void)
{
	CrRng		rng;

	cr_rng_init(&rng, 53, 0);
	for (int d = 0; d < DIMS_TESTED; d++)
	{
		int32_t		dims = dims_tested[d];
		float	   *vector = malloc(sizeof(float) * (size_t) dims);

		for (int i = 0; i < FILLS; i++)
		{
			Sample		sample = sample_make(item_fills[i], &rng, dims, ITEMS_TESTED);

			for (int q = 0; q < FILLS; q++)
			{
				query_fills[q] (&rng, vector, dims);
				check_query(&sample, vector);
			}
			/* Parallel to an item, the score meets the bound of Cauchy and Schwarz. */
			check_query(&sample, sample_row(&sample, 0));
			check_query(&sample, sample_row(&sample, sample.items - 1));
			sample_free(&sample);
		}
		free(vector);
	}
}

/* A query along what an item's codes miss: the block's error bound is met. */
static void
queries_along_the_error_of_an_item(void)
{
	CrRng		rng;

	cr_rng_init(&rng, 54, 0);
	for (int d = 0; d < DIMS_TESTED; d++)
	{
		int32_t		dims = dims_tested[d];
		float	   *vector = malloc(sizeof(float) * (size_t) dims);
		Sample		sample = sample_make(fill_normal, &rng, dims, ITEMS_TESTED);

		for (int32_t j = 0; j < sample.items; j++)
		{
			for (int32_t i = 0; i < dims; i++)
				vector[i] = (float) sample_residual(&sample, j, i);
			check_query(&sample, vector);
		}
		sample_free(&sample);
		free(vector);
	}
}

/* Items along what a query's codes miss, exact in their own codes: the query's bound is met. */
static void
items_along_the_error_of_a_query(void)
{
	CrRng		rng;

	cr_rng_init(&rng, 55, 0);
	for (int d = 0; d < DIMS_TESTED; d++)
	{
		int32_t		dims = dims_tested[d];
		Sample		sample = sample_alloc(dims, ITEMS_TESTED);
		float	   *vector = malloc(sizeof(float) * (size_t) dims);
		CrBlockQuery query;

		fill_normal(&rng, vector, dims);
		cr_block_query(vector, dims, &query);
		for (int32_t j = 0; j < sample.items; j++)
		{
			for (int32_t i = 0; i < dims; i++)
			{
				double		missed = vector[i] - (double) query.scale * query.codes[i];

				sample_row(&sample, j)[i] = (missed > 0) == (j % 2 == 0) ? 127.0f : -127.0f;
			}
		}
		sample_encode(&sample, 0);
		CHECK(sample.header.error == 0.0f);
		check_query(&sample, vector);
		sample_free(&sample);
		free(vector);
	}
}

/* The largest sums there can be, -128 included, which no encoder writes. */
static void
sums_do_not_overflow(void)
{
	const uint8_t codes[3] = {0x80, 0x81, 0x7f};
	float	   *vector = malloc(sizeof(float) * CR_BLOCK_DIMS_MAX);
	CrRng		rng;
	Sample		sample;
	CrBlockQuery query;
	int32_t		sums[ITEMS_TESTED];
	int16_t		candidates[ITEMS_TESTED];

	cr_rng_init(&rng, 56, 0);
	sample = sample_make(fill_equal, &rng, CR_BLOCK_DIMS_MAX, ITEMS_TESTED);
	for (int sign = -1; sign <= 1; sign += 2)
	{
		for (int32_t i = 0; i < CR_BLOCK_DIMS_MAX; i++)
			vector[i] = (float) sign;
		cr_block_query(vector, CR_BLOCK_DIMS_MAX, &query);
		CHECK(query.codes[0] == 16000 * sign && query.codes[CR_BLOCK_DIMS_MAX - 1] == 16000 * sign);
		for (int i = 0; i < 3; i++)
		{
			int32_t		count;

			memset(sample.bytes + CR_BLOCK_HEADER, codes[i],
				   cr_block_size(sample.dims, sample.items) - CR_BLOCK_HEADER);
			count = screen(&query, &sample.header, sample.bytes, 1.0f, sums,
										candidates);
			CHECK(count == ((int8_t) codes[i] * sign > 0 ? sample.items : 0));
		}
	}
	sample_free(&sample);
	free(vector);
}

/* Without a finite norm nothing may be left out, nor may such a vector do any harm. */
static void
odd_queries_prune_nothing(void)
{
	CrRng		rng;
	Sample		sample;
	CrBlockQuery query;
	float		vector[8];
	float	   *longest = calloc(CR_BLOCK_DIMS_MAX + 1, sizeof(float));
	const float bad[3] = {NAN, INFINITY, FLT_MAX};
	int32_t		sums[ITEMS_TESTED];
	int16_t		candidates[ITEMS_TESTED];

	cr_rng_init(&rng, 57, 0);
	sample = sample_make(fill_normal, &rng, 8, ITEMS_TESTED);
	for (int i = 0; i < 6; i++)
	{
		fill_normal(&rng, vector, 8);
		vector[3] = vector[4] = bad[i % 3];
		if (i < 3)
			cr_block_query(vector, 8, &query);
		else
			cr_block_query(longest, i == 3 ? CR_BLOCK_DIMS_MAX + 1 : i - 5, &query);
		CHECK(!cr_block_is_hopeless(&query, sample.header.max_norm, FLT_MAX));
		CHECK(!cr_block_is_hopeless(&query, 0.0f, FLT_MAX));
		CHECK(screen(&query, &sample.header, sample.bytes, 1e30f, sums,
								  candidates) == sample.items);
	}
	free(longest);
	sample_free(&sample);
}

static int
compare_descending(const void *left, const void *right)
{
	float		a = *(const float *) left;
	float		b = *(const float *) right;

	return (a < b) - (a > b);
}

/*
 * Candidates among "items" random items, in blocks, at the true 10th best
 * score; *hopeless counts the blocks whose norm rules them out.
 */
static int32_t
count_candidates(int32_t dims, int32_t items, double decay, int32_t *blocks, int32_t *hopeless)
{
	int32_t		capacity = cr_block_capacity(dims);
	float	   *vector = malloc(sizeof(float) * (size_t) dims);
	float	   *rows = malloc(sizeof(float) * (size_t) dims * (size_t) items);
	float	   *scores = malloc(sizeof(float) * (size_t) items);
	int32_t		sums[CR_BLOCK_ITEMS_MAX];
	int16_t		candidates[CR_BLOCK_ITEMS_MAX];
	int32_t		count = 0;
	CrBlockQuery query;
	CrRng		rng;

	cr_rng_init(&rng, 58, (uint64_t) dims);
	fill_normal(&rng, vector, dims);
	cr_block_query(vector, dims, &query);
	for (int32_t j = 0; j < items; j++)
	{
		cr_rng_normal(&rng, 1.0 / (1.0 + decay * j), rows + (size_t) j * (size_t) dims,
					  (size_t) dims);
		scores[j] = cr_dot(vector, rows + (size_t) j * (size_t) dims, dims);
	}
	qsort(scores, (size_t) items, sizeof(float), compare_descending);
	*blocks = 0;
	*hopeless = 0;
	for (int32_t first = 0; first < items; first += capacity)
	{
		Sample		sample = sample_alloc(dims, items - first);

		memcpy(sample.rows, rows + (size_t) first * (size_t) dims,
			   sizeof(float) * (size_t) dims * (size_t) sample.items);
		sample_encode(&sample, first);
		count += screen(&query, &sample.header, sample.bytes, scores[9], sums,
									 candidates);
		*hopeless += cr_block_is_hopeless(&query, sample.header.max_norm, scores[9]);
		*blocks += 1;
		sample_free(&sample);
	}
	free(scores);
	free(rows);
	free(vector);
	return count;
}

static void
pruning_is_effective(void)
{
	const int32_t dims[] = {8, 64, 129, 513};
	int32_t		blocks;
	int32_t		hopeless;

	for (int i = 0; i < 4; i++)
	{
		int32_t		count = count_candidates(dims[i], 10000, 0.0, &blocks, &hopeless);

		/* One in a hundred is far from what it does (some dozens), and far from useless. */
		CHECK(count >= 10 && count <= 100);
	}
	CHECK(count_candidates(64, 10000, 0.01, &blocks, &hopeless) >= 10);
	CHECK(hopeless > blocks / 2 && hopeless < blocks);
}

static void
each_header_field_is_checked(void)
{
	const struct
	{
		int			offset;
		uint8_t		bytes[4];
		CrStatus	expected;
	}			cases[] = {
		{0, {'c', 'R', 'I', 'B'}, CR_CORRUPT},
		{4, {0, 0, 6, 0}, CR_CORRUPT},
		{4, {2, 0, 6, 0}, CR_UNSUPPORTED_FORMAT},
		{4, {1, 1, 6, 0}, CR_CORRUPT},
		{4, {1, 0, 5, 0}, CR_CORRUPT},
		{4, {1, 0, 7, 0}, CR_CORRUPT},
		{4, {1, 0, 0, 0}, CR_CORRUPT},
		{4, {1, 0, 0xff, 0xff}, CR_CORRUPT},
		{8, {4, 0, 0, 0}, CR_CORRUPT},
		{8, {6, 0, 0, 0}, CR_DIMENSION_MISMATCH},	/* of the same length as 5 */
		{8, {0, 0, 0, 0}, CR_CORRUPT},
		{8, {0xff, 0xff, 0xff, 0xff}, CR_CORRUPT},
		{12, {0, 0, 0, 0x80}, CR_CORRUPT},
		{12, {0xfe, 0xff, 0xff, 0x7f}, CR_CORRUPT},
		{16, {0, 0, 0x80, 0xbf}, CR_CORRUPT},	/* max_norm -1 */
		{16, {0, 0, 0x80, 0x7f}, CR_CORRUPT},
		{16, {0, 0, 0xc0, 0x7f}, CR_CORRUPT},
		{20, {0, 0, 0, 0}, CR_CORRUPT},
		{20, {0, 0, 0x80, 0xbf}, CR_CORRUPT},
		{20, {0, 0, 0x80, 0x7f}, CR_CORRUPT},
		{24, {0, 0, 0x80, 0xbf}, CR_CORRUPT},
		{24, {0, 0, 0xc0, 0x7f}, CR_CORRUPT}
	};
	CrRng		rng;

	cr_rng_init(&rng, 59, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Sample		sample = sample_make(fill_normal, &rng, 5, 6);

		memcpy(sample.bytes + cases[i].offset, cases[i].bytes, 4);
		CHECK(cr_block_check(sample.bytes, cr_block_size(5, 6), 5, &sample.header) ==
			  cases[i].expected);
		sample_free(&sample);
	}
}

/* Check and, if sound, scan. */
static CrStatus
check_and_use(const uint8_t *bytes, size_t length, const CrBlockQuery *query)
{
	int32_t		sums[CR_BLOCK_ITEMS_MAX];
	int16_t		candidates[CR_BLOCK_ITEMS_MAX];
	CrBlockHeader header;
	CrStatus	status = cr_block_check(bytes, length, query->dims, &header);

	if (status == CR_OK)
	{
		int32_t		count = screen(query, &header, bytes, 0.5f, sums, candidates);

		CHECK(count >= 0 && count <= header.items);
		for (int32_t i = 0; i < count; i++)
			CHECK(candidates[i] >= 0 && candidates[i] < header.items);
		cr_block_is_hopeless(query, header.max_norm, 0.5f);
	}
	return status;
}

static void
every_truncation_is_damage(void)
{
	size_t		size = cr_block_size(7, 9);
	float		vector[7];
	CrBlockQuery query;
	CrRng		rng;
	Sample		sample;

	cr_rng_init(&rng, 60, 0);
	sample = sample_make(fill_normal, &rng, 7, 9);
	fill_normal(&rng, vector, 7);
	cr_block_query(vector, 7, &query);
	for (size_t length = 0; length <= size + 20; length++)
	{
		uint8_t    *part = calloc(1, length + (length == 0));

		memcpy(part, sample.bytes, length < size ? length : size);
		CHECK(check_and_use(part, length, &query) == (length == size ? CR_OK : CR_CORRUPT));
		free(part);
	}
	sample_free(&sample);
}

static void
random_damage_never_surprises(void)
{
	size_t		size = cr_block_size(7, 9);
	uint8_t    *bytes = malloc(size);
	float		vector[7];
	CrBlockQuery query;
	CrRng		rng;
	Sample		sample;

	cr_rng_init(&rng, 61, 0);
	sample = sample_make(fill_normal, &rng, 7, 9);
	fill_normal(&rng, vector, 7);
	cr_block_query(vector, 7, &query);
	for (int round = 0; round < 20000; round++)
	{
		CrStatus	status;

		memcpy(bytes, sample.bytes, size);
		/* Half of the flips into the header, where they matter. */
		for (uint64_t flips = 1 + cr_rng_next(&rng) % 4; flips > 0; flips--)
			bytes[cr_rng_next(&rng) % (round % 2 == 0 ? size : CR_BLOCK_HEADER)] ^=
				(uint8_t) (1 << cr_rng_next(&rng) % 8);
		status = check_and_use(bytes, size, &query);
		CHECK(status == CR_OK || status == CR_CORRUPT || status == CR_UNSUPPORTED_FORMAT ||
			  status == CR_DIMENSION_MISMATCH);
	}
	free(bytes);
	sample_free(&sample);
}

UNIT_MAIN(UNIT_TEST(sizes_fit_a_page),
		  UNIT_TEST(bytes_are_the_documented_ones),
		  UNIT_TEST(header_bounds_hold_and_are_tight),
		  UNIT_TEST(zero_vectors_make_a_valid_block),
		  UNIT_TEST(encode_refuses_what_is_out_of_range),
		  UNIT_TEST(candidates_never_miss),
		  UNIT_TEST(queries_along_the_error_of_an_item),
		  UNIT_TEST(items_along_the_error_of_a_query),
		  UNIT_TEST(sums_do_not_overflow),
		  UNIT_TEST(odd_queries_prune_nothing),
		  UNIT_TEST(pruning_is_effective),
		  UNIT_TEST(each_header_field_is_checked),
		  UNIT_TEST(every_truncation_is_damage),
		  UNIT_TEST(random_damage_never_surprises));
