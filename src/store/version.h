/*
 * version.h
 *		What the deployed version was trained with.
 */
#ifndef COMMREC_VERSION_H
#define COMMREC_VERSION_H

#include "core/algorithm.h"
#include "store/reader.h"

/*
 * The hyperparameters as used; NaN for one that the version does not record.
 * Returns the algorithm.  XX001 if the row is not what training writes.
 */
extern const CrAlgorithm *ReadVersionHyperparameters(Oid schema, const DeployedVersion *deployed,
													 CrHyperparameters *used);

/*
 * Which coordinate of an embedding is popularity, that of users being 1; -1:
 * none is.  Others beyond deployed->factors are biases and constants.
 */
extern int32 PopularityCoordinate(const DeployedVersion *deployed, const CrHyperparameters *used);

/* Time of the newest event of the training; DT_NOBEGIN if none had a time. */
extern TimestampTz ReadVersionEventsUntil(Oid schema, const DeployedVersion *deployed);

#endif							/* COMMREC_VERSION_H */
