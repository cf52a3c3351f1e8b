/*
 * publish_trending.c
 *		The rising items of a version, for users of whom nothing is known.
 *
 * They are few and kept in a table of their own, in their order: a look-up of
 * the first ones reads one page.
 */
#include "postgres.h"

#include "core/topk.h"
#include "miscadmin.h"
#include "store/bulk.h"
#include "store/publish_trending.h"

void
PublishTrending(const ModelConfig *config, int32 version, const PublishFactors *factors,
				const int32 *item_no)
{
	CrScored   *entries = palloc(TRENDING_MAX * sizeof(CrScored));
	BulkWriter *writer = BulkWriterBegin(config, MODEL_TRENDING);
	bool		nulls[4] = {false};
	Datum		values[4];
	CrTopK		top;

	cr_topk_init(&top, entries, TRENDING_MAX);
	for (int32 item = 0; factors->item_trend != NULL && item < factors->items; item++)
	{
		CHECK_FOR_INTERRUPTS();
		/* Ties by dense number, which is the order of ids. */
		if (factors->item_trend[item] > 0)
			cr_topk_offer(&top, factors->item_trend[item], item);
	}
	cr_topk_sort(&top);
	for (int32 i = 0; i < top.count; i++)
	{
		values[0] = Int32GetDatum(version);
		values[1] = Int32GetDatum(i);
		values[2] = Int32GetDatum(item_no[top.entries[i].item_no]);
		values[3] = Float4GetDatum(top.entries[i].score);
		BulkWriterAdd(writer, values, nulls);
	}
	BulkWriterEnd(writer);
	pfree(entries);
}
