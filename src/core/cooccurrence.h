/*
 * cooccurrence.h
 *		Rows of the sparse product of the preference matrix with itself, one item at a time.
 *
 * Row i of such a product is sum over the users u of i of f_iu v_u., where v_u.
 * is the user's row of values: cosines, random walks and the Gram matrix are
 * all made of it.  A row is collected in one dense array of a participant's
 * scratch, so that there is never more than one of them; items that are
 * expected to share users with few others keep a list of the places touched.
 *
 * The cost of a row is the number of its additions, sum over u of n_u.  Units
 * of about equal cost are cut by prefix sums over the items.
 */
#ifndef CR_COOCCURRENCE_H
#define CR_COOCCURRENCE_H

#include <stdint.h>

#include "core/carve.h"
#include "core/csr.h"
#include "core/topk.h"

/* Write f of "count" pairs of the item-major matrix, from place "from" on; none is negative. */
typedef void (*CrCooccurrenceFactors) (const void *context, int64_t item, int64_t from,
									   int32_t count, float *factor);

typedef struct CrCooccurrence
{
	const CrCsr *users;
	const CrCsr *items;
	const float *value;			/* v of the pairs of "users"; NULL: all 1 */
	CrCooccurrenceFactors factors;	/* NULL: all 1 */
	const void *context;		/* of it */
	float	   *sum;			/* one an item, all 0 between rows */
	int32_t    *touched;		/* places that became nonzero, unless is_dense */
	int64_t		touched_count;
	int			is_dense;		/* all places are looked at in the end */
	CrScored   *entries;		/* of the row, once collected */
	uint32_t   *counters;		/* for core/select.h */
} CrCooccurrence;

/* Carve, from zeroed scratch, what rows over "items" items need; the rest is the caller's to set. */
extern void cr_cooccurrence_carve(CrCooccurrence *product, CrCarver *scratch, int64_t items);

/*
 * The row of an item that takes so many additions, as entries, but for zeros
 * and the item itself, in no particular order; how many there are.
 */
extern int64_t cr_cooccurrence_row(CrCooccurrence *product, int64_t item, int64_t additions);

/* The same as sums, all items; the caller clears them. */
extern void cr_cooccurrence_sums(CrCooccurrence *product, int64_t item);

/* Rows [*from, *to) of a CSR, or of any prefix sums, whose start lies in the unit-th slice of "size". */
extern void cr_slice(const int64_t *start, int64_t rows, int64_t size, int64_t unit, int64_t *from,
					 int64_t *to);

/* Slices of start[rows]. */
extern int64_t cr_slices(int64_t total, int64_t size);

/* cost[i] = base + additions of item i, for a range of items. */
extern void cr_cooccurrence_cost(const CrCsr *users, const CrCsr *items, int64_t base,
								 int64_t *cost, int64_t from, int64_t to);

/*
 * CPU seconds of all rows and of choosing from them, roughly: heavy users make
 * the additions some three times what the mean user would.
 */
extern double cr_cooccurrence_seconds(int64_t users, int64_t items, int64_t pairs);

/* In place, from n counts and one place more to n + 1 offsets. */
extern void cr_prefix_sums(int64_t *counts, int64_t n);

#endif							/* CR_COOCCURRENCE_H */
