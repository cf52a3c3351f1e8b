/*
 * checksum.h
 *		Checksums of long bytes, with polls for interrupts.
 */
#ifndef COMMREC_CHECKSUM_H
#define COMMREC_CHECKSUM_H

#include "core/checksum.h"

/* Checksum of bytes of any length, in chunks of CR_CHECKSUM_CHUNK. */
extern uint32 ChecksumBytes(const void *bytes, Size length);

#endif							/* COMMREC_CHECKSUM_H */
