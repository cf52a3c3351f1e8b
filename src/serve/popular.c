/*
 * popular.c
 *		The k most popular items, by one of several measures.
 *
 * Without a beginning, decayed popularity is what the deployed version has
 * stored, in its order.  Everything else comes from item_activity, which
 * describes the latest training: its rows are read in the order of items and
 * times, through the primary key, and summed up an item at a time.  Trending
 * needs to know all items before it can judge one, so that it reads the table
 * again; in between there are two numbers an item.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "common/compat.h"
#include "common/errors.h"
#include "core/metrics.h"
#include "core/shrinkage.h"
#include "serve/popular.h"
#include "store/model.h"
#include "store/version.h"

/* Trending: the newest buckets that are "recent" unless a time is given. */
#define RECENT_BUCKETS	7

/* Of the interval of a share: 95 %. */
#define WILSON_Z		1.96

enum { ACTIVITY_ITEM, ACTIVITY_BUCKET, ACTIVITY_UNTIL, ACTIVITY_USERS, ACTIVITY_POSITIVE,
	ACTIVITY_PREFERENCE };

static const LookupLayout activity_layout = {
	MODEL_ITEM_ACTIVITY, 2, 6,
	{{"item_id", InvalidOid}, {"bucket", TIMESTAMPTZOID}, {"until", TIMESTAMPTZOID},
	{"users", INT8OID}, {"positive", INT8OID}, {"preference", FLOAT8OID}}
};

/* Items by their position in item_activity. */
typedef struct Trend
{
	int64		items;
	int64		room;
	double	   *recent;			/* readers since */
	double	   *expected;		/* all readers; then how many of them would be recent by the long run */
	CrShrinkage shrinkage;
} Trend;

/* One item's sums. */
typedef struct ItemSums
{
	int64		position;		/* of the item in the table's order, from 0 */
	double		users;			/* readers since */
	double		positive;		/* of them */
	double		preference;		/* decayed, since */
	double		timed_users;	/* readers at any known time */
} ItemSums;

typedef struct PopularScan
{
	const PopularRequest *request;
	Lookup		lookup;
	IdKind		kind;
	TimestampTz since;			/* DT_NOBEGIN: everything, also what has no time */
	TimestampTz newest;			/* where the newest stretch ends */
	double		half_life;		/* microseconds */
	Trend		trend;
	Best	   *best;
} PopularScan;

/* What is done with each item that has been summed up; its id is that of the current row. */
typedef void (*ItemAction) (PopularScan *scan, const ItemSums *sums, Datum id);

PopularKind
PopularKindFind(const char *name)
{
	static const char *const names[] = {"decay", "wilson", "trending"};

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (strcmp(name, names[i]) == 0)
			return (PopularKind) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized kind of popularity \"%s\"", name),
			 errhint("Use \"decay\", \"wilson\" or \"trending\".")));
	return POPULAR_DECAY;		/* keep the compiler quiet */
}

IdKind
PopularItemKind(Oid schema)
{
	return LookupIdKind(schema, MODEL_ITEM_ACTIVITY, "item_id");
}

/* A column of the current row; none of them may be NULL. */
static Datum
ActivityValue(PopularScan *scan, int column)
{
	bool		is_null;
	Datum		value = LookupValue(&scan->lookup, column, &is_null);

	if (is_null)
		CheckStoredBytes(CR_CORRUPT, ModelSchemaName(scan->lookup.schema), "activity of items");
	return value;
}

/* 2^(-age/half-life), the age being that of the middle of the stretch. */
static double
RowDecay(const PopularScan *scan, TimestampTz bucket, TimestampTz until)
{
	double		age;

	if (isinf(scan->half_life) || bucket == DT_NOBEGIN)
		return 1.0;
	age = (double) scan->newest - ((double) bucket + (double) until) / 2;
	return exp2(-age / scan->half_life);
}

static void
AddRow(PopularScan *scan, ItemSums *sums)
{
	TimestampTz bucket = DatumGetTimestampTz(ActivityValue(scan, ACTIVITY_BUCKET));
	TimestampTz until = DatumGetTimestampTz(ActivityValue(scan, ACTIVITY_UNTIL));
	double		users = (double) DatumGetInt64(ActivityValue(scan, ACTIVITY_USERS));

	if (bucket != DT_NOBEGIN)
		sums->timed_users += users;
	if (scan->since != DT_NOBEGIN && until <= scan->since)
		return;
	sums->users += users;
	sums->positive += (double) DatumGetInt64(ActivityValue(scan, ACTIVITY_POSITIVE));
	sums->preference += DatumGetFloat8(ActivityValue(scan, ACTIVITY_PREFERENCE)) *
		RowDecay(scan, bucket, until);
}

/* Does the current row belong to this item, too? */
static bool
IsSameItem(PopularScan *scan, Datum item)
{
	const ScanKeyData *key = &scan->lookup.key[0];

	return DatumGetBool(FunctionCall2Coll(&scan->lookup.key[0].sk_func, key->sk_collation, item,
										  ActivityValue(scan, ACTIVITY_ITEM)));
}

/* Sum up item by item. */
static void
ScanItems(PopularScan *scan, ItemAction action)
{
	ItemSums	sums = {0};
	Datum		item = (Datum) 0;
	bool		by_value;
	int16		length;

	get_typlenbyval(IdKindType(scan->kind), &length, &by_value);
	LookupStart(&scan->lookup, 0, NULL);
	for (bool has_item = false, has_row = true; has_row;)
	{
		CHECK_FOR_INTERRUPTS();
		has_row = LookupNext(&scan->lookup);
		if (has_item && !(has_row && IsSameItem(scan, item)))
		{
			action(scan, &sums, item);
			if (!by_value)
				pfree(DatumGetPointer(item));
			has_item = false;
			sums = (ItemSums) {.position = sums.position + 1};
		}
		if (has_row && !has_item)
		{
			item = datumCopy(ActivityValue(scan, ACTIVITY_ITEM), by_value, length);
			has_item = true;
		}
		if (has_row)
			AddRow(scan, &sums);
	}
}

/* Where the newest stretch ends; DT_NOBEGIN if nothing has a time. */
static TimestampTz
FindNewest(PopularScan *scan)
{
	TimestampTz newest = DT_NOBEGIN;

	LookupStart(&scan->lookup, 0, NULL);
	while (LookupNext(&scan->lookup))
	{
		CHECK_FOR_INTERRUPTS();
		newest = Max(newest, DatumGetTimestampTz(ActivityValue(scan, ACTIVITY_UNTIL)));
	}
	return newest;
}

static void
OfferWilson(PopularScan *scan, const ItemSums *sums, Datum id)
{
	double		low;
	double		high;

	if (sums->users == 0)
		return;
	cr_wilson((int64) sums->positive, (int64) sums->users, WILSON_Z, &low, &high);
	BestOffer(scan->best, low, (int64) sums->users, id);
}

static void
OfferDecayed(PopularScan *scan, const ItemSums *sums, Datum id)
{
	if (sums->users > 0)
		BestOffer(scan->best, sums->preference, (int64) sums->users, id);
}

static void
NoteTrend(PopularScan *scan, const ItemSums *sums, Datum id pg_attribute_unused())
{
	Trend	   *trend = &scan->trend;

	if (trend->items == trend->room)
	{
		trend->room *= 2;
		trend->recent = repalloc_huge(trend->recent, mul_size(trend->room, sizeof(double)));
		trend->expected = repalloc_huge(trend->expected, mul_size(trend->room, sizeof(double)));
	}
	trend->recent[trend->items] = sums->users;
	trend->expected[trend->items++] = sums->timed_users;
}

/*
 * How many readers each item would have had lately if readers were spread over
 * items as in the long run, and how much of the difference is not chance.
 * Readers are counted, each of weight 1.
 */
static void
FitTrend(Trend *trend)
{
	double		recent = 0;
	double		timed = 0;

	for (int64 i = 0; i < trend->items; i++)
	{
		recent += trend->recent[i];
		timed += trend->expected[i];
	}
	for (int64 i = 0; i < trend->items; i++)
		trend->expected[i] *= recent / timed;
	trend->shrinkage = cr_shrinkage_fit(trend->recent, trend->expected, trend->items, recent,
										recent);
}

static void
OfferTrending(PopularScan *scan, const ItemSums *sums, Datum id)
{
	const Trend *trend = &scan->trend;

	if (sums->users > 0)
		BestOffer(scan->best, cr_shrinkage_rate(&trend->shrinkage, sums->users,
												trend->expected[sums->position]),
				  (int64) sums->users, id);
}

static void pg_attribute_noreturn()
ReportNoTime(Oid schema)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("events of model \"%s\" have no time", ModelSchemaName(schema)),
			 errhint("Give it a time column with commrec.alter_model(), then retrain it with commrec.train(); or use the kind \"wilson\" or \"decay\" and leave since out.")));
}

static void
FindTrending(PopularScan *scan)
{
	Trend	   *trend = &scan->trend;
	int64		bucket_width;

	if (!ReadBucketWidth(scan->request->schema, &bucket_width) || scan->newest == DT_NOBEGIN)
		ReportNoTime(scan->request->schema);
	if (!scan->request->has_since)
		scan->since = scan->newest - RECENT_BUCKETS * bucket_width;
	trend->room = 1024;
	trend->recent = palloc(trend->room * sizeof(double));
	trend->expected = palloc(trend->room * sizeof(double));
	ScanItems(scan, NoteTrend);
	FitTrend(trend);
	ScanItems(scan, OfferTrending);
}

/* The half-life of popularity, as the deployed version has it. */
static double
ReadHalfLife(Oid schema, const DeployedVersion *deployed)
{
	CrHyperparameters used;

	ReadVersionHyperparameters(schema, deployed, &used);
	return isnan(used.popularity_half_life) ? INFINITY :
		used.popularity_half_life * (double) USECS_PER_DAY;
}

static void
ScanActivity(const PopularRequest *request, const DeployedVersion *deployed, Best *best)
{
	PopularScan scan = {0};
	int64		bucket_width;

	if (request->has_since && !ReadBucketWidth(request->schema, &bucket_width))
		ReportNoTime(request->schema);
	scan.request = request;
	scan.best = best;
	scan.since = request->has_since ? request->since : DT_NOBEGIN;
	scan.half_life = request->kind == POPULAR_DECAY ? ReadHalfLife(request->schema, deployed) :
		INFINITY;
	LookupOpen(&scan.lookup, request->schema, &activity_layout);
	scan.kind = scan.lookup.id_kind;
	if (request->kind != POPULAR_WILSON)
		scan.newest = FindNewest(&scan);
	if (request->kind == POPULAR_TRENDING)
		FindTrending(&scan);
	else
		ScanItems(&scan, request->kind == POPULAR_WILSON ? OfferWilson : OfferDecayed);
	LookupClose(&scan.lookup);
}

/* What recommend() would show to anybody unknown. */
static void
ReadStored(const PopularRequest *request, const DeployedVersion *deployed, Best *best)
{
	ItemReader	items;
	StoredItem	item;

	ItemReaderOpen(&items, request->schema, deployed, ITEM_BY_POPULARITY);
	ItemReaderStart(&items);
	while (best->offered < best->k && ItemReaderNext(&items))
	{
		CHECK_FOR_INTERRUPTS();
		ItemReaderGet(&items, &item);
		BestOffer(best, item.popularity, 0, ItemReaderId(&items));
	}
	ItemReaderClose(&items);
}

int32
Popular(const PopularRequest *request, BestRow **rows)
{
	DeployedVersion deployed;
	Best		best;

	if (request->has_since && TIMESTAMP_NOT_FINITE(request->since))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("since must be a finite time"),
				 errhint("Leave it out for all of the time.")));
	ReadDeployedVersion(request->schema, &deployed);
	BestInit(&best, request->k, PopularItemKind(request->schema));
	if (request->kind == POPULAR_DECAY && !request->has_since)
		ReadStored(request, &deployed, &best);
	else
		ScanActivity(request, &deployed, &best);
	*rows = best.rows;
	return BestFinish(&best);
}
