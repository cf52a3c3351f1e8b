/*
 * refresh_knowledge.c
 *		Folding in: knowledge spread and satisfaction, from new events only.
 *
 * R_j, A_j and w_j of all items, N_t, A_t and f(t) of all buckets come out as
 * from all events: the tables hold the sums, and "knowledge" those of squares.
 * The bucket in which the old events end was read whole, so that it and the
 * later ones are computed as if nothing had been there.  What K(t,i) of earlier
 * buckets would need are the items behind each of its rows; it keeps the
 * coefficients that it was computed with until the next training.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/activity.h"
#include "store/bulk.h"
#include "store/deploy.h"
#include "train/item_activity.h"
#include "train/knowledge_internal.h"
#include "train/refresh_internal.h"

#define CURSOR_ROWS		1000

typedef struct KnowledgeUpdate
{
	RefreshFold *run;
	Knowledge	knowledge;		/* its items by number in the log */
	ItemSpread	all;			/* by dense number */
	WeightSums	sums;			/* over all events */
	WeightSums	timed_sums;
	TimestampTz first;			/* start of the first bucket that is computed anew */
} KnowledgeUpdate;

/* Go through the rows of a query, which has one parameter. */
static void
ReadRows(const char *sql, Oid type, Datum value,
		 void (*receive) (KnowledgeUpdate *, HeapTuple, TupleDesc), KnowledgeUpdate *update)
{
	Portal		portal = SPI_cursor_open_with_args(NULL, sql, 1, &type, &value, NULL, false,
												   CURSOR_OPT_NO_SCROLL);

	for (SPI_cursor_fetch(portal, true, CURSOR_ROWS); SPI_processed > 0;
		 SPI_cursor_fetch(portal, true, CURSOR_ROWS))
	{
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			CHECK_FOR_INTERRUPTS();
			receive(update, SPI_tuptable->vals[row], SPI_tuptable->tupdesc);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
}

static double
Number(HeapTuple row, TupleDesc descriptor, int column)
{
	bool		is_null;

	return DatumGetFloat8(SPI_getbinval(row, descriptor, column, &is_null));
}

static void
ReceiveItem(KnowledgeUpdate *update, HeapTuple row, TupleDesc descriptor)
{
	bool		is_null;
	int32		item_no = DatumGetInt32(SPI_getbinval(row, descriptor, 1, &is_null));
	int32		dense;

	if (is_null || item_no < 0 || item_no >= update->all.count)
		return;
	dense = update->run->items.dense[item_no];
	update->all.reach[dense] = Number(row, descriptor, 2);
	update->all.spread[dense] = Number(row, descriptor, 3);
	update->sums.sum += update->all.spread[dense];
}

static void
ReadItems(KnowledgeUpdate *update)
{
	RefreshFold *run = update->run;
	Oid			schema = run->config->schema;

	update->all.count = run->items.count;
	update->all.reach = FoldAlloc(run, update->all.count, sizeof(double));
	update->all.spread = FoldAlloc(run, update->all.count, sizeof(double));
	update->all.coefficient = FoldAlloc(run, update->all.count, sizeof(double));
	SPI_connect();
	ReadRows(psprintf("SELECT e.item_no, s.reach::pg_catalog.float8, s.spread FROM %s AS s "
					  "JOIN %s AS e ON e.version OPERATOR(pg_catalog.=) $1 AND "
					  "e.item_id OPERATOR(pg_catalog.=) s.item_id",
					  ModelTableSql(schema, MODEL_ITEM_SPREAD),
					  ModelTableSql(schema, MODEL_ITEM_EMBEDDING)),
			 INT4OID, Int32GetDatum(run->deployed.version), ReceiveItem, update);
	SPI_finish();
}

/* Add the new events to R_j and A_j, and compute all w_j. */
static void
AddItems(KnowledgeUpdate *update)
{
	RefreshFold *run = update->run;
	const EventLog *fresh = &run->fresh;
	ItemSpread *all = &update->all;

	update->sums.square_sum = run->knowledge.square_sum;
	update->timed_sums.square_sum = run->knowledge.timed_square_sum;
	for (int64 e = 0; e < fresh->count; e++)
	{
		double		weight = update->knowledge.action_spread[KnowledgeAction(fresh, e)];

		EVENTS_POLL(e);
		all->spread[run->items.of_log[fresh->item[e]]] += weight;
		KnowledgeAddWeight(&update->sums, weight);
		update->timed_sums.square_sum += weight * weight;
	}
	for (int32 i = 0; i < all->count; i++)
		all->reach[i] += run->items.new_reach[i];
	KnowledgeComputeCoefficients(all, &update->sums);
}

static void
WriteItems(const KnowledgeUpdate *update)
{
	const RefreshFold *run = update->run;
	const ItemSpread *all = &update->all;
	BulkWriter *writer = BulkWriterReplace(run->config, MODEL_ITEM_SPREAD);
	bool		nulls[4] = {false};

	for (int32 i = 0; i < all->count; i++)
	{
		Datum		values[4];

		EVENTS_POLL(i);
		if (all->reach[i] == 0)
			continue;
		values[0] = run->items.id[i];
		values[1] = Int64GetDatum((int64) all->reach[i]);
		values[2] = Float8GetDatum(all->spread[i]);
		values[3] = Float8GetDatum(all->coefficient[i]);
		BulkWriterAdd(writer, values, nulls);
	}
	BulkWriterEnd(writer);
}

/* Buckets before the first one that is computed anew, in ascending order. */
static void
ReceiveBucket(KnowledgeUpdate *update, HeapTuple row, TupleDesc descriptor)
{
	BucketSpread *buckets = &update->knowledge.buckets;
	bool		is_null;
	int32		at = buckets->count++;

	buckets->ordinal[at] = BucketOrdinal(DatumGetTimestampTz(SPI_getbinval(row, descriptor, 1,
																		   &is_null)),
										 update->run->config->bucket_width);
	buckets->events[at] = Number(row, descriptor, 2);
	buckets->spread[at] = Number(row, descriptor, 3);
}

static int64
CountOldBuckets(const KnowledgeUpdate *update)
{
	bool		is_null;
	int64		count;

	ModelExecute(psprintf("SELECT pg_catalog.count(*) FROM %s",
						  ModelTableSql(update->run->config->schema, MODEL_SPREAD_FACTOR)),
				 0, NULL, NULL, NULL, SPI_OK_SELECT);
	count = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
										&is_null));
	return count;
}

/* All buckets, old and new, and f(t). */
static void
ReadBuckets(KnowledgeUpdate *update)
{
	RefreshFold *run = update->run;
	BucketSpread *buckets = &update->knowledge.buckets;
	BucketSpread found;
	WeightSums	ignored = {0.0, 0.0};
	int64		room;

	KnowledgeFindBuckets(&update->knowledge, &ignored);
	found = *buckets;
	memset(buckets, 0, sizeof(*buckets));
	SPI_connect();
	room = CountOldBuckets(update) + found.count;
	SPI_finish();
	buckets->ordinal = FoldAlloc(run, room, sizeof(int64));
	buckets->events = FoldAlloc(run, room, sizeof(double));
	buckets->spread = FoldAlloc(run, room, sizeof(double));
	SPI_connect();
	ReadRows(psprintf("SELECT bucket, events::pg_catalog.float8, spread FROM %s WHERE bucket "
					  "OPERATOR(pg_catalog.<) $1 ORDER BY bucket USING OPERATOR(pg_catalog.<)",
					  ModelTableSql(run->config->schema, MODEL_SPREAD_FACTOR)),
			 TIMESTAMPTZOID, TimestampTzGetDatum(update->first), ReceiveBucket, update);
	SPI_finish();
	for (int32 i = 0; i < found.count; i++)
	{
		buckets->ordinal[buckets->count] = found.ordinal[i];
		buckets->events[buckets->count] = found.events[i];
		buckets->spread[buckets->count++] = found.spread[i];
	}
	for (int32 i = 0; i < buckets->count; i++)
		update->timed_sums.sum += buckets->spread[i];
	KnowledgeComputeFactors(&update->knowledge, &update->timed_sums);
}

/* Rows of the buckets that are computed anew go. */
static void
DeleteRows(const KnowledgeUpdate *update)
{
	static const char *const tables[] = {MODEL_USER_ACTIVITY, MODEL_ITEM_ACTIVITY};
	Oid			schema = update->run->config->schema;
	Oid			type = TIMESTAMPTZOID;
	Datum		first = TimestampTzGetDatum(update->first);

	SPI_connect();
	for (int i = 0; i < (int) lengthof(tables); i++)
		ModelExecute(psprintf("DELETE FROM %s WHERE bucket OPERATOR(pg_catalog.>=) $1",
							  ModelTableSql(schema, tables[i])),
					 1, &type, &first, NULL, SPI_OK_DELETE);
	SPI_finish();
}

/* w_j by the numbers of the log, as the rows of users need them. */
static void
MapCoefficients(KnowledgeUpdate *update)
{
	RefreshFold *run = update->run;
	ItemSpread *items = &update->knowledge.items;

	items->count = EventsItems(run->read);
	items->coefficient = FoldAlloc(run, items->count, sizeof(double));
	for (int32 number = 0; number < items->count; number++)
	{
		int32		dense = run->items.of_log[number];

		EVENTS_POLL(number);
		if (dense >= 0)
			items->coefficient[number] = update->all.coefficient[dense];
	}
}

/* A row of item_activity is a bucket as long as there are not more of them than have a slot of their own. */
static void
WriteItemActivity(const KnowledgeUpdate *update)
{
	RefreshFold *run = update->run;
	const EventLog *known = &run->known;
	CrDivisor	width = cr_divisor(run->config->bucket_width);
	int64		first = BucketOrdinalBy(&width, update->first);
	int64		last = BucketOrdinalBy(&width, known->newest);
	uint8	   *left_out = FoldAlloc(run, known->count, sizeof(uint8));

	for (int64 from = first; from <= last; from += CR_ACTIVITY_RECENT)
	{
		EventsPick	pick = {.left_out = left_out};
		EventLog	part;

		for (int64 e = 0; e < known->count; e++)
		{
			int64		bucket = BucketOrdinalBy(&width, known->time[e]);

			EVENTS_POLL(e);
			left_out[e] = bucket < from || bucket >= from + CR_ACTIVITY_RECENT;
		}
		(void) EventsCopy(known, &pick, &part);
		if (part.count > 0)
			ItemActivityAdd(&part, run->config);
		EventsFreeRows(&part);
	}
}

static void
WriteState(const KnowledgeUpdate *update)
{
	RefreshFold *run = update->run;
	KnowledgeState state = run->knowledge;

	state.until = run->read->age_origin;
	state.square_sum = update->sums.square_sum;
	state.timed_square_sum = update->timed_sums.square_sum;
	/* A change of weights calls for a training, until there was one. */
	if (run->are_actions_current)
		state.actions = ActionTableDigest(run->read->actions);
	KnowledgeStateWrite(run->config->schema, &state);
}

void
FoldKnowledge(RefreshFold *run)
{
	KnowledgeUpdate update;

	memset(&update, 0, sizeof(update));
	update.run = run;
	update.first = BucketStart(run->fold.folded_until, run->config->bucket_width);
	KnowledgeBegin(&update.knowledge, &run->known, run->config);
	ReadItems(&update);
	AddItems(&update);
	WriteItems(&update);
	ReadBuckets(&update);
	DeleteRows(&update);
	KnowledgePublishBuckets(&update.knowledge);
	MapCoefficients(&update);
	KnowledgePublishActivity(&update.knowledge,
							 BulkWriterBegin(run->config, MODEL_USER_ACTIVITY));
	WriteItemActivity(&update);
	WriteState(&update);
}
