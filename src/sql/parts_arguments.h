/*
 * parts_arguments.h
 *		Reading the arguments of functions over the parts of a training (core/parts.h).
 *
 * A factor matrix, a Gram matrix or a sparse one is mostly the same value in
 * all calls of a query.  Where it is stored out of line, the call site keeps
 * what it has fetched, recognised by its TOAST pointer.  Damage is XX001,
 * a newer format 0A000.
 */
#ifndef COMMREC_PARTS_ARGUMENTS_H
#define COMMREC_PARTS_ARGUMENTS_H

#include "common/compat.h"
#include "core/parts.h"
#include "fmgr.h"

extern void ArgumentList(FunctionCallInfo fcinfo, int argument, CrListView *list);
extern void ArgumentMatrix(FunctionCallInfo fcinfo, int argument, CrMatrixView *matrix);
extern void ArgumentFactors(FunctionCallInfo fcinfo, int argument, CrFactorsView *factors);
extern void ArgumentGram(FunctionCallInfo fcinfo, int argument, CrGramView *gram);

/*
 * What a function makes of an argument that its call site keeps, and
 * a context for it, both gone with the value.  NULL unless it is kept.
 */
typedef struct DerivedValue
{
	MemoryContext context;
	void	   *value;			/* NULL for none, until the function sets it */
} DerivedValue;

extern DerivedValue *ArgumentDerived(FunctionCallInfo fcinfo, int argument);

/* An embedding that must have so many dimensions, else 22023; 0: any, told in *found. */
extern float *ArgumentEmbedding(FunctionCallInfo fcinfo, int argument, int32 dims, int32 *found);

/* These elements as an embedding; 22003 unless all are finite. */
extern bytea *MakeEmbedding(const float *elements, int32 dims);

/* A value of so many bytes, counted against commrec.max_train_memory: 54000 beyond it or 1 GB. */
extern bytea *MakeBytes(uint64 size, const char *what);

/* 22023: embeddings of different dimensions. */
extern void ReportDims(int32 a, int32 b) pg_attribute_noreturn();

#endif							/* COMMREC_PARTS_ARGUMENTS_H */
