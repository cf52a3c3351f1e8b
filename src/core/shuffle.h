/*
 * shuffle.h
 *		A permutation of 0 .. n-1 that takes no memory.
 *
 * A Feistel network permutes the next power of 4; numbers past the end are
 * permuted again until they fall into the range (Black & Rogaway 2002).
 */
#ifndef CR_SHUFFLE_H
#define CR_SHUFFLE_H

#include <stdint.h>

#define CR_SHUFFLE_ROUNDS	6

typedef struct CrShuffle
{
	int64_t		count;
	int			half_bits;		/* of each half of a number */
	uint64_t	key[CR_SHUFFLE_ROUNDS];
} CrShuffle;

/* The permutation of (seed, stream); "count" is at least 1. */
extern void cr_shuffle_init(CrShuffle *shuffle, int64_t count, uint64_t seed, uint64_t stream);

/* What stands at a place, both of 0 .. count-1. */
extern int64_t cr_shuffle_at(const CrShuffle *shuffle, int64_t place);

#endif							/* CR_SHUFFLE_H */
