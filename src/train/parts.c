/*
 * parts.c
 *		Solving rows of a half step from the parts of a training (core/parts.h).
 *
 * For each row the factors that it refers to are copied from their bytes into
 * a matrix of the row's own, so that nothing else of the bytes is touched.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "common/blas.h"
#include "common/errors.h"
#include "common/guc.h"
#include "common/memory.h"
#include "core/algorithm.h"
#include "core/bytes.h"
#include "core/ials.h"
#include "train/parts.h"

#define ALIGNMENT		64		/* of what kernels work on */
#define SLICE_WORK		4000000 /* multiplications between two polls for interrupts */
#define SLICE_MIN		64
#define PURPOSE			"solving a row"

struct Solver
{
	SolveParams given;
	CrIalsParams params;
	int64		opposite;		/* entities of the other side */
	int32		stride;
	int64		slice;			/* events between two polls */
	float	   *gram;
	void	   *workspace;
	float	   *solution;		/* stride */
	MemoryContext context;		/* owns everything */
	MemoryContext row_context;	/* owns the following */
	int64		room;			/* events that fit the following */
	float	   *fixed;			/* their factors, one after the other */
	int32	   *column;			/* 0, 1, 2, ... */
	float	   *weight;
};

static void
CheckParameter(const char *name, double value)
{
	const CrParameter *parameter = cr_parameter_find(cr_algorithm_find("ials"), name);

	if (!cr_parameter_allows(parameter, value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be %s %g and at most %g, not %g", name,
						parameter->low_excluded ? "greater than" : "at least", parameter->low,
						parameter->high, value),
				 errdetail("\"%s\": %s.", name, parameter->meaning)));
}

static void *
AllocAligned(MemoryContext context, MemoryBudget *budget, Size bytes)
{
	MemoryContext old_context = MemoryContextSwitchTo(context);
	void	   *memory = BudgetAlloc(budget, add_size(bytes, ALIGNMENT), PURPOSE);

	MemoryContextSwitchTo(old_context);
	return (void *) TYPEALIGN(ALIGNMENT, memory);
}

/* a0 * Y'Y, as the kernels read it. */
static void
FillGram(Solver *solver, const CrGramView *gram)
{
	Size		dims = gram->dims;
	double	   *triangle = palloc(sizeof(double) * cr_gram_elements(gram->dims));
	double	   *matrix = palloc0(sizeof(double) * dims * dims);

	cr_gram_decode(gram, triangle);
	cr_gram_spread(triangle, gram->dims, matrix);
	cr_gram_finish(matrix, 1, gram->dims, solver->params.unobserved_weight, solver->gram);
	pfree(triangle);
	pfree(matrix);
}

Solver *
SolverCreate(const CrGramView *gram, const SolveParams *params)
{
	Solver	   *solver = palloc0(sizeof(Solver));
	int64		dims = gram->dims;
	MemoryBudget budget;

	CheckParameter("regularization", params->regularization);
	CheckParameter("unobserved_weight", params->unobserved_weight);
	CheckParameter("regularization_exponent", params->regularization_exponent);
	solver->given = *params;
	solver->params.factors = gram->dims;
	solver->params.unobserved_weight = params->unobserved_weight;
	solver->params.regularization = params->regularization;
	solver->params.regularization_exponent = params->regularization_exponent;
	solver->params.simd = CommrecSimd();
	solver->opposite = (int64) gram->count;
	solver->stride = cr_factor_stride(gram->dims);
	solver->slice = Max(SLICE_WORK / (dims * dims), SLICE_MIN);
	solver->context = CurrentMemoryContext;
	BlasPrepare();
	BudgetInit(&budget);
	solver->workspace = AllocAligned(solver->context, &budget, cr_ials_workspace_size(gram->dims, 0));
	solver->solution = AllocAligned(solver->context, &budget, sizeof(float) * solver->stride);
	solver->gram = AllocAligned(solver->context, &budget, sizeof(float) * dims * solver->stride);
	FillGram(solver, gram);
	return solver;
}

bool
SolverFits(const Solver *solver, const SolveParams *params)
{
	return solver->given.regularization == params->regularization &&
		solver->given.unobserved_weight == params->unobserved_weight &&
		solver->given.regularization_exponent == params->regularization_exponent;
}

/* Room for the events of a row. */
static void
MakeRoom(Solver *solver, int64 events)
{
	MemoryBudget budget;
	Size		room = Max(events, 2 * solver->room);

	if (events <= solver->room)
		return;
	if (solver->row_context == NULL)
		solver->row_context = AllocSetContextCreate(solver->context, "commrec row",
													ALLOCSET_SMALL_SIZES);
	solver->room = 0;
	MemoryContextReset(solver->row_context);
	BudgetInit(&budget);
	solver->fixed = AllocAligned(solver->row_context, &budget,
								 mul_size(room, sizeof(float) * solver->stride));
	solver->column = AllocAligned(solver->row_context, &budget, mul_size(room, sizeof(int32)));
	solver->weight = AllocAligned(solver->row_context, &budget, mul_size(room, sizeof(float)));
	solver->room = room;
}

/* Copy the factors of one column to place "at". */
static void
CopyFactors(Solver *solver, const CrFactorsView *factors, uint32 column, int64 at)
{
	float	   *to = solver->fixed + at * solver->stride;

	if (column >= factors->rows)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number %u has no factors, there are %u", column, factors->rows),
				 errhint("Take numbers and factors of the same entities.")));
	if (cr_factors_load(factors, column, to) != CR_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the factor matrix is damaged"),
				 errdetail("Row %u is not finite.", column)));
	for (int32 i = factors->dims; i < solver->stride; i++)
		to[i] = 0;
}

/* The entries of one row, in their bytes. */
typedef struct SparseRow
{
	int64		count;
	const uint8 *columns;
	const uint8 *values;
} SparseRow;

/* Gather the positive entries of a row; returns their number. */
static int64
GatherRow(Solver *solver, const CrFactorsView *factors, const SparseRow *row)
{
	int64		gathered = 0;

	MakeRoom(solver, row->count);
	for (int64 i = 0; i < row->count; i++)
	{
		float		value = cr_load_float(row->values + 4 * i);

		if (i % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		if (!(value > 0))
			continue;
		CopyFactors(solver, factors, cr_load_u32(row->columns + 4 * i), gathered);
		solver->column[gathered] = (int32) gathered;
		solver->weight[gathered] = value;
		gathered++;
	}
	return gathered;
}

/* The number of entities on the other side is that of the Gram matrix: it decides about the penalty. */
static void
SolveGathered(Solver *solver, int64 events)
{
	int64		start[2] = {0, events};
	CrCsr		interactions = {0};
	CrIalsHalf	half = {0};
	CrIalsLoss	loss = {0, 0};
	CrIalsRow	state;
	CrStatus	status;

	interactions.rows = 1;
	interactions.columns = solver->opposite;
	interactions.start = start;
	interactions.column = solver->column;
	interactions.weight = solver->weight;
	half.params = &solver->params;
	half.interactions = &interactions;
	half.fixed = solver->fixed;
	half.gram = solver->gram;
	half.solved = solver->solution;
	cr_ials_row_begin(&half, 0, &state, solver->workspace);
	while (cr_ials_row_add(&half, &state, solver->slice, solver->workspace))
		CHECK_FOR_INTERRUPTS();
	status = cr_ials_row_finish(&half, &state, &loss, solver->workspace);
	if (status == CR_NOT_FINITE)
		status = CR_SINGULAR;
	CheckComputation(status, "An embedding");
}

static void
CheckDims(const Solver *solver, const CrFactorsView *factors)
{
	if (factors->dims != solver->params.factors)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("factors have %d dimensions, the Gram matrix has %d", factors->dims,
						solver->params.factors),
				 errhint("Take both of the same embeddings.")));
}

const float *
SolveList(Solver *solver, const CrFactorsView *factors, const CrListView *list)
{
	SparseRow	row = {list->count, list->item_no, list->value};

	CheckDims(solver, factors);
	SolveGathered(solver, GatherRow(solver, factors, &row));
	return solver->solution;
}

void
SolveMatrix(Solver *solver, const CrFactorsView *factors, const CrMatrixView *matrix, uint8 *out)
{
	CheckDims(solver, factors);
	for (uint32 i = 0; i < matrix->rows; i++)
	{
		uint64		start = cr_matrix_start(matrix, i);
		SparseRow	row;

		CHECK_FOR_INTERRUPTS();
		row.count = (int64) (cr_matrix_start(matrix, i + 1) - start);
		row.columns = matrix->column + 4 * start;
		row.values = matrix->value + 4 * start;
		SolveGathered(solver, GatherRow(solver, factors, &row));
		cr_store_floats(out + cr_factors_size(factors->dims, i), solver->solution,
						(Size) factors->dims);
	}
}
