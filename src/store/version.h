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
 * Returns whether the algorithm learned ratings instead of preferences.  XX001
 * if the row is not what training writes.
 */
extern bool ReadVersionHyperparameters(Oid schema, const DeployedVersion *deployed,
									   CrHyperparameters *used);

/* Time of the newest event of the training; DT_NOBEGIN if none had a time. */
extern TimestampTz ReadVersionEventsUntil(Oid schema, const DeployedVersion *deployed);

#endif							/* COMMREC_VERSION_H */
