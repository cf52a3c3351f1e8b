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
