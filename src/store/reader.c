/*
 * reader.c
 *		Which version is deployed, and what is stored of its users.
 *
 * All rows that one call reads come from one snapshot, so they belong to one
 * version even while another is being published.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "common/compat.h"
#include "common/errors.h"
#include "core/embedding.h"
#include "core/preference.h"
#include "core/preferences.h"
#include "core/seen.h"
#include "store/model.h"
#include "store/reader.h"
#include "store/version.h"

/* Columns of a layout are addressed by these, in the same order. */
enum { VERSION_DEPLOYED, VERSION_VERSION, VERSION_DIMS, VERSION_FACTORS, VERSION_ITEMS,
	VERSION_ALGORITHM };
enum { CONFIG_ONLY_ROW, CONFIG_TIME_COLUMN, CONFIG_BUCKET };
enum { USER_VERSION, USER_ID, USER_EMBEDDING, USER_SEEN, USER_PREFERENCES };

static const LookupLayout deployed_layout = {
	MODEL_VERSION, 1, 6,
	{{"deployed", BOOLOID}, {"version", INT4OID}, {"dims", INT4OID}, {"factors", INT4OID},
	{"items", INT8OID}, {"algorithm", TEXTOID}}
};

static const LookupLayout config_layout = {
	MODEL_CONFIG, 1, 3,
	{{"only_row", BOOLOID}, {"time_column", NAMEOID}, {"bucket", INTERVALOID}}
};

static const LookupLayout user_layout = {
	MODEL_USER_EMBEDDING, 2, 5,
	{{"version", INT4OID}, {"user_id", InvalidOid}, {"embedding", BYTEAOID}, {"seen", BYTEAOID},
	{"preferences", BYTEAOID}}
};

/* A column that holds what is needed in every row; a NULL there is damage. */
static Datum
RequiredValue(Lookup *lookup, int column, const char *what)
{
	bool		is_null;
	Datum		value = LookupValue(lookup, column, &is_null);

	if (is_null)
		CheckStoredBytes(CR_CORRUPT, ModelSchemaName(lookup->schema), what);
	return value;
}

/* Is there any version at all? */
static bool
HasVersions(Oid schema)
{
	static const LookupLayout layout = {MODEL_VERSION, 1, 1, {{"version", INT4OID}}};
	Lookup		lookup;
	bool		found;

	LookupOpen(&lookup, schema, &layout);
	LookupStart(&lookup, 0, NULL);
	found = LookupNext(&lookup);
	LookupClose(&lookup);
	return found;
}

static void pg_attribute_noreturn()
ReportNotDeployed(Oid schema)
{
	if (HasVersions(schema))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no version of model \"%s\" is deployed", ModelSchemaName(schema)),
				 errhint("Deploy one with commrec.deploy(), or train the model with commrec.train().")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("model \"%s\" has not been trained", ModelSchemaName(schema)),
			 errhint("Train it with commrec.train().")));
}

bool
ScoresByLists(const DeployedVersion *deployed)
{
	return deployed->scorer == CR_SCORER_LISTS && deployed->dims > 0;
}

void
ReadVersionScorer(Oid schema, const char *algorithm, DeployedVersion *version)
{
	const CrAlgorithm *descriptor = cr_algorithm_find(algorithm);
	CrHyperparameters used;

	if (descriptor == NULL)
		CheckStoredBytes(CR_UNSUPPORTED_FORMAT, ModelSchemaName(schema),
						 psprintf("version %d, of algorithm \"%s\",", version->version, algorithm));
	version->scorer = descriptor->scorer;
	version->fold = descriptor->fold;
	version->alpha = 1;
	if (!ScoresByLists(version))
		return;
	/* With lists, popularity is all that an embedding holds. */
	if (version->dims != 1 || version->factors != 0)
		CheckStoredBytes(CR_CORRUPT, ModelSchemaName(schema),
						 psprintf("row of version %d", version->version));
	ReadVersionHyperparameters(schema, version, &used);
	version->alpha = used.alpha;
}

void
ReadDeployedVersion(Oid schema, DeployedVersion *deployed)
{
	static const char what[] = "row of the deployed version";
	Datum		is_deployed = BoolGetDatum(true);
	char	   *algorithm;
	Lookup		lookup;
	int64		items;

	LookupOpen(&lookup, schema, &deployed_layout);
	LookupStart(&lookup, 1, &is_deployed);
	if (!LookupNext(&lookup))
		ReportNotDeployed(schema);
	deployed->version = DatumGetInt32(RequiredValue(&lookup, VERSION_VERSION, what));
	deployed->dims = DatumGetInt32(RequiredValue(&lookup, VERSION_DIMS, what));
	deployed->factors = DatumGetInt32(RequiredValue(&lookup, VERSION_FACTORS, what));
	items = DatumGetInt64(RequiredValue(&lookup, VERSION_ITEMS, what));
	if (deployed->dims < 0 || deployed->dims > CR_BLOCK_DIMS_MAX || deployed->factors < 0 ||
		deployed->factors > deployed->dims || items < 0 || items > PG_INT32_MAX)
		CheckStoredBytes(CR_CORRUPT, ModelSchemaName(schema), what);
	deployed->items = (int32) items;
	algorithm = TextDatumGetCString(RequiredValue(&lookup, VERSION_ALGORITHM, what));
	LookupClose(&lookup);
	ReadVersionScorer(schema, algorithm, deployed);
	pfree(algorithm);
}

bool
ReadBucketWidth(Oid schema, int64 *bucket_width)
{
	Datum		only_row = BoolGetDatum(true);
	Lookup		lookup;
	Datum		bucket;
	bool		is_null;

	LookupOpen(&lookup, schema, &config_layout);
	LookupStart(&lookup, 1, &only_row);
	if (!LookupNext(&lookup))
		CheckStoredBytes(CR_CORRUPT, ModelSchemaName(schema), "configuration");
	bucket = RequiredValue(&lookup, CONFIG_BUCKET, "configuration");
	*bucket_width = BucketWidth(DatumGetIntervalP(bucket));
	(void) LookupValue(&lookup, CONFIG_TIME_COLUMN, &is_null);
	LookupClose(&lookup);
	return !is_null;
}

/* Go to the row of one user; false if there is none. */
static bool
FindUser(Lookup *lookup, const DeployedVersion *deployed, Datum user)
{
	Datum		keys[2];

	keys[0] = Int32GetDatum(deployed->version);
	keys[1] = user;
	LookupStart(lookup, 2, keys);
	return LookupNext(lookup);
}

/* Raise what is wrong with one of the user's columns; names are made up only when needed. */
static void
CheckUserBytes(CrStatus status, const Lookup *lookup, Datum user, const char *column)
{
	if (status != CR_OK)
		CheckStoredBytes(status, ModelSchemaName(lookup->schema),
						 psprintf("%s of user \"%s\"", column, IdToCString(user, lookup->id_kind)));
}

/* NULL: nothing was learned of this user. */
static float *
ReadUserEmbedding(Lookup *lookup, const DeployedVersion *deployed, Datum user)
{
	Size		length = 0;
	const uint8 *bytes;
	float	   *embedding;

	if (deployed->dims == 0 || (bytes = LookupBytes(lookup, USER_EMBEDDING, &length)) == NULL)
		return NULL;
	embedding = palloc(sizeof(float) * deployed->dims);
	CheckUserBytes(cr_embedding_decode(bytes, length, deployed->dims, embedding), lookup, user,
				   "embedding");
	return embedding;
}

/* Entries are ascending, so the last one tells whether all of them name items of the version. */
static void
ReadUserSeen(Lookup *lookup, const DeployedVersion *deployed, Datum user, StoredUser *stored)
{
	Size		length = 0;
	const uint8 *bytes = LookupBytes(lookup, USER_SEEN, &length);
	CrStatus	status = CR_CORRUPT;
	uint32		count = 0;

	if (bytes != NULL)
		status = cr_seen_check(bytes, length, &count);
	CheckUserBytes(status, lookup, user, "list of seen items");
	stored->seen = palloc(sizeof(uint32) * Max(count, 1));
	stored->seen_count = count;
	cr_seen_decode(bytes, count, stored->seen);
	if (cr_seen_is_timed(bytes))
	{
		stored->last_touched = palloc(sizeof(uint32) * Max(count, 1));
		cr_seen_decode_times(bytes, count, stored->last_touched);
	}
	if (count > 0 && stored->seen[count - 1] >> 1 >= (uint32) deployed->items)
		CheckUserBytes(CR_CORRUPT, lookup, user, "list of seen items");
}

float
UserConfidence(double alpha, double preference)
{
	float		confidence = preference > 0 ? cr_confidence(alpha, preference) : 0.0f;

	if (!isfinite(confidence))
		CheckComputation(CR_NOT_FINITE, "confidence of a pair");
	return confidence;
}

/* c_ui of the seen items, in their order, from the preferences. */
static void
ReadUserConfidence(Lookup *lookup, const DeployedVersion *deployed, Datum user,
				   StoredUser *stored)
{
	Size		length = 0;
	const uint8 *bytes = LookupBytes(lookup, USER_PREFERENCES, &length);
	float	   *confidence = palloc(sizeof(float) * Max(stored->seen_count, 1));

	CheckUserBytes(bytes == NULL ? CR_CORRUPT :
				   cr_preferences_decode(bytes, length, stored->seen_count, confidence), lookup,
				   user, "preferences");
	for (uint32 i = 0; i < stored->seen_count; i++)
		confidence[i] = UserConfidence(deployed->alpha, confidence[i]);
	stored->confidence = confidence;
}

/* All of the current row. */
static void
ReadUserRow(Lookup *lookup, const DeployedVersion *deployed, Datum user, StoredUser *stored)
{
	memset(stored, 0, sizeof(*stored));
	stored->embedding = ReadUserEmbedding(lookup, deployed, user);
	ReadUserSeen(lookup, deployed, user, stored);
	if (ScoresByLists(deployed))
		ReadUserConfidence(lookup, deployed, user, stored);
}

void
UserReaderOpen(UserReader *reader, Oid schema, const DeployedVersion *deployed)
{
	reader->deployed = deployed;
	LookupOpen(&reader->lookup, schema, &user_layout);
}

void
UserReaderClose(UserReader *reader)
{
	LookupClose(&reader->lookup);
}

bool
UserReaderRead(UserReader *reader, Datum user, StoredUser *stored)
{
	memset(stored, 0, sizeof(*stored));
	if (!FindUser(&reader->lookup, reader->deployed, user))
		return false;
	ReadUserRow(&reader->lookup, reader->deployed, user, stored);
	return true;
}

void
UserReaderStart(UserReader *reader)
{
	Datum		version = Int32GetDatum(reader->deployed->version);

	LookupStart(&reader->lookup, 1, &version);
}

bool
UserReaderNext(UserReader *reader)
{
	return LookupNext(&reader->lookup);
}

ItemPointerData
UserReaderPlace(const UserReader *reader)
{
	return LookupPlace(&reader->lookup);
}

void
UserReaderGo(UserReader *reader, ItemPointerData place)
{
	if (!LookupFetch(&reader->lookup, place))
		CheckStoredBytes(CR_CORRUPT, ModelSchemaName(reader->lookup.schema), "row of a user");
}

Datum
UserReaderId(UserReader *reader)
{
	return RequiredValue(&reader->lookup, USER_ID, "id of a user");
}

void
UserReaderGet(UserReader *reader, StoredUser *stored)
{
	ReadUserRow(&reader->lookup, reader->deployed, UserReaderId(reader), stored);
}

bool
ReadUser(Oid schema, const DeployedVersion *deployed, Datum user, StoredUser *stored)
{
	UserReader	reader;
	bool		is_known;

	UserReaderOpen(&reader, schema, deployed);
	is_known = UserReaderRead(&reader, user, stored);
	UserReaderClose(&reader);
	return is_known;
}

bool
IsKnownUser(Oid schema, const DeployedVersion *deployed, IdKind kind, Datum user)
{
	Lookup		lookup;
	bool		is_known;

	LookupOpen(&lookup, schema, &user_layout);
	if (lookup.id_kind != kind)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tables of model \"%s\" have user ids of different types",
						ModelSchemaName(schema)),
				 errhint("Drop the model and create it again with commrec.create_model().")));
	is_known = FindUser(&lookup, deployed, user);
	LookupClose(&lookup);
	return is_known;
}
