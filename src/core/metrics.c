/*
 * metrics.c
 *		Metrics of rankings and scores.
 */
#include <math.h>

#include "core/metrics.h"

double
cr_discount(int64_t rank)
{
	return 1.0 / log2((double) rank + 1.0);
}

double
cr_ndcg(const int32_t *ranks, int32_t hits, int32_t relevant, int32_t k)
{
	int32_t		ideal_hits = relevant < k ? relevant : k;
	double		gain = 0.0;
	double		ideal = 0.0;

	if (ideal_hits <= 0)
		return 0.0;
	for (int32_t i = 0; i < hits; i++)
		gain += cr_discount(ranks[i]);
	for (int32_t rank = 1; rank <= ideal_hits; rank++)
		ideal += cr_discount(rank);
	return gain / ideal;
}

double
cr_average_precision(const int32_t *ranks, int32_t hits, int32_t relevant, int32_t k)
{
	int32_t		ideal_hits = relevant < k ? relevant : k;
	double		sum = 0.0;

	if (ideal_hits <= 0)
		return 0.0;
	for (int32_t i = 0; i < hits; i++)
		sum += (double) (i + 1) / (double) ranks[i];
	return sum / (double) ideal_hits;
}

void
cr_ranking_begin(CrRanking *ranking, int64_t k)
{
	*ranking = (CrRanking) {.k = k};
}

void
cr_ranking_group(CrRanking *ranking, const CrTies *ties)
{
	ranking->relevant_before += (double) ranking->ties.relevant;
	ranking->ties = *ties;
	ranking->place = 0;
	ranking->first_probability = ranking->relevant_before > 0 || ties->count == 0 ? 0.0 :
		(double) ties->relevant / (double) ties->count;
}

/*
 * What one place of a group of n equals, r of them relevant, adds to the sums.
 * Every item of the group is there with the same probability; if it is a
 * relevant one, each of the places of the group before it holds one of the
 * r - 1 others of the n - 1.
 */
static void
add_place(CrRanking *ranking)
{
	double		count = (double) ranking->ties.count;
	double		relevant = (double) ranking->ties.relevant;
	double		before = (double) ranking->place;
	double		others = count > 1 ? before * (relevant - 1) / (count - 1) : 0.0;
	double		rank = (double) (ranking->places + 1);

	if (ranking->places < ranking->k)
	{
		ranking->dcg += ranking->ties.gain / count * cr_discount(ranking->places + 1);
		ranking->hits += relevant / count;
	}
	ranking->precision_sum += relevant / count * (ranking->relevant_before + 1 + others) / rank;
	ranking->reciprocal += ranking->first_probability / rank;

	/* C(n - j, r - 1) / C(n, r) for the j-th place, from the one for the place before. */
	if (count - before > 1)
		ranking->first_probability *= (count - before - relevant) / (count - before - 1);
}

void
cr_ranking_pass(CrRanking *ranking, int64_t places)
{
	for (int64_t i = 0; i < places; i++)
	{
		/* Without any relevant item a group only takes up places. */
		if (ranking->ties.relevant > 0)
			add_place(ranking);
		ranking->places++;
		ranking->place++;
	}
}

void
cr_auc_add(CrAuc *auc, int64_t positives, int64_t negatives)
{
	auc->wins += (auc->positives + (double) positives / 2) * (double) negatives;
	auc->positives += (double) positives;
	auc->negatives += (double) negatives;
}

double
cr_auc_value(const CrAuc *auc)
{
	if (auc->positives == 0 || auc->negatives == 0)
		return NAN;
	return auc->wins / (auc->positives * auc->negatives);
}

/* Value of a polynomial of degree 7 with ascending coefficients. */
static double
polynomial(const double *coefficients, double x)
{
	double		value = 0;

	for (int i = 7; i >= 0; i--)
		value = value * x + coefficients[i];
	return value;
}

/* The three regions of AS 241 (PPND16): the middle, the tails, the far tails. */
double
cr_normal_quantile(double probability)
{
	static const double middle_a[] = {3.3871328727963666080e0, 1.3314166789178437745e+2,
		1.9715909503065514427e+3, 1.3731693765509461125e+4, 4.5921953931549871457e+4,
	6.7265770927008700853e+4, 3.3430575583588128105e+4, 2.5090809287301226727e+3};
	static const double middle_b[] = {1.0, 4.2313330701600911252e+1, 6.8718700749205790830e+2,
		5.3941960214247511077e+3, 2.1213794301586595867e+4, 3.9307895800092710610e+4,
	2.8729085735721942674e+4, 5.2264952788528545610e+3};
	static const double tail_c[] = {1.42343711074968357734e0, 4.63033784615654529590e0,
		5.76949722146069140550e0, 3.64784832476320460504e0, 1.27045825245236838258e0,
	2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4};
	static const double tail_d[] = {1.0, 2.05319162663775882187e0, 1.67638483018380384940e0,
		6.89767334985100004550e-1, 1.48103976427480074590e-1, 1.51986665636164571966e-2,
	5.47593808499534494600e-4, 1.05075007164441684324e-9};
	static const double far_e[] = {6.65790464350110377720e0, 5.46378491116411436990e0,
		1.78482653991729133580e0, 2.96560571828504891230e-1, 2.65321895265761230930e-2,
	1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7};
	static const double far_f[] = {1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1,
		1.48753612908506148525e-2, 7.86869131145613259100e-4, 1.84631831751005468180e-5,
	1.42151175831644588870e-7, 2.04426310338993978564e-15};
	double		q = probability - 0.5;
	double		r;
	double		value;

	if (fabs(q) <= 0.425)
	{
		r = 0.180625 - q * q;
		return q * polynomial(middle_a, r) / polynomial(middle_b, r);
	}
	r = sqrt(-log(q < 0 ? probability : 1 - probability));
	if (r <= 5)
		value = polynomial(tail_c, r - 1.6) / polynomial(tail_d, r - 1.6);
	else
		value = polynomial(far_e, r - 5) / polynomial(far_f, r - 5);
	return q < 0 ? -value : value;
}

void
cr_wilson(int64_t successes, int64_t trials, double z, double *low, double *high)
{
	double		n = (double) trials;
	double		rate = (double) successes / n;
	double		middle = (rate + z * z / (2 * n)) / (1 + z * z / n);
	double		half = z / (1 + z * z / n) * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n));

	/* Exact at the ends, where rounding could leave the interval. */
	*low = successes == 0 ? 0.0 : middle - half;
	*high = successes == trials ? 1.0 : middle + half;
}
