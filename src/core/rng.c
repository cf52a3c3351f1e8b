/*
 * rng.c
 *		xoshiro256++ streams, seeded by SplitMix64 from (seed, stream).
 */
#include <math.h>

#include "core/rng.h"

/* The finaliser of SplitMix64: a bijection of 64 bits. */
static uint64_t
mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* The next word of SplitMix64. */
static uint64_t
splitmix(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	return mix(*state);
}

static uint64_t
rotate_left(uint64_t x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

/*
 * Every word depends on both arguments, and the map is one to one: state[1]
 * gives "word" and state[2] back, state[0] then gives the seed, and that and
 * "word" the stream.  The stream is mixed once more than the seed, else
 * swapping the two, or making them equal, would give the same word.  Three
 * consecutive words of SplitMix64 are never all zero, so neither is the state.
 */
void
cr_rng_init(CrRng *rng, uint64_t seed, uint64_t stream)
{
	uint64_t	seed_hash = splitmix(&seed);
	uint64_t	word = seed_hash ^ mix(splitmix(&stream));

	for (int i = 1; i < 4; i++)
		rng->state[i] = splitmix(&word);
	rng->state[0] = seed_hash ^ rng->state[2];
}

uint64_t
cr_rng_next(CrRng *rng)
{
	uint64_t   *s = rng->state;
	uint64_t	result = rotate_left(s[0] + s[3], 23) + s[0];
	uint64_t	shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotate_left(s[3], 45);
	return result;
}

double
cr_rng_uniform(CrRng *rng)
{
	return (double) (cr_rng_next(rng) >> 11) * 0x1p-53;
}

/*
 * Marsaglia's polar method, which needs neither sine nor cosine.  The second
 * value of the last pair is dropped if n is odd.
 */
void
cr_rng_normal(CrRng *rng, double stdev, float *out, size_t n)
{
	for (size_t i = 0; i < n; i += 2)
	{
		double		x;
		double		y;
		double		square;
		double		factor;

		do
		{
			x = 2.0 * cr_rng_uniform(rng) - 1.0;
			y = 2.0 * cr_rng_uniform(rng) - 1.0;
			square = x * x + y * y;
		} while (square >= 1.0 || square == 0.0);

		factor = stdev * sqrt(-2.0 * log(square) / square);
		out[i] = (float) (x * factor);
		if (i + 1 < n)
			out[i + 1] = (float) (y * factor);
	}
}
