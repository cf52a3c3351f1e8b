/*
 * preference.c
 *		From events to preferences and confidences: the formulas.
 */
#include <float.h>
#include <math.h>

#include "core/preference.h"

/* Below this preference, 1 + p has lost too many digits of p. */
#define SMALL_PREFERENCE	1e-3

double
cr_age_factor(double age, double half_life)
{
	if (isinf(half_life) || !(age > 0.0))
		return 1.0;
	return exp2(-age / half_life);
}

float
cr_confidence(double alpha, double preference)
{
	double		weight = alpha * (preference < SMALL_PREFERENCE ?
								  log1p(preference) * M_LOG2E : log2(1.0 + preference));

	if (weight > FLT_MAX)
		return INFINITY;
	/* Zero would turn a positive pair into none. */
	return (float) (weight < FLT_MIN ? FLT_MIN : weight);
}
