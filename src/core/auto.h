/*
 * auto.h
 *		What the algorithm "auto" hands on to the one that it chooses.
 */
#ifndef CR_AUTO_H
#define CR_AUTO_H

#include "core/algorithm.h"

typedef struct CrAutoHyperparameters
{
	double		time_budget;	/* CPU seconds, roughly */
} CrAutoHyperparameters;

/* The presets of another algorithm, and what was given to "auto" that it has, too. */
extern void cr_auto_recipe(const CrHyperparameters *given, const CrAlgorithm *chosen,
						   CrHyperparameters *recipe);

#endif							/* CR_AUTO_H */
