/*
 * neighbors.h
 *		Reading the lists of a deployed version whose scorer adds up lists.
 *
 * By index and with the active snapshot, as everything that serves
 * (store/reader.h).  Bytes are checked on every read: damaged ones, and a list
 * that is missing, are XX001, those of a newer format 0A000, both naming the
 * model and the item.
 */
#ifndef COMMREC_STORE_NEIGHBORS_H
#define COMMREC_STORE_NEIGHBORS_H

#include "core/neighbors.h"
#include "store/reader.h"

typedef struct NeighborReader
{
	Lookup		lookup;
	const DeployedVersion *deployed;
} NeighborReader;

extern void NeighborReaderOpen(NeighborReader *reader, Oid schema,
							   const DeployedVersion *deployed);
extern void NeighborReaderClose(NeighborReader *reader);

/*
 * The list of an item, to be decoded with cr_neighbors_decode(); the bytes stay
 * valid until the next call.
 */
extern const uint8 *NeighborReaderGet(NeighborReader *reader, int32 item_no, uint32 *count);

/* Entries of all lists of the version: one pass over them. */
extern int64 NeighborsCount(Oid schema, const DeployedVersion *deployed);

/* Room for all lists: items + 1 offsets, and as many entries as were counted. */
typedef struct NeighborArrays
{
	int64		entries;
	int64	   *start;
	int32	   *item_no;
	float	   *weight;
} NeighborArrays;

/* Read all lists; XX001 if one is missing. */
extern void NeighborsLoad(Oid schema, const DeployedVersion *deployed, NeighborArrays *arrays);

#endif							/* COMMREC_STORE_NEIGHBORS_H */
