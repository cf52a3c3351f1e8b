/*
 * checksum.c
 *		Checksums of long bytes, with polls for interrupts.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "common/checksum.h"

uint32
ChecksumBytes(const void *bytes, Size length)
{
	uint32		checksum = 0;
	Size		at = 0;

	do
	{
		Size		size = Min(length - at, CR_CHECKSUM_CHUNK);

		CHECK_FOR_INTERRUPTS();
		checksum = cr_checksum(checksum, (const uint8_t *) bytes + at, size);
		at += size;
	} while (at < length);
	return checksum;
}
