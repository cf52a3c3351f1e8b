/*
 * vector.c
 *		Inner products and norms of single vectors.
 *
 * The order of summation is written out, so that the compiler may vectorise
 * but never reorder: the bits depend on the elements and dims only, not on
 * alignment or instruction set (given -ffp-contract=off).
 */
#include <float.h>
#include <math.h>

#include "core/vector.h"

#define LANES	16

/*
 * Element i goes to lane i % 16; then lanes 8 apart are added, then 4, 2 and
 * 1.  Zero padding leaves the result alone.
 */
float
cr_dot(const float *a, const float *b, int32_t dims)
{
	float		lanes[LANES] = {0};
	int32_t		i = 0;

	for (; i + LANES <= dims; i += LANES)
	{
		for (int32_t lane = 0; lane < LANES; lane++)
			lanes[lane] += a[i + lane] * b[i + lane];
	}
	for (int32_t lane = 0; i + lane < dims; lane++)
		lanes[lane] += a[i + lane] * b[i + lane];

	for (int32_t width = LANES / 2; width > 0; width /= 2)
	{
		for (int32_t lane = 0; lane < width; lane++)
			lanes[lane] += lanes[lane + width];
	}
	return lanes[0];
}

/*
 * The square of a float is exact in double; each addition and the root round
 * by at most half an ulp, hence the factor that keeps the bound an upper one.
 */
float
cr_norm_upper(const float *a, int32_t dims)
{
	double		sum = 0.0;
	double		norm;
	float		bound;

	for (int32_t i = 0; i < dims; i++)
		sum += (double) a[i] * a[i];
	norm = sqrt(sum) * (1.0 + ((double) dims + 4.0) * DBL_EPSILON);
	bound = (float) norm;
	return bound < norm ? nextafterf(bound, INFINITY) : bound;
}

int
cr_all_finite(const float *a, int32_t dims)
{
	int			bad = 0;

	for (int32_t i = 0; i < dims; i++)
		bad |= !isfinite(a[i]);
	return !bad;
}
