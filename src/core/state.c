/*
 * state.c
 *		The states of the aggregates.
 */
#include <math.h>
#include <string.h>

#include "core/embedding.h"
#include "core/pack.h"
#include "core/parts.h"
#include "core/state.h"

#define SUM_HEADER		20
#define GRAM_MAGIC		0x53475243	/* "CRGS" */
#define TEXT_ROW_HEADER	(sizeof(double) + 2 * sizeof(uint16_t))

static const uint8_t sum_magic[8] = {'C', 'R', 'E', 'S', 1, 0, 0, 0};
static const uint8_t ranking_magic[8] = {'C', 'R', 'M', 'S', 1, 0, 0, 0};

CrStatus
cr_pile_check(const CrPile *pile, size_t size, uint32_t magic)
{
	if (size < CR_PILE_HEADER || pile->magic != magic || pile->used > size - CR_PILE_HEADER ||
		pile->prefix > pile->used || pile->rows < 0 || (uint64_t) pile->rows > pile->used)
		return CR_CORRUPT;
	return CR_OK;
}

CrStatus
cr_pile_check_width(const CrPile *pile, size_t width)
{
	size_t		bytes = cr_pile_row_bytes(pile);

	/* Divided, so that nothing wraps. */
	if (pile->rows < 1 || bytes % width != 0 || bytes / width != (uint64_t) pile->rows)
		return CR_CORRUPT;
	return CR_OK;
}

size_t
cr_text_row_size(const CrTextRow *row)
{
	return TEXT_ROW_HEADER + row->user_length + row->item_length;
}

void
cr_text_row_put(const CrTextRow *row, uint8_t *out)
{
	memcpy(out, &row->preference, sizeof(double));
	memcpy(out + sizeof(double), &row->user_length, sizeof(uint16_t));
	memcpy(out + sizeof(double) + sizeof(uint16_t), &row->item_length, sizeof(uint16_t));
	memcpy(out + TEXT_ROW_HEADER, row->user, row->user_length);
	memcpy(out + TEXT_ROW_HEADER + row->user_length, row->item, row->item_length);
}

size_t
cr_text_row_get(const CrPile *pile, size_t at, CrTextRow *row)
{
	const uint8_t *bytes = cr_pile_rows(pile) + at;
	size_t		left = cr_pile_row_bytes(pile) - at;

	if (left < TEXT_ROW_HEADER)
		return 0;
	memcpy(&row->preference, bytes, sizeof(double));
	memcpy(&row->user_length, bytes + sizeof(double), sizeof(uint16_t));
	memcpy(&row->item_length, bytes + sizeof(double) + sizeof(uint16_t), sizeof(uint16_t));
	row->user = bytes + TEXT_ROW_HEADER;
	row->item = row->user + row->user_length;
	if (left < cr_text_row_size(row) || row->user_length > CR_PACK_TEXT_MAX ||
		row->item_length > CR_PACK_TEXT_MAX)
		return 0;
	return cr_text_row_size(row);
}

CrStatus
cr_pile_get_parameters(const CrPile *pile, const CrAlgorithm *algorithm,
					   CrHyperparameters *parameters)
{
	if (pile->prefix < sizeof(CrHyperparameters))
		return CR_CORRUPT;
	memcpy(parameters, pile->data, sizeof(CrHyperparameters));
	return cr_parameters_allowed(algorithm, parameters) ? CR_OK : CR_CORRUPT;
}

/* A number of a row or column, of which there are at most 2^31 - 1. */
static int
is_number(int32_t number)
{
	return number >= 0 && number < INT32_MAX;
}

CrStatus
cr_pile_get_entries(const CrPile *pile, int64_t from, int64_t to, CrSparseEntry *entries)
{
	memcpy(entries, cr_pile_rows(pile) + sizeof(CrSparseEntry) * (size_t) from,
		   sizeof(CrSparseEntry) * (size_t) (to - from));
	for (int64_t i = 0; i < to - from; i++)
	{
		if (!is_number(entries[i].row) || !is_number(entries[i].column) ||
			!isfinite(entries[i].value))
			return CR_CORRUPT;
	}
	return CR_OK;
}

CrStatus
cr_pile_get_dims(const CrPile *pile, int32_t *dims)
{
	if (pile->prefix != sizeof(int32_t))
		return CR_CORRUPT;
	memcpy(dims, pile->data, sizeof(int32_t));
	return *dims >= 1 && *dims <= CR_PARTS_DIMS_MAX ? CR_OK : CR_CORRUPT;
}

size_t
cr_factor_row_size(int32_t dims)
{
	return sizeof(int32_t) + sizeof(float) * (size_t) dims;
}

void
cr_factor_row_put(int32_t row, const float *elements, int32_t dims, uint8_t *out)
{
	memcpy(out, &row, sizeof(int32_t));
	memcpy(out + sizeof(int32_t), elements, sizeof(float) * (size_t) dims);
}

CrStatus
cr_pile_get_factors(const CrPile *pile, int32_t dims, int64_t i, int32_t *row, float *elements)
{
	const uint8_t *bytes = cr_pile_rows(pile) + cr_factor_row_size(dims) * (size_t) i;

	memcpy(row, bytes, sizeof(int32_t));
	if (elements != NULL)
		memcpy(elements, bytes + sizeof(int32_t), sizeof(float) * (size_t) dims);
	return is_number(*row) ? CR_OK : CR_CORRUPT;
}

size_t
cr_sum_state_size(int32_t dims)
{
	return SUM_HEADER + sizeof(double) * (size_t) dims;
}

void
cr_sum_state_encode(const CrSumState *state, uint8_t *out)
{
	memcpy(out, sum_magic, sizeof(sum_magic));
	memcpy(out + 8, &state->dims, sizeof(int32_t));
	memcpy(out + 12, &state->count, sizeof(int64_t));
	memcpy(out + SUM_HEADER, state->sums, sizeof(double) * (size_t) state->dims);
}

CrStatus
cr_sum_state_check(const uint8_t *bytes, size_t length, CrSumState *state)
{
	if (length < SUM_HEADER || memcmp(bytes, sum_magic, sizeof(sum_magic)) != 0)
		return CR_CORRUPT;
	memcpy(&state->dims, bytes + 8, sizeof(int32_t));
	memcpy(&state->count, bytes + 12, sizeof(int64_t));
	if (state->dims < 1 || state->dims > CR_EMBEDDING_DIMS_MAX || state->count < 1 ||
		length != cr_sum_state_size(state->dims))
		return CR_CORRUPT;
	return CR_OK;
}

CrStatus
cr_sum_state_decode(const uint8_t *bytes, CrSumState *state)
{
	memcpy(state->sums, bytes + SUM_HEADER, sizeof(double) * (size_t) state->dims);
	for (int32_t i = 0; i < state->dims; i++)
	{
		if (!isfinite(state->sums[i]))
			return CR_CORRUPT;
	}
	return CR_OK;
}

size_t
cr_gram_state_size(int32_t dims)
{
	return offsetof(CrGramState, triangle) + sizeof(double) * cr_gram_elements(dims);
}

void
cr_gram_state_init(CrGramState *state, int32_t dims)
{
	state->magic = GRAM_MAGIC;
	state->count = 0;
	state->dims = dims;
	state->unused = 0;
	memset(state->triangle, 0, sizeof(double) * cr_gram_elements(dims));
}

CrStatus
cr_gram_state_check(const CrGramState *state, size_t size)
{
	if (size < offsetof(CrGramState, triangle) || state->magic != GRAM_MAGIC || state->dims < 1 ||
		state->dims > CR_PARTS_DIMS_MAX || state->count < 1 ||
		size != cr_gram_state_size(state->dims))
		return CR_CORRUPT;
	return CR_OK;
}

size_t
cr_ranking_state_size(int64_t room)
{
	return CR_RANKING_STATE_HEADER + sizeof(CrRankingRow) * (size_t) room;
}

void
cr_ranking_state_put_header(int64_t count, int64_t k, uint8_t *out)
{
	memcpy(out, ranking_magic, sizeof(ranking_magic));
	memcpy(out + 8, &count, sizeof(int64_t));
	memcpy(out + 16, &k, sizeof(int64_t));
}

CrStatus
cr_ranking_state_check(const uint8_t *bytes, size_t length, CrRankingState *state)
{
	if (length < CR_RANKING_STATE_HEADER ||
		(length - CR_RANKING_STATE_HEADER) % sizeof(CrRankingRow) != 0 ||
		memcmp(bytes, ranking_magic, sizeof(ranking_magic)) != 0)
		return CR_CORRUPT;
	state->room = (int64_t) ((length - CR_RANKING_STATE_HEADER) / sizeof(CrRankingRow));
	memcpy(&state->count, bytes + 8, sizeof(int64_t));
	memcpy(&state->k, bytes + 16, sizeof(int64_t));
	state->rows = bytes + CR_RANKING_STATE_HEADER;
	if (state->count < 1 || state->count > state->room || state->k < 0 || state->k > INT32_MAX)
		return CR_CORRUPT;
	return CR_OK;
}
