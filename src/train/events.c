/*
 * events.c
 *		Reading the events, from check to sorted columns.
 *
 *	events_source.c	checks the relation and writes the query
 *	events_read.c	runs it
 *	events_store.c	keeps the rows meanwhile
 *	events_sort.c	orders them and drops duplicates
 *	events.c		puts these together, looks at the times and reports what was left out
 *
 * One memory context below the caller's owns everything that an EventLog
 * holds; what is large is counted against the budget, before it is allocated.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "train/events_internal.h"

static EventLog *
MakeLog(const ModelConfig *config, const EventSource *source, MemoryBudget *budget)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "commrec events",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	EventLog   *log = palloc0(sizeof(EventLog));

	log->context = context;
	log->budget = budget;
	log->user_kind = config->user_kind;
	log->item_kind = config->item_kind;
	log->users = IdMapCreate(config->user_kind, budget, "users");
	log->items = IdMapCreate(config->item_kind, budget, "items");
	log->actions = ActionTableRead(config);
	log->implied_action = source->action_at < 0 ? ActionTableImplied(log->actions) : -1;
	log->newest = EVENT_NO_TIME;
	log->age_origin = EVENT_NO_TIME;
	MemoryContextSwitchTo(old_context);
	return log;
}

/* "3 with NULL ids, 1 with NULL value"; NULL if nothing was left out. */
static char *
DescribeSkipped(const EventsSkipped *skipped)
{
	const struct
	{
		int64		count;
		const char *what;
	}			reasons[] = {
		{skipped->null_id, "with NULL ids"},
		{skipped->null_value, "with NULL values"},
		{skipped->bad_value, "with values NaN or infinite"},
		{skipped->bad_time, "with infinite times"},
		{skipped->forgotten, "of forgotten users"},
		{skipped->duplicate, "exact duplicates"}
	};
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < (int) lengthof(reasons); i++)
	{
		if (reasons[i].count > 0)
			appendStringInfo(&text, "%s" INT64_FORMAT " %s", text.len == 0 ? "" : ", ",
							 reasons[i].count, reasons[i].what);
	}
	return text.len == 0 ? NULL : text.data;
}

static void
CheckAnyEvent(const EventLog *log, const EventSource *source, const EventStore *store)
{
	char	   *skipped = DescribeSkipped(&log->skipped);

	if (store->events > 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("no usable events in %s", source->name),
			 skipped == NULL ? errdetail("It has no rows.") :
			 errdetail("All its rows were left out: %s.", skipped),
			 errhint("The model stays as it is; train again when there are events.")));
}

/* Count what has no time or lies in the future, and find the newest times. */
static void
LookAtTimes(EventLog *log)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	if (log->time == NULL)
		return;
	for (int64 e = 0; e < log->count; e++)
	{
		TimestampTz time = log->time[e];

		EVENTS_POLL(e);
		if (time == EVENT_NO_TIME)
			log->skipped.no_time++;
		else if (time > now)
			log->skipped.future++;
		else
			log->age_origin = Max(log->age_origin, time);
		log->newest = Max(log->newest, time);
	}
	if (log->age_origin == EVENT_NO_TIME)
		log->age_origin = log->newest;
}

static void
ReportSkipped(const EventLog *log)
{
	char	   *left_out = DescribeSkipped(&log->skipped);
	char	   *no_time = log->skipped.no_time == 0 ? NULL :
		psprintf(INT64_FORMAT " without time, which count for training only",
				 log->skipped.no_time);

	if (left_out != NULL && no_time != NULL)
		ereport(NOTICE, (errmsg("skipped events: %s; kept %s", left_out, no_time)));
	else if (left_out != NULL)
		ereport(NOTICE, (errmsg("skipped events: %s", left_out)));
	else if (no_time != NULL)
		ereport(NOTICE, (errmsg("kept events: %s", no_time)));

	if (log->skipped.future > 0)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("events in the future: " INT64_FORMAT, log->skipped.future),
				 errdetail("They count as if they had just happened.")));
}

/* The actions have their numbers now. */
static void
MakeScales(EventLog *log)
{
	int			actions = ActionTableCount(log->actions);

	log->scale = MemoryContextAlloc(log->context, Max(actions, 1) * sizeof(EventScale));
	for (int i = 0; i < actions; i++)
	{
		const ActionWeights *action = ActionTableGet(log->actions, (int16) i);

		log->scale[i].preference = action->preference;
		log->scale[i].satisfaction = action->satisfaction;
		log->scale[i].low = action->value_low;
		log->scale[i].high = action->value_high;
	}
}

EventLog *
EventsRead(const ModelConfig *config, const EventsOptions *options, MemoryBudget *budget)
{
	return EventsReadRange(config, options, NULL, budget);
}

EventLog *
EventsReadRange(const ModelConfig *config, const EventsOptions *options, const EventsRange *range,
				MemoryBudget *budget)
{
	EventSource source = {0};
	EventStore *store;
	EventLog   *log;
	MemoryContext old_context;

	EventSourceCheck(config, range, &source);
	log = MakeLog(config, &source, budget);
	old_context = MemoryContextSwitchTo(log->context);
	store = EventStoreCreate(budget, &source);
	MemoryContextSwitchTo(old_context);
	EventSourceRead(log, &source, options, store);
	if (range != NULL && store->events == 0)
		return NULL;
	CheckAnyEvent(log, &source, store);
	CostsBegin(options->costs, PHASE_MAP);
	EventsSort(log, store);
	MakeScales(log);
	LookAtTimes(log);
	ReportSkipped(log);
	return log;
}

int32
EventsUsers(const EventLog *log)
{
	return IdMapCount(log->users);
}

int32
EventsItems(const EventLog *log)
{
	return IdMapCount(log->items);
}

static void
FreeRows(EventLog *log, void *column, int64 rows, Size width)
{
	if (column != NULL)
		BudgetFree(log->budget, column, (Size) rows * width);
}

void
EventsFreeRows(EventLog *log)
{
	FreeRows(log, log->start, (int64) EventsUsers(log) + 1, sizeof(int64));
	FreeRows(log, log->item, log->count, sizeof(int32));
	FreeRows(log, log->action, log->count, sizeof(int16));
	FreeRows(log, log->value, log->count, sizeof(double));
	FreeRows(log, log->time, log->count, sizeof(TimestampTz));
	log->start = NULL;
	log->item = NULL;
	log->action = NULL;
	log->value = NULL;
	log->time = NULL;
}

void
EventsFree(EventLog *log)
{
	EventsFreeRows(log);
	IdMapFree(log->users);
	IdMapFree(log->items);
	MemoryContextDelete(log->context);
}
