/*
 * compat.h
 *		What differs between PostgreSQL 13 and 18, in one place.
 *
 * Code is written against the newest interface; old servers are adapted here.
 */
#ifndef COMMREC_COMPAT_H
#define COMMREC_COMPAT_H

#include "access/genam.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "storage/dsm.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

/* PG 16 moved the macros over variable-length values out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 130000 || PG_VERSION_NUM >= 190000
#error "commrec supports PostgreSQL 13 to 18"
#endif

/* PG 18 replaced it by pg_noreturn, which stands elsewhere in a declaration. */
#ifndef pg_attribute_noreturn
#define pg_attribute_noreturn() __attribute__((noreturn))
#endif

/* PG 15 gave modules a name space of settings; before, placeholders were only warned about. */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* PG 16 replaced pg_*_aclcheck and pg_*_ownercheck by generic functions. */
#if PG_VERSION_NUM < 160000
static inline AclResult
CommrecSchemaAclCheck(Oid schema, Oid role, AclMode mode)
{
	return pg_namespace_aclcheck(schema, role, mode);
}

static inline bool
CommrecOwnsRelation(Oid relation, Oid role)
{
	return pg_class_ownercheck(relation, role);
}
#else
static inline AclResult
CommrecSchemaAclCheck(Oid schema, Oid role, AclMode mode)
{
	return object_aclcheck(NamespaceRelationId, schema, role, mode);
}

static inline bool
CommrecOwnsRelation(Oid relation, Oid role)
{
	return object_ownercheck(RelationRelationId, relation, role);
}
#endif

/* PG 14 moved the result relation into the signature, PG 16 added onlySummarizing. */
static inline List *
CommrecInsertIndexTuples(ResultRelInfo *result_relation pg_attribute_unused(), TupleTableSlot *slot, EState *estate)
{
#if PG_VERSION_NUM < 140000
	return ExecInsertIndexTuples(slot, estate, false, NULL, NIL);
#elif PG_VERSION_NUM < 160000
	return ExecInsertIndexTuples(result_relation, slot, estate, false, false, NULL, NIL);
#else
	return ExecInsertIndexTuples(result_relation, slot, estate, false, false, NULL, NIL, false);
#endif
}

/* Update a row, its index entries too where they change; PG 16 tells which indexes want one. */
static inline TM_Result
CommrecUpdateTuple(ResultRelInfo *result_relation, EState *estate, ItemPointer place,
				   TupleTableSlot *slot, CommandId command)
{
	Relation	table = result_relation->ri_RelationDesc;
	TM_FailureData failure;
	LockTupleMode mode;
	TM_Result	result;
#if PG_VERSION_NUM < 160000
	bool		indexes = false;
#else
	TU_UpdateIndexes indexes = TU_None;
#endif

	result = table_tuple_update(table, place, slot, command, GetActiveSnapshot(), InvalidSnapshot,
								true, &failure, &mode, &indexes);
	if (result != TM_Ok || !indexes || result_relation->ri_NumIndices == 0)
		return result;
#if PG_VERSION_NUM < 160000
	CommrecInsertIndexTuples(result_relation, slot, estate);
#else
	ExecInsertIndexTuples(result_relation, slot, estate, false, false, NULL, NIL,
						  indexes == TU_Summarizing);
#endif
	return result;
}

/* PG 14 dropped the executor state's "current" result relation; before, index insertion reads it. */
static inline void
CommrecBindResultRelation(EState *estate, ResultRelInfo *result_relation)
{
#if PG_VERSION_NUM < 140000
	estate->es_result_relations = result_relation;
	estate->es_num_result_relations = 1;
	estate->es_result_relation_info = result_relation;
#else
	(void) estate;
	(void) result_relation;
#endif
}

/* PG 18 counts index searches for EXPLAIN, which has no interest in ours. */
static inline IndexScanDesc
CommrecIndexBeginScan(Relation table, Relation index, Snapshot snapshot, int keys)
{
#if PG_VERSION_NUM < 180000
	return index_beginscan(table, index, snapshot, keys, 0);
#else
	return index_beginscan(table, index, snapshot, NULL, keys, 0);
#endif
}

/* PG 14 can reserve memory for segments at its start (min_dynamic_shared_memory); their handles are odd. */
static inline bool
CommrecSegmentIsReserved(dsm_segment *segment)
{
#if PG_VERSION_NUM < 140000
	(void) segment;
	return false;
#else
	return dsm_segment_handle(segment) % 2 == 1;
#endif
}

/* PG 15 has InitMaterializedSRF; this does the same everywhere. */
extern void CommrecInitSRF(FunctionCallInfo fcinfo);

#endif							/* COMMREC_COMPAT_H */
