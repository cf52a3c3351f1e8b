/*
 * itemset.h
 *		Which items pass a filter: one bit each, in pieces of CR_ITEMSET_BITS item numbers.
 *
 *	offset	size	content
 *	0		4		magic "CRIS"
 *	4		1		format version, 1
 *	5		3		zero
 *	8		4		first item_no, uint32 little-endian, a multiple of CR_ITEMSET_BITS
 *	12		7936	bits: item first + i at bit i % 8 of byte i / 8
 *
 * A piece fits one row of an 8 KB page, and a bit is found without a search.
 */
#ifndef CR_ITEMSET_H
#define CR_ITEMSET_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define CR_ITEMSET_HEADER	12
#define CR_ITEMSET_BITS		63488
#define CR_ITEMSET_WORDS	(CR_ITEMSET_BITS / 64)
#define CR_ITEMSET_BYTES	(CR_ITEMSET_HEADER + CR_ITEMSET_BITS / 8)

/* An empty piece. */
extern CrStatus cr_itemset_init(int32_t first, uint8_t *out);

/* Set an item's bit; CR_INVALID_ARGUMENT if it belongs to another piece. */
extern CrStatus cr_itemset_add(uint8_t *bytes, int32_t item_no);

/* Check everything but the bits, of which any will do; "first" is the piece that is expected. */
extern CrStatus cr_itemset_check(const uint8_t *bytes, size_t length, int32_t first);

/* Copy the bits of a checked piece to CR_ITEMSET_WORDS words. */
extern void cr_itemset_decode(const uint8_t *bytes, uint64_t *words);

/* The lowest bit from "from" on that is set; CR_ITEMSET_BITS if there is none. */
extern int32_t cr_itemset_next(const uint64_t *words, int32_t from);

static inline int
cr_itemset_has(const uint64_t *words, int32_t bit)
{
	return (int) (words[bit / 64] >> (bit % 64) & 1);
}

#endif							/* CR_ITEMSET_H */
