/*
 * ials_aggregate_fn.c
 *		The aggregate ials(): collects the rows of a group, and trains when they are all there.
 *
 * The state is a pile (sql/pile.h) of the rows as core/state.h has them,
 * with the hyperparameters as its prefix: first as they were understood, with
 * NaN where the data decide, then the bytes of the jsonb value, nothing for
 * NULL.  The bytes are compared with those of the next row and never read
 * otherwise, so that nobody can do harm with a state of his own making.
 */
#include "postgres.h"

#include <math.h>

#include "access/detoast.h"
#include "utils/jsonb.h"

#include "common/compat.h"
#include "sql/pile.h"
#include "train/packed.h"

PG_FUNCTION_INFO_V1(commrec_ials_accum);
PG_FUNCTION_INFO_V1(commrec_ials_accum_text);
PG_FUNCTION_INFO_V1(commrec_ials_combine);
PG_FUNCTION_INFO_V1(commrec_ials_combine_text);
PG_FUNCTION_INFO_V1(commrec_ials_final);
PG_FUNCTION_INFO_V1(commrec_ials_final_text);

/* Arguments of the transition functions. */
#define ARGUMENT_USER			1
#define ARGUMENT_ITEM			2
#define ARGUMENT_PREFERENCE		3
#define ARGUMENT_HYPERPARAMETERS 4

/* The hyperparameters of a pile; those that cannot have come from jsonb are damage. */
static void
PileHyperparameters(const CrPile *pile, CrHyperparameters *parameters)
{
	if (!PackedReadHyperparameters(pile, parameters))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the state of the aggregate is damaged"),
				 errhint("Call the aggregate commrec.ials(), not its support functions.")));
}

/* 22023 unless two piles have hyperparameters that mean the same. */
static void
CheckSameHyperparameters(const CrPile *pile, const CrPile *other)
{
	CrHyperparameters ours;
	CrHyperparameters theirs;

	if (pile->prefix == other->prefix && memcmp(pile->data, other->data, pile->prefix) == 0)
		return;
	PileHyperparameters(pile, &ours);
	PileHyperparameters(other, &theirs);
	if (memcmp(&ours, &theirs, sizeof(ours)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("hyperparameters of commrec.ials() differ within a group"),
				 errhint("Give one value for all rows of a group.")));
}

/* "CRII" and "CRIT" */
static const PileKind integer_pile = {0x49495243, 1024, "commrec.ials", CheckSameHyperparameters};
static const PileKind text_pile = {0x54495243, 1024, "commrec.ials", CheckSameHyperparameters};

/* Check hyperparameters once a group, before anything is collected. */
static CrPile *
NewPile(FunctionCallInfo fcinfo, const PileKind *kind)
{
	CrHyperparameters parameters;
	Jsonb	   *given = PG_ARGISNULL(ARGUMENT_HYPERPARAMETERS) ? NULL :
		PG_GETARG_JSONB_P(ARGUMENT_HYPERPARAMETERS);
	Size		length = given == NULL ? 0 : VARSIZE(given) - VARHDRSZ;
	char	   *prefix = palloc(sizeof(parameters) + length);

	PackedHyperparameters(given, &parameters);
	memcpy(prefix, &parameters, sizeof(parameters));
	if (length > 0)
		memcpy(prefix + sizeof(parameters), VARDATA(given), length);
	return PileCreate(kind, prefix, sizeof(parameters) + length);
}

/* Compare the row's hyperparameters with the pile's: nearly always the same bytes. */
static void
CheckHyperparameters(FunctionCallInfo fcinfo, const PileKind *kind, const CrPile *pile)
{
	const Size	before = sizeof(CrHyperparameters);
	struct varlena *given;

	if (PG_ARGISNULL(ARGUMENT_HYPERPARAMETERS) && pile->prefix == before)
		return;
	if (!PG_ARGISNULL(ARGUMENT_HYPERPARAMETERS) && pile->prefix > before)
	{
		given = PG_GETARG_VARLENA_PP(ARGUMENT_HYPERPARAMETERS);
		if (VARSIZE_ANY_EXHDR(given) == pile->prefix - before &&
			memcmp(VARDATA_ANY(given), pile->data + before, pile->prefix - before) == 0)
			return;
	}
	CheckSameHyperparameters(pile, NewPile(fcinfo, kind));
}

static bool
HasNull(FunctionCallInfo fcinfo)
{
	return PG_ARGISNULL(ARGUMENT_USER) || PG_ARGISNULL(ARGUMENT_ITEM) ||
		PG_ARGISNULL(ARGUMENT_PREFERENCE);
}

/* The pile to which the row of this call is to be added. */
static CrPile *
PileForRow(FunctionCallInfo fcinfo, const PileKind *kind)
{
	CrPile	   *pile = PileOwnState(fcinfo, kind);

	if (!isfinite(PG_GETARG_FLOAT8(ARGUMENT_PREFERENCE)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("preference must be a finite number, not %g",
						PG_GETARG_FLOAT8(ARGUMENT_PREFERENCE)),
				 errhint("Leave such rows out: commrec.ials(...) FILTER (WHERE ...).")));
	if (pile == NULL)
		return NewPile(fcinfo, kind);
	CheckHyperparameters(fcinfo, kind, pile);
	return pile;
}

/* ials_accum(state bytea, user_id bigint, item_id bigint, preference double precision, jsonb) -> bytea */
Datum
commrec_ials_accum(PG_FUNCTION_ARGS)
{
	CrEventRow	row;
	CrPile	   *pile;
	uint8	   *place;

	if (HasNull(fcinfo))
		return PileSameState(fcinfo);
	pile = PileAddRow(PileForRow(fcinfo, &integer_pile), &integer_pile, sizeof(CrEventRow), &place);
	row.user = PG_GETARG_INT64(ARGUMENT_USER);
	row.item = PG_GETARG_INT64(ARGUMENT_ITEM);
	row.preference = PG_GETARG_FLOAT8(ARGUMENT_PREFERENCE);
	memcpy(place, &row, sizeof(row));
	PG_RETURN_POINTER(pile);
}

/* A text id; its length is asked of the header, so that a huge one is refused before it is fetched. */
static text *
GetTextId(FunctionCallInfo fcinfo, int argument)
{
	Size		length = toast_raw_datum_size(PG_GETARG_DATUM(argument)) - VARHDRSZ;

	if (length > COMMREC_ID_TEXT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("id of %zu bytes is too long: the limit is %d bytes", length,
						COMMREC_ID_TEXT_MAX),
				 errhint("Use a shorter key, for example a hash of the id.")));
	return PG_GETARG_TEXT_PP(argument);
}

/* ials_accum(state bytea, user_id text, item_id text, preference double precision, jsonb) -> bytea */
Datum
commrec_ials_accum_text(PG_FUNCTION_ARGS)
{
	CrTextRow	row;
	text	   *user;
	text	   *item;
	CrPile	   *pile;
	uint8	   *place;

	if (HasNull(fcinfo))
		return PileSameState(fcinfo);
	user = GetTextId(fcinfo, ARGUMENT_USER);
	item = GetTextId(fcinfo, ARGUMENT_ITEM);
	row.preference = PG_GETARG_FLOAT8(ARGUMENT_PREFERENCE);
	row.user_length = (uint16) VARSIZE_ANY_EXHDR(user);
	row.item_length = (uint16) VARSIZE_ANY_EXHDR(item);
	row.user = (const uint8 *) VARDATA_ANY(user);
	row.item = (const uint8 *) VARDATA_ANY(item);
	pile = PileAddRow(PileForRow(fcinfo, &text_pile), &text_pile, cr_text_row_size(&row), &place);
	cr_text_row_put(&row, place);
	PG_RETURN_POINTER(pile);
}

/* ials_combine(state bytea, other bytea) -> bytea */
Datum
commrec_ials_combine(PG_FUNCTION_ARGS)
{
	return PileCombine(fcinfo, &integer_pile);
}

Datum
commrec_ials_combine_text(PG_FUNCTION_ARGS)
{
	return PileCombine(fcinfo, &text_pile);
}

static Datum
Final(FunctionCallInfo fcinfo, const PileKind *kind, IdKind ids)
{
	const CrPile *pile = PileOtherState(fcinfo, 0, kind);
	CrHyperparameters parameters;
	PackedRows	rows;

	if (pile == NULL)
		PG_RETURN_NULL();
	PileHyperparameters(pile, &parameters);
	rows.kind = ids;
	rows.pile = pile;
	PG_RETURN_BYTEA_P(PackedTrain(&rows, &parameters, VARSIZE(pile)));
}

/* ials_final(state bytea) -> bytea */
Datum
commrec_ials_final(PG_FUNCTION_ARGS)
{
	return Final(fcinfo, &integer_pile, ID_INT8);
}

Datum
commrec_ials_final_text(PG_FUNCTION_ARGS)
{
	return Final(fcinfo, &text_pile, ID_TEXT);
}
