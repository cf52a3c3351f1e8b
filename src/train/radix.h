/*
 * radix.h
 *		Sorting numbers by 64-bit words: stable, one byte after the other, least first.
 *
 * Bytes in which all words agree cost nothing, so that small keys take few
 * passes.  Long ranges are polled for interrupts on the way.
 */
#ifndef COMMREC_RADIX_H
#define COMMREC_RADIX_H

typedef struct RadixBuffer
{
	uint64	   *word;
	int32	   *number;
} RadixBuffer;

/* Both buffers are the caller's and of the same size; sorting happens between them. */
typedef struct RadixSorter
{
	RadixBuffer main;			/* what is sorted, and the result */
	RadixBuffer spare;
} RadixSorter;

/* Sort the range [from, to) of "main" by word, ascending; equal words keep their order. */
extern void RadixSort(RadixSorter *sorter, int64 from, int64 to);

#endif							/* COMMREC_RADIX_H */
