/*
 * seen.h
 *		The items a user has had to do with, packed into one sorted array.
 *
 *	offset	size	content
 *	0		4		magic "CRSN"
 *	4		1		format version, 1, or 2 with times
 *	5		3		zero
 *	8		4		count, uint32 little-endian
 *	12		4*count	entries, uint32 little-endian, strictly ascending:
 *					item_no << 1 | disliked
 *	...		4*count	version 2: when each was last touched, uint32 little-endian,
 *					minutes since 2000-01-01 00:00 UTC, rounded up; 0 for before,
 *					CR_SEEN_NO_TIME where nothing is known
 *
 * An item_no occurs once.  A disliked item is never recommended, even where
 * seen items are asked for.
 */
#ifndef CR_SEEN_H
#define CR_SEEN_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define CR_SEEN_HEADER	12
#define CR_SEEN_NO_TIME	UINT32_MAX

typedef enum CrSeenState
{
	CR_UNSEEN = 0,
	CR_SEEN = 1,
	CR_DISLIKED = 2
} CrSeenState;

extern size_t cr_seen_size(uint32_t count);
extern size_t cr_seen_size_timed(uint32_t count);

/* entries: sorted "item_no << 1 | disliked" values, strictly ascending in item_no. */
extern void cr_seen_encode(const uint32_t *entries, uint32_t count, uint8_t *out);

/* The same with times, in the order of the entries. */
extern void cr_seen_encode_timed(const uint32_t *entries, const uint32_t *times, uint32_t count,
								 uint8_t *out);

/* Check everything, order included, of either version; sets *count. */
extern CrStatus cr_seen_check(const uint8_t *bytes, size_t length, uint32_t *count);

/* Copy the entries of a checked array out to aligned memory. */
extern void cr_seen_decode(const uint8_t *bytes, uint32_t count, uint32_t *out);

/* Does a checked array have times?  If so, copy them out. */
extern int	cr_seen_is_timed(const uint8_t *bytes);
extern void cr_seen_decode_times(const uint8_t *bytes, uint32_t count, uint32_t *out);

/* Binary search in decoded entries; *place is where it is, if it was seen or disliked. */
extern CrSeenState cr_seen_find(const uint32_t *entries, uint32_t count, int32_t item_no,
								uint32_t *place);

/* The same, when the place does not matter. */
extern CrSeenState cr_seen_lookup(const uint32_t *entries, uint32_t count, int32_t item_no);

#endif							/* CR_SEEN_H */
