/*
 * knowledge.c
 *		Knowledge spread and satisfaction: item_spread, spread_factor and user_activity.
 *
 * One pass over the sorted events gives reach and spread of every item; a
 * second one, number and spread of the events of every bucket
 * (knowledge_buckets.c); both are shrunk towards their means.  A third goes
 * user by user: his events are grouped by bucket, and every group is a row of
 * user_activity, written at once (knowledge_activity.c).  All sums run in the
 * order of (user, item, action, time) or, within a group, of item, so that they
 * do not depend on the order of the rows.  doc/knowledge.md computes the same
 * in plain SQL.
 */
#include "postgres.h"

#include <math.h>

#include "utils/timestamp.h"

#include "core/shrinkage.h"
#include "store/bulk.h"
#include "store/knowledge_state.h"
#include "train/item_activity.h"
#include "train/knowledge_internal.h"

void *
KnowledgeAlloc(const Knowledge *knowledge, int64 count, Size width)
{
	Size		bytes = mul_size(Max(count, 1), width);
	void	   *numbers = BudgetAlloc(knowledge->log->budget, bytes, "knowledge spread");

	memset(numbers, 0, bytes);
	return numbers;
}

void
KnowledgeFree(const Knowledge *knowledge, void *numbers, int64 count, Size width)
{
	BudgetFree(knowledge->log->budget, numbers, (Size) Max(count, 1) * width);
}

/* Finite is all that any of these numbers has to be; only absurd weights get here. */
void
KnowledgeRequireFinite(double number)
{
	if (!isfinite(number))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("knowledge spread overflows"),
				 errhint("Lower the column spread in the model's table \"%s\".", MODEL_ACTION)));
}

void
KnowledgeBegin(Knowledge *knowledge, const EventLog *log, const ModelConfig *config)
{
	const ActionTable *actions = log->actions;
	int			count = ActionTableCount(actions);

	knowledge->log = log;
	knowledge->config = config;
	knowledge->bucket_width = cr_divisor(config->bucket_width);
	knowledge->action_spread = palloc(Max(count, 1) * sizeof(double));
	for (int i = 0; i < count; i++)
		knowledge->action_spread[i] = ActionTableGet(actions, (int16) i)->spread;
}

/* R_j and A_j over all events. */
static void
SumItems(Knowledge *knowledge, WeightSums *sums)
{
	const EventLog *log = knowledge->log;
	ItemSpread *items = &knowledge->items;

	for (int32 user = 0; user < EventsUsers(log); user++)
	{
		int32		last = -1;

		for (int64 e = log->start[user]; e < log->start[user + 1]; e++)
		{
			int32		item = log->item[e];
			double		weight = knowledge->action_spread[KnowledgeAction(log, e)];

			EVENTS_POLL(e);
			if (item != last)
				items->reach[item]++;
			last = item;
			/* Most events spread nothing. */
			if (weight == 0)
				continue;
			items->spread[item] += weight;
			KnowledgeAddWeight(sums, weight);
		}
	}
}

/* R_j, A_j, and from them w_j. */
static void
ComputeItems(Knowledge *knowledge, WeightSums *sums)
{
	ItemSpread *items = &knowledge->items;

	items->count = EventsItems(knowledge->log);
	items->reach = KnowledgeAlloc(knowledge, items->count, sizeof(double));
	items->spread = KnowledgeAlloc(knowledge, items->count, sizeof(double));
	items->coefficient = KnowledgeAlloc(knowledge, items->count, sizeof(double));
	SumItems(knowledge, sums);
	KnowledgeComputeCoefficients(items, sums);
}

void
KnowledgeComputeCoefficients(ItemSpread *items, const WeightSums *sums)
{
	CrShrinkage shrinkage;

	shrinkage = cr_shrinkage_fit(items->spread, items->reach, items->count, sums->sum,
								 sums->square_sum);
	for (int32 item = 0; item < items->count; item++)
	{
		EVENTS_POLL(item);
		items->coefficient[item] = cr_shrinkage_rate(&shrinkage, items->spread[item],
													 items->reach[item]);
		KnowledgeRequireFinite(items->coefficient[item]);
	}
}

static void
PublishItems(const Knowledge *knowledge)
{
	const ItemSpread *items = &knowledge->items;
	BulkWriter *writer = BulkWriterReplace(knowledge->config, MODEL_ITEM_SPREAD);
	bool		nulls[4] = {false};

	for (int32 item = 0; item < items->count; item++)
	{
		Datum		values[4];

		EVENTS_POLL(item);
		values[0] = IdMapGet(knowledge->log->items, item);
		values[1] = Int64GetDatum((int64) items->reach[item]);
		values[2] = Float8GetDatum(items->spread[item]);
		values[3] = Float8GetDatum(items->coefficient[item]);
		BulkWriterAdd(writer, values, nulls);
	}
	BulkWriterEnd(writer);
}

void
KnowledgePublishBuckets(const Knowledge *knowledge)
{
	const BucketSpread *buckets = &knowledge->buckets;
	int64		width = knowledge->config->bucket_width;
	BulkWriter *writer = BulkWriterReplace(knowledge->config, MODEL_SPREAD_FACTOR);
	bool		nulls[4] = {false};

	for (int32 i = 0; i < buckets->count; i++)
	{
		Datum		values[4];

		EVENTS_POLL(i);
		values[0] = TimestampTzGetDatum(BucketOrdinalStart(buckets->ordinal[i], width));
		values[1] = Int64GetDatum((int64) buckets->events[i]);
		values[2] = Float8GetDatum(buckets->spread[i]);
		values[3] = Float8GetDatum(buckets->factor[i]);
		BulkWriterAdd(writer, values, nulls);
	}
	BulkWriterEnd(writer);
}

static void
FreeKnowledge(Knowledge *knowledge)
{
	ItemSpread *items = &knowledge->items;
	BucketSpread *buckets = &knowledge->buckets;

	pfree(knowledge->action_spread);
	KnowledgeFree(knowledge, items->reach, items->count, sizeof(double));
	KnowledgeFree(knowledge, items->spread, items->count, sizeof(double));
	KnowledgeFree(knowledge, items->coefficient, items->count, sizeof(double));
	if (buckets->ordinal != NULL)
	{
		KnowledgeFree(knowledge, buckets->ordinal, buckets->count, sizeof(int64));
		KnowledgeFree(knowledge, buckets->events, buckets->count, sizeof(double));
		KnowledgeFree(knowledge, buckets->spread, buckets->count, sizeof(double));
		KnowledgeFree(knowledge, buckets->factor, buckets->count, sizeof(double));
	}
	pfree(knowledge);
}

/* What later events are added to. */
static void
WriteState(const Knowledge *knowledge, const WeightSums *sums, const WeightSums *timed_sums)
{
	const EventLog *log = knowledge->log;
	KnowledgeState state;

	state.has_until = log->age_origin != EVENT_NO_TIME;
	state.until = log->age_origin;
	state.bucket_width = knowledge->config->bucket_width;
	state.square_sum = sums->square_sum;
	state.timed_square_sum = timed_sums->square_sum;
	state.actions = ActionTableDigest(log->actions);
	KnowledgeStateWrite(knowledge->config->schema, &state);
}

float *
KnowledgePublish(const EventLog *log, const ModelConfig *config)
{
	Knowledge  *knowledge = palloc0(sizeof(Knowledge));
	WeightSums	sums = {0.0, 0.0};
	WeightSums	timed_sums = {0.0, 0.0};

	KnowledgeBegin(knowledge, log, config);
	ComputeItems(knowledge, &sums);
	PublishItems(knowledge);
	if (log->time != NULL)
	{
		KnowledgeComputeBuckets(knowledge, &timed_sums);
		KnowledgePublishBuckets(knowledge);
		KnowledgePublishActivity(knowledge, BulkWriterReplace(config, MODEL_USER_ACTIVITY));
	}
	else
	{
		BulkWriterEnd(BulkWriterReplace(config, MODEL_SPREAD_FACTOR));
		BulkWriterEnd(BulkWriterReplace(config, MODEL_USER_ACTIVITY));
	}
	WriteState(knowledge, &sums, &timed_sums);
	FreeKnowledge(knowledge);
	return ItemActivityPublish(log, config);
}
