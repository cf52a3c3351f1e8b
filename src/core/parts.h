/*
 * parts.h
 *		Byte forms of what a training is made of, for training in SQL.
 *
 * All numbers are little-endian and nothing is aligned.  Each begins with
 * a magic of four bytes, the format version 1 and three zeros.
 *
 *	offset	size	list "CRLS": one sparse row
 *	8		4		count n, uint32
 *	12		4*n		item_no, uint32, strictly ascending, below 2^31
 *			4*n		values, float, finite
 *
 *	offset	size	sparse matrix "CRCS"
 *	8		4		rows R, uint32, below 2^31
 *	12		4		columns C, uint32, below 2^31
 *	16		8		entries n, uint64
 *	24		8*(R+1)	offsets of the rows' entries, uint64, from 0 to n
 *			4*n		column, uint32, strictly ascending within a row, below C
 *			4*n		values, float, finite
 *
 *	offset	size	factors "CRFM": a dense matrix, one embedding a row
 *	8		4		dims d, uint32, 1 .. CR_PARTS_DIMS_MAX
 *	12		4		rows R, uint32, below 2^31
 *	16		4*R*d	elements, float; a row of zeros is one that was not given
 *
 *	offset	size	Gram matrix "CRGM": the sum of y y' over embeddings y
 *	8		4		dims d, uint32, 1 .. CR_PARTS_DIMS_MAX
 *	12		8		count of the embeddings, uint64
 *	20		4*d*(d+1)	upper triangle, row by row, double, finite
 *
 * What is checked once may be used without further checks, but for the
 * elements of factors, which are checked by whoever loads them.
 */
#ifndef CR_PARTS_H
#define CR_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define CR_PARTS_DIMS_MAX	512
#define CR_LIST_HEADER		12
#define CR_MATRIX_HEADER	24
#define CR_FACTORS_HEADER	16
#define CR_GRAM_HEADER		20

typedef struct CrListView
{
	uint32_t	count;
	const uint8_t *item_no;
	const uint8_t *value;
} CrListView;

extern uint64_t cr_list_size(uint32_t count);
extern void cr_list_put_header(uint8_t *out, uint32_t count);
extern void cr_list_put(uint8_t *out, uint32_t count, uint32_t i, uint32_t item_no, float value);
extern CrStatus cr_list_check(const uint8_t *bytes, size_t length, CrListView *list);

typedef struct CrMatrixView
{
	uint32_t	rows;
	uint32_t	columns;
	uint64_t	entries;
	const uint8_t *start;
	const uint8_t *column;
	const uint8_t *value;
} CrMatrixView;

extern uint64_t cr_matrix_size(uint32_t rows, uint64_t entries);
extern void cr_matrix_put_header(uint8_t *out, uint32_t rows, uint32_t columns, uint64_t entries);

/* The places in a matrix whose header has been written. */
extern void cr_matrix_view(uint8_t *out, CrMatrixView *matrix);
extern CrStatus cr_matrix_check(const uint8_t *bytes, size_t length, CrMatrixView *matrix);

/* Where the entries of a row begin; row may be "rows". */
extern uint64_t cr_matrix_start(const CrMatrixView *matrix, uint32_t row);

typedef struct CrFactorsView
{
	int32_t		dims;
	uint32_t	rows;
	const uint8_t *elements;
} CrFactorsView;

extern uint64_t cr_factors_size(int32_t dims, uint32_t rows);
extern void cr_factors_put_header(uint8_t *out, int32_t dims, uint32_t rows);
extern CrStatus cr_factors_check(const uint8_t *bytes, size_t length, CrFactorsView *factors);

/* Copy a row out, dims floats; CR_CORRUPT if an element is not finite. */
extern CrStatus cr_factors_load(const CrFactorsView *factors, uint32_t row, float *out);

typedef struct CrGramView
{
	int32_t		dims;
	uint64_t	count;
	const uint8_t *elements;
} CrGramView;

extern uint64_t cr_gram_bytes_size(int32_t dims);
extern void cr_gram_encode(uint8_t *out, int32_t dims, uint64_t count, const double *triangle);
extern CrStatus cr_gram_check(const uint8_t *bytes, size_t length, CrGramView *gram);

/* Elements of the triangle. */
extern size_t cr_gram_elements(int32_t dims);
extern void cr_gram_decode(const CrGramView *gram, double *triangle);

/* From the triangle to a dims x dims matrix, row-major; below the diagonal it is left alone. */
extern void cr_gram_spread(const double *triangle, int32_t dims, double *matrix);

/* triangle += y y' */
extern void cr_gram_accumulate(double *triangle, const float *y, int32_t dims);

/* The sum of all squared inner products of two sets of embeddings: trace of A B. */
extern double cr_gram_product(const double *a, const double *b, int32_t dims);

#endif							/* CR_PARTS_H */
