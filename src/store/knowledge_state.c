/*
 * knowledge_state.c
 *		What the knowledge tables were computed from, beside what they hold themselves.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/float.h"

#include "store/deploy.h"
#include "store/knowledge_state.h"
#include "store/lookup.h"

enum { STATE_ONLY_ROW, STATE_UNTIL, STATE_WIDTH, STATE_SQUARES, STATE_TIMED_SQUARES, STATE_ACTIONS };

static const LookupLayout state_layout = {
	MODEL_KNOWLEDGE, 1, 6,
	{{"only_row", BOOLOID}, {"until", TIMESTAMPTZOID}, {"bucket_width", INT8OID},
	{"squares", FLOAT8OID}, {"timed_squares", FLOAT8OID}, {"actions", INT8OID}}
};

void
KnowledgeStateWrite(Oid schema, const KnowledgeState *state)
{
	Oid			types[] = {TIMESTAMPTZOID, INT8OID, FLOAT8OID, FLOAT8OID, INT8OID};
	char		nulls[] = "     ";
	Datum		values[5];

	values[0] = TimestampTzGetDatum(state->until);
	if (!state->has_until)
		nulls[0] = 'n';
	values[1] = Int64GetDatum(state->bucket_width);
	values[2] = Float8GetDatum(state->square_sum);
	values[3] = Float8GetDatum(state->timed_square_sum);
	values[4] = Int64GetDatum(state->actions);
	SPI_connect();
	ModelExecute(psprintf("DELETE FROM %s", ModelTableSql(schema, MODEL_KNOWLEDGE)), 0, NULL, NULL,
				 NULL, SPI_OK_DELETE);
	ModelExecute(psprintf("INSERT INTO %s (until, bucket_width, squares, timed_squares, "
						  "actions) VALUES ($1, $2, $3, $4, $5)",
						  ModelTableSql(schema, MODEL_KNOWLEDGE)),
				 lengthof(types), types, values, nulls, SPI_OK_INSERT);
	SPI_finish();
}

static double
LookupNumber(Lookup *lookup, int column)
{
	bool		is_null;
	Datum		value = LookupValue(lookup, column, &is_null);

	return is_null ? get_float8_nan() : DatumGetFloat8(value);
}

bool
KnowledgeStateRead(Oid schema, KnowledgeState *state)
{
	Datum		only_row = BoolGetDatum(true);
	bool		is_found;
	bool		is_null;
	Lookup		lookup;

	memset(state, 0, sizeof(*state));
	LookupOpen(&lookup, schema, &state_layout);
	LookupStart(&lookup, 1, &only_row);
	is_found = LookupNext(&lookup);
	if (is_found)
	{
		state->until = DatumGetTimestampTz(LookupValue(&lookup, STATE_UNTIL, &is_null));
		state->has_until = !is_null;
		state->bucket_width = DatumGetInt64(LookupValue(&lookup, STATE_WIDTH, &is_null));
		state->square_sum = LookupNumber(&lookup, STATE_SQUARES);
		state->timed_square_sum = LookupNumber(&lookup, STATE_TIMED_SQUARES);
		state->actions = DatumGetInt64(LookupValue(&lookup, STATE_ACTIONS, &is_null));
	}
	LookupClose(&lookup);
	return is_found;
}
