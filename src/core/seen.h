/*
 * seen.h
 *		The items a user has had to do with, packed into one sorted array.
 *
 *	offset	size	content
 *	0		4		magic "CRSN"
 *	4		1		format version, 1
 *	5		3		zero
 *	8		4		count, uint32 little-endian
 *	12		4*count	entries, uint32 little-endian, strictly ascending:
 *					item_no << 1 | disliked
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

typedef enum CrSeenState
{
	CR_UNSEEN = 0,
	CR_SEEN = 1,
	CR_DISLIKED = 2
} CrSeenState;

extern size_t cr_seen_size(uint32_t count);

/* entries: sorted "item_no << 1 | disliked" values, strictly ascending in item_no. */
extern void cr_seen_encode(const uint32_t *entries, uint32_t count, uint8_t *out);

/* Check everything, order included; sets *count. */
extern CrStatus cr_seen_check(const uint8_t *bytes, size_t length, uint32_t *count);

/* Copy the entries of a checked array out to aligned memory. */
extern void cr_seen_decode(const uint8_t *bytes, uint32_t count, uint32_t *out);

/* Binary search in decoded entries. */
extern CrSeenState cr_seen_lookup(const uint32_t *entries, uint32_t count, int32_t item_no);

#endif							/* CR_SEEN_H */
