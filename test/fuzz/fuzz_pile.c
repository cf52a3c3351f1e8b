/*
 * fuzz_pile.c
 *		Any bytes as a state of rows, and those as the rows of each aggregate.
 */
#include <math.h>

#include "core/ials.h"
#include "core/parts.h"
#include "core/state.h"
#include "fuzz.h"

static void
read_parameters(const CrPile *pile)
{
	const CrAlgorithm *algorithm = cr_algorithm_find("ials");
	CrHyperparameters parameters;

	if (cr_pile_get_parameters(pile, algorithm, &parameters) != CR_OK)
		return;
	REQUIRE(memcmp(&parameters, pile->data, sizeof(parameters)) == 0);
	REQUIRE(parameters.factors >= 1 && parameters.factors <= CR_FACTORS_MAX);
	REQUIRE(parameters.factors == floor(parameters.factors));
	REQUIRE(parameters.regularization > 0 || isnan(parameters.regularization));
}

static void
read_events(const CrPile *pile)
{
	CrEventRow *rows;

	if (cr_pile_check_width(pile, sizeof(CrEventRow)) != CR_OK)
		return;
	rows = fuzz_alloc(sizeof(CrEventRow) * (size_t) pile->rows);
	memcpy(rows, cr_pile_rows(pile), sizeof(CrEventRow) * (size_t) pile->rows);
	REQUIRE(cr_pile_row_bytes(pile) == sizeof(CrEventRow) * (size_t) pile->rows);
	free(rows);
}

static void
read_texts(const CrPile *pile)
{
	size_t		at = 0;

	for (int64_t i = 0; i < pile->rows; i++)
	{
		CrTextRow	row;
		size_t		size = cr_text_row_get(pile, at, &row);
		uint8_t    *again;

		if (size == 0)
			return;
		REQUIRE(size == cr_text_row_size(&row) && size <= cr_pile_row_bytes(pile) - at);
		again = fuzz_alloc(size);
		cr_text_row_put(&row, again);
		REQUIRE(memcmp(again, cr_pile_rows(pile) + at, size) == 0);
		free(again);
		at += size;
	}
}

/* In two pieces, as the server polls in between. */
static void
read_entries(const CrPile *pile)
{
	int64_t		middle = pile->rows / 2;
	CrSparseEntry *entries;

	if (cr_pile_check_width(pile, sizeof(CrSparseEntry)) != CR_OK)
		return;
	entries = fuzz_alloc(sizeof(CrSparseEntry) * (size_t) pile->rows);
	if (cr_pile_get_entries(pile, 0, middle, entries) == CR_OK &&
		cr_pile_get_entries(pile, middle, pile->rows, entries + middle) == CR_OK)
	{
		for (int64_t i = 0; i < pile->rows; i++)
			REQUIRE(isfinite(entries[i].value) && entries[i].row >= 0 && entries[i].row < INT32_MAX &&
					entries[i].column >= 0 && entries[i].column < INT32_MAX);
		REQUIRE(memcmp(entries, cr_pile_rows(pile), cr_pile_row_bytes(pile)) == 0);
	}
	free(entries);
}

static void
read_factors(const CrPile *pile)
{
	int32_t		dims;
	size_t		width;
	float	   *elements;
	uint8_t    *again;

	if (cr_pile_get_dims(pile, &dims) != CR_OK)
		return;
	REQUIRE(dims >= 1 && dims <= CR_PARTS_DIMS_MAX);
	width = cr_factor_row_size(dims);
	if (cr_pile_check_width(pile, width) != CR_OK)
		return;
	elements = fuzz_alloc(sizeof(float) * (size_t) dims);
	again = fuzz_alloc(width);
	for (int64_t i = 0; i < pile->rows; i++)
	{
		int32_t		row;
		int32_t		number;
		CrStatus	status = cr_pile_get_factors(pile, dims, i, &row, elements);

		REQUIRE(cr_pile_get_factors(pile, dims, i, &number, NULL) == status && number == row);
		REQUIRE((status == CR_OK) == (row >= 0 && row < INT32_MAX));
		cr_factor_row_put(row, elements, dims, again);
		REQUIRE(memcmp(again, cr_pile_rows(pile) + width * (size_t) i, width) == 0);
	}
	free(again);
	free(elements);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CrPile	   *pile = fuzz_alloc(size);
	uint32_t	magic = fuzz_field(data, size, offsetof(CrPile, magic));
	CrStatus	status;

	if (size > 0)
		memcpy(pile, data, size);
	status = cr_pile_check(pile, size, magic);
	REQUIRE(cr_pile_check(pile, size, magic + 1) == CR_CORRUPT);
	if (status == CR_OK)
	{
		read_parameters(pile);
		read_events(pile);
		read_texts(pile);
		read_entries(pile);
		read_factors(pile);
	}
	else
		REQUIRE(status == CR_CORRUPT);
	free(pile);
	return 0;
}
