/*
 * checksum.c
 *		A fast checksum that notices every change within one 32-bit word.
 */
#include "core/bytes.h"
#include "core/checksum.h"

#define LANES		16
#define BLOCK		(LANES * sizeof(uint32_t))
#define MULTIPLIER	0x9E3779B1u	/* odd, so that multiplying by it can be undone */

static uint32_t
rotate(uint32_t x, int bits)
{
	return (x << bits) | (x >> (32 - bits));
}

static void
add_block(uint32_t *lanes, const uint8_t *block)
{
	uint32_t	words[LANES];

	cr_load_u32s(block, words, LANES);
	for (int i = 0; i < LANES; i++)
		lanes[i] = rotate((lanes[i] ^ words[i]) * MULTIPLIER, 13);
}

/* The last block is filled up with zeros; the length tells them from real ones. */
uint32_t
cr_checksum(uint32_t before, const uint8_t *bytes, size_t length)
{
	uint32_t	lanes[LANES];
	uint32_t	sum = (uint32_t) length;
	size_t		at = 0;

	for (int i = 0; i < LANES; i++)
		lanes[i] = before + (uint32_t) (i + 1) * MULTIPLIER;
	for (; length - at >= BLOCK; at += BLOCK)
		add_block(lanes, bytes + at);
	if (at < length)
	{
		uint8_t		last[BLOCK] = {0};

		memcpy(last, bytes + at, length - at);
		add_block(lanes, last);
	}
	for (int i = 0; i < LANES; i++)
		sum = rotate((sum ^ lanes[i]) * MULTIPLIER, 15);
	return sum;
}
