/*
 * parts.c
 *		Byte forms of what a training is made of, for training in SQL.
 */
#include <math.h>

#include "core/bytes.h"
#include "core/parts.h"
#include "core/vector.h"

#define FORMAT_VERSION	1

static void
put_magic(uint8_t *out, const char *magic)
{
	memcpy(out, magic, 4);
	cr_store_u32(out + 4, FORMAT_VERSION);	/* and three zeros */
}

static CrStatus
check_magic(const uint8_t *bytes, size_t length, const char *magic, size_t header)
{
	if (length < header || memcmp(bytes, magic, 4) != 0 || bytes[4] == 0)
		return CR_CORRUPT;
	if (bytes[4] != FORMAT_VERSION)
		return CR_UNSUPPORTED_FORMAT;
	return cr_load_u32(bytes + 4) == FORMAT_VERSION ? CR_OK : CR_CORRUPT;
}

static int
floats_are_finite(const uint8_t *bytes, uint64_t count)
{
	int			bad = 0;

	for (uint64_t i = 0; i < count; i++)
		bad |= !isfinite(cr_load_float(bytes + 4 * i));
	return !bad;
}

/* Strictly ascending numbers below "limit"? */
static int
numbers_ascend(const uint8_t *bytes, uint64_t count, uint64_t limit)
{
	int64_t		before = -1;

	for (uint64_t i = 0; i < count; i++)
	{
		int64_t		number = cr_load_u32(bytes + 4 * i);

		if (number <= before || number >= (int64_t) limit)
			return 0;
		before = number;
	}
	return 1;
}

uint64_t
cr_list_size(uint32_t count)
{
	return CR_LIST_HEADER + 8 * (uint64_t) count;
}

void
cr_list_put_header(uint8_t *out, uint32_t count)
{
	put_magic(out, "CRLS");
	cr_store_u32(out + 8, count);
}

void
cr_list_put(uint8_t *out, uint32_t count, uint32_t i, uint32_t item_no, float value)
{
	cr_store_u32(out + CR_LIST_HEADER + 4 * (size_t) i, item_no);
	cr_store_float(out + CR_LIST_HEADER + 4 * (size_t) count + 4 * (size_t) i, value);
}

CrStatus
cr_list_check(const uint8_t *bytes, size_t length, CrListView *list)
{
	CrStatus	status = check_magic(bytes, length, "CRLS", CR_LIST_HEADER);

	if (status != CR_OK)
		return status;
	list->count = cr_load_u32(bytes + 8);
	if (length != cr_list_size(list->count))
		return CR_CORRUPT;
	list->item_no = bytes + CR_LIST_HEADER;
	list->value = list->item_no + 4 * (size_t) list->count;
	return numbers_ascend(list->item_no, list->count, (uint64_t) INT32_MAX + 1) &&
		floats_are_finite(list->value, list->count) ? CR_OK : CR_CORRUPT;
}

uint64_t
cr_matrix_size(uint32_t rows, uint64_t entries)
{
	return CR_MATRIX_HEADER + 8 * ((uint64_t) rows + 1) + 8 * entries;
}

void
cr_matrix_put_header(uint8_t *out, uint32_t rows, uint32_t columns, uint64_t entries)
{
	put_magic(out, "CRCS");
	cr_store_u32(out + 8, rows);
	cr_store_u32(out + 12, columns);
	cr_store_u64(out + 16, entries);
}

static void
view_matrix(const uint8_t *bytes, CrMatrixView *matrix)
{
	matrix->rows = cr_load_u32(bytes + 8);
	matrix->columns = cr_load_u32(bytes + 12);
	matrix->entries = cr_load_u64(bytes + 16);
	matrix->start = bytes + CR_MATRIX_HEADER;
	matrix->column = matrix->start + 8 * ((size_t) matrix->rows + 1);
	matrix->value = matrix->column + 4 * (size_t) matrix->entries;
}

void
cr_matrix_view(uint8_t *out, CrMatrixView *matrix)
{
	view_matrix(out, matrix);
}

uint64_t
cr_matrix_start(const CrMatrixView *matrix, uint32_t row)
{
	return cr_load_u64(matrix->start + 8 * (size_t) row);
}

/* Every row begins where the one before ends, and none beyond the entries. */
static int
starts_are_sound(const CrMatrixView *matrix)
{
	uint64_t	before = 0;

	for (uint64_t row = 0; row <= matrix->rows; row++)
	{
		uint64_t	start = cr_matrix_start(matrix, (uint32_t) row);

		if (start < before || start > matrix->entries)
			return 0;
		before = start;
	}
	return cr_matrix_start(matrix, 0) == 0 && before == matrix->entries;
}

/* Lengths are divided, not counts multiplied, so that nothing wraps. */
CrStatus
cr_matrix_check(const uint8_t *bytes, size_t length, CrMatrixView *matrix)
{
	CrStatus	status = check_magic(bytes, length, "CRCS", CR_MATRIX_HEADER);

	if (status != CR_OK)
		return status;
	if (cr_load_u32(bytes + 8) > INT32_MAX || cr_load_u32(bytes + 12) > INT32_MAX ||
		cr_load_u64(bytes + 16) > length / 8 ||
		length != cr_matrix_size(cr_load_u32(bytes + 8), cr_load_u64(bytes + 16)))
		return CR_CORRUPT;
	view_matrix(bytes, matrix);
	if (!starts_are_sound(matrix) || !floats_are_finite(matrix->value, matrix->entries))
		return CR_CORRUPT;
	for (uint32_t row = 0; row < matrix->rows; row++)
	{
		uint64_t	start = cr_matrix_start(matrix, row);

		if (!numbers_ascend(matrix->column + 4 * start, cr_matrix_start(matrix, row + 1) - start,
							matrix->columns))
			return CR_CORRUPT;
	}
	return CR_OK;
}

uint64_t
cr_factors_size(int32_t dims, uint32_t rows)
{
	return CR_FACTORS_HEADER + 4 * (uint64_t) dims * rows;
}

void
cr_factors_put_header(uint8_t *out, int32_t dims, uint32_t rows)
{
	put_magic(out, "CRFM");
	cr_store_u32(out + 8, (uint32_t) dims);
	cr_store_u32(out + 12, rows);
}

CrStatus
cr_factors_check(const uint8_t *bytes, size_t length, CrFactorsView *factors)
{
	CrStatus	status = check_magic(bytes, length, "CRFM", CR_FACTORS_HEADER);
	uint32_t	dims;

	if (status != CR_OK)
		return status;
	dims = cr_load_u32(bytes + 8);
	factors->rows = cr_load_u32(bytes + 12);
	if (dims < 1 || dims > CR_PARTS_DIMS_MAX || factors->rows > INT32_MAX ||
		length != cr_factors_size((int32_t) dims, factors->rows))
		return CR_CORRUPT;
	factors->dims = (int32_t) dims;
	factors->elements = bytes + CR_FACTORS_HEADER;
	return CR_OK;
}

CrStatus
cr_factors_load(const CrFactorsView *factors, uint32_t row, float *out)
{
	size_t		dims = (size_t) factors->dims;

	cr_load_floats(factors->elements + 4 * dims * row, out, dims);
	return cr_all_finite(out, factors->dims) ? CR_OK : CR_CORRUPT;
}

size_t
cr_gram_elements(int32_t dims)
{
	return (size_t) dims * ((size_t) dims + 1) / 2;
}

uint64_t
cr_gram_bytes_size(int32_t dims)
{
	return CR_GRAM_HEADER + 8 * (uint64_t) cr_gram_elements(dims);
}

void
cr_gram_encode(uint8_t *out, int32_t dims, uint64_t count, const double *triangle)
{
	size_t		elements = cr_gram_elements(dims);

	put_magic(out, "CRGM");
	cr_store_u32(out + 8, (uint32_t) dims);
	cr_store_u64(out + 12, count);
	for (size_t i = 0; i < elements; i++)
		cr_store_double(out + CR_GRAM_HEADER + 8 * i, triangle[i]);
}

CrStatus
cr_gram_check(const uint8_t *bytes, size_t length, CrGramView *gram)
{
	CrStatus	status = check_magic(bytes, length, "CRGM", CR_GRAM_HEADER);
	uint32_t	dims;
	size_t		elements;
	int			bad = 0;

	if (status != CR_OK)
		return status;
	dims = cr_load_u32(bytes + 8);
	if (dims < 1 || dims > CR_PARTS_DIMS_MAX || length != cr_gram_bytes_size((int32_t) dims))
		return CR_CORRUPT;
	gram->dims = (int32_t) dims;
	gram->count = cr_load_u64(bytes + 12);
	gram->elements = bytes + CR_GRAM_HEADER;
	elements = cr_gram_elements(gram->dims);
	for (size_t i = 0; i < elements; i++)
		bad |= !isfinite(cr_load_double(gram->elements + 8 * i));
	return bad || gram->count > INT64_MAX ? CR_CORRUPT : CR_OK;
}

void
cr_gram_decode(const CrGramView *gram, double *triangle)
{
	size_t		elements = cr_gram_elements(gram->dims);

	for (size_t i = 0; i < elements; i++)
		triangle[i] = cr_load_double(gram->elements + 8 * i);
}

void
cr_gram_spread(const double *triangle, int32_t dims, double *matrix)
{
	for (int32_t i = 0; i < dims; i++)
	{
		for (int32_t j = i; j < dims; j++)
			matrix[(size_t) i * (size_t) dims + (size_t) j] = *triangle++;
	}
}

void
cr_gram_accumulate(double *triangle, const float *y, int32_t dims)
{
	for (int32_t i = 0; i < dims; i++)
	{
		double		left = y[i];
		int32_t		width = dims - i;

		for (int32_t j = 0; j < width; j++)
			triangle[j] += left * (double) y[i + j];
		triangle += width;
	}
}

/* What is off the diagonal counts twice. */
double
cr_gram_product(const double *a, const double *b, int32_t dims)
{
	double		sum = 0;

	for (int32_t i = 0; i < dims; i++)
	{
		sum += *a++ * *b++;
		for (int32_t j = i + 1; j < dims; j++)
			sum += 2 * (*a++ * *b++);
	}
	return sum;
}
