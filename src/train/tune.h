/*
 * tune.h
 *		Searching for good hyperparameters: random search with successive halving over folds.
 *
 * The events are read once.  Trial 1 has the model's own hyperparameters, the
 * others draw those that are searched from their ranges, by seed.  All trials
 * are judged on the first fold, the better third of them on the second, too,
 * and so on; trial 1 goes on to the last, for comparison (Bergstra & Bengio,
 * Random search for hyper-parameter optimization, 2012; Jamieson & Talwalkar,
 * Non-stochastic best arm identification, 2016).  Of the trials whose mean is
 * within one standard error of the best one's, of the difference between the
 * two, the most regularized is taken.
 *
 * A fold by time is a tenth of the events to be foreseen from all that came
 * before: the newest, the one before, and so on.  "last": the newest item of
 * each user, the one before.  At random: a tenth of the pairs, others in each
 * fold.
 *
 * A trial is written and committed when it is finished: a cancel loses the one
 * under way and no other.
 */
#ifndef COMMREC_TUNE_H
#define COMMREC_TUNE_H

#include "store/model.h"

typedef struct TuneOptions
{
	Jsonb	   *search;			/* NULL: a space around the defaults for these data */
	int			trials;
	double		seconds;		/* after which no trial is begun; +infinity */
	const char *metric;			/* such as "ndcg@10" */
	const char *split;			/* "time", "last", "random"; NULL: time where there is any, else random */
	int			folds;
	int32		users;			/* judged on at most; 0: all */
	uint64		seed;
	int			workers;		/* -1: max_parallel_maintenance_workers */
	bool		apply;			/* write the best into the model's hyperparameters */
	bool		verbose;		/* a line a trial */
	bool		allow_row_security;
} TuneOptions;

/* Commits; the caller has a non-atomic SPI connection and nothing else under way. */
extern void Tune(Oid schema, const TuneOptions *options);

#endif							/* COMMREC_TUNE_H */
