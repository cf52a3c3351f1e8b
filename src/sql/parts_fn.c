/*
 * parts_fn.c
 *		SQL functions over the parts of a training: solve_row(), solve_rows(), top_k() and what
 *		goes with them.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/tuplestore.h"

#include "common/compat.h"
#include "common/errors.h"
#include "core/start.h"
#include "serve/parts.h"
#include "sql/arguments.h"
#include "sql/parts_arguments.h"
#include "train/parts.h"

PG_FUNCTION_INFO_V1(commrec_solve_row);
PG_FUNCTION_INFO_V1(commrec_solve_rows);
PG_FUNCTION_INFO_V1(commrec_top_k);
PG_FUNCTION_INFO_V1(commrec_unpack_factors);
PG_FUNCTION_INFO_V1(commrec_gram_product);
PG_FUNCTION_INFO_V1(commrec_start_embedding);

/*
 * The solver for arguments 2 to 5 of solve_row() and solve_rows(): made once
 * for all calls where the call site keeps the Gram matrix.
 */
static Solver *
GetSolver(FunctionCallInfo fcinfo)
{
	DerivedValue *derived = ArgumentDerived(fcinfo, 2);
	MemoryContext old_context;
	SolveParams params;
	CrGramView	gram;

	params.regularization = PG_GETARG_FLOAT8(3);
	params.unobserved_weight = PG_GETARG_FLOAT8(4);
	params.regularization_exponent = PG_GETARG_FLOAT8(5);
	if (derived != NULL && derived->value != NULL && SolverFits(derived->value, &params))
		return derived->value;
	ArgumentGram(fcinfo, 2, &gram);
	/* One solver is kept; where parameters change from row to row, others do not pile up. */
	if (derived == NULL || derived->value != NULL)
		return SolverCreate(&gram, &params);
	old_context = MemoryContextSwitchTo(derived->context);
	derived->value = SolverCreate(&gram, &params);
	MemoryContextSwitchTo(old_context);
	return derived->value;
}

/* solve_row(list bytea, factors bytea, gram bytea, float8, float8, float8) -> bytea */
Datum
commrec_solve_row(PG_FUNCTION_ARGS)
{
	CrListView	list;
	CrFactorsView factors;

	ArgumentList(fcinfo, 0, &list);
	ArgumentFactors(fcinfo, 1, &factors);
	PG_RETURN_BYTEA_P(MakeEmbedding(SolveList(GetSolver(fcinfo), &factors, &list), factors.dims));
}

/* solve_rows(matrix bytea, factors bytea, gram bytea, float8, float8, float8) -> bytea */
Datum
commrec_solve_rows(PG_FUNCTION_ARGS)
{
	CrMatrixView matrix;
	CrFactorsView factors;
	bytea	   *result;

	ArgumentMatrix(fcinfo, 0, &matrix);
	ArgumentFactors(fcinfo, 1, &factors);
	result = MakeBytes(cr_factors_size(factors.dims, matrix.rows), "a factor matrix");
	cr_factors_put_header((uint8_t *) VARDATA(result), factors.dims, matrix.rows);
	SolveMatrix(GetSolver(fcinfo), &factors, &matrix, (uint8 *) VARDATA(result));
	PG_RETURN_BYTEA_P(result);
}

/* top_k(factors bytea, embedding bytea, k integer, seen bytea) -> rows */
Datum
commrec_top_k(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		nulls[3] = {false};
	CrFactorsView factors;
	CrListView	seen;
	CrScored   *best;
	float	   *vector;
	int32		dims;
	int32		count;
	int32		k;

	CommrecInitSRF(fcinfo);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	ArgumentFactors(fcinfo, 0, &factors);
	vector = ArgumentEmbedding(fcinfo, 1, factors.dims, &dims);
	k = ArgumentK(fcinfo, 2);
	if (!PG_ARGISNULL(3))
		ArgumentList(fcinfo, 3, &seen);
	count = FactorsTopK(&factors, vector, PG_ARGISNULL(3) ? NULL : &seen, k, &best);
	for (int32 i = 0; i < count; i++)
	{
		Datum		values[3];

		CHECK_FOR_INTERRUPTS();
		values[0] = Int32GetDatum(i + 1);
		values[1] = Int32GetDatum(best[i].item_no);
		values[2] = Float4GetDatum(best[i].score);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* unpack_factors(factors bytea) -> rows */
Datum
commrec_unpack_factors(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		nulls[2] = {false};
	CrFactorsView factors;
	float	   *elements;

	CommrecInitSRF(fcinfo);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	ArgumentFactors(fcinfo, 0, &factors);
	elements = palloc(sizeof(float) * factors.dims);
	for (uint32 row = 0; row < factors.rows; row++)
	{
		Datum		values[2];
		bytea	   *embedding;

		CHECK_FOR_INTERRUPTS();
		if (cr_factors_load(&factors, row, elements) != CR_OK)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("the factor matrix is damaged"),
					 errdetail("Row %u is not finite.", row)));
		embedding = MakeEmbedding(elements, factors.dims);
		values[0] = Int32GetDatum((int32) row);
		values[1] = PointerGetDatum(embedding);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		pfree(embedding);
	}
	return (Datum) 0;
}

/* gram_product(a bytea, b bytea) -> double precision */
Datum
commrec_gram_product(PG_FUNCTION_ARGS)
{
	CrGramView	a;
	CrGramView	b;
	double	   *a_elements;
	double	   *b_elements;
	double		product;

	ArgumentGram(fcinfo, 0, &a);
	ArgumentGram(fcinfo, 1, &b);
	if (a.dims != b.dims)
		ReportDims(a.dims, b.dims);
	a_elements = palloc(sizeof(double) * cr_gram_elements(a.dims));
	b_elements = palloc(sizeof(double) * cr_gram_elements(b.dims));
	cr_gram_decode(&a, a_elements);
	cr_gram_decode(&b, b_elements);
	product = cr_gram_product(a_elements, b_elements, a.dims);
	if (!isfinite(product))
		CheckComputation(CR_NOT_FINITE, "the product");
	PG_RETURN_FLOAT8(product);
}

/* start_embedding(row integer, factors integer, seed integer) -> bytea */
Datum
commrec_start_embedding(PG_FUNCTION_ARGS)
{
	int32		row = PG_GETARG_INT32(0);
	int32		factors = PG_GETARG_INT32(1);
	int32		seed = PG_GETARG_INT32(2);
	float		elements[CR_PARTS_DIMS_MAX];

	if (row < 0 || seed < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", row < 0 ? "row" : "seed")));
	if (factors < 1 || factors > CR_PARTS_DIMS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("factors must be between 1 and %d, not %d", CR_PARTS_DIMS_MAX, factors)));
	cr_start_factors((uint64_t) seed, row, factors, elements);
	PG_RETURN_BYTEA_P(MakeEmbedding(elements, factors));
}
