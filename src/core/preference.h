/*
 * preference.h
 *		From events to preferences and confidences: the formulas.
 *
 * Training applies them to all events, folding in to those of one user; so
 * they are said once.
 *	p_ui = sum over events of preference(action) * scaled value (where the action counts it)
 *		   * 2^(-age/half_life)
 *	c_ui = alpha * log2(1 + p_ui), for p_ui > 0; so one event of preference 1 has confidence alpha
 *		   (log scaling of confidences: Hu, Koren & Volinsky 2008, eq. 6)
 */
#ifndef CR_PREFERENCE_H
#define CR_PREFERENCE_H

#include <math.h>

/* (value - low) / (high - low), not clamped: a value below "low" counts against the item. */
static inline double
cr_scaled_value(double value, double low, double high)
{
	return (value - low) / (high - low);
}

/*
 * What an event adds before ageing; a scaled value of NaN is none, and one that
 * overflows must not turn a weight of zero into NaN.
 */
static inline double
cr_event_preference(double weight, double scaled)
{
	return isnan(scaled) || weight == 0.0 ? weight : weight * scaled;
}

/* 2^(-age/half_life), both in one unit; 1 for no age, or for one below 0, and an infinite half-life. */
extern double cr_age_factor(double age, double half_life);

/* c_ui; never 0 for a preference above 0, and +infinity where it is beyond a float. */
extern float cr_confidence(double alpha, double preference);

#endif							/* CR_PREFERENCE_H */
