/*
 * shuffle.c
 *		A permutation of 0 .. n-1 that takes no memory.
 */
#include "core/rng.h"
#include "core/shuffle.h"

void
cr_shuffle_init(CrShuffle *shuffle, int64_t count, uint64_t seed, uint64_t stream)
{
	CrRng		rng;

	shuffle->count = count;
	shuffle->half_bits = 1;
	while (shuffle->half_bits < 31 && INT64_C(1) << 2 * shuffle->half_bits < count)
		shuffle->half_bits++;
	cr_rng_init(&rng, seed, stream);
	for (int round = 0; round < CR_SHUFFLE_ROUNDS; round++)
		shuffle->key[round] = cr_rng_next(&rng);
}

/* Any function of the half will do, as long as it mixes well. */
static uint64_t
round_function(uint64_t half, uint64_t key)
{
	uint64_t	mixed = (half ^ key) * UINT64_C(0x9e3779b97f4a7c15);

	mixed ^= mixed >> 29;
	return mixed * UINT64_C(0xbf58476d1ce4e5b9) >> 32;
}

int64_t
cr_shuffle_at(const CrShuffle *shuffle, int64_t place)
{
	uint64_t	mask = (UINT64_C(1) << shuffle->half_bits) - 1;
	uint64_t	number = (uint64_t) place;

	do
	{
		uint64_t	left = number >> shuffle->half_bits;
		uint64_t	right = number & mask;

		for (int round = 0; round < CR_SHUFFLE_ROUNDS; round++)
		{
			uint64_t	next = left ^ (round_function(right, shuffle->key[round]) & mask);

			left = right;
			right = next;
		}
		number = left << shuffle->half_bits | right;
	} while (number >= (uint64_t) shuffle->count);
	return (int64_t) number;
}
