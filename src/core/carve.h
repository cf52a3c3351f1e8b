/*
 * carve.h
 *		Cutting one block of the caller's into arrays.
 *
 * The same sequence of calls sizes a block and carves it: without a block,
 * only the bytes are counted.
 */
#ifndef CR_CARVE_H
#define CR_CARVE_H

#include "core/layout.h"

typedef struct CrCarver
{
	void	   *block;			/* aligned to 64; NULL: count only */
	size_t		used;			/* bytes so far, whole cache lines */
} CrCarver;

/* The next "count" elements, aligned to a cache line; NULL without a block. */
static inline void *
cr_carve(CrCarver *carver, uint64_t count, size_t element)
{
	size_t		at = cr_lay(&carver->used, (int64_t) count, element);

	return carver->block == NULL ? NULL : (char *) carver->block + at;
}

#endif							/* CR_CARVE_H */
