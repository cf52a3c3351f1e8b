/*
 * catalogue.h
 *		A catalogue in memory, as searches are given one: ITEMS_MAX items at most.
 *
 * Rows are the caller's, in the order of item_no, which is that of descending
 * norm; cut_blocks makes blocks of them as a training does.
 */
#ifndef CR_TEST_CATALOGUE_H
#define CR_TEST_CATALOGUE_H

#include "core/search.h"
#include "unit.h"

typedef struct Catalogue
{
	int32_t		items;
	int32_t		dims;
	float	   *rows;			/* in the order of item_no */
	uint8_t    *blocks;			/* CR_BLOCK_BYTES_MAX each */
	uint8_t		passes[ITEMS_MAX];	/* the filter */
	uint8_t		excluded[ITEMS_MAX];
	int64_t		asked;			/* blocks, by the search */
	int64_t		doubted;		/* items that were asked for their eligibility */
	int64_t		scored;			/* items */
} Catalogue;

static void
cut_blocks(Catalogue *catalogue)
{
	int32_t		dims = catalogue->dims;
	int32_t		capacity = cr_block_capacity(dims);
	int32_t		blocks = (catalogue->items + capacity - 1) / capacity;

	catalogue->blocks = malloc((size_t) blocks * CR_BLOCK_BYTES_MAX);
	for (int32_t b = 0; b < blocks; b++)
	{
		CrBlockItems block = {catalogue->rows + (size_t) b * (size_t) capacity * (size_t) dims, dims, dims,
		capacity, b * capacity};

		if (catalogue->items - block.first_item_no < capacity)
			block.items = catalogue->items - block.first_item_no;
		CHECK(cr_block_encode(&block, catalogue->blocks + (size_t) b * CR_BLOCK_BYTES_MAX) == CR_OK);
	}
}

static void
free_catalogue(Catalogue *catalogue)
{
	free(catalogue->rows);
	free(catalogue->blocks);
}

static const uint8_t *
get_block(void *context, int32_t b, CrBlockHeader *header)
{
	Catalogue  *catalogue = context;
	const uint8_t *bytes = catalogue->blocks + (size_t) b * CR_BLOCK_BYTES_MAX;
	int32_t		capacity = cr_block_capacity(catalogue->dims);
	int32_t		items = catalogue->items - b * capacity;

	CHECK(items > 0);
	CHECK(cr_block_check(bytes, cr_block_size(catalogue->dims, items < capacity ? items : capacity),
						 catalogue->dims, header) == CR_OK);
	catalogue->asked++;
	return bytes;
}

static int32_t
get_next(void *context, int32_t item_no)
{
	const Catalogue *catalogue = context;

	while (item_no < catalogue->items && !catalogue->passes[item_no])
		item_no++;
	return item_no;
}

static int
get_eligible(void *context, int32_t item_no)
{
	Catalogue  *catalogue = context;

	catalogue->doubted++;
	return catalogue->passes[item_no] && !catalogue->excluded[item_no];
}

static const float *
get_vector(void *context, int32_t item_no)
{
	Catalogue  *catalogue = context;

	catalogue->scored++;
	return catalogue->rows + (size_t) item_no * (size_t) catalogue->dims;
}

static CrShortlisted *
get_room(void *context, CrShortlisted *entries, int32_t capacity)
{
	(void) context;
	return realloc(entries, sizeof(CrShortlisted) * (size_t) capacity);
}

static CrCatalogue
catalogue_source(Catalogue *catalogue)
{
	const CrCatalogue source = {catalogue, catalogue->items, catalogue->dims, get_block, get_next,
	get_eligible, get_vector, get_room};

	return source;
}

#endif							/* CR_TEST_CATALOGUE_H */
