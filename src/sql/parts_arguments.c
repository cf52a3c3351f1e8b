/*
 * parts_arguments.c
 *		Reading the arguments of functions over the parts of a training (core/parts.h).
 */
#include "postgres.h"

#include "access/detoast.h"
#include "utils/memutils.h"

#include "common/compat.h"
#include "common/errors.h"
#include "common/memory.h"
#include "core/embedding.h"
#include "sql/parts_arguments.h"

#define HELD_ARGUMENTS	3		/* the first so many of a function */

/* Values that a call site has fetched. */
typedef struct HeldValues
{
	struct varatt_external pointer[HELD_ARGUMENTS];
	struct varlena *value[HELD_ARGUMENTS];	/* NULL for none */
	DerivedValue derived[HELD_ARGUMENTS];	/* contexts below fn_mcxt, which own the values too */
} HeldValues;

static void
CheckPart(CrStatus status, const char *what)
{
	if (status == CR_OK)
		return;
	if (status == CR_UNSUPPORTED_FORMAT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the %s is in a newer format", what),
				 errhint("Update the extension.")));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the %s is damaged, or not one", what),
			 errhint("Give what the aggregates commrec.collect(), pack_csr(), pack_factors() and gram() return.")));
}

static HeldValues *
GetHeld(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
														  sizeof(HeldValues));
	return fcinfo->flinfo->fn_extra;
}

/* Forget what is kept of an argument, and have an empty context for what comes. */
static void
DropHeld(FunctionCallInfo fcinfo, HeldValues *held, int argument)
{
	DerivedValue *derived = &held->derived[argument];

	held->value[argument] = NULL;
	derived->value = NULL;
	if (derived->context == NULL)
		derived->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "commrec argument",
												 ALLOCSET_SMALL_SIZES);
	else
		MemoryContextReset(derived->context);
}

/* Fetch an argument, or take what an earlier call has fetched of it. */
static struct varlena *
FetchArgument(FunctionCallInfo fcinfo, int argument)
{
	struct varlena *given = (struct varlena *) PG_GETARG_POINTER(argument);
	HeldValues *held;
	struct varatt_external pointer;
	MemoryContext old_context;

	if (!VARATT_IS_EXTERNAL_ONDISK(given) || argument >= HELD_ARGUMENTS)
		return PG_DETOAST_DATUM_PACKED(PointerGetDatum(given));
	held = GetHeld(fcinfo);
	VARATT_EXTERNAL_GET_POINTER(pointer, given);
	if (held->value[argument] != NULL &&
		memcmp(&pointer, &held->pointer[argument], sizeof(pointer)) == 0)
		return held->value[argument];
	DropHeld(fcinfo, held, argument);
	old_context = MemoryContextSwitchTo(held->derived[argument].context);
	held->value[argument] = PG_DETOAST_DATUM_PACKED(PointerGetDatum(given));
	MemoryContextSwitchTo(old_context);
	held->pointer[argument] = pointer;
	return held->value[argument];
}

DerivedValue *
ArgumentDerived(FunctionCallInfo fcinfo, int argument)
{
	struct varlena *value = FetchArgument(fcinfo, argument);
	HeldValues *held = fcinfo->flinfo->fn_extra;

	if (held == NULL || held->value[argument] != value)
		return NULL;
	return &held->derived[argument];
}

void
ArgumentList(FunctionCallInfo fcinfo, int argument, CrListView *list)
{
	struct varlena *value = FetchArgument(fcinfo, argument);

	CheckPart(cr_list_check((const uint8_t *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), list),
			  "list");
}

void
ArgumentMatrix(FunctionCallInfo fcinfo, int argument, CrMatrixView *matrix)
{
	struct varlena *value = FetchArgument(fcinfo, argument);

	CheckPart(cr_matrix_check((const uint8_t *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
							  matrix), "sparse matrix");
}

void
ArgumentFactors(FunctionCallInfo fcinfo, int argument, CrFactorsView *factors)
{
	struct varlena *value = FetchArgument(fcinfo, argument);

	CheckPart(cr_factors_check((const uint8_t *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
							   factors), "factor matrix");
}

void
ArgumentGram(FunctionCallInfo fcinfo, int argument, CrGramView *gram)
{
	struct varlena *value = FetchArgument(fcinfo, argument);

	CheckPart(cr_gram_check((const uint8_t *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), gram),
			  "Gram matrix");
}

void
ReportDims(int32 a, int32 b)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("embeddings have %d and %d dimensions", a, b),
			 errhint("Take embeddings, factors and Gram matrix of one training.")));
}

float *
ArgumentEmbedding(FunctionCallInfo fcinfo, int argument, int32 dims, int32 *found)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(argument));
	const uint8_t *bytes = (const uint8_t *) VARDATA_ANY(value);
	Size		length = VARSIZE_ANY_EXHDR(value);
	float	   *elements;

	CheckPart(cr_embedding_check(bytes, length, found), "embedding");
	if (dims != 0 && *found != dims)
		ReportDims(dims, *found);
	if (*found > CR_PARTS_DIMS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("an embedding of %d dimensions is too long, the limit is %d", *found,
						CR_PARTS_DIMS_MAX)));
	elements = palloc(sizeof(float) * *found);
	CheckPart(cr_embedding_decode(bytes, length, *found, elements), "embedding");
	return elements;
}

bytea *
MakeEmbedding(const float *elements, int32 dims)
{
	Size		size = VARHDRSZ + cr_embedding_size(dims);
	bytea	   *result = palloc(size);

	SET_VARSIZE(result, size);
	CheckComputation(cr_embedding_encode(elements, dims, (uint8_t *) VARDATA(result)),
					 "the embedding");
	return result;
}

bytea *
MakeBytes(uint64 size, const char *what)
{
	MemoryBudget budget;
	bytea	   *result;

	BudgetInit(&budget);
	BudgetReserve(&budget, size, what);
	if (size > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s of %llu MB is too large, the limit is %zu MB", what,
						(unsigned long long) size / (1024 * 1024),
						(Size) MaxAllocSize / (1024 * 1024) + 1),
				 errhint("Number rows and columns from 0, without gaps, or make smaller groups.")));
	result = palloc(VARHDRSZ + size);
	SET_VARSIZE(result, VARHDRSZ + size);
	return result;
}
