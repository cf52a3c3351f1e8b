/*
 * events_read.c
 *		One pass over the events: rows to numbered columns.
 *
 * The rows of a read-only cursor go straight into a DestReceiver, which
 * numbers actions, drops what cannot be used and collects the rest in a batch.
 * Ids are numbered a batch at a time, see idmap.h; then the batch goes to the
 * store.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "nodes/nodeFuncs.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/timestamp.h"

#include "common/compat.h"
#include "store/forget.h"
#include "train/events_internal.h"

/* Who is to be left out, and who of the users met so far that is. */
typedef struct ForgottenFilter
{
	ForgottenUsers list;
	IdMap	   *met;
	bool	   *is_forgotten;	/* by number in "met" */
	int64		room;
	MemoryContext scratch;		/* of one look-up */
} ForgottenFilter;

typedef struct EventReceiver
{
	DestReceiver pub;			/* must come first */
	EventLog   *log;
	const EventSource *source;
	EventStore *store;
	bool		strict;
	ForgottenFilter *forgotten; /* NULL: nobody is */
	EventBatch	batch;			/* not yet in the store; its ids are queued in the maps */
} EventReceiver;

/* One row while it is looked at. */
typedef struct EventRow
{
	Datum		user;
	Datum		item;
	int16		action;
	double		value;			/* NaN where it does not count */
	TimestampTz time;
} EventRow;

/* Number the batch's ids and put it into the store. */
static void
FlushBatch(EventReceiver *receiver)
{
	EventBatch *batch = &receiver->batch;

	IdMapNumber(receiver->log->users, batch->user);
	IdMapNumber(receiver->log->items, batch->item);
	EventStoreAppend(receiver->store, batch);
	batch->count = 0;
}

static void
AppendEvent(EventReceiver *receiver, const EventRow *row)
{
	EventBatch *batch = &receiver->batch;
	int			at = batch->count++;

	IdMapPush(receiver->log->users, row->user);
	IdMapPush(receiver->log->items, row->item);
	batch->action[at] = row->action;
	batch->value[at] = row->value;
	batch->time[at] = row->time;
	if (batch->count == IDMAP_BATCH)
		FlushBatch(receiver);
}

/* Midnight UTC of a date, whatever the session's time zone; infinity stays infinity. */
static TimestampTz
TimeFromDate(DateADT date)
{
	if (DATE_IS_NOBEGIN(date))
		return DT_NOBEGIN;
	if (DATE_IS_NOEND(date))
		return DT_NOEND;
	if (date >= TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("date out of range for timestamp: %d days after 2000-01-01", date)));
	return (TimestampTz) date * USECS_PER_DAY;
}

/*
 * The time of a row.  A timestamp without time zone has the bits of the
 * timestamptz that it is in UTC.
 */
static TimestampTz
ReadTime(const EventReceiver *receiver, TupleTableSlot *slot)
{
	int			at = receiver->source->time_at;

	if (at < 0 || slot->tts_isnull[at])
		return EVENT_NO_TIME;
	if (receiver->source->time_is_date)
		return TimeFromDate(DatumGetDateADT(slot->tts_values[at]));
	return DatumGetTimestampTz(slot->tts_values[at]);
}

static int16
ReadAction(const EventReceiver *receiver, TupleTableSlot *slot)
{
	int			at = receiver->source->action_at;
	text	   *name;
	int16		action;

	if (at < 0)
		return receiver->log->implied_action;
	if (slot->tts_isnull[at])
		return ActionTableImplied(receiver->log->actions);
	name = DatumGetTextPP(slot->tts_values[at]);
	action = ActionTableFind(receiver->log->actions, VARDATA_ANY(name),
							 (int) VARSIZE_ANY_EXHDR(name));
	if ((Pointer) name != DatumGetPointer(slot->tts_values[at]))
		pfree(name);
	return action;
}

static void pg_attribute_noreturn()
ReportBadValue(const EventReceiver *receiver, const EventRow *row)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("value of user \"%s\" for item \"%s\" is not a finite number",
					IdToCString(row->user, receiver->log->user_kind),
					IdToCString(row->item, receiver->log->item_kind)),
			 errhint("Correct the events, or train without strict to leave them out.")));
}

/* Set row->value; false if the event cannot be used without one. */
static bool
ReadValue(const EventReceiver *receiver, TupleTableSlot *slot, EventRow *row)
{
	int			at = receiver->source->value_at;
	EventLog   *log = receiver->log;

	row->value = get_float8_nan();
	if (at < 0 || isnan(ActionTableGet(log->actions, row->action)->value_low))
		return true;
	if (slot->tts_isnull[at])
	{
		log->skipped.null_value++;
		return false;
	}
	row->value = DatumGetFloat8(slot->tts_values[at]);
	if (isfinite(row->value))
		return true;
	if (receiver->strict)
		ReportBadValue(receiver, row);
	log->skipped.bad_value++;
	return false;
}

/* Fill "row"; false if the event is left out, which has been counted then. */
static bool
ReadRow(EventReceiver *receiver, TupleTableSlot *slot, EventRow *row)
{
	EventsSkipped *skipped = &receiver->log->skipped;
	const EventSource *source = receiver->source;
	int			time_at = source->time_at;

	if (slot->tts_isnull[source->user_at] || slot->tts_isnull[source->item_at])
	{
		skipped->null_id++;
		return false;
	}
	row->user = slot->tts_values[source->user_at];
	row->item = slot->tts_values[source->item_at];
	row->time = ReadTime(receiver, slot);
	if (TIMESTAMP_NOT_FINITE(row->time) && time_at >= 0 && !slot->tts_isnull[time_at])
	{
		skipped->bad_time++;
		return false;
	}
	row->action = ReadAction(receiver, slot);
	return ReadValue(receiver, slot, row);
}

/*
 * The newest state of the list counts, even under an older snapshot: whoever
 * was forgotten before this training got its lock must not come back.
 */
static void
OpenForgotten(EventReceiver *receiver, Oid model, ForgottenFilter *filter)
{
	EventLog   *log = receiver->log;

	if (!ForgottenLoad(&filter->list, model))
		return;
	filter->met = IdMapCreate(log->user_kind, log->budget, "users");
	filter->room = IDMAP_BATCH;
	filter->is_forgotten = BudgetAlloc(log->budget, filter->room * sizeof(bool), "users");
	filter->scratch = AllocSetContextCreate(CurrentMemoryContext, "commrec forgotten users",
											ALLOCSET_SMALL_SIZES);
	receiver->forgotten = filter;
}

static void
CloseForgotten(EventReceiver *receiver)
{
	ForgottenFilter *filter = receiver->forgotten;

	if (filter == NULL)
		return;
	IdMapFree(filter->met);
	BudgetFree(receiver->log->budget, filter->is_forgotten, filter->room * sizeof(bool));
	MemoryContextDelete(filter->scratch);
}

/* A hash a user, not a hash an event. */
static bool
IsLeftOut(EventReceiver *receiver, Datum user)
{
	ForgottenFilter *filter = receiver->forgotten;
	EventLog   *log = receiver->log;
	MemoryContext old_context;
	int32		known;
	int32		number;

	if (filter == NULL)
		return false;
	known = IdMapCount(filter->met);
	number = IdMapAdd(filter->met, user);
	if (number < known)
		return filter->is_forgotten[number];
	if (number == filter->room)
	{
		BudgetReserve(log->budget, filter->room * sizeof(bool), "users");
		filter->room *= 2;
		filter->is_forgotten = repalloc_huge(filter->is_forgotten, filter->room * sizeof(bool));
	}
	old_context = MemoryContextSwitchTo(filter->scratch);
	filter->is_forgotten[number] = ForgottenHas(&filter->list, user, log->user_kind);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(filter->scratch);
	return filter->is_forgotten[number];
}

static bool
ReceiveEvent(TupleTableSlot *slot, DestReceiver *self)
{
	EventReceiver *receiver = (EventReceiver *) self;
	EventRow	row;

	slot_getsomeattrs(slot, receiver->source->columns);
	if (!ReadRow(receiver, slot, &row))
		return true;
	if (IsLeftOut(receiver, row.user))
		receiver->log->skipped.forgotten++;
	else
		AppendEvent(receiver, &row);
	return true;
}

static void
ReceiverStartup(DestReceiver *self, int operation, TupleDesc type)
{
	(void) self;
	(void) operation;
	(void) type;
}

static void
ReceiverDone(DestReceiver *self)
{
	(void) self;
}

/*
 * Does the rewritten query filter rows by a policy?  Asked of the query, not
 * of the relation, because a view may read protected tables.  The plan's own
 * "depends on row security" is set for those who bypass it as well.
 */
static bool
HasPolicies(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
		return ((RangeTblEntry *) node)->securityQuals != NIL;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, HasPolicies, context,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, HasPolicies, context);
}

static bool
IsRowSecurityActive(SPIPlanPtr plan)
{
	CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(plan));

	return HasPolicies((Node *) linitial(source->query_list), NULL);
}

/* Is row security active?  55000 if it must not be. */
static bool
CheckRowSecurity(const EventSource *source, bool is_allowed, SPIPlanPtr plan)
{
	if (!IsRowSecurityActive(plan))
		return false;
	if (!is_allowed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("row security is active on %s", source->name),
				 errdetail("The model would be trained on the rows that its trainer may see."),
				 errhint("Train as a role that bypasses row security, or with allow_row_security => true.")));
	return true;
}

/* All rows in one go: the executor looks for interrupts at every one. */
static void
FetchAll(EventReceiver *receiver, SPIPlanPtr plan)
{
	const EventSource *source = receiver->source;
	Datum		values[] = {source->range_values[0], source->range_values[1]};
	Portal		portal = SPI_cursor_open(NULL, plan, source->range == NULL ? NULL : values, NULL,
										 true);

	if (portal == NULL)
		elog(ERROR, "SPI_cursor_open failed: %s", SPI_result_code_string(SPI_result));
	PortalRunFetch(portal, FETCH_FORWARD, FETCH_ALL, (DestReceiver *) receiver);
	SPI_cursor_close(portal);
}

int64
EventsCountRows(const ModelConfig *config, const EventsRange *range, bool allow_row_security)
{
	EventSource source = {0};
	SPIPlanPtr	plan;
	Oid			types[2];
	bool		is_null;
	int64		rows;

	EventSourceCheck(config, range, &source);
	types[0] = types[1] = source.range_type;
	SPI_connect();
	plan = SPI_prepare(psprintf("SELECT pg_catalog.count(*) FROM (%s) AS e", source.query),
					   range == NULL ? 0 : lengthof(types), types);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	(void) CheckRowSecurity(&source, allow_row_security, plan);
	if (SPI_execute_plan(plan, source.range_values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "events could not be counted");
	rows = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
	SPI_finish();
	return rows;
}

void
EventSourceRead(EventLog *log, const EventSource *source, const EventsOptions *options,
				EventStore *store)
{
	EventReceiver receiver;
	ForgottenFilter forgotten;
	SPIPlanPtr	plan;
	Oid			types[2];

	memset(&receiver, 0, sizeof(receiver));
	receiver.pub.receiveSlot = ReceiveEvent;
	receiver.pub.rStartup = ReceiverStartup;
	receiver.pub.rShutdown = ReceiverDone;
	receiver.pub.rDestroy = ReceiverDone;
	receiver.pub.mydest = DestNone;
	receiver.log = log;
	receiver.source = source;
	receiver.store = store;
	receiver.strict = options->strict;

	SPI_connect();
	/* Not scrollable, so that no node of the plan keeps its rows for going back. */
	types[0] = types[1] = source->range_type;
	plan = SPI_prepare_cursor(source->query, source->range == NULL ? 0 : lengthof(types), types,
							  CURSOR_OPT_NO_SCROLL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
	log->row_security = CheckRowSecurity(source, options->allow_row_security, plan);
	OpenForgotten(&receiver, source->model, &forgotten);
	FetchAll(&receiver, plan);
	FlushBatch(&receiver);
	CloseForgotten(&receiver);
	SPI_finish();
}
