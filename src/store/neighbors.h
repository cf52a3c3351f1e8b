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

/* The lists of all items, in the order of their numbers; false past the last one. */
extern void NeighborReaderStart(NeighborReader *reader);
extern bool NeighborReaderNext(NeighborReader *reader, int32 item_no, const uint8 **bytes,
							   uint32 *count);

#endif							/* COMMREC_STORE_NEIGHBORS_H */
