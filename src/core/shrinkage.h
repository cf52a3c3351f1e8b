/*
 * shrinkage.h
 *		Empirical-Bayes shrinkage of rates: spread coefficients and spread factors.
 *
 * Unit j carries amount A_j over exposure E_j.  With gamma-distributed true
 * rates and compound-Poisson amounts, the method of moments of Marshall 1991
 * ("Mapping disease and mortality rates using empirical Bayes estimators")
 * gives
 *	mu	  = sum A / sum E
 *	phi	  = sum s^2 / sum s				(s: the weight of each single event)
 *	s2	  = sum E_j (A_j/E_j - mu)^2 / sum E
 *	a	  = s2 - phi * mu / mean(E)
 *	m	  = phi * mu / a, or +infinity when a <= 0
 *	rate_j = (A_j + m*mu) / (E_j + m)	(mu when m is infinite)
 *
 * Multiplying every weight by a constant multiplies the rates by it and leaves
 * m alone.  For spread factors E_t = N_t * r, so that mu is 1.
 * All sums are in double, in the order of the units.
 */
#ifndef CR_SHRINKAGE_H
#define CR_SHRINKAGE_H

#include <stdint.h>

typedef struct CrShrinkage
{
	double		mean;			/* mu; 0 when nothing carries any weight */
	double		strength;		/* m, in units of exposure; may be +infinity */
} CrShrinkage;

/*
 * weight_sum and weight_square_sum are sum s and sum s^2 over single events.
 * Units with exposure 0 are passed over.  All-zero input gives mean 0,
 * strength +infinity.
 */
extern CrShrinkage cr_shrinkage_fit(const double *amount, const double *exposure, int64_t units,
									double weight_sum, double weight_square_sum);

/* (A + m*mu) / (E + m); mu when m is infinite. */
extern double cr_shrinkage_rate(const CrShrinkage *shrinkage, double amount, double exposure);

#endif							/* CR_SHRINKAGE_H */
