/*
 * trending.c
 *		Reading the rising items of a version.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"

#include "common/errors.h"
#include "store/model.h"
#include "store/trending.h"

enum { TRENDING_VERSION, TRENDING_PLACE, TRENDING_ITEM_NO, TRENDING_TREND };

static const LookupLayout trending_layout = {
	MODEL_TRENDING, 2, 4,
	{{"version", INT4OID}, {"place", INT4OID}, {"item_no", INT4OID}, {"trend", FLOAT4OID}}
};

void
TrendingReaderOpen(TrendingReader *reader, Oid schema, const DeployedVersion *deployed)
{
	Datum		version = Int32GetDatum(deployed->version);

	reader->deployed = deployed;
	LookupOpen(&reader->lookup, schema, &trending_layout);
	LookupStart(&reader->lookup, 1, &version);
}

bool
TrendingReaderNext(TrendingReader *reader, CrScored *item)
{
	bool		is_item_null;
	bool		is_trend_null;
	Datum		item_no;
	Datum		trend;

	if (!LookupNext(&reader->lookup))
		return false;
	item_no = LookupValue(&reader->lookup, TRENDING_ITEM_NO, &is_item_null);
	trend = LookupValue(&reader->lookup, TRENDING_TREND, &is_trend_null);
	if (is_item_null || is_trend_null || DatumGetInt32(item_no) < 0 ||
		DatumGetInt32(item_no) >= reader->deployed->items || !isfinite(DatumGetFloat4(trend)))
		CheckStoredBytes(CR_CORRUPT, ModelSchemaName(reader->lookup.schema), "trending items");
	item->item_no = DatumGetInt32(item_no);
	item->score = DatumGetFloat4(trend);
	return true;
}

void
TrendingReaderClose(TrendingReader *reader)
{
	LookupClose(&reader->lookup);
}
