/*
 * start.c
 *		The random vectors that a training starts from.
 */
#include <math.h>

#include "core/rng.h"
#include "core/start.h"

#define START_STDEV		0.1		/* times 1/sqrt(k) */

/* Even streams are the users'. */
void
cr_start_factors(uint64_t seed, int64_t user, int32_t factors, float *out)
{
	CrRng		rng;

	cr_rng_init(&rng, seed, 2 * (uint64_t) user);
	cr_rng_normal(&rng, START_STDEV / sqrt(factors), out, (size_t) factors);
}
