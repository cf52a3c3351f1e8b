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
cr_scaled_value(double value, double low, double high)
{
	return (value - low) / (high - low);
}

double
cr_event_preference(double weight, double scaled)
{
	/* A scaled value that overflows must not turn a weight of zero into NaN. */
	return isnan(scaled) || weight == 0.0 ? weight : weight * scaled;
}

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
