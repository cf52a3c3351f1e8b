/*
 * rng.h
 *		Random numbers that depend on (seed, stream) only, never on who draws them when.
 *
 * Each entity has a stream of its own, so that the initial factors are the
 * same bits whatever the number of workers.  SplitMix64 seeds xoshiro256++
 * (Blackman & Vigna 2019).
 */
#ifndef CR_RNG_H
#define CR_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct CrRng
{
	uint64_t	state[4];		/* xoshiro256++ */
} CrRng;

/* Start the generator of one stream; distinct (seed, stream) give independent sequences. */
extern void cr_rng_init(CrRng *rng, uint64_t seed, uint64_t stream);

/* The next 64 random bits. */
extern uint64_t cr_rng_next(CrRng *rng);

/* Uniform in [0, 1), 53 bits. */
extern double cr_rng_uniform(CrRng *rng);

/* n independent normal values of mean 0 and the given standard deviation. */
extern void cr_rng_normal(CrRng *rng, double stdev, float *out, size_t n);

#endif							/* CR_RNG_H */
