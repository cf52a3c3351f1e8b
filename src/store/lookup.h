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

#define LOOKUP_KEYS_MAX		3
#define LOOKUP_COLUMNS_MAX	8

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

/*
 * Where rows with consecutive numbers lie.  They are written in this order and
 * all of one length, so that most pages have equally many of them: as many as
 * the page of the first one that was found through the index.  From there the
 * place of any other can be guessed.  A guess is only a guess: the row that
 * lies there must be visible and bear the number, else it is looked up.
 */
typedef struct LookupPlaces
{
	int			misses;			/* guesses that were wrong */
	int32		per_page;		/* rows; 0 while nothing is known */
	int64		first;			/* number of the first row on page "page" */
	BlockNumber page;
	BlockNumber pages;			/* of the table, at least; 0: not yet asked */
} LookupPlaces;

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
	MemoryContext context;		/* in which it was opened: outlives what its caller resets between rows */
	void	   *copy;			/* detoasted bytes of the current row, in that context, or NULL */
	LookupPlaces places;
} Lookup;

/*
 * Open the table and the index; 55000 that names it if a column or the index
 * is missing.  Locks (AccessShareLock) stay until the end of the transaction,
 * as those of a SELECT do.
 */
extern void LookupOpen(Lookup *lookup, Oid schema, const LookupLayout *layout);

/* Find the rows whose first "keys" key columns equal the values; may be called again and again. */
extern void LookupStart(Lookup *lookup, int keys, const Datum *values);

/*
 * Find the rows whose first key column equals the value and whose second, an
 * integer, is at least "from" and below "to".
 */
extern void LookupStartRange(Lookup *lookup, Datum value, int32 from, int32 to);

/* The next of them in index order; false at the end. */
extern bool LookupNext(Lookup *lookup);

/* Where the current row lies; good for LookupFetch() under the same snapshot. */
extern ItemPointerData LookupPlace(const Lookup *lookup);

/* Go to the row that lies there; false if the snapshot does not see it. */
extern bool LookupFetch(Lookup *lookup, ItemPointerData place);

/*
 * Guess where the row lies whose two key columns, integers, have these values;
 * false if it is not found that way.
 */
extern bool LookupGuess(Lookup *lookup, int32 value, int32 number);

/* Learn from the current row, which was found with this number as its second key. */
extern void LookupLearn(Lookup *lookup, int32 number);

/*
 * A column of the current row, by its place in the layout.  It points into the
 * page and is valid until the next row.
 */
extern Datum LookupValue(Lookup *lookup, int column, bool *is_null);

/* Plain bytes of a bytea column, detoasted; NULL for NULL.  Valid until the next call, or row. */
extern const uint8 *LookupBytes(Lookup *lookup, int column, Size *length);

extern void LookupClose(Lookup *lookup);

/* The id kind of one column of a model's table, without opening it; 55000 if it is none. */
extern IdKind LookupIdKind(Oid schema, const char *table, const char *column);

#endif							/* COMMREC_LOOKUP_H */
