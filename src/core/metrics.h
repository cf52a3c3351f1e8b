/*
 * metrics.h
 *		Metrics of rankings and scores.
 *
 * Scores may be equal.  What a metric is then, is its mean over all orders of
 * the equals, so that no answer depends on the order in which rows came
 * (McSherry & Najork, Computing information retrieval performance measures
 * efficiently in the presence of tied scores, ECIR 2008).
 */
#ifndef CR_METRICS_H
#define CR_METRICS_H

#include <stdint.h>

/* 1 / log2(rank + 1) of a rank from 1. */
extern double cr_discount(int64_t rank);

/*
 * nDCG@k with binary relevance: ranks (1-based) of the relevant items that made
 * the first k, "hits" of them, out of "relevant" in all.  The ideal ranking has
 * min(k, relevant) hits.  0 when relevant is 0.  (Jarvelin & Kekalainen 2002)
 */
extern double cr_ndcg(const int32_t *ranks, int32_t hits, int32_t relevant, int32_t k);

/*
 * Average precision of the first k places: the sum over hits of hits so far by
 * rank, over min(k, relevant).  Ranks ascend; 0 when relevant is 0.
 */
extern double cr_average_precision(const int32_t *ranks, int32_t hits, int32_t relevant,
								   int32_t k);

/* Items that got one score. */
typedef struct CrTies
{
	int64_t		count;
	int64_t		relevant;
	double		gain;			/* sum of their relevances */
} CrTies;

/* A ranking under way, from the best score down.  Sums are over the places so far. */
typedef struct CrRanking
{
	int64_t		k;				/* first places that dcg and hits count; INT64_MAX: all */
	int64_t		places;
	double		dcg;			/* sum of gain * discount within k */
	double		hits;			/* relevant items within k */
	double		precision_sum;	/* sum over relevant items of the precision at their places */
	double		reciprocal;		/* of the rank of the first relevant item; 0: none so far */
	/* the group of equals at hand */
	CrTies		ties;
	int64_t		place;			/* places of the group that have passed */
	double		relevant_before;	/* relevant items before the group */
	double		first_probability;	/* that the first relevant item is at the next place */
} CrRanking;

extern void cr_ranking_begin(CrRanking *ranking, int64_t k);

/* Begin the next group; all places of the one before have passed. */
extern void cr_ranking_group(CrRanking *ranking, const CrTies *ties);

/* Pass the next "places" of the group: slices, so that the caller can look up in between. */
extern void cr_ranking_pass(CrRanking *ranking, int64_t places);

/* Area under the ROC curve, from the highest score down. */
typedef struct CrAuc
{
	double		positives;		/* so far */
	double		negatives;
	double		wins;			/* pairs in which the positive scored more, and half of the ties */
} CrAuc;

/* Add the labels of the next lower score. */
extern void cr_auc_add(CrAuc *auc, int64_t positives, int64_t negatives);

/* The share of pairs won; NaN without a positive or without a negative. */
extern double cr_auc_value(const CrAuc *auc);

/*
 * The quantile of the normal distribution: the value that a standard normal
 * variable stays below with this probability, above 0 and below 1.  Relative
 * error below 1e-15 (Wichura, Algorithm AS 241, Applied Statistics 1988).
 */
extern double cr_normal_quantile(double probability);

/*
 * Wilson's interval for a rate of "successes" in "trials" (above 0), z standard
 * errors to either side (Wilson, Probable inference, the law of succession, and
 * statistical inference, JASA 1927).
 */
extern void cr_wilson(int64_t successes, int64_t trials, double z, double *low, double *high);

#endif							/* CR_METRICS_H */
