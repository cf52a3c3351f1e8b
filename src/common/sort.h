/*
 * sort.h
 *		Sorting packed numbers by some of their bits, for lists that are rebuilt a million times.
 */
#ifndef COMMREC_SORT_H
#define COMMREC_SORT_H

/*
 * Sort ascending by the bits [shift, shift + bits) of each number; where these
 * are equal, the order stays.  "scratch" has room for as many.  The result is
 * in one of the two arrays: which one is returned.  At most 2^32 - 1 numbers.
 * Polls for interrupts.
 */
extern uint64 *SortByBits(uint64 *numbers, uint64 *scratch, int64 count, int shift, int bits);

/* Bits that the numbers 0 .. most need; at least 1. */
extern int	BitsOf(uint64 most);

#endif							/* COMMREC_SORT_H */
