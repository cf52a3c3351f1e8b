/*
 * bulk_internal.h
 *		What the files bulk*.c share: a writer, and the rows that it replaces.
 */
#ifndef COMMREC_BULK_INTERNAL_H
#define COMMREC_BULK_INTERNAL_H

#include "access/heapam.h"

#include "common/compat.h"
#include "store/bulk.h"
#include "store/lookup.h"

#define BULK_BATCH_ROWS		1000
#define BULK_COLUMNS_MAX	LOOKUP_COLUMNS_MAX

/* The rows that are there, in the order of the key, up to the one that is looked at. */
typedef struct BulkReplaced
{
	LookupLayout layout;		/* of all columns */
	Lookup		lookup;
	bool		has_row;		/* a row is looked at, whose place in the order has not come yet */
	FmgrInfo	compare[LOOKUP_KEYS_MAX];
	TupleTableSlot *slot;		/* for a row that is changed in its place */
	MemoryContext scratch;		/* of one row */
} BulkReplaced;

struct BulkWriter
{
	MemoryContext context;		/* owns the writer and its slots */
	Relation	table;
	TupleDesc	descriptor;		/* a copy, see NextSlot */
	EState	   *estate;
	ResultRelInfo *result_relation;
	BulkInsertState insert_state;
	CommandId	command;
	int			keys;			/* the first of the columns: the primary key */
	int			columns;		/* values of a row */
	AttrNumber	position[BULK_COLUMNS_MAX];	/* attribute index of each value, from 0 */
	int			slot_count;		/* slots made so far */
	int			queued;			/* slots in use */
	Size		queued_bytes;
	int64		written;
	BulkReplaced *replaced;		/* NULL: rows are added to those that are there */
	TupleTableSlot *slots[BULK_BATCH_ROWS];
};

/* Queue a row for insertion. */
extern void BulkQueueRow(BulkWriter *writer, const Datum *values, const bool *nulls);

/* Store values as the virtual row of a slot. */
extern void BulkFillSlot(const BulkWriter *writer, TupleTableSlot *slot, const Datum *values,
						 const bool *nulls);

/* bulk_replace.c: see BulkWriterReplace; the layout's columns are filled in. */
extern void BulkReplaceBegin(BulkWriter *writer, Oid schema);
extern void BulkReplaceAdd(BulkWriter *writer, const Datum *values, const bool *nulls);
extern void BulkReplaceEnd(BulkWriter *writer);

#endif							/* COMMREC_BULK_INTERNAL_H */
