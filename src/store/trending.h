/*
 * trending.h
 *		Reading the rising items of a version.
 */
#ifndef COMMREC_TRENDING_H
#define COMMREC_TRENDING_H

#include "core/topk.h"
#include "store/reader.h"

typedef struct TrendingReader
{
	Lookup		lookup;
	const DeployedVersion *deployed;
} TrendingReader;

/* Go through them, the one that rises most first. */
extern void TrendingReaderOpen(TrendingReader *reader, Oid schema, const DeployedVersion *deployed);
extern bool TrendingReaderNext(TrendingReader *reader, CrScored *item);
extern void TrendingReaderClose(TrendingReader *reader);

#endif							/* COMMREC_TRENDING_H */
