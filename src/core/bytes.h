/*
 * bytes.h
 *		Little-endian loads and stores at any address, for the byte formats.
 *
 * Written in single bytes, so that neither the alignment nor the byte order of
 * the machine matters; compilers make one instruction of each.
 */
#ifndef CR_BYTES_H
#define CR_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint16_t
cr_load_u16(const uint8_t *bytes)
{
	return (uint16_t) (bytes[0] | (bytes[1] << 8));
}

static inline uint32_t
cr_load_u32(const uint8_t *bytes)
{
	return (uint32_t) bytes[0] | ((uint32_t) bytes[1] << 8) |
		((uint32_t) bytes[2] << 16) | ((uint32_t) bytes[3] << 24);
}

static inline float
cr_load_float(const uint8_t *bytes)
{
	uint32_t	bits = cr_load_u32(bytes);
	float		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static inline void
cr_store_u16(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t) value;
	bytes[1] = (uint8_t) (value >> 8);
}

static inline void
cr_store_u32(uint8_t *bytes, uint32_t value)
{
	bytes[0] = (uint8_t) value;
	bytes[1] = (uint8_t) (value >> 8);
	bytes[2] = (uint8_t) (value >> 16);
	bytes[3] = (uint8_t) (value >> 24);
}

static inline void
cr_store_float(uint8_t *bytes, float value)
{
	uint32_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	cr_store_u32(bytes, bits);
}

#endif							/* CR_BYTES_H */
