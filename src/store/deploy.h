/*
 * deploy.h
 *		What publishing and deploying share: statements on the model's tables.
 *
 * All of these expect a connected SPI, except VersionMakeRoom and VersionPrune,
 * which connect by themselves.
 */
#ifndef COMMREC_DEPLOY_H
#define COMMREC_DEPLOY_H

#include "store/model.h"

/* Qualified, quoted name of one of the model's tables. */
extern char *ModelTableSql(Oid schema, const char *table);

/* Run a statement with parameters; anything but "expected" is an error.  Returns the rows. */
extern uint64 ModelExecute(const char *sql, int count, Oid *types, Datum *values,
						   const char *nulls, int expected);

/* No version is the deployed one any more. */
extern void VersionUndeploy(Oid schema);

/*
 * Before the row of a new version is written: if it is to be deployed, no other
 * one stays so; and the data of versions beyond the newest commrec.keep_versions,
 * the new one among them, are removed.  The deployed one stays, and so do the
 * rows of "version" and "epoch": they are the model's history.
 */
extern void VersionMakeRoom(Oid schema, bool deploy);

/* Remove the data of versions beyond the newest ones, so many of them; the deployed one stays. */
extern void VersionPrune(Oid schema, int kept);

#endif							/* COMMREC_DEPLOY_H */
