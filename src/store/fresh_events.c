/*
 * fresh_events.c
 *		One user's events since the training of a version, read as the caller.
 *
 * What counts, and how much, is as in training (doc/knowledge.md): of events
 * with the same item, action and time one counts, the one with the largest
 * value; without a finite value where the action counts it, or with an infinite
 * time, an event does not.  An action that the model does not know yet has the
 * weight that the next training would give it.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "common/errors.h"
#include "core/preference.h"
#include "store/forget.h"
#include "store/fresh_events.h"
#include "store/model.h"

enum { QUERY_ITEM, QUERY_TIME, QUERY_ACTION, QUERY_VALUE };
enum { ACTION_NAME, ACTION_PREFERENCE, ACTION_LOW, ACTION_HIGH };

static const LookupLayout setting_layout = {
	MODEL_CONFIG, 1, 2,
	{{"only_row", BOOLOID}, {"fresh", BOOLOID}}
};

static const LookupLayout action_layout = {
	MODEL_ACTION, 1, 4,
	{{"action", TEXTOID}, {"preference", FLOAT8OID}, {"value_low", FLOAT8OID},
	{"value_high", FLOAT8OID}}
};

/* The weights of an action; low is NaN unless its values count. */
typedef struct FreshAction
{
	char	   *name;
	double		preference;
	double		low;
	double		high;
} FreshAction;

typedef struct FreshEvent
{
	int32		item_no;
	int			action;			/* in FreshSource.actions */
	TimestampTz time;
	double		value;			/* NaN: none */
} FreshEvent;

typedef struct FreshSource
{
	const FoldIn *fold;
	ModelConfig *config;
	MemoryContext context;		/* of the result, and of what outlives the query */
	Oid			time_type;		/* timestamptz, timestamp or date */
	TimestampTz now;
	FreshAction *actions;		/* those met so far */
	int			action_count;
	FreshEvent *events;
	int64		count;
} FreshSource;

bool
ReadFreshSetting(Oid schema)
{
	Datum		only_row = BoolGetDatum(true);
	bool		is_null = true;
	Datum		fresh = BoolGetDatum(false);
	Lookup		lookup;

	LookupOpen(&lookup, schema, &setting_layout);
	LookupStart(&lookup, 1, &only_row);
	if (LookupNext(&lookup))
		fresh = LookupValue(&lookup, 1, &is_null);
	LookupClose(&lookup);
	return !is_null && DatumGetBool(fresh);
}

/* Base type of a column of the events; 42703 if it is gone. */
static Oid
ColumnType(const ModelConfig *config, const char *column)
{
	AttrNumber	number = get_attnum(config->events, column);

	if (number == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" does not exist in %s", column, config->events_name),
				 errhint("commrec.alter_model() changes what the model reads.")));
	return getBaseType(get_atttype(config->events, number));
}

static void
RequireType(const ModelConfig *config, const char *column, bool fits)
{
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of %s is not of the type that the model was made for",
						column, config->events_name),
				 errhint("Cast the column in a view, or create the model anew.")));
}

/* Is the source still what the model was made for? */
static void
CheckSource(FreshSource *source)
{
	const ModelConfig *config = source->config;
	IdKind		user_kind;
	IdKind		item_kind;

	if (config->time_column == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no time column", config->name),
				 errhint("New events are those after the training: give the model a time column with commrec.alter_model(), then retrain it with commrec.train().")));
	if (!OidIsValid(config->events))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("events relation %s of model \"%s\" does not exist", config->events_name,
						config->name),
				 errhint("Restore it, point the model at another relation with commrec.alter_model(), or ask without fresh.")));
	RequireType(config, config->user_column,
				IdKindFromType(ColumnType(config, config->user_column), &user_kind) &&
				user_kind == config->user_kind);
	RequireType(config, config->item_column,
				IdKindFromType(ColumnType(config, config->item_column), &item_kind) &&
				item_kind == config->item_kind);
	source->time_type = ColumnType(config, config->time_column);
	RequireType(config, config->time_column, source->time_type == TIMESTAMPTZOID ||
				source->time_type == TIMESTAMPOID || source->time_type == DATEOID);
}

/*
 * The caller's search_path is in force while the query runs, for the sake of
 * functions in views; so every name in our own text is qualified.
 */
static char *
BuildQuery(const FreshSource *source)
{
	const ModelConfig *config = source->config;
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT s.%s", quote_identifier(config->item_column));
	appendStringInfo(&query, ", s.%s", quote_identifier(config->time_column));
	appendStringInfo(&query, config->action_column == NULL ? ", NULL::pg_catalog.text" :
					 ", s.%s::pg_catalog.text", config->action_column == NULL ? "" :
					 quote_identifier(config->action_column));
	appendStringInfo(&query, config->value_column == NULL ? ", NULL::pg_catalog.float8" :
					 ", s.%s::pg_catalog.float8", config->value_column == NULL ? "" :
					 quote_identifier(config->value_column));
	appendStringInfo(&query, " FROM %s AS s WHERE s.%s OPERATOR(pg_catalog.=) $1",
					 config->events_name, quote_identifier(config->user_column));
	appendStringInfo(&query, " AND s.%s OPERATOR(pg_catalog.>) $2",
					 quote_identifier(config->time_column));
	return query.data;
}

/* Where fresh events begin, in the type of the time column.  Times without zone are UTC, as in training. */
static Datum
OriginParameter(const FreshSource *source)
{
	TimestampTz origin = source->fold->folded_until;
	TimestampTz day;

	if (source->time_type != DATEOID)
		return TimestampTzGetDatum(origin);
	if (origin == DT_NOBEGIN)
		return DateADTGetDatum(DATEVAL_NOBEGIN);
	day = origin / USECS_PER_DAY;
	if (origin % USECS_PER_DAY < 0)
		day--;
	return DateADTGetDatum((DateADT) day);
}

/* A time of the source; DT_NOBEGIN unless it is finite. */
static TimestampTz
EventTime(const FreshSource *source, Datum time)
{
	TimestampTz stamp;

	if (source->time_type == DATEOID)
	{
		DateADT		date = DatumGetDateADT(time);

		return DATE_NOT_FINITE(date) ? DT_NOBEGIN : (TimestampTz) date * USECS_PER_DAY;
	}
	stamp = DatumGetTimestampTz(time);
	return TIMESTAMP_NOT_FINITE(stamp) ? DT_NOBEGIN : stamp;
}

static double
LookupNumber(Lookup *lookup, int column)
{
	bool		is_null;
	Datum		value = LookupValue(lookup, column, &is_null);

	return is_null ? get_float8_nan() : DatumGetFloat8(value);
}

/* What the dictionary says of an action that the model does not have; its values do not count yet. */
static double
DictionaryPreference(const char *name)
{
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(name);
	bool		is_null = true;
	Datum		preference = (Datum) 0;

	SPI_connect();
	if (SPI_execute_with_args("SELECT d.preference FROM commrec.default_action() AS d "
							  "WHERE d.action OPERATOR(pg_catalog.=) $1", 1, &type, &value, NULL,
							  true, 1) == SPI_OK_SELECT && SPI_processed > 0)
		preference = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
	SPI_finish();
	return is_null ? 1.0 : DatumGetFloat8(preference);
}

static void
ReadAction(Oid schema, FreshAction *action)
{
	Datum		key = CStringGetTextDatum(action->name);
	bool		is_known;
	Lookup		lookup;

	LookupOpen(&lookup, schema, &action_layout);
	LookupStart(&lookup, 1, &key);
	is_known = LookupNext(&lookup);
	if (is_known)
	{
		action->preference = LookupNumber(&lookup, ACTION_PREFERENCE);
		action->low = LookupNumber(&lookup, ACTION_LOW);
		action->high = LookupNumber(&lookup, ACTION_HIGH);
	}
	LookupClose(&lookup);
	if (!is_known)
	{
		action->preference = DictionaryPreference(action->name);
		action->low = get_float8_nan();
	}
	if (!isfinite(action->preference))
		CheckComputation(CR_NOT_FINITE, psprintf("preference of action \"%s\"", action->name));
}

/* Number of an action among those met so far. */
static int
FindAction(FreshSource *source, const char *name)
{
	FreshAction *action;

	for (int i = 0; i < source->action_count; i++)
	{
		if (strcmp(source->actions[i].name, name) == 0)
			return i;
	}
	source->actions = repalloc(source->actions,
							   (source->action_count + 1) * sizeof(FreshAction));
	action = &source->actions[source->action_count];
	memset(action, 0, sizeof(*action));
	action->name = MemoryContextStrdup(source->context, name);
	ReadAction(source->fold->schema, action);
	return source->action_count++;
}

/* One row of the query; it counts if it gets to the end. */
static void
AddEvent(FreshSource *source, HeapTuple tuple, TupleDesc descriptor, ItemReader *items)
{
	FreshEvent *event = &source->events[source->count];
	TimestampTz events_until = source->fold->events_until;
	char	   *action = SPI_getvalue(tuple, descriptor, QUERY_ACTION + 1);
	StoredItem	item;
	bool		is_null;
	Datum		value;

	value = SPI_getbinval(tuple, descriptor, QUERY_TIME + 1, &is_null);
	if (is_null || (event->time = EventTime(source, value)) == DT_NOBEGIN)
		return;
	/* What lay in the future when the version was trained has been counted. */
	if (event->time > source->now && event->time <= events_until)
		return;
	event->time = Min(event->time, source->now);
	value = SPI_getbinval(tuple, descriptor, QUERY_ITEM + 1, &is_null);
	if (is_null || !ItemReaderFindId(items, value))
		return;
	ItemReaderGet(items, &item);
	event->item_no = item.item_no;
	event->action = FindAction(source, action != NULL ? action :
							   source->config->value_column != NULL ? "rating" : "event");
	value = SPI_getbinval(tuple, descriptor, QUERY_VALUE + 1, &is_null);
	event->value = is_null ? get_float8_nan() : DatumGetFloat8(value);
	if (isnan(source->actions[event->action].low) || source->config->value_column == NULL)
		event->value = get_float8_nan();
	else if (!isfinite(event->value))
		return;
	source->count++;
}

static void
RunQuery(FreshSource *source, Datum user)
{
	Oid			types[2];
	Datum		values[2];
	ItemReader	items;
	SPITupleTable *table;
	uint64		rows;

	types[0] = IdKindType(source->config->user_kind);
	types[1] = source->time_type;
	values[0] = user;
	values[1] = OriginParameter(source);
	SPI_connect();
	if (SPI_execute_with_args(BuildQuery(source), 2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "events could not be read");
	table = SPI_tuptable;
	rows = SPI_processed;
	source->events = MemoryContextAllocHuge(source->context,
											mul_size(Max(rows, 1), sizeof(FreshEvent)));
	ItemReaderOpen(&items, source->fold->schema, source->fold->deployed, ITEM_BY_ID);
	for (uint64 row = 0; row < rows; row++)
	{
		CHECK_FOR_INTERRUPTS();
		AddEvent(source, table->vals[row], table->tupdesc, &items);
	}
	ItemReaderClose(&items);
	SPI_finish();
}

/* By item, action and time; the largest value first, which is the one that counts. */
static int
CompareEvents(const void *left, const void *right)
{
	const FreshEvent *a = left;
	const FreshEvent *b = right;

	CHECK_FOR_INTERRUPTS();
	if (a->item_no != b->item_no)
		return a->item_no < b->item_no ? -1 : 1;
	if (a->action != b->action)
		return a->action < b->action ? -1 : 1;
	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	if (isnan(a->value) || isnan(b->value))
		return 0;
	return a->value > b->value ? -1 : a->value < b->value;
}

static double
AddedPreference(const FreshSource *source, const FreshEvent *event, TimestampTz newest)
{
	const FreshAction *action = &source->actions[event->action];
	double		scaled = isnan(event->value) ? event->value :
		cr_scaled_value(event->value, action->low, action->high);

	return cr_event_preference(action->preference, scaled) *
		cr_age_factor((double) newest - (double) event->time,
					  source->fold->used.half_life * (double) USECS_PER_DAY);
}

/* Sum up the sorted events, an item at a time. */
static void
SumEvents(const FreshSource *source, FreshEvents *fresh)
{
	fresh->items = MemoryContextAllocHuge(source->context,
										  mul_size(Max(source->count, 1), sizeof(FreshItem)));
	for (int64 i = 0; i < source->count; i++)
		fresh->newest = Max(fresh->newest, source->events[i].time);
	for (int64 i = 0; i < source->count; i++)
	{
		const FreshEvent *event = &source->events[i];
		FreshItem  *item = &fresh->items[Max(fresh->count - 1, 0)];

		if (i > 0 && event->item_no == event[-1].item_no && event->action == event[-1].action &&
			event->time == event[-1].time)
			continue;
		if (fresh->count == 0 || item->item_no != event->item_no)
		{
			item = &fresh->items[fresh->count++];
			memset(item, 0, sizeof(*item));
			item->item_no = event->item_no;
			item->last = event->time;
		}
		item->last = Max(item->last, event->time);
		item->preference += AddedPreference(source, event, fresh->newest);
	}
}

void
ReadFreshEvents(const FoldIn *fold, Datum user, FreshEvents *fresh)
{
	FreshSource source = {0};

	memset(fresh, 0, sizeof(*fresh));
	fresh->newest = DT_NOBEGIN;
	source.fold = fold;
	source.context = CurrentMemoryContext;
	source.config = ModelReadConfig(fold->schema);
	source.now = GetCurrentTransactionStartTimestamp();
	source.actions = palloc(sizeof(FreshAction));
	CheckSource(&source);
	if (IsForgotten(fold->schema, user, source.config->user_kind))
		return;
	RunQuery(&source, user);
	qsort(source.events, source.count, sizeof(FreshEvent), CompareEvents);
	SumEvents(&source, fresh);
}
