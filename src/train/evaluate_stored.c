/*
 * evaluate_stored.c
 *		A published version as it serves, and test events from a relation.
 *
 * Vectors, popularity and what users have seen come from the version's rows,
 * through the readers that recommend() uses; test events and negatives are read
 * as the caller, as the model's events are.  Only the order by recent
 * popularity and the ages of items need the model's events themselves: those up
 * to the version's last one.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/compat.h"
#include "core/ials.h"
#include "core/seen.h"
#include "store/deploy.h"
#include "store/neighbors.h"
#include "store/version.h"
#include "train/evaluate_internal.h"
#include "train/events_internal.h"
#include "train/train.h"

#define CURSOR_ROWS		10000

/* Test events under numbers of their own, and where they are in the catalogue. */
typedef struct TestEvents
{
	EventLog   *log;
	Touched    *touched;
	int32	   *position;		/* by item number; EVALUATE_NEVER */
} TestEvents;

typedef struct StoredCase
{
	const ModelConfig *config;
	const EvaluateVersion *version;
	const EvaluateOptions *options;
	EvaluateMemory *memory;
	EvaluateCatalogue *catalogue;
	EvaluateUsers *users;
	int32	   *id_order;		/* by position: place of the item in the order of ids */
	TestEvents	test;
	int32	   *user;			/* numbers of the test users in the test events */
} StoredCase;

static void pg_attribute_noreturn()
report_no_version(Oid schema, int32 version)
{
	if (version > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has no version %d", ModelSchemaName(schema), version),
				 errhint("The table %s lists the versions.",
						 ModelTableSql(schema, MODEL_VERSION))));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("model \"%s\" has no deployed version", ModelSchemaName(schema)),
			 errhint("Train it with commrec.train(), or name a version.")));
}

/* In the caller's memory context; SPI has its own. */
static void
take_version_row(EvaluateVersion *result, MemoryContext context)
{
	HeapTuple	row = SPI_tuptable->vals[0];
	TupleDesc	descriptor = SPI_tuptable->tupdesc;
	MemoryContext old_context;
	bool		is_null;
	Datum		value;

	result->stored.version = DatumGetInt32(SPI_getbinval(row, descriptor, 1, &is_null));
	result->stored.dims = DatumGetInt32(SPI_getbinval(row, descriptor, 2, &is_null));
	result->stored.factors = DatumGetInt32(SPI_getbinval(row, descriptor, 3, &is_null));
	result->stored.items = (int32) DatumGetInt64(SPI_getbinval(row, descriptor, 4, &is_null));
	result->users = DatumGetInt64(SPI_getbinval(row, descriptor, 5, &is_null));
	result->events_until = DatumGetTimestampTz(SPI_getbinval(row, descriptor, 6, &is_null));
	result->has_events_until = !is_null;
	value = SPI_getbinval(row, descriptor, 7, &is_null);
	old_context = MemoryContextSwitchTo(context);
	result->hyperparameters = DatumGetJsonbPCopy(value);
	result->algorithm = SPI_getvalue(row, descriptor, 8);
	MemoryContextSwitchTo(old_context);
}

/* How the version scores, which its algorithm tells. */
static void
take_scorer(Oid schema, EvaluateVersion *result)
{
	const CrAlgorithm *algorithm = HyperparametersAlgorithm(result->algorithm);
	CrHyperparameters used;

	result->stored.scorer = algorithm->scorer;
	result->stored.fold = algorithm->fold;
	result->stored.alpha = 1;
	if (!ScoresByLists(&result->stored))
		return;
	ReadVersionHyperparameters(schema, &result->stored, &used);
	result->stored.alpha = used.alpha;
}

static void
require_data(Oid schema, const EvaluateVersion *version)
{
	Oid			type = INT4OID;
	Datum		value = Int32GetDatum(version->stored.version);

	if (ModelExecute(psprintf("SELECT 1 FROM %s WHERE version OPERATOR(pg_catalog.=) $1 LIMIT 1",
							  ModelTableSql(schema, MODEL_ITEM_EMBEDDING)),
					 1, &type, &value, NULL, SPI_OK_SELECT) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the data of version %d of model \"%s\" are gone",
						version->stored.version, ModelSchemaName(schema)),
				 errhint("Raise commrec.keep_versions, so that more versions keep their data.")));
}

bool
EvaluateFindVersion(Oid schema, int32 version, EvaluateVersion *result)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			type = INT4OID;
	Datum		value = Int32GetDatum(version);
	bool		is_found;

	memset(result, 0, sizeof(EvaluateVersion));
	SPI_connect();
	is_found = ModelExecute(psprintf("SELECT version, dims, factors, items, users, events_until, "
									 "hyperparameters, algorithm FROM %s WHERE %s",
									 ModelTableSql(schema, MODEL_VERSION), version > 0 ?
									 "version OPERATOR(pg_catalog.=) $1" :
									 "deployed AND $1 IS NOT NULL"),
							1, &type, &value, NULL, SPI_OK_SELECT) == 1;
	if (is_found)
		take_version_row(result, context);
	SPI_finish();
	if (is_found)
		take_scorer(schema, result);
	return is_found;
}

void
EvaluateReadVersion(Oid schema, int32 version, bool with_data, EvaluateVersion *result)
{
	if (!EvaluateFindVersion(schema, version, result))
		report_no_version(schema, version);
	if (!with_data)
		return;
	SPI_connect();
	require_data(schema, result);
	SPI_finish();
}

/* Vectors in their order, and their place in the order of popularity. */
static void
read_items(StoredCase *stored)
{
	EvaluateCatalogue *catalogue = stored->catalogue;
	const DeployedVersion *version = &stored->version->stored;
	Oid			schema = stored->config->schema;
	ItemReader	reader;
	StoredItem	item;
	int32		count = 0;

	catalogue->vector = EvaluateAlloc(stored->memory,
									  (int64) catalogue->items * catalogue->stride,
									  sizeof(float));
	memset(catalogue->vector, 0,
		   (Size) catalogue->items * (Size) catalogue->stride * sizeof(float));
	catalogue->popular = EvaluateAlloc(stored->memory, catalogue->items, sizeof(int32));
	ItemReaderOpen(&reader, schema, version, ITEM_BY_NO);
	ItemReaderStart(&reader);
	while (catalogue->dims > 0 && ItemReaderNext(&reader))
	{
		CHECK_FOR_INTERRUPTS();
		ItemReaderGet(&reader, &item);
		ItemReaderEmbedding(&reader, catalogue->vector +
							(Size) item.item_no * (Size) catalogue->stride);
	}
	ItemReaderClose(&reader);

	ItemReaderOpen(&reader, schema, version, ITEM_BY_POPULARITY);
	ItemReaderStart(&reader);
	while (count < catalogue->items && ItemReaderNext(&reader))
	{
		CHECK_FOR_INTERRUPTS();
		ItemReaderGet(&reader, &item);
		catalogue->popular[count++] = item.item_no;
	}
	ItemReaderClose(&reader);
	if (count != catalogue->items)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("version %d of model \"%s\" has %d of its %d items", version->version,
						ModelSchemaName(schema), count, catalogue->items),
				 errhint("Train the model again.")));
}

/* The lists of all items. */
static void
read_lists(StoredCase *stored)
{
	EvaluateCatalogue *catalogue = stored->catalogue;
	Oid			schema = stored->config->schema;
	const DeployedVersion *version = &stored->version->stored;
	NeighborArrays arrays;

	arrays.entries = NeighborsCount(schema, version);
	arrays.start = EvaluateAlloc(stored->memory, (int64) catalogue->items + 1, sizeof(int64));
	arrays.item_no = EvaluateAlloc(stored->memory, arrays.entries, sizeof(int32));
	arrays.weight = EvaluateAlloc(stored->memory, arrays.entries, sizeof(float));
	NeighborsLoad(schema, version, &arrays);
	catalogue->lists.rows = catalogue->lists.columns = catalogue->items;
	catalogue->lists.start = arrays.start;
	catalogue->lists.column = arrays.item_no;
	catalogue->lists.weight = arrays.weight;
}

/* How many users each item has, and the order by that; ids come in their order. */
static void
read_item_users(StoredCase *stored)
{
	EvaluateCatalogue *catalogue = stored->catalogue;
	Oid			type = INT4OID;
	Datum		value = Int32GetDatum(stored->version->stored.version);
	double	   *key = EvaluateAlloc(stored->memory, catalogue->items, sizeof(double));
	int32		place = 0;
	Portal		portal;

	catalogue->users = EvaluateAlloc(stored->memory, catalogue->items, sizeof(int32));
	stored->id_order = EvaluateAlloc(stored->memory, catalogue->items, sizeof(int32));
	memset(catalogue->users, 0, (Size) catalogue->items * sizeof(int32));
	memset(stored->id_order, 0, (Size) catalogue->items * sizeof(int32));
	SPI_connect();
	portal = SPI_cursor_open_with_args(NULL,
									   psprintf("SELECT item_no, users FROM %s WHERE version "
												"OPERATOR(pg_catalog.=) $1 ORDER BY item_id",
												ModelTableSql(stored->config->schema,
															  MODEL_ITEM_EMBEDDING)),
									   1, &type, &value, NULL, true, 0);
	for (SPI_cursor_fetch(portal, true, CURSOR_ROWS); SPI_processed > 0;
		 SPI_cursor_fetch(portal, true, CURSOR_ROWS))
	{
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bool		is_null;
			int32		item_no = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i],
															  SPI_tuptable->tupdesc, 1, &is_null));

			if (item_no < 0 || item_no >= catalogue->items)
				continue;
			catalogue->users[item_no] = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i],
																	SPI_tuptable->tupdesc, 2,
																	&is_null));
			stored->id_order[item_no] = place++;
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SPI_finish();
	for (int32 i = 0; i < catalogue->items; i++)
		key[i] = catalogue->users[i];
	catalogue->by_users = EvaluateOrder(key, stored->id_order, catalogue->items, stored->memory);
}

/* Where the items of a log are in the catalogue. */
static int32 *
find_positions(const StoredCase *stored, const EventLog *log)
{
	int32		items = EventsItems(log);
	int32	   *position = EvaluateAlloc(stored->memory, items, sizeof(int32));
	ItemReader	reader;
	StoredItem	item;

	ItemReaderOpen(&reader, stored->config->schema, &stored->version->stored, ITEM_BY_ID);
	for (int32 i = 0; i < items; i++)
	{
		CHECK_FOR_INTERRUPTS();
		position[i] = EVALUATE_NEVER;
		if (!ItemReaderFindId(&reader, IdMapGet(log->items, i)))
			continue;
		ItemReaderGet(&reader, &item);
		position[i] = item.item_no;
	}
	ItemReaderClose(&reader);
	return position;
}

/* A column of the model, if the relation has it. */
static char *
column_if_there(Oid relation, char *column)
{
	return column != NULL && get_attnum(relation, column) != InvalidAttrNumber ? column : NULL;
}

/* Read a relation that has the model's columns: users and items, others where "with_weights" and there. */
static void
read_test_events(const StoredCase *stored, Oid relation, bool with_weights, TestEvents *events)
{
	ModelConfig config = *stored->config;
	EventsOptions options = {.strict = false,
	.allow_row_security = stored->options->allow_row_security,.costs = &stored->memory->costs};
	TouchedOptions touched = {INFINITY, EVENT_NO_TIME};

	config.events = relation;
	config.events_name = get_rel_name(relation);
	config.action_column = with_weights ? column_if_there(relation, config.action_column) : NULL;
	config.time_column = with_weights ? column_if_there(relation, config.time_column) : NULL;
	config.value_column = with_weights ? column_if_there(relation, config.value_column) : NULL;
	events->log = EventsRead(&config, &options, stored->memory->budget);
	events->touched = TouchedBuild(events->log, &touched, stored->memory->budget);
	events->position = find_positions(stored, events->log);
}

static bool
has_positive(const Touched *touched, int32 user)
{
	for (int64 pair = touched->start[user]; pair < touched->start[user + 1]; pair++)
	{
		if (touched->preference[pair] > 0)
			return true;
	}
	return false;
}

/* The users with something to foresee, or a sample of them. */
static void
choose_users(StoredCase *stored)
{
	const Touched *touched = stored->test.touched;
	int32		limit = stored->options->users;
	int32		total = 0;
	int32		seen = 0;
	int32		taken = 0;
	CrRng		rng;

	for (int32 user = 0; user < touched->users; user++)
		total += has_positive(touched, user);
	limit = limit == 0 ? total : Min(limit, total);
	stored->user = EvaluateAlloc(stored->memory, limit, sizeof(int32));
	cr_rng_init(&rng, stored->options->seed, EVALUATE_STREAM_USERS);
	for (int32 user = 0; user < touched->users; user++)
	{
		EVENTS_POLL(user);
		if (!has_positive(touched, user))
			continue;
		if (limit == total || cr_rng_uniform(&rng) * (total - seen) < limit - taken)
			stored->user[taken++] = user;
		seen++;
	}
	stored->users->users = taken;
	if (taken == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no events in %s to foresee",
						get_rel_name(stored->options->test)),
				 errdetail("None of them has a positive preference."),
				 errhint("The preferences of actions are in the table \"%s.%s\".",
						 ModelSchemaName(stored->config->schema), MODEL_ACTION)));
}

/* Vector and seen items of the i-th test user; the room for seen items grows as needed. */
static void
read_user(StoredCase *stored, int32 i, int64 *room)
{
	EvaluateUsers *users = stored->users;
	const EvaluateCatalogue *catalogue = stored->catalogue;
	int64		at = users->seen_start[i];
	StoredUser	user = {0};

	(void) ReadUser(stored->config->schema, &stored->version->stored,
					IdMapGet(stored->test.log->users, stored->user[i]), &user);
	users->has_vector[i] = user.embedding != NULL;
	if (user.embedding != NULL)
		memcpy(users->vector + (Size) i * (Size) catalogue->stride, user.embedding,
			   (Size) catalogue->dims * sizeof(float));
	if (at + user.seen_count > *room)
	{
		int64		wanted = *room + Max(*room, user.seen_count);

		users->seen = EvaluateGrow(stored->memory, users->seen, *room, wanted, sizeof(int32));
		if (users->liked_weight != NULL)
			users->liked_weight = EvaluateGrow(stored->memory, users->liked_weight, *room, wanted,
											   sizeof(float));
		*room = wanted;
	}
	for (uint32 j = 0; j < user.seen_count; j++)
	{
		if (users->liked_weight != NULL)
			users->liked_weight[at] = user.confidence != NULL ? user.confidence[j] : 0;
		users->seen[at++] = (int32) (user.seen[j] >> 1);
	}
	users->seen_start[i + 1] = at;
}

static bool
is_seen(const EvaluateUsers *users, int32 i, int32 position)
{
	return bsearch(&position, users->seen + users->seen_start[i],
				   (size_t) (users->seen_start[i + 1] - users->seen_start[i]), sizeof(int32),
				   EvaluateComparePositions) != NULL;
}

/* What the i-th test user will see, unless he has seen it. */
static void
fill_test(StoredCase *stored, int32 i)
{
	EvaluateUsers *users = stored->users;
	const Touched *touched = stored->test.touched;
	int64		at = users->test_start[i];
	int32		number = stored->user[i];

	for (int64 pair = touched->start[number]; pair < touched->start[number + 1]; pair++)
	{
		int32		position = stored->test.position[touched->item[pair]];

		if (touched->preference[pair] <= 0)
			continue;
		if (position == EVALUATE_NEVER)
			users->missing[i]++;
		else if (!is_seen(users, i, position))
			users->test[at++] = position;
	}
	qsort(users->test + users->test_start[i], (size_t) (at - users->test_start[i]),
		  sizeof(int32), EvaluateComparePositions);
	users->test_start[i + 1] = at;
}

static void
fill_users(StoredCase *stored)
{
	EvaluateUsers *users = stored->users;
	EvaluateMemory *memory = stored->memory;
	const Touched *touched = stored->test.touched;
	Size		stride = (Size) stored->catalogue->stride;
	int64		room = 1024;
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "commrec evaluation scratch",
												  ALLOCSET_DEFAULT_SIZES);

	users->vector = EvaluateAlloc(memory, (int64) users->users * (int64) stride, sizeof(float));
	memset(users->vector, 0, (Size) users->users * stride * sizeof(float));
	users->has_vector = EvaluateAlloc(memory, users->users, 1);
	users->missing = EvaluateAlloc(memory, users->users, sizeof(int32));
	memset(users->missing, 0, (Size) users->users * sizeof(int32));
	users->seen_start = EvaluateAlloc(memory, (int64) users->users + 1, sizeof(int64));
	users->seen = EvaluateAlloc(memory, room, sizeof(int32));
	users->test_start = EvaluateAlloc(memory, (int64) users->users + 1, sizeof(int64));
	users->test = EvaluateAlloc(memory, touched->start[touched->users], sizeof(int32));
	if (stored->catalogue->lists.rows > 0)
		users->liked_weight = EvaluateAlloc(memory, room, sizeof(float));
	users->seen_start[0] = users->test_start[0] = 0;
	for (int32 i = 0; i < users->users; i++)
	{
		MemoryContext old_context = MemoryContextSwitchTo(scratch);

		CHECK_FOR_INTERRUPTS();
		read_user(stored, i, &room);
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(scratch);
		fill_test(stored, i);
	}
	MemoryContextDelete(scratch);
	/* What is not liked among the seen has no weight. */
	users->liked_start = users->seen_start;
	users->liked = users->seen;
}

static void
fill_negatives_of(StoredCase *stored, const TestEvents *negatives, int32 number, int32 i)
{
	EvaluateUsers *users = stored->users;
	const Touched *touched = negatives->touched;
	const int32 *test = users->test + users->test_start[i];
	size_t		tests = (size_t) (users->test_start[i + 1] - users->test_start[i]);
	int64		at = users->negative_start[i];

	for (int64 pair = touched->start[number]; pair < touched->start[number + 1]; pair++)
	{
		int32		position = negatives->position[touched->item[pair]];

		if (position != EVALUATE_NEVER &&
			bsearch(&position, test, tests, sizeof(int32), EvaluateComparePositions) == NULL)
			users->negative[at++] = position;
	}
	users->negative_start[i + 1] = at;
}

static int
compare_ids(IdKind kind, Datum a, Datum b)
{
	if (kind == ID_UUID)
		return memcmp(DatumGetPointer(a), DatumGetPointer(b), 16);
	if (kind == ID_TEXT)
	{
		text	   *left = DatumGetTextPP(a);
		text	   *right = DatumGetTextPP(b);
		int			left_length = VARSIZE_ANY_EXHDR(left);
		int			right_length = VARSIZE_ANY_EXHDR(right);
		int			order = memcmp(VARDATA_ANY(left), VARDATA_ANY(right),
								   Min(left_length, right_length));

		return order != 0 ? order : left_length - right_length;
	}
	if (kind == ID_INT2)
		return DatumGetInt16(a) - DatumGetInt16(b);
	if (kind == ID_INT4)
		return DatumGetInt32(a) < DatumGetInt32(b) ? -1 : DatumGetInt32(a) > DatumGetInt32(b);
	return DatumGetInt64(a) < DatumGetInt64(b) ? -1 : DatumGetInt64(a) > DatumGetInt64(b);
}

/* Each test user's negatives; both sides have their users in the order of ids. */
static void
fill_negatives(StoredCase *stored)
{
	EvaluateUsers *users = stored->users;
	IdKind		kind = stored->config->user_kind;
	TestEvents	negatives;
	int32		at = 0;

	read_test_events(stored, stored->options->negatives, false, &negatives);
	users->negative_start = EvaluateAlloc(stored->memory, (int64) users->users + 1,
										  sizeof(int64));
	users->negative = EvaluateAlloc(stored->memory,
									negatives.touched->start[negatives.touched->users],
									sizeof(int32));
	users->negative_start[0] = 0;
	for (int32 i = 0; i < users->users; i++)
	{
		Datum		id = IdMapGet(stored->test.log->users, stored->user[i]);

		CHECK_FOR_INTERRUPTS();
		while (at < negatives.touched->users &&
			   compare_ids(kind, IdMapGet(negatives.log->users, at), id) < 0)
			at++;
		users->negative_start[i + 1] = users->negative_start[i];
		if (at < negatives.touched->users &&
			compare_ids(kind, IdMapGet(negatives.log->users, at), id) == 0)
			fill_negatives_of(stored, &negatives, at, i);
	}
}

/* The age of each item, and the order by recent popularity, as of the version's last event. */
static void
read_times(StoredCase *stored)
{
	EvaluateCatalogue *catalogue = stored->catalogue;
	EventsOptions options = {.strict = false,
	.allow_row_security = stored->options->allow_row_security,.costs = &stored->memory->costs};
	EventLog   *log = EventsRead(stored->config, &options, stored->memory->budget);
	TimestampTz until = stored->version->events_until + 1;
	int32		items = EventsItems(log);
	int32	   *position = find_positions(stored, log);
	double	   *recent = EvaluateAlloc(stored->memory, items, sizeof(double));
	double	   *key = EvaluateAlloc(stored->memory, catalogue->items, sizeof(double));

	if (log->time == NULL || log->newest == EVENT_NO_TIME)
		return;
	PopularityCompute(log, EVALUATE_RECENT_DAYS, until, recent);
	memset(key, 0, (Size) catalogue->items * sizeof(double));
	for (int32 item = 0; item < items; item++)
	{
		if (position[item] != EVALUATE_NEVER)
			key[position[item]] = recent[item];
	}
	catalogue->recent = EvaluateOrder(key, stored->id_order, catalogue->items, stored->memory);

	catalogue->age = EvaluateAlloc(stored->memory, catalogue->items, sizeof(float));
	for (int32 at = 0; at < catalogue->items; at++)
		catalogue->age[at] = NAN;
	for (int64 e = 0; e < log->count; e++)
	{
		int32		at = position[log->item[e]];
		double		age = ((double) until - (double) log->time[e]) / (double) USECS_PER_DAY;

		EVENTS_POLL(e);
		if (at != EVALUATE_NEVER && log->time[e] != EVENT_NO_TIME && age > 0 &&
			!(catalogue->age[at] >= age))
			catalogue->age[at] = (float) age;
	}
}

void
EvaluateStoredCase(const ModelConfig *config, const EvaluateVersion *version,
				   const EvaluateOptions *options, EvaluateMemory *memory,
				   EvaluateCatalogue *catalogue, EvaluateUsers *users)
{
	StoredCase	stored = {.config = config, .version = version, .options = options,
	.memory = memory, .catalogue = catalogue, .users = users};

	memset(catalogue, 0, sizeof(EvaluateCatalogue));
	memset(users, 0, sizeof(EvaluateUsers));
	catalogue->items = version->stored.items;
	catalogue->dims = version->stored.dims;
	catalogue->factors = version->stored.factors;
	catalogue->stride = catalogue->dims > 0 ? cr_factor_stride(catalogue->dims) : 0;
	catalogue->known_users = version->users;
	read_items(&stored);
	if (ScoresByLists(&version->stored))
		read_lists(&stored);
	read_item_users(&stored);
	read_test_events(&stored, options->test, true, &stored.test);
	choose_users(&stored);
	fill_users(&stored);
	if (OidIsValid(options->negatives))
		fill_negatives(&stored);
	if (version->has_events_until && config->time_column != NULL &&
		((options->baselines & BASELINE_RECENT) != 0 || options->strata))
		read_times(&stored);
}
