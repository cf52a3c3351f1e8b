/*
 * start.h
 *		The random vectors that a training starts from.
 */
#ifndef CR_START_H
#define CR_START_H

#include <stdint.h>

/*
 * The first factors of the user with this number: normal, of mean 0 and
 * standard deviation 0.1 / sqrt(factors), from a stream of the user's own.
 */
extern void cr_start_factors(uint64_t seed, int64_t user, int32_t factors, float *out);

#endif							/* CR_START_H */
