/*
 * half_steps.h
 *		What the tests of half steps of ALS share.
 */
#ifndef CR_HALF_STEPS_H
#define CR_HALF_STEPS_H

#include "core/ials.h"
#include "unit.h"

/* The first rows that a half step has solved, against k doubles each; padding must be zero. */
static inline void
check_solutions(const CrIalsHalf *half, int64_t rows, const double *expected, double tolerance)
{
	int32_t		k = half->params->factors;
	int32_t		stride = cr_factor_stride(k);

	for (int64_t row = 0; row < rows; row++)
	{
		const float *x = half->solved + row * stride;
		double		largest = 0;

		for (int32_t f = 0; f < k; f++)
			largest = fmax(largest, fabs(expected[row * k + f]));
		for (int32_t f = 0; f < k; f++)
			CHECK_NEAR(x[f], expected[row * k + f], tolerance * largest);
		for (int32_t f = k; f < stride; f++)
			CHECK(x[f] == 0.0f);
	}
}

#endif							/* CR_HALF_STEPS_H */
