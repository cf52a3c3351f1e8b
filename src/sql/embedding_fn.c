/*
 * embedding_fn.c
 *		SQL functions and aggregates over the bytes of embeddings.
 *
 * The state of avg and sum is bytea, so that parallel workers and a distributed
 * PostgreSQL pass it along as it is (core/state.h).  It is checked on every
 * read, because anybody may call the support functions.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/int.h"
#include "fmgr.h"
#include "utils/array.h"

#include "common/compat.h"
#include "common/errors.h"
#include "core/embedding.h"
#include "core/state.h"
#include "core/vector.h"

PG_FUNCTION_INFO_V1(commrec_embedding_to_array);
PG_FUNCTION_INFO_V1(commrec_array_to_embedding);
PG_FUNCTION_INFO_V1(commrec_inner_product);
PG_FUNCTION_INFO_V1(commrec_embedding_dims);
PG_FUNCTION_INFO_V1(commrec_embedding_accum);
PG_FUNCTION_INFO_V1(commrec_embedding_combine);
PG_FUNCTION_INFO_V1(commrec_embedding_avg_final);
PG_FUNCTION_INFO_V1(commrec_embedding_sum_final);

/* What is wrong with bytes that came as an argument, of no model that could be named. */
static void
CheckArgumentBytes(CrStatus status)
{
	if (status == CR_UNSUPPORTED_FORMAT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the embedding is in a newer format"),
				 errhint("Update the extension.")));
	if (status != CR_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the embedding is damaged"),
				 errhint("Give bytes from a model's tables or from commrec.array_to_embedding().")));
}

static void pg_attribute_noreturn()
ReportDimensionMismatch(int32 a, int32 b)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("embeddings have %d and %d dimensions", a, b),
			 errhint("Take embeddings of one version of one model.")));
}

/* The elements of an embedding, checked, in the current context. */
static float *
DecodeEmbedding(bytea *embedding, int32 *dims)
{
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(embedding);
	Size		length = VARSIZE_ANY_EXHDR(embedding);
	float	   *elements;

	CheckArgumentBytes(cr_embedding_check(bytes, length, dims));
	elements = palloc(sizeof(float) * *dims);
	CheckArgumentBytes(cr_embedding_decode(bytes, length, *dims, elements));
	return elements;
}

static bytea *
EncodeEmbedding(const float *elements, int32 dims)
{
	Size		size = VARHDRSZ + cr_embedding_size(dims);
	bytea	   *result = palloc(size);

	SET_VARSIZE(result, size);
	CheckComputation(cr_embedding_encode(elements, dims, (uint8 *) VARDATA(result)),
					 "an element of the embedding");
	return result;
}

/* embedding_to_array(bytea) -> real[] */
Datum
commrec_embedding_to_array(PG_FUNCTION_ARGS)
{
	int32		dims;
	float	   *elements = DecodeEmbedding(PG_GETARG_BYTEA_PP(0), &dims);
	Datum	   *values = palloc(sizeof(Datum) * dims);

	for (int32 i = 0; i < dims; i++)
		values[i] = Float4GetDatum(elements[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(values, dims, FLOAT4OID, sizeof(float4), true,
										  TYPALIGN_INT));
}

static void
CheckArrayShape(ArrayType *array)
{
	int			dims = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	if (ARR_NDIM(array) > 1 || dims < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an embedding is made from a one-dimensional array with at least one element")));
	if (dims > CR_EMBEDDING_DIMS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("an embedding has at most %d elements, not %d", CR_EMBEDDING_DIMS_MAX, dims)));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("an element of an embedding must not be null")));
}

/* array_to_embedding(real[]) -> bytea */
Datum
commrec_array_to_embedding(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);

	CheckArrayShape(array);
	PG_RETURN_BYTEA_P(EncodeEmbedding((const float *) ARR_DATA_PTR(array), ARR_DIMS(array)[0]));
}

/* inner_product(bytea, bytea) -> real */
Datum
commrec_inner_product(PG_FUNCTION_ARGS)
{
	int32		dims_a;
	int32		dims_b;
	float	   *a = DecodeEmbedding(PG_GETARG_BYTEA_PP(0), &dims_a);
	float	   *b = DecodeEmbedding(PG_GETARG_BYTEA_PP(1), &dims_b);
	float		result;

	if (dims_a != dims_b)
		ReportDimensionMismatch(dims_a, dims_b);
	result = cr_dot(a, b, dims_a);
	if (!isfinite(result))
		CheckComputation(CR_NOT_FINITE, "the inner product");
	PG_RETURN_FLOAT4(result);
}

/* embedding_dims(bytea) -> integer */
Datum
commrec_embedding_dims(PG_FUNCTION_ARGS)
{
	bytea	   *embedding = PG_GETARG_BYTEA_PP(0);
	int32		dims;

	CheckArgumentBytes(cr_embedding_check((const uint8 *) VARDATA_ANY(embedding),
										  VARSIZE_ANY_EXHDR(embedding), &dims));
	PG_RETURN_INT32(dims);
}

/* Take a state apart into the current context; anything but a sound one is XX001. */
static void
DecodeState(bytea *bytes, CrSumState *state)
{
	const uint8 *data = (const uint8 *) VARDATA_ANY(bytes);
	CrStatus	status = cr_sum_state_check(data, VARSIZE_ANY_EXHDR(bytes), state);

	if (status == CR_OK)
	{
		state->sums = palloc(sizeof(double) * state->dims);
		status = cr_sum_state_decode(data, state);
	}
	if (status != CR_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the state of an aggregate over embeddings is damaged"),
				 errhint("Call the aggregates commrec.avg() and commrec.sum(), not their support functions.")));
}

static bytea *
EncodeState(const CrSumState *state)
{
	Size		size = VARHDRSZ + cr_sum_state_size(state->dims);
	bytea	   *result = palloc(size);

	SET_VARSIZE(result, size);
	cr_sum_state_encode(state, (uint8 *) VARDATA(result));
	return result;
}

/* A state of one embedding. */
static void
StateFromEmbedding(bytea *embedding, CrSumState *state)
{
	float	   *elements = DecodeEmbedding(embedding, &state->dims);

	state->count = 1;
	state->sums = palloc(sizeof(double) * state->dims);
	for (int32 i = 0; i < state->dims; i++)
		state->sums[i] = elements[i];
}

/* Sums that outgrow a double are out of range, as those that outgrow the result are. */
static void
AddState(CrSumState *state, const CrSumState *other)
{
	if (state->dims != other->dims)
		ReportDimensionMismatch(state->dims, other->dims);
	if (pg_add_s64_overflow(state->count, other->count, &state->count))
		CheckComputation(CR_NOT_FINITE, "the number of embeddings");
	for (int32 i = 0; i < state->dims; i++)
	{
		state->sums[i] += other->sums[i];
		if (!isfinite(state->sums[i]))
			CheckComputation(CR_NOT_FINITE, "the sum of the embeddings");
	}
}

/*
 * embedding_accum(state bytea, embedding bytea) -> bytea
 *
 * Embeddings that are NULL are left out.  A new state is built every time: the
 * executor copies it to where it belongs and frees the old one.
 */
Datum
commrec_embedding_accum(PG_FUNCTION_ARGS)
{
	CrSumState	state;
	CrSumState	added;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	StateFromEmbedding(PG_GETARG_BYTEA_PP(1), &added);
	if (PG_ARGISNULL(0))
		PG_RETURN_BYTEA_P(EncodeState(&added));
	DecodeState(PG_GETARG_BYTEA_PP(0), &state);
	AddState(&state, &added);
	PG_RETURN_BYTEA_P(EncodeState(&state));
}

/* embedding_combine(state bytea, state bytea) -> bytea; neither argument is touched */
Datum
commrec_embedding_combine(PG_FUNCTION_ARGS)
{
	CrSumState	state;
	CrSumState	other;

	if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
		PG_RETURN_NULL();
	DecodeState(PG_GETARG_BYTEA_PP(PG_ARGISNULL(0) ? 1 : 0), &state);
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1))
	{
		DecodeState(PG_GETARG_BYTEA_PP(1), &other);
		AddState(&state, &other);
	}
	PG_RETURN_BYTEA_P(EncodeState(&state));
}

/* The sums over "divisor" as an embedding; 22003 if they outgrow its elements. */
static bytea *
EmbeddingFromSums(const CrSumState *state, double divisor)
{
	float	   *elements = palloc(sizeof(float) * state->dims);

	for (int32 i = 0; i < state->dims; i++)
		elements[i] = (float) (state->sums[i] / divisor);
	return EncodeEmbedding(elements, state->dims);
}

/* embedding_avg_final(state bytea) -> bytea */
Datum
commrec_embedding_avg_final(PG_FUNCTION_ARGS)
{
	CrSumState	state;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	DecodeState(PG_GETARG_BYTEA_PP(0), &state);
	PG_RETURN_BYTEA_P(EmbeddingFromSums(&state, (double) state.count));
}

/* embedding_sum_final(state bytea) -> bytea */
Datum
commrec_embedding_sum_final(PG_FUNCTION_ARGS)
{
	CrSumState	state;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	DecodeState(PG_GETARG_BYTEA_PP(0), &state);
	PG_RETURN_BYTEA_P(EmbeddingFromSums(&state, 1.0));
}
