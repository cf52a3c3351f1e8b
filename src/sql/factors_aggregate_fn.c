/*
 * factors_aggregate_fn.c
 *		The aggregates pack_factors() and gram(): matrices from embeddings.
 *
 * pack_factors() keeps rows in a pile (sql/pile.h) whose prefix is their
 * dimension.  The state of gram() is of fixed size and is added to in place.
 * core/state.h has the forms of both.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "common/compat.h"
#include "common/errors.h"
#include "core/bytes.h"
#include "sql/parts_arguments.h"
#include "sql/pile.h"

PG_FUNCTION_INFO_V1(commrec_pack_factors_accum);
PG_FUNCTION_INFO_V1(commrec_pack_factors_combine);
PG_FUNCTION_INFO_V1(commrec_pack_factors_final);
PG_FUNCTION_INFO_V1(commrec_gram_accum);
PG_FUNCTION_INFO_V1(commrec_gram_combine);
PG_FUNCTION_INFO_V1(commrec_gram_final);

static void pg_attribute_noreturn()
ReportDamagedState(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the state of the aggregate is damaged"),
			 errhint("Call the aggregate, not its support functions.")));
}

static int32
PileDims(const CrPile *pile)
{
	int32		dims;

	if (cr_pile_get_dims(pile, &dims) != CR_OK)
		ReportDamagedState();
	return dims;
}

static void
CheckSameDims(const CrPile *pile, const CrPile *other)
{
	if (PileDims(pile) != PileDims(other))
		ReportDims(PileDims(pile), PileDims(other));
}

static const PileKind factors_pile = {0x46435243, 4096, "commrec.pack_factors", CheckSameDims};

/* pack_factors_accum(state bytea, row integer, embedding bytea) -> bytea */
Datum
commrec_pack_factors_accum(PG_FUNCTION_ARGS)
{
	CrPile	   *pile = PileOwnState(fcinfo, &factors_pile);
	float	   *elements;
	int32		row;
	int32		dims;
	uint8	   *place;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return PileSameState(fcinfo);
	row = PG_GETARG_INT32(1);
	if (row < 0 || row == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("row must be between 0 and %d, not %d", PG_INT32_MAX - 1, row),
				 errhint("Number them from 0, without gaps.")));
	elements = ArgumentEmbedding(fcinfo, 2, pile == NULL ? 0 : PileDims(pile), &dims);
	if (pile == NULL)
		pile = PileCreate(&factors_pile, &dims, sizeof(int32));
	pile = PileAddRow(pile, &factors_pile, cr_factor_row_size(dims), &place);
	cr_factor_row_put(row, elements, dims, place);
	PG_RETURN_POINTER(pile);
}

/* pack_factors_combine(state bytea, other bytea) -> bytea */
Datum
commrec_pack_factors_combine(PG_FUNCTION_ARGS)
{
	return PileCombine(fcinfo, &factors_pile);
}

/* The number of the i-th row, and its elements unless they are NULL. */
static int32
GetRow(const CrPile *pile, int32 dims, int64 i, float *elements)
{
	int32		row;

	if (cr_pile_get_factors(pile, dims, i, &row, elements) != CR_OK)
		ReportDamagedState();
	return row;
}

static int32
HighestRow(const CrPile *pile, int32 dims)
{
	int32		highest = 0;

	for (int64 i = 0; i < pile->rows; i++)
		highest = Max(highest, GetRow(pile, dims, i, NULL));
	return highest;
}

/* Copy all rows to their places; 22023 for two of one number. */
static void
PutRows(const CrPile *pile, int32 dims, uint32 rows, bytea *result)
{
	uint8_t    *out = (uint8_t *) VARDATA(result);
	bool	   *is_given = palloc0(rows);

	memset(out, 0, VARSIZE(result) - VARHDRSZ);
	cr_factors_put_header(out, dims, rows);
	for (int64 i = 0; i < pile->rows; i++)
	{
		float		elements[CR_PARTS_DIMS_MAX];
		int32		row = GetRow(pile, dims, i, elements);

		if ((i & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (is_given[row])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("row %d is given more than once", row),
					 errhint("Give each embedding a number of its own.")));
		is_given[row] = true;
		cr_store_floats(out + cr_factors_size(dims, (uint32) row), elements, (Size) dims);
	}
	pfree(is_given);
}

/* pack_factors_final(state bytea) -> bytea */
Datum
commrec_pack_factors_final(PG_FUNCTION_ARGS)
{
	const CrPile *pile = PileOtherState(fcinfo, 0, &factors_pile);
	bytea	   *result;
	int32		dims;
	uint32		rows;

	if (pile == NULL)
		PG_RETURN_NULL();
	dims = PileDims(pile);
	if (cr_pile_check_width(pile, cr_factor_row_size(dims)) != CR_OK)
		ReportDamagedState();
	rows = (uint32) HighestRow(pile, dims) + 1;
	result = MakeBytes(cr_factors_size(dims, rows), "a factor matrix");
	PutRows(pile, dims, rows, result);
	PG_RETURN_BYTEA_P(result);
}

/* A state that may be read anywhere, and written to if it is the executor's. */
static CrGramState *
GetGramState(FunctionCallInfo fcinfo, int argument)
{
	CrGramState *state;

	if (PG_ARGISNULL(argument))
		return NULL;
	state = (CrGramState *) PG_DETOAST_DATUM(PG_GETARG_DATUM(argument));
	if ((Pointer) MAXALIGN(state) != (Pointer) state)
		state = (CrGramState *) PG_DETOAST_DATUM_COPY(PointerGetDatum(state));
	if (cr_gram_state_check(state, VARSIZE(state)) != CR_OK)
		ReportDamagedState();
	return state;
}

/* The state of an aggregate, which is changed in place. */
static CrGramState *
OwnGramState(FunctionCallInfo fcinfo)
{
	if (!AggCheckCallContext(fcinfo, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a support function of an aggregate was called directly"),
				 errhint("Call the aggregate commrec.gram().")));
	return GetGramState(fcinfo, 0);
}

static CrGramState *
NewGramState(int32 dims)
{
	CrGramState *state = palloc(cr_gram_state_size(dims));

	SET_VARSIZE(state, cr_gram_state_size(dims));
	cr_gram_state_init(state, dims);
	return state;
}

/* gram_accum(state bytea, embedding bytea) -> bytea */
Datum
commrec_gram_accum(PG_FUNCTION_ARGS)
{
	CrGramState *state = OwnGramState(fcinfo);
	float	   *elements;
	int32		dims;

	if (PG_ARGISNULL(1))
		return PileSameState(fcinfo);
	elements = ArgumentEmbedding(fcinfo, 1, state == NULL ? 0 : state->dims, &dims);
	if (state == NULL)
		state = NewGramState(dims);
	cr_gram_accumulate(state->triangle, elements, dims);
	state->count++;
	pfree(elements);
	PG_RETURN_POINTER(state);
}

/* gram_combine(state bytea, other bytea) -> bytea */
Datum
commrec_gram_combine(PG_FUNCTION_ARGS)
{
	CrGramState *state = OwnGramState(fcinfo);
	const CrGramState *other = GetGramState(fcinfo, 1);

	if (other == NULL)
		return PileSameState(fcinfo);
	if (state == NULL)
		state = NewGramState(other->dims);
	if (state->dims != other->dims)
		ReportDims(state->dims, other->dims);
	for (Size i = 0; i < cr_gram_elements(state->dims); i++)
		state->triangle[i] += other->triangle[i];
	state->count += other->count;
	PG_RETURN_POINTER(state);
}

/* gram_final(state bytea) -> bytea */
Datum
commrec_gram_final(PG_FUNCTION_ARGS)
{
	const CrGramState *state = GetGramState(fcinfo, 0);
	bytea	   *result;

	if (state == NULL)
		PG_RETURN_NULL();
	for (Size i = 0; i < cr_gram_elements(state->dims); i++)
	{
		if (!isfinite(state->triangle[i]))
			CheckComputation(CR_NOT_FINITE, "the Gram matrix");
	}
	result = MakeBytes(cr_gram_bytes_size(state->dims), "a Gram matrix");
	cr_gram_encode((uint8_t *) VARDATA(result), state->dims, (uint64) state->count,
				   state->triangle);
	PG_RETURN_BYTEA_P(result);
}
