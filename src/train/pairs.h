/*
 * pairs.h
 *		The positive pairs of a training as arrays, by user and by item.
 */
#ifndef COMMREC_PAIRS_H
#define COMMREC_PAIRS_H

#include "core/csr.h"

/* A CSR to be filled. */
typedef struct PairArrays
{
	int64	   *start;			/* rows + 1 */
	int32	   *column;			/* pairs */
	float	   *weight;			/* pairs, or NULL: all are 1 */
} PairArrays;

/*
 * The item-major copy of user-major pairs, as cr_csr_transpose makes it, with
 * polls for interrupts.  Returns the sum of the weights, added up in the order
 * of the pairs.
 */
extern double PairsTranspose(const CrCsr *users, PairArrays *items);

#endif							/* COMMREC_PAIRS_H */
