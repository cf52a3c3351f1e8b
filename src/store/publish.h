/*
 * publish.h
 *		Turning the result of a training into rows: a new version, deployed or not.
 *
 * Everything happens in the caller's transaction, so that readers see the old
 * version or the new one, never a mixture.
 */
#ifndef COMMREC_PUBLISH_H
#define COMMREC_PUBLISH_H

#include "portability/instr_time.h"
#include "utils/timestamp.h"

#include "common/compat.h"
#include "core/algorithm.h"
#include "core/csr.h"
#include "store/model.h"

/* Ids of the entities by dense number, ascending in their native order. */
typedef Datum (*EntityId) (void *map, int32 number);

/* All that recommend() needs to know of a version. */
typedef struct PublishFactors
{
	int32		dims;			/* of the published embeddings: factors, plus 1 with a popularity
								 * coordinate; 1 with lists; 0 if nothing could be learned */
	int32		factors;		/* dims of the trained factors */
	int32		learned;		/* the first of them that say what an entity is like; the rest are biases */
	int32		stride;			/* floats between rows of user_factors and item_factors */
	const float *user_factors;	/* users rows */
	const float *item_factors;	/* items rows */
	CrFold		fold;			/* how users are solved again: what that needs is published, too */
	const CrCsr *lists;			/* of a scorer of lists: row i is the list of item i, both by dense
								 * number, and there are no factors; NULL for other scorers */
	const float *item_popularity_score; /* value of the items' popularity coordinate (the users' is
										 * 1), or NULL: none, or 0 with lists; never below 0 */
	const double *item_popularity;	/* decayed popularity: order of the popular items */
	const float *item_trend;	/* how much an item rises, 0: does not; or NULL */
	const int32 *item_users;	/* distinct users of each item */
	int32		users;
	int32		items;
	const int64 *touched_start; /* users + 1 offsets */
	const int32 *touched_item;	/* every item a user has had to do with, ascending */
	const float *touched_preference;	/* its preference sum; negative: disliked */
	const uint32 *touched_last; /* when it was last touched, as core/seen.h stores it; NULL: no times */
	double		unobserved_weight;	/* a0 of the training */
	bool		has_age_origin;
	TimestampTz age_origin;		/* ages of preferences count from here */
	EntityId	user_id;
	void	   *user_map;
	EntityId	item_id;
	void	   *item_map;
} PublishFactors;

/* Bytes that publishing needs beside the factors, for the memory plan. */
extern Size VersionPublishBytes(int32 items, int32 factors);

/* 55000 unless the tables that VersionPublish will write are as commrec made them. */
extern void VersionPublishCheck(const ModelConfig *config);

/* The row of "version" beside what the factors tell. */
typedef struct PublishVersion
{
	const char *algorithm;
	Jsonb	   *hyperparameters;	/* as used, defaults filled in */
	int64		events;			/* events used */
	int64		pairs;			/* distinct (user, item) with positive preference */
	Jsonb	   *skipped;		/* counts of events left out, by reason */
	bool		has_events_until;
	TimestampTz events_until;	/* time of the newest event */
	instr_time	started;		/* when the training began: "seconds" count to the end of it */
	int32		workers;		/* that really took part beside the leader */
	int64		memory_planned; /* bytes */
	bool		row_security;	/* the events were read under row security */
	Jsonb	   *metrics;		/* validation figures, loss */
	bool		deploy;
	int32		epochs;
	const double *loss;			/* after each epoch */
	const double *epoch_seconds;
	const double *epoch_cpu_seconds;
} PublishVersion;

/*
 * Write all that serves of a new version (user_embedding, item_embedding and
 * so on), whose number is returned, and make room for it: remove the data of
 * versions beyond commrec.keep_versions and, if it is to be deployed, let no
 * other one be.  The caller holds the model's training lock, and calls
 * VersionRecord afterwards.
 */
extern int32 VersionPublish(const ModelConfig *config, const PublishFactors *factors,
							bool deploy);

/* Write the rows of "version" and "epoch", the last thing to do: see "seconds". */
extern void VersionRecord(const ModelConfig *config, int32 number, const PublishVersion *version,
						  const PublishFactors *factors);

/* Evaluate the model's filters anew, for new items of this version too; SPI is connected. */
extern void VersionPublishFilters(Oid schema, int32 number);

/* Make "version" the deployed one; 42704 if unknown, 55000 if its data are gone. */
extern void VersionDeploy(Oid schema, int32 version);

/*
 * Take the model's training lock for this transaction.  If another session
 * holds it: false.  It is an advisory lock that SQL cannot take (fourth field
 * TRAIN_LOCK_SUBID), so that nobody blocks trainings by accident; pg_locks
 * shows it, and commrec.progress reads it from there.
 */
#define TRAIN_LOCK_CLASS	0x636f6d6d	/* "comm" */
#define TRAIN_LOCK_SUBID	3
extern bool TrainLockAcquire(Oid schema);

/*
 * 40001 if a version has been published since the transaction's snapshot was
 * taken, which only REPEATABLE READ and above can have: what it has written
 * could neither be seen nor replaced.  The caller holds the lock.
 */
extern void VersionRequireNewest(Oid schema);

/* 55006: somebody else has it. */
extern void TrainReportRunning(Oid schema) pg_attribute_noreturn();

/* The same lock for the session, for what commits in between; to be released even after an error. */
extern bool TrainLockAcquireSession(Oid schema);
extern void TrainLockReleaseSession(Oid schema);

/* The same, waiting for whoever holds it: for drop_model and deploy. */
extern void TrainLockWait(Oid schema);

#endif							/* COMMREC_PUBLISH_H */
