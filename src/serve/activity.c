/*
 * activity.c
 *		K(t,i) and S_i from the model's user_activity table.
 *
 * The table holds finished numbers, written by the last training; all that is
 * left to do is to find rows by the primary key (user_id, bucket).
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "common/errors.h"
#include "serve/activity.h"
#include "store/model.h"
#include "store/reader.h"

enum { ACTIVITY_USER, ACTIVITY_BUCKET, ACTIVITY_SPREAD, ACTIVITY_SATISFACTION };

static const LookupLayout activity_layout = {
	MODEL_USER_ACTIVITY, 2, 4,
	{{"user_id", InvalidOid}, {"bucket", TIMESTAMPTZOID}, {"spread", FLOAT8OID},
	{"satisfaction", FLOAT8OID}}
};

IdKind
ActivityUserKind(Oid schema)
{
	return LookupIdKind(schema, MODEL_USER_ACTIVITY, "user_id");
}

/*
 * K of the row that was found.  False if there is none: the user then has no
 * events in this bucket, or is not known at all.
 */
static bool
ReadSpread(Lookup *lookup, Datum user, TimestampTz bucket, double *spread)
{
	Datum		keys[2];
	Datum		value;
	bool		is_null;

	keys[0] = user;
	keys[1] = TimestampTzGetDatum(bucket);
	LookupStart(lookup, 2, keys);
	if (!LookupNext(lookup))
		return false;
	value = LookupValue(lookup, ACTIVITY_SPREAD, &is_null);
	if (is_null)
		CheckStoredBytes(CR_CORRUPT, ModelSchemaName(lookup->schema),
						 psprintf("knowledge spread of user \"%s\"",
								  IdToCString(user, lookup->id_kind)));
	*spread = DatumGetFloat8(value);
	return true;
}

/* A user is known by any row of activity, or as one of the deployed version. */
static bool
IsUserKnown(Lookup *lookup, const DeployedVersion *deployed, Datum user)
{
	LookupStart(lookup, 1, &user);
	return LookupNext(lookup) || IsKnownUser(lookup->schema, deployed, lookup->id_kind, user);
}

bool
ActivitySpread(Oid schema, Datum user, TimestampTz time, double *spread)
{
	DeployedVersion deployed;
	Lookup		lookup;
	int64		bucket_width;
	bool		is_known;

	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("knowledge spread needs a finite time"),
				 errhint("Give a time within the bucket of interest.")));
	ReadDeployedVersion(schema, &deployed);
	if (!ReadBucketWidth(schema, &bucket_width))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no time column", ModelSchemaName(schema)),
				 errhint("Give it one with commrec.alter_model(), then retrain it with commrec.train().")));
	LookupOpen(&lookup, schema, &activity_layout);
	is_known = ReadSpread(&lookup, user, BucketStart(time, bucket_width), spread);
	if (!is_known)
	{
		*spread = 0;
		is_known = IsUserKnown(&lookup, &deployed, user);
	}
	LookupClose(&lookup);
	return is_known;
}

bool
ActivitySatisfaction(Oid schema, Datum user, double *satisfaction)
{
	DeployedVersion deployed;
	Lookup		lookup;
	bool		has_signal = false;

	ReadDeployedVersion(schema, &deployed);
	*satisfaction = 0;
	LookupOpen(&lookup, schema, &activity_layout);
	LookupStart(&lookup, 1, &user);
	while (LookupNext(&lookup))
	{
		bool		is_null;
		Datum		value = LookupValue(&lookup, ACTIVITY_SATISFACTION, &is_null);

		if (is_null)
			continue;
		*satisfaction += DatumGetFloat8(value);
		has_signal = true;
	}
	LookupClose(&lookup);
	return has_signal;
}
