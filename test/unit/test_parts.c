/*
 * test_parts.c
 *		Lists, sparse matrices, factors and Gram matrices: round trips, sums, and damage.
 *
 * Every byte string under test has a heap block of exactly its size, so that
 * ASAN sees a read past it.
 */
#include "core/bytes.h"
#include "core/parts.h"
#include "core/rng.h"
#include "core/start.h"
#include "unit.h"

#define DIMS	3
#define ROWS	4

typedef enum Part
{
	PART_LIST,
	PART_MATRIX,
	PART_FACTORS,
	PART_GRAM
} Part;

#define PARTS	(PART_GRAM + 1)

static const double triangle[6] = {1, 2, 3, 4, 5, 6};

static uint8_t *
make_list(size_t *size)
{
	const uint32_t item_no[3] = {0, 7, INT32_MAX};
	const float value[3] = {1.5f, -2, 0};
	uint8_t    *bytes = malloc(*size = cr_list_size(3));

	cr_list_put_header(bytes, 3);
	for (uint32_t i = 0; i < 3; i++)
		cr_list_put(bytes, 3, i, item_no[i], value[i]);
	return bytes;
}

/* Rows of 2, 0, 1 and 2 entries; five columns. */
static uint8_t *
make_matrix(size_t *size)
{
	const uint64_t start[ROWS + 1] = {0, 2, 2, 3, 5};
	const uint32_t column[5] = {0, 4, 2, 1, 3};
	uint8_t    *bytes = malloc(*size = cr_matrix_size(ROWS, 5));
	CrMatrixView matrix;

	cr_matrix_put_header(bytes, ROWS, 5, 5);
	cr_matrix_view(bytes, &matrix);
	for (int i = 0; i <= ROWS; i++)
		cr_store_u64((uint8_t *) matrix.start + 8 * i, start[i]);
	for (int i = 0; i < 5; i++)
	{
		cr_store_u32((uint8_t *) matrix.column + 4 * i, column[i]);
		cr_store_float((uint8_t *) matrix.value + 4 * i, (float) i);
	}
	return bytes;
}

static uint8_t *
make_factors(size_t *size)
{
	uint8_t    *bytes = malloc(*size = cr_factors_size(DIMS, ROWS));

	cr_factors_put_header(bytes, DIMS, ROWS);
	for (uint32_t i = 0; i < DIMS * ROWS; i++)
		cr_store_float(bytes + CR_FACTORS_HEADER + 4 * i, (float) i);
	return bytes;
}

static uint8_t *
make_gram(size_t *size)
{
	uint8_t    *bytes = malloc(*size = cr_gram_bytes_size(DIMS));

	cr_gram_encode(bytes, DIMS, 9, triangle);
	return bytes;
}

static uint8_t *
make_part(Part part, size_t *size)
{
	switch (part)
	{
		case PART_LIST:
			return make_list(size);
		case PART_MATRIX:
			return make_matrix(size);
		case PART_FACTORS:
			return make_factors(size);
		default:
			return make_gram(size);
	}
}

static CrStatus
use_matrix(const uint8_t *bytes, size_t length)
{
	CrMatrixView matrix;
	CrStatus	status = cr_matrix_check(bytes, length, &matrix);
	volatile uint64_t sum = 0;

	for (uint32_t row = 0; status == CR_OK && row < matrix.rows; row++)
	{
		for (uint64_t e = cr_matrix_start(&matrix, row); e < cr_matrix_start(&matrix, row + 1); e++)
		{
			CHECK(cr_load_u32(matrix.column + 4 * e) < matrix.columns);
			sum += matrix.value[4 * e + 3];
		}
	}
	(void) sum;
	return status;
}

static CrStatus
use_factors(const uint8_t *bytes, size_t length)
{
	CrFactorsView factors;
	CrStatus	status = cr_factors_check(bytes, length, &factors);

	for (uint32_t row = 0; status == CR_OK && row < factors.rows; row++)
	{
		float		out[CR_PARTS_DIMS_MAX];

		status = cr_factors_load(&factors, row, out);
	}
	return status;
}

/* Check, and touch all that is said to be there. */
static CrStatus
use_part(Part part, const uint8_t *bytes, size_t length)
{
	CrListView	list;
	CrGramView	gram;
	CrStatus	status;
	double		elements[6];

	switch (part)
	{
		case PART_LIST:
			status = cr_list_check(bytes, length, &list);
			for (uint32_t i = 0; status == CR_OK && i < list.count; i++)
				CHECK(cr_load_u32(list.item_no + 4 * i) <= INT32_MAX &&
					  isfinite(cr_load_float(list.value + 4 * i)));
			return status;
		case PART_MATRIX:
			return use_matrix(bytes, length);
		case PART_FACTORS:
			return use_factors(bytes, length);
		default:
			status = cr_gram_check(bytes, length, &gram);
			if (status == CR_OK && gram.dims <= DIMS)
				cr_gram_decode(&gram, elements);
			return status;
	}
}

static void
round_trips_keep_everything(void)
{
	size_t		size;
	uint8_t    *list_bytes = make_list(&size);
	uint8_t    *matrix_bytes;
	uint8_t    *gram_bytes;
	CrListView	list;
	CrMatrixView matrix;
	CrGramView	gram;
	double		elements[6];

	CHECK(cr_list_check(list_bytes, size, &list) == CR_OK);
	CHECK(list.count == 3 && cr_load_u32(list.item_no + 8) == INT32_MAX);
	CHECK(cr_load_float(list.value + 4) == -2);
	matrix_bytes = make_matrix(&size);
	CHECK(cr_matrix_check(matrix_bytes, size, &matrix) == CR_OK);
	CHECK(matrix.rows == ROWS && matrix.columns == 5 && matrix.entries == 5);
	CHECK(cr_matrix_start(&matrix, 3) == 3 && cr_load_u32(matrix.column + 4 * 3) == 1);
	gram_bytes = make_gram(&size);
	CHECK(cr_gram_check(gram_bytes, size, &gram) == CR_OK);
	CHECK(gram.dims == DIMS && gram.count == 9);
	cr_gram_decode(&gram, elements);
	CHECK(memcmp(elements, triangle, sizeof(triangle)) == 0);
	free(list_bytes);
	free(matrix_bytes);
	free(gram_bytes);
}

static void
gram_is_the_sum_of_outer_products(void)
{
	const float y[2][DIMS] = {{1, 2, 3}, {-1, 0, 2}};
	const float x[DIMS] = {2, 1, -1};
	double		a[6] = {0};
	double		b[6] = {0};
	double		matrix[DIMS * DIMS] = {0};

	cr_gram_accumulate(a, y[0], DIMS);
	cr_gram_accumulate(a, y[1], DIMS);
	cr_gram_accumulate(b, x, DIMS);
	cr_gram_spread(a, DIMS, matrix);
	CHECK(matrix[0] == 2 && matrix[1] == 2 && matrix[2] == 1);
	CHECK(matrix[4] == 4 && matrix[5] == 6 && matrix[8] == 13);
	CHECK(matrix[3] == 0 && matrix[6] == 0);
	/* (x.y)^2 summed: 1 and 16. */
	CHECK_NEAR(cr_gram_product(a, b, DIMS), 17, 1e-12);
}

static void
start_depends_on_seed_and_user(void)
{
	float		a[16];
	float		b[16];
	double		square = 0;

	cr_start_factors(42, 3, 16, a);
	cr_start_factors(42, 3, 16, b);
	CHECK(memcmp(a, b, sizeof(a)) == 0);
	cr_start_factors(42, 4, 16, b);
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	cr_start_factors(43, 3, 16, b);
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	for (int64_t user = 0; user < 1000; user++)
	{
		cr_start_factors(42, user, 16, a);
		for (int i = 0; i < 16; i++)
			square += (double) a[i] * a[i];
	}
	CHECK_NEAR(square / 1000, 0.01, 0.0005);
}

static void
every_truncation_is_damage(void)
{
	for (int part = 0; part < PARTS; part++)
	{
		size_t		size;
		uint8_t    *bytes = make_part((Part) part, &size);

		for (size_t length = 0; length <= size + 4; length++)
		{
			uint8_t    *copy = calloc(1, length + (length == 0));

			memcpy(copy, bytes, length < size ? length : size);
			CHECK(use_part((Part) part, copy, length) == (length == size ? CR_OK : CR_CORRUPT));
			free(copy);
		}
		free(bytes);
	}
}

static void
one_part_is_not_another(void)
{
	for (int part = 0; part < PARTS; part++)
	{
		size_t		size;
		uint8_t    *bytes = make_part((Part) part, &size);

		for (int other = 0; other < PARTS; other++)
			CHECK((use_part((Part) other, bytes, size) == CR_OK) == (other == part));
		free(bytes);
	}
}

static void
each_field_is_checked(void)
{
	const struct
	{
		Part		part;
		int			offset;
		uint32_t	value;
		CrStatus	expected;
	}			cases[] = {
		{PART_LIST, 4, 2, CR_UNSUPPORTED_FORMAT},
		{PART_LIST, 4, 0, CR_CORRUPT},
		{PART_LIST, 4, 0x101, CR_CORRUPT},
		{PART_LIST, 12, 7, CR_CORRUPT}, /* the same item twice */
		{PART_LIST, 20, 0x80000000, CR_CORRUPT},	/* beyond int32 */
		{PART_LIST, 24, 0x7f800000, CR_CORRUPT},	/* infinity */
		{PART_LIST, 8, 0x20000003, CR_CORRUPT}, /* the size wraps in 32 bits */
		{PART_MATRIX, 12, 4, CR_CORRUPT},	/* a column out of range */
		{PART_MATRIX, 20, 0x20000000, CR_CORRUPT},	/* entries wrap in 64 bits */
		{PART_MATRIX, 8, 0x80000004, CR_CORRUPT},
		{PART_MATRIX, 24, 1, CR_CORRUPT},	/* does not begin at 0 */
		{PART_MATRIX, 32, 4, CR_CORRUPT},	/* ends after the next begins */
		{PART_MATRIX, 36, 1, CR_CORRUPT},	/* beyond the entries */
		{PART_MATRIX, 56, 4, CR_CORRUPT},	/* does not end at the entries */
		{PART_MATRIX, 64, 4, CR_CORRUPT},	/* columns do not ascend */
		{PART_MATRIX, 84, 0x7fc00000, CR_CORRUPT},	/* NaN */
		{PART_FACTORS, 8, 0, CR_CORRUPT},
		{PART_FACTORS, 8, 513, CR_CORRUPT},
		{PART_FACTORS, 12, 0xffffffff, CR_CORRUPT},
		{PART_FACTORS, 20, 0x7f800000, CR_CORRUPT},
		{PART_GRAM, 8, 0, CR_CORRUPT},
		{PART_GRAM, 8, 4, CR_CORRUPT},
		{PART_GRAM, 16, 0x80000000, CR_CORRUPT},	/* count beyond int64 */
		{PART_GRAM, 24, 0x7ff00000, CR_CORRUPT}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		size_t		size;
		uint8_t    *bytes = make_part(cases[i].part, &size);
		CrStatus	status;

		cr_store_u32(bytes + cases[i].offset, cases[i].value);
		status = use_part(cases[i].part, bytes, size);
		CHECK(status == cases[i].expected);
		if (status != cases[i].expected)
			printf("# case %d\n", (int) i);
		free(bytes);
	}
}

static void
random_damage_never_surprises(void)
{
	CrRng		rng;

	cr_rng_init(&rng, 81, 0);
	for (int round = 0; round < 40000; round++)
	{
		size_t		size;
		Part		part = (Part) (round % PARTS);
		uint8_t    *bytes = make_part(part, &size);
		CrStatus	status;

		for (uint64_t flips = 1 + cr_rng_next(&rng) % 4; flips > 0; flips--)
			bytes[cr_rng_next(&rng) % size] ^= (uint8_t) (1 << cr_rng_next(&rng) % 8);
		status = use_part(part, bytes, size);
		CHECK(status == CR_OK || status == CR_CORRUPT || status == CR_UNSUPPORTED_FORMAT);
		free(bytes);
	}
}

UNIT_MAIN(UNIT_TEST(round_trips_keep_everything),
		  UNIT_TEST(gram_is_the_sum_of_outer_products),
		  UNIT_TEST(start_depends_on_seed_and_user),
		  UNIT_TEST(every_truncation_is_damage),
		  UNIT_TEST(one_part_is_not_another),
		  UNIT_TEST(each_field_is_checked),
		  UNIT_TEST(random_damage_never_surprises));
