/*
 * refresh.h
 *		Bringing a model up to date: train it again, or fold new events into what serves.
 *
 * A run is a row of the model's table "job", committed when it begins and when
 * it ends; what it does in between is one transaction.  Inside a transaction
 * block there are no commits, and all of it is part of that transaction.
 */
#ifndef COMMREC_REFRESH_H
#define COMMREC_REFRESH_H

#include "train/train.h"

typedef enum RefreshMode
{
	REFRESH_AUTO,				/* as RefreshDecide finds best */
	REFRESH_RETRAIN,
	REFRESH_FOLD_IN
} RefreshMode;

typedef struct RefreshOptions
{
	RefreshMode mode;
	bool		error_if_running;	/* 55006 instead of a skipped run */
	Jsonb	   *hyperparameters;	/* override those of the model; NULL for none */
	TrainDeploy deploy;			/* of a training */
	int			keep;			/* versions that keep their data; 0: commrec.keep_versions */
	double		retrain_share;	/* train again beyond so many new events or items, as a part of the old */
	double		retrain_seconds;	/* train again if the version is older and there is anything new */
	bool		allow_row_security;
	bool		is_atomic;		/* inside a transaction block: no commits */
} RefreshOptions;

/* Nothing is under way but, unless is_atomic, a non-atomic SPI connection of the caller. */
extern void Refresh(Oid schema, const RefreshOptions *options);

#endif							/* COMMREC_REFRESH_H */
