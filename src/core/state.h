/*
 * state.h
 *		The states of the aggregates: their forms, and whether bytes are a sound one.
 *
 * A state passes between the processes of one query as an ordinary value, and
 * anybody may call an aggregate's support functions with any bytes.  So every
 * function that hands something out checks it, and what is not sound is
 * CR_CORRUPT.  States are in the byte order of the machine, because none
 * outlives its query; there is no version but the present one.
 *
 *	pile		rows as they came, behind a prefix that all of them share:
 *				ials, collect, pack_csr, pack_factors
 *	sum			sums of embeddings: avg, sum
 *	Gram		a Gram matrix: gram
 *	ranking		scores and relevances: ndcg, recall_at and the other metrics
 *
 * Piles and Gram matrices are changed in place, as a transition function may;
 * they are structs, aligned to 8 bytes, which begin with the length word of the
 * value.  That word is the database's: the core is told the size and does not
 * look.  The bytes of the others are those behind it, at any address.
 */
#ifndef CR_STATE_H
#define CR_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "core/algorithm.h"
#include "core/status.h"

/* Piles */

typedef struct CrPile
{
	int32_t		length;			/* the database's */
	uint32_t	magic;			/* of the aggregate */
	int64_t		rows;
	uint64_t	used;			/* bytes of data[], prefix and rows; the rest is room for more */
	uint32_t	prefix;			/* bytes of the prefix */
	uint32_t	unused;
	uint8_t		data[];
} CrPile;

#define CR_PILE_HEADER	offsetof(CrPile, data)

/* Check a value of "size" bytes, but for what its prefix and its rows hold. */
extern CrStatus cr_pile_check(const CrPile *pile, size_t size, uint32_t magic);

static inline const uint8_t *
cr_pile_rows(const CrPile *pile)
{
	return pile->data + pile->prefix;
}

static inline size_t
cr_pile_row_bytes(const CrPile *pile)
{
	return (size_t) (pile->used - pile->prefix);
}

/* At least one row, and all of them of "width" bytes? */
extern CrStatus cr_pile_check_width(const CrPile *pile, size_t width);

/* A row of ials with ids of type bigint, as it lies there. */
typedef struct CrEventRow
{
	int64_t		user;
	int64_t		item;
	double		preference;
} CrEventRow;

/* One with ids of type text: preference and lengths, then the bytes of user and item. */
typedef struct CrTextRow
{
	double		preference;
	uint16_t	user_length;
	uint16_t	item_length;
	const uint8_t *user;
	const uint8_t *item;
} CrTextRow;

extern size_t cr_text_row_size(const CrTextRow *row);
extern void cr_text_row_put(const CrTextRow *row, uint8_t *out);

/*
 * The row at byte "at" of the rows, which ends within the pile and has ids of
 * at most CR_PACK_TEXT_MAX bytes.  Returns its size; 0: damaged.
 */
extern size_t cr_text_row_get(const CrPile *pile, size_t at, CrTextRow *row);

/* The prefix of ials begins with hyperparameters; NaN are those that the data decide. */
extern CrStatus cr_pile_get_parameters(const CrPile *pile, const CrAlgorithm *algorithm,
									   CrHyperparameters *parameters);

/* A row of collect and pack_csr, as it lies there; a list has row 0. */
typedef struct CrSparseEntry
{
	double		value;			/* finite */
	int32_t		row;			/* as columns: 0 .. 2^31 - 2 */
	int32_t		column;
} CrSparseEntry;

/* Copy out entries [from, to) of a pile whose width has been checked. */
extern CrStatus cr_pile_get_entries(const CrPile *pile, int64_t from, int64_t to,
									CrSparseEntry *entries);

/* The prefix of pack_factors: dimensions, 1 .. CR_PARTS_DIMS_MAX. */
extern CrStatus cr_pile_get_dims(const CrPile *pile, int32_t *dims);

/* Its rows: a number 0 .. 2^31 - 2, and that row's elements, which may be any floats. */
extern size_t cr_factor_row_size(int32_t dims);
extern void cr_factor_row_put(int32_t row, const float *elements, int32_t dims, uint8_t *out);

/* The i-th of a pile whose dimensions and width have been checked; elements may be NULL. */
extern CrStatus cr_pile_get_factors(const CrPile *pile, int32_t dims, int64_t i, int32_t *row,
									float *elements);

/*
 * Sums of embeddings
 *
 *	offset	size	content
 *	0		4		magic "CRES"
 *	4		1		format version, 1
 *	5		3		zero
 *	8		4		dims, uint32, 1 .. CR_EMBEDDING_DIMS_MAX
 *	12		8		count of embeddings, int64, at least 1
 *	20		8*dims	sums, double, finite
 */
typedef struct CrSumState
{
	int32_t		dims;
	int64_t		count;
	double	   *sums;			/* of the caller */
} CrSumState;

extern size_t cr_sum_state_size(int32_t dims);
extern void cr_sum_state_encode(const CrSumState *state, uint8_t *out);

/* Check all but the sums; sets dims and count. */
extern CrStatus cr_sum_state_check(const uint8_t *bytes, size_t length, CrSumState *state);

/* Check the sums of bytes that have been checked, and copy them to state->sums. */
extern CrStatus cr_sum_state_decode(const uint8_t *bytes, CrSumState *state);

/* Gram matrices */

typedef struct CrGramState
{
	int32_t		length;			/* the database's */
	uint32_t	magic;
	int64_t		count;			/* of embeddings; at least 1, but for a new one */
	int32_t		dims;			/* 1 .. CR_PARTS_DIMS_MAX */
	int32_t		unused;
	double		triangle[];		/* upper triangle of the sum, any doubles */
} CrGramState;

extern size_t cr_gram_state_size(int32_t dims);

/* Of no embeddings yet; leaves the length word alone. */
extern void cr_gram_state_init(CrGramState *state, int32_t dims);
extern CrStatus cr_gram_state_check(const CrGramState *state, size_t size);

/*
 * Rankings
 *
 *	offset	size	content
 *	0		4		magic "CRMS"
 *	4		1		format version, 1
 *	5		3		zero
 *	8		8		count of the rows, int64, at least 1
 *	16		8		k, int64; 0: the whole ranking
 *	24		16*room	rows, of which "count" are there
 */
typedef struct CrRankingRow
{
	double		score;			/* NaN: none */
	double		relevance;
} CrRankingRow;

typedef struct CrRankingState
{
	int64_t		count;
	int64_t		room;			/* from the length */
	int64_t		k;				/* 0 .. 2^31 - 1 */
	const uint8_t *rows;		/* within the bytes */
} CrRankingState;

#define CR_RANKING_STATE_HEADER	24

extern size_t cr_ranking_state_size(int64_t room);

/* The header; the rows are the caller's to write. */
extern void cr_ranking_state_put_header(int64_t count, int64_t k, uint8_t *out);
extern CrStatus cr_ranking_state_check(const uint8_t *bytes, size_t length, CrRankingState *state);

#endif							/* CR_STATE_H */
