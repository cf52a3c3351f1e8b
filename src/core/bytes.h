/*
 * bytes.h
 *		Little-endian loads and stores at any address, for the byte formats.
 *
 * Written in single bytes, so that neither the alignment nor the byte order of
 * the machine matters; compilers make one instruction of each.
 */
#ifndef CR_BYTES_H
#define CR_BYTES_H

#include <stddef.h>
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

static inline uint64_t
cr_load_u64(const uint8_t *bytes)
{
	return (uint64_t) cr_load_u32(bytes) | ((uint64_t) cr_load_u32(bytes + 4) << 32);
}

static inline double
cr_load_double(const uint8_t *bytes)
{
	uint64_t	bits = cr_load_u64(bytes);
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
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

static inline void
cr_store_u64(uint8_t *bytes, uint64_t value)
{
	cr_store_u32(bytes, (uint32_t) value);
	cr_store_u32(bytes + 4, (uint32_t) (value >> 32));
}

static inline void
cr_store_double(uint8_t *bytes, double value)
{
	uint64_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	cr_store_u64(bytes, bits);
}

/* Many at once: one copy where the machine's order is that of the format. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define CR_IS_LITTLE_ENDIAN	1
#else
#define CR_IS_LITTLE_ENDIAN	0
#endif

static inline void
cr_load_floats(const uint8_t *bytes, float *values, size_t count)
{
	if (CR_IS_LITTLE_ENDIAN)
		memcpy(values, bytes, count * sizeof(float));
	else
	{
		for (size_t i = 0; i < count; i++)
			values[i] = cr_load_float(bytes + sizeof(float) * i);
	}
}

static inline void
cr_store_floats(uint8_t *bytes, const float *values, size_t count)
{
	if (CR_IS_LITTLE_ENDIAN)
		memcpy(bytes, values, count * sizeof(float));
	else
	{
		for (size_t i = 0; i < count; i++)
			cr_store_float(bytes + sizeof(float) * i, values[i]);
	}
}

static inline void
cr_load_u32s(const uint8_t *bytes, uint32_t *values, size_t count)
{
	if (CR_IS_LITTLE_ENDIAN)
		memcpy(values, bytes, count * sizeof(uint32_t));
	else
	{
		for (size_t i = 0; i < count; i++)
			values[i] = cr_load_u32(bytes + sizeof(uint32_t) * i);
	}
}

#endif							/* CR_BYTES_H */
