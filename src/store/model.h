/*
 * model.h
 *		Finding a model, its tables and its configuration.
 *
 * A model is a schema that holds a table "commrec_model" with one row.  A name
 * is looked up first as the name of such a schema, then as the model name in
 * the commrec_model rows of the other schemas that the caller may use.  There
 * is no registry beside these rows: DROP SCHEMA, pg_dump -n, ALTER SCHEMA ...
 * RENAME and REASSIGN OWNED need no further thought.
 *
 * Privileges: USAGE on the schema, checked at every call, never cached.
 */
#ifndef COMMREC_MODEL_H
#define COMMREC_MODEL_H

#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "common/ident.h"
#include "core/divisor.h"

/* Names of a model's tables. */
#define MODEL_CONFIG			"commrec_model"
#define MODEL_ACTION			"action"
#define MODEL_VERSION			"version"
#define MODEL_EPOCH				"epoch"
#define MODEL_USER_EMBEDDING	"user_embedding"
#define MODEL_FOLD_IN			"fold_in"
#define MODEL_TRENDING			"trending"
#define MODEL_ITEM_EMBEDDING	"item_embedding"
#define MODEL_ITEM_BLOCK		"item_block"
#define MODEL_ITEM_NEIGHBOR		"item_neighbor"
#define MODEL_ITEM_FILTER		"item_filter"
#define MODEL_ITEM_FILTER_PIECE	"item_filter_piece"
#define MODEL_ITEM_SPREAD		"item_spread"
#define MODEL_SPREAD_FACTOR		"spread_factor"
#define MODEL_USER_ACTIVITY		"user_activity"
#define MODEL_ITEM_ACTIVITY		"item_activity"
#define MODEL_KNOWLEDGE			"knowledge"
#define MODEL_JOB				"job"
#define MODEL_FORGOTTEN			"forgotten"
#define MODEL_FORGET_KEY		"forget_key"

typedef struct ModelConfig
{
	Oid			schema;
	char	   *name;			/* the model's name; usually the schema's */
	Oid			events;			/* the events relation, InvalidOid if it is gone */
	char	   *events_name;	/* qualified and quoted, as last seen */
	char	   *user_column;
	char	   *item_column;
	char	   *action_column;	/* NULL: every event is the implied action */
	char	   *time_column;	/* NULL: no buckets, so no K and S */
	char	   *value_column;	/* NULL: no values */
	IdKind		user_kind;
	IdKind		item_kind;
	char	   *algorithm;
	Jsonb	   *hyperparameters;
	int64		bucket_width;	/* microseconds */
} ModelConfig;

/*
 * The schema of the model called "name"; NULL means commrec.default_model, or
 * the only model the caller may use.  42704 if there is none, 42501 without
 * USAGE, 42P09 if the name fits several.
 */
extern Oid	ModelFind(const char *name);

/* The schema's name, for messages. */
extern char *ModelSchemaName(Oid schema);

/*
 * Open one of the model's tables.  It must be a plain table; anything else,
 * or nothing, is 55000 that names it.  No privilege of the caller on the table
 * is needed: the model's own tables are read on behalf of whoever may use it.
 */
extern Relation ModelOpenTable(Oid schema, const char *table, LOCKMODE lockmode);

/* 42501 unless the caller is (a member of) the owner of the model's commrec_model table. */
extern void ModelRequireOwner(Oid schema);

/*
 * Read the configuration, resolving the events relation: by oid as long as
 * the schema is the one it was created in (so that renames are followed), by
 * name after a restore.  Allocated in the current context.
 */
extern ModelConfig *ModelReadConfig(Oid schema);

/* Width of a bucket in microseconds; 22023 for months, years, or less than a second. */
extern int64 BucketWidth(const Interval *bucket);

/*
 * Buckets are multiples of the width from Monday 2001-01-01 00:00 UTC, where
 * bucket 0 starts.  Which one holds "time", and when one starts, clamped to the
 * first timestamp there is.
 */
extern int64 BucketOrdinal(TimestampTz time, int64 bucket_width);
extern TimestampTz BucketOrdinalStart(int64 ordinal, int64 bucket_width);

/* A Monday, so that buckets of seven days are ISO weeks. */
#define BUCKET_ORIGIN	(INT64CONST(366) * USECS_PER_DAY)

/* BucketOrdinal for many times; "width" is cr_divisor() of the bucket's. */
static inline int64
BucketOrdinalBy(const CrDivisor *width, TimestampTz time)
{
	return cr_floor_divide(width, time - BUCKET_ORIGIN);
}

/* Start of the bucket that holds "time". */
extern TimestampTz BucketStart(TimestampTz time, int64 bucket_width);

#endif							/* COMMREC_MODEL_H */
