/*
 * bootstrap.h
 *		Confidence intervals of means over users, by drawing the users again and again.
 *
 * Every replicate gives every user a weight, Poisson distributed with mean 1,
 * which is what drawing as many users with replacement comes to when there are
 * many (Chamandy et al., Estimating uncertainty for massive data streams, 2012).
 * The figures of a user are added for all columns at once, so that differences
 * between columns are differences over the same users.
 *
 * A column's mean is its weighted sum over the weighted sum of another column,
 * which says where it is defined: a column of ones, where it always is.
 */
#ifndef CR_BOOTSTRAP_H
#define CR_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

#include "core/rng.h"

#define CR_BOOTSTRAP_USERS	256	/* that can be added at once */

typedef struct CrBootstrap
{
	int32_t		replicates;
	int32_t		columns;
	CrRng		rng;
	double	   *sums;			/* replicates x columns */
	float	   *weights;		/* replicates x CR_BOOTSTRAP_USERS */
	float	   *product;		/* replicates x columns */
} CrBootstrap;

extern size_t cr_bootstrap_workspace_size(int32_t replicates, int32_t columns);

/* The workspace is the caller's, aligned to 8 bytes, and stays in use. */
extern void cr_bootstrap_begin(CrBootstrap *bootstrap, int32_t replicates, int32_t columns,
							   uint64_t seed, void *workspace);

/* Add users, at most CR_BOOTSTRAP_USERS: "columns" figures each. */
extern void cr_bootstrap_add(CrBootstrap *bootstrap, const float *figures, int32_t users);

/*
 * The means of a column in the replicates where it is defined anywhere, in the
 * order of the replicates.  Returns their number, at most "replicates".
 */
extern int32_t cr_bootstrap_means(const CrBootstrap *bootstrap, int32_t column, int32_t defined,
								  double *means);

/* The value below which this part of the values lies, between two of them in proportion; NaN of none. */
extern double cr_quantile(const double *ascending, int32_t count, double part);

#endif							/* CR_BOOTSTRAP_H */
