/*
 * fuzz.h
 *		What the fuzz targets share.
 *
 * A target fuzz_NAME.c has one function, LLVMFuzzerTestOneInput(), which gives
 * any bytes to a decoder of stored bytes and uses what comes out.  ASAN and
 * UBSAN watch; beyond that, what decodes must encode to the same value again.
 * Nothing is leaked: libFuzzer would tell.
 */
#ifndef CR_FUZZ_H
#define CR_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/status.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold of every input. */
#define REQUIRE(cond) \
	do { \
		if (!(cond)) \
		{ \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #cond); \
			abort(); \
		} \
	} while (0)

/* Memory for exactly so many bytes, so that ASAN sees the first beyond. */
static inline void *
fuzz_alloc(size_t size)
{
	void	   *memory = malloc(size);

	REQUIRE(memory != NULL || size == 0);
	return memory;
}

/*
 * A copy that begins at an odd address, as bytes in a row may.  Free it with
 * fuzz_free().
 */
static inline uint8_t *
fuzz_copy(const uint8_t *bytes, size_t size)
{
	uint8_t    *memory = fuzz_alloc(size + 1);

	if (size > 0)
		memcpy(memory + 1, bytes, size);
	return memory + 1;
}

static inline void
fuzz_free(uint8_t *copy)
{
	free(copy - 1);
}

/* A header field, whatever it says; 0 if the bytes end before it. */
static inline uint32_t
fuzz_field(const uint8_t *bytes, size_t size, size_t offset)
{
	return size >= offset + 4 ? cr_load_u32(bytes + offset) : 0;
}

/* The only answers to bytes that do not decode, of a size that was not asked for. */
static inline int
fuzz_is_refusal(CrStatus status)
{
	return status == CR_CORRUPT || status == CR_UNSUPPORTED_FORMAT;
}

#endif							/* CR_FUZZ_H */
