/*
 * errors.h
 *		The one place where a CrStatus becomes an error report.
 */
#ifndef COMMREC_ERRORS_H
#define COMMREC_ERRORS_H

#include "core/status.h"

/*
 * Raise what "status" means for stored bytes of a model: XX001 for damaged
 * ones, 0A000 for a newer format, with the hint to retrain.  "what" names the
 * entity, such as: embedding of user "42".  CR_OK returns.
 */
extern void CheckStoredBytes(CrStatus status, const char *model, const char *what);

/* Raise what "status" means for a computation: 22003, 55000 or 22023.  CR_OK returns. */
extern void CheckComputation(CrStatus status, const char *what);

#endif							/* COMMREC_ERRORS_H */
