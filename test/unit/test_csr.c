/*
 * test_csr.c
 *		The transpose against a naive one, and every way a matrix can be wrong.
 */
#include "core/csr.h"
#include "core/rng.h"
#include "unit.h"

typedef struct Matrix
{
	CrCsr		csr;
	int64_t    *start;
	int32_t    *column;
	float	   *weight;
} Matrix;

static Matrix
matrix_alloc(int64_t rows, int64_t columns, int64_t room)
{
	Matrix		m;

	m.start = unit_alloc(((size_t) rows + 1) * sizeof(int64_t));
	m.column = unit_alloc((size_t) room * sizeof(int32_t));
	m.weight = unit_alloc((size_t) room * sizeof(float));
	m.csr.rows = rows;
	m.csr.columns = columns;
	m.csr.start = m.start;
	m.csr.column = m.column;
	m.csr.weight = m.weight;
	return m;
}

static Matrix
random_matrix(int64_t rows, int64_t columns, double density, uint64_t seed)
{
	Matrix		m = matrix_alloc(rows, columns, rows * columns);
	CrRng		rng;
	int64_t		nnz = 0;

	cr_rng_init(&rng, seed, 0);
	for (int64_t row = 0; row < rows; row++)
	{
		for (int64_t column = 0; column < columns; column++)
		{
			if (cr_rng_uniform(&rng) >= density)
				continue;
			m.column[nnz] = (int32_t) column;
			m.weight[nnz] = (float) (row * 1000 + column + 1);
			nnz++;
		}
		m.start[row + 1] = nnz;
	}
	return m;
}

static void
matrix_free(Matrix *m)
{
	free(m->start);
	free(m->column);
	free(m->weight);
}

/* The weight tells row and column, so that a walk over all cells finds every mistake. */
static void
check_transpose(int64_t rows, int64_t columns, double density)
{
	Matrix		m = random_matrix(rows, columns, density, (uint64_t) (rows + columns));
	Matrix		t = matrix_alloc(columns, rows, rows * columns);
	int64_t		e = 0;

	cr_csr_transpose(&m.csr, t.start, t.column, t.weight);
	CHECK(cr_csr_check(&t.csr) == CR_OK);
	CHECK(t.start[columns] == m.start[rows]);
	for (int64_t column = 0; column < columns; column++)
	{
		CHECK(t.start[column] == e);
		for (int64_t row = 0; row < rows; row++)
		{
			for (int64_t at = m.start[row]; at < m.start[row + 1]; at++)
			{
				if (m.column[at] != column)
					continue;
				CHECK(t.column[e] == row);
				CHECK(t.weight[e] == m.weight[at]);
				e++;
			}
		}
	}
	matrix_free(&m);
	matrix_free(&t);
}

static void
transpose_agrees_with_the_naive_one(void)
{
	check_transpose(1, 1, 1.0);
	check_transpose(30, 50, 0.1);
	check_transpose(50, 30, 0.7);
	check_transpose(40, 40, 0.0);
	check_transpose(7, 0, 0.5);
	check_transpose(0, 7, 0.5);
	check_transpose(0, 0, 0.5);
}

static void
transpose_twice_is_the_matrix(void)
{
	Matrix		m = random_matrix(31, 17, 0.3, 9);
	Matrix		t = matrix_alloc(17, 31, 31 * 17);
	Matrix		back = matrix_alloc(31, 17, 31 * 17);
	size_t		nnz = (size_t) m.start[31];

	cr_csr_transpose(&m.csr, t.start, t.column, t.weight);
	cr_csr_transpose(&t.csr, back.start, back.column, back.weight);
	CHECK(memcmp(m.start, back.start, 32 * sizeof(int64_t)) == 0);
	CHECK(memcmp(m.column, back.column, nnz * sizeof(int32_t)) == 0);
	CHECK(memcmp(m.weight, back.weight, nnz * sizeof(float)) == 0);
	matrix_free(&m);
	matrix_free(&t);
	matrix_free(&back);
}

static void
transpose_without_weights(void)
{
	Matrix		m = random_matrix(12, 9, 0.4, 3);
	Matrix		t = matrix_alloc(9, 12, 12 * 9);

	m.csr.weight = NULL;
	cr_csr_transpose(&m.csr, t.start, t.column, NULL);
	t.csr.weight = NULL;
	CHECK(cr_csr_check(&t.csr) == CR_OK);
	CHECK(t.start[9] == m.start[12]);
	matrix_free(&m);
	matrix_free(&t);
}

/* Two rows over three columns: (0, 2) and (1). */
static Matrix
small_matrix(void)
{
	Matrix		m = matrix_alloc(2, 3, 3);

	m.start[1] = 2;
	m.start[2] = 3;
	m.column[1] = 2;
	m.column[2] = 1;
	m.weight[0] = m.weight[1] = m.weight[2] = 1.0f;
	return m;
}

static void
check_finds_bad_offsets_and_columns(void)
{
	Matrix		m = small_matrix();

	CHECK(cr_csr_check(&m.csr) == CR_OK);
	m.start[0] = 1;
	CHECK(cr_csr_check(&m.csr) == CR_INVALID_ARGUMENT);
	m.start[0] = 0;
	m.start[1] = 4;
	CHECK(cr_csr_check(&m.csr) == CR_INVALID_ARGUMENT);
	m.start[1] = 2;
	m.column[1] = 3;
	CHECK(cr_csr_check(&m.csr) == CR_INVALID_ARGUMENT);
	m.column[1] = 0;
	CHECK(cr_csr_check(&m.csr) == CR_INVALID_ARGUMENT);
	m.column[1] = -1;
	CHECK(cr_csr_check(&m.csr) == CR_INVALID_ARGUMENT);
	m.column[1] = 2;
	m.column[2] = -1;
	CHECK(cr_csr_check(&m.csr) == CR_INVALID_ARGUMENT);
	m.column[2] = 1;
	m.csr.rows = -1;
	CHECK(cr_csr_check(&m.csr) == CR_INVALID_ARGUMENT);
	matrix_free(&m);
}

static void
check_finds_bad_weights(void)
{
	Matrix		m = small_matrix();

	m.weight[1] = 0.0f;
	CHECK(cr_csr_check(&m.csr) == CR_INVALID_ARGUMENT);
	m.weight[1] = -1.0f;
	CHECK(cr_csr_check(&m.csr) == CR_INVALID_ARGUMENT);
	m.weight[1] = NAN;
	CHECK(cr_csr_check(&m.csr) == CR_NOT_FINITE);
	m.weight[1] = INFINITY;
	CHECK(cr_csr_check(&m.csr) == CR_NOT_FINITE);
	m.csr.weight = NULL;
	CHECK(cr_csr_check(&m.csr) == CR_OK);
	matrix_free(&m);
}

UNIT_MAIN(UNIT_TEST(transpose_agrees_with_the_naive_one),
		  UNIT_TEST(transpose_twice_is_the_matrix),
		  UNIT_TEST(transpose_without_weights),
		  UNIT_TEST(check_finds_bad_offsets_and_columns),
		  UNIT_TEST(check_finds_bad_weights));
