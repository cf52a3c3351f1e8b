/*
 * update.h
 *		Changing a version that has been published: rows of users, and more items.
 *
 * In the caller's transaction, under the model's training lock, so that readers
 * see the version as it was or as it is then.  SPI is connected where it says so.
 */
#ifndef COMMREC_UPDATE_H
#define COMMREC_UPDATE_H

#include "store/publish.h"
#include "store/reader.h"

/* A user's row as it is to be; arrays are ascending by item_no. */
typedef struct UserUpdate
{
	Datum		user;
	const float *vector;		/* dims floats, or NULL: nothing learned */
	const uint32 *seen;			/* entries, see core/seen.h */
	const uint32 *last_touched;
	const float *preferences;
	uint32		count;
} UserUpdate;

/* Writes many rows by one plan; between Begin and End SPI is connected. */
typedef struct UserUpdater
{
	const ModelConfig *config;
	const DeployedVersion *deployed;
	void	   *plan;
	MemoryContext scratch;		/* of one row */
} UserUpdater;

extern void UserUpdaterBegin(UserUpdater *updater, const ModelConfig *config,
							 const DeployedVersion *deployed);
extern void UserUpdaterWrite(UserUpdater *updater, const UserUpdate *update);
extern void UserUpdaterEnd(UserUpdater *updater);

/*
 * Write all items of the version anew, those of "factors", which are the old
 * ones and more; whatever counts on the old numbers is given the new ones:
 * seen items, rising items, filters.  dense[old item_no] is the item's dense
 * number in "factors".  Returns item_no by dense number.
 */
extern int32 *VersionReplaceItems(const ModelConfig *config, const DeployedVersion *deployed,
								  const PublishFactors *factors, const int32 *dense);

/* What was folded into a version. */
typedef struct FoldedMark
{
	int32		version;
	TimestampTz until;			/* the newest event that is in it now */
	int64		events;			/* that came in */
	int64		users;			/* new ones */
	int32		items;			/* that it has now */
} FoldedMark;

extern void VersionMarkFolded(Oid schema, const FoldedMark *mark);

#endif							/* COMMREC_UPDATE_H */
