/*
 * training_data.h
 *		Small matrices and hyperparameters for the tests of trainers.
 */
#ifndef CR_TRAINING_DATA_H
#define CR_TRAINING_DATA_H

#include "core/algorithm.h"
#include "core/csr.h"
#include "unit.h"

typedef struct Data
{
	CrCsr		users;
	CrCsr		items;
} Data;

/* Pairs where "dense", users times items, is not 0; with these weights if wanted. */
static inline Data
data_make(int64_t users, int64_t items, const double *dense, int is_weighted)
{
	size_t		most = (size_t) (users * items);
	int64_t    *start = unit_alloc(((size_t) users + 1) * sizeof(int64_t));
	int32_t    *column = unit_alloc(most * sizeof(int32_t));
	float	   *weight = is_weighted ? unit_alloc(most * sizeof(float)) : NULL;
	int64_t		pairs = 0;
	Data		data;

	for (int64_t u = 0; u < users; u++)
	{
		for (int64_t i = 0; i < items; i++)
		{
			if (dense[u * items + i] == 0)
				continue;
			if (is_weighted)
				weight[pairs] = (float) dense[u * items + i];
			column[pairs++] = (int32_t) i;
		}
		start[u + 1] = pairs;
	}
	data.users = (CrCsr) {users, items, start, column, weight};
	start = unit_alloc(((size_t) items + 1) * sizeof(int64_t));
	column = unit_alloc(most * sizeof(int32_t));
	weight = is_weighted ? unit_alloc(most * sizeof(float)) : NULL;
	cr_csr_transpose(&data.users, start, column, weight);
	data.items = (CrCsr) {items, users, start, column, weight};
	return data;
}

/* A pair where value(user, item) is not 0. */
static inline Data
data_where(int64_t users, int64_t items, double (*value) (int64_t user, int64_t item), int is_weighted)
{
	double	   *dense = unit_alloc((size_t) (users * items) * sizeof(double));
	Data		data;

	for (int64_t cell = 0; cell < users * items; cell++)
		dense[cell] = value(cell / items, cell % items);
	data = data_make(users, items, dense, is_weighted);
	free(dense);
	return data;
}

static inline void
data_free(Data *data)
{
	free((void *) data->users.start);
	free((void *) data->users.column);
	free((void *) data->users.weight);
	free((void *) data->items.start);
	free((void *) data->items.column);
	free((void *) data->items.weight);
}

/* A value that the algorithm allows. */
static inline void
data_set(const CrAlgorithm *algorithm, CrHyperparameters *used, const char *name, double value)
{
	const CrParameter *parameter = cr_parameter_find(algorithm, name);

	CHECK(parameter != NULL && cr_parameter_allows(parameter, value));
	*(double *) ((char *) used + parameter->offset) = value;
}

#endif							/* CR_TRAINING_DATA_H */
