/*
 * preferences.h
 *		The byte form of one user's preferences, in the order of his seen items.
 *
 * Beside the list of seen items (core/seen.h), so that a user can be solved
 * again, and every score explained, without his events.  Nothing is lost:
 * what comes out is what went in, to the bit.
 *
 *	offset	size	content
 *	0		4		magic "CRPR"
 *	4		1		format version, 1
 *	5		1		bits of a code: 0, 4 or 32
 *	6		2		number of values V, uint16 little-endian: 0 or 1, 1 .. 16, or 0
 *	8		4		count N, uint32 little-endian
 *	12		4*V		the values, float little-endian
 *	...				0 bits: nothing, all N are the one value; 4 bits: (N + 1) / 2 bytes of
 *					indexes into the values, the low half first; 32 bits: N floats
 */
#ifndef CR_PREFERENCES_H
#define CR_PREFERENCES_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Bytes that "count" preferences take at most. */
extern size_t cr_preferences_size_max(uint32_t count);

/* Write them; returns the bytes used.  All must be finite. */
extern size_t cr_preferences_encode(const float *preferences, uint32_t count, uint8_t *out);

/* Check everything, require "count" of them (else CR_CORRUPT), and copy them out. */
extern CrStatus cr_preferences_decode(const uint8_t *bytes, size_t length, uint32_t count,
									  float *out);

#endif							/* CR_PREFERENCES_H */
