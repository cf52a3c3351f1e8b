/*
 * fuzz_block.c
 *		Any bytes as a block of items, searched at every level of instructions.
 *
 * The query's elements are made of the block's own bytes, so that the fuzzer
 * chooses them, too.
 */
#include <math.h>

#include "core/block.h"
#include "core/simd.h"
#include "fuzz.h"

static int8_t
code_of(const uint8_t *bytes, const CrBlockHeader *header, int32_t item, int32_t dim)
{
	return (int8_t) bytes[CR_BLOCK_HEADER + ((size_t) (dim / 2) * (size_t) header->items + (size_t) item) * 2 +
						  (size_t) (dim % 2)];
}

/* One after another, overlapping and from the beginning again, so that any length is enough. */
static float *
make_query(const uint8_t *bytes, size_t size, int32_t dims)
{
	float	   *vector = fuzz_alloc(sizeof(float) * (size_t) dims);

	for (int32_t i = 0; i < dims; i++)
		vector[i] = cr_load_float(bytes + (size_t) i % (size - 3));
	return vector;
}

static int32_t
plain_sum(const uint8_t *bytes, const CrBlockHeader *header, const CrBlockQuery *query, int32_t item)
{
	int32_t		sum = 0;

	for (int32_t dim = 0; dim < (header->dims + 1) / 2 * 2; dim++)
		sum += query->codes[dim] * code_of(bytes, header, item, dim);
	return sum;
}

static void
search(CrSimd simd, const uint8_t *bytes, const CrBlockHeader *header, const CrBlockQuery *query,
	   float threshold)
{
	int32_t    *sums = fuzz_alloc(sizeof(int32_t) * CR_BLOCK_ITEMS_MAX);
	int16_t    *candidates = fuzz_alloc(sizeof(int16_t) * CR_BLOCK_ITEMS_MAX);
	CrBlockBound bound;
	int64_t		least;
	int32_t		found;
	int32_t		next = 0;

	cr_block_bound(query, header, &bound);
	least = cr_block_least_sum(&bound, threshold);
	found = cr_block_candidates(simd, query, header, bytes, least, sums, candidates);
	for (int32_t item = 0; item < header->items && least <= INT32_MAX; item++)
	{
		int32_t		sum = plain_sum(bytes, header, query, item);

		REQUIRE(sums[item] == sum);
		REQUIRE(!(cr_block_lowest(&bound, sum) > cr_block_highest(&bound, sum)));
		if (sum >= least)
			REQUIRE(next < found && candidates[next++] == item);
	}
	REQUIRE(next == found);
	free(candidates);
	free(sums);
}

/* The items that the codes stand for, as a block: its error must cover what its codes miss of them. */
static void
encode_again(const uint8_t *bytes, const CrBlockHeader *header)
{
	size_t		dims = (size_t) header->dims;
	float	   *rows = fuzz_alloc(sizeof(float) * dims * (size_t) header->items);
	uint8_t    *again = fuzz_alloc(cr_block_size(header->dims, header->items));
	CrBlockItems items = {rows, header->dims, header->dims, header->items, header->first_item_no};
	CrBlockHeader encoded;

	for (size_t i = 0; i < dims * (size_t) header->items; i++)
		rows[i] = header->scale * (float) code_of(bytes, header, (int32_t) (i / dims), (int32_t) (i % dims));
	if (cr_block_encode(&items, again) == CR_OK)
	{
		REQUIRE(cr_block_check(again, cr_block_size(header->dims, header->items), header->dims,
							   &encoded) == CR_OK);
		REQUIRE(encoded.items == header->items && encoded.first_item_no == header->first_item_no);
		for (int32_t item = 0; item < header->items; item++)
		{
			double		missed = 0.0;

			for (int32_t dim = 0; dim < header->dims; dim++)
			{
				double		difference = rows[(size_t) item * dims + (size_t) dim] -
					(double) encoded.scale * code_of(again, &encoded, item, dim);

				missed += difference * difference;
			}
			REQUIRE(sqrt(missed) <= encoded.error);
		}
	}
	free(again);
	free(rows);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *bytes = fuzz_copy(data, size);
	int32_t		dims = (int32_t) fuzz_field(bytes, size, 8);
	CrBlockHeader header;
	CrStatus	status = cr_block_check(bytes, size, dims, &header);

	if (status == CR_OK)
	{
		float	   *vector = make_query(bytes, size, dims);
		CrBlockQuery query;

		cr_block_query(vector, dims, &query);
		(void) cr_block_is_hopeless(&query, header.max_norm, vector[0]);
		for (CrSimd simd = CR_SIMD_PORTABLE; simd <= cr_simd_best(); simd++)
			search(simd, bytes, &header, &query, vector[0]);
		encode_again(bytes, &header);
		REQUIRE(cr_block_check(bytes, size, dims + 1, &header) == CR_DIMENSION_MISMATCH);
		free(vector);
	}
	else
		REQUIRE(fuzz_is_refusal(status));
	fuzz_free(bytes);
	return 0;
}
