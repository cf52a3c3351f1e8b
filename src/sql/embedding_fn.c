/*
 * embedding_fn.c
 *		SQL functions and aggregates over the bytes of embeddings.
 *
 * The state of avg and sum is bytea, so that parallel workers and a distributed
 * PostgreSQL pass it along as it is:
 *
 *	offset	size	content
 *	0		4		magic "CRES"
 *	4		1		format version, 1
 *	5		3		zero
 *	8		4		dims, uint32
 *	12		8		count of embeddings, int64, at least 1
 *	20		8*dims	sums, double
 *
 * in the byte order of the machine: a state never outlives its query.  It is
 * checked on every read, because anybody may call the support functions.
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
#include "core/vector.h"

PG_FUNCTION_INFO_V1(commrec_embedding_to_array);
PG_FUNCTION_INFO_V1(commrec_array_to_embedding);
PG_FUNCTION_INFO_V1(commrec_inner_product);
PG_FUNCTION_INFO_V1(commrec_embedding_dims);
PG_FUNCTION_INFO_V1(commrec_embedding_accum);
PG_FUNCTION_INFO_V1(commrec_embedding_combine);
PG_FUNCTION_INFO_V1(commrec_embedding_avg_final);
PG_FUNCTION_INFO_V1(commrec_embedding_sum_final);

#define STATE_HEADER	20

static const uint8 state_magic[8] = {'C', 'R', 'E', 'S', 1, 0, 0, 0};

/* A state, taken apart. */
typedef struct EmbeddingState
{
	int32		dims;
	int64		count;
	double	   *sums;
} EmbeddingState;

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
DecodeState(bytea *bytes, EmbeddingState *state)
{
	const char *data = VARDATA_ANY(bytes);
	Size		length = VARSIZE_ANY_EXHDR(bytes);
	bool		is_sound;

	state->dims = 0;
	is_sound = length >= STATE_HEADER && memcmp(data, state_magic, sizeof(state_magic)) == 0;
	if (is_sound)
	{
		memcpy(&state->dims, data + 8, sizeof(int32));
		memcpy(&state->count, data + 12, sizeof(int64));
		is_sound = state->dims >= 1 && state->dims <= CR_EMBEDDING_DIMS_MAX &&
			state->count >= 1 && length == STATE_HEADER + sizeof(double) * (Size) state->dims;
	}
	if (is_sound)
	{
		state->sums = palloc(sizeof(double) * state->dims);
		memcpy(state->sums, data + STATE_HEADER, sizeof(double) * state->dims);
	}
	for (int32 i = 0; is_sound && i < state->dims; i++)
		is_sound = isfinite(state->sums[i]);
	if (!is_sound)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the state of an aggregate over embeddings is damaged"),
				 errhint("Call the aggregates commrec.avg() and commrec.sum(), not their support functions.")));
}

static bytea *
EncodeState(const EmbeddingState *state)
{
	Size		sums_size = sizeof(double) * (Size) state->dims;
	Size		size = VARHDRSZ + STATE_HEADER + sums_size;
	bytea	   *result = palloc(size);
	char	   *data = VARDATA(result);

	SET_VARSIZE(result, size);
	memcpy(data, state_magic, sizeof(state_magic));
	memcpy(data + 8, &state->dims, sizeof(int32));
	memcpy(data + 12, &state->count, sizeof(int64));
	memcpy(data + STATE_HEADER, state->sums, sums_size);
	return result;
}

/* A state of one embedding. */
static void
StateFromEmbedding(bytea *embedding, EmbeddingState *state)
{
	float	   *elements = DecodeEmbedding(embedding, &state->dims);

	state->count = 1;
	state->sums = palloc(sizeof(double) * state->dims);
	for (int32 i = 0; i < state->dims; i++)
		state->sums[i] = elements[i];
}

/* Sums that outgrow a double are out of range, as those that outgrow the result are. */
static void
AddState(EmbeddingState *state, const EmbeddingState *other)
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
	EmbeddingState state;
	EmbeddingState added;

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
	EmbeddingState state;
	EmbeddingState other;

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
EmbeddingFromSums(const EmbeddingState *state, double divisor)
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
	EmbeddingState state;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	DecodeState(PG_GETARG_BYTEA_PP(0), &state);
	PG_RETURN_BYTEA_P(EmbeddingFromSums(&state, (double) state.count));
}

/* embedding_sum_final(state bytea) -> bytea */
Datum
commrec_embedding_sum_final(PG_FUNCTION_ARGS)
{
	EmbeddingState state;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	DecodeState(PG_GETARG_BYTEA_PP(0), &state);
	PG_RETURN_BYTEA_P(EmbeddingFromSums(&state, 1.0));
}
