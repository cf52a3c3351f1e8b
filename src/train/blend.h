/*
 * blend.h
 *		How much popularity a recommendation needs: chosen on held-out events.
 *
 * The published score is x_u.y_i + w * g_i with g_i = log(1 + pop_i) / log(1 +
 * max pop), one more coordinate of the embeddings.  On a cold community most
 * of what members do next is new, and popularity with decay beats what can be
 * learned; w and the half-life of popularity are therefore taken from a
 * validation on the newest tenth of the events (by time; without a time
 * column, on one random pair of each of a sample of users), by nDCG@10 over
 * the whole catalogue less what the user had seen.
 *
 * Where the best choice gains less over popularity alone than the standard
 * error of the gain over the users, popularity alone is taken.
 *
 * At most BLEND_PAIRS_MAX pairs take part: all events of a random sample of
 * users, drawn by seed.
 */
#ifndef COMMREC_BLEND_H
#define COMMREC_BLEND_H

#include "train/events.h"
#include "train/interactions.h"
#include "train/progress.h"
#include "train/recipe.h"

#define BLEND_PAIRS_MAX		500000
#define BLEND_USERS_MAX		2000
#define BLEND_FACTORS_MAX	64
#define BLEND_EPOCHS_MAX	8

typedef struct BlendChoice
{
	double		popularity_weight;
	double		popularity_half_life;	/* days; +infinity: no decay */
	bool		validated;		/* false: too little to validate on, priors taken */
	int32		users;			/* users validated on */
	double		ndcg_model;		/* nDCG@10 with w = 0 */
	double		ndcg_popular;	/* of the best popularity alone */
	double		ndcg_blend;		/* of the choice */
} BlendChoice;

extern void BlendChoose(const EventLog *log, const Recipe *recipe, MemoryBudget *budget,
						Progress *progress, BlendChoice *choice);

/* g_i of every item from its decayed popularity; all 0 if nothing is popular. */
extern void PopularityScore(const double *popularity, int32 items, float *score);

#endif							/* COMMREC_BLEND_H */
