/*
 * activity.h
 *		K(t,i) and S_i from the model's user_activity table.
 */
#ifndef COMMREC_ACTIVITY_H
#define COMMREC_ACTIVITY_H

#include "common/ident.h"
#include "utils/timestamp.h"

/* Id kind of the users in user_activity. */
extern IdKind ActivityUserKind(Oid schema);

/*
 * Knowledge spread of the user in the bucket that holds "time".  False (SQL
 * NULL) for an unknown user; 0 for a known one without events there.  55000 if
 * the model has no time column or was never trained; 22008 for an infinite time.
 */
extern bool ActivitySpread(Oid schema, Datum user, TimestampTz time, double *spread);

/* Sum over buckets of s(t,i); false for an unknown user or one without any signal. */
extern bool ActivitySatisfaction(Oid schema, Datum user, double *satisfaction);

#endif							/* COMMREC_ACTIVITY_H */
