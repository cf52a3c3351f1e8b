/*
 * mmr.h
 *		Maximal marginal relevance: an order that does not say the same thing twice.
 *
 * Carbonell & Goldstein 1998: item after item, the one is next that maximises
 *		(1 - diversity) * relevance(i) - diversity * max over chosen j of cosine(i, j)
 * where relevance is the score, scaled so that the best of the pool has 1 and
 * the worst 0 (all 1 if they are equal).  Ties go to the better score.
 */
#ifndef CR_MMR_H
#define CR_MMR_H

#include <stdint.h>

typedef struct CrMmrPool
{
	const float *scores;		/* of "count" items, best first */
	const float *vectors;		/* count rows of learned factors; a zero one is like no other */
	int32_t		stride;			/* floats from one row to the next */
	int32_t		dims;			/* of the factors; 0: there are none */
	int32_t		count;

	/*
	 * Where items are alike in another way than by vectors: fill in how much
	 * each of the pool is like item i, -1 to 1.  NULL: by cosine.
	 */
	void		(*alike) (void *context, int32_t i, float *likeness);
	void	   *context;
} CrMmrPool;

/* Floats of scratch for a pool of this size. */
extern int32_t cr_mmr_workspace_size(int32_t count);

/*
 * Places in the pool of the first "wanted" (at most count) items, in their
 * order.  The choice of one does not depend on how many are wanted.
 */
extern void cr_mmr_select(const CrMmrPool *pool, double diversity, int32_t wanted,
						  float *workspace, int32_t *chosen);

#endif							/* CR_MMR_H */
