/*
 * tune_space.h
 *		What is searched: ranges and choices of hyperparameters.
 */
#ifndef COMMREC_TUNE_SPACE_H
#define COMMREC_TUNE_SPACE_H

#include "core/algorithm.h"
#include "core/rng.h"
#include "utils/jsonb.h"

#define TUNE_CHOICES_MAX	64
#define TUNE_DIMENSIONS_MAX	32

typedef struct TuneDimension
{
	const CrParameter *parameter;
	int			choices;		/* 0: a range */
	double		choice[TUNE_CHOICES_MAX];	/* NaN: chosen from the data */
	double		low;
	double		high;
	bool		is_log;			/* equal ratios are equally likely */
} TuneDimension;

typedef struct TuneSpace
{
	int			dimensions;
	TuneDimension dimension[TUNE_DIMENSIONS_MAX];
} TuneSpace;

/*
 * {"name": [value, ...], "name": {"low": ., "high": ., "scale": "log"}, ...};
 * what is wrong: 22023.
 */
extern void TuneSpaceParse(const char *algorithm, Jsonb *search, TuneSpace *space);

/* Around the defaults for data of this shape; no more factors than users or items, but for the fewest. */
extern void TuneSpaceDefault(const char *algorithm, int64 users, int64 items, int64 pairs,
							 TuneSpace *space);

/* Draw a point and write it over the parameter struct. */
extern void TuneSpaceDraw(const TuneSpace *space, CrRng *rng, CrHyperparameters *parameters);

/* The searched hyperparameters of a parameter struct. */
extern Jsonb *TuneSpaceToJsonb(const TuneSpace *space, const CrHyperparameters *parameters);

/* Is this hyperparameter searched? */
extern bool TuneSpaceHas(const TuneSpace *space, const char *name);

#endif							/* COMMREC_TUNE_SPACE_H */
