/*
 * lookup.h
 *		Finding rows of a model's table through one of its indexes, with the active snapshot.
 *
 * No SPI and no plan: these look-ups run in every recommend(), in parallel
 * workers, in read-only transactions and on standbys.  A layout names the
 * columns that are read; its first ones are the leading columns of the index
 * that serves.  Nothing is assumed about a table that its owner could have
 * altered: columns are found by name and must have the type that is expected.
 */
#ifndef COMMREC_LOOKUP_H
#define COMMREC_LOOKUP_H

#include "access/genam.h"
#include "access/skey.h"
#include "common/ident.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

#define LOOKUP_KEYS_MAX		2
#define LOOKUP_COLUMNS_MAX	6

/* A column's type; InvalidOid stands for any that an id may be stored in. */
typedef struct LookupColumn
{
	const char *name;
	Oid			type;
} LookupColumn;

typedef struct LookupLayout
{
	const char *table;
	int			keys;			/* the first of the columns, in index order */
	int			columns;
	LookupColumn column[LOOKUP_COLUMNS_MAX];
} LookupLayout;

/* An open table and its index; lives on the caller's stack. */
typedef struct Lookup
{
	Oid			schema;
	const LookupLayout *layout;
	Relation	table;
	Relation	index;
	AttrNumber	number[LOOKUP_COLUMNS_MAX]; /* of the layout's columns in the table */
	IdKind		id_kind;		/* of the id column; ID_INT8 where the layout has none */
	ScanKeyData key[LOOKUP_KEYS_MAX];
	IndexScanDesc scan;			/* NULL until LookupStart */
	TupleTableSlot *slot;		/* the current row; pins its page */
	void	   *copy;			/* detoasted bytes of the current row, or NULL */
} Lookup;

/*
 * Open the table and the index; 55000 that names it if a column or the index
 * is missing.  Locks (AccessShareLock) stay until the end of the transaction,
 * as those of a SELECT do.
 */
extern void LookupOpen(Lookup *lookup, Oid schema, const LookupLayout *layout);

/* Find the rows whose first "keys" key columns equal the values; may be called again and again. */
extern void LookupStart(Lookup *lookup, int keys, const Datum *values);

/* The next of them in index order; false at the end. */
extern bool LookupNext(Lookup *lookup);

/*
 * A column of the current row, by its place in the layout.  It points into the
 * page and is valid until the next row.
 */
extern Datum LookupValue(Lookup *lookup, int column, bool *is_null);

/* Plain bytes of a bytea column, detoasted; NULL for NULL.  Valid until the next call, or row. */
extern const uint8 *LookupBytes(Lookup *lookup, int column, Size *length);

extern void LookupClose(Lookup *lookup);

/* The id kind of one column of a model's table; 55000 if it is none. */
extern IdKind LookupIdKind(Oid schema, const char *table, const char *column);

#endif							/* COMMREC_LOOKUP_H */
