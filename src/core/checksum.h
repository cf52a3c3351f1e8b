/*
 * checksum.h
 *		A fast checksum that notices every change within one 32-bit word.
 *
 * Sixteen lanes take the words in turn, each by steps that lose nothing of what
 * they had or got; so a change in one word always shows, and any other with
 * probability 1 - 2^-32.  It guards against accidents, not against forgers.
 */
#ifndef CR_CHECKSUM_H
#define CR_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Long parts are summed up in chunks of this many bytes, each starting from the one before. */
#define CR_CHECKSUM_CHUNK	((size_t) 8 * 1024 * 1024)

/* Checksum of bytes of any length, after those that gave "before" (0 at the beginning). */
extern uint32_t cr_checksum(uint32_t before, const uint8_t *bytes, size_t length);

#endif							/* CR_CHECKSUM_H */
