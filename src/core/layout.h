/*
 * layout.h
 *		Laying out arrays one behind the other in a block of memory, and the integers that it takes.
 */
#ifndef CR_LAYOUT_H
#define CR_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

static inline int64_t
cr_smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t
cr_larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* a / b, rounded up; both are at least 0. */
static inline int64_t
cr_ceiling(int64_t a, int64_t b)
{
	return a / b + (a % b != 0);
}

/* The offset of an array at the end of the block, which moves on to the next 64 bytes. */
static inline size_t
cr_lay(size_t *end, int64_t count, size_t size)
{
	size_t		at = *end;

	*end += ((size_t) count * size + 63) / 64 * 64;
	return at;
}

#endif							/* CR_LAYOUT_H */
