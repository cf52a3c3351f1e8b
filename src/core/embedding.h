/*
 * embedding.h
 *		The byte form of one embedding.
 *
 *	offset	size	content
 *	0		4		magic "CRVE"
 *	4		1		format version, 1
 *	5		1		element type, 1 = IEEE 754 binary32, little-endian
 *	6		2		zero
 *	8		4		dims, uint32 little-endian, 1 .. CR_EMBEDDING_DIMS_MAX
 *	12		4*dims	elements
 *
 * Length, dims and finiteness are checked on every read; bytes are copied out,
 * never cast in place.
 */
#ifndef CR_EMBEDDING_H
#define CR_EMBEDDING_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define CR_EMBEDDING_HEADER		12
#define CR_EMBEDDING_DIMS_MAX	16000

extern size_t cr_embedding_size(int32_t dims);

/* Write cr_embedding_size(dims) bytes.  CR_NOT_FINITE if an element is not finite. */
extern CrStatus cr_embedding_encode(const float *values, int32_t dims, uint8_t *out);

/* Check the header against the length; sets *dims. */
extern CrStatus cr_embedding_check(const uint8_t *bytes, size_t length, int32_t *dims);

/* Check, require "dims" elements (else CR_DIMENSION_MISMATCH), all finite, and copy them out. */
extern CrStatus cr_embedding_decode(const uint8_t *bytes, size_t length, int32_t dims, float *out);

#endif							/* CR_EMBEDDING_H */
