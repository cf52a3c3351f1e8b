/*
 * concat_linear.h
 *		The parameters of concat_linear, for who starts it from given values or reads them.
 */
#ifndef CR_CONCAT_LINEAR_H
#define CR_CONCAT_LINEAR_H

#include "core/trainer.h"

typedef struct CrConcatLinear
{
	int32_t		stride;			/* floats from one embedding to the next */
	float	   *users;			/* embeddings, "factors" floats each; as they were when last in an event */
	float	   *items;
	float	   *user_weights;	/* of the linear layer, "factors" floats each */
	float	   *item_weights;
	float	   *bias;
} CrConcatLinear;

/* Where they lie in the shared block; values are there once step 0 of the first epoch is done. */
extern CrConcatLinear cr_concat_linear_parameters(const CrTrainerRun *run);

#endif							/* CR_CONCAT_LINEAR_H */
