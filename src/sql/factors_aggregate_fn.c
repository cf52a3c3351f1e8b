/*
 * factors_aggregate_fn.c
 *		The aggregates pack_factors() and gram(): matrices from embeddings.
 *
 * pack_factors() keeps rows in a pile (sql/pile.h) whose prefix is their
 * dimension.  The state of gram() is of fixed size and is added to in place:
 *
 *	offset	size	content
 *	0		4		varlena header
 *	4		4		magic
 *	8		8		count of the embeddings, int64
 *	16		4		dims
 *	20		4		zero
 *	24		...		upper triangle of the sum, double
 *
 * in the byte order of the machine: a state never outlives its query.
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

#define GRAM_MAGIC	0x53475243	/* "CRGS" */

static const PileKind factors_pile = {0x46435243, 4096, "commrec.pack_factors"};

typedef struct GramState
{
	int32		length;
	uint32		magic;
	int64		count;
	int32		dims;
	int32		unused;
	double		triangle[FLEXIBLE_ARRAY_MEMBER];
} GramState;

static void pg_attribute_noreturn()
ReportDamagedState(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the state of the aggregate is damaged"),
			 errhint("Call the aggregate, not its support functions.")));
}

static int32
PileDims(const Pile *pile)
{
	int32		dims;

	if (pile->prefix != sizeof(int32))
		ReportDamagedState();
	memcpy(&dims, pile->data, sizeof(int32));
	if (dims < 1 || dims > CR_PARTS_DIMS_MAX)
		ReportDamagedState();
	return dims;
}

/* pack_factors_accum(state bytea, row integer, embedding bytea) -> bytea */
Datum
commrec_pack_factors_accum(PG_FUNCTION_ARGS)
{
	Pile	   *pile = PileOwnState(fcinfo, &factors_pile);
	float	   *elements;
	int32		row;
	int32		dims;
	char	   *place;

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
	pile = PileAddRow(pile, &factors_pile, sizeof(int32) + sizeof(float) * dims, &place);
	memcpy(place, &row, sizeof(int32));
	memcpy(place + sizeof(int32), elements, sizeof(float) * dims);
	PG_RETURN_POINTER(pile);
}

/* pack_factors_combine(state bytea, other bytea) -> bytea */
Datum
commrec_pack_factors_combine(PG_FUNCTION_ARGS)
{
	Pile	   *pile = PileOwnState(fcinfo, &factors_pile);
	const Pile *other = PileOtherState(fcinfo, 1, &factors_pile);

	if (other == NULL)
		return PileSameState(fcinfo);
	if (pile == NULL)
		pile = PileCreate(&factors_pile, other->data, other->prefix);
	else if (PileDims(pile) != PileDims(other))
		ReportDims(PileDims(pile), PileDims(other));
	PG_RETURN_POINTER(PileMerge(pile, &factors_pile, other));
}

/* The row of the i-th entry of a pile. */
static int32
EntryRow(const Pile *pile, int64 i, Size width)
{
	int32		row;

	memcpy(&row, PileRows(pile) + (Size) i * width, sizeof(int32));
	if (row < 0 || row == PG_INT32_MAX)
		ReportDamagedState();
	return row;
}

static int32
HighestRow(const Pile *pile, Size width)
{
	int32		highest = 0;

	for (int64 i = 0; i < pile->rows; i++)
		highest = Max(highest, EntryRow(pile, i, width));
	return highest;
}

/* Copy all rows to their places; 22023 for two of one number. */
static void
PutRows(const Pile *pile, int32 dims, Size width, bytea *result)
{
	uint32		rows = (uint32) HighestRow(pile, width) + 1;
	uint8_t    *out = (uint8_t *) VARDATA(result);
	bool	   *is_given = palloc0(rows);

	memset(out, 0, VARSIZE(result) - VARHDRSZ);
	cr_factors_put_header(out, dims, rows);
	for (int64 i = 0; i < pile->rows; i++)
	{
		int32		row = EntryRow(pile, i, width);
		float		elements[CR_PARTS_DIMS_MAX];

		if ((i & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (is_given[row])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("row %d is given more than once", row),
					 errhint("Give each embedding a number of its own.")));
		is_given[row] = true;
		memcpy(elements, PileRows(pile) + (Size) i * width + sizeof(int32), sizeof(float) * dims);
		cr_store_floats(out + cr_factors_size(dims, (uint32) row), elements, (Size) dims);
	}
	pfree(is_given);
}

/* pack_factors_final(state bytea) -> bytea */
Datum
commrec_pack_factors_final(PG_FUNCTION_ARGS)
{
	const Pile *pile = PileOtherState(fcinfo, 0, &factors_pile);
	bytea	   *result;
	int32		dims;
	Size		width;

	if (pile == NULL)
		PG_RETURN_NULL();
	dims = PileDims(pile);
	width = sizeof(int32) + sizeof(float) * dims;
	if (PileRowBytes(pile) != mul_size((Size) pile->rows, width) || pile->rows == 0)
		ReportDamagedState();
	result = MakeBytes(cr_factors_size(dims, (uint32) HighestRow(pile, width) + 1),
					   "a factor matrix");
	PutRows(pile, dims, width, result);
	PG_RETURN_BYTEA_P(result);
}

static Size
GramStateSize(int32 dims)
{
	return offsetof(GramState, triangle) + sizeof(double) * cr_gram_elements(dims);
}

/* A state that may be read anywhere, and written to if it is the executor's. */
static GramState *
GetGramState(FunctionCallInfo fcinfo, int argument)
{
	GramState  *state;

	if (PG_ARGISNULL(argument))
		return NULL;
	state = (GramState *) PG_DETOAST_DATUM(PG_GETARG_DATUM(argument));
	if ((Pointer) MAXALIGN(state) != (Pointer) state)
		state = (GramState *) PG_DETOAST_DATUM_COPY(PointerGetDatum(state));
	if (VARSIZE(state) < offsetof(GramState, triangle) || state->magic != GRAM_MAGIC ||
		state->dims < 1 || state->dims > CR_PARTS_DIMS_MAX || state->count < 1 ||
		VARSIZE(state) != GramStateSize(state->dims))
		ReportDamagedState();
	return state;
}

/* The state of an aggregate, which is changed in place. */
static GramState *
OwnGramState(FunctionCallInfo fcinfo)
{
	if (!AggCheckCallContext(fcinfo, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a support function of an aggregate was called directly"),
				 errhint("Call the aggregate commrec.gram().")));
	return GetGramState(fcinfo, 0);
}

static GramState *
NewGramState(int32 dims)
{
	GramState  *state = palloc0(GramStateSize(dims));

	SET_VARSIZE(state, GramStateSize(dims));
	state->magic = GRAM_MAGIC;
	state->dims = dims;
	return state;
}

/* gram_accum(state bytea, embedding bytea) -> bytea */
Datum
commrec_gram_accum(PG_FUNCTION_ARGS)
{
	GramState  *state = OwnGramState(fcinfo);
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
	GramState  *state = OwnGramState(fcinfo);
	const GramState *other = GetGramState(fcinfo, 1);

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
	const GramState *state = GetGramState(fcinfo, 0);
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
