/*
 * arguments.h
 *		Reading the arguments that the serving functions share: a model, an id, k.
 */
#ifndef COMMREC_ARGUMENTS_H
#define COMMREC_ARGUMENTS_H

#include "common/ident.h"
#include "fmgr.h"
#include "serve/eligible.h"
#include "train/train.h"

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

/* Rows to skip: NULL is 0; a negative number is 22023. */
extern int32 ArgumentSkip(FunctionCallInfo fcinfo, int argument);

/* A share, 0 .. 1, called "name"; NULL is 0, anything else 22023. */
extern double ArgumentShare(FunctionCallInfo fcinfo, int argument, const char *name);

/* Text, or NULL. */
extern char *ArgumentText(FunctionCallInfo fcinfo, int argument);

/*
 * An array of ids, called "name", as ids of this kind; NULL elements, and those
 * that no id of the kind can equal, are left out.  42804 if it is no array.
 */
extern void ArgumentIds(FunctionCallInfo fcinfo, int argument, IdKind kind, const char *name,
						IdList *list);

/* The time that lies an interval before now; false for NULL.  22023 for a negative interval. */
extern bool ArgumentTimeBefore(FunctionCallInfo fcinfo, int argument, const char *name,
							   TimestampTz *time);

/* The schema of the model named by a text argument; 22004 for NULL. */
extern Oid	ArgumentRequiredModel(FunctionCallInfo fcinfo, int argument);

/* An integer within bounds, ends included, else 22023; NULL gives the preset. */
extern int32 ArgumentInteger(FunctionCallInfo fcinfo, int argument, const char *name, int32 low,
							 int32 high, int32 preset);

/* An argument of the enumeration commrec.deployment; NULL: always. */
extern TrainDeploy ArgumentDeployment(FunctionCallInfo fcinfo, int argument);

#endif							/* COMMREC_ARGUMENTS_H */
