/*
 * fuzz_matrix.c
 *		Any bytes as a sparse matrix: what the aggregate pack_csr() makes.
 *
 * A matrix that is accepted is one that the trainers may have: it is transposed,
 * twice, which must give the same again.
 */
#include "core/csr.h"
#include "core/parts.h"
#include "fuzz.h"

#define COLUMNS_MAX	65536	/* a few bytes may claim any number of empty ones */

typedef struct Arrays
{
	int64_t    *start;
	int32_t    *column;
	float	   *weight;
} Arrays;

static Arrays
alloc_arrays(int64_t rows, uint64_t entries)
{
	Arrays		arrays;

	arrays.start = fuzz_alloc(sizeof(int64_t) * ((size_t) rows + 1));
	arrays.column = fuzz_alloc(sizeof(int32_t) * entries);
	arrays.weight = fuzz_alloc(sizeof(float) * entries);
	return arrays;
}

static void
free_arrays(Arrays *arrays)
{
	free(arrays->start);
	free(arrays->column);
	free(arrays->weight);
}

static Arrays
load(const CrMatrixView *matrix)
{
	Arrays		arrays = alloc_arrays(matrix->rows, matrix->entries);

	for (uint32_t row = 0; row <= matrix->rows; row++)
		arrays.start[row] = (int64_t) cr_matrix_start(matrix, row);
	for (uint64_t i = 0; i < matrix->entries; i++)
	{
		arrays.column[i] = (int32_t) cr_load_u32(matrix->column + 4 * i);
		arrays.weight[i] = cr_load_float(matrix->value + 4 * i);
	}
	return arrays;
}

static void
encode_again(const uint8_t *bytes, size_t size, const CrMatrixView *matrix)
{
	uint8_t    *again = fuzz_alloc(size);
	CrMatrixView out;

	REQUIRE(size == cr_matrix_size(matrix->rows, matrix->entries));
	cr_matrix_put_header(again, matrix->rows, matrix->columns, matrix->entries);
	cr_matrix_view(again, &out);
	for (uint32_t row = 0; row <= matrix->rows; row++)
		cr_store_u64((uint8_t *) out.start + 8 * (size_t) row, cr_matrix_start(matrix, row));
	for (uint64_t i = 0; i < matrix->entries; i++)
	{
		cr_store_u32((uint8_t *) out.column + 4 * i, cr_load_u32(matrix->column + 4 * i));
		cr_store_float((uint8_t *) out.value + 4 * i, cr_load_float(matrix->value + 4 * i));
	}
	REQUIRE(memcmp(again, bytes, size) == 0);
	free(again);
}

static void
transpose_twice(const CrMatrixView *matrix)
{
	Arrays		given = load(matrix);
	Arrays		turned = alloc_arrays(matrix->columns, matrix->entries);
	Arrays		back = alloc_arrays(matrix->rows, matrix->entries);
	CrCsr		csr = {matrix->rows, matrix->columns, given.start, given.column, NULL};
	CrCsr		transposed = {matrix->columns, matrix->rows, turned.start, turned.column, turned.weight};

	REQUIRE(cr_csr_check(&csr) == CR_OK);
	csr.weight = given.weight;
	cr_csr_transpose(&csr, turned.start, turned.column, turned.weight);
	cr_csr_transpose(&transposed, back.start, back.column, back.weight);
	REQUIRE(memcmp(back.start, given.start, sizeof(int64_t) * ((size_t) matrix->rows + 1)) == 0);
	REQUIRE(matrix->entries == 0 ||
			(memcmp(back.column, given.column, sizeof(int32_t) * matrix->entries) == 0 &&
			 memcmp(back.weight, given.weight, sizeof(float) * matrix->entries) == 0));
	free_arrays(&back);
	free_arrays(&turned);
	free_arrays(&given);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *bytes = fuzz_copy(data, size);
	CrMatrixView matrix;
	CrStatus	status = cr_matrix_check(bytes, size, &matrix);

	if (status == CR_OK)
	{
		encode_again(bytes, size, &matrix);
		if (matrix.columns <= COLUMNS_MAX)
			transpose_twice(&matrix);
	}
	else
		REQUIRE(fuzz_is_refusal(status));
	fuzz_free(bytes);
	return 0;
}
