/*
 * publish.c
 *		Turning the result of a training into rows: a new version, deployed or not.
 *
 * Embeddings go through the bulk writer, the few rows of "version" and "epoch"
 * through SPI as the caller, who owns the tables.  The version's row comes
 * last, so that its "seconds" and what its metrics say of the costs cover
 * everything.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/shmem.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "common/errors.h"
#include "common/release.h"
#include "common/sort.h"
#include "core/embedding.h"
#include "core/preferences.h"
#include "core/seen.h"
#include "store/bulk.h"
#include "store/deploy.h"
#include "store/publish.h"
#include "store/publish_fold_in.h"
#include "store/publish_items.h"
#include "store/publish_neighbors.h"
#include "store/publish_trending.h"

#define VERSION_COLUMNS	19		/* the last one is "library" */

/* Everything that writing the users needs. */
typedef struct UsersWriter
{
	const PublishFactors *factors;
	int32		version;
	const int32 *item_no;		/* by dense number */
	int			entry_bits;		/* of an entry of seen items */
	/* Of one user, used again for the next: the bulk writer copies what it is given. */
	float	   *vector;			/* dims floats */
	uint64	   *entries;		/* of the seen items, in the upper half; where they came from in the lower */
	uint64	   *scratch;		/* to sort them */
	uint32	   *sorted;
	uint32	   *times;			/* of the sorted entries */
	float	   *preference;		/* of the sorted entries */
	bytea	   *embedding;
	bytea	   *seen;
	bytea	   *preferences;
} UsersWriter;

Size
VersionPublishBytes(int32 items, int32 factors)
{
	/* The seen items of one user are at most all of them: entries, to sort them, and their bytes twice. */
	Size		users = mul_size(items, sizeof(int32) + 2 * sizeof(uint64) + 9 * sizeof(uint32));

	return add_size(add_size(PublishItemsBytes(items), Max(users, PublishNeighborsBytes(items))),
					PublishFoldInBytes(factors));
}

void
VersionPublishCheck(const ModelConfig *config)
{
	BulkWriterEnd(BulkWriterBegin(config, MODEL_USER_EMBEDDING));
	BulkWriterEnd(BulkWriterBegin(config, MODEL_ITEM_EMBEDDING));
	BulkWriterEnd(BulkWriterBegin(config, MODEL_ITEM_BLOCK));
	BulkWriterEnd(BulkWriterBegin(config, MODEL_ITEM_NEIGHBOR));
}

/*
 * One more than any number in use.  The data's tables are asked too: somebody
 * may have tidied up "version" by hand.
 */
static int32
NextVersion(Oid schema)
{
	static const char *const tables[] = {MODEL_VERSION, MODEL_EPOCH, MODEL_USER_EMBEDDING,
	MODEL_ITEM_EMBEDDING, MODEL_ITEM_BLOCK, MODEL_ITEM_NEIGHBOR};
	int32		newest = 0;

	SPI_connect();
	for (int i = 0; i < (int) lengthof(tables); i++)
	{
		bool		is_null;
		Datum		value;

		ModelExecute(psprintf("SELECT pg_catalog.max(version) FROM %s",
							  ModelTableSql(schema, tables[i])), 0, NULL, NULL, NULL,
					 SPI_OK_SELECT);
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
		if (!is_null)
			newest = Max(newest, DatumGetInt32(value));
	}
	SPI_finish();
	if (newest == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("model \"%s\" has no version number left", ModelSchemaName(schema)),
				 errhint("Create the model anew with commrec.create_model().")));
	return newest + 1;
}

/* The packed array of what a user has had to do with. */
static Datum
EncodeSeen(const UsersWriter *users, int64 from, int64 to)
{
	const PublishFactors *factors = users->factors;
	uint32		count = (uint32) (to - from);
	const uint64 *sorted;

	for (uint32 i = 0; i < count; i++)
	{
		uint32		item_no = (uint32) users->item_no[factors->touched_item[from + i]];
		uint32		entry = item_no << 1 | (factors->touched_preference[from + i] < 0 ? 1 : 0);

		users->entries[i] = (uint64) entry << 32 | i;
	}
	sorted = SortByBits(users->entries, users->scratch, count, 32, users->entry_bits);
	for (uint32 i = 0; i < count; i++)
	{
		users->sorted[i] = (uint32) (sorted[i] >> 32);
		users->preference[i] = factors->touched_preference[from + (uint32) sorted[i]];
	}
	if (factors->touched_last != NULL)
	{
		for (uint32 i = 0; i < count; i++)
			users->times[i] = factors->touched_last[from + (uint32) sorted[i]];
		SET_VARSIZE(users->seen, VARHDRSZ + cr_seen_size_timed(count));
		cr_seen_encode_timed(users->sorted, users->times, count,
							 (uint8_t *) VARDATA(users->seen));
	}
	else
	{
		SET_VARSIZE(users->seen, VARHDRSZ + cr_seen_size(count));
		cr_seen_encode(users->sorted, count, (uint8_t *) VARDATA(users->seen));
	}
	return PointerGetDatum(users->seen);
}

/* The preferences in the order of the seen items, which EncodeSeen has left. */
static Datum
EncodePreferences(const UsersWriter *users, int64 from, int64 to)
{
	SET_VARSIZE(users->preferences, VARHDRSZ +
				cr_preferences_encode(users->preference, (uint32) (to - from),
									  (uint8_t *) VARDATA(users->preferences)));
	return PointerGetDatum(users->preferences);
}

/* Does he want any item?  Then his score of an item is what the lists of these say. */
static bool
HasPositive(const PublishFactors *factors, int32 user)
{
	for (int64 i = factors->touched_start[user]; i < factors->touched_start[user + 1]; i++)
	{
		if (factors->touched_preference[i] > 0)
			return true;
	}
	return false;
}

/* The published vector of a user; false if nothing was learned of him: all zero. */
static bool
UserVector(const PublishFactors *factors, int32 user, float *vector)
{
	const float *row;
	bool		is_learned = false;

	if (factors->lists != NULL)
	{
		vector[0] = 1;
		return HasPositive(factors, user);
	}
	row = factors->user_factors + (Size) user * factors->stride;
	for (int32 i = 0; i < factors->factors; i++)
	{
		vector[i] = row[i];
		is_learned |= row[i] != 0;
	}
	if (factors->item_popularity_score != NULL)
		vector[factors->factors] = 1;
	return is_learned;
}

static bool
EncodeUser(const UsersWriter *users, int32 user, Datum *embedding)
{
	const PublishFactors *factors = users->factors;

	if (factors->dims == 0 || !UserVector(factors, user, users->vector))
		return false;
	CheckComputation(cr_embedding_encode(users->vector, factors->dims,
										 (uint8_t *) VARDATA(users->embedding)),
					 "a user's embedding");
	*embedding = PointerGetDatum(users->embedding);
	return true;
}

static void
WriteUser(const UsersWriter *users, int32 user, BulkWriter *writer)
{
	const PublishFactors *factors = users->factors;
	int64		from = factors->touched_start[user];
	int64		to = factors->touched_start[user + 1];
	bool		nulls[6] = {false};
	Datum		values[6] = {0};

	values[0] = Int32GetDatum(users->version);
	values[1] = factors->user_id(factors->user_map, user);
	nulls[2] = !EncodeUser(users, user, &values[2]);
	values[3] = EncodeSeen(users, from, to);
	values[4] = EncodePreferences(users, from, to);
	values[5] = Int32GetDatum((int32) (to - from));
	BulkWriterAdd(writer, values, nulls);
}

static int64
LongestRow(const PublishFactors *factors)
{
	int64		longest = 0;

	for (int32 i = 0; i < factors->users; i++)
		longest = Max(longest, factors->touched_start[i + 1] - factors->touched_start[i]);
	return longest;
}

static void
AllocateBuffers(UsersWriter *users)
{
	const PublishFactors *factors = users->factors;
	int32		dims = Max(factors->dims, 1);
	Size		longest = (Size) Max(LongestRow(factors), 1);
	Size		embedding_size = VARHDRSZ + cr_embedding_size(dims);

	users->vector = palloc(dims * sizeof(float));
	users->entries = MemoryContextAllocHuge(CurrentMemoryContext, longest * sizeof(uint64));
	users->scratch = MemoryContextAllocHuge(CurrentMemoryContext, longest * sizeof(uint64));
	users->sorted = MemoryContextAllocHuge(CurrentMemoryContext, longest * sizeof(uint32));
	users->times = MemoryContextAllocHuge(CurrentMemoryContext, longest * sizeof(uint32));
	users->preference = MemoryContextAllocHuge(CurrentMemoryContext, longest * sizeof(float));
	users->preferences = MemoryContextAllocHuge(CurrentMemoryContext, VARHDRSZ +
												cr_preferences_size_max((uint32) longest));
	users->seen = MemoryContextAllocHuge(CurrentMemoryContext,
										 VARHDRSZ + cr_seen_size_timed((uint32) longest));
	users->embedding = palloc(embedding_size);
	SET_VARSIZE(users->embedding, embedding_size);
}

static void
PublishUsers(const ModelConfig *config, int32 version, const PublishFactors *factors,
			 const int32 *item_no)
{
	BulkWriter *writer = BulkWriterBegin(config, MODEL_USER_EMBEDDING);
	UsersWriter users;

	users.factors = factors;
	users.version = version;
	users.item_no = item_no;
	users.entry_bits = BitsOf((uint64) factors->items) + 1;
	AllocateBuffers(&users);
	for (int32 user = 0; user < factors->users; user++)
		WriteUser(&users, user, writer);
	BulkWriterEnd(writer);
	pfree(users.vector);
	pfree(users.entries);
	pfree(users.scratch);
	pfree(users.sorted);
	pfree(users.times);
	pfree(users.preference);
	pfree(users.preferences);
	pfree(users.seen);
	pfree(users.embedding);
}

static Datum
Float8Array(const double *values, int count)
{
	Datum	   *elements = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		elements[i] = Float8GetDatum(values[i]);
	return PointerGetDatum(construct_array(elements, count, FLOAT8OID, sizeof(float8),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static void
WriteEpochs(Oid schema, int32 number, const PublishVersion *version)
{
	Oid			array_type = get_array_type(FLOAT8OID);
	Oid			types[4] = {INT4OID, array_type, array_type, array_type};
	Datum		values[4];

	values[0] = Int32GetDatum(number);
	values[1] = Float8Array(version->loss, version->epochs);
	values[2] = Float8Array(version->epoch_seconds, version->epochs);
	values[3] = Float8Array(version->epoch_cpu_seconds, version->epochs);
	ModelExecute(psprintf("INSERT INTO %s (version, epoch, loss, seconds, cpu_seconds) "
						  "SELECT $1, e.epoch, e.loss, e.seconds, e.cpu_seconds FROM ROWS FROM "
						  "(pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4)) "
						  "WITH ORDINALITY AS e (loss, seconds, cpu_seconds, epoch)",
						  ModelTableSql(schema, MODEL_EPOCH)),
				 4, types, values, NULL, SPI_OK_INSERT);
}

/* One value of the version's row. */
static void
SetColumn(Oid *types, Datum *values, int position, Oid type, Datum value)
{
	types[position - 1] = type;
	values[position - 1] = value;
}

static double
SecondsSince(instr_time started)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, started);
	return INSTR_TIME_GET_DOUBLE(now);
}

static void
FillVersionRow(int32 number, const PublishVersion *version, const PublishFactors *factors,
			   Oid *types, Datum *values)
{
	SetColumn(types, values, 1, INT4OID, Int32GetDatum(number));
	SetColumn(types, values, 2, TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp()));
	SetColumn(types, values, 3, TEXTOID, CStringGetTextDatum(version->algorithm));
	SetColumn(types, values, 4, JSONBOID, JsonbPGetDatum(version->hyperparameters));
	SetColumn(types, values, 5, INT8OID, Int64GetDatum(version->events));
	SetColumn(types, values, 6, INT8OID, Int64GetDatum(factors->users));
	SetColumn(types, values, 7, INT8OID, Int64GetDatum(factors->items));
	SetColumn(types, values, 8, INT8OID, Int64GetDatum(version->pairs));
	SetColumn(types, values, 9, JSONBOID, JsonbPGetDatum(version->skipped));
	SetColumn(types, values, 10, TIMESTAMPTZOID, TimestampTzGetDatum(version->events_until));
	SetColumn(types, values, 11, FLOAT8OID, Float8GetDatum(SecondsSince(version->started)));
	SetColumn(types, values, 12, INT4OID, Int32GetDatum(version->workers));
	SetColumn(types, values, 13, INT8OID, Int64GetDatum(version->memory_planned));
	SetColumn(types, values, 14, BOOLOID, BoolGetDatum(version->row_security));
	SetColumn(types, values, 15, JSONBOID, JsonbPGetDatum(version->metrics));
	SetColumn(types, values, 16, INT4OID, Int32GetDatum(factors->dims));
	SetColumn(types, values, 17, INT4OID, Int32GetDatum(factors->dims == 0 ? 0 : factors->learned));
	SetColumn(types, values, 18, BOOLOID, BoolGetDatum(version->deploy));
	SetColumn(types, values, 19, TEXTOID, CStringGetTextDatum(COMMREC_RELEASE));
}

/* Models that 0.1.0 made have no such column until commrec.alter_model() adds it. */
static bool
HasLibraryColumn(Oid schema)
{
	Oid			table = get_relname_relid(MODEL_VERSION, schema);
	AttrNumber	column = get_attnum(table, "library");

	return column != InvalidAttrNumber && get_atttype(table, column) == TEXTOID;
}

/*
 * The model's training lock keeps other trainings away, so that the number is
 * free.  With a snapshot older than the lock (REPEATABLE READ and above) it may
 * be taken all the same: ON CONFLICT makes that a serialization failure, and
 * not a duplicate key.
 */
static void
WriteVersion(Oid schema, int32 number, const PublishVersion *version,
			 const PublishFactors *factors)
{
	Oid			types[VERSION_COLUMNS];
	Datum		values[VERSION_COLUMNS];
	char		nulls[VERSION_COLUMNS + 1];
	bool		has_library = HasLibraryColumn(schema);

	memset(nulls, ' ', VERSION_COLUMNS);
	nulls[VERSION_COLUMNS] = '\0';
	if (!version->has_events_until)
		nulls[9] = 'n';
	FillVersionRow(number, version, factors, types, values);
	if (ModelExecute(psprintf("INSERT INTO %s (version, trained_at, algorithm, hyperparameters, "
							  "events, users, items, pairs, skipped, events_until, seconds, "
							  "workers, memory_planned, row_security, metrics, dims, "
							  "factors, deployed%s) "
							  "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
							  "$14, $15, $16, $17, $18%s) ON CONFLICT DO NOTHING",
							  ModelTableSql(schema, MODEL_VERSION), has_library ? ", library" : "",
							  has_library ? ", $19" : ""),
					 has_library ? VERSION_COLUMNS : VERSION_COLUMNS - 1, types, values, nulls,
					 SPI_OK_INSERT) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("version %d of model \"%s\" exists already", number,
						ModelSchemaName(schema))));
}

void
VersionPublishFilters(Oid schema, int32 number)
{
	Oid			types[2] = {NAMEOID, INT4OID};
	Datum		values[2];

	values[0] = DirectFunctionCall1(namein, CStringGetDatum(ModelSchemaName(schema)));
	values[1] = Int32GetDatum(number);
	ModelExecute("SELECT commrec.publish_filters($1, $2)", 2, types, values, NULL, SPI_OK_SELECT);
}

int32
VersionPublish(const ModelConfig *config, const PublishFactors *factors, bool deploy)
{
	int32		number = NextVersion(config->schema);
	int32	   *item_no = PublishItems(config, number, factors);

	PublishUsers(config, number, factors, item_no);
	PublishTrending(config, number, factors, item_no);
	PublishNeighbors(config, number, factors, item_no);
	pfree(item_no);

	/* What the bulk writer wrote is not visible to the statements of this command. */
	CommandCounterIncrement();
	SPI_connect();
	PublishFoldIn(config->schema, number, factors);
	SPI_finish();
	VersionMakeRoom(config->schema, deploy);
	return number;
}

void
VersionRecord(const ModelConfig *config, int32 number, const PublishVersion *version,
			  const PublishFactors *factors)
{
	SPI_connect();
	if (version->epochs > 0)
		WriteEpochs(config->schema, number, version);
	WriteVersion(config->schema, number, version, factors);
	VersionPublishFilters(config->schema, number);
	SPI_finish();
}
