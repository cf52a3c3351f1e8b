/*
 * bootstrap.c
 *		Confidence intervals of means over users, by drawing the users again and again.
 */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "core/bootstrap.h"

#define BOOTSTRAP_STREAM	(UINT64_MAX - 16)	/* away from those of entities and of validations */

/* P(weight <= i) of a Poisson distribution with mean 1, in 2^-16. */
static const uint32_t poisson[] = {24109, 48219, 60273, 64292, 65296, 65497, 65531, 65535};

#define POISSON_MAX		((int) (sizeof(poisson) / sizeof(poisson[0])))

size_t
cr_bootstrap_workspace_size(int32_t replicates, int32_t columns)
{
	return (size_t) replicates * ((size_t) columns * (sizeof(double) + sizeof(float)) +
								  CR_BOOTSTRAP_USERS * sizeof(float));
}

void
cr_bootstrap_begin(CrBootstrap *bootstrap, int32_t replicates, int32_t columns, uint64_t seed,
				   void *workspace)
{
	size_t		cells = (size_t) replicates * (size_t) columns;

	bootstrap->replicates = replicates;
	bootstrap->columns = columns;
	bootstrap->sums = (double *) workspace;
	bootstrap->product = (float *) (bootstrap->sums + cells);
	bootstrap->weights = bootstrap->product + cells;
	memset(bootstrap->sums, 0, cells * sizeof(double));
	cr_rng_init(&bootstrap->rng, seed, BOOTSTRAP_STREAM);
}

static float
poisson_weight(uint32_t uniform)
{
	int			weight = 0;

	while (weight < POISSON_MAX && uniform >= poisson[weight])
		weight++;
	return (float) weight;
}

/* Weights of the users for all replicates: four out of every 64 random bits. */
static void
draw_weights(CrBootstrap *bootstrap)
{
	size_t		count = (size_t) bootstrap->replicates * CR_BOOTSTRAP_USERS;

	for (size_t i = 0; i < count; i += 4)
	{
		uint64_t	bits = cr_rng_next(&bootstrap->rng);

		for (int j = 0; j < 4; j++)
			bootstrap->weights[i + j] = poisson_weight((uint32_t) (bits >> (16 * j)) & 0xffff);
	}
}

void
cr_bootstrap_add(CrBootstrap *bootstrap, const float *figures, int32_t users)
{
	size_t		cells = (size_t) bootstrap->replicates * (size_t) bootstrap->columns;

	draw_weights(bootstrap);
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, bootstrap->replicates,
				bootstrap->columns, users, 1.0f, bootstrap->weights, CR_BOOTSTRAP_USERS, figures,
				bootstrap->columns, 0.0f, bootstrap->product, bootstrap->columns);
	for (size_t i = 0; i < cells; i++)
		bootstrap->sums[i] += bootstrap->product[i];
}

int32_t
cr_bootstrap_means(const CrBootstrap *bootstrap, int32_t column, int32_t defined, double *means)
{
	int32_t		count = 0;

	for (int32_t i = 0; i < bootstrap->replicates; i++)
	{
		const double *sums = bootstrap->sums + (size_t) i * (size_t) bootstrap->columns;

		if (sums[defined] > 0)
			means[count++] = sums[column] / sums[defined];
	}
	return count;
}

double
cr_quantile(const double *ascending, int32_t count, double part)
{
	double		rank = part * (count - 1);
	int32_t		below = (int32_t) floor(rank);
	int32_t		above = below + 1 < count ? below + 1 : below;

	if (count == 0)
		return NAN;
	return ascending[below] + (rank - below) * (ascending[above] - ascending[below]);
}
