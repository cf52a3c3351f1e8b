/*
 * shrinkage.c
 *		The method of moments for empirical-Bayes shrinkage of rates.
 */
#include <math.h>

#include "core/shrinkage.h"

/* s2: the variance of the units' rates around the mean, weighted by exposure. */
static double
rate_variance(const double *amount, const double *exposure, int64_t units, double mean,
			  double exposure_sum)
{
	double		sum = 0.0;

	for (int64_t j = 0; j < units; j++)
	{
		double		off;

		if (!(exposure[j] > 0.0))
			continue;
		off = amount[j] / exposure[j] - mean;
		sum += exposure[j] * off * off;
	}
	return sum / exposure_sum;
}

CrShrinkage
cr_shrinkage_fit(const double *amount, const double *exposure, int64_t units, double weight_sum,
				 double weight_square_sum)
{
	CrShrinkage result = {0.0, INFINITY};
	double		amount_sum = 0.0;
	double		exposure_sum = 0.0;
	int64_t		exposed = 0;
	double		phi;
	double		between;		/* a: what of the variance chance does not explain */

	for (int64_t j = 0; j < units; j++)
	{
		if (!(exposure[j] > 0.0))
			continue;
		amount_sum += amount[j];
		exposure_sum += exposure[j];
		exposed++;
	}
	if (exposed == 0 || amount_sum == 0.0)
		return result;
	result.mean = amount_sum / exposure_sum;
	if (!(weight_sum > 0.0))
		return result;

	phi = weight_square_sum / weight_sum;
	between = rate_variance(amount, exposure, units, result.mean, exposure_sum) -
		phi * result.mean / (exposure_sum / (double) exposed);

	/* A strength below zero has no meaning; it takes weights of mixed sign to get there. */
	if (between > 0.0 && phi * result.mean >= 0.0)
		result.strength = phi * result.mean / between;
	return result;
}

double
cr_shrinkage_rate(const CrShrinkage *shrinkage, double amount, double exposure)
{
	double		denominator = exposure + shrinkage->strength;

	/* Nothing seen and no strength: the mean is all that is known. */
	if (isinf(denominator) || !(denominator > 0.0))
		return shrinkage->mean;
	return (amount + shrinkage->strength * shrinkage->mean) / denominator;
}
