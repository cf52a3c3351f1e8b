/*
 * actions.c
 *		The weights of actions: the model's table "action", and what is new in the events.
 *
 * Everything lives in one memory context below the one in which the table was
 * read.  Actions are found by a small hash table, in front of which a cache
 * knows short names by their bytes in one word: most names are short, few
 * different ones occur, and every event asks.
 */
#include "postgres.h"

#include <math.h>

#include "access/table.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "store/deploy.h"
#include "train/actions.h"

#define FIRST_SLOTS		256		/* a power of two */
#define NO_ACTION		(-1)
#define CACHE_BITS		8
#define CACHE_SIZE		(1 << CACHE_BITS)
#define CACHE_NAME_MAX	((int) sizeof(uint64))	/* bytes of a name */
#define NAMES_SHOWN		20		/* of the actions that a message lists */

typedef struct Action
{
	ActionWeights weights;
	int			length;			/* of the name */
	uint32		hash;			/* of the name */
	bool		uses_value;		/* says the dictionary; its range is the analyst's */
} Action;

typedef struct ActionList
{
	Action	   *action;
	int			count;
	int			room;
} ActionList;

/* A short name whose number has been asked for. */
typedef struct CachedAction
{
	uint64		word;			/* NameWord */
	int16		length;
	int16		number;			/* NO_ACTION: free */
} CachedAction;

struct ActionTable
{
	MemoryContext context;		/* owns all of it */
	ActionList	used;			/* by number */
	ActionList	dictionary;		/* commrec.default_action() */
	int16	   *slots;			/* numbers by hash, NO_ACTION where free */
	uint32		slot_count;		/* a power of two */
	CachedAction cache[CACHE_SIZE];	/* by a hash of the word */
	const char *implied_name;
};

static uint32
HashName(const char *name, int length)
{
	return hash_bytes((const unsigned char *) name, length);
}

/* Append an action whose weights are still to be set; the name is copied. */
static Action *
ListAppend(ActionTable *table, ActionList *list, const char *name, int length)
{
	Action	   *action;

	if (list->count == list->room)
	{
		list->room = Max(list->room * 2, 64);
		list->action = list->action == NULL ?
			MemoryContextAlloc(table->context, list->room * sizeof(Action)) :
			repalloc(list->action, list->room * sizeof(Action));
	}
	action = &list->action[list->count++];
	memset(action, 0, sizeof(Action));
	action->weights.name = MemoryContextAlloc(table->context, length + 1);
	memcpy(action->weights.name, name, length);
	action->weights.name[length] = '\0';
	action->length = length;
	action->hash = HashName(name, length);
	return action;
}

static void
InsertSlot(ActionTable *table, int number)
{
	uint32		at = table->used.action[number].hash & (table->slot_count - 1);

	while (table->slots[at] != NO_ACTION)
		at = (at + 1) & (table->slot_count - 1);
	table->slots[at] = (int16) number;
}

/* Make the hash table anew, at most half full, for twice the actions there are. */
static void
MakeSlots(ActionTable *table)
{
	uint32		count = FIRST_SLOTS;

	while (count < (uint32) table->used.count * 4)
		count *= 2;
	if (table->slots != NULL)
		pfree(table->slots);
	table->slots = MemoryContextAlloc(table->context, count * sizeof(int16));
	table->slot_count = count;
	for (uint32 i = 0; i < count; i++)
		table->slots[i] = NO_ACTION;
	for (int number = 0; number < table->used.count; number++)
		InsertSlot(table, number);
	for (int i = 0; i < CACHE_SIZE; i++)
		table->cache[i].number = NO_ACTION;
}

static double
NumberColumn(HeapTuple tuple, int column)
{
	bool		is_null;
	Datum		value = SPI_getbinval(tuple, SPI_tuptable->tupdesc, column, &is_null);

	return is_null ? get_float8_nan() : DatumGetFloat8(value);
}

/* What the analyst may have written is checked: 22023 that names action and column. */
static void
RequireWeight(bool holds, const Action *action, const char *column, const char *allowed)
{
	if (!holds)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of action \"%s\" is out of range", column, action->weights.name),
				 errdetail("It must be %s.", allowed),
				 errhint("Correct the row in the model's table \"%s\".", MODEL_ACTION)));
}

static void
CheckWeights(const Action *action)
{
	const ActionWeights *weights = &action->weights;

	RequireWeight(isfinite(weights->preference), action, "preference", "a finite number");
	RequireWeight(isfinite(weights->spread) && weights->spread >= 0, action, "spread",
				  "a finite number that is not negative");
	RequireWeight(isnan(weights->satisfaction) ||
				  (weights->satisfaction >= 0 && weights->satisfaction <= 1),
				  action, "satisfaction", "between 0 and 1, or NULL");
	RequireWeight(isnan(weights->value_low) == isnan(weights->value_high), action,
				  "value range", "given by both value_low and value_high, or neither");
	if (isnan(weights->value_low))
		return;
	RequireWeight(isfinite(weights->value_low) && isfinite(weights->value_high) &&
				  weights->value_low < weights->value_high,
				  action, "value range", "finite, value_low less than value_high");
	if (!isfinite(weights->value_high - weights->value_low))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("value range of action \"%s\" overflows", weights->name),
				 errhint("Bring value_low and value_high closer together in the model's table \"%s\".",
						 MODEL_ACTION)));
}

/*
 * Append the rows of a query of columns (action text, preference, spread,
 * satisfaction float8, then two of float8 or one of boolean).
 */
static void
ReadActions(ActionTable *table, ActionList *list, const char *sql)
{
	ModelExecute(sql, 0, NULL, NULL, NULL, SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[row];
		char	   *name = SPI_getvalue(tuple, SPI_tuptable->tupdesc, 1);
		bool		is_range = SPI_tuptable->tupdesc->natts == 6;
		Action	   *action;
		bool		is_null = true;

		if (name == NULL)
			continue;
		action = ListAppend(table, list, name, strlen(name));
		action->weights.preference = NumberColumn(tuple, 2);
		action->weights.spread = NumberColumn(tuple, 3);
		action->weights.satisfaction = NumberColumn(tuple, 4);
		action->weights.value_low = is_range ? NumberColumn(tuple, 5) : get_float8_nan();
		action->weights.value_high = is_range ? NumberColumn(tuple, 6) : get_float8_nan();
		if (!is_range)
			action->uses_value = DatumGetBool(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 5,
															&is_null)) && !is_null;
		CheckWeights(action);
	}
	SPI_freetuptable(SPI_tuptable);
}

ActionTable *
ActionTableRead(const ModelConfig *config)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "commrec actions",
												  ALLOCSET_DEFAULT_SIZES);
	ActionTable *table = MemoryContextAllocZero(context, sizeof(ActionTable));

	table->context = context;
	table->implied_name = config->value_column != NULL ? "rating" : "event";

	/* Refuses anything but a plain table, such as a view with somebody's functions in it. */
	table_close(ModelOpenTable(config->schema, MODEL_ACTION, AccessShareLock), NoLock);

	SPI_connect();
	ReadActions(table, &table->used,
				psprintf("SELECT action::pg_catalog.text, preference::pg_catalog.float8, "
						 "spread::pg_catalog.float8, satisfaction::pg_catalog.float8, "
						 "value_low::pg_catalog.float8, value_high::pg_catalog.float8 FROM %s",
						 ModelTableSql(config->schema, MODEL_ACTION)));
	ReadActions(table, &table->dictionary,
				"SELECT action::pg_catalog.text, preference::pg_catalog.float8, "
				"spread::pg_catalog.float8, satisfaction::pg_catalog.float8, uses_value "
				"FROM commrec.default_action()");
	SPI_finish();

	if (table->used.count > ACTIONS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("model \"%s\" has %d actions, the limit is %d", config->name,
						table->used.count, ACTIONS_MAX)));
	MakeSlots(table);
	return table;
}

static bool
NameEquals(const Action *action, const char *name, int length)
{
	return action->length == length && memcmp(action->weights.name, name, length) == 0;
}

/* An action the model does not have yet: the dictionary's weights, or those of the unknown. */
static int16
AddAction(ActionTable *table, const char *name, int length)
{
	Action	   *action;

	if (table->used.count >= ACTIONS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many different actions: the limit is %d", ACTIONS_MAX),
				 errhint("Choose another action column, or group the actions in a view.")));
	if (length > COMMREC_ID_TEXT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("action of %d bytes is too long: the limit is %d bytes", length,
						COMMREC_ID_TEXT_MAX),
				 errhint("Choose another action column, or group the actions in a view.")));

	action = ListAppend(table, &table->used, name, length);
	action->weights.preference = 1;
	action->weights.satisfaction = get_float8_nan();
	action->weights.value_low = get_float8_nan();
	action->weights.value_high = get_float8_nan();
	action->weights.is_new = true;
	/* The name that commrec itself gives to events without action is no surprise to anybody. */
	action->weights.is_known = strcmp(action->weights.name, table->implied_name) == 0;
	for (int i = 0; i < table->dictionary.count; i++)
	{
		const Action *known = &table->dictionary.action[i];

		if (!NameEquals(known, name, length))
			continue;
		action->weights.preference = known->weights.preference;
		action->weights.spread = known->weights.spread;
		action->weights.satisfaction = known->weights.satisfaction;
		action->uses_value = known->uses_value;
		action->weights.is_known = true;
	}
	if ((uint32) table->used.count * 2 > table->slot_count)
		MakeSlots(table);
	else
		InsertSlot(table, table->used.count - 1);
	return (int16) (table->used.count - 1);
}

/* Up to eight bytes as one word; without a call, and never beyond the end. */
static uint64
NameWord(const char *name, int length)
{
	uint32		first;
	uint32		last;
	uint64		word = 0;

	if (length == CACHE_NAME_MAX)
	{
		memcpy(&word, name, sizeof(word));
		return word;
	}
	if (length >= 4)
	{
		/* The two halves overlap: the same bytes always make the same word. */
		memcpy(&first, name, sizeof(first));
		memcpy(&last, name + length - sizeof(last), sizeof(last));
		return (uint64) last << 32 | first;
	}
	for (int i = 0; i < length; i++)
		word = word << 8 | (unsigned char) name[i];
	return word;
}

static int16
FindBySlot(ActionTable *table, const char *name, int length)
{
	uint32		hash = HashName(name, length);
	uint32		at = hash & (table->slot_count - 1);

	while (table->slots[at] != NO_ACTION)
	{
		const Action *action = &table->used.action[table->slots[at]];

		if (action->hash == hash && NameEquals(action, name, length))
			return table->slots[at];
		at = (at + 1) & (table->slot_count - 1);
	}
	return AddAction(table, name, length);
}

int16
ActionTableFind(ActionTable *table, const char *name, int length)
{
	CachedAction *cached;
	uint64		word;
	int16		number;

	if (length > CACHE_NAME_MAX)
		return FindBySlot(table, name, length);

	/* Fibonacci hashing. */
	word = NameWord(name, length);
	cached = &table->cache[(word * UINT64CONST(0x9e3779b97f4a7c15)) >> (64 - CACHE_BITS)];
	if (cached->word == word && cached->length == length && cached->number != NO_ACTION)
		return cached->number;

	/* What is found may have been added, which may have emptied the cache. */
	number = FindBySlot(table, name, length);
	cached->word = word;
	cached->length = (int16) length;
	cached->number = number;
	return number;
}

int16
ActionTableImplied(ActionTable *table)
{
	return ActionTableFind(table, table->implied_name, strlen(table->implied_name));
}

int
ActionTableCount(const ActionTable *table)
{
	return table->used.count;
}

const ActionWeights *
ActionTableGet(const ActionTable *table, int16 number)
{
	Assert(number >= 0 && number < table->used.count);
	return &table->used.action[number].weights;
}

static int
CompareNames(const void *a, const void *b, void *actions)
{
	const Action *left = (const Action *) actions + *(const int16 *) a;
	const Action *right = (const Action *) actions + *(const int16 *) b;

	return strcmp(left->weights.name, right->weights.name);
}

const int16 *
ActionTableSort(ActionTable *table)
{
	int			count = table->used.count;
	MemoryContext old_context = MemoryContextSwitchTo(table->context);
	int16	   *order = palloc(Max(count, 1) * sizeof(int16));
	int16	   *rank = palloc(Max(count, 1) * sizeof(int16));
	Action	   *sorted = palloc(Max(count, 1) * sizeof(Action));

	for (int i = 0; i < count; i++)
		order[i] = (int16) i;
	qsort_arg(order, count, sizeof(int16), CompareNames, table->used.action);
	for (int i = 0; i < count; i++)
	{
		sorted[i] = table->used.action[order[i]];
		rank[order[i]] = (int16) i;
	}
	if (table->used.action != NULL)
		pfree(table->used.action);
	pfree(order);
	table->used.action = sorted;
	table->used.room = Max(count, 1);
	MemoryContextSwitchTo(old_context);

	MakeSlots(table);
	return rank;
}

/* The bits of a number, one pattern for every NaN and one for both zeros. */
static uint64
NumberBits(double number)
{
	uint64		bits = UINT64_MAX;

	number += 0.0;
	if (!isnan(number))
		memcpy(&bits, &number, sizeof(bits));
	return bits;
}

int64
ActionTableDigest(const ActionTable *table)
{
	uint64		digest = 0;

	for (int i = 0; i < table->used.count; i++)
	{
		const ActionWeights *weights = &table->used.action[i].weights;
		uint64		numbers[] = {digest, NumberBits(weights->preference),
			NumberBits(weights->spread), NumberBits(weights->satisfaction),
		NumberBits(weights->value_low), NumberBits(weights->value_high)};

		digest = hash_bytes_extended((const unsigned char *) weights->name,
									 (int) strlen(weights->name),
									 hash_bytes_extended((const unsigned char *) numbers,
														 sizeof(numbers), 0));
	}
	return (int64) digest;
}

static void
InsertAction(const ActionWeights *weights, const char *sql)
{
	Oid			types[] = {TEXTOID, FLOAT8OID, FLOAT8OID, FLOAT8OID};
	Datum		values[4];
	char		nulls[] = "    ";

	values[0] = CStringGetTextDatum(weights->name);
	values[1] = Float8GetDatum(weights->preference);
	values[2] = Float8GetDatum(weights->spread);
	values[3] = Float8GetDatum(weights->satisfaction);
	if (isnan(weights->satisfaction))
		nulls[3] = 'n';
	ModelExecute(sql, lengthof(types), types, values, nulls, SPI_OK_INSERT);
}

/* Names of the new actions, or of those that "belongs" says yes to; NULL for none. */
static char *
ListNames(const ActionTable *table, bool (*belongs) (const Action *))
{
	StringInfoData names;
	int			found = 0;

	initStringInfo(&names);
	for (int i = 0; i < table->used.count; i++)
	{
		const Action *action = &table->used.action[i];

		if (!action->weights.is_new || (belongs != NULL && !belongs(action)))
			continue;
		if (found < NAMES_SHOWN)
			appendStringInfo(&names, "%s\"%s\"", found == 0 ? "" : ", ", action->weights.name);
		found++;
	}
	if (found > NAMES_SHOWN)
		appendStringInfo(&names, " and %d more", found - NAMES_SHOWN);
	return found == 0 ? NULL : names.data;
}

static bool
IsUnknown(const Action *action)
{
	return !action->weights.is_known;
}

static bool
LacksRange(const Action *action)
{
	return action->uses_value;
}

static void
ReportNew(const ActionTable *table, const ModelConfig *config)
{
	char	   *table_name = ModelTableSql(config->schema, MODEL_ACTION);
	char	   *all = ListNames(table, NULL);
	char	   *unknown = ListNames(table, IsUnknown);
	char	   *lacks_range = config->value_column != NULL ? ListNames(table, LacksRange) : NULL;

	ereport(NOTICE,
			(errmsg("new in table %s: %s", table_name, all),
			 unknown == NULL ? 0 :
			 errdetail("Not in the dictionary, so taken as preference 1, spread 0 and no satisfaction: %s.",
					   unknown),
			 errhint("Edit the table and train again to weigh actions differently.")));
	if (lacks_range != NULL)
		ereport(NOTICE,
				(errmsg("values are not counted yet for: %s", lacks_range),
				 errhint("Set value_low and value_high in table %s and train again.", table_name)));
}

void
ActionTableAddNew(ActionTable *table, const ModelConfig *config)
{
	char	   *sql;

	if (ListNames(table, NULL) == NULL)
		return;
	SPI_connect();
	/* Somebody may have entered an action while the events were read: his weights stand. */
	sql = psprintf("INSERT INTO %s (action, preference, spread, satisfaction) "
				   "VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
				   ModelTableSql(config->schema, MODEL_ACTION));
	for (int i = 0; i < table->used.count; i++)
	{
		if (table->used.action[i].weights.is_new)
			InsertAction(&table->used.action[i].weights, sql);
	}
	SPI_finish();
	ReportNew(table, config);
}
