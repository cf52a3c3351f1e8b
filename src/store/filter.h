/*
 * filter.h
 *		The items that pass one of a model's filters, as bits read piece by piece.
 *
 * commrec.create_filter() and refresh_filter() evaluate a filter's predicate and
 * keep the result in item_filter_piece, one row per CR_ITEMSET_BITS item numbers
 * of a version.
 */
#ifndef COMMREC_FILTER_H
#define COMMREC_FILTER_H

#include "core/itemset.h"
#include "store/reader.h"

typedef struct FilterReader
{
	Lookup		lookup;
	const DeployedVersion *deployed;
	const char *name;
	int32		piece;			/* that "words" holds; -1 for none */
	uint64		words[CR_ITEMSET_WORDS];
} FilterReader;

/*
 * 42704 if the model has no filter of this name; 55000 with the hint to refresh
 * it if it has nothing for the deployed version.
 */
extern void FilterReaderOpen(FilterReader *reader, Oid schema, const DeployedVersion *deployed,
							 const char *name);
extern void FilterReaderClose(FilterReader *reader);

/* Does the item, one of the version, pass? */
extern bool FilterHas(FilterReader *reader, int32 item_no);

/* The lowest item from "item_no" on that passes; deployed->items if there is none. */
extern int32 FilterNext(FilterReader *reader, int32 item_no);

#endif							/* COMMREC_FILTER_H */
