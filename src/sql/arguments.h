/*
 * arguments.h
 *		Reading the arguments that the serving functions share: a model, an id, k.
 */
#ifndef COMMREC_ARGUMENTS_H
#define COMMREC_ARGUMENTS_H

#include "common/ident.h"
#include "fmgr.h"

/* The schema of the model named by a text argument; NULL stands for the default one. */
extern Oid	ArgumentModel(FunctionCallInfo fcinfo, int argument);

/*
 * An argument that is not NULL as an id of this kind; false if no id of the
 * kind can equal it.  Its type is that of the expression in the call, since the
 * declared one may be "any".
 */
extern bool ArgumentId(FunctionCallInfo fcinfo, int argument, IdKind kind, Datum *id);

/* k: NULL is 10; less than 1 is 22023. */
extern int32 ArgumentK(FunctionCallInfo fcinfo, int argument);

#endif							/* COMMREC_ARGUMENTS_H */
