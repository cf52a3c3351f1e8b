/*
 * test_state.c
 *		States of aggregates survive the round trip, and damage is noticed.
 */
#include "core/embedding.h"
#include "core/pack.h"
#include "core/parts.h"
#include "core/state.h"
#include "unit.h"

#define MAGIC	0x12345678

/* A pile in memory of exactly its size. */
static CrPile *
make_pile(int64_t rows, const void *prefix, size_t prefix_bytes, const void *data, size_t bytes)
{
	CrPile	   *pile = malloc(CR_PILE_HEADER + prefix_bytes + bytes);

	*pile = (CrPile) {.magic = MAGIC, .rows = rows, .used = prefix_bytes + bytes,
	.prefix = (uint32_t) prefix_bytes};
	if (prefix_bytes > 0)
		memcpy(pile->data, prefix, prefix_bytes);
	if (bytes > 0)
		memcpy(pile->data + prefix_bytes, data, bytes);
	return pile;
}

static void
piles_are_checked(void)
{
	const uint8_t data[24] = {1};
	const size_t size = CR_PILE_HEADER + 4 + sizeof(data);
	CrPile	   *pile = make_pile(3, data, 4, data, sizeof(data));
	const CrPile sound = *pile;

	CHECK(cr_pile_check(pile, size, MAGIC) == CR_OK);
	CHECK(cr_pile_check(pile, size + 100, MAGIC) == CR_OK);
	CHECK(cr_pile_rows(pile) == pile->data + 4);
	CHECK(cr_pile_row_bytes(pile) == sizeof(data));
	CHECK(cr_pile_check(pile, size, MAGIC + 1) == CR_CORRUPT);
	CHECK(cr_pile_check(pile, size - 1, MAGIC) == CR_CORRUPT);
	CHECK(cr_pile_check(pile, CR_PILE_HEADER - 1, MAGIC) == CR_CORRUPT);
	CHECK(cr_pile_check(pile, 0, MAGIC) == CR_CORRUPT);
	pile->rows = -1;
	CHECK(cr_pile_check(pile, size, MAGIC) == CR_CORRUPT);
	pile->rows = 29;
	CHECK(cr_pile_check(pile, size, MAGIC) == CR_CORRUPT);
	*pile = sound;
	pile->used = 3;
	CHECK(cr_pile_check(pile, size, MAGIC) == CR_CORRUPT);
	pile->used = UINT64_MAX;
	CHECK(cr_pile_check(pile, size, MAGIC) == CR_CORRUPT);
	*pile = sound;
	pile->prefix = UINT32_MAX;
	CHECK(cr_pile_check(pile, size, MAGIC) == CR_CORRUPT);
	free(pile);
}

static void
widths_are_checked(void)
{
	const uint8_t data[48] = {0};
	CrPile	   *pile = make_pile(2, data, 3, data, 48);

	CHECK(cr_pile_check_width(pile, 24) == CR_OK);
	CHECK(cr_pile_check_width(pile, 16) == CR_CORRUPT);
	CHECK(cr_pile_check_width(pile, 25) == CR_CORRUPT);
	CHECK(cr_pile_check_width(pile, 23) == CR_CORRUPT);
	pile->rows = 3;
	CHECK(cr_pile_check_width(pile, 16) == CR_OK);
	/* Would be 48 bytes in 64 bits. */
	pile->rows = (INT64_C(1) << 60) + 3;
	CHECK(cr_pile_check_width(pile, 16) == CR_CORRUPT);
	pile->rows = 0;
	pile->used = pile->prefix;
	CHECK(cr_pile_check_width(pile, 16) == CR_CORRUPT);
	free(pile);
}

static void
text_rows_round_trip(void)
{
	static uint8_t name[CR_PACK_TEXT_MAX + 1];
	const CrTextRow rows[3] = {{1.5, 0, 0, name, name}, {-2, 3, CR_PACK_TEXT_MAX, name, name},
	{0, CR_PACK_TEXT_MAX, 1, name, name}};
	static uint8_t bytes[4 * (CR_PACK_TEXT_MAX + 16)];
	size_t		used = 0;
	size_t		at = 0;
	CrPile	   *pile;

	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = (uint8_t) (i % 251);
	for (int i = 0; i < 3; i++)
	{
		cr_text_row_put(&rows[i], bytes + used);
		used += cr_text_row_size(&rows[i]);
	}
	pile = make_pile(3, "prefix", 5, bytes, used);
	for (int i = 0; i < 3; i++)
	{
		CrTextRow	row;
		size_t		size = cr_text_row_get(pile, at, &row);

		CHECK(size == cr_text_row_size(&rows[i]));
		CHECK(row.preference == rows[i].preference);
		CHECK(row.user_length == rows[i].user_length && row.item_length == rows[i].item_length);
		CHECK(memcmp(row.user, name, row.user_length) == 0);
		CHECK(memcmp(row.item, name, row.item_length) == 0);
		at += size;
	}
	CHECK(at == used);
	CHECK(cr_text_row_get(pile, at, &(CrTextRow) {0}) == 0);
	free(pile);
}

static void
damaged_text_rows_are_refused(void)
{
	static const uint8_t name[CR_PACK_TEXT_MAX + 1];
	const CrTextRow sound = {1, 3, 2, name, name};
	const CrTextRow too_long[2] = {{1, CR_PACK_TEXT_MAX + 1, 0, name, name},
	{1, 0, CR_PACK_TEXT_MAX + 1, name, name}};
	uint8_t		bytes[CR_PACK_TEXT_MAX + 32];
	CrTextRow	row;

	cr_text_row_put(&sound, bytes);
	for (size_t length = 0; length < cr_text_row_size(&sound); length++)
	{
		CrPile	   *pile = make_pile(1, NULL, 0, bytes, length);

		CHECK(cr_text_row_get(pile, 0, &row) == 0);
		free(pile);
	}
	for (int i = 0; i < 2; i++)
	{
		CrPile	   *pile;

		cr_text_row_put(&too_long[i], bytes);
		pile = make_pile(1, NULL, 0, bytes, cr_text_row_size(&too_long[i]));
		CHECK(cr_text_row_get(pile, 0, &row) == 0);
		free(pile);
	}
}

/* What the algorithm gets when its hyperparameters are these. */
static CrStatus
parameters_of(const CrHyperparameters *given, size_t bytes)
{
	const CrAlgorithm *algorithm = cr_algorithm_find("ials");
	CrPile	   *pile = make_pile(0, given, bytes, NULL, 0);
	CrHyperparameters read;
	CrStatus	status = cr_pile_get_parameters(pile, algorithm, &read);

	CHECK(status != CR_OK || memcmp(&read, given, sizeof(read)) == 0);
	free(pile);
	return status;
}

static void
parameters_are_checked(void)
{
	const CrAlgorithm *algorithm = cr_algorithm_find("ials");
	CrHyperparameters parameters;

	cr_parameters_preset(algorithm, &parameters);
	CHECK(isnan(parameters.unobserved_weight));
	CHECK(parameters_of(&parameters, sizeof(parameters)) == CR_OK);
	CHECK(parameters_of(&parameters, sizeof(parameters) - 1) == CR_CORRUPT);
	CHECK(parameters_of(&parameters, 0) == CR_CORRUPT);
	for (int i = 0; i < algorithm->parameter_count; i++)
	{
		const CrParameter *parameter = &algorithm->parameters[i];
		double	   *field = cr_parameter_field(parameter, &parameters);
		double		before = *field;

		*field = NAN;
		CHECK(parameters_of(&parameters, sizeof(parameters)) ==
			  (parameter->from_data ? CR_OK : CR_CORRUPT));
		*field = parameter->low - 1;
		CHECK(parameters_of(&parameters, sizeof(parameters)) == CR_CORRUPT);
		*field = before;
	}
}

static void
entries_are_checked(void)
{
	const CrSparseEntry sound[3] = {{-0.5, 0, INT32_MAX - 1}, {1e308, INT32_MAX - 1, 0}, {0, 5, 6}};
	const CrSparseEntry bad[] = {{NAN, 0, 0}, {INFINITY, 0, 0}, {1, -1, 0}, {1, INT32_MAX, 0},
	{1, 0, -1}, {1, 0, INT32_MAX}};
	CrSparseEntry read[3];
	CrPile	   *pile = make_pile(3, NULL, 0, sound, sizeof(sound));

	CHECK(cr_pile_check_width(pile, sizeof(CrSparseEntry)) == CR_OK);
	CHECK(cr_pile_get_entries(pile, 0, 1, read) == CR_OK);
	CHECK(cr_pile_get_entries(pile, 1, 3, read + 1) == CR_OK);
	CHECK(memcmp(read, sound, sizeof(sound)) == 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		memcpy(pile->data + sizeof(CrSparseEntry), &bad[i], sizeof(CrSparseEntry));
		CHECK(cr_pile_get_entries(pile, 0, 3, read) == CR_CORRUPT);
		CHECK(cr_pile_get_entries(pile, 0, 1, read) == CR_OK);
	}
	free(pile);
}

static void
factor_rows_round_trip(void)
{
	const int32_t dims = 3;
	const int32_t numbers[4] = {0, INT32_MAX - 1, -1, INT32_MAX};
	const float elements[3] = {0.5f, -1.0f, NAN};
	uint8_t		bytes[4 * 16];
	float		read[3];
	int32_t		row;
	int32_t		stored = 0;
	CrPile	   *pile;

	CHECK(cr_factor_row_size(dims) == 16);
	for (int i = 0; i < 4; i++)
		cr_factor_row_put(numbers[i], elements, dims, bytes + 16 * i);
	pile = make_pile(4, &dims, sizeof(dims), bytes, sizeof(bytes));
	CHECK(cr_pile_get_dims(pile, &stored) == CR_OK && stored == dims);
	CHECK(cr_pile_check_width(pile, 16) == CR_OK);
	for (int i = 0; i < 4; i++)
	{
		CHECK(cr_pile_get_factors(pile, dims, i, &row, read) == (i < 2 ? CR_OK : CR_CORRUPT));
		CHECK(row == numbers[i] && memcmp(read, elements, sizeof(read)) == 0);
		CHECK(cr_pile_get_factors(pile, dims, i, &row, NULL) == (i < 2 ? CR_OK : CR_CORRUPT));
	}
	free(pile);
}

static void
dims_of_factors_are_checked(void)
{
	const int32_t dims[] = {1, CR_PARTS_DIMS_MAX, 0, -1, CR_PARTS_DIMS_MAX + 1, INT32_MAX};
	int32_t		stored;

	for (int i = 0; i < 6; i++)
	{
		CrPile	   *pile = make_pile(0, &dims[i], sizeof(int32_t), "row", 4);

		CHECK(cr_pile_get_dims(pile, &stored) == (i < 2 ? CR_OK : CR_CORRUPT));
		pile->prefix = 3;
		CHECK(cr_pile_get_dims(pile, &stored) == CR_CORRUPT);
		pile->prefix = 5;
		CHECK(cr_pile_get_dims(pile, &stored) == CR_CORRUPT);
		free(pile);
	}
}

static void
sums_round_trip(void)
{
	static double sums[CR_EMBEDDING_DIMS_MAX];
	static double read[CR_EMBEDDING_DIMS_MAX];
	const int32_t dims[] = {1, 7, CR_EMBEDDING_DIMS_MAX};

	for (int i = 0; i < CR_EMBEDDING_DIMS_MAX; i++)
		sums[i] = i - 0.5;
	for (int i = 0; i < 3; i++)
	{
		CrSumState	state = {dims[i], INT64_MAX - i, sums};
		CrSumState	again = {.sums = read};
		uint8_t    *bytes = malloc(cr_sum_state_size(dims[i]));

		cr_sum_state_encode(&state, bytes);
		CHECK(cr_sum_state_check(bytes, cr_sum_state_size(dims[i]), &again) == CR_OK);
		CHECK(again.dims == state.dims && again.count == state.count);
		CHECK(cr_sum_state_decode(bytes, &again) == CR_OK);
		CHECK(memcmp(read, sums, sizeof(double) * (size_t) dims[i]) == 0);
		free(bytes);
	}
}

/* Of the length that the dimensions ask for. */
static CrStatus
sum_check_dims(int32_t dims)
{
	size_t		size = cr_sum_state_size(dims);
	uint8_t    *bytes = unit_alloc(size);
	CrStatus	status;

	cr_sum_state_encode(&(CrSumState) {0, 1, (double[1]) {0}}, bytes);
	memcpy(bytes + 8, &dims, sizeof(int32_t));
	status = cr_sum_state_check(bytes, size, &(CrSumState) {0});
	free(bytes);
	return status;
}

static CrStatus
sum_check(const CrSumState *state)
{
	uint8_t		bytes[256];
	CrSumState	read;

	/* The sums are copied as far as there are any. */
	cr_sum_state_encode(&(CrSumState) {2, state->count, state->sums}, bytes);
	memcpy(bytes + 8, &state->dims, sizeof(int32_t));
	return cr_sum_state_check(bytes, cr_sum_state_size(2), &read);
}

static void
damaged_sums_are_refused(void)
{
	double		sums[2] = {1, 2};
	double		read[2];
	CrSumState	state = {2, 1, sums};
	size_t		size = cr_sum_state_size(2);
	uint8_t    *bytes = malloc(size);

	CHECK(sum_check(&state) == CR_OK);
	CHECK(sum_check(&(CrSumState) {2, 0, sums}) == CR_CORRUPT);
	CHECK(sum_check(&(CrSumState) {2, -1, sums}) == CR_CORRUPT);
	CHECK(sum_check(&(CrSumState) {1, 1, sums}) == CR_CORRUPT);
	CHECK(sum_check(&(CrSumState) {0, 1, sums}) == CR_CORRUPT);
	CHECK(sum_check(&(CrSumState) {-1, 1, sums}) == CR_CORRUPT);
	CHECK(sum_check(&(CrSumState) {INT32_MIN, 1, sums}) == CR_CORRUPT);
	CHECK(sum_check_dims(1) == CR_OK && sum_check_dims(CR_EMBEDDING_DIMS_MAX) == CR_OK);
	CHECK(sum_check_dims(0) == CR_CORRUPT && sum_check_dims(CR_EMBEDDING_DIMS_MAX + 1) == CR_CORRUPT);
	for (size_t length = 0; length < size; length++)
	{
		uint8_t    *cut = malloc(length);

		cr_sum_state_encode(&state, bytes);
		if (length > 0)
			memcpy(cut, bytes, length);
		CHECK(cr_sum_state_check(cut, length, &(CrSumState) {0}) == CR_CORRUPT);
		free(cut);
	}
	for (int i = 0; i < 8; i++)
	{
		cr_sum_state_encode(&state, bytes);
		bytes[i] ^= 0x40;
		CHECK(cr_sum_state_check(bytes, size, &(CrSumState) {0}) == CR_CORRUPT);
	}
	sums[1] = INFINITY;
	cr_sum_state_encode(&state, bytes);
	CHECK(cr_sum_state_decode(bytes, &(CrSumState) {2, 1, read}) == CR_CORRUPT);
	free(bytes);
}

static void
gram_states_are_checked(void)
{
	const int32_t dims[] = {1, 3, CR_PARTS_DIMS_MAX};

	for (int i = 0; i < 3; i++)
	{
		size_t		size = cr_gram_state_size(dims[i]);
		CrGramState *state = malloc(size);

		memset(state, 0xff, size);
		cr_gram_state_init(state, dims[i]);
		CHECK(state->triangle[cr_gram_elements(dims[i]) - 1] == 0);
		CHECK(cr_gram_state_check(state, size) == CR_CORRUPT);
		state->count = 1;
		CHECK(cr_gram_state_check(state, size) == CR_OK);
		CHECK(cr_gram_state_check(state, size - 8) == CR_CORRUPT);
		CHECK(cr_gram_state_check(state, offsetof(CrGramState, triangle) - 1) == CR_CORRUPT);
		CHECK(cr_gram_state_check(state, 0) == CR_CORRUPT);
		state->magic++;
		CHECK(cr_gram_state_check(state, size) == CR_CORRUPT);
		state->magic--;
		for (int32_t other = -2; other <= 0; other++)
		{
			state->dims = other;
			CHECK(cr_gram_state_check(state, size) == CR_CORRUPT);
		}
		state->dims = dims[i] + 1;
		CHECK(cr_gram_state_check(state, size) == CR_CORRUPT);
		free(state);
	}
}

/* In memory of exactly their size. */
static void
cut_states_are_refused(void)
{
	_Alignas(8) uint8_t gram[sizeof(CrGramState) + 8] = {0};
	uint8_t		ranking[24 + 16] = {0};

	cr_gram_state_init((CrGramState *) gram, 1);
	((CrGramState *) gram)->count = 1;
	cr_ranking_state_put_header(1, 0, ranking);
	CHECK(sizeof(gram) == cr_gram_state_size(1) && sizeof(ranking) == cr_ranking_state_size(1));
	for (size_t length = 0; length < sizeof(gram); length++)
	{
		void	   *cut = malloc(length);

		if (length > 0)
			memcpy(cut, gram, length);
		CHECK(cr_gram_state_check(cut, length) == CR_CORRUPT);
		free(cut);
	}
	for (size_t length = 0; length < sizeof(ranking); length++)
	{
		void	   *cut = malloc(length);

		if (length > 0)
			memcpy(cut, ranking, length);
		CHECK(cr_ranking_state_check(cut, length, &(CrRankingState) {0}) == CR_CORRUPT);
		free(cut);
	}
}

/* Check a state with room for two rows and this header. */
static CrStatus
ranking_check(int64_t count, int64_t k, size_t length)
{
	uint8_t    *bytes = malloc(length < 24 ? 24 : length);
	CrRankingState state;
	CrStatus	status;

	memset(bytes, 0, length);
	cr_ranking_state_put_header(count, k, bytes);
	status = cr_ranking_state_check(bytes, length, &state);
	CHECK(status != CR_OK || (state.count == count && state.k == k && state.rows == bytes + 24 &&
							  length == cr_ranking_state_size(state.room)));
	free(bytes);
	return status;
}

static void
ranking_states_are_checked(void)
{
	const size_t size = cr_ranking_state_size(2);

	CHECK(ranking_check(1, 0, size) == CR_OK);
	CHECK(ranking_check(2, INT32_MAX, size) == CR_OK);
	CHECK(ranking_check(3, 0, size) == CR_CORRUPT);
	CHECK(ranking_check(0, 0, size) == CR_CORRUPT);
	CHECK(ranking_check(-1, 0, size) == CR_CORRUPT);
	CHECK(ranking_check(INT64_MAX, 0, size) == CR_CORRUPT);
	CHECK(ranking_check(1, -1, size) == CR_CORRUPT);
	CHECK(ranking_check(1, (int64_t) INT32_MAX + 1, size) == CR_CORRUPT);
	CHECK(ranking_check(1, 0, cr_ranking_state_size(0)) == CR_CORRUPT);
	CHECK(ranking_check(1, 0, size - 1) == CR_CORRUPT);
	CHECK(ranking_check(1, 0, size + 8) == CR_CORRUPT);
	CHECK(ranking_check(1, 0, 23) == CR_CORRUPT);
	CHECK(ranking_check(1, 0, 0) == CR_CORRUPT);
	for (int i = 0; i < 8; i++)
	{
		uint8_t		bytes[40] = {0};
		CrRankingState state;

		cr_ranking_state_put_header(1, 0, bytes);
		CHECK(cr_ranking_state_check(bytes, sizeof(bytes), &state) == CR_OK);
		bytes[i] ^= 1;
		CHECK(cr_ranking_state_check(bytes, sizeof(bytes), &state) == CR_CORRUPT);
	}
}

UNIT_MAIN(UNIT_TEST(piles_are_checked),
		  UNIT_TEST(widths_are_checked),
		  UNIT_TEST(text_rows_round_trip),
		  UNIT_TEST(damaged_text_rows_are_refused),
		  UNIT_TEST(parameters_are_checked),
		  UNIT_TEST(entries_are_checked),
		  UNIT_TEST(factor_rows_round_trip),
		  UNIT_TEST(dims_of_factors_are_checked),
		  UNIT_TEST(sums_round_trip),
		  UNIT_TEST(damaged_sums_are_refused),
		  UNIT_TEST(gram_states_are_checked),
		  UNIT_TEST(ranking_states_are_checked),
		  UNIT_TEST(cut_states_are_refused));
