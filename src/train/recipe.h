/*
 * recipe.h
 *		What is to be trained: an algorithm, its hyperparameters, and by how many.
 */
#ifndef COMMREC_RECIPE_H
#define COMMREC_RECIPE_H

#include "core/algorithm.h"

typedef struct Recipe
{
	const CrAlgorithm *algorithm;
	const CrHyperparameters *given; /* NaN: to be chosen from the data */
	int			workers;		/* beside the leader */
} Recipe;

#endif							/* COMMREC_RECIPE_H */
