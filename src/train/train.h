/*
 * train.h
 *		One training run, from the model's name to the published version.
 *
 * check -> read -> knowledge tables -> choose defaults -> plan -> train -> publish,
 * all in the caller's transaction.
 */
#ifndef COMMREC_TRAIN_H
#define COMMREC_TRAIN_H

#include "core/algorithm.h"
#include "store/model.h"
#include "train/json.h"

/* Does the new version serve? */
typedef enum TrainDeploy
{
	DEPLOY_NEVER,
	DEPLOY_ALWAYS,
	DEPLOY_IF_BETTER			/* than the deployed one, on the same held-out events */
} TrainDeploy;

typedef struct TrainOptions
{
	Jsonb	   *hyperparameters;	/* override those of the model; NULL for none */
	int			workers;		/* -1: max_parallel_maintenance_workers */
	TrainDeploy deploy;
	bool		verbose;
	bool		strict;
	bool		allow_row_security;
} TrainOptions;

/* Returns the number of the new version. */
extern int32 TrainModel(Oid schema, const TrainOptions *options);

/* The algorithm of that name; 22023 with the list of those that there are. */
extern const CrAlgorithm *HyperparametersAlgorithm(const char *name);

/* What the parameter must be: "an integer between 1 and 512". */
extern char *HyperparameterShowRange(const CrParameter *parameter);

/*
 * Hyperparameters from jsonb over the presets: 22023 for unknown keys, wrong
 * types and values out of range, with the list of what is allowed.  A JSON
 * null stands for the default; "Infinity" as a string for +infinity.
 */
extern void HyperparametersApply(const char *algorithm, Jsonb *given, CrHyperparameters *parameters);

/* The parameter struct as jsonb, for the version row (non-finite numbers as strings). */
extern Jsonb *HyperparametersToJsonb(const char *algorithm, const CrHyperparameters *parameters);

/* One member of it; what the algorithm does not know is shown as a number. */
extern void HyperparameterToJson(JsonBuilder *json, const char *algorithm, const char *name,
								 double value);

#endif							/* COMMREC_TRAIN_H */
